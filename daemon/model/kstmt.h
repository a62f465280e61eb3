/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_KSTMT_H
#define PORTICO_MODEL_KSTMT_H

/* Statements of rules, made in one line each. */

#include "model/kstate.h"

enum { KSTMT_ROUTE_LOCAL = 2 }; /* RTN_LOCAL, for the fib fields */

struct kstmt kstmt_match_word(enum kfield field, uint32_t mask, uint32_t value, bool invert);
struct kstmt kstmt_match_byte(enum kfield field, uint8_t value);
struct kstmt kstmt_match_port(uint16_t port);
struct kstmt kstmt_match_bits(enum kfield field, uint32_t bits); /* any of them: ct state, tcp flags */
struct kstmt kstmt_match_device(enum kfield field, const char *device);
struct kstmt kstmt_let_in(void); /* ct mark has the "let in by us" bit */
struct kstmt kstmt_lookup(enum kfield field, const char *set, bool invert);
struct kstmt kstmt_vmap(enum kfield field, uint32_t mask, const char *set);
struct kstmt kstmt_set_mark(enum kstmt_type type, uint32_t keep, uint32_t bits);
struct kstmt kstmt_verdict(enum kverdict_code code);
struct kstmt kstmt_jump(const char *chain);
struct kstmt kstmt_goto(const char *chain);
struct kstmt kstmt_snat(const struct ip *address);
struct kstmt kstmt_turn(unsigned modulus, unsigned below); /* `below` of `modulus` */
struct kstmt kstmt_update(enum kfield field, const char *set);
struct kstmt kstmt_from_prefix(const struct prefix *prefix); /* an IPv6 one */
struct kstmt kstmt_snat_prefix(const struct prefix *prefix);

void kstmt_set_name(char to[KNAME_MAX], const char *from);

#endif
