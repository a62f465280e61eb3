/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_IMPORT_RECIPE_H
#define PORTICO_IMPORT_RECIPE_H

/*
 * A recipe of iptables and ip commands on its way to objects. First everything is read; then facts from all over the
 * text are put together into ways out of the router (a device, its addresses, its gateway, its mark, its table), which
 * become uplinks; then the rules get their meaning.
 */

#include "import/rule.h"

enum {
	WAYS_MAX = UPLINKS_MAX, /* one bit each in a set */
	WAY_ADDRESSES_MAX = 16,
	FACTS_MAX = 256, /* tables, marks and addresses, of each; they are searched one by one */
};

struct way {
	const char *device;
	const struct uplink *uplink; /* that is there already; NULL: none */
	bool outward;                /* it does lead out: something says so */
	const char *label;           /* what its table is called; NULL */
	bool has_gateway, direct;    /* direct: a default route without a gateway */
	struct ip gateway;
	unsigned weight; /* 0: not said */
	bool in_main;    /* it has a default route in the main table */
	unsigned metric; /* of that */
	unsigned address_count;
	struct ip addresses[WAY_ADDRESSES_MAX];
	int draft;
	const char *name; /* of the uplink, once there is one; NULL */
};

/* "ip route add" of a table, "ip rule add", "ip address add": kept until all have been read. */
struct route {
	int statement;
	bool is_default;
	struct prefix to;
	struct ip via, from; /* AF_UNSPEC: none; from: src */
	const char *device, *table;
	unsigned weight, metric;
};

struct route_rule {
	int statement;
	struct prefix from, to; /* family AF_UNSPEC: all */
	bool marked;
	uint32_t mark;
	const char *table;
	int64_t preference; /* rules with lower ones are asked first */
	bool drops;         /* unreachable and the like */
	const char *problem;
};

struct recipe {
	struct import *import;
	unsigned rule_count, rule_size;
	struct rule *rules; /* as they are written */
	unsigned flat_count, flat_size;
	struct rule *
		flat; /* as packets meet them: with the conditions of the jumps that lead there; `chain` is the hook's */
	unsigned route_count, route_size;
	struct route *routes;
	unsigned route_rule_count, route_rule_size;
	struct route_rule *route_rules;
	int64_t lowest_preference; /* of route_rules */
	bool drops_forwards;       /* the filter drops what it is not told to accept */
	unsigned way_count;
	struct way ways[WAYS_MAX];
	unsigned table_name_count, table_count, mark_count;
	struct {
		const char *number, *name;
	} table_names[FACTS_MAX]; /* of /etc/iproute2/rt_tables */
	struct {
		const char *table;
		struct way *way;
	} tables[FACTS_MAX];
	struct {
		uint32_t mark;
		struct way *way;
	} marks[FACTS_MAX];
};

/* --- route.c --- */

/* Takes the command if it is one of routing; false: it is not. */
bool recipe_read_route(struct recipe *recipe, const struct command *command);
/* What all routes and routing rules say of ways. */
void recipe_connect_routes(struct recipe *recipe);
/* After the marks of rules are known, too: tells what became of each line. Policies are drafted. */
void recipe_finish_routes(struct recipe *recipe);

/* The way over the device, a new one if need be; NULL: there are too many. */
struct way *recipe_way(struct recipe *recipe, const char *device);
struct way *recipe_way_of_address(struct recipe *recipe, const struct ip *address);
struct way *recipe_way_of_mark(struct recipe *recipe, uint32_t mark);
void way_add_address(struct way *way, const struct ip *address);
/* By the default routes of the main table: others than the best one are for when that is gone. */
unsigned recipe_tier(const struct recipe *recipe, const struct way *way);
/* True if the device is known to face a LAN. */
bool recipe_is_inside(struct recipe *recipe, const char *device);
/* Says that the statement is about the way's uplink. */
void recipe_became_uplink(struct recipe *recipe, int statement, const struct way *way);
/* Drafts a policy for these packets by this way. */
int recipe_policy(struct recipe *recipe, const struct rule *match, const struct way *way);

/* --- understand.c --- */

/* The meaning of the flat rules, and of those in table filter. */
void recipe_understand(struct recipe *recipe);

/* --- forwards.c --- */

void recipe_forwards(struct recipe *recipe);

#endif
