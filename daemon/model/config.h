/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_CONFIG_H
#define PORTICO_MODEL_CONFIG_H

/*
 * The configuration: everything that a person decides, nothing that is
 * observed. Objects are immutable once made and counted by reference, so a
 * copy of a configuration shares them: changing one forward among ten
 * thousand makes one new object, and comparing two configurations looks at
 * the contents only where the pointers differ.
 *
 * The fields of each kind, their types, ranges, defaults and texts stand in
 * one table (schema.c); JSON, SQL, error messages and the OpenAPI document
 * follow from it.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"

enum {
	NAME_MAX_BYTES = 64,
	COMMENT_MAX_BYTES = 512,
	UPLINKS_MAX = 63, /* six bits of the mark; 0 is none */
	NETWORKS_MAX = 64,
	FORWARDS_MAX = 20000,
	REDIRECTS_MAX = 64,
	SOURCE_NATS_MAX = 64,
	POLICIES_MAX = 256, /* each new connection from inside is held against them, one after the other */
	FORWARD_SHIFTED_MAX = 4096,  /* ports of one forward that lead to others: each is an element */
	TOTAL_ELEMENTS_MAX = 131072, /* elements that all forwards have in the kernel */
	LIST_MAX = 256,              /* entries of any list field */
	DEVICE_MAX_BYTES = 15,       /* IFNAMSIZ - 1 */
	SCHEDULE_WINDOWS_MAX = 16,
	HEALTH_TARGETS_MAX = 16,
	HEALTH_WINDOW_MAX = 100,
};

/* The kinds of objects, in the order in which they are listed, loaded and checked. */
enum kind {
	KIND_SETTINGS, /* exactly one object, id 1, no name */
	KIND_NETWORK,
	KIND_UPLINK,
	KIND_FORWARD,
	KIND_REDIRECT,
	KIND_SOURCE_NAT,
	KIND_POLICY,
	KIND_COUNT,
};

struct object {
	unsigned refs;
	enum kind kind;
	uint32_t id; /* unique in its kind, never 0 once in a configuration */
	char *name;  /* unique in its kind; NULL for settings */
	/* 1 + its position in the /config request that it came in, else 0: for the paths of errors. */
	unsigned place;
	bool packed; /* everything that it owns is in one block of memory with it */
};

/* Lists keep the order in which they were given. */
struct names {
	unsigned count;
	char **items;
};
bool names_equal(const struct names *a, const struct names *b);

struct prefixes {
	unsigned count;
	struct prefix *items;
};

struct port_range {
	uint16_t first, last;
};

struct ports {
	unsigned count;
	struct port_range *items;
};

/* IP protocol numbers, "tcp" and so on in text. */
struct protocols {
	unsigned count;
	uint8_t *items;
};

enum family { FAMILY_IPV4, FAMILY_IPV6 };
enum firewall_mode { FIREWALL_AUTO, FIREWALL_OWN, FIREWALL_BESIDE };
enum hairpin_source { HAIRPIN_SOURCE_ROUTER, HAIRPIN_SOURCE_EXTERNAL };
enum backend_sees { BACKEND_SEES_CLIENT, BACKEND_SEES_ROUTER };
enum gateway_kind { GATEWAY_AUTO, GATEWAY_ADDRESS, GATEWAY_NONE };
enum source_nat_kind { SOURCE_NAT_MASQUERADE, SOURCE_NAT_ADDRESS, SOURCE_NAT_NONE };
enum source_nat6 { SOURCE_NAT6_NONE, SOURCE_NAT6_PREFIX, SOURCE_NAT6_MASQUERADE };
enum health_method { HEALTH_ICMP, HEALTH_TCP, HEALTH_DNS };
enum last_resort { LAST_RESORT_MAIN, LAST_RESORT_UNREACHABLE };
enum otherwise { OTHERWISE_ANY, OTHERWISE_UNREACHABLE };

struct settings {
	struct object object;
	enum firewall_mode firewall; /* auto: beside another firewall (fw4) if its table is there */
	bool manage_sysctls;         /* keep ip_forward, rp_filter, bridge-nf-call-* as forwards need them */
	bool admin_from_uplinks;     /* the admin page answers to packets from uplinks */
	int64_t history_length;      /* revisions kept, 10..10000, default 200 */
	enum language { LANGUAGE_EN, LANGUAGE_ZH } language;
	enum last_resort last_resort; /* where connections go while no uplink is up */
	/* Kernel numbers; changing them moves everything that is ours. */
	int64_t route_table_base;     /* table of uplink n is base + n; 20000 */
	int64_t rule_preference_base; /* 5000; the next 999 are ours */
};

struct network {
	struct object object;
	struct names devices;
	struct prefixes prefixes; /* beside the devices' own */
	bool hairpin;             /* in JSON "on" or "off" */
	enum hairpin_source hairpin_source;
};

