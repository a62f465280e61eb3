/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real kernel: command sockets, which answer at once, and event sockets,
 * which only ever say that something changed. What it is now is then read anew.
 */
#include "kernel/kernel.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "kernel/conntrack.h"
#include "kernel/explain.h"
#include "kernel/nft.h"
#include "kernel/nl.h"
#include "kernel/rtnl.h"
#include "kernel/sysctl.h"

enum {
	READ_TRIES = 5,             /* of a state that changes while it is read */
	EVENT_PIECES_PER_TURN = 64, /* messages' buffers read before others get their turn */
	EVENT_PIECES_MAX = 16384,   /* more than the buffer below holds */
	EVENT_BUFFER = 1024 * 1024, /* bytes: `fw4 reload` and a flapping tunnel at the same time */
	ANSWER_BUFFER = 1024 * 1024,
	EVERYTHING = KERNEL_LINKS | KERNEL_TABLE | KERNEL_ROUTES | KERNEL_SYSCTL,
};

static const int netfilter_group = NFNLGRP_NFTABLES;

struct real {
	struct kernel kernel;
	struct loop *loop;
	struct kernel_events events;
	struct netlink route, netfilter; /* commands */
	struct netlink route_events, netfilter_events;
	struct watch *route_watch, *netfilter_watch;
	struct sysctl_watch *sysctls;
	struct timer *report;
	unsigned changed; /* not told yet */
	struct sweep *sweep;
};

static struct real *real_of(struct kernel *kernel)
{
	return (struct real *)kernel;
}

/* --- events --- */

/*
 * Reads what is queued, at most `pieces` buffers, and returns what changed. Of
 * our own doing are those that name our command socket as their cause.
 */
static unsigned read_events(struct netlink *nl, uint32_t ours, unsigned (*meaning)(struct nlmsghdr *hdr),
			    unsigned pieces)
{
	unsigned changed = 0;

	for (unsigned i = 0; i < pieces; i++) {
		unsigned char *data;
		int n = netlink_receive(nl, &data);

		if (n == -EAGAIN)
			break;
		if (n < 0) {
			/* Events were lost. The buffer is read on, so that the next ones find room. */
			changed |= EVERYTHING;
			continue;
		}
		struct nlmsghdr *hdr = (struct nlmsghdr *)data;

		for (int left = n; nlmsg_ok(hdr, left); hdr = nlmsg_next(hdr, &left))
			if (hdr->nlmsg_pid != ours)
				changed |= meaning(hdr);
		free(data);
	}
	return changed;
}

static void report(void *arg)
{
	struct real *real = arg;
	unsigned changed = real->changed;

	real->changed = 0;
	if (changed)
		real->events.changed(real->events.arg, changed);
}

static void on_route_event(void *arg, uint32_t events)
{
	struct real *real = arg;

	(void)events;
	real->changed |= read_events(&real->route_events, real->route.port, rtnl_event,
				     EVENT_PIECES_PER_TURN);
	report(real);
}

static unsigned netfilter_event(struct nlmsghdr *hdr)
{
	return nft_event(hdr) | nft_fw4_event(hdr);
}

static void on_netfilter_event(void *arg, uint32_t events)
{
	struct real *real = arg;

	(void)events;
	real->changed |= read_events(&real->netfilter_events, real->netfilter.port, netfilter_event,
				     EVENT_PIECES_PER_TURN);
	report(real);
}

static void on_sysctl(void *arg)
{
	struct real *real = arg;

	real->changed |= KERNEL_SYSCTL;
	report(real);
}

static unsigned event_but_sysctl(struct nlmsghdr *hdr)
{
	return hdr->nlmsg_type == RTM_NEWNETCONF ? 0 : rtnl_event(hdr);
}

/* --- operations --- */

static int read_links(struct kernel *kernel, struct links *ret_links)
{
	int r = -EAGAIN;

	for (unsigned i = 0; r == -EAGAIN && i < READ_TRIES; i++)
		r = rtnl_read_links(&real_of(kernel)->route, ret_links);
	return r;
}

static int read_sysctls(const struct kstate *desired, struct kstate *state)
{
	for (unsigned i = 0; desired && i < desired->sysctl_count; i++) {
		const char *path = desired->sysctls[i].path;
		int value, r = sysctl_read(path, &value);

		/* What the kernel does not have, or does not let us see, is left out. */
		if (!r)
			r = kstate_add_sysctl(state, path, value);
		if (r == -ENOMEM)
			return r;
	}
	return 0;
}

static int watch_sysctls(struct kernel *kernel, const struct kstate *state)
{
	return sysctl_watch_set(real_of(kernel)->sysctls, state);
}

static int read_state_once(struct real *real, const struct kstate *desired, bool with_table,
			   struct kstate *ret_state)
{
	struct kstate state;

	kstate_init(&state);
	int r = with_table ? nft_read(&real->netfilter, &state) : 0;

	if (!r)
		r = rtnl_read_routes(&real->route, &state);
	if (!r)
		r = rtnl_read_rules(&real->route, &state);
	if (!r)
		r = read_sysctls(desired, &state);
	if (!r)
		r = kstate_finish(&state);
	if (r)
		kstate_done(&state);
	else
		*ret_state = state;
	return r;
}

