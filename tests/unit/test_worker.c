/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/worker.h"

struct lab {
	struct loop *loop;
	struct worker *worker;
	sem_t started, gate; /* for jobs that must hold the thread */
	sem_t freeing;
	pthread_t loop_thread;
	unsigned worked, answered, expected;
};

static struct lab *lab;

static int setup(void **state)
{
	(void)state;
	lab = calloc(1, sizeof(*lab));
	if (!lab || loop_new(&lab->loop) < 0 || worker_new(lab->loop, &lab->worker) < 0)
		return -1;
	sem_init(&lab->started, 0, 0);
	sem_init(&lab->gate, 0, 0);
	sem_init(&lab->freeing, 0, 0);
	lab->loop_thread = pthread_self();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	worker_free(lab->worker);
	loop_free(lab->loop);
	sem_destroy(&lab->started);
	sem_destroy(&lab->gate);
	sem_destroy(&lab->freeing);
	free(lab);
	return 0;
}

/* Called on the worker's thread: cmocka's asserts are for the main one, so plain counting. */
static void work(void *arg)
{
	if (!pthread_equal(pthread_self(), lab->loop_thread) && (uintptr_t)arg == lab->worked)
		lab->worked++;
}

static void done(void *arg)
{
	assert_true(pthread_equal(pthread_self(), lab->loop_thread));
	assert_int_equal((uintptr_t)arg, lab->answered);
	if (++lab->answered == lab->expected)
		loop_stop(lab->loop, 0);
}

static void work_blocked(void *arg)
{
	(void)arg;
	sem_post(&lab->started);
	sem_wait(&lab->gate);
	lab->worked++;
}

static void *number(unsigned i)
{
	return (void *)(uintptr_t)i; /* NOLINT(performance-no-int-to-ptr) */
}

static void jobs_run_and_answer_in_order(void **state)
{
	(void)state;
	lab->expected = WORKER_QUEUE_MAX;
	for (unsigned i = 0; i < WORKER_QUEUE_MAX; i++)
		assert_int_equal(worker_submit(lab->worker, work, done, number(i)), 0);
	loop_run(lab->loop);
	assert_int_equal(lab->worked, WORKER_QUEUE_MAX);
	assert_int_equal(lab->answered, WORKER_QUEUE_MAX);
}

static void a_full_queue_turns_away(void **state)
{
	(void)state;
	lab->expected = WORKER_QUEUE_MAX;
	for (unsigned i = 0; i < WORKER_QUEUE_MAX; i++)
		assert_int_equal(worker_submit(lab->worker, i == 0 ? work_blocked : work, done, number(i)),
				 0);
	sem_wait(&lab->started);
	assert_int_equal(worker_submit(lab->worker, work, done, NULL), -EAGAIN);
	sem_post(&lab->gate);
	loop_run(lab->loop);
	assert_int_equal(lab->answered, WORKER_QUEUE_MAX);

	/* There is room again. */
	lab->expected = lab->answered + 1;
	assert_int_equal(worker_submit(lab->worker, work, done, number(WORKER_QUEUE_MAX)), 0);
	loop_run(lab->loop);
	assert_int_equal(lab->worked, WORKER_QUEUE_MAX + 1);
}

static void done_and_submit(void *arg)
{
	lab->answered++;
	if (lab->answered == 100)
		loop_stop(lab->loop, 0);
	else
		assert_int_equal(worker_submit(lab->worker, work, done_and_submit, number(lab->worked)), 0);
	(void)arg;
}

static void an_answer_may_submit_the_next(void **state)
{
	(void)state;
	assert_int_equal(worker_submit(lab->worker, work, done_and_submit, NULL), 0);
	loop_run(lab->loop);
	assert_int_equal(lab->worked, 100);
}

static void never(void *arg)
{
	(void)arg;
	abort();
}

/* Lets the running job end once the main thread sleeps, which it does only in worker_free(), for the job's end. */
static void *open_gate(void *arg)
{
	char path[64], line[512], state;

	sem_wait(&lab->freeing);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)getpid());
	do {
		FILE *file = fopen(path, "re");
		const char *end = file && fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;

		state = end ? end[2] : 'S';
		if (file)
			fclose(file);
	} while (state != 'S');
	sem_post(&lab->gate);
	return arg;
}

/* The running job ends, the waiting ones never start, nobody is called back. */
static void freeing_waits_for_the_running_job_only(void **state)
{
	pthread_t opener;

	(void)state;
	assert_int_equal(worker_submit(lab->worker, work_blocked, never, NULL), 0);
	sem_wait(&lab->started);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(worker_submit(lab->worker, never, never, NULL), 0);
	assert_int_equal(pthread_create(&opener, NULL, open_gate, NULL), 0);
	sem_post(&lab->freeing);
	worker_free(lab->worker);
	lab->worker = NULL;
	pthread_join(opener, NULL);
	assert_int_equal(lab->worked, 1);
}

static void freeing_nothing_is_fine(void **state)
{
	(void)state;
	worker_free(NULL);
}

int main(void)
{
#define LAB_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		LAB_TEST(jobs_run_and_answer_in_order),    LAB_TEST(a_full_queue_turns_away),
		LAB_TEST(an_answer_may_submit_the_next),   LAB_TEST(freeing_waits_for_the_running_job_only),
		cmocka_unit_test(freeing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
