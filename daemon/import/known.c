/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the import need to know of the world: devices, networks, services. */
#include <errno.h>
#include <string.h>

#include "import/private.h"
#include "model/live.h"

/* --- what there is already --- */

const struct uplink *import_uplink_on(const struct import *import, const char *device)
{
	const struct object_list *list = &import->config->lists[KIND_UPLINK];

	for (unsigned i = 0; i < list->count; i++) {
		const struct uplink *uplink = (const struct uplink *)list->items[i];

		if (strcmp(uplink->device, device) == 0)
			return uplink;
	}
	return NULL;
}

const struct network *import_network_on(const struct import *import, const char *device)
{
	const struct object_list *list = &import->config->lists[KIND_NETWORK];

	for (unsigned i = 0; i < list->count; i++) {
		const struct network *network = (const struct network *)list->items[i];

		for (unsigned k = 0; k < network->devices.count; k++)
			if (strcmp(network->devices.items[k], device) == 0)
				return network;
	}
	return NULL;
}

const struct link *import_link_with(const struct import *import, const struct ip *address, bool any)
{
	for (unsigned i = 0; i < import->links->count; i++) {
		const struct link *link = &import->links->items[i];

		for (unsigned k = 0; k < link->address_count; k++) {
			struct prefix prefix = prefix_of(&link->addresses[k].address,
							 link->addresses[k].prefix_length);

			if (ip_compare(&link->addresses[k].address, address) == 0 ||
			    (any && !link->loopback && prefix_contains(&prefix, address)))
				return link;
		}
	}
	return NULL;
}

bool import_link_prefix(const struct link *link, uint8_t family, struct prefix *ret_prefix)
{
	for (unsigned i = 0; i < link->address_count; i++) {
		const struct link_address *address = &link->addresses[i];

		if (address->address.family != family || !uplink_address_counts(address))
			continue;
		*ret_prefix = link_address_prefix(address);
		return true;
	}
	return false;
}

static bool network_holds(const struct import *import, const struct network *network,
			  const struct prefix *prefix)
{
	for (unsigned i = 0; i < network->prefixes.count; i++)
		if (prefix_covers(&network->prefixes.items[i], prefix))
			return true;
	for (unsigned i = 0; i < network->devices.count; i++) {
		const struct link *link = links_find(import->links, network->devices.items[i]);

		for (unsigned k = 0; link && k < link->address_count; k++) {
			struct prefix own = prefix_of(&link->addresses[k].address,
						      link->addresses[k].prefix_length);

			if (prefix_covers(&own, prefix))
				return true;
		}
	}
	return false;
}

int import_drafted_uplink(const struct import *import, const char *device)
{
	for (unsigned i = 0; i < import->draft_count; i++) {
		const char *own = json_string_value(json_object_get(import->drafts[i].fields, "device"));

		if (import->drafts[i].kind == KIND_UPLINK && own && strcmp(own, device) == 0)
			return (int)i;
	}
	return -1;
}

int import_drafted_network(const struct import *import, const char *device, const struct prefix *prefix)
{
	for (unsigned i = 0; i < import->draft_count; i++) {
		const struct draft *draft = &import->drafts[i];
		const json_t *list = json_object_get(draft->fields, device ? "devices" : "prefixes");
		const char *first = json_string_value(json_array_get(list, 0));
		struct prefix own;

		if (draft->kind == KIND_NETWORK && first &&
		    (device ? strcmp(first, device) == 0 :
			      prefix_parse(first, &own) == 0 && prefix_covers(&own, prefix)))
			return (int)i;
	}
	return -1;
}

/* "lan" of br-lan and eth1, "docker0" of docker0. */
static const char *network_title(const char *device)
{
	if (strncmp(device, "eth", 3) == 0 || strncmp(device, "en", 2) == 0)
		return "lan";
	return strncmp(device, "br-", 3) == 0 && device[3] ? device + 3 : device;
}

const char *import_network_of(struct import *import, const struct prefix *prefix, int *ret_draft)
{
	const struct object_list *list = &import->config->lists[KIND_NETWORK];
	const struct link *link = import_link_with(import, &prefix->address, true);
	const char *device = link && !import_uplink_on(import, link->name) ? link->name : NULL;
	char text[PREFIX_TEXT_MAX];

	*ret_draft = -1;
	for (unsigned i = 0; i < list->count; i++)
		if (network_holds(import, (const struct network *)list->items[i], prefix))
			return list->items[i]->name;
	prefix_format(prefix, text);
	*ret_draft = import_drafted_network(import, device, prefix);
	if (*ret_draft < 0)
		*ret_draft = draft_add(import, KIND_NETWORK, device ? network_title(device) : text,
				       device ? json_pack("{s:[s]}", "devices", device) :
						json_pack("{s:[s]}", "prefixes", text));
	return *ret_draft < 0 ? "" : import->drafts[*ret_draft].name;
}

/* --- values --- */

