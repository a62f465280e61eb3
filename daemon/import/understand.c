/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The meaning of rules other than forwards: uplinks, source NAT, hairpin, marks, redirects, filters. */
#include <string.h>

#include "import/recipe.h"

#define REFUSE(recipe, rule, ...)  statement_refuse((recipe)->import, (rule)->statement, __VA_ARGS__)
#define COVERED(recipe, rule, ...) statement_covered((recipe)->import, (rule)->statement, __VA_ARGS__)

static bool is_at(const struct rule *rule, const char *table, const char *hook)
{
	return strcmp(rule->table, table) == 0 && strcmp(rule->chain, hook) == 0;
}

static bool has_sources(const struct rule *rule)
{
	return rule->source_count > 0 && !rule->sources_not;
}

static bool has_destinations(const struct rule *rule)
{
	return rule->destination_count > 0 && !rule->destinations_not;
}

/* --- which devices lead out --- */

static bool rewrites_source(const struct rule *rule)
{
	return is_at(rule, "nat", "POSTROUTING") &&
	       (rule->target == TARGET_SNAT || rule->target == TARGET_MASQUERADE);
}

/* Towards a host in a LAN, not out. */
static bool goes_inside(struct recipe *recipe, const struct rule *rule)
{
	if (has_destinations(rule) && ip_is_private(&rule->destinations[0].address))
		return true;
	return rule->out && !rule->out_not && recipe_is_inside(recipe, rule->out);
}

static void leads_out(struct recipe *recipe, const char *device)
{
	struct way *way;

	if (recipe_is_inside(recipe, device) || strchr(device, '+'))
		return;
	way = recipe_way(recipe, device);
	if (way)
		way->outward = true;
}

static bool is_default_device(const struct link *link)
{
	return link->default_route4 || link->default_route6;
}

static void note_devices(struct recipe *recipe, const struct rule *rule)
{
	const struct link *link;

	if (rewrites_source(rule) && rule->out && !rule->out_not && !goes_inside(recipe, rule))
		leads_out(recipe, rule->out);
	if (!is_at(rule, "nat", "PREROUTING") || rule->target != TARGET_DNAT)
		return;
	if (rule->in && !rule->in_not)
		leads_out(recipe, rule->in);
	for (unsigned i = 0; i < rule->destination_count; i++) {
		link = import_link_with(recipe->import, &rule->destinations[i].address, false);
		if (link && is_default_device(link))
			leads_out(recipe, import_strndup(recipe->import, link->name, strlen(link->name)));
	}
}

/* A rule for all that leaves is one for the devices that lead out now. */
static void note_default_devices(struct recipe *recipe)
{
	const struct links *links = recipe->import->links;

	for (unsigned i = 0; i < links->count; i++)
		if (is_default_device(&links->items[i]))
			leads_out(recipe, import_strndup(recipe->import, links->items[i].name,
							 strlen(links->items[i].name)));
}

static unsigned count_outward(const struct recipe *recipe)
{
	unsigned count = 0;

	for (unsigned i = 0; i < recipe->way_count; i++)
		count += recipe->ways[i].outward;
	return count;
}

static void find_devices(struct recipe *recipe)
{
	bool for_all = false;

	for (unsigned i = 0; i < recipe->flat_count; i++) {
		const struct rule *rule = &recipe->flat[i];

		note_devices(recipe, rule);
		for_all |= rewrites_source(rule) && (!rule->out || rule->out_not) &&
			   !goes_inside(recipe, rule);
	}
	if (for_all && count_outward(recipe) == 0)
		note_default_devices(recipe);
}

/* --- marks of connections: who came in by which way --- */

static bool sets_mark(const struct rule *rule)
{
	return strcmp(rule->table, "filter") != 0 && rule->target == TARGET_SET_MARK;
}

/* The router forwards from this address, so it is one of its own. */
static bool is_forwarded_from(const struct recipe *recipe, const struct prefix *address)
{
	for (unsigned i = 0; i < recipe->flat_count; i++) {
		const struct rule *rule = &recipe->flat[i];

		if (rule->target == TARGET_DNAT && has_destinations(rule) &&
		    prefix_compare(&rule->destinations[0], address) == 0)
			return true;
	}
	return false;
}

