/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/edge.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ip.h"
#include "base/log.h"
#include "edge/identity.h"
#include "edge/keeper.h"
#include "edge/listen.h"

enum {
	MESSAGES_MAX = 16,   /* taken in one turn */
	DESCRIPTORS_MAX = 4, /* in one message; one is right, more are closed, yet more the kernel closes */
	/* Bytes, doubled by Linux. Some twenty connections wait there, further ones in the worker. */
	CONTROL_BUFFER = 8192,
	STOP_WAIT_MS = 3000,
};

struct edge {
	pid_t keeper;
	int control;
	struct watch *watch;
	struct loop *loop;
	void (*accepted)(void *arg, int fd, const struct sockaddr_storage *peer);
	void *arg;
};

/* --- start --- */

/* What a wildcard listener is reached by. Link-local addresses need a zone, which URLs lack. */
static void add_device_addresses(struct identity_names *names)
{
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *one = list; one; one = one->ifa_next) {
		struct ip ip = { 0 };

		if (one->ifa_addr)
			ip = ip_from_sockaddr(one->ifa_addr, NULL);
		if (ip.family != AF_UNSPEC && !ip_is_link_local(&ip))
			identity_names_add(names, &ip);
	}
	freeifaddrs(list);
}

static void find_names(const struct endpoint *endpoints, unsigned count, struct identity_names *ret_names)
{
	char host[HOST_NAME_MAX + 1] = "";

	*ret_names = (struct identity_names){ 0 };
	if (!gethostname(host, sizeof(host) - 1))
		identity_names_set_host(ret_names, host);
	for (unsigned i = 0; i < count; i++)
		if (!ip_is_unspecified(&endpoints[i].address))
			identity_names_add(ret_names, &endpoints[i].address);
	for (unsigned i = 0; i < count; i++)
		if (ip_is_unspecified(&endpoints[i].address))
			add_device_addresses(ret_names);
}

static int open_listeners(const struct edge_options *options, struct keeper *keeper,
			  struct endpoint *endpoints, struct err *err)
{
	char text[ENDPOINT_TEXT_MAX];

	for (unsigned i = 0; i < options->listen_count; i++) {
		int r = endpoint_parse(options->listen[i], &endpoints[i], err);

		if (!r)
			r = endpoint_listen(&endpoints[i], &keeper->listen[i], err);
		if (r)
			return r;
		keeper->listen_count++;
		log_info("listening on https://%s", endpoint_format(&endpoints[i], text));
	}
	return 0;
}

static int open_identity(const struct edge_options *options, const struct endpoint *endpoints,
			 struct keeper *keeper, struct err *err)
{
	char fingerprint[FINGERPRINT_TEXT_MAX];
	struct identity_names names;
	int r;

	find_names(endpoints, options->listen_count, &names);
	r = identity_obtain(options->state_dir, &names, &keeper->identity);
	if (r)
		return err_set(err, ERR_INTERNAL, "cannot make a certificate: %s", strerror(-r));
	identity_fingerprint(&keeper->identity, fingerprint);
	log_info("the certificate's SHA-256 fingerprint is %s", fingerprint);
	return 0;
}

static int start_keeper(struct keeper *keeper, struct edge *edge, struct err *err)
{
	int pair[2], size = CONTROL_BUFFER, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, ERR_INTERNAL, "no channel to the edge: %s", strerror(errno));
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	keeper->control = pair[1];
	keeper->parent = getpid();
	edge->keeper = fork();
	if (!edge->keeper)
		keeper_run(keeper);
	if (edge->keeper < 0) {
		r = err_set(err, ERR_INTERNAL, "cannot start the edge: %s", strerror(errno));
		close(pair[0]);
	} else {
		r = 0;
		edge->control = pair[0];
	}
	close(pair[1]);
	return r;
}

static int start(const struct edge_options *options, struct keeper *keeper, struct edge *edge,
		 uint16_t ret_ports[EDGE_LISTEN_MAX], struct err *err)
{
	struct endpoint endpoints[EDGE_LISTEN_MAX] = { 0 };
	int r;

	if (!options->listen_count || options->listen_count > EDGE_LISTEN_MAX)
		return err_set(err, ERR_INVALID, "between 1 and %d listen addresses, please",
			       EDGE_LISTEN_MAX);
	r = open_listeners(options, keeper, endpoints, err);
	if (!r)
		r = open_identity(options, endpoints, keeper, err);
	if (!r)
		r = start_keeper(keeper, edge, err);
	for (unsigned i = 0; !r && i < options->listen_count; i++)
		ret_ports[i] = endpoints[i].port;
	return r;
}

