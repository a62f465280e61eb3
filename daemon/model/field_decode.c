/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/schema.h"

#define AT(object, field, type) ((type *)(void *)((char *)(object) + (field)->offset))

/* --- what would be right, in words --- */

/* "a", "b" or "c"; the word "" stands for an address, NULL for null. */
static void add_words(const struct field *field, struct buf *buf)
{
	for (unsigned i = 0; i < field->word_count; i++) {
		const char *word = field->words[i];

		if (i > 0)
			buf_puts(buf, i + 1 == field->word_count ? " or " : ", ");
		if (!word)
			buf_puts(buf, "null");
		else if (*word)
			buf_printf(buf, "\"%s\"", word);
		else
			buf_puts(buf, "a host's address");
	}
}

static void add_expected(const struct field *field, struct buf *buf)
{
	switch (field->type) {
	case FIELD_ID:
	case FIELD_INTEGER:
		buf_printf(buf, "a whole number from %lld to %lld", (long long)field->min,
			   (long long)field->max);
		break;
	case FIELD_BOOL:
		buf_puts(buf, "true or false");
		break;
	case FIELD_ON_OFF:
		buf_puts(buf, "\"on\" or \"off\"");
		break;
	case FIELD_ENUM:
	case FIELD_CHOICE:
	case FIELD_PROTOCOL:
		add_words(field, buf);
		break;
	case FIELD_TIME:
		buf_puts(buf, "a time in UTC such as \"2026-01-31T12:00:00Z\"");
		break;
	case FIELD_NAME:
		buf_puts(buf, "a name");
		break;
	case FIELD_DEVICE:
		buf_puts(buf, "the name of a network device, such as \"eth0\"");
		break;
	case FIELD_COMMENT:
		buf_puts(buf, "a text");
		break;
	case FIELD_NEED:
		buf_puts(buf, "\"any\", \"all\" or a number of targets");
		break;
	case FIELD_ADDRESS:
		buf_puts(buf, "an address such as \"192.0.2.7\" or \"2001:db8::7\"");
		break;
	case FIELD_BACKEND:
		buf_puts(buf, "an address such as \"192.168.0.2\" or \"2001:db8::7\", or a suffix such as "
			      "\"::1:2:3:4/-64\"");
		break;
	case FIELD_SCHEDULE:
		buf_puts(buf, "a text such as \"mon-fri 08:00-22:00\"");
		break;
	case FIELD_NAMES:
		buf_puts(buf, "a list of names");
		break;
	case FIELD_DEVICES:
		buf_puts(buf, "a list of network devices, such as [\"eth0\"]");
		break;
	case FIELD_TARGETS:
		buf_puts(buf, "a list of addresses");
		break;
	case FIELD_PREFIXES:
		buf_puts(buf, "a list of prefixes, such as [\"192.0.2.0/24\"]");
		break;
	case FIELD_PORTS:
		buf_puts(buf, "ports from 1 to 65535, such as \"80\", \"8000-8100\" or \"80,443,8000-8100\"");
		break;
	case FIELD_PROTOCOLS:
		buf_puts(buf, "a list of protocols, such as [\"tcp\", \"udp\"]");
		break;
	case FIELD_OBJECT:
		buf_puts(buf, "an object");
		break;
	case FIELD_OBSERVED:
		break;
	}
	if ((field->flags & FIELD_NULLABLE) && field->type != FIELD_CHOICE)
		buf_puts(buf, ", or null");
}

static int fault_expected(const struct field *field, const char *path, struct err *err)
{
	struct buf buf;
	int r;

	buf_init(&buf, ERR_MESSAGE_MAX);
	buf_puts(&buf, "must be ");
	add_expected(field, &buf);
	r = err_field(err, path, "%s", buf_text(&buf));
	buf_done(&buf);
	return r;
}

/* --- single values --- */

static int find_word(const struct field *field, const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text || strlen(text) != json_string_length(value))
		return -1;
	for (unsigned i = 0; i < field->word_count; i++)
		if (field->words[i] && field->words[i][0] && strcmp(field->words[i], text) == 0)
			return (int)i;
	return -1;
}

