/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/distinct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct distinct_slot {
	uint32_t hash;
	uint32_t number; /* 1 + the thing's; 0: free */
};

int distinct_init(struct distinct *distinct, uint32_t count,
		  bool (*same)(const void *arg, uint32_t a, uint32_t b), const void *arg)
{
	uint32_t size = 16;

	while (size < 2 * count) /* at most half full */
		size *= 2;
	*distinct = (struct distinct){
		.mask = size - 1, .slots = calloc(size, sizeof(*distinct->slots)), .same = same, .arg = arg
	};
	return distinct->slots ? 0 : -ENOMEM;
}

void distinct_done(struct distinct *distinct)
{
	free(distinct->slots);
	distinct->slots = NULL;
}

uint32_t distinct_add(struct distinct *distinct, uint32_t hash, uint32_t number)
{
	uint32_t at = hash & distinct->mask;

	for (; distinct->slots[at].number; at = (at + 1) & distinct->mask) {
		const struct distinct_slot *slot = &distinct->slots[at];

		if (slot->hash == hash && distinct->same(distinct->arg, slot->number - 1, number))
			return slot->number - 1;
	}
	distinct->slots[at] = (struct distinct_slot){ hash, number + 1 };
	return number;
}

uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	while (size--)
		hash = (hash ^ *at++) * 0x01000193u;
	return hash;
}

uint32_t hash_text(uint32_t hash, const char *text)
{
	return hash_bytes(hash, text, strlen(text) + 1);
}
