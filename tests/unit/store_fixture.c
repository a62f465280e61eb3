/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct config *forwards(unsigned count, const char *comment)
{
	struct config *config = config_new();
	struct err err;

	err_clear(&err);
	for (unsigned i = 0; i < count; i++) {
		json_t *json = json_pack("{s:o, s:s, s:o, s:s}", "name", json_sprintf("forward %u", i),
					 "internal_address", "192.168.0.2", "external_ports",
					 json_sprintf("%u", 10000 + i), "comment", comment);
		struct object *object;

		assert_int_equal(object_from_json(KIND_FORWARD, json, "", false, &object, &err), 0);
		assert_int_equal(config_put(config, object, &err), 0);
		json_decref(json);
	}
	return config;
}

void assert_same(const struct config *a, const struct config *b)
{
	struct changes changes;

	assert_int_equal(config_diff(a, b, &changes), 0);
	if (changes.count)
		fail_msg("%s", json_dumps(changes_to_json(&changes), 0));
	changes_done(&changes);
}
