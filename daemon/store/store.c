/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/db.h"

enum { SECRET_MAX_BYTES = 1024 };

/* --- open and close --- */

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
		r = db_open(path, scripts, &store->db, &store->copied, err);
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
	unsigned version;
	int r;

	/* None yet is as good as a new one. */
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = db_open_copy(path, &store_scripts, &db, &version, err);
	/* One of an older version has not all the columns yet. */
	if (r == 0 && version == db_version(&store_scripts))
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
	int r;

	if (store->in_commit)
		return err_set(err, ERR_UNAVAILABLE, "another change is being made");
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
	if (sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
		r = db_error(store->db, store->path, err);
		db_disown_commit(store->db);
		store->in_commit = false;
		return r;
	}
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
	if (!store->in_commit && db_settle(store->db) != SQLITE_OK)
		log_warning("the database %s keeps its last changes in %s-wal: %s", store->path, store->path,
			    sqlite3_errmsg(store->db));
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
	/* It would be undone together with the change. */
	if (store->in_commit)
		return err_set(err, ERR_UNAVAILABLE, "a change is being made");
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
		db_disown_commit(store->db);
		return r;
	}
	store_settle(store);
	return 0;
}
