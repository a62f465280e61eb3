/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/distinct.h"
#include "base/sort.h"
#include "model/config_check.h"
#include "model/schema.h"

static const struct forward *forward_at(const struct object_list *list, unsigned index)
{
	return (const struct forward *)list->items[index];
}

/* Entries of a port list; one where the protocol has no ports. */
static unsigned range_count(const struct ports *ports)
{
	return ports->count ? ports->count : 1;
}

static struct port_range range_at(const struct ports *ports, unsigned index)
{
	return ports->count ? ports->items[index] : (struct port_range){ 0, 0 };
}

/* --- the names of uplinks, as numbers --- */

/*
 * Forwards may name uplinks that are not there (yet), and still clash on them:
 * so every name that is used gets a number. `of` holds the numbers of the
 * forward at index i from start[i] to start[i + 1].
 */
struct lanes {
	unsigned name_count;
	const char **names; /* a lane's number is the index */
	unsigned *start;
	unsigned *of;
};

static void lanes_done(struct lanes *lanes)
{
	free(lanes->names);
	free(lanes->start);
	free(lanes->of);
}

static bool same_texts(const void *arg, uint32_t a, uint32_t b)
{
	const char *const *texts = arg;

	return strcmp(texts[a], texts[b]) == 0;
}

/* Gives each of the `total` names in `all` its number. */
static int number_names(struct lanes *lanes, const char *const *all, unsigned total)
{
	struct distinct distinct;

	if (distinct_init(&distinct, total, same_texts, all) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < total; i++) {
		unsigned first = distinct_add(&distinct, hash_text(HASH_START, all[i]), i);

		if (first == i)
			lanes->names[lanes->name_count] = all[i];
		lanes->of[i] = first == i ? lanes->name_count++ : lanes->of[first];
	}
	distinct_done(&distinct);
	return 0;
}

static int lanes_init(struct lanes *lanes, const struct object_list *forwards)
{
	const char **all;
	unsigned total = 0;
	int r = -ENOMEM;

	for (unsigned i = 0; i < forwards->count; i++)
		total += forward_at(forwards, i)->uplinks.count;
	all = calloc(total + 1, sizeof(*all));
	*lanes = (struct lanes){
		.names = calloc(total + 1, sizeof(*lanes->names)),
		.start = calloc(forwards->count + 1, sizeof(*lanes->start)),
		.of = calloc(total + 1, sizeof(*lanes->of)),
	};
	if (all && lanes->names && lanes->start && lanes->of) {
		total = 0;
		for (unsigned i = 0; i < forwards->count; i++) {
			const struct names *uplinks = &forward_at(forwards, i)->uplinks;

			lanes->start[i] = total;
			for (unsigned u = 0; u < uplinks->count; u++)
				all[total++] = uplinks->items[u];
		}
		lanes->start[forwards->count] = total;
		r = number_names(lanes, all, total);
	}
	free(all);
	if (r < 0)
		lanes_done(lanes);
	return r;
}

/* --- hosts, as numbers --- */

/*
 * Hosts given by suffixes are the same if the suffixes are. Where prefixes make one of different ones, or
 * of a suffix and an address, nothing is wrong with the configuration, and the compiler lets the one
 * with the lower id have a port that both claim.
 */
static bool same_host(const void *arg, uint32_t a, uint32_t b)
{
	const struct forward *x = forward_at(arg, a), *y = forward_at(arg, b);

	if (x->suffix_bits != y->suffix_bits || ip_compare(&x->internal_address, &y->internal_address) != 0)
		return false;
	if (!x->internal_network || !y->internal_network)
		return x->internal_network == y->internal_network;
	return strcmp(x->internal_network, y->internal_network) == 0;
}

static uint32_t hash_host(const struct forward *forward)
{
	uint32_t hash = hash_bytes(HASH_START, forward->internal_address.bytes,
				   ip_size(forward->internal_address.family));

	return forward->internal_network ? hash_text(hash, forward->internal_network) : hash;
}

/* For each forward the index of the first that leads to the same host; free(). NULL when out of memory. */
static unsigned *number_hosts(const struct object_list *forwards)
{
	unsigned *hosts = calloc(forwards->count + 1, sizeof(*hosts));
	struct distinct distinct;

	if (!hosts || distinct_init(&distinct, forwards->count, same_host, forwards) < 0) {
		free(hosts);
		return NULL;
	}
	for (unsigned i = 0; i < forwards->count; i++)
		hosts[i] = distinct_add(&distinct, hash_host(forward_at(forwards, i)), i);
	distinct_done(&distinct);
	return hosts;
}

