/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel kept as it shall be, whoever changes it: news gather, what they are about is read again,
 * compared, mended. What the kernel refuses is tried again with growing pauses.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "engine/private.h"

enum { RETRY_FIRST_S = 1, RETRY_LAST_S = 60 };
/* See rest(). */
enum { QUICK_MS = 10, QUARREL_FIRST_MS = 16, QUARREL_LAST_MS = 2048, CALM_MS = 1000 };

/* --- trying again --- */

void mend_retry_later(struct engine *engine)
{
	if (!engine->refusal_count && !engine->unread) {
		engine->retry_s = RETRY_FIRST_S;
		timer_stop(engine->retry);
	} else if (!timer_running(engine->retry)) {
		engine->retry_at_ms = loop_now_ms() + engine->retry_s * 1000u;
		timer_start(engine->retry, engine->retry_s * 1000u);
		if (engine->retry_s < RETRY_LAST_S)
			engine->retry_s = engine->retry_s * 2 < RETRY_LAST_S ? engine->retry_s * 2 :
									       RETRY_LAST_S;
	}
}

int64_t mend_retry_in_ms(const struct engine *engine)
{
	uint64_t at_ms = engine->dirty && timer_running(engine->resting) ? engine->rest_until_ms :
			 timer_running(engine->retry)                    ? engine->retry_at_ms :
									   0,
		 now_ms = loop_now_ms();

	if (!at_ms)
		return -1;
	return at_ms > now_ms ? (int64_t)(at_ms - now_ms) : 0;
}

/*
 * How long news of the kernel may gather before they are looked at again. Usually not at all; but a
 * comparison that took long is not made all the time, and one who at once undoes what we mend, or makes
 * us try again and again what is refused, is not answered faster and faster.
 */
static void rest(struct engine *engine, uint64_t began_ms, bool contested)
{
	uint64_t now_ms = loop_now_ms(), took_ms = now_ms - began_ms;
	uint64_t rest_ms = took_ms < QUICK_MS ? 0 : 2 * took_ms;

	if (contested) {
		if (!engine->contested_at_ms || engine->dirty_at_ms - engine->contested_at_ms > CALM_MS)
			engine->quarrel_ms = 0;
		else if (engine->quarrel_ms < QUARREL_LAST_MS)
			engine->quarrel_ms = engine->quarrel_ms ? engine->quarrel_ms * 2 : QUARREL_FIRST_MS;
		engine->contested_at_ms = now_ms;
		if (rest_ms < engine->quarrel_ms)
			rest_ms = engine->quarrel_ms;
	}
	engine->rest_until_ms = now_ms + rest_ms;
}

/* --- mending --- */

static bool same_found(const struct found *a, const struct found *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (strcmp(a->texts[i], b->texts[i]) != 0)
			return false;
	return true;
}

/* A quarrel may go on for ever; the log, which may be small and in memory, need not have all of it. */
static void log_mended(struct engine *engine, const struct found *found)
{
	if (engine->quarrel_ms == QUARREL_LAST_MS && same_found(found, &engine->last_found)) {
		if (!engine->quarrel_said)
			log_warning(
				"somebody undoes that again and again: it is mended each time, and not told here any more");
		engine->quarrel_said = true;
		return;
	}
	engine->quarrel_said = false;
	for (unsigned i = 0; i < found->count; i++)
		log_warning("mended what somebody changed: %s", found->texts[i]);
}

static void note_mended(struct engine *engine, const struct found *found)
{
	log_mended(engine, found);
	engine->mended++;
	engine->last_mended = engine_now();
	engine->last_found = *found;
}

/* Reads devices and fw4 again, as far as the news are about them. */
static int read_anew(struct engine *engine, unsigned what, bool *ret_fw4_changed, struct err *err)
{
	if (what & KERNEL_LINKS) {
		int r = engine_read_links(engine);

		if (r < 0)
			return engine_not_asked(engine, "reading devices and addresses", r, err);
	}
	if (what & (KERNEL_TABLE | KERNEL_FW4)) {
		struct fw4 fw4;
		int r = engine->kernel->ops->read_fw4(engine->kernel, &fw4);

		if (r < 0)
			return engine_not_asked(engine, "reading the rules of OpenWrt's firewall", r, err);
		*ret_fw4_changed = engine->environment.fw4 != fw4.there;
		engine->environment.fw4 = fw4.there;
		engine->fw4 = fw4;
	}
	return 0;
}

void mend_now(struct engine *engine)
{
	unsigned what = engine->dirty | engine->unread;
	uint64_t began_ms = loop_now_ms();
	struct work work = { .links = what & KERNEL_LINKS };
	bool fw4_changed = false;
	struct err err;

	engine->dirty = engine->unread = 0;
	events_look(engine);
	err_clear(&err);
	if (read_anew(engine, what, &fw4_changed, &err) < 0) {
		engine->unread = what; /* nothing is done upon what may be wrong */
		mend_retry_later(engine);
		rest(engine, began_ms, true);
		return;
	}
	if (what & ENGINE_FITNESS)
		engine_note_uplinks(engine);
	if (what == KERNEL_FW4 && !fw4_changed) {
		rest(engine, began_ms, false);
		return;
	}
	if (what & KERNEL_TABLE)
		engine_forget_observed(engine);
	else if (what & (KERNEL_ROUTES | KERNEL_SYSCTL))
		engine->routing_unknown = true;
	engine_bring_about(engine, engine->config, &work, &err);
	if (work.found.count)
		note_mended(engine, &work.found);
	if (work.steps || work.links)
		flows_search(engine);
	schedule_next(engine);
	rest(engine, began_ms, work.found.count || engine->refusal_count);
}

static void before_sleep(void *arg)
{
	struct engine *engine = arg;
	uint64_t now_ms = loop_now_ms();

	if (!engine->dirty)
		return;
	if (now_ms >= engine->rest_until_ms)
		mend_now(engine);
	else if (!timer_running(engine->resting))
		timer_start(engine->resting, engine->rest_until_ms - now_ms);
}

void mend_news(void *arg, unsigned what)
{
	struct engine *engine = arg;

	if (!engine->dirty)
		engine->dirty_at_ms = loop_now_ms();
	engine->dirty |= what;
}

/* After a refusal, and when a forward expires: nothing is known to have changed. */
static void on_retry(void *arg)
{
	mend_now(arg);
}

static void on_rested(void *arg)
{
	(void)arg; /* before_sleep() comes next */
}

int mend_start(struct engine *engine)
{
	engine->retry_s = RETRY_FIRST_S;
	if (timer_new(engine->loop, on_retry, engine, &engine->retry) < 0 ||
	    timer_new(engine->loop, on_rested, engine, &engine->resting) < 0 ||
	    schedule_start(engine, on_retry) < 0 || loop_add_step(engine->loop, before_sleep, engine) < 0)
		return -ENOMEM;
	engine->dirty = KERNEL_LINKS | KERNEL_TABLE;
	mend_now(engine);
	return 0;
}

void mend_stop(struct engine *engine)
{
	timer_free(engine->retry);
	timer_free(engine->resting);
}