static int word_decode(const struct field *field, void *object, const json_t *value, const char *path,
		       struct err *err)
{
	int word = find_word(field, value);

	if (word < 0)
		return fault_expected(field, path, err);
	*AT(object, field, unsigned) = (unsigned)word;
	return 0;
}

/* An address that a host can have; the reason otherwise. */
static int ip_decode(const json_t *value, struct ip *ret_ip, const char **ret_fault)
{
	const char *text = json_string_value(value);
	struct ip ip;

	*ret_fault = NULL;
	if (!text || strlen(text) != json_string_length(value))
		return -EINVAL;
	if (ip_parse(text, &ip) < 0) {
		if (strstr(text, "/-"))
			*ret_fault = "must be a whole address; only a forward's backend may be a suffix";
		else if (strchr(text, '%'))
			*ret_fault = "must be an address without a zone";
		else if (strchr(text, '/'))
			*ret_fault = "must be one address, without a prefix length";
		return -EINVAL;
	}
	if (ip_is_unspecified(&ip))
		*ret_fault = "must be a host's address, not the unspecified one";
	else if (ip_is_loopback(&ip))
		*ret_fault = "must be a host's address, not a loopback one";
	else if (ip_is_multicast(&ip))
		*ret_fault = "must be a host's address, not a multicast one";
	else if (!ip_is_host(&ip))
		*ret_fault = "must be a host's address, not a reserved or broadcast one";
	if (*ret_fault)
		return -EINVAL;
	*ret_ip = ip;
	return 0;
}

static int address_decode(const struct field *field, struct ip *ret_ip, const json_t *value, const char *path,
			  struct err *err)
{
	const char *fault;

	if (ip_decode(value, ret_ip, &fault) == 0)
		return 0;
	return fault ? err_field(err, path, "%s", fault) : fault_expected(field, path, err);
}

/* The router's own address in the LAN is as good: a forward may lead to it. */
static const char loopback_fault[] =
	"must not be a loopback address: the kernel drops what comes to one from "
	"outside; take the router's own address in the LAN instead";

static int backend_decode(const struct field *field, void *object, const json_t *value, const char *path,
			  struct err *err)
{
	const char *text = json_string_value(value), *fault;
	struct ip *ip = AT(object, field, struct ip);
	struct ip parsed;

	if (text && strlen(text) == json_string_length(value) && strstr(text, "/-")) {
		fault = suffix_parse(text, ip, (uint8_t *)object + field->bits_offset);
		return fault ? err_field(err, path, "%s", fault) : 0;
	}
	if (text && ip_parse(text, &parsed) == 0 && ip_is_loopback(&parsed))
		return err_field(err, path, "%s", loopback_fault);
	return address_decode(field, ip, value, path, err);
}

static int choice_decode(const struct field *field, void *object, const json_t *value, const char *path,
			 struct err *err)
{
	int word = find_word(field, value);

	for (unsigned i = 0; word < 0 && i < field->word_count; i++) {
		bool is_null = !field->words[i], is_address = field->words[i] && !field->words[i][0];

		if (is_null && json_is_null(value)) {
			word = (int)i;
		} else if (is_address && json_is_string(value)) {
			struct ip *ip = (struct ip *)(void *)((char *)object + field->address_offset);

			if (address_decode(field, ip, value, path, err) < 0)
				return -EINVAL;
			word = (int)i;
		}
	}
	if (word < 0)
		return fault_expected(field, path, err);
	*AT(object, field, unsigned) = (unsigned)word;
	return 0;
}

static int integer_decode(const struct field *field, void *object, const json_t *value, const char *path,
			  struct err *err)
{
	json_int_t number = json_integer_value(value);

	if ((field->flags & FIELD_NULLABLE) && json_is_null(value)) {
		*AT(object, field, int64_t) = -1;
		return 0;
	}
	if (!json_is_integer(value) || number < field->min || number > field->max)
		return fault_expected(field, path, err);
	if (field->type == FIELD_ID)
		*AT(object, field, uint32_t) = (uint32_t)number;
	else
		*AT(object, field, int64_t) = number;
	return 0;
}

