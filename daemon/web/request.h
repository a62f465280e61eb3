/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_WEB_REQUEST_H
#define PORTICO_WEB_REQUEST_H

/*
 * One request on its way through web/: http.c makes it, route.c finds its
 * route, access.c decides whether it may, a handler answers it, http.c sends
 * the answer. Private to web/.
 */

#include <jansson.h>
#include <microhttpd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/worker.h"
#include "model/schema.h"
#include "web/auth.h"
#include "web/web.h"

#define API_PREFIX     "/api/v1"
#define SESSION_COOKIE "__Host-portico"
#define TEXT_TYPE      "text/plain; charset=utf-8"
#define METRICS_TYPE   "text/plain; version=0.0.4; charset=utf-8"

enum {
	BODY_MAX = 1 << 20,
	BODY_CONFIG_MAX = 16 << 20, /* 20,000 forwards are some 8 MiB */
	/* Empty objects take eighty times the memory of their text. 20,000 forwards have 440,000 values. */
	BODY_VALUES_MAX = 1 << 20,
	BODY_IMPORT_MAX = 4 << 20,    /* two texts of IMPORT_TEXT_MAX, with escapes */
	BODY_STRANGER_MAX = 64 << 10, /* of those who need no login: what they send takes memory, too */
	PATH_MAX_BYTES = 256,
	HOSTNAME_MAX = 256,
	BODY_STRINGS_MAX = 4,
	AUTHOR_MAX = NAME_MAX_BYTES + 8,
	NUMBER_DIGITS_MAX = 15, /* of revisions: JavaScript counts them exactly */
};

static const uint64_t number_max = 999999999999999;

/* How JSON is written: 0.1 shall not be 0.10000000000000001. */
#define JSON_FORMAT (JSON_COMPACT | JSON_REAL_PRECISION(12))

struct request;
struct asset;
struct events;
struct stream;

/*
 * Answers the request (request->answer) and returns 0, or returns a negative errno with `err` set,
 * which becomes a problem document. REQUEST_PENDING: request_defer() was called.
 */
typedef int handler_fn(struct request *request, struct err *err);

enum { REQUEST_PENDING = 1 };

enum method { METHOD_GET, METHOD_POST, METHOD_PUT, METHOD_PATCH, METHOD_DELETE, METHOD_COUNT };

enum who {
	WHO_ANYONE,  /* also before setup is finished */
	WHO_VISITOR, /* no login, but a finished setup */
	WHO_ADMIN,   /* a session, a token, or root over the Unix socket; who has a viewer's token may GET */
	WHO_ROOT,    /* over the Unix socket only */
};

/*
 * One operation. Both dispatch and the OpenAPI document come from the table of these. In `path`
 * "{collection}" stands for each kind of named objects, "{id}" for an object's id and "{number}" for a
 * revision's number; in schema names and texts "{Kind}" ("SourceNat") and "{kind}" ("source NAT") are replaced to match.
 */
struct route {
	enum method method;
	const char *path; /* below API_PREFIX */
	enum who who;
	handler_fn *handler;
	const char *name; /* operationId */
	const char *summary;
	const char *request;  /* schema of the body, NULL: none */
	const char *response; /* schema of the answer, NULL: none */
	unsigned status;      /* of success */
	size_t body_max;      /* 0: BODY_MAX */
	const char *query;    /* parameters that it takes, with spaces between them; NULL: none */
	unsigned flags;
};

enum {
	ROUTE_REVISION =
		1 << 0, /* the answer carries the revision, as ETag; with ROUTE_CHANGES: may be on trial */
	ROUTE_CHANGES = 1 << 1,   /* takes If-Match, may meet conflicts and the kernel's refusal */
	ROUTE_THROTTLED = 1 << 2, /* a try at a secret */
	ROUTE_STREAM = 1 << 3,    /* answers with events, without end */
	ROUTE_TEXT = 1 << 7,      /* answers with text */
	ROUTE_DEFERS = 1 << 8,    /* needs the worker thread, which may have too much to do */
	ROUTE_CONFLICTS = 1 << 4, /* may meet others that are at it */
	ROUTE_OUTSIDE = 1 << 5,   /* not below API_PREFIX; answers with text */
	ROUTE_SECRET = 1 << 6,    /* writes beside the configuration: the disk may refuse it */
};

extern const struct route routes[];
extern const unsigned route_count;

