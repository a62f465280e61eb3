/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets as /proc/net tells of them, and those that are really there. */
#include "kernel/listeners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* The kernel prints each 32-bit word of an address as a number of its own byte order. */
static const char *word(const char *network_order, char text[9])
{
	unsigned bytes[4];
	uint8_t raw[4];
	uint32_t value;

	sscanf(network_order, "%2x%2x%2x%2x", &bytes[0], &bytes[1], &bytes[2], &bytes[3]);
	for (unsigned i = 0; i < 4; i++)
		raw[i] = (uint8_t)bytes[i];
	memcpy(&value, raw, 4);
	snprintf(text, 9, "%08X", value);
	return text;
}

static bool parse4(const char *address, unsigned port, const char *remote, unsigned state, uint8_t protocol,
		   struct listener *ret_listener)
{
	char line[256], text[9];

	snprintf(line, sizeof(line),
		 "   0: %s:%04X %s %02X 00000000:00000000 00:00000000 00000000     0        0 1 1 0 0 0\n",
		 word(address, text), port, remote, state);
	return listener_parse(line, protocol, ret_listener);
}

static void expect(const struct listener *listener, uint8_t protocol, const char *address, unsigned port)
{
	char text[IP_TEXT_MAX];

	assert_int_equal(listener->protocol, protocol);
	assert_string_equal(ip_format(&listener->address, text), address);
	assert_int_equal(listener->port, port);
}

static void test_lines(void **state)
{
	const char *nobody = "00000000:0000";
	struct listener listener;

	(void)state;
	assert_true(parse4("c0000201", 22, nobody, 10, IPPROTO_TCP, &listener));
	expect(&listener, IPPROTO_TCP, "192.0.2.1", 22);
	assert_true(parse4("00000000", 53, nobody, 7, IPPROTO_UDP, &listener));
	expect(&listener, IPPROTO_UDP, "0.0.0.0", 53);
	assert_false(parse4("c0000201", 22, "0100007F:1234", 1, IPPROTO_TCP, &listener));
	assert_false(parse4("c0000201", 22, "0100007F:1234", 1, IPPROTO_UDP, &listener));
	assert_false(parse4("c0000201", 22, "0100007F:1234", 7, IPPROTO_UDP, &listener));
	assert_false(parse4("c0000201", 0, nobody, 7, IPPROTO_UDP, &listener));
	assert_false(listener_parse("  sl  local_address rem_address   st tx_queue", IPPROTO_TCP, &listener));
	assert_false(listener_parse("", IPPROTO_TCP, &listener));
	assert_false(listener_parse("   0: 0100:0016 00000000:0000 0A", IPPROTO_TCP, &listener));
	assert_false(listener_parse("   0: 010000G1:0016 00000000:0000 0A 0", IPPROTO_TCP, &listener));
	assert_false(listener_parse("   0: 01000001:10016 00000000:0000 0A 0", IPPROTO_TCP, &listener));
	assert_false(listener_parse("   0: 01000001:-1 00000000:0000 0A 0", IPPROTO_TCP, &listener));
}

static void test_ipv6(void **state)
{
	char line[256], a[9], b[9], c[9];
	struct listener listener;

	(void)state;
	snprintf(line, sizeof(line), "  12: %s00000000%s%s:01BB %032u:0000 0A 0\n", word("20010db8", a),
		 word("00000000", b), word("00000005", c), 0);
	assert_true(listener_parse(line, IPPROTO_TCP, &listener));
	expect(&listener, IPPROTO_TCP, "2001:db8::5", 443);
	snprintf(line, sizeof(line), "  12: 0000000000000000%s%s:01BB %032u:0000 0A 0\n", word("0000ffff", a),
		 word("c0000201", b), 0);
	assert_true(listener_parse(line, IPPROTO_TCP, &listener));
	expect(&listener, IPPROTO_TCP, "192.0.2.1", 443);
}

static bool holds(const struct listeners *listeners, uint8_t protocol, uint16_t port)
{
	for (unsigned i = 0; i < listeners->count; i++)
		if (listeners->items[i].protocol == protocol && listeners->items[i].port == port)
			return true;
	return false;
}

/* A socket at a port that the kernel chooses; *ret_port is which. */
static int open_socket(int type, uint32_t address, uint16_t *ret_port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };
	socklen_t length = sizeof(name);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, length), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
	*ret_port = ntohs(name.sin_port);
	return fd;
}

static void test_our_own_sockets(void **state)
{
	uint16_t tcp, udp, inner;
	int fds[] = { open_socket(SOCK_STREAM, INADDR_ANY, &tcp), open_socket(SOCK_DGRAM, INADDR_ANY, &udp),
		      open_socket(SOCK_STREAM, INADDR_LOOPBACK, &inner) };
	struct listeners listeners;

	(void)state;
	/* Without sock_diag there is /proc/net, in the byte order of the real kernel. */
	if (getenv("PORTICO_EMULATED"))
		skip();
	assert_int_equal(listeners_read(&listeners), 0);
	assert_true(holds(&listeners, IPPROTO_TCP, tcp));
	assert_true(holds(&listeners, IPPROTO_UDP, udp));
	assert_false(holds(&listeners, IPPROTO_TCP, inner));
	listeners_done(&listeners);
	for (unsigned i = 0; i < 3; i++)
		close(fds[i]);
	assert_int_equal(listeners_read(&listeners), 0);
	assert_false(holds(&listeners, IPPROTO_TCP, tcp));
	listeners_done(&listeners);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_our_own_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