static int time_decode(const struct field *field, void *object, const json_t *value, const char *path,
		       struct err *err)
{
	int64_t time;

	if ((field->flags & FIELD_NULLABLE) && json_is_null(value))
		return 0;
	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value) ||
	    time_parse(json_string_value(value), &time) < 0 || time == 0)
		return fault_expected(field, path, err);
	*AT(object, field, int64_t) = time;
	return 0;
}

static const char *text_fault(enum field_type type, const char *text, size_t length)
{
	switch (type) {
	case FIELD_NAME:
	case FIELD_NAMES:
		return name_fault(text, length);
	case FIELD_DEVICE:
	case FIELD_DEVICES:
		return device_fault(text, length);
	case FIELD_COMMENT:
		return comment_fault(text, length);
	case FIELD_TARGETS:
		/* More than this is checked together with the method. */
		return name_fault(text, length);
	default:
		return NULL;
	}
}

static int text_decode(const struct field *field, void *object, const json_t *value, const char *path,
		       struct err *err)
{
	const char *fault;
	char *copy;

	if ((field->flags & FIELD_NULLABLE) && json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return fault_expected(field, path, err);
	fault = text_fault(field->type, json_string_value(value), json_string_length(value));
	if (fault)
		return err_field(err, path, "%s", fault);
	copy = strdup(json_string_value(value));
	if (!copy)
		return err_memory(err);
	*AT(object, field, char *) = copy;
	return 0;
}

static int need_decode(const struct field *field, void *object, const json_t *value, const char *path,
		       struct err *err)
{
	const char *text = json_string_value(value);
	char number[8];

	if (json_is_integer(value) && json_integer_value(value) >= 1 &&
	    json_integer_value(value) <= LIST_MAX) {
		snprintf(number, sizeof(number), "%d", (int)json_integer_value(value));
		text = number;
	} else if (!text || strlen(text) != json_string_length(value)) {
		return fault_expected(field, path, err);
	} else if (strcmp(text, "any") != 0 && strcmp(text, "all") != 0) {
		/* One to three digits without a leading zero; held against the number of targets later. */
		size_t digits = strspn(text, "0123456789");

		if (digits == 0 || digits > 3 || text[digits] || text[0] == '0')
			return fault_expected(field, path, err);
	}
	*AT(object, field, char *) = strdup(text);
	return *AT(object, field, char *) ? 0 : err_memory(err);
}

static int ports_decode(const struct field *field, void *object, const json_t *value, const char *path,
			struct err *err)
{
	struct ports *ports = AT(object, field, struct ports);
	char number[8];

	if ((field->flags & FIELD_NULLABLE) && json_is_null(value))
		return 0;
	if (json_is_integer(value) && json_integer_value(value) >= 1 && json_integer_value(value) <= 65535) {
		snprintf(number, sizeof(number), "%d", (int)json_integer_value(value));
		return ports_parse(number, ports, path, err);
	}
	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
		return fault_expected(field, path, err);
	return ports_parse(json_string_value(value), ports, path, err);
}

static int schedule_decode(const struct field *field, void *object, const json_t *value, const char *path,
			   struct err *err)
{
	if ((field->flags & FIELD_NULLABLE) && json_is_null(value))
		return 0;
	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
		return fault_expected(field, path, err);
	return schedule_parse(json_string_value(value), AT(object, field, struct schedule), path, err);
}

/* --- lists: each decodes one entry, appends it, and counts it --- */

static int add_name(const struct field *field, void *object, const json_t *entry, const char *path,
		    struct err *err)
{
	struct names *names = AT(object, field, struct names);
	const char *text = json_string_value(entry), *fault;

	if (!text)
		return err_field(err, path, "must be a text");
	fault = text_fault(field->type, text, json_string_length(entry));
	if (fault)
		return err_field(err, path, "%s", fault);
	for (unsigned i = 0; i < names->count; i++)
		if (strcmp(names->items[i], text) == 0)
			return err_field(err, path, "\"%s\" must not be there twice", text);
	names->items[names->count] = strdup(text);
	if (!names->items[names->count])
		return err_memory(err);
	names->count++;
	return 0;
}

static int add_prefix(const struct field *field, void *object, const json_t *entry, const char *path,
		      struct err *err)
{
	struct prefixes *prefixes = AT(object, field, struct prefixes);
	const char *text = json_string_value(entry);
	char right[PREFIX_TEXT_MAX];
	struct prefix prefix;
	int r = -EINVAL;

