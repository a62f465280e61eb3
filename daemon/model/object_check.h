/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_OBJECT_CHECK_H
#define PORTICO_MODEL_OBJECT_CHECK_H

/* What one object's fields can be wrong in together; called through the table in schema.c. */

#include <jansson.h>

#include "base/err.h"
#include "model/config.h"

int network_check(const struct object *object, const char *base, struct err *err);
int uplink_check(const struct object *object, const char *base, struct err *err);
int forward_check(const struct object *object, const char *base, struct err *err);
int policy_check(const struct object *object, const char *base, struct err *err);
int source_nat_check(const struct object *object, const char *base, struct err *err);

/* The family follows from the internal address where the request does not say it. */
void forward_infer(struct object *object, const json_t *json);

#endif
