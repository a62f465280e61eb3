/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "import/import.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/private.h"
#include "model/schema.h"

enum {
	/* Places of drafts in paths of errors: beyond those that objects of a request have. */
	DRAFT_PLACE = 1000000,
	/* Each drops sixteen drafts at most, and checks the whole. */
	CHECK_ROUNDS_MAX = 32,
	/* A second on a small router: nothing else happens meanwhile. */
	STEPS_MAX = 10000000,
};

static const char *const format_names[IMPORT_FORMATS] = {
	[IMPORT_IPTABLES_SAVE] = "iptables-save",
	[IMPORT_IPTABLES] = "iptables",
	[IMPORT_UCI_FIREWALL] = "uci-firewall",
	[IMPORT_UCI_MWAN3] = "uci-mwan3",
};

const char *import_format_name(enum import_format format)
{
	return format_names[format];
}

enum import_format import_format_parse(const char *name)
{
	enum import_format format = 0;

	while (format < IMPORT_FORMATS && strcmp(name, format_names[format]) != 0)
		format++;
	return format;
}

static bool has_line(const char *text, const char *start)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += strspn(line, " \t\r\n");
		if (strncmp(line, start, strlen(start)) == 0)
			return true;
	}
	return false;
}

/* The first line that is neither empty nor a comment, but for "#!". */
static const char *first_line(const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += strspn(line, " \t\r\n");
		if (line[0] != '#' || line[1] == '!')
			return line;
	}
	return "";
}

enum import_format import_format_guess(const char *text)
{
	if (strncmp(first_line(text), "package firewall", strlen("package firewall")) == 0)
		return IMPORT_UCI_FIREWALL;
	if (has_line(text, "config member") || has_line(text, "config policy") ||
	    has_line(text, "config globals"))
		return IMPORT_UCI_MWAN3;
	if (strncmp(first_line(text), "config ", strlen("config ")) == 0)
		return IMPORT_UCI_FIREWALL;
	if (strspn(first_line(text), "*:") > 0 || strncmp(first_line(text), "-A ", 3) == 0)
		return IMPORT_IPTABLES_SAVE;
	return IMPORT_IPTABLES;
}

/* --- memory --- */

void *import_alloc(struct import *import, size_t size)
{
	void *memory = arena_alloc(import->arena, size);

	if (!memory)
		import->failed = true;
	return memory;
}

void *import_grow(struct import *import, void *items, unsigned count, unsigned *size, size_t item_size)
{
	unsigned grown = *size ? *size * 2 : 16;
	void *moved;

	if (count < *size)
		return items;
	moved = import_alloc(import, grown * item_size);
	if (!moved)
		return NULL;
	if (count > 0)
		memcpy(moved, items, count * item_size);
	*size = grown;
	return moved;
}

bool import_step(struct import *import, unsigned cost)
{
	if (import->steps <= STEPS_MAX)
		import->steps += cost;
	return import->steps <= STEPS_MAX;
}

const char *import_strndup(struct import *import, const char *text, size_t length)
{
	char *copy = import_alloc(import, length + 1);

	if (!copy)
		return "";
	memcpy(copy, text, length);
	return copy;
}

static const char *print(struct import *import, const char *fmt, va_list args)
{
	char text[MESSAGE_TEXT_MAX];
	int length = vsnprintf(text, sizeof(text), fmt, args);

	if (length < 0)
		length = 0;
	if ((size_t)length >= sizeof(text)) /* whole characters */
		for (length = sizeof(text) - 1; length > 0 && ((unsigned char)text[length - 1] & 0x80);)
			length--;
	return import_strndup(import, text, (size_t)length);
}

const char *import_printf(struct import *import, const char *fmt, ...)
{
	const char *text;
	va_list args;

	va_start(args, fmt);
	text = print(import, fmt, args);
	va_end(args);
	return text;
}

const char *import_join(struct import *import, const char *a, const char *separator, const char *b)
{
	size_t size = strlen(a) + strlen(separator) + strlen(b) + 1;
	char *text = import_alloc(import, size);

	if (!text)
		return "";
	snprintf(text, size, "%s%s%s", a, separator, b);
	return text;
}

