/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the database remembers of former configurations. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/embed.h"
#include "scratch.h"
#include "store/db.h"
#include "store_fixture.h"

static struct err err;
static char directory[32], path[128];

/* --- scaffolding --- */

static int setup(void **state)
{
	(void)state;
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/portico.db", directory);
	err_clear(&err);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove(directory);
	return 0;
}

/* The store and its newest configuration. */
struct fixture {
	struct store *store;
	struct config *config;
	uint64_t revision;
};

static void start(struct fixture *f)
{
	err_clear(&err);
	if (store_open(path, &f->store, &err) < 0 || store_load(f->store, &f->config, &f->revision, &err) < 0)
		fail_msg("%s", err.detail);
}

static void stop(struct fixture *f)
{
	store_close(f->store);
	config_unref(f->config);
}

static void sql(const char *text)
{
	char *message = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", text, message);
	sqlite3_close(db);
}

static int64_t ask(struct fixture *f, const char *text)
{
	int64_t value = -1;

	assert_int_equal(db_integer(f->store->db, text, &value), SQLITE_OK);
	return value;
}

static int begin(struct fixture *f, const struct config *next, struct commit commit)
{
	struct changes changes;
	int r;

	assert_int_equal(config_diff(f->config, next, &changes), 0);
	err_clear(&err);
	r = store_begin(f->store, &changes, &commit, &f->revision, &err);
	changes_done(&changes);
	return r;
}

static const struct commit plain = {
	.author = "admin", .reason = "a test", .at = 1234, .history_length = 200
};

/* Takes over the reference. */
static void commit_with(struct fixture *f, struct config *next, struct commit commit)
{
	if (begin(f, next, commit) < 0 || store_finish(f->store, &err) < 0)
		fail_msg("%s", err.detail);
	config_unref(f->config);
	f->config = next;
}

static void commit(struct fixture *f, struct config *next)
{
	commit_with(f, next, plain);
}

/* Whether a revision can be had; `count` is then how many forwards it has. */
static bool has_former(struct fixture *f, uint64_t number, unsigned count)
{
	struct config *former = NULL;

	err_clear(&err);
	if (store_former(f->store, f->config, number, &former, &err) < 0)
		return false;
	assert_int_equal(former->lists[KIND_FORWARD].count, count);
	config_unref(former);
	return true;
}

/* Numbers of the revisions that are listed, as "3 2 1". */
static const char *listed(struct fixture *f, uint64_t before, unsigned limit)
{
	static char text[256];
	json_t *items, *item;
	size_t i;

	assert_int_equal(store_list_revisions(f->store, before, limit, &items, &err), 0);
	text[0] = '\0';
	json_array_foreach(items, i, item)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d", i ? " " : "",
			 (int)json_integer_value(json_object_get(item, "number")));
	json_decref(items);
	return text;
}

/* --- revisions --- */

static void test_list(void **state)
{
	json_t *items, *item, *revision;
	struct fixture f;

	(void)state;
	start(&f);
	assert_string_equal(listed(&f, INT64_MAX, 10), "");
	commit(&f, forwards(1, "a"));
	commit(&f, forwards(20, "b"));
	commit(&f, forwards(0, ""));
	assert_string_equal(listed(&f, INT64_MAX, 10), "3 2 1");
	assert_string_equal(listed(&f, 3, 1), "2");
	assert_string_equal(listed(&f, 1, 10), "");

	assert_int_equal(store_list_revisions(f.store, 3, 1, &items, &err), 0);
	item = json_array_get(items, 0);
	assert_string_equal(json_string_value(json_object_get(item, "author")), "admin");
	assert_string_equal(json_string_value(json_object_get(item, "reason")), "a test");
	assert_string_equal(json_string_value(json_object_get(item, "at")), "1970-01-01T00:20:34Z");
	assert_int_equal(json_array_size(json_object_get(item, "changes")), SUMMARY_CHANGES_MAX);
	assert_int_equal(json_integer_value(json_object_get(item, "more")), 20 - SUMMARY_CHANGES_MAX);
	json_decref(items);

	assert_int_equal(store_get_revision(f.store, 2, &revision, &err), 0);
	assert_int_equal(json_array_size(json_object_get(revision, "changes")), 20);
	json_decref(revision);
	assert_true(store_get_revision(f.store, 4, &revision, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(err.detail, "the newest is 3"));
	stop(&f);
}

static void test_former(void **state)
{
	struct config *stages[4] = { config_new(), forwards(1, "a"), forwards(20, "b"), forwards(3, "c") };
	struct fixture f;

	(void)state;
	start(&f);
	for (unsigned i = 1; i < 4; i++)
		commit(&f, config_ref(stages[i]));
	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned i = 0; i < 4; i++) {
			struct config *former;

			assert_int_equal(store_former(f.store, f.config, i, &former, &err), 0);
			assert_same(former, stages[i]);
			config_unref(former);
		}
		stop(&f);
		start(&f);
	}
	assert_false(has_former(&f, 4, 0));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	stop(&f);
	for (unsigned i = 0; i < 4; i++)
		config_unref(stages[i]);
}

