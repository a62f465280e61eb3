/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/schema.h"

#include <string.h>

#include "model/object_check.h"

#define WORDS(array) .words = (array), .word_count = sizeof(array) / sizeof((array)[0])
#define FIELDS(array, type)                                               \
	{                                                                 \
		sizeof(type), sizeof(array) / sizeof((array)[0]), (array) \
	}

/* FIELD_ENUM and FIELD_CHOICE write their enums through unsigned int. */
_Static_assert(sizeof(enum family) == sizeof(unsigned), "an enum is kept like an unsigned int");

static const char *const family_words[] = { [FAMILY_IPV4] = "ipv4", [FAMILY_IPV6] = "ipv6" };
static const char *const firewall_words[] = {
	[FIREWALL_AUTO] = "auto",
	[FIREWALL_OWN] = "own",
	[FIREWALL_BESIDE] = "beside",
};
static const char *const language_words[] = { [LANGUAGE_EN] = "en", [LANGUAGE_ZH] = "zh" };
static const char *const hairpin_source_words[] = {
	[HAIRPIN_SOURCE_ROUTER] = "router",
	[HAIRPIN_SOURCE_EXTERNAL] = "external",
};
static const char *const backend_sees_words[] = {
	[BACKEND_SEES_CLIENT] = "client",
	[BACKEND_SEES_ROUTER] = "router",
};
static const char *const gateway_words[] = {
	[GATEWAY_AUTO] = "auto",
	[GATEWAY_ADDRESS] = "",
	[GATEWAY_NONE] = NULL,
};
static const char *const source_nat_words[] = {
	[SOURCE_NAT_MASQUERADE] = "masquerade",
	[SOURCE_NAT_ADDRESS] = "",
	[SOURCE_NAT_NONE] = "none",
};
static const char *const source_nat6_words[] = {
	[SOURCE_NAT6_NONE] = "none",
	[SOURCE_NAT6_PREFIX] = "prefix",
	[SOURCE_NAT6_MASQUERADE] = "masquerade",
};
static const char *const last_resort_words[] = {
	[LAST_RESORT_MAIN] = "main",
	[LAST_RESORT_UNREACHABLE] = "unreachable",
};
static const char *const otherwise_words[] = {
	[OTHERWISE_ANY] = "any",
	[OTHERWISE_UNREACHABLE] = "unreachable",
};
static const char *const health_method_words[] = {
	[HEALTH_ICMP] = "icmp",
	[HEALTH_TCP] = "tcp",
	[HEALTH_DNS] = "dns",
};
static const char *const redirect_protocol_words[] = { "tcp", "udp" };
static const char *const policy_protocol_words[] = { "tcp", "udp", "sctp", "icmp", "icmpv6", "gre", "esp" };

#define ID_FIELD(id_max)                                                                          \
	{                                                                                         \
		.name = "id", .type = FIELD_ID, .offset = offsetof(struct object, id), .min = 1,  \
		.max = (id_max), .help = "The number that the daemon gave it; it never changes.", \
	}
#define NAME_FIELD                                                                        \
	{                                                                                 \
		.name = "name", .type = FIELD_NAME, .flags = FIELD_REQUIRED,              \
		.offset = offsetof(struct object, name), .min = 1, .max = NAME_MAX_BYTES, \
		.help = "What people call it; no two of a kind have the same name.",      \
	}
#define ENABLED_FIELD(type_name)                                                               \
	{                                                                                      \
		.name = "enabled", .type = FIELD_BOOL, .offset = offsetof(type_name, enabled), \
		.absent = "true", .help = "Whether it has any effect.",                        \
	}
#define WARNINGS_FIELD                                                  \
	{                                                               \
		.name = "warnings", .type = FIELD_OBSERVED,             \
		.help = "What may be a mistake, in answers to writes.", \
	}

