/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nf_tables steps of a plan as one batch: begin, objects, end, in one
 * buffer. The messages are numbered one by one, so that a refusal names its step.
 */
#include "kernel/nft.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Room for any one message: libnftnl writes unchecked, at most a nest of 64 KiB and one element more. */
	MESSAGE_ROOM = 128 * 1024,
	/* 200,000 elements with comments are some 25 MiB; beyond this it is not a configuration of ours. */
	BATCH_MAX = 128 * 1024 * 1024,
};

static bool reserve(struct nft_batch *batch)
{
	size_t size = batch->size ? batch->size : 2 * MESSAGE_ROOM;

	if (batch->failed)
		return false;
	while (size - batch->length < MESSAGE_ROOM)
		size *= 2;
	if (size == batch->size)
		return true;
	uint8_t *bigger = size > BATCH_MAX ? NULL : realloc(batch->data, size);

	if (!bigger) {
		batch->failed = true;
		return false;
	}
	batch->data = bigger;
	batch->size = size;
	return true;
}

static char *next_message(struct nft_batch *batch)
{
	return (char *)batch->data + batch->length;
}

/* Begins an object's message; NULL when there is no room. */
static struct nlmsghdr *begin(struct nft_batch *batch, uint16_t type, uint16_t flags)
{
	if (!reserve(batch))
		return NULL;
	return nftnl_nlmsg_build_hdr(next_message(batch), type, NFPROTO_INET, flags, ++batch->seq);
}

static void end(struct nft_batch *batch, const struct nlmsghdr *hdr)
{
	batch->last = batch->length;
	batch->length += NLMSG_ALIGN(hdr->nlmsg_len);
}

static void add_table(struct nft_batch *batch, uint16_t type, uint16_t flags)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *hdr = table ? begin(batch, type, flags) : NULL;

	if (hdr && nftnl_table_set_str(table, NFTNL_TABLE_NAME, KTABLE_NAME) >= 0) {
		nftnl_table_set_u32(table, NFTNL_TABLE_FAMILY, NFPROTO_INET);
		nftnl_table_nlmsg_build_payload(hdr, table);
		end(batch, hdr);
	} else {
		batch->failed = true;
	}
	if (table)
		nftnl_table_free(table);
}

static uint32_t hook_number(enum khook hook)
{
	switch (hook) {
	case KHOOK_PREROUTING:
		return NF_INET_PRE_ROUTING;
	case KHOOK_INPUT:
		return NF_INET_LOCAL_IN;
	case KHOOK_FORWARD:
		return NF_INET_FORWARD;
	case KHOOK_OUTPUT:
		return NF_INET_LOCAL_OUT;
	case KHOOK_POSTROUTING:
		return NF_INET_POST_ROUTING;
	case KHOOK_NONE:
		break;
	}
	return NF_INET_NUMHOOKS;
}

static bool set_hook(struct nftnl_chain *wire, const struct kchain *chain)
{
	static const char *const types[] = {
		[KCHAIN_FILTER] = "filter", [KCHAIN_NAT] = "nat", [KCHAIN_ROUTE] = "route"
	};

	nftnl_chain_set_u32(wire, NFTNL_CHAIN_HOOKNUM, hook_number(chain->hook));
	nftnl_chain_set_s32(wire, NFTNL_CHAIN_PRIO, chain->priority);
	nftnl_chain_set_u32(wire, NFTNL_CHAIN_POLICY, chain->policy_drop ? NF_DROP : NF_ACCEPT);
	return nftnl_chain_set_str(wire, NFTNL_CHAIN_TYPE, types[chain->type]) >= 0;
}

static struct nftnl_chain *encode_chain(const struct kchain *chain, bool whole)
{
	struct nftnl_chain *wire = nftnl_chain_alloc();
	struct nft_udata udata = { 0 };

	if (!wire)
		return NULL;
	nftnl_chain_set_u32(wire, NFTNL_CHAIN_FAMILY, NFPROTO_INET);
	if (nftnl_chain_set_str(wire, NFTNL_CHAIN_TABLE, KTABLE_NAME) < 0 ||
	    nftnl_chain_set_str(wire, NFTNL_CHAIN_NAME, chain->name) < 0)
		goto fail;
	if (!whole)
		return wire;
	nft_udata_put_comment(&udata, NFTNL_UDATA_CHAIN_COMMENT, chain->comment);
	if ((chain->hook != KHOOK_NONE && !set_hook(wire, chain)) ||
	    (udata.length && nftnl_chain_set_data(wire, NFTNL_CHAIN_USERDATA, udata.bytes, udata.length) < 0))
		goto fail;
	return wire;
fail:
	nftnl_chain_free(wire);
	return NULL;
}

static void add_chain(struct nft_batch *batch, uint16_t type, uint16_t flags, const struct kchain *chain)
{
	struct nftnl_chain *wire = encode_chain(chain, type == NFT_MSG_NEWCHAIN);
	struct nlmsghdr *hdr = wire ? begin(batch, type, flags) : NULL;

	if (hdr) {
		nftnl_chain_nlmsg_build_payload(hdr, wire);
		end(batch, hdr);
	} else {
		batch->failed = true;
	}
	if (wire)
		nftnl_chain_free(wire);
}

static void put_rule(struct nft_batch *batch, uint16_t type, uint16_t flags, struct nftnl_rule *rule)
{
	struct nlmsghdr *hdr = rule ? begin(batch, type, flags) : NULL;

	if (hdr) {
		nftnl_rule_nlmsg_build_payload(hdr, rule);
		end(batch, hdr);
	} else {
		batch->failed = true;
	}
	if (rule)
		nftnl_rule_free(rule);
}

