/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole configurations: ids, references, clashes, differences. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "model/config.h"
#include "model/live.h"

static struct err err;

/* JSON with ' for ". */
static json_t *parse(const char *fmt, ...)
{
	char *text = NULL;
	json_error_t error;
	json_t *json;
	va_list args;

	va_start(args, fmt);
	assert_true(vasprintf(&text, fmt, args) >= 0);
	va_end(args);
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	json = json_loads(text, 0, &error);
	if (!json)
		fail_msg("%s: %s", text, error.text);
	free(text);
	return json;
}

static struct config *load(json_t *json, const struct config *old)
{
	struct config *config = NULL;

	err_clear(&err);
	if (config_from_json(json, old, &config, &err) < 0)
		fail_msg("%s: %s", err.items[0].path, err.items[0].message);
	json_decref(json);
	return config;
}

static struct object *object(enum kind kind, json_t *json)
{
	struct object *made = NULL;

	err_clear(&err);
	if (object_from_json(kind, json, "", true, &made, &err) < 0)
		fail_msg("%s: %s", err.items[0].path, err.items[0].message);
	json_decref(json);
	return made;
}

static struct object *put(struct config *config, enum kind kind, json_t *json)
{
	struct object *made = object(kind, json);

	assert_int_equal(config_put(config, made, &err), 0);
	return made;
}

static json_t *forward(const char *name, const char *ports, const char *more)
{
	return parse("{'name': '%s', 'internal_address': '192.168.0.2', 'external_ports': '%s'%s}", name,
		     ports, more);
}

/* A Thursday, 1 January 1970, 12:00 in UTC. */
static const struct environment noon = { .now = 43200, .week_minute = 3 * 1440 + 720 };

static void check_good(const struct config *config, const struct object *focus)
{
	err_clear(&err);
	if (config_check(config, focus, &err) != 0)
		fail_msg("%s: %s (%s)", err.items[0].path, err.items[0].message, err.detail);
	assert_int_equal(err.kind, ERR_NONE);
	assert_int_equal(err.count, 0);
}

static void check_bad(const struct config *config, const struct object *focus, enum err_kind kind,
		      const char *path, const char *words)
{
	err_clear(&err);
	assert_int_equal(config_check(config, focus, &err), kind == ERR_CONFLICT ? -EEXIST : -EINVAL);
	assert_int_equal(err.kind, kind);
	if (err.count != 1 || strcmp(err.items[0].path, path) != 0 || !strstr(err.items[0].message, words))
		fail_msg("%u faults, first at \"%s\": \"%s\"; not at \"%s\": \"%s\"", err.count,
			 err.items[0].path, err.items[0].message, path, words);
}

/* A network, two uplinks, a forward, a redirect and a source NAT that fit together. */
static struct config *sample(void)
{
	return load(
		parse("{'networks': [{'name': 'lan', 'devices': ['br-lan']}],"
		      " 'uplinks': [{'name': 'isp1', 'device': 'eth0'}, {'name': 'isp2', 'device': 'eth1'}],"
		      " 'forwards': [{'name': 'web', 'internal_address': '192.168.0.2', 'external_ports': '80'}],"
		      " 'redirects': [{'name': 'proxy', 'network': 'lan', 'port': 80, 'to_port': 8888}],"
		      " 'source_nats': [{'name': 'vpn', 'sources': ['10.8.0.0/24'], 'uplink': 'isp1',"
		      "   'address': '192.0.2.9'}]}"),
		NULL);
}

static void test_ids(void **state)
{
	struct config *config = config_new(), *copy;
	struct object *a, *b, *c;

	(void)state;
	assert_int_equal(config_settings(config)->history_length, 200);
	assert_int_equal(config_settings(config)->rule_preference_base, 5000);
	a = put(config, KIND_UPLINK, parse("{'name': 'a', 'device': 'a'}"));
	b = put(config, KIND_UPLINK, parse("{'name': 'b', 'device': 'b'}"));
	c = put(config, KIND_UPLINK, parse("{'id': 9, 'name': 'c', 'device': 'c'}"));
	assert_int_equal(a->id, 1);
	assert_int_equal(b->id, 2);
	assert_int_equal(c->id, 9);
	assert_ptr_equal(config_find(config, KIND_UPLINK, 9), c);
	assert_ptr_equal(config_find_name(config, KIND_UPLINK, "b"), b);
	assert_null(config_find(config, KIND_UPLINK, 3));
	assert_null(config_find(config, KIND_FORWARD, 1));
	copy = config_copy(config);
	assert_int_equal(config_remove(config, KIND_UPLINK, 1), 0);
	assert_int_equal(config_remove(config, KIND_UPLINK, 1), -ENOENT);
	assert_int_equal(config_remove(config, KIND_SETTINGS, 1), -ENOENT);
	/* The lowest free number for uplinks, for others one above the highest. */
	assert_int_equal(put(config, KIND_UPLINK, parse("{'name': 'd', 'device': 'd'}"))->id, 1);
	put(config, KIND_FORWARD, forward("x", "1", ", 'id': 5"));
	assert_int_equal(put(config, KIND_FORWARD, forward("y", "2", ""))->id, 6);
	put(config, KIND_FORWARD, forward("z", "3", ", 'id': 2147483647"));
	assert_int_equal(put(config, KIND_FORWARD, forward("w", "4", ""))->id, 1);
	for (unsigned i = 1; i < config->lists[KIND_FORWARD].count; i++)
		assert_true(config->lists[KIND_FORWARD].items[i]->id >
			    config->lists[KIND_FORWARD].items[i - 1]->id);
	/* The copy kept what it had. */
	assert_ptr_equal(config_find(copy, KIND_UPLINK, 1), a);
	assert_int_equal(copy->lists[KIND_FORWARD].count, 0);
	config_unref(copy);
	config_unref(config);
	config_unref(NULL);
	object_unref(NULL);
}

