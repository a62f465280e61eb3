/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_LISTENERS_H
#define PORTICO_KERNEL_LISTENERS_H

/* Ports at which processes of the router itself wait: listening tcp sockets, bound udp sockets. */

#include <stdbool.h>

#include "base/ip.h"

struct listener {
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t port;
	struct ip address; /* as bound; :: may mean 0.0.0.0 as well */
};

enum { LISTENERS_MAX = 4096 };

struct listeners {
	unsigned count;
	struct listener *items;
};

/* Those of the calling thread's network namespace, but for what only the router itself can reach, by port. 0 or -ENOMEM. */
int listeners_read(struct listeners *ret_listeners);
void listeners_done(struct listeners *listeners);

/* One line of /proc/net/tcp, tcp6, udp or udp6. Returns false if it is none of a waiting socket. */
bool listener_parse(const char *line, uint8_t protocol, struct listener *ret_listener);

#endif
