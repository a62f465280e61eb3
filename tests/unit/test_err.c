/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"

static void set_keeps_items_and_tells_errno(void **state)
{
	struct err err;

	(void)state;
	err_clear(&err);
	assert_int_equal(err_field(&err, "/name", "is %s", "taken"), -EINVAL);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_int_equal(err_set(&err, ERR_CONFLICT, "two %s", "forwards"), -EEXIST);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_string_equal(err.detail, "two forwards");
	assert_int_equal(err.count, 1);
	assert_string_equal(err.items[0].path, "/name");
	assert_string_equal(err.items[0].message, "is taken");

	err_clear(&err);
	assert_int_equal(err.kind, ERR_NONE);
	assert_int_equal(err.count, 0);
	assert_string_equal(err.detail, "");
}

static void every_kind_but_none_is_a_failure(void **state)
{
	struct err err;

	(void)state;
	for (int kind = ERR_NONE; kind <= ERR_INTERNAL; kind++) {
		err_clear(&err);
		int error = err_set(&err, (enum err_kind)kind, "x");

		if (kind == ERR_NONE)
			assert_int_equal(error, 0);
		else
			assert_true(error < 0);
	}
}

static void a_kind_already_set_stays(void **state)
{
	struct err err;

	(void)state;
	err_clear(&err);
	err_set(&err, ERR_CONFLICT, "conflict");
	err_field(&err, "/a", "b");
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_string_equal(err.detail, "conflict");
}

static void items_beyond_the_maximum_are_dropped(void **state)
{
	struct err err;

	(void)state;
	err_clear(&err);
	for (unsigned i = 0; i < ERR_ITEMS_MAX + 5; i++)
		assert_int_equal(err_field(&err, "/x", "%u", i), -EINVAL);
	assert_int_equal(err.count, ERR_ITEMS_MAX);
	assert_string_equal(err.items[0].message, "0");
	assert_string_equal(err.items[ERR_ITEMS_MAX - 1].message, "15");
}

/* 2, 3 and 4 byte characters, at every offset against the end of the buffer. */
static void a_cut_leaves_whole_characters(void **state)
{
	static const char *const characters[] = { "\xc3\xa4", "\xe8\xb7\xaf", "\xf0\x9f\x9a\xaa" };
	struct err err;
	char text[ERR_DETAIL_MAX + 16];

	(void)state;
	for (unsigned c = 0; c < 3; c++) {
		size_t width = strlen(characters[c]);

		for (size_t lead = ERR_DETAIL_MAX - 6; lead < ERR_DETAIL_MAX + 2; lead++) {
			size_t expected = lead + width < ERR_DETAIL_MAX ? lead + width : lead;

			memset(text, 'a', lead);
			strcpy(text + lead, characters[c]);
			err_clear(&err);
			err_set(&err, ERR_INVALID, "%s", text);
			if (expected > ERR_DETAIL_MAX - 1)
				expected = ERR_DETAIL_MAX - 1;
			assert_int_equal(strlen(err.detail), expected);
			assert_memory_equal(err.detail, text, expected);
		}
	}
}

static void long_paths_and_messages_are_cut(void **state)
{
	struct err err;
	char text[1024];

	(void)state;
	memset(text, 'p', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_clear(&err);
	err_field(&err, text, "%s", text);
	assert_int_equal(strlen(err.items[0].path), ERR_PATH_MAX - 1);
	assert_int_equal(strlen(err.items[0].message), ERR_MESSAGE_MAX - 1);
}

static void paths_get_a_prefix(void **state)
{
	struct err err;
	char text[ERR_PATH_MAX];

	(void)state;
	err_clear(&err);
	err_prefix(&err, "/a");
	assert_int_equal(err.count, 0);
	memset(text, 'p', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_field(&err, "/b", "x");
	err_field(&err, "", "y");
	err_field(&err, text, "z");
	err_prefix(&err, "/a");
	assert_string_equal(err.items[0].path, "/a/b");
	assert_string_equal(err.items[0].message, "x");
	assert_string_equal(err.items[1].path, "/a");
	assert_int_equal(strlen(err.items[2].path), ERR_PATH_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_keeps_items_and_tells_errno),
		cmocka_unit_test(every_kind_but_none_is_a_failure),
		cmocka_unit_test(a_kind_already_set_stays),
		cmocka_unit_test(items_beyond_the_maximum_are_dropped),
		cmocka_unit_test(a_cut_leaves_whole_characters),
		cmocka_unit_test(long_paths_and_messages_are_cut),
		cmocka_unit_test(paths_get_a_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
