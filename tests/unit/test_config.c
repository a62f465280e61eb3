/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects: every field right and wrong, by the table of fields. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model/schema.h"

static struct err err;

/* A valid object of each kind with every writable field given, none at its default but what `pinhole` has. */
static const char *const full[KIND_COUNT] = {
	[KIND_SETTINGS] =
		"{'firewall': 'beside', 'manage_sysctls': false, 'admin_from_uplinks': true,"
		" 'history_length': 10, 'language': 'zh', 'last_resort': 'unreachable', 'route_table_base': 30000,"
		" 'rule_preference_base': 6000}",
	[KIND_NETWORK] = "{'id': 7, 'name': 'lan', 'devices': ['br-lan', 'eth1.3'],"
			 " 'prefixes': ['10.8.0.0/24', '2001:db8:8::/48'], 'hairpin': 'off',"
			 " 'hairpin_source': 'external'}",
	[KIND_UPLINK] =
		"{'id': 7, 'name': 'isp1', 'enabled': false, 'device': 'eth0', 'gateway': '192.0.2.254',"
		" 'source_nat': '192.0.2.1', 'source_nat6': 'prefix', 'prefixes': ['2001:db8:1::/56'],"
		" 'weight': 3, 'tier': 2, 'sticky': true, 'sticky_timeout_s': 60, 'out_of_service': true,"
		" 'health': {'method': 'tcp', 'targets': ['198.51.100.1:443', '[2001:db8::1]:443'],"
		"  'need': '2', 'interval_ms': 500, 'timeout_ms': 900, 'down_after': 4, 'up_after': 5,"
		"  'window': 50, 'max_loss_percent': 10, 'max_latency_ms': 200}}",
	[KIND_FORWARD] =
		"{'id': 7, 'name': 'web \xc3\xa9', 'enabled': false, 'family': 'ipv6',"
		" 'protocols': ['udp', 'sctp'], 'uplinks': ['isp2', 'isp1'],"
		" 'external_ports': '443,80,8000-8100', 'internal_address': '2001:db8::2',"
		" 'internal_ports': '1443,1080,9000-9100', 'sources': ['2001:db8:1::/48', '2001:db8:2::7'],"
		" 'hairpin': false, 'backend_sees': 'router', 'comment': 'two\\nlines',"
		" 'expires_at': '2030-02-28T23:59:59Z', 'schedule': 'mon-fri 08:00-22:00, sat,sun 10:00-24:00',"
		" 'log': true, 'internal_network': null, 'pinhole': false}",
	[KIND_REDIRECT] = "{'id': 7, 'name': 'proxy', 'enabled': false, 'network': 'lan', 'protocol': 'udp',"
			  " 'port': 80, 'to_port': 8888, 'except': ['192.168.0.9']}",
	[KIND_SOURCE_NAT] = "{'id': 7, 'name': 'vpn', 'enabled': false, 'sources': ['10.8.0.0/24'],"
			    " 'uplink': 'isp1', 'address': '192.0.2.9'}",
	[KIND_POLICY] =
		"{'id': 7, 'name': 'voice', 'enabled': false, 'position': 3, 'sources': ['192.168.0.0/24'],"
		" 'destinations': ['203.0.113.0/24', '2001:db8::/32'], 'protocol': 'udp',"
		" 'ports': '5060,10000-20000', 'uplinks': ['isp2', 'isp1'], 'otherwise': 'unreachable'}",
};

static const char pinhole[] =
	"{'id': 7, 'name': 'open', 'internal_address': '::1:2:3:4/-64', 'pinhole': true,"
	" 'internal_network': 'lan', 'external_ports': '1-65535'}";

/* JSON with ' for ", which C's quotes make hard to read. */
static json_t *parse(const char *text)
{
	char *copy = strdup(text);
	json_error_t error;
	json_t *json;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	json = json_loads(copy, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (!json)
		fail_msg("%s: %s", copy, error.text);
	free(copy);
	return json;
}

static struct object *decode(enum kind kind, json_t *json)
{
	struct object *object = NULL;

	err_clear(&err);
	if (object_from_json(kind, json, "", true, &object, &err) < 0)
		assert_null(object);
	return object;
}

static struct object *make(enum kind kind, const char *text)
{
	json_t *json = parse(text);
	struct object *object = decode(kind, json);

	if (!object)
		fail_msg("%s: %s: %s", text, err.items[0].path, err.items[0].message);
	json_decref(json);
	return object;
}

/* Decodes, and wants exactly one fault: at the path, with the words in its message. */
static void wrong_json(enum kind kind, json_t *json, const char *path, const char *words)
{
	char *text = json_dumps(json, 0);

	if (decode(kind, json))
		fail_msg("%s is taken", text);
	assert_int_equal(err.kind, ERR_INVALID);
	if (err.count != 1 || strcmp(err.items[0].path, path) != 0 || !strstr(err.items[0].message, words))
		fail_msg("%s: %u faults, first at \"%s\": \"%s\"; not at \"%s\": \"%s\"", text, err.count,
			 err.items[0].path, err.items[0].message, path, words);
	free(text);
}

static void wrong(enum kind kind, const char *text, const char *path, const char *words)
{
	json_t *json = parse(text);

	wrong_json(kind, json, path, words);
	json_decref(json);
}

/* `field` of the full object set to `value` is wrong. */
static void wrong_value(enum kind kind, const char *field, const char *value, const char *path,
			const char *words)
{
	json_t *json = parse(full[kind]);

	json_object_set_new(json, field, parse(value));
	wrong_json(kind, json, path, words);
	json_decref(json);
}

static struct object *with_value(enum kind kind, const char *field, const char *value)
{
	json_t *json = parse(full[kind]);
	struct object *object;

	json_object_set_new(json, field, parse(value));
	object = decode(kind, json);
	if (!object)
		fail_msg("%s %s: %s: %s", field, value, err.items[0].path, err.items[0].message);
	json_decref(json);
	return object;
}

/* The field set to `value` reads back as `shown`. */
static void right_value(enum kind kind, const char *field, const char *value, const char *shown)
{
	struct object *object = with_value(kind, field, value);
	json_t *json = object_to_json(object), *want = parse(shown);
	char *got = json_dumps(json_object_get(json, field), JSON_ENCODE_ANY);

	if (!json_equal(json_object_get(json, field), want))
		fail_msg("%s %s gives %s, not %s", field, value, got, shown);
	free(got);
	json_decref(want);
	json_decref(json);
	object_unref(object);
}

static void test_round_trip(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		json_t *given = parse(full[kind]), *got;
		struct object *object = make(kind, full[kind]), *again;

		got = object_to_json(object);
		if (!json_equal(given, got))
			fail_msg("%s", json_dumps(got, 0));
		again = decode(kind, got);
		assert_non_null(again);
		assert_true(object_equal(object, again));
		assert_int_equal(object->id, kind == KIND_SETTINGS ? 0 : 7);
		object_unref(object);
		object_unref(again);
		json_decref(given);
		json_decref(got);
	}
}

