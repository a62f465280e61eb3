/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The edge without porticod: edge_driver STATE_DIR ADDR:PORT... starts it and
 * answers the plain HTTP at the other end with a few toy pages, a thread per
 * connection. Lines on stdout: "newest TLSv1.3", "ports N...", "attached", and what happens to connections:
 *
 *   open FAMILY ADDRESS      a connection came
 *   end BYTES                its end was seen after that many bytes of a body to /sink
 *
 * GET /peer: the client's address; GET /bytes/N: N bytes; POST /echo: the body;
 * POST /sink: reads the body and answers its length; POST /refuse: answers 413 without reading, and closes.
 * With EDGE_DRIVER_WAIT in the environment it attaches to the edge only at SIGUSR1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "edge/edge.h"

#if MBEDTLS_VERSION_NUMBER >= 0x03000000 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
#define NEWEST "TLSv1.3"
#else
#define NEWEST "TLSv1.2"
#endif

enum { HEAD_MAX = 8192, CHUNK = 65536 };

struct client {
	int fd;
	char peer[INET6_ADDRSTRLEN];
	size_t length; /* bytes in `data` */
	char data[HEAD_MAX + 1];
};

static bool send_all(int fd, const void *data, size_t length)
{
	while (length) {
		ssize_t n = send(fd, data, length, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data = (const char *)data + n;
		length -= (size_t)n;
	}
	return true;
}

static bool answer(int fd, const char *status, size_t length)
{
	char head[256];

	snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status, length);
	return send_all(fd, head, strlen(head));
}

/* Byte number `at` of the pages of bytes. */
static void fill(unsigned char *data, size_t length, size_t at)
{
	for (size_t i = 0; i < length; i++)
		data[i] = (unsigned char)((at + i) * 31 + ((at + i) >> 8));
}

static bool send_bytes(int fd, size_t length)
{
	unsigned char chunk[CHUNK];

	if (!answer(fd, "200 OK", length))
		return false;
	for (size_t at = 0; at < length; at += CHUNK) {
		size_t n = length - at < CHUNK ? length - at : CHUNK;

		fill(chunk, n, at);
		if (!send_all(fd, chunk, n))
			return false;
	}
	return true;
}

/* Reads the body, into `body` if that is given. What came: less than `length` if the connection ended. */
static size_t read_body(struct client *client, size_t length, char *body)
{
	char waste[CHUNK];
	size_t have = client->length < length ? client->length : length;

	if (body)
		memcpy(body, client->data, have);
	memmove(client->data, client->data + have, client->length - have);
	client->length -= have;
	while (have < length) {
		size_t want = length - have;
		ssize_t n = body ? recv(client->fd, body + have, want, 0) :
				   recv(client->fd, waste, want < CHUNK ? want : CHUNK, 0);

		if (n <= 0)
			break;
		have += (size_t)n;
	}
	return have;
}

static bool echo(struct client *client, size_t length)
{
	char *body = malloc(length ? length : 1);
	bool ok = body && read_body(client, length, body) == length && answer(client->fd, "200 OK", length) &&
		  send_all(client->fd, body, length);

	free(body);
	return ok;
}

static bool sink(struct client *client, size_t length)
{
	size_t have = read_body(client, length, NULL);
	char text[32];

	if (have < length) {
		printf("end %zu\n", have);
		return false;
	}
	snprintf(text, sizeof(text), "%zu", have);
	return answer(client->fd, "200 OK", strlen(text)) && send_all(client->fd, text, strlen(text));
}

static size_t content_length(const char *head)
{
	const char *field = strcasestr(head, "\r\nContent-Length:");

	return field ? strtoul(field + 17, NULL, 10) : 0;
}

static bool serve_request(struct client *client)
{
	char *end = strstr(client->data, "\r\n\r\n");
	char path[64], method[16];
	size_t length, head;

	if (!end || sscanf(client->data, "%15s %63s", method, path) != 2)
		return false;
	length = content_length(client->data);
	head = (size_t)(end + 4 - client->data);
	client->length -= head;
	memmove(client->data, client->data + head, client->length);
	if (!strcmp(path, "/peer"))
		return answer(client->fd, "200 OK", strlen(client->peer)) &&
		       send_all(client->fd, client->peer, strlen(client->peer));
	if (!strncmp(path, "/bytes/", 7))
		return send_bytes(client->fd, strtoul(path + 7, NULL, 10));
	if (!strcmp(path, "/echo"))
		return echo(client, length);
	if (!strcmp(path, "/sink"))
		return sink(client, length);
	answer(client->fd, !strcmp(path, "/refuse") ? "413 Too Large" : "404 Not Found", 0);
	return false;
}

static void *serve_client(void *arg)
{
	struct client *client = arg;

	for (;;) {
		ssize_t n;

		client->data[client->length] = '\0';
		if (strstr(client->data, "\r\n\r\n")) {
			if (!serve_request(client))
				break;
			continue;
		}
		if (client->length == HEAD_MAX)
			break;
		n = recv(client->fd, client->data + client->length, HEAD_MAX - client->length, 0);
		if (n <= 0) {
			puts("end 0");
			break;
		}
		client->length += (size_t)n;
	}
	close(client->fd);
	free(client);
	return NULL;
}

static void on_accepted(void *arg, int fd, const struct sockaddr_storage *peer)
{
	struct client *client = calloc(1, sizeof(*client));
	const void *address = peer->ss_family == AF_INET6 ?
				      (const void *)&((const struct sockaddr_in6 *)peer)->sin6_addr :
				      (const void *)&((const struct sockaddr_in *)peer)->sin_addr;
	pthread_t thread;

	(void)arg;
	if (!client)
		abort();
	client->fd = fd;
	inet_ntop(peer->ss_family, address, client->peer, sizeof(client->peer));
	printf("open %s %s\n", peer->ss_family == AF_INET6 ? "ipv6" : "ipv4", client->peer);
	if (fcntl(fd, F_SETFL, 0) < 0 || !(fcntl(fd, F_GETFD) & FD_CLOEXEC) ||
	    pthread_create(&thread, NULL, serve_client, client))
		abort();
	pthread_detach(thread);
}

static void on_signal(void *arg, int signo)
{
	(void)signo;
	loop_stop(arg, 0);
}

int main(int argc, char **argv)
{
	struct edge_options options = { .state_dir = argc > 1 ? argv[1] : "" };
	static const int stop[] = { SIGTERM, SIGINT };
	uint16_t ports[EDGE_LISTEN_MAX];
	struct loop *loop;
	struct edge *edge;
	struct err err = { 0 };
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("newest " NEWEST);
	for (int i = 2; i < argc && options.listen_count < EDGE_LISTEN_MAX; i++)
		options.listen[options.listen_count++] = argv[i];
	if (edge_start(&options, &edge, ports, &err) < 0) {
		fprintf(stderr, "%s\n", err.detail);
		return 1;
	}
	if (getenv("EDGE_DRIVER_WAIT")) {
		sigset_t set;

		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, NULL);
		printf("ports %u\n", ports[0]);
		sigwait(&set, &status);
	} else {
		printf("ports");
		for (unsigned i = 0; i < options.listen_count; i++)
			printf(" %u", ports[i]);
		printf("\n");
	}
	if (loop_new(&loop) < 0 || loop_add_signals(loop, stop, 2, on_signal, loop) < 0 ||
	    edge_attach(edge, loop, on_accepted, NULL) < 0)
		return 1;
	puts("attached");
	status = loop_run(loop);
	edge_stop(edge);
	loop_free(loop);
	return status;
}
