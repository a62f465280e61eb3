/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every operation of the API, in one table. */
#include "web/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct route routes[] = {
	{ METHOD_GET, "/setup", WHO_ANYONE, setup_get, .name = "getSetup", .response = "Setup", .status = 200,
	  .summary = "Whether a password has been set; over the Unix socket also the setup code" },
	{ METHOD_POST, "/setup", WHO_ANYONE, setup_post, .name = "finishSetup", .request = "SetupInput",
	  .response = "Setup", .status = 201, .body_max = BODY_STRANGER_MAX, .flags = ROUTE_THROTTLED,
	  .summary =
		  "Set the password of admin, with the setup code from the log or from `portico setup-code`" },
	{ METHOD_PUT, "/password", WHO_ROOT, password_put, .name = "setPassword", .request = "PasswordInput",
	  .response = "Setup", .status = 200, .body_max = BODY_STRANGER_MAX,
	  .flags = ROUTE_SECRET | ROUTE_DEFERS,
	  .summary =
		  "Set the password of admin, as `portico password` does: over the Unix socket only; every session ends" },
	{ METHOD_POST, "/session", WHO_VISITOR, session_post, .name = "logIn", .request = "SessionInput",
	  .response = "Session", .status = 201, .body_max = BODY_STRANGER_MAX, .flags = ROUTE_THROTTLED,
	  .summary = "Log in: a cookie, and the value of X-CSRF-Token for every write" },
	{ METHOD_GET, "/session", WHO_ADMIN, session_get, .name = "getSession", .response = "Session",
	  .status = 200, .summary = "Who is logged in" },
	{ METHOD_DELETE, "/session", WHO_ADMIN, session_delete, .name = "logOut", .status = 204,
	  .summary = "Log out" },

	{ METHOD_GET, "/status", WHO_ADMIN, status_get, .name = "getStatus", .response = "Status",
	  .status = 200, .flags = ROUTE_REVISION,
	  .summary = "Version, revision, whether the kernel is in sync, uplinks, what is enforced" },
	{ METHOD_GET, "/links", WHO_ADMIN, links_get, .name = "listLinks", .response = "LinkList",
	  .status = 200, .summary = "The router's network devices" },

	{ METHOD_GET, "/events", WHO_ADMIN, events_get, .name = "followEvents", .response = "Event",
	  .status = 200, .query = "last_event_id", .flags = ROUTE_STREAM,
	  .summary = "What happens, as it happens: server-sent events, without end" },

	{ METHOD_GET, "/uplinks/{id}/health", WHO_ADMIN, uplink_health_get, .name = "getUplinkHealth",
	  .response = "UplinkHealth", .status = 200,
	  .summary = "What was measured of one uplink lately, and when it went up and down" },
	{ METHOD_POST, "/uplinks/{id}/test", WHO_ADMIN, uplink_test_post, .name = "testUplink",
	  .response = "UplinkTest", .status = 200, .flags = ROUTE_CONFLICTS,
	  .summary =
		  "Probe one uplink's targets now, or its gateways if it has no health check, and wait for the result" },

	{ METHOD_GET, "/settings", WHO_ADMIN, settings_get, .name = "getSettings", .response = "Settings",
	  .status = 200, .flags = ROUTE_REVISION, .summary = "The settings" },
	{ METHOD_PATCH, "/settings", WHO_ADMIN, settings_patch, .name = "changeSettings",
	  .request = "SettingsPatch", .response = "Settings", .status = 200,
	  .flags = ROUTE_CHANGES | ROUTE_REVISION, .summary = "Change some settings" },

	{ METHOD_GET, "/config", WHO_ADMIN, config_get, .name = "getConfig", .response = "Config",
	  .status = 200, .flags = ROUTE_REVISION, .summary = "The whole configuration" },
	{ METHOD_PUT, "/config", WHO_ADMIN, config_put_all, .name = "replaceConfig", .request = "ConfigInput",
	  .response = "Config", .status = 200, .body_max = BODY_CONFIG_MAX,
	  .flags = ROUTE_CHANGES | ROUTE_REVISION,
	  .summary = "Replace the whole configuration; what is left out goes, names identify objects" },
	{ METHOD_POST, "/config/plan", WHO_ADMIN, config_plan, .name = "planConfig", .request = "ConfigInput",
	  .response = "Plan", .status = 200, .body_max = BODY_CONFIG_MAX, .flags = ROUTE_CHANGES,
	  .summary = "What PUT /config would change, here and in the kernel; does nothing" },

	{ METHOD_GET, "/config/export", WHO_ADMIN, config_export, .name = "exportConfig",
	  .response = "Export", .status = 200, .query = "format", .flags = ROUTE_TEXT,
	  .summary =
		  "What Portico does in the words of nft, iptables or OpenWrt, for reading and for leaving" },
	{ METHOD_POST, "/backup", WHO_ADMIN, backup_post, .name = "makeBackup", .request = "BackupInput",
	  .response = "Backup", .status = 200, .flags = ROUTE_DEFERS,
	  .summary = "The configuration as one document to keep, encrypted if a passphrase is given" },
	{ METHOD_POST, "/restore", WHO_ADMIN, restore_post, .name = "restoreBackup",
	  .request = "RestoreInput", .response = "Restore", .status = 200, .body_max = BODY_CONFIG_MAX,
	  .flags = ROUTE_CHANGES | ROUTE_REVISION | ROUTE_DEFERS,
	  .summary =
		  "Make the configuration that of a backup; or, with dry_run, show what that would change" },
	{ METHOD_POST, "/import", WHO_ADMIN, import_post, .name = "importRules", .request = "ImportInput",
	  .response = "Import", .status = 200, .body_max = BODY_IMPORT_MAX,
	  .flags = ROUTE_CHANGES | ROUTE_REVISION,
	  .summary =
		  "Turn rules of iptables or OpenWrt into objects; only shows them, unless dry_run is false" },

	{ METHOD_GET, "/revisions", WHO_ADMIN, revision_list, .name = "listRevisions",
	  .response = "RevisionList", .status = 200, .query = "before limit",
	  .summary = "What was changed, when and by whom: the newest revisions first" },
	{ METHOD_GET, "/revisions/{number}", WHO_ADMIN, revision_get, .name = "getRevision",
	  .response = "Revision", .status = 200, .summary = "One revision, with all that it changed" },
	{ METHOD_GET, "/revisions/{number}/diff", WHO_ADMIN, revision_diff, .name = "compareRevisions",
	  .response = "RevisionDiff", .status = 200, .query = "to", .flags = ROUTE_CONFLICTS,
	  .summary = "What makes the configuration of another revision of this one's" },
	{ METHOD_POST, "/revisions/{number}/restore", WHO_ADMIN, revision_restore, .name = "restoreRevision",
	  .response = "RevisionRestored", .status = 200, .flags = ROUTE_CHANGES | ROUTE_REVISION,
	  .summary = "Bring a former configuration back, as a new revision" },

	{ METHOD_GET, "/tokens", WHO_ADMIN, token_list, .name = "listTokens", .response = "TokenList",
	  .status = 200, .summary = "The tokens of programs, without their secrets" },
	{ METHOD_POST, "/tokens", WHO_ADMIN, token_post, .name = "addToken", .request = "TokenInput",
	  .response = "TokenMade", .status = 201, .flags = ROUTE_CONFLICTS | ROUTE_SECRET,
	  .summary = "Make a token; its secret is told now, and never again" },
	{ METHOD_DELETE, "/tokens/{id}", WHO_ADMIN, token_delete, .name = "removeToken", .response = "Token",
	  .status = 200, .flags = ROUTE_SECRET, .summary = "Remove a token, which is refused from now on" },

	{ METHOD_GET, "/metrics", WHO_ADMIN, metrics_get, .name = "getMetrics", .response = "Metrics",
	  .status = 200, .flags = ROUTE_OUTSIDE, .summary = "For Prometheus" },

	{ METHOD_POST, "/confirm", WHO_ADMIN, confirm_post, .name = "confirm", .response = "Confirmed",
	  .status = 200, .flags = ROUTE_CHANGES, .summary = "Keep what is on trial" },

	{ METHOD_GET, "/openapi.json", WHO_VISITOR, openapi_get, .name = "getOpenapi", .response = "OpenApi",
	  .status = 200, .summary = "This document" },

	{ METHOD_GET, "/{collection}", WHO_ADMIN, object_list, .name = "list{Kind}s",
	  .response = "{Kind}List", .status = 200, .flags = ROUTE_REVISION, .summary = "All {kind}s" },
	{ METHOD_POST, "/{collection}", WHO_ADMIN, object_post, .name = "add{Kind}", .request = "{Kind}Input",
	  .response = "{Kind}", .status = 201, .flags = ROUTE_CHANGES | ROUTE_REVISION,
	  .summary = "Add one {kind}" },
	{ METHOD_GET, "/{collection}/{id}", WHO_ADMIN, object_get, .name = "get{Kind}", .response = "{Kind}",
	  .status = 200, .flags = ROUTE_REVISION, .summary = "One {kind}" },
	{ METHOD_PUT, "/{collection}/{id}", WHO_ADMIN, object_put, .name = "replace{Kind}",
	  .request = "{Kind}Input", .response = "{Kind}", .status = 200,
	  .flags = ROUTE_CHANGES | ROUTE_REVISION,
	  .summary = "Replace one {kind}; what is left out gets its default" },
	{ METHOD_PATCH, "/{collection}/{id}", WHO_ADMIN, object_patch, .name = "change{Kind}",
	  .request = "{Kind}Patch", .response = "{Kind}", .status = 200,
	  .flags = ROUTE_CHANGES | ROUTE_REVISION, .summary = "Change some fields of one {kind}" },
	{ METHOD_DELETE, "/{collection}/{id}", WHO_ADMIN, object_delete, .name = "remove{Kind}",
	  .response = "{Kind}", .status = 200, .flags = ROUTE_CHANGES | ROUTE_REVISION,
	  .summary = "Remove one {kind}" },
};

