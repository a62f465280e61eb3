/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An uplink's judge over time: the hold, other settings, anything in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "uplink_sim.h"

/* --- the hold --- */

/* By the link alone: down now, up again a second later; how long it is held then. It ends up good. */
static uint64_t flap(struct sim *s)
{
	uint64_t up_ms;

	sim_check_fitness(s, FITNESS_GOOD);
	judge_link(&s->judge, false, s->now_ms);
	assert_true(judge_wakes_ms(&s->judge) == UINT64_MAX);
	sim_check_fitness(s, FITNESS_UNTESTED);
	sim_run_for(s, 1000);
	up_ms = s->now_ms;
	judge_link(&s->judge, true, s->now_ms);
	if (judge_fitness(&s->judge) == FITNESS_GOOD) {
		assert_true(judge_wakes_ms(&s->judge) == UINT64_MAX);
		return 0;
	}
	sim_check_fitness(s, FITNESS_HELD);
	sim_run_until(s, FITNESS_GOOD);
	assert_true(judge_wakes_ms(&s->judge) == UINT64_MAX);
	return s->now_ms - up_ms;
}

static void link_alone(struct sim *s)
{
	sim_prepare(s);
	judge_configure(&s->judge, NULL, false, 0, s->now_ms);
	judge_link(&s->judge, true, s->now_ms);
	sim_check_fitness(s, FITNESS_GOOD);
	assert_true(judge_wakes_ms(&s->judge) == UINT64_MAX);
}

static void flapping_is_damped(void **state)
{
	static const uint64_t holds_ms[] = { 0,     2000,   4000,   8000,   16000,  32000,
					     64000, 128000, 256000, 300000, 300000, 300000 };
	struct sim s;

	(void)state;
	link_alone(&s);
	for (unsigned i = 0; i < sizeof(holds_ms) / sizeof(holds_ms[0]); i++) {
		sim_run_for(&s, 10);
		assert_int_equal(flap(&s), holds_ms[i]);
	}
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(flap(&s), 300000);
}

static void calm_is_forgiven(void **state)
{
	struct sim s;

	(void)state;
	link_alone(&s);
	sim_run_for(&s, 10);
	assert_int_equal(flap(&s), 0);
	sim_run_for(&s, 59999);
	assert_int_equal(flap(&s), 2000);
	sim_run_for(&s, 60000);
	assert_int_equal(flap(&s), 0); /* as if it was the first time */
	for (uint64_t hold_ms = 2000; hold_ms <= 32000; hold_ms *= 2)
		assert_int_equal(flap(&s), hold_ms);
	sim_run_for(&s, 4 * 32000 - 1); /* more than a minute is asked for after that */
	assert_int_equal(flap(&s), 64000);
	sim_run_for(&s, 4 * 64000);
	assert_int_equal(flap(&s), 0);
	sim_run_for(&s, 10);
	assert_int_equal(flap(&s), 2000);
}

static void failing_while_held(void **state)
{
	struct sim s;

	(void)state;
	link_alone(&s);
	assert_int_equal(flap(&s), 0);
	assert_int_equal(flap(&s), 2000);
	judge_link(&s.judge, false, s.now_ms);
	for (unsigned i = 0; i < 5; i++) {
		judge_link(&s.judge, true, s.now_ms);
		sim_check_fitness(&s, FITNESS_HELD);
		assert_int_equal(judge_wakes_ms(&s.judge), s.now_ms + 4000);
		sim_run_for(&s, 3999);
		sim_check_fitness(&s, FITNESS_HELD);
		judge_link(&s.judge, false, s.now_ms);
		sim_check_fitness(&s, FITNESS_UNTESTED);
	}
	judge_link(&s.judge, true, s.now_ms);
	sim_run_for(&s, 4000);
	sim_check_fitness(&s, FITNESS_GOOD);
}

