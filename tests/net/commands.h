/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_TESTS_COMMANDS_H
#define PORTICO_TESTS_COMMANDS_H

/*
 * Commands on stdin, one a line, answers on stdout, each ended by a line with a single dot; the end of stdin ends
 * the loop. tests/lab/driver.py is the other side.
 */

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/loop.h"

struct commands {
	struct loop *loop;
	void (*run)(char *line); /* writes the answer, but for the dot */
	char input[256];
	size_t length;
	struct watch *watch;
};

static inline void commands_on_stdin(void *arg, uint32_t events)
{
	struct commands *commands = arg;
	char *input = commands->input, *end;
	ssize_t n = read(STDIN_FILENO, input + commands->length,
			 sizeof(commands->input) - 1 - commands->length);

	(void)events;
	if (n <= 0) {
		loop_stop(commands->loop, 0);
		return;
	}
	commands->length += (size_t)n;
	input[commands->length] = '\0';
	while ((end = strchr(input, '\n'))) {
		*end = '\0';
		commands->run(input);
		puts(".");
		fflush(stdout);
		commands->length -= (size_t)(end + 1 - input);
		memmove(input, end + 1, commands->length + 1);
	}
}

static inline int commands_watch(struct commands *commands)
{
	return watch_new(commands->loop, STDIN_FILENO, EPOLLIN, commands_on_stdin, commands,
			 &commands->watch);
}

#endif
