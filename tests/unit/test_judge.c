/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "uplink_sim.h"

/* --- when rounds are sent --- */

#define CHECK_SENT(s, ...)                                                              \
	do {                                                                            \
		static const uint64_t wanted_ms[] = { __VA_ARGS__ };                    \
		sim_check_sent(s, wanted_ms, sizeof(wanted_ms) / sizeof(wanted_ms[0])); \
	} while (0)

static void first_at_once_then_by_phase_then_by_interval(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, 20);
	assert_int_equal(judge_wakes_ms(&s.judge), SIM_START_MS);
	sim_run_to(&s, 3000);
	CHECK_SENT(&s, 0, 700, 1700, 2700);
}

static void the_phase_is_half_an_interval_to_one(void **state)
{
	static const uint32_t phases_ms[][2] = {
		{ 0, 500 }, { 499, 500 }, { 501, 501 }, { 999, 999 }, { 5000, 1000 }
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(phases_ms) / sizeof(phases_ms[0]); i++) {
		struct sim s;

		sim_prepare(&s);
		judge_configure(&s.judge, &s.health, false, phases_ms[i][0], s.now_ms);
		judge_link(&s.judge, true, s.now_ms);
		s.latency_ms = 20;
		sim_run_to(&s, 1000);
		assert_int_equal(s.sent_count, 2);
		assert_int_equal(s.sent_ms[1], phases_ms[i][1]);
	}
}

static void none_while_the_link_is_down(void **state)
{
	uint32_t round = 77;
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_configure(&s, false);
	assert_true(judge_wakes_ms(&s.judge) == UINT64_MAX);
	assert_false(judge_turn(&s.judge, s.now_ms, &round));
	sim_begin(&s, SIM_LOST);
	sim_run_to(&s, 100);
	judge_link(&s.judge, false, s.now_ms);
	assert_true(judge_wakes_ms(&s.judge) == UINT64_MAX);
	assert_false(judge_turn(&s.judge, s.now_ms + 5000, &round));
	assert_int_equal(round, 77);
	/* Up again: at once, but not sooner than a quarter of the interval after the last. */
	judge_link(&s.judge, true, s.now_ms);
	assert_int_equal(judge_wakes_ms(&s.judge), SIM_START_MS + 250);
	sim_run_to(&s, 300);
	judge_link(&s.judge, false, s.now_ms);
	sim_run_to(&s, 5000);
	judge_link(&s.judge, true, s.now_ms);
	assert_int_equal(judge_wakes_ms(&s.judge), SIM_START_MS + 5000);
}

static void hurried_while_an_answer_is_missing(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, SIM_LOST);
	sim_run_to(&s, 4000);
	CHECK_SENT(&s, 0, 250, 1250, 2250, 3250);

	sim_prepare(&s);
	s.health.down_after = 4;
	sim_begin(&s, SIM_LOST);
	sim_run_to(&s, 4000);
	CHECK_SENT(&s, 0, 250, 500, 750, 1750, 2750, 3750);

	sim_prepare(&s);
	s.health.down_after = 1;
	sim_begin(&s, SIM_LOST);
	sim_run_to(&s, 4000);
	CHECK_SENT(&s, 0, 700, 1700, 2700, 3700);

	/* One is lost, and the hurried one answered: back to the interval. */
	sim_prepare(&s);
	sim_begin(&s, 20);
	sim_run_to(&s, 1000);
	s.latency_ms = SIM_LOST;
	sim_run_to(&s, 1800);
	s.latency_ms = 20;
	sim_run_to(&s, 4000);
	CHECK_SENT(&s, 0, 700, 1700, 1950, 2950, 3950);
}

/* Answers that take longer than a quarter of the interval do not make it the interval. */
static void slow_is_no_reason_to_hurry_on(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, 300);
	sim_run_to(&s, 4500);
	CHECK_SENT(&s, 0, 250, 1250, 1500, 2500, 2750, 3750, 4000);
	sim_check_fitness(&s, FITNESS_GOOD);
}