static void test_full(void **state)
{
	struct config *config = config_new();

	(void)state;
	for (unsigned i = 0; i < UPLINKS_MAX; i++)
		put(config, KIND_UPLINK, parse("{'name': 'u%u', 'device': 'd%u'}", i, i));
	assert_int_equal(config->lists[KIND_UPLINK].items[UPLINKS_MAX - 1]->id, UPLINKS_MAX);
	err_clear(&err);
	assert_int_equal(config_put(config, object(KIND_UPLINK, parse("{'name': 'u', 'device': 'd'}")), &err),
			 -ENOSPC);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.detail, "63"));
	/* One that is there can still be replaced. */
	put(config, KIND_UPLINK, parse("{'id': 63, 'name': 'u', 'device': 'd'}"));
	check_good(config, NULL);
	config_unref(config);
}

static void test_declared(void **state)
{
	struct config *old = sample(), *new;
	json_t *json;

	(void)state;
	check_good(old, NULL);
	put(old, KIND_FORWARD, forward("mail", "25", ", 'id': 40"));
	put(old, KIND_UPLINK, parse("{'id': 5, 'name': 'isp5', 'device': 'eth5'}"));

	/* Names keep their ids; new ones get ids that were not used; an explicit id wins. */
	new = load(
		parse("{'forwards': [{'name': 'new', 'internal_address': '192.168.0.2', 'external_ports': 1},"
		      " {'name': 'mail', 'internal_address': '192.168.0.2', 'external_ports': 2},"
		      " {'id': 7, 'name': 'web', 'internal_address': '192.168.0.2', 'external_ports': 3}],"
		      " 'uplinks': [{'name': 'x', 'device': 'x'}, {'name': 'isp5', 'device': 'y'},"
		      " {'id': 3, 'name': 'z', 'device': 'z'}]}"),
		old);
	assert_int_equal(config_find_name(new, KIND_FORWARD, "new")->id, 41);
	assert_int_equal(config_find_name(new, KIND_FORWARD, "mail")->id, 40);
	assert_int_equal(config_find_name(new, KIND_FORWARD, "web")->id, 7);
	assert_int_equal(config_find_name(new, KIND_UPLINK, "x")->id, 4);
	assert_int_equal(config_find_name(new, KIND_UPLINK, "isp5")->id, 5);
	assert_int_equal(new->lists[KIND_NETWORK].count, 0);
	config_unref(new);

	/* What is written out reads back the same, ids and all. */
	json = config_to_json(old);
	new = load(json, NULL);
	json = config_to_json(new);

	json_t *again = config_to_json(old);

	assert_true(json_equal(json, again));
	json_decref(json);
	json_decref(again);
	config_unref(new);
	config_unref(old);
}

/* All numbers taken before: removed uplinks' numbers are given again, each once. */
static void test_declared_full(void **state)
{
	struct config *old = config_new(), *new;
	json_t *list = json_array();
	bool seen[UPLINKS_MAX + 1] = { false };

	(void)state;
	for (unsigned i = 0; i < UPLINKS_MAX; i++)
		put(old, KIND_UPLINK, parse("{'name': 'u%u', 'device': 'd%u'}", i, i));
	for (unsigned i = 0; i < UPLINKS_MAX; i++)
		json_array_append_new(list,
				      parse("{'name': '%s%u', 'device': 'd%u'}", i % 2 ? "u" : "new", i, i));
	new = load(json_pack("{s:o}", "uplinks", list), old);
	assert_int_equal(new->lists[KIND_UPLINK].count, UPLINKS_MAX);
	for (unsigned i = 0; i < UPLINKS_MAX; i++) {
		uint32_t id = new->lists[KIND_UPLINK].items[i]->id;

		assert_in_range(id, 1, UPLINKS_MAX);
		assert_false(seen[id]);
		seen[id] = true;
	}
	assert_int_equal(config_find_name(new, KIND_UPLINK, "u51")->id, 52);
	config_unref(new);
	config_unref(old);
}

static void declared_wrong(const char *text, const char *path, const char *words)
{
	json_t *json = parse("%s", text);
	struct config *config = NULL;

	err_clear(&err);
	assert_int_equal(config_from_json(json, NULL, &config, &err), -EINVAL);
	assert_null(config);
	if (err.count != 1 || strcmp(err.items[0].path, path) != 0 || !strstr(err.items[0].message, words))
		fail_msg("%s: %u faults, first at \"%s\": \"%s\"", text, err.count, err.items[0].path,
			 err.items[0].message);
	json_decref(json);
}

static void test_declared_wrong(void **state)
{
	json_t *json = json_array(), *many;
	struct config *config;

	(void)state;
	declared_wrong("[]", "", "must be an object");
	declared_wrong("{'forward': []}", "/forward", "no such part");
	declared_wrong("{'forwards': {}}", "/forwards", "must be a list");
	declared_wrong("{'forwards': null}", "/forwards", "must be a list");
	declared_wrong("{'settings': []}", "/settings", "must be an object");
	declared_wrong("{'settings': {'history_length': 1}}", "/settings/history_length", "from 10 to 10000");
	declared_wrong("{'policies': [{}]}", "/policies/0/name", "is required");
	declared_wrong("{'networks': [{'name': 'a'}, {'name': 'b', 'hairpin': 1}]}", "/networks/1/hairpin",
		       "\"on\"");
	declared_wrong("{'networks': [{'id': 3, 'name': 'a'}, {'id': 3, 'name': 'b'}]}", "/networks/1/id",
		       "also that");
	for (unsigned i = 0; i <= NETWORKS_MAX; i++)
		json_array_append_new(json, parse("{'name': 'n%u'}", i));
	many = json_pack("{s:o}", "networks", json);
	err_clear(&err);
	assert_int_equal(config_from_json(many, NULL, &config, &err), -EINVAL);
	assert_string_equal(err.items[0].message, "must have at most 64 entries");
	json_decref(many);

	config = load(parse("{'policies': [], 'warnings': [{}]}"), NULL);
	config_unref(config);
}

