/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A script of iptables, ip and sysctl commands. */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "export/iptables.h"
#include "model/choice.h"
#include "model/schema.h"

enum { ENDING_MAX = 512 };

static void heading(struct writer *writer, const char *what, const char *name)
{
	buf_printf(writer->text, "\n# %s", what);
	export_comment(writer->text, name);
	buf_puts(writer->text, "\n");
}

/* `name`: of whom, where no heading tells; else NULL. */
static void not_expressed(struct writer *writer, const char *what, const char *name)
{
	buf_printf(writer->text, "# not expressed: %s%s", what, name ? ": " : "");
	export_comment(writer->text, name ? name : "");
	buf_puts(writer->text, "\n");
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

static const struct uplink *uplink_at(const struct writer *writer, unsigned index)
{
	return (const struct uplink *)list_of(writer, KIND_UPLINK)->items[index];
}

/* A provider of IPv6 may give a prefix and no address. */
static bool has_ipv6(const struct uplink_live *live)
{
	for (unsigned i = 0; live->link && i < live->link->address_count; i++)
		if (live->link->addresses[i].address.family == AF_INET6 &&
		    uplink_address_counts(&live->link->addresses[i]))
			return true;
	return live->routed6;
}

/* "iptables" and, where there is IPv6, "ip6tables", with the same words. */
static void both_families(struct writer *writer, const struct uplink_live *live, const char *before,
			  const char *after)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	for (unsigned i = 0; i < 2; i++) {
		if (families[i] == AF_INET6 && !has_ipv6(live))
			continue;
		buf_printf(writer->text, "%s %s ", iptables_program(families[i]), before);
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
		ipv6 |= has_ipv6(&live);
		if (live.uplink->health)
			not_expressed(writer, "its health check", NULL);
	}
	heading(writer, "Each packet gets the mark of its connection", "");
	for (unsigned i = 0; i < 2 + 2 * (unsigned)ipv6; i++)
		buf_printf(writer->text,
			   "%s -t mangle -A %s -j CONNMARK --restore-mark --nfmask 0x%08x --ctmask 0x%08x\n",
			   iptables_program(i < 2 ? AF_INET : AF_INET6), i % 2 ? "OUTPUT" : "PREROUTING",
			   MARK_UPLINK_MASK, MARK_UPLINK_MASK);
}

/* --- forwards --- */

/* Who comes from outside, from a LAN or from the router itself is sent here; what returns goes on as if we were not there. */
#define CHAIN "portico"

static bool has_forwards(const struct writer *writer, uint8_t family)
{
	return family == AF_INET || kstate_find_set(writer->state, "forwards6");
}

static void write_chain(struct writer *writer)
{
	for (unsigned i = 0; i < 2; i++) {
		const char *program = iptables_program(i ? AF_INET6 : AF_INET);

		if (!has_forwards(writer, i ? AF_INET6 : AF_INET))
			continue;
		buf_printf(writer->text, "%s -t nat -N " CHAIN "\n", program);
		buf_printf(writer->text, "%s -t nat -A PREROUTING -j " CHAIN "\n", program);
		buf_printf(writer->text, "%s -t nat -A OUTPUT -j " CHAIN "\n", program);
	}
}

static void write_no_hairpin(struct writer *writer, uint8_t family, const char *set)
{
	char *from = has_forwards(writer, family) ? iptables_set_prefixes(writer, set) : NULL;

	if (from) {
		heading(writer, "Networks without hairpin", "");
		buf_printf(writer->text, "%s -t nat -A " CHAIN " -s %s -j RETURN\n", iptables_program(family),
			   from);
	}
	free(from);
}

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

	buf_printf(writer->text, "%s -t nat -A " CHAIN " -d %s", iptables_program(aim->external->family),
		   ip_format(aim->external, external));
	if (!aim->forward->hairpin) {
		buf_puts(writer->text, " -i ");
		export_quote(writer->text, aim->uplink->device);
	}
	buf_printf(writer->text, " -p %s", protocol_name(aim->protocol, protocol));
	iptables_add_prefixes(writer, " -s ", &aim->forward->sources, aim->external->family);
}

