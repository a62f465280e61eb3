/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_CLI_PRINT_H
#define PORTICO_CLI_PRINT_H

/* Output for people: aligned tables and plain texts. Control characters are never passed to the terminal. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"

enum { CELL_MAX = 4096 };

struct column {
	const char *title;
	/* Appends the cell's text. */
	void (*cell)(const json_t *object, struct buf *text);
};

/* Prints a table of the array's objects, with `indent` spaces before each line; an empty one has its titles only. */
void print_table(const json_t *items, const struct column *columns, unsigned count, unsigned indent);

/* Prints "name  value" lines for the members of an object; those of inner objects as "inner.name". */
void print_members(const json_t *object);

/* Prints the JSON as it is, indented. */
void print_json(const json_t *json);

void print_text(FILE *stream, const char *text);
/* Prints the text to the standard output and ends the line. */
void print_line(const char *text);

/* A member of an object; 0 and "" if there is none, or none of that type. */
json_int_t member_number(const json_t *object, const char *key);
const char *member_text(const json_t *object, const char *key);

/* Appends a value as people write it: lists with commas, true as "yes", null and empty lists as "-". */
void text_of(const json_t *value, struct buf *text);

#endif
