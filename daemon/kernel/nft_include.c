/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether OpenWrt's firewall lets in what a forward let in: its chains input and forward, or chains that
 * they jump to, must come to a rule that accepts on the top bit of our connection mark (init/portico.nft)
 * before one that ends every packet's way.
 */
#include "kernel/nft.h"

#include <errno.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "model/live.h"

#define FW4_TABLE "fw4"

/* Far beyond what fw4 writes; what is more than this is not looked at. */
enum { CHAINS_MAX = 1024, RULES_MAX = 16384 };

/* Of one rule, and of a chain: ENDS is for every packet, MAYBE and NOTHING let some or all go on. */
enum meaning { MEANS_NOTHING, MEANS_LET_IN, MEANS_CALL, MEANS_MAYBE_CALL, MEANS_RETURN, MEANS_END };

/* Only rules that mean something to us are kept. */
struct rule {
	uint16_t chain, target; /* numbers of chains */
	enum meaning meaning;
};

struct reader {
	unsigned chain_count, rule_count, rule_size;
	char *chains[CHAINS_MAX];
	bool visited[CHAINS_MAX];
	enum meaning meanings[CHAINS_MAX]; /* of those visited: NOTHING, LET_IN or END */
	struct rule *rules;
};

/* The chain's number, CHAINS_MAX if there are too many (or no memory). */
static unsigned chain_number(struct reader *reader, const char *name)
{
	for (unsigned i = 0; i < reader->chain_count; i++)
		if (strcmp(reader->chains[i], name) == 0)
			return i;
	if (reader->chain_count == CHAINS_MAX || !(reader->chains[reader->chain_count] = strdup(name)))
		return CHAINS_MAX;
	return reader->chain_count++;
}

/* --- one rule --- */

/* A rule as far as it has been read. */
struct reading {
	bool ct_mark, masked; /* the register holds the connection mark; its top bit alone */
	bool let_in;          /* it was compared, and nothing else was */
	bool conditional;     /* something else was */
	enum meaning meaning;
	const char *target;
};

static bool is_u32(const struct nftnl_expr *expr, uint16_t attr, uint32_t wanted)
{
	uint32_t length = 0, value;
	const void *data = nftnl_expr_get(expr, attr, &length);

	if (!data || length != sizeof(value))
		return false;
	memcpy(&value, data, sizeof(value));
	return value == wanted;
}

/* ct mark & 0x80000000 == 0x80000000, or != 0. */
static bool compares_top_bit(const struct nftnl_expr *expr)
{
	uint32_t op = nftnl_expr_get_u32(expr, NFTNL_EXPR_CMP_OP);

	return (op == NFT_CMP_EQ && is_u32(expr, NFTNL_EXPR_CMP_DATA, MARK_LET_IN)) ||
	       (op == NFT_CMP_NEQ && is_u32(expr, NFTNL_EXPR_CMP_DATA, 0));
}

static void read_verdict(struct reading *reading, const struct nftnl_expr *expr)
{
	if (!nftnl_expr_is_set(expr, NFTNL_EXPR_IMM_VERDICT))
		return;
	switch ((int)nftnl_expr_get_u32(expr, NFTNL_EXPR_IMM_VERDICT)) {
	case NF_ACCEPT:
		reading->meaning = reading->let_in && !reading->conditional ? MEANS_LET_IN : MEANS_END;
		break;
	case NF_DROP:
		reading->meaning = MEANS_END;
		break;
	case NFT_RETURN:
		reading->meaning = MEANS_RETURN;
		break;
	case NFT_JUMP:
	case NFT_GOTO:
		reading->meaning = MEANS_CALL;
		reading->target = nftnl_expr_get_str(expr, NFTNL_EXPR_IMM_CHAIN);
		break;
	default:
		break;
	}
}

static int read_expr(struct nftnl_expr *expr, void *arg)
{
	struct reading *reading = arg;
	const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);

	if (strcmp(name, "counter") == 0 || strcmp(name, "log") == 0)
		return 0;
	if (strcmp(name, "immediate") == 0) {
		read_verdict(reading, expr);
	} else if (strcmp(name, "reject") == 0) {
		reading->meaning = MEANS_END;
	} else if (strcmp(name, "ct") == 0 && nftnl_expr_is_set(expr, NFTNL_EXPR_CT_DREG) &&
		   nftnl_expr_get_u32(expr, NFTNL_EXPR_CT_KEY) == NFT_CT_MARK) {
		reading->ct_mark = true;
	} else if (strcmp(name, "bitwise") == 0 && reading->ct_mark && !reading->masked &&
		   is_u32(expr, NFTNL_EXPR_BITWISE_MASK, MARK_LET_IN) &&
		   is_u32(expr, NFTNL_EXPR_BITWISE_XOR, 0)) {
		reading->masked = true;
	} else if (strcmp(name, "cmp") == 0 && reading->masked && !reading->let_in &&
		   compares_top_bit(expr)) {
		reading->let_in = true;
	} else {
		reading->conditional = true;
	}
	return 0;
}

