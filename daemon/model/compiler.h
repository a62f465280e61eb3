/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_COMPILER_H
#define PORTICO_MODEL_COMPILER_H

/* What the parts of the compiler share. Nobody else includes this. */

#include "model/choice.h"
#include "model/compile.h"
#include "model/kstmt.h"

enum { PRIORITY_MANGLE = -150, PRIORITY_DSTNAT = -100, PRIORITY_FILTER = 0, PRIORITY_SRCNAT = 100 };
enum { PRIORITY_OFFSET = -5 }; /* equal to nobody's: the order between equals is undefined */

/* What differs between the two families. */
struct family_words {
	uint8_t af;
	char suffix;
	enum ktype address;
	enum kfield saddr, daddr;
};

enum { FAMILY_COUNT = 2 };
extern const struct family_words compiler_families[FAMILY_COUNT];

/*
 * The sets and maps that forwards stand in: of each kind one for all uplinks (scope 0), and one for each
 * uplink that has forwards of its own (scope: its id).
 */
enum place {
	PLACE_FORWARDS, /* single ports, and those that lead to others */
	PLACE_PORTLESS,
	PLACE_GUARDS,
	PLACE_PORTLESS_GUARDS,
	PLACE_SOURCE_REWRITE,
	PLACE_PORTLESS_REWRITE,
	PLACE_REWRITE_HOSTS,
	PLACE_PINHOLES,
	PLACE_PORTLESS_PINHOLES,
	PLACE_PINHOLE_GUARDS,
	PLACE_PORTLESS_PINHOLE_GUARDS,
	PLACE_PINHOLE_HOSTS,
	/* Ranges of ports have one for each protocol with ports, in the order of compiler_protocols. */
	PLACE_RANGES,
	PLACE_GUARD_RANGES = PLACE_RANGES + 5,
	PLACE_COUNT = PLACE_GUARD_RANGES + 5,
};

enum { PROTOCOLS_WITH_PORTS = PLACE_GUARD_RANGES - PLACE_RANGES };
extern const uint8_t compiler_protocols[PROTOCOLS_WITH_PORTS];

/* The kernel goes through rules one by one, for each packet: these are for two to four uplinks, not for dozens. */
enum { NEIGHBOUR_RULES_MAX = 12 };

/* A network that an uplink's device is on, whose other hosts are in the internet. */
struct neighbourhood {
	const struct uplink_live *live;
	struct prefix prefix;
};

struct compiler {
	const struct config *config;
	const struct links *links;
	const struct environment *environment;
	struct kstate *state; /* a failure sticks in it: nothing here needs to be checked on the way */
	struct ways ways;
	unsigned neighbourhood_count[FAMILY_COUNT];
	struct neighbourhood neighbourhoods[FAMILY_COUNT][NEIGHBOUR_RULES_MAX];
	bool chooses;               /* the chain choose is there */
	bool nowhere[FAMILY_COUNT]; /* packets of the family may have MARK_NOWHERE */
	unsigned places[FAMILY_COUNT][PLACE_COUNT][UPLINKS_MAX + 1]; /* 1 + the set's index; 0: not there */
};

#define RULE(c, chain, comment, ...)                                        \
	kchain_add_rule((c)->state, chain, (struct kstmt[]){ __VA_ARGS__ }, \
			sizeof((struct kstmt[]){ __VA_ARGS__ }) / sizeof(struct kstmt), comment)

/* --- the parts, in the order in which they run --- */

/* Finds `neighbourhoods`, which the two below need. */
void compile_neighbours(struct compiler *c);
/* What begins inside and goes there is given no uplink. */
void compile_spared_neighbours(struct compiler *c, unsigned family, struct kchain *chain);
/* Who of them came by another uplink is answered by that. */
void compile_neighbour_rules(struct compiler *c, unsigned family, uint32_t first_preference);
void compile_nat(struct compiler *c);
/* Translations: their maps, guards and the chains translate<F>_<uplink>. `lan`: the networks' set is there. */
void compile_forwards(struct compiler *c, const struct family_words *family, bool lan);
/* Pinholes: their maps and chains, and the rule that leads there. */
void compile_pinholes(struct compiler *c, const struct family_words *family, struct kchain *prerouting);
/* What connections leave with, by uplink: the map uplink_leave and its chains. */
void compile_leave(struct compiler *c);
/* Which uplink a new connection from inside gets: the chain choose, if there is anything to choose. */
void compile_choice(struct compiler *c);
void compile_routing(struct compiler *c);
void compile_sysctls(struct compiler *c);

/* --- helpers --- */

/* A base chain, 5 before the usual priority. */
struct kchain *compiler_base_chain(struct compiler *c, const char *name, enum kchain_type type,
				   enum khook hook, int priority);

/* The rules of a chain that was built apart, so that adding other chains did not move it. `chain` NULL: out of memory. */
void compiler_move_rules(struct kchain *chain, struct kchain *built);

/* "forwards4", or "forwards4_2" for id 2. */
void compiler_name(char name[KNAME_MAX], const char *stem, const struct family_words *family, uint32_t id);
/* An element's key of KTYPE_IFNAME. */
void compiler_device_key(uint8_t ret_key[16], const char *device);
/* "_" and the word behind it. */
void compiler_name_add(char name[KNAME_MAX], const char *word);

/* Pointers to sets are good until the next set is added. */
struct kset *compiler_find_set(const struct compiler *c, const char *name);
struct kset *compiler_add_set(struct compiler *c, const char *name, enum ktype key, bool interval);
struct kset *compiler_add_map(struct compiler *c, const char *name, enum ktype key, enum ktype data);
/* `key_end` in interval maps only, else NULL. */
void compiler_add_jump(struct compiler *c, struct kset *map, const void *key, const void *key_end,
		       const char *chain, const char *comment);

