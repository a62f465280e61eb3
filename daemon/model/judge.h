/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_JUDGE_H
#define PORTICO_MODEL_JUDGE_H

/*
 * Whether an uplink is fit, from the state of its link and the answers to its probes. Pure: the times are
 * given, in monotonic milliseconds. Whoever owns a judge gives it its settings, then tells it of the link,
 * calls judge_turn() when judge_wakes_ms() says so, sends the rounds that it asks for and tells it of the
 * answers. After any of these calls the fitness and the time to wake may be others. Answers that have arrived
 * are told before judge_turn() is called: after a while in which the loop was busy they would be missed first
 * otherwise.
 *
 * A round is one probe to each target. It is answered as soon as as many targets have answered as `need`
 * says, with the latency that it had then; so several targets are judged like a single one. It is open until
 * it is answered or its time is over, then it is decided; an answer that comes still makes it late instead of
 * lost.
 */

#include "model/config.h"
#include "model/live.h"

enum {
	/*
	 * Kept, for late answers and for the graph: HEALTH_WINDOW_MAX that are decided, and those sent since
	 * that are still open, which are many where the timeout is many intervals. A power of two: numbers
	 * wrap around.
	 */
	JUDGE_ROUNDS_MAX = 256,
	JUDGE_NUMBER_BITS = 28, /* of a round's number; a target's fits beside it into a probe's token */
	JUDGE_HOLD_FIRST_MS = 2000,
	JUDGE_HOLD_LAST_MS = 300000,
	JUDGE_CALM_MS = 60000, /* up for so long, and for four times its last hold, an uplink is forgiven */
};

struct judge_round {
	uint64_t sent_ms;
	uint32_t latency_us; /* of the answer that made it enough; 0: not answered (yet) */
	uint16_t answers;    /* a bit for each target */
	bool expired;        /* lost so far, or late: answered after the timeout */
	bool over;           /* its time is over: targets that have not answered are missed */
};

struct judge_target {
	uint32_t latency_us;     /* of its last answer; 0: none yet */
	unsigned sent, answered; /* in the window */
};

/* Over the last `window` decided rounds. */
struct judge_numbers {
	unsigned rounds, lost, late;
	uint32_t latency_us; /* the mean of those answered; 0: none was */
	uint32_t jitter_us;  /* the mean difference from one answered round to the next */
};

struct judge {
	/* Settings. */
	bool probes; /* false: by the link alone */
	unsigned target_count, need;
	uint32_t interval_ms, timeout_ms, down_after, up_after, window, phase_ms;
	int max_loss_percent, max_latency_ms; /* -1: no limit */

	/* State, judge.c's own. FITNESS_GOOD implies that the link is up. */
	bool linked;
	bool tested; /* it was up, or failed, before: one answer is not enough any more */
	bool fell;   /* it was up, and then not */
	enum fitness fitness;
	uint32_t round_count; /* number of the next round, wraps around; rounds[n % JUDGE_ROUNDS_MAX] */
	unsigned kept;        /* so many of the last rounds can be told of */
	unsigned counted;     /* so many of them are judged */
	unsigned hurried;     /* so many of them came before the interval was over, one after the other */
	struct judge_round rounds[JUDGE_ROUNDS_MAX];
	uint32_t target_latency_us[HEALTH_TARGETS_MAX];
	uint32_t patience_ms; /* how long a round is open: the timeout, or more (see patience() in judge.c) */
	uint64_t next_round_ms, soonest_round_ms;
	uint64_t up_since_ms, hold_until_ms;
	unsigned flaps; /* the hold is doubled with each; 0: none */
};

/* Not linked, no probes. */
void judge_init(struct judge *judge);

/*
 * Takes over the settings; NULL: no probes. What was measured is kept, unless method or targets are others
 * (`anew`) or there were no probes: then the rounds begin again, but the fitness stays until they say
 * otherwise. When there are no probes any more, a link that is up is good at once. `phase_ms`: a random
 * number below interval_ms, so that uplinks and routers do not probe in step: the time from the first round
 * to the second, half the interval at least.
 */
void judge_configure(struct judge *judge, const struct health *health, bool anew, uint32_t phase_ms,
		     uint64_t now_ms);

/*
 * The link is up with an address, or not. Coming up: rounds begin at once, or a quarter of the interval after
 * the last one before; without probes it is good, or held.
 */
void judge_link(struct judge *judge, bool linked, uint64_t now_ms);

/* When judge_turn() has something to do, now or later; UINT64_MAX: nothing that time brings. */
uint64_t judge_wakes_ms(const struct judge *judge);

/*
 * Does what time brings; it may be called at any time. True: a round must be sent now, and *ret_round is its
 * number, of JUDGE_NUMBER_BITS.
 */
bool judge_turn(struct judge *judge, uint64_t now_ms, uint32_t *ret_round);

/*
 * An answer, in time or late, which `latency_us` tells, not `now_ms`; numbers that are no round's any more
 * are ignored.
 */
void judge_answer(struct judge *judge, uint32_t round, unsigned target, uint32_t latency_us, uint64_t now_ms);

/* Of a link that is down it says nothing: FITNESS_UNTESTED. */
static inline enum fitness judge_fitness(const struct judge *judge)
{
	return judge->fitness;
}

void judge_measure(const struct judge *judge, struct judge_numbers *ret_numbers);
void judge_measure_target(const struct judge *judge, unsigned target, struct judge_target *ret_target);

/*
 * The n-th last round (0: the newest), also from before the link was down, at most JUDGE_ROUNDS_MAX - 1 back;
 * NULL: there is none.
 */
const struct judge_round *judge_past_round(const struct judge *judge, unsigned n);

#endif
