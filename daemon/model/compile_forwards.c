/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forwards by translation: the maps that they stand in, their guards, and the chains that look there. */

#include <stdio.h>
#include <string.h>

#include "model/compiler.h"

bool forward_is_compiled(const struct compiler *c, const struct forward *forward,
			 const struct family_words *family)
{
	return forward->internal_address.family == family->af && forward_in_force(forward, c->environment);
}

unsigned forward_scopes(const struct compiler *c, const struct forward *forward,
			uint32_t ret_scopes[SCOPES_MAX])
{
	unsigned count = 0;

	if (!forward->uplinks.count)
		ret_scopes[count++] = 0;
	for (unsigned i = 0; i < forward->uplinks.count && count < SCOPES_MAX; i++) {
		const struct object *uplink = config_find_name(c->config, KIND_UPLINK,
							       forward->uplinks.items[i]);

		if (uplink)
			ret_scopes[count++] = uplink->id;
	}
	return count;
}

/* --- guards --- */

bool forward_is_guarded(const struct forward *forward)
{
	return forward->sources.count || forward->log || (!forward->hairpin && !forward->pinhole);
}

void forward_guard_name(char name[KNAME_MAX], const struct forward *forward)
{
	snprintf(name, KNAME_MAX, "guard_%u", forward->object.id);
}

/* "portico <name>: "; a name has no control characters, so that nobody makes up lines of the log. */
static struct kstmt log_stmt(struct compiler *c, const struct forward *forward)
{
	enum { PREFIX_MAX = 128 }; /* NF_LOG_PREFIXLEN, with the zero */
	static const char before[] = "portico ", behind[] = ": ";
	struct kstmt stmt = { .type = KSTMT_LOG };
	char prefix[PREFIX_MAX];

	_Static_assert(sizeof(before) + NAME_MAX_BYTES + sizeof(behind) <= PREFIX_MAX, "every name fits");
	snprintf(prefix, sizeof(prefix), "%s%s%s", before, forward->object.name, behind);
	stmt.prefix = arena_strdup(c->state->arena, prefix);
	c->state->failed |= !stmt.prefix;
	return stmt;
}

void compile_guard(struct compiler *c, const struct forward *forward, const struct family_words *family,
		   bool lan)
{
	char name[KNAME_MAX], set[KNAME_MAX];

	forward_guard_name(name, forward);
	struct kchain *chain = kstate_add_chain(c->state, name, NULL);

	if (!forward->hairpin && !forward->pinhole && lan) {
		compiler_name(set, "lan", family, 0);
		RULE(c, chain, forward->object.name, kstmt_lookup(family->saddr, set, false),
		     kstmt_verdict(KVERDICT_ACCEPT));
	}
	snprintf(set, sizeof(set), "sources_%u", forward->object.id);
	if (compiler_add_list(c, set, family, &forward->sources))
		RULE(c, chain, forward->object.name, kstmt_lookup(family->saddr, set, true),
		     kstmt_verdict(KVERDICT_ACCEPT));
	if (forward->log)
		RULE(c, chain, forward->object.name, log_stmt(c, forward));
}

/* --- maps --- */

/* One forward on its way into the maps of one scope. */
struct entry {
	const struct forward *forward;
	const struct family_words *family;
	uint32_t scope;
	uint8_t protocol;
	const struct ip *backend;
	char guard[KNAME_MAX]; /* empty: none */
};

static void put(struct compiler *c, const struct entry *entry, enum place place, enum place guards,
		unsigned first, unsigned last, unsigned internal)
{
	const struct object *object = &entry->forward->object;
	uint8_t key[KKEY_MAX], key_end[KKEY_MAX], data[KDATA_MAX] = { 0 };
	unsigned address_size = ip_size(entry->family->af);

	compiler_place_key(place, NULL, entry->protocol, first, key);
	compiler_place_key(place, NULL, entry->protocol, last, key_end);
	memcpy(data, entry->backend->bytes, address_size);
	compiler_put_port(data + address_size, internal);
	kset_add(c->state, compiler_place(c, place, entry->family, entry->scope), key, key_end, data,
		 object->name, object->id);
	if (entry->guard[0])
		compiler_add_jump(c, compiler_place(c, guards, entry->family, entry->scope), key, key_end,
				  entry->guard, object->name);
}

static void put_ports(struct compiler *c, const struct entry *entry)
{
	enum place ranges = compiler_place_of(PLACE_RANGES, entry->protocol);
	enum place guard_ranges = compiler_place_of(PLACE_GUARD_RANGES, entry->protocol);
	struct piece_walk walk = { 0 };
	struct port_piece piece;

	while (forward_next_piece(entry->forward, &walk, &piece)) {
		unsigned first = piece.external, last = first + piece.count - 1;

		if (piece.count > 1 && piece.external == piece.internal) {
			put(c, entry, ranges, guard_ranges, first, last, 0);
			continue;
		}
		for (unsigned i = 0; i < piece.count; i++)
			put(c, entry, PLACE_FORWARDS, PLACE_GUARDS, first + i, first + i, piece.internal + i);
	}
}

