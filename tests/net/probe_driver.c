/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probers by hand: commands as commands.h says. test_probe.py runs it in a router's network namespace.
 *
 *   new icmp|tcp|dns DEVICE MARK SOURCE4|- SOURCE6|-   a prober instead of the one before
 *   send ADDRESS PORT TOKEN [COUNT]   COUNT probes, with TOKEN and the numbers that follow: the names of errors
 *   answers         token and latency in us of what was answered since last asked
 *   last            the next answer frees the prober
 *   free            frees it
 *   descriptors     how many are open
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "kernel/probe.h"

enum { ANSWERS_MAX = 4096 };

static struct loop *loop;
static struct prober *prober;
static bool last;
static struct {
	uint32_t token, latency_us;
} answers[ANSWERS_MAX];
static unsigned answer_count;

static void free_prober(void)
{
	prober_free(prober);
	prober = NULL;
}

static void on_answer(void *arg, uint32_t token, uint32_t latency_us)
{
	if (arg != answers || answer_count == ANSWERS_MAX)
		abort();
	answers[answer_count].token = token;
	answers[answer_count++].latency_us = latency_us;
	if (last)
		free_prober();
}

static const char *word(void)
{
	const char *next = strtok(NULL, " ");

	if (!next)
		abort();
	return next;
}

static struct ip address(const char *text)
{
	struct ip ip = { 0 };

	if (strcmp(text, "-") != 0 && ip_parse(text, &ip) < 0)
		abort();
	return ip;
}

static void new_prober(void)
{
	struct probe_path path = { 0 };
	const char *method = word();

	path.method = strcmp(method, "icmp") == 0 ? HEALTH_ICMP :
		      strcmp(method, "tcp") == 0  ? HEALTH_TCP :
						    HEALTH_DNS;
	snprintf(path.device, sizeof(path.device), "%s", word());
	path.mark = (uint32_t)strtoul(word(), NULL, 0);
	path.source4 = address(word());
	path.source6 = address(word());
	free_prober();
	last = false;
	if (prober_new(loop, &path, on_answer, answers, &prober) < 0)
		abort();
}

static void send_probes(void)
{
	struct probe_target target = { .address = address(word()) };
	unsigned long count;
	const char *text;
	uint32_t token;

	target.port = (uint16_t)strtoul(word(), NULL, 10);
	token = (uint32_t)strtoul(word(), NULL, 10);
	text = strtok(NULL, " ");
	count = text ? strtoul(text, NULL, 10) : 1;
	while (count--) {
		int r = prober_send(prober, &target, token++);

		if (r < 0)
			puts(strerrorname_np(-r));
	}
}

static void print_answers(void)
{
	for (unsigned i = 0; i < answer_count; i++)
		printf("%u %u\n", answers[i].token, answers[i].latency_us);
	answer_count = 0;
}

static void print_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = -3; /* ".", "..", and the directory itself */

	if (!directory)
		abort();
	while (readdir(directory))
		count++;
	closedir(directory);
	printf("%d\n", count);
}

static void run(char *line)
{
	const char *command = strtok(line, " ");

	if (strcmp(command, "new") == 0)
		new_prober();
	else if (strcmp(command, "send") == 0)
		send_probes();
	else if (strcmp(command, "answers") == 0)
		print_answers();
	else if (strcmp(command, "last") == 0)
		last = true;
	else if (strcmp(command, "free") == 0)
		free_prober();
	else if (strcmp(command, "descriptors") == 0)
		print_descriptors();
	else
		abort();
}

int main(void)
{
	struct commands commands = { .run = run };

	if (loop_new(&loop) < 0)
		return 1;
	commands.loop = loop;
	if (commands_watch(&commands) < 0)
		return 1;
	int status = loop_run(loop);

	free_prober();
	watch_free(commands.watch);
	loop_free(loop);
	return status;
}
