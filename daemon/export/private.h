/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EXPORT_PRIVATE_H
#define PORTICO_EXPORT_PRIVATE_H

#include "export/export.h"

struct writer {
	const struct export_source *source;
	const struct kstate *state; /* compiled from the source */
	struct buf *text;
};

void export_iptables(struct writer *writer);
void export_uci(struct writer *writer);

/* Sysctls, routes and routing rules as commands, each behind the same words. */
void export_routing(struct writer *writer, const char *before);
/* The text as one word of a shell: as it is, if nothing in it could mean something else. */
void export_quote(struct buf *buf, const char *text);
/* The text as the rest of a comment line. */
void export_comment(struct buf *buf, const char *text);

#endif
