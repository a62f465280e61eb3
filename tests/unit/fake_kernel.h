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

/* A kernel that believes everything, or refuses what it is told to refuse. */
struct fake_kernel {
	struct kernel kernel;
	struct kernel_events events;
	const char *links; /* JSON of links_from_json() */
	struct fw4 fw4;
	struct listeners listeners;
	void (*touched)(void *arg); /* if there is one: called before each apply() */
	void *touched_arg;
	unsigned applies;     /* calls of apply() */
	unsigned steps;       /* steps of the last one */
	unsigned elems;       /* elements in them */
	unsigned sysctls;     /* sysctls set by them */
	bool refuse_nft;      /* the batch as a whole */
	bool refuse_nft_step; /* the batch, for its first step */
	bool unreadable;      /* devices cannot be read */
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
