/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel/ by hand: commands as commands.h says. test_kernel.py runs it in a network namespace.
 *
 *   want full|changed|empty|refused|many   choose the desired state
 *   print                                  desired state, as kstate_print() has it
 *   plan                                   steps from what is there to the desired state
 *   apply                                  carry them out: failures, if any
 *   links                                  devices
 *   changed                                names of what changed() reported since last asked
 *   counters SET                           packets of each element
 *   sweep ADDRESS                          delete the flows to this address
 *   table NAME                             whether the table is there
 */
#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "kernel/kernel.h"

enum { MANY = 20000 };

static struct loop *loop;
static struct kernel *kernel;
static struct kstate desired;
static unsigned changed;
static struct ip swept;

static struct ip ip(const char *text)
{
	struct ip address;

	if (ip_parse(text, &address) < 0)
		abort();
	return address;
}

/* --- desired states --- */

static void name(char *to, const char *from)
{
	snprintf(to, KNAME_MAX, "%s", from);
}

static struct kstmt match(enum kfield field, const void *value, size_t size, uint32_t mask, bool invert)
{
	struct kstmt stmt = {
		.type = KSTMT_MATCH, .field_count = 1, .fields = { field }, .mask = mask, .invert = invert
	};

	memcpy(stmt.value, value, size);
	return stmt;
}

static struct kstmt match_word(enum kfield field, uint32_t value, uint32_t mask, bool invert)
{
	return match(field, &value, sizeof(value), mask, invert);
}

static struct kstmt match_byte(enum kfield field, uint8_t value)
{
	return match(field, &value, 1, 0, false);
}

static struct kstmt match_device(enum kfield field, const char *device, bool invert)
{
	char padded[16] = "";

	snprintf(padded, sizeof(padded), "%s", device);
	return match(field, padded, sizeof(padded), 0, invert);
}

static struct kstmt match_port(uint16_t port)
{
	uint16_t wire = htons(port);

	return match(KFIELD_TH_DPORT, &wire, sizeof(wire), 0, false);
}

static struct kstmt match_ip(enum kfield field, const char *address)
{
	struct ip parsed = ip(address);

	return match(field, parsed.bytes, ip_size(parsed.family), 0, false);
}

static struct kstmt by_set(enum kstmt_type type, const char *set, unsigned count, const enum kfield *fields)
{
	struct kstmt stmt = { .type = type, .field_count = (uint8_t)count };

	memcpy(stmt.fields, fields, count * sizeof(*fields));
	name(stmt.set, set);
	return stmt;
}

static struct kstmt dnat_map(uint8_t family, const char *set, unsigned count, const enum kfield *fields)
{
	struct kstmt stmt = by_set(KSTMT_DNAT_MAP, set, count, fields);

	stmt.address.family = family;
	return stmt;
}

static struct kstmt nat(enum kstmt_type type, const char *address, uint16_t port)
{
	return (struct kstmt){ .type = type, .address = ip(address), .port = port };
}

static struct kstmt original(uint8_t family)
{
	return (struct kstmt){ .type = KSTMT_SNAT_ORIGINAL, .address = { .family = family } };
}

static struct kstmt verdict(enum kverdict_code code, const char *chain)
{
	struct kstmt stmt = { .type = KSTMT_VERDICT, .verdict = code };

	name(stmt.chain, chain);
	return stmt;
}

static struct kstmt set_mark(enum kstmt_type type, uint32_t mask, uint32_t bits)
{
	return (struct kstmt){ .type = type, .mask = mask, .bits = bits };
}

static struct kchain *chain;

static void rule(const char *comment, unsigned count, const struct kstmt *stmts)
{
	kchain_add_rule(&desired, chain, stmts, count, comment);
}

#define RULE(comment, ...)                                                            \
	rule(comment, sizeof((struct kstmt[]){ __VA_ARGS__ }) / sizeof(struct kstmt), \
	     (struct kstmt[]){ __VA_ARGS__ })
