/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_PROBE_WIRE_H
#define PORTICO_KERNEL_PROBE_WIRE_H

/* What probes look like. Nothing that comes in is trusted. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ECHO_SIZE = 8 + 8,        /* header and cookie */
	DNS_QUERY_SIZE = 12 + 5,  /* header and one question */
	PROBE_READ_MAX = 60 + 64, /* the longest IPv4 header, and more than is looked at behind it */
};

/* Tells an answer from what others make up: none of it can be guessed. */
struct echo {
	uint16_t id, sequence;
	uint64_t cookie;
};

/* An echo request of ICMP (RFC 792, type 8, with its checksum), or of ICMPv6 (RFC 4443, type 128, without). */
void echo_build(const struct echo *echo, bool v6, uint8_t ret_message[ECHO_SIZE]);
/* An echo reply; for IPv4 with the IP header before it, as raw sockets give it. */
bool echo_parse(const uint8_t *data, size_t length, bool v6, struct echo *ret_echo);

/* Who serves the root: NS of ".", with recursion desired (RFC 1035, 4.1). */
void dns_build(uint16_t id, uint8_t ret_message[DNS_QUERY_SIZE]);
/* A response to that question, whatever it says. */
bool dns_parse(const uint8_t *data, size_t length, uint16_t *ret_id);

#endif