static void end_rule(struct writer *writer, const struct aim *aim)
{
	char internal[IP_TEXT_MAX];

	iptables_add_hours(writer, aim->forward, aim->window);
	iptables_add_name(writer, aim->forward->object.name);
	ip_format(aim->internal, internal);
	buf_printf(writer->text,
		   aim->internal->family == AF_INET6 ? " -j DNAT --to-destination [%s]" :
						       " -j DNAT --to-destination %s",
		   internal);
}

static void write_same_ports(struct writer *writer, const struct aim *aim)
{
	struct iptables_chunk chunk = { .ports = &aim->forward->external_ports };

	while (iptables_next_chunk(&chunk)) {
		begin_rule(writer, aim);
		iptables_add_chunk(writer, &chunk);
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
		iptables_add_ports(writer, &range, 1);
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
			if (aim->protocol != IPPROTO_UDPLITE)
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

/* What is lost of a forward or pinhole; false: it is left out, rather than open for longer, or for others, than it should be. */
static bool say_what_is_lost(struct writer *writer, const struct forward *forward, const char *name)
{
	struct ip backends[BACKENDS_MAX];
	const char *why = NULL;

	if (!forward->enabled)
		why = "it is switched off";
	else if (forward->expires_at && forward->expires_at <= writer->source->environment->now)
		why = "it has expired";
	else if (!iptables_can_say_end(forward))
		why = "because of when it expires";
	else if (!forward_backends(writer->source->config, forward, writer->source->links, backends))
		why = "there is no prefix that its address could have";
	if (why) {
		not_expressed(writer, why, name);
		return false;
	}
	if (forward->log)
		not_expressed(writer, "its log", name);
	for (unsigned i = 0; i < forward->protocols.count; i++)
		if (forward->protocols.items[i] == IPPROTO_UDPLITE)
			not_expressed(writer, "UDP-Lite, whose ports iptables does not know", name);
	return true;
}

static void write_forward(struct writer *writer, const struct forward *forward)
{
	struct ip backends[BACKENDS_MAX];
	struct aim aim = { .forward = forward, .internal = &backends[0] };

	heading(writer, "Forward ", forward->object.name);
	if (!say_what_is_lost(writer, forward, NULL))
		return;
	if (!forward->hairpin)
		not_expressed(writer, "that the router itself reaches it, and who comes by another uplink",
			      NULL);
	(void)forward_backends(writer->source->config, forward, writer->source->links, backends);
	for (unsigned i = 0; i < forward->schedule.count; i++) {
		aim.window = &forward->schedule.items[i];
		write_window(writer, &aim);
	}
	if (forward->schedule.count == 0)
		write_window(writer, &aim);
}

static void write_forwards_of(struct writer *writer, bool of_some_uplinks)
{
	const struct object_list *forwards = list_of(writer, KIND_FORWARD);

	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];

		if (!forward->pinhole && (forward->uplinks.count > 0) == of_some_uplinks)
			write_forward(writer, forward);
	}
}

/* A neighbour on another uplink can send to this one's addresses, too. */
static void return_strangers(struct writer *writer, const struct uplink_live *live)
{
	char text[IP_TEXT_MAX];

	for (unsigned i = 0; live->link && i < live->link->address_count; i++) {
		const struct ip *address = &live->link->addresses[i].address;

		for (unsigned k = 0; k < list_of(writer, KIND_UPLINK)->count; k++) {
			if (!uplink_address_counts(&live->link->addresses[i]) ||
			    !has_forwards(writer, address->family) || uplink_at(writer, k) == live->uplink)
				continue;
			buf_printf(writer->text, "%s -t nat -A " CHAIN " -i ",
				   iptables_program(address->family));
			export_quote(writer->text, uplink_at(writer, k)->device);
			buf_printf(writer->text, " -d %s -j RETURN\n", ip_format(address, text));
		}
	}
}

