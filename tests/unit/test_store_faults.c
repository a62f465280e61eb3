/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that the store does, with every single operation of the disk failing in every way, and with the power gone
 * amid every one. What was said to be done is there; what was refused is not; nothing is there by half; and it goes on.
 *
 * Where there are very many operations, and all alike, only some fail; PORTICO_FAULTS_ALL=1 lets all of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/embed.h"
#include "faulty_disk.h"
#include "scratch.h"
#include "store/db.h"
#include "store_fixture.h"

enum { DUMP_MAX = 4 << 20 };

static struct err err;
static char directory[32], path[48], good[64];

/* The store, and its newest configuration once that was loaded. */
static struct store *store;
static struct config *config;

/* --- opening and looking --- */

static int open_it(void)
{
	uint64_t revision;
	int r;

	err_clear(&err);
	r = store_open(path, &store, &err);
	if (r == 0 && store_failure(store)) /* it forwards, but the next start is the first that can write */
		r = err_set(&err, ERR_UNAVAILABLE, "%s", store_failure(store));
	if (r == 0)
		r = store_load(store, &config, &revision, &err);
	return r;
}

static void close_it(void)
{
	store_close(store);
	config_unref(config);
	store = NULL;
	config = NULL;
}

static void open_well(void)
{
	if (open_it() < 0)
		fail_msg("%s", err.detail);
}

/* To look at alone: no configuration is read, and no copy made. */
static void open_to_look(void)
{
	err_clear(&err);
	if (store_open(path, &store, &err) < 0)
		fail_msg("%s", err.detail);
}

static void dump_rows(sqlite3 *db, const char *table, struct buf *text)
{
	sqlite3_stmt *row;
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT * FROM \"%s\" ORDER BY 1", table);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
	while (sqlite3_step(row) == SQLITE_ROW) {
		buf_printf(text, "%s", table);
		for (int i = 0; i < sqlite3_column_count(row); i++) {
			const char *value = (const char *)sqlite3_column_text(row, i);

			buf_printf(text, "|%s", value ? value : "NULL");
		}
		buf_puts(text, "\n");
	}
	sqlite3_finalize(row);
}

/* All that the database holds, as text to be freed. */
static char *dump(void)
{
	sqlite3_stmt *table;
	struct buf text;
	char *copy;

	buf_init(&text, DUMP_MAX);
	assert_int_equal(sqlite3_prepare_v2(store->db,
					    "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1",
					    -1, &table, NULL),
			 SQLITE_OK);
	while (sqlite3_step(table) == SQLITE_ROW)
		dump_rows(store->db, (const char *)sqlite3_column_text(table, 0), &text);
	sqlite3_finalize(table);
	copy = strdup(buf_text(&text));
	buf_done(&text);
	return copy;
}

static void is_sound(sqlite3 *db)
{
	sqlite3_stmt *row;

	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &row, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(row, 0), "ok");
	sqlite3_finalize(row);
}

/* What store and history remember of themselves is what the file says. */
static void remembers_well(void)
{
	uint64_t confirmed = 0;
	bool trial = store_trial(store, &confirmed);
	int64_t value;

	assert_int_equal(db_integer(store->db, "SELECT coalesce(max(number), 0) FROM revision", &value),
			 SQLITE_OK);
	assert_int_equal(value, store->revision);
	assert_int_equal(db_integer(store->db, "SELECT coalesce(max(confirmed), -1) FROM trial", &value),
			 SQLITE_OK);
	assert_int_equal(value, trial ? (int64_t)confirmed : -1);
}

/* --- what is done --- */

/* Takes over the reference. */
static int commit_trial(struct config *next, enum commit_trial trial)
{
	const struct commit commit = {
		.author = "admin", .reason = "a test", .at = 1234, .history_length = 3, .trial = trial
	};
	struct changes changes;
	uint64_t revision;
	int r;

	assert_int_equal(config_diff(config, next, &changes), 0);
	r = store_begin(store, &changes, &commit, &revision, &err);
	if (r == 0)
		r = store_finish(store, &err);
	changes_done(&changes);
	if (r < 0) {
		config_unref(next);
		return r;
	}
	config_unref(config);
	config = next;
	return 0;
}

static int do_commit(void)
{
	return commit_trial(forwards(3, "small"), COMMIT_AS_IT_IS);
}

