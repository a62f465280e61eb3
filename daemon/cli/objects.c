/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portico forward add ..., and the same for the other kinds. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

/* --- options to JSON --- */

static const struct cli_option *find_option(const struct cli_kind *kind, const char *name, size_t length)
{
	for (unsigned i = 0; i < kind->option_count; i++) {
		const char *known = kind->options[i].name;

		if (strlen(known) == length && memcmp(known, name, length) == 0)
			return &kind->options[i];
	}
	return NULL;
}

json_t *text_json(const char *text, size_t length)
{
	json_t *json = json_stringn(text, length);

	if (!json) {
		fprintf(stderr, "portico: an argument is not UTF-8\n");
		exit(EXIT_USAGE);
	}
	return json;
}

/* The object of which the field's last part is a member; *ret_name is that part. */
static json_t *owner_of(json_t *body, const char *field, const char **ret_name)
{
	const char *dot = strchr(field, '.');
	char outer[32];
	json_t *owner;

	*ret_name = dot ? dot + 1 : field;
	if (!dot)
		return body;
	snprintf(outer, sizeof(outer), "%.*s", (int)(dot - field), field);
	owner = json_object_get(body, outer);
	if (!json_is_object(owner)) {
		owner = json_object();
		json_object_set_new(body, outer, owner);
	}
	return owner;
}

static void set_field(json_t *body, const char *field, json_t *value)
{
	const char *name;
	json_t *owner = owner_of(body, field, &name);

	json_object_set_new(owner, name, value);
}

static void append_list(json_t *body, const char *field, const char *text)
{
	const char *name;
	json_t *owner = owner_of(body, field, &name), *list = json_object_get(owner, name);

	if (!list) {
		list = json_array();
		json_object_set_new(owner, name, list);
	}
	while (*text) {
		size_t length = strcspn(text, ",");

		if (length > 0)
			json_array_append_new(list, text_json(text, length));
		text += length;
		text += *text == ',';
	}
}

static json_t *number_json(const char *text)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		return text_json(text, strlen(text));
	return json_integer(number);
}

/* "192.0.2.7:80" and "[2001:db8::7]:80", "[::7/-64]:80"; two colons without brackets are an address alone. */
static void set_target(json_t *body, const char *text)
{
	const char *end = text[0] == '[' ? strchr(text, ']') : strchr(text, ':');
	const char *ports = NULL;
	size_t length = strlen(text);

	if (text[0] == '[' && end && (end[1] == ':' || !end[1])) {
		ports = end[1] ? end + 2 : NULL;
		length = (size_t)(end - ++text);
	} else if (text[0] != '[' && end && !strchr(end + 1, ':')) {
		ports = end + 1;
		length = (size_t)(end - text);
	}
	json_object_set_new(body, "internal_address", text_json(text, length));
	if (ports)
		json_object_set_new(body, "internal_ports", text_json(ports, strlen(ports)));
}

static int set_switch(json_t *body, const struct cli_option *option, const char *text)
{
	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
		return usage_error("--%s: on or off", option->name);
	json_object_set_new(body, option->field, json_boolean(strcmp(text, "on") == 0));
	return EXIT_OK;
}

/* Without a check there is nothing that the other options of one could be about. */
static bool contradicts(const json_t *body, const struct cli_option *option, const char *text)
{
	const json_t *health = json_object_get(body, "health");

	if (option->convert == CONVERT_CHECK && strcmp(text, "none") == 0)
		return json_is_object(health);
	return json_is_null(health) && strncmp(option->field, "health.", strlen("health.")) == 0;
}

static int set_option(json_t *body, const struct cli_option *option, const char *text)
{
	if (contradicts(body, option, text))
		return usage_error("--%s: --check none goes with no other option of a health check",
				   option->name);
	switch (option->convert) {
	case CONVERT_TEXT:
		set_field(body, option->field,
			  option->word && strcmp(text, option->word) == 0 ? json_null() :
									    text_json(text, strlen(text)));
		break;
	case CONVERT_NUMBER:
		set_field(body, option->field,
			  option->word && strcmp(text, option->word) == 0 ? json_null() : number_json(text));
		break;
	case CONVERT_CHECK:
		if (strcmp(text, "none") == 0)
			json_object_set_new(body, "health", json_null());
		else
			set_field(body, option->field, text_json(text, strlen(text)));
		break;
	case CONVERT_LIST:
		append_list(body, option->field, text);
		break;
	case CONVERT_SWITCH:
		return set_switch(body, option, text);
	case CONVERT_TRUE:
		json_object_set_new(body, option->field, json_true());
		break;
	case CONVERT_FALSE:
		json_object_set_new(body, option->field, json_false());
		break;
	case CONVERT_TARGET:
		set_target(body, text);
		break;
	}
	return EXIT_OK;
}

