/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/conntrack.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "kernel/attr.h"

enum {
	PIECES_PER_TURN = 4, /* of the dump, each of at most 32 KiB: some 150 entries */
	RESTARTS_MAX = 3,    /* after lost messages */
};

struct sweep {
	struct loop *loop;
	struct netlink *commands;
	struct netlink nl; /* the dump; a socket of its own, as it stays open between turns */
	struct watch *watch;
	bool (*stale)(void *arg, const struct flow *flow);
	void *arg;
	bool running, again;
	unsigned restarts, deleted;
};

static uint16_t message_type(unsigned type)
{
	return (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
}

static struct nl_msg *message(unsigned type, uint16_t flags, uint8_t family)
{
	struct nfgenmsg header = { .nfgen_family = family, .version = NFNETLINK_V0 };

	return netlink_message(message_type(type), flags, &header, sizeof(header));
}

/* --- entries --- */

struct tuple {
	uint8_t protocol;
	struct ip source, destination;
	uint16_t source_port, destination_port;
};

static bool get_ip(const struct nlattr *v4, const struct nlattr *v6, struct ip *ret_ip)
{
	return attr_ip(v4, AF_INET, ret_ip) || attr_ip(v6, AF_INET6, ret_ip);
}

static bool parse_tuple(struct nlattr *nest, struct tuple *ret_tuple)
{
	struct nlattr *tb[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];

	if (!nest || nla_parse_nested(tb, CTA_TUPLE_MAX, nest, NULL) < 0 || !tb[CTA_TUPLE_IP] ||
	    !tb[CTA_TUPLE_PROTO] || nla_parse_nested(ip, CTA_IP_MAX, tb[CTA_TUPLE_IP], NULL) < 0 ||
	    nla_parse_nested(proto, CTA_PROTO_MAX, tb[CTA_TUPLE_PROTO], NULL) < 0 || !proto[CTA_PROTO_NUM])
		return false;
	ret_tuple->protocol = attr_u8(proto[CTA_PROTO_NUM]);
	ret_tuple->source_port = attr_be16(proto[CTA_PROTO_SRC_PORT]);
	ret_tuple->destination_port = attr_be16(proto[CTA_PROTO_DST_PORT]);
	return get_ip(ip[CTA_IP_V4_SRC], ip[CTA_IP_V6_SRC], &ret_tuple->source) &&
	       get_ip(ip[CTA_IP_V4_DST], ip[CTA_IP_V6_DST], &ret_tuple->destination);
}

bool conntrack_parse(struct nlmsghdr *hdr, struct flow *ret_flow)
{
	struct nlattr *tb[CTA_MAX + 1];
	struct tuple original, reply;

	if (hdr->nlmsg_type != message_type(IPCTNL_MSG_CT_NEW) ||
	    nlmsg_parse(hdr, sizeof(struct nfgenmsg), tb, CTA_MAX, NULL) < 0 ||
	    !parse_tuple(tb[CTA_TUPLE_ORIG], &original) || !parse_tuple(tb[CTA_TUPLE_REPLY], &reply))
		return false;
	uint32_t status = attr_be32(tb[CTA_STATUS]);

	*ret_flow = (struct flow){
		.protocol = original.protocol,
		.source = original.source,
		.destination = original.destination,
		.source_port = original.source_port,
		.destination_port = original.destination_port,
		.reply_source = reply.source,
		.reply_destination = reply.destination,
		.reply_source_port = reply.source_port,
		.reply_destination_port = reply.destination_port,
		.mark = attr_be32(tb[CTA_MARK]),
		.source_nat = status & IPS_SRC_NAT,
		.destination_nat = status & IPS_DST_NAT,
	};
	return true;
}

static bool copy_attr(struct nl_msg *msg, struct nlattr *attr)
{
	return !attr || nla_put(msg, attr->nla_type, nla_len(attr), nla_data(attr)) >= 0;
}

/*
 * Deletes the entry of this message: its tuple, zone and id as they came. A
 * deletion without a tuple would empty the whole table, so there is none.
 */
static int delete_entry(struct netlink *commands, struct nlmsghdr *hdr)
{
	const struct nfgenmsg *header = nlmsg_data(hdr);
	struct nlattr *tb[CTA_MAX + 1];

	if (nlmsg_parse(hdr, sizeof(*header), tb, CTA_MAX, NULL) < 0 || !tb[CTA_TUPLE_ORIG])
		return -EINVAL;
	struct nl_msg *msg = message(IPCTNL_MSG_CT_DELETE, 0, header->nfgen_family);

	if (msg && (!copy_attr(msg, tb[CTA_TUPLE_ORIG]) || !copy_attr(msg, tb[CTA_ZONE]) ||
		    !copy_attr(msg, tb[CTA_ID]))) {
		nlmsg_free(msg);
		msg = NULL;
	}
	int r = netlink_request(commands, msg, NULL);

	return r == -ENOENT ? 0 : r;
}

/* --- the walk --- */

static int request_dump(struct sweep *sweep)
{
	struct nl_msg *msg = message(IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, AF_UNSPEC);

	if (!msg)
		return -ENOMEM;
	struct nlmsghdr *hdr = nlmsg_hdr(msg);

	hdr->nlmsg_seq = ++sweep->nl.seq;
	int r = netlink_send(&sweep->nl, hdr, hdr->nlmsg_len);

	nlmsg_free(msg);
	return r;
}

static void on_readable(void *arg, uint32_t events);

/* A new socket for each walk: whatever is left of an earlier dump is gone with it. */
static int begin(struct sweep *sweep)
{
	int r = netlink_open(&sweep->nl, NETLINK_NETFILTER);

	if (!r)
		r = watch_new(sweep->loop, netlink_fd(&sweep->nl), EPOLLIN, on_readable, sweep,
			      &sweep->watch);
	if (!r)
		r = request_dump(sweep);
	return r;
}

static void end(struct sweep *sweep)
{
	watch_free(sweep->watch);
	sweep->watch = NULL;
	netlink_close(&sweep->nl);
}

static void finish(struct sweep *sweep, int error)
{
	bool again = sweep->again;

	end(sweep);
	sweep->running = false;
	if (error == -ENOBUFS && sweep->restarts < RESTARTS_MAX) {
		sweep->restarts++;
		again = true;
	} else {
		if (error)
			log_warning(
				"connection tracking could not be swept: %s%s", strerror(-error),
				error == -EINVAL || error == -EOPNOTSUPP ?
					" (module nf_conntrack_netlink missing? on OpenWrt: kmod-nf-conntrack-netlink)" :
					"");
		else if (sweep->deleted)
			log_info("connection tracking: %u stale entries deleted", sweep->deleted);
		sweep->restarts = 0;
	}
	if (!again)
		return;
	int r = sweep_start(sweep, sweep->stale, sweep->arg);

	if (r)
		log_warning("connection tracking could not be swept: %s", strerror(-r));
}

/* 0: go on; 1: done. */
static int take_message(struct sweep *sweep, struct nlmsghdr *hdr)
{
	struct flow flow;

	if (hdr->nlmsg_seq != sweep->nl.seq)
		return 0;
	if (hdr->nlmsg_type == NLMSG_DONE)
		return 1;
	if (hdr->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *error = nlmsg_data(hdr);

		return nlmsg_datalen(hdr) < (int)sizeof(*error) ? -EPROTO :
		       error->error < 0                         ? error->error :
								  1;
	}
	if (!conntrack_parse(hdr, &flow) || !sweep->stale(sweep->arg, &flow))
		return 0;
	int r = delete_entry(sweep->commands, hdr);

	if (!r)
		sweep->deleted++;
	return r;
}

static int take_piece(struct sweep *sweep)
{
	unsigned char *data;
	int n = netlink_receive(&sweep->nl, &data), r = 0;

	if (n < 0)
		return n;
	struct nlmsghdr *hdr = (struct nlmsghdr *)data;

	for (int left = n; !r && nlmsg_ok(hdr, left); hdr = nlmsg_next(hdr, &left))
		r = take_message(sweep, hdr);
	free(data);
	return r;
}

static void on_readable(void *arg, uint32_t events)
{
	struct sweep *sweep = arg;

	(void)events;
	for (unsigned i = 0; i < PIECES_PER_TURN; i++) {
		int r = take_piece(sweep);

		if (r == -EAGAIN)
			return;
		if (r) {
			finish(sweep, r < 0 ? r : 0);
			return;
		}
	}
}

int sweep_start(struct sweep *sweep, bool (*stale)(void *arg, const struct flow *flow), void *arg)
{
	sweep->stale = stale;
	sweep->arg = arg;
	if (sweep->running) {
		sweep->again = true;
		return 0;
	}
	sweep->again = false;
	sweep->deleted = 0;
	int r = begin(sweep);

	if (r)
		end(sweep);
	else
		sweep->running = true;
	return r;
}

int sweep_new(struct loop *loop, struct netlink *commands, struct sweep **ret_sweep)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));

	if (!sweep)
		return -ENOMEM;
	sweep->loop = loop;
	sweep->commands = commands;
	*ret_sweep = sweep;
	return 0;
}

void sweep_free(struct sweep *sweep)
{
	if (!sweep)
		return;
	end(sweep);
	free(sweep);
}