#define FIELDS(...)                                                                   \
	sizeof((enum kfield[]){ __VA_ARGS__ }) / sizeof(enum kfield), (enum kfield[]) \
	{                                                                             \
		__VA_ARGS__                                                           \
	}

static void base(const char *text, enum kchain_type type, enum khook hook, int priority, const char *comment)
{
	chain = kstate_add_chain(&desired, text, comment);
	chain->type = type;
	chain->hook = hook;
	chain->priority = priority;
}

static struct kset *set(const char *text, const enum ktype *key, const enum ktype *data, bool interval,
			bool counter, const char *comment)
{
	enum ktype keys[KFIELDS_MAX] = { KTYPE_NONE }, datas[2] = { KTYPE_NONE };

	for (unsigned i = 0; key[i] != KTYPE_NONE; i++)
		keys[i] = key[i];
	for (unsigned i = 0; data && data[i] != KTYPE_NONE; i++)
		datas[i] = data[i];
	return kstate_add_set(&desired, text, keys, data ? datas : NULL, interval, counter, comment);
}

#define TYPES(...)                      \
	(enum ktype[])                  \
	{                               \
		__VA_ARGS__, KTYPE_NONE \
	}

static void interval(struct kset *to, const char *first, const char *last, const char *comment)
{
	struct ip from = ip(first), until = ip(last);

	kset_add(&desired, to, from.bytes, until.bytes, NULL, comment, 0);
}

/* protocol . port : address . port */
static void forward(struct kset *to, uint8_t protocol, uint16_t port, const char *address, uint16_t inside)
{
	uint8_t key[KKEY_MAX] = { protocol }, data[KDATA_MAX] = { 0 };
	struct ip parsed = ip(address);
	unsigned size = ip_size(parsed.family);

	key[4] = (uint8_t)(port >> 8);
	key[5] = (uint8_t)port;
	memcpy(data, parsed.bytes, size);
	data[size] = (uint8_t)(inside >> 8);
	data[size + 1] = (uint8_t)inside;
	kset_add(&desired, to, key, NULL, data, "web", 1);
}

static void jump(struct kset *to, const void *key, size_t size, enum kverdict_code code, const char *target)
{
	uint8_t bytes[KKEY_MAX] = { 0 }, data[KDATA_MAX] = { (uint8_t)code };

	memcpy(bytes, key, size);
	snprintf((char *)data + 1, KNAME_MAX, "%s", target);
	kset_add(&desired, to, bytes, NULL, data, "isp1 \xe2\x82\xac", 0);
}

