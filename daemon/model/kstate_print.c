/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel state in the words of nft(8), ip(8) and sysctl(8). */

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "model/config.h"
#include "model/kstate.h"

static uint32_t host_word(const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static struct ip ip_from(uint8_t family, const uint8_t *bytes)
{
	struct ip ip = { .family = family };

	memcpy(ip.bytes, bytes, ip_size(family));
	return ip;
}

static void print_ip(const struct ip *ip, struct buf *buf)
{
	char text[IP_TEXT_MAX];

	buf_puts(buf, ip_format(ip, text));
}

static void print_protocol(uint8_t protocol, struct buf *buf)
{
	char text[8];

	buf_puts(buf, protocol_name(protocol, text));
}

static void print_quoted(const char *text, struct buf *buf)
{
	buf_printf(buf, "\"%s\"", text);
}

static const char *const verdict_names[] = {
	[KVERDICT_ACCEPT] = "accept", [KVERDICT_DROP] = "drop",  [KVERDICT_RETURN] = "return",
	[KVERDICT_JUMP] = "jump ",    [KVERDICT_GOTO] = "goto ",
};

static void print_verdict(enum kverdict_code code, const char *chain, struct buf *buf)
{
	buf_puts(buf, verdict_names[code]);
	if (code == KVERDICT_JUMP || code == KVERDICT_GOTO)
		buf_puts(buf, chain);
}

/* In nft's words: NF_CT_STATE_BIT() and IPS_* of linux/netfilter/nf_conntrack_common.h, the flags of RFC 9293. */
static const char *const ct_states[8] = { "invalid", "established", "related", "new", [6] = "untracked" };
static const char *const ct_statuses[8] = {
	"expected", "seen-reply", "assured", "confirmed", "snat", "dnat"
};
static const char *const tcp_flags[8] = { "fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr" };

static void print_bits(uint32_t bits, const char *const names[8], struct buf *buf)
{
	const char *comma = "";

	for (unsigned i = 0; i < 8; i++) {
		if (!(bits >> i & 1) || !names[i])
			continue;
		buf_printf(buf, "%s%s", comma, names[i]);
		comma = ",";
	}
}

/* `protocol`: the one that the rule has asked for just before, by whose name nft then calls the port. */
static void print_fields(const struct kstmt *stmt, const char *protocol, struct buf *buf)
{
	for (unsigned i = 0; i < stmt->field_count; i++) {
		buf_puts(buf, i ? " . " : "");
		if (protocol && stmt->fields[i] == KFIELD_TH_DPORT)
			buf_printf(buf, "%s dport", protocol);
		else
			buf_puts(buf, kfield_name(stmt->fields[i]));
	}
}

/* A mask of leading ones is written as nft does, like a prefix length. */
static bool mask_is_prefix(uint32_t mask)
{
	return (~mask & (~mask + 1)) == 0;
}

static void print_marked(const struct kstmt *stmt, struct buf *buf)
{
	uint32_t value = host_word(stmt->value);

	if (!stmt->mask)
		buf_printf(buf, " %s0x%08" PRIx32, stmt->invert ? "!= " : "", value);
	else if (mask_is_prefix(stmt->mask))
		buf_printf(buf, " %s0x%08" PRIx32 "/%d", stmt->invert ? "!= " : "", value,
			   __builtin_popcount(stmt->mask));
	else
		buf_printf(buf, " & 0x%08" PRIx32 " %s 0x%08" PRIx32, stmt->mask,
			   stmt->invert ? "!=" : "==", value);
}

static void print_match(const struct kstmt *stmt, const char *protocol, struct buf *buf)
{
	enum kfield field = stmt->fields[0];
	char name[17] = "";

	print_fields(stmt, protocol, buf);
	if (field == KFIELD_META_MARK || field == KFIELD_CT_MARK) {
		print_marked(stmt, buf);
		return;
	}
	buf_puts(buf, stmt->invert ? " != " : " ");
	switch (field) {
	case KFIELD_L4PROTO:
		print_protocol(stmt->value[0], buf);
		break;
	case KFIELD_NFPROTO:
		buf_puts(buf, stmt->value[0] == AF_INET6 ? "ipv6" : "ipv4");
		break;
	case KFIELD_IIFNAME:
	case KFIELD_OIFNAME:
	case KFIELD_FIB_DADDR_OIFNAME:
		memcpy(name, stmt->value, 16);
		print_quoted(name, buf);
		break;
	case KFIELD_IP_SADDR:
	case KFIELD_IP_DADDR:
		print_ip(&(struct ip){ .family = AF_INET,
				       .bytes = { stmt->value[0], stmt->value[1], stmt->value[2],
						  stmt->value[3] } },
			 buf);
		break;
	case KFIELD_IP6_SADDR:
	case KFIELD_IP6_DADDR: {
		struct prefix prefix = { .address = ip_from(AF_INET6, stmt->value),
					 .length = stmt->prefix_length ? stmt->prefix_length : 128 };
		char text[PREFIX_TEXT_MAX];

		buf_puts(buf, prefix_format(&prefix, text));
		break;
	}
	case KFIELD_TH_DPORT:
		buf_printf(buf, "%u", stmt->value[0] << 8 | stmt->value[1]);
		break;
	case KFIELD_CT_STATE:
		print_bits(stmt->mask, ct_states, buf);
		break;
	case KFIELD_CT_STATUS:
		print_bits(stmt->mask, ct_statuses, buf);
		break;
	case KFIELD_TCP_FLAGS:
		print_bits(stmt->mask, tcp_flags, buf);
		break;
	case KFIELD_CT_DIRECTION:
		buf_puts(buf, stmt->value[0] ? "reply" : "original");
		break;
	case KFIELD_FIB_SADDR_TYPE:
	case KFIELD_FIB_DADDR_TYPE:
		if (host_word(stmt->value) == 2) /* RTN_LOCAL */
			buf_puts(buf, "local");
		else
			buf_printf(buf, "%" PRIu32, host_word(stmt->value));
		break;
	case KFIELD_META_MARK:
	case KFIELD_CT_MARK:
	case KFIELD_COUNT:
		break;
	}
}

static void print_set_mark(const char *what, const struct kstmt *stmt, struct buf *buf)
{
	uint32_t mask = stmt->mask | stmt->bits;

	buf_printf(buf, "%s set %s", what, what);
	if (mask != UINT32_MAX)
		buf_printf(buf, " & 0x%08" PRIx32, mask);
	if (stmt->bits)
		buf_printf(buf, " | 0x%08" PRIx32, stmt->bits);
}

static const char *family_word(uint8_t family)
{
	return family == AF_INET6 ? "ip6" : "ip";
}

static void print_nat(const struct kstmt *stmt, const char *protocol, struct buf *buf)
{
	const char *family = family_word(stmt->address.family);

	switch (stmt->type) {
	case KSTMT_DNAT_MAP:
		buf_printf(buf, "dnat %s to ", family);
		print_fields(stmt, protocol, buf);
		buf_printf(buf, " map @%s", stmt->set);
		break;
	case KSTMT_SNAT_ORIGINAL:
		buf_printf(buf, "snat %s to ct original %s daddr", family, family);
		break;
	case KSTMT_SNAT_PREFIX:
		buf_printf(buf, "snat %s prefix to ", family);
		print_ip(&stmt->address, buf);
		buf_printf(buf, "/%u", stmt->prefix_length);
		break;
	case KSTMT_DNAT:
	case KSTMT_SNAT: {
		bool bracket = stmt->port && stmt->address.family == AF_INET6;

		buf_printf(buf, "%s %s to %s", stmt->type == KSTMT_DNAT ? "dnat" : "snat", family,
			   bracket ? "[" : "");
		print_ip(&stmt->address, buf);
		buf_puts(buf, bracket ? "]" : "");
		if (stmt->port)
			buf_printf(buf, ":%u", stmt->port);
		break;
	}
	default:
		abort();
	}
}

static void print_stmt(const struct kstmt *stmt, const char *protocol, struct buf *buf)
{
	switch (stmt->type) {
	case KSTMT_MATCH:
		print_match(stmt, protocol, buf);
		break;
	case KSTMT_LOOKUP:
		print_fields(stmt, protocol, buf);
		buf_printf(buf, " %s@%s", stmt->invert ? "!= " : "", stmt->set);
		break;
	case KSTMT_VMAP:
		print_fields(stmt, protocol, buf);
		if (stmt->mask)
			buf_printf(buf, " & 0x%08" PRIx32, stmt->mask);
		buf_printf(buf, " vmap @%s", stmt->set);
		break;
	case KSTMT_SET_CT_MARK:
		print_set_mark("ct mark", stmt, buf);
		break;
	case KSTMT_SET_META_MARK:
		print_set_mark("meta mark", stmt, buf);
		break;
	case KSTMT_DNAT_MAP:
	case KSTMT_DNAT:
	case KSTMT_SNAT:
	case KSTMT_SNAT_ORIGINAL:
	case KSTMT_SNAT_PREFIX:
		print_nat(stmt, protocol, buf);
		break;
	case KSTMT_MASQUERADE:
		buf_puts(buf, "masquerade");
		break;
	case KSTMT_REDIRECT:
		buf_printf(buf, "redirect to :%u", stmt->port);
		break;
	case KSTMT_VERDICT:
		print_verdict(stmt->verdict, stmt->chain, buf);
		break;
	case KSTMT_LOG:
		buf_printf(buf, "limit rate %d/second burst %d packets log prefix \"%s\"", KLOG_RATE,
			   KLOG_BURST, stmt->prefix);
		break;
	case KSTMT_REJECT_RESET:
		buf_puts(buf, "reject with tcp reset");
		break;
	case KSTMT_NUMGEN:
		buf_printf(buf, "numgen inc mod %u < %u", stmt->modulus, stmt->below);
		break;
	case KSTMT_UPDATE:
		buf_printf(buf, "update @%s { ", stmt->set);
		print_fields(stmt, protocol, buf);
		buf_puts(buf, " }");
		break;
	}
}

static bool is_match_on(const struct kstmt *stmt, enum kfield field)
{
	return stmt->type == KSTMT_MATCH && stmt->fields[0] == field && !stmt->invert;
}

/* Looks into the headers of the protocol that was asked for: nft leaves the question out then. */
static bool implies_protocol(const struct kstmt *stmt)
{
	return stmt->field_count == 1 &&
	       (stmt->fields[0] == KFIELD_TH_DPORT || stmt->fields[0] == KFIELD_TCP_FLAGS);
}

void krule_print(const struct krule *rule, struct buf *buf)
{
	if (!rule->stmts) {
		buf_printf(buf, "# unknown rule %016" PRIx64, rule->digest);
		return;
	}
	for (unsigned i = 0; i < rule->count; i++) {
		const struct kstmt *stmt = &rule->stmts[i];
		const char *protocol = NULL;
		char text[8];

		if (i)
			buf_puts(buf, " ");
		if (i + 1 < rule->count && is_match_on(stmt, KFIELD_L4PROTO) && implies_protocol(stmt + 1)) {
			protocol = protocol_name(stmt->value[0], text);
			stmt = &rule->stmts[++i];
		}
		print_stmt(stmt, protocol, buf);
	}
	if (rule->comment) {
		buf_puts(buf, " comment ");
		print_quoted(rule->comment, buf);
	}
}

/* One field of a key or of data; returns where the next begins. */
static const uint8_t *print_value(enum ktype type, const uint8_t *bytes, struct buf *buf)
{
	struct ip ip;
	char text[KDATA_MAX + 1] = "";

	switch (type) {
	case KTYPE_INET_PROTO:
		print_protocol(bytes[0], buf);
		break;
	case KTYPE_INET_SERVICE:
		buf_printf(buf, "%u", bytes[0] << 8 | bytes[1]);
		break;
	case KTYPE_IPV4_ADDR:
	case KTYPE_IPV6_ADDR:
		ip = ip_from(type == KTYPE_IPV4_ADDR ? AF_INET : AF_INET6, bytes);
		print_ip(&ip, buf);
		break;
	case KTYPE_IFNAME:
		memcpy(text, bytes, 16);
		print_quoted(text, buf);
		break;
	case KTYPE_MARK:
		buf_printf(buf, "0x%08" PRIx32, host_word(bytes));
		break;
	case KTYPE_VERDICT:
		memcpy(text, bytes + 1, KDATA_MAX - 1);
		print_verdict(bytes[0], text, buf);
		break;
	case KTYPE_NONE:
	case KTYPE_COUNT:
		break;
	}
	return bytes + ((ktype_size(type) + 3) & ~3u);
}

static void print_values(const enum ktype *types, unsigned max, const uint8_t *bytes, struct buf *buf)
{
	for (unsigned i = 0; i < max && types[i] != KTYPE_NONE; i++) {
		if (i)
			buf_puts(buf, " . ");
		bytes = print_value(types[i], bytes, buf);
	}
}

/* True, and printed as one, if first and last are those of a prefix. */
static bool print_as_prefix(const struct kset *set, const struct kelem *elem, struct buf *buf)
{
	uint8_t family = set->key[0] == KTYPE_IPV6_ADDR ? AF_INET6 : AF_INET;
	struct ip first = ip_from(family, elem->bytes), last = ip_from(family, kelem_key_end(set, elem));

	for (unsigned length = 0; length <= ip_size(family) * 8; length++) {
		struct prefix prefix = prefix_of(&first, length);
		struct ip prefix_end = prefix_last(&prefix);
		char text[PREFIX_TEXT_MAX];

		if (ip_compare(&prefix.address, &first) || ip_compare(&prefix_end, &last))
			continue;
		buf_puts(buf, prefix_format(&prefix, text));
		return true;
	}
	return false;
}

static void print_interval(const struct kset *set, const struct kelem *elem, struct buf *buf)
{
	bool addresses = set->key[0] == KTYPE_IPV4_ADDR || set->key[0] == KTYPE_IPV6_ADDR;
	const uint8_t *last = kelem_key_end(set, elem);

	if (addresses && print_as_prefix(set, elem, buf))
		return;
	print_value(set->key[0], elem->bytes, buf);
	if (memcmp(elem->bytes, last, set->key_size) == 0)
		return;
	buf_puts(buf, "-");
	print_value(set->key[0], last, buf);
}

void kelem_print(const struct kset *set, const struct kelem *elem, struct buf *buf)
{
	if (set->interval)
		print_interval(set, elem, buf);
	else
		print_values(set->key, KFIELDS_MAX, elem->bytes, buf);
	if (set->counter)
		buf_puts(buf, " counter");
	if (elem->comment) {
		buf_puts(buf, " comment ");
		print_quoted(elem->comment, buf);
	}
	if (set->data_size) {
		buf_puts(buf, " : ");
		print_values(set->data, 2, kelem_data(set, elem), buf);
	}
}

static void print_types(const enum ktype *types, unsigned max, struct buf *buf)
{
	for (unsigned i = 0; i < max && types[i] != KTYPE_NONE; i++)
		buf_printf(buf, "%s%s", i ? " . " : "", ktype_name(types[i]));
}

/* "1h30m", as nft writes it. */
static void print_seconds(uint32_t seconds, struct buf *buf)
{
	static const struct {
		uint32_t seconds;
		char letter;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };

	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (seconds >= units[i].seconds)
			buf_printf(buf, "%" PRIu32 "%c", seconds / units[i].seconds, units[i].letter);
		seconds %= units[i].seconds;
	}
}