static const struct field settings_fields[] = {
	{
		.name = "firewall",
		.type = FIELD_ENUM,
		.offset = offsetof(struct settings, firewall),
		WORDS(firewall_words),
		.absent = "\"auto\"",
		.help = "Whether Portico filters forwarded traffic itself (own), leaves that to another firewall "
			"(beside), or finds out (auto).",
	},
	{
		.name = "manage_sysctls",
		.type = FIELD_BOOL,
		.offset = offsetof(struct settings, manage_sysctls),
		.absent = "true",
		.help = "Whether ip_forward, rp_filter and the bridge netfilter switches are kept as forwards "
			"need them.",
	},
	{
		.name = "admin_from_uplinks",
		.type = FIELD_BOOL,
		.offset = offsetof(struct settings, admin_from_uplinks),
		.absent = "false",
		.help = "Whether the admin page answers to packets that come in from an uplink.",
	},
	{
		.name = "history_length",
		.type = FIELD_INTEGER,
		.offset = offsetof(struct settings, history_length),
		.min = 10,
		.max = 10000,
		.absent = "200",
		.help = "How many revisions are kept.",
	},
	{
		.name = "language",
		.type = FIELD_ENUM,
		.offset = offsetof(struct settings, language),
		WORDS(language_words),
		.absent = "\"en\"",
		.help = "The language of the admin page.",
	},
	{
		.name = "last_resort",
		.type = FIELD_ENUM,
		.offset = offsetof(struct settings, last_resort),
		WORDS(last_resort_words),
		.absent = "\"main\"",
		.help = "Where new connections go while no uplink is up: by the main routing table, or nowhere "
			"(unreachable).",
	},
	/* Above 255 are the tables that the kernel and iproute2 do not use themselves. */
	{
		.name = "route_table_base",
		.type = FIELD_INTEGER,
		.offset = offsetof(struct settings, route_table_base),
		.min = 256,
		.max = 2000000000,
		.absent = "20000",
		.help = "The routing table of uplink n is this number plus n.",
	},
	/* This and the next 999 must come before the main table's rule, 32766. */
	{
		.name = "rule_preference_base",
		.type = FIELD_INTEGER,
		.offset = offsetof(struct settings, rule_preference_base),
		.min = 1,
		.max = 31766,
		.absent = "5000",
		.help = "The preference of the first routing rule; this and the next 999 are used.",
	},
	WARNINGS_FIELD,
};

static const struct field network_fields[] = {
	ID_FIELD(INT32_MAX),
	NAME_FIELD,
	{
		.name = "devices",
		.type = FIELD_DEVICES,
		.offset = offsetof(struct network, devices),
		.max = LIST_MAX,
		.absent = "[]",
		.help = "The devices of this LAN; the prefixes of their addresses belong to it.",
	},
	{
		.name = "prefixes",
		.type = FIELD_PREFIXES,
		.offset = offsetof(struct network, prefixes),
		.max = LIST_MAX,
		.absent = "[]",
		.help = "Further prefixes that count as this LAN, such as routed networks and VPN clients.",
	},
	{
		.name = "hairpin",
		.type = FIELD_ON_OFF,
		.offset = offsetof(struct network, hairpin),
		.absent = "\"on\"",
		.help = "Whether this LAN reaches forwards by the uplinks' addresses.",
	},
	{
		.name = "hairpin_source",
		.type = FIELD_ENUM,
		.offset = offsetof(struct network, hairpin_source),
		WORDS(hairpin_source_words),
		.absent = "\"router\"",
		.help = "Which address a backend sees on hairpin connections: the router's in the LAN, or the "
			"external one (RFC 4787, REQ-9a).",
	},
	{
		.name = "state",
		.type = FIELD_OBSERVED,
		.help = "The prefixes and addresses that count as this LAN now.",
	},
	WARNINGS_FIELD,
};

