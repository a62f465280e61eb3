/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/serve.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "edge/budget.h"
#include "edge/edge.h"
#include "edge/tunnel.h"

enum {
	TUNNELS_MAX = 64,            /* some 40 kB each while idle */
	TUNNELS_PER_CLIENT_MAX = 16, /* a browser opens six */
	ACCEPTS_MAX = 16,            /* a listener and turn */
	ACCEPT_PAUSE_MS = 500,       /* when the kernel has no descriptor or memory for us */
	REFUSAL_LOG_MS = 60 * 1000,
};

struct server {
	struct loop *loop;
	struct tls_server *tls;
	unsigned listen_count;
	const int *listen;
	struct watch *listen_watch[EDGE_LISTEN_MAX];
	int control;
	struct watch *control_watch;
	bool control_full;   /* EPOLLOUT of `control` is awaited */
	struct timer *again; /* ends the next sleep early: work is left, or a handshake waits for its time */
	struct timer *accept_again;
	struct tunnel *tunnels; /* the oldest first */
	unsigned tunnel_count;
	struct budget handshakes;
	unsigned refused; /* since the last line in the log */
	uint64_t refused_at_ms;
};

/* --- accepting --- */

static void listen_for(struct server *server, uint32_t events)
{
	for (unsigned i = 0; i < server->listen_count; i++)
		watch_change(server->listen_watch[i], events);
}

static void on_accept_again(void *arg)
{
	listen_for(arg, EPOLLIN);
}

static void count_refusal(struct server *server)
{
	uint64_t now_ms = loop_now_ms();

	server->refused++;
	if (server->refused_at_ms && now_ms - server->refused_at_ms < REFUSAL_LOG_MS)
		return;
	log_warning("too many connections: %u closed (at most %d, and %d for one client)", server->refused,
		    TUNNELS_MAX, TUNNELS_PER_CLIENT_MAX);
	server->refused = 0;
	server->refused_at_ms = now_ms;
}

static unsigned count_client(const struct server *server, const struct ip *key)
{
	unsigned count = 0;

	for (const struct tunnel *tunnel = server->tunnels; tunnel; tunnel = tunnel->next)
		count += tunnel->state != TUNNEL_DONE && !ip_compare(&tunnel->key, key);
	return count;
}

/* The oldest connection of the client that has most of them, if those are more than `enough`. */
static struct tunnel *find_greedy(const struct server *server, unsigned enough)
{
	struct tunnel *found = NULL;

	for (struct tunnel *tunnel = server->tunnels; tunnel; tunnel = tunnel->next) {
		unsigned count = count_client(server, &tunnel->key);

		if (count > enough) {
			enough = count;
			found = tunnel;
		}
	}
	return found;
}

static struct tunnel *find_unfinished(const struct server *server)
{
	struct tunnel *tunnel = server->tunnels;

	while (tunnel && tunnel->state >= TUNNEL_HANDOVER && tunnel->state != TUNNEL_LINGER)
		tunnel = tunnel->next;
	return tunnel;
}

/*
 * An unfinished handshake gives way to a newcomer, whose client has `own` connections; else one of a client that
 * would still have as many: a few hosts of a LAN must not keep all others out.
 */
static bool make_room(struct server *server, unsigned own)
{
	struct tunnel *tunnel;

	if (server->tunnel_count < TUNNELS_MAX)
		return true;
	tunnel = find_unfinished(server);
	if (!tunnel)
		tunnel = find_greedy(server, own + 1);
	if (tunnel)
		tunnel->state = TUNNEL_DONE;
	return tunnel;
}

static void free_done(struct server *server)
{
	struct tunnel **link = &server->tunnels;

	while (*link) {
		struct tunnel *tunnel = *link;

		if (tunnel->state != TUNNEL_DONE) {
			link = &tunnel->next;
			continue;
		}
		*link = tunnel->next;
		server->tunnel_count--;
		tunnel_free(tunnel);
	}
}

static void take_client(struct server *server, int fd, const struct sockaddr_storage *peer)
{
	struct tunnel *tunnel, **link = &server->tunnels;
	struct ip key = tunnel_client(peer);
	unsigned own = count_client(server, &key);

	if (own >= TUNNELS_PER_CLIENT_MAX || !make_room(server, own)) {
		count_refusal(server);
		close(fd);
		return;
	}
	free_done(server);
	if (tunnel_new(server->loop, fd, peer, &tunnel) < 0)
		return;
	while (*link)
		link = &(*link)->next;
	*link = tunnel;
	server->tunnel_count++;
}

