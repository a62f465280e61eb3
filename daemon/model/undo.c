/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/undo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/schema.h"

enum { KEY_MAX = 12 };

int undo_init(struct undo *undo)
{
	memset(undo, 0, sizeof(*undo));
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		undo->objects[kind] = json_object();
		if (!undo->objects[kind]) {
			undo_done(undo);
			return -ENOMEM;
		}
	}
	return 0;
}

void undo_done(struct undo *undo)
{
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		json_decref(undo->objects[kind]);
	memset(undo, 0, sizeof(*undo));
}

static const char *key_of(json_int_t id, char key[KEY_MAX])
{
	snprintf(key, KEY_MAX, "%u", (unsigned)id);
	return key;
}

/* --- gathering --- */

static int find_kind(const json_t *change, enum kind *ret_kind)
{
	const char *name = json_string_value(json_object_get(change, "kind"));

	for (unsigned kind = 0; name && kind < KIND_COUNT; kind++)
		if (strcmp(kind_name(kind), name) == 0) {
			*ret_kind = kind;
			return 0;
		}
	return -EBADMSG;
}

static int add_change(struct undo *undo, const json_t *change)
{
	json_int_t id = json_integer_value(json_object_get(change, "id"));
	json_t *before = json_object_get(change, "before");
	char key[KEY_MAX];
	enum kind kind;

	if (find_kind(change, &kind) < 0 || id < 1 || id > UINT32_MAX ||
	    (!json_is_object(before) && !json_is_null(before)))
		return -EBADMSG;
	if (kind == KIND_UPLINK && id > UPLINKS_MAX)
		return -ERANGE;
	return json_object_set(undo->objects[kind], key_of(id, key), before) < 0 ? -ENOMEM : 0;
}

int undo_add(struct undo *undo, const json_t *changes)
{
	const json_t *change;
	size_t i;

	if (!json_is_array(changes))
		return -EBADMSG;
	json_array_foreach((json_t *)changes, i, change)
	{
		int r = add_change(undo, change);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- making --- */

static int invalid(enum kind kind, const json_t *json, struct err *err)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	struct err_item item = { .message = "cannot be read" };

	if (err->count > 0)
		item = err->items[0];
	err_clear(err);
	err_set(err, ERR_INVALID, "%s%s%s%s: %s %s", schema_of(kind)->noun, name ? " \"" : "",
		name ? name : "", name ? "\"" : "", item.path, item.message);
	return -EINVAL;
}

struct list {
	unsigned count;
	struct object **items;
};

/* The objects as they were, added to those that are as they were. References are held. */
static int add_former(enum kind kind, json_t *objects, struct list *list, struct err *err)
{
	const char *key;
	json_t *json;

	json_object_foreach(objects, key, json)
	{
		struct object *object;
		int r;

		if (json_is_null(json))
			continue;
		r = object_from_json(kind, json, "", true, &object, err);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			return invalid(kind, json, err);
		object->id = (uint32_t)strtoul(key, NULL, 10);
		list->items[list->count++] = object;
	}
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = (*(struct object *const *)a)->id, y = (*(struct object *const *)b)->id;

	return (x > y) - (x < y);
}

/* In the order of their ids, each goes to the end. */
static int put_all(struct list *list, struct config *former, struct err *err)
{
	qsort(list->items, list->count, sizeof(*list->items), compare_ids);
	for (unsigned i = 0; i < list->count; i++) {
		struct object *object = list->items[i];
		int r;

		list->items[i] = NULL;
		r = config_put(former, object, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int restore_kind(enum kind kind, json_t *objects, const struct object_list *present,
			struct config *former, struct err *err)
{
	struct list list = { .items = calloc(present->count + json_object_size(objects) + 1,
					     sizeof(*list.items)) };
	char key[KEY_MAX];
	int r;

	if (!list.items)
		return err_memory(err);
	for (unsigned i = 0; i < present->count; i++)
		if (!json_object_get(objects, key_of(present->items[i]->id, key)))
			list.items[list.count++] = object_ref(present->items[i]);
	r = add_former(kind, objects, &list, err);
	if (r == 0)
		r = put_all(&list, former, err);
	for (unsigned i = 0; i < list.count; i++)
		object_unref(list.items[i]);
	free(list.items);
	return r;
}

int undo_apply(const struct undo *undo, const struct config *present, struct config **ret_former,
	       struct err *err)
{
	struct config *former = config_new();
	int r = 0;

	if (!former)
		return err_memory(err);
	for (unsigned kind = 0; kind < KIND_COUNT && r == 0; kind++)
		r = restore_kind(kind, undo->objects[kind], &present->lists[kind], former, err);
	if (r < 0) {
		config_unref(former);
		return r;
	}
	*ret_former = former;
	return 0;
}
