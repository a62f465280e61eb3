/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/kstate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "model/config.h"

static const struct {
	const char *name;
	unsigned size;
} ktypes[KTYPE_COUNT] = {
	[KTYPE_NONE] = { "", 0 },
	[KTYPE_INET_PROTO] = { "inet_proto", 1 },
	[KTYPE_INET_SERVICE] = { "inet_service", 2 },
	[KTYPE_IPV4_ADDR] = { "ipv4_addr", 4 },
	[KTYPE_IPV6_ADDR] = { "ipv6_addr", 16 },
	[KTYPE_IFNAME] = { "ifname", 16 },
	[KTYPE_MARK] = { "mark", 4 },
	[KTYPE_VERDICT] = { "verdict", KDATA_MAX },
};

static const struct {
	const char *name;
	unsigned size;
} kfields[KFIELD_COUNT] = {
	[KFIELD_L4PROTO] = { "meta l4proto", 1 },
	[KFIELD_IIFNAME] = { "iifname", 16 },
	[KFIELD_OIFNAME] = { "oifname", 16 },
	[KFIELD_IP_SADDR] = { "ip saddr", 4 },
	[KFIELD_IP_DADDR] = { "ip daddr", 4 },
	[KFIELD_IP6_SADDR] = { "ip6 saddr", 16 },
	[KFIELD_IP6_DADDR] = { "ip6 daddr", 16 },
	[KFIELD_TH_DPORT] = { "th dport", 2 },
	[KFIELD_META_MARK] = { "meta mark", 4 },
	[KFIELD_CT_MARK] = { "ct mark", 4 },
	[KFIELD_CT_STATE] = { "ct state", 4 },
	[KFIELD_CT_STATUS] = { "ct status", 4 },
	[KFIELD_FIB_SADDR_TYPE] = { "fib saddr type", 4 },
	[KFIELD_FIB_DADDR_TYPE] = { "fib daddr type", 4 },
	[KFIELD_FIB_DADDR_OIFNAME] = { "fib daddr oifname", 16 },
	[KFIELD_NFPROTO] = { "meta nfproto", 1 },
	[KFIELD_TCP_FLAGS] = { "tcp flags", 1 },
	[KFIELD_CT_DIRECTION] = { "ct direction", 1 },
};

unsigned ktype_size(enum ktype type)
{
	return ktypes[type].size;
}

const char *ktype_name(enum ktype type)
{
	return ktypes[type].name;
}

unsigned kfield_size(enum kfield field)
{
	return kfields[field].size;
}

const char *kfield_name(enum kfield field)
{
	return kfields[field].name;
}

void kstate_init(struct kstate *state)
{
	*state = (struct kstate){ .arena = arena_new() };
	state->failed = !state->arena;
}

static void free_table(struct kstate *state)
{
	for (unsigned i = 0; i < state->set_count; i++)
		free(state->sets[i].elems);
	for (unsigned i = 0; i < state->chain_count; i++)
		free(state->chains[i].rules);
	free(state->sets);
	free(state->chains);
}

void kstate_borrow_table(struct kstate *state, const struct kstate *owner)
{
	free_table(state);
	state->table_borrowed = true;
	state->table = owner->table;
	state->alien = owner->alien;
	state->sets = owner->sets;
	state->set_count = owner->set_count;
	state->chains = owner->chains;
	state->chain_count = owner->chain_count;
}

bool kstate_same_table(const struct kstate *a, const struct kstate *b)
{
	return a == b || ((a->table_borrowed || b->table_borrowed) && a->sets == b->sets);
}

void kstate_done(struct kstate *state)
{
	if (!state->table_borrowed)
		free_table(state);
	free(state->routes);
	free(state->rules);
	free(state->sysctls);
	config_unref(state->config);
	arena_free(state->arena);
	*state = (struct kstate){ 0 };
}

/* Room for one more item at the end of a list that doubles; NULL (and the state has failed) when out of memory. */
static void *grow(struct kstate *state, void *list, unsigned *count, unsigned *size, size_t item)
{
	void **items = list;

	if (state->failed)
		return NULL;
	if (*count == *size) {
		unsigned more = *size ? *size * 2 : 4;
		void *bigger = reallocarray(*items, more, item);

		if (!bigger) {
			state->failed = true;
			return NULL;
		}
		*items = bigger;
		*size = more;
	}
	void *slot = (char *)*items + item * (*count)++;

	memset(slot, 0, item);
	return slot;
}

