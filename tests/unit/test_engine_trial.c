/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes on trial: kept if confirmed, else taken back, whatever happens in between. */
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
#include "engine_fixture.h"
#include "faulty_disk.h"

enum { PATIENCE_MS = 20000 };

static const char links[] = "[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.1/24\"],"
			    " \"gateway4\": \"192.0.2.254\"},"
			    " {\"name\": \"br-lan\", \"index\": 4, \"addresses\": [\"192.168.0.1/24\"]}]";

/* Events of each kind, and the outcome of the last trial. */
static unsigned revisions, trials;
static const char *outcome;

static void on_event(void *arg, const struct engine_event *event)
{
	(void)arg;
	revisions += event->kind == ENGINE_REVISION;
	if (event->kind != ENGINE_TRIAL)
		return;
	trials++;
	outcome = event->outcome;
}

static void listen_to_it(struct fixture *f)
{
	assert_int_equal(engine_listen(f->engine, on_event, NULL), 0);
}

static int set_up(void **state)
{
	revisions = trials = 0;
	outcome = NULL;
	return fixture_set_up(state, links, listen_to_it);
}

static void wait_until(struct fixture *f, bool (*condition)(struct fixture *f), const char *what)
{
	uint64_t end_ms = loop_now_ms() + PATIENCE_MS;

	while (!condition(f)) {
		if (loop_now_ms() > end_ms)
			fail_msg("not in time: %s", what);
		fixture_turn(f, 10);
	}
}

/* --- doing and looking --- */

static int change(struct fixture *f, const char *name, unsigned confirm_within_s)
{
	struct change_request request = { .author = "test",
					  .reason = "test",
					  .confirm_within_s = confirm_within_s };
	struct config *next = config_copy(engine_config(f->engine));
	json_t *json = json_pack("{s:s}", "name", name);
	struct object *object;

	err_clear(&f->err);
	assert_int_equal(object_from_json(KIND_NETWORK, json, "", false, &object, &f->err), 0);
	object->id = 1;
	assert_int_equal(config_put(next, object, &f->err), 0);
	int r = engine_commit(f->engine, next, &request, &f->err);

	json_decref(json);
	config_unref(next);
	return r;
}

/* Something that the kernel hears of. */
static int add_uplink(struct fixture *f, unsigned confirm_within_s)
{
	struct change_request request = { .author = "test",
					  .reason = "test",
					  .confirm_within_s = confirm_within_s };
	struct config *next = config_copy(engine_config(f->engine));
	json_t *json = json_pack("{s:s, s:s}", "name", "isp1", "device", "eth0");
	struct object *object;
	int r;

	assert_int_equal(object_from_json(KIND_UPLINK, json, "", false, &object, &f->err), 0);
	assert_int_equal(config_put(next, object, &f->err), 0);
	r = engine_commit(f->engine, next, &request, &f->err);
	json_decref(json);
	config_unref(next);
	return r;
}

/* The name of the only network. */
static const char *name_now(struct fixture *f)
{
	const struct object *network = config_find(engine_config(f->engine), KIND_NETWORK, 1);

	return network ? network->name : "";
}

static bool is_over(struct fixture *f)
{
	return !engine_on_trial(f->engine);
}

static double remaining_s(struct fixture *f)
{
	json_t *status = engine_trial_status(f->engine);
	double left = json_number_value(json_object_get(status, "remaining_s"));

	json_decref(status);
	return left;
}

/* Why the return cannot be recorded; "" if it can. Valid until the next call. */
static const char *failure(struct fixture *f)
{
	static char text[ERR_DETAIL_MAX];
	json_t *status = engine_trial_status(f->engine);
	const char *words = json_string_value(json_object_get(status, "failure"));

	snprintf(text, sizeof(text), "%s", words ? words : "");
	json_decref(status);
	return text;
}

static bool has_failed(struct fixture *f)
{
	return failure(f)[0] != '\0';
}

static void newest_is(struct fixture *f, uint64_t number, const char *author, const char *reason)
{
	json_t *items, *newest;

	assert_int_equal(engine_revision(f->engine), number);
	assert_int_equal(store_list_revisions(f->store, INT64_MAX, 1, &items, &f->err), 0);
	newest = json_array_get(items, 0);
	assert_int_equal(json_integer_value(json_object_get(newest, "number")), number);
	assert_string_equal(json_string_value(json_object_get(newest, "author")), author);
	assert_string_equal(json_string_value(json_object_get(newest, "reason")), reason);
	json_decref(items);
}

