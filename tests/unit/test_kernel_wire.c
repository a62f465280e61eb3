/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What we send, byte for byte. Headers of messages and attributes are numbers of the machine's own byte order and
 * shown as such; all else is shown as the bytes that it is, so that what is expected is one text for all machines. In it
 * (01000000) is a number in the order of the machine, too.
 */
#include "kernel/conntrack.c"
#include "kernel/nft.h"
#include "kernel/rtnl_routes.c"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/kstmt.h"
#include "model/plan.h"

static void show_bytes(const uint8_t *bytes, int count, struct buf *text)
{
	for (int i = 0; i < count; i++)
		buf_printf(text, "%02x", bytes[i]);
}

static void show_attributes(const void *at, int length, unsigned depth, struct buf *text)
{
	const struct nlattr *attribute = at;

	for (; nla_ok(attribute, length); attribute = nla_next(attribute, &length)) {
		buf_printf(text, "%*s%d:", (int)depth, "", nla_type(attribute));
		if (attribute->nla_type & NLA_F_NESTED) {
			buf_puts(text, "\n");
			show_attributes(nla_data(attribute), nla_len(attribute), depth + 1, text);
		} else {
			buf_puts(text, " ");
			show_bytes(nla_data(attribute), nla_len(attribute), text);
			buf_puts(text, "\n");
		}
	}
	assert_int_equal(length, 0);
}

/* "type flags fixed header", and an attribute a line. */
static void show_message(struct nlmsghdr *hdr, int header_size, struct buf *text)
{
	buf_printf(text, "%x %x ", hdr->nlmsg_type, hdr->nlmsg_flags);
	show_bytes(nlmsg_data(hdr), header_size, text);
	buf_puts(text, "\n");
	show_attributes(nlmsg_attrdata(hdr, header_size), nlmsg_attrlen(hdr, header_size), 1, text);
}

/* (01000000) in what is expected becomes the bytes of that number. */
static void expand(const char *from, struct buf *to)
{
	for (; *from; from++) {
		uint32_t number;

		if (*from != '(') {
			buf_add(to, from, 1);
			continue;
		}
		assert_int_equal(sscanf(from, "(%8x)", &number), 1);
		show_bytes((const uint8_t *)&number, sizeof(number), to);
		from = strchr(from, ')');
	}
}

static void expect(const struct buf *found, const char *wanted)
{
	struct buf expanded;

	buf_init(&expanded, 65536);
	expand(wanted, &expanded);
	assert_string_equal(buf_text(found), buf_text(&expanded));
	buf_done(&expanded);
}

/* Frees the message. */
static void expect_message(struct nl_msg *msg, int header_size, const char *wanted)
{
	struct buf found;

	assert_non_null(msg);
	buf_init(&found, 65536);
	show_message(nlmsg_hdr(msg), header_size, &found);
	expect(&found, wanted);
	buf_done(&found);
	nlmsg_free(msg);
}

/* --- nf_tables --- */

static void small_table(struct kstate *state)
{
	static const enum ktype key[KFIELDS_MAX] = { KTYPE_INET_PROTO, KTYPE_INET_SERVICE };
	static const enum ktype data[2] = { KTYPE_IPV4_ADDR, KTYPE_INET_SERVICE };
	static const enum ktype mark[KFIELDS_MAX] = { KTYPE_MARK };
	const struct kstmt marked[] = { kstmt_match_word(KFIELD_CT_MARK, 0x7f000000, 0x01000000, false),
					kstmt_set_mark(KSTMT_SET_META_MARK, 0x00ffffff, 0x01000000) };
	const struct kstmt from_device[] = { kstmt_match_device(KFIELD_IIFNAME, "eth0"), kstmt_match_port(80),
					     kstmt_match_bits(KFIELD_CT_STATE, 8), kstmt_jump("other") };
	const struct kstmt translated = { .type = KSTMT_DNAT_MAP,
					  .field_count = 2,
					  .fields = { KFIELD_L4PROTO, KFIELD_TH_DPORT },
					  .address = { .family = AF_INET },
					  .set = "forwards4" };
	const uint32_t number = 0x02000000;

	kstate_init(state);
	state->table = true;
	struct kset *set = kstate_add_set(state, "forwards4", key, data, false, true, "a set");

	kset_add(state, set, (uint8_t[]){ 6, 0, 0, 0, 0x1f, 0x90, 0, 0 }, NULL,
		 (uint8_t[]){ 192, 168, 0, 2, 0, 80, 0, 0 }, "web", 1);
	set = kstate_add_set(state, "marks", mark, NULL, false, false, NULL);
	kset_add(state, set, &number, NULL, NULL, NULL, 0);
	struct kchain *chain = kstate_add_chain(state, "prerouting", NULL);

	chain->hook = KHOOK_PREROUTING;
	chain->type = KCHAIN_NAT;
	chain->priority = -100;
	kchain_add_rule(state, chain, from_device, 4, "a rule");
	kchain_add_rule(state, chain, marked, 2, NULL);
	kchain_add_rule(state, chain, &translated, 1, NULL);
	kstate_add_chain(state, "other", NULL);
	assert_int_equal(kstate_finish(state), 0);
	for (unsigned i = 0; i < state->chain_count; i++)
		for (unsigned j = 0; j < state->chains[i].count; j++)
			state->chains[i].rules[j].digest = 0x0102030405060708; /* whatever it is a hash of */
}

