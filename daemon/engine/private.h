/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_ENGINE_PRIVATE_H
#define PORTICO_ENGINE_PRIVATE_H

#include "engine/engine.h"
#include "model/choice.h"
#include "model/found.h"

enum { STEP_TEXT_MAX = 512 };

/* Beside the KERNEL_* bits, for mend_news(): environment.fitness is another. */
enum { ENGINE_FITNESS = 1 << 16 };

/* What the kernel refused when it was last asked, for status and to tell new refusals from old ones. */
struct refusal {
	char step[STEP_TEXT_MAX];
	char text[256];
};

struct uplink_memory {
	bool known, up;
	int64_t since;
};

struct trial {
	struct config *confirmed; /* comes back; NULL: nothing is on trial */
	uint64_t confirmed_revision;
	uint64_t revision; /* the newest that is on trial */
	uint64_t deadline_ms;
	struct timer *timer; /* the deadline; then the next try to record the return */
	/* What the store still has as the newest, while `confirmed` is in force again and that could not be recorded. */
	struct config *left;
	char reason[96]; /* of the return, for the history */
	char failure[ERR_DETAIL_MAX];
	unsigned retry_s;
};

struct counters {
	unsigned count;
	struct counter *items;       /* by forward */
	struct counter_round *round; /* a reading of all that goes on; else NULL */
	struct timer *timer;         /* the next piece of it, or the next one */
};

struct engine {
	struct loop *loop;
	struct store *store;
	struct kernel *kernel;

	struct config *config;
	uint64_t revision;
	struct links links;
	struct environment environment;
	struct ways ways;              /* what these three come to; see engine_note_uplinks() */
	struct health_watch *health;   /* health.c's own */
	struct sysctls_before *before; /* sysctls.c's own */

	/*
	 * What the kernel shall have and what it was last known to have. One and the same object
	 * after everything was applied; observed is NULL when somebody changed something, or refused:
	 * then the kernel is read again before the next comparison.
	 */
	struct kstate *desired, *observed;
	bool routing_unknown; /* only the table is as observed; the rest is read before the next comparison */

	struct fw4 fw4;

	unsigned dirty;      /* KERNEL_* bits that came since the last comparison */
	unsigned unread;     /* those that could not be looked at; the next retry does */
	struct timer *retry; /* after a refusal, with growing pauses */
	unsigned retry_s;
	uint64_t retry_at_ms;
	struct timer *clock; /* the next moment at which a forward may begin or end */
	void (*clock_due)(void *arg);
	struct flows *flows;   /* flows.c's own */
	struct timer *resting; /* until rest_until_ms, while something is dirty; see rest() */
	uint64_t rest_until_ms, dirty_at_ms, contested_at_ms, quarrel_ms;
	bool quarrel_said;

	unsigned refusal_count;
	struct refusal refusals[STEP_FAILURES_MAX];
	bool table_held; /* the kernel took the table as it was desired last */
	uint64_t mended;
	int64_t last_mended;
	struct found last_found;
	struct uplink_memory uplinks[UPLINKS_MAX + 1]; /* by id */

	struct timer *settling;       /* see settle.c */
	struct engine_events *events; /* see events.c */

	struct counters counters;
	struct trial trial;
};

int64_t engine_now(void); /* seconds since the epoch */

/* --- engine.c --- */

/* What bring_about() did. */
struct work {
	bool links; /* given: devices or addresses may have changed */
	unsigned steps;
	struct found found; /* otherwise than it had been left, and mended */
};

/*
 * The one way to the kernel: compiles `config`, compares, sends the difference. `ret_work` may be NULL.
 * Returns a failure that the caller should know of, with `err` set; the kernel may then have a part.
 */
int engine_bring_about(struct engine *engine, const struct config *config, struct work *ret_work,
		       struct err *err);
int engine_read_links(struct engine *engine);
/* After configuration, links or fitness are others: how the uplinks are now. */
void engine_note_uplinks(struct engine *engine);
void engine_forget_observed(struct engine *engine); /* it is read before the next comparison */
/* The kernel could not even be asked: shown like a refusal, and tried again like one. */
int engine_not_asked(struct engine *engine, const char *step, int error, struct err *err);