/* --- ranges of ports, in order --- */

/* Of one forward, at a place: what two of them must have in common to be in each other's way. */
struct claim {
	uint64_t place;
	struct port_range range;
	unsigned index; /* of the forward */
};

struct claims {
	unsigned count;
	struct claim *items;
	struct sort_key *order; /* by place, then first port, then index */
};

/* A place is a number of at most 48 bits, which leave room for the port; the last eight are the protocol. */
typedef uint64_t place_fn(const void *arg, unsigned index, uint8_t protocol);
static uint8_t place_protocol(uint64_t place)
{
	return place & 0xff;
}

typedef const struct ports *ports_fn(const struct forward *forward);

static const struct ports *external_ports(const struct forward *forward)
{
	return &forward->external_ports;
}

static void claims_done(struct claims *claims)
{
	free(claims->items);
	free(claims->order);
}

static const struct claim *claim_at(const struct claims *claims, unsigned index)
{
	return &claims->items[claims->order[index].index];
}

static void add_claims(struct claims *claims, const struct object_list *forwards, unsigned index,
		       ports_fn *ports_of, place_fn *place_of, const void *arg)
{
	const struct forward *forward = forward_at(forwards, index);
	const struct ports *ports = ports_of(forward);

	for (unsigned p = 0; p < forward->protocols.count; p++) {
		uint64_t place = place_of(arg, index, forward->protocols.items[p]);

		for (unsigned r = 0; r < range_count(ports); r++) {
			struct port_range range = range_at(ports, r);

			claims->items[claims->count] = (struct claim){ place, range, index };
			claims->order[claims->count] = (struct sort_key){ place << 16 | range.first,
									  claims->count };
			claims->count++;
		}
	}
}

/* Those of all forwards that are enabled. */
static int claims_init(struct claims *claims, const struct object_list *forwards, ports_fn *ports_of,
		       place_fn *place_of, const void *arg)
{
	unsigned size = 0;

	for (unsigned i = 0; i < forwards->count; i++)
		size += forward_at(forwards, i)->protocols.count *
			range_count(ports_of(forward_at(forwards, i)));
	*claims = (struct claims){
		.items = malloc((size + 1) * sizeof(*claims->items)),
		.order = malloc((size + 1) * sizeof(*claims->order)),
	};
	if (claims->items && claims->order) {
		for (unsigned i = 0; i < forwards->count; i++)
			if (forward_at(forwards, i)->enabled)
				add_claims(claims, forwards, i, ports_of, place_of, arg);
		if (sort_keys(claims->order, claims->count) == 0)
			return 0;
	}
	claims_done(claims);
	return -ENOMEM;
}

/* The claim that reaches furthest on one uplink, among those of one place seen so far. */
struct reach {
	unsigned group; /* which place; another: nothing yet */
	uint16_t last;
	unsigned index;
};

/* --- external ports: no uplink's port is claimed twice --- */

struct outside {
	const struct object_list *forwards;
	const unsigned *hosts; /* NULL: there are no pinholes */
};

/* A protocol on an uplink's addresses, or, of pinholes, on the backend's own. A translation and a pinhole never clash. */
static uint64_t outside_place(const void *arg, unsigned index, uint8_t protocol)
{
	const struct outside *outside = arg;
	const struct forward *forward = forward_at(outside->forwards, index);
	uint64_t host = forward->pinhole ? outside->hosts[index] + 1 : 0;

	return (host << 1 | (forward->family == FAMILY_IPV6)) << 8 | protocol;
}

struct sweep {
	struct checker *checker;
	const struct object_list *forwards;
	const struct lanes *lanes;
	unsigned group;
	struct reach all;        /* claims of forwards for all uplinks */
	struct reach any;        /* claims of the others, whatever the uplink */
	struct reach *uplinks;   /* the same for each uplink */
	unsigned told_a, told_b; /* the pair that was reported last */
};

static bool overlaps(const struct sweep *sweep, const struct reach *reach, const struct claim *claim)
{
	return reach->group == sweep->group && reach->last >= claim->range.first;
}

