/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/probe_wire.h"

#include <endian.h>
#include <string.h>

enum { ECHO_REQUEST = 8, ECHO_REPLY = 0, ECHO6_REQUEST = 128, ECHO6_REPLY = 129 };
enum { DNS_HEADER = 12, DNS_QUESTION = 5 };

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* RFC 1071, of an even number of bytes. */
static uint16_t checksum(const uint8_t *data, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i += 2)
		sum += get16(data + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void echo_build(const struct echo *echo, bool v6, uint8_t ret_message[ECHO_SIZE])
{
	uint64_t cookie = htobe64(echo->cookie);

	memset(ret_message, 0, ECHO_SIZE);
	ret_message[0] = v6 ? ECHO6_REQUEST : ECHO_REQUEST;
	put16(ret_message + 4, echo->id);
	put16(ret_message + 6, echo->sequence);
	memcpy(ret_message + 8, &cookie, sizeof(cookie));
	if (!v6)
		put16(ret_message + 2, checksum(ret_message, ECHO_SIZE));
}

bool echo_parse(const uint8_t *data, size_t length, bool v6, struct echo *ret_echo)
{
	size_t header = v6 || length == 0 ? 0 : (data[0] & 0x0fu) * 4u;
	uint64_t cookie;

	if ((!v6 && header < 20) || length < header + ECHO_SIZE)
		return false;
	data += header;
	if (data[0] != (v6 ? ECHO6_REPLY : ECHO_REPLY) || data[1] != 0)
		return false;
	memcpy(&cookie, data + 8, sizeof(cookie));
	*ret_echo = (struct echo){ get16(data + 4), get16(data + 6), be64toh(cookie) };
	return true;
}

/* The name of the root, type NS, class IN. */
static const uint8_t question[DNS_QUESTION] = { 0, 0, 2, 0, 1 };

void dns_build(uint16_t id, uint8_t ret_message[DNS_QUERY_SIZE])
{
	memset(ret_message, 0, DNS_HEADER);
	put16(ret_message, id);
	ret_message[2] = 0x01; /* RD */
	put16(ret_message + 4, 1);
	memcpy(ret_message + DNS_HEADER, question, DNS_QUESTION);
}

bool dns_parse(const uint8_t *data, size_t length, uint16_t *ret_id)
{
	/* A response to a standard query, with the question that was asked. */
	if (length < DNS_QUERY_SIZE || (data[2] & 0xf8) != 0x80 || get16(data + 4) != 1 ||
	    memcmp(data + DNS_HEADER, question, DNS_QUESTION) != 0)
		return false;
	*ret_id = get16(data);
	return true;
}
