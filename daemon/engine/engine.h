/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_ENGINE_ENGINE_H
#define PORTICO_ENGINE_ENGINE_H

/*
 * The only owner of state: the configuration in force, what is desired, what
 * is observed. Every way in (a request, a link event, somebody's flush, a
 * cold start) ends in the same comparison.
 */

#include <jansson.h>

#include "base/loop.h"
#include "kernel/kernel.h"
#include "model/choice.h"
#include "store/store.h"

struct engine;

struct engine_options {
	unsigned admin_port_count;
	uint16_t admin_ports[8];
	/* Tests give a kernel of their own; NULL: kernel_open(). */
	struct kernel *(*kernel)(void *arg, const struct kernel_events *events);
	void *kernel_arg;
};

/*
 * Loads the configuration and makes the kernel match it. Fails only if there
 * is nothing to work with (store, netlink); a refusal by the kernel is status. Borrows loop and store.
 */
int engine_new(struct loop *loop, struct store *store, const struct engine_options *options,
	       struct engine **ret_engine, struct err *err);
void engine_free(struct engine *engine); /* takes NULL; the kernel's state stays */

/* Reads the kernel again, all of it, and compares: for what the kernel does not tell by itself. */
void engine_recheck(struct engine *engine);

/* The configuration in force; valid until the loop turns (config_ref() it to keep it). */
const struct config *engine_config(const struct engine *engine);
uint64_t engine_revision(const struct engine *engine);
const struct links *engine_links(const struct engine *engine);
const struct environment *engine_environment(const struct engine *engine);
/* How the uplinks are, and which of them new connections are given. */
const struct ways *engine_ways(const struct engine *engine);

struct change_request {
	const char *author;
	const char *reason;
	const struct object *focus; /* for error paths; may be NULL */
	/*
	 * On trial: the last confirmed configuration comes back unless engine_confirm() is called within so many seconds.
	 * 0: for good, unless a trial runs, which this then is a part of. Another part with a time sets that anew.
	 */
	unsigned confirm_within_s;
};

enum {
	TRIAL_SECONDS_MAX = 24 * 60 * 60,
	TRIAL_REVISIONS_MAX = 1000, /* of one trial: none of them can be forgotten while it runs */
};

/*
 * Checks `next` as a whole and makes it the configuration in force, in the store and in the kernel, or
 * changes nothing and says why. Equal to the present one: 0, and the revision stays. Takes a
 * reference of its own.
 */
int engine_commit(struct engine *engine, struct config *next, const struct change_request *request,
		  struct err *err);

/* Keeps what is on trial. -EEXIST: nothing is. */
int engine_confirm(struct engine *engine, const char *author, struct err *err);
bool engine_on_trial(const struct engine *engine);
/*
 * Before an orderly end: takes back what is on trial, in the kernel too, as nobody would be there to do it in time. One
 * try; what fails is left to the next start.
 */
void engine_end_trial(struct engine *engine);

/*
 * The configuration of a revision that is kept, or of 0, the empty one, while revision 1 is. To be config_unref()ed.
 * -ENOENT, or -EEXIST: an object of it is not valid any more.
 */
int engine_former(struct engine *engine, uint64_t revision, struct config **ret_config, struct err *err);

/* Checks `next` likewise; {"changes": [...], "kernel": ["nft ...", "ip ..."]}; changes nothing. */
int engine_plan(struct engine *engine, const struct config *next, json_t **ret_json, struct err *err);

/* Parts of GET /status. */
json_t *engine_kernel_status(const struct engine *engine);
json_t *engine_trial_status(const struct engine *engine); /* null: nothing is on trial */
json_t *engine_firewall_status(const struct engine *engine);

/* What the router itself listens on; listeners_done() it. */
int engine_read_listeners(const struct engine *engine, struct listeners *ret_listeners);
/* Appends a warning, {"path", "message"}, for each listener whose place the forward takes, but at most 8. */
void engine_warn_of_listeners(const struct engine *engine, const struct listeners *listeners,
			      const struct forward *forward, json_t *list);

struct forward_counters {
	uint64_t connections;
	int64_t last; /* seconds since the epoch, when growth was last seen; 0: never */
};
/* Asks the kernel for the counters of one forward (0: of all), unless they have been read within the last second. */
void engine_read_counters(struct engine *engine, uint32_t forward_id);
/* What is known. */
void engine_forward_counters(const struct engine *engine, uint32_t forward_id,
			     struct forward_counters *ret_counters);

/* Since when the uplink has been in its present state, up or down; seconds since the epoch. */
int64_t engine_uplink_since(const struct engine *engine, uint32_t uplink_id);

/*
 * Removes everything of ours from the kernel, in the caller's namespace, and gives sysctls back what the database says
 * that they had before: porticod --flush.
 */
int engine_flush(const char *database, struct err *err);

#endif
