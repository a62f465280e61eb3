/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/probe_wire.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

/* --- ICMP echo: type, code, checksum, id, sequence, and the cookie as data --- */

enum { ECHO_CHECKSUM = 2, ECHO_ID = 4, ECHO_SEQUENCE = 6, ECHO_COOKIE = 8, ECHO_SIZE = 16 };

static void put16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static uint16_t get16(const uint8_t *from)
{
	return (uint16_t)(from[0] << 8 | from[1]);
}

/* RFC 1071, of an even number of bytes. 0 if the checksum is in them, and right. */
static uint16_t checksum(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += get16(bytes + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

size_t probe_echo_write(uint8_t family, const struct probe_stamp *stamp,
			uint8_t ret_question[PROBE_QUESTION_MAX])
{
	memset(ret_question, 0, ECHO_SIZE);
	ret_question[0] = family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	put16(ret_question + ECHO_ID, stamp->id);
	put16(ret_question + ECHO_SEQUENCE, stamp->sequence);
	memcpy(ret_question + ECHO_COOKIE, &stamp->cookie, sizeof(stamp->cookie));
	if (family == AF_INET)
		put16(ret_question + ECHO_CHECKSUM, checksum(ret_question, ECHO_SIZE));
	return ECHO_SIZE;
}

bool probe_echo_read(uint8_t family, const uint8_t *packet, size_t length, struct probe_stamp *ret_stamp)
{
	size_t header = 0;

	if (family == AF_INET) {
		if (length < 20 || packet[0] >> 4 != 4)
			return false;
		header = (packet[0] & 0x0fu) * 4;
		if (header < 20)
			return false;
	}
	/* It holds what the request held, to the byte (RFC 792). */
	if (length != header + ECHO_SIZE)
		return false;
	packet += header;
	if (packet[0] != (family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) || packet[1] != 0)
		return false;
	/* A raw socket gets packets of IPv4 before anybody has looked at it; of IPv6, only right ones. */
	if (family == AF_INET && checksum(packet, ECHO_SIZE) != 0)
		return false;
	*ret_stamp = (struct probe_stamp){ .id = get16(packet + ECHO_ID),
					   .sequence = get16(packet + ECHO_SEQUENCE) };
	memcpy(&ret_stamp->cookie, packet + ECHO_COOKIE, sizeof(ret_stamp->cookie));
	return true;
}

/* --- DNS: a header of twelve bytes, then the question --- */

enum {
	DNS_FLAGS = 2,
	DNS_QUESTIONS = 4,
	DNS_HEADER_SIZE = 12,
	DNS_RESPONSE = 0x80, /* QR, in the first byte of the flags */
	DNS_OPCODE = 0x78,   /* there, too: 0 is a query */
	DNS_RECURSION = 0x01,
};

/* Name servers of the root: any resolver knows them, any server has a word about it. Name ".", type NS, class IN. */
static const uint8_t dns_question[] = { 0, 0, 2, 0, 1 };

enum { DNS_SIZE = DNS_HEADER_SIZE + sizeof(dns_question) };

size_t probe_dns_write(const struct probe_stamp *stamp, uint8_t ret_question[PROBE_QUESTION_MAX])
{
	memset(ret_question, 0, DNS_HEADER_SIZE);
	put16(ret_question, stamp->id);
	ret_question[DNS_FLAGS] = DNS_RECURSION;
	put16(ret_question + DNS_QUESTIONS, 1);
	memcpy(ret_question + DNS_HEADER_SIZE, dns_question, sizeof(dns_question));
	return DNS_SIZE;
}

/* A refusal is an answer as well: the way there and back is what is asked for. */
bool probe_dns_read(const uint8_t *message, size_t length, struct probe_stamp *ret_stamp)
{
	if (length < DNS_SIZE || (message[DNS_FLAGS] & (DNS_RESPONSE | DNS_OPCODE)) != DNS_RESPONSE ||
	    get16(message + DNS_QUESTIONS) != 1 ||
	    memcmp(message + DNS_HEADER_SIZE, dns_question, sizeof(dns_question)) != 0)
		return false;
	*ret_stamp = (struct probe_stamp){ .id = get16(message) };
	return true;
}
