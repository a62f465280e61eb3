/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EDGE_SERVE_H
#define PORTICO_EDGE_SERVE_H

/*
 * The worker's life: accepts connections on the listening sockets, within
 * bounds, and drives their tunnels until porticod's end of `control` is closed
 * (then 0) or something fails that a new worker may mend (negative errno).
 */

#include "edge/identity.h"

int edge_serve(const int *listen, unsigned listen_count, int control, const struct identity *identity);

#endif
