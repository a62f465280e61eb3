/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_COMPILER_H
#define PORTICO_MODEL_COMPILER_H

/* What the parts of the compiler share. Nobody else includes this. */

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

struct compiler {
	const struct config *config;
	const struct links *links;
	const struct environment *environment;
	struct kstate *state; /* a failure sticks in it: nothing here needs to be checked on the way */
	unsigned uplink_count;
	struct uplink_live uplinks[UPLINKS_MAX];
};

#define RULE(c, chain, comment, ...)                                        \
	kchain_add_rule((c)->state, chain, (struct kstmt[]){ __VA_ARGS__ }, \
			sizeof((struct kstmt[]){ __VA_ARGS__ }) / sizeof(struct kstmt), comment)

/* --- the parts, in the order in which they run --- */

void compile_nat(struct compiler *c);
void compile_routing(struct compiler *c);
void compile_sysctls(struct compiler *c);

/* --- helpers --- */

/* A base chain, 5 before the usual priority. */
struct kchain *compiler_base_chain(struct compiler *c, const char *name, enum kchain_type type,
				   enum khook hook, int priority);

/* "forwards4", or "forwards4_2" for id 2. */
void compiler_name(char name[KNAME_MAX], const char *stem, const struct family_words *family, uint32_t id);

/* Pointers to sets are good until the next set is added. */
struct kset *compiler_find_set(const struct compiler *c, const char *name);
struct kset *compiler_add_set(struct compiler *c, const char *name, enum ktype key, bool interval);
struct kset *compiler_add_map(struct compiler *c, const char *name, enum ktype key, enum ktype data);
void compiler_add_jump(struct compiler *c, struct kset *map, const void *key, const char *chain,
		       const char *comment);

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
