/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_LOOP_H
#define PORTICO_BASE_LOOP_H

/*
 * The event loop: one epoll descriptor, watches, timers, signals, and steps
 * that run once per turn just before the loop sleeps ("react once": callbacks
 * only mark things dirty). One loop a process, used by one thread.
 *
 * A callback may remove any watch or timer, its own included, and may stop
 * the loop; what was removed is not called any more.
 */

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct watch;
struct timer;

/* `events` is an epoll mask (EPOLLIN ...). */
typedef void watch_fn(void *arg, uint32_t events);
typedef void timer_fn(void *arg);
typedef void step_fn(void *arg);
typedef void signal_fn(void *arg, int signo);

int loop_new(struct loop **ret_loop);
/*
 * Takes NULL. Logs watches that are still there (a leak of their owner's) and
 * closes nothing of theirs; they and their timers never fire again, and can still be freed.
 */
void loop_free(struct loop *loop);

/* Runs until loop_stop(), also one called before; returns its status, or a negative errno if waiting fails. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int status);

/*
 * Watches a descriptor, which stays the caller's. Level-triggered unless
 * `events` holds EPOLLET. Free the watch before closing the descriptor: where
 * a duplicate of it lives on, the kernel would go on reporting it.
 */
int watch_new(struct loop *loop, int fd, uint32_t events, watch_fn *fn, void *arg, struct watch **ret_watch);
int watch_change(struct watch *watch, uint32_t events);
void watch_free(struct watch *watch); /* takes NULL */

/* A timer that is not running yet. */
int timer_new(struct loop *loop, timer_fn *fn, void *arg, struct timer **ret_timer);
/* Fires once, `delay_ms` from now (0: when the descriptors ready now are served); replaces an earlier setting. */
void timer_start(struct timer *timer, uint64_t delay_ms);
void timer_stop(struct timer *timer);
bool timer_running(const struct timer *timer);
void timer_free(struct timer *timer); /* takes NULL */

/* Runs `fn` before every sleep, in the order in which the steps were added. */
int loop_add_step(struct loop *loop, step_fn *fn, void *arg);

/* Blocks the signals for the process (children inherit that) and delivers them here (signalfd). */
int loop_add_signals(struct loop *loop, const int *signals, unsigned count, signal_fn *fn, void *arg);

/* Monotonic milliseconds. */
uint64_t loop_now_ms(void);

#endif