static void test_unique_names(void **state)
{
	struct config *config = sample();
	struct object *twin = put(config, KIND_FORWARD, forward("web", "81", ""));

	(void)state;
	check_bad(config, twin, ERR_CONFLICT, "/name", "there is a forward named \"web\" already");
	check_bad(config, NULL, ERR_CONFLICT, "/forwards/1/name", "there is a forward named \"web\" already");
	check_bad(config, config->lists[KIND_FORWARD].items[0], ERR_CONFLICT, "/name", "already");
	/* Another kind has names of its own. */
	config_remove(config, KIND_FORWARD, twin->id);
	put(config, KIND_NETWORK, parse("{'name': 'web'}"));
	check_good(config, NULL);
	config_unref(config);
}

/* Paths are those of the request, whatever order the ids bring. */
static void test_places(void **state)
{
	struct config *old = sample(), *new;

	(void)state;
	new = load(parse("{'forwards': ["
			 " {'name': 'a', 'internal_address': '192.168.0.2', 'external_ports': 1},"
			 " {'name': 'b', 'internal_address': '192.168.0.2', 'external_ports': 2},"
			 " {'name': 'web', 'internal_address': '192.168.0.2', 'external_ports': 2}]}"),
		   old);
	assert_string_equal(new->lists[KIND_FORWARD].items[0]->name, "web");
	check_bad(new, NULL, ERR_CONFLICT, "/forwards/1/external_ports", "by forward \"web\"");
	config_unref(new);
	config_unref(old);
}

static void test_references(void **state)
{
	struct config *config = sample();
	struct object *made;

	(void)state;
	made = put(config, KIND_SOURCE_NAT,
		   parse("{'name': 'x', 'sources': ['10.9.0.0/24'], 'uplink': 'isp9',"
			 " 'address': '192.0.2.9'}"));
	check_bad(config, made, ERR_INVALID, "/uplink", "there is no uplink named \"isp9\"");
	config_remove(config, KIND_SOURCE_NAT, made->id);
	made = put(config, KIND_REDIRECT,
		   parse("{'name': 'x', 'network': 'isp1', 'port': 81, 'to_port': 1}"));
	check_bad(config, made, ERR_INVALID, "/network", "there is no network named \"isp1\"");
	config_remove(config, KIND_REDIRECT, made->id);
	check_good(config, NULL);

	/* Forwards may name what is not there: a warning. */
	made = put(config, KIND_FORWARD, forward("x", "81", ", 'uplinks': ['isp1', 'isp9']"));
	check_good(config, made);

	json_t *warnings = object_warnings(config, &noon, made);

	assert_int_equal(json_array_size(warnings), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(warnings, 0), "path")),
			    "/uplinks/1");
	json_decref(warnings);
	warnings = object_warnings(config, &noon, config_find_name(config, KIND_UPLINK, "isp1"));
	assert_int_equal(json_array_size(warnings), 0);
	json_decref(warnings);

	/* Taking away what is in use. */
	made = object_ref(config_find_name(config, KIND_UPLINK, "isp1"));
	config_remove(config, KIND_UPLINK, made->id);
	check_bad(config, made, ERR_CONFLICT, "/source_nats/0/uplink", "isp1");
	assert_string_equal(err.detail, "source NAT \"vpn\" uses uplink \"isp1\"");
	object_unref(made);
	check_bad(config, NULL, ERR_CONFLICT, "/source_nats/0/uplink", "isp1");
	config_unref(config);

	config = sample();
	config_remove(config, KIND_NETWORK, 1);
	check_bad(config, NULL, ERR_CONFLICT, "/redirects/0/network", "lan");
	assert_string_equal(err.detail, "redirect \"proxy\" uses network \"lan\"");
	config_unref(config);
}