/* The table is whole: the full objects above name every writable field, and each has a help text. */
static void test_table(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		const struct schema *schema = schema_of(kind);
		json_t *json = parse(full[kind]);

		assert_int_equal(schema->kind, kind);
		assert_string_equal(kind_name(kind), schema->name);
		assert_ptr_equal(fields_find(&schema->fields, "no such"), NULL);
		for (unsigned i = 0; i < schema->fields.count; i++) {
			const struct field *field = &schema->fields.items[i];

			assert_ptr_equal(fields_find(&schema->fields, field->name), field);
			assert_true(field->help[strlen(field->help) - 1] == '.');
			if (!field_is_kept(field))
				continue;
			assert_non_null(json_object_get(json, field->name));
			/* A default or required, never both. */
			assert_true((field->absent != NULL) != ((field->flags & FIELD_REQUIRED) != 0));
			assert_true(field->offset < schema->fields.size);
		}
		json_decref(json);
	}
}

static size_t field_size(const struct field *field)
{
	switch (field->type) {
	case FIELD_PREFIXES:
	case FIELD_PORTS:
	case FIELD_PROTOCOLS:
	case FIELD_SCHEDULE:
	case FIELD_NAMES:
	case FIELD_DEVICES:
		return sizeof(struct names);
	case FIELD_OBJECT:
	case FIELD_COMMENT:
	case FIELD_NAME:
		return sizeof(void *);
	case FIELD_TIME:
		return sizeof(int64_t);
	default:
		return 1;
	}
}

/* Whether the object differs from itself with the field at its default. */
static bool sees(enum kind kind, const char *text, const struct field *field)
{
	struct object *object = make(kind, text), *other = make(kind, text);
	bool seen;

	if (!other->packed)
		field_free(field, other);
	memset((char *)other + field->offset, 0, field_size(field));
	assert_int_equal(field_decode_default(field, other), 0);
	seen = !object_equal(object, other);
	if (other->packed) /* what came by the default is no part of the block */
		field_free(field, other);
	object_unref(other);
	object_unref(object);
	return seen;
}

/* An object in which the field has no default. */
static const char *example(enum kind kind, const struct field *field)
{
	bool of_pinhole = strcmp(field->name, "pinhole") == 0 || strcmp(field->name, "internal_network") == 0;

	return kind == KIND_FORWARD && of_pinhole ? pinhole : full[kind];
}

/* Each field differs from its default in its example, so equality must see each of them. */
static void test_equality_sees_every_field(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		const struct fields *fields = &schema_of(kind)->fields;

		for (unsigned i = 0; i < fields->count; i++) {
			const struct field *field = &fields->items[i];

			if (field_is_kept(field) && field->absent && !sees(kind, example(kind, field), field))
				fail_msg("%s: %s is not compared", kind_name(kind), field->name);
		}
	}
}

static const char *const wrong_types[] = { "null",      "true", "0",   "-1",     "1.5",  "''", "'\xc2\x85'",
					   "'a b/c:d'", "[]",   "[1]", "[null]", "['']", "{}", "{'x': 1}" };

/* Every field refuses what is not of its type, at its own path and with words. */
static void test_wrong_types(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		const struct fields *fields = &schema_of(kind)->fields;

		for (unsigned i = 0; i < fields->count; i++) {
			const struct field *field = &fields->items[i];
			unsigned refused = 0;

			if (!field_is_kept(field))
				continue;
			for (unsigned t = 0; t < sizeof(wrong_types) / sizeof(wrong_types[0]); t++) {
				json_t *json = parse(example(kind, field));
				char path[ERR_PATH_MAX];
				struct object *object;

				json_object_set_new(json, field->name, parse(wrong_types[t]));
				object = decode(kind, json);
				json_decref(json);
				if (object) {
					object_unref(object);
					continue;
				}
				refused++;
				path_join(path, "", field->name);
				assert_true(err.count >= 1);
				if (strcmp(wrong_types[t], "null") != 0)
					assert_int_equal(strncmp(err.items[0].path, path, strlen(path)), 0);
				assert_true(strlen(err.items[0].message) > 10);
			}
			/* No field takes more than a few of them. */
			if (refused < sizeof(wrong_types) / sizeof(wrong_types[0]) - 4)
				fail_msg("%s: %s takes too much", kind_name(kind), field->name);
		}
	}
}

static void test_ranges(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		const struct fields *fields = &schema_of(kind)->fields;

		for (unsigned i = 0; i < fields->count; i++) {
			const struct field *field = &fields->items[i];
			char value[32], path[ERR_PATH_MAX], words[80];

			if (field->type != FIELD_INTEGER)
				continue;
			path_join(path, "", field->name);
			snprintf(words, sizeof(words), "must be a whole number from %lld to %lld",
				 (long long)field->min, (long long)field->max);
			snprintf(value, sizeof(value), "%lld", (long long)field->min - 1);
			wrong_value(kind, field->name, value, path, words);
			snprintf(value, sizeof(value), "%lld", (long long)field->max + 1);
			wrong_value(kind, field->name, value, path, words);
			wrong_value(kind, field->name, "9223372036854775807", path, words);
			snprintf(value, sizeof(value), "%lld", (long long)field->min);
			right_value(kind, field->name, value, value);
			snprintf(value, sizeof(value), "%lld", (long long)field->max);
			right_value(kind, field->name, value, value);
		}
	}
}

static void test_defaults_and_required(void **state)
{
	struct object *object;
	json_t *json, *want;

	(void)state;
	wrong(KIND_NETWORK, "{}", "/name", "is required");
	wrong(KIND_UPLINK, "{'name': 'a'}", "/device", "is required");
	wrong(KIND_SOURCE_NAT, "{'name': 'a', 'uplink': 'u', 'sources': ['10.0.0.0/8']}", "/address",
	      "is required");
	wrong(KIND_FORWARD, "{'name': 'a', 'internal_address': '192.0.2.1'}", "/external_ports",
	      "must be ports, because tcp has ports");
	wrong(KIND_FORWARD, "[]", "", "must be an object");
	object_unref(
		make(KIND_FORWARD, "{'name': 'a', 'protocols': ['gre'], 'internal_address': '192.0.2.1'}"));

	object = make(KIND_FORWARD,
		      "{'name': 'web', 'internal_address': '192.168.0.2', 'external_ports': 80}");
	json = object_to_json(object);
	want = parse(
		"{'id': 0, 'name': 'web', 'enabled': true, 'family': 'ipv4', 'protocols': ['tcp'], 'uplinks': [],"
		" 'external_ports': '80', 'internal_address': '192.168.0.2', 'internal_ports': null,"
		" 'sources': [], 'hairpin': true, 'backend_sees': 'client', 'comment': '', 'expires_at': null,"
		" 'schedule': null, 'log': false, 'internal_network': null, 'pinhole': false}");
	assert_true(json_equal(json, want));
	json_decref(json);
	json_decref(want);
	object_unref(object);

	object = make(KIND_UPLINK,
		      "{'name': 'isp1', 'device': 'eth0', 'health': {'targets': ['192.0.2.1']}}");
	json = object_to_json(object);
	want = parse(
		"{'id': 0, 'name': 'isp1', 'enabled': true, 'device': 'eth0', 'gateway': 'auto',"
		" 'source_nat': 'masquerade', 'source_nat6': 'none', 'prefixes': [], 'weight': 1,"
		" 'tier': 1, 'sticky': false, 'sticky_timeout_s': 600, 'out_of_service': false, 'health':"
		" {'method': 'icmp', 'targets': ['192.0.2.1'], 'need': 'any', 'interval_ms': 1000,"
		"  'timeout_ms': 1000, 'down_after': 2, 'up_after': 3, 'window': 20, 'max_loss_percent': null,"
		"  'max_latency_ms': null}}");
	assert_true(json_equal(json, want));
	json_decref(json);
	json_decref(want);
	object_unref(object);

	/* The family follows from the address, if nobody says it. */
	object = make(KIND_FORWARD,
		      "{'name': 'web', 'internal_address': '2001:db8::2', 'external_ports': 80}");
	assert_int_equal(((struct forward *)object)->family, FAMILY_IPV6);
	object_unref(object);
}

