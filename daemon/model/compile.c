/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shape of the table (see also the tour in README.md):
 *
 *   mark_in, mark_out    which uplink a connection belongs to, and its mark put back on every packet;
 *                        choose: which one a new connection from inside is given
 *   destination_nat*     address of an uplink -> translate4_<n> -> forwards4: one lookup, however many
 *                        forwards; then, if it came by an uplink, pinholes4
 *   source_nat           hairpin, "backend sees the router", then what each uplink asks for
 *   filter_*             closed from uplinks
 *
 * Names end in 4 or 6 for the family and in _<id> for the object that they belong to.
 */
#include "model/compile.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/compiler.h"

enum { CT_STATE_INVALID = 1, CT_STATE_ESTABLISHED = 2, CT_STATE_RELATED = 4, CT_STATE_NEW = 8 };
enum { CT_STATUS_DNAT = 32 };
enum { TCP_FLAG_RESET = 4, IP_CT_DIR_REPLY = 1 };

/*
 * Connections that must end. Their entries stay for a while: without one, the backend's next segment would
 * make an entry the other way round (nf_conntrack_tcp_loose), and the connection would go on. Who sends is told
 * by a reset. A client may do nothing but receive, so one more segment reaches it: it is told when it acknowledges.
 */
static void add_ended_chain(struct compiler *c)
{
	struct kchain *chain = kstate_add_chain(c->state, "ended", NULL);

	RULE(c, chain, "a reset ends it as well", kstmt_match_byte(KFIELD_L4PROTO, IPPROTO_TCP),
	     kstmt_match_bits(KFIELD_TCP_FLAGS, TCP_FLAG_RESET), kstmt_verdict(KVERDICT_RETURN));
	RULE(c, chain, "once, so that the client has something to answer",
	     kstmt_match_byte(KFIELD_L4PROTO, IPPROTO_TCP),
	     kstmt_match_byte(KFIELD_CT_DIRECTION, IP_CT_DIR_REPLY), kstmt_let_in(),
	     kstmt_set_mark(KSTMT_SET_CT_MARK, ~MARK_LET_IN, 0), kstmt_verdict(KVERDICT_RETURN));
	RULE(c, chain, NULL, kstmt_match_byte(KFIELD_L4PROTO, IPPROTO_TCP),
	     (struct kstmt){ .type = KSTMT_REJECT_RESET });
	RULE(c, chain, NULL, kstmt_verdict(KVERDICT_DROP));
	compiler_add_jump(c, compiler_find_set(c, "uplink_marks"), &(uint32_t){ MARK_ENDED }, NULL, "ended",
			  "connections that must end");
}

/* What is still to pass of those that came by the uplink leaves by it. */
static void add_uplink_ended_chain(struct compiler *c, const struct uplink *uplink)
{
	uint32_t mark = MARK_UPLINK(uplink->object.id);
	char name[KNAME_MAX];

	snprintf(name, sizeof(name), "ended_%u", uplink->object.id);
	RULE(c, kstate_add_chain(c->state, name, NULL), uplink->object.name,
	     kstmt_set_mark(KSTMT_SET_META_MARK, ~MARK_UPLINK_MASK, mark), kstmt_jump("ended"));
	mark |= MARK_ENDED;
	compiler_add_jump(c, compiler_find_set(c, "uplink_marks"), &mark, NULL, name, uplink->object.name);
}

/* Chains and map entries by which connections learn their uplink, and packets their mark. */
static void compile_uplinks(struct compiler *c)
{
	kstate_add_set(c->state, "uplink_devices", (enum ktype[KFIELDS_MAX]){ KTYPE_IFNAME }, NULL, false,
		       false, NULL);
	compiler_add_map(c, "uplink_arrive", KTYPE_IFNAME, KTYPE_VERDICT);
	compiler_add_map(c, "uplink_marks", KTYPE_MARK, KTYPE_VERDICT);
	add_ended_chain(c);
	for (unsigned i = 0; i < c->ways.count; i++) {
		const struct uplink *uplink = c->ways.uplinks[i].uplink;
		uint32_t id = uplink->object.id, mark = MARK_UPLINK(id);
		uint8_t device[16];
		char chain[KNAME_MAX];

		compiler_device_key(device, uplink->device);
		/* A disabled uplink is not used, but the filter stays closed towards it. */
		kset_add(c->state, compiler_find_set(c, "uplink_devices"), device, NULL, NULL,
			 uplink->object.name, 0);
		if (!uplink->enabled)
			continue;
		snprintf(chain, sizeof(chain), "arrive_%u", id);
		RULE(c, kstate_add_chain(c->state, chain, NULL), uplink->object.name,
		     kstmt_set_mark(KSTMT_SET_CT_MARK, ~MARK_UPLINK_MASK, mark));
		compiler_add_jump(c, compiler_find_set(c, "uplink_arrive"), device, NULL, chain,
				  uplink->object.name);
		snprintf(chain, sizeof(chain), "mark_%u", id);
		RULE(c, kstate_add_chain(c->state, chain, NULL), uplink->object.name,
		     kstmt_set_mark(KSTMT_SET_META_MARK, ~MARK_UPLINK_MASK, mark),
		     kstmt_verdict(KVERDICT_ACCEPT));
		compiler_add_jump(c, compiler_find_set(c, "uplink_marks"), &mark, NULL, chain,
				  uplink->object.name);
		add_uplink_ended_chain(c, uplink);
	}
}

