/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_STORE_DB_H
#define PORTICO_STORE_DB_H

/* Shared by the files of store/: the connection, and rows of objects. */

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "model/config.h"
#include "store/sql.h"
#include "store/store.h"

/* In the file's header, so that file(1) and we know it: "Ptco". */
enum { STORE_APPLICATION_ID = 0x5074636f };

enum { STORE_PATH_MAX = 3072 }; /* leaves room for what SQLite and we append to PATH_MAX */

/* What is known of the tables revision and trial. */
struct history {
	int64_t bytes; /* of all changes together; -1: not counted yet */
	bool trial;
	uint64_t confirmed; /* while a trial runs */
};

/* What stands at a path. All zero: nothing. */
struct db_file {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec written;
};

struct store {
	char *path;
	sqlite3 *db;
	struct db_file file, log; /* as we left them: who else touches the file shows in the difference */
	char failure[ERR_DETAIL_MAX + 64]; /* see store_failure() */
	bool in_commit;
	bool copied; /* FILE.good was looked after since the start, or is kept as it was before a migration */
	uint64_t revision;
	struct history history, next; /* `next` is when the commit that was begun is finished */
	/* Made when first needed. */
	sqlite3_stmt *insert[KIND_COUNT], *delete[KIND_COUNT];
};

/* store_open() with scripts of the caller's: tests bring migrations of their own. */
int store_open_scripts(const char *path, const struct scripts *scripts, struct store **ret_store,
		       struct err *err);

/* Refuses to write within a commit, and while there is a store_failure(). */
int store_admit(struct store *store, struct err *err);
/* To be called after whatever may have written to the file, as the end of a commit does. */
void store_note_file(struct store *store);
/* db_disown_commit() */
void store_disown_commit(struct store *store);

/* --- db_open.c --- */

/* Opens, hardens, checks, migrates. *ret_migrated: FILE.good is of the version before. */
int db_open(const char *path, const struct scripts *scripts, sqlite3 **ret_db, bool *ret_migrated,
	    struct err *err);

/* The same with a copy, in memory where there is room: the file is left as it is. */
int db_open_copy(const char *path, const struct scripts *scripts, sqlite3 **ret_db, struct err *err);

/* Moves what stands in the log into the file, and empties the log. An SQLite result code. */
int db_settle(sqlite3 *db);

/*
 * To be called when a commit has failed, and why was taken note of. If it was the wait for the disk that failed, all of
 * the commit stands in the log, and the next start would take it as done: something without an end is written over it.
 */
void db_disown_commit(sqlite3 *db);

/* The version that the scripts lead to. */
unsigned db_version(const struct scripts *scripts);

/* The integer that the statement's first row begins with. An SQLite result code. */
int db_integer(sqlite3 *db, const char *sql, int64_t *ret_value);

/* Refuses the file for what is wrong in it, and tells how to go back to the good copy. Returns err_set()'s value. */
int db_damaged(const char *path, const char *how, struct err *err);

/* Refuses the file because another has it. Returns -EBUSY. */
int db_in_use(const char *path, struct err *err);

/* What SQLite's last failure means to a user. Returns err_set()'s value. */
int db_error(sqlite3 *db, const char *path, struct err *err);

/* The same of a result code: not every function leaves its failure with the connection. */
int db_refused(sqlite3 *db, int code, const char *path, struct err *err);

/* --- db_copy.c --- */

/* Brings FILE.good up to date; a failure is logged, and the old copy stays. */
void db_keep_copy(sqlite3 *db, const char *path);

/* Whether there is a good copy to go back to. */
bool db_has_copy(const char *path);

/* A sentence on how to go back to the good copy, for messages about damage. */
const char *db_copy_advice(const char *path, char *text, size_t size);

/* A copy of the file, and of the log or journal that belongs to it, in a new directory for us alone. */
struct db_copy {
	char directory[32];
	char file[48];
};

/* Refused while somebody has the database open: -EBUSY. */
int db_copy_make(const char *path, struct db_copy *ret_copy, struct err *err);
void db_copy_remove(const struct db_copy *copy);

/* Makes the directory's entries durable. */
int db_sync_directory(const char *path);

/* --- rows.c --- */

/* All rows of all kinds, checked; err tells table, row and column of what is wrong. */
int rows_load(sqlite3 *db, const char *path, struct config **ret_config, struct err *err);

/* Statements for one object; NULL if SQLite refuses. */
sqlite3_stmt *rows_prepare_insert(sqlite3 *db, enum kind kind);
sqlite3_stmt *rows_prepare_delete(sqlite3 *db, enum kind kind);

/* Runs them. SQLite result codes. */
int rows_insert(sqlite3_stmt *insert, const struct object *object);
int rows_delete(sqlite3_stmt *delete, uint32_t id);

/* --- history.c --- */

enum {
	SUMMARY_CHANGES_MAX = 8, /* named in a list of revisions */
	/*
	 * All revisions together: the flash of a router has little more to spare. The usual change takes 1 KB; one of
	 * ten thousand forwards, all at once, 8 MB.
	 */
	HISTORY_BYTES_MAX = 8 << 20,
};

/* Sets store->revision and store->history. An SQLite result code. */
int history_open(struct store *store);

/* Writes the revision and deletes old ones, within the commit; sets store->next. An SQLite result code. */
int history_write(struct store *store, uint64_t number, const struct changes *changes,
		  const struct commit *commit);

#endif
