/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sort.h"

enum { COUNT = 3000 };

static int compare(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* As qsort() does it, with the order of equal ones kept. */
static void check(struct sort_key *keys, unsigned count)
{
	struct sort_key *wanted = malloc((count + 1) * sizeof(*wanted));

	for (unsigned i = 0; i < count; i++)
		keys[i].index = i;
	memcpy(wanted, keys, count * sizeof(*wanted));
	qsort(wanted, count, sizeof(*wanted), compare);
	assert_int_equal(sort_keys(keys, count), 0);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(keys[i].key, wanted[i].key);
		assert_int_equal(keys[i].index, wanted[i].index);
	}
	free(wanted);
}

static void test_sorts(void **state)
{
	static const uint64_t masks[] = {
		0, 1, 0xff, 0xff00, 0xffff, 0xff000000ff, 0xff00000000000000, UINT64_MAX
	};
	static struct sort_key keys[COUNT];

	(void)state;
	srandom(1);
	for (unsigned m = 0; m < sizeof(masks) / sizeof(masks[0]); m++)
		for (unsigned count = 0; count <= COUNT; count = count * 3 + 1) {
			for (unsigned i = 0; i < count; i++)
				keys[i].key = ((uint64_t)random() << 33 ^ (uint64_t)random()) & masks[m];
			check(keys, count);
			check(keys, count); /* sorted already */
			for (unsigned i = 0; i < count; i++)
				keys[i].key = (count - i) & masks[m];
			check(keys, count);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sorts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
