/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_WEB_ASSETS_H
#define PORTICO_WEB_ASSETS_H

/* The files of the admin page, compiled in. Generated into build/webui/assets.c by the page's build. */

struct asset {
	const char *path;          /* as requested: "/index.html", "/app-1a2b3c4d.js" */
	const char *content_type;  /* "text/html; charset=utf-8" */
	const char *etag;          /* with its quotes: "\"1a2b3c4d\"" */
	const unsigned char *data; /* gzip */
	unsigned size;
};

/* "/" answers with the asset whose path is "/index.html". All others have a hash in their name and never change. */
extern const struct asset assets[];
extern const unsigned asset_count;

#endif
