/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sort.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 8, VALUES = 256 };

static unsigned digit(const struct sort_key *key, unsigned number)
{
	return key->key >> (8 * number) & 0xff;
}

static bool is_sorted(const struct sort_key *keys, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		if (keys[i].key < keys[i - 1].key)
			return false;
	return true;
}

/* Moves the keys, sorted by one digit, to `to`; `counts` becomes where each value's next one goes. */
static void distribute(const struct sort_key *keys, unsigned count, unsigned number, uint32_t counts[VALUES],
		       struct sort_key *to)
{
	uint32_t place = 0;

	for (unsigned value = 0; value < VALUES; value++) {
		uint32_t here = counts[value];

		counts[value] = place;
		place += here;
	}
	for (unsigned i = 0; i < count; i++)
		to[counts[digit(&keys[i], number)]++] = keys[i];
}

/* From the lowest digit to the highest; digits in which all keys are alike are passed over. */
int sort_keys(struct sort_key *keys, unsigned count)
{
	uint32_t counts[DIGITS][VALUES] = { { 0 } };
	struct sort_key *from = keys, *room, *to;

	if (is_sorted(keys, count))
		return 0;
	room = malloc(count * sizeof(*room));
	if (!room)
		return -ENOMEM;
	to = room;
	for (unsigned i = 0; i < count; i++)
		for (unsigned number = 0; number < DIGITS; number++)
			counts[number][digit(&keys[i], number)]++;
	for (unsigned number = 0; number < DIGITS; number++) {
		struct sort_key *next = from;

		if (counts[number][digit(keys, number)] == count)
			continue;
		distribute(from, count, number, counts[number], to);
		from = to;
		to = next;
	}
	if (from != keys)
		memcpy(keys, from, count * sizeof(*keys));
	free(room);
	return 0;
}
