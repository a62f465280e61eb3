/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our routes and routing rules, and what rtnetlink events mean. libnl's route
 * and rule objects know neither suppress_prefixlength nor every field that
 * tells one rule from another, so the messages are ours.
 */
#include "kernel/rtnl.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "kernel/attr.h"

/* A family that the kernel was built or booted without has nothing of ours. */
static int without_family(int error)
{
	return error == -EAFNOSUPPORT || error == -EOPNOTSUPP || error == -ENOENT ? 0 : error;
}

/* --- routes --- */

/* Our route in a message; false if it is none. */
static bool parse_route(struct nlmsghdr *hdr, struct kroute *ret_route)
{
	const struct rtmsg *info = nlmsg_data(hdr);
	struct nlattr *tb[RTA_MAX + 1];

	if (nlmsg_datalen(hdr) < (int)sizeof(*info) || info->rtm_protocol != KERNEL_PROTOCOL ||
	    info->rtm_flags & RTM_F_CLONED || info->rtm_dst_len || !ip_size(info->rtm_family) ||
	    nlmsg_parse(hdr, sizeof(*info), tb, RTA_MAX, NULL) < 0)
		return false;
	*ret_route = (struct kroute){ .family = info->rtm_family,
				      .table = tb[RTA_TABLE] ? attr_u32(tb[RTA_TABLE]) : info->rtm_table };
	/* IPv6 has its unreachable routes lead to lo. */
	if (info->rtm_type != RTN_UNICAST)
		return true;
	ret_route->oif = attr_u32(tb[RTA_OIF]);
	(void)attr_ip(tb[RTA_GATEWAY], info->rtm_family, &ret_route->gateway);
	return true;
}

static int take_route(void *arg, struct nlmsghdr *hdr)
{
	struct kstate *state = arg;
	struct kroute route;

	if (hdr->nlmsg_type != RTM_NEWROUTE || !parse_route(hdr, &route))
		return 0;
	return kstate_add_route(state, &route);
}

static int dump_routes(struct netlink *nl, uint8_t family, netlink_message_fn *fn, void *arg)
{
	struct rtmsg info = { .rtm_family = family, .rtm_protocol = KERNEL_PROTOCOL };

	return without_family(
		netlink_dump(nl, netlink_message(RTM_GETROUTE, NLM_F_DUMP, &info, sizeof(info)), fn, arg));
}

int rtnl_read_routes(struct netlink *nl, struct kstate *state)
{
	int r = dump_routes(nl, AF_INET, take_route, state);

	return r ? r : dump_routes(nl, AF_INET6, take_route, state);
}

static struct nl_msg *route_message(uint16_t type, uint16_t flags, const struct kroute *route)
{
	struct rtmsg info = {
		.rtm_family = route->family,
		.rtm_table = RT_TABLE_UNSPEC,
		.rtm_protocol = KERNEL_PROTOCOL,
		.rtm_type = route->oif ? RTN_UNICAST : RTN_UNREACHABLE,
		.rtm_scope = route->oif && route->gateway.family == AF_UNSPEC && route->family == AF_INET ?
				     RT_SCOPE_LINK :
				     RT_SCOPE_UNIVERSE,
		.rtm_flags = route->onlink ? RTNH_F_ONLINK : 0,
	};
	struct nl_msg *msg = netlink_message(type, flags, &info, sizeof(info));

