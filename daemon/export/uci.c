/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sections for OpenWrt's /etc/config/firewall and /etc/config/mwan3. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "export/private.h"
#include "model/schema.h"

enum { SECTION_NAME_MAX = 16 }; /* mwan3 takes 15 characters */

static const struct object_list *list_of(const struct writer *writer, enum kind kind)
{
	return &writer->source->config->lists[kind];
}

/* As OpenWrt writes it. */
static void quoted(struct writer *writer, const char *text)
{
	buf_puts(writer->text, " '");
	for (; *text; text++) {
		if (*text == '\'')
			buf_puts(writer->text, "'\\''");
		else
			buf_add(writer->text, text, 1);
	}
	buf_puts(writer->text, "'");
}

static void section(struct writer *writer, const char *type, const char *name)
{
	buf_printf(writer->text, "\nconfig %s", type);
	if (name)
		quoted(writer, name);
	buf_puts(writer->text, "\n");
}

static void line(struct writer *writer, const char *word, const char *name, const char *value)
{
	buf_printf(writer->text, "\t%s %s", word, name);
	quoted(writer, value);
	buf_puts(writer->text, "\n");
}

static void option(struct writer *writer, const char *name, const char *value)
{
	line(writer, "option", name, value);
}

static void list(struct writer *writer, const char *name, const char *value)
{
	line(writer, "list", name, value);
}

static void number(struct writer *writer, const char *name, int64_t value)
{
	buf_printf(writer->text, "\toption %s '%lld'\n", name, (long long)value);
}

static void not_expressed(struct writer *writer, const char *what, const char *of)
{
	buf_printf(writer->text, "\n# not expressed: %s", what);
	export_comment(writer->text, of);
	buf_puts(writer->text, "\n");
}

static void prefix_list(struct writer *writer, const char *name, const struct prefixes *prefixes)
{
	char text[PREFIX_TEXT_MAX];

	for (unsigned i = 0; i < prefixes->count; i++)
		list(writer, name, prefix_format(&prefixes->items[i], text));
}

/* What a section may be called: its object's name as far as that goes, else kind and number. "wan" is the uplinks' zone. */
static const char *identifier(const struct object *object, char name[SECTION_NAME_MAX])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
	size_t length = strlen(object->name);

	if (length < SECTION_NAME_MAX && strspn(object->name, plain) == length &&
	    !strchr("0123456789", object->name[0]) &&
	    (object->kind != KIND_NETWORK || strcmp(object->name, "wan") != 0))
		snprintf(name, SECTION_NAME_MAX, "%s", object->name);
	else
		snprintf(name, SECTION_NAME_MAX, "%.4s%u", kind_name(object->kind), object->id % 1000000000u);
	return name;
}

/* --- interfaces and zones --- */

static void write_interfaces(struct writer *writer)
{
	const struct object_list *uplinks = list_of(writer, KIND_UPLINK),
				 *networks = list_of(writer, KIND_NETWORK);
	char name[SECTION_NAME_MAX];

	buf_puts(writer->text, "# The interfaces of /etc/config/network are taken to be called\n");
	for (unsigned i = 0; i < uplinks->count; i++) {
		buf_printf(writer->text, "#   %s on device ", identifier(uplinks->items[i], name));
		export_comment(writer->text, ((const struct uplink *)uplinks->items[i])->device);
		buf_puts(writer->text, "\n");
	}
	for (unsigned i = 0; i < networks->count; i++) {
		const struct names *devices = &((const struct network *)networks->items[i])->devices;

		buf_printf(writer->text, "#   %s on", identifier(networks->items[i], name));
		for (unsigned k = 0; k < devices->count; k++)
			buf_printf(writer->text, " %s", devices->items[k]);
		buf_puts(writer->text, "\n");
	}
}

static void write_zones(struct writer *writer)
{
	const struct object_list *uplinks = list_of(writer, KIND_UPLINK),
				 *networks = list_of(writer, KIND_NETWORK);
	char name[SECTION_NAME_MAX];

	section(writer, "zone", NULL);
	option(writer, "name", "wan");
	for (unsigned i = 0; i < uplinks->count; i++)
		list(writer, "network", identifier(uplinks->items[i], name));
	option(writer, "input", "REJECT");
	option(writer, "output", "ACCEPT");
	option(writer, "forward", "REJECT");
	option(writer, "masq", "1");
	for (unsigned i = 0; i < networks->count; i++) {
		section(writer, "zone", NULL);
		option(writer, "name", identifier(networks->items[i], name));
		list(writer, "network", name);
		option(writer, "input", "ACCEPT");
		option(writer, "output", "ACCEPT");
		option(writer, "forward", "ACCEPT");
		section(writer, "forwarding", NULL);
		option(writer, "src", name);
		option(writer, "dest", "wan");
	}
}

