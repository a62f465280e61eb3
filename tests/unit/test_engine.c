/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/private.h"
#include "engine_fixture.h"

static const char two_links[] = "[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.1/24\"],"
				" \"gateway4\": \"192.0.2.254\"},"
				" {\"name\": \"br-lan\", \"index\": 4, \"addresses\": [\"192.168.0.1/24\"]}]";

static int set_up(void **state)
{
	return fixture_set_up(state, two_links, NULL);
}

/* Until the engine has looked at the news. After a look that took long, as on a slow machine, it rests first. */
static void look(struct fixture *f)
{
	do
		fixture_turn(f, 0);
	while (f->engine->dirty);
}

static int put(struct fixture *f, enum kind kind, const char *text)
{
	struct change_request request = { .author = "test", .reason = "test" };
	struct config *next = config_copy(engine_config(f->engine));
	json_t *json = json_loads(text, 0, NULL);
	struct object *object;

	err_clear(&f->err);
	assert_non_null(json);
	assert_int_equal(object_from_json(kind, json, "", true, &object, &f->err), 0);
	assert_int_equal(config_put(next, object, &f->err), 0);
	int r = engine_commit(f->engine, next, &request, &f->err);

	json_decref(json);
	config_unref(next);
	return r;
}

static int take_away(struct fixture *f, enum kind kind, uint32_t id)
{
	struct change_request request = { .author = "test", .reason = "test" };
	struct config *next = config_copy(engine_config(f->engine));

	err_clear(&f->err);
	assert_int_equal(config_remove(next, kind, id), 0);
	int r = engine_commit(f->engine, next, &request, &f->err);

	config_unref(next);
	return r;
}

static json_int_t mended(struct fixture *f)
{
	json_t *status = engine_kernel_status(f->engine);
	json_int_t result = json_integer_value(json_object_get(status, "mended"));

	json_decref(status);
	return result;
}

static const char uplink[] = "{\"name\": \"isp1\", \"device\": \"eth0\"}";
static const char forward[] =
	"{\"name\": \"web\", \"external_ports\": \"80\", \"internal_address\": \"192.168.0.2\"}";
static const char other[] =
	"{\"name\": \"mail\", \"external_ports\": \"25\", \"internal_address\": \"192.168.0.2\"}";

static void one_forward_is_one_element(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put(f, KIND_UPLINK, uplink), 0);
	assert_int_equal(put(f, KIND_FORWARD, forward), 0);
	unsigned applies = f->kernel.applies;

	assert_int_equal(put(f, KIND_FORWARD, other), 0);
	assert_int_equal(f->kernel.applies, applies + 1);
	assert_int_equal(f->kernel.steps, 1);
	assert_int_equal(f->kernel.elems, 1);
	assert_int_equal(engine_revision(f->engine), 3);
	assert_true(fixture_in_sync(f));
}

static void untouched_until_configured(void **state)
{
	struct fixture *f = *state;

	fixture_turn(f, 50);
	engine_recheck(f->engine);
	fixture_turn(f, 50);
	assert_true(fixture_in_sync(f));
	assert_int_equal(f->kernel.applies, 0);
	assert_int_equal(put(f, KIND_UPLINK, uplink), 0);
	assert_int_equal(f->kernel.applies, 1);
	/* Emptied again it is a configuration like others: connections that must end are ended by the table. */
	assert_int_equal(take_away(f, KIND_UPLINK, 1), 0);
	assert_int_equal(f->kernel.applies, 2);
	fixture_stop(f);
	fixture_start(f);
	fixture_turn(f, 50);
	assert_int_equal(f->kernel.applies, 3);
}

static void same_again_is_no_revision(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	unsigned applies = f->kernel.applies;
	uint64_t revision = engine_revision(f->engine);

	assert_int_equal(put(f, KIND_UPLINK, "{\"id\": 1, \"name\": \"isp1\", \"device\": \"eth0\"}"), 0);
	assert_int_equal(engine_revision(f->engine), revision);
	assert_int_equal(f->kernel.applies, applies);
}

