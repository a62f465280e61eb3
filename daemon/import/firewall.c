/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OpenWrt's /etc/config/firewall: zones become uplinks and networks, redirects and rules what they say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/uci.h"
#include "model/schema.h"

enum { ZONES_MAX = 64 };

struct zone {
	struct uci_section *section;
	const char *name;
	bool outward; /* towards the internet */
	unsigned uplink_count;
	const char *uplinks[UPLINKS_MAX];
	const char *network; /* NULL: it has none */
};

struct firewall {
	struct import *import;
	struct uci_file file, network;
	unsigned zone_count;
	struct zone zones[ZONES_MAX];
	json_t *forwards; /* drafts by all of their fields but the sources */
};

#define REFUSE(firewall, section, ...) statement_refuse((firewall)->import, (section)->statement, __VA_ARGS__)

static const char not_expressible[] = "no object here has that";

/* --- zones --- */

static struct zone *find_zone(struct firewall *firewall, const char *name)
{
	for (unsigned i = 0; name && i < firewall->zone_count; i++)
		if (strcmp(firewall->zones[i].name, name) == 0)
			return &firewall->zones[i];
	return NULL;
}

/* OpenWrt lists an interface for each family; they share the device. */
static void zone_uplinks(struct firewall *firewall, struct zone *zone, const char *const *interfaces,
			 unsigned count)
{
	int draft, first = -1;

	for (unsigned i = 0; i < count && zone->uplink_count < UPLINKS_MAX; i++) {
		const char *name = uci_uplink(firewall->import, &firewall->network, interfaces[i], &draft);
		bool there = !name;

		for (unsigned k = 0; name && k < zone->uplink_count; k++)
			there |= strcmp(zone->uplinks[k], name) == 0;
		if (!there)
			zone->uplinks[zone->uplink_count++] = name;
		if (draft >= 0 && !uci_flag(zone->section, "masq", false))
			json_object_set_new(firewall->import->drafts[draft].fields, "source_nat",
					    json_string("none"));
		if (first < 0)
			first = draft;
	}
	if (zone->uplink_count > 0)
		statement_became(firewall->import, zone->section->statement, first,
				 import_printf(firewall->import, "uplink %s", zone->uplinks[0]));
}

static void zone_network(struct firewall *firewall, struct zone *zone, const char *const *interfaces,
			 unsigned count)
{
	struct import *import = firewall->import;
	json_t *devices = json_array();
	int draft = -1;

	for (unsigned i = 0; i < count; i++) {
		const char *device = uci_device(import, &firewall->network, interfaces[i]);
		const struct network *network = device ? import_network_on(import, device) : NULL;

		if (network)
			zone->network = network->object.name;
		else if (device && !import_uplink_on(import, device))
			json_array_append_new(devices, json_string(device));
	}
	if (!zone->network && json_array_size(devices) > 0) {
		draft = draft_add(import, KIND_NETWORK, zone->name, json_pack("{s:O}", "devices", devices));
		zone->network = draft < 0 ? NULL : import->drafts[draft].name;
	}
	json_decref(devices);
	if (zone->network)
		statement_became(firewall->import, zone->section->statement, draft,
				 import_printf(import, "network %s", zone->network));
}

static void read_zone(struct firewall *firewall, struct uci_section *section)
{
	static const char *const left[] = {
		"input",     "output",    "forward",     "mtu_fix", "family", "log",
		"log_limit", "conntrack", "auto_helper", "subnet",  NULL,
	};
	const char *values[UCI_VALUES_MAX];
	struct zone *zone = &firewall->zones[firewall->zone_count];
	unsigned count = uci_values(firewall->import, section, "network", values);

	*zone = (struct zone){ .section = section, .name = uci_value(section, "name", section->name) };
	if (firewall->zone_count == ZONES_MAX || !uci_flag(section, "enabled", true))
		return;
	firewall->zone_count++;
	uci_ignore(section, left);
	zone->outward = uci_flag(section, "masq", false) || strncmp(zone->name, "wan", 3) == 0;
	if (count == 0)
		count = uci_values(firewall->import, section, "device", values);
	if (count == 0) {
		values[0] = zone->name;
		count = 1;
	}
	if (zone->outward)
		zone_uplinks(firewall, zone, values, count);
	else
		zone_network(firewall, zone, values, count);
	REFUSE(firewall, section,
	       "nobody says which devices it has: /etc/config/network does, which can be given, too");
	uci_refuse_rest(firewall->import, section, not_expressible);
}

