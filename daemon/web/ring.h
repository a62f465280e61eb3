/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_WEB_RING_H
#define PORTICO_WEB_RING_H

/*
 * The recent events, as they go over the wire (WHATWG HTML, "Server-sent events"), for all who follow: each is kept
 * once. Who falls behind the oldest one has missed something, and begins anew.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RING_EVENTS_MAX = 256,
	RING_BYTES_MAX = 256 * 1024,
};

struct ring {
	uint64_t last; /* id of the newest event, those before it count down from there */
	unsigned first, count;
	size_t bytes;
	struct {
		char *text;
		size_t length;
	} events[RING_EVENTS_MAX];
};

/*
 * Ids begin at a random number below 2^48, which JavaScript still counts exactly: one that another run of the
 * daemon gave must not pass for one of ours.
 */
void ring_init(struct ring *ring);
void ring_done(struct ring *ring);

/*
 * Adds "event: NAME", "id: N", "data: DATA"; `data` is one line. What cannot be kept, for its size or for want of memory,
 * still takes an id, and all before it goes: then everybody has missed something.
 */
void ring_add(struct ring *ring, const char *name, const char *data);
/* Forgets everything, so that nobody can go on after it. */
void ring_clear(struct ring *ring);

/* Whether who has seen `seen`, and all before it, has missed nothing that is not here. */
bool ring_knows(const struct ring *ring, uint64_t seen);
/* The event after `seen`, where ring_knows(); NULL if there is none yet. Valid until the next change. */
const char *ring_next(const struct ring *ring, uint64_t seen, size_t *ret_length);

#endif
