/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file under the store: replaced by somebody, and on a disk that cannot be written. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/embed.h"
#include "scratch.h"
#include "store/db.h"
#include "store_fixture.h"

static struct err err;
static char directory[32], path[48], wal[64], backup[64];

static void run(const char *format, const char *a, const char *b)
{
	char command[256];

	snprintf(command, sizeof(command), format, a, b);
	assert_int_equal(system(command), 0);
}

/* As an ordinary user where we are root, who may write everything. */
static void be_user(bool user)
{
	if (getuid() != 0)
		return;
	assert_int_equal(user ? setegid(65534) : seteuid(0), 0);
	assert_int_equal(user ? seteuid(65534) : setegid(0), 0);
}

static int setup(void **state)
{
	(void)state;
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/portico.db", directory);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	snprintf(backup, sizeof(backup), "%s.backup", path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	be_user(false);
	run("chmod %s '%s'", "0755", directory);
	scratch_remove(directory);
	return 0;
}

static struct store *start(void)
{
	struct store *store = NULL;

	err_clear(&err);
	if (store_open(path, &store, &err) < 0)
		fail_msg("%s", err.detail);
	return store;
}

static int commit(struct store *store, const struct config *old, const struct config *new)
{
	const struct commit plain = {
		.author = "admin", .reason = "a test", .at = 1234, .history_length = 200
	};
	struct changes changes;
	uint64_t revision;
	int r;

	err_clear(&err);
	assert_int_equal(config_diff(old, new, &changes), 0);
	r = store_begin(store, &changes, &plain, &revision, &err);
	if (r == 0)
		r = store_finish(store, &err);
	changes_done(&changes);
	return r;
}

static void holds(struct store *store, uint64_t revision, const struct config *wanted)
{
	struct config *config;
	uint64_t number;

	err_clear(&err);
	if (store_load(store, &config, &number, &err) < 0)
		fail_msg("%s", err.detail);
	assert_int_equal(number, revision);
	assert_same(config, wanted);
	config_unref(config);
}

static off_t size_of(const char *name)
{
	struct stat st;

	return stat(name, &st) == 0 ? st.st_size : -1;
}

/* Every way of changing something is refused, with these words. */
static void refuses(struct store *store, const char *words)
{
	struct config *config = forwards(1, "refused"), *none = config_new();
	const struct token token = { .id = 1,
				     .name = "a",
				     .hash = "abcdef0123456789abcdef0123456789"
					     "abcdef0123456789abcdef0123456789" };
	const struct store_sysctl sysctl = { "net/ipv4/ip_forward", 0 };

	assert_non_null(strstr(store_failure(store), words));
	assert_true(commit(store, none, config) < 0);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_string_equal(err.detail, store_failure(store));
	assert_true(store_confirm(store, "admin", 1234, &err) < 0);
	assert_true(store_put_secret(store, "password", "refused", &err) < 0);
	assert_true(store_add_token(store, &token, &err) < 0);
	assert_true(store_remove_token(store, 1, &err) < 0);
	assert_string_equal(err.detail, store_failure(store));
	assert_true(store_keep_sysctls(store, "here", &sysctl, 1) < 0);
	store_settle(store);
	config_unref(config);
	config_unref(none);
}

/* --- replaced --- */

static void rename_over(void)
{
	run("cp '%s' '%s'.new", backup, path);
	run("mv '%s'.new '%s'", path, path);
}

static void write_over(void)
{
	run("cp '%s' '%s'", backup, path);
}

static void (*const replacements[])(void) = { rename_over, write_over };
enum { REPLACEMENT_COUNT = sizeof(replacements) / sizeof(replacements[0]) };

/* What a daemon does: a change, which may stand in the log, then it finds another file there. */
static void meet_another_file(unsigned how, bool settled, bool killed)
{
	struct config *before = forwards(3, "before"), *later = forwards(400, "later");
	struct store *store = start();

	if (commit(store, before, later) < 0)
		fail_msg("%s", err.detail);
	if (settled)
		store_settle(store);
	assert_int_equal(size_of(wal) > 0, !settled);
	replacements[how]();
	if (killed) {
		store_settle(store); /* it would move the log, within a second */
		kill(getpid(), SIGKILL);
	}
	store_close(store);
	config_unref(before);
	config_unref(later);
}

