/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EDGE_LISTEN_H
#define PORTICO_EDGE_LISTEN_H

/* The listening sockets: "ADDR:PORT" to a bound, listening, non-blocking TCP socket. */

#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

struct endpoint {
	struct ip address;
	uint16_t port; /* 0: the kernel chooses */
};

enum { ENDPOINT_TEXT_MAX = IP_TEXT_MAX + 8 };

/* Parses "192.0.2.1:8443" or "[2001:db8::1]:8443", nothing around it. -EINVAL with words in `err`. */
int endpoint_parse(const char *text, struct endpoint *ret_endpoint, struct err *err);

/* Writes the form that endpoint_parse() takes into `text` and returns it. */
const char *endpoint_format(const struct endpoint *endpoint, char text[ENDPOINT_TEXT_MAX]);

/*
 * Opens the socket. "[::]" serves IPv4 as well, and becomes 0.0.0.0 on a machine without IPv6.
 * An address that no device has yet is bound all the same (it may come up later). On success
 * *endpoint tells address and port in use, *ret_fd is the caller's.
 */
int endpoint_listen(struct endpoint *endpoint, int *ret_fd, struct err *err);

#endif
