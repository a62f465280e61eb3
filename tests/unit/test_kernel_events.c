/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What events mean, and connection-tracking entries as flows. */
#include "kernel/conntrack.h"
#include "kernel/nft.h"
#include "kernel/rtnl.h"

#include <linux/fib_rules.h>
#include <linux/netconf.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- events --- */

static unsigned table_event(unsigned type, uint8_t family, const char *table)
{
	struct nfgenmsg header = { .nfgen_family = family };
	struct nl_msg *msg = netlink_message((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), 0, &header,
					     sizeof(header));

	assert_non_null(msg);
	if (table)
		nla_put_string(msg, 1, table);
	unsigned what = nft_event(nlmsg_hdr(msg));

	nlmsg_free(msg);
	return what;
}

static void test_nf_tables_events(void **state)
{
	(void)state;
	assert_int_equal(table_event(NFT_MSG_NEWTABLE, NFPROTO_INET, "fw4"), KERNEL_TABLE);
	assert_int_equal(table_event(NFT_MSG_DELTABLE, NFPROTO_IPV4, "nat"), KERNEL_TABLE);
	assert_int_equal(table_event(NFT_MSG_DELRULE, NFPROTO_INET, "portico"), KERNEL_TABLE);
	assert_int_equal(table_event(NFT_MSG_NEWSETELEM, NFPROTO_INET, "portico"), KERNEL_TABLE);
	assert_int_equal(table_event(NFT_MSG_DELFLOWTABLE, NFPROTO_INET, "portico"), KERNEL_TABLE);
	assert_int_equal(table_event(NFT_MSG_DELRULE, NFPROTO_IPV4, "portico"), 0);
	assert_int_equal(table_event(NFT_MSG_DELRULE, NFPROTO_INET, "porticos"), 0);
	assert_int_equal(table_event(NFT_MSG_DELRULE, NFPROTO_INET, "portic"), 0);
	assert_int_equal(table_event(NFT_MSG_DELRULE, NFPROTO_INET, NULL), 0);
	assert_int_equal(table_event(NFT_MSG_NEWGEN, NFPROTO_INET, "portico"), 0);
}

static unsigned fw4_event(unsigned type, uint8_t family, const char *table)
{
	struct nfgenmsg header = { .nfgen_family = family };
	struct nl_msg *msg = netlink_message((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), 0, &header,
					     sizeof(header));

	assert_non_null(msg);
	nla_put_string(msg, NFTA_RULE_TABLE, table);
	unsigned what = nft_fw4_event(nlmsg_hdr(msg));

	nlmsg_free(msg);
	return what;
}

/* Its sets change all the time, with banned addresses and the like. */
static void test_events_of_fw4(void **state)
{
	(void)state;
	assert_int_equal(fw4_event(NFT_MSG_NEWRULE, NFPROTO_INET, "fw4"), KERNEL_FW4);
	assert_int_equal(fw4_event(NFT_MSG_DELRULE, NFPROTO_INET, "fw4"), KERNEL_FW4);
	assert_int_equal(fw4_event(NFT_MSG_NEWSETELEM, NFPROTO_INET, "fw4"), 0);
	assert_int_equal(fw4_event(NFT_MSG_NEWRULE, NFPROTO_INET, "fw"), 0);
	assert_int_equal(fw4_event(NFT_MSG_NEWRULE, NFPROTO_INET, "portico"), 0);
	assert_int_equal(fw4_event(NFT_MSG_NEWRULE, NFPROTO_IPV4, "fw4"), 0);
}

static unsigned route_event(uint16_t type, uint8_t table, uint8_t protocol, uint8_t length, unsigned flags)
{
	struct rtmsg info = { .rtm_family = AF_INET,
			      .rtm_table = table,
			      .rtm_protocol = protocol,
			      .rtm_dst_len = length,
			      .rtm_flags = flags };
	struct nl_msg *msg = netlink_message(type, 0, &info, sizeof(info));
	unsigned what = rtnl_event(nlmsg_hdr(msg));

	nlmsg_free(msg);
	return what;
}

static void test_route_events(void **state)
{
	(void)state;
	assert_int_equal(route_event(RTM_NEWROUTE, RT_TABLE_MAIN, RTPROT_DHCP, 0, 0), KERNEL_LINKS);
	assert_int_equal(route_event(RTM_DELROUTE, RT_TABLE_MAIN, RTPROT_RA, 0, 0), KERNEL_LINKS);
	assert_int_equal(route_event(RTM_DELROUTE, RT_TABLE_COMPAT, KERNEL_PROTOCOL, 0, 0), KERNEL_ROUTES);
	/* A full table of the internet, and the like. */
	assert_int_equal(route_event(RTM_NEWROUTE, RT_TABLE_MAIN, RTPROT_BGP, 24, 0), 0);
	assert_int_equal(route_event(RTM_NEWROUTE, RT_TABLE_COMPAT, RTPROT_STATIC, 0, 0), 0);
	assert_int_equal(route_event(RTM_NEWROUTE, RT_TABLE_MAIN, RTPROT_KERNEL, 0, RTM_F_CLONED), 0);
}

static unsigned rule_event(int protocol)
{
	struct fib_rule_hdr info = { .family = AF_INET6 };
	struct nl_msg *msg = netlink_message(RTM_DELRULE, 0, &info, sizeof(info));

	if (protocol >= 0)
		nla_put_u8(msg, FRA_PROTOCOL, (uint8_t)protocol);
	unsigned what = rtnl_event(nlmsg_hdr(msg));

	nlmsg_free(msg);
	return what;
}

static void test_rule_events(void **state)
{
	(void)state;
	assert_int_equal(rule_event(KERNEL_PROTOCOL), KERNEL_ROUTES);
	assert_int_equal(rule_event(RTPROT_KERNEL), 0);
	assert_int_equal(rule_event(-1), 0);
}

