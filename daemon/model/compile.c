/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shape of the table (see also the tour in README.md):
 *
 *   mark_in, mark_out    which uplink a connection belongs to, and its mark put back on every packet
 *   destination_nat*     address of an uplink -> translate4_<n> -> forwards4: one lookup, however many forwards
 *   source_nat           hairpin, "backend sees the router", then what each uplink asks for
 *   filter_*             closed from uplinks
 *
 * Names end in 4 or 6 for the family and in _<id> for the object that they belong to.
 */
#include "model/compile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRIORITY_MANGLE = -150, PRIORITY_DSTNAT = -100, PRIORITY_FILTER = 0, PRIORITY_SRCNAT = 100 };
enum { PRIORITY_OFFSET = -5 }; /* equal to nobody's: the order between equals is undefined */
enum { CT_STATE_ESTABLISHED = 2, CT_STATE_RELATED = 4, CT_STATE_NEW = 8 };
enum { RULE_MAIN = 0, RULE_FROM = 100, RULE_MARK = 300, RULE_UNREACHABLE = 500 }; /* offsets of preferences */
enum { TABLE_MAIN = 254, ROUTE_TYPE_LOCAL = 2 }; /* RT_TABLE_MAIN, RTN_LOCAL */

/* What differs between the two families. */
struct family_words {
	uint8_t af;
	char suffix;
	enum ktype address;
	enum kfield saddr, daddr;
};

static const struct family_words families[] = {
	{ AF_INET, '4', KTYPE_IPV4_ADDR, KFIELD_IP_SADDR, KFIELD_IP_DADDR },
	{ AF_INET6, '6', KTYPE_IPV6_ADDR, KFIELD_IP6_SADDR, KFIELD_IP6_DADDR },
};

struct compiler {
	const struct config *config;
	const struct links *links;
	const struct environment *environment;
	struct kstate *state;
	unsigned uplink_count;
	struct uplink_live uplinks[UPLINKS_MAX];
};

/* --- statements, in the words of nft --- */

static void set_text(char to[KNAME_MAX], const char *from)
{
	snprintf(to, KNAME_MAX, "%s", from);
}

static struct kstmt match_word(enum kfield field, uint32_t mask, uint32_t value, bool invert)
{
	struct kstmt stmt = {
		.type = KSTMT_MATCH, .field_count = 1, .fields = { field }, .mask = mask, .invert = invert
	};

	memcpy(stmt.value, &value, sizeof(value));
	return stmt;
}

static struct kstmt match_byte(enum kfield field, uint8_t value)
{
	return (struct kstmt){
		.type = KSTMT_MATCH, .field_count = 1, .fields = { field }, .value = { value }
	};
}

static struct kstmt match_port(uint16_t port)
{
	return (struct kstmt){ .type = KSTMT_MATCH,
			       .field_count = 1,
			       .fields = { KFIELD_TH_DPORT },
			       .value = { (uint8_t)(port >> 8), (uint8_t)port } };
}

static struct kstmt let_in(void)
{
	return match_word(KFIELD_CT_MARK, MARK_LET_IN, MARK_LET_IN, false);
}

static struct kstmt lookup(enum kfield field, const char *set, bool invert)
{
	struct kstmt stmt = { .type = KSTMT_LOOKUP, .field_count = 1, .fields = { field }, .invert = invert };

	set_text(stmt.set, set);
	return stmt;
}

static struct kstmt vmap(enum kfield field, uint32_t mask, const char *set)
{
	struct kstmt stmt = { .type = KSTMT_VMAP, .field_count = 1, .fields = { field }, .mask = mask };

	set_text(stmt.set, set);
	return stmt;
}

/* Fields of the forward maps: protocol and port, or for protocols without ports the protocol alone. */
static struct kstmt forward_fields(enum kstmt_type type, const char *set, bool ports, uint8_t af)
{
	struct kstmt stmt = { .type = type,
			      .field_count = ports ? 2 : 1,
			      .fields = { KFIELD_L4PROTO, KFIELD_TH_DPORT },
			      .address = { .family = af } };

	set_text(stmt.set, set);
	return stmt;
}

static struct kstmt set_mark(enum kstmt_type type, uint32_t keep, uint32_t bits)
{
	return (struct kstmt){ .type = type, .mask = keep, .bits = bits };
}

static struct kstmt verdict(enum kverdict_code code)
{
	return (struct kstmt){ .type = KSTMT_VERDICT, .verdict = code };
}

static struct kstmt snat_to(const struct ip *address)
{
	return (struct kstmt){ .type = KSTMT_SNAT, .address = *address };
}