static void failures_by_probes_are_damped_too(void **state)
{
	struct sim s;
	uint64_t fine_ms;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, 20);
	sim_run_to(&s, 5000);
	for (unsigned i = 0; i < 4; i++) {
		s.latency_ms = SIM_LOST;
		sim_run_until(&s, FITNESS_SILENT);
		s.latency_ms = 20;
		if (i == 0) {
			sim_run_until(&s, FITNESS_GOOD);
			continue;
		}
		fine_ms = sim_run_until(&s, FITNESS_HELD);
		assert_int_equal(sim_run_until(&s, FITNESS_GOOD) - fine_ms, 2000 << (i - 1));
	}
	/* Silent while held: fine after three answers, and then held for as long as before. */
	s.latency_ms = SIM_LOST;
	sim_run_until(&s, FITNESS_SILENT);
	s.latency_ms = 20;
	sim_run_until(&s, FITNESS_HELD);
	sim_run_for(&s, 10000);
	s.latency_ms = SIM_LOST;
	sim_run_until(&s, FITNESS_SILENT);
	s.latency_ms = 20;
	fine_ms = sim_run_until(&s, FITNESS_HELD);
	/* One lost round is no failure. */
	sim_send(&s, 1, SIM_LOST);
	s.latency_ms = 20;
	sim_check_fitness(&s, FITNESS_HELD);
	assert_int_equal(sim_run_until(&s, FITNESS_GOOD) - fine_ms, 16000);
}

/* Whoever looks too late must not find it good for a moment. */
static void silent_at_the_end_of_its_hold(void **state)
{
	uint64_t held_ms;
	uint32_t round;
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, 20);
	for (unsigned i = 0; i < 3; i++) {
		s.latency_ms = 20;
		sim_run_until(&s, FITNESS_GOOD);
		s.latency_ms = SIM_LOST;
		sim_run_until(&s, FITNESS_SILENT);
	}
	s.latency_ms = 20;
	sim_run_until(&s, FITNESS_HELD);
	s.latency_ms = SIM_LOST;
	sim_run_for(&s, 1500); /* two are on their way */
	sim_check_fitness(&s, FITNESS_HELD);
	s.now_ms += 20000;
	judge_turn(&s.judge, s.now_ms, &round);
	sim_check_fitness(&s, FITNESS_SILENT);
	/* It was not up: the hold does not grow. */
	s.latency_ms = 20;
	held_ms = sim_run_until(&s, FITNESS_HELD);
	assert_int_equal(sim_run_until(&s, FITNESS_GOOD) - held_ms, 4000);
}

/* --- other settings --- */

static void without_probes_by_the_link_alone(void **state)
{
	uint32_t round;
	struct sim s;

	(void)state;
	link_alone(&s);
	assert_false(judge_turn(&s.judge, s.now_ms + 5000, &round));
	sim_check_fitness(&s, FITNESS_GOOD);
	judge_link(&s.judge, true, s.now_ms); /* no news */
	judge_answer(&s.judge, 0, 0, 5000, s.now_ms);
	sim_check_fitness(&s, FITNESS_GOOD);
	judge_link(&s.judge, false, s.now_ms);
	sim_check_fitness(&s, FITNESS_UNTESTED);
}

static void the_same_settings_again_change_nothing(void **state)
{
	struct sim s;
	uint64_t next_ms;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, 20);
	sim_run_to(&s, 5000);
	next_ms = judge_wakes_ms(&s.judge);
	sim_configure(&s, false);
	judge_link(&s.judge, true, s.now_ms);
	assert_int_equal(judge_wakes_ms(&s.judge), next_ms);
	assert_int_equal(sim_measure(&s).rounds, 6);
	sim_check_fitness(&s, FITNESS_GOOD);

	link_alone(&s);
	flap(&s);
	judge_link(&s.judge, false, s.now_ms);
	judge_link(&s.judge, true, s.now_ms);
	next_ms = judge_wakes_ms(&s.judge);
	judge_configure(&s.judge, NULL, false, 0, s.now_ms + 1);
	sim_check_fitness(&s, FITNESS_HELD);
	assert_int_equal(judge_wakes_ms(&s.judge), next_ms);
}

