/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_ARENA_H
#define PORTICO_BASE_ARENA_H

/* Memory that is given back all at once: for states made of many small pieces. */

#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena); /* takes NULL */

/* Zeroed, aligned to 8 bytes; NULL when out of memory. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_copy(struct arena *arena, const void *data, size_t size);
/* A copy of the string; NULL for NULL. */
char *arena_strdup(struct arena *arena, const char *text);

#endif
