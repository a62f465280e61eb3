/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portico events: what happens, as it happens, a line each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"

enum { EVENT_NAME_MAX = 32 };

struct following {
	bool json;
	char name[EVENT_NAME_MAX]; /* of the event whose lines are coming */
	json_int_t id;
	json_t *forwards; /* names by id, for the counters, which have none */
};

/* --- names of forwards --- */

static void learn_name(struct following *following, const json_t *forward)
{
	char id[24];

	snprintf(id, sizeof(id), "%" JSON_INTEGER_FORMAT, member_number(forward, "id"));
	if (strcmp(member_text(forward, "what"), "removed") == 0)
		json_object_del(following->forwards, id);
	else
		json_object_set(following->forwards, id, json_object_get(forward, "name"));
}

static void add_name_of(const struct following *following, json_int_t number, struct buf *line)
{
	char id[24];
	const char *name;

	snprintf(id, sizeof(id), "%" JSON_INTEGER_FORMAT, number);
	name = member_text(following->forwards, id);
	if (name[0])
		buf_printf(line, "\"%s\"", name);
	else
		buf_printf(line, "forward %s", id);
}

/* --- one line for each event --- */

static void add_failures(const json_t *kernel, struct buf *line)
{
	const json_t *failures = json_object_get(kernel, "failures"), *failure;
	const json_t *retry = json_object_get(kernel, "retry_in_s");
	size_t i;

	buf_puts(line, json_is_true(json_object_get(kernel, "in_sync")) ? "in sync" : "NOT in sync");
	json_array_foreach((json_t *)failures, i, failure)
		buf_printf(line, "; %s: %s", member_text(failure, "step"), member_text(failure, "message"));
	if (json_is_number(retry))
		buf_printf(line, "; tried again in %.0f s", json_number_value(retry));
}

static unsigned count_true(const json_t *items, const char *key)
{
	const json_t *item;
	unsigned count = 0;
	size_t i;

	json_array_foreach((json_t *)items, i, item) count += json_is_true(json_object_get(item, key));
	return count;
}

static void tell_hello(struct following *following, const json_t *data, struct buf *line)
{
	const json_t *forwards = json_object_get(data, "forwards"),
		     *uplinks = json_object_get(data, "uplinks");
	const json_t *forward;
	size_t i;

	json_object_clear(following->forwards);
	json_array_foreach((json_t *)forwards, i, forward) learn_name(following, forward);
	buf_printf(line,
		   "portico %s at revision %" JSON_INTEGER_FORMAT ", %u of %zu uplinks up, "
		   "%u of %zu forwards live, kernel ",
		   member_text(data, "version"), member_number(data, "revision"), count_true(uplinks, "up"),
		   json_array_size(uplinks), count_true(forwards, "live"), json_array_size(forwards));
	add_failures(json_object_get(data, "kernel"), line);
}

static void tell_revision(struct following *following, const json_t *data, struct buf *line)
{
	const json_t *changes = json_object_get(data, "changes"), *change;
	size_t i;

	buf_printf(line, "revision %" JSON_INTEGER_FORMAT " by %s: ", member_number(data, "number"),
		   member_text(data, "author"));
	json_array_foreach((json_t *)changes, i, change)
	{
		const char *kind = member_text(change, "kind"), *name = member_text(change, "name");

		if (strcmp(kind, "forward") == 0)
			learn_name(following, change);
		buf_puts(line, i > 0 ? ", " : "");
		buf_printf(line, "%s %s%s%s%s", kind, name[0] ? "\"" : "", name, name[0] ? "\" " : "",
			   member_text(change, "what"));
	}
	if (member_number(data, "more") > 0)
		buf_printf(line, ", and %" JSON_INTEGER_FORMAT " more", member_number(data, "more"));
}

static void tell_uplink(struct following *following, const json_t *data, struct buf *line)
{
	bool up = json_is_true(json_object_get(data, "up"));

	(void)following;
	buf_printf(line, "uplink \"%s\" is %s: ", member_text(data, "name"), up ? "up" : "down");
	if (up)
		text_of(json_object_get(data, "addresses"), line);
	else
		buf_puts(line, member_text(data, "reason"));
	buf_puts(line, json_is_true(json_object_get(data, "in_use")) ? ", in use" : ", not in use");
}

static void tell_forward(struct following *following, const json_t *data, struct buf *line)
{
	(void)following;
	if (member_number(data, "many") > 0)
		buf_printf(line, "%" JSON_INTEGER_FORMAT " forwards are in another state",
			   member_number(data, "many"));
	else if (json_is_true(json_object_get(data, "live")))
		buf_printf(line, "forward \"%s\" is live", member_text(data, "name"));
	else
		buf_printf(line, "forward \"%s\" is not live: %s", member_text(data, "name"),
			   member_text(data, "reason"));
}

