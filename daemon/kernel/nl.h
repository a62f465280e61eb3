/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_NL_H
#define PORTICO_KERNEL_NL_H

/*
 * A netlink socket, libnl's, with requests that wait for their answer. The
 * kernel answers while the request is being sent, so waiting is a formality;
 * it is bounded all the same.
 */

#include <linux/netlink.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	NETLINK_TEXT_MAX = 256,          /* struct step_failure.text */
	NETLINK_RECEIVE_MAX = 96 * 1024, /* largest message: one attribute of 64 KiB and what is around it */
};

struct netlink {
	struct nl_sock *sock; /* NULL: closed */
	uint32_t port;        /* our address: nlmsg_pid of what we cause */
	uint32_t seq;
};

/* Opens a socket of NETLINK_ROUTE, NETLINK_NETFILTER or NETLINK_SOCK_DIAG, nonblocking. */
int netlink_open(struct netlink *nl, int protocol);
void netlink_close(struct netlink *nl); /* also one that was never opened, if zeroed */
int netlink_fd(const struct netlink *nl);
int netlink_join(struct netlink *nl, const int *groups, unsigned count);
void netlink_leave(struct netlink *nl, int group);
void netlink_set_receive_buffer(struct netlink *nl, int bytes);

/* Sends as it is. */
int netlink_send(struct netlink *nl, const void *data, size_t length);

/*
 * What the kernel sent next, in memory that the caller frees; its length, or
 * -EAGAIN when there is nothing (left), -ENOBUFS when messages were lost. What
 * another process sent is dropped.
 */
int netlink_receive(struct netlink *nl, unsigned char **ret_data);
/* As netlink_receive(), but waits up to a second for the first message; -ETIMEDOUT when none came. */
int netlink_receive_answer(struct netlink *nl, unsigned char **ret_data);

/* `text` is the kernel's extended-ack message, "" if it has none. */
typedef void netlink_refusal_fn(void *arg, uint32_t seq, int error, const char *text);

/*
 * Sends messages numbered `first` to `last`, of which the last asks for an
 * acknowledgement, in one piece, and collects what the kernel says. `fn` hears of each refusal.
 * 0, or the first refusal.
 */
int netlink_transact(struct netlink *nl, const void *data, size_t length, uint32_t first, uint32_t last,
		     netlink_refusal_fn *fn, void *arg);

/* One request with an acknowledgement. Frees the message, also NULL (-ENOMEM). `text` may be NULL. */
int netlink_request(struct netlink *nl, struct nl_msg *msg, char text[NETLINK_TEXT_MAX]);

typedef int netlink_message_fn(void *arg, struct nlmsghdr *hdr);

/*
 * Calls `fn` with each object of a dump (or the one of a plain get); what it
 * returns, if not 0, is the result. Frees the message, also NULL (-ENOMEM).
 * -EAGAIN: the kernel's list changed meanwhile, start over.
 */
int netlink_dump(struct netlink *nl, struct nl_msg *msg, netlink_message_fn *fn, void *arg);

/* The header and `payload` of a message about to be requested; NULL when out of memory. */
struct nl_msg *netlink_message(uint16_t type, uint16_t flags, const void *payload, size_t length);

/* True if `seq` is one of first..last, which may wrap around. */
static inline bool netlink_seq_between(uint32_t seq, uint32_t first, uint32_t last)
{
	return seq - first <= last - first;
}

#endif