static void test_pruned_by_number(void **state)
{
	struct commit few = plain;
	struct fixture f;

	(void)state;
	few.history_length = 10;
	start(&f);
	for (unsigned i = 1; i <= 25; i++)
		commit_with(&f, forwards(i, "x"), few);
	assert_string_equal(listed(&f, INT64_MAX, 100), "25 24 23 22 21 20 19 18 17 16");
	assert_true(has_former(&f, 16, 16));
	/* The changes of 16 could be undone, but of 15 there is nothing to tell any more. */
	assert_false(has_former(&f, 15, 15));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_false(has_former(&f, 0, 0));
	stop(&f);
}

/* Long revisions take the place of many; what an undone commit deleted is there again. */
static void test_pruned_by_size(void **state)
{
	static char comment[COMMENT_MAX_BYTES + 1];
	const char *before;
	struct config *next;
	struct fixture f;

	(void)state;
	memset(comment, 'x', COMMENT_MAX_BYTES);
	start(&f);
	for (unsigned i = 1; i <= 5; i++)
		commit(&f, forwards(i % 2 ? 1700 : 0, comment)); /* some 1.6 MB each */
	assert_string_equal(listed(&f, INT64_MAX, 100), "5 4 3 2 1");
	next = forwards(0, "");
	before = strdup(listed(&f, INT64_MAX, 100));
	assert_int_equal(begin(&f, next, plain), 0);
	store_undo(f.store);
	assert_string_equal(listed(&f, INT64_MAX, 100), before);
	commit(&f, next);
	assert_string_equal(listed(&f, INT64_MAX, 100), "6 5 4 3 2");
	free((char *)before);

	/* The newest stays, however long it is. */
	commit(&f, forwards(12000, comment));
	assert_string_equal(listed(&f, INT64_MAX, 100), "7");
	assert_true(has_former(&f, 7, 12000));
	assert_false(has_former(&f, 6, 0));
	stop(&f);
	start(&f);
	commit(&f, forwards(11999, comment));
	assert_string_equal(listed(&f, INT64_MAX, 100), "8");
	stop(&f);
}

static void test_damaged(void **state)
{
	static const char *const damages[] = { "not json ]", "[1]",
					       "[{\"kind\": \"x\", \"id\": 1, \"before\": null}]" };
	char text[256];
	struct fixture f;

	(void)state;
	start(&f);
	commit(&f, forwards(1, "a"));
	commit(&f, forwards(2, "a"));
	stop(&f);
	for (unsigned i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		json_t *json;

		snprintf(
			text, sizeof(text),
			"PRAGMA ignore_check_constraints = 1; UPDATE revision SET changes = '%s', summary = '%s'"
			" WHERE number = 2",
			damages[i], damages[i]);
		sql(text);
		start(&f);
		assert_false(has_former(&f, 1, 1));
		assert_non_null(strstr(err.detail, "is damaged"));
		assert_true(has_former(&f, 2, 2));
		err_clear(&err);
		if (i == 0) {
			assert_true(store_list_revisions(f.store, 10, 10, &json, &err) < 0);
			assert_true(store_get_revision(f.store, 2, &json, &err) < 0);
			assert_non_null(strstr(err.detail, "row 2"));
		}
		stop(&f);
	}
	/* A gap is the end of what can be told. */
	sql("DELETE FROM revision WHERE number = 1; UPDATE revision SET changes = '[]' WHERE number = 2");
	start(&f);
	assert_false(has_former(&f, 1, 1));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	stop(&f);
}

