/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/choice.h"

#include <string.h>

/* --- single uplinks --- */

bool uplink_translates(const struct uplink_live *live, uint8_t family)
{
	const struct uplink *uplink = live->uplink;

	if (uplink->source_nat_kind == SOURCE_NAT_ADDRESS && uplink->source_nat.family == family)
		return true;
	if (family == AF_INET)
		return uplink->source_nat_kind == SOURCE_NAT_MASQUERADE;
	return uplink->source_nat6 != SOURCE_NAT6_NONE;
}

static unsigned add_prefix(struct prefix prefixes[UPLINK_PREFIXES_MAX], unsigned count,
			   const struct prefix *prefix)
{
	if (count == UPLINK_PREFIXES_MAX || prefix->address.family != AF_INET6)
		return count;
	for (unsigned i = 0; i < count; i++)
		if (prefix_compare(&prefixes[i], prefix) == 0)
			return count;
	prefixes[count] = *prefix;
	return count + 1;
}

unsigned uplink_prefixes(const struct uplink_live *live, struct prefix ret_prefixes[UPLINK_PREFIXES_MAX])
{
	const struct prefixes *given = &live->uplink->prefixes;
	unsigned count = 0;

	for (unsigned i = 0; i < given->count; i++)
		count = add_prefix(ret_prefixes, count, &given->items[i]);
	for (unsigned i = 0; live->link && i < live->link->source_count; i++)
		count = add_prefix(ret_prefixes, count, &live->link->sources[i]);
	return count;
}

/* --- which of them --- */

/* The lower the better; 0: it cannot be had. What may work is better than nothing, whatever its tier. */
static unsigned rank(const struct uplink_live *live, uint8_t family)
{
	if (!uplink_routes(live, family) || live->uplink->out_of_service || (!live->up && !live->spare))
		return 0;
	return (live->up ? 0u : 1000u) + (unsigned)live->uplink->tier;
}

static bool is_uplink_device(const struct ways *ways, const struct link *link)
{
	for (unsigned i = 0; i < ways->count; i++)
		if (strcmp(ways->uplinks[i].uplink->device, link->name) == 0)
			return true;
	return false;
}

/*
 * The main table's default route leads to a device that is no uplink, a VPN that shall have everything, say: it is not ours to
 * send that anywhere else.
 */
static bool default_is_elsewhere(const struct ways *ways, const struct links *links, uint8_t family)
{
	uint32_t ours = UINT32_MAX, others = UINT32_MAX;
	bool elsewhere = false;

	for (unsigned i = 0; i < links->count; i++) {
		const struct link *link = &links->items[i];
		bool there = family == AF_INET6 ? link->default_route6 : link->default_route4;
		uint32_t metric = family == AF_INET6 ? link->metric6 : link->metric4;

		if (!there)
			continue;
		if (is_uplink_device(ways, link)) {
			ours = metric < ours ? metric : ours;
		} else {
			others = metric < others ? metric : others;
			elsewhere = true;
		}
	}
	return elsewhere && others <= ours;
}

/* A single uplink that the main table leads to anyway needs no help. */
static bool main_table_does_it(const struct ways *ways, uint8_t family)
{
	const struct uplink_live *only = NULL;

	for (unsigned i = 0; i < ways->count; i++) {
		if (!ways->uplinks[i].uplink->enabled)
			continue;
		if (only)
			return false;
		only = &ways->uplinks[i];
	}
	if (!only || !uplink_routes(only, family))
		return true;
	return family == AF_INET6 ? only->link->default_route6 : only->link->default_route4;
}

/*
 * IPv6 sources are of one provider's prefix, as a rule, and leave by that one; only where they get an address of the
 * uplink's own can they be shared out.
 */
static bool is_shared(const struct uplink_live *live, uint8_t family)
{
	return family == AF_INET || live->uplink->source_nat6 != SOURCE_NAT6_NONE;
}

static void choose(const struct config *config, const struct links *links, struct ways *ways, uint8_t family,
		   struct choice *choice)
{
	unsigned best_rank = UINT32_MAX;