#define RULE(c, chain, comment, ...)                                        \
	kchain_add_rule((c)->state, chain, (struct kstmt[]){ __VA_ARGS__ }, \
			sizeof((struct kstmt[]){ __VA_ARGS__ }) / sizeof(struct kstmt), comment)

/* --- chains, sets, elements --- */

static struct kchain *base_chain(struct compiler *c, const char *name, enum kchain_type type, enum khook hook,
				 int priority)
{
	struct kchain *chain = kstate_add_chain(c->state, name, NULL);

	if (chain) {
		chain->type = type;
		chain->hook = hook;
		chain->priority = priority + PRIORITY_OFFSET;
	}
	return chain;
}

/* "forwards4", or "forwards4_2" for id 2. */
static void family_name(char name[KNAME_MAX], const char *stem, const struct family_words *family,
			uint32_t id)
{
	if (id)
		snprintf(name, KNAME_MAX, "%s%c_%u", stem, family->suffix, id);
	else
		snprintf(name, KNAME_MAX, "%s%c", stem, family->suffix);
}

static struct kset *find_set(const struct compiler *c, const char *name)
{
	/* The maps of forwards come first, before the many sets of single forwards. */
	for (unsigned i = 0; i < c->state->set_count; i++)
		if (strcmp(c->state->sets[i].name, name) == 0)
			return &c->state->sets[i];
	return NULL;
}

static struct kset *add_map(struct compiler *c, const char *name, enum ktype key, enum ktype data)
{
	return kstate_add_set(c->state, name, (enum ktype[KFIELDS_MAX]){ key }, (enum ktype[2]){ data },
			      false, false, NULL);
}

static struct kset *add_set(struct compiler *c, const char *name, enum ktype key, bool interval)
{
	return kstate_add_set(c->state, name, (enum ktype[KFIELDS_MAX]){ key }, NULL, interval, false, NULL);
}

static void add_jump(struct compiler *c, struct kset *map, const void *key, const char *chain,
		     const char *comment)
{
	uint8_t data[KDATA_MAX] = { KVERDICT_JUMP };

	memcpy(data + 1, chain, strlen(chain));
	kset_add(c->state, map, key, NULL, data, comment, 0);
}

static void device_key(uint8_t key[16], const char *device)
{
	memset(key, 0, 16);
	memcpy(key, device, strnlen(device, DEVICE_MAX_BYTES));
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
static struct kset *add_prefix_set(struct compiler *c, const char *name, const struct family_words *family,
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
			set = add_set(c, name, family->address, true);
		kept = &prefixes[i];
		kset_add(c->state, set, kept->address.bytes, last.bytes, NULL, NULL, 0);
	}
	return set;
}

/* Like add_prefix_set(), for a list that is the configuration's. */
static bool add_source_set(struct compiler *c, const char *name, const struct family_words *family,
			   const struct prefixes *list)
{
	struct prefix *copy = list->count ? calloc(list->count, sizeof(*copy)) : NULL;
	bool made = false;

	if (list->count && !copy)
		c->state->failed = true;
	if (copy) {
		memcpy(copy, list->items, list->count * sizeof(*copy));
		made = add_prefix_set(c, name, family, copy, list->count);
	}
	free(copy);
	return made;
}

/* --- networks --- */

struct prefix_list {
	unsigned count, size;
	struct prefix *items;
};

static void add_prefix(struct compiler *c, struct prefix_list *list, struct prefix prefix)
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
	list->items[list->count++] = prefix;
}

/* The prefixes of the network's devices as they are now, and those that it was given. */
static void collect_network(struct compiler *c, const struct network *network, struct prefix_list *list)
{
	for (unsigned i = 0; i < network->devices.count; i++) {
		const struct link *link = links_find(c->links, network->devices.items[i]);

		for (unsigned j = 0; link && j < link->address_count; j++)
			if (uplink_address_counts(&link->addresses[j]))
				add_prefix(c, list,
					   prefix_of(&link->addresses[j].address,
						     link->addresses[j].prefix_length));
	}
	for (unsigned i = 0; i < network->prefixes.count; i++)
		add_prefix(c, list, network->prefixes.items[i]);
}

enum network_class { NETWORKS_ALL, NETWORKS_NO_HAIRPIN, NETWORKS_ROUTER, NETWORKS_EXTERNAL };

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

static bool add_network_set(struct compiler *c, const char *stem, const struct family_words *family,
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
	family_name(name, stem, family, 0);
	bool made = add_prefix_set(c, name, family, list.items, list.count);

	free(list.items);
	return made;
}

/* --- forwards --- */

static bool is_guarded(const struct forward *forward)
{
	return forward->sources.count || !forward->hairpin;
}

