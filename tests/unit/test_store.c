/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The database: what is written comes back, whatever happens in between. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/embed.h"
#include "faulty_disk.h"
#include "model/schema.h"
#include "scratch.h"
#include "store/db.h"
#include "store/store.h"
#include "store_fixture.h"

static struct err err;
static char directory[32], path[128], good[160];

/* --- scaffolding --- */

static int setup(void **state)
{
	(void)state;
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/etc/portico.db", directory);
	snprintf(good, sizeof(good), "%s.good", path);
	err_clear(&err);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove(directory);
	return 0;
}

static struct store *open_store(void)
{
	struct store *store = NULL;

	err_clear(&err);
	if (store_open(path, &store, &err) < 0)
		fail_msg("%s", err.detail);
	return store;
}

/* Wants the store to be refused with these words. */
static void refused(const char *words)
{
	struct store *store = NULL;

	err_clear(&err);
	assert_true(store_open(path, &store, &err) < 0);
	assert_null(store);
	if (!strstr(err.detail, words))
		fail_msg("\"%s\", not \"%s\"", err.detail, words);
	assert_int_not_equal(err.kind, ERR_NONE);
}

static struct config *load(struct store *store, uint64_t revision)
{
	struct config *config = NULL;
	uint64_t number = UINT64_MAX;

	err_clear(&err);
	if (store_load(store, &config, &number, &err) < 0)
		fail_msg("%s", err.detail);
	assert_int_equal(number, revision);
	return config;
}

/* Runs SQL on the closed file, past all checks. */
static void sql(const char *text)
{
	sqlite3 *db;
	char *message = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", text, message);
	sqlite3_close(db);
}

static void copy_file(const char *from, const char *to)
{
	char command[512];

	snprintf(command, sizeof(command), "cp '%s' '%s'", from, to);
	assert_int_equal(system(command), 0);
}

static int64_t ask(const char *file, const char *text)
{
	int64_t value = -1;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(db_integer(db, text, &value), SQLITE_OK);
	sqlite3_close(db);
	return value;
}

static struct config *parse(const char *text)
{
	char *copy = strdup(text);
	struct config *config = NULL;
	json_t *json;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	json = json_loads(copy, 0, NULL);
	free(copy);
	assert_non_null(json);
	err_clear(&err);
	if (config_from_json(json, NULL, &config, &err) < 0)
		fail_msg("%s: %s", err.items[0].path, err.items[0].message);
	json_decref(json);
	return config;
}

static const char sample[] =
	"{'settings': {'firewall': 'beside', 'manage_sysctls': false, 'admin_from_uplinks': true, 'language': 'zh',"
	"  'history_length': 12, 'route_table_base': 30000, 'rule_preference_base': 6000},"
	" 'networks': [{'name': 'lan', 'devices': ['br-lan', 'eth5'], 'prefixes': ['10.8.0.0/24'], 'hairpin': 'off',"
	"  'hairpin_source': 'external'}],"
	" 'uplinks': [{'id': 3, 'name': 'isp1', 'enabled': false, 'device': 'eth0', 'gateway': '192.0.2.254',"
	"  'source_nat': '192.0.2.1', 'weight': 3, 'tier': 2, 'sticky': true, 'health': {'method': 'tcp',"
	"  'targets': ['198.51.100.1:443'], 'need': '1', 'max_loss_percent': 10}},"
	"  {'id': 5, 'name': 'isp2', 'device': 'ppp0', 'gateway': null, 'source_nat': 'none'}],"
	" 'forwards': [{'id': 1, 'name': 'web', 'enabled': false, 'protocols': ['tcp', 'udp'], 'uplinks': ['isp1', 'x'],"
	"  'external_ports': '80,8000-8100', 'internal_address': '192.168.0.2', 'internal_ports': '81,9000-9100',"
	"  'sources': ['198.51.100.0/24'], 'hairpin': false, 'backend_sees': 'router', 'comment': 'a \\u00e9\\n',"
	"  'expires_at': '2030-02-28T23:59:59Z', 'schedule': 'mon-fri 08:00-22:00, sat,sun 10:00-24:00', 'log': true},"
	"  {'id': 40, 'name': 'vpn', 'protocols': ['gre'], 'external_ports': null, 'pinhole': true,"
	"  'internal_address': '::1:2:3:4/-64', 'internal_network': 'lan'}],"
	" 'redirects': [{'name': 'proxy', 'network': 'lan', 'protocol': 'udp', 'port': 80, 'to_port': 8888,"
	"  'except': ['192.168.0.9']}],"
	" 'source_nats': [{'name': 'snat', 'enabled': false, 'sources': ['10.8.0.0/24'], 'uplink': 'isp1',"
	"  'address': '192.0.2.9'}]}";

static int begin(struct store *store, const struct config *old, const struct config *new, unsigned history)
{
	const struct commit commit = {
		.author = "admin", .reason = "a test", .at = 1234, .history_length = history
	};
	struct changes changes;
	uint64_t revision;
	int r;

	assert_int_equal(config_diff(old, new, &changes), 0);
	err_clear(&err);
	r = store_begin(store, &changes, &commit, &revision, &err);
	changes_done(&changes);
	return r;
}

static void commit(struct store *store, const struct config *old, const struct config *new)
{
	if (begin(store, old, new, 200) < 0 || store_finish(store, &err) < 0)
		fail_msg("%s", err.detail);
}

