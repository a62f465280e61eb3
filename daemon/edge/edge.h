/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EDGE_EDGE_H
#define PORTICO_EDGE_EDGE_H

/*
 * The edge: TLS and listening sockets, in a process of its own without any
 * privilege. A keeper process, just as unprivileged, holds the
 * sockets and the key and starts the worker again when it dies; both end with porticod.
 *
 * The whole protocol to porticod: for each connection, after the handshake,
 * one message on a SOCK_SEQPACKET socketpair: the peer's struct sockaddr_storage,
 * with one end of a stream socketpair as SCM_RIGHTS, carrying plain HTTP.
 */

#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/loop.h"

enum { EDGE_LISTEN_MAX = 8 };

struct edge_options {
	const char *state_dir; /* key.pem and cert.pem live here; made on first start (P-256, self-signed) */
	unsigned listen_count;
	const char *listen[EDGE_LISTEN_MAX]; /* "[::]:8443", "127.0.0.1:8443" */
};

struct edge;

/*
 * Called once, early: still root, before any thread, in the network namespace of the listeners.
 * Opens the sockets ("listening on https://ADDR:PORT" in the log), makes or loads the key, forks. In the
 * parent returns 0 and the handle, with `ret_ports` the ports in use (port 0 is resolved); the
 * children never return.
 */
int edge_start(const struct edge_options *options, struct edge **ret_edge,
	       uint16_t ret_ports[EDGE_LISTEN_MAX], struct err *err);

/*
 * `accepted` is called for each connection that finished its handshake; it owns `fd`, a non-blocking
 * Unix stream socket. `peer` is AF_INET or AF_INET6. Should the keeper die, the loop is stopped with
 * status 1: only a new start can open the sockets again.
 */
int edge_attach(struct edge *edge, struct loop *loop,
		void (*accepted)(void *arg, int fd, const struct sockaddr_storage *peer), void *arg);

/* Ends the children and waits for them. Takes NULL. */
void edge_stop(struct edge *edge);

#endif