static void anew_the_fitness_stays_until_rounds_decide(void **state)
{
	struct judge_target target;
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.max_loss_percent = 10;
	sim_begin(&s, 20);
	sim_run_to(&s, 5000);
	s.latency_ms = SIM_LOST;
	sim_run_to(&s, 6200); /* one has no answer yet */
	sim_configure(&s, true);
	sim_check_fitness(&s, FITNESS_GOOD);
	assert_int_equal(sim_measure(&s).rounds, 0);
	assert_null(judge_past_round(&s.judge, 0));
	judge_measure_target(&s.judge, 0, &target);
	assert_int_equal(target.latency_us, 0);
	judge_answer(&s.judge, s.judge.round_count - 1, 0, 5000, s.now_ms); /* to what was asked before */
	assert_int_equal(sim_measure(&s).rounds, 0);
	/* Sent at 5700, 5950, then at once, and so on. */
	assert_int_equal(judge_wakes_ms(&s.judge), SIM_START_MS + 6200);
	assert_int_equal(sim_run_until(&s, FITNESS_SILENT), 7450);
	assert_int_equal(s.sent_ms[s.sent_count - 3], 6200);
	assert_int_equal(s.sent_ms[s.sent_count - 2], 6450);
	assert_int_equal(s.sent_ms[s.sent_count - 1], 7450);

	/* A silent one stays silent likewise, until three are answered. */
	s.latency_ms = 20;
	sim_configure(&s, true);
	sim_check_fitness(&s, FITNESS_SILENT);
	sim_run_for(&s, 1600);
	assert_int_equal(sim_measure(&s).rounds, 2);
	sim_check_fitness(&s, FITNESS_SILENT);
	sim_run_for(&s, 400);
	sim_check_fitness(&s, FITNESS_GOOD);

	/* Not even anew rounds come closer than a quarter of the interval. */
	sim_run_until(&s, FITNESS_GOOD);
	s.now_ms = s.judge.next_round_ms;
	sim_take_turn(&s);
	sim_configure(&s, true);
	assert_int_equal(judge_wakes_ms(&s.judge), s.now_ms + 250);
}

static void from_probes_to_none_and_back(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, SIM_LOST);
	sim_run_until(&s, FITNESS_SILENT);
	judge_configure(&s.judge, NULL, false, 0, s.now_ms);
	sim_check_fitness(&s, FITNESS_GOOD);
	assert_true(judge_wakes_ms(&s.judge) == UINT64_MAX);
	assert_null(judge_past_round(&s.judge, 0));
	sim_run_for(&s, 100);
	sim_configure(&s, false);
	sim_check_fitness(&s, FITNESS_GOOD);
	assert_int_equal(judge_wakes_ms(&s.judge), s.now_ms + 150); /* a quarter after the last */
	sim_run_until(&s, FITNESS_SILENT);

	/* While it is held, too. */
	s.latency_ms = 20;
	sim_run_until(&s, FITNESS_GOOD);
	s.latency_ms = SIM_LOST;
	sim_run_until(&s, FITNESS_SILENT);
	s.latency_ms = 20;
	sim_run_until(&s, FITNESS_HELD);
	judge_configure(&s.judge, NULL, true, 0, s.now_ms);
	sim_check_fitness(&s, FITNESS_GOOD);

	/* But not while the link is down. */
	judge_link(&s.judge, false, s.now_ms);
	sim_configure(&s, true);
	judge_configure(&s.judge, NULL, true, 0, s.now_ms);
	sim_check_fitness(&s, FITNESS_UNTESTED);
	assert_true(judge_wakes_ms(&s.judge) == UINT64_MAX);
}

