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
FIELD_CELL(cell_hairpin, "hairpin")
FIELD_CELL(cell_network, "network")
FIELD_CELL(cell_protocol, "protocol")
FIELD_CELL(cell_protocols, "protocols")
FIELD_CELL(cell_port, "port")
FIELD_CELL(cell_to_port, "to_port")
FIELD_CELL(cell_except, "except")
FIELD_CELL(cell_sources, "sources")
FIELD_CELL(cell_uplink, "uplink")
FIELD_CELL(cell_policy_uplinks, "uplinks")
FIELD_CELL(cell_address, "address")
FIELD_CELL(cell_addresses, "addresses")
FIELD_CELL(cell_gateway, "gateway")
FIELD_CELL(cell_table, "table")
FIELD_CELL(cell_mark, "mark")
STATE_CELL(cell_state_addresses, "addresses")
STATE_CELL(cell_state_prefixes, "prefixes")
STATE_CELL(cell_state_gateway, "gateway")
FIELD_CELL(cell_tier, "tier")
FIELD_CELL(cell_weight, "weight")
FIELD_CELL(cell_position, "position")
FIELD_CELL(cell_destinations, "destinations")
FIELD_CELL(cell_otherwise, "otherwise")

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

static void add_use(const json_t *state, struct buf *text)
{
	buf_puts(text, json_is_true(json_object_get(state, "in_use")) ? "yes" : "no");
}

static void cell_in_use(const json_t *object, struct buf *text)
{
	add_use(json_object_get(object, "state"), text);
}

static void cell_status_in_use(const json_t *uplink, struct buf *text)
{
	add_use(uplink, text);
}

/* "12.3 ms, 0 % lost"; nothing where nothing is measured. */
static void add_quality(const json_t *state, struct buf *text)
{
	const json_t *latency = json_object_get(state, "latency_ms"),
		     *loss = json_object_get(state, "loss_percent");

	if (json_is_number(latency))
		buf_printf(text, "%.1f ms, ", json_number_value(latency));
	if (json_is_number(loss))
		buf_printf(text, "%.0f %% lost", json_number_value(loss));
}

static void cell_quality(const json_t *object, struct buf *text)
{
	add_quality(json_object_get(object, "state"), text);
}

static void cell_status_quality(const json_t *uplink, struct buf *text)
{
	add_quality(uplink, text);
}

/* By which uplink connections go now: "isp2", or for each family where they differ. */
static void cell_way(const json_t *object, struct buf *text)
{
	const json_t *state = json_object_get(object, "state"), *ipv4 = json_object_get(state, "ipv4"),
		     *ipv6 = json_object_get(state, "ipv6"), *any = ipv4 ? ipv4 : ipv6;

	if (!any)
		return;
	buf_puts(text, json_is_string(any) ? json_string_value(any) : "none");
	if (ipv4 && ipv6 && !json_equal(ipv4, ipv6))
		buf_printf(text, " (IPv6: %s)", json_is_string(ipv6) ? json_string_value(ipv6) : "none");
}

static void cell_ports(const json_t *object, struct buf *text)
{
	const char *ports = json_string_value(json_object_get(object, "ports"));

	if (ports)
		add_ports(ports, text);
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
	{ "source-nat6", "HOW", "source_nat6", CONVERT_TEXT, NULL,
	  "none (as if not said), prefix, or masquerade" },
	{ "prefix", "PREFIX,...", "prefixes", CONVERT_LIST, NULL,
	  "IPv6 prefixes that the provider routes here" },
	{ "weight", "N", "weight", CONVERT_NUMBER, NULL, "share of new connections" },
	{ "tier", "N", "tier", CONVERT_NUMBER, NULL, "the lowest that is up is used" },
	{ "sticky", "on|off", "sticky", CONVERT_SWITCH, NULL, "a source stays on its uplink" },
	{ "sticky-timeout", "S", "sticky_timeout_s", CONVERT_NUMBER, NULL, "for so many seconds (600)" },
	{ "out-of-service", "on|off", "out_of_service", CONVERT_SWITCH, NULL, "nothing new by it" },
	{ "check", "METHOD", "health.method", CONVERT_CHECK, NULL,
	  "icmp, tcp, dns; or none: by the link alone" },
	{ "target", "ADDR,...", "health.targets", CONVERT_LIST, NULL, "whom to probe; for tcp with :PORT" },
	{ "need", "N", "health.need", CONVERT_TEXT, NULL, "any (as if not said), all, or so many answers" },
	{ "interval-ms", "N", "health.interval_ms", CONVERT_NUMBER, NULL,
	  "from one probe to the next (1000)" },
	{ "timeout-ms", "N", "health.timeout_ms", CONVERT_NUMBER, NULL, "until one is lost (1000)" },
	{ "down-after", "N", "health.down_after", CONVERT_NUMBER, NULL, "lost ones in a row (2)" },
	{ "up-after", "N", "health.up_after", CONVERT_NUMBER, NULL, "answered ones in a row (3)" },
	{ "window", "N", "health.window", CONVERT_NUMBER, NULL, "probes for loss and latency (20)" },
	{ "max-loss", "PERCENT", "health.max_loss_percent", CONVERT_NUMBER, "none", "more is down; or none" },
	{ "max-latency", "MS", "health.max_latency_ms", CONVERT_NUMBER, "none", "more is down; or none" },
	ENABLED_OPTIONS,
	RENAME_OPTION,
};
static const struct column uplink_columns[] = {
	{ "ID", cell_id },
	{ "NAME", cell_name },
	{ "STATE", cell_up },
	{ "IN USE", cell_in_use },
	{ "TIER", cell_tier },
	{ "WEIGHT", cell_weight },
	{ "DEVICE", cell_device },
	{ "ADDRESSES", cell_state_addresses },
	{ "GATEWAY", cell_state_gateway },
	{ "QUALITY", cell_quality },
};

