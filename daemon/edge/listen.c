/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

enum {
	BACKLOG = 64,
	/* A peer that vanished is noticed within about two minutes, also on an idle event stream. */
	KEEPALIVE_IDLE_S = 60,
	KEEPALIVE_INTERVAL_S = 15,
	KEEPALIVE_COUNT = 4,
	USER_TIMEOUT_MS = 120 * 1000,
};

/* Decimal without sign, space or leading zero. */
static int parse_port(const char *text, uint16_t *ret_port)
{
	unsigned port = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		port = port * 10 + (unsigned)(*text - '0');
		if (port > UINT16_MAX)
			return -EINVAL;
	}
	*ret_port = (uint16_t)port;
	return 0;
}

int endpoint_parse(const char *text, struct endpoint *ret_endpoint, struct err *err)
{
	struct endpoint endpoint = { 0 };
	char address[IP_TEXT_MAX];
	const char *from = text, *to, *colon = strrchr(text, ':');

	if (!colon)
		return err_set(err, ERR_INVALID,
			       "listen address \"%.100s\": the port is missing, say ADDR:PORT", text);
	to = colon;
	if (*text == '[') {
		from = text + 1;
		to = colon - 1;
		if (to < from || *to != ']')
			return err_set(err, ERR_INVALID, "listen address \"%.100s\": say [ADDR]:PORT", text);
	} else if (memchr(text, ':', (size_t)(colon - text))) {
		return err_set(err, ERR_INVALID,
			       "listen address \"%.100s\": an IPv6 address goes in brackets, say [ADDR]:PORT",
			       text);
	}
	if ((size_t)(to - from) >= sizeof(address))
		return err_set(err, ERR_INVALID, "listen address \"%.100s\": not an IP address", text);
	memcpy(address, from, (size_t)(to - from));
	address[to - from] = '\0';
	if (ip_parse(address, &endpoint.address) < 0 ||
	    (endpoint.address.family == AF_INET6) != (*text == '['))
		return err_set(
			err, ERR_INVALID,
			"listen address \"%.100s\": \"%s\" is not an IP address (names are not looked up)",
			text, address);
	if (parse_port(colon + 1, &endpoint.port) < 0)
		return err_set(err, ERR_INVALID,
			       "listen address \"%.100s\": \"%.20s\" is not a port (0-65535)", text,
			       colon + 1);
	*ret_endpoint = endpoint;
	return 0;
}

const char *endpoint_format(const struct endpoint *endpoint, char text[ENDPOINT_TEXT_MAX])
{
	char address[IP_TEXT_MAX];

	ip_format(&endpoint->address, address);
	snprintf(text, ENDPOINT_TEXT_MAX, endpoint->address.family == AF_INET6 ? "[%s]:%u" : "%s:%u", address,
		 endpoint->port);
	return text;
}

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Accepted sockets inherit these from the listening one. */
static void tune(int fd)
{
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
}

static int bind_it(int fd, const struct endpoint *endpoint)
{
	struct sockaddr_storage addr;
	socklen_t length = ip_to_sockaddr(&endpoint->address, endpoint->port, &addr);
	char text[ENDPOINT_TEXT_MAX];

	if (!bind(fd, (struct sockaddr *)&addr, length))
		return 0;
	if (errno != EADDRNOTAVAIL || ip_is_unspecified(&endpoint->address))
		return -errno;
	if (set(fd, IPPROTO_IP, IP_FREEBIND, 1) < 0 || bind(fd, (struct sockaddr *)&addr, length) < 0)
		return -EADDRNOTAVAIL;
	log_warning("no device has the address of %s yet; it is served once one has",
		    endpoint_format(endpoint, text));
	return 0;
}

static int learn_port(int fd, struct endpoint *endpoint)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t length = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &length) < 0)
		return -errno;
	(void)ip_from_sockaddr((struct sockaddr *)&addr, &endpoint->port);
	return 0;
}

static int open_socket(struct endpoint *endpoint, int *ret_fd)
{
	int r, fd = socket(endpoint->address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	r = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!r && endpoint->address.family == AF_INET6)
		r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, ip_is_unspecified(&endpoint->address) ? 0 : 1);
	if (!r)
		r = bind_it(fd, endpoint);
	if (!r && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (!r)
		r = learn_port(fd, endpoint);
	if (r) {
		close(fd);
		return r;
	}
	tune(fd);
	*ret_fd = fd;
	return 0;
}

int endpoint_listen(struct endpoint *endpoint, int *ret_fd, struct err *err)
{
	char text[ENDPOINT_TEXT_MAX];
	int r = open_socket(endpoint, ret_fd);

	if ((r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) && endpoint->address.family == AF_INET6 &&
	    ip_is_unspecified(&endpoint->address)) {
		endpoint->address = (struct ip){ .family = AF_INET };
		log_info("this machine has no IPv6: listening on %s", endpoint_format(endpoint, text));
		r = open_socket(endpoint, ret_fd);
	}
	if (r)
		return err_set(err, ERR_UNAVAILABLE, "cannot listen on %s: %s",
			       endpoint_format(endpoint, text), strerror(-r));
	return 0;
}