static void tell_counters(struct following *following, const json_t *data, struct buf *line)
{
	const json_t *items = json_object_get(data, "items"), *item;
	size_t i;

	buf_puts(line, "connections: ");
	json_array_foreach((json_t *)items, i, item)
	{
		buf_puts(line, i > 0 ? ", " : "");
		add_name_of(following, member_number(item, "id"), line);
		buf_printf(line, " %" JSON_INTEGER_FORMAT, member_number(item, "connections"));
	}
}

static void tell_kernel(struct following *following, const json_t *data, struct buf *line)
{
	const json_t *found = json_object_get(data, "found"), *text;
	size_t i;

	(void)following;
	buf_puts(line, "kernel ");
	add_failures(data, line);
	json_array_foreach((json_t *)found, i, text)
	{
		buf_puts(line, i == 0 ? "; mended: " : ", ");
		text_of(text, line);
	}
}

static void tell_trial(struct following *following, const json_t *data, struct buf *line)
{
	const json_t *trial = json_object_get(data, "trial");
	const char *outcome = member_text(data, "outcome");

	(void)following;
	if (!json_is_object(trial))
		buf_printf(line, "trial: %s", outcome);
	else if (member_text(trial, "failure")[0])
		buf_printf(line,
			   "revision %" JSON_INTEGER_FORMAT " is back, which cannot be recorded yet: %s",
			   member_number(trial, "confirmed_revision"), member_text(trial, "failure"));
	else
		buf_printf(line,
			   "revision %" JSON_INTEGER_FORMAT " is on trial; revision %" JSON_INTEGER_FORMAT
			   " comes back in %.0f s unless it is confirmed",
			   member_number(trial, "revision"), member_number(trial, "confirmed_revision"),
			   json_number_value(json_object_get(trial, "remaining_s")));
}

static void print_event(struct following *following, const json_t *data)
{
	static const struct {
		const char *name;
		void (*tell)(struct following *following, const json_t *data, struct buf *line);
	} kinds[] = {
		{ "hello", tell_hello },     { "revision", tell_revision }, { "uplink", tell_uplink },
		{ "forward", tell_forward }, { "counters", tell_counters }, { "kernel", tell_kernel },
		{ "trial", tell_trial },
	};
	time_t now = time(NULL);
	char at[32] = "";
	struct buf line;

	strftime(at, sizeof(at), "%F %T", localtime(&now));
	buf_init(&line, REPLY_MAX);
	buf_printf(&line, "%s  ", at);
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, following->name) != 0)
			continue;
		kinds[i].tell(following, data, &line);
		print_line(buf_text(&line));
	}
	buf_done(&line);
}

/* --- the stream --- */

static void print_event_json(const struct following *following, json_t *data)
{
	json_t *event = json_pack("{s:s, s:I, s:O}", "event", following->name, "id", following->id, "data",
				  data);

	json_dumpf(event, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
	putchar('\n');
	json_decref(event);
}

/* A server-sent event is a line for each of its fields, always in this order here. */
static void on_line(void *arg, const char *line)
{
	struct following *following = arg;
	json_t *data;

	if (strncmp(line, "event: ", 7) == 0)
		snprintf(following->name, sizeof(following->name), "%s", line + 7);
	else if (strncmp(line, "id: ", 4) == 0)
		following->id = strtoll(line + 4, NULL, 10);
	if (strncmp(line, "data: ", 6) != 0)
		return;
	data = json_loads(line + 6, 0, NULL);
	if (following->json)
		print_event_json(following, data);
	else
		print_event(following, data);
	json_decref(data);
}

int events_command(const struct command *command)
{
	struct following following = { .json = command->json };
	int rc;

	if (command->help) {
		puts("portico events: what happens, as it happens, until Ctrl-C or the end of porticod\n"
		     "\n"
		     "  --json    one line of JSON for each event: {\"event\", \"id\", \"data\"}\n"
		     "\n"
		     "The first event is a hello: how things are. Another one later means that some\n"
		     "were missed. What is measured of uplinks, each second, is told with --json only.");
		return EXIT_OK;
	}
	if (command->confirm_within)
		return refuse_trial("events");
	if (command->count > 0)
		return usage_error("%s: portico events takes no more", command->arguments[0]);
	following.forwards = json_object();
	setvbuf(stdout, NULL, _IOLBF, 0);
	rc = call_follow(command, "/events", on_line, &following);
	json_decref(following.forwards);
	return rc;
}