/* Marks what comes in by a way: by its device, or to its address. NULL: it does not. */
static struct way *arrival_way(struct recipe *recipe, const struct rule *rule)
{
	struct way *way = recipe_way_of_mark(recipe, rule->mark);
	struct way *device = rule->in && !rule->in_not ? recipe_way(recipe, rule->in) : NULL;

	if (strcmp(rule->chain, "PREROUTING") != 0 && strcmp(rule->chain, "INPUT") != 0 &&
	    strcmp(rule->chain, "FORWARD") != 0)
		return NULL;
	if (device && !recipe_is_inside(recipe, device->device) && (device == way || device->outward))
		return device;
	if (rule->in || !has_destinations(rule) || rule->destinations[0].length < 8 * ip_size(rule->family))
		return NULL;
	device = recipe_way_of_address(recipe, &rule->destinations[0].address);
	if (!device && way && is_forwarded_from(recipe, &rule->destinations[0]))
		device = way;
	return device;
}

static void find_marks(struct recipe *recipe)
{
	for (unsigned i = 0; i < recipe->flat_count; i++) {
		const struct rule *rule = &recipe->flat[i];
		struct way *way = sets_mark(rule) ? arrival_way(recipe, rule) : NULL;

		if (!way)
			continue;
		way->outward = true;
		if (!rule->in && has_destinations(rule))
			way_add_address(way, &rule->destinations[0].address);
		if (!recipe_way_of_mark(recipe, rule->mark) && recipe->mark_count < FACTS_MAX) {
			recipe->marks[recipe->mark_count].mark = rule->mark;
			recipe->marks[recipe->mark_count++].way = way;
		}
	}
}

/* Policies know no devices: the addresses of the one that packets come in by stand for it. */
static void draft_policy(struct recipe *recipe, struct rule rule, const struct way *way)
{
	const struct link *link = rule.in && !rule.in_not ? links_find(recipe->import->links, rule.in) : NULL;
	struct prefix prefix;

	if (rule.in && !has_sources(&rule)) {
		if (!link || !import_link_prefix(link, rule.family, &prefix)) {
			REFUSE(recipe, &rule,
			       "policies know no devices, but addresses: nothing says those of %.32s",
			       rule.in);
			return;
		}
		rule.sources = &prefix;
		rule.source_count = 1;
	}
	statement_became(recipe->import, rule.statement, recipe_policy(recipe, &rule, way), NULL);
}

/* A mark for some of what comes from inside is a policy. */
static void understand_mark(struct recipe *recipe, const struct rule *rule)
{
	const struct way *arrival = arrival_way(recipe, rule), *way = recipe_way_of_mark(recipe, rule->mark);

	if (rule->problem || rule->hours || rule->until)
		REFUSE(recipe, rule, "%s", rule->problem ? rule->problem : "policies know no hours");
	else if (arrival && arrival->name)
		recipe_became_uplink(recipe, rule->statement, arrival);
	else if (rule->marked && rule->with_mark)
		REFUSE(recipe, rule, "no policy is for packets with a mark");
	else if (way && way->name && is_at(rule, "mangle", "POSTROUTING"))
		recipe_became_uplink(recipe, rule->statement, way);
	else if (!way || !way->name)
		REFUSE(recipe, rule, "nothing says where the mark 0x%x leads", rule->mark);
	else if (rule->sources_not || rule->destinations_not || strcmp(rule->chain, "PREROUTING") != 0)
		REFUSE(recipe, rule, "no policy is for all but some, or for the router's own packets");
	else
		draft_policy(recipe, *rule, way);
}

/*
 * Of policies the first one counts; of marks the last one, but for those that are set where there is none yet
 * (-m mark --mark 0).
 */
static void understand_marks(struct recipe *recipe)
{
	for (unsigned i = recipe->flat_count; i > 0 && !recipe->import->failed; i--)
		if (sets_mark(&recipe->flat[i - 1]) && !recipe->flat[i - 1].marked)
			understand_mark(recipe, &recipe->flat[i - 1]);
	for (unsigned i = 0; i < recipe->flat_count && !recipe->import->failed; i++)
		if (sets_mark(&recipe->flat[i]) && recipe->flat[i].marked)
			understand_mark(recipe, &recipe->flat[i]);
}

