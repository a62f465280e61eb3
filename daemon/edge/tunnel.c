/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/tunnel.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "edge/plain.h"

enum {
	ROUNDS_MAX = 4,           /* of 16 KiB in each direction, a tunnel and turn */
	HANDSHAKE_MS = 10 * 1000, /* until the connection is porticod's */
	HALF_CLOSE_RETRY_MS = 100,
	DRAIN_MS = 60 * 1000, /* for the client to fetch the rest after porticod has closed */
	LINGER_MS = 2 * 1000,
};

static void finish(struct tunnel *tunnel)
{
	tunnel->state = TUNNEL_DONE;
}

/* --- buffers --- */

static bool buffer_empty(const struct tunnel_buffer *buffer)
{
	return buffer->start == buffer->end;
}

static bool buffer_prepare(struct tunnel_buffer *buffer)
{
	buffer->start = buffer->end = 0;
	if (!buffer->data)
		buffer->data = malloc(TLS_RECORD_MAX);
	return buffer->data;
}

static void buffer_release(struct tunnel_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct tunnel_buffer){ 0 };
}

/* --- events --- */

static void on_client(void *arg, uint32_t events)
{
	struct tunnel *tunnel = arg;

	if (events & (EPOLLERR | EPOLLHUP)) {
		finish(tunnel);
		return;
	}
	if (events & (EPOLLIN | EPOLLRDHUP))
		tunnel->io.readable = true;
	if (events & EPOLLOUT)
		tunnel->io.writable = true;
	tunnel->ready = true;
}

/* A hang-up may stand behind data: reading and writing tell. */
static void on_plain(void *arg, uint32_t events)
{
	struct tunnel *tunnel = arg;

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		tunnel->plain_readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		tunnel->plain_writable = true;
	tunnel->ready = true;
}

static void on_time(void *arg)
{
	struct tunnel *tunnel = arg;

	if (tunnel->state == TUNNEL_OPEN && !tunnel->server_done)
		tunnel->ready = true; /* the half-close is tried again */
	else
		finish(tunnel);
}

/* --- start and end --- */

/* IPv4 clients of a dual-stack socket are IPv4 clients. */
static struct sockaddr_storage unmap(const struct sockaddr_storage *peer)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;
	struct sockaddr_storage plain = *peer;

	if (peer->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		struct sockaddr_in *in = (struct sockaddr_in *)&plain;

		memset(&plain, 0, sizeof(plain));
		in->sin_family = AF_INET;
		in->sin_port = in6->sin6_port;
		memcpy(&in->sin_addr, &in6->sin6_addr.s6_addr[12], sizeof(in->sin_addr));
	}
	return plain;
}

struct ip tunnel_client(const struct sockaddr_storage *peer)
{
	struct sockaddr_storage plain = unmap(peer);
	struct ip ip = ip_from_sockaddr((struct sockaddr *)&plain, NULL);

	if (ip.family == AF_INET6)
		memset(ip.bytes + 8, 0, 8);
	return ip;
}

int tunnel_new(struct loop *loop, int fd, const struct sockaddr_storage *peer, struct tunnel **ret_tunnel)
{
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
	int r;

	if (!tunnel) {
		close(fd);
		return -ENOMEM;
	}
	tunnel->loop = loop;
	tunnel->io = (struct tls_io){ .fd = fd };
	tunnel->plain = tunnel->handover = -1;
	tunnel->peer = unmap(peer);
	tunnel->key = tunnel_client(peer);
	r = timer_new(loop, on_time, tunnel, &tunnel->timer);
	if (!r)
		r = watch_new(loop, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_client, tunnel,
			      &tunnel->watch);
	if (r) {
		tunnel_free(tunnel);
		return r;
	}
	timer_start(tunnel->timer, HANDSHAKE_MS);
	*ret_tunnel = tunnel;
	return 0;
}

static void close_plain(struct tunnel *tunnel)
{
	watch_free(tunnel->plain_watch);
	tunnel->plain_watch = NULL;
	if (tunnel->plain >= 0)
		close(tunnel->plain);
	if (tunnel->handover >= 0)
		close(tunnel->handover);
	tunnel->plain = tunnel->handover = -1;
}

void tunnel_free(struct tunnel *tunnel)
{
	if (!tunnel)
		return;
	close_plain(tunnel);
	watch_free(tunnel->watch);
	timer_free(tunnel->timer);
	tls_free(tunnel->tls);
	close(tunnel->io.fd);
	buffer_release(&tunnel->up);
	buffer_release(&tunnel->down);
	free(tunnel);
}

/* --- before the tunnel is open --- */

static void linger(struct tunnel *tunnel)
{
	close_plain(tunnel);
	shutdown(tunnel->io.fd, SHUT_WR);
	timer_start(tunnel->timer, LINGER_MS);
	tunnel->state = TUNNEL_LINGER;
	tunnel->ready = true;
}