bool import_prefix(const char *text, struct prefix *ret_prefix)
{
	char address[IP_TEXT_MAX];
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : 0;
	struct ip ip, mask;
	int r = prefix_parse(text, ret_prefix);
	uint8_t bits = 0;

	if (r == 0 || r == -ERANGE)
		return true;
	if (!slash || length >= sizeof(address) || ip_parse(slash + 1, &mask) < 0 || mask.family != AF_INET)
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	if (ip_parse(address, &ip) < 0 || ip.family != AF_INET)
		return false;
	while (bits < 32 && (mask.bytes[bits / 8] & (0x80 >> bits % 8)))
		bits++;
	for (unsigned i = bits; i < 32; i++)
		if (mask.bytes[i / 8] & (0x80 >> i % 8))
			return false;
	*ret_prefix = prefix_of(&ip, bits);
	return true;
}

json_t *import_prefix_list(const struct prefix *prefixes, unsigned count)
{
	json_t *list = json_array();
	char text[PREFIX_TEXT_MAX];

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, json_string(prefix_format(&prefixes[i], text)));
	return list;
}

/* Names of services(5) that recipes use, and what people call them. */
static const struct {
	const char *name;
	uint16_t port;
	const char *usual;
} services[] = {
	{ "http", 80, "web" },
	{ "www", 80, "web" },
	{ "https", 443, "web-tls" },
	{ "ssh", 22, "ssh" },
	{ "ftp", 21, "ftp" },
	{ "ftp-data", 20, "ftp-data" },
	{ "telnet", 23, "telnet" },
	{ "smtp", 25, "smtp" },
	{ "domain", 53, "dns" },
	{ "tftp", 69, "tftp" },
	{ "pop3", 110, "pop3" },
	{ "ntp", 123, "ntp" },
	{ "imap", 143, "imap" },
	{ "imap2", 143, "imap" },
	{ "snmp", 161, "snmp" },
	{ "ldap", 389, "ldap" },
	{ "submission", 587, "mail" },
	{ "imaps", 993, "imap-tls" },
	{ "pop3s", 995, "pop3-tls" },
	{ "openvpn", 1194, "openvpn" },
	{ "mysql", 3306, "mysql" },
	{ "ms-wbt-server", 3389, "rdp" },
	{ "sip", 5060, "sip" },
	{ "postgresql", 5432, "postgresql" },
	{ "http-alt", 8080, "web-alt" },
	{ "wireguard", 51820, "wireguard" },
};

unsigned import_weight(unsigned weight, unsigned highest)
{
	return highest > 100 ? (unsigned)(((uint64_t)weight * 100 + highest - 1) / highest) : weight;
}

const char *import_service_name(uint16_t port)
{
	for (unsigned i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (services[i].port == port)
			return services[i].usual;
	return NULL;
}

/* A number or the name of a service, up to one of the ends. */
static const char *read_port(const char *text, const char *ends, uint16_t *ret_port)
{
	size_t length = strcspn(text, ends);
	unsigned long port = 0;

	for (unsigned i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (strlen(services[i].name) == length && memcmp(services[i].name, text, length) == 0) {
			*ret_port = services[i].port;
			return text + length;
		}
	if (length == 0 || length > 5)
		return NULL;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return NULL;
		port = port * 10 + (unsigned long)(text[i] - '0');
	}
	if (port > 65535)
		return NULL;
	*ret_port = (uint16_t)port;
	return text + length;
}

bool import_port_range(const char *text, struct port_range *ret_range)
{
	struct port_range range = { 0, 65535 };
	const char *at = text;

	if (*at != ':' && !(at = read_port(text, ":", &range.first)) &&
	    !(at = read_port(text, ":-", &range.first)))
		return false;
	if (!*at)
		range.last = range.first;
	else if (at[1])
		at = read_port(at + 1, "", &range.last);
	if (!at || (*at && at[1]) || range.last < range.first || range.last == 0)
		return false;
	if (range.first == 0) /* nothing comes to port 0 */
		range.first = 1;
	*ret_range = range;
	return true;
}

bool import_ports_hold(const struct port_range *outer, unsigned outer_count, const struct port_range *inner,
		       unsigned inner_count)
{
	if (outer_count == 0 || inner_count == 0)
		return outer_count == 0;
	for (unsigned i = 0; i < inner_count; i++) {
		bool held = false;

		for (unsigned k = 0; k < outer_count; k++)
			held |= outer[k].first <= inner[i].first && inner[i].last <= outer[k].last;
		if (!held)
			return false;
	}
	return true;
}

const char *import_ports_text(struct import *import, const struct port_range *ranges, unsigned count)
{
	const struct ports ports = { count, (struct port_range *)ranges };
	const char *text;
	struct buf buf;

	buf_init(&buf, LIST_MAX * sizeof("65535-65535,"));
	ports_format(&ports, &buf);
	text = import_strndup(import, buf_text(&buf), buf.length);
	buf_done(&buf);
	return text;
}
