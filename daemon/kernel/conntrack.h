/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_CONNTRACK_H
#define PORTICO_KERNEL_CONNTRACK_H

/*
 * Goes through the connection-tracking table, piece by piece: a thread of its own fetches, the loop judges.
 */

#include <linux/netlink.h>
#include <stdbool.h>

#include "base/loop.h"
#include "kernel/nl.h"
#include "model/flow.h"

struct sweep;

int sweep_new(struct loop *loop, struct sweep **ret_sweep);
/* Waits for the piece being fetched. Takes NULL. Not from within `judge`. */
void sweep_free(struct sweep *sweep);

/* Starts; while it runs, once more when it is done. `judge` is called on the loop. */
int sweep_start(struct sweep *sweep, enum flow_fate (*judge)(void *arg, const struct flow *flow), void *arg);

/* An entry of a dump as a flow; false if it is none that we understand. */
bool conntrack_parse(struct nlmsghdr *hdr, struct flow *ret_flow);

#endif
