/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/schema.h"

/* --- from JSON --- */

struct list_state {
	enum kind kind;
	const struct object_list *old; /* NULL: there is no old configuration */
	struct object **by_name;       /* of `old`, sorted by name */
	struct object **items;         /* the new ones, in the order of the request */
	unsigned count;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct object *const *)a)->name, (*(struct object *const *)b)->name);
}

/* Those without an id first, in the order of the request. */
static int compare_ids(const void *a, const void *b)
{
	const struct object *x = *(struct object *const *)a, *y = *(struct object *const *)b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static const struct object *find_old(const struct list_state *state, struct object *object)
{
	struct object *const *found = NULL;

	if (state->by_name)
		found = bsearch(&object, state->by_name, state->old->count, sizeof(*state->by_name),
				compare_names);
	return found ? *found : NULL;
}

static int decode_list(struct list_state *state, const json_t *json, const char *base, struct err *err)
{
	char path[ERR_PATH_MAX];
	size_t i;
	json_t *entry;
	int result = 0;

	json_array_foreach((json_t *)json, i, entry)
	{
		struct object *object;
		int r = object_from_json(state->kind, entry, path_index(path, base, (unsigned)i), true,
					 &object, err);

		if (r == -ENOMEM)
			return r;
		if (r < 0) {
			result = r;
			/* No more of them would be shown. */
			if (err->count >= ERR_ITEMS_MAX)
				return r;
			continue;
		}
		object->place = (unsigned)i + 1;
		state->items[state->count++] = object;
	}
	return result;
}

/* Objects that are known by name keep their ids. */
static void keep_ids(struct list_state *state)
{
	for (unsigned i = 0; i < state->count; i++) {
		const struct object *old = state->items[i]->id == 0 ? find_old(state, state->items[i]) : NULL;

		if (old)
			state->items[i]->id = old->id;
	}
}

static int check_ids(struct object *const *sorted, unsigned count, const char *base, struct err *err)
{
	char path[ERR_PATH_MAX], id_path[ERR_PATH_MAX];
	int result = 0;

	for (unsigned i = 1; i < count; i++)
		if (sorted[i]->id != 0 && sorted[i]->id == sorted[i - 1]->id)
			result = err_field(
				err, path_join(id_path, path_index(path, base, sorted[i]->place - 1), "id"),
				"must be of one object only: %u is also that of \"%s\"", sorted[i]->id,
				sorted[i - 1]->name);
	return result;
}

static bool holds_id(struct object *const *items, unsigned count, uint32_t id)
{
	for (unsigned i = 0; i < count; i++)
		if (items[i]->id == id)
			return true;
	return false;
}

/* The lowest that is free, if possible also in the old configuration. */
static uint32_t free_uplink_id(const struct list_state *state)
{
	for (uint32_t id = 1; state->old && id <= UPLINKS_MAX; id++)
		if (!holds_id(state->items, state->count, id) &&
		    !holds_id(state->old->items, state->old->count, id))
			return id;
	for (uint32_t id = 1;; id++)
		if (!holds_id(state->items, state->count, id))
			return id;
}

/*
 * New objects get ids that neither the new nor the old configuration uses, so that a difference shows them as
 * added and not as an old one renamed. `sorted` is by id, those without one first.
 */
static void give_ids(const struct list_state *state, struct object *const *sorted)
{
	unsigned without = 0, old_count = state->old ? state->old->count : 0;
	uint32_t last = state->count ? sorted[state->count - 1]->id : 0;
	bool search;

	while (without < state->count && sorted[without]->id == 0)
		without++;
	if (old_count > 0 && state->old->items[old_count - 1]->id > last)
		last = state->old->items[old_count - 1]->id;
	/* Only when a client chose the highest numbers itself are there none behind the last. */
	search = last > INT32_MAX - FORWARDS_MAX;
	if (search)
		last = 0;

	for (unsigned i = 0; i < without; i++) {
		if (state->kind == KIND_UPLINK) {
			sorted[i]->id = free_uplink_id(state);
			continue;
		}
		do
			last++;
		while (search && holds_id(sorted + without, state->count - without, last));
		sorted[i]->id = last;
	}
}

static int finish_list(struct list_state *state, struct object_list *list, const char *base, struct err *err)
{
	struct object **sorted = calloc(state->count + 1, sizeof(*sorted));
	int r;

	if (!sorted)
		return err_memory(err);
	keep_ids(state);
	memcpy(sorted, state->items, state->count * sizeof(*sorted));
	qsort(sorted, state->count, sizeof(*sorted), compare_ids);
	r = check_ids(sorted, state->count, base, err);
	if (r < 0) {
		free(sorted);
		return r;
	}
	give_ids(state, sorted);
	qsort(sorted, state->count, sizeof(*sorted), compare_ids);
	free(list->items);
	list->items = sorted;
	list->size = state->count + 1;
	list->count = state->count;
	state->count = 0; /* handed over */
	return 0;
}

static int read_list(enum kind kind, const json_t *json, const struct config *old, struct config *config,
		     struct err *err)
{
	const struct schema *schema = schema_of(kind);
	struct list_state state = { .kind = kind, .old = old ? &old->lists[kind] : NULL };
	char base[ERR_PATH_MAX];
	int r;

	path_join(base, "", schema->plural);
	if (!json)
		return 0;
	if (!json_is_array(json))
		return err_field(err, base, "must be a list");
	if (json_array_size(json) > schema->max)
		return err_field(err, base, "must have at most %u entries", schema->max);

	r = -ENOMEM;
	state.items = calloc(json_array_size(json) + 1, sizeof(*state.items));
	if (state.items && state.old && state.old->count > 0) {
		state.by_name = calloc(state.old->count, sizeof(*state.by_name));
		if (state.by_name) {
			memcpy(state.by_name, state.old->items, state.old->count * sizeof(*state.by_name));
			qsort(state.by_name, state.old->count, sizeof(*state.by_name), compare_names);
		}
	}
	if (!state.items || (state.old && state.old->count > 0 && !state.by_name))
		err_memory(err);
	else
		r = decode_list(&state, json, base, err);
	if (r == 0)
		r = finish_list(&state, &config->lists[kind], base, err);

	for (unsigned i = 0; i < state.count; i++)
		object_unref(state.items[i]);
	free(state.items);
	free(state.by_name);
	return r;
}

static int read_settings(const json_t *json, struct config *config, struct err *err)
{
	struct object *settings;
	int r;

	if (!json)
		return 0;
	r = object_from_json(KIND_SETTINGS, json, "/settings", false, &settings, err);
	return r < 0 ? r : config_put(config, settings, err);
}

static int check_keys(const json_t *json, struct err *err)
{
	char path[ERR_PATH_MAX];
	const char *key;
	json_t *value;
	int result = 0;

	json_object_foreach((json_t *)json, key, value)
	{
		/* "warnings" is what the answer to a write adds: it can be sent back as it came. */
		bool known = strcmp(key, "warnings") == 0;

		for (unsigned kind = 0; kind < KIND_COUNT; kind++)
			known = known || strcmp(key, kind_plural(kind)) == 0;
		if (!known)
			result = err_field(err, path_join(path, "", key),
					   "there is no such part of a configuration");
	}
	return result;
}

int config_from_json(const json_t *json, const struct config *old, struct config **ret_config,
		     struct err *err)
{
	struct config *config;
	int result, r;

	if (!json_is_object(json))
		return err_field(err, "",
				 "must be an object with the keys settings, networks, uplinks, forwards, "
				 "redirects, source_nats and policies");
	config = config_new();
	if (!config)
		return err_memory(err);
	result = check_keys(json, err);
	for (unsigned kind = 0; kind < KIND_COUNT && result != -ENOMEM; kind++) {
		const json_t *part = json_object_get(json, kind_plural(kind));

		if (kind == KIND_SETTINGS)
			r = read_settings(part, config, err);
		else
			r = read_list(kind, part, old, config, err);
		if (r < 0)
			result = r;
	}
	if (result < 0) {
		config_unref(config);
		return result;
	}
	*ret_config = config;
	return 0;
}

/* --- to JSON --- */

static json_t *list_to_json(const struct object_list *list)
{
	json_t *json = json_array();

	for (unsigned i = 0; i < list->count; i++)
		if (json_array_append_new(json, object_to_json(list->items[i])) < 0) {
			json_decref(json);
			return NULL;
		}
	return json;
}

json_t *config_to_json(const struct config *config)
{
	json_t *json = json_object();
	int r = json_object_set_new(json, "settings", object_to_json(&config_settings(config)->object));

	for (unsigned kind = KIND_SETTINGS + 1; kind < KIND_COUNT && r == 0; kind++)
		r = json_object_set_new(json, kind_plural(kind), list_to_json(&config->lists[kind]));
	if (r < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}
