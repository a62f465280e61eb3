/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/db.h"

/*
 * FILE.good is made when the daemon starts, of a file that was just found
 * sound and read without a fault, and only if something changed since the last
 * time: what a commit writes to flash is the commit alone.
 */

/* What two files must have in common to be the same: version, revision and secrets. */
static const char fingerprint_sql[] = "SELECT (SELECT user_version FROM pragma_user_version) || ' ' ||"
				      " coalesce((SELECT max(number) FROM revision), 0) || ' ' ||"
				      " coalesce((SELECT group_concat(name || '=' || value, ' ')"
				      "           FROM (SELECT name, value FROM secret ORDER BY name)), '')";

static char *fingerprint(sqlite3 *db)
{
	sqlite3_stmt *stmt = NULL;
	char *text = NULL;

	if (sqlite3_prepare_v2(db, fingerprint_sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_TEXT)
		text = strdup((const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	return text;
}

static bool copy_is_current(sqlite3 *db, const char *copy_path)
{
	char *ours = fingerprint(db), *theirs = NULL;
	sqlite3 *copy = NULL;
	bool same;

	if (sqlite3_open_v2(copy_path, &copy, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
	    SQLITE_OK) {
		sqlite3_db_config(copy, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		theirs = fingerprint(copy);
	}
	sqlite3_close(copy);
	same = ours && theirs && strcmp(ours, theirs) == 0;
	free(ours);
	free(theirs);
	return same;
}

int db_sync_directory(const char *path)
{
	char directory[PATH_MAX];
	char *slash;
	int fd, r;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (!slash)
		strcpy(directory, ".");
	else if (slash == directory)
		slash[1] = '\0';
	else
		*slash = '\0';
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* Empty and for our eyes only, before there is anything to see in it. */
static int make_empty(const char *path)
{
	int fd;

	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int sync_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int vacuum_into(sqlite3 *db, const char *path)
{
	sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(db, "VACUUM INTO ?", -1, &stmt, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
	if (r == SQLITE_OK)
		r = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return r == SQLITE_DONE ? 0 : -EIO;
}

void db_keep_copy(sqlite3 *db, const char *path)
{
	char copy[PATH_MAX], fresh[PATH_MAX];
	int r;

	snprintf(copy, sizeof(copy), "%s.good", path);
	snprintf(fresh, sizeof(fresh), "%s.good.new", path);
	if (copy_is_current(db, copy))
		return;
	r = make_empty(fresh);
	if (r == 0)
		r = vacuum_into(db, fresh);
	if (r == 0)
		r = sync_file(fresh);
	if (r == 0 && rename(fresh, copy) < 0)
		r = -errno;
	if (r == 0)
		r = db_sync_directory(path);
	if (r == 0)
		return;
	log_warning("cannot keep a good copy of the database as %s: %s", copy,
		    r == -EIO ? sqlite3_errmsg(db) : strerror(-r));
	unlink(fresh);
}

bool db_has_copy(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s.good", path);
	return access(copy, F_OK) == 0;
}

/* The journal goes first: it belongs to the damaged file, and must never be played back into the good one. */
const char *db_copy_advice(const char *path, char *text, size_t size)
{
	if (db_has_copy(path))
		snprintf(text, size,
			 "the state at the last start is kept: rm -f '%s-journal' && mv '%s.good' '%s'", path,
			 path, path);
	else
		snprintf(text, size, "there is no good copy of it; move it away to begin anew");
	return text;
}
