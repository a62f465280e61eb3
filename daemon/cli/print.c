/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/print.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* Columns that a character takes on the terminal: 2 for most of the East Asian ones. */
static unsigned text_width(const char *text)
{
	mbstate_t state = { 0 };
	unsigned width = 0;

	while (*text) {
		wchar_t c;
		size_t length = mbrtowc(&c, text, MB_LEN_MAX, &state);

		if (length == 0 || length > MB_LEN_MAX) { /* not text in this locale: one byte, one column */
			memset(&state, 0, sizeof(state));
			text++;
			width++;
			continue;
		}
		text += length;
		width += wcwidth(c) > 0 ? (unsigned)wcwidth(c) : 0;
	}
	return width;
}

/* C0, DEL and C1 (U+0080 to U+009F): terminals take any of them for the beginning of a command. */
static bool is_control(const unsigned char *text)
{
	return text[0] < 0x20 || text[0] == 0x7f || (text[0] == 0xc2 && text[1] >= 0x80 && text[1] < 0xa0);
}

void print_text(FILE *stream, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		bool control = is_control(at);

		fputc(control ? '?' : *at, stream);
		at += control && *at == 0xc2 ? 2 : 1;
	}
}

void print_line(const char *text)
{
	print_text(stdout, text);
	putchar('\n');
}

json_int_t member_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *member_text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static void print_cell(const char *text, unsigned width, bool last)
{
	print_text(stdout, text);
	if (last)
		putchar('\n');
	else
		printf("%*s", (int)(width - text_width(text) + 2), "");
}

static char *cell_text(const struct column *column, const json_t *item)
{
	struct buf buf;
	char *text;

	buf_init(&buf, CELL_MAX);
	column->cell(item, &buf);
	if (buf.length == 0)
		buf_puts(&buf, "-");
	text = buf_steal(&buf);
	return text ? text : strdup("...");
}

void print_table(const json_t *items, const struct column *columns, unsigned count, unsigned indent)
{
	size_t rows = json_array_size(items);
	char **cells = calloc(rows * count + 1, sizeof(*cells));
	unsigned *widths = calloc(count, sizeof(*widths));

	if (!cells || !widths)
		abort();
	for (unsigned c = 0; c < count; c++) {
		widths[c] = text_width(columns[c].title);
		for (size_t r = 0; r < rows; r++) {
			char *text = cell_text(&columns[c], json_array_get(items, r));

			if (text && text_width(text) > widths[c])
				widths[c] = text_width(text);
			cells[r * count + c] = text;
		}
	}
	for (size_t r = 0; r < rows + 1; r++) {
		printf("%*s", (int)indent, "");
		for (unsigned c = 0; c < count; c++)
			print_cell(r == 0 ? columns[c].title : cells[(r - 1) * count + c], widths[c],
				   c + 1 == count);
	}
	for (size_t i = 0; i < rows * count; i++)
		free(cells[i]);
	free(cells);
	free(widths);
}

void text_of(const json_t *value, struct buf *text)
{
	const json_t *item;
	size_t i;

	if (json_is_string(value)) {
		buf_puts(text, json_string_value(value)[0] ? json_string_value(value) : "-");
	} else if (json_is_boolean(value)) {
		buf_puts(text, json_is_true(value) ? "yes" : "no");
	} else if (json_is_integer(value)) {
		buf_printf(text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_real(value)) {
		buf_printf(text, "%g", json_real_value(value));
	} else if (json_array_size(value) > 0) {
		json_array_foreach((json_t *)value, i, item)
		{
			if (i > 0)
				buf_puts(text, ", ");
			text_of(item, text);
		}
	} else {
		buf_puts(text, "-");
	}
}

static unsigned members_width(const json_t *object, unsigned prefix)
{
	const char *key;
	json_t *value;
	unsigned widest = 0;

	json_object_foreach((json_t *)object, key, value)
	{
		unsigned width = prefix + (unsigned)strlen(key);

		if (json_is_object(value))
			width = members_width(value, width + 1);
		if (width > widest)
			widest = width;
	}
	return widest;
}

static void print_members_of(const json_t *object, const char *prefix, unsigned width)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		struct buf name, text;

		buf_init(&name, CELL_MAX);
		buf_init(&text, CELL_MAX * 4);
		buf_printf(&name, "%s%s", prefix, key);
		if (json_is_object(value)) {
			buf_puts(&name, ".");
			print_members_of(value, buf_text(&name), width);
		} else {
			text_of(value, &text);
			print_cell(buf_text(&name), width, false);
			print_cell(buf_text(&text), 0, true);
		}
		buf_done(&name);
		buf_done(&text);
	}
}

void print_members(const json_t *object)
{
	print_members_of(object, "", members_width(object, 0));
}

void print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
	putchar('\n');
}
