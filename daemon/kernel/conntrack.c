/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/worker.h"
#include "kernel/attr.h"
#include "model/live.h"

enum {
	/* The kernel makes pieces of at most 32 KiB, some 150 entries: that is what the loop judges at a time. */
	PIECE_MESSAGES_MAX = NETLINK_RECEIVE_MAX / NLMSG_HDRLEN,
	RESTARTS_MAX = 3, /* after lost messages */
};

/*
 * The kernel looks through its whole table inside our system calls, so these are made by a thread: it fetches
 * a piece of the table, the loop judges it, the thread carries that out and fetches the next. What is below
 * `running` is the thread's while it has a job, and the loop's otherwise.
 */
struct sweep {
	struct worker *worker; /* NULL: nothing was searched for yet */
	struct timer *resting; /* searches follow each other no faster than they go */
	enum flow_fate (*judge)(void *arg, const struct flow *flow);
	void *arg;
	struct loop *loop;
	bool running, again;

	struct netlink dump, commands;
	bool requested, complete; /* the dump was; everything of it has come */
	unsigned char *piece;
	int length;                        /* of the piece, or why there is none */
	uint8_t fates[PIECE_MESSAGES_MAX]; /* enum flow_fate of each message in the piece */
	int refused;                       /* the first change that the kernel refused */
	unsigned restarts, deleted, ended;
	uint64_t began_ms;
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
		.replied = status & IPS_SEEN_REPLY,
		.expected = status & IPS_EXPECTED,
		.offloaded = status & (IPS_OFFLOAD | IPS_HW_OFFLOAD),
	};
	return true;
}

static bool copy_attr(struct nl_msg *msg, struct nlattr *attr)
{
	return !attr || nla_put(msg, attr->nla_type, nla_len(attr), nla_data(attr)) >= 0;
}

/* A request about the entry of this message: its tuple and zone as they came. NULL: out of memory, or none. */
static struct nl_msg *entry_message(unsigned type, struct nlmsghdr *hdr, bool with_id)
{
	const struct nfgenmsg *header = nlmsg_data(hdr);
	struct nlattr *tb[CTA_MAX + 1];

	/* A deletion without a tuple would empty the whole table. */
	if (nlmsg_parse(hdr, sizeof(*header), tb, CTA_MAX, NULL) < 0 || !tb[CTA_TUPLE_ORIG])
		return NULL;
	struct nl_msg *msg = message(type, 0, header->nfgen_family);

	if (msg && (!copy_attr(msg, tb[CTA_TUPLE_ORIG]) || !copy_attr(msg, tb[CTA_ZONE]) ||
		    (with_id && !copy_attr(msg, tb[CTA_ID])))) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

static int delete_entry(struct netlink *commands, struct nlmsghdr *hdr)
{
	return netlink_request(commands, entry_message(IPCTNL_MSG_CT_DELETE, hdr, true), NULL);
}

/*
 * As if it had been closed: a new connection from the same port to the same is taken for what it is. The entry
 * nevertheless stays as long as if nothing came any more, and what still comes does not prolong that.
 */
static bool put_closed(struct nl_msg *msg, uint32_t status)
{
	const struct nf_ct_tcp_flags flags = { .flags = IP_CT_TCP_FLAG_CLOSE_INIT,
					       .mask = IP_CT_TCP_FLAG_CLOSE_INIT };

	if (nla_put_u32(msg, CTA_STATUS, htonl(status | IPS_FIXED_TIMEOUT)) < 0)
		return false;
	struct nlattr *info = nla_nest_start(msg, CTA_PROTOINFO);
	struct nlattr *tcp = info ? nla_nest_start(msg, CTA_PROTOINFO_TCP) : NULL;

	if (!tcp || nla_put_u8(msg, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_CLOSE) < 0 ||
	    nla_put(msg, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(flags), &flags) < 0)
		return false;
	nla_nest_end(msg, tcp);
	nla_nest_end(msg, info);
	return true;
}

static bool is_tcp(struct nlattr *info)
{
	return info && nla_find(nla_data(info), nla_len(info), CTA_PROTOINFO_TCP);
}

static struct nl_msg *end_message(struct nlmsghdr *hdr)
{
	struct nl_msg *msg = entry_message(IPCTNL_MSG_CT_NEW, hdr, false);
	struct nlattr *tb[CTA_MAX + 1];

