/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/probe.h"

#include <net/if.h> /* before the kernel's own, which leaves out what this has */

#include <errno.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/crypto.h"
#include "kernel/probe_wire.h"

enum {
	DATAGRAMS_A_TURN = 64, /* what is not ours and yet comes in does not keep the loop from its work */
	PORT_DNS = 53,
};

struct channel {
	struct prober *prober;
	int fd; /* -1: closed */
	struct watch *watch;
};

struct probe {
	bool under_way;
	uint32_t token;
	struct probe_target target;
	struct probe_stamp stamp;
	uint64_t sent_ns;
	struct channel connection; /* TCP */
};

struct prober {
	struct loop *loop;
	struct probe_path path;
	probe_answer_fn *answered;
	void *arg;
	unsigned device_index; /* of the device that the sockets are bound to */
	uint16_t id, sequence;
	struct channel channel4, channel6; /* ICMP and DNS */
	struct timer *timer;               /* TCP */
	unsigned count;
	struct probe probes[];
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- sockets --- */

/* The kernel drops what answers the pings of others. A packet begins with its IP header in IPv4 alone. */
static int accept_echo_replies(int fd, uint8_t family, uint16_t id)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, offsetof(struct icmphdr, un.echo.id)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	const struct icmp_filter filter4 = { .data = ~(1u << ICMP_ECHOREPLY) };
	struct icmp6_filter filter6;
	int r;

	if (family == AF_INET) {
		code[0] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0);
		r = setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter4, sizeof(filter4));
	} else {
		ICMP6_FILTER_SETBLOCKALL(&filter6);
		ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter6);
		r = setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6, sizeof(filter6));
	}
	if (r < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return -errno;
	return 0;
}

static int set_up(const struct prober *prober, int fd, uint8_t family)
{
	const struct probe_path *path = &prober->path;
	const struct ip *source = family == AF_INET ? &path->source4 : &path->source6;
	/* Closing ends a connection with a reset: nothing of it stays here, or at the target. */
	const struct linger at_once = { .l_onoff = 1 };
	struct sockaddr_storage address;

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, path->device, strnlen(path->device, IFNAMSIZ)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &path->mark, sizeof(path->mark)) < 0)
		return -errno;
	if (path->method == HEALTH_TCP &&
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) < 0)
		return -errno;
	if (source->family != AF_UNSPEC) {
		socklen_t length = ip_to_sockaddr(source, 0, &address);

		if (bind(fd, (struct sockaddr *)&address, length) < 0)
			return -errno;
	}
	return path->method == HEALTH_ICMP ? accept_echo_replies(fd, family, prober->id) : 0;
}