static void *keep(struct kstate *state, void *copy, bool wanted)
{
	if (wanted && !copy)
		state->failed = true;
	return copy;
}

static void copy_name(char to[KNAME_MAX], const char *from)
{
	strncpy(to, from, KNAME_MAX - 1);
	to[KNAME_MAX - 1] = '\0';
}

static unsigned padded(unsigned size)
{
	return (size + 3) & ~3u;
}

struct kset *kstate_add_set(struct kstate *state, const char *name, const enum ktype *key,
			    const enum ktype *data, bool interval, bool counter, const char *comment)
{
	struct kset *set = grow(state, &state->sets, &state->set_count, &state->set_size, sizeof(*set));

	if (!set)
		return NULL;
	copy_name(set->name, name);
	for (unsigned i = 0; i < KFIELDS_MAX && key[i] != KTYPE_NONE; i++) {
		set->key[i] = key[i];
		set->key_size += padded(ktype_size(key[i]));
	}
	for (unsigned i = 0; data && i < 2 && data[i] != KTYPE_NONE; i++) {
		set->data[i] = data[i];
		set->data_size += padded(ktype_size(data[i]));
	}
	set->interval = interval;
	set->counter = counter;
	set->comment = keep(state, arena_strdup(state->arena, comment), comment);
	return set;
}

int kset_add(struct kstate *state, struct kset *set, const void *key, const void *key_end, const void *data,
	     const char *comment, uint32_t owner)
{
	if (!set || state->failed)
		return -ENOMEM;
	struct kelem *elem = grow(state, &set->elems, &set->count, &set->size, sizeof(*elem));
	uint8_t *bytes = elem ? keep(state, arena_alloc(state->arena, kelem_size(set)), true) : NULL;

	if (!bytes)
		return -ENOMEM;
	elem->bytes = bytes;
	memcpy(bytes, key, set->key_size);
	bytes += set->key_size;
	if (set->interval) {
		memcpy(bytes, key_end, set->key_size);
		bytes += set->key_size;
	}
	if (set->data_size)
		memcpy(bytes, data, set->data_size);
	elem->comment = comment;
	elem->owner = owner;
	return 0;
}

struct kchain *kstate_add_chain(struct kstate *state, const char *name, const char *comment)
{
	struct kchain *chain = grow(state, &state->chains, &state->chain_count, &state->chain_size,
				    sizeof(*chain));

	if (!chain)
		return NULL;
	copy_name(chain->name, name);
	chain->comment = keep(state, arena_strdup(state->arena, comment), comment);
	return chain;
}

static struct krule *add_rule(struct kstate *state, struct kchain *chain)
{
	unsigned size = chain ? chain->count : 0;

	/* Rules are few: the array grows by doubling at powers of two. */
	if (!chain || state->failed)
		return NULL;
	if ((size & (size - 1)) == 0) {
		struct krule *bigger = reallocarray(chain->rules, size ? size * 2 : 1, sizeof(*bigger));

		if (!bigger) {
			state->failed = true;
			return NULL;
		}
		chain->rules = bigger;
	}
	struct krule *rule = &chain->rules[chain->count++];

	*rule = (struct krule){ 0 };
	return rule;
}

struct krule *kchain_add_rule(struct kstate *state, struct kchain *chain, const struct kstmt *stmts,
			      unsigned count, const char *comment)
{
	struct krule *rule = add_rule(state, chain);

	if (!rule)
		return NULL;
	rule->stmts = keep(state, arena_copy(state->arena, stmts, count * sizeof(*stmts)), true);
	rule->count = rule->stmts ? count : 0;
	rule->comment = keep(state, arena_strdup(state->arena, comment), comment);
	return rule;
}

struct krule *kchain_add_digest(struct kstate *state, struct kchain *chain, uint64_t digest)
{
	struct krule *rule = add_rule(state, chain);

	if (rule)
		rule->digest = digest;
	return rule;
}

