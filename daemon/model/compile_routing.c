/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routing tables and rules of the uplinks, and what forwarding needs of /proc/sys. */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "model/compiler.h"

/*
 * Offsets of preferences, each but RULE_MAIN and the last plus the uplink's number. Marks come before addresses: a
 * connection of the router's own keeps to the uplink by which it left, whatever its socket's address is.
 */
enum {
	RULE_NEIGHBOURS = 0,
	RULE_MAIN = 100,
	RULE_MARK = 100,
	RULE_UNREACHABLE = 300,
	RULE_FROM = 500,
	RULE_CHOICE = 700
};
enum { TABLE_MAIN = 254 }; /* RT_TABLE_MAIN */

static uint32_t preference(const struct compiler *c, uint32_t offset)
{
	return (uint32_t)config_settings(c->config)->rule_preference_base + offset;
}

static void add_route(struct compiler *c, const struct uplink_live *live, uint8_t af, uint32_t table)
{
	struct kroute route = { .family = af,
				.table = table,
				.oif = live->link->index,
				.gateway = af == AF_INET ? live->gateway4 : live->gateway6 };

	route.onlink = route.gateway.family != AF_UNSPEC && !link_reaches(live->link, &route.gateway);
	memcpy(route.device, live->link->name, sizeof(route.device));
	kstate_add_route(c->state, &route);
}

static void add_from_rule(struct compiler *c, const struct uplink_live *live, const struct prefix *from,
			  enum own_way way)
{
	kstate_add_rule(c->state, &(struct kiprule){
					  .family = from->address.family,
					  .preference = preference(c, RULE_FROM + live->uplink->object.id),
					  .from = *from,
					  .table = way == OWN_WAY_TABLE ? live->table : 0,
					  .unreachable = way == OWN_WAY_NONE,
				  });
}

/* The router's own sockets that are bound to an address of the uplink, and hosts in its provider's prefixes. */
static void add_from_rules(struct compiler *c, const struct uplink_live *live, uint8_t af)
{
	enum own_way way = uplink_own_way(&c->ways, live, af);
	struct prefix prefixes[UPLINK_PREFIXES_MAX];
	unsigned count = af == AF_INET6 ? uplink_prefixes(live, prefixes) : 0;

	if (way == OWN_WAY_CHOICE)
		return;
	for (unsigned i = 0; live->link && i < live->link->address_count; i++) {
		const struct link_address *address = &live->link->addresses[i];
		const struct prefix from = { address->address, (uint8_t)(ip_size(af) * 8) };

		if (address->address.family == af && uplink_address_counts(address))
			add_from_rule(c, live, &from, way);
	}
	for (unsigned i = 0; i < count; i++)
		add_from_rule(c, live, &prefixes[i], way);
}

static void add_mark_rules(struct compiler *c, const struct uplink_live *live, uint8_t af)
{
	struct kiprule rule = { .family = af,
				.preference = preference(c, RULE_MARK + live->uplink->object.id),
				.mark = live->mark,
				.mark_mask = MARK_UPLINK_MASK,
				.table = live->table };

	kstate_add_rule(c->state, &rule);
	rule.preference = preference(c, RULE_UNREACHABLE + live->uplink->object.id);
	rule.table = 0;
	rule.unreachable = true;
	kstate_add_rule(c->state, &rule);
}

/*
 * What nothing has marked: the router's own connections, and those from inside that are not shared out. The
 * kernel takes the source address of the router's own from this route.
 */
static void add_choice(struct compiler *c, uint8_t af)
{
	const struct choice *choice = ways_choice(&c->ways, af);
	uint32_t table = (uint32_t)config_settings(c->config)->route_table_base;

	if (!choice->active)
		return;
	if (choice->best)
		add_route(c, choice->best, af, table);
	else if (config_settings(c->config)->last_resort == LAST_RESORT_UNREACHABLE)
		kstate_add_route(c->state, &(struct kroute){ .family = af, .table = table });
	else
		return;
	kstate_add_rule(
		c->state,
		&(struct kiprule){ .family = af, .preference = preference(c, RULE_CHOICE), .table = table });
}

/* IPv6 of an uplink that has no way out of that family, and no prefix, goes on as it did without us. */
static bool is_concerned(const struct uplink_live *live, uint8_t af)
{
	struct prefix prefixes[UPLINK_PREFIXES_MAX];

	return live->uplink->enabled &&
	       (af == AF_INET || live->routed6 || uplink_prefixes(live, prefixes) > 0);
}

