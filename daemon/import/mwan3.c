/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mwan3's /etc/config/mwan3: interfaces become uplinks with health checks, rules policies, the last rule weights. */
#include <string.h>

#include "import/uci.h"

struct mwan3 {
	struct import *import;
	struct uci_file file, network;
	const char *balanced; /* the policy of what no other rule is for; NULL: none */
	unsigned decided;     /* families of which it is that */
};

enum { IPV4 = 1, IPV6 = 2 };

#define REFUSE(mwan3, section, ...) statement_refuse((mwan3)->import, (section)->statement, __VA_ARGS__)
#define NOTE(mwan3, section, ...)   statement_note((mwan3)->import, (section)->statement, __VA_ARGS__)

static struct uci_section *find_section(struct mwan3 *mwan3, const char *type, const char *name)
{
	for (unsigned i = 0; i < mwan3->file.count; i++)
		if (strcmp(mwan3->file.sections[i].type, type) == 0 &&
		    strcmp(mwan3->file.sections[i].name, name) == 0)
			return &mwan3->file.sections[i];
	return NULL;
}

/* --- interfaces --- */

static json_t *health_json(struct mwan3 *mwan3, struct uci_section *section)
{
	struct import *import = mwan3->import;
	const char *values[UCI_VALUES_MAX];
	unsigned count = uci_values(import, section, "track_ip", values);
	unsigned need = uci_number(section, "reliability", 1);
	const char *method = uci_value(section, "track_method", "ping");
	json_t *targets, *health;

	if (count == 0)
		return json_null();
	if (count > HEALTH_TARGETS_MAX) {
		count = HEALTH_TARGETS_MAX;
		NOTE(mwan3, section, "of its targets the first %u are asked", count);
	}
	targets = json_array();
	for (unsigned i = 0; i < count; i++)
		json_array_append_new(targets, json_string(values[i]));
	health = json_pack("{s:o, s:I, s:I, s:i, s:i}", "targets", targets, "interval_ms",
			   (json_int_t)uci_number(section, "interval", 10) * 1000, "timeout_ms",
			   (json_int_t)uci_number(section, "timeout", 4) * 1000, "down_after",
			   (int)uci_number(section, "down", 5), "up_after",
			   (int)uci_number(section, "up", 5));
	if (need > 1)
		json_object_set_new(health, "need", need >= count ? json_string("all") : json_integer(need));
	if (uci_flag(section, "check_quality", false)) {
		json_object_set_new(health, "max_loss_percent",
				    json_integer(uci_number(section, "failure_loss", 40)));
		json_object_set_new(health, "max_latency_ms",
				    json_integer(uci_number(section, "failure_latency", 1000)));
	}
	if (strcmp(method, "ping") != 0)
		NOTE(mwan3, section, "the targets are pinged, not asked by %.32s", method);
	if (uci_number(section, "count", 1) > 1)
		NOTE(mwan3, section, "one probe goes out in each interval, not %u",
		     uci_number(section, "count", 1));
	return health;
}

static bool is_enabled(struct uci_section *interface)
{
	return uci_flag(interface, "enabled", false); /* as mwan3 has it */
}

static void read_interface(struct mwan3 *mwan3, struct uci_section *section)
{
	static const char *const left[] = { "family",           "initial_state", "size",
					    "max_ttl",          "httping_ssl",   "flush_conntrack",
					    "recovery_latency", "recovery_loss", NULL };
	struct import *import = mwan3->import;
	const char *name;
	json_t *fields;
	int draft;

	if (!is_enabled(section)) {
		statement_covered(import, section->statement, "it is not enabled");
		return;
	}
	name = uci_uplink(import, &mwan3->network, section->name, &draft);
	if (!name) {
		REFUSE(mwan3, section,
		       "nobody says which device it has: /etc/config/network does, which can be given, too");
		return;
	}
	statement_became(mwan3->import, section->statement, draft, import_printf(import, "uplink %s", name));
	fields = draft >= 0 ? import->drafts[draft].fields : NULL;
	if (!fields) {
		NOTE(mwan3, section,
		     "the uplink is there already and is left as it is: its health check, tier and weight are not taken from here");
	} else if (json_object_get(fields, "health")) {
		NOTE(mwan3, section, "the uplink has its health check by another interface on its device");
	} else {
		json_object_set_new(fields, "health", health_json(mwan3, section));
		uci_ignore(section, left);
		uci_refuse_rest(import, section, "no uplink has that");
	}
}