/* --- statements --- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* In one line, with single spaces, and not for ever. */
static const char *shown_text(struct import *import, const char *text, size_t length)
{
	char shown[SHOWN_TEXT_MAX];
	size_t count = 0;

	for (size_t i = 0; i < length && count < sizeof(shown); i++) {
		bool goes_on = text[i] == '\\' && i + 1 < length &&
			       (text[i + 1] == '\n' || text[i + 1] == '\r');

		if (!goes_on && !is_space(text[i]))
			shown[count++] = text[i];
		else if (count > 0 && shown[count - 1] != ' ')
			shown[count++] = ' ';
	}
	if (count == sizeof(shown)) /* whole characters */
		while (count > 0 && ((unsigned char)shown[count - 1] & 0x80))
			count--;
	while (count > 0 && shown[count - 1] == ' ')
		count--;
	return import_strndup(import, shown, count);
}

bool statement_is_open(const struct import *import, int statement)
{
	return import->statements[statement].state == STATEMENT_OPEN;
}

unsigned statement_line(const struct import *import, int statement)
{
	return import->statements[statement].line;
}

int statement_add(struct import *import, unsigned line, const char *text, size_t length)
{
	struct statement *items;

	if (import->failed || import->statement_count == IMPORT_STATEMENTS_MAX)
		return -1;
	items = import_grow(import, import->statements, import->statement_count, &import->statement_size,
			    sizeof(*items));
	if (!items)
		return -1;
	import->statements = items;
	items[import->statement_count] = (struct statement){
		.line = line,
		.text = shown_text(import, text, length),
		.draft = -1,
	};
	return (int)import->statement_count++;
}

static void decide(struct import *import, int index, unsigned state, const char *fmt, va_list args)
{
	struct statement *statement = &import->statements[index];

	if (statement->state != STATEMENT_OPEN)
		return;
	statement->state = state;
	statement->message = print(import, fmt, args);
	statement->quiet = false;
}

void statement_covered(struct import *import, int statement, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	decide(import, statement, STATEMENT_UNDERSTOOD, fmt, args);
	va_end(args);
}

void statement_refuse(struct import *import, int statement, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	decide(import, statement, STATEMENT_REFUSED, fmt, args);
	va_end(args);
}

void statement_became(struct import *import, int index, int draft, const char *became)
{
	struct statement *statement = &import->statements[index];

	if (statement->state != STATEMENT_OPEN)
		return;
	statement->state = STATEMENT_UNDERSTOOD;
	statement->draft = draft;
	statement->became = became;
}

void statement_note(struct import *import, int index, const char *fmt, ...)
{
	struct statement *statement = &import->statements[index];
	const char *note;
	va_list args;

	va_start(args, fmt);
	note = print(import, fmt, args);
	va_end(args);
	statement->message = statement->message ? import_printf(import, "%s; %s", statement->message, note) :
						  note;
}

/* --- drafts --- */

/* What a name may hold, cut to `max` bytes. */
static void clean_name(const char *text, char *name, size_t max)
{
	size_t length = 0;

	text += strspn(text, " \t");
	for (; *text && length < max; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			continue;
		name[length++] = *text;
	}
	/* Whole characters, and no space at the end. */
	while (*text && length > 0 && ((unsigned char)name[length - 1] & 0x80))
		length--;
	while (length > 0 && name[length - 1] == ' ')
		length--;
	name[length] = '\0';
}

/* The name, or that with a number behind it. */
static const char *free_name(struct import *import, enum kind kind, const char *wanted)
{
	char name[NAME_MAX_BYTES + 1], numbered[NAME_MAX_BYTES + 16];
	json_t *last;

	clean_name(wanted, name, NAME_MAX_BYTES);
	if (name_fault(name, strlen(name)))
		snprintf(name, sizeof(name), "%s", schema_of(kind)->noun);
	last = json_object_get(import->names[kind], name);
	if (!last)
		return import_strndup(import, name, strlen(name));
	clean_name(name, name, NAME_MAX_BYTES - 6);
	do {
		json_integer_set(last, json_integer_value(last) + 1);
		snprintf(numbered, sizeof(numbered), "%s %u", name, (unsigned)json_integer_value(last));
	} while (json_object_get(import->names[kind], numbered));
	return import_strndup(import, numbered, strlen(numbered));
}

/* Takes over the reference to the fields, also on failure. */
static int keep_draft(struct import *import, struct draft draft)
{
	struct draft *items = import_grow(import, import->drafts, import->draft_count, &import->draft_size,
					  sizeof(*items));

	if (items && draft.fields) {
		import->drafts = items;
		items[import->draft_count] = draft;
		return (int)import->draft_count++;
	}
	import->failed = true;
	json_decref(draft.fields);
	return -1;
}

int draft_add(struct import *import, enum kind kind, const char *name, json_t *fields)
{
	struct draft draft = { .kind = kind, .name = free_name(import, kind, name), .fields = fields };

	if (json_object_set_new(fields, "name", json_string(draft.name)) < 0 ||
	    json_object_set_new(import->names[kind], draft.name, json_integer(1)) < 0)
		import->failed = true;
	return keep_draft(import, draft);
}

