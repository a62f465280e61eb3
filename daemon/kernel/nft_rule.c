/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules: struct krule to nf_tables expressions, one function per expression,
 * in the order and with the registers that nft(8) uses.
 *
 * Register 1 is 16 bytes wide; the fields of a concatenation follow each other
 * in its 4-byte parts and those of the next registers.
 */
#include "kernel/nft.h"

#include <endian.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

enum {
	UDATA_DIGEST = 200, /* nft(8) has types 0 and 1, and skips what it does not know */
	FLAGS_OFFSET = 13,  /* in the header of TCP, RFC 9293 */
	PORT_OFFSET = 2,    /* destination port in the headers of TCP, UDP, SCTP, DCCP and UDP-Lite */
};

/*
 * Mixed into the digest on the wire. To be changed with the encoding of any
 * statement: rules of an older daemon then look unknown and are made anew.
 */
static const uint64_t encoder_version = 0x706f727469636f01u;

struct encoder {
	struct nftnl_rule *rule;
	uint8_t family; /* what the packet is known to be by now: AF_INET, AF_INET6, 0 */
	bool failed;
};

/* --- one function per expression --- */

/* Appends an expression, which the rule owns; NULL when out of memory. */
static struct nftnl_expr *append(struct encoder *encoder, const char *name)
{
	struct nftnl_expr *expr = nftnl_expr_alloc(name);

	if (!expr) {
		encoder->failed = true;
		return NULL;
	}
	nftnl_rule_add_expr(encoder->rule, expr);
	return expr;
}

static void set_bytes(struct encoder *encoder, struct nftnl_expr *expr, uint16_t attr, const void *data,
		      uint32_t size)
{
	if (nftnl_expr_set(expr, attr, data, size) < 0)
		encoder->failed = true;
}

static void set_text(struct encoder *encoder, struct nftnl_expr *expr, uint16_t attr, const char *text)
{
	if (nftnl_expr_set_str(expr, attr, text) < 0)
		encoder->failed = true;
}

static void load_meta(struct encoder *encoder, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = append(encoder, "meta");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, reg);
}

static void store_meta(struct encoder *encoder, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = append(encoder, "meta");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_SREG, reg);
}

static void load_ct(struct encoder *encoder, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = append(encoder, "ct");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, reg);
}

static void load_ct_original(struct encoder *encoder, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = append(encoder, "ct");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, reg);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, 0); /* IP_CT_DIR_ORIGINAL */
}

static void store_ct(struct encoder *encoder, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = append(encoder, "ct");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_SREG, reg);
}

static void load_payload(struct encoder *encoder, uint32_t base, uint32_t offset, uint32_t length,
			 uint32_t reg)
{
	struct nftnl_expr *expr = append(encoder, "payload");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, length);
}

static void load_fib(struct encoder *encoder, uint32_t flags, uint32_t result, uint32_t reg)
{
	struct nftnl_expr *expr = append(encoder, "fib");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, result);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, flags);
}

static void compare(struct encoder *encoder, bool equal, uint32_t reg, const void *data, uint32_t size)
{
	struct nftnl_expr *expr = append(encoder, "cmp");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
	set_bytes(encoder, expr, NFTNL_EXPR_CMP_DATA, data, size);
}

/* reg = reg & mask ^ bits, each of `size` bytes */
static void mask_bytes(struct encoder *encoder, uint32_t reg, const void *mask, const void *bits,
		       uint32_t size)
{
	struct nftnl_expr *expr = append(encoder, "bitwise");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, size);
	set_bytes(encoder, expr, NFTNL_EXPR_BITWISE_MASK, mask, size);
	set_bytes(encoder, expr, NFTNL_EXPR_BITWISE_XOR, bits, size);
}

static void mask_bits(struct encoder *encoder, uint32_t reg, uint32_t mask, uint32_t bits)
{
	mask_bytes(encoder, reg, &mask, &bits, sizeof(mask));
}

static struct nftnl_expr *lookup(struct encoder *encoder, const char *set, uint32_t reg)
{
	struct nftnl_expr *expr = append(encoder, "lookup");

	if (!expr)
		return NULL;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, reg);
	set_text(encoder, expr, NFTNL_EXPR_LOOKUP_SET, set);
	return expr;
}

