/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sysctls were before we changed them: noted in the database before the change, in the commit that wants it if there is
 * one. --flush gives it back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/private.h"
#include "kernel/sysctl.h"

struct sysctls_before {
	char place[SYSCTL_PLACE_MAX];
	unsigned count, kept; /* the first so many are in the database */
	struct store_sysctl items[STORE_SYSCTLS_MAX];
};

static bool is_known(const struct sysctls_before *before, const char *path)
{
	for (unsigned i = 0; i < before->count; i++)
		if (strcmp(before->items[i].path, path) == 0)
			return true;
	return false;
}

static void add(void *arg, const char *path, int value)
{
	struct sysctls_before *before = arg;
	char *copy = before->count < STORE_SYSCTLS_MAX && !is_known(before, path) ? strdup(path) : NULL;

	if (copy)
		before->items[before->count++] = (struct store_sysctl){ .path = copy, .value = value };
}

static const struct ksysctl *observed_sysctl(const struct engine *engine, const char *path)
{
	for (unsigned i = 0; i < engine->observed->sysctl_count; i++)
		if (strcmp(engine->observed->sysctls[i].path, path) == 0)
			return &engine->observed->sysctls[i];
	return NULL;
}

void sysctls_remember(struct engine *engine, const struct plan *plan)
{
	struct sysctls_before *before = engine->before;

	for (unsigned i = 0; i < plan->count; i++) {
		const struct ksysctl *sysctl = plan->steps[i].type == STEP_SYSCTL ?
						       observed_sysctl(engine, plan->steps[i].sysctl->path) :
						       NULL;

		if (sysctl)
			add(before, sysctl->path, sysctl->value);
	}
	if (before->kept == before->count)
		return;
	if (store_keep_sysctls(engine->store, before->place, &before->items[before->kept],
			       before->count - before->kept) < 0)
		log_warning(
			"what sysctls were before cannot be written down: --flush will not give them back");
	else if (!store_in_commit(engine->store)) {
		before->kept = before->count;
		settle_later(engine);
	}
}

void sysctls_committed(struct engine *engine, bool durable)
{
	if (durable)
		engine->before->kept = engine->before->count;
}

int sysctls_start(struct engine *engine)
{
	struct sysctls_before *before = calloc(1, sizeof(*before));

	if (!before)
		return -ENOMEM;
	engine->before = before;
	sysctl_place(before->place);
	if (store_load_sysctls(engine->store, before->place, add, before) < 0)
		log_warning("what sysctls were before cannot be read: --flush may not give them back");
	before->kept = before->count;
	return 0;
}

void sysctls_stop(struct engine *engine)
{
	if (!engine->before)
		return;
	for (unsigned i = 0; i < engine->before->count; i++)
		free((char *)engine->before->items[i].path);
	free(engine->before);
	engine->before = NULL;
}
