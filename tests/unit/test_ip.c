/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/ip.h"
#include "parsed.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct prefix prefix(const char *text)
{
	struct prefix parsed;

	if (prefix_parse(text, &parsed) < 0)
		fail_msg("not a prefix: %s", text);
	return parsed;
}

static void addresses_are_written_canonically(void **state)
{
	static const struct {
		const char *input, *text;
	} cases[] = {
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "192.0.2.7", "192.0.2.7" },
		{ "::", "::" },
		{ "2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:0db8::0007", "2001:db8::7" },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	char text[IP_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip parsed = ip(cases[i].input);

		assert_string_equal(ip_format(&parsed, text), cases[i].text);
	}

	struct ip none = { 0 };

	assert_string_equal(ip_format(&none, text), "");
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		" ",
		"192.0.2",
		"192.0.2.",
		"192.0.2.7.",
		".192.0.2.7",
		"192.0.2.256",
		"192.0.2.-1",
		"192.0.2.07",
		"0300.0.2.7",
		"0xc0.0.2.7",
		"192.0.2.7 ",
		" 192.0.2.7",
		"192.0.2.7\n",
		"+1.2.3.4",
		"1..2.3",
		"3221225991",
		"192.0.2.7/24",
		"localhost",
		"1.2.3.4.5",
		":",
		":::",
		"::1::",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9",
		"12345::",
		"::g",
		"fe80::1%eth0",
		"[::1]",
		"::1 ",
		"1:2:3:4:5:6:7:8::",
		"::192.0.2.256",
		"\xd9\xa1.2.3.4",
		"0000000000000000000000000000000000000000000000000000001.2.3.4",
	};
	struct ip untouched = { .family = AF_INET, .bytes = { 1, 2, 3, 4 } }, parsed = untouched;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (ip_parse(cases[i], &parsed) != -EINVAL)
			fail_msg("taken for an address: \"%s\"", cases[i]);
		assert_memory_equal(&parsed, &untouched, sizeof(parsed));
	}
}

static void order_is_family_then_bytes(void **state)
{
	static const char *const sorted[] = { "0.0.0.0",   "9.255.255.255",   "10.0.0.0",
					      "192.0.2.1", "255.255.255.255", "::",
					      "::1",       "2001:db8::",      "fe80::1" };

	(void)state;
	for (size_t i = 0; i < COUNT(sorted); i++) {
		for (size_t k = 0; k < COUNT(sorted); k++) {
			struct ip a = ip(sorted[i]), b = ip(sorted[k]);
			int order = ip_compare(&a, &b);

			assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
		}
	}
}

static void kinds_of_addresses(void **state)
{
	static const struct {
		const char *text;
		char kind; /* 0 unspecified, l loopback, m multicast, k link-local, h another host, - no host */
	} cases[] = {
		{ "0.0.0.0", '0' },
		{ "::", '0' },
		{ "127.0.0.1", 'l' },
		{ "127.255.255.255", 'l' },
		{ "::1", 'l' },
		{ "126.255.255.255", 'h' },
		{ "128.0.0.0", 'h' },
		{ "::2", 'h' },
		{ "224.0.0.0", 'm' },
		{ "239.255.255.255", 'm' },
		{ "ff02::1", 'm' },
		{ "223.255.255.255", 'h' },
		{ "169.254.0.1", 'k' },
		{ "169.253.255.255", 'h' },
		{ "169.255.0.0", 'h' },
		{ "fe80::1", 'k' },
		{ "febf::1", 'k' },
		{ "fec0::1", 'h' },
		{ "fe7f::1", 'h' },
		{ "0.0.0.1", '-' },
		{ "0.255.255.255", '-' },
		{ "1.0.0.0", 'h' },
		{ "240.0.0.0", '-' },
		{ "255.255.255.255", '-' },
		{ "::ffff:192.0.2.1", '-' },
		{ "192.168.0.2", 'h' },
		{ "2001:db8::1", 'h' },
		{ "fd00::1", 'h' },
	};
	struct ip none = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip parsed = ip(cases[i].text);
		char kind = cases[i].kind;

		if (ip_is_unspecified(&parsed) != (kind == '0') || ip_is_loopback(&parsed) != (kind == 'l') ||
		    ip_is_multicast(&parsed) != (kind == 'm') || ip_is_link_local(&parsed) != (kind == 'k') ||
		    ip_is_host(&parsed) != (kind == 'h' || kind == 'k'))
			fail_msg("%s is not %c", cases[i].text, kind);
	}
	assert_false(ip_is_host(&none));
	assert_false(ip_is_unspecified(&none));
}

static void prefixes_are_written_canonically(void **state)
{
	static const struct {
		const char *input, *text, *last;
	} cases[] = {
		{ "192.168.0.0/24", "192.168.0.0/24", "192.168.0.255" },
		{ "192.168.0.7", "192.168.0.7", "192.168.0.7" },
		{ "192.168.0.7/32", "192.168.0.7", "192.168.0.7" },
		{ "0.0.0.0/0", "0.0.0.0/0", "255.255.255.255" },
		{ "128.0.0.0/1", "128.0.0.0/1", "255.255.255.255" },
		{ "10.0.0.0/13", "10.0.0.0/13", "10.7.255.255" },
		{ "10.0.0.254/31", "10.0.0.254/31", "10.0.0.255" },
		{ "::/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "2001:db8::/33", "2001:db8::/33", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff" },
		{ "2001:db8::1/128", "2001:db8::1", "2001:db8::1" },
	};
	char text[PREFIX_TEXT_MAX], address[IP_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct prefix parsed = prefix(cases[i].input);
		struct ip last = prefix_last(&parsed);

		assert_string_equal(prefix_format(&parsed, text), cases[i].text);
		assert_string_equal(ip_format(&last, address), cases[i].last);
	}
}

