/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routing tables and rules of the uplinks, and what forwarding needs of /proc/sys. */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "model/compiler.h"

enum { RULE_MAIN = 0, RULE_FROM = 100, RULE_MARK = 300, RULE_UNREACHABLE = 500 }; /* offsets of preferences */
enum { TABLE_MAIN = 254 };                                                        /* RT_TABLE_MAIN */

static void add_uplink_routing(struct compiler *c, const struct uplink_live *live, uint8_t af)
{
	uint32_t base = (uint32_t)config_settings(c->config)->rule_preference_base,
		 id = live->uplink->object.id;
	bool routed = af == AF_INET ? live->routed4 : live->routed6;
	struct kiprule rule = { .family = af, .table = live->table };

	if (routed) {
		struct kroute route = { .family = af,
					.table = live->table,
					.oif = live->link->index,
					.gateway = af == AF_INET ? live->gateway4 : live->gateway6 };

		memcpy(route.device, live->link->name, sizeof(route.device));
		kstate_add_route(c->state, &route);
		rule.preference = base + RULE_FROM + id;
		for (unsigned i = 0; i < live->link->address_count; i++) {
			const struct link_address *address = &live->link->addresses[i];

			if (address->address.family != af || !uplink_address_counts(address))
				continue;
			rule.from = address->address;
			kstate_add_rule(c->state, &rule);
		}
	}
	rule.from = (struct ip){ 0 };
	rule.mark = live->mark;
	rule.mark_mask = MARK_UPLINK_MASK;
	rule.preference = base + RULE_MARK + id;
	kstate_add_rule(c->state, &rule);
	rule.table = 0;
	rule.unreachable = true;
	rule.preference = base + RULE_UNREACHABLE + id;
	kstate_add_rule(c->state, &rule);
}

/*
 * IPv4 for every uplink in use; IPv6 only for those that have a way out, so that an
 * uplink's IPv6 that we know nothing of goes on as before.
 */
void compile_routing(struct compiler *c)
{
	uint32_t base = (uint32_t)config_settings(c->config)->rule_preference_base;

	for (unsigned f = 0; f < FAMILY_COUNT; f++) {
		bool any = false;

		for (unsigned i = 0; i < c->uplink_count; i++) {
			const struct uplink_live *live = &c->uplinks[i];

			if (!live->uplink->enabled || (compiler_families[f].af == AF_INET6 && !live->routed6))
				continue;
			add_uplink_routing(c, live, compiler_families[f].af);
			any = true;
		}
		if (any)
			kstate_add_rule(c->state, &(struct kiprule){ .family = compiler_families[f].af,
								     .preference = base + RULE_MAIN,
								     .table = TABLE_MAIN,
								     .suppress_default = true });
	}
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

/*
 * What forwarding needs of /proc/sys. IPv6 is left alone until a forward uses it:
 * turning forwarding on makes the kernel deaf to router advertisements unless accept_ra is 2.
 */
void compile_sysctls(struct compiler *c)
{
	bool ipv6 = compiler_wants_family(c, &compiler_families[1]), bridged = bridged_network(c);

	if (!config_settings(c->config)->manage_sysctls || !c->uplink_count)
		return;
	kstate_add_sysctl(c->state, "net/ipv4/ip_forward", 1);
	if (ipv6)
		kstate_add_sysctl(c->state, "net/ipv6/conf/all/forwarding", 1);
	/* Bridged packets that cross the IP hooks inside the bridge never come back out of the port they came by. */
	if (bridged)
		kstate_add_sysctl(c->state, "net/bridge/bridge-nf-call-iptables", 0);
	if (bridged && ipv6)
		kstate_add_sysctl(c->state, "net/bridge/bridge-nf-call-ip6tables", 0);
	for (unsigned i = 0; i < c->uplink_count; i++) {
		const struct uplink_live *live = &c->uplinks[i];

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
	}
}