/* After another configuration has come into force by itself. */
void engine_new_config(struct engine *engine);

/* --- trial.c --- */

/* To be called with the store's configuration, before anything is done with that: one that was not confirmed goes. */
int trial_start(struct engine *engine, struct err *err);
void trial_stop(struct engine *engine);
/* Refuses while the newest revision is not the configuration in force. */
int trial_settled(const struct engine *engine, struct err *err);
/* What a commit of `next` means for the trial; refused likewise. */
int trial_admit(const struct engine *engine, const struct config *next, const struct change_request *request,
		enum commit_trial *ret_step, struct err *err);
/* The commit is whole, or changed nothing. `before` was in force, as that revision. */
void trial_committed(struct engine *engine, enum commit_trial step, struct config *before,
		     uint64_t before_revision, const struct change_request *request);

/* --- mend.c --- */

int mend_start(struct engine *engine); /* also makes the first comparison */
void mend_stop(struct engine *engine);
/* kernel_events.changed(), and whoever else knows of something that must be looked at. */
void mend_news(void *engine, unsigned what);
/* Looks at the news now. */
void mend_now(struct engine *engine);
/* After each attempt: starts, goes on with or ends the retries. */
void mend_retry_later(struct engine *engine);
/* When the kernel is asked again what it refused, or news are looked at that must wait; -1: there is neither. */
int64_t mend_retry_in_ms(const struct engine *engine);

/* health.c: probes the uplinks and says how fit they are. */
int health_start(struct engine *engine);
void health_stop(struct engine *engine);
/* After configuration or links have changed; sets environment.fitness. */
void health_update(struct engine *engine);
/* The uplink has gone up, or down for this reason. */
void health_note(struct engine *engine, uint32_t uplink_id, bool up, const char *reason);

/* sysctls.c: what they were before, to be given back by --flush. */
int sysctls_start(struct engine *engine);
void sysctls_stop(struct engine *engine);
/* To be called before the plan, made against engine->observed, is applied. */
void sysctls_remember(struct engine *engine, const struct plan *plan);
/* What was remembered within a commit is durable; or it is not, and is kept with the next. */
void sysctls_committed(struct engine *engine, bool durable);

/* flows.c: stale connections are searched for, and deleted, a piece per turn of the loop. */
int flows_start(struct engine *engine);
void flows_stop(struct engine *engine);
void flows_search(struct engine *engine);

/* schedule.c: `due` is called, with the engine, when a forward begins or ends by the clock. */
int schedule_start(struct engine *engine, void (*due)(void *arg));
void schedule_stop(struct engine *engine);
void schedule_next(struct engine *engine);                 /* after each change of the configuration */
void schedule_read_clock(struct environment *environment); /* sets now and week_minute */

/* settle.c: what waits for a quiet moment. */
int settle_start(struct engine *engine);
void settle_stop(struct engine *engine);
void settle_later(struct engine *engine); /* after each commit */

/* events.c: who listens to the engine; see engine/events.h. */
int events_start(struct engine *engine);
void events_stop(struct engine *engine);    /* also when it was not started */
void events_counted(struct engine *engine); /* after all counters were read */
void events_look(struct engine *engine);    /* after whatever may have changed something */
void events_committed(struct engine *engine, const struct change_request *request,
		      const struct changes *changes);
/* A trial begins or goes on (NULL), or ends: "confirmed", "undone", "expired". */
void events_trial(struct engine *engine, const char *outcome);

/* counters.c */
int counters_start(struct engine *engine);
void counters_stop(struct engine *engine);
/* Reads all, some at a time, and then calls events_counted(). */
void counters_read_soon(struct engine *engine);
/*
 * To be called before a plan is applied that brings about `next`, and afterwards, while engine->desired and
 * engine->observed are still those of before; `applied`: the kernel has taken what is about the table.
 */
struct counter_loss *counters_before(struct engine *engine, const struct plan *plan,
				     const struct config *next);
void counters_after(struct engine *engine, const struct plan *plan, const struct config *next,
		    struct counter_loss *loss, bool applied);

#endif
