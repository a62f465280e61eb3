/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "web/ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/crypto.h"

void ring_init(struct ring *ring)
{
	memset(ring, 0, sizeof(*ring));
	random_bytes(&ring->last, sizeof(ring->last));
	ring->last = ring->last % ((1ull << 48) - 1) + 1;
}

static void drop_first(struct ring *ring)
{
	free(ring->events[ring->first].text);
	ring->bytes -= ring->events[ring->first].length;
	ring->first = (ring->first + 1) % RING_EVENTS_MAX;
	ring->count--;
}

void ring_done(struct ring *ring)
{
	while (ring->count)
		drop_first(ring);
}

void ring_clear(struct ring *ring)
{
	ring_done(ring);
	ring->last++;
}

void ring_add(struct ring *ring, const char *name, const char *data)
{
	unsigned place;
	struct buf buf;
	size_t length;
	char *text;

	ring->last++;
	buf_init(&buf, RING_BYTES_MAX);
	buf_printf(&buf, "event: %s\nid: %llu\ndata: %s\n\n", name, (unsigned long long)ring->last, data);
	length = buf.length;
	text = buf_steal(&buf);
	while (ring->count &&
	       (!text || ring->count == RING_EVENTS_MAX || ring->bytes + length > RING_BYTES_MAX))
		drop_first(ring);
	if (!text)
		return;
	place = (ring->first + ring->count++) % RING_EVENTS_MAX;
	ring->events[place].text = text;
	ring->events[place].length = length;
	ring->bytes += length;
}

bool ring_knows(const struct ring *ring, uint64_t seen)
{
	return seen <= ring->last && ring->last - seen <= ring->count;
}

const char *ring_next(const struct ring *ring, uint64_t seen, size_t *ret_length)
{
	unsigned place;

	if (seen == ring->last)
		return NULL;
	place = (unsigned)((ring->first + ring->count - (ring->last - seen)) % RING_EVENTS_MAX);
	*ret_length = ring->events[place].length;
	return ring->events[place].text;
}
