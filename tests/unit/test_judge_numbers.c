/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an uplink's judge tells of its rounds and targets, and which answers it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "uplink_sim.h"

static void numbers_of_the_window(void **state)
{
	struct judge_numbers numbers;
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.window = 5;
	sim_begin(&s, 20);
	numbers = sim_measure(&s);
	assert_int_equal(numbers.rounds, 0);
	assert_int_equal(numbers.latency_us, 0);
	sim_send(&s, 1, 10);
	numbers = sim_measure(&s);
	assert_int_equal(numbers.rounds, 1);
	assert_int_equal(numbers.latency_us, 10000);
	assert_int_equal(numbers.jitter_us, 0);
	sim_send(&s, 1, 40);
	sim_send(&s, 1, 20);
	numbers = sim_measure(&s);
	assert_int_equal(numbers.rounds, 3);
	assert_int_equal(numbers.lost, 0);
	assert_int_equal(numbers.latency_us, 70000 / 3);
	assert_int_equal(numbers.jitter_us, 25000);
	/* A lost one is no part of latency and jitter, and those before the last five of nothing. */
	sim_send(&s, 1, SIM_LOST); /* and a hurried one, of 20 ms */
	sim_send(&s, 1, 80);
	numbers = sim_measure(&s); /* 40, 20, lost, 20, 80 */
	assert_int_equal(numbers.rounds, 5);
	assert_int_equal(numbers.lost, 1);
	assert_int_equal(numbers.latency_us, 40000);
	assert_int_equal(numbers.jitter_us, (20000 + 0 + 60000) / 3);
}

/* A round with three targets, sent now. */
static uint32_t send_to_three(struct sim *s, const char *need)
{
	uint32_t round = 0;

	sim_prepare(s);
	s->health.targets.count = 3;
	s->health.need = (char *)need;
	sim_begin(s, 0);
	assert_true(judge_turn(&s->judge, s->now_ms, &round));
	return round;
}

