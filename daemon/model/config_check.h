/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_CONFIG_CHECK_H
#define PORTICO_MODEL_CONFIG_CHECK_H

/* Shared by the parts of config_check(): the checks of forwards are in forward_check.c. */

#include "base/err.h"
#include "model/config.h"

struct checker {
	const struct config *config;
	const struct object *focus;
	struct err *err;
	int result; /* what config_check() returns */
};

/* An object, and its place in the list of its kind. */
struct culprit {
	const struct object *object;
	unsigned index;
};

/* Which of two is told about a clash: the one that the request is about, else the later. */
bool checker_blames_first(const struct checker *checker, const struct culprit *a, const struct culprit *b);

/* `field` is a path such as "/name". */
void checker_conflict(struct checker *checker, const struct culprit *culprit, const char *field,
		      const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void checker_invalid(struct checker *checker, const struct culprit *culprit, const char *field,
		     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Forwards that clash, or that are too many together. 0 or -ENOMEM; what is found is in the checker. */
int check_forwards(struct checker *checker);

#endif
