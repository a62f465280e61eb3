/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/schema.h"
#include "store/db.h"

enum { STATEMENT_MAX = 2048 }; /* the longest names some twenty columns */

/* --- statements, from the table of fields --- */

static bool is_column(const struct field *field)
{
	return field_is_kept(field);
}

/* `"id", "name", ...`: quoted, because "except" is a word of SQL. */
static void add_columns(enum kind kind, struct buf *sql)
{
	const struct fields *fields = &schema_of(kind)->fields;

	buf_puts(sql, "\"id\"");
	for (unsigned i = 0; i < fields->count; i++)
		if (is_column(&fields->items[i]))
			buf_printf(sql, ", \"%s\"", fields->items[i].name);
}

static sqlite3_stmt *prepare(sqlite3 *db, struct buf *sql)
{
	sqlite3_stmt *stmt = NULL;

	if (!sql->failed)
		sqlite3_prepare_v3(db, buf_text(sql), -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	buf_done(sql);
	return stmt;
}

static sqlite3_stmt *prepare_select(sqlite3 *db, enum kind kind)
{
	struct buf sql;

	buf_init(&sql, STATEMENT_MAX);
	buf_puts(&sql, "SELECT ");
	add_columns(kind, &sql);
	buf_printf(&sql, " FROM \"%s\" ORDER BY \"id\"", kind_plural(kind));
	return prepare(db, &sql);
}

sqlite3_stmt *rows_prepare_insert(sqlite3 *db, enum kind kind)
{
	const struct fields *fields = &schema_of(kind)->fields;
	struct buf sql;

	buf_init(&sql, STATEMENT_MAX);
	buf_printf(&sql, "INSERT INTO \"%s\" (", kind_plural(kind));
	add_columns(kind, &sql);
	buf_puts(&sql, ") VALUES (?");
	for (unsigned i = 0; i < fields->count; i++)
		if (is_column(&fields->items[i]))
			buf_puts(&sql, ", ?");
	buf_puts(&sql, ")");
	return prepare(db, &sql);
}

sqlite3_stmt *rows_prepare_delete(sqlite3 *db, enum kind kind)
{
	struct buf sql;

	buf_init(&sql, STATEMENT_MAX);
	buf_printf(&sql, "DELETE FROM \"%s\" WHERE \"id\" = ?", kind_plural(kind));
	return prepare(db, &sql);
}

/* --- writing --- */

static int bind_value(sqlite3_stmt *stmt, int column, const json_t *value)
{
	char *text;

	switch (json_typeof(value)) {
	case JSON_TRUE:
	case JSON_FALSE:
		return sqlite3_bind_int(stmt, column, json_is_true(value));
	case JSON_INTEGER:
		return sqlite3_bind_int64(stmt, column, json_integer_value(value));
	case JSON_STRING:
		return sqlite3_bind_text(stmt, column, json_string_value(value),
					 (int)json_string_length(value), SQLITE_TRANSIENT);
	case JSON_NULL:
		return sqlite3_bind_null(stmt, column);
	case JSON_ARRAY:
	case JSON_OBJECT:
		text = json_dumps(value, JSON_COMPACT);
		return text ? sqlite3_bind_text(stmt, column, text, -1, free) : SQLITE_NOMEM;
	case JSON_REAL:
		break;
	}
	return SQLITE_MISMATCH;
}

static int bind_object(sqlite3_stmt *insert, const struct object *object)
{
	const struct fields *fields = &schema_of(object->kind)->fields;
	int column = 1, r = sqlite3_bind_int64(insert, column++, object->id);

	for (unsigned i = 0; i < fields->count && r == SQLITE_OK; i++) {
		json_t *value;

		if (!is_column(&fields->items[i]))
			continue;
		value = field_encode(&fields->items[i], object);
		r = value ? bind_value(insert, column++, value) : SQLITE_NOMEM;
		json_decref(value);
	}
	return r;
}

static int run(sqlite3_stmt *stmt)
{
	int r = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return r == SQLITE_DONE ? SQLITE_OK : r;
}

int rows_insert(sqlite3_stmt *insert, const struct object *object)
{
	int r = bind_object(insert, object);

	return r == SQLITE_OK ? run(insert) : r;
}

int rows_delete(sqlite3_stmt *delete, uint32_t id)
{
	int r = sqlite3_bind_int64(delete, 1, id);

	return r == SQLITE_OK ? run(delete) : r;
}

/* --- reading: the file is not trusted, every value takes the way of a request --- */

static bool is_json(const struct field *field)
{
	switch (field->type) {
	case FIELD_NAMES:
	case FIELD_DEVICES:
	case FIELD_TARGETS:
	case FIELD_PREFIXES:
	case FIELD_PROTOCOLS:
	case FIELD_OBJECT:
		return true;
	case FIELD_ID:
	case FIELD_BOOL:
	case FIELD_ON_OFF:
	case FIELD_ENUM:
	case FIELD_INTEGER:
	case FIELD_TIME:
	case FIELD_NAME:
	case FIELD_DEVICE:
	case FIELD_COMMENT:
	case FIELD_NEED:
	case FIELD_ADDRESS:
	case FIELD_BACKEND:
	case FIELD_CHOICE:
	case FIELD_PROTOCOL:
	case FIELD_PORTS:
	case FIELD_SCHEDULE:
	case FIELD_OBSERVED:
		return false;
	}
	return false;
}

/* NULL if the column holds nothing that JSON could. */
static json_t *column_value(sqlite3_stmt *row, int column, const struct field *field)
{
	const char *text;
	size_t length;

	switch (sqlite3_column_type(row, column)) {
	case SQLITE_NULL:
		return json_null();
	case SQLITE_INTEGER:
		if (field->type == FIELD_BOOL && (sqlite3_column_int64(row, column) & ~1) == 0)
			return json_boolean(sqlite3_column_int(row, column));
		return json_integer(sqlite3_column_int64(row, column));
	case SQLITE_TEXT:
		text = (const char *)sqlite3_column_text(row, column);
		length = (size_t)sqlite3_column_bytes(row, column);
		if (!text)
			return NULL;
		if (!is_json(field))
			return json_stringn(text, length);
		/* Most lists are empty: no need to set the parser up for them. */
		if (strcmp(text, "[]") == 0)
			return json_array();
		return json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	default:
		return NULL;
	}
}

/* Says where the fault is that was recorded last. */
static int row_error(enum kind kind, int64_t id, const char *db_path, struct err *err)
{
	struct err_item item = { .message = "cannot be read" };
	char how[ERR_DETAIL_MAX];

	if (err->count > 0)
		item = err->items[0];
	err_clear(err);
	snprintf(how, sizeof(how), "table \"%s\", row %lld, \"%s\": %s", kind_plural(kind), (long long)id,
		 item.path[0] ? item.path + 1 : "", item.message);
	return db_damaged(db_path, how, err);
}

static int read_fields(sqlite3_stmt *row, struct object *object, struct err *err)
{
	const struct fields *fields = &schema_of(object->kind)->fields;
	int column = 1;

	for (unsigned i = 0; i < fields->count; i++) {
		const struct field *field = &fields->items[i];
		char path[ERR_PATH_MAX];
		json_t *value;
		int r;

		if (!is_column(field))
			continue;
		path_join(path, "", field->name);
		value = column_value(row, column++, field);
		r = value ? field_decode(field, object, value, path, err) :
			    err_field(err, path, "cannot be read");
		json_decref(value);
		if (r < 0)
			return r;
	}
	return object_check(object, "", err);
}

static int read_row(sqlite3_stmt *row, enum kind kind, const char *db_path, struct config *config,
		    struct err *err)
{
	const struct field *id_field = fields_find(&schema_of(kind)->fields, "id");
	int64_t id = sqlite3_column_int64(row, 0), most = id_field ? id_field->max : 1;
	struct object *object;
	int r;

	if (id < 1 || id > most) {
		err_field(err, "/id", "must be a whole number from 1 to %lld", (long long)most);
		return row_error(kind, id, db_path, err);
	}
	object = object_new(kind);
	if (!object)
		return err_memory(err);
	object->id = (uint32_t)id;
	r = read_fields(row, object, err);
	if (r < 0) {
		object_unref(object);
		return r == -ENOMEM ? r : row_error(kind, id, db_path, err);
	}
	return config_put(config, object_pack(object), err);
}

static int load_kind(sqlite3 *db, enum kind kind, const char *db_path, struct config *config, struct err *err)
{
	sqlite3_stmt *row = prepare_select(db, kind);
	int result = row ? 0 : db_error(db, db_path, err), r;

	while (result == 0 && (r = sqlite3_step(row)) != SQLITE_DONE) {
		if (r != SQLITE_ROW)
			result = db_error(db, db_path, err);
		else
			result = read_row(row, kind, db_path, config, err);
	}
	sqlite3_finalize(row);
	return result;
}

int rows_load(sqlite3 *db, const char *path, struct config **ret_config, struct err *err)
{
	struct config *config = config_new();
	int r = 0;

	if (!config)
		return err_memory(err);
	for (unsigned kind = 0; kind < KIND_COUNT && r == 0; kind++)
		r = load_kind(db, kind, path, config, err);
	if (r == 0 && config_check(config, NULL, err) < 0) {
		struct err_item item = err->items[0];
		char how[ERR_DETAIL_MAX];

		err_clear(err);
		snprintf(how, sizeof(how), "%s: %s", item.path, item.message);
		r = db_damaged(path, how, err);
	}
	if (r < 0) {
		config_unref(config);
		return r;
	}
	*ret_config = config;
	return 0;
}