struct health {
	enum health_method method;
	struct names targets;
	char *need; /* "any", "all" or a number of targets */
	int64_t interval_ms, timeout_ms, down_after, up_after;
	int64_t window; /* probes over which loss and latency are judged, at most HEALTH_WINDOW_MAX */
	int64_t max_loss_percent; /* -1: no limit */
	int64_t max_latency_ms;   /* -1: no limit */
};

/* What a probe is sent to. */
struct probe_target {
	struct ip address;
	uint16_t port; /* 0: that of the method */
};

/* An entry of `targets`, as in "198.51.100.1" or, for tcp, "[2001:db8::1]:443". 0 or -EINVAL. */
int probe_target_parse(enum health_method method, const char *text, struct probe_target *ret_target);

/* id is the uplink's number in marks and tables: 1..63, the lowest free one when it is made. */
struct uplink {
	struct object object;
	bool enabled;
	char *device;
	enum gateway_kind gateway_kind;
	struct ip gateway;
	enum source_nat_kind source_nat_kind;
	struct ip source_nat;
	enum source_nat6 source_nat6; /* what leaves by it with the prefix of another */
	struct prefixes prefixes;     /* IPv6 ones that the provider routes to it, beside those learned */
	int64_t weight, tier;
	bool sticky;
	int64_t sticky_timeout_s; /* since the source's last new connection */
	bool out_of_service;      /* gets no new connections from inside */
	struct health *health;    /* NULL: link state only */
};

/* A weekly window in the router's local time, from minute `from` of each of the days until minute `to`. */
struct window {
	uint8_t days;      /* bit 0 Monday ... bit 6 Sunday */
	uint16_t from, to; /* minutes since midnight; to <= from: until then on the next day; 1440 is 24:00 */
};

struct schedule {
	unsigned count; /* 0: always */
	struct window *items;
};

struct forward {
	struct object object;
	bool enabled;
	enum family family;
	struct protocols protocols;
	struct names uplinks;        /* empty: all */
	struct ports external_ports; /* empty: protocols without ports */
	struct ip internal_address;
	/*
	 * 0: the address is the backend's. Else ("::1:2:3:4/-64") its last so many bits are, under whatever
	 * prefixes the devices of its network have now.
	 */
	uint8_t suffix_bits;
	char *internal_network;      /* with suffix_bits: the network whose prefixes count; NULL: any */
	bool pinhole;                /* let in to the backend's own address, without translation */
	struct ports internal_ports; /* empty: the same ports; else as many as external ones */
	struct prefixes sources;     /* empty: everyone */
	bool hairpin;
	enum backend_sees backend_sees;
	char *comment;
	int64_t expires_at; /* seconds since the epoch; 0: never */
	struct schedule schedule;
	bool log; /* new connections are written to the kernel's log */
};

struct redirect {
	struct object object;
	bool enabled;
	char *network;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	int64_t port, to_port;
	struct prefixes except; /* neither from nor to these */
};

struct source_nat {
	struct object object;
	bool enabled;
	struct prefixes sources; /* one family, that of the address */
	char *uplink;
	struct ip address;
};

/* Which uplinks new connections from inside may use; the first policy that fits decides. */
struct policy {
	struct object object;
	bool enabled;
	int64_t position;                      /* the lowest is asked first; among equals the lowest id */
	struct prefixes sources, destinations; /* empty: all */
	uint8_t protocol;                      /* 0: any */
	struct ports ports;       /* destination ports; empty: all. Without a protocol: of TCP and UDP */
	struct names uplinks;     /* the first that is up is used */
	enum otherwise otherwise; /* when none of them is */
};

struct object_list {
	unsigned count;
	unsigned size;
	struct object **items; /* by id, ascending; references are held */
};

struct config {
	unsigned refs;
	struct object_list lists[KIND_COUNT];
};

/* --- objects --- */

struct object *object_ref(struct object *object);
void object_unref(struct object *object);                          /* takes NULL */
bool object_equal(const struct object *a, const struct object *b); /* contents, id and name included */

/*
 * Decodes one object of a kind, with the defaults for what is absent. Unknown
 * fields, wrong types, values out of range are recorded in `err` with paths
 * below `base` ("" or "/forwards/3"); all that can be found are, not just the
 * first. Read-only fields (id, counters, state) are accepted and ignored,
 * but for `id` when `take_id` is set. Checks what one object alone can be wrong in.
 * The id is 0 when none was taken.
 */
int object_from_json(enum kind kind, const json_t *json, const char *base, bool take_id,
		     struct object **ret_object, struct err *err);

/* The writable fields and the id; a new reference, NULL when out of memory. */
json_t *object_to_json(const struct object *object);

/* "forward", and for collections "forwards" (their key in /config). */
const char *kind_name(enum kind kind);
const char *kind_plural(enum kind kind); /* path segment with '-': "source-nats" is kind_path() */
const char *kind_path(enum kind kind);

/* --- configurations --- */

/* A configuration with default settings and nothing else. */
struct config *config_new(void);
struct config *config_copy(const struct config *config); /* shares the objects */
struct config *config_ref(struct config *config);
void config_unref(struct config *config); /* takes NULL */

