/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What forwards amount to now: when they are in force, where they lead, and why not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model/live.h"
#include "model/schema.h"

static struct err err;

/* JSON with ' for ". */
static json_t *parse(const char *text)
{
	char *copy = strdup(text);
	json_t *json;

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	json = json_loads(copy, 0, NULL);
	assert_non_null(json);
	free(copy);
	return json;
}

static struct config *make_config(const char *text)
{
	struct config *config = NULL;
	json_t *json = parse(text);

	err_clear(&err);
	if (config_from_json(json, NULL, &config, &err) < 0 || config_check(config, NULL, &err) < 0)
		fail_msg("%s: %s", err.items[0].path, err.items[0].message);
	json_decref(json);
	return config;
}

/* --- when --- */

static unsigned minute(unsigned day, unsigned hour, unsigned min)
{
	return day * 1440 + hour * 60 + min;
}

static void wait_is(const char *text, unsigned week_minute, unsigned want)
{
	struct schedule schedule = { 0 };

	err_clear(&err);
	assert_int_equal(schedule_parse(text, &schedule, "", &err), 0);
	if (schedule_wait(&schedule, week_minute) != want)
		fail_msg("%s at %u: %u, not %u", text, week_minute, schedule_wait(&schedule, week_minute),
			 want);
	free(schedule.items);
}

static void test_schedule(void **state)
{
	const struct schedule always = { 0 };

	(void)state;
	assert_int_equal(schedule_wait(&always, 77), 0);
	wait_is("mon-fri 08:00-22:00", minute(0, 7, 59), 1);
	wait_is("mon-fri 08:00-22:00", minute(0, 8, 0), 0);
	wait_is("mon-fri 08:00-22:00", minute(4, 21, 59), 0);
	wait_is("mon-fri 08:00-22:00", minute(4, 22, 0), 2 * 1440 + 10 * 60);
	wait_is("mon-fri 08:00-22:00", minute(6, 23, 59), 8 * 60 + 1);
	/* Over midnight, and over the end of the week. */
	wait_is("fri 22:00-06:00", minute(4, 23, 0), 0);
	wait_is("fri 22:00-06:00", minute(5, 5, 59), 0);
	wait_is("fri 22:00-06:00", minute(5, 6, 0), 6 * 1440 + 16 * 60);
	wait_is("sun 22:00-06:00", minute(0, 5, 59), 0);
	wait_is("sun 22:00-06:00", minute(0, 6, 0), 6 * 1440 + 16 * 60);
	/* Until midnight is not until the midnight after. */
	wait_is("sun 10:00-24:00", minute(6, 23, 59), 0);
	wait_is("sun 10:00-24:00", minute(0, 0, 0), 6 * 1440 + 10 * 60);
	/* The same hour: a whole day. */
	wait_is("tue 08:00-08:00", minute(2, 7, 59), 0);
	wait_is("tue 08:00-08:00", minute(2, 8, 0), 5 * 1440 + 24 * 60);
	wait_is("daily 00:00-24:00", minute(3, 12, 0), 0);
	wait_is("mon 08:00-09:00, wed 08:00-09:00", minute(0, 9, 0), 2 * 1440 - 60);
	wait_is("mon 08:00-09:00, wed 08:00-09:00", minute(2, 8, 30), 0);
}

/* What is written of a schedule reads back as the same. */
static void survives_text(const struct schedule *schedule)
{
	struct schedule again = { 0 };
	struct buf buf;

	buf_init(&buf, 1024);
	schedule_format(schedule, &buf);
	err_clear(&err);
	if (schedule_parse(buf_text(&buf), &again, "", &err) < 0)
		fail_msg("%s: %s", buf_text(&buf), err.items[0].message);
	assert_int_equal(again.count, schedule->count);
	for (unsigned i = 0; i < again.count; i++) {
		assert_int_equal(again.items[i].days, schedule->items[i].days);
		assert_int_equal(again.items[i].from, schedule->items[i].from);
		assert_int_equal(again.items[i].to, schedule->items[i].to);
	}
	free(again.items);
	buf_done(&buf);
}

/* Every minute of the week for some windows, by a table that is filled minute by minute. */
static void test_schedule_against_a_table(void **state)
{
	(void)state;
	srand(7);
	for (unsigned round = 0; round < 200; round++) {
		struct window windows[3];
		struct schedule schedule = { .count = 1 + (unsigned)rand() % 3, .items = windows };
		static bool open[10080];

		memset(open, 0, sizeof(open));
		for (unsigned i = 0; i < schedule.count; i++) {
			unsigned from = (unsigned)rand() % 1440, to = 1 + (unsigned)rand() % 1440;

			windows[i] = (struct window){
				.days = (uint8_t)(1 + rand() % 127),
				.from = (uint16_t)from,
				.to = (uint16_t)to,
			};
			for (unsigned day = 0; day < 7; day++) {
				unsigned now = from;

				if (!(windows[i].days >> day & 1))
					continue;
				do {
					open[(day * 1440 + now) % 10080] = true;
					now++;
				} while (now % 1440 != to % 1440);
			}
		}
		survives_text(&schedule);
		for (unsigned now = 0; now < 10080; now += 1 + (unsigned)rand() % 7) {
			unsigned wait = 0;

			while (wait < 10080 && !open[(now + wait) % 10080])
				wait++;
			assert_int_equal(schedule_wait(&schedule, now), wait);
		}
	}
}