static void looking_late_or_often_sends_no_more(void **state)
{
	static struct sim often;
	uint32_t round;
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, 20);
	sim_run_to(&s, 2000);
	s.now_ms = SIM_START_MS + 9300; /* the loop was busy */
	assert_true(judge_turn(&s.judge, s.now_ms, &round));
	assert_false(judge_turn(&s.judge, s.now_ms, &round));
	judge_answer(&s.judge, round, 0, 20000, s.now_ms + 20);
	assert_int_equal(judge_wakes_ms(&s.judge), SIM_START_MS + 10300);
	sim_check_fitness(&s, FITNESS_GOOD);

	sim_prepare(&s);
	sim_begin(&s, 20);
	sim_prepare(&often);
	sim_begin(&often, 20);
	for (unsigned ms = 0; ms < 20000; ms++) {
		s.latency_ms = often.latency_ms = ms % 5000 < 3000 ? 20 : SIM_LOST;
		sim_run_to(&s, ms);
		often.now_ms = SIM_START_MS + ms;
		sim_take_turn(&often);
		assert_int_equal(judge_fitness(&often.judge), judge_fitness(&s.judge));
	}
	assert_true(s.sent_count > 20);
	sim_check_sent(&often, s.sent_ms, s.sent_count);
}

/* --- silence --- */

/* From the last probe that was answered until it is known. */
static uint64_t time_to_detect(struct sim *s, uint64_t silent_from_ms)
{
	uint64_t last_ms = 0;

	sim_begin(s, 10);
	sim_run_to(s, silent_from_ms);
	sim_check_fitness(s, FITNESS_GOOD);
	assert_true(s->sent_count <= SIM_FLIGHTS_MAX);
	last_ms = s->sent_ms[s->sent_count - 1];
	s->latency_ms = SIM_LOST;
	return sim_run_until(s, FITNESS_SILENT) - last_ms;
}

static void a_blackhole_is_found_in_time(void **state)
{
	static const struct {
		int interval_ms, timeout_ms, down_after;
		uint64_t wanted_ms;
	} cases[] = {
		{ 1000, 1000, 2, 2250 }, /* the defaults: an interval, a quarter, the timeout */
		{ 100, 100, 2, 225 },    { 1000, 1000, 1, 2000 },
		{ 1000, 300, 5, 2300 },  { 200, 1000, 3, 1300 }, /* rounds are sent while others are open */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Whenever it begins, relative to the rounds; once before the second of all. */
		for (uint64_t from_ms = 20; from_ms < 3500; from_ms += 37) {
			struct sim s;
			uint64_t took_ms;

			sim_prepare(&s);
			s.health.interval_ms = cases[i].interval_ms;
			s.health.timeout_ms = cases[i].timeout_ms;
			s.health.down_after = cases[i].down_after;
			took_ms = time_to_detect(&s, from_ms);
			assert_true(took_ms <= cases[i].wanted_ms);
			if (from_ms > 1000)
				assert_int_equal(took_ms, cases[i].wanted_ms);
		}
	}
}

static void open_rounds_do_not_count(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.timeout_ms = 5000;
	sim_begin(&s, 20);
	sim_run_to(&s, 1000);
	s.latency_ms = SIM_LOST;
	sim_run_to(&s, 6949); /* sent at 1700, 1950, 2950 ... */
	assert_int_equal(sim_measure(&s).rounds, 3);
	assert_int_equal(sim_measure(&s).lost, 1);
	sim_check_fitness(&s, FITNESS_GOOD);
	sim_run_to(&s, 6950);
	assert_int_equal(sim_measure(&s).lost, 2);
	sim_check_fitness(&s, FITNESS_SILENT);
}

static void a_late_answer_is_late_not_lost(void **state)
{
	struct judge_numbers numbers;
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, 20);
	sim_run_to(&s, 1000);
	s.latency_ms = 1400;
	sim_run_to(&s, 1800);
	s.latency_ms = 20;
	sim_run_to(&s, 2699); /* 0, 700, 1700 (open), 1950 */
	assert_int_equal(sim_measure(&s).rounds, 3);
	assert_int_equal(sim_measure(&s).lost, 0);
	sim_run_to(&s, 2700);
	assert_int_equal(sim_measure(&s).rounds, 4);
	assert_int_equal(sim_measure(&s).lost, 1);
	assert_int_equal(sim_measure(&s).late, 0);
	assert_true(judge_past_round(&s.judge, 1)->expired);
	assert_int_equal(sim_measure(&s).latency_us, 20000);
	sim_run_to(&s, 3000);
	sim_run_to(&s, 3200);
	numbers = sim_measure(&s); /* and 2950 */
	assert_int_equal(numbers.rounds, 5);
	assert_int_equal(numbers.lost, 0);
	assert_int_equal(numbers.late, 1);
	assert_int_equal(numbers.latency_us, (4 * 20000 + 1400000) / 5);
	assert_int_equal(numbers.jitter_us, 2 * 1380000 / 4);
}