static void fill_disk(bool full)
{
	faulty_disk_set(full ? FAULT_FULL : FAULT_NONE, 0, true);
}

/* --- in time, or not --- */

static void what_is_confirmed_stays(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(change(f, "before", 0), 0);
	assert_true(engine_confirm(f->engine, "test", &f->err) < 0);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
	assert_int_equal(change(f, "after", 1), 0);
	assert_true(engine_on_trial(f->engine));
	assert_true(remaining_s(f) > 0 && remaining_s(f) <= 1);
	assert_null(outcome);
	assert_int_equal(engine_confirm(f->engine, "test", &f->err), 0);
	assert_string_equal(outcome, "confirmed");
	assert_false(engine_on_trial(f->engine));
	fixture_turn(f, 1100); /* nothing comes after the end */
	assert_string_equal(name_now(f), "after");
	fixture_stop(f);
	fixture_start(f);
	assert_string_equal(name_now(f), "after");
	assert_int_equal(engine_revision(f->engine), 2);
}

static void what_is_not_confirmed_is_taken_back(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(change(f, "before", 0), 0);
	assert_int_equal(change(f, "after", 1), 0);
	f->kernel.events.changed(f->kernel.events.arg,
				 KERNEL_TABLE); /* what is seen meanwhile is mended then */
	unsigned before = revisions;

	wait_until(f, is_over, "the end of the trial");
	assert_string_equal(name_now(f), "before");
	newest_is(f, 3, "expiry", "not confirmed in time: back to revision 1");
	assert_true(fixture_in_sync(f));
	assert_string_equal(outcome, "expired");
	assert_int_equal(revisions, before + 1);
	assert_true(engine_confirm(f->engine, "test", &f->err) < 0);
	fixture_stop(f);
	fixture_start(f);
	assert_string_equal(name_now(f), "before");
	assert_int_equal(engine_revision(f->engine), 3);
}

static void the_kernel_is_brought_back_too(void **state)
{
	struct fixture *f = *state;
	unsigned applies;

	assert_int_equal(add_uplink(f, 1), 0);
	applies = f->kernel.applies;
	wait_until(f, is_over, "the end of the trial");
	assert_int_equal(f->kernel.applies, applies + 1);
	assert_true(f->kernel.steps > 1);
	assert_true(fixture_in_sync(f));
	assert_int_equal(engine_config(f->engine)->lists[KIND_UPLINK].count, 0);
}

static void several_changes_are_one_trial(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(change(f, "confirmed", 0), 0);
	assert_int_equal(change(f, "a", 60), 0);
	assert_int_equal(change(f, "b", 0), 0);
	assert_true(remaining_s(f) > 50);
	assert_int_equal(change(f, "c", 3600), 0);
	assert_true(remaining_s(f) > 3500);
	/* The same again changes nothing but the time. */
	assert_int_equal(change(f, "c", 1), 0);
	assert_int_equal(engine_revision(f->engine), 4);
	assert_true(remaining_s(f) <= 1);
	wait_until(f, is_over, "the end of the trial");
	assert_string_equal(name_now(f), "confirmed");
	newest_is(f, 5, "expiry", "not confirmed in time: back to revision 1");
}

static void a_trial_may_begin_with_the_first_revision(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(change(f, "a", 1), 0);
	wait_until(f, is_over, "the end of the trial");
	assert_string_equal(name_now(f), "");
	newest_is(f, 2, "expiry", "not confirmed in time: back to revision 0");
}

static void nothing_changed_is_no_trial(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(change(f, "a", 0), 0);
	assert_int_equal(change(f, "a", 60), 0);
	assert_false(engine_on_trial(f->engine));
	f->kernel.refuse_nft = true;
	f->kernel.refuse_routes = true;
	f->kernel.unreadable_state = true;
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_TABLE);
	assert_true(change(f, "b", 60) < 0);
	assert_false(engine_on_trial(f->engine));
	fixture_stop(f);
	f->kernel.unreadable_state = false;
	fixture_start(f);
	assert_string_equal(name_now(f), "a");
	assert_int_equal(engine_revision(f->engine), 1);
}

