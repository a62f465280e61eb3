/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mwan3's /etc/config/mwan3: interfaces become uplinks with health checks, rules policies, the last rule weights. */
#include <string.h>

#include "import/uci.h"

struct mwan3 {
	struct import *import;
	struct uci_file file, network;
	struct uci_section *usual;       /* the policy of what no other rule is for; NULL: none */
	struct uci_section *last_choice; /* the last rule with another one; NULL: none */
	bool shared;                     /* the uplinks have the tiers and weights of `usual` */
	unsigned decided;                /* families that a rule before has all of */
};

enum { IPV4 = 1, IPV6 = 2 };

#define REFUSE(mwan3, section, ...) statement_refuse((mwan3)->import, (section)->statement, __VA_ARGS__)
#define NOTE(mwan3, section, ...)   statement_note((mwan3)->import, (section)->statement, __VA_ARGS__)

static struct uci_section *find_section(struct mwan3 *mwan3, const char *type, const char *name)
{
	for (unsigned i = 0; i < mwan3->file.count && import_step(mwan3->import, 1); i++)
		if (strcmp(mwan3->file.sections[i].type, type) == 0 &&
		    strcmp(mwan3->file.sections[i].name, name) == 0)
			return &mwan3->file.sections[i];
	return NULL;
}

/* --- interfaces --- */

/* The interface's uplink, and the draft of it or of changes to it. NULL: nobody knows its device. */
static const char *uplink_of(struct mwan3 *mwan3, const char *interface, int *ret_draft)
{
	const struct config *config = mwan3->import->config;
	const char *name = uci_uplink(mwan3->import, &mwan3->network, interface, ret_draft);

	if (name && *ret_draft < 0)
		*ret_draft = draft_change(mwan3->import, config_find_name(config, KIND_UPLINK, name));
	return *ret_draft < 0 ? NULL : name;
}

static const char *probe_method(struct mwan3 *mwan3, struct uci_section *section)
{
	const char *method = uci_value(section, "track_method", "ping");

	if (strcmp(method, "nslookup") == 0)
		return "dns";
	if (strcmp(method, "ping") != 0)
		NOTE(mwan3, section, "the targets are pinged, not asked by %.32s", method);
	return "icmp";
}

/* A round of mwan3's is lost when so many pings to a target are; here each probe counts. */
static unsigned down_after(struct uci_section *section)
{
	unsigned probes = uci_number(section, "down", 5) * uci_number(section, "count", 1);

	return probes > 100 ? 100 : probes;
}

static json_t *health_json(struct mwan3 *mwan3, struct uci_section *section)
{
	struct import *import = mwan3->import;
	const char *values[UCI_VALUES_MAX];
	unsigned count = uci_values(import, section, "track_ip", values);
	unsigned need = uci_number(section, "reliability", 1), interval = uci_number(section, "interval", 10);
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
	health = json_pack("{s:s, s:o, s:I, s:I, s:i, s:i}", "method", probe_method(mwan3, section),
			   "targets", targets, "interval_ms", (json_int_t)interval * 1000, "timeout_ms",
			   (json_int_t)uci_number(section, "timeout", 4) * 1000, "down_after",
			   (int)down_after(section), "up_after", (int)uci_number(section, "up", 5));
	if (need > 1)
		json_object_set_new(health, "need", need >= count ? json_string("all") : json_integer(need));
	if (uci_flag(section, "check_quality", false)) {
		json_object_set_new(health, "max_loss_percent",
				    json_integer(uci_number(section, "failure_loss", 40)));
		json_object_set_new(health, "max_latency_ms",
				    json_integer(uci_number(section, "failure_latency", 1000)));
	}
	if (uci_number(section, "count", 1) > 1)
		NOTE(mwan3, section,
		     "one probe goes out in each interval, not %u, so down_after is %u times down",
		     uci_number(section, "count", 1), uci_number(section, "count", 1));
	if (uci_number(section, "failure_interval", interval) != interval ||
	    uci_number(section, "recovery_interval", interval) != interval)
		NOTE(mwan3, section,
		     "the interval is the same while it recovers, and a quarter of it while an answer is missing");
	return health;
}

