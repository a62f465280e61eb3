/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/db.h"

/* --- errors --- */

int db_damaged(const char *path, const char *how, struct err *err)
{
	char advice[PATH_MAX];

	return err_set(err, ERR_UNAVAILABLE, "the database %s is damaged (%.200s); %s", path, how,
		       db_copy_advice(path, advice, sizeof(advice)));
}

int db_in_use(const char *path, struct err *err)
{
	err_set(err, ERR_UNAVAILABLE, "the database %s is in use, probably by another porticod", path);
	return -EBUSY;
}

int db_error(sqlite3 *db, const char *path, struct err *err)
{
	return db_refused(db, sqlite3_extended_errcode(db), path, err);
}

/* Of input and output SQLite says no more than that it failed; the system says why. */
static int system_refused(int error, const char *what, const char *text, const char *path, struct err *err)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return err_set(err, ERR_UNAVAILABLE,
			       "cannot write the database %s: no space is left; free some, then try again",
			       path);
	case EROFS:
		return err_set(err, ERR_UNAVAILABLE,
			       "cannot write the database %s: it or its directory is read-only", path);
	default:
		return err_set(err, ERR_UNAVAILABLE, "%s %s: %s", what, path, error ? strerror(error) : text);
	}
}

int db_refused(sqlite3 *db, int code, const char *path, struct err *err)
{
	int error = errno; /* sqlite3_system_errno() does not know of a COMMIT that failed */
	const char *text = code == sqlite3_extended_errcode(db) ? sqlite3_errmsg(db) : sqlite3_errstr(code);
	const char *what = "the database";

	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return db_damaged(path, text, err);
	case SQLITE_FULL:
		return system_refused(ENOSPC, what, text, path, err);
	case SQLITE_READONLY:
		return system_refused(EROFS, what, text, path, err);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return db_in_use(path, err);
	case SQLITE_CANTOPEN:
		return system_refused(error, "cannot open the database", text, path, err);
	case SQLITE_IOERR:
		return system_refused(error, what, text, path, err);
	case SQLITE_NOMEM:
		err_set(err, ERR_UNAVAILABLE, "out of memory");
		return -ENOMEM;
	default:
		return err_set(err, ERR_UNAVAILABLE, "%s %s: %s", what, path, text);
	}
}

/* --- the file --- */

static int make_directory(const char *path, struct err *err)
{
	char directory[PATH_MAX];
	char *slash;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (!slash || slash == directory)
		return 0;
	*slash = '\0';
	if (mkdir(directory, 0700) == 0)
		return 0;
	if (errno == EEXIST)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, "cannot make the directory %s: %s", directory, strerror(errno));
}

/* Cut to nothing, as happens on some file systems when the power fails: that must not pass for a first start. */
static bool is_emptied(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0 && db_has_copy(path);
}

/*
 * SQLite would make it readable to others; its journals take the file's mode.
 * The descriptor is closed before SQLite has one of its own: closing it later
 * would drop SQLite's locks, which belong to the process.
 */
static int make_file(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0) {
		close(fd);
		if (db_sync_directory(path) == 0)
			return 0;
	} else if (errno == EEXIST) {
		return 0;
	}
	return err_set(err, ERR_UNAVAILABLE, "cannot make the database %s: %s", path, strerror(errno));
}

/* --- the connection --- */

/* Whatever the file holds, it is data: nothing in it is run or can turn checks off. */
static int harden(sqlite3 *db)
{
	static const struct {
		int option, value;
	} options[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },      { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_FKEY, 1 },    { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 }, { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_DQS_DML, 0 },        { SQLITE_DBCONFIG_DQS_DDL, 0 },
	};
	int r = sqlite3_extended_result_codes(db, 1);

	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]) && r == SQLITE_OK; i++)
		r = sqlite3_db_config(db, options[i].option, options[i].value, NULL);
	return r == SQLITE_OK ? sqlite3_exec(db, "PRAGMA cell_size_check = ON", NULL, NULL, NULL) : r;
}

/*
 * Exclusive locking comes first: it keeps the lock, and a second porticod out; and with it the write-ahead log
 * needs no index in shared memory (FILE-shm), which not every file system can have.
 *
 * A log, because a commit is then written in one go and waits for the disk once (a rollback journal: six times).
 * What is in FILE-wal is missing in FILE, of which sysupgrade and people make copies: db_settle() moves it there as
 * soon as nothing is written for a while, and SQLite does when the file is closed. After a crash FILE-wal is left
 * and belongs to FILE; the next start takes it in.
 *
 * A file of a version that had a rollback journal is taken over, together with what a crash left of that.
 *
 * The cache is for the few pages that one commit touches: the configuration is read once, and then held in memory.
 */