static void refusal_keeps_nothing(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	uint64_t revision = engine_revision(f->engine);

	f->kernel.refuse_nft = true;
	assert_true(put(f, KIND_FORWARD, forward) < 0);
	assert_int_equal(f->err.kind, ERR_KERNEL);
	assert_non_null(strstr(f->err.detail, "no such thing"));
	assert_int_equal(engine_revision(f->engine), revision);
	assert_int_equal(engine_config(f->engine)->lists[KIND_FORWARD].count, 0);
	assert_false(fixture_in_sync(f));

	f->kernel.refuse_nft = false;
	fixture_stop(f);
	fixture_start(f);
	assert_int_equal(engine_config(f->engine)->lists[KIND_FORWARD].count, 0);
	assert_int_equal(engine_revision(f->engine), revision);
	assert_true(fixture_in_sync(f));
}

static void survives_a_restart(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	put(f, KIND_FORWARD, forward);
	struct config *before = config_ref((struct config *)engine_config(f->engine));
	struct changes changes;

	fixture_stop(f);
	fixture_start(f);
	assert_int_equal(config_diff(before, engine_config(f->engine), &changes), 0);
	assert_int_equal(changes.count, 0);
	changes_done(&changes);
	config_unref(before);
}

/* Somebody may copy the one file at any time. */
static void at_rest_the_file_is_whole(void **state)
{
	struct fixture *f = *state;
	char log[96];
	struct stat st;

	put(f, KIND_UPLINK, uplink);
	snprintf(log, sizeof(log), "%s-wal", f->db);
	assert_int_equal(stat(log, &st), 0);
	assert_true(st.st_size > 0);
	fixture_turn(f, STORE_SETTLE_MS + 200);
	assert_int_equal(stat(log, &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void a_clash_is_refused_before_anything(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_FORWARD, forward);
	unsigned applies = f->kernel.applies;

	assert_true(
		put(f, KIND_FORWARD,
		    "{\"name\": \"again\", \"external_ports\": \"79-81\", \"internal_address\": \"192.168.0.3\"}") <
		0);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
	assert_int_equal(f->kernel.applies, applies);
}

static void a_flush_is_mended(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	put(f, KIND_FORWARD, forward);
	assert_int_equal(mended(f), 0);
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_TABLE);
	assert_false(fixture_in_sync(f));
	look(f);
	assert_true(f->kernel.steps > 20); /* all of it */
	assert_int_equal(mended(f), 1);
	assert_true(fixture_in_sync(f));
}

static void a_new_address_is_few_elements(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	put(f, KIND_FORWARD, forward);
	f->kernel.links = "[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.99/24\"],"
			  " \"gateway4\": \"192.0.2.254\"}]";
	unsigned sweeps = f->kernel.sweeps;

	f->kernel.events.changed(f->kernel.events.arg, KERNEL_LINKS);
	look(f);
	assert_true(f->kernel.elems <= 4);
	assert_int_equal(mended(f), 0); /* following is not mending */
	for (unsigned i = 0; i < 500 && f->kernel.sweeps == sweeps; i++)
		fixture_turn(f, 10);
	assert_true(f->kernel.sweeps > sweeps);
}

/* One uplink's bad gateway must not keep others from being changed; the retries slow down. */
static void an_old_refusal_hinders_nobody(void **state)
{
	struct fixture *f = *state;

	f->kernel.links = "[]";
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_LINKS);
	look(f);
	assert_int_equal(put(f, KIND_UPLINK, uplink), 0);
	f->kernel.links = two_links;
	f->kernel.refuse_routes = true;
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_LINKS);
	look(f);
	assert_false(fixture_in_sync(f));
	assert_int_equal(put(f, KIND_FORWARD, forward), 0);
	unsigned applies = f->kernel.applies;

	fixture_turn(f, 100);
	assert_int_equal(f->kernel.applies, applies);
	f->kernel.refuse_routes = false;
	fixture_turn(f, 4000);
	assert_true(fixture_in_sync(f));
	assert_int_equal(f->kernel.applies, applies + 1);
}

static void fw4_is_noticed(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	assert_false(engine_environment(f->engine)->fw4);
	f->kernel.fw4.there = true;
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_TABLE);
	look(f);
	assert_true(engine_environment(f->engine)->fw4);
}

