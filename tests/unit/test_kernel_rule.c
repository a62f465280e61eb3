/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules to the wire and back through libnftnl, and what they carry as user data. */
#include "kernel/nft.h"

#include <libnftnl/expr.h>
#include <linux/netfilter/nf_tables.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static _Alignas(8) char message[64 * 1024];

/* The rule as the kernel would get it, read back; the caller frees it. */
static struct nftnl_rule *there_and_back(const struct krule *rule)
{
	struct nftnl_rule *sent = nft_rule_encode("chain", rule), *got = nftnl_rule_alloc();

	assert_non_null(sent);
	assert_non_null(got);
	struct nlmsghdr *hdr = nftnl_nlmsg_build_hdr(message, NFT_MSG_NEWRULE, 1, 0, 1);

	nftnl_rule_nlmsg_build_payload(hdr, sent);
	nftnl_rule_free(sent);
	assert_int_equal(nftnl_rule_nlmsg_parse(hdr, got), 0);
	assert_string_equal(nftnl_rule_get_str(got, NFTNL_RULE_TABLE), "portico");
	assert_string_equal(nftnl_rule_get_str(got, NFTNL_RULE_CHAIN), "chain");
	return got;
}

static int print_expr(struct nftnl_expr *expr, void *data)
{
	char text[256];

	nftnl_expr_snprintf(text, sizeof(text), expr, NFTNL_OUTPUT_DEFAULT, 0);
	buf_printf(data, "%s %s\n", nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), text);
	return 0;
}

/* "<0050>" in what is expected: bytes, which libnftnl prints as words of the host. */
static void expand(const char *from, struct buf *to)
{
	for (; *from; from++) {
		uint8_t bytes[16] = { 0 };
		unsigned count = 0;

		if (*from != '<') {
			buf_add(to, from, 1);
			continue;
		}
		for (from++; *from != '>'; from += 2)
			sscanf(from, "%2hhx", &bytes[count++]);
		for (unsigned i = 0; i < count; i += 4) {
			uint32_t word;

			memcpy(&word, bytes + i, sizeof(word));
			buf_printf(to, "0x%08x ", word);
		}
	}
}

static void expect(const struct kstmt *stmts, unsigned count, const char *text)
{
	struct krule rule = { .count = count, .stmts = (struct kstmt *)stmts, .digest = 1 };
	struct nftnl_rule *got = there_and_back(&rule);
	struct buf expected, found;

	buf_init(&expected, 4096);
	buf_init(&found, 4096);
	expand(text, &expected);
	nftnl_expr_foreach(got, print_expr, &found);
	assert_string_equal(buf_text(&found), buf_text(&expected));
	buf_done(&expected);
	buf_done(&found);
	nftnl_rule_free(got);
}

#define EXPECT(text, ...)                       \
	expect((struct kstmt[]){ __VA_ARGS__ }, \
	       sizeof((struct kstmt[]){ __VA_ARGS__ }) / sizeof(struct kstmt), text)
#define MATCH(field, ...)                                                                            \
	{                                                                                            \
		.type = KSTMT_MATCH, .field_count = 1, .fields = { field }, .value = { __VA_ARGS__ } \
	}
#define VERDICT(code, ...)                                          \
	{                                                           \
		.type = KSTMT_VERDICT, .verdict = code, __VA_ARGS__ \
	}

static struct kstmt mark(enum kfield field, uint32_t value, uint32_t mask, bool invert)
{
	struct kstmt stmt = {
		.type = KSTMT_MATCH, .field_count = 1, .fields = { field }, .mask = mask, .invert = invert
	};

	memcpy(stmt.value, &value, sizeof(value));
	return stmt;
}