/* Turns "--option value" and "--option=value" into members of `body`. */
static int read_options(const struct cli_kind *kind, int count, char **arguments, json_t *body)
{
	for (int i = 0; i < count; i++) {
		const char *text = arguments[i], *value = NULL;
		const struct cli_option *option;
		int rc;

		if (strncmp(text, "--", 2) != 0)
			return usage_error("%s: an option was expected here; `portico %s --help` tells them",
					   text, kind->command);
		option = find_option(kind, text + 2, strcspn(text + 2, "="));
		if (!option)
			return usage_error("%s: no such option; `portico %s --help` tells them", text,
					   kind->command);
		if (strchr(text, '='))
			value = strchr(text, '=') + 1;
		if (!option->argument && value)
			return usage_error("--%s takes no argument", option->name);
		if (option->argument && !value)
			value = ++i < count ? arguments[i] : NULL;
		if (option->argument && !value)
			return usage_error("--%s needs an argument: %s", option->name, option->argument);
		rc = set_option(body, option, value ? value : "");
		if (rc != EXIT_OK)
			return rc;
	}
	return EXIT_OK;
}

/* --- finding by name or id --- */

static const json_t *find_by(const json_t *items, const char *field, const json_t *value)
{
	const json_t *item;
	size_t i;

	json_array_foreach((json_t *)items, i, item)
	{
		if (json_equal(json_object_get(item, field), value))
			return item;
	}
	return NULL;
}

const json_t *find_item(const json_t *items, const char *text)
{
	json_t *name = text_json(text, strlen(text)), *id = number_json(text);
	const json_t *item = find_by(items, "name", name);

	if (!item)
		item = find_by(items, "id", id);
	json_decref(name);
	json_decref(id);
	return item;
}

int find_path(const struct command *command, const struct cli_kind *kind, const char *text, struct buf *path,
	      json_t **ret_object)
{
	json_t *list;
	const json_t *item;
	int rc;

	if (kind->single) {
		buf_puts(path, kind->path);
		return call(command, kind, "GET", kind->path, NULL, ret_object);
	}
	rc = call(command, kind, "GET", kind->path, NULL, &list);
	if (rc != EXIT_OK)
		return rc;
	item = find_item(json_object_get(list, "items"), text);
	if (!item) {
		fprintf(stderr, "portico: there is no %s \"%s\"\n", kind->command, text);
		rc = EXIT_FAILED;
	} else {
		buf_printf(path, "%s/%" JSON_INTEGER_FORMAT, kind->path,
			   json_integer_value(json_object_get(item, "id")));
		*ret_object = json_incref((json_t *)item);
	}
	json_decref(list);
	return rc;
}

/* --- actions --- */

static int print_written(const struct command *command, const struct cli_kind *kind, const char *done,
			 json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "name"));

	if (command->json)
		print_json(object);
	else if (name)
		printf("%s %s %s.\n", kind->command, name, done);
	else
		printf("%s %s.\n", kind->command, done);
	json_decref(object);
	print_trial(command);
	return EXIT_OK;
}

static int write_object(const struct command *command, const struct cli_kind *kind, const char *method,
			const char *path, const json_t *body, const char *done)
{
	json_t *object;
	int rc = call(command, kind, method, path, body, &object);

	return rc == EXIT_OK ? print_written(command, kind, done, object) : rc;
}

static int add_action(const struct command *command, const struct cli_kind *kind, int count, char **arguments)
{
	json_t *body = json_object();
	int rc;

	json_object_set_new(body, "name", text_json(arguments[0], strlen(arguments[0])));
	rc = read_options(kind, count - 1, arguments + 1, body);
	if (rc == EXIT_OK)
		rc = write_object(command, kind, "POST", kind->path, body, "added");
	json_decref(body);
	return rc;
}

static int list_action(const struct command *command, const struct cli_kind *kind, int count,
		       char **arguments)
{
	json_t *list;
	int rc = call(command, kind, "GET", kind->path, NULL, &list);

	(void)count;
	(void)arguments;
	if (rc != EXIT_OK)
		return rc;
	if (command->json)
		print_json(list);
	else
		print_table(json_object_get(list, "items"), kind->columns, kind->column_count, 0);
	json_decref(list);
	return EXIT_OK;
}

static int show_action(const struct command *command, const struct cli_kind *kind, int count,
		       char **arguments)
{
	json_t *object = NULL;
	struct buf path;
	int rc;

	(void)count;
	buf_init(&path, 128);
	rc = find_path(command, kind, arguments[0], &path, &object);
	buf_done(&path);
	if (rc != EXIT_OK)
		return rc;
	if (command->json)
		print_json(object);
	else
		print_members(object);
	json_decref(object);
	return EXIT_OK;
}

int change_object(const struct command *command, const struct cli_kind *kind, const char *text,
		  const char *method, const json_t *body, const char *done)
{
	json_t *object = NULL;
	struct buf path;
	int rc;

	buf_init(&path, 128);
	rc = find_path(command, kind, text, &path, &object);
	if (rc == EXIT_OK)
		rc = write_object(command, kind, method, buf_text(&path), body, done);
	json_decref(object);
	buf_done(&path);
	return rc;
}

static int set_action(const struct command *command, const struct cli_kind *kind, int count, char **arguments)
{
	json_t *body = json_object();
	int named = kind->single ? 0 : 1;
	int rc = read_options(kind, count - named, arguments + named, body);

	if (rc == EXIT_OK && json_object_size(body) == 0)
		rc = usage_error("nothing to set; `portico %s --help` tells the options", kind->command);
	if (rc == EXIT_OK)
		rc = change_object(command, kind, arguments[0], "PATCH", body, "changed");
	json_decref(body);
	return rc;
}

