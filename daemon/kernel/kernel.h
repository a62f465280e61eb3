/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_KERNEL_H
#define PORTICO_KERNEL_KERNEL_H

/*
 * The one seam to the kernel. kernel_open() gives the real one; tests of the
 * engine give a fake. Everything is done over netlink and /proc/sys, in the
 * network namespace that the calling thread is in.
 */

#include "base/err.h"
#include "base/loop.h"
#include "kernel/listeners.h"
#include "kernel/probe.h"
#include "model/flow.h"
#include "model/kstate.h"
#include "model/links.h"
#include "model/plan.h"

struct kernel;

/* What somebody else changed; bits for kernel_events.changed(). */
enum {
	KERNEL_LINKS = 1 << 0,  /* devices, addresses, main default routes */
	KERNEL_TABLE = 1 << 1,  /* our nf_tables table, or tables came or went (fw4) */
	KERNEL_ROUTES = 1 << 2, /* our routes or rules */
	KERNEL_SYSCTL = 1 << 3, /* a sysctl that is watched, forwarding or rp_filter of some device */
	KERNEL_FW4 = 1 << 4,    /* the rules of OpenWrt's firewall */
};

/* OpenWrt's firewall: whether its table is there, and lets in what a forward let in (init/portico.nft). */
struct fw4 {
	bool there;
	bool input, forward; /* its chains of these names do */
};

struct kernel_events {
	/*
	 * Called from the loop, never from inside observe() or apply(). Our own
	 * changes are not reported. Events that were lost (ENOBUFS) are
	 * reported as everything changed.
	 */
	void (*changed)(void *arg, unsigned what);
	void *arg;
};

/* One failed step of a plan. */
struct step_failure {
	const struct step *step; /* NULL: the whole nf_tables batch */
	int error;               /* negative errno */
	char text[256];          /* the kernel's extended-ack text, or what the errno means here */
};

enum { STEP_FAILURES_MAX = 16 };

struct apply_result {
	unsigned count; /* failures; 0: the kernel has all of it */
	struct step_failure failures[STEP_FAILURES_MAX];
};

typedef void counter_fn(void *arg, const void *key, uint64_t packets);

struct kernel_ops {
	/* Reads devices, addresses and default routes. */
	int (*read_links)(struct kernel *kernel, struct links *ret_links);
	/*
	 * Reads what is there of ours: table, routes and rules by protocol
	 * number, and those sysctls that `desired` names. Finished. Without the table it costs the same
	 * however many forwards there are.
	 */
	int (*read_state)(struct kernel *kernel, const struct kstate *desired, bool with_table,
			  struct kstate *ret_state);
	/* From now on, another value of a sysctl of `state`, which is what is there, is told as KERNEL_SYSCTL. */
	int (*watch_sysctls)(struct kernel *kernel, const struct kstate *state);
	int (*read_fw4)(struct kernel *kernel, struct fw4 *ret_fw4);
	/* What the router itself listens on; listeners_done() it. */
	int (*read_listeners)(struct kernel *kernel, struct listeners *ret_listeners);
	/*
	 * Carries out the steps in order. The nf_tables steps are one
	 * transaction: all or nothing. Where it is refused, nothing is deleted that the former table may use, and
	 * forwarding is not switched on. A failed rtnetlink or sysctl step does not keep the others from being
	 * tried. Returns 0 if `ret_result->count` is 0, else the first failure's errno.
	 */
	int (*apply)(struct kernel *kernel, const struct plan *plan, struct apply_result *ret_result);
	/*
	 * Calls `fn` with the packet count of each of these elements; `elems` NULL: of all that the set has in the
	 * kernel. -ENOENT if one is not there; those before it were told.
	 */
	int (*read_counters)(struct kernel *kernel, const struct kset *set, const struct kelem *const *elems,
			     unsigned count, counter_fn *fn, void *arg);
	/*
	 * Starts going through the connection-tracking table, a piece per turn
	 * of the loop, and does to each flow what `judge` says. Called again
	 * while it runs: starts over when done. `judge` is called until then, so its
	 * argument must live as long as the kernel.
	 */
	int (*sweep_flows)(struct kernel *kernel, enum flow_fate (*judge)(void *arg, const struct flow *flow),
			   void *arg);
	/* Probes: see kernel/probe.h. A prober is freed before its kernel. */
	int (*prober_new)(struct kernel *kernel, const struct probe_path *path, probe_answer_fn *answered,
			  void *arg, struct prober **ret_prober);
	int (*prober_send)(struct prober *prober, const struct probe_target *target, uint32_t token);
	void (*prober_free)(struct prober *prober); /* takes NULL */
	void (*free)(struct kernel *kernel);
};

/* First member of each implementation. */
struct kernel {
	const struct kernel_ops *ops;
};

/* The real one. Fails with a message in `err` (no CAP_NET_ADMIN, nf_tables missing). */
int kernel_open(struct loop *loop, const struct kernel_events *events, struct kernel **ret_kernel,
		struct err *err);

/* Our number as origin of routes and rules (rtm_protocol, FRA_PROTOCOL): 80, unassigned in iproute2's rt_protos. */
#define KERNEL_PROTOCOL 80

#endif