/* --- uplinks --- */

static const char *way_title(struct recipe *recipe, const struct way *way, unsigned number)
{
	if (way->label)
		return way->label;
	return count_outward(recipe) == 1 ? "wan" : import_printf(recipe->import, "isp%u", number);
}

static void draft_uplink(struct recipe *recipe, struct way *way, unsigned number, unsigned highest)
{
	char address[IP_TEXT_MAX];
	json_t *fields = json_pack("{s:s}", "device", way->device);

	if (way->has_gateway)
		json_object_set_new(fields, "gateway", json_string(ip_format(&way->gateway, address)));
	else if (way->direct)
		json_object_set_new(fields, "gateway", json_null());
	if (way->weight > 0)
		json_object_set_new(fields, "weight", json_integer(import_weight(way->weight, highest)));
	if (recipe_tier(recipe, way) > 1)
		json_object_set_new(fields, "tier", json_integer(recipe_tier(recipe, way)));
	way->draft = draft_add(recipe->import, KIND_UPLINK, way_title(recipe, way, number), fields);
	if (way->draft >= 0)
		way->name = recipe->import->drafts[way->draft].name;
}

static void draft_uplinks(struct recipe *recipe)
{
	unsigned number = 0, highest = 0;

	for (unsigned i = 0; i < recipe->way_count; i++)
		if (recipe->ways[i].weight > highest)
			highest = recipe->ways[i].weight;
	for (unsigned i = 0; i < recipe->way_count; i++) {
		struct way *way = &recipe->ways[i];

		number += way->outward;
		if (way->outward && !way->uplink)
			draft_uplink(recipe, way, number, highest);
	}
}

/* --- POSTROUTING --- */

/* The first rule for all that leaves counts; false: there was another one. Uplinks that are there are not changed. */
static bool set_source_nat(struct recipe *recipe, const struct way *way, const struct rule *rule)
{
	json_t *fields = way->draft < 0 ? NULL : recipe->import->drafts[way->draft].fields;
	char address[IP_TEXT_MAX] = "masquerade";

	if (rule->target == TARGET_SNAT)
		ip_format(&rule->address, address);
	if (!fields)
		return true;
	if (json_object_get(fields, "source_nat"))
		return strcmp(json_string_value(json_object_get(fields, "source_nat")), address) == 0;
	if (!has_sources(rule))
		json_object_set_new(fields, "source_nat", json_string(address));
	return true;
}

/* "-s LAN ! -d LAN": what stays inside does not leave by an uplink anyway. */
static bool leaves_out_itself(const struct rule *rule)
{
	for (unsigned i = 0; i < rule->destination_count; i++) {
		bool own = ip_is_loopback(&rule->destinations[i].address) ||
			   ip_is_multicast(&rule->destinations[i].address);

		for (unsigned k = 0; k < rule->source_count; k++)
			own |= prefix_covers(&rule->sources[k], &rule->destinations[i]);
		if (!own)
			return false;
	}
	return true;
}

static void draft_source_nat(struct recipe *recipe, const struct way *way, const struct rule *rule)
{
	char address[IP_TEXT_MAX], source[PREFIX_TEXT_MAX];
	json_t *fields = json_pack("{s:o, s:s, s:s}", "sources",
				   import_prefix_list(rule->sources, rule->source_count), "uplink", way->name,
				   "address", ip_format(&rule->address, address));

	statement_became(recipe->import, rule->statement,
			 draft_add(recipe->import, KIND_SOURCE_NAT,
				   import_printf(recipe->import, "%s as %s",
						 prefix_format(rule->sources, source), address),
				   fields),
			 NULL);
}

