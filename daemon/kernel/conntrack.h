/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_CONNTRACK_H
#define PORTICO_KERNEL_CONNTRACK_H

/* Goes through the connection-tracking table, a piece per turn of the loop, and deletes what is stale. */

#include <linux/netlink.h>
#include <stdbool.h>

#include "base/loop.h"
#include "kernel/nl.h"
#include "model/flow.h"

struct sweep;

/* `commands` is the socket over which entries are deleted; it stays the caller's. */
int sweep_new(struct loop *loop, struct netlink *commands, struct sweep **ret_sweep);
void sweep_free(struct sweep *sweep); /* takes NULL */

/* Starts; while it runs, once more when it is done. */
int sweep_start(struct sweep *sweep, bool (*stale)(void *arg, const struct flow *flow), void *arg);

/* An entry of a dump as a flow; false if it is none that we understand. */
bool conntrack_parse(struct nlmsghdr *hdr, struct flow *ret_flow);

#endif