void kset_print_declaration(const struct kset *set, const char *separator, struct buf *buf)
{
	buf_puts(buf, "type ");
	print_types(set->key, KFIELDS_MAX, buf);
	if (set->data_size) {
		buf_puts(buf, " : ");
		print_types(set->data, 2, buf);
	}
	if (set->timeout_s) {
		buf_printf(buf, "%ssize %d%sflags dynamic,timeout%stimeout ", separator, KSET_DYNAMIC_MAX,
			   separator, separator);
		print_seconds(set->timeout_s, buf);
	}
	if (set->interval)
		buf_printf(buf, "%sflags interval", separator);
	if (set->counter)
		buf_printf(buf, "%scounter", separator);
	if (set->comment)
		buf_printf(buf, "%scomment \"%s\"", separator, set->comment);
}

static void print_set(const struct kset *set, bool first, struct buf *buf)
{
	buf_printf(buf, "%s\t%s %s {\n\t\t", first ? "" : "\n", set->data_size ? "map" : "set", set->name);
	kset_print_declaration(set, "\n\t\t", buf);
	buf_puts(buf, "\n");
	for (unsigned i = 0; i < set->count; i++) {
		buf_puts(buf, i ? ",\n\t\t\t     " : "\t\telements = { ");
		kelem_print(set, &set->elems[i], buf);
	}
	if (set->count)
		buf_puts(buf, " }\n");
	buf_puts(buf, "\t}\n");
}