	if (text && strlen(text) == json_string_length(entry))
		r = prefix_parse(text, &prefix);
	if (r == -ERANGE)
		return err_field(err, path, "host bits are set; did you mean \"%s\"?",
				 prefix_format(&prefix, right));
	if (r < 0)
		return err_field(err, path,
				 "must be a prefix such as \"192.0.2.0/24\" or \"2001:db8::/48\", or an "
				 "address");
	for (unsigned i = 0; i < prefixes->count; i++)
		if (prefix_compare(&prefixes->items[i], &prefix) == 0)
			return err_field(err, path, "\"%s\" must not be there twice",
					 prefix_format(&prefix, right));
	prefixes->items[prefixes->count++] = prefix;
	return 0;
}

static int add_protocol(const struct field *field, void *object, const json_t *entry, const char *path,
			struct err *err)
{
	struct protocols *protocols = AT(object, field, struct protocols);
	const char *text = json_string_value(entry);
	char name[8];
	int number = -1;

	if (text && strlen(text) == json_string_length(entry))
		number = protocol_parse(text);
	if (number < 0)
		return err_field(err, path,
				 "must be a protocol such as \"tcp\", \"udp\" or \"gre\", or its number as "
				 "a text, such as \"47\"");
	if (memchr(protocols->items, number, protocols->count))
		return err_field(err, path, "\"%s\" must not be there twice",
				 protocol_name((uint8_t)number, name));
	protocols->items[protocols->count++] = (uint8_t)number;
	return 0;
}

typedef int add_fn(const struct field *field, void *object, const json_t *entry, const char *path,
		   struct err *err);

/* `items` is the list's pointer, given room for all entries at once; the room is the list's even if one is wrong. */
static int list_decode(const struct field *field, void *object, void *items, size_t item_size, add_fn *add,
		       const json_t *value, const char *path, struct err *err)
{
	size_t count = json_array_size(value);
	char entry_path[ERR_PATH_MAX];
	void *room;
	int result = 0;

	if (!json_is_array(value))
		return fault_expected(field, path, err);
	if (count < (size_t)field->min)
		return err_field(err, path, "must have at least one entry");
	if (count > (size_t)field->max)
		return err_field(err, path, "must have at most %lld entries", (long long)field->max);
	if (count == 0)
		return 0;
	room = calloc(count, item_size);
	if (!room)
		return err_memory(err);
	memcpy(items, &room, sizeof(room));
	for (size_t i = 0; i < count; i++) {
		int r = add(field, object, json_array_get(value, i),
			    path_index(entry_path, path, (unsigned)i), err);

		if (r == -ENOMEM)
			return r;
		if (r < 0)
			result = r;
	}
	return result;
}

static int object_decode(const struct field *field, void *object, const json_t *value, const char *path,
			 struct err *err)
{
	void *member;