/* Not knowing is not knowing that it is not there: our own filter would be put up beside fw4's. */
static void fw4_that_cannot_be_read_is_read_later(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	f->kernel.fw4.there = true;
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_TABLE);
	look(f);
	f->kernel.unreadable_fw4 = true;
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_TABLE);
	look(f);
	assert_true(engine_environment(f->engine)->fw4);
	assert_false(fixture_in_sync(f));
	unsigned reads = f->kernel.fw4_reads;

	f->kernel.unreadable_fw4 = false;
	f->kernel.fw4.there = false;
	fixture_turn(f, 1500);
	assert_int_equal(f->kernel.fw4_reads, reads + 1);
	assert_false(engine_environment(f->engine)->fw4);
	assert_true(fixture_in_sync(f));
}

/* What was not desired was not read either: it must not pass for known. */
static void sysctls_wanted_again_are_set(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	assert_int_equal(put(f, KIND_SETTINGS, "{\"manage_sysctls\": false}"), 0);
	assert_int_equal(put(f, KIND_SETTINGS, "{\"manage_sysctls\": true}"), 0);
	assert_true(f->kernel.sysctls > 0);
}

static void sysctls_are_watched(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->kernel.sysctls_watched, 0);
	put(f, KIND_UPLINK, uplink);
	assert_in_range(f->kernel.sysctls_watched, 3, 10);
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_SYSCTL);
	look(f);
	assert_true(f->kernel.sysctls > 0);
	assert_int_equal(mended(f), 1);
}

/* However many forwards there are: routes and sysctls come and go with every address. */
static void only_news_of_the_table_have_it_read(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	unsigned before = f->kernel.table_reads;

	f->kernel.events.changed(f->kernel.events.arg, KERNEL_LINKS | KERNEL_ROUTES | KERNEL_SYSCTL);
	look(f);
	assert_int_equal(f->kernel.table_reads, before);
	assert_true(f->kernel.sysctls > 0);
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_TABLE);
	look(f);
	assert_int_equal(f->kernel.table_reads, before + 1);
}

static unsigned warnings(struct fixture *f, unsigned id, char *first, size_t size)
{
	json_t *list = json_array();
	struct listeners listeners;

	assert_int_equal(engine_read_listeners(f->engine, &listeners), 0);
	engine_warn_of_listeners(
		f->engine, &listeners,
		(const struct forward *)config_find(engine_config(f->engine), KIND_FORWARD, id), list);
	listeners_done(&listeners);
	unsigned count = (unsigned)json_array_size(list);
	const char *message = json_string_value(json_object_get(json_array_get(list, 0), "message"));

	snprintf(first, size, "%s", message ? message : "");
	json_decref(list);
	return count;
}

static void listeners_in_the_way_are_told(void **state)
{
	struct listener items[12] = {
		{ .protocol = IPPROTO_TCP, .port = 22, .address = { .family = AF_INET } },
		{ .protocol = IPPROTO_TCP, .port = 22, .address = { .family = AF_INET6 } },
		{ .protocol = IPPROTO_UDP, .port = 23, .address = { .family = AF_INET } },
		{ .protocol = IPPROTO_TCP, .port = 24 },
	};
	struct fixture *f = *state;
	char first[256];

	assert_int_equal(ip_parse("192.168.0.1", &items[3].address), 0); /* not the uplink's */
	f->kernel.listeners = (struct listeners){ .count = 4, .items = items };
	put(f, KIND_UPLINK, uplink);
	put(f, KIND_FORWARD,
	    "{\"name\": \"a\", \"external_ports\": \"20-25\", \"internal_address\": \"192.168.0.2\"}");
	assert_int_equal(warnings(f, 1, first, sizeof(first)), 1);
	assert_string_equal(first, "the router itself listens on tcp port 22 (0.0.0.0); from the uplinks the "
				   "forward takes its place");
	ip_parse("192.0.2.1", &items[3].address);
	assert_int_equal(warnings(f, 1, first, sizeof(first)), 2);
	for (unsigned i = 0; i < 12; i++)
		items[i] = (struct listener){ IPPROTO_TCP, (uint16_t)(8000 + i), { .family = AF_INET6 } };
	f->kernel.listeners.count = 12;
	assert_int_equal(warnings(f, 1, first, sizeof(first)), 0);
	put(f, KIND_FORWARD,
	    "{\"name\": \"b\", \"external_ports\": \"8000-9000\", \"internal_address\": \"192.168.0.2\"}");
	assert_int_equal(warnings(f, 2, first, sizeof(first)), 8);
	assert_non_null(strstr(first, "tcp port 8000 ([::])"));
}

