/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/schema.h"

/* --- lists of objects --- */

static int list_reserve(struct object_list *list, unsigned size)
{
	struct object **items;
	unsigned grown = list->size ? list->size : 8;

	if (size <= list->size)
		return 0;
	while (grown < size)
		grown *= 2;
	items = reallocarray(list->items, grown, sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	list->size = grown;
	return 0;
}

/* Index of the first object whose id is not below. */
static unsigned list_position(const struct object_list *list, uint32_t id)
{
	unsigned low = 0, high = list->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (list->items[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint32_t lowest_free_id(const struct object_list *list)
{
	uint32_t id = 1;

	for (unsigned i = 0; i < list->count && list->items[i]->id == id; i++)
		id++;
	return id;
}

/*
 * An uplink's id is its number in marks, of which there are few. Other ids are not given twice while a higher one
 * is there, so that a client's stale id does not hit another object.
 */
static uint32_t free_id(enum kind kind, const struct object_list *list)
{
	uint32_t last = list->count ? list->items[list->count - 1]->id : 0;

	return kind == KIND_UPLINK || last >= INT32_MAX ? lowest_free_id(list) : last + 1;
}

/* --- configurations --- */

static int add_default_settings(struct config *config)
{
	const struct fields *fields = &schema_of(KIND_SETTINGS)->fields;
	struct object_list *list = &config->lists[KIND_SETTINGS];
	struct object *settings;

	if (list_reserve(list, 1) < 0)
		return -ENOMEM;
	settings = object_new(KIND_SETTINGS);
	if (!settings)
		return -ENOMEM;
	settings->id = 1;
	list->items[list->count++] = settings;
	for (unsigned i = 0; i < fields->count; i++)
		if (field_is_kept(&fields->items[i]) && field_decode_default(&fields->items[i], settings) < 0)
			return -ENOMEM;
	return 0;
}

struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->refs = 1;
	if (add_default_settings(config) < 0) {
		config_unref(config);
		return NULL;
	}
	return config;
}

struct config *config_copy(const struct config *config)
{
	struct config *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->refs = 1;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		const struct object_list *from = &config->lists[kind];
		struct object_list *to = &copy->lists[kind];

		/* One more, because a copy is made to be changed. */
		if (list_reserve(to, from->count + 1) < 0) {
			config_unref(copy);
			return NULL;
		}
		for (; to->count < from->count; to->count++)
			to->items[to->count] = object_ref(from->items[to->count]);
	}
	return copy;
}

struct config *config_ref(struct config *config)
{
	config->refs++;
	return config;
}

void config_unref(struct config *config)
{
	if (!config || --config->refs > 0)
		return;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		struct object_list *list = &config->lists[kind];

		for (unsigned i = 0; i < list->count; i++)
			object_unref(list->items[i]);
		free(list->items);
	}
	free(config);
}

struct object *config_find(const struct config *config, enum kind kind, uint32_t id)
{
	const struct object_list *list = &config->lists[kind];
	unsigned position = list_position(list, id);

	return position < list->count && list->items[position]->id == id ? list->items[position] : NULL;
}

struct object *config_find_name(const struct config *config, enum kind kind, const char *name)
{
	const struct object_list *list = &config->lists[kind];

	for (unsigned i = 0; i < list->count; i++)
		if (list->items[i]->name && strcmp(list->items[i]->name, name) == 0)
			return list->items[i];
	return NULL;
}

/* --- changes --- */

static bool names_hold(const struct names *names, const char *name)
{
	for (unsigned i = 0; i < names->count; i++)
		if (strcmp(names->items[i], name) == 0)
			return true;
	return false;
}

static bool refers_to(const struct field *field, const struct object *object, const char *name)
{
	const char *at = (const char *)object + field->offset;

	if (field->type == FIELD_NAMES)
		return names_hold((const struct names *)(const void *)at, name);

	const char *own = *(char *const *)(const void *)at;

	return own && strcmp(own, name) == 0;
}

/* The list with the name replaced; once only, should the new name be there already. */
static json_t *rename_in_list(const json_t *list, const char *old_name, const char *new_name)
{
	json_t *renamed = json_array();
	size_t i;
	json_t *entry;
	bool there = false;

	json_array_foreach((json_t *)list, i, entry)
	{
		bool is_new = strcmp(json_string_value(entry), old_name) == 0 ||
			      strcmp(json_string_value(entry), new_name) == 0;

		if (is_new && there)
			continue;
		there = there || is_new;
		if (json_array_append_new(renamed, is_new ? json_string(new_name) : json_incref(entry)) < 0) {
			json_decref(renamed);
			return NULL;
		}
	}
	return renamed;
}

/* A new object that refers by the new name. Rare, so the way over JSON is good enough. */
static struct object *rename_reference(const struct object *object, const struct field *field,
				       const char *old_name, const char *new_name)
{
	json_t *json = object_to_json(object), *value;
	struct object *renamed = NULL;
	struct err err;
	int r;

	if (field->type == FIELD_NAMES)
		value = rename_in_list(json_object_get(json, field->name), old_name, new_name);
	else
		value = json_string(new_name);
	err_clear(&err);
	r = json_object_set_new(json, field->name, value);
	if (r == 0 && object_from_json(object->kind, json, "", true, &renamed, &err) == 0)
		renamed->place = object->place;
	json_decref(json);
	return renamed;
}

static int rename_references(struct config *config, enum kind target, const char *old_name,
			     const char *new_name)
{
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		const struct fields *fields = &schema_of(kind)->fields;
		struct object_list *list = &config->lists[kind];

		for (unsigned f = 0; f < fields->count; f++) {
			const struct field *field = &fields->items[f];

			if (!(field->flags & FIELD_REFERS) || field->refers != target)
				continue;
			for (unsigned i = 0; i < list->count; i++) {
				struct object *renamed;

				if (!refers_to(field, list->items[i], old_name))
					continue;
				renamed = rename_reference(list->items[i], field, old_name, new_name);
				if (!renamed)
					return -ENOMEM;
				object_unref(list->items[i]);
				list->items[i] = renamed;
			}
		}
	}
	return 0;
}

