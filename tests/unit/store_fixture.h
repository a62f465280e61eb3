/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_TESTS_STORE_FIXTURE_H
#define PORTICO_TESTS_STORE_FIXTURE_H

/* What the tests of the store share. */

#include "store/store.h"

/* `count` forwards, all of them with `comment`. */
struct config *forwards(unsigned count, const char *comment);

void assert_same(const struct config *a, const struct config *b);

#endif
