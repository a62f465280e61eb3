/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST_SIZE = 128 };

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){ .max = max };
}

void buf_done(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->max);
}

/* Makes room for `more` bytes and the zero; false: failed, now and from now on. */
static bool reserve(struct buf *buf, size_t more)
{
	if (buf->failed)
		return false;
	if (more > buf->max - buf->length) {
		buf->failed = true;
		return false;
	}

	size_t need = buf->length + more + 1;

	if (need <= buf->size)
		return true;

	size_t size = buf->size > 0 ? buf->size : BUF_FIRST_SIZE;

	while (size < need)
		size = size > SIZE_MAX / 2 ? need : size * 2;

	char *data = realloc(buf->data, size);

	if (!data) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->size = size;
	return true;
}

void buf_add(struct buf *buf, const void *data, size_t length)
{
	if (!reserve(buf, length))
		return;
	if (length > 0)
		memcpy(buf->data + buf->length, data, length);
	buf->length += length;
	buf->data[buf->length] = '\0';
}

void buf_puts(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list args;
	int length;

	va_start(args, fmt);
	length = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (length < 0) {
		buf->failed = true;
		return;
	}
	if (!reserve(buf, (size_t)length))
		return;

	va_start(args, fmt);
	vsnprintf(buf->data + buf->length, (size_t)length + 1, fmt, args);
	va_end(args);
	buf->length += (size_t)length;
}

const char *buf_text(const struct buf *buf)
{
	return buf->data ? buf->data : "";
}

char *buf_steal(struct buf *buf)
{
	/* An empty text is a text too. */
	buf_add(buf, "", 0);

	char *text = buf->data;

	if (buf->failed) {
		free(text);
		text = NULL;
	}
	buf_init(buf, buf->max);
	return text;
}
