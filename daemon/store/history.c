/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Table revision: what each commit changed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/undo.h"
#include "store/db.h"

int history_open(struct store *store)
{
	int64_t revision = 0, confirmed = -1;
	int r = db_integer(store->db, "SELECT max(number) FROM revision", &revision);

	if (r == SQLITE_OK)
		r = db_integer(store->db, "SELECT coalesce(max(confirmed), -1) FROM trial", &confirmed);
	store->revision = (uint64_t)revision;
	store->history = (struct history){ .bytes = -1 };
	if (confirmed >= 0 && confirmed < revision) {
		store->history.trial = true;
		store->history.confirmed = (uint64_t)confirmed;
	}
	return r;
}

/* --- writing --- */

static int bind_json(sqlite3_stmt *stmt, int column, json_t *json, size_t *ret_size)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (!text)
		return SQLITE_NOMEM;
	*ret_size = strlen(text);
	return sqlite3_bind_text(stmt, column, text, (int)*ret_size, free);
}

static int insert(struct store *store, uint64_t number, const struct changes *changes,
		  const struct commit *commit, size_t *ret_size)
{
	sqlite3_stmt *stmt = NULL;
	size_t summary_size;
	int r = sqlite3_prepare_v2(store->db,
				   "INSERT INTO revision (number, at, author, reason, size, summary, changes)"
				   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
				   -1, &stmt, NULL);

	if (r == SQLITE_OK)
		r = bind_json(stmt, 7, changes_to_json(changes), ret_size);
	if (r == SQLITE_OK)
		r = bind_json(stmt, 6, changes_summary(changes, SUMMARY_CHANGES_MAX), &summary_size);
	if (r == SQLITE_OK) {
		sqlite3_bind_int64(stmt, 1, (sqlite3_int64)number);
		sqlite3_bind_int64(stmt, 2, commit->at);
		sqlite3_bind_text(stmt, 3, commit->author, -1, SQLITE_STATIC);
		sqlite3_bind_text(stmt, 4, commit->reason, -1, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 5, (sqlite3_int64)*ret_size);
		r = sqlite3_step(stmt);
	}
	sqlite3_finalize(stmt);
	return r == SQLITE_DONE ? SQLITE_OK : r;
}

static int delete_revision(struct store *store, int64_t number)
{
	sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(store->db, "DELETE FROM revision WHERE number = ?", -1, &stmt, NULL);

	if (r == SQLITE_OK) {
		sqlite3_bind_int64(stmt, 1, number);
		r = sqlite3_step(stmt);
	}
	sqlite3_finalize(stmt);
	return r == SQLITE_DONE ? SQLITE_OK : r;
}

/* The oldest ones go while there are too many, or too long ones; the newest stays, and all that a trial may need. */
static int prune(struct store *store, uint64_t newest, unsigned history_length)
{
	int64_t spared = (int64_t)(store->next.trial ? store->next.confirmed : newest);
	sqlite3_stmt *oldest = NULL;
	int r = sqlite3_prepare_v2(store->db, "SELECT number, size FROM revision ORDER BY number LIMIT 1", -1,
				   &oldest, NULL);

	while (r == SQLITE_OK && sqlite3_step(oldest) == SQLITE_ROW) {
		int64_t number = sqlite3_column_int64(oldest, 0), size = sqlite3_column_int64(oldest, 1);
		bool too_old = number <= (int64_t)newest - (int64_t)history_length;

		sqlite3_reset(oldest);
		if (number >= spared || (!too_old && store->next.bytes <= HISTORY_BYTES_MAX))
			break;
		r = delete_revision(store, number);
		store->next.bytes -= size;
	}
	sqlite3_finalize(oldest);
	return r;
}

/* The mark goes with the revision, so that there is never the one without the other. */
static int write_trial(struct store *store, uint64_t number, enum commit_trial trial)
{
	char sql[96];

	switch (trial) {
	case COMMIT_AS_IT_IS:
		return SQLITE_OK;
	case COMMIT_ON_TRIAL:
		if (store->next.trial)
			return SQLITE_OK;
		store->next.trial = true;
		store->next.confirmed = number - 1;
		snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO trial (id, confirmed) VALUES (1, %llu)",
			 (unsigned long long)store->next.confirmed);
		return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
	case COMMIT_ENDS_TRIAL:
		store->next.trial = false;
		return sqlite3_exec(store->db, "DELETE FROM trial", NULL, NULL, NULL);
	}
	return SQLITE_MISUSE;
}

int history_write(struct store *store, uint64_t number, const struct changes *changes,
		  const struct commit *commit)
{
	int r = SQLITE_OK;
	size_t size = 0;

	if (store->history.bytes < 0)
		r = db_integer(store->db, "SELECT coalesce(sum(size), 0) FROM revision",
			       &store->history.bytes);
	if (r == SQLITE_OK)
		r = insert(store, number, changes, commit, &size);
	if (r != SQLITE_OK)
		return r;
	store->next = store->history;
	store->next.bytes += (int64_t)size;
	r = write_trial(store, number, commit->trial);
	return r == SQLITE_OK ? prune(store, number, commit->history_length) : r;
}