int draft_change(struct import *import, const struct object *object)
{
	for (unsigned i = 0; i < import->draft_count; i++)
		if (import->drafts[i].before == object)
			return (int)i;
	return keep_draft(import, (struct draft){
					  .kind = object->kind,
					  .name = object->name ? object->name : "",
					  .before = object,
					  .fields = json_object(),
				  });
}

const char *draft_title(struct import *import, int draft)
{
	if (draft < 0)
		return "";
	return import_printf(import, "%s%s%s", schema_of(import->drafts[draft].kind)->noun,
			     import->drafts[draft].name[0] ? " " : "", import->drafts[draft].name);
}

/* --- from drafts to a configuration --- */

static const char *first_words(struct import *import, const struct err *err)
{
	if (err->count == 0)
		return import_printf(import, "%s", err->detail);
	const char *path = err->items[0].path;

	path += *path == '/';
	return import_printf(import, "%s%s%s", path, *path ? " " : "", err->items[0].message);
}

/* What makes two objects the same, but for what they are called. */
static char *sameness(const struct object *object)
{
	json_t *json = object_to_json(object);
	char *text;

	json_object_del(json, "id");
	json_object_del(json, "name");
	json_object_del(json, "comment");
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return text;
}

/* The objects that are there, by what they are; made when first asked for. */
static json_t *same_objects(struct import *import, enum kind kind)
{
	const struct object_list *list = &import->config->lists[kind];

	if (import->same[kind])
		return import->same[kind];
	import->same[kind] = json_object();
	for (unsigned i = 0; i < list->count; i++) {
		char *text = sameness(list->items[i]);

		if (text)
			json_object_set_new(import->same[kind], text, json_string(list->items[i]->name));
		free(text);
	}
	return import->same[kind];
}

static const char *listed(struct import *import, const char *list, const char *separator, const char *more)
{
	return list[0] ? import_join(import, list, separator, more) : more;
}

/* "tier 2", "health (method icmp, targets 198.51.100.1 198.51.100.2)". */
static const char *field_words(struct import *import, const char *key, const json_t *value)
{
	const char *words = "", *name;
	json_t *member;
	size_t i;
	char *text;

	if (json_is_object(value)) {
		json_object_foreach((json_t *)value, name, member)
		{
			if (!json_is_null(member))
				words = listed(import, words, ", ", field_words(import, name, member));
		}
		return import_join(import, import_join(import, key, " (", words), ")", "");
	}
	if (json_is_array(value)) {
		json_array_foreach(value, i, member)
			words = import_join(import, words, " ", json_string_value(member));
		return import_join(import, key, "", words);
	}
	if (json_is_string(value))
		return import_join(import, key, " ", json_string_value(value));
	text = json_dumps(value, JSON_ENCODE_ANY);
	words = import_printf(import, "%s %s", key, text ? text : "");
	free(text);
	return words;
}

static bool is_default(const struct draft *draft, const char *key, const json_t *value)
{
	const struct field *field = fields_find(&schema_of(draft->kind)->fields, key);
	json_t *absent = field && field->absent ? json_loads(field->absent, JSON_DECODE_ANY, NULL) : NULL;
	bool is = json_equal(absent, value);

	json_decref(absent);
	return is;
}

/* The object with all fields of the draft, in JSON as the object itself has it: texts may be written differently. */
static json_t *wholly_changed(const struct draft *draft, struct err *err)
{
	json_t *json = object_to_json(draft->before);
	struct object *object;

	json_object_update(json, draft->fields);
	if (object_from_json(draft->kind, json, "", false, &object, err) == 0) {
		json_decref(json);
		json = object_to_json(object);
		object_unref(object);
	}
	return json;
}

/* What the object becomes: what somebody has set stays. */
static json_t *filled(struct import *import, struct draft *draft, struct err *err)
{
	json_t *wanted = wholly_changed(draft, err), *json = object_to_json(draft->before), *value;
	const char *key;

	draft->changed = draft->kept = "";
	json_object_foreach(wanted, key, value)
	{
		const json_t *given = json_object_get(draft->fields, key), *own = json_object_get(json, key);

		if (!given || json_equal(value, own))
			continue;
		if (is_default(draft, key, own)) {
			draft->changed = listed(import, draft->changed, ", ",
						field_words(import, key, given));
			json_object_set(json, key, value);
		} else {
			draft->kept = listed(import, draft->kept, ", ",
					     json_is_object(own) ? key : field_words(import, key, own));
		}
	}
	json_decref(wanted);
	return json;
}

