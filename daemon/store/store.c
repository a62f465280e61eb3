/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/db.h"

enum { SECRET_MAX_BYTES = 1024 };

/* --- whether it can be written --- */

static struct db_file file_at(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct db_file){ 0 };
	return (struct db_file){
		.device = st.st_dev, .inode = st.st_ino, .size = st.st_size, .written = st.st_mtim
	};
}

static bool is_same_file(const struct db_file *a, const struct db_file *b)
{
	return a->device == b->device && a->inode == b->inode;
}

static bool is_as_we_left_it(const struct store *store)
{
	const struct db_file now = file_at(store->path), *left = &store->file;

	return is_same_file(&now, left) && now.size == left->size &&
	       now.written.tv_sec == left->written.tv_sec && now.written.tv_nsec == left->written.tv_nsec;
}

static struct db_file log_of(const struct store *store)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s-wal", store->path);
	return file_at(path);
}

void store_note_file(struct store *store)
{
	store->file = file_at(store->path);
	store->log = log_of(store);
}

/*
 * Somebody has put another file in the place of ours, a backup of former days say, or has written over ours. It is what
 * the next start takes up. Our log must not be there then: SQLite would find it by the file's name, and play it into what
 * it does not belong to. We can read it, and what became of our file, as long as we have them open.
 */
static void give_way(struct store *store)
{
	const struct db_file log = log_of(store);
	char path[PATH_MAX];

	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	snprintf(path, sizeof(path), "%s-wal", store->path);
	if (is_same_file(&log, &store->log))
		unlink(path);
	snprintf(store->failure, sizeof(store->failure),
		 "somebody replaced the database %s; restart porticod to take up what is there now",
		 store->path);
	log_error("nothing can be changed: %s", store->failure);
}

const char *store_failure(struct store *store)
{
	if (store->failure[0])
		return store->failure;
	if (store->file.inode && !is_as_we_left_it(store))
		give_way(store);
	return store->failure[0] ? store->failure : NULL;
}

int store_admit(struct store *store, struct err *err)
{
	/* It would be undone together with that. */
	if (store->in_commit)
		return err_set(err, ERR_UNAVAILABLE, "another change is being made");
	return store_failure(store) ? err_set(err, ERR_UNAVAILABLE, "%s", store->failure) : 0;
}

void store_disown_commit(struct store *store)
{
	db_disown_commit(store->db);
	store_note_file(store);
}

/* --- open and close --- */

static int open_for_writing(struct store *store, const struct scripts *scripts, struct err *err)
{
	int r = db_open(store->path, scripts, &store->db, &store->copied, err);

	if (r == 0)
		store_note_file(store);
	return r;
}

/*
 * A router must forward, whether or not its flash can be written. A copy, since that takes in what stands in the log, can
 * be brought to the newest version, and asks nothing of the disk. `err` has what is wrong with the file.
 */
static int open_for_reading(struct store *store, const struct scripts *scripts, const struct err *err)
{
	struct err ignored;
	int r;

	if (file_at(store->path).size == 0) /* a first start, which has nothing that could be enforced */
		return -ENODATA;
	err_clear(&ignored);
	r = db_open_copy(store->path, scripts, &store->db, &ignored);
	if (r < 0)
		return r;
	store->copied = true;
	snprintf(store->failure, sizeof(store->failure), "%s; once that is mended, restart porticod",
		 err->detail);
	log_error("nothing can be changed: %s", store->failure);
	return 0;
}

int store_open_scripts(const char *path, const struct scripts *scripts, struct store **ret_store,
		       struct err *err)
{
	struct store *store = calloc(1, sizeof(*store));
	int r = 0;

	if (store)
		store->path = strdup(path);
	if (!store || !store->path) {
		err_set(err, ERR_UNAVAILABLE, "out of memory");
		r = -ENOMEM;
	}
	if (r == 0)
		r = open_for_writing(store, scripts, err);
	/* What somebody else has open may be ours again in a moment: the next start tries. */
	if (r < 0 && r != -EBUSY && r != -ENOMEM && open_for_reading(store, scripts, err) == 0)
		r = 0;
	if (r == 0 && history_open(store) != SQLITE_OK)
		r = db_error(store->db, path, err);
	if (r < 0) {
		store_close(store);
		return r;
	}
	*ret_store = store;
	return 0;
}

int store_open(const char *path, struct store **ret_store, struct err *err)
{
	return store_open_scripts(path, &store_scripts, ret_store, err);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store_failure(store); /* so that no log is left, or played into it, if the file is another one */
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		sqlite3_finalize(store->insert[kind]);
		sqlite3_finalize(store->delete[kind]);
	}
	/* What was begun and not finished is undone by this. */
	sqlite3_close(store->db);
	free(store->path);
	free(store);
}

int store_check(const char *path, struct err *err)
{
	struct config *config = NULL;
	sqlite3 *db = NULL;
	int r;

	/* None yet is as good as a new one. */
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = db_open_copy(path, &store_scripts, &db, err);
	if (r == 0)
		r = rows_load(db, path, &config, err);
	config_unref(config);
	sqlite3_close(db);
	return r;
}