/* --- members and policies --- */

struct member {
	const char *uplink;
	int draft;
	unsigned metric, weight;
};

/* The members of a policy, those with the lowest metric first; those whose interface is off do not count. */
static unsigned policy_members(struct mwan3 *mwan3, struct uci_section *policy,
			       struct member members[UPLINKS_MAX])
{
	const char *values[UCI_VALUES_MAX];
	unsigned count = 0, listed = uci_values(mwan3->import, policy, "use_member", values);

	for (unsigned i = 0; i < listed && count < UPLINKS_MAX; i++) {
		struct uci_section *section = find_section(mwan3, "member", values[i]);
		const char *name = section ? uci_value(section, "interface", "") : "";
		struct uci_section *interface = find_section(mwan3, "interface", name);
		struct member member = { 0 };
		unsigned at = count;

		if (interface && is_enabled(interface))
			member.uplink = uci_uplink(mwan3->import, &mwan3->network, name, &member.draft);
		if (!member.uplink)
			continue;
		member.metric = uci_number(section, "metric", 1);
		member.weight = uci_number(section, "weight", 1);
		for (unsigned k = 0; k < count; k++)
			if (strcmp(members[k].uplink, member.uplink) == 0)
				member.uplink = NULL; /* its interface of the other family */
		if (!member.uplink)
			continue;
		for (; at > 0 && members[at - 1].metric > member.metric; at--)
			members[at] = members[at - 1];
		members[at] = member;
		count++;
	}
	return count;
}

/* Catches all that no rule before it does. */
static bool is_for_all(struct uci_section *rule)
{
	static const char *const narrowing[] = {
		"src_ip", "src_port", "src_iface", "dest_port", "ipset", "ipset_v4", "ipset_v6", NULL,
	};
	const char *destination = uci_value(rule, "dest_ip", "0.0.0.0/0");
	const char *protocol = uci_value(rule, "proto", "all");

	for (unsigned i = 0; narrowing[i]; i++)
		if (uci_has(rule, narrowing[i]))
			return false;
	return (strcmp(destination, "0.0.0.0/0") == 0 || strcmp(destination, "::/0") == 0) &&
	       strcmp(protocol, "all") == 0;
}

/* Of which families the rule is. */
static unsigned rule_families(struct uci_section *rule)
{
	const char *family = uci_value(rule, "family", "any");
	const char *from = uci_value(rule, "src_ip", ""), *to = uci_value(rule, "dest_ip", "");

	if (strcmp(family, "ipv6") == 0 || strchr(from, ':') || strchr(to, ':'))
		return IPV6;
	return strcmp(family, "ipv4") == 0 || from[0] || to[0] ? IPV4 : IPV4 | IPV6;
}

static void set_member(struct import *import, const struct member *member, unsigned tier, unsigned highest,
		       struct uci_section *rule)
{
	json_t *fields = member->draft >= 0 ? import->drafts[member->draft].fields : NULL;

	if (!fields)
		return;
	json_object_set_new(fields, "tier", json_integer(tier));
	json_object_set_new(fields, "weight",
			    json_integer(member->weight ? import_weight(member->weight, highest) : 1));
	if (uci_flag(rule, "sticky", false)) {
		json_object_set_new(fields, "sticky", json_true());
		json_object_set_new(fields, "sticky_timeout_s",
				    json_integer(uci_number(rule, "timeout", 600)));
	}
}

