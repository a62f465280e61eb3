/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_COMPILE_H
#define PORTICO_MODEL_COMPILE_H

/*
 * configuration + links -> desired kernel state. Pure: the same input gives
 * the same output, byte for byte.
 */

#include "model/kstate.h"
#include "model/live.h"

/* The desired state, finished. 0 or -ENOMEM. */
int compile(const struct config *config, const struct links *links, const struct environment *environment,
	    struct kstate *ret_state);

#endif
