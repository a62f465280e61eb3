/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of others, in words of objects; see import/import.h. */
#include "import/import.h"

#include <errno.h>
#include <stdio.h>

#include "web/request.h"

enum import_member { FORMAT, TEXT, NETWORK_TEXT, DRY_RUN, IMPORT_MEMBERS };

static const struct member import_members[IMPORT_MEMBERS] = {
	[FORMAT] = { "format", MEMBER_TEXT, false, 32 },
	[TEXT] = { "text", MEMBER_TEXT, true, IMPORT_TEXT_MAX },
	[NETWORK_TEXT] = { "network_text", MEMBER_TEXT, false, IMPORT_TEXT_MAX },
	[DRY_RUN] = { "dry_run", MEMBER_FLAG, false, 0 },
};

static int read_source(const json_t *const values[IMPORT_MEMBERS], struct import_source *ret_source,
		       struct err *err)
{
	const char *format = json_string_value(values[FORMAT]);

	ret_source->text = json_string_value(values[TEXT]);
	ret_source->network_text = json_string_value(values[NETWORK_TEXT]);
	ret_source->format = format ? import_format_parse(format) : import_format_guess(ret_source->text);
	if (ret_source->format != IMPORT_FORMATS)
		return 0;
	return err_field(err, "/format",
			 "must be \"iptables-save\", \"iptables\", \"uci-firewall\" or \"uci-mwan3\"");
}

int import_post(struct request *request, struct err *err)
{
	struct engine *engine = request->web->engine;
	const json_t *values[IMPORT_MEMBERS];
	struct import_source source = { 0 };
	struct import_result result = { 0 };
	char reason[96];
	bool dry_run;
	int r = body_members(request, import_members, IMPORT_MEMBERS, values, err);

	if (r == 0)
		r = read_source(values, &source, err);
	if (r == 0)
		r = import_run(&source, engine_config(engine), engine_links(engine), &result, err);
	if (r < 0)
		return r;
	dry_run = !json_is_false(values[DRY_RUN]);
	r = engine_plan(engine, result.config, &request->answer.json, err);
	if (r == 0)
		r = changes_explain(json_object_get(request->answer.json, "changes"));
	if (r == 0) {
		json_t *more = json_pack("{s:s, s:b, s:O, s:O}", "format", import_format_name(source.format),
					 "dry_run", dry_run, "objects", result.objects, "lines",
					 result.lines);

		json_object_update(request->answer.json, more);
		json_decref(more);
	}
	if (r == 0 && !dry_run) {
		size_t added = json_array_size(result.objects);
		size_t all = json_array_size(json_object_get(request->answer.json, "changes"));

		snprintf(reason, sizeof(reason), "imported %zu objects, changed %zu (%s)", added, all - added,
			 import_format_name(source.format));
		r = request_commit(request, config_ref(result.config), NULL, reason, err);
	}
	import_result_done(&result);
	return r;
}
