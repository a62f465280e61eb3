/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libmicrohttpd in our loop; connections and requests from first byte to last. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "engine/health.h"
#include "web/assets.h"
#include "web/events.h"
#include "web/request.h"

enum {
	RETRY_AFTER_S = 30, /* where nothing says when: space on a disk comes with people */
	CONNECTIONS_MAX = 256,
	CONNECTIONS_RESERVED = 32, /* of these for the Unix socket: strangers must not keep root out */
	CONNECTION_MEMORY =
		32 * 1024, /* of one connection: the request's headers must fit, its body passes through */
	CONNECTION_IDLE_S = 60,
	RUNS_PER_TURN = 32, /* then others have their turn */
	ACCEPTS_PER_TURN = 16,
	LARGE = 256 * 1024, /* as text; its JSON takes ten times as much */
};

/* --- the loop --- */

/* A resume, for one, is not in the timeout of version 0.9.75, so there is no other way to come back for it. */
void web_run(struct web *web)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	for (unsigned i = 0; i < RUNS_PER_TURN; i++) {
		MHD_run(web->mhd);
		if (MHD_get_timeout(web->mhd, &timeout_ms) == MHD_NO) {
			timer_stop(web->timer);
			return;
		}
		if (timeout_ms > 0)
			break;
	}
	timer_start(web->timer, timeout_ms);
}

static void on_events(void *arg, uint32_t events)
{
	(void)events;
	web_run(arg);
}

static void on_timer(void *arg)
{
	web_run(arg);
}

static void on_log(void *arg, const char *fmt, va_list args)
{
	char text[256];

	(void)arg;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\r\n")] = '\0';
	log_debug("http: %s", text);
}

/* A zero byte ("%00") would hide what follows it, and nothing here has one in its name. */
static size_t on_unescape(void *arg, struct MHD_Connection *connection, char *text)
{
	size_t length = MHD_http_unescape(text);

	(void)arg;
	(void)connection;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\0')
			text[i] = '?';
	}
	return length;
}

/* --- requests --- */

const char *request_header(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static struct ip peer_ip(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection,
								       MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info ? info->client_addr : NULL;
	struct ip ip = { .family = AF_INET };

	if (address && address->sa_family == AF_UNIX) {
		ip.family = AF_UNSPEC;
	} else if (address && address->sa_family == AF_INET) {
		memcpy(ip.bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
	} else if (address && address->sa_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(in6)) { /* a listener on [::] sees IPv4 like this */
			memcpy(ip.bytes, &in6->s6_addr[12], 4);
		} else {
			ip.family = AF_INET6;
			memcpy(ip.bytes, in6, 16);
		}
	}
	return ip;
}

static size_t body_max(const struct request *request)
{
	return request->route && request->route->body_max ? request->route->body_max : BODY_MAX;
}

/* METHOD_COUNT for one that nothing here knows. MHD leaves the body out of an answer to HEAD by itself. */
static enum method method_parse(const char *text)
{
	enum method method = METHOD_GET;

	if (strcmp(text, "HEAD") == 0)
		return METHOD_GET;
	while (method < METHOD_COUNT && strcmp(text, method_name(method)) != 0)
		method++;
	return method;
}

/* Finds what the request is for, and whether it may. */
static int request_classify(struct request *request, const char *path, const char *method, struct err *err)
{
	size_t length = strlen(path);

	request->method = method_parse(method);
	if (length >= sizeof(request->path))
		return err_set(err, ERR_NOT_FOUND, "there is nothing at this path");
	memcpy(request->path, path, length + 1);
	if (strncmp(path, API_PREFIX "/", strlen(API_PREFIX) + 1) == 0 || route_is_outside(path)) {
		request->route = route_find(request, err);
		return request->route ? access_check(request, err) : -ENOENT;
	}
	return page_check(request, err);
}

static struct request *request_new(struct web *web, struct MHD_Connection *connection, const char *path,
				   const char *method)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->web = web;
	request->connection = connection;
	request->peer = peer_ip(connection);
	request->failed = request_classify(request, path, method, &request->err) < 0;
	request->complete = request->failed;
	buf_init(&request->body, body_max(request));
	return request;
}

