/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A script of iptables, ip and sysctl commands. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "export/private.h"
#include "model/schema.h"

enum {
	MULTIPORT_MAX = 15, /* of iptables' multiport; a range counts as two */
	ENDING_MAX = 512,
};

static const char *program_of(uint8_t family)
{
	return family == AF_INET6 ? "ip6tables" : "iptables";
}

static void heading(struct writer *writer, const char *what, const char *name)
{
	buf_printf(writer->text, "\n# %s", what);
	export_comment(writer->text, name);
	buf_puts(writer->text, "\n");
}

static void not_expressed(struct writer *writer, const char *what)
{
	buf_printf(writer->text, "# not expressed: %s\n", what);
}

/* --- uplinks as they are now --- */

static void resolve(const struct writer *writer, const struct object *object, struct uplink_live *ret_live)
{
	uplink_resolve(writer->source->config, (const struct uplink *)object, writer->source->links,
		       writer->source->environment, ret_live);
}

static const struct object_list *list_of(const struct writer *writer, enum kind kind)
{
	return &writer->source->config->lists[kind];
}

static bool has_family(const struct uplink_live *live, uint8_t family)
{
	for (unsigned i = 0; live->link && i < live->link->address_count; i++)
		if (live->link->addresses[i].address.family == family &&
		    uplink_address_counts(&live->link->addresses[i]))
			return true;
	return false;
}

/* "iptables" and, where there is IPv6, "ip6tables", with the same words. */
static void both_families(struct writer *writer, const struct uplink_live *live, const char *before,
			  const char *after)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	for (unsigned i = 0; i < 2; i++) {
		if (families[i] == AF_INET6 && !has_family(live, AF_INET6))
			continue;
		buf_printf(writer->text, "%s %s ", program_of(families[i]), before);
		export_quote(writer->text, live->uplink->device);
		buf_printf(writer->text, " %s\n", after);
	}
}

/* --- marks --- */

static void write_mark(struct writer *writer, const struct uplink_live *live, const char *hook,
		       const char *direction)
{
	char before[ENDING_MAX], after[ENDING_MAX];

	snprintf(before, sizeof(before), "-t mangle -A %s %s", hook, direction);
	snprintf(after, sizeof(after),
		 "-m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x%08" PRIx32 "/0x%08x", live->mark,
		 MARK_UPLINK_MASK);
	both_families(writer, live, before, after);
}

/* Marks stay with the connection, so the way in is the way out. */
static void write_marks(struct writer *writer)
{
	const struct object_list *uplinks = list_of(writer, KIND_UPLINK);
	bool ipv6 = false;

	for (unsigned i = 0; i < uplinks->count; i++) {
		struct uplink_live live;

		resolve(writer, uplinks->items[i], &live);
		if (!live.uplink->enabled)
			continue;
		heading(writer, "Uplink ", live.uplink->object.name);
		write_mark(writer, &live, "PREROUTING", "-i");
		write_mark(writer, &live, "POSTROUTING", "-o");
		ipv6 |= has_family(&live, AF_INET6);
		if (live.uplink->health)
			not_expressed(writer, "its health check");
	}
	heading(writer, "Each packet gets the mark of its connection", "");
	for (unsigned i = 0; i < 2 + 2 * (unsigned)ipv6; i++)
		buf_printf(writer->text,
			   "%s -t mangle -A %s -j CONNMARK --restore-mark --nfmask 0x%08x --ctmask 0x%08x\n",
			   program_of(i < 2 ? AF_INET : AF_INET6), i % 2 ? "OUTPUT" : "PREROUTING",
			   MARK_UPLINK_MASK, MARK_UPLINK_MASK);
}

/* --- conditions --- */

static void add_prefixes(struct writer *writer, const char *option, const struct prefixes *prefixes)
{
	char text[PREFIX_TEXT_MAX];

	for (unsigned i = 0; i < prefixes->count; i++)
		buf_printf(writer->text, "%s%s", i ? "," : option, prefix_format(&prefixes->items[i], text));
}

/* How many of the ranges, from `first` on, one multiport takes. */
static unsigned ports_that_fit(const struct ports *ports, unsigned first)
{
	unsigned room = MULTIPORT_MAX, count = 0;

	while (first + count < ports->count) {
		const struct port_range *range = &ports->items[first + count];
		unsigned needs = range->first == range->last ? 1 : 2;

		if (needs > room)
			break;
		room -= needs;
		count++;
	}
	return count;
}

