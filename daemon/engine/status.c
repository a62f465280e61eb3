/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine tells of itself: the kernel's state, counters, uplinks. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/private.h"

enum {
	COUNTERS_FRESH_MS = 1000,
	COUNTERS_EVERY_MS = 15000, /* so that "last" is never further off than this */
};

json_t *engine_kernel_status(const struct engine *engine)
{
	json_t *failures = json_array();

	for (unsigned i = 0; i < engine->refusal_count; i++)
		json_array_append_new(failures, json_pack("{s:s, s:s}", "step", engine->refusals[i].step,
							  "message", engine->refusals[i].text));
	return json_pack("{s:b, s:s?, s:I, s:o, s:o}", "in_sync",
			 engine->observed && engine->observed == engine->desired && !engine->dirty &&
				 !engine->unread,
			 "last_error", engine->refusal_count ? engine->refusals[0].text : NULL, "mended",
			 (json_int_t)engine->mended, "last_mended", time_to_json(engine->last_mended),
			 "failures", failures);
}

int64_t engine_uplink_since(const struct engine *engine, uint32_t uplink_id)
{
	return uplink_id <= UPLINKS_MAX ? engine->uplinks[uplink_id].since : 0;
}

/* --- counters --- */

struct reading {
	const struct kset *set;
	struct counter *counters;
	unsigned count;
};

static int compare_counters(const void *a, const void *b)
{
	uint32_t x = ((const struct counter *)a)->forward, y = ((const struct counter *)b)->forward;

	return (x > y) - (x < y);
}

static struct counter *find_counter(struct counter *counters, unsigned count, uint32_t forward)
{
	struct counter key = { .forward = forward };

	return count ? bsearch(&key, counters, count, sizeof(key), compare_counters) : NULL;
}

static void on_counter(void *arg, const void *key, uint64_t packets)
{
	struct reading *reading = arg;
	const struct kelem *elem = kset_find(reading->set, key);
	struct counter *counter = elem ? find_counter(reading->counters, reading->count, elem->owner) : NULL;

	if (counter)
		counter->connections += packets; /* the first packet of each connection passes the map */
}

static int read_counters(struct engine *engine)
{
	const struct object_list *forwards = &engine->config->lists[KIND_FORWARD];
	struct reading reading = { .count = forwards->count };

	engine->counters_at_ms = loop_now_ms();
	reading.counters = calloc(forwards->count + 1, sizeof(*reading.counters));
	if (!reading.counters)
		return -ENOMEM;
	for (unsigned i = 0; i < forwards->count; i++)
		reading.counters[i].forward = forwards->items[i]->id;
	for (unsigned i = 0; engine->desired && i < engine->desired->set_count; i++) {
		reading.set = &engine->desired->sets[i];
		if (reading.set->counter && reading.set->count)
			engine->kernel->ops->read_counters(engine->kernel, reading.set, on_counter, &reading);
	}
	for (unsigned i = 0; i < forwards->count; i++) {
		struct counter *now = &reading.counters[i];
		const struct counter *before = find_counter(engine->counters, engine->counter_count,
							    now->forward);

		if (before)
			now->last = now->connections > before->connections ? engine_now() : before->last;
	}
	free(engine->counters);
	engine->counters = reading.counters;
	engine->counter_count = reading.count;
	return 0;
}

static void on_counting(void *arg)
{
	struct engine *engine = arg;

	if (engine->config->lists[KIND_FORWARD].count)
		read_counters(engine);
	timer_start(engine->counting, COUNTERS_EVERY_MS);
}

int counters_start(struct engine *engine)
{
	int r = timer_new(engine->loop, on_counting, engine, &engine->counting);

	if (r == 0)
		timer_start(engine->counting, COUNTERS_EVERY_MS);
	return r;
}

void counters_stop(struct engine *engine)
{
	timer_free(engine->counting);
	free(engine->counters);
}

void engine_forward_counters(struct engine *engine, uint32_t forward_id,
			     struct forward_counters *ret_counters)
{
	*ret_counters = (struct forward_counters){ 0 };
	if (!engine->counters_at_ms || loop_now_ms() - engine->counters_at_ms >= COUNTERS_FRESH_MS)
		read_counters(engine);
	const struct counter *counter = find_counter(engine->counters, engine->counter_count, forward_id);

	if (counter)
		*ret_counters = (struct forward_counters){ .connections = counter->connections,
							   .last = counter->last };
}