/* An uplink that was up all the time has been calm all the time. */
static void other_settings_do_not_end_a_calm(void **state)
{
	struct sim s;

	(void)state;
	link_alone(&s);
	flap(&s);
	flap(&s);
	sim_run_for(&s, 20000);
	s.latency_ms = 20;
	sim_configure(&s, true);
	sim_run_for(&s, 20000);
	judge_configure(&s.judge, NULL, true, 0, s.now_ms);
	sim_run_for(&s, 20000);
	assert_int_equal(flap(&s), 0);
}

static void a_shorter_interval_is_in_force_at_once(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.interval_ms = 3600000;
	sim_begin(&s, 20);
	sim_run_to(&s, 5000);
	assert_int_equal(judge_wakes_ms(&s.judge), SIM_START_MS + 1800000);
	s.health.interval_ms = 1000;
	sim_configure(&s, false);
	assert_int_equal(judge_wakes_ms(&s.judge), SIM_START_MS + 6000);

	sim_prepare(&s);
	s.health.interval_ms = 3600000;
	sim_begin(&s, SIM_LOST);
	sim_run_to(&s, 5000);
	assert_int_equal(judge_wakes_ms(&s.judge), SIM_START_MS + 900000);
	s.health.interval_ms = 1000;
	sim_configure(&s, false);
	assert_int_equal(judge_wakes_ms(&s.judge), SIM_START_MS + 5250);
}

static void another_timeout_is_in_force_at_once(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	sim_begin(&s, 20);
	sim_run_to(&s, 1000);
	s.latency_ms = SIM_LOST;
	sim_run_to(&s, 2200); /* sent at 1700 and 1950 */
	s.health.timeout_ms = 300;
	sim_configure(&s, false);
	assert_true(judge_wakes_ms(&s.judge) <= s.now_ms);
	assert_int_equal(sim_run_until(&s, FITNESS_SILENT), 2250);
}

static void other_limits_are_in_force_at_once(void **state)
{
	struct sim s;

	(void)state;
	sim_prepare(&s);
	s.health.down_after = 5;
	sim_begin(&s, 20);
	sim_run_to(&s, 5000);
	s.latency_ms = SIM_LOST;
	sim_run_to(&s, 7300); /* sent at 5700, 5950, 6200 ...: three are lost */
	sim_check_fitness(&s, FITNESS_GOOD);
	s.health.max_loss_percent = 14;
	sim_configure(&s, false);
	sim_check_fitness(&s, FITNESS_LOSSY);
	s.health.down_after = 3;
	sim_configure(&s, false);
	sim_check_fitness(&s, FITNESS_SILENT);
	s.health.max_loss_percent = -1;
	s.health.down_after = 9;
	s.health.max_latency_ms = 10;
	sim_configure(&s, false);
	sim_check_fitness(&s, FITNESS_SILENT); /* until three in a row are answered */
	sim_send(&s, 3, 20);
	sim_check_fitness(&s, FITNESS_SLOW);
}

/* --- anything, in any order --- */

enum { SEQUENCES = 3000, EVENTS = 300 };

struct sent {
	uint64_t at_ms;
	uint32_t number;
	uint32_t latency_ms;
	unsigned answers;
	bool answered;
};

/* What the test itself knows of it. */
struct story {
	struct judge judge;
	struct health health;
	uint64_t now_ms;
	bool linked, probes;
	unsigned need, count, first; /* rounds; those before `first` do not matter any more */
	uint32_t longest_ms;         /* latency of all */
	int64_t shortest_ms;         /* interval since the last was sent */
	enum fitness before;
	bool alive; /* most rounds are answered at present */
	struct sent sent[EVENTS];
	unsigned good, silent, held, limited; /* how often it was */
};

static unsigned below(unsigned limit)
{
	return (unsigned)random() % limit;
}

