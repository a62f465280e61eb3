/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A call to the API, and what went wrong with it in the words of the command line. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

int usage_error(const char *fmt, ...)
{
	va_list args;

	fputs("portico: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

/* "/sources/1" is about the field "sources", "/health/window" about "health.window". */
static bool is_about(const char *path, const char *field)
{
	if (*path++ != '/')
		return false;
	for (; *field; path++, field++)
		if (*path != (*field == '.' ? '/' : *field))
			return false;
	return *path == '/' || *path == '\0';
}

/* By the option that set it, "/name" the NAME, "?limit" --limit; paths of /config stay as they are. */
static void print_field(const struct cli_kind *kind, const char *path)
{
	if (path[0] == '?') {
		fputs("--", stderr);
		print_text(stderr, strcmp(path, "?confirm_within_s") == 0 ? "confirm-within" : path + 1);
		return;
	}
	if (kind && strcmp(path, "/name") == 0) {
		fputs("NAME", stderr);
		return;
	}
	for (unsigned i = 0; kind && i < kind->option_count; i++) {
		const struct cli_option *option = &kind->options[i];

		if (is_about(path, option->field)) {
			fprintf(stderr, "--%s", option->name);
			return;
		}
	}
	print_text(stderr, path);
}

static void print_items(const struct cli_kind *kind, const json_t *items, const char *intro)
{
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)items, i, item)
	{
		const char *path = json_string_value(json_object_get(item, "path"));

		fputs(intro, stderr);
		if (path && path[0]) {
			print_field(kind, path);
			fputs(": ", stderr);
		}
		print_text(stderr, member_text(item, "message"));
		fputc('\n', stderr);
	}
}

static void print_problem(const struct cli_kind *kind, const struct reply *reply)
{
	const json_t *errors = json_object_get(reply->json, "errors");
	const char *detail = json_string_value(json_object_get(reply->json, "detail"));
	const char *first = json_string_value(json_object_get(json_array_get(errors, 0), "message"));

	if (!detail) {
		fprintf(stderr, "portico: porticod answers with status %d\n", reply->status);
		return;
	}
	if (!first || strcmp(first, detail) != 0) { /* else the detail is one field's message, told below */
		fputs("portico: ", stderr);
		print_text(stderr, detail);
		fputc('\n', stderr);
	}
	print_items(kind, errors, "portico: ");
}

int call(const struct command *command, const struct cli_kind *kind, const char *method, const char *path,
	 const json_t *body, json_t **ret_json)
{
	bool trial = command->confirm_within && strcmp(method, "GET") != 0;
	struct reply reply;
	struct buf whole;
	int rc;

	*ret_json = NULL;
	buf_init(&whole, 512);
	buf_puts(&whole, path);
	if (trial)
		buf_printf(&whole, "?confirm_within_s=%s", command->confirm_within);
	rc = client_call(command->socket_path, method, buf_text(&whole), body, &reply);
	buf_done(&whole);
	if (rc < 0)
		return EXIT_FAILED;
	if (reply.status < 200 || reply.status > 299) {
		print_problem(kind, &reply);
		json_decref(reply.json);
		return EXIT_FAILED;
	}
	print_items(kind, json_object_get(reply.json, "warnings"), "warning: ");
	*ret_json = reply.json;
	return EXIT_OK;
}

static void print_text_line(void *arg, const char *line)
{
	(void)arg;
	puts(line);
}

int call_text(const struct command *command, const char *path)
{
	struct reply reply;
	int rc = EXIT_OK;

	if (client_follow(command->socket_path, path, print_text_line, NULL, &reply) < 0)
		return EXIT_FAILED;
	if (reply.status != 200) {
		print_problem(NULL, &reply);
		rc = EXIT_FAILED;
	}
	json_decref(reply.json);
	return rc;
}

int call_follow(const struct command *command, const char *path, void (*line)(void *arg, const char *line),
		void *arg)
{
	struct reply reply;

	if (client_follow(command->socket_path, path, line, arg, &reply) < 0)
		return EXIT_FAILED;
	if (reply.status == 200)
		fputs("portico: porticod has ended\n", stderr);
	else
		print_problem(NULL, &reply);
	json_decref(reply.json);
	return EXIT_FAILED;
}