/* fw4 masquerades for a zone, not for a device. */
static void note_source_nat(struct writer *writer)
{
	const struct object_list *uplinks = list_of(writer, KIND_UPLINK);

	for (unsigned i = 0; i < uplinks->count; i++) {
		const struct uplink *uplink = (const struct uplink *)uplinks->items[i];

		if (uplink->source_nat_kind != SOURCE_NAT_MASQUERADE)
			not_expressed(writer, "that it does not masquerade: uplink ", uplink->object.name);
		if (!uplink->enabled)
			not_expressed(writer, "that it is switched off: uplink ", uplink->object.name);
	}
}

/* The network that has the backend's address, or the first; NULL: there is none. */
static const struct network *network_of(const struct writer *writer, const struct ip *address)
{
	const struct object_list *networks = list_of(writer, KIND_NETWORK);

	for (unsigned i = 0; i < networks->count; i++) {
		const struct network *network = (const struct network *)networks->items[i];

		for (unsigned k = 0; k < network->devices.count; k++) {
			const struct link *link = links_find(writer->source->links,
							     network->devices.items[k]);

			for (unsigned a = 0; link && a < link->address_count; a++) {
				struct prefix prefix = prefix_of(&link->addresses[a].address,
								 link->addresses[a].prefix_length);

				if (prefix_contains(&prefix, address))
					return network;
			}
		}
	}
	return networks->count ? (const struct network *)networks->items[0] : NULL;
}

/* --- forwards --- */

static void write_hours(struct writer *writer, const struct window *window)
{
	static const char days[7][4] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
	char text[32] = "";

	for (unsigned day = 0; day < 7; day++)
		if (window->days & 1u << day)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", text[0] ? " " : "",
				 days[day]);
	option(writer, "weekdays", text);
	snprintf(text, sizeof(text), "%02u:%02u:00", window->from / 60u % 24, window->from % 60u);
	option(writer, "start_time", text);
	if (window->to == 24 * 60)
		option(writer, "stop_time", "23:59:59");
	else
		snprintf(text, sizeof(text), "%02u:%02u:00", window->to / 60u % 24, window->to % 60u);
	if (window->to != 24 * 60)
		option(writer, "stop_time", text);
}

static void write_range(struct writer *writer, const char *name, unsigned first, unsigned count)
{
	char text[16];

	snprintf(text, sizeof(text), count > 1 ? "%u-%u" : "%u", first % 65536, (first + count - 1) % 65536);
	option(writer, name, text);
}

/* firewall4 looks at the ports of TCP and UDP alone: of another protocol it would let in all. */
static bool is_known(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || !protocol_has_ports(protocol);
}

static bool any_known(const struct forward *forward)
{
	for (unsigned i = 0; i < forward->protocols.count; i++)
		if (is_known(forward->protocols.items[i]))
			return true;
	return false;
}

static void write_common(struct writer *writer, const struct forward *forward, const struct ip *backend)
{
	const struct network *network = network_of(writer, backend);
	char zone[SECTION_NAME_MAX], protocol[8];

	option(writer, "name", forward->object.name);
	option(writer, "src", "wan");
	if (network)
		option(writer, "dest", identifier(&network->object, zone));
	option(writer, "family", backend->family == AF_INET6 ? "ipv6" : "ipv4");
	for (unsigned i = 0; i < forward->protocols.count; i++)
		if (is_known(forward->protocols.items[i]))
			list(writer, "proto", protocol_name(forward->protocols.items[i], protocol));
	if (!forward->enabled)
		option(writer, "enabled", "0");
}

/* One section of a forward. */
struct aim {
	const struct forward *forward;
	const struct ip *backend;
	const struct ip *external;      /* NULL: all addresses of uplinks */
	const struct prefix *source;    /* NULL: everyone; it must not be a list */
	const struct window *window;    /* NULL: always */
	const struct port_piece *piece; /* NULL: no ports */
};

