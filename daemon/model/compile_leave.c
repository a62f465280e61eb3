/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What connections leave with: for each uplink a chain that notes on the connection by which one it left, and gives
 * it a source address that its provider takes.
 */

#include <stdio.h>
#include <string.h>

#include "model/compiler.h"

static const struct family_words *const ipv6 = &compiler_families[1];

/* --- chosen addresses of subnets --- */

static void add_source_nats(struct compiler *c, const struct uplink *uplink, struct kchain *chain)
{
	const struct object_list *nats = &c->config->lists[KIND_SOURCE_NAT];
	char name[KNAME_MAX];

	for (unsigned i = 0; i < nats->count; i++) {
		const struct source_nat *nat = (const struct source_nat *)nats->items[i];
		const struct family_words *family = &compiler_families[nat->address.family == AF_INET6];

		if (!nat->enabled || strcmp(nat->uplink, uplink->object.name) != 0)
			continue;
		snprintf(name, sizeof(name), "source_nat_%u", nat->object.id);
		if (compiler_add_list(c, name, family, &nat->sources))
			RULE(c, chain, nat->object.name, kstmt_lookup(family->saddr, name, false),
			     kstmt_snat(&nat->address));
	}
}

/* --- IPv6: sources of other providers' prefixes --- */

/* Its provider's prefixes, in which what leaves needs no translation. */
struct own {
	unsigned count;
	struct prefix prefixes[UPLINK_PREFIXES_MAX];
};

static bool is_own(const struct own *own, const struct prefix *prefix)
{
	for (unsigned i = 0; i < own->count; i++)
		if (prefix_covers(&own->prefixes[i], prefix))
			return true;
	return false;
}

/* The same subnet in the uplink's prefix; false if that has no room for it. */
static bool translated(const struct prefix *to, const struct prefix *from, struct prefix *ret_prefix)
{
	const struct ip ones = { .family = AF_INET6, .bytes = { [0 ... 15] = 0xff } };
	struct prefix mask = prefix_of(&ones, to->length);

	if (to->length > from->length)
		return false;
	*ret_prefix = *from;
	for (unsigned i = 0; i < sizeof(mask.address.bytes); i++)
		ret_prefix->address.bytes[i] = (uint8_t)(to->address.bytes[i] |
							 (from->address.bytes[i] & ~mask.address.bytes[i]));
	return true;
}

/* RFC 6296 in what it does; the kernel remembers the connection instead of keeping the checksum. */
static void add_prefix_translations(struct compiler *c, const struct own *own, struct kchain *chain)
{
	struct prefix_list list = { 0 };

	compiler_collect_networks(c, &list);
	for (unsigned i = 0; i < list.count; i++) {
		struct prefix to;
		bool before = false;

		for (unsigned j = 0; j < i && !before; j++)
			before = prefix_compare(&list.items[i], &list.items[j]) == 0;
		if (before || list.items[i].address.family != AF_INET6 || is_own(own, &list.items[i]) ||
		    !translated(&own->prefixes[0], &list.items[i], &to))
			continue;
		RULE(c, chain, NULL, kstmt_from_prefix(&list.items[i]), kstmt_snat_prefix(&to));
	}
	free(list.items);
}

static void add_masquerade6(struct compiler *c, const struct uplink_live *live, const struct own *own,
			    struct kchain *chain)
{
	struct prefix_list list = { 0 };
	char name[KNAME_MAX];

	for (unsigned i = 0; i < own->count; i++)
		compiler_add_prefix(c, &list, &own->prefixes[i]);
	for (unsigned i = 0; live->link && i < live->link->address_count; i++) {
		const struct link_address *address = &live->link->addresses[i];
		struct prefix prefix = link_address_prefix(address);

		compiler_add_prefix(c, &list, &prefix);
	}
	compiler_name(name, "own", ipv6, live->uplink->object.id);
	if (compiler_take_list(c, name, ipv6, &list))
		RULE(c, chain, NULL, kstmt_lookup(ipv6->saddr, name, true),
		     (struct kstmt){ .type = KSTMT_MASQUERADE });
	else
		RULE(c, chain, NULL, kstmt_match_byte(KFIELD_NFPROTO, AF_INET6),
		     (struct kstmt){ .type = KSTMT_MASQUERADE });
}