static void add_sets(void)
{
	struct kset *to;
	struct ip address = ip("203.0.113.5");
	uint32_t mark = 0x01000000;
	uint8_t bytes[KKEY_MAX] = { 47 };

	to = set("forwards4", TYPES(KTYPE_INET_PROTO, KTYPE_INET_SERVICE),
		 TYPES(KTYPE_IPV4_ADDR, KTYPE_INET_SERVICE), false, true, "forwards of IPv4");
	forward(to, IPPROTO_TCP, 80, "192.168.0.2", 8080);
	forward(to, IPPROTO_UDP, 53, "192.168.0.3", 53);
	to = set("forwards6", TYPES(KTYPE_INET_PROTO, KTYPE_INET_SERVICE),
		 TYPES(KTYPE_IPV6_ADDR, KTYPE_INET_SERVICE), false, true, NULL);
	forward(to, IPPROTO_TCP, 443, "2001:db8::2", 8443);
	to = set("portless4", TYPES(KTYPE_INET_PROTO), TYPES(KTYPE_IPV4_ADDR), false, true, NULL);
	kset_add(&desired, to, bytes, NULL, ip("192.168.0.9").bytes, NULL, 0);
	to = set("local4", TYPES(KTYPE_IPV4_ADDR), TYPES(KTYPE_VERDICT), false, false, NULL);
	jump(to, address.bytes, 4, KVERDICT_JUMP, "helper");
	address = ip("203.0.113.6");
	jump(to, address.bytes, 4, KVERDICT_ACCEPT, "");
	to = set("local6", TYPES(KTYPE_IPV6_ADDR), TYPES(KTYPE_VERDICT), false, false, NULL);
	address = ip("2001:db8::1");
	jump(to, address.bytes, 16, KVERDICT_GOTO, "helper");
	to = set("uplinks", TYPES(KTYPE_IFNAME), TYPES(KTYPE_VERDICT), false, false, NULL);
	jump(to, "eth0", 4, KVERDICT_JUMP, "helper");
	to = set("marks", TYPES(KTYPE_MARK), TYPES(KTYPE_VERDICT), false, false, NULL);
	jump(to, &mark, 4, KVERDICT_RETURN, "");
	to = set("uplink_devices", TYPES(KTYPE_IFNAME), NULL, false, false, NULL);
	memcpy(bytes, "ppp0\0\0\0\0\0\0\0\0\0\0\0", 16);
	kset_add(&desired, to, bytes, NULL, NULL, NULL, 0);
	to = set("ports", TYPES(KTYPE_INET_SERVICE), NULL, false, false, NULL);
	kset_add(&desired, to, (uint8_t[KKEY_MAX]){ 0x1f, 0x90 }, NULL, NULL, "the page", 0);
	to = set("backends", TYPES(KTYPE_INET_PROTO, KTYPE_IPV4_ADDR, KTYPE_INET_SERVICE), NULL, false, false,
		 NULL);
	kset_add(&desired, to, (uint8_t[KKEY_MAX]){ 6, 0, 0, 0, 192, 168, 0, 2, 0, 80 }, NULL, NULL, NULL, 0);
	to = set("lan4", TYPES(KTYPE_IPV4_ADDR), NULL, true, true, "of the LAN");
	interval(to, "192.168.0.0", "192.168.0.255", "lan");
	interval(to, "192.168.1.0", "192.168.1.255", NULL);
	interval(to, "10.0.0.5", "10.0.0.9", NULL);
	interval(to, "255.255.255.0", "255.255.255.255", "to the end");
	to = set("lan6", TYPES(KTYPE_IPV6_ADDR), NULL, true, false, NULL);
	interval(to, "fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL);
	to = set("all6", TYPES(KTYPE_IPV6_ADDR), NULL, true, false, NULL);
	interval(to, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL);
}

static void add_chains(void)
{
	static const enum kfield both[] = { KFIELD_L4PROTO, KFIELD_TH_DPORT };
	struct kstmt masked;

	chain = kstate_add_chain(&desired, "helper", "called by others");
	RULE(NULL, verdict(KVERDICT_RETURN, ""));

	base("to_inside", KCHAIN_NAT, KHOOK_PREROUTING, -105, "destinations");
	RULE("known addresses only", by_set(KSTMT_VMAP, "local4", FIELDS(KFIELD_IP_DADDR)));
	RULE(NULL, by_set(KSTMT_VMAP, "local6", FIELDS(KFIELD_IP6_DADDR)));
	RULE(NULL, by_set(KSTMT_LOOKUP, "lan4", FIELDS(KFIELD_IP_SADDR)),
	     dnat_map(AF_INET, "forwards4", 2, both));
	RULE(NULL, dnat_map(AF_INET6, "forwards6", 2, both));
	RULE(NULL, dnat_map(AF_INET, "portless4", 1, both));
	RULE(NULL, match_byte(KFIELD_L4PROTO, IPPROTO_TCP), match_port(80),
	     (struct kstmt){ .type = KSTMT_REDIRECT, .port = 8888 });
	RULE(NULL, match_byte(KFIELD_L4PROTO, IPPROTO_UDP), nat(KSTMT_DNAT, "192.0.2.1", 53));
	RULE(NULL, nat(KSTMT_DNAT, "192.0.2.1", 0));
	RULE(NULL, match_byte(KFIELD_L4PROTO, IPPROTO_TCP), nat(KSTMT_DNAT, "2001:db8::9", 443));
	RULE(NULL, match_byte(KFIELD_L4PROTO, 47), verdict(KVERDICT_ACCEPT, ""));

	base("to_outside", KCHAIN_NAT, KHOOK_POSTROUTING, 95, NULL);
	RULE(NULL, by_set(KSTMT_LOOKUP, "lan4", FIELDS(KFIELD_IP_SADDR)),
	     by_set(KSTMT_LOOKUP, "lan4", FIELDS(KFIELD_IP_DADDR)), original(AF_INET));
	RULE(NULL, by_set(KSTMT_LOOKUP, "lan6", FIELDS(KFIELD_IP6_SADDR)), original(AF_INET6));
	RULE(NULL, by_set(KSTMT_LOOKUP, "backends", FIELDS(KFIELD_L4PROTO, KFIELD_IP_DADDR, KFIELD_TH_DPORT)),
	     (struct kstmt){ .type = KSTMT_MASQUERADE });
	RULE(NULL, match_byte(KFIELD_NFPROTO, AF_INET), nat(KSTMT_SNAT, "198.51.100.7", 0));
	RULE(NULL, match_byte(KFIELD_NFPROTO, AF_INET6), (struct kstmt){ .type = KSTMT_MASQUERADE });
	RULE(NULL, match_device(KFIELD_OIFNAME, "eth0", false), (struct kstmt){ .type = KSTMT_MASQUERADE });
	RULE(NULL, match_word(KFIELD_FIB_SADDR_TYPE, 2, 0, false),
	     (struct kstmt){ .type = KSTMT_MASQUERADE });

	base("marks_in", KCHAIN_FILTER, KHOOK_PREROUTING, -155, NULL);
	RULE(NULL, match_word(KFIELD_CT_STATE, 0, 8, false),
	     by_set(KSTMT_VMAP, "uplinks", FIELDS(KFIELD_IIFNAME)));
	masked = by_set(KSTMT_VMAP, "marks", FIELDS(KFIELD_CT_MARK));
	masked.mask = 0x7f000000;
	RULE(NULL, masked);
	masked.fields[0] = KFIELD_META_MARK;
	RULE(NULL, masked);
	RULE("it's \xe4\xb8\xad\xe6\x96\x87", set_mark(KSTMT_SET_CT_MARK, 0x80ffffff, 0x01000000));
	RULE(NULL, set_mark(KSTMT_SET_CT_MARK, 0x7fffffff, 0x80000000));
	RULE(NULL, set_mark(KSTMT_SET_CT_MARK, 0x7fffffff, 0));
	RULE(NULL, set_mark(KSTMT_SET_META_MARK, 0x80ffffff, 0x01000000));

	base("marks_out", KCHAIN_ROUTE, KHOOK_OUTPUT, -155, NULL);
	RULE(NULL, match_word(KFIELD_META_MARK, 0x01000000, 0x7f000000, false), verdict(KVERDICT_ACCEPT, ""));
	RULE(NULL, match_word(KFIELD_META_MARK, 0x01000000, 0x7f000000, true),
	     verdict(KVERDICT_GOTO, "helper"));

	base("guard", KCHAIN_FILTER, KHOOK_FORWARD, -5, NULL);
	chain->policy_drop = true;
	RULE(NULL, match_word(KFIELD_CT_STATE, 0, 2 | 4, false), verdict(KVERDICT_ACCEPT, ""));
	RULE("let in by a forward", match_word(KFIELD_CT_MARK, 0x80000000, 0x80000000, false),
	     verdict(KVERDICT_ACCEPT, ""));
	masked = by_set(KSTMT_LOOKUP, "uplink_devices", FIELDS(KFIELD_IIFNAME));
	RULE(NULL, masked, verdict(KVERDICT_DROP, ""));
	masked.invert = true;
	RULE(NULL, masked, verdict(KVERDICT_JUMP, "helper"));
	RULE(NULL, match_device(KFIELD_IIFNAME, "eth0", true), match_ip(KFIELD_IP_SADDR, "192.0.2.3"),
	     match_ip(KFIELD_IP_DADDR, "192.0.2.4"), verdict(KVERDICT_DROP, ""));
	RULE(NULL, match_ip(KFIELD_IP6_DADDR, "fe80::1"), verdict(KVERDICT_DROP, ""));
	RULE(NULL, match_word(KFIELD_FIB_DADDR_TYPE, 2, 0, true), verdict(KVERDICT_ACCEPT, ""));

	base("entry", KCHAIN_FILTER, KHOOK_INPUT, -5, NULL);
	RULE(NULL, by_set(KSTMT_LOOKUP, "uplink_devices", FIELDS(KFIELD_IIFNAME)),
	     match_byte(KFIELD_L4PROTO, IPPROTO_TCP), match_port(8443), verdict(KVERDICT_DROP, ""));
	RULE(NULL, by_set(KSTMT_LOOKUP, "ports", FIELDS(KFIELD_TH_DPORT)), verdict(KVERDICT_ACCEPT, ""));
	RULE(NULL, by_set(KSTMT_LOOKUP, "all6", FIELDS(KFIELD_IP6_SADDR)), verdict(KVERDICT_ACCEPT, ""));
}

static void route(const char *device, const char *gateway, uint8_t family, uint32_t table)
{
	struct kroute item = { .family = family, .table = table, .oif = device ? if_nametoindex(device) : 0 };

	if (gateway)
		item.gateway = ip(gateway);
	kstate_add_route(&desired, &item);
}

static void add_routing(const char *gateway4, const char *gateway6)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	route("eth0", gateway4, AF_INET, 20001);
	route("eth0", gateway6, AF_INET6, 20001);
	route("eth0", NULL, AF_INET, 20002);
	route("eth0", NULL, AF_INET6, 20002);
	route(NULL, NULL, AF_INET, 20003);
	route(NULL, NULL, AF_INET6, 20003);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t family = families[i];
		struct kiprule rules[] = {
			{ .preference = 5000, .table = 254, .suppress_default = true },
			{ .preference = 5001,
			  .table = 20001,
			  .from = { ip(i ? "2001:db8:1::1" : "192.0.2.1"), i ? 128 : 32 } },
			{ .preference = 5100,
			  .table = 20001,
			  .to = { ip(i ? "2001:db8:2::" : "198.51.100.0"), i ? 64 : 24 },
			  .mark = 0x01000000,
			  .mark_mask = 0x7f000000 },
			{ .preference = 5900,
			  .unreachable = true,
			  .mark = 0x01000000,
			  .mark_mask = 0x7f000000 },
		};

		for (unsigned j = 0; j < 4; j++) {
			rules[j].family = family;
			kstate_add_rule(&desired, &rules[j]);
		}
	}
	kstate_add_sysctl(&desired, "net/ipv4/ip_forward", 1);
	kstate_add_sysctl(&desired, "net/ipv4/conf/eth0/rp_filter", 2);
	kstate_add_sysctl(&desired, "net/ipv4/conf/nowhere/rp_filter", 2);
}