/* The maps that a forward of this family stands in: those for all uplinks (id 0), or one uplink's own. */
static struct kset *forward_map(struct compiler *c, const char *stem, const struct family_words *family,
				uint32_t id, bool ports, bool jumps)
{
	char name[KNAME_MAX];

	family_name(name, stem, family, id);
	struct kset *set = find_set(c, name);

	if (set)
		return set;
	return kstate_add_set(
		c->state, name,
		(enum ktype[KFIELDS_MAX]){ KTYPE_INET_PROTO, ports ? KTYPE_INET_SERVICE : KTYPE_NONE },
		(enum ktype[2]){ jumps ? KTYPE_VERDICT : family->address,
				 ports && !jumps ? KTYPE_INET_SERVICE : KTYPE_NONE },
		false, !jumps, NULL);
}

static void put_port(uint8_t *bytes, unsigned port)
{
	bytes[0] = (uint8_t)(port >> 8);
	bytes[1] = (uint8_t)port;
}

/* Steps through the single ports of a list of ranges. */
struct port_walk {
	const struct ports *ports;
	unsigned range, port;
};

static unsigned next_port(struct port_walk *walk)
{
	const struct port_range *range = &walk->ports->items[walk->range];
	unsigned port = walk->port ? walk->port : range->first;

	if (port == range->last) {
		walk->range++;
		walk->port = 0;
	} else {
		walk->port = port + 1;
	}
	return port;
}

static void add_ports(struct compiler *c, const struct forward *forward, const struct family_words *family,
		      uint32_t uplink, uint8_t protocol)
{
	struct port_walk outside = { .ports = &forward->external_ports };
	struct port_walk inside = { .ports = forward->internal_ports.count ? &forward->internal_ports :
									     &forward->external_ports };
	unsigned address_size = ip_size(family->af);
	char chain[KNAME_MAX];

	snprintf(chain, sizeof(chain), "guard_%u", forward->object.id);
	for (unsigned left = ports_count(&forward->external_ports); left; left--) {
		uint8_t key[KKEY_MAX] = { protocol }, data[KDATA_MAX] = { 0 };

		put_port(key + 4, next_port(&outside));
		memcpy(data, forward->internal_address.bytes, address_size);
		put_port(data + address_size, next_port(&inside));
		kset_add(c->state, forward_map(c, "forwards", family, uplink, true, false), key, NULL, data,
			 forward->object.name, forward->object.id);
		if (is_guarded(forward))
			add_jump(c, forward_map(c, "guards", family, uplink, true, true), key, chain,
				 forward->object.name);
	}
}

static void add_portless(struct compiler *c, const struct forward *forward, const struct family_words *family,
			 uint32_t uplink, uint8_t protocol)
{
	uint8_t key[KKEY_MAX] = { protocol };
	char chain[KNAME_MAX];

	kset_add(c->state, forward_map(c, "portless", family, uplink, false, false), key, NULL,
		 forward->internal_address.bytes, forward->object.name, forward->object.id);
	if (!is_guarded(forward))
		return;
	snprintf(chain, sizeof(chain), "guard_%u", forward->object.id);
	add_jump(c, forward_map(c, "portless_guards", family, uplink, false, true), key, chain,
		 forward->object.name);
}

static void add_to_maps(struct compiler *c, const struct forward *forward, const struct family_words *family,
			uint32_t uplink)
{
	for (unsigned i = 0; i < forward->protocols.count; i++) {
		if (protocol_has_ports(forward->protocols.items[i]))
			add_ports(c, forward, family, uplink, forward->protocols.items[i]);
		else
			add_portless(c, forward, family, uplink, forward->protocols.items[i]);
	}
}

/* A guard accepts, untranslated, what a forward does not serve; the rest returns to be translated. */
static void add_guard(struct compiler *c, const struct forward *forward, const struct family_words *family,
		      bool lan)
{
	char name[KNAME_MAX], set[KNAME_MAX];

	snprintf(name, sizeof(name), "guard_%u", forward->object.id);
	struct kchain *chain = kstate_add_chain(c->state, name, NULL);

	if (!forward->hairpin && lan) {
		family_name(set, "lan", family, 0);
		RULE(c, chain, forward->object.name, lookup(family->saddr, set, false),
		     verdict(KVERDICT_ACCEPT));
	}
	snprintf(set, sizeof(set), "sources_%u", forward->object.id);
	if (add_source_set(c, set, family, &forward->sources))
		RULE(c, chain, forward->object.name, lookup(family->saddr, set, true),
		     verdict(KVERDICT_ACCEPT));
}