/* The provider would drop them, and the sender would never know why. */
static void drop_foreign(struct compiler *c, const struct uplink_live *live, const struct own *own,
			 struct kchain *chain)
{
	struct prefix_list list = { 0 };
	char name[KNAME_MAX];

	for (unsigned i = 0; i < c->ways.count; i++) {
		struct prefix prefixes[UPLINK_PREFIXES_MAX];
		unsigned count = &c->ways.uplinks[i] == live || !c->ways.uplinks[i].uplink->enabled ?
					 0 :
					 uplink_prefixes(&c->ways.uplinks[i], prefixes);

		for (unsigned j = 0; j < count; j++)
			if (!is_own(own, &prefixes[j]))
				compiler_add_prefix(c, &list, &prefixes[j]);
	}
	compiler_name(name, "foreign", ipv6, live->uplink->object.id);
	if (compiler_take_list(c, name, ipv6, &list))
		RULE(c, chain, "of another provider's prefix", kstmt_lookup(ipv6->saddr, name, false),
		     kstmt_verdict(KVERDICT_DROP));
}

static void add_source_nat6(struct compiler *c, const struct uplink_live *live, struct kchain *chain)
{
	struct own own;

	own.count = uplink_prefixes(live, own.prefixes);
	switch (live->uplink->source_nat6) {
	case SOURCE_NAT6_NONE:
		break;
	case SOURCE_NAT6_PREFIX:
		if (own.count)
			add_prefix_translations(c, &own, chain);
		break;
	case SOURCE_NAT6_MASQUERADE:
		add_masquerade6(c, live, &own, chain);
		return;
	}
	drop_foreign(c, live, &own, chain);
}

/* --- the chain --- */

static void add_leave_chain(struct compiler *c, const struct uplink_live *live)
{
	const struct uplink *uplink = live->uplink;
	uint8_t device[16];
	char name[KNAME_MAX];

	snprintf(name, sizeof(name), "leave_%u", uplink->object.id);
	struct kchain *chain = kstate_add_chain(c->state, name, NULL);

	RULE(c, chain, uplink->object.name,
	     kstmt_set_mark(KSTMT_SET_CT_MARK, ~MARK_UPLINK_MASK, MARK_UPLINK(uplink->object.id)));
	add_source_nats(c, uplink, chain);
	switch (uplink->source_nat_kind) {
	case SOURCE_NAT_MASQUERADE:
		RULE(c, chain, NULL, kstmt_match_byte(KFIELD_NFPROTO, AF_INET),
		     (struct kstmt){ .type = KSTMT_MASQUERADE });
		break;
	case SOURCE_NAT_ADDRESS:
		RULE(c, chain, NULL, kstmt_match_byte(KFIELD_NFPROTO, uplink->source_nat.family),
		     kstmt_snat(&uplink->source_nat));
		break;
	case SOURCE_NAT_NONE:
		break;
	}
	add_source_nat6(c, live, chain);
	compiler_device_key(device, uplink->device);
	compiler_add_jump(c, compiler_find_set(c, "uplink_leave"), device, NULL, name, uplink->object.name);
}

/* Devices by which nothing leaves as it is. */
static void add_nat_devices(struct compiler *c)
{
	struct kset *set = NULL;

	for (unsigned i = 0; i < c->ways.count; i++) {
		const struct uplink *uplink = c->ways.uplinks[i].uplink;
		uint8_t device[16];

		if (!uplink->enabled || uplink->source_nat_kind == SOURCE_NAT_NONE)
			continue;
		if (!set)
			set = compiler_add_set(c, "nat_devices", KTYPE_IFNAME, false);
		compiler_device_key(device, uplink->device);
		kset_add(c->state, set, device, NULL, NULL, uplink->object.name, 0);
	}
}

void compile_leave(struct compiler *c)
{
	compiler_add_map(c, "uplink_leave", KTYPE_IFNAME, KTYPE_VERDICT);
	for (unsigned i = 0; i < c->ways.count; i++)
		if (c->ways.uplinks[i].uplink->enabled)
			add_leave_chain(c, &c->ways.uplinks[i]);
	add_nat_devices(c);
}
