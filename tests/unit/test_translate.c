/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where new connections would go: what the chains do with packets (tests/net), asked of the desired state. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "model/compile.h"
#include "model/translate.h"
#include "parsed.h"

static const char config_text[] =
	"{\"networks\": [{\"name\": \"lan\", \"devices\": [\"br-lan\"]},"
	" {\"name\": \"guests\", \"prefixes\": [\"192.168.5.0/24\"], \"hairpin\": \"off\"}],"
	" \"uplinks\": [{\"name\": \"isp1\", \"device\": \"eth0\"}, {\"name\": \"isp2\", \"device\": \"eth1\"}],"
	" \"forwards\": ["
	" {\"name\": \"web\", \"external_ports\": \"80,8000-8100\", \"internal_address\": \"192.168.0.2\"},"
	" {\"name\": \"next\", \"external_ports\": \"8101-8200\", \"internal_address\": \"192.168.0.3\"},"
	" {\"name\": \"shifted\", \"external_ports\": \"1000-1009\", \"internal_ports\": \"2000-2009\","
	"  \"internal_address\": \"192.168.0.2\"},"
	" {\"name\": \"office\", \"external_ports\": \"5000-5100\", \"internal_address\": \"192.168.0.4\","
	"  \"sources\": [\"203.0.113.0/24\"], \"hairpin\": false},"
	" {\"name\": \"second\", \"external_ports\": \"6000-6100\", \"internal_address\": \"192.168.0.5\","
	"  \"uplinks\": [\"isp2\"]},"
	" {\"name\": \"tunnel\", \"protocols\": [\"gre\"], \"external_ports\": null,"
	"  \"internal_address\": \"192.168.0.6\"},"
	" {\"name\": \"nas\", \"family\": \"ipv6\", \"pinhole\": true, \"external_ports\": \"443,5000-5100\","
	"  \"internal_address\": \"::2/-64\"},"
	" {\"name\": \"nas by isp2\", \"family\": \"ipv6\", \"pinhole\": true, \"external_ports\": \"22,6000-6100\","
	"  \"internal_address\": \"::2/-64\", \"uplinks\": [\"isp2\"], \"sources\": [\"2001:db8:f::/48\"]},"
	" {\"name\": \"esp\", \"family\": \"ipv6\", \"pinhole\": true, \"protocols\": [\"esp\"],"
	"  \"external_ports\": null, \"internal_address\": \"2001:db8:5::3\"}]}";
static const char links_text[] =
	"[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.1/24\"], \"gateway4\": \"192.0.2.254\"},"
	" {\"name\": \"eth1\", \"index\": 3, \"addresses\": [\"198.51.100.1/24\"]},"
	" {\"name\": \"br-lan\", \"index\": 4, \"addresses\": [\"192.168.0.1/24\", \"2001:db8:5::1/64\"]}]";

static struct config *config;
static struct links links;
static struct kstate desired;

