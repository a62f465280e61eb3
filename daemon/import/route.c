/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes, routing rules and addresses of a recipe: which ways lead out, and what chooses them. */
#include <stdlib.h>
#include <string.h>

#include "import/recipe.h"
#include "model/schema.h"

enum { MAIN_PREFERENCE = 32766 }; /* of the rule that asks the main table */

/* --- ways --- */

static struct way *find_way(struct recipe *recipe, const char *device)
{
	for (unsigned i = 0; i < recipe->way_count; i++)
		if (strcmp(recipe->ways[i].device, device) == 0)
			return &recipe->ways[i];
	return NULL;
}

struct way *recipe_way(struct recipe *recipe, const char *device)
{
	struct way *way = find_way(recipe, device);
	const struct link *link = links_find(recipe->import->links, device);

	if (way || recipe->way_count == WAYS_MAX)
		return way;
	way = &recipe->ways[recipe->way_count++];
	*way = (struct way){ .device = device, .draft = -1 };
	way->uplink = import_uplink_on(recipe->import, device);
	way->outward = way->uplink;
	way->name = way->uplink ? way->uplink->object.name : NULL;
	for (unsigned i = 0; link && i < link->address_count; i++)
		way_add_address(way, &link->addresses[i].address);
	return way;
}

static bool way_has_address(const struct way *way, const struct ip *address)
{
	for (unsigned i = 0; i < way->address_count; i++)
		if (ip_compare(&way->addresses[i], address) == 0)
			return true;
	return false;
}

void way_add_address(struct way *way, const struct ip *address)
{
	if (way && way->address_count < WAY_ADDRESSES_MAX && !way_has_address(way, address))
		way->addresses[way->address_count++] = *address;
}

/* A gateway is mostly in the same small network as the addresses that are reached through it. */
static bool is_near_gateway(const struct way *way, const struct ip *address)
{
	struct prefix near = prefix_of(&way->gateway, 24);

	return way->has_gateway && prefix_contains(&near, address);
}

struct way *recipe_way_of_address(struct recipe *recipe, const struct ip *address)
{
	const struct link *link = import_link_with(recipe->import, address, false);
	struct way *near = NULL;
	unsigned count = 0;

	for (unsigned i = 0; i < recipe->way_count; i++) {
		struct way *way = &recipe->ways[i];

		if (way_has_address(way, address))
			return way;
		if (is_near_gateway(way, address)) {
			near = way;
			count++;
		}
	}
	if (!link && count == 1)
		return near;
	return link ? recipe_way(recipe, import_strndup(recipe->import, link->name, strlen(link->name))) :
		      NULL;
}

struct way *recipe_way_of_mark(struct recipe *recipe, uint32_t mark)
{
	for (unsigned i = 0; i < recipe->mark_count; i++)
		if (recipe->marks[i].mark == mark)
			return recipe->marks[i].way;
	return NULL;
}

bool recipe_is_inside(struct recipe *recipe, const char *device)
{
	const struct way *way = find_way(recipe, device);
	const struct link *link = links_find(recipe->import->links, device);
	struct prefix prefix;

	if (import_network_on(recipe->import, device))
		return true;
	if (way && (way->outward || way->has_gateway || way->direct))
		return false;
	return link && !link->default_route4 && !link->default_route6 &&
	       (link->bridge ||
		(import_link_prefix(link, AF_INET, &prefix) && ip_is_private(&prefix.address)));
}

void recipe_became_uplink(struct recipe *recipe, int statement, const struct way *way)
{
	const char *title = way->uplink ? import_printf(recipe->import, "uplink %s", way->name) : NULL;

	statement_became(recipe->import, statement, way->draft, title);
}

/* --- reading --- */

static const char *next_word(const struct command *command, unsigned *at)
{
	return *at + 1 < command->count ? command->words[++*at] : "";
}

static bool is_word(const char *word, const char *a, const char *b)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static unsigned read_number(const char *text)
{
	unsigned long number = strtoul(text, NULL, 0);

	return number > 1000000000 ? 1000000000 : (unsigned)number;
}

static bool is_default_word(const char *word)
{
	return is_word(word, "default", "0.0.0.0/0") || is_word(word, "0/0", "::/0");
}

