/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_IP_H
#define PORTICO_BASE_IP_H

/* IPv4 and IPv6 addresses and prefixes, in the text forms that people write. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	IP_TEXT_MAX = INET6_ADDRSTRLEN,
	PREFIX_TEXT_MAX = INET6_ADDRSTRLEN + 4,
};

/* An address in network byte order. family AF_UNSPEC: none. Unused bytes are zero. */
struct ip {
	uint8_t family; /* AF_UNSPEC, AF_INET or AF_INET6 */
	uint8_t bytes[16];
};

struct prefix {
	struct ip address; /* host bits are zero */
	uint8_t length;
};

/* Bytes of an address of the family: 4 or 16; 0 for AF_UNSPEC. */
unsigned ip_size(uint8_t family);

/* Parses "192.0.2.7" or "2001:db8::7" (no zone, no surrounding space). 0 or -EINVAL. */
int ip_parse(const char *text, struct ip *ret_ip);

/* Writes the canonical text (RFC 5952 for IPv6), "" for none, into `text` and returns it. */
const char *ip_format(const struct ip *ip, char text[IP_TEXT_MAX]);

/* Order: family, then bytes. 0 when equal. */
int ip_compare(const struct ip *a, const struct ip *b);

bool ip_is_unspecified(const struct ip *ip); /* 0.0.0.0, :: */
bool ip_is_loopback(const struct ip *ip);
bool ip_is_multicast(const struct ip *ip);
bool ip_is_link_local(const struct ip *ip); /* 169.254.0.0/16, fe80::/10 */
bool ip_is_private(const struct ip *ip);    /* of RFC 1918, RFC 6598 or RFC 4193 */
/* A host could have it: none of the above but link-local allowed, not 0.0.0.0/8, 240.0.0.0/4 or broadcast. */
bool ip_is_host(const struct ip *ip);

/* The address and port (host order) as socket calls take them; returns the length. Not for AF_UNSPEC. */
socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *ret_address);
/* The reverse; ret_port may be NULL. AF_UNSPEC and port 0 for what is neither IPv4 nor IPv6. */
struct ip ip_from_sockaddr(const struct sockaddr *address, uint16_t *ret_port);

/*
 * Parses "192.168.0.0/24", or an address alone as a prefix of full length.
 * -EINVAL: not a prefix; -ERANGE: bits are set behind the length (then
 * *ret_prefix is the prefix with those bits cleared, for the error text).
 */
int prefix_parse(const char *text, struct prefix *ret_prefix);

/* "192.168.0.0/24"; a prefix of full length is written as the address alone. */
const char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_MAX]);

/* The prefix of `length` bits that holds the address. */
struct prefix prefix_of(const struct ip *ip, uint8_t length);

bool prefix_contains(const struct prefix *prefix, const struct ip *ip);
/* True if every address of `inner` is in `outer`. */
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);
/* True if they have addresses in common. */
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
int prefix_compare(const struct prefix *a, const struct prefix *b);

/* First and last address of the prefix. */
struct ip prefix_last(const struct prefix *prefix);

#endif
