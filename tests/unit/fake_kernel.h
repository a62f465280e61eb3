/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_TESTS_FAKE_KERNEL_H
#define PORTICO_TESTS_FAKE_KERNEL_H

#include "kernel/kernel.h"

struct fake_kernel;

struct fake_prober {
	struct fake_kernel *kernel;
	struct probe_path path;
	probe_answer_fn *answered;
	void *arg;
};

/*
 * What a kernel has that remembers. Plain data without a pointer, so that it may be in memory that outlives a process;
 * and there are two of them, so that it is whole whenever the process dies: the table changes at once, routes, rules and
 * sysctls one by one.
 */
struct fake_state {
	unsigned current; /* index of what is valid */
	struct fake_content {
		bool table;
		unsigned line_count, route_count, rule_count, sysctl_count;
		struct fake_line {
			uint64_t owner, text; /* hashes: of the set or chain; of all of it */
		} lines[1024];
		struct kroute routes[32];
		struct kiprule rules[64];
		struct fake_sysctl {
			char path[80];
			int value;
		} sysctls[64];
	} contents[2];
};

/* Whether the kernel has exactly what is desired. */
bool fake_state_is(const struct fake_state *state, const struct kstate *desired);

/* A kernel that believes everything, or refuses what it is told to refuse. */
struct fake_kernel {
	struct kernel kernel;
	struct kernel_events events;
	const char *links; /* JSON of links_from_json() */
	struct fw4 fw4;
	struct listeners listeners;
	void (*touched)(
		void *arg); /* if there is one: called before anything is changed, and with a memory before each step */
	void *touched_arg;
	struct fake_state *state; /* NULL: it forgets everything at once, and is found empty */
	unsigned applies;         /* calls of apply() */
	unsigned steps;           /* steps of the last one */
	unsigned elems;           /* elements in them */
	unsigned sysctls;         /* sysctls set by them */
	bool refuse_nft;          /* the batch as a whole */
	bool refuse_nft_step;     /* the batch, for its first step */
	bool unreadable;          /* devices cannot be read */
	bool unreadable_state;
	bool unreadable_fw4;
	bool refuse_routes; /* every ROUTE_SET */
	unsigned sysctls_watched;
	unsigned sweeps;
	unsigned link_reads;
	unsigned fw4_reads;
	unsigned table_reads;
	unsigned counter_reads, counters_read; /* requests, elements */
	unsigned probers, probes;              /* open ones; sent ones */
	int (*probe)(struct fake_kernel *kernel, struct fake_prober *prober, uint32_t token); /* or NULL */
	uint64_t packets; /* what each element has counted */
};

/* For engine_options.kernel; `arg` is a struct fake_kernel with links set. */
struct kernel *fake_kernel_open(void *arg, const struct kernel_events *events);

#endif