static void test_matches(void **state)
{
	(void)state;
	EXPECT("meta load l4proto => reg 1 \n"
	       "cmp eq reg 1 <06>\n"
	       "payload load 2b @ transport header + 2 => reg 1 \n"
	       "cmp eq reg 1 <0050>\n"
	       "immediate reg 0 drop \n",
	       MATCH(KFIELD_L4PROTO, 6), MATCH(KFIELD_TH_DPORT, 0, 80), VERDICT(KVERDICT_DROP));
	EXPECT("meta load iifname => reg 1 \ncmp eq reg 1 <65746830000000000000000000000000>\n",
	       MATCH(KFIELD_IIFNAME, 'e', 't', 'h', '0'));
	EXPECT("fib daddr type => reg 1 \ncmp eq reg 1 0x00000002 \n",
	       mark(KFIELD_FIB_DADDR_TYPE, 2, 0, false));
	EXPECT("fib saddr type => reg 1 \ncmp neq reg 1 0x00000002 \n",
	       mark(KFIELD_FIB_SADDR_TYPE, 2, 0, true));
}

static void test_choice(void **state)
{
	struct ip prefix = { .family = AF_INET6, .bytes = { 0x20, 0x01, 0x0d, 0xb8, 0, 2 } };

	(void)state;
	EXPECT("meta load nfproto => reg 1 \n"
	       "cmp eq reg 1 <02>\n"
	       "fib daddr oifname => reg 1 \n"
	       "cmp eq reg 1 <65746830000000000000000000000000>\n"
	       "immediate reg 0 goto -> spread4 \n",
	       MATCH(KFIELD_NFPROTO, AF_INET), MATCH(KFIELD_FIB_DADDR_OIFNAME, 'e', 't', 'h', '0'),
	       VERDICT(KVERDICT_GOTO, .chain = "spread4"));
	/* As numbers of the network: what is compared are bytes. */
	EXPECT("numgen reg 1 = inc mod 4 \n"
	       "byteorder reg 1 = hton(reg 1, 4, 4) \n"
	       "cmp lt reg 1 <00000003>\n",
	       { .type = KSTMT_NUMGEN, .modulus = 4, .below = 3 });
	EXPECT("meta load nfproto => reg 1 \n"
	       "cmp eq reg 1 <02>\n"
	       "payload load 4b @ network header + 12 => reg 1 \n"
	       "dynset update reg_key 1 set sticky4_1 \n",
	       { .type = KSTMT_UPDATE, .field_count = 1, .fields = { KFIELD_IP_SADDR }, .set = "sticky4_1" });
	EXPECT("meta load nfproto => reg 1 \n"
	       "cmp eq reg 1 <0a>\n"
	       "payload load 16b @ network header + 8 => reg 1 \n"
	       "bitwise reg 1 = ( reg 1 & <ffffffffffff00000000000000000000>) ^ <00000000000000000000000000000000>\n"
	       "cmp eq reg 1 <20010db8000200000000000000000000>\n"
	       "immediate reg 1 <20010db8000200000000000000000000>\n"
	       "immediate reg 2 <20010db80002ffffffffffffffffffff>\n"
	       "nat snat ip6 addr_min reg 1 addr_max reg 2 flags 0x40 \n",
	       { .type = KSTMT_MATCH,
		 .field_count = 1,
		 .fields = { KFIELD_IP6_SADDR },
		 .prefix_length = 48,
		 .value = { 0x20, 0x01, 0x0d, 0xb8, 0, 2 } },
	       { .type = KSTMT_SNAT_PREFIX, .address = prefix, .prefix_length = 48 });
}