static const struct field health_fields[] = {
	{
		.name = "method",
		.type = FIELD_ENUM,
		.offset = offsetof(struct health, method),
		WORDS(health_method_words),
		.absent = "\"icmp\"",
		.help = "How a target is probed.",
	},
	{
		.name = "targets",
		.type = FIELD_TARGETS,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct health, targets),
		.min = 1,
		.max = HEALTH_TARGETS_MAX,
		.help = "Addresses to probe; for tcp with a port, as in \"198.51.100.1:443\".",
	},
	{
		.name = "need",
		.type = FIELD_NEED,
		.offset = offsetof(struct health, need),
		.absent = "\"any\"",
		.help = "How many targets must answer: \"any\", \"all\", or a number of them.",
	},
	{
		.name = "interval_ms",
		.type = FIELD_INTEGER,
		.offset = offsetof(struct health, interval_ms),
		.min = 100,
		.max = 3600000,
		.absent = "1000",
		.help = "Time from one probe to the next. While an answer is missing it is a quarter of that, until "
			"down_after are.",
	},
	{
		.name = "timeout_ms",
		.type = FIELD_INTEGER,
		.offset = offsetof(struct health, timeout_ms),
		.min = 10,
		.max = 60000,
		.absent = "1000",
		.help = "Time after which a probe without an answer counts as lost; should one come later, the probe "
			"was late, not lost.",
	},
	{
		.name = "down_after",
		.type = FIELD_INTEGER,
		.offset = offsetof(struct health, down_after),
		.min = 1,
		.max = 100,
		.absent = "2",
		.help = "Lost probes in a row that take the uplink down.",
	},
	{
		.name = "up_after",
		.type = FIELD_INTEGER,
		.offset = offsetof(struct health, up_after),
		.min = 1,
		.max = 100,
		.absent = "3",
		.help = "Answered probes in a row that bring it up again.",
	},
	{
		.name = "window",
		.type = FIELD_INTEGER,
		.offset = offsetof(struct health, window),
		.min = 5,
		.max = HEALTH_WINDOW_MAX,
		.absent = "20",
		.help = "The number of last probes over which loss, latency and jitter are taken.",
	},
	{
		.name = "max_loss_percent",
		.type = FIELD_INTEGER,
		.flags = FIELD_NULLABLE,
		.offset = offsetof(struct health, max_loss_percent),
		.min = 1,
		.max = 99,
		.absent = "null",
		.help = "More loss than this counts as down; null for no limit.",
	},
	{
		.name = "max_latency_ms",
		.type = FIELD_INTEGER,
		.flags = FIELD_NULLABLE,
		.offset = offsetof(struct health, max_latency_ms),
		.min = 1,
		.max = 60000,
		.absent = "null",
		.help = "More latency than this counts as down; null for no limit.",
	},
};

static const struct fields health_members = FIELDS(health_fields, struct health);