static void test_rename(void **state)
{
	struct config *old = sample(), *new;
	struct changes changes;

	(void)state;
	put(old, KIND_FORWARD, forward("f", "81", ", 'uplinks': ['isp2', 'isp1', 'wan']"));
	put(old, KIND_FORWARD, forward("g", "82", ", 'uplinks': ['isp2']"));
	put(old, KIND_POLICY, parse("{'name': 'p', 'uplinks': ['isp2', 'isp1']}"));
	new = config_copy(old);
	put(new, KIND_UPLINK, parse("{'id': 1, 'name': 'wan', 'device': 'eth0'}"));
	check_good(new, NULL);

	const struct forward *f = (const struct forward *)config_find_name(new, KIND_FORWARD, "f");
	const struct forward *before = (const struct forward *)config_find_name(old, KIND_FORWARD, "f");

	/* It was there already, unknown: it must not be there twice now. */
	assert_int_equal(f->uplinks.count, 2);
	assert_string_equal(f->uplinks.items[0], "isp2");
	assert_string_equal(f->uplinks.items[1], "wan");
	assert_int_equal(before->uplinks.count, 3);
	assert_string_equal(((struct source_nat *)new->lists[KIND_SOURCE_NAT].items[0])->uplink, "wan");
	assert_string_equal(((struct policy *)new->lists[KIND_POLICY].items[0])->uplinks.items[1], "wan");
	assert_string_equal(((struct source_nat *)old->lists[KIND_SOURCE_NAT].items[0])->uplink, "isp1");
	/* What does not refer to it is the same object still. */
	assert_ptr_equal(config_find_name(new, KIND_FORWARD, "g"), config_find_name(old, KIND_FORWARD, "g"));
	assert_int_equal(config_diff(old, new, &changes), 0);
	assert_int_equal(changes.count, 4);
	assert_int_equal(changes.items[0].kind, KIND_UPLINK);
	assert_int_equal(changes.items[1].kind, KIND_FORWARD);
	assert_int_equal(changes.items[2].kind, KIND_SOURCE_NAT);
	assert_int_equal(changes.items[3].kind, KIND_POLICY);
	changes_done(&changes);

	put(new, KIND_NETWORK, parse("{'id': 1, 'name': 'home', 'devices': ['br-lan']}"));
	assert_string_equal(((struct redirect *)new->lists[KIND_REDIRECT].items[0])->network, "home");
	check_good(new, NULL);
	config_unref(new);
	config_unref(old);
}

static void test_devices(void **state)
{
	struct config *config = sample();
	struct object *made;

	(void)state;
	made = put(config, KIND_UPLINK, parse("{'name': 'isp3', 'device': 'eth1'}"));
	check_bad(config, made, ERR_CONFLICT, "/device", "eth1 is a device of uplink \"isp2\" already");
	check_bad(config, NULL, ERR_CONFLICT, "/uplinks/2/device", "isp2");
	config_remove(config, KIND_UPLINK, made->id);
	made = put(config, KIND_NETWORK, parse("{'name': 'dmz', 'devices': ['eth7', 'eth1']}"));
	check_bad(config, made, ERR_CONFLICT, "/devices/1", "eth1 is a device of uplink \"isp2\" already");
	check_bad(config, NULL, ERR_CONFLICT, "/uplinks/1/device",
		  "eth1 is a device of network \"dmz\" already");
	put(config, KIND_NETWORK, parse("{'id': %u, 'name': 'dmz', 'devices': ['br-lan']}", made->id));
	check_bad(config, NULL, ERR_CONFLICT, "/networks/1/devices/0", "network \"lan\"");
	config_unref(config);
}

static void test_redirects(void **state)
{
	struct config *config = sample();
	struct object *made;

	(void)state;
	made = put(config, KIND_REDIRECT, parse("{'name': 'x', 'network': 'lan', 'port': 80, 'to_port': 1}"));
	check_bad(config, made, ERR_CONFLICT, "/port",
		  "tcp port 80 of network \"lan\" is already taken by redirect "
		  "\"proxy\"");
	put(config, KIND_REDIRECT,
	    parse("{'id': 2, 'name': 'x', 'network': 'lan', 'port': 80, 'to_port': 1,"
		  " 'enabled': false}"));
	check_good(config, NULL);
	put(config, KIND_REDIRECT,
	    parse("{'id': 2, 'name': 'x', 'network': 'lan', 'port': 80, 'to_port': 1,"
		  " 'protocol': 'udp'}"));
	check_good(config, NULL);
	config_unref(config);
}

/* Two forwards, each "ports" and more fields; whether they clash, and in which words. */
struct pair {
	const char *ports_a, *more_a, *ports_b, *more_b;
	const char *words; /* NULL: they get along */
};

static const struct pair pairs[] = {
	{ "80", "", "80", "", "tcp port 80 is already taken by forward \"a\"" },
	{ "80", "", "81", "", NULL },
	{ "80-90", "", "85", "", "tcp port 85 is already" },
	{ "85", "", "80-90", "", "tcp port 85 is already" },
	{ "80-90", "", "90-95", "", "tcp port 90 is already" },
	{ "80-90", "", "91-95", "", NULL },
	{ "1,80-90", "", "95,89,2", "", "tcp port 89 is already" },
	{ "1-10,85-86,30", "", "20,40-90", "", "tcp port 85 is already" },
	{ "80", "", "80", ", 'enabled': false", NULL },
	{ "80", "", "80", ", 'expires_at': '2000-01-01T00:00:00Z'", "tcp port 80" },
	{ "80", "", "80", ", 'protocols': ['udp']", NULL },
	{ "80", ", 'protocols': ['udp', 'tcp']", "80", ", 'protocols': ['sctp', 'udp']", "udp port 80" },
	{ "80", ", 'uplinks': ['isp1']", "80", "", "tcp port 80 on isp1 is already taken by forward \"a\"" },
	{ "80", "", "80", ", 'uplinks': ['isp1']", "tcp port 80 on isp1 is already taken by forward \"a\"" },
	{ "80", ", 'uplinks': ['isp1']", "80", ", 'uplinks': ['isp2']", NULL },
	{ "80", ", 'uplinks': ['isp1', 'x']", "80", ", 'uplinks': ['isp2', 'x']",
	  "tcp port 80 on x is already" },
	{ "1-100", ", 'uplinks': ['isp1']", "80,90", ", 'uplinks': ['isp2', 'isp1']", "tcp port 80 on isp1" },
	{ "80", "", "80", ", 'family': 'ipv6', 'internal_address': '2001:db8::2'", NULL },
};