/* The ranges that one rule takes; of protocols without ports there is one rule, without ranges. */
struct chunk {
	const struct ports *ports;
	bool begun;
	unsigned first, count;
};

static bool next_chunk(struct chunk *chunk)
{
	if (chunk->begun && chunk->first + chunk->count >= chunk->ports->count)
		return false;
	chunk->begun = true;
	chunk->first += chunk->count;
	chunk->count = ports_that_fit(chunk->ports, chunk->first);
	return true;
}

static void add_ports(struct writer *writer, const struct port_range *ranges, unsigned count)
{
	buf_puts(writer->text, count > 1 ? " -m multiport --dports " : " --dport ");
	for (unsigned i = 0; i < count; i++) {
		buf_printf(writer->text, "%s%u", i ? "," : "", ranges[i].first);
		if (ranges[i].last != ranges[i].first)
			buf_printf(writer->text, ":%u", ranges[i].last);
	}
}

static void add_chunk(struct writer *writer, const struct chunk *chunk)
{
	if (chunk->count > 0)
		add_ports(writer, chunk->ports->items + chunk->first, chunk->count);
}

static void add_time(struct writer *writer, unsigned minutes)
{
	if (minutes == 24 * 60)
		buf_puts(writer->text, "23:59:59");
	else
		buf_printf(writer->text, "%02u:%02u", minutes / 60, minutes % 60);
}

/* iptables counts seconds in 31 bits; and where there are hours, the date would be in local time like them. */
static bool can_say_end(const struct forward *forward)
{
	return forward->expires_at > 0 && forward->expires_at <= INT32_MAX && forward->schedule.count == 0;
}

/* The hours in which a forward works, in the kernel's time zone; and until when. */
static void add_hours(struct writer *writer, const struct forward *forward, const struct window *window)
{
	static const char days[7][4] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
	char text[TIME_TEXT_MAX];
	bool first = true;

	if (!window && !can_say_end(forward))
		return;
	buf_puts(writer->text, " -m time");
	if (window) {
		buf_puts(writer->text, " --kerneltz --weekdays ");
		for (unsigned day = 0; day < 7; day++)
			if (window->days & 1u << day) {
				buf_printf(writer->text, "%s%s", first ? "" : ",", days[day]);
				first = false;
			}
		buf_puts(writer->text, " --timestart ");
		add_time(writer, window->from);
		buf_puts(writer->text, " --timestop ");
		add_time(writer, window->to);
		if (window->to <= window->from)
			buf_puts(writer->text, " --contiguous");
	} else /* with --kerneltz it would be local time, too */
		buf_printf(writer->text, " --datestop %.19s", time_format(forward->expires_at, text));
}

static void add_name(struct writer *writer, const char *name)
{
	buf_puts(writer->text, " -m comment --comment ");
	export_quote(writer->text, name);
}

/* --- forwards --- */

/* One rule of a forward: to these ports of this address. */
struct aim {
	const struct forward *forward;
	const struct window *window; /* NULL: always */
	const struct uplink *uplink;
	const struct ip *external, *internal;
	uint8_t protocol;
};

static void begin_rule(struct writer *writer, const struct aim *aim)
{
	char external[IP_TEXT_MAX], protocol[8];

	buf_printf(writer->text, "%s -t nat -A PREROUTING -d %s", program_of(aim->external->family),
		   ip_format(aim->external, external));
	if (!aim->forward->hairpin) {
		buf_puts(writer->text, " -i ");
		export_quote(writer->text, aim->uplink->device);
	}
	buf_printf(writer->text, " -p %s", protocol_name(aim->protocol, protocol));
	add_prefixes(writer, " -s ", &aim->forward->sources);
}

static void end_rule(struct writer *writer, const struct aim *aim)
{
	char internal[IP_TEXT_MAX];

	add_hours(writer, aim->forward, aim->window);
	add_name(writer, aim->forward->object.name);
	ip_format(aim->internal, internal);
	buf_printf(writer->text,
		   aim->internal->family == AF_INET6 ? " -j DNAT --to-destination [%s]" :
						       " -j DNAT --to-destination %s",
		   internal);
}

