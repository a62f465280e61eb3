/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "scratch.h"

void fixture_start(struct fixture *f)
{
	struct engine_options options = { .kernel = fake_kernel_open, .kernel_arg = &f->kernel };

	err_clear(&f->err);
	assert_int_equal(loop_new(&f->loop), 0);
	if (store_open(f->db, &f->store, &f->err) < 0 ||
	    engine_new(f->loop, f->store, &options, &f->engine, &f->err) < 0)
		fail_msg("%s", f->err.detail);
	if (f->started)
		f->started(f);
}

void fixture_stop(struct fixture *f)
{
	engine_free(f->engine);
	store_close(f->store);
	loop_free(f->loop);
}

int fixture_set_up(void **state, const char *links, void (*started)(struct fixture *f))
{
	struct fixture *f = calloc(1, sizeof(*f));

	scratch_make(f->directory);
	snprintf(f->db, sizeof(f->db), "%s/portico.db", f->directory);
	f->kernel.links = links;
	f->started = started;
	fixture_start(f);
	*state = f;
	return 0;
}

int fixture_tear_down(void **state)
{
	struct fixture *f = *state;

	fixture_stop(f);
	scratch_remove(f->directory);
	free(f);
	return 0;
}

static void stop_loop(void *arg)
{
	loop_stop(arg, 0);
}

void fixture_turn(struct fixture *f, uint64_t ms)
{
	struct timer *timer;

	assert_int_equal(timer_new(f->loop, stop_loop, f->loop, &timer), 0);
	timer_start(timer, ms);
	loop_run(f->loop);
	timer_free(timer);
}

bool fixture_in_sync(struct fixture *f)
{
	json_t *status = engine_kernel_status(f->engine);
	bool result = json_is_true(json_object_get(status, "in_sync"));

	json_decref(status);
	return result;
}
