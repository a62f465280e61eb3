/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "edge/budget.h"

/* Greedy work in pieces of `cost_us` for `span_ms`; the CPU time that it got. */
static int64_t work(struct budget *budget, uint64_t *now_ms, int64_t cost_us, uint64_t span_ms)
{
	uint64_t end_ms = *now_ms + span_ms;
	int64_t used_us = 0;

	while (*now_ms < end_ms) {
		if (budget_allows(budget, *now_ms)) {
			budget_spend(budget, cost_us);
			used_us += cost_us;
			*now_ms += (uint64_t)cost_us / 1000;
		} else {
			assert_true(budget_wait_ms(budget) > 0);
			*now_ms += budget_wait_ms(budget);
			assert_true(budget_allows(budget, *now_ms));
		}
	}
	return used_us;
}

static void the_first_second_is_free(void **state)
{
	struct budget budget;
	uint64_t now_ms = 5;

	(void)state;
	budget_init(&budget, now_ms);
	for (unsigned i = 0; i < 10; i++) {
		assert_true(budget_allows(&budget, now_ms));
		assert_int_equal(budget_wait_ms(&budget), 0);
		budget_spend(&budget, BUDGET_MAX_US / 10);
	}
	assert_false(budget_allows(&budget, now_ms));
}

static void half_of_the_time_is_left_to_others(void **state)
{
	static const int64_t costs_us[] = { 2000, 5000, 100000, 300000 };

	(void)state;
	for (unsigned i = 0; i < sizeof(costs_us) / sizeof(costs_us[0]); i++) {
		struct budget budget;
		uint64_t now_ms = 1000;
		int64_t used_us;

		budget_init(&budget, now_ms);
		work(&budget, &now_ms, costs_us[i], 5000);
		used_us = work(&budget, &now_ms, costs_us[i], 100 * 1000);
		assert_in_range(used_us, 49 * 1000 * 1000, 51 * 1000 * 1000);
	}
}

static void rest_is_not_hoarded(void **state)
{
	struct budget budget;
	uint64_t now_ms = 0;

	(void)state;
	budget_init(&budget, now_ms);
	work(&budget, &now_ms, 10000, 10 * 1000);
	now_ms = UINT64_MAX / 2;
	assert_true(budget_allows(&budget, now_ms));
	assert_int_equal(budget.left_us, BUDGET_MAX_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_second_is_free),
		cmocka_unit_test(half_of_the_time_is_left_to_others),
		cmocka_unit_test(rest_is_not_hoarded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
