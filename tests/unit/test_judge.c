/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/judge.h"

static char any[] = "any", all[] = "all", two[] = "2";
static char *targets[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3" };

/* The defaults. */
static struct health settings(void)
{
	return (struct health){ .targets = { .count = 1, .items = targets },
				.need = any,
				.interval_ms = 1000,
				.timeout_ms = 1000,
				.down_after = 2,
				.up_after = 3,
				.window = 20,
				.max_loss_percent = -1,
				.max_latency_ms = -1 };
}

/*
 * A judge in a world in which time passes: what answers, and how late, is `latency_ms`. Answers on their way are kept.
 */
struct world {
	struct judge judge;
	uint64_t now_ms;
	int latency_ms;     /* -1: nobody answers */
	unsigned answering; /* so many of the targets */
	struct {
		uint64_t at_ms;
		uint32_t round;
		unsigned target;
		uint32_t latency_us;
	} coming[4096];
	unsigned coming_count;
	unsigned sent;
	uint64_t last_sent_ms, shortest_ms;
};

static void begin(struct world *world, const struct health *health)
{
	memset(world, 0, sizeof(*world));
	world->now_ms = 1000000;
	world->latency_ms = 10;
	world->answering = 3;
	world->shortest_ms = UINT64_MAX;
	judge_init(&world->judge);
	judge_configure(&world->judge, health, true, 700, world->now_ms);
	judge_link(&world->judge, true, world->now_ms);
}

static void send_round(struct world *world, uint32_t round)
{
	if (world->sent++ && world->now_ms - world->last_sent_ms < world->shortest_ms)
		world->shortest_ms = world->now_ms - world->last_sent_ms;
	world->last_sent_ms = world->now_ms;
	for (unsigned i = 0; world->latency_ms >= 0 && i < world->judge.target_count && i < world->answering;
	     i++) {
		assert_true(world->coming_count < 4096);
		world->coming[world->coming_count].at_ms = world->now_ms + (unsigned)world->latency_ms;
		world->coming[world->coming_count].round = round;
		world->coming[world->coming_count].target = i;
		world->coming[world->coming_count++].latency_us = (uint32_t)world->latency_ms * 1000;
	}
}

static void deliver(struct world *world)
{
	for (unsigned i = 0; i < world->coming_count; i++) {
		if (world->coming[i].at_ms > world->now_ms)
			continue;
		judge_answer(&world->judge, world->coming[i].round, world->coming[i].target,
			     world->coming[i].latency_us, world->now_ms);
		world->coming[i--] = world->coming[--world->coming_count];
	}
}

/* Milliseconds until the fitness is this one; fails if it takes longer than `most_ms`. */
static uint64_t until(struct world *world, enum fitness fitness, uint64_t most_ms)
{
	uint64_t began_ms = world->now_ms;

	while (judge_fitness(&world->judge) != fitness) {
		uint32_t round;

		world->now_ms++;
		if (world->now_ms - began_ms > most_ms)
			fail_msg("%u is not %u after %u ms", judge_fitness(&world->judge), fitness,
				 (unsigned)most_ms);
		deliver(world);
		if (world->now_ms < judge_wakes_ms(&world->judge))
			continue;
		if (judge_turn(&world->judge, world->now_ms, &round))
			send_round(world, round);
		assert_true(judge_wakes_ms(&world->judge) > world->now_ms);
	}
	return world->now_ms - began_ms;
}

/* It stays as it is for so long. */
static void stays(struct world *world, uint64_t ms)
{
	enum fitness fitness = judge_fitness(&world->judge);
	uint64_t end_ms = world->now_ms + ms;
	uint32_t round;

	for (; world->now_ms < end_ms; world->now_ms++) {
		deliver(world);
		if (world->now_ms >= judge_wakes_ms(&world->judge) &&
		    judge_turn(&world->judge, world->now_ms, &round))
			send_round(world, round);
		assert_int_equal(judge_fitness(&world->judge), fitness);
	}
}

static void the_first_answer_is_enough_at_the_start(void **state)
{
	struct health health = settings();
	struct world world;

	(void)state;
	begin(&world, &health);
	assert_int_equal(judge_fitness(&world.judge), FITNESS_UNTESTED);
	assert_in_range(until(&world, FITNESS_GOOD, 100), 10, 12);
	stays(&world, 20000);
	/* One at once, one after the phase, the others at the interval. */
	assert_in_range(world.sent, 20, 21);
	assert_int_equal(world.shortest_ms, 700);
}

static void nobody_has_ever_answered(void **state)
{
	struct health health = settings();
	struct world world;

	(void)state;
	begin(&world, &health);
	world.latency_ms = -1;
	assert_in_range(until(&world, FITNESS_SILENT, 5000), 1000, 2100);
	stays(&world, 60000);
	world.latency_ms = 10;
	/* up_after answers in a row. */
	assert_in_range(until(&world, FITNESS_GOOD, 10000), 2000, 3100);
}

/* With the defaults, and at the fastest: whenever it falls silent. */
static void silence_is_noticed_in_time(void **state)
{
	struct health health = settings();

	(void)state;
	for (unsigned offset_ms = 0; offset_ms < 1000; offset_ms += 37) {
		struct world world;

		begin(&world, &health);
		until(&world, FITNESS_GOOD, 100);
		stays(&world, 10000 + offset_ms);
		world.latency_ms = -1;
		assert_in_range(until(&world, FITNESS_SILENT, 3000), 1250, 2260);
		assert_int_equal(world.shortest_ms, 250);
	}
	health.interval_ms = health.timeout_ms = 100;
	for (unsigned offset_ms = 0; offset_ms < 100; offset_ms += 7) {
		struct world world;

		begin(&world, &health);
		until(&world, FITNESS_GOOD, 100);
		stays(&world, 10000 + offset_ms);
		world.latency_ms = -1;
		assert_in_range(until(&world, FITNESS_SILENT, 300), 125, 235);
	}
}

/* Hurried rounds are only as many as are needed to know. */
static void silence_is_not_shouted_at(void **state)
{
	struct health health = settings();
	struct world world;

	(void)state;
	begin(&world, &health);
	until(&world, FITNESS_GOOD, 100);
	stays(&world, 5000);
	world.latency_ms = -1;
	until(&world, FITNESS_SILENT, 3000);
	world.sent = 0;
	stays(&world, 60000);
	assert_in_range(world.sent, 59, 61);
}

static void one_loss_is_no_failure(void **state)
{
	struct health health = settings();
	struct judge_numbers numbers;
	struct world world;

	(void)state;
	begin(&world, &health);
	until(&world, FITNESS_GOOD, 100);
	for (unsigned i = 0; i < 10; i++) {
		unsigned sent = world.sent;

		world.latency_ms = -1;
		while (world.sent == sent)
			stays(&world, 1);
		world.latency_ms = 10;
		stays(&world, 5000);
	}
	judge_measure(&world.judge, world.now_ms, &numbers);
	assert_int_equal(numbers.rounds, 20);
	assert_in_range(numbers.lost, 2, 4);
	assert_int_equal(numbers.latency_us, 10000);
	assert_int_equal(numbers.jitter_us, 0);
}

/* However slow: what is answered in the end is not lost. */
static void late_is_not_lost(void **state)
{
	static const int latencies_ms[] = { 1010, 1200, 1900, 2500, 9000 };

	(void)state;
	for (unsigned i = 0; i < sizeof(latencies_ms) / sizeof(latencies_ms[0]); i++) {
		struct health health = settings();
		struct judge_numbers numbers;
		struct world world;

		begin(&world, &health);
		until(&world, FITNESS_GOOD, 100);
		stays(&world, 5000);
		/* Not from one moment to the next: that would be a silence. */
		for (int latency_ms = 10; latency_ms < latencies_ms[i]; latency_ms += 100) {
			world.latency_ms = latency_ms;
			stays(&world, 1000);
		}
		world.latency_ms = latencies_ms[i];
		stays(&world, 60000);
		judge_measure(&world.judge, world.now_ms, &numbers);
		assert_int_equal(numbers.lost, 0);
		assert_int_equal(numbers.late, 20);
		assert_int_equal(numbers.latency_us, latencies_ms[i] * 1000);
		/* And a silence after that is one. */
		world.latency_ms = -1;
		until(&world, FITNESS_SILENT, (uint64_t)latencies_ms[i] + 3000);
	}
}

static void too_slow(void **state)
{
	struct health health = settings();
	struct world world;

	(void)state;
	health.max_latency_ms = 100;
	begin(&world, &health);
	until(&world, FITNESS_GOOD, 100);
	stays(&world, 30000);
	world.latency_ms = 300;
	/* The mean over the window. */
	assert_in_range(until(&world, FITNESS_SLOW, 30000), 2000, 8000);
	world.latency_ms = 10;
	assert_in_range(until(&world, FITNESS_GOOD, 30000), 10000, 20000);
}

static void too_much_loss(void **state)
{
	struct health health = settings();
	struct world world;
	unsigned turn = 0;

	(void)state;
	health.max_loss_percent = 20;
	health.down_after = 10;
	begin(&world, &health);
	until(&world, FITNESS_GOOD, 100);
	stays(&world, 30000);
	while (judge_fitness(&world.judge) == FITNESS_GOOD) {
		unsigned sent = world.sent;
		uint32_t round;

		assert_true(turn < 40);
		world.latency_ms = turn++ % 2 ? 10 : -1;
		while (world.sent == sent && judge_fitness(&world.judge) == FITNESS_GOOD) {
			world.now_ms++;
			deliver(&world);
			if (world.now_ms >= judge_wakes_ms(&world.judge) &&
			    judge_turn(&world.judge, world.now_ms, &round))
				send_round(&world, round);
		}
	}
	assert_int_equal(judge_fitness(&world.judge), FITNESS_LOSSY);
	assert_in_range(turn, 9, 14); /* more than 4 of 20 */
	world.latency_ms = 10;
	assert_in_range(until(&world, FITNESS_GOOD, 30000), 3000, 20000);
}

/* What was lost in an outage is not held against what comes after it. */
static void an_outage_is_over_when_it_is(void **state)
{
	struct health health = settings();
	struct world world;

	(void)state;
	health.max_loss_percent = 5;
	begin(&world, &health);
	until(&world, FITNESS_GOOD, 100);
	stays(&world, 30000);
	world.latency_ms = -1;
	while (judge_fitness(&world.judge) == FITNESS_GOOD)
		until(&world, judge_fitness(&world.judge) == FITNESS_GOOD ? FITNESS_SILENT : FITNESS_GOOD,
		      5000);
	stays(&world, 30000);
	world.latency_ms = 10;
	assert_in_range(until(&world, FITNESS_GOOD, 10000), 2000, 3100);
}

static void several_targets(void **state)
{
	static const struct {
		char *need;
		unsigned answering;
		bool up;
	} cases[] = { { any, 1, true },  { any, 0, false }, { all, 3, true },
		      { all, 2, false }, { two, 2, true },  { two, 1, false } };

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct health health = settings();
		struct judge_target target;
		struct world world;

		health.targets.count = 3;
		health.need = cases[i].need;
		begin(&world, &health);
		until(&world, FITNESS_GOOD, 100);
		stays(&world, 25000);
		world.answering = cases[i].answering;
		if (cases[i].up)
			stays(&world, 25000);
		else
			until(&world, FITNESS_SILENT, 3000);
		judge_measure_target(&world.judge, 0, world.now_ms, &target);
		assert_int_equal(target.latency_us, 10000);
		judge_measure_target(&world.judge, 2, world.now_ms, &target);
		if (cases[i].up)
			assert_int_equal(target.answered, cases[i].answering > 2 ? target.sent : 0);
	}
}

