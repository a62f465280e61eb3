/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "model/schema.h"

static int add_change(struct changes *changes, unsigned *size, const struct object *before,
		      const struct object *after)
{
	const struct object *object = after ? after : before;

	if (changes->count == *size) {
		unsigned grown = *size ? *size * 2 : 16;
		struct change *items = reallocarray(changes->items, grown, sizeof(*items));

		if (!items)
			return -ENOMEM;
		changes->items = items;
		*size = grown;
	}
	changes->items[changes->count++] = (struct change){
		.kind = object->kind, .id = object->id, .before = before, .after = after,
	};
	return 0;
}

int config_diff(const struct config *old, const struct config *new, struct changes *ret_changes)
{
	struct changes changes = { 0 };
	unsigned size = 0;

	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		const struct object_list *a = &old->lists[kind], *b = &new->lists[kind];

		for (unsigned i = 0, j = 0; i < a->count || j < b->count;) {
			const struct object *before = i < a->count ? a->items[i] : NULL;
			const struct object *after = j < b->count ? b->items[j] : NULL;

			/* One walk over both, by id: the lower one has no counterpart. */
			if (before && after && before->id < after->id)
				after = NULL;
			else if (before && after && before->id > after->id)
				before = NULL;
			i += before != NULL;
			j += after != NULL;
			if (before && after && object_equal(before, after))
				continue;
			if (add_change(&changes, &size, before, after) < 0) {
				changes_done(&changes);
				return -ENOMEM;
			}
		}
	}
	*ret_changes = changes;
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
