/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EDGE_KEEPER_H
#define PORTICO_EDGE_KEEPER_H

/*
 * The keeper: holds the sockets and the key, starts the worker, and starts it
 * again when it dies. Both end when porticod's end of the control channel is closed.
 */

#include "edge/edge.h"
#include "edge/identity.h"

struct keeper {
	int parent;  /* porticod's process id */
	int control; /* our end of the channel to porticod */
	unsigned listen_count;
	int listen[EDGE_LISTEN_MAX];
	struct identity identity;
};

_Noreturn void keeper_run(struct keeper *keeper);

#endif
