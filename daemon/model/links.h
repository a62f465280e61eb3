/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_LINKS_H
#define PORTICO_MODEL_LINKS_H

/*
 * What the kernel says of devices, as far as the compiler wants to know: an
 * observation, filled by kernel/rtnl.c or read from a test's JSON.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"

enum { LINK_SOURCES_MAX = 8 }; /* a provider delegates one or two */

struct link_address {
	struct ip address;
	uint8_t prefix_length;
	struct ip peer; /* point to point: the other end, else AF_UNSPEC */
	bool deprecated; /* in use until it becomes invalid, but nothing new begins with it (RFC 4862, 5.5.4) */
};

struct link {
	uint32_t index;
	char name[16];
	bool up;             /* administratively up and with carrier (IFF_UP and IFF_RUNNING) */
	bool point_to_point; /* IFF_POINTOPOINT or IFF_NOARP: needs no gateway */
	bool loopback;
	bool bridge; /* a bridge master: bridge netfilter matters */
	unsigned address_count;
	struct link_address *addresses; /* valid ones, not tentative; link-local included */
	/* Default routes of the main table over this device; AF_UNSPEC: none, or without a gateway. */
	bool default_route4, default_route6;
	struct ip gateway4, gateway6;
	uint32_t metric4, metric6; /* of those routes */
	/* Prefixes from which alone a default route of the main table leads out by this device, as OpenWrt makes them. */
	unsigned source_count;
	struct prefix sources[LINK_SOURCES_MAX];
};

struct links {
	unsigned count;
	struct link *items; /* by name */
};

const struct link *links_find(const struct links *links, const char *name);
/* True if one of its addresses is this one. */
bool link_has(const struct link *link, const struct ip *address);
/* The network that the address is in. */
struct prefix link_address_prefix(const struct link_address *address);
/* True if its addresses say that this one is on the link. */
bool link_reaches(const struct link *link, const struct ip *address);
void links_done(struct links *links);

/*
 * From the JSON of tests: [{"name", "index", "up", "addresses": ["192.0.2.1/24"], "gateway4": ...}];
 * " deprecated" may follow an address. "192.0.2.1 peer 192.0.2.254/32" is one, too; "sources" are prefixes.
 */
int links_from_json(const json_t *json, struct links *ret_links);
/* For GET /links. */
json_t *links_to_json(const struct links *links);

#endif
