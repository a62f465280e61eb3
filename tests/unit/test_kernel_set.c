/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets and elements to the wire and back, and batches, without a kernel: what
 * a NEWSET or NEWSETELEM message holds when we send it is what a dump answers.
 */
#include "kernel/nft.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "parsed.h"

static _Alignas(8) char message[256 * 1024];

#define TYPES(...)                \
	(enum ktype[KFIELDS_MAX]) \
	{                         \
		__VA_ARGS__       \
	}
#define DATA(...)           \
	(enum ktype[2])     \
	{                   \
		__VA_ARGS__ \
	}

static struct nlmsghdr *set_message(const struct kset *set)
{
	struct nftnl_set *wire = nft_set_encode(set, 7);
	struct nlmsghdr *hdr = nftnl_nlmsg_build_hdr(message, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET,
						     NFPROTO_INET, 0, 1);

	assert_non_null(wire);
	nftnl_set_nlmsg_build_payload(hdr, wire);
	nftnl_set_free(wire);
	return hdr;
}

static struct nlmsghdr *elems_message(const struct kset *set, bool adding)
{
	const struct kelem **elems = calloc(set->count, sizeof(*elems));
	struct nlmsghdr *hdr = nftnl_nlmsg_build_hdr(message, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM,
						     NFPROTO_INET, 0, 1);

	assert_non_null(elems);
	for (unsigned i = 0; i < set->count; i++)
		elems[i] = &set->elems[i];
	struct nftnl_set *list = nft_elems_encode(set, elems, set->count, adding);

	assert_non_null(list);
	nftnl_set_elems_nlmsg_build_payload(hdr, list);
	nftnl_set_free(list);
	free(elems);
	return hdr;
}

static void expect_same(const struct kstate *sent, const struct kstate *got)
{
	struct buf a, b;

	buf_init(&a, 65536);
	buf_init(&b, 65536);
	kstate_print(sent, &a);
	kstate_print(got, &b);
	assert_string_equal(buf_text(&b), buf_text(&a));
	buf_done(&a);
	buf_done(&b);
}

/* Declaration and elements of the only set of `sent`, through messages. */
static void round_trip(struct kstate *sent)
{
	struct kstate got;
	struct kset *set;

	sent->table = true;
	assert_int_equal(kstate_finish(sent), 0);
	kstate_init(&got);
	got.table = true;
	assert_int_equal(nft_set_decode(&got, set_message(&sent->sets[0]), &set), 0);
	assert_non_null(set);
	if (sent->sets[0].count) {
		struct nft_elems elems = { .state = &got, .set = set };

		assert_int_equal(nft_elems_decode(&elems, elems_message(&sent->sets[0], true)), 0);
		assert_int_equal(nft_elems_finish(&elems), 0);
	}
	assert_int_equal(kstate_finish(&got), 0);
	expect_same(sent, &got);
	kstate_done(&got);
}

static void test_map_with_counters(void **unused)
{
	uint8_t key[KKEY_MAX] = { 6, 0, 0, 0, 0, 80 }, data[KDATA_MAX] = { 192, 168, 0, 2, 0x1f, 0x90 };
	struct kstate state;

	(void)unused;
	kstate_init(&state);
	struct kset *set = kstate_add_set(&state, "forwards4", TYPES(KTYPE_INET_PROTO, KTYPE_INET_SERVICE),
					  DATA(KTYPE_IPV4_ADDR, KTYPE_INET_SERVICE), false, true,
					  "all of them");

	kset_add(&state, set, key, NULL, data, "web", 1);
	key[0] = 17;
	kset_add(&state, set, key, NULL, data, NULL, 2);
	round_trip(&state);
	kstate_done(&state);
}

static void test_map_of_ipv6(void **unused)
{
	uint8_t key[KKEY_MAX] = { 6, 0, 0, 0, 0x01, 0xbb },
		data[KDATA_MAX] = { 0x20, 0x01, 0x0d, 0xb8, [16] = 1, 2 };
	struct kstate state;

	(void)unused;
	kstate_init(&state);
	kset_add(&state,
		 kstate_add_set(&state, "forwards6", TYPES(KTYPE_INET_PROTO, KTYPE_INET_SERVICE),
				DATA(KTYPE_IPV6_ADDR, KTYPE_INET_SERVICE), false, true, NULL),
		 key, NULL, data, NULL, 1);
	round_trip(&state);
	kstate_done(&state);
}

