/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is observed of an object, beside what was decided about it. */
#include <math.h>
#include <string.h>

#include "engine/health.h"
#include "web/request.h"

static json_t *json_ip(const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	return ip->family == AF_UNSPEC ? json_null() : json_string(ip_format(ip, text));
}

/* An uplink's word for why not, or null. */
static json_t *json_word(const char *word)
{
	return word ? json_string(word) : json_null();
}

/* --- uplinks --- */

/* Adds the addresses that forwards listen on; `family` AF_UNSPEC: of both. */
static void add_addresses(const struct link *link, uint8_t family, json_t *addresses)
{
	for (unsigned i = 0; link && i < link->address_count; i++) {
		const struct link_address *address = &link->addresses[i];

		if (uplink_address_counts(address) &&
		    (family == AF_UNSPEC || family == address->address.family))
			json_array_append_new(addresses, json_ip(&address->address));
	}
}

json_t *json_number(double value, int digits)
{
	double factor = pow(10, digits);

	return value < 0 ? json_null() : json_real(round(value * factor) / factor);
}

/* Adds what its probes tell. */
static void add_health(const struct engine *engine, uint32_t id, json_t *state)
{
	struct health_numbers numbers;

	engine_health_numbers(engine, id, &numbers);
	json_object_set_new(state, "in_use", json_boolean(numbers.in_use));
	json_object_set_new(state, "loss_percent",
			    numbers.measured ? json_number(numbers.loss_percent, 1) : json_null());
	json_object_set_new(state, "latency_ms",
			    numbers.measured ? json_number(numbers.latency_ms, 2) : json_null());
	json_object_set_new(state, "jitter_ms",
			    numbers.measured ? json_number(numbers.jitter_ms, 2) : json_null());
	json_object_set_new(state, "held_until", time_to_json(numbers.held_until));
}

json_t *uplink_state(const struct engine *engine, const struct uplink *uplink)
{
	const struct uplink_live *live = ways_find(engine_ways(engine), uplink->object.id);
	json_t *addresses = json_array(), *state;
	char mark[16];

	add_addresses(live->link, AF_UNSPEC, addresses);
	snprintf(mark, sizeof(mark), "0x%08x", live->mark);
	state = json_pack("{s:b, s:o, s:o, s:o, s:o, s:s, s:I, s:o}", "up", live->up, "reason",
			  json_word(live->why_down), "addresses", addresses, "gateway",
			  json_ip(&live->gateway4), "gateway6", json_ip(&live->gateway6), "mark", mark,
			  "table", (json_int_t)live->table, "since",
			  time_to_json(engine_uplink_since(engine, uplink->object.id)));
	add_health(engine, uplink->object.id, state);
	return state;
}

/* --- forwards --- */

static json_t *forward_addresses(const struct engine *engine, const struct forward *forward)
{
	const struct object_list *uplinks = &engine_config(engine)->lists[KIND_UPLINK];
	uint8_t family = forward->family == FAMILY_IPV6 ? AF_INET6 : AF_INET;
	json_t *addresses = json_array();

	for (unsigned i = 0; i < uplinks->count; i++) {
		const struct uplink_live *live = ways_find(engine_ways(engine), uplinks->items[i]->id);

		if (forward_on_uplink(forward, uplinks->items[i]->name) && (live->up || live->spare))
			add_addresses(live->link, family, addresses);
	}
	return addresses;
}

static json_t *forward_backend_list(const struct engine *engine, const struct forward *forward)
{
	struct ip backends[BACKENDS_MAX];
	unsigned count = forward_backends(engine_config(engine), forward, engine_links(engine), backends);
	json_t *list = json_array();

	/* A translation leads to one address, whatever prefixes there are; a pinhole is open to each. */
	for (unsigned i = 0; i < count && (i == 0 || forward->pinhole); i++)
		json_array_append_new(list, json_ip(&backends[i]));
	return list;
}

static json_t *forward_state(const struct engine *engine, const struct forward *forward)
{
	json_t *backends = forward_backend_list(engine, forward), *addresses;
	struct forward_live live;

	forward_resolve(engine_config(engine), forward, engine_links(engine), engine_environment(engine),
			&live);
	if (!live.live)
		addresses = json_array();
	else
		addresses = forward->pinhole ? json_deep_copy(backends) : forward_addresses(engine, forward);
	return json_pack("{s:b, s:o, s:o, s:o}", "live", live.live, "reason", json_word(live.why_not),
			 "addresses", addresses, "backends", backends);
}

/* --- policies --- */

/* By which uplink a family's connections go; null: by none. Left out where the policy has none of the family. */
static void add_way(const struct ways *ways, const struct policy *policy, uint8_t family, const char *key,
		    json_t *state)
{
	const struct uplink_live *way = policy_way(ways, policy, family);

	if (policy->enabled && policy_concerns(policy, family))
		json_object_set_new(state, key, way ? json_string(way->uplink->object.name) : json_null());
}

static json_t *policy_state(const struct engine *engine, const struct policy *policy)
{
	json_t *state = json_object();

	add_way(engine_ways(engine), policy, AF_INET, "ipv4", state);
	add_way(engine_ways(engine), policy, AF_INET6, "ipv6", state);
	return state;
}

/* --- networks --- */

static void append_once(json_t *texts, const char *text)
{
	for (size_t i = 0; i < json_array_size(texts); i++) {
		if (strcmp(json_string_value(json_array_get(texts, i)), text) == 0)
			return;
	}
	json_array_append_new(texts, json_string(text));
}

static json_t *network_state(const struct engine *engine, const struct network *network)
{
	json_t *prefixes = json_array(), *addresses = json_array();
	char text[PREFIX_TEXT_MAX];

	for (unsigned i = 0; i < network->devices.count; i++) {
		const struct link *link = links_find(engine_links(engine), network->devices.items[i]);

		for (unsigned k = 0; link && k < link->address_count; k++) {
			const struct link_address *address = &link->addresses[k];
			struct prefix prefix = link_address_prefix(address);

			if (!uplink_address_counts(address))
				continue;
			append_once(addresses, ip_format(&address->address, text));
			append_once(prefixes, prefix_format(&prefix, text));
		}
	}
	for (unsigned i = 0; i < network->prefixes.count; i++)
		append_once(prefixes, prefix_format(&network->prefixes.items[i], text));
	return json_pack("{s:o, s:o}", "prefixes", prefixes, "addresses", addresses);
}

json_t *object_state(const struct engine *engine, const struct object *object)
{
	switch (object->kind) {
	case KIND_NETWORK:
		return network_state(engine, (const struct network *)object);
	case KIND_UPLINK:
		return uplink_state(engine, (const struct uplink *)object);
	case KIND_FORWARD:
		return forward_state(engine, (const struct forward *)object);
	case KIND_POLICY:
		return policy_state(engine, (const struct policy *)object);
	case KIND_SETTINGS:
	case KIND_REDIRECT:
	case KIND_SOURCE_NAT:
	case KIND_COUNT:
		break;
	}
	return NULL;
}
