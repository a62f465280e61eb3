/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /metrics, in the text format of Prometheus 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/health.h"
#include "web/request.h"

/*
 * 20,000 forwards have two samples each, of at most 200 bytes: names of 64 bytes have two for each where all of them
 * must be escaped.
 */
enum { METRICS_BYTES_MAX = 9 << 20 };

/* --- samples --- */

static void add_head(struct buf *buf, const char *name, const char *type, const char *help)
{
	buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_value(struct buf *buf, const char *name, const char *type, const char *help, uint64_t value)
{
	add_head(buf, name, type, help);
	buf_printf(buf, "%s %llu\n", name, (unsigned long long)value);
}

static void add_escaped(struct buf *buf, const char *text)
{
	for (; *text; text++) {
		size_t plain = strcspn(text, "\\\"\n");

		buf_add(buf, text, plain);
		text += plain;
		if (!*text)
			return;
		buf_puts(buf, *text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\");
	}
}

static void add_labels(struct buf *buf, const char *name, const struct object *object)
{
	buf_printf(buf, "%s{id=\"%u\",name=\"", name, object->id);
	add_escaped(buf, object->name);
	buf_puts(buf, "\"} ");
}

/* --- uplinks --- */

static double uplink_up(const struct engine *engine, uint32_t id, const struct health_numbers *numbers)
{
	(void)numbers;
	return ways_find(engine_ways(engine), id)->up;
}

static double uplink_in_use(const struct engine *engine, uint32_t id, const struct health_numbers *numbers)
{
	(void)engine;
	(void)id;
	return numbers->in_use;
}

/* Below 0: there is nothing to tell. */
static double uplink_loss(const struct engine *engine, uint32_t id, const struct health_numbers *numbers)
{
	(void)engine;
	(void)id;
	return numbers->measured ? numbers->loss_percent / 100 : -1;
}

static double uplink_latency(const struct engine *engine, uint32_t id, const struct health_numbers *numbers)
{
	(void)engine;
	(void)id;
	return numbers->measured ? numbers->latency_ms / 1000 : -1;
}

static void add_uplinks(struct buf *buf, const struct engine *engine)
{
	static const struct {
		const char *name, *help;
		double (*value)(const struct engine *engine, uint32_t id,
				const struct health_numbers *numbers);
	} metrics[] = {
		{ "portico_uplink_up", "Whether the uplink can be used.", uplink_up },
		{ "portico_uplink_in_use", "Whether it is given new connections.", uplink_in_use },
		{ "portico_uplink_loss_ratio", "Probes that were lost lately.", uplink_loss },
		{ "portico_uplink_latency_seconds", "Mean answer time of its probes lately.",
		  uplink_latency },
	};
	const struct object_list *list = &engine_config(engine)->lists[KIND_UPLINK];

	for (unsigned k = 0; k < sizeof(metrics) / sizeof(metrics[0]); k++) {
		add_head(buf, metrics[k].name, "gauge", metrics[k].help);
		for (unsigned i = 0; i < list->count; i++) {
			struct health_numbers numbers;
			double value;

			engine_health_numbers(engine, list->items[i]->id, &numbers);
			value = metrics[k].value(engine, list->items[i]->id, &numbers);
			if (value < 0)
				continue;
			add_labels(buf, metrics[k].name, list->items[i]);
			buf_printf(buf, "%.6g\n", value);
		}
	}
}

/* --- forwards --- */

static void add_forwards(struct buf *buf, struct engine *engine)
{
	const struct object_list *list = &engine_config(engine)->lists[KIND_FORWARD];

	engine_read_counters(engine, 0);
	add_head(buf, "portico_forward_live", "gauge", "Whether the forward can carry packets.");
	for (unsigned i = 0; i < list->count; i++) {
		struct forward_live live;

		forward_resolve(engine_config(engine), (const struct forward *)list->items[i],
				engine_links(engine), engine_environment(engine), &live);
		add_labels(buf, "portico_forward_live", list->items[i]);
		buf_puts(buf, live.live ? "1\n" : "0\n");
	}
	add_head(buf, "portico_forward_connections_total", "counter",
		 "Connections that came by the forward.");
	for (unsigned i = 0; i < list->count; i++) {
		struct forward_counters counters;

		engine_forward_counters(engine, list->items[i]->id, &counters);
		add_labels(buf, "portico_forward_connections_total", list->items[i]);
		buf_printf(buf, "%llu\n", (unsigned long long)counters.connections);
	}
}

int metrics_get(struct request *request, struct err *err)
{
	struct engine *engine = request->web->engine;
	json_t *kernel = engine_kernel_status(engine);
	struct buf buf;

	(void)err;
	buf_init(&buf, METRICS_BYTES_MAX);
	add_head(&buf, "portico_info", "gauge", "The version of porticod.");
	buf_puts(&buf, "portico_info{version=\"" PORTICO_VERSION "\"} 1\n");
	add_value(&buf, "portico_revision", "gauge", "The number of the configuration in force.",
		  engine_revision(engine));
	add_value(&buf, "portico_trial", "gauge", "Whether it is on trial.", engine_on_trial(engine));
	add_value(&buf, "portico_database_writable", "gauge", "Whether changes can be made, and last.",
		  !store_failure(request->web->store));
	add_value(&buf, "portico_kernel_in_sync", "gauge", "Whether the kernel has all that is configured.",
		  json_is_true(json_object_get(kernel, "in_sync")));
	add_value(&buf, "portico_kernel_mended_total", "counter",
		  "How often somebody else's change was undone.",
		  (uint64_t)json_integer_value(json_object_get(kernel, "mended")));
	add_uplinks(&buf, engine);
	add_forwards(&buf, engine);
	json_decref(kernel);
	request->answer.text = buf_steal(&buf);
	return request->answer.text ? 0 : -ENOMEM;
}
