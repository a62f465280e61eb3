/* SPDX-License-Identifier: GPL-2.0-or-later */
/* struct err as an RFC 9457 problem document. */
#include "web/request.h"

struct problem {
	enum err_kind kind; /* ERR_NONE: HTTP's own */
	unsigned status;
	const char *type;
	const char *title;
};

static const struct problem problems[] = {
	{ ERR_SYNTAX, 400, "malformed", "The request cannot be read" },
	{ ERR_UNAUTHENTICATED, 401, "unauthenticated", "Not logged in" },
	{ ERR_FORBIDDEN, 403, "forbidden", "Not allowed" },
	{ ERR_NOT_FOUND, 404, "not-found", "Not found" },
	{ ERR_NONE, 405, "method-not-allowed", "Method not allowed" },
	{ ERR_NONE, 406, "not-acceptable", "Not acceptable" },
	{ ERR_CONFLICT, 409, "conflict", "In conflict with what is there" },
	{ ERR_STALE, 412, "stale", "Changed in the meantime" },
	{ ERR_TOO_LARGE, 413, "too-large", "Too large" },
	{ ERR_NONE, 415, "unsupported-media-type", "Unsupported media type" },
	{ ERR_INVALID, 422, "invalid", "Not valid" },
	{ ERR_THROTTLED, 429, "throttled", "Too many tries" },
	{ ERR_INTERNAL, 500, "internal", "Internal error" },
	{ ERR_KERNEL, 502, "kernel", "Refused by the kernel" },
	{ ERR_UNAVAILABLE, 503, "unavailable", "Not available now" },
};

enum { PROBLEM_COUNT = sizeof(problems) / sizeof(problems[0]) };

unsigned problem_status(enum err_kind kind)
{
	for (unsigned i = 0; i < PROBLEM_COUNT; i++) {
		if (problems[i].kind == kind && kind != ERR_NONE)
			return problems[i].status;
	}
	return 500;
}

static const struct problem *problem_find(unsigned status)
{
	for (unsigned i = 0; i < PROBLEM_COUNT; i++) {
		if (problems[i].status == status)
			return &problems[i];
	}
	return NULL;
}

const char *problem_title(unsigned status)
{
	const struct problem *problem = problem_find(status);

	return problem ? problem->title : NULL;
}

json_t *problem_json(unsigned status, const struct err *err)
{
	const struct problem *problem = problem_find(status);
	json_t *errors = json_array();
	const char *detail = err->detail;

	for (unsigned i = 0; i < err->count; i++)
		json_array_append_new(errors, json_pack("{s:s, s:s}", "path", err->items[i].path, "message",
							err->items[i].message));
	if (detail[0] == '\0')
		detail = err->count > 0 ? err->items[0].message : problem ? problem->title : "";
	return json_pack("{s:s+, s:s, s:i, s:s, s:o}", "type",
			 "urn:portico:problem:", problem ? problem->type : "internal", "title",
			 problem ? problem->title : "Internal error", "status", (int)status, "detail", detail,
			 "errors", errors);
}
