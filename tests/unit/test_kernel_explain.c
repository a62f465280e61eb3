/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a refusal means, and which package may be missing. */
#include "kernel/explain.h"
#include "model/kstmt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static void expect(const struct step *step, const struct krule *rule, int error, const char *wanted)
{
	struct buf text;

	buf_init(&text, 1024);
	explain_refusal(step, rule, error, &text);
	if (wanted[0])
		assert_non_null(strstr(buf_text(&text), wanted));
	else
		assert_string_equal(buf_text(&text), "");
	buf_done(&text);
}

static void expect_of_stmts(struct kstmt *stmts, unsigned count, const char *wanted)
{
	static const struct kchain chain = { .name = "c" };
	const struct step step = { .type = STEP_RULES_ADD, .chain = &chain };
	const struct krule rule = { .count = count, .stmts = stmts };

	expect(&step, &rule, -ENOENT, wanted);
	expect(&step, &rule, -EOPNOTSUPP, wanted);
	expect(&step, &rule, -EINVAL, "");
	expect(&step, &rule, -ENOMEM, "");
}

static void expect_of_stmt(struct kstmt stmt, const char *wanted)
{
	expect_of_stmts(&stmt, 1, wanted);
}

static void test_expressions(void **state)
{
	static const enum kstmt_type translations[] = {
		KSTMT_DNAT_MAP, KSTMT_DNAT, KSTMT_SNAT, KSTMT_SNAT_ORIGINAL, KSTMT_MASQUERADE, KSTMT_REDIRECT
	};
	static const enum kfield plain[] = { KFIELD_L4PROTO, KFIELD_IIFNAME, KFIELD_IP6_DADDR, KFIELD_CT_MARK,
					     KFIELD_CT_STATE };

	(void)state;
	for (unsigned i = 0; i < sizeof(translations) / sizeof(translations[0]); i++)
		expect_of_stmt((struct kstmt){ .type = translations[i] }, "on OpenWrt: kmod-nft-nat)");
	for (unsigned i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		expect_of_stmt(
			(struct kstmt){ .type = KSTMT_MATCH, .field_count = 1, .fields = { plain[i] } },
			"on OpenWrt: kmod-nft-core)");
	expect_of_stmt(
		(struct kstmt){ .type = KSTMT_MATCH, .field_count = 1, .fields = { KFIELD_FIB_DADDR_TYPE } },
		"on OpenWrt: kmod-nft-fib)");
	expect_of_stmt((struct kstmt){ .type = KSTMT_LOG }, "on OpenWrt: kmod-nf-log)");
	expect_of_stmt((struct kstmt){ .type = KSTMT_REJECT_RESET }, "on OpenWrt: kmod-nft-core)");
	expect_of_stmt((struct kstmt){ .type = KSTMT_SET_CT_MARK }, "on OpenWrt: kmod-nft-core)");
}

/* The kernel does not say which statement it was. */
static void test_several_in_one_rule(void **state)
{
	struct kstmt stmts[] = {
		{ .type = KSTMT_MATCH, .field_count = 1, .fields = { KFIELD_FIB_SADDR_TYPE } },
		{ .type = KSTMT_MATCH, .field_count = 1, .fields = { KFIELD_FIB_DADDR_TYPE } },
		{ .type = KSTMT_MATCH, .field_count = 1, .fields = { KFIELD_CT_MARK } },
		{ .type = KSTMT_MASQUERADE },
	};

	(void)state;
	expect_of_stmts(stmts, 4, "on OpenWrt: kmod-nft-fib, kmod-nft-nat)");
}

static void test_declarations(void **state)
{
	const struct kchain nat = { .hook = KHOOK_PREROUTING, .type = KCHAIN_NAT },
			    filter = { .hook = KHOOK_FORWARD, .type = KCHAIN_FILTER },
			    inner = { .type = KCHAIN_NAT };
	const struct kset set = { .name = "s" };

	(void)state;
	expect(&(struct step){ .type = STEP_CHAIN_ADD, .chain = &nat }, NULL, -ENOENT, "kmod-nft-nat");
	expect(&(struct step){ .type = STEP_CHAIN_ADD, .chain = &filter }, NULL, -ENOENT, "kmod-nft-core");
	expect(&(struct step){ .type = STEP_CHAIN_ADD, .chain = &inner }, NULL, -ENOENT, "kmod-nft-core");
	expect(&(struct step){ .type = STEP_SET_ADD, .set = &set }, NULL, -EOPNOTSUPP, "kmod-nft-core");
	expect(&(struct step){ .type = STEP_TABLE_ADD }, NULL, -EAFNOSUPPORT, "kmod-nft-core");
	/* An element's or a deleted thing's absence is no module's. */
	expect(&(struct step){ .type = STEP_ELEMS_DELETE, .set = &set }, NULL, -ENOENT, "");
	expect(&(struct step){ .type = STEP_CHAIN_DELETE, .chain = &nat }, NULL, -ENOENT, "");
	expect(&(struct step){ .type = STEP_TABLE_DELETE }, NULL, -EPERM,
	       "another program may hold the table");
}

static void test_routing_and_sysctls(void **state)
{
	const struct kiprule rule4 = { .family = AF_INET }, rule6 = { .family = AF_INET6 };
	const struct kroute route = { .family = AF_INET6 };
	const struct ksysctl sysctl = { .path = "net/ipv4/ip_forward", .value = 1 };

	(void)state;
	expect(&(struct step){ .type = STEP_IPRULE_ADD, .rule = &rule4 }, NULL, -EOPNOTSUPP,
	       "CONFIG_IP_MULTIPLE_TABLES");
	expect(&(struct step){ .type = STEP_IPRULE_ADD, .rule = &rule6 }, NULL, -EAFNOSUPPORT,
	       "IPv6 or CONFIG_IPV6_MULTIPLE_TABLES");
	expect(&(struct step){ .type = STEP_ROUTE_SET, .route = &route }, NULL, -EOPNOTSUPP, "IPv6");
	expect(&(struct step){ .type = STEP_ROUTE_SET, .route = &route }, NULL, -EINVAL, "");
	expect(&(struct step){ .type = STEP_SYSCTL, .sysctl = &sysctl }, NULL, -EROFS, "read-only");
	expect(&(struct step){ .type = STEP_SYSCTL, .sysctl = &sysctl }, NULL, -EINVAL, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expressions),
		cmocka_unit_test(test_several_in_one_rule),
		cmocka_unit_test(test_declarations),
		cmocka_unit_test(test_routing_and_sysctls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
