/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects of every kind, the settings, and the configuration as a whole: from JSON to engine_commit() and back. */
#include <errno.h>
#include <string.h>

#include "web/request.h"

/* --- answers --- */

static json_t *forward_counters(const struct engine *engine, uint32_t id)
{
	struct forward_counters counters = { 0 };

	engine_forward_counters(engine, id, &counters);
	return json_pack("{s:I, s:o}", "connections", (json_int_t)counters.connections, "last",
			 time_to_json(counters.last));
}

/* What a GET of the object answers, with what is known of the counters. */
static json_t *describe(const struct engine *engine, const struct object *object)
{
	json_t *json = object_to_json(object);
	json_t *state = object_state(engine, object);

	if (state)
		json_object_set_new(json, "state", state);
	if (object->kind == KIND_FORWARD)
		json_object_set_new(json, "counters", forward_counters(engine, object->id));
	if (object->kind == KIND_SETTINGS)
		json_object_del(json, "id");
	return json;
}

/* The same, with counters as they are now. */
static json_t *object_answer(struct engine *engine, const struct object *object)
{
	if (object->kind == KIND_FORWARD)
		engine_read_counters(engine, object->id);
	return describe(engine, object);
}

static void add_warnings(json_t *json, json_t *warnings)
{
	if (json_array_size(warnings) > 0)
		json_object_set(json, "warnings", warnings);
	json_decref(warnings);
}

static void add_warning(json_t *warnings, const char *path, const char *message)
{
	json_array_append_new(warnings, json_pack("{s:s, s:s}", "path", path, "message", message));
}

/* Forwards cannot be reached on an address that the internet has no route to, and nothing here shows it. */
static void warn_of_address(const struct link *link, json_t *warnings)
{
	char message[ERR_MESSAGE_MAX], text[IP_TEXT_MAX];
	const struct ip *hidden = NULL;

	for (unsigned i = 0; i < link->address_count; i++) {
		const struct ip *address = &link->addresses[i].address;

		if (address->family != AF_INET)
			continue;
		if (!ip_is_private(address))
			return;
		hidden = address;
	}
	if (!hidden)
		return;
	snprintf(
		message, sizeof(message),
		"has no public address, only %s: the internet reaches forwards on it if the router in front of it "
		"passes their ports on, and not at all if that is the provider's (CGNAT)",
		ip_format(hidden, text));
	add_warning(warnings, "/device", message);
}

/* What its device, as it is now, does not have. */
static void warn_of_uplink(const struct engine *engine, const struct uplink *uplink, json_t *warnings)
{
	const struct uplink_live *live = ways_find(engine_ways(engine), uplink->object.id);
	struct prefix prefixes[UPLINK_PREFIXES_MAX];

	if (!live || !live->linked)
		return;
	warn_of_address(live->link, warnings);
	/* Some providers have it so, or it is a slip of the pen. */
	if (uplink->gateway_kind == GATEWAY_ADDRESS && !link_reaches(live->link, &uplink->gateway))
		add_warning(warnings, "/gateway",
			    "is outside of the device's subnets; it is taken to be on the link all the same");
	if (uplink->source_nat6 == SOURCE_NAT6_PREFIX && uplink_prefixes(live, prefixes) == 0)
		add_warning(
			warnings, "/source_nat6",
			"no IPv6 prefix of this uplink is known, so nothing is translated; prefixes can name it");
}

/* What may be a mistake in the object; `listeners` are looked at for forwards only. */
static json_t *warnings_of(const struct engine *engine, const struct listeners *listeners,
			   const struct object *object)
{
	json_t *warnings = object_warnings(engine_config(engine), engine_environment(engine), object);

	if (object->kind == KIND_FORWARD)
		engine_warn_of_listeners(engine, listeners, (const struct forward *)object, warnings);
	if (object->kind == KIND_UPLINK)
		warn_of_uplink(engine, (const struct uplink *)object, warnings);
	return warnings;
}