/* A rule deletion that names no rule empties the chain. */
static void flush_chain(struct nft_batch *batch, const struct kchain *chain)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	if (rule && (nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, KTABLE_NAME) < 0 ||
		     nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain->name) < 0)) {
		nftnl_rule_free(rule);
		rule = NULL;
	}
	put_rule(batch, NFT_MSG_DELRULE, 0, rule);
}

static void add_rules(struct nft_batch *batch, const struct kchain *chain)
{
	for (unsigned i = 0; i < chain->count; i++)
		put_rule(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
			 nft_rule_encode(chain->name, &chain->rules[i]));
}

static void put_set(struct nft_batch *batch, uint16_t type, uint16_t flags, struct nftnl_set *set)
{
	struct nlmsghdr *hdr = set ? begin(batch, type, flags) : NULL;

	if (hdr) {
		nftnl_set_nlmsg_build_payload(hdr, set);
		end(batch, hdr);
	} else {
		batch->failed = true;
	}
	if (set)
		nftnl_set_free(set);
}

static void delete_set(struct nft_batch *batch, const struct kset *set)
{
	put_set(batch, NFT_MSG_DELSET, 0, nft_elems_encode(set, NULL, 0, false));
}

/* As many messages as the elements need: a nest holds at most 64 KiB. */
static void put_elems(struct nft_batch *batch, const struct step *step, uint16_t type, uint16_t flags)
{
	struct nftnl_set *list = nft_elems_encode(step->set, step->elems, step->elem_count,
						  type == NFT_MSG_NEWSETELEM);
	struct nftnl_set_elems_iter *iter = list ? nftnl_set_elems_iter_create(list) : NULL;
	int more = 1;

	batch->failed |= !iter;
	while (iter && more > 0) {
		struct nlmsghdr *hdr = begin(batch, type, flags);

		if (!hdr)
			break;
		more = nftnl_set_elems_nlmsg_build_payload_iter(hdr, iter);
		end(batch, hdr);
	}
	if (iter)
		nftnl_set_elems_iter_destroy(iter);
	if (list)
		nftnl_set_free(list);
}

static void add_step(struct nft_batch *batch, const struct step *step)
{
	switch (step->type) {
	case STEP_TABLE_DELETE:
		add_table(batch, NFT_MSG_DELTABLE, 0);
		break;
	case STEP_TABLE_ADD:
		add_table(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE);
		break;
	case STEP_CHAIN_FLUSH:
		flush_chain(batch, step->chain);
		break;
	case STEP_ELEMS_DELETE:
		put_elems(batch, step, NFT_MSG_DELSETELEM, 0);
		break;
	case STEP_CHAIN_DELETE:
		add_chain(batch, NFT_MSG_DELCHAIN, 0, step->chain);
		break;
	case STEP_SET_DELETE:
		delete_set(batch, step->set);
		break;
	case STEP_SET_ADD:
		put_set(batch, NFT_MSG_NEWSET, NLM_F_CREATE, nft_set_encode(step->set, ++batch->set_ids));
		break;
	case STEP_CHAIN_ADD:
		add_chain(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, step->chain);
		break;
	case STEP_ELEMS_ADD:
		put_elems(batch, step, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
		break;
	case STEP_RULES_ADD:
		add_rules(batch, step->chain);
		break;
	case STEP_SYSCTL:
	case STEP_ROUTE_SET:
	case STEP_IPRULE_ADD:
	case STEP_IPRULE_DELETE:
	case STEP_ROUTE_DELETE:
		break;
	}
}

int nft_batch_make(struct nft_batch *batch, const struct step *steps, unsigned count, uint32_t seq)
{
	*batch = (struct nft_batch){ .first = seq, .seq = seq };
	batch->steps = calloc(count ? count : 1, sizeof(*batch->steps));
	if (!batch->steps || !reserve(batch))
		return -ENOMEM;
	batch->length = NLMSG_ALIGN(nftnl_batch_begin(next_message(batch), seq)->nlmsg_len);
	for (unsigned i = 0; i < count; i++) {
		if (!step_is_nft(&steps[i]))
			continue;
		batch->steps[batch->step_count++] = (struct nft_batch_step){ batch->seq + 1, &steps[i] };
		add_step(batch, &steps[i]);
	}
	if (!batch->step_count || !reserve(batch))
		return batch->failed ? -ENOMEM : 0;
	/* One acknowledgement, for the last object: errors come back without being asked for. */
	((struct nlmsghdr *)(batch->data + batch->last))->nlmsg_flags |= NLM_F_ACK;
	batch->length += NLMSG_ALIGN(nftnl_batch_end(next_message(batch), batch->seq + 1)->nlmsg_len);
	return 0;
}

void nft_batch_done(struct nft_batch *batch)
{
	free(batch->data);
	free(batch->steps);
	*batch = (struct nft_batch){ 0 };
}

const struct step *nft_batch_step_of(const struct nft_batch *batch, uint32_t seq, uint32_t *ret_first)
{
	const struct step *step = NULL;

	for (unsigned i = 0; i < batch->step_count; i++) {
		if (!netlink_seq_between(batch->steps[i].first, batch->first, seq))
			break;
		step = batch->steps[i].step;
		*ret_first = batch->steps[i].first;
	}
	return step;
}
