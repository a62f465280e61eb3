/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portico history, confirm. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"

/* "2026-01-31T12:00:00Z" in the local time of whoever reads it. */
static void add_time(const char *text, struct buf *buf)
{
	struct tm utc = { 0 };
	char local[32];
	time_t at;

	if (!strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc))
		return;
	at = timegm(&utc);
	strftime(local, sizeof(local), "%F %T", localtime(&at));
	buf_puts(buf, local);
}

/* --- the list --- */

static void cell_number(const json_t *revision, struct buf *text)
{
	buf_printf(text, "%" JSON_INTEGER_FORMAT, member_number(revision, "number"));
}

static void cell_at(const json_t *revision, struct buf *text)
{
	add_time(member_text(revision, "at"), text);
}

static void cell_author(const json_t *revision, struct buf *text)
{
	buf_puts(text, member_text(revision, "author"));
}

static void cell_changes(const json_t *revision, struct buf *text)
{
	enum { NAMED_MAX = 2 };
	const json_t *changes = json_object_get(revision, "changes");
	json_int_t count = (json_int_t)json_array_size(changes) + member_number(revision, "more");

	for (size_t i = 0; i < json_array_size(changes) && i < NAMED_MAX; i++) {
		buf_puts(text, i > 0 ? ", " : "");
		add_change(json_array_get(changes, i), text);
	}
	if (count > NAMED_MAX)
		buf_printf(text, ", %" JSON_INTEGER_FORMAT " more", count - NAMED_MAX);
}

/* Requests tell no more than the changes do. */
static void cell_reason(const json_t *revision, struct buf *text)
{
	const char *reason = member_text(revision, "reason");

	if (!strstr(reason, " /api/"))
		buf_puts(text, reason);
}

static const struct column columns[] = {
	{ "REVISION", cell_number }, { "AT", cell_at },         { "AUTHOR", cell_author },
	{ "CHANGES", cell_changes }, { "REASON", cell_reason },
};

static int list_action(const struct command *command, const char *path)
{
	const json_t *next;
	json_t *list;
	int rc = call(command, NULL, "GET", path, NULL, &list);

	if (rc != EXIT_OK)
		return rc;
	next = json_object_get(list, "next");
	if (command->json) {
		print_json(list);
	} else {
		print_table(json_object_get(list, "items"), columns, sizeof(columns) / sizeof(columns[0]), 0);
		if (json_is_integer(next))
			printf("more: portico history --before %" JSON_INTEGER_FORMAT "\n",
			       json_integer_value(next));
	}
	json_decref(list);
	return EXIT_OK;
}

/* Only digits: it becomes a part of the path. */
static bool is_number(const char *text)
{
	return *text && strlen(text) < 16 && text[strspn(text, "0123456789")] == '\0';
}

/* Reads --before N and --limit N into the path's query. */
static int list_options(const struct command *command, struct buf *path)
{
	buf_puts(path, "/revisions");
	for (int i = 0; i < command->count; i++) {
		const char *option = command->arguments[i], *value = strchr(option, '=');
		size_t length = value ? (size_t)(value - option) : strlen(option);

		if ((length != 8 || memcmp(option, "--before", length) != 0) &&
		    (length != 7 || memcmp(option, "--limit", length) != 0))
			return usage_error(
				"%s: no such action or option; `portico history --help` tells them", option);
		value = value ? value + 1 : ++i < command->count ? command->arguments[i] : "";
		if (!is_number(value))
			return usage_error("%.*s needs a number", (int)length, option);
		buf_printf(path, "%c%.*s=%s", strchr(buf_text(path), '?') ? '&' : '?', (int)length - 2,
			   option + 2, value);
	}
	return EXIT_OK;
}

/* --- one, two --- */

static void print_head(const json_t *revision)
{
	const json_t *confirmation = json_object_get(revision, "confirmation");
	struct buf line;

	buf_init(&line, CELL_MAX);
	buf_printf(&line, "revision %" JSON_INTEGER_FORMAT ", ", member_number(revision, "number"));
	add_time(member_text(revision, "at"), &line);
	buf_printf(&line, ", by %s: %s", member_text(revision, "author"), member_text(revision, "reason"));
	print_line(buf_text(&line));
	buf_done(&line);
	if (!json_is_object(confirmation))
		return;
	buf_init(&line, CELL_MAX);
	buf_puts(&line, "on trial, and confirmed ");
	add_time(member_text(confirmation, "at"), &line);
	buf_printf(&line, ", by %s", member_text(confirmation, "author"));
	print_line(buf_text(&line));
	buf_done(&line);
}

static int show_action(const struct command *command, const char *path)
{
	json_t *revision;
	int rc = call(command, NULL, "GET", path, NULL, &revision);

	if (rc != EXIT_OK)
		return rc;
	if (command->json) {
		print_json(revision);
	} else {
		print_head(revision);
		print_changes(json_object_get(revision, "changes"));
	}
	json_decref(revision);
	return EXIT_OK;
}

static int diff_action(const struct command *command, const char *path)
{
	const json_t *changes;
	json_t *diff;
	int rc = call(command, NULL, "GET", path, NULL, &diff);

	if (rc != EXIT_OK)
		return rc;
	changes = json_object_get(diff, "changes");
	if (command->json) {
		print_json(diff);
	} else if (json_array_size(changes) == 0) {
		puts("no difference");
	} else {
		printf("from revision %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT ":\n",
		       member_number(diff, "from"), member_number(diff, "to"));
		print_changes(changes);
	}
	json_decref(diff);
	return EXIT_OK;
}