static void compile_family_routing(struct compiler *c, unsigned family)
{
	uint8_t af = compiler_families[family].af;
	bool any = false;

	for (unsigned i = 0; i < c->ways.count; i++) {
		const struct uplink_live *live = &c->ways.uplinks[i];

		if (!is_concerned(live, af))
			continue;
		any = true;
		if (uplink_routes(live, af))
			add_route(c, live, af, live->table);
		add_mark_rules(c, live, af);
		add_from_rules(c, live, af);
	}
	if (any) {
		compile_neighbour_rules(c, family, preference(c, RULE_NEIGHBOURS));
		add_choice(c, af);
	}
	if (c->nowhere[family]) {
		any = true;
		kstate_add_rule(c->state, &(struct kiprule){ .family = af,
							     .preference = preference(c, RULE_UNREACHABLE),
							     .mark = MARK_NOWHERE,
							     .mark_mask = MARK_UPLINK_MASK,
							     .unreachable = true });
	}
	if (any)
		kstate_add_rule(c->state, &(struct kiprule){ .family = af,
							     .preference = preference(c, RULE_MAIN),
							     .table = TABLE_MAIN,
							     .suppress_default = true });
}

void compile_routing(struct compiler *c)
{
	for (unsigned f = 0; f < FAMILY_COUNT; f++)
		compile_family_routing(c, f);
}

static void add_device_sysctl(struct compiler *c, const char *family, const char *device, const char *name,
			      int value)
{
	char path[80];

	snprintf(path, sizeof(path), "net/%s/conf/%s/%s", family, device, name);
	kstate_add_sysctl(c->state, path, value);
}

static bool bridged_network(const struct compiler *c)
{
	const struct object_list *networks = &c->config->lists[KIND_NETWORK];

	for (unsigned i = 0; i < networks->count; i++) {
		const struct names *devices = &((const struct network *)networks->items[i])->devices;

		for (unsigned j = 0; j < devices->count; j++) {
			const struct link *link = links_find(c->links, devices->items[j]);

			if (link && link->bridge)
				return true;
		}
	}
	return false;
}

/* True if another uplink's device has addresses of the same subnet. */
static bool shares_subnet(const struct compiler *c, const struct uplink_live *live)
{
	for (unsigned i = 0; i < c->ways.count; i++) {
		const struct uplink_live *other = &c->ways.uplinks[i];

		if (other == live || !other->uplink->enabled || !other->link)
			continue;
		for (unsigned j = 0; j < other->link->address_count; j++)
			if (other->link->addresses[j].address.family == AF_INET &&
			    link_reaches(live->link, &other->link->addresses[j].address))
				return true;
	}
	return false;
}

/*
 * What forwarding needs of /proc/sys. IPv6 is left alone until a forward uses it:
 * turning forwarding on makes the kernel deaf to router advertisements unless accept_ra is 2.
 */
void compile_sysctls(struct compiler *c)
{
	bool ipv6 = compiler_wants_family(c, &compiler_families[1]), bridged = bridged_network(c);

	if (!config_settings(c->config)->manage_sysctls || !c->ways.count)
		return;
	kstate_add_sysctl(c->state, "net/ipv4/ip_forward", 1);
	if (ipv6)
		kstate_add_sysctl(c->state, "net/ipv6/conf/all/forwarding", 1);
	/* Bridged packets that cross the IP hooks inside the bridge never come back out of the port they came by. */
	if (bridged)
		kstate_add_sysctl(c->state, "net/bridge/bridge-nf-call-iptables", 0);
	if (bridged && ipv6)
		kstate_add_sysctl(c->state, "net/bridge/bridge-nf-call-ip6tables", 0);
	for (unsigned i = 0; i < c->ways.count; i++) {
		const struct uplink_live *live = &c->ways.uplinks[i];

		if (!live->uplink->enabled || !live->link)
			continue;
		/*
		 * Strict reverse-path checks drop what arrives by any but the main default route. Loose
		 * ones need some route back: with the mark they see the uplink's own, even where the main
		 * table has no default route.
		 */
		add_device_sysctl(c, "ipv4", live->link->name, "rp_filter", 2);
		add_device_sysctl(c, "ipv4", live->link->name, "src_valid_mark", 1);
		if (ipv6)
			add_device_sysctl(c, "ipv6", live->link->name, "accept_ra", 2);
		/* Else each of the devices would answer for the other's address, and what is sent to it come by the wrong one. */
		if (shares_subnet(c, live)) {
			add_device_sysctl(c, "ipv4", live->link->name, "arp_ignore", 1);
			add_device_sysctl(c, "ipv4", live->link->name, "arp_announce", 2);
		}
	}
}
