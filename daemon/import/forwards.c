/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNAT rules become forwards: one for what many rules say, and with what POSTROUTING does to their connections. */
#include <stdlib.h>
#include <string.h>

#include "import/recipe.h"

/* A rule on its way to a forward. */
struct landing {
	const struct rule *rule;
	bool everywhere; /* on all uplinks */
	uint64_t ways;   /* else on these: bits by index */
	unsigned protocol_count;
	uint8_t protocols[8];
	const char *external, *internal; /* ports; NULL: none, the same */
	struct port_range *inside;       /* the backend's ports, for what POSTROUTING says of them */
	unsigned inside_count;
	unsigned source_count;
	struct prefix *sources;
	const char *hours;                  /* NULL: always */
	unsigned window_count, range_count; /* that it is merged of */
	bool router_seen;
	bool takes_more; /* it is for one address of several that the uplink has */
	bool rest;       /* all ports that no other forward has */
	int into;        /* the landing that it has become part of; itself: none */
};

struct work {
	struct recipe *recipe;
	unsigned count, size;
	struct landing *landings;
	int *changes; /* of how many take a port, from the one before it to each port; for leave_ports_of_others() */
};

#define REFUSE(work, rule, ...) statement_refuse((work)->recipe->import, (rule)->statement, __VA_ARGS__)
#define NOTE(work, rule, ...)   statement_note((work)->recipe->import, (rule)->statement, __VA_ARGS__)

/* --- where it listens --- */

static bool prefixes_hold(const struct prefix *prefixes, unsigned count, const struct ip *ip)
{
	for (unsigned i = 0; i < count; i++)
		if (prefix_contains(&prefixes[i], ip))
			return true;
	return count == 0;
}

/* Uplinks that there will be. */
static unsigned uplink_count(const struct recipe *recipe)
{
	unsigned count = recipe->import->config->lists[KIND_UPLINK].count;

	for (unsigned i = 0; i < recipe->way_count; i++)
		count += recipe->ways[i].name && !recipe->ways[i].uplink;
	return count;
}

static bool on_way(struct work *work, struct landing *landing, const struct way *way)
{
	if (!way || !way->name)
		return false;
	landing->ways |= 1ull << (way - work->recipe->ways);
	return true;
}

/* Addresses of the router's that packets from outside are not for. */
static bool is_inside_address(struct work *work, const struct rule *rule)
{
	for (unsigned i = 0; i < rule->destination_count; i++) {
		const struct ip *address = &rule->destinations[i].address;
		const struct link *link = import_link_with(work->recipe->import, address, false);

		if (ip_is_loopback(address) || (link && recipe_is_inside(work->recipe, link->name)))
			return true;
	}
	return false;
}

/* A rule for one of several addresses of an uplink becomes a forward for all of them. */
static void note_other_addresses(struct work *work, struct landing *landing, const struct way *way)
{
	const struct rule *rule = landing->rule;

	for (unsigned i = 0; i < way->address_count && !landing->takes_more; i++)
		landing->takes_more = way->addresses[i].family == rule->family &&
				      !prefixes_hold(rule->destinations, rule->destination_count,
						     &way->addresses[i]);
	if (landing->takes_more)
		NOTE(work, rule, "forwards answer on all addresses of an uplink: %s also has others",
		     way->name);
}

/* On the uplinks that have the addresses. */
static bool on_addresses(struct work *work, struct landing *landing)
{
	const struct rule *rule = landing->rule;
	char text[PREFIX_TEXT_MAX];

	for (unsigned i = 0; i < rule->destination_count; i++) {
		const struct prefix *to = &rule->destinations[i];
		const struct way *way = recipe_way_of_address(work->recipe, &to->address);

		if (on_way(work, landing, way)) {
			note_other_addresses(work, landing, way);
			continue;
		}
		if (uplink_count(work->recipe) > 1) {
			REFUSE(work, rule, "nothing says which device has the address %s",
			       prefix_format(to, text));
			return false;
		}
		landing->everywhere = true;
		NOTE(work, rule, "nothing says which device has %s: the forward answers on all uplinks",
		     prefix_format(to, text));
	}
	return true;
}

/* The device that packets come in by; NULL: any that leads out, or one that is said to be another. */
static const char *device_of(const struct rule *rule)
{
	return rule->in && !rule->in_not ? rule->in : NULL;
}

