/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bodies of requests: decoding, and where in them something is wrong. */
#include <errno.h>
#include <string.h>

#include "base/crypto.h"
#include "web/request.h"

/* --- a JSON pointer to a place in a text --- */

enum { WHERE_DEPTH_MAX = 16 };

struct where {
	unsigned depth;
	struct {
		bool array;
		unsigned index;  /* of an array */
		const char *key; /* of an object, as written; NULL: none yet */
		size_t key_length;
	} levels[WHERE_DEPTH_MAX];
};

/* Past the closing quote of the string that starts at `i`, or `end`. */
static size_t skip_string(const char *text, size_t i, size_t end)
{
	for (i++; i < end && text[i] != '"'; i++) {
		if (text[i] == '\\')
			i++;
	}
	return i < end ? i + 1 : end;
}

static void where_string(struct where *where, const char *text, size_t start, size_t end)
{
	unsigned top = where->depth - 1;

	if (where->depth == 0 || where->depth > WHERE_DEPTH_MAX || where->levels[top].array ||
	    where->levels[top].key)
		return; /* a value */
	where->levels[top].key = text + start + 1;
	where->levels[top].key_length = end - start - 2;
}

static void where_mark(struct where *where, char c)
{
	unsigned top = where->depth - 1;

	switch (c) {
	case '{':
	case '[':
		if (where->depth < WHERE_DEPTH_MAX) {
			where->levels[where->depth].array = c == '[';
			where->levels[where->depth].index = 0;
			where->levels[where->depth].key = NULL;
		}
		where->depth++;
		break;
	case '}':
	case ']':
		if (where->depth > 0)
			where->depth--;
		break;
	case ',':
		if (where->depth > 0 && where->depth <= WHERE_DEPTH_MAX) {
			where->levels[top].index++;
			where->levels[top].key = NULL;
		}
		break;
	}
}

/* Writes the pointer of the value that byte `offset` is in; as far as it could be followed. */
static void where_print(const char *text, size_t offset, char *path, size_t size)
{
	struct where where = { 0 };
	struct buf buf;

	for (size_t i = 0; i < offset;) {
		if (text[i] == '"') {
			size_t end = skip_string(text, i, offset);

			if (end < offset || text[end - 1] == '"')
				where_string(&where, text, i, end);
			i = end;
		} else {
			where_mark(&where, text[i++]);
		}
	}
	buf_init(&buf, size - 1);
	for (unsigned i = 0; i < where.depth && i < WHERE_DEPTH_MAX; i++) {
		if (where.levels[i].array)
			buf_printf(&buf, "/%u", where.levels[i].index);
		else if (where.levels[i].key && where.levels[i].key_length < 64)
			buf_printf(&buf, "/%.*s", (int)where.levels[i].key_length, where.levels[i].key);
	}
	snprintf(path, size, "%s", buf.failed ? "" : buf_text(&buf));
	for (char *p = path; *p; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e) /* our own field names are plain */
			*p = '?';
	}
	buf_done(&buf);
}

/* --- decoding --- */

/* What is JSON, but more than the decoder takes: the value is at fault then, not the form. NULL for all else. */
static const char *value_fault(enum json_error_code code)
{
	if (code == json_error_numeric_overflow)
		return "must be a smaller number";
	if (code == json_error_null_character || code == json_error_null_byte_in_key)
		return "must have no control characters";
	return NULL;
}

/* Outside of strings a brace or bracket stands for its first member, a comma for the next: there are no more values. */
bool body_has_too_many(const char *text, size_t length)
{
	unsigned count = 0;

	for (size_t i = 0; i < length;) {
		if (text[i] == '"') {
			i = skip_string(text, i, length);
		} else {
			count += text[i] == '{' || text[i] == '[' || text[i] == ',';
			i++;
		}
	}
	return count > BODY_VALUES_MAX;
}

int body_parse(struct request *request, struct err *err)
{
	const char *text = buf_text(&request->body);
	char path[ERR_PATH_MAX];
	json_error_t error;
	const char *fault;

	if (body_has_too_many(text, request->body.length))
		return err_set(err, ERR_TOO_LARGE, "the body must have at most %d values", BODY_VALUES_MAX);
	request->json = json_loadb(text, request->body.length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
				   &error);
	if (request->json)
		return 0;
	if (request->body.length == 0)
		return err_set(err, ERR_SYNTAX, "the body is empty; it must be JSON");
	path[0] = '\0';
	if (error.position > 0 && (size_t)error.position <= request->body.length)
		where_print(text, (size_t)error.position, path, sizeof(path));
	fault = value_fault(json_error_code(&error));
	if (fault)
		return err_field(err, path, "%s", fault);
	err_set(err, ERR_SYNTAX, "the body is not JSON: line %d, column %d: %s", error.line, error.column,
		error.text);
	return err_field(err, path, "%s", error.text);
}

static const struct member *find_member(const struct member *members, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(members[i].name, name) == 0)
			return &members[i];
	}
	return NULL;
}

static void check_member(const struct member *member, const json_t *value, struct err *err)
{
	char path[ERR_PATH_MAX];

	path_join(path, "", member->name);
	if (!value && member->required)
		err_field(err, path, "is required");
	else if (value && member->type == MEMBER_TEXT && !json_is_string(value))
		err_field(err, path, "must be a string");
	else if (member->type == MEMBER_TEXT && json_string_length(value) > member->max)
		err_field(err, path, "must be at most %zu bytes long", member->max);
	else if (value && member->type == MEMBER_FLAG && !json_is_boolean(value))
		err_field(err, path, "must be true or false");
}

int body_members(const struct request *request, const struct member *members, unsigned count,
		 const json_t **ret_values, struct err *err)
{
	const char *key;
	char path[ERR_PATH_MAX];
	json_t *value;

	if (!json_is_object(request->json))
		return err_field(err, "", "must be an object");
	json_object_foreach(request->json, key, value)
	{
		if (!find_member(members, count, key))
			err_field(err, path_join(path, "", key), "is not a field that is known here");
	}
	for (unsigned i = 0; i < count; i++) {
		ret_values[i] = json_object_get(request->json, members[i].name);
		check_member(&members[i], ret_values[i], err);
	}
	return err->kind == ERR_NONE ? 0 : -EINVAL;
}

int body_strings(const struct request *request, const char *const *members, const char **ret_values,
		 struct err *err)
{
	struct member texts[BODY_STRINGS_MAX] = { 0 };
	const json_t *values[BODY_STRINGS_MAX] = { NULL };
	unsigned count = 0;
	int r;

	for (; members[count] && count < BODY_STRINGS_MAX; count++)
		texts[count] = (struct member){ members[count], MEMBER_TEXT, true, PASSWORD_MAX };
	r = body_members(request, texts, count, values, err);
	for (unsigned i = 0; i < count; i++)
		ret_values[i] = r == 0 ? json_string_value(values[i]) : NULL;
	return r;
}

json_t *merge_patch(const struct fields *fields, const json_t *target, const json_t *patch)
{
	json_t *result, *value;
	const char *key;

	if (!json_is_object(patch))
		return json_deep_copy(patch);
	result = json_is_object(target) ? json_copy((json_t *)target) : json_object();
	json_object_foreach((json_t *)patch, key, value)
	{
		const struct field *field = fields_find(fields, key);

		if (field && json_is_null(value) && !(field->flags & FIELD_NULLABLE))
			json_object_del(result, key);
		else if (field && field->type == FIELD_OBJECT)
			json_object_set_new(result, key,
					    merge_patch(field->members, json_object_get(result, key), value));
		else
			json_object_set(result, key, value);
	}
	return result;
}
