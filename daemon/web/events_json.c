/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data of each event. */
#include <stdlib.h>
#include <string.h>

#include "engine/health.h"
#include "web/events.h"

enum {
	CHANGES_MAX = 64, /* named in one event */
	PIECE_FORWARDS = 64,
};

const char *event_name(enum engine_event_kind kind)
{
	static const char *const names[] = {
		[ENGINE_REVISION] = "revision", [ENGINE_UPLINK] = "uplink",     [ENGINE_FORWARD] = "forward",
		[ENGINE_FORWARDS] = "forward",  [ENGINE_COUNTERS] = "counters", [ENGINE_KERNEL] = "kernel",
		[ENGINE_HEALTH] = "health",     [ENGINE_TRIAL] = "trial",
	};

	return names[kind];
}

static json_t *revision_json(const struct engine_event *event)
{
	json_t *json = json_pack("{s:I, s:o, s:s?, s:s?}", "number", (json_int_t)event->number, "at",
				 time_to_json(event->at), "author", event->request->author, "reason",
				 event->request->reason);
	json_t *summary = changes_summary(event->changes, CHANGES_MAX);

	json_object_update(json, summary);
	json_decref(summary);
	return json;
}

/* NULL: it is gone meanwhile. */
static json_t *uplink_json(const struct engine *engine, uint32_t id)
{
	const struct object *object = config_find(engine_config(engine), KIND_UPLINK, id);

	return object ? uplink_status(engine, (const struct uplink *)object) : NULL;
}

static const char *forward_why_not(const struct engine *engine, const struct object *object)
{
	struct forward_live live;

	forward_resolve(engine_config(engine), (const struct forward *)object, engine_links(engine),
			engine_environment(engine), &live);
	return live.live ? NULL : live.why_not;
}

static json_t *forward_json(const struct engine *engine, uint32_t id)
{
	const struct object *object = config_find(engine_config(engine), KIND_FORWARD, id);
	const char *why_not;

	if (!object)
		return NULL;
	why_not = forward_why_not(engine, object);
	return json_pack("{s:I, s:s, s:b, s:s?}", "id", (json_int_t)id, "name", object->name, "live",
			 why_not == NULL, "reason", why_not);
}

static json_t *counters_json(const struct engine_event *event)
{
	json_t *items = json_array();

	for (unsigned i = 0; i < event->count; i++) {
		const struct engine_counter *item = &event->counters[i];

		json_array_append_new(items, json_pack("{s:I, s:I, s:o}", "id", (json_int_t)item->id,
						       "connections", (json_int_t)item->counters.connections,
						       "last", time_to_json(item->counters.last)));
	}
	return json_pack("{s:o}", "items", items);
}

static json_t *health_json(const struct engine *engine, const struct engine_event *event)
{
	json_t *items = json_array();

	for (unsigned i = 0; i < event->count; i++) {
		const struct object *object = config_find(engine_config(engine), KIND_UPLINK, event->ids[i]);
		struct health_numbers numbers;

		if (!object)
			continue;
		engine_health_numbers(engine, event->ids[i], &numbers);
		json_array_append_new(items, json_pack("{s:I, s:s, s:o, s:o, s:o}", "id",
						       (json_int_t)object->id, "name", object->name,
						       "loss_percent", json_number(numbers.loss_percent, 1),
						       "latency_ms", json_number(numbers.latency_ms, 2),
						       "jitter_ms", json_number(numbers.jitter_ms, 2)));
	}
	return json_pack("{s:o}", "items", items);
}

static json_t *kernel_json(const struct engine *engine, bool mended)
{
	json_t *kernel = engine_kernel_status(engine);
	json_t *found = mended ? json_object_get(kernel, "last_found") : NULL;

	json_object_set_new(kernel, "firewall", engine_firewall_status(engine));
	json_object_set_new(kernel, "found", found ? json_incref(found) : json_array());
	return kernel;
}

json_t *event_json(const struct engine *engine, const struct engine_event *event)
{
	switch (event->kind) {
	case ENGINE_REVISION:
		return revision_json(event);
	case ENGINE_UPLINK:
		return uplink_json(engine, event->id);
	case ENGINE_FORWARD:
		return forward_json(engine, event->id);
	case ENGINE_FORWARDS:
		return json_pack("{s:I}", "many", (json_int_t)event->count);
	case ENGINE_COUNTERS:
		return counters_json(event);
	case ENGINE_HEALTH:
		return health_json(engine, event);
	case ENGINE_KERNEL:
		return kernel_json(engine, event->mended);
	case ENGINE_TRIAL:
		return json_pack("{s:o, s:s?}", "trial", engine_trial_status(engine), "outcome",
				 event->outcome);
	}
	return NULL;
}

/* --- hello --- */

void hello_begin(struct engine *engine, struct buf *buf)
{
	json_t *json = json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "version", PORTICO_VERSION, "revision",
				 (json_int_t)engine_revision(engine), "trial", engine_trial_status(engine),
				 "kernel", engine_kernel_status(engine), "firewall",
				 engine_firewall_status(engine), "uplinks", uplinks_status(engine));
	char *text = json ? json_dumps(json, JSON_FORMAT) : NULL;

	json_decref(json);
	buf->failed |= !text;
	if (text)
		buf_add(buf, text, strlen(text) - 1); /* without the last brace */
	buf_puts(buf, ",\"forwards\":[");
	free(text);
	engine_read_counters(engine, 0);
}

/* Where the ids beyond `id` begin in the list, which is sorted by them. */
static unsigned list_after(const struct object_list *list, uint32_t id)
{
	unsigned low = 0, high = list->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (list->items[middle]->id <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void add_forward(struct engine *engine, const struct object *object, struct buf *buf)
{
	json_t *item = forward_json(engine, object->id);
	struct forward_counters counters;
	char *text;

	engine_forward_counters(engine, object->id, &counters);
	json_object_set_new(item, "connections", json_integer((json_int_t)counters.connections));
	json_object_set_new(item, "last", time_to_json(counters.last));
	text = item ? json_dumps(item, JSON_FORMAT) : NULL;
	buf->failed |= !text;
	buf_puts(buf, text ? text : "");
	free(text);
	json_decref(item);
}

bool hello_forwards(struct engine *engine, uint32_t *cursor, struct buf *buf)
{
	const struct object_list *list = &engine_config(engine)->lists[KIND_FORWARD];
	unsigned next = list_after(list, *cursor);

	for (unsigned i = 0; i < PIECE_FORWARDS && next < list->count; i++, next++) {
		if (*cursor)
			buf_puts(buf, ",");
		add_forward(engine, list->items[next], buf);
		*cursor = list->items[next]->id;
	}
	return next < list->count;
}