/* --- values --- */

static void add_tcp_and_udp(json_t *list)
{
	json_array_append_new(list, json_string("tcp"));
	json_array_append_new(list, json_string("udp"));
}

/* "tcp udp", "tcpudp", "any": names in a list. */
static json_t *protocol_list(struct firewall *firewall, struct uci_section *section, bool *ret_all)
{
	const char *values[UCI_VALUES_MAX];
	unsigned count = uci_values(firewall->import, section, "proto", values);
	json_t *list = json_array();

	*ret_all = false;
	for (unsigned i = 0; i < count; i++) {
		*ret_all |= strcmp(values[i], "all") == 0 || strcmp(values[i], "any") == 0 ||
			    strcmp(values[i], "*") == 0;
		if (strcmp(values[i], "tcpudp") != 0)
			json_array_append_new(list, json_string(values[i]));
		else
			add_tcp_and_udp(list);
	}
	if (*ret_all || count == 0) {
		json_array_clear(list);
		add_tcp_and_udp(list);
	}
	return list;
}

/* Ports of an option, parted by spaces, as text; NULL: none, or (`*ret_bad`) no ports. */
static const char *port_text(struct firewall *firewall, struct uci_section *section, const char *name,
			     struct port_range *ret_first, bool *ret_bad)
{
	const char *values[UCI_VALUES_MAX];
	unsigned count = uci_values(firewall->import, section, name, values);
	struct port_range *ranges = import_alloc(firewall->import, (count + 1) * sizeof(*ranges));

	for (unsigned i = 0; ranges && i < count; i++)
		if (!import_port_range(values[i], &ranges[i])) {
			REFUSE(firewall, section, "option %s: %.50s is no port", name, values[i]);
			*ret_bad = true;
			return NULL;
		}
	if (!ranges || count == 0)
		return NULL;
	*ret_first = ranges[0];
	return import_ports_text(firewall->import, ranges, count);
}

static json_t *prefix_texts(struct firewall *firewall, struct uci_section *section, const char *name,
			    bool *ret_bad)
{
	const char *values[UCI_VALUES_MAX];
	unsigned count = uci_values(firewall->import, section, name, values);
	json_t *list = json_array();
	char text[PREFIX_TEXT_MAX];
	struct prefix prefix;

	for (unsigned i = 0; i < count; i++) {
		if (values[i][0] == '!') {
			REFUSE(firewall, section, "option %s: nothing here is for all but some", name);
			*ret_bad = true;
		}
		json_array_append_new(list, json_string(import_prefix(values[i], &prefix) ?
								prefix_format(&prefix, text) :
								values[i]));
	}
	return list;
}

/* "mon,tue 08:00-22:00", NULL: always, or (`*ret_bad`) it cannot be said. */
static const char *schedule_text(struct firewall *firewall, struct uci_section *section, bool *ret_bad)
{
	const char *days[UCI_VALUES_MAX], *start = uci_value(section, "start_time", NULL);
	const char *stop = uci_value(section, "stop_time", NULL);
	unsigned count = uci_values(firewall->import, section, "weekdays", days);
	const char *text;
	struct buf buf;

	if (count == 0 && !start && !stop)
		return NULL;
	if (uci_flag(section, "utc_time", false) || uci_has(section, "stop_date")) {
		REFUSE(firewall, section, "option utc_time: schedules here are in local time");
		*ret_bad = true;
	}
	buf_init(&buf, 256);
	for (unsigned i = 0; i < count; i++)
		buf_printf(&buf, "%s%.3s", i ? "," : "", days[i]);
	if (count == 0)
		buf_puts(&buf, "daily");
	if (!stop || strcmp(stop, "23:59:59") == 0)
		stop = "24:00";
	buf_printf(&buf, " %.5s-%.5s", start ? start : "00:00", stop);
	text = import_strndup(firewall->import, buf_text(&buf), buf.length);
	buf_done(&buf);
	return text;
}

/* --- redirects --- */

