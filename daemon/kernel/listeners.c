/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By sock_diag, which can be asked for listening sockets alone; where that module is missing by /proc/net, whose
 * reading goes through the whole table of the established ones: 10 ms on a machine with much memory.
 */
#include "kernel/listeners.h"

#include <ctype.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/nl.h"

/* enum tcp_state of the kernel, which udp sockets borrow: an unconnected one is "closed". */
enum { STATE_CLOSE = 7, STATE_LISTEN = 10 };
enum { LINE_MAX_BYTES = 512 };

static void add(struct listeners *listeners, const struct listener *listener)
{
	if (listeners->count < LISTENERS_MAX && !ip_is_loopback(&listener->address))
		listeners->items[listeners->count++] = *listener;
}

/* A socket of IPv6 that is bound to an address of IPv4. */
static void unmap(struct ip *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (ip->family != AF_INET6 || memcmp(ip->bytes, mapped, sizeof(mapped)) != 0)
		return;
	memmove(ip->bytes, ip->bytes + 12, 4);
	memset(ip->bytes + 4, 0, 12);
	ip->family = AF_INET;
}

/* --- by sock_diag --- */

static int take_socket(void *arg, struct nlmsghdr *hdr)
{
	const struct inet_diag_msg *socket = nlmsg_data(hdr);
	struct listener listener = { .protocol = IPPROTO_TCP };

	if (nlmsg_datalen(hdr) < (int)sizeof(*socket))
		return -EPROTO;
	listener.port = ntohs(socket->id.idiag_sport);
	listener.address.family = socket->idiag_family;
	if (listener.address.family != AF_INET && listener.address.family != AF_INET6)
		return 0;
	memcpy(listener.address.bytes, socket->id.idiag_src, ip_size(listener.address.family));
	unmap(&listener.address);
	add(arg, &listener);
	return 0;
}

static bool ask(struct netlink *nl, uint8_t family, struct listeners *listeners)
{
	const struct inet_diag_req_v2 wanted = {
		.sdiag_family = family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = 1 << STATE_LISTEN,
	};

	return netlink_dump(nl, netlink_message(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &wanted, sizeof(wanted)),
			    take_socket, listeners) == 0;
}

/* False: it must be read otherwise. */
static bool ask_for_tcp(struct listeners *listeners)
{
	struct netlink nl;
	bool told;

	if (netlink_open(&nl, NETLINK_SOCK_DIAG) < 0)
		return false;
	told = ask(&nl, AF_INET, listeners);
	(void)(told && ask(&nl, AF_INET6, listeners)); /* there may be no IPv6 */
	netlink_close(&nl);
	return told;
}

/* --- by /proc/net --- */

/* A number in hexadecimal and the character behind it; *at moves on. */
static bool take_number(const char **at, char end, unsigned max, unsigned *ret_number)
{
	char *rest;

	if (!isxdigit((unsigned char)**at))
		return false;
	unsigned long number = strtoul(*at, &rest, 16);

	if (*rest != end || number > max)
		return false;
	*at = rest + 1;
	*ret_number = (unsigned)number;
	return true;
}

/* Addresses are words of the kernel's own byte order, so that they are to be read back as such. */
static bool take_address(const char **at, struct ip *ret_ip)
{
	size_t digits = strspn(*at, "0123456789ABCDEF"), words = digits / 8;
	struct ip ip = { .family = words == 1 ? AF_INET : AF_INET6 };

	if ((digits != 8 && digits != 32) || (*at)[digits] != ':')
		return false;
	for (size_t i = 0; i < words; i++) {
		char text[9] = "";

		memcpy(text, *at + 8 * i, 8);
		uint32_t word = (uint32_t)strtoul(text, NULL, 16);

		memcpy(ip.bytes + 4 * i, &word, 4);
	}
	*at += digits + 1;
	unmap(&ip);
	*ret_ip = ip;
	return true;
}

/* "   0: 0100007F:0016 00000000:0000 0A ..." */
bool listener_parse(const char *line, uint8_t protocol, struct listener *ret_listener)
{
	struct listener listener = { .protocol = protocol };
	const char *at = strchr(line, ':');
	unsigned port, remote_port, state;
	struct ip remote;

	if (!at)
		return false;
	at += 1 + strspn(at + 1, " ");
	if (!take_address(&at, &listener.address) || !take_number(&at, ' ', UINT16_MAX, &port) ||
	    !take_address(&at, &remote) || !take_number(&at, ' ', UINT16_MAX, &remote_port) ||
	    !take_number(&at, ' ', UINT8_MAX, &state))
		return false;
	listener.port = (uint16_t)port;
	*ret_listener = listener;
	return state == (protocol == IPPROTO_TCP ? STATE_LISTEN : STATE_CLOSE) && port && !remote_port;
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
		add(listeners, &listener);
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
	if (!ask_for_tcp(&listeners)) {
		listeners.count = 0;
		read_file("/proc/thread-self/net/tcp", IPPROTO_TCP, &listeners);
		read_file("/proc/thread-self/net/tcp6", IPPROTO_TCP, &listeners);
	}
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