static void add_many(void)
{
	struct kset *to = set("forwards4", TYPES(KTYPE_INET_PROTO, KTYPE_INET_SERVICE),
			      TYPES(KTYPE_IPV4_ADDR, KTYPE_INET_SERVICE), false, true, NULL);
	struct kset *sources = set("sources", TYPES(KTYPE_IPV4_ADDR), NULL, true, false, NULL);

	for (unsigned i = 0; i < MANY; i++) {
		uint8_t first[KKEY_MAX] = { 10, (uint8_t)(i >> 8), (uint8_t)i, 0 };
		uint8_t last[KKEY_MAX] = { 10, (uint8_t)(i >> 8), (uint8_t)i, 255 };

		forward(to, IPPROTO_TCP, (uint16_t)(i + 1), "192.168.0.2", (uint16_t)(i + 1));
		kset_add(&desired, sources, first, last, NULL, NULL, 0);
	}
}

static void want(const char *what)
{
	kstate_done(&desired);
	kstate_init(&desired);
	desired.table = strcmp(what, "empty") != 0;
	if (strcmp(what, "full") == 0) {
		add_sets();
		add_chains();
		add_routing("192.0.2.254", "2001:db8:1::fe");
	} else if (strcmp(what, "changed") == 0) {
		struct kset *to;

		add_sets();
		add_chains();
		add_routing("192.0.2.253", NULL);
		to = set("extra", TYPES(KTYPE_INET_SERVICE), NULL, false, false, NULL);
		kset_add(&desired, to, (uint8_t[KKEY_MAX]){ 0, 22 }, NULL, NULL, NULL, 0);
		for (unsigned i = 0; i < desired.set_count; i++)
			if (strcmp(desired.sets[i].name, "lan4") == 0)
				desired.sets[i].count--;
		for (unsigned i = 0; i < desired.chain_count; i++)
			if (strcmp(desired.chains[i].name, "to_outside") == 0)
				desired.chains[i].count--;
	} else if (strcmp(what, "refused") == 0) {
		route("eth0", "203.0.113.99", AF_INET, 20001);
		chain = kstate_add_chain(&desired, "lonely", NULL);
		RULE(NULL, verdict(KVERDICT_JUMP, "nowhere"));
	} else if (strcmp(what, "many") == 0) {
		add_many();
	}
	if (kstate_finish(&desired) < 0)
		abort();
}

