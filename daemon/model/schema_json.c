/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/schema.h"

/* One character of a name: what name_fault() lets pass, as far as a regular expression of JSON Schema can say it. */
#define NAME_PATTERN   "^[^\\x00-\\x1f\\x7f \"\\\\]([^\\x00-\\x1f\\x7f\"\\\\]*[^\\x00-\\x1f\\x7f \"\\\\])?$"
#define DEVICE_PATTERN "^[^\\x00-\\x20\\x7f/:*\"\\\\]{1,15}$"
#define PORTS_ENTRY    " *[1-9][0-9]{0,4} *(- *[1-9][0-9]{0,4} *)?"
#define PORTS_PATTERN  "^" PORTS_ENTRY "(," PORTS_ENTRY ")*$"
#define TIME_PATTERN \
	"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?([Zz]|[+-]00:00)$"
#define ADDRESS_PATTERN "^[0-9A-Fa-f:.]{2,45}$"
#define BACKEND_PATTERN "^[0-9A-Fa-f:.]{2,45}(/-[0-9]{1,3})?$"
#define DAY             "([Mm][Oo][Nn]|[Tt][Uu][Ee]|[Ww][Ee][Dd]|[Tt][Hh][Uu]|[Ff][Rr][Ii]|[Ss][Aa][Tt]|[Ss][Uu][Nn])"
#define DAYS            DAY "(-" DAY ")?"
#define HOURS           "[0-9]{1,2}:[0-9]{2}"
#define WINDOW          " *(" DAYS "(, *" DAYS ")*|[Dd][Aa][Ii][Ll][Yy]) +" HOURS "-" HOURS " *"
#define WINDOWS_PATTERN "^" WINDOW "(," WINDOW "){0,15}$"
#define PREFIX_PATTERN  "^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$"

static json_t *type_of(const char *type)
{
	return json_pack("{s:s}", "type", type);
}

static json_t *pattern_of(const char *pattern)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

static json_t *text_of(const char *pattern, int64_t min, int64_t max)
{
	json_t *json = json_pack("{s:s, s:I, s:I}", "type", "string", "minLength", (json_int_t)min,
				 "maxLength", (json_int_t)max);

	if (pattern)
		json_object_set_new(json, "pattern", json_string(pattern));
	return json;
}

static json_t *list_of(const struct field *field, json_t *items)
{
	return json_pack("{s:s, s:o, s:I, s:I, s:b}", "type", "array", "items", items, "minItems",
			 (json_int_t)field->min, "maxItems", (json_int_t)field->max, "uniqueItems", 1);
}

static json_t *number_of(const struct field *field)
{
	return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)field->min, "maximum",
			 (json_int_t)field->max);
}

static json_t *words_of(const struct field *field)
{
	json_t *words = json_array();

	for (unsigned i = 0; i < field->word_count; i++)
		if (field->words[i] && field->words[i][0])
			json_array_append_new(words, json_string(field->words[i]));
	return json_pack("{s:s, s:o}", "type", "string", "enum", words);
}

static json_t *either(json_t *a, json_t *b)
{
	return json_pack("{s:[o, o]}", "anyOf", a, b);
}

static json_t *value_schema(const struct field *field)
{
	switch (field->type) {
	case FIELD_ID:
	case FIELD_INTEGER:
		return number_of(field);
	case FIELD_BOOL:
		return type_of("boolean");
	case FIELD_ON_OFF:
		return json_pack("{s:s, s:[s, s]}", "type", "string", "enum", "on", "off");
	case FIELD_ENUM:
	case FIELD_PROTOCOL:
		return words_of(field);
	case FIELD_CHOICE:
		return either(words_of(field), pattern_of(ADDRESS_PATTERN));
	case FIELD_TIME:
		return json_pack("{s:s, s:s, s:s}", "type", "string", "format", "date-time", "pattern",
				 TIME_PATTERN);
	case FIELD_NAME:
		return text_of(NAME_PATTERN, 1, NAME_MAX_BYTES);
	case FIELD_DEVICE:
		return pattern_of(DEVICE_PATTERN);
	case FIELD_COMMENT:
		return text_of(NULL, 0, field->max);
	case FIELD_NEED:
		return either(
			pattern_of("^(any|all|[1-9][0-9]{0,2})$"),
			json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", 1, "maximum", LIST_MAX));
	case FIELD_ADDRESS:
		return pattern_of(ADDRESS_PATTERN);
	case FIELD_BACKEND:
		return pattern_of(BACKEND_PATTERN);
	case FIELD_SCHEDULE:
		return pattern_of(WINDOWS_PATTERN);
	case FIELD_NAMES:
		return list_of(field, text_of(NAME_PATTERN, 1, NAME_MAX_BYTES));
	case FIELD_DEVICES:
		return list_of(field, pattern_of(DEVICE_PATTERN));
	case FIELD_TARGETS:
		return list_of(field, text_of(NULL, 1, NAME_MAX_BYTES));
	case FIELD_PREFIXES:
		return list_of(field, pattern_of(PREFIX_PATTERN));
	case FIELD_PORTS:
		return either(pattern_of(PORTS_PATTERN), json_pack("{s:s, s:i, s:i}", "type", "integer",
								   "minimum", 1, "maximum", 65535));
	case FIELD_PROTOCOLS:
		return list_of(field, pattern_of("^[a-z0-9]{1,11}$"));
	case FIELD_OBJECT:
		return fields_json_schema(field->members);
	case FIELD_OBSERVED:
		return json_object();
	}
	return NULL;
}

json_t *field_json_schema(const struct field *field)
{
	json_t *json = value_schema(field);

	if (field->flags & FIELD_NULLABLE) {
		json_t *wide = either(json, type_of("null"));

		json = wide;
	}
	json_object_set_new(json, "description", json_string(field->help));
	if (field->absent)
		json_object_set_new(json, "default", json_loads(field->absent, JSON_DECODE_ANY, NULL));
	if (!field_is_kept(field))
		json_object_set_new(json, "readOnly", json_true());
	return json;
}

json_t *fields_json_schema(const struct fields *fields)
{
	json_t *properties = json_object(), *required = json_array();

	for (unsigned i = 0; i < fields->count; i++) {
		const struct field *field = &fields->items[i];

		json_object_set_new(properties, field->name, field_json_schema(field));
		if (field->flags & FIELD_REQUIRED)
			json_array_append_new(required, json_string(field->name));
	}
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
			 required, "additionalProperties", 0);
}