static void request_free(struct request *request)
{
	if (request->body.data)
		secret_wipe(request->body.data, request->body.length); /* it may hold a password */
	buf_done(&request->body);
	stream_free(request->stream);
	json_decref(request->json);
	json_decref(request->answer.json);
	free(request->answer.text);
	if (request->data)
		secret_wipe(request->data, request->data_size);
	free(request->data);
	secret_wipe(&request->answer, sizeof(request->answer));
	free(request);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	(void)arg;
	(void)connection;
	(void)why;
	if (*state) {
		bool large = ((const struct request *)*state)->large;

		request_free(*state);
		if (large)
			memory_give_back();
	}
	*state = NULL;
}

/* --- answers --- */

static void add_answer_headers(const struct request *request, struct MHD_Response *response)
{
	const struct answer *answer = &request->answer;
	char text[32];

	page_secure(response);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	if (request->route && (request->route->flags & ROUTE_REVISION) && !request->failed) {
		snprintf(text, sizeof(text), "\"%llu\"",
			 (unsigned long long)engine_revision(request->web->engine));
		MHD_add_response_header(response, "ETag", text);
	}
	if (answer->location[0])
		MHD_add_response_header(response, "Location", answer->location);
	if (answer->cookie[0])
		MHD_add_response_header(response, "Set-Cookie", answer->cookie);
	if (answer->allow[0])
		MHD_add_response_header(response, "Allow", answer->allow);
	if (trial_outdates(request))
		MHD_add_response_header(response, "Connection", "close");
	if (request->failed && (request->err.retry_after_s > 0 || request->err.kind == ERR_UNAVAILABLE)) {
		unsigned after_s = request->err.retry_after_s ? request->err.retry_after_s : RETRY_AFTER_S;

		snprintf(text, sizeof(text), "%u", after_s);
		MHD_add_response_header(response, "Retry-After", text);
	}
	if (request->failed && request->err.kind == ERR_UNAUTHENTICATED)
		MHD_add_response_header(response, "WWW-Authenticate",
					request_header(request, "Authorization") ? "Bearer" : "Session");
}

/* Takes over the text; NULL: there is no memory. */
static struct MHD_Response *text_response(struct request *request, char *text, const char *content_type)
{
	struct MHD_Response *response;

	if (!text)
		return NULL;
	request->large = request->body_length > LARGE || strlen(text) > LARGE;
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(text);
	else if (content_type)
		MHD_add_response_header(response, "Content-Type", content_type);
	return response;
}

static struct MHD_Response *json_response(struct request *request, const json_t *json,
					  const char *content_type)
{
	char *text = json ? json_dumps(json, JSON_FORMAT | JSON_ENCODE_ANY) : strdup("");

	return text_response(request, text, json ? content_type : NULL);
}

static struct MHD_Response *make_response(struct request *request)
{
	struct answer *answer = &request->answer;
	char *text = answer->text;

	if (request->failed)
		return json_response(request, answer->json, "application/problem+json");
	if (request->stream)
		return stream_response(request->stream);
	if (!text)
		return json_response(request, answer->json, "application/json");
	answer->text = NULL;
	return text_response(request, text, route_type(request->route));
}

/* MHD_NO ends the connection: out of memory. */
static enum MHD_Result request_send(struct request *request)
{
	struct answer *answer = &request->answer;
	struct MHD_Response *response;
	enum MHD_Result rc;

	if (request->asset && !request->failed)
		return page_send(request);
	if (request->failed) {
		if (answer->status == 0)
			answer->status = problem_status(request->err.kind);
		json_decref(answer->json);
		answer->json = problem_json(answer->status, &request->err);
	} else if (answer->status == 0) {
		answer->status = request->route->status;
	}
	response = make_response(request);
	if (!response)
		return MHD_NO;
	add_answer_headers(request, response);
	rc = MHD_queue_response(request->connection, answer->status, response);
	MHD_destroy_response(response);
	return rc;
}

/* Notes what a handler, or the end of its job, said. */
static void request_conclude(struct request *request, int rc)
{
	if (rc == REQUEST_PENDING)
		return;
	if (rc == 0 && request->route && request->route->response && !request->answer.json &&
	    !request->answer.text && !request->stream)
		rc = -ENOMEM; /* the JSON could not be made */
	request->failed = rc < 0;
	if (request->failed && request->err.kind == ERR_NONE)
		err_set(&request->err, ERR_INTERNAL, "%s", strerror(-rc));
	request->complete = true;
}