/* Backends whose replies would not come back by themselves: their clients get the router's address. */
static void add_source_rewrite(struct compiler *c, const struct forward *forward,
			       const struct family_words *family)
{
	const struct ports *ports = forward->internal_ports.count ? &forward->internal_ports :
								    &forward->external_ports;
	unsigned address_size = ip_size(family->af);

	for (unsigned i = 0; i < forward->protocols.count; i++) {
		uint8_t protocol = forward->protocols.items[i];
		bool has_ports = protocol_has_ports(protocol);
		struct port_walk walk = { .ports = ports };
		char name[KNAME_MAX];

		family_name(name, has_ports ? "source_rewrite" : "portless_rewrite", family, 0);
		struct kset *set = find_set(c, name);

		if (!set)
			set = kstate_add_set(
				c->state, name,
				(enum ktype[KFIELDS_MAX]){ KTYPE_INET_PROTO, family->address,
							   has_ports ? KTYPE_INET_SERVICE : KTYPE_NONE },
				NULL, false, false, NULL);
		for (unsigned left = has_ports ? ports_count(ports) : 1; left; left--) {
			uint8_t key[KKEY_MAX] = { protocol };

			memcpy(key + 4, forward->internal_address.bytes, address_size);
			if (has_ports)
				put_port(key + 4 + address_size, next_port(&walk));
			kset_add(c->state, set, key, NULL, NULL, forward->object.name, 0);
		}
	}
}

static void add_forward(struct compiler *c, const struct forward *forward, const struct family_words *family)
{
	if (!forward->uplinks.count)
		add_to_maps(c, forward, family, 0);
	for (unsigned i = 0; i < forward->uplinks.count; i++) {
		const struct object *uplink = config_find_name(c->config, KIND_UPLINK,
							       forward->uplinks.items[i]);

		if (uplink)
			add_to_maps(c, forward, family, uplink->id);
	}
	if (forward->backend_sees == BACKEND_SEES_ROUTER)
		add_source_rewrite(c, forward, family);
}

static void add_forwards(struct compiler *c, const struct family_words *family, bool lan)
{
	const struct object_list *forwards = &c->config->lists[KIND_FORWARD];

	forward_map(c, "forwards", family, 0, true, false);
	for (int guards = 0; guards < 2; guards++) {
		for (unsigned i = 0; i < forwards->count; i++) {
			const struct forward *forward = (const struct forward *)forwards->items[i];

			if (forward->internal_address.family != family->af ||
			    !forward_in_force(forward, c->environment))
				continue;
			if (!guards)
				add_forward(c, forward, family);
			else if (is_guarded(forward))
				add_guard(c, forward, family, lan);
		}
	}
}

/* The rule if the map is there: vmap for guards, dnat for forwards. */
static void add_lookup_rule(struct compiler *c, struct kchain *chain, const char *stem,
			    const struct family_words *family, uint32_t id, enum kstmt_type type, bool ports)
{
	char name[KNAME_MAX];

	family_name(name, stem, family, id);
	if (find_set(c, name))
		RULE(c, chain, NULL, forward_fields(type, name, ports, family->af));
}

/*
 * From an uplink's address to backends. The connection is marked "let in"
 * before the lookups, because a translation ends the chain; what falls
 * through is unmarked again.
 */
static void add_translate_chain(struct compiler *c, const struct family_words *family,
				const struct uplink *uplink)
{
	uint32_t own = uplink->object.id;
	char name[KNAME_MAX];

	family_name(name, "translate", family, own);
	struct kchain *chain = kstate_add_chain(c->state, name, NULL);

	add_lookup_rule(c, chain, "guards", family, own, KSTMT_VMAP, true);
	add_lookup_rule(c, chain, "guards", family, 0, KSTMT_VMAP, true);
	add_lookup_rule(c, chain, "portless_guards", family, own, KSTMT_VMAP, false);
	add_lookup_rule(c, chain, "portless_guards", family, 0, KSTMT_VMAP, false);
	RULE(c, chain, uplink->object.name, set_mark(KSTMT_SET_CT_MARK, ~MARK_LET_IN, MARK_LET_IN));
	add_lookup_rule(c, chain, "forwards", family, own, KSTMT_DNAT_MAP, true);
	add_lookup_rule(c, chain, "forwards", family, 0, KSTMT_DNAT_MAP, true);
	add_lookup_rule(c, chain, "portless", family, own, KSTMT_DNAT_MAP, false);
	add_lookup_rule(c, chain, "portless", family, 0, KSTMT_DNAT_MAP, false);
	RULE(c, chain, NULL, set_mark(KSTMT_SET_CT_MARK, ~MARK_LET_IN, 0));
}

