/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What time alone changes. The wall clock is this program's; timers go by the real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine_fixture.h"

/* Added to the machine's wall clock, in milliseconds. */
static int64_t shift_ms;

/* What the kernel has for a struct timespec of 64-bit seconds. */
#ifdef SYS_clock_gettime64
enum { CLOCK_GETTIME = SYS_clock_gettime64 };
#else
enum { CLOCK_GETTIME = SYS_clock_gettime };
#endif

/* Stands before libc's. */
int clock_gettime(clockid_t id, struct timespec *ret_time)
{
	long r = syscall(CLOCK_GETTIME, id, ret_time);

	if (r == 0 && id == CLOCK_REALTIME) {
		int64_t ms = (int64_t)ret_time->tv_sec * 1000 + ret_time->tv_nsec / 1000000 + shift_ms;

		ret_time->tv_sec = (time_t)(ms / 1000);
		ret_time->tv_nsec = (long)(ms % 1000) * 1000000;
	}
	return (int)r;
}

/* Makes it this moment, as much before it as wanted. */
static void set_clock(const char *at, int64_t before_ms)
{
	int64_t then, now_ms;
	struct timespec now;

	shift_ms = 0;
	assert_int_equal(time_parse(at, &then), 0);
	clock_gettime(CLOCK_REALTIME, &now);
	now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	shift_ms = then * 1000 - before_ms - now_ms;
}

/* --- scaffolding --- */

/* Time enough for a commit on a busy machine. */
static int64_t soon_ms = 800;

static const char other[] =
	"{'id': 2, 'name': 'other', 'external_ports': '81', 'internal_address': '192.168.0.2'}";

static const char links[] = "[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.1/24\"],"
			    " \"gateway4\": \"192.0.2.254\"}]";

static int set_up(void **state)
{
	setenv("TZ", "UTC0", 1);
	set_clock("2026-03-02T10:00:00Z", 0); /* a Monday */
	return fixture_set_up(state, links, NULL);
}

static void put(struct fixture *f, enum kind kind, const char *text)
{
	struct change_request request = { .author = "test", .reason = "test" };
	struct config *next = config_copy(engine_config(f->engine));
	struct object *object;
	json_error_t error;
	json_t *json;
	char *copy = strdup(text);

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	json = json_loads(copy, 0, &error);
	err_clear(&f->err);
	assert_non_null(json);
	assert_int_equal(object_from_json(kind, json, "", true, &object, &f->err), 0);
	assert_int_equal(config_put(next, object, &f->err), 0);
	assert_int_equal(engine_commit(f->engine, next, &request, &f->err), 0);
	json_decref(json);
	free(copy);
	config_unref(next);
}

static void put_forward(struct fixture *f, const char *when)
{
	char text[256];

	put(f, KIND_UPLINK, "{'id': 1, 'name': 'isp1', 'device': 'eth0'}");
	snprintf(text, sizeof(text),
		 "{'id': 1, 'name': 'web', 'external_ports': '80', 'internal_address': '192.168.0.2', %s}",
		 when);
	put(f, KIND_FORWARD, text);
}

static const char *reason(struct fixture *f)
{
	const struct config *config = engine_config(f->engine);
	struct forward_live live;

	forward_resolve(config, (const struct forward *)config_find(config, KIND_FORWARD, 1),
			engine_links(f->engine), engine_environment(f->engine), &live);
	return live.live ? "live" : live.why_not;
}

struct wait {
	struct fixture *f;
	unsigned applies;
	struct timer *again, *end;
	bool late;
};

static void look(void *arg)
{
	struct wait *wait = arg;

	if (wait->f->kernel.applies != wait->applies)
		loop_stop(wait->f->loop, 0);
	timer_start(wait->again, 5);
}

static void give_up(void *arg)
{
	struct wait *wait = arg;

	wait->late = true;
	loop_stop(wait->f->loop, 0);
}

/* Runs the loop until the kernel is given something, or so long; true if it was. */
static bool applied_within(struct fixture *f, uint64_t ms)
{
	struct wait wait = { .f = f, .applies = f->kernel.applies };

	assert_int_equal(timer_new(f->loop, look, &wait, &wait.again), 0);
	assert_int_equal(timer_new(f->loop, give_up, &wait, &wait.end), 0);
	timer_start(wait.again, 0);
	timer_start(wait.end, ms);
	loop_run(f->loop);
	timer_free(wait.again);
	timer_free(wait.end);
	return !wait.late;
}

/* --- tests --- */

static void begins_and_ends_to_the_second(void **state)
{
	struct fixture *f = *state;

	set_clock("2026-03-02T08:00:00Z", soon_ms);
	put_forward(f, "'schedule': 'mon 08:00-08:01'");
	assert_string_equal(reason(f), "scheduled");
	assert_true(applied_within(f, (uint64_t)soon_ms + 4000));
	assert_string_equal(reason(f), "live");
	assert_int_equal(f->kernel.elems, 1);

	/* Nobody changed a thing; the clock of the next minute alone ends it. */
	set_clock("2026-03-02T08:01:00Z", soon_ms);
	put(f, KIND_FORWARD, other);
	assert_string_equal(reason(f), "live");
	assert_true(applied_within(f, (uint64_t)soon_ms + 4000));
	assert_string_equal(reason(f), "scheduled");
}

