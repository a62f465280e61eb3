/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portico: the command. Everything goes through the API over the Unix socket. */
#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static const struct {
	const char *name;
	int (*run)(const struct command *command);
	const char *help;
} commands[] = {
	{ "status", status_command, "how things are; the same as `portico` alone" },
	{ "config", config_command, "the whole configuration: show, plan, apply, export" },
	{ "plan", plan_command, "what a configuration file would change" },
	{ "apply", apply_command, "make a file the configuration" },
	{ "backup", backup_command, "the configuration as one document to keep" },
	{ "restore", restore_command, "bring back what a backup has" },
	{ "import", import_command, "rules of iptables or OpenWrt become objects" },
	{ "history", history_command, "what was changed; compare and restore" },
	{ "confirm", confirm_command, "keep what is on trial" },
	{ "token", token_command, "secrets for programs that use the API" },
	{ "events", events_command, "what happens, as it happens, until Ctrl-C" },
	{ "setup-code", setup_code_command, "the code that the first run of the page asks for" },
	{ "password", password_command, "set the page's password, also without the old one" },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

const char *command_name(unsigned i)
{
	return i < COMMAND_COUNT ? commands[i].name : NULL;
}

static int print_help(void)
{
	puts("portico: port forwards, uplinks and hairpin of this router\n"
	     "\n"
	     "usage: portico [--socket FILE] [--json] [command]\n");
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		printf("  %-12s %s\n", commands[i].name, commands[i].help);
	for (unsigned i = 0; i < cli_kind_count; i++)
		printf("  %-12s %s\n", cli_kinds[i].command, cli_kinds[i].help);
	puts("\n"
	     "`portico forward add web --port 80 --to 192.168.0.2` is the whole job.\n"
	     "`portico COMMAND --help` tells more. Exit status: 0, 1 failure, 2 usage.\n"
	     "\n"
	     "  --socket FILE             where porticod listens (/run/portico/portico.sock)\n"
	     "  --json                    print the API's JSON\n"
	     "  --confirm-within SECONDS  make the change on trial: it is undone unless\n"
	     "                            `portico confirm` follows so soon\n"
	     "  --version, --help");
	return EXIT_OK;
}

/* Digits: it becomes a part of the path. */
static int set_confirm_within(struct command *command, const char *text)
{
	if (!text || !*text || strlen(text) > 9 || text[strspn(text, "0123456789")])
		return usage_error("--confirm-within needs an argument: SECONDS");
	command->confirm_within = text;
	return -1;
}

/* Takes out the options that every command has; what is left moves up. An exit status, or -1 to go on. */
static int read_common_options(struct command *command)
{
	int kept = 0, rc = -1;

	for (int i = 0; i < command->count && rc < 0; i++) {
		char *text = command->arguments[i];

		if (strcmp(text, "--json") == 0) {
			command->json = true;
		} else if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
			command->help = true;
		} else if (strcmp(text, "--version") == 0) {
			puts("portico " PORTICO_VERSION);
			return EXIT_OK;
		} else if (strncmp(text, "--confirm-within=", 17) == 0) {
			rc = set_confirm_within(command, text + 17);
		} else if (strcmp(text, "--confirm-within") == 0) {
			rc = set_confirm_within(command, ++i < command->count ? command->arguments[i] : NULL);
		} else if (strncmp(text, "--socket=", 9) == 0) {
			command->socket_path = text + 9;
		} else if (strcmp(text, "--socket") == 0) {
			if (++i == command->count)
				return usage_error("--socket needs an argument: FILE");
			command->socket_path = command->arguments[i];
		} else {
			command->arguments[kept++] = text;
		}
	}
	command->count = kept;
	return rc;
}

static int run(struct command *command)
{
	const char *name;
	int status = read_common_options(command);

	if (status >= 0)
		return status;
	if (command->help && command->count == 0)
		return print_help();
	name = command->count > 0 ? command->arguments[0] : "status";
	command->arguments += command->count > 0;
	command->count -= command->count > 0;
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(command);
	}
	for (unsigned i = 0; i < cli_kind_count; i++) {
		if (strcmp(cli_kinds[i].command, name) == 0)
			return kind_command(command, &cli_kinds[i]);
	}
	return usage_error("%s: no such command; `portico --help` tells them", name);
}

/* A script must not take half an answer, on a full disk for one, for the whole. */
static int finish_output(int status)
{
	bool failed = ferror(stdout) != 0;

	if (fclose(stdout) == 0 && !failed)
		return status;
	fprintf(stderr, "portico: cannot write the answer: %s\n", strerror(errno));
	return status == EXIT_OK ? EXIT_FAILED : status;
}

int main(int argc, char **argv)
{
	struct command command = {
		.socket_path = "/run/portico/portico.sock",
		.count = argc - 1,
		.arguments = argv + 1,
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	if (argc > 2 && strcmp(argv[1], "--complete") == 0)
		return finish_output(complete(&command));
	return finish_output(run(&command));
}