static int read_state(struct kernel *kernel, const struct kstate *desired, bool with_table,
		      struct kstate *ret_state)
{
	int r = -EAGAIN;

	for (unsigned i = 0; r == -EAGAIN && i < READ_TRIES; i++)
		r = read_state_once(real_of(kernel), desired, with_table, ret_state);
	return r;
}

static int read_fw4(struct kernel *kernel, struct fw4 *ret_fw4)
{
	int r = -EAGAIN;

	for (unsigned i = 0; r == -EAGAIN && i < READ_TRIES; i++)
		r = nft_read_fw4(&real_of(kernel)->netfilter, ret_fw4);
	return r;
}

static int read_listeners(struct kernel *kernel, struct listeners *ret_listeners)
{
	(void)kernel;
	return listeners_read(ret_listeners);
}

static bool is_table_step(const struct step *step)
{
	return step && (step->type == STEP_TABLE_DELETE || step->type == STEP_TABLE_ADD);
}

/* Where the table itself is refused, what belongs into it is refused for that alone. */
static bool goes_without_saying(const struct apply_result *result, const struct step *step)
{
	for (unsigned i = 0; step && step_is_nft(step) && i < result->count; i++)
		if (is_table_step(result->failures[i].step))
			return true;
	return false;
}

void apply_result_add(struct apply_result *result, const struct step *step, int error, const char *text)
{
	if (goes_without_saying(result, step))
		return;
	if (result->count == STEP_FAILURES_MAX) {
		/* That the table is refused must not go unsaid for many bad routes. */
		if (step && !step_is_nft(step))
			return;
		result->count--;
	}
	struct step_failure *failure = &result->failures[result->count++];

	failure->step = step;
	failure->error = error;
	snprintf(failure->text, sizeof(failure->text), "%s", text[0] ? text : strerror(-error));
}

/*
 * Sysctls have no sender, so their events look like anybody's: what is queued
 * before the write is noted, and what the write has queued is not.
 */
static int write_sysctl(struct real *real, const struct ksysctl *sysctl)
{
	real->changed |= read_events(&real->route_events, real->route.port, rtnl_event, EVENT_PIECES_MAX);
	int r = sysctl_write(sysctl->path, sysctl->value);

	real->changed |= read_events(&real->route_events, real->route.port, event_but_sysctl,
				     EVENT_PIECES_MAX);
	if (real->changed)
		timer_start(real->report, 0);
	return r;
}

/*
 * The kernel makes an event of each element, if anybody listens: for a large
 * map that takes longer than the change, and fills our own buffer. So we do not
 * listen meanwhile. Transactions are numbered, so those of others do not escape us.
 */
static int apply_table(struct real *real, const struct step *steps, unsigned count,
		       struct apply_result *result)
{
	uint32_t before = 0, after = 0;
	bool counted = nft_get_generation(&real->netfilter, &before) == 0;

	netlink_leave(&real->netfilter_events, netfilter_group);
	int r = nft_apply(&real->netfilter, steps, count, result);

	if (netlink_join(&real->netfilter_events, &netfilter_group, 1) < 0)
		log_error("nf_tables events can no longer be had");
	counted &= nft_get_generation(&real->netfilter, &after) == 0;
	if (!counted || after != before + (r == 0)) {
		real->changed |= KERNEL_TABLE;
		timer_start(real->report, 0);
	}
	return r;
}

static void apply_step(struct real *real, const struct step *step, struct apply_result *result)
{
	char text[NETLINK_TEXT_MAX] = "";
	int r = step->type == STEP_SYSCTL ? write_sysctl(real, step->sysctl) :
					    rtnl_apply(&real->route, step, text);

	if (!r)
		return;
	struct buf words;

	buf_init(&words, NETLINK_TEXT_MAX - 1);
	buf_puts(&words, text[0] ? text : strerror(-r));
	explain_refusal(step, NULL, r, &words);
	apply_result_add(result, step, r, buf_text(&words));
	buf_done(&words);
}

/* The old table is still in force then, and sends packets to these; or there is none, and nothing filters. */
static bool needs_table(const struct step *step)
{
	return step->type == STEP_IPRULE_DELETE || step->type == STEP_ROUTE_DELETE ||
	       (step->type == STEP_SYSCTL && step->sysctl->value &&
		(strcmp(step->sysctl->path, "net/ipv4/ip_forward") == 0 ||
		 strcmp(step->sysctl->path, "net/ipv6/conf/all/forwarding") == 0));
}

static int apply(struct kernel *kernel, const struct plan *plan, struct apply_result *ret_result)
{
	struct real *real = real_of(kernel);
	bool table_refused = false;
	unsigned i = 0;

	ret_result->count = 0;
	while (i < plan->count) {
		const struct step *step = &plan->steps[i];
		unsigned count = 0;

		while (i + count < plan->count && step_is_nft(&step[count]))
			count++;
		if (count)
			table_refused |= apply_table(real, step, count, ret_result) != 0;
		else if (!table_refused || !needs_table(step))
			apply_step(real, step, ret_result);
		i += count ? count : 1;
	}
	return ret_result->count ? ret_result->failures[0].error : 0;
}

