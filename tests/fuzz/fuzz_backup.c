/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any document as a backup: it is refused with words, or gives a configuration that is as it was when put in again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/backup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct err *err)
{
	if (err->kind == ERR_NONE || (err->count == 0 && err->detail[0] == '\0'))
		abort();
}

static void check_config(const json_t *json)
{
	struct config *config, *again;
	struct changes changes;
	json_t *back;
	struct err err;

	err_clear(&err);
	if (config_from_json(json, NULL, &config, &err) < 0) {
		check_refusal(&err);
		return;
	}
	back = config_to_json(config);
	if (config_from_json(back, config, &again, &err) < 0 || config_diff(config, again, &changes) < 0 ||
	    changes.count > 0)
		abort();
	changes_done(&changes);
	json_decref(back);
	config_unref(again);
	config_unref(config);
}

static void check_content(json_t *content)
{
	struct backup_content parts;
	struct err err;

	err_clear(&err);
	if (backup_content(content, &parts, &err) == 0)
		check_config(parts.config);
	else
		check_refusal(&err);
}

/* The sum is right in few of the documents that chance makes, so the content is looked at in any case. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *document = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
				      NULL);
	struct backup backup;
	struct err err;

	if (!document)
		return 0;
	err_clear(&err);
	if (backup_read(document, &backup, &err) == 0)
		backup_done(&backup);
	else
		check_refusal(&err);
	if (json_object_get(document, "content"))
		check_content(json_object_get(document, "content"));
	json_decref(document);
	return 0;
}