static inline const struct settings *config_settings(const struct config *config)
{
	return (const struct settings *)config->lists[KIND_SETTINGS].items[0];
}

struct object *config_find(const struct config *config, enum kind kind, uint32_t id);
struct object *config_find_name(const struct config *config, enum kind kind, const char *name);

/*
 * Adds the object, or replaces the one with the same id. id 0: a new one is
 * given (uplinks: the lowest free; others: one more than the highest there).
 * Takes over the caller's reference, also on failure. When a named object
 * changes its name, objects that refer to it follow. -ENOSPC with `err` set
 * when the kind is full.
 */
int config_put(struct config *config, struct object *object, struct err *err);
/* -ENOENT if there is none. */
int config_remove(struct config *config, enum kind kind, uint32_t id);

/*
 * Checks the whole: unique names, references, forwards that clash, limits.
 * Paths are "/forwards/3/name" (position in the request that the
 * objects came in, else in the list); those about `focus` (if
 * not NULL), the object that a request is about, are relative to it: "/name".
 */
int config_check(const struct config *config, const struct object *focus, struct err *err);

/*
 * The whole configuration from JSON (keys settings, networks, uplinks,
 * forwards, redirects, source_nats, policies; absent means empty or default).
 * Ids may be left out: an object of `old` with the same name keeps its id. The result is not config_check()ed.
 */
int config_from_json(const json_t *json, const struct config *old, struct config **ret_config,
		     struct err *err);
json_t *config_to_json(const struct config *config);

/* --- differences --- */

struct change {
	enum kind kind;
	uint32_t id;
	const struct object *before; /* NULL: added */
	const struct object *after;  /* NULL: removed */
};

struct changes {
	unsigned count;
	struct change *items; /* by kind, then id; point into both configurations */
};

int config_diff(const struct config *old, const struct config *new, struct changes *ret_changes);
void changes_done(struct changes *changes);
/* [{"kind": "forward", "id": 1, "name": "web", "before": {...}|null, "after": {...}|null}] */
json_t *changes_to_json(const struct changes *changes);
/*
 * Adds to each of these "what": "added", "changed" or "removed", and "fields": those that differ, as
 * ["external_ports", "health/window"]; of what was added or removed, none. 0 or -ENOMEM.
 */
int changes_explain(json_t *changes);
/* {"changes": [{"kind", "id", "name", "what"}], "more": 0}: the first `max`, and how many there are beyond them. */
json_t *changes_summary(const struct changes *changes, unsigned max);
/* The same of what changes_to_json() gave. */
json_t *changes_json_summary(const json_t *changes, unsigned max);

/*
 * What may be right and may be a mistake, for `warnings` in answers: a forward naming an uplink that is not there,
 * or one that time has passed by. [{"path", "message"}]; an empty array if there is nothing to say.
 */
struct environment;
json_t *object_warnings(const struct config *config, const struct environment *environment,
			const struct object *object);

/* --- small helpers over the structs --- */

/* "80,443,8000-8100" into buf of the caller's; protocol names as in protocols(5), else the number. */
struct buf;
void ports_format(const struct ports *ports, struct buf *buf);
const char *protocol_name(uint8_t protocol, char text[8]);
bool protocol_has_ports(uint8_t protocol); /* tcp, udp, sctp, udplite, dccp */

/* Number of single ports in the list. */
unsigned ports_count(const struct ports *ports);

/* "mon-fri 08:00-22:00, sat,sun 10:00-24:00". */
void schedule_format(const struct schedule *schedule, struct buf *buf);

/* Minutes, from this one of the week on, until the schedule holds: 0 when it does now. */
unsigned schedule_wait(const struct schedule *schedule, unsigned week_minute);

/*
 * Times are text as RFC 3339 has them, always in UTC: "2026-01-31T12:00:00Z", 1970 to 9999. What other programs
 * write for the same, "2026-01-31T12:00:00.000+00:00", is read too.
 */
enum { TIME_TEXT_MAX = 21 };
int time_parse(const char *text, int64_t *ret_time); /* 0 or -EINVAL */
const char *time_format(int64_t time, char text[TIME_TEXT_MAX]);
json_t *time_to_json(int64_t time); /* null for 0: never, none */

/* The ports at the backend, in step with the external ones: the same if none are given. */
const struct ports *forward_internal_ports(const struct forward *forward);

/*
 * Steps through the pieces in which external and internal ports run in parallel: "80,8000-8100" to
 * "80,9000-9100" are 80 to 80, once, and 8000 to 9000, a hundred and one times. Begin with a zeroed walk.
 */
struct port_piece {
	uint16_t external, internal;
	unsigned count;
};
struct piece_walk {
	unsigned external_range, internal_range; /* where it is */
	unsigned external_done, internal_done;   /* ports of these ranges that were in pieces already */
};
bool forward_next_piece(const struct forward *forward, struct piece_walk *walk, struct port_piece *ret_piece);

/* True if the forward is meant for the uplink: enabled is not looked at. */
bool forward_on_uplink(const struct forward *forward, const char *uplink_name);

#endif
