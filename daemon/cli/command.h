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
	const char *confirm_within; /* digits: changes are made on trial; NULL: for good */
	int count;                  /* arguments behind the command's name */
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

/* Prints an answer that is text. */
int call_text(const struct command *command, const char *path);

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

/* Text in another encoding than UTF-8, which has no place in JSON, ends the program. */
json_t *text_json(const char *text, size_t length);
/* The item of that name or id; a name wins over the same text as an id. NULL: there is none. */
const json_t *find_item(const json_t *items, const char *text);

/* --- input.c: what commands are given --- */

/* An option of a command; one of the three is set. */
struct flag {
	const char *name;   /* with its dashes */
	const char **value; /* its argument */
	bool *given;        /* it has none */
	json_t *map;        /* its argument is KEY=VALUE; may be repeated */
};

/* Takes the flags out of the command's arguments. What is left, one word at most, mostly a FILE, is in *ret_file, or NULL. */
int read_flags(const struct command *command, const char *name, const struct flag *flags, unsigned count,
	       const char **ret_file);

/* Of a file, "-" for the standard input. NULL: what is wrong has been told. */
json_t *load_json(const char *path);
char *load_text(const char *path); /* free() */
/* Adds the first line of the file to the request, as `member`; nothing where `path` is NULL. */
int add_secret(json_t *body, const char *member, const char *path);

/* --- changes.c: items of "changes", as /revisions, /config/plan and others have them --- */

/* `forward "web" changed`. */
void add_change(const json_t *change, struct buf *text);
/* A line for each field that differs, with both values; of what was added or removed, for each that says something. */
void print_change_fields(const json_t *change);
/* Both, for all of them. */
void print_changes(const json_t *changes);

/* What a plan, or another answer with "changes" and "kernel", would do. */
void print_plan(const json_t *plan);

/* --- history.c --- */

/* A usage error: --confirm-within was given to a command that makes no such change. */
int refuse_trial(const char *name);
/* After a change with --confirm-within: says for how long it is on trial. */
void print_trial(const struct command *command);

int history_command(const struct command *command);
int confirm_command(const struct command *command);
int token_command(const struct command *command);

int kind_command(const struct command *command, const struct cli_kind *kind);
int status_command(const struct command *command);
int setup_code_command(const struct command *command);
int password_command(const struct command *command);
int events_command(const struct command *command);
int config_command(const struct command *command);
int plan_command(const struct command *command);
int apply_command(const struct command *command);
int backup_command(const struct command *command);
int restore_command(const struct command *command);
int import_command(const struct command *command);

/* --- complete.c --- */

/* `portico --complete N WORD...`: what may stand at word N of a command line, a line each. For shells. */
int complete(const struct command *command);
/* The names of commands that are not kinds of objects, and of a kind's actions, by number; NULL behind the last. */
const char *command_name(unsigned i);
const char *action_name(const struct cli_kind *kind, unsigned i, bool *ret_named);

#endif