struct answer {
	unsigned status; /* 0: the route's; with an error: that of its kind */
	json_t *json;
	char *text; /* instead of JSON */
	char location[64];
	char cookie[192];
	char allow[40];
};

struct request {
	struct web *web;
	struct MHD_Connection *connection;
	const struct route *route; /* NULL: refused, or a file of the page */
	const struct asset *asset;
	struct stream *stream; /* the answer, for ROUTE_STREAM */
	enum method method;
	char path[PATH_MAX_BYTES];
	enum kind kind;            /* of {collection} */
	uint32_t id;               /* {id} */
	uint64_t number;           /* {number} */
	struct ip peer;            /* AF_UNSPEC: over the Unix socket, which is root */
	unsigned confirm_within_s; /* a change on trial; else 0 */
	uint32_t token_id;         /* of who comes with one; else 0 */
	bool viewer;
	char author[AUTHOR_MAX]; /* "admin", "root", "token NAME"; "" until it is known */
	struct buf body;
	uint64_t body_length; /* as received; the part beyond the limit is not kept */
	json_t *json;         /* the decoded body */
	bool large;           /* it took much memory for a short time */
	struct answer answer;
	struct err err;
	bool failed;   /* err holds the answer */
	bool complete; /* the answer stands */

	/* for request_defer() */
	void (*work)(void *data);
	int (*done)(struct request *request, struct err *err);
	void *data; /* wiped and freed with the request */
	size_t data_size;
	struct request *previous, *next;
};

struct web {
	struct loop *loop;
	struct engine *engine;
	struct store *store;
	struct worker *worker;
	struct auth auth;
	struct tokens *tokens; /* tokens.c's own */
	uint64_t started_ms;
	char *openapi; /* made when first asked for, as text: strangers may ask, and often */

	struct MHD_Daemon *mhd;
	struct watch *watch;
	struct timer *timer;   /* when MHD wants to be run */
	struct timer *resumed; /* at once: a request has been resumed */
	int unix_fd;
	struct watch *unix_watch;
	struct request *pending;    /* suspended ones */
	uintptr_t connection_count; /* that there ever were: each one's number is kept with it, see trial.c */
	uintptr_t old_connection;   /* the last one before the last change on trial */
	struct events *events;
};

/*
 * Lets MHD do all that it can do now, then tells the loop when to come back. To be called after everything that
 * touched MHD, but not from inside of it.
 */
void web_run(struct web *web);

static inline bool request_is_local(const struct request *request)
{
	return request->peer.family == AF_UNSPEC;
}

const char *request_header(const struct request *request, const char *name);

/*
 * Runs `work(request->data)` on the worker thread, then `done` on the loop, whose return value counts like a
 * handler's. The data must not be touched by the loop in between. A handler returns this function's value.
 */
int request_defer(struct request *request, void (*work)(void *data),
		  int (*done)(struct request *request, struct err *err), struct err *err);

/* The handler, which returns this function's value, is done, but the answer comes with request_finish(). */
int request_wait(struct request *request);
/* `rc` counts like a handler's. Not from within the handler. */
void request_finish(struct request *request, int rc);

/* --- route.c --- */

/* The route for method and path; else NULL, with the answer's status (404, 405 with Allow) and `err` set. */
const struct route *route_find(struct request *request, struct err *err);
/* Whether the path is one of those with ROUTE_OUTSIDE. */
bool route_is_outside(const char *path);
/* The media type of its answer. */
const char *route_type(const struct route *route);
/* Replaces the marks described at struct route. */
void route_expand(const char *text, enum kind kind, struct buf *buf);
const char *method_name(enum method method);

/* --- access.c --- */

/* Everything that can be said before the body is read. 0, or a negative errno with `err` (and the answer's status) set. */
int access_check(struct request *request, struct err *err);
/*
 * What may not hold any more when the request is about to be acted upon, since its body took its time or the worker
 * thread did: that whoever asks may (the session, the token is still there), and the revision that If-Match names.
 */
int access_check_again(struct request *request, struct err *err);
/* May the client try a secret once more? If so, that counts as a failure until brake_release(). */
int access_try(struct request *request, struct brake *brake, struct err *err);
/* The living session that the request's cookie names; valid until the loop turns. */
struct session *access_session(struct request *request);

/* Sets *ret_value to a parameter's number, if it is there. */
int access_number(struct request *request, const char *name, uint64_t min, uint64_t max, uint64_t *ret_value,
		  struct err *err);
/* Who makes the change, as the history names him. */
const char *access_author(const struct request *request);