static void test_marks_and_states(void **state)
{
	(void)state;
	EXPECT("ct load mark => reg 1 \n"
	       "bitwise reg 1 = ( reg 1 & 0x7f000000 ) ^ 0x00000000 \n"
	       "cmp neq reg 1 0x01000000 \n",
	       mark(KFIELD_CT_MARK, 0x01000000, 0x7f000000, true));
	EXPECT("meta load mark => reg 1 \ncmp eq reg 1 0x01000000 \n",
	       mark(KFIELD_META_MARK, 0x01000000, 0, false));
	/* Any of the states. */
	EXPECT("ct load state => reg 1 \n"
	       "bitwise reg 1 = ( reg 1 & 0x00000006 ) ^ 0x00000000 \n"
	       "cmp neq reg 1 0x00000000 \n"
	       "immediate reg 0 accept \n",
	       mark(KFIELD_CT_STATE, 0, 6, false), VERDICT(KVERDICT_ACCEPT));
	EXPECT("ct load mark => reg 1 \n"
	       "bitwise reg 1 = ( reg 1 & 0x80ffffff ) ^ 0x01000000 \n"
	       "ct set mark with reg 1 \n",
	       { .type = KSTMT_SET_CT_MARK, .mask = 0x81ffffff, .bits = 0x01000000 });
	EXPECT("meta load mark => reg 1 \n"
	       "bitwise reg 1 = ( reg 1 & 0x7fffffff ) ^ 0x00000000 \n"
	       "meta set mark with reg 1 \n",
	       { .type = KSTMT_SET_META_MARK, .mask = 0x7fffffff });
}

