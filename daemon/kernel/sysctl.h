/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_SYSCTL_H
#define PORTICO_KERNEL_SYSCTL_H

/* Numbers below /proc/sys, of the network namespace of the calling thread. */

/* 0, -ENOENT if there is no such file, or another negative errno. */
int sysctl_read(const char *path, int *ret_value);
int sysctl_write(const char *path, int value);

#endif
