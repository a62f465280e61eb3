/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections of each forward. The kernel counts them in the elements of its maps, and what an element counted goes
 * with it. So a forward's count is a base, which we keep in memory, and what its present elements hold: before we
 * delete an element of a forward that stays, what it counted is read and added to the base. Of elements that somebody
 * else removed, what was known last is added.
 *
 * All elements are read now and then, some at a time; those of one forward when somebody asks for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/private.h"

enum {
	COUNTERS_FRESH_MS = 1000,
	COUNTERS_EVERY_MS = 15000, /* so that "last" is never further off than this */
	PIECE = 256,               /* elements read at a time; then the loop turns */
	PIECE_PAUSE_MS = 1,
	READ_COST = 8, /* of reading anything at all, in elements */
	LOST_MAX =
		1024, /* elements that are read before they go; what more of them had counted is known roughly */
};

struct counter {
	uint32_t forward : 31; /* id; the list is sorted by it */
	uint32_t read : 1;     /* `live` has been read since the start */
	uint32_t read_at_ms;   /* the low bits of loop_now_ms() */
	uint64_t base;         /* of elements that are gone */
	uint64_t live;         /* of those that are there */
	int64_t last;          /* seconds since the epoch, when growth was last seen; 0: never */
};

static uint32_t now_ms(void)
{
	return (uint32_t)loop_now_ms();
}

static bool is_known(const struct counter *counter)
{
	return counter->read && now_ms() - counter->read_at_ms < COUNTERS_FRESH_MS;
}

static struct counter *find(const struct counters *counters, uint32_t forward)
{
	unsigned low = 0, high = counters->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (counters->items[middle].forward < forward)
			low = middle + 1;
		else
			high = middle;
	}
	return low < counters->count && counters->items[low].forward == forward ? &counters->items[low] :
										  NULL;
}

/* What its elements hold now. Less than before: some of them have been made anew. */
static void take(struct counter *counter, uint64_t live)
{
	if (live < counter->live)
		counter->base += counter->live - live;
	else if (live > counter->live && counter->read)
		counter->last = engine_now();
	counter->live = live;
	counter->read = true;
	counter->read_at_ms = now_ms();
}

/* --- some elements at a time --- */

struct piece {
	const struct kset *set;
	const struct kelem *elems[PIECE];
	unsigned count;
};

static int read_piece(struct engine *engine, struct piece *piece, counter_fn *fn, void *arg)
{
	unsigned count = piece->count;

	piece->count = 0;
	return count ? engine->kernel->ops->read_counters(engine->kernel, piece->set, piece->elems, count, fn,
							  arg) :
		       0;
}

/* Adds an element; reads when it is full, or about to be of another set. */
static int add_to_piece(struct engine *engine, struct piece *piece, const struct kset *set,
			const struct kelem *elem, counter_fn *fn, void *arg)
{
	int r = piece->count == PIECE || piece->set != set ? read_piece(engine, piece, fn, arg) : 0;

	piece->set = set;
	piece->elems[piece->count++] = elem;
	return r;
}

/* --- one forward --- */

static void add_packets(void *arg, const void *key, uint64_t packets)
{
	uint64_t *sum = arg;

	(void)key;
	*sum += packets; /* the first packet of each connection passes the map */
}

static void read_forward(struct engine *engine, struct counter *counter)
{
	struct piece piece = { 0 };
	uint64_t sum = 0;
	int r = 0;

	for (unsigned i = 0; engine->desired && i < engine->desired->set_count; i++) {
		const struct kset *set = &engine->desired->sets[i];

		for (unsigned j = 0; !r && set->counter && j < set->count; j++)
			if (set->elems[j].owner == counter->forward)
				r = add_to_piece(engine, &piece, set, &set->elems[j], add_packets, &sum);
	}
	if (!r)
		r = read_piece(engine, &piece, add_packets, &sum);
	if (!r) /* else they are about to be mended */
		take(counter, sum);
}

/* --- all of them --- */

/* One reading of all, which ends when all elements have been told or the desired state is another. */
struct counter_round {
	uint32_t began_ms;
	unsigned set, elem; /* the next to be read */
	const struct kset *reading;
	const struct counters *counters;
	uint64_t sums[]; /* in step with the counters */
};

static void add_to_round(void *arg, const void *key, uint64_t packets)
{
	struct counter_round *round = arg;
	const struct kelem *elem = kset_find(round->reading, key);
	const struct counter *counter = elem ? find(round->counters, elem->owner) : NULL;

	if (counter)
		round->sums[counter - round->counters->items] += packets;
}

