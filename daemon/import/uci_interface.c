/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the interfaces of OpenWrt's /etc/config/network are called in the kernel. */
#include <stdio.h>
#include <string.h>

#include "import/uci.h"
#include "model/schema.h"

enum { ALIASES_MAX = 8 };

static struct uci_section *find_interface(struct uci_file *network, const char *name)
{
	for (unsigned i = 0; i < network->count; i++)
		if (strcmp(network->sections[i].type, "interface") == 0 &&
		    strcmp(network->sections[i].name, name) == 0)
			return &network->sections[i];
	return NULL;
}

const char *uci_interface_with(struct uci_file *network, const char *address)
{
	for (unsigned i = 0; i < network->count; i++) {
		struct uci_section *section = &network->sections[i];
		const char *own = uci_value(section, "ipaddr", "");
		size_t length = strcspn(own, "/ ");

		if (strcmp(section->type, "interface") == 0 && strlen(address) == length &&
		    memcmp(own, address, length) == 0)
			return section->name;
	}
	return NULL;
}

/* As netifd names the devices of an interface's protocol. */
static const char *described_device(struct import *import, struct uci_section *section)
{
	static const char *const ppp[] = { "pppoe", "pppoa", "ppp", "pptp", "l2tp", "3g", "pppossh", NULL };
	static const char *const tunnels[] = { "wireguard", "vpnc",     "openconnect",
					       "tailscale", "zerotier", NULL };
	static const char *const prefixed[] = {
		"6in4", "6to4", "6rd", "gre", "gretap", "vxlan", "ipip", NULL
	};
	const char *proto = uci_value(section, "proto", "");
	const char *device = uci_value(section, "device", uci_value(section, "ifname", ""));

	if (text_is_one_of(proto, ppp))
		return import_printf(import, "%s-%s", strcmp(proto, "pppoa") == 0 ? "pppoa" : proto,
				     section->name);
	if (text_is_one_of(proto, tunnels))
		return section->name;
	if (text_is_one_of(proto, prefixed))
		return import_printf(import, "%s-%s", proto, section->name);
	if (strcmp(uci_value(section, "type", ""), "bridge") == 0)
		return import_printf(import, "br-%s", section->name);
	return device[0] ? import_strndup(import, device, strcspn(device, " ")) : NULL;
}

/* Without the file: what is there already by that name, or looks like it. */
static const char *guessed_device(struct import *import, const char *name)
{
	const struct object *uplink = config_find_name(import->config, KIND_UPLINK, name);
	const struct object *network = config_find_name(import->config, KIND_NETWORK, name);
	static const char *const prefixes[] = { "", "br-", "pppoe-" };

	if (uplink)
		return ((const struct uplink *)uplink)->device;
	if (network && ((const struct network *)network)->devices.count > 0)
		return ((const struct network *)network)->devices.items[0];
	for (unsigned i = 0; i < 3; i++) {
		const char *device = import_printf(import, "%s%.32s", prefixes[i], name);

		if (links_find(import->links, device))
			return device;
	}
	return NULL;
}

const char *uci_device(struct import *import, struct uci_file *network, const char *interface)
{
	for (unsigned i = 0; i < ALIASES_MAX; i++) {
		struct uci_section *section = find_interface(network, interface);
		const char *device = section ? described_device(import, section) :
					       guessed_device(import, interface);

		if (!device || device[0] != '@')
			return device && device_fault(device, strlen(device)) ? NULL : device;
		interface = device + 1; /* "@wan": the device of that interface */
	}
	return NULL;
}

const char *uci_uplink(struct import *import, struct uci_file *network, const char *interface, int *ret_draft)
{
	const char *device = uci_device(import, network, interface);
	const struct uplink *uplink = device ? import_uplink_on(import, device) : NULL;
	const struct object *namesake = config_find_name(import->config, KIND_UPLINK, interface);
	struct uci_section *section = find_interface(network, interface);
	const char *gateway = section ? uci_value(section, "gateway", NULL) : NULL;
	struct ip address;
	json_t *fields;

	*ret_draft = -1;
	if (uplink || namesake)
		return uplink ? uplink->object.name : namesake->name;
	if (!device)
		return NULL;
	*ret_draft = import_drafted_uplink(import, device);
	if (*ret_draft < 0) {
		fields = json_pack("{s:s}", "device", device);
		if (gateway && ip_parse(gateway, &address) == 0)
			json_object_set_new(fields, "gateway", json_string(gateway));
		*ret_draft = draft_add(import, KIND_UPLINK, interface, fields);
	}
	return *ret_draft < 0 ? NULL : import->drafts[*ret_draft].name;
}
