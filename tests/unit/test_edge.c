/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>

#include "edge/edge.h"
#include "edge/keeper.h"

/*
 * In place of the real keeper: one that was taken over by a stranger, who may
 * send to porticod whatever the channel can carry.
 */

static void send_message(int control, const void *data, size_t length, const int *fds, unsigned count)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(16 * sizeof(int))];
	} ancillary = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = length };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *header;

	if (count) {
		message.msg_control = &ancillary;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	}
	while (sendmsg(control, &message, MSG_NOSIGNAL) < 0)
		if (errno != EAGAIN)
			_exit(2);
}

static void send_stream(int control, int family, uint16_t port)
{
	struct sockaddr_storage peer = { .ss_family = (sa_family_t)family };
	int pair[2];

	((struct sockaddr_in *)&peer)->sin_port = htons(port);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		_exit(2);
	send_message(control, &peer, sizeof(peer), &pair[1], 1);
	close(pair[1]);
}

void keeper_run(struct keeper *keeper)
{
	struct sockaddr_storage peer = { .ss_family = AF_INET };
	int control = keeper->control, many[16], streams[2], packets[2], tcp, file;

	tcp = socket(AF_INET, SOCK_STREAM, 0);
	file = open("/dev/null", O_RDWR);
	if (file < 0 || tcp < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, streams) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets) < 0)
		_exit(2);
	for (unsigned i = 0; i < 16; i++)
		many[i] = streams[0];

	send_stream(control, AF_INET, 1);
	send_message(control, &peer, sizeof(peer), NULL, 0);
	send_message(control, &peer, sizeof(peer), &file, 1);
	send_message(control, &peer, sizeof(peer), &tcp, 1);
	send_message(control, &peer, sizeof(peer), &packets[0], 1);
	send_message(control, &peer, sizeof(peer), many, 2);
	send_message(control, &peer, sizeof(peer), many, 4);
	send_message(control, &peer, sizeof(peer), many, 16);
	send_message(control, &peer, sizeof(peer) - 1, streams, 1);
	send_message(control, "x", 1, streams, 1);
	send_stream(control, AF_UNIX, 2);
	send_stream(control, AF_UNSPEC, 3);
	send_stream(control, AF_INET6, 4);
	_exit(0);
}

static char directory[] = "/tmp/portico-test-edge-XXXXXX";

struct accepted {
	unsigned count;
	uint16_t ports[16];
};

static void on_accepted(void *arg, int fd, const struct sockaddr_storage *peer)
{
	struct accepted *accepted = arg;

	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(accepted->count < 16);
	accepted->ports[accepted->count++] = ntohs(((const struct sockaddr_in *)peer)->sin_port);
	close(fd);
}

static unsigned count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void only_connections_are_taken(void **state)
{
	struct edge_options options = { .state_dir = directory,
					.listen_count = 1,
					.listen = { "127.0.0.1:0" } };
	unsigned before = count_descriptors();
	struct accepted accepted = { 0 };
	uint16_t ports[EDGE_LISTEN_MAX];
	struct err err = { 0 };
	struct edge *edge;
	struct loop *loop;

	(void)state;
	/* Descriptors that no room was given for stay open in the emulator. */
	if (getenv("PORTICO_EMULATED"))
		skip();
	assert_int_equal(edge_start(&options, &edge, ports, &err), 0);
	assert_int_not_equal(ports[0], 0);
	assert_int_equal(count_descriptors(), before + 1); /* the channel; neither sockets nor key files */
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(edge_attach(edge, loop, on_accepted, &accepted), 0);

	/* It ends after its last message, and porticod with it. */
	assert_int_equal(loop_run(loop), 1);
	assert_int_equal(accepted.count, 2);
	assert_int_equal(accepted.ports[0], 1);
	assert_int_equal(accepted.ports[1], 4);
	edge_stop(edge);
	loop_free(loop);
	assert_int_equal(count_descriptors(), before);
}

static void failures_leave_nothing_open(void **state)
{
	struct edge_options options = { .state_dir = directory, .listen_count = 2 };
	unsigned before = count_descriptors();
	uint16_t ports[EDGE_LISTEN_MAX];
	struct err err = { 0 };
	struct edge *edge;

	(void)state;
	options.listen[0] = "127.0.0.1:0";
	options.listen[1] = "nonsense";
	assert_true(edge_start(&options, &edge, ports, &err) < 0);
	assert_non_null(strstr(err.detail, "nonsense"));
	options.listen_count = 0;
	assert_true(edge_start(&options, &edge, ports, &err) < 0);
	assert_int_equal(count_descriptors(), before);
	edge_stop(NULL);
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = { "key.pem", "cert.pem" };
	char path[128];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_connections_are_taken),
		cmocka_unit_test(failures_leave_nothing_open),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