/* The uplinks of the zone; all of them is said by none. */
static json_t *zone_uplink_names(const struct firewall *firewall, const struct zone *zone)
{
	unsigned all = firewall->import->config->lists[KIND_UPLINK].count;
	json_t *names = json_array();

	for (unsigned i = 0; i < zone->uplink_count; i++)
		json_array_append_new(names, json_string(zone->uplinks[i]));
	for (unsigned i = 0; i < firewall->import->draft_count; i++)
		all += firewall->import->drafts[i].kind == KIND_UPLINK;
	if (json_array_size(names) == all)
		json_array_clear(names);
	return names;
}

/* The router's own address in a LAN. */
static const char *router_address(struct firewall *firewall)
{
	const struct import *import = firewall->import;
	char text[IP_TEXT_MAX];

	for (unsigned i = 0; i < import->links->count; i++) {
		const struct link *link = &import->links->items[i];

		for (unsigned k = 0; k < link->address_count; k++)
			if (link->addresses[k].address.family == AF_INET &&
			    (import_network_on(import, link->name) ||
			     import_drafted_network(import, link->name, NULL) >= 0))
				return import_printf(firewall->import, "%s",
						     ip_format(&link->addresses[k].address, text));
	}
	return NULL;
}

/* The uplink on the device, that is there or drafted; NULL: none. */
static const char *uplink_on(struct import *import, const char *device)
{
	const struct uplink *uplink = import_uplink_on(import, device);
	int draft = uplink ? -1 : import_drafted_uplink(import, device);

	if (uplink)
		return uplink->object.name;
	return draft >= 0 ? import->drafts[draft].name : NULL;
}

/* The uplink that has the address, by the network file or by the device that has it now; NULL: nobody knows. */
static const char *uplink_of_address(struct firewall *firewall, const char *text)
{
	const char *interface = uci_interface_with(&firewall->network, text);
	const struct link *link;
	struct ip address;
	int draft;

	if (interface)
		return uci_uplink(firewall->import, &firewall->network, interface, &draft);
	link = ip_parse(text, &address) == 0 ? import_link_with(firewall->import, &address, false) : NULL;
	return link ? uplink_on(firewall->import, link->name) : NULL;
}

/* One address of several is known here by its uplink only. */
static bool set_external_address(struct firewall *firewall, struct uci_section *section,
				 const struct zone *zone, json_t *fields)
{
	const char *text = uci_value(section, "src_dip", NULL);
	const char *uplink = text ? uplink_of_address(firewall, text) : NULL;

	if (uplink && zone->uplink_count > 1)
		json_object_set_new(fields, "uplinks", json_pack("[s]", uplink));
	if (text && !uplink && zone->uplink_count > 1) {
		REFUSE(firewall, section, "option src_dip: nobody says which uplink has this address");
		return false;
	}
	if (text)
		statement_note(firewall->import, section->statement,
			       "option src_dip: forwards answer on all addresses of an uplink");
	return true;
}

static const char *section_name(struct firewall *firewall, struct uci_section *section,
				const struct port_range *ports)
{
	const char *name = uci_value(section, "name", section->name);
	const char *service = import_service_name(ports->first);

	if (name[0])
		return name;
	if (service)
		return service;
	return ports->first ? import_printf(firewall->import, "port %u", ports->first) : "forward";
}

static bool set_ports(struct firewall *firewall, struct uci_section *section, json_t *fields,
		      bool all_protocols, struct port_range *ret_first)
{
	struct port_range inner = { 0 };
	bool bad = false, with_ports = false;
	const char *outer = port_text(firewall, section, "src_dport", ret_first, &bad);
	const char *to = port_text(firewall, section, "dest_port", &inner, &bad);
	json_t *protocol;
	size_t i;

	json_array_foreach(json_object_get(fields, "protocols"), i, protocol)
	{
		int number = protocol_parse(json_string_value(protocol));

		with_ports |= number > 0 && protocol_has_ports((uint8_t)number);
	}
	if (bad)
		return false;
	if (!outer && with_ports) {
		outer = "1-65535";
		if (to) {
			REFUSE(firewall, section,
			       "all ports lead to one: a forward leads each port to one of its own");
			return false;
		}
		if (uci_has(section, "src_dip")) {
			REFUSE(firewall, section,
			       "all ports of one address of an uplink would be all of it: name the ports");
			return false;
		}
		statement_note(firewall->import, section->statement, "all ports%s lead there",
			       all_protocols ? " of TCP and UDP" : "");
	}
	if (outer)
		json_object_set_new(fields, "external_ports", json_string(outer));
	if (to && (!outer || strcmp(to, outer) != 0))
		json_object_set_new(fields, "internal_ports", json_string(to));
	return true;
}