static void set_anything(struct story *story, bool anew)
{
	static const char *const needs[] = { "any", "all", "2" };
	static const int64_t intervals_ms[] = { 100, 101, 1000, 7000 };
	struct health *health = &story->health;

	if (anew) {
		unsigned need = below(3);

		health->targets.count = 2 + below(2);
		health->need = (char *)needs[need];
		story->need = need == 0 ? 1 : need == 1 ? health->targets.count : 2;
		health->timeout_ms = 10 + below(3000);
	}
	health->interval_ms = intervals_ms[below(4)];
	if (health->interval_ms < story->shortest_ms)
		story->shortest_ms = health->interval_ms;
	health->down_after = 1 + below(5);
	health->up_after = 1 + below(4);
	health->window = 5 + below(30);
	health->max_loss_percent = below(2) ? -1 : 1 + (int)below(60);
	health->max_latency_ms = below(2) ? -1 : 1 + (int)below(2000);
}

static void answer_anything(struct story *story)
{
	struct sent *sent;
	unsigned target = below(story->health.targets.count);
	uint32_t latency_ms;

	if (!story->count)
		return;
	sent = &story->sent[story->count - 1 - below(story->count < 5 ? story->count : 5)];
	latency_ms = (uint32_t)(story->now_ms - sent->at_ms);
	judge_answer(&story->judge, sent->number, target, latency_ms * 1000, story->now_ms);
	sent->answers |= 1u << target;
	if (!sent->answered && (unsigned)__builtin_popcount(sent->answers) >= story->need) {
		sent->answered = true;
		if (latency_ms > story->longest_ms)
			story->longest_ms = latency_ms;
	}
}

/* So many that are unanswered for longer than any patience, and the newest of those that are decided. */
static bool must_be_silent(const struct story *story)
{
	uint64_t patience_ms = (uint64_t)story->longest_ms * 3 / 2;
	unsigned missed = 0;

	if (patience_ms < (uint64_t)story->health.timeout_ms)
		patience_ms = (uint64_t)story->health.timeout_ms;
	for (unsigned i = story->count; i-- > story->first && !story->sent[i].answered;)
		missed += story->now_ms - story->sent[i].at_ms >= patience_ms;
	return missed >= story->health.down_after;
}

static bool may_be_silent(const struct story *story)
{
	unsigned missed = 0;

	for (unsigned i = story->first; i < story->count; i++)
		missed += !story->sent[i].answered &&
			  story->now_ms - story->sent[i].at_ms >= (uint64_t)story->health.timeout_ms;
	return missed >= story->health.down_after;
}

static void turn_and_check(struct story *story)
{
	const struct judge *judge = &story->judge;
	enum fitness fitness;
	uint32_t number;

	if (judge_turn(&story->judge, story->now_ms, &number)) {
		assert_true(story->linked && story->probes);
		if (story->count)
			assert_true(story->now_ms - story->sent[story->count - 1].at_ms >=
				    (uint64_t)story->shortest_ms / 4);
		story->sent[story->count++] = (struct sent){ .at_ms = story->now_ms, .number = number };
		story->shortest_ms = story->health.interval_ms;
	}
	assert_true(judge_wakes_ms(judge) > story->now_ms);
	fitness = judge_fitness(judge);
	if (!story->linked)
		assert_int_equal(fitness, FITNESS_UNTESTED);
	if (story->probes && must_be_silent(story))
		assert_int_not_equal(fitness, FITNESS_GOOD);
	if (fitness == FITNESS_SILENT && story->before != FITNESS_SILENT)
		assert_true(may_be_silent(story));
	if (fitness == FITNESS_HELD)
		assert_true(judge_wakes_ms(judge) <= story->now_ms + JUDGE_HOLD_LAST_MS);
	story->good += fitness == FITNESS_GOOD && story->before != FITNESS_GOOD;
	story->silent += fitness == FITNESS_SILENT && story->before == FITNESS_GOOD;
	story->held += fitness == FITNESS_HELD && story->before != FITNESS_HELD;
	story->limited += fitness == FITNESS_LOSSY || fitness == FITNESS_SLOW;
	story->before = fitness;
}