static const struct field uplink_fields[] = {
	ID_FIELD(UPLINKS_MAX),
	NAME_FIELD,
	ENABLED_FIELD(struct uplink),
	{
		.name = "device",
		.type = FIELD_DEVICE,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct uplink, device),
		.min = 1,
		.max = DEVICE_MAX_BYTES,
		.help = "The network device towards the provider.",
	},
	{
		.name = "gateway",
		.type = FIELD_CHOICE,
		.flags = FIELD_NULLABLE,
		.offset = offsetof(struct uplink, gateway_kind),
		.address_offset = offsetof(struct uplink, gateway),
		WORDS(gateway_words),
		.absent = "\"auto\"",
		.help = "The provider's router: \"auto\" to learn it from the main routing table, an address, or "
			"null for a point-to-point link.",
	},
	{
		.name = "source_nat",
		.type = FIELD_CHOICE,
		.offset = offsetof(struct uplink, source_nat_kind),
		.address_offset = offsetof(struct uplink, source_nat),
		WORDS(source_nat_words),
		.absent = "\"masquerade\"",
		.help = "The source address of what leaves: \"masquerade\" for the uplink's own, a fixed address, "
			"or \"none\" to leave it alone.",
	},
	{
		.name = "source_nat6",
		.type = FIELD_ENUM,
		.offset = offsetof(struct uplink, source_nat6),
		WORDS(source_nat6_words),
		.absent = "\"none\"",
		.help = "What happens to IPv6 sources that are not of this uplink's prefixes, when another uplink has "
			"failed: nothing, so that they do not leave by this one (none), their prefix is translated into "
			"this uplink's (prefix, as NPTv6 does), or they leave with the uplink's own address (masquerade).",
	},
	{
		.name = "prefixes",
		.type = FIELD_PREFIXES,
		.offset = offsetof(struct uplink, prefixes),
		.max = 16,
		.absent = "[]",
		.help = "IPv6 prefixes that the provider routes to this uplink, as in \"2001:db8:1::/56\": connections "
			"from there leave by it. Those of source-specific default routes, as OpenWrt makes them, are "
			"known by themselves.",
	},
	{
		.name = "weight",
		.type = FIELD_INTEGER,
		.offset = offsetof(struct uplink, weight),
		.min = 1,
		.max = 100,
		.absent = "1",
		.help = "The share of new connections that this uplink takes within its tier.",
	},
	{
		.name = "tier",
		.type = FIELD_INTEGER,
		.offset = offsetof(struct uplink, tier),
		.min = 1,
		.max = 127,
		.absent = "1",
		.help = "Uplinks of the lowest tier that is up are used.",
	},
	{
		.name = "sticky",
		.type = FIELD_BOOL,
		.offset = offsetof(struct uplink, sticky),
		.absent = "false",
		.help = "Whether a source stays on the uplink that it used before.",
	},
	{
		.name = "sticky_timeout_s",
		.type = FIELD_INTEGER,
		.offset = offsetof(struct uplink, sticky_timeout_s),
		.min = 10,
		.max = 604800,
		.absent = "600",
		.help = "How long it stays there after its last new connection.",
	},
	{
		.name = "out_of_service",
		.type = FIELD_BOOL,
		.offset = offsetof(struct uplink, out_of_service),
		.absent = "false",
		.help = "Whether it gets no new connections from inside for now. Those that it has go on, and forwards "
			"answer on it.",
	},
	{
		.name = "health",
		.type = FIELD_OBJECT,
		.flags = FIELD_NULLABLE,
		.offset = offsetof(struct uplink, health),
		.members = &health_members,
		.absent = "null",
		.help = "How the uplink is probed; null to go by the state of the link alone.",
	},
	{
		.name = "state",
		.type = FIELD_OBSERVED,
		.help = "What the uplink is like now.",
	},
	WARNINGS_FIELD,
};