/* --- trials, and a disk that fails --- */

static struct commit on_trial(enum commit_trial trial)
{
	struct commit commit_info = plain;

	commit_info.trial = trial;
	return commit_info;
}

static bool trial_of(struct fixture *f, uint64_t confirmed)
{
	uint64_t found = 0;

	return store_trial(f->store, &found) && found == confirmed;
}

/* Who kept a revision, and when, which the list must tell as well; "" if nobody did. */
static const char *confirmation(struct fixture *f, uint64_t number)
{
	static char text[64];
	json_t *items, *one, *json;

	assert_int_equal(store_get_revision(f->store, number, &one, &err), 0);
	assert_int_equal(store_list_revisions(f->store, number + 1, 1, &items, &err), 0);
	json = json_object_get(one, "confirmation");
	assert_true(json_equal(json, json_object_get(json_array_get(items, 0), "confirmation")));
	text[0] = '\0';
	if (!json_is_null(json))
		snprintf(text, sizeof(text), "%s %s", json_string_value(json_object_get(json, "author")),
			 json_string_value(json_object_get(json, "at")));
	json_decref(items);
	json_decref(one);
	return text;
}

static void test_trial(void **state)
{
	struct commit few = on_trial(COMMIT_AS_IT_IS);
	uint64_t ignored;
	struct fixture f;

	(void)state;
	start(&f);
	commit(&f, forwards(1, "confirmed"));
	commit_with(&f, forwards(2, "a"), on_trial(COMMIT_ON_TRIAL));
	assert_true(trial_of(&f, 1));
	commit_with(&f, forwards(3, "b"), on_trial(COMMIT_ON_TRIAL));
	assert_true(trial_of(&f, 1));
	/* A commit that is undone changes nothing about it. */
	assert_int_equal(begin(&f, f.config, on_trial(COMMIT_ENDS_TRIAL)), 0);
	store_undo(f.store);
	assert_true(trial_of(&f, 1));
	stop(&f);
	start(&f);
	assert_true(trial_of(&f, 1));
	/* What the way back leads through stays. */
	few.history_length = 10;
	for (unsigned i = 0; i < 20; i++)
		commit_with(&f, forwards(4 + i, "c"), few);
	assert_true(has_former(&f, 1, 1));
	assert_string_equal(confirmation(&f, 22), "");
	assert_int_equal(store_confirm(f.store, "somebody", 1234, &err), 0);
	assert_string_equal(confirmation(&f, 22), "somebody 1970-01-01T00:20:34Z");
	assert_false(store_trial(f.store, &ignored));
	commit_with(&f, forwards(1, "d"), few);
	assert_false(has_former(&f, 1, 1));
	stop(&f);
	start(&f);
	assert_false(store_trial(f.store, &ignored));
	commit_with(&f, forwards(2, "e"), on_trial(COMMIT_ON_TRIAL));
	commit_with(&f, forwards(1, "d"), on_trial(COMMIT_ENDS_TRIAL));
	/* All of a trial is confirmed at once, and nothing else; what nobody confirmed does not say so. */
	commit_with(&f, forwards(2, "f"), on_trial(COMMIT_ON_TRIAL));
	commit(&f, forwards(3, "g"));
	assert_int_equal(store_confirm(f.store, "token x", 1235, &err), 0);
	stop(&f);
	start(&f);
	assert_string_equal(confirmation(&f, 26), "");
	assert_string_equal(confirmation(&f, 27), "token x 1970-01-01T00:20:35Z");
	assert_string_equal(confirmation(&f, 28), "token x 1970-01-01T00:20:35Z");
	/* It goes with the revision. */
	for (unsigned i = 0; i < 10; i++)
		commit_with(&f, forwards(i, "h"), few);
	assert_int_equal(ask(&f, "SELECT count(*) FROM confirmation"), 0);
	stop(&f);
	start(&f);
	assert_false(store_trial(f.store, &ignored));
	stop(&f);
}