static void test_read_only_and_unknown(void **state)
{
	struct object *object;
	json_t *json;

	(void)state;
	object = with_value(KIND_FORWARD, "counters", "{'connections': 3}");
	object_unref(object);
	object = with_value(KIND_FORWARD, "state", "17");
	object_unref(object);
	object = with_value(KIND_SETTINGS, "warnings", "[]");
	object_unref(object);
	json = parse(full[KIND_FORWARD]);
	err_clear(&err);
	assert_int_equal(object_from_json(KIND_FORWARD, json, "", false, &object, &err), 0);
	assert_int_equal(object->id, 0);
	object_unref(object);
	json_decref(json);

	wrong_value(KIND_NETWORK, "counters", "{}", "/counters", "no such field");
	wrong_value(KIND_NETWORK, "a/b~c", "1", "/a~1b~0c", "no such field");
	wrong_value(KIND_UPLINK, "id", "64", "/id", "from 1 to 63");
	wrong_value(KIND_UPLINK, "id", "0", "/id", "from 1 to 63");
	wrong_value(KIND_FORWARD, "id", "'1'", "/id", "whole number");
	wrong_value(KIND_UPLINK, "health", "{'targets': ['192.0.2.1'], 'x': 1}", "/health/x",
		    "no such field");
	wrong_value(KIND_UPLINK, "health", "{}", "/health/targets", "is required");

	/* An endless key does not harm. */
	char *key = malloc(100000);

	memset(key, 'k', 99999);
	key[99999] = '\0';
	json = parse(full[KIND_FORWARD]);
	json_object_set_new(json, key, json_true());
	wrong_json(KIND_FORWARD, json, "/", "no such field");
	json_decref(json);
	free(key);
}

static void test_several_faults(void **state)
{
	json_t *json = parse(
		"{'name': '', 'protocols': ['tcp', 'xyz', 'tcp'], 'external_ports': '0',"
		" 'internal_address': 'here', 'sources': ['10.0.0.1/8', 7], 'hairpin': 1, 'more': 1}");
	static const char *const paths[] = { "/more",        "/name",           "/protocols/1",
					     "/protocols/2", "/external_ports", "/internal_address",
					     "/sources/0",   "/sources/1",      "/hairpin" };

	(void)state;
	assert_null(decode(KIND_FORWARD, json));
	assert_int_equal(err.count, 9);
	for (unsigned i = 0; i < 9; i++)
		assert_string_equal(err.items[i].path, paths[i]);
	assert_string_equal(err.items[6].message, "host bits are set; did you mean \"10.0.0.0/8\"?");
	json_decref(json);

	/* More than fit are dropped, and below a base the paths begin with it. */
	json = parse("{}");
	for (unsigned i = 0; i < 100; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%u", i);
		json_object_set_new(json, key, json_null());
	}
	err_clear(&err);

	struct object *object;

	assert_int_equal(object_from_json(KIND_FORWARD, json, "/forwards/3", true, &object, &err), -EINVAL);
	assert_int_equal(err.count, ERR_ITEMS_MAX);
	assert_string_equal(err.items[0].path, "/forwards/3/k0");
	json_decref(json);
}

