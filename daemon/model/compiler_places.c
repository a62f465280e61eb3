/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sets that forwards stand in: their names and types in one table, found by number, not by name. */

#include <netinet/in.h>
#include <string.h>

#include "model/compiler.h"

const uint8_t compiler_protocols[PROTOCOLS_WITH_PORTS] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP,
							   IPPROTO_DCCP, IPPROTO_UDPLITE };

enum {
	HAS_ADDRESS = 1,
	HAS_PROTOCOL = 2,
	HAS_PORT = 4,
	HAS_ALL = 7
}; /* what the key is made of, in this order */

enum answer { ANSWERS_NOTHING, ANSWERS_VERDICT, ANSWERS_ADDRESS, ANSWERS_ADDRESS_PORT };

static const struct {
	const char *stem;
	unsigned key;
	enum answer answer;
	bool counter;
} places[PLACE_COUNT] = {
	[PLACE_FORWARDS] = { "forwards", HAS_PROTOCOL | HAS_PORT, ANSWERS_ADDRESS_PORT, true },
	[PLACE_PORTLESS] = { "portless", HAS_PROTOCOL, ANSWERS_ADDRESS, true },
	[PLACE_GUARDS] = { "guards", HAS_PROTOCOL | HAS_PORT, ANSWERS_VERDICT, false },
	[PLACE_PORTLESS_GUARDS] = { "portless_guards", HAS_PROTOCOL, ANSWERS_VERDICT, false },
	[PLACE_SOURCE_REWRITE] = { "source_rewrite", HAS_ALL, ANSWERS_NOTHING, false },
	[PLACE_PORTLESS_REWRITE] = { "portless_rewrite", HAS_ADDRESS | HAS_PROTOCOL, ANSWERS_NOTHING, false },
	[PLACE_REWRITE_HOSTS] = { "rewrite_hosts", HAS_ADDRESS | HAS_PROTOCOL, ANSWERS_VERDICT, false },
	[PLACE_PINHOLES] = { "pinholes", HAS_ALL, ANSWERS_NOTHING, true },
	[PLACE_PORTLESS_PINHOLES] = { "portless_pinholes", HAS_ADDRESS | HAS_PROTOCOL, ANSWERS_NOTHING,
				      true },
	[PLACE_PINHOLE_GUARDS] = { "pinhole_guards", HAS_ALL, ANSWERS_VERDICT, false },
	[PLACE_PORTLESS_PINHOLE_GUARDS] = { "portless_pinhole_guards", HAS_ADDRESS | HAS_PROTOCOL,
					    ANSWERS_VERDICT, false },
	[PLACE_PINHOLE_HOSTS] = { "pinhole_hosts", HAS_ADDRESS | HAS_PROTOCOL, ANSWERS_VERDICT, false },
	/* An interval of one field is a tree; of several it would be searched from end to end. */
	[PLACE_RANGES... PLACE_GUARD_RANGES - 1] = { "ranges", HAS_PORT, ANSWERS_ADDRESS, true },
	[PLACE_GUARD_RANGES... PLACE_COUNT - 1] = { "guard_ranges", HAS_PORT, ANSWERS_VERDICT, false },
};

static bool is_range(enum place place)
{
	return places[place].key == HAS_PORT;
}

static uint8_t protocol_of(enum place place)
{
	return compiler_protocols[(place - PLACE_RANGES) % PROTOCOLS_WITH_PORTS];
}

enum place compiler_place_of(enum place first, uint8_t protocol)
{
	unsigned i = 0;

	while (i < PROTOCOLS_WITH_PORTS - 1 && compiler_protocols[i] != protocol)
		i++;
	return first + i;
}

bool compiler_has_place(const struct compiler *c, enum place place, const struct family_words *family,
			uint32_t scope)
{
	return c->places[family - compiler_families][place][scope];
}

static void place_name(char name[KNAME_MAX], enum place place, const struct family_words *family,
		       uint32_t scope)
{
	char text[8];

	compiler_name(name, places[place].stem, family, scope);
	if (is_range(place))
		compiler_name_add(name, protocol_name(protocol_of(place), text));
}