static struct forward_counters counters_of(struct fixture *f, uint32_t id)
{
	struct forward_counters counters;

	engine_read_counters(f->engine, id);
	engine_forward_counters(f->engine, id, &counters);
	return counters;
}

enum { COUNTERS_AGE_MS = 1050 }; /* what is known is read again when it is a second old */

static void counters_add_up(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	put(f, KIND_FORWARD, other);
	put(f, KIND_FORWARD,
	    "{\"name\": \"web\", \"external_ports\": \"80,443,8080,8443-8450\", \"internal_address\": \"192.168.0.2\"}");
	f->kernel.packets = 5;
	f->kernel.counter_reads = 0;
	assert_int_equal(counters_of(f, 2).connections, 0); /* it was made just now: nobody is asked */
	assert_int_equal(f->kernel.counter_reads, 0);
	fixture_turn(f, COUNTERS_AGE_MS);
	f->kernel.counter_reads = f->kernel.counters_read = 0;
	assert_int_equal(counters_of(f, 2).connections, 4 * 5);
	assert_int_equal(f->kernel.counters_read, 4); /* its own elements */
	assert_in_range(counters_of(f, 2).last, time(NULL) - 5, time(NULL));
	assert_int_equal(f->kernel.counter_reads, 2); /* of two maps */
	assert_int_equal(counters_of(f, 3).connections, 0);
	assert_int_equal(counters_of(f, 0).connections, 0);
	assert_int_equal(counters_of(f, 1).connections, 5);
}

/* Whatever happens to the elements, what they counted stays. */
static void counters_survive(void **state)
{
	static const char moved[] =
		"{\"id\": 1, \"name\": \"web\", \"external_ports\": \"80,443\", \"internal_address\": \"192.168.0.9\"}";
	static const char fewer[] =
		"{\"id\": 1, \"name\": \"web\", \"external_ports\": \"80\", \"internal_address\": \"192.168.0.9\"}";
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	put(f, KIND_FORWARD,
	    "{\"name\": \"web\", \"external_ports\": \"80,443\", \"internal_address\": \"192.168.0.2\"}");
	f->kernel.packets = 5;
	fixture_turn(f, COUNTERS_AGE_MS);
	assert_int_equal(counters_of(f, 1).connections, 10);
	/* What came since it was read last is read before the elements go. */
	f->kernel.packets = 7;
	assert_int_equal(put(f, KIND_FORWARD, moved), 0);
	f->kernel.packets = 0;
	assert_int_equal(counters_of(f, 1).connections, 14);
	f->kernel.packets = 2;
	fixture_turn(f, COUNTERS_AGE_MS);
	assert_int_equal(counters_of(f, 1).connections, 18);
	/* One element goes, the other stays. */
	assert_int_equal(put(f, KIND_FORWARD, fewer), 0);
	assert_int_equal(counters_of(f, 1).connections, 18);
	/* Others come and go. */
	f->kernel.counter_reads = 0;
	assert_int_equal(put(f, KIND_FORWARD, other), 0);
	assert_int_equal(f->kernel.counter_reads, 0);
	assert_int_equal(counters_of(f, 1).connections, 18);
	/* Somebody flushes the table: what was known last counts. */
	f->kernel.packets = 0;
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_TABLE);
	fixture_turn(f, 50);
	assert_int_equal(counters_of(f, 1).connections, 18);
	f->kernel.packets = 1;
	fixture_turn(f, COUNTERS_AGE_MS);
	assert_int_equal(counters_of(f, 1).connections, 19);
	/* A change that the kernel refuses takes nothing away and adds nothing. */
	f->kernel.refuse_nft_step = true;
	assert_true(put(f, KIND_FORWARD, moved) < 0);
	assert_true(take_away(f, KIND_FORWARD, 1) < 0);
	f->kernel.refuse_nft_step = false;
	f->kernel.packets = 0;
	fixture_turn(f, COUNTERS_AGE_MS);
	assert_int_equal(counters_of(f, 1).connections, 19);
}