static void test_names(void **state)
{
	static const char *const texts[][2] = {
		{ "''", "must not be empty" },
		{ "' a'", "space" },
		{ "'a '", "space" },
		{ "'a\\\"b'", "'\"'" },
		{ "'a\\\\b'", "'\\'" },
		{ "'a\\u0000b'", "control" },
		{ "'a\\nb'", "control" },
		{ "'a\\u0085b'", "control" },
		{ "'a\\u007fb'", "control" },
		{ "'12345678901234567890123456789012345678901234567890123456789012345'", "at most 64 bytes" },
		/* 33 letters, 66 bytes */
		{ "'\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9"
		  "\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9"
		  "\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9'",
		  "at most 64 bytes" },
		{ "17", "must be a name" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		wrong_value(KIND_NETWORK, "name", texts[i][0], "/name", texts[i][1]);
		wrong_value(KIND_REDIRECT, "network", texts[i][0], "/network", texts[i][1]);
	}
	right_value(KIND_NETWORK, "name", "'a'", "'a'");
	right_value(KIND_NETWORK, "name", "'\\u7f51\\u7edc 1'", "'\\u7f51\\u7edc 1'");
	right_value(KIND_NETWORK, "name",
		    "'1234567890123456789012345678901234567890123456789012345678901234'",
		    "'1234567890123456789012345678901234567890123456789012345678901234'");
	wrong_value(KIND_FORWARD, "uplinks", "['a', 'b', 'a']", "/uplinks/2", "twice");
	wrong_value(KIND_FORWARD, "uplinks", "[7]", "/uplinks/0", "must be a text");
	wrong_value(KIND_FORWARD, "comment", "'a\\tb'", "/comment", "line breaks");
	wrong_value(KIND_FORWARD, "comment", "'a\\u0000b'", "/comment", "line breaks");
	wrong_value(KIND_FORWARD, "comment", "'a\\u009fb'", "/comment", "line breaks");
	right_value(KIND_FORWARD, "comment", "' \\\"\\\\ '", "' \\\"\\\\ '");

	json_t *json = parse(full[KIND_FORWARD]), *many = json_array();
	char text[COMMENT_MAX_BYTES + 2];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	json_object_set_new(json, "comment", json_string(text));
	wrong_json(KIND_FORWARD, json, "/comment", "at most 512 bytes");
	json_object_set_new(json, "comment", json_string(text + 1));
	for (unsigned i = 0; i < LIST_MAX + 1; i++)
		json_array_append_new(many, json_sprintf("u%u", i));
	json_object_set_new(json, "uplinks", many);
	wrong_json(KIND_FORWARD, json, "/uplinks", "at most 256 entries");
	json_decref(json);
}

static void test_devices(void **state)
{
	static const char *const devices[] = {
		"''",      "'.'",    "'..'",       "'a/b'",   "'a b'", "'eth0:1'", "'1234567890123456'",
		"'a\\nb'", "'eth*'", "'a\\u0000'", "'a\\\"'", "null",  "3"
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		wrong_value(KIND_UPLINK, "device", devices[i], "/device", "network device");
	right_value(KIND_UPLINK, "device", "'123456789012345'", "'123456789012345'");
	wrong_value(KIND_NETWORK, "devices", "['br-lan', 'a b']", "/devices/1", "network device");
	wrong_value(KIND_NETWORK, "devices", "['br-lan', 'br-lan']", "/devices/1", "twice");
	wrong_value(KIND_NETWORK, "devices", "'br-lan'", "/devices", "list");
}

static void test_ports(void **state)
{
	static const char *const values[][2] = {
		{ "''", "ports from 1 to 65535" },
		{ "'0'", "1 to 65535" },
		{ "'65536'", "1 to 65535" },
		{ "'99999999999999999999'", "1 to 65535" },
		{ "'-1'", "1 to 65535" },
		{ "'80,'", "1 to 65535" },
		{ "',80'", "1 to 65535" },
		{ "'80-'", "1 to 65535" },
		{ "'80--90'", "1 to 65535" },
		{ "'80;90'", "1 to 65535" },
		{ "'80 90'", "1 to 65535" },
		{ "'http'", "1 to 65535" },
		{ "'80\\u0000'", "1 to 65535" },
		{ "'0x50'", "1 to 65535" },
		{ "'0080'", "1 to 65535" },
		{ "'80-090'", "1 to 65535" },
		{ "'1-2-3'", "1 to 65535" },
		{ "0", "1 to 65535" },
		{ "65536", "1 to 65535" },
		{ "80.0", "1 to 65535" },
		{ "['80']", "1 to 65535" },
		{ "'90-80'", "\"80-90\"" },
		{ "'80,80'", "port 80 is there twice" },
		{ "'80-90,85'", "port 85 is there twice" },
		{ "'85,80-90'", "port 85 is there twice" },
		{ "'80-90,90-95'", "port 90 is there twice" },
	};
	char many[LIST_MAX * 8] = "'";

	(void)state;
	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		wrong_value(KIND_FORWARD, "external_ports", values[i][0], "/external_ports", values[i][1]);
		wrong_value(KIND_FORWARD, "internal_ports", values[i][0], "/internal_ports", values[i][1]);
	}
	for (unsigned i = 0; i <= LIST_MAX; i++)
		sprintf(many + strlen(many), "%u,", 1 + 2 * i);
	many[strlen(many) - 1] = '\'';
	wrong_value(KIND_FORWARD, "internal_ports", many, "/internal_ports", "at most 256");

	struct {
		const char *given, *shown;
	} good[] = {
		{ "80", "'80'" },
		{ "'80'", "'80'" },
		{ "'65535'", "'65535'" },
		{ "'1-1'", "'1'" },
		{ "' 443 , 80 - 82 '", "'443,80-82'" },
		{ "'443,80,8000-8100'", "'443,80,8000-8100'" },
		{ "'80,81'", "'80,81'" },
		{ "'1-65535'", "'1-65535'" },
	};

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		json_t *json = parse("{'name': 'a', 'internal_address': '192.0.2.1'}"),
		       *want = parse(good[i].shown), *got;
		struct object *object;

		json_object_set_new(json, "external_ports", parse(good[i].given));
		object = decode(KIND_FORWARD, json);
		assert_non_null(object);
		got = object_to_json(object);
		assert_true(json_equal(json_object_get(got, "external_ports"), want));
		object_unref(object);
		json_decref(got);
		json_decref(json);
		json_decref(want);
	}

	/* As many inside as outside. */
	wrong_value(KIND_FORWARD, "internal_ports", "'9000'", "/internal_ports", "103, not 1");
	wrong_value(KIND_FORWARD, "internal_ports", "'9000-9103'", "/internal_ports", "103, not 104");
	right_value(KIND_FORWARD, "internal_ports", "'9000-9102'", "'9000-9102'");
	right_value(KIND_FORWARD, "internal_ports", "null", "null");
	wrong_value(KIND_FORWARD, "external_ports", "null", "/external_ports", "because udp has ports");
}

static void test_protocols(void **state)
{
	(void)state;
	right_value(KIND_FORWARD, "protocols", "['6', '17', 'dccp', 'udplite']",
		    "['tcp', 'udp', 'dccp', 'udplite']");
	wrong_value(KIND_FORWARD, "protocols", "[]", "/protocols", "at least one");
	wrong_value(KIND_FORWARD, "protocols", "'tcp'", "/protocols", "list of protocols");
	wrong_value(KIND_FORWARD, "protocols", "['TCP']", "/protocols/0", "must be a protocol");
	wrong_value(KIND_FORWARD, "protocols", "['255']", "/protocols/0", "must be a protocol");
	wrong_value(KIND_FORWARD, "protocols", "['6x']", "/protocols/0", "must be a protocol");
	wrong_value(KIND_FORWARD, "protocols", "['06']", "/protocols/0", "must be a protocol");
	wrong_value(KIND_FORWARD, "protocols", "[6]", "/protocols/0", "must be a protocol");
	wrong_value(KIND_FORWARD, "protocols", "['tcp', '6']", "/protocols/1", "twice");
	wrong_value(KIND_FORWARD, "protocols", "['tcp', 'gre']", "/protocols/1", "gre has no ports");

	static const char gre[] = "{'name': 'a', 'internal_address': '192.0.2.1', 'protocols': ['gre', '99'],"
				  " 'external_ports': null}";
	struct object *object = make(KIND_FORWARD, gre);
	json_t *json = object_to_json(object), *want = parse("['gre', '99']");

	assert_true(json_equal(json_object_get(json, "protocols"), want));
	assert_true(json_is_null(json_object_get(json, "external_ports")));
	json_decref(want);
	json_decref(json);
	object_unref(object);
	wrong(KIND_FORWARD,
	      "{'name': 'a', 'internal_address': '192.0.2.1', 'protocols': ['gre'], 'external_ports': 1}",
	      "/external_ports", "because gre has no ports");
	wrong(KIND_FORWARD,
	      "{'name': 'a', 'internal_address': '192.0.2.1', 'protocols': ['gre', 'udp'],"
	      " 'external_ports': null}",
	      "/protocols/1", "udp has ports");
	wrong(KIND_FORWARD,
	      "{'name': 'a', 'internal_address': '192.0.2.1', 'protocols': ['esp'], 'external_ports': null,"
	      " 'internal_ports': '80'}",
	      "/internal_ports", "because esp has no ports");
	wrong(KIND_FORWARD,
	      "{'name': 'a', 'internal_address': '192.0.2.1', 'protocols': ['icmp'],"
	      " 'external_ports': null}",
	      "/protocols/0", "ICMP cannot be forwarded");
	wrong(KIND_FORWARD,
	      "{'name': 'a', 'internal_address': '192.0.2.1', 'protocols': ['44'],"
	      " 'external_ports': null}",
	      "/protocols/0", "extension header");
	wrong_value(KIND_REDIRECT, "protocol", "'sctp'", "/protocol", "\"tcp\" or \"udp\"");

	/* Every number survives its way through text. */
	for (unsigned number = 0; number < 255; number++) {
		char text[8];

		assert_int_equal(protocol_parse(protocol_name((uint8_t)number, text)), number);
	}
	assert_true(protocol_has_ports(132));
	assert_false(protocol_has_ports(47));
}

