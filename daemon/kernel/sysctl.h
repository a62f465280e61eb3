/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_SYSCTL_H
#define PORTICO_KERNEL_SYSCTL_H

/* Numbers below /proc/sys, of the network namespace of the calling thread. */

#include "base/loop.h"
#include "model/kstate.h"

enum { SYSCTL_PATH_MAX = 256 };

/* 0, -ENOENT if there is no such file, or another negative errno. */
int sysctl_read(const char *path, int *ret_value);
int sysctl_write(const char *path, int value);

/* Names the boot and the network namespace: what was read here means nothing elsewhere. */
enum { SYSCTL_PLACE_MAX = 80 };
void sysctl_place(char ret_place[SYSCTL_PLACE_MAX]);

/* Tells when sysctls get another value. */
struct sysctl_watch;

int sysctl_watch_new(struct loop *loop, void (*changed)(void *arg), void *arg,
		     struct sysctl_watch **ret_watch);
void sysctl_watch_free(struct sysctl_watch *watch); /* takes NULL */

/* From now on the sysctls of `state`, and no others, are watched; they had these values when last looked at. */
int sysctl_watch_set(struct sysctl_watch *watch, const struct kstate *state);

#endif
