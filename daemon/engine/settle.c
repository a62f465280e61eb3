/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left for a quiet moment: when nothing has been committed for a while. */

#include "base/memory.h"
#include "engine/private.h"

static void on_settling(void *arg)
{
	struct engine *engine = arg;

	store_settle(engine->store);
	memory_give_back();
}

void settle_later(struct engine *engine)
{
	timer_start(engine->settling, STORE_SETTLE_MS);
}

int settle_start(struct engine *engine)
{
	int r = timer_new(engine->loop, on_settling, engine, &engine->settling);

	if (r == 0)
		settle_later(engine); /* a start takes much memory for a short time */
	return r;
}

void settle_stop(struct engine *engine)
{
	timer_free(engine->settling);
}