/* None, where they cannot be read. */
static void read_listeners(const struct engine *engine, struct listeners *ret_listeners)
{
	if (engine_read_listeners(engine, ret_listeners) < 0)
		*ret_listeners = (struct listeners){ 0 };
}

/* The answer to a write: the object as it is now, with warnings. */
static int answer_written(struct request *request, enum kind kind, uint32_t id)
{
	struct engine *engine = request->web->engine;
	const struct object *object = config_find(engine_config(engine), kind, id);
	struct listeners listeners = { 0 };

	if (!object)
		return -EIO;
	request->answer.json = object_answer(engine, object);
	if (kind == KIND_FORWARD)
		read_listeners(engine, &listeners);
	add_warnings(request->answer.json, warnings_of(engine, &listeners, object));
	listeners_done(&listeners);
	return 0;
}

/* --- writing --- */

int request_commit(struct request *request, struct config *next, const struct object *focus,
		   const char *reason, struct err *err)
{
	char path[PATH_MAX_BYTES + 16];
	const struct change_request change = {
		.author = access_author(request),
		.reason = reason ? reason : path,
		.focus = focus,
		.confirm_within_s = request->confirm_within_s,
	};

	snprintf(path, sizeof(path), "%s %s", method_name(request->method), request->path);
	int rc = engine_commit(request->web->engine, next, &change, err);

	config_unref(next);
	if (rc == 0)
		trial_changed(request->web);
	return rc;
}

/* Puts the object, whose reference it consumes, into the configuration and commits that. */
static int commit_object(struct request *request, struct object *object, struct err *err)
{
	struct config *next = config_copy(engine_config(request->web->engine));
	enum kind kind = object->kind;
	uint32_t id;
	int rc;

	if (!next) {
		object_unref(object);
		return -ENOMEM;
	}
	object_ref(object);
	rc = config_put(next, object, err);
	id = object->id;
	if (rc == 0)
		rc = request_commit(request, next, object, NULL, err);
	else
		config_unref(next);
	object_unref(object);
	return rc < 0 ? rc : answer_written(request, kind, id);
}

/* Decodes the object from `json` and commits it under `id` (0: a new one). */
static int write_object(struct request *request, enum kind kind, const json_t *json, uint32_t id,
			struct err *err)
{
	struct object *object;
	int rc = object_from_json(kind, json, "", false, &object, err);

	if (rc < 0)
		return rc;
	object->id = id;
	return commit_object(request, object, err);
}

static int patch_object(struct request *request, const struct object *object, struct err *err)
{
	json_t *present = object_to_json(object);
	json_t *merged = merge_patch(&schema_of(object->kind)->fields, present, request->json);
	int rc = merged ? write_object(request, object->kind, merged, object->id, err) : -ENOMEM;

	json_decref(merged);
	json_decref(present);
	return rc;
}

/* --- collections --- */

static const struct object *find(struct request *request, struct err *err)
{
	const struct object *object = config_find(engine_config(request->web->engine), request->kind,
						  request->id);

	if (!object)
		err_set(err, ERR_NOT_FOUND, "there is no %s with the id %u", schema_of(request->kind)->noun,
			request->id);
	return object;
}

int object_list(struct request *request, struct err *err)
{
	struct engine *engine = request->web->engine;
	const struct object_list *list = &engine_config(engine)->lists[request->kind];
	json_t *items = json_array();

	(void)err;
	if (request->kind == KIND_FORWARD)
		engine_read_counters(engine, 0);
	for (unsigned i = 0; i < list->count; i++)
		json_array_append_new(items, describe(engine, list->items[i]));
	request->answer.json = json_pack("{s:o}", "items", items);
	return 0;
}

int object_get(struct request *request, struct err *err)
{
	const struct object *object = find(request, err);

	if (!object)
		return -ENOENT;
	request->answer.json = object_answer(request->web->engine, object);
	return 0;
}