/* Reflection is from the backend's zone if nothing is said. It does not look at sources. */
static void write_reflection(struct writer *writer, const struct aim *aim)
{
	const struct object_list *networks = list_of(writer, KIND_NETWORK);
	const struct network *own = network_of(writer, aim->backend);
	char zone[SECTION_NAME_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < networks->count; i++)
		count += ((const struct network *)networks->items[i])->hairpin;
	if (!aim->forward->hairpin || aim->source || count == 0) {
		option(writer, "reflection", "0");
		return;
	}
	for (unsigned i = 0; i < networks->count && networks->count > 1; i++)
		if (((const struct network *)networks->items[i])->hairpin)
			list(writer, "reflection_zone", identifier(networks->items[i], zone));
	if (own && own->hairpin_source == HAIRPIN_SOURCE_EXTERNAL)
		option(writer, "reflection_src", "external");
}

static void write_redirect(struct writer *writer, const struct aim *aim)
{
	const struct forward *forward = aim->forward;
	const struct port_piece *piece = aim->piece;
	char text[PREFIX_TEXT_MAX], until[TIME_TEXT_MAX];

	section(writer, "redirect", NULL);
	write_common(writer, forward, aim->backend);
	option(writer, "target", "DNAT");
	if (aim->source)
		option(writer, "src_ip", prefix_format(aim->source, text));
	if (aim->external)
		option(writer, "src_dip", ip_format(aim->external, text));
	option(writer, "dest_ip", ip_format(aim->backend, text));
	if (piece)
		write_range(writer, "src_dport", piece->external, piece->count);
	if (piece && piece->internal != piece->external)
		write_range(writer, "dest_port", piece->internal, piece->count);
	write_reflection(writer, aim);
	if (aim->window)
		write_hours(writer, aim->window);
	if (forward->expires_at) {
		time_format(forward->expires_at, until);
		until[strlen("2026-12-24T18:00:00")] = '\0'; /* without the Z */
		option(writer, "stop_date", until);
		option(writer, "utc_time", "1");
	}
}

static void write_sources(struct writer *writer, struct aim aim)
{
	const struct prefixes *sources = &aim.forward->sources;

	if (sources->count == 0)
		write_redirect(writer, &aim);
	for (unsigned i = 0; i < sources->count; i++) {
		aim.source = &sources->items[i];
		write_redirect(writer, &aim);
	}
}

static void write_pieces(struct writer *writer, struct aim aim)
{
	struct piece_walk walk = { 0 };
	struct port_piece piece;

	if (!protocol_has_ports(aim.forward->protocols.items[0]))
		write_sources(writer, aim);
	aim.piece = &piece;
	while (forward_next_piece(aim.forward, &walk, &piece)) {
		if (piece.count > 1 && piece.internal != piece.external)
			not_expressed(writer, "ports that are shifted one to one, of forward ",
				      aim.forward->object.name);
		else
			write_sources(writer, aim);
	}
}

static void write_windows(struct writer *writer, struct aim aim)
{
	const struct schedule *schedule = &aim.forward->schedule;

	if (schedule->count == 0)
		write_pieces(writer, aim);
	for (unsigned i = 0; i < schedule->count; i++) {
		aim.window = &schedule->items[i];
		if (aim.window->to <= aim.window->from)
			not_expressed(writer, "hours over midnight, of forward ", aim.forward->object.name);
		else
			write_pieces(writer, aim);
	}
}

static bool all_enabled(const struct object_list *uplinks)
{
	for (unsigned i = 0; i < uplinks->count; i++)
		if (!((const struct uplink *)uplinks->items[i])->enabled)
			return false;
	return true;
}

/* Some uplinks of a zone are told apart by their addresses of now. */
static void write_forward(struct writer *writer, const struct forward *forward, const struct ip *backend)
{
	const struct object_list *uplinks = list_of(writer, KIND_UPLINK);
	struct aim aim = { .forward = forward, .backend = backend };

	if (forward->uplinks.count == 0 && all_enabled(uplinks)) {
		write_windows(writer, aim);
		return;
	}
	if (uplinks->count > 1)
		not_expressed(writer, "that only who comes by the uplink of that address reaches forward ",
			      forward->object.name);
	for (unsigned i = 0; i < uplinks->count; i++) {
		const struct uplink *uplink = (const struct uplink *)uplinks->items[i];
		const struct link *link = links_find(writer->source->links, uplink->device);

		for (unsigned k = 0; link && k < link->address_count; k++)
			if (uplink->enabled && forward_on_uplink(forward, uplink->object.name) &&
			    uplink_address_counts(&link->addresses[k]) &&
			    link->addresses[k].address.family == backend->family) {
				aim.external = &link->addresses[k].address;
				write_windows(writer, aim);
			}
	}
}

