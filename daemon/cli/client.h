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

#endif