static void lookup_set(struct encoder *encoder, const char *set, uint32_t reg, bool invert)
{
	struct nftnl_expr *expr = lookup(encoder, set, reg);

	if (expr && invert)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

static void lookup_map(struct encoder *encoder, const char *set, uint32_t reg, uint32_t to)
{
	struct nftnl_expr *expr = lookup(encoder, set, reg);

	if (expr)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, to);
}

static void immediate(struct encoder *encoder, uint32_t reg, const void *data, uint32_t size)
{
	struct nftnl_expr *expr = append(encoder, "immediate");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, reg);
	set_bytes(encoder, expr, NFTNL_EXPR_IMM_DATA, data, size);
}

uint32_t nft_verdict(enum kverdict_code code)
{
	static const uint32_t codes[] = {
		[KVERDICT_ACCEPT] = NF_ACCEPT,
		[KVERDICT_DROP] = NF_DROP,
		[KVERDICT_RETURN] = (uint32_t)NFT_RETURN,
		[KVERDICT_JUMP] = (uint32_t)NFT_JUMP,
		[KVERDICT_GOTO] = (uint32_t)NFT_GOTO,
	};

	return codes[code];
}

static void verdict(struct encoder *encoder, enum kverdict_code code, const char *chain)
{
	struct nftnl_expr *expr = append(encoder, "immediate");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, nft_verdict(code));
	if (code == KVERDICT_JUMP || code == KVERDICT_GOTO)
		set_text(encoder, expr, NFTNL_EXPR_IMM_CHAIN, chain);
}

/* The address is in register 1; port_reg 0: the port stays. */
static void nat(struct encoder *encoder, uint32_t type, uint8_t family, uint32_t port_reg)
{
	struct nftnl_expr *expr = append(encoder, "nat");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_TYPE, type);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FAMILY, family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	if (!port_reg)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN, port_reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
}

static void masquerade(struct encoder *encoder)
{
	(void)append(encoder, "masq");
}

static void redirect(struct encoder *encoder, uint32_t port_reg)
{
	struct nftnl_expr *expr = append(encoder, "redir");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_REDIR_REG_PROTO_MIN, port_reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
}

/* --- fields --- */

/* The register that begins `words` times 4 bytes behind the start of register 1. */
static uint32_t register_at(unsigned words)
{
	return words ? NFT_REG32_00 + words : (uint32_t)NFT_REG_1;
}

static uint8_t family_of(enum kfield field)
{
	switch (field) {
	case KFIELD_IP_SADDR:
	case KFIELD_IP_DADDR:
		return AF_INET;
	case KFIELD_IP6_SADDR:
	case KFIELD_IP6_DADDR:
		return AF_INET6;
	case KFIELD_L4PROTO:
	case KFIELD_IIFNAME:
	case KFIELD_OIFNAME:
	case KFIELD_TH_DPORT:
	case KFIELD_META_MARK:
	case KFIELD_CT_MARK:
	case KFIELD_CT_STATE:
	case KFIELD_CT_STATUS:
	case KFIELD_FIB_SADDR_TYPE:
	case KFIELD_FIB_DADDR_TYPE:
	case KFIELD_FIB_DADDR_OIFNAME:
	case KFIELD_NFPROTO:
	case KFIELD_TCP_FLAGS:
	case KFIELD_CT_DIRECTION:
	case KFIELD_COUNT:
		break;
	}
	return AF_UNSPEC;
}