static void add_redirects(struct compiler *c, struct kchain *chain, const struct family_words *family)
{
	const struct object_list *redirects = &c->config->lists[KIND_REDIRECT];

	for (unsigned i = 0; i < redirects->count; i++) {
		const struct redirect *redirect = (const struct redirect *)redirects->items[i];
		const struct object *network = config_find_name(c->config, KIND_NETWORK, redirect->network);
		struct prefix_list list = { 0 };
		char from[KNAME_MAX], except[KNAME_MAX];
		struct kstmt stmts[KSTMT_MAX];
		unsigned n = 0;

		if (!redirect->enabled || !network)
			continue;
		collect_network(c, (const struct network *)network, &list);
		family_name(from, "redirect", family, redirect->object.id);
		bool made = add_prefix_set(c, from, family, list.items, list.count);

		free(list.items);
		if (!made)
			continue;
		stmts[n++] = lookup(family->saddr, from, false);
		family_name(except, "except", family, redirect->object.id);
		if (add_source_set(c, except, family, &redirect->except)) {
			stmts[n++] = lookup(family->saddr, except, true);
			stmts[n++] = lookup(family->daddr, except, true);
		}
		stmts[n++] = match_word(KFIELD_FIB_DADDR_TYPE, 0, ROUTE_TYPE_LOCAL, true);
		stmts[n++] = match_byte(KFIELD_L4PROTO, redirect->protocol);
		stmts[n++] = match_port((uint16_t)redirect->port);
		stmts[n++] = (struct kstmt){ .type = KSTMT_REDIRECT, .port = (uint16_t)redirect->to_port };
		kchain_add_rule(c->state, chain, stmts, n, redirect->object.name);
	}
}

/* Forwards and everything that they need, for one family. */
static void compile_family(struct compiler *c, const struct family_words *family, struct kchain *prerouting,
			   struct kchain *output, struct kchain *postrouting)
{
	char name[KNAME_MAX], lan[KNAME_MAX];
	bool has_lan = add_network_set(c, "lan", family, NETWORKS_ALL);

	family_name(lan, "lan", family, 0);
	add_forwards(c, family, has_lan);

	family_name(name, "uplink_addresses", family, 0);
	struct kset *addresses = add_map(c, name, family->address, KTYPE_VERDICT);
	struct kstmt to_uplink = vmap(family->daddr, 0, name);

	for (unsigned i = 0; i < c->uplink_count; i++) {
		const struct uplink_live *live = &c->uplinks[i];
		char chain[KNAME_MAX];

		if (!live->uplink->enabled)
			continue;
		add_translate_chain(c, family, live->uplink);
		addresses = find_set(c, name);
		family_name(chain, "translate", family, live->uplink->object.id);
		for (unsigned j = 0; live->link && j < live->link->address_count; j++)
			if (live->link->addresses[j].address.family == family->af &&
			    uplink_address_counts(&live->link->addresses[j]))
				add_jump(c, addresses, live->link->addresses[j].address.bytes, chain,
					 live->uplink->object.name);
	}

	family_name(name, "no_hairpin", family, 0);
	if (add_network_set(c, "no_hairpin", family, NETWORKS_NO_HAIRPIN))
		RULE(c, prerouting, NULL, lookup(family->saddr, name, true), to_uplink);
	else
		RULE(c, prerouting, NULL, to_uplink);
	RULE(c, output, NULL, to_uplink);
	add_redirects(c, prerouting, family);

	family_name(name, "hairpin_external", family, 0);
	if (add_network_set(c, "hairpin_external", family, NETWORKS_EXTERNAL))
		RULE(c, postrouting, "hairpin: the backend sees the external address", let_in(),
		     lookup(family->saddr, name, false), lookup(family->daddr, lan, false),
		     (struct kstmt){ .type = KSTMT_SNAT_ORIGINAL, .address = { .family = family->af } });
	family_name(name, "hairpin_router", family, 0);
	if (add_network_set(c, "hairpin_router", family, NETWORKS_ROUTER))
		RULE(c, postrouting, "hairpin: the backend sees the router", let_in(),
		     lookup(family->saddr, name, false), lookup(family->daddr, lan, false),
		     (struct kstmt){ .type = KSTMT_MASQUERADE });
	family_name(name, "source_rewrite", family, 0);
	if (find_set(c, name)) {
		struct kstmt backend = { .type = KSTMT_LOOKUP,
					 .field_count = 3,
					 .fields = { KFIELD_L4PROTO, family->daddr, KFIELD_TH_DPORT } };

		set_text(backend.set, name);
		RULE(c, postrouting, "backend_sees router", let_in(), backend,
		     (struct kstmt){ .type = KSTMT_MASQUERADE });
	}
	family_name(name, "portless_rewrite", family, 0);
	if (find_set(c, name)) {
		struct kstmt backend = { .type = KSTMT_LOOKUP,
					 .field_count = 2,
					 .fields = { KFIELD_L4PROTO, family->daddr } };

		set_text(backend.set, name);
		RULE(c, postrouting, "backend_sees router", let_in(), backend,
		     (struct kstmt){ .type = KSTMT_MASQUERADE });
	}
}