static void write_same_ports(struct writer *writer, const struct aim *aim)
{
	struct chunk chunk = { .ports = &aim->forward->external_ports };

	while (next_chunk(&chunk)) {
		begin_rule(writer, aim);
		add_chunk(writer, &chunk);
		end_rule(writer, aim);
		buf_puts(writer->text, "\n");
	}
}

/* "--to-destination 192.168.0.2:9000-9100/8000": shifted, which iptables does since 1.8 and Linux 4.18. */
static void write_other_ports(struct writer *writer, const struct aim *aim)
{
	struct piece_walk walk = { 0 };
	struct port_piece piece;

	while (forward_next_piece(aim->forward, &walk, &piece)) {
		const struct port_range range = { piece.external,
						  (uint16_t)(piece.external + piece.count - 1) };

		begin_rule(writer, aim);
		add_ports(writer, &range, 1);
		end_rule(writer, aim);
		buf_printf(writer->text, ":%u", piece.internal);
		if (piece.count > 1)
			buf_printf(writer->text, "-%u/%u", piece.internal + piece.count - 1, piece.external);
		buf_puts(writer->text, "\n");
	}
}

static void write_aim(struct writer *writer, const struct aim *aim)
{
	if (!protocol_has_ports(aim->protocol)) {
		begin_rule(writer, aim);
		end_rule(writer, aim);
		buf_puts(writer->text, "\n");
	} else if (aim->forward->internal_ports.count > 0) {
		write_other_ports(writer, aim);
	} else {
		write_same_ports(writer, aim);
	}
}

/* On one uplink's addresses. */
static void write_on_uplink(struct writer *writer, struct aim *aim, const struct uplink_live *live)
{
	for (unsigned i = 0; live->link && i < live->link->address_count; i++) {
		const struct link_address *address = &live->link->addresses[i];

		if (!uplink_address_counts(address) || address->address.family != aim->internal->family)
			continue;
		aim->uplink = live->uplink;
		aim->external = &address->address;
		for (unsigned p = 0; p < aim->forward->protocols.count; p++) {
			aim->protocol = aim->forward->protocols.items[p];
			write_aim(writer, aim);
		}
	}
}

static void write_window(struct writer *writer, struct aim *aim)
{
	const struct object_list *uplinks = list_of(writer, KIND_UPLINK);

	for (unsigned i = 0; i < uplinks->count; i++) {
		struct uplink_live live;

		resolve(writer, uplinks->items[i], &live);
		if (live.uplink->enabled && forward_on_uplink(aim->forward, live.uplink->object.name))
			write_on_uplink(writer, aim, &live);
	}
}

static bool has_expired(const struct writer *writer, const struct forward *forward)
{
	return forward->expires_at && forward->expires_at <= writer->source->environment->now;
}

/* Where it leads now; false: it does not, which is said. */
static bool find_backend(struct writer *writer, const struct forward *forward, struct ip *ret_backend)
{
	struct ip backends[BACKENDS_MAX];

	if (!forward->enabled)
		not_expressed(writer, "it is switched off");
	else if (has_expired(writer, forward))
		not_expressed(writer, "it has expired");
	else if (!forward_backends(writer->source->config, forward, writer->source->links, backends))
		not_expressed(writer, "there is no prefix that its address could have");
	else {
		*ret_backend = backends[0];
		return true;
	}
	return false;
}

static void write_forward(struct writer *writer, const struct forward *forward)
{
	struct ip backend;
	struct aim aim = { .forward = forward, .internal = &backend };

	if (forward->pinhole)
		return;
	heading(writer, "Forward ", forward->object.name);
	if (!find_backend(writer, forward, &backend))
		return;
	if (forward->log)
		not_expressed(writer, "its log");
	if (forward->expires_at && !can_say_end(forward))
		not_expressed(writer, "when it expires");
	for (unsigned i = 0; i < forward->schedule.count; i++) {
		aim.window = &forward->schedule.items[i];
		write_window(writer, &aim);
	}
	if (forward->schedule.count == 0)
		write_window(writer, &aim);
}

static void write_forwards(struct writer *writer)
{
	const struct object_list *forwards = list_of(writer, KIND_FORWARD);

	for (unsigned i = 0; i < forwards->count; i++)
		write_forward(writer, (const struct forward *)forwards->items[i]);
}

/* --- redirects --- */