/* --- places: compiler_places.c --- */

/* The place's set, added if it is not there. */
struct kset *compiler_place(struct compiler *c, enum place place, const struct family_words *family,
			    uint32_t scope);
bool compiler_has_place(const struct compiler *c, enum place place, const struct family_words *family,
			uint32_t scope);
/* PLACE_RANGES or PLACE_GUARD_RANGES of a protocol with ports. */
enum place compiler_place_of(enum place first, uint8_t protocol);
/* The statements that look into the place's set; returns how many, 0 if it is not there. */
enum { LOOKUP_STMTS_MAX = 2 };
unsigned compiler_lookup(const struct compiler *c, enum place place, const struct family_words *family,
			 uint32_t scope, enum kstmt_type type, struct kstmt ret_stmts[LOOKUP_STMTS_MAX]);
/* A key of the place: of address (NULL: none), protocol and port what it has. */
void compiler_place_key(enum place place, const struct ip *address, uint8_t protocol, unsigned port,
			uint8_t ret_key[KKEY_MAX]);
void compiler_put_port(uint8_t *bytes, unsigned port);
/* "th dport" and such in rules that are for one protocol: asks for it, and looks the port up. */
unsigned compiler_port_lookup(uint8_t protocol, const char *set, enum kstmt_type type,
			      struct kstmt ret_stmts[LOOKUP_STMTS_MAX]);

/* --- hosts: compile_hosts.c --- */

/* Ports of a host that forwards claim; first and last are 0 for protocols without ports. */
struct host_claim {
	uint32_t scope;
	struct ip address;
	uint8_t protocol;
	uint16_t first, last;
	const struct forward *forward;
};

struct host_claims {
	unsigned count, size;
	struct host_claim *items;
};

void host_claims_add(struct compiler *c, struct host_claims *claims, const struct host_claim *claim);
/*
 * Sorts by scope, address and protocol, and cuts off what a forward with a lower id has already: the kernel
 * refuses overlapping intervals, and two host suffixes may come to one address.
 */
void host_claims_settle(struct compiler *c, struct host_claims *claims);
void host_claims_done(struct host_claims *claims);

/* What is to be done with those that came for a claimed port. */
struct host_use {
	enum place singles, portless,
		hosts; /* where they stand; ranges have sets of their own, below `hosts` */
	enum place guards, portless_guards; /* PLACE_COUNT: forwards are not guarded here */
	const char *stem, *guards_stem;     /* of the names of those sets and chains */
	bool counter;
	unsigned stmt_count; /* of the rule behind a lookup */
	struct kstmt stmts[2];
	const char *comment;
};

/* The sets and chains of settled claims. */
void compile_hosts(struct compiler *c, const struct family_words *family, const struct host_claims *claims,
		   const struct host_use *use);
/* The rules that look into them. */
void compile_host_rules(struct compiler *c, struct kchain *chain, const struct family_words *family,
			uint32_t scope, const struct host_use *use);

/* --- what a forward is like: compile_forwards.c --- */

/* In force, and of this family. */
bool forward_is_compiled(const struct compiler *c, const struct forward *forward,
			 const struct family_words *family);
/* The scopes that it is in: 0, or the ids of those of its uplinks that are there. */
enum { SCOPES_MAX = UPLINKS_MAX };
unsigned forward_scopes(const struct compiler *c, const struct forward *forward,
			uint32_t ret_scopes[SCOPES_MAX]);
/* It has a chain guard_<id>, which the first packet of a connection passes before it is let in. */
bool forward_is_guarded(const struct forward *forward);
void forward_guard_name(char name[KNAME_MAX], const struct forward *forward);
/*
 * The chain: accepts, as it is, what the forward does not serve. The rest is written to the log, if so set,
 * and returns to be let in. `lan`: the set of that name is there.
 */
void compile_guard(struct compiler *c, const struct forward *forward, const struct family_words *family,
		   bool lan);

/* --- sets of prefixes: compiler.c --- */

struct prefix_list {
	unsigned count, size;
	struct prefix *items;
};

void compiler_add_prefix(struct compiler *c, struct prefix_list *list, const struct prefix *prefix);
/* Those of all networks: their devices' and the given ones. */
void compiler_collect_networks(struct compiler *c, struct prefix_list *list);
/* Frees the list, sorts it before, and makes an interval set of what is of the family; false if that is nothing. */
bool compiler_take_list(struct compiler *c, const char *name, const struct family_words *family,
			struct prefix_list *list);

/*
 * Interval sets of those prefixes that are of the family. False, and no set is made, when there are none.
 */
bool compiler_add_list(struct compiler *c, const char *name, const struct family_words *family,
		       const struct prefixes *list);
bool compiler_add_network(struct compiler *c, const char *name, const struct family_words *family,
			  const struct network *network);

/* The prefixes of all networks of a class, under "<stem>4" or "<stem>6". */
enum network_class { NETWORKS_ALL, NETWORKS_NO_HAIRPIN, NETWORKS_ROUTER, NETWORKS_EXTERNAL };
bool compiler_add_networks(struct compiler *c, const char *stem, const struct family_words *family,
			   enum network_class class);
/*
 * The prefixes of the networks' devices: those that no packet from outside can have as its source. Not the
 * given ones, whose packets may come out of a tunnel on an uplink, and none that an uplink's device shares.
 */
bool compiler_add_inside(struct compiler *c, const char *name, const struct family_words *family);

/* IPv4 always, IPv6 once a forward in force uses it. */
bool compiler_wants_family(const struct compiler *c, const struct family_words *family);

#endif
