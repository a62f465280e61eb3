/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Former configurations from the changes since, and changes in words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/undo.h"

static struct err err;

/* JSON with ' for ", which C's quotes make hard to read. */
static json_t *parse(const char *text)
{
	char *copy = strdup(text);
	json_t *json;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	json = json_loads(copy, JSON_DECODE_ANY, NULL);
	if (!json)
		fail_msg("not JSON: %s", text);
	free(copy);
	return json;
}

static struct config *config_of(const char *text)
{
	struct config *config = NULL;
	json_t *json = parse(text);

	err_clear(&err);
	if (config_from_json(json, NULL, &config, &err) < 0)
		fail_msg("%s: %s", err.items[0].path, err.items[0].message);
	json_decref(json);
	return config;
}

static json_t *difference(const struct config *from, const struct config *to)
{
	struct changes changes;
	json_t *json;

	assert_int_equal(config_diff(from, to, &changes), 0);
	json = changes_to_json(&changes);
	assert_non_null(json);
	changes_done(&changes);
	return json;
}

static void assert_same(const struct config *a, const struct config *b)
{
	json_t *changes = difference(a, b);

	if (json_array_size(changes))
		fail_msg("%s", json_dumps(changes, 0));
	json_decref(changes);
}

static void assert_json(const json_t *json, const char *expected)
{
	json_t *wanted = parse(expected);

	if (!json_equal(json, wanted))
		fail_msg("%s, not %s", json_dumps(json, JSON_SORT_KEYS), json_dumps(wanted, JSON_SORT_KEYS));
	json_decref(wanted);
}

/* Names are exchanged, what refers to them follows; objects come and go, and one comes with the id of another. */
static const char *const stages[] = {
	"{}",
	"{'uplinks': [{'id': 1, 'name': 'isp1', 'device': 'eth0'}, {'id': 2, 'name': 'isp2', 'device': 'eth1'}]}",
	"{'uplinks': [{'id': 1, 'name': 'isp1', 'device': 'eth0'}, {'id': 2, 'name': 'isp2', 'device': 'eth1'}],"
	" 'forwards': [{'id': 1, 'name': 'web', 'external_ports': '80', 'internal_address': '192.168.0.2',"
	"  'uplinks': ['isp1']}]}",
	"{'uplinks': [{'id': 1, 'name': 'isp2', 'device': 'eth0'}, {'id': 2, 'name': 'isp1', 'device': 'eth1',"
	"  'health': {'targets': ['198.51.100.1']}}],"
	" 'forwards': [{'id': 1, 'name': 'web', 'external_ports': '80', 'internal_address': '192.168.0.2',"
	"  'uplinks': ['isp2']}], 'settings': {'history_length': 50, 'language': 'zh'}}",
	"{'uplinks': [{'id': 2, 'name': 'isp1', 'device': 'eth1', 'health': {'targets': ['198.51.100.1'],"
	"  'interval_ms': 500}}],"
	" 'forwards': [{'id': 1, 'name': 'mail', 'external_ports': '25', 'internal_address': '192.168.0.3'}],"
	" 'settings': {'history_length': 50}}",
	"{'settings': {'history_length': 50}}",
};
enum { STAGES = sizeof(stages) / sizeof(stages[0]) };

static void every_stage_comes_back(void **state)
{
	struct config *configs[STAGES];

	(void)state;
	for (unsigned i = 0; i < STAGES; i++)
		configs[i] = config_of(stages[i]);
	for (unsigned to = 0; to < STAGES; to++) {
		struct config *former;
		struct undo undo;

		assert_int_equal(undo_init(&undo), 0);
		for (unsigned i = STAGES - 1; i > to; i--) {
			json_t *changes = difference(configs[i - 1], configs[i]);

			assert_int_equal(undo_add(&undo, changes), 0);
			json_decref(changes);
		}
		err_clear(&err);
		assert_int_equal(undo_apply(&undo, configs[STAGES - 1], &former, &err), 0);
		assert_same(former, configs[to]);
		undo_done(&undo);
		config_unref(former);
	}
	for (unsigned i = 0; i < STAGES; i++)
		config_unref(configs[i]);
}

/* What did not change is not decoded, but shared. */
static void unchanged_objects_are_shared(void **state)
{
	struct config *before = config_of(stages[1]), *after = config_of(stages[2]), *former;
	json_t *changes = difference(before, after);
	struct undo undo;

	(void)state;
	assert_int_equal(undo_init(&undo), 0);
	assert_int_equal(undo_add(&undo, changes), 0);
	assert_int_equal(undo_apply(&undo, after, &former, &err), 0);
	assert_ptr_equal(config_find(former, KIND_UPLINK, 1), config_find(after, KIND_UPLINK, 1));
	undo_done(&undo);
	json_decref(changes);
	config_unref(before);
	config_unref(after);
	config_unref(former);
}

