/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/private.h"
#include "kernel/sysctl.h"
#include "model/compile.h"

/* --- states --- */

static struct kstate *state_new(void)
{
	return calloc(1, sizeof(struct kstate));
}

static void state_free(struct kstate *state)
{
	if (!state)
		return;
	kstate_done(state);
	free(state);
}

static void set_observed(struct engine *engine, struct kstate *observed)
{
	if (engine->observed != engine->desired && engine->observed != observed)
		state_free(engine->observed);
	engine->observed = observed;
}

void engine_forget_observed(struct engine *engine)
{
	set_observed(engine, NULL);
}

static void set_desired(struct engine *engine, struct kstate *desired)
{
	if (engine->desired != engine->observed && engine->desired != desired)
		state_free(engine->desired);
	engine->desired = desired;
}

/* --- reading the kernel --- */

void engine_note_uplinks(struct engine *engine)
{
	health_update(engine);
	ways_resolve(engine->config, &engine->links, &engine->environment, &engine->ways);
	for (unsigned i = 0; i < engine->ways.count; i++) {
		const struct uplink_live *live = &engine->ways.uplinks[i];
		const struct uplink *uplink = live->uplink;
		struct uplink_memory *memory = &engine->uplinks[uplink->object.id];

		if (memory->known && memory->up == live->up)
			continue;
		log_info("uplink \"%s\" (%s) is %s%s%s", uplink->object.name, uplink->device,
			 live->up ? "up" : "down", live->up ? "" : ": ", live->up ? "" : live->why_down);
		*memory = (struct uplink_memory){ .known = true, .up = live->up, .since = engine_now() };
		health_note(engine, uplink->object.id, live->up, live->why_down);
	}
}

int engine_read_links(struct engine *engine)
{
	struct links links = { 0 };
	int r = engine->kernel->ops->read_links(engine->kernel, &links);

	if (r < 0)
		return r;
	links_done(&engine->links);
	engine->links = links;
	engine_note_uplinks(engine);
	return 0;
}

/* `table`: whose table is in the kernel, if that is known and needs not be read; else NULL. */
static int read_observed(struct engine *engine, const struct kstate *desired, const struct kstate *table,
			 struct kstate **ret_state)
{
	struct kstate *observed = state_new();

	if (!observed)
		return -ENOMEM;
	int r = engine->kernel->ops->read_state(engine->kernel, desired, !table, observed);

	if (r < 0) {
		free(observed);
		return r;
	}
	if (table)
		kstate_borrow_table(observed, table);
	*ret_state = observed;
	return 0;
}

/*
 * The desired state of a configuration as things are now, by the clock of `environment`. Nothing at all is desired, not even
 * an idle table, until somebody has configured something: who only installs a package finds the kernel as it was.
 */
static int make_desired(const struct engine *engine, const struct config *config,
			const struct environment *environment, struct kstate **ret_state)
{
	struct kstate *state = state_new();

	if (!state)
		return -ENOMEM;
	if (config == engine->config && !engine->revision) {
		kstate_init(state);
		*ret_state = state;
		return 0;
	}
	int r = compile(config, &engine->links, environment, state);

	if (r < 0) {
		free(state);
		return r;
	}
	*ret_state = state;
	return 0;
}

/* --- applying --- */

static void describe(const struct step_failure *failure, struct refusal *refusal)
{
	struct buf text;

	buf_init(&text, STEP_TEXT_MAX - 1);
	if (failure->step)
		step_print(failure->step, 1, &text);
	else
		buf_puts(&text, "nft table inet " KTABLE_NAME);
	snprintf(refusal->step, sizeof(refusal->step), "%s", buf_text(&text));
	snprintf(refusal->text, sizeof(refusal->text), "%s", failure->text);
	buf_done(&text);
}

static bool known_refusal(const struct engine *engine, const struct refusal *refusal)
{
	for (unsigned i = 0; i < engine->refusal_count; i++)
		if (strcmp(engine->refusals[i].step, refusal->step) == 0)
			return true;
	return false;
}

/* The table is one transaction: with one thing in it refused, nothing of a change has happened. */
static bool hinders(const struct step_failure *failure)
{
	return !failure->step || step_is_nft(failure->step);
}

/*
 * Keeps what was refused and logs what is new of it. Returns, for a change that
 * somebody waits for, the failure that the change is to blame for: one
 * that was there before does not hinder others, unless it is the table itself.
 */