static void test_a_table(void **unused)
{
	struct kstate desired, nothing = { 0 };
	struct nft_batch batch;
	struct plan plan;
	struct buf found;

	(void)unused;
	small_table(&desired);
	assert_int_equal(plan_make(&desired, &nothing, &plan), 0);
	assert_int_equal(nft_batch_make(&batch, plan.steps, plan.count, 1), 0);
	buf_init(&found, 65536);
	struct nlmsghdr *hdr = (struct nlmsghdr *)batch.data;

	for (int left = (int)batch.length; nlmsg_ok(hdr, left); hdr = nlmsg_next(hdr, &left))
		show_message(hdr, sizeof(struct nfgenmsg), &found);
	expect(&found, "10 1 0000000a\n"
		       "a00 401 01000000\n"
		       " 1: 706f727469636f00\n"
		       "a09 401 01000000\n"
		       " 1: 706f727469636f00\n"
		       " 2: 666f7277617264733400\n"
		       " 3: 00000008\n"
		       " 4: 0000030d\n"
		       " 5: 00000008\n"
		       " 6: 000001cd\n"
		       " 7: 00000008\n"
		       " 10: 00000001\n"
		       " 13: 0004(00000000)0104(00000000)0706612073657400\n"
		       " 17:\n"
		       "  1: 636f756e74657200\n"
		       "  2:\n"
		       "a09 401 01000000\n"
		       " 1: 706f727469636f00\n"
		       " 2: 6d61726b7300\n"
		       " 3: 00000000\n"
		       " 4: 00000013\n"
		       " 5: 00000004\n"
		       " 10: 00000002\n"
		       " 13: 0004(00000001)\n"
		       "a03 401 01000000\n"
		       " 1: 706f727469636f00\n"
		       " 3: 6f7468657200\n"
		       "a03 401 01000000\n"
		       " 1: 706f727469636f00\n"
		       " 3: 707265726f7574696e6700\n"
		       " 4:\n"
		       "  1: 00000000\n"
		       "  2: ffffff9c\n"
		       " 5: 00000001\n"
		       " 7: 6e617400\n"
		       "a0c 401 01000000\n"
		       " 2: 666f7277617264733400\n"
		       " 1: 706f727469636f00\n"
		       " 3:\n"
		       "  1:\n"
		       "   1:\n"
		       "    1: 060000001f900000\n"
		       "   2:\n"
		       "    1: c0a8000200500000\n"
		       "   6: 000477656200\n"
		       "a0c 401 01000000\n"
		       " 2: 6d61726b7300\n"
		       " 1: 706f727469636f00\n"
		       " 3:\n"
		       "  1:\n"
		       "   1:\n"
		       "    1: (02000000)\n"
		       "a06 c01 01000000\n"
		       " 1: 706f727469636f00\n"
		       " 2: 707265726f7574696e6700\n"
		       " 7: 0007612072756c6500c808716d71706c656809\n"
		       " 4:\n"
		       "  1:\n"
		       "   1: 6d65746100\n"
		       "   2:\n"
		       "    2: 00000006\n"
		       "    1: 00000001\n"
		       "  1:\n"
		       "   1: 636d7000\n"
		       "   2:\n"
		       "    1: 00000001\n"
		       "    2: 00000000\n"
		       "    3:\n"
		       "     1: 65746830000000000000000000000000\n"
		       "  1:\n"
		       "   1: 7061796c6f616400\n"
		       "   2:\n"
		       "    1: 00000001\n"
		       "    2: 00000002\n"
		       "    3: 00000002\n"
		       "    4: 00000002\n"
		       "  1:\n"
		       "   1: 636d7000\n"
		       "   2:\n"
		       "    1: 00000001\n"
		       "    2: 00000000\n"
		       "    3:\n"
		       "     1: 0050\n"
		       "  1:\n"
		       "   1: 637400\n"
		       "   2:\n"
		       "    2: 00000000\n"
		       "    1: 00000001\n"
		       "  1:\n"
		       "   1: 6269747769736500\n"
		       "   2:\n"
		       "    1: 00000001\n"
		       "    2: 00000001\n"
		       "    6: 00000000\n"
		       "    3: 00000004\n"
		       "    4:\n"
		       "     1: (00000008)\n"
		       "    5:\n"
		       "     1: 00000000\n"
		       "  1:\n"
		       "   1: 636d7000\n"
		       "   2:\n"
		       "    1: 00000001\n"
		       "    2: 00000001\n"
		       "    3:\n"
		       "     1: 00000000\n"
		       "  1:\n"
		       "   1: 696d6d65646961746500\n"
		       "   2:\n"
		       "    1: 00000000\n"
		       "    2:\n"
		       "     2:\n"
		       "      1: fffffffd\n"
		       "      2: 6f7468657200\n"
		       "a06 c01 01000000\n"
		       " 1: 706f727469636f00\n"
		       " 2: 707265726f7574696e6700\n"
		       " 7: c808716d71706c656809\n"
		       " 4:\n"
		       "  1:\n"
		       "   1: 637400\n"
		       "   2:\n"
		       "    2: 00000003\n"
		       "    1: 00000001\n"
		       "  1:\n"
		       "   1: 6269747769736500\n"
		       "   2:\n"
		       "    1: 00000001\n"
		       "    2: 00000001\n"
		       "    6: 00000000\n"
		       "    3: 00000004\n"
		       "    4:\n"
		       "     1: (7f000000)\n"
		       "    5:\n"
		       "     1: 00000000\n"
		       "  1:\n"
		       "   1: 636d7000\n"
		       "   2:\n"
		       "    1: 00000001\n"
		       "    2: 00000000\n"
		       "    3:\n"
		       "     1: (01000000)\n"
		       "  1:\n"
		       "   1: 6d65746100\n"
		       "   2:\n"
		       "    2: 00000003\n"
		       "    1: 00000001\n"
		       "  1:\n"
		       "   1: 6269747769736500\n"
		       "   2:\n"
		       "    1: 00000001\n"
		       "    2: 00000001\n"
		       "    6: 00000000\n"
		       "    3: 00000004\n"
		       "    4:\n"
		       "     1: (00ffffff)\n"
		       "    5:\n"
		       "     1: (01000000)\n"
		       "  1:\n"
		       "   1: 6d65746100\n"
		       "   2:\n"
		       "    2: 00000003\n"
		       "    3: 00000001\n"
		       "a06 c05 01000000\n"
		       " 1: 706f727469636f00\n"
		       " 2: 707265726f7574696e6700\n"
		       " 7: c808716d71706c656809\n"
		       " 4:\n"
		       "  1:\n"
		       "   1: 6d65746100\n"
		       "   2:\n"
		       "    2: 00000010\n"
		       "    1: 00000001\n"
		       "  1:\n"
		       "   1: 7061796c6f616400\n"
		       "   2:\n"
		       "    1: 00000009\n"
		       "    2: 00000002\n"
		       "    3: 00000002\n"
		       "    4: 00000002\n"
		       "  1:\n"
		       "   1: 6c6f6f6b757000\n"
		       "   2:\n"
		       "    2: 00000001\n"
		       "    3: 00000001\n"
		       "    1: 666f7277617264733400\n"
		       "  1:\n"
		       "   1: 6e617400\n"
		       "   2:\n"
		       "    1: 00000001\n"
		       "    2: 00000002\n"
		       "    3: 00000001\n"
		       "    5: 00000009\n"
		       "    7: 00000002\n"
		       "11 1 0000000a\n");
	buf_done(&found);
	nft_batch_done(&batch);
	plan_done(&plan);
	kstate_done(&desired);
}

