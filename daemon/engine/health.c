/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One monitor for each uplink: a judge (model/judge.c), which is told of the link and of answers, and a prober
 * (kernel/probe.c), which sends the rounds that the judge asks for. What the judges say goes into
 * environment.fitness, and from there the way of every change.
 */
#include "engine/health.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "base/log.h"
#include "engine/private.h"
#include "model/judge.h"

enum {
	TARGET_BITS = 32 - JUDGE_NUMBER_BITS, /* of a probe's token; the rest is the number of its round */
	TEST_TIMEOUT_MS = 1000,
};

_Static_assert(HEALTH_TARGETS_MAX <= 1 << TARGET_BITS, "a target's number fits into a token");

struct test {
	struct prober *prober;
	struct timer *timer; /* until the answers must be there; NULL: there is no test */
	unsigned count, need, answered;
	struct health_test_report report;
	health_test_fn *done;
	void *arg;
};

struct monitor {
	struct engine *engine;
	struct uplink *uplink; /* as it was looked at last; a reference */
	struct judge judge;
	struct probe_path path;
	struct prober *prober; /* NULL: nothing is probed */
	unsigned target_count;
	struct probe_target targets[HEALTH_TARGETS_MAX];

	unsigned transition_count; /* all that there were */
	struct health_transition transitions[HEALTH_TRANSITIONS_MAX];
	struct test test;
};

struct health_watch {
	struct timer *timer;
	struct monitor *monitors[UPLINKS_MAX + 1]; /* by uplink id; NULL: there is none */
};

static int64_t epoch_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* --- what the judges say --- */

/* True if it is news. */
static bool take_fitness(struct engine *engine, const struct monitor *monitor)
{
	uint8_t *kept = &engine->environment.fitness[monitor->uplink->object.id];
	uint8_t fitness = (uint8_t)judge_fitness(&monitor->judge);

	if (*kept == fitness)
		return false;
	*kept = fitness;
	return true;
}

static void schedule(struct engine *engine)
{
	struct health_watch *health = engine->health;
	uint64_t next_ms = UINT64_MAX, now_ms = loop_now_ms();

	for (unsigned id = 1; id <= UPLINKS_MAX; id++) {
		uint64_t wakes_ms = health->monitors[id] ? judge_wakes_ms(&health->monitors[id]->judge) :
							   UINT64_MAX;

		next_ms = wakes_ms < next_ms ? wakes_ms : next_ms;
	}
	if (next_ms == UINT64_MAX)
		timer_stop(health->timer);
	else
		timer_start(health->timer, next_ms > now_ms ? next_ms - now_ms : 0);
}

static void send_round(struct monitor *monitor, uint32_t round)
{
	const struct kernel_ops *ops = monitor->engine->kernel->ops;

	for (unsigned i = 0; monitor->prober && i < monitor->target_count; i++)
		/* What cannot be sent is not answered. */
		(void)ops->prober_send(monitor->prober, &monitor->targets[i], round << TARGET_BITS | i);
}

static void on_time(void *arg)
{
	struct engine *engine = arg;
	bool news = false;

	for (unsigned id = 1; id <= UPLINKS_MAX; id++) {
		struct monitor *monitor = engine->health->monitors[id];
		uint32_t round;

		if (monitor && judge_turn(&monitor->judge, loop_now_ms(), &round))
			send_round(monitor, round);
		news |= monitor && take_fitness(engine, monitor);
	}
	if (news)
		mend_news(engine, ENGINE_FITNESS);
	schedule(engine);
}

static void on_answer(void *arg, uint32_t token, uint32_t latency_us)
{
	struct monitor *monitor = arg;

	judge_answer(&monitor->judge, token >> TARGET_BITS, token & ((1u << TARGET_BITS) - 1), latency_us,
		     loop_now_ms());
	if (take_fitness(monitor->engine, monitor))
		mend_news(monitor->engine, ENGINE_FITNESS);
	schedule(monitor->engine);
}

/* --- keeping up with configuration and links --- */

static struct ip source_of(const struct link *link, uint8_t family)
{
	for (unsigned i = 0; link && i < link->address_count; i++) {
		const struct link_address *address = &link->addresses[i];

		if (address->address.family == family && uplink_address_counts(address) &&
		    !address->deprecated)
			return address->address;
	}
	return (struct ip){ 0 };
}

