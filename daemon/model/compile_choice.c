/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New connections from inside: the packet, not yet the connection, gets the mark of an uplink. Routing sends it there unless
 * the main table knows better; once it leaves, the connection is marked with the uplink by which it did.
 *
 *   choose    policies in their order, then, for what would leave by an uplink, spread4 or spread6
 *   spread    sources that stick to an uplink, then the uplinks in turn, by their weights
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/compiler.h"

/* --- sharing out --- */

static void sticky_name(char name[KNAME_MAX], const struct family_words *family, const struct uplink *uplink)
{
	compiler_name(name, "sticky", family, uplink->object.id);
}

/* The chain that gives a connection to the uplink, in passing noting its source if that is to stick. */
static void share_name(char name[KNAME_MAX], const struct uplink *uplink)
{
	snprintf(name, KNAME_MAX, uplink->sticky ? "stick_%u" : "mark_%u", uplink->object.id);
}

static void add_sticky_sets(struct compiler *c, const struct family_words *family,
			    const struct choice *choice, struct kchain *spread)
{
	for (unsigned i = 0; i < choice->count; i++) {
		const struct uplink *uplink = choice->shared[i]->uplink;
		char set_name[KNAME_MAX], chain_name[KNAME_MAX];

		if (!uplink->sticky)
			continue;
		sticky_name(set_name, family, uplink);
		share_name(chain_name, uplink);
		struct kset *set = compiler_add_set(c, set_name, family->address, false);

		if (set)
			set->timeout_s = (uint32_t)uplink->sticky_timeout_s;
		RULE(c, spread, uplink->object.name, kstmt_lookup(family->saddr, set_name, false),
		     kstmt_goto(chain_name));
	}
}

static unsigned weights_divisor(const struct choice *choice)
{
	unsigned divisor = 0;

	for (unsigned i = 0; i < choice->count; i++)
		for (unsigned rest = (unsigned)choice->shared[i]->uplink->weight; rest;) {
			unsigned next = divisor % rest;

			divisor = rest;
			rest = next;
		}
	return divisor ? divisor : 1;
}

/* Each takes its part of what those before it have left. */
static void add_turns(struct compiler *c, const struct choice *choice, struct kchain *spread)
{
	unsigned divisor = weights_divisor(choice), left = 0;

	for (unsigned i = 0; i < choice->count; i++)
		left += (unsigned)choice->shared[i]->uplink->weight / divisor;
	for (unsigned i = 0; i < choice->count; i++) {
		const struct uplink *uplink = choice->shared[i]->uplink;
		unsigned weight = (unsigned)uplink->weight / divisor;
		char name[KNAME_MAX];

		share_name(name, uplink);
		if (weight < left)
			RULE(c, spread, uplink->object.name, kstmt_turn(left, weight), kstmt_goto(name));
		else
			RULE(c, spread, uplink->object.name, kstmt_goto(name));
		left -= weight;
	}
}

/* Those of a provider's prefix are routed by it, see compile_routing.c. */
static void spare_providers(struct compiler *c, struct kchain *spread)
{
	const struct family_words *family = &compiler_families[1];
	struct prefix_list list = { 0 };
	char name[KNAME_MAX];

	for (unsigned i = 0; i < c->ways.count; i++) {
		const struct uplink_live *live = &c->ways.uplinks[i];
		struct prefix prefixes[UPLINK_PREFIXES_MAX];
		unsigned count;

		if (!live->uplink->enabled || uplink_own_way(&c->ways, live, family->af) == OWN_WAY_CHOICE)
			continue;
		count = uplink_prefixes(live, prefixes);
		for (unsigned j = 0; j < count; j++)
			compiler_add_prefix(c, &list, &prefixes[j]);
	}
	compiler_name(name, "provider", family, 0);
	if (compiler_take_list(c, name, family, &list))
		RULE(c, spread, "its provider is clear", kstmt_lookup(family->saddr, name, false),
		     kstmt_verdict(KVERDICT_RETURN));
}

static bool compile_spread(struct compiler *c, const struct family_words *family, const char *name)
{
	const struct choice *choice = ways_choice(&c->ways, family->af);
	struct kchain spread = { 0 };

	if (!choice->count)
		return false;
	if (family->af == AF_INET6)
		spare_providers(c, &spread);
	add_sticky_sets(c, family, choice, &spread);
	add_turns(c, choice, &spread);
	compiler_move_rules(kstate_add_chain(c->state, name, NULL), &spread);
	return true;
}

