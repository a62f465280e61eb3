/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The document is there, whole, on whatever machine; what it says is checked with every answer in tests/api. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web/assets.h"
#include "web/request.h"

/* The table of routes leads to the page, too. */
const struct asset assets[1] = { { .path = "" } };
const unsigned asset_count = 0;

static void test_document(void **state)
{
	json_t *document = openapi_new();
	json_t *paths = json_object_get(document, "paths");

	(void)state;
	assert_non_null(json_object_get(document, "openapi"));
	assert_non_null(json_object_get(paths, "/forwards"));
	json_decref(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
