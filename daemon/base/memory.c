/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/memory.h"

#include <stdlib.h>

/* musl's allocator gives back by itself and has no arenas. */
#ifdef __GLIBC__
#include <malloc.h>

void memory_init(void)
{
	/* Otherwise each thread gets a heap of its own, and keeps it. */
	mallopt(M_ARENA_MAX, 1);
	/* Large blocks come and go by themselves; what a commit takes and frees is kept for the next one. */
	mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 2 * 1024 * 1024);
}

void memory_give_back(void)
{
	malloc_trim(0);
}

#else

void memory_init(void)
{
}

void memory_give_back(void)
{
}

#endif
