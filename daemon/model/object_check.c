/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/object_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/schema.h"

static const char *family_text(uint8_t family)
{
	return family == AF_INET ? "IPv4" : "IPv6";
}

/* All prefixes must be of the family. */
static int check_family(const struct prefixes *prefixes, uint8_t family, const char *base, const char *field,
			const char *because, struct err *err)
{
	char list[ERR_PATH_MAX], path[ERR_PATH_MAX];
	int result = 0;

	path_join(list, base, field);
	for (unsigned i = 0; i < prefixes->count; i++)
		if (prefixes->items[i].address.family != family)
			result = err_field(err, path_index(path, list, i),
					   "must be an %s prefix, because %s is %s", family_text(family),
					   because, family_text(family));
	return result;
}

int network_check(const struct object *object, const char *base, struct err *err)
{
	const struct network *network = (const struct network *)object;
	char list[ERR_PATH_MAX], path[ERR_PATH_MAX];
	int result = 0;

	path_join(list, base, "prefixes");
	for (unsigned i = 0; i < network->prefixes.count; i++)
		if (network->prefixes.items[i].length == 0)
			result = err_field(err, path_index(path, list, i),
					   "must be a part of the addresses, not all "
					   "of them: hairpin would rewrite every connection");
	return result;
}

/* --- uplinks --- */

/* "198.51.100.1:443" or "[2001:db8::1]:443". */
static int address_and_port_parse(const char *text, struct probe_target *ret_target)
{
	char address[IP_TEXT_MAX];
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	struct probe_target target;
	struct ports ports;
	struct err ignored;

	if (!colon || length >= 2 + sizeof(address))
		return -EINVAL;
	if (text[0] == '[' && length > 2 && text[length - 1] == ']')
		snprintf(address, sizeof(address), "%.*s", (int)length - 2, text + 1);
	else
		snprintf(address, sizeof(address), "%.*s", (int)length, text);
	if (ip_parse(address, &target.address) < 0 || (target.address.family == AF_INET6) != (text[0] == '['))
		return -EINVAL;
	err_clear(&ignored);
	if (ports_parse(colon + 1, &ports, "", &ignored) < 0)
		return -EINVAL;
	bool single = ports_count(&ports) == 1;

	target.port = ports.items[0].first;
	free(ports.items);
	*ret_target = target;
	return single ? 0 : -EINVAL;
}

int probe_target_parse(enum health_method method, const char *text, struct probe_target *ret_target)
{
	struct probe_target target = { 0 };
	int r = method == HEALTH_TCP ? address_and_port_parse(text, &target) :
				       ip_parse(text, &target.address);

	if (r < 0 || !ip_is_host(&target.address))
		return -EINVAL;
	*ret_target = target;
	return 0;
}

static int check_health(const struct health *health, const char *base, struct err *err)
{
	char at[ERR_PATH_MAX], list[ERR_PATH_MAX], path[ERR_PATH_MAX];
	int result = 0;

	path_join(at, base, "health");
	path_join(list, at, "targets");
	for (unsigned i = 0; i < health->targets.count; i++) {
		struct probe_target target;

		if (probe_target_parse(health->method, health->targets.items[i], &target) == 0)
			continue;
		path_index(path, list, i);
		result = err_field(err, path,
				   health->method == HEALTH_TCP ?
					   "must be an address and a port, such as \"198.51.100.1:443\" or "
					   "\"[2001:db8::1]:443\"" :
					   "must be a host's address, such as \"198.51.100.1\"");
	}
	if (health->need[0] != 'a' && strtoul(health->need, NULL, 10) > health->targets.count)
		result = err_field(err, path_join(path, at, "need"),
				   "must be at most %u, the number of targets", health->targets.count);
	return result;
}

int uplink_check(const struct object *object, const char *base, struct err *err)
{
	const struct uplink *uplink = (const struct uplink *)object;
	char list[ERR_PATH_MAX], path[ERR_PATH_MAX];
	int result = uplink->health ? check_health(uplink->health, base, err) : 0;

	path_join(list, base, "prefixes");
	for (unsigned i = 0; i < uplink->prefixes.count; i++) {
		const struct prefix *prefix = &uplink->prefixes.items[i];

		if (prefix->address.family != AF_INET6 || prefix->length == 0 || prefix->length > 64)
			result = err_field(
				err, path_index(path, list, i),
				"must be an IPv6 prefix of 1 to 64 bits, such as \"2001:db8:1::/56\"");
	}
	return result;
}

/* --- forwards --- */

void forward_infer(struct object *object, const json_t *json)
{
	struct forward *forward = (struct forward *)object;

	if (!json_object_get(json, "family") && forward->internal_address.family == AF_INET6)
		forward->family = FAMILY_IPV6;
}

/* Why a protocol cannot be forwarded at all, or NULL. */
static const char *protocol_fault(uint8_t protocol)
{
	switch (protocol) {
	case 1:
	case 58:
		return "ICMP cannot be forwarded: the router answers pings itself, and errors follow their connections";
	case 2:
		return "IGMP cannot be forwarded: it does not leave its link";
	case 0:
	case 43:
	case 44:
	case 59:
	case 60:
		return "must be a protocol; this number is that of an IPv6 extension header";
	default:
		return NULL;
	}
}

