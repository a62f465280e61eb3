/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of events, and what the engine tells of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/events.h"
#include "engine/health.h"
#include "engine_fixture.h"
#include "web/ring.h"

/* --- the ring --- */

static void assert_next(const struct ring *ring, uint64_t seen, const char *data)
{
	char wanted[256];
	size_t length;
	const char *text = ring_next(ring, seen, &length);

	assert_true(ring_knows(ring, seen));
	assert_non_null(text);
	snprintf(wanted, sizeof(wanted), "event: test\nid: %llu\ndata: %s\n\n",
		 (unsigned long long)(seen + 1), data);
	assert_string_equal(text, wanted);
	assert_int_equal(length, strlen(wanted));
}

static void events_are_read_in_order(void **state)
{
	struct ring ring;
	size_t length;

	(void)state;
	ring_init(&ring);
	uint64_t start = ring.last;

	assert_true(start > 0 && start < 1ull << 48);
	assert_true(ring_knows(&ring, start));
	assert_null(ring_next(&ring, start, &length));
	ring_add(&ring, "test", "1");
	ring_add(&ring, "test", "2");
	assert_int_equal(ring.last, start + 2);
	assert_next(&ring, start, "1");
	assert_next(&ring, start + 1, "2");
	assert_null(ring_next(&ring, start + 2, &length));
	assert_false(ring_knows(&ring, start - 1));
	assert_false(ring_knows(&ring, start + 3));
	assert_false(ring_knows(&ring, 0));
	ring_done(&ring);
}

static void two_rings_begin_apart(void **state)
{
	struct ring one, other;

	(void)state;
	ring_init(&one);
	ring_init(&other);
	assert_int_not_equal(one.last, other.last);
}

static void the_oldest_go(void **state)
{
	struct ring ring;
	char data[16];

	(void)state;
	ring_init(&ring);
	uint64_t start = ring.last;

	for (unsigned i = 1; i <= 3 * RING_EVENTS_MAX + 7; i++) {
		snprintf(data, sizeof(data), "%u", i);
		ring_add(&ring, "test", data);
		assert_next(&ring, start + i - 1, data);
	}
	assert_int_equal(ring.count, RING_EVENTS_MAX);
	assert_false(ring_knows(&ring, ring.last - RING_EVENTS_MAX - 1));
	snprintf(data, sizeof(data), "%u", 2 * RING_EVENTS_MAX + 8);
	assert_next(&ring, ring.last - RING_EVENTS_MAX, data);
	ring_done(&ring);
}

static void bytes_are_bounded(void **state)
{
	static char large[RING_BYTES_MAX + 1];
	struct ring ring;
	size_t bytes = 0, length;

	(void)state;
	ring_init(&ring);
	memset(large, 'x', 40000);
	for (unsigned i = 0; i < 20; i++) {
		ring_add(&ring, "test", large);
		assert_true(ring.bytes <= RING_BYTES_MAX);
	}
	assert_int_equal(ring.count, RING_BYTES_MAX / 40000);
	for (uint64_t seen = ring.last - ring.count; ring_next(&ring, seen, &length); seen++)
		bytes += length;
	assert_int_equal(bytes, ring.bytes);

	memset(large, 'x', RING_BYTES_MAX);
	uint64_t last = ring.last;

	ring_add(&ring, "test", large);
	assert_int_equal(ring.last, last + 1);
	assert_int_equal(ring.count, 0);
	assert_int_equal(ring.bytes, 0);
	assert_false(ring_knows(&ring, last)); /* everybody has missed it */
	ring_add(&ring, "test", "after");
	assert_next(&ring, last + 1, "after");
	ring_done(&ring);
}

static void nobody_goes_on_after_a_clear(void **state)
{
	struct ring ring;

	(void)state;
	ring_init(&ring);
	ring_add(&ring, "test", "1");
	uint64_t last = ring.last;

	ring_clear(&ring);
	assert_false(ring_knows(&ring, last));
	assert_false(ring_knows(&ring, last - 1));
	ring_add(&ring, "test", "2");
	assert_false(ring_knows(&ring, last));
	assert_next(&ring, last + 1, "2");
	ring_done(&ring);
}

/* --- the engine --- */

