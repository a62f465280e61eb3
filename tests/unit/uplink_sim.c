/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "uplink_sim.h"

void sim_prepare(struct sim *sim)
{
	*sim = (struct sim){
		.health = {
			.targets.count = 1, .need = (char *)"any", .interval_ms = 1000, .timeout_ms = 1000,
			.down_after = 2, .up_after = 3, .window = 20, .max_loss_percent = -1,
			.max_latency_ms = -1,
		},
		.now_ms = SIM_START_MS,
	};
	judge_init(&sim->judge);
}

void sim_configure(struct sim *sim, bool anew)
{
	judge_configure(&sim->judge, &sim->health, anew, 700, sim->now_ms);
}

void sim_begin(struct sim *sim, int latency_ms)
{
	sim_configure(sim, false);
	judge_link(&sim->judge, true, sim->now_ms);
	sim->latency_ms = latency_ms;
}

static void send_round(struct sim *sim, uint32_t round)
{
	uint32_t latency_ms = (uint32_t)sim->latency_ms;

	assert_int_equal(round >> JUDGE_NUMBER_BITS, 0);
	if (sim->sent_count < SIM_FLIGHTS_MAX)
		sim->sent_ms[sim->sent_count] = sim->now_ms - SIM_START_MS;
	sim->sent_count++;
	if (sim->latency_ms == SIM_LOST)
		return;
	assert_true(sim->flight_count < SIM_FLIGHTS_MAX);
	sim->flights[sim->flight_count++] = (struct sim_flight){ round, latency_ms,
								 sim->now_ms + latency_ms };
}

void sim_take_turn(struct sim *sim)
{
	unsigned left = 0;
	uint32_t round;

	for (unsigned i = 0; i < sim->flight_count; i++) {
		struct sim_flight flight = sim->flights[i];

		if (flight.arrives_ms > sim->now_ms)
			sim->flights[left++] = flight;
		else
			judge_answer(&sim->judge, flight.round, 0, flight.latency_ms * 1000, sim->now_ms);
	}
	sim->flight_count = left;
	if (judge_turn(&sim->judge, sim->now_ms, &round))
		send_round(sim, round);
	assert_true(judge_wakes_ms(&sim->judge) > sim->now_ms);
}

bool sim_step(struct sim *sim, uint64_t until_ms)
{
	uint64_t at_ms = judge_wakes_ms(&sim->judge);

	for (unsigned i = 0; i < sim->flight_count; i++)
		if (sim->flights[i].arrives_ms < at_ms)
			at_ms = sim->flights[i].arrives_ms;
	if (at_ms > until_ms || at_ms == UINT64_MAX)
		return false;
	if (at_ms > sim->now_ms)
		sim->now_ms = at_ms;
	sim_take_turn(sim);
	return true;
}

void sim_run_to(struct sim *sim, uint64_t until_ms)
{
	while (sim_step(sim, SIM_START_MS + until_ms))
		;
	sim->now_ms = SIM_START_MS + until_ms;
}

void sim_run_for(struct sim *sim, uint64_t ms)
{
	sim_run_to(sim, sim->now_ms - SIM_START_MS + ms);
}

uint64_t sim_run_until(struct sim *sim, enum fitness fitness)
{
	uint64_t end_ms = sim->now_ms + 3600000;

	while (judge_fitness(&sim->judge) != fitness)
		assert_true(sim_step(sim, end_ms));
	return sim->now_ms - SIM_START_MS;
}

void sim_send(struct sim *sim, unsigned count, int latency_ms)
{
	unsigned last = sim->sent_count + count;
	const struct judge_round *round;

	sim->latency_ms = latency_ms;
	while (sim->sent_count < last)
		assert_true(sim_step(sim, UINT64_MAX));
	sim->latency_ms = 20;
	do {
		round = judge_past_round(&sim->judge, sim->sent_count - last);
		assert_non_null(round);
	} while (!round->latency_us && !round->expired && sim_step(sim, UINT64_MAX));
}

void sim_check_fitness(const struct sim *sim, enum fitness fitness)
{
	assert_int_equal(judge_fitness(&sim->judge), fitness);
}

struct judge_numbers sim_measure(const struct sim *sim)
{
	struct judge_numbers numbers;

	judge_measure(&sim->judge, &numbers);
	return numbers;
}

void sim_check_sent(const struct sim *sim, const uint64_t *wanted_ms, unsigned count)
{
	assert_int_equal(sim->sent_count, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(sim->sent_ms[i], wanted_ms[i]);
}
