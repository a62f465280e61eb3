/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portico status, setup-code. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static int no_arguments(const struct command *command, const char *name)
{
	if (command->confirm_within)
		return refuse_trial(name);
	if (command->count == 0)
		return EXIT_OK;
	return usage_error("%s: portico %s takes no more", command->arguments[0], name);
}

/* --- status --- */

static void print_duration(json_int_t seconds)
{
	static const struct {
		json_int_t seconds;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
	unsigned i = 0;

	while (i < 3 && seconds < units[i].seconds)
		i++;
	printf("%" JSON_INTEGER_FORMAT " %s%s", seconds / units[i].seconds, units[i].name,
	       seconds / units[i].seconds == 1 ? "" : "s");
}

static void print_kernel(const json_t *kernel)
{
	const json_t *failures = json_object_get(kernel, "failures"), *failure, *text;
	size_t i;

	printf("kernel    %s", json_is_true(json_object_get(kernel, "in_sync")) ? "in sync" : "NOT in sync");
	if (member_number(kernel, "mended") > 0)
		printf(", mended %" JSON_INTEGER_FORMAT " times", member_number(kernel, "mended"));
	if (json_is_number(json_object_get(kernel, "retry_in_s")))
		printf(", tried again in %.0f s", json_number_value(json_object_get(kernel, "retry_in_s")));
	putchar('\n');
	json_array_foreach((json_t *)json_object_get(kernel, "last_found"), i, text)
	{
		fputs("          last found: ", stdout);
		print_line(json_string_value(text));
	}
	json_array_foreach((json_t *)failures, i, failure)
	{
		printf("          %s: ", member_text(failure, "step"));
		print_line(member_text(failure, "message"));
	}
}

static void print_status_trial(const json_t *trial)
{
	if (!json_is_object(trial))
		return;
	printf("trial     revision %" JSON_INTEGER_FORMAT, member_number(trial, "revision"));
	if (member_text(trial, "failure")[0])
		printf(" was not confirmed in time; that revision %" JSON_INTEGER_FORMAT
		       " is back cannot be recorded yet:\n          %s\n",
		       member_number(trial, "confirmed_revision"), member_text(trial, "failure"));
	else
		printf(": `portico confirm` keeps it; else revision %" JSON_INTEGER_FORMAT
		       " comes back in %.0f s\n",
		       member_number(trial, "confirmed_revision"),
		       json_number_value(json_object_get(trial, "remaining_s")));
}

static void print_status(const json_t *status)
{
	const json_t *forwards = json_object_get(status, "forwards"),
		     *uplinks = json_object_get(status, "uplinks");
	const json_t *firewall = json_object_get(status, "firewall"),
		     *database = json_object_get(status, "database");

	printf("portico   %s on %s, revision %" JSON_INTEGER_FORMAT ", up for ",
	       member_text(status, "version"), member_text(status, "hostname"),
	       member_number(status, "revision"));
	print_duration(member_number(status, "uptime_s"));
	putchar('\n');
	print_status_trial(json_object_get(status, "trial"));
	if (member_text(database, "failure")[0])
		printf("database  nothing can be changed: %s\n", member_text(database, "failure"));
	print_kernel(json_object_get(status, "kernel"));
	printf("firewall  %s\n",
	       strcmp(member_text(firewall, "mode"), "own") == 0 ? "own" : "beside another one");
	printf("forwards  %" JSON_INTEGER_FORMAT ", of which %" JSON_INTEGER_FORMAT " live\n",
	       member_number(forwards, "total"), member_number(forwards, "live"));
	printf("uplinks   %zu\n", json_array_size(uplinks));
	if (json_array_size(uplinks) > 0)
		print_table(uplinks, uplink_status_columns, uplink_status_column_count, 10);
}

int status_command(const struct command *command)
{
	json_t *status;
	int rc = no_arguments(command, "status");

	if (command->help) {
		puts("portico status: version, revision, whether the kernel is in sync, uplinks");
		return EXIT_OK;
	}
	if (rc == EXIT_OK)
		rc = call(command, NULL, "GET", "/status", NULL, &status);
	if (rc != EXIT_OK)
		return rc;
	if (command->json)
		print_json(status);
	else
		print_status(status);
	json_decref(status);
	return EXIT_OK;
}

/* --- setup-code --- */

int setup_code_command(const struct command *command)
{
	json_t *setup;
	int rc = no_arguments(command, "setup-code");

	if (command->help) {
		puts("portico setup-code: the code that the first run of the page asks for");
		return EXIT_OK;
	}
	if (rc == EXIT_OK)
		rc = call(command, NULL, "GET", "/setup", NULL, &setup);
	if (rc != EXIT_OK)
		return rc;
	if (command->json) {
		print_json(setup);
	} else if (json_is_true(json_object_get(setup, "finished"))) {
		fputs("portico: setup is finished: there is a password, and no code any more\n", stderr);
		rc = EXIT_FAILED;
	} else {
		puts(member_text(setup, "code"));
	}
	json_decref(setup);
	return rc;
}
