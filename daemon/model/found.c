/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/found.h"

#include <stdio.h>
#include <string.h>

struct writer {
	const struct plan *plan;
	const struct kstate *observed;
	struct found *found;
	struct buf text;
	bool full;
};

/* The buffer of a new text; one that is too many becomes the last one's "and more". */
static struct buf *begin(struct writer *writer)
{
	writer->full = writer->found->count == FOUND_MAX;
	buf_init(&writer->text, FOUND_TEXT_MAX - 1);
	return &writer->text;
}

static void end(struct writer *writer)
{
	struct found *found = writer->found;

	if (writer->full)
		snprintf(found->texts[FOUND_MAX - 1], FOUND_TEXT_MAX, "and more");
	else
		snprintf(found->texts[found->count++], FOUND_TEXT_MAX, "%s", buf_text(&writer->text));
	buf_done(&writer->text);
}

static bool has_chain_step(const struct plan *plan, enum step_type type, const struct kchain *chain)
{
	for (unsigned i = 0; i < plan->count; i++)
		if (plan->steps[i].type == type && strcmp(plan->steps[i].chain->name, chain->name) == 0)
			return true;
	return false;
}

static bool has_set_step(const struct plan *plan, enum step_type type, const struct kset *set)
{
	for (unsigned i = 0; i < plan->count; i++)
		if (plan->steps[i].type == type && strcmp(plan->steps[i].set->name, set->name) == 0)
			return true;
	return false;
}

static void tell(struct writer *writer, const char *what, const char *name, const char *how)
{
	buf_printf(begin(writer), "%s %s %s", what, name, how);
	end(writer);
}

static void describe_chain(struct writer *writer, const struct step *step)
{
	const struct kchain *chain = step->chain;

	/* A chain of somebody else's is emptied before it goes; one whose rules differ is filled again. */
	if (step->type == STEP_CHAIN_FLUSH && has_chain_step(writer->plan, STEP_CHAIN_DELETE, chain))
		tell(writer, "chain", chain->name, "did not belong there");
	else if (step->type == STEP_CHAIN_FLUSH)
		tell(writer, "the rules of chain", chain->name, "were changed");
	else if (step->type == STEP_CHAIN_DELETE && !has_chain_step(writer->plan, STEP_CHAIN_FLUSH, chain))
		tell(writer, "chain", chain->name, "did not belong there");
	else if (step->type == STEP_CHAIN_ADD)
		tell(writer, "chain", chain->name, "was missing");
	else if (step->type == STEP_RULES_ADD && !has_chain_step(writer->plan, STEP_CHAIN_FLUSH, chain) &&
		 !has_chain_step(writer->plan, STEP_CHAIN_ADD, chain))
		tell(writer, "the rules of chain", chain->name, "were missing");
}

static void describe_set(struct writer *writer, const struct step *step)
{
	const struct kset *set = step->set;
	const char *kind = set->data_size ? "map" : "set";
	bool missing = step->type == STEP_ELEMS_ADD;

	if (step->type == STEP_SET_ADD || step->type == STEP_SET_DELETE) {
		tell(writer, kind, set->name,
		     step->type == STEP_SET_ADD ? "was missing" : "did not belong there");
		return;
	}
	if (has_set_step(writer->plan, missing ? STEP_SET_ADD : STEP_SET_DELETE, set))
		return;
	struct buf *text = begin(writer);

	buf_printf(text, "%s %s %s ", kind, set->name,
		   missing ? "lacked" : "had what does not belong there:");
	kelem_print(set, step->elems[0], text);
	if (step->elem_count > 1)
		buf_printf(text, " and %u more", step->elem_count - 1);
	end(writer);
}

static void describe_route(struct writer *writer, const struct step *step)
{
	struct buf *text = begin(writer);

	buf_puts(text, step->route->family == AF_INET6 ? "IPv6 route " : "route ");
	kroute_print(step->route, text);
	buf_puts(text, step->type == STEP_ROUTE_SET ? " was missing" : " did not belong there");
	end(writer);
}

static void describe_rule(struct writer *writer, const struct step *step)
{
	struct buf *text = begin(writer);

	buf_printf(text, "%s %u %s (", step->rule->family == AF_INET6 ? "IPv6 rule" : "rule",
		   step->rule->preference,
		   step->type == STEP_IPRULE_ADD ? "was missing" : "did not belong there");
	kiprule_print(step->rule, text);
	buf_puts(text, ")");
	end(writer);
}

/* As sysctl(8) writes it: a dot in a device's name is a slash there. */
static void put_sysctl_name(struct buf *text, const char *path)
{
	for (; *path; path++) {
		char c = *path == '/' ? '.' : *path == '.' ? '/' : *path;

		buf_add(text, &c, 1);
	}
}

static void describe_sysctl(struct writer *writer, const struct step *step)
{
	const struct kstate *observed = writer->observed;

	for (unsigned i = 0; i < observed->sysctl_count; i++) {
		if (strcmp(observed->sysctls[i].path, step->sysctl->path) != 0)
			continue;
		put_sysctl_name(begin(writer), step->sysctl->path);
		buf_printf(&writer->text, " was %d", observed->sysctls[i].value);
		end(writer);
		return;
	}
}

static void describe_table(struct writer *writer)
{
	tell(writer, "table inet", KTABLE_NAME,
	     writer->observed->table ? "had something foreign in it, or was declared otherwise" :
				       "was missing");
}

static bool in_scope(enum found_scope scope, const struct step *step)
{
	switch (scope) {
	case FOUND_TABLE:
		return step_is_nft(step);
	case FOUND_NOT_OF_DEVICES:
		return step->type != STEP_ROUTE_SET && step->type != STEP_ROUTE_DELETE &&
		       (step->type != STEP_SYSCTL || !strstr(step->sysctl->path, "/conf/"));
	case FOUND_ALL:
		break;
	}
	return true;
}

static void describe(struct writer *writer, const struct step *step)
{
	switch (step->type) {
	case STEP_SYSCTL:
		describe_sysctl(writer, step);
		break;
	case STEP_ROUTE_SET:
	case STEP_ROUTE_DELETE:
		describe_route(writer, step);
		break;
	case STEP_IPRULE_ADD:
	case STEP_IPRULE_DELETE:
		describe_rule(writer, step);
		break;
	case STEP_TABLE_ADD:
	case STEP_TABLE_DELETE:
		break;
	case STEP_SET_ADD:
	case STEP_SET_DELETE:
	case STEP_ELEMS_ADD:
	case STEP_ELEMS_DELETE:
		describe_set(writer, step);
		break;
	case STEP_CHAIN_FLUSH:
	case STEP_CHAIN_ADD:
	case STEP_CHAIN_DELETE:
	case STEP_RULES_ADD:
		describe_chain(writer, step);
		break;
	}
}

static bool is_table_step(const struct step *step)
{
	return step->type == STEP_TABLE_ADD || step->type == STEP_TABLE_DELETE;
}

void found_describe(const struct plan *plan, const struct kstate *observed, enum found_scope scope,
		    struct found *ret_found)
{
	struct writer writer = { .plan = plan, .observed = observed, .found = ret_found };
	bool table = false; /* said first, and once; what stands in it need not be */

	ret_found->count = 0;
	for (unsigned i = 0; i < plan->count && !table; i++) {
		table = is_table_step(&plan->steps[i]);
		if (table)
			describe_table(&writer);
	}
	for (unsigned i = 0; i < plan->count && !writer.full; i++) {
		const struct step *step = &plan->steps[i];

		if (in_scope(scope, step) && !(table && step_is_nft(step)))
			describe(&writer, step);
	}
}