/* The way that the rule is for; NULL: all, or (`*ret_none`) none. */
static const struct way *leaving_way(struct recipe *recipe, const struct rule *rule, bool *ret_none)
{
	const struct way *way = NULL;

	*ret_none = false;
	if (rule->out && !rule->out_not) {
		for (unsigned i = 0; i < recipe->way_count && !way; i++)
			if (recipe->ways[i].name && rule_device_matches(rule->out, recipe->ways[i].device))
				way = &recipe->ways[i];
		*ret_none = !way;
	} else if (rule->target == TARGET_SNAT) {
		way = recipe_way_of_address(recipe, &rule->address);
		if ((!way || !way->name) && count_outward(recipe) == 1)
			for (unsigned i = 0; i < recipe->way_count; i++)
				if (recipe->ways[i].outward)
					way = &recipe->ways[i];
		*ret_none = !way || !way->name;
	}
	return way;
}

/* Whoever is masqueraded is at home here: a LAN, which reaches forwards as well; of SNAT, whoever has a device. */
static void note_lan(struct recipe *recipe, const struct rule *rule)
{
	int draft;

	for (unsigned i = 0; has_sources(rule) && i < rule->source_count; i++)
		if (ip_is_private(&rule->sources[i].address) && rule->sources[i].length > 0 &&
		    (rule->target == TARGET_MASQUERADE ||
		     import_link_with(recipe->import, &rule->sources[i].address, true)))
			import_network_of(recipe->import, &rule->sources[i], &draft);
}

static void understand_leaving(struct recipe *recipe, const struct rule *rule)
{
	bool none;
	const struct way *way = leaving_way(recipe, rule, &none);

	if (none || count_outward(recipe) == 0) {
		REFUSE(recipe, rule, "nothing says which device leads out%s%.32s", rule->out ? ": not " : "",
		       rule->out ? rule->out : "");
		return;
	}
	if (has_destinations(rule)) {
		REFUSE(recipe, rule, "source NAT here is by source and uplink, not by destination");
		return;
	}
	if (rule->marked && (!way || recipe_way_of_mark(recipe, rule->with_mark) != way)) {
		REFUSE(recipe, rule, "source NAT here is by source and uplink, not by a mark");
		return;
	}
	if (rule->port_count || rule->protocol || rule->sources_not) {
		REFUSE(recipe, rule,
		       "source NAT here is for all ports and protocols, and for sources that are named");
		return;
	}
	note_lan(recipe, rule);
	if (rule->destinations_not && !leaves_out_itself(rule))
		statement_note(recipe->import, rule->statement,
			       "the source is rewritten whatever the destination is");
	if (rule->target == TARGET_SNAT && has_sources(rule)) {
		draft_source_nat(recipe, way, rule);
	} else if (way && !set_source_nat(recipe, way, rule)) {
		REFUSE(recipe, rule, "a rule before it has all that leaves by %.32s", way->device);
	} else if (way) {
		recipe_became_uplink(recipe, rule->statement, way);
	} else {
		COVERED(recipe, rule,
			"what leaves by an uplink is masqueraded, unless the uplink says otherwise");
	}
}

/* From a LAN to a host in a LAN: the second half of hairpin, for all forwards at once. */
static void understand_hairpin(struct recipe *recipe, const struct rule *rule)
{
	struct import *import = recipe->import;
	const char *name;
	const struct network *network;
	const struct way *way;
	int draft;

	if (!ip_is_private(&rule->sources[0].address)) {
		REFUSE(recipe, rule, "what a backend sees is the same for all who come from outside");
		return;
	}
	name = import_network_of(import, &rule->sources[0], &draft);
	way = rule->target == TARGET_SNAT ? recipe_way_of_address(recipe, &rule->address) : NULL;
	if (draft >= 0 && way && way->outward)
		json_object_set_new(import->drafts[draft].fields, "hairpin_source", json_string("external"));
	statement_became(recipe->import, rule->statement, draft, import_printf(import, "network %s", name));
	network = draft < 0 ? (const struct network *)config_find_name(import->config, KIND_NETWORK, name) :
			      NULL;
	if (network && !network->hairpin)
		statement_note(import, rule->statement, "hairpin of this network is off: switch it on");
}

