/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_DISTINCT_H
#define PORTICO_BASE_DISTINCT_H

/* A hash table of numbered things: which of those so far is the same as this one? */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct distinct {
	uint32_t mask;
	struct distinct_slot *slots; /* NULL: out of memory at init */
	bool (*same)(const void *arg, uint32_t a, uint32_t b);
	const void *arg;
};

/* For at most `count` things; `same(arg, a, b)` compares two by their numbers. 0 or -ENOMEM. */
int distinct_init(struct distinct *distinct, uint32_t count,
		  bool (*same)(const void *arg, uint32_t a, uint32_t b), const void *arg);
void distinct_done(struct distinct *distinct);

/* The number of the first that was added and is the same, or this one, which is added then. */
uint32_t distinct_add(struct distinct *distinct, uint32_t hash, uint32_t number);

/* FNV-1a; `hash` is that of what comes before, HASH_START if nothing does. */
#define HASH_START 0x811c9dc5u
uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t size);
uint32_t hash_text(uint32_t hash, const char *text);

#endif