static int set_enabled(const struct command *command, const struct cli_kind *kind, const char *text,
		       bool enabled)
{
	json_t *body = json_pack("{s:b}", "enabled", enabled);
	int rc = change_object(command, kind, text, "PATCH", body, enabled ? "enabled" : "disabled");

	json_decref(body);
	return rc;
}

static int enable_action(const struct command *command, const struct cli_kind *kind, int count,
			 char **arguments)
{
	(void)count;
	return set_enabled(command, kind, arguments[0], true);
}

static int disable_action(const struct command *command, const struct cli_kind *kind, int count,
			  char **arguments)
{
	(void)count;
	return set_enabled(command, kind, arguments[0], false);
}

static int remove_action(const struct command *command, const struct cli_kind *kind, int count,
			 char **arguments)
{
	(void)count;
	return change_object(command, kind, arguments[0], "DELETE", NULL, "removed");
}

static const struct action {
	const char *name;
	action_fn *run;
	bool named;        /* takes a NAME first */
	bool options;      /* takes options behind it */
	bool single;       /* also for settings */
	bool reads;        /* and changes nothing */
	const char *needs; /* only for kinds with this option */
	const char *help;
} actions[] = {
	{ "list", list_action, .reads = true, .help = "all of them" },
	{ "show", show_action, .named = true, .single = true, .reads = true, .help = "everything about one" },
	{ "add", add_action, .named = true, .options = true, .help = "a new one" },
	{ "set", set_action, .named = true, .options = true, .single = true,
	  .help = "change what the options say" },
	{ "enable", enable_action, .named = true, .needs = "enabled", .help = "bring into effect" },
	{ "disable", disable_action, .named = true, .needs = "enabled", .help = "keep, but without effect" },
	{ "remove", remove_action, .named = true, .help = "for good" },
	{ "health", health_action, .named = true, .reads = true, .needs = "check",
	  .help = "what was measured, ups and downs" },
	{ "test", test_action, .named = true, .reads = true, .needs = "check",
	  .help = "probe it now; status 1: not passed" },
	{ "out", out_action, .named = true, .needs = "check", .help = "out of service: nothing new by it" },
	{ "in", in_action, .named = true, .needs = "check", .help = "back in service" },
};

static bool action_applies(const struct action *action, const struct cli_kind *kind)
{
	if (kind->single)
		return action->single;
	return !action->needs || find_option(kind, action->needs, strlen(action->needs));
}

const char *action_name(const struct cli_kind *kind, unsigned i, bool *ret_named)
{
	for (unsigned k = 0; k < sizeof(actions) / sizeof(actions[0]); k++) {
		if (!action_applies(&actions[k], kind) || i-- > 0)
			continue;
		*ret_named = actions[k].named && actions[k].run != add_action && !kind->single;
		return actions[k].name;
	}
	return NULL;
}

static int print_help(const struct cli_kind *kind)
{
	printf("portico %s: %s\n\n", kind->command, kind->help);
	for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		const struct action *action = &actions[i];
		char line[64];

		if (!action_applies(action, kind))
			continue;
		snprintf(line, sizeof(line), "portico %s %s%s%s", kind->command, action->name,
			 action->named && !kind->single ? " NAME" : "",
			 action->options ? " [option]..." : "");
		printf("  %-42s %s\n", line, action->help);
	}
	printf("\noptions of %s:\n", kind->single ? "set" : "add and set");
	for (unsigned i = 0; i < kind->option_count; i++) {
		const struct cli_option *option = &kind->options[i];
		char line[64];

		snprintf(line, sizeof(line), "--%s%s%s", option->name, option->argument ? " " : "",
			 option->argument ? option->argument : "");
		printf("  %-27s %s\n", line, option->help);
	}
	if (!kind->single)
		printf("\nNAME is a name or an id. ");
	printf("--json prints the API's answer.\n");
	return EXIT_OK;
}

int kind_command(const struct command *command, const struct cli_kind *kind)
{
	const char *name = command->count > 0 ? command->arguments[0] : kind->single ? "show" : "list";
	int count = command->count > 0 ? command->count - 1 : 0;
	char **arguments = command->arguments + (command->count > 0);

	if (command->help)
		return print_help(kind);
	for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		const struct action *action = &actions[i];
		bool named = action->named && !kind->single;

		if (strcmp(action->name, name) != 0 || !action_applies(action, kind))
			continue;
		if (named && (count == 0 || strncmp(arguments[0], "--", 2) == 0))
			return usage_error("portico %s %s needs a NAME first", kind->command, name);
		if (!action->options && count > named)
			return usage_error("%s: portico %s %s takes no more", arguments[named], kind->command,
					   name);
		if (action->reads && command->confirm_within)
			return refuse_trial(kind->command);
		return action->run(command, kind, count, arguments);
	}
	return usage_error("%s: no such action; `portico %s --help` tells them", name, kind->command);
}