	if ((field->flags & FIELD_NULLABLE) && json_is_null(value))
		return 0;
	if (!json_is_object(value))
		return fault_expected(field, path, err);
	member = calloc(1, field->members->size);
	if (!member)
		return err_memory(err);
	*AT(object, field, void *) = member;
	return fields_decode(field->members, member, value, path, err);
}

int field_decode(const struct field *field, void *object, const json_t *value, const char *path,
		 struct err *err)
{
	switch (field->type) {
	case FIELD_BOOL:
		if (!json_is_boolean(value))
			return fault_expected(field, path, err);
		*AT(object, field, bool) = json_is_true(value);
		return 0;
	case FIELD_ON_OFF:
		if (!json_is_string(value) || (strcmp(json_string_value(value), "on") != 0 &&
					       strcmp(json_string_value(value), "off") != 0))
			return fault_expected(field, path, err);
		*AT(object, field, bool) = strcmp(json_string_value(value), "on") == 0;
		return 0;
	case FIELD_ENUM:
		return word_decode(field, object, value, path, err);
	case FIELD_ID:
	case FIELD_INTEGER:
		return integer_decode(field, object, value, path, err);
	case FIELD_TIME:
		return time_decode(field, object, value, path, err);
	case FIELD_NAME:
	case FIELD_DEVICE:
	case FIELD_COMMENT:
		return text_decode(field, object, value, path, err);
	case FIELD_NEED:
		return need_decode(field, object, value, path, err);
	case FIELD_ADDRESS:
		return address_decode(field, AT(object, field, struct ip), value, path, err);
	case FIELD_BACKEND:
		return backend_decode(field, object, value, path, err);
	case FIELD_CHOICE:
		return choice_decode(field, object, value, path, err);
	case FIELD_PROTOCOL:
		if ((field->flags & FIELD_NULLABLE) && json_is_null(value))
			return 0;
		if (find_word(field, value) < 0)
			return fault_expected(field, path, err);
		*AT(object, field, uint8_t) = (uint8_t)protocol_parse(json_string_value(value));
		return 0;
	case FIELD_NAMES:
	case FIELD_DEVICES:
	case FIELD_TARGETS:
		return list_decode(field, object, &AT(object, field, struct names)->items, sizeof(char *),
				   add_name, value, path, err);
	case FIELD_PREFIXES:
		return list_decode(field, object, &AT(object, field, struct prefixes)->items,
				   sizeof(struct prefix), add_prefix, value, path, err);
	case FIELD_PORTS:
		return ports_decode(field, object, value, path, err);
	case FIELD_SCHEDULE:
		return schedule_decode(field, object, value, path, err);
	case FIELD_PROTOCOLS:
		return list_decode(field, object, &AT(object, field, struct protocols)->items, 1,
				   add_protocol, value, path, err);
	case FIELD_OBJECT:
		return object_decode(field, object, value, path, err);
	case FIELD_OBSERVED:
		return 0;
	}
	return -EINVAL;
}

/* Zero is the default of most fields; parsing it again for each of ten thousand forwards would be felt. */
static bool default_is_zero(const struct field *field)
{
	if (strcmp(field->absent, "null") == 0) /* a number's null is not 0, and a choice's a word */
		return field->type != FIELD_INTEGER && field->type != FIELD_CHOICE;
	return strcmp(field->absent, "[]") == 0 || strcmp(field->absent, "false") == 0;
}

int field_decode_default(const struct field *field, void *object)
{
	struct err err;
	json_t *value;
	int r;

	if (!field->absent || default_is_zero(field))
		return 0;
	value = json_loads(field->absent, JSON_DECODE_ANY, NULL);
	if (!value)
		return -ENOMEM;
	err_clear(&err);
	r = field_decode(field, object, value, "", &err);
	json_decref(value);
	return r;
}

/* --- all fields of an object --- */

static int check_keys(const struct fields *fields, const json_t *json, const char *base, struct err *err)
{
	char path[ERR_PATH_MAX];
	const char *key;
	json_t *value;
	int result = 0;

	json_object_foreach((json_t *)json, key, value) if (!fields_find(fields, key))
		result = err_field(err, path_join(path, base, key), "there is no such field");
	return result;
}

int fields_decode(const struct fields *fields, void *object, const json_t *json, const char *base,
		  struct err *err)
{
	int result = check_keys(fields, json, base, err);

	for (unsigned i = 0; i < fields->count; i++) {
		const struct field *field = &fields->items[i];
		const json_t *value = json_object_get(json, field->name);
		char path[ERR_PATH_MAX];
		int r = 0;

		if (!field_is_kept(field))
			continue;
		if (value)
			r = field_decode(field, object, value, path_join(path, base, field->name), err);
		else if (field->flags & FIELD_REQUIRED)
			r = err_field(err, path_join(path, base, field->name), "is required");
		else if (field_decode_default(field, object) < 0)
			r = err_memory(err);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			result = r;
	}
	return result;
}
