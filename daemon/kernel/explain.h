/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_EXPLAIN_H
#define PORTICO_KERNEL_EXPLAIN_H

#include "model/plan.h"

/*
 * Why the kernel may have refused the step with this errno, and what to do about it: " (a module may be
 * missing; on OpenWrt: kmod-nft-nat)", or "". `rule` is the one of a STEP_RULES_ADD that was refused, or NULL.
 */
void explain_refusal(const struct step *step, const struct krule *rule, int error, struct buf *buf);

#endif