/* As a daemon that starts and ends. */
static void start_and_stop(void)
{
	struct store *store = open_store();
	struct config *config = NULL;
	uint64_t revision;

	if (store_load(store, &config, &revision, &err) < 0)
		fail_msg("%s", err.detail);
	config_unref(config);
	store_close(store);
}

/* The file with the sample in it as revision 1, closed. */
static struct config *make_sample(void)
{
	struct store *store = open_store();
	struct config *empty = load(store, 0), *config = parse(sample);

	commit(store, empty, config);
	store_close(store);
	config_unref(empty);
	return config;
}

/* --- tests --- */

static void test_new(void **state)
{
	struct store *store = open_store();
	struct config *config = load(store, 0), *defaults = config_new();
	struct stat st;

	(void)state;
	assert_same(config, defaults);
	config_unref(config);
	config_unref(defaults);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	*strrchr(path, '/') = '\0';
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	path[strlen(path)] = '/';
	store_close(store);
	store_close(NULL);
	assert_int_equal(ask(path, "PRAGMA user_version"), db_version(&store_scripts));
	assert_int_equal(ask(path, "PRAGMA application_id"), STORE_APPLICATION_ID);
	assert_int_equal(store_check(path, &err), 0);
}

/* What the connection must and must not do, as SQLite itself tells. */
static void test_connection(void **state)
{
	static const struct {
		const char *pragma;
		int64_t value;
	} pragmas[] = {
		{ "PRAGMA foreign_keys", 1 },
		{ "PRAGMA trusted_schema", 0 },
		{ "PRAGMA synchronous", 2 },
		{ "PRAGMA cell_size_check", 1 },
		{ "PRAGMA ignore_check_constraints", 0 },
		{ "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'", 1 },
		{ "SELECT count(*) FROM pragma_locking_mode WHERE locking_mode = 'exclusive'", 1 },
	};
	struct store *store;

	(void)state;
	/* Of a new file and of one that was there. */
	for (unsigned round = 0; round < 2; round++) {
		store = open_store();
		for (unsigned i = 0; i < sizeof(pragmas) / sizeof(pragmas[0]); i++) {
			int64_t value = -1;

			assert_int_equal(db_integer(store->db, pragmas[i].pragma, &value), SQLITE_OK);
			if (value != pragmas[i].value)
				fail_msg("%s is %d", pragmas[i].pragma, (int)value);
		}
		assert_int_not_equal(sqlite3_exec(store->db, "SELECT \"no column\"", NULL, NULL, NULL),
				     SQLITE_OK);
		assert_int_not_equal(
			sqlite3_exec(store->db, "UPDATE sqlite_schema SET sql = ''", NULL, NULL, NULL),
			SQLITE_OK);
		store_close(store);
	}
}

/* The tables have exactly the columns that the fields ask for. */
static void test_columns(void **state)
{
	sqlite3 *db;

	(void)state;
	store_close(open_store());
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		const struct fields *fields = &schema_of(kind)->fields;
		unsigned wanted = 1, found = 0;
		sqlite3_stmt *stmt;
		char text[128];

		for (unsigned i = 0; i < fields->count; i++)
			wanted += field_is_kept(&fields->items[i]);
		snprintf(text, sizeof(text), "SELECT name, \"notnull\" FROM pragma_table_info('%s')",
			 kind_plural(kind));
		assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			const char *name = (const char *)sqlite3_column_text(stmt, 0);
			const struct field *field = fields_find(fields, name);

			found++;
			if (strcmp(name, "id") == 0)
				continue;
			if (!field || !field_is_kept(field))
				fail_msg("%s.%s is no field", kind_plural(kind), name);
			assert_int_equal(sqlite3_column_int(stmt, 1), !(field->flags & FIELD_NULLABLE));
		}
		sqlite3_finalize(stmt);
		assert_int_equal(found, wanted);
	}
	sqlite3_close(db);
}

static void test_round_trip(void **state)
{
	struct config *config = make_sample(), *read;
	struct store *store = open_store();

	(void)state;
	read = load(store, 1);
	assert_same(config, read);
	store_close(store);
	config_unref(read);
	config_unref(config);
	assert_int_equal(store_check(path, &err), 0);
	assert_int_equal(
		ask(path, "SELECT count(*) FROM revision WHERE number = 1 AND at = 1234 AND author = 'admin'"
			  " AND reason = 'a test' AND json_array_length(changes) = 8"),
		1);
}

