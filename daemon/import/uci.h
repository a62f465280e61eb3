/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_IMPORT_UCI_H
#define PORTICO_IMPORT_UCI_H

/* OpenWrt's configuration files: sections of options, and what the interfaces of /etc/config/network are. */

#include "import/shell.h"

enum { UCI_VALUES_MAX = LIST_MAX }; /* of one option */

struct uci_option {
	int statement;
	const char *name, *value;
	bool used;
};

struct uci_section {
	int statement;
	const char *type, *name; /* name: "" if it has none */
	unsigned option_count;
	struct uci_option *options;
};

struct uci_file {
	unsigned count, size;
	struct uci_section *sections;
};

/* `listed`: its lines are in the answer; options only if something is said of them. */
void uci_read(struct import *import, const char *text, bool listed, struct uci_file *ret_file);

/* Whether there is such an option; it does not count as looked at. */
bool uci_has(const struct uci_section *section, const char *name);
/* The last value of the option, which counts as looked at; `absent` if there is none. */
const char *uci_value(struct uci_section *section, const char *name, const char *absent);
/* All values, of a list or parted by spaces. How many; an option with more than fit does not count as looked at. */
unsigned uci_values(struct import *import, struct uci_section *section, const char *name,
		    const char *values[UCI_VALUES_MAX]);
bool uci_flag(struct uci_section *section, const char *name, bool absent);
/* A number; `absent` if there is none or it is none. */
unsigned uci_number(struct uci_section *section, const char *name, unsigned absent);
/* Looked at, whatever it is. */
void uci_ignore(struct uci_section *section, const char *const *names);
/* Refuses the options that nobody has looked at, but not the section. */
void uci_refuse_rest(struct import *import, struct uci_section *section, const char *why);
/* Refuses the section for the first option that nobody has looked at. False: there is one. */
bool uci_all_used(struct import *import, struct uci_section *section, const char *why);

/* --- uci_interface.c --- */

/* The interface that has the address by the network file; NULL. */
const char *uci_interface_with(struct uci_file *network, const char *address);
/* The device of an interface, by the network file if there is one; NULL: nobody knows. */
const char *uci_device(struct import *import, struct uci_file *network, const char *interface);
/*
 * The uplink on the interface's device, else the one of its name, else a new one. Its name, and the draft (-1: it was
 * there); NULL: nobody knows the device.
 */
const char *uci_uplink(struct import *import, struct uci_file *network, const char *interface,
		       int *ret_draft);

#endif