static bool on_device(struct work *work, struct landing *landing, const char *device)
{
	struct recipe *recipe = work->recipe;
	const struct rule *rule = landing->rule;

	for (unsigned i = 0; i < recipe->way_count; i++)
		if (rule_device_matches(device, recipe->ways[i].device) &&
		    on_way(work, landing, &recipe->ways[i]) && rule->destination_count > 0)
			note_other_addresses(work, landing, &recipe->ways[i]);
	if (!landing->ways)
		REFUSE(work, rule, "%.32s is no uplink", device);
	return landing->ways;
}

static bool find_uplinks(struct work *work, struct landing *landing)
{
	struct recipe *recipe = work->recipe;
	const struct rule *rule = landing->rule;
	const char *device = device_of(rule);

	if (rule->destinations_not) {
		REFUSE(work, rule, "no forward is for all addresses but some");
		return false;
	}
	if (is_inside_address(work, rule)) {
		REFUSE(work, rule, "forwards are for addresses of uplinks, and this is none");
		return false;
	}
	if (device) {
		return on_device(work, landing, device);
	}
	if (rule->marked) {
		if (!on_way(work, landing, recipe_way_of_mark(recipe, rule->with_mark)))
			REFUSE(work, rule, "nothing says to which uplink the mark belongs");
		return landing->ways;
	}
	if (rule->destination_count > 0)
		return on_addresses(work, landing);
	landing->everywhere = true;
	return true;
}

/* --- ports --- */

static unsigned range_size(const struct port_range *range)
{
	return 1u + range->last - range->first;
}

/* iptables leads a range of ports to the same ones, to one, or to any of another range. */
static bool find_inner_ports(struct work *work, struct landing *landing, const struct port_range *outer,
			     unsigned count)
{
	struct import *import = work->recipe->import;
	const struct rule *rule = landing->rule;
	struct port_range to = rule->to_ports;
	unsigned ports = 0;

	landing->inside = (struct port_range *)outer;
	landing->inside_count = count;
	for (unsigned i = 0; i < count; i++)
		ports += range_size(&outer[i]);
	if (to.first == 0 || (count == 1 && memcmp(&to, outer, sizeof(to)) == 0))
		return true;
	if (rule->to_base && count == 1 && outer->first >= rule->to_base &&
	    outer->last - rule->to_base <= to.last - to.first) {
		to.last = (uint16_t)(to.first + (outer->last - rule->to_base));
		to.first = (uint16_t)(to.first + (outer->first - rule->to_base));
	} else if (rule->to_base || range_size(&to) != ports || count > 1) {
		REFUSE(work, rule, "%u ports lead to %u others: a forward leads each to one of its own",
		       ports, range_size(&to));
		return false;
	} else if (ports > 1) {
		NOTE(work, rule, "the ports are shifted one to one, while iptables takes any that is free");
	}
	landing->inside = import_alloc(import, sizeof(to));
	if (!landing->inside)
		return false;
	*landing->inside = to;
	landing->inside_count = 1;
	landing->internal = import_ports_text(import, &to, 1);
	return true;
}

static bool find_ports(struct work *work, struct landing *landing)
{
	static const struct port_range all = { 1, 65535 };
	struct import *import = work->recipe->import;
	const struct rule *rule = landing->rule;
	bool has_ports = rule->protocol == 0 || protocol_has_ports(rule->protocol);

	if (rule->protocol) {
		landing->protocols[landing->protocol_count++] = rule->protocol;
	} else {
		landing->protocols[landing->protocol_count++] = IPPROTO_TCP;
		landing->protocols[landing->protocol_count++] = IPPROTO_UDP;
	}
	if (!has_ports)
		return true;
	if (rule->port_count == 0 && landing->takes_more) {
		REFUSE(work, rule,
		       "all ports of one address of an uplink would be all of it: name the ports");
		return false;
	}
	if (rule->port_count == 0) {
		NOTE(work, rule, "all ports%s lead there; other protocols need a forward of their own",
		     rule->protocol ? "" : " of TCP and UDP");
		landing->rest = rule->to_ports.first == 0;
		landing->external = import_ports_text(import, &all, 1);
		return find_inner_ports(work, landing, &all, 1);
	}
	landing->external = import_ports_text(import, rule->ports, rule->port_count);
	return find_inner_ports(work, landing, rule->ports, rule->port_count);
}

/* --- merging --- */

enum key_part { KEY_HOURS, KEY_WAYS, KEY_SOURCES, KEY_PROTOCOLS, KEY_PORTS };

