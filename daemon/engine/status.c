/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine tells of itself: the kernel's state, uplinks. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/private.h"

/* An enabled forward needs fw4's chain forward, or input if it leads to the router itself. */
static bool includes_missing(const struct engine *engine)
{
	const struct object_list *forwards = &engine->config->lists[KIND_FORWARD];

	if (!engine->fw4.there || (engine->fw4.input && engine->fw4.forward))
		return false;
	for (unsigned i = 0; i < forwards->count; i++)
		if (forward_in_force((const struct forward *)forwards->items[i], &engine->environment))
			return true;
	return false;
}

static json_t *failure_of_includes(const struct engine *engine)
{
	const char *chains = engine->fw4.input   ? "its chain forward lacks" :
			     engine->fw4.forward ? "its chain input lacks" :
						   "its chains forward and input lack";
	char message[512];

	snprintf(
		message, sizeof(message),
		"OpenWrt's firewall drops what forwards let in: %s Portico's include. Copy /usr/share/portico/portico.nft to "
		"/usr/share/nftables.d/chain-pre/forward/ and /usr/share/nftables.d/chain-pre/input/, then run "
		"`fw4 reload`. If it is there already, `option auto_includes '0'` in /etc/config/firewall keeps "
		"it out.",
		chains);
	return json_pack("{s:s, s:s}", "step", "nft list table inet fw4", "message", message);
}

static json_t *kernel_failures(const struct engine *engine)
{
	json_t *failures = json_array();

	for (unsigned i = 0; i < engine->refusal_count; i++)
		json_array_append_new(failures, json_pack("{s:s, s:s}", "step", engine->refusals[i].step,
							  "message", engine->refusals[i].text));
	if (includes_missing(engine))
		json_array_append_new(failures, failure_of_includes(engine));
	return failures;
}

static json_t *last_found(const struct engine *engine)
{
	json_t *texts = json_array();

	for (unsigned i = 0; i < engine->last_found.count; i++)
		json_array_append_new(texts, json_string(engine->last_found.texts[i]));
	return texts;
}

json_t *engine_kernel_status(const struct engine *engine)
{
	json_t *failures = kernel_failures(engine);
	const char *last_error = json_string_value(json_object_get(json_array_get(failures, 0), "message"));
	int64_t retry_in_ms = mend_retry_in_ms(engine);

	return json_pack("{s:b, s:s?, s:I, s:o, s:o, s:o, s:o}", "in_sync",
			 engine->observed && engine->observed == engine->desired && !engine->dirty &&
				 !engine->unread && !last_error,
			 "last_error", last_error, "mended", (json_int_t)engine->mended, "last_mended",
			 time_to_json(engine->last_mended), "last_found", last_found(engine), "retry_in_s",
			 retry_in_ms < 0 ? json_null() : json_real((double)retry_in_ms / 1000), "failures",
			 failures);
}

json_t *engine_firewall_status(const struct engine *engine)
{
	const struct fw4 *fw4 = &engine->fw4;

	return json_pack("{s:s, s:b, s:o}", "mode",
			 filter_is_ours(engine->config, &engine->environment) ? "own" : "beside", "fw4",
			 fw4->there, "include",
			 fw4->there ? json_boolean(fw4->input && fw4->forward) : json_null());
}

int64_t engine_uplink_since(const struct engine *engine, uint32_t uplink_id)
{
	return uplink_id <= UPLINKS_MAX ? engine->uplinks[uplink_id].since : 0;
}
