/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { BATCH_MAX = 64 }; /* events fetched at once; the rest comes in the next turn */

/*
 * A watch is in exactly one of its loop's two lists: `watches`, or `removed`
 * once watch_free() was called. Events already fetched may still point to a
 * removed one, so its memory goes only when the batch is done.
 */
struct watch {
	struct loop *loop;          /* NULL: the loop is gone */
	struct watch *next, **link; /* link only in `watches` */
	int fd;
	uint32_t events;
	watch_fn *fn; /* NULL: removed */
	void *arg;
};

struct timer {
	struct loop *loop;
	struct timer *next, **link; /* link is NULL while not running */
	uint64_t due_ms;
	uint64_t turn; /* in which it was started */
	timer_fn *fn;
	void *arg;
};

struct step {
	struct step *next;
	step_fn *fn;
	void *arg;
};

struct signals {
	struct signals *next;
	int fd;
	struct watch *watch;
	signal_fn *fn;
	void *arg;
};

struct loop {
	int epoll_fd;
	bool stopped;
	int status;
	uint64_t turn; /* counts the calls of run_timers() */
	struct watch *watches;
	struct watch *removed;
	struct timer *timers; /* running ones by due time, then in the order of starting */
	struct step *steps, **steps_end;
	struct signals *signals;
};

uint64_t loop_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- watches ---- */

static void watch_unlink(struct watch *watch)
{
	*watch->link = watch->next;
	if (watch->next)
		watch->next->link = watch->link;
}

int watch_new(struct loop *loop, int fd, uint32_t events, watch_fn *fn, void *arg, struct watch **ret_watch)
{
	struct watch *watch = malloc(sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	*watch = (struct watch){ .loop = loop, .fd = fd, .events = events, .fn = fn, .arg = arg };

	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		int error = -errno;

		free(watch);
		return error;
	}
	watch->next = loop->watches;
	watch->link = &loop->watches;
	if (watch->next)
		watch->next->link = &watch->next;
	loop->watches = watch;
	*ret_watch = watch;
	return 0;
}

int watch_change(struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (!watch->loop)
		return -ESHUTDOWN;
	if (epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0)
		return -errno;
	watch->events = events;
	return 0;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	if (!watch->loop) {
		free(watch);
		return;
	}
	epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fn = NULL;
	watch_unlink(watch);
	watch->next = watch->loop->removed;
	watch->loop->removed = watch;
}

static void free_removed(struct loop *loop)
{
	while (loop->removed) {
		struct watch *watch = loop->removed;

		loop->removed = watch->next;
		free(watch);
	}
}

static void dispatch_watches(struct loop *loop, const struct epoll_event *events, int count)
{
	for (int i = 0; i < count; i++) {
		struct watch *watch = events[i].data.ptr;
		/* The mask may have changed since the event was fetched. */
		uint32_t wanted = events[i].events & (watch->events | EPOLLERR | EPOLLHUP);

		if (watch->fn && wanted)
			watch->fn(watch->arg, wanted);
	}
	free_removed(loop);
}

/* ---- timers ---- */

int timer_new(struct loop *loop, timer_fn *fn, void *arg, struct timer **ret_timer)
{
	struct timer *timer = malloc(sizeof(*timer));

	if (!timer)
		return -ENOMEM;
	*timer = (struct timer){ .loop = loop, .fn = fn, .arg = arg };
	*ret_timer = timer;
	return 0;
}

void timer_start(struct timer *timer, uint64_t delay_ms)
{
	uint64_t now_ms = loop_now_ms();
	struct timer **link = &timer->loop->timers;

	timer_stop(timer);
	timer->due_ms = delay_ms < UINT64_MAX - now_ms ? now_ms + delay_ms : UINT64_MAX;
	timer->turn = timer->loop->turn;

	while (*link && (*link)->due_ms <= timer->due_ms)
		link = &(*link)->next;
	timer->next = *link;
	timer->link = link;
	if (timer->next)
		timer->next->link = &timer->next;
	*link = timer;
}

void timer_stop(struct timer *timer)
{
	if (!timer->link)
		return;
	*timer->link = timer->next;
	if (timer->next)
		timer->next->link = timer->link;
	timer->link = NULL;
}

