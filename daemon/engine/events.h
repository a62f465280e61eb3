/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_ENGINE_EVENTS_H
#define PORTICO_ENGINE_EVENTS_H

/*
 * What happens, told to one listener as it happens: the bare facts. How the
 * thing is now, the listener asks the engine; an event may come though nothing
 * is different any more, or once for several changes.
 */

#include "engine/engine.h"

enum engine_event_kind {
	ENGINE_REVISION, /* a commit is whole: `number`, `at`, `request`, `changes` */
	ENGINE_UPLINK,   /* `id` went up or down, or has other addresses */
	ENGINE_FORWARD,  /* `id` is live, or is not, or for another reason than before; new ones too */
	ENGINE_FORWARDS, /* as before, for `count` of them: too many to be told one by one */
	ENGINE_COUNTERS, /* `counters`: those that counted, `count` of them */
	ENGINE_HEALTH,   /* `ids`: uplinks of which something else is measured now, `count` of them */
	ENGINE_TRIAL,    /* one begins, goes on, or ends with an `outcome` */
	ENGINE_KERNEL,   /* something was `mended`, is refused, or is in order again; another firewall came */
};

enum {
	ENGINE_FORWARDS_MAX = 64,  /* told one by one */
	ENGINE_COUNTERS_MAX = 500, /* in one event; the others come with the next */
};

struct engine_counter {
	uint32_t id;
	struct forward_counters counters;
};

/* Lives as long as the call that tells it. */
struct engine_event {
	enum engine_event_kind kind;
	uint32_t id;
	unsigned count;
	uint64_t number;
	int64_t at; /* seconds since the epoch */
	const struct change_request *request;
	const struct changes *changes;
	const struct engine_counter *counters;
	const uint32_t *ids;
	bool mended;
	const char *outcome; /* "confirmed", "undone", "expired"; NULL: a trial runs */
};

/*
 * Called from the loop, with ENGINE_REVISION at the end of engine_commit(). It must not call engine_commit() itself.
 */
typedef void engine_event_fn(void *arg, const struct engine_event *event);

/*
 * From now on `fn` is told of all that differs from how things are now; NULL: nobody. While nobody
 * listens, nothing is compared, counted or kept. -ENOMEM: as before.
 */
int engine_listen(struct engine *engine, engine_event_fn *fn, void *arg);

#endif
