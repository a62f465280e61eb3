/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "export/iptables.h"

#include <string.h>

enum { MULTIPORT_MAX = 15 }; /* of iptables' multiport; a range counts as two */

const char *iptables_program(uint8_t family)
{
	return family == AF_INET6 ? "ip6tables" : "iptables";
}

char *iptables_set_prefixes(const struct writer *writer, const char *name)
{
	const struct kset *set = kstate_find_set(writer->state, name);
	struct buf buf;

	if (!set || set->count == 0)
		return NULL;
	buf_init(&buf, EXPORT_TEXT_MAX);
	for (unsigned i = 0; i < set->count; i++) {
		buf_puts(&buf, i ? "," : "");
		kelem_print(set, &set->elems[i], &buf);
	}
	return buf_steal(&buf);
}

void iptables_add_prefixes(struct writer *writer, const char *option, const struct prefixes *prefixes,
			   uint8_t family)
{
	char text[PREFIX_TEXT_MAX];

	for (unsigned i = 0; i < prefixes->count; i++) {
		if (prefixes->items[i].address.family != family)
			continue;
		buf_printf(writer->text, "%s%s", option, prefix_format(&prefixes->items[i], text));
		option = ",";
	}
}

/* How many of the ranges, from `first` on, one multiport takes. */
static unsigned ports_that_fit(const struct ports *ports, unsigned first)
{
	unsigned room = MULTIPORT_MAX, count = 0;

	while (first + count < ports->count) {
		const struct port_range *range = &ports->items[first + count];
		unsigned needs = range->first == range->last ? 1 : 2;

		if (needs > room)
			break;
		room -= needs;
		count++;
	}
	return count;
}

bool iptables_next_chunk(struct iptables_chunk *chunk)
{
	if (chunk->begun && chunk->first + chunk->count >= chunk->ports->count)
		return false;
	chunk->begun = true;
	chunk->first += chunk->count;
	chunk->count = ports_that_fit(chunk->ports, chunk->first);
	return true;
}

void iptables_add_ports(struct writer *writer, const struct port_range *ranges, unsigned count)
{
	buf_puts(writer->text, count > 1 ? " -m multiport --dports " : " --dport ");
	for (unsigned i = 0; i < count; i++) {
		buf_printf(writer->text, "%s%u", i ? "," : "", ranges[i].first);
		if (ranges[i].last != ranges[i].first)
			buf_printf(writer->text, ":%u", ranges[i].last);
	}
}

void iptables_add_chunk(struct writer *writer, const struct iptables_chunk *chunk)
{
	if (chunk->count > 0)
		iptables_add_ports(writer, chunk->ports->items + chunk->first, chunk->count);
}

static void add_time(struct writer *writer, unsigned minutes)
{
	if (minutes == 24 * 60)
		buf_puts(writer->text, "23:59:59");
	else
		buf_printf(writer->text, "%02u:%02u", minutes / 60, minutes % 60);
}

bool iptables_can_say_end(const struct forward *forward)
{
	return !forward->expires_at || (forward->expires_at <= INT32_MAX && forward->schedule.count == 0);
}

void iptables_add_hours(struct writer *writer, const struct forward *forward, const struct window *window)
{
	static const char days[7][4] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
	char text[TIME_TEXT_MAX];
	bool first = true;

	if (!window && !forward->expires_at)
		return;
	buf_puts(writer->text, " -m time");
	if (window) {
		buf_puts(writer->text, " --kerneltz --weekdays ");
		for (unsigned day = 0; day < 7; day++)
			if (window->days & 1u << day) {
				buf_printf(writer->text, "%s%s", first ? "" : ",", days[day]);
				first = false;
			}
		buf_puts(writer->text, " --timestart ");
		add_time(writer, window->from);
		buf_puts(writer->text, " --timestop ");
		add_time(writer, window->to);
		if (window->to <= window->from)
			buf_puts(writer->text, " --contiguous");
	} else /* with --kerneltz it would be local time, too */
		buf_printf(writer->text, " --datestop %.19s", time_format(forward->expires_at, text));
}

void iptables_add_name(struct writer *writer, const char *name)
{
	buf_puts(writer->text, " -m comment --comment ");
	export_quote(writer->text, name);
}