static bool is_enabled(struct uci_section *interface)
{
	return uci_flag(interface, "enabled", false); /* as mwan3 has it */
}

/* One of that name is taken for it. */
static void note_other_device(struct mwan3 *mwan3, struct uci_section *section, const struct uplink *there)
{
	const char *device = uci_device(mwan3->import, &mwan3->network, section->name);

	if (there && device && strcmp(there->device, device) != 0)
		NOTE(mwan3, section, "the uplink of that name has %s, not %s", there->device, device);
}

static void read_interface(struct mwan3 *mwan3, struct uci_section *section)
{
	static const char *const left[] = {
		"family",
		"initial_state",
		"size",
		"max_ttl",
		"httping_ssl",
		"flush_conntrack",
		"recovery_loss",
		"recovery_latency",
		"keep_failure_interval",
		NULL,
	};
	struct import *import = mwan3->import;
	const char *name;
	json_t *fields;
	int draft;

	if (!is_enabled(section)) {
		statement_covered(import, section->statement, "it is not enabled");
		return;
	}
	name = uplink_of(mwan3, section->name, &draft);
	if (!name) {
		REFUSE(mwan3, section,
		       "nobody says which device it has: /etc/config/network does, which can be given, too");
		return;
	}
	statement_became(import, section->statement, draft, NULL);
	note_other_device(mwan3, section, (const struct uplink *)import->drafts[draft].before);
	fields = import->drafts[draft].fields;
	if (json_object_get(fields, "health")) {
		NOTE(mwan3, section, "the uplink has its health check by another interface on its device");
		return;
	}
	json_object_set_new(fields, "health", health_json(mwan3, section));
	uci_ignore(section, left);
	uci_refuse_rest(import, section, "no uplink has that");
}

/* --- members and policies --- */

struct member {
	const char *uplink;
	int draft;
	unsigned metric, weight;
};

static bool comes_before(const struct member *a, const struct member *b)
{
	return a->metric != b->metric ? a->metric < b->metric : a->weight > b->weight;
}

/* The members of a policy, the lowest metric and then the highest weight first; those whose interface is off do not count. */
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
			member.uplink = uplink_of(mwan3, name, &member.draft);
		if (!member.uplink)
			continue;
		member.metric = uci_number(section, "metric", 1);
		member.weight = uci_number(section, "weight", 1);
		for (unsigned k = 0; k < count; k++)
			if (strcmp(members[k].uplink, member.uplink) == 0)
				member.uplink = NULL; /* its interface of the other family */
		if (!member.uplink)
			continue;
		for (; at > 0 && comes_before(&member, &members[at - 1]); at--)
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

static void set_field(struct import *import, int draft, const char *key, json_t *value)
{
	json_object_set_new(draft < 0 ? NULL : import->drafts[draft].fields, key, value);
}

/* With mwan3 a host stays with its uplink in what a rule is for, here in all. */
static void set_sticky(struct import *import, const struct member *members, unsigned count,
		       struct uci_section *rule)
{
	unsigned timeout = uci_number(rule, "timeout", 600);

	if (!uci_flag(rule, "sticky", false))
		return;
	timeout = timeout < 10 ? 10 : timeout > 604800 ? 604800 : timeout;
	for (unsigned i = 0; i < count; i++) {
		set_field(import, members[i].draft, "sticky", json_true());
		set_field(import, members[i].draft, "sticky_timeout_s", json_integer(timeout));
	}
}

/* The main table, for when no member is up. */
static bool is_last_resort(struct uci_section *policy)
{
	return strcmp(uci_value(policy, "last_resort", "unreachable"), "default") == 0;
}

static bool is_member(const struct member *members, unsigned count, const char *uplink)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(members[i].uplink, uplink) == 0)
			return true;
	return false;
}

/* mwan3 gives them nothing of what no other rule is for. Here they would have a share of it in the first tier. */
static void set_others_back(struct mwan3 *mwan3, const struct member *members, unsigned count, unsigned tier,
			    struct uci_section *rule)
{
	struct import *import = mwan3->import;
	const struct object_list *uplinks = &import->config->lists[KIND_UPLINK];
	const char *names = "";

