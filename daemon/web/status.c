/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the router and Portico are like now. */
#include <unistd.h>

#include "web/request.h"

json_t *uplink_status(const struct engine *engine, const struct uplink *uplink)
{
	json_t *item = json_pack("{s:s, s:I}", "name", uplink->object.name, "id",
				 (json_int_t)uplink->object.id);
	json_t *state = uplink_state(engine, uplink);

	json_object_update(item, state);
	json_decref(state);
	return item;
}

json_t *uplinks_status(const struct engine *engine)
{
	const struct object_list *list = &engine_config(engine)->lists[KIND_UPLINK];
	json_t *items = json_array();

	for (unsigned i = 0; i < list->count; i++)
		json_array_append_new(items, uplink_status(engine, (const struct uplink *)list->items[i]));
	return items;
}

static json_t *status_forwards(const struct engine *engine)
{
	const struct object_list *list = &engine_config(engine)->lists[KIND_FORWARD];
	unsigned live_count = 0;

	for (unsigned i = 0; i < list->count; i++) {
		struct forward_live live;

		forward_resolve(engine_config(engine), (const struct forward *)list->items[i],
				engine_links(engine), engine_environment(engine), &live);
		live_count += live.live;
	}
	return json_pack("{s:i, s:i}", "total", (int)list->count, "live", (int)live_count);
}

const char *hostname_get(char *name, size_t size)
{
	name[0] = '\0';
	if (gethostname(name, size) < 0)
		name[0] = '\0';
	name[size - 1] = '\0'; /* one that was cut may be without */
	for (char *p = name; *p; p++) {
		if ((unsigned char)*p < 0x20 ||
		    (unsigned char)*p > 0x7e) /* RFC 1123 has letters and digits */
			*p = '?';
	}
	return name;
}

static json_t *features(void)
{
	static const char *const names[] = {
		"forwards", "hairpin",  "source-nat", "redirects", "uplink-replies", "uplink-health",
		"failover", "policies", "history",    "trial",     "tokens",
	};
	const struct {
		const char *name;
		handler_fn *handler;
	} may_be_left_out[] = { { "import", import_post },
				{ "export", config_export },
				{ "metrics", metrics_get } };
	json_t *json = json_array();

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_array_append_new(json, json_string(names[i]));
	for (unsigned i = 0; i < sizeof(may_be_left_out) / sizeof(may_be_left_out[0]); i++) {
		if (may_be_left_out[i].handler)
			json_array_append_new(json, json_string(may_be_left_out[i].name));
	}
	return json;
}

int status_get(struct request *request, struct err *err)
{
	const struct engine *engine = request->web->engine;
	uint64_t uptime_ms = loop_now_ms() - request->web->started_ms;
	char name[HOSTNAME_MAX];

	(void)err;
	request->answer.json = json_pack(
		"{s:s, s:I, s:o, s:I, s:s, s:{s:s?}, s:o, s:o, s:o, s:o, s:o}", "version", PORTICO_VERSION,
		"revision", (json_int_t)engine_revision(engine), "trial", trial_status(request), "uptime_s",
		(json_int_t)(uptime_ms / 1000), "hostname", hostname_get(name, sizeof(name)), "database",
		"failure", store_failure(request->web->store), "kernel", engine_kernel_status(engine),
		"firewall", engine_firewall_status(engine), "uplinks", uplinks_status(engine), "forwards",
		status_forwards(engine), "features", features());
	return 0;
}

int links_get(struct request *request, struct err *err)
{
	(void)err;
	request->answer.json = json_pack("{s:o}", "items", links_to_json(engine_links(request->web->engine)));
	return 0;
}
