/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/loop.h"

/* One loop and what the callbacks note down, in order: one letter a call. */
struct lab {
	struct loop *loop;
	struct watch *watches[4];
	struct timer *timers[4];
	int fds[4];
	char trace[64];
	unsigned rounds;
};

static int setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	if (!lab || loop_new(&lab->loop) < 0)
		return -1;
	for (unsigned i = 0; i < 4; i++) {
		lab->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (lab->fds[i] < 0)
			return -1;
	}
	*state = lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	for (unsigned i = 0; i < 4; i++) {
		watch_free(lab->watches[i]);
		timer_free(lab->timers[i]);
		close(lab->fds[i]);
	}
	loop_free(lab->loop);
	free(lab);
	return 0;
}

static void note(struct lab *lab, char letter)
{
	size_t used = strlen(lab->trace);

	assert_true(used + 1 < sizeof(lab->trace));
	lab->trace[used] = letter;
}

static void stop(void *arg)
{
	struct lab *lab = arg;

	note(lab, 's');
	loop_stop(lab->loop, 7);
}

static void stop_watch(void *arg, uint32_t events)
{
	(void)events;
	stop(arg);
}

/* ---- watches ---- */

/* Whoever is called first removes everybody, itself too: no other may be called. */
static void remove_all(void *arg, uint32_t events)
{
	struct lab *lab = arg;

	(void)events;
	note(lab, 'r');
	for (unsigned i = 0; i < 3; i++) {
		watch_free(lab->watches[i]);
		lab->watches[i] = NULL;
	}
	loop_stop(lab->loop, 1);
}

static void removed_watches_of_a_batch_stay_silent(void **state)
{
	struct lab *lab = *state;

	for (unsigned i = 0; i < 3; i++) {
		eventfd_write(lab->fds[i], 1);
		assert_int_equal(
			watch_new(lab->loop, lab->fds[i], EPOLLIN, remove_all, lab, &lab->watches[i]), 0);
	}
	assert_int_equal(loop_run(lab->loop), 1);
	assert_string_equal(lab->trace, "r");
}

static void must_not_run(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	fail_msg("an event of the former descriptor reached the new watch");
}

/* The other descriptor is closed and its number used again, by a silent one, within the batch. */
static void reuse_descriptor(void *arg, uint32_t events)
{
	struct lab *lab = arg;

	(void)events;
	watch_free(lab->watches[0]);
	watch_free(lab->watches[1]);
	lab->watches[0] = lab->watches[1] = NULL;
	for (unsigned i = 0; i < 2; i++) {
		int number = lab->fds[i];

		close(number);
		lab->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_int_equal(lab->fds[i], number);
		assert_int_equal(watch_new(lab->loop, number, EPOLLIN, must_not_run, lab, &lab->watches[i]),
				 0);
	}
	timer_start(lab->timers[0], 0);
}

static void a_reused_descriptor_gets_no_stale_event(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(timer_new(lab->loop, stop, lab, &lab->timers[0]), 0);
	for (unsigned i = 0; i < 2; i++) {
		eventfd_write(lab->fds[i], 1);
		assert_int_equal(
			watch_new(lab->loop, lab->fds[i], EPOLLIN, reuse_descriptor, lab, &lab->watches[i]),
			0);
	}
	assert_int_equal(loop_run(lab->loop), 7);
	assert_string_equal(lab->trace, "s");
}

/* Turns the other watch deaf while its event is already in the batch. */
static void deafen_other(void *arg, uint32_t events)
{
	struct lab *lab = arg;

	(void)events;
	note(lab, 'd');
	assert_int_equal(watch_change(lab->watches[0], 0), 0);
	assert_int_equal(watch_change(lab->watches[1], 0), 0);
	timer_start(lab->timers[0], 0);
}

static void a_changed_mask_holds_at_once(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(timer_new(lab->loop, stop, lab, &lab->timers[0]), 0);
	for (unsigned i = 0; i < 2; i++) {
		eventfd_write(lab->fds[i], 1);
		assert_int_equal(
			watch_new(lab->loop, lab->fds[i], EPOLLIN, deafen_other, lab, &lab->watches[i]), 0);
	}
	loop_run(lab->loop);
	assert_string_equal(lab->trace, "ds");
}

static void count_rounds(void *arg, uint32_t events)
{
	struct lab *lab = arg;

	assert_int_equal(events, EPOLLIN);
	note(lab, 'c');
	if (++lab->rounds == 3)
		loop_stop(lab->loop, 0);
}

