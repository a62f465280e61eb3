/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any text, in every format: each line is answered for, and what comes out is a right configuration, which can be exported
 * in every format.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "export/export.h"
#include "import/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config *config;
static struct links links;

static void make_world(void)
{
	json_t *json = json_loads(
		"{\"networks\": [{\"name\": \"home\", \"devices\": [\"br-lan\"]}],"
		" \"uplinks\": [{\"name\": \"dsl\", \"device\": \"eth0\"}],"
		" \"forwards\": [{\"name\": \"web\", \"external_ports\": \"80\", \"internal_address\": \"192.168.0.2\"}]}",
		0, NULL);
	json_t *devices = json_loads(
		"[{\"name\": \"br-lan\", \"index\": 4, \"bridge\": true, \"addresses\": [\"192.168.0.1/24\"]},"
		" {\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.1/24\"], \"gateway4\": \"192.0.2.254\"},"
		" {\"name\": \"eth1\", \"index\": 3, \"addresses\": [\"198.51.100.1/24\", \"2001:db8::1/64\"],"
		"  \"gateway4\": \"198.51.100.254\"}]",
		0, NULL);
	struct err err;

	err_clear(&err);
	if (config_from_json(json, NULL, &config, &err) < 0 || links_from_json(devices, &links) < 0)
		abort();
	json_decref(json);
	json_decref(devices);
}

static void check_lines(const struct import_result *result)
{
	size_t i;
	json_t *line;

	if (!json_is_array(result->lines) || !json_is_array(result->objects))
		abort();
	json_array_foreach(result->lines, i, line)
	{
		bool understood = json_is_true(json_object_get(line, "understood"));

		if (!json_is_string(json_object_get(line, "text")) ||
		    (!understood && !json_is_string(json_object_get(line, "message"))) ||
		    (!understood && !json_is_null(json_object_get(line, "became"))))
			abort();
	}
}

static void export_all(const struct config *exported)
{
	static const struct environment environment = { .now = 1700000000 };
	const struct export_source source = { exported, &links, &environment, "fuzz" };
	struct buf text;

	for (enum export_format format = 0; format < EXPORT_FORMATS; format++) {
		buf_init(&text, EXPORT_TEXT_MAX);
		if (export_write(format, &source, &text) < 0)
			abort();
		buf_done(&text);
	}
}

static void run_format(enum import_format format, const char *text)
{
	struct import_source source = { .format = format, .text = text, .network_text = text };
	struct import_result result;
	struct err err;

	err_clear(&err);
	if (import_run(&source, config, &links, &result, &err) < 0)
		return;
	check_lines(&result);
	if (config_check(result.config, NULL, &err) < 0 ||
	    result.config->lists[KIND_FORWARD].count < config->lists[KIND_FORWARD].count)
		abort();
	if (json_array_size(result.objects) > 0)
		export_all(result.config);
	import_result_done(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	json_t *checked;

	if (!config)
		make_world();
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	checked = json_string(text); /* what comes in JSON is UTF-8 */
	for (enum import_format format = 0; checked && format < IMPORT_FORMATS; format++)
		run_format(format, text);
	json_decref(checked);
	free(text);
	return 0;
}
