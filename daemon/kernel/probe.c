/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/probe.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "kernel/probe_wire.h"

enum {
	READS_PER_TURN = 64,
	CONNECTION_MAX_MS = 10000, /* an answer that takes longer is of no use to anybody */
	DNS_PORT = 53,
};

/* One that may still be answered; slot n % PROBE_OUTSTANDING_MAX belongs to sequence number n. */
struct outstanding {
	bool waits;
	uint32_t token;
	struct echo echo; /* of DNS only the sequence number, which is the query's id */
	struct ip address;
	uint16_t port;
	uint64_t sent_ns;
};

/* A socket for all probes of a family: raw, or UDP. */
struct channel {
	struct prober *prober;
	int fd; /* -1: closed */
	struct watch *watch;
};

/* A TCP connection that is being made. */
struct connection {
	struct prober *prober;
	int fd;
	struct watch *watch;
	uint32_t token;
	uint64_t began_ns;
};

struct prober {
	struct loop *loop;
	struct probe_path path;
	probe_answer_fn *answered;
	void *arg;
	bool *freed; /* set by prober_free() for who has called `answered` */
	struct channel channels[2];
	uint16_t id, sequence;
	struct outstanding outstanding[PROBE_OUTSTANDING_MAX];
	struct connection *connections[PROBE_SOCKETS_MAX]; /* NULL: free */
	struct timer *expiry;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fill_random(void *data, size_t size)
{
	/* Short requests are answered whole once the kernel has gathered enough to begin with; else any will do. */
	if (getrandom(data, size, GRND_NONBLOCK) != (ssize_t)size) {
		uint64_t now = now_ns();

		memcpy(data, &now, size < sizeof(now) ? size : sizeof(now));
	}
}

/* False: the prober is gone. */
static bool tell(struct prober *prober, uint32_t token, uint64_t sent_ns)
{
	uint64_t took_us = (now_ns() - sent_ns) / 1000;
	bool freed = false;

	prober->freed = &freed;
	prober->answered(prober->arg, token, took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX);
	if (!freed)
		prober->freed = NULL;
	return !freed;
}

/* --- sockets --- */

static socklen_t fill_address(const struct ip *ip, uint16_t port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	if (ip->family == AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, ip->bytes, sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	memcpy(&v6->sin6_addr, ip->bytes, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

static bool is_from(const struct sockaddr_storage *sender, const struct outstanding *outstanding, bool ports)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sender;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sender;
	bool v4_probe = outstanding->address.family == AF_INET;
	const void *bytes = v4_probe ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr;

	return sender->ss_family == outstanding->address.family &&
	       memcmp(bytes, outstanding->address.bytes, ip_size(outstanding->address.family)) == 0 &&
	       (!ports || ntohs(v4_probe ? v4->sin_port : v6->sin6_port) == outstanding->port);
}

/* Only the device's own packets, marked so that no rule leads them elsewhere, from the uplink's address. */
static int bind_to_uplink(int fd, const struct probe_path *path, uint8_t family)
{
	const struct ip *source = family == AF_INET ? &path->source4 : &path->source6;
	struct sockaddr_storage address;
	socklen_t length;

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, path->device,
		       (socklen_t)strnlen(path->device, sizeof(path->device))) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &path->mark, sizeof(path->mark)) < 0)
		return -errno;
	if (source->family != family)
		return 0;
	length = fill_address(source, 0, &address);
	return bind(fd, (struct sockaddr *)&address, length) < 0 ? -errno : 0;
}

/* The kernel gives echo replies to every raw socket: none but our own shall wake us. */
static int filter_echo_replies(int fd, uint8_t family, uint16_t id)
{
	struct icmp6_filter replies;

	if (family == AF_INET6) {
		ICMP6_FILTER_SETBLOCKALL(&replies);
		ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &replies);
		return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &replies, sizeof(replies)) < 0 ? -errno :
												     0;
	}
	struct sock_filter code[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), /* X: length of the IP header */
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),  /* the ICMP type */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHOREPLY, 0, 3),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4), /* the id */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