/* More than the cache holds: much is in the log before the end. */
static int do_big_commit(void)
{
	return commit_trial(forwards(400, "a comment that takes its room, so that four hundred are many"),
			    COMMIT_AS_IT_IS);
}

static int go_back_to(uint64_t number, enum commit_trial trial)
{
	struct config *former;
	int r = store_former(store, config, number, &former, &err);

	return r < 0 ? r : commit_trial(former, trial);
}

static int do_restore(void)
{
	return go_back_to(1, COMMIT_AS_IT_IS);
}

static int do_begin_trial(void)
{
	return commit_trial(forwards(4, "on trial"), COMMIT_ON_TRIAL);
}

static int do_confirm(void)
{
	return store_confirm(store, "admin", 1234, &err);
}

static int do_return(void)
{
	return go_back_to(2, COMMIT_ENDS_TRIAL);
}

static int do_password(void)
{
	return store_put_secret(store, "password", "another hash", &err);
}

static int do_add_token(void)
{
	const struct token token = { .id = 2,
				     .name = "second",
				     .hash = "0123456789abcdef0123456789abcdef"
					     "0123456789abcdef0123456789abcdef" };

	return store_add_token(store, &token, &err);
}

static int do_remove_token(void)
{
	return store_remove_token(store, 1, &err);
}

static int do_sysctls(void)
{
	static const struct store_sysctl sysctls[] = { { "net/ipv4/ip_forward", 0 } };
	int r = store_keep_sysctls(store, "here", sysctls, 1);

	/* It tells no reason; nobody asked for it. */
	if (r < 0)
		err_set(&err, ERR_UNAVAILABLE, "disk");
	return r;
}

/* It fails without a word to anybody but the log: what it does not move now, it moves later. */
static int do_settle(void)
{
	store_settle(store);
	return 0;
}

/* --- what was there before --- */

static void with_history(void)
{
	const struct token token = { .id = 1,
				     .name = "first",
				     .hash = "abcdef0123456789abcdef0123456789"
					     "abcdef0123456789abcdef0123456789" };

	open_well();
	assert_int_equal(commit_trial(forwards(2, "first"), COMMIT_AS_IT_IS), 0);
	assert_int_equal(commit_trial(forwards(20, "second"), COMMIT_AS_IT_IS), 0);
	assert_int_equal(store_put_secret(store, "password", "a hash", &err), 0);
	assert_int_equal(store_add_token(store, &token, &err), 0);
	close_it();
}

static void with_trial(void)
{
	with_history();
	open_well();
	assert_int_equal(do_begin_trial(), 0);
	close_it();
}

static void nothing(void)
{
}

EMBED(version_1, "tests/unit/version-1.sql");
EMBED(version_4, "tests/unit/version-4.sql");

static void run_script(const char *script)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, script, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void of_version_1(void)
{
	run_script(version_1);
}

static void of_version_4(void)
{
	run_script(version_4);
}

/* What is done in the open store; `open` NULL: opening it is what is done, with the good copy and all. */
struct action {
	const char *name;
	void (*prepare)(void);
	int (*act)(void);
	bool unsettled;  /* something stands in the log before */
	unsigned stride; /* only each so many-th operation fails */
};

static const struct action actions[] = {
	{ "a commit", with_history, do_commit, false, 1 },
	{ "a second commit", with_history, do_commit, true, 1 },
	{ "a big commit", with_history, do_big_commit, true, 29 },
	{ "a restore", with_history, do_restore, false, 3 },
	{ "the beginning of a trial", with_history, do_begin_trial, true, 3 },
	{ "a confirmation", with_trial, do_confirm, false, 1 },
	{ "the return from a trial", with_trial, do_return, false, 3 },
	{ "a password", with_history, do_password, true, 1 },
	{ "a new token", with_history, do_add_token, false, 1 },
	{ "the end of a token", with_history, do_remove_token, false, 1 },
	{ "sysctls", with_history, do_sysctls, true, 1 },
	{ "the move from the log into the file", with_history, do_settle, true, 1 },
	{ "a start", with_history, NULL, false, 3 },
	{ "the first start", nothing, NULL, false, 7 },
	{ "a start with version 1", of_version_1, NULL, false, 11 },
	{ "a start with version 4", of_version_4, NULL, false, 5 },
};

enum { ACTION_COUNT = sizeof(actions) / sizeof(actions[0]) };