static void meet_and_die(unsigned how, bool settled)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		meet_another_file(how, settled, true);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* It is what counts, however the old daemon ends. */
static void test_replaced(void **state)
{
	struct config *none = config_new(), *before = forwards(3, "before");
	struct store *store = start();

	(void)state;
	assert_int_equal(commit(store, none, before), 0);
	store_close(store);
	run("cp '%s' '%s'", path, backup);
	for (unsigned i = 0; i < REPLACEMENT_COUNT * 4; i++) {
		unsigned how = i / 4;
		bool settled = i & 1, killed = i & 2;

		if (killed)
			meet_and_die(how, settled);
		else
			meet_another_file(how, settled, false);
		run("cmp '%s' '%s'", path, backup);
		store = start();
		assert_null(store_failure(store));
		holds(store, 1, before);
		store_close(store);
		unlink(path);
		run("cp '%s' '%s'", backup, path);
	}
	config_unref(none);
	config_unref(before);
}

/* As long as the daemon runs it writes nothing more, also not what was begun before; and it reads what it had. */
static void test_running_on_without_its_file(void **state)
{
	struct config *none = config_new(), *before = forwards(3, "before");
	const struct commit plain = {
		.author = "admin", .reason = "a test", .at = 1234, .history_length = 200
	};
	struct changes changes;
	struct store *store = start();
	uint64_t revision;

	(void)state;
	assert_int_equal(commit(store, none, before), 0);
	store_settle(store);
	run("cp '%s' '%s'", path, backup);
	assert_null(store_failure(store));

	assert_int_equal(config_diff(before, none, &changes), 0);
	assert_int_equal(store_begin(store, &changes, &plain, &revision, &err), 0);
	rename_over();
	assert_true(store_finish(store, &err) < 0);
	assert_non_null(strstr(err.detail, "somebody replaced the database "));
	assert_false(store_in_commit(store));
	changes_done(&changes);

	refuses(store, "restart porticod");
	holds(store, 1, before);
	store_close(store);
	run("cmp '%s' '%s'", path, backup);
	assert_int_equal(size_of(wal), -1);
	config_unref(none);
	config_unref(before);
}

static void test_removed(void **state)
{
	struct config *none = config_new(), *before = forwards(3, "before");
	struct store *store = start();

	(void)state;
	assert_int_equal(commit(store, none, before), 0);
	unlink(path);
	refuses(store, "restart porticod");
	store_close(store);
	assert_int_equal(size_of(wal), -1);
	store = start();
	holds(store, 0, none);
	store_close(store);
	config_unref(none);
	config_unref(before);
}

/* A log that came with the other file belongs to that. */
static void test_replaced_with_its_log(void **state)
{
	struct config *none = config_new(), *before = forwards(3, "before"), *more = forwards(5, "more");
	struct store *store = start();

	(void)state;
	assert_int_equal(commit(store, none, before), 0);
	store_settle(store);
	assert_int_equal(commit(store, before, more), 0);
	run("cp '%s' '%s'", path, backup);
	run("cp '%s' '%s'-wal", wal, backup);
	rename_over();
	run("mv '%s'-wal '%s'", backup, wal);
	store_close(store);
	store = start();
	holds(store, 2, more);
	store_close(store);
	config_unref(none);
	config_unref(before);
	config_unref(more);
}

/* What the daemon does by itself is no replacement. */
static void test_our_own_writes(void **state)
{
	struct config *none = config_new(),
		      *big = forwards(4000, "more than the log takes without being moved");
	const struct store_sysctl sysctl = { "net/ipv4/ip_forward", 0 };
	struct store *store = start();

	(void)state;
	assert_int_equal(commit(store, none, big), 0);
	assert_null(store_failure(store));
	assert_int_equal(commit(store, big, none), 0);
	assert_int_equal(store_put_secret(store, "password", "x", &err), 0);
	assert_null(store_failure(store));
	assert_int_equal(store_keep_sysctls(store, "here", &sysctl, 1), 0);
	assert_null(store_failure(store));
	run("touch -a '%s'; chmod 0640 '%s'", path, path);
	assert_null(store_failure(store));
	store_close(store);
	config_unref(none);
	config_unref(big);
}

