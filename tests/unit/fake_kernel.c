/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_kernel.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_TEXT_MAX = 64 * 1024 };

static struct fake_kernel *fake(struct kernel *kernel)
{
	return (struct fake_kernel *)kernel;
}

static int read_links(struct kernel *kernel, struct links *ret_links)
{
	fake(kernel)->link_reads++;
	if (fake(kernel)->unreadable)
		return -ENOBUFS;
	json_t *json = json_loads(fake(kernel)->links, 0, NULL);
	int r = links_from_json(json, ret_links);

	json_decref(json);
	return r;
}

/* --- a memory --- */

static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3;
	return h;
}

static void add_line(struct fake_content *content, const char *owner, const char *text)
{
	if (content->line_count == sizeof(content->lines) / sizeof(*content->lines))
		abort();
	content->lines[content->line_count++] = (struct fake_line){ hash(owner), hash(text) };
}

/* One line, or with `text` NULL all of the owner. */
static void delete_lines(struct fake_content *content, const char *owner, const char *text)
{
	uint64_t owner_hash = hash(owner), text_hash = text ? hash(text) : 0;
	unsigned kept = 0;

	for (unsigned i = 0; i < content->line_count; i++) {
		const struct fake_line *line = &content->lines[i];

		if (line->owner != owner_hash || (text && line->text != text_hash))
			content->lines[kept++] = *line;
	}
	content->line_count = kept;
}

static void change_elems(struct fake_content *content, const struct step *step)
{
	for (unsigned i = 0; i < step->elem_count; i++) {
		struct buf text;

		buf_init(&text, STEP_TEXT_MAX);
		kelem_print(step->set, step->elems[i], &text);
		if (step->type == STEP_ELEMS_ADD)
			add_line(content, step->set->name, buf_text(&text));
		else
			delete_lines(content, step->set->name, buf_text(&text));
		buf_done(&text);
	}
}

/* A chain's rules go without its declaration. */
static void rules_of(const struct kchain *chain, char owner[KNAME_MAX + 8])
{
	snprintf(owner, KNAME_MAX + 8, "%s: rules", chain->name);
}

static void change_chain(struct fake_content *content, const struct step *step, const char *text)
{
	char owner[KNAME_MAX + 8], digest[32];

	rules_of(step->chain, owner);
	if (step->type != STEP_CHAIN_ADD)
		delete_lines(content, owner, NULL);
	if (step->type == STEP_CHAIN_ADD)
		add_line(content, step->chain->name, text);
	if (step->type == STEP_CHAIN_DELETE)
		delete_lines(content, step->chain->name, NULL);
	for (unsigned i = 0; step->type == STEP_RULES_ADD && i < step->chain->count; i++) {
		snprintf(digest, sizeof(digest), "%u %016llx", i,
			 (unsigned long long)step->chain->rules[i].digest);
		add_line(content, owner, digest);
	}
}

static void change_sysctl(struct fake_content *content, const char *path, int value)
{
	unsigned i = 0;

	while (i < content->sysctl_count && strcmp(content->sysctls[i].path, path) != 0)
		i++;
	if (i == sizeof(content->sysctls) / sizeof(*content->sysctls))
		abort();
	content->sysctl_count += i == content->sysctl_count;
	snprintf(content->sysctls[i].path, sizeof(content->sysctls[i].path), "%s", path);
	content->sysctls[i].value = value;
}

static void change_route(struct fake_content *content, const struct kroute *route, bool set)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < content->route_count; i++)
		if (kroute_compare(&content->routes[i], route) != 0)
			content->routes[kept++] = content->routes[i];
	content->route_count = kept;
	if (!set)
		return;
	if (kept == sizeof(content->routes) / sizeof(*content->routes))
		abort();
	content->routes[content->route_count++] = *route;
}

static void change_rule(struct fake_content *content, const struct kiprule *rule, bool add)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < content->rule_count; i++)
		if (kiprule_compare(&content->rules[i], rule) != 0)
			content->rules[kept++] = content->rules[i];
	content->rule_count = kept;
	if (!add)
		return;
	if (kept == sizeof(content->rules) / sizeof(*content->rules))
		abort();
	content->rules[content->rule_count++] = *rule;
}

