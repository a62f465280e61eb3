/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_CHOICE_H
#define PORTICO_MODEL_CHOICE_H

/*
 * By which uplinks new connections from inside, and the router's own, leave now: the compiler acts on it, the API
 * shows it, stale flows are judged by it.
 */

#include "model/live.h"

struct choice {
	/* False: the main routing table's default route decides, as it would without us. */
	bool active;
	/* For what is not shared out, as the router's own; NULL: none can be used. */
	const struct uplink_live *best;
	/* Those that share new connections by their weights; 0: the best has all. */
	unsigned count;
	const struct uplink_live *shared[UPLINKS_MAX];
};

/* All uplinks as they are, by id, and the choice for each family. Points into itself: not to be copied. */
struct ways {
	unsigned count;
	struct uplink_live uplinks[UPLINKS_MAX];
	struct choice choice4, choice6;
};

void ways_resolve(const struct config *config, const struct links *links,
		  const struct environment *environment, struct ways *ret_ways);

static inline const struct choice *ways_choice(const struct ways *ways, uint8_t family)
{
	return family == AF_INET6 ? &ways->choice6 : &ways->choice4;
}

/* NULL: there is no such uplink. */
const struct uplink_live *ways_find(const struct ways *ways, uint32_t uplink_id);
const struct uplink_live *ways_find_name(const struct ways *ways, const char *name);

/* True if new connections from inside may be given to it now, beside those that a policy sends there. */
bool ways_use(const struct ways *ways, const struct uplink_live *live);

/* True if sources of the family that are not the uplink's own get one of its addresses when they leave by it. */
bool uplink_translates(const struct uplink_live *live, uint8_t family);

/* Where that goes which is from the uplink's own addresses and prefixes, if nothing has marked it. */
enum own_way {
	OWN_WAY_TABLE,  /* out by the uplink */
	OWN_WAY_CHOICE, /* the uplink has failed, and another one translates: as if it were from anywhere */
	OWN_WAY_NONE,   /* nowhere: another provider would not take it */
};
enum own_way uplink_own_way(const struct ways *ways, const struct uplink_live *live, uint8_t family);

/* The IPv6 prefixes that its provider routes to it: those given, and those learned. Returns how many. */
enum { UPLINK_PREFIXES_MAX = 16 + LINK_SOURCES_MAX };
unsigned uplink_prefixes(const struct uplink_live *live, struct prefix ret_prefixes[UPLINK_PREFIXES_MAX]);

/*
 * The uplink that connections of the family which fit the policy get: the first of its own that is up, else one that may
 * work. NULL: none, and `otherwise` decides.
 */
const struct uplink_live *policy_way(const struct ways *ways, const struct policy *policy, uint8_t family);
/* False if its lists leave no connection of the family. */
bool policy_concerns(const struct policy *policy, uint8_t family);

#endif
