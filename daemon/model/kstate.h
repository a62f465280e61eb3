/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_KSTATE_H
#define PORTICO_MODEL_KSTATE_H

/*
 * Kernel state as plain data: our nf_tables table, our routes and rules, the
 * sysctls that we keep. compile() makes one from the configuration (desired),
 * kernel/ fills one from dumps (observed), plan() compares the two. Nothing
 * here makes a system call.
 *
 * nf_tables rules are statements in the words of nft(8), one struct each;
 * kstate_print() writes them exactly as `nft -s list table` does, and
 * kernel/nft_rule.c encodes them for the wire.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/ip.h"

enum {
	KNAME_MAX =
		68, /* names of chains and sets, with the zero: "pinhole_guards6_126_udplite_" and an address */
	KSTMT_MAX = 8,   /* statements of one rule */
	KFIELDS_MAX = 4, /* fields of one concatenation */
	KKEY_MAX = 32,   /* bytes of a set's key: proto . address . port of IPv6 is 24 */
	KDATA_MAX = 72,  /* bytes of a map's data: a verdict and its chain are the longest */
};

#define KTABLE_NAME "portico" /* family inet */

/* What rules look at. The table in kstate.c gives each its text and size. */
enum kfield {
	KFIELD_L4PROTO,  /* meta l4proto, 1 byte */
	KFIELD_IIFNAME,  /* 16 */
	KFIELD_OIFNAME,  /* 16 */
	KFIELD_IP_SADDR, /* 4; implies meta nfproto ipv4 */
	KFIELD_IP_DADDR,
	KFIELD_IP6_SADDR, /* 16; implies meta nfproto ipv6 */
	KFIELD_IP6_DADDR,
	KFIELD_TH_DPORT,       /* 2 */
	KFIELD_META_MARK,      /* 4, host order */
	KFIELD_CT_MARK,        /* 4, host order */
	KFIELD_CT_STATE,       /* 4, host order, bits */
	KFIELD_CT_STATUS,      /* 4, host order, bits */
	KFIELD_FIB_SADDR_TYPE, /* 4, host order: RTN_LOCAL ... */
	KFIELD_FIB_DADDR_TYPE,
	KFIELD_FIB_DADDR_OIFNAME, /* 16: the device by which a packet to there would leave */
	KFIELD_NFPROTO,           /* meta nfproto, 1 */
	KFIELD_TCP_FLAGS,         /* 1, bits */
	KFIELD_CT_DIRECTION,      /* 1: enum ip_conntrack_dir */
	KFIELD_COUNT,
};

/* The types of set keys and data, in nft's words; sizes are before padding to 4. */
enum ktype {
	KTYPE_NONE,
	KTYPE_INET_PROTO,   /* 1 */
	KTYPE_INET_SERVICE, /* 2, network order */
	KTYPE_IPV4_ADDR,    /* 4 */
	KTYPE_IPV6_ADDR,    /* 16 */
	KTYPE_IFNAME,       /* 16, zero padded */
	KTYPE_MARK,         /* 4, host order */
	KTYPE_VERDICT,      /* data only: struct kverdict as bytes, see kelem */
	KTYPE_COUNT,
};

enum kverdict_code { KVERDICT_ACCEPT, KVERDICT_DROP, KVERDICT_RETURN, KVERDICT_JUMP, KVERDICT_GOTO };

enum kstmt_type {
	KSTMT_MATCH,       /* fields[0] [& mask] ==/!= value */
	KSTMT_LOOKUP,      /* fields [!=] @set */
	KSTMT_VMAP,        /* fields [& mask] vmap @set */
	KSTMT_SET_CT_MARK, /* ct mark set ct mark & mask | bits */
	KSTMT_SET_META_MARK,
	/* The map's data has a port if both L4PROTO and TH_DPORT are among the fields. */
	KSTMT_DNAT_MAP,      /* dnat ip|ip6 to fields map @set (data: address, or address . port) */
	KSTMT_DNAT,          /* dnat ip|ip6 to address[:port] */
	KSTMT_SNAT,          /* snat ip|ip6 to address */
	KSTMT_SNAT_ORIGINAL, /* snat ip|ip6 to ct original ip|ip6 daddr */
	KSTMT_MASQUERADE,
	KSTMT_REDIRECT,     /* redirect to :port */
	KSTMT_VERDICT,      /* accept, drop, return, jump, goto */
	KSTMT_LOG,          /* limit rate 10/second burst 20 packets log prefix prefix */
	KSTMT_REJECT_RESET, /* reject with tcp reset */
	KSTMT_NUMGEN,       /* numgen inc mod modulus < below: so many of as many, in turn */
	KSTMT_UPDATE,       /* update @set { field }: of a set with a timeout */
	KSTMT_SNAT_PREFIX,  /* snat ip|ip6 prefix to address/prefix_length */
};