static int take_result(struct engine *engine, const struct apply_result *result, struct err *err)
{
	struct refusal refusals[STEP_FAILURES_MAX];
	int blamed = 0;

	for (unsigned i = 0; i < result->count; i++) {
		describe(&result->failures[i], &refusals[i]);
		bool known = known_refusal(engine, &refusals[i]);

		if (!known)
			log_error("the kernel refused `%s`: %s", refusals[i].step, refusals[i].text);
		if (!blamed && (!known || hinders(&result->failures[i])))
			blamed = err_set(err, ERR_KERNEL, "the kernel refused `%s`: %s", refusals[i].step,
					 refusals[i].text);
	}
	memcpy(engine->refusals, refusals, result->count * sizeof(*refusals));
	engine->refusal_count = result->count;
	return blamed;
}

/*
 * True if what was observed says of every sysctl that is desired what it is. Only those that were
 * desired then were read, so a configuration that wants others has the kernel read again.
 */
static bool sysctls_observed(const struct kstate *observed, const struct kstate *desired)
{
	for (unsigned i = 0; i < desired->sysctl_count; i++) {
		bool found = false;

		for (unsigned j = 0; j < observed->sysctl_count && !found; j++)
			found = strcmp(observed->sysctls[j].path, desired->sysctls[i].path) == 0;
		if (!found)
			return false;
	}
	return true;
}

int engine_not_asked(struct engine *engine, const char *step, int error, struct err *err)
{
	struct refusal refusal;

	snprintf(refusal.step, sizeof(refusal.step), "%s", step);
	snprintf(refusal.text, sizeof(refusal.text), "%s", strerror(-error));
	if (!known_refusal(engine, &refusal))
		log_error("%s: %s", refusal.step, refusal.text);
	engine->refusals[0] = refusal;
	engine->refusal_count = 1;
	set_observed(engine, NULL);
	mend_retry_later(engine);
	return err_set(err, ERR_KERNEL, "%s: %s", refusal.step, refusal.text);
}

static bool table_taken(const struct apply_result *result)
{
	for (unsigned i = 0; i < result->count; i++)
		if (hinders(&result->failures[i]))
			return false;
	return true;
}

/* What of our last work was found undone, among the differences that `result` says are mended. */
static void note_found(const struct engine *engine, bool refused_before, const struct apply_result *result,
		       struct work *work)
{
	enum found_scope scope = refused_before || result->count ? FOUND_TABLE :
				 work->links                     ? FOUND_NOT_OF_DEVICES :
								   FOUND_ALL;
	struct plan plan;

	if (!engine->table_held || !table_taken(result) ||
	    plan_make(engine->desired, engine->observed, &plan) < 0)
		return;
	found_describe(&plan, engine->observed, scope, &work->found);
	plan_done(&plan);
}

int engine_bring_about(struct engine *engine, const struct config *config, struct work *ret_work,
		       struct err *err)
{
	bool refused_before = engine->refusal_count;
	struct apply_result result = { 0 };
	struct kstate *desired, *observed;
	struct plan plan;
	int r;

	schedule_read_clock(&engine->environment);
	r = make_desired(engine, config, &engine->environment, &desired);
	if (r < 0)
		return engine_not_asked(engine, "computing the kernel's state", r, err);
	if (!engine->observed || engine->routing_unknown || !sysctls_observed(engine->observed, desired)) {
		r = read_observed(engine, desired, engine->observed, &observed);
		if (r < 0) {
			state_free(desired);
			return engine_not_asked(engine, "reading the kernel's state", r, err);
		}
		set_observed(engine, observed);
		engine->routing_unknown = false;
	}
	r = plan_make(desired, engine->observed, &plan);
	if (r < 0) {
		state_free(desired);
		return engine_not_asked(engine, "comparing with the kernel's state", r, err);
	}
	struct counter_loss *loss = counters_before(engine, &plan, config);

	if (plan.count) {
		sysctls_remember(engine, &plan);
		engine->kernel->ops->apply(engine->kernel, &plan, &result);
	}
	r = take_result(engine, &result, err);
	if (ret_work)
		ret_work->steps = plan.count;
	if (ret_work && plan.count && engine->observed != engine->desired)
		note_found(engine, refused_before, &result, ret_work);
	engine->table_held = table_taken(&result);
	counters_after(engine, &plan, config, loss, engine->table_held);
	plan_done(&plan);
	set_desired(engine, desired);
	set_observed(engine, result.count ? NULL : desired);
	if (!result.count && engine->kernel->ops->watch_sysctls(engine->kernel, desired) < 0)
		log_error("out of memory: changes of sysctls are noticed no more");
	mend_retry_later(engine);
	return r;
}

/* --- life --- */