/* --- read-only --- */

static void as_user(void (*fn)(void))
{
	be_user(true);
	fn();
	be_user(false);
}

static void make_read_only(bool file_too)
{
	run("chmod %s '%s'", file_too ? "0444" : "0666", path);
	run("chmod %s '%s'", "0555", directory);
}

static void starts_read_only(void)
{
	struct config *before = forwards(3, "before"), *later = forwards(400, "later");
	bool unsettled = size_of(wal) > 0;
	off_t size = size_of(path), log = size_of(wal);
	struct store *store = start();

	holds(store, unsettled ? 2 : 1, unsettled ? later : before);
	refuses(store, "once that is mended, restart porticod");
	store_close(store);
	assert_int_equal(size_of(path), size);
	assert_int_equal(size_of(wal), log);
	config_unref(before);
	config_unref(later);
}

static void die_unsettled(void)
{
	struct config *before = forwards(3, "before"), *later = forwards(400, "later");

	if (commit(start(), before, later) < 0)
		_exit(1);
	_exit(0);
}

/* Neither the file nor its directory, or only the directory can be written; a log with a change in it, or none. */
static void test_read_only(void **state)
{
	struct config *none = config_new(), *before = forwards(3, "before"), *later = forwards(400, "later");
	struct store *store = start();
	pid_t pid;
	int status;

	(void)state;
	assert_int_equal(commit(store, none, before), 0);
	store_close(store);
	make_read_only(true);
	as_user(starts_read_only);
	make_read_only(false);
	as_user(starts_read_only);

	run("chmod %s '%s'", "0755", directory);
	pid = fork();
	if (pid == 0)
		die_unsettled();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(size_of(wal) > 0);
	run("chmod %s '%s'", "0444", wal);
	make_read_only(true);
	as_user(starts_read_only);

	/* And when it can be written again. */
	run("chmod %s '%s'", "0755", directory);
	run("chmod %s '%s'", "0644", path);
	run("chmod %s '%s'", "0644", wal);
	store = start();
	assert_null(store_failure(store));
	holds(store, 2, later);
	assert_int_equal(commit(store, later, none), 0);
	store_close(store);
	config_unref(none);
	config_unref(before);
	config_unref(later);
}

EMBED(version_1, "tests/unit/version-1.sql");

static void starts_with_version_1(void)
{
	struct config *config;
	uint64_t revision;
	struct store *store = start();

	if (store_load(store, &config, &revision, &err) < 0)
		fail_msg("%s", err.detail);
	assert_int_equal(revision, 8);
	refuses(store, "read-only; once that is mended, restart porticod");
	store_close(store);
	config_unref(config);
}

/* After an upgrade, too. */
static void test_read_only_of_an_older_version(void **state)
{
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, version_1, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	make_read_only(true);
	as_user(starts_with_version_1);
}

static void is_refused(void)
{
	struct store *store = NULL;

	err_clear(&err);
	assert_true(store_open(path, &store, &err) < 0);
	assert_null(store);
}

/* What nothing can be read from is refused as ever. */
static void test_read_only_and_unfit(void **state)
{
	(void)state;
	run("chmod %s '%s'", "0555", directory);
	as_user(is_refused);
	assert_non_null(strstr(err.detail, "cannot make the database"));
	run("chmod %s '%s'", "0755", directory);
	run("yes '%s' | head -1000 >'%s'", "this is no database", path);
	make_read_only(true);
	as_user(is_refused);
	assert_non_null(strstr(err.detail, "it is read-only"));
	run("chmod %s '%s'", "0644", path);
	run(": >'%s'; chmod 0444 '%s'", path, path); /* as a first start without space leaves it */
	as_user(is_refused);
	run("chmod %s '%s'", "0000", path);
	as_user(is_refused);
	assert_non_null(strstr(err.detail, "Permission denied"));
}

int main(void)
{
#define DISK_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		DISK_TEST(test_replaced),
		DISK_TEST(test_running_on_without_its_file),
		DISK_TEST(test_removed),
		DISK_TEST(test_replaced_with_its_log),
		DISK_TEST(test_our_own_writes),
		DISK_TEST(test_read_only),
		DISK_TEST(test_read_only_of_an_older_version),
		DISK_TEST(test_read_only_and_unfit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