/* Addresses of "default" are of the family of the gateway. */
static void read_route_word(struct route *route, const struct command *command, unsigned *at)
{
	static const char *const others[] = { "proto",   "protocol", "scope",  "tos",
					      "dsfield", "mtu",      "advmss", NULL };
	const char *word = command->words[*at];

	if (strcmp(word, "via") == 0) {
		word = next_word(command, at);
		if (is_word(word, "inet", "inet6"))
			word = next_word(command, at);
		(void)ip_parse(word, &route->via);
	} else if (strcmp(word, "dev") == 0) {
		route->device = next_word(command, at);
	} else if (strcmp(word, "table") == 0) {
		route->table = next_word(command, at);
	} else if (strcmp(word, "src") == 0) {
		(void)ip_parse(next_word(command, at), &route->from);
	} else if (strcmp(word, "weight") == 0) {
		route->weight = read_number(next_word(command, at));
	} else if (is_word(word, "metric", "preference")) {
		route->metric = read_number(next_word(command, at));
	} else if (text_is_one_of(word, others)) {
		next_word(command, at);
	} else if (is_default_word(word)) {
		route->is_default = true;
	} else if (!route->is_default) {
		(void)import_prefix(word, &route->to);
	}
}

static void keep_route(struct recipe *recipe, const struct route *route)
{
	struct route *items = import_grow(recipe->import, recipe->routes, recipe->route_count,
					  &recipe->route_size, sizeof(*items));

	if (!items)
		return;
	recipe->routes = items;
	items[recipe->route_count++] = *route;
}

/* What stands behind "ip route add". Each nexthop is a route of its own. */
static void read_route(struct recipe *recipe, const struct command *command, unsigned at)
{
	int statement = command->statement;
	struct route route = { .statement = command->statement, .table = "main" };
	bool hops = false;

	for (; at < command->count; at++) {
		if (strcmp(command->words[at], "nexthop") != 0) {
			read_route_word(&route, command, &at);
			continue;
		}
		if (hops)
			keep_route(recipe, &route);
		hops = true;
		route.via = (struct ip){ 0 };
		route.device = NULL;
		route.weight = 0;
	}
	if (route.is_default || route.to.address.family != AF_UNSPEC)
		keep_route(recipe, &route);
	else
		statement_refuse(recipe->import, statement, "this route is not understood");
}

static void read_rule_word(struct recipe *recipe, struct route_rule *rule, const struct command *command,
			   unsigned *at)
{
	const char *word = command->words[*at], *value;
	char *end;

	if (is_word(word, "from", "to")) {
		struct prefix *prefix = word[0] == 'f' ? &rule->from : &rule->to;

		value = next_word(command, at);
		if (!is_word(value, "all", "any") && !is_word(value, "0/0", "default") &&
		    !import_prefix(value, prefix))
			rule->problem = import_printf(recipe->import, "%.64s is no prefix", value);
		if (prefix->length == 0)
			*prefix = (struct prefix){ 0 };
	} else if (strcmp(word, "fwmark") == 0) {
		value = next_word(command, at);
		rule->marked = true;
		rule->mark = (uint32_t)strtoul(value, &end, 0);
		if (*end == '/')
			rule->mark &= (uint32_t)strtoul(end + 1, &end, 0);
		if (end == value || *end)
			rule->problem = import_printf(recipe->import, "%.64s is no mark", value);
	} else if (is_word(word, "table", "lookup")) {
		rule->table = next_word(command, at);
	} else if (is_word(word, "unreachable", "prohibit") || strcmp(word, "blackhole") == 0) {
		rule->drops = true;
	} else if (is_word(word, "prio", "priority") || is_word(word, "pref", "preference") ||
		   strcmp(word, "order") == 0) {
		rule->preference = read_number(next_word(command, at));
	} else if (is_word(word, "protocol", "proto") || strcmp(word, "suppress_prefixlength") == 0) {
		next_word(command, at);
	} else {
		rule->problem = import_printf(recipe->import,
					      "routing rules with %.64s have no counterpart here", word);
		next_word(command, at);
	}
}

static void read_route_rule(struct recipe *recipe, const struct command *command, unsigned at)
{
	struct route_rule rule = { .statement = command->statement, .table = "main", .preference = -1 };
	struct route_rule *items = import_grow(recipe->import, recipe->route_rules, recipe->route_rule_count,
					       &recipe->route_rule_size, sizeof(*items));

	for (; at < command->count; at++)
		read_rule_word(recipe, &rule, command, &at);
	if (!items)
		return;
	/* Without a preference a rule goes ahead of all that were added (fib_default_rule_pref() in the kernel). */
	if (rule.preference < 0)
		rule.preference = (recipe->route_rule_count ? recipe->lowest_preference : MAIN_PREFERENCE) -
				  1;
	if (recipe->route_rule_count == 0 || rule.preference < recipe->lowest_preference)
		recipe->lowest_preference = rule.preference;
	recipe->route_rules = items;
	items[recipe->route_rule_count++] = rule;
}