int engine_new(struct loop *loop, struct store *store, const struct engine_options *options,
	       struct engine **ret_engine, struct err *err)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	const struct kernel_events events = { .changed = mend_news, .arg = engine };

	if (!engine)
		return err_set(err, ERR_INTERNAL, "out of memory");
	engine->loop = loop;
	engine->store = store;
	engine->environment.admin_port_count = options->admin_port_count;
	memcpy(engine->environment.admin_ports, options->admin_ports, sizeof(options->admin_ports));

	int r = store_load(store, &engine->config, &engine->revision, err);

	if (r == 0)
		r = trial_start(engine, err);
	if (r < 0)
		goto fail;
	r = options->kernel ? 0 : kernel_open(loop, &events, &engine->kernel, err);
	if (r < 0)
		goto fail;
	if (options->kernel)
		engine->kernel = options->kernel(options->kernel_arg, &events);
	r = -ENOMEM;
	if (sysctls_start(engine) < 0 || health_start(engine) < 0 || flows_start(engine) < 0 ||
	    counters_start(engine) < 0 || settle_start(engine) < 0 || events_start(engine) < 0 ||
	    mend_start(engine) < 0) {
		err_set(err, ERR_INTERNAL, "out of memory");
		goto fail;
	}
	*ret_engine = engine;
	return 0;
fail:
	engine_free(engine);
	return r;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	health_stop(engine);
	sysctls_stop(engine);
	if (engine->kernel)
		engine->kernel->ops->free(engine->kernel);
	counters_stop(engine);
	flows_stop(engine);
	schedule_stop(engine);
	events_stop(engine);
	mend_stop(engine);
	settle_stop(engine);
	trial_stop(engine);
	set_observed(engine, NULL);
	set_desired(engine, NULL);
	links_done(&engine->links);
	config_unref(engine->config);
	free(engine);
}

void engine_recheck(struct engine *engine)
{
	mend_news(engine, KERNEL_LINKS | KERNEL_TABLE | KERNEL_ROUTES | KERNEL_SYSCTL);
}

const struct config *engine_config(const struct engine *engine)
{
	return engine->config;
}

uint64_t engine_revision(const struct engine *engine)
{
	return engine->revision;
}

const struct links *engine_links(const struct engine *engine)
{
	return &engine->links;
}

const struct environment *engine_environment(const struct engine *engine)
{
	return &engine->environment;
}

const struct ways *engine_ways(const struct engine *engine)
{
	return &engine->ways;
}

/* --- changing --- */

/* Puts the kernel back to the configuration in force; what fails now is retried and shown in status. */
static void go_back(struct engine *engine)
{
	struct err ignored;

	err_clear(&ignored);
	engine_bring_about(engine, engine->config, NULL, &ignored);
}

static void forget_uplinks(struct engine *engine)
{
	for (unsigned id = 1; id <= UPLINKS_MAX; id++)
		if (!config_find(engine->config, KIND_UPLINK, id))
			engine->uplinks[id].known = false;
}

/*
 * The revision is written, then the kernel is asked, then the revision becomes durable: whichever
 * of the three fails, the other two are as before. A crash in between leaves the old revision, and
 * the next start mends the kernel.
 */
static int commit(struct engine *engine, struct config *next, const struct changes *changes,
		  const struct change_request *request, enum commit_trial trial, struct err *err)
{
	const struct commit info = { .author = request->author,
				     .reason = request->reason,
				     .at = engine_now(),
				     .history_length = (unsigned)config_settings(next)->history_length,
				     .trial = trial };
	uint64_t revision;
	int r = store_begin(engine->store, changes, &info, &revision, err);

	if (r < 0)
		return r;
	r = engine_bring_about(engine, next, NULL, err);
	if (r < 0) {
		store_undo(engine->store);
		sysctls_committed(engine, false);
		go_back(engine);
		return r;
	}
	r = store_finish(engine->store, err);
	sysctls_committed(engine, r == 0);
	if (r < 0) {
		go_back(engine);
		return r;
	}
	settle_later(engine);
	config_unref(engine->config);
	engine->config = config_ref(next);
	engine->revision = revision;
	return 0;
}

void engine_new_config(struct engine *engine)
{
	forget_uplinks(engine);
	engine_note_uplinks(engine);
}

int engine_commit(struct engine *engine, struct config *next, const struct change_request *request,
		  struct err *err)
{
	uint64_t old_revision = engine->revision;
	enum commit_trial trial = COMMIT_AS_IT_IS;
	struct changes changes;
	int r = config_check(next, request->focus, err);

	if (r == 0)
		r = trial_admit(engine, next, request, &trial, err);
	if (r < 0)
		return r;
	if (engine->dirty || engine->unread) /* the comparison below is with the present, not with what was */
		mend_now(engine);
	if (engine->unread)
		return err_set(err, ERR_KERNEL, "%s: %s", engine->refusals[0].step, engine->refusals[0].text);
	if (config_diff(engine->config, next, &changes) < 0)
		return err_set(err, ERR_INTERNAL, "out of memory");
	struct config *old = config_ref(engine->config); /* the changes point into it */

