/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portico password: the way back in for who has forgotten it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/command.h"

enum { LINE_MAX_BYTES = 1024 }; /* more than the daemon takes: that it is too long is for it to say */

static int print_help(void)
{
	puts("portico password: set the password of the admin page\n"
	     "\n"
	     "  portico password                        ask for it, twice\n"
	     "  portico password --password-file FILE   take the first line of the file\n"
	     "\n"
	     "  --password-file FILE   - for the standard input\n"
	     "  --json                 print the API's JSON\n"
	     "\n"
	     "The old one is not asked for: who can open the daemon's socket is root. Whoever\n"
	     "is logged in with it is logged out; tokens stay. Before the first run of the\n"
	     "page it takes the place of that.");
	return EXIT_OK;
}

/* --- asking --- */

static const int stops[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static void on_signal(int signo)
{
	(void)signo;
}

/*
 * Ctrl-C and the like end the waiting for a line, so that the terminal gets its echo back. They are blocked at any other
 * time, or one could come just before the waiting begins, and be lost.
 */
static void hold_signals(sigset_t *ret_before)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t held;

	sigemptyset(&held);
	for (unsigned i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		sigaction(stops[i], &action, NULL);
		sigaddset(&held, stops[i]);
	}
	signal(SIGTSTP, SIG_IGN);
	sigprocmask(SIG_BLOCK, &held, ret_before);
}

static void release_signals(const sigset_t *before)
{
	for (unsigned i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		signal(stops[i], SIG_DFL);
	signal(SIGTSTP, SIG_DFL);
	sigprocmask(SIG_SETMASK, before, NULL);
}

/* The line, without its end. False: there is none, or a signal came. */
static bool read_line(int terminal, const sigset_t *signals, char line[LINE_MAX_BYTES])
{
	struct pollfd fd = { .fd = terminal, .events = POLLIN };
	ssize_t length;

	if (ppoll(&fd, 1, NULL, signals) < 0)
		return false;
	length = read(terminal, line, LINE_MAX_BYTES - 1);
	if (length <= 0)
		return false;
	line[length] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	return true;
}

static bool ask(int terminal, const sigset_t *signals, const char *question, char line[LINE_MAX_BYTES])
{
	dprintf(terminal, "%s", question);

	bool read = read_line(terminal, signals, line);

	dprintf(terminal, "\n"); /* the one that was typed is not seen */
	return read;
}

/* Asks the terminal, wherever the standard input is from. */
static int ask_twice(json_t *body)
{
	int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC), rc = EXIT_FAILED;
	char first[LINE_MAX_BYTES], second[LINE_MAX_BYTES];
	struct termios before, silent;
	sigset_t signals;

	if (terminal < 0 || tcgetattr(terminal, &before) < 0) {
		if (terminal >= 0)
			close(terminal);
		return usage_error("there is no terminal to ask at: --password-file FILE, or - for the "
				   "standard input");
	}
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	hold_signals(&signals);
	tcsetattr(terminal, TCSAFLUSH, &silent);
	if (!ask(terminal, &signals, "New password of the admin page: ", first) ||
	    !ask(terminal, &signals, "The same once more: ", second)) {
		fputs("portico: the password stays as it is\n", stderr);
	} else if (strcmp(first, second) != 0) {
		fputs("portico: the two are not the same; the password stays as it is\n", stderr);
	} else {
		json_object_set_new(body, "password", text_json(first, strlen(first)));
		rc = EXIT_OK;
	}
	tcsetattr(terminal, TCSAFLUSH, &before);
	close(terminal);
	release_signals(&signals);
	explicit_bzero(first, sizeof(first));
	explicit_bzero(second, sizeof(second));
	return rc;
}

int password_command(const struct command *command)
{
	const char *password_file = NULL, *more;
	const struct flag flags[] = { { .name = "--password-file", .value = &password_file } };
	json_t *body, *answer;
	int rc;

	if (command->help)
		return print_help();
	if (command->confirm_within)
		return refuse_trial("password");
	rc = read_flags(command, "password", flags, 1, &more);
	if (rc == EXIT_OK && more) /* the list of processes shows it to everybody */
		rc = usage_error(
			"the password is no argument; `portico password --help` tells how it is given");
	if (rc != EXIT_OK)
		return rc;
	body = json_object();
	rc = password_file ? add_secret(body, "password", password_file) : ask_twice(body);
	if (rc == EXIT_OK)
		rc = call(command, NULL, "PUT", "/password", body, &answer);
	json_decref(body);
	if (rc != EXIT_OK)
		return rc;
	if (command->json)
		print_json(answer);
	else
		puts("the password is set; whoever was logged in is logged out.");
	json_decref(answer);
	return EXIT_OK;
}
