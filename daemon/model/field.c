/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/schema.h"

/* A list of ports as text: 256 ranges of "65535-65535,". */
enum { PORTS_TEXT_MAX = LIST_MAX * 12 };
/* A schedule as text: windows such as "mon,tue,thu,fri,sun 08:00-22:00, ". */
enum { SCHEDULE_TEXT_MAX = SCHEDULE_WINDOWS_MAX * 33 };

#define AT(object, field, type)       ((type *)(void *)((char *)(object) + (field)->offset))
#define AT_CONST(object, field, type) ((const type *)(const void *)((const char *)(object) + (field)->offset))

static const struct ip *choice_address(const struct field *field, const void *object)
{
	return (const struct ip *)(const void *)((const char *)object + field->address_offset);
}

static uint8_t suffix_bits(const struct field *field, const void *object)
{
	return *(const uint8_t *)((const char *)object + field->bits_offset);
}

int err_memory(struct err *err)
{
	err_set(err, ERR_UNAVAILABLE, "out of memory");
	return -ENOMEM;
}

/* --- paths --- */

const char *path_join(char path[ERR_PATH_MAX], const char *base, const char *key)
{
	size_t length = (size_t)snprintf(path, ERR_PATH_MAX, "%s/", base);

	/* A key of the client's may be of any length: what is too long is left out whole, not cut in a character. */
	if (length + 2 * strlen(key) >= ERR_PATH_MAX)
		return path;
	for (; *key; key++) {
		if (*key == '~' || *key == '/') {
			path[length++] = '~';
			path[length++] = *key == '~' ? '0' : '1';
		} else {
			path[length++] = *key;
		}
	}
	path[length] = '\0';
	return path;
}

const char *path_index(char path[ERR_PATH_MAX], const char *base, unsigned index)
{
	snprintf(path, ERR_PATH_MAX, "%s/%u", base, index);
	return path;
}

/* --- free --- */