static bool contains(const json_t *array, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(array); i++)
		if (json_equal(json_array_get(array, i), value))
			return true;
	return false;
}

/* None at all is everybody; more than LIST_MAX no forward can have, which is told when it is made. */
static void add_sources(json_t *sources, const json_t *more)
{
	bool everybody = json_array_size(sources) == 0 || json_array_size(more) == 0;

	for (size_t i = 0; i < json_array_size(more) && !everybody; i++)
		if (json_array_size(sources) <= LIST_MAX && !contains(sources, json_array_get(more, i)))
			json_array_append(sources, json_array_get(more, i));
	if (everybody)
		json_array_clear(sources);
}

/* Sections that differ only in who may are one forward: two of them would claim the same ports. Takes over the reference. */
static int draft_forward(struct firewall *firewall, const char *name, json_t *fields)
{
	json_t *sources = json_incref(json_object_get(fields, "sources")), *there;
	char *key;
	int draft;

	json_object_del(fields, "sources");
	key = json_dumps(fields, JSON_COMPACT | JSON_SORT_KEYS);
	json_object_set_new(fields, "sources", sources);
	there = key ? json_object_get(firewall->forwards, key) : NULL;
	if (there) {
		draft = (int)json_integer_value(there);
		add_sources(json_object_get(firewall->import->drafts[draft].fields, "sources"), sources);
		json_decref(fields);
	} else {
		draft = draft_add(firewall->import, KIND_FORWARD, name, fields);
		if (draft >= 0 && key)
			json_object_set_new(firewall->forwards, key, json_integer(draft));
	}
	free(key);
	return draft;
}

/* From an uplink to a host: a forward. */
static void read_forward(struct firewall *firewall, struct uci_section *section, const struct zone *zone)
{
	struct import *import = firewall->import;
	const char *address = uci_value(section, "dest_ip", NULL), *schedule;
	struct port_range first = { 0 };
	bool all_protocols, bad = false;
	json_t *fields = json_pack("{s:o, s:o, s:o}", "uplinks", zone_uplink_names(firewall, zone),
				   "protocols", protocol_list(firewall, section, &all_protocols), "sources",
				   prefix_texts(firewall, section, "src_ip", &bad));

	uci_value(section, "dest", NULL);
	uci_value(section, "family", NULL);
	uci_value(section, "reflection_zone", NULL);
	schedule = schedule_text(firewall, section, &bad);
	if (!address)
		address = router_address(firewall);
	if (!address)
		REFUSE(firewall, section,
		       "it leads to the router itself, whose address in the LAN nobody says");
	if (bad || !address || !set_ports(firewall, section, fields, all_protocols, &first) ||
	    !set_external_address(firewall, section, zone, fields)) {
		json_decref(fields);
		return;
	}
	json_object_set_new(fields, "internal_address", json_string(address));
	json_object_set_new(fields, "enabled", json_boolean(uci_flag(section, "enabled", true)));
	json_object_set_new(fields, "hairpin", json_boolean(uci_flag(section, "reflection", true)));
	if (schedule)
		json_object_set_new(fields, "schedule", json_string(schedule));
	else if (uci_flag(section, "utc_time", false))
		json_object_set_new(
			fields, "expires_at",
			json_string(import_printf(import, "%.19sZ", uci_value(section, "stop_date", ""))));
	if (strcmp(uci_value(section, "reflection_src", "internal"), "external") == 0)
		statement_note(import, section->statement,
			       "reflection_src external is a setting of the network here, hairpin_source");
	const char *name = section_name(firewall, section, &first);

	if (!uci_all_used(import, section, not_expressible)) {
		json_decref(fields);
		return;
	}
	statement_became(import, section->statement, draft_forward(firewall, name, fields), NULL);
}

