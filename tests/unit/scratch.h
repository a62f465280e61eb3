/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_TESTS_SCRATCH_H
#define PORTICO_TESTS_SCRATCH_H

/* A directory below /tmp, and its end with all that is in it. */
void scratch_make(char directory[32]);
void scratch_remove(const char *directory);

#endif