static int set_journal(sqlite3 *db)
{
	return sqlite3_exec(db,
			    "PRAGMA locking_mode = EXCLUSIVE;"
			    "PRAGMA journal_mode = WAL;"
			    "PRAGMA synchronous = FULL;"
			    "PRAGMA cache_size = -256;" /* KiB */
			    "PRAGMA temp_store = MEMORY;",
			    NULL, NULL, NULL);
}

int db_settle(sqlite3 *db)
{
	return sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

void db_disown_commit(sqlite3 *db)
{
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* a failed COMMIT may have done so by itself */
	/*
	 * It comes to stand where the commit begins, whose checksums go on from frame to frame. A new table has a page
	 * that nobody holds, and so is one that can be flushed.
	 */
	sqlite3_exec(db, "BEGIN IMMEDIATE; CREATE TABLE disowned (id INTEGER)", NULL, NULL, NULL);
	sqlite3_db_cacheflush(db);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	db_settle(db);
}

int db_integer(sqlite3 *db, const char *sql, int64_t *ret_value)
{
	sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(stmt);
	if (r == SQLITE_ROW)
		*ret_value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return r == SQLITE_ROW ? SQLITE_OK : r == SQLITE_DONE ? SQLITE_ERROR : r;
}

/*
 * Of the file's structure. The tables' CHECKs are left out: a value that is
 * wrong is found when its row is read, which can tell where it stands.
 */
static int quick_check(sqlite3 *db, const char *path, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL);
	int result;

	if (r == SQLITE_OK)
		r = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_step(stmt);
	if (r != SQLITE_ROW)
		result = db_error(db, path, err);
	else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
		result = db_damaged(path, (const char *)sqlite3_column_text(stmt, 0), err);
	else
		result = 0;
	sqlite3_finalize(stmt);
	if (sqlite3_exec(db, "PRAGMA ignore_check_constraints = OFF", NULL, NULL, NULL) != SQLITE_OK &&
	    result == 0)
		result = db_error(db, path, err);
	return result;
}

/* --- versions --- */

unsigned db_version(const struct scripts *scripts)
{
	unsigned version = 1;

	while (scripts->migrations[version - 1])
		version++;
	return version;
}