/* An earlier version's objects lack what is new, which gets its default. */
static void absent_fields_get_their_defaults(void **state)
{
	struct config *present = config_new(), *former;
	json_t *changes = parse(
		"[{'kind': 'forward', 'id': 3, 'name': 'web', 'before': {'id': 3, 'name': 'web',"
		" 'internal_address': '192.168.0.2', 'external_ports': '80'}, 'after': null}]");
	const struct forward *forward;
	struct undo undo;

	(void)state;
	assert_int_equal(undo_init(&undo), 0);
	assert_int_equal(undo_add(&undo, changes), 0);
	assert_int_equal(undo_apply(&undo, present, &former, &err), 0);
	forward = (const struct forward *)config_find(former, KIND_FORWARD, 3);
	assert_true(forward->enabled && forward->hairpin && !forward->pinhole);
	undo_done(&undo);
	json_decref(changes);
	config_unref(present);
	config_unref(former);
}

static void what_is_not_valid_any_more_is_named(void **state)
{
	struct config *present = config_new(), *former = NULL;
	json_t *changes = parse(
		"[{'kind': 'forward', 'id': 3, 'name': 'web', 'before': {'id': 3, 'name': 'web',"
		" 'internal_address': '192.168.0.2', 'external_ports': '80', 'colour': 'red'},"
		" 'after': null}]");
	struct undo undo;

	(void)state;
	assert_int_equal(undo_init(&undo), 0);
	assert_int_equal(undo_add(&undo, changes), 0);
	err_clear(&err);
	assert_int_equal(undo_apply(&undo, present, &former, &err), -EINVAL);
	assert_null(former);
	assert_non_null(strstr(err.detail, "forward \"web\": /colour"));
	undo_done(&undo);
	json_decref(changes);
	config_unref(present);
}

static void nonsense_is_refused(void **state)
{
	static const char *const texts[] = {
		"{}",
		"[{}]",
		"[1]",
		"[{'kind': 'forwards', 'id': 1, 'before': null, 'after': null}]",
		"[{'kind': 'forward', 'id': 0, 'before': null, 'after': null}]",
		"[{'kind': 'forward', 'id': 4294967296, 'before': null, 'after': null}]",
		"[{'kind': 'forward', 'id': 1, 'after': null}]",
		"[{'kind': 'forward', 'id': 1, 'before': 'x', 'after': null}]",
	};
	struct undo undo;

	(void)state;
	assert_int_equal(undo_init(&undo), 0);
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *json = parse(texts[i]);

		assert_int_equal(undo_add(&undo, json), -EBADMSG);
		json_decref(json);
	}
	assert_int_equal(undo_add(&undo, NULL), -EBADMSG);
	undo_done(&undo);
}

static void changes_are_told_by_field(void **state)
{
	struct config *before = config_of(stages[3]), *after = config_of(stages[4]);
	json_t *changes = difference(before, after), *summary, *again;
	struct changes found;

	(void)state;
	assert_int_equal(changes_explain(changes), 0);
	assert_int_equal(json_array_size(changes), 4);
	assert_json(json_object_get(json_array_get(changes, 0), "fields"), "['language']");
	assert_json(json_object_get(json_array_get(changes, 1), "what"), "\"removed\"");
	assert_json(json_object_get(json_array_get(changes, 1), "fields"), "[]");
	assert_json(json_object_get(json_array_get(changes, 2), "fields"), "['health/interval_ms']");
	assert_json(json_object_get(json_array_get(changes, 3), "fields"),
		    "['name', 'uplinks', 'external_ports', 'internal_address']");

	assert_int_equal(config_diff(before, after, &found), 0);
	summary = changes_summary(&found, 2);
	assert_json(summary, "{'changes': [{'kind': 'settings', 'id': 1, 'name': null, 'what': 'changed'},"
			     " {'kind': 'uplink', 'id': 1, 'name': 'isp2', 'what': 'removed'}], 'more': 2}");
	again = changes_json_summary(changes, 2);
	assert_true(json_equal(summary, again));
	changes_done(&found);
	json_decref(summary);
	json_decref(again);
	json_decref(changes);
	config_unref(before);
	config_unref(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_stage_comes_back),
		cmocka_unit_test(unchanged_objects_are_shared),
		cmocka_unit_test(absent_fields_get_their_defaults),
		cmocka_unit_test(what_is_not_valid_any_more_is_named),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(changes_are_told_by_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
