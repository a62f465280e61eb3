/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other hosts on the network of an uplink's device. The main table knows a short way to them. But who of them came by
 * another uplink, over the internet, is answered by that one; what begins inside goes the short way.
 */
#include "model/compiler.h"

static bool is_on_another_link(const struct compiler *c, const struct link *link, const struct prefix *prefix)
{
	for (unsigned i = 0; i < c->links->count; i++) {
		const struct link *other = &c->links->items[i];

		for (unsigned j = 0; other != link && j < other->address_count; j++) {
			const struct prefix its = link_address_prefix(&other->addresses[j]);

			if (prefix_overlaps(prefix, &its))
				return true;
		}
	}
	return false;
}

static bool has_own_hosts(const struct compiler *c, const struct prefix *prefix)
{
	const struct object_list *networks = &c->config->lists[KIND_NETWORK],
				 *forwards = &c->config->lists[KIND_FORWARD];

	for (unsigned i = 0; i < networks->count; i++) {
		const struct prefixes *given = &((const struct network *)networks->items[i])->prefixes;

		for (unsigned j = 0; j < given->count; j++)
			if (prefix_overlaps(prefix, &given->items[j]))
				return true;
	}
	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];

		if (!forward->suffix_bits && prefix_contains(prefix, &forward->internal_address))
			return true;
	}
	return false;
}

/* Nobody inside must be led out: public addresses, and none of any other device, network or backend. */
static bool is_outside(const struct compiler *c, const struct uplink_live *live,
		       const struct link_address *address)
{
	const struct prefix prefix = link_address_prefix(address);

	return live->uplink->enabled && uplink_address_counts(address) && !ip_is_private(&address->address) &&
	       prefix.length > 0 && prefix.length < ip_size(address->address.family) * 8 &&
	       !is_on_another_link(c, live->link, &prefix) && !has_own_hosts(c, &prefix);
}

/* How many rules compile_neighbour_rules() makes of it. */
static unsigned count_rules(const struct compiler *c, const struct uplink_live *live, uint8_t af)
{
	unsigned count = 0;

	for (unsigned i = 0; i < c->ways.count; i++)
		count += &c->ways.uplinks[i] != live && uplink_routes(&c->ways.uplinks[i], af);
	return count;
}

static void find(struct compiler *c, unsigned family)
{
	uint8_t af = compiler_families[family].af;
	unsigned rules = 0;

	for (unsigned i = 0; i < c->ways.count; i++) {
		const struct uplink_live *live = &c->ways.uplinks[i];
		unsigned each = count_rules(c, live, af);

		for (unsigned j = 0; each > 0 && live->link && j < live->link->address_count; j++) {
			const struct link_address *address = &live->link->addresses[j];

			if (address->address.family != af || !is_outside(c, live, address))
				continue;
			rules += each;
			if (rules > NEIGHBOUR_RULES_MAX) {
				c->neighbourhood_count[family] = 0;
				return;
			}
			c->neighbourhoods[family][c->neighbourhood_count[family]++] = (struct neighbourhood){
				.live = live, .prefix = link_address_prefix(address)
			};
		}
	}
}

void compile_neighbours(struct compiler *c)
{
	for (unsigned f = 0; f < FAMILY_COUNT; f++)
		find(c, f);
}

void compile_spared_neighbours(struct compiler *c, unsigned family, struct kchain *chain)
{
	const struct family_words *words = &compiler_families[family];
	struct prefix_list list = { 0 };
	char name[KNAME_MAX];

	for (unsigned i = 0; i < c->neighbourhood_count[family]; i++)
		compiler_add_prefix(c, &list, &c->neighbourhoods[family][i].prefix);
	compiler_name(name, "neighbours", words, 0);
	if (compiler_take_list(c, name, words, &list))
		RULE(c, chain, "on an uplink's own network", kstmt_lookup(words->daddr, name, false),
		     kstmt_verdict(KVERDICT_RETURN));
}

void compile_neighbour_rules(struct compiler *c, unsigned family, uint32_t first_preference)
{
	uint8_t af = compiler_families[family].af;

	for (unsigned i = 0; i < c->ways.count; i++) {
		const struct uplink_live *live = &c->ways.uplinks[i];
		struct kiprule rule = { .family = af,
					.preference = first_preference + live->uplink->object.id,
					.mark = live->mark,
					.mark_mask = MARK_UPLINK_MASK,
					.table = live->table };

		for (unsigned j = 0; j < c->neighbourhood_count[family] && uplink_routes(live, af); j++) {
			if (c->neighbourhoods[family][j].live == live)
				continue;
			rule.to = c->neighbourhoods[family][j].prefix;
			kstate_add_rule(c->state, &rule);
		}
	}
}
