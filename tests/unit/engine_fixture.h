/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_TESTS_ENGINE_FIXTURE_H
#define PORTICO_TESTS_ENGINE_FIXTURE_H

/* An engine with its loop, a database in a directory of its own, and a fake kernel. */

#include "engine/engine.h"
#include "fake_kernel.h"

struct fixture {
	char directory[32], db[64];
	struct loop *loop;
	struct store *store;
	struct engine *engine;
	struct fake_kernel kernel;
	struct err err;
	void (*started)(struct fixture *f); /* if there is one: called after each start */
};

/* Each test has one, started, with these devices (JSON of links_from_json()). */
int fixture_set_up(void **state, const char *links, void (*started)(struct fixture *f));
int fixture_tear_down(void **state);

/* As a daemon ends without warning, and starts again. */
void fixture_stop(struct fixture *f);
void fixture_start(struct fixture *f);

/* Lets the loop run for a while: timers that are due fire, marked things are done. */
void fixture_turn(struct fixture *f, uint64_t ms);

bool fixture_in_sync(struct fixture *f);

#endif
