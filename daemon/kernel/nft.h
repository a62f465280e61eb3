/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_NFT_H
#define PORTICO_KERNEL_NFT_H

/*
 * nf_tables, in both directions: steps of a plan to one batch of messages, and
 * dumps to a kstate. Everything is encoded as nft(8) 1.0 does it, so that
 * `nft list table inet portico` shows it in nft's words.
 */

#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/attr.h"
#include "kernel/kernel.h"
#include "kernel/nl.h"

/* A name of a chain or set; NULL if it is longer than ours are. */
#define attr_name(attr) attr_text(attr, KNAME_MAX)

/* --- nft_rule.c --- */

/*
 * The rule for the wire, owned by the caller; NULL when out of memory. It
 * carries its comment as nft(8) does, and its digest in an attribute of our own.
 */
struct nftnl_rule *nft_rule_encode(const char *chain, const struct krule *rule);

/* The digest in a rule's user data; 0: none, or written by an encoder that did it otherwise. */
uint64_t nft_rule_digest(const void *userdata, uint32_t length);

/* The number that nf_tables has for it. */
uint32_t nft_verdict(enum kverdict_code code);

/* --- nft_set.c --- */

/* The set's declaration, owned by the caller; NULL when out of memory. `id` is unique in the batch. */
struct nftnl_set *nft_set_encode(const struct kset *set, uint32_t id);

/* The elements for NEWSETELEM, or without what only that wants for DELSETELEM. */
struct nftnl_set *nft_elems_encode(const struct kset *set, const struct kelem *const *elems, unsigned count,
				   bool adding);

/* Puts the keys into a GETSETELEM message; of interval sets the first key of each. 0 or a negative errno. */
int nft_elems_put_keys(struct nl_msg *msg, const struct kset *set, const struct kelem *const *elems,
		       unsigned count);

/*
 * Adds the set that a NEWSET message declares. *ret_set is NULL for sets that
 * belong to a rule (anonymous ones); -EPROTO if it is none that we could have made.
 */
int nft_set_decode(struct kstate *state, struct nlmsghdr *hdr, struct kset **ret_set);

/* Collects elements from NEWSETELEM messages; those of interval sets become whole at the end. */
struct nft_elems {
	struct kstate *state;
	struct kset *set;
	unsigned count, size;
	struct nft_bound *bounds; /* of interval sets, until they are paired */
	/* If not NULL, elements are not added but told, with their counters. */
	counter_fn *fn;
	void *arg;
};

/* A netlink_message_fn; -EPROTO for an element that is none of ours. */
int nft_elems_decode(void *elems, struct nlmsghdr *hdr);
/* Pairs the bounds of an interval set and frees what was collected; also after a failure. */
int nft_elems_finish(struct nft_elems *elems);

/* --- nft_udata.c --- */

/* User data being written; what does not fit sets `failed`. */
struct nft_udata {
	uint8_t bytes[256]; /* NFT_USERDATA_MAXLEN */
	unsigned length;
	bool failed;
};

void nft_udata_put(struct nft_udata *udata, uint8_t type, const void *value, unsigned length);
void nft_udata_put_u32(struct nft_udata *udata, uint8_t type,
		       uint32_t value); /* host order, as nft(8) has it */
/* Puts a comment as nft(8) has it: with its zero, cut to 127 bytes, never inside a character. NULL: nothing. */
void nft_udata_put_comment(struct nft_udata *udata, uint8_t type, const char *comment);
/* Finds an attribute; NULL if it is not there or the data is malformed. */
const void *nft_udata_find(const void *data, uint32_t length, uint8_t type, uint8_t *ret_length);
/* The comment of this type; NULL if there is none (or it lacks its zero). */
const char *nft_udata_comment(const void *data, uint32_t length, uint8_t type);

/* --- nft_batch.c --- */

/* Messages of one transaction. */
struct nft_batch {
	uint8_t *data;
	size_t length, size;
	uint32_t first, seq; /* numbers of the begin message and of the last one so far */
	uint32_t set_ids;
	size_t last; /* where the last object's message begins */
	bool failed;
	/* Where each step's messages begin. */
	unsigned step_count;
	struct nft_batch_step {
		uint32_t first;
		const struct step *step;
	} * steps;
};

/* Encodes the nf_tables steps among these. 0 or -ENOMEM; nft_batch_done() in any case. */
int nft_batch_make(struct nft_batch *batch, const struct step *steps, unsigned count, uint32_t seq);
void nft_batch_done(struct nft_batch *batch);
/* The step that a message belongs to, and the number of its first message; NULL: the batch as a whole. */
const struct step *nft_batch_step_of(const struct nft_batch *batch, uint32_t seq, uint32_t *ret_first);

/* --- nft.c --- */

/* Reads our table. -EAGAIN when it changed meanwhile (then *state is half full). */
int nft_read(struct netlink *nl, struct kstate *state);
int nft_has_table(struct netlink *nl, const char *name); /* 1, 0 or negative errno */
/* The number of the last transaction of all that nf_tables carried out; also tells whether it answers us at all. */
int nft_get_generation(struct netlink *nl, uint32_t *ret_generation);
int nft_read_counters(struct netlink *nl, const struct kset *set, const struct kelem *const *elems,
		      unsigned count, counter_fn *fn, void *arg);
/* Sends the nf_tables steps among these as one transaction. */
int nft_apply(struct netlink *nl, const struct step *steps, unsigned count, struct apply_result *result);
/* KERNEL_TABLE if the event is about our table, or a table that came or went; else 0. */
unsigned nft_event(struct nlmsghdr *hdr);

/* --- nft_include.c --- */

/* -EAGAIN: it changed meanwhile. */
int nft_read_fw4(struct netlink *nl, struct fw4 *ret_fw4);
/* KERNEL_FW4 if the event is about a rule of fw4's; else 0. */
unsigned nft_fw4_event(struct nlmsghdr *hdr);

/* --- kernel.c --- */

/* Records a failure; `text` of the kernel or "" for words of our own about `error`. */
void apply_result_add(struct apply_result *result, const struct step *step, int error, const char *text);

#endif