static void anything_happens(struct story *story)
{
	struct judge_numbers numbers;
	struct judge_target target;
	uint64_t wakes_ms = judge_wakes_ms(&story->judge);
	unsigned event = below(1000);

	if (event < 500) {
		story->now_ms = wakes_ms == UINT64_MAX   ? story->now_ms + 1000 :
				wakes_ms > story->now_ms ? wakes_ms :
							   story->now_ms;
	} else if (event < 930) {
		if (event < 900)
			story->now_ms += below(event < 560 ? 20000 : 30);
		if (story->alive || below(10) == 0)
			for (unsigned i = 0; i < 8; i++)
				answer_anything(story);
	} else if (event < 960) {
		story->alive = !story->alive;
	} else if (event < 970) {
		story->linked = !story->linked;
		story->first = story->count;
		judge_link(&story->judge, story->linked, story->now_ms);
	} else if (event < 980) {
		set_anything(story, false);
		if (story->probes)
			judge_configure(&story->judge, &story->health, false, below(1000), story->now_ms);
	} else if (event < 990) {
		bool probes = below(4) > 0;

		set_anything(story, true);
		story->first = story->count;
		judge_configure(&story->judge, probes ? &story->health : NULL, true, below(1000),
				story->now_ms);
		story->probes = probes;
		for (unsigned i = 0; i < story->count; i++)
			story->sent[i].answered = true;
	} else {
		judge_answer(&story->judge, (uint32_t)random() * 2 + below(2), below(20), below(5000000),
			     story->now_ms);
	}
	judge_measure(&story->judge, &numbers);
	assert_true(numbers.lost + numbers.late <= numbers.rounds && numbers.rounds <= HEALTH_WINDOW_MAX);
	judge_measure_target(&story->judge, below(20), &target);
	assert_true(target.answered <= target.sent && target.sent <= HEALTH_WINDOW_MAX);
	turn_and_check(story);
}

static void what_always_holds(void **state)
{
	static struct story story;
	unsigned good = 0, silent = 0, held = 0, limited = 0;

	(void)state;
	for (unsigned seed = 1; seed <= SEQUENCES; seed++) {
		srandom(seed);
		story = (struct story){ .now_ms = below(2) ? below(1000) : 1ull << 40, .alive = true };
		judge_init(&story.judge);
		story.judge.round_count = UINT32_MAX - below(EVENTS);
		set_anything(&story, true);
		story.before = FITNESS_UNTESTED;
		story.linked = story.probes = true;
		judge_configure(&story.judge, &story.health, false, below(1000), story.now_ms);
		judge_link(&story.judge, true, story.now_ms);
		for (unsigned i = 0; i < EVENTS; i++)
			anything_happens(&story);
		good += story.good;
		silent += story.silent;
		held += story.held;
		limited += story.limited;
	}
	/* The stories are about something. */
	assert_true(good > SEQUENCES && silent > SEQUENCES / 2 && held > SEQUENCES / 2 &&
		    limited > SEQUENCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flapping_is_damped),
		cmocka_unit_test(calm_is_forgiven),
		cmocka_unit_test(failing_while_held),
		cmocka_unit_test(failures_by_probes_are_damped_too),
		cmocka_unit_test(silent_at_the_end_of_its_hold),
		cmocka_unit_test(without_probes_by_the_link_alone),
		cmocka_unit_test(the_same_settings_again_change_nothing),
		cmocka_unit_test(anew_the_fitness_stays_until_rounds_decide),
		cmocka_unit_test(from_probes_to_none_and_back),
		cmocka_unit_test(other_settings_do_not_end_a_calm),
		cmocka_unit_test(a_shorter_interval_is_in_force_at_once),
		cmocka_unit_test(another_timeout_is_in_force_at_once),
		cmocka_unit_test(other_limits_are_in_force_at_once),
		cmocka_unit_test(what_always_holds),
	};

	return cmocka_run_group_tests_name("judge: over time", tests, NULL, NULL);
}
