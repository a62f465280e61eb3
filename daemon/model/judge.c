/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/judge.h"

#include <stdlib.h>
#include <string.h>

enum {
	/* With more open ones there would not be a whole window of decided ones among those kept. */
	OPEN_MAX = JUDGE_ROUNDS_MAX - HEALTH_WINDOW_MAX,
	/* The longest hold is reached; more flaps would shift its bits out. */
	FLAPS_MAX = 9,
	/* Beyond, even an uplink that is always late is as good as silent. */
	PATIENCE_MAX_MS = 10000,
};

_Static_assert((JUDGE_ROUNDS_MAX & (JUDGE_ROUNDS_MAX - 1)) == 0, "numbers that wrap around keep their place");
_Static_assert(JUDGE_HOLD_FIRST_MS << (FLAPS_MAX - 1) >= JUDGE_HOLD_LAST_MS, "the hold grows to its maximum");
_Static_assert(HEALTH_TARGETS_MAX <= 16 && HEALTH_TARGETS_MAX <= 1 << (32 - JUDGE_NUMBER_BITS),
	       "targets fit into the bits of a round's answers, and beside its number");

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* --- the rounds, by age: 0 is the newest --- */

static unsigned place(const struct judge *judge, unsigned age)
{
	return (judge->round_count - 1 - age) % JUDGE_ROUNDS_MAX;
}

const struct judge_round *judge_past_round(const struct judge *judge, unsigned n)
{
	return n < judge->kept ? &judge->rounds[place(judge, n)] : NULL;
}

static bool is_open(const struct judge_round *round)
{
	return !round->latency_us && !round->expired;
}

/* The newest decided round, of those that count, from this age on; *age becomes that of the next older. */
static const struct judge_round *next_decided(const struct judge *judge, unsigned *age)
{
	while (*age < judge->counted) {
		const struct judge_round *round = &judge->rounds[place(judge, (*age)++)];

		if (!is_open(round))
			return round;
	}
	return NULL;
}

/* How many decided rounds in a row, from this age on, are unanswered. */
static unsigned unanswered_run(const struct judge *judge, unsigned age)
{
	const struct judge_round *round;
	unsigned length = 0;

	while ((round = next_decided(judge, &age)) && !round->latency_us)
		length++;
	return length;
}

/* How many decided rounds in a row are answered, from the newest on. An open one between them ends it. */
static unsigned answered_run(const struct judge *judge)
{
	unsigned length = 0, age = 0;

	while (age < judge->counted && is_open(&judge->rounds[place(judge, age)]))
		age++;
	for (; age < judge->counted && judge->rounds[place(judge, age)].latency_us; age++)
		length++;
	return length;
}

/*
 * How long a round is open: the timeout. But where answers come later than that as a rule, one and a half
 * times as long as they took: otherwise there would always be rounds that count as lost while their answers
 * are on their way, and down_after of them in a row would make an uplink silent that answers everything.
 */
static uint32_t patience(const struct judge *judge)
{
	const struct judge_round *round;
	uint32_t longest_us = 0;
	unsigned late = 0, age = 0;

	while (late < judge->down_after && (round = next_decided(judge, &age))) {
		if (!round->latency_us)
			continue;
		if (!round->expired)
			return judge->timeout_ms;
		late++;
		if (round->latency_us > longest_us)
			longest_us = round->latency_us;
	}
	if (late < judge->down_after)
		return judge->timeout_ms;
	return (uint32_t)later(judge->timeout_ms, earlier(longest_us / 1000 * 3ull / 2, PATIENCE_MAX_MS));
}

static void expire(struct judge *judge, uint64_t now_ms)
{
	for (unsigned age = 0; age < judge->kept; age++) {
		struct judge_round *round = &judge->rounds[place(judge, age)];

		if (now_ms < round->sent_ms + judge->patience_ms && age < OPEN_MAX)
			continue;
		round->expired = round->expired || is_open(round);
		round->over = true;
	}
}

/* --- when they are due --- */

/*
 * While the newest round has no answer after a quarter of the interval, the next does not wait for all of it.
 * So a silence is found out an interval, down_after - 1 quarters of one and the timeout after the last
 * answered round was sent. No more than that many hurried ones follow one that was not: where every answer
 * takes longer than a quarter, there would otherwise be four times as many as were asked for.
 */
static bool hurries(const struct judge *judge)
{
	unsigned unanswered = 0;

	while (unanswered < judge->counted && !judge->rounds[place(judge, unanswered)].latency_us)
		unanswered++;
	return unanswered > 0 && unanswered < judge->down_after && judge->hurried + 1 < judge->down_after;
}

static uint64_t round_due_ms(const struct judge *judge)
{
	return hurries(judge) ? judge->soonest_round_ms : judge->next_round_ms;
}