	*choice = (struct choice){ .active = !default_is_elsewhere(ways, links, family) };
	if (config_settings(config)->last_resort == LAST_RESORT_MAIN && main_table_does_it(ways, family))
		choice->active = false;
	for (unsigned i = 0; i < ways->count; i++) {
		const struct uplink_live *live = &ways->uplinks[i];
		unsigned its_rank = rank(live, family);

		if (!its_rank || its_rank > best_rank)
			continue;
		if (!choice->best || its_rank < best_rank ||
		    live->uplink->weight > choice->best->uplink->weight)
			choice->best = live;
		if (its_rank < best_rank)
			choice->count = 0;
		best_rank = its_rank;
		if (is_shared(live, family))
			choice->shared[choice->count++] = live;
	}
	/* One alone needs to be told of nothing but of sources that shall stay with it when there are others again. */
	if (!choice->active || (choice->count == 1 && !choice->shared[0]->uplink->sticky))
		choice->count = 0;
}

void ways_resolve(const struct config *config, const struct links *links,
		  const struct environment *environment, struct ways *ret_ways)
{
	const struct object_list *uplinks = &config->lists[KIND_UPLINK];

	ret_ways->count = uplinks->count;
	for (unsigned i = 0; i < uplinks->count; i++)
		uplink_resolve(config, (const struct uplink *)uplinks->items[i], links, environment,
			       &ret_ways->uplinks[i]);
	choose(config, links, ret_ways, AF_INET, &ret_ways->choice4);
	choose(config, links, ret_ways, AF_INET6, &ret_ways->choice6);
}

const struct uplink_live *ways_find(const struct ways *ways, uint32_t uplink_id)
{
	for (unsigned i = 0; i < ways->count; i++)
		if (ways->uplinks[i].uplink->object.id == uplink_id)
			return &ways->uplinks[i];
	return NULL;
}

const struct uplink_live *ways_find_name(const struct ways *ways, const char *name)
{
	for (unsigned i = 0; i < ways->count; i++)
		if (strcmp(ways->uplinks[i].uplink->object.name, name) == 0)
			return &ways->uplinks[i];
	return NULL;
}

static bool choice_has(const struct choice *choice, const struct uplink_live *live)
{
	if (choice->best == live)
		return true;
	for (unsigned i = 0; i < choice->count; i++)
		if (choice->shared[i] == live)
			return true;
	return false;
}

bool ways_use(const struct ways *ways, const struct uplink_live *live)
{
	return choice_has(&ways->choice4, live) || choice_has(&ways->choice6, live);
}

enum own_way uplink_own_way(const struct ways *ways, const struct uplink_live *live, uint8_t family)
{
	const struct choice *choice = ways_choice(ways, family);
	bool routed = uplink_routes(live, family);

	if (routed && (live->up || live->spare))
		return OWN_WAY_TABLE;
	if (choice->active && choice->best && choice->best->up && uplink_translates(choice->best, family))
		return OWN_WAY_CHOICE;
	if (routed)
		return OWN_WAY_TABLE;
	return family == AF_INET6 ? OWN_WAY_NONE : OWN_WAY_CHOICE;
}

/* --- policies --- */

static bool has_family(const struct prefixes *prefixes, uint8_t family)
{
	for (unsigned i = 0; i < prefixes->count; i++)
		if (prefixes->items[i].address.family == family)
			return true;
	return prefixes->count == 0;
}

bool policy_concerns(const struct policy *policy, uint8_t family)
{
	if (policy->protocol == (family == AF_INET6 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	return has_family(&policy->sources, family) && has_family(&policy->destinations, family);
}

const struct uplink_live *policy_way(const struct ways *ways, const struct policy *policy, uint8_t family)
{
	const struct uplink_live *spare = NULL;

	for (unsigned i = 0; i < policy->uplinks.count; i++) {
		const struct uplink_live *live = ways_find_name(ways, policy->uplinks.items[i]);

		if (!live || !rank(live, family))
			continue;
		if (live->up)
			return live;
		if (!spare)
			spare = live;
	}
	return spare;
}