bool store_trial(const struct store *store, uint64_t *ret_confirmed)
{
	if (store->history.trial)
		*ret_confirmed = store->history.confirmed;
	return store->history.trial;
}

static int write_confirmation(struct store *store, const char *author, int64_t at)
{
	sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(store->db,
				   "INSERT INTO confirmation (first, last, at, author) VALUES (?, ?, ?, ?)",
				   -1, &stmt, NULL);

	if (r == SQLITE_OK) {
		sqlite3_bind_int64(stmt, 1, (sqlite3_int64)store->history.confirmed + 1);
		sqlite3_bind_int64(stmt, 2, (sqlite3_int64)store->revision);
		sqlite3_bind_int64(stmt, 3, at);
		sqlite3_bind_text(stmt, 4, author, -1, SQLITE_STATIC);
		r = sqlite3_step(stmt);
	}
	sqlite3_finalize(stmt);
	return r == SQLITE_DONE ? SQLITE_OK : r;
}

int store_confirm(struct store *store, const char *author, int64_t at, struct err *err)
{
	int r = store_admit(store, err);

	if (r < 0)
		return r;
	r = sqlite3_exec(store->db, "BEGIN IMMEDIATE; DELETE FROM trial", NULL, NULL, NULL);
	if (r == SQLITE_OK)
		r = write_confirmation(store, author, at);
	if (r == SQLITE_OK)
		r = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
	if (r != SQLITE_OK) {
		r = db_refused(store->db, r, store->path, err);
		store_disown_commit(store);
		return r;
	}
	store_note_file(store);
	store->history.trial = false;
	return 0;
}

/* --- reading --- */

static int damaged_revision(struct store *store, int64_t number, struct err *err)
{
	char how[ERR_DETAIL_MAX];

	snprintf(how, sizeof(how), "table \"revision\", row %lld cannot be read", (long long)number);
	return db_damaged(store->path, how, err);
}

static json_t *column_json(sqlite3_stmt *row, int column)
{
	const char *text = (const char *)sqlite3_column_text(row, column);

	return text ? json_loadb(text, (size_t)sqlite3_column_bytes(row, column), 0, NULL) : NULL;
}

/* What row_head() reads, and where from. */
#define HEAD_COLUMNS \
	"revision.number, revision.at, revision.author, reason, confirmation.at, confirmation.author"
#define HEAD_TABLES "revision LEFT JOIN confirmation ON number BETWEEN first AND last"
enum { HEAD_COUNT = 6 };

static json_t *row_confirmation(sqlite3_stmt *row)
{
	if (sqlite3_column_type(row, 4) == SQLITE_NULL)
		return json_null();
	return json_pack("{s:o, s:s}", "at", time_to_json(sqlite3_column_int64(row, 4)), "author",
			 (const char *)sqlite3_column_text(row, 5));
}

/* NULL if there is no text where there must be one. */
static json_t *row_head(sqlite3_stmt *row)
{
	return json_pack("{s:I, s:o, s:s, s:s, s:o}", "number", (json_int_t)sqlite3_column_int64(row, 0),
			 "at", time_to_json(sqlite3_column_int64(row, 1)), "author",
			 (const char *)sqlite3_column_text(row, 2), "reason",
			 (const char *)sqlite3_column_text(row, 3), "confirmation", row_confirmation(row));
}

/* With the columns summary, and changes where there is no summary. */
static json_t *list_item(sqlite3_stmt *row)
{
	json_t *item = row_head(row), *summary, *changes;

	if (sqlite3_column_type(row, HEAD_COUNT) != SQLITE_NULL) {
		summary = column_json(row, HEAD_COUNT);
	} else {
		changes = column_json(row, HEAD_COUNT + 1);
		summary = changes ? changes_json_summary(changes, SUMMARY_CHANGES_MAX) : NULL;
		json_decref(changes);
	}
	if (!item || !summary || json_object_update(item, summary) < 0) {
		json_decref(item);
		item = NULL;
	}
	json_decref(summary);
	return item;
}

int store_list_revisions(struct store *store, uint64_t before, unsigned limit, json_t **ret_items,
			 struct err *err)
{
	json_t *items = json_array();
	sqlite3_stmt *row = NULL;
	int result = 0,
	    r = sqlite3_prepare_v2(store->db,
				   "SELECT " HEAD_COLUMNS ", summary,"
				   " CASE WHEN summary IS NULL THEN changes END"
				   " FROM " HEAD_TABLES " WHERE number < ? ORDER BY number DESC LIMIT ?",
				   -1, &row, NULL);

