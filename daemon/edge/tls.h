/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EDGE_TLS_H
#define PORTICO_EDGE_TLS_H

/*
 * TLS 1.2 and 1.3 (where mbedTLS has it) over non-blocking sockets.
 *
 * The caller owns the socket and tells by the readiness flags what may be
 * tried; they are cleared here on EAGAIN, so that edge-triggered events fit.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "edge/identity.h"

enum { TLS_RECORD_MAX = 16384 }; /* plain bytes in one record, RFC 8446 5.1 */

struct tls_server;
struct tls;

struct tls_io {
	int fd;
	bool readable;
	bool writable;
};

/* Settings, key and certificate, session cache and ticket keys for all connections. Negative errno. */
int tls_server_new(const struct identity *identity, struct tls_server **ret_server);
void tls_server_free(struct tls_server *server); /* takes NULL; after its connections */

/* `io` stays the caller's and must outlive the connection. */
int tls_new(struct tls_server *server, struct tls_io *io, struct tls **ret_tls);
void tls_free(struct tls *tls); /* takes NULL; sends nothing */

/* 0: done; -EAGAIN: needs the socket; -EPROTO: failed. */
int tls_handshake(struct tls *tls);

/*
 * Bytes read, 0 after the peer's close_notify, -EAGAIN, or -ECONNRESET when the
 * connection ended in any other way. With a `size` of TLS_RECORD_MAX nothing stays behind inside.
 */
ssize_t tls_read(struct tls *tls, void *data, size_t size);

/* Bytes taken, -EAGAIN (then call again with the same data and length), or -ECONNRESET. */
ssize_t tls_write(struct tls *tls, const void *data, size_t length);

/* Tells the peer that nothing more comes. 0, -EAGAIN or -ECONNRESET. */
int tls_close_notify(struct tls *tls);

#endif