	if (msg && (nlmsg_parse(hdr, sizeof(struct nfgenmsg), tb, CTA_MAX, NULL) < 0 ||
		    nla_put_u32(msg, CTA_MARK, htonl(MARK_ENDED)) < 0 ||
		    nla_put_u32(msg, CTA_MARK_MASK, htonl(MARK_ENDED)) < 0 ||
		    (is_tcp(tb[CTA_PROTOINFO]) && !put_closed(msg, attr_be32(tb[CTA_STATUS]))))) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

/* The table sees to the rest. The entry stays: without it the next packet would begin a connection of its own. */
static int end_entry(struct netlink *commands, struct nlmsghdr *hdr)
{
	return netlink_request(commands, end_message(hdr), NULL);
}

/* --- on the thread --- */

static void note_refusal(struct sweep *sweep, int error, unsigned *count)
{
	if (!error)
		(*count)++;
	/* It may have ended by itself, or just now come to its next state: then the next search finds it. */
	else if (error != -ENOENT && error != -EBUSY && !sweep->refused)
		sweep->refused = error;
}

/* What the loop has decided about the piece. */
static void carry_out(struct sweep *sweep)
{
	struct nlmsghdr *hdr = (struct nlmsghdr *)sweep->piece;
	int left = sweep->length;

	for (unsigned i = 0; i < PIECE_MESSAGES_MAX && nlmsg_ok(hdr, left); i++) {
		switch ((enum flow_fate)sweep->fates[i]) {
		case FLOW_STAYS:
			break;
		case FLOW_IS_DELETED:
			note_refusal(sweep, delete_entry(&sweep->commands, hdr), &sweep->deleted);
			break;
		case FLOW_ENDS:
			note_refusal(sweep, end_entry(&sweep->commands, hdr), &sweep->ended);
			break;
		}
		hdr = nlmsg_next(hdr, &left);
	}
	free(sweep->piece);
	sweep->piece = NULL;
}

static int request_dump(struct sweep *sweep)
{
	struct nl_msg *msg = message(IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, AF_UNSPEC);

	if (!msg)
		return -ENOMEM;
	struct nlmsghdr *hdr = nlmsg_hdr(msg);

	hdr->nlmsg_seq = ++sweep->dump.seq;
	int r = netlink_send(&sweep->dump, hdr, hdr->nlmsg_len);

	nlmsg_free(msg);
	return r;
}

static void work(void *arg)
{
	struct sweep *sweep = arg;
	int r = 0;

	if (sweep->piece)
		carry_out(sweep);
	if (sweep->complete)
		return;
	if (!sweep->requested)
		r = request_dump(sweep);
	sweep->requested = true;
	sweep->length = r ? r : netlink_receive_answer(&sweep->dump, &sweep->piece);
}

/* --- on the loop --- */

static void warn(int error)
{
	log_warning("connection tracking could not be swept: %s%s", strerror(-error),
		    error == -EINVAL || error == -EOPNOTSUPP ?
			    " (module nf_conntrack_netlink missing? on OpenWrt: kmod-nf-conntrack-netlink)" :
			    "");
}

static void close_walk(struct sweep *sweep)
{
	free(sweep->piece);
	sweep->piece = NULL;
	netlink_close(&sweep->dump);
	netlink_close(&sweep->commands);
}

static void finish(struct sweep *sweep, int error)
{
	uint64_t took_ms = loop_now_ms() - sweep->began_ms;

	close_walk(sweep);
	sweep->running = false;
	if (error == -ENOBUFS && sweep->restarts < RESTARTS_MAX) {
		sweep->restarts++;
		sweep->again = true;
	} else {
		if (error || sweep->refused)
			warn(error ? error : sweep->refused);
		if (sweep->deleted || sweep->ended)
			log_info("connection tracking: %u stale entries deleted, %u connections ended",
				 sweep->deleted, sweep->ended);
		sweep->restarts = 0;
	}
	if (sweep->again)
		timer_start(sweep->resting, took_ms);
}

/* 0: go on; 1: that was the last. */
static int judge_message(struct sweep *sweep, struct nlmsghdr *hdr, uint8_t *ret_fate)
{
	struct flow flow;

	*ret_fate = FLOW_STAYS;
	if (hdr->nlmsg_seq != sweep->dump.seq)
		return 0;
	if (hdr->nlmsg_type == NLMSG_DONE)
		return 1;
	if (hdr->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *error = nlmsg_data(hdr);

		return nlmsg_datalen(hdr) < (int)sizeof(*error) ? -EPROTO :
		       error->error < 0                         ? error->error :
								  1;
	}
	if (conntrack_parse(hdr, &flow))
		*ret_fate = (uint8_t)sweep->judge(sweep->arg, &flow);
	return 0;
}

static int judge_piece(struct sweep *sweep)
{
	struct nlmsghdr *hdr = (struct nlmsghdr *)sweep->piece;
	int left = sweep->length, r = 0;

	memset(sweep->fates, FLOW_STAYS, sizeof(sweep->fates));
	for (unsigned i = 0; !r && i < PIECE_MESSAGES_MAX && nlmsg_ok(hdr, left); i++) {
		r = judge_message(sweep, hdr, &sweep->fates[i]);
		hdr = nlmsg_next(hdr, &left);
	}
	return r;
}

static void on_piece(void *arg)
{
	struct sweep *sweep = arg;
	int r = 0;

	if (sweep->complete) {
		finish(sweep, 0);
		return;
	}
	r = sweep->length < 0 ? sweep->length : judge_piece(sweep);
	if (r > 0)
		sweep->complete = true;
	if (r >= 0)
		r = worker_submit(sweep->worker, work, on_piece, sweep);
	if (r < 0)
		finish(sweep, r);
}

/* New sockets for each walk: whatever is left of an earlier dump is gone with it. */
static int begin(struct sweep *sweep)
{
	int r = sweep->worker ? 0 : worker_new(sweep->loop, &sweep->worker);

	if (!r)
		r = netlink_open(&sweep->dump, NETLINK_NETFILTER);
	if (!r)
		r = netlink_open(&sweep->commands, NETLINK_NETFILTER);
	sweep->requested = sweep->complete = false;
	sweep->refused = 0;
	sweep->deleted = sweep->ended = 0;
	sweep->began_ms = loop_now_ms();
	return r ? r : worker_submit(sweep->worker, work, on_piece, sweep);
}

int sweep_start(struct sweep *sweep, enum flow_fate (*judge)(void *arg, const struct flow *flow), void *arg)
{
	sweep->judge = judge;
	sweep->arg = arg;
	sweep->again = sweep->running || timer_running(sweep->resting);
	if (sweep->again)
		return 0;
	int r = begin(sweep);

	if (r)
		close_walk(sweep);
	else
		sweep->running = true;
	return r;
}

static void on_rested(void *arg)
{
	struct sweep *sweep = arg;
	int r = sweep_start(sweep, sweep->judge, sweep->arg);

	if (r)
		warn(r);
}

int sweep_new(struct loop *loop, struct sweep **ret_sweep)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));

	if (!sweep)
		return -ENOMEM;
	int r = timer_new(loop, on_rested, sweep, &sweep->resting);

	if (r) {
		free(sweep);
		return r;
	}
	sweep->loop = loop;
	*ret_sweep = sweep;
	return 0;
}

void sweep_free(struct sweep *sweep)
{
	if (!sweep)
		return;
	worker_free(sweep->worker); /* the thread is done with the rest */
	timer_free(sweep->resting);
	close_walk(sweep);
	free(sweep);
}