	if (r == SQLITE_OK) {
		sqlite3_bind_int64(row, 1, before > INT64_MAX ? INT64_MAX : (int64_t)before);
		sqlite3_bind_int64(row, 2, limit);
	}
	while (r == SQLITE_OK && result == 0 && sqlite3_step(row) == SQLITE_ROW) {
		if (json_array_append_new(items, list_item(row)) < 0)
			result = damaged_revision(store, sqlite3_column_int64(row, 0), err);
	}
	r = sqlite3_finalize(row);
	if (r != SQLITE_OK && result == 0)
		result = db_refused(store->db, r, store->path, err);
	if (result < 0) {
		json_decref(items);
		return result;
	}
	*ret_items = items;
	return 0;
}

static int not_kept(const struct store *store, uint64_t number, struct err *err)
{
	if (number > store->revision)
		return err_set(err, ERR_NOT_FOUND, "there is no revision %llu yet: the newest is %llu",
			       (unsigned long long)number, (unsigned long long)store->revision);
	return err_set(err, ERR_NOT_FOUND, "revision %llu is not kept", (unsigned long long)number);
}

int store_get_revision(struct store *store, uint64_t number, json_t **ret_revision, struct err *err)
{
	json_t *revision = NULL, *changes;
	sqlite3_stmt *row = NULL;
	int result = 0,
	    r = sqlite3_prepare_v2(store->db,
				   "SELECT " HEAD_COLUMNS ", changes FROM " HEAD_TABLES " WHERE number = ?",
				   -1, &row, NULL);

	if (r == SQLITE_OK) {
		sqlite3_bind_int64(row, 1, number > INT64_MAX ? INT64_MAX : (int64_t)number);
		r = sqlite3_step(row);
	}
	if (r == SQLITE_ROW) {
		revision = row_head(row);
		changes = column_json(row, HEAD_COUNT);
		if (!revision || !changes || json_object_set(revision, "changes", changes) < 0)
			result = damaged_revision(store, (int64_t)number, err);
		json_decref(changes);
	} else if (r == SQLITE_DONE) {
		result = not_kept(store, number, err);
	} else {
		result = db_error(store->db, store->path, err);
	}
	sqlite3_finalize(row);
	if (result < 0) {
		json_decref(revision);
		return result;
	}
	*ret_revision = revision;
	return 0;
}

/* Whether the revision and all after it are there; 0 is what was before the first. */
static int check_kept(const struct store *store, uint64_t number, struct err *err)
{
	uint64_t first = number ? number : 1;
	int64_t count = 0;
	char sql[80];
	int r;

	if (number > store->revision)
		return not_kept(store, number, err);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM revision WHERE number >= %llu",
		 (unsigned long long)first);
	r = db_integer(store->db, sql, &count);
	if (r != SQLITE_OK)
		return db_refused(store->db, r, store->path, err);
	return (uint64_t)count == store->revision - first + 1 ? 0 : not_kept(store, number, err);
}

/* The changes of all revisions beyond `number`. */
static int gather(struct store *store, uint64_t number, struct undo *undo, struct err *err)
{
	sqlite3_stmt *row = NULL;
	int result = 0, r = sqlite3_prepare_v2(store->db,
					       "SELECT number, changes FROM revision WHERE number > ?"
					       " ORDER BY number DESC",
					       -1, &row, NULL);

	if (r == SQLITE_OK)
		sqlite3_bind_int64(row, 1, (sqlite3_int64)number);
	while (r == SQLITE_OK && result == 0 && sqlite3_step(row) == SQLITE_ROW) {
		int64_t at = sqlite3_column_int64(row, 0);
		json_t *changes = column_json(row, 1);

		result = undo_add(undo, changes);
		json_decref(changes);
		if (result == -EBADMSG)
			result = damaged_revision(store, at, err);
		else if (result == -ERANGE)
			err_set(err, ERR_CONFLICT,
				"revision %lld changed an uplink that an upgrade gave another number: the "
				"configuration of before it cannot be brought back",
				(long long)at);
		else if (result < 0)
			err_set(err, ERR_UNAVAILABLE, "out of memory");
	}
	r = sqlite3_finalize(row);
	return r != SQLITE_OK && result == 0 ? db_refused(store->db, r, store->path, err) : result;
}

int store_former(struct store *store, const struct config *present, uint64_t number,
		 struct config **ret_config, struct err *err)
{
	struct undo undo;
	int r = check_kept(store, number, err);

	if (r < 0)
		return r;
	if (undo_init(&undo) < 0) {
		err_set(err, ERR_UNAVAILABLE, "out of memory");
		return -ENOMEM;
	}
	r = gather(store, number, &undo, err);
	if (r == 0)
		r = undo_apply(&undo, present, ret_config, err);
	undo_done(&undo);
	if (r == -EINVAL) {
		char why[ERR_DETAIL_MAX];

		snprintf(why, sizeof(why), "%s", err->detail);
		return err_set(err, ERR_CONFLICT,
			       "the configuration of revision %llu is not valid any more: %s",
			       (unsigned long long)number, why);
	}
	return r;
}