	if (changes.count)
		r = commit(engine, next, &changes, request, trial, err);
	if (changes.count && r == 0) {
		log_info("revision %llu: %s (%s)", (unsigned long long)engine->revision, request->reason,
			 request->author);
		engine_new_config(engine);
		flows_search(engine);
		schedule_next(engine);
		events_committed(engine, request, &changes);
	}
	if (r == 0 && (changes.count || trial == COMMIT_AS_IT_IS))
		trial_committed(engine, trial, old, old_revision, request);
	changes_done(&changes);
	config_unref(old);
	return r;
}

int engine_former(struct engine *engine, uint64_t revision, struct config **ret_config, struct err *err)
{
	int r = trial_settled(engine, err);

	return r < 0 ? r : store_former(engine->store, engine->config, revision, ret_config, err);
}

/* The difference that `desired` would make to what is there; what is remembered of that is left as it is. */
static int plan_against_kernel(struct engine *engine, const struct kstate *desired, json_t **ret_json,
			       struct err *err)
{
	struct kstate *observed = engine->observed;
	bool known = observed && !engine->dirty && sysctls_observed(observed, desired);
	struct plan plan;
	int r = known ? 0 : read_observed(engine, desired, NULL, &observed);

	if (r < 0)
		return err_set(err, ERR_KERNEL, "the kernel's state cannot be read: %s", strerror(-r));
	r = plan_make(desired, observed, &plan);
	if (r == 0) {
		*ret_json = plan_to_json(&plan);
		plan_done(&plan);
	}
	if (!known)
		state_free(observed);
	return r == 0 && *ret_json ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
}

int engine_plan(struct engine *engine, const struct config *next, json_t **ret_json, struct err *err)
{
	struct environment environment = engine->environment;
	json_t *kernel = NULL;
	struct kstate *desired;
	struct changes changes;
	int r = config_check(next, NULL, err);

	if (r < 0)
		return r;
	schedule_read_clock(&environment);
	r = make_desired(engine, next, &environment, &desired);
	if (r < 0)
		return err_set(err, ERR_INTERNAL, "the kernel state cannot be computed: %s", strerror(-r));
	r = plan_against_kernel(engine, desired, &kernel, err);
	state_free(desired);
	if (r < 0)
		return r;
	if (config_diff(engine->config, next, &changes) < 0) {
		json_decref(kernel);
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	*ret_json = json_pack("{s:o, s:o}", "changes", changes_to_json(&changes), "kernel", kernel);
	changes_done(&changes);
	return *ret_json ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
}

static void give_back(void *arg, const char *path, int value)
{
	(void)arg;
	/* It may be gone with its device. */
	if (sysctl_write(path, value) == 0)
		log_info("%s is %d again", path, value);
}

/* Only what was changed here, since this boot. */
static int give_back_sysctls(const char *database, struct err *err)
{
	char place[SYSCTL_PLACE_MAX];

	if (access(database, F_OK) < 0)
		return 0;
	sysctl_place(place);
	return store_read_sysctls(database, place, give_back, NULL, err);
}

int engine_flush(const char *database, struct err *err)
{
	const struct kernel_events nobody = { 0 };
	struct apply_result result = { 0 };
	struct kstate nothing, observed;
	struct kernel *kernel = NULL;
	struct loop *loop = NULL;
	struct plan plan;
	int r = loop_new(&loop), given_back;

	if (r < 0)
		return err_set(err, ERR_INTERNAL, "out of memory");
	/* First, so that what forwards for us alone does not do it without the filter. */
	given_back = give_back_sysctls(database, err);
	r = kernel_open(loop, &nobody, &kernel, err);
	if (r < 0)
		goto free_loop;
	kstate_init(&nothing);
	r = kernel->ops->read_state(kernel, &nothing, true, &observed);
	if (r < 0) {
		err_set(err, ERR_KERNEL, "the kernel's state cannot be read: %s", strerror(-r));
		goto free_kernel;
	}
	r = plan_make(&nothing, &observed, &plan);
	if (r == 0) {
		r = kernel->ops->apply(kernel, &plan, &result);
		if (result.count)
			err_set(err, ERR_KERNEL, "%s", result.failures[0].text);
		plan_done(&plan);
	}
	if (r == 0)
		r = given_back;
	kstate_done(&observed);
free_kernel:
	kstate_done(&nothing);
	kernel->ops->free(kernel);
free_loop:
	loop_free(loop);
	return r;
}
