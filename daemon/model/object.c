/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/schema.h"

struct object *object_new(enum kind kind)
{
	struct object *object = calloc(1, schema_of(kind)->fields.size);

	if (!object)
		return NULL;
	object->refs = 1;
	object->kind = kind;
	return object;
}

struct object *object_ref(struct object *object)
{
	object->refs++;
	return object;
}

void object_unref(struct object *object)
{
	if (!object || --object->refs > 0)
		return;

	const struct fields *fields = &schema_of(object->kind)->fields;

	for (unsigned i = 0; !object->packed && i < fields->count; i++)
		field_free(&fields->items[i], object);
	free(object);
}

static size_t pack_fields(struct object *object, struct packer packer)
{
	const struct fields *fields = &schema_of(object->kind)->fields;

	packer.size = fields->size;
	for (unsigned i = 0; i < fields->count; i++)
		field_pack(&fields->items[i], object, &packer);
	return packer.size;
}

struct object *object_pack(struct object *object)
{
	struct object *packed;

	if (object->kind != KIND_FORWARD) /* of the others there are few */
		return object;
	packed = malloc(pack_fields(object, (struct packer){ .block = NULL }));
	if (!packed)
		return object;
	memcpy(packed, object, schema_of(object->kind)->fields.size);
	free(object);
	pack_fields(packed, (struct packer){ .block = (char *)packed });
	packed->packed = true;
	return packed;
}

bool object_equal(const struct object *a, const struct object *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind || a->id != b->id)
		return false;

	const struct fields *fields = &schema_of(a->kind)->fields;

	for (unsigned i = 0; i < fields->count; i++)
		if (!field_equal(&fields->items[i], a, b))
			return false;
	return true;
}

int object_check(const struct object *object, const char *base, struct err *err)
{
	const struct schema *schema = schema_of(object->kind);

	return schema->check ? schema->check(object, base, err) : 0;
}

static int take_id_field(const struct schema *schema, struct object *object, const json_t *json,
			 const char *base, struct err *err)
{
	const struct field *field = fields_find(&schema->fields, "id");
	const json_t *value = json_object_get(json, "id");
	char path[ERR_PATH_MAX];

	if (!field || !value)
		return 0;
	return field_decode(field, object, value, path_join(path, base, "id"), err);
}

int object_from_json(enum kind kind, const json_t *json, const char *base, bool take_id,
		     struct object **ret_object, struct err *err)
{
	const struct schema *schema = schema_of(kind);
	struct object *object;
	int r, id_r = 0;

	if (!json_is_object(json))
		return err_field(err, base, "must be an object");
	object = object_new(kind);
	if (!object)
		return err_memory(err);
	r = fields_decode(&schema->fields, object, json, base, err);
	if (take_id && r != -ENOMEM)
		id_r = take_id_field(schema, object, json, base, err);
	if (r == 0)
		r = id_r;
	if (r == 0 && schema->infer)
		schema->infer(object, json);
	if (r == 0)
		r = object_check(object, base, err);
	if (r < 0) {
		object_unref(object);
		return r;
	}
	*ret_object = object_pack(object);
	return 0;
}

json_t *object_to_json(const struct object *object)
{
	const struct fields *fields = &schema_of(object->kind)->fields;
	json_t *json = json_object();

	for (unsigned i = 0; i < fields->count; i++) {
		const struct field *field = &fields->items[i];

		if (field->type == FIELD_OBSERVED)
			continue;
		if (json_object_set_new_nocheck(json, field->name, field_encode(field, object)) < 0) {
			json_decref(json);
			return NULL;
		}
	}
	return json;
}
