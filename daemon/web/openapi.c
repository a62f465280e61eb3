/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The OpenAPI document: openapi.json holds what is fixed, the operations come from the table of routes, the
 * schemas of configured objects from the table of fields.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/embed.h"
#include "web/request.h"

EMBED(openapi_text, "daemon/web/openapi.json");

enum { NAME_BYTES_MAX = 512 };

/* "#/components/<section>/<name>", the marks in the name replaced. */
static json_t *reference(const char *section, const char *name, enum kind kind)
{
	json_t *json;
	struct buf buf;

	buf_init(&buf, NAME_BYTES_MAX);
	route_expand(name, kind, &buf);
	json = json_pack("{s:o}", "$ref", json_sprintf("#/components/%s/%s", section, buf_text(&buf)));
	buf_done(&buf);
	return json;
}

static json_t *schema_reference(const char *name, enum kind kind)
{
	return reference("schemas", name, kind);
}

static json_t *expanded(const char *text, enum kind kind)
{
	struct buf buf;
	json_t *json;

	buf_init(&buf, NAME_BYTES_MAX);
	route_expand(text, kind, &buf);
	json = json_string(buf_text(&buf));
	buf_done(&buf);
	return json;
}

static void set_expanded(json_t *object, const char *key, enum kind kind, json_t *value)
{
	struct buf buf;

	buf_init(&buf, NAME_BYTES_MAX);
	route_expand(key, kind, &buf);
	json_object_set_new(object, buf_text(&buf), value);
	buf_done(&buf);
}

/* --- schemas of objects --- */

/* A field as it stands in answers. */
static json_t *answer_field(const struct field *field, enum kind kind)
{
	json_t *json = field_json_schema(field);

	if (field->type == FIELD_OBSERVED && strcmp(field->name, "state") == 0)
		json_object_update_new(json, schema_reference("{Kind}State", kind));
	else if (field->type == FIELD_OBSERVED && strcmp(field->name, "counters") == 0)
		json_object_update_new(json, schema_reference("{Kind}Counters", kind));
	else if (field->type == FIELD_OBSERVED)
		json_object_update_new(json, json_pack("{s:s, s:o}", "type", "array", "items",
						       schema_reference("Warning", kind)));
	return json;
}

/* An object in answers: every field is there. `observed`: with what is observed of it; warnings only where there are any. */
static json_t *answer_schema(const struct schema *schema, bool observed)
{
	json_t *properties = json_object(), *required = json_array();

	for (unsigned i = 0; i < schema->fields.count; i++) {
		const struct field *field = &schema->fields.items[i];

		if (field->type == FIELD_OBSERVED && !observed)
			continue;
		json_object_set_new(properties, field->name, answer_field(field, schema->kind));
		if (strcmp(field->name, "warnings") != 0)
			json_array_append_new(required, json_string(field->name));
	}
	return json_pack("{s:s, s:s, s:o, s:o}", "type", "object", "description", schema->help, "properties",
			 properties, "required", required);
}

static json_t *or_null(json_t *json)
{
	return json_pack("{s:[o, {s:s}]}", "anyOf", json, "type", "null");
}

/* An object in a merge patch: nothing is required, null is allowed everywhere. */
static json_t *patch_schema(const struct fields *fields)
{
	json_t *properties = json_object();

	for (unsigned i = 0; i < fields->count; i++) {
		const struct field *field = &fields->items[i];
		json_t *json = field_json_schema(field);

		json_object_del(json, "default");
		if (field->type == FIELD_OBJECT) {
			json_decref(json);
			json = or_null(patch_schema(field->members));
		} else if (field_is_kept(field) && !(field->flags & FIELD_NULLABLE)) {
			json = or_null(json);
		}
		json_object_set_new(properties, field->name, json);
	}
	return json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
			 "additionalProperties", 0);
}

static json_t *list_schema(enum kind kind)
{
	return json_pack("{s:s, s:{s:{s:s, s:o}}, s:[s]}", "type", "object", "properties", "items", "type",
			 "array", "items", schema_reference("{Kind}", kind), "required", "items");
}

static void add_kind_schemas(json_t *schemas, enum kind kind)
{
	const struct schema *schema = schema_of(kind);
	json_t *input = fields_json_schema(&schema->fields);

	json_object_set_new(input, "description", json_string(schema->help));
	set_expanded(schemas, "{Kind}", kind, answer_schema(schema, true));
	set_expanded(schemas, "{Kind}Config", kind, answer_schema(schema, false));
	set_expanded(schemas, "{Kind}Input", kind, input);
	set_expanded(schemas, "{Kind}Patch", kind, patch_schema(&schema->fields));
	if (kind != KIND_SETTINGS)
		set_expanded(schemas, "{Kind}List", kind, list_schema(kind));
}