static int read_counters(struct kernel *kernel, const struct kset *set, const struct kelem *const *elems,
			 unsigned count, counter_fn *fn, void *arg)
{
	return nft_read_counters(&real_of(kernel)->netfilter, set, elems, count, fn, arg);
}

static int sweep_flows(struct kernel *kernel, enum flow_fate (*judge)(void *arg, const struct flow *flow),
		       void *arg)
{
	return sweep_start(real_of(kernel)->sweep, judge, arg);
}

static int new_prober(struct kernel *kernel, const struct probe_path *path, probe_answer_fn *answered,
		      void *arg, struct prober **ret_prober)
{
	return prober_new(real_of(kernel)->loop, path, answered, arg, ret_prober);
}

static void free_real(struct kernel *kernel)
{
	struct real *real = real_of(kernel);

	sweep_free(real->sweep);
	timer_free(real->report);
	sysctl_watch_free(real->sysctls);
	watch_free(real->route_watch);
	watch_free(real->netfilter_watch);
	netlink_close(&real->route_events);
	netlink_close(&real->netfilter_events);
	netlink_close(&real->route);
	netlink_close(&real->netfilter);
	free(real);
}

static const struct kernel_ops real_ops = {
	.read_links = read_links,
	.read_state = read_state,
	.watch_sysctls = watch_sysctls,
	.read_fw4 = read_fw4,
	.read_listeners = read_listeners,
	.apply = apply,
	.read_counters = read_counters,
	.sweep_flows = sweep_flows,
	.prober_new = new_prober,
	.prober_send = prober_send,
	.prober_free = prober_free,
	.free = free_real,
};

/* --- opening --- */

static int open_events(struct loop *loop, struct netlink *nl, int protocol, const int *groups, unsigned count,
		       watch_fn *fn, struct real *real, struct watch **ret_watch)
{
	int r = netlink_open(nl, protocol);

	if (r)
		return r;
	netlink_set_receive_buffer(nl, EVENT_BUFFER);
	r = netlink_join(nl, groups, count);
	return r ? r : watch_new(loop, netlink_fd(nl), EPOLLIN, fn, real, ret_watch);
}

static int open_sockets(struct loop *loop, struct real *real)
{
	static const int route_groups[] = {
		RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR,  RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,   RTNLGRP_IPV4_RULE,
		RTNLGRP_IPV6_RULE,  RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF,
	};
	int r = netlink_open(&real->route, NETLINK_ROUTE);

	if (!r)
		r = netlink_open(&real->netfilter, NETLINK_NETFILTER);
	if (!r) {
		/* A batch that is refused in many places has many answers. */
		netlink_set_receive_buffer(&real->netfilter, ANSWER_BUFFER);
		r = timer_new(loop, report, real, &real->report);
	}
	if (!r)
		r = sysctl_watch_new(loop, on_sysctl, real, &real->sysctls);
	if (!r)
		r = sweep_new(loop, &real->sweep);
	if (!r)
		r = open_events(loop, &real->route_events, NETLINK_ROUTE, route_groups,
				sizeof(route_groups) / sizeof(route_groups[0]), on_route_event, real,
				&real->route_watch);
	if (!r)
		r = open_events(loop, &real->netfilter_events, NETLINK_NETFILTER, &netfilter_group, 1,
				on_netfilter_event, real, &real->netfilter_watch);
	return r;
}

/* In words what keeps us from the kernel. */
static int explain(int error, struct err *err)
{
	if (error == -EPERM)
		return err_set(err, ERR_KERNEL,
			       "changing the network needs CAP_NET_ADMIN: start the daemon as root");
	if (error == -EPROTONOSUPPORT)
		return err_set(err, ERR_KERNEL, "the kernel has no nfnetlink (on OpenWrt: kmod-nfnetlink)");
	return err_set(err, ERR_KERNEL, "cannot speak to the kernel over netlink: %s", strerror(-error));
}

int kernel_open(struct loop *loop, const struct kernel_events *events, struct kernel **ret_kernel,
		struct err *err)
{
	struct real *real = calloc(1, sizeof(*real));

	if (!real)
		return err_set(err, ERR_INTERNAL, "out of memory");
	real->kernel.ops = &real_ops;
	real->loop = loop;
	real->events = *events;
	int r = open_sockets(loop, real);

	if (r) {
		r = explain(r, err);
	} else {
		uint32_t generation;

		r = nft_get_generation(&real->netfilter, &generation);
		if (r == -EPERM)
			r = explain(r, err);
		else if (r)
			r = err_set(
				err, ERR_KERNEL,
				"the kernel has no nf_tables (module nf_tables; on OpenWrt: kmod-nft-core): %s",
				strerror(-r));
	}
	if (r) {
		free_real(&real->kernel);
		return r;
	}
	*ret_kernel = &real->kernel;
	return 0;
}
