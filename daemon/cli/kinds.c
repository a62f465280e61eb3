/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/kinds.h"

#include <string.h>

enum { PORTS_CELL_MAX = 24 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- cells --- */

#define FIELD_CELL(function, field)                                  \
	static void function(const json_t *object, struct buf *text) \
	{                                                            \
		text_of(json_object_get(object, field), text);       \
	}
#define STATE_CELL(function, field)                                                      \
	static void function(const json_t *object, struct buf *text)                     \
	{                                                                                \
		text_of(json_object_get(json_object_get(object, "state"), field), text); \
	}

FIELD_CELL(cell_id, "id")
FIELD_CELL(cell_name, "name")
FIELD_CELL(cell_enabled, "enabled")
FIELD_CELL(cell_device, "device")
FIELD_CELL(cell_devices, "devices")
FIELD_CELL(cell_source_nat, "source_nat")
FIELD_CELL(cell_hairpin, "hairpin")
FIELD_CELL(cell_network, "network")
FIELD_CELL(cell_protocol, "protocol")
FIELD_CELL(cell_protocols, "protocols")
FIELD_CELL(cell_port, "port")
FIELD_CELL(cell_to_port, "to_port")
FIELD_CELL(cell_except, "except")
FIELD_CELL(cell_sources, "sources")
FIELD_CELL(cell_uplink, "uplink")
FIELD_CELL(cell_address, "address")
FIELD_CELL(cell_addresses, "addresses")
FIELD_CELL(cell_gateway, "gateway")
FIELD_CELL(cell_table, "table")
FIELD_CELL(cell_mark, "mark")
STATE_CELL(cell_state_addresses, "addresses")
STATE_CELL(cell_state_prefixes, "prefixes")
STATE_CELL(cell_state_gateway, "gateway")

/* "live", "up", or why not. */
static void add_state(const json_t *state, const char *key, struct buf *text)
{
	if (json_is_true(json_object_get(state, key)))
		buf_puts(text, key);
	else
		text_of(json_object_get(state, "reason"), text);
}

static void cell_live(const json_t *object, struct buf *text)
{
	add_state(json_object_get(object, "state"), "live", text);
}

static void cell_up(const json_t *object, struct buf *text)
{
	add_state(json_object_get(object, "state"), "up", text);
}

static void cell_status_up(const json_t *uplink, struct buf *text)
{
	add_state(uplink, "up", text);
}

/* "all" where none is named. */
static void cell_uplinks(const json_t *object, struct buf *text)
{
	const json_t *uplinks = json_object_get(object, "uplinks");

	if (json_array_size(uplinks) == 0)
		buf_puts(text, "all");
	else
		text_of(uplinks, text);
}

/* A list of hundreds would make every line of the table that long: "80,443,..."; `show` tells all. */
static void add_ports(const char *ports, struct buf *text)
{
	size_t length = strlen(ports);

	if (length > PORTS_CELL_MAX)
		for (length = PORTS_CELL_MAX - strlen("..."); length > 0 && ports[length - 1] != ',';
		     length--)
			;
	buf_add(text, ports, length);
	if (ports[length])
		buf_puts(text, "...");
}

static void cell_external_ports(const json_t *object, struct buf *text)
{
	const char *ports = json_string_value(json_object_get(object, "external_ports"));

	if (ports)
		add_ports(ports, text);
}

/* "192.168.0.2:80", with the ports only where they are given; what is let in without translation is marked. */
static void cell_target(const json_t *object, struct buf *text)
{
	const char *address = json_string_value(json_object_get(object, "internal_address"));
	const char *ports = json_string_value(json_object_get(object, "internal_ports"));

	if (!address)
		return;
	buf_printf(text, ports && strchr(address, ':') ? "[%s]" : "%s", address);
	if (ports) {
		buf_puts(text, ":");
		add_ports(ports, text);
	}
	if (json_is_true(json_object_get(object, "pinhole")))
		buf_puts(text, " (pinhole)");
}

static void cell_connections(const json_t *object, struct buf *text)
{
	text_of(json_object_get(json_object_get(object, "counters"), "connections"), text);
}

/* --- the kinds --- */

#define ENABLED_OPTIONS                                                                      \
	{ "enabled", NULL, "enabled", CONVERT_TRUE, NULL, "in effect (as if not said)" },    \
	{                                                                                    \
		"disabled", NULL, "enabled", CONVERT_FALSE, NULL, "kept, but without effect" \
	}
#define RENAME_OPTION                                                      \
	{                                                                  \
		"name", "NAME", "name", CONVERT_TEXT, NULL, "another name" \
	}

static const struct cli_option forward_options[] = {
	{ "port", "PORTS", "external_ports", CONVERT_TEXT, "none",
	  "80, 8000-8100 or 80,443; none for gre and the like" },
	{ "to", "ADDR[:PORTS]", "internal_address", CONVERT_TARGET, NULL,
	  "the backend, or its address's end, ::1:2:3:4/-64" },
	{ "to-port", "PORTS", "internal_ports", CONVERT_TEXT, "same",
	  "the backend's ports; same if not said" },
	{ "network", "NAME", "internal_network", CONVERT_TEXT, "any",
	  "whose prefixes go before such an end; or any" },
	{ "pinhole", NULL, "pinhole", CONVERT_TRUE, NULL,
	  "let in to the backend's own address, untranslated" },
	{ "no-pinhole", NULL, "pinhole", CONVERT_FALSE, NULL, "translate (as if not said)" },
	{ "protocol", "P,...", "protocols", CONVERT_LIST, NULL,
	  "tcp (as if not said), udp, sctp, or gre, esp, ..." },
	{ "uplink", "NAME,...", "uplinks", CONVERT_LIST, NULL, "only on these; \"\" for all" },
	{ "source", "PREFIX,...", "sources", CONVERT_LIST, NULL, "only from these; \"\" for everyone" },
	{ "family", "FAMILY", "family", CONVERT_TEXT, NULL,
	  "ipv4 or ipv6; as the backend's address if not said" },
	{ "hairpin", NULL, "hairpin", CONVERT_TRUE, NULL, "also from LANs (as if not said)" },
	{ "no-hairpin", NULL, "hairpin", CONVERT_FALSE, NULL, "not from LANs" },
	{ "backend-sees", "WHOM", "backend_sees", CONVERT_TEXT, NULL, "client (as if not said) or router" },
	{ "expires-at", "TIME", "expires_at", CONVERT_TEXT, "never",
	  "RFC 3339, as in 2030-01-31T12:00:00Z; or never" },
	{ "schedule", "HOURS", "schedule", CONVERT_TEXT, "always",
	  "\"mon-fri 08:00-22:00, sat 10:00-24:00\"; or always" },
	{ "log", NULL, "log", CONVERT_TRUE, NULL, "new connections to the kernel's log" },
	{ "no-log", NULL, "log", CONVERT_FALSE, NULL, "not to the log (as if not said)" },
	{ "comment", "TEXT", "comment", CONVERT_TEXT, NULL, "a note" },
	ENABLED_OPTIONS,
	RENAME_OPTION,
};
static const struct column forward_columns[] = {
	{ "ID", cell_id },
	{ "NAME", cell_name },
	{ "STATE", cell_live },
	{ "PROTOCOL", cell_protocols },
	{ "PORTS", cell_external_ports },
	{ "TO", cell_target },
	{ "UPLINKS", cell_uplinks },
	{ "CONNECTIONS", cell_connections },
};

static const struct cli_option uplink_options[] = {
	{ "device", "DEVICE", "device", CONVERT_TEXT, NULL, "the network device, as eth0" },
	{ "gateway", "ADDR", "gateway", CONVERT_TEXT, "none", "auto (as if not said), an address, or none" },
	{ "source-nat", "HOW", "source_nat", CONVERT_TEXT, NULL,
	  "masquerade (as if not said), an address, or none" },
	{ "weight", "N", "weight", CONVERT_NUMBER, NULL, "share of new connections" },
	{ "tier", "N", "tier", CONVERT_NUMBER, NULL, "the lowest that is up is used" },
	{ "sticky", "on|off", "sticky", CONVERT_SWITCH, NULL, "a source stays on its uplink" },
	ENABLED_OPTIONS,
	RENAME_OPTION,
};
static const struct column uplink_columns[] = {
	{ "ID", cell_id },
	{ "NAME", cell_name },
	{ "STATE", cell_up },
	{ "DEVICE", cell_device },
	{ "ADDRESSES", cell_state_addresses },
	{ "GATEWAY", cell_state_gateway },
	{ "SOURCE NAT", cell_source_nat },
};

const struct column uplink_status_columns[] = {
	{ "NAME", cell_name },       { "STATE", cell_status_up }, { "ADDRESSES", cell_addresses },
	{ "GATEWAY", cell_gateway }, { "TABLE", cell_table },     { "MARK", cell_mark },
};
const unsigned uplink_status_column_count = COUNT(uplink_status_columns);

static const struct cli_option network_options[] = {
	{ "device", "DEVICE,...", "devices", CONVERT_LIST, NULL, "the LAN's devices, as br-lan" },
	{ "prefix", "PREFIX,...", "prefixes", CONVERT_LIST, NULL,
	  "what counts as this LAN beside: routed, VPN" },
	{ "hairpin", "on|off", "hairpin", CONVERT_TEXT, NULL, "reach forwards by the uplinks' addresses" },
	{ "hairpin-source", "WHICH", "hairpin_source", CONVERT_TEXT, NULL,
	  "router (as if not said) or external" },
	RENAME_OPTION,
};
static const struct column network_columns[] = {
	{ "ID", cell_id },           { "NAME", cell_name },
	{ "DEVICES", cell_devices }, { "PREFIXES", cell_state_prefixes },
	{ "HAIRPIN", cell_hairpin },
};

static const struct cli_option redirect_options[] = {
	{ "network", "NAME", "network", CONVERT_TEXT, NULL, "whose connections are taken" },
	{ "protocol", "P", "protocol", CONVERT_TEXT, NULL, "tcp (as if not said) or udp" },
	{ "port", "PORT", "port", CONVERT_NUMBER, NULL, "of any host" },
	{ "to-port", "PORT", "to_port", CONVERT_NUMBER, NULL, "of the router itself" },
	{ "except", "PREFIX,...", "except", CONVERT_LIST, NULL, "neither from nor to these" },
	ENABLED_OPTIONS,
	RENAME_OPTION,
};
static const struct column redirect_columns[] = {
	{ "ID", cell_id },           { "NAME", cell_name },         { "ENABLED", cell_enabled },
	{ "NETWORK", cell_network }, { "PROTOCOL", cell_protocol }, { "PORT", cell_port },
	{ "TO PORT", cell_to_port }, { "EXCEPT", cell_except },
};

static const struct cli_option source_nat_options[] = {
	{ "source", "PREFIX,...", "sources", CONVERT_LIST, NULL, "whose connections" },
	{ "uplink", "NAME", "uplink", CONVERT_TEXT, NULL, "by which they leave" },
	{ "address", "ADDR", "address", CONVERT_TEXT, NULL, "the source address that they get" },
	ENABLED_OPTIONS,
	RENAME_OPTION,
};
static const struct column source_nat_columns[] = {
	{ "ID", cell_id },           { "NAME", cell_name },     { "ENABLED", cell_enabled },
	{ "SOURCES", cell_sources }, { "UPLINK", cell_uplink }, { "ADDRESS", cell_address },
};

static const struct cli_option settings_options[] = {
	{ "firewall", "MODE", "firewall", CONVERT_TEXT, NULL, "auto, own or beside" },
	{ "manage-sysctls", "on|off", "manage_sysctls", CONVERT_SWITCH, NULL,
	  "keep ip_forward and others as needed" },
	{ "admin-from-uplinks", "on|off", "admin_from_uplinks", CONVERT_SWITCH, NULL,
	  "the admin page from outside" },
	{ "history-length", "N", "history_length", CONVERT_NUMBER, NULL, "revisions kept" },
	{ "language", "en|zh", "language", CONVERT_TEXT, NULL, "of the admin page" },
	{ "route-table-base", "N", "route_table_base", CONVERT_NUMBER, NULL, "uplink n has table N + n" },
	{ "rule-preference-base", "N", "rule_preference_base", CONVERT_NUMBER, NULL,
	  "of the first routing rule" },
};

/* Not by COUNT(): cppcheck cannot expand the one inside the other. */
#define OPTIONS(array) .options = (array), .option_count = sizeof(array) / sizeof((array)[0])
#define COLUMNS(array) .columns = (array), .column_count = sizeof(array) / sizeof((array)[0])

const struct cli_kind cli_kinds[] = {
	{ "forward", "/forwards", "ports of the uplinks that lead to a backend", OPTIONS(forward_options),
	  COLUMNS(forward_columns) },
	{ "uplink", "/uplinks", "ways to the internet", OPTIONS(uplink_options), COLUMNS(uplink_columns) },
	{ "network", "/networks", "LAN sides, and their hairpin", OPTIONS(network_options),
	  COLUMNS(network_columns) },
	{ "redirect", "/redirects", "transparent proxies", OPTIONS(redirect_options),
	  COLUMNS(redirect_columns) },
	{ "source-nat", "/source-nats", "chosen source addresses of subnets", OPTIONS(source_nat_options),
	  COLUMNS(source_nat_columns) },
	{ "settings", "/settings", "what holds for the whole router", .single = true,
	  OPTIONS(settings_options) },
};
const unsigned cli_kind_count = COUNT(cli_kinds);
