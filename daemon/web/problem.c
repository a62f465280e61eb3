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

/* What came from outside, such as a parameter's name or a kernel's words, may not be UTF-8. */
static json_t *plain_text(const char *text)
{
	json_t *json = json_string(text);
	char copy[ERR_DETAIL_MAX];

	if (json)
		return json;
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *p = copy; *p; p++) {
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	}
	return json_string(copy);
}

json_t *problem_json(unsigned status, const struct err *err)
{
	const struct problem *problem = problem_find(status);
	const char *title = problem ? problem->title : "Internal error";
	const char *detail = err->detail;
	json_t *errors = json_array();

	for (unsigned i = 0; i < err->count; i++)
		json_array_append_new(errors, json_pack("{s:o, s:o}", "path", plain_text(err->items[i].path),
							"message", plain_text(err->items[i].message)));
	if (detail[0] == '\0')
		detail = err->count > 0 ? err->items[0].message : title;
	return json_pack("{s:s+, s:s, s:i, s:o, s:o}", "type",
			 "urn:portico:problem:", problem ? problem->type : "internal", "title", title,
			 "status", (int)status, "detail", plain_text(detail), "errors", errors);
}