static void test_claims(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct pair *pair = &pairs[i];
		struct config *config = config_new();
		struct object *b;
		json_t *json;

		put(config, KIND_FORWARD, forward("a", pair->ports_a, pair->more_a));
		json = forward("b", pair->ports_b, "");

		json_t *more = parse("{'x': 0%s}", pair->more_b);

		json_object_del(more, "x");
		json_object_update(json, more);
		json_decref(more);
		b = put(config, KIND_FORWARD, json);
		if (!pair->words) {
			check_good(config, b);
		} else {
			check_bad(config, b, ERR_CONFLICT, "/external_ports", pair->words);
			check_bad(config, NULL, ERR_CONFLICT, "/forwards/1/external_ports", pair->words);
			assert_non_null(strstr(err.detail, pair->words));
			/* The request is about the first one: it is the one to blame. */
			check_bad(config, config->lists[KIND_FORWARD].items[0], ERR_CONFLICT,
				  "/external_ports", "by forward \"b\"");
		}
		config_unref(config);
	}
}

static void test_claims_without_ports(void **state)
{
	struct config *config = load(
		parse("{'forwards': [{'name': 'a', 'internal_address': '192.168.0.2',"
		      " 'protocols': ['gre', 'esp'], 'external_ports': null},"
		      "{'name': 'b', 'internal_address': '192.168.0.2', 'protocols': ['ah'],"
		      " 'external_ports': null}]}"),
		NULL);
	struct object *made;

	(void)state;
	check_good(config, NULL);
	made = put(config, KIND_FORWARD,
		   parse("{'name': 'c', 'internal_address': '192.168.0.3', 'protocols': ['esp'],"
			 " 'external_ports': null, 'uplinks': ['isp1']}"));
	check_bad(config, made, ERR_CONFLICT, "/protocols", "esp on isp1 is already taken by forward \"a\"");
	config_unref(config);
}

/* An oracle without cleverness: every port of every uplink in a table; for pinholes one for each of two hosts. */
static bool oracle_clash(const struct config *config)
{
	static const char *const uplinks[] = { "u0", "u1", "u2", "u3", "not there" };
	static bool taken[3][5][2][200];
	const struct object_list *list = &config->lists[KIND_FORWARD];

	memset(taken, 0, sizeof(taken));
	for (unsigned i = 0; i < list->count; i++) {
		const struct forward *f = (const struct forward *)list->items[i];
		unsigned place = f->pinhole ? f->internal_address.bytes[3] - 1u : 0;

		if (!f->enabled)
			continue;
		for (unsigned u = 0; u < 5; u++)
			for (unsigned p = 0; p < f->protocols.count && forward_on_uplink(f, uplinks[u]); p++)
				for (unsigned r = 0; r < f->external_ports.count; r++)
					for (unsigned port = f->external_ports.items[r].first;
					     port <= f->external_ports.items[r].last; port++) {
						bool *at = &taken[place][u]
								 [f->protocols.items[p] == IPPROTO_UDP][port];

						if (*at)
							return true;
						*at = true;
					}
	}
	return false;
}

static void test_claims_against_an_oracle(void **state)
{
	unsigned clashes = 0, rounds = 3000;

	(void)state;
	srand(4787);
	for (unsigned round = 0; round < rounds; round++) {
		struct config *config = config_new();
		unsigned count = 2 + (unsigned)rand() % 6;
		bool clash;

		for (unsigned i = 0; i < count; i++) {
			char ports[64], uplinks[64] = "", name[8];
			unsigned first = 1 + (unsigned)rand() % 90,
				 second = first + 20 + (unsigned)rand() % 60;

			snprintf(name, sizeof(name), "f%u", i);
			snprintf(ports, sizeof(ports), "%u-%u,%u", second, second + (unsigned)rand() % 8,
				 first);
			for (unsigned u = 0; u < 4 && rand() % 4; u++)
				if (rand() % 2)
					sprintf(uplinks + strlen(uplinks), "%s'u%u'", *uplinks ? ", " : "",
						u);
			put(config, KIND_FORWARD,
			    parse("{'name': '%s', 'internal_address': '192.168.0.%u', 'external_ports': '%s',"
				  " 'pinhole': %s, 'protocols': [%s], 'uplinks': [%s], 'enabled': %s}",
				  name, 2 + (unsigned)rand() % 2, ports, rand() % 4 ? "false" : "true",
				  rand() % 3 ? "'tcp'" :
				  rand() % 2 ? "'udp'" :
					       "'udp', 'tcp'",
				  uplinks, rand() % 8 ? "true" : "false"));
		}
		clash = oracle_clash(config);
		clashes += clash;
		err_clear(&err);
		if ((config_check(config, NULL, &err) < 0) != clash)
			fail_msg("round %u: %s", round, json_dumps(config_to_json(config), 0));
		config_unref(config);
	}
	/* Neither answer may be the rule, or this proves nothing. */
	assert_in_range(clashes, rounds / 5, rounds - rounds / 5);
}

static const struct object *put_pinhole(struct config *config, unsigned id, const char *name,
					const char *address, const char *ports, const char *more)
{
	return put(config, KIND_FORWARD,
		   parse("{'id': %u, 'name': '%s', 'pinhole': true, 'internal_address': '%s',"
			 " 'external_ports': '%s'%s}",
			 id, name, address, ports, more));
}

