/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_MEMORY_H
#define PORTICO_BASE_MEMORY_H

/* Settings of the C library's allocator, before there are threads: a router has little memory, and we few threads. */
void memory_init(void);

/* After work that took much for a short time: what is free goes back to the system, some milliseconds for 50 MiB. */
void memory_give_back(void);

#endif