static void write_pinhole(struct writer *writer, const struct forward *forward, const struct ip *backend)
{
	const struct ports *ports = &forward->external_ports;
	char text[SUFFIX_TEXT_MAX];
	struct buf buf;

	section(writer, "rule", NULL);
	write_common(writer, forward, backend);
	prefix_list(writer, "src_ip", &forward->sources);
	option(writer, "dest_ip",
	       forward->suffix_bits ? suffix_format(backend, forward->suffix_bits, text) :
				      ip_format(backend, text));
	buf_init(&buf, EXPORT_TEXT_MAX);
	for (unsigned i = 0; i < ports->count; i++) {
		const struct ports one = { 1, &ports->items[i] };

		buf_puts(&buf, i ? " " : "");
		ports_format(&one, &buf);
	}
	if (ports->count > 0)
		option(writer, "dest_port", buf_text(&buf));
	buf_done(&buf);
	option(writer, "target", "ACCEPT");
}

/* True if it is for each uplink of the zone, which is all that a rule can be for. */
static bool is_on_all_uplinks(const struct writer *writer, const struct forward *forward)
{
	const struct object_list *uplinks = list_of(writer, KIND_UPLINK);

	for (unsigned i = 0; i < uplinks->count; i++)
		if (!((const struct uplink *)uplinks->items[i])->enabled ||
		    !forward_on_uplink(forward, uplinks->items[i]->name))
			return false;
	return true;
}

/* Why it is left out, rather than open for longer, or for others, than it should be; NULL: it is not. */
static const char *why_left_out(const struct writer *writer, const struct forward *forward)
{
	if (forward->expires_at > INT32_MAX ||
	    (forward->expires_at && (forward->pinhole || forward->schedule.count > 0)))
		return "because of when it expires, forward ";
	if (!any_known(forward))
		return "because of its protocol, forward ";
	if (forward->pinhole && forward->schedule.count > 0)
		return "because of its hours, pinhole ";
	if (forward->pinhole && !is_on_all_uplinks(writer, forward))
		return "because of its uplinks, pinhole ";
	return NULL;
}

static void say_what_is_lost(struct writer *writer, const struct forward *forward)
{
	const char *name = forward->object.name;

	for (unsigned i = 0; i < forward->protocols.count; i++)
		if (!is_known(forward->protocols.items[i]))
			not_expressed(writer, "protocols other than TCP and UDP, of forward ", name);
	if (forward->log)
		not_expressed(writer, "the log of forward ", name);
	if (forward->backend_sees == BACKEND_SEES_ROUTER)
		not_expressed(writer, "that the backend sees the router, of forward ", name);
	if (forward->hairpin && !forward->pinhole && forward->sources.count > 0)
		not_expressed(writer, "hairpin, which would be for all, of forward ", name);
	if (forward->expires_at)
		not_expressed(writer,
			      "that the hour is one of UTC and not of the router (firewall4), of forward ",
			      name);
}

static void write_forwards(struct writer *writer)
{
	const struct object_list *forwards = list_of(writer, KIND_FORWARD);

	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];
		const char *why = why_left_out(writer, forward);
		struct ip backends[BACKENDS_MAX];

		if (why) {
			not_expressed(writer, why, forward->object.name);
			continue;
		}
		say_what_is_lost(writer, forward);
		if (forward->pinhole)
			write_pinhole(writer, forward, &forward->internal_address);
		else if (!forward->suffix_bits)
			write_forward(writer, forward, &forward->internal_address);
		else if (forward_backends(writer->source->config, forward, writer->source->links, backends))
			write_forward(writer, forward, &backends[0]);
		else
			not_expressed(writer, "a host whose prefix is not known, of forward ",
				      forward->object.name);
	}
}

/* --- redirects and source NAT --- */

static void write_proxies(struct writer *writer)
{
	const struct object_list *redirects = list_of(writer, KIND_REDIRECT);
	char name[SECTION_NAME_MAX], protocol[8];

	for (unsigned i = 0; i < redirects->count; i++) {
		const struct redirect *redirect = (const struct redirect *)redirects->items[i];
		const struct object *network = config_find_name(writer->source->config, KIND_NETWORK,
								redirect->network);

		if (!network)
			continue;
		if (redirect->except.count > 0) {
			not_expressed(writer, "because of its exceptions, redirect ", redirect->object.name);
			continue;
		}
		section(writer, "redirect", NULL);
		option(writer, "name", redirect->object.name);
		option(writer, "src", identifier(network, name));
		list(writer, "proto", protocol_name(redirect->protocol, protocol));
		number(writer, "src_dport", redirect->port);
		number(writer, "dest_port", redirect->to_port);
		option(writer, "target", "DNAT");
		if (!redirect->enabled)
			option(writer, "enabled", "0");
	}
}