static void understand_source(struct recipe *recipe, struct rule *rule)
{
	if (rule->problem)
		REFUSE(recipe, rule, "%s", rule->problem);
	else if (rule->hours || rule->until)
		REFUSE(recipe, rule, "source NAT knows no hours");
	else if (!goes_inside(recipe, rule))
		understand_leaving(recipe, rule);
	else if (rule->sources_not)
		REFUSE(recipe, rule, "no object here is for all sources but some");
	else if (has_sources(rule))
		understand_hairpin(recipe, rule);
	else
		rule->towards_backend = true;
}

/* --- redirects --- */

static const char *redirect_network(struct recipe *recipe, const struct rule *rule)
{
	struct import *import = recipe->import;
	const struct network *network = rule->in ? import_network_on(import, rule->in) : NULL;
	const struct link *link = rule->in ? links_find(import->links, rule->in) : NULL;
	struct prefix prefix;
	int draft;

	if (network)
		return network->object.name;
	if (link && import_link_prefix(link, rule->family, &prefix))
		return import_network_of(import, &prefix, &draft);
	if (has_sources(rule))
		return import_network_of(import, &rule->sources[0], &draft);
	if (rule->in) {
		draft = import_drafted_network(import, rule->in, NULL);
		if (draft < 0)
			draft = draft_add(import, KIND_NETWORK, "lan",
					  json_pack("{s:[s]}", "devices", rule->in));
		return draft < 0 ? NULL : import->drafts[draft].name;
	}
	if (import->config->lists[KIND_NETWORK].count == 1)
		return import->config->lists[KIND_NETWORK].items[0]->name;
	return NULL;
}

/* Whether the exception is for the redirect's device, protocol and ports, or for more. */
static bool covers_packets(const struct rule *exception, const struct rule *redirect)
{
	bool device = !exception->in || (redirect->in && !exception->in_not &&
					 rule_device_matches(exception->in, redirect->in));

	return device && (!exception->protocol || exception->protocol == redirect->protocol) &&
	       import_ports_hold(exception->ports, exception->port_count, redirect->ports,
				 redirect->port_count);
}

/* Rules ahead of it that let some of its packets go. */
static void add_exceptions(struct recipe *recipe, const struct rule *redirect, json_t *except)
{
	for (const struct rule *rule = recipe->flat; rule < redirect && import_step(recipe->import, 1);
	     rule++) {
		bool leaves = rule->target == TARGET_ACCEPT || rule->target == TARGET_RETURN;
		json_t *list;

		if (!leaves || !is_at(rule, "nat", "PREROUTING") || rule->problem ||
		    json_array_size(except) > LIST_MAX || !covers_packets(rule, redirect))
			continue;
		if (rule->to_local && !has_sources(rule) && !has_destinations(rule)) {
			COVERED(recipe, rule, "a redirect leaves alone what is for the router itself");
			continue;
		}
		if (has_sources(rule) == has_destinations(rule))
			continue;
		list = has_sources(rule) ? import_prefix_list(rule->sources, rule->source_count) :
					   import_prefix_list(rule->destinations, rule->destination_count);
		json_array_extend(except, list);
		json_decref(list);
		COVERED(recipe, rule, "an exception of the redirect at line %u",
			statement_line(recipe->import, redirect->statement));
	}
}

static json_t *redirect_exceptions(struct recipe *recipe, const struct rule *rule)
{
	json_t *except = json_array();
	json_t *sources = rule->sources_not ? import_prefix_list(rule->sources, rule->source_count) : NULL;
	json_t *destinations = rule->destinations_not ?
				       import_prefix_list(rule->destinations, rule->destination_count) :
				       NULL;

	json_array_extend(except, sources);
	json_array_extend(except, destinations);
	add_exceptions(recipe, rule, except);
	json_decref(sources);
	json_decref(destinations);
	return except;
}

/* One that was drafted for another device or prefix of the network; -1. */
static int same_redirect(struct import *import, const json_t *fields)
{
	static const char *const keys[] = { "network", "protocol", "port", "to_port" };

	for (unsigned i = 0; i < import->draft_count && import_step(import, 1); i++) {
		bool same = import->drafts[i].kind == KIND_REDIRECT;

		for (unsigned k = 0; k < 4 && same; k++)
			same = json_equal(json_object_get(import->drafts[i].fields, keys[k]),
					  json_object_get(fields, keys[k]));
		if (same)
			return (int)i;
	}
	return -1;
}