/* Sets *ret_ports to whether the protocols have ports. */
static int check_protocols(const struct forward *forward, const char *base, bool *ret_ports, struct err *err)
{
	char list[ERR_PATH_MAX], path[ERR_PATH_MAX], name[8];
	const struct protocols *protocols = &forward->protocols;
	int result = 0;

	path_join(list, base, "protocols");
	*ret_ports = protocol_has_ports(protocols->items[0]);
	for (unsigned i = 0; i < protocols->count; i++) {
		const char *fault = protocol_fault(protocols->items[i]);

		path_index(path, list, i);
		if (fault)
			result = err_field(err, path, "%s", fault);
		else if (protocol_has_ports(protocols->items[i]) != *ret_ports)
			result = err_field(err, path, "must be in a forward of its own: %s has %s",
					   protocol_name(protocols->items[i], name),
					   *ret_ports ? "no ports" : "ports");
	}
	return result;
}

static int check_ports(const struct forward *forward, bool with_ports, const char *base, struct err *err)
{
	const struct ports *external = &forward->external_ports, *internal = &forward->internal_ports;
	char path[ERR_PATH_MAX], name[8];
	int result = 0;

	if (with_ports && external->count == 0)
		return err_field(err, path_join(path, base, "external_ports"),
				 "must be ports, because %s has ports",
				 protocol_name(forward->protocols.items[0], name));
	if (!with_ports && external->count > 0)
		result = err_field(err, path_join(path, base, "external_ports"),
				   "must be null, because %s has no ports",
				   protocol_name(forward->protocols.items[0], name));
	if (!with_ports && internal->count > 0)
		result = err_field(err, path_join(path, base, "internal_ports"),
				   "must be null, because %s has no ports",
				   protocol_name(forward->protocols.items[0], name));
	if (with_ports && internal->count > 0 && ports_count(internal) != ports_count(external))
		result = err_field(
			err, path_join(path, base, "internal_ports"),
			"must be as many ports as external_ports: %u, not %u; null for the same ports",
			ports_count(external), ports_count(internal));
	return result;
}

static int check_shifted(const struct forward *forward, const char *base, struct err *err)
{
	struct piece_walk walk = { 0 };
	struct port_piece piece;
	char path[ERR_PATH_MAX];
	unsigned shifted = 0;

	while (forward_next_piece(forward, &walk, &piece))
		shifted += piece.external == piece.internal ? 0 : piece.count;
	if (shifted <= FORWARD_SHIFTED_MAX)
		return 0;
	return err_field(err, path_join(path, base, "internal_ports"),
			 "must lead at most %d ports to others, not %u; null for the same ports",
			 FORWARD_SHIFTED_MAX, shifted);
}

static int check_pinhole(const struct forward *forward, const char *base, struct err *err)
{
	struct piece_walk walk = { 0 };
	struct port_piece piece;
	char path[ERR_PATH_MAX];
	bool shifted = false;
	int result = 0;

	while (forward_next_piece(forward, &walk, &piece))
		shifted |= piece.external != piece.internal;
	if (shifted)
		result = err_field(err, path_join(path, base, "internal_ports"),
				   "must be null: a pinhole translates nothing, so the ports are the same");
	if (forward->backend_sees != BACKEND_SEES_CLIENT)
		result = err_field(err, path_join(path, base, "backend_sees"),
				   "must be \"client\": a pinhole translates nothing");
	return result;
}

static int check_backend(const struct forward *forward, const char *base, struct err *err)
{
	uint8_t family = forward->family == FAMILY_IPV4 ? AF_INET : AF_INET6;
	const struct ip *address = &forward->internal_address;
	char path[ERR_PATH_MAX];
	int result = 0;

	path_join(path, base, "internal_address");
	if (address->family != family)
		result = err_field(err, path, "must be an %s address, because family is \"%s\"",
				   family_text(family), forward->family == FAMILY_IPV4 ? "ipv4" : "ipv6");
	else if (family == AF_INET6 && ip_is_link_local(address) && !forward->suffix_bits)
		result = err_field(err, path,
				   "must be an address that can be routed to; a link-local one needs a zone");
	if (forward->internal_network && !forward->suffix_bits)
		result = err_field(err, path_join(path, base, "internal_network"),
				   "must be null, because internal_address is a whole address; it is for a "
				   "suffix such as \"::1:2:3:4/-64\"");
	return result;
}

int forward_check(const struct object *object, const char *base, struct err *err)
{
	const struct forward *forward = (const struct forward *)object;
	uint8_t family = forward->family == FAMILY_IPV4 ? AF_INET : AF_INET6;
	bool with_ports;
	int result = check_protocols(forward, base, &with_ports, err);

	if (result == 0)
		result = check_ports(forward, with_ports, base, err);
	if (result == 0 && !forward->pinhole)
		result = check_shifted(forward, base, err);
	if (result == 0 && forward->pinhole)
		result = check_pinhole(forward, base, err);
	if (check_backend(forward, base, err) < 0)
		result = -EINVAL;
	if (check_family(&forward->sources, family, base, "sources", "the forward", err) < 0)
		result = -EINVAL;
	return result;
}

int source_nat_check(const struct object *object, const char *base, struct err *err)
{
	const struct source_nat *source_nat = (const struct source_nat *)object;

	return check_family(&source_nat->sources, source_nat->address.family, base, "sources", "the address",
			    err);
}

int policy_check(const struct object *object, const char *base, struct err *err)
{
	const struct policy *policy = (const struct policy *)object;
	char path[ERR_PATH_MAX], name[8];

	if (policy->ports.count == 0 || policy->protocol == 0 || protocol_has_ports(policy->protocol))
		return 0;
	return err_field(err, path_join(path, base, "ports"), "must be null, because %s has no ports",
			 protocol_name(policy->protocol, name));
}
