/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_JUDGE_H
#define PORTICO_MODEL_JUDGE_H

/*
 * Whether an uplink is fit, from the state of its link and the answers to its probes. Pure: the times
 * are given, in monotonic milliseconds. Whoever owns a judge tells it of the link, calls judge_turn() when judge_wakes_ms()
 * says so, sends the rounds that it asks for and tells it of the answers.
 *
 * A round is one probe to each target. It is answered as soon as as many targets have answered as `need`
 * says, with the latency that it had then; so several targets are judged like a single one.
 */

#include "model/config.h"
#include "model/live.h"

enum {
	JUDGE_ROUNDS_MAX = 128, /* kept, for late answers and for the graph; more than HEALTH_WINDOW_MAX */
	JUDGE_HOLD_FIRST_MS = 2000,
	JUDGE_HOLD_LAST_MS = 300000,
	JUDGE_CALM_MS =
		60000, /* an uplink that was up for so long, and for four times its last hold, is forgiven */
};

struct judge_round {
	uint64_t sent_ms;
	uint32_t latency_us; /* of the answer that made it enough; 0: not answered (yet) */
	uint16_t answers;    /* a bit for each target */
	bool expired;        /* the timeout passed before it was answered: lost so far, or late */
};

struct judge_target {
	uint32_t latency_us;     /* of its last answer */
	unsigned sent, answered; /* in the window */
};

/* Over the last `window` rounds; those that may still be answered in time do not count. */
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

	/* State, judge.c's own. */
	bool linked;
	bool tested; /* the probes have said something once */
	bool failed; /* it has been up once, and then not */
	enum fitness fitness;
	uint32_t round_count; /* the number of the next round, which will be rounds[n % JUDGE_ROUNDS_MAX] */
	uint32_t first_round; /* the oldest that counts */
	unsigned sent_count;  /* rounds that there are to look at */
	struct judge_round rounds[JUDGE_ROUNDS_MAX];
	uint32_t latencies_us[HEALTH_TARGETS_MAX]; /* of each target's last answer */
	uint64_t heard_ms;                         /* when anything was answered last, or rounds began */
	uint64_t next_round_ms, regular_ms;        /* the next one, if it is hurried; if it is not */
	bool may_hurry;
	uint64_t up_since_ms, hold_until_ms;
	unsigned flaps; /* exponent of the hold; 0: none */
};

/* Not linked, no probes. */
void judge_init(struct judge *judge);

/*
 * Takes over the settings; NULL: no probes. What was measured is kept, unless method or targets are others
 * (`anew`): then the rounds begin again, but the fitness stays until they say otherwise. `phase_ms`: a random number
 * below interval_ms, so that uplinks and routers do not probe in step.
 */
void judge_configure(struct judge *judge, const struct health *health, bool anew, uint32_t phase_ms,
		     uint64_t now_ms);

/*
 * The link is up with an address, or not. Coming up: rounds begin at once; without probes it is good, or held.
 */
void judge_link(struct judge *judge, bool linked, uint64_t now_ms);

/* When judge_turn() has something to do; UINT64_MAX: nothing that time brings. */
uint64_t judge_wakes_ms(const struct judge *judge);

/* Does what time brings. True: a round must be sent now, and *ret_round is its number. */
bool judge_turn(struct judge *judge, uint64_t now_ms, uint32_t *ret_round);

/* An answer, in time or late; numbers that are no round's any more are ignored. */
void judge_answer(struct judge *judge, uint32_t round, unsigned target, uint32_t latency_us, uint64_t now_ms);

/* Of a link that is down it says nothing: FITNESS_UNTESTED. */
static inline enum fitness judge_fitness(const struct judge *judge)
{
	return judge->linked ? judge->fitness : FITNESS_UNTESTED;
}

void judge_measure(const struct judge *judge, uint64_t now_ms, struct judge_numbers *ret_numbers);
void judge_measure_target(const struct judge *judge, unsigned target, uint64_t now_ms,
			  struct judge_target *ret_target);

/* The n-th last round that can be told of (0: the newest); NULL: there is none. */
const struct judge_round *judge_past_round(const struct judge *judge, unsigned n);

#endif
