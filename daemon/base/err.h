/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_ERR_H
#define PORTICO_BASE_ERR_H

/*
 * One failure, as it is told to a user: what kind it is, what went wrong in
 * words, and which fields of the input are to blame. web/ turns it into an
 * RFC 9457 problem document, the command into lines on stderr.
 *
 * Functions that can fail in a way a user must understand take a struct err
 * and return a negative errno; everything else just returns the errno.
 */

#include <stdbool.h>

enum err_kind {
	ERR_NONE,
	ERR_SYNTAX, /* not JSON, not UTF-8 */
	ERR_UNAUTHENTICATED,
	ERR_FORBIDDEN,
	ERR_NOT_FOUND,
	ERR_CONFLICT, /* with another object */
	ERR_STALE,    /* with a newer revision */
	ERR_TOO_LARGE,
	ERR_INVALID, /* a field has no valid value */
	ERR_THROTTLED,
	ERR_KERNEL, /* the kernel refused; detail holds its words */
	ERR_UNAVAILABLE,
	ERR_INTERNAL,
};

enum {
	ERR_DETAIL_MAX = 512,
	ERR_ITEMS_MAX = 16, /* a form has no more fields; /config shows the first ones */
	ERR_PATH_MAX = 128,
	ERR_MESSAGE_MAX = 256,
};

struct err_item {
	char path[ERR_PATH_MAX]; /* JSON pointer (RFC 6901) of the field */
	char message[ERR_MESSAGE_MAX];
};

struct err {
	enum err_kind kind;
	unsigned retry_after_s; /* ERR_THROTTLED, ERR_UNAVAILABLE; 0: not known */
	unsigned count;         /* items used; further ones are dropped */
	char detail[ERR_DETAIL_MAX];
	struct err_item items[ERR_ITEMS_MAX];
};

/* Forgets what was recorded. */
void err_clear(struct err *err);

/*
 * Records the failure as a whole; keeps items already added. Returns the
 * negative errno that goes with the kind, so that callers can
 * `return err_set(...)`.
 */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Adds one field's error and makes the whole at least ERR_INVALID (a kind
 * already set stays, so ERR_CONFLICT can be set first). Returns -EINVAL.
 */
int err_field(struct err *err, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* What was checked is part of something larger: its place there goes in front of all paths. */
void err_prefix(struct err *err, const char *base);

#endif
