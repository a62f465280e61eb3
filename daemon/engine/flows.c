/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections that contradict the desired state: searched for after every change. */

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/private.h"

enum {
	/*
	 * The answer to a change leaves first: reading an empty table of 262,144 buckets takes the kernel 11 ms,
	 * in which it gives the processor to nobody.
	 */
	SEARCH_AFTER_MS = 3,
	SEARCH_AGAIN_MS = 50,
	SEARCHES_MAX = 8, /* 13 s in all */
	REMEMBERED_MAX = 256,
	REMEMBERED_MS = 15000,
};

/*
 * The backend, or the router itself, goes on sending what belonged to an entry that was deleted: it makes an
 * entry of its own, which looks like any that is begun from inside, and keeps the client where it was.
 */
struct remade {
	uint8_t protocol;
	struct ip source, destination;
	uint16_t source_port, destination_port;
	enum flow_fate fate;
};

struct flows {
	struct timer *again;
	bool soon;         /* it runs for a change */
	unsigned searches; /* repeated ones since something changed */
	unsigned remembered;
	uint64_t remembered_until_ms;
	struct remade remade[REMEMBERED_MAX]; /* the last of them */
};

static bool remembers(const struct flows *flows)
{
	return flows->remembered && loop_now_ms() < flows->remembered_until_ms;
}

static void remember(struct flows *flows, const struct flow *flow, enum flow_fate fate)
{
	if (!remembers(flows))
		flows->remembered = 0;
	flows->remembered_until_ms = loop_now_ms() + REMEMBERED_MS;
	flows->remade[flows->remembered++ % REMEMBERED_MAX] = (struct remade){
		.protocol = flow->protocol,
		.source = flow->reply_source,
		.destination = flow->reply_destination,
		.source_port = flow->reply_source_port,
		.destination_port = flow->reply_destination_port,
		.fate = fate,
	};
}

static enum flow_fate fate_if_remade(const struct flows *flows, const struct flow *flow)
{
	unsigned count = remembers(flows) ? flows->remembered : 0;

	for (unsigned i = 0; i < count && i < REMEMBERED_MAX; i++) {
		const struct remade *remade = &flows->remade[i];

		if (remade->protocol == flow->protocol && remade->source_port == flow->source_port &&
		    remade->destination_port == flow->destination_port &&
		    ip_compare(&remade->source, &flow->source) == 0 &&
		    ip_compare(&remade->destination, &flow->destination) == 0)
			return remade->fate;
	}
	return FLOW_STAYS;
}

/*
 * A packet that was on its way while its entry was deleted may have made a stale one again. So one more search
 * follows each that found something, ever later, until none does and none is to be expected.
 */
static void search_later(struct flows *flows)
{
	if (flows->searches < SEARCHES_MAX && !timer_running(flows->again))
		timer_start(flows->again, (uint64_t)SEARCH_AGAIN_MS << flows->searches++);
}

/* As with what it was made of: first it ends, so that nothing of it is on its way when it is deleted. */
static enum flow_fate fate_of_remade(const struct flows *flows, const struct flow *flow)
{
	enum flow_fate fate = fate_if_remade(flows, flow);
	bool ended = flow->mark & MARK_ENDED;

	if (fate == FLOW_IS_DELETED && !ended && flows->searches < SEARCHES_MAX)
		return FLOW_ENDS;
	return fate == FLOW_ENDS && ended ? FLOW_STAYS : fate;
}

static enum flow_fate judge(void *arg, const struct flow *flow)
{
	struct engine *engine = arg;
	struct flows *flows = engine->flows;
	enum flow_fate fate = FLOW_STAYS;

	if (!engine->desired)
		return FLOW_STAYS;
	fate = flow_fate(engine->config, &engine->links, &engine->ways, engine->desired, flow);
	if (fate == FLOW_STAYS)
		fate = fate_of_remade(flows, flow);
	/* What the table's chains do not see they cannot end: it is taken from where it is, and then ended. */
	else if (fate == FLOW_ENDS && flow->offloaded) {
		remember(flows, flow, FLOW_ENDS);
		fate = FLOW_IS_DELETED;
	} else if (fate == FLOW_IS_DELETED && flow->protocol != IPPROTO_TCP) {
		remember(flows, flow, FLOW_IS_DELETED);
	}
	if (fate != FLOW_STAYS)
		search_later(flows);
	return fate;
}

static void search(struct engine *engine)
{
	int r = engine->kernel->ops->sweep_flows(engine->kernel, judge, engine);

	if (r < 0)
		log_warning("connection tracking cannot be searched for stale flows: %s", strerror(-r));
}

static void on_search_again(void *arg)
{
	struct engine *engine = arg;

	engine->flows->soon = false;
	search(engine);
	if (remembers(engine->flows))
		search_later(engine->flows);
}

void flows_search(struct engine *engine)
{
	struct flows *flows = engine->flows;

	flows->searches = 0;
	if (!flows->soon) /* else changes in a row would put it off for ever */
		timer_start(flows->again, SEARCH_AFTER_MS);
	flows->soon = true;
}

int flows_start(struct engine *engine)
{
	engine->flows = calloc(1, sizeof(*engine->flows));
	return engine->flows ? timer_new(engine->loop, on_search_again, engine, &engine->flows->again) :
			       -ENOMEM;
}

void flows_stop(struct engine *engine)
{
	if (engine->flows)
		timer_free(engine->flows->again);
	free(engine->flows);
	engine->flows = NULL;
}