/* --- commands --- */

static void print_state(void)
{
	struct buf buf;

	buf_init(&buf, 16 * 1024 * 1024);
	kstate_print(&desired, &buf);
	fputs(buf_text(&buf), stdout);
	buf_done(&buf);
}

static void compare(bool apply)
{
	struct apply_result result;
	struct kstate observed;
	struct plan plan;
	struct buf buf;
	int r = kernel->ops->read_state(kernel, &desired, true, &observed);

	if (r) {
		printf("read_state: %s\n", strerror(-r));
		return;
	}
	if (plan_make(&desired, &observed, &plan) < 0)
		abort();
	if (apply) {
		r = kernel->ops->apply(kernel, &plan, &result);
		for (unsigned i = 0; i < result.count; i++)
			printf("%s: %s\n", strerrorname_np(-result.failures[i].error),
			       result.failures[i].text);
		if ((r != 0) != (result.count != 0))
			abort();
	} else {
		for (unsigned i = 0; i < plan.count; i++) {
			buf_init(&buf, 4096);
			step_print(&plan.steps[i], 8, &buf);
			puts(buf_text(&buf));
			buf_done(&buf);
		}
	}
	plan_done(&plan);
	kstate_done(&observed);
}

static void print_links(void)
{
	struct links links;
	int r = kernel->ops->read_links(kernel, &links);

	if (r) {
		printf("read_links: %s\n", strerror(-r));
		return;
	}
	for (unsigned i = 0; i < links.count; i++) {
		const struct link *link = &links.items[i];
		char text[IP_TEXT_MAX];

		printf("%s%s%s%s%s", link->name, link->up ? " up" : "", link->loopback ? " loopback" : "",
		       link->bridge ? " bridge" : "", link->point_to_point ? " ptp" : "");
		for (unsigned j = 0; j < link->address_count; j++) {
			printf(" %s/%u", ip_format(&link->addresses[j].address, text),
			       link->addresses[j].prefix_length);
			if (link->addresses[j].peer.family)
				printf(" peer %s", ip_format(&link->addresses[j].peer, text));
			if (link->addresses[j].deprecated)
				printf(" deprecated");
		}
		if (link->default_route4)
			printf(" via4 %s", ip_format(&link->gateway4, text));
		if (link->default_route6)
			printf(" via6 %s", ip_format(&link->gateway6, text));
		puts("");
	}
	links_done(&links);
}

