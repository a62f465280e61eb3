/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EXPORT_H
#define PORTICO_EXPORT_H

/*
 * What Portico does, in the words of others: for reading, and for leaving. The text is a file that nft(8) loads, a script
 * of iptables and ip commands, or sections for OpenWrt's /etc/config/firewall and mwan3. Addresses are those of now;
 * what the others cannot say stands in comments that begin with "not expressed:".
 */

#include "base/buf.h"
#include "model/compile.h"

enum export_format { EXPORT_NFT, EXPORT_IPTABLES, EXPORT_UCI, EXPORT_FORMATS };

enum { EXPORT_TEXT_MAX = 64 << 20 };

struct export_source {
	const struct config *config;
	const struct links *links;
	const struct environment *environment;
	const char *title; /* one line: who wrote it, where and when */
};

/* 0, and the text in `text`; -ENOMEM. */
int export_write(enum export_format format, const struct export_source *source, struct buf *text);

/* "nft", "iptables", "uci". EXPORT_FORMATS: it is none of them. */
enum export_format export_format_parse(const char *name);

#endif