static int refuse_size(struct request *request)
{
	return err_set(&request->err, ERR_TOO_LARGE, "the body must be at most %zu bytes", body_max(request));
}

static int request_handle(struct request *request)
{
	int rc = 0;

	if (request->asset)
		return 0;
	if (request->body_length > body_max(request))
		return refuse_size(request);
	if (request->body.failed)
		return -ENOMEM;
	if (request->route->request)
		rc = body_parse(request, &request->err);
	if (rc == 0)
		rc = access_check_again(request, &request->err);
	return rc < 0 ? rc : request->route->handler(request, &request->err);
}

/* --- work off the loop --- */

static void pending_remove(struct request *request)
{
	if (request->previous)
		request->previous->next = request->next;
	else
		request->web->pending = request->next;
	if (request->next)
		request->next->previous = request->previous;
}

static void on_work(void *arg)
{
	struct request *request = arg;

	request->work(request->data);
}

int request_wait(struct request *request)
{
	struct web *web = request->web;

	request->previous = NULL;
	request->next = web->pending;
	if (web->pending)
		web->pending->previous = request;
	web->pending = request;
	MHD_suspend_connection(request->connection);
	return REQUEST_PENDING;
}

/* The connection may have died meanwhile; MHD keeps it, and the request, until it has been resumed. */
void request_finish(struct request *request, int rc)
{
	struct web *web = request->web;

	pending_remove(request);
	request_conclude(request, rc);
	MHD_resume_connection(request->connection);
	timer_start(web->resumed,
		    0); /* MHD may have called us: a test ends with its uplink, which a request removed */
}

static void on_work_done(void *arg)
{
	struct request *request = arg;

	request_finish(request, request->done(request, &request->err));
}

int request_defer(struct request *request, void (*work)(void *data),
		  int (*done)(struct request *request, struct err *err), struct err *err)
{
	struct web *web = request->web;

	request->work = work;
	request->done = done;
	if (worker_submit(web->worker, on_work, on_work_done, request) < 0) {
		err->retry_after_s = 1;
		return err_set(err, ERR_UNAVAILABLE, "too much to compute at once; try again in a moment");
	}
	return request_wait(request);
}

/* --- what MHD calls --- */

/*
 * The headers are there. A body that is too long by its own word is refused unread; other refusals wait for the end
 * of the body, so that the client is not cut off while it is still sending.
 */
static enum MHD_Result request_begin(struct request *request)
{
	const char *length = request_header(request, "Content-Length");

	if (!length || strtoull(length, NULL, 10) <= body_max(request))
		return MHD_YES;
	if (!request->failed)
		refuse_size(request);
	request->failed = true;
	request->complete = true;
	return request_send(request);
}

/* What nobody is going to read is not kept. */
static bool wants_body(const struct request *request)
{
	return !request->complete && request->route && request->route->request;
}

/*
 * A body without an announced length: what is over the limit is not kept, but read, since the answer that says so can
 * be given only after it; far over any limit it is the end.
 */
static enum MHD_Result request_receive(struct request *request, const char *data, size_t length)
{
	request->body_length += length;
	if (request->body_length > 2 * (uint64_t)BODY_CONFIG_MAX)
		return MHD_NO;
	if (wants_body(request) && request->body_length <= body_max(request))
		buf_add(&request->body, data, length);
	return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data,
				  size_t *data_length, void **state)
{
	struct request *request = *state;

	(void)version;
	if (!request) {
		request = request_new(arg, connection, path, method);
		if (!request)
			return MHD_NO;
		*state = request;
		return request_begin(request);
	}
	if (*data_length > 0) {
		enum MHD_Result rc = request_receive(request, data, *data_length);

		*data_length = 0;
		return rc;
	}
	if (!request->complete)
		request_conclude(request, request_handle(request));
	return request->complete ? request_send(request) : MHD_YES;
}

/* --- connections --- */

/* Owns `fd`, as MHD_add_connection() does. */
static void add_connection(struct web *web, int fd, const struct sockaddr *address, socklen_t length)
{
	MHD_add_connection(web->mhd, fd, address, length);
	web_run(web);
}

