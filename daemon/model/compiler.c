/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

const struct family_words compiler_families[FAMILY_COUNT] = {
	{ AF_INET, '4', KTYPE_IPV4_ADDR, KFIELD_IP_SADDR, KFIELD_IP_DADDR },
	{ AF_INET6, '6', KTYPE_IPV6_ADDR, KFIELD_IP6_SADDR, KFIELD_IP6_DADDR },
};

struct kchain *compiler_base_chain(struct compiler *c, const char *name, enum kchain_type type,
				   enum khook hook, int priority)
{
	struct kchain *chain = kstate_add_chain(c->state, name, NULL);

	if (chain) {
		chain->type = type;
		chain->hook = hook;
		chain->priority = priority + PRIORITY_OFFSET;
	}
	return chain;
}

void compiler_move_rules(struct kchain *chain, struct kchain *built)
{
	if (chain) {
		chain->count = built->count;
		chain->rules = built->rules;
	} else {
		free(built->rules);
	}
	*built = (struct kchain){ 0 };
}

/* "forwards4", or "forwards4_2" for id 2. */
void compiler_name(char name[KNAME_MAX], const char *stem, const struct family_words *family, uint32_t id)
{
	if (id)
		snprintf(name, KNAME_MAX, "%s%c_%u", stem, family->suffix, id);
	else
		snprintf(name, KNAME_MAX, "%s%c", stem, family->suffix);
}

void compiler_device_key(uint8_t ret_key[16], const char *device)
{
	memset(ret_key, 0, 16);
	memcpy(ret_key, device, strnlen(device, DEVICE_MAX_BYTES));
}

void compiler_name_add(char name[KNAME_MAX], const char *word)
{
	size_t length = strlen(name);

	snprintf(name + length, KNAME_MAX - length, "_%s", word);
}

struct kset *compiler_find_set(const struct compiler *c, const char *name)
{
	/* The maps of forwards come first, before the many sets of single forwards. */
	for (unsigned i = 0; i < c->state->set_count; i++)
		if (strcmp(c->state->sets[i].name, name) == 0)
			return &c->state->sets[i];
	return NULL;
}

struct kset *compiler_add_map(struct compiler *c, const char *name, enum ktype key, enum ktype data)
{
	return kstate_add_set(c->state, name, (enum ktype[KFIELDS_MAX]){ key }, (enum ktype[2]){ data },
			      false, false, NULL);
}

struct kset *compiler_add_set(struct compiler *c, const char *name, enum ktype key, bool interval)
{
	return kstate_add_set(c->state, name, (enum ktype[KFIELDS_MAX]){ key }, NULL, interval, false, NULL);
}

void compiler_add_jump(struct compiler *c, struct kset *map, const void *key, const void *key_end,
		       const char *chain, const char *comment)
{
	uint8_t data[KDATA_MAX] = { KVERDICT_JUMP };

	memcpy(data + 1, chain, strlen(chain));
	kset_add(c->state, map, key, key_end, data, comment, 0);
}

