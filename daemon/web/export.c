/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration in words of others; see export/export.h. */
#include "export/export.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "web/request.h"

enum { TITLE_MAX = HOSTNAME_MAX + 128 };

static void write_title(const struct request *request, char title[TITLE_MAX])
{
	char hostname[HOSTNAME_MAX], at[TIME_TEXT_MAX];

	snprintf(title, TITLE_MAX, "Portico " PORTICO_VERSION " on %s, revision %llu, %s",
		 hostname_get(hostname, sizeof(hostname)),
		 (unsigned long long)engine_revision(request->web->engine), time_format(time(NULL), at));
}

int config_export(struct request *request, struct err *err)
{
	const struct engine *engine = request->web->engine;
	const char *name = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "format");
	enum export_format format = export_format_parse(name ? name : "");
	struct environment environment = *engine_environment(engine);
	char title[TITLE_MAX];
	const struct export_source source = {
		.config = engine_config(engine),
		.links = engine_links(engine),
		.environment = &environment,
		.title = title,
	};
	struct buf text;

	if (format == EXPORT_FORMATS)
		return err_field(err, "?format", "must be \"nft\", \"iptables\" or \"uci\"");
	write_title(request, title);
	environment.now = time(NULL);
	buf_init(&text, EXPORT_TEXT_MAX);
	if (export_write(format, &source, &text) == 0)
		request->answer.text = buf_steal(&text);
	buf_done(&text);
	return request->answer.text ? 0 : -ENOMEM;
}