static void a_plan_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct config *next = config_copy(engine_config(f->engine));
	unsigned applies = f->kernel.applies;
	json_t *json = json_loads(uplink, 0, NULL), *plan = NULL;
	struct object *object;

	assert_int_equal(object_from_json(KIND_UPLINK, json, "", false, &object, &f->err), 0);
	config_put(next, object, &f->err);
	assert_int_equal(engine_plan(f->engine, next, &plan, &f->err), 0);
	assert_int_equal(json_array_size(json_object_get(plan, "changes")), 1);
	assert_true(json_array_size(json_object_get(plan, "kernel")) > 3);
	assert_int_equal(f->kernel.applies, applies);
	assert_int_equal(engine_revision(f->engine), 0);
	assert_true(fixture_in_sync(f)); /* though it asked the kernel of things that are not desired yet */
	json_decref(plan);
	json_decref(json);
	config_unref(next);
}

/* The batch is one: while anything in it is refused, no change to it can succeed, known or not. */
static void a_refused_table_accepts_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put(f, KIND_UPLINK, uplink), 0);
	f->kernel.refuse_nft_step = true;
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_TABLE);
	look(f);
	assert_true(put(f, KIND_FORWARD, forward) < 0);
	assert_int_equal(f->err.kind, ERR_KERNEL);
	assert_int_equal(engine_config(f->engine)->lists[KIND_FORWARD].count, 0);
	f->kernel.refuse_nft_step = false;
	assert_int_equal(put(f, KIND_FORWARD, forward), 0);
	assert_true(fixture_in_sync(f));
}

/* News that could not be looked at are not forgotten: they are looked at again, and status says so. */
static void what_cannot_be_read_is_read_later(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put(f, KIND_UPLINK, uplink), 0);
	f->kernel.unreadable = true;
	f->kernel.links = "[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.99/24\"]}]";
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_LINKS | KERNEL_TABLE);
	look(f);
	json_t *status = engine_kernel_status(f->engine);

	assert_false(json_is_true(json_object_get(status, "in_sync")));
	assert_string_equal(json_string_value(json_object_get(status, "last_error")),
			    "No buffer space available");
	assert_true(put(f, KIND_FORWARD, forward) < 0);
	json_decref(status);
	unsigned reads = f->kernel.link_reads;

	fixture_turn(f, 500);
	assert_int_equal(f->kernel.link_reads, reads); /* not again and again */
	f->kernel.unreadable = false;
	fixture_turn(f, 1500);
	assert_true(fixture_in_sync(f));
	assert_string_equal(engine_links(f->engine)->items[0].name, "eth0");
	assert_int_equal(engine_links(f->engine)->items[0].addresses[0].address.bytes[3], 99);
}

static void unreadable_from_the_start(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	fixture_stop(f);
	f->kernel.unreadable = true;
	fixture_start(f);
	assert_false(fixture_in_sync(f));
	assert_true(put(f, KIND_FORWARD, forward) < 0);
	f->kernel.unreadable = false;
	f->kernel.unreadable_state = true;
	fixture_turn(f, 1500);
	assert_false(fixture_in_sync(f));
	assert_true(put(f, KIND_FORWARD, forward) < 0);
	f->kernel.unreadable_state = false;
	fixture_turn(f, 3000);
	assert_true(fixture_in_sync(f));
	assert_int_equal(put(f, KIND_FORWARD, forward), 0);
}

static json_t *kernel_status(struct fixture *f, const char *member)
{
	json_t *status = engine_kernel_status(f->engine);
	json_t *value = json_incref(json_object_get(status, member));

	json_decref(status);
	return value;
}

static double retry_in_s(struct fixture *f)
{
	json_t *value = kernel_status(f, "retry_in_s");
	double seconds = json_is_null(value) ? -1 : json_number_value(value);

	json_decref(value);
	return seconds;
}

