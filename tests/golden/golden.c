/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * golden DIRECTORY [--update]: runs the compiler and the planner on every
 * *.golden file there. A file is a JSON object, a line "---", and the text
 * that must come out:
 *
 *   {"config": as in PUT /config, "links": as links_from_json() reads them,
 *    "environment": {"now", "week_minute", "fw4", "admin_ports",
 *                    "fitness": {"1": "silent", ...} by uplink id},
 *    "then": {"config", "links", "environment"}}    what changes afterwards, if anything
 *    "import": {"format", "file", "network"}    instead of "then": texts of others, in files of import/; or a list of
 *                                               them, each on top of what those before it have made
 *
 * Without "then" the text is the whole desired kernel state; with it, the
 * steps from the first state to the second. It is also checked that the plan
 * from nothing is not empty and that from a state to itself is. With "import" it is each
 * line of the file (+ understood, - not) with what became of it (= and, of what was there, ~), the objects,
 * and what differs in those that were there; with "export": "nft" and the like it is that export.
 *
 * Links model/, import/, export/ and base/ alone: whatever these need beyond them does not link.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/export.h"
#include "import/import.h"
#include "model/compile.h"
#include "model/plan.h"

enum { FILE_MAX = 1 << 20, OUTPUT_MAX = 4 << 20 };

struct input {
	struct config *config;
	struct links links;
	struct environment environment;
};

static void die(const char *file, const char *what)
{
	fprintf(stderr, "%s: %s\n", file, what);
	exit(2);
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, FILE_MAX);

	if (!file || !text)
		die(path, "cannot be read");
	size_t length = fread(text, 1, FILE_MAX - 1, file);

	text[length] = '\0';
	fclose(file);
	return text;
}

static uint8_t read_fitness(const char *word)
{
	static const char *const words[] = {
		[FITNESS_GOOD] = "good",     [FITNESS_UNTESTED] = "untested", [FITNESS_HELD] = "held",
		[FITNESS_SILENT] = "silent", [FITNESS_LOSSY] = "lossy",       [FITNESS_SLOW] = "slow",
	};

	for (uint8_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0)
			return i;
	die(word, "no such fitness");
	return 0;
}

static void read_environment(const json_t *json, struct environment *environment)
{
	const char *id;
	json_t *word;

	const json_t *ports = json_object_get(json, "admin_ports");

	environment->now = json_integer_value(json_object_get(json, "now"));
	environment->week_minute = (unsigned)json_integer_value(json_object_get(json, "week_minute"));
	environment->fw4 = json_is_true(json_object_get(json, "fw4"));
	for (size_t i = 0; i < json_array_size(ports) && i < 8; i++)
		environment->admin_ports[environment->admin_port_count++] = (uint16_t)json_integer_value(
			json_array_get(ports, i));
	json_object_foreach(json_object_get(json, "fitness"), id, word)
		environment->fitness[strtoul(id, NULL, 10) % (UPLINKS_MAX + 1)] = read_fitness(
		json_string_value(word));
}

/* Reads what `json` has of the three; the rest is as in `before`, which may be the defaults. */
static void read_input(const char *path, const json_t *json, const struct input *before,
		       struct input *ret_input)
{
	const json_t *config = json_object_get(json, "config"), *links = json_object_get(json, "links"),
		     *environment = json_object_get(json, "environment");
	struct config *empty = config_new();
	struct err err;

	err_clear(&err);
	*ret_input = (struct input){ 0 };
	if (!config && before)
		ret_input->config = config_ref(before->config);
	else if (config_from_json(config, before ? before->config : empty, &ret_input->config, &err) < 0 ||
		 config_check(ret_input->config, NULL, &err) < 0) {
		for (unsigned i = 0; i < err.count; i++)
			fprintf(stderr, "%s: %s: %s\n", path, err.items[i].path, err.items[i].message);
		die(path, err.detail);
	}
	if (links_from_json(links, &ret_input->links) < 0)
		die(path, "bad links");
	if (environment)
		read_environment(environment, &ret_input->environment);
	else if (before)
		ret_input->environment = before->environment;
	config_unref(empty);
}

