/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_WEB_WEB_H
#define PORTICO_WEB_WEB_H

/* HTTP: libmicrohttpd in our loop, requests to engine calls, JSON out. */

#include <sys/socket.h>

#include "base/loop.h"
#include "engine/engine.h"
#include "store/store.h"

struct web;

/* Borrows everything. */
int web_new(struct loop *loop, struct engine *engine, struct store *store, struct web **ret_web,
	    struct err *err);
void web_free(struct web *web); /* takes NULL */

/* A connection from the edge, with the peer's address. Owns `fd`. Needs a session. */
void web_accept(struct web *web, int fd, const struct sockaddr_storage *peer);

/*
 * Takes connections of root (SO_PEERCRED: uid 0 or our own) from a listening Unix socket; they
 * need no session. Owns `listen_fd`. The socket is made by main.c before privileges go.
 */
int web_listen_unix(struct web *web, int listen_fd);

#endif