static const struct field forward_fields[] = {
	ID_FIELD(INT32_MAX),
	NAME_FIELD,
	ENABLED_FIELD(struct forward),
	{
		.name = "family",
		.type = FIELD_ENUM,
		.offset = offsetof(struct forward, family),
		WORDS(family_words),
		.absent = "\"ipv4\"",
		.help = "The address family; that of the internal address if absent.",
	},
	{
		.name = "protocols",
		.type = FIELD_PROTOCOLS,
		.offset = offsetof(struct forward, protocols),
		.min = 1,
		.max = 16,
		.absent = "[\"tcp\"]",
		.help = "Protocols with ports (tcp, udp, sctp, dccp, udplite) or protocols without, such as gre and "
			"esp; not both in one forward.",
	},
	{
		.name = "uplinks",
		.type = FIELD_NAMES,
		.flags = FIELD_REFERS,
		.refers = KIND_UPLINK,
		.offset = offsetof(struct forward, uplinks),
		.max = LIST_MAX,
		.absent = "[]",
		.help = "The uplinks on which it listens; none named means all.",
	},
	{
		.name = "external_ports",
		.type = FIELD_PORTS,
		.flags = FIELD_NULLABLE,
		.offset = offsetof(struct forward, external_ports),
		.max = LIST_MAX,
		.absent = "null",
		.help = "The ports on the uplinks' addresses; null for protocols without ports.",
	},
	{
		.name = "internal_address",
		.type = FIELD_BACKEND,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct forward, internal_address),
		.bits_offset = offsetof(struct forward, suffix_bits),
		.help = "The backend's address; or the last bits of an IPv6 address, as in \"::1:2:3:4/-64\", which "
			"follow whatever prefix the LAN has now.",
	},
	{
		.name = "internal_network",
		.type = FIELD_NAME,
		.flags = FIELD_NULLABLE | FIELD_REFERS | FIELD_MUST_BE,
		.refers = KIND_NETWORK,
		.offset = offsetof(struct forward, internal_network),
		.min = 1,
		.max = NAME_MAX_BYTES,
		.absent = "null",
		.help = "The network whose prefixes count, where internal_address is a suffix; null for any.",
	},
	{
		.name = "pinhole",
		.type = FIELD_BOOL,
		.offset = offsetof(struct forward, pinhole),
		.absent = "false",
		.help = "Whether it lets in connections to the backend's own address, without translation.",
	},
	{
		.name = "internal_ports",
		.type = FIELD_PORTS,
		.flags = FIELD_NULLABLE,
		.offset = offsetof(struct forward, internal_ports),
		.max = LIST_MAX,
		.absent = "null",
		.help = "The backend's ports, one for each external port in the same order; null for the same ports.",
	},
	{
		.name = "sources",
		.type = FIELD_PREFIXES,
		.offset = offsetof(struct forward, sources),
		.max = LIST_MAX,
		.absent = "[]",
		.help = "Who may use it; none named means everyone.",
	},
	{
		.name = "hairpin",
		.type = FIELD_BOOL,
		.offset = offsetof(struct forward, hairpin),
		.absent = "true",
		.help = "Whether LANs with hairpin reach it by the uplinks' addresses.",
	},
	{
		.name = "backend_sees",
		.type = FIELD_ENUM,
		.offset = offsetof(struct forward, backend_sees),
		WORDS(backend_sees_words),
		.absent = "\"client\"",
		.help = "Whose address the backend sees: the client's, or the router's, which brings replies back "
			"through the router wherever the backend's own gateway is.",
	},
	{
		.name = "comment",
		.type = FIELD_COMMENT,
		.offset = offsetof(struct forward, comment),
		.max = COMMENT_MAX_BYTES,
		.absent = "\"\"",
		.help = "A note for people.",
	},
	{
		.name = "expires_at",
		.type = FIELD_TIME,
		.flags = FIELD_NULLABLE,
		.offset = offsetof(struct forward, expires_at),
		.absent = "null",
		.help = "When it stops; null for never.",
	},
	{
		.name = "schedule",
		.type = FIELD_SCHEDULE,
		.flags = FIELD_NULLABLE,
		.offset = offsetof(struct forward, schedule),
		.absent = "null",
		.help = "The hours of the week in which it works, in the router's local time, as in "
			"\"mon-fri 08:00-22:00, sat,sun 10:00-24:00\"; null for always.",
	},
	{
		.name = "log",
		.type = FIELD_BOOL,
		.offset = offsetof(struct forward, log),
		.absent = "false",
		.help = "Whether new connections are written to the kernel's log.",
	},
	{
		.name = "counters",
		.type = FIELD_OBSERVED,
		.help = "Connections it has carried, and when the last one was seen. The kernel counts them: the count "
			"goes on when this or another forward changes, and when the daemon starts again. It begins anew "
			"when the router does. What was counted before the forward had another name, other ports, "
			"another address or other uplinks, or before it was off for a while, is forgotten when the "
			"daemon ends; and of what somebody else removed from the kernel, that which came since the "
			"counters were read last, at most 15 seconds.",
	},
	{
		.name = "state",
		.type = FIELD_OBSERVED,
		.help = "Whether it can carry packets now, if not why, and on which addresses it listens.",
	},
	WARNINGS_FIELD,
};