static int open_socket(const struct prober *prober, uint8_t family)
{
	int type = 0, protocol = 0;

	switch (prober->path.method) {
	case HEALTH_ICMP:
		type = SOCK_RAW;
		protocol = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		break;
	case HEALTH_TCP:
		type = SOCK_STREAM;
		break;
	case HEALTH_DNS:
		type = SOCK_DGRAM;
		break;
	}
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	int r = set_up(prober, fd, family);

	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static void channel_close(struct channel *channel)
{
	watch_free(channel->watch);
	channel->watch = NULL;
	if (channel->fd >= 0)
		close(channel->fd);
	channel->fd = -1;
}

/* `fn` is called with `arg`. Does nothing if it is open. */
static int channel_open(struct channel *channel, uint8_t family, uint32_t events, watch_fn *fn, void *arg)
{
	if (channel->fd >= 0)
		return 0;
	int r = open_socket(channel->prober, family);

	if (r < 0)
		return r;
	channel->fd = r;
	r = watch_new(channel->prober->loop, channel->fd, events, fn, arg, &channel->watch);
	if (r < 0)
		channel_close(channel);
	return r;
}

/* --- probes --- */

static void forget(struct probe *probe)
{
	channel_close(&probe->connection);
	probe->under_way = false;
}

static struct probe *place_for_new(struct prober *prober)
{
	struct probe *oldest = &prober->probes[0];

	for (unsigned i = 0; i < prober->count; i++) {
		struct probe *probe = &prober->probes[i];

		if (!probe->under_way)
			return probe;
		if (probe->sent_ns < oldest->sent_ns)
			oldest = probe;
	}
	forget(oldest);
	return oldest;
}

/* The prober may be gone afterwards. */
static void answer(struct prober *prober, struct probe *probe)
{
	uint64_t latency_us = (now_ns() - probe->sent_ns + 999) / 1000;

	if (latency_us < 1)
		latency_us = 1;
	forget(probe);
	prober->answered(prober->arg, probe->token,
			 latency_us < UINT32_MAX ? (uint32_t)latency_us : UINT32_MAX);
}

/* --- ICMP and DNS --- */

static struct probe *find(struct prober *prober, const struct probe_stamp *stamp,
			  const struct probe_target *sender)
{
	for (unsigned i = 0; i < prober->count; i++) {
		struct probe *probe = &prober->probes[i];

		if (probe->under_way && probe->stamp.id == stamp->id &&
		    probe->stamp.sequence == stamp->sequence && probe->stamp.cookie == stamp->cookie &&
		    probe->target.port == sender->port &&
		    ip_compare(&probe->target.address, &sender->address) == 0)
			return probe;
	}
	return NULL;
}

/* The probe that a datagram answers; NULL if it answers none. */
static struct probe *match(struct prober *prober, const uint8_t *data, size_t length,
			   const struct sockaddr_storage *from)
{
	struct probe_target sender = { 0 };
	struct probe_stamp stamp;
	bool answers;

	sender.address = ip_from_sockaddr((const struct sockaddr *)from, &sender.port);
	if (prober->path.method == HEALTH_ICMP) {
		sender.port = 0; /* a raw socket may tell the protocol there */
		answers = probe_echo_read(sender.address.family, data, length, &stamp);
	} else {
		answers = probe_dns_read(data, length, &stamp);
	}
	return answers ? find(prober, &stamp, &sender) : NULL;
}

static void on_readable(void *arg, uint32_t events)
{
	struct channel *channel = arg;
	uint8_t data[PROBE_ANSWER_MAX];

	(void)events;
	for (unsigned i = 0; i < DATAGRAMS_A_TURN; i++) {
		struct sockaddr_storage from = { 0 };
		socklen_t from_length = sizeof(from);
		ssize_t length = recvfrom(channel->fd, data, sizeof(data), 0, (struct sockaddr *)&from,
					  &from_length);

		if (length < 0) {
			/* Never somebody else's doing: to sockets without a peer no ICMP error is told. */
			if (errno != EAGAIN && errno != EINTR)
				channel_close(channel);
			return;
		}
		struct probe *probe = match(channel->prober, data, (size_t)length, &from);

		if (probe) {
			answer(channel->prober, probe);
			return; /* what is left is for the next turn: the prober may be gone */
		}
	}
}

static int send_question(struct prober *prober, struct probe *probe)
{
	uint8_t family = probe->target.address.family, question[PROBE_QUESTION_MAX];
	struct channel *channel = family == AF_INET ? &prober->channel4 : &prober->channel6;
	struct sockaddr_storage address;
	socklen_t address_length = ip_to_sockaddr(&probe->target.address, probe->target.port, &address);
	size_t length;
	int r = channel_open(channel, family, EPOLLIN, on_readable, channel);

	if (r < 0)
		return r;
	if (prober->path.method == HEALTH_ICMP) {
		probe->stamp = (struct probe_stamp){ .id = prober->id, .sequence = prober->sequence++ };
		random_bytes(&probe->stamp.cookie, sizeof(probe->stamp.cookie));
		length = probe_echo_write(family, &probe->stamp, question);
	} else {
		probe->stamp = (struct probe_stamp){ 0 };
		random_bytes(&probe->stamp.id, sizeof(probe->stamp.id));
		length = probe_dns_write(&probe->stamp, question);
	}
	probe->sent_ns = now_ns();
	/* A failure leaves the socket open: answers to others may be on their way to it. */
	if (sendto(channel->fd, question, length, 0, (struct sockaddr *)&address, address_length) < 0)
		return -errno;
	return 0;
}

/* --- TCP --- */

static void on_connected(void *arg, uint32_t events)
{
	struct probe *probe = arg;
	int error = 0;
	socklen_t length = sizeof(error);

	(void)events;
	if (getsockopt(probe->connection.fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 || error)
		forget(probe);
	else
		answer(probe->connection.prober, probe);
}

static int connect_to(struct prober *prober, struct probe *probe)
{
	struct sockaddr_storage address;
	socklen_t length = ip_to_sockaddr(&probe->target.address, probe->target.port, &address);
	int r = channel_open(&probe->connection, probe->target.address.family, EPOLLOUT, on_connected, probe);

	if (r < 0)
		return r;
	probe->sent_ns = now_ns();
	if (connect(probe->connection.fd, (struct sockaddr *)&address, length) < 0 && errno != EINPROGRESS) {
		r = -errno;
		channel_close(&probe->connection);
		return r;
	}
	if (!timer_running(prober->timer))
		timer_start(prober->timer, PROBE_CONNECTION_MAX_MS);
	return 0;
}

/* Gives up connections that are too old, and comes back for the next one. */
static void on_timer(void *arg)
{
	const uint64_t ns_per_ms = 1000000, max_ns = PROBE_CONNECTION_MAX_MS * ns_per_ms;
	struct prober *prober = arg;
	uint64_t now = now_ns(), oldest_ns = UINT64_MAX;

	for (unsigned i = 0; i < prober->count; i++) {
		struct probe *probe = &prober->probes[i];

		if (!probe->under_way)
			continue;
		if (now - probe->sent_ns >= max_ns)
			forget(probe);
		else if (probe->sent_ns < oldest_ns)
			oldest_ns = probe->sent_ns;
	}
	if (oldest_ns != UINT64_MAX)
		timer_start(prober->timer, (oldest_ns + max_ns - now) / ns_per_ms + 1);
}

/* --- probers --- */

static void close_all(struct prober *prober)
{
	channel_close(&prober->channel4);
	channel_close(&prober->channel6);
	for (unsigned i = 0; i < prober->count; i++)
		forget(&prober->probes[i]);
}

/* Sockets stay bound to a device that was deleted or renamed; the name is what counts. */
static int follow_device(struct prober *prober)
{
	unsigned index = if_nametoindex(prober->path.device);

	if (!index)
		return -errno;
	if (index != prober->device_index)
		close_all(prober);
	prober->device_index = index;
	return 0;
}

int prober_send(struct prober *prober, const struct probe_target *target, uint32_t token)
{
	bool tcp = prober->path.method == HEALTH_TCP;

	if (ip_size(target->address.family) == 0 || (tcp && !target->port))
		return -EINVAL;
	int r = follow_device(prober);

	if (r < 0)
		return r;
	struct probe *probe = place_for_new(prober);

	probe->token = token;
	probe->target = *target;
	if (prober->path.method == HEALTH_ICMP)
		probe->target.port = 0;
	else if (!target->port)
		probe->target.port = PORT_DNS;
	r = tcp ? connect_to(prober, probe) : send_question(prober, probe);
	probe->under_way = r == 0;
	return r;
}

int prober_new(struct loop *loop, const struct probe_path *path, probe_answer_fn *answered, void *arg,
	       struct prober **ret_prober)
{
	unsigned count = path->method == HEALTH_TCP ? PROBE_SOCKETS_MAX : PROBE_OUTSTANDING_MAX;
	struct prober *prober = calloc(1, sizeof(*prober) + count * sizeof(prober->probes[0]));

	if (!prober)
		return -ENOMEM;
	prober->loop = loop;
	prober->path = *path;
	prober->answered = answered;
	prober->arg = arg;
	prober->count = count;
	random_bytes(&prober->id, sizeof(prober->id));
	prober->channel4 = prober->channel6 = (struct channel){ .prober = prober, .fd = -1 };
	for (unsigned i = 0; i < count; i++)
		prober->probes[i].connection = (struct channel){ .prober = prober, .fd = -1 };
	if (timer_new(loop, on_timer, prober, &prober->timer) < 0) {
		free(prober);
		return -ENOMEM;
	}
	*ret_prober = prober;
	return 0;
}

void prober_free(struct prober *prober)
{
	if (!prober)
		return;
	close_all(prober);
	timer_free(prober->timer);
	free(prober);
}
