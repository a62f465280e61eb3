/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_IMPORT_RULE_H
#define PORTICO_IMPORT_RULE_H

/* One rule of iptables, as it is written. */

#include "import/shell.h"

enum rule_target {
	TARGET_NONE, /* it only counts */
	TARGET_DNAT,
	TARGET_SNAT,
	TARGET_MASQUERADE,
	TARGET_REDIRECT,
	TARGET_SET_MARK,  /* MARK or CONNMARK with a value */
	TARGET_COPY_MARK, /* CONNMARK --save-mark or --restore-mark */
	TARGET_ACCEPT,
	TARGET_RETURN,
	TARGET_DROP, /* DROP or REJECT */
	TARGET_LOG,
	TARGET_OTHER, /* another one, or a chain */
};

/* A negated match is said of the whole of it. */
struct rule {
	int statement;
	uint8_t family; /* AF_INET or AF_INET6 */
	const char *table, *chain;
	bool inserted; /* goes before those that are there */
	bool deletes;
	const char *in, *out; /* devices; a '+' at the end stands for anything */
	bool in_not, out_not;
	struct prefix *sources, *destinations;
	unsigned source_count, destination_count; /* 0: all */
	bool sources_not, destinations_not;
	uint8_t protocol; /* 0: all */
	struct port_range *ports;
	unsigned port_count;
	bool to_local;  /* the destination is an address of the router */
	bool not_local; /* it is none */
	bool answers;   /* packets of known connections only */
	bool marked;    /* with this mark only */
	bool has_mark;  /* with any mark but 0; a problem as well, for those who do not ask for it */
	uint32_t with_mark;
	const char *hours; /* as schedules have them, "mon,tue 08:00-22:00"; NULL: always */
	const char *until; /* "2026-12-24T18:00:00Z"; NULL: for ever */
	const char *comment;
	enum rule_target target;
	const char *target_name;
	struct ip address;          /* of DNAT and SNAT */
	struct port_range to_ports; /* of DNAT and REDIRECT; 0: the same */
	uint16_t to_base;           /* the port that the first of to_ports stands for; 0: not said */
	uint32_t mark;
	bool towards_backend; /* it rewrites the source of what a forward has let in, whoever comes */
	bool lets_in;         /* it is a filter that lets in somebody from an uplink */
	bool narrows;         /* and says who may use a forward */
	const char *problem;  /* the first thing in it that has no counterpart here; NULL: there is none */
};

/*
 * Reads the words behind "iptables" or of a line of iptables-save. False: it is no rule, and the statement is
 * dealt with; the target is TARGET_DROP then if it was "-P FORWARD DROP". `table` is the one that holds where no -t says otherwise; NULL: the one where it makes sense.
 */
bool rule_read(struct import *import, const struct command *command, unsigned first, const char *table,
	       uint8_t family, struct rule *ret_rule);

/* "eth0" against "eth0" or "eth+". */
bool rule_device_matches(const char *pattern, const char *device);

#endif
