/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc/sys had before we changed it, so that --flush can give it back. */
#include <errno.h>
#include <string.h>

#include "store/db.h"
#include "store/store.h"

static int read_all(sqlite3 *db, const char *place, store_sysctl_fn *fn, void *arg)
{
	sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(db, "SELECT path, value FROM sysctl_before WHERE place = ? LIMIT ?", -1,
				   &stmt, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_bind_text(stmt, 1, place, -1, SQLITE_STATIC);
	if (r == SQLITE_OK)
		r = sqlite3_bind_int(stmt, 2, STORE_SYSCTLS_MAX);
	while (r == SQLITE_OK && (r = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *path = (const char *)sqlite3_column_text(stmt, 0);

		if (path)
			fn(arg, path, sqlite3_column_int(stmt, 1));
		r = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return r == SQLITE_DONE ? 0 : -EIO;
}

int store_load_sysctls(struct store *store, const char *place, store_sysctl_fn *fn, void *arg)
{
	return read_all(store->db, place, fn, arg);
}

int store_read_sysctls(const char *path, const char *place, store_sysctl_fn *fn, void *arg, struct err *err)
{
	sqlite3 *db = NULL;
	int r = db_open_copy(path, &store_scripts, &db, err);

	if (r < 0)
		return r;
	r = read_all(db, place, fn, arg);
	sqlite3_close(db);
	return r < 0 ? err_set(err, ERR_INTERNAL, "%s cannot be read", path) : 0;
}

static int execute(sqlite3 *db, const char *sql, const char *place, const char *path, int value)
{
	sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_bind_text(stmt, 1, place, -1, SQLITE_STATIC);
	if (r == SQLITE_OK && path)
		r = sqlite3_bind_text(stmt, 2, path, -1, SQLITE_STATIC);
	if (r == SQLITE_OK && path)
		r = sqlite3_bind_int(stmt, 3, value);
	if (r == SQLITE_OK)
		r = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return r == SQLITE_DONE ? 0 : -EIO;
}

int store_keep_sysctls(struct store *store, const char *place, const struct store_sysctl *sysctls,
		       unsigned count)
{
	bool alone = !store->in_commit;
	int r = 0;

	if (store_failure(store))
		return -EIO;
	if (alone && sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return -EIO;
	/* Of other boots. */
	r = execute(store->db, "DELETE FROM sysctl_before WHERE place <> ?", place, NULL, 0);
	for (unsigned i = 0; r == 0 && i < count; i++)
		r = execute(store->db,
			    "INSERT INTO sysctl_before (place, path, value) VALUES (?, ?, ?)"
			    " ON CONFLICT DO NOTHING",
			    place, sysctls[i].path, sysctls[i].value);
	if (!alone)
		return r;
	if (r == 0 && sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		r = -EIO;
	if (r < 0)
		store_disown_commit(store);
	else
		store_note_file(store);
	return r;
}