/* From a LAN to whatever host: a transparent proxy. */
static void read_proxy(struct firewall *firewall, struct uci_section *section, const struct zone *zone)
{
	struct import *import = firewall->import;
	struct port_range port = { 0 }, to = { 0 };
	bool all_protocols, bad = false;
	json_t *protocols = protocol_list(firewall, section, &all_protocols), *protocol;
	const char *address = uci_value(section, "dest_ip", NULL), *own = router_address(firewall);
	const char *ports = port_text(firewall, section, "src_dport", &port, &bad);
	size_t i;

	if (!port_text(firewall, section, "dest_port", &to, &bad))
		to = port;
	uci_value(section, "dest", NULL);
	uci_value(section, "family", NULL);
	uci_value(section, "reflection", NULL);
	const char *name = section_name(firewall, section, &port);
	bool enabled = uci_flag(section, "enabled", true);

	if (address && (!own || strcmp(address, own) != 0))
		REFUSE(firewall, section, "a redirect leads from a LAN to the router itself");
	else if (!ports || port.first != port.last)
		REFUSE(firewall, section, "a redirect is for single ports");
	else if (!zone->network)
		REFUSE(firewall, section, "nobody says which network zone %.50s is", zone->name);
	else if (!bad && uci_all_used(import, section, not_expressible))
		json_array_foreach(protocols, i, protocol) statement_became(
			firewall->import, section->statement,
			draft_add(import, KIND_REDIRECT, name,
				  json_pack("{s:s, s:O, s:i, s:i, s:b}", "network", zone->network, "protocol",
					    protocol, "port", port.first, "to_port", to.first, "enabled",
					    enabled)),
			NULL);
	json_decref(protocols);
}

/* A chosen source address: `config redirect` with target SNAT, or `config nat`. */
static void read_source_nat(struct firewall *firewall, struct uci_section *section, const char *zone_option,
			    const char *address_option)
{
	struct import *import = firewall->import;
	const struct zone *zone = find_zone(firewall, uci_value(section, zone_option, NULL));
	const char *address = uci_value(section, address_option, NULL);
	bool bad = false, all_protocols;
	json_t *sources = prefix_texts(firewall, section, "src_ip", &bad);
	const char *name = uci_value(section, "name", section->name);
	const char *device = uci_value(section, "device", NULL);
	const char *uplink = device  ? uplink_on(import, device) :
			     address ? uplink_of_address(firewall, address) :
				       NULL;

	if (!uplink && !device && zone && zone->uplink_count == 1)
		uplink = zone->uplinks[0];
	json_decref(protocol_list(firewall, section, &all_protocols));
	uci_value(section, "src", NULL);
	uci_value(section, "family", NULL);
	if (!all_protocols && uci_value(section, "proto", NULL))
		REFUSE(firewall, section, "source NAT here is for all protocols");
	else if (!uplink)
		REFUSE(firewall, section,
		       "source NAT here is for one uplink, and nobody says which has the address");
	else if (!address || json_array_size(sources) == 0)
		REFUSE(firewall, section, "source NAT here is from some sources to one address");
	else if (!bad) {
		json_t *fields = json_pack("{s:O, s:s, s:s, s:b}", "sources", sources, "uplink", uplink,
					   "address", address, "enabled", uci_flag(section, "enabled", true));

		if (uci_all_used(import, section, not_expressible))
			statement_became(firewall->import, section->statement,
					 draft_add(import, KIND_SOURCE_NAT,
						   name[0] ? name : import_printf(import, "as %s", address),
						   fields),
					 NULL);
		else
			json_decref(fields);
	}
	json_decref(sources);
}

static void read_masquerade(struct firewall *firewall, struct uci_section *section)
{
	static const char *const all[] = { "name", "src_ip", "family", "proto", "enabled", NULL };
	const struct zone *zone = find_zone(firewall, uci_value(section, "src", NULL));

	uci_ignore(section, all);
	if (zone && !zone->outward)
		REFUSE(firewall, section,
		       "source NAT towards a LAN belongs to a forward here: see its backend_sees");
	else if (uci_all_used(firewall->import, section, not_expressible))
		statement_covered(
			firewall->import, section->statement,
			"what leaves by an uplink is masqueraded, unless the uplink says otherwise");
}

static void read_redirect(struct firewall *firewall, struct uci_section *section)
{
	const char *target = uci_value(section, "target", "DNAT");
	const struct zone *zone = find_zone(firewall, uci_value(section, "src", "wan"));

	if (strcmp(target, "SNAT") == 0)
		read_source_nat(firewall, section, "dest", "src_dip");
	else if (strcmp(target, "DNAT") != 0)
		REFUSE(firewall, section, "target %.50s is not known here", target);
	else if (!zone)
		REFUSE(firewall, section, "there is no zone %.50s", uci_value(section, "src", "wan"));
	else if (zone->outward)
		read_forward(firewall, section, zone);
	else
		read_proxy(firewall, section, zone);
}