/* A field that stands alone is not padded on the wire. */
static void test_single_fields(void **unused)
{
	static const struct {
		enum ktype type;
		uint8_t key[KKEY_MAX];
	} cases[] = {
		{ KTYPE_INET_PROTO, { 47 } },       { KTYPE_INET_SERVICE, { 0x1f, 0x90 } },
		{ KTYPE_IPV4_ADDR, { 192, 0, 2 } }, { KTYPE_IPV6_ADDR, { 0xfe, 0x80, [15] = 1 } },
		{ KTYPE_IFNAME, "eth0" },           { KTYPE_MARK, { 0, 0, 0, 1 } },
	};

	(void)unused;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kstate state;

		kstate_init(&state);
		kset_add(&state,
			 kstate_add_set(&state, "single", TYPES(cases[i].type), NULL, false, false, NULL),
			 cases[i].key, NULL, NULL, NULL, 0);
		round_trip(&state);
		struct nlattr *length = nlmsg_find_attr(set_message(&state.sets[0]), sizeof(struct nfgenmsg),
							NFTA_SET_KEY_LEN);

		assert_int_equal(ntohl(nla_get_u32(length)), ktype_size(cases[i].type));
		kstate_done(&state);
	}
}

static void test_verdicts(void **unused)
{
	static const enum kverdict_code codes[] = { KVERDICT_ACCEPT, KVERDICT_DROP, KVERDICT_RETURN,
						    KVERDICT_JUMP, KVERDICT_GOTO };
	struct kstate state;

	(void)unused;
	kstate_init(&state);
	struct kset *set = kstate_add_set(&state, "local", TYPES(KTYPE_IPV4_ADDR), DATA(KTYPE_VERDICT), false,
					  false, NULL);

	for (uint8_t i = 0; i < 5; i++) {
		uint8_t data[KDATA_MAX] = { (uint8_t)codes[i] };

		if (codes[i] == KVERDICT_JUMP || codes[i] == KVERDICT_GOTO)
			strcpy((char *)data + 1, "a_chain_whose_name_is_very_long");
		kset_add(&state, set, (uint8_t[KKEY_MAX]){ 192, 0, 2, i }, NULL, data, "\xe2\x82\xac", 0);
	}
	round_trip(&state);
	kstate_done(&state);
}

static void add_interval(struct kstate *state, struct kset *set, const char *first, const char *last,
			 const char *comment)
{
	struct ip from = ip(first), until = ip(last);

	assert_int_equal(kset_add(state, set, from.bytes, until.bytes, NULL, comment, 0), 0);
}

static struct kset *interval_set(struct kstate *state, enum ktype type)
{
	kstate_init(state);
	return kstate_add_set(state, "lan", TYPES(type), NULL, true, false, NULL);
}

