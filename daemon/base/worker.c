/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct job {
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

/*
 * One ring and three counters, under the lock: answered <= finished <=
 * submitted <= answered + WORKER_QUEUE_MAX. The thread moves `finished`, the
 * loop the other two.
 */
struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job jobs[WORKER_QUEUE_MAX];
	unsigned answered, finished, submitted;
	bool stopping;
	int event_fd; /* readable when finished > answered */
	struct watch *watch;
};

static void *thread_main(void *arg)
{
	const struct sched_param none = { 0 };
	struct worker *worker = arg;

	/* It never takes the processor from the loop when it wakes. A luxury: it may be refused. */
	(void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
	pthread_mutex_lock(&worker->lock);
	for (;;) {
		while (!worker->stopping && worker->finished == worker->submitted)
			pthread_cond_wait(&worker->wake, &worker->lock);
		if (worker->stopping)
			break;

		struct job job = worker->jobs[worker->finished % WORKER_QUEUE_MAX];

		pthread_mutex_unlock(&worker->lock);
		job.work(job.arg);
		pthread_mutex_lock(&worker->lock);
		worker->finished++;
		/* Cannot fail: the counter is far from its limit. */
		eventfd_write(worker->event_fd, 1);
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

/* Takes the next finished job out of the ring. */
static bool take_finished(struct worker *worker, struct job *ret_job)
{
	bool found;

	pthread_mutex_lock(&worker->lock);
	found = worker->answered != worker->finished;
	if (found)
		*ret_job = worker->jobs[worker->answered++ % WORKER_QUEUE_MAX];
	pthread_mutex_unlock(&worker->lock);
	return found;
}

static void on_finished(void *arg, uint32_t events)
{
	struct worker *worker = arg;
	eventfd_t count;
	struct job job;

	(void)events;
	if (eventfd_read(worker->event_fd, &count) < 0)
		return;
	while (take_finished(worker, &job))
		job.done(job.arg);
}

/* Signals belong to the loop: the thread takes none. */
static int start_thread(struct worker *worker)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = -pthread_create(&worker->thread, NULL, thread_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

int worker_new(struct loop *loop, struct worker **ret_worker)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int error;

	if (!worker)
		return -ENOMEM;
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->wake, NULL);
	worker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->event_fd < 0) {
		error = -errno;
		goto fail;
	}
	error = watch_new(loop, worker->event_fd, EPOLLIN, on_finished, worker, &worker->watch);
	if (error < 0)
		goto fail_close;
	error = start_thread(worker);
	if (error < 0)
		goto fail_watch;
	*ret_worker = worker;
	return 0;

fail_watch:
	watch_free(worker->watch);
fail_close:
	close(worker->event_fd);
fail:
	pthread_cond_destroy(&worker->wake);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
	return error;
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;

	pthread_mutex_lock(&worker->lock);
	worker->stopping = true;
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);

	watch_free(worker->watch);
	close(worker->event_fd);
	pthread_cond_destroy(&worker->wake);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

int worker_submit(struct worker *worker, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	int error = 0;

	pthread_mutex_lock(&worker->lock);
	if (worker->submitted - worker->answered < WORKER_QUEUE_MAX) {
		struct job job = { .work = work, .done = done, .arg = arg };

		worker->jobs[worker->submitted++ % WORKER_QUEUE_MAX] = job;
		pthread_cond_signal(&worker->wake);
	} else {
		error = -EAGAIN;
	}
	pthread_mutex_unlock(&worker->lock);
	return error;
}