/* The main table, for when no member is up. */
static bool is_last_resort(struct uci_section *policy)
{
	return strcmp(uci_value(policy, "last_resort", "unreachable"), "default") == 0;
}

/* Weights and tiers, of what is not chosen otherwise. */
static void read_default_rule(struct mwan3 *mwan3, struct uci_section *rule, struct uci_section *policy)
{
	struct import *import = mwan3->import;
	struct member members[UPLINKS_MAX];
	unsigned count = policy_members(mwan3, policy, members), tier = 0, highest = 0;
	int draft;

	for (unsigned i = 0; i < count; i++)
		if (members[i].weight > highest)
			highest = members[i].weight;
	for (unsigned i = 0; i < count; i++) {
		tier += i == 0 || members[i].metric != members[i - 1].metric;
		set_member(import, &members[i], tier, highest, rule);
	}
	mwan3->balanced = policy->name;
	if (count == 0) {
		REFUSE(mwan3, rule,
		       "no member of policy %.50s has a device that is known and not switched off",
		       policy->name);
		return;
	}
	draft = draft_last_resort(import,
				  is_last_resort(policy) ? LAST_RESORT_MAIN : LAST_RESORT_UNREACHABLE);
	statement_became(mwan3->import, rule->statement, draft, NULL);
	if (draft >= 0)
		NOTE(mwan3, rule, "last_resort is %s", is_last_resort(policy) ? "main" : "unreachable");
	NOTE(mwan3, rule, "tiers and weights of the uplinks say that: %.50s", policy->name);
}

/* --- rules --- */

/* A prefix, or nothing for all. */
static json_t *prefixes(struct mwan3 *mwan3, struct uci_section *rule, const char *name)
{
	const char *values[UCI_VALUES_MAX];
	unsigned count = uci_values(mwan3->import, rule, name, values);
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		if (strcmp(values[i], "0.0.0.0/0") != 0 && strcmp(values[i], "::/0") != 0)
			json_array_append_new(list, json_string(values[i]));
	return list;
}

/* "80,443,8000:8100" as "80,443,8000-8100". */
static json_t *ports(struct import *import, const char *text)
{
	char *copy = (char *)import_strndup(import, text, strlen(text));

	for (char *p = copy; *p; p++)
		if (*p == ':')
			*p = '-';
	return json_string(copy);
}

static json_t *policy_fields(struct mwan3 *mwan3, struct uci_section *rule, const struct member *members,
			     unsigned count, unsigned position)
{
	const char *protocol = uci_value(rule, "proto", "all"), *to = uci_value(rule, "dest_port", NULL);
	json_t *names = json_array();
	json_t *fields = json_pack("{s:o, s:o, s:o, s:i}", "uplinks", names, "sources",
				   prefixes(mwan3, rule, "src_ip"), "destinations",
				   prefixes(mwan3, rule, "dest_ip"), "position", (int)position);

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(names, json_string(members[i].uplink));
	if (strcmp(protocol, "all") != 0)
		json_object_set_new(fields, "protocol", json_string(protocol));
	if (to)
		json_object_set_new(fields, "ports", ports(mwan3->import, to));
	return fields;
}

