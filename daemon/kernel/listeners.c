/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By /proc/net, which needs no module (as sock_diag would) and begins with the listening ones. */
#include "kernel/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* enum tcp_state of the kernel, which udp sockets borrow: an unconnected one is "closed". */
enum { STATE_CLOSE = 7, STATE_LISTEN = 10 };
enum { LINE_MAX_BYTES = 512 };

/* Addresses are words of the kernel's own byte order, so that they are to be read back as such. */
static bool parse_address(const char *text, struct ip *ret_ip)
{
	size_t words = strlen(text) / 8;
	struct ip ip = { .family = words == 1 ? AF_INET : AF_INET6 };

	if ((words != 1 && words != 4) || strlen(text) % 8)
		return false;
	for (size_t i = 0; i < words; i++) {
		unsigned value;

		if (sscanf(text + 8 * i, "%8X", &value) != 1)
			return false;
		memcpy(ip.bytes + 4 * i, &value, 4);
	}
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (words == 4 && memcmp(ip.bytes, mapped, sizeof(mapped)) == 0) {
		memmove(ip.bytes, ip.bytes + 12, 4);
		memset(ip.bytes + 4, 0, 12);
		ip.family = AF_INET;
	}
	*ret_ip = ip;
	return true;
}

bool listener_parse(const char *line, uint8_t protocol, struct listener *ret_listener)
{
	char local[33], remote[33];
	unsigned port, remote_port, state;

	if (sscanf(line, " %*u: %32[0-9A-F]:%4X %32[0-9A-F]:%4X %2X", local, &port, remote, &remote_port,
		   &state) != 5 ||
	    state != (protocol == IPPROTO_TCP ? STATE_LISTEN : STATE_CLOSE) || !port || remote_port)
		return false;
	*ret_listener = (struct listener){ .protocol = protocol, .port = (uint16_t)port };
	return parse_address(local, &ret_listener->address);
}

static void read_file(const char *path, uint8_t protocol, struct listeners *listeners)
{
	FILE *file = fopen(path, "re");
	char line[LINE_MAX_BYTES];
	bool heading = true;

	if (!file)
		return; /* a kernel without this protocol */
	for (unsigned lines = 0; lines < LISTENERS_MAX && fgets(line, sizeof(line), file); lines++) {
		struct listener listener;

		if (heading) {
			heading = false;
			continue;
		}
		if (!listener_parse(line, protocol, &listener)) {
			/* The listening ones come first; there may be very many others. */
			if (protocol == IPPROTO_TCP)
				break;
			continue;
		}
		if (listeners->count < LISTENERS_MAX && !ip_is_loopback(&listener.address))
			listeners->items[listeners->count++] = listener;
	}
	fclose(file);
}

static int compare(const void *a, const void *b)
{
	const struct listener *x = a, *y = b;

	return x->protocol != y->protocol ? x->protocol - y->protocol :
	       x->port != y->port         ? x->port - y->port :
					    ip_compare(&x->address, &y->address);
}

int listeners_read(struct listeners *ret_listeners)
{
	struct listeners listeners = { .items = calloc(LISTENERS_MAX, sizeof(*listeners.items)) };

	if (!listeners.items)
		return -ENOMEM;
	read_file("/proc/thread-self/net/tcp", IPPROTO_TCP, &listeners);
	read_file("/proc/thread-self/net/tcp6", IPPROTO_TCP, &listeners);
	read_file("/proc/thread-self/net/udp", IPPROTO_UDP, &listeners);
	read_file("/proc/thread-self/net/udp6", IPPROTO_UDP, &listeners);
	qsort(listeners.items, listeners.count, sizeof(*listeners.items), compare);
	*ret_listeners = listeners;
	return 0;
}

void listeners_done(struct listeners *listeners)
{
	free(listeners->items);
	*listeners = (struct listeners){ 0 };
}
