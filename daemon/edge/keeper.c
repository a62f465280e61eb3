/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "base/log.h"
#include "edge/confine.h"
#include "edge/serve.h"

enum {
	DELAY_MIN_MS = 100,
	DELAY_MAX_MS = 10 * 1000,
	SETTLED_MS = 60 * 1000, /* a worker that lived this long died of something new */
	END_WAIT_MS = 1000,     /* for the worker to end by itself */
};

static _Noreturn void end(struct keeper *keeper, int status)
{
	identity_wipe(&keeper->identity);
#ifdef __SANITIZE_ADDRESS__
	__lsan_do_leak_check();
#endif
	_exit(status);
}

/* They come to the whole process group on Ctrl-C or a service's stop: the one who ends us is porticod. */
static void ignore_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2 };
	sigset_t none;

	for (unsigned i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void run_worker(struct keeper *keeper, int keeper_pid)
{
	int r;

	prctl(PR_SET_NAME, "portico-edge");
	log_set_name("portico-edge");
	r = confine_to_parent(keeper_pid);
	if (!r)
		r = edge_serve(keeper->listen, keeper->listen_count, keeper->control, &keeper->identity);
	if (r)
		log_error("%s", strerror(-r));
	end(keeper, r ? 1 : 0);
}

/* Waits for the worker (-1: none) to end, or for porticod. True when porticod ended. */
static bool wait_for(const struct keeper *keeper, int worker_fd, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = keeper->control },
		{ .fd = worker_fd, .events = POLLIN },
	};

	while (poll(fds, 2, timeout_ms) < 0 && errno == EINTR)
		;
	return fds[0].revents != 0;
}

static void stop_worker(pid_t worker, int worker_fd)
{
	struct pollfd fd = { .fd = worker_fd, .events = POLLIN };

	if (poll(&fd, 1, END_WAIT_MS) <= 0)
		kill(worker, SIGKILL);
	waitpid(worker, NULL, 0);
}

/* True when porticod ended, false when the worker did, with its wait status. */
static bool keep_worker(struct keeper *keeper, int *ret_status)
{
	pid_t self = getpid(), worker = fork();
	bool ended;
	int fd;

	if (worker < 0) {
		log_error("cannot start the worker: %s", strerror(errno));
		*ret_status = 0;
		return false;
	}
	if (!worker)
		run_worker(keeper, self);
	fd = (int)syscall(SYS_pidfd_open, worker, 0); /* close-on-exec by itself; musl has no wrapper */
	if (fd < 0) {
		log_error("cannot watch the worker: %s", strerror(errno));
		kill(worker, SIGKILL);
		waitpid(worker, ret_status, 0);
		return false;
	}
	ended = wait_for(keeper, fd, -1);
	if (ended)
		stop_worker(worker, fd);
	else
		waitpid(worker, ret_status, 0);
	close(fd);
	return ended;
}

static void log_end(int status, unsigned delay_ms)
{
	if (WIFSIGNALED(status))
		log_error("the edge's worker was ended by signal %d (%s); starting it again in %u ms",
			  WTERMSIG(status), strsignal(WTERMSIG(status)), delay_ms);
	else
		log_error("the edge's worker ended with status %d; starting it again in %u ms",
			  WEXITSTATUS(status), delay_ms);
}

static int prepare(struct keeper *keeper)
{
	int keep[EDGE_LISTEN_MAX + 1], r;

	prctl(PR_SET_NAME, "portico-keeper");
	log_set_name("portico-keeper");
	ignore_signals();
	memcpy(keep, keeper->listen, sizeof(keeper->listen));
	keep[keeper->listen_count] = keeper->control;
	r = confine_descriptors(keep, keeper->listen_count + 1);
	if (!r)
		r = confine_process();
	if (!r)
		r = confine_to_parent(keeper->parent);
	return r;
}

void keeper_run(struct keeper *keeper)
{
	unsigned delay_ms = DELAY_MIN_MS;
	int r = prepare(keeper), status;

	if (r) {
		log_error("cannot give up privileges: %s", strerror(-r));
		end(keeper, 1);
	}
	for (;;) {
		uint64_t since_ms = loop_now_ms();

		if (keep_worker(keeper, &status))
			break;
		if (loop_now_ms() - since_ms >= SETTLED_MS)
			delay_ms = DELAY_MIN_MS;
		log_end(status, delay_ms);
		if (wait_for(keeper, -1, (int)delay_ms))
			break;
		delay_ms = delay_ms * 2 < DELAY_MAX_MS ? delay_ms * 2 : DELAY_MAX_MS;
	}
	end(keeper, 0);
}
