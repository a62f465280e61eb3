/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/confine.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/privilege.h"

#define EDGE_USER     "portico-edge"
#define FALLBACK_USER "nobody"

enum {
	FILES_MAX = 256, /* two or three per connection, and the listeners */
	NICE = 5,        /* handshakes of strangers come after the router's own work */
};

#ifdef __SANITIZE_ADDRESS__
enum { DUMPABLE = 1 }; /* the leak check traces the process */
#else
enum { DUMPABLE = 0 };
#endif

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* musl has no wrapper. */
static int close_range_(unsigned first, unsigned last)
{
	return first > last || !syscall(SYS_close_range, first, last, 0) ? 0 : -errno;
}

int confine_descriptors(int *keep, unsigned count)
{
	unsigned first = 3;

	qsort(keep, count, sizeof(*keep), compare);
	for (unsigned i = 0; i < count; i++) {
		int r;

		if (keep[i] < (int)first)
			continue;
		r = close_range_(first, (unsigned)keep[i] - 1);
		if (r)
			return r;
		first = (unsigned)keep[i] + 1;
	}
	return close_range_(first, ~0U);
}

static int find_user(uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *user = getpwnam(EDGE_USER);

	if (!user) {
		log_warning("there is no user %s: running as %s", EDGE_USER, FALLBACK_USER);
		user = getpwnam(FALLBACK_USER);
	}
	if (!user || !user->pw_uid)
		return -ENOENT;
	*ret_uid = user->pw_uid;
	*ret_gid = user->pw_gid;
	return 0;
}

static int limit(int resource, rlim_t max)
{
	struct rlimit now, lower;

	if (getrlimit(resource, &now) < 0)
		return -errno;
	lower.rlim_cur = lower.rlim_max = now.rlim_max < max ? now.rlim_max : max;
	return setrlimit(resource, &lower) < 0 ? -errno : 0;
}

int confine_process(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r = limit(RLIMIT_NOFILE, FILES_MAX);

	if (!r)
		r = limit(RLIMIT_CORE, 0);
	if (!r && uid == 0)
		r = find_user(&uid, &gid);
	else if (!r)
		log_info("not started as root: running as the same user");
	if (!r)
		r = privilege_drop(uid, gid, false);
	if (!r && prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0) < 0)
		r = -errno;
	if (!r && setpriority(PRIO_PROCESS, 0, NICE) < 0)
		log_debug("cannot lower the priority: %s", strerror(errno));
	return r;
}

int confine_to_parent(int parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}