static void print_changed(void)
{
	static const char *const names[] = { "links", "table", "routes", "sysctl" };

	for (unsigned i = 0; i < 4; i++)
		if (changed & 1u << i)
			puts(names[i]);
	changed = 0;
}

static void print_counter(void *arg, const void *key, uint64_t packets)
{
	const uint8_t *bytes = key;

	(void)arg;
	printf("%u.%u %llu\n", bytes[0], bytes[4] << 8 | bytes[5], (unsigned long long)packets);
}

static void print_counters(const char *text)
{
	const struct kset *found = kstate_find_set(&desired, text);

	if (!found || kernel->ops->read_counters(kernel, found, NULL, 0, print_counter, NULL) < 0)
		puts("failed");
}

/* The same, asked for by key. */
static void print_counters_of(const char *text)
{
	const struct kset *found = kstate_find_set(&desired, text);
	unsigned count = found ? found->count : 0;
	const struct kelem **elems = calloc(count + 1, sizeof(struct kelem *));

	for (unsigned i = 0; i < count; i++)
		elems[i] = &found->elems[i];
	if (!found || kernel->ops->read_counters(kernel, found, elems, count, print_counter, NULL) < 0)
		puts("failed");
	free(elems);
}

static enum flow_fate is_swept(void *arg, const struct flow *flow)
{
	(void)arg;
	return ip_compare(&flow->destination, &swept) == 0 ? FLOW_IS_DELETED : FLOW_STAYS;
}