static void test_suffixes(void **state)
{
	static const char *const bad[][2] = {
		{ "'::1/-0'", "must be an IPv6 suffix" },
		{ "'::1/-064'", "must be an IPv6 suffix" },
		{ "'::1/-'", "must be an IPv6 suffix" },
		{ "'::1/-x'", "must be an IPv6 suffix" },
		{ "'::1/-64x'", "must be an IPv6 suffix" },
		{ "'::1/-1000'", "must be an IPv6 suffix" },
		{ "'::1/--64'", "must be an IPv6 suffix" },
		{ "'/-64'", "must be an IPv6 suffix" },
		{ "'0.0.0.1/-8'", "must be an IPv6 suffix" },
		{ "'::1%eth0/-64'", "must be an IPv6 suffix" },
		{ "'::1/64/-64'", "must be an IPv6 suffix" },
		{ "'::1/-128'", "-1 to -127" },
		{ "'::/-64'", "must not be all zeros" },
		{ "'2001:db8::1:2:3:4/-64'", "must have zeros before the bits that are kept" },
		{ "'::1:0:0:0:0/-64'", "must have zeros before" },
		{ "'::2/-1'", "must have zeros before" },
	};
	static const char *const good[][2] = {
		{ "'::1:2:3:4/-64'", "'::1:2:3:4/-64'" },
		{ "'0:0:0:0:1:2:3:4/-64'", "'::1:2:3:4/-64'" },
		{ "'::1/-1'", "'::1/-1'" },
		{ "'::1/-64'", "'::1/-64'" },
		{ "'::1:2/-64'", "'::1:2/-64'" }, /* no IPv4 address */
		{ "'::192.0.2.1/-32'", "'::c000:201/-32'" },
		{ "'::ffff:1:2/-48'", "'::ffff:1:2/-48'" },
		{ "'::2:0:0:1/-64'", "'::2:0:0:1/-64'" },
		{ "'7FFF:ffff:ffff:ffff:ffff:ffff:ffff:ffff/-127'",
		  "'7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/-127'" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		wrong_value(KIND_FORWARD, "internal_address", bad[i][0], "/internal_address", bad[i][1]);
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		right_value(KIND_FORWARD, "internal_address", good[i][0], good[i][1]);
	wrong_value(KIND_SOURCE_NAT, "address", "'::1/-64'", "/address", "must be a whole address");
	wrong_value(KIND_FORWARD, "internal_network", "'lan'", "/internal_network", "must be null");

	/* The family follows from a suffix, too. */
	struct object *object = make(KIND_FORWARD, pinhole);

	assert_int_equal(((struct forward *)object)->family, FAMILY_IPV6);
	assert_int_equal(((struct forward *)object)->suffix_bits, 64);
	object_unref(object);
	wrong(KIND_FORWARD,
	      "{'name': 'a', 'family': 'ipv4', 'internal_address': '::1/-64', 'external_ports': '80'}",
	      "/internal_address", "must be an IPv4 address");
}

static void test_schedules(void **state)
{
	static const char *const bad[] = {
		"''",
		"' '",
		"'mon'",
		"'08:00-22:00'",
		"'mon08:00-22:00'",
		"'mon 08:00'",
		"'mon 08:00-'",
		"'mon 8-22'",
		"'mon 08:0-22:00'",
		"'mon 008:00-22:00'",
		"'mon 08:60-22:00'",
		"'mon 25:00-26:00'",
		"'mon 08:00-24:01'",
		"'mon 24:00-08:00'",
		"'monday 08:00-22:00'",
		"'mon- 08:00-22:00'",
		"'mon-fri-sun 08:00-22:00'",
		"'mon,, 08:00-22:00'",
		"'mon, 08:00-22:00'",
		"',mon 08:00-22:00'",
		"'mon 08:00-22:00,'",
		"'mon 08:00-22:00, '",
		"'mon 08:00-22:00; tue 08:00-22:00'",
		"'mon 08:00-22:00 tue 08:00-22:00'",
		"'mo 08:00-22:00'",
		"'daily,mon 08:00-22:00'",
		"'mon 08:00 - 22:00'",
		"'mon 08:00-22:00\\u0000'",
		"'mon -8:00-22:00'",
		"7",
		"true",
		"['mon 08:00-22:00']",
	};
	static const char *const good[][2] = {
		{ "'mon-fri 08:00-22:00'", "'mon-fri 08:00-22:00'" },
		{ "'MON-Fri 8:00-22:00'", "'mon-fri 08:00-22:00'" },
		{ "'mon,tue,wed,thu,fri 08:00-22:00, sun,sat 10:00-00:00'",
		  "'mon-fri 08:00-22:00, sat,sun 10:00-24:00'" },
		{ "' mon  08:00-22:00 ,tue 00:00-24:00 '", "'mon 08:00-22:00, tue 00:00-24:00'" },
		{ "'fri-mon 22:00-06:00'", "'mon,fri-sun 22:00-06:00'" },
		{ "'mon-sun 08:00-08:00'", "'daily 08:00-08:00'" },
		{ "'sun-sat 00:00-00:00'", "'daily 00:00-24:00'" },
		{ "'Daily 23:59-00:01'", "'daily 23:59-00:01'" },
		{ "'mon,wed,fri,sun 01:02-03:04'", "'mon,wed,fri,sun 01:02-03:04'" },
		{ "'mon-tue,thu-fri 01:02-03:04'", "'mon,tue,thu,fri 01:02-03:04'" },
		{ "'mon, wed 01:02-03:04'", "'mon,wed 01:02-03:04'" },
		{ "'sun-sun 01:02-03:04'", "'sun 01:02-03:04'" },
		{ "null", "null" },
	};
	char many[600] = "'";

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		wrong_value(KIND_FORWARD, "schedule", bad[i], "/schedule", "\"mon-fri 08:00-22:00\"");
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		right_value(KIND_FORWARD, "schedule", good[i][0], good[i][1]);
		right_value(KIND_FORWARD, "schedule", good[i][1], good[i][1]);
	}
	for (unsigned i = 0; i < SCHEDULE_WINDOWS_MAX; i++)
		strcat(many, i ? ", mon,tue,thu,fri,sun 01:02-03:04" : "mon,tue,thu,fri,sun 01:02-03:04");
	strcat(many, "'");
	right_value(KIND_FORWARD, "schedule", many, many);
	many[strlen(many) - 1] = '\0';
	strcat(many, ", mon 01:02-03:04'");
	wrong_value(KIND_FORWARD, "schedule", many, "/schedule", "at most 16 windows");
}

static void wrong_pinhole(const char *field, const char *value, const char *path, const char *words)
{
	json_t *json = parse(pinhole);

	json_object_set_new(json, field, parse(value));
	wrong_json(KIND_FORWARD, json, path, words);
	json_decref(json);
}

static void test_pinholes(void **state)
{
	struct object *object;

	(void)state;
	wrong_pinhole("internal_ports", "'2-65535,1'", "/internal_ports", "a pinhole translates nothing");
	wrong_pinhole("backend_sees", "'router'", "/backend_sees", "must be \"client\"");
	object = make(KIND_FORWARD, "{'name': 'a', 'internal_address': '203.0.113.7', 'pinhole': true,"
				    " 'external_ports': '80-90', 'internal_ports': '80,81-90'}");
	object_unref(object);
	object = make(KIND_FORWARD, "{'name': 'a', 'internal_address': '2001:db8::7', 'pinhole': true,"
				    " 'protocols': ['esp'], 'external_ports': null}");
	object_unref(object);
}

/* What leads to other ports is one element each; the rest of a forward's ports have no limit. */
static void test_shifted_ports(void **state)
{
	struct object *object;

	(void)state;
	object = make(KIND_FORWARD,
		      "{'name': 'a', 'internal_address': '192.0.2.1', 'external_ports': '1-65535'}");
	object_unref(object);
	object = make(KIND_FORWARD, "{'name': 'a', 'internal_address': '192.0.2.1',"
				    " 'external_ports': '1-10000,20000-24095',"
				    " 'internal_ports': '1-10000,30000-34095'}");
	object_unref(object);
	wrong(KIND_FORWARD,
	      "{'name': 'a', 'internal_address': '192.0.2.1', 'external_ports': '1-10000,20000-24096',"
	      " 'internal_ports': '1-10000,30000-34096'}",
	      "/internal_ports", "at most 4096 ports to others, not 4097");
}

static void test_pieces(void **state)
{
	static const struct port_piece want[] = {
		{ 443, 443, 1 }, { 80, 81, 1 }, { 8000, 8000, 11 }, { 8011, 9000, 90 }, { 8101, 7, 1 },
	};
	struct object *object = make(KIND_FORWARD, "{'name': 'a', 'internal_address': '192.0.2.1',"
						   " 'external_ports': '443,80,8000-8101',"
						   " 'internal_ports': '443,81,8000-8010,9000-9089,7'}");
	const struct forward *forward = (const struct forward *)object;
	struct piece_walk walk = { 0 };
	struct port_piece piece;

	(void)state;
	for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_true(forward_next_piece(forward, &walk, &piece));
		assert_int_equal(piece.external, want[i].external);
		assert_int_equal(piece.internal, want[i].internal);
		assert_int_equal(piece.count, want[i].count);
	}
	assert_false(forward_next_piece(forward, &walk, &piece));
	object_unref(object);

	walk = (struct piece_walk){ 0 };
	object = make(KIND_FORWARD, "{'name': 'a', 'internal_address': '192.0.2.1', 'protocols': ['gre'],"
				    " 'external_ports': null}");
	assert_false(forward_next_piece((const struct forward *)object, &walk, &piece));
	object_unref(object);
}

