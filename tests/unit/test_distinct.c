/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/distinct.h"

enum { COUNT = 2000 };

static bool same(const void *arg, uint32_t a, uint32_t b)
{
	const unsigned *values = arg;

	return values[a] == values[b];
}

/* Also when many have the same hash. */
static void test_distinct(void **state)
{
	static unsigned values[COUNT];

	(void)state;
	srandom(1);
	for (unsigned hashes = 1; hashes <= 0x10000; hashes *= 16) {
		struct distinct distinct;

		assert_int_equal(distinct_init(&distinct, COUNT, same, values), 0);
		for (unsigned i = 0; i < COUNT; i++) {
			unsigned first = 0;

			values[i] = (unsigned)random() % 500;
			while (values[first] != values[i])
				first++;
			assert_int_equal(distinct_add(&distinct, values[i] % hashes, i), first);
		}
		distinct_done(&distinct);
	}
}

static void test_hashes(void **state)
{
	(void)state;
	/* http://www.isthe.com/chongo/src/fnv/test_fnv.c */
	assert_int_equal(hash_bytes(HASH_START, "", 0), 0x811c9dc5);
	assert_int_equal(hash_bytes(HASH_START, "foobar", 6), 0xbf9cf968);
	assert_int_equal(hash_text(HASH_START, "foobar"), 0x0c1c9eb8);
	assert_int_not_equal(hash_text(hash_text(HASH_START, "a"), "b"), hash_text(HASH_START, "ab"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_distinct), cmocka_unit_test(test_hashes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