static void accept_from(struct server *server, int listen)
{
	for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
		struct sockaddr_storage peer;
		socklen_t length = sizeof(peer);
		int fd = accept4(listen, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take_client(server, fd, &peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_error("cannot accept connections: %s", strerror(errno));
			listen_for(server, 0);
			timer_start(server->accept_again, ACCEPT_PAUSE_MS);
		}
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* Which of the few listeners it was does not matter: accept4() tells. */
static void on_listen(void *arg, uint32_t events)
{
	struct server *server = arg;

	(void)events;
	for (unsigned i = 0; i < server->listen_count; i++)
		accept_from(server, server->listen[i]);
}

/* --- the channel to porticod --- */

static void on_control(void *arg, uint32_t events)
{
	struct server *server = arg;

	if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
		loop_stop(server->loop, 0);
		return;
	}
	server->control_full = false;
	watch_change(server->control_watch, EPOLLRDHUP);
	for (struct tunnel *tunnel = server->tunnels; tunnel; tunnel = tunnel->next)
		tunnel->ready |= tunnel->state == TUNNEL_HANDOVER;
}

static void await_room(struct server *server)
{
	if (server->control_full)
		return;
	server->control_full = true;
	watch_change(server->control_watch, EPOLLRDHUP | EPOLLOUT);
}

/* --- one turn --- */

static int64_t cpu_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* The oldest one that can get on. */
static struct tunnel *find_handshake(const struct server *server)
{
	struct tunnel *tunnel = server->tunnels;

	while (tunnel && (tunnel->state != TUNNEL_HANDSHAKE || !tunnel->ready))
		tunnel = tunnel->next;
	return tunnel;
}

/* One a turn: open tunnels get theirs in between. */
static void run_handshake(struct server *server)
{
	struct tunnel *tunnel = find_handshake(server);
	int64_t start_us = cpu_us();

	if (!tunnel || !budget_allows(&server->handshakes, loop_now_ms()))
		return;
	tunnel_handshake(tunnel, server->tls);
	budget_spend(&server->handshakes, cpu_us() - start_us);
}

static void on_again(void *arg)
{
	(void)arg; /* the loop only had to wake up */
}

static void on_turn(void *arg)
{
	struct server *server = arg;
	bool more = false;

	run_handshake(server);
	for (struct tunnel *tunnel = server->tunnels; tunnel; tunnel = tunnel->next) {
		if (!tunnel->ready || tunnel->state == TUNNEL_HANDSHAKE)
			continue;
		tunnel_run(tunnel, server->control);
		if (tunnel->state == TUNNEL_HANDOVER && !tunnel->ready)
			await_room(server);
		more |= tunnel->ready && tunnel->state != TUNNEL_HANDSHAKE;
	}
	free_done(server);
	if (more)
		timer_start(server->again, 0);
	else if (find_handshake(server))
		timer_start(server->again, budget_wait_ms(&server->handshakes));
}

/* --- start and end --- */

static int set_up(struct server *server, const struct identity *identity)
{
	int r = tls_server_new(identity, &server->tls);

	if (!r)
		r = loop_new(&server->loop);
	if (!r)
		r = timer_new(server->loop, on_again, server, &server->again);
	if (!r)
		r = timer_new(server->loop, on_accept_again, server, &server->accept_again);
	if (!r)
		r = loop_add_step(server->loop, on_turn, server);
	if (!r)
		r = watch_new(server->loop, server->control, EPOLLRDHUP, on_control, server,
			      &server->control_watch);
	for (unsigned i = 0; !r && i < server->listen_count; i++)
		r = watch_new(server->loop, server->listen[i], EPOLLIN, on_listen, server,
			      &server->listen_watch[i]);
	return r;
}

static void tear_down(struct server *server)
{
	for (struct tunnel *tunnel = server->tunnels; tunnel; tunnel = tunnel->next)
		tunnel->state = TUNNEL_DONE;
	free_done(server);
	for (unsigned i = 0; i < server->listen_count; i++)
		watch_free(server->listen_watch[i]);
	watch_free(server->control_watch);
	timer_free(server->again);
	timer_free(server->accept_again);
	loop_free(server->loop);
	tls_server_free(server->tls);
}

int edge_serve(const int *listen, unsigned listen_count, int control, const struct identity *identity)
{
	struct server server = {
		.listen = listen,
		.listen_count = listen_count,
		.control = control,
	};
	int r;

	budget_init(&server.handshakes, loop_now_ms());
	r = set_up(&server, identity);

	if (!r)
		r = loop_run(server.loop);
	tear_down(&server);
	return r;
}