static void draft_redirects(struct recipe *recipe, const struct rule *rule, const char *network)
{
	json_t *except = redirect_exceptions(recipe, rule);
	char text[8];
	const char *protocol = protocol_name(rule->protocol, text);

	for (unsigned i = 0; i < rule->port_count; i++) {
		uint16_t port = rule->ports[i].first, to = rule->to_ports.first ? rule->to_ports.first : port;
		json_t *fields = json_pack("{s:s, s:s, s:i, s:i, s:O}", "network", network, "protocol",
					   protocol, "port", port, "to_port", to, "except", except);
		const char *name = rule->comment && rule->comment[0] ?
					   rule->comment :
					   import_printf(recipe->import, "%s to %u",
							 import_service_name(port) ?
								 import_service_name(port) :
								 protocol,
							 to);

		int draft = same_redirect(recipe->import, fields);

		if (draft >= 0)
			json_decref(fields);
		else
			draft = draft_add(recipe->import, KIND_REDIRECT, name, fields);
		statement_became(recipe->import, rule->statement, draft, NULL);
	}
	json_decref(except);
}

/* Of a rule with sources: whether they are no less than the network that the redirect is for. */
static bool is_whole_network(struct recipe *recipe, const struct rule *rule)
{
	const struct link *link = rule->in ? links_find(recipe->import->links, rule->in) : NULL;
	struct prefix prefix;

	if (!has_sources(rule))
		return true;
	if (rule->source_count > 1)
		return false;
	if (!rule->in)
		link = import_link_with(recipe->import, &rule->sources[0].address, true);
	return (!rule->in && !link) || (link && import_link_prefix(link, rule->family, &prefix) &&
					prefix_covers(&rule->sources[0], &prefix));
}

static void understand_redirect(struct recipe *recipe, const struct rule *rule)
{
	const char *network;
	bool single = rule->port_count > 0 && rule->to_ports.first == rule->to_ports.last;

	for (unsigned i = 0; i < rule->port_count; i++)
		single = single && rule->ports[i].first == rule->ports[i].last;
	if (rule->problem || rule->hours || rule->until)
		REFUSE(recipe, rule, "%s", rule->problem ? rule->problem : "redirects know no hours");
	else if (!single)
		REFUSE(recipe, rule, "a redirect is for single ports");
	else if (rule->marked)
		REFUSE(recipe, rule, "no redirect is for packets with a mark");
	else if (!is_whole_network(recipe, rule))
		REFUSE(recipe, rule, "a redirect is for all of a network, less exceptions");
	else if (has_destinations(rule) || rule->to_local || rule->in_not)
		REFUSE(recipe, rule, "a redirect is for connections of a LAN to any host");
	else if (rule->in && !recipe_is_inside(recipe, rule->in) && recipe_way(recipe, rule->in) &&
		 recipe_way(recipe, rule->in)->outward)
		REFUSE(recipe, rule,
		       "%.32s leads out: make a forward to the router's own address in the LAN instead",
		       rule->in);
	else if (!(network = redirect_network(recipe, rule)))
		REFUSE(recipe, rule, "nothing says which LAN it is for");
	else {
		draft_redirects(recipe, rule, network);
		if (!rule->in && !has_sources(rule))
			statement_note(
				recipe->import, rule->statement,
				"it takes connections of this network, while the rule takes those that "
				"come in by an uplink as well: for these make a forward to the router's own "
				"address in the LAN");
	}
}

/* --- filters --- */

/* Whom an IPv6 host's own address lets in, without translation. */
static void draft_pinhole(struct recipe *recipe, const struct rule *rule)
{
	char address[IP_TEXT_MAX], protocol[8];
	json_t *fields = json_pack("{s:s, s:b, s:[s], s:o}", "internal_address",
				   ip_format(&rule->destinations[0].address, address), "pinhole", 1,
				   "protocols", protocol_name(rule->protocol, protocol), "sources",
				   import_prefix_list(rule->sources, rule->source_count));
	const char *name = rule->port_count ? import_service_name(rule->ports[0].first) : NULL;

	if (rule->port_count)
		json_object_set_new(
			fields, "external_ports",
			json_string(import_ports_text(recipe->import, rule->ports, rule->port_count)));
	statement_became(recipe->import, rule->statement,
			 draft_add(recipe->import, KIND_FORWARD,
				   rule->comment && rule->comment[0] ? rule->comment :
				   name                              ? name :
								       address,
				   fields),
			 NULL);
}

