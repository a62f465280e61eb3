/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portico token. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static void add_member(const json_t *token, const char *key, struct buf *text)
{
	text_of(json_object_get(token, key), text);
}

static void cell_id(const json_t *token, struct buf *text)
{
	add_member(token, "id", text);
}

static void cell_name(const json_t *token, struct buf *text)
{
	add_member(token, "name", text);
}

static void cell_role(const json_t *token, struct buf *text)
{
	add_member(token, "role", text);
}

static void cell_made(const json_t *token, struct buf *text)
{
	add_member(token, "made_at", text);
}

static void cell_used(const json_t *token, struct buf *text)
{
	add_member(token, "used_at", text);
}

static const struct column columns[] = {
	{ "ID", cell_id },     { "NAME", cell_name },      { "ROLE", cell_role },
	{ "MADE", cell_made }, { "LAST USED", cell_used },
};

static int list_action(const struct command *command)
{
	json_t *list;
	int rc = call(command, NULL, "GET", "/tokens", NULL, &list);

	if (rc != EXIT_OK)
		return rc;
	if (command->json)
		print_json(list);
	else
		print_table(json_object_get(list, "items"), columns, sizeof(columns) / sizeof(columns[0]), 0);
	json_decref(list);
	return EXIT_OK;
}

/* The secret alone goes to stdout, for `TOKEN=$(portico token add ...)`. */
static int add_action(const struct command *command, const char *name, const char *role)
{
	json_t *body = json_object(), *token;
	int rc;

	json_object_set_new(body, "name", text_json(name, strlen(name)));
	json_object_set_new(body, "role", text_json(role, strlen(role)));
	rc = call(command, NULL, "POST", "/tokens", body, &token);
	json_decref(body);
	if (rc != EXIT_OK)
		return rc;
	if (command->json) {
		print_json(token);
	} else {
		fputs("portico: this is the token, and nobody can tell it again:\n", stderr);
		print_line(member_text(token, "token"));
	}
	json_decref(token);
	return EXIT_OK;
}

static int remove_found(const struct command *command, const json_t *found)
{
	char path[64];
	json_t *token;
	int rc;

	snprintf(path, sizeof(path), "/tokens/%" JSON_INTEGER_FORMAT, member_number(found, "id"));
	rc = call(command, NULL, "DELETE", path, NULL, &token);
	if (rc != EXIT_OK)
		return rc;
	if (command->json)
		print_json(token);
	else
		printf("token %s removed.\n", member_text(token, "name"));
	json_decref(token);
	return EXIT_OK;
}

static int remove_action(const struct command *command, const char *name)
{
	const json_t *found;
	json_t *list;
	int rc = call(command, NULL, "GET", "/tokens", NULL, &list);

	if (rc != EXIT_OK)
		return rc;
	found = find_item(json_object_get(list, "items"), name);
	if (found) {
		rc = remove_found(command, found);
	} else {
		fprintf(stderr, "portico: there is no token \"%s\"\n", name);
		rc = EXIT_FAILED;
	}
	json_decref(list);
	return rc;
}

static int print_help(void)
{
	puts("portico token: secrets for programs that use the API\n"
	     "\n"
	     "  portico token list                     all of them\n"
	     "  portico token add NAME --role ROLE     a new one; it is printed once\n"
	     "  portico token remove NAME              it is refused from now on\n"
	     "\n"
	     "  --role ROLE   admin: may do everything; viewer: may only read\n"
	     "  --json        print the API's JSON\n"
	     "\n"
	     "Sent as `Authorization: Bearer TOKEN`. NAME is a name or an id.");
	return EXIT_OK;
}

/* NAME --role ROLE, in any order, behind the action. */
static int read_add(const struct command *command)
{
	const char *name, *role = NULL;
	const struct flag flags[] = { { .name = "--role", .value = &role } };
	struct command rest = *command;
	int rc;

	rest.arguments++;
	rest.count--;
	rc = read_flags(&rest, "token", flags, 1, &name);
	if (rc != EXIT_OK)
		return rc;
	if (!name)
		return usage_error("portico token add needs a NAME");
	if (!role || !*role)
		return usage_error("portico token add needs --role admin or --role viewer");
	return add_action(command, name, role);
}

int token_command(const struct command *command)
{
	const char *action = command->count > 0 ? command->arguments[0] : "list";
	bool list = strcmp(action, "list") == 0;

	if (command->help)
		return print_help();
	if (command->confirm_within)
		return refuse_trial("token");
	if (strcmp(action, "add") == 0)
		return read_add(command);
	if (!list && strcmp(action, "remove") != 0)
		return usage_error("%s: no such action; `portico token --help` tells them", action);
	if (command->count > (list ? 1 : 2))
		return usage_error("%s: portico token %s takes no more", command->arguments[list ? 1 : 2],
				   action);
	if (list)
		return list_action(command);
	if (command->count < 2)
		return usage_error("portico token remove needs a NAME");
	return remove_action(command, command->arguments[1]);
}