static int begin_round(struct engine *engine)
{
	struct counters *counters = &engine->counters;

	free(counters->round);
	counters->round = calloc(1, sizeof(*counters->round) + counters->count * sizeof(uint64_t));
	if (!counters->round)
		return -ENOMEM;
	counters->round->began_ms = now_ms();
	counters->round->counters = counters;
	return 0;
}

static void end_round(struct engine *engine, bool complete)
{
	struct counters *counters = &engine->counters;
	struct counter_round *round = counters->round;

	for (unsigned i = 0; complete && i < counters->count; i++) {
		struct counter *counter = &counters->items[i];

		/* One that was read alone meanwhile is known better. */
		if (!counter->read || (int32_t)(counter->read_at_ms - round->began_ms) <= 0)
			take(counter, round->sums[i]);
	}
	free(round);
	counters->round = NULL;
	timer_start(counters->timer, COUNTERS_EVERY_MS);
	if (complete)
		events_counted(engine);
}

/* Reads the next piece. 1 while there is more, 0 at the end, negative errno. */
static int go_on(struct engine *engine)
{
	struct counter_round *round = engine->counters.round;
	int budget = PIECE;

	for (; engine->desired && round->set < engine->desired->set_count; round->set++, round->elem = 0) {
		struct piece piece = { .set = round->reading = &engine->desired->sets[round->set] };
		int r;

		if (!piece.set->counter || !piece.set->count)
			continue;
		if (budget <= 0)
			return 1;
		while (round->elem < piece.set->count && (int)piece.count < budget)
			piece.elems[piece.count++] = &piece.set->elems[round->elem++];
		budget -= (int)piece.count + READ_COST;
		r = read_piece(engine, &piece, add_to_round, round);
		if (r < 0)
			return r;
		if (round->elem < piece.set->count)
			return 1;
	}
	return 0;
}

static void on_counting(void *arg)
{
	struct engine *engine = arg;
	int r = engine->counters.round ? 0 : begin_round(engine);

	if (r == 0)
		r = go_on(engine);
	if (r > 0)
		timer_start(engine->counters.timer, PIECE_PAUSE_MS);
	else
		end_round(engine, r == 0);
}

static bool all_known(const struct counters *counters)
{
	for (unsigned i = 0; i < counters->count; i++)
		if (!is_known(&counters->items[i]))
			return false;
	return true;
}

static void read_all(struct engine *engine)
{
	struct counters *counters = &engine->counters;
	int r = begin_round(engine);

	for (unsigned i = 0; !r && engine->desired && i < engine->desired->set_count; i++) {
		counters->round->reading = &engine->desired->sets[i];
		if (counters->round->reading->counter && counters->round->reading->count)
			r = engine->kernel->ops->read_counters(engine->kernel, counters->round->reading, NULL,
							       0, add_to_round, counters->round);
	}
	end_round(engine, r == 0);
}

/* --- for those who ask --- */

void counters_read_soon(struct engine *engine)
{
	if (!engine->counters.round)
		timer_start(engine->counters.timer, PIECE_PAUSE_MS);
}

void engine_read_counters(struct engine *engine, uint32_t forward_id)
{
	struct counter *counter = find(&engine->counters, forward_id);

	if (counter && !is_known(counter))
		read_forward(engine, counter);
	if (!forward_id && !all_known(&engine->counters))
		read_all(engine);
}

void engine_forward_counters(const struct engine *engine, uint32_t forward_id,
			     struct forward_counters *ret_counters)
{
	const struct counter *counter = find(&engine->counters, forward_id);

	*ret_counters = (struct forward_counters){ 0 };
	if (counter)
		*ret_counters = (struct forward_counters){ .connections = counter->base + counter->live,
							   .last = counter->last };
}

/* --- changes --- */

/* What elements counted that are about to go, though their forward stays. */
struct counter_loss {
	const struct config *next;
	const struct kset *reading;
	struct piece piece;
	unsigned elems, count;
	struct {
		uint32_t forward;
		uint64_t packets;
	} items[LOST_MAX];
};

static void note_loss(void *arg, const void *key, uint64_t packets)
{
	struct counter_loss *loss = arg;
	const struct kelem *elem = kset_find(loss->reading, key);

	if (!elem || loss->count == LOST_MAX)
		return;
	loss->items[loss->count].forward = elem->owner;
	loss->items[loss->count++].packets = packets;
}

/* The element is known by what was desired before: what was observed has no owners. */
static void lose_elem(struct engine *engine, struct counter_loss *loss, const struct kset *before,
		      const struct kelem *elem)
{
	if (!elem || !config_find(loss->next, KIND_FORWARD, elem->owner) || loss->elems == LOST_MAX)
		return;
	loss->elems++;
	add_to_piece(engine, &loss->piece, before, elem, note_loss, loss);
}

