/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_TESTS_UPLINK_SIM_H
#define PORTICO_TESTS_UPLINK_SIM_H

#include "model/judge.h"

/* An uplink with one target and its judge, in a time of their own: milliseconds since the test began. */

enum {
	SIM_START_MS = 10000, /* what the judge's clock shows then */
	SIM_LOST = -1,        /* the latency of what is not answered */
	SIM_FLIGHTS_MAX = 1024,
};

struct sim {
	struct judge judge;
	struct health health; /* the defaults, unless changed before sim_begin() or sim_configure() */
	uint64_t now_ms;      /* by the judge's clock */
	int latency_ms;       /* of rounds that are sent from now on */
	unsigned sent_count, flight_count;
	uint64_t sent_ms[SIM_FLIGHTS_MAX]; /* of the first ones */
	struct sim_flight {
		uint32_t round, latency_ms;
		uint64_t arrives_ms;
	} flights[SIM_FLIGHTS_MAX];
};

void sim_prepare(struct sim *sim);
/* A phase of 700 ms. */
void sim_configure(struct sim *sim, bool anew);
/* Configured, and the link is up. */
void sim_begin(struct sim *sim, int latency_ms);

/* The answers that have arrived, and a turn of the judge, at now_ms. */
void sim_take_turn(struct sim *sim);
/* What happens next, unless it is after that time of the judge's clock. */
bool sim_step(struct sim *sim, uint64_t until_ms);

void sim_run_to(struct sim *sim, uint64_t until_ms);
void sim_run_for(struct sim *sim, uint64_t ms);
/* Runs until it is so, for an hour at most; returns when that was. */
uint64_t sim_run_until(struct sim *sim, enum fitness fitness);
/*
 * Runs until so many more rounds were sent with this latency, and the last of them is decided. What is
 * hurried meanwhile, because that one has no answer yet, takes 20 ms.
 */
void sim_send(struct sim *sim, unsigned count, int latency_ms);

void sim_check_fitness(const struct sim *sim, enum fitness fitness);
void sim_check_sent(const struct sim *sim, const uint64_t *wanted_ms, unsigned count);
struct judge_numbers sim_measure(const struct sim *sim);

#endif
