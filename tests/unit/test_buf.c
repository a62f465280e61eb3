/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"

static void empty_is_an_empty_text(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10);
	assert_string_equal(buf_text(&buf), "");

	char *text = buf_steal(&buf);

	assert_string_equal(text, "");
	free(text);
	buf_done(&buf);
}

static void grows_and_stays_terminated(void **state)
{
	struct buf buf;
	char expected[5001] = "";

	(void)state;
	buf_init(&buf, 100000);
	for (unsigned i = 0; i < 1000; i++) {
		buf_puts(&buf, "a");
		buf_add(&buf, "bc", 2);
		buf_printf(&buf, "%02u", i % 100);
		sprintf(expected + (size_t)i * 5, "abc%02u", i % 100);
		assert_int_equal(buf.length, (i + 1) * 5);
		assert_int_equal(strlen(buf_text(&buf)), buf.length);
	}
	assert_string_equal(buf_text(&buf), expected);
	buf_done(&buf);
	assert_string_equal(buf_text(&buf), "");
}

static void the_maximum_is_exact(void **state)
{
	struct buf buf;

	(void)state;
	for (unsigned by_printf = 0; by_printf < 2; by_printf++) {
		buf_init(&buf, 4);
		buf_puts(&buf, "abc");
		if (by_printf)
			buf_printf(&buf, "%c", 'd');
		else
			buf_puts(&buf, "d");
		assert_false(buf.failed);
		assert_string_equal(buf_text(&buf), "abcd");
		if (by_printf)
			buf_printf(&buf, "%c", 'e');
		else
			buf_puts(&buf, "e");
		assert_true(buf.failed);
		assert_string_equal(buf_text(&buf), "abcd");
		assert_null(buf_steal(&buf));
		assert_false(buf.failed); /* left empty, and usable again */
		buf_puts(&buf, "x");
		assert_string_equal(buf_text(&buf), "x");
		buf_done(&buf);
	}
}

static void a_failure_sticks(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 3);
	buf_puts(&buf, "abcd");
	buf_puts(&buf, "a");
	assert_true(buf.failed);
	assert_int_equal(buf.length, 0);
	assert_null(buf_steal(&buf));
	buf_done(&buf);
}

static void nothing_fits_into_nothing(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 0);
	buf_add(&buf, NULL, 0);
	assert_false(buf.failed);
	buf_puts(&buf, "a");
	assert_true(buf.failed);
	buf_done(&buf);
}

static void absurd_lengths_do_not_wrap(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000);
	buf_puts(&buf, "abc");
	buf_add(&buf, "abc", SIZE_MAX);
	assert_true(buf.failed);
	buf_done(&buf);
}

static void zero_bytes_are_data(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10);
	buf_add(&buf, "a\0b", 3);
	assert_int_equal(buf.length, 3);
	assert_memory_equal(buf.data, "a\0b", 4);
	buf_done(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_is_an_empty_text),    cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(the_maximum_is_exact),      cmocka_unit_test(a_failure_sticks),
		cmocka_unit_test(nothing_fits_into_nothing), cmocka_unit_test(absurd_lengths_do_not_wrap),
		cmocka_unit_test(zero_bytes_are_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