int store_load(struct store *store, struct config **ret_config, uint64_t *ret_revision, struct err *err)
{
	int r = rows_load(store->db, store->path, ret_config, err);

	if (r < 0)
		return r;
	*ret_revision = store->revision;
	if (!store->copied && !store->in_commit && !store->history.trial)
		db_keep_copy(store->db, store->path);
	store->copied = true;
	return 0;
}

/* --- commits --- */

static int delete_row(struct store *store, const struct object *object)
{
	sqlite3_stmt **delete = &store->delete[object->kind];

	if (!*delete)
		*delete = rows_prepare_delete(store->db, object->kind);
	return *delete ? rows_delete(*delete, object->id) : SQLITE_ERROR;
}

static int insert_row(struct store *store, const struct object *object)
{
	sqlite3_stmt **insert = &store->insert[object->kind];

	if (!*insert)
		*insert = rows_prepare_insert(store->db, object->kind);
	return *insert ? rows_insert(*insert, object) : SQLITE_ERROR;
}

/* All old rows go before any new one comes: two objects may have exchanged their names, which are unique. */
static int write_rows(struct store *store, const struct changes *changes)
{
	int r = SQLITE_OK;

	for (unsigned i = 0; i < changes->count && r == SQLITE_OK; i++) {
		const struct change *change = &changes->items[i];

		/* The default settings of a new database have no row yet: deleting none is no failure. */
		if (change->before)
			r = delete_row(store, change->before);
	}
	for (unsigned i = 0; i < changes->count && r == SQLITE_OK; i++)
		if (changes->items[i].after)
			r = insert_row(store, changes->items[i].after);
	return r;
}

int store_begin(struct store *store, const struct changes *changes, const struct commit *commit,
		uint64_t *ret_revision, struct err *err)
{
	uint64_t number = store->revision + 1;
	int r = store_admit(store, err);

	if (r < 0)
		return r;
	r = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (r == SQLITE_OK)
		r = write_rows(store, changes);
	if (r == SQLITE_OK)
		r = history_write(store, number, changes, commit);
	/*
	 * To the log already, where it counts for nothing without its end: a full disk shows now, before the
	 * kernel is asked, and not when the commit cannot be refused any more.
	 */
	if (r == SQLITE_OK)
		r = sqlite3_db_cacheflush(store->db);
	if (r != SQLITE_OK) {
		r = db_refused(store->db, r, store->path, err);
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
		return r;
	}
	store->in_commit = true;
	*ret_revision = number;
	return 0;
}

int store_finish(struct store *store, struct err *err)
{
	int r;

	if (!store->in_commit)
		return err_set(err, ERR_INTERNAL, "no change was begun");
	if (store_failure(store)) {
		store_undo(store);
		return err_set(err, ERR_UNAVAILABLE, "%s", store->failure);
	}
	if (sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
		r = db_error(store->db, store->path, err);
		store_disown_commit(store);
		store->in_commit = false;
		return r;
	}
	store_note_file(store);
	store->in_commit = false;
	store->revision++;
	store->history = store->next;
	return 0;
}

void store_undo(struct store *store)
{
	if (!store->in_commit)
		return;
	sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	store->in_commit = false;
}

bool store_in_commit(const struct store *store)
{
	return store->in_commit;
}

void store_settle(struct store *store)
{
	if (store->in_commit || store_failure(store))
		return;
	if (db_settle(store->db) != SQLITE_OK)
		log_warning("the database %s keeps its last changes in %s-wal: %s", store->path, store->path,
			    sqlite3_errmsg(store->db));
	store_note_file(store);
}

/* --- secrets --- */

int store_get_secret(struct store *store, const char *name, char **ret_value)
{
	sqlite3_stmt *stmt = NULL;
	char *value = NULL;
	int r = sqlite3_prepare_v2(store->db, "SELECT value FROM secret WHERE name = ?", -1, &stmt, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	if (r == SQLITE_OK)
		r = sqlite3_step(stmt);
	if (r == SQLITE_ROW && sqlite3_column_text(stmt, 0))
		value = strdup((const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	if (r == SQLITE_ROW && !value)
		return -ENOMEM;
	if (r != SQLITE_ROW)
		return r == SQLITE_DONE ? -ENOENT : -EIO;
	*ret_value = value;
	return 0;
}

int store_put_secret(struct store *store, const char *name, const char *value, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int r;

	if (strlen(value) > SECRET_MAX_BYTES)
		return err_set(err, ERR_INTERNAL, "a secret has at most %d bytes", SECRET_MAX_BYTES);
	r = store_admit(store, err);
	if (r < 0)
		return r;
	r = sqlite3_prepare_v2(store->db,
			       "INSERT INTO secret (name, value) VALUES (?, ?)"
			       " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
			       -1, &stmt, NULL);
	if (r == SQLITE_OK) {
		sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
		sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
		sqlite3_step(stmt);
		r = sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
	if (r != SQLITE_OK) {
		r = db_error(store->db, store->path, err);
		store_disown_commit(store);
		return r;
	}
	store_settle(store);
	return 0;
}