/* Where a condition stands before it, it is for some packets only. */
static enum meaning where_it_applies(enum meaning meaning)
{
	switch (meaning) {
	case MEANS_END:
	case MEANS_RETURN:
		return MEANS_NOTHING;
	case MEANS_CALL:
		return MEANS_MAYBE_CALL;
	default:
		return meaning;
	}
}

static int take_rule(void *arg, struct nlmsghdr *hdr)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct reader *reader = arg;
	struct reading reading = { 0 };

	if (!rule)
		return -ENOMEM;
	/* What libnftnl does not know is nothing that we look for. */
	if (nftnl_rule_nlmsg_parse(hdr, rule) == 0 && nftnl_rule_is_set(rule, NFTNL_RULE_CHAIN))
		nftnl_expr_foreach(rule, read_expr, &reading);
	if (reading.conditional || reading.ct_mark)
		reading.meaning = where_it_applies(reading.meaning);
	if (reading.meaning != MEANS_NOTHING && reader->rule_count < RULES_MAX) {
		unsigned chain = chain_number(reader, nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN)),
			 target = reading.target ? chain_number(reader, reading.target) : 0;

		if (chain < CHAINS_MAX && target < CHAINS_MAX)
			reader->rules[reader->rule_count++] = (struct rule){ (uint16_t)chain,
									     (uint16_t)target,
									     reading.meaning };
	}
	nftnl_rule_free(rule);
	return 0;
}

/* --- the chains --- */

/*
 * What becomes of a packet of ours in the chain: LET_IN, END, or NOTHING. Each chain is visited once, so this
 * ends, and is at most as deep as there are chains.
 */
static enum meaning walk(struct reader *reader, unsigned chain)
{
	enum meaning meaning = MEANS_NOTHING;

	if (reader->visited[chain])
		return reader->meanings[chain];
	reader->visited[chain] = true;
	for (unsigned i = 0; i < reader->rule_count && meaning == MEANS_NOTHING; i++) {
		const struct rule *rule = &reader->rules[i];

		if (rule->chain != chain)
			continue;
		if (rule->meaning == MEANS_RETURN)
			break;
		meaning = rule->meaning;
		if (meaning == MEANS_CALL || meaning == MEANS_MAYBE_CALL)
			meaning = walk(reader, rule->target);
		if (meaning == MEANS_END && rule->meaning == MEANS_MAYBE_CALL)
			meaning = MEANS_NOTHING;
	}
	return reader->meanings[chain] = meaning;
}

static bool chain_lets_in(struct reader *reader, const char *name)
{
	unsigned chain = chain_number(reader, name);

	return chain < CHAINS_MAX && walk(reader, chain) == MEANS_LET_IN;
}

static int dump_rules(struct netlink *nl, struct reader *reader)
{
	struct nfgenmsg header = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };
	struct nl_msg *msg = netlink_message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, NLM_F_DUMP, &header,
					     sizeof(header));

	if (msg && nla_put_string(msg, NFTA_RULE_TABLE, FW4_TABLE) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return netlink_dump(nl, msg, take_rule, reader);
}

int nft_read_fw4(struct netlink *nl, struct fw4 *ret_fw4)
{
	int there = nft_has_table(nl, FW4_TABLE);

	if (there < 0)
		return there;
	*ret_fw4 = (struct fw4){ .there = there };
	if (!there)
		return 0;
	struct reader *reader = calloc(1, sizeof(*reader));

	if (!reader || !(reader->rules = calloc(RULES_MAX, sizeof(*reader->rules)))) {
		free(reader);
		return -ENOMEM;
	}
	int r = dump_rules(nl, reader);

	if (!r) {
		ret_fw4->input = chain_lets_in(reader, "input");
		ret_fw4->forward = chain_lets_in(reader, "forward");
	}
	for (unsigned i = 0; i < reader->chain_count; i++)
		free(reader->chains[i]);
	free(reader->rules);
	free(reader);
	return r == -ENOENT ? -EAGAIN : r;
}

unsigned nft_fw4_event(struct nlmsghdr *hdr)
{
	const struct nfgenmsg *header = nlmsg_data(hdr);
	uint16_t type = hdr->nlmsg_type;

	if ((type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE) &&
	     type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELRULE)) ||
	    nlmsg_datalen(hdr) < (int)sizeof(*header) || header->nfgen_family != NFPROTO_INET)
		return 0;
	const char *table = attr_name(nlmsg_find_attr(hdr, sizeof(*header), NFTA_RULE_TABLE));

	return table && strcmp(table, FW4_TABLE) == 0 ? KERNEL_FW4 : 0;
}