static int replace(struct config *config, struct object **at, struct object *object, struct err *err)
{
	struct object *old = *at;
	int r = 0;

	*at = object;
	if (old->name && strcmp(old->name, object->name) != 0)
		r = rename_references(config, object->kind, old->name, object->name);
	object_unref(old);
	return r < 0 ? err_memory(err) : 0;
}

int config_put(struct config *config, struct object *object, struct err *err)
{
	const struct schema *schema = schema_of(object->kind);
	struct object_list *list = &config->lists[object->kind];
	unsigned position;

	if (object->kind == KIND_SETTINGS)
		object->id = 1;
	if (object->id == 0)
		object->id = free_id(object->kind, list);
	position = list_position(list, object->id);
	if (position < list->count && list->items[position]->id == object->id)
		return replace(config, &list->items[position], object, err);

	if (list->count >= schema->max) {
		err_set(err, ERR_CONFLICT, "there are %u %ss already, and there can be no more", schema->max,
			schema->noun);
		object_unref(object);
		return -ENOSPC;
	}
	if (list_reserve(list, list->count + 1) < 0) {
		object_unref(object);
		return err_memory(err);
	}
	memmove(list->items + position + 1, list->items + position,
		(list->count - position) * sizeof(struct object *));
	list->items[position] = object;
	list->count++;
	return 0;
}

int config_remove(struct config *config, enum kind kind, uint32_t id)
{
	struct object_list *list = &config->lists[kind];
	unsigned position = list_position(list, id);

	if (kind == KIND_SETTINGS || position >= list->count || list->items[position]->id != id)
		return -ENOENT;
	object_unref(list->items[position]);
	list->count--;
	memmove(list->items + position, list->items + position + 1,
		(list->count - position) * sizeof(struct object *));
	return 0;
}

const struct ports *forward_internal_ports(const struct forward *forward)
{
	return forward->internal_ports.count ? &forward->internal_ports : &forward->external_ports;
}

static void skip_ports(const struct ports *ports, unsigned count, unsigned *range, unsigned *done)
{
	*done += count;
	if (*done > (unsigned)ports->items[*range].last - ports->items[*range].first) {
		*done = 0;
		++*range;
	}
}

bool forward_next_piece(const struct forward *forward, struct piece_walk *walk, struct port_piece *ret_piece)
{
	const struct ports *external = &forward->external_ports, *internal = forward_internal_ports(forward);

	if (walk->external_range >= external->count || walk->internal_range >= internal->count)
		return false;

	const struct port_range *from = &external->items[walk->external_range];
	const struct port_range *to = &internal->items[walk->internal_range];
	unsigned left = 1u + from->last - from->first - walk->external_done;
	unsigned room = 1u + to->last - to->first - walk->internal_done;

	*ret_piece = (struct port_piece){
		.external = (uint16_t)(from->first + walk->external_done),
		.internal = (uint16_t)(to->first + walk->internal_done),
		.count = left < room ? left : room,
	};
	skip_ports(external, ret_piece->count, &walk->external_range, &walk->external_done);
	skip_ports(internal, ret_piece->count, &walk->internal_range, &walk->internal_done);
	return true;
}

bool forward_on_uplink(const struct forward *forward, const char *uplink_name)
{
	return forward->uplinks.count == 0 || names_hold(&forward->uplinks, uplink_name);
}
