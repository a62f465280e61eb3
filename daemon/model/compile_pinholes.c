/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pinholes: what comes by an uplink for a host's own address is let in as it is. New connections from inside
 * are not in pinhole_uplinks, and pay no more than that lookup.
 */

#include "model/compiler.h"

static struct host_use pinhole_use(void)
{
	return (struct host_use){
		.singles = PLACE_PINHOLES,
		.portless = PLACE_PORTLESS_PINHOLES,
		.hosts = PLACE_PINHOLE_HOSTS,
		.guards = PLACE_PINHOLE_GUARDS,
		.portless_guards = PLACE_PORTLESS_PINHOLE_GUARDS,
		.stem = "pinhole",
		.guards_stem = "pinhole_guards",
		.counter = true,
		.stmt_count = 2,
		.stmts = { kstmt_set_mark(KSTMT_SET_CT_MARK, ~MARK_LET_IN, MARK_LET_IN),
			   kstmt_verdict(KVERDICT_ACCEPT) },
	};
}

static void claim_ports(struct compiler *c, struct host_claims *claims, struct host_claim claim)
{
	const struct ports *ports = &claim.forward->external_ports;

	if (!protocol_has_ports(claim.protocol)) {
		host_claims_add(c, claims, &claim);
		return;
	}
	for (unsigned i = 0; i < ports->count; i++) {
		claim.first = ports->items[i].first;
		claim.last = ports->items[i].last;
		host_claims_add(c, claims, &claim);
	}
}

static void claim_pinhole(struct compiler *c, struct host_claims *claims, const struct forward *forward)
{
	struct ip backends[BACKENDS_MAX];
	uint32_t scopes[SCOPES_MAX];
	unsigned backend_count = forward_backends(c->config, forward, c->links, backends);
	unsigned scope_count = forward_scopes(c, forward, scopes);

	for (unsigned s = 0; s < scope_count; s++)
		for (unsigned b = 0; b < backend_count; b++)
			for (unsigned p = 0; p < forward->protocols.count; p++)
				claim_ports(c, claims,
					    (struct host_claim){ .scope = scopes[s],
								 .address = backends[b],
								 .protocol = forward->protocols.items[p],
								 .forward = forward });
}

static bool has_pinholes(const struct compiler *c, const struct family_words *family, uint32_t scope)
{
	return compiler_has_place(c, PLACE_PINHOLES, family, scope) ||
	       compiler_has_place(c, PLACE_PORTLESS_PINHOLES, family, scope) ||
	       compiler_has_place(c, PLACE_PINHOLE_HOSTS, family, scope);
}

/* An uplink's own, then those for all uplinks; what none of them takes returns. */
static void add_uplink(struct compiler *c, const struct family_words *family, const char *map,
		       const struct uplink *uplink, const struct host_use *use)
{
	uint32_t id = uplink->object.id, mark = MARK_UPLINK(id);
	bool own = has_pinholes(c, family, id), all = has_pinholes(c, family, 0);
	char name[KNAME_MAX], for_all[KNAME_MAX];

	compiler_name(for_all, "pinholes", family, 0);
	compiler_name(name, "pinholes", family, own ? id : 0);
	if (own) {
		struct kchain *chain = kstate_add_chain(c->state, name, NULL);

		compile_host_rules(c, chain, family, id, use);
		if (all)
			RULE(c, chain, NULL, kstmt_jump(for_all));
	}
	if (own || all)
		compiler_add_jump(c, compiler_find_set(c, map), &mark, NULL, name, uplink->object.name);
}

static void add_chains(struct compiler *c, const struct family_words *family, struct kchain *prerouting,
		       const struct host_use *use)
{
	char map[KNAME_MAX], name[KNAME_MAX];

	compiler_name(map, "pinhole_uplinks", family, 0);
	compiler_add_map(c, map, KTYPE_MARK, KTYPE_VERDICT);
	if (has_pinholes(c, family, 0)) {
		compiler_name(name, "pinholes", family, 0);
		compile_host_rules(c, kstate_add_chain(c->state, name, NULL), family, 0, use);
	}
	for (unsigned i = 0; i < c->ways.count; i++)
		if (c->ways.uplinks[i].uplink->enabled)
			add_uplink(c, family, map, c->ways.uplinks[i].uplink, use);
	RULE(c, prerouting, "what came by an uplink for a host's own address",
	     kstmt_match_byte(KFIELD_NFPROTO, family->af), kstmt_vmap(KFIELD_CT_MARK, MARK_UPLINK_MASK, map));
}

void compile_pinholes(struct compiler *c, const struct family_words *family, struct kchain *prerouting)
{
	const struct object_list *forwards = &c->config->lists[KIND_FORWARD];
	const struct host_use use = pinhole_use();
	struct host_claims claims = { 0 };

	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];

		if (forward->pinhole && forward_is_compiled(c, forward, family))
			claim_pinhole(c, &claims, forward);
	}
	if (claims.count) {
		host_claims_settle(c, &claims);
		compile_hosts(c, family, &claims, &use);
		add_chains(c, family, prerouting, &use);
	}
	host_claims_done(&claims);
}