static void lose_step(struct engine *engine, struct counter_loss *loss, const struct step *step)
{
	const struct kset *before = kstate_find_set(engine->desired, step->set->name);

	if (!before || !before->counter)
		return;
	loss->reading = before;
	for (unsigned i = 0; step->type == STEP_ELEMS_DELETE && i < step->elem_count; i++)
		lose_elem(engine, loss, before, kset_find(before, step->elems[i]->bytes));
	for (unsigned i = 0; step->type == STEP_SET_DELETE && i < before->count; i++)
		lose_elem(engine, loss, before, &before->elems[i]);
	read_piece(engine, &loss->piece, note_loss, loss);
}

static bool table_is_new(const struct plan *plan)
{
	for (unsigned i = 0; i < plan->count; i++)
		if (plan->steps[i].type == STEP_TABLE_ADD)
			return true;
	return false;
}

struct counter_loss *counters_before(struct engine *engine, const struct plan *plan,
				     const struct config *next)
{
	struct counter_loss *loss = NULL;

	if (!engine->desired || table_is_new(plan)) /* there is nothing to read, or too much */
		return NULL;
	for (unsigned i = 0; i < plan->count; i++) {
		const struct step *step = &plan->steps[i];

		if ((step->type != STEP_ELEMS_DELETE && step->type != STEP_SET_DELETE) || !step->set->counter)
			continue;
		if (!loss)
			loss = calloc(1, sizeof(*loss));
		if (!loss)
			return NULL;
		loss->next = next;
		lose_step(engine, loss, step);
	}
	return loss;
}

/* Moves what elements held that are gone to the base. */
static void lose(struct counter *counter, uint64_t packets)
{
	counter->base += packets;
	counter->live -= packets < counter->live ? packets : counter->live;
	counter->read_at_ms = now_ms() - COUNTERS_FRESH_MS;
}

/*
 * The same forwards as the configuration has; what is known of those that stay is kept. `fresh`: the elements of
 * those that are new were made just now.
 */
static void follow(struct counters *counters, const struct config *config, bool fresh)
{
	const struct object_list *forwards = &config->lists[KIND_FORWARD];
	unsigned known = counters->items ? counters->count : 0, j = 0;
	bool same = forwards->count == known;
	struct counter *items;

	for (unsigned i = 0; same && i < forwards->count; i++)
		same = forwards->items[i]->id == counters->items[i].forward;
	if (same)
		return;
	items = calloc(forwards->count + 1, sizeof(*items));
	if (!items)
		return;
	for (unsigned i = 0; i < forwards->count; i++) {
		while (j < known && counters->items[j].forward < forwards->items[i]->id)
			j++;
		if (j < known && counters->items[j].forward == forwards->items[i]->id)
			items[i] = counters->items[j];
		else
			items[i] = (struct counter){ .forward = forwards->items[i]->id,
						     .read = fresh,
						     .read_at_ms = now_ms() };
	}
	free(counters->items);
	counters->items = items;
	counters->count = forwards->count;
}

void counters_after(struct engine *engine, const struct plan *plan, const struct config *config,
		    struct counter_loss *loss, bool applied)
{
	struct counters *counters = &engine->counters;

	if (counters->round) /* it goes through a state that is no more */
		end_round(engine, false);
	if (applied && table_is_new(plan))
		for (unsigned i = 0; i < counters->count; i++)
			lose(&counters->items[i], counters->items[i].live);
	for (unsigned i = 0; applied && loss && i < loss->count; i++) {
		struct counter *counter = find(counters, loss->items[i].forward);

		if (counter)
			lose(counter, loss->items[i].packets);
	}
	/* A change that was refused goes back, and finds what there was. */
	if (applied || !counters->count)
		follow(counters, config, applied && engine->desired);
	/* Where elements are new of which we had known a count, it shall be noticed before they count as much again. */
	if (!engine->desired || !kstate_same_table(engine->observed, engine->desired) ||
	    (loss && loss->elems == LOST_MAX))
		counters_read_soon(engine);
	free(loss);
}

/* --- life --- */

int counters_start(struct engine *engine)
{
	int r = timer_new(engine->loop, on_counting, engine, &engine->counters.timer);

	if (r == 0)
		timer_start(engine->counters.timer, PIECE_PAUSE_MS);
	return r;
}

void counters_stop(struct engine *engine)
{
	timer_free(engine->counters.timer);
	free(engine->counters.round);
	free(engine->counters.items);
}
