/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets, maps and their elements. In memory each field of a key is padded to 4
 * bytes; on the wire so are the fields of a concatenation, but not a field that stands alone.
 *
 * An interval is two elements on the wire: its first address, and the address
 * behind its last one, marked as an end; the end is left out where there is no address behind.
 */
#include "kernel/nft.h"

#include <errno.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

enum { CONCAT_BITS = 6 }; /* of each field's type number in a concatenation's (nft's TYPE_BITS) */

/* nft's byte orders: 0 for none, of the host, of the network. */
enum { ORDER_NONE, ORDER_HOST, ORDER_NETWORK };

/* nft's data types (enum datatypes in its datatype.h). */
static const struct {
	uint32_t number;
	uint32_t order;
} types[KTYPE_COUNT] = {
	[KTYPE_INET_PROTO] = { 12, ORDER_NONE },
	[KTYPE_INET_SERVICE] = { 13, ORDER_NETWORK },
	[KTYPE_IPV4_ADDR] = { 7, ORDER_NETWORK },
	[KTYPE_IPV6_ADDR] = { 8, ORDER_NETWORK },
	[KTYPE_IFNAME] = { 41, ORDER_HOST },
	[KTYPE_MARK] = { 19, ORDER_HOST },
	[KTYPE_VERDICT] = { NFT_DATA_VERDICT, ORDER_NONE },
};

/* A key or data type: the fields up to KTYPE_NONE, at most `max`. */
struct fields {
	const enum ktype *types;
	unsigned max;
};

static struct fields key_fields(const struct kset *set)
{
	return (struct fields){ set->key, KFIELDS_MAX };
}

static struct fields data_fields(const struct kset *set)
{
	return (struct fields){ set->data, 2 };
}

static unsigned count_fields(struct fields fields)
{
	unsigned count = 0;

	while (count < fields.max && fields.types[count] != KTYPE_NONE)
		count++;
	return count;
}

static unsigned wire_size(struct fields fields)
{
	unsigned count = count_fields(fields), size = 0;

	if (count == 1)
		return ktype_size(fields.types[0]);
	for (unsigned i = 0; i < count; i++)
		size += (ktype_size(fields.types[i]) + 3) & ~3u;
	return size;
}

static uint32_t type_number(struct fields fields)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < count_fields(fields); i++)
		number = number << CONCAT_BITS | types[fields.types[i]].number;
	return number;
}

static uint32_t byte_order(struct fields fields)
{
	return count_fields(fields) == 1 ? types[fields.types[0]].order : (uint32_t)ORDER_NONE;
}

static enum ktype type_of(uint32_t number)
{
	for (enum ktype type = KTYPE_NONE + 1; type < KTYPE_COUNT; type++)
		if (types[type].number == number)
			return type;
	return KTYPE_NONE;
}

/* The reverse of type_number(); false for a type that is not ours. */
static bool types_of(uint32_t number, enum ktype *ret_types, unsigned max)
{
	uint32_t parts[KFIELDS_MAX];
	unsigned count = 0;

	if (number == NFT_DATA_VERDICT) {
		ret_types[0] = KTYPE_VERDICT;
		return true;
	}
	for (; number; number >>= CONCAT_BITS) {
		if (count == max)
			return false;
		parts[count++] = number & ((1u << CONCAT_BITS) - 1);
	}
	for (unsigned i = 0; i < count; i++) {
		ret_types[i] = type_of(parts[count - 1 - i]);
		if (ret_types[i] == KTYPE_NONE)
			return false;
	}
	return count > 0;
}

/* --- to the kernel --- */

static bool is_map(const struct kset *set)
{
	return set->data[0] != KTYPE_NONE;
}

static uint32_t set_flags(const struct kset *set)
{
	return (is_map(set) ? NFT_SET_MAP : 0u) | (set->interval ? NFT_SET_INTERVAL : 0u) |
	       (set->timeout_s ? (uint32_t)(NFT_SET_TIMEOUT | NFT_SET_EVAL) : 0u);
}

static struct nftnl_set *new_set(const struct kset *set)
{
	struct nftnl_set *wire = nftnl_set_alloc();

	if (!wire)
		return NULL;
	nftnl_set_set_u32(wire, NFTNL_SET_FAMILY, NFPROTO_INET);
	if (nftnl_set_set_str(wire, NFTNL_SET_TABLE, KTABLE_NAME) < 0 ||
	    nftnl_set_set_str(wire, NFTNL_SET_NAME, set->name) < 0) {
		nftnl_set_free(wire);
		return NULL;
	}
	return wire;
}