static void print_priority(const struct kchain *chain, struct buf *buf)
{
	/* The named priorities of nft(8); two of them belong to one hook each. */
	static const struct {
		const char *name;
		int value;
		enum khook only;
	} names[] = { { "raw", -300, KHOOK_NONE },
		      { "mangle", -150, KHOOK_NONE },
		      { "dstnat", -100, KHOOK_PREROUTING },
		      { "filter", 0, KHOOK_NONE },
		      { "srcnat", 100, KHOOK_POSTROUTING } };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int offset = chain->priority - names[i].value;

		if (abs(offset) > 10 || (names[i].only != KHOOK_NONE && names[i].only != chain->hook))
			continue;
		buf_puts(buf, names[i].name);
		if (offset)
			buf_printf(buf, " %c %d", offset < 0 ? '-' : '+', abs(offset));
		return;
	}
	buf_printf(buf, "%d", chain->priority);
}

void kchain_print_declaration(const struct kchain *chain, struct buf *buf)
{
	static const char *const types[] = {
		[KCHAIN_FILTER] = "filter", [KCHAIN_NAT] = "nat", [KCHAIN_ROUTE] = "route"
	};
	static const char *const hooks[] = {
		[KHOOK_PREROUTING] = "prerouting",   [KHOOK_INPUT] = "input",
		[KHOOK_FORWARD] = "forward",         [KHOOK_OUTPUT] = "output",
		[KHOOK_POSTROUTING] = "postrouting",
	};

	buf_printf(buf, "type %s hook %s priority ", types[chain->type], hooks[chain->hook]);
	print_priority(chain, buf);
	buf_printf(buf, "; policy %s;", chain->policy_drop ? "drop" : "accept");
}

