/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports of hosts, however many, at the cost of two or three lookups: single ports stand in one hash of
 * address, protocol and port; each host with ranges has a chain and an interval set of its own, found by one
 * more hash. A concatenation with an interval in it would be searched from end to end.
 */

#include <stdlib.h>
#include <string.h>

#include "model/compiler.h"

/* --- claims --- */

void host_claims_add(struct compiler *c, struct host_claims *claims, const struct host_claim *claim)
{
	if (claims->count == claims->size) {
		unsigned size = claims->size ? claims->size * 2 : 16;
		struct host_claim *bigger = reallocarray(claims->items, size, sizeof(*bigger));

		if (!bigger) {
			c->state->failed = true;
			return;
		}
		claims->items = bigger;
		claims->size = size;
	}
	claims->items[claims->count++] = *claim;
}

void host_claims_done(struct host_claims *claims)
{
	free(claims->items);
	*claims = (struct host_claims){ 0 };
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

/* 0: of the same host, protocol and scope. */
static int compare_hosts(const struct host_claim *a, const struct host_claim *b)
{
	int order = COMPARE(a->scope, b->scope);

	if (!order)
		order = ip_compare(&a->address, &b->address);
	return order ? order : COMPARE(a->protocol, b->protocol);
}

static int compare_claims(const void *a, const void *b)
{
	const struct host_claim *one = a, *other = b;
	int order = compare_hosts(one, other);

	if (!order)
		order = COMPARE(one->first, other->first);
	return order ? order : COMPARE(one->forward->object.id, other->forward->object.id);
}

static int compare_ids(const void *a, const void *b)
{
	const struct host_claim *one = a, *other = b;
	int order = COMPARE(one->forward->object.id, other->forward->object.id);

	return order ? order : COMPARE(one->first, other->first);
}

/* Of the claims from index `from` on, the one that begins lowest among those with a port from first to last. */
static const struct host_claim *find_overlap(const struct host_claims *claims, unsigned from, unsigned first,
					     unsigned last)
{
	const struct host_claim *lowest = NULL;

	for (unsigned i = from; i < claims->count; i++) {
		const struct host_claim *claim = &claims->items[i];

		if (claim->last >= first && claim->first <= last && (!lowest || claim->first < lowest->first))
			lowest = claim;
	}
	return lowest;
}

/* The ports of the claim that none from index `from` on has. */
static void add_uncovered(struct compiler *c, struct host_claims *claims, unsigned from,
			  const struct host_claim *claim)
{
	const struct host_claim *in_the_way;
	struct host_claim piece = *claim;
	unsigned first = claim->first;

	while ((in_the_way = find_overlap(claims, from, first, claim->last))) {
		unsigned gap_end = in_the_way->first, next = in_the_way->last + 1u;

		if (gap_end > first) {
			piece.first = (uint16_t)first;
			piece.last = (uint16_t)(gap_end - 1);
			host_claims_add(c, claims, &piece);
		}
		if (next > claim->last)
			return;
		first = next;
	}
	piece.first = (uint16_t)first;
	piece.last = claim->last;
	host_claims_add(c, claims, &piece);
}

static bool overlap(const struct host_claim *claims, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		if (claims[i - 1].last >= claims[i].first)
			return true;
	return false;
}

/* Many forwards may lead to the same ports; of those the first is enough. Returns how many are left. */
static unsigned drop_equal(struct host_claim *claims, unsigned count)
{
	unsigned kept = 1;

	for (unsigned i = 1; i < count; i++)
		if (claims[i].first != claims[kept - 1].first || claims[i].last != claims[kept - 1].last)
			claims[kept++] = claims[i];
	return kept;
}

/* All claims of one host, protocol and scope, by their first port. */
static void settle_host(struct compiler *c, struct host_claims *settled, struct host_claim *claims,
			unsigned count)
{
	unsigned from = settled->count;

	count = drop_equal(claims, count);

	bool meet = overlap(claims, count);

	if (meet)
		qsort(claims, count, sizeof(*claims), compare_ids);
	for (unsigned i = 0; i < count; i++) {
		if (meet)
			add_uncovered(c, settled, from, &claims[i]);
		else
			host_claims_add(c, settled, &claims[i]);
	}
}

void host_claims_settle(struct compiler *c, struct host_claims *claims)
{
	struct host_claims settled = { 0 };
	unsigned first = 0;

	if (claims->count > 1)
		qsort(claims->items, claims->count, sizeof(*claims->items), compare_claims);
	for (unsigned i = 1; i <= claims->count; i++) {
		if (i < claims->count && compare_hosts(&claims->items[first], &claims->items[i]) == 0)
			continue;
		settle_host(c, &settled, &claims->items[first], i - first);
		first = i;
	}
	host_claims_done(claims);
	*claims = settled;
}

/* --- sets --- */

static void put_single(struct compiler *c, const struct family_words *family, const struct host_claim *claim,
		       const struct host_use *use)
{
	bool ports = protocol_has_ports(claim->protocol);
	enum place place = ports ? use->singles : use->portless;
	enum place guards = ports ? use->guards : use->portless_guards;
	const struct object *object = &claim->forward->object;
	uint8_t key[KKEY_MAX];
	char guard[KNAME_MAX];

	compiler_place_key(place, &claim->address, claim->protocol, claim->first, key);
	kset_add(c->state, compiler_place(c, place, family, claim->scope), key, NULL, NULL, object->name,
		 use->counter ? object->id : 0);
	if (guards == PLACE_COUNT || !forward_is_guarded(claim->forward))
		return;
	forward_guard_name(guard, claim->forward);
	compiler_add_jump(c, compiler_place(c, guards, family, claim->scope), key, NULL, guard, object->name);
}

static bool is_range(const struct host_claim *claim)
{
	return claim->last > claim->first;
}

/* "pinhole6_2_tcp_2001-db8--5": a name cannot hold a colon. */
static void host_name(char name[KNAME_MAX], const char *stem, const struct family_words *family,
		      const struct host_claim *host)
{
	char protocol[8], address[IP_TEXT_MAX];

	ip_format(&host->address, address);
	for (char *at = address; *at; at++)
		if (*at == ':')
			*at = '-';
	compiler_name(name, stem, family, host->scope);
	compiler_name_add(name, protocol_name(host->protocol, protocol));
	compiler_name_add(name, address);
}

static void range_keys(const struct host_claim *claim, uint8_t key[KKEY_MAX], uint8_t key_end[KKEY_MAX])
{
	memset(key, 0, KKEY_MAX);
	memset(key_end, 0, KKEY_MAX);
	compiler_put_port(key, claim->first);
	compiler_put_port(key_end, claim->last);
}

/* A host's ranges in an interval set; true if there is one. */
static bool put_ranges(struct compiler *c, const char *name, const struct host_claim *claims, unsigned count,
		       const struct host_use *use)
{
	struct kset *set = NULL;

	for (unsigned i = 0; i < count; i++) {
		const struct object *object = &claims[i].forward->object;
		uint8_t key[KKEY_MAX], key_end[KKEY_MAX];

		if (!is_range(&claims[i]))
			continue;
		if (!set)
			set = kstate_add_set(c->state, name, (enum ktype[KFIELDS_MAX]){ KTYPE_INET_SERVICE },
					     NULL, true, use->counter, NULL);
		range_keys(&claims[i], key, key_end);
		kset_add(c->state, set, key, key_end, NULL, object->name, use->counter ? object->id : 0);
	}
	return set;
}

static bool put_range_guards(struct compiler *c, const char *name, const struct host_claim *claims,
			     unsigned count)
{
	struct kset *map = NULL;

	for (unsigned i = 0; i < count; i++) {
		uint8_t key[KKEY_MAX], key_end[KKEY_MAX];
		char guard[KNAME_MAX];

		if (!is_range(&claims[i]) || !forward_is_guarded(claims[i].forward))
			continue;
		if (!map)
			map = kstate_add_set(c->state, name, (enum ktype[KFIELDS_MAX]){ KTYPE_INET_SERVICE },
					     (enum ktype[2]){ KTYPE_VERDICT }, true, false, NULL);
		range_keys(&claims[i], key, key_end);
		forward_guard_name(guard, claims[i].forward);
		compiler_add_jump(c, map, key, key_end, guard, claims[i].forward->object.name);
	}
	return map;
}

static void add_use_rule(struct compiler *c, struct kchain *chain, struct kstmt stmts[KSTMT_MAX],
			 unsigned count, const struct host_use *use)
{
	if (!count)
		return;
	memcpy(&stmts[count], use->stmts, use->stmt_count * sizeof(*stmts));
	kchain_add_rule(c->state, chain, stmts, count + use->stmt_count, use->comment);
}

/* All claims of one host, protocol and scope. */
static void put_host(struct compiler *c, const struct family_words *family, const struct host_claim *claims,
		     unsigned count, const struct host_use *use)
{
	char name[KNAME_MAX], guards[KNAME_MAX];
	struct kstmt stmts[KSTMT_MAX];
	uint8_t key[KKEY_MAX];

	for (unsigned i = 0; i < count; i++)
		if (!is_range(&claims[i]))
			put_single(c, family, &claims[i], use);
	host_name(name, use->stem, family, claims);
	if (!put_ranges(c, name, claims, count, use))
		return;

	struct kchain *chain = kstate_add_chain(c->state, name, NULL);

	if (use->guards != PLACE_COUNT) {
		host_name(guards, use->guards_stem, family, claims);
		if (put_range_guards(c, guards, claims, count))
			kchain_add_rule(c->state, chain, stmts,
					compiler_port_lookup(claims->protocol, guards, KSTMT_VMAP, stmts),
					NULL);
	}
	add_use_rule(c, chain, stmts, compiler_port_lookup(claims->protocol, name, KSTMT_LOOKUP, stmts), use);
	compiler_place_key(use->hosts, &claims->address, claims->protocol, 0, key);
	compiler_add_jump(c, compiler_place(c, use->hosts, family, claims->scope), key, NULL, name, NULL);
}

void compile_hosts(struct compiler *c, const struct family_words *family, const struct host_claims *claims,
		   const struct host_use *use)
{
	unsigned first = 0;

	for (unsigned i = 1; i <= claims->count; i++) {
		if (i < claims->count && compare_hosts(&claims->items[first], &claims->items[i]) == 0)
			continue;
		put_host(c, family, &claims->items[first], i - first, use);
		first = i;
	}
}

/* --- rules --- */

void compile_host_rules(struct compiler *c, struct kchain *chain, const struct family_words *family,
			uint32_t scope, const struct host_use *use)
{
	const enum place jumps[] = { use->guards, use->portless_guards },
			 sets[] = { use->singles, use->portless };
	struct kstmt stmts[KSTMT_MAX];
	unsigned count;

	for (unsigned i = 0; i < 2; i++) {
		count = jumps[i] == PLACE_COUNT ?
				0 :
				compiler_lookup(c, jumps[i], family, scope, KSTMT_VMAP, stmts);
		if (count)
			kchain_add_rule(c->state, chain, stmts, count, NULL);
	}
	for (unsigned i = 0; i < 2; i++)
		add_use_rule(c, chain, stmts, compiler_lookup(c, sets[i], family, scope, KSTMT_LOOKUP, stmts),
			     use);
	count = compiler_lookup(c, use->hosts, family, scope, KSTMT_VMAP, stmts);
	if (count)
		kchain_add_rule(c->state, chain, stmts, count, NULL);
}