/* --- uplinks --- */

static void add_leave_chain(struct compiler *c, const struct uplink *uplink)
{
	const struct object_list *nats = &c->config->lists[KIND_SOURCE_NAT];
	char name[KNAME_MAX];

	snprintf(name, sizeof(name), "leave_%u", uplink->object.id);
	struct kchain *chain = kstate_add_chain(c->state, name, NULL);

	RULE(c, chain, uplink->object.name,
	     set_mark(KSTMT_SET_CT_MARK, ~MARK_UPLINK_MASK, MARK_UPLINK(uplink->object.id)));
	for (unsigned i = 0; i < nats->count; i++) {
		const struct source_nat *nat = (const struct source_nat *)nats->items[i];
		const struct family_words *family = &families[nat->address.family == AF_INET6];

		if (!nat->enabled || strcmp(nat->uplink, uplink->object.name) != 0)
			continue;
		snprintf(name, sizeof(name), "source_nat_%u", nat->object.id);
		if (add_source_set(c, name, family, &nat->sources))
			RULE(c, chain, nat->object.name, lookup(family->saddr, name, false),
			     snat_to(&nat->address));
	}
	switch (uplink->source_nat_kind) {
	case SOURCE_NAT_MASQUERADE:
		RULE(c, chain, NULL, match_byte(KFIELD_NFPROTO, AF_INET),
		     (struct kstmt){ .type = KSTMT_MASQUERADE });
		break;
	case SOURCE_NAT_ADDRESS:
		RULE(c, chain, NULL, match_byte(KFIELD_NFPROTO, uplink->source_nat.family),
		     snat_to(&uplink->source_nat));
		break;
	case SOURCE_NAT_NONE:
		break;
	}
}

/* Chains and map entries by which connections learn their uplink, and packets their mark. */
static void compile_uplinks(struct compiler *c)
{
	kstate_add_set(c->state, "uplink_devices", (enum ktype[KFIELDS_MAX]){ KTYPE_IFNAME }, NULL, false,
		       false, NULL);
	add_map(c, "uplink_arrive", KTYPE_IFNAME, KTYPE_VERDICT);
	add_map(c, "uplink_leave", KTYPE_IFNAME, KTYPE_VERDICT);
	add_map(c, "uplink_marks", KTYPE_MARK, KTYPE_VERDICT);
	for (unsigned i = 0; i < c->uplink_count; i++) {
		const struct uplink *uplink = c->uplinks[i].uplink;
		uint32_t id = uplink->object.id, mark = MARK_UPLINK(id);
		uint8_t device[16];
		char chain[KNAME_MAX];

		device_key(device, uplink->device);
		/* A disabled uplink is not used, but the filter stays closed towards it. */
		kset_add(c->state, find_set(c, "uplink_devices"), device, NULL, NULL, uplink->object.name, 0);
		if (!uplink->enabled)
			continue;
		snprintf(chain, sizeof(chain), "arrive_%u", id);
		RULE(c, kstate_add_chain(c->state, chain, NULL), uplink->object.name,
		     set_mark(KSTMT_SET_CT_MARK, ~MARK_UPLINK_MASK, mark));
		add_jump(c, find_set(c, "uplink_arrive"), device, chain, uplink->object.name);
		snprintf(chain, sizeof(chain), "restore_%u", id);
		RULE(c, kstate_add_chain(c->state, chain, NULL), uplink->object.name,
		     set_mark(KSTMT_SET_META_MARK, ~MARK_UPLINK_MASK, mark));
		add_jump(c, find_set(c, "uplink_marks"), &mark, chain, uplink->object.name);
		snprintf(chain, sizeof(chain), "leave_%u", id);
		add_leave_chain(c, uplink);
		add_jump(c, find_set(c, "uplink_leave"), device, chain, uplink->object.name);
	}
}

static bool wants_family(const struct compiler *c, const struct family_words *family)
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

