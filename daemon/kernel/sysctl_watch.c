/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel tells over rtnetlink of forwarding and rp_filter, but not of src_valid_mark, accept_ra or
 * net.bridge. Who writes a file of /proc/sys, though, is seen by inotify. Not seen is who has mounted a /proc
 * of their own, as containers do; nor does a file that comes later (with the module br_netfilter) announce
 * itself: so everything is also read now and then, ten sysctls in some 60 us.
 */
#include "kernel/sysctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { LOOK_EVERY_MS = 2000, LOOK_OFTEN_MS = 60 /* without inotify: 0.1 % of a processor */ };

struct item {
	char path[SYSCTL_PATH_MAX];
	int wanted, seen;
	int number; /* of inotify's watch; -1: none */
};

struct sysctl_watch {
	void (*changed)(void *arg);
	void *arg;
	int fd; /* inotify; -1: there is none */
	struct watch *watch;
	struct timer *timer;
	unsigned count;
	struct item *items; /* by path */
};

/* The file may have come, or be another one of the same name: its device went and came back. */
static void refresh(struct sysctl_watch *watch, struct item *item)
{
	char full[SYSCTL_PATH_MAX + 16];

	if (watch->fd < 0)
		return;
	snprintf(full, sizeof(full), "/proc/sys/%s", item->path);
	int number = inotify_add_watch(watch->fd, full, IN_MODIFY);

	if (item->number >= 0 && number != item->number)
		(void)inotify_rm_watch(watch->fd, item->number);
	item->number = number;
}

/* True if it has got another value than it had when last looked at, and not the wanted one. */
static bool has_changed(struct item *item)
{
	int value;

	if (sysctl_read(item->path, &value) < 0 || value == item->seen)
		return false;
	item->seen = value;
	return value != item->wanted;
}

static void look(struct sysctl_watch *watch)
{
	bool changed = false;

	for (unsigned i = 0; i < watch->count; i++)
		changed |= has_changed(&watch->items[i]);
	if (changed)
		watch->changed(watch->arg);
}

static void on_timer(void *arg)
{
	struct sysctl_watch *watch = arg;

	for (unsigned i = 0; i < watch->count; i++)
		refresh(watch, &watch->items[i]);
	look(watch);
	timer_start(watch->timer, watch->fd < 0 ? LOOK_OFTEN_MS : LOOK_EVERY_MS);
}

static void on_event(void *arg, uint32_t events)
{
	struct sysctl_watch *watch = arg;
	char buffer[4096];

	(void)events;
	while (read(watch->fd, buffer, sizeof(buffer)) > 0)
		; /* what they say does not matter: all are read */
	look(watch);
}

static struct item *find(const struct sysctl_watch *watch, const char *path)
{
	for (unsigned i = 0; i < watch->count; i++)
		if (strcmp(watch->items[i].path, path) == 0)
			return &watch->items[i];
	return NULL;
}

static bool watches_already(const struct sysctl_watch *watch, const struct kstate *state)
{
	if (watch->count != state->sysctl_count)
		return false;
	for (unsigned i = 0; i < watch->count; i++)
		if (watch->items[i].wanted != state->sysctls[i].value ||
		    strcmp(watch->items[i].path, state->sysctls[i].path) != 0)
			return false;
	return true;
}

int sysctl_watch_set(struct sysctl_watch *watch, const struct kstate *state)
{
	if (watches_already(watch, state))
		return 0;
	struct item *items = calloc(state->sysctl_count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	for (unsigned i = 0; i < state->sysctl_count; i++) {
		const struct ksysctl *sysctl = &state->sysctls[i];
		struct item *before = find(watch, sysctl->path);

		items[i] = (struct item){ .wanted = sysctl->value, .seen = sysctl->value, .number = -1 };
		snprintf(items[i].path, sizeof(items[i].path), "%s", sysctl->path);
		if (before) {
			items[i].number = before->number;
			before->number = -1;
		}
	}
	for (unsigned i = 0; i < watch->count; i++)
		if (watch->items[i].number >= 0)
			(void)inotify_rm_watch(watch->fd, watch->items[i].number);
	free(watch->items);
	watch->items = items;
	watch->count = state->sysctl_count;
	/* What was written between the last look and now is seen at the end of this turn. */
	timer_start(watch->timer, 0);
	return 0;
}

int sysctl_watch_new(struct loop *loop, void (*changed)(void *arg), void *arg,
		     struct sysctl_watch **ret_watch)
{
	struct sysctl_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->changed = changed;
	watch->arg = arg;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int r = timer_new(loop, on_timer, watch, &watch->timer);

	if (r == 0 && watch->fd >= 0)
		r = watch_new(loop, watch->fd, EPOLLIN, on_event, watch, &watch->watch);
	if (r < 0) {
		sysctl_watch_free(watch);
		return r;
	}
	*ret_watch = watch;
	return 0;
}

void sysctl_watch_free(struct sysctl_watch *watch)
{
	if (!watch)
		return;
	watch_free(watch->watch);
	if (watch->fd >= 0)
		close(watch->fd);
	timer_free(watch->timer);
	free(watch->items);
	free(watch);
}