static void print_fw4(void)
{
	struct fw4 fw4;

	if (kernel->ops->read_fw4(kernel, &fw4) < 0)
		puts("failed");
	else
		printf("%s%s%s\n", fw4.there ? "there" : "not there", fw4.input ? ", input" : "",
		       fw4.forward ? ", forward" : "");
}

static void sweep(const char *address)
{
	swept = ip(address);
	if (kernel->ops->sweep_flows(kernel, is_swept, NULL) < 0)
		puts("failed");
}

static void run(char *line)
{
	char *command = strtok(line, " "), *argument = strtok(NULL, " ");

	if (strcmp(command, "want") == 0)
		want(argument);
	else if (strcmp(command, "print") == 0)
		print_state();
	else if (strcmp(command, "plan") == 0)
		compare(false);
	else if (strcmp(command, "apply") == 0)
		compare(true);
	else if (strcmp(command, "links") == 0)
		print_links();
	else if (strcmp(command, "changed") == 0)
		print_changed();
	else if (strcmp(command, "counters") == 0)
		print_counters(argument);
	else if (strcmp(command, "counters_of") == 0)
		print_counters_of(argument);
	else if (strcmp(command, "sweep") == 0)
		sweep(argument);
	else if (strcmp(command, "fw4") == 0)
		print_fw4();
	else
		puts("unknown command");
}

static void on_changed(void *arg, unsigned what)
{
	(void)arg;
	changed |= what;
}

int main(void)
{
	struct kernel_events events = { .changed = on_changed };
	struct commands commands = { .run = run };
	struct err err = { 0 };

	if (loop_new(&loop) < 0)
		return 1;
	commands.loop = loop;
	if (commands_watch(&commands) < 0)
		return 1;
	if (kernel_open(loop, &events, &kernel, &err) < 0) {
		fprintf(stderr, "%s\n", err.detail);
		return 1;
	}
	kstate_init(&desired);
	int status = loop_run(loop);

	kernel->ops->free(kernel);
	kstate_done(&desired);
	watch_free(commands.watch);
	loop_free(loop);
	return status;
}
