/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/nl.h"

#include <errno.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ANSWER_TIMEOUT_MS = 1000 };

static void set_option(struct netlink *nl, int option)
{
	int on = 1;

	/* All of these are luxuries: older kernels do without. */
	(void)setsockopt(netlink_fd(nl), SOL_NETLINK, option, &on, sizeof(on));
}

int netlink_open(struct netlink *nl, int protocol)
{
	*nl = (struct netlink){ .sock = nl_socket_alloc() };
	if (!nl->sock)
		return -ENOMEM;
	errno = 0;
	if (nl_connect(nl->sock, protocol) < 0) {
		int error = errno ? -errno : -EIO;

		netlink_close(nl);
		return error;
	}
	nl->port = nl_socket_get_local_port(nl->sock);
	nl_socket_set_nonblocking(nl->sock);
	nl_socket_set_msg_buf_size(nl->sock, NETLINK_RECEIVE_MAX);
	set_option(nl, NETLINK_EXT_ACK);
	set_option(nl, NETLINK_CAP_ACK);
	set_option(nl, NETLINK_GET_STRICT_CHK);
	return 0;
}

void netlink_close(struct netlink *nl)
{
	nl_socket_free(nl->sock);
	*nl = (struct netlink){ 0 };
}

int netlink_fd(const struct netlink *nl)
{
	return nl_socket_get_fd(nl->sock);
}

