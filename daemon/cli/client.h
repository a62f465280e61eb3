/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_CLI_CLIENT_H
#define PORTICO_CLI_CLIENT_H

/* One request to porticod over its Unix socket. */

#include <jansson.h>

enum {
	REPLY_MAX = 64 << 20, /* 20,000 forwards with their state are some 15 MiB */
	REPLY_TIMEOUT_S = 120,
};

struct reply {
	int status;
	json_t *json; /* NULL: no body */
};

/*
 * `path` is below /api/v1; `body` may be NULL. 0 and a reply of any status; or -1, and what went wrong has been
 * told on stderr.
 */
int client_call(const char *socket_path, const char *method, const char *path, const json_t *body,
		struct reply *ret_reply);

/*
 * GETs an answer without end, and calls `line` for each of its lines until the daemon ends it. 0 and the status; with
 * one that is not 200 the reply holds what is wrong, and there were no lines. Or -1, as above.
 */
int client_follow(const char *socket_path, const char *path, void (*line)(void *arg, const char *line),
		  void *arg, struct reply *ret_reply);

#endif