/* `policy`: NULL for the one that lets nothing out. */
static void read_policy_rule(struct mwan3 *mwan3, struct uci_section *rule, struct uci_section *policy,
			     unsigned position)
{
	static const char *const without_effect[] = { "family", "use_policy", "logging", NULL };
	struct import *import = mwan3->import;
	struct member members[UPLINKS_MAX];
	unsigned count = policy ? policy_members(mwan3, policy, members) : 0;
	json_t *fields = policy_fields(mwan3, rule, members, count, position);
	int draft;

	if (!policy || !is_last_resort(policy))
		json_object_set_new(fields, "otherwise", json_string("unreachable"));
	if (uci_has(rule, "family") && !uci_has(rule, "src_ip") && !uci_has(rule, "dest_ip"))
		NOTE(mwan3, rule, "policies without addresses are for both families");
	if (uci_flag(rule, "sticky", false))
		NOTE(mwan3, rule, "sticky is a setting of uplinks here");
	uci_value(rule, "timeout", NULL);
	uci_ignore(rule, without_effect);
	if (!uci_all_used(import, rule, "no policy has that")) {
		json_decref(fields);
		return;
	}
	draft = draft_add(import, KIND_POLICY, rule->name, fields);
	statement_became(mwan3->import, rule->statement, draft, NULL);
	for (unsigned i = 1; i < count; i++)
		if (members[i].metric == members[i - 1].metric) {
			NOTE(mwan3, rule, "not spread among them, as %.50s does: the first that is up",
			     policy->name);
			break;
		}
}

static void read_rule(struct mwan3 *mwan3, struct uci_section *rule, unsigned position)
{
	const char *name = uci_value(rule, "use_policy", "");
	struct uci_section *policy = find_section(mwan3, "policy", name);

	bool nowhere = strcmp(name, "unreachable") == 0 || strcmp(name, "blackhole") == 0;
	unsigned families = rule_families(rule);

	if (strcmp(name, "default") == 0)
		REFUSE(mwan3, rule, "a policy is for uplinks: the main table has no counterpart here");
	else if (!policy && !nowhere)
		REFUSE(mwan3, rule, "there is no policy %.50s", name);
	else if ((families & ~mwan3->decided) == 0)
		REFUSE(mwan3, rule, "it is never asked: a rule before it is for all");
	else if (!is_for_all(rule))
		read_policy_rule(mwan3, rule, policy, position);
	else if (!policy)
		REFUSE(mwan3, rule, "that all else gets nowhere has no counterpart here");
	else if (!mwan3->balanced)
		read_default_rule(mwan3, rule, policy);
	else if (strcmp(mwan3->balanced, policy->name) == 0)
		statement_covered(mwan3->import, rule->statement,
				  "tiers and weights of the uplinks say that: %.50s", policy->name);
	else
		REFUSE(mwan3, rule, "the rule for all else is another one before it");
	if (is_for_all(rule))
		mwan3->decided |= families;
}

/* --- the whole --- */

static void read_rest(struct mwan3 *mwan3, struct uci_section *section)
{
	struct import *import = mwan3->import;

	if (strcmp(section->type, "globals") == 0)
		statement_covered(import, section->statement, "marks and the like are Portico's own");
	else if (strcmp(section->type, "member") == 0)
		statement_covered(import, section->statement, "it is part of the policies that use it");
	else if (strcmp(section->type, "policy") == 0)
		statement_covered(import, section->statement, "it is part of the rules that use it");
	else if (strcmp(section->type, "interface") != 0 && strcmp(section->type, "rule") != 0)
		REFUSE(mwan3, section, "sections of type %.50s have no counterpart here", section->type);
}

void import_mwan3(struct import *import, const char *text, const char *network_text)
{
	struct mwan3 *mwan3 = import_alloc(import, sizeof(*mwan3));
	unsigned position = 0;

	if (!mwan3)
		return;
	mwan3->import = import;
	uci_read(import, text, true, &mwan3->file);
	if (network_text)
		uci_read(import, network_text, false, &mwan3->network);
	for (unsigned i = 0; i < mwan3->file.count && !import->failed; i++)
		if (strcmp(mwan3->file.sections[i].type, "interface") == 0)
			read_interface(mwan3, &mwan3->file.sections[i]);
	for (unsigned i = 0; i < mwan3->file.count && !import->failed; i++)
		if (strcmp(mwan3->file.sections[i].type, "rule") == 0)
			read_rule(mwan3, &mwan3->file.sections[i], position += 10);
	for (unsigned i = 0; i < mwan3->file.count && !import->failed; i++)
		read_rest(mwan3, &mwan3->file.sections[i]);
}