static void names_free(struct names *names)
{
	for (unsigned i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
}

static void members_free(const struct fields *members, void *object)
{
	if (!object)
		return;
	for (unsigned i = 0; i < members->count; i++)
		field_free(&members->items[i], object);
	free(object);
}

/* --- packing --- */

/* `at` is a pointer to `size` bytes that the object owns, or to NULL. */
static void pack(struct packer *packer, void *at, size_t size, size_t alignment)
{
	void *part;

	memcpy(&part, at, sizeof(part));
	if (!part)
		return;
	packer->size = (packer->size + alignment - 1) / alignment * alignment;
	if (packer->block) {
		void *moved = memcpy(packer->block + packer->size, part, size);

		free(part);
		memcpy(at, &moved, sizeof(moved));
	}
	packer->size += size;
}

static void pack_text(struct packer *packer, char **text)
{
	if (*text)
		pack(packer, text, strlen(*text) + 1, 1);
}

static void pack_names(struct packer *packer, struct names *names)
{
	pack(packer, &names->items, names->count * sizeof(*names->items), _Alignof(char *));
	for (unsigned i = 0; i < names->count; i++)
		pack_text(packer, &names->items[i]);
}

/* The items of a list, which are of one size. */
#define PACK_ITEMS(packer, list)                                             \
	pack(packer, &(list)->items, (list)->count * sizeof(*(list)->items), \
	     _Alignof(__typeof__(*(list)->items)))

void field_pack(const struct field *field, void *object, struct packer *packer)
{
	switch (field->type) {
	case FIELD_ID:
	case FIELD_BOOL:
	case FIELD_ON_OFF:
	case FIELD_ENUM:
	case FIELD_INTEGER:
	case FIELD_TIME:
	case FIELD_ADDRESS:
	case FIELD_BACKEND:
	case FIELD_CHOICE:
	case FIELD_PROTOCOL:
	case FIELD_OBSERVED:
	case FIELD_OBJECT:
		break;
	case FIELD_NAME:
	case FIELD_DEVICE:
	case FIELD_COMMENT:
	case FIELD_NEED:
		pack_text(packer, AT(object, field, char *));
		break;
	case FIELD_NAMES:
	case FIELD_DEVICES:
	case FIELD_TARGETS:
		pack_names(packer, AT(object, field, struct names));
		break;
	case FIELD_PREFIXES:
		PACK_ITEMS(packer, AT(object, field, struct prefixes));
		break;
	case FIELD_PORTS:
		PACK_ITEMS(packer, AT(object, field, struct ports));
		break;
	case FIELD_SCHEDULE:
		PACK_ITEMS(packer, AT(object, field, struct schedule));
		break;
	case FIELD_PROTOCOLS:
		PACK_ITEMS(packer, AT(object, field, struct protocols));
		break;
	}
}

void field_free(const struct field *field, void *object)
{
	switch (field->type) {
	case FIELD_ID:
	case FIELD_BOOL:
	case FIELD_ON_OFF:
	case FIELD_ENUM:
	case FIELD_INTEGER:
	case FIELD_TIME:
	case FIELD_ADDRESS:
	case FIELD_BACKEND:
	case FIELD_CHOICE:
	case FIELD_PROTOCOL:
	case FIELD_OBSERVED:
		break;
	case FIELD_NAME:
	case FIELD_DEVICE:
	case FIELD_COMMENT:
	case FIELD_NEED:
		free(*AT(object, field, char *));
		break;
	case FIELD_NAMES:
	case FIELD_DEVICES:
	case FIELD_TARGETS:
		names_free(AT(object, field, struct names));
		break;
	case FIELD_PREFIXES:
		free(AT(object, field, struct prefixes)->items);
		break;
	case FIELD_PORTS:
		free(AT(object, field, struct ports)->items);
		break;
	case FIELD_SCHEDULE:
		free(AT(object, field, struct schedule)->items);
		break;
	case FIELD_PROTOCOLS:
		free(AT(object, field, struct protocols)->items);
		break;
	case FIELD_OBJECT:
		members_free(field->members, *AT(object, field, void *));
		break;
	}
}

/* --- compare --- */

static bool texts_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool names_equal(const struct names *a, const struct names *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

static bool prefixes_equal(const struct prefixes *a, const struct prefixes *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (prefix_compare(&a->items[i], &b->items[i]) != 0)
			return false;
	return true;
}

static bool ports_equal(const struct ports *a, const struct ports *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (a->items[i].first != b->items[i].first || a->items[i].last != b->items[i].last)
			return false;
	return true;
}

static bool schedules_equal(const struct schedule *a, const struct schedule *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (a->items[i].days != b->items[i].days || a->items[i].from != b->items[i].from ||
		    a->items[i].to != b->items[i].to)
			return false;
	return true;
}

static bool protocols_equal(const struct protocols *a, const struct protocols *b)
{
	return a->count == b->count && (a->count == 0 || memcmp(a->items, b->items, a->count) == 0);
}

static bool members_equal(const struct fields *members, const void *a, const void *b)
{
	if (!a || !b)
		return a == b;
	for (unsigned i = 0; i < members->count; i++)
		if (!field_equal(&members->items[i], a, b))
			return false;
	return true;
}

bool field_equal(const struct field *field, const void *a, const void *b)
{
	switch (field->type) {
	case FIELD_ID:
		return *AT_CONST(a, field, uint32_t) == *AT_CONST(b, field, uint32_t);
	case FIELD_BOOL:
	case FIELD_ON_OFF:
		return *AT_CONST(a, field, bool) == *AT_CONST(b, field, bool);
	case FIELD_ENUM:
		return *AT_CONST(a, field, unsigned) == *AT_CONST(b, field, unsigned);
	case FIELD_INTEGER:
	case FIELD_TIME:
		return *AT_CONST(a, field, int64_t) == *AT_CONST(b, field, int64_t);
	case FIELD_NAME:
	case FIELD_DEVICE:
	case FIELD_COMMENT:
	case FIELD_NEED:
		return texts_equal(*AT_CONST(a, field, char *), *AT_CONST(b, field, char *));
	case FIELD_ADDRESS:
		return ip_compare(AT_CONST(a, field, struct ip), AT_CONST(b, field, struct ip)) == 0;
	case FIELD_BACKEND:
		return ip_compare(AT_CONST(a, field, struct ip), AT_CONST(b, field, struct ip)) == 0 &&
		       suffix_bits(field, a) == suffix_bits(field, b);
	case FIELD_CHOICE:
		return *AT_CONST(a, field, unsigned) == *AT_CONST(b, field, unsigned) &&
		       ip_compare(choice_address(field, a), choice_address(field, b)) == 0;
	case FIELD_PROTOCOL:
		return *AT_CONST(a, field, uint8_t) == *AT_CONST(b, field, uint8_t);
	case FIELD_NAMES:
	case FIELD_DEVICES:
	case FIELD_TARGETS:
		return names_equal(AT_CONST(a, field, struct names), AT_CONST(b, field, struct names));
	case FIELD_PREFIXES:
		return prefixes_equal(AT_CONST(a, field, struct prefixes),
				      AT_CONST(b, field, struct prefixes));
	case FIELD_PORTS:
		return ports_equal(AT_CONST(a, field, struct ports), AT_CONST(b, field, struct ports));
	case FIELD_SCHEDULE:
		return schedules_equal(AT_CONST(a, field, struct schedule),
				       AT_CONST(b, field, struct schedule));
	case FIELD_PROTOCOLS:
		return protocols_equal(AT_CONST(a, field, struct protocols),
				       AT_CONST(b, field, struct protocols));
	case FIELD_OBJECT:
		return members_equal(field->members, *AT_CONST(a, field, void *),
				     *AT_CONST(b, field, void *));
	case FIELD_OBSERVED:
		return true;
	}
	return false;
}

/* --- to JSON --- */

static json_t *names_encode(const struct names *names)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < names->count; i++)
		if (json_array_append_new(list, json_string(names->items[i])) < 0)
			goto fail;
	return list;

fail:
	json_decref(list);
	return NULL;
}