static const struct field redirect_fields[] = {
	ID_FIELD(INT32_MAX),
	NAME_FIELD,
	ENABLED_FIELD(struct redirect),
	{
		.name = "network",
		.type = FIELD_NAME,
		.flags = FIELD_REQUIRED | FIELD_REFERS | FIELD_MUST_BE,
		.refers = KIND_NETWORK,
		.offset = offsetof(struct redirect, network),
		.min = 1,
		.max = NAME_MAX_BYTES,
		.help = "The network whose connections are taken.",
	},
	{
		.name = "protocol",
		.type = FIELD_PROTOCOL,
		.offset = offsetof(struct redirect, protocol),
		WORDS(redirect_protocol_words),
		.absent = "\"tcp\"",
		.help = "The protocol.",
	},
	{
		.name = "port",
		.type = FIELD_INTEGER,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct redirect, port),
		.min = 1,
		.max = 65535,
		.help = "Connections to this port of any host are taken.",
	},
	{
		.name = "to_port",
		.type = FIELD_INTEGER,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct redirect, to_port),
		.min = 1,
		.max = 65535,
		.help = "The router's own port on which they land.",
	},
	{
		.name = "except",
		.type = FIELD_PREFIXES,
		.offset = offsetof(struct redirect, except),
		.max = LIST_MAX,
		.absent = "[]",
		.help = "Connections from or to these are left alone.",
	},
	WARNINGS_FIELD,
};

static const struct field source_nat_fields[] = {
	ID_FIELD(INT32_MAX),
	NAME_FIELD,
	ENABLED_FIELD(struct source_nat),
	{
		.name = "sources",
		.type = FIELD_PREFIXES,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct source_nat, sources),
		.min = 1,
		.max = LIST_MAX,
		.help = "Whose connections leave with the chosen address.",
	},
	{
		.name = "uplink",
		.type = FIELD_NAME,
		.flags = FIELD_REQUIRED | FIELD_REFERS | FIELD_MUST_BE,
		.refers = KIND_UPLINK,
		.offset = offsetof(struct source_nat, uplink),
		.min = 1,
		.max = NAME_MAX_BYTES,
		.help = "The uplink by which they leave.",
	},
	{
		.name = "address",
		.type = FIELD_ADDRESS,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct source_nat, address),
		.help = "The source address that they get.",
	},
	WARNINGS_FIELD,
};

static const struct field policy_fields[] = {
	ID_FIELD(INT32_MAX),
	NAME_FIELD,
	ENABLED_FIELD(struct policy),
	{
		.name = "position",
		.type = FIELD_INTEGER,
		.offset = offsetof(struct policy, position),
		.min = 1,
		.max = 1000000,
		.absent = "1000",
		.help = "Policies are asked in this order, the first that fits decides; among equals the older one "
			"comes first.",
	},
	{
		.name = "sources",
		.type = FIELD_PREFIXES,
		.offset = offsetof(struct policy, sources),
		.max = LIST_MAX,
		.absent = "[]",
		.help = "Whose connections; none named means everyone's.",
	},
	{
		.name = "destinations",
		.type = FIELD_PREFIXES,
		.offset = offsetof(struct policy, destinations),
		.max = LIST_MAX,
		.absent = "[]",
		.help = "Whereto; none named means everywhere.",
	},
	{
		.name = "protocol",
		.type = FIELD_PROTOCOL,
		.flags = FIELD_NULLABLE,
		.offset = offsetof(struct policy, protocol),
		WORDS(policy_protocol_words),
		.absent = "null",
		.help = "The protocol; null for any.",
	},
	{
		.name = "ports",
		.type = FIELD_PORTS,
		.flags = FIELD_NULLABLE,
		.offset = offsetof(struct policy, ports),
		.max = LIST_MAX,
		.absent = "null",
		.help = "Destination ports, as in \"80,443,8000-8100\"; null for all. Where no protocol is named, those "
			"of TCP and UDP.",
	},
	{
		.name = "uplinks",
		.type = FIELD_NAMES,
		.flags = FIELD_REFERS,
		.refers = KIND_UPLINK,
		.offset = offsetof(struct policy, uplinks),
		.max = UPLINKS_MAX,
		.absent = "[]",
		.help = "The uplinks to use, in order of preference: the first that is up.",
	},
	{
		.name = "otherwise",
		.type = FIELD_ENUM,
		.offset = offsetof(struct policy, otherwise),
		WORDS(otherwise_words),
		.absent = "\"any\"",
		.help = "What happens when none of them is up: any other uplink, or nothing gets out (unreachable).",
	},
	{
		.name = "state",
		.type = FIELD_OBSERVED,
		.help = "By which uplink these connections go now.",
	},
	WARNINGS_FIELD,
};