static void answered_when_as_many_as_needed_have(void **state)
{
	static const struct {
		const char *need;
		unsigned count;
	} cases[] = { { "any", 1 }, { "1", 1 }, { "2", 2 }, { "3", 3 }, { "all", 3 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sim s;
		uint32_t round = send_to_three(&s, cases[i].need);

		for (unsigned answers = 0; answers < 3; answers++) {
			unsigned target = 2 - answers;

			assert_int_equal(judge_past_round(&s.judge, 0)->latency_us > 0,
					 answers >= cases[i].count);
			judge_answer(&s.judge, round, target, 1000 * (answers + 1), s.now_ms);
			judge_answer(&s.judge, round, target, 9000, s.now_ms); /* once more: counts once */
		}
		assert_int_equal(judge_past_round(&s.judge, 0)->latency_us, 1000 * cases[i].count);
		assert_int_equal(judge_past_round(&s.judge, 0)->answers, 7);
		sim_check_fitness(&s, FITNESS_GOOD);
	}
}

static void too_few_targets_are_silence(void **state)
{
	uint32_t round;
	struct sim s;

	(void)state;
	round = send_to_three(&s, "2");
	judge_answer(&s.judge, round, 1, 5000, s.now_ms);
	sim_check_fitness(&s, FITNESS_UNTESTED);
	s.now_ms += 250;
	assert_true(judge_turn(&s.judge, s.now_ms, &round));
	judge_answer(&s.judge, round, 1, 5000, s.now_ms);
	s.now_ms += 1000;
	assert_true(judge_turn(&s.judge, s.now_ms, &round));
	sim_check_fitness(&s, FITNESS_SILENT);
}

static void numbers_of_a_target(void **state)
{
	struct judge_target target;
	uint32_t round;
	struct sim s;

	(void)state;
	round = send_to_three(&s, "any");
	judge_measure_target(&s.judge, 0, &target);
	assert_int_equal(target.sent, 0);
	judge_answer(&s.judge, round, 0, 5000, s.now_ms);
	judge_answer(&s.judge, round, 1, 0, s.now_ms);
	judge_measure_target(&s.judge, 0, &target);
	assert_int_equal(target.sent, 1);
	assert_int_equal(target.answered, 1);
	assert_int_equal(target.latency_us, 5000);
	judge_measure_target(&s.judge, 1, &target);
	assert_int_equal(target.latency_us, 1); /* 0 is none */
	/* The third may still answer in time. */
	judge_measure_target(&s.judge, 2, &target);
	assert_int_equal(target.sent, 0);
	assert_int_equal(target.latency_us, 0);
	s.now_ms += 1000;
	judge_turn(&s.judge, s.now_ms, &round);
	judge_answer(&s.judge, round, 0, 7000, s.now_ms);
	judge_measure_target(&s.judge, 2, &target);
	assert_int_equal(target.sent, 1);
	assert_int_equal(target.answered, 0);
	judge_measure_target(&s.judge, 0, &target);
	assert_int_equal(target.sent, 2);
	assert_int_equal(target.answered, 2);
	assert_int_equal(target.latency_us, 7000);
	judge_measure_target(&s.judge, 3, &target);
	assert_int_equal(target.sent, 0);
}

static void what_is_no_answer_is_ignored(void **state)
{
	struct judge before;
	uint32_t round;
	struct sim s;

	(void)state;
	round = send_to_three(&s, "any");
	before = s.judge;
	judge_answer(&s.judge, round, 3, 5000, s.now_ms);
	judge_answer(&s.judge, round, UINT32_MAX, 5000, s.now_ms);
	judge_answer(&s.judge, round + 1, 0, 5000, s.now_ms);
	judge_answer(&s.judge, round - 1, 0, 5000, s.now_ms);
	assert_memory_equal(&before, &s.judge, sizeof(before));
	sim_run_to(&s, 300000);
	before = s.judge;
	judge_answer(&s.judge, round, 0, 5000, s.now_ms); /* more than JUDGE_ROUNDS_MAX ago */
	assert_memory_equal(&before, &s.judge, sizeof(before));
}

static void past_rounds(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	assert_null(judge_past_round(&s.judge, 0));
	sim_begin(&s, 20);
	assert_null(judge_past_round(&s.judge, 0));
	sim_run_to(&s, 2000);
	assert_int_equal(judge_past_round(&s.judge, 0)->sent_ms, SIM_START_MS + 1700);
	assert_int_equal(judge_past_round(&s.judge, 2)->sent_ms, SIM_START_MS);
	assert_null(judge_past_round(&s.judge, 3));
	/* The link goes down: what is open is lost so far, and may still be answered. */
	s.latency_ms = 500;
	sim_run_to(&s, 2800);
	assert_false(judge_past_round(&s.judge, 0)->expired);
	judge_link(&s.judge, false, s.now_ms);
	assert_true(judge_past_round(&s.judge, 0)->expired);
	assert_int_equal(sim_measure(&s).rounds, 0);
	sim_take_turn(&s);
	judge_link(&s.judge, true, s.now_ms);
	assert_non_null(judge_past_round(&s.judge, 3));
	sim_run_to(&s, 3199); /* at 2950 there was another one */
	assert_int_equal(judge_past_round(&s.judge, 1)->latency_us, 0);
	sim_run_to(&s, 3200);
	assert_int_equal(judge_past_round(&s.judge, 2)->latency_us, 500000);
	assert_false(judge_past_round(&s.judge, 2)->expired);
	sim_check_fitness(&s, FITNESS_UNTESTED);
	assert_int_equal(sim_measure(&s).rounds, 0);

	s.latency_ms = 20;
	sim_run_to(&s, 600000);
	assert_int_equal(judge_past_round(&s.judge, 0)->sent_ms -
				 judge_past_round(&s.judge, JUDGE_ROUNDS_MAX - 1)->sent_ms,
			 1000 * (JUDGE_ROUNDS_MAX - 1));
	assert_null(judge_past_round(&s.judge, JUDGE_ROUNDS_MAX));
	assert_null(judge_past_round(&s.judge, UINT32_MAX));
	assert_int_equal(s.judge.counted, JUDGE_ROUNDS_MAX);
}

/* Late answers, an outage and the end of it, at each of the numbers around the wrap. */
static void round_numbers_wrap_around(void **state)
{
	static const uint32_t bases[] = { UINT32_MAX, (1u << JUDGE_NUMBER_BITS) - 1, INT32_MAX };

	(void)state;
	for (unsigned i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
		for (unsigned before = 0; before < 40; before++) {
			struct sim s[2];

			for (unsigned k = 0; k < 2; k++) {
				sim_prepare(&s[k]);
				s[k].health.max_loss_percent = 20;
				s[k].judge.round_count = k ? bases[i] - before : 0;
				sim_begin(&s[k], 20);
			}
			for (unsigned ms = 0; ms < 40000; ms += 250) {
				for (unsigned k = 0; k < 2; k++) {
					s[k].latency_ms = ms < 5000  ? 20 :
							  ms < 9000  ? 1300 :
							  ms < 20000 ? SIM_LOST :
								       50;
					sim_run_to(&s[k], ms);
				}
				assert_int_equal(judge_fitness(&s[0].judge), judge_fitness(&s[1].judge));
				assert_int_equal(sim_measure(&s[0]).latency_us,
						 sim_measure(&s[1]).latency_us);
				assert_int_equal(sim_measure(&s[0]).lost, sim_measure(&s[1]).lost);
				if (ms == 19000)
					sim_check_fitness(&s[1], FITNESS_SILENT);
			}
			sim_check_fitness(&s[1], FITNESS_GOOD);
			sim_check_sent(&s[1], s[0].sent_ms, s[0].sent_count);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_of_the_window),
		cmocka_unit_test(answered_when_as_many_as_needed_have),
		cmocka_unit_test(too_few_targets_are_silence),
		cmocka_unit_test(numbers_of_a_target),
		cmocka_unit_test(what_is_no_answer_is_ignored),
		cmocka_unit_test(past_rounds),
		cmocka_unit_test(round_numbers_wrap_around),
	};

	return cmocka_run_group_tests_name("judge: numbers", tests, NULL, NULL);
}