/* --- one case after another --- */

static struct {
	const struct action *action;
	struct {
		char name[64];
		size_t size;
		char *data; /* NULL: not there */
	} files[2];
	char *before, *after; /* what the database holds */
} world;

static unsigned cases;
static bool every; /* without strides */

static void keep_file(unsigned i, const char *name)
{
	FILE *file = fopen(name, "rb");

	snprintf(world.files[i].name, sizeof(world.files[i].name), "%s", name);
	world.files[i].data = NULL;
	if (!file)
		return;
	world.files[i].data = malloc(1 << 20);
	world.files[i].size = fread(world.files[i].data, 1, 1 << 20, file);
	fclose(file);
}

/* As it was when the action was to begin. */
static void rewind_world(void)
{
	char name[80];

	faulty_disk_set(FAULT_NONE, 0, false);
	faulty_disk_forget();
	for (unsigned i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "%s%s", path, i ? "-journal" : "-wal");
		remove(name);
		remove(world.files[i].name);
		if (!world.files[i].data)
			continue;
		FILE *file = fopen(world.files[i].name, "wb");

		assert_int_equal(fwrite(world.files[i].data, 1, world.files[i].size, file),
				 world.files[i].size);
		fclose(file);
	}
	if (!world.action->act)
		return;
	open_well();
	store_settle(store);
	if (world.action->unsettled)
		assert_int_equal(store_keep_sysctls(store, "elsewhere", NULL, 0), 0);
	if (world.action->unsettled)
		sqlite3_exec(store->db, "UPDATE token SET made_at = made_at + 1", NULL, NULL, NULL);
}

static int act(void)
{
	err_clear(&err);
	if (world.action->act)
		return world.action->act();
	return open_it();
}

static void begin_world(const struct action *action)
{
	world.action = action;
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/portico.db", directory);
	snprintf(good, sizeof(good), "%s.good", path);
	action->prepare();
	if (action->act) { /* with a good copy that need not be made again */
		open_well();
		close_it();
	}
	keep_file(0, path);
	keep_file(1, good);
	rewind_world();
	world.before = action->act ? dump() : NULL;
	assert_int_equal(act(), 0);
	world.after = dump();
	close_it();
}

static void end_world(void)
{
	for (unsigned i = 0; i < 2; i++)
		free(world.files[i].data);
	free(world.before);
	free(world.after);
	scratch_remove(directory);
	faulty_disk_forget();
	memset(&world, 0, sizeof(world));
}

static bool holds(const char *wanted)
{
	char *found = dump();
	bool same = wanted && strcmp(found, wanted) == 0;

	free(found);
	return same;
}

/* --- faults --- */

static const struct {
	const char *name;
	enum fault fault;
	const char *words; /* one of which the user is told */
} faults[] = {
	{ "reading fails", FAULT_READ, "Input/output error" },
	{ "writing fails", FAULT_WRITE, "Input/output error" },
	{ "short writes", FAULT_SHORT_WRITE, " space" },
	{ "the disk is full", FAULT_FULL, " space" },
	{ "it is full, and says so late", FAULT_FULL_LATE, " space" },
	{ "syncing fails", FAULT_SYNC, "Input/output error" },
	{ "log or journal cannot be made", FAULT_OPEN, "Too many open files" },
	{ "read-only", FAULT_READ_ONLY, "read-only" },
};

enum { FAULT_KINDS = sizeof(faults) / sizeof(faults[0]) };

#define CASE_FORMAT "%s: %s from operation %u on (%s)"