/* What must be the same in two landings that are merged; `but` is what may differ. */
static const char *landing_key(struct work *work, const struct landing *landing, enum key_part but)
{
	struct import *import = work->recipe->import;
	char text[PREFIX_TEXT_MAX];
	const char *key;
	struct buf buf;

	buf_init(&buf, 65536);
	buf_puts(&buf, ip_format(&landing->rule->address, text));
	if (but != KEY_PORTS)
		buf_printf(&buf, " %s %s", landing->external ? landing->external : "",
			   landing->internal ? landing->internal : "");
	else /* rules that one name holds together, as iptables takes no more than fifteen ports */
		buf_printf(&buf, " named %s %s", landing->rule->comment,
			   landing->internal ? "other ports" : "the same ports");
	if (but != KEY_HOURS)
		buf_printf(&buf, " hours %s", landing->hours ? landing->hours : "");
	buf_printf(&buf, " until %s", landing->rule->until ? landing->rule->until : "");
	if (but != KEY_WAYS)
		buf_printf(&buf, " ways %d %llx", landing->everywhere, (unsigned long long)landing->ways);
	for (unsigned i = 0; i < landing->source_count && but != KEY_SOURCES; i++)
		buf_printf(&buf, " %s", prefix_format(&landing->sources[i], text));
	for (unsigned i = 0; i < landing->protocol_count && (but != KEY_PROTOCOLS || !landing->external); i++)
		buf_printf(&buf, " protocol %u", landing->protocols[i]);
	key = import_strndup(import, buf_text(&buf), buf.length);
	buf_done(&buf);
	return key;
}

static void merge_sources(struct work *work, struct landing *into, const struct landing *other)
{
	struct prefix *both;

	if (into->source_count == 0 || other->source_count == 0) {
		into->source_count = 0; /* everyone, by one of the two rules */
		return;
	}
	both = import_alloc(work->recipe->import, (into->source_count + other->source_count) * sizeof(*both));
	if (!both)
		return;
	memcpy(both, into->sources, into->source_count * sizeof(*both));
	for (unsigned i = 0; i < other->source_count; i++) {
		bool there = false;

		for (unsigned k = 0; k < into->source_count; k++)
			there |= prefix_compare(&both[k], &other->sources[i]) == 0;
		if (!there)
			both[into->source_count++] = other->sources[i];
	}
	into->sources = both;
}

static void merge(struct work *work, struct landing *into, const struct landing *other, enum key_part part)
{
	switch (part) {
	case KEY_HOURS:
		into->hours = into->hours && other->hours ?
				      import_join(work->recipe->import, into->hours, ", ", other->hours) :
				      NULL; /* always, by one of the two rules */
		into->window_count += other->window_count;
		break;
	case KEY_PORTS:
		into->external = import_join(work->recipe->import, into->external, ",", other->external);
		if (into->internal)
			into->internal = import_join(work->recipe->import, into->internal, ",",
						     other->internal);
		into->range_count += other->range_count;
		break;
	case KEY_WAYS:
		into->ways |= other->ways;
		into->everywhere |= other->everywhere;
		break;
	case KEY_SOURCES:
		merge_sources(work, into, other);
		break;
	case KEY_PROTOCOLS:
		for (unsigned i = 0; i < other->protocol_count; i++)
			if (!memchr(into->protocols, other->protocols[i], into->protocol_count))
				into->protocols[into->protocol_count++] = other->protocols[i];
		break;
	}
}

static bool can_merge(const struct landing *landing, enum key_part part)
{
	return part != KEY_PORTS ||
	       (landing->external && !landing->rest && landing->rule->comment && landing->rule->comment[0]);
}

/* Whether one forward has room for both. */
static bool fits(const struct landing *a, const struct landing *b, enum key_part part)
{
	switch (part) {
	case KEY_HOURS:
		return a->window_count + b->window_count <= SCHEDULE_WINDOWS_MAX;
	case KEY_PORTS:
		return a->range_count + b->range_count <= LIST_MAX;
	case KEY_SOURCES:
		return a->source_count + b->source_count <= LIST_MAX;
	case KEY_PROTOCOLS:
		return a->protocol_count + b->protocol_count <= sizeof(a->protocols);
	case KEY_WAYS:
		break;
	}
	return true;
}

