/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the engine does to store and kernel at once, with every single operation of the disk failing: whatever is refused,
 * the configuration in force, its revision, what the database has and what the kernel has are one and the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "engine_fixture.h"
#include "faulty_disk.h"
#include "model/compile.h"

static const char links[] = "[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.1/24\"],"
			    " \"gateway4\": \"192.0.2.254\"},"
			    " {\"name\": \"br-lan\", \"index\": 4, \"addresses\": [\"192.168.0.1/24\"]}]";

static struct fake_state kernel_state;

/* --- what is done --- */

/* An uplink and a forward, as the kernel has them. */
static struct config *config_with(const char *external_ports)
{
	json_t *json = json_pack("{s:[{s:i, s:s, s:s}], s:[{s:i, s:s, s:s, s:s}]}", "uplinks", "id", 1,
				 "name", "isp1", "device", "eth0", "forwards", "id", 1, "name", "web",
				 "external_ports", external_ports, "internal_address", "192.168.0.2");
	struct config *config;
	struct err err;

	err_clear(&err);
	assert_int_equal(config_from_json(json, NULL, &config, &err), 0);
	json_decref(json);
	return config;
}

/* Takes over the reference. */
static int commit(struct fixture *f, struct config *next, unsigned confirm_within_s)
{
	const struct change_request request = { .author = "test",
						.reason = "test",
						.confirm_within_s = confirm_within_s };
	int r = engine_commit(f->engine, next, &request, &f->err);

	config_unref(next);
	return r;
}

static int do_change(struct fixture *f)
{
	return commit(f, config_with("81"), 0);
}

static int do_restore(struct fixture *f)
{
	struct config *former;
	int r = engine_former(f->engine, 1, &former, &f->err);

	return r < 0 ? r : commit(f, former, 0);
}

static int do_trial(struct fixture *f)
{
	return commit(f, config_with("81"), 3600);
}

static int do_confirm(struct fixture *f)
{
	return engine_confirm(f->engine, "test", &f->err);
}

/* What cannot be recorded is in force all the same: nobody is kept out of his router. */
static int do_end_trial(struct fixture *f)
{
	engine_end_trial(f->engine);
	return engine_on_trial(f->engine) ? -1 : 0;
}

static const struct action {
	const char *name;
	bool on_trial;
	int (*act)(struct fixture *f);
} actions[] = {
	{ "a change", false, do_change },         { "a restore", false, do_restore },
	{ "a change on trial", false, do_trial }, { "another one", true, do_restore },
	{ "a confirmation", true, do_confirm },   { "the end of a trial", true, do_end_trial },
};

/* --- one case --- */

static bool kernel_is_in_force(struct fixture *f)
{
	struct kstate desired;
	bool same;

	assert_int_equal(compile(engine_config(f->engine), engine_links(f->engine),
				 engine_environment(f->engine), &desired),
			 0);
	same = fake_state_is(&kernel_state, &desired);
	kstate_done(&desired);
	return same;
}

static uint64_t newest(struct fixture *f)
{
	uint64_t number;
	json_t *items;

	assert_int_equal(store_list_revisions(f->store, INT64_MAX, 1, &items, &f->err), 0);
	number = (uint64_t)json_integer_value(json_object_get(json_array_get(items, 0), "number"));
	json_decref(items);
	return number;
}

#define CHECK(condition)                                                                                  \
	do {                                                                                              \
		if (!(condition))                                                                         \
			fail_msg("%s, fault %d at operation %u: not so: %s (%s)", action->name, fault, n, \
				 #condition, f->err.detail);                                              \
	} while (0)

static bool survives(const struct action *action, enum fault fault, unsigned n)
{
	uint64_t before, after;
	struct fixture *f;
	bool met, refused, trial;
	void *state;

	memset(&kernel_state, 0, sizeof(kernel_state));
	fixture_set_up(&state, links, NULL);
	f = state;
	fixture_stop(f);
	f->kernel.state = &kernel_state;
	fixture_start(f);
	assert_int_equal(commit(f, config_with("80"), 0), 0);
	assert_int_equal(commit(f, config_with("443"), action->on_trial ? 3600 : 0), 0);
	store_settle(f->store);
	before = engine_revision(f->engine);
	trial = engine_on_trial(f->engine);

	err_clear(&f->err);
	faulty_disk_set(fault, n, true);
	refused = action->act(f) < 0;
	met = faulty_disk.met;
	CHECK(!refused || met);
	CHECK(kernel_is_in_force(f));
	CHECK(fixture_in_sync(f));
	CHECK(!refused || engine_revision(f->engine) == before);
	CHECK(!refused || engine_on_trial(f->engine) == trial);
	faulty_disk_set(FAULT_NONE, 0, false);
	CHECK(newest(f) == engine_revision(f->engine));

	/* It goes on; and the next process finds all this. */
	err_clear(&f->err);
	CHECK(!refused || action->act(f) == 0);
	CHECK(kernel_is_in_force(f));
	after = engine_revision(f->engine);
	trial = engine_on_trial(f->engine);
	fixture_stop(f);
	fixture_start(f);
	CHECK(engine_revision(f->engine) == after + trial);
	CHECK(kernel_is_in_force(f));
	fixture_tear_down(&state);
	return met;
}

static void whatever_fails(void **state)
{
	static const enum fault faults[] = { FAULT_WRITE, FAULT_SHORT_WRITE, FAULT_FULL,     FAULT_FULL_LATE,
					     FAULT_SYNC,  FAULT_OPEN,        FAULT_READ_ONLY };

	(void)state;
	for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		unsigned cases = 0;

		for (unsigned fault = 0; fault < sizeof(faults) / sizeof(faults[0]); fault++)
			for (unsigned n = 0; survives(&actions[i], faults[fault], n); n++)
				cases++;
		print_message("%s: %u faults\n", actions[i].name, cases);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_fails),
	};

	log_set_level("error");
	faulty_disk_init(false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