static void test_pinholes(void **state)
{
	struct config *config = config_new();
	const struct object *made;

	(void)state;
	put(config, KIND_NETWORK, parse("{'name': 'lan'}"));
	put(config, KIND_NETWORK, parse("{'name': 'guests'}"));
	put_pinhole(config, 1, "a", "2001:db8::2", "80,8000-8100", "");
	put_pinhole(config, 2, "b", "2001:db8::3", "80", "");
	put(config, KIND_FORWARD,
	    parse("{'id': 3, 'name': 'c', 'internal_address': '2001:db8::2', 'external_ports': '80'}"));
	put_pinhole(config, 4, "d", "2001:db8::2", "80", ", 'protocols': ['udp']");
	check_good(config, NULL);
	made = put_pinhole(config, 5, "e", "2001:db8::2", "8050-9000", "");
	check_bad(config, made, ERR_CONFLICT, "/external_ports",
		  "tcp port 8050 of this host is already taken by forward \"a\"");
	made = put_pinhole(config, 5, "e", "2001:db8::2", "8050-9000", ", 'uplinks': ['isp1']");
	check_bad(config, made, ERR_CONFLICT, "/external_ports", "of this host on isp1 is already taken");

	/* Suffixes: of other lengths, values or networks they are other hosts. */
	put_pinhole(config, 5, "e", "::2/-64", "80", "");
	put_pinhole(config, 6, "f", "::2/-60", "80", "");
	put_pinhole(config, 7, "g", "::3/-64", "80", "");
	put_pinhole(config, 8, "h", "::2/-64", "80", ", 'internal_network': 'lan'");
	put_pinhole(config, 9, "i", "::2/-64", "80", ", 'internal_network': 'guests'");
	check_good(config, NULL);
	made = put_pinhole(config, 10, "j", "::2/-64", "80", ", 'internal_network': 'lan'");
	check_bad(config, made, ERR_CONFLICT, "/external_ports", "forward \"h\"");
	made = put_pinhole(config, 10, "j", "::2/-64", "80", ", 'internal_network': 'nowhere'");
	check_bad(config, made, ERR_INVALID, "/internal_network", "there is no network named \"nowhere\"");
	config_remove(config, KIND_FORWARD, 10);
	/* A network that is needed cannot go, and may change its name. */
	put(config, KIND_NETWORK, parse("{'id': 1, 'name': 'home'}"));
	check_good(config, NULL);
	assert_string_equal(((struct forward *)config_find(config, KIND_FORWARD, 8))->internal_network,
			    "home");
	config_remove(config, KIND_NETWORK, 2);
	check_bad(config, NULL, ERR_CONFLICT, "/forwards/8/internal_network",
		  "there is no network named \"guests\"");
	put(config, KIND_NETWORK, parse("{'id': 2, 'name': 'guests'}"));
	check_good(config, NULL);

	/* The rewriting of sources goes by where packets go, whoever let them in. */
	made = put(
		config, KIND_FORWARD,
		parse("{'id': 10, 'name': 'j', 'internal_address': '2001:db8::3', 'external_ports': '8080',"
		      " 'internal_ports': '80', 'backend_sees': 'router'}"));
	check_bad(config, made, ERR_CONFLICT, "/backend_sees", "must be \"client\", as for forward \"b\"");
	check_bad(config, config_find(config, KIND_FORWARD, 2), ERR_CONFLICT, "/pinhole",
		  "forward \"j\", which leads to the same backend and port, has it see the router");
	config_unref(config);
}

/* The object has this one warning, or with NULL none. */
static void warns_of(struct config *config, enum kind kind, json_t *json, const char *path, const char *words)
{
	struct object *made = put(config, kind, json);
	json_t *warnings = object_warnings(config, &noon, made), *first = json_array_get(warnings, 0);
	const char *message = json_string_value(json_object_get(first, "message"));

	check_good(config, made);
	assert_int_equal(json_array_size(warnings), path ? 1 : 0);
	if (path) {
		assert_string_equal(json_string_value(json_object_get(first, "path")), path);
		if (!strstr(message, words))
			fail_msg("%s, not %s", message, words);
	}
	json_decref(warnings);
}

static void warns(struct config *config, const char *more, const char *path, const char *words)
{
	warns_of(config, KIND_FORWARD, parse("{'id': 1, 'name': 'a', 'external_ports': '80', %s}", more),
		 path, words);
}

static void test_warnings(void **state)
{
	struct config *config = config_new();

	(void)state;
	put(config, KIND_NETWORK, parse("{'id': 1, 'name': 'lan', 'devices': ['br-lan']}"));
	put(config, KIND_NETWORK, parse("{'id': 2, 'name': 'vpn', 'prefixes': ['2001:db8::/48']}"));
	warns(config, "'internal_address': '192.168.0.2'", NULL, NULL);
	warns(config, "'internal_address': '192.168.0.2', 'expires_at': '1970-01-01T12:00:00Z'",
	      "/expires_at", "in the past");
	warns(config, "'internal_address': '192.168.0.2', 'expires_at': '1970-01-01T12:00:01Z'", NULL, NULL);
	warns(config,
	      "'internal_address': '192.168.0.2', 'expires_at': '1970-01-01T13:00:00Z',"
	      " 'schedule': 'daily 13:01-14:00'",
	      "/schedule", "before it expires");
	warns(config,
	      "'internal_address': '192.168.0.2', 'expires_at': '1970-01-01T13:00:30Z',"
	      " 'schedule': 'daily 13:01-14:00'",
	      NULL, NULL);
	warns(config, "'internal_address': '192.168.0.2', 'schedule': 'mon 13:01-14:00'", NULL, NULL);
	warns(config, "'internal_address': '192.168.0.2', 'pinhole': true", "/pinhole", "no route");
	warns(config, "'internal_address': '172.31.0.2', 'pinhole': true", "/pinhole", "no route");
	warns(config, "'internal_address': '172.32.0.2', 'pinhole': true", NULL, NULL);
	warns(config, "'internal_address': 'fd00::2', 'pinhole': true", "/pinhole", "no route");
	warns(config, "'internal_address': 'fd00::2'", NULL, NULL);
	warns(config, "'internal_address': '2001:db8::2', 'pinhole': true", NULL, NULL);
	warns(config, "'internal_address': '::2/-64', 'pinhole': true", NULL, NULL);
	warns(config, "'internal_address': '::2/-64', 'internal_network': 'lan'", NULL, NULL);
	warns(config, "'internal_address': '::2/-64', 'internal_network': 'vpn'", "/internal_network",
	      "no device");
	put(config, KIND_NETWORK, parse("{'id': 1, 'name': 'lan', 'devices': []}"));
	warns(config, "'internal_address': '::2/-64'", "/internal_address", "no network has a device");
	config_unref(config);
}

