/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/judge.h"

#include <stdlib.h>
#include <string.h>

enum { HURRY = 4 }; /* while an answer is missing, rounds follow each other so many times as fast */

/* --- rounds --- */

static struct judge_round *round_at(struct judge *judge, uint32_t number)
{
	return &judge->rounds[number % JUDGE_ROUNDS_MAX];
}

static const struct judge_round *seen(const struct judge *judge, uint32_t number)
{
	return &judge->rounds[number % JUDGE_ROUNDS_MAX];
}

/* How many rounds there are to go back to; numbers wrap around. */
static uint32_t kept(const struct judge *judge, uint32_t first)
{
	uint32_t count = judge->round_count - first;

	return count < JUDGE_ROUNDS_MAX ? count : JUDGE_ROUNDS_MAX - 1;
}

static bool is_answered(const struct judge_round *round)
{
	return round->latency_us;
}

/* Answered, or its time is over; the others are not held against anybody. */
static bool is_decided(const struct judge_round *round)
{
	return is_answered(round) || round->expired;
}

/* Rounds in a row, the newest first, that are not answered, be it that they still may be. */
static unsigned missing(const struct judge *judge)
{
	unsigned count = 0;

	for (uint32_t i = 1; i <= kept(judge, judge->first_round); i++) {
		if (is_answered(seen(judge, judge->round_count - i)))
			break;
		count++;
	}
	return count;
}

/*
 * Nothing has come for so long that something should have, even if every answer is late: as long as late ones keep coming,
 * those that are missing may be on their way.
 */
static uint64_t quiet_ms(const struct judge *judge)
{
	return judge->heard_ms + judge->timeout_ms + judge->interval_ms;
}

/* The newest ones without an answer are not lost as long as it may only be late. */
static uint32_t first_to_count(const struct judge *judge, uint64_t now_ms)
{
	return now_ms < quiet_ms(judge) ? missing(judge) + 1 : 1;
}

/* How many of the newest decided rounds in a row were answered, or were not. */
static unsigned run_of(const struct judge *judge, bool answered, uint64_t now_ms)
{
	unsigned run = 0;

	for (uint32_t i = first_to_count(judge, now_ms); i <= kept(judge, judge->first_round); i++) {
		const struct judge_round *round = seen(judge, judge->round_count - i);

		if (!is_decided(round))
			continue;
		if (is_answered(round) != answered)
			break;
		run++;
	}
	return run;
}

static unsigned count_bits(uint16_t bits)
{
	return (unsigned)__builtin_popcount(bits);
}

/* --- numbers --- */

void judge_measure(const struct judge *judge, uint64_t now_ms, struct judge_numbers *ret_numbers)
{
	uint32_t first = first_to_count(judge, now_ms);
	struct judge_numbers numbers = { 0 };
	uint64_t sum_us = 0, differences_us = 0;
	unsigned answered = 0;
	uint32_t last_us = 0;

	for (uint32_t i = first; i <= kept(judge, judge->first_round) && numbers.rounds < judge->window;
	     i++) {
		const struct judge_round *round = seen(judge, judge->round_count - i);

		if (!is_decided(round))
			continue;
		numbers.rounds++;
		if (!is_answered(round)) {
			numbers.lost++;
			continue;
		}
		numbers.late += round->expired;
		sum_us += round->latency_us;
		if (answered++)
			differences_us += last_us > round->latency_us ? last_us - round->latency_us :
									round->latency_us - last_us;
		last_us = round->latency_us;
	}
	if (answered)
		numbers.latency_us = (uint32_t)(sum_us / answered);
	if (answered > 1)
		numbers.jitter_us = (uint32_t)(differences_us / (answered - 1));
	*ret_numbers = numbers;
}

void judge_measure_target(const struct judge *judge, unsigned target, uint64_t now_ms,
			  struct judge_target *ret_target)
{
	struct judge_target measured = { .latency_us = judge->latencies_us[target] };

	for (uint32_t i = first_to_count(judge, now_ms);
	     i <= kept(judge, judge->first_round) && measured.sent < judge->window; i++) {
		const struct judge_round *round = seen(judge, judge->round_count - i);
		bool its_own = round->answers >> target & 1;

		if (!its_own && !round->expired && !is_answered(round))
			continue;
		measured.sent++;
		measured.answered += its_own;
	}
	*ret_target = measured;
}

const struct judge_round *judge_past_round(const struct judge *judge, unsigned n)
{
	return n < judge->sent_count && n < JUDGE_ROUNDS_MAX - 1 ? seen(judge, judge->round_count - 1 - n) :
								   NULL;
}

/* --- verdicts --- */

static bool is_lossy(const struct judge *judge, const struct judge_numbers *numbers)
{
	/* Of the whole window, so that there is something to say before it is full. */
	return judge->max_loss_percent >= 0 &&
	       numbers->lost * 100 > (unsigned)judge->max_loss_percent * judge->window;
}

static bool is_slow(const struct judge *judge, const struct judge_numbers *numbers)
{
	return judge->max_latency_ms >= 0 && numbers->rounds - numbers->lost >= judge->down_after &&
	       numbers->latency_us > (uint64_t)judge->max_latency_ms * 1000;
}