/* Notes the source, of whichever family, and gives the connection to the uplink. */
static void add_stick_chains(struct compiler *c)
{
	for (unsigned i = 0; i < c->ways.count; i++) {
		const struct uplink *uplink = c->ways.uplinks[i].uplink;
		struct kchain stick = { 0 };
		char name[KNAME_MAX];

		for (unsigned f = 0; f < FAMILY_COUNT; f++) {
			const struct family_words *family = &compiler_families[f];

			sticky_name(name, family, uplink);
			if (compiler_find_set(c, name))
				RULE(c, &stick, uplink->object.name, kstmt_update(family->saddr, name));
		}
		if (!stick.count)
			continue;
		snprintf(name, sizeof(name), "mark_%u", uplink->object.id);
		RULE(c, &stick, NULL, kstmt_goto(name));
		snprintf(name, sizeof(name), "stick_%u", uplink->object.id);
		compiler_move_rules(kstate_add_chain(c->state, name, NULL), &stick);
	}
}

/* --- policies --- */

static int compare_policies(const void *a, const void *b)
{
	const struct policy *x = *(const struct policy *const *)a, *y = *(const struct policy *const *)b;

	if (x->position != y->position)
		return x->position < y->position ? -1 : 1;
	return x->object.id < y->object.id ? -1 : x->object.id > y->object.id;
}

