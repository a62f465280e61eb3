/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices with their addresses and the default routes of the main table. */
#include "kernel/rtnl.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/attr.h"

enum {
	LINKS_MAX = 4096,          /* devices; a host full of containers has hundreds */
	LINK_ADDRESSES_MAX = 1024, /* of one device */
};

struct reader {
	struct links links; /* by index, as the kernel dumps them, until sorted */
	unsigned size;
	struct notes {
		unsigned primary_count; /* addresses at the front that are not secondary */
	} * notes;                      /* of links.items[i] */
};

static bool is_bridge(struct nlattr *info)
{
	struct nlattr *tb[IFLA_INFO_MAX + 1];

	return info && nla_parse_nested(tb, IFLA_INFO_MAX, info, NULL) == 0 && tb[IFLA_INFO_KIND] &&
	       nla_strcmp(tb[IFLA_INFO_KIND], "bridge") == 0;
}

static int grow(struct reader *reader)
{
	unsigned size = reader->size ? reader->size * 2 : 16;
	struct link *items = reallocarray(reader->links.items, size, sizeof(*items));

	if (!items)
		return -ENOMEM;
	reader->links.items = items;
	struct notes *notes = reallocarray(reader->notes, size, sizeof(*notes));

	if (!notes)
		return -ENOMEM;
	reader->notes = notes;
	reader->size = size;
	return 0;
}

static int take_link(void *arg, struct nlmsghdr *hdr)
{
	const struct ifinfomsg *info = nlmsg_data(hdr);
	struct nlattr *tb[IFLA_MAX + 1];
	struct reader *reader = arg;

	if (hdr->nlmsg_type != RTM_NEWLINK || reader->links.count == LINKS_MAX)
		return 0;
	if (nlmsg_parse(hdr, sizeof(*info), tb, IFLA_MAX, NULL) < 0 || !tb[IFLA_IFNAME])
		return -EPROTO;
	if (reader->links.count == reader->size && grow(reader) < 0)
		return -ENOMEM;
	reader->notes[reader->links.count] = (struct notes){ 0 };
	struct link *link = &reader->links.items[reader->links.count++];

	*link = (struct link){
		.index = (uint32_t)info->ifi_index,
		/* IFF_RUNNING also where the driver cannot tell whether there is carrier. */
		.up = info->ifi_flags & IFF_UP && info->ifi_flags & IFF_RUNNING,
		.point_to_point = info->ifi_flags & (IFF_POINTOPOINT | IFF_NOARP),
		.loopback = info->ifi_flags & IFF_LOOPBACK,
		.bridge = is_bridge(tb[IFLA_LINKINFO]),
	};
	nla_strlcpy(link->name, tb[IFLA_IFNAME], sizeof(link->name));
	return 0;
}

static struct link *find_index(struct reader *reader, uint32_t index)
{
	/* Dumped in hash order: indices are mostly small and in turn, but not always. */
	for (unsigned i = 0; i < reader->links.count; i++)
		if (reader->links.items[i].index == index)
			return &reader->links.items[i];
	return NULL;
}

/* In the kernel's order, but primary addresses before secondary and temporary ones. */
static int add_address(struct reader *reader, struct link *link, const struct link_address *address,
		       bool primary)
{
	struct notes *notes = &reader->notes[link - reader->links.items];
	unsigned count = link->address_count, at = primary ? notes->primary_count : count;

	if (count == LINK_ADDRESSES_MAX)
		return 0;
	/* Room for one more whenever the count is a power of two. */
	if ((count & (count - 1)) == 0) {
		struct link_address *bigger = reallocarray(link->addresses, count ? count * 2 : 1,
							   sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		link->addresses = bigger;
	}
	memmove(&link->addresses[at + 1], &link->addresses[at], (count - at) * sizeof(*address));
	link->addresses[at] = *address;
	link->address_count++;
	notes->primary_count += primary;
	return 0;
}

static int take_address(void *arg, struct nlmsghdr *hdr)
{
	const struct ifaddrmsg *info = nlmsg_data(hdr);
	struct link_address address = { 0 };
	struct nlattr *tb[IFA_MAX + 1];
	struct reader *reader = arg;

	if (hdr->nlmsg_type != RTM_NEWADDR)
		return 0;
	if (nlmsg_parse(hdr, sizeof(*info), tb, IFA_MAX, NULL) < 0)
		return -EPROTO;
	uint32_t flags = tb[IFA_FLAGS] ? attr_u32(tb[IFA_FLAGS]) : info->ifa_flags;
	struct link *link = find_index(reader, info->ifa_index);

	if (!link || flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED))
		return 0;
	/* With a peer, IFA_ADDRESS is the peer's and IFA_LOCAL ours; IPv6 without one has no IFA_LOCAL. */
	if (!attr_ip(tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS], info->ifa_family, &address.address))
		return 0;
	if (tb[IFA_LOCAL] && attr_ip(tb[IFA_ADDRESS], info->ifa_family, &address.peer) &&
	    ip_compare(&address.peer, &address.address) == 0)
		address.peer = (struct ip){ 0 };
	address.prefix_length = info->ifa_prefixlen;
	address.deprecated = flags & IFA_F_DEPRECATED;
	return add_address(reader, link, &address, !(flags & IFA_F_SECONDARY));
}