static void test_warnings_of_uplinks(void **state)
{
	struct config *config = config_new();

	(void)state;
#define UPLINK(more) parse("{'id': 1, 'name': 'isp1', 'device': 'eth0'%s}", more)
	warns_of(config, KIND_UPLINK, UPLINK(""), NULL, NULL);
	warns_of(config, KIND_UPLINK, UPLINK(", 'health': {'targets': ['192.0.2.1']}"), NULL, NULL);
	warns_of(config, KIND_UPLINK,
		 UPLINK(", 'health': {'targets': ['192.0.2.1'], 'interval_ms': 100, 'timeout_ms': 1000}"),
		 NULL, NULL);
	warns_of(config, KIND_UPLINK,
		 UPLINK(", 'health': {'targets': ['192.0.2.1'], 'interval_ms': 100, 'timeout_ms': 1001}"),
		 "/health/timeout_ms", "ten intervals");
#undef UPLINK
	config_unref(config);
}

static void test_warnings_of_policies(void **state)
{
	struct config *config = sample();

	(void)state;
#define POLICY(more) parse("{'id': 1, 'name': 'p', %s}", more)
	warns_of(config, KIND_POLICY, POLICY("'uplinks': ['isp2', 'isp1']"), NULL, NULL);
	warns_of(config, KIND_POLICY, POLICY("'uplinks': ['isp2', 'isp9']"), "/uplinks/1",
		 "no uplink named \"isp9\" yet");
	warns_of(config, KIND_POLICY, POLICY("'otherwise': 'unreachable'"), NULL, NULL);
	warns_of(config, KIND_POLICY, POLICY("'ports': '80'"), "/uplinks", "later policies");
	warns_of(
		config, KIND_POLICY,
		POLICY("'uplinks': ['isp1'], 'sources': ['192.168.0.0/24'], 'destinations': ['2001:db8::/32']"),
		"/destinations", "no connection fits");
	warns_of(config, KIND_POLICY,
		 POLICY("'uplinks': ['isp1'], 'sources': ['192.168.0.0/24', '2001:db8:5::/64'],"
			" 'destinations': ['2001:db8::/32']"),
		 NULL, NULL);
	warns_of(config, KIND_POLICY,
		 POLICY("'uplinks': ['isp1'], 'protocol': 'icmpv6', 'sources': ['192.168.0.0/24']"),
		 "/destinations", "no connection fits");
#undef POLICY
	config_unref(config);
}

static void test_backend_sees(void **state)
{
	struct config *config = config_new();
	struct object *made;

	(void)state;
	put(config, KIND_FORWARD, forward("a", "8000-8010", ", 'internal_ports': '9000-9010'"));
	made = put(config, KIND_FORWARD, forward("b", "9005", ", 'backend_sees': 'router'"));
	check_bad(config, made, ERR_CONFLICT, "/backend_sees", "must be \"client\", as for forward \"a\"");
	check_bad(config, NULL, ERR_CONFLICT, "/forwards/1/backend_sees", "forward \"a\"");
	check_bad(config, config->lists[KIND_FORWARD].items[0], ERR_CONFLICT, "/backend_sees",
		  "must be \"router\", as for forward \"b\"");
	put(config, KIND_FORWARD, forward("b", "9005", ", 'id': 2"));
	check_good(config, NULL);
	made = put(config, KIND_FORWARD, forward("b", "9010-9011", ", 'id': 2, 'backend_sees': 'router'"));
	check_bad(config, made, ERR_CONFLICT, "/backend_sees", "forward \"a\"");
	put(config, KIND_FORWARD, forward("b", "9011", ", 'id': 2, 'backend_sees': 'router'"));
	check_good(config, NULL);
	put(config, KIND_FORWARD,
	    forward("b", "9005", ", 'id': 2, 'backend_sees': 'router', 'protocols': ['udp']"));
	check_good(config, NULL);
	put(config, KIND_FORWARD,
	    forward("b", "9005", ", 'id': 2, 'backend_sees': 'router', 'enabled': false"));
	check_good(config, NULL);
	config_unref(config);
}

