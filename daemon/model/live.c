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

static const char *why_not_linked(const struct uplink *uplink, const struct link *link)
{
	if (!uplink->enabled)
		return "disabled";
	if (!link)
		return "device-missing";
	if (!link->up)
		return "link-down";
	/* A provider of IPv6 may give a prefix and nothing else: link-local addresses do then. */
	return has_address(link) || link->default_route6 ? NULL : "no-address";
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

static const char *why_not_fit(enum fitness fitness)
{
	switch (fitness) {
	case FITNESS_GOOD:
		break;
	case FITNESS_UNTESTED:
		return "untested";
	case FITNESS_HELD:
		return "held";
	case FITNESS_SILENT:
		return "no-answer";
	case FITNESS_LOSSY:
		return "loss";
	case FITNESS_SLOW:
		return "latency";
	}
	return NULL;
}

void uplink_resolve(const struct config *config, const struct uplink *uplink, const struct links *links,
		    const struct environment *environment, struct uplink_live *ret_live)
{
	const struct link *link = links_find(links, uplink->device);
	enum fitness fitness = (enum fitness)environment->fitness[uplink->object.id];
	struct uplink_live live = {
		.uplink = uplink,
		.link = link,
		.why_down = why_not_linked(uplink, link),
		.mark = MARK_UPLINK(uplink->object.id),
		.table = (uint32_t)config_settings(config)->route_table_base + uplink->object.id,
	};

	live.linked = !live.why_down;
	if (live.linked) {
		live.why_down = why_not_fit(fitness);
		live.up = !live.why_down;
		live.spare = fitness == FITNESS_UNTESTED || fitness == FITNESS_HELD;
		live.routed4 = find_gateway(uplink, link, AF_INET, &live.gateway4);
		live.routed6 = find_gateway(uplink, link, AF_INET6, &live.gateway6);
	}
	*ret_live = live;
}

/* --- forwards: when --- */

/* NULL if it is in force, else why not. */
static const char *why_not_in_force(const struct forward *forward, const struct environment *environment)
{
	if (!forward->enabled)
		return "disabled";
	if (forward->expires_at && forward->expires_at <= environment->now)
		return "expired";
	return schedule_wait(&forward->schedule, environment->week_minute) ? "scheduled" : NULL;
}

bool forward_in_force(const struct forward *forward, const struct environment *environment)
{
	return !why_not_in_force(forward, environment);
}

/* --- forwards: where to --- */

/* Backends in the order of their ranks, the lowest first, each once. */
struct backends {
	unsigned count;
	uint64_t ranks[BACKENDS_MAX];
	struct ip *addresses;
};

static int compare_backend(const struct backends *backends, unsigned index, uint64_t rank,
			   const struct ip *address)
{
	if (backends->ranks[index] != rank)
		return backends->ranks[index] < rank ? -1 : 1;
	return ip_compare(&backends->addresses[index], address);
}

static void add_backend(struct backends *backends, uint64_t rank, const struct ip *address)
{
	unsigned at = 0, last;

	/* By two addresses of one prefix, or by two networks that share it: the lower rank comes first. */
	for (unsigned i = 0; i < backends->count; i++)
		if (ip_compare(&backends->addresses[i], address) == 0)
			return;
	while (at < backends->count && compare_backend(backends, at, rank, address) < 0)
		at++;
	if (at == BACKENDS_MAX)
		return;
	last = backends->count < BACKENDS_MAX ? backends->count++ : BACKENDS_MAX - 1;
	for (; last > at; last--) {
		backends->ranks[last] = backends->ranks[last - 1];
		backends->addresses[last] = backends->addresses[last - 1];
	}
	backends->ranks[at] = rank;
	backends->addresses[at] = *address;
}

/* fc00::/7, RFC 4193 */
static bool is_unique_local(const struct ip *ip)
{
	return ip->family == AF_INET6 && (ip->bytes[0] & 0xfe) == 0xfc;
}

/* The suffix under the prefixes of the network's devices that leave room for it: those in use, or deprecated. */
static void add_network_backends(const struct forward *forward, const struct network *network,
				 const struct links *links, bool deprecated, struct backends *backends)
{
	for (unsigned d = 0; d < network->devices.count; d++) {
		const struct link *link = links_find(links, network->devices.items[d]);

		for (unsigned i = 0; link && i < link->address_count; i++) {
			const struct link_address *own = &link->addresses[i];
			struct ip backend = link_address_prefix(own).address;

			if (own->address.family != AF_INET6 || !uplink_address_counts(own) ||
			    own->deprecated != deprecated || own->prefix_length > 128 - forward->suffix_bits)
				continue;
			for (unsigned byte = 0; byte < sizeof(backend.bytes); byte++)
				backend.bytes[byte] |= forward->internal_address.bytes[byte];
			add_backend(backends,
				    (uint64_t)deprecated << 33 | (uint64_t)is_unique_local(&backend) << 32 |
					    network->object.id,
				    &backend);
		}
	}
}

unsigned forward_backends(const struct config *config, const struct forward *forward,
			  const struct links *links, struct ip ret_backends[BACKENDS_MAX])
{
	const struct object_list *networks = &config->lists[KIND_NETWORK];
	struct backends backends = { .addresses = ret_backends };

	if (!forward->suffix_bits) {
		ret_backends[0] = forward->internal_address;
		return 1;
	}
	for (int deprecated = 0; deprecated < 2; deprecated++) {
		for (unsigned i = 0; i < networks->count; i++) {
			const struct network *network = (const struct network *)networks->items[i];

			if (!forward->internal_network ||
			    strcmp(forward->internal_network, network->object.name) == 0)
				add_network_backends(forward, network, links, deprecated, &backends);
		}
	}
	return backends.count;
}

/* --- forwards: whether --- */

bool forward_listens_on(const struct forward *forward, const struct link_address *address)
{
	uint8_t family = forward->family == FAMILY_IPV6 ? AF_INET6 : AF_INET;

	return address->address.family == family && uplink_address_counts(address);
}

static bool listens(const struct forward *forward, const struct uplink_live *live)
{
	bool enabled = live->uplink->enabled, link_up = live->link && live->link->up;

	if (!enabled || !link_up || (live->linked && !live->up && !live->spare))
		return false;
	if (forward->pinhole) /* its address is the backend's own; the uplink may have none of the family */
		return true;
	for (unsigned i = 0; i < live->link->address_count; i++)
		if (forward_listens_on(forward, &live->link->addresses[i]))
			return true;
	return false;
}

void forward_resolve(const struct config *config, const struct forward *forward, const struct links *links,
		     const struct environment *environment, struct forward_live *ret_live)
{
	const struct object_list *uplinks = &config->lists[KIND_UPLINK];
	struct ip backends[BACKENDS_MAX];
	struct uplink_live live;
	bool known = false;

	*ret_live = (struct forward_live){ .why_not = why_not_in_force(forward, environment) };
	if (!ret_live->why_not && forward_backends(config, forward, links, backends) == 0)
		ret_live->why_not = "no-prefix";
	if (ret_live->why_not)
		return;
	for (unsigned i = 0; i < uplinks->count; i++) {
		const struct uplink *uplink = (const struct uplink *)uplinks->items[i];

		if (!forward_on_uplink(forward, uplink->object.name))
			continue;
		known = true;
		uplink_resolve(config, uplink, links, environment, &live);
		if (listens(forward, &live)) {
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