static void change(struct fake_content *content, const struct step *step)
{
	struct buf text;

	buf_init(&text, STEP_TEXT_MAX);
	step_print(step, 0, &text);
	switch (step->type) {
	case STEP_SYSCTL:
		change_sysctl(content, step->sysctl->path, step->sysctl->value);
		break;
	case STEP_ROUTE_SET:
	case STEP_ROUTE_DELETE:
		change_route(content, step->route, step->type == STEP_ROUTE_SET);
		break;
	case STEP_IPRULE_ADD:
	case STEP_IPRULE_DELETE:
		change_rule(content, step->rule, step->type == STEP_IPRULE_ADD);
		break;
	case STEP_TABLE_ADD:
	case STEP_TABLE_DELETE:
		content->table = step->type == STEP_TABLE_ADD;
		content->line_count = 0;
		break;
	case STEP_SET_ADD:
		add_line(content, step->set->name, buf_text(&text));
		break;
	case STEP_SET_DELETE:
		delete_lines(content, step->set->name, NULL);
		break;
	case STEP_ELEMS_ADD:
	case STEP_ELEMS_DELETE:
		change_elems(content, step);
		break;
	case STEP_CHAIN_ADD:
	case STEP_CHAIN_FLUSH:
	case STEP_CHAIN_DELETE:
	case STEP_RULES_ADD:
		change_chain(content, step, buf_text(&text));
		break;
	}
	buf_done(&text);
}

/* What a batch does happens at its end, and everything else at once. */
static void remember(struct fake_state *state, const struct plan *plan, const struct fake_kernel *kernel)
{
	for (unsigned i = 0; i < plan->count; i++) {
		struct fake_content *next = &state->contents[!state->current];

		if (kernel && kernel->touched)
			kernel->touched(kernel->touched_arg);
		*next = state->contents[state->current];
		change(next, &plan->steps[i]);
		while (step_is_nft(&plan->steps[i]) && i + 1 < plan->count &&
		       step_is_nft(&plan->steps[i + 1]))
			change(next, &plan->steps[++i]);
		atomic_signal_fence(memory_order_seq_cst);
		state->current = !state->current;
	}
}

/* The table is there and must be made anew: hashes cannot tell what it is made of. */
static int recall(const struct fake_content *content, const struct kstate *desired, struct kstate *ret_state)
{
	kstate_init(ret_state);
	ret_state->table = ret_state->alien = content->table;
	for (unsigned i = 0; i < content->route_count; i++)
		kstate_add_route(ret_state, &content->routes[i]);
	for (unsigned i = 0; i < content->rule_count; i++)
		kstate_add_rule(ret_state, &content->rules[i]);
	for (unsigned i = 0; i < desired->sysctl_count; i++) {
		int value = 0;

		for (unsigned j = 0; j < content->sysctl_count; j++)
			if (strcmp(content->sysctls[j].path, desired->sysctls[i].path) == 0)
				value = content->sysctls[j].value;
		kstate_add_sysctl(ret_state, desired->sysctls[i].path, value);
	}
	return kstate_finish(ret_state);
}

static int compare_lines(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct fake_line));
}

static bool same_lines(const struct fake_content *a, const struct fake_content *b)
{
	static struct fake_line lines[2][sizeof(a->lines) / sizeof(*a->lines)];

	if (a->table != b->table || a->line_count != b->line_count)
		return false;
	memcpy(lines[0], a->lines, sizeof(lines[0]));
	memcpy(lines[1], b->lines, sizeof(lines[1]));
	for (unsigned i = 0; i < 2; i++)
		qsort(lines[i], a->line_count, sizeof(*lines[i]), compare_lines);
	return memcmp(lines[0], lines[1], a->line_count * sizeof(*lines[0])) == 0;
}

bool fake_state_is(const struct fake_state *state, const struct kstate *desired)
{
	const struct fake_content *content = &state->contents[state->current];
	static struct fake_state wanted;
	struct kstate nothing, rest;
	struct plan plan;
	bool same;

	memset(&wanted, 0, sizeof(wanted));
	kstate_init(&nothing);
	if (plan_make(desired, &nothing, &plan) < 0 || recall(content, desired, &rest) < 0)
		abort();
	remember(&wanted, &plan, NULL);
	plan_done(&plan);
	same = same_lines(content, &wanted.contents[wanted.current]);
	/* Of everything but the table, whether nothing is left to be done. */
	kstate_borrow_table(&rest, desired);
	if (plan_make(desired, &rest, &plan) < 0)
		abort();
	same = same && plan.count == 0;
	plan_done(&plan);
	kstate_done(&rest);
	kstate_done(&nothing);
	return same;
}

/* --- the kernel --- */

/*
 * Without a memory, as after somebody's `nft flush ruleset` and `sysctl -w ...=0`: nothing is there, all that is asked
 * for is 0.
 */
static int read_state(struct kernel *kernel, const struct kstate *desired, bool with_table,
		      struct kstate *ret_state)
{
	fake(kernel)->table_reads += with_table;
	if (fake(kernel)->unreadable_state)
		return -EAGAIN;
	if (fake(kernel)->state)
		return recall(&fake(kernel)->state->contents[fake(kernel)->state->current], desired,
			      ret_state);
	kstate_init(ret_state);
	for (unsigned i = 0; i < desired->sysctl_count; i++)
		kstate_add_sysctl(ret_state, desired->sysctls[i].path, 0);
	return kstate_finish(ret_state);
}