int netlink_join(struct netlink *nl, const int *groups, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (setsockopt(netlink_fd(nl), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return -errno;
	return 0;
}

void netlink_leave(struct netlink *nl, int group)
{
	/* At worst we hear of what we do ourselves. */
	(void)setsockopt(netlink_fd(nl), SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group));
}

static void set_buffer(struct netlink *nl, int force, int option, int bytes)
{
	/* Beyond net.core.*mem_max only with CAP_NET_ADMIN in the initial user namespace. */
	if (setsockopt(netlink_fd(nl), SOL_SOCKET, force, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(netlink_fd(nl), SOL_SOCKET, option, &bytes, sizeof(bytes));
}

void netlink_set_receive_buffer(struct netlink *nl, int bytes)
{
	set_buffer(nl, SO_RCVBUFFORCE, SO_RCVBUF, bytes);
}

/* A message larger than the send buffer less 32 bytes is EMSGSIZE. */
static void reserve_send_buffer(struct netlink *nl, size_t length)
{
	int size = 0;
	socklen_t option_length = sizeof(size);

	if (getsockopt(netlink_fd(nl), SOL_SOCKET, SO_SNDBUF, &size, &option_length) < 0 ||
	    (size_t)size < length + 4096)
		set_buffer(nl, SO_SNDBUFFORCE, SO_SNDBUF, (int)(length + 4096));
}

int netlink_send(struct netlink *nl, const void *data, size_t length)
{
	reserve_send_buffer(nl, length);
	errno = 0;
	if (nl_sendto(nl->sock, (void *)data, length) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

int netlink_receive(struct netlink *nl, unsigned char **ret_data)
{
	for (;;) {
		struct sockaddr_nl from = { 0 };
		int n = nl_recv(nl->sock, &from, ret_data, NULL);

		/* libnl has one number for ENOBUFS and ENOMEM. */
		if (n == -NLE_NOMEM)
			return -ENOBUFS;
		if (n == -NLE_AGAIN || n == 0)
			return -EAGAIN;
		if (n < 0)
			return -EIO;
		if (from.nl_pid == 0)
			return n;
		free(*ret_data);
	}
}

int netlink_receive_answer(struct netlink *nl, unsigned char **ret_data)
{
	for (;;) {
		int n = netlink_receive(nl, ret_data);

		if (n != -EAGAIN)
			return n;
		struct pollfd poll_fd = { .fd = netlink_fd(nl), .events = POLLIN };

		n = poll(&poll_fd, 1, ANSWER_TIMEOUT_MS);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -ETIMEDOUT;
	}
}

/* The text that goes with an error, from the attributes behind struct nlmsgerr. */
static void get_text(struct nlmsghdr *hdr, char text[NETLINK_TEXT_MAX])
{
	const struct nlmsgerr *error = nlmsg_data(hdr);
	size_t skip = sizeof(*error);

	text[0] = '\0';
	if (!(hdr->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(hdr->nlmsg_flags & NLM_F_CAPPED))
		skip += error->msg.nlmsg_len - NLMSG_HDRLEN;
	if (nlmsg_datalen(hdr) < 0 || skip > (size_t)nlmsg_datalen(hdr))
		return;
	struct nlattr *attr = nla_find((struct nlattr *)((char *)error + NLMSG_ALIGN(skip)),
				       nlmsg_datalen(hdr) - (int)skip, NLMSGERR_ATTR_MSG);

	if (attr)
		nla_strlcpy(text, attr, NETLINK_TEXT_MAX);
}

struct collection {
	uint32_t first, last;
	netlink_refusal_fn *fn;
	void *arg;
	bool answered;
	bool lost; /* some of the answers: more refusals than the receive buffer holds */
	int error;
};

static void collect(struct collection *collection, struct nlmsghdr *hdr)
{
	const struct nlmsgerr *answer = nlmsg_data(hdr);
	char text[NETLINK_TEXT_MAX];

	if (hdr->nlmsg_type != NLMSG_ERROR || nlmsg_datalen(hdr) < (int)sizeof(*answer) ||
	    !netlink_seq_between(hdr->nlmsg_seq, collection->first, collection->last))
		return;
	if (answer->error == 0) {
		collection->answered |= hdr->nlmsg_seq == collection->last;
		return;
	}
	collection->answered = true;
	if (!collection->error)
		collection->error = answer->error;
	get_text(hdr, text);
	if (collection->fn)
		collection->fn(collection->arg, hdr->nlmsg_seq, answer->error, text);
}

int netlink_transact(struct netlink *nl, const void *data, size_t length, uint32_t first, uint32_t last,
		     netlink_refusal_fn *fn, void *arg)
{
	struct collection collection = { .first = first, .last = last, .fn = fn, .arg = arg };
	int r = netlink_send(nl, data, length);

	if (r)
		return r;
	/* Everything is queued already: after the answer, what is left says only why. */
	for (;;) {
		unsigned char *answer;
		int n = collection.answered ? netlink_receive(nl, &answer) :
					      netlink_receive_answer(nl, &answer);

		if (n == -EAGAIN && collection.answered)
			return collection.error || !collection.lost ? collection.error : -ENOBUFS;
		if (n == -ENOBUFS) {
			collection.answered = collection.lost = true;
			continue;
		}
		if (n < 0)
			return collection.error ? collection.error : n;
		struct nlmsghdr *hdr = (struct nlmsghdr *)answer;

		for (int left = n; nlmsg_ok(hdr, left); hdr = nlmsg_next(hdr, &left))
			collect(&collection, hdr);
		free(answer);
	}
}

static void keep_text(void *arg, uint32_t seq, int error, const char *text)
{
	(void)seq;
	(void)error;
	if (arg)
		snprintf(arg, NETLINK_TEXT_MAX, "%s", text);
}

int netlink_request(struct netlink *nl, struct nl_msg *msg, char text[NETLINK_TEXT_MAX])
{
	if (text)
		text[0] = '\0';
	if (!msg)
		return -ENOMEM;
	struct nlmsghdr *hdr = nlmsg_hdr(msg);

	hdr->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	hdr->nlmsg_seq = ++nl->seq;
	int r = netlink_transact(nl, hdr, hdr->nlmsg_len, hdr->nlmsg_seq, hdr->nlmsg_seq, keep_text, text);

	nlmsg_free(msg);
	return r;
}

struct dump {
	uint32_t seq;
	netlink_message_fn *fn;
	void *arg;
	bool done, interrupted;
	int error;
};

static void take_dumped(struct dump *dump, struct nlmsghdr *hdr)
{
	if (hdr->nlmsg_seq != dump->seq)
		return;
	dump->interrupted |= hdr->nlmsg_flags & NLM_F_DUMP_INTR;
	if (hdr->nlmsg_type == NLMSG_DONE || hdr->nlmsg_type == NLMSG_ERROR) {
		int error = 0;

		/* Both begin with the errno, an acknowledgement's being 0. */
		if (nlmsg_datalen(hdr) >= (int)sizeof(error))
			memcpy(&error, nlmsg_data(hdr), sizeof(error));
		dump->done = true;
		if (!dump->error)
			dump->error = error < 0 ? error : 0;
		return;
	}
	/* After a failure the rest is still read, or the socket could not dump again. */
	if (!dump->error && hdr->nlmsg_type >= NLMSG_MIN_TYPE)
		dump->error = dump->fn(dump->arg, hdr);
}

int netlink_dump(struct netlink *nl, struct nl_msg *msg, netlink_message_fn *fn, void *arg)
{
	if (!msg)
		return -ENOMEM;
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	struct dump dump = { .seq = ++nl->seq, .fn = fn, .arg = arg };

	hdr->nlmsg_flags |= NLM_F_REQUEST;
	/* A plain get has no end mark, so ask for an acknowledgement. */
	if (!(hdr->nlmsg_flags & NLM_F_DUMP))
		hdr->nlmsg_flags |= NLM_F_ACK;
	hdr->nlmsg_seq = dump.seq;
	int r = netlink_send(nl, hdr, hdr->nlmsg_len);

	nlmsg_free(msg);
	while (!r && !dump.done) {
		unsigned char *data;
		int n = netlink_receive_answer(nl, &data);

		if (n < 0)
			return n;
		hdr = (struct nlmsghdr *)data;
		for (int left = n; nlmsg_ok(hdr, left); hdr = nlmsg_next(hdr, &left))
			take_dumped(&dump, hdr);
		free(data);
	}
	if (!r)
		r = dump.error;
	return !r && dump.interrupted ? -EAGAIN : r;
}

struct nl_msg *netlink_message(uint16_t type, uint16_t flags, const void *payload, size_t length)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (msg && nlmsg_append(msg, (void *)payload, length, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}