static void test_the_family_is_asked_once(void **state)
{
	(void)state;
	EXPECT("meta load nfproto => reg 1 \n"
	       "cmp eq reg 1 <02>\n"
	       "payload load 4b @ network header + 12 => reg 1 \n"
	       "lookup reg 1 set lan \n"
	       "payload load 4b @ network header + 16 => reg 1 \n"
	       "lookup reg 1 set lan 0x1 \n",
	       { .type = KSTMT_LOOKUP, .field_count = 1, .fields = { KFIELD_IP_SADDR }, .set = "lan" },
	       { .type = KSTMT_LOOKUP,
		 .field_count = 1,
		 .fields = { KFIELD_IP_DADDR },
		 .set = "lan",
		 .invert = true });
	EXPECT("meta load nfproto => reg 1 \n"
	       "cmp eq reg 1 <0a>\n"
	       "payload load 16b @ network header + 24 => reg 1 \n"
	       "cmp eq reg 1 <fe800000000000000000000000000001>\n",
	       MATCH(KFIELD_NFPROTO, 10),
	       MATCH(KFIELD_IP6_DADDR, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
}

static void test_concatenations(void **state)
{
	(void)state;
	EXPECT("meta load nfproto => reg 1 \n"
	       "cmp eq reg 1 <0a>\n"
	       "meta load l4proto => reg 1 \n"
	       "payload load 16b @ network header + 24 => reg 9 \n"
	       "payload load 2b @ transport header + 2 => reg 13 \n"
	       "lookup reg 1 set backends dreg 0 \n",
	       { .type = KSTMT_VMAP,
		 .field_count = 3,
		 .fields = { KFIELD_L4PROTO, KFIELD_IP6_DADDR, KFIELD_TH_DPORT },
		 .set = "backends" });
	EXPECT("ct load mark => reg 1 \n"
	       "bitwise reg 1 = ( reg 1 & 0x7f000000 ) ^ 0x00000000 \n"
	       "lookup reg 1 set marks dreg 0 \n",
	       { .type = KSTMT_VMAP,
		 .field_count = 1,
		 .fields = { KFIELD_CT_MARK },
		 .set = "marks",
		 .mask = 0x7f000000 });
}

static void test_nat(void **state)
{
	struct ip v4, v6;

	(void)state;
	assert_int_equal(ip_parse("192.0.2.1", &v4), 0);
	assert_int_equal(ip_parse("2001:db8::9", &v6), 0);
	EXPECT("meta load l4proto => reg 1 \n"
	       "payload load 2b @ transport header + 2 => reg 9 \n"
	       "lookup reg 1 set forwards dreg 1 \n"
	       "nat dnat ip addr_min reg 1 proto_min reg 9 flags 0x2 \n",
	       { .type = KSTMT_DNAT_MAP,
		 .field_count = 2,
		 .fields = { KFIELD_L4PROTO, KFIELD_TH_DPORT },
		 .set = "forwards",
		 .address = { .family = AF_INET } });
	/* Behind the 16 bytes of an IPv6 address. */
	EXPECT("meta load l4proto => reg 1 \n"
	       "payload load 2b @ transport header + 2 => reg 9 \n"
	       "lookup reg 1 set forwards dreg 1 \n"
	       "nat dnat ip6 addr_min reg 1 proto_min reg 12 flags 0x2 \n",
	       { .type = KSTMT_DNAT_MAP,
		 .field_count = 2,
		 .fields = { KFIELD_L4PROTO, KFIELD_TH_DPORT },
		 .set = "forwards",
		 .address = { .family = AF_INET6 } });
	EXPECT("meta load l4proto => reg 1 \nlookup reg 1 set portless dreg 1 \nnat dnat ip addr_min reg 1 \n",
	       { .type = KSTMT_DNAT_MAP,
		 .field_count = 1,
		 .fields = { KFIELD_L4PROTO },
		 .set = "portless",
		 .address = { .family = AF_INET } });
	EXPECT("immediate reg 1 <c0000201>\n"
	       "immediate reg 9 <0035>\n"
	       "nat dnat ip addr_min reg 1 proto_min reg 9 flags 0x2 \n",
	       { .type = KSTMT_DNAT, .address = v4, .port = 53 });
	EXPECT("immediate reg 1 <20010db8000000000000000000000009>\nnat snat ip6 addr_min reg 1 \n",
	       { .type = KSTMT_SNAT, .address = v6 });
	EXPECT("ct load dst_ip => reg 1 , dir original \nnat snat ip addr_min reg 1 \n",
	       { .type = KSTMT_SNAT_ORIGINAL, .address = { .family = AF_INET } });
	EXPECT("ct load dst_ip6 => reg 1 , dir original \nnat snat ip6 addr_min reg 1 \n",
	       { .type = KSTMT_SNAT_ORIGINAL, .address = { .family = AF_INET6 } });
	EXPECT("masq \n", { .type = KSTMT_MASQUERADE });
	EXPECT("immediate reg 1 <22b8>\nredir proto_min reg 1 flags 0x2 \n",
	       { .type = KSTMT_REDIRECT, .port = 8888 });
}

/* By port alone, after the protocol: the map answers with an address, and the port stays. */
static void test_ranges(void **state)
{
	(void)state;
	EXPECT("meta load l4proto => reg 1 \n"
	       "cmp eq reg 1 <06>\n"
	       "payload load 2b @ transport header + 2 => reg 1 \n"
	       "lookup reg 1 set ranges4_tcp dreg 1 \n"
	       "nat dnat ip addr_min reg 1 \n",
	       MATCH(KFIELD_L4PROTO, 6),
	       { .type = KSTMT_DNAT_MAP,
		 .field_count = 1,
		 .fields = { KFIELD_TH_DPORT },
		 .set = "ranges4_tcp",
		 .address = { .family = AF_INET } });
	EXPECT("meta load l4proto => reg 1 \n"
	       "cmp eq reg 1 <11>\n"
	       "payload load 2b @ transport header + 2 => reg 1 \n"
	       "lookup reg 1 set guard_ranges6_udp dreg 0 \n",
	       MATCH(KFIELD_L4PROTO, 17),
	       { .type = KSTMT_VMAP,
		 .field_count = 1,
		 .fields = { KFIELD_TH_DPORT },
		 .set = "guard_ranges6_udp" });
}

static void test_log(void **state)
{
	(void)state;
	EXPECT("limit rate 10/second burst 20 type packets flags 0x0 \n"
	       "log prefix portico web:  \n",
	       { .type = KSTMT_LOG, .prefix = "portico web: " });
}

static void test_ends(void **state)
{
	(void)state;
	EXPECT("meta load l4proto => reg 1 \n"
	       "cmp eq reg 1 <06>\n"
	       "payload load 1b @ transport header + 13 => reg 1 \n"
	       "bitwise reg 1 = ( reg 1 & <04>) ^ <00>\n"
	       "cmp neq reg 1 <00>\n"
	       "immediate reg 0 return \n",
	       MATCH(KFIELD_L4PROTO, 6),
	       { .type = KSTMT_MATCH, .field_count = 1, .fields = { KFIELD_TCP_FLAGS }, .mask = 4 },
	       VERDICT(KVERDICT_RETURN));
	EXPECT("meta load l4proto => reg 1 \n"
	       "cmp eq reg 1 <06>\n"
	       "reject type 1 code 0 \n",
	       MATCH(KFIELD_L4PROTO, 6), { .type = KSTMT_REJECT_RESET });
}

static void test_verdicts(void **state)
{
	(void)state;
	EXPECT("immediate reg 0 accept \n", VERDICT(KVERDICT_ACCEPT));
	EXPECT("immediate reg 0 return \n", VERDICT(KVERDICT_RETURN));
	EXPECT("immediate reg 0 jump -> helper \n", VERDICT(KVERDICT_JUMP, .chain = "helper"));
	EXPECT("immediate reg 0 goto -> helper \n", VERDICT(KVERDICT_GOTO, .chain = "helper"));
}

static const void *userdata_of(struct nftnl_rule *rule, uint32_t *ret_length)
{
	return nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, ret_length);
}

static void test_digest_and_comment(void **state)
{
	struct kstmt stmt = VERDICT(KVERDICT_ACCEPT);
	struct krule rule = { .count = 1, .stmts = &stmt, .comment = "web", .digest = 0x0123456789abcdef };
	struct nftnl_rule *got = there_and_back(&rule);
	uint32_t length;
	const void *data = userdata_of(got, &length);

	(void)state;
	assert_true(nft_rule_digest(data, length) == rule.digest);
	assert_string_equal(nft_udata_comment(data, length, NFTNL_UDATA_RULE_COMMENT), "web");
	/* nft(8) reads a comment as the first attribute, with its zero. */
	assert_memory_equal(data, "\x00\x04web\0", 6);
	nftnl_rule_free(got);

	rule.comment = NULL;
	got = there_and_back(&rule);
	data = userdata_of(got, &length);
	assert_true(nft_rule_digest(data, length) == rule.digest);
	assert_null(nft_udata_comment(data, length, NFTNL_UDATA_RULE_COMMENT));
	nftnl_rule_free(got);
}

static void test_foreign_userdata_has_no_digest(void **state)
{
	(void)state;
	assert_true(nft_rule_digest(NULL, 0) == 0);
	assert_true(nft_rule_digest("\x00\x04web", 6) == 0);
	assert_true(nft_rule_digest("\xc8\x08short", 7) == 0);
	assert_true(nft_rule_digest("\xc8\x04seem", 6) == 0);
	assert_true(nft_rule_digest("\xc8", 1) == 0);
	/* Another version's: some number, but not the one that was put in. */
	assert_true(nft_rule_digest("\xc8\x08\x01\x23\x45\x67\x89\xab\xcd\xef", 10) != 0x0123456789abcdef);
}

static void test_long_comments_are_cut_between_characters(void **state)
{
	struct nft_udata udata = { 0 };
	char text[512];

	(void)state;
	/* 126 bytes of ASCII, then characters of three bytes: none of them fits. */
	memset(text, 'a', 126);
	strcpy(text + 126, "\xe2\x82\xac\xe2\x82\xac");
	nft_udata_put_comment(&udata, 0, text);
	assert_false(udata.failed);
	assert_int_equal(strlen(nft_udata_comment(udata.bytes, udata.length, 0)), 126);
	text[124] = '\0';
	strcat(text, "\xe2\x82\xac");
	udata = (struct nft_udata){ 0 };
	nft_udata_put_comment(&udata, 0, text);
	assert_string_equal(nft_udata_comment(udata.bytes, udata.length, 0), text);
	/* What does not fit behind it is an error, not an overflow. */
	nft_udata_put_comment(&udata, 1, text);
	assert_true(udata.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_marks_and_states),
		cmocka_unit_test(test_the_family_is_asked_once),
		cmocka_unit_test(test_concatenations),
		cmocka_unit_test(test_nat),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_digest_and_comment),
		cmocka_unit_test(test_foreign_userdata_has_no_digest),
		cmocka_unit_test(test_long_comments_are_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