static void test_intervals(void **unused)
{
	struct kstate state;
	struct kset *set = interval_set(&state, KTYPE_IPV4_ADDR);

	(void)unused;
	add_interval(&state, set, "0.0.0.0", "0.255.255.255", "from the beginning");
	add_interval(&state, set, "10.0.0.0", "10.0.0.255", NULL);
	/* Next to the one before, and of one address. */
	add_interval(&state, set, "10.0.1.0", "10.0.1.0", "one");
	add_interval(&state, set, "10.0.1.1", "10.0.1.9", NULL);
	add_interval(&state, set, "192.168.0.0", "192.168.255.255", NULL);
	add_interval(&state, set, "255.255.255.255", "255.255.255.255", "the last");
	round_trip(&state);
	kstate_done(&state);

	set = interval_set(&state, KTYPE_IPV6_ADDR);
	add_interval(&state, set, "2001:db8::", "2001:db8::ffff:ffff:ffff", NULL);
	add_interval(&state, set, "fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL);
	round_trip(&state);
	kstate_done(&state);

	set = interval_set(&state, KTYPE_IPV4_ADDR);
	add_interval(&state, set, "0.0.0.0", "255.255.255.255", NULL);
	round_trip(&state);
	kstate_done(&state);
}

static void add_range(struct kstate *state, struct kset *set, unsigned first, unsigned last,
		      const uint8_t data[KDATA_MAX])
{
	uint8_t key[KKEY_MAX] = { (uint8_t)(first >> 8), (uint8_t)first };
	uint8_t key_end[KKEY_MAX] = { (uint8_t)(last >> 8), (uint8_t)last };

	assert_int_equal(kset_add(state, set, key, key_end, data, "range", 1), 0);
}

/* Neighbours lead to different hosts, and the last has no port behind it. */
static void test_maps_of_ranges(void **unused)
{
	uint8_t one[KDATA_MAX] = { 192, 168, 0, 2 }, other[KDATA_MAX] = { 192, 168, 0, 3 };
	uint8_t jump[KDATA_MAX] = { KVERDICT_JUMP, 'g', 'u', 'a', 'r', 'd', '_', '1' };
	struct kstate state;

	(void)unused;
	kstate_init(&state);
	struct kset *set = kstate_add_set(&state, "ranges4_tcp", TYPES(KTYPE_INET_SERVICE),
					  DATA(KTYPE_IPV4_ADDR), true, true, NULL);

	add_range(&state, set, 0, 79, other);
	add_range(&state, set, 80, 90, one);
	add_range(&state, set, 91, 95, other);
	add_range(&state, set, 255, 256, one);
	add_range(&state, set, 60000, 65535, one);
	round_trip(&state);
	kstate_done(&state);

	kstate_init(&state);
	set = kstate_add_set(&state, "guard_ranges6_udp", TYPES(KTYPE_INET_SERVICE), DATA(KTYPE_VERDICT),
			     true, false, NULL);
	add_range(&state, set, 1, 65535, jump);
	round_trip(&state);
	kstate_done(&state);
}

/* One of two neighbours goes: its own two bounds do, and not the other's, of which one is the same port. */
static void test_deletion_of_a_range(void **unused)
{
	static const struct {
		unsigned first, last, bounds[2]; /* 0: none */
	} cases[] = { { 80, 90, { 80, 91 } }, { 91, 95, { 91, 96 } }, { 60000, 65535, { 60000, 0 } } };

	(void)unused;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kstate state;
		struct nlattr *nest;
		unsigned count = 0;
		int left;

		kstate_init(&state);
		add_range(&state,
			  kstate_add_set(&state, "ranges4_tcp", TYPES(KTYPE_INET_SERVICE),
					 DATA(KTYPE_IPV4_ADDR), true, true, NULL),
			  cases[i].first, cases[i].last, (uint8_t[KDATA_MAX]){ 192, 168, 0, 2 });
		struct nlattr *list = nlmsg_find_attr(elems_message(&state.sets[0], false),
						      sizeof(struct nfgenmsg), NFTA_SET_ELEM_LIST_ELEMENTS);

		nla_for_each_nested(nest, list, left)
		{
			struct nlattr *tb[NFTA_SET_ELEM_MAX + 1], *key[NFTA_DATA_MAX + 1];
			uint16_t port;

			assert_int_equal(nla_parse_nested(tb, NFTA_SET_ELEM_MAX, nest, NULL), 0);
			assert_int_equal(nla_parse_nested(key, NFTA_DATA_MAX, tb[NFTA_SET_ELEM_KEY], NULL),
					 0);
			memcpy(&port, nla_data(key[NFTA_DATA_VALUE]), sizeof(port));
			assert_in_range(count, 0, 1);
			assert_int_equal(ntohs(port), cases[i].bounds[count]);
			assert_int_equal(attr_be32(tb[NFTA_SET_ELEM_FLAGS]),
					 count ? NFT_SET_ELEM_INTERVAL_END : 0);
			assert_null(tb[NFTA_SET_ELEM_DATA]);
			count++;
		}
		assert_int_equal(count, cases[i].bounds[1] ? 2 : 1);
		kstate_done(&state);
	}
}