/* "1.1.1.1/24 dev eth0" */
static void read_address(struct recipe *recipe, const struct command *command, unsigned at)
{
	int statement = command->statement;
	const char *text = at < command->count ? command->words[at] : "", *device = NULL;
	struct ip address;

	for (at++; at < command->count; at++)
		if (strcmp(command->words[at], "dev") == 0)
			device = next_word(command, &at);
	if (!device || ip_parse(import_strndup(recipe->import, text, strcspn(text, "/")), &address) < 0) {
		statement_refuse(recipe->import, statement, "this address is not understood");
		return;
	}
	way_add_address(recipe_way(recipe, device), &address);
	statement_covered(recipe->import, statement, "addresses are left to the system");
}

static void read_ip(struct recipe *recipe, const struct command *command)
{
	int statement = command->statement;
	unsigned at = 1;

	while (at < command->count && command->words[at][0] == '-')
		at++;
	const char *object = at < command->count ? command->words[at] : "";
	const char *verb = next_word(command, &at);
	bool adds = is_word(verb, "add", "a") || is_word(verb, "replace", "change") ||
		    is_word(verb, "append", "ad");

	at++;
	if (command->unknown)
		statement_refuse(recipe->import, statement, "%s", command->unknown);
	else if (is_word(object, "route", "r") && adds)
		read_route(recipe, command, at);
	else if (is_word(object, "rule", "ru") && adds)
		read_route_rule(recipe, command, at);
	else if ((is_word(object, "addr", "address") || strcmp(object, "a") == 0) && adds)
		read_address(recipe, command, at);
	else if (is_word(verb, "del", "delete") || is_word(verb, "flush", "show"))
		statement_covered(recipe->import, statement, "what is imported begins with nothing");
	else if (strcmp(object, "link") == 0)
		statement_covered(recipe->import, statement, "devices are left to the system");
	else
		statement_refuse(recipe->import, statement, "this command of ip has no counterpart here");
}

/* route add default gw 192.0.2.254 dev eth0 */
static void read_old_route(struct recipe *recipe, const struct command *command)
{
	struct route route = { .statement = command->statement, .is_default = true, .table = "main" };
	bool is_default = false;

	for (unsigned at = 1; at < command->count; at++) {
		const char *word = command->words[at];

		is_default = is_default || strcmp(word, "default") == 0;
		if (is_word(word, "gw", "gateway"))
			(void)ip_parse(next_word(command, &at), &route.via);
		else if (strcmp(word, "dev") == 0)
			route.device = next_word(command, &at);
	}
	if (is_default)
		keep_route(recipe, &route);
	else
		statement_covered(recipe->import, command->statement,
				  "routes of the main table are left to the system");
}

/* echo "101 isp1" >> /etc/iproute2/rt_tables */
static void read_table_name(struct recipe *recipe, const struct command *command)
{
	const char *text = command->count > 1 ? command->words[1] : "", *name;
	size_t digits;

	if (strcmp(text, "-e") == 0 && command->count > 2)
		text = command->words[2];
	digits = strspn(text, "0123456789");
	name = text + digits + strspn(text + digits, " \t");
	if (text != command->words[command->count - 1]) /* without quotes it is two words */
		name = command->words[command->count - 1];
	if (digits > 0 && *name && recipe->table_name_count < FACTS_MAX) {
		unsigned i = recipe->table_name_count++;

		recipe->table_names[i].number = import_strndup(recipe->import, text, digits);
		recipe->table_names[i].name = import_strndup(recipe->import, name, strcspn(name, " \t\n\\"));
	}
	statement_covered(recipe->import, command->statement, "each uplink has a routing table by itself");
}

bool recipe_read_route(struct recipe *recipe, const struct command *command)
{
	const char *program = command->words[0], *slash = strrchr(program, '/');

	program = slash ? slash + 1 : program;
	if (strcmp(program, "ip") == 0)
		read_ip(recipe, command);
	else if (strcmp(program, "route") == 0 && command->count > 1 && strcmp(command->words[1], "add") == 0)
		read_old_route(recipe, command);
	else if (command->redirect && strstr(command->redirect, "rt_tables"))
		read_table_name(recipe, command);
	else
		return false;
	return true;
}

/* --- connecting --- */

