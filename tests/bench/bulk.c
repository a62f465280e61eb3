/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an established connection carries: one TCP connection between two network namespaces, as much as goes
 * through for a while.
 *
 * Prints one line: bytes received, nanoseconds that it took.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	CHUNK_BYTES = 256 << 10,
	BUFFER_BYTES = 4 << 20,
	WAKE_BYTES =
		1 << 20, /* the receiver sleeps until so much is there: waking it up is not what we measure */
	WARM_UP_MS = 100,  /* for the window to open */
	CONNECT_MS = 3000, /* for a relay to listen, and to connect */
	MILLISECONDS_MAX = 60000,
};

static void enter(const char *netns)
{
	char path[128];

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	close(fd);
}

static unsigned parse_number(const char *text, unsigned max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || !value || value > max)
		errx(2, "not a number from 1 to %u: %s", max, text);
	return (unsigned)value;
}

static struct sockaddr_in parse_address(const char *address, const char *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)parse_number(port, UINT16_MAX)) };

	if (inet_pton(AF_INET, address, &in.sin_addr) != 1)
		errx(2, "not an address: %s", address);
	return in;
}

static int listen_at(const char *netns, const struct sockaddr_in *at)
{
	enter(netns);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, bytes = BUFFER_BYTES;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    bind(fd, (const struct sockaddr *)at, sizeof(*at)) || listen(fd, 1))
		err(1, "listen");
	return fd;
}

static int connect_to(const char *netns, const struct sockaddr_in *to)
{
	enter(netns);
	for (int left = CONNECT_MS / 10; left; left--) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			err(1, "socket");
		if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0)
			return fd;
		if (errno != ECONNREFUSED)
			err(1, "connect");
		close(fd);
		poll(NULL, 0, 10);
	}
	errx(1, "nobody listens");
}

static int accept_one(int listener)
{
	struct pollfd ready = { .fd = listener, .events = POLLIN };
	int fd = poll(&ready, 1, CONNECT_MS) == 1 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
	int wake = WAKE_BYTES;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &wake, sizeof(wake)))
		errx(1, "the connection did not arrive");
	return fd;
}

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void *send_all(void *argument)
{
	static char chunk[CHUNK_BYTES];
	int fd = *(int *)argument;

	while (send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

/* Nobody looks at what came: the kernel need not copy it. */
static uint64_t receive_for(int fd, uint64_t ms)
{
	uint64_t end = now_ns() + ms * 1000000, bytes = 0;

	while (now_ns() < end) {
		ssize_t got = recv(fd, NULL, CHUNK_BYTES, MSG_TRUNC);

		if (got <= 0)
			errx(1, "the connection ended");
		bytes += (uint64_t)got;
	}
	return bytes;
}

int main(int argc, char **argv)
{
	if (argc != 8)
		errx(2, "usage: bulk FROM ADDRESS PORT TO ADDRESS PORT MILLISECONDS");

	struct sockaddr_in target = parse_address(argv[2], argv[3]), sink = parse_address(argv[5], argv[6]);
	unsigned ms = parse_number(argv[7], MILLISECONDS_MAX);
	int listener = listen_at(argv[4], &sink), sender = connect_to(argv[1], &target);
	int receiver = accept_one(listener);
	pthread_t thread;

	if (pthread_create(&thread, NULL, send_all, &sender))
		errx(1, "no thread");
	receive_for(receiver, WARM_UP_MS);

	uint64_t begin = now_ns(), bytes = receive_for(receiver, ms);

	printf("%llu %llu\n", (unsigned long long)bytes, (unsigned long long)(now_ns() - begin));
	shutdown(receiver, SHUT_RDWR);
	shutdown(sender, SHUT_RDWR);
	pthread_join(thread, NULL);
	return 0;
}