static void merge_by(struct work *work, enum key_part part)
{
	json_t *seen = json_object();

	for (unsigned i = 0; i < work->count && !work->recipe->import->failed; i++) {
		const char *key;
		json_t *first;

		if (work->landings[i].into != (int)i || !can_merge(&work->landings[i], part))
			continue;
		key = landing_key(work, &work->landings[i], part);
		first = json_object_get(seen, key);
		if (first && fits(&work->landings[json_integer_value(first)], &work->landings[i], part)) {
			work->landings[i].into = (int)json_integer_value(first);
			merge(work, &work->landings[json_integer_value(first)], &work->landings[i], part);
		} else {
			json_object_set_new(seen, key, json_integer((json_int_t)i));
		}
	}
	json_decref(seen);
}

static struct landing *merged(struct work *work, unsigned i)
{
	while (work->landings[i].into != (int)i)
		i = (unsigned)work->landings[i].into;
	return &work->landings[i];
}

/* --- what POSTROUTING does to them --- */

static bool ports_meet(const struct port_range *a, unsigned a_count, const struct port_range *b,
		       unsigned b_count)
{
	for (unsigned i = 0; i < a_count; i++)
		for (unsigned k = 0; k < b_count; k++)
			if (a[i].first <= b[k].last && b[k].first <= a[i].last)
				return true;
	return a_count == 0;
}

static bool leads_there(struct work *work, const struct landing *landing, const struct rule *rule)
{
	return import_step(work->recipe->import, 1) &&
	       prefixes_hold(rule->destinations, rule->destination_count, &landing->rule->address) &&
	       ports_meet(rule->ports, rule->port_count, landing->inside, landing->inside_count) &&
	       (!rule->protocol || memchr(landing->protocols, rule->protocol, landing->protocol_count));
}

/* Source NAT towards a backend, for whoever comes: it sees the router. */
static void note_router_seen(struct work *work, const struct rule *rule)
{
	bool found = false;

	for (unsigned i = 0; i < work->count; i++) {
		if (!leads_there(work, &work->landings[i], rule))
			continue;
		merged(work, i)->router_seen = true;
		found = true;
	}
	if (!found)
		REFUSE(work, rule, "no forward leads there");
}

/* --- whom the filter lets in --- */

/* A rule of the filter that lets in somebody from an uplink. */
static bool lets_in_from_outside(const struct recipe *recipe, const struct rule *rule)
{
	bool from_way = !rule->in || rule->in_not, to_way = false;

	for (unsigned i = 0; i < recipe->way_count; i++) {
		const struct way *way = &recipe->ways[i];

		from_way |= rule->in && way->name && rule_device_matches(rule->in, way->device);
		to_way |= rule->out && way->name && rule_device_matches(rule->out, way->device);
	}
	/* Sources that are private and may go everywhere are a LAN's. */
	return strcmp(rule->table, "filter") == 0 && strcmp(rule->chain, "FORWARD") == 0 &&
	       rule->target == TARGET_ACCEPT && !rule->answers && from_way && (!to_way || rule->out_not) &&
	       (rule->destination_count > 0 || rule->source_count == 0 ||
		!ip_is_private(&rule->sources[0].address));
}

/*
 * Where the filter drops all else, and each rule that lets in to the backend is for some sources, the forward is for
 * those.
 */
static void narrow(struct work *work, struct landing *landing)
{
	struct recipe *recipe = work->recipe;
	unsigned count = 0, size = 0;
	struct prefix *sources = NULL;

	for (unsigned i = 0; i < recipe->flat_count; i++) {
		const struct rule *rule = &recipe->flat[i];

		if (!rule->lets_in || !leads_there(work, landing, rule))
			continue;
		if (rule->source_count == 0 || rule->sources_not)
			return;
		for (unsigned k = 0; k < rule->source_count; k++) {
			sources = import_grow(recipe->import, sources, count, &size, sizeof(*sources));
			if (!sources)
				return;
			sources[count++] = rule->sources[k];
		}
	}
	for (unsigned i = 0; i < recipe->flat_count && count > 0; i++)
		recipe->flat[i].narrows |= recipe->flat[i].lets_in &&
					   leads_there(work, landing, &recipe->flat[i]);
	landing->sources = sources;
	landing->source_count = count;
}

/* --- what is left for a host that gets everything --- */

enum { PORTS_END = 65536 };

static void take_ports(int *changes, const struct port_range *ranges, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		changes[ranges[i].first]++;
		changes[ranges[i].last + 1]--;
	}
}

static bool protocols_meet(const struct landing *landing, const uint8_t *protocols, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (memchr(landing->protocols, protocols[i], landing->protocol_count))
			return true;
	return false;
}