static const char up[] = "[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.1/24\"],"
			 " \"gateway4\": \"192.0.2.254\"}]";
static const char other_address[] = "[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.7/24\"],"
				    " \"gateway4\": \"192.0.2.254\"}]";
static const char down[] = "[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.1/24\"],"
			   " \"gateway4\": \"192.0.2.254\", \"up\": false}]";

enum { LOG_MAX = 256, FORWARDS = ENGINE_COUNTERS_MAX + 30 };

static struct {
	unsigned count;
	struct engine_event log[LOG_MAX];
	char changes[64];
	uint64_t connections[FORWARDS + 1]; /* by id, as told */
} told;

static int set_up(void **state)
{
	memset(&told, 0, sizeof(told));
	return fixture_set_up(state, up, NULL);
}

static void on_event(void *arg, const struct engine_event *event)
{
	struct fixture *f = arg;

	assert_true(told.count < LOG_MAX);
	told.log[told.count++] = *event;
	if (event->kind == ENGINE_REVISION) {
		const struct change *change = &event->changes->items[0];
		const struct object *object = change->after ? change->after : change->before;

		snprintf(told.changes, sizeof(told.changes), "%s%s%s", change->before ? "-" : "",
			 change->after ? "+" : "", object->name);
		assert_string_equal(event->request->author, "test");
	}
	for (unsigned i = 0; event->kind == ENGINE_COUNTERS && i < event->count; i++) {
		assert_int_equal(told.connections[event->counters[i].id], 0);
		told.connections[event->counters[i].id] = event->counters[i].counters.connections;
	}
	loop_stop(f->loop, 0);
}

static void on_timeout(void *arg)
{
	loop_stop(arg, 1);
}

/* Runs the loop until there are `count` events; fails after a while. `wait_ms`: then waits that more must not come. */
static void await_events(struct fixture *f, unsigned count, uint64_t wait_ms)
{
	struct timer *timer;

	assert_int_equal(timer_new(f->loop, on_timeout, f->loop, &timer), 0);
	timer_start(timer, 5000);
	while (told.count < count)
		assert_int_equal(loop_run(f->loop), 0);
	timer_start(timer, wait_ms);
	while (loop_run(f->loop) == 0)
		;
	timer_free(timer);
	assert_int_equal(told.count, count);
}

static struct object *object_of(enum kind kind, const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	struct object *object;
	struct err err;

	err_clear(&err);
	assert_int_equal(object_from_json(kind, json, "", true, &object, &err), 0);
	json_decref(json);
	return object;
}

static void commit(struct fixture *f, struct config *next)
{
	struct change_request request = { .author = "test", .reason = "test" };

	assert_int_equal(engine_commit(f->engine, next, &request, &f->err), 0);
	config_unref(next);
}

static void put(struct fixture *f, enum kind kind, const char *text)
{
	struct config *next = config_copy(engine_config(f->engine));

	assert_int_equal(config_put(next, object_of(kind, text), &f->err), 0);
	commit(f, next);
}

static void remove_one(struct fixture *f, enum kind kind, uint32_t id)
{
	struct config *next = config_copy(engine_config(f->engine));

	assert_int_equal(config_remove(next, kind, id), 0);
	commit(f, next);
}

static void put_forwards(struct fixture *f, unsigned count)
{
	struct config *next = config_copy(engine_config(f->engine));
	char text[128];

	for (unsigned i = 1; i <= count; i++) {
		snprintf(
			text, sizeof(text),
			"{\"name\": \"f%u\", \"external_ports\": \"%u\", \"internal_address\": \"192.168.0.2\"}",
			i, i);
		assert_int_equal(config_put(next, object_of(KIND_FORWARD, text), &f->err), 0);
	}
	commit(f, next);
}

static const char uplink[] = "{\"name\": \"isp1\", \"device\": \"eth0\"}";
static const char forward[] =
	"{\"name\": \"web\", \"external_ports\": \"80\", \"internal_address\": \"192.168.0.2\"}";

static void news(struct fixture *f, unsigned what)
{
	f->kernel.events.changed(f->kernel.events.arg, what);
}

