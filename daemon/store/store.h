/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_STORE_STORE_H
#define PORTICO_STORE_STORE_H

/*
 * The SQLite file: the configuration, its revisions, and few secrets. The only place with
 * SQL. One process owns the file (exclusive locking).
 */

#include <stdint.h>

#include "base/err.h"
#include "model/config.h"

struct store;

/*
 * Opens or creates the database (directory included, mode 0700), checks it and
 * applies migrations. A damaged file is refused: `err` says so, and names the
 * good copy and how to use it.
 */
int store_open(const char *path, struct store **ret_store, struct err *err);
void store_close(struct store *store); /* takes NULL */

/* Checks a copy, changes nothing: for --check. Refused while a porticod runs. */
int store_check(const char *path, struct err *err);

/*
 * The newest configuration and its revision number (0 in a new database). The
 * first time, what could be read without a fault is kept as FILE.good, unless
 * that is the same already, or was made for a migration just now.
 */
int store_load(struct store *store, struct config **ret_config, uint64_t *ret_revision, struct err *err);

struct commit {
	const char *author;      /* "admin", "root (socket)", "portico" */
	const char *reason;      /* "POST /api/v1/forwards" */
	int64_t at;              /* seconds since the epoch */
	unsigned history_length; /* older revisions are deleted */
};

/*
 * A commit is begun (everything written, nothing durable yet), then finished or
 * undone; between the two the kernel is asked. The revision number goes up by one.
 */
int store_begin(struct store *store, const struct changes *changes, const struct commit *commit,
		uint64_t *ret_revision, struct err *err);
int store_finish(struct store *store, struct err *err);
void store_undo(struct store *store);

/*
 * Commits go to a log beside the file (FILE-wal), which is quick. This moves them into the file, so that who copies
 * the one file has everything: to be called when nothing was committed for STORE_SETTLE_MS. Closing does it too.
 */
enum { STORE_SETTLE_MS = 1000 };
void store_settle(struct store *store);

/* Small named values that are not configuration: "password". Texts of at most 1 KiB. */
/* 0 and a string to free(), or -ENOENT. */
int store_get_secret(struct store *store, const char *name, char **ret_value);
int store_put_secret(struct store *store, const char *name, const char *value, struct err *err);

#endif
