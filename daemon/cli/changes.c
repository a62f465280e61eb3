/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Differences between configurations, in words: a line for each object, and one for each field below it. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

/* The value at "health/window"; NULL: there is none. */
static const json_t *value_at(const json_t *object, const char *path)
{
	char key[64];

	while (object && *path) {
		size_t length = strcspn(path, "/");

		snprintf(key, sizeof(key), "%.*s", (int)length, path);
		object = json_object_get(object, key);
		path += length + (path[length] == '/');
	}
	return object;
}

/* "port 80, host x" of what is an object itself. */
static void add_value(const json_t *value, struct buf *text)
{
	const char *key;
	json_t *member;
	bool first = true;

	if (!json_is_object(value)) {
		text_of(value, text);
		return;
	}
	json_object_foreach((json_t *)value, key, member)
	{
		buf_printf(text, "%s%s ", first ? "" : ", ", key);
		text_of(member, text);
		first = false;
	}
}

static void print_field(const json_t *change, const char *path, size_t width)
{
	const json_t *before = value_at(json_object_get(change, "before"), path);
	const json_t *after = value_at(json_object_get(change, "after"), path);
	struct buf line;

	buf_init(&line, CELL_MAX * 4);
	buf_printf(&line, "    %-*s  ", (int)width, path);
	if (before)
		add_value(before, &line);
	if (before && after)
		buf_puts(&line, " -> ");
	if (after)
		add_value(after, &line);
	print_line(buf_text(&line));
	buf_done(&line);
}

/* What says nothing of an object that came or went: null, nothing, no. */
static bool is_empty(const json_t *value)
{
	return json_is_null(value) || json_is_false(value) ||
	       (json_is_array(value) && json_array_size(value) == 0) ||
	       (json_is_string(value) && !json_string_value(value)[0]);
}

static bool is_told(const char *key, const json_t *value)
{
	return strcmp(key, "id") != 0 && strcmp(key, "name") != 0 && !is_empty(value);
}

static void print_whole(const json_t *change)
{
	const json_t *before = json_object_get(change, "before");
	const json_t *object = json_is_object(before) ? before : json_object_get(change, "after");
	const char *key;
	size_t width = 0;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		if (is_told(key, value) && strlen(key) > width)
			width = strlen(key);
	}
	json_object_foreach((json_t *)object, key, value)
	{
		struct buf line;

		if (!is_told(key, value))
			continue;
		buf_init(&line, CELL_MAX * 4);
		buf_printf(&line, "    %-*s  ", (int)width, key);
		add_value(value, &line);
		print_line(buf_text(&line));
		buf_done(&line);
	}
}

void print_change_fields(const json_t *change)
{
	const json_t *fields = json_object_get(change, "fields"), *field;
	size_t i, width = 0;

	if (strcmp(member_text(change, "what"), "changed") != 0) {
		print_whole(change);
		return;
	}
	json_array_foreach((json_t *)fields, i, field)
	{
		if (json_string_length(field) > width)
			width = json_string_length(field);
	}
	json_array_foreach((json_t *)fields, i, field) print_field(change, json_string_value(field), width);
}

void add_change(const json_t *change, struct buf *text)
{
	const char *kind = member_text(change, "kind"), *name = member_text(change, "name");

	for (; *kind; kind++)
		buf_add(text, *kind == '_' ? " " : kind, 1);
	buf_printf(text, "%s%s%s %s", name[0] ? " \"" : "", name, name[0] ? "\"" : "",
		   member_text(change, "what"));
}

void print_changes(const json_t *changes)
{
	const json_t *change;
	size_t i;

	json_array_foreach((json_t *)changes, i, change)
	{
		struct buf line;

		buf_init(&line, CELL_MAX);
		add_change(change, &line);
		print_line(buf_text(&line));
		buf_done(&line);
		print_change_fields(change);
	}
}
