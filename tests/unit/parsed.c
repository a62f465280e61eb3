/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "parsed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/config_check.h"

void parse_world(const char *config_text, const char *links_text, struct config **ret_config,
		 struct links *ret_links)
{
	json_t *json = json_loads(config_text, 0, NULL), *links_json = json_loads(links_text, 0, NULL);
	struct config *empty = config_new();
	struct err err;

	err_clear(&err);
	assert_int_equal(config_from_json(json, empty, ret_config, &err), 0);
	assert_int_equal(config_check(*ret_config, NULL, &err), 0);
	assert_int_equal(links_from_json(links_json, ret_links), 0);
	json_decref(json);
	json_decref(links_json);
	config_unref(empty);
}

struct ip ip(const char *text)
{
	struct ip parsed;

	if (ip_parse(text, &parsed) < 0)
		fail_msg("not an address: %s", text);
	return parsed;
}