static void compile_nat(struct compiler *c)
{
	/* Built apart, so that nothing moves them while the families add chains of their own. */
	struct kchain prerouting = { 0 }, output = { 0 }, postrouting = { 0 };

	for (unsigned i = 0; i < 2; i++)
		if (wants_family(c, &families[i]))
			compile_family(c, &families[i], &prerouting, &output, &postrouting);
	RULE(c, &postrouting, "a forward used from the router itself", let_in(),
	     match_word(KFIELD_FIB_SADDR_TYPE, 0, ROUTE_TYPE_LOCAL, false),
	     (struct kstmt){ .type = KSTMT_MASQUERADE });
	RULE(c, &postrouting, NULL, vmap(KFIELD_OIFNAME, 0, "uplink_leave"));

	const struct {
		const char *name;
		enum khook hook;
		int priority;
		struct kchain *built;
	} chains[] = { { "destination_nat", KHOOK_PREROUTING, PRIORITY_DSTNAT, &prerouting },
		       { "destination_nat_output", KHOOK_OUTPUT, PRIORITY_DSTNAT, &output },
		       { "source_nat", KHOOK_POSTROUTING, PRIORITY_SRCNAT, &postrouting } };

	for (unsigned i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		struct kchain *chain = base_chain(c, chains[i].name, KCHAIN_NAT, chains[i].hook,
						  chains[i].priority);

		if (!chain) {
			free(chains[i].built->rules);
			continue;
		}
		chain->count = chains[i].built->count;
		chain->rules = chains[i].built->rules;
	}
}

static void compile_marks(struct compiler *c)
{
	struct kchain *in = base_chain(c, "mark_in", KCHAIN_FILTER, KHOOK_PREROUTING, PRIORITY_MANGLE);

	RULE(c, in, "a new connection belongs to the uplink that it arrives by",
	     match_word(KFIELD_CT_STATE, CT_STATE_NEW, 0, false), vmap(KFIELD_IIFNAME, 0, "uplink_arrive"));
	RULE(c, in, "and its packets are routed by that uplink, in both directions",
	     vmap(KFIELD_CT_MARK, MARK_UPLINK_MASK, "uplink_marks"));

	struct kchain *out = base_chain(c, "mark_out", KCHAIN_ROUTE, KHOOK_OUTPUT, PRIORITY_MANGLE);

	RULE(c, out, NULL, vmap(KFIELD_CT_MARK, MARK_UPLINK_MASK, "uplink_marks"));
}

static void compile_filter(struct compiler *c)
{
	if (filter_is_ours(c->config, c->environment)) {
		struct kchain *forward = base_chain(c, "filter_forward", KCHAIN_FILTER, KHOOK_FORWARD,
						    PRIORITY_FILTER);

		RULE(c, forward, NULL,
		     match_word(KFIELD_CT_STATE, CT_STATE_ESTABLISHED | CT_STATE_RELATED, 0, false),
		     verdict(KVERDICT_ACCEPT));
		RULE(c, forward, "let in by a forward", let_in(), verdict(KVERDICT_ACCEPT));
		RULE(c, forward, "nothing else comes in", lookup(KFIELD_IIFNAME, "uplink_devices", false),
		     verdict(KVERDICT_DROP));
	}
	if (config_settings(c->config)->admin_from_uplinks || !c->environment->admin_port_count)
		return;
	struct kchain *input = base_chain(c, "filter_input", KCHAIN_FILTER, KHOOK_INPUT, PRIORITY_FILTER);

	for (unsigned i = 0; i < c->environment->admin_port_count; i++)
		RULE(c, input, "the admin page is not for uplinks",
		     lookup(KFIELD_IIFNAME, "uplink_devices", false), match_byte(KFIELD_L4PROTO, IPPROTO_TCP),
		     match_port(c->environment->admin_ports[i]), verdict(KVERDICT_DROP));
}

/* --- routing --- */

static void add_uplink_routing(struct compiler *c, const struct uplink_live *live, uint8_t af)
{
	uint32_t base = (uint32_t)config_settings(c->config)->rule_preference_base,
		 id = live->uplink->object.id;
	bool routed = af == AF_INET ? live->routed4 : live->routed6;
	struct kiprule rule = { .family = af, .table = live->table };

	if (routed) {
		struct kroute route = { .family = af,
					.table = live->table,
					.oif = live->link->index,
					.gateway = af == AF_INET ? live->gateway4 : live->gateway6 };

		memcpy(route.device, live->link->name, sizeof(route.device));
		kstate_add_route(c->state, &route);
		rule.preference = base + RULE_FROM + id;
		for (unsigned i = 0; i < live->link->address_count; i++) {
			const struct link_address *address = &live->link->addresses[i];

			if (address->address.family != af || !uplink_address_counts(address))
				continue;
			rule.from = address->address;
			kstate_add_rule(c->state, &rule);
		}
	}
	rule.from = (struct ip){ 0 };
	rule.mark = live->mark;
	rule.mark_mask = MARK_UPLINK_MASK;
	rule.preference = base + RULE_MARK + id;
	kstate_add_rule(c->state, &rule);
	rule.table = 0;
	rule.unreachable = true;
	rule.preference = base + RULE_UNREACHABLE + id;
	kstate_add_rule(c->state, &rule);
}