static void as_before_is_the_end_of_it(void **state)
{
	struct change_request request = { .author = "test", .reason = "restore of 1" };
	struct fixture *f = *state;
	struct config *former;

	assert_int_equal(change(f, "a", 0), 0);
	assert_int_equal(change(f, "b", 60), 0);
	assert_int_equal(change(f, "c", 0), 0);
	assert_int_equal(engine_former(f->engine, 1, &former, &f->err), 0);
	assert_int_equal(engine_commit(f->engine, former, &request, &f->err), 0);
	config_unref(former);
	assert_false(engine_on_trial(f->engine));
	assert_string_equal(outcome, "undone");
	fixture_stop(f);
	fixture_start(f);
	newest_is(f, 4, "test", "restore of 1");
	/* By hand it is the same. */
	assert_int_equal(change(f, "b", 60), 0);
	assert_int_equal(change(f, "a", 60), 0);
	assert_false(engine_on_trial(f->engine));
}

/* None of a trial's revisions is forgotten, however few are to be kept, and there is an end to their number. */
static void a_long_trial(void **state)
{
	struct change_request request = { .author = "test", .reason = "test" };
	struct fixture *f = *state;
	struct config *next = config_copy(engine_config(f->engine));
	json_t *json = json_pack("{s:i}", "history_length", 10);
	struct object *settings;
	char name[16];

	assert_int_equal(object_from_json(KIND_SETTINGS, json, "", false, &settings, &f->err), 0);
	assert_int_equal(config_put(next, settings, &f->err), 0);
	assert_int_equal(engine_commit(f->engine, next, &request, &f->err), 0);
	json_decref(json);
	config_unref(next);
	assert_int_equal(change(f, "confirmed", 0), 0);
	for (unsigned i = 0; i < TRIAL_REVISIONS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(change(f, name, i ? 0 : 600), 0);
	}
	assert_true(change(f, "one more", 0) < 0);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
	assert_non_null(strstr(f->err.detail, "1000 revisions"));
	fixture_stop(f);
	fixture_start(f);
	assert_string_equal(name_now(f), "confirmed");
	assert_int_equal(change(f, "and on", 0), 0);
	/* Now they go. */
	assert_true(engine_former(f->engine, TRIAL_REVISIONS_MAX - 10, &next, &f->err) < 0);
}

/* --- the end of a process --- */

/* Looks, at the first touch of the kernel, at what the store has. */
static void look_at_store(void *arg)
{
	struct fixture *f = arg;
	uint64_t confirmed;

	assert_false(store_trial(f->store, &confirmed));
}

static void another_start_takes_it_back_first(void **state)
{
	struct fixture *f = *state;
	unsigned applies;

	assert_int_equal(change(f, "before", 0), 0);
	assert_int_equal(change(f, "a", 600), 0);
	assert_int_equal(change(f, "b", 0), 0);
	fixture_stop(f);
	f->kernel.touched = look_at_store;
	f->kernel.touched_arg = f;
	applies = f->kernel.applies;
	fixture_start(f);
	assert_true(f->kernel.applies > applies);
	assert_string_equal(name_now(f), "before");
	newest_is(f, 4, "expiry", "porticod ended before it was confirmed: back to revision 1");
	assert_false(engine_on_trial(f->engine));
	fixture_stop(f);
	fixture_start(f);
	assert_int_equal(engine_revision(f->engine), 4);
}

/* Nobody would be there to take it back: an orderly end does so itself, in the kernel too. */
static void an_orderly_end_takes_it_back(void **state)
{
	struct fixture *f = *state;
	unsigned applies;

	assert_int_equal(change(f, "before", 0), 0);
	applies = f->kernel.applies;
	engine_end_trial(f->engine); /* nothing is on trial */
	assert_int_equal(f->kernel.applies, applies);
	assert_int_equal(add_uplink(f, 600), 0);
	applies = f->kernel.applies;
	engine_end_trial(f->engine);
	assert_int_equal(f->kernel.applies, applies + 1);
	assert_true(fixture_in_sync(f));
	assert_int_equal(engine_config(f->engine)->lists[KIND_UPLINK].count, 0);
	newest_is(f, 3, "expiry", "porticod was stopped before it was confirmed: back to revision 1");
	fixture_stop(f);
	fixture_start(f);
	assert_int_equal(engine_revision(f->engine), 3);
}