/* The second failure within a short time is believed later to be over, and so on. */
static void flapping_is_damped(void **state)
{
	static const unsigned holds_ms[] = { 0, 2000, 4000, 8000, 16000, 32000 };
	struct world world;

	(void)state;
	begin(&world, NULL);
	assert_int_equal(judge_fitness(&world.judge), FITNESS_GOOD);
	for (unsigned i = 0; i < 6; i++) {
		stays(&world, 1000);
		judge_link(&world.judge, false, world.now_ms);
		stays(&world, 500);
		judge_link(&world.judge, true, world.now_ms);
		assert_int_equal(until(&world, FITNESS_GOOD, 100000), holds_ms[i]);
	}
	/* Four times as long as the last hold, at least a minute. */
	stays(&world, 127000);
	judge_link(&world.judge, false, world.now_ms);
	judge_link(&world.judge, true, world.now_ms);
	assert_int_equal(until(&world, FITNESS_GOOD, 100000), 64000);
	stays(&world, 260000);
	judge_link(&world.judge, false, world.now_ms);
	judge_link(&world.judge, true, world.now_ms);
	assert_int_equal(judge_fitness(&world.judge), FITNESS_GOOD);
	/* However often: there is a longest one. */
	for (unsigned i = 0; i < 40; i++) {
		judge_link(&world.judge, false, world.now_ms);
		judge_link(&world.judge, true, world.now_ms);
		assert_true(until(&world, FITNESS_GOOD, 400000) <= JUDGE_HOLD_LAST_MS);
	}
}