static void print_chain(const struct kchain *chain, bool first, struct buf *buf)
{
	buf_printf(buf, "%s\tchain %s {\n", first ? "" : "\n", chain->name);
	if (chain->comment)
		buf_printf(buf, "\t\tcomment \"%s\"\n", chain->comment);
	if (chain->hook != KHOOK_NONE) {
		buf_puts(buf, "\t\t");
		kchain_print_declaration(chain, buf);
		buf_puts(buf, "\n");
	}
	for (unsigned i = 0; i < chain->count; i++) {
		buf_puts(buf, "\t\t");
		krule_print(&chain->rules[i], buf);
		buf_puts(buf, "\n");
	}
	buf_puts(buf, "\t}\n");
}

void kroute_print(const struct kroute *route, struct buf *buf)
{
	if (!route->oif) {
		buf_printf(buf, "unreachable default table %" PRIu32, route->table);
		return;
	}
	buf_puts(buf, "default");
	if (route->gateway.family != AF_UNSPEC) {
		buf_puts(buf, " via ");
		print_ip(&route->gateway, buf);
	}
	if (route->device[0])
		buf_printf(buf, " dev %s", route->device);
	else
		buf_printf(buf, " oif %" PRIu32, route->oif);
	buf_printf(buf, " table %" PRIu32 "%s", route->table, route->onlink ? " onlink" : "");
}

