/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EDGE_BUDGET_H
#define PORTICO_EDGE_BUDGET_H

/*
 * A share of the CPU for one kind of work (a token bucket filled by the clock):
 * handshakes cost 2 to 100 ms each, and strangers can ask for as many as they like.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
	BUDGET_SHARE = 2,            /* one half of the time ... */
	BUDGET_MAX_US = 1000 * 1000, /* ... and a second at once, for a page's first visit */
};

struct budget {
	int64_t left_us;
	uint64_t at_ms; /* `left_us` is of that moment */
};

void budget_init(struct budget *budget, uint64_t now_ms);

/* Whether the work may go on now. */
bool budget_allows(struct budget *budget, uint64_t now_ms);

/* What it has cost; it may be more than was left, and is paid back by waiting. */
void budget_spend(struct budget *budget, int64_t cost_us);

/* Milliseconds until budget_allows() is true again; 0 if it is. */
uint64_t budget_wait_ms(const struct budget *budget);

#endif