static void test_addresses(void **state)
{
	static const char *const bad[][2] = {
		{ "'192.168.0.256'", "must be an address" },
		{ "'192.168.0'", "must be an address" },
		{ "'2001:db8::g'", "must be an address" },
		{ "''", "must be an address" },
		{ "'192.0.2.1\\u0000'", "must be an address" },
		{ "7", "must be an address" },
		{ "'192.0.2.0/24'", "without a prefix length" },
		{ "'fe80::1%eth0'", "without a zone" },
		{ "'0.0.0.0'", "unspecified" },
		{ "'::'", "unspecified" },
		{ "'127.0.0.1'", "loopback" },
		{ "'::1'", "loopback" },
		{ "'224.0.0.1'", "multicast" },
		{ "'ff02::1'", "multicast" },
		{ "'255.255.255.255'", "reserved or broadcast" },
		{ "'240.0.0.1'", "reserved or broadcast" },
		{ "'0.1.2.3'", "reserved or broadcast" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bool text = bad[i][0][0] == '\'' && strncmp(bad[i][1], "must be an", 10) != 0;

		wrong_value(KIND_FORWARD, "internal_address", bad[i][0], "/internal_address", bad[i][1]);
		wrong_value(KIND_SOURCE_NAT, "address", bad[i][0], "/address", bad[i][1]);
		wrong_value(KIND_UPLINK, "gateway", bad[i][0], "/gateway", text ? bad[i][1] : "must be");
		wrong_value(KIND_UPLINK, "source_nat", bad[i][0], "/source_nat",
			    text ? bad[i][1] : "must be");
	}
	right_value(KIND_FORWARD, "internal_address", "'2001:DB8:0::2'", "'2001:db8::2'");
	wrong_value(KIND_FORWARD, "internal_address", "'127.0.0.1'", "/internal_address",
		    "the router's own address in the LAN instead");
	wrong_value(KIND_FORWARD, "internal_address", "'192.0.2.1'", "/internal_address",
		    "must be an IPv6 address");
	wrong_value(KIND_FORWARD, "internal_address", "'fe80::1'", "/internal_address", "link-local");
	right_value(KIND_UPLINK, "gateway", "'fe80::1'", "'fe80::1'");
	right_value(KIND_UPLINK, "gateway", "null", "null");
	right_value(KIND_UPLINK, "gateway", "'auto'", "'auto'");
	right_value(KIND_UPLINK, "source_nat", "'none'", "'none'");
	right_value(KIND_UPLINK, "source_nat", "'masquerade'", "'masquerade'");
	wrong_value(KIND_UPLINK, "source_nat", "null", "/source_nat",
		    "\"masquerade\", a host's address or \"none\"");
	wrong_value(KIND_UPLINK, "gateway", "3", "/gateway", "\"auto\", a host's address or null");
}

static void test_prefixes(void **state)
{
	(void)state;
	wrong_value(KIND_FORWARD, "sources", "['2001:db8::/129']", "/sources/0", "must be a prefix");
	wrong_value(KIND_FORWARD, "sources", "['2001:db8::/']", "/sources/0", "must be a prefix");
	wrong_value(KIND_FORWARD, "sources", "[null]", "/sources/0", "must be a prefix");
	wrong_value(KIND_FORWARD, "sources", "'2001:db8::/32'", "/sources", "list of prefixes");
	wrong_value(KIND_FORWARD, "sources", "['2001:db8::1/32']", "/sources/0",
		    "did you mean \"2001:db8::/32\"?");
	wrong_value(KIND_NETWORK, "prefixes", "['10.0.0.0/8', '192.168.0.77/24']", "/prefixes/1",
		    "host bits are set; did you mean \"192.168.0.0/24\"?");
	wrong_value(KIND_NETWORK, "prefixes", "['10.0.0.0/8', '10.0.0.0/8']", "/prefixes/1", "twice");
	wrong_value(KIND_NETWORK, "prefixes", "['0.0.0.0/0']", "/prefixes/0", "not all of them");
	wrong_value(KIND_FORWARD, "sources", "['2001:db8::/32', '192.0.2.0/24']", "/sources/1",
		    "must be an IPv6 prefix, because the forward is IPv6");
	wrong_value(KIND_SOURCE_NAT, "sources", "['10.0.0.0/8', '2001:db8::/32']", "/sources/1",
		    "must be an IPv4 prefix, because the address is IPv4");
	wrong_value(KIND_SOURCE_NAT, "sources", "[]", "/sources", "at least one");
	right_value(KIND_FORWARD, "sources", "['::/0']", "['::/0']");
	right_value(KIND_FORWARD, "sources", "['2001:db8::7/128', '2001:DB8::/32']",
		    "['2001:db8::7', '2001:db8::/32']");
}

static void test_words(void **state)
{
	(void)state;
	wrong_value(KIND_FORWARD, "backend_sees", "'Client'", "/backend_sees",
		    "must be \"client\" or \"router\"");
	wrong_value(KIND_SETTINGS, "firewall", "'none'", "/firewall",
		    "must be \"auto\", \"own\" or \"beside\"");
	wrong_value(KIND_NETWORK, "hairpin", "true", "/hairpin", "must be \"on\" or \"off\"");
	wrong_value(KIND_FORWARD, "hairpin", "'on'", "/hairpin", "must be true or false");
	wrong_value(KIND_FORWARD, "family", "null", "/family", "must be \"ipv4\" or \"ipv6\"");
	wrong_value(KIND_FORWARD, "family", "'ipv6\\u0000'", "/family", "must be \"ipv4\" or \"ipv6\"");
}

static void test_health(void **state)
{
	(void)state;
	right_value(KIND_UPLINK, "health", "null", "null");
	wrong_value(KIND_UPLINK, "health", "[]", "/health", "must be an object, or null");
	wrong_value(KIND_UPLINK, "health", "{'targets': []}", "/health/targets", "at least one");
	wrong_value(KIND_UPLINK, "health", "{'targets': ['198.51.100.1:53']}", "/health/targets/0",
		    "host's address");
	wrong_value(KIND_UPLINK, "health", "{'targets': ['198.51.100.1'], 'method': 'tcp'}",
		    "/health/targets/0", "port");
	wrong_value(KIND_UPLINK, "health", "{'targets': ['2001:db8::1:53'], 'method': 'tcp'}",
		    "/health/targets/0", "port");
	wrong_value(KIND_UPLINK, "health", "{'targets': ['192.0.2.1:1-2'], 'method': 'tcp'}",
		    "/health/targets/0", "port");
	wrong_value(KIND_UPLINK, "health", "{'targets': ['192.0.2.1'], 'need': '2'}", "/health/need",
		    "at most 1");
	wrong_value(KIND_UPLINK, "health", "{'targets': ['192.0.2.1'], 'need': 'some'}", "/health/need",
		    "\"any\"");
	wrong_value(KIND_UPLINK, "health", "{'targets': ['192.0.2.1'], 'need': 0}", "/health/need",
		    "\"any\"");
	wrong_value(KIND_UPLINK, "health", "{'targets': ['192.0.2.1'], 'max_loss_percent': 0}",
		    "/health/max_loss_percent", "from 1 to 99, or null");

	wrong_value(KIND_UPLINK, "health", "{'targets': ['192.0.2.1'], 'window': 4}", "/health/window",
		    "from 5 to 100");
	wrong_value(KIND_UPLINK, "health", "{'targets': ['192.0.2.1'], 'window': null}", "/health/window",
		    "from 5 to 100");
	wrong_value(KIND_UPLINK, "health", "{'targets': ['192.0.2.1'], 'interval_ms': 99}",
		    "/health/interval_ms", "from 100 to 3600000");

	struct object *object = with_value(KIND_UPLINK, "health", "{'targets': ['192.0.2.1'], 'need': 1}");

	assert_string_equal(((struct uplink *)object)->health->need, "1");
	assert_int_equal(((struct uplink *)object)->health->window, 20);
	object_unref(object);
}

static void test_probe_targets(void **state)
{
	static const struct {
		enum health_method method;
		const char *text, *address;
		uint16_t port;
	} targets[] = {
		{ HEALTH_ICMP, "198.51.100.1", "198.51.100.1", 0 },
		{ HEALTH_ICMP, "2001:db8::1", "2001:db8::1", 0 },
		{ HEALTH_DNS, "192.0.2.53", "192.0.2.53", 0 },
		{ HEALTH_TCP, "198.51.100.1:443", "198.51.100.1", 443 },
		{ HEALTH_TCP, "[2001:db8::1]:65535", "2001:db8::1", 65535 },
		/* None of these. */
		{ HEALTH_ICMP, "198.51.100.1:443", NULL, 0 },
		{ HEALTH_ICMP, "one.example", NULL, 0 },
		{ HEALTH_ICMP, "0.0.0.0", NULL, 0 },
		{ HEALTH_ICMP, "224.0.0.1", NULL, 0 },
		{ HEALTH_DNS, "", NULL, 0 },
		{ HEALTH_TCP, "198.51.100.1", NULL, 0 },
		{ HEALTH_TCP, "198.51.100.1:", NULL, 0 },
		{ HEALTH_TCP, "198.51.100.1:0", NULL, 0 },
		{ HEALTH_TCP, "198.51.100.1:80,81", NULL, 0 },
		{ HEALTH_TCP, "[198.51.100.1]:80", NULL, 0 },
		{ HEALTH_TCP, "2001:db8::1:80", NULL, 0 },
		{ HEALTH_TCP, "[2001:db8::1]", NULL, 0 },
		{ HEALTH_TCP, "[]:80", NULL, 0 },
		{ HEALTH_TCP, ":80", NULL, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct probe_target target;
		struct ip address;

		if (!targets[i].address) {
			if (probe_target_parse(targets[i].method, targets[i].text, &target) != -EINVAL)
				fail_msg("%s is taken", targets[i].text);
			continue;
		}
		assert_int_equal(ip_parse(targets[i].address, &address), 0);
		assert_int_equal(probe_target_parse(targets[i].method, targets[i].text, &target), 0);
		assert_int_equal(ip_compare(&target.address, &address), 0);
		assert_int_equal(target.port, targets[i].port);
	}
}

static void test_uplinks(void **state)
{
	static const char *const prefixes[] = { "['192.0.2.0/24']", "['::/0']", "['2001:db8::/65']",
						"['2001:db8::1']" };

	(void)state;
	for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		wrong_value(KIND_UPLINK, "prefixes", prefixes[i], "/prefixes/0",
			    "must be an IPv6 prefix of 1 to 64 bits");
	wrong_value(KIND_UPLINK, "prefixes", "['2001:db8:1::/48', '10.0.0.0/8']", "/prefixes/1",
		    "must be an IPv6 prefix");
	wrong_value(KIND_UPLINK, "prefixes", "['2001:db8::1/48']", "/prefixes/0", "did you mean");
	right_value(KIND_UPLINK, "prefixes", "['2001:db8::/64', '2000::/3']",
		    "['2001:db8::/64', '2000::/3']");
	wrong_value(KIND_UPLINK, "source_nat6", "'2001:db8::1'", "/source_nat6",
		    "must be \"none\", \"prefix\" or \"masquerade\"");
	wrong_value(KIND_UPLINK, "sticky_timeout_s", "9", "/sticky_timeout_s", "from 10 to 604800");
	wrong_value(KIND_UPLINK, "out_of_service", "'yes'", "/out_of_service", "true or false");
	wrong_value(KIND_SETTINGS, "last_resort", "'isp1'", "/last_resort",
		    "must be \"main\" or \"unreachable\"");
}

static void test_policies(void **state)
{
	(void)state;
	wrong(KIND_POLICY, "{'position': 1}", "/name", "is required");
	wrong_value(KIND_POLICY, "position", "0", "/position", "from 1 to 1000000");
	wrong_value(KIND_POLICY, "position", "null", "/position", "from 1 to 1000000");
	wrong_value(KIND_POLICY, "protocol", "'ip'", "/protocol", "\"esp\", or null");
	wrong_value(KIND_POLICY, "protocol", "['tcp']", "/protocol", "\"tcp\"");
	wrong_value(KIND_POLICY, "protocol", "'icmp'", "/ports", "must be null, because icmp has no ports");
	wrong_value(KIND_POLICY, "protocol", "'gre'", "/ports", "must be null, because gre has no ports");
	wrong_value(KIND_POLICY, "ports", "'90-80'", "/ports", "\"80-90\"");
	wrong_value(KIND_POLICY, "uplinks", "['isp1', 'isp1']", "/uplinks/1", "twice");
	wrong_value(KIND_POLICY, "uplinks", "null", "/uplinks", "list");
	wrong_value(KIND_POLICY, "otherwise", "'isp1'", "/otherwise", "must be \"any\" or \"unreachable\"");
	wrong_value(KIND_POLICY, "destinations", "['example.org']", "/destinations/0", "must be a prefix");
	right_value(KIND_POLICY, "protocol", "'sctp'", "'sctp'");
	right_value(KIND_POLICY, "protocol", "null", "null");
	right_value(KIND_POLICY, "ports", "null", "null");
	right_value(KIND_POLICY, "destinations", "['0.0.0.0/0', '::/0']", "['0.0.0.0/0', '::/0']");

	json_t *least = parse("{'name': 'all'}");
	struct object *object = decode(KIND_POLICY, least);
	const struct policy *policy = (const struct policy *)object;

	assert_true(policy->enabled);
	assert_int_equal(policy->position, 1000);
	assert_int_equal(policy->sources.count + policy->destinations.count + policy->ports.count, 0);
	assert_int_equal(policy->protocol, 0);
	assert_int_equal(policy->uplinks.count, 0);
	assert_int_equal(policy->otherwise, OTHERWISE_ANY);
	object_unref(object);
	json_decref(least);
}

static void test_times(void **state)
{
	static const char *const bad[] = { "'2026-01-31'",
					   "'2026-01-31T12:00:00'",
					   "'2026-01-31T12:00:00+01:00'",
					   "'2026-01-31T12:00:00.Z'",
					   "'2026-01-31T12:00:00.0000000000Z'",
					   "'2026-01-31T12:00:00,5Z'",
					   "'2026-01-31T12:00:00.5'",
					   "'2026-01-31T12:00:00Z+00:00'",
					   "'2026-01-31 12:00:00Z'",
					   "'2026-02-29T12:00:00Z'",
					   "'2026-13-01T12:00:00Z'",
					   "'2026-00-01T12:00:00Z'",
					   "'2026-01-00T12:00:00Z'",
					   "'2026-01-32T12:00:00Z'",
					   "'2026-01-31T24:00:00Z'",
					   "'2026-01-31T12:60:00Z'",
					   "'1969-12-31T23:59:59Z'",
					   "'2026-01-31T12:00:0xZ'",
					   "'2026-01-31T12:00:00Z\\u0000'",
					   "1700000000",
					   "''" };
	static const char *const also[] = { "'2028-02-29T00:00:00.000Z'", "'2028-02-29T00:00:00+00:00'",
					    "'2028-02-29T00:00:00.999999+00:00'", "'2028-02-29t00:00:00z'",
					    "'2028-02-29T00:00:00-00:00'" };
	char text[TIME_TEXT_MAX];
	int64_t time;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		wrong_value(KIND_FORWARD, "expires_at", bad[i], "/expires_at", "2026-01-31T12:00:00Z");
	right_value(KIND_FORWARD, "expires_at", "'2028-02-29T00:00:00Z'", "'2028-02-29T00:00:00Z'");
	/* As JavaScript, Python and others write the same. */
	for (unsigned i = 0; i < sizeof(also) / sizeof(also[0]); i++)
		right_value(KIND_FORWARD, "expires_at", also[i], "'2028-02-29T00:00:00Z'");
	right_value(KIND_FORWARD, "expires_at", "null", "null");
	assert_int_equal(time_parse("2000-03-01T00:00:00Z", &time), 0);
	assert_int_equal(time, 951868800);
	assert_int_equal(time_parse("9999-12-31T23:59:59Z", &time), 0);
	assert_int_equal(time, 253402300799);
	assert_string_equal(time_format(0, text), "1970-01-01T00:00:00Z");
	/* Every day, and a bit more, until 2150. */
	for (int64_t t = 0; t < 5680281600; t += 86399) {
		assert_int_equal(time_parse(time_format(t, text), &time), 0);
		assert_int_equal(time, t);
	}
	assert_string_equal(time_format(-5, text), "1970-01-01T00:00:00Z");
	assert_string_equal(time_format(INT64_MAX, text), "9999-12-31T23:59:59Z");
}

/* What is decoded agrees with the JSON Schema that the API publishes: each keyword is there. */
static void test_json_schema(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		const struct fields *fields = &schema_of(kind)->fields;
		json_t *schema = fields_json_schema(fields);

		assert_non_null(schema);
		for (unsigned i = 0; i < fields->count; i++) {
			json_t *property = json_object_get(json_object_get(schema, "properties"),
							   fields->items[i].name);

			assert_string_equal(json_string_value(json_object_get(property, "description")),
					    fields->items[i].help);
			assert_int_equal(json_is_true(json_object_get(property, "readOnly")),
					 !field_is_kept(&fields->items[i]));
			if (field_is_kept(&fields->items[i]))
				assert_true(json_object_get(property, "type") ||
					    json_object_get(property, "anyOf"));
		}
		json_decref(schema);
	}
}

/* --- every allocation of the JSON library fails once --- */

static unsigned allocations_left;

static void *failing_malloc(size_t size)
{
	return allocations_left > 0 && allocations_left-- ? malloc(size) : NULL;
}

static void test_out_of_memory(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		struct object *object = make(kind, full[kind]);
		unsigned failures = 0;
		json_t *json;

		do {
			allocations_left = failures;
			json_set_alloc_funcs(failing_malloc, free);
			json = object_to_json(object);
			json_set_alloc_funcs(malloc, free);
			failures += !json;
		} while (!json);
		/* At least one for each field. */
		assert_true(failures > schema_of(kind)->fields.count);
		json_decref(json);

		/* Decoding allocates JSON only for defaults. */
		json = parse(kind == KIND_UPLINK ? "{'name': 'a', 'device': 'b'}" : full[kind]);
		for (failures = 0;; failures++) {
			struct object *again = NULL;

			allocations_left = failures;
			json_set_alloc_funcs(failing_malloc, free);
			err_clear(&err);

			int r = object_from_json(kind, json, "", true, &again, &err);

			json_set_alloc_funcs(malloc, free);
			object_unref(again);
			if (r == 0)
				break;
			assert_int_equal(r, -ENOMEM);
			assert_int_equal(err.kind, ERR_UNAVAILABLE);
		}
		if (kind == KIND_UPLINK)
			assert_true(failures > 3);
		json_decref(json);
		object_unref(object);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_equality_sees_every_field),
		cmocka_unit_test(test_wrong_types),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_defaults_and_required),
		cmocka_unit_test(test_read_only_and_unknown),
		cmocka_unit_test(test_several_faults),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_suffixes),
		cmocka_unit_test(test_schedules),
		cmocka_unit_test(test_pinholes),
		cmocka_unit_test(test_shifted_ports),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_probe_targets),
		cmocka_unit_test(test_uplinks),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_json_schema),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
