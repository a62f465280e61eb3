/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forwards, hairpin and redirects: the nat chains and the maps that they look into. */

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/compiler.h"

/* Fields of the forward maps: protocol and port, or for protocols without ports the protocol alone. */
static struct kstmt forward_fields(enum kstmt_type type, const char *set, bool ports, uint8_t af)
{
	struct kstmt stmt = { .type = type,
			      .field_count = ports ? 2 : 1,
			      .fields = { KFIELD_L4PROTO, KFIELD_TH_DPORT },
			      .address = { .family = af } };

	kstmt_set_name(stmt.set, set);
	return stmt;
}

static bool is_guarded(const struct forward *forward)
{
	return forward->sources.count || !forward->hairpin;
}

/* The maps that a forward of this family stands in: those for all uplinks (id 0), or one uplink's own. */
static struct kset *forward_map(struct compiler *c, const char *stem, const struct family_words *family,
				uint32_t id, bool ports, bool jumps)
{
	char name[KNAME_MAX];

	compiler_name(name, stem, family, id);
	struct kset *set = compiler_find_set(c, name);

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

static void guard_name(char name[KNAME_MAX], const struct forward *forward)
{
	snprintf(name, KNAME_MAX, "guard_%u", forward->object.id);
}

static void add_ports(struct compiler *c, const struct forward *forward, const struct family_words *family,
		      uint32_t uplink, uint8_t protocol)
{
	struct port_walk outside = { .ports = &forward->external_ports };
	struct port_walk inside = { .ports = forward_internal_ports(forward) };
	unsigned address_size = ip_size(family->af);
	char chain[KNAME_MAX];

	guard_name(chain, forward);
	for (unsigned left = ports_count(&forward->external_ports); left; left--) {
		uint8_t key[KKEY_MAX] = { protocol }, data[KDATA_MAX] = { 0 };

		put_port(key + 4, next_port(&outside));
		memcpy(data, forward->internal_address.bytes, address_size);
		put_port(data + address_size, next_port(&inside));
		kset_add(c->state, forward_map(c, "forwards", family, uplink, true, false), key, NULL, data,
			 forward->object.name, forward->object.id);
		if (is_guarded(forward))
			compiler_add_jump(c, forward_map(c, "guards", family, uplink, true, true), key, chain,
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
	guard_name(chain, forward);
	compiler_add_jump(c, forward_map(c, "portless_guards", family, uplink, false, true), key, chain,
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

	guard_name(name, forward);
	struct kchain *chain = kstate_add_chain(c->state, name, NULL);

	if (!forward->hairpin && lan) {
		compiler_name(set, "lan", family, 0);
		RULE(c, chain, forward->object.name, kstmt_lookup(family->saddr, set, false),
		     kstmt_verdict(KVERDICT_ACCEPT));
	}
	snprintf(set, sizeof(set), "sources_%u", forward->object.id);
	if (compiler_add_list(c, set, family, &forward->sources))
		RULE(c, chain, forward->object.name, kstmt_lookup(family->saddr, set, true),
		     kstmt_verdict(KVERDICT_ACCEPT));
}

/* Backends whose replies would not come back by themselves: their clients get the router's address. */
static void add_source_rewrite(struct compiler *c, const struct forward *forward,
			       const struct family_words *family)
{
	const struct ports *ports = forward_internal_ports(forward);
	unsigned address_size = ip_size(family->af);

	for (unsigned i = 0; i < forward->protocols.count; i++) {
		uint8_t protocol = forward->protocols.items[i];
		bool has_ports = protocol_has_ports(protocol);
		struct port_walk walk = { .ports = ports };
		char name[KNAME_MAX];

		compiler_name(name, has_ports ? "source_rewrite" : "portless_rewrite", family, 0);
		struct kset *set = compiler_find_set(c, name);

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

	compiler_name(name, stem, family, id);
	if (compiler_find_set(c, name))
		RULE(c, chain, NULL, forward_fields(type, name, ports, family->af));
}

/*
 * From an uplink's address to backends, by the maps for all uplinks (id 0) or one uplink's own. The
 * connection is marked "let in" before the lookups, because a translation ends the chain; what
 * falls through is unmarked again.
 */
static void add_lookups(struct compiler *c, struct kchain *chain, const struct family_words *family,
			uint32_t id, const char *comment)
{
	add_lookup_rule(c, chain, "guards", family, id, KSTMT_VMAP, true);
	add_lookup_rule(c, chain, "portless_guards", family, id, KSTMT_VMAP, false);
	RULE(c, chain, comment, kstmt_set_mark(KSTMT_SET_CT_MARK, ~MARK_LET_IN, MARK_LET_IN));
	add_lookup_rule(c, chain, "forwards", family, id, KSTMT_DNAT_MAP, true);
	add_lookup_rule(c, chain, "portless", family, id, KSTMT_DNAT_MAP, false);
	RULE(c, chain, NULL, kstmt_set_mark(KSTMT_SET_CT_MARK, ~MARK_LET_IN, 0));
}

static bool has_own_maps(const struct compiler *c, const struct family_words *family, uint32_t uplink)
{
	char forwards[KNAME_MAX], portless[KNAME_MAX];

	compiler_name(forwards, "forwards", family, uplink);
	compiler_name(portless, "portless", family, uplink);
	return compiler_find_set(c, forwards) || compiler_find_set(c, portless);
}

/*
 * The forwards of one uplink alone have a chain of their own, which is not for who comes by another
 * uplink: a neighbour there can send to any address of the router.
 */
static void add_translate_chain(struct compiler *c, const struct family_words *family,
				const struct uplink *uplink)
{
	uint32_t id = uplink->object.id;
	bool own = has_own_maps(c, family, id);
	char name[KNAME_MAX], own_name[KNAME_MAX];

	compiler_name(name, "translate", family, id);
	compiler_name(own_name, "translate_own", family, id);
	if (own)
		add_lookups(c, kstate_add_chain(c->state, own_name, NULL), family, id, uplink->object.name);
	struct kchain *chain = kstate_add_chain(c->state, name, NULL);

	if (own) {
		RULE(c, chain, "from inside", kstmt_match_word(KFIELD_CT_MARK, MARK_UPLINK_MASK, 0, false),
		     kstmt_jump(own_name));
		RULE(c, chain, "by this uplink",
		     kstmt_match_word(KFIELD_CT_MARK, MARK_UPLINK_MASK, MARK_UPLINK(id), false),
		     kstmt_jump(own_name));
	}
	add_lookups(c, chain, family, 0, uplink->object.name);
}

static void add_redirects(struct compiler *c, struct kchain *chain, const struct family_words *family)
{
	const struct object_list *redirects = &c->config->lists[KIND_REDIRECT];

	for (unsigned i = 0; i < redirects->count; i++) {
		const struct redirect *redirect = (const struct redirect *)redirects->items[i];
		const struct object *network = config_find_name(c->config, KIND_NETWORK, redirect->network);
		char from[KNAME_MAX], except[KNAME_MAX];
		struct kstmt stmts[KSTMT_MAX];
		unsigned n = 0;

		if (!redirect->enabled || !network)
			continue;
		compiler_name(from, "redirect", family, redirect->object.id);
		if (!compiler_add_network(c, from, family, (const struct network *)network))
			continue;
		stmts[n++] = kstmt_lookup(family->saddr, from, false);
		compiler_name(except, "except", family, redirect->object.id);
		if (compiler_add_list(c, except, family, &redirect->except)) {
			stmts[n++] = kstmt_lookup(family->saddr, except, true);
			stmts[n++] = kstmt_lookup(family->daddr, except, true);
		}
		stmts[n++] = kstmt_match_word(KFIELD_FIB_DADDR_TYPE, 0, KSTMT_ROUTE_LOCAL, true);
		stmts[n++] = kstmt_match_byte(KFIELD_L4PROTO, redirect->protocol);
		stmts[n++] = kstmt_match_port((uint16_t)redirect->port);
		stmts[n++] = (struct kstmt){ .type = KSTMT_REDIRECT, .port = (uint16_t)redirect->to_port };
		kchain_add_rule(c->state, chain, stmts, n, redirect->object.name);
	}
}

/* Two modems may give the same private address: it is the first uplink's then, as flow.c has it too. */
static bool is_of_earlier_uplink(const struct compiler *c, unsigned uplink, const struct ip *address)
{
	for (unsigned i = 0; i < uplink; i++) {
		const struct link *link = c->uplinks[i].uplink->enabled ? c->uplinks[i].link : NULL;

		for (unsigned j = 0; link && j < link->address_count; j++)
			if (ip_compare(&link->addresses[j].address, address) == 0)
				return true;
	}
	return false;
}

/* Where an uplink's addresses stand: in one place, however many forwards there are. */
static void add_addresses(struct compiler *c, const struct family_words *family, const char *map)
{
	compiler_add_map(c, map, family->address, KTYPE_VERDICT);
	for (unsigned i = 0; i < c->uplink_count; i++) {
		const struct uplink_live *live = &c->uplinks[i];
		char chain[KNAME_MAX];

		if (!live->uplink->enabled)
			continue;
		add_translate_chain(c, family, live->uplink);
		compiler_name(chain, "translate", family, live->uplink->object.id);
		for (unsigned j = 0; live->link && j < live->link->address_count; j++) {
			const struct link_address *address = &live->link->addresses[j];

			if (address->address.family == family->af && uplink_address_counts(address) &&
			    !is_of_earlier_uplink(c, i, &address->address))
				compiler_add_jump(c, compiler_find_set(c, map), address->address.bytes, chain,
						  live->uplink->object.name);
		}
	}
}

/* Backends that shall see the router's address, if there are any. */
static void add_rewrite_rule(struct compiler *c, struct kchain *chain, const struct family_words *family,
			     const char *stem, bool ports)
{
	struct kstmt backend = { .type = KSTMT_LOOKUP,
				 .field_count = ports ? 3 : 2,
				 .fields = { KFIELD_L4PROTO, family->daddr, KFIELD_TH_DPORT } };

	compiler_name(backend.set, stem, family, 0);
	if (compiler_find_set(c, backend.set))
		RULE(c, chain, "backend_sees router", kstmt_let_in(), backend,
		     (struct kstmt){ .type = KSTMT_MASQUERADE });
}

/* What a forwarded connection leaves with: by hairpin from the LAN, and to backends that shall see the router. */
static void add_source_rewrites(struct compiler *c, const struct family_words *family, struct kchain *chain)
{
	char lan[KNAME_MAX], name[KNAME_MAX];

	compiler_name(lan, "lan", family, 0);
	compiler_name(name, "hairpin_external", family, 0);
	if (compiler_add_networks(c, "hairpin_external", family, NETWORKS_EXTERNAL))
		RULE(c, chain, "hairpin: the backend sees the external address", kstmt_let_in(),
		     kstmt_lookup(family->saddr, name, false), kstmt_lookup(family->daddr, lan, false),
		     (struct kstmt){ .type = KSTMT_SNAT_ORIGINAL, .address = { .family = family->af } });
	compiler_name(name, "hairpin_router", family, 0);
	if (compiler_add_networks(c, "hairpin_router", family, NETWORKS_ROUTER))
		RULE(c, chain, "hairpin: the backend sees the router", kstmt_let_in(),
		     kstmt_lookup(family->saddr, name, false), kstmt_lookup(family->daddr, lan, false),
		     (struct kstmt){ .type = KSTMT_MASQUERADE });
	add_rewrite_rule(c, chain, family, "source_rewrite", true);
	add_rewrite_rule(c, chain, family, "portless_rewrite", false);
}

/* Forwards and everything that they need, for one family. */
static void compile_family(struct compiler *c, const struct family_words *family, struct kchain *prerouting,
			   struct kchain *output, struct kchain *postrouting)
{
	char addresses[KNAME_MAX], no_hairpin[KNAME_MAX];

	compiler_name(addresses, "uplink_addresses", family, 0);
	compiler_name(no_hairpin, "no_hairpin", family, 0);
	add_forwards(c, family, compiler_add_networks(c, "lan", family, NETWORKS_ALL));
	add_addresses(c, family, addresses);

	struct kstmt to_uplink = kstmt_vmap(family->daddr, 0, addresses);

	if (compiler_add_networks(c, "no_hairpin", family, NETWORKS_NO_HAIRPIN))
		RULE(c, prerouting, NULL, kstmt_lookup(family->saddr, no_hairpin, true), to_uplink);
	else
		RULE(c, prerouting, NULL, to_uplink);
	RULE(c, output, NULL, to_uplink);
	add_redirects(c, prerouting, family);
	add_source_rewrites(c, family, postrouting);
}

void compile_nat(struct compiler *c)
{
	/* Built apart, so that nothing moves them while the compiler_families add chains of their own. */
	struct kchain prerouting = { 0 }, output = { 0 }, postrouting = { 0 };

	for (unsigned i = 0; i < FAMILY_COUNT; i++)
		if (compiler_wants_family(c, &compiler_families[i]))
			compile_family(c, &compiler_families[i], &prerouting, &output, &postrouting);
	RULE(c, &postrouting, "a forward used from the router itself", kstmt_let_in(),
	     kstmt_match_word(KFIELD_FIB_SADDR_TYPE, 0, KSTMT_ROUTE_LOCAL, false),
	     (struct kstmt){ .type = KSTMT_MASQUERADE });
	RULE(c, &postrouting, NULL, kstmt_vmap(KFIELD_OIFNAME, 0, "uplink_leave"));

	const struct {
		const char *name;
		enum khook hook;
		int priority;
		struct kchain *built;
	} chains[] = { { "destination_nat", KHOOK_PREROUTING, PRIORITY_DSTNAT, &prerouting },
		       { "destination_nat_output", KHOOK_OUTPUT, PRIORITY_DSTNAT, &output },
		       { "source_nat", KHOOK_POSTROUTING, PRIORITY_SRCNAT, &postrouting } };

	for (unsigned i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		struct kchain *chain = compiler_base_chain(c, chains[i].name, KCHAIN_NAT, chains[i].hook,
							   chains[i].priority);

		if (!chain) {
			free(chains[i].built->rules);
			continue;
		}
		chain->count = chains[i].built->count;
		chain->rules = chains[i].built->rules;
	}
}