int object_post(struct request *request, struct err *err)
{
	json_int_t id;
	int rc = write_object(request, request->kind, request->json, 0, err);

	if (rc < 0)
		return rc;
	id = json_integer_value(json_object_get(request->answer.json, "id"));
	snprintf(request->answer.location, sizeof(request->answer.location),
		 API_PREFIX "/%s/%" JSON_INTEGER_FORMAT, kind_path(request->kind), id);
	return 0;
}

int object_put(struct request *request, struct err *err)
{
	const struct object *object = find(request, err);

	return object ? write_object(request, object->kind, request->json, object->id, err) : -ENOENT;
}

int object_patch(struct request *request, struct err *err)
{
	const struct object *object = find(request, err);

	return object ? patch_object(request, object, err) : -ENOENT;
}

int object_delete(struct request *request, struct err *err)
{
	const struct object *object = find(request, err);
	struct config *next;
	json_t *answer;
	int rc;

	if (!object)
		return -ENOENT;
	next = config_copy(engine_config(request->web->engine));
	if (!next)
		return -ENOMEM;
	answer = object_answer(request->web->engine, object);
	config_remove(next, object->kind, object->id);
	rc = request_commit(request, next, NULL, NULL, err);
	if (rc < 0)
		json_decref(answer);
	else
		request->answer.json = answer;
	return rc;
}

/* --- settings --- */

static const struct object *settings_of(const struct request *request)
{
	return &config_settings(engine_config(request->web->engine))->object;
}

int settings_get(struct request *request, struct err *err)
{
	(void)err;
	request->answer.json = object_answer(request->web->engine, settings_of(request));
	return 0;
}

int settings_patch(struct request *request, struct err *err)
{
	return patch_object(request, settings_of(request), err);
}

/* --- the whole --- */

/* An object's warnings, with paths into the whole. */
static void add_object_warnings(const struct engine *engine, const struct listeners *listeners,
				enum kind kind, unsigned index, json_t *all)
{
	const struct object *object = engine_config(engine)->lists[kind].items[index];
	json_t *warnings = warnings_of(engine, listeners, object), *warning;
	size_t i;

	json_array_foreach(warnings, i, warning)
	{
		const char *path = json_string_value(json_object_get(warning, "path"));

		json_object_set_new(warning, "path",
				    kind == KIND_SETTINGS ?
					    json_sprintf("/settings%s", path) :
					    json_sprintf("/%s/%u%s", kind_plural(kind), index, path));
		json_array_append(all, warning);
	}
	json_decref(warnings);
}

static json_t *config_warnings(const struct engine *engine)
{
	struct listeners listeners;
	json_t *all = json_array();

	read_listeners(engine, &listeners);
	for (enum kind kind = KIND_SETTINGS; kind < KIND_COUNT; kind++)
		for (unsigned i = 0; i < engine_config(engine)->lists[kind].count; i++)
			add_object_warnings(engine, &listeners, kind, i, all);
	listeners_done(&listeners);
	return all;
}

int config_get(struct request *request, struct err *err)
{
	(void)err;
	request->answer.json = config_to_json(engine_config(request->web->engine));
	return 0;
}

int config_put_all(struct request *request, struct err *err)
{
	struct engine *engine = request->web->engine;
	struct config *next;
	int rc = config_from_json(request->json, engine_config(engine), &next, err);

	if (rc == 0)
		rc = request_commit(request, next, NULL, NULL, err);
	if (rc < 0)
		return rc;
	config_get(request, err);
	add_warnings(request->answer.json, config_warnings(engine));
	return 0;
}

int config_plan(struct request *request, struct err *err)
{
	struct engine *engine = request->web->engine;
	struct config *next;
	int rc = config_from_json(request->json, engine_config(engine), &next, err);

	if (rc < 0)
		return rc;
	rc = engine_plan(engine, next, &request->answer.json, err);
	config_unref(next);
	if (rc == 0)
		rc = changes_explain(json_object_get(request->answer.json, "changes"));
	return rc;
}
