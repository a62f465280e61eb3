/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of the admin page, compiled in and compressed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "web/assets.h"
#include "web/request.h"

void page_secure(struct MHD_Response *response)
{
	static const struct {
		const char *name, *value;
	} headers[] = {
		{ "Content-Security-Policy",
		  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
		  "form-action 'none'; frame-ancestors 'none'; base-uri 'none'" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cross-Origin-Opener-Policy", "same-origin" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
	};

	for (unsigned i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		MHD_add_response_header(response, headers[i].name, headers[i].value);
}

static const struct asset *find(const char *path)
{
	if (strcmp(path, "/") == 0)
		path = "/index.html";
	for (unsigned i = 0; i < asset_count; i++) {
		if (strcmp(assets[i].path, path) == 0)
			return &assets[i];
	}
	return NULL;
}

/* "q=0", "q=0.0": not wanted (RFC 9110, 12.4.2). */
static bool weight_is_zero(const char *parameters, size_t length)
{
	const char *q = memmem(parameters, length, "q=", 2);

	return q && strtod(q + 2, NULL) <= 0;
}

/* Who does not say takes anything (RFC 9110, 12.5.3). */
static bool accepts_gzip(const char *accepted)
{
	if (!accepted)
		return true;
	while (*accepted) {
		size_t length, name;

		accepted += strspn(accepted, " \t,");
		length = strcspn(accepted, ",");
		name = strcspn(accepted, " \t,;");
		if ((name == 4 && strncasecmp(accepted, "gzip", 4) == 0) || (name == 1 && *accepted == '*'))
			return !weight_is_zero(accepted + name, length - name);
		accepted += length;
	}
	return false;
}

int page_check(struct request *request, struct err *err)
{
	const struct asset *asset = find(request->path);

	if (!asset)
		return err_set(err, ERR_NOT_FOUND, "there is nothing at this path");
	if (request->method != METHOD_GET) {
		request->answer.status = 405;
		snprintf(request->answer.allow, sizeof(request->answer.allow), "GET");
		return err_set(err, ERR_FORBIDDEN, "this path does not know the method; it knows GET");
	}
	if (!accepts_gzip(request_header(request, "Accept-Encoding"))) {
		request->answer.status = 406;
		return err_set(err, ERR_FORBIDDEN,
			       "this file is kept compressed: send Accept-Encoding: gzip");
	}
	request->asset = asset;
	return 0;
}

static bool is_index(const struct asset *asset)
{
	return strcmp(asset->path, "/index.html") == 0;
}

enum MHD_Result page_send(struct request *request)
{
	const struct asset *asset = request->asset;
	const char *known = request_header(request, "If-None-Match");
	bool unchanged = known && (strstr(known, asset->etag) || strcmp(known, "*") == 0);
	struct MHD_Response *response = MHD_create_response_from_buffer(
		unchanged ? 0 : asset->size, (void *)asset->data, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result rc;

	if (!response)
		return MHD_NO;
	page_secure(response);
	MHD_add_response_header(response, "ETag", asset->etag);
	MHD_add_response_header(response, "Vary", "Accept-Encoding");
	MHD_add_response_header(response, "Cache-Control",
				is_index(asset) ? "no-cache" : "public, max-age=31536000, immutable");
	if (!unchanged) {
		MHD_add_response_header(response, "Content-Type", asset->content_type);
		MHD_add_response_header(response, "Content-Encoding", "gzip");
	}
	rc = MHD_queue_response(request->connection, unchanged ? 304 : 200, response);
	MHD_destroy_response(response);
	return rc;
}