static void sniff(struct tunnel *tunnel)
{
	unsigned char first;
	ssize_t n;

	if (!tunnel->io.readable)
		return;
	n = recv(tunnel->io.fd, &first, 1, MSG_PEEK);
	if (n < 0 && errno == EAGAIN) {
		tunnel->io.readable = false;
		return;
	}
	if (n <= 0) {
		finish(tunnel);
		return;
	}
	tunnel->state = first == TLS_FIRST_BYTE ? TUNNEL_HANDSHAKE : TUNNEL_PLAIN;
	tunnel->ready = true;
}

/* True while more may come. */
static bool read_head(struct tunnel *tunnel)
{
	struct tunnel_buffer *head = &tunnel->up;
	ssize_t n;

	if (!head->data && !buffer_prepare(head)) {
		finish(tunnel);
		return false;
	}
	while (head->end < PLAIN_REQUEST_MAX) {
		n = recv(tunnel->io.fd, head->data + head->end, PLAIN_REQUEST_MAX - head->end, 0);
		if (n < 0 && errno == EAGAIN) {
			tunnel->io.readable = false;
			return true;
		}
		if (n <= 0) {
			finish(tunnel);
			return false;
		}
		head->end += (size_t)n;
	}
	return true;
}

static void answer_plain(struct tunnel *tunnel)
{
	char answer[PLAIN_ANSWER_MAX];
	ssize_t length;

	if (!tunnel->io.readable || !read_head(tunnel))
		return;
	length = plain_answer((char *)tunnel->up.data, tunnel->up.end, answer);
	if (length == -EAGAIN)
		return;
	/* An empty send buffer takes it whole. */
	if (length < 0 || send(tunnel->io.fd, answer, (size_t)length, MSG_NOSIGNAL) != length) {
		finish(tunnel);
		return;
	}
	buffer_release(&tunnel->up);
	linger(tunnel);
}

/* Made only now, so that unfinished handshakes cost porticod nothing. */
static int make_pair(struct tunnel *tunnel)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	tunnel->plain = pair[0];
	tunnel->handover = pair[1];
	r = watch_new(tunnel->loop, tunnel->plain, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_plain,
		      tunnel, &tunnel->plain_watch);
	return r;
}

void tunnel_handshake(struct tunnel *tunnel, struct tls_server *server)
{
	int r = 0;

	tunnel->ready = false;
	if (!tunnel->tls)
		r = tls_new(server, &tunnel->io, &tunnel->tls);
	if (!r)
		r = tls_handshake(tunnel->tls);
	if (r == -EAGAIN)
		return;
	if (!r)
		r = make_pair(tunnel);
	if (r) {
		log_debug("a handshake failed: %s", strerror(-r));
		finish(tunnel);
		return;
	}
	tunnel->state = TUNNEL_HANDOVER;
	tunnel->ready = true;
}

