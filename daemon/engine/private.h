/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_ENGINE_PRIVATE_H
#define PORTICO_ENGINE_PRIVATE_H

#include "engine/engine.h"

enum { STEP_TEXT_MAX = 512 };

/* What the kernel refused when it was last asked, for status and to tell new refusals from old ones. */
struct refusal {
	char step[STEP_TEXT_MAX];
	char text[256];
};

struct uplink_memory {
	bool known, up;
	int64_t since;
};

struct counter {
	uint32_t forward; /* id; the list is sorted by it */
	uint64_t connections;
	int64_t last;
};

struct engine {
	struct loop *loop;
	struct store *store;
	struct kernel *kernel;

	struct config *config;
	uint64_t revision;
	struct links links;
	struct environment environment;

	/*
	 * What the kernel shall have and what it was last known to have. One and the same object
	 * after everything was applied; observed is NULL when somebody changed something, or refused:
	 * then the kernel is read again before the next comparison.
	 */
	struct kstate *desired, *observed;

	unsigned dirty;      /* KERNEL_* bits that came since the last comparison */
	unsigned unread;     /* those that could not be looked at; the next retry does */
	struct timer *retry; /* after a refusal, with growing pauses */
	unsigned retry_s;
	struct timer *expiry;   /* the next expires_at */
	struct timer *watching; /* sysctls of which the kernel does not tell */
	struct timer *sweep_again;
	unsigned stale_flows;  /* found since the last search for them began */
	unsigned sweeps;       /* repeated ones since something changed */
	struct timer *resting; /* until rest_until_ms, while something is dirty; see rest() */
	uint64_t rest_until_ms, mended_at_ms, quarrel_ms;

	unsigned refusal_count;
	struct refusal refusals[STEP_FAILURES_MAX];
	uint64_t mended;
	int64_t last_mended;
	struct uplink_memory uplinks[UPLINKS_MAX + 1]; /* by id */

	struct timer *counting;
	uint64_t counters_at_ms; /* loop_now_ms() of the last reading; 0: never */
	unsigned counter_count;
	struct counter *counters;
};

int64_t engine_now(void); /* seconds since the epoch */

/* flows.c: stale connections are searched for, and deleted, a piece per turn of the loop. */
int flows_start(struct engine *engine);
void flows_stop(struct engine *engine);
void flows_search(struct engine *engine);

/* schedule.c: `due` is called, with the engine, when a forward begins or ends by the clock. */
int schedule_start(struct engine *engine, void (*due)(void *arg));
void schedule_stop(struct engine *engine);
void schedule_next(struct engine *engine); /* after each change of the configuration */

/* status.c */
int counters_start(struct engine *engine);
void counters_stop(struct engine *engine);

#endif
