/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who listens is told what differs from what he was told last. After whatever may have changed something,
 * events_look() only starts a timer: many changes at once are looked at once, and a commit is answered first.
 */
#include "engine/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/health.h"
#include "engine/private.h"

enum {
	FORWARDS_LOOK_MS = 100, /* ten thousand of them cost milliseconds */
	COUNT_EVERY_MS = 2000,
	MEASURE_EVERY_MS = 1000,
};

/* What was told of a forward last. */
struct told {
	uint32_t id;         /* the list is sorted by it */
	uint32_t backends;   /* a checksum of those that a suffix leads to */
	const char *why_not; /* NULL: it is live */
	uint64_t connections;
};

static const char removed[] = "removed";

struct engine_events {
	engine_event_fn *fn; /* NULL: nobody listens */
	void *arg;
	struct timer *look, *look_forwards, *count, *measure;

	bool in_sync;
	uint64_t mended, obstacles;         /* the latter as a checksum */
	uint64_t uplinks[UPLINKS_MAX + 1];  /* checksums by id, 0: there is none */
	uint64_t measured[UPLINKS_MAX + 1]; /* likewise, of their numbers */
	unsigned forward_count;
	struct told *forwards;
	bool counting;    /* the counters are being read, to be told of */
	uint32_t counted; /* the forward that the last, full ENGINE_COUNTERS ended with; 0: it was not full */
};

static void tell(const struct engine_events *events, const struct engine_event *event)
{
	events->fn(events->arg, event);
}

/* FNV-1a, as http://www.isthe.com/chongo/tech/comp/fnv/ has it. */
static uint64_t checksum(uint64_t sum, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3;
	return sum;
}

static uint64_t checksum_text(uint64_t sum, const char *text)
{
	return text ? checksum(sum, text, strlen(text) + 1) : checksum(sum, "", 1);
}

static const uint64_t checksum_start = 0xcbf29ce484222325;

/* --- the kernel --- */

static uint64_t checksum_json(uint64_t sum, const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	sum = checksum_text(sum, text);
	free(text);
	return sum;
}

/* What keeps things from being in order, when that is tried again, and whose firewall is in force. */
static uint64_t obstacles_checksum(const struct engine *engine, const json_t *status)
{
	uint64_t retry_at_ms = timer_running(engine->retry) ? engine->retry_at_ms : 0;
	uint64_t sum = checksum(checksum_start, &retry_at_ms, sizeof(retry_at_ms));
	json_t *firewall = engine_firewall_status(engine);

	sum = checksum_json(sum, json_object_get(status, "failures"));
	sum = checksum_json(sum, firewall);
	json_decref(firewall);
	return sum;
}

/* News that wait to be looked at say nothing yet about whether all is in order. */
static void look_at_kernel(const struct engine *engine, struct engine_events *events, bool quietly)
{
	struct engine_event event = { .kind = ENGINE_KERNEL, .mended = engine->mended != events->mended };
	json_t *status = engine_kernel_status(engine);
	uint64_t obstacles = obstacles_checksum(engine, status);
	bool in_sync = engine->dirty ? events->in_sync : json_is_true(json_object_get(status, "in_sync"));
	bool same = !event.mended && obstacles == events->obstacles && in_sync == events->in_sync;

	json_decref(status);
	events->mended = engine->mended;
	events->obstacles = obstacles;
	events->in_sync = in_sync;
	if (!same && !quietly)
		tell(events, &event);
}

/* --- uplinks --- */

static uint64_t uplink_checksum(const struct engine *engine, const struct uplink_live *live)
{
	uint64_t sum = checksum_start;
	bool used = ways_use(&engine->ways, live);

	sum = checksum(sum, &live->up, sizeof(live->up));
	sum = checksum(sum, &used, sizeof(used));
	sum = checksum_text(sum, live->why_down);
	sum = checksum(sum, &live->gateway4, sizeof(live->gateway4));
	sum = checksum(sum, &live->gateway6, sizeof(live->gateway6));
	for (unsigned i = 0; live->link && i < live->link->address_count; i++) {
		const struct link_address *address = &live->link->addresses[i];

		if (uplink_address_counts(address))
			sum = checksum(sum, &address->address, sizeof(address->address));
	}
	return sum ? sum : 1;
}

static void look_at_uplinks(const struct engine *engine, struct engine_events *events, bool quietly)
{
	for (uint32_t id = 1; id <= UPLINKS_MAX; id++) {
		const struct uplink_live *live = ways_find(&engine->ways, id);
		uint64_t sum = live ? uplink_checksum(engine, live) : 0;
		bool same = sum == events->uplinks[id];

		events->uplinks[id] = sum;
		if (live && !same && !quietly)
			tell(events, &(struct engine_event){ .kind = ENGINE_UPLINK, .id = id });
	}
}