static void test_suffixes_survive_text(void **state)
{
	(void)state;
	srand(11);
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t bits = (uint8_t)(1 + rand() % 127), read_bits = 0;
		struct ip suffix = { .family = AF_INET6 }, again;
		char text[SUFFIX_TEXT_MAX];

		for (unsigned bit = 0; bit < bits; bit++)
			if (rand() % (1 + round % 7) == 0)
				suffix.bytes[15 - bit / 8] |= (uint8_t)(1u << bit % 8);
		if (ip_is_unspecified(&suffix))
			continue;
		suffix_format(&suffix, bits, text);
		if (suffix_parse(text, &again, &read_bits) || read_bits != bits ||
		    ip_compare(&again, &suffix) != 0 || strchr(text, '.'))
			fail_msg("%s", text);
	}
}

/* --- where to --- */

static const char networks[] = "'networks': [{'id': 1, 'name': 'lan', 'devices': ['lan0', 'lan1']},"
			       " {'id': 2, 'name': 'guests', 'devices': ['guest0']}]";

/* The backends of a forward to `address`, in `network` (may be NULL), with spaces between. */
static const char *backends(const char *address, const char *network, const char *links_text)
{
	static char all[BACKENDS_MAX * IP_TEXT_MAX];
	char text[1024];
	struct ip found[BACKENDS_MAX];
	json_t *json = parse(links_text);
	struct config *config;
	struct links links;
	unsigned count;

	snprintf(text, sizeof(text),
		 "{%s, 'forwards': [{'id': 1, 'name': 'a', 'external_ports': '80', 'internal_address': '%s',"
		 " 'internal_network': %s%s%s}]}",
		 networks, address, network ? "'" : "null", network ? network : "", network ? "'" : "");
	config = make_config(text);
	assert_int_equal(links_from_json(json, &links), 0);
	count = forward_backends(config, (const struct forward *)config_find(config, KIND_FORWARD, 1), &links,
				 found);
	all[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		char one[IP_TEXT_MAX];

		sprintf(all + strlen(all), "%s%s", i ? " " : "", ip_format(&found[i], one));
	}
	links_done(&links);
	config_unref(config);
	json_decref(json);
	return all;
}

static void test_backends(void **state)
{
	static const char two[] =
		"[{'name': 'lan0', 'index': 1, 'addresses': ['192.168.0.1/24', 'fe80::1/64', 'fd00:1::1/64',"
		"   '2001:db8:2::1/64', '2001:db8:1::1/64', '2001:db8:1::99/64', '2001:db8:7::7/128']},"
		" {'name': 'guest0', 'index': 2, 'addresses': ['2001:db8:0:8::1/61', 'fd00:2::1/64']},"
		" {'name': 'eth0', 'index': 3, 'addresses': ['2001:db8:3::1/64']}]";

	(void)state;
	assert_string_equal(backends("192.168.0.2", NULL, two), "192.168.0.2");
	assert_string_equal(backends("2001:db8::2", NULL, "[]"), "2001:db8::2");
	/* Global ones first, then by network, then by address; those of devices that are in no network never. */
	assert_string_equal(backends("::2/-64", NULL, two),
			    "2001:db8:1::2 2001:db8:2::2 2001:db8:0:8::2 fd00:1::2 fd00:2::2");
	assert_string_equal(backends("::2/-64", "lan", two), "2001:db8:1::2 2001:db8:2::2 fd00:1::2");
	assert_string_equal(backends("::2/-64", "guests", two), "2001:db8:0:8::2 fd00:2::2");
	/* A longer suffix needs a shorter prefix; what lies between is zero, or the suffix's. */
	assert_string_equal(backends("::3:0:0:0:2/-67", NULL, two), "2001:db8:0:b::2");
	assert_string_equal(backends("::3:0:0:0:2/-68", NULL, two), "");
	assert_string_equal(backends("::2/-64", NULL, "[]"), "");
	assert_string_equal(
		backends("::2/-64", NULL, "[{'name': 'lan0', 'index': 1, 'addresses': ['fe80::1/64']}]"), "");
	assert_string_equal(backends("::1/-1", NULL, two),
			    "2001:db8:1::1 2001:db8:2::1 2001:db8:0:8::1 fd00:1::1 fd00:2::1");
	assert_string_equal(backends("::1/-8", NULL,
				     "[{'name': 'lan0', 'index': 1, 'addresses': ['2001:db8::aa00/120']}]"),
			    "2001:db8::aa01");
	/* A prefix that is being given up is the last, whichever of its addresses comes first. */
	assert_string_equal(
		backends(
			"::2/-64", NULL,
			"[{'name': 'lan0', 'index': 1, 'addresses': ['2001:db8:1::1/64 deprecated', 'fd00:1::1/64',"
			"   '2001:db8:2::99/64 deprecated', '2001:db8:2::1/64']}]"),
		"2001:db8:2::2 fd00:1::2 2001:db8:1::2");
}