static bool is_full(struct web *web)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(web->mhd, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info && info->num_connections >= CONNECTIONS_MAX - CONNECTIONS_RESERVED;
}

void web_accept(struct web *web, int fd, const struct sockaddr_storage *peer)
{
	if (is_full(web)) {
		close(fd);
		return;
	}
	/* The edge must not be able to pass somebody off as root, who comes as AF_UNIX. */
	if (peer->ss_family == AF_INET)
		add_connection(web, fd, (const struct sockaddr *)peer, sizeof(struct sockaddr_in));
	else if (peer->ss_family == AF_INET6)
		add_connection(web, fd, (const struct sockaddr *)peer, sizeof(struct sockaddr_in6));
	else
		close(fd);
}

static bool peer_is_root(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void on_unix(void *arg, uint32_t events)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct web *web = arg;

	(void)events;
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(web->unix_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				log_warning("accepting on the Unix socket: %s", strerror(errno));
			return;
		}
		if (peer_is_root(fd))
			add_connection(web, fd, (const struct sockaddr *)&address, sizeof(address));
		else
			close(fd);
	}
}

int web_listen_unix(struct web *web, int listen_fd)
{
	web->unix_fd = listen_fd;
	return watch_new(web->loop, listen_fd, EPOLLIN, on_unix, web, &web->unix_watch);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **number,
			  enum MHD_ConnectionNotificationCode what)
{
	struct web *web = arg;
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): the number is all that is kept of it. */
	void *next = (void *)(web->connection_count + 1);

	(void)connection;
	if (what != MHD_CONNECTION_NOTIFY_STARTED)
		return;
	web->connection_count++;
	*number = next;
}

/* --- start and end --- */

static int mhd_start(struct web *web)
{
	const union MHD_DaemonInfo *info;
	unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
			 MHD_USE_ERROR_LOG;

	web->mhd = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, web, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
		NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, web, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_IDLE_S, MHD_OPTION_END);
	if (!web->mhd)
		return -EIO;
	info = MHD_get_daemon_info(web->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	return watch_new(web->loop, info->epoll_fd, EPOLLIN, on_events, web, &web->watch);
}

static int load_password(struct web *web)
{
	char *hash = NULL;
	int rc = store_get_secret(web->store, "password", &hash);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	auth_init(&web->auth, hash);
	if (!hash)
		log_info("setup is not finished; the setup code is %s", web->auth.setup_code);
	return 0;
}

int web_new(struct loop *loop, struct engine *engine, struct store *store, struct web **ret_web,
	    struct err *err)
{
	struct web *web = calloc(1, sizeof(*web));
	int rc = -ENOMEM;

	if (!web)
		goto fail;
	*web = (struct web){
		.loop = loop, .engine = engine, .store = store, .unix_fd = -1, .started_ms = loop_now_ms()
	};
	rc = load_password(web);
	if (rc == 0)
		rc = tokens_load(web, err);
	if (rc == 0)
		rc = worker_new(loop, &web->worker);
	if (rc == 0)
		rc = timer_new(loop, on_timer, web, &web->timer);
	if (rc == 0)
		rc = timer_new(loop, on_timer, web, &web->resumed);
	if (rc == 0)
		rc = events_new(web, &web->events);
	if (rc == 0)
		rc = mhd_start(web);
	if (rc < 0)
		goto fail;
	*ret_web = web;
	return 0;
fail:
	web_free(web);
	return err_set(err, ERR_INTERNAL, "the HTTP server cannot start: %s", strerror(-rc));
}

void web_free(struct web *web)
{
	if (!web)
		return;
	worker_free(web->worker); /* from here on nothing is computed for pending requests */
	watch_free(web->unix_watch);
	if (web->unix_fd >= 0)
		close(web->unix_fd);
	watch_free(web->watch);
	for (struct request *request = web->pending; request; request = request->next) {
		engine_health_test_forget(web->engine, request->id, request);
		request_conclude(request, -ECANCELED);
		MHD_resume_connection(request->connection); /* MHD stops with none suspended only */
	}
	events_end(web->events);
	if (web->mhd)
		MHD_stop_daemon(web->mhd);
	events_free(web->events);
	timer_free(web->timer);
	timer_free(web->resumed);
	auth_done(&web->auth);
	tokens_free(web);
	free(web->openapi);
	free(web);
}