static void compile_input(const char *path, const struct input *input, struct kstate *ret_state)
{
	struct plan plan;
	struct kstate nothing;

	if (compile(input->config, &input->links, &input->environment, ret_state) < 0)
		die(path, "does not compile");
	if (plan_make(ret_state, ret_state, &plan) < 0 || plan.count)
		die(path, "the plan from a state to itself is not empty");
	plan_done(&plan);
	kstate_init(&nothing);
	if (plan_make(ret_state, &nothing, &plan) < 0 || !plan.count)
		die(path, "the plan from nothing is empty");
	plan_done(&plan);
	kstate_done(&nothing);
}

static void print_plan(const char *path, const struct kstate *from, const struct kstate *to, struct buf *buf)
{
	struct plan plan;

	if (plan_make(to, from, &plan) < 0)
		die(path, "no plan");
	for (unsigned i = 0; i < plan.count; i++) {
		step_print(&plan.steps[i], UINT32_MAX, buf);
		buf_puts(buf, "\n");
	}
	plan_done(&plan);
}

/* --- what others wrote --- */

static char *read_import_file(const char *path, const json_t *name)
{
	const char *slash = strrchr(path, '/');
	char file[4096];

	if (!json_is_string(name))
		return NULL;
	snprintf(file, sizeof(file), "%.*s/import/%s", slash ? (int)(slash - path) : 1, slash ? path : ".",
		 json_string_value(name));
	return read_file(file);
}