/* The whole configuration, of answers or (`suffix` "Input") of requests. */
static json_t *config_schema(const char *suffix)
{
	json_t *properties = json_object(), *required = json_array();
	bool input = strcmp(suffix, "Input") == 0;
	char name[32];

	snprintf(name, sizeof(name), "{Kind}%s", suffix);
	for (enum kind kind = KIND_SETTINGS; kind < KIND_COUNT; kind++) {
		json_t *item = schema_reference(name, kind);

		if (kind != KIND_SETTINGS)
			item = json_pack("{s:s, s:o, s:I}", "type", "array", "items", item, "maxItems",
					 (json_int_t)schema_of(kind)->max);
		json_object_set_new(properties, kind_plural(kind), item);
		json_array_append_new(required, json_string(kind_plural(kind)));
	}
	if (input) {
		json_decref(required);
		return json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
				 "additionalProperties", 0);
	}
	json_object_set_new(properties, "warnings",
			    json_pack("{s:s, s:o}", "type", "array", "items",
				      schema_reference("Warning", KIND_SETTINGS)));
	return json_pack("{s:s, s:o, s:o}", "type", "object", "properties", properties, "required", required);
}

static void add_schemas(json_t *schemas)
{
	for (enum kind kind = KIND_SETTINGS; kind < KIND_COUNT; kind++)
		add_kind_schemas(schemas, kind);
	json_object_set_new(schemas, "Config", config_schema("Config"));
	json_object_set_new(schemas, "ConfigInput", config_schema("Input"));
}

/* --- operations --- */

static void add_header(json_t *response, const char *name)
{
	json_t *headers = json_object_get(response, "headers");

	if (!headers) {
		headers = json_object();
		json_object_set_new(response, "headers", headers);
	}
	json_object_set_new(headers, name, reference("headers", name, KIND_SETTINGS));
}

static json_t *success_response(const struct route *route, enum kind kind)
{
	bool session = strcmp(route->path, "/session") == 0;
	json_t *response = json_pack("{s:s}", "description", route->status == 204 ? "Done" : "As asked");

	if (route->response)
		json_object_set_new(response, "content",
				    json_pack("{s:{s:o}}", route_type(route), "schema",
					      schema_reference(route->response, kind)));
	if (route->flags & ROUTE_REVISION)
		add_header(response, "ETag");
	if (route->status == 201 && (route->flags & ROUTE_CHANGES))
		add_header(response, "Location");
	if (session && route->method != METHOD_GET)
		add_header(response, "Set-Cookie");
	return response;
}

/* Which errors the operation may answer, beside 400 and 403. */
static bool may_fail_with(const struct route *route, unsigned status)
{
	switch (status) {
	case 400:
	case 403:
		return true;
	case 401:
		return route->who == WHO_ADMIN || (route->flags & ROUTE_THROTTLED);
	case 404:
		return strstr(route->path, "{id}") || strstr(route->path, "{number}");
	case 413:
	case 415:
	case 422:
		return route->request || (status == 422 && (route->query || (route->flags & ROUTE_CHANGES)));
	case 409:
		return route->flags & (ROUTE_CHANGES | ROUTE_THROTTLED | ROUTE_CONFLICTS);
	case 503:
		return route->flags &
		       (ROUTE_CHANGES | ROUTE_THROTTLED | ROUTE_STREAM | ROUTE_SECRET | ROUTE_DEFERS);
	case 412:
	case 502:
		return (route->flags & ROUTE_CHANGES);
	case 429:
		return route->who == WHO_ADMIN || (route->flags & ROUTE_THROTTLED);
	}
	return false;
}

static json_t *operation_responses(const struct route *route, enum kind kind)
{
	static const unsigned errors[] = { 400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 502, 503 };
	json_t *responses = json_object();
	char status[8];

	snprintf(status, sizeof(status), "%u", route->status);
	json_object_set_new(responses, status, success_response(route, kind));
	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		snprintf(status, sizeof(status), "%u", errors[i]);
		if (may_fail_with(route, errors[i]))
			json_object_set_new(responses, status, reference("responses", status, kind));
	}
	return responses;
}

static json_t *operation_body(const struct route *route, enum kind kind)
{
	json_t *media = json_pack("{s:o}", "schema", schema_reference(route->request, kind));
	json_t *body = json_pack("{s:b, s:{s:O}}", "required", 1, "content", "application/json", media);

	if (route->method == METHOD_PATCH)
		json_object_set(json_object_get(body, "content"), "application/merge-patch+json", media);
	json_decref(media);
	return body;
}