/* An answer that was in time is in time, however late we come to it. */
static void our_own_lateness_is_not_the_uplinks(void **state)
{
	uint32_t round;
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, 20);
	assert_true(judge_turn(&s.judge, s.now_ms, &round));
	judge_answer(&s.judge, round, 0, 20000, s.now_ms + 1500);
	assert_int_equal(sim_measure(&s).late, 0);
	s.now_ms += 3000;
	assert_true(judge_turn(&s.judge, s.now_ms, &round));
	judge_answer(&s.judge, round, 0, 1000000, s.now_ms + 1000);
	assert_int_equal(sim_measure(&s).late, 0);
	s.now_ms += 3000;
	assert_true(judge_turn(&s.judge, s.now_ms, &round));
	judge_answer(&s.judge, round, 0, 1000001, s.now_ms + 1001);
	assert_int_equal(sim_measure(&s).late, 1);
}

static void late_answers_bring_it_up_again(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, 20);
	sim_run_to(&s, 1000);
	s.latency_ms = 3000;
	/* 1700, 1950, 2950, 3950; the first are missed at 2700 and 2950, and answered at 4700, 4950 ... */
	assert_int_equal(sim_run_until(&s, FITNESS_SILENT), 2950);
	assert_int_equal(sim_run_until(&s, FITNESS_GOOD), 5950);
	assert_int_equal(sim_measure(&s).lost, 0);
}