/* --- routes and rules --- */

static void test_routes(void **unused)
{
	const struct kroute by_gateway = { .family = AF_INET,
					   .table = 20001,
					   .oif = 3,
					   .onlink = true,
					   .gateway = { .family = AF_INET, .bytes = { 192, 0, 2, 254 } } };
	const struct kroute nowhere = { .family = AF_INET6, .table = 20001 };

	(void)unused;
	expect_message(route_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &by_gateway),
		       sizeof(struct rtmsg),
		       "18 500 0200000000500001(00000004)\n"
		       " 15: (00004e21)\n"
		       " 4: (00000003)\n"
		       " 5: c00002fe\n");
	expect_message(route_message(RTM_DELROUTE, 0, &nowhere), sizeof(struct rtmsg),
		       "19 0 0a00000000500007(00000000)\n"
		       " 15: (00004e21)\n");
}

static void test_rules(void **unused)
{
	const struct kiprule by_mark = { .family = AF_INET,
					 .preference = 5101,
					 .mark = 0x01000000,
					 .mark_mask = 0x7f000000,
					 .table = 20001 };
	const struct kiprule from_address = {
		.family = AF_INET6,
		.preference = 5000,
		.from = { .address = { .family = AF_INET6, .bytes = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
			  .length = 128 },
		.table = RT_TABLE_MAIN,
		.suppress_default = true,
	};
	const struct kiprule unreachable = { .family = AF_INET, .preference = 5301, .unreachable = true };
	const struct kiprule to_network = {
		.family = AF_INET,
		.preference = 5001,
		.to = { .address = { .family = AF_INET, .bytes = { 198, 51, 100 } }, .length = 24 },
		.table = 20001
	};

	(void)unused;
	expect_message(rule_message(RTM_NEWRULE, 0, &to_network), sizeof(struct fib_rule_hdr),
		       "20 0 0218000000000001(00000000)\n"
		       " 6: (00001389)\n"
		       " 21: 50\n"
		       " 15: (00004e21)\n"
		       " 1: c6336400\n");
	expect_message(rule_message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &by_mark),
		       sizeof(struct fib_rule_hdr),
		       "20 600 0200000000000001(00000000)\n"
		       " 6: (000013ed)\n"
		       " 21: 50\n"
		       " 15: (00004e21)\n"
		       " 10: (01000000)\n"
		       " 16: (7f000000)\n");
	expect_message(rule_message(RTM_NEWRULE, 0, &from_address), sizeof(struct fib_rule_hdr),
		       "20 0 0a00800000000001(00000000)\n"
		       " 6: (00001388)\n"
		       " 21: 50\n"
		       " 15: (000000fe)\n"
		       " 2: 20010db8000000000000000000000001\n"
		       " 14: (00000000)\n");
	expect_message(rule_message(RTM_DELRULE, 0, &unreachable), sizeof(struct fib_rule_hdr),
		       "21 0 0200000000000007(00000000)\n"
		       " 6: (000014b5)\n"
		       " 21: 50\n");
}