static struct probe_path path_of(const struct uplink_live *live, enum health_method method)
{
	struct probe_path path = { .method = method,
				   .mark = live->mark,
				   .source4 = source_of(live->link, AF_INET),
				   .source6 = source_of(live->link, AF_INET6) };

	if (live->link)
		memcpy(path.device, live->link->name, sizeof(path.device));
	return path;
}

static bool same_path(const struct probe_path *a, const struct probe_path *b)
{
	return a->method == b->method && strcmp(a->device, b->device) == 0 && a->mark == b->mark &&
	       ip_compare(&a->source4, &b->source4) == 0 && ip_compare(&a->source6, &b->source6) == 0;
}

static void set_prober(struct monitor *monitor, const struct uplink_live *live, const struct health *health)
{
	const struct kernel_ops *ops = monitor->engine->kernel->ops;
	struct probe_path path = { 0 };

	if (health && live->linked)
		path = path_of(live, health->method);
	if (same_path(&path, &monitor->path) && !path.device[0] == !monitor->prober)
		return;
	ops->prober_free(monitor->prober);
	monitor->prober = NULL;
	monitor->path = path;
	if (path.device[0] &&
	    ops->prober_new(monitor->engine->kernel, &path, on_answer, monitor, &monitor->prober) < 0)
		log_error("out of memory: uplink \"%s\" is not probed", live->uplink->object.name);
}

static void configure(struct monitor *monitor, struct uplink *uplink)
{
	const struct health *old = monitor->uplink ? monitor->uplink->health : NULL, *new = uplink->health;
	uint32_t phase_ms;
	bool anew = !old || !new || old->method != new->method || !names_equal(&old->targets, &new->targets);

	monitor->target_count = new ? new->targets.count : 0;
	for (unsigned i = 0; i < monitor->target_count; i++)
		(void)probe_target_parse(new->method, new->targets.items[i], &monitor->targets[i]);
	random_bytes(&phase_ms, sizeof(phase_ms));
	judge_configure(&monitor->judge, new, anew, new ? phase_ms % (uint32_t) new->interval_ms : 0,
			loop_now_ms());
	object_ref(&uplink->object);
	if (monitor->uplink)
		object_unref(&monitor->uplink->object);
	monitor->uplink = uplink;
}

static void finish_test(void *monitor);

static void remove_monitor(struct engine *engine, uint32_t id)
{
	struct monitor *monitor = engine->health->monitors[id];

	engine->environment.fitness[id] = FITNESS_GOOD;
	if (!monitor)
		return;
	engine->health->monitors[id] = NULL;
	if (monitor->test.timer)
		finish_test(monitor);
	engine->kernel->ops->prober_free(monitor->prober);
	object_unref(&monitor->uplink->object);
	free(monitor);
}

static struct monitor *find_or_add(struct engine *engine, uint32_t id)
{
	struct monitor **monitor = &engine->health->monitors[id];

	if (*monitor)
		return *monitor;
	*monitor = calloc(1, sizeof(**monitor));
	if (!*monitor) {
		log_error("out of memory: an uplink is not watched");
		return NULL;
	}
	(*monitor)->engine = engine;
	judge_init(&(*monitor)->judge);
	return *monitor;
}

static void update_uplink(struct engine *engine, struct uplink *uplink)
{
	struct monitor *monitor = find_or_add(engine, uplink->object.id);
	struct uplink_live live;

	if (!monitor)
		return;
	if (monitor->uplink != uplink)
		configure(monitor, uplink);
	uplink_resolve(engine->config, uplink, &engine->links, &engine->environment, &live);
	set_prober(monitor, &live, uplink->health);
	judge_link(&monitor->judge, live.linked, loop_now_ms());
	take_fitness(engine, monitor);
}

void health_update(struct engine *engine)
{
	for (uint32_t id = 1; id <= UPLINKS_MAX; id++) {
		struct object *object = config_find(engine->config, KIND_UPLINK, id);

		if (object && ((struct uplink *)object)->enabled)
			update_uplink(engine, (struct uplink *)object);
		else
			remove_monitor(engine, id);
	}
	schedule(engine);
}

