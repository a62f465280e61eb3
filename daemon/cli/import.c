/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portico import. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

static int print_help(void)
{
	puts("portico import: rules of others become objects\n"
	     "\n"
	     "  portico import FILE           what would become of each line; changes nothing\n"
	     "  portico import --apply FILE   do it\n"
	     "\n"
	     "  --format FORMAT   iptables-save; iptables (scripts and recipes, with ip, too);\n"
	     "                    uci-firewall or uci-mwan3 (OpenWrt). What it looks like, if\n"
	     "                    not said\n"
	     "  --network FILE    OpenWrt's /etc/config/network: which interface is what\n"
	     "  --confirm-within SECONDS\n"
	     "                    on trial: portico confirm --help\n"
	     "  --json            print the API's JSON\n"
	     "\n"
	     "FILE - is the standard input. What somebody has set stays as it is; of uplinks\n"
	     "that are there, mwan3's file sets what still has its default.");
	return EXIT_OK;
}

/* A line of the text, and below it what became of it. */
static void print_text_line(const json_t *line)
{
	const char *became = json_string_value(json_object_get(line, "became"));
	const char *message = json_string_value(json_object_get(line, "message"));
	bool understood = json_is_true(json_object_get(line, "understood"));

	if (understood && !became && (!message || !message[0]))
		return;
	printf("%5" JSON_INTEGER_FORMAT "  ", member_number(line, "line"));
	print_line(member_text(line, "text"));
	if (became) {
		fputs(strcmp(member_text(line, "what"), "changed") == 0 ? "       changes " :
									  "       becomes ",
		      stdout);
		print_line(became);
	}
	if (message && message[0]) {
		fputs(understood ? "       " : "       NOT TAKEN: ", stdout);
		print_line(message);
	}
}

static void print_sum(const json_t *answer, size_t refused)
{
	size_t count = json_array_size(json_object_get(answer, "objects"));
	size_t changed = json_array_size(json_object_get(answer, "changes")) - count;
	bool dry_run = json_is_true(json_object_get(answer, "dry_run"));

	printf("%zu object%s%s", count, count == 1 ? "" : "s", dry_run ? "" : " added");
	if (changed > 0)
		printf(", %zu %s", changed, dry_run ? "to change" : "changed");
	if (refused > 0)
		printf("; %zu line%s not taken", refused, refused == 1 ? "" : "s");
	puts(dry_run ? ". Nothing was changed: --apply does it." : ".");
}

static void print_answer(const json_t *answer)
{
	const json_t *line;
	size_t i, refused = 0;

	json_array_foreach(json_object_get(answer, "lines"), i, line)
	{
		print_text_line(line);
		refused += !json_is_true(json_object_get(line, "understood"));
	}
	print_changes(json_object_get(answer, "changes"));
	print_sum(answer, refused);
}

/* Sets the member to the file's text; nothing where `path` is NULL. */
static int add_text(json_t *body, const char *key, const char *path)
{
	char *text = path ? load_text(path) : NULL;

	if (!path)
		return EXIT_OK;
	if (!text)
		return EXIT_FAILED;
	json_object_set_new(body, key, text_json(text, strlen(text)));
	free(text);
	return EXIT_OK;
}

static int send(const struct command *command, const json_t *body)
{
	json_t *answer;
	int rc = call(command, NULL, "POST", "/import", body, &answer);

	if (rc != EXIT_OK)
		return rc;
	if (command->json)
		print_json(answer);
	else
		print_answer(answer);
	json_decref(answer);
	print_trial(command);
	return EXIT_OK;
}

int import_command(const struct command *command)
{
	const char *format = NULL, *network = NULL, *file;
	bool apply = false;
	const struct flag flags[] = { { .name = "--format", .value = &format },
				      { .name = "--network", .value = &network },
				      { .name = "--apply", .given = &apply } };
	json_t *body;
	int rc;

	if (command->help)
		return print_help();
	rc = read_flags(command, "import", flags, 3, &file);
	if (rc == EXIT_OK && !file)
		rc = usage_error("portico import needs a FILE");
	if (rc == EXIT_OK && !apply && command->confirm_within)
		rc = usage_error("--confirm-within: without --apply nothing is changed");
	if (rc != EXIT_OK)
		return rc;
	body = json_pack("{s:b}", "dry_run", !apply);
	if (format)
		json_object_set_new(body, "format", text_json(format, strlen(format)));
	rc = add_text(body, "text", file);
	if (rc == EXIT_OK)
		rc = add_text(body, "network_text", network);
	if (rc == EXIT_OK)
		rc = send(command, body);
	json_decref(body);
	return rc;
}
