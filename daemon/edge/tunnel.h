/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EDGE_TUNNEL_H
#define PORTICO_EDGE_TUNNEL_H

/*
 * One client's connection: TLS on its side, plain HTTP on porticod's. Events
 * only set flags and `ready`; the work is done in tunnel_run(), which serve.c
 * calls, a bounded piece a turn.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/ip.h"
#include "base/loop.h"
#include "edge/tls.h"

enum tunnel_state {
	TUNNEL_SNIFF, /* waits for the first byte: TLS, or plain HTTP by mistake */
	TUNNEL_PLAIN, /* plain HTTP: waits for the request's head, to answer with the right address */
	TUNNEL_HANDSHAKE,
	TUNNEL_HANDOVER, /* has the plain pair, waits for room in the channel to porticod */
	TUNNEL_OPEN,
	TUNNEL_LINGER, /* all is said; drops what still comes, lest a reset eat our last words */
	TUNNEL_DONE,   /* to be freed */
};

/* Bytes on their way in one direction. The memory is there only while there are any. */
struct tunnel_buffer {
	unsigned char *data; /* TLS_RECORD_MAX */
	size_t start, end;
};

struct tunnel {
	struct tunnel *next; /* serve.c's list */
	enum tunnel_state state;
	bool ready;       /* tunnel_run() may get on */
	bool client_done; /* close_notify came */
	bool server_done; /* porticod's end is closed */
	bool half_closed; /* porticod was told of client_done */
	bool deaf;        /* porticod reads no more: what the client sends is dropped */
	bool notified;    /* our close_notify is out */
	bool plain_readable, plain_writable;
	int plain;    /* -1 before the handshake is done */
	int handover; /* the other end, until porticod has it */
	struct tls_io io;
	struct tls *tls;
	struct loop *loop;
	struct watch *watch, *plain_watch;
	struct timer *timer;
	struct tunnel_buffer up, down;
	struct sockaddr_storage peer;
	struct ip key; /* what counts as one client: the IPv4 address, or the IPv6 /64 */
};

/* Takes over `fd`, also on failure. `peer` as accept(2) gave it. */
int tunnel_new(struct loop *loop, int fd, const struct sockaddr_storage *peer, struct tunnel **ret_tunnel);
void tunnel_free(struct tunnel *tunnel); /* takes NULL */

/* The address under which connections are counted. */
struct ip tunnel_client(const struct sockaddr_storage *peer);

/* Goes on with a ready tunnel in state TUNNEL_HANDSHAKE, which costs CPU time. */
void tunnel_handshake(struct tunnel *tunnel, struct tls_server *server);

/* Goes on with a ready tunnel in any other state. Sets `ready` again if there is more to do at once. */
void tunnel_run(struct tunnel *tunnel, int control);

#endif