static int open_socket(const struct prober *prober, uint8_t family, int *ret_fd)
{
	static const struct {
		int type, protocol4, protocol6;
	} kinds[] = {
		[HEALTH_ICMP] = { SOCK_RAW, IPPROTO_ICMP, IPPROTO_ICMPV6 },
		[HEALTH_TCP] = { SOCK_STREAM, IPPROTO_TCP, IPPROTO_TCP },
		[HEALTH_DNS] = { SOCK_DGRAM, IPPROTO_UDP, IPPROTO_UDP },
	};
	enum health_method method = prober->path.method;
	int protocol = family == AF_INET ? kinds[method].protocol4 : kinds[method].protocol6;
	int fd = socket(family, kinds[method].type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	int r = bind_to_uplink(fd, &prober->path, family);

	if (r == 0 && method == HEALTH_ICMP)
		r = filter_echo_replies(fd, family, prober->id);
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

/* --- ICMP and DNS: one socket for all --- */

static void close_channel(struct channel *channel)
{
	watch_free(channel->watch);
	channel->watch = NULL;
	if (channel->fd >= 0)
		close(channel->fd);
	channel->fd = -1;
}

/* The outstanding probe that this answers; NULL: none. */
static struct outstanding *find_outstanding(struct prober *prober, const uint8_t *data, size_t length,
					    const struct sockaddr_storage *sender)
{
	bool icmp = prober->path.method == HEALTH_ICMP;
	struct echo echo = { 0 };
	struct outstanding *found;

	if (icmp ? !echo_parse(data, length, sender->ss_family == AF_INET6, &echo) :
		   !dns_parse(data, length, &echo.sequence))
		return NULL;
	found = &prober->outstanding[echo.sequence % PROBE_OUTSTANDING_MAX];
	if (!found->waits || found->echo.sequence != echo.sequence || !is_from(sender, found, !icmp))
		return NULL;
	if (icmp && (echo.id != found->echo.id || echo.cookie != found->echo.cookie))
		return NULL;
	return found;
}

static void on_readable(void *arg, uint32_t events)
{
	struct channel *channel = arg;
	struct prober *prober = channel->prober;

	(void)events;
	for (unsigned i = 0; i < READS_PER_TURN; i++) {
		struct sockaddr_storage sender = { 0 };
		socklen_t size = sizeof(sender);
		uint8_t data[PROBE_READ_MAX];
		ssize_t length = recvfrom(channel->fd, data, sizeof(data), 0, (struct sockaddr *)&sender,
					  &size);

		if (length < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (length < 0) { /* with its device, say; the next probe opens another */
			close_channel(channel);
			return;
		}
		struct outstanding *outstanding = find_outstanding(prober, data, (size_t)length, &sender);

		if (!outstanding)
			continue;
		outstanding->waits = false;
		if (!tell(prober, outstanding->token, outstanding->sent_ns))
			return;
	}
}

static int open_channel(struct prober *prober, struct channel *channel, uint8_t family)
{
	int r = open_socket(prober, family, &channel->fd);

	if (r == 0)
		r = watch_new(prober->loop, channel->fd, EPOLLIN, on_readable, channel, &channel->watch);
	if (r < 0)
		close_channel(channel);
	return r;
}

static struct outstanding *next_outstanding(struct prober *prober)
{
	struct outstanding *next;
	uint64_t cookie;
	uint16_t step;

	/* The id of a DNS query, which is all that it has, shall not be the one after the last. */
	fill_random(&step, sizeof(step));
	prober->sequence = prober->path.method == HEALTH_DNS ?
				   (uint16_t)(prober->sequence + 1 + (step & 0xff00)) :
				   (uint16_t)(prober->sequence + 1);
	fill_random(&cookie, sizeof(cookie));
	next = &prober->outstanding[prober->sequence % PROBE_OUTSTANDING_MAX];
	*next = (struct outstanding){ .echo = { prober->id, prober->sequence, cookie } };
	return next;
}

static int send_message(struct prober *prober, const struct probe_target *target, uint32_t token)
{
	bool v6 = target->address.family == AF_INET6, icmp = prober->path.method == HEALTH_ICMP;
	struct channel *channel = &prober->channels[v6];
	uint8_t message[ECHO_SIZE > DNS_QUERY_SIZE ? ECHO_SIZE : DNS_QUERY_SIZE];
	struct outstanding *outstanding;
	struct sockaddr_storage address;
	int r = channel->fd < 0 ? open_channel(prober, channel, target->address.family) : 0;

	if (r < 0)
		return r;
	outstanding = next_outstanding(prober);
	outstanding->token = token;
	outstanding->address = target->address;
	outstanding->port = icmp ? 0 : target->port ? target->port : (uint16_t)DNS_PORT;
	if (icmp)
		echo_build(&outstanding->echo, v6, message);
	else
		dns_build(outstanding->echo.sequence, message);
	socklen_t length = fill_address(&outstanding->address, outstanding->port, &address);

	outstanding->sent_ns = now_ns();
	if (sendto(channel->fd, message, icmp ? ECHO_SIZE : DNS_QUERY_SIZE, 0, (struct sockaddr *)&address,
		   length) < 0) {
		r = -errno;
		close_channel(channel); /* its device may be another by now */
		return r;
	}
	outstanding->waits = true;
	return 0;
}

/* --- TCP: one socket for each --- */

static void close_connection(struct prober *prober, unsigned slot)
{
	/* A reset, and nothing of it stays anywhere. */
	const struct linger at_once = { .l_onoff = 1 };
	struct connection *connection = prober->connections[slot];

	if (!connection)
		return;
	prober->connections[slot] = NULL;
	watch_free(connection->watch);
	(void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(connection->fd);
	free(connection);
}

static void on_connected(void *arg, uint32_t events)
{
	struct connection *connection = arg;
	struct prober *prober = connection->prober;
	const struct connection done = *connection;
	int error = 0;
	socklen_t size = sizeof(error);

	(void)events;
	if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	for (unsigned i = 0; i < PROBE_SOCKETS_MAX; i++)
		if (prober->connections[i] == connection)
			close_connection(prober, i);
	if (!error)
		(void)tell(prober, done.token, done.began_ns);
}

/* Closes what is too old, and comes again for the next. */
static void on_expiry(void *arg)
{
	struct prober *prober = arg;
	uint64_t now = now_ns(), oldest_ns = UINT64_MAX;

	for (unsigned i = 0; i < PROBE_SOCKETS_MAX; i++) {
		const struct connection *connection = prober->connections[i];

		if (!connection)
			continue;
		if (now - connection->began_ns >= CONNECTION_MAX_MS * UINT64_C(1000000))
			close_connection(prober, i);
		else if (connection->began_ns < oldest_ns)
			oldest_ns = connection->began_ns;
	}
	if (oldest_ns != UINT64_MAX)
		timer_start(prober->expiry, CONNECTION_MAX_MS - (now - oldest_ns) / 1000000 + 1);
}

/* A free slot, or that of the oldest connection. */
static unsigned take_slot(struct prober *prober)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < PROBE_SOCKETS_MAX; i++) {
		if (!prober->connections[i])
			return i;
		if (prober->connections[i]->began_ns < prober->connections[oldest]->began_ns)
			oldest = i;
	}
	close_connection(prober, oldest);
	return oldest;
}

static int begin_connection(struct prober *prober, const struct probe_target *target, uint32_t token)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	struct sockaddr_storage address;
	socklen_t length = fill_address(&target->address, target->port, &address);

	if (!connection)
		return -ENOMEM;
	*connection = (struct connection){ .prober = prober, .token = token, .fd = -1 };
	int r = open_socket(prober, target->address.family, &connection->fd);

	if (r < 0) {
		free(connection);
		return r;
	}
	unsigned slot = take_slot(prober);

	prober->connections[slot] = connection;
	connection->began_ns = now_ns();
	if (connect(connection->fd, (struct sockaddr *)&address, length) < 0 && errno != EINPROGRESS)
		r = -errno;
	if (r == 0)
		r = watch_new(prober->loop, connection->fd, EPOLLOUT, on_connected, connection,
			      &connection->watch);
	if (r < 0)
		close_connection(prober, slot);
	else if (!timer_running(prober->expiry))
		timer_start(prober->expiry, CONNECTION_MAX_MS);
	return r;
}

/* --- the prober --- */

int prober_new(struct loop *loop, const struct probe_path *path, probe_answer_fn *answered, void *arg,
	       struct prober **ret_prober)
{
	struct prober *prober = calloc(1, sizeof(*prober));

	if (!prober)
		return -ENOMEM;
	*prober = (struct prober){ .loop = loop, .path = *path, .answered = answered, .arg = arg };
	for (unsigned i = 0; i < 2; i++)
		prober->channels[i] = (struct channel){ .prober = prober, .fd = -1 };
	fill_random(&prober->id, sizeof(prober->id));
	fill_random(&prober->sequence, sizeof(prober->sequence));
	if (timer_new(loop, on_expiry, prober, &prober->expiry) < 0) {
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
	if (prober->freed)
		*prober->freed = true;
	for (unsigned i = 0; i < 2; i++)
		close_channel(&prober->channels[i]);
	for (unsigned i = 0; i < PROBE_SOCKETS_MAX; i++)
		close_connection(prober, i);
	timer_free(prober->expiry);
	free(prober);
}

int prober_send(struct prober *prober, const struct probe_target *target, uint32_t token)
{
	return prober->path.method == HEALTH_TCP ? begin_connection(prober, target, token) :
						   send_message(prober, target, token);
}
