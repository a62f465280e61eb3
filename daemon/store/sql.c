/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/sql.h"

#include <stddef.h>

/* Makes the file, relative to the top of the source tree, a string constant. */
#define EMBED(name, file)                                                     \
	/* NOLINTNEXTLINE(bugprone-macro-parentheses): an array takes none */ \
	extern const char name[] __attribute__((visibility("hidden")));       \
	__asm__(".pushsection .rodata\n"                                      \
		".global " #name "\n"                                         \
		".hidden " #name "\n" #name ":\n"                             \
		".incbin \"" file "\"\n"                                      \
		".byte 0\n"                                                   \
		".popsection\n")

EMBED(store_sql_schema, "db/schema.sql");

EMBED(store_sql_0002, "db/migrations/0002_forward_fields.sql");
EMBED(store_sql_0003, "db/migrations/0003_uplinks.sql");
EMBED(store_sql_0004, "db/migrations/0004_history.sql");
EMBED(store_sql_0005, "db/migrations/0005_confirmations.sql");

static const char *const migrations[] = {
	store_sql_0002, store_sql_0003, store_sql_0004, store_sql_0005, NULL,
};

const struct scripts store_scripts = { .schema = store_sql_schema, .migrations = migrations };
