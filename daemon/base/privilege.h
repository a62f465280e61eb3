/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_PRIVILEGE_H
#define PORTICO_BASE_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Becomes the user and group for good, without supplementary groups, and keeps of all capabilities only those for
 * the network, CAP_NET_ADMIN and CAP_NET_RAW, or none; the bounding set is emptied likewise, and no_new_privs set.
 * For the whole process: before any thread is made. Does nothing to the ids when not root. Returns 0 or a negative
 * errno (-EPERM: what is to be kept is not there); after a failure the process must end.
 */
int privilege_drop(uid_t uid, gid_t gid, bool keep_network);

#endif