/* Where every answer is late, the uplink is slow, and no more than that. */
static void slower_than_the_timeout_is_good(void **state)
{
	static const struct {
		int interval_ms, timeout_ms, down_after, latency_ms;
	} cases[] = {
		{ 1000, 1000, 2, 1500 }, { 1000, 200, 2, 500 },   { 100, 100, 2, 300 },
		{ 1000, 200, 1, 500 },   { 1000, 1000, 2, 6000 }, { 100, 10, 5, 900 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static struct sim s;
		uint64_t end_ms;

		sim_prepare(&s);
		s.health.interval_ms = cases[i].interval_ms;
		s.health.timeout_ms = cases[i].timeout_ms;
		s.health.down_after = cases[i].down_after;
		sim_begin(&s, cases[i].latency_ms);
		sim_run_to(&s, 5 * cases[i].interval_ms + 2 * cases[i].latency_ms);
		sim_check_fitness(&s, FITNESS_GOOD);
		for (end_ms = s.now_ms + 60000; s.now_ms < end_ms;) {
			assert_true(sim_step(&s, UINT64_MAX));
			sim_check_fitness(&s, FITNESS_GOOD);
		}
		assert_int_equal(sim_measure(&s).rounds, 20);
		assert_int_equal(sim_measure(&s).late, 20);
		assert_int_equal(sim_measure(&s).latency_us, cases[i].latency_ms * 1000);

		/* Its silence is found out, too; and with one answer in time, as soon as anybody's. */
		s.latency_ms = SIM_LOST;
		sim_run_for(&s, cases[i].latency_ms * 5 / 2 + cases[i].interval_ms * 5);
		sim_check_fitness(&s, FITNESS_SILENT);
		assert_true(s.judge.patience_ms > (uint32_t)cases[i].timeout_ms);
		s.latency_ms = 5;
		sim_run_until(&s, FITNESS_GOOD);
		assert_int_equal(s.judge.patience_ms, cases[i].timeout_ms);
	}
}

/* The longest of the last two counts, if both are late; one in time is enough to expect that of the next. */
static void patience_is_for_what_is_always_late(void **state)
{
	static const struct {
		int latencies_ms[2];
		uint32_t patience_ms;
	} cases[] = {
		{ { 20, 20 }, 1000 },      { { 900, 900 }, 1000 },   { { 5000, 20 }, 1000 },
		{ { 20, 5000 }, 1000 },    { { 1200, 1800 }, 2700 }, { { 1800, 1200 }, 2700 },
		{ { 8000, 1200 }, 10000 }, /* no more than that */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sim s;

		sim_prepare(&s);
		s.health.interval_ms = 40000; /* the second is sent after half of it */
		sim_begin(&s, cases[i].latencies_ms[0]);
		sim_run_to(&s, 2000);
		s.latency_ms = cases[i].latencies_ms[1];
		sim_run_to(&s, 29999);
		assert_int_equal(s.sent_count, 2);
		assert_int_equal(s.judge.patience_ms, cases[i].patience_ms);

		/* Another time that the link is up, nothing is known of it. */
		judge_link(&s.judge, false, s.now_ms);
		judge_link(&s.judge, true, s.now_ms);
		assert_int_equal(s.judge.patience_ms, 1000);
	}
}

/* With a timeout of hundreds of intervals the oldest open ones are given up, for a window of decided ones. */
static void more_open_rounds_than_can_be_kept(void **state)
{
	static struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.interval_ms = 100;
	s.health.timeout_ms = 60000;
	s.health.window = 100;
	sim_begin(&s, 5);
	sim_run_to(&s, 20000);
	s.latency_ms = SIM_LOST;
	sim_run_to(&s, 30000);
	sim_check_fitness(&s, FITNESS_GOOD);
	sim_run_to(&s, 50000);
	sim_check_fitness(&s, FITNESS_SILENT);
	assert_int_equal(sim_measure(&s).rounds, 100);
	assert_int_equal(sim_measure(&s).lost, 100);
}

/* --- limits --- */

static void loss_beyond_the_limit(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.max_loss_percent = 10;
	sim_begin(&s, 20);
	sim_send(&s, 2, 20);
	for (unsigned i = 0; i < 2; i++) {
		sim_send(&s, 1, SIM_LOST);
		sim_send(&s, 1, 20);
		sim_check_fitness(&s, FITNESS_GOOD); /* of 20, not of those that there were */
	}
	sim_send(&s, 1, SIM_LOST);
	sim_check_fitness(&s, FITNESS_LOSSY);
	assert_int_equal(sim_measure(&s).lost, 3);
	assert_true(sim_measure(&s).rounds < 20);

	/* Back when the window is within the limit, and the last three were answered. */
	while (sim_measure(&s).lost > 2) {
		sim_check_fitness(&s, FITNESS_LOSSY);
		sim_send(&s, 1, 20);
	}
	sim_check_fitness(&s, FITNESS_GOOD);
	assert_int_equal(sim_measure(&s).rounds, 20);
}

static void within_the_limit_is_not_enough(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.max_loss_percent = 30;
	s.health.window = 5;
	sim_begin(&s, 20);
	sim_send(&s, 2, 20);
	sim_send(&s, 1, SIM_LOST);
	sim_send(&s, 1, 20);
	sim_check_fitness(&s, FITNESS_GOOD); /* 20 % */
	sim_send(&s, 1, SIM_LOST);
	sim_check_fitness(&s, FITNESS_LOSSY); /* 40 % */
	s.health.up_after = 5;
	sim_configure(&s, false);
	sim_send(&s, 3, 20); /* and the hurried one */
	assert_int_equal(sim_measure(&s).lost, 1);
	sim_check_fitness(&s, FITNESS_LOSSY);
	sim_send(&s, 1, 20);
	sim_check_fitness(&s, FITNESS_GOOD);
}

static void latency_beyond_the_limit(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.max_latency_ms = 100;
	s.health.window = 5;
	s.health.down_after = 3;
	sim_begin(&s, 200);
	sim_send(&s, 1, 200);
	sim_check_fitness(&s, FITNESS_GOOD);
	sim_send(&s, 1, 200);
	sim_check_fitness(&s, FITNESS_GOOD); /* two are too few to say */
	sim_send(&s, 1, 200);
	sim_check_fitness(&s, FITNESS_SLOW);
	while (sim_measure(&s).latency_us > 100000) {
		sim_check_fitness(&s, FITNESS_SLOW);
		sim_send(&s, 1, 90);
	}
	assert_int_equal(sim_measure(&s).latency_us, 90000);
	sim_check_fitness(&s, FITNESS_GOOD);
	/* Exactly the limit is within it; late answers take part. */
	sim_send(&s, 5, 100);
	sim_check_fitness(&s, FITNESS_GOOD);
	sim_send(&s, 1, 1200);
	assert_int_equal(sim_measure(&s).late, 0);
	sim_run_for(&s, 200);
	assert_int_equal(sim_measure(&s).late, 1);
	sim_check_fitness(&s, FITNESS_SLOW);
}

/* More answers than the window holds cannot be asked for. */
static void latency_in_a_window_smaller_than_down_after(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.max_latency_ms = 100;
	s.health.window = 5;
	s.health.down_after = 50;
	sim_begin(&s, 20);
	sim_send(&s, 4, 200);
	sim_check_fitness(&s, FITNESS_GOOD);
	sim_send(&s, 1, 200);
	sim_check_fitness(&s, FITNESS_SLOW);
}

/* --- up again --- */

static void up_after_so_many_in_a_row(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, 20);
	sim_run_to(&s, 1000);
	s.latency_ms = SIM_LOST;
	assert_int_equal(sim_run_until(&s, FITNESS_SILENT), 2950);
	sim_send(&s, 2, 20);
	sim_send(&s, 1, SIM_LOST); /* and a hurried one that is answered */
	sim_send(&s, 1, 20);
	sim_check_fitness(&s, FITNESS_SILENT);
	sim_send(&s, 1, 20);
	sim_check_fitness(&s, FITNESS_GOOD);
}

