/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/config_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/distinct.h"
#include "model/choice.h"
#include "model/schema.h"

/* --- telling what is wrong where --- */

static bool is_focus(const struct checker *checker, const struct object *object)
{
	const struct object *focus = checker->focus;

	return focus && (focus == object || (focus->kind == object->kind && focus->id == object->id));
}

bool checker_blames_first(const struct checker *checker, const struct culprit *a, const struct culprit *b)
{
	if (is_focus(checker, a->object))
		return true;
	return !is_focus(checker, b->object) && a->index > b->index;
}

/* The path of the culprit's field in the request. */
static void culprit_path(const struct checker *checker, const struct culprit *culprit, const char *field,
			 char path[ERR_PATH_MAX])
{
	const struct object *object = culprit->object;
	unsigned index = object->place ? object->place - 1 : culprit->index;

	if (is_focus(checker, object))
		snprintf(path, ERR_PATH_MAX, "%s", field);
	else
		snprintf(path, ERR_PATH_MAX, "/%s/%u%s", kind_plural(object->kind), index, field);
}

void checker_conflict(struct checker *checker, const struct culprit *culprit, const char *field,
		      const char *fmt, ...)
{
	char path[ERR_PATH_MAX], message[ERR_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	culprit_path(checker, culprit, field, path);
	if (checker->err->kind == ERR_NONE)
		checker->result = err_set(checker->err, ERR_CONFLICT, "%s", message);
	err_field(checker->err, path, "%s", message);
}

void checker_invalid(struct checker *checker, const struct culprit *culprit, const char *field,
		     const char *fmt, ...)
{
	char path[ERR_PATH_MAX], message[ERR_MESSAGE_MAX];
	va_list args;
	int r;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	culprit_path(checker, culprit, field, path);
	r = err_field(checker->err, path, "%s", message);
	if (checker->result == 0)
		checker->result = r;
}

/* --- names --- */

static bool same_names(const void *arg, uint32_t a, uint32_t b)
{
	const struct object_list *list = arg;

	return strcmp(list->items[a]->name, list->items[b]->name) == 0;
}

static int check_names(struct checker *checker, enum kind kind)
{
	const struct object_list *list = &checker->config->lists[kind];
	struct distinct names;

	if (distinct_init(&names, list->count, same_names, list) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < list->count; i++) {
		const char *name = list->items[i]->name;
		unsigned first = distinct_add(&names, hash_text(HASH_START, name), i);
		const struct culprit a = { list->items[i], i }, b = { list->items[first], first };

		if (first != i)
			checker_conflict(checker, checker_blames_first(checker, &b, &a) ? &b : &a, "/name",
					 "there is a %s named \"%s\" already", schema_of(kind)->noun, name);
	}
	distinct_done(&names);
	return 0;
}

/* --- references that must lead somewhere --- */

static void check_reference(struct checker *checker, const struct culprit *culprit, const struct field *field)
{
	const char *name = *(char *const *)(const void *)((const char *)culprit->object + field->offset);
	const struct schema *schema = schema_of(culprit->object->kind);
	const char *noun = schema_of(field->refers)->noun;
	char path[ERR_PATH_MAX];

	if (!name || config_find_name(checker->config, field->refers, name))
		return;
	path_join(path, "", field->name);
	if (is_focus(checker, culprit->object)) {
		checker_invalid(checker, culprit, path, "there is no %s named \"%s\"", noun, name);
		return;
	}
	/* What it referred to is being taken away: the user reads who still needs it. */
	if (checker->err->kind == ERR_NONE)
		checker->result = err_set(checker->err, ERR_CONFLICT, "%s \"%s\" uses %s \"%s\"",
					  schema->noun, culprit->object->name, noun, name);
	checker_conflict(checker, culprit, path, "there is no %s named \"%s\"", noun, name);
}

static void check_references(struct checker *checker, enum kind kind)
{
	const struct fields *fields = &schema_of(kind)->fields;
	const struct object_list *list = &checker->config->lists[kind];

	for (unsigned f = 0; f < fields->count; f++)
		if (fields->items[f].flags & FIELD_MUST_BE)
			for (unsigned i = 0; i < list->count; i++)
				check_reference(checker, &(struct culprit){ list->items[i], i },
						&fields->items[f]);
}

/* --- devices: each has one purpose --- */

struct device_use {
	const char *device;
	struct culprit culprit;
	unsigned entry; /* of a network's devices */
};

static int compare_device_uses(const void *a, const void *b)
{
	const struct device_use *x = a, *y = b;
	int order = strcmp(x->device, y->device);

	if (order)
		return order;
	if (x->culprit.object->kind != y->culprit.object->kind)
		return x->culprit.object->kind < y->culprit.object->kind ? -1 : 1;
	return x->culprit.index < y->culprit.index ? -1 : x->culprit.index > y->culprit.index;
}

static void report_device(struct checker *checker, const struct device_use *a, const struct device_use *b)
{
	const struct device_use *blamed, *other;
	char field[32] = "/device";

	/* Indexes of different kinds do not compare: the uplink, which comes later, is blamed. */
	if (a->culprit.object->kind == b->culprit.object->kind)
		blamed = checker_blames_first(checker, &a->culprit, &b->culprit) ? a : b;
	else
		blamed = is_focus(checker, a->culprit.object) ? a : b;
	other = blamed == a ? b : a;
	if (blamed->culprit.object->kind == KIND_NETWORK)
		snprintf(field, sizeof(field), "/devices/%u", blamed->entry);
	checker_conflict(checker, &blamed->culprit, field, "%s is a device of %s \"%s\" already",
			 blamed->device, schema_of(other->culprit.object->kind)->noun,
			 other->culprit.object->name);
}

static int check_devices(struct checker *checker)
{
	const struct object_list *networks = &checker->config->lists[KIND_NETWORK];
	const struct object_list *uplinks = &checker->config->lists[KIND_UPLINK];
	struct device_use *uses;
	unsigned count = 0, size = uplinks->count + 1;

	for (unsigned i = 0; i < networks->count; i++)
		size += ((const struct network *)networks->items[i])->devices.count;
	uses = calloc(size, sizeof(*uses));
	if (!uses)
		return -ENOMEM;
	for (unsigned i = 0; i < networks->count; i++) {
		const struct network *network = (const struct network *)networks->items[i];

		for (unsigned d = 0; d < network->devices.count; d++)
			uses[count++] = (struct device_use){ network->devices.items[d],
							     { networks->items[i], i },
							     d };
	}
	for (unsigned i = 0; i < uplinks->count; i++)
		uses[count++] = (struct device_use){
			((const struct uplink *)uplinks->items[i])->device,
			{ uplinks->items[i], i },
			0,
		};
	qsort(uses, count, sizeof(*uses), compare_device_uses);
	for (unsigned i = 1; i < count; i++)
		if (strcmp(uses[i].device, uses[i - 1].device) == 0)
			report_device(checker, &uses[i - 1], &uses[i]);
	free(uses);
	return 0;
}

/* --- redirects: few, so each is held against each --- */

static void check_redirects(struct checker *checker)
{
	const struct object_list *list = &checker->config->lists[KIND_REDIRECT];

	for (unsigned i = 0; i < list->count; i++)
		for (unsigned j = i + 1; j < list->count; j++) {
			const struct redirect *a = (const struct redirect *)list->items[i];
			const struct redirect *b = (const struct redirect *)list->items[j];
			struct culprit first = { list->items[i], i }, second = { list->items[j], j };
			bool blame_first = checker_blames_first(checker, &first, &second);
			char protocol[8];

			if (!a->enabled || !b->enabled || a->protocol != b->protocol || a->port != b->port ||
			    strcmp(a->network, b->network) != 0)
				continue;
			checker_conflict(checker, blame_first ? &first : &second, "/port",
					 "%s port %u of network \"%s\" is already taken by redirect \"%s\"",
					 protocol_name(a->protocol, protocol), (unsigned)a->port, a->network,
					 blame_first ? b->object.name : a->object.name);
		}
}

/* --- the whole --- */

static int check_all(struct checker *checker)
{
	int r = 0;

	for (unsigned kind = KIND_SETTINGS + 1; kind < KIND_COUNT && r == 0; kind++) {
		r = check_names(checker, kind);
		if (r == 0)
			check_references(checker, kind);
	}
	if (r == 0)
		r = check_devices(checker);
	if (r == 0)
		check_redirects(checker);
	if (r == 0)
		r = check_forwards(checker);
	return r;
}

int config_check(const struct config *config, const struct object *focus, struct err *err)
{
	struct checker checker = { .config = config, .focus = focus, .err = err };

	if (check_all(&checker) < 0)
		return err_memory(err);
	return checker.result;
}

/* --- warnings --- */

static int add_warning(json_t *list, const char *path, const char *message)
{
	json_t *warning = json_object();

	if (json_object_set_new(warning, "path", json_string(path)) < 0 ||
	    json_object_set_new(warning, "message", json_string(message)) < 0) {
		json_decref(warning);
		return -ENOMEM;
	}
	return json_array_append_new(list, warning);
}

/* Times that leave nothing of a forward. */
static void warn_of_times(const struct forward *forward, const struct environment *environment, json_t *list)
{
	int64_t left_s = forward->expires_at - environment->now;

	if (!forward->expires_at)
		return;
	if (left_s <= 0)
		add_warning(list, "/expires_at", "is in the past: nothing is forwarded");
	else if (schedule_wait(&forward->schedule, environment->week_minute) > (left_s + 59) / 60)
		add_warning(list, "/schedule", "none of these hours comes before it expires");
}

static bool has_devices(const struct config *config, const char *network_name)
{
	const struct object_list *networks = &config->lists[KIND_NETWORK];

	for (unsigned i = 0; i < networks->count; i++) {
		const struct network *network = (const struct network *)networks->items[i];

		if (network->devices.count &&
		    (!network_name || strcmp(network_name, network->object.name) == 0))
			return true;
	}
	return false;
}

static void warn_of_backend(const struct config *config, const struct forward *forward, json_t *list)
{
	if (forward->suffix_bits && !has_devices(config, forward->internal_network))
		add_warning(
			list, forward->internal_network ? "/internal_network" : "/internal_address",
			forward->internal_network ?
				"this network has no device, from which the address could take its prefix" :
				"no network has a device, from which the address could take its prefix");
	if (forward->pinhole && !forward->suffix_bits && ip_is_private(&forward->internal_address))
		add_warning(
			list, "/pinhole",
			"the internet has no route to this address: without translation it is reached from "
			"the provider's network at most");
}

static void warn_of_forward(const struct config *config, const struct forward *forward,
			    const struct environment *environment, json_t *list)
{
	char path[ERR_PATH_MAX], message[ERR_MESSAGE_MAX];

	for (unsigned i = 0; i < forward->uplinks.count; i++) {
		const char *name = forward->uplinks.items[i];

		if (config_find_name(config, KIND_UPLINK, name))
			continue;
		snprintf(message, sizeof(message),
			 "there is no uplink named \"%s\" yet; nothing is forwarded from it "
			 "until there is",
			 name);
		add_warning(list, path_index(path, "/uplinks", i), message);
	}
	warn_of_backend(config, forward, list);
	warn_of_times(forward, environment, list);
}

static void warn_of_uplink(const struct uplink *uplink, json_t *list)
{
	const struct health *health = uplink->health;

	if (health && health->timeout_ms > 10 * health->interval_ms)
		add_warning(list, "/health/timeout_ms",
			    "is more than ten intervals: a silent uplink is noticed that late");
}

static void warn_of_policy(const struct config *config, const struct policy *policy, json_t *list)
{
	char path[ERR_PATH_MAX], message[ERR_MESSAGE_MAX];

	for (unsigned i = 0; i < policy->uplinks.count; i++) {
		const char *name = policy->uplinks.items[i];

		if (config_find_name(config, KIND_UPLINK, name))
			continue;
		snprintf(message, sizeof(message),
			 "there is no uplink named \"%s\" yet; until there is, it counts as down", name);
		add_warning(list, path_index(path, "/uplinks", i), message);
	}
	if (policy->uplinks.count == 0 && policy->otherwise == OTHERWISE_ANY)
		add_warning(
			list, "/uplinks",
			"without uplinks, what fits is shared out as ever; it only keeps later policies from "
			"being asked");
	if (!policy_concerns(policy, AF_INET) && !policy_concerns(policy, AF_INET6))
		add_warning(
			list, "/destinations",
			"no connection fits: sources, destinations and protocol have no address family in common");
}

static void warn_of_network(const struct network *network, json_t *list)
{
	if (network->devices.count == 0 && network->prefixes.count == 0)
		add_warning(list, "/devices",
			    "without devices and prefixes no address belongs to this network");
}

json_t *object_warnings(const struct config *config, const struct environment *environment,
			const struct object *object)
{
	json_t *list = json_array();

	switch (object->kind) {
	case KIND_FORWARD:
		warn_of_forward(config, (const struct forward *)object, environment, list);
		break;
	case KIND_UPLINK:
		warn_of_uplink((const struct uplink *)object, list);
		break;
	case KIND_NETWORK:
		warn_of_network((const struct network *)object, list);
		break;
	case KIND_POLICY:
		warn_of_policy(config, (const struct policy *)object, list);
		break;
	case KIND_SETTINGS:
	case KIND_REDIRECT:
	case KIND_SOURCE_NAT:
	case KIND_COUNT:
		break;
	}
	return list;
}