static bool put_set_userdata(struct nftnl_set *wire, const struct kset *set)
{
	struct nft_udata udata = { 0 };

	nft_udata_put_u32(&udata, NFTNL_UDATA_SET_KEYBYTEORDER, byte_order(key_fields(set)));
	if (is_map(set))
		nft_udata_put_u32(&udata, NFTNL_UDATA_SET_DATABYTEORDER, byte_order(data_fields(set)));
	nft_udata_put_comment(&udata, NFTNL_UDATA_SET_COMMENT, set->comment);
	return !udata.failed && nftnl_set_set_data(wire, NFTNL_SET_USERDATA, udata.bytes, udata.length) >= 0;
}

struct nftnl_set *nft_set_encode(const struct kset *set, uint32_t id)
{
	struct nftnl_set *wire = new_set(set);

	if (!wire)
		return NULL;
	nftnl_set_set_u32(wire, NFTNL_SET_ID, id);
	nftnl_set_set_u32(wire, NFTNL_SET_FLAGS, set_flags(set));
	nftnl_set_set_u32(wire, NFTNL_SET_KEY_TYPE, type_number(key_fields(set)));
	nftnl_set_set_u32(wire, NFTNL_SET_KEY_LEN, wire_size(key_fields(set)));
	if (is_map(set)) {
		bool verdict = set->data[0] == KTYPE_VERDICT;

		nftnl_set_set_u32(wire, NFTNL_SET_DATA_TYPE, type_number(data_fields(set)));
		nftnl_set_set_u32(wire, NFTNL_SET_DATA_LEN, verdict ? 0 : wire_size(data_fields(set)));
	}
	if (set->timeout_s) {
		nftnl_set_set_u64(wire, NFTNL_SET_TIMEOUT, set->timeout_s * UINT64_C(1000));
		nftnl_set_set_u32(wire, NFTNL_SET_DESC_SIZE, KSET_DYNAMIC_MAX);
	}
	struct nftnl_expr *counter = set->counter ? nftnl_expr_alloc("counter") : NULL;

	if (counter)
		nftnl_set_add_expr(wire, counter);
	if (put_set_userdata(wire, set) && (counter || !set->counter))
		return wire;
	nftnl_set_free(wire);
	return NULL;
}

static bool put_elem_userdata(struct nftnl_set_elem *wire, const char *comment, bool open)
{
	struct nft_udata udata = { 0 };

	if (!comment && !open)
		return true;
	nft_udata_put_comment(&udata, NFTNL_UDATA_SET_ELEM_COMMENT, comment);
	/* Tells nft(8) that the interval ends with the last address. */
	if (open)
		nft_udata_put_u32(&udata, NFTNL_UDATA_SET_ELEM_FLAGS, NFTNL_SET_ELEM_F_INTERVAL_OPEN);
	return !udata.failed &&
	       nftnl_set_elem_set(wire, NFTNL_SET_ELEM_USERDATA, udata.bytes, udata.length) >= 0;
}

static bool put_verdict(struct nftnl_set_elem *wire, const uint8_t *data)
{
	enum kverdict_code code = data[0];

	nftnl_set_elem_set_u32(wire, NFTNL_SET_ELEM_VERDICT, nft_verdict(code));
	if (code != KVERDICT_JUMP && code != KVERDICT_GOTO)
		return true;
	return nftnl_set_elem_set_str(wire, NFTNL_SET_ELEM_CHAIN, (const char *)data + 1) >= 0;
}

static bool put_data(struct nftnl_set_elem *wire, const struct kset *set, const struct kelem *elem)
{
	const uint8_t *data = kelem_data(set, elem);

	if (!is_map(set))
		return true;
	if (set->data[0] == KTYPE_VERDICT)
		return put_verdict(wire, data);
	return nftnl_set_elem_set(wire, NFTNL_SET_ELEM_DATA, data, wire_size(data_fields(set))) >= 0;
}

/* Appends an element with this key to the list; the list owns it. NULL when out of memory. */
static struct nftnl_set_elem *add_key(struct nftnl_set *list, const struct kset *set, const void *key)
{
	struct nftnl_set_elem *wire = nftnl_set_elem_alloc();

	if (!wire)
		return NULL;
	nftnl_set_elem_add(list, wire);
	return nftnl_set_elem_set(wire, NFTNL_SET_ELEM_KEY, key, wire_size(key_fields(set))) < 0 ? NULL :
												   wire;
}