bool timer_running(const struct timer *timer)
{
	return timer->link != NULL;
}

void timer_free(struct timer *timer)
{
	if (!timer)
		return;
	timer_stop(timer);
	free(timer);
}

/*
 * A timer started by a timer's callback waits for the next turn, so that one
 * that restarts itself with no delay cannot keep the descriptors from being
 * served. Such a timer never stands before one that must run now: it was
 * started after `now_ms` was read, and equals keep the order of starting.
 */
static void run_timers(struct loop *loop)
{
	uint64_t now_ms = loop_now_ms();

	loop->turn++;
	while (!loop->stopped) {
		struct timer *timer = loop->timers;

		if (!timer || timer->due_ms > now_ms || timer->turn == loop->turn)
			return;
		timer_stop(timer);
		timer->fn(timer->arg); /* which may free it */
	}
}

/* For epoll_wait(): milliseconds, -1 without a timer. */
static int time_to_wait(const struct loop *loop)
{
	if (!loop->timers)
		return -1;

	uint64_t now_ms = loop_now_ms(), due_ms = loop->timers->due_ms;

	if (due_ms <= now_ms)
		return 0;
	return due_ms - now_ms < INT_MAX ? (int)(due_ms - now_ms) : INT_MAX;
}

/* ---- steps and signals ---- */

int loop_add_step(struct loop *loop, step_fn *fn, void *arg)
{
	struct step *step = malloc(sizeof(*step));

	if (!step)
		return -ENOMEM;
	*step = (struct step){ .fn = fn, .arg = arg };
	*loop->steps_end = step;
	loop->steps_end = &step->next;
	return 0;
}

static void on_signal(void *arg, uint32_t events)
{
	struct signals *signals = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		signals->fn(signals->arg, (int)info.ssi_signo);
}

int loop_add_signals(struct loop *loop, const int *numbers, unsigned count, signal_fn *fn, void *arg)
{
	struct signals *signals = malloc(sizeof(*signals));
	sigset_t set;
	int error;

	if (!signals)
		return -ENOMEM;
	*signals = (struct signals){ .next = loop->signals, .fn = fn, .arg = arg };

	sigemptyset(&set);
	for (unsigned i = 0; i < count; i++)
		sigaddset(&set, numbers[i]);

	signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals->fd < 0) {
		error = -errno;
		goto fail;
	}
	error = watch_new(loop, signals->fd, EPOLLIN, on_signal, signals, &signals->watch);
	if (error < 0)
		goto fail_close;
	error = -pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (error < 0)
		goto fail_watch;
	loop->signals = signals;
	return 0;

fail_watch:
	watch_free(signals->watch);
fail_close:
	close(signals->fd);
fail:
	free(signals);
	return error;
}

/* ---- the loop ---- */

int loop_new(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->steps_end = &loop->steps;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int error = -errno;

		free(loop);
		return error;
	}
	*ret_loop = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;

	while (loop->signals) {
		struct signals *signals = loop->signals;

		loop->signals = signals->next;
		watch_free(signals->watch);
		close(signals->fd);
		free(signals);
	}
	free_removed(loop);
	while (loop->watches) {
		struct watch *watch = loop->watches;

		log_error("a watch of descriptor %d outlives its loop", watch->fd);
		watch_unlink(watch);
		watch->loop = NULL;
	}
	while (loop->timers)
		timer_stop(loop->timers);
	while (loop->steps) {
		struct step *step = loop->steps;

		loop->steps = step->next;
		free(step);
	}
	close(loop->epoll_fd);
	free(loop);
}

int loop_run(struct loop *loop)
{
	struct epoll_event events[BATCH_MAX];

	while (!loop->stopped) {
		for (struct step *step = loop->steps; step && !loop->stopped; step = step->next)
			step->fn(step->arg);
		if (loop->stopped)
			break;

		int count = epoll_wait(loop->epoll_fd, events, BATCH_MAX, time_to_wait(loop));

		if (count < 0 && errno != EINTR)
			return -errno;
		dispatch_watches(loop, events, count);
		run_timers(loop);
	}
	loop->stopped = false;
	return loop->status;
}

void loop_stop(struct loop *loop, int status)
{
	loop->stopped = true;
	loop->status = status;
}