static int compare_prefixes(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

/*
 * An interval set of the prefixes that are of the family; those covered by
 * another are left out (the kernel refuses overlaps). NULL without making
 * a set when there are none. Sorts the list.
 */
static struct kset *add_prefixes(struct compiler *c, const char *name, const struct family_words *family,
				 struct prefix *prefixes, unsigned count)
{
	const struct prefix *kept = NULL;
	struct kset *set = NULL;

	if (count > 1)
		qsort(prefixes, count, sizeof(*prefixes), compare_prefixes);
	for (unsigned i = 0; i < count; i++) {
		struct ip last = prefix_last(&prefixes[i]);

		if (prefixes[i].address.family != family->af || (kept && prefix_covers(kept, &prefixes[i])))
			continue;
		if (!set)
			set = compiler_add_set(c, name, family->address, true);
		kept = &prefixes[i];
		kset_add(c->state, set, kept->address.bytes, last.bytes, NULL, NULL, 0);
	}
	return set;
}

/* Like add_prefixes(), for a list that is the configuration's. */
bool compiler_add_list(struct compiler *c, const char *name, const struct family_words *family,
		       const struct prefixes *list)
{
	struct prefix *copy = list->count ? calloc(list->count, sizeof(*copy)) : NULL;
	bool made = false;

	if (list->count && !copy)
		c->state->failed = true;
	if (copy) {
		memcpy(copy, list->items, list->count * sizeof(*copy));
		made = add_prefixes(c, name, family, copy, list->count);
	}
	free(copy);
	return made;
}

void compiler_add_prefix(struct compiler *c, struct prefix_list *list, const struct prefix *prefix)
{
	if (list->count == list->size) {
		unsigned more = list->size ? list->size * 2 : 8;
		struct prefix *bigger = reallocarray(list->items, more, sizeof(*bigger));

		if (!bigger) {
			c->state->failed = true;
			return;
		}
		list->items = bigger;
		list->size = more;
	}
	list->items[list->count++] = *prefix;
}

bool compiler_take_list(struct compiler *c, const char *name, const struct family_words *family,
			struct prefix_list *list)
{
	bool made = add_prefixes(c, name, family, list->items, list->count);

	free(list->items);
	*list = (struct prefix_list){ 0 };
	return made;
}

/* The prefixes of the network's devices as they are now. */
static void collect_devices(struct compiler *c, const struct network *network, struct prefix_list *list)
{
	for (unsigned i = 0; i < network->devices.count; i++) {
		const struct link *link = links_find(c->links, network->devices.items[i]);

		for (unsigned j = 0; link && j < link->address_count; j++)
			if (uplink_address_counts(&link->addresses[j])) {
				struct prefix prefix = link_address_prefix(&link->addresses[j]);

				compiler_add_prefix(c, list, &prefix);
			}
	}
}

/* Those, and the ones that it was given. */
static void collect_network(struct compiler *c, const struct network *network, struct prefix_list *list)
{
	collect_devices(c, network, list);
	for (unsigned i = 0; i < network->prefixes.count; i++)
		compiler_add_prefix(c, list, &network->prefixes.items[i]);
}

void compiler_collect_networks(struct compiler *c, struct prefix_list *list)
{
	const struct object_list *networks = &c->config->lists[KIND_NETWORK];

	for (unsigned i = 0; i < networks->count; i++)
		collect_network(c, (const struct network *)networks->items[i], list);
}

static bool in_class(const struct network *network, enum network_class class)
{
	switch (class) {
	case NETWORKS_ALL:
		return true;
	case NETWORKS_NO_HAIRPIN:
		return !network->hairpin;
	case NETWORKS_ROUTER:
		return network->hairpin && network->hairpin_source == HAIRPIN_SOURCE_ROUTER;
	case NETWORKS_EXTERNAL:
		return network->hairpin && network->hairpin_source == HAIRPIN_SOURCE_EXTERNAL;
	}
	return false;
}

bool compiler_add_networks(struct compiler *c, const char *stem, const struct family_words *family,
			   enum network_class class)
{
	const struct object_list *networks = &c->config->lists[KIND_NETWORK];
	struct prefix_list list = { 0 };
	char name[KNAME_MAX];

	for (unsigned i = 0; i < networks->count; i++) {
		const struct network *network = (const struct network *)networks->items[i];

		if (in_class(network, class))
			collect_network(c, network, &list);
	}
	compiler_name(name, stem, family, 0);
	return compiler_take_list(c, name, family, &list);
}

/* True if the prefix and that of an address of some uplink's device have addresses in common. */
static bool reaches_uplinks(const struct compiler *c, const struct prefix *prefix)
{
	for (unsigned i = 0; i < c->ways.count; i++) {
		const struct link *link = c->ways.uplinks[i].link;

		for (unsigned j = 0; link && j < link->address_count; j++) {
			const struct prefix outside = link_address_prefix(&link->addresses[j]);

			if (prefix_overlaps(prefix, &outside))
				return true;
		}
	}
	return false;
}

bool compiler_add_inside(struct compiler *c, const char *name, const struct family_words *family)
{
	const struct object_list *networks = &c->config->lists[KIND_NETWORK];
	struct prefix_list list = { 0 };
	unsigned kept = 0;

	for (unsigned i = 0; i < networks->count; i++)
		collect_devices(c, (const struct network *)networks->items[i], &list);
	for (unsigned i = 0; i < list.count; i++)
		if (!reaches_uplinks(c, &list.items[i]))
			list.items[kept++] = list.items[i];
	list.count = kept;
	return compiler_take_list(c, name, family, &list);
}

bool compiler_add_network(struct compiler *c, const char *name, const struct family_words *family,
			  const struct network *network)
{
	struct prefix_list list = { 0 };

	collect_network(c, network, &list);
	return compiler_take_list(c, name, family, &list);
}

bool compiler_wants_family(const struct compiler *c, const struct family_words *family)
{
	const struct object_list *forwards = &c->config->lists[KIND_FORWARD];

	if (family->af == AF_INET)
		return true;
	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];

		if (forward->internal_address.family == family->af &&
		    forward_in_force(forward, c->environment))
			return true;
	}
	return false;
}
