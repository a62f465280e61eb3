/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

#define EDGE_USER "portico-edge"
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

static const struct passwd *find_user(void)
{
	const struct passwd *user = getpwnam(EDGE_USER);

	if (user)
		return user;
	log_warning("there is no user %s: running as %s", EDGE_USER, FALLBACK_USER);
	return getpwnam(FALLBACK_USER);
}

static int change_user(void)
{
	const struct passwd *user = find_user();
	uid_t uid;
	gid_t gid;

	if (!user || !user->pw_uid)
		return -ENOENT;
	uid = user->pw_uid;
	gid = user->pw_gid;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

/* While still root: later there is no right to. EINVAL is the end of the list, whatever the kernel's version. */
static int empty_bounding_set(void)
{
	for (unsigned long capability = 0; capability < 64; capability++)
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return errno == EINVAL ? 0 : -errno;
	return 0;
}

static int empty_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall(SYS_capset, &header, none) < 0)
		return -errno;
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
	int r = limit(RLIMIT_NOFILE, FILES_MAX);

	if (!r)
		r = limit(RLIMIT_CORE, 0);
	if (!r && geteuid() == 0) {
		r = empty_bounding_set();
		if (!r)
			r = change_user();
	} else if (!r) {
		log_info("not started as root: running as the same user");
	}
	if (!r)
		r = empty_capabilities();
	if (!r && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0) < 0))
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