/* The key behind this one, as a number in network order; false when there is none. */
static bool key_after(const uint8_t *key, unsigned size, uint8_t *ret_after)
{
	memcpy(ret_after, key, size);
	for (unsigned i = size; i-- > 0;)
		if (++ret_after[i])
			return true;
	return false;
}

static void key_before(const uint8_t *key, unsigned size, uint8_t *ret_before)
{
	memcpy(ret_before, key, size);
	for (unsigned i = size; i-- > 0;)
		if (ret_before[i]--)
			return;
}

static bool add_elem(struct nftnl_set *list, const struct kset *set, const struct kelem *elem, bool adding)
{
	struct nftnl_set_elem *wire = add_key(list, set, elem->bytes), *end;
	uint8_t after[KKEY_MAX];
	bool open = set->interval && !key_after(kelem_key_end(set, elem), wire_size(key_fields(set)), after);

	if (!wire ||
	    (adding && (!put_data(wire, set, elem) || !put_elem_userdata(wire, elem->comment, open))))
		return false;
	if (!set->interval || open)
		return true;
	end = add_key(list, set, after);
	if (end)
		nftnl_set_elem_set_u32(end, NFTNL_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	return end;
}

struct nftnl_set *nft_elems_encode(const struct kset *set, const struct kelem *const *elems, unsigned count,
				   bool adding)
{
	struct nftnl_set *list = new_set(set);

	for (unsigned i = 0; list && i < count; i++) {
		if (!add_elem(list, set, elems[i], adding)) {
			nftnl_set_free(list);
			return NULL;
		}
	}
	return list;
}

static bool put_key(struct nl_msg *msg, const struct kset *set, const struct kelem *elem)
{
	struct nlattr *item = nla_nest_start(msg, NFTA_LIST_ELEM);
	struct nlattr *key = item ? nla_nest_start(msg, NFTA_SET_ELEM_KEY) : NULL;

	if (!key || nla_put(msg, NFTA_DATA_VALUE, (int)wire_size(key_fields(set)), elem->bytes) < 0)
		return false;
	nla_nest_end(msg, key);
	nla_nest_end(msg, item);
	return true;
}

int nft_elems_put_keys(struct nl_msg *msg, const struct kset *set, const struct kelem *const *elems,
		       unsigned count)
{
	struct nlattr *list = nla_nest_start(msg, NFTA_SET_ELEM_LIST_ELEMENTS);

	for (unsigned i = 0; list && i < count; i++)
		if (!put_key(msg, set, elems[i]))
			return -EMSGSIZE;
	if (!list)
		return -EMSGSIZE;
	nla_nest_end(msg, list);
	return 0;
}

/* --- from the kernel --- */

static bool is_counter(struct nlattr *expr)
{
	struct nlattr *tb[NFTA_EXPR_MAX + 1];

	return expr && nla_parse_nested(tb, NFTA_EXPR_MAX, expr, NULL) == 0 && tb[NFTA_EXPR_NAME] &&
	       nla_strcmp(tb[NFTA_EXPR_NAME], "counter") == 0;
}

int nft_set_decode(struct kstate *state, struct nlmsghdr *hdr, struct kset **ret_set)
{
	const uint32_t known = NFT_SET_INTERVAL | NFT_SET_MAP | NFT_SET_EXPR | NFT_SET_TIMEOUT | NFT_SET_EVAL;
	enum ktype key[KFIELDS_MAX] = { KTYPE_NONE }, data[2] = { KTYPE_NONE };
	struct nlattr *tb[NFTA_SET_MAX + 1];
	const char *comment = NULL;

	if (nlmsg_parse(hdr, sizeof(struct nfgenmsg), tb, NFTA_SET_MAX, NULL) < 0)
		return -EPROTO;
	uint32_t flags = attr_be32(tb[NFTA_SET_FLAGS]);
	const char *name = attr_name(tb[NFTA_SET_NAME]);

	*ret_set = NULL;
	if (flags & NFT_SET_ANONYMOUS)
		return 0;
	if (!name || flags & ~known || !(flags & NFT_SET_TIMEOUT) != !(flags & NFT_SET_EVAL) ||
	    !(flags & NFT_SET_TIMEOUT) != !tb[NFTA_SET_TIMEOUT] || tb[NFTA_SET_EXPRESSIONS] ||
	    (tb[NFTA_SET_EXPR] && !is_counter(tb[NFTA_SET_EXPR])) ||
	    !types_of(attr_be32(tb[NFTA_SET_KEY_TYPE]), key, KFIELDS_MAX) ||
	    (flags & NFT_SET_MAP && !types_of(attr_be32(tb[NFTA_SET_DATA_TYPE]), data, 2)))
		return -EPROTO;
	if (tb[NFTA_SET_USERDATA])
		comment = nft_udata_comment(nla_data(tb[NFTA_SET_USERDATA]),
					    (uint32_t)nla_len(tb[NFTA_SET_USERDATA]),
					    NFTNL_UDATA_SET_COMMENT);
	struct kset *set = kstate_add_set(state, name, key, data, flags & NFT_SET_INTERVAL, tb[NFTA_SET_EXPR],
					  comment);

	if (!set)
		return -ENOMEM;
	set->timeout_s = (uint32_t)(attr_be64(tb[NFTA_SET_TIMEOUT]) / 1000);
	/* The elements are read by these: what the kernel holds must be just as long, and have room. */
	if (attr_be32(tb[NFTA_SET_KEY_LEN]) != wire_size(key_fields(set)) || set->key_size > KKEY_MAX ||
	    (set->interval && count_fields(key_fields(set)) != 1))
		return -EPROTO;
	*ret_set = set;
	return 0;
}

struct nft_bound {
	uint8_t key[KKEY_MAX];
	uint8_t data[KDATA_MAX];
	const char *comment; /* the state's */
	bool end;
};

/* One element as it came. */
struct raw_elem {
	uint8_t key[KKEY_MAX], data[KDATA_MAX]; /* padded */
	const char *comment;                    /* in the message */
	uint64_t packets;
	bool end;
};

static bool get_value(struct nlattr *nest, unsigned size, uint8_t *ret_value)
{
	struct nlattr *tb[NFTA_DATA_MAX + 1];

	if (!nest || nla_parse_nested(tb, NFTA_DATA_MAX, nest, NULL) < 0 || !tb[NFTA_DATA_VALUE] ||
	    nla_len(tb[NFTA_DATA_VALUE]) != (int)size)
		return false;
	memcpy(ret_value, nla_data(tb[NFTA_DATA_VALUE]), size);
	return true;
}

static bool get_verdict(struct nlattr *nest, uint8_t *ret_data)
{
	struct nlattr *tb[NFTA_DATA_MAX + 1], *verdict[NFTA_VERDICT_MAX + 1];
	const char *chain;

	if (!nest || nla_parse_nested(tb, NFTA_DATA_MAX, nest, NULL) < 0 || !tb[NFTA_DATA_VERDICT] ||
	    nla_parse_nested(verdict, NFTA_VERDICT_MAX, tb[NFTA_DATA_VERDICT], NULL) < 0)
		return false;
	switch ((int32_t)attr_be32(verdict[NFTA_VERDICT_CODE])) {
	case NF_ACCEPT:
		ret_data[0] = KVERDICT_ACCEPT;
		return verdict[NFTA_VERDICT_CODE];
	case NF_DROP:
		ret_data[0] = KVERDICT_DROP;
		return verdict[NFTA_VERDICT_CODE];
	case NFT_RETURN:
		ret_data[0] = KVERDICT_RETURN;
		return true;
	case NFT_JUMP:
		ret_data[0] = KVERDICT_JUMP;
		break;
	case NFT_GOTO:
		ret_data[0] = KVERDICT_GOTO;
		break;
	default:
		return false;
	}
	chain = attr_name(verdict[NFTA_VERDICT_CHAIN]);
	if (chain)
		memcpy(ret_data + 1, chain, strlen(chain));
	return chain;
}

static uint64_t get_packets(struct nlattr *expr)
{
	struct nlattr *tb[NFTA_EXPR_MAX + 1], *counter[NFTA_COUNTER_MAX + 1];

	if (!is_counter(expr) || nla_parse_nested(tb, NFTA_EXPR_MAX, expr, NULL) < 0 || !tb[NFTA_EXPR_DATA] ||
	    nla_parse_nested(counter, NFTA_COUNTER_MAX, tb[NFTA_EXPR_DATA], NULL) < 0)
		return 0;
	return attr_be64(counter[NFTA_COUNTER_PACKETS]);
}

static bool get_elem(struct nlattr *nest, const struct kset *set, struct raw_elem *ret_elem)
{
	struct nlattr *tb[NFTA_SET_ELEM_MAX + 1];
	struct raw_elem elem = { 0 };

	if (nla_parse_nested(tb, NFTA_SET_ELEM_MAX, nest, NULL) < 0)
		return false;
	uint32_t flags = attr_be32(tb[NFTA_SET_ELEM_FLAGS]);

	elem.end = flags & NFT_SET_ELEM_INTERVAL_END;
	if (flags & ~(uint32_t)NFT_SET_ELEM_INTERVAL_END || elem.end > set->interval ||
	    tb[NFTA_SET_ELEM_TIMEOUT] || tb[NFTA_SET_ELEM_OBJREF] || tb[NFTA_SET_ELEM_KEY_END] ||
	    !get_value(tb[NFTA_SET_ELEM_KEY], wire_size(key_fields(set)), elem.key))
		return false;
	if (is_map(set) && !elem.end) {
		bool good = set->data[0] == KTYPE_VERDICT ?
				    get_verdict(tb[NFTA_SET_ELEM_DATA], elem.data) :
				    get_value(tb[NFTA_SET_ELEM_DATA], wire_size(data_fields(set)), elem.data);

		if (!good)
			return false;
	}
	if (tb[NFTA_SET_ELEM_USERDATA])
		elem.comment = nft_udata_comment(nla_data(tb[NFTA_SET_ELEM_USERDATA]),
						 (uint32_t)nla_len(tb[NFTA_SET_ELEM_USERDATA]),
						 NFTNL_UDATA_SET_ELEM_COMMENT);
	elem.packets = get_packets(tb[NFTA_SET_ELEM_EXPR]);
	*ret_elem = elem;
	return true;
}

static int keep_bound(struct nft_elems *elems, const struct raw_elem *elem)
{
	if (elems->count == elems->size) {
		unsigned size = elems->size ? elems->size * 2 : 64;
		struct nft_bound *bigger = reallocarray(elems->bounds, size, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		elems->bounds = bigger;
		elems->size = size;
	}
	struct nft_bound *bound = &elems->bounds[elems->count];

	memcpy(bound->key, elem->key, sizeof(bound->key));
	memcpy(bound->data, elem->data, sizeof(bound->data));
	bound->end = elem->end;
	bound->comment = arena_strdup(elems->state->arena, elem->comment);
	if (elem->comment && !bound->comment)
		return -ENOMEM;
	elems->count++;
	return 0;
}

static int take_elem(struct nft_elems *elems, const struct raw_elem *elem)
{
	if (elems->fn) {
		if (!elem->end)
			elems->fn(elems->arg, elem->key, elem->packets);
		return 0;
	}
	if (elems->set->interval)
		return keep_bound(elems, elem);
	const char *comment = arena_strdup(elems->state->arena, elem->comment);

	if (elem->comment && !comment)
		return -ENOMEM;
	return kset_add(elems->state, elems->set, elem->key, NULL, elem->data, comment, 0);
}

int nft_elems_decode(void *arg, struct nlmsghdr *hdr)
{
	struct nft_elems *elems = arg;
	struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *nest;
	int left;

	if (nlmsg_parse(hdr, sizeof(struct nfgenmsg), tb, NFTA_SET_ELEM_LIST_MAX, NULL) < 0)
		return -EPROTO;
	if (!tb[NFTA_SET_ELEM_LIST_ELEMENTS])
		return 0;
	nla_for_each_nested(nest, tb[NFTA_SET_ELEM_LIST_ELEMENTS], left)
	{
		struct raw_elem elem;
		int r = get_elem(nest, elems->set, &elem) ? take_elem(elems, &elem) : -EPROTO;

		if (r)
			return r;
	}
	return 0;
}

/* Ends before beginnings at the same address: an interval may begin where another ends. */
static int compare_bounds(const void *a, const void *b)
{
	const struct nft_bound *one = a, *other = b;
	int order = memcmp(one->key, other->key, sizeof(one->key));

	return order ? order : (int)other->end - (int)one->end;
}

int nft_elems_finish(struct nft_elems *elems)
{
	unsigned size = elems->set ? wire_size(key_fields(elems->set)) : 0;
	int r = 0;

	if (elems->count > 1)
		qsort(elems->bounds, elems->count, sizeof(*elems->bounds), compare_bounds);
	for (unsigned i = 0; !r && i < elems->count; i++) {
		const struct nft_bound *first = &elems->bounds[i];
		uint8_t last[KKEY_MAX] = { 0 };

		/* An end without a beginning is the one that nft(8) puts before the first interval. */
		if (first->end)
			continue;
		memset(last, 0xff, size);
		if (i + 1 < elems->count)
			key_before(first[1].key, size, last);
		r = kset_add(elems->state, elems->set, first->key, last, first->data, first->comment, 0);
	}
	free(elems->bounds);
	*elems = (struct nft_elems){ 0 };
	return r;
}