void health_note(struct engine *engine, uint32_t uplink_id, bool up, const char *reason)
{
	struct monitor *monitor = engine->health->monitors[uplink_id];

	if (monitor)
		monitor->transitions[monitor->transition_count++ % HEALTH_TRANSITIONS_MAX] =
			(struct health_transition){ .at_ms = epoch_ms(), .up = up, .reason = reason };
}

int health_start(struct engine *engine)
{
	engine->health = calloc(1, sizeof(*engine->health));
	return engine->health ? timer_new(engine->loop, on_time, engine, &engine->health->timer) : -ENOMEM;
}

void health_stop(struct engine *engine)
{
	if (!engine->health)
		return;
	for (uint32_t id = 1; id <= UPLINKS_MAX; id++)
		remove_monitor(engine, id);
	timer_free(engine->health->timer);
	free(engine->health);
	engine->health = NULL;
}

/* --- telling of it --- */

static const struct monitor *monitor_of(const struct engine *engine, uint32_t uplink_id)
{
	return uplink_id <= UPLINKS_MAX ? engine->health->monitors[uplink_id] : NULL;
}

void engine_health_numbers(const struct engine *engine, uint32_t uplink_id,
			   struct health_numbers *ret_numbers)
{
	const struct uplink_live *live = ways_find(&engine->ways, uplink_id);
	const struct monitor *monitor = monitor_of(engine, uplink_id);
	struct judge_numbers numbers;

	*ret_numbers = (struct health_numbers){ .in_use = live && ways_use(&engine->ways, live) };
	if (!monitor)
		return;
	judge_measure(&monitor->judge, &numbers);
	ret_numbers->probed = monitor->prober;
	ret_numbers->measured = monitor->prober && numbers.rounds;
	ret_numbers->latency_ms = numbers.latency_us ? numbers.latency_us / 1000.0 : -1;
	ret_numbers->jitter_ms = numbers.latency_us ? numbers.jitter_us / 1000.0 : -1;
	if (numbers.rounds)
		ret_numbers->loss_percent = numbers.lost * 100.0 / numbers.rounds;
	if (judge_fitness(&monitor->judge) == FITNESS_HELD)
		ret_numbers->held_until = (epoch_ms() +
					   (int64_t)(monitor->judge.hold_until_ms - loop_now_ms())) /
					  1000;
}

unsigned engine_health_samples(const struct engine *engine, uint32_t uplink_id,
			       struct health_sample ret_samples[HEALTH_SAMPLES_MAX])
{
	const struct monitor *monitor = monitor_of(engine, uplink_id);
	int64_t offset_ms = epoch_ms() - (int64_t)loop_now_ms();
	unsigned count = 0;

	while (monitor && count < HEALTH_SAMPLES_MAX && judge_past_round(&monitor->judge, count))
		count++;
	for (unsigned i = 0; i < count; i++) {
		const struct judge_round *round = judge_past_round(&monitor->judge, count - 1 - i);

		ret_samples[i] = (struct health_sample){
			.at_ms = offset_ms + (int64_t)round->sent_ms,
			.latency_us = round->latency_us ? (int32_t)round->latency_us :
				      round->expired    ? -1 :
							  0,
			.late = round->expired && round->latency_us,
		};
	}
	return count;
}

unsigned engine_health_targets(const struct engine *engine, uint32_t uplink_id,
			       struct health_target ret_targets[HEALTH_TARGETS_MAX])
{
	const struct monitor *monitor = monitor_of(engine, uplink_id);
	unsigned count = monitor ? monitor->target_count : 0;

	for (unsigned i = 0; i < count; i++) {
		struct judge_target target;

		judge_measure_target(&monitor->judge, i, &target);
		ret_targets[i] = (struct health_target){
			.latency_ms = target.latency_us ? target.latency_us / 1000.0 : -1,
			.loss_percent = target.sent ? (target.sent - target.answered) * 100.0 / target.sent :
						      -1,
		};
	}
	return count;
}

unsigned engine_health_transitions(const struct engine *engine, uint32_t uplink_id,
				   struct health_transition ret_transitions[HEALTH_TRANSITIONS_MAX])
{
	const struct monitor *monitor = monitor_of(engine, uplink_id);
	unsigned all = monitor ? monitor->transition_count : 0;
	unsigned count = all < HEALTH_TRANSITIONS_MAX ? all : HEALTH_TRANSITIONS_MAX;