static int restore_action(const struct command *command, const char *path)
{
	const json_t *changes;
	json_t *answer;
	int rc = call(command, NULL, "POST", path, NULL, &answer);

	if (rc != EXIT_OK)
		return rc;
	changes = json_object_get(answer, "changes");
	if (command->json) {
		print_json(answer);
	} else if (json_array_size(changes) == 0) {
		puts("nothing to restore: the configuration is that one.");
	} else {
		print_changes(changes);
		printf("restored, as revision %" JSON_INTEGER_FORMAT ".\n",
		       member_number(answer, "revision"));
		print_trial(command);
	}
	json_decref(answer);
	return EXIT_OK;
}

/* --- the command --- */

static int print_help(void)
{
	puts("portico history: what was changed, when and by whom; the way back\n"
	     "\n"
	     "  portico history                 the newest revisions\n"
	     "  portico history show N          all that revision N changed; who confirmed it\n"
	     "  portico history diff N [M]      from the configuration of N to that of M,\n"
	     "                                  or to the present one\n"
	     "  portico history restore N       bring the configuration of N back, as a new\n"
	     "                                  revision\n"
	     "\n"
	     "  --before N                      list only those before N\n"
	     "  --limit N                       list at most so many (50)\n"
	     "  --confirm-within SECONDS        restore on trial: portico confirm --help\n"
	     "  --json                          print the API's JSON");
	return EXIT_OK;
}

static const struct {
	const char *name;
	int (*run)(const struct command *command, const char *path);
	int least, most; /* numbers that it takes */
	const char *tail;
} actions[] = {
	{ "show", show_action, 1, 1, "" },
	{ "diff", diff_action, 1, 2, "/diff" },
	{ "restore", restore_action, 1, 1, "/restore" },
};

static int run_action(const struct command *command, unsigned action)
{
	char *const *numbers = command->arguments + 1;
	int count = command->count - 1, rc;
	struct buf path;

	if (count < actions[action].least)
		return usage_error("portico history %s needs a revision's number", actions[action].name);
	if (count > actions[action].most)
		return usage_error("%s: portico history %s takes no more", numbers[actions[action].most],
				   actions[action].name);
	for (int i = 0; i < count; i++) {
		if (!is_number(numbers[i]))
			return usage_error("%s: not a revision's number", numbers[i]);
	}
	if (actions[action].run != restore_action && command->confirm_within)
		return refuse_trial("history");
	buf_init(&path, 128);
	buf_printf(&path, "/revisions/%s%s", numbers[0], actions[action].tail);
	if (count > 1)
		buf_printf(&path, "?to=%s", numbers[1]);
	rc = actions[action].run(command, buf_text(&path));
	buf_done(&path);
	return rc;
}

int history_command(const struct command *command)
{
	struct buf path;
	int rc;

	if (command->help)
		return print_help();
	for (unsigned i = 0; command->count > 0 && i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, command->arguments[0]) == 0)
			return run_action(command, i);
	}
	if (command->confirm_within)
		return refuse_trial("history");
	buf_init(&path, 128);
	rc = list_options(command, &path);
	if (rc == EXIT_OK)
		rc = list_action(command, buf_text(&path));
	buf_done(&path);
	return rc;
}

/* --- trial --- */

int refuse_trial(const char *name)
{
	return usage_error("--confirm-within: `portico %s` makes no change that could be on trial", name);
}

void print_trial(const struct command *command)
{
	const json_t *trial;
	json_t *status;

	if (!command->confirm_within || command->json ||
	    call(command, NULL, "GET", "/status", NULL, &status) != EXIT_OK)
		return;
	trial = json_object_get(status, "trial");
	if (json_is_object(trial))
		printf("on trial: `portico confirm` keeps it; else revision %" JSON_INTEGER_FORMAT
		       " comes back in %.0f s.\n",
		       member_number(trial, "confirmed_revision"),
		       json_number_value(json_object_get(trial, "remaining_s")));
	json_decref(status);
}

int confirm_command(const struct command *command)
{
	json_t *answer;
	int rc;

	if (command->help) {
		puts("portico confirm: keep what is on trial\n"
		     "\n"
		     "A change made with --confirm-within SECONDS is on trial: the configuration of\n"
		     "before comes back by itself unless it is confirmed so soon. Changes made\n"
		     "meanwhile belong to the same trial. `portico status` tells of a running one, and\n"
		     "`portico history restore N` with the confirmed revision undoes it at once.\n"
		     "When the router is switched off in between, it comes back without the change;\n"
		     "when porticod is stopped, it takes the change back first.");
		return EXIT_OK;
	}
	if (command->count > 0)
		return usage_error("%s: portico confirm takes no more", command->arguments[0]);
	if (command->confirm_within)
		return refuse_trial("confirm");
	rc = call(command, NULL, "POST", "/confirm", NULL, &answer);
	if (rc != EXIT_OK)
		return rc;
	if (command->json)
		print_json(answer);
	else
		printf("revision %" JSON_INTEGER_FORMAT " is confirmed.\n",
		       member_number(answer, "revision"));
	json_decref(answer);
	return EXIT_OK;
}