static int send_handover(int control, struct sockaddr_storage *peer, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} ancillary = { 0 };
	struct iovec iov = { .iov_base = peer, .iov_len = sizeof(*peer) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &ancillary,
		.msg_controllen = sizeof(ancillary),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(control, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void hand_over(struct tunnel *tunnel, int control)
{
	int r = send_handover(control, &tunnel->peer, tunnel->handover);

	if (r == -EAGAIN)
		return; /* serve.c sets `ready` when there is room */
	if (r) {
		log_debug("cannot hand over a connection: %s", strerror(-r));
		finish(tunnel);
		return;
	}
	close(tunnel->handover);
	tunnel->handover = -1;
	timer_stop(tunnel->timer);
	tunnel->state = TUNNEL_OPEN;
	tunnel->ready = true;
}

/* --- the open tunnel --- */

/* True if something came. */
static bool read_client(struct tunnel *tunnel)
{
	ssize_t n;

	if (tunnel->client_done || !tunnel->io.readable || !buffer_empty(&tunnel->up))
		return false;
	if (!buffer_prepare(&tunnel->up)) {
		finish(tunnel);
		return false;
	}
	n = tls_read(tunnel->tls, tunnel->up.data, TLS_RECORD_MAX);
	if (n == -EAGAIN)
		return tunnel->io.readable; /* a record without data, if it still is */
	if (n < 0) {
		/* Cut off: porticod must see the end now, not after its own timeout. */
		finish(tunnel);
		return false;
	}
	if (n == 0)
		tunnel->client_done = true;
	tunnel->up.end = (size_t)n;
	return true;
}

static bool write_plain(struct tunnel *tunnel)
{
	struct tunnel_buffer *up = &tunnel->up;
	ssize_t n;

	if (buffer_empty(up))
		return false;
	if (tunnel->deaf) {
		up->start = up->end;
		return true;
	}
	if (!tunnel->plain_writable)
		return false;
	n = send(tunnel->plain, up->data + up->start, up->end - up->start, MSG_NOSIGNAL);
	if (n >= 0) {
		up->start += (size_t)n;
		return true;
	}
	if (errno == EAGAIN) {
		tunnel->plain_writable = false;
		return false;
	}
	/* porticod has closed; its answer may still be on its way to the client. */
	tunnel->deaf = true;
	return true;
}

static bool read_plain(struct tunnel *tunnel)
{
	ssize_t n;

	if (tunnel->server_done || !tunnel->plain_readable || !buffer_empty(&tunnel->down))
		return false;
	if (!buffer_prepare(&tunnel->down)) {
		finish(tunnel);
		return false;
	}
	n = recv(tunnel->plain, tunnel->down.data, TLS_RECORD_MAX, 0);
	if (n > 0) {
		tunnel->down.end = (size_t)n;
		return true;
	}
	if (n < 0 && errno == EAGAIN) {
		tunnel->plain_readable = false;
		return false;
	}
	/* Also ECONNRESET: closed with bytes of the client unread. */
	tunnel->server_done = true;
	timer_start(tunnel->timer, DRAIN_MS);
	return true;
}

static bool write_client(struct tunnel *tunnel)
{
	struct tunnel_buffer *down = &tunnel->down;
	ssize_t n;

	if (buffer_empty(down) || !tunnel->io.writable)
		return false;
	n = tls_write(tunnel->tls, down->data + down->start, down->end - down->start);
	if (n == -EAGAIN)
		return false;
	if (n < 0) {
		finish(tunnel);
		return false;
	}
	down->start += (size_t)n;
	return true;
}

/*
 * Tells porticod that the client has said all. MHD overlooks an end that stands
 * behind data, so it comes only after everything has been read there. The
 * socket's events tell when, but for the last byte they come too early: hence the timer.
 */
static void half_close(struct tunnel *tunnel)
{
	int unread = 0;

	if (!tunnel->client_done || tunnel->half_closed || tunnel->server_done || !buffer_empty(&tunnel->up))
		return;
	if (!ioctl(tunnel->plain, SIOCOUTQ, &unread) && unread > 0) {
		timer_start(tunnel->timer, HALF_CLOSE_RETRY_MS);
		return;
	}
	shutdown(tunnel->plain, SHUT_WR);
	tunnel->half_closed = true;
}

/* porticod's end is closed and all of its bytes are out. */
static void say_goodbye(struct tunnel *tunnel)
{
	int r;

	if (!tunnel->server_done || !buffer_empty(&tunnel->down) || tunnel->notified || !tunnel->io.writable)
		return;
	r = tls_close_notify(tunnel->tls);
	if (r == -EAGAIN)
		return;
	tunnel->notified = true;
	if (r || tunnel->client_done)
		finish(tunnel);
	else
		linger(tunnel);
}

static void pump(struct tunnel *tunnel)
{
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		bool moved = read_client(tunnel);

		moved |= tunnel->state == TUNNEL_OPEN && write_plain(tunnel);
		moved |= tunnel->state == TUNNEL_OPEN && read_plain(tunnel);
		moved |= tunnel->state == TUNNEL_OPEN && write_client(tunnel);
		if (tunnel->state != TUNNEL_OPEN)
			return;
		tunnel->ready = moved;
		if (!moved)
			break;
	}
	if (buffer_empty(&tunnel->up))
		buffer_release(&tunnel->up);
	if (buffer_empty(&tunnel->down))
		buffer_release(&tunnel->down);
	half_close(tunnel);
	say_goodbye(tunnel);
}

static void discard(struct tunnel *tunnel)
{
	unsigned char waste[4096];
	ssize_t n = 0;

	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		n = recv(tunnel->io.fd, waste, sizeof(waste), 0);
		if (n <= 0)
			break;
	}
	if (n > 0)
		tunnel->ready = true;
	else if (n == 0 || errno != EAGAIN)
		finish(tunnel);
}

void tunnel_run(struct tunnel *tunnel, int control)
{
	tunnel->ready = false;
	switch (tunnel->state) {
	case TUNNEL_SNIFF:
		sniff(tunnel);
		break;
	case TUNNEL_PLAIN:
		answer_plain(tunnel);
		break;
	case TUNNEL_HANDOVER:
		hand_over(tunnel, control);
		break;
	case TUNNEL_OPEN:
		pump(tunnel);
		break;
	case TUNNEL_LINGER:
		discard(tunnel);
		break;
	case TUNNEL_HANDSHAKE:
	case TUNNEL_DONE:
		break;
	}
}
