/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_RTNL_H
#define PORTICO_KERNEL_RTNL_H

/* Devices, addresses, routes and routing rules over rtnetlink. */

#include "kernel/kernel.h"
#include "kernel/nl.h"

/* -EAGAIN: the kernel's lists changed meanwhile; *ret_links is untouched on failure. */
int rtnl_read_links(struct netlink *nl, struct links *ret_links);

/* Adds the routes and rules of our protocol number. */
int rtnl_read_routes(struct netlink *nl, struct kstate *state);
int rtnl_read_rules(struct netlink *nl, struct kstate *state);

/* Carries out one step of these kinds; `text` gets the kernel's words. */
int rtnl_apply(struct netlink *nl, const struct step *step, char text[NETLINK_TEXT_MAX]);

/* What an event means, as kernel_events.changed() tells it; 0 if it is none of our business. */
unsigned rtnl_event(struct nlmsghdr *hdr);

#endif