static void write_source_nats(struct writer *writer)
{
	const struct object_list *nats = list_of(writer, KIND_SOURCE_NAT);
	char text[PREFIX_TEXT_MAX];

	for (unsigned i = 0; i < nats->count; i++) {
		const struct source_nat *nat = (const struct source_nat *)nats->items[i];
		const struct uplink *uplink = (const struct uplink *)config_find_name(
			writer->source->config, KIND_UPLINK, nat->uplink);

		for (unsigned k = 0; k < nat->sources.count; k++) {
			section(writer, "nat", NULL);
			option(writer, "name", nat->object.name);
			option(writer, "src", "wan");
			if (uplink)
				option(writer, "device", uplink->device);
			option(writer, "proto", "all");
			option(writer, "src_ip", prefix_format(&nat->sources.items[k], text));
			option(writer, "snat_ip", ip_format(&nat->address, text));
			option(writer, "target", "SNAT");
			if (!nat->enabled || !uplink || !uplink->enabled)
				option(writer, "enabled", "0");
		}
	}
}

/* --- mwan3 --- */

static void write_health(struct writer *writer, const struct health *health)
{
	if (health->method == HEALTH_ICMP) {
		for (unsigned i = 0; i < health->targets.count; i++)
			list(writer, "track_ip", health->targets.items[i]);
		option(writer, "track_method", "ping");
	} else {
		buf_puts(writer->text, "\t# not expressed: a check by TCP or DNS\n");
	}
	if (strcmp(health->need, "all") == 0)
		number(writer, "reliability", health->targets.count);
	else
		option(writer, "reliability", strcmp(health->need, "any") == 0 ? "1" : health->need);
	option(writer, "count", "1");
	number(writer, "interval", (health->interval_ms + 999) / 1000);
	number(writer, "timeout", (health->timeout_ms + 999) / 1000);
	number(writer, "down", health->down_after);
	number(writer, "up", health->up_after);
	if (health->max_loss_percent < 0 && health->max_latency_ms < 0)
		return;
	option(writer, "check_quality", "1");
	number(writer, "failure_loss", health->max_loss_percent < 0 ? 100 : health->max_loss_percent);
	number(writer, "failure_latency", health->max_latency_ms < 0 ? 60000 : health->max_latency_ms);
}

static void write_tracking(struct writer *writer)
{
	const struct object_list *uplinks = list_of(writer, KIND_UPLINK);
	char name[SECTION_NAME_MAX];

	for (unsigned i = 0; i < uplinks->count; i++) {
		const struct uplink *uplink = (const struct uplink *)uplinks->items[i];

		section(writer, "interface", identifier(uplinks->items[i], name));
		option(writer, "enabled", uplink->enabled ? "1" : "0");
		option(writer, "family", "ipv4");
		if (uplink->health)
			write_health(writer, uplink->health);
	}
	for (unsigned i = 0; i < uplinks->count; i++) {
		const struct uplink *uplink = (const struct uplink *)uplinks->items[i];

		buf_printf(writer->text, "\nconfig member 'member_%u'\n", uplink->object.id);
		option(writer, "interface", identifier(uplinks->items[i], name));
		number(writer, "metric", uplink->tier);
		number(writer, "weight", uplink->weight);
	}
	section(writer, "policy", "balanced");
	for (unsigned i = 0; i < uplinks->count; i++)
		buf_printf(writer->text, "\tlist use_member 'member_%u'\n", uplinks->items[i]->id);
	option(writer, "last_resort",
	       config_settings(writer->source->config)->last_resort == LAST_RESORT_MAIN ? "default" :
											  "unreachable");
}

/* The policy's uplinks, one after the other. */
static void write_preferences(struct writer *writer, const struct policy *policy)
{
	unsigned metric = 1;

	for (unsigned i = 0; i < policy->uplinks.count; i++) {
		const struct object *uplink = config_find_name(writer->source->config, KIND_UPLINK,
							       policy->uplinks.items[i]);
		char name[SECTION_NAME_MAX];

		if (!uplink)
			continue;
		buf_printf(writer->text, "\nconfig member 'm%u_%u'\n", policy->object.id, metric);
		option(writer, "interface", identifier(uplink, name));
		number(writer, "metric", metric++);
		option(writer, "weight", "1");
	}
	buf_printf(writer->text, "\nconfig policy 'policy_%u'\n", policy->object.id);
	for (unsigned i = 1; i < metric; i++)
		buf_printf(writer->text, "\tlist use_member 'm%u_%u'\n", policy->object.id, i);
	option(writer, "last_resort", policy->otherwise == OTHERWISE_ANY ? "default" : "unreachable");
}

