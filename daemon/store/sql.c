/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/sql.h"

#include <stddef.h>

#include "base/embed.h"

EMBED(store_sql_schema, "db/schema.sql");

EMBED(store_sql_0002, "db/migrations/0002_forward_fields.sql");
EMBED(store_sql_0003, "db/migrations/0003_uplinks.sql");
EMBED(store_sql_0004, "db/migrations/0004_history.sql");
EMBED(store_sql_0005, "db/migrations/0005_confirmations.sql");

static const char *const migrations[] = {
	store_sql_0002, store_sql_0003, store_sql_0004, store_sql_0005, NULL,
};

const struct scripts store_scripts = { .schema = store_sql_schema, .migrations = migrations };