/* In one and the same process: refused in words, nothing changed, and it goes on when the disk is well again. */
static bool survives(unsigned fault, unsigned n, bool lasting)
{
	const char *why = lasting ? "for good" : "once";
	bool met, refused;

	rewind_world();
	faulty_disk_set(faults[fault].fault, n, lasting);
	refused = act() < 0;
	met = faulty_disk.met;
	if (refused && !met)
		fail_msg(CASE_FORMAT ": refused without a fault: %s", world.action->name, faults[fault].name,
			 n, why, err.detail);
	if (refused && world.action->act != do_sysctls &&
	    (err.kind != ERR_UNAVAILABLE ||
	     (!strstr(err.detail, faults[fault].words) &&
	      !strstr(err.detail, "damaged (*** in database main")))) /* what cannot be read */
		fail_msg(CASE_FORMAT ": \"%s\"", world.action->name, faults[fault].name, n, why, err.detail);
	/* Reading goes on meanwhile, unless that is what fails. */
	if (faults[fault].fault == FAULT_READ)
		faulty_disk_set(FAULT_NONE, 0, false);
	if (store && world.action->act) {
		if (!holds(refused ? world.before : world.after))
			fail_msg(CASE_FORMAT ": %s, but it holds something else", world.action->name,
				 faults[fault].name, n, why, refused ? "refused" : "done");
		remembers_well();
	}
	faulty_disk_set(FAULT_NONE, 0, false);
	/* Half of the refusals are the last words of the process. */
	if (refused && world.action->act && (n + lasting) % 2) {
		faulty_disk_power_off();
		close_it();
		faulty_disk_power_on(LEFT_ALL, 0);
		open_well();
		if (!holds(world.before))
			fail_msg(CASE_FORMAT ": refused, but there for the next process", world.action->name,
				 faults[fault].name, n, why);
	} else if (!world.action->act && refused) {
		close_it();
	}
	if (refused && act() < 0)
		fail_msg(CASE_FORMAT ": does not go on: %s", world.action->name, faults[fault].name, n, why,
			 err.detail);
	if (!holds(world.after))
		fail_msg(CASE_FORMAT ": is not what it should be", world.action->name, faults[fault].name, n,
			 why);
	close_it();
	open_to_look();
	is_sound(store->db);
	if (!holds(world.after))
		fail_msg(CASE_FORMAT ": is not there for the next process", world.action->name,
			 faults[fault].name, n, why);
	close_it();
	cases++;
	return met;
}

static void every_operation_fails(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ACTION_COUNT; i++) {
		begin_world(&actions[i]);
		cases = 0;
		for (unsigned fault = 0; fault < FAULT_KINDS; fault++)
			for (unsigned lasting = 0; lasting < 2; lasting++)
				for (unsigned n = 0; survives(fault, n, lasting);
				     n += every ? 1 : actions[i].stride)
					;
		print_message("%s: %u cases\n", actions[i].name, cases);
		end_world();
	}
}

/* --- the power --- */

enum { DICE_PER_CUT = 2 };

/* The power goes amid the n-th operation. False if there are not so many: then it goes when all is done. */
static bool survives_cut(unsigned n, enum left left, uint64_t seed)
{
	bool cut, done, is_before, is_after;

	cases++;
	rewind_world();
	faulty_disk_set(FAULT_POWER, n, true);
	done = act() == 0;
	cut = faulty_disk.met;
	if (done && !cut) /* before anything else is done, such as closing it */
		faulty_disk_power_off();
	close_it();
	faulty_disk_power_on(left, seed);
	open_to_look();
	is_sound(store->db);
	is_after = holds(world.after);
	is_before = world.action->act ? holds(world.before) : is_after;
	if (done ? !is_after : !is_before && !is_after)
		fail_msg("%s: the power gone at operation %u (files left %d, seed %u): %s",
			 world.action->name, n, left, (unsigned)seed,
			 done ? "what was done is not there" : "something else is there");
	close_it();
	if (is_after && n % 4)
		return cut;
	open_well();
	if (!is_after && act() < 0)
		fail_msg("%s: does not go on: %s", world.action->name, err.detail);
	assert_true(holds(world.after));
	close_it();
	return cut;
}

static void the_power_goes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ACTION_COUNT; i++) {
		bool more = true;

		begin_world(&actions[i]);
		cases = 0;
		for (unsigned n = 0; more; n += every ? 1 : actions[i].stride) {
			more = survives_cut(n, LEFT_ALL, 0);
			survives_cut(n, LEFT_SYNCED, 0);
			for (unsigned roll = 0; roll < DICE_PER_CUT; roll++)
				survives_cut(n, LEFT_RANDOM, n * DICE_PER_CUT + roll);
		}
		print_message("%s: %u cases\n", actions[i].name, cases);
		end_world();
	}
}

/* Memory is not what this is about, and the sanitizer takes half of the time for it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "malloc_context_size=1:quarantine_size_mb=1";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_fails),
		cmocka_unit_test(the_power_goes),
	};

	every = getenv("PORTICO_FAULTS_ALL");
	faulty_disk_init(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