static void an_orderly_end_on_a_full_disk(void **state)
{
	struct fixture *f = *state;
	unsigned applies;

	assert_int_equal(change(f, "before", 0), 0);
	assert_int_equal(add_uplink(f, 600), 0);
	fixture_turn(f, STORE_SETTLE_MS + 200); /* the next write begins a new log */
	fill_disk(true);
	applies = f->kernel.applies;
	engine_end_trial(f->engine);
	assert_int_equal(f->kernel.applies, applies + 1); /* not recorded, but in force */
	assert_true(has_failed(f));
	engine_end_trial(f->engine);
	fixture_stop(f);
	fill_disk(false);
	fixture_start(f);
	assert_int_equal(engine_config(f->engine)->lists[KIND_UPLINK].count, 0);
	newest_is(f, 3, "expiry", "porticod ended before it was confirmed: back to revision 1");
}

/* --- what goes wrong --- */

static void a_refusal_of_the_kernel_is_tried_again(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(change(f, "before", 0), 0);
	assert_int_equal(change(f, "after", 1), 0);
	f->kernel.unreadable_state = true;
	f->kernel.events.changed(f->kernel.events.arg, KERNEL_TABLE);
	wait_until(f, is_over, "the end of the trial");
	assert_string_equal(name_now(f), "before");
	newest_is(f, 3, "expiry", "not confirmed in time: back to revision 1");
	assert_false(fixture_in_sync(f));
	f->kernel.unreadable_state = false;
	wait_until(f, fixture_in_sync, "the kernel in sync");
}

static void a_full_disk_keeps_nobody_out(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(change(f, "before", 0), 0);
	assert_int_equal(change(f, "after", 1), 0);
	fill_disk(true);
	wait_until(f, has_failed, "the return that cannot be recorded");
	/* In force all the same, and nobody builds upon it. */
	assert_string_equal(name_now(f), "before");
	assert_true(fixture_in_sync(f));
	assert_non_null(strstr(failure(f), "no space is left"));
	assert_true(change(f, "more", 0) < 0);
	assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
	assert_true(f->err.retry_after_s > 0);
	assert_non_null(strstr(f->err.detail, "revision 1 is back"));
	assert_true(engine_confirm(f->engine, "test", &f->err) < 0);
	assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
	assert_null(outcome);

	fill_disk(false);
	wait_until(f, is_over, "the return recorded");
	assert_string_equal(outcome, "expired");
	newest_is(f, 3, "expiry", "not confirmed in time: back to revision 1");
	assert_int_equal(change(f, "more", 0), 0);
}

static void an_end_before_it_could_be_recorded(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(change(f, "before", 0), 0);
	assert_int_equal(change(f, "after", 1), 0);
	fill_disk(true);
	wait_until(f, has_failed, "the return that cannot be recorded");
	fixture_stop(f);
	fill_disk(false);
	fixture_start(f);
	assert_string_equal(name_now(f), "before");
	newest_is(f, 3, "expiry", "porticod ended before it was confirmed: back to revision 1");
}

static void a_confirmation_that_cannot_be_written(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(change(f, "before", 0), 0);
	assert_int_equal(change(f, "after", 60), 0);
	fixture_turn(f, STORE_SETTLE_MS + 200); /* the next write begins a new log */
	fill_disk(true);
	assert_true(engine_confirm(f->engine, "test", &f->err) < 0);
	assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
	fill_disk(false);
	assert_true(engine_on_trial(f->engine));
	assert_int_equal(engine_confirm(f->engine, "test", &f->err), 0);
	fixture_stop(f);
	fixture_start(f);
	assert_string_equal(name_now(f), "after");
}

#define TRIAL_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRIAL_TEST(what_is_confirmed_stays),
		TRIAL_TEST(what_is_not_confirmed_is_taken_back),
		TRIAL_TEST(the_kernel_is_brought_back_too),
		TRIAL_TEST(several_changes_are_one_trial),
		TRIAL_TEST(a_trial_may_begin_with_the_first_revision),
		TRIAL_TEST(nothing_changed_is_no_trial),
		TRIAL_TEST(as_before_is_the_end_of_it),
		TRIAL_TEST(a_long_trial),
		TRIAL_TEST(another_start_takes_it_back_first),
		TRIAL_TEST(an_orderly_end_takes_it_back),
		TRIAL_TEST(an_orderly_end_on_a_full_disk),
		TRIAL_TEST(a_refusal_of_the_kernel_is_tried_again),
		TRIAL_TEST(a_full_disk_keeps_nobody_out),
		TRIAL_TEST(an_end_before_it_could_be_recorded),
		TRIAL_TEST(a_confirmation_that_cannot_be_written),
	};

	faulty_disk_init(false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
