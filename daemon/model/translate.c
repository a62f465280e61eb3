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

static const struct kset *family_set(const struct walk *walk, const char *stem, uint32_t id)
{
	char name[KNAME_MAX], suffix = walk->arrival->destination.family == AF_INET6 ? '6' : '4';

	if (id)
		snprintf(name, sizeof(name), "%s%c_%u", stem, suffix, id);
	else
		snprintf(name, sizeof(name), "%s%c", stem, suffix);
	return kstate_find_set(walk->desired, name);
}

static bool is_from(const struct walk *walk, const char *stem)
{
	const struct kset *set = family_set(walk, stem, 0);

	return set && kset_find(set, walk->arrival->source.bytes);
}

static bool serves(const struct walk *walk, const struct forward *forward)
{
	if (!forward->hairpin && is_from(walk, "lan"))
		return false;
	for (unsigned i = 0; i < forward->sources.count; i++)
		if (prefix_contains(&forward->sources.items[i], &walk->arrival->source))
			return true;
	return !forward->sources.count;
}

static const struct kelem *find_element(const struct walk *walk, uint32_t uplink, const struct kset **ret_set)
{
	const struct arrival *arrival = walk->arrival;
	uint8_t key[KKEY_MAX] = { arrival->protocol,     0, 0, 0, (uint8_t)(arrival->port >> 8),
				  (uint8_t)arrival->port };

	*ret_set = family_set(walk, protocol_has_ports(arrival->protocol) ? "forwards" : "portless", uplink);
	return *ret_set ? kset_find(*ret_set, key) : NULL;
}

static struct destination destination_of(const struct walk *walk, const struct kset *set,
					 const struct kelem *elem, const struct forward *forward)
{
	uint8_t family = walk->arrival->destination.family;
	struct destination destination = { .forward = forward, .address = { .family = family } };
	const uint8_t *data = kelem_data(set, elem);
	unsigned size = ip_size(family);

	memcpy(destination.address.bytes, data, size);
	if (protocol_has_ports(walk->arrival->protocol))
		destination.port = (uint16_t)(data[size] << 8 | data[size + 1]);
	return destination;
}

bool translate(const struct config *config, const struct links *links, const struct kstate *desired,
	       const struct arrival *arrival, struct destination *ret_destination)
{
	const struct walk walk = { .config = config, .desired = desired, .arrival = arrival };
	const struct uplink *uplink = uplink_with_address(config, links, &arrival->destination);

	if (!uplink || is_from(&walk, "no_hairpin"))
		return false;
	for (int own = 1; own >= 0; own--) {
		const struct kset *set;

		/* An uplink's own forwards are not for who comes by another. */
		if (own && arrival->uplink && arrival->uplink != uplink->object.id)
			continue;
		const struct kelem *elem = find_element(&walk, own ? uplink->object.id : 0, &set);
		const struct object *forward = elem ? config_find(config, KIND_FORWARD, elem->owner) : NULL;

		if (!forward)
			continue;
		if (!serves(&walk, (const struct forward *)forward))
			return false;
		*ret_destination = destination_of(&walk, set, elem, (const struct forward *)forward);
		return true;
	}
	return false;
}