static struct kset *add_place(struct compiler *c, enum place place, const struct family_words *family,
			      uint32_t scope)
{
	enum ktype key[KFIELDS_MAX] = { KTYPE_NONE }, data[2] = { KTYPE_NONE };
	enum answer answer = places[place].answer;
	char name[KNAME_MAX];
	unsigned n = 0;

	if (places[place].key & HAS_ADDRESS)
		key[n++] = family->address;
	if (places[place].key & HAS_PROTOCOL)
		key[n++] = KTYPE_INET_PROTO;
	if (places[place].key & HAS_PORT)
		key[n++] = KTYPE_INET_SERVICE;
	if (answer != ANSWERS_NOTHING)
		data[0] = answer == ANSWERS_VERDICT ? KTYPE_VERDICT : family->address;
	if (answer == ANSWERS_ADDRESS_PORT)
		data[1] = KTYPE_INET_SERVICE;
	place_name(name, place, family, scope);
	return kstate_add_set(c->state, name, key, data, is_range(place), places[place].counter, NULL);
}

struct kset *compiler_place(struct compiler *c, enum place place, const struct family_words *family,
			    uint32_t scope)
{
	unsigned *index = &c->places[family - compiler_families][place][scope];

	if (*index)
		return &c->state->sets[*index - 1];

	struct kset *set = add_place(c, place, family, scope);

	if (set)
		*index = c->state->set_count;
	return set;
}

unsigned compiler_port_lookup(uint8_t protocol, const char *set, enum kstmt_type type,
			      struct kstmt ret_stmts[LOOKUP_STMTS_MAX])
{
	ret_stmts[0] = kstmt_match_byte(KFIELD_L4PROTO, protocol);
	ret_stmts[1] = (struct kstmt){ .type = type, .field_count = 1, .fields = { KFIELD_TH_DPORT } };
	kstmt_set_name(ret_stmts[1].set, set);
	return 2;
}

unsigned compiler_lookup(const struct compiler *c, enum place place, const struct family_words *family,
			 uint32_t scope, enum kstmt_type type, struct kstmt ret_stmts[LOOKUP_STMTS_MAX])
{
	struct kstmt *stmt = ret_stmts;
	char name[KNAME_MAX];
	unsigned count = 1;

	if (!compiler_has_place(c, place, family, scope))
		return 0;
	place_name(name, place, family, scope);
	if (is_range(place)) {
		count = compiler_port_lookup(protocol_of(place), name, type, ret_stmts);
		stmt = &ret_stmts[1];
	} else {
		*stmt = (struct kstmt){ .type = type };
		kstmt_set_name(stmt->set, name);
		if (places[place].key & HAS_ADDRESS)
			stmt->fields[stmt->field_count++] = family->daddr;
		if (places[place].key & HAS_PROTOCOL)
			stmt->fields[stmt->field_count++] = KFIELD_L4PROTO;
		if (places[place].key & HAS_PORT)
			stmt->fields[stmt->field_count++] = KFIELD_TH_DPORT;
	}
	stmt->address.family = family->af;
	return count;
}

void compiler_put_port(uint8_t *bytes, unsigned port)
{
	bytes[0] = (uint8_t)(port >> 8);
	bytes[1] = (uint8_t)port;
}

void compiler_place_key(enum place place, const struct ip *address, uint8_t protocol, unsigned port,
			uint8_t ret_key[KKEY_MAX])
{
	unsigned at = 0;

	memset(ret_key, 0, KKEY_MAX);
	if (places[place].key & HAS_ADDRESS) {
		memcpy(ret_key, address->bytes, ip_size(address->family));
		at += ip_size(address->family);
	}
	if (places[place].key & HAS_PROTOCOL) {
		ret_key[at] = protocol;
		at += 4;
	}
	if (places[place].key & HAS_PORT)
		compiler_put_port(ret_key + at, port);
}