static void what_was_found_is_told(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	json_t *found = kernel_status(f, "last_found");

	assert_int_equal(json_array_size(found), 0);
	json_decref(found);
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_TABLE);
	look(f);
	found = kernel_status(f, "last_found");
	assert_int_equal(json_array_size(found), 8);
	assert_string_equal(json_string_value(json_array_get(found, 0)), "table inet portico was missing");
	const char rule[] = "rule ";
	assert_memory_equal(json_string_value(json_array_get(found, 1)), rule, strlen(rule));
	assert_string_equal(json_string_value(json_array_get(found, 7)), "and more");
	assert_true(retry_in_s(f) < 0);
	json_decref(found);
}

/* Events come all the time, and each time the kernel refuses: it is asked ever more rarely, and that is shown. */
static void a_refusal_under_a_storm_of_events(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	f->kernel.refuse_nft = true;
	unsigned applies = f->kernel.applies;

	for (unsigned i = 0; i < 300; i++) {
		f->kernel.events.changed(f->kernel.events.arg, KERNEL_TABLE);
		fixture_turn(f, 2);
	}
	assert_in_range(f->kernel.applies - applies, 3, 12);
	assert_true(retry_in_s(f) >= 0);
	assert_int_equal(mended(f), 0); /* nothing was */
	f->kernel.refuse_nft = false;
	fixture_turn(f, 2500);
	assert_true(fixture_in_sync(f));
	assert_true(retry_in_s(f) < 0);
}

/* One route that the kernel refuses does not keep the rest from being mended, and that from being said. */
static void mended_beside_a_refusal(void **state)
{
	struct fixture *f = *state;

	f->kernel.refuse_routes = true;
	assert_true(put(f, KIND_UPLINK, uplink) < 0);
	f->kernel.refuse_routes = false;
	put(f, KIND_UPLINK, uplink);
	f->kernel.refuse_routes = true;
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_TABLE);
	look(f);
	json_t *found = kernel_status(f, "last_found");

	assert_int_equal(mended(f), 1);
	assert_int_equal(json_array_size(found), 1);
	assert_string_equal(json_string_value(json_array_get(found, 0)), "table inet portico was missing");
	assert_false(fixture_in_sync(f));
	assert_in_range((int)(retry_in_s(f) * 1000), 1, 1000);
	json_decref(found);
}

struct adversary {
	struct fixture *fixture;
	struct timer *timer;
};

static void undo(void *arg)
{
	struct adversary *adversary = arg;

	adversary->fixture->kernel.events.changed(adversary->fixture->kernel.events.arg, KERNEL_TABLE);
	timer_start(adversary->timer, 1);
}

/* Another porticod, say, with another database. */
static void one_who_undoes_everything_is_not_raced(void **state)
{
	struct fixture *f = *state;
	struct adversary adversary = { .fixture = f };

	put(f, KIND_UPLINK, uplink);
	assert_int_equal(timer_new(f->loop, undo, &adversary, &adversary.timer), 0);
	undo(&adversary);
	fixture_turn(f, 1000);
	timer_free(adversary.timer);
	assert_in_range(mended(f), 3, 12);
	/* It is left alone again: the last of it is mended. */
	fixture_turn(f, 2500);
	assert_true(fixture_in_sync(f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_forward_is_one_element, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(untouched_until_configured, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(same_again_is_no_revision, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(refusal_keeps_nothing, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(survives_a_restart, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(at_rest_the_file_is_whole, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(a_clash_is_refused_before_anything, set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(a_flush_is_mended, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(a_new_address_is_few_elements, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(an_old_refusal_hinders_nobody, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(fw4_is_noticed, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(fw4_that_cannot_be_read_is_read_later, set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(sysctls_wanted_again_are_set, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(sysctls_are_watched, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(only_news_of_the_table_have_it_read, set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(listeners_in_the_way_are_told, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(counters_add_up, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(counters_survive, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(a_plan_changes_nothing, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(a_refused_table_accepts_nothing, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_read_later, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(unreadable_from_the_start, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(what_was_found_is_told, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(a_refusal_under_a_storm_of_events, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(mended_beside_a_refusal, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(one_who_undoes_everything_is_not_raced, set_up,
						fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