static void load_field(struct encoder *encoder, enum kfield field, uint32_t reg)
{
	switch (field) {
	case KFIELD_L4PROTO:
		load_meta(encoder, NFT_META_L4PROTO, reg);
		break;
	case KFIELD_IIFNAME:
		load_meta(encoder, NFT_META_IIFNAME, reg);
		break;
	case KFIELD_OIFNAME:
		load_meta(encoder, NFT_META_OIFNAME, reg);
		break;
	case KFIELD_IP_SADDR: /* offsets: RFC 791, RFC 8200 */
		load_payload(encoder, NFT_PAYLOAD_NETWORK_HEADER, 12, 4, reg);
		break;
	case KFIELD_IP_DADDR:
		load_payload(encoder, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, reg);
		break;
	case KFIELD_IP6_SADDR:
		load_payload(encoder, NFT_PAYLOAD_NETWORK_HEADER, 8, 16, reg);
		break;
	case KFIELD_IP6_DADDR:
		load_payload(encoder, NFT_PAYLOAD_NETWORK_HEADER, 24, 16, reg);
		break;
	case KFIELD_TH_DPORT:
		load_payload(encoder, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_OFFSET, 2, reg);
		break;
	case KFIELD_META_MARK:
		load_meta(encoder, NFT_META_MARK, reg);
		break;
	case KFIELD_CT_MARK:
		load_ct(encoder, NFT_CT_MARK, reg);
		break;
	case KFIELD_CT_STATE:
		load_ct(encoder, NFT_CT_STATE, reg);
		break;
	case KFIELD_CT_STATUS:
		load_ct(encoder, NFT_CT_STATUS, reg);
		break;
	case KFIELD_FIB_SADDR_TYPE:
		load_fib(encoder, NFTA_FIB_F_SADDR, NFT_FIB_RESULT_ADDRTYPE, reg);
		break;
	case KFIELD_FIB_DADDR_TYPE:
		load_fib(encoder, NFTA_FIB_F_DADDR, NFT_FIB_RESULT_ADDRTYPE, reg);
		break;
	case KFIELD_FIB_DADDR_OIFNAME:
		load_fib(encoder, NFTA_FIB_F_DADDR, NFT_FIB_RESULT_OIFNAME, reg);
		break;
	case KFIELD_NFPROTO:
		load_meta(encoder, NFT_META_NFPROTO, reg);
		break;
	case KFIELD_CT_DIRECTION:
		load_ct(encoder, NFT_CT_DIRECTION, reg);
		break;
	case KFIELD_TCP_FLAGS:
		load_payload(encoder, NFT_PAYLOAD_TRANSPORT_HEADER, FLAGS_OFFSET, 1, reg);
		break;
	case KFIELD_COUNT:
		break;
	}
}

/* A header of one family is looked at only in packets of that family; nft(8) does not list this match. */
static void need_family(struct encoder *encoder, uint8_t family)
{
	if (family == AF_UNSPEC || family == encoder->family)
		return;
	uint8_t nfproto = family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4;

	load_meta(encoder, NFT_META_NFPROTO, NFT_REG_1);
	compare(encoder, true, NFT_REG_1, &nfproto, sizeof(nfproto));
	encoder->family = family;
}

/* All fields of the statement, as a key in register 1 and what follows it. */
static void load_fields(struct encoder *encoder, const struct kstmt *stmt)
{
	uint8_t byte = (uint8_t)stmt->mask, none = 0;
	unsigned words = 0;

	for (unsigned i = 0; i < stmt->field_count; i++)
		need_family(encoder, family_of(stmt->fields[i]));
	for (unsigned i = 0; i < stmt->field_count; i++) {
		load_field(encoder, stmt->fields[i], register_at(words));
		words += (kfield_size(stmt->fields[i]) + 3) / 4;
	}
	if (stmt->mask && kfield_size(stmt->fields[0]) == 1)
		mask_bytes(encoder, NFT_REG_1, &byte, &none, 1);
	else if (stmt->mask)
		mask_bits(encoder, NFT_REG_1, stmt->mask, 0);
}

/* --- statements --- */

/* As many leading bits of an IPv6 address as the statement says. */
static void mask_prefix(struct encoder *encoder, const struct kstmt *stmt)
{
	const struct ip ones = { .family = AF_INET6, .bytes = { [0 ... 15] = 0xff } }, none = { 0 };
	struct prefix mask = prefix_of(&ones, stmt->prefix_length);

	mask_bytes(encoder, NFT_REG_1, mask.address.bytes, none.bytes, sizeof(none.bytes));
}

static void encode_match(struct encoder *encoder, const struct kstmt *stmt)
{
	enum kfield field = stmt->fields[0];

	load_fields(encoder, stmt);
	if (stmt->prefix_length)
		mask_prefix(encoder, stmt);
	if ((field == KFIELD_CT_STATE || field == KFIELD_CT_STATUS || field == KFIELD_TCP_FLAGS) &&
	    stmt->mask) {
		uint32_t none = 0;

		compare(encoder, stmt->invert, NFT_REG_1, &none, kfield_size(field));
		return;
	}
	compare(encoder, !stmt->invert, NFT_REG_1, stmt->value, kfield_size(field));
	if (field == KFIELD_NFPROTO && !stmt->invert)
		encoder->family = stmt->value[0] == NFPROTO_IPV6 ? AF_INET6 : AF_INET;
}