static void commits_are_told(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	assert_int_equal(engine_listen(f->engine, on_event, f), 0);
	await_events(f, 0, 150);

	put(f, KIND_FORWARD, forward);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.log[0].kind, ENGINE_REVISION);
	assert_int_equal(told.log[0].number, 2);
	assert_int_equal(told.log[0].number, engine_revision(f->engine));
	assert_string_equal(told.changes, "+web");
	await_events(f, 2, 150);
	assert_int_equal(told.log[1].kind, ENGINE_FORWARD);
	assert_int_equal(told.log[1].id, 1);

	put(f, KIND_FORWARD,
	    "{\"id\": 1, \"name\": \"web\", \"external_ports\": \"81\", \"internal_address\": \"192.168.0.2\"}");
	assert_string_equal(told.changes, "-+web");
	remove_one(f, KIND_FORWARD, 1); /* its name must still be there to be told */
	assert_string_equal(told.changes, "-web");
	await_events(f, 4, 150);

	/* Another one in the place of one that nobody has looked at again. */
	put(f, KIND_FORWARD, forward);
	await_events(f, 6, 0);
	remove_one(f, KIND_FORWARD, 1);
	put(f, KIND_FORWARD, forward);
	await_events(f, 9, 150);
	assert_int_equal(told.log[8].kind, ENGINE_FORWARD);
}

static void nobody_is_told_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(engine_listen(f->engine, on_event, f), 0);
	put(f, KIND_UPLINK, uplink);
	assert_int_equal(engine_listen(f->engine, NULL, NULL), 0);
	put(f, KIND_FORWARD, forward);
	f->kernel.links = down;
	news(f, KERNEL_LINKS);
	await_events(f, 1, 150);
	/* And what happened meanwhile is how things are, when he listens again. */
	assert_int_equal(engine_listen(f->engine, on_event, f), 0);
	await_events(f, 1, 150);
}

static void uplinks_and_their_forwards_are_told(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	put(f, KIND_FORWARD, forward);
	assert_int_equal(engine_listen(f->engine, on_event, f), 0);
	news(f, KERNEL_LINKS);
	await_events(f, 0, 150);

	f->kernel.links = other_address;
	news(f, KERNEL_LINKS);
	await_events(f, 1, 150);
	assert_int_equal(told.log[0].kind, ENGINE_UPLINK);
	assert_int_equal(told.log[0].id, 1);

	f->kernel.links = down;
	news(f, KERNEL_LINKS);
	await_events(f, 3, 150);
	assert_int_equal(told.log[1].kind, ENGINE_UPLINK);
	assert_int_equal(told.log[2].kind, ENGINE_FORWARD);
	assert_int_equal(told.log[2].id, 1);
}

static void many_forwards_are_told_at_once(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	put_forwards(f, ENGINE_FORWARDS_MAX);
	assert_int_equal(engine_listen(f->engine, on_event, f), 0);
	f->kernel.links = down;
	news(f, KERNEL_LINKS);
	await_events(f, 1 + ENGINE_FORWARDS_MAX, 0);
	for (unsigned i = 1; i <= ENGINE_FORWARDS_MAX; i++)
		assert_int_equal(told.log[i].id, i);

	put(f, KIND_FORWARD,
	    "{\"name\": \"one more\", \"external_ports\": \"9999\", \"internal_address\": \"192.168.0.2\"}");
	await_events(f, 3 + ENGINE_FORWARDS_MAX, 150);
	f->kernel.links = up;
	news(f, KERNEL_LINKS);
	await_events(f, 5 + ENGINE_FORWARDS_MAX, 150);
	assert_int_equal(told.log[told.count - 1].kind, ENGINE_FORWARDS);
	assert_int_equal(told.log[told.count - 1].count, ENGINE_FORWARDS_MAX + 1);
}

static bool in_sync(struct fixture *f)
{
	json_t *status = engine_kernel_status(f->engine);
	bool result = json_is_true(json_object_get(status, "in_sync"));

	json_decref(status);
	return result;
}