const struct column uplink_status_columns[] = {
	{ "NAME", cell_name },
	{ "STATE", cell_status_up },
	{ "IN USE", cell_status_in_use },
	{ "QUALITY", cell_status_quality },
	{ "ADDRESSES", cell_addresses },
	{ "GATEWAY", cell_gateway },
	{ "TABLE", cell_table },
	{ "MARK", cell_mark },
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

static const struct cli_option policy_options[] = {
	{ "position", "N", "position", CONVERT_NUMBER, NULL, "the lowest is asked first (1000)" },
	{ "source", "PREFIX,...", "sources", CONVERT_LIST, NULL, "whose connections; \"\" for everyone's" },
	{ "destination", "PREFIX,...", "destinations", CONVERT_LIST, NULL, "whereto; \"\" for everywhere" },
	{ "protocol", "P", "protocol", CONVERT_TEXT, "any", "tcp, udp, icmp, ...; or any" },
	{ "port", "PORTS", "ports", CONVERT_TEXT, "any", "destination ports, as 80,443; or any" },
	{ "uplink", "NAME,...", "uplinks", CONVERT_LIST, NULL, "the first of these that is up" },
	{ "otherwise", "WHAT", "otherwise", CONVERT_TEXT, NULL, "any (as if not said) or unreachable" },
	ENABLED_OPTIONS,
	RENAME_OPTION,
};
static const struct column policy_columns[] = {
	{ "ID", cell_id },
	{ "POSITION", cell_position },
	{ "NAME", cell_name },
	{ "ENABLED", cell_enabled },
	{ "SOURCES", cell_sources },
	{ "DESTINATIONS", cell_destinations },
	{ "PROTOCOL", cell_protocol },
	{ "PORTS", cell_ports },
	{ "UPLINKS", cell_policy_uplinks },
	{ "OTHERWISE", cell_otherwise },
	{ "NOW", cell_way },
};

static const struct cli_option settings_options[] = {
	{ "firewall", "MODE", "firewall", CONVERT_TEXT, NULL, "auto, own or beside" },
	{ "manage-sysctls", "on|off", "manage_sysctls", CONVERT_SWITCH, NULL,
	  "keep ip_forward and others as needed" },
	{ "admin-from-uplinks", "on|off", "admin_from_uplinks", CONVERT_SWITCH, NULL,
	  "the admin page from outside" },
	{ "history-length", "N", "history_length", CONVERT_NUMBER, NULL, "revisions kept" },
	{ "language", "en|zh", "language", CONVERT_TEXT, NULL, "of the admin page" },
	{ "last-resort", "WHERE", "last_resort", CONVERT_TEXT, NULL,
	  "main or unreachable, while none is up" },
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
	{ "policy", "/policies", "which uplinks connections from inside use", OPTIONS(policy_options),
	  COLUMNS(policy_columns) },
	{ "settings", "/settings", "what holds for the whole router", .single = true,
	  OPTIONS(settings_options) },
};
const unsigned cli_kind_count = COUNT(cli_kinds);
