/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_IMPORT_H
#define PORTICO_IMPORT_H

/*
 * Rules of others become objects: iptables-save, scripts and recipes with iptables and ip commands, OpenWrt's
 * /etc/config/firewall and /etc/config/mwan3. Of every line it is told what became of it, or why nothing did. What narrows
 * a rule in a way that no object can express is never left out silently: the rule is not taken then.
 */

#include <jansson.h>

#include "model/config.h"
#include "model/links.h"

enum import_format {
	IMPORT_IPTABLES_SAVE,
	IMPORT_IPTABLES,
	IMPORT_UCI_FIREWALL,
	IMPORT_UCI_MWAN3,
	IMPORT_FORMATS,
};

enum {
	IMPORT_TEXT_MAX = 1 << 20,     /* bytes: ten thousand rules */
	IMPORT_STATEMENTS_MAX = 20000, /* commands, or sections and options */
};

struct import_source {
	enum import_format format;
	const char *text; /* UTF-8 */
	const char *
		network_text; /* OpenWrt's /etc/config/network, which says what the interfaces are; may be NULL */
};

struct import_result {
	struct config *config; /* the given one with what was added and changed; it is right as a whole */
	json_t *objects;       /* [{"kind": "forward", "object": {...}}], what was added */
	json_t *lines;         /* [{"line", "text", "understood", "became", "what", "message"}] */
};

/*
 * `config` is what there is already: names are made different from its, and its uplinks and networks are used. What mwan3
 * says of uplinks and settings that are there is taken where they still have the default; the rest is left as it is.
 * `links` are the router's devices. A text that makes no sense at all is no failure, its lines tell.
 */
int import_run(const struct import_source *source, const struct config *config, const struct links *links,
	       struct import_result *ret_result, struct err *err);
void import_result_done(struct import_result *result);

/* "iptables-save", "iptables", "uci-firewall", "uci-mwan3". IMPORT_FORMATS: it is none of them. */
const char *import_format_name(enum import_format format);
enum import_format import_format_parse(const char *name);
/* What the text seems to be. */
enum import_format import_format_guess(const char *text);

#endif