	if (!msg)
		return NULL;
	if (nla_put_u32(msg, RTA_TABLE, route->table) < 0 ||
	    (route->oif && nla_put_u32(msg, RTA_OIF, route->oif) < 0) ||
	    (route->gateway.family != AF_UNSPEC &&
	     nla_put(msg, RTA_GATEWAY, (int)ip_size(route->gateway.family), route->gateway.bytes) < 0)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int delete_route(struct netlink *nl, const struct kroute *route, char text[NETLINK_TEXT_MAX])
{
	int r = netlink_request(nl, route_message(RTM_DELROUTE, 0, route), text);

	/* Gone by itself: with its device, say. */
	return r == -ESRCH || r == -ENOENT || r == -ENODEV ? 0 : r;
}

enum { STRAYS_MAX = 8 };

struct strays {
	const struct kroute *wanted;
	unsigned count;
	struct kroute items[STRAYS_MAX];
};

static int take_stray(void *arg, struct nlmsghdr *hdr)
{
	struct strays *strays = arg;
	struct kroute route;

	if (hdr->nlmsg_type == RTM_NEWROUTE && parse_route(hdr, &route) && strays->count < STRAYS_MAX &&
	    kroute_compare(&route, strays->wanted) == 0 &&
	    (route.oif != strays->wanted->oif || ip_compare(&route.gateway, &strays->wanted->gateway)))
		strays->items[strays->count++] = route;
	return 0;
}

/*
 * Replaces, so that there is a way out all the time. The kernel may leave a
 * route of another kind or metric beside the new one (IPv6 takes it for a
 * second choice): that is deleted afterwards.
 */
static int set_route(struct netlink *nl, const struct kroute *route, char text[NETLINK_TEXT_MAX])
{
	struct strays strays = { .wanted = route };
	int r = netlink_request(nl, route_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route), text);

	if (r)
		return r;
	r = dump_routes(nl, route->family, take_stray, &strays);
	/* Interrupted: the next comparison finds what is left. */
	if (r == -EAGAIN)
		r = 0;
	for (unsigned i = 0; !r && i < strays.count; i++)
		r = delete_route(nl, &strays.items[i], text);
	return r;
}

/* --- rules --- */

/* True if the rule has a condition that we never set; then it is not one of ours, whatever number it bears. */
static bool is_strange(struct nlattr **tb, const struct fib_rule_hdr *info)
{
	return info->flags & FIB_RULE_INVERT || info->tos || tb[FRA_IIFNAME] || tb[FRA_OIFNAME] ||
	       tb[FRA_GOTO] || tb[FRA_L3MDEV] || tb[FRA_UID_RANGE] || tb[FRA_IP_PROTO] ||
	       tb[FRA_SPORT_RANGE] || tb[FRA_DPORT_RANGE] ||
	       (info->action != FR_ACT_TO_TBL && info->action != FR_ACT_UNREACHABLE);
}

static bool parse_rule(struct nlmsghdr *hdr, struct kiprule *ret_rule)
{
	const struct fib_rule_hdr *info = nlmsg_data(hdr);
	struct nlattr *tb[FRA_MAX + 1];

	if (nlmsg_parse(hdr, sizeof(*info), tb, FRA_MAX, NULL) < 0 ||
	    attr_u8(tb[FRA_PROTOCOL]) != KERNEL_PROTOCOL || is_strange(tb, info))
		return false;
	struct kiprule rule = {
		.family = info->family,
		.preference = attr_u32(tb[FRA_PRIORITY]),
		.mark = attr_u32(tb[FRA_FWMARK]),
		.mark_mask = attr_u32(tb[FRA_FWMASK]),
		.unreachable = info->action == FR_ACT_UNREACHABLE,
		/* The kernel has -1 for none, and may say so. */
		.suppress_default = tb[FRA_SUPPRESS_PREFIXLEN] && attr_u32(tb[FRA_SUPPRESS_PREFIXLEN]) == 0,
	};

	if (!rule.unreachable)
		rule.table = tb[FRA_TABLE] ? attr_u32(tb[FRA_TABLE]) : info->table;
	if (tb[FRA_SRC] && !attr_ip(tb[FRA_SRC], info->family, &rule.from.address))
		return false;
	if (tb[FRA_SRC])
		rule.from.length = info->src_len;
	if (tb[FRA_DST] && !attr_ip(tb[FRA_DST], info->family, &rule.to.address))
		return false;
	if (tb[FRA_DST])
		rule.to.length = info->dst_len;
	*ret_rule = rule;
	return true;
}

static int take_rule(void *arg, struct nlmsghdr *hdr)
{
	struct kstate *state = arg;
	struct kiprule rule;

	if (hdr->nlmsg_type != RTM_NEWRULE || !parse_rule(hdr, &rule))
		return 0;
	return kstate_add_rule(state, &rule);
}

int rtnl_read_rules(struct netlink *nl, struct kstate *state)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	for (unsigned i = 0; i < 2; i++) {
		struct fib_rule_hdr info = { .family = families[i] };
		struct nl_msg *msg = netlink_message(RTM_GETRULE, NLM_F_DUMP, &info, sizeof(info));
		int r = without_family(netlink_dump(nl, msg, take_rule, state));

		if (r)
			return r;
	}
	return 0;
}

