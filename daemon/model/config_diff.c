/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "model/schema.h"

struct walk {
	struct changes changes;
	unsigned size; /* items that there is room for */
};

static int add_change(struct walk *walk, const struct object *object, const struct object *before,
		      const struct object *after)
{
	struct changes *changes = &walk->changes;

	if (changes->count == walk->size) {
		unsigned grown = walk->size ? walk->size * 2 : 16;
		struct change *items = reallocarray(changes->items, grown, sizeof(*items));

		if (!items)
			return -ENOMEM;
		changes->items = items;
		walk->size = grown;
	}
	changes->items[changes->count++] = (struct change){
		.kind = object->kind,
		.id = object->id,
		.before = before,
		.after = after,
	};
	return 0;
}

/* One walk over both lists, by id: the lower one has no counterpart. */
static int diff_lists(struct walk *walk, const struct object_list *a, const struct object_list *b)
{
	unsigned i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < a->count || j < b->count)) {
		bool gone = i < a->count && (j == b->count || a->items[i]->id < b->items[j]->id);
		bool new = !gone && (i == a->count || b->items[j]->id < a->items[i]->id);
		const struct object *before = new ? NULL : a->items[i++];
		const struct object *after = gone ? NULL : b->items[j++];

		if (gone)
			r = add_change(walk, before, before, NULL);
		else if (new || !object_equal(before, after))
			r = add_change(walk, after, before, after);
	}
	return r;
}

int config_diff(const struct config *old, const struct config *new, struct changes *ret_changes)
{
	struct walk walk = { 0 };

	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		if (diff_lists(&walk, &old->lists[kind], &new->lists[kind]) < 0) {
			changes_done(&walk.changes);
			return -ENOMEM;
		}
	*ret_changes = walk.changes;
	return 0;
}

void changes_done(struct changes *changes)
{
	free(changes->items);
	changes->items = NULL;
	changes->count = 0;
}

static json_t *object_or_null(const struct object *object)
{
	return object ? object_to_json(object) : json_null();
}

static json_t *change_to_json(const struct change *change)
{
	const struct object *object = change->after ? change->after : change->before;
	json_t *json = json_object();

	if (json_object_set_new(json, "kind", json_string(kind_name(change->kind))) < 0 ||
	    json_object_set_new(json, "id", json_integer(change->id)) < 0 ||
	    json_object_set_new(json, "name", object->name ? json_string(object->name) : json_null()) < 0 ||
	    json_object_set_new(json, "before", object_or_null(change->before)) < 0 ||
	    json_object_set_new(json, "after", object_or_null(change->after)) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

json_t *changes_to_json(const struct changes *changes)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < changes->count; i++)
		if (json_array_append_new(list, change_to_json(&changes->items[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}