static void what_is_no_prefix_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"/",
		"/24",
		"192.168.0.0/",
		"192.168.0.0/33",
		"192.168.0.0/-1",
		"192.168.0.0/+24",
		"192.168.0.0/024",
		"192.168.0.0/24 ",
		"192.168.0.0 /24",
		"192.168.0.0/ 24",
		"192.168.0.0/24/24",
		"192.168.0.0/0x18",
		"192.168.0.0/255.255.255.0",
		"192.168/16",
		"::/129",
		"::/4294967296",
		"::/99999999999999999999",
		"fe80::%1/64",
		"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000/24",
	};
	struct prefix parsed;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (prefix_parse(cases[i], &parsed) != -EINVAL)
			fail_msg("taken for a prefix: \"%s\"", cases[i]);
}

static void host_bits_are_named(void **state)
{
	struct prefix parsed;
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(prefix_parse("192.168.0.1/24", &parsed), -ERANGE);
	assert_string_equal(prefix_format(&parsed, text), "192.168.0.0/24");
	assert_int_equal(prefix_parse("0.0.0.1/0", &parsed), -ERANGE);
	assert_string_equal(prefix_format(&parsed, text), "0.0.0.0/0");
	assert_int_equal(prefix_parse("2001:db8::1/127", &parsed), -ERANGE);
	assert_string_equal(prefix_format(&parsed, text), "2001:db8::/127");
}

static void containment_at_the_edges(void **state)
{
	struct prefix net = prefix("192.168.4.0/22"), half = prefix("192.168.6.0/23"),
		      all = prefix("0.0.0.0/0");
	struct prefix all6 = prefix("::/0"), host = prefix("192.168.7.255");
	struct ip first = ip("192.168.4.0"), last = ip("192.168.7.255"), before = ip("192.168.3.255");
	struct ip after = ip("192.168.8.0"), six = ip("::1"), none = { 0 };

	(void)state;
	assert_true(prefix_contains(&net, &first));
	assert_true(prefix_contains(&net, &last));
	assert_false(prefix_contains(&net, &before));
	assert_false(prefix_contains(&net, &after));
	assert_true(prefix_contains(&all, &before));
	assert_false(prefix_contains(&all, &six));
	assert_false(prefix_contains(&all6, &before));
	assert_false(prefix_contains(&all, &none));

	assert_true(prefix_covers(&net, &net));
	assert_true(prefix_covers(&net, &half));
	assert_true(prefix_covers(&net, &host));
	assert_false(prefix_covers(&half, &net));
	half = prefix("192.168.4.0/23"); /* the same address, longer */
	assert_true(prefix_covers(&net, &half));
	assert_false(prefix_covers(&half, &net));
	assert_false(prefix_covers(&all6, &net));
	assert_true(prefix_covers(&all, &net));
}

static void prefix_of_takes_any_length(void **state)
{
	struct ip address = ip("192.168.7.255");
	struct prefix cut = prefix_of(&address, 22), whole = prefix_of(&address, 200);
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_string_equal(prefix_format(&cut, text), "192.168.4.0/22");
	assert_string_equal(prefix_format(&whole, text), "192.168.7.255");
}

static void prefixes_order_by_address_then_length(void **state)
{
	struct prefix a = prefix("10.0.0.0/8"), b = prefix("10.0.0.0/16"), c = prefix("11.0.0.0/8");

	(void)state;
	assert_int_equal(prefix_compare(&a, &a), 0);
	assert_true(prefix_compare(&a, &b) < 0);
	assert_true(prefix_compare(&b, &a) > 0);
	assert_true(prefix_compare(&b, &c) < 0);
}

static void sockaddrs_hold_address_and_port(void **state)
{
	static const char *const texts[] = { "192.0.2.7", "2001:db8::7" };
	const struct sockaddr local = { .sa_family = AF_UNIX };
	struct sockaddr_storage address;
	uint16_t port = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct ip in = ip(texts[i]), out;

		assert_int_equal(ip_to_sockaddr(&in, 8443, &address),
				 i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		assert_int_equal(address.ss_family, in.family);
		out = ip_from_sockaddr((struct sockaddr *)&address, &port);
		assert_int_equal(ip_compare(&in, &out), 0);
		assert_int_equal(port, 8443);
		out = ip_from_sockaddr((struct sockaddr *)&address, NULL);
		assert_int_equal(ip_compare(&in, &out), 0);
	}
	assert_int_equal(ip_from_sockaddr(&local, &port).family, AF_UNSPEC);
	assert_int_equal(port, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_written_canonically),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(order_is_family_then_bytes),
		cmocka_unit_test(kinds_of_addresses),
		cmocka_unit_test(prefixes_are_written_canonically),
		cmocka_unit_test(what_is_no_prefix_is_refused),
		cmocka_unit_test(host_bits_are_named),
		cmocka_unit_test(containment_at_the_edges),
		cmocka_unit_test(prefix_of_takes_any_length),
		cmocka_unit_test(prefixes_order_by_address_then_length),
		cmocka_unit_test(sockaddrs_hold_address_and_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