enum { KSET_DYNAMIC_MAX = 65535 };        /* elements of a set that packets fill */
enum { KLOG_RATE = 10, KLOG_BURST = 20 }; /* of one KSTMT_LOG: packets a second, and at once */

struct kstmt {
	enum kstmt_type type;
	uint8_t field_count;
	enum kfield fields[KFIELDS_MAX];
	bool invert;
	uint32_t mask;     /* MATCH, VMAP on marks, MATCH on bits (any of them): 0 is none */
	uint32_t bits;     /* SET_*_MARK */
	uint8_t value[16]; /* MATCH: as the field is stored */
	union {
		char set[KNAME_MAX];   /* LOOKUP, VMAP, DNAT_MAP */
		char chain[KNAME_MAX]; /* VERDICT */
	};
	const char *prefix;      /* LOG: at most 127 bytes; the state's arena has it */
	struct ip address;       /* DNAT, SNAT, SNAT_PREFIX; its family also for DNAT_MAP, SNAT_ORIGINAL */
	uint16_t port;           /* host order; 0 is none */
	uint16_t modulus, below; /* NUMGEN */
	uint8_t prefix_length;   /* SNAT_PREFIX; MATCH on an address: 0 is all of it */
	enum kverdict_code verdict;
};

struct krule {
	unsigned count;
	struct kstmt *stmts;
	const char *comment; /* NULL: none */
	/*
	 * Identity: a hash of the printed rule with its comment, carried in the
	 * rule's user data. An observed rule has only this; 0 means that it is not one of ours.
	 */
	uint64_t digest;
};

enum khook { KHOOK_NONE, KHOOK_PREROUTING, KHOOK_INPUT, KHOOK_FORWARD, KHOOK_OUTPUT, KHOOK_POSTROUTING };
enum kchain_type { KCHAIN_FILTER, KCHAIN_NAT, KCHAIN_ROUTE };

struct kchain {
	char name[KNAME_MAX];
	enum khook hook; /* NONE: a regular chain */
	enum kchain_type type;
	int priority;
	bool policy_drop;
	const char *comment;
	unsigned count;
	struct krule *rules;
};

/*
 * One element. `bytes` holds key, then key end (interval sets: the last
 * address, inclusive), then data, each as the kernel has it: fields padded to
 * 4 bytes, network order but for marks. A verdict is one byte of
 * enum kverdict_code and the chain's name, zero padded, KDATA_MAX in all.
 */
struct kelem {
	const uint8_t *bytes;
	const char *comment; /* NULL: none */
	uint32_t owner;      /* id of the forward it belongs to, 0: none; not part of its identity */
};

struct kset {
	char name[KNAME_MAX];
	enum ktype key[KFIELDS_MAX]; /* KTYPE_NONE behind the last */
	enum ktype data[2];          /* KTYPE_NONE: a set, not a map */
	bool interval;
	bool counter; /* every element counts its packets */
	/*
	 * Not 0: packets fill it, and an element goes so many seconds after it was last updated. What is in it is the
	 * kernel's own: it is neither read nor compared.
	 */
	uint32_t timeout_s;
	const char *comment;
	uint8_t key_size, data_size; /* follow from the types */
	unsigned count, size;
	struct kelem *elems; /* by bytes, ascending, once kstate_finish() has run */
};

/* A default route in one of our tables. Identity: family and table. */
struct kroute {
	uint8_t family;
	uint32_t table;
	uint32_t oif;      /* device index; 0 for unreachable */
	char device[16];   /* its name, for people; not compared, may be empty */
	struct ip gateway; /* AF_UNSPEC: none */
	bool onlink;       /* the gateway is on the link though no prefix says so; not compared */
};

/* An entry of the routing policy database (ip-rule(8)); all of it is its identity. */
struct kiprule {
	uint8_t family;
	uint32_t preference;
	struct prefix from, to;   /* AF_UNSPEC: any */
	uint32_t mark, mark_mask; /* mask 0: any */
	uint32_t table;           /* 0 for unreachable */
	bool unreachable;
	bool suppress_default; /* suppress_prefixlength 0 */
};

struct ksysctl {
	const char *path; /* below /proc/sys/ */
	int value;
};

struct config;