static void extend(const struct sweep *sweep, struct reach *reach, const struct claim *claim)
{
	if (reach->group != sweep->group || reach->last < claim->range.last)
		*reach = (struct reach){ sweep->group, claim->range.last, claim->index };
}

/* `lane`: the uplink on which they meet, -1: any. */
static void report_clash(struct sweep *sweep, const struct claim *claim, const struct reach *reach, int lane)
{
	struct culprit a = { sweep->forwards->items[claim->index], claim->index };
	struct culprit b = { sweep->forwards->items[reach->index], reach->index };
	bool blame_a = checker_blames_first(sweep->checker, &a, &b);
	char protocol[8], port[16] = "", on[NAME_MAX_BYTES + 8] = "";

	/* Two forwards with the same hundred ports are one mistake. */
	if (a.index == b.index || (sweep->told_a == a.index + 1 && sweep->told_b == b.index + 1))
		return;
	sweep->told_a = a.index + 1;
	sweep->told_b = b.index + 1;
	if (claim->range.first)
		snprintf(port, sizeof(port), " port %u", claim->range.first);
	if (lane >= 0)
		snprintf(on, sizeof(on), " on %s", sweep->lanes->names[lane]);
	checker_conflict(sweep->checker, blame_a ? &a : &b,
			 claim->range.first ? "/external_ports" : "/protocols",
			 "%s%s%s%s is already taken by forward \"%s\"",
			 protocol_name(place_protocol(claim->place), protocol), port,
			 forward_at(sweep->forwards, claim->index)->pinhole ? " of this host" : "", on,
			 blame_a ? b.object->name : a.object->name);
}

/* On which uplink a forward for all meets the one that is in its way: the other's first. */
static int lane_of(const struct sweep *sweep, unsigned index)
{
	const struct lanes *lanes = sweep->lanes;

	return lanes->start[index] < lanes->start[index + 1] ? (int)lanes->of[lanes->start[index]] : -1;
}

/*
 * Claims come by their first port. One overlaps an earlier one exactly if that
 * reaches to its first port, so that per uplink only the furthest reach counts.
 */
static void sweep_claim(struct sweep *sweep, const struct claim *claim)
{
	const struct lanes *lanes = sweep->lanes;
	unsigned begin = lanes->start[claim->index], end = lanes->start[claim->index + 1];

	if (begin == end) {
		if (overlaps(sweep, &sweep->all, claim))
			report_clash(sweep, claim, &sweep->all, -1);
		else if (overlaps(sweep, &sweep->any, claim))
			report_clash(sweep, claim, &sweep->any, lane_of(sweep, sweep->any.index));
		extend(sweep, &sweep->all, claim);
		return;
	}
	if (overlaps(sweep, &sweep->all, claim))
		report_clash(sweep, claim, &sweep->all, (int)lanes->of[begin]);
	for (unsigned i = begin; i < end; i++) {
		struct reach *reach = &sweep->uplinks[lanes->of[i]];

		if (overlaps(sweep, reach, claim))
			report_clash(sweep, claim, reach, (int)lanes->of[i]);
		extend(sweep, reach, claim);
	}
	extend(sweep, &sweep->any, claim);
}

static void sweep_all(struct sweep *sweep, const struct claims *claims)
{
	for (unsigned i = 0; i < claims->count; i++) {
		if (i == 0 || claim_at(claims, i)->place != claim_at(claims, i - 1)->place)
			sweep->group++;
		sweep_claim(sweep, claim_at(claims, i));
	}
}

static int check_claims(struct checker *checker, const struct object_list *forwards, const unsigned *hosts)
{
	const struct outside outside = { forwards, hosts };
	struct lanes lanes;
	struct sweep sweep = { .checker = checker, .forwards = forwards, .lanes = &lanes };
	struct claims claims;
	int r = lanes_init(&lanes, forwards);

	if (r < 0)
		return r;
	r = claims_init(&claims, forwards, external_ports, outside_place, &outside);
	if (r == 0) {
		sweep.uplinks = calloc(lanes.name_count + 1, sizeof(*sweep.uplinks));
		r = sweep.uplinks ? 0 : -ENOMEM;
		if (r == 0)
			sweep_all(&sweep, &claims);
		free(sweep.uplinks);
		claims_done(&claims);
	}
	lanes_done(&lanes);
	return r;
}

/* --- backends: one port of a backend sees one kind of source --- */

