/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/live.h"

#include <string.h>
#include <sys/socket.h>

bool uplink_address_counts(const struct link_address *address)
{
	return !ip_is_link_local(&address->address) && !ip_is_loopback(&address->address);
}

static bool has_address(const struct link *link)
{
	for (unsigned i = 0; i < link->address_count; i++)
		if (uplink_address_counts(&link->addresses[i]))
			return true;
	return false;
}

static const char *why_down(const struct uplink *uplink, const struct link *link)
{
	if (!uplink->enabled)
		return "disabled";
	if (!link)
		return "device-missing";
	if (!link->up)
		return "link-down";
	return has_address(link) ? NULL : "no-address";
}

/* The uplink's way out for one family: as set, else as the main table has learned it. */
static bool find_gateway(const struct uplink *uplink, const struct link *link, uint8_t family,
			 struct ip *ret_gateway)
{
	bool learned = family == AF_INET ? link->default_route4 : link->default_route6;

	*ret_gateway = (struct ip){ 0 };
	switch (uplink->gateway_kind) {
	case GATEWAY_NONE:
		return true;
	case GATEWAY_ADDRESS:
		if (uplink->gateway.family == family) {
			*ret_gateway = uplink->gateway;
			return true;
		}
		break;
	case GATEWAY_AUTO:
		break;
	}
	if (learned)
		*ret_gateway = family == AF_INET ? link->gateway4 : link->gateway6;
	return learned || link->point_to_point;
}

void uplink_resolve(const struct config *config, const struct uplink *uplink, const struct links *links,
		    struct uplink_live *ret_live)
{
	const struct link *link = links_find(links, uplink->device);
	struct uplink_live live = {
		.uplink = uplink,
		.link = link,
		.why_down = why_down(uplink, link),
		.mark = MARK_UPLINK(uplink->object.id),
		.table = (uint32_t)config_settings(config)->route_table_base + uplink->object.id,
	};

	live.up = !live.why_down;
	if (live.up) {
		live.routed4 = find_gateway(uplink, link, AF_INET, &live.gateway4);
		live.routed6 = find_gateway(uplink, link, AF_INET6, &live.gateway6);
	}
	*ret_live = live;
}

bool forward_in_force(const struct forward *forward, const struct environment *environment)
{
	return forward->enabled && (!forward->expires_at || forward->expires_at > environment->now);
}

unsigned forward_backends(const struct config *config, const struct forward *forward,
			  const struct links *links, struct ip ret_backends[BACKENDS_MAX])
{
	(void)config;
	(void)links;
	ret_backends[0] = forward->internal_address;
	return 1;
}

bool forward_listens_on(const struct forward *forward, const struct link_address *address)
{
	uint8_t family = forward->family == FAMILY_IPV6 ? AF_INET6 : AF_INET;

	return address->address.family == family && uplink_address_counts(address);
}

static bool listens(const struct forward *forward, const struct uplink *uplink, const struct links *links)
{
	const struct link *link = uplink->enabled ? links_find(links, uplink->device) : NULL;

	for (unsigned i = 0; link && link->up && i < link->address_count; i++)
		if (forward_listens_on(forward, &link->addresses[i]))
			return true;
	return false;
}

void forward_resolve(const struct config *config, const struct forward *forward, const struct links *links,
		     const struct environment *environment, struct forward_live *ret_live)
{
	const struct object_list *uplinks = &config->lists[KIND_UPLINK];
	bool known = false;

	*ret_live = (struct forward_live){ 0 };
	if (!forward_in_force(forward, environment)) {
		ret_live->why_not = forward->enabled ? "expired" : "disabled";
		return;
	}
	for (unsigned i = 0; i < uplinks->count; i++) {
		const struct uplink *uplink = (const struct uplink *)uplinks->items[i];

		if (!forward_on_uplink(forward, uplink->object.name))
			continue;
		known = true;
		if (listens(forward, uplink, links)) {
			ret_live->live = true;
			return;
		}
	}
	ret_live->why_not = known ? "uplink-down" : "uplink-unknown";
}

bool filter_is_ours(const struct config *config, const struct environment *environment)
{
	switch (config_settings(config)->firewall) {
	case FIREWALL_OWN:
		return true;
	case FIREWALL_BESIDE:
		return false;
	case FIREWALL_AUTO:
		break;
	}
	return !environment->fw4;
}