/* --- problem.c --- */

unsigned problem_status(enum err_kind kind);
/* NULL for a status that is not answered with a problem. */
const char *problem_title(unsigned status);
json_t *problem_json(unsigned status, const struct err *err);

/* --- body.c --- */

/* Whether the JSON has more values than BODY_VALUES_MAX; to be asked before it is decoded. */
bool body_has_too_many(const char *text, size_t length);
/* Decodes the body into request->json. */
int body_parse(struct request *request, struct err *err);
/*
 * Checks that the body is an object with these members (a list ended by NULL, at most BODY_STRINGS_MAX), all of them
 * strings, each at most 256 bytes.
 */
int body_strings(const struct request *request, const char *const *members, const char **ret_values,
		 struct err *err);

/* What a body may have, where some of it may be left out. */
struct member {
	const char *name;
	enum { MEMBER_TEXT, MEMBER_FLAG, MEMBER_ANY } type;
	bool required;
	size_t max; /* bytes of a text */
};
/* Checks that the body is an object with no other members than these; NULL for what is absent. */
int body_members(const struct request *request, const struct member *members, unsigned count,
		 const json_t **ret_values, struct err *err);

/*
 * A new reference to `target` with the JSON merge patch (RFC 7396) applied. A null removes a field, which gives it its
 * default; but where null is a value of the field, it is that value.
 */
json_t *merge_patch(const struct fields *fields, const json_t *target, const json_t *patch);

/* --- state.c: what is observed of an object, NULL if its kind has no state --- */

json_t *object_state(const struct engine *engine, const struct object *object);
/* Rounded to so many digits behind the point; null if it is below 0. */
json_t *json_number(double value, int digits);
json_t *uplink_state(const struct engine *engine, const struct uplink *uplink);

/* --- status.c --- */

/* The uplink as it stands in the status: its name, id and state. */
json_t *uplink_status(const struct engine *engine, const struct uplink *uplink);
json_t *uplinks_status(const struct engine *engine);
/* The router's name, "" if it has none. */
const char *hostname_get(char *name, size_t size);

/* --- objects.c --- */

/*
 * Makes `next`, whose reference it consumes, the configuration in force, in the name of who asks. `reason` for the
 * history; NULL: the request. `focus` as in struct change_request.
 */
int request_commit(struct request *request, struct config *next, const struct object *focus,
		   const char *reason, struct err *err);

/* --- login.c --- */

/* Puts the hash of the password into the store and into force, and ends all sessions but that of who asks. */
int password_replace(struct request *request, const char *hash, struct err *err);

/* --- tokens.c --- */

int tokens_load(struct web *web, struct err *err);
void tokens_free(struct web *web);
/* The token with that secret, which counts as use of it; NULL if there is none. Valid until the loop turns. */
const struct token *tokens_find(struct web *web, const char *secret);
bool tokens_have(const struct web *web, uint32_t id);

/* --- trial.c --- */

/* Whether the route makes changes that may be on trial. */
bool route_takes_trial(const struct route *route);
/* To be called after each change. */
void trial_changed(struct web *web);
/* Whether the connection is older than the last change on trial. */
bool trial_outdates(const struct request *request);
json_t *trial_status(const struct request *request);

/* --- page.c --- */

/* Finds the file that request->path asks for, and whether the client can have it. */
int page_check(struct request *request, struct err *err);
enum MHD_Result page_send(struct request *request);
/* The headers that every answer carries. */
void page_secure(struct MHD_Response *response);

/* --- openapi.c --- */

/* A new reference. */
json_t *openapi_new(void);

/* --- handlers --- */

handler_fn setup_get, setup_post, password_put, session_get, session_post, session_delete;
handler_fn status_get, links_get, events_get, openapi_get;
handler_fn object_list, object_get, object_post, object_put, object_patch, object_delete;
handler_fn uplink_health_get, uplink_test_post;
handler_fn token_list, token_post, token_delete;
handler_fn confirm_post;
handler_fn revision_list, revision_get, revision_diff, revision_restore;
handler_fn settings_get, settings_patch, config_get, config_put_all, config_plan;
handler_fn backup_post, restore_post;

/* These can be left out of a build (WITHOUT= in the Makefile), and are NULL there: no route leads to them. */
#define LEFT_OUT_OR_NOT __attribute__((weak, visibility("hidden")))
LEFT_OUT_OR_NOT handler_fn import_post, config_export, metrics_get;

#endif