	for (unsigned i = 0; i < count; i++)
		ret_transitions[i] = monitor->transitions[(all - count + i) % HEALTH_TRANSITIONS_MAX];
	return count;
}

/* --- a test on demand --- */

static void end_test(struct monitor *monitor)
{
	struct test *test = &monitor->test;

	monitor->engine->kernel->ops->prober_free(test->prober);
	timer_free(test->timer);
	*test = (struct test){ 0 };
}

static void finish_test(void *arg)
{
	struct monitor *monitor = arg;
	struct test test = monitor->test;

	test.report.passed = test.answered >= test.need;
	end_test(monitor);
	test.done(test.arg, &test.report);
}

static void on_test_answer(void *arg, uint32_t token, uint32_t latency_us)
{
	struct monitor *monitor = arg;
	struct test *test = &monitor->test;

	if (token >= test->count || test->report.results[token].latency_ms >= 0)
		return;
	test->report.results[token].latency_ms = latency_us / 1000.0;
	if (++test->answered == test->count)
		timer_start(test->timer, 0);
}

static int begin_test(struct monitor *monitor, const struct probe_path *path,
		      const struct probe_target *targets, unsigned timeout_ms)
{
	const struct kernel_ops *ops = monitor->engine->kernel->ops;
	struct test *test = &monitor->test;
	bool sent = false;
	int r = timer_new(monitor->engine->loop, finish_test, monitor, &test->timer);

	if (r == 0)
		r = ops->prober_new(monitor->engine->kernel, path, on_test_answer, monitor, &test->prober);
	if (r < 0) {
		end_test(monitor);
		return r;
	}
	for (unsigned i = 0; i < test->count; i++) {
		r = ops->prober_send(test->prober, &targets[i], i);
		if (r < 0)
			test->report.results[i].error = strerror(-r);
		sent |= r == 0;
	}
	timer_start(test->timer, sent ? timeout_ms : 0);
	return 0;
}

int engine_health_test(struct engine *engine, uint32_t uplink_id, health_test_fn *done, void *arg,
		       struct err *err)
{
	const struct uplink_live *live = ways_find(&engine->ways, uplink_id);
	struct monitor *monitor = uplink_id <= UPLINKS_MAX ? engine->health->monitors[uplink_id] : NULL;
	const struct health *health = live ? live->uplink->health : NULL;
	struct probe_target gateways[2];
	unsigned gateway_count = 0;

	if (!monitor || !live || !live->link)
		return err_set(err, ERR_CONFLICT,
			       "there is nothing to test: the uplink is disabled or has no device");
	if (monitor->test.timer) {
		err_set(err, ERR_CONFLICT, "the uplink is being tested already");
		return -EBUSY;
	}
	if (live->gateway4.family)
		gateways[gateway_count++] = (struct probe_target){ .address = live->gateway4 };
	if (live->gateway6.family)
		gateways[gateway_count++] = (struct probe_target){ .address = live->gateway6 };
	if (!health && !gateway_count)
		return err_set(
			err, ERR_CONFLICT,
			"there is nothing to test: the uplink has neither a health check nor a gateway");

	const struct probe_path path = path_of(live, health ? health->method : HEALTH_ICMP);
	struct test *test = &monitor->test;

	*test = (struct test){ .count = health ? monitor->target_count : gateway_count,
			       .need = health ? monitor->judge.need : 1,
			       .done = done,
			       .arg = arg };
	test->report.count = test->count;
	for (unsigned i = 0; i < test->count; i++) {
		struct health_test_result *result = &test->report.results[i];
		char text[IP_TEXT_MAX];

		snprintf(result->target, sizeof(result->target), "%s",
			 health ? health->targets.items[i] : ip_format(&gateways[i].address, text));
		result->latency_ms = -1;
	}
	if (begin_test(monitor, &path, health ? monitor->targets : gateways,
		       health ? (unsigned)health->timeout_ms : TEST_TIMEOUT_MS) < 0)
		return err_set(err, ERR_INTERNAL, "out of memory");
	return 0;
}

void engine_health_test_forget(struct engine *engine, uint32_t uplink_id, const void *arg)
{
	struct monitor *monitor = uplink_id <= UPLINKS_MAX ? engine->health->monitors[uplink_id] : NULL;

	if (monitor && monitor->test.timer && monitor->test.arg == arg)
		end_test(monitor);
}
