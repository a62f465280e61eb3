/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_WEB_EVENTS_H
#define PORTICO_WEB_EVENTS_H

/*
 * GET /events: who follows what happens. Facts of the engine become events in one ring; each stream reads on in it
 * at its own pace. Private to web/.
 */

#include "engine/events.h"
#include "web/request.h"
#include "web/ring.h"

struct events; /* all of it */
struct stream; /* one client's */

int events_new(struct web *web, struct events **ret_events);
/* Ends all streams; to be called before the HTTP server stops. Takes NULL. */
void events_end(struct events *events);
void events_free(struct events *events); /* takes NULL */

/* Ends the streams whose session is over. */
void events_check_sessions(struct events *events);

/* The answer of a request that has a stream. A new reference, NULL when out of memory. */
struct MHD_Response *stream_response(struct stream *stream);
void stream_free(struct stream *stream); /* takes NULL */

/* --- events_json.c: what goes into "data" --- */

/* NULL when out of memory. */
json_t *event_json(const struct engine *engine, const struct engine_event *event);
const char *event_name(enum engine_event_kind kind);

/* The data of a hello but for its last member, the list of forwards, which goes out in pieces: "{...,"forwards":[". */
void hello_begin(struct engine *engine, struct buf *buf);
/* The next items of that list, those behind the forward *cursor (0 at first). False: there are no more. */
bool hello_forwards(struct engine *engine, uint32_t *cursor, struct buf *buf);

#endif
