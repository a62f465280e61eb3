/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the router itself listens on and a forward claims: not an error, but worth knowing. */
#include <stdio.h>

#include "engine/private.h"

/* More of them in one answer would help nobody. */
enum { WARNINGS_MAX = 8 };

int engine_read_listeners(const struct engine *engine, struct listeners *ret_listeners)
{
	return engine->kernel->ops->read_listeners(engine->kernel, ret_listeners);
}

static bool claims(const struct forward *forward, const struct listener *listener)
{
	bool protocol = false;

	for (unsigned i = 0; i < forward->protocols.count; i++)
		protocol |= forward->protocols.items[i] == listener->protocol;
	for (unsigned i = 0; protocol && i < forward->external_ports.count; i++)
		if (listener->port >= forward->external_ports.items[i].first &&
		    listener->port <= forward->external_ports.items[i].last)
			return true;
	return false;
}

/* True if the socket can be reached by an uplink's address that the forward answers on. */
static bool is_on_its_address(const struct engine *engine, const struct forward *forward,
			      const struct ip *address)
{
	const struct object_list *uplinks = &engine->config->lists[KIND_UPLINK];

	if (ip_is_unspecified(address)) /* :: takes in IPv4, unless the socket is told not to */
		return address->family == AF_INET6 || forward->family == FAMILY_IPV4;
	for (unsigned i = 0; i < uplinks->count; i++) {
		const struct uplink *uplink = (const struct uplink *)uplinks->items[i];
		const struct link *link = links_find(&engine->links, uplink->device);

		for (unsigned j = 0; link && j < link->address_count; j++)
			if (uplink->enabled && forward_on_uplink(forward, uplink->object.name) &&
			    forward_listens_on(forward, &link->addresses[j]) &&
			    ip_compare(&link->addresses[j].address, address) == 0)
				return true;
	}
	return false;
}

/* One port may be held by several sockets: one for each family, or for each processor. */
static bool said_before(const struct listener *const *said, unsigned count, const struct listener *listener)
{
	for (unsigned i = 0; i < count; i++)
		if (said[i]->port == listener->port && said[i]->protocol == listener->protocol)
			return true;
	return false;
}

static void warn(const struct listener *listener, json_t *list)
{
	char address[IP_TEXT_MAX], name[8], message[256];
	bool v6 = listener->address.family == AF_INET6;

	snprintf(
		message, sizeof(message),
		"the router itself listens on %s port %u (%s%s%s); from the uplinks the forward takes its place",
		protocol_name(listener->protocol, name), listener->port, v6 ? "[" : "",
		ip_format(&listener->address, address), v6 ? "]" : "");
	json_array_append_new(list, json_pack("{s:s, s:s}", "path", "/external_ports", "message", message));
}

void engine_warn_of_listeners(const struct engine *engine, const struct listeners *listeners,
			      const struct forward *forward, json_t *list)
{
	const struct listener *said[WARNINGS_MAX];
	unsigned count = 0;

	/* A pinhole's packets are not for an address of the router's. */
	if (!forward->enabled || forward->pinhole)
		return;
	for (unsigned i = 0; i < listeners->count && count < WARNINGS_MAX; i++) {
		const struct listener *listener = &listeners->items[i];

		if (!claims(forward, listener) || said_before(said, count, listener) ||
		    !is_on_its_address(engine, forward, &listener->address))
			continue;
		said[count++] = listener;
		warn(listener, list);
	}
}