static const char *member(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static void print_import(const struct import_result *result, struct buf *buf)
{
	size_t i;
	json_t *line, *object;

	json_array_foreach(result->lines, i, line)
	{
		buf_printf(buf, "%3lld %c %s\n", (long long)json_integer_value(json_object_get(line, "line")),
			   json_is_true(json_object_get(line, "understood")) ? '+' : '-',
			   member(line, "text"));
		if (member(line, "became")) {
			const char *what = member(line, "what");

			buf_printf(buf, "      %c %s\n", what && strcmp(what, "changed") == 0 ? '~' : '=',
				   member(line, "became"));
		}
		if (member(line, "message"))
			buf_printf(buf, "      : %s\n", member(line, "message"));
	}
	json_array_foreach(result->objects, i, object)
	{
		char *text = json_dumps(json_object_get(object, "object"), 0);

		buf_printf(buf, "%s %s\n", member(object, "kind"), text);
		free(text);
	}
}

/* "~ uplink wan {"tier": 2}" of each object that is another now. */
static void print_changed(const struct config *before, const struct config *after, struct buf *buf)
{
	struct changes changes;
	json_t *list, *change, *path;
	size_t i, k;

	if (config_diff(before, after, &changes) < 0)
		abort();
	list = changes_to_json(&changes);
	changes_explain(list);
	json_array_foreach(list, i, change)
	{
		json_t *now = json_object();
		char *text;

		json_array_foreach(json_object_get(change, "fields"), k, path)
		{
			const char *key = json_string_value(path);

			json_object_set(now, key, json_object_get(json_object_get(change, "after"), key));
		}
		text = json_dumps(now, 0);
		if (json_object_size(now) > 0)
			buf_printf(buf, "~ %s %s %s\n", member(change, "kind"),
				   member(change, "name") ? member(change, "name") : "-", text);
		free(text);
		json_decref(now);
	}
	json_decref(list);
	changes_done(&changes);
}

/* The input's configuration becomes the one with what was imported. */
static void run_import(const char *path, const json_t *json, struct input *input, struct buf *buf)
{
	char *text = read_import_file(path, json_object_get(json, "file"));
	char *network_text = read_import_file(path, json_object_get(json, "network"));
	const char *format = member(json, "format");
	struct import_source source = {
		.format = format ? import_format_parse(format) : import_format_guess(text),
		.text = text,
		.network_text = network_text,
	};
	struct import_result result;
	struct err err;

	err_clear(&err);
	if (import_run(&source, input->config, &input->links, &result, &err) < 0)
		die(path, err.count ? err.items[0].message : err.detail);
	print_import(&result, buf);
	print_changed(input->config, result.config, buf);
	config_unref(input->config);
	input->config = config_ref(result.config);
	import_result_done(&result);
	free(network_text);
	free(text);
}

static void run_imports(const char *path, const json_t *json, struct input *input, struct buf *buf)
{
	const json_t *one;
	size_t i;

	if (json_is_object(json))
		run_import(path, json, input, buf);
	json_array_foreach(json, i, one)
	{
		buf_printf(buf, "%s# %s\n", i > 0 ? "\n" : "", member(one, "file"));
		run_import(path, one, input, buf);
	}
}

static void run_export(const char *path, const char *format, const struct input *input, struct buf *buf)
{
	const struct export_source source = {
		.config = input->config,
		.links = &input->links,
		.environment = &input->environment,
		.title = "Portico, golden",
	};

	if (export_write(export_format_parse(format), &source, buf) < 0)
		die(path, "cannot be exported");
}

/* What must come out of the file's input. */
static char *output_of(const char *path, const char *text, size_t length)
{
	json_error_t error;
	json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	const json_t *then = json_object_get(json, "then");
	struct input first, second;
	struct kstate state, next;
	struct buf buf;

	if (!json)
		die(path, error.text);
	buf_init(&buf, OUTPUT_MAX);
	read_input(path, json, NULL, &first);
	compile_input(path, &first, &state);
	if (json_object_get(json, "import")) {
		run_imports(path, json_object_get(json, "import"), &first, &buf);
	} else if (member(json, "export")) {
		run_export(path, member(json, "export"), &first, &buf);
	} else if (then) {
		json_t *links = json_object_get(then, "links") ? NULL : json_object_get(json, "links");

		if (links)
			json_object_set((json_t *)then, "links", links);
		read_input(path, then, &first, &second);
		compile_input(path, &second, &next);
		print_plan(path, &state, &next, &buf);
		kstate_done(&next);
		config_unref(second.config);
		links_done(&second.links);
	} else {
		kstate_print(&state, &buf);
	}
	kstate_done(&state);
	config_unref(first.config);
	links_done(&first.links);
	json_decref(json);
	char *output = buf_steal(&buf);

	return output ? output : strdup("");
}

/* Shows the first line that differs. */
static void show_difference(const char *path, const char *expected, const char *got)
{
	unsigned line = 1;

	while (*expected && *expected == *got) {
		line += *expected == '\n';
		expected++;
		got++;
	}
	while (line > 1 && expected[-1] != '\n') {
		expected--;
		got--;
	}
	printf("%s: line %u below the dashes\n  expected: %.*s\n  got:      %.*s\n", path, line,
	       (int)strcspn(expected, "\n"), expected, (int)strcspn(got, "\n"), got);
}

static int run_file(const char *path, bool update)
{
	char *text = read_file(path);
	char *dashes = strstr(text, "\n---\n");

	if (!dashes)
		die(path, "no line of dashes");
	char *expected = dashes + 5, *got = output_of(path, text, (size_t)(dashes - text));
	int wrong = strcmp(expected, got) != 0;

	if (wrong && update) {
		FILE *file = fopen(path, "w");

		if (!file || fprintf(file, "%.*s\n---\n%s", (int)(dashes - text), text, got) < 0 ||
		    fclose(file))
			die(path, "cannot be written");
		printf("%s: updated\n", path);
		wrong = 0;
	} else if (wrong) {
		show_difference(path, expected, got);
	}
	free(got);
	free(text);
	return wrong;
}

static int is_golden(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && strcmp(dot, ".golden") == 0;
}

int main(int argc, char **argv)
{
	bool update = argc > 2 && strcmp(argv[2], "--update") == 0;
	struct dirent **files;
	int wrong = 0;

	if (argc < 2)
		die(argv[0], "usage: golden DIRECTORY [--update]");
	int count = scandir(argv[1], &files, is_golden, alphasort);

	if (count <= 0)
		die(argv[1], "no golden files there");
	for (int i = 0; i < count; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", argv[1], files[i]->d_name);
		wrong += run_file(path, update);
		free(files[i]);
	}
	free(files);
	printf("golden: %d files, %d wrong\n", count, wrong);
	return wrong ? 1 : 0;
}