static void make_object(struct import *import, unsigned index)
{
	struct draft *draft = &import->drafts[index];
	const char *name;
	json_t *fields;
	char *text;
	struct err err;

	err_clear(&err);
	fields = draft->before ? filled(import, draft, &err) : json_incref(draft->fields);
	if (err.kind != ERR_NONE ||
	    object_from_json(draft->kind, fields, "", false, &draft->object, &err) < 0)
		draft->why_not = first_words(import, &err);
	json_decref(fields);
	if (draft->why_not)
		return;
	draft->object->place = DRAFT_PLACE + index + 1;
	if (draft->before) {
		draft->object->id = draft->before->id;
		draft->there = draft->changed[0] ? NULL : draft->name;
		return;
	}
	text = sameness(draft->object);
	name = text ? json_string_value(json_object_get(same_objects(import, draft->kind), text)) : NULL;
	if (name)
		draft->there = import_printf(import, "%s", name);
	free(text);
}

static struct config *with_drafts(struct import *import, struct err *err)
{
	struct config *config = config_copy(import->config);

	for (unsigned i = 0; config && i < import->draft_count; i++) {
		struct draft *draft = &import->drafts[i];
		struct err full;

		if (draft->why_not || draft->there)
			continue;
		err_clear(&full);
		draft->object->id = draft->before ? draft->before->id : 0;
		if (config_put(config, object_ref(draft->object), &full) == 0)
			continue;
		draft->why_not = first_words(import, &full);
		if (full.kind == ERR_INTERNAL)
			import->failed = true;
	}
	if (!config)
		err_memory(err);
	return config;
}

/* Drops what the check complains of. False: there is nothing of ours among it. */
static bool drop_faulty(struct import *import, const struct err *err)
{
	bool dropped = false;

	for (unsigned i = 0; i < err->count; i++) {
		const char *path = err->items[i].path;
		const char *slash = path[0] == '/' ? strchr(path + 1, '/') : NULL;
		unsigned long place = slash ? strtoul(slash + 1, NULL, 10) : 0;

		if (place < DRAFT_PLACE || place - DRAFT_PLACE >= import->draft_count)
			continue;
		struct draft *draft = &import->drafts[place - DRAFT_PLACE];

		if (draft->why_not)
			continue;
		draft->why_not = import_printf(import, "%s", err->items[i].message);
		dropped = true;
	}
	return dropped;
}

/* One bad object must not take the rest down: what does not fit is left out. */
static int make_config(struct import *import, struct config **ret_config, struct err *err)
{
	for (unsigned i = 0; i < import->draft_count; i++)
		make_object(import, i);
	for (unsigned round = 0;; round++) {
		struct config *config = with_drafts(import, err);

		if (!config)
			return -ENOMEM;
		err_clear(err);
		if (config_check(config, NULL, err) == 0) {
			*ret_config = config;
			return 0;
		}
		config_unref(config);
		if (err->kind == ERR_INTERNAL || import->failed)
			return err_memory(err);
		if (!drop_faulty(import, err))
			return -EINVAL;
		if (round == CHECK_ROUNDS_MAX) {
			err_clear(err);
			return err_field(err, "/text", "has too many rules that contradict each other");
		}
	}
}

/* --- the answer --- */

static json_t *objects_json(const struct import *import)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < import->draft_count; i++) {
		const struct draft *draft = &import->drafts[i];

		if (!draft->why_not && !draft->there && !draft->before)
			json_array_append_new(list, json_pack("{s:s, s:o}", "kind", kind_name(draft->kind),
							      "object", object_to_json(draft->object)));
	}
	return list;
}

/* An object may wait for uplinks that are yet to come; here they were among what could not be. */
static void note_missing_uplinks(struct import *import, int statement, const struct draft *draft)
{
	json_t *name;
	size_t i;

	json_array_foreach(json_object_get(draft->fields, "uplinks"), i, name)
	{
		const char *text = json_string_value(name);
		bool there = config_find_name(import->config, KIND_UPLINK, text);

		for (unsigned k = 0; k < import->draft_count && !there; k++)
			there = import->drafts[k].kind == KIND_UPLINK && !import->drafts[k].why_not &&
				strcmp(import->drafts[k].name, text) == 0;
		if (!there)
			statement_note(import, statement, "there is no uplink %s: see above why not", text);
	}
}