static int set_up(void **state)
{
	struct environment environment = { 0 };

	(void)state;
	parse_world(config_text, links_text, &config, &links);
	assert_int_equal(compile(config, &links, &environment, &desired), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kstate_done(&desired);
	links_done(&links);
	config_unref(config);
	return 0;
}

static struct arrival arrival(uint8_t protocol, const char *source, const char *destination, uint16_t port,
			      uint32_t uplink)
{
	struct arrival made = { .protocol = protocol, .port = port, .uplink = uplink };

	assert_int_equal(ip_parse(source, &made.source), 0);
	assert_int_equal(ip_parse(destination, &made.destination), 0);
	return made;
}

static void goes(struct arrival from, const char *forward, const char *address, uint16_t port)
{
	struct destination destination;
	char text[IP_TEXT_MAX];

	assert_true(translate(config, &links, &desired, &from, &destination));
	assert_string_equal(destination.forward->object.name, forward);
	assert_string_equal(ip_format(&destination.address, text), address);
	assert_int_equal(destination.port, port);
}

static void goes_nowhere(struct arrival from)
{
	struct destination destination;

	assert_false(translate(config, &links, &desired, &from, &destination));
}

#define FROM                           "203.0.113.7"
#define TCP(destination, port, uplink) arrival(IPPROTO_TCP, FROM, destination, port, uplink)

static void single_ports_and_ranges(void **state)
{
	(void)state;
	goes(TCP("192.0.2.1", 80, 1), "web", "192.168.0.2", 80);
	goes(TCP("192.0.2.1", 8000, 1), "web", "192.168.0.2", 8000);
	goes(TCP("198.51.100.1", 8100, 2), "web", "192.168.0.2", 8100);
	goes(TCP("192.0.2.1", 8101, 1), "next", "192.168.0.3", 8101);
	goes(TCP("192.0.2.1", 1009, 1), "shifted", "192.168.0.2", 2009);
	goes_nowhere(TCP("192.0.2.1", 7999, 1));
	goes_nowhere(TCP("192.0.2.1", 8201, 1));
	goes_nowhere(TCP("192.0.2.77", 80, 1));
	goes_nowhere(arrival(IPPROTO_UDP, FROM, "192.0.2.1", 8000, 1));
	goes(arrival(IPPROTO_GRE, FROM, "192.0.2.1", 0, 1), "tunnel", "192.168.0.6", 0);
}

static void guards(void **state)
{
	(void)state;
	goes(TCP("192.0.2.1", 5050, 1), "office", "192.168.0.4", 5050);
	goes_nowhere(arrival(IPPROTO_TCP, "198.51.100.7", "192.0.2.1", 5050, 1));
	goes_nowhere(arrival(IPPROTO_TCP, "192.168.0.9", "192.0.2.1", 5050, 0));
	goes(arrival(IPPROTO_TCP, "192.168.0.9", "192.0.2.1", 8050, 0), "web", "192.168.0.2", 8050);
	goes_nowhere(arrival(IPPROTO_TCP, "192.168.5.9", "192.0.2.1", 8050, 0));
}

static void one_uplink(void **state)
{
	(void)state;
	goes(TCP("198.51.100.1", 6050, 2), "second", "192.168.0.5", 6050);
	goes(arrival(IPPROTO_TCP, "192.168.0.9", "198.51.100.1", 6050, 0), "second", "192.168.0.5", 6050);
	goes_nowhere(TCP("198.51.100.1", 6050, 1));
	goes_nowhere(TCP("192.0.2.1", 6050, 1));
}

#define FROM6                           "2001:db8:f::7"
#define TCP6(destination, port, uplink) arrival(IPPROTO_TCP, FROM6, destination, port, uplink)

static void pinholes(void **state)
{
	(void)state;
	goes(TCP6("2001:db8:5::2", 443, 1), "nas", "2001:db8:5::2", 443);
	goes(TCP6("2001:db8:5::2", 5100, 2), "nas", "2001:db8:5::2", 5100);
	goes_nowhere(TCP6("2001:db8:5::2", 5101, 1));
	goes_nowhere(TCP6("2001:db8:5::3", 443, 1));
	/* From inside nothing needs to be let in. */
	goes_nowhere(TCP6("2001:db8:5::2", 443, 0));
	for (uint16_t port = 22; port < 7000; port += 6028) {
		goes(TCP6("2001:db8:5::2", port, 2), "nas by isp2", "2001:db8:5::2", port);
		goes_nowhere(TCP6("2001:db8:5::2", port, 1));
		goes_nowhere(arrival(IPPROTO_TCP, "2001:db8:e::7", "2001:db8:5::2", port, 2));
	}
	goes(arrival(IPPROTO_ESP, FROM6, "2001:db8:5::3", 0, 1), "esp", "2001:db8:5::3", 0);
	goes_nowhere(arrival(IPPROTO_ESP, FROM6, "2001:db8:5::2", 0, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_ports_and_ranges),
		cmocka_unit_test(guards),
		cmocka_unit_test(one_uplink),
		cmocka_unit_test(pinholes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