/* Runs the script that makes this version of the one before, wholly or not at all. */
static int migrate_to(sqlite3 *db, const char *path, const struct scripts *scripts, unsigned version,
		      struct err *err)
{
	const char *script = version == 1 ? scripts->schema : scripts->migrations[version - 2];
	char stamp[128];
	int r = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	snprintf(stamp, sizeof(stamp), "PRAGMA application_id = %d; PRAGMA user_version = %u; COMMIT",
		 STORE_APPLICATION_ID, version);
	if (r == SQLITE_OK)
		r = sqlite3_exec(db, script, NULL, NULL, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_exec(db, stamp, NULL, NULL, NULL);
	if (r == SQLITE_OK)
		return 0;

	r = db_error(db, path, err);
	if ((sqlite3_errcode(db) & 0xff) == SQLITE_ERROR || (sqlite3_errcode(db) & 0xff) == SQLITE_CONSTRAINT)
		r = err_set(err, ERR_INTERNAL, "cannot bring the database %s to version %u: %s", path,
			    version, sqlite3_errmsg(db));
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

/* Whose file this is and of which version; version 0 is an empty one. */
static int identify(sqlite3 *db, const char *path, unsigned known, unsigned *ret_version, struct err *err)
{
	int64_t application = 0, version = 0, tables = 0;

	if (db_integer(db, "SELECT count(*) FROM sqlite_schema", &tables) != SQLITE_OK ||
	    db_integer(db, "PRAGMA application_id", &application) != SQLITE_OK ||
	    db_integer(db, "PRAGMA user_version", &version) != SQLITE_OK)
		return db_error(db, path, err);
	*ret_version = 0;
	if (tables == 0 && application == 0 && version == 0)
		return 0;
	if (application != STORE_APPLICATION_ID || version < 1)
		return err_set(err, ERR_UNAVAILABLE, "%s is an SQLite database, but not one of Portico's",
			       path);
	if (version > known)
		return err_set(
			err, ERR_UNAVAILABLE,
			"the database %s is of version %lld, made by a newer Portico; this one knows versions up "
			"to %u",
			path, (long long)version, known);
	*ret_version = (unsigned)version;
	return 0;
}

/*
 * On some file systems everything goes well until the first write. Better to
 * know now than at the first commit. It is taken back: no start waits for the disk.
 */
static int probe_write(sqlite3 *db, unsigned version)
{
	char sql[64];
	int r;

	snprintf(sql, sizeof(sql), "BEGIN IMMEDIATE; PRAGMA user_version = %u", version);
	r = sqlite3_exec(db, sql, NULL, NULL, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_db_cacheflush(db);
	return r == SQLITE_OK ? sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL) : r;
}

/* Brings what was found sound to the newest version. `keep`: the one before, as FILE.good. */
static int take_up(sqlite3 *db, const char *path, const struct scripts *scripts, bool keep,
		   bool *ret_migrated, struct err *err)
{
	unsigned known = db_version(scripts), version = 0;
	int r = identify(db, path, known, &version, err);

	if (r == 0 && version > 0)
		r = quick_check(db, path, err);
	if (r < 0)
		return r;
	*ret_migrated = version > 0 && version < known;
	if (keep && *ret_migrated)
		db_keep_copy(db, path); /* to go back to, should the new version be a disappointment */
	while (r == 0 && version < known)
		r = migrate_to(db, path, scripts, ++version, err);
	return r;
}

static int prepare_file(sqlite3 *db, const char *path, const struct scripts *scripts, bool *ret_migrated,
			struct err *err)
{
	int r = take_up(db, path, scripts, true, ret_migrated, err), code;

	if (r < 0)
		return r;
	code = probe_write(db, db_version(scripts));
	if (code == SQLITE_OK)
		code = db_settle(db);
	return code == SQLITE_OK ? 0 : db_refused(db, code, path, err);
}

static int check_path(const char *path, struct err *err)
{
	if (strlen(path) > STORE_PATH_MAX)
		return err_set(err, ERR_UNAVAILABLE, "the database's path is too long");
	return is_emptied(path) ? db_damaged(path, "it is empty", err) : 0;
}

/* Opens `file`, of which messages speak as `path`. */
static int connect_to(const char *file, const char *path, sqlite3 **ret_db, struct err *err)
{
	const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE;
	sqlite3 *db = NULL;
	int r = 0;

	if (sqlite3_open_v2(file, &db, flags, NULL) != SQLITE_OK || harden(db) != SQLITE_OK)
		r = db_error(db, path, err);
	/* SQLite is content with reading where it may not write. */
	else if (sqlite3_db_readonly(db, "main") == 1)
		r = err_set(err, ERR_UNAVAILABLE, "cannot write the database %s: it is read-only", path);
	else if (set_journal(db) != SQLITE_OK)
		r = db_error(db, path, err);
	if (r < 0) {
		sqlite3_close(db);
		return r;
	}
	*ret_db = db;
	return 0;
}

int db_open(const char *path, const struct scripts *scripts, sqlite3 **ret_db, bool *ret_migrated,
	    struct err *err)
{
	sqlite3 *db = NULL;
	int r = check_path(path, err);

	if (r == 0)
		r = make_directory(path, err);
	if (r == 0)
		r = make_file(path, err);
	if (r == 0)
		r = connect_to(path, path, &db, err);
	if (r == 0)
		r = prepare_file(db, path, scripts, ret_migrated, err);
	if (r < 0) {
		sqlite3_close(db);
		return r;
	}
	*ret_db = db;
	return 0;
}

/*
 * SQLite cannot read the log of a file that it may not write to, and beside one that it may it leaves files of its
 * own. So a copy is read, of the file and of what a crash left beside it.
 */
int db_open_copy(const char *path, const struct scripts *scripts, sqlite3 **ret_db, struct err *err)
{
	struct db_copy copy;
	sqlite3 *db = NULL;
	bool migrated;
	int r = check_path(path, err);

	if (r == 0)
		r = db_copy_make(path, &copy, err);
	if (r < 0)
		return r;
	r = connect_to(copy.file, path, &db, err);
	if (r == 0)
		r = take_up(db, path, scripts, false, &migrated, err);
	db_copy_remove(&copy); /* the open file stays readable until it is closed */
	if (r < 0) {
		sqlite3_close(db);
		return r;
	}
	*ret_db = db;
	return 0;
}