static void test_total(void **state)
{
	struct config *config = config_new();
	struct object *made = NULL;

	(void)state;
	/* 16 forwards of 4096 ports that lead to others, for two protocols, are 131072. */
	for (unsigned i = 0; i < 17; i++)
		made = put(
			config, KIND_FORWARD,
			parse("{'name': 'f%u', 'internal_address': '192.168.0.%u', 'external_ports': '%u-%u',"
			      " 'internal_ports': '%u-%u', 'uplinks': ['u%u'], 'protocols': ['tcp', 'udp']}",
			      i, i + 1, 1, i < 16 ? 4096 : 1, 2, i < 16 ? 4097 : 2, i));
	check_bad(config, made, ERR_INVALID, "/external_ports", "at most 131072 ports and ranges");
	check_bad(config, NULL, ERR_INVALID, "/forwards/16/external_ports",
		  "at most 131072 ports and ranges");
	config_remove(config, KIND_FORWARD, made->id);
	check_good(config, NULL);
	/* Each uplink has a list of its own. */
	put(config, KIND_FORWARD,
	    parse("{'id': 1, 'name': 'f0', 'internal_address': '192.168.0.1', 'external_ports': '1-2048',"
		  " 'internal_ports': '2-2049', 'uplinks': ['u0', 'v0'], 'protocols': ['tcp', 'udp']}"));
	check_good(config, NULL);
	made = put(
		config, KIND_FORWARD,
		parse("{'id': 1, 'name': 'f0', 'internal_address': '192.168.0.1', 'external_ports': '1-2049',"
		      " 'internal_ports': '2-2050', 'uplinks': ['u0', 'v0'], 'protocols': ['tcp', 'udp']}"));
	check_bad(config, made, ERR_INVALID, "/external_ports", "at most 131072");
	/* A range that keeps its ports is one, however long. */
	for (unsigned i = 0; i < 17; i++)
		made = put(
			config, KIND_FORWARD,
			parse("{'id': %u, 'name': 'f%u', 'internal_address': '192.168.0.%u',"
			      " 'external_ports': '1-65535', 'uplinks': ['u%u'], 'protocols': ['tcp', 'udp']}",
			      i + 1, i, i + 1, i));
	check_good(config, NULL);
	config_unref(config);
}

static void test_diff(void **state)
{
	struct config *old = sample(), *new = config_copy(old);
	struct changes changes;
	json_t *json;

	(void)state;
	assert_int_equal(config_diff(old, new, &changes), 0);
	assert_int_equal(changes.count, 0);
	changes_done(&changes);
	/* The same contents in a new object are no change. */
	put(new, KIND_FORWARD, forward("web", "80", ", 'id': 1"));
	assert_ptr_not_equal(new->lists[KIND_FORWARD].items[0], old->lists[KIND_FORWARD].items[0]);
	assert_int_equal(config_diff(old, new, &changes), 0);
	assert_int_equal(changes.count, 0);
	changes_done(&changes);

	put(new, KIND_FORWARD, forward("web", "8080", ", 'id': 1"));
	put(new, KIND_FORWARD, forward("new", "8081", ""));
	config_remove(new, KIND_UPLINK, 2);
	put(new, KIND_SETTINGS, parse("{'language': 'zh'}"));
	assert_int_equal(config_diff(old, new, &changes), 0);
	assert_int_equal(changes.count, 4);
	assert_int_equal(changes.items[0].kind, KIND_SETTINGS);
	assert_int_equal(changes.items[1].kind, KIND_UPLINK);
	assert_null(changes.items[1].after);
	assert_int_equal(changes.items[2].id, 1);
	assert_null(changes.items[3].before);
	json = changes_to_json(&changes);
	assert_string_equal(json_string_value(json_object_get(json_array_get(json, 2), "kind")), "forward");
	assert_string_equal(json_string_value(json_object_get(json_array_get(json, 2), "name")), "web");
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(json_array_get(json, 2), "after"), "external_ports")),
			    "8080");
	assert_true(json_is_null(json_object_get(json_array_get(json, 3), "before")));
	assert_true(json_is_null(json_object_get(json_array_get(json, 0), "name")));
	json_decref(json);
	changes_done(&changes);
	/* Seen from the other side. */
	assert_int_equal(config_diff(new, old, &changes), 0);
	assert_int_equal(changes.count, 4);
	assert_null(changes.items[1].before);
	changes_done(&changes);
	config_unref(old);
	config_unref(new);
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void test_ten_thousand(void **state)
{
	json_t *list = json_array(), *json;
	struct config *old, *new;
	struct changes changes;
	double t;

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		json_array_append_new(
			list, parse("{'name': 'forward %u', 'internal_address': '192.168.%u.%u',"
				    " 'external_ports': '%u,%u-%u', 'uplinks': ['isp%u']}",
				    i, i / 250, 1 + i % 250, 10000 + i, 30000 + 2 * i, 30001 + 2 * i, i % 4));
	json = json_pack("{s:o}", "forwards", list);
	t = now_ms();
	old = load(json_incref(json), NULL);
	print_message("10,000 forwards: from JSON %.1f ms", now_ms() - t);
	t = now_ms();
	new = load(json, old);
	print_message(", again, by name %.1f ms", now_ms() - t);
	t = now_ms();
	check_good(new, NULL);
	print_message(", check %.1f ms", now_ms() - t);
	t = now_ms();
	assert_int_equal(config_diff(old, new, &changes), 0);
	assert_int_equal(changes.count, 0);
	print_message(", difference %.1f ms\n", now_ms() - t);
	put(new, KIND_FORWARD, forward("late", "25555", ", 'uplinks': ['isp3', 'isp2']"));
	err_clear(&err);
	assert_int_equal(config_check(new, NULL, &err), 0);
	put(new, KIND_FORWARD, forward("late", "19999", ", 'id': 10001"));
	check_bad(new, NULL, ERR_CONFLICT, "/forwards/10000/external_ports", "port 19999 on isp3");
	config_unref(old);
	config_unref(new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_declared),
		cmocka_unit_test(test_declared_full),
		cmocka_unit_test(test_declared_wrong),
		cmocka_unit_test(test_unique_names),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_claims_without_ports),
		cmocka_unit_test(test_claims_against_an_oracle),
		cmocka_unit_test(test_pinholes),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_warnings_of_uplinks),
		cmocka_unit_test(test_warnings_of_policies),
		cmocka_unit_test(test_backend_sees),
		cmocka_unit_test(test_total),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_ten_thousand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