static void an_outage_is_not_held_against_it(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.max_loss_percent = 10;
	sim_begin(&s, 20);
	sim_run_to(&s, 30000);
	s.latency_ms = SIM_LOST;
	sim_run_to(&s, 50000); /* sent at 30700, 30950, 31950 ... */
	sim_check_fitness(&s, FITNESS_SILENT);
	assert_true(sim_measure(&s).lost > 10);
	/* One answer in the middle of it does not end it. */
	s.latency_ms = 20;
	sim_run_to(&s, 50960);
	s.latency_ms = SIM_LOST;
	sim_run_to(&s, 51000);
	assert_int_equal(sim_measure(&s).rounds, 1);
	sim_run_to(&s, 70000);
	assert_true(sim_measure(&s).lost > 10);
	s.latency_ms = 20;
	assert_int_equal(sim_run_until(&s, FITNESS_GOOD), 72220); /* 70200, 71200, 72200 */
	assert_int_equal(sim_measure(&s).rounds, 3);
	assert_int_equal(sim_measure(&s).lost, 0);
	/* What is lost since then is. */
	sim_send(&s, 1, SIM_LOST);
	sim_send(&s, 1, 20);
	sim_send(&s, 1, SIM_LOST);
	sim_send(&s, 1, 20);
	sim_check_fitness(&s, FITNESS_GOOD);
	sim_send(&s, 1, SIM_LOST);
	sim_check_fitness(&s, FITNESS_LOSSY);
}

static void loss_after_the_outage_counts(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.max_loss_percent = 5;
	sim_begin(&s, 20);
	sim_run_to(&s, 3000);
	s.latency_ms = SIM_LOST;
	sim_run_until(&s, FITNESS_SILENT);
	for (unsigned i = 0; i < 2; i++) {
		sim_send(&s, 1, 20);
		sim_send(&s, 1, SIM_LOST);
	}
	sim_send(&s, 3, 20);
	sim_check_fitness(&s, FITNESS_LOSSY); /* 2 of 20 */
}