static bool put_rule(struct nl_msg *msg, const struct kiprule *rule)
{
	if (nla_put_u32(msg, FRA_PRIORITY, rule->preference) < 0 ||
	    nla_put_u8(msg, FRA_PROTOCOL, KERNEL_PROTOCOL) < 0)
		return false;
	if (!rule->unreachable && nla_put_u32(msg, FRA_TABLE, rule->table) < 0)
		return false;
	if (rule->from.address.family != AF_UNSPEC &&
	    nla_put(msg, FRA_SRC, (int)ip_size(rule->from.address.family), rule->from.address.bytes) < 0)
		return false;
	if (rule->to.address.family != AF_UNSPEC &&
	    nla_put(msg, FRA_DST, (int)ip_size(rule->to.address.family), rule->to.address.bytes) < 0)
		return false;
	if (rule->mark_mask && (nla_put_u32(msg, FRA_FWMARK, rule->mark) < 0 ||
				nla_put_u32(msg, FRA_FWMASK, rule->mark_mask) < 0))
		return false;
	return !rule->suppress_default || nla_put_u32(msg, FRA_SUPPRESS_PREFIXLEN, 0) >= 0;
}

static struct nl_msg *rule_message(uint16_t type, uint16_t flags, const struct kiprule *rule)
{
	struct fib_rule_hdr info = {
		.family = rule->family,
		.src_len = rule->from.length,
		.dst_len = rule->to.length,
		.table = RT_TABLE_UNSPEC,
		.action = rule->unreachable ? FR_ACT_UNREACHABLE : FR_ACT_TO_TBL,
	};
	struct nl_msg *msg = netlink_message(type, flags, &info, sizeof(info));

	if (msg && !put_rule(msg, rule)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

static int add_rule(struct netlink *nl, const struct kiprule *rule, char text[NETLINK_TEXT_MAX])
{
	/* Without NLM_F_EXCL the kernel would take a second one just like it. */
	int r = netlink_request(nl, rule_message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule), text);

	return r == -EEXIST ? 0 : r;
}

static int delete_rule(struct netlink *nl, const struct kiprule *rule, char text[NETLINK_TEXT_MAX])
{
	int r = netlink_request(nl, rule_message(RTM_DELRULE, 0, rule), text);

	return r == -ENOENT || r == -ESRCH ? 0 : r;
}

int rtnl_apply(struct netlink *nl, const struct step *step, char text[NETLINK_TEXT_MAX])
{
	text[0] = '\0';
	switch (step->type) {
	case STEP_ROUTE_SET:
		return set_route(nl, step->route, text);
	case STEP_ROUTE_DELETE:
		return delete_route(nl, step->route, text);
	case STEP_IPRULE_ADD:
		return add_rule(nl, step->rule, text);
	case STEP_IPRULE_DELETE:
		return delete_rule(nl, step->rule, text);
	case STEP_SYSCTL:
	case STEP_TABLE_DELETE:
	case STEP_TABLE_ADD:
	case STEP_CHAIN_FLUSH:
	case STEP_ELEMS_DELETE:
	case STEP_CHAIN_DELETE:
	case STEP_SET_DELETE:
	case STEP_SET_ADD:
	case STEP_CHAIN_ADD:
	case STEP_ELEMS_ADD:
	case STEP_RULES_ADD:
		break;
	}
	return -EINVAL;
}

/* --- events --- */

static unsigned route_event(struct nlmsghdr *hdr)
{
	const struct rtmsg *info = nlmsg_data(hdr);

	if (nlmsg_datalen(hdr) < (int)sizeof(*info) || info->rtm_flags & RTM_F_CLONED)
		return 0;
	if (info->rtm_protocol == KERNEL_PROTOCOL)
		return KERNEL_ROUTES;
	return info->rtm_dst_len == 0 && info->rtm_table == RT_TABLE_MAIN ? KERNEL_LINKS : 0;
}

static unsigned rule_event(struct nlmsghdr *hdr)
{
	struct nlattr *protocol = nlmsg_find_attr(hdr, sizeof(struct fib_rule_hdr), FRA_PROTOCOL);

	return attr_u8(protocol) == KERNEL_PROTOCOL ? KERNEL_ROUTES : 0;
}

unsigned rtnl_event(struct nlmsghdr *hdr)
{
	const struct ifinfomsg *info = nlmsg_data(hdr);

	switch (hdr->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (nlmsg_datalen(hdr) < (int)sizeof(*info) || info->ifi_family == AF_BRIDGE)
			return 0;
		/* IPv4 routes that go with a device or an address go without a word. A new device has new sysctls. */
		return KERNEL_LINKS | KERNEL_ROUTES | KERNEL_SYSCTL;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return KERNEL_LINKS | KERNEL_ROUTES;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return route_event(hdr);
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return rule_event(hdr);
	case RTM_NEWNETCONF:
	case RTM_DELNETCONF:
		return KERNEL_SYSCTL;
	default:
		return 0;
	}
}