/*
 * IPv4 for every uplink in use; IPv6 only for those that have a way out, so that an
 * uplink's IPv6 that we know nothing of goes on as before.
 */
static void compile_routing(struct compiler *c)
{
	uint32_t base = (uint32_t)config_settings(c->config)->rule_preference_base;

	for (unsigned f = 0; f < 2; f++) {
		bool any = false;

		for (unsigned i = 0; i < c->uplink_count; i++) {
			const struct uplink_live *live = &c->uplinks[i];

			if (!live->uplink->enabled || (families[f].af == AF_INET6 && !live->routed6))
				continue;
			add_uplink_routing(c, live, families[f].af);
			any = true;
		}
		if (any)
			kstate_add_rule(c->state, &(struct kiprule){ .family = families[f].af,
								     .preference = base + RULE_MAIN,
								     .table = TABLE_MAIN,
								     .suppress_default = true });
	}
}

static void add_device_sysctl(struct compiler *c, const char *family, const char *device, const char *name,
			      int value)
{
	char path[80];

	snprintf(path, sizeof(path), "net/%s/conf/%s/%s", family, device, name);
	kstate_add_sysctl(c->state, path, value);
}

static bool bridged_network(const struct compiler *c)
{
	const struct object_list *networks = &c->config->lists[KIND_NETWORK];

	for (unsigned i = 0; i < networks->count; i++) {
		const struct names *devices = &((const struct network *)networks->items[i])->devices;

		for (unsigned j = 0; j < devices->count; j++) {
			const struct link *link = links_find(c->links, devices->items[j]);

			if (link && link->bridge)
				return true;
		}
	}
	return false;
}

/*
 * What forwarding needs of /proc/sys. IPv6 is left alone until a forward uses it:
 * turning forwarding on makes the kernel deaf to router advertisements unless accept_ra is 2.
 */
static void compile_sysctls(struct compiler *c)
{
	bool ipv6 = wants_family(c, &families[1]), bridged = bridged_network(c);

	if (!config_settings(c->config)->manage_sysctls || !c->uplink_count)
		return;
	kstate_add_sysctl(c->state, "net/ipv4/ip_forward", 1);
	if (ipv6)
		kstate_add_sysctl(c->state, "net/ipv6/conf/all/forwarding", 1);
	/* Bridged packets that cross the IP hooks inside the bridge never come back out of the port they came by. */
	if (bridged)
		kstate_add_sysctl(c->state, "net/bridge/bridge-nf-call-iptables", 0);
	if (bridged && ipv6)
		kstate_add_sysctl(c->state, "net/bridge/bridge-nf-call-ip6tables", 0);
	for (unsigned i = 0; i < c->uplink_count; i++) {
		const struct uplink_live *live = &c->uplinks[i];

		if (!live->uplink->enabled || !live->link)
			continue;
		/* Strict reverse-path checks drop what arrives by any but the main default route. */
		add_device_sysctl(c, "ipv4", live->link->name, "rp_filter", 2);
		if (ipv6)
			add_device_sysctl(c, "ipv6", live->link->name, "accept_ra", 2);
	}
}

int compile(const struct config *config, const struct links *links, const struct environment *environment,
	    struct kstate *ret_state)
{
	const struct object_list *uplinks = &config->lists[KIND_UPLINK];
	struct compiler *c = calloc(1, sizeof(*c));
	struct kstate state;

	if (!c)
		return -ENOMEM;
	kstate_init(&state);
	state.table = true;
	c->config = config;
	c->links = links;
	c->environment = environment;
	c->state = &state;
	c->uplink_count = uplinks->count;
	for (unsigned i = 0; i < uplinks->count; i++)
		uplink_resolve(config, (const struct uplink *)uplinks->items[i], links, &c->uplinks[i]);
	compile_uplinks(c);
	compile_nat(c);
	compile_marks(c);
	compile_filter(c);
	compile_routing(c);
	compile_sysctls(c);
	free(c);

	int r = kstate_finish(&state);

	if (r < 0) {
		kstate_done(&state);
		return r;
	}
	*ret_state = state;
	return 0;
}
