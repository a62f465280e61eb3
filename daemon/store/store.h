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
 * good copy and how to use it. One that can only be read is opened, with a store_failure().
 */
int store_open(const char *path, struct store **ret_store, struct err *err);
void store_close(struct store *store); /* takes NULL */

/*
 * Why nothing can be written until the store is opened anew: that could not be done from the start, or somebody else has
 * put another file in the place of ours meanwhile. NULL: all is well. Logged when it is found.
 */
const char *store_failure(struct store *store);

/* Checks a copy, changes nothing: for --check. Refused while a porticod runs. */
int store_check(const char *path, struct err *err);

/*
 * The newest configuration and its revision number (0 in a new database). The
 * first time, what could be read without a fault is kept as FILE.good, unless
 * that is the same already, or was made for a migration just now, or is on trial.
 */
int store_load(struct store *store, struct config **ret_config, uint64_t *ret_revision, struct err *err);

enum commit_trial {
	COMMIT_AS_IT_IS,   /* a running trial goes on */
	COMMIT_ON_TRIAL,   /* unless one is running, the revision before is the last confirmed one */
	COMMIT_ENDS_TRIAL, /* nothing is left to be confirmed */
};

struct commit {
	const char *author;      /* "admin", "root (socket)", "portico" */
	const char *reason;      /* "POST /api/v1/forwards" */
	int64_t at;              /* seconds since the epoch */
	unsigned history_length; /* older revisions are deleted, but for those that a trial may need */
	enum commit_trial trial;
};

/*
 * A commit is begun (everything written, nothing durable yet), then finished or
 * undone; between the two the kernel is asked. The revision number goes up by one.
 */
int store_begin(struct store *store, const struct changes *changes, const struct commit *commit,
		uint64_t *ret_revision, struct err *err);
int store_finish(struct store *store, struct err *err);
void store_undo(struct store *store);
bool store_in_commit(const struct store *store); /* begun, and not yet finished or undone */

/* Whether what was committed last is on trial, and which revision is the last confirmed one. */
bool store_trial(const struct store *store, uint64_t *ret_confirmed);
/* Ends the trial: its revisions are confirmed, and by whom is recorded. Durable on return. */
int store_confirm(struct store *store, const char *author, int64_t at, struct err *err);

/* --- history --- */

/*
 * The newest `limit` revisions below `before`: [{"number", "at", "author", "reason", "confirmation", "changes":
 * [{"kind", "id", "name", "what"}], "more": n}], where `more` are those changes that are not named, and `confirmation`
 * is {"at", "author"} of a revision that was on trial and kept, else null.
 */
int store_list_revisions(struct store *store, uint64_t before, unsigned limit, json_t **ret_items,
			 struct err *err);
/* {"number", "at", "author", "reason", "confirmation", "changes"}, with the changes as changes_to_json() has them. */
int store_get_revision(struct store *store, uint64_t number, json_t **ret_revision, struct err *err);
/*
 * The configuration of a revision that is kept, or of 0 while revision 1 is. `present` is that of the newest one. It
 * may not be valid any more as a whole: config_check() tells.
 */
int store_former(struct store *store, const struct config *present, uint64_t number,
		 struct config **ret_config, struct err *err);

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

/*
 * Values that sysctls had before we changed them. `place` tells the boot and network namespace that they are of; those of
 * others are forgotten. What is kept already stays as it is. Within a commit it is part of that. 0 or -EIO.
 */
struct store_sysctl {
	const char *path; /* below /proc/sys */
	int value;
};
enum { STORE_SYSCTLS_MAX = 1024 }; /* some six for each uplink's device, and devices come and go */
int store_keep_sysctls(struct store *store, const char *place, const struct store_sysctl *sysctls,
		       unsigned count);

typedef void store_sysctl_fn(void *arg, const char *path, int value);
int store_load_sysctls(struct store *store, const char *place, store_sysctl_fn *fn, void *arg);
/* The same from a file that nobody has opened, which is left as it is: for --flush. */
int store_read_sysctls(const char *path, const char *place, store_sysctl_fn *fn, void *arg, struct err *err);

/* --- tokens --- */

enum {
	TOKENS_MAX = 64, /* each request with one is held against all */
	TOKEN_HASH_MAX = 65,
};

struct token {
	uint32_t id;
	char name[NAME_MAX_BYTES + 1]; /* unique */
	bool admin;                    /* else a viewer */
	char hash[TOKEN_HASH_MAX];     /* of the secret, which nobody keeps */
	int64_t made_at;               /* seconds since the epoch */
};

/* By id. */
int store_load_tokens(struct store *store, struct token ret_tokens[TOKENS_MAX], unsigned *ret_count,
		      struct err *err);
/* These are durable on return. */
int store_add_token(struct store *store, const struct token *token, struct err *err);
int store_remove_token(struct store *store, uint32_t id, struct err *err);

#endif