static void level_triggered_unless_asked(void **state)
{
	struct lab *lab = *state;

	eventfd_write(lab->fds[0], 1);
	assert_int_equal(watch_new(lab->loop, lab->fds[0], EPOLLIN, count_rounds, lab, &lab->watches[0]), 0);
	loop_run(lab->loop);
	assert_string_equal(lab->trace, "ccc");

	lab->rounds = 0;
	assert_int_equal(watch_change(lab->watches[0], EPOLLIN | EPOLLET), 0);
	assert_int_equal(timer_new(lab->loop, stop, lab, &lab->timers[0]), 0);
	timer_start(lab->timers[0], 20);
	loop_run(lab->loop);
	assert_string_equal(lab->trace, "ccccs");
}

static void bad_descriptors_are_refused(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(watch_new(lab->loop, -1, EPOLLIN, stop_watch, lab, &lab->watches[0]), -EBADF);
	assert_null(lab->watches[0]);
	assert_int_equal(watch_new(lab->loop, lab->fds[0], EPOLLIN, stop_watch, lab, &lab->watches[0]), 0);
	assert_int_equal(watch_new(lab->loop, lab->fds[0], EPOLLIN, stop_watch, lab, &lab->watches[1]),
			 -EEXIST);
	assert_null(lab->watches[1]);
}

static void hang_up_is_told_without_asking(void **state)
{
	struct lab *lab = *state;
	int pipe_fds[2];

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(watch_new(lab->loop, pipe_fds[0], 0, stop_watch, lab, &lab->watches[0]), 0);
	close(pipe_fds[1]);
	assert_int_equal(loop_run(lab->loop), 7);
	watch_free(lab->watches[0]);
	lab->watches[0] = NULL;
	close(pipe_fds[0]);
}

static void watches_outliving_the_loop_can_be_freed(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(watch_new(lab->loop, lab->fds[0], EPOLLIN, must_not_run, lab, &lab->watches[0]), 0);
	assert_int_equal(watch_new(lab->loop, lab->fds[1], EPOLLIN, must_not_run, lab, &lab->watches[1]), 0);
	assert_int_equal(timer_new(lab->loop, stop, lab, &lab->timers[0]), 0);
	timer_start(lab->timers[0], 10);
	watch_free(lab->watches[1]);
	lab->watches[1] = NULL;
	loop_free(lab->loop);
	lab->loop = NULL;
	assert_false(timer_running(lab->timers[0]));
	assert_int_equal(watch_change(lab->watches[0], 0), -ESHUTDOWN);
}

/* ---- timers ---- */

static void fire_a(void *arg)
{
	note(arg, 'a');
}

static void fire_b(void *arg)
{
	note(arg, 'b');
}

static void fire_c(void *arg)
{
	note(arg, 'c');
}

static void timers_fire_by_time_then_by_start(void **state)
{
	struct lab *lab = *state;
	uint64_t start_ms = loop_now_ms();

	timer_new(lab->loop, fire_a, lab, &lab->timers[0]);
	timer_new(lab->loop, fire_b, lab, &lab->timers[1]);
	timer_new(lab->loop, fire_c, lab, &lab->timers[2]);
	timer_new(lab->loop, stop, lab, &lab->timers[3]);
	timer_start(lab->timers[3], 15);
	timer_start(lab->timers[0], 10);
	timer_start(lab->timers[1], 5);
	timer_start(lab->timers[2], 10);
	timer_start(lab->timers[0], 10); /* started again: now after c, unless a millisecond passed */
	assert_true(timer_running(lab->timers[0]));
	loop_run(lab->loop);
	assert_string_equal(lab->trace, "bcas");
	assert_true(loop_now_ms() - start_ms >= 15);
	assert_false(timer_running(lab->timers[0]));
}

static void restart_self(void *arg)
{
	struct lab *lab = arg;

	assert_false(timer_running(lab->timers[0]));
	note(lab, 't');
	timer_start(lab->timers[0], 0);
	assert_true(timer_running(lab->timers[0]));
}

/* A timer that restarts itself with no delay must leave the descriptors their turn. */
static void a_restarting_timer_does_not_starve(void **state)
{
	struct lab *lab = *state;

	timer_new(lab->loop, restart_self, lab, &lab->timers[0]);
	timer_start(lab->timers[0], 0);
	eventfd_write(lab->fds[0], 1);
	watch_new(lab->loop, lab->fds[0], EPOLLIN, count_rounds, lab, &lab->watches[0]);
	loop_run(lab->loop);
	assert_string_equal(lab->trace, "ctctc");
}

static void free_timers(void *arg)
{
	struct lab *lab = arg;

	note(lab, 'f');
	for (unsigned i = 0; i < 3; i++) {
		timer_free(lab->timers[i]);
		lab->timers[i] = NULL;
	}
	loop_stop(lab->loop, 0);
}