static json_t *prefixes_encode(const struct prefixes *prefixes)
{
	json_t *list = json_array();
	char text[PREFIX_TEXT_MAX];

	for (unsigned i = 0; i < prefixes->count; i++)
		if (json_array_append_new(list, json_string(prefix_format(&prefixes->items[i], text))) < 0)
			goto fail;
	return list;

fail:
	json_decref(list);
	return NULL;
}

static json_t *protocols_encode(const struct protocols *protocols)
{
	json_t *list = json_array();
	char text[8];

	for (unsigned i = 0; i < protocols->count; i++)
		if (json_array_append_new(list, json_string(protocol_name(protocols->items[i], text))) < 0)
			goto fail;
	return list;

fail:
	json_decref(list);
	return NULL;
}

static json_t *ports_encode(const struct ports *ports)
{
	struct buf buf;
	json_t *value;

	if (ports->count == 0)
		return json_null();
	buf_init(&buf, PORTS_TEXT_MAX);
	ports_format(ports, &buf);
	value = buf.failed ? NULL : json_string(buf_text(&buf));
	buf_done(&buf);
	return value;
}

static json_t *schedule_encode(const struct schedule *schedule)
{
	struct buf buf;
	json_t *value;

	if (schedule->count == 0)
		return json_null();
	buf_init(&buf, SCHEDULE_TEXT_MAX);
	schedule_format(schedule, &buf);
	value = buf.failed ? NULL : json_string(buf_text(&buf));
	buf_done(&buf);
	return value;
}

static json_t *ip_encode(const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	return json_string(ip_format(ip, text));
}

static json_t *backend_encode(const struct field *field, const void *object)
{
	const struct ip *ip = AT_CONST(object, field, struct ip);
	char text[SUFFIX_TEXT_MAX];

	if (!suffix_bits(field, object))
		return ip_encode(ip);
	return json_string(suffix_format(ip, suffix_bits(field, object), text));
}

static json_t *choice_encode(const struct field *field, const void *object)
{
	const char *word = field->words[*AT_CONST(object, field, unsigned)];

	if (!word)
		return json_null();
	return *word ? json_string(word) : ip_encode(choice_address(field, object));
}

static json_t *members_encode(const struct fields *members, const void *object)
{
	json_t *json = json_object();

	for (unsigned i = 0; i < members->count; i++) {
		const struct field *member = &members->items[i];

		if (json_object_set_new_nocheck(json, member->name, field_encode(member, object)) < 0) {
			json_decref(json);
			return NULL;
		}
	}
	return json;
}

static json_t *time_encode(int64_t time)
{
	char text[TIME_TEXT_MAX];

	return json_string(time_format(time, text));
}

json_t *field_encode(const struct field *field, const void *object)
{
	char text[8];

	switch (field->type) {
	case FIELD_ID:
		return json_integer(*AT_CONST(object, field, uint32_t));
	case FIELD_BOOL:
		return json_boolean(*AT_CONST(object, field, bool));
	case FIELD_ON_OFF:
		return json_string(*AT_CONST(object, field, bool) ? "on" : "off");
	case FIELD_ENUM:
		return json_string(field->words[*AT_CONST(object, field, unsigned)]);
	case FIELD_INTEGER:
		if ((field->flags & FIELD_NULLABLE) && *AT_CONST(object, field, int64_t) == -1)
			return json_null();
		return json_integer(*AT_CONST(object, field, int64_t));
	case FIELD_TIME:
		if (*AT_CONST(object, field, int64_t) == 0)
			return json_null();
		return time_encode(*AT_CONST(object, field, int64_t));
	case FIELD_NAME:
	case FIELD_DEVICE:
	case FIELD_COMMENT:
	case FIELD_NEED:
		return *AT_CONST(object, field, char *) ? json_string(*AT_CONST(object, field, char *)) :
							  json_null();
	case FIELD_ADDRESS:
		return ip_encode(AT_CONST(object, field, struct ip));
	case FIELD_BACKEND:
		return backend_encode(field, object);
	case FIELD_CHOICE:
		return choice_encode(field, object);
	case FIELD_PROTOCOL:
		if ((field->flags & FIELD_NULLABLE) && *AT_CONST(object, field, uint8_t) == 0)
			return json_null();
		return json_string(protocol_name(*AT_CONST(object, field, uint8_t), text));
	case FIELD_NAMES:
	case FIELD_DEVICES:
	case FIELD_TARGETS:
		return names_encode(AT_CONST(object, field, struct names));
	case FIELD_PREFIXES:
		return prefixes_encode(AT_CONST(object, field, struct prefixes));
	case FIELD_PORTS:
		return ports_encode(AT_CONST(object, field, struct ports));
	case FIELD_SCHEDULE:
		return schedule_encode(AT_CONST(object, field, struct schedule));
	case FIELD_PROTOCOLS:
		return protocols_encode(AT_CONST(object, field, struct protocols));
	case FIELD_OBJECT:
		if (!*AT_CONST(object, field, void *))
			return json_null();
		return members_encode(field->members, *AT_CONST(object, field, void *));
	case FIELD_OBSERVED:
		return NULL;
	}
	return NULL;
}