static int watch_sysctls(struct kernel *kernel, const struct kstate *state)
{
	fake(kernel)->sysctls_watched = state->sysctl_count;
	return 0;
}

static int read_fw4(struct kernel *kernel, struct fw4 *ret_fw4)
{
	fake(kernel)->fw4_reads++;
	if (fake(kernel)->unreadable_fw4)
		return -EIO;
	*ret_fw4 = fake(kernel)->fw4;
	return 0;
}

static int read_listeners(struct kernel *kernel, struct listeners *ret_listeners)
{
	const struct listeners *listeners = &fake(kernel)->listeners;
	struct listener *copy = calloc(listeners->count + 1, sizeof(*copy));

	if (listeners->count)
		memcpy(copy, listeners->items, listeners->count * sizeof(*copy));
	*ret_listeners = (struct listeners){ .count = listeners->count, .items = copy };
	return 0;
}

static void refuse(struct apply_result *result, const struct step *step, const char *text)
{
	struct step_failure *failure = &result->failures[result->count++];

	failure->step = step;
	failure->error = -EINVAL;
	snprintf(failure->text, sizeof(failure->text), "%s", text);
}

static int apply(struct kernel *kernel, const struct plan *plan, struct apply_result *ret_result)
{
	struct fake_kernel *this = fake(kernel);
	const struct step *first_nft = NULL;

	*ret_result = (struct apply_result){ 0 };
	if (this->touched)
		this->touched(this->touched_arg);
	this->applies++;
	this->steps = plan->count;
	this->elems = 0;
	this->sysctls = 0;
	for (unsigned i = 0; i < plan->count; i++) {
		this->sysctls += plan->steps[i].type == STEP_SYSCTL;
		if (!first_nft && step_is_nft(&plan->steps[i]))
			first_nft = &plan->steps[i];
		this->elems += plan->steps[i].elem_count;
		if (this->refuse_routes && plan->steps[i].type == STEP_ROUTE_SET)
			refuse(ret_result, &plan->steps[i], "Nexthop has invalid gateway");
	}
	if (first_nft && this->refuse_nft)
		refuse(ret_result, NULL, "no such thing");
	if (first_nft && this->refuse_nft_step)
		refuse(ret_result, first_nft, "no such thing");
	if (this->state && !ret_result->count)
		remember(this->state, plan, this);
	return ret_result->count ? -EINVAL : 0;
}

static int read_counters(struct kernel *kernel, const struct kset *set, const struct kelem *const *elems,
			 unsigned count, counter_fn *fn, void *arg)
{
	struct fake_kernel *this = fake(kernel);

	this->counter_reads++;
	for (unsigned i = 0; i < (elems ? count : set->count); i++) {
		this->counters_read++;
		fn(arg, elems ? elems[i]->bytes : set->elems[i].bytes, this->packets);
	}
	return 0;
}

static int sweep_flows(struct kernel *kernel, enum flow_fate (*judge)(void *arg, const struct flow *flow),
		       void *arg)
{
	(void)judge;
	(void)arg;
	fake(kernel)->sweeps++;
	return 0;
}

/* Nobody answers, unless the test does. */
static int open_prober(struct kernel *kernel, const struct probe_path *path, probe_answer_fn *answered,
		       void *arg, struct prober **ret_prober)
{
	struct fake_prober *prober = calloc(1, sizeof(*prober));

	*prober = (struct fake_prober){
		.kernel = fake(kernel), .path = *path, .answered = answered, .arg = arg
	};
	fake(kernel)->probers++;
	*ret_prober = (struct prober *)prober;
	return 0;
}

static int send_probe(struct prober *prober, const struct probe_target *target, uint32_t token)
{
	struct fake_prober *this = (struct fake_prober *)prober;
	struct fake_kernel *kernel = this->kernel;

	(void)target;
	kernel->probes++;
	if (kernel->probe)
		return kernel->probe(kernel, this, token);
	return 0;
}

static void close_prober(struct prober *prober)
{
	struct fake_prober *this = (struct fake_prober *)prober;

	if (this)
		this->kernel->probers--;
	free(this);
}

static void free_nothing(struct kernel *kernel)
{
	(void)kernel;
}

struct kernel *fake_kernel_open(void *arg, const struct kernel_events *events)
{
	static const struct kernel_ops ops = {
		.read_links = read_links,
		.read_state = read_state,
		.watch_sysctls = watch_sysctls,
		.read_fw4 = read_fw4,
		.read_listeners = read_listeners,
		.apply = apply,
		.read_counters = read_counters,
		.sweep_flows = sweep_flows,
		.prober_new = open_prober,
		.prober_send = send_probe,
		.prober_free = close_prober,
		.free = free_nothing,
	};
	struct fake_kernel *this = arg;

	this->kernel.ops = &ops;
	this->events = *events;
	return &this->kernel;
}
