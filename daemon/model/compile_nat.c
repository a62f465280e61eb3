/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nat chains: from the uplinks' addresses to forwards, from uplinks to pinholes, redirects, and what
 * connections leave with.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/compiler.h"

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
		const struct link *link = c->ways.uplinks[i].uplink->enabled ? c->ways.uplinks[i].link : NULL;

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
	for (unsigned i = 0; i < c->ways.count; i++) {
		const struct uplink_live *live = &c->ways.uplinks[i];
		char chain[KNAME_MAX];

		if (!live->uplink->enabled)
			continue;
		compiler_name(chain, "translate", family, live->uplink->object.id);
		for (unsigned j = 0; live->link && j < live->link->address_count; j++) {
			const struct link_address *address = &live->link->addresses[j];

			if (address->address.family == family->af && uplink_address_counts(address) &&
			    !is_of_earlier_uplink(c, i, &address->address))
				compiler_add_jump(c, compiler_find_set(c, map), address->address.bytes, NULL,
						  chain, live->uplink->object.name);
		}
	}
}

static struct host_use rewrite_use(void)
{
	return (struct host_use){
		.singles = PLACE_SOURCE_REWRITE,
		.portless = PLACE_PORTLESS_REWRITE,
		.hosts = PLACE_REWRITE_HOSTS,
		.guards = PLACE_COUNT,
		.portless_guards = PLACE_COUNT,
		.stem = "rewrite",
		.stmt_count = 1,
		.stmts = { { .type = KSTMT_MASQUERADE } },
		.comment = "backend_sees router",
	};
}

static void claim_backend(struct compiler *c, struct host_claims *claims, const struct forward *forward)
{
	const struct ports *ports = forward_internal_ports(forward);
	struct host_claim claim = { .forward = forward };
	struct ip backends[BACKENDS_MAX];

	if (!forward_backends(c->config, forward, c->links, backends))
		return;
	claim.address = backends[0];
	for (unsigned p = 0; p < forward->protocols.count; p++) {
		bool has_ports = protocol_has_ports(forward->protocols.items[p]);

		claim.protocol = forward->protocols.items[p];
		for (unsigned i = 0; i < (has_ports ? ports->count : 1); i++) {
			claim.first = has_ports ? ports->items[i].first : 0;
			claim.last = has_ports ? ports->items[i].last : 0;
			host_claims_add(c, claims, &claim);
		}
	}
}

/* Backends whose replies would not come back by themselves: their clients get the router's address. */
static void add_backend_rewrites(struct compiler *c, const struct family_words *family, struct kchain *chain)
{
	const struct object_list *forwards = &c->config->lists[KIND_FORWARD];
	const struct host_use use = rewrite_use();
	struct host_claims claims = { 0 };
	char name[KNAME_MAX];

	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];

		if (forward->backend_sees == BACKEND_SEES_ROUTER && !forward->pinhole &&
		    forward_is_compiled(c, forward, family))
			claim_backend(c, &claims, forward);
	}
	if (claims.count) {
		host_claims_settle(c, &claims);
		compile_hosts(c, family, &claims, &use);
		compiler_name(name, "source_rewrite", family, 0);
		compile_host_rules(c, kstate_add_chain(c->state, name, NULL), family, 0, &use);
		RULE(c, chain, NULL, kstmt_let_in(), kstmt_jump(name));
	}
	host_claims_done(&claims);
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
	add_backend_rewrites(c, family, chain);
}

/* Forwards and everything that they need, for one family. */
static void compile_family(struct compiler *c, const struct family_words *family, struct kchain *prerouting,
			   struct kchain *output, struct kchain *postrouting)
{
	char addresses[KNAME_MAX], no_hairpin[KNAME_MAX];

	compiler_name(addresses, "uplink_addresses", family, 0);
	compiler_name(no_hairpin, "no_hairpin", family, 0);
	compile_forwards(c, family, compiler_add_networks(c, "lan", family, NETWORKS_ALL));
	add_addresses(c, family, addresses);

	struct kstmt to_uplink = kstmt_vmap(family->daddr, 0, addresses);

	/* The router's own address in such a network is one of the network: what decides is the source alone. */
	if (compiler_add_networks(c, "no_hairpin", family, NETWORKS_NO_HAIRPIN)) {
		struct kstmt others = kstmt_lookup(family->saddr, no_hairpin, true);

		RULE(c, prerouting, NULL, others, to_uplink);
		RULE(c, output, NULL, others, to_uplink);
	} else {
		RULE(c, prerouting, NULL, to_uplink);
		RULE(c, output, NULL, to_uplink);
	}
	compile_pinholes(c, family, prerouting);
	add_redirects(c, prerouting, family);
	add_source_rewrites(c, family, postrouting);
}

void compile_nat(struct compiler *c)
{
	/* Built apart, so that nothing moves them while the families add chains of their own. */
	struct kchain prerouting = { 0 }, output = { 0 }, postrouting = { 0 };

	RULE(c, &postrouting, "from the router to itself: no other address would be better",
	     kstmt_match_device(KFIELD_OIFNAME, "lo"), kstmt_verdict(KVERDICT_ACCEPT));
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

	for (unsigned i = 0; i < sizeof(chains) / sizeof(chains[0]); i++)
		compiler_move_rules(compiler_base_chain(c, chains[i].name, KCHAIN_NAT, chains[i].hook,
							chains[i].priority),
				    chains[i].built);
}
