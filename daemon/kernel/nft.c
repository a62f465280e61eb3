/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our table: read as a whole, changed by one transaction, watched. */
#include "kernel/nft.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/explain.h"

/* The attribute that holds the table's name is number 1 in the messages of every kind of object. */
_Static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 && NFTA_SET_TABLE == 1 &&
		       NFTA_SET_ELEM_LIST_TABLE == 1 && NFTA_OBJ_TABLE == 1 && NFTA_FLOWTABLE_TABLE == 1,
	       "the table's name is attribute 1");
enum { ATTR_TABLE = 1 };

static uint16_t message_type(unsigned type)
{
	return (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
}

/* A request about objects of this table (NULL: none named). */
static struct nl_msg *request(unsigned type, uint16_t flags, const char *table)
{
	struct nfgenmsg header = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };
	struct nl_msg *msg = netlink_message(message_type(type), flags, &header, sizeof(header));

	if (msg && table && nla_put_string(msg, ATTR_TABLE, table) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

static bool has_name(struct nlattr *attr, const char *name)
{
	return attr && nla_len(attr) == (int)strlen(name) + 1 &&
	       memcmp(nla_data(attr), name, strlen(name) + 1) == 0;
}

static bool is_in_our_table(struct nlmsghdr *hdr)
{
	const struct nfgenmsg *header = nlmsg_data(hdr);

	return nlmsg_datalen(hdr) >= (int)sizeof(*header) && header->nfgen_family == NFPROTO_INET &&
	       has_name(nlmsg_find_attr(hdr, sizeof(*header), ATTR_TABLE), KTABLE_NAME);
}

/* --- reading --- */

static int take_table(void *arg, struct nlmsghdr *hdr)
{
	struct nlattr *tb[NFTA_TABLE_MAX + 1];
	struct kstate *state = arg;

	if (nlmsg_parse(hdr, sizeof(struct nfgenmsg), tb, NFTA_TABLE_MAX, NULL) < 0)
		return -EPROTO;
	state->table = true;
	/* Dormant: somebody has put it to sleep. */
	state->alien |= attr_be32(tb[NFTA_TABLE_FLAGS]) != 0;
	return 0;
}

static bool get_hook(struct nlattr *nest, struct kchain *chain)
{
	static const enum khook hooks[] = {
		[NF_INET_PRE_ROUTING] = KHOOK_PREROUTING,   [NF_INET_LOCAL_IN] = KHOOK_INPUT,
		[NF_INET_FORWARD] = KHOOK_FORWARD,          [NF_INET_LOCAL_OUT] = KHOOK_OUTPUT,
		[NF_INET_POST_ROUTING] = KHOOK_POSTROUTING,
	};
	struct nlattr *tb[NFTA_HOOK_MAX + 1];

	if (nla_parse_nested(tb, NFTA_HOOK_MAX, nest, NULL) < 0 || !tb[NFTA_HOOK_HOOKNUM] ||
	    !tb[NFTA_HOOK_PRIORITY] || tb[NFTA_HOOK_DEV] || tb[NFTA_HOOK_DEVS])
		return false;
	uint32_t number = attr_be32(tb[NFTA_HOOK_HOOKNUM]);

	if (number >= sizeof(hooks) / sizeof(hooks[0]))
		return false;
	chain->hook = hooks[number];
	chain->priority = (int32_t)attr_be32(tb[NFTA_HOOK_PRIORITY]);
	return true;
}

static bool get_chain_type(const char *name, enum kchain_type *ret_type)
{
	static const char *const names[] = {
		[KCHAIN_FILTER] = "filter", [KCHAIN_NAT] = "nat", [KCHAIN_ROUTE] = "route"
	};

	for (enum kchain_type type = KCHAIN_FILTER; name && type <= KCHAIN_ROUTE; type++) {
		if (strcmp(name, names[type]) == 0) {
			*ret_type = type;
			return true;
		}
	}
	return false;
}

static int take_chain(void *arg, struct nlmsghdr *hdr)
{
	struct nlattr *tb[NFTA_CHAIN_MAX + 1];
	struct kstate *state = arg;
	const char *comment = NULL;

	if (!is_in_our_table(hdr))
		return 0;
	if (nlmsg_parse(hdr, sizeof(struct nfgenmsg), tb, NFTA_CHAIN_MAX, NULL) < 0)
		return -EPROTO;
	const char *name = attr_name(tb[NFTA_CHAIN_NAME]);

	/* A chain inside a rule goes with the rule. */
	if (attr_be32(tb[NFTA_CHAIN_FLAGS]) & NFT_CHAIN_BINDING)
		return 0;
	if (!name || attr_be32(tb[NFTA_CHAIN_FLAGS]) & ~(uint32_t)NFT_CHAIN_BASE) {
		state->alien = true;
		return 0;
	}
	if (tb[NFTA_CHAIN_USERDATA])
		comment = nft_udata_comment(nla_data(tb[NFTA_CHAIN_USERDATA]),
					    (uint32_t)nla_len(tb[NFTA_CHAIN_USERDATA]),
					    NFTNL_UDATA_CHAIN_COMMENT);
	struct kchain *chain = kstate_add_chain(state, name, comment);

	if (!chain)
		return -ENOMEM;
	if (!tb[NFTA_CHAIN_HOOK])
		return 0;
	chain->policy_drop = attr_be32(tb[NFTA_CHAIN_POLICY]) == NF_DROP;
	if (!get_hook(tb[NFTA_CHAIN_HOOK], chain) ||
	    !get_chain_type(attr_name(tb[NFTA_CHAIN_TYPE]), &chain->type))
		state->alien = true;
	return 0;
}

struct rule_reader {
	struct kstate *state;
	unsigned chain; /* rules come chain by chain */
};

static struct kchain *find_chain(struct rule_reader *reader, const char *name)
{
	struct kstate *state = reader->state;

	for (unsigned i = 0; i < state->chain_count; i++) {
		struct kchain *chain = &state->chains[reader->chain];

		if (strcmp(chain->name, name) == 0)
			return chain;
		reader->chain = (reader->chain + 1) % state->chain_count;
	}
	return NULL;
}

static int take_rule(void *arg, struct nlmsghdr *hdr)
{
	struct nlattr *tb[NFTA_RULE_MAX + 1];
	struct rule_reader *reader = arg;
	uint64_t digest = 0;

	if (!is_in_our_table(hdr))
		return 0;
	if (nlmsg_parse(hdr, sizeof(struct nfgenmsg), tb, NFTA_RULE_MAX, NULL) < 0)
		return -EPROTO;
	const char *name = attr_name(tb[NFTA_RULE_CHAIN]);
	struct kchain *chain = name ? find_chain(reader, name) : NULL;

	if (!chain)
		return 0;
	if (tb[NFTA_RULE_USERDATA])
		digest = nft_rule_digest(nla_data(tb[NFTA_RULE_USERDATA]),
					 (uint32_t)nla_len(tb[NFTA_RULE_USERDATA]));
	return kchain_add_digest(reader->state, chain, digest) ? 0 : -ENOMEM;
}

static int take_set(void *arg, struct nlmsghdr *hdr)
{
	struct kstate *state = arg;
	struct kset *set;

	if (!is_in_our_table(hdr))
		return 0;
	int r = nft_set_decode(state, hdr, &set);

	if (r == -EPROTO) {
		state->alien = true;
		return 0;
	}
	return r;
}

static int take_alien(void *arg, struct nlmsghdr *hdr)
{
	struct kstate *state = arg;

	state->alien |= is_in_our_table(hdr);
	return 0;
}

static int take_generation(void *arg, struct nlmsghdr *hdr)
{
	uint32_t *generation = arg;

	*generation = attr_be32(nlmsg_find_attr(hdr, sizeof(struct nfgenmsg), NFTA_GEN_ID));
	return 0;
}

int nft_get_generation(struct netlink *nl, uint32_t *ret_generation)
{
	return netlink_dump(nl, request(NFT_MSG_GETGEN, 0, NULL), take_generation, ret_generation);
}

static int dump(struct netlink *nl, unsigned type, netlink_message_fn *fn, void *arg)
{
	return netlink_dump(nl, request(type, NLM_F_DUMP, KTABLE_NAME), fn, arg);
}

static struct nl_msg *elems_request(uint16_t flags, const char *set)
{
	struct nl_msg *msg = request(NFT_MSG_GETSETELEM, flags, KTABLE_NAME);

	if (msg && nla_put_string(msg, NFTA_SET_ELEM_LIST_SET, set) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

static int dump_elems(struct netlink *nl, const char *set, struct nft_elems *elems)
{
	return netlink_dump(nl, elems_request(NLM_F_DUMP, set), nft_elems_decode, elems);
}

static int get_elems(struct netlink *nl, const struct kelem *const *keys, unsigned count,
		     struct nft_elems *elems)
{
	struct nl_msg *msg = elems_request(0, elems->set->name);
	int r = msg ? nft_elems_put_keys(msg, elems->set, keys, count) : -ENOMEM;

	if (r) {
		nlmsg_free(msg);
		return r;
	}
	return netlink_dump(nl, msg, nft_elems_decode, elems);
}

static int read_elems(struct netlink *nl, struct kstate *state)
{
	for (unsigned i = 0; i < state->set_count; i++) {
		struct nft_elems elems = { .state = state, .set = &state->sets[i] };

		if (elems.set->timeout_s)
			continue;
		int r = dump_elems(nl, state->sets[i].name, &elems), finished = nft_elems_finish(&elems);

		if (r == -EPROTO)
			state->alien = true;
		else if (r)
			return r;
		if (finished)
			return finished;
	}
	return 0;
}

static int read_objects(struct netlink *nl, struct kstate *state)
{
	struct rule_reader reader = { .state = state };
	int r = dump(nl, NFT_MSG_GETCHAIN, take_chain, state);

	if (!r)
		r = dump(nl, NFT_MSG_GETRULE, take_rule, &reader);
	if (!r)
		r = dump(nl, NFT_MSG_GETSET, take_set, state);
	if (!r)
		r = dump(nl, NFT_MSG_GETOBJ, take_alien, state);
	if (!r)
		r = dump(nl, NFT_MSG_GETFLOWTABLE, take_alien, state);
	/* What is alien is made anew as a whole: its elements do not matter. */
	return r || state->alien ? r : read_elems(nl, state);
}

int nft_read(struct netlink *nl, struct kstate *state)
{
	uint32_t before = 0, after = 0;
	int r = nft_get_generation(nl, &before);

	if (!r)
		r = netlink_dump(nl, request(NFT_MSG_GETTABLE, 0, KTABLE_NAME), take_table, state);
	if (r == -ENOENT)
		return 0;
	if (!r)
		r = read_objects(nl, state);
	if (r)
		return r == -ENOENT ? -EAGAIN : r; /* it went away between two dumps */
	r = nft_get_generation(nl, &after);
	return !r && before != after ? -EAGAIN : r;
}

static int ignore(void *arg, struct nlmsghdr *hdr)
{
	(void)arg;
	(void)hdr;
	return 0;
}

int nft_has_table(struct netlink *nl, const char *name)
{
	int r = netlink_dump(nl, request(NFT_MSG_GETTABLE, 0, name), ignore, NULL);

	return r == -ENOENT ? 0 : r ? r : 1;
}

int nft_read_counters(struct netlink *nl, const struct kset *set, const struct kelem *const *elems,
		      unsigned count, counter_fn *fn, void *arg)
{
	/* The keys fit into a message of one page, the answers into the receive buffer. */
	enum { KEYS_MAX = 32 };
	struct kset copy = *set;
	struct nft_elems answer = { .set = &copy, .fn = fn, .arg = arg };
	int r = 0;

	if (!elems)
		return dump_elems(nl, set->name, &answer);
	for (unsigned done = 0; !r && done < count; done += KEYS_MAX)
		r = get_elems(nl, elems + done, count - done < KEYS_MAX ? count - done : KEYS_MAX, &answer);
	return r;
}

/* --- writing --- */

struct refusals {
	const struct nft_batch *batch;
	struct apply_result *result;
};

/* What was refused, in nft's words, and why. */
static void describe(const struct step *step, uint32_t offset, int error, const char *text, struct buf *buf)
{
	const struct krule *rule = step->type == STEP_RULES_ADD && offset < step->chain->count ?
					   &step->chain->rules[offset] :
					   NULL;

	buf_puts(buf, text[0] ? text : strerror(-error));
	explain_refusal(step, rule, error, buf);
	if (rule) {
		buf_printf(buf, ", in chain %s: ", step->chain->name);
		krule_print(rule, buf);
	} else {
		buf_puts(buf, ": ");
		step_print(step, 1, buf);
	}
}

static void refused(void *arg, uint32_t seq, int error, const char *text)
{
	struct refusals *refusals = arg;
	uint32_t first = seq;
	const struct step *step = nft_batch_step_of(refusals->batch, seq, &first);
	struct buf words;

	if (!step) {
		apply_result_add(refusals->result, NULL, error, text);
		return;
	}
	buf_init(&words, 1024);
	describe(step, seq - first, error, text, &words);
	apply_result_add(refusals->result, step, error, buf_text(&words));
	buf_done(&words);
}

int nft_apply(struct netlink *nl, const struct step *steps, unsigned count, struct apply_result *result)
{
	unsigned before = result->count;
	struct nft_batch batch;
	struct refusals refusals = { &batch, result };
	int r = nft_batch_make(&batch, steps, count, nl->seq + 1);

	if (!r && batch.last) {
		nl->seq = batch.seq + 1;
		r = netlink_transact(nl, batch.data, batch.length, batch.first, batch.seq, refused,
				     &refusals);
	}
	if (r && result->count == before)
		apply_result_add(result, NULL, r, "");
	nft_batch_done(&batch);
	return r;
}

/* --- watching --- */

unsigned nft_event(struct nlmsghdr *hdr)
{
	if (hdr->nlmsg_type == message_type(NFT_MSG_NEWTABLE) ||
	    hdr->nlmsg_type == message_type(NFT_MSG_DELTABLE))
		return KERNEL_TABLE;
	if (hdr->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || hdr->nlmsg_type == message_type(NFT_MSG_NEWGEN))
		return 0;
	return is_in_our_table(hdr) ? KERNEL_TABLE : 0;
}
