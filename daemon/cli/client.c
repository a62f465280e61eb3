/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"

static int fail(const char *socket_path, const char *what)
{
	fprintf(stderr, "portico: %s at %s%s\n", what, socket_path,
		errno == ENOENT || errno == ECONNREFUSED ? "; is porticod running?" :
		errno == EACCES                          ? "; only root may" :
							   "");
	return -1;
}

static int connect_to(const char *socket_path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval timeout = { .tv_sec = REPLY_TIMEOUT_S };
	size_t length = strlen(socket_path);
	int fd;

	if (length >= sizeof(address.sun_path)) {
		fprintf(stderr, "portico: --socket: the path is too long\n");
		return -1;
	}
	memcpy(address.sun_path, socket_path, length);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		fail(socket_path, "cannot reach porticod");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* A daemon that refuses a long body closes early: what it has answered is read all the same. */
static int send_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EPIPE || errno == ECONNRESET ? 0 : -1;
		data += sent;
		length -= (size_t)sent;
	}
	return 0;
}

static int receive_all(int fd, struct buf *buf)
{
	char data[16384];

	for (;;) {
		ssize_t got = recv(fd, data, sizeof(data), 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == ECONNRESET && buf->length > 0 ? 0 : -1;
		if (got == 0)
			return buf->failed ? -1 : 0;
		buf_add(buf, data, (size_t)got);
	}
}

static int send_request(int fd, const char *method, const char *path, const json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	struct buf head;
	int rc;

	buf_init(&head, 4096);
	buf_printf(&head, "%s /api/v1%s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n", method, path);
	if (text)
		buf_printf(&head, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(text));
	buf_puts(&head, "\r\n");
	rc = send_all(fd, buf_text(&head), head.length);
	if (rc == 0 && text)
		rc = send_all(fd, text, strlen(text));
	buf_done(&head);
	free(text);
	return rc;
}

/* The three digits of "HTTP/1.x 200 ...", or -1. */
static int parse_status(const char *text)
{
	int status = 0;

	if (strncmp(text, "HTTP/1.", 7) != 0 || strlen(text) < 12 || text[8] != ' ')
		return -1;
	for (unsigned i = 9; i < 12; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		status = status * 10 + (text[i] - '0');
	}
	return status;
}

/* The status, headers, which say nothing more that is needed here, then the body up to the end. */
static int parse_reply(const struct buf *buf, struct reply *ret_reply)
{
	const char *text = buf_text(buf);
	const char *body = strstr(text, "\r\n\r\n");
	size_t length;

	ret_reply->status = parse_status(text);
	if (!body || ret_reply->status < 0)
		return -1;
	body += 4;
	length = buf->length - (size_t)(body - text);
	ret_reply->json = length > 0 ? json_loadb(body, length, JSON_DECODE_ANY, NULL) : NULL;
	return length > 0 && !ret_reply->json ? -1 : 0;
}

/* --- answers without end --- */

struct follower {
	void (*line)(void *arg, const char *line);
	void *arg;
	int status;     /* 0: it has not come yet */
	bool headers;   /* are behind us */
	long long left; /* of the body, as the headers announce it; 0 also where they do not */
	struct buf buf; /* the line that has begun; the whole body of a refusal */
};

/* False: what answers is not porticod. */
static bool take_line(struct follower *follower)
{
	const char *text = buf_text(&follower->buf);

	if (!follower->status)
		follower->status = parse_status(text);
	else if (!follower->headers && strncasecmp(text, "Content-Length:", 15) == 0)
		follower->left = strtoll(text + 15, NULL, 10);
	else if (!follower->headers)
		follower->headers = text[strspn(text, "\r")] == '\0';
	else
		follower->line(follower->arg, text);
	buf_done(&follower->buf);
	buf_init(&follower->buf, REPLY_MAX);
	return follower->status > 0;
}

static bool take_data(struct follower *follower, const char *data, size_t length)
{
	while (length > 0) {
		bool body = follower->headers, lines = !body || follower->status == 200;
		const char *end = lines ? memchr(data, '\n', length) : NULL;
		size_t part = end ? (size_t)(end - data) : length;

		buf_add(&follower->buf, data, part);
		if (follower->buf.failed || (end && !take_line(follower)))
			return false;
		part += end != NULL;
		follower->left -= body ? (long long)part : 0;
		data += part;
		length -= part;
	}
	return true;
}

static int follow(int fd, const char *socket_path, struct follower *follower)
{
	char data[16384];
	ssize_t got;

	for (;;) {
		got = recv(fd, data, sizeof(data), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return follower->left > 0 ? fail(socket_path, "the answer ended too early") : 0;
		if (got < 0)
			return fail(socket_path, errno == EAGAIN ? "no word from porticod any more" :
								   "cannot hear porticod");
		errno = 0;
		if (!take_data(follower, data, (size_t)got))
			return fail(socket_path, "what answers is not porticod");
	}
}

int client_follow(const char *socket_path, const char *path, void (*line)(void *arg, const char *line),
		  void *arg, struct reply *ret_reply)
{
	struct follower follower = { .line = line, .arg = arg };
	int fd = connect_to(socket_path);
	int rc;

	*ret_reply = (struct reply){ 0 };
	if (fd < 0)
		return -1;
	buf_init(&follower.buf, REPLY_MAX);
	rc = send_request(fd, "GET", path, NULL);
	if (rc < 0)
		fail(socket_path, "cannot speak to porticod");
	else
		rc = follow(fd, socket_path, &follower);
	ret_reply->status = follower.status;
	if (rc == 0 && follower.status != 200)
		ret_reply->json = json_loadb(buf_text(&follower.buf), follower.buf.length, 0, NULL);
	buf_done(&follower.buf);
	close(fd);
	return rc;
}

int client_call(const char *socket_path, const char *method, const char *path, const json_t *body,
		struct reply *ret_reply)
{
	struct buf buf;
	int fd = connect_to(socket_path);
	int rc;

	*ret_reply = (struct reply){ 0 };
	if (fd < 0)
		return -1;
	buf_init(&buf, REPLY_MAX);
	rc = send_request(fd, method, path, body);
	if (rc == 0)
		rc = receive_all(fd, &buf);
	if (rc < 0)
		fail(socket_path,
		     errno == EAGAIN ? "no answer from porticod in time" : "cannot speak to porticod");
	else if (parse_reply(&buf, ret_reply) < 0)
		rc = fail(socket_path, "what answers is not porticod");
	buf_done(&buf);
	close(fd);
	return rc;
}
