/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes on trial: the last confirmed configuration comes back unless somebody confirms the new one in time.
 *
 * The store knows of a trial from the transaction that made its first revision until the one that ends it, so that
 * what was not confirmed is never enforced by another run: that one takes it back before it touches the kernel.
 * When it is taken back the revision is recorded first. But nobody may be kept out of his router because the disk is
 * full: where that fails the former configuration is enforced all the same, and recorded as soon as it can be.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "engine/events.h"
#include "engine/private.h"

enum { RETRY_FIRST_S = 1, RETRY_LAST_S = 60 };

static const char outcome_confirmed[] = "confirmed", outcome_undone[] = "undone",
		  outcome_expired[] = "expired";

/* The return is in force, but not recorded yet. */
static bool is_owed(const struct trial *trial)
{
	return trial->left != NULL;
}

static void end(struct trial *trial)
{
	if (trial->timer)
		timer_stop(trial->timer);
	config_unref(trial->confirmed);
	config_unref(trial->left);
	*trial = (struct trial){ .timer = trial->timer };
}

/* --- the way back --- */

static int write_return(struct engine *engine, struct changes *changes, uint64_t *ret_revision,
			struct err *err)
{
	const struct trial *trial = &engine->trial;
	const struct commit info = {
		.author = "expiry",
		.reason = trial->reason,
		.at = engine_now(),
		.history_length = (unsigned)config_settings(trial->confirmed)->history_length,
		.trial = COMMIT_ENDS_TRIAL,
	};
	int r = store_begin(engine->store, changes, &info, ret_revision, err);

	return r < 0 ? r : store_finish(engine->store, err);
}

static void tell_return(struct engine *engine, const struct changes *changes)
{
	const struct change_request request = { .author = "expiry", .reason = engine->trial.reason };

	log_warning("revision %llu: %s", (unsigned long long)engine->revision, engine->trial.reason);
	if (!engine->events) /* nobody can listen yet */
		return;
	settle_later(engine);
	events_committed(engine, &request, changes);
}

static void record_later(struct engine *engine, const struct err *err)
{
	struct trial *trial = &engine->trial;

	if (strcmp(trial->failure, err->detail) != 0)
		log_error("the return to revision %llu cannot be recorded: %s",
			  (unsigned long long)trial->confirmed_revision, err->detail);
	snprintf(trial->failure, sizeof(trial->failure), "%s", err->detail);
	trial->retry_s = !trial->retry_s                   ? RETRY_FIRST_S :
			 trial->retry_s * 2 < RETRY_LAST_S ? trial->retry_s * 2 :
							     RETRY_LAST_S;
	timer_start(trial->timer, trial->retry_s * 1000u);
	events_trial(engine, NULL);
}

static void record_return(struct engine *engine)
{
	struct trial *trial = &engine->trial;
	struct changes changes;
	uint64_t revision;
	struct err err;
	int r;

	err_clear(&err);
	if (config_diff(trial->left, trial->confirmed, &changes) < 0) {
		err_set(&err, ERR_INTERNAL, "out of memory");
		record_later(engine, &err);
		return;
	}
	r = write_return(engine, &changes, &revision, &err);
	if (r == 0) {
		engine->revision = revision;
		tell_return(engine, &changes);
	} else {
		record_later(engine, &err);
	}
	changes_done(&changes);
	if (r == 0) {
		end(trial);
		events_trial(engine, outcome_expired);
	}
}

/* The confirmed configuration is the one in force from here on. To be recorded, then brought about. */
static void take_back(struct engine *engine, const char *why)
{
	struct trial *trial = &engine->trial;

	snprintf(trial->reason, sizeof(trial->reason), "%s: back to revision %llu", why,
		 (unsigned long long)trial->confirmed_revision);
	trial->left = engine->config;
	engine->config = config_ref(trial->confirmed);
}

static void go_back(struct engine *engine, const char *why)
{
	struct config *before = config_ref(engine->config); /* what the kernel still has was made of it */

	take_back(engine, why);
	engine_new_config(engine);
	record_return(engine);
	mend_now(engine); /* what the kernel refuses is tried again, and shown, as ever */
	config_unref(before);
}

static void on_timer(void *arg)
{
	struct engine *engine = arg;

	if (is_owed(&engine->trial))
		record_return(engine);
	else
		go_back(engine, "not confirmed in time");
}

void engine_end_trial(struct engine *engine)
{
	if (is_owed(&engine->trial))
		record_return(engine);
	else if (engine_on_trial(engine))
		go_back(engine, "porticod was stopped before it was confirmed");
}

