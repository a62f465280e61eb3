/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/flow.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* What every question about a flow needs. */
struct judge {
	const struct config *config;
	const struct links *links;
	const struct kstate *desired;
};

static bool device_has(const struct judge *judge, const struct uplink *uplink, const struct ip *ip)
{
	const struct link *link = links_find(judge->links, uplink->device);

	for (unsigned i = 0; link && i < link->address_count; i++)
		if (ip_compare(&link->addresses[i].address, ip) == 0)
			return true;
	return false;
}

/* The uplink in use that has the address; NULL: none. */
static const struct uplink *uplink_of(const struct judge *judge, const struct ip *ip)
{
	const struct object_list *uplinks = &judge->config->lists[KIND_UPLINK];

	for (unsigned i = 0; i < uplinks->count; i++) {
		const struct uplink *uplink = (const struct uplink *)uplinks->items[i];

		if (uplink->enabled && device_has(judge, uplink, ip))
			return uplink;
	}
	return NULL;
}

static const struct kset *family_set(const struct judge *judge, const char *stem, uint8_t family, uint32_t id)
{
	char name[KNAME_MAX], suffix = family == AF_INET6 ? '6' : '4';

	if (id)
		snprintf(name, sizeof(name), "%s%c_%u", stem, suffix, id);
	else
		snprintf(name, sizeof(name), "%s%c", stem, suffix);
	return kstate_find_set(judge->desired, name);
}

static bool in_set(const struct judge *judge, const char *stem, const struct ip *ip)
{
	const struct kset *set = family_set(judge, stem, ip->family, 0);

	return set && kset_find(set, ip->bytes);
}

static bool serves(const struct judge *judge, const struct forward *forward, const struct ip *source)
{
	if (!forward->hairpin && in_set(judge, "lan", source))
		return false;
	for (unsigned i = 0; i < forward->sources.count; i++)
		if (prefix_contains(&forward->sources.items[i], source))
			return true;
	return !forward->sources.count;
}

/* Came by another uplink than the one whose address it is for: that one's own forwards do not take it. */
static bool came_by_another(const struct uplink *uplink, const struct flow *flow)
{
	uint32_t id = (flow->mark & MARK_UPLINK_MASK) >> 24;

	/* Once translated, the mark may be that of the uplink by which it left. */
	return id && id != uplink->object.id && !flow->destination_nat;
}

/* Where the forwards in force send the flow: false if none takes it. */
static bool translation(const struct judge *judge, const struct uplink *uplink, const struct flow *flow,
			struct ip *ret_address, uint16_t *ret_port)
{
	uint16_t port = flow->destination_port;
	uint8_t key[KKEY_MAX] = { flow->protocol, 0, 0, 0, (uint8_t)(port >> 8), (uint8_t)port };
	uint8_t family = flow->destination.family;
	bool ports = protocol_has_ports(flow->protocol);

	if (in_set(judge, "no_hairpin", &flow->source))
		return false;
	for (int own = 1; own >= 0; own--) {
		if (own && came_by_another(uplink, flow))
			continue;
		const struct kset *set = family_set(judge, ports ? "forwards" : "portless", family,
						    own ? uplink->object.id : 0);
		const struct kelem *elem = set ? kset_find(set, key) : NULL;
		const struct object *forward = elem ? config_find(judge->config, KIND_FORWARD, elem->owner) :
						      NULL;

		if (!forward)
			continue;
		if (!serves(judge, (const struct forward *)forward, &flow->source))
			return false;
		const uint8_t *data = kelem_data(set, elem);
		unsigned size = ip_size(family);

		*ret_address = (struct ip){ .family = family };
		memcpy(ret_address->bytes, data, size);
		*ret_port = ports ? (uint16_t)(data[size] << 8 | data[size + 1]) : 0;
		return true;
	}
	return false;
}

/* A fixed address that flows by the uplink may have as their source beside those of its device. */
static bool fixed_source(const struct judge *judge, const struct uplink *uplink, const struct ip *ip)
{
	const struct object_list *nats = &judge->config->lists[KIND_SOURCE_NAT];

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
static bool translates_sources(const struct judge *judge, const struct uplink *uplink, uint8_t family)
{
	const struct object_list *nats = &judge->config->lists[KIND_SOURCE_NAT];

	if (uplink->source_nat_kind == SOURCE_NAT_MASQUERADE && family == AF_INET)
		return true;
	if (uplink->source_nat_kind == SOURCE_NAT_ADDRESS && uplink->source_nat.family == family)
		return true;
	for (unsigned i = 0; i < nats->count; i++) {
		const struct source_nat *nat = (const struct source_nat *)nats->items[i];

		if (nat->enabled && strcmp(nat->uplink, uplink->object.name) == 0 &&
		    nat->address.family == family)
			return true;
	}
	return false;
}

static bool left_behind(const struct judge *judge, const struct flow *flow)
{
	uint32_t id = (flow->mark & MARK_UPLINK_MASK) >> 24;
	const struct uplink *uplink = (const struct uplink *)config_find(judge->config, KIND_UPLINK, id);

	if (!id)
		return false;
	if (!uplink || !uplink->enabled)
		return true;
	/* Outgoing, with an address that is no longer the uplink's. */
	return flow->source_nat && !flow->destination_nat &&
	       translates_sources(judge, uplink, flow->source.family) &&
	       !device_has(judge, uplink, &flow->reply_destination) &&
	       !fixed_source(judge, uplink, &flow->reply_destination);
}

/*
 * The answer of a service of the router's own to a client whose port became a forward meanwhile. It was
 * in flight when the client's entry was deleted, has made one of its own, and would keep the client from
 * the forward as long as it talks. UDP only: a TCP answer makes no entry.
 */
static bool shadows_from_inside(const struct judge *judge, const struct flow *flow)
{
	const struct flow asked = { .protocol = flow->protocol,
				    .source = flow->destination,
				    .destination = flow->source,
				    .source_port = flow->destination_port,
				    .destination_port = flow->source_port };
	const struct uplink *uplink = uplink_of(judge, &flow->source);
	struct ip address;
	uint16_t port;

	return flow->protocol == IPPROTO_UDP && !flow->source_nat && !flow->destination_nat && uplink &&
	       translation(judge, uplink, &asked, &address, &port);
}

bool flow_is_stale(const struct config *config, const struct links *links, const struct kstate *desired,
		   const struct flow *flow)
{
	const struct judge judge = { .config = config, .links = links, .desired = desired };
	const struct uplink *uplink = uplink_of(&judge, &flow->destination);
	struct ip address;
	uint16_t port;

	if (left_behind(&judge, flow) || shadows_from_inside(&judge, flow))
		return true;
	if (!uplink || !translation(&judge, uplink, flow, &address, &port))
		return (flow->mark & MARK_LET_IN) && flow->destination_nat;
	return !flow->destination_nat || ip_compare(&flow->reply_source, &address) != 0 ||
	       (port && flow->reply_source_port != port);
}
