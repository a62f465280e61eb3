/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_LOG_H
#define PORTICO_BASE_LOG_H

/*
 * Log lines to stderr, one line each, with the "<N>" prefix of sd-daemon(3)
 * where systemd's journal reads it. Control characters in the
 * text are escaped: nothing that came from the network can forge a line.
 */

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Sets the threshold; "error", "warning", "info" (the default) or "debug". Returns 0 or -EINVAL. */
int log_set_level(const char *name);

/* Prefix of each line, e.g. "porticod" or "portico-edge"; not copied. */
void log_set_name(const char *name);

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