/* After a while in which nobody looked, the next is an interval away like any other: nothing is caught up. */
static uint32_t add_round(struct judge *judge, uint64_t now_ms)
{
	bool first = !judge->counted;

	judge->hurried = now_ms < judge->next_round_ms ? judge->hurried + 1 : 0;
	judge->next_round_ms = now_ms + (first ? judge->phase_ms : judge->interval_ms);
	judge->soonest_round_ms = now_ms + judge->interval_ms / 4;
	if (judge->kept < JUDGE_ROUNDS_MAX)
		judge->kept++;
	if (judge->counted < JUDGE_ROUNDS_MAX)
		judge->counted++;
	judge->rounds[judge->round_count % JUDGE_ROUNDS_MAX] = (struct judge_round){ .sent_ms = now_ms };
	return judge->round_count++ & ((1u << JUDGE_NUMBER_BITS) - 1);
}

static void begin_rounds(struct judge *judge, uint64_t now_ms)
{
	judge->counted = 0;
	judge->patience_ms = judge->timeout_ms;
	judge->next_round_ms = later(now_ms, judge->soonest_round_ms);
}

/* --- the verdict --- */

static uint32_t hold_ms(const struct judge *judge)
{
	if (!judge->flaps)
		return 0;
	return (uint32_t)earlier(JUDGE_HOLD_FIRST_MS << (judge->flaps - 1), JUDGE_HOLD_LAST_MS);
}

/* The first time that an uplink is up counts as calm, however short it was: nothing is known against it. */
static void count_flap(struct judge *judge, uint64_t now_ms)
{
	uint64_t calm_ms = later(JUDGE_CALM_MS, 4ull * hold_ms(judge));

	if (!judge->fell || now_ms - judge->up_since_ms >= calm_ms)
		judge->flaps = 0;
	else if (judge->flaps < FLAPS_MAX)
		judge->flaps++;
	judge->fell = true;
}

static void become(struct judge *judge, enum fitness fitness, uint64_t now_ms)
{
	if (judge->fitness == FITNESS_GOOD && fitness != FITNESS_GOOD)
		count_flap(judge, now_ms);
	if (judge->fitness != FITNESS_GOOD && fitness == FITNESS_GOOD)
		judge->up_since_ms = now_ms;
	judge->fitness = fitness;
	judge->tested = true;
}

static void recover(struct judge *judge, uint64_t now_ms)
{
	judge->hold_until_ms = now_ms + hold_ms(judge);
	become(judge, judge->flaps ? FITNESS_HELD : FITNESS_GOOD, now_ms);
}

/* FITNESS_GOOD: there is nothing against it. */
static enum fitness objection(const struct judge *judge)
{
	struct judge_numbers numbers;
	unsigned answered, enough = judge->down_after < judge->window ? judge->down_after : judge->window;

	if (unanswered_run(judge, 0) >= judge->down_after)
		return FITNESS_SILENT;
	judge_measure(judge, &numbers);
	answered = numbers.rounds - numbers.lost;
	if (judge->fitness == FITNESS_UNTESTED && !answered)
		return FITNESS_GOOD;
	/* Of the whole window, so that the first probes of all do not weigh more than others. */
	if (judge->max_loss_percent >= 0 &&
	    numbers.lost * 100 > (unsigned)judge->max_loss_percent * judge->window)
		return FITNESS_LOSSY;
	if (judge->max_latency_ms >= 0 && answered >= enough &&
	    numbers.latency_us > (uint32_t)judge->max_latency_ms * 1000)
		return FITNESS_SLOW;
	return FITNESS_GOOD;
}

static void reconsider(struct judge *judge, uint64_t now_ms)
{
	enum fitness against;

	if (!judge->linked || !judge->probes)
		return;
	against = objection(judge);
	if (against != FITNESS_GOOD)
		become(judge, against, now_ms);
	else if (judge->fitness != FITNESS_GOOD && judge->fitness != FITNESS_HELD &&
		 answered_run(judge) >= (judge->tested ? judge->up_after : 1))
		recover(judge, now_ms);
}

/* --- what happens --- */

void judge_init(struct judge *judge)
{
	*judge = (struct judge){ .fitness = FITNESS_UNTESTED, .max_loss_percent = -1, .max_latency_ms = -1 };
}

static unsigned need_of(const struct health *health)
{
	if (strcmp(health->need, "any") == 0)
		return 1;
	if (strcmp(health->need, "all") == 0)
		return health->targets.count;
	return (unsigned)strtoul(health->need, NULL, 10);
}

static void take_over(struct judge *judge, const struct health *health, uint32_t phase_ms)
{
	judge->target_count = health->targets.count;
	judge->need = need_of(health);
	judge->interval_ms = (uint32_t)health->interval_ms;
	judge->timeout_ms = (uint32_t)health->timeout_ms;
	judge->down_after = (uint32_t)health->down_after;
	judge->up_after = (uint32_t)health->up_after;
	judge->window = (uint32_t)health->window;
	judge->max_loss_percent = (int)health->max_loss_percent;
	judge->max_latency_ms = (int)health->max_latency_ms;
	judge->phase_ms = (uint32_t)later(judge->interval_ms / 2, earlier(phase_ms, judge->interval_ms));
	judge->patience_ms = patience(judge);
}

