/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When time alone changes what is desired: forwards that expire, and those with a weekly schedule. */

#include <time.h>

#include "base/log.h"
#include "engine/private.h"

/* Schedules turn at full minutes. Looking at each also finds a clock that was set, and summer time. */
enum { MINUTE_MS = 60000 };

static int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t engine_now(void)
{
	return clock_ms() / 1000;
}

void schedule_read_clock(struct environment *environment)
{
	time_t now = (time_t)engine_now();
	struct tm local;

	environment->now = now;
	tzset(); /* the time zone may have been set anew */
	if (localtime_r(&now, &local))
		environment->week_minute = (unsigned)((local.tm_wday + 6) % 7 * 1440 + local.tm_hour * 60 +
						      local.tm_min);
}

/* How many forwards came into force since the kernel's state was made, and how many went. */
static void count_turns(const struct engine *engine, const struct environment *now, unsigned *ret_begun,
			unsigned *ret_ended)
{
	const struct object_list *forwards = &engine->config->lists[KIND_FORWARD];

	*ret_begun = *ret_ended = 0;
	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];
		bool before = forward_in_force(forward, &engine->environment);
		bool after = forward_in_force(forward, now);

		*ret_begun += after && !before;
		*ret_ended += before && !after;
	}
}

static void on_clock(void *arg)
{
	struct engine *engine = arg;
	struct environment now = engine->environment;
	unsigned begun, ended;

	schedule_read_clock(&now);
	count_turns(engine, &now, &begun, &ended);
	if (!begun && !ended) {
		engine->environment = now;
		schedule_next(engine);
		return;
	}
	log_info("by the clock: %u forwards begin, %u end", begun, ended);
	engine->clock_due(engine);
}

/* Not all time zones that can be set are whole minutes away from UTC, and some count leap seconds. */
static int64_t next_minute(int64_t after)
{
	time_t time = (time_t)after;
	struct tm local;
	int second = localtime_r(&time, &local) ? local.tm_sec : 0;

	return after + 60 - (second < 60 ? second : 59);
}

/*
 * Counted from the moment that the kernel's state was made for: what turned since is not missed. A clock that
 * was set back meanwhile makes that a moment of the future, so a minute is the longest wait.
 */
void schedule_next(struct engine *engine)
{
	const struct object_list *forwards = &engine->config->lists[KIND_FORWARD];
	int64_t made = engine->environment.now, next = next_minute(made), wait_ms;
	bool any = false;

	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];

		if (!forward->enabled || (!forward->expires_at && !forward->schedule.count))
			continue;
		any = true;
		if (forward->expires_at > made && forward->expires_at < next)
			next = forward->expires_at;
	}
	if (!any) {
		timer_stop(engine->clock);
		return;
	}
	wait_ms = next * 1000 - clock_ms();
	if (wait_ms < 0)
		wait_ms = 0;
	timer_start(engine->clock, (uint64_t)(wait_ms < MINUTE_MS ? wait_ms : MINUTE_MS));
}

int schedule_start(struct engine *engine, void (*due)(void *arg))
{
	engine->clock_due = due;
	return timer_new(engine->loop, on_clock, engine, &engine->clock);
}

void schedule_stop(struct engine *engine)
{
	timer_free(engine->clock);
}
