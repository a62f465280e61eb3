/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/translate.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* What every question about a connection needs. */
struct walk {
	const struct config *config;
	const struct kstate *desired;
	const struct arrival *arrival;
};

const struct uplink *uplink_with_address(const struct config *config, const struct links *links,
					 const struct ip *address)
{
	const struct object_list *uplinks = &config->lists[KIND_UPLINK];

	for (unsigned i = 0; i < uplinks->count; i++) {
		const struct uplink *uplink = (const struct uplink *)uplinks->items[i];
		const struct link *link = uplink->enabled ? links_find(links, uplink->device) : NULL;

		if (link && link_has(link, address))
			return uplink;
	}
	return NULL;
}

static const struct kset *find_set(const struct walk *walk, const char *stem, uint32_t id, const char *behind)
{
	char name[KNAME_MAX], suffix = walk->arrival->destination.family == AF_INET6 ? '6' : '4';

	if (id)
		snprintf(name, sizeof(name), "%s%c_%u%s", stem, suffix, id, behind);
	else
		snprintf(name, sizeof(name), "%s%c%s", stem, suffix, behind);
	return kstate_find_set(walk->desired, name);
}

static bool is_from(const struct walk *walk, const char *stem)
{
	const struct kset *set = find_set(walk, stem, 0, "");

	return set && kset_find(set, walk->arrival->source.bytes);
}

static bool serves(const struct walk *walk, const struct forward *forward)
{
	if (!forward->hairpin && !forward->pinhole && is_from(walk, "lan"))
		return false;
	for (unsigned i = 0; i < forward->sources.count; i++)
		if (prefix_contains(&forward->sources.items[i], &walk->arrival->source))
			return true;
	return !forward->sources.count;
}

static void put_port(uint8_t *bytes, unsigned port)
{
	bytes[0] = (uint8_t)(port >> 8);
	bytes[1] = (uint8_t)port;
}

/* The element for the arrival in a set that is looked up by port alone. */
static const struct kelem *find_port(const struct walk *walk, const struct kset *set)
{
	uint8_t key[KKEY_MAX] = { 0 };

	put_port(key, walk->arrival->port);
	return set ? kset_find(set, key) : NULL;
}

static struct destination destination_of(const struct walk *walk, const struct kset *set,
					 const struct kelem *elem)
{
	const struct arrival *arrival = walk->arrival;
	struct destination destination = {
		.forward = (const struct forward *)config_find(walk->config, KIND_FORWARD, elem->owner),
		.address = arrival->destination,
		.port = arrival->port,
	};
	const uint8_t *data = kelem_data(set, elem);
	unsigned size = ip_size(arrival->destination.family);

	if (!set->data_size)
		return destination;
	memcpy(destination.address.bytes, data, size);
	if (set->data_size > size)
		destination.port = (uint16_t)(data[size] << 8 | data[size + 1]);
	return destination;
}

/* --- translations --- */

/* What the maps of one scope (an uplink's own, or 0) have for the arrival. */
static bool find_translation(const struct walk *walk, uint32_t scope, struct destination *ret_destination)
{
	const struct arrival *arrival = walk->arrival;
	bool ports = protocol_has_ports(arrival->protocol);
	const struct kset *set = find_set(walk, ports ? "forwards" : "portless", scope, "");
	uint8_t key[KKEY_MAX] = { arrival->protocol };
	const struct kelem *elem;

	put_port(key + 4, arrival->port);
	elem = set ? kset_find(set, key) : NULL;
	if (!elem && ports) {
		char protocol[8], behind[KNAME_MAX];

		snprintf(behind, sizeof(behind), "_%s", protocol_name(arrival->protocol, protocol));
		set = find_set(walk, "ranges", scope, behind);
		elem = find_port(walk, set);
	}
	if (!elem)
		return false;
	*ret_destination = destination_of(walk, set, elem);
	return ret_destination->forward;
}

static bool find_forward(const struct walk *walk, const struct uplink *uplink,
			 struct destination *ret_destination)
{
	uint32_t id = uplink->object.id;

	if (is_from(walk, "no_hairpin"))
		return false;
	/* An uplink's own forwards are not for who comes by another. */
	if ((!walk->arrival->uplink || walk->arrival->uplink == id) &&
	    find_translation(walk, id, ret_destination))
		return true;
	return find_translation(walk, 0, ret_destination);
}

/* --- pinholes --- */

/* The set of a host's ranges has the name of the chain that pinhole_hosts leads to. */
static bool find_host_range(const struct walk *walk, uint32_t scope, const uint8_t *key,
			    struct destination *ret_destination)
{
	const struct kset *hosts = find_set(walk, "pinhole_hosts", scope, "");
	const struct kelem *host = hosts ? kset_find(hosts, key) : NULL;
	const struct kset *set = host ? kstate_find_set(walk->desired,
							(const char *)kelem_data(hosts, host) + 1) :
					NULL;
	const struct kelem *elem = find_port(walk, set);

	if (elem)
		*ret_destination = destination_of(walk, set, elem);
	return elem;
}

static bool find_scope_pinhole(const struct walk *walk, uint32_t scope, struct destination *ret_destination)
{
	const struct arrival *arrival = walk->arrival;
	bool ports = protocol_has_ports(arrival->protocol);
	const struct kset *set = find_set(walk, ports ? "pinholes" : "portless_pinholes", scope, "");
	unsigned size = ip_size(arrival->destination.family);
	uint8_t key[KKEY_MAX] = { 0 };
	const struct kelem *elem;

	memcpy(key, arrival->destination.bytes, size);
	key[size] = arrival->protocol;
	put_port(key + size + 4, arrival->port);
	elem = set ? kset_find(set, key) : NULL;
	if (!elem)
		return ports && find_host_range(walk, scope, key, ret_destination) &&
		       ret_destination->forward;
	*ret_destination = destination_of(walk, set, elem);
	return ret_destination->forward;
}

static bool find_pinhole(const struct walk *walk, struct destination *ret_destination)
{
	uint32_t uplink = walk->arrival->uplink;

	if (!uplink)
		return false;
	return find_scope_pinhole(walk, uplink, ret_destination) ||
	       find_scope_pinhole(walk, 0, ret_destination);
}

bool translate(const struct config *config, const struct links *links, const struct kstate *desired,
	       const struct arrival *arrival, struct destination *ret_destination)
{
	const struct walk walk = { .config = config, .desired = desired, .arrival = arrival };
	const struct uplink *uplink = uplink_with_address(config, links, &arrival->destination);
	struct destination destination;

	if (!(uplink && find_forward(&walk, uplink, &destination)) && !find_pinhole(&walk, &destination))
		return false;
	/* A guard that does not serve ends the search. */
	if (!serves(&walk, destination.forward))
		return false;
	*ret_destination = destination;
	return true;
}