static void write_forwards(struct writer *writer)
{
	const struct object_list *uplinks = list_of(writer, KIND_UPLINK);

	write_no_hairpin(writer, AF_INET, "no_hairpin4");
	write_no_hairpin(writer, AF_INET6, "no_hairpin6");
	write_forwards_of(writer, false);
	if (uplinks->count > 1)
		heading(writer, "Forwards of one uplink are not for who comes by another", "");
	for (unsigned i = 0; i < uplinks->count && uplinks->count > 1; i++) {
		struct uplink_live live;

		resolve(writer, uplinks->items[i], &live);
		if (live.uplink->enabled)
			return_strangers(writer, &live);
	}
	write_forwards_of(writer, true);
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
	iptables_add_name(writer, redirect->object.name);
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
			not_expressed(writer, "it is switched off", NULL);
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

static void write_hairpin(struct writer *writer, uint8_t family, const char *from_set, const char *to_set)
{
	char *from = iptables_set_prefixes(writer, from_set), *to = iptables_set_prefixes(writer, to_set);

	if (from && to)
		buf_printf(writer->text,
			   "%s -t nat -A POSTROUTING -s %s -d %s -m conntrack --ctstate DNAT -j MASQUERADE\n",
			   iptables_program(family), from, to);
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
		struct iptables_chunk chunk = { .ports = forward_internal_ports(forward) };

		while (forward->protocols.items[p] != IPPROTO_UDPLITE && iptables_next_chunk(&chunk)) {
			buf_printf(writer->text, "%s -t nat -A POSTROUTING -d %s -p %s",
				   iptables_program(backends[0].family), ip_format(&backends[0], address),
				   protocol_name(forward->protocols.items[p], protocol));
			iptables_add_chunk(writer, &chunk);
			iptables_add_name(writer, forward->object.name);
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
		buf_printf(writer->text, "%s -t nat -A POSTROUTING", iptables_program(nat->address.family));
		iptables_add_prefixes(writer, " -s ", &nat->sources, nat->address.family);
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
		not_expressed(writer, "what becomes of IPv6 sources of another uplink", NULL);
}

static void write_postrouting(struct writer *writer)
{
	const struct object_list *forwards = list_of(writer, KIND_FORWARD),
				 *uplinks = list_of(writer, KIND_UPLINK);

	heading(writer, "Hairpin: from a LAN to a host in a LAN by a public address", "");
	write_hairpin(writer, AF_INET, "hairpin_router4", "lan4");
	write_hairpin(writer, AF_INET6, "hairpin_router6", "lan6");
	if (kstate_find_set(writer->state, "hairpin_external4") ||
	    kstate_find_set(writer->state, "hairpin_external6"))
		not_expressed(writer, "networks whose backends see the external address (hairpin_source)",
			      NULL);
	heading(writer, "The router's own connections to its forwards", "");
	for (unsigned i = 0; i < 2; i++)
		if (has_forwards(writer, i ? AF_INET6 : AF_INET))
			buf_printf(
				writer->text,
				"%s -t nat -A POSTROUTING ! -o lo -m conntrack --ctstate DNAT -m addrtype --src-type LOCAL "
				"-j MASQUERADE\n",
				iptables_program(i ? AF_INET6 : AF_INET));
	heading(writer, "Backends that see the router", "");
	for (unsigned i = 0; i < forwards->count; i++)
		write_rewrite(writer, (const struct forward *)forwards->items[i]);
	write_source_nats(writer);
	heading(writer, "What leaves by an uplink", "");
	for (unsigned i = 0; i < uplinks->count; i++)
		if (uplink_at(writer, i)->enabled)
			write_leaving(writer, uplink_at(writer, i));
}

/* --- policies --- */

static void write_policy_rules(struct writer *writer, const struct policy *policy, uint8_t family,
			       uint8_t protocol, uint32_t mark)
{
	struct iptables_chunk chunk = { .ports = &policy->ports };
	char text[8];

	while (iptables_next_chunk(&chunk)) {
		buf_printf(writer->text, "%s -t mangle -A PREROUTING", iptables_program(family));
		iptables_add_prefixes(writer, " -s ", &policy->sources, family);
		iptables_add_prefixes(writer, " -d ", &policy->destinations, family);
		if (protocol)
			buf_printf(writer->text, " -p %s", protocol_name(protocol, text));
		iptables_add_chunk(writer, &chunk);
		buf_printf(writer->text,
			   " -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x%08" PRIx32 "/0x%08x\n",
			   mark, MARK_UPLINK_MASK);
	}
}

static const struct object *first_uplink(const struct writer *writer, const struct policy *policy)
{
	for (unsigned i = 0; i < policy->uplinks.count; i++) {
		const struct object *object = config_find_name(writer->source->config, KIND_UPLINK,
							       policy->uplinks.items[i]);

		if (object && ((const struct uplink *)object)->enabled)
			return object;
	}
	return NULL;
}

/* The last mark that is set counts, so the policy that is asked first comes last. */
static void write_policy(struct writer *writer, const struct policy *policy)
{
	static const uint8_t both[] = { IPPROTO_TCP, IPPROTO_UDP };
	const struct object *object = first_uplink(writer, policy);
	bool any = policy->ports.count > 0 && !policy->protocol;
	struct uplink_live live;

	heading(writer, "Policy ", policy->object.name);
	if (!policy->enabled || !object) {
		not_expressed(writer, "it is switched off, or has no uplink", NULL);
		return;
	}
	if (policy->ports.count > 0 && policy->protocol == IPPROTO_UDPLITE) {
		not_expressed(writer, "UDP-Lite, whose ports iptables does not know", NULL);
		return;
	}
	resolve(writer, object, &live);
	if (policy->uplinks.count > 1)
		not_expressed(writer, "its other uplinks, for when the first is down", NULL);
	for (unsigned f = 0; f < 2; f++) {
		uint8_t family = f ? AF_INET6 : AF_INET;

		if (!policy_concerns(policy, family) || (f && !has_ipv6(&live)))
			continue;
		for (unsigned i = 0; i < (any ? 2 : 1); i++)
			write_policy_rules(writer, policy, family, any ? both[i] : policy->protocol,
					   live.mark);
	}
}

static int compare_positions(const void *a, const void *b)
{
	const struct policy *x = *(const struct policy *const *)a, *y = *(const struct policy *const *)b;

	if (x->position != y->position)
		return x->position < y->position ? 1 : -1;
	return x->object.id < y->object.id ? 1 : -1;
}

/* Who is on an uplink's own network is reached there. */
static void spare_neighbours(struct writer *writer, uint8_t family, const char *set)
{
	char *neighbours = iptables_set_prefixes(writer, set);

	if (neighbours)
		buf_printf(
			writer->text,
			"%s -t mangle -A PREROUTING -d %s -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0/0x%08x\n",
			iptables_program(family), neighbours, MARK_UPLINK_MASK);
	free(neighbours);
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
	for (unsigned i = 0; i < 2 && list->count > 0; i++)
		spare_neighbours(writer, i ? AF_INET6 : AF_INET, i ? "neighbours6" : "neighbours4");
	if (list_of(writer, KIND_UPLINK)->count > 1) {
		heading(writer, "Which uplink other connections from inside take", "");
		not_expressed(writer, "tiers, weights and health: the main table's default route decides",
			      NULL);
	}
}

/* --- the filter --- */

static void write_pinhole_to(struct writer *writer, const struct forward *forward,
			     const struct window *window, const struct uplink_live *live,
			     const struct ip *backend)
{
	char address[IP_TEXT_MAX], protocol[8];

	for (unsigned p = 0; p < forward->protocols.count; p++) {
		struct iptables_chunk chunk = { .ports = &forward->external_ports };

		while (forward->protocols.items[p] != IPPROTO_UDPLITE && iptables_next_chunk(&chunk)) {
			buf_printf(writer->text, "%s -A FORWARD -i ", iptables_program(backend->family));
			export_quote(writer->text, live->uplink->device);
			buf_printf(writer->text, " -d %s -p %s", ip_format(backend, address),
				   protocol_name(forward->protocols.items[p], protocol));
			iptables_add_chunk(writer, &chunk);
			iptables_add_prefixes(writer, " -s ", &forward->sources, backend->family);
			iptables_add_hours(writer, forward, window);
			iptables_add_name(writer, forward->object.name);
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

static void write_pinholes(struct writer *writer)
{
	const struct object_list *forwards = list_of(writer, KIND_FORWARD),
				 *uplinks = list_of(writer, KIND_UPLINK);

	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];

		if (!forward->pinhole || !say_what_is_lost(writer, forward, forward->object.name))
			continue;
		for (unsigned k = 0; k < uplinks->count; k++) {
			struct uplink_live live;

			resolve(writer, uplinks->items[k], &live);
			if (live.uplink->enabled && forward_on_uplink(forward, live.uplink->object.name))
				write_pinhole(writer, forward, &live);
		}
	}
}

/* For both families: "-o", the device, and what else. */
static void write_for_device(struct writer *writer, const char *before, const char *device, const char *after)
{
	for (unsigned i = 0; i < 2; i++) {
		buf_printf(writer->text, "%s -A %s ", iptables_program(i ? AF_INET6 : AF_INET), before);
		export_quote(writer->text, device);
		buf_printf(writer->text, " %s\n", after);
	}
}

/* What connection tracking does not understand would leave as it is. */
static void drop_untranslated(struct writer *writer)
{
	for (unsigned i = 0; i < list_of(writer, KIND_UPLINK)->count; i++) {
		const struct uplink *uplink = uplink_at(writer, i);
		const char *what = "-m conntrack --ctstate INVALID -j DROP";

		if (!uplink->enabled || uplink->source_nat_kind == SOURCE_NAT_NONE)
			continue;
		write_for_device(writer, "FORWARD -o", uplink->device, what);
		write_for_device(writer, "OUTPUT -o", uplink->device, what);
	}
}

/* Nobody inside comes by an uplink. */
static void drop_pretenders(struct writer *writer)
{
	for (unsigned i = 0; i < 2; i++) {
		char *inside = iptables_set_prefixes(writer, i ? "inside6" : "inside4");

		for (unsigned k = 0; inside && k < list_of(writer, KIND_UPLINK)->count; k++) {
			buf_printf(writer->text, "%s -t mangle -A PREROUTING -i ",
				   iptables_program(i ? AF_INET6 : AF_INET));
			export_quote(writer->text, uplink_at(writer, k)->device);
			buf_printf(writer->text, " -s %s -m conntrack --ctstate NEW -j DROP\n", inside);
		}
		free(inside);
	}
}

/* It comes before anything is let in. Also towards uplinks that are switched off. */
static void write_filter(struct writer *writer)
{
	heading(writer, "Nothing comes in but what is forwarded, and what leaves is translated", "");
	drop_pretenders(writer);
	drop_untranslated(writer);
	if (!filter_is_ours(writer->source->config, writer->source->environment)) {
		not_expressed(writer, "another firewall filters", NULL);
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		const char *program = iptables_program(i ? AF_INET6 : AF_INET);

		buf_printf(writer->text,
			   "%s -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n", program);
		buf_printf(writer->text, "%s -A FORWARD -m conntrack --ctstate DNAT -j ACCEPT\n", program);
	}
	write_pinholes(writer);
	for (unsigned i = 0; i < list_of(writer, KIND_UPLINK)->count; i++)
		write_for_device(writer, "FORWARD -i", uplink_at(writer, i)->device, "-j DROP");
}

void export_iptables(struct writer *writer)
{
	buf_puts(writer->text, "#!/bin/sh\n# ");
	export_comment(writer->text, writer->source->title);
	buf_puts(
		writer->text,
		"\n# Addresses are those of that moment. It adds to the rules that are there. What has begun goes on "
		"when a forward ends.\nset -e\n");
	write_chain(writer);
	write_filter(writer);
	write_policies(writer);
	write_marks(writer);
	heading(writer, "Routing: the main table first, then by the connection's mark", "");
	export_routing(writer, "");
	write_forwards(writer);
	write_redirects(writer);
	write_postrouting(writer);
}
