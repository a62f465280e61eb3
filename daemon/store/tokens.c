/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Table token. */
#include <stdio.h>
#include <string.h>

#include "store/db.h"

static void read_token(sqlite3_stmt *row, struct token *token)
{
	const char *name = (const char *)sqlite3_column_text(row, 1);
	const char *role = (const char *)sqlite3_column_text(row, 2);
	const char *hash = (const char *)sqlite3_column_text(row, 3);

	memset(token, 0, sizeof(*token));
	token->id = (uint32_t)sqlite3_column_int64(row, 0);
	snprintf(token->name, sizeof(token->name), "%s", name ? name : "");
	token->admin = role && strcmp(role, "admin") == 0;
	snprintf(token->hash, sizeof(token->hash), "%s", hash ? hash : "");
	token->made_at = sqlite3_column_int64(row, 4);
}

int store_load_tokens(struct store *store, struct token ret_tokens[TOKENS_MAX], unsigned *ret_count,
		      struct err *err)
{
	sqlite3_stmt *row = NULL;
	unsigned count = 0;
	int r = sqlite3_prepare_v2(store->db, "SELECT id, name, role, hash, made_at FROM token ORDER BY id",
				   -1, &row, NULL);

	while (r == SQLITE_OK && count < TOKENS_MAX && sqlite3_step(row) == SQLITE_ROW)
		read_token(row, &ret_tokens[count++]);
	r = sqlite3_finalize(row);
	if (r != SQLITE_OK)
		return db_refused(store->db, r, store->path, err);
	*ret_count = count;
	return 0;
}

/* Runs a write of its own, which is durable when it returns. */
static int run(struct store *store, sqlite3_stmt *stmt, struct err *err)
{
	int r;

	sqlite3_step(stmt);
	r = sqlite3_finalize(stmt);
	if (r != SQLITE_OK) {
		r = db_refused(store->db, r, store->path, err);
		store_disown_commit(store);
		return r;
	}
	store_settle(store);
	return 0;
}

int store_add_token(struct store *store, const struct token *token, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = store_admit(store, err);

	if (r < 0)
		return r;
	if (sqlite3_prepare_v2(store->db,
			       "INSERT INTO token (id, name, role, hash, made_at) VALUES (?, ?, ?, ?, ?)", -1,
			       &stmt, NULL) != SQLITE_OK)
		return db_error(store->db, store->path, err);
	sqlite3_bind_int64(stmt, 1, token->id);
	sqlite3_bind_text(stmt, 2, token->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, token->admin ? "admin" : "viewer", -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 4, token->hash, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 5, token->made_at);
	return run(store, stmt, err);
}

int store_remove_token(struct store *store, uint32_t id, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = store_admit(store, err);

	if (r < 0)
		return r;
	if (sqlite3_prepare_v2(store->db, "DELETE FROM token WHERE id = ?", -1, &stmt, NULL) != SQLITE_OK)
		return db_error(store->db, store->path, err);
	sqlite3_bind_int64(stmt, 1, id);
	return run(store, stmt, err);
}