/* Where connections that fit go; NULL: they are not given to any uplink. */
static const char *policy_target(struct compiler *c, const struct policy *policy, unsigned family,
				 const char *spread, char name[KNAME_MAX])
{
	const struct uplink_live *way = policy_way(&c->ways, policy, compiler_families[family].af);

	if (way) {
		snprintf(name, KNAME_MAX, "mark_%u", way->uplink->object.id);
		return name;
	}
	switch (policy->otherwise) {
	case OTHERWISE_ANY:
		return spread;
	case OTHERWISE_UNREACHABLE:
		c->nowhere[family] = true;
		return "nowhere";
	}
	return NULL;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct port_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static void add_policy_ports(struct compiler *c, const char *name, const struct ports *ports)
{
	struct port_range *sorted = calloc(ports->count, sizeof(*sorted));
	struct kset *set;
	unsigned behind = 0;

	if (!sorted) {
		c->state->failed = true;
		return;
	}
	memcpy(sorted, ports->items, ports->count * sizeof(*sorted));
	qsort(sorted, ports->count, sizeof(*sorted), compare_ranges);
	set = compiler_add_set(c, name, KTYPE_INET_SERVICE, true);
	for (unsigned i = 0; set && i < ports->count; i++) {
		unsigned first = sorted[i].first < behind ? behind : sorted[i].first;
		uint8_t key[4] = { 0 }, end[4] = { 0 };

		if (first > sorted[i].last)
			continue;
		compiler_put_port(key, first);
		compiler_put_port(end, sorted[i].last);
		kset_add(c->state, set, key, end, NULL, NULL, 0);
		behind = sorted[i].last + 1u;
	}
	free(sorted);
}

/* One rule of the policy. `protocol` 0: any. */
static void add_policy_rule(struct compiler *c, const struct policy *policy,
			    const struct family_words *family, uint8_t protocol, const char *target,
			    struct kchain *chain)
{
	struct kstmt stmts[KSTMT_MAX];
	char name[KNAME_MAX];
	unsigned n = 0;

	/* Neither where something else tells the family: nft lists such a rule without it. */
	if (!policy->sources.count && !policy->destinations.count && protocol != IPPROTO_ICMP &&
	    protocol != IPPROTO_ICMPV6)
		stmts[n++] = kstmt_match_byte(KFIELD_NFPROTO, family->af);
	compiler_name(name, "policy_sources", family, policy->object.id);
	if (compiler_find_set(c, name))
		stmts[n++] = kstmt_lookup(family->saddr, name, false);
	compiler_name(name, "policy_destinations", family, policy->object.id);
	if (compiler_find_set(c, name))
		stmts[n++] = kstmt_lookup(family->daddr, name, false);
	snprintf(name, sizeof(name), "policy_ports_%u", policy->object.id);
	if (policy->ports.count)
		n += compiler_port_lookup(protocol, name, KSTMT_LOOKUP, &stmts[n]);
	else if (protocol)
		stmts[n++] = kstmt_match_byte(KFIELD_L4PROTO, protocol);
	stmts[n++] = target ? kstmt_goto(target) : kstmt_verdict(KVERDICT_RETURN);
	kchain_add_rule(c->state, chain, stmts, n, policy->object.name);
}

static void add_policy(struct compiler *c, const struct policy *policy, unsigned f, const char *spread,
		       struct kchain *chain)
{
	const struct family_words *family = &compiler_families[f];
	char name[KNAME_MAX], target_name[KNAME_MAX];

	if (!policy->enabled || !policy_concerns(policy, family->af))
		return;
	const char *target = policy_target(c, policy, f, spread, target_name);

	compiler_name(name, "policy_sources", family, policy->object.id);
	compiler_add_list(c, name, family, &policy->sources);
	compiler_name(name, "policy_destinations", family, policy->object.id);
	compiler_add_list(c, name, family, &policy->destinations);
	snprintf(name, sizeof(name), "policy_ports_%u", policy->object.id);
	if (policy->ports.count && !compiler_find_set(c, name))
		add_policy_ports(c, name, &policy->ports);
	if (policy->ports.count && !policy->protocol) {
		add_policy_rule(c, policy, family, IPPROTO_TCP, target, chain);
		add_policy_rule(c, policy, family, IPPROTO_UDP, target, chain);
	} else {
		add_policy_rule(c, policy, family, policy->protocol, target, chain);
	}
}

static void add_policies(struct compiler *c, const char *const spreads[FAMILY_COUNT], struct kchain *chain)
{
	const struct object_list *list = &c->config->lists[KIND_POLICY];
	const struct policy **sorted = calloc(list->count + 1, sizeof(*sorted));

	if (!sorted) {
		c->state->failed = true;
		return;
	}
	if (list->count)
		memcpy(sorted, list->items, list->count * sizeof(*sorted));
	qsort(sorted, list->count, sizeof(*sorted), compare_policies);
	for (unsigned i = 0; i < list->count; i++)
		for (unsigned f = 0; f < FAMILY_COUNT; f++)
			add_policy(c, sorted[i], f, spreads[f], chain);
	free(sorted);
}

/* --- the whole --- */

static bool any_policy(const struct compiler *c, uint8_t family)
{
	const struct object_list *list = &c->config->lists[KIND_POLICY];

	for (unsigned i = 0; i < list->count; i++) {
		const struct policy *policy = (const struct policy *)list->items[i];

		if (policy->enabled && policy_concerns(policy, family))
			return true;
	}
	return false;
}

void compile_choice(struct compiler *c)
{
	static const char *const names[FAMILY_COUNT] = { "spread4", "spread6" };
	const char *spreads[FAMILY_COUNT] = { NULL };
	struct kchain choose = { 0 };

	for (unsigned f = 0; f < FAMILY_COUNT; f++)
		if (compile_spread(c, &compiler_families[f], names[f]))
			spreads[f] = names[f];
	add_stick_chains(c);
	for (unsigned f = 0; f < FAMILY_COUNT; f++)
		if (spreads[f] || any_policy(c, compiler_families[f].af))
			compile_spared_neighbours(c, f, &choose);
	add_policies(c, spreads, &choose);
	for (unsigned f = 0; f < FAMILY_COUNT; f++) {
		const struct choice *choice = ways_choice(&c->ways, compiler_families[f].af);

		if (spreads[f])
			RULE(c, &choose, "what would leave by an uplink",
			     kstmt_match_byte(KFIELD_NFPROTO, compiler_families[f].af),
			     kstmt_match_device(KFIELD_FIB_DADDR_OIFNAME, choice->best->link->name),
			     kstmt_goto(spreads[f]));
	}
	if (c->nowhere[0] || c->nowhere[1])
		RULE(c, kstate_add_chain(c->state, "nowhere", NULL), "no uplink that a policy names is up",
		     kstmt_set_mark(KSTMT_SET_META_MARK, ~MARK_UPLINK_MASK, MARK_NOWHERE));
	c->chooses = choose.count;
	if (c->chooses)
		compiler_move_rules(kstate_add_chain(c->state, "choose", NULL), &choose);
}