/* A failure while it is held begins the hold anew, but does not make it longer. */
static void failing_while_held(void **state)
{
	struct health health = settings();
	struct world world;

	(void)state;
	begin(&world, &health);
	for (unsigned i = 0; i < 3; i++) {
		until(&world, FITNESS_GOOD, 100000);
		world.latency_ms = -1;
		until(&world, FITNESS_SILENT, 3000);
		world.latency_ms = 10;
	}
	until(&world, FITNESS_HELD, 10000);
	stays(&world, 1000);
	world.latency_ms = -1;
	until(&world, FITNESS_SILENT, 3000);
	world.latency_ms = 10;
	until(&world, FITNESS_HELD, 10000);
	assert_int_equal(until(&world, FITNESS_GOOD, 10000), 4000);
}

static void settings_change(void **state)
{
	struct health health = settings();
	struct world world;

	(void)state;
	begin(&world, &health);
	until(&world, FITNESS_GOOD, 100);
	stays(&world, 5000);
	/* Other targets, which do not answer: it is good until that is known. */
	world.latency_ms = -1;
	judge_configure(&world.judge, &health, true, 0, world.now_ms);
	assert_int_equal(judge_fitness(&world.judge), FITNESS_GOOD);
	until(&world, FITNESS_SILENT, 3000);
	/* Without probes there is nothing against it. */
	judge_configure(&world.judge, NULL, true, 0, world.now_ms);
	assert_int_equal(judge_fitness(&world.judge), FITNESS_GOOD);
	stays(&world, 10000);
	judge_configure(&world.judge, &health, true, 0, world.now_ms);
	assert_int_equal(judge_fitness(&world.judge), FITNESS_GOOD);
	/* A shorter interval takes effect at once. */
	world.latency_ms = 10;
	stays(&world, 5000);
	health.interval_ms = 100;
	judge_configure(&world.judge, &health, false, 0, world.now_ms);
	world.sent = 0;
	stays(&world, 1000);
	assert_in_range(world.sent, 9, 11);
}

