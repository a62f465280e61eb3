/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "edge/plain.h"

static char answer[PLAIN_ANSWER_MAX];

static ssize_t ask(const char *request)
{
	memset(answer, 0, sizeof(answer));
	return plain_answer(request, strlen(request), answer);
}

static void sane_requests_are_redirected(void **state)
{
	static const struct {
		const char *request, *location;
	} cases[] = {
		{ "GET / HTTP/1.1\r\nHost: router:8443\r\n\r\n", "https://router:8443/" },
		{ "GET /a?b=%20&c HTTP/1.1\r\nAccept: */*\r\nhost:\t192.0.2.1\r\n\r\n",
		  "https://192.0.2.1/a?b=%20&c" },
		{ "POST /x HTTP/1.0\r\nHost: [2001:db8::1]:8443\r\n\r\nbody",
		  "https://[2001:db8::1]:8443/x" },
	};
	char line[256];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ssize_t length = ask(cases[i].request);

		assert_int_equal(length, strlen(answer));
		assert_memory_equal(answer, "HTTP/1.1 308 ", 13);
		snprintf(line, sizeof(line), "\r\nLocation: %s\r\n", cases[i].location);
		assert_non_null(strstr(answer, line));
	}
}

static void others_are_told(void **state)
{
	static const char *const requests[] = {
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: \r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: evil/x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\nSet-Cookie: b\r\n\r\n",
		"GET /\"onload HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
		"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
		/* A field behind the head is not the host. */
		"GET / HTTP/1.1\r\n\r\nHost: a\r\n\r\n",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		ssize_t length = ask(requests[i]);

		assert_int_equal(length, strlen(answer));
		assert_memory_equal(answer, "HTTP/1.1 400 ", 13);
		assert_null(strstr(answer, "Location"));
		assert_non_null(strstr(answer, "https://"));
	}
}

static void the_rest_is_awaited(void **state)
{
	char request[] = "GET / HTTP/1.1\r\nHost: router\r\n\r\n";

	(void)state;
	for (size_t n = 0; n < sizeof(request) - 1; n++)
		assert_int_equal(plain_answer(request, n, answer), -EAGAIN);
	assert_true(plain_answer(request, sizeof(request) - 1, answer) > 0);
}

static void garbage_gets_nothing(void **state)
{
	static const char *const garbage[] = { "\x01", "GE\x01", "1ET / HTTP/1.1\r\n\r\n", "abc\r\n\r\n",
					       "\r\n\r\n" };

	(void)state;
	for (unsigned i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
		assert_int_equal(ask(garbage[i]), -EPROTO);
	assert_int_equal(plain_answer("\0\0\0", 3, answer), -EPROTO);
}

static void long_ones_are_bounded(void **state)
{
	static char request[PLAIN_REQUEST_MAX + 1];

	(void)state;
	memset(request, 'a', PLAIN_REQUEST_MAX);
	memcpy(request, "GET /", 5);
	assert_int_equal(plain_answer(request, PLAIN_REQUEST_MAX - 1, answer), -EAGAIN);
	assert_true(plain_answer(request, PLAIN_REQUEST_MAX, answer) > 0);
	assert_memory_equal(answer, "HTTP/1.1 400 ", 13);

	memcpy(request + PLAIN_REQUEST_MAX - 22, " HTTP/1.1\r\nHost: a\r\n\r\n", 22);
	assert_true(plain_answer(request, PLAIN_REQUEST_MAX, answer) > 0);
	assert_memory_equal(answer, "HTTP/1.1 400 ", 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sane_requests_are_redirected), cmocka_unit_test(others_are_told),
		cmocka_unit_test(the_rest_is_awaited),          cmocka_unit_test(garbage_gets_nothing),
		cmocka_unit_test(long_ones_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