static json_t *operation_security(const struct route *route)
{
	if (route->who != WHO_ADMIN)
		return json_array();
	if (route->method == METHOD_GET)
		return json_pack("[{s:[]}, {s:[]}]", "session", "token");
	return json_pack("[{s:[], s:[]}, {s:[]}]", "session", "csrf", "token");
}

static void add_query(const struct route *route, json_t *parameters)
{
	const char *words = route->query;
	char name[32];

	while (words && *words) {
		size_t length = strcspn(words, " ");

		snprintf(name, sizeof(name), "%.*s", (int)length, words);
		json_array_append_new(parameters, reference("parameters", name, KIND_SETTINGS));
		words += length + strspn(words + length, " ");
	}
}

static json_t *operation_new(const struct route *route, enum kind kind)
{
	json_t *parameters = json_array();
	json_t *operation = json_pack("{s:o, s:o, s:o, s:o, s:o}", "operationId", expanded(route->name, kind),
				      "summary", expanded(route->summary, kind), "security",
				      operation_security(route), "parameters", parameters, "responses",
				      operation_responses(route, kind));

	if (strstr(route->path, "{id}"))
		json_array_append_new(parameters, reference("parameters", "id", kind));
	if (strstr(route->path, "{number}"))
		json_array_append_new(parameters, reference("parameters", "number", kind));
	add_query(route, parameters);
	if ((route->flags & ROUTE_CHANGES))
		json_array_append_new(parameters, reference("parameters", "ifMatch", kind));
	if (route_takes_trial(route))
		json_array_append_new(parameters, reference("parameters", "confirm_within_s", kind));
	if ((route->flags & ROUTE_STREAM))
		json_array_append_new(parameters, reference("parameters", "lastEventId", kind));
	if (route->flags & ROUTE_OUTSIDE)
		json_object_set_new(operation, "servers", json_pack("[{s:s}]", "url", "/"));
	if (route->request)
		json_object_set_new(operation, "requestBody", operation_body(route, kind));
	return operation;
}

static const char *method_key(enum method method)
{
	static const char *const keys[METHOD_COUNT] = {
		[METHOD_GET] = "get",     [METHOD_POST] = "post",     [METHOD_PUT] = "put",
		[METHOD_PATCH] = "patch", [METHOD_DELETE] = "delete",
	};

	return keys[method];
}

static void add_operation(json_t *paths, const struct route *route, enum kind kind)
{
	json_t *path = expanded(route->path, kind);
	json_t *item = json_object_get(paths, json_string_value(path));

	if (!item) {
		item = json_object();
		json_object_set_new(paths, json_string_value(path), item);
	}
	json_object_set_new(item, method_key(route->method), operation_new(route, kind));
	json_decref(path);
}

static void add_paths(json_t *paths)
{
	for (unsigned i = 0; i < route_count; i++) {
		if (routes[i].handler && !strstr(routes[i].path, "{collection}"))
			add_operation(paths, &routes[i], KIND_SETTINGS);
	}
	for (enum kind kind = KIND_NETWORK; kind < KIND_COUNT; kind++) {
		for (unsigned i = 0; i < route_count; i++) {
			if (strstr(routes[i].path, "{collection}"))
				add_operation(paths, &routes[i], kind);
		}
	}
}

static void add_problem_responses(json_t *responses)
{
	for (unsigned status = 400; status < 600; status++) {
		const char *title = problem_title(status);
		json_t *response;
		char key[8];

		if (!title)
			continue;
		snprintf(key, sizeof(key), "%u", status);
		response = json_pack("{s:s, s:{s:{s:o}}}", "description", title, "content",
				     "application/problem+json", "schema",
				     schema_reference("Problem", KIND_SETTINGS));
		if (status == 429 || status == 503)
			add_header(response, "Retry-After");
		json_object_set_new(responses, key, response);
	}
}

json_t *openapi_new(void)
{
	json_t *document = json_loads(openapi_text, 0, NULL);
	json_t *components = json_object_get(document, "components");

	json_object_set_new(json_object_get(document, "info"), "version", json_string(PORTICO_VERSION));
	add_problem_responses(json_object_get(components, "responses"));
	add_schemas(json_object_get(components, "schemas"));
	add_paths(json_object_get(document, "paths"));
	return document;
}

int openapi_get(struct request *request, struct err *err)
{
	struct web *web = request->web;
	json_t *json;

	(void)err;
	if (!web->openapi) {
		json = openapi_new();
		web->openapi = json_dumps(json, JSON_FORMAT);
		json_decref(json);
	}
	request->answer.text = web->openapi ? strdup(web->openapi) : NULL;
	return request->answer.text ? 0 : -ENOMEM;
}