static const struct schema schemas[KIND_COUNT] = {
	[KIND_SETTINGS] = {
		.kind = KIND_SETTINGS, .name = "settings", .plural = "settings", .path = "settings",
		.noun = "settings", .max = 1, .fields = FIELDS(settings_fields, struct settings),
		.help = "What holds for the whole router.",
	},
	[KIND_NETWORK] = {
		.kind = KIND_NETWORK, .name = "network", .plural = "networks", .path = "networks",
		.noun = "network", .max = NETWORKS_MAX, .fields = FIELDS(network_fields, struct network),
		.check = network_check, .help = "A LAN side.",
	},
	[KIND_UPLINK] = {
		.kind = KIND_UPLINK, .name = "uplink", .plural = "uplinks", .path = "uplinks",
		.noun = "uplink", .max = UPLINKS_MAX, .fields = FIELDS(uplink_fields, struct uplink),
		.check = uplink_check, .help = "A way to the internet.",
	},
	[KIND_FORWARD] = {
		.kind = KIND_FORWARD, .name = "forward", .plural = "forwards", .path = "forwards",
		.noun = "forward", .max = FORWARDS_MAX, .fields = FIELDS(forward_fields, struct forward),
		.infer = forward_infer, .check = forward_check,
		.help = "Ports of the uplinks that lead to a backend in a LAN.",
	},
	[KIND_REDIRECT] = {
		.kind = KIND_REDIRECT, .name = "redirect", .plural = "redirects", .path = "redirects",
		.noun = "redirect", .max = REDIRECTS_MAX, .fields = FIELDS(redirect_fields, struct redirect),
		.help = "A transparent proxy: connections from a LAN land on the router itself.",
	},
	[KIND_SOURCE_NAT] = {
		.kind = KIND_SOURCE_NAT, .name = "source_nat", .plural = "source_nats", .path = "source-nats",
		.noun = "source NAT", .max = SOURCE_NATS_MAX, .fields = FIELDS(source_nat_fields, struct source_nat),
		.check = source_nat_check, .help = "A chosen source address for a subnet's connections.",
	},
	[KIND_POLICY] = {
		.kind = KIND_POLICY, .name = "policy", .plural = "policies", .path = "policies",
		.noun = "policy", .max = POLICIES_MAX, .fields = FIELDS(policy_fields, struct policy),
		.check = policy_check, .help = "Which uplinks some of the new connections from inside may use.",
	},
};

const struct schema *schema_of(enum kind kind)
{
	return &schemas[kind];
}

const char *kind_name(enum kind kind)
{
	return schemas[kind].name;
}

const char *kind_plural(enum kind kind)
{
	return schemas[kind].plural;
}

const char *kind_path(enum kind kind)
{
	return schemas[kind].path;
}

bool field_is_kept(const struct field *field)
{
	return field->type != FIELD_ID && field->type != FIELD_OBSERVED;
}

const struct field *fields_find(const struct fields *fields, const char *name)
{
	for (unsigned i = 0; i < fields->count; i++)
		if (strcmp(fields->items[i].name, name) == 0)
			return &fields->items[i];
	return NULL;
}