/* The loop was busy: one round, not all that were missed. */
static void no_burst_after_a_pause(void **state)
{
	struct health health = settings();
	struct world world;

	(void)state;
	begin(&world, &health);
	until(&world, FITNESS_GOOD, 100);
	stays(&world, 3000);
	world.now_ms += 30000;
	world.sent = 0;
	stays(&world, 1100);
	assert_in_range(world.sent, 1, 2);
}

static uint32_t random_state;

static uint32_t next_random(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

static void random_turn(struct world *world, struct health *health)
{
	uint32_t round;

	switch (next_random(40)) {
	case 0:
		world->latency_ms = (int)next_random(3000) - 500;
		if (world->latency_ms < 0)
			world->latency_ms = -1;
		break;
	case 1:
		judge_link(&world->judge, next_random(4) != 0, world->now_ms);
		break;
	case 2:
		world->answering = next_random(4);
		break;
	case 3:
		health->down_after = 1 + next_random(5);
		health->max_loss_percent = (int)next_random(40) - 1;
		health->max_latency_ms = (int)next_random(2000) - 1;
		judge_configure(&world->judge, health, next_random(2), next_random(300), world->now_ms);
		break;
	case 4: /* from nowhere */
		judge_answer(&world->judge, next_random(UINT32_MAX), next_random(20), next_random(1000),
			     world->now_ms);
		break;
	}
	world->now_ms += next_random(100) ? next_random(80) : next_random(20000);
	world->coming_count = world->coming_count > 4000 ? 0 : world->coming_count;
	deliver(world);
	if (judge_turn(&world->judge, world->now_ms, &round))
		send_round(world, round);
	assert_true(judge_wakes_ms(&world->judge) > world->now_ms);
}

/* Also where the numbers of rounds wrap around. */
static void anything_may_happen(void **state)
{
	(void)state;
	for (unsigned run = 0; run < 300; run++) {
		struct health health = settings();
		struct judge_numbers numbers;
		struct world world;

		random_state = run;
		health.targets.count = 3;
		health.interval_ms = 300;
		begin(&world, &health);
		world.judge.round_count = world.judge.first_round = run % 2 ? UINT32_MAX - 50 : 0;
		for (unsigned turn = 0; turn < 1000; turn++) {
			random_turn(&world, &health);
			judge_measure(&world.judge, world.now_ms, &numbers);
			assert_true(numbers.rounds <= 20 && numbers.lost + numbers.late <= numbers.rounds);
		}
		/* Never faster than a quarter of the interval, but for where rounds begin anew. */
		assert_true(world.sent > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_answer_is_enough_at_the_start),
		cmocka_unit_test(nobody_has_ever_answered),
		cmocka_unit_test(silence_is_noticed_in_time),
		cmocka_unit_test(silence_is_not_shouted_at),
		cmocka_unit_test(one_loss_is_no_failure),
		cmocka_unit_test(late_is_not_lost),
		cmocka_unit_test(too_slow),
		cmocka_unit_test(too_much_loss),
		cmocka_unit_test(an_outage_is_over_when_it_is),
		cmocka_unit_test(several_targets),
		cmocka_unit_test(flapping_is_damped),
		cmocka_unit_test(failing_while_held),
		cmocka_unit_test(settings_change),
		cmocka_unit_test(no_burst_after_a_pause),
		cmocka_unit_test(anything_may_happen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