void kiprule_print(const struct kiprule *rule, struct buf *buf)
{
	char text[PREFIX_TEXT_MAX];

	buf_printf(buf, "pref %" PRIu32 " from %s", rule->preference,
		   rule->from.address.family != AF_UNSPEC ? prefix_format(&rule->from, text) : "all");
	if (rule->to.address.family != AF_UNSPEC)
		buf_printf(buf, " to %s", prefix_format(&rule->to, text));
	if (rule->mark_mask)
		buf_printf(buf, " fwmark 0x%08" PRIx32 "/0x%08" PRIx32, rule->mark, rule->mark_mask);
	if (rule->unreachable)
		buf_puts(buf, " unreachable");
	else if (rule->table == 254)
		buf_puts(buf, " lookup main");
	else
		buf_printf(buf, " lookup %" PRIu32, rule->table);
	if (rule->suppress_default)
		buf_puts(buf, " suppress_prefixlength 0");
}

void kstate_print(const struct kstate *state, struct buf *buf)
{
	if (state->table) {
		buf_puts(buf, "table inet " KTABLE_NAME " {\n");
		for (unsigned i = 0; i < state->set_count; i++)
			print_set(&state->sets[i], i == 0, buf);
		for (unsigned i = 0; i < state->chain_count; i++)
			print_chain(&state->chains[i], i == 0 && !state->set_count, buf);
		buf_puts(buf, "}\n");
	}
	for (unsigned i = 0; i < state->rule_count; i++) {
		buf_printf(buf, "ip%s rule ", state->rules[i].family == AF_INET6 ? " -6" : "");
		kiprule_print(&state->rules[i], buf);
		buf_puts(buf, "\n");
	}
	for (unsigned i = 0; i < state->route_count; i++) {
		buf_printf(buf, "ip%s route ", state->routes[i].family == AF_INET6 ? " -6" : "");
		kroute_print(&state->routes[i], buf);
		buf_puts(buf, "\n");
	}
	for (unsigned i = 0; i < state->sysctl_count; i++)
		buf_printf(buf, "sysctl %s = %d\n", state->sysctls[i].path, state->sysctls[i].value);
}
