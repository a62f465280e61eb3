/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_WORKER_H
#define PORTICO_BASE_WORKER_H

/*
 * A thread for what is slow (password hashes, long system calls), so that it never
 * stands in the loop's way. Jobs run in order; the result comes back as a
 * callback on the loop.
 */

#include "base/loop.h"

struct worker;

enum { WORKER_QUEUE_MAX = 16 }; /* more logins than this at once are turned away */

int worker_new(struct loop *loop, struct worker **ret_worker);
/* Waits for the running job, drops the others without calling back. Takes NULL. Not from within a `done`. */
void worker_free(struct worker *worker);

/* Runs `work(arg)` on the thread, then `done(arg)` on the loop. -EAGAIN when the queue is full. */
int worker_submit(struct worker *worker, void (*work)(void *arg), void (*done)(void *arg), void *arg);

#endif