static void encode_set_mark(struct encoder *encoder, const struct kstmt *stmt)
{
	bool ct = stmt->type == KSTMT_SET_CT_MARK;

	load_field(encoder, ct ? KFIELD_CT_MARK : KFIELD_META_MARK, NFT_REG_1);
	mask_bits(encoder, NFT_REG_1, stmt->mask & ~stmt->bits, stmt->bits);
	if (ct)
		store_ct(encoder, NFT_CT_MARK, NFT_REG_1);
	else
		store_meta(encoder, NFT_META_MARK, NFT_REG_1);
}

/* Where the port stands behind an address of the family in register 1. */
static uint32_t port_register(uint8_t family)
{
	return register_at(ip_size(family) / 4);
}

/* A map that is looked up by protocol and port answers with a port, too; one by port alone leaves it as it is. */
static void encode_dnat_map(struct encoder *encoder, const struct kstmt *stmt)
{
	uint8_t family = stmt->address.family;

	load_fields(encoder, stmt);
	lookup_map(encoder, stmt->set, NFT_REG_1, NFT_REG_1);
	nat(encoder, NFT_NAT_DNAT, family,
	    stmt->field_count > 1 && stmt->fields[1] == KFIELD_TH_DPORT ? port_register(family) : 0);
}

static void encode_nat(struct encoder *encoder, const struct kstmt *stmt)
{
	uint8_t family = stmt->address.family;
	uint16_t port = htobe16(stmt->port);

	immediate(encoder, NFT_REG_1, stmt->address.bytes, ip_size(family));
	if (port)
		immediate(encoder, port_register(family), &port, sizeof(port));
	nat(encoder, stmt->type == KSTMT_DNAT ? NFT_NAT_DNAT : NFT_NAT_SNAT, family,
	    port ? port_register(family) : 0);
}

/* Each address becomes the one of the same host bits. */
static void encode_snat_prefix(struct encoder *encoder, const struct kstmt *stmt)
{
	const struct prefix prefix = { .address = stmt->address, .length = stmt->prefix_length };
	struct ip last = prefix_last(&prefix);
	struct nftnl_expr *expr;

	immediate(encoder, NFT_REG_1, stmt->address.bytes, ip_size(stmt->address.family));
	immediate(encoder, NFT_REG_2, last.bytes, ip_size(last.family));
	expr = append(encoder, "nat");
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FAMILY,
			   last.family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MAX, NFT_REG_2);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_NETMAP);
}

static void encode_numgen(struct encoder *encoder, const struct kstmt *stmt)
{
	uint32_t below = htobe32(stmt->below);
	struct nftnl_expr *expr = append(encoder, "numgen");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NG_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NG_MODULUS, stmt->modulus);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NG_TYPE, NFT_NG_INCREMENTAL);
	/* Only numbers in network order can be compared by bytes. */
	expr = append(encoder, "byteorder");
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_LEN, sizeof(below));
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_SIZE, sizeof(below));
	expr = append(encoder, "cmp");
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, NFT_CMP_LT);
	set_bytes(encoder, expr, NFTNL_EXPR_CMP_DATA, &below, sizeof(below));
}

static void encode_update(struct encoder *encoder, const struct kstmt *stmt)
{
	struct nftnl_expr *expr;

	load_fields(encoder, stmt);
	expr = append(encoder, "dynset");
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	set_text(encoder, expr, NFTNL_EXPR_DYNSET_SET_NAME, stmt->set);
}

static void encode_snat_original(struct encoder *encoder, const struct kstmt *stmt)
{
	uint8_t family = stmt->address.family;

	load_ct_original(encoder, family == AF_INET6 ? NFT_CT_DST_IP6 : NFT_CT_DST_IP, NFT_REG_1);
	nat(encoder, NFT_NAT_SNAT, family, 0);
}

static void encode_redirect(struct encoder *encoder, const struct kstmt *stmt)
{
	uint16_t port = htobe16(stmt->port);

	immediate(encoder, NFT_REG_1, &port, sizeof(port));
	redirect(encoder, NFT_REG_1);
}

