/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portico config, plan, apply. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static int print_help(void)
{
	puts("portico config: the whole configuration as one JSON document\n"
	     "\n"
	     "  portico config show            print it\n"
	     "  portico config plan FILE       what it would change, here and in the kernel\n"
	     "  portico config apply FILE      make it the configuration; what is left out\n"
	     "                                 goes. The same again is \"no change\"\n"
	     "  portico config export --format nft|iptables|uci\n"
	     "                                 what Portico does, in words of others\n"
	     "\n"
	     "FILE - is the standard input. Ids may be left out: names identify.\n"
	     "`portico plan` and `portico apply` are short for these.\n"
	     "\n"
	     "  --confirm-within SECONDS       apply on trial: portico confirm --help\n"
	     "  --json                         print the API's JSON");
	return EXIT_OK;
}

/* A step may be several commands of nft, which are one transaction; they are easier to read one below the other. */
static void print_step(const char *text)
{
	const char *end;

	for (; text; text = end ? end + strlen("; ") : NULL) {
		struct buf line;

		end = strstr(text, "; nft ");
		buf_init(&line, CELL_MAX * 4);
		buf_puts(&line, "  ");
		buf_add(&line, text, end ? (size_t)(end - text) : strlen(text));
		print_line(line.failed ? "  ..." : buf_text(&line));
		buf_done(&line);
	}
}

void print_plan(const json_t *plan)
{
	const json_t *changes = json_object_get(plan, "changes"), *kernel = json_object_get(plan, "kernel"),
		     *item;
	size_t i;

	if (json_array_size(changes) == 0)
		puts("nothing changes");
	json_array_foreach((json_t *)changes, i, item)
	{
		bool added = json_is_null(json_object_get(item, "before"));
		bool removed = json_is_null(json_object_get(item, "after"));
		struct buf line;

		buf_init(&line, CELL_MAX);
		buf_printf(&line, "%s %s %s",
			   added   ? "add" :
			   removed ? "remove" :
				     "change",
			   member_text(item, "kind"), member_text(item, "name"));
		print_line(buf_text(&line));
		buf_done(&line);
		print_change_fields(item);
	}
	if (json_array_size(kernel) > 0)
		puts("in the kernel:");
	json_array_foreach((json_t *)kernel, i, item) print_step(json_string_value(item));
}

static int show_config(const struct command *command)
{
	json_t *config;
	int rc = call(command, NULL, "GET", "/config", NULL, &config);

	if (rc == EXIT_OK)
		print_json(config);
	json_decref(config);
	return rc;
}

static int plan_config(const struct command *command, const json_t *body)
{
	json_t *plan;
	int rc = call(command, NULL, "POST", "/config/plan", body, &plan);

	if (rc != EXIT_OK)
		return rc;
	if (command->json)
		print_json(plan);
	else
		print_plan(plan);
	json_decref(plan);
	return EXIT_OK;
}

/* How many objects would change; asked first, since the answer to the write does not tell. */
static int count_changes(const struct command *command, const json_t *body, size_t *ret_count)
{
	struct command asking = *command;
	json_t *plan;
	int rc;

	asking.confirm_within = NULL;
	rc = call(&asking, NULL, "POST", "/config/plan", body, &plan);
	*ret_count = json_array_size(json_object_get(plan, "changes"));
	json_decref(plan);
	return rc;
}

static int apply_config(const struct command *command, const json_t *body)
{
	json_t *config;
	size_t count;
	int rc = count_changes(command, body, &count);

	if (rc == EXIT_OK)
		rc = call(command, NULL, "PUT", "/config", body, &config);
	if (rc != EXIT_OK)
		return rc;
	if (command->json)
		print_json(config);
	else if (count == 0)
		puts("no change.");
	else
		printf("configuration applied: %zu change%s.\n", count, count == 1 ? "" : "s");
	json_decref(config);
	if (count > 0)
		print_trial(command);
	return EXIT_OK;
}

static int export_config(const struct command *command)
{
	const char *format = NULL, *file;
	const struct flag flags[] = { { .name = "--format", .value = &format } };
	struct command rest = *command;
	struct buf path;
	int rc;

	rest.arguments++;
	rest.count--;
	rc = read_flags(&rest, "config", flags, 1, &file);
	if (rc != EXIT_OK)
		return rc;
	if (file)
		return usage_error("%s: portico config export takes no more", file);
	if (!format || !*format || format[strspn(format, "abcdefghijklmnopqrstuvwxyz")])
		return usage_error("portico config export needs --format nft, iptables or uci");
	buf_init(&path, 128);
	buf_printf(&path, "/config/export?format=%s", format);
	rc = call_text(command, buf_text(&path));
	buf_done(&path);
	return rc;
}

/* With the file that it is about. */
static int run_action(const struct command *command, const char *action, const char *file)
{
	json_t *body;
	int rc;

	if (!file)
		return usage_error("portico config %s needs a FILE", action);
	body = load_json(file);
	if (!body)
		return EXIT_FAILED;
	rc = strcmp(action, "plan") == 0 ? plan_config(command, body) : apply_config(command, body);
	json_decref(body);
	return rc;
}

int config_command(const struct command *command)
{
	const char *action = command->count > 0 ? command->arguments[0] : "show";
	const char *file = command->count > 1 ? command->arguments[1] : NULL;
	bool show = strcmp(action, "show") == 0, export = strcmp(action, "export") == 0;
	bool apply = strcmp(action, "apply") == 0;

	if (command->help)
		return print_help();
	if (!show && !export && !apply && strcmp(action, "plan") != 0)
		return usage_error("%s: no such action; `portico config --help` tells them", action);
	if (command->confirm_within && !apply)
		return refuse_trial("config");
	if (export)
		return export_config(command);
	if (command->count > (show ? 1 : 2))
		return usage_error("%s: portico config %s takes no more", command->arguments[show ? 1 : 2],
				   action);
	return show ? show_config(command) : run_action(command, action, file);
}

/* The word in front of the arguments is the action's. */
static int shortened(const struct command *command)
{
	struct command whole = *command;

	whole.arguments--;
	whole.count++;
	return config_command(&whole);
}

int plan_command(const struct command *command)
{
	return shortened(command);
}

int apply_command(const struct command *command)
{
	return shortened(command);
}