	for (unsigned i = 0; i < uplinks->count; i++)
		draft_change(import, uplinks->items[i]);
	for (unsigned i = 0; i < import->draft_count; i++) {
		const struct draft *draft = &import->drafts[i];
		const struct uplink *before = (const struct uplink *)draft->before;

		if (draft->kind != KIND_UPLINK || (before && (before->tier != 1 || !before->enabled)) ||
		    is_member(members, count, draft->name))
			continue;
		set_field(import, (int)i, "tier", json_integer(tier));
		names = import_join(import, names, " ", draft->name);
	}
	if (names[0])
		NOTE(mwan3, rule, "others are in tier %u, for when all of those are down:%s", tier, names);
}

/* Weights and tiers, of what is not chosen otherwise. */
static void read_usual_rule(struct mwan3 *mwan3, struct uci_section *rule)
{
	struct import *import = mwan3->import;
	struct uci_section *policy = mwan3->usual;
	struct member members[UPLINKS_MAX];
	unsigned count = policy_members(mwan3, policy, members), tier = 0, highest = 0;
	enum last_resort last_resort = is_last_resort(policy) ? LAST_RESORT_MAIN : LAST_RESORT_UNREACHABLE;
	int draft = -1;

	mwan3->shared = true;
	if (count == 0) {
		REFUSE(mwan3, rule,
		       "no member of policy %.50s has a device that is known and not switched off",
		       policy->name);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		if (members[i].weight > highest)
			highest = members[i].weight;
	for (unsigned i = 0; i < count; i++) {
		unsigned weight = members[i].weight;

		tier += i == 0 || members[i].metric != members[i - 1].metric;
		set_field(import, members[i].draft, "tier", json_integer(tier));
		set_field(import, members[i].draft, "weight",
			  json_integer(weight ? import_weight(weight, highest) : 1));
	}
	set_sticky(import, members, count, rule);
	if (config_settings(import->config)->last_resort != last_resort) {
		draft = draft_change(import, &config_settings(import->config)->object);
		set_field(import, draft, "last_resort",
			  json_string(last_resort == LAST_RESORT_MAIN ? "main" : "unreachable"));
	}
	statement_became(import, rule->statement, draft, NULL);
	NOTE(mwan3, rule, "tiers and weights of the uplinks say that: %.50s", policy->name);
	set_others_back(mwan3, members, count, tier + 1, rule);
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

/* `policy`: NULL for the one that lets nothing out; without uplinks it is as usual. */
static void read_policy_rule(struct mwan3 *mwan3, struct uci_section *rule, struct uci_section *policy,
			     unsigned position)
{
	static const char *const left[] = { "family", "use_policy", "logging", "sticky", "timeout", NULL };
	struct import *import = mwan3->import;
	struct member members[UPLINKS_MAX];
	bool as_usual = policy && policy == mwan3->usual;
	unsigned count = policy && !as_usual ? policy_members(mwan3, policy, members) : 0;
	json_t *fields = policy_fields(mwan3, rule, members, count, position);

	if (!policy || (!as_usual && !is_last_resort(policy)))
		json_object_set_new(fields, "otherwise", json_string("unreachable"));
	if (uci_has(rule, "family") && !uci_has(rule, "src_ip") && !uci_has(rule, "dest_ip"))
		NOTE(mwan3, rule, "policies without addresses are for both families");
	uci_ignore(rule, left);
	if (!uci_all_used(import, rule, "no policy has that")) {
		json_decref(fields);
		return;
	}
	statement_became(import, rule->statement, draft_add(import, KIND_POLICY, rule->name, fields), NULL);
	if (as_usual)
		NOTE(mwan3, rule, "it is shared out like all that no rule is for");
	for (unsigned i = 1; i < count; i++)
		if (members[i].metric == members[i - 1].metric) {
			NOTE(mwan3, rule, "not spread among them, as %.50s does: the first that is up",
			     policy->name);
			break;
		}
}

/* Some connections by the policy that has all others: a policy only where one after it would have them. */
static void read_rule_as_usual(struct mwan3 *mwan3, struct uci_section *rule, unsigned position)
{
	struct member members[UPLINKS_MAX];

	if (mwan3->last_choice && rule < mwan3->last_choice)
		read_policy_rule(mwan3, rule, mwan3->usual, position);
	statement_covered(mwan3->import, rule->statement, "tiers and weights of the uplinks say that: %.50s",
			  mwan3->usual->name);
	if (!uci_flag(rule, "sticky", false))
		return;
	set_sticky(mwan3->import, members, policy_members(mwan3, mwan3->usual, members), rule);
	NOTE(mwan3, rule,
	     "sticky is a setting of uplinks here: a host stays with its uplink in all that it begins");
}

static bool is_nowhere(const char *policy)
{
	return strcmp(policy, "unreachable") == 0 || strcmp(policy, "blackhole") == 0;
}

static void read_rule(struct mwan3 *mwan3, struct uci_section *rule, unsigned position)
{
	const char *name = uci_value(rule, "use_policy", "");
	struct uci_section *policy = find_section(mwan3, "policy", name);
	unsigned families = rule_families(rule);

	if (strcmp(name, "default") == 0)
		REFUSE(mwan3, rule, "a policy is for uplinks: the main table has no counterpart here");
	else if (!policy && !is_nowhere(name))
		REFUSE(mwan3, rule, "there is no policy %.50s", name);
	else if ((families & ~mwan3->decided) == 0)
		REFUSE(mwan3, rule, "it is never asked: a rule before it is for all");
	else if (!is_for_all(rule) && policy && policy == mwan3->usual)
		read_rule_as_usual(mwan3, rule, position);
	else if (!is_for_all(rule))
		read_policy_rule(mwan3, rule, policy, position);
	else if (!policy)
		REFUSE(mwan3, rule, "that all else gets nowhere has no counterpart here");
	else if (policy != mwan3->usual)
		REFUSE(mwan3, rule, "the rule for all else is another one before it");
	else if (!mwan3->shared)
		read_usual_rule(mwan3, rule);
	else
		statement_covered(mwan3->import, rule->statement,
				  "tiers and weights of the uplinks say that: %.50s", policy->name);
	if (is_for_all(rule))
		mwan3->decided |= families;
}

/* Which policy has what no other rule is for, and the last rule that needs another one. */
static void find_usual(struct mwan3 *mwan3)
{
	struct uci_section *sections = mwan3->file.sections;

	for (unsigned i = 0; i < mwan3->file.count && !mwan3->usual; i++)
		if (strcmp(sections[i].type, "rule") == 0 && is_for_all(&sections[i]))
			mwan3->usual = find_section(mwan3, "policy",
						    uci_value(&sections[i], "use_policy", ""));
	for (unsigned i = 0; i < mwan3->file.count; i++) {
		const char *name = uci_value(&sections[i], "use_policy", "");
		struct uci_section *policy = name[0] ? find_section(mwan3, "policy", name) : NULL;

		if (is_nowhere(name) || (policy && policy != mwan3->usual && !is_for_all(&sections[i])))
			mwan3->last_choice = &sections[i];
	}
}

/* What no rule is for goes by the main table there. */
static void note_no_usual(struct mwan3 *mwan3)
{
	for (unsigned i = mwan3->file.count; i > 0 && !mwan3->usual; i--)
		if (strcmp(mwan3->file.sections[i - 1].type, "rule") == 0) {
			NOTE(mwan3, &mwan3->file.sections[i - 1],
			     "no rule is for all else: with mwan3 that goes by the main table, here by tiers and "
			     "weights of the uplinks");
			return;
		}
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
	find_usual(mwan3);
	for (unsigned i = 0; i < mwan3->file.count && !import->failed; i++)
		if (strcmp(mwan3->file.sections[i].type, "rule") == 0)
			read_rule(mwan3, &mwan3->file.sections[i], position += 10);
	note_no_usual(mwan3);
	for (unsigned i = 0; i < mwan3->file.count && !import->failed; i++)
		read_rest(mwan3, &mwan3->file.sections[i]);
}
