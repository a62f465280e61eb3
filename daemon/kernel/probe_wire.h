/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_PROBE_WIRE_H
#define PORTICO_KERNEL_PROBE_WIRE_H

/*
 * What probes ask and what answers them, as bytes: ICMP echo (RFC 792, RFC 4443) and DNS (RFC 1035). Nothing is
 * sent from here, and what is read may be anything.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PROBE_QUESTION_MAX = 17, /* an echo request has 16 bytes, a query 17 */
	PROBE_ANSWER_MAX = 128,  /* more is not looked at: an IPv4 header has up to 60 */
};

/* What an answer repeats. */
struct probe_stamp {
	uint16_t id;       /* of the prober in an echo request, of the query in DNS */
	uint16_t sequence; /* 0 in DNS */
	uint64_t cookie;   /* the data of an echo request; 0 in DNS, which has no place for it */
};

/* Write a question and return its length. The checksum of ICMPv6 is left to the kernel (RFC 3542, 3.1). */
size_t probe_echo_write(uint8_t family, const struct probe_stamp *stamp,
			uint8_t ret_question[PROBE_QUESTION_MAX]);
size_t probe_dns_write(const struct probe_stamp *stamp, uint8_t ret_question[PROBE_QUESTION_MAX]);

/* Read what came by a raw socket (in IPv4 with its IP header) or by UDP. False: it is no answer. */
bool probe_echo_read(uint8_t family, const uint8_t *packet, size_t length, struct probe_stamp *ret_stamp);
bool probe_dns_read(const uint8_t *message, size_t length, struct probe_stamp *ret_stamp);

#endif
