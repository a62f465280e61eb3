/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections that contradict the desired state: searched for after every change. */

#include <string.h>

#include "base/log.h"
#include "engine/private.h"

enum { SWEEP_AGAIN_MS = 50, SWEEPS_MAX = 8 };

static enum flow_fate judge(void *arg, const struct flow *flow)
{
	struct engine *engine = arg;
	enum flow_fate fate = FLOW_STAYS;

	if (engine->desired)
		fate = flow_fate(engine->config, &engine->links, engine->desired, flow);
	if (fate != FLOW_STAYS)
		engine->stale_flows++;
	return fate;
}

static void search_flows(struct engine *engine)
{
	int r = engine->kernel->ops->sweep_flows(engine->kernel, judge, engine);

	if (r < 0)
		log_warning("connection tracking cannot be searched for stale flows: %s", strerror(-r));
}

/*
 * A packet that was on its way while its entry was deleted may have made a stale one again. So one more search
 * follows each that found something, ever later, until none does.
 */
static void on_search_again(void *arg)
{
	struct engine *engine = arg;

	if (!engine->stale_flows || engine->sweeps == SWEEPS_MAX)
		return;
	engine->stale_flows = 0;
	search_flows(engine);
	timer_start(engine->sweep_again, (uint64_t)SWEEP_AGAIN_MS << engine->sweeps++);
}

void flows_search(struct engine *engine)
{
	engine->stale_flows = 0;
	engine->sweeps = 0;
	search_flows(engine);
	timer_start(engine->sweep_again, SWEEP_AGAIN_MS);
}

int flows_start(struct engine *engine)
{
	return timer_new(engine->loop, on_search_again, engine, &engine->sweep_again);
}

void flows_stop(struct engine *engine)
{
	timer_free(engine->sweep_again);
}
