/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/kstmt.h"

#include <stdio.h>
#include <string.h>

#include "model/live.h"

void kstmt_set_name(char to[KNAME_MAX], const char *from)
{
	snprintf(to, KNAME_MAX, "%s", from);
}

struct kstmt kstmt_match_word(enum kfield field, uint32_t mask, uint32_t value, bool invert)
{
	struct kstmt stmt = {
		.type = KSTMT_MATCH, .field_count = 1, .fields = { field }, .mask = mask, .invert = invert
	};

	memcpy(stmt.value, &value, sizeof(value));
	return stmt;
}

struct kstmt kstmt_match_byte(enum kfield field, uint8_t value)
{
	return (struct kstmt){
		.type = KSTMT_MATCH, .field_count = 1, .fields = { field }, .value = { value }
	};
}

struct kstmt kstmt_match_port(uint16_t port)
{
	return (struct kstmt){ .type = KSTMT_MATCH,
			       .field_count = 1,
			       .fields = { KFIELD_TH_DPORT },
			       .value = { (uint8_t)(port >> 8), (uint8_t)port } };
}

struct kstmt kstmt_match_bits(enum kfield field, uint32_t bits)
{
	return kstmt_match_word(field, bits, 0, false);
}

struct kstmt kstmt_match_device(enum kfield field, const char *device)
{
	struct kstmt stmt = { .type = KSTMT_MATCH, .field_count = 1, .fields = { field } };

	memcpy(stmt.value, device, strnlen(device, sizeof(stmt.value) - 1));
	return stmt;
}

struct kstmt kstmt_let_in(void)
{
	return kstmt_match_word(KFIELD_CT_MARK, MARK_LET_IN, MARK_LET_IN, false);
}

struct kstmt kstmt_lookup(enum kfield field, const char *set, bool invert)
{
	struct kstmt stmt = { .type = KSTMT_LOOKUP, .field_count = 1, .fields = { field }, .invert = invert };

	kstmt_set_name(stmt.set, set);
	return stmt;
}

struct kstmt kstmt_vmap(enum kfield field, uint32_t mask, const char *set)
{
	struct kstmt stmt = { .type = KSTMT_VMAP, .field_count = 1, .fields = { field }, .mask = mask };

	kstmt_set_name(stmt.set, set);
	return stmt;
}

struct kstmt kstmt_set_mark(enum kstmt_type type, uint32_t keep, uint32_t bits)
{
	return (struct kstmt){ .type = type, .mask = keep, .bits = bits };
}

struct kstmt kstmt_verdict(enum kverdict_code code)
{
	return (struct kstmt){ .type = KSTMT_VERDICT, .verdict = code };
}

struct kstmt kstmt_jump(const char *chain)
{
	struct kstmt stmt = { .type = KSTMT_VERDICT, .verdict = KVERDICT_JUMP };

	kstmt_set_name(stmt.chain, chain);
	return stmt;
}

struct kstmt kstmt_goto(const char *chain)
{
	struct kstmt stmt = { .type = KSTMT_VERDICT, .verdict = KVERDICT_GOTO };

	kstmt_set_name(stmt.chain, chain);
	return stmt;
}

struct kstmt kstmt_snat(const struct ip *address)
{
	return (struct kstmt){ .type = KSTMT_SNAT, .address = *address };
}

struct kstmt kstmt_turn(unsigned modulus, unsigned below)
{
	return (struct kstmt){ .type = KSTMT_NUMGEN, .modulus = (uint16_t)modulus, .below = (uint16_t)below };
}

struct kstmt kstmt_update(enum kfield field, const char *set)
{
	struct kstmt stmt = { .type = KSTMT_UPDATE, .field_count = 1, .fields = { field } };

	kstmt_set_name(stmt.set, set);
	return stmt;
}

struct kstmt kstmt_from_prefix(const struct prefix *prefix)
{
	struct kstmt stmt = { .type = KSTMT_MATCH,
			      .field_count = 1,
			      .fields = { KFIELD_IP6_SADDR },
			      .prefix_length = prefix->length };

	memcpy(stmt.value, prefix->address.bytes, sizeof(stmt.value));
	return stmt;
}

struct kstmt kstmt_snat_prefix(const struct prefix *prefix)
{
	return (struct kstmt){ .type = KSTMT_SNAT_PREFIX,
			       .address = prefix->address,
			       .prefix_length = prefix->length };
}