/* porticod keeps neither the sockets nor the key. */
static void keeper_free(struct keeper *keeper)
{
	for (unsigned i = 0; i < keeper->listen_count; i++)
		close(keeper->listen[i]);
	identity_wipe(&keeper->identity);
	free(keeper);
}

int edge_start(const struct edge_options *options, struct edge **ret_edge,
	       uint16_t ret_ports[EDGE_LISTEN_MAX], struct err *err)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	struct edge *edge = calloc(1, sizeof(*edge));
	int r;

	if (keeper && edge)
		r = start(options, keeper, edge, ret_ports, err);
	else
		r = err_set(err, ERR_INTERNAL, "out of memory");
	if (keeper)
		keeper_free(keeper);
	if (r)
		free(edge);
	else
		*ret_edge = edge;
	return r;
}

/* --- the channel --- */

/* The edge faces strangers, so what it sends is checked. */
static bool is_stream(int fd)
{
	int domain = 0, type = 0;
	socklen_t length = sizeof(int);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) && domain == AF_UNIX &&
	       !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) && type == SOCK_STREAM &&
	       !fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* Takes the descriptors out of the message; returns the only one, or -1 (then none is left open). */
static int take_descriptor(struct msghdr *message)
{
	int fds[DESCRIPTORS_MAX], count = 0;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(header), (size_t)count * sizeof(int));
		break; /* Linux delivers one such header a message */
	}
	if (count == 1 && is_stream(fds[0]))
		return fds[0];
	for (int i = 0; i < count; i++)
		close(fds[i]);
	return -1;
}

/* 1: a connection was taken or refused; 0: nothing more; -EPIPE: the edge is gone. */
static int receive(struct edge *edge)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
	} ancillary;
	struct sockaddr_storage peer = { 0 };
	struct iovec iov = { .iov_base = &peer, .iov_len = sizeof(peer) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &ancillary,
		.msg_controllen = sizeof(ancillary),
	};
	ssize_t n = recvmsg(edge->control, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -EPIPE;
	fd = take_descriptor(&message);
	if (fd < 0)
		return 1;
	if (n == sizeof(peer) && (peer.ss_family == AF_INET || peer.ss_family == AF_INET6))
		edge->accepted(edge->arg, fd, &peer);
	else
		close(fd);
	return 1;
}

static void on_control(void *arg, uint32_t events)
{
	struct edge *edge = arg;
	int r = 1;

	(void)events;
	for (unsigned i = 0; r > 0 && i < MESSAGES_MAX; i++)
		r = receive(edge);
	if (r >= 0)
		return;
	/* Its sockets and key are gone with it, and the rights to open new ones are given up. */
	log_error("the edge process is gone; ending, to be started again");
	watch_free(edge->watch);
	edge->watch = NULL;
	loop_stop(edge->loop, 1);
}

int edge_attach(struct edge *edge, struct loop *loop,
		void (*accepted)(void *arg, int fd, const struct sockaddr_storage *peer), void *arg)
{
	edge->loop = loop;
	edge->accepted = accepted;
	edge->arg = arg;
	return watch_new(loop, edge->control, EPOLLIN, on_control, edge, &edge->watch);
}

/* --- end --- */

/* The channel's end is what ends them. A signal is the last resort, which only root may send. */
static void wait_for_keeper(pid_t keeper)
{
	int fd = (int)syscall(SYS_pidfd_open, keeper, 0);
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return;
	if (poll(&pollfd, 1, STOP_WAIT_MS) <= 0) {
		log_error("the edge does not end");
		kill(keeper, SIGKILL);
		poll(&pollfd, 1, STOP_WAIT_MS);
	}
	waitpid(keeper, NULL, WNOHANG);
	close(fd);
}

void edge_stop(struct edge *edge)
{
	if (!edge)
		return;
	watch_free(edge->watch);
	close(edge->control);
	wait_for_keeper(edge->keeper);
	free(edge);
}