static void write_redirect_from(struct writer *writer, const struct redirect *redirect, const char *option,
				const char *from)
{
	char protocol[8], text[PREFIX_TEXT_MAX];

	for (unsigned i = 0; i < 2 * redirect->except.count; i++)
		buf_printf(writer->text, "iptables -t nat -A PREROUTING -%c %s -p %s --dport %u -j RETURN\n",
			   i % 2 ? 'd' : 's', prefix_format(&redirect->except.items[i / 2], text),
			   protocol_name(redirect->protocol, protocol), (unsigned)redirect->port);
	buf_printf(writer->text, "iptables -t nat -A PREROUTING %s ", option);
	export_quote(writer->text, from);
	buf_printf(writer->text, " -p %s --dport %u -m addrtype ! --dst-type LOCAL",
		   protocol_name(redirect->protocol, protocol), (unsigned)redirect->port);
	add_name(writer, redirect->object.name);
	buf_printf(writer->text, " -j REDIRECT --to-ports %u\n", (unsigned)redirect->to_port);
}

static void write_redirects(struct writer *writer)
{
	const struct object_list *redirects = list_of(writer, KIND_REDIRECT);
	char text[PREFIX_TEXT_MAX];

	for (unsigned i = 0; i < redirects->count; i++) {
		const struct redirect *redirect = (const struct redirect *)redirects->items[i];
		const struct network *network = (const struct network *)config_find_name(
			writer->source->config, KIND_NETWORK, redirect->network);

		heading(writer, "Redirect ", redirect->object.name);
		if (!redirect->enabled || !network) {
			not_expressed(writer, "it is switched off");
			continue;
		}
		for (unsigned k = 0; k < network->devices.count; k++)
			write_redirect_from(writer, redirect, "-i", network->devices.items[k]);
		for (unsigned k = 0; k < network->prefixes.count; k++)
			if (network->prefixes.items[k].address.family == AF_INET)
				write_redirect_from(writer, redirect, "-s",
						    prefix_format(&network->prefixes.items[k], text));
	}
}

/* --- source NAT --- */

/* The prefixes of one of the compiled sets, as texts parted by commas; NULL: there are none. */
static char *set_prefixes(const struct writer *writer, const char *name)
{
	const struct kset *set = kstate_find_set(writer->state, name);
	struct buf buf;

	if (!set || set->count == 0)
		return NULL;
	buf_init(&buf, EXPORT_TEXT_MAX);
	for (unsigned i = 0; i < set->count; i++) {
		buf_puts(&buf, i ? "," : "");
		kelem_print(set, &set->elems[i], &buf);
	}
	return buf_steal(&buf);
}

static void write_hairpin(struct writer *writer, uint8_t family, const char *from_set, const char *to_set)
{
	char *from = set_prefixes(writer, from_set), *to = set_prefixes(writer, to_set);

	if (from && to)
		buf_printf(writer->text,
			   "%s -t nat -A POSTROUTING -s %s -d %s -m conntrack --ctstate DNAT -j MASQUERADE\n",
			   program_of(family), from, to);
	free(from);
	free(to);
}

/* Source NAT towards a backend whose replies would not come back by themselves. */
static void write_rewrite(struct writer *writer, const struct forward *forward)
{
	char address[IP_TEXT_MAX], protocol[8];
	struct ip backends[BACKENDS_MAX];

	if (forward->backend_sees != BACKEND_SEES_ROUTER || forward->pinhole || !forward->enabled ||
	    !forward_backends(writer->source->config, forward, writer->source->links, backends))
		return;
	for (unsigned p = 0; p < forward->protocols.count; p++) {
		struct chunk chunk = { .ports = forward_internal_ports(forward) };

		while (next_chunk(&chunk)) {
			buf_printf(writer->text, "%s -t nat -A POSTROUTING -d %s -p %s",
				   program_of(backends[0].family), ip_format(&backends[0], address),
				   protocol_name(forward->protocols.items[p], protocol));
			add_chunk(writer, &chunk);
			add_name(writer, forward->object.name);
			buf_puts(writer->text, " -m conntrack --ctstate DNAT -j MASQUERADE\n");
		}
	}
}

