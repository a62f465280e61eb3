/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_TESTS_PARSED_H
#define PORTICO_TESTS_PARSED_H

/* What tests write as text. */

#include "model/config.h"
#include "model/links.h"

/* A configuration that is valid, and links; both as JSON. */
void parse_world(const char *config_text, const char *links_text, struct config **ret_config,
		 struct links *ret_links);

struct ip ip(const char *text);

#endif
