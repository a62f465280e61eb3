/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EXPORT_IPTABLES_H
#define PORTICO_EXPORT_IPTABLES_H

/* The words of rules. What is appended begins with a space. */

#include "export/private.h"

/* "iptables" or "ip6tables". */
const char *iptables_program(uint8_t family);

/* The prefixes of one of the compiled sets, as texts parted by commas, to be freed; NULL: there are none. */
char *iptables_set_prefixes(const struct writer *writer, const char *name);
/* Those of the family, behind " -s " or " -d ". */
void iptables_add_prefixes(struct writer *writer, const char *option, const struct prefixes *prefixes,
			   uint8_t family);

/* The ranges that one rule takes; of protocols without ports there is one rule, without ranges. */
struct iptables_chunk {
	const struct ports *ports;
	bool begun;
	unsigned first, count;
};

bool iptables_next_chunk(struct iptables_chunk *chunk);
void iptables_add_chunk(struct writer *writer, const struct iptables_chunk *chunk);
void iptables_add_ports(struct writer *writer, const struct port_range *ranges, unsigned count);

/* iptables counts seconds in 31 bits; and where there are hours, the date would be in local time like them. */
bool iptables_can_say_end(const struct forward *forward);
/* The hours in which a forward works, in the kernel's time zone; and until when. `window` NULL: always. */
void iptables_add_hours(struct writer *writer, const struct forward *forward, const struct window *window);
void iptables_add_name(struct writer *writer, const char *name);

#endif
