/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be done to uplinks beside what can be done to everything. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

enum { TRANSITIONS_SHOWN = 10 };

/* Adds "12.3 ms", or nothing. */
static void add_milliseconds(const json_t *value, struct buf *text)
{
	if (json_is_number(value))
		buf_printf(text, "%.1f ms", json_number_value(value));
}

static void cell_target(const json_t *item, struct buf *text)
{
	text_of(json_object_get(item, "target"), text);
}

static void cell_latency(const json_t *item, struct buf *text)
{
	add_milliseconds(json_object_get(item, "latency_ms"), text);
}

static void cell_loss(const json_t *item, struct buf *text)
{
	const json_t *loss = json_object_get(item, "loss_percent");

	if (json_is_number(loss))
		buf_printf(text, "%.0f %%", json_number_value(loss));
}

static void cell_at(const json_t *item, struct buf *text)
{
	text_of(json_object_get(item, "at"), text);
}

static void cell_up(const json_t *item, struct buf *text)
{
	if (json_is_true(json_object_get(item, "up")))
		buf_puts(text, "up");
	else
		text_of(json_object_get(item, "reason"), text);
}

static void cell_answer(const json_t *item, struct buf *text)
{
	const json_t *error = json_object_get(item, "error");

	if (json_is_true(json_object_get(item, "answered")))
		add_milliseconds(json_object_get(item, "latency_ms"), text);
	else
		buf_puts(text, json_is_string(error) ? json_string_value(error) : "no answer");
}

static const struct column target_columns[] = { { "TARGET", cell_target },
						{ "LATENCY", cell_latency },
						{ "LOSS", cell_loss } };
static const struct column transition_columns[] = { { "WHEN", cell_at }, { "STATE", cell_up } };
static const struct column answer_columns[] = { { "TARGET", cell_target }, { "ANSWER", cell_answer } };

/* Makes a request about the uplink of that name, at `what` below its path. */
static int ask(const struct command *command, const struct cli_kind *kind, const char *method,
	       const char *name, const char *what, json_t **ret_json)
{
	json_t *uplink = NULL;
	struct buf path;
	int rc;

	buf_init(&path, 128);
	rc = find_path(command, kind, name, &path, &uplink);
	buf_puts(&path, what);
	if (rc == EXIT_OK)
		rc = call(command, kind, method, buf_text(&path), NULL, ret_json);
	json_decref(uplink);
	buf_done(&path);
	return rc;
}

/* The last of them, the newest first. */
static json_t *newest(const json_t *transitions)
{
	json_t *list = json_array();

	for (size_t i = json_array_size(transitions); i > 0 && json_array_size(list) < TRANSITIONS_SHOWN; i--)
		json_array_append(list, json_array_get(transitions, i - 1));
	return list;
}

int health_action(const struct command *command, const struct cli_kind *kind, int count, char **arguments)
{
	json_t *health, *transitions;
	int rc = ask(command, kind, "GET", arguments[0], "/health", &health);

	(void)count;
	if (rc != EXIT_OK)
		return rc;
	if (command->json) {
		print_json(health);
	} else {
		transitions = newest(json_object_get(health, "transitions"));
		if (json_array_size(json_object_get(health, "targets")) > 0) {
			print_table(json_object_get(health, "targets"), target_columns, 3, 0);
			puts("");
		}
		print_table(transitions, transition_columns, 2, 0);
		json_decref(transitions);
	}
	json_decref(health);
	return EXIT_OK;
}

int test_action(const struct command *command, const struct cli_kind *kind, int count, char **arguments)
{
	json_t *result;
	int rc = ask(command, kind, "POST", arguments[0], "/test", &result);
	bool passed;

	(void)count;
	if (rc != EXIT_OK)
		return rc;
	passed = json_is_true(json_object_get(result, "passed"));
	if (command->json) {
		print_json(result);
	} else {
		print_table(json_object_get(result, "targets"), answer_columns, 2, 0);
		printf("\n%s\n", passed ? "passed" : "not passed");
	}
	json_decref(result);
	return passed ? EXIT_OK : EXIT_FAILED;
}

static int set_service(const struct command *command, const struct cli_kind *kind, const char *name, bool out)
{
	json_t *body = json_pack("{s:b}", "out_of_service", out);
	int rc = change_object(command, kind, name, "PATCH", body,
			       out ? "is out of service" : "is back in service");

	json_decref(body);
	return rc;
}

int out_action(const struct command *command, const struct cli_kind *kind, int count, char **arguments)
{
	(void)count;
	return set_service(command, kind, arguments[0], true);
}

int in_action(const struct command *command, const struct cli_kind *kind, int count, char **arguments)
{
	(void)count;
	return set_service(command, kind, arguments[0], false);
}