/* Two are lost, but another was answered before that was known: no silence whose end could forgive them. */
static void loss_without_silence_is_not_forgiven(void **state)
{
	uint32_t rounds[8] = { 0 };
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.interval_ms = 100;
	sim_begin(&s, SIM_LOST);
	for (unsigned count = 0; count < 8;) {
		s.now_ms = judge_wakes_ms(&s.judge);
		count += judge_turn(&s.judge, s.now_ms, &rounds[count]);
	}
	judge_answer(&s.judge, rounds[7], 0, 1000, s.now_ms + 1);
	s.now_ms += 1500;
	judge_turn(&s.judge, s.now_ms, &rounds[0]);
	sim_check_fitness(&s, FITNESS_GOOD);
	assert_int_equal(sim_measure(&s).lost, 7);
	judge_answer(&s.judge, rounds[6], 0, 1550000, s.now_ms + 50);
	assert_int_equal(sim_measure(&s).lost, 6);
	assert_int_equal(sim_measure(&s).late, 1);
}

static void the_first_time_one_answer_is_enough(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, 20);
	sim_check_fitness(&s, FITNESS_UNTESTED);
	assert_int_equal(sim_run_until(&s, FITNESS_GOOD), 20);

	/* The first probe is lost: the second is enough. */
	sim_prepare(&s);
	sim_begin(&s, SIM_LOST);
	sim_run_to(&s, 100);
	s.latency_ms = 20;
	assert_int_equal(sim_run_until(&s, FITNESS_GOOD), 270);

	/* After the link was down: three. */
	judge_link(&s.judge, false, s.now_ms);
	sim_check_fitness(&s, FITNESS_UNTESTED);
	sim_run_to(&s, 1000);
	judge_link(&s.judge, true, s.now_ms);
	sim_check_fitness(&s, FITNESS_UNTESTED);
	assert_int_equal(sim_run_until(&s, FITNESS_GOOD), 2720); /* 1000, 1700, 2700 */

	/* After a failure, though it was never up: three. */
	sim_prepare(&s);
	sim_begin(&s, SIM_LOST);
	assert_int_equal(sim_run_until(&s, FITNESS_SILENT), 1250);
	s.latency_ms = 20;
	assert_int_equal(sim_run_until(&s, FITNESS_GOOD), 4270); /* 2250, 3250, 4250 */
	assert_int_equal(s.judge.flaps, 0);
}

/* Before anything was answered only silence is found, whatever the share that is lost. */
static void untested_becomes_silent(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.max_loss_percent = 10;
	s.health.window = 5;
	s.health.down_after = 3;
	sim_begin(&s, SIM_LOST);
	sim_run_to(&s, 1499);
	sim_check_fitness(&s, FITNESS_UNTESTED);
	assert_int_equal(sim_measure(&s).lost, 2);
	sim_run_to(&s, 1500);
	sim_check_fitness(&s, FITNESS_SILENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_at_once_then_by_phase_then_by_interval),
		cmocka_unit_test(the_phase_is_half_an_interval_to_one),
		cmocka_unit_test(none_while_the_link_is_down),
		cmocka_unit_test(hurried_while_an_answer_is_missing),
		cmocka_unit_test(slow_is_no_reason_to_hurry_on),
		cmocka_unit_test(looking_late_or_often_sends_no_more),
		cmocka_unit_test(a_blackhole_is_found_in_time),
		cmocka_unit_test(open_rounds_do_not_count),
		cmocka_unit_test(a_late_answer_is_late_not_lost),
		cmocka_unit_test(our_own_lateness_is_not_the_uplinks),
		cmocka_unit_test(late_answers_bring_it_up_again),
		cmocka_unit_test(slower_than_the_timeout_is_good),
		cmocka_unit_test(patience_is_for_what_is_always_late),
		cmocka_unit_test(more_open_rounds_than_can_be_kept),
		cmocka_unit_test(loss_beyond_the_limit),
		cmocka_unit_test(within_the_limit_is_not_enough),
		cmocka_unit_test(latency_beyond_the_limit),
		cmocka_unit_test(latency_in_a_window_smaller_than_down_after),
		cmocka_unit_test(up_after_so_many_in_a_row),
		cmocka_unit_test(an_outage_is_not_held_against_it),
		cmocka_unit_test(loss_after_the_outage_counts),
		cmocka_unit_test(loss_without_silence_is_not_forgiven),
		cmocka_unit_test(the_first_time_one_answer_is_enough),
		cmocka_unit_test(untested_becomes_silent),
	};

	return cmocka_run_group_tests_name("judge: rounds and verdicts", tests, NULL, NULL);
}
