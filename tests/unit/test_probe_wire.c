/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to the byte; answers as they come, cut, changed, and by people who mean harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "kernel/probe_wire.h"

enum { ICMP_CHECKSUM = 2, ECHO_SIZE = 16, IP_HEADER_MAX = 60 };

static struct probe_stamp stamp(void)
{
	static const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct probe_stamp stamp = { .id = 0x1234, .sequence = 7 };

	memcpy(&stamp.cookie, bytes, sizeof(bytes));
	return stamp;
}

static bool same(const struct probe_stamp *a, const struct probe_stamp *b)
{
	return a->id == b->id && a->sequence == b->sequence && a->cookie == b->cookie;
}

/* In memory of exactly that size, so that the sanitizer sees who reads too far. */
static bool read_exactly(bool (*read)(const uint8_t *, size_t, struct probe_stamp *), const void *data,
			 size_t length, struct probe_stamp *ret_stamp)
{
	uint8_t *copy = malloc(length ? length : 1);
	bool answers;

	assert_non_null(copy);
	memcpy(copy, data, length);
	answers = read(copy, length, ret_stamp);
	free(copy);
	return answers;
}

static bool read4(const uint8_t *packet, size_t length, struct probe_stamp *ret_stamp)
{
	return probe_echo_read(AF_INET, packet, length, ret_stamp);
}

static bool read6(const uint8_t *packet, size_t length, struct probe_stamp *ret_stamp)
{
	return probe_echo_read(AF_INET6, packet, length, ret_stamp);
}

/* --- echo --- */

/* What the kernel of an honest target makes of a request, RFC 792 and RFC 4443; returns its length. */
static size_t echo_reply(uint8_t family, unsigned header, uint8_t ret_packet[IP_HEADER_MAX + ECHO_SIZE])
{
	struct probe_stamp sent = stamp();
	uint8_t *icmp = ret_packet + header;

	memset(ret_packet, 0, header);
	if (header)
		ret_packet[0] = (uint8_t)(0x40 | header / 4);
	assert_int_equal(probe_echo_write(family, &sent, icmp), ECHO_SIZE);
	if (family == AF_INET) {
		icmp[0] = 0;
		icmp[ICMP_CHECKSUM] = (uint8_t)(icmp[ICMP_CHECKSUM] + 8); /* what the type has become less */
	} else {
		icmp[0] = 129;
	}
	return header + ECHO_SIZE;
}

