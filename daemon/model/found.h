/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_FOUND_H
#define PORTICO_MODEL_FOUND_H

/* What was found otherwise than it had been left, for people: "table inet portico was missing". */

#include "model/plan.h"

enum { FOUND_MAX = 8, FOUND_TEXT_MAX = 256 };

struct found {
	unsigned count;
	char texts[FOUND_MAX][FOUND_TEXT_MAX];
};

enum found_scope {
	FOUND_ALL,
	FOUND_NOT_OF_DEVICES, /* without routes and devices' sysctls, which come and go with devices */
	FOUND_TABLE,          /* the table alone */
};

/* `plan` is what would make `observed` be again as it was left. */
void found_describe(const struct plan *plan, const struct kstate *observed, enum found_scope scope,
		    struct found *ret_found);

#endif