/* An element of an interval set as the kernel sends it. */
static void put_bound(struct nl_msg *msg, const char *address, bool end)
{
	struct nlattr *nest = nla_nest_start(msg, NFTA_LIST_ELEM), *key;
	struct ip parsed = ip(address);

	if (end)
		nla_put_u32(msg, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	key = nla_nest_start(msg, NFTA_SET_ELEM_KEY);
	nla_put(msg, NFTA_DATA_VALUE, (int)ip_size(parsed.family), parsed.bytes);
	nla_nest_end(msg, key);
	nla_nest_end(msg, nest);
}

/* The kernel's order is its own, and nft(8) puts an end before the first interval and none between neighbours. */
static void test_bounds_in_any_order(void **unused)
{
	struct nfgenmsg header = { .nfgen_family = NFPROTO_INET };
	struct nl_msg *msg = netlink_message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM, 0, &header,
					     sizeof(header));
	struct kstate state;
	struct kset *set = interval_set(&state, KTYPE_IPV4_ADDR);
	struct nft_elems elems = { .state = &state, .set = set };
	struct nlattr *nest = nla_nest_start(msg, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct buf text;

	(void)unused;
	put_bound(msg, "240.0.0.0", false);
	put_bound(msg, "10.0.2.0", true);
	put_bound(msg, "10.0.1.0", false);
	put_bound(msg, "10.0.0.0", false);
	put_bound(msg, "0.0.0.0", true);
	put_bound(msg, "192.168.1.0", true);
	put_bound(msg, "192.168.0.0", false);
	nla_nest_end(msg, nest);
	assert_int_equal(nft_elems_decode(&elems, nlmsg_hdr(msg)), 0);
	assert_int_equal(nft_elems_finish(&elems), 0);
	assert_int_equal(kstate_finish(&state), 0);
	buf_init(&text, 4096);
	for (unsigned i = 0; i < state.sets[0].count; i++) {
		kelem_print(&state.sets[0], &state.sets[0].elems[i], &text);
		buf_puts(&text, " ");
	}
	assert_string_equal(buf_text(&text), "10.0.0.0/24 10.0.1.0/24 192.168.0.0/24 240.0.0.0/4 ");
	buf_done(&text);
	kstate_done(&state);
	nlmsg_free(msg);
}

/* Deleting names keys and bounds only: no data, no comment. */
static void test_deletion_is_by_key(void **unused)
{
	uint8_t data[KDATA_MAX] = { KVERDICT_ACCEPT };
	struct kstate state;
	struct nlattr *nest;
	int left;

	(void)unused;
	kstate_init(&state);
	kset_add(&state,
		 kstate_add_set(&state, "local", TYPES(KTYPE_IPV4_ADDR), DATA(KTYPE_VERDICT), false, false,
				NULL),
		 (uint8_t[KKEY_MAX]){ 192, 0, 2, 1 }, NULL, data, "comment", 0);
	struct nlattr *list = nlmsg_find_attr(elems_message(&state.sets[0], false), sizeof(struct nfgenmsg),
					      NFTA_SET_ELEM_LIST_ELEMENTS);

	assert_non_null(list);
	nla_for_each_nested(nest, list, left)
	{
		struct nlattr *tb[NFTA_SET_ELEM_MAX + 1];

		assert_int_equal(nla_parse_nested(tb, NFTA_SET_ELEM_MAX, nest, NULL), 0);
		assert_non_null(tb[NFTA_SET_ELEM_KEY]);
		assert_null(tb[NFTA_SET_ELEM_DATA]);
		assert_null(tb[NFTA_SET_ELEM_USERDATA]);
	}
	kstate_done(&state);
}

static int decode_with(unsigned attr, uint32_t value)
{
	struct kset plain = { .name = "s", .key = { KTYPE_IPV4_ADDR }, .key_size = 4 };
	struct nlmsghdr *hdr = set_message(&plain);
	struct nlattr *there = nlmsg_find_attr(hdr, sizeof(struct nfgenmsg), (int)attr);
	struct kstate state;
	struct kset *set;

	assert_non_null(there);
	value = htonl(value);
	memcpy(nla_data(there), &value, sizeof(value));
	kstate_init(&state);
	int r = nft_set_decode(&state, hdr, &set);

	if (!r && !set)
		r = 1;
	kstate_done(&state);
	return r;
}

static int decode_key(const enum ktype key[KFIELDS_MAX])
{
	struct kset foreign = { .name = "s" };
	struct kstate state;
	struct kset *set;

	memcpy(foreign.key, key, sizeof(foreign.key));
	kstate_init(&state);
	int r = nft_set_decode(&state, set_message(&foreign), &set);

	kstate_done(&state);
	return r;
}

static void test_foreign_sets(void **unused)
{
	(void)unused;
	assert_int_equal(decode_key(TYPES(KTYPE_IPV6_ADDR, KTYPE_IPV6_ADDR)), 0);
	/* Longer than any key of ours. */
	assert_int_equal(decode_key(TYPES(KTYPE_IPV6_ADDR, KTYPE_IPV6_ADDR, KTYPE_IPV6_ADDR)), -EPROTO);
	assert_int_equal(decode_key(TYPES(KTYPE_IPV6_ADDR, KTYPE_IPV6_ADDR, KTYPE_MARK)), -EPROTO);
	assert_int_equal(decode_with(NFTA_SET_KEY_TYPE, 7), 0);
	assert_int_equal(decode_with(NFTA_SET_KEY_TYPE, 9), -EPROTO); /* ether_addr */
	assert_int_equal(decode_with(NFTA_SET_KEY_TYPE, 8), -EPROTO); /* but 4 bytes long */
	assert_int_equal(decode_with(NFTA_SET_KEY_TYPE, 0), -EPROTO);
	assert_int_equal(decode_with(NFTA_SET_KEY_TYPE, 0xfffffffe), -EPROTO);
	assert_int_equal(decode_with(NFTA_SET_FLAGS, NFT_SET_TIMEOUT), -EPROTO);
	assert_int_equal(decode_with(NFTA_SET_FLAGS, NFT_SET_EVAL), -EPROTO);
	assert_int_equal(decode_with(NFTA_SET_FLAGS, NFT_SET_MAP), -EPROTO); /* without a data type */
	assert_int_equal(decode_with(NFTA_SET_FLAGS, NFT_SET_ANONYMOUS), 1); /* belongs to its rule */
}

/* In memory of just that length, so that the sanitizer sees any step beyond it. */
static void decode_broken(struct kstate *state, struct kset *set, uint32_t length, uint32_t at, char value)
{
	struct nft_elems elems = { .state = state, .set = set };
	char *copy = malloc(length);

	assert_non_null(copy);
	memcpy(copy, message, length);
	((struct nlmsghdr *)copy)->nlmsg_len = length;
	if (at < length)
		copy[at] = value;
	int r = nft_elems_decode(&elems, (struct nlmsghdr *)copy);

	assert_true(r == 0 || r == -EPROTO);
	assert_int_equal(nft_elems_finish(&elems), 0);
	free(copy);
}

/* A message cut short or with one byte changed is refused or understood, never overrun. */
static void test_broken_messages(void **unused)
{
	uint8_t data[KDATA_MAX] = { KVERDICT_JUMP, 'c' };
	struct kstate state;

	(void)unused;
	kstate_init(&state);
	struct kset *set = kstate_add_set(&state, "local", TYPES(KTYPE_IPV4_ADDR), DATA(KTYPE_VERDICT), true,
					  true, NULL);

	kset_add(&state, set, (uint8_t[KKEY_MAX]){ 10 }, (uint8_t[KKEY_MAX]){ 11 }, data, "comment", 0);
	uint32_t length = elems_message(set, true)->nlmsg_len;

	for (uint32_t i = sizeof(struct nlmsghdr); i < length; i++) {
		decode_broken(&state, set, length, i, (char)(message[i] + 1));
		decode_broken(&state, set, length, i, (char)0xff);
		decode_broken(&state, set, length, i, 0);
		decode_broken(&state, set, i, length, 0);
	}
	kstate_done(&state);
}

/* --- batches --- */

enum { ELEMENTS = 5000 };

static void make_desired(struct kstate *state)
{
	struct kstmt stmt = { .type = KSTMT_VERDICT, .verdict = KVERDICT_ACCEPT };

	kstate_init(state);
	state->table = true;
	struct kset *set = kstate_add_set(state, "many", TYPES(KTYPE_IPV4_ADDR), NULL, true, false, NULL);

	for (unsigned i = 0; i < ELEMENTS; i++)
		kset_add(state, set, (uint8_t[KKEY_MAX]){ 10, (uint8_t)(i >> 8), (uint8_t)i },
			 (uint8_t[KKEY_MAX]){ 10, (uint8_t)(i >> 8), (uint8_t)i, 9 }, NULL, "a comment", 0);
	struct kchain *chain = kstate_add_chain(state, "chain", NULL);

	kchain_add_rule(state, chain, &stmt, 1, NULL);
	kchain_add_rule(state, chain, &stmt, 1, "second");
	assert_int_equal(kstate_finish(state), 0);
}

static void test_batch(void **unused)
{
	struct kstate desired, nothing = { 0 };
	struct nft_batch batch;
	struct plan plan;
	unsigned acks = 0, elems = 0, wire = 0;
	uint32_t seq = UINT32_MAX - 1, first; /* numbers wrap around */

	(void)unused;
	make_desired(&desired);
	assert_int_equal(plan_make(&desired, &nothing, &plan), 0);
	assert_int_equal(nft_batch_make(&batch, plan.steps, plan.count, seq), 0);
	struct nlmsghdr *hdr = (struct nlmsghdr *)batch.data, *last = NULL;
	int left = (int)batch.length;

	assert_int_equal(hdr->nlmsg_type, NFNL_MSG_BATCH_BEGIN);
	assert_int_equal(hdr->nlmsg_seq, seq);
	assert_null(nft_batch_step_of(&batch, seq, &first));
	for (; nlmsg_ok(hdr, left); hdr = nlmsg_next(hdr, &left)) {
		const struct step *step = nft_batch_step_of(&batch, hdr->nlmsg_seq, &first);
		struct nlattr *list, *nest;
		int more;

		assert_int_equal(hdr->nlmsg_seq, seq++);
		if (hdr->nlmsg_flags & NLM_F_ACK) {
			acks++;
			assert_int_equal(hdr->nlmsg_seq, batch.seq);
		}
		if (hdr->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE)) {
			assert_int_equal(step->type, STEP_RULES_ADD);
			assert_true(hdr->nlmsg_seq - first < 2);
		}
		if (hdr->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM)) {
			elems++;
			assert_int_equal(step->type, STEP_ELEMS_ADD);
			list = nlmsg_find_attr(hdr, sizeof(struct nfgenmsg), NFTA_SET_ELEM_LIST_ELEMENTS);
			nla_for_each_nested(nest, list, more) wire++;
			assert_true(list->nla_len < UINT16_MAX);
		}
		last = hdr;
	}
	assert_int_equal(left, 0);
	assert_int_equal(last->nlmsg_type, NFNL_MSG_BATCH_END);
	assert_int_equal(acks, 1);
	/* Each interval is two elements on the wire, in more messages than one. */
	assert_true(elems > 1);
	assert_int_equal(wire, 2 * ELEMENTS);
	nft_batch_done(&batch);
	plan_done(&plan);
	kstate_done(&desired);
}

static void test_empty_batch_is_not_sent(void **unused)
{
	struct step step = { .type = STEP_SYSCTL };
	struct nft_batch batch;

	(void)unused;
	assert_int_equal(nft_batch_make(&batch, &step, 1, 1), 0);
	assert_int_equal(batch.last, 0);
	nft_batch_done(&batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_with_counters),
		cmocka_unit_test(test_map_of_ipv6),
		cmocka_unit_test(test_single_fields),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_intervals),
		cmocka_unit_test(test_maps_of_ranges),
		cmocka_unit_test(test_deletion_of_a_range),
		cmocka_unit_test(test_bounds_in_any_order),
		cmocka_unit_test(test_deletion_is_by_key),
		cmocka_unit_test(test_foreign_sets),
		cmocka_unit_test(test_broken_messages),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_empty_batch_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