static void local_time_counts(void **state)
{
	struct fixture *f = *state;

	setenv("TZ", "XXX-02:30", 1); /* east of Greenwich */
	set_clock("2026-03-01T21:29:30Z", 0);
	put_forward(f, "'schedule': 'mon 00:00-24:00'");
	assert_string_equal(reason(f), "scheduled");
	fixture_stop(f);
	set_clock("2026-03-01T21:30:00Z", 0);
	fixture_start(f);
	assert_string_equal(reason(f), "live");
}

/* Seconds that no longer go into 32 bits. */
static void after_2038(void **state)
{
	struct fixture *f = *state;

	set_clock("2040-01-02T08:00:00Z", soon_ms);
	put_forward(f, "'schedule': 'mon 08:00-08:01', 'expires_at': '2040-01-02T08:00:30Z'");
	assert_string_equal(reason(f), "scheduled");
	assert_true(applied_within(f, (uint64_t)soon_ms + 4000));
	assert_string_equal(reason(f), "live");
	set_clock("2040-01-02T08:00:30Z", 0);
	fixture_stop(f);
	fixture_start(f);
	assert_string_equal(reason(f), "expired");
}

/* Summer time: 02:00 becomes 03:00, and what was to begin at 02:30 begins then. */
static void where_an_hour_is_missing(void **state)
{
	struct fixture *f = *state;

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	set_clock("2026-03-29T01:00:00Z", soon_ms);
	put_forward(f, "'schedule': 'sun 02:30-04:00'");
	assert_string_equal(reason(f), "scheduled");
	assert_true(applied_within(f, (uint64_t)soon_ms + 4000));
	assert_string_equal(reason(f), "live");
}

static void expires(void **state)
{
	struct fixture *f = *state;

	set_clock("2026-03-02T10:00:30Z", soon_ms);
	put_forward(f, "'expires_at': '2026-03-02T10:00:30Z'");
	assert_string_equal(reason(f), "live");
	assert_true(applied_within(f, (uint64_t)soon_ms + 4000));
	assert_string_equal(reason(f), "expired");
}

static void expired_while_it_was_off(void **state)
{
	struct fixture *f = *state;

	put_forward(f, "'expires_at': '2026-03-02T10:01:00Z'");
	fixture_stop(f);
	set_clock("2026-03-02T10:01:00Z", 0);
	fixture_start(f);
	assert_string_equal(reason(f), "expired");
}

/* A plan is made by the clock of its moment, which must not hide from the engine that time went on. */
static void a_plan_hides_nothing(void **state)
{
	struct fixture *f = *state;
	json_t *plan;

	set_clock("2026-03-02T10:00:01Z", soon_ms);
	put_forward(f, "'expires_at': '2026-03-02T10:00:01Z'");
	set_clock("2026-03-02T10:00:02Z", 0);
	assert_int_equal(engine_plan(f->engine, engine_config(f->engine), &plan, &f->err), 0);
	json_decref(plan);
	assert_string_equal(reason(f), "live");
	assert_true(applied_within(f, (uint64_t)soon_ms + 4000));
	assert_string_equal(reason(f), "expired");
}

static void count_turn(void *arg)
{
	++*(unsigned *)arg;
}

/* Full minutes alone are no reason to touch the kernel, and what expired long ago none to look again. */
static void nothing_happens_for_nothing(void **state)
{
	struct fixture *f = *state;
	unsigned turns = 0;

	put_forward(f, "'expires_at': '2026-03-01T00:00:00Z'");
	assert_int_equal(loop_add_step(f->loop, count_turn, &turns), 0);
	assert_false(applied_within(f, 100));
	assert_true(turns < 60); /* those of applied_within() itself */
	set_clock("2026-03-02T08:30:00Z", soon_ms);
	put_forward(f, "'schedule': 'daily 08:00-09:00', 'expires_at': '2026-03-03T00:00:00Z'");
	assert_string_equal(reason(f), "live");
	assert_false(applied_within(f, (uint64_t)soon_ms + 200));
	assert_int_equal(engine_environment(f->engine)->week_minute, 8 * 60 + 30);
	assert_string_equal(reason(f), "live");
}

/* A clock that is set is found at what would have been the next full minute, whichever way it went. */
static void the_clock_is_set(void **state)
{
	struct fixture *f = *state;

	set_clock("2026-03-02T08:11:00Z", soon_ms);
	put_forward(f, "'schedule': 'mon 09:00-10:00'");
	assert_string_equal(reason(f), "scheduled");
	set_clock("2026-03-02T09:30:00Z", 0);
	assert_true(applied_within(f, (uint64_t)soon_ms + 4000));
	assert_string_equal(reason(f), "live");
	set_clock("2026-03-02T09:40:00Z", soon_ms);
	put(f, KIND_FORWARD, other);
	assert_string_equal(reason(f), "live");
	set_clock("2026-03-02T08:00:00Z", 0);
	assert_true(applied_within(f, (uint64_t)soon_ms + 4000));
	assert_string_equal(reason(f), "scheduled");
}

#define CLOCK_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLOCK_TEST(begins_and_ends_to_the_second),
		CLOCK_TEST(local_time_counts),
		CLOCK_TEST(after_2038),
		CLOCK_TEST(where_an_hour_is_missing),
		CLOCK_TEST(expires),
		CLOCK_TEST(expired_while_it_was_off),
		CLOCK_TEST(a_plan_hides_nothing),
		CLOCK_TEST(nothing_happens_for_nothing),
		CLOCK_TEST(the_clock_is_set),
	};

	if (getenv("PORTICO_EMULATED"))
		soon_ms *= 5;
	return cmocka_run_group_tests_name("engine: the clock", tests, NULL, NULL);
}