/* One way of a default route; the lowest metric of each device wins, the first among equals. */
static void take_way(struct reader *reader, uint8_t family, uint32_t index, uint32_t metric,
		     const struct ip *gateway)
{
	struct link *link = find_index(reader, index);

	if (!link)
		return;
	bool *there = family == AF_INET ? &link->default_route4 : &link->default_route6;
	struct ip *kept = family == AF_INET ? &link->gateway4 : &link->gateway6;
	uint32_t *lowest = family == AF_INET ? &link->metric4 : &link->metric6;

	if (*there && *lowest <= metric)
		return;
	*there = true;
	*lowest = metric;
	*kept = *gateway;
}

/* "default from 2001:db8:1::/56 dev ..." */
static void take_source(struct reader *reader, uint32_t index, struct nlattr *source,
			const struct rtmsg *info)
{
	struct link *link = find_index(reader, index);
	struct ip address;

	if (!link || link->source_count == LINK_SOURCES_MAX || !attr_ip(source, info->rtm_family, &address))
		return;
	struct prefix prefix = prefix_of(&address, info->rtm_src_len);

	for (unsigned i = 0; i < link->source_count; i++)
		if (prefix_compare(&link->sources[i], &prefix) == 0)
			return;
	link->sources[link->source_count++] = prefix;
}

static void take_multipath(struct reader *reader, uint8_t family, uint32_t metric, struct nlattr *multipath)
{
	struct rtnexthop *hop = nla_data(multipath);
	int left = nla_len(multipath);

	while (left >= (int)sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left) {
		struct ip gateway = { 0 };

		(void)attr_ip(nla_find((struct nlattr *)RTNH_DATA(hop), hop->rtnh_len - (int)sizeof(*hop),
				       RTA_GATEWAY),
			      family, &gateway);
		take_way(reader, family, (uint32_t)hop->rtnh_ifindex, metric, &gateway);
		left -= (int)RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
}

static int take_route(void *arg, struct nlmsghdr *hdr)
{
	const struct rtmsg *info = nlmsg_data(hdr);
	struct nlattr *tb[RTA_MAX + 1];
	struct reader *reader = arg;
	struct ip gateway = { 0 };

	/* Looked at first: there may be a full routing table of the internet. */
	if (hdr->nlmsg_type != RTM_NEWROUTE || nlmsg_datalen(hdr) < (int)sizeof(*info) || info->rtm_dst_len ||
	    info->rtm_type != RTN_UNICAST || info->rtm_table != RT_TABLE_MAIN || info->rtm_tos ||
	    info->rtm_flags & RTM_F_CLONED)
		return 0;
	if (nlmsg_parse(hdr, sizeof(*info), tb, RTA_MAX, NULL) < 0)
		return -EPROTO;
	uint32_t metric = tb[RTA_PRIORITY] ? attr_u32(tb[RTA_PRIORITY]) : 0;

	if (tb[RTA_MULTIPATH]) {
		take_multipath(reader, info->rtm_family, metric, tb[RTA_MULTIPATH]);
		return 0;
	}
	(void)attr_ip(tb[RTA_GATEWAY], info->rtm_family, &gateway);
	if (tb[RTA_OIF] && info->rtm_src_len)
		take_source(reader, attr_u32(tb[RTA_OIF]), tb[RTA_SRC], info);
	/* The way out for some sources is that of the uplink for all. */
	if (tb[RTA_OIF])
		take_way(reader, info->rtm_family, attr_u32(tb[RTA_OIF]), metric, &gateway);
	return 0;
}

static int dump_links(struct netlink *nl, struct reader *reader)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = netlink_message(RTM_GETLINK, NLM_F_DUMP, &info, sizeof(info));

	if (msg && nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return netlink_dump(nl, msg, take_link, reader);
}

static int dump_addresses(struct netlink *nl, struct reader *reader)
{
	struct ifaddrmsg info = { .ifa_family = AF_UNSPEC };

	return netlink_dump(nl, netlink_message(RTM_GETADDR, NLM_F_DUMP, &info, sizeof(info)), take_address,
			    reader);
}

static int dump_defaults(struct netlink *nl, struct reader *reader, uint8_t family)
{
	struct rtmsg info = { .rtm_family = family, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST };
	int r = netlink_dump(nl, netlink_message(RTM_GETROUTE, NLM_F_DUMP, &info, sizeof(info)), take_route,
			     reader);

	/* No such table yet, or no such family. */
	return r == -ENOENT || r == -EAFNOSUPPORT || r == -EOPNOTSUPP ? 0 : r;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct link *)a)->name, ((const struct link *)b)->name);
}

int rtnl_read_links(struct netlink *nl, struct links *ret_links)
{
	struct reader reader = { 0 };
	int r = dump_links(nl, &reader);

	if (!r)
		r = dump_addresses(nl, &reader);
	if (!r)
		r = dump_defaults(nl, &reader, AF_INET);
	if (!r)
		r = dump_defaults(nl, &reader, AF_INET6);
	free(reader.notes);
	if (r) {
		links_done(&reader.links);
		return r;
	}
	if (reader.links.count > 1)
		qsort(reader.links.items, reader.links.count, sizeof(*reader.links.items), compare_names);
	*ret_links = reader.links;
	return 0;
}