static void add_forward(struct compiler *c, const struct forward *forward, const struct family_words *family)
{
	struct ip backends[BACKENDS_MAX];
	struct entry entry = { .forward = forward, .family = family, .backend = &backends[0] };
	uint32_t scopes[SCOPES_MAX];
	unsigned scope_count = forward_scopes(c, forward, scopes);

	if (!forward_backends(c->config, forward, c->links, backends))
		return;
	if (forward_is_guarded(forward))
		forward_guard_name(entry.guard, forward);
	for (unsigned i = 0; i < scope_count * forward->protocols.count; i++) {
		entry.scope = scopes[i / forward->protocols.count];
		entry.protocol = forward->protocols.items[i % forward->protocols.count];
		if (protocol_has_ports(entry.protocol))
			put_ports(c, &entry);
		else
			put(c, &entry, PLACE_PORTLESS, PLACE_PORTLESS_GUARDS, 0, 0, 0);
	}
}

/* --- chains --- */

static void add_lookup(struct compiler *c, struct kchain *chain, enum place place,
		       const struct family_words *family, uint32_t scope, enum kstmt_type type)
{
	struct kstmt stmts[LOOKUP_STMTS_MAX];
	unsigned count = compiler_lookup(c, place, family, scope, type, stmts);

	if (count)
		kchain_add_rule(c->state, chain, stmts, count, NULL);
}

static void add_range_lookups(struct compiler *c, struct kchain *chain, enum place first,
			      const struct family_words *family, uint32_t scope, enum kstmt_type type)
{
	for (enum place place = first; place < first + PROTOCOLS_WITH_PORTS; place++)
		add_lookup(c, chain, place, family, scope, type);
}

/* For any protocol: `first` is PLACE_RANGES or PLACE_GUARD_RANGES. */
static bool has_ranges(const struct compiler *c, enum place first, const struct family_words *family,
		       uint32_t scope)
{
	for (enum place place = first; place < first + PROTOCOLS_WITH_PORTS; place++)
		if (compiler_has_place(c, place, family, scope))
			return true;
	return false;
}

/*
 * From an uplink's address to backends, by the maps for all uplinks (scope 0) or one uplink's own. The
 * connection is marked "let in" before the lookups, because a translation ends the chain; what
 * falls through is unmarked again.
 *
 * Guards of ranges stand in trees, so they are asked after the single ports, which are most: a port is in one or
 * in the other.
 */
static void add_lookups(struct compiler *c, struct kchain *chain, const struct family_words *family,
			uint32_t scope, const char *comment)
{
	struct kstmt let_in = kstmt_set_mark(KSTMT_SET_CT_MARK, ~MARK_LET_IN, MARK_LET_IN);
	struct kstmt not_yet = kstmt_set_mark(KSTMT_SET_CT_MARK, ~MARK_LET_IN, 0);

	add_lookup(c, chain, PLACE_GUARDS, family, scope, KSTMT_VMAP);
	add_lookup(c, chain, PLACE_PORTLESS_GUARDS, family, scope, KSTMT_VMAP);
	RULE(c, chain, comment, let_in);
	add_lookup(c, chain, PLACE_FORWARDS, family, scope, KSTMT_DNAT_MAP);
	if (has_ranges(c, PLACE_GUARD_RANGES, family, scope)) {
		RULE(c, chain, NULL, not_yet);
		add_range_lookups(c, chain, PLACE_GUARD_RANGES, family, scope, KSTMT_VMAP);
		RULE(c, chain, NULL, let_in);
	}
	add_range_lookups(c, chain, PLACE_RANGES, family, scope, KSTMT_DNAT_MAP);
	add_lookup(c, chain, PLACE_PORTLESS, family, scope, KSTMT_DNAT_MAP);
	RULE(c, chain, NULL, not_yet);
}

static bool has_own_maps(const struct compiler *c, const struct family_words *family, uint32_t scope)
{
	return compiler_has_place(c, PLACE_FORWARDS, family, scope) ||
	       compiler_has_place(c, PLACE_PORTLESS, family, scope) ||
	       has_ranges(c, PLACE_RANGES, family, scope);
}

/* What comes by an uplink that is switched off has no mark, and yet does not come from inside. */
static void return_strangers(struct compiler *c, struct kchain *chain)
{
	bool any = false;

	for (unsigned i = 0; i < c->ways.count; i++)
		any |= !c->ways.uplinks[i].uplink->enabled;
	if (any)
		RULE(c, chain, "not from inside", kstmt_lookup(KFIELD_IIFNAME, "uplink_devices", false),
		     kstmt_match_word(KFIELD_CT_MARK, MARK_UPLINK_MASK, 0, false),
		     kstmt_verdict(KVERDICT_RETURN));
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
	if (own) {
		struct kchain *own_chain = kstate_add_chain(c->state, own_name, NULL);

		return_strangers(c, own_chain);
		add_lookups(c, own_chain, family, id, uplink->object.name);
	}
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

void compile_forwards(struct compiler *c, const struct family_words *family, bool lan)
{
	const struct object_list *forwards = &c->config->lists[KIND_FORWARD];

	compiler_place(c, PLACE_FORWARDS, family, 0);
	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];

		if (!forward_is_compiled(c, forward, family))
			continue;
		if (!forward->pinhole)
			add_forward(c, forward, family);
		if (forward_is_guarded(forward))
			compile_guard(c, forward, family, lan);
	}
	for (unsigned i = 0; i < c->ways.count; i++)
		if (c->ways.uplinks[i].uplink->enabled)
			add_translate_chain(c, family, c->ways.uplinks[i].uplink);
}
