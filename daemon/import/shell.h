/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_IMPORT_SHELL_H
#define PORTICO_IMPORT_SHELL_H

/*
 * A shell script taken apart into commands and words, as far as recipes need it: quotes, comments, continued lines,
 * variables that are set above. Nothing is run, conditions and loops are not followed. The same for what iptables-save
 * writes, which knows quotes only.
 */

#include "import/private.h"

enum {
	COMMAND_WORDS_MAX = 256,
	WORD_MAX_BYTES = 16384,
	VALUE_MAX_BYTES = 4096,    /* of a variable; a script cannot double it for ever */
	VARIABLES_MAX = 200,       /* each use looks through them */
	WORDS_TOTAL_MAX = 8 << 20, /* bytes of all words, with the variables filled in */
};

struct command {
	int statement;
	unsigned count;
	const char **words;
	const char *redirect; /* the file that its output goes to; NULL */
	const char *unknown;  /* why its words cannot be known; NULL: they are */
};

struct commands {
	unsigned count, size;
	struct command *items;
};

/* Each command has a statement. What sets variables is dealt with already and is not among them. */
void shell_read(struct import *import, const char *text, bool is_script, struct commands *ret_commands);

#endif