static void understand_filter(struct recipe *recipe, const struct rule *rule)
{
	bool to_host = has_destinations(rule) && rule->destination_count == 1 &&
		       rule->destinations[0].length == 8 * ip_size(rule->family);

	if (strcmp(rule->chain, "FORWARD") != 0)
		REFUSE(recipe, rule, "filtering at the router itself is left to your firewall");
	else if (rule->target == TARGET_ACCEPT && rule->family == AF_INET6 && to_host && !rule->problem &&
		 !rule->sources_not && rule->protocol && !(rule->out && !rule->out_not && rule->in))
		draft_pinhole(recipe, rule);
	else if (rule->target == TARGET_ACCEPT && rule->problem)
		REFUSE(recipe, rule, "%s", rule->problem);
	else if (rule->lets_in && rule->source_count > 0 && rule->destination_count > 0)
		REFUSE(recipe, rule,
		       "this filter is left to your firewall; to let in these alone, name them as the forward's "
		       "sources");
	else if (rule->target == TARGET_ACCEPT)
		COVERED(recipe, rule,
			"Portico lets in what a forward lets in, its answers, and what comes from inside");
	else
		REFUSE(recipe, rule,
		       "this filter is left to your firewall; a forward may have sources of its own");
}

/* --- the whole --- */

static void understand_rest(struct recipe *recipe, const struct rule *rule)
{
	if (rule->target == TARGET_DNAT)
		REFUSE(recipe, rule, "destination NAT is known here in PREROUTING and OUTPUT only");
	else if (rule->target == TARGET_COPY_MARK)
		COVERED(recipe, rule, "connections keep their uplink by themselves, in both directions");
	else if (rule->target == TARGET_NONE && rule->problem)
		REFUSE(recipe, rule, "%s", rule->problem);
	else if (rule->target == TARGET_NONE || rule->target == TARGET_LOG)
		COVERED(recipe, rule, "forwards count by themselves, and have a switch for the log");
	else if (rule->has_mark && (rule->target == TARGET_ACCEPT || rule->target == TARGET_RETURN))
		COVERED(recipe, rule, "connections keep their uplink by themselves, in both directions");
	else if (rule->target == TARGET_REDIRECT)
		REFUSE(recipe, rule,
		       "redirects are for what comes from a LAN, not for the router's own connections");
	else if (rule->target == TARGET_ACCEPT || rule->target == TARGET_RETURN)
		REFUSE(recipe, rule, "an exception from what follows has no counterpart here");
	else if (rule->target == TARGET_OTHER)
		REFUSE(recipe, rule, "nothing here does what %.64s does", rule->target_name);
	else
		REFUSE(recipe, rule, "%s",
		       rule->problem ? rule->problem : "this is not for tables nat and mangle");
}

void recipe_understand(struct recipe *recipe)
{
	find_devices(recipe);
	find_marks(recipe);
	draft_uplinks(recipe);
	for (unsigned i = 0; i < recipe->flat_count; i++)
		if (rewrites_source(&recipe->flat[i]))
			understand_source(recipe, &recipe->flat[i]);
	recipe_forwards(recipe);
	for (unsigned i = 0; i < recipe->flat_count && !recipe->import->failed; i++)
		if (is_at(&recipe->flat[i], "nat", "PREROUTING") && recipe->flat[i].target == TARGET_REDIRECT)
			understand_redirect(recipe, &recipe->flat[i]);
	understand_marks(recipe);
	for (unsigned i = 0; i < recipe->flat_count; i++)
		if (strcmp(recipe->flat[i].table, "filter") == 0)
			understand_filter(recipe, &recipe->flat[i]);
		else
			understand_rest(recipe, &recipe->flat[i]);
}