/* Sections of whatever kind share their names. */
static bool is_taken(const struct writer *writer, const char *name)
{
	const struct object_list *uplinks = list_of(writer, KIND_UPLINK);
	char other[SECTION_NAME_MAX];

	for (unsigned i = 0; i < uplinks->count; i++)
		if (strcmp(identifier(uplinks->items[i], other), name) == 0)
			return true;
	return strcmp(name, "balanced") == 0 || strcmp(name, "default_rule") == 0;
}

/* mwan3's rules have one source and one destination each, and look at the ports of TCP and UDP alone. */
static void write_rules(struct writer *writer, const struct policy *policy, uint8_t of_protocol)
{
	unsigned sources = policy->sources.count ? policy->sources.count : 1, part = 0;
	unsigned destinations = policy->destinations.count ? policy->destinations.count : 1;
	char name[SECTION_NAME_MAX], text[PREFIX_TEXT_MAX], protocol[8];
	struct buf ports;

	buf_init(&ports, LIST_MAX * sizeof("65535-65535,"));
	ports_format(&policy->ports, &ports);
	for (unsigned i = 0; i < sources * destinations; i++) {
		if (part++ == 0 && of_protocol == policy->protocol &&
		    !is_taken(writer, identifier(&policy->object, name)))
			section(writer, "rule", name);
		else
			buf_printf(writer->text, "\nconfig rule 'p%u_%u_%u'\n", policy->object.id,
				   of_protocol, part);
		if (policy->sources.count > 0)
			option(writer, "src_ip",
			       prefix_format(&policy->sources.items[i / destinations], text));
		if (policy->destinations.count > 0)
			option(writer, "dest_ip",
			       prefix_format(&policy->destinations.items[i % destinations], text));
		if (of_protocol)
			option(writer, "proto", protocol_name(of_protocol, protocol));
		if (policy->ports.count > 0)
			option(writer, "dest_port", buf_text(&ports));
		buf_printf(writer->text, "\toption use_policy 'policy_%u'\n", policy->object.id);
	}
	buf_done(&ports);
}

/* By position, which is the order in mwan3's file; few, so the next one is searched for each time. */
static void write_policies(struct writer *writer)
{
	const struct object_list *policies = list_of(writer, KIND_POLICY);
	const struct policy *last = NULL, *next;

	for (;; last = next) {
		next = NULL;
		for (unsigned i = 0; i < policies->count; i++) {
			const struct policy *policy = (const struct policy *)policies->items[i];
			bool later = !last || policy->position > last->position ||
				     (policy->position == last->position &&
				      policy->object.id > last->object.id);

			if (later && (!next || policy->position < next->position))
				next = policy;
		}
		if (!next)
			return;
		if (!next->enabled || next->uplinks.count == 0) {
			not_expressed(writer, "it is switched off, or has no uplink: policy ",
				      next->object.name);
			continue;
		}
		if (next->ports.count > 0 && next->protocol && !is_known(next->protocol)) {
			not_expressed(writer, "because of its protocol, policy ", next->object.name);
			continue;
		}
		write_preferences(writer, next);
		if (next->ports.count > 0 && !next->protocol) {
			write_rules(writer, next, IPPROTO_TCP);
			write_rules(writer, next, IPPROTO_UDP);
		} else {
			write_rules(writer, next, next->protocol);
		}
	}
}

void export_uci(struct writer *writer)
{
	buf_puts(writer->text, "# ");
	export_comment(writer->text, writer->source->title);
	buf_puts(writer->text, "\n");
	write_interfaces(writer);
	buf_puts(writer->text, "\npackage firewall\n");
	write_zones(writer);
	note_source_nat(writer);
	write_forwards(writer);
	write_proxies(writer);
	write_source_nats(writer);
	buf_puts(writer->text, "\npackage mwan3\n");
	write_tracking(writer);
	write_policies(writer);
	section(writer, "rule", "default_rule");
	option(writer, "dest_ip", "0.0.0.0/0");
	option(writer, "use_policy", "balanced");
}
