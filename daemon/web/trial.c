/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes on trial, and whether who made one still reaches us. A connection from before the change proves nothing: it
 * may live on where a new one could not be made. So the connections that are older than the change are counted as old;
 * each of them is closed with its next answer, and the first request over a new one shows that the network works.
 */
#include "web/request.h"

bool route_takes_trial(const struct route *route)
{
	return (route->flags & ROUTE_CHANGES) && (route->flags & ROUTE_REVISION);
}

void trial_changed(struct web *web)
{
	if (engine_on_trial(web->engine))
		web->old_connection = web->connection_count;
}

bool trial_outdates(const struct request *request)
{
	const union MHD_ConnectionInfo *info;

	if (!engine_on_trial(request->web->engine))
		return false;
	info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return !info || (uintptr_t)info->socket_context <= request->web->old_connection;
}

json_t *trial_status(const struct request *request)
{
	json_t *json = engine_trial_status(request->web->engine);

	if (json_is_object(json))
		json_object_set_new(json, "reached", json_boolean(!trial_outdates(request)));
	return json;
}

int confirm_post(struct request *request, struct err *err)
{
	struct engine *engine = request->web->engine;
	int rc = engine_confirm(engine, access_author(request), err);

	if (rc == 0)
		request->answer.json = json_pack("{s:I}", "revision", (json_int_t)engine_revision(engine));
	return rc;
}
