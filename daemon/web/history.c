/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Revisions: what was changed, and the way back. */
#include <errno.h>
#include <string.h>

#include "web/request.h"

enum { LIST_DEFAULT = 50, LIST_MAX_ITEMS = 200 };

/* --- reading --- */

int revision_list(struct request *request, struct err *err)
{
	uint64_t before = number_max, limit = LIST_DEFAULT;
	json_t *items = NULL, *next;
	size_t count;
	int rc = access_number(request, "before", 1, number_max, &before, err);

	if (rc == 0)
		rc = access_number(request, "limit", 1, LIST_MAX_ITEMS, &limit, err);
	/* One more tells whether there is another page. */
	if (rc == 0)
		rc = store_list_revisions(request->web->store, before, (unsigned)limit + 1, &items, err);
	if (rc < 0)
		return rc;
	count = json_array_size(items);
	if (count > limit)
		json_array_remove(items, --count);
	else
		count = 0;
	next = count ? json_object_get(json_array_get(items, count - 1), "number") : NULL;
	request->answer.json = json_pack("{s:o, s:O?}", "items", items, "next", next);
	return 0;
}

int revision_get(struct request *request, struct err *err)
{
	int rc = store_get_revision(request->web->store, request->number, &request->answer.json, err);

	return rc < 0 ? rc : changes_explain(json_object_get(request->answer.json, "changes"));
}

/* NULL when out of memory. */
static json_t *differences(const struct config *from, const struct config *to)
{
	struct changes changes;
	json_t *json;

	if (config_diff(from, to, &changes) < 0)
		return NULL;
	json = changes_to_json(&changes);
	changes_done(&changes);
	if (json && changes_explain(json) < 0) {
		json_decref(json);
		json = NULL;
	}
	return json;
}

int revision_diff(struct request *request, struct err *err)
{
	struct engine *engine = request->web->engine;
	uint64_t to = engine_revision(engine);
	struct config *a = NULL, *b = NULL;
	int rc = access_number(request, "to", 0, number_max, &to, err);

	if (rc == 0)
		rc = engine_former(engine, request->number, &a, err);
	if (rc == 0)
		rc = engine_former(engine, to, &b, err);
	if (rc == 0)
		request->answer.json = json_pack("{s:I, s:I, s:o}", "from", (json_int_t)request->number, "to",
						 (json_int_t)to, "changes", differences(a, b));
	config_unref(a);
	config_unref(b);
	return rc;
}

/* --- the way back --- */

/* Rules may have become stricter since, so what was right once may not be any more. */
static int check_former(const struct config *former, uint64_t number, struct err *err)
{
	struct err fault;

	err_clear(&fault);
	if (config_check(former, NULL, &fault) == 0)
		return 0;
	return err_set(err, ERR_CONFLICT, "the configuration of revision %llu is not valid any more: %s%s%s",
		       (unsigned long long)number, fault.count > 0 ? fault.items[0].path : fault.detail,
		       fault.count > 0 ? " " : "", fault.count > 0 ? fault.items[0].message : "");
}

int revision_restore(struct request *request, struct err *err)
{
	struct engine *engine = request->web->engine;
	char reason[48];
	struct config *former;
	json_t *changes;
	int rc = engine_former(engine, request->number, &former, err);

	if (rc < 0)
		return rc;
	rc = check_former(former, request->number, err);
	if (rc < 0) {
		config_unref(former);
		return rc;
	}
	changes = differences(engine_config(engine), former);
	if (!changes) {
		config_unref(former);
		return -ENOMEM;
	}
	snprintf(reason, sizeof(reason), "restore of %llu", (unsigned long long)request->number);
	rc = request_commit(request, former, NULL, reason, err);
	if (rc < 0)
		json_decref(changes);
	else
		request->answer.json = json_pack("{s:I, s:o}", "revision",
						 (json_int_t)engine_revision(engine), "changes", changes);
	return rc;
}