/* A forward for the LAN alone must not open to one who only claims to be there: loose rp_filter lets that in. */
static void drop_pretenders(struct compiler *c, struct kchain *in)
{
	for (unsigned i = 0; i < FAMILY_COUNT; i++) {
		const struct family_words *family = &compiler_families[i];
		char name[KNAME_MAX];

		compiler_name(name, "inside", family, 0);
		if (compiler_wants_family(c, family) && compiler_add_inside(c, name, family))
			RULE(c, in, "nobody inside comes by an uplink",
			     kstmt_match_word(KFIELD_CT_STATE, CT_STATE_NEW, 0, false),
			     kstmt_lookup(KFIELD_IIFNAME, "uplink_devices", false),
			     kstmt_lookup(family->saddr, name, false), kstmt_verdict(KVERDICT_DROP));
	}
}

static void compile_marks(struct compiler *c)
{
	struct kchain *in = compiler_base_chain(c, "mark_in", KCHAIN_FILTER, KHOOK_PREROUTING,
						PRIORITY_MANGLE);

	drop_pretenders(c, in);
	RULE(c, in, "a new connection belongs to the uplink that it arrives by",
	     kstmt_match_word(KFIELD_CT_STATE, CT_STATE_NEW, 0, false),
	     kstmt_vmap(KFIELD_IIFNAME, 0, "uplink_arrive"));
	RULE(c, in, "and its packets are routed by that uplink, in both directions",
	     kstmt_vmap(KFIELD_CT_MARK, MARK_UPLINK_MASK, "uplink_marks"));
	if (c->chooses)
		RULE(c, in, "a new connection from inside is given one",
		     kstmt_match_bits(KFIELD_CT_STATE, CT_STATE_NEW),
		     kstmt_match_word(KFIELD_CT_MARK, MARK_UPLINK_MASK, 0, false), kstmt_jump("choose"));

	struct kchain *out = compiler_base_chain(c, "mark_out", KCHAIN_ROUTE, KHOOK_OUTPUT, PRIORITY_MANGLE);

	RULE(c, out, NULL, kstmt_vmap(KFIELD_CT_MARK, MARK_UPLINK_MASK, "uplink_marks"));
}

/* What connection tracking does not understand, the rest of a connection whose entry is gone, say, is not translated. */
static void drop_untranslated(struct compiler *c, struct kchain *chain)
{
	if (chain && compiler_find_set(c, "nat_devices"))
		RULE(c, chain, "it would leave with an address from inside, or of another uplink",
		     kstmt_match_bits(KFIELD_CT_STATE, CT_STATE_INVALID),
		     kstmt_lookup(KFIELD_OIFNAME, "nat_devices", false), kstmt_verdict(KVERDICT_DROP));
}

static void compile_filter(struct compiler *c)
{
	bool ours = filter_is_ours(c->config, c->environment);
	struct kchain *forward = ours || compiler_find_set(c, "nat_devices") ?
					 compiler_base_chain(c, "filter_forward", KCHAIN_FILTER,
							     KHOOK_FORWARD, PRIORITY_FILTER) :
					 NULL;

	if (ours) {
		RULE(c, forward, NULL,
		     kstmt_match_word(KFIELD_CT_STATE, CT_STATE_ESTABLISHED | CT_STATE_RELATED, 0, false),
		     kstmt_verdict(KVERDICT_ACCEPT));
		RULE(c, forward, "let in by a forward", kstmt_let_in(), kstmt_verdict(KVERDICT_ACCEPT));
		/* Docker's published ports: who translates on the router wants it let in. */
		RULE(c, forward, "translated by a rule of somebody else's",
		     kstmt_match_word(KFIELD_CT_STATUS, CT_STATUS_DNAT, 0, false),
		     kstmt_verdict(KVERDICT_ACCEPT));
		RULE(c, forward, "nothing else comes in",
		     kstmt_lookup(KFIELD_IIFNAME, "uplink_devices", false), kstmt_verdict(KVERDICT_DROP));
	}
	drop_untranslated(c, forward);
	if (compiler_find_set(c, "nat_devices"))
		drop_untranslated(c, compiler_base_chain(c, "filter_output", KCHAIN_FILTER, KHOOK_OUTPUT,
							 PRIORITY_FILTER));
	if (config_settings(c->config)->admin_from_uplinks || !c->environment->admin_port_count)
		return;
	struct kchain *input = compiler_base_chain(c, "filter_input", KCHAIN_FILTER, KHOOK_INPUT,
						   PRIORITY_FILTER);

	for (unsigned i = 0; i < c->environment->admin_port_count; i++)
		RULE(c, input, "the admin page is not for uplinks",
		     kstmt_lookup(KFIELD_IIFNAME, "uplink_devices", false),
		     kstmt_match_byte(KFIELD_L4PROTO, IPPROTO_TCP),
		     kstmt_match_port(c->environment->admin_ports[i]), kstmt_verdict(KVERDICT_DROP));
}

int compile(const struct config *config, const struct links *links, const struct environment *environment,
	    struct kstate *ret_state)
{
	struct compiler *c = calloc(1, sizeof(*c));
	struct kstate state;

	if (!c)
		return -ENOMEM;
	kstate_init(&state);
	state.config = config_ref((struct config *)config);
	state.table = true;
	c->config = config;
	c->links = links;
	c->environment = environment;
	c->state = &state;
	ways_resolve(config, links, environment, &c->ways);
	compile_neighbours(c);
	compile_uplinks(c);
	compile_leave(c);
	compile_choice(c);
	compile_nat(c);
	compile_marks(c);
	compile_filter(c);
	compile_routing(c);
	compile_sysctls(c);
	free(c);

	int r = kstate_finish(&state);

	if (r < 0) {
		kstate_done(&state);
		return r;
	}
	*ret_state = state;
	return 0;
}
