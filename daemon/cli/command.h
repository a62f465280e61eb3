/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_CLI_COMMAND_H
#define PORTICO_CLI_COMMAND_H

/* The commands. Each returns the program's exit status. */

#include "cli/client.h"
#include "cli/kinds.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
	const char *socket_path;
	bool json; /* print the API's JSON */
	bool help;
	int count; /* arguments behind the command's name */
	char **arguments;
};

/* "usage: ..." on stderr. Returns EXIT_USAGE. */
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Makes the request; problems are told on stderr, with fields as the options of `kind` (may be NULL) that
 * set them, warnings too. EXIT_OK and the body (a reference, NULL if there is none), else EXIT_FAILED.
 */
int call(const struct command *command, const struct cli_kind *kind, const char *method, const char *path,
	 const json_t *body, json_t **ret_json);

/* Follows an answer without end; see client_follow(). EXIT_FAILED: it was refused, or has ended. */
int call_follow(const struct command *command, const char *path, void (*line)(void *arg, const char *line),
		void *arg);

/* The path of the object of that name or id, "/forwards/1", and the object. Not found: EXIT_FAILED, and told. */
int find_path(const struct command *command, const struct cli_kind *kind, const char *text, struct buf *path,
	      json_t **ret_object);

/* Sends `method` with `body` to the object of that name or id, and tells that it is `done`. */
int change_object(const struct command *command, const struct cli_kind *kind, const char *text,
		  const char *method, const json_t *body, const char *done);

/* What can be done to an object; the first argument is its name. */
typedef int action_fn(const struct command *command, const struct cli_kind *kind, int count,
		      char **arguments);

/* uplink.c */
action_fn health_action, test_action, out_action, in_action;

int kind_command(const struct command *command, const struct cli_kind *kind);
int status_command(const struct command *command);
int setup_code_command(const struct command *command);
int events_command(const struct command *command);
int config_command(const struct command *command);

#endif