int trial_start(struct engine *engine, struct err *err)
{
	struct trial *trial = &engine->trial;
	uint64_t confirmed;
	int r = timer_new(engine->loop, on_timer, engine, &trial->timer);

	if (r < 0)
		return err_set(err, ERR_INTERNAL, "out of memory");
	if (!store_trial(engine->store, &confirmed))
		return 0;
	r = store_former(engine->store, engine->config, confirmed, &trial->confirmed, err);
	if (r < 0)
		return r;
	trial->revision = engine->revision;
	trial->confirmed_revision = confirmed;
	take_back(engine, "porticod ended before it was confirmed");
	record_return(engine);
	return 0;
}

void trial_stop(struct engine *engine)
{
	end(&engine->trial);
	timer_free(engine->trial.timer);
}

/* --- commits --- */

int trial_settled(const struct engine *engine, struct err *err)
{
	const struct trial *trial = &engine->trial;

	if (!is_owed(trial))
		return 0;
	err->retry_after_s = trial->retry_s;
	return err_set(
		err, ERR_UNAVAILABLE,
		"revision %llu was not confirmed in time, and that revision %llu is back cannot be recorded: %s",
		(unsigned long long)trial->revision, (unsigned long long)trial->confirmed_revision,
		trial->failure);
}

static bool is_confirmed_again(const struct trial *trial, const struct config *next)
{
	struct changes changes;
	bool same;

	if (config_diff(trial->confirmed, next, &changes) < 0)
		return false;
	same = changes.count == 0;
	changes_done(&changes);
	return same;
}

int trial_admit(const struct engine *engine, const struct config *next, const struct change_request *request,
		enum commit_trial *ret_step, struct err *err)
{
	const struct trial *trial = &engine->trial;
	int r = trial_settled(engine, err);

	if (r < 0)
		return r;
	*ret_step = COMMIT_AS_IT_IS;
	if (!trial->confirmed) {
		if (request->confirm_within_s)
			*ret_step = COMMIT_ON_TRIAL;
	} else if (is_confirmed_again(trial, next)) {
		*ret_step = COMMIT_ENDS_TRIAL;
	} else if (engine->revision - trial->confirmed_revision >= TRIAL_REVISIONS_MAX) {
		return err_set(err, ERR_CONFLICT, "the trial has %d revisions: confirm or restore one first",
			       TRIAL_REVISIONS_MAX);
	}
	return 0;
}

void trial_committed(struct engine *engine, enum commit_trial step, struct config *before,
		     uint64_t before_revision, const struct change_request *request)
{
	struct trial *trial = &engine->trial;

	if (step == COMMIT_ENDS_TRIAL) {
		end(trial);
		events_trial(engine, outcome_undone);
		return;
	}
	if (step == COMMIT_ON_TRIAL && !trial->confirmed) {
		trial->confirmed = config_ref(before);
		trial->confirmed_revision = before_revision;
	}
	if (!trial->confirmed)
		return;
	trial->revision = engine->revision;
	if (request->confirm_within_s) {
		trial->deadline_ms = loop_now_ms() + request->confirm_within_s * 1000ull;
		timer_start(trial->timer, request->confirm_within_s * 1000ull);
	}
	events_trial(engine, NULL);
}

int engine_confirm(struct engine *engine, const char *author, struct err *err)
{
	struct trial *trial = &engine->trial;
	int r = trial_settled(engine, err);

	if (r < 0)
		return r;
	if (!trial->confirmed)
		return err_set(err, ERR_CONFLICT, "nothing is on trial");
	r = store_confirm(engine->store, author, engine_now(), err);
	if (r < 0)
		return r;
	settle_later(engine);
	log_info("revision %llu is confirmed (%s)", (unsigned long long)engine->revision, author);
	end(trial);
	events_trial(engine, outcome_confirmed);
	return 0;
}

/* --- telling --- */

bool engine_on_trial(const struct engine *engine)
{
	return engine->trial.confirmed != NULL;
}

json_t *engine_trial_status(const struct engine *engine)
{
	const struct trial *trial = &engine->trial;
	uint64_t now_ms = loop_now_ms();
	uint64_t left_ms = trial->deadline_ms > now_ms ? trial->deadline_ms - now_ms : 0;

	if (!trial->confirmed)
		return json_null();
	return json_pack("{s:o, s:f, s:I, s:I, s:s?}", "until",
			 time_to_json(engine_now() + (int64_t)(left_ms / 1000)), "remaining_s",
			 (double)left_ms / 1000, "revision", (json_int_t)trial->revision,
			 "confirmed_revision", (json_int_t)trial->confirmed_revision, "failure",
			 is_owed(trial) ? trial->failure : NULL);
}
