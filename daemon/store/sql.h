/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_STORE_SQL_H
#define PORTICO_STORE_SQL_H

/* The scripts of db/, which are embedded in the daemon. */

struct scripts {
	const char *schema;            /* makes version 1 */
	const char *const *migrations; /* makes version 2, 3, ...; NULL at the end */
};

extern const struct scripts store_scripts;

#endif