/* As they are told: not every microsecond is news. 0: nothing is measured. */
static uint64_t numbers_checksum(const struct engine *engine, uint32_t id)
{
	struct health_numbers numbers;

	engine_health_numbers(engine, id, &numbers);
	if (!numbers.measured)
		return 0;
	const int64_t rounded[] = { (int64_t)(numbers.loss_percent * 10), (int64_t)(numbers.latency_ms * 100),
				    (int64_t)(numbers.jitter_ms * 100) };

	return checksum(checksum_start, rounded, sizeof(rounded)) | 1;
}

static void look_at_numbers(const struct engine *engine, struct engine_events *events, bool quietly)
{
	uint32_t ids[UPLINKS_MAX];
	struct engine_event event = { .kind = ENGINE_HEALTH, .ids = ids };

	for (uint32_t id = 1; id <= UPLINKS_MAX; id++) {
		uint64_t sum = numbers_checksum(engine, id);

		if (sum && sum != events->measured[id])
			ids[event.count++] = id;
		events->measured[id] = sum;
	}
	if (event.count && !quietly)
		tell(events, &event);
}

/* --- forwards --- */

static bool same_word(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Other addresses have their revision, but nobody writes one when a suffix gets another prefix. */
static uint32_t backends_checksum(const struct engine *engine, const struct forward *forward)
{
	struct ip backends[BACKENDS_MAX];
	unsigned count = 0;

	if (forward->suffix_bits)
		count = forward_backends(engine->config, forward, &engine->links, backends);
	return (uint32_t)checksum(checksum_start, backends, count * sizeof(*backends));
}

/* What there is to tell of each forward now; what is told of counters is taken over. */
static struct told *forwards_now(const struct engine *engine, const struct engine_events *events,
				 bool changed[])
{
	const struct object_list *list = &engine->config->lists[KIND_FORWARD];
	struct told *now = calloc(list->count + 1, sizeof(*now));

	for (unsigned i = 0, old = 0; now && i < list->count; i++) {
		const struct forward *forward = (const struct forward *)list->items[i];
		const struct told *before;
		struct forward_live live;

		while (old < events->forward_count && events->forwards[old].id < list->items[i]->id)
			old++;
		before = old < events->forward_count && events->forwards[old].id == list->items[i]->id ?
				 &events->forwards[old] :
				 NULL;
		forward_resolve(engine->config, forward, &engine->links, &engine->environment, &live);
		now[i] = (struct told){ .id = forward->object.id,
					.backends = backends_checksum(engine, forward),
					.why_not = live.live ? NULL : live.why_not,
					.connections = before ? before->connections : 0 };
		changed[i] = !before || before->backends != now[i].backends ||
			     !same_word(before->why_not, now[i].why_not);
	}
	return now;
}

static void tell_forwards(const struct engine_events *events, const bool changed[])
{
	struct engine_event many = { .kind = ENGINE_FORWARDS };

	for (unsigned i = 0; i < events->forward_count; i++)
		many.count += changed[i];
	if (many.count > ENGINE_FORWARDS_MAX) {
		tell(events, &many);
		return;
	}
	for (unsigned i = 0; i < events->forward_count; i++) {
		if (changed[i])
			tell(events,
			     &(struct engine_event){ .kind = ENGINE_FORWARD, .id = events->forwards[i].id });
	}
}

static int look_at_forwards(const struct engine *engine, struct engine_events *events, bool quietly)
{
	unsigned count = engine->config->lists[KIND_FORWARD].count;
	bool *changed = calloc(count + 1, sizeof(*changed));
	struct told *now = changed ? forwards_now(engine, events, changed) : NULL;

	if (!now) {
		free(changed);
		return -ENOMEM;
	}
	free(events->forwards);
	events->forwards = now;
	events->forward_count = count;
	if (!quietly)
		tell_forwards(events, changed);
	free(changed);
	return 0;
}

/* --- counters --- */

/* Takes up where the last one was full, so that a few that always count do not hide the others. */
static unsigned first_to_count(const struct engine_events *events)
{
	unsigned i = 0;

	while (events->counted && i < events->forward_count && events->forwards[i].id <= events->counted)
		i++;
	return i < events->forward_count ? i : 0;
}

/* Fills `items` with the counters that differ from what was told; all are then taken as told. */
static unsigned count_forwards(struct engine *engine, struct engine_events *events,
			       struct engine_counter items[ENGINE_COUNTERS_MAX])
{
	unsigned first = first_to_count(events), found = 0;

	events->counted = 0;
	for (unsigned i = 0; i < events->forward_count; i++) {
		struct told *told = &events->forwards[(first + i) % events->forward_count];
		struct forward_counters counters;

		engine_forward_counters(engine, told->id, &counters);
		if (counters.connections == told->connections)
			continue;
		told->connections = counters.connections;
		items[found++] = (struct engine_counter){ .id = told->id, .counters = counters };
		if (found == ENGINE_COUNTERS_MAX) {
			events->counted = told->id;
			break;
		}
	}
	return found;
}

static void look_at_counters(struct engine *engine, bool quietly)
{
	struct engine_counter *items = calloc(ENGINE_COUNTERS_MAX, sizeof(*items));
	struct engine_event event = { .kind = ENGINE_COUNTERS, .counters = items };

	if (!items)
		return;
	if (quietly)
		engine_read_counters(engine, 0);
	do
		event.count = count_forwards(engine, engine->events, items);
	while (quietly && event.count == ENGINE_COUNTERS_MAX);
	if (event.count && !quietly)
		tell(engine->events, &event);
	free(items);
}

/* --- timers --- */

static void on_look(void *arg)
{
	struct engine *engine = arg;

	if (!engine->events->fn)
		return;
	look_at_kernel(engine, engine->events, false);
	look_at_uplinks(engine, engine->events, false);
}

static void on_look_forwards(void *arg)
{
	struct engine *engine = arg;

	if (engine->events->fn && look_at_forwards(engine, engine->events, false) < 0)
		timer_start(engine->events->look_forwards, FORWARDS_LOOK_MS);
}

static void on_count(void *arg)
{
	struct engine *engine = arg;

	if (!engine->events->fn)
		return;
	engine->events->counting = true;
	counters_read_soon(engine);
	timer_start(engine->events->count, COUNT_EVERY_MS);
}

static void on_measure(void *arg)
{
	struct engine *engine = arg;

	if (!engine->events->fn)
		return;
	look_at_numbers(engine, engine->events, false);
	timer_start(engine->events->measure, MEASURE_EVERY_MS);
}

void events_counted(struct engine *engine)
{
	if (!engine->events->fn || !engine->events->counting)
		return;
	engine->events->counting = false;
	look_at_counters(engine, false);
}

void events_look(struct engine *engine)
{
	struct engine_events *events = engine->events;

	if (!events || !events->fn)
		return;
	timer_start(events->look, 0);
	if (!timer_running(events->look_forwards))
		timer_start(events->look_forwards, FORWARDS_LOOK_MS);
}

static int compare_told(const void *a, const void *b)
{
	uint32_t x = ((const struct told *)a)->id, y = ((const struct told *)b)->id;

	return (x > y) - (x < y);
}

/* A new forward may have the id of one that went before anybody looked. */
static void forget_removed(struct engine_events *events, const struct changes *changes)
{
	for (unsigned i = 0; events->forward_count && i < changes->count; i++) {
		const struct change *change = &changes->items[i];
		struct told key = { .id = change->id }, *told = NULL;

		if (change->kind == KIND_FORWARD && !change->after)
			told = bsearch(&key, events->forwards, events->forward_count, sizeof(key),
				       compare_told);
		if (told)
			*told = (struct told){ .id = key.id, .why_not = removed };
	}
}

void events_committed(struct engine *engine, const struct change_request *request,
		      const struct changes *changes)
{
	const struct engine_event event = { .kind = ENGINE_REVISION,
					    .number = engine->revision,
					    .at = engine_now(),
					    .request = request,
					    .changes = changes };

	if (!engine->events->fn)
		return;
	tell(engine->events, &event);
	forget_removed(engine->events, changes);
	events_look(engine);
}

void events_trial(struct engine *engine, const char *outcome)
{
	if (engine->events && engine->events->fn)
		tell(engine->events, &(struct engine_event){ .kind = ENGINE_TRIAL, .outcome = outcome });
}

/* --- life --- */

static void forget(struct engine_events *events)
{
	timer_stop(events->look);
	timer_stop(events->look_forwards);
	timer_stop(events->count);
	timer_stop(events->measure);
	free(events->forwards);
	events->forwards = NULL;
	events->forward_count = 0;
	events->fn = NULL;
}

int engine_listen(struct engine *engine, engine_event_fn *fn, void *arg)
{
	struct engine_events *events = engine->events;

	if (!fn) {
		forget(events);
		return 0;
	}
	engine_read_counters(engine, 0);
	if (look_at_forwards(engine, events, true) < 0)
		return -ENOMEM;
	look_at_kernel(engine, events, true);
	look_at_uplinks(engine, events, true);
	look_at_numbers(engine, events, true);
	look_at_counters(engine, true);
	events->fn = fn;
	events->arg = arg;
	timer_start(events->count, COUNT_EVERY_MS);
	timer_start(events->measure, MEASURE_EVERY_MS);
	return 0;
}

int events_start(struct engine *engine)
{
	struct engine_events *events = calloc(1, sizeof(*events));

	engine->events = events;
	if (!events || timer_new(engine->loop, on_look, engine, &events->look) < 0 ||
	    timer_new(engine->loop, on_look_forwards, engine, &events->look_forwards) < 0 ||
	    timer_new(engine->loop, on_count, engine, &events->count) < 0 ||
	    timer_new(engine->loop, on_measure, engine, &events->measure) < 0)
		return -ENOMEM;
	return 0;
}

void events_stop(struct engine *engine)
{
	struct engine_events *events = engine->events;

	if (!events)
		return;
	free(events->forwards);
	timer_free(events->look);
	timer_free(events->look_forwards);
	timer_free(events->count);
	timer_free(events->measure);
	free(events);
}