static void write_source_nats(struct writer *writer)
{
	const struct object_list *list = list_of(writer, KIND_SOURCE_NAT);
	char address[IP_TEXT_MAX];

	for (unsigned i = 0; i < list->count; i++) {
		const struct source_nat *nat = (const struct source_nat *)list->items[i];
		const struct uplink *uplink = (const struct uplink *)config_find_name(
			writer->source->config, KIND_UPLINK, nat->uplink);

		if (!nat->enabled || !uplink)
			continue;
		heading(writer, "Source NAT ", nat->object.name);
		buf_printf(writer->text, "%s -t nat -A POSTROUTING", program_of(nat->address.family));
		add_prefixes(writer, " -s ", &nat->sources);
		buf_puts(writer->text, " -o ");
		export_quote(writer->text, uplink->device);
		buf_printf(writer->text, " -j SNAT --to-source %s\n", ip_format(&nat->address, address));
	}
}

static void write_leaving(struct writer *writer, const struct uplink *uplink)
{
	char address[IP_TEXT_MAX];

	if (uplink->source_nat_kind != SOURCE_NAT_NONE) {
		buf_puts(writer->text, "iptables -t nat -A POSTROUTING -o ");
		export_quote(writer->text, uplink->device);
	}
	if (uplink->source_nat_kind == SOURCE_NAT_MASQUERADE)
		buf_puts(writer->text, " -j MASQUERADE\n");
	else if (uplink->source_nat_kind == SOURCE_NAT_ADDRESS)
		buf_printf(writer->text, " -j SNAT --to-source %s\n",
			   ip_format(&uplink->source_nat, address));
	if (uplink->source_nat6 != SOURCE_NAT6_NONE)
		not_expressed(writer, "what becomes of IPv6 sources of another uplink");
}

static void write_postrouting(struct writer *writer)
{
	const struct object_list *forwards = list_of(writer, KIND_FORWARD),
				 *uplinks = list_of(writer, KIND_UPLINK);

	heading(writer, "Hairpin: from a LAN to a host in a LAN by a public address", "");
	write_hairpin(writer, AF_INET, "hairpin_router4", "lan4");
	write_hairpin(writer, AF_INET6, "hairpin_router6", "lan6");
	const struct kset *external = kstate_find_set(writer->state, "hairpin_external4");

	if (external && external->count > 0)
		not_expressed(writer, "networks whose backends see the external address (hairpin_source)");
	heading(writer, "Backends that see the router", "");
	for (unsigned i = 0; i < forwards->count; i++)
		write_rewrite(writer, (const struct forward *)forwards->items[i]);
	write_source_nats(writer);
	heading(writer, "What leaves by an uplink", "");
	for (unsigned i = 0; i < uplinks->count; i++)
		if (((const struct uplink *)uplinks->items[i])->enabled)
			write_leaving(writer, (const struct uplink *)uplinks->items[i]);
}

/* --- policies --- */

/* The last mark that is set counts, so the policy that is asked first comes last. */
static void write_policy(struct writer *writer, const struct policy *policy)
{
	const struct object *object = policy->uplinks.count ?
					      config_find_name(writer->source->config, KIND_UPLINK,
							       policy->uplinks.items[0]) :
					      NULL;
	struct chunk chunk = { .ports = &policy->ports };
	struct uplink_live live;
	char protocol[8];

	heading(writer, "Policy ", policy->object.name);
	if (!policy->enabled || !object) {
		not_expressed(writer, "it is switched off, or has no uplink");
		return;
	}
	resolve(writer, object, &live);
	if (policy->uplinks.count > 1)
		not_expressed(writer, "its other uplinks, for when the first is down");
	if (policy->ports.count > 0 && !policy->protocol) {
		not_expressed(writer, "ports of TCP and UDP together");
		return;
	}
	while (next_chunk(&chunk)) {
		buf_puts(writer->text, "iptables -t mangle -A PREROUTING");
		add_prefixes(writer, " -s ", &policy->sources);
		add_prefixes(writer, " -d ", &policy->destinations);
		if (policy->protocol)
			buf_printf(writer->text, " -p %s", protocol_name(policy->protocol, protocol));
		add_chunk(writer, &chunk);
		buf_printf(writer->text,
			   " -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x%08" PRIx32 "/0x%08x\n",
			   live.mark, MARK_UPLINK_MASK);
	}
}

static int compare_positions(const void *a, const void *b)
{
	const struct policy *x = *(const struct policy *const *)a, *y = *(const struct policy *const *)b;

	if (x->position != y->position)
		return x->position < y->position ? 1 : -1;
	return x->object.id < y->object.id ? 1 : -1;
}