static void limit(struct encoder *encoder, uint64_t per_second, uint32_t burst)
{
	struct nftnl_expr *expr = append(encoder, "limit");

	if (!expr)
		return;
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_RATE, per_second);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_UNIT, 1); /* seconds */
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_BURST, burst);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_FLAGS, 0);
}

static void encode_log(struct encoder *encoder, const struct kstmt *stmt)
{
	limit(encoder, KLOG_RATE, KLOG_BURST);

	struct nftnl_expr *expr = append(encoder, "log");

	if (expr)
		set_text(encoder, expr, NFTNL_EXPR_LOG_PREFIX, stmt->prefix);
}

static void encode_reject_reset(struct encoder *encoder)
{
	struct nftnl_expr *expr = append(encoder, "reject");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE, 0);
}

static void encode_stmt(struct encoder *encoder, const struct kstmt *stmt)
{
	switch (stmt->type) {
	case KSTMT_MATCH:
		encode_match(encoder, stmt);
		break;
	case KSTMT_LOOKUP:
		load_fields(encoder, stmt);
		lookup_set(encoder, stmt->set, NFT_REG_1, stmt->invert);
		break;
	case KSTMT_VMAP:
		load_fields(encoder, stmt);
		lookup_map(encoder, stmt->set, NFT_REG_1, NFT_REG_VERDICT);
		break;
	case KSTMT_SET_CT_MARK:
	case KSTMT_SET_META_MARK:
		encode_set_mark(encoder, stmt);
		break;
	case KSTMT_DNAT_MAP:
		encode_dnat_map(encoder, stmt);
		break;
	case KSTMT_DNAT:
	case KSTMT_SNAT:
		encode_nat(encoder, stmt);
		break;
	case KSTMT_SNAT_ORIGINAL:
		encode_snat_original(encoder, stmt);
		break;
	case KSTMT_MASQUERADE:
		masquerade(encoder);
		break;
	case KSTMT_REDIRECT:
		encode_redirect(encoder, stmt);
		break;
	case KSTMT_VERDICT:
		verdict(encoder, stmt->verdict, stmt->chain);
		break;
	case KSTMT_LOG:
		encode_log(encoder, stmt);
		break;
	case KSTMT_REJECT_RESET:
		encode_reject_reset(encoder);
		break;
	case KSTMT_NUMGEN:
		encode_numgen(encoder, stmt);
		break;
	case KSTMT_UPDATE:
		encode_update(encoder, stmt);
		break;
	case KSTMT_SNAT_PREFIX:
		encode_snat_prefix(encoder, stmt);
		break;
	}
}

/* --- rules --- */

static void encode_userdata(struct encoder *encoder, const struct krule *rule)
{
	uint64_t digest = htobe64(rule->digest ^ encoder_version);
	struct nft_udata udata = { 0 };

	nft_udata_put_comment(&udata, NFTNL_UDATA_RULE_COMMENT, rule->comment);
	nft_udata_put(&udata, UDATA_DIGEST, &digest, sizeof(digest));
	if (udata.failed ||
	    nftnl_rule_set_data(encoder->rule, NFTNL_RULE_USERDATA, udata.bytes, udata.length) < 0)
		encoder->failed = true;
}

struct nftnl_rule *nft_rule_encode(const char *chain, const struct krule *rule)
{
	struct encoder encoder = { .rule = nftnl_rule_alloc() };

	if (!encoder.rule)
		return NULL;
	nftnl_rule_set_u32(encoder.rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
	if (nftnl_rule_set_str(encoder.rule, NFTNL_RULE_TABLE, KTABLE_NAME) < 0 ||
	    nftnl_rule_set_str(encoder.rule, NFTNL_RULE_CHAIN, chain) < 0)
		encoder.failed = true;
	for (unsigned i = 0; i < rule->count; i++)
		encode_stmt(&encoder, &rule->stmts[i]);
	encode_userdata(&encoder, rule);
	if (!encoder.failed)
		return encoder.rule;
	nftnl_rule_free(encoder.rule);
	return NULL;
}

uint64_t nft_rule_digest(const void *userdata, uint32_t length)
{
	uint64_t digest;
	uint8_t size;
	const void *value = nft_udata_find(userdata, length, UDATA_DIGEST, &size);

	if (!value || size != sizeof(digest))
		return 0;
	memcpy(&digest, value, sizeof(digest));
	return be64toh(digest) ^ encoder_version;
}