static void test_too_many_backends(void **state)
{
	char text[1024] = "[{'name': 'lan0', 'index': 1, 'addresses': ['fd00::1/64'";

	(void)state;
	for (unsigned i = 12; i > 0; i--)
		sprintf(text + strlen(text), ", '2001:db8:%x::1/64'", i);
	strcat(text, "]}]");
	assert_string_equal(backends("::2/-64", NULL, text),
			    "2001:db8:1::2 2001:db8:2::2 2001:db8:3::2 2001:db8:4::2 2001:db8:5::2 "
			    "2001:db8:6::2 2001:db8:7::2 2001:db8:8::2");
}

/* --- whether --- */

static void reason_is(const char *forward, const char *links_text, const char *want)
{
	struct environment environment = { .now = 1000000, .week_minute = minute(0, 12, 0) };
	json_t *json = parse(links_text);
	struct forward_live live;
	struct config *config;
	struct links links;
	char text[1024];

	snprintf(text, sizeof(text),
		 "{%s, 'uplinks': [{'id': 1, 'name': 'isp1', 'device': 'eth0'}],"
		 " 'forwards': [{'id': 1, 'name': 'a', 'external_ports': '80', %s}]}",
		 networks, forward);
	config = make_config(text);
	assert_int_equal(links_from_json(json, &links), 0);
	forward_resolve(config, (const struct forward *)config_find(config, KIND_FORWARD, 1), &links,
			&environment, &live);
	assert_true(live.live == !live.why_not);
	if (strcmp(live.live ? "live" : live.why_not, want) != 0)
		fail_msg("%s: %s, not %s", forward, live.live ? "live" : live.why_not, want);
	links_done(&links);
	config_unref(config);
	json_decref(json);
}

static void test_reasons(void **state)
{
	static const char both[] =
		"[{'name': 'eth0', 'index': 1, 'addresses': ['192.0.2.1/24', 'fe80::1/64']},"
		" {'name': 'lan0', 'index': 2, 'addresses': ['2001:db8:1::1/64']}]";
	static const char down[] =
		"[{'name': 'eth0', 'index': 1, 'up': false, 'addresses': ['192.0.2.1/24']},"
		" {'name': 'lan0', 'index': 2, 'addresses': ['2001:db8:1::1/64']}]";

	(void)state;
	reason_is("'internal_address': '192.168.0.2'", both, "live");
	reason_is("'internal_address': '192.168.0.2', 'schedule': 'mon 12:00-12:01'", both, "live");
	reason_is("'internal_address': '192.168.0.2', 'schedule': 'mon 12:01-12:00'", both, "scheduled");
	reason_is("'internal_address': '192.168.0.2', 'schedule': 'mon 12:01-12:00', 'enabled': false", both,
		  "disabled");
	reason_is("'internal_address': '192.168.0.2', 'schedule': 'mon 12:01-12:00',"
		  " 'expires_at': '1970-01-12T13:46:40Z'",
		  both, "expired");
	reason_is("'internal_address': '192.168.0.2', 'expires_at': '1970-01-12T13:46:41Z'", both, "live");
	reason_is("'internal_address': '::2/-64', 'uplinks': ['nobody']", "[]", "no-prefix");
	reason_is("'internal_address': '::2/-64', 'internal_network': 'guests', 'pinhole': true", both,
		  "no-prefix");
	/* A pinhole needs no address of its family on the uplink, a translation does. */
	reason_is("'internal_address': '::2/-64', 'pinhole': true", both, "live");
	reason_is("'internal_address': '::2/-64'", both, "uplink-down");
	reason_is("'internal_address': '::2/-64', 'pinhole': true", down, "uplink-down");
	reason_is("'internal_address': '::2/-64', 'pinhole': true, 'uplinks': ['nobody']", both,
		  "uplink-unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_schedule_against_a_table),
		cmocka_unit_test(test_suffixes_survive_text),
		cmocka_unit_test(test_backends),
		cmocka_unit_test(test_too_many_backends),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests_name("what configured objects amount to", tests, NULL, NULL);
}