/* The number, if the table has a name. */
static const char *table_number(const struct recipe *recipe, const char *table)
{
	if (strcmp(table, "main") == 0)
		return "254";
	for (unsigned i = 0; i < recipe->table_name_count; i++)
		if (strcmp(recipe->table_names[i].name, table) == 0)
			return recipe->table_names[i].number;
	return table;
}

static const char *table_label(const struct recipe *recipe, const char *number)
{
	for (unsigned i = 0; i < recipe->table_name_count; i++)
		if (strcmp(recipe->table_names[i].number, number) == 0)
			return recipe->table_names[i].name;
	return strspn(number, "0123456789") == strlen(number) ? NULL : number;
}

static struct way *way_of_table(const struct recipe *recipe, const char *table)
{
	table = table_number(recipe, table);
	for (unsigned i = 0; i < recipe->table_count; i++)
		if (strcmp(recipe->tables[i].table, table) == 0)
			return recipe->tables[i].way;
	return NULL;
}

/* By the route's device, else by what reaches its gateway. */
static struct way *way_of_route(struct recipe *recipe, const struct route *route)
{
	const struct link *link;

	if (route->device)
		return recipe_way(recipe, route->device);
	for (unsigned i = 0; i < recipe->route_count; i++) {
		const struct route *other = &recipe->routes[i];

		if (!other->is_default && other->device && prefix_contains(&other->to, &route->via))
			return recipe_way(recipe, other->device);
	}
	link = route->via.family != AF_UNSPEC ? import_link_with(recipe->import, &route->via, true) : NULL;
	return link ? recipe_way(recipe, import_strndup(recipe->import, link->name, strlen(link->name))) :
		      NULL;
}

static void connect_default(struct recipe *recipe, const struct route *route)
{
	const char *table = table_number(recipe, route->table);
	struct way *way = way_of_route(recipe, route);

	if (!way)
		return;
	way->outward = true;
	if (route->via.family == AF_INET && !way->has_gateway) {
		way->has_gateway = true;
		way->gateway = route->via;
	} else if (route->via.family == AF_UNSPEC) {
		way->direct = true;
	}
	if (route->weight > 0)
		way->weight = route->weight;
	if (route->from.family != AF_UNSPEC)
		way_add_address(way, &route->from);
	if (strcmp(table, "254") == 0) {
		way->metric = way->in_main && way->metric < route->metric ? way->metric : route->metric;
		way->in_main = true;
	}
	if (strcmp(table, "254") == 0 || recipe->table_count == FACTS_MAX)
		return;
	if (!way->label)
		way->label = table_label(recipe, table);
	recipe->tables[recipe->table_count].table = table;
	recipe->tables[recipe->table_count++].way = way;
}

static void connect_mark(struct recipe *recipe, const struct route_rule *rule)
{
	struct way *way = way_of_table(recipe, rule->table);

	if (!rule->marked || !way || recipe->mark_count == FACTS_MAX)
		return;
	recipe->marks[recipe->mark_count].mark = rule->mark;
	recipe->marks[recipe->mark_count++].way = way;
}

static bool is_host(const struct prefix *prefix)
{
	return prefix->address.family != AF_UNSPEC && prefix->length == 8 * ip_size(prefix->address.family);
}

/* "from ADDRESS" is how the router's own packets find the way of their address; of a LAN's host it is a policy. */
static bool is_own_address(struct recipe *recipe, const struct route_rule *rule, const struct way *way)
{
	const struct link *link;

	if (!is_host(&rule->from))
		return false;
	if (recipe_way_of_address(recipe, &rule->from.address) == way || !ip_is_private(&rule->from.address))
		return true;
	if (is_near_gateway(way, &rule->from.address)) /* behind another router addresses are private, too */
		return true;
	link = import_link_with(recipe->import, &rule->from.address, true);
	return link && strcmp(link->name, way->device) == 0;
}

void recipe_connect_routes(struct recipe *recipe)
{
	for (unsigned i = 0; i < recipe->route_count; i++) {
		const struct route *route = &recipe->routes[i];

		if (!route->is_default && route->device && route->from.family != AF_UNSPEC)
			way_add_address(recipe_way(recipe, route->device), &route->from);
	}
	for (unsigned i = 0; i < recipe->route_count; i++)
		if (recipe->routes[i].is_default)
			connect_default(recipe, &recipe->routes[i]);
	for (unsigned i = 0; i < recipe->route_rule_count; i++) {
		const struct route_rule *rule = &recipe->route_rules[i];
		struct way *way = way_of_table(recipe, rule->table);

		connect_mark(recipe, rule);
		if (way && !rule->problem && is_own_address(recipe, rule, way))
			way_add_address(way, &rule->from.address);
	}
}