static void write_policies(struct writer *writer)
{
	const struct object_list *list = list_of(writer, KIND_POLICY);
	const struct policy **sorted = calloc(list->count + 1, sizeof(struct policy *));

	if (!sorted) {
		writer->text->failed = true;
		return;
	}
	if (list->count > 0)
		memcpy(sorted, list->items, list->count * sizeof(struct policy *));
	qsort(sorted, list->count, sizeof(struct policy *), compare_positions);
	for (unsigned i = 0; i < list->count; i++)
		write_policy(writer, sorted[i]);
	free(sorted);
	if (list_of(writer, KIND_UPLINK)->count > 1) {
		heading(writer, "Which uplink other connections from inside take", "");
		not_expressed(writer, "tiers, weights and health: the main table's default route decides");
	}
}

/* --- the filter --- */

static void write_pinhole_to(struct writer *writer, const struct forward *forward,
			     const struct window *window, const struct uplink_live *live,
			     const struct ip *backend)
{
	char address[IP_TEXT_MAX], protocol[8];

	for (unsigned p = 0; p < forward->protocols.count; p++) {
		struct chunk chunk = { .ports = &forward->external_ports };

		while (next_chunk(&chunk)) {
			buf_printf(writer->text, "%s -A FORWARD -i ", program_of(backend->family));
			export_quote(writer->text, live->uplink->device);
			buf_printf(writer->text, " -d %s -p %s", ip_format(backend, address),
				   protocol_name(forward->protocols.items[p], protocol));
			add_chunk(writer, &chunk);
			add_prefixes(writer, " -s ", &forward->sources);
			add_hours(writer, forward, window);
			add_name(writer, forward->object.name);
			buf_puts(writer->text, " -j ACCEPT\n");
		}
	}
}

static void write_pinhole(struct writer *writer, const struct forward *forward,
			  const struct uplink_live *live)
{
	struct ip backends[BACKENDS_MAX];
	unsigned count = forward_backends(writer->source->config, forward, writer->source->links, backends);

	for (unsigned i = 0; i < count; i++) {
		for (unsigned k = 0; k < forward->schedule.count; k++)
			write_pinhole_to(writer, forward, &forward->schedule.items[k], live, &backends[i]);
		if (forward->schedule.count == 0)
			write_pinhole_to(writer, forward, NULL, live, &backends[i]);
	}
}

static void write_pinholes(struct writer *writer, const struct uplink_live *live)
{
	const struct object_list *forwards = list_of(writer, KIND_FORWARD);

	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];

		if (forward->pinhole && forward->enabled && !has_expired(writer, forward) &&
		    forward_on_uplink(forward, live->uplink->object.name))
			write_pinhole(writer, forward, live);
	}
}

static void write_filter(struct writer *writer)
{
	const struct object_list *uplinks = list_of(writer, KIND_UPLINK);

	heading(writer, "Nothing else comes in", "");
	if (!filter_is_ours(writer->source->config, writer->source->environment)) {
		not_expressed(writer, "another firewall filters");
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		buf_printf(writer->text,
			   "%s -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n",
			   program_of(i ? AF_INET6 : AF_INET));
		buf_printf(writer->text, "%s -A FORWARD -m conntrack --ctstate DNAT -j ACCEPT\n",
			   program_of(i ? AF_INET6 : AF_INET));
	}
	for (unsigned i = 0; i < uplinks->count; i++) {
		struct uplink_live live;

		resolve(writer, uplinks->items[i], &live);
		if (!live.uplink->enabled)
			continue;
		write_pinholes(writer, &live);
		for (unsigned k = 0; k < 2; k++) {
			buf_printf(writer->text, "%s -A FORWARD -i ", program_of(k ? AF_INET6 : AF_INET));
			export_quote(writer->text, live.uplink->device);
			buf_puts(writer->text, " -j DROP\n");
		}
	}
}

void export_iptables(struct writer *writer)
{
	buf_puts(writer->text, "#!/bin/sh\n# ");
	export_comment(writer->text, writer->source->title);
	buf_puts(writer->text,
		 "\n# Addresses are those of that moment. It adds to the rules that are there.\nset -e\n");
	write_policies(writer);
	write_marks(writer);
	heading(writer, "Routing: the main table first, then by the connection's mark", "");
	export_routing(writer, "");
	write_forwards(writer);
	write_redirects(writer);
	write_postrouting(writer);
	write_filter(writer);
}