static void echo_requests(void **state)
{
	static const uint8_t request4[] = { 8, 0, 0xd5, 0xb0, 0x12, 0x34, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8 },
			     request6[] = { 128, 0, 0, 0, 0x12, 0x34, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct probe_stamp sent = stamp();
	uint8_t question[PROBE_QUESTION_MAX];

	(void)state;
	assert_int_equal(probe_echo_write(AF_INET, &sent, question), sizeof(request4));
	assert_memory_equal(question, request4, sizeof(request4));
	assert_int_equal(probe_echo_write(AF_INET6, &sent, question), sizeof(request6));
	assert_memory_equal(question, request6, sizeof(request6));
}

static void echo_replies(void **state)
{
	uint8_t packet[IP_HEADER_MAX + ECHO_SIZE];
	struct probe_stamp sent = stamp(), got;

	(void)state;
	for (unsigned header = 20; header <= IP_HEADER_MAX; header += 4) {
		assert_true(read_exactly(read4, packet, echo_reply(AF_INET, header, packet), &got));
		assert_true(same(&got, &sent));
	}
	assert_true(read_exactly(read6, packet, echo_reply(AF_INET6, 0, packet), &got));
	assert_true(same(&got, &sent));
}

static void requests_are_no_replies(void **state)
{
	struct probe_stamp sent = stamp(), got;
	uint8_t packet[20 + PROBE_QUESTION_MAX] = { 0x45 };

	(void)state;
	probe_echo_write(AF_INET, &sent, packet + 20);
	assert_false(read_exactly(read4, packet, 20 + ECHO_SIZE, &got));
	probe_echo_write(AF_INET6, &sent, packet);
	assert_false(read_exactly(read6, packet, ECHO_SIZE, &got));
}

static void cut_and_prolonged_replies(void **state)
{
	uint8_t packet[IP_HEADER_MAX + ECHO_SIZE + 8] = { 0 };
	struct probe_stamp got = { .id = 99 };

	(void)state;
	for (unsigned header = 20; header <= IP_HEADER_MAX; header += 4) {
		size_t length = echo_reply(AF_INET, header, packet);

		for (size_t n = 0; n < sizeof(packet); n++)
			assert_int_equal(read_exactly(read4, packet, n, &got), n == length);
	}
	echo_reply(AF_INET6, 0, packet);
	got = (struct probe_stamp){ .id = 99 };
	for (size_t n = 0; n < sizeof(packet); n++)
		if (n != ECHO_SIZE)
			assert_false(read_exactly(read6, packet, n, &got));
	assert_int_equal(got.id, 99); /* untouched */
}

/* The checksum sees every single bit. In IPv6 the kernel has looked at it. */
static void changed_replies(void **state)
{
	uint8_t packet[IP_HEADER_MAX + ECHO_SIZE];
	size_t length = echo_reply(AF_INET, 20, packet);
	struct probe_stamp sent = stamp(), got;

	(void)state;
	for (size_t bit = 20 * 8; bit < length * 8; bit++) {
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(read_exactly(read4, packet, length, &got));
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (unsigned first = 0; first < 256; first++) {
		packet[0] = (uint8_t)first;
		assert_int_equal(read_exactly(read4, packet, length, &got), first == 0x45);
	}
	length = echo_reply(AF_INET6, 0, packet);
	for (size_t bit = 0; bit < length * 8; bit++) {
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (read_exactly(read6, packet, length, &got) && bit / 8 != 2 && bit / 8 != 3)
			assert_false(same(&got, &sent));
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* --- DNS --- */

/* A query that turns into the response of a server without anything to tell. */
static size_t dns_response(uint16_t id, uint8_t ret_message[PROBE_QUESTION_MAX])
{
	const struct probe_stamp sent = { .id = id };
	size_t length = probe_dns_write(&sent, ret_message);

	ret_message[2] |= 0x80;
	return length;
}

static void dns_queries(void **state)
{
	static const uint8_t query[] = { 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1 };
	struct probe_stamp sent = stamp();
	uint8_t question[PROBE_QUESTION_MAX];

	(void)state;
	assert_int_equal(probe_dns_write(&sent, question), sizeof(query));
	assert_memory_equal(question, query, sizeof(query));
}

static void dns_responses(void **state)
{
	/* As a resolver says it: recursion available, one record (a.root-servers.net, compressed name). */
	static const uint8_t full[] = { 0xbe, 0xef, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0,   2,    0,
					1,    0,    0,    2,    0, 1, 0, 7, 0, 0, 0, 4, 1, 'a', 0xc0, 0x0c };
	uint8_t message[PROBE_QUESTION_MAX];
	struct probe_stamp got;

	(void)state;
	assert_true(read_exactly(probe_dns_read, full, sizeof(full), &got));
	assert_true(same(&got, &(struct probe_stamp){ .id = 0xbeef }));

	size_t length = dns_response(0x0a0b, message);

	for (unsigned rcode = 0; rcode < 16; rcode++) {
		message[3] = (uint8_t)rcode;
		assert_true(read_exactly(probe_dns_read, message, length, &got));
		assert_int_equal(got.id, 0x0a0b);
	}
	message[2] |= 0x02; /* truncated */
	assert_true(read_exactly(probe_dns_read, message, length, &got));
}

static void what_is_no_dns_response(void **state)
{
	uint8_t message[PROBE_QUESTION_MAX];
	size_t length = dns_response(1, message);
	struct probe_stamp got = { .id = 99 };

	(void)state;
	for (size_t n = 0; n < length; n++)
		assert_false(read_exactly(probe_dns_read, message, n, &got));
	message[2] &= 0x7f; /* a query: our own, back from a mirror */
	assert_false(read_exactly(probe_dns_read, message, length, &got));
	for (uint8_t opcode = 1; opcode < 16; opcode++) {
		message[2] = (uint8_t)(0x80 | opcode << 3);
		assert_false(read_exactly(probe_dns_read, message, length, &got));
	}
	/* Another number of questions, another question. */
	for (size_t bit = 4 * 8; bit < length * 8; bit++) {
		if (bit / 8 >= 6 && bit / 8 < 12)
			continue; /* numbers of records: whatever they are */
		length = dns_response(1, message);
		message[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(read_exactly(probe_dns_read, message, length, &got));
	}
	assert_int_equal(got.id, 99);
}

/* --- anything --- */

static void anything(void **state)
{
	uint8_t packet[PROBE_ANSWER_MAX];
	struct probe_stamp got;

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		size_t length = (size_t)rand() % sizeof(packet);

		for (size_t i = 0; i < length; i++)
			packet[i] = (uint8_t)rand();
		if (round % 2 && length)
			packet[0] = (uint8_t)(0x40 | rand() % 16);
		/* By chance none is right: a checksum, or the question of five bytes. */
		(void)read_exactly(read4, packet, length, &got);
		(void)read_exactly(read6, packet, length, &got);
		assert_false(read_exactly(probe_dns_read, packet, length, &got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_requests),
		cmocka_unit_test(echo_replies),
		cmocka_unit_test(requests_are_no_replies),
		cmocka_unit_test(cut_and_prolonged_replies),
		cmocka_unit_test(changed_replies),
		cmocka_unit_test(dns_queries),
		cmocka_unit_test(dns_responses),
		cmocka_unit_test(what_is_no_dns_response),
		cmocka_unit_test(anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