/* iptables asks the rules of single ports first; here no two forwards may have the same port. */
static void leave_ports_of_others(struct work *work, struct landing *landing)
{
	const struct object_list *list = &work->recipe->import->config->lists[KIND_FORWARD];
	struct port_range free_ports[LIST_MAX + 1];
	unsigned count = 0;
	int taken = 0;

	if (!work->changes)
		work->changes = import_alloc(work->recipe->import, (PORTS_END + 1) * sizeof(*work->changes));
	if (!work->changes)
		return;
	memset(work->changes, 0, (PORTS_END + 1) * sizeof(*work->changes));
	for (unsigned i = 0; i < work->count; i++) {
		const struct landing *other = &work->landings[i];

		if (!import_step(work->recipe->import, 1))
			return;
		if (!other->rest && other->rule->port_count && other->rule->family == landing->rule->family &&
		    protocols_meet(landing, other->protocols, other->protocol_count) &&
		    (landing->everywhere || other->everywhere || (landing->ways & other->ways)))
			take_ports(work->changes, other->rule->ports, other->rule->port_count);
	}
	for (unsigned i = 0; i < list->count; i++) {
		const struct forward *forward = (const struct forward *)list->items[i];

		if (forward->enabled &&
		    protocols_meet(landing, forward->protocols.items, forward->protocols.count))
			take_ports(work->changes, forward->external_ports.items,
				   forward->external_ports.count);
	}
	for (unsigned port = 1; port < PORTS_END && count <= LIST_MAX; port++) {
		taken += work->changes[port];
		if (taken > 0)
			continue;
		if (count > 0 && free_ports[count - 1].last == port - 1)
			free_ports[count - 1].last = (uint16_t)port;
		else
			free_ports[count++] = (struct port_range){ (uint16_t)port, (uint16_t)port };
	}
	landing->external = import_ports_text(work->recipe->import, free_ports, count);
}

/* --- the forwards --- */

static json_t *uplink_names(struct work *work, const struct landing *landing)
{
	const struct recipe *recipe = work->recipe;
	json_t *names = json_array();

	for (unsigned i = 0; i < recipe->way_count && !landing->everywhere; i++)
		if (landing->ways & 1ull << i)
			json_array_append_new(names, json_string(recipe->ways[i].name));
	if (json_array_size(names) == uplink_count(recipe))
		json_array_clear(names); /* those that there are: all */
	return names;
}

static const char *forward_name(struct work *work, const struct landing *landing)
{
	const struct rule *rule = landing->rule;
	uint16_t port = rule->port_count ? rule->ports[0].first : 0;
	const char *service = port ? import_service_name(port) : NULL;
	char name[8];

	if (rule->comment && rule->comment[0])
		return rule->comment;
	if (service)
		return service;
	if (port)
		return import_printf(work->recipe->import, "%s-%s",
				     protocol_name(landing->protocols[0], name),
				     import_ports_text(work->recipe->import, rule->ports, 1));
	if (landing->external)
		return "all-ports";
	return import_printf(work->recipe->import, "%s", protocol_name(landing->protocols[0], name));
}

static int draft_forward(struct work *work, const struct landing *landing)
{
	char address[IP_TEXT_MAX], name[8];
	json_t *protocols = json_array();
	json_t *fields = json_pack("{s:s, s:o, s:s?, s:s?, s:o, s:o}", "internal_address",
				   ip_format(&landing->rule->address, address), "protocols", protocols,
				   "external_ports", landing->external, "internal_ports", landing->internal,
				   "uplinks", uplink_names(work, landing), "sources",
				   import_prefix_list(landing->sources, landing->source_count));

	for (unsigned i = 0; i < landing->protocol_count; i++)
		json_array_append_new(protocols, json_string(protocol_name(landing->protocols[i], name)));
	if (landing->hours)
		json_object_set_new(fields, "schedule", json_string(landing->hours));
	if (landing->rule->until)
		json_object_set_new(fields, "expires_at", json_string(landing->rule->until));
	if (landing->router_seen)
		json_object_set_new(fields, "backend_sees", json_string("router"));
	return draft_add(work->recipe->import, KIND_FORWARD, forward_name(work, landing), fields);
}

