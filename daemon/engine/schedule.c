/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When time alone changes what is desired: forwards that expire. */

#include "engine/private.h"

void schedule_next(struct engine *engine)
{
	enum { CHECK_AGAIN_S = 3600 }; /* the clock may be set meanwhile */
	const struct object_list *forwards = &engine->config->lists[KIND_FORWARD];
	int64_t now = engine_now(), next = 0;

	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];

		if (forward->enabled && forward->expires_at > now && (!next || forward->expires_at < next))
			next = forward->expires_at;
	}
	if (!next) {
		timer_stop(engine->expiry);
		return;
	}
	int64_t wait_s = next - now < CHECK_AGAIN_S ? next - now : CHECK_AGAIN_S;

	timer_start(engine->expiry, (uint64_t)wait_s * 1000);
}

int schedule_start(struct engine *engine, void (*due)(void *arg))
{
	return timer_new(engine->loop, due, engine, &engine->expiry);
}

void schedule_stop(struct engine *engine)
{
	timer_free(engine->expiry);
}
