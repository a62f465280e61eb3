/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* As after somebody's `nft flush ruleset` and `sysctl -w ...=0`: nothing is there, all that is asked for is 0. */
static int read_state(struct kernel *kernel, const struct kstate *desired, bool with_table,
		      struct kstate *ret_state)
{
	fake(kernel)->table_reads += with_table;
	if (fake(kernel)->unreadable_state)
		return -EAGAIN;
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