static void draft_all(struct work *work)
{
	int *drafts = import_alloc(work->recipe->import, (work->count + 1) * sizeof(*drafts));

	for (unsigned i = 0; drafts && i < work->count; i++) {
		if (work->landings[i].into != (int)i)
			continue;
		if (work->landings[i].rest)
			leave_ports_of_others(work, &work->landings[i]);
		drafts[i] = draft_forward(work, &work->landings[i]);
	}
	for (unsigned i = 0; drafts && i < work->count; i++)
		statement_became(work->recipe->import, work->landings[i].rule->statement,
				 drafts[merged(work, i) - work->landings], NULL);
	/* What rewrites the source towards a backend, or lets some in, belongs to its forward. */
	for (unsigned r = 0; drafts && r < work->recipe->flat_count; r++) {
		const struct rule *rule = &work->recipe->flat[r];

		if ((!rule->towards_backend && !rule->narrows) ||
		    !statement_is_open(work->recipe->import, rule->statement))
			continue;
		for (unsigned i = 0; i < work->count; i++)
			if (leads_there(work, &work->landings[i], rule)) {
				statement_became(work->recipe->import, rule->statement,
						 drafts[merged(work, i) - work->landings], NULL);
				break;
			}
	}
}

/* From the LAN to a public address: half of hairpin, which Portico does by itself for each forward. */
static bool is_hairpin_half(struct work *work, const struct rule *rule)
{
	const char *device = device_of(rule);

	return device && recipe_is_inside(work->recipe, device);
}

static void add_landing(struct work *work, const struct rule *rule)
{
	struct landing landing = {
		.rule = rule,
		.into = (int)work->count,
		.hours = rule->hours,
		.window_count = 1,
		.range_count = rule->port_count,
		.sources = rule->sources,
		.source_count = rule->source_count,
	};
	struct landing *items;

	if (rule->problem) {
		REFUSE(work, rule, "%s", rule->problem);
		return;
	}
	if (rule->sources_not || rule->not_local) {
		REFUSE(work, rule, "no forward is for everyone but some");
		return;
	}
	if (!find_uplinks(work, &landing) || !find_ports(work, &landing))
		return;
	items = import_grow(work->recipe->import, work->landings, work->count, &work->size, sizeof(*items));
	if (!items)
		return;
	work->landings = items;
	items[work->count++] = landing;
}

/* What a LAN or the router itself needs a rule for in iptables, and a forward does by itself. */
static void finish_half(struct work *work, const struct rule *rule, const char *who)
{
	for (unsigned i = 0; i < work->count; i++) {
		const struct landing *landing = &work->landings[i];

		if (ip_compare(&landing->rule->address, &rule->address) == 0 &&
		    (!rule->protocol ||
		     memchr(landing->protocols, rule->protocol, landing->protocol_count)) &&
		    import_ports_hold(landing->rule->ports, landing->rule->port_count, rule->ports,
				      rule->port_count)) {
			statement_covered(work->recipe->import, rule->statement,
					  "%s reach each forward by the uplinks' addresses by themselves",
					  who);
			return;
		}
	}
	REFUSE(work, rule, "%s reach only what is forwarded from an uplink, and this is not", who);
}

void recipe_forwards(struct recipe *recipe)
{
	struct work work = { .recipe = recipe };

	for (unsigned i = 0; i < recipe->flat_count; i++) {
		const struct rule *rule = &recipe->flat[i];

		if (rule->target == TARGET_DNAT && strcmp(rule->chain, "PREROUTING") == 0 &&
		    !is_hairpin_half(&work, rule))
			add_landing(&work, rule);
	}
	if (recipe->import->failed)
		return;
	for (unsigned i = 0; i < recipe->flat_count; i++)
		recipe->flat[i].lets_in = lets_in_from_outside(recipe, &recipe->flat[i]);
	for (unsigned i = 0; i < work.count && recipe->drops_forwards; i++)
		if (work.landings[i].source_count == 0)
			narrow(&work, &work.landings[i]);
	merge_by(&work, KEY_HOURS);
	merge_by(&work, KEY_WAYS);
	merge_by(&work, KEY_SOURCES);
	merge_by(&work, KEY_PROTOCOLS);
	merge_by(&work, KEY_PORTS);
	for (unsigned i = 0; i < recipe->flat_count; i++)
		if (recipe->flat[i].towards_backend)
			note_router_seen(&work, &recipe->flat[i]);
	draft_all(&work);
	for (unsigned i = 0; i < recipe->flat_count; i++) {
		const struct rule *rule = &recipe->flat[i];

		if (rule->target == TARGET_DNAT && strcmp(rule->chain, "PREROUTING") == 0 &&
		    is_hairpin_half(&work, rule))
			finish_half(&work, rule, "LANs");
		else if (rule->target == TARGET_DNAT && strcmp(rule->chain, "OUTPUT") == 0)
			finish_half(&work, rule, "the router's own programs");
	}
}
