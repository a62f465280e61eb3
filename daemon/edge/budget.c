/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/budget.h"

void budget_init(struct budget *budget, uint64_t now_ms)
{
	*budget = (struct budget){ .left_us = BUDGET_MAX_US, .at_ms = now_ms };
}

bool budget_allows(struct budget *budget, uint64_t now_ms)
{
	uint64_t passed_ms = now_ms - budget->at_ms;

	/* Bounded before it is multiplied: an idle night is long. */
	if (passed_ms > BUDGET_MAX_US)
		passed_ms = BUDGET_MAX_US;
	budget->left_us += (int64_t)passed_ms * 1000 / BUDGET_SHARE;
	if (budget->left_us > BUDGET_MAX_US)
		budget->left_us = BUDGET_MAX_US;
	budget->at_ms = now_ms;
	return budget->left_us > 0;
}

void budget_spend(struct budget *budget, int64_t cost_us)
{
	budget->left_us -= cost_us;
}

uint64_t budget_wait_ms(const struct budget *budget)
{
	return budget->left_us > 0 ? 0 : (uint64_t)-budget->left_us * BUDGET_SHARE / 1000 + 1;
}
