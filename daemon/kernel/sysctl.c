/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names of devices become part of a path: nothing may lead out of /proc/sys. */
static int open_sysctl(const char *path, int flags)
{
	char full[SYSCTL_PATH_MAX];
	int length = snprintf(full, sizeof(full), "/proc/sys/%s", path);

	if (length < 0 || length >= (int)sizeof(full))
		return -ENAMETOOLONG;
	if (strstr(path, "..") && (strstr(path, "/../") || strncmp(path, "../", 3) == 0))
		return -EINVAL;
	int fd = open(full, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void sysctl_place(char ret_place[SYSCTL_PLACE_MAX])
{
	char boot[40] = "";
	struct stat netns = { 0 };
	int fd = open_sysctl("kernel/random/boot_id", O_RDONLY);

	if (fd >= 0) {
		ssize_t n = read(fd, boot, sizeof(boot) - 1);

		boot[n > 0 ? n : 0] = '\0';
		boot[strcspn(boot, "\n")] = '\0';
		close(fd);
	}
	(void)stat("/proc/thread-self/ns/net", &netns);
	snprintf(ret_place, SYSCTL_PLACE_MAX, "%s %llu", boot, (unsigned long long)netns.st_ino);
}

int sysctl_read(const char *path, int *ret_value)
{
	char text[32], *end;
	int fd = open_sysctl(path, O_RDONLY);

	if (fd < 0)
		return fd;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	int r = n < 0 ? -errno : 0;

	close(fd);
	if (r)
		return r;
	text[n] = '\0';
	errno = 0;
	long value = strtol(text, &end, 10);

	if (end == text || errno || value < INT_MIN || value > INT_MAX)
		return -EPROTO;
	*ret_value = (int)value;
	return 0;
}

int sysctl_write(const char *path, int value)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d\n", value);
	int fd = open_sysctl(path, O_WRONLY);

	if (fd < 0)
		return fd;
	int r = write(fd, text, (size_t)length) < 0 ? -errno : 0;

	if (close(fd) < 0 && !r)
		r = -errno;
	return r;
}
