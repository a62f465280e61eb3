/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/flow.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "model/translate.h"

/* The present, which flows are held against. */
struct now {
	const struct config *config;
	const struct links *links;
	const struct ways *ways;
	const struct kstate *desired;
};

static uint32_t uplink_of_mark(const struct flow *flow)
{
	return (flow->mark & MARK_UPLINK_MASK & ~MARK_ENDED) >> 24;
}

/* Where it would go if it were new. Once translated, its mark may be that of the uplink by which it left. */
static bool would_go(const struct now *now, const struct flow *flow, struct destination *ret_destination)
{
	const struct arrival arrival = {
		.protocol = flow->protocol,
		.source = flow->source,
		.destination = flow->destination,
		.port = flow->destination_port,
		.uplink = flow->destination_nat ? 0 : uplink_of_mark(flow),
	};

	return translate(now->config, now->links, now->desired, &arrival, ret_destination);
}

static bool device_has(const struct uplink_live *live, const struct ip *ip)
{
	return live->link && link_has(live->link, ip);
}

/* A fixed address that flows by the uplink may have as their source beside those of its device. */
static bool fixed_source(const struct now *now, const struct uplink *uplink, const struct ip *ip)
{
	const struct object_list *nats = &now->config->lists[KIND_SOURCE_NAT];

	if (uplink->source_nat_kind == SOURCE_NAT_ADDRESS && ip_compare(&uplink->source_nat, ip) == 0)
		return true;
	for (unsigned i = 0; i < nats->count; i++) {
		const struct source_nat *nat = (const struct source_nat *)nats->items[i];

		if (nat->enabled && strcmp(nat->uplink, uplink->object.name) == 0 &&
		    ip_compare(&nat->address, ip) == 0)
			return true;
	}
	return false;
}

/* Whether sources of this family that leave by the uplink are translated by us, and not by somebody else. */
static bool translates_sources(const struct now *now, const struct uplink_live *live, uint8_t family)
{
	const struct object_list *nats = &now->config->lists[KIND_SOURCE_NAT];
	const struct uplink *uplink = live->uplink;

	if (uplink_translates(live, family))
		return true;
	for (unsigned i = 0; i < nats->count; i++) {
		const struct source_nat *nat = (const struct source_nat *)nats->items[i];

		if (nat->enabled && strcmp(nat->uplink, uplink->object.name) == 0 &&
		    nat->address.family == family)
			return true;
	}
	return false;
}

/* An address that connections may leave the uplink with. */
static bool has_source(const struct now *now, const struct uplink_live *live, const struct ip *ip)
{
	struct prefix prefixes[UPLINK_PREFIXES_MAX];
	unsigned count = uplink_prefixes(live, prefixes);

	for (unsigned i = 0; i < count; i++)
		if (prefix_contains(&prefixes[i], ip))
			return true;
	return device_has(live, ip) || fixed_source(now, live->uplink, ip);
}

/* Begun by who is inside, or by the router itself. */
static bool is_outgoing(const struct uplink_live *live, const struct flow *flow)
{
	return !(flow->mark & MARK_LET_IN) && !flow->destination_nat && !device_has(live, &flow->destination);
}

/* It would be given another uplink now, one that is up. */
static bool has_elsewhere(const struct now *now, const struct uplink_live *live, uint8_t family)
{
	const struct choice *choice = ways_choice(now->ways, family);

	return choice->active && choice->best && choice->best != live && choice->best->up;
}

/* Without a mark, from before we gave them: with the address of one uplink it would be routed by another now. */
static bool goes_astray(const struct now *now, const struct flow *flow)
{
	const struct choice *choice = ways_choice(now->ways, flow->source.family);

	/* Behind two modems of a kind both may have the same address. */
	if (!flow->source_nat || !choice->active || !choice->best ||
	    device_has(choice->best, &flow->reply_destination))
		return false;
	for (unsigned i = 0; i < now->ways->count; i++) {
		const struct uplink_live *live = &now->ways->uplinks[i];

		if (device_has(live, &flow->reply_destination))
			return is_outgoing(live, flow);
	}
	return false;
}

static bool left_behind(const struct now *now, const struct flow *flow)
{
	uint32_t id = uplink_of_mark(flow);
	const struct uplink_live *live = ways_find(now->ways, id);
	uint8_t family = flow->source.family;

	if (!id)
		return goes_astray(now, flow);
	if (!live || !live->uplink->enabled)
		return true;
	if (!is_outgoing(live, flow))
		return false;
	if (((!live->up && !live->spare) || !uplink_routes(live, family)) && has_elsewhere(now, live, family))
		return true;
	/* With an address that is no longer the uplink's. */
	return flow->source_nat && translates_sources(now, live, family) &&
	       !has_source(now, live, &flow->reply_destination);
}

static bool goes_there(const struct flow *flow, const struct destination *destination)
{
	return ip_compare(&flow->reply_source, &destination->address) == 0 &&
	       (!destination->port || flow->reply_source_port == destination->port);
}

/* Neither let in nor translated: with a service of the router itself. */
static bool is_routers_own(const struct flow *flow)
{
	return !(flow->mark & MARK_LET_IN) && !flow->source_nat && !flow->destination_nat;
}

enum flow_fate flow_fate(const struct config *config, const struct links *links, const struct ways *ways,
			 const struct kstate *desired, const struct flow *flow)
{
	const struct now now = { .config = config, .links = links, .ways = ways, .desired = desired };
	bool let_in = flow->mark & MARK_LET_IN, tcp = flow->protocol == IPPROTO_TCP;
	struct destination destination;

	if (left_behind(&now, flow))
		return FLOW_IS_DELETED;
	if (flow->expected)
		return FLOW_STAYS;
	bool goes = would_go(&now, flow, &destination);

	if (flow->mark & MARK_ENDED)
		return !tcp && (goes || is_routers_own(flow)) ? FLOW_IS_DELETED : FLOW_STAYS;
	if (goes && goes_there(flow, &destination))
		return FLOW_STAYS;
	if (goes)
		return flow->replied && (let_in || !tcp) ? FLOW_ENDS : FLOW_IS_DELETED;
	if (!let_in)
		return FLOW_STAYS;
	return flow->replied ? FLOW_ENDS : FLOW_IS_DELETED;
}
