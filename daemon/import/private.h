/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_IMPORT_PRIVATE_H
#define PORTICO_IMPORT_PRIVATE_H

/* What the parts of the import share. Memory is the arena's, and goes with it. */

#include "base/arena.h"
#include "base/buf.h"
#include "import/import.h"

enum {
	SHOWN_TEXT_MAX = 240, /* bytes of a line that are repeated in the answer */
	MESSAGE_TEXT_MAX = 400,
};

/* A command, a section or an option: what is said of it in the answer. Others know it by its index. */
struct statement {
	unsigned line; /* from 1 */
	const char *text;
	enum { STATEMENT_OPEN, STATEMENT_UNDERSTOOD, STATEMENT_REFUSED } state;
	int draft;           /* what it became; -1: nothing new */
	const char *became;  /* what it belongs to, where that was there before */
	const char *message; /* NULL: nothing to add */
	bool quiet;          /* not listed unless something is said of it */
};

/* An object to be, or what one that is there is to be. */
struct draft {
	enum kind kind;
	const char *name;            /* "" of the settings */
	const struct object *before; /* NULL: it is new */
	json_t *fields;              /* with `before` those alone that the text says something of */
	struct object *object;
	const char *why_not; /* it cannot be; NULL: it can */
	const char *there;   /* the same but for its name, or `before` if nothing changes; NULL: neither */
	const char *changed; /* of `before`: "tier 2, weight 3"; "" if nothing is */
	const char *kept; /* what is not, because somebody has set it: "tier 5, health"; "" if nothing is */
	bool told;        /* that, at the first line of the draft */
};

struct import {
	struct arena *arena;
	const struct config *config;
	const struct links *links;
	unsigned statement_count, statement_size;
	struct statement *statements;
	unsigned draft_count, draft_size;
	struct draft *drafts;
	json_t *names[KIND_COUNT]; /* that are taken, each with the last number that was put behind it */
	json_t *same[KIND_COUNT];  /* names of those that are there, by all else; NULL: not asked for yet */
	unsigned steps;            /* see import_step() */
	bool failed;               /* out of memory: nothing more is done */
};

/* Text of the arena's; "" when out of memory. */
const char *import_printf(struct import *import, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *import_strndup(struct import *import, const char *text, size_t length);
/* "a,b" with the separator ",", however long. */
const char *import_join(struct import *import, const char *a, const char *separator, const char *b);
/* Zeroed memory; NULL when out of it, which is then noted. */
void *import_alloc(struct import *import, size_t size);
/* The array with room for one more, moved when it was full: sizes double. NULL as above. */
void *import_grow(struct import *import, void *items, unsigned count, unsigned *size, size_t item_size);

/* To be asked wherever all are held against all, at a cost in comparisons. False: it takes too long, the import fails. */
bool import_step(struct import *import, unsigned cost);

/* --- statements --- */

/* Its index; -1: there are too many, or no memory. `text` need not end with a zero. */
int statement_add(struct import *import, unsigned line, const char *text, size_t length);
/* Nobody has said yet what becomes of it. */
bool statement_is_open(const struct import *import, int statement);
unsigned statement_line(const struct import *import, int statement);
/* Nothing becomes of it, and nothing needs to; or it could not be understood. The first word counts. */
void statement_covered(struct import *import, int statement, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void statement_refuse(struct import *import, int statement, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* It became a draft, or (-1) belongs to the object `became`; NULL: nothing needs to be said of it. */
void statement_became(struct import *import, int statement, int draft, const char *became);
/* Adds to what is said of it. */
void statement_note(struct import *import, int statement, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- drafts --- */

/* Takes over the reference to `fields`; the name is made different from others. The draft's index; -1: no memory. */
int draft_add(struct import *import, enum kind kind, const char *name, json_t *fields);
/*
 * The draft of changes to an object that is there, without any fields at first. Of those that it gets, the ones count that
 * still have their default in the object. Its index; -1: no memory.
 */
int draft_change(struct import *import, const struct object *object);
/* "forward web" */
const char *draft_title(struct import *import, int draft);

/* --- what there is already --- */

const struct uplink *import_uplink_on(const struct import *import, const char *device);
const struct network *import_network_on(const struct import *import, const char *device);
/* The device that has the address, or (`any`) a prefix that holds it; NULL: none. */
const struct link *import_link_with(const struct import *import, const struct ip *address, bool any);
/* A prefix of the device's, of the family; false if it has none. */
bool import_link_prefix(const struct link *link, uint8_t family, struct prefix *ret_prefix);

/* The uplink that was drafted on the device; -1. */
int import_drafted_uplink(const struct import *import, const char *device);
/* A network that was drafted for the device, or (NULL) for a prefix that holds this one; -1. */
int import_drafted_network(const struct import *import, const char *device, const struct prefix *prefix);
/*
 * The network that the prefix is part of: one that is there, else a new one, of the device that has it, or of the prefix
 * alone. Its name; `ret_draft` is -1 for one that is there.
 */
const char *import_network_of(struct import *import, const struct prefix *prefix, int *ret_draft);

/* --- values --- */

/* "192.0.2.0/24", "192.0.2.0/255.255.255.0", "192.0.2.7"; host bits do not matter. False: it is none. */
bool import_prefix(const char *text, struct prefix *ret_prefix);
json_t *import_prefix_list(const struct prefix *prefixes, unsigned count);
/* "80", "http", "8000:8100", "8000-8100" as a range; false if it is none. */
bool import_port_range(const char *text, struct port_range *ret_range);
/* The weight, of which others have at most `highest`, as uplinks have it: up to 100. */
unsigned import_weight(unsigned weight, unsigned highest);
/* What is usual on this port, "web" or "ssh"; NULL. */
const char *import_service_name(uint16_t port);
/* Whether all of the inner ports are among the outer ones; no ranges are all ports. */
bool import_ports_hold(const struct port_range *outer, unsigned outer_count, const struct port_range *inner,
		       unsigned inner_count);
/* "80,443" from ranges. */
const char *import_ports_text(struct import *import, const struct port_range *ranges, unsigned count);

/* --- the formats --- */

void import_rules(struct import *import, const char *text, bool is_script);
void import_firewall(struct import *import, const char *text, const char *network_text);
void import_mwan3(struct import *import, const char *text, const char *network_text);

#endif