/* --- connection tracking --- */

/* An entry as the kernel tells of it, with what a deletion and an end take from it. */
static struct nl_msg *entry(void)
{
	struct nl_msg *msg = message(IPCTNL_MSG_CT_NEW, 0, AF_INET);
	struct nlattr *tuple = nla_nest_start(msg, CTA_TUPLE_ORIG);

	nla_put(msg, CTA_TUPLE_IP, 4, "\x12\x34\x56\x78"); /* is copied, whatever it is */
	nla_nest_end(msg, tuple);
	nla_put_u32(msg, CTA_STATUS, htonl(IPS_CONFIRMED));
	nla_put_u16(msg, CTA_ZONE, htons(5));
	nla_put_u32(msg, CTA_ID, htonl(7));
	tuple = nla_nest_start(msg, CTA_PROTOINFO);
	nla_put(msg, CTA_PROTOINFO_TCP, 0, NULL);
	nla_nest_end(msg, tuple);
	return msg;
}

static void test_conntrack(void **unused)
{
	struct nl_msg *told = entry();

	(void)unused;
	expect_message(entry_message(IPCTNL_MSG_CT_DELETE, nlmsg_hdr(told), true), sizeof(struct nfgenmsg),
		       "102 0 02000000\n"
		       " 1:\n"
		       "  1: 12345678\n"
		       " 18: 0005\n"
		       " 12: 00000007\n");
	expect_message(end_message(nlmsg_hdr(told)), sizeof(struct nfgenmsg),
		       "100 0 02000000\n"
		       " 1:\n"
		       "  1: 12345678\n"
		       " 18: 0005\n"
		       " 8: 40000000\n"
		       " 21: 40000000\n"
		       " 3: 00000408\n"
		       " 4:\n"
		       "  1:\n"
		       "   1: 08\n"
		       "   4: 0404\n");
	nlmsg_free(told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_table),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_conntrack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