static void mending_and_refusals_are_told(void **state)
{
	struct fixture *f = *state;

	put(f, KIND_UPLINK, uplink);
	assert_int_equal(engine_listen(f->engine, on_event, f), 0);
	news(f, KERNEL_TABLE);
	await_events(f, 1, 50);
	assert_int_equal(told.log[0].kind, ENGINE_KERNEL);
	assert_true(told.log[0].mended);

	f->kernel.refuse_nft = true;
	news(f, KERNEL_TABLE);
	await_events(f, 3, 0); /* also that the first retry was in vain: when comes the next? */
	f->kernel.refuse_nft = false;
	news(f, KERNEL_TABLE);
	await_events(f, 4, 50);
	for (unsigned i = 1; i < told.count; i++)
		assert_int_equal(told.log[i].kind, ENGINE_KERNEL);
	assert_true(in_sync(f));
}

static void counters_are_told_in_bounds(void **state)
{
	struct fixture *f = *state;

	f->kernel.packets = 5;
	put(f, KIND_UPLINK, uplink);
	assert_int_equal(engine_listen(f->engine, on_event, f), 0);
	put_forwards(f, FORWARDS);
	await_events(f, 4, 50); /* the revision, all the forwards, and then two of counters */
	assert_int_equal(told.log[1].kind, ENGINE_FORWARDS);
	assert_int_equal(told.log[2].kind, ENGINE_COUNTERS);
	assert_int_equal(told.log[2].count, ENGINE_COUNTERS_MAX);
	assert_int_equal(told.log[3].count, FORWARDS - ENGINE_COUNTERS_MAX);
	for (uint32_t id = 1; id <= FORWARDS; id++)
		assert_int_equal(told.connections[id], 5);
}

static uint32_t latency_us;

static int answer_at_once(struct fake_kernel *kernel, struct fake_prober *prober, uint32_t token)
{
	(void)kernel;
	prober->answered(prober->arg, token, latency_us);
	return 0;
}

static void run_for(struct fixture *f, uint64_t ms)
{
	struct timer *timer;

	assert_int_equal(timer_new(f->loop, on_timeout, f->loop, &timer), 0);
	timer_start(timer, ms);
	while (loop_run(f->loop) == 0)
		;
	timer_free(timer);
}

/* Runs the loop until the uplink's window is full of what it is answered now. */
static void await_latency(struct fixture *f)
{
	struct health_numbers numbers = { 0 };

	for (unsigned tries = 0; tries < 500 && numbers.latency_ms * 1000 != latency_us; tries++) {
		run_for(f, 10);
		engine_health_numbers(f->engine, 1, &numbers);
	}
	assert_true(numbers.latency_ms * 1000 == latency_us);
}

/* Once a second at most, and only what is not as it was told. */
static void measured_numbers_are_told(void **state)
{
	struct fixture *f = *state;

	f->kernel.probe = answer_at_once;
	latency_us = 5000;
	put(f, KIND_UPLINK,
	    "{\"name\": \"isp1\", \"device\": \"eth0\", \"health\":"
	    " {\"targets\": [\"192.0.2.254\"], \"interval_ms\": 100, \"window\": 5}}");
	await_latency(f);
	assert_int_equal(engine_listen(f->engine, on_event, f), 0);
	await_events(f, 0, 1200);
	latency_us = 8000;
	await_latency(f); /* half a second, in which each round brings another mean */
	run_for(f, 2200);
	assert_in_range(told.count, 1, 2); /* in the middle of it, and after it */
	for (unsigned i = 0; i < told.count; i++) {
		assert_int_equal(told.log[i].kind, ENGINE_HEALTH);
		assert_int_equal(told.log[i].count, 1);
	}
	assert_int_equal(engine_listen(f->engine, NULL, NULL), 0);
	latency_us = 5000;
	await_latency(f);
	await_events(f, told.count, 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_read_in_order),
		cmocka_unit_test(two_rings_begin_apart),
		cmocka_unit_test(the_oldest_go),
		cmocka_unit_test(bytes_are_bounded),
		cmocka_unit_test(nobody_goes_on_after_a_clear),
		cmocka_unit_test_setup_teardown(commits_are_told, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(nobody_is_told_nothing, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(uplinks_and_their_forwards_are_told, set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(many_forwards_are_told_at_once, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(mending_and_refusals_are_told, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(counters_are_told_in_bounds, set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(measured_numbers_are_told, set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
