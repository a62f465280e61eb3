/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Weekly schedules: "mon-fri 08:00-22:00, sat,sun 10:00-24:00". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "model/schema.h"

enum { DAYS = 7, EVERY_DAY = 0x7f, DAY_MINUTES = 24 * 60, WEEK_MINUTES = DAYS * DAY_MINUTES };

static const char day_names[DAYS][4] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

/* --- what it covers --- */

static unsigned window_length(const struct window *window)
{
	return window->to > window->from ? (unsigned)window->to - window->from :
					   (unsigned)window->to + DAY_MINUTES - window->from;
}

unsigned schedule_wait(const struct schedule *schedule, unsigned week_minute)
{
	unsigned least = WEEK_MINUTES;

	if (schedule->count == 0)
		return 0;
	for (unsigned i = 0; i < schedule->count; i++) {
		const struct window *window = &schedule->items[i];

		for (unsigned day = 0; day < DAYS; day++) {
			unsigned begin = day * DAY_MINUTES + window->from;
			unsigned since = (week_minute + WEEK_MINUTES - begin) % WEEK_MINUTES;

			if (!(window->days & 1u << day))
				continue;
			if (since < window_length(window))
				return 0;
			if (WEEK_MINUTES - since < least)
				least = WEEK_MINUTES - since;
		}
	}
	return least;
}

/* --- reading --- */

static const char *skip_spaces(const char *text)
{
	while (*text == ' ')
		text++;
	return text;
}

static bool read_day(const char **text, unsigned *ret_day)
{
	for (unsigned day = 0; day < DAYS; day++)
		if (strncasecmp(*text, day_names[day], 3) == 0) {
			*text += 3;
			*ret_day = day;
			return true;
		}
	return false;
}

/* "mon", "mon-fri", "sat,sun", and "fri-mon" over the end of the week; "daily". */
static bool read_days(const char **text, uint8_t *ret_days)
{
	const char *p = skip_spaces(*text);
	uint8_t days = 0;

	if (strncasecmp(p, "daily", 5) == 0) {
		*text = p + 5;
		*ret_days = EVERY_DAY;
		return true;
	}
	for (;;) {
		unsigned first, last;

		if (!read_day(&p, &first))
			return false;
		last = first;
		if (*p == '-' && (p++, !read_day(&p, &last)))
			return false;
		for (unsigned day = first;; day = (day + 1) % DAYS) {
			days |= (uint8_t)(1u << day);
			if (day == last)
				break;
		}
		if (*p != ',')
			break;
		p = skip_spaces(p + 1);
	}
	*text = p;
	*ret_days = days;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "08:00" or "8:00"; "24:00" too. */
static bool read_minute(const char **text, uint16_t *ret_minute)
{
	const char *p = *text;
	unsigned hour = 0, minute;

	if (!is_digit(*p))
		return false;
	for (unsigned digits = 0; digits < 2 && is_digit(*p); digits++)
		hour = hour * 10 + (unsigned)(*p++ - '0');
	if (p[0] != ':' || !is_digit(p[1]) || !is_digit(p[2]))
		return false;
	minute = (unsigned)(p[1] - '0') * 10 + (unsigned)(p[2] - '0');
	if (minute > 59 || hour > 24 || (hour == 24 && minute))
		return false;
	*ret_minute = (uint16_t)(hour * 60 + minute);
	*text = p + 3;
	return true;
}

/* Where the day ends the next begins: as an end, 00:00 is kept as 24:00. */
static bool read_window(const char **text, struct window *ret_window)
{
	struct window window;
	const char *p = *text;

	if (!read_days(&p, &window.days) || *p != ' ')
		return false;
	p = skip_spaces(p);
	if (!read_minute(&p, &window.from) || window.from == DAY_MINUTES || *p != '-')
		return false;
	p++;
	if (!read_minute(&p, &window.to))
		return false;
	if (window.to == 0)
		window.to = DAY_MINUTES;
	*text = skip_spaces(p);
	*ret_window = window;
	return true;
}

static int malformed(const char *path, struct err *err)
{
	return err_field(err, path,
			 "must be days and hours such as \"mon-fri 08:00-22:00\", \"daily 22:00-06:00\" or "
			 "\"mon-fri 08:00-18:00, sat,sun 10:00-24:00\", in the router's local time");
}

int schedule_parse(const char *text, struct schedule *ret_schedule, const char *path, struct err *err)
{
	struct window windows[SCHEDULE_WINDOWS_MAX];
	unsigned count = 0;

	do {
		struct window window;

		if (count > 0)
			text++;
		if (!read_window(&text, &window))
			return malformed(path, err);
		if (count == SCHEDULE_WINDOWS_MAX)
			return err_field(err, path, "must have at most %d windows", SCHEDULE_WINDOWS_MAX);
		windows[count++] = window;
	} while (*text == ',');
	if (*text)
		return malformed(path, err);
	ret_schedule->items = calloc(count, sizeof(*windows));
	if (!ret_schedule->items)
		return err_memory(err);
	memcpy(ret_schedule->items, windows, count * sizeof(*windows));
	ret_schedule->count = count;
	return 0;
}

/* --- writing --- */

/* Three days in a row and more are a range. */
static void format_days(uint8_t days, struct buf *buf)
{
	const char *comma = "";

	if (days == EVERY_DAY) {
		buf_puts(buf, "daily");
		return;
	}
	for (unsigned day = 0; day < DAYS; day++) {
		unsigned last = day;

		if (!(days & 1u << day))
			continue;
		while (last + 1 < DAYS && days & 1u << (last + 1))
			last++;
		buf_printf(buf, "%s%s", comma, day_names[day]);
		comma = ",";
		if (last > day + 1) {
			buf_printf(buf, "-%s", day_names[last]);
			day = last;
		}
	}
}

void schedule_format(const struct schedule *schedule, struct buf *buf)
{
	for (unsigned i = 0; i < schedule->count; i++) {
		const struct window *window = &schedule->items[i];

		buf_puts(buf, i ? ", " : "");
		format_days(window->days, buf);
		buf_printf(buf, " %02u:%02u-%02u:%02u", window->from / 60u, window->from % 60u,
			   window->to / 60u, window->to % 60u);
	}
}
