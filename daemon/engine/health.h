/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_ENGINE_HEALTH_H
#define PORTICO_ENGINE_HEALTH_H

/* Health of the uplinks: what was measured, what became of it, and a test on demand. */

#include "engine/engine.h"

enum {
	HEALTH_SAMPLES_MAX = 120,
	HEALTH_TRANSITIONS_MAX = 100, /* the last ones are kept, in memory */
};

/* What is measured of an uplink now. */
struct health_numbers {
	bool probed;                                /* it has a health check, and its link is up */
	bool measured;                              /* there is something to tell; else the numbers are 0 */
	double loss_percent, latency_ms, jitter_ms; /* latency and jitter are -1 while nothing is answered */
	int64_t held_until;                         /* seconds since the epoch; 0: it is not held */
	bool in_use;                                /* new connections may be given to it now */
};
void engine_health_numbers(const struct engine *engine, uint32_t uplink_id,
			   struct health_numbers *ret_numbers);

struct health_sample {
	int64_t at_ms;      /* since the epoch */
	int32_t latency_us; /* -1: lost; 0: too early to tell */
	bool late;          /* answered after the timeout */
};
/* The last ones, oldest first; returns how many. */
unsigned engine_health_samples(const struct engine *engine, uint32_t uplink_id,
			       struct health_sample ret_samples[HEALTH_SAMPLES_MAX]);

struct health_target {
	double latency_ms;   /* of its last answer; -1: none yet */
	double loss_percent; /* over the window; -1: nothing was sent yet */
};
/* In the order of health.targets; returns how many, 0 without a health check. */
unsigned engine_health_targets(const struct engine *engine, uint32_t uplink_id,
			       struct health_target ret_targets[HEALTH_TARGETS_MAX]);

struct health_transition {
	int64_t at_ms; /* since the epoch */
	bool up;
	const char *reason; /* why not up, as uplink_live.why_down; NULL when up */
};
/* The last ones, oldest first; returns how many. */
unsigned engine_health_transitions(const struct engine *engine, uint32_t uplink_id,
				   struct health_transition ret_transitions[HEALTH_TRANSITIONS_MAX]);

/* --- a test on demand --- */

struct health_test_result {
	char target[64];
	double latency_ms; /* -1: no answer */
	const char *error; /* what the kernel said when it could not be sent, else NULL */
};

struct health_test_report {
	bool passed; /* as many answered as the health check needs */
	unsigned count;
	struct health_test_result results[HEALTH_TARGETS_MAX];
};

typedef void health_test_fn(void *arg, const struct health_test_report *report);

/*
 * Probes the uplink's targets once, or its gateways by ICMP if it has no health check, and reports from the loop
 * when all have answered or the timeout has passed; never from within this call. One test an uplink at a time: -EBUSY, with `err` set, while
 * there is one; ERR_CONFLICT likewise when there is nothing that could be probed (no device, no gateway).
 */
int engine_health_test(struct engine *engine, uint32_t uplink_id, health_test_fn *done, void *arg,
		       struct err *err);
/* The caller is not interested any more: `done` is not called. Takes what was given to engine_health_test(). */
void engine_health_test_forget(struct engine *engine, uint32_t uplink_id, const void *arg);

#endif