struct kstate {
	struct arena
		*arena; /* owns every statement and element below, and most strings; arrays are malloc()ed */
	struct config
		*config;     /* a reference, for the names in it that are comments of elements; NULL: none */
	bool failed;         /* out of memory somewhere: kstate_finish() tells */
	bool table;          /* the table is there */
	bool table_borrowed; /* sets and chains belong to another state, see kstate_borrow_table() */
	/* The table is there but not as we want it: something in it is unknown to us (observed only). */
	bool alien;
	unsigned set_count, set_size;
	struct kset *sets; /* by name */
	unsigned chain_count, chain_size;
	struct kchain *chains; /* by name */
	unsigned route_count, route_size;
	struct kroute *routes; /* by family, table */
	unsigned rule_count, rule_size;
	struct kiprule *rules; /* by preference, family, rest */
	unsigned sysctl_count, sysctl_size;
	struct ksysctl *sysctls; /* by path */
};

void kstate_init(struct kstate *state);
void kstate_done(struct kstate *state);

/* Gives a state without a table that of another, which must live longer. */
void kstate_borrow_table(struct kstate *state, const struct kstate *owner);
/* True if they are one, or one has borrowed the other's table: there is nothing to compare. */
bool kstate_same_table(const struct kstate *a, const struct kstate *b);

/*
 * Builders. Pointers that they return stay good until the next call for the
 * same list. Strings are copied. NULL (or -ENOMEM): out of memory, which also sticks, so
 * that kstate_finish() can tell at the end.
 */
struct kset *kstate_add_set(struct kstate *state, const char *name, const enum ktype *key,
			    const enum ktype *data, bool interval, bool counter, const char *comment);
/*
 * `key_end` only for interval sets, `data` only for maps (key_size and data_size bytes each). The comment is not
 * copied, as there are so many of them: it is a name in `state->config`, or the arena's.
 */
int kset_add(struct kstate *state, struct kset *set, const void *key, const void *key_end, const void *data,
	     const char *comment, uint32_t owner);
struct kchain *kstate_add_chain(struct kstate *state, const char *name, const char *comment);
struct krule *kchain_add_rule(struct kstate *state, struct kchain *chain, const struct kstmt *stmts,
			      unsigned count, const char *comment);
/* A rule of which only the digest is known (observed). */
struct krule *kchain_add_digest(struct kstate *state, struct kchain *chain, uint64_t digest);
int kstate_add_route(struct kstate *state, const struct kroute *route);
int kstate_add_rule(struct kstate *state, const struct kiprule *rule);
int kstate_add_sysctl(struct kstate *state, const char *path, int value);

/* Sorts everything, merges equal elements, computes digests. 0 or -ENOMEM. */
int kstate_finish(struct kstate *state);

const struct kset *kstate_find_set(const struct kstate *state, const char *name);
const struct kchain *kstate_find_chain(const struct kstate *state, const char *name);
/* The element with this key (interval sets: that contains it); NULL: none. */
const struct kelem *kset_find(const struct kset *set, const void *key);

static inline const uint8_t *kelem_key_end(const struct kset *set, const struct kelem *elem)
{
	return elem->bytes + set->key_size;
}
static inline const uint8_t *kelem_data(const struct kset *set, const struct kelem *elem)
{
	return elem->bytes + set->key_size * (set->interval ? 2 : 1);
}
static inline unsigned kelem_size(const struct kset *set)
{
	return set->key_size * (set->interval ? 2u : 1u) + set->data_size;
}

/* Orders by identity: 0 means the same route (its gateway may differ), the same rule. */
int kroute_compare(const struct kroute *a, const struct kroute *b);
int kiprule_compare(const struct kiprule *a, const struct kiprule *b);

unsigned ktype_size(enum ktype type);
const char *ktype_name(enum ktype type);
unsigned kfield_size(enum kfield field);
const char *kfield_name(enum kfield field);

/*
 * Canonical text: the table as `nft -s list table` writes it (elements one a
 * line), then "ip rule", "ip route" and "sysctl" lines. The smaller ones print
 * the words that follow `ip rule add`, `ip route replace`.
 */
void kstate_print(const struct kstate *state, struct buf *buf);
void krule_print(const struct krule *rule, struct buf *buf);
void kelem_print(const struct kset *set, const struct kelem *elem, struct buf *buf);
/* "type ...; flags interval; counter", parted by `separator`. */
void kset_print_declaration(const struct kset *set, const char *separator, struct buf *buf);
/* "type nat hook prerouting priority dstnat - 5; policy accept;" of a base chain. */
void kchain_print_declaration(const struct kchain *chain, struct buf *buf);
void kroute_print(const struct kroute *route, struct buf *buf);
void kiprule_print(const struct kiprule *rule, struct buf *buf);

#endif