EMBED(version_1, "tests/unit/version-1.sql");

/* Revisions that an earlier version wrote have no summary. */
static void test_version_1(void **state)
{
	json_t *items, *item;
	struct fixture f;

	(void)state;
	sql(version_1);
	start(&f);
	assert_int_equal(f.revision, 8);
	assert_string_equal(listed(&f, INT64_MAX, 100), "8 7");
	assert_int_equal(store_list_revisions(f.store, INT64_MAX, 1, &items, &err), 0);
	item = json_array_get(json_object_get(json_array_get(items, 0), "changes"), 0);
	assert_string_equal(json_string_value(json_object_get(item, "kind")), "settings");
	assert_string_equal(json_string_value(json_object_get(item, "what")), "changed");
	json_decref(items);
	assert_true(has_former(&f, 7, 2));
	stop(&f);
}

static const char old_uplink[] =
	"INSERT INTO revision VALUES (9, 1, 'root', '', '[{\"kind\":\"uplink\",\"id\":2,\"name\":\"old\","
	"\"before\":{\"id\":2,\"name\":\"old\",\"enabled\":true,\"device\":\"eth1\",\"gateway\":\"auto\","
	"\"source_nat\":\"masquerade\",\"weight\":1,\"tier\":1,\"sticky\":false,\"health\":null},\"after\":null}]');";
static const char big_number[] =
	"INSERT INTO revision VALUES (10, 1, 'root', '', '[{\"kind\":\"uplink\",\"id\":100,\"name\":\"isp3\","
	"\"before\":null,\"after\":{\"id\":100,\"name\":\"isp3\"}}]');";

/* Uplinks with numbers beyond 63 were given others: what came back by its number must not take another's place. */
static void test_renumbered(void **state)
{
	struct config *former;
	struct fixture f;

	(void)state;
	sql(version_1);
	sql(old_uplink);
	start(&f);
	assert_int_equal(store_former(f.store, f.config, 8, &former, &err), 0);
	assert_int_equal(former->lists[KIND_UPLINK].count, 4);
	assert_int_equal(config_find_name(former, KIND_UPLINK, "old")->id, 2);
	assert_non_null(config_find_name(former, KIND_UPLINK, "isp2"));
	assert_non_null(config_find_name(former, KIND_UPLINK, "isp3"));
	config_unref(former);
	stop(&f);

	/* Whose number is not known any more cannot be undone: refused, and not done half. */
	unlink(path);
	sql(version_1);
	sql(old_uplink);
	sql(big_number);
	start(&f);
	assert_true(has_former(&f, 10, 2));
	assert_false(has_former(&f, 9, 0));
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(
		strstr(err.detail, "revision 10 changed an uplink that an upgrade gave another number"));
	assert_false(has_former(&f, 7, 0));
	commit(&f, forwards(1, "and on"));
	assert_true(has_former(&f, 10, 2));
	stop(&f);
}

EMBED(version_4, "tests/unit/version-4.sql");

/* Killed amid a trial, then upgraded: the trial is still one, and of the one before nobody knows who confirmed it. */
static void test_version_4(void **state)
{
	struct fixture f;

	(void)state;
	sql(version_4);
	start(&f);
	assert_int_equal(f.revision, 4);
	assert_true(trial_of(&f, 2));
	assert_string_equal(confirmation(&f, 2), "");
	assert_true(has_former(&f, 2, 1));
	assert_int_equal(store_confirm(f.store, "somebody", 1234, &err), 0);
	assert_string_equal(confirmation(&f, 2), "");
	assert_string_equal(confirmation(&f, 3), "somebody 1970-01-01T00:20:34Z");
	assert_string_equal(confirmation(&f, 4), "somebody 1970-01-01T00:20:34Z");
	assert_int_equal(ask(&f, "SELECT count(*) FROM token WHERE name = 'prometheus'"), 1);
	stop(&f);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_list),
		STORE_TEST(test_former),
		STORE_TEST(test_pruned_by_number),
		STORE_TEST(test_pruned_by_size),
		STORE_TEST(test_damaged),
		STORE_TEST(test_version_1),
		STORE_TEST(test_renumbered),
		STORE_TEST(test_version_4),
		STORE_TEST(test_trial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