int kstate_add_route(struct kstate *state, const struct kroute *route)
{
	struct kroute *slot = grow(state, &state->routes, &state->route_count, &state->route_size,
				   sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	*slot = *route;
	return 0;
}

int kstate_add_rule(struct kstate *state, const struct kiprule *rule)
{
	struct kiprule *slot = grow(state, &state->rules, &state->rule_count, &state->rule_size,
				    sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	*slot = *rule;
	return 0;
}

int kstate_add_sysctl(struct kstate *state, const char *path, int value)
{
	struct ksysctl *slot = grow(state, &state->sysctls, &state->sysctl_count, &state->sysctl_size,
				    sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	slot->path = keep(state, arena_strdup(state->arena, path), true);
	slot->value = value;
	return state->failed ? -ENOMEM : 0;
}

static int compare_sets(const void *a, const void *b)
{
	return strcmp(((const struct kset *)a)->name, ((const struct kset *)b)->name);
}

static int compare_chains(const void *a, const void *b)
{
	return strcmp(((const struct kchain *)a)->name, ((const struct kchain *)b)->name);
}

static int compare_sysctls(const void *a, const void *b)
{
	return strcmp(((const struct ksysctl *)a)->path, ((const struct ksysctl *)b)->path);
}

static int compare_elems(const void *a, const void *b, void *size)
{
	return memcmp(((const struct kelem *)a)->bytes, ((const struct kelem *)b)->bytes,
		      *(const unsigned *)size);
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

int kroute_compare(const struct kroute *a, const struct kroute *b)
{
	int order = COMPARE(a->family, b->family);

	return order ? order : COMPARE(a->table, b->table);
}

int kiprule_compare(const struct kiprule *a, const struct kiprule *b)
{
	int order = COMPARE(a->preference, b->preference);

	if (!order)
		order = COMPARE(a->family, b->family);
	if (!order)
		order = prefix_compare(&a->from, &b->from);
	if (!order)
		order = prefix_compare(&a->to, &b->to);
	if (!order)
		order = COMPARE(a->mark, b->mark);
	if (!order)
		order = COMPARE(a->mark_mask, b->mark_mask);
	if (!order)
		order = COMPARE(a->table, b->table);
	if (!order)
		order = COMPARE(a->unreachable, b->unreachable);
	if (!order)
		order = COMPARE(a->suppress_default, b->suppress_default);
	return order;
}

static int compare_routes(const void *a, const void *b)
{
	return kroute_compare(a, b);
}

static int compare_rules(const void *a, const void *b)
{
	return kiprule_compare(a, b);
}

static void sort(void *items, unsigned count, size_t size, int (*compare)(const void *, const void *))
{
	if (count > 1)
		qsort(items, count, size, compare);
}

/* Drops those of a sorted list that equal the one before. */
static unsigned unique(void *items, unsigned count, size_t size, int (*compare)(const void *, const void *))
{
	char *base = items;
	unsigned kept = 0;

	for (unsigned i = 0; i < count; i++) {
		if (kept && compare(base + (kept - 1) * size, base + i * size) == 0)
			continue;
		if (kept != i)
			memcpy(base + kept * size, base + i * size, size);
		kept++;
	}
	return kept;
}

/* What comes first in memcmp()'s order, as a number: for one of the forward maps it is the whole key. */
static uint64_t sort_key(const uint8_t *bytes, unsigned size)
{
	uint64_t key = 0;

	for (unsigned i = 0; i < sizeof(key); i++)
		key = key << 8 | (i < size ? bytes[i] : 0);
	return key;
}

/* In the order of the keys, and where those are equal, by the bytes behind. */
static int reorder(struct kset *set, const struct sort_key *keys)
{
	struct kelem *elems = malloc(set->count * sizeof(*elems));
	unsigned size = kelem_size(set);

	if (!elems)
		return -ENOMEM;
	for (unsigned i = 0; i < set->count; i++)
		elems[i] = set->elems[keys[i].index];
	free(set->elems);
	set->elems = elems;
	set->size = set->count;
	for (unsigned i = 0, end; i < set->count; i = end) {
		for (end = i + 1; end < set->count && keys[end].key == keys[i].key; end++)
			;
		if (end > i + 1)
			qsort_r(elems + i, end - i, sizeof(*elems), compare_elems, &size);
	}
	return 0;
}

static int sort_set(struct kset *set)
{
	struct sort_key *keys = malloc(set->count * sizeof(*keys));
	unsigned size = kelem_size(set);
	int r = keys ? 0 : -ENOMEM;

	for (unsigned i = 0; keys && i < set->count; i++)
		keys[i] = (struct sort_key){ sort_key(set->elems[i].bytes, size), i };
	if (!r)
		r = sort_keys(keys, set->count);
	if (!r)
		r = reorder(set, keys);
	free(keys);
	return r;
}

static bool set_is_sorted(const struct kset *set)
{
	unsigned size = kelem_size(set);

	for (unsigned i = 1; i < set->count; i++)
		if (memcmp(set->elems[i - 1].bytes, set->elems[i].bytes, size) > 0)
			return false;
	return true;
}

static int finish_set(struct kset *set)
{
	unsigned size = kelem_size(set), kept = 0;

	if (!set_is_sorted(set) && sort_set(set) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < set->count; i++) {
		if (kept && memcmp(set->elems[kept - 1].bytes, set->elems[i].bytes, size) == 0)
			continue;
		set->elems[kept++] = set->elems[i];
	}
	set->count = kept;
	if (set->size > kept) { /* it stays as it is from now on */
		struct kelem *fitting = reallocarray(set->elems, kept, sizeof(*fitting));

		set->elems = fitting ? fitting : set->elems;
		set->size = kept;
	}
	return 0;
}

/* FNV-1a, 64 bits. */
static uint64_t digest_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return hash ? hash : 1;
}

int kstate_finish(struct kstate *state)
{
	if (state->failed)
		return -ENOMEM;
	for (unsigned i = 0; i < state->set_count; i++)
		state->failed |= finish_set(&state->sets[i]) < 0;
	for (unsigned i = 0; i < state->chain_count; i++) {
		struct kchain *chain = &state->chains[i];

		for (unsigned j = 0; j < chain->count; j++) {
			struct buf text;

			if (!chain->rules[j].stmts)
				continue;
			buf_init(&text, 4096);
			krule_print(&chain->rules[j], &text);
			chain->rules[j].digest = digest_text(buf_text(&text));
			state->failed |= text.failed;
			buf_done(&text);
		}
	}
	sort(state->sets, state->set_count, sizeof(*state->sets), compare_sets);
	sort(state->chains, state->chain_count, sizeof(*state->chains), compare_chains);
	sort(state->routes, state->route_count, sizeof(*state->routes), compare_routes);
	sort(state->rules, state->rule_count, sizeof(*state->rules), compare_rules);
	sort(state->sysctls, state->sysctl_count, sizeof(*state->sysctls), compare_sysctls);
	state->rule_count = unique(state->rules, state->rule_count, sizeof(*state->rules), compare_rules);
	state->sysctl_count = unique(state->sysctls, state->sysctl_count, sizeof(*state->sysctls),
				     compare_sysctls);
	return state->failed ? -ENOMEM : 0;
}

const struct kset *kstate_find_set(const struct kstate *state, const char *name)
{
	struct kset key;

	copy_name(key.name, name);
	return state->set_count ? bsearch(&key, state->sets, state->set_count, sizeof(key), compare_sets) :
				  NULL;
}

const struct kchain *kstate_find_chain(const struct kstate *state, const char *name)
{
	struct kchain key;

	copy_name(key.name, name);
	return state->chain_count ?
		       bsearch(&key, state->chains, state->chain_count, sizeof(key), compare_chains) :
		       NULL;
}

const struct kelem *kset_find(const struct kset *set, const void *key)
{
	unsigned low = 0, high = set->count;

	/* The last element whose key is not above the one looked for. */
	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (memcmp(set->elems[middle].bytes, key, set->key_size) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	const struct kelem *elem = &set->elems[low - 1];

	if (set->interval)
		return memcmp(kelem_key_end(set, elem), key, set->key_size) >= 0 ? elem : NULL;
	return memcmp(elem->bytes, key, set->key_size) == 0 ? elem : NULL;
}