static void test_changes(void **state)
{
	struct config *config = make_sample(), *next = config_copy(config), *read;
	struct object *a, *b;
	struct store *store = open_store();
	int64_t before;
	json_t *json;

	(void)state;
	/* Two exchange their names, one goes, one comes, the rest stays. */
	json = object_to_json(config_find(next, KIND_FORWARD, 1));
	json_object_set_new(json, "name", json_string("vpn"));
	assert_int_equal(object_from_json(KIND_FORWARD, json, "", true, &a, &err), 0);
	json_decref(json);
	json = object_to_json(config_find(next, KIND_FORWARD, 40));
	json_object_set_new(json, "name", json_string("web"));
	assert_int_equal(object_from_json(KIND_FORWARD, json, "", true, &b, &err), 0);
	json_object_set_new(json, "name", json_string("new"));
	assert_int_equal(config_put(next, a, &err), 0);
	assert_int_equal(config_put(next, b, &err), 0);
	assert_int_equal(config_remove(next, KIND_REDIRECT, 1), 0);
	before = sqlite3_total_changes64(store->db);
	commit(store, config, next);
	/* Two replaced (out and in), one gone, one revision: nothing else was touched. */
	assert_int_equal(sqlite3_total_changes64(store->db) - before, 2 * 2 + 1 + 1);
	read = load(store, 2);
	assert_same(next, read);
	config_unref(read);
	store_close(store);

	store = open_store();
	read = load(store, 2);
	assert_same(next, read);
	assert_string_equal(config_find(read, KIND_FORWARD, 40)->name, "web");
	config_unref(read);
	store_close(store);
	json_decref(json);
	config_unref(config);
	config_unref(next);
}

static void test_undo(void **state)
{
	struct config *config = make_sample(), *empty = config_new(), *read;
	struct store *store = open_store();

	(void)state;
	assert_int_equal(begin(store, config, empty, 200), 0);
	/* One at a time. */
	assert_true(begin(store, config, empty, 200) < 0);
	assert_true(store_put_secret(store, "a", "b", &err) < 0);
	store_undo(store);
	store_undo(store);
	read = load(store, 1);
	assert_same(config, read);
	config_unref(read);
	err_clear(&err);
	assert_true(store_finish(store, &err) < 0);
	/* And closing undoes as well. */
	assert_int_equal(begin(store, config, empty, 200), 0);
	store_close(store);
	store = open_store();
	read = load(store, 1);
	assert_same(config, read);
	config_unref(read);
	/* The number is given to the next one that is finished. */
	commit(store, config, empty);
	read = load(store, 2);
	assert_same(empty, read);
	config_unref(read);
	store_close(store);
	config_unref(config);
	config_unref(empty);
}

/* A big change, so that pages are written before the end. */
static struct config *many_forwards(unsigned count)
{
	struct config *config = config_new();

	for (unsigned i = 0; i < count; i++) {
		json_t *json = json_pack(
			"{s:o, s:o, s:o, s:[s], s:[s]}", "name", json_sprintf("forward %u", i),
			"internal_address", json_sprintf("192.168.%u.%u", i / 250, 1 + i % 250),
			"external_ports", json_sprintf("%u,%u-%u", 10000 + i, 30000 + 2 * i, 30001 + 2 * i),
			"uplinks", i % 2 ? "isp1" : "isp2", "sources", "198.51.100.0/24");
		struct object *object;

		assert_int_equal(object_from_json(KIND_FORWARD, json, "", false, &object, &err), 0);
		assert_int_equal(config_put(config, object, &err), 0);
		json_decref(json);
	}
	return config;
}

/* The size of a file beside the database; 0: it is not there. */
static off_t size_beside(const char *suffix)
{
	char name[160];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &st) == 0 ? st.st_size : 0;
}

/* A process that begins a commit, finishes it if so told, and dies. */
static void die_in_commit(const struct config *old, const struct config *new, bool finished)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *store = open_store();

		if (begin(store, old, new, 200) < 0 || (finished && store_finish(store, &err) < 0))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* A process dies between begin and finish: the old revision is there. */
static void test_killed(void **state)
{
	struct config *config = make_sample(), *big = many_forwards(2000), *read;
	struct store *store;

	(void)state;
	die_in_commit(config, big, false);
	/* It died with the new rows in the log: this is no walk in the park. */
	assert_true(size_beside("-wal") > 100000);
	assert_int_equal(store_check(path, &err), 0);
	assert_true(size_beside("-wal") > 100000);

	store = open_store();
	read = load(store, 1);
	assert_same(config, read);
	store_close(store);
	config_unref(read);
	config_unref(big);
	config_unref(config);
}

/* One that dies after the commit, and before the file has it: the new revision is there, whoever looks. */
static void test_killed_unsettled(void **state)
{
	struct config *config = make_sample(), *big = many_forwards(2000), *read;
	off_t size = size_beside(""), log;
	struct store *store;

	(void)state;
	die_in_commit(config, big, true);
	log = size_beside("-wal");
	assert_true(log > 100000);
	assert_int_equal(size_beside(""), size);

	/* --check reads it, and leaves everything as it is. */
	err_clear(&err);
	if (store_check(path, &err) < 0)
		fail_msg("%s", err.detail);
	assert_int_equal(size_beside("-wal"), log);
	assert_int_equal(size_beside(""), size);
	assert_int_equal(size_beside("-shm"), 0);

	store = open_store();
	assert_int_equal(size_beside("-wal"), 0);
	assert_true(size_beside("") > size);
	read = load(store, 2);
	assert_same(big, read);
	store_close(store);
	config_unref(read);
	config_unref(big);
	config_unref(config);
}