void judge_configure(struct judge *judge, const struct health *health, bool anew, uint32_t phase_ms,
		     uint64_t now_ms)
{
	bool probed = judge->probes;

	judge->probes = health;
	if (health) {
		take_over(judge, health, phase_ms);
		/* The interval that was may have been an hour. */
		judge->next_round_ms = earlier(judge->next_round_ms, now_ms + judge->interval_ms);
		judge->soonest_round_ms = earlier(judge->soonest_round_ms, now_ms + judge->interval_ms / 4);
	}
	if (anew || judge->probes != probed) {
		judge->kept = 0;
		memset(judge->target_latency_us, 0, sizeof(judge->target_latency_us));
		begin_rounds(judge, now_ms);
	}
	if (probed && !health && judge->linked)
		become(judge, FITNESS_GOOD, now_ms);
	reconsider(judge, now_ms);
}

void judge_link(struct judge *judge, bool linked, uint64_t now_ms)
{
	if (judge->linked == linked)
		return;
	judge->linked = linked;
	if (!linked) {
		expire(judge, UINT64_MAX);
		judge->counted = 0;
		become(judge, FITNESS_UNTESTED, now_ms);
		return;
	}
	begin_rounds(judge, now_ms);
	if (!judge->probes)
		recover(judge, now_ms);
}

uint64_t judge_wakes_ms(const struct judge *judge)
{
	uint64_t wakes_ms = UINT64_MAX;

	if (!judge->linked)
		return UINT64_MAX;
	if (judge->fitness == FITNESS_HELD)
		wakes_ms = judge->hold_until_ms;
	if (!judge->probes)
		return wakes_ms;
	for (unsigned age = 0; age < judge->kept; age++) {
		const struct judge_round *round = &judge->rounds[place(judge, age)];

		if (is_open(round))
			wakes_ms = earlier(wakes_ms, round->sent_ms + judge->patience_ms);
	}
	return earlier(wakes_ms, round_due_ms(judge));
}

bool judge_turn(struct judge *judge, uint64_t now_ms, uint32_t *ret_round)
{
	bool due = judge->linked && judge->probes && now_ms >= round_due_ms(judge);

	if (due)
		*ret_round = add_round(judge, now_ms);
	expire(judge, now_ms);
	reconsider(judge, now_ms);
	if (judge->fitness == FITNESS_HELD && now_ms >= judge->hold_until_ms)
		become(judge, FITNESS_GOOD, now_ms);
	return due;
}

void judge_answer(struct judge *judge, uint32_t round, unsigned target, uint32_t latency_us, uint64_t now_ms)
{
	unsigned age = (judge->round_count - 1 - round) & ((1u << JUDGE_NUMBER_BITS) - 1);
	uint32_t latency = latency_us ? latency_us : 1; /* 0 has a meaning of its own */
	struct judge_round *answered;

	if (age >= judge->kept || target >= judge->target_count)
		return;
	answered = &judge->rounds[place(judge, age)];
	answered->answers |= (uint16_t)(1u << target);
	judge->target_latency_us[target] = latency;
	if (answered->latency_us || (unsigned)__builtin_popcount(answered->answers) < judge->need)
		return;
	/* The end of a silence: what was lost in it is not held against an uplink that works again. */
	if (judge->fitness == FITNESS_SILENT && unanswered_run(judge, age + 1) >= judge->down_after)
		judge->counted = age + 1;
	answered->latency_us = latency;
	answered->expired = latency > judge->timeout_ms * 1000;
	judge->patience_ms = patience(judge);
	reconsider(judge, now_ms);
}

/* --- the numbers --- */

void judge_measure(const struct judge *judge, struct judge_numbers *ret_numbers)
{
	struct judge_numbers numbers = { 0 };
	const struct judge_round *round;
	uint64_t sum_us = 0, differences_us = 0;
	uint32_t newer_us = 0;
	unsigned answered = 0, age = 0;

	for (; numbers.rounds < judge->window && (round = next_decided(judge, &age)); numbers.rounds++) {
		uint32_t us = round->latency_us;

		if (!us) {
			numbers.lost++;
			continue;
		}
		if (newer_us)
			differences_us += us > newer_us ? us - newer_us : newer_us - us;
		numbers.late += round->expired;
		sum_us += us;
		newer_us = us;
		answered++;
	}
	if (answered > 0)
		numbers.latency_us = (uint32_t)(sum_us / answered);
	if (answered > 1)
		numbers.jitter_us = (uint32_t)(differences_us / (answered - 1));
	*ret_numbers = numbers;
}

/* A round that is answered is missed by a target only when its time is over: others may have been quicker. */
void judge_measure_target(const struct judge *judge, unsigned target, struct judge_target *ret_target)
{
	const struct judge_round *round;
	unsigned rounds = 0, age = 0;

	*ret_target = (struct judge_target){ 0 };
	if (target >= judge->target_count)
		return;
	ret_target->latency_us = judge->target_latency_us[target];
	for (; rounds < judge->window && (round = next_decided(judge, &age)); rounds++) {
		bool answered = round->answers & 1u << target;

		ret_target->answered += answered;
		ret_target->sent += answered || round->over;
	}
}
