/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* --- in words --- */

static const char *what_is_it(bool before, bool after)
{
	return !before ? "added" : !after ? "removed" : "changed";
}

static int add_differing(const json_t *before, const json_t *after, const char *base, json_t *fields);

static int add_if_differing(const char *key, const json_t *before, const json_t *after, const char *base,
			    json_t *fields)
{
	char path[ERR_PATH_MAX];

	if (before && after && json_equal(before, after))
		return 0;
	snprintf(path, sizeof(path), "%s%s%s", base, base[0] ? "/" : "", key);
	if (json_is_object(before) && json_is_object(after))
		return add_differing(before, after, path, fields);
	return json_array_append_new(fields, json_string(path));
}

/* A field may be in one of them only: another version wrote it. */
static int add_differing(const json_t *before, const json_t *after, const char *base, json_t *fields)
{
	const char *key;
	json_t *value;
	int r = 0;

	json_object_foreach((json_t *)before, key, value)
	{
		if (r == 0)
			r = add_if_differing(key, value, json_object_get(after, key), base, fields);
	}
	json_object_foreach((json_t *)after, key, value)
	{
		if (r == 0 && !json_object_get(before, key))
			r = add_if_differing(key, NULL, value, base, fields);
	}
	return r;
}

int changes_explain(json_t *changes)
{
	json_t *change;
	size_t i;
	int r = 0;

	json_array_foreach(changes, i, change)
	{
		json_t *before = json_object_get(change, "before"), *after = json_object_get(change, "after");
		json_t *fields = json_array();
		const char *what = what_is_it(json_is_object(before), json_is_object(after));

		if (json_is_object(before) && json_is_object(after))
			r |= add_differing(before, after, "", fields);
		r |= json_object_set_new(change, "what", json_string(what));
		r |= json_object_set_new(change, "fields", fields);
	}
	return r ? -ENOMEM : 0;
}

json_t *changes_summary(const struct changes *changes, unsigned max)
{
	unsigned count = changes->count < max ? changes->count : max;
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++) {
		const struct change *change = &changes->items[i];
		const struct object *object = change->after ? change->after : change->before;

		json_array_append_new(list,
				      json_pack("{s:s, s:I, s:s?, s:s}", "kind", kind_name(change->kind),
						"id", (json_int_t)change->id, "name", object->name, "what",
						what_is_it(change->before, change->after)));
	}
	return json_pack("{s:o, s:I}", "changes", list, "more", (json_int_t)(changes->count - count));
}

json_t *changes_json_summary(const json_t *changes, unsigned max)
{
	size_t size = json_array_size(changes), count = size < max ? size : max;
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		const json_t *change = json_array_get(changes, i);

		json_array_append_new(
			list, json_pack("{s:O, s:O, s:O, s:s}", "kind", json_object_get(change, "kind"), "id",
					json_object_get(change, "id"), "name",
					json_object_get(change, "name"), "what",
					what_is_it(json_is_object(json_object_get(change, "before")),
						   json_is_object(json_object_get(change, "after")))));
	}
	return json_pack("{s:o, s:I}", "changes", list, "more", (json_int_t)(size - count));
}