static bool was_up(const struct judge *judge)
{
	return judge->linked && judge->fitness == FITNESS_GOOD;
}

static uint64_t hold_ms(const struct judge *judge)
{
	unsigned shift = judge->flaps ? judge->flaps - 1 : 0;
	uint64_t hold = shift < 16 ? (uint64_t)JUDGE_HOLD_FIRST_MS << shift : JUDGE_HOLD_LAST_MS;

	if (!judge->flaps)
		return 0;
	return hold < JUDGE_HOLD_LAST_MS ? hold : JUDGE_HOLD_LAST_MS;
}

/* It was up and is not any more. */
static void note_failure(struct judge *judge, uint64_t now_ms)
{
	uint64_t up_ms = now_ms - judge->up_since_ms, calm_ms = 4 * hold_ms(judge);

	if (calm_ms < JUDGE_CALM_MS)
		calm_ms = JUDGE_CALM_MS;
	if (!judge->failed || up_ms >= calm_ms)
		judge->flaps = 0;
	else if (judge->flaps < UINT16_MAX)
		judge->flaps++;
	judge->failed = true;
}

static void fail(struct judge *judge, enum fitness fitness, uint64_t now_ms)
{
	if (was_up(judge))
		note_failure(judge, now_ms);
	judge->fitness = fitness;
}

/* Nothing speaks against it any more, but perhaps its past. */
static void recover(struct judge *judge, uint64_t now_ms)
{
	if (judge->fitness == FITNESS_GOOD)
		return;
	if (judge->fitness != FITNESS_HELD) {
		judge->fitness = FITNESS_HELD;
		judge->hold_until_ms = now_ms + hold_ms(judge);
	}
	if (now_ms < judge->hold_until_ms)
		return;
	judge->fitness = FITNESS_GOOD;
	judge->up_since_ms = now_ms;
}

static void decide(struct judge *judge, uint64_t now_ms)
{
	bool known = judge->fitness == FITNESS_GOOD || judge->fitness == FITNESS_HELD;
	struct judge_numbers numbers;
	unsigned needed = known ? 0 : judge->tested ? judge->up_after : 1;

	if (!judge->linked || !judge->probes)
		return;
	judge_measure(judge, now_ms, &numbers);
	if (run_of(judge, false, now_ms) >= judge->down_after)
		fail(judge, FITNESS_SILENT, now_ms);
	else if (is_lossy(judge, &numbers))
		fail(judge, FITNESS_LOSSY, now_ms);
	else if (is_slow(judge, &numbers))
		fail(judge, FITNESS_SLOW, now_ms);
	else if (run_of(judge, true, now_ms) >= needed)
		recover(judge, now_ms);
	if (judge->fitness != FITNESS_UNTESTED)
		judge->tested = true;
}

/* --- settings --- */

void judge_init(struct judge *judge)
{
	*judge = (struct judge){ .fitness = FITNESS_UNTESTED };
}

static unsigned needed_targets(const struct health *health)
{
	if (strcmp(health->need, "any") == 0)
		return 1;
	if (strcmp(health->need, "all") == 0)
		return health->targets.count;
	return (unsigned)strtoul(health->need, NULL, 10);
}

static void begin_rounds(struct judge *judge, uint64_t now_ms)
{
	judge->first_round = judge->round_count;
	judge->next_round_ms = judge->heard_ms = now_ms;
	memset(judge->latencies_us, 0, sizeof(judge->latencies_us));
}

void judge_configure(struct judge *judge, const struct health *health, bool anew, uint32_t phase_ms,
		     uint64_t now_ms)
{
	judge->probes = health;
	if (!health) {
		if (judge->linked && judge->fitness != FITNESS_HELD)
			recover(judge, now_ms);
		return;
	}
	judge->target_count = health->targets.count;
	judge->need = needed_targets(health);
	judge->interval_ms = (uint32_t)health->interval_ms;
	judge->timeout_ms = (uint32_t)health->timeout_ms;
	judge->down_after = (unsigned)health->down_after;
	judge->up_after = (unsigned)health->up_after;
	judge->window = (unsigned)health->window;
	judge->max_loss_percent = (int)health->max_loss_percent;
	judge->max_latency_ms = (int)health->max_latency_ms;
	judge->phase_ms = phase_ms;
	if (anew)
		begin_rounds(judge, now_ms);
	else if (judge->next_round_ms > now_ms + judge->interval_ms)
		judge->next_round_ms = now_ms + judge->interval_ms;
}

void judge_link(struct judge *judge, bool linked, uint64_t now_ms)
{
	if (linked == judge->linked)
		return;
	if (!linked && was_up(judge))
		note_failure(judge, now_ms);
	judge->linked = linked;
	judge->fitness = FITNESS_UNTESTED;
	if (linked && judge->probes)
		begin_rounds(judge, now_ms);
	else if (linked)
		recover(judge, now_ms);
}

/* --- time --- */

static bool is_due(const struct judge *judge, uint64_t now_ms)
{
	return judge->linked && judge->probes && now_ms >= judge->next_round_ms;
}

