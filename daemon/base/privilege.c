/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/privilege.h"

#include <errno.h>
#include <grp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Rules and routes are what CAP_NET_ADMIN is for, probes what CAP_NET_RAW is for. */
static const cap_value_t network[] = { CAP_NET_ADMIN, CAP_NET_RAW };

enum { NETWORK_COUNT = sizeof(network) / sizeof(network[0]) };

static bool is_of_network(cap_value_t cap)
{
	for (unsigned i = 0; i < NETWORK_COUNT; i++)
		if (network[i] == cap)
			return true;
	return false;
}

static int drop_bounding_set(bool keep_network)
{
	for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++)
		if (!(keep_network && is_of_network(cap)) && cap_drop_bound(cap) < 0)
			return -errno;
	return 0;
}

static int set_capabilities(bool keep_network)
{
	cap_t caps = cap_init();
	int r = 0;

	if (!caps)
		return -ENOMEM;
	if (keep_network && (cap_set_flag(caps, CAP_PERMITTED, NETWORK_COUNT, network, CAP_SET) < 0 ||
			     cap_set_flag(caps, CAP_EFFECTIVE, NETWORK_COUNT, network, CAP_SET) < 0))
		r = -errno;
	if (r == 0 && cap_set_proc(caps) < 0)
		r = -errno;
	cap_free(caps);
	return r;
}

int privilege_drop(uid_t uid, gid_t gid, bool keep_network)
{
	bool root = geteuid() == 0;

	if (root) {
		int r = drop_bounding_set(keep_network);

		if (r < 0)
			return r;
		/* Permitted capabilities survive the change of user, to be cut down below. */
		if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			return -errno;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	int r = set_capabilities(keep_network);

	if (r < 0)
		return r;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
