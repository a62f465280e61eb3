/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	const char **names; /* sorted; a lane's number is the index */
	unsigned *start;
	unsigned *of;
};

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void lanes_done(struct lanes *lanes)
{
	free(lanes->names);
	free(lanes->start);
	free(lanes->of);
}

static int lanes_init(struct lanes *lanes, const struct object_list *forwards)
{
	unsigned total = 0, unique = 0;

	for (unsigned i = 0; i < forwards->count; i++)
		total += forward_at(forwards, i)->uplinks.count;
	*lanes = (struct lanes){
		.names = calloc(total + 1, sizeof(*lanes->names)),
		.start = calloc(forwards->count + 1, sizeof(*lanes->start)),
		.of = calloc(total + 1, sizeof(*lanes->of)),
	};
	if (!lanes->names || !lanes->start || !lanes->of) {
		lanes_done(lanes);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < forwards->count; i++) {
		const struct names *uplinks = &forward_at(forwards, i)->uplinks;

		for (unsigned u = 0; u < uplinks->count; u++)
			lanes->names[lanes->name_count++] = uplinks->items[u];
	}
	qsort(lanes->names, total, sizeof(*lanes->names), compare_texts);
	for (unsigned i = 0; i < total; i++)
		if (i == 0 || strcmp(lanes->names[i], lanes->names[unique - 1]) != 0)
			lanes->names[unique++] = lanes->names[i];
	lanes->name_count = unique;

	total = 0;
	for (unsigned i = 0; i < forwards->count; i++) {
		const struct names *uplinks = &forward_at(forwards, i)->uplinks;

		lanes->start[i] = total;
		for (unsigned u = 0; u < uplinks->count; u++) {
			const char **name = bsearch(&uplinks->items[u], lanes->names, unique,
						    sizeof(*lanes->names), compare_texts);

			lanes->of[total++] = (unsigned)(name - lanes->names);
		}
	}
	lanes->start[forwards->count] = total;
	return 0;
}

/* --- external ports: no uplink's port is claimed twice --- */

/*
 * What two forwards must share to clash: ports of a protocol on an uplink's addresses, or, of pinholes, on
 * the backend's own. A translation and a pinhole never do.
 */
struct claim {
	const struct forward *pinhole; /* NULL: a translation */
	uint8_t family, protocol;
	struct port_range range;
	unsigned index; /* of the forward */
};

/* The claim that reaches furthest on one uplink, among those of one place seen so far. */
struct reach {
	unsigned group; /* which place; another: nothing yet */
	uint16_t last;
	unsigned index;
};

/*
 * Hosts given by suffixes are the same if the suffixes are. Where prefixes make one of different ones, or
 * of a suffix and an address, nothing is wrong with the configuration, and the compiler lets the first have it.
 */
static int compare_hosts(const struct forward *a, const struct forward *b)
{
	int order = (int)a->suffix_bits - (int)b->suffix_bits;

	if (order == 0)
		order = ip_compare(&a->internal_address, &b->internal_address);
	if (order == 0 && a->internal_network && b->internal_network)
		return strcmp(a->internal_network, b->internal_network);
	return order ? order : (a->internal_network != NULL) - (b->internal_network != NULL);
}

/* By family, pinholes last, host, protocol. */
static int compare_places(const struct claim *a, const struct claim *b)
{
	int order = (int)a->family - (int)b->family;

	if (order == 0)
		order = (a->pinhole != NULL) - (b->pinhole != NULL);
	if (order == 0 && a->pinhole)
		order = compare_hosts(a->pinhole, b->pinhole);
	return order ? order : (int)a->protocol - (int)b->protocol;
}

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = compare_places(x, y);

	if (order)
		return order;
	if (x->range.first != y->range.first)
		return x->range.first < y->range.first ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static struct claim *collect_claims(const struct object_list *forwards, unsigned *ret_count)
{
	unsigned count = 0, size = 0;
	struct claim *claims;

	for (unsigned i = 0; i < forwards->count; i++)
		size += forward_at(forwards, i)->protocols.count *
			range_count(&forward_at(forwards, i)->external_ports);
	claims = calloc(size + 1, sizeof(*claims));
	if (!claims)
		return NULL;
	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = forward_at(forwards, i);

		if (!forward->enabled)
			continue;
		for (unsigned p = 0; p < forward->protocols.count; p++)
			for (unsigned r = 0; r < range_count(&forward->external_ports); r++)
				claims[count++] = (struct claim){
					.pinhole = forward->pinhole ? forward : NULL,
					.family = (uint8_t)forward->family,
					.protocol = forward->protocols.items[p],
					.range = range_at(&forward->external_ports, r),
					.index = i,
				};
	}
	qsort(claims, count, sizeof(*claims), compare_claims);
	*ret_count = count;
	return claims;
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
	checker_conflict(
		sweep->checker, blame_a ? &a : &b, claim->range.first ? "/external_ports" : "/protocols",
		"%s%s%s%s is already taken by forward \"%s\"", protocol_name(claim->protocol, protocol), port,
		claim->pinhole ? " of this host" : "", on, blame_a ? b.object->name : a.object->name);
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

