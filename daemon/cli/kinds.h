/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_CLI_KINDS_H
#define PORTICO_CLI_KINDS_H

/* What the command knows of each kind of object: its options, and the columns of its list. */

#include "cli/print.h"

enum convert {
	CONVERT_TEXT,   /* the argument as it is; `word` (if any) means null */
	CONVERT_NUMBER, /* digits become a number; the daemon judges anything else */
	CONVERT_LIST,   /* comma-separated, or the option repeated; "" is the empty list */
	CONVERT_SWITCH, /* "on" or "off" as true or false */
	CONVERT_TRUE,   /* no argument */
	CONVERT_FALSE,
	CONVERT_CHECK, /* a method of health checks, or "none" for no check at all */
	CONVERT_TARGET, /* ADDRESS, ADDRESS:PORTS or [ADDRESS]:PORTS, for internal_address and internal_ports */
};

struct cli_option {
	const char *name;     /* without the dashes */
	const char *argument; /* "PORTS"; NULL: none */
	const char *field;    /* in JSON; "health.window" is a member of "health" */
	enum convert convert;
	const char *word;
	const char *help;
};

struct cli_kind {
	const char *command; /* "source-nat" */
	const char *path;    /* "/source-nats" */
	const char *help;
	bool single; /* settings: no names, only show and set */
	const struct cli_option *options;
	unsigned option_count;
	const struct column *columns;
	unsigned column_count;
};

extern const struct cli_kind cli_kinds[];
extern const unsigned cli_kind_count;

/* For `portico status`. */
extern const struct column uplink_status_columns[];
extern const unsigned uplink_status_column_count;

#endif