static void a_timer_may_free_itself_and_others(void **state)
{
	struct lab *lab = *state;

	for (unsigned i = 0; i < 3; i++) {
		timer_new(lab->loop, free_timers, lab, &lab->timers[i]);
		timer_start(lab->timers[i], 0);
	}
	loop_run(lab->loop);
	assert_string_equal(lab->trace, "f");
}

static void stop_b(void *arg)
{
	struct lab *lab = arg;

	note(lab, 'x');
	timer_stop(lab->timers[1]);
	timer_stop(lab->timers[1]);
}

static void a_stopped_timer_does_not_fire(void **state)
{
	struct lab *lab = *state;

	timer_new(lab->loop, stop_b, lab, &lab->timers[0]);
	timer_new(lab->loop, fire_b, lab, &lab->timers[1]);
	timer_new(lab->loop, stop, lab, &lab->timers[2]);
	for (unsigned i = 0; i < 3; i++)
		timer_start(lab->timers[i], 0);
	loop_run(lab->loop);
	assert_string_equal(lab->trace, "xs");
}

static void the_longest_delay_does_not_wrap(void **state)
{
	struct lab *lab = *state;

	timer_new(lab->loop, fire_a, lab, &lab->timers[0]);
	timer_new(lab->loop, stop, lab, &lab->timers[1]);
	timer_start(lab->timers[0], UINT64_MAX);
	timer_start(lab->timers[1], 1);
	loop_run(lab->loop);
	assert_string_equal(lab->trace, "s");
	assert_true(timer_running(lab->timers[0]));
}

/* ---- steps, signals, stopping ---- */

static void step_a(void *arg)
{
	note(arg, 'A');
}

static void step_b(void *arg)
{
	note(arg, 'B');
}

static void steps_run_once_before_each_sleep(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(loop_add_step(lab->loop, step_a, lab), 0);
	assert_int_equal(loop_add_step(lab->loop, step_b, lab), 0);
	eventfd_write(lab->fds[0], 1);
	eventfd_write(lab->fds[1], 1);
	watch_new(lab->loop, lab->fds[0], EPOLLIN, count_rounds, lab, &lab->watches[0]);
	loop_run(lab->loop);
	assert_string_equal(lab->trace, "ABcABcABc");
}

static void a_step_may_stop_the_loop(void **state)
{
	struct lab *lab = *state;

	loop_add_step(lab->loop, step_a, lab);
	loop_add_step(lab->loop, stop, lab);
	loop_add_step(lab->loop, step_b, lab);
	assert_int_equal(loop_run(lab->loop), 7);
	assert_string_equal(lab->trace, "As");
}

static void stopping_before_running_counts(void **state)
{
	struct lab *lab = *state;

	loop_stop(lab->loop, 3);
	assert_int_equal(loop_run(lab->loop), 3);
}

static void on_signal(void *arg, int signo)
{
	struct lab *lab = arg;

	note(lab, signo == SIGUSR1 ? '1' : '2');
	if (strlen(lab->trace) == 2)
		loop_stop(lab->loop, 0);
}

static void signals_arrive_as_events(void **state)
{
	static const int numbers[] = { SIGUSR1, SIGUSR2 };
	struct lab *lab = *state;

	assert_int_equal(loop_add_signals(lab->loop, numbers, 2, on_signal, lab), 0);
	raise(SIGUSR2);
	raise(SIGUSR1);
	loop_run(lab->loop);
	assert_non_null(strchr(lab->trace, '1'));
	assert_non_null(strchr(lab->trace, '2'));
}

int main(void)
{
#define LAB_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		LAB_TEST(removed_watches_of_a_batch_stay_silent),
		LAB_TEST(a_reused_descriptor_gets_no_stale_event),
		LAB_TEST(a_changed_mask_holds_at_once),
		LAB_TEST(level_triggered_unless_asked),
		LAB_TEST(bad_descriptors_are_refused),
		LAB_TEST(hang_up_is_told_without_asking),
		LAB_TEST(watches_outliving_the_loop_can_be_freed),
		LAB_TEST(timers_fire_by_time_then_by_start),
		LAB_TEST(a_restarting_timer_does_not_starve),
		LAB_TEST(a_timer_may_free_itself_and_others),
		LAB_TEST(a_stopped_timer_does_not_fire),
		LAB_TEST(the_longest_delay_does_not_wrap),
		LAB_TEST(steps_run_once_before_each_sleep),
		LAB_TEST(a_step_may_stop_the_loop),
		LAB_TEST(stopping_before_running_counts),
		LAB_TEST(signals_arrive_as_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