unsigned recipe_tier(const struct recipe *recipe, const struct way *way)
{
	unsigned better = 0;

	for (unsigned i = 0; i < recipe->way_count; i++) {
		const struct way *other = &recipe->ways[i];
		bool seen = false;

		if (!other->in_main || (way->in_main && other->metric >= way->metric))
			continue;
		for (unsigned k = 0; k < i; k++)
			seen |= recipe->ways[k].in_main && recipe->ways[k].metric == other->metric;
		better += !seen;
	}
	return better + 1;
}

/* --- what became of them --- */

int recipe_policy(struct recipe *recipe, const struct rule *match, const struct way *way)
{
	struct import *import = recipe->import;
	json_t *fields = json_pack("{s:[s], s:o, s:o, s:I}", "uplinks", way->name, "sources",
				   import_prefix_list(match->sources, match->source_count), "destinations",
				   import_prefix_list(match->destinations, match->destination_count),
				   "position", 10 * ((json_int_t)import->draft_count + 1));
	char name[8], who[PREFIX_TEXT_MAX] = "";

	if (match->source_count == 1)
		prefix_format(match->sources, who);
	else if (match->destination_count == 1)
		prefix_format(match->destinations, who);
	if (match->protocol)
		json_object_set_new(fields, "protocol", json_string(protocol_name(match->protocol, name)));
	if (match->port_count)
		json_object_set_new(fields, "ports",
				    json_string(import_ports_text(import, match->ports, match->port_count)));
	return draft_add(import, KIND_POLICY,
			 import_printf(import, "%s by %s",
				       who[0]          ? who :
				       match->protocol ? protocol_name(match->protocol, name) :
							 "the rest",
				       way->name),
			 fields);
}

static void finish_route(struct recipe *recipe, const struct route *route)
{
	int statement = route->statement;
	bool is_main = strcmp(table_number(recipe, route->table), "254") == 0;
	struct way *way = way_of_table(recipe, route->table);

	if (route->is_default && (way || is_main))
		way = way_of_route(recipe, route);
	if (!statement_is_open(recipe->import, statement))
		return; /* another hop of the same route */
	if (way && way->name && (route->is_default || !is_main)) {
		recipe_became_uplink(recipe, route->statement, way);
		if (is_main)
			statement_note(recipe->import, statement,
				       "the route itself is left to the system's network configuration");
	} else if (is_main) {
		statement_covered(recipe->import, statement,
				  "routes of the main table are left to the system");
	} else {
		statement_refuse(recipe->import, statement,
				 "no default route of this table says by which device it leads");
	}
}

static void finish_rule(struct recipe *recipe, const struct route_rule *rule)
{
	int statement = rule->statement;
	struct way *way = way_of_table(recipe, rule->table);
	struct rule match = { 0 };

	if (!rule->problem && strcmp(table_number(recipe, rule->table), "254") == 0) {
		statement_covered(recipe->import, statement, "Portico asks the main table first by itself");
	} else if (!rule->problem && rule->drops) {
		statement_covered(recipe->import, statement, "no mark leaks out of another uplink by itself");
	} else if (rule->problem || !way || !way->name) {
		statement_refuse(recipe->import, statement, "%s",
				 rule->problem ? rule->problem :
						 "no default route says by which device this table leads");
	} else if (rule->marked || is_own_address(recipe, rule, way) ||
		   (rule->from.address.family == AF_UNSPEC && rule->to.address.family == AF_UNSPEC)) {
		recipe_became_uplink(recipe, rule->statement, way);
	} else {
		match.sources = (struct prefix *)&rule->from;
		match.source_count = rule->from.address.family != AF_UNSPEC;
		match.destinations = (struct prefix *)&rule->to;
		match.destination_count = rule->to.address.family != AF_UNSPEC;
		statement_became(recipe->import, statement, recipe_policy(recipe, &match, way), NULL);
	}
}

static int compare_rules(const void *a, const void *b)
{
	const struct route_rule *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return x->statement < y->statement ? -1 : x->statement > y->statement;
}

void recipe_finish_routes(struct recipe *recipe)
{
	for (unsigned i = 0; i < recipe->route_count; i++)
		finish_route(recipe, &recipe->routes[i]);
	if (recipe->route_rule_count > 0)
		qsort(recipe->route_rules, recipe->route_rule_count, sizeof(*recipe->route_rules),
		      compare_rules);
	for (unsigned i = 0; i < recipe->route_rule_count; i++)
		finish_rule(recipe, &recipe->route_rules[i]);
}
