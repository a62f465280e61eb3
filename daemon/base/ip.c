/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

unsigned ip_size(uint8_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

int ip_parse(const char *text, struct ip *ret_ip)
{
	struct ip ip = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	if (inet_pton(ip.family, text, ip.bytes) != 1)
		return -EINVAL;
	*ret_ip = ip;
	return 0;
}

const char *ip_format(const struct ip *ip, char text[IP_TEXT_MAX])
{
	if (ip_size(ip->family) == 0 || !inet_ntop(ip->family, ip->bytes, text, IP_TEXT_MAX))
		text[0] = '\0';
	return text;
}

int ip_compare(const struct ip *a, const struct ip *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, ip_size(a->family));
}

bool ip_is_unspecified(const struct ip *ip)
{
	static const uint8_t zero[16];

	return ip->family != AF_UNSPEC && memcmp(ip->bytes, zero, ip_size(ip->family)) == 0;
}

bool ip_is_loopback(const struct ip *ip)
{
	if (ip->family == AF_INET)
		return ip->bytes[0] == 127;
	return ip->family == AF_INET6 && memcmp(ip->bytes, &in6addr_loopback, 16) == 0;
}

bool ip_is_multicast(const struct ip *ip)
{
	if (ip->family == AF_INET)
		return (ip->bytes[0] & 0xf0) == 0xe0;
	return ip->family == AF_INET6 && ip->bytes[0] == 0xff;
}

bool ip_is_link_local(const struct ip *ip)
{
	if (ip->family == AF_INET)
		return ip->bytes[0] == 169 && ip->bytes[1] == 254;
	return ip->family == AF_INET6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

bool ip_is_private(const struct ip *ip)
{
	const uint8_t *bytes = ip->bytes;

	if (ip->family == AF_INET6)
		return (bytes[0] & 0xfe) == 0xfc;
	return ip->family == AF_INET &&
	       (bytes[0] == 10 || (bytes[0] == 172 && (bytes[1] & 0xf0) == 16) ||
		(bytes[0] == 192 && bytes[1] == 168) || (bytes[0] == 100 && (bytes[1] & 0xc0) == 64));
}

/* ::ffff:0:0/96 stands for an IPv4 address and never appears on the wire (RFC 4291, 2.5.5.2). */
static bool is_v4_mapped(const struct ip *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return ip->family == AF_INET6 && memcmp(ip->bytes, mapped, sizeof(mapped)) == 0;
}

bool ip_is_host(const struct ip *ip)
{
	if (ip->family == AF_UNSPEC || ip_is_unspecified(ip) || ip_is_loopback(ip) || ip_is_multicast(ip))
		return false;
	if (ip->family == AF_INET) /* 240.0.0.0/4 holds the broadcast address too. */
		return ip->bytes[0] != 0 && ip->bytes[0] < 240;
	return !is_v4_mapped(ip);
}

socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *ret_address)
{
	memset(ret_address, 0, sizeof(*ret_address));
	if (ip->family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_address;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, ip->bytes, sizeof(in6->sin6_addr));
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)ret_address;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	memcpy(&in->sin_addr, ip->bytes, sizeof(in->sin_addr));
	return sizeof(*in);
}

struct ip ip_from_sockaddr(const struct sockaddr *address, uint16_t *ret_port)
{
	struct ip ip = { 0 };
	uint16_t port = 0;

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		ip.family = AF_INET;
		memcpy(ip.bytes, &in->sin_addr, sizeof(in->sin_addr));
		port = in->sin_port;
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

		ip.family = AF_INET6;
		memcpy(ip.bytes, &in6->sin6_addr, sizeof(in6->sin6_addr));
		port = in6->sin6_port;
	}
	if (ret_port)
		*ret_port = ntohs(port);
	return ip;
}

struct prefix prefix_of(const struct ip *ip, uint8_t length)
{
	unsigned size = ip_size(ip->family);
	struct prefix prefix = { .address = *ip };

	prefix.length = length < size * 8 ? length : (uint8_t)(size * 8);
	for (unsigned i = 0; i < size; i++) {
		unsigned kept = prefix.length > i * 8 ? prefix.length - i * 8 : 0;

		if (kept < 8)
			prefix.address.bytes[i] &= (uint8_t)(0xff00 >> kept);
	}
	return prefix;
}

/* Digits only, no sign or leading zero, at most `max`. */
static int parse_length(const char *text, unsigned max, uint8_t *ret_length)
{
	unsigned value = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > max)
			return -EINVAL;
	}
	*ret_length = (uint8_t)value;
	return 0;
}

int prefix_parse(const char *text, struct prefix *ret_prefix)
{
	const char *slash = strchr(text, '/');
	size_t size = slash ? (size_t)(slash - text) : strlen(text);
	char address[IP_TEXT_MAX];
	struct ip ip;

	if (size >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, size);
	address[size] = '\0';
	if (ip_parse(address, &ip) < 0)
		return -EINVAL;

	uint8_t length = (uint8_t)(ip_size(ip.family) * 8);

	if (slash && parse_length(slash + 1, length, &length) < 0)
		return -EINVAL;
	*ret_prefix = prefix_of(&ip, length);
	return ip_compare(&ret_prefix->address, &ip) == 0 ? 0 : -ERANGE;
}

const char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_MAX])
{
	char address[IP_TEXT_MAX];

	ip_format(&prefix->address, address);
	if (prefix->length == ip_size(prefix->address.family) * 8)
		snprintf(text, PREFIX_TEXT_MAX, "%s", address);
	else
		snprintf(text, PREFIX_TEXT_MAX, "%s/%u", address, prefix->length);
	return text;
}

bool prefix_contains(const struct prefix *prefix, const struct ip *ip)
{
	struct prefix other = prefix_of(ip, prefix->length);

	return ip->family != AF_UNSPEC && ip_compare(&other.address, &prefix->address) == 0;
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	return inner->length >= outer->length && prefix_contains(outer, &inner->address);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return prefix_covers(a, b) || prefix_covers(b, a);
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
	int order = ip_compare(&a->address, &b->address);

	if (order != 0)
		return order;
	return (a->length > b->length) - (a->length < b->length);
}

struct ip prefix_last(const struct prefix *prefix)
{
	struct ip last = prefix->address;

	for (unsigned i = 0; i < ip_size(last.family); i++) {
		unsigned kept = prefix->length > i * 8 ? prefix->length - i * 8 : 0;

		if (kept < 8)
			last.bytes[i] |= (uint8_t)(0xff >> kept);
	}
	return last;
}