static int check_claims(struct checker *checker, const struct object_list *forwards)
{
	struct lanes lanes;
	struct sweep sweep = { .checker = checker, .forwards = forwards, .lanes = &lanes };
	struct claim *claims;
	unsigned count;
	int r = -ENOMEM;

	if (lanes_init(&lanes, forwards) < 0)
		return -ENOMEM;
	claims = collect_claims(forwards, &count);
	sweep.uplinks = calloc(lanes.name_count + 1, sizeof(*sweep.uplinks));
	if (claims && sweep.uplinks) {
		for (unsigned i = 0; i < count; i++) {
			if (i == 0 || compare_places(&claims[i], &claims[i - 1]) != 0)
				sweep.group++;
			sweep_claim(&sweep, &claims[i]);
		}
		r = 0;
	}
	free(sweep.uplinks);
	free(claims);
	lanes_done(&lanes);
	return r;
}

/* --- backends: one port of a backend sees one kind of source --- */

struct target {
	const struct forward *forward;
	uint8_t protocol;
	struct port_range range;
	unsigned index;
};

static int compare_backends(const struct target *a, const struct target *b)
{
	int order = compare_hosts(a->forward, b->forward);

	return order ? order : (int)a->protocol - (int)b->protocol;
}

static int compare_targets(const void *a, const void *b)
{
	const struct target *x = a, *y = b;
	int order = compare_backends(x, y);

	if (order)
		return order;
	if (x->range.first != y->range.first)
		return x->range.first < y->range.first ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static struct target *collect_targets(const struct object_list *forwards, unsigned *ret_count)
{
	unsigned count = 0, size = 0;
	struct target *targets;

	for (unsigned i = 0; i < forwards->count; i++)
		size += forward_at(forwards, i)->protocols.count *
			range_count(forward_internal_ports(forward_at(forwards, i)));
	targets = calloc(size + 1, sizeof(*targets));
	if (!targets)
		return NULL;
	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = forward_at(forwards, i);

		if (!forward->enabled)
			continue;
		for (unsigned p = 0; p < forward->protocols.count; p++)
			for (unsigned r = 0; r < range_count(forward_internal_ports(forward)); r++)
				targets[count++] = (struct target){
					.forward = forward,
					.protocol = forward->protocols.items[p],
					.range = range_at(forward_internal_ports(forward), r),
					.index = i,
				};
	}
	qsort(targets, count, sizeof(*targets), compare_targets);
	*ret_count = count;
	return targets;
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

static int check_backends(struct checker *checker, const struct object_list *forwards)
{
	struct reach reaches[2] = { 0 }; /* by backend_sees */
	struct target *targets;
	unsigned count, group = 0, told_a = 0, told_b = 0;

	targets = collect_targets(forwards, &count);
	if (!targets)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		const struct target *target = &targets[i];
		enum backend_sees sees = forward_at(forwards, target->index)->backend_sees;
		struct reach *own = &reaches[sees], *other = &reaches[!sees];

		if (i == 0 || compare_backends(target, target - 1) != 0)
			group++;
		if (other->group == group && other->last >= target->range.first &&
		    !(told_a == target->index + 1 && told_b == other->index + 1)) {
			told_a = target->index + 1;
			told_b = other->index + 1;
			report_backend(checker, forwards, target->index, other->index);
		}
		if (own->group != group || own->last < target->range.last)
			*own = (struct reach){ group, target->range.last, target->index };
	}
	free(targets);
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
	int r;

	check_total(checker, forwards);
	r = check_claims(checker, forwards);
	if (r == 0)
		r = check_backends(checker, forwards);
	return r;
}
