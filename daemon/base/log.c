/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* With its zero. Longer lines are cut: journald and syslog readers have limits of the same order. */
enum { LINE_MAX_BYTES = 2048 };

static enum log_level threshold = LOG_LEVEL_INFO;
static const char *name = "portico";

static const struct {
	const char *name;
	int priority; /* of syslog(3) */
	const char *prefix;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3, "error: " },
	[LOG_LEVEL_WARNING] = { "warning", 4, "warning: " },
	[LOG_LEVEL_INFO] = { "info", 6, "" },
	[LOG_LEVEL_DEBUG] = { "debug", 7, "debug: " },
};

int log_set_level(const char *level)
{
	for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(levels[i].name, level) == 0) {
			threshold = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_set_name(const char *new_name)
{
	name = new_name;
}

/* Copies `text`, control characters as \xNN, and ends the line. Returns the bytes written. */
static size_t escape_line(char *line, size_t size, const char *text)
{
	size_t used = 0;

	/* Room for one escape and the newline. */
	for (; *text && used + 5 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f || c == '\\')
			used += (size_t)snprintf(line + used, size - used, "\\x%02x", c);
		else
			line[used++] = *text;
	}
	line[used++] = '\n';
	return used;
}

/*
 * Whether it is the journal that reads our stderr: it may have been led elsewhere since systemd set JOURNAL_STREAM, to
 * "device:inode" (systemd.exec(5)).
 */
static bool journal_reads(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[48]; /* two numbers of 64 bits */
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(ours, sizeof(ours), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	return strcmp(stream, ours) == 0;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	/* Callers report errno after logging as well as before. */
	int saved = errno;
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	size_t used = 0;
	va_list args;

	if (level > threshold)
		return;

	va_start(args, fmt);
	if (vsnprintf(text, sizeof(text), fmt, args) < 0)
		snprintf(text, sizeof(text), "(a log line could not be formatted)");
	va_end(args);

	if (journal_reads())
		used = (size_t)snprintf(line, sizeof(line), "<%d>", levels[level].priority);
	else
		used = (size_t)snprintf(line, sizeof(line), "%s: %s", name, levels[level].prefix);
	used += escape_line(line + used, sizeof(line) - used, text);

	/* One write, so that the lines of the two processes do not mix. Nothing can be done if it fails. */
	ssize_t written = write(STDERR_FILENO, line, used);

	(void)written;
	errno = saved;
}