/* When the oldest round that may still be answered in time no longer may; UINT64_MAX: there is none. */
static uint64_t expires_ms(const struct judge *judge)
{
	uint64_t first_ms = UINT64_MAX;

	for (uint32_t i = 1; i <= kept(judge, judge->first_round); i++) {
		const struct judge_round *round = seen(judge, judge->round_count - i);

		if (is_decided(round))
			continue;
		if (round->sent_ms + judge->timeout_ms < first_ms)
			first_ms = round->sent_ms + judge->timeout_ms;
	}
	return first_ms;
}

/* So many in a row have lapsed that only the hope for late answers keeps it from being silent. */
static bool is_doubtful(const struct judge *judge)
{
	unsigned lapsed = 0;

	for (uint32_t i = 1; i <= kept(judge, judge->first_round); i++) {
		const struct judge_round *round = seen(judge, judge->round_count - i);

		if (is_answered(round))
			break;
		lapsed += round->expired;
	}
	return judge->fitness != FITNESS_SILENT && lapsed >= judge->down_after;
}

uint64_t judge_wakes_ms(const struct judge *judge)
{
	uint64_t wakes_ms = UINT64_MAX;

	if (!judge->linked)
		return UINT64_MAX;
	if (judge->probes) {
		uint64_t expiry_ms = expires_ms(judge);

		wakes_ms = expiry_ms < judge->next_round_ms ? expiry_ms : judge->next_round_ms;
		if (is_doubtful(judge) && quiet_ms(judge) < wakes_ms)
			wakes_ms = quiet_ms(judge);
	}
	if (judge->fitness == FITNESS_HELD && judge->hold_until_ms < wakes_ms)
		wakes_ms = judge->hold_until_ms;
	return wakes_ms;
}

static void expire(struct judge *judge, uint64_t now_ms)
{
	for (uint32_t i = 1; i <= kept(judge, judge->first_round); i++) {
		struct judge_round *round = round_at(judge, judge->round_count - i);

		if (!is_decided(round) && now_ms >= round->sent_ms + judge->timeout_ms)
			round->expired = true;
	}
}

/*
 * A round may be due a quarter of the interval after the last one: it is looked at then whether the last is answered. If not,
 * another follows, until so many are missing as take the uplink down.
 */
static bool is_hurried(const struct judge *judge)
{
	unsigned gone = missing(judge);

	return gone > 0 && gone < judge->down_after;
}

/* When the round after this one is due, if it will be needed: the first is followed after the phase. */
static void plan_next_round(struct judge *judge, uint64_t now_ms)
{
	uint32_t pause_ms = judge->interval_ms;

	if (judge->round_count == judge->first_round && judge->phase_ms < judge->interval_ms)
		pause_ms = judge->phase_ms > judge->interval_ms / 2 ? judge->phase_ms :
								      judge->interval_ms / 2;
	judge->regular_ms = now_ms + pause_ms;
	judge->next_round_ms = now_ms + judge->interval_ms / HURRY;
	judge->may_hurry = true;
}

static bool begin_round(struct judge *judge, uint64_t now_ms, uint32_t *ret_round)
{
	if (judge->may_hurry && now_ms < judge->regular_ms && !is_hurried(judge)) {
		judge->may_hurry = false;
		judge->next_round_ms = judge->regular_ms;
		return false;
	}
	plan_next_round(judge, now_ms);
	*round_at(judge, judge->round_count) = (struct judge_round){ .sent_ms = now_ms };
	*ret_round = judge->round_count++;
	if (judge->sent_count < JUDGE_ROUNDS_MAX)
		judge->sent_count++;
	if (judge->round_count - judge->first_round >= JUDGE_ROUNDS_MAX)
		judge->first_round = judge->round_count - (JUDGE_ROUNDS_MAX - 1);
	return true;
}

bool judge_turn(struct judge *judge, uint64_t now_ms, uint32_t *ret_round)
{
	if (!judge->linked)
		return false;
	if (judge->probes) {
		expire(judge, now_ms);
		decide(judge, now_ms);
	} else if (judge->fitness == FITNESS_HELD) {
		recover(judge, now_ms);
	}
	return is_due(judge, now_ms) && begin_round(judge, now_ms, ret_round);
}

void judge_answer(struct judge *judge, uint32_t round, unsigned target, uint32_t latency_us, uint64_t now_ms)
{
	uint32_t age = judge->round_count - round;
	struct judge_round *answered = round_at(judge, round);

	if (!judge->linked || !judge->probes || age == 0 || age > kept(judge, judge->first_round) ||
	    target >= judge->target_count || answered->answers >> target & 1)
		return;
	/* The outage is over: what was lost in it says nothing about what is now. */
	if (judge->fitness == FITNESS_SILENT && run_of(judge, true, now_ms) == 0)
		judge->first_round = round;
	answered->answers |= (uint16_t)(1u << target);
	judge->latencies_us[target] = latency_us ? latency_us : 1;
	if (count_bits(answered->answers) == judge->need) {
		answered->latency_us = latency_us ? latency_us : 1;
		judge->heard_ms = now_ms;
	}
	decide(judge, now_ms);
}
