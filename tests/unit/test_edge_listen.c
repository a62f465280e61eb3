/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "edge/listen.h"

static bool no_ipv6;

/* In place of libc's: a machine without IPv6 can be had. */
int socket(int domain, int type, int protocol)
{
	if (no_ipv6 && domain == AF_INET6) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return (int)syscall(SYS_socket, domain, type, protocol);
}

static void addresses_are_read_and_written_alike(void **state)
{
	static const char *const texts[] = {
		"127.0.0.1:8443",    "0.0.0.0:0", "192.0.2.255:65535",         "[::]:8443",
		"[2001:db8::1]:443", "[::1]:1",   "[2001:db8:1:2:3:4:5:6]:80",
	};
	struct endpoint endpoint;
	char text[ENDPOINT_TEXT_MAX];
	struct err err = { 0 };

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(endpoint_parse(texts[i], &endpoint, &err), 0);
		assert_string_equal(endpoint_format(&endpoint, text), texts[i]);
	}
	assert_int_equal(endpoint_parse("192.0.2.1:8443", &endpoint, &err), 0);
	assert_int_equal(endpoint.address.family, AF_INET);
	assert_memory_equal(endpoint.address.bytes, "\xc0\x00\x02\x01", 4);
	assert_int_equal(endpoint.port, 8443);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *words;
	} wrong[] = {
		{ "", "the port is missing" },
		{ "8443", "the port is missing" },
		{ ":8443", "is not an IP address" },
		{ "127.0.0.1", "the port is missing" },
		{ "127.0.0.1:", "is not a port" },
		{ "127.0.0.1:65536", "is not a port" },
		{ "127.0.0.1:99999999999999999999", "is not a port" },
		{ "127.0.0.1:-1", "is not a port" },
		{ "127.0.0.1:+1", "is not a port" },
		{ "127.0.0.1: 1", "is not a port" },
		{ "127.0.0.1:1 ", "is not a port" },
		{ "127.0.0.1:08", "is not a port" },
		{ "127.0.0.1:0x10", "is not a port" },
		{ " 127.0.0.1:1", "is not an IP address" },
		{ "127.0.0.256:1", "is not an IP address" },
		{ "127.1:1", "is not an IP address" },
		{ "localhost:1", "is not an IP address" },
		{ "*:1", "is not an IP address" },
		{ "::1:8443", "in brackets" },
		{ ":::8443", "in brackets" },
		{ "[::1]", "say [ADDR]:PORT" },
		{ "[::1]8443", "say [ADDR]:PORT" },
		{ "[::1:8443", "say [ADDR]:PORT" },
		{ "[:1", "say [ADDR]:PORT" },
		{ "[]:1", "is not an IP address" },
		{ "[127.0.0.1]:1", "is not an IP address" },
		{ "[::1%lo]:1", "is not an IP address" },
		{ "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]:1", "not an IP address" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct endpoint endpoint = { .port = 7 };
		struct err err = { 0 };

		assert_int_equal(endpoint_parse(wrong[i].text, &endpoint, &err), -EINVAL);
		if (!strstr(err.detail, wrong[i].words))
			fail_msg("\"%s\": \"%s\"", wrong[i].text, err.detail);
		assert_int_equal(endpoint.port, 7);
	}
}

static void a_socket_tells_its_port(void **state)
{
	struct endpoint first, second;
	struct err err = { 0 };
	int fd, other;

	(void)state;
	assert_int_equal(endpoint_parse("127.0.0.1:0", &first, &err), 0);
	assert_int_equal(endpoint_listen(&first, &fd, &err), 0);
	assert_int_not_equal(first.port, 0);

	second = first;
	assert_true(endpoint_listen(&second, &other, &err) < 0);
	assert_non_null(strstr(err.detail, "cannot listen on 127.0.0.1:"));
	assert_non_null(strstr(err.detail, "already in use"));
	close(fd);
}

static void an_address_may_come_later(void **state)
{
	struct endpoint endpoint;
	struct err err = { 0 };
	int fd;

	(void)state;
	assert_int_equal(endpoint_parse("192.0.2.77:0", &endpoint, &err), 0);
	assert_int_equal(endpoint_listen(&endpoint, &fd, &err), 0);
	close(fd);
}

static void a_machine_without_ipv6_is_served(void **state)
{
	struct endpoint endpoint;
	struct err err = { 0 };
	char text[ENDPOINT_TEXT_MAX];
	int fd;

	(void)state;
	no_ipv6 = true;
	assert_int_equal(endpoint_parse("[::]:0", &endpoint, &err), 0);
	assert_int_equal(endpoint_listen(&endpoint, &fd, &err), 0);
	assert_memory_equal(endpoint_format(&endpoint, text), "0.0.0.0:", 8);
	close(fd);

	/* Not one that was named. */
	assert_int_equal(endpoint_parse("[2001:db8::1]:0", &endpoint, &err), 0);
	assert_true(endpoint_listen(&endpoint, &fd, &err) < 0);
	assert_non_null(strstr(err.detail, "cannot listen on [2001:db8::1]:0: "));
	no_ipv6 = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_and_written_alike),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(a_socket_tells_its_port),
		cmocka_unit_test(an_address_may_come_later),
		cmocka_unit_test(a_machine_without_ipv6_is_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