const unsigned route_count = sizeof(routes) / sizeof(routes[0]);

const char *method_name(enum method method)
{
	static const char *const names[METHOD_COUNT] = {
		[METHOD_GET] = "GET",     [METHOD_POST] = "POST",     [METHOD_PUT] = "PUT",
		[METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE",
	};

	return names[method];
}

const char *route_type(const struct route *route)
{
	if (route->flags & ROUTE_STREAM)
		return "text/event-stream";
	if (route->flags & ROUTE_OUTSIDE)
		return METRICS_TYPE;
	return route->flags & ROUTE_TEXT ? TEXT_TYPE : "application/json";
}

/* --- matching --- */

/* Length of the segment that starts behind the slash at `path`. */
static size_t segment_length(const char *path)
{
	return strcspn(path + 1, "/");
}

static bool match_collection(const char *segment, size_t length, enum kind *ret_kind)
{
	for (enum kind kind = KIND_NETWORK; kind < KIND_COUNT; kind++) {
		const char *name = kind_path(kind);

		if (strlen(name) == length && memcmp(name, segment, length) == 0) {
			*ret_kind = kind;
			return true;
		}
	}
	return false;
}

/* Decimal digits without a leading zero. */
static bool match_number(const char *segment, size_t length, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (length == 0 || length > NUMBER_DIGITS_MAX || (segment[0] == '0' && length > 1))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (segment[i] < '0' || segment[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(segment[i] - '0');
	}
	*ret_number = number;
	return true;
}

static bool match_id(const char *segment, size_t length, uint32_t *ret_id)
{
	uint64_t id;

	if (!match_number(segment, length, &id) || id < 1 || id > UINT32_MAX)
		return false;
	*ret_id = (uint32_t)id;
	return true;
}

static bool match_segment(const char *wanted, size_t wanted_length, const char *got, size_t got_length,
			  struct request *request)
{
	if (wanted_length == strlen("{collection}") && memcmp(wanted, "{collection}", wanted_length) == 0)
		return match_collection(got, got_length, &request->kind);
	if (wanted_length == strlen("{id}") && memcmp(wanted, "{id}", wanted_length) == 0)
		return match_id(got, got_length, &request->id);
	if (wanted_length == strlen("{number}") && memcmp(wanted, "{number}", wanted_length) == 0)
		return match_number(got, got_length, &request->number);
	return wanted_length == got_length && memcmp(wanted, got, got_length) == 0;
}

static bool match_path(const char *wanted, const char *got, struct request *request)
{
	while (*wanted == '/' && *got == '/') {
		size_t wanted_length = segment_length(wanted), got_length = segment_length(got);

		if (!match_segment(wanted + 1, wanted_length, got + 1, got_length, request))
			return false;
		wanted += 1 + wanted_length;
		got += 1 + got_length;
	}
	return *wanted == '\0' && *got == '\0';
}

bool route_is_outside(const char *path)
{
	for (unsigned i = 0; i < route_count; i++) {
		if (routes[i].handler && (routes[i].flags & ROUTE_OUTSIDE) &&
		    strcmp(routes[i].path, path) == 0)
			return true;
	}
	return false;
}

const struct route *route_find(struct request *request, struct err *err)
{
	bool outside = route_is_outside(request->path);
	const char *path = request->path + (outside ? 0 : strlen(API_PREFIX));
	struct buf allow;

	buf_init(&allow, sizeof(request->answer.allow) - 1);
	for (unsigned i = 0; i < route_count; i++) {
		if (!routes[i].handler || outside != !!(routes[i].flags & ROUTE_OUTSIDE) ||
		    !match_path(routes[i].path, path, request))
			continue;
		if (request->method == routes[i].method) {
			buf_done(&allow);
			return &routes[i];
		}
		buf_printf(&allow, "%s%s", allow.length > 0 ? ", " : "", method_name(routes[i].method));
	}
	if (allow.length == 0) {
		err_set(err, ERR_NOT_FOUND, "there is nothing at this path");
	} else {
		err_set(err, ERR_FORBIDDEN, "this path does not know the method; it knows %s",
			buf_text(&allow));
		request->answer.status = 405;
		snprintf(request->answer.allow, sizeof(request->answer.allow), "%s", buf_text(&allow));
	}
	buf_done(&allow);
	return NULL;
}

/* --- texts --- */

/* "source_nat" as "SourceNat". */
static void add_camel(const char *name, struct buf *buf)
{
	bool start = true;

	for (; *name; name++) {
		char c = start && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;

		start = *name == '_';
		if (!start)
			buf_add(buf, &c, 1);
	}
}

void route_expand(const char *text, enum kind kind, struct buf *buf)
{
	static const char *const marks[] = { "{collection}", "{Kind}", "{kind}" };

	while (*text) {
		size_t plain = strcspn(text, "{");
		unsigned mark = 0;

		buf_add(buf, text, plain);
		text += plain;
		while (mark < 3 && strncmp(text, marks[mark], strlen(marks[mark])) != 0)
			mark++;
		if (mark == 0)
			buf_puts(buf, kind_path(kind));
		else if (mark == 1)
			add_camel(kind_name(kind), buf);
		else if (mark == 2)
			buf_puts(buf, schema_of(kind)->noun);
		else if (*text)
			buf_add(buf, text, 1);
		text += mark < 3 ? strlen(marks[mark]) : *text != '\0';
	}
}