/* Once: that several lines have a part in it would be repeated else. */
static void tell_changes(struct import *import, int index)
{
	struct statement *statement = &import->statements[index];
	struct draft *draft = &import->drafts[statement->draft];
	const char *words = draft->changed;

	if (draft->told)
		return;
	draft->told = true;
	if (draft->kept[0])
		words = listed(import, words, "; ",
			       import_join(import, "stays as somebody has set it: ", "", draft->kept));
	if (!words[0])
		words = "it is there already";
	statement->message = statement->message ? import_join(import, words, "; ", statement->message) :
						  words;
}

/* NULL: nothing becomes of it that is not there. */
static const char *draft_effect(const struct draft *draft)
{
	if (draft->why_not || draft->there)
		return NULL;
	return draft->before ? "changed" : "added";
}

static json_t *line_json(struct import *import, int index)
{
	struct statement *statement = &import->statements[index];
	const struct draft *draft = statement->draft >= 0 ? &import->drafts[statement->draft] : NULL;
	const char *title = draft ? draft_title(import, statement->draft) : statement->became;

	if (draft && draft->why_not) {
		statement->state = STATEMENT_REFUSED;
		statement->message = import_printf(import, "%s cannot be%s: %s%s%s", title,
						   draft->before ? " changed" : "", draft->why_not,
						   statement->message ? "; " : "",
						   statement->message ? statement->message : "");
		title = NULL;
	} else if (draft && draft->before) {
		tell_changes(import, index);
	} else if (draft && draft->there) {
		title = import_printf(import, "%s %s", schema_of(draft->kind)->noun, draft->there);
		statement_note(import, index, "it is there already");
	} else if (draft) {
		note_missing_uplinks(import, index, draft);
	}
	if (statement->state == STATEMENT_OPEN)
		statement_refuse(import, index, "nothing here knows what this is for");
	return json_pack("{s:i, s:s, s:b, s:s?, s:s?, s:s?}", "line", (int)statement->line, "text",
			 statement->text, "understood", statement->state == STATEMENT_UNDERSTOOD, "became",
			 title, "what", draft ? draft_effect(draft) : NULL, "message", statement->message);
}

static json_t *lines_json(struct import *import)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < import->statement_count; i++)
		if (!import->statements[i].quiet)
			json_array_append_new(list, line_json(import, (int)i));
	return list;
}

/* --- the whole --- */

static int import_init(struct import *import, const struct config *config, const struct links *links)
{
	*import = (struct import){ .arena = arena_new(), .config = config, .links = links };
	import->failed = !import->arena;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		const struct object_list *list = &config->lists[kind];

		import->names[kind] = json_object();
		for (unsigned i = 0; i < list->count; i++)
			if (list->items[i]->name)
				json_object_set_new(import->names[kind], list->items[i]->name,
						    json_integer(1));
	}
	return import->failed ? -ENOMEM : 0;
}

static void import_done(struct import *import)
{
	for (unsigned i = 0; i < import->draft_count; i++) {
		json_decref(import->drafts[i].fields);
		object_unref(import->drafts[i].object);
	}
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		json_decref(import->names[kind]);
		json_decref(import->same[kind]);
	}
	arena_free(import->arena);
}

static void read_text(struct import *import, const struct import_source *source)
{
	switch (source->format) {
	case IMPORT_IPTABLES_SAVE:
	case IMPORT_IPTABLES:
		import_rules(import, source->text, source->format == IMPORT_IPTABLES);
		break;
	case IMPORT_UCI_FIREWALL:
		import_firewall(import, source->text, source->network_text);
		break;
	case IMPORT_UCI_MWAN3:
		import_mwan3(import, source->text, source->network_text);
		break;
	case IMPORT_FORMATS:
		break;
	}
}

int import_run(const struct import_source *source, const struct config *config, const struct links *links,
	       struct import_result *ret_result, struct err *err)
{
	struct import_result result = { 0 };
	struct import import;
	int r = import_init(&import, config, links);

	if (r == 0)
		read_text(&import, source);
	if (import.failed)
		r = err_memory(err);
	else if (import.steps > STEPS_MAX)
		r = err_field(err, "/text",
			      "has too many rules that must be held against each other: import it in parts");
	else if (import.statement_count == IMPORT_STATEMENTS_MAX)
		r = err_field(err, "/text", "must have at most %d commands or options",
			      IMPORT_STATEMENTS_MAX);
	else
		r = make_config(&import, &result.config, err);
	if (r == 0) {
		result.objects = objects_json(&import);
		result.lines = lines_json(&import);
		*ret_result = result;
	}
	import_done(&import);
	return r;
}

void import_result_done(struct import_result *result)
{
	config_unref(result->config);
	json_decref(result->objects);
	json_decref(result->lines);
	*result = (struct import_result){ 0 };
}
