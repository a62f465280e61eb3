/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The comparison. Every list of both states is sorted, so each kind of object
 * is one walk over two lists.
 *
 * Two invariants keep the batch acceptable to the kernel:
 *  - what refers goes before what is referred to when deleting (rules, then
 *    elements, then chains and sets), and after it when adding;
 *  - a set or base chain whose declaration differs cannot be changed in place:
 *    then the whole table is made anew, in the same transaction.
 */
#include "model/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct step *add_step(struct plan *plan, enum step_type type)
{
	if (plan->count == plan->size) {
		unsigned more = plan->size ? plan->size * 2 : 16;
		struct step *bigger = reallocarray(plan->steps, more, sizeof(*bigger));

		if (!bigger)
			return NULL;
		plan->steps = bigger;
		plan->size = more;
	}
	struct step *step = &plan->steps[plan->count++];

	*step = (struct step){ .type = type };
	return step;
}

static int add_set_step(struct plan *plan, enum step_type type, const struct kset *set)
{
	struct step *step = add_step(plan, type);

	if (!step)
		return -ENOMEM;
	step->set = set;
	return 0;
}

static int add_chain_step(struct plan *plan, enum step_type type, const struct kchain *chain)
{
	struct step *step = add_step(plan, type);

	if (!step)
		return -ENOMEM;
	step->chain = chain;
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_declaration(const struct kset *a, const struct kset *b)
{
	return memcmp(a->key, b->key, sizeof(a->key)) == 0 &&
	       memcmp(a->data, b->data, sizeof(a->data)) == 0 && a->interval == b->interval &&
	       a->counter == b->counter && a->timeout_s == b->timeout_s && same_text(a->comment, b->comment);
}

static bool same_hook(const struct kchain *a, const struct kchain *b)
{
	return a->hook == b->hook && same_text(a->comment, b->comment) &&
	       (a->hook == KHOOK_NONE ||
		(a->type == b->type && a->priority == b->priority && a->policy_drop == b->policy_drop));
}

static bool same_rules(const struct kchain *a, const struct kchain *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (a->rules[i].digest != b->rules[i].digest)
			return false;
	return true;
}

/*
 * Elements of `set` that `other` (NULL: an empty set) does not hold, as one step. Both are of one declaration.
 */
static int add_missing_elems(struct plan *plan, enum step_type type, const struct kset *set,
			     const struct kset *other)
{
	const struct kelem **elems = NULL;
	unsigned count = 0, size = 0, j = 0;

	for (unsigned i = 0; i < set->count; i++) {
		const struct kelem *elem = &set->elems[i];
		int order = 1;

		while (other && j < other->count &&
		       (order = memcmp(other->elems[j].bytes, elem->bytes, kelem_size(set))) < 0)
			j++;
		if (other && j < other->count && order == 0 &&
		    same_text(other->elems[j].comment, elem->comment))
			continue;
		if (count == size) {
			size = size ? size * 2 : 8;
			const struct kelem **bigger = reallocarray(elems, size, sizeof(*elems));

			if (!bigger) {
				free(elems);
				return -ENOMEM;
			}
			elems = bigger;
		}
		elems[count++] = elem;
	}
	if (!count)
		return 0;
	struct step *step = add_step(plan, type);

	if (!step) {
		free(elems);
		return -ENOMEM;
	}
	step->set = set;
	step->elems = elems;
	step->elem_count = count;
	return 0;
}

/* What has to go. */
static int plan_removals(struct plan *plan, const struct kstate *desired, const struct kstate *observed)
{
	int r = 0;

	for (unsigned i = 0; !r && i < observed->chain_count; i++) {
		const struct kchain *chain = &observed->chains[i],
				    *wanted = kstate_find_chain(desired, chain->name);

		if (chain->count && (!wanted || !same_rules(wanted, chain)))
			r = add_chain_step(plan, STEP_CHAIN_FLUSH, chain);
	}
	for (unsigned i = 0; !r && i < observed->set_count; i++) {
		const struct kset *set = &observed->sets[i], *wanted = kstate_find_set(desired, set->name);

		/* A set that goes takes its elements along, but verdicts must let go of their chains first. */
		if (wanted || set->data[0] == KTYPE_VERDICT)
			r = add_missing_elems(plan, STEP_ELEMS_DELETE, set, wanted);
	}
	for (unsigned i = 0; !r && i < observed->chain_count; i++)
		if (!kstate_find_chain(desired, observed->chains[i].name))
			r = add_chain_step(plan, STEP_CHAIN_DELETE, &observed->chains[i]);
	for (unsigned i = 0; !r && i < observed->set_count; i++)
		if (!kstate_find_set(desired, observed->sets[i].name))
			r = add_set_step(plan, STEP_SET_DELETE, &observed->sets[i]);
	return r;
}

/* What is missing. */
static int plan_additions(struct plan *plan, const struct kstate *desired, const struct kstate *observed)
{
	int r = 0;

	for (unsigned i = 0; !r && i < desired->set_count; i++)
		if (!kstate_find_set(observed, desired->sets[i].name))
			r = add_set_step(plan, STEP_SET_ADD, &desired->sets[i]);
	for (unsigned i = 0; !r && i < desired->chain_count; i++)
		if (!kstate_find_chain(observed, desired->chains[i].name))
			r = add_chain_step(plan, STEP_CHAIN_ADD, &desired->chains[i]);
	for (unsigned i = 0; !r && i < desired->set_count; i++)
		r = add_missing_elems(plan, STEP_ELEMS_ADD, &desired->sets[i],
				      kstate_find_set(observed, desired->sets[i].name));
	for (unsigned i = 0; !r && i < desired->chain_count; i++) {
		const struct kchain *chain = &desired->chains[i],
				    *there = kstate_find_chain(observed, chain->name);

		if (chain->count && (!there || !same_rules(chain, there)))
			r = add_chain_step(plan, STEP_RULES_ADD, chain);
	}
	return r;
}

/* True if what is there cannot become what is wanted piece by piece. */
static bool must_rebuild(const struct kstate *desired, const struct kstate *observed)
{
	if (observed->alien)
		return true;
	for (unsigned i = 0; i < desired->set_count; i++) {
		const struct kset *there = kstate_find_set(observed, desired->sets[i].name);

		if (there && !same_declaration(&desired->sets[i], there))
			return true;
	}
	for (unsigned i = 0; i < desired->chain_count; i++) {
		const struct kchain *there = kstate_find_chain(observed, desired->chains[i].name);

		if (there && !same_hook(&desired->chains[i], there))
			return true;
	}
	return false;
}

static int plan_table(struct plan *plan, const struct kstate *desired, const struct kstate *observed)
{
	static const struct kstate nothing;
	bool there = observed->table;

	if (kstate_same_table(desired, observed))
		return 0;
	if (there && (!desired->table || must_rebuild(desired, observed))) {
		if (!add_step(plan, STEP_TABLE_DELETE))
			return -ENOMEM;
		there = false;
	}
	if (!desired->table)
		return 0;
	if (!there) {
		if (!add_step(plan, STEP_TABLE_ADD))
			return -ENOMEM;
		return plan_additions(plan, desired, &nothing);
	}
	int r = plan_removals(plan, desired, observed);

	return r ? r : plan_additions(plan, desired, observed);
}

static bool same_way(const struct kroute *a, const struct kroute *b)
{
	return a->oif == b->oif && ip_compare(&a->gateway, &b->gateway) == 0;
}

static int add_route_step(struct plan *plan, enum step_type type, const struct kroute *route)
{
	struct step *step = add_step(plan, type);

	if (!step)
		return -ENOMEM;
	step->route = route;
	return 0;
}

/* The route of the same family and table; NULL: none. Looked for from `*at` on, in the sorted list. */
static const struct kroute *same_route(const struct kstate *state, unsigned *at, const struct kroute *route)
{
	while (*at < state->route_count && kroute_compare(&state->routes[*at], route) < 0)
		++*at;
	return *at < state->route_count && kroute_compare(&state->routes[*at], route) == 0 ?
		       &state->routes[*at] :
		       NULL;
}

static int plan_route_additions(struct plan *plan, const struct kstate *desired,
				const struct kstate *observed)
{
	unsigned at = 0;
	int r = 0;

	for (unsigned i = 0; !r && i < desired->route_count; i++) {
		const struct kroute *route = &desired->routes[i], *there = same_route(observed, &at, route);

		if (there && same_way(there, route))
			continue;
		r = add_route_step(plan, STEP_ROUTE_SET, route);
	}
	return r;
}

static int plan_route_removals(struct plan *plan, const struct kstate *desired, const struct kstate *observed)
{
	unsigned at = 0;
	int r = 0;

	for (unsigned i = 0; !r && i < observed->route_count; i++)
		if (!same_route(desired, &at, &observed->routes[i]))
			r = add_route_step(plan, STEP_ROUTE_DELETE, &observed->routes[i]);
	return r;
}

enum rules { RULES_MAIN = 1, RULES_UPLINKS = 2, RULES_ALL = 3 };

/* Rules of those kinds that `have` has and `other` has not. */
static int plan_rules(struct plan *plan, enum step_type type, enum rules kinds, const struct kstate *have,
		      const struct kstate *other)
{
	unsigned j = 0;

	for (unsigned i = 0; i < have->rule_count; i++) {
		const struct kiprule *rule = &have->rules[i];

		if (!(kinds & (rule->suppress_default ? RULES_MAIN : RULES_UPLINKS)))
			continue;
		while (j < other->rule_count && kiprule_compare(&other->rules[j], rule) < 0)
			j++;
		if (j < other->rule_count && kiprule_compare(&other->rules[j], rule) == 0)
			continue;
		struct step *step = add_step(plan, type);

		if (!step)
			return -ENOMEM;
		step->rule = rule;
	}
	return 0;
}

/* Only those that the kernel has: net.bridge is there once a bridge filters, and not before. */
static int plan_sysctls(struct plan *plan, const struct kstate *desired, const struct kstate *observed)
{
	unsigned j = 0;

	for (unsigned i = 0; i < desired->sysctl_count; i++) {
		const struct ksysctl *wanted = &desired->sysctls[i];

		while (j < observed->sysctl_count && strcmp(observed->sysctls[j].path, wanted->path) < 0)
			j++;
		if (j == observed->sysctl_count || strcmp(observed->sysctls[j].path, wanted->path) != 0 ||
		    observed->sysctls[j].value == wanted->value)
			continue;
		struct step *step = add_step(plan, STEP_SYSCTL);

		if (!step)
			return -ENOMEM;
		step->sysctl = wanted;
	}
	return 0;
}

int plan_make(const struct kstate *desired, const struct kstate *observed, struct plan *ret_plan)
{
	struct plan plan = { 0 };
	/* Without a rule that leads to the main table, the kernel reaches no gateway and refuses its route. */
	int r = plan_rules(&plan, STEP_IPRULE_ADD, RULES_MAIN, desired, observed);

	if (!r)
		r = plan_route_additions(&plan, desired, observed);
	if (!r)
		r = plan_rules(&plan, STEP_IPRULE_ADD, RULES_UPLINKS, desired, observed);
	if (!r)
		r = plan_table(&plan, desired, observed);
	if (!r)
		r = plan_sysctls(&plan, desired, observed);
	if (!r)
		r = plan_rules(&plan, STEP_IPRULE_DELETE, RULES_ALL, observed, desired);
	if (!r)
		r = plan_route_removals(&plan, desired, observed);
	if (r) {
		plan_done(&plan);
		return r;
	}
	*ret_plan = plan;
	return 0;
}

void plan_done(struct plan *plan)
{
	for (unsigned i = 0; i < plan->count; i++)
		free(plan->steps[i].elems);
	free(plan->steps);
	*plan = (struct plan){ 0 };
}

static void print_elems(const struct step *step, const char *verb, unsigned elems_max, struct buf *buf)
{
	buf_printf(buf, "nft %s element inet " KTABLE_NAME " %s { ", verb, step->set->name);
	for (unsigned i = 0; i < step->elem_count; i++) {
		if (i == elems_max) {
			buf_printf(buf, ", and %u more", step->elem_count - i);
			break;
		}
		buf_puts(buf, i ? ", " : "");
		kelem_print(step->set, step->elems[i], buf);
	}
	buf_puts(buf, " }");
}

static void print_chain_step(const struct step *step, struct buf *buf)
{
	const struct kchain *chain = step->chain;

	switch (step->type) {
	case STEP_CHAIN_ADD:
		buf_printf(buf, "nft add chain inet " KTABLE_NAME " %s", chain->name);
		if (chain->hook != KHOOK_NONE) {
			buf_puts(buf, " { ");
			kchain_print_declaration(chain, buf);
			buf_puts(buf, " }");
		}
		break;
	case STEP_CHAIN_FLUSH:
		buf_printf(buf, "nft flush chain inet " KTABLE_NAME " %s", chain->name);
		break;
	case STEP_CHAIN_DELETE:
		buf_printf(buf, "nft delete chain inet " KTABLE_NAME " %s", chain->name);
		break;
	default:
		for (unsigned i = 0; i < chain->count; i++) {
			buf_printf(buf, "%snft add rule inet " KTABLE_NAME " %s ", i ? "; " : "",
				   chain->name);
			krule_print(&chain->rules[i], buf);
		}
	}
}

static void print_route_step(const struct step *step, const char *verb, struct buf *buf)
{
	buf_printf(buf, "ip%s route %s ", step->route->family == AF_INET6 ? " -6" : "", verb);
	kroute_print(step->route, buf);
}

static void print_rule_step(const struct step *step, const char *verb, struct buf *buf)
{
	buf_printf(buf, "ip%s rule %s ", step->rule->family == AF_INET6 ? " -6" : "", verb);
	kiprule_print(step->rule, buf);
}

void step_print(const struct step *step, unsigned elems_max, struct buf *buf)
{
	const char *kind = step->set && step->set->data_size ? "map" : "set";

	switch (step->type) {
	case STEP_SYSCTL:
		buf_printf(buf, "sysctl -w %s=%d", step->sysctl->path, step->sysctl->value);
		break;
	case STEP_ROUTE_SET:
		print_route_step(step, "replace", buf);
		break;
	case STEP_ROUTE_DELETE:
		print_route_step(step, "delete", buf);
		break;
	case STEP_IPRULE_ADD:
		print_rule_step(step, "add", buf);
		break;
	case STEP_IPRULE_DELETE:
		print_rule_step(step, "delete", buf);
		break;
	case STEP_TABLE_ADD:
		buf_puts(buf, "nft add table inet " KTABLE_NAME);
		break;
	case STEP_TABLE_DELETE:
		buf_puts(buf, "nft delete table inet " KTABLE_NAME);
		break;
	case STEP_SET_ADD:
		buf_printf(buf, "nft add %s inet " KTABLE_NAME " %s { ", kind, step->set->name);
		kset_print_declaration(step->set, "; ", buf);
		buf_puts(buf, "; }");
		break;
	case STEP_SET_DELETE:
		buf_printf(buf, "nft delete %s inet " KTABLE_NAME " %s", kind, step->set->name);
		break;
	case STEP_ELEMS_ADD:
		print_elems(step, "add", elems_max, buf);
		break;
	case STEP_ELEMS_DELETE:
		print_elems(step, "delete", elems_max, buf);
		break;
	case STEP_CHAIN_ADD:
	case STEP_CHAIN_FLUSH:
	case STEP_CHAIN_DELETE:
	case STEP_RULES_ADD:
		print_chain_step(step, buf);
		break;
	}
}

json_t *plan_to_json(const struct plan *plan)
{
	enum { ELEMS_SHOWN = 100, STEP_TEXT_MAX = 64 * 1024 };
	json_t *list = json_array();

	for (unsigned i = 0; list && i < plan->count; i++) {
		struct buf text;

		buf_init(&text, STEP_TEXT_MAX);
		step_print(&plan->steps[i], ELEMS_SHOWN, &text);
		if (json_array_append_new(list, json_string(buf_text(&text))) < 0) {
			json_decref(list);
			list = NULL;
		}
		buf_done(&text);
	}
	return list;
}