static uint64_t backend_place(const void *arg, unsigned index, uint8_t protocol)
{
	const unsigned *hosts = arg;

	return (uint64_t)hosts[index] << 8 | protocol;
}

static void report_backend(struct checker *checker, const struct object_list *forwards, unsigned a_index,
			   unsigned b_index)
{
	struct culprit a = { forwards->items[a_index], a_index }, b = { forwards->items[b_index], b_index };
	bool blame_a = checker_blames_first(checker, &a, &b);
	const struct forward *blamed = (const struct forward *)(blame_a ? a.object : b.object);
	const struct forward *other = (const struct forward *)(blame_a ? b.object : a.object);

	if (blamed->pinhole) {
		checker_conflict(
			checker, blame_a ? &a : &b, "/pinhole",
			"must be false: forward \"%s\", which leads to the same backend and port, has it "
			"see the router",
			other->object.name);
		return;
	}
	checker_conflict(checker, blame_a ? &a : &b, "/backend_sees",
			 "must be \"%s\", as for forward \"%s\", which leads to the same backend and port",
			 other->backend_sees == BACKEND_SEES_CLIENT ? "client" : "router",
			 other->object.name);
}

static int check_backends(struct checker *checker, const struct object_list *forwards, const unsigned *hosts)
{
	struct reach reaches[2] = { 0 }; /* by backend_sees */
	unsigned group = 0, told_a = 0, told_b = 0;
	struct claims claims;

	if (claims_init(&claims, forwards, forward_internal_ports, backend_place, hosts) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < claims.count; i++) {
		const struct claim *claim = claim_at(&claims, i);
		enum backend_sees sees = forward_at(forwards, claim->index)->backend_sees;
		struct reach *own = &reaches[sees], *other = &reaches[!sees];

		if (i == 0 || claim->place != claim_at(&claims, i - 1)->place)
			group++;
		if (other->group == group && other->last >= claim->range.first &&
		    !(told_a == claim->index + 1 && told_b == other->index + 1)) {
			told_a = claim->index + 1;
			told_b = other->index + 1;
			report_backend(checker, forwards, claim->index, other->index);
		}
		if (own->group != group || own->last < claim->range.last)
			*own = (struct reach){ group, claim->range.last, claim->index };
	}
	claims_done(&claims);
	return 0;
}

/* --- the sum --- */

/* A range that keeps its ports is one element, whatever its length; ports that lead to others are one each. */
static unsigned element_count(const struct forward *forward)
{
	unsigned lists = forward->uplinks.count ? forward->uplinks.count : 1, count = 0;
	struct piece_walk walk = { 0 };
	struct port_piece piece;

	while (forward_next_piece(forward, &walk, &piece))
		count += piece.external == piece.internal ? 1 : piece.count;
	return (count ? count : 1) * lists * forward->protocols.count;
}

static void check_total(struct checker *checker, const struct object_list *forwards)
{
	const struct object *focus = checker->focus;
	unsigned total = 0;

	for (unsigned i = 0; i < forwards->count; i++) {
		total += element_count(forward_at(forwards, i));
		if (total > TOTAL_ELEMENTS_MAX) {
			struct culprit last = { forwards->items[i], i };

			if (focus && focus->kind == KIND_FORWARD)
				last.object = focus;
			checker_invalid(
				checker, &last, "/external_ports",
				"all forwards together must have at most %d ports and ranges (times protocols and "
				"uplinks; of a range that leads to other ports each port counts)",
				TOTAL_ELEMENTS_MAX);
			return;
		}
	}
}

int check_forwards(struct checker *checker)
{
	const struct object_list *forwards = &checker->config->lists[KIND_FORWARD];
	bool pinholes = false, seen[2] = { 0 };
	unsigned *hosts = NULL;
	int r;

	for (unsigned i = 0; i < forwards->count; i++) {
		pinholes |= forward_at(forwards, i)->pinhole;
		seen[forward_at(forwards, i)->backend_sees] = true;
	}
	/* With one way for all, no two can differ. */
	bool mixed = seen[BACKEND_SEES_CLIENT] && seen[BACKEND_SEES_ROUTER];

	if (pinholes || mixed) {
		hosts = number_hosts(forwards);
		if (!hosts)
			return -ENOMEM;
	}
	check_total(checker, forwards);
	r = check_claims(checker, forwards, hosts);
	if (r == 0 && mixed)
		r = check_backends(checker, forwards, hosts);
	free(hosts);
	return r;
}