/* At rest everything is in the one file: a copy of it alone is a backup. */
static void test_settled(void **state)
{
	struct config *config = make_sample(), *empty = config_new(), *read;
	struct store *store = open_store();
	char whole[160];

	(void)state;
	commit(store, config, empty);
	assert_true(size_beside("-wal") > 0);
	/* Not in the middle of a commit. */
	assert_int_equal(begin(store, empty, config, 200), 0);
	store_settle(store);
	assert_true(size_beside("-wal") > 0);
	store_undo(store);
	store_settle(store);
	assert_int_equal(size_beside("-wal"), 0);
	assert_int_equal(size_beside("-shm"), 0);
	assert_int_equal(store_put_secret(store, "password", "x", &err), 0);
	assert_int_equal(size_beside("-wal"), 0);
	snprintf(whole, sizeof(whole), "%s.whole", path);
	copy_file(path, whole);
	store_close(store);
	assert_int_equal(size_beside("-wal"), 0);

	assert_int_equal(rename(whole, path), 0);
	store = open_store();
	read = load(store, 2);
	assert_same(empty, read);
	store_close(store);
	assert_int_equal(ask(path, "SELECT count(*) FROM secret"), 1);
	config_unref(read);
	config_unref(empty);
	config_unref(config);
}

/* A file of the time when there was a rollback journal, with what a crash left of a commit. */
static void test_taken_over(void **state)
{
	struct config *config = make_sample(), *read;
	struct store *store;
	int status;
	pid_t pid;

	(void)state;
	sql("PRAGMA journal_mode = DELETE");
	assert_int_equal(store_check(path, &err), 0);
	store_close(open_store());
	sql("PRAGMA journal_mode = DELETE");
	pid = fork();
	if (pid == 0) {
		sqlite3 *db;

		sqlite3_open(path, &db);
		sqlite3_exec(db, "BEGIN IMMEDIATE; DELETE FROM forwards", NULL, NULL, NULL);
		sqlite3_db_cacheflush(db);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(size_beside("-journal") > 0);
	assert_int_equal(store_check(path, &err), 0);
	assert_true(size_beside("-journal") > 0);
	store = open_store();
	read = load(store, 1);
	assert_same(config, read);
	store_close(store);
	assert_int_equal(size_beside("-journal"), 0);
	config_unref(read);
	config_unref(config);
}

/* --- what a commit costs --- */

static void forget_cost(void)
{
	faulty_disk.syncs = 0;
	faulty_disk.bytes_written = 0;
}

/* Waiting for the disk is the longest part of a small change. */
static void test_cost(void **state)
{
	struct config *empty = config_new(), *a = many_forwards(2000), *b = config_copy(a);
	struct store *store = open_store();

	(void)state;
	assert_int_equal(config_remove(b, KIND_FORWARD, 1000), 0);
	commit(store, empty, a);
	store_settle(store);
	forget_cost();
	commit(store, a, b);
	print_message("a commit: %u syncs, %u bytes", faulty_disk.syncs, (unsigned)faulty_disk.bytes_written);
	assert_in_range(faulty_disk.syncs, 1, 2); /* the first after a rest begins a new log */
	assert_in_range(faulty_disk.bytes_written, 1, 48 * 1024);
	forget_cost();
	commit(store, b, a);
	print_message(", the next one: %u syncs, %u bytes", faulty_disk.syncs,
		      (unsigned)faulty_disk.bytes_written);
	assert_int_equal(faulty_disk.syncs, 1);
	assert_in_range(faulty_disk.bytes_written, 1, 48 * 1024);
	forget_cost();
	store_settle(store);
	print_message(", and at rest: %u syncs, %u bytes\n", faulty_disk.syncs,
		      (unsigned)faulty_disk.bytes_written);
	store_close(store);
	config_unref(empty);
	config_unref(a);
	config_unref(b);
}

static void test_history(void **state)
{
	struct config *a = config_new(), *b = many_forwards(1);
	struct store *store = open_store();

	(void)state;
	for (unsigned i = 0; i < 25; i++) {
		assert_int_equal(begin(store, i % 2 ? b : a, i % 2 ? a : b, 10), 0);
		assert_int_equal(store_finish(store, &err), 0);
	}
	store_close(store);
	assert_int_equal(ask(path, "SELECT count(*) FROM revision"), 10);
	assert_int_equal(ask(path, "SELECT min(number) FROM revision"), 16);
	assert_int_equal(ask(path, "SELECT max(number) FROM revision"), 25);
	config_unref(a);
	config_unref(b);
}

static void test_secrets(void **state)
{
	struct store *store = open_store();
	char long_value[1026], *value = NULL;

	(void)state;
	assert_int_equal(store_get_secret(store, "password", &value), -ENOENT);
	assert_null(value);
	assert_int_equal(store_put_secret(store, "password", "one", &err), 0);
	assert_int_equal(store_put_secret(store, "password", "two", &err), 0);
	memset(long_value, 'x', sizeof(long_value) - 1);
	long_value[sizeof(long_value) - 1] = '\0';
	assert_true(store_put_secret(store, "password", long_value, &err) < 0);
	assert_int_equal(store_put_secret(store, "other", long_value + 1, &err), 0);
	store_close(store);
	store = open_store();
	assert_int_equal(store_get_secret(store, "password", &value), 0);
	assert_string_equal(value, "two");
	free(value);
	assert_int_equal(store_get_secret(store, "other", &value), 0);
	assert_int_equal(strlen(value), 1024);
	free(value);
	store_close(store);
}

static void test_tokens(void **state)
{
	struct token a = { .id = 3, .name = "ansible", .admin = true, .made_at = 1234 },
		     b = { .id = 4, .name = "viewer" }, read[TOKENS_MAX];
	struct store *store = open_store();
	unsigned count = 9;

	(void)state;
	memset(a.hash, 'a', TOKEN_HASH_MAX - 1);
	memset(b.hash, 'b', TOKEN_HASH_MAX - 1);
	assert_int_equal(store_load_tokens(store, read, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(store_add_token(store, &a, &err), 0);
	assert_true(store_add_token(store, &a, &err) < 0);
	assert_int_equal(store_add_token(store, &b, &err), 0);
	store_close(store);
	start_and_stop();
	assert_int_equal(ask(good, "SELECT count(*) FROM token"), 2);
	store = open_store();
	assert_int_equal(store_load_tokens(store, read, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_memory_equal(&read[0], &a, sizeof(a));
	assert_memory_equal(&read[1], &b, sizeof(b));
	assert_int_equal(store_remove_token(store, 3, &err), 0);
	assert_int_equal(store_load_tokens(store, read, &count, &err), 0);
	assert_int_equal(count, 1);
	assert_int_equal(read[0].id, 4);
	store_close(store);
	/* The copy follows tokens, too: one that was removed must not come back with it. */
	start_and_stop();
	assert_int_equal(ask(good, "SELECT count(*) FROM token"), 1);
}

/* One row is made wrong past all checks; reading it names table, row and column. */
static void wrong_row(const char *update, const char *words)
{
	struct store *store;
	struct config *config = make_sample(), *read = NULL;
	uint64_t revision;
	char text[512];

	snprintf(text, sizeof(text), "PRAGMA ignore_check_constraints = 1; %s", update);
	sql(text);
	store = open_store();
	err_clear(&err);
	assert_true(store_load(store, &read, &revision, &err) < 0);
	assert_null(read);
	if (!strstr(err.detail, words))
		fail_msg("%s: \"%s\", not \"%s\"", update, err.detail, words);
	assert_non_null(strstr(err.detail, "is damaged"));
	store_close(store);
	err_clear(&err);
	assert_true(store_check(path, &err) < 0);
	assert_non_null(strstr(err.detail, words));
	config_unref(config);
	unlink(path);
	unlink(good);
}

static void test_wrong_rows(void **state)
{
	(void)state;
	wrong_row("UPDATE forwards SET external_ports = '0' WHERE id = 1",
		  "table \"forwards\", row 1, \"external_ports\": must be ports");
	wrong_row("UPDATE forwards SET name = CAST(x'61ff' AS TEXT) WHERE id = 40",
		  "row 40, \"name\": cannot be read");
	wrong_row("UPDATE forwards SET name = 'a' || char(10) WHERE id = 40",
		  "\"name\": must have no control");
	wrong_row("UPDATE forwards SET name = 'a' || char(0) || 'b' WHERE id = 40",
		  "\"name\": must have no control");
	wrong_row("UPDATE forwards SET enabled = 2 WHERE id = 1", "\"enabled\": must be true or false");
	wrong_row("UPDATE forwards SET protocols = 'tcp' WHERE id = 1", "\"protocols\": cannot be read");
	wrong_row("UPDATE forwards SET protocols = '[]' WHERE id = 1",
		  "\"protocols\": must have at least one");
	wrong_row("UPDATE forwards SET sources = '[\"2001:db8::/32\"]' WHERE id = 1",
		  "\"sources/0\": must be an IPv4");
	wrong_row("UPDATE forwards SET internal_ports = '1' WHERE id = 1",
		  "\"internal_ports\": must be as many");
	wrong_row("UPDATE uplinks SET health = '{\"targets\": []}' WHERE id = 3", "\"health/targets\"");
	wrong_row("UPDATE uplinks SET weight = 101 WHERE id = 3", "\"weight\": must be a whole number");
	wrong_row("UPDATE uplinks SET device = '..' WHERE id = 3", "row 3, \"device\"");
	wrong_row("UPDATE settings SET language = 'xx'", "table \"settings\", row 1, \"language\"");
	wrong_row("UPDATE settings SET id = 2", "\"settings\", row 2, \"id\"");
	wrong_row("UPDATE uplinks SET id = 128 WHERE id = 3",
		  "row 128, \"id\": must be a whole number from 1 to 63");
	wrong_row("UPDATE forwards SET schedule = 'mon' WHERE id = 1",
		  "\"schedule\": must be days and hours");
	wrong_row("UPDATE forwards SET internal_address = '192.0.2.1' WHERE id = 40", "\"internal_address\"");
	wrong_row("UPDATE forwards SET internal_network = 'x' WHERE id = 40",
		  "there is no network named \"x\"");
	wrong_row("UPDATE uplinks SET id = -1 WHERE id = 3", "row -1, \"id\"");
	wrong_row("UPDATE uplinks SET device = 'ppp0'", "ppp0 is a device of uplink");
	wrong_row("DELETE FROM uplinks WHERE id = 3", "there is no uplink named \"isp1\"");
}

static void test_strange_files(void **state)
{
	FILE *file;

	(void)state;
	store_close(open_store());
	sql("PRAGMA application_id = 7");
	refused("not one of Portico's");
	sql("PRAGMA application_id = 1349804911; PRAGMA user_version = 9");
	refused("is of version 9, made by a newer Portico; this one knows versions up to");
	unlink(path);
	unlink(good);
	file = fopen(path, "w");
	for (unsigned i = 0; i < 1000; i++)
		fputs("this is no database\n", file);
	fclose(file);
	refused("is damaged");
	refused("there is no good copy");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refused("cannot open the database");
	assert_int_equal(rmdir(path), 0);
	/* None at all is in order, for --check. */
	err_clear(&err);
	assert_int_equal(store_check(path, &err), 0);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void overwrite(const char *name, off_t offset, size_t length)
{
	char junk[512];
	int fd = open(name, O_RDWR);

	assert_true(fd >= 0);
	memset(junk, 0xa5, sizeof(junk));
	for (; length > 0; length -= sizeof(junk), offset += sizeof(junk))
		assert_int_equal(pwrite(fd, junk, sizeof(junk), offset), sizeof(junk));
	close(fd);
}

/* Does what the last message says. */
static void restore(void)
{
	const char *command = strstr(err.detail, "rm -f '");

	assert_non_null(command);
	assert_int_equal(system(command), 0);
}

/* A damaged file is refused, and doing what the message says brings the good copy into force. */
static void test_damaged(void **state)
{
	struct config *config = make_sample(), *big, *read;
	struct store *store;

	(void)state;
	start_and_stop();
	store = open_store();
	big = many_forwards(300);
	commit(store, config, big);
	store_close(store);
	overwrite(path, 4096, 16 * 4096);
	refused("is damaged");
	refused("the state at the last start is kept");
	restore();
	store = open_store();
	read = load(store, 1);
	assert_same(config, read);
	config_unref(read);
	store_close(store);

	/* One that was cut to nothing is not a new one; one that was taken away is. */
	assert_int_equal(truncate(path, 0), 0);
	refused("is damaged (it is empty)");
	restore();
	start_and_stop();
	sql("PRAGMA ignore_check_constraints = 1; UPDATE forwards SET external_ports = '0' WHERE id = 1");
	err_clear(&err);
	assert_true(store_check(path, &err) < 0);
	assert_non_null(strstr(err.detail, "row 1"));
	restore();
	assert_int_equal(store_check(path, &err), 0);
	start_and_stop();
	unlink(path);
	store_close(open_store());
	assert_int_equal(ask(path, "SELECT count(*) FROM forwards"), 0);
	config_unref(big);
	config_unref(config);
}

/* Any one page overwritten: refused, or read as it was, but never read wrong. */
static void test_any_page(void **state)
{
	struct config *config = make_sample(), *big = many_forwards(300), *read;
	unsigned refusals = 0, pages;
	char whole[200];
	struct store *store = open_store();
	struct stat st;

	(void)state;
	read = load(store, 1);
	commit(store, read, big);
	config_unref(read);
	store_close(store);
	snprintf(whole, sizeof(whole), "%s.whole", path);
	copy_file(path, whole);
	assert_int_equal(stat(path, &st), 0);
	pages = (unsigned)(st.st_size / 4096);
	for (unsigned page = 0; page < pages; page++) {
		uint64_t revision;

		copy_file(whole, path);
		overwrite(path, (off_t)page * 4096 + (page == 0 ? 100 : 0), 1024);
		read = NULL;
		store = NULL;
		err_clear(&err);
		if (store_open(path, &store, &err) < 0) {
			refusals++;
			assert_int_not_equal(err.detail[0], '\0');
		} else if (store_load(store, &read, &revision, &err) < 0) {
			refusals++;
		} else {
			assert_same(big, read);
		}
		config_unref(read);
		store_close(store);
	}
	assert_true(refusals > pages / 2);
	config_unref(big);
	config_unref(config);
}

/* The copy follows at starts, only when something changed, and never from a damaged file. */
static void test_good_copy(void **state)
{
	struct config *config = make_sample(), *empty = config_new();
	struct store *store;
	struct stat first, second;

	(void)state;
	/* Revision 0 so far: the sample came after it was loaded. */
	assert_int_equal(ask(good, "SELECT count(*) FROM forwards"), 0);
	start_and_stop();
	assert_int_equal(stat(good, &first), 0);
	assert_int_equal(first.st_mode & 07777, 0600);
	assert_int_equal(ask(good, "SELECT count(*) FROM forwards"), 2);
	assert_int_equal(ask(good, "PRAGMA user_version"), db_version(&store_scripts));
	assert_int_equal(ask(good, "PRAGMA application_id"), STORE_APPLICATION_ID);
	start_and_stop();
	assert_int_equal(stat(good, &second), 0);
	assert_int_equal(first.st_ino, second.st_ino);

	store = open_store();
	assert_int_equal(store_put_secret(store, "password", "x", &err), 0);
	store_close(store);
	start_and_stop();
	assert_int_equal(ask(good, "SELECT count(*) FROM secret"), 1);

	store = open_store();
	commit(store, config, empty);
	store_close(store);
	assert_int_equal(ask(good, "SELECT count(*) FROM forwards"), 2);
	start_and_stop();
	assert_int_equal(ask(good, "SELECT count(*) FROM forwards"), 0);

	/* A copy that is itself damaged is made anew. */
	overwrite(good, 0, 4096);
	start_and_stop();
	assert_int_equal(ask(good, "SELECT count(*) FROM secret"), 1);

	/* A file with a wrong value is none to keep. */
	sql("INSERT INTO revision VALUES (9, 0, '', '', 2, NULL, '[]');"
	    "PRAGMA ignore_check_constraints = 1; UPDATE settings SET language = 'xx'");
	store = open_store();

	struct config *read = NULL;
	uint64_t revision;

	assert_true(store_load(store, &read, &revision, &err) < 0);
	store_close(store);
	assert_int_equal(ask(good, "SELECT max(number) FROM revision"), 2);
	sql("UPDATE settings SET language = 'en'");

	/* Where it cannot be made, the daemon runs all the same. */
	unlink(good);
	assert_int_equal(mkdir(good, 0700), 0);
	start_and_stop();
	config_unref(config);
	config_unref(empty);
}

/* --- migrations --- */

static const char next_version[] = "ALTER TABLE networks ADD COLUMN colour TEXT NOT NULL DEFAULT 'green';"
				   "UPDATE networks SET colour = 'blue';";
static const char last_version[] =
	"CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT; INSERT INTO more VALUES (17);";
static const char broken_version[] =
	"CREATE TABLE half (id INTEGER PRIMARY KEY) STRICT; DELETE FROM networks;"
	"INSERT INTO nowhere VALUES (1);";

static void test_migrations(void **state)
{
	const unsigned known = db_version(&store_scripts);
	const char *migrations[16] = { 0 };
	struct scripts scripts = { store_scripts.schema, migrations };
	struct config *config = make_sample(), *read;
	struct store *store = NULL;
	char words[32];

	(void)state;
	for (unsigned i = 0; i < known - 1; i++)
		migrations[i] = store_scripts.migrations[i];
	migrations[known - 1] = next_version;
	migrations[known] = broken_version;
	/* A broken step leaves the database at the last version that was reached, whole. */
	err_clear(&err);
	assert_true(store_open_scripts(path, &scripts, &store, &err) < 0);
	snprintf(words, sizeof(words), "to version %u", known + 2);
	assert_non_null(strstr(err.detail, words));
	assert_non_null(strstr(err.detail, "nowhere"));
	assert_int_equal(ask(path, "PRAGMA user_version"), known + 1);
	assert_int_equal(ask(path, "SELECT count(*) FROM networks WHERE colour = 'blue'"), 1);
	assert_int_equal(ask(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
	/* The copy is of the time before. */
	assert_int_equal(ask(good, "PRAGMA user_version"), known);

	migrations[known] = last_version;
	err_clear(&err);
	assert_int_equal(store_open_scripts(path, &scripts, &store, &err), 0);
	read = load(store, 1);
	assert_same(config, read);
	config_unref(read);
	store_close(store);
	assert_int_equal(ask(path, "PRAGMA user_version"), known + 2);
	assert_int_equal(ask(path, "SELECT id FROM more"), 17);
	/* Once only. */
	assert_int_equal(store_open_scripts(path, &scripts, &store, &err), 0);
	store_close(store);
	assert_int_equal(ask(path, "SELECT count(*) FROM more"), 1);
	refused("made by a newer Portico");
	config_unref(config);

	/* A new database goes the same way. */
	unlink(path);
	unlink(good);
	assert_int_equal(store_open_scripts(path, &scripts, &store, &err), 0);
	store_close(store);
	assert_int_equal(ask(path, "SELECT id FROM more"), 17);
}

EMBED(version_1, "tests/unit/version-1.sql");

/* A database that the first version's daemon left: everything in it stays, and what is new is not in use. */
static void test_version_1(void **state)
{
	struct config *config, *again, *read;
	const struct forward *web, *tunnel;
	struct store *store;

	(void)state;
	*strrchr(path, '/') = '\0';
	assert_int_equal(mkdir(path, 0700), 0);
	path[strlen(path)] = '/';
	sql(version_1);
	assert_int_equal(ask(path, "PRAGMA user_version"), 1);
	err_clear(&err);
	assert_int_equal(store_check(path, &err), 0);
	assert_int_equal(ask(path, "PRAGMA user_version"), 1);
	store = open_store();
	config = load(store, 8);
	assert_int_equal(ask(good, "PRAGMA user_version"), 1); /* to go back to */
	web = (const struct forward *)config_find(config, KIND_FORWARD, 1);
	tunnel = (const struct forward *)config_find(config, KIND_FORWARD, 2);
	assert_string_equal(web->object.name, "web");
	assert_int_equal(web->expires_at, 4105080000);
	assert_int_equal(web->external_ports.count, 2);
	assert_int_equal(web->protocols.count, 2);
	assert_string_equal(web->comment, "a \"note\"");
	assert_int_equal(tunnel->sources.count, 1);
	for (unsigned id = 1; id <= 2; id++) {
		const struct forward *forward = (const struct forward *)config_find(config, KIND_FORWARD, id);

		assert_int_equal(forward->suffix_bits, 0);
		assert_null(forward->internal_network);
		assert_int_equal(forward->schedule.count, 0);
		assert_false(forward->pinhole);
		assert_false(forward->log);
	}
	assert_int_equal(config->lists[KIND_POLICY].count, 0);
	assert_int_equal(config_settings(config)->last_resort, LAST_RESORT_MAIN);
	/* A number that marks have no room for any more; names still lead to the uplink. */
	assert_int_equal(config_find_name(config, KIND_UPLINK, "isp3")->id, 2);
	assert_int_equal(config_find_name(config, KIND_UPLINK, "isp2")->id, 3);
	assert_int_equal(((const struct uplink *)config_find(config, KIND_UPLINK, 3))->tier, 127);
	for (unsigned i = 0; i < config->lists[KIND_UPLINK].count; i++) {
		const struct uplink *uplink = (const struct uplink *)config->lists[KIND_UPLINK].items[i];

		assert_false(uplink->out_of_service);
		assert_int_equal(uplink->sticky_timeout_s, 600);
		assert_int_equal(uplink->source_nat6, SOURCE_NAT6_NONE);
		if (uplink->health)
			assert_int_equal(uplink->health->window, 20);
	}
	assert_string_equal(((const struct source_nat *)config_find(config, KIND_SOURCE_NAT, 1))->uplink,
			    "isp2");

	/* What comes back from the first version can be written with what is new. */
	again = parse(sample);
	commit(store, config, again);
	store_close(store);
	store = open_store();
	read = load(store, 9);
	assert_same(again, read);
	/* The new version has come to stay. */
	assert_int_equal(ask(good, "PRAGMA user_version"), db_version(&store_scripts));
	store_close(store);
	config_unref(config);
	config_unref(again);
	config_unref(read);
}

/* --- the world outside --- */

/* Runs in a process of its own, as an ordinary user where we are root; 0 when it went well. */
static int as_user(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(77);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_unreadable(void)
{
	struct store *store = NULL;

	err_clear(&err);
	if (store_open(path, &store, &err) == 0)
		return 1;
	return strstr(err.detail, "Permission denied") ? 0 : 2;
}

/* Opens, writes, reads; as the owner of the directory who is not root. */
static int open_as_owner(void)
{
	struct config *empty = config_new(), *config = parse(sample);
	struct store *store = open_store();

	commit(store, empty, config);
	store_close(store);
	start_and_stop();
	config_unref(empty);
	config_unref(config);
	return access(good, R_OK) == 0 ? 0 : 1;
}

static void test_permissions(void **state)
{
	char folder[128];

	(void)state;
	assert_int_equal(chmod(directory, 0755), 0);
	snprintf(folder, sizeof(folder), "%s/etc", directory);
	assert_int_equal(mkdir(folder, 0700), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(folder, 65534, 65534), 0);
	assert_int_equal(as_user(open_as_owner), 0);
	assert_int_equal(chmod(folder, 0000), 0);
	assert_int_equal(as_user(open_unreadable), 0);
	assert_int_equal(chmod(folder, 0700), 0);
}

static int open_second(void)
{
	struct store *store = NULL;

	err_clear(&err);
	if (store_open(path, &store, &err) == 0)
		return 1;
	if (!strstr(err.detail, "in use, probably by another porticod"))
		return 2;
	err_clear(&err);
	return store_check(path, &err) < 0 && strstr(err.detail, "in use") ? 0 : 3;
}

/* Locks are a process's: the second one must be another process. */
static void test_one_owner(void **state)
{
	struct store *store = open_store();
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(open_second());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	store_close(store);
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void test_ten_thousand(void **state)
{
	struct config *empty = config_new(), *big = many_forwards(10000), *read, *next;
	struct store *store = open_store();
	struct object *object;
	double t = now_ms();
	json_t *json;

	(void)state;
	commit(store, empty, big);
	print_message("10,000 forwards: commit %.1f ms", now_ms() - t);
	store_close(store);
	t = now_ms();
	store = open_store();
	print_message(", open with check and copy %.1f ms", now_ms() - t);
	store_close(store);
	t = now_ms();
	store = open_store();
	print_message(", open again %.1f ms", now_ms() - t);
	t = now_ms();
	read = load(store, 1);
	print_message(", load %.1f ms", now_ms() - t);
	assert_same(big, read);
	next = config_copy(read);
	json = object_to_json(config_find(next, KIND_FORWARD, 5000));
	json_object_set_new(json, "comment", json_string("changed"));
	assert_int_equal(object_from_json(KIND_FORWARD, json, "", true, &object, &err), 0);
	json_decref(json);
	assert_int_equal(config_put(next, object, &err), 0);
	t = now_ms();
	commit(store, read, next);
	print_message(", commit of one %.1f ms\n", now_ms() - t);
	store_close(store);
	config_unref(next);
	config_unref(read);
	config_unref(big);
	config_unref(empty);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_new),        STORE_TEST(test_connection),   STORE_TEST(test_columns),
		STORE_TEST(test_round_trip), STORE_TEST(test_changes),      STORE_TEST(test_undo),
		STORE_TEST(test_killed),     STORE_TEST(test_history),      STORE_TEST(test_secrets),
		STORE_TEST(test_tokens),     STORE_TEST(test_wrong_rows),   STORE_TEST(test_strange_files),
		STORE_TEST(test_damaged),    STORE_TEST(test_any_page),     STORE_TEST(test_good_copy),
		STORE_TEST(test_migrations), STORE_TEST(test_version_1),    STORE_TEST(test_permissions),
		STORE_TEST(test_one_owner),  STORE_TEST(test_ten_thousand), STORE_TEST(test_killed_unsettled),
		STORE_TEST(test_settled),    STORE_TEST(test_taken_over),   STORE_TEST(test_cost),
	};

	faulty_disk_init(false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