/* --- rules --- */

/* "2001:db8::2", "::2/-64" or "::2/::ffff:ffff:ffff:ffff" as an address or a suffix. */
static const char *pinhole_address(struct firewall *firewall, const char *text)
{
	const char *mask = strstr(text, "/::ffff:ffff:ffff:ffff");

	if (mask && !mask[strlen("/::ffff:ffff:ffff:ffff")])
		return import_printf(firewall->import, "%.*s/-64", (int)(mask - text), text);
	return strchr(text, ':') ? text : NULL;
}

static void read_pinhole(struct firewall *firewall, struct uci_section *section, const struct zone *zone,
			 const char *address)
{
	struct import *import = firewall->import;
	struct port_range first = { 0 };
	bool all_protocols, bad = false;
	const char *ports = port_text(firewall, section, "dest_port", &first, &bad);
	json_t *fields = json_pack("{s:o, s:o, s:o, s:s, s:b, s:b}", "uplinks",
				   zone_uplink_names(firewall, zone), "protocols",
				   protocol_list(firewall, section, &all_protocols), "sources",
				   prefix_texts(firewall, section, "src_ip", &bad), "internal_address",
				   address, "pinhole", 1, "enabled", uci_flag(section, "enabled", true));
	const char *name = section_name(firewall, section, &first);

	if (ports || all_protocols)
		json_object_set_new(fields, "external_ports", json_string(ports ? ports : "1-65535"));
	uci_value(section, "dest", NULL);
	uci_value(section, "family", NULL);
	if (!bad && uci_all_used(import, section, not_expressible))
		statement_became(import, section->statement, draft_forward(firewall, name, fields), NULL);
	else
		json_decref(fields);
}

static void read_rule(struct firewall *firewall, struct uci_section *section)
{
	const struct zone *from = find_zone(firewall, uci_value(section, "src", NULL));
	const char *to = uci_value(section, "dest", NULL), *address = uci_value(section, "dest_ip", NULL);
	const char *target = uci_value(section, "target", "DROP");

	if (address)
		address = pinhole_address(firewall, address);
	if (!to)
		REFUSE(firewall, section, "filtering at the router itself is left to your firewall");
	else if (from && from->outward && address && strcmp(target, "ACCEPT") == 0)
		read_pinhole(firewall, section, from, address);
	else
		REFUSE(firewall, section, "filtering between zones is left to your firewall");
}

/* --- the whole --- */

static void read_section(struct firewall *firewall, struct uci_section *section)
{
	struct import *import = firewall->import;
	const char *type = section->type;

	if (strcmp(type, "redirect") == 0)
		read_redirect(firewall, section);
	else if (strcmp(type, "rule") == 0)
		read_rule(firewall, section);
	else if (strcmp(type, "nat") == 0 && strcmp(uci_value(section, "target", ""), "SNAT") == 0)
		read_source_nat(firewall, section, "src", "snat_ip");
	else if (strcmp(type, "nat") == 0 && strcmp(uci_value(section, "target", ""), "MASQUERADE") == 0)
		read_masquerade(firewall, section);
	else if (strcmp(type, "defaults") == 0 || strcmp(type, "forwarding") == 0 ||
		 strcmp(type, "include") == 0)
		statement_covered(import, section->statement,
				  "this stays with your firewall, beside which Portico works");
	else if (strcmp(type, "zone") != 0)
		REFUSE(firewall, section, "sections of type %.50s have no counterpart here", type);
}

void import_firewall(struct import *import, const char *text, const char *network_text)
{
	struct firewall *firewall = import_alloc(import, sizeof(*firewall));

	if (!firewall)
		return;
	firewall->import = import;
	firewall->forwards = json_object();
	uci_read(import, text, true, &firewall->file);
	if (network_text)
		uci_read(import, network_text, false, &firewall->network);
	for (unsigned i = 0; i < firewall->file.count && !import->failed; i++)
		if (strcmp(firewall->file.sections[i].type, "zone") == 0)
			read_zone(firewall, &firewall->file.sections[i]);
	for (unsigned i = 0; i < firewall->file.count && !import->failed; i++)
		read_section(firewall, &firewall->file.sections[i]);
	json_decref(firewall->forwards);
}
