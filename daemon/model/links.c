/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/links.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct link *links_find(const struct links *links, const char *name)
{
	for (unsigned i = 0; i < links->count; i++)
		if (strcmp(links->items[i].name, name) == 0)
			return &links->items[i];
	return NULL;
}

bool link_has(const struct link *link, const struct ip *address)
{
	for (unsigned i = 0; i < link->address_count; i++)
		if (ip_compare(&link->addresses[i].address, address) == 0)
			return true;
	return false;
}

struct prefix link_address_prefix(const struct link_address *address)
{
	return prefix_of(&address->address, address->prefix_length);
}

bool link_reaches(const struct link *link, const struct ip *address)
{
	for (unsigned i = 0; i < link->address_count; i++) {
		const struct link_address *own = &link->addresses[i];
		const struct ip *near = own->peer.family ? &own->peer : &own->address;
		struct prefix prefix = prefix_of(near, own->prefix_length);

		if (prefix_contains(&prefix, address))
			return true;
	}
	return ip_is_link_local(address);
}

void links_done(struct links *links)
{
	for (unsigned i = 0; i < links->count; i++)
		free(links->items[i].addresses);
	free(links->items);
	*links = (struct links){ 0 };
}

static bool flag(const json_t *json, const char *key)
{
	return json_is_true(json_object_get(json, key));
}

static int read_gateway(const json_t *json, const char *key, bool *ret_route, struct ip *ret_gateway)
{
	const json_t *value = json_object_get(json, key);

	*ret_route = value;
	if (!value || json_is_null(value)) /* null: a default route without a gateway */
		return 0;
	return json_is_string(value) ? ip_parse(json_string_value(value), ret_gateway) : -EINVAL;
}

/* "192.0.2.1/24", or "192.0.2.1 peer 192.0.2.254/32". */
static int read_address(const char *text, struct link_address *ret_address)
{
	char address[2 * IP_TEXT_MAX], *peer;
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : sizeof(address);

	if (length >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, length);
	address[length] = '\0';
	peer = strstr(address, " peer ");
	if (peer) {
		*peer = '\0';
		if (ip_parse(peer + strlen(" peer "), &ret_address->peer) < 0)
			return -EINVAL;
	}
	char *end;
	unsigned long prefix_length = strtoul(slash + 1, &end, 10);

	ret_address->deprecated = strcmp(end, " deprecated") == 0;
	if ((*end && !ret_address->deprecated) || end == slash + 1 || prefix_length > 128)
		return -EINVAL;
	ret_address->prefix_length = (uint8_t)prefix_length;
	return ip_parse(address, &ret_address->address);
}

static int read_sources(const json_t *json, struct link *link)
{
	for (size_t i = 0; i < json_array_size(json) && i < LINK_SOURCES_MAX; i++) {
		const char *text = json_string_value(json_array_get(json, i));

		if (!text || prefix_parse(text, &link->sources[link->source_count++]) < 0)
			return -EINVAL;
	}
	return 0;
}

static int read_link(const json_t *json, struct link *link)
{
	const json_t *addresses = json_object_get(json, "addresses");
	const char *name = json_string_value(json_object_get(json, "name"));

	if (!name || strlen(name) >= sizeof(link->name))
		return -EINVAL;
	snprintf(link->name, sizeof(link->name), "%s", name);
	link->index = (uint32_t)json_integer_value(json_object_get(json, "index"));
	link->up = !json_is_false(json_object_get(json, "up"));
	link->bridge = flag(json, "bridge");
	link->point_to_point = flag(json, "point_to_point");
	link->loopback = flag(json, "loopback");
	link->addresses = calloc(json_array_size(addresses) + 1, sizeof(*link->addresses));
	if (!link->addresses)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(addresses); i++) {
		const char *text = json_string_value(json_array_get(addresses, i));

		if (!text || read_address(text, &link->addresses[link->address_count++]) < 0)
			return -EINVAL;
	}
	link->metric4 = (uint32_t)json_integer_value(json_object_get(json, "metric4"));
	link->metric6 = (uint32_t)json_integer_value(json_object_get(json, "metric6"));
	int r = read_gateway(json, "gateway4", &link->default_route4, &link->gateway4);

	if (!r)
		r = read_gateway(json, "gateway6", &link->default_route6, &link->gateway6);
	return r ? r : read_sources(json_object_get(json, "sources"), link);
}

static int compare_links(const void *a, const void *b)
{
	return strcmp(((const struct link *)a)->name, ((const struct link *)b)->name);
}

int links_from_json(const json_t *json, struct links *ret_links)
{
	struct links links = { .items = calloc(json_array_size(json) + 1, sizeof(struct link)) };

	if (!links.items)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(json); i++) {
		int r = read_link(json_array_get(json, i), &links.items[links.count++]);

		if (r < 0) {
			links_done(&links);
			return r;
		}
	}
	if (links.count > 1)
		qsort(links.items, links.count, sizeof(*links.items), compare_links);
	*ret_links = links;
	return 0;
}

static json_t *gateway_to_json(const struct ip *gateway)
{
	char text[IP_TEXT_MAX];

	return gateway->family ? json_string(ip_format(gateway, text)) : json_null();
}

json_t *links_to_json(const struct links *links)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < links->count; i++) {
		const struct link *link = &links->items[i];
		json_t *addresses = json_array();

		for (unsigned j = 0; j < link->address_count; j++) {
			char text[IP_TEXT_MAX], full[PREFIX_TEXT_MAX];

			snprintf(full, sizeof(full), "%s/%u", ip_format(&link->addresses[j].address, text),
				 link->addresses[j].prefix_length);
			json_array_append_new(addresses, json_string(full));
		}
		json_array_append_new(list,
				      json_pack("{s:s, s:b, s:b, s:b, s:o, s:b, s:o}", "name", link->name,
						"up", link->up, "bridge", link->bridge, "loopback",
						link->loopback, "addresses", addresses, "default_route",
						link->default_route4 || link->default_route6, "gateway",
						gateway_to_json(link->gateway4.family ? &link->gateway4 :
											&link->gateway6)));
	}
	return list;
}
