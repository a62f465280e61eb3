/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_PLAN_H
#define PORTICO_MODEL_PLAN_H

/*
 * desired - observed = an ordered list of steps. Applying them and comparing
 * again gives an empty plan. All nf_tables steps stand together and travel as
 * one atomic batch.
 */

#include <jansson.h>

#include "model/kstate.h"

enum step_type {
	/* rtnetlink, before the table: routes must be there when marks start */
	STEP_ROUTE_SET, /* add or replace */
	STEP_IPRULE_ADD,
	/* nf_tables, in this order inside the batch */
	STEP_TABLE_DELETE, /* ours, when it cannot be mended piece by piece */
	STEP_TABLE_ADD,
	STEP_CHAIN_FLUSH, /* rules only */
	STEP_ELEMS_DELETE,
	STEP_CHAIN_DELETE,
	STEP_SET_DELETE,
	STEP_SET_ADD,
	STEP_CHAIN_ADD,
	STEP_ELEMS_ADD,
	STEP_RULES_ADD, /* all rules of the chain, in order */
	/* and afterwards; nothing is forwarded before it is filtered */
	STEP_SYSCTL,
	STEP_IPRULE_DELETE,
	STEP_ROUTE_DELETE,
};

struct step {
	enum step_type type;
	/* Point into desired (additions) or observed (deletions): both must outlive the plan. */
	const struct kset *set;     /* SET_*, ELEMS_* */
	const struct kelem **elems; /* ELEMS_* */
	unsigned elem_count;
	const struct kchain *chain; /* CHAIN_*, RULES_ADD */
	const struct kroute *route;
	const struct kiprule *rule;
	const struct ksysctl *sysctl;
};

struct plan {
	unsigned count, size;
	struct step *steps;
};

static inline bool step_is_nft(const struct step *step)
{
	return step->type >= STEP_TABLE_DELETE && step->type <= STEP_RULES_ADD;
}

/* 0 or -ENOMEM. */
int plan_make(const struct kstate *desired, const struct kstate *observed, struct plan *ret_plan);
void plan_done(struct plan *plan);

/* One line in the words of nft(8), ip(8) or sysctl(8), without a newline; elements beyond `elems_max` become "and N more". */
void step_print(const struct step *step, unsigned elems_max, struct buf *buf);
/* ["nft add element inet portico ...", "ip rule add ..."], for POST /config/plan. */
json_t *plan_to_json(const struct plan *plan);

#endif
