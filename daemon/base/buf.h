/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_BUF_H
#define PORTICO_BASE_BUF_H

/*
 * A growing string with a stated maximum. Always zero-terminated. A failure
 * (out of memory, maximum reached) sticks: later additions do nothing, and
 * buf_steal() returns NULL, so that callers check once, at the end.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL while empty */
	size_t length;
	size_t size;
	size_t max;
	bool failed;
};

/* `max` bytes at most, the terminating zero not counted. */
void buf_init(struct buf *buf, size_t max);
void buf_done(struct buf *buf);

void buf_add(struct buf *buf, const void *data, size_t length);
void buf_puts(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The text so far; "" while empty. */
const char *buf_text(const struct buf *buf);

/* Hands the text over to the caller (free()); NULL if anything failed. Leaves the buffer empty. */
char *buf_steal(struct buf *buf);

#endif