static void test_link_events(void **state)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = netlink_message(RTM_NEWLINK, 0, &info, sizeof(info));

	(void)state;
	/* Routes go with their device, and nobody says so. */
	assert_int_equal(rtnl_event(nlmsg_hdr(msg)) & (KERNEL_LINKS | KERNEL_ROUTES),
			 KERNEL_LINKS | KERNEL_ROUTES);
	/* The state of a port, told by the bridge. */
	((struct ifinfomsg *)nlmsg_data(nlmsg_hdr(msg)))->ifi_family = AF_BRIDGE;
	assert_int_equal(rtnl_event(nlmsg_hdr(msg)), 0);
	nlmsg_free(msg);
}

/* --- flows --- */

static void put_tuple(struct nl_msg *msg, int type, const char *from, const char *to, uint8_t protocol,
		      uint16_t sport, uint16_t dport)
{
	struct nlattr *tuple = nla_nest_start(msg, type), *nest = nla_nest_start(msg, CTA_TUPLE_IP);
	struct ip source, destination;

	assert_int_equal(ip_parse(from, &source), 0);
	assert_int_equal(ip_parse(to, &destination), 0);
	int size = (int)ip_size(source.family);

	nla_put(msg, size == 4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, size, source.bytes);
	nla_put(msg, size == 4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, size, destination.bytes);
	nla_nest_end(msg, nest);
	nest = nla_nest_start(msg, CTA_TUPLE_PROTO);
	nla_put_u8(msg, CTA_PROTO_NUM, protocol);
	if (sport) {
		nla_put_u16(msg, CTA_PROTO_SRC_PORT, htons(sport));
		nla_put_u16(msg, CTA_PROTO_DST_PORT, htons(dport));
	}
	nla_nest_end(msg, nest);
	nla_nest_end(msg, tuple);
}

static struct nl_msg *entry(void)
{
	struct nfgenmsg header = { .nfgen_family = AF_INET };
	struct nl_msg *msg = netlink_message(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW, 0, &header,
					     sizeof(header));

	assert_non_null(msg);
	return msg;
}

static void expect_ip(const struct ip *ip, const char *text)
{
	char found[IP_TEXT_MAX];

	assert_string_equal(ip_format(ip, found), text);
}

static void test_flow(void **state)
{
	struct nl_msg *msg = entry();
	struct flow flow;

	(void)state;
	put_tuple(msg, CTA_TUPLE_ORIG, "198.51.100.7", "203.0.113.5", 6, 40000, 80);
	put_tuple(msg, CTA_TUPLE_REPLY, "192.168.0.2", "198.51.100.7", 6, 8080, 40000);
	nla_put_u32(msg, CTA_STATUS, htonl(IPS_CONFIRMED | IPS_DST_NAT));
	nla_put_u32(msg, CTA_MARK, htonl(0x81000000));
	assert_true(conntrack_parse(nlmsg_hdr(msg), &flow));
	assert_int_equal(flow.protocol, 6);
	expect_ip(&flow.source, "198.51.100.7");
	expect_ip(&flow.destination, "203.0.113.5");
	expect_ip(&flow.reply_source, "192.168.0.2");
	expect_ip(&flow.reply_destination, "198.51.100.7");
	assert_int_equal(flow.source_port, 40000);
	assert_int_equal(flow.destination_port, 80);
	assert_int_equal(flow.reply_source_port, 8080);
	assert_int_equal(flow.reply_destination_port, 40000);
	assert_int_equal(flow.mark, 0x81000000);
	assert_true(flow.destination_nat);
	assert_false(flow.source_nat);
	nlmsg_free(msg);
}

static void test_flow_without_ports_or_mark(void **state)
{
	struct nl_msg *msg = entry();
	struct flow flow;

	(void)state;
	put_tuple(msg, CTA_TUPLE_ORIG, "2001:db8::7", "2001:db8::5", 47, 0, 0);
	put_tuple(msg, CTA_TUPLE_REPLY, "2001:db8::5", "2001:db8::7", 47, 0, 0);
	assert_true(conntrack_parse(nlmsg_hdr(msg), &flow));
	expect_ip(&flow.destination, "2001:db8::5");
	assert_int_equal(flow.destination_port, 0);
	assert_int_equal(flow.mark, 0);
	assert_false(flow.destination_nat || flow.source_nat);
	nlmsg_free(msg);
}

/* What has no tuple is no flow: deleting it would delete all. */
static void test_no_flow(void **state)
{
	struct nl_msg *msg = entry();
	struct flow flow;

	(void)state;
	assert_false(conntrack_parse(nlmsg_hdr(msg), &flow));
	put_tuple(msg, CTA_TUPLE_ORIG, "2001:db8::7", "2001:db8::5", 47, 0, 0);
	assert_false(conntrack_parse(nlmsg_hdr(msg), &flow));
	put_tuple(msg, CTA_TUPLE_REPLY, "2001:db8::5", "2001:db8::7", 47, 0, 0);
	nlmsg_hdr(msg)->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
	assert_false(conntrack_parse(nlmsg_hdr(msg), &flow));
	nlmsg_hdr(msg)->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	assert_true(conntrack_parse(nlmsg_hdr(msg), &flow));
	nlmsg_free(msg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nf_tables_events),
		cmocka_unit_test(test_events_of_fw4),
		cmocka_unit_test(test_route_events),
		cmocka_unit_test(test_rule_events),
		cmocka_unit_test(test_link_events),
		cmocka_unit_test(test_flow),
		cmocka_unit_test(test_flow_without_ports_or_mark),
		cmocka_unit_test(test_no_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
