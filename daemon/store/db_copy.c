/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/db.h"

/*
 * FILE.good is made when the daemon starts, of a file that was just found
 * sound and read without a fault, and only if something changed since the last
 * time: what a commit writes to flash is the commit alone.
 */

/* What two files must have in common to be the same: version, revision, secrets and tokens. */
static const char fingerprint_sql[] =
	"SELECT (SELECT user_version FROM pragma_user_version) || ' ' ||"
	" coalesce((SELECT max(number) FROM revision), 0) || ' ' ||"
	" coalesce((SELECT group_concat(name || '=' || value, ' ')"
	"           FROM (SELECT name, value FROM secret ORDER BY name)), '') || ' ' ||"
	" coalesce((SELECT group_concat(id || name || role || hash, ' ')"
	"           FROM (SELECT * FROM token ORDER BY id)), '')";

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

/* Log and journal go first: they belong to the damaged file, and must never be played into the good one. */
const char *db_copy_advice(const char *path, char *text, size_t size)
{
	if (db_has_copy(path))
		snprintf(
			text, size,
			"the state at the last start is kept: rm -f '%s-wal' '%s-journal' && mv '%s.good' '%s'",
			path, path, path, path);
	else
		snprintf(text, size, "there is no good copy of it; move it away to begin anew");
	return text;
}

/* --- a copy to look into --- */

/* Where SQLite puts its locks; part of the file format (https://www.sqlite.org/lockingv3.html, os.h). */
enum { LOCK_SHARED_FIRST = 0x40000002, LOCK_SHARED_SIZE = 510 };

/* As SQLite locks for reading: refused while a porticod runs, and none can begin to write meanwhile. */
static int lock_shared(int fd)
{
	struct flock lock = {
		.l_type = F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = LOCK_SHARED_FIRST,
		.l_len = LOCK_SHARED_SIZE,
	};

	if (fcntl(fd, F_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

static int copy_bytes(int from, int to)
{
	enum { PIECE = 1 << 20 };
	ssize_t n;

	do {
		n = sendfile(to, from, NULL, PIECE);
	} while (n > 0);
	return n < 0 ? -errno : 0;
}

static int copy_to(int from, const char *path)
{
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), r;

	if (to < 0)
		return -errno;
	r = copy_bytes(from, to);
	close(to);
	return r;
}

/* What belongs to the file and may be there after a crash. */
static const char *const companions[] = { "-wal", "-journal" };
enum { COMPANION_COUNT = sizeof(companions) / sizeof(companions[0]) };

static int copy_companion(const char *path, const struct db_copy *copy, const char *suffix)
{
	char from[PATH_MAX], to[sizeof(copy->file) + 16];
	int fd, r;

	snprintf(from, sizeof(from), "%s%s", path, suffix);
	snprintf(to, sizeof(to), "%s%s", copy->file, suffix);
	fd = open(from, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = copy_to(fd, to);
	close(fd);
	return r;
}

static int copy_all(const char *path, const struct db_copy *copy)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = lock_shared(fd);
	if (r == 0)
		r = copy_to(fd, copy->file);
	for (unsigned i = 0; i < COMPANION_COUNT && r == 0; i++)
		r = copy_companion(path, copy, companions[i]);
	close(fd);
	return r;
}

static int copy_below(const char *parent, const char *path, struct db_copy *copy)
{
	int r;

	snprintf(copy->directory, sizeof(copy->directory), "%s/portico-XXXXXX", parent);
	if (!mkdtemp(copy->directory))
		return -errno;
	snprintf(copy->file, sizeof(copy->file), "%s/portico.db", copy->directory);
	r = copy_all(path, copy);
	if (r < 0)
		db_copy_remove(copy);
	return r;
}

int db_copy_make(const char *path, struct db_copy *ret_copy, struct err *err)
{
	/* In memory first, which is there also when no disk can be written. OpenWrt has that at the other place. */
	static const char *const parents[] = { "/dev/shm", P_tmpdir };
	int r = -ENOENT;

	for (unsigned i = 0; i < sizeof(parents) / sizeof(parents[0]) && r < 0 && r != -EBUSY; i++)
		r = copy_below(parents[i], path, ret_copy);
	if (r == -EBUSY)
		return db_in_use(path, err);
	return r < 0 ? err_set(err, ERR_UNAVAILABLE, "cannot copy the database %s to " P_tmpdir ": %s", path,
			       strerror(-r)) :
		       0;
}

void db_copy_remove(const struct db_copy *copy)
{
	char path[sizeof(copy->file) + 16];

	for (unsigned i = 0; i < COMPANION_COUNT; i++) {
		snprintf(path, sizeof(path), "%s%s", copy->file, companions[i]);
		unlink(path);
	}
	unlink(copy->file);
	rmdir(copy->directory);
}
