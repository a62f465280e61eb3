/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int kind_errno(enum err_kind kind)
{
	switch (kind) {
	case ERR_NONE:
		return 0;
	case ERR_SYNTAX:
		return -EBADMSG;
	case ERR_UNAUTHENTICATED:
		return -EACCES;
	case ERR_FORBIDDEN:
		return -EPERM;
	case ERR_NOT_FOUND:
		return -ENOENT;
	case ERR_CONFLICT:
		return -EEXIST;
	case ERR_STALE:
		return -ESTALE;
	case ERR_TOO_LARGE:
		return -EFBIG;
	case ERR_INVALID:
		return -EINVAL;
	case ERR_THROTTLED:
		return -EBUSY;
	case ERR_KERNEL:
		return -EREMOTEIO;
	case ERR_UNAVAILABLE:
		return -EAGAIN;
	case ERR_INTERNAL:
		return -EIO;
	}
	return -EIO;
}

/*
 * A text that was cut may end inside a UTF-8 sequence, which no JSON encoder
 * takes: the incomplete sequence goes too.
 */
static void trim_utf8(char *text, size_t length)
{
	size_t start = length;

	while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0)
		return;

	unsigned char lead = (unsigned char)text[start - 1];
	size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;

	if (length - (start - 1) < need)
		text[start - 1] = '\0';
}

static void format_text(char *text, size_t size, const char *fmt, va_list args)
{
	int length = vsnprintf(text, size, fmt, args);

	if (length < 0)
		text[0] = '\0';
	else if ((size_t)length >= size)
		trim_utf8(text, size - 1);
}

void err_clear(struct err *err)
{
	err->kind = ERR_NONE;
	err->retry_after_s = 0;
	err->count = 0;
	err->detail[0] = '\0';
}

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	va_list args;

	err->kind = kind;
	va_start(args, fmt);
	format_text(err->detail, sizeof(err->detail), fmt, args);
	va_end(args);
	return kind_errno(kind);
}

int err_field(struct err *err, const char *path, const char *fmt, ...)
{
	if (err->kind == ERR_NONE)
		err->kind = ERR_INVALID;

	if (err->count < ERR_ITEMS_MAX) {
		struct err_item *item = &err->items[err->count++];
		int length = snprintf(item->path, sizeof(item->path), "%s", path);
		va_list args;

		if (length >= (int)sizeof(item->path))
			trim_utf8(item->path, sizeof(item->path) - 1);
		va_start(args, fmt);
		format_text(item->message, sizeof(item->message), fmt, args);
		va_end(args);
	}
	return -EINVAL;
}

void err_prefix(struct err *err, const char *base)
{
	char path[ERR_PATH_MAX];

	for (unsigned i = 0; i < err->count; i++) {
		int length = snprintf(path, sizeof(path), "%s%s", base, err->items[i].path);

		if (length >= (int)sizeof(path))
			trim_utf8(path, sizeof(path) - 1);
		memcpy(err->items[i].path, path, sizeof(path));
	}
}
