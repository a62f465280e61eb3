/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams of events. A connection that has nothing to read is suspended, and resumed when there is something for it:
 * an event, the next keep-alive, its end. What it reads is made when it asks for it: an event from the ring, or a
 * piece of a hello, so that one that does not read holds no more than that.
 */
#include "web/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	STREAMS_MAX = 16,
	STREAMS_OF_USER_MAX = 8,
	PIECE_MAX = RING_BYTES_MAX, /* what a stream holds at most */
	BLOCK_BYTES = 4096,         /* handed to MHD at a time */
	TICK_MS = 1000,
	KEEP_ALIVE_MS = 15 * 1000,
	REMEMBER_MS = 60 * 1000, /* after the last stream: it may have been cut off, and come back */
	RECONNECT_MS = 2000,     /* what EventSource waits */
	RETRY_AFTER_S = 10,
	ID_DIGITS_MAX = 18,
};

enum stage {
	STAGE_HELLO,    /* a hello is due */
	STAGE_FORWARDS, /* amid its list of forwards */
	STAGE_FOLLOW,   /* `seen` is the event sent last */
};

struct stream {
	struct stream *previous, *next;
	struct events *events;
	struct MHD_Connection *connection;
	struct watch *watch; /* of its descriptor: a suspended connection's end is not seen by MHD */
	/* Of its session, or the id of the token that it came with; neither: root over the Unix socket. */
	char token[SESSION_TOKEN_MAX];
	uint32_t token_id;
	enum stage stage;
	uint64_t seen;
	uint32_t cursor; /* STAGE_FORWARDS: the last one that went out */
	struct buf out;
	size_t out_sent;
	uint64_t sent_at_ms;
	bool suspended;
	bool ended;
	bool keep_alive; /* due */
};

struct events {
	struct web *web;
	struct ring ring;
	bool listening; /* to the engine */
	struct timer *wake, *tick, *forget;
	unsigned stream_count;
	struct stream *streams;
};

static void wake_soon(struct events *events)
{
	timer_start(events->wake, 0); /* not from inside MHD, which may have called us */
}

/* --- what the engine tells --- */

static void on_event(void *arg, const struct engine_event *event)
{
	struct events *events = arg;
	json_t *json = event_json(events->web->engine, event);
	char *text = json ? json_dumps(json, JSON_FORMAT) : NULL;

	if (text)
		ring_add(&events->ring, event_name(event->kind), text);
	else
		ring_clear(&events->ring);
	free(text);
	json_decref(json);
	wake_soon(events);
}

static int listen_to_engine(struct events *events)
{
	int rc = 0;

	timer_stop(events->forget);
	if (!events->listening)
		rc = engine_listen(events->web->engine, on_event, events);
	events->listening = rc == 0;
	return rc;
}

static void stop_listening(struct events *events)
{
	if (events->listening)
		engine_listen(events->web->engine, NULL, NULL);
	events->listening = false;
	ring_clear(&events->ring);
}

static void on_forget(void *arg)
{
	stop_listening(arg);
}

/* --- what a stream reads --- */

static void add_hello_begin(struct stream *stream)
{
	stream->seen = stream->events->ring.last;
	stream->cursor = 0;
	buf_printf(&stream->out, "event: hello\nid: %llu\ndata: ", (unsigned long long)stream->seen);
	hello_begin(stream->events->web->engine, &stream->out);
	stream->stage = STAGE_FORWARDS;
}

static void add_hello_piece(struct stream *stream)
{
	if (hello_forwards(stream->events->web->engine, &stream->cursor, &stream->out))
		return;
	buf_puts(&stream->out, "]}\n\n");
	stream->stage = STAGE_FOLLOW;
}

static void add_event(struct stream *stream)
{
	size_t length;
	const char *text = ring_next(&stream->events->ring, stream->seen, &length);

	if (text) {
		buf_add(&stream->out, text, length);
		stream->seen++;
	} else if (stream->keep_alive) {
		buf_puts(&stream->out, ":\n\n");
	}
}

/* The next piece of what there is to say; none if there is nothing. */
static void stream_fill(struct stream *stream)
{
	buf_done(&stream->out);
	buf_init(&stream->out, PIECE_MAX);
	stream->out_sent = 0;
	if (stream->stage == STAGE_FOLLOW && !ring_knows(&stream->events->ring, stream->seen))
		stream->stage = STAGE_HELLO;
	switch (stream->stage) {
	case STAGE_HELLO:
		add_hello_begin(stream);
		break;
	case STAGE_FORWARDS:
		add_hello_piece(stream);
		break;
	case STAGE_FOLLOW:
		add_event(stream);
		break;
	}
	stream->keep_alive = false;
}

static ssize_t on_read(void *arg, uint64_t position, char *data, size_t size)
{
	struct stream *stream = arg;
	size_t length;

	(void)position;
	if (stream->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (stream->out_sent == stream->out.length)
		stream_fill(stream);
	if (stream->out.failed)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	length = stream->out.length - stream->out_sent;
	if (length == 0) {
		stream->suspended = true;
		MHD_suspend_connection(stream->connection);
		return 0;
	}
	length = length < size ? length : size;
	memcpy(data, stream->out.data + stream->out_sent, length);
	stream->out_sent += length;
	stream->sent_at_ms = loop_now_ms();
	return (ssize_t)length;
}

struct MHD_Response *stream_response(struct stream *stream)
{
	struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES,
									  on_read, stream, NULL);

	if (response)
		MHD_add_response_header(response, "Content-Type", "text/event-stream");
	return response;
}

/* --- waking --- */

static bool has_something(const struct stream *stream)
{
	return stream->ended || stream->keep_alive || stream->seen != stream->events->ring.last;
}

static void resume(struct stream *stream)
{
	if (!stream->suspended)
		return;
	stream->suspended = false;
	MHD_resume_connection(stream->connection);
}

static void on_wake(void *arg)
{
	struct events *events = arg;

	for (struct stream *stream = events->streams; stream; stream = stream->next) {
		if (has_something(stream))
			resume(stream);
	}
	web_run(events->web);
}

static void end(struct stream *stream)
{
	stream->ended = true;
	wake_soon(stream->events);
}

/* The client closed its side, or is gone. */
static void on_gone(void *arg, uint32_t events)
{
	struct stream *stream = arg;

	(void)events;
	watch_free(stream->watch);
	stream->watch = NULL;
	end(stream);
}

void events_check_sessions(struct events *events)
{
	struct auth *auth = &events->web->auth;
	uint64_t now_ms = loop_now_ms();

	for (struct stream *stream = events->streams; stream; stream = stream->next) {
		if ((stream->token[0] && !auth_find_session(auth, stream->token, now_ms)) ||
		    (stream->token_id && !tokens_have(events->web, stream->token_id)))
			end(stream);
	}
}

static void on_tick(void *arg)
{
	struct events *events = arg;
	uint64_t now_ms = loop_now_ms();

	events_check_sessions(events);
	for (struct stream *stream = events->streams; stream; stream = stream->next) {
		if (stream->suspended && now_ms - stream->sent_at_ms >= KEEP_ALIVE_MS) {
			stream->keep_alive = true;
			wake_soon(events);
		}
	}
	if (events->streams)
		timer_start(events->tick, TICK_MS);
}

/* --- streams --- */

/* The id of the last event that the client saw: an EventSource that comes back says it in the header. */
static bool read_seen(const struct request *request, uint64_t *ret_seen)
{
	const char *text = request_header(request, "Last-Event-ID");

	if (!text)
		text = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND,
						   "last_event_id");
	if (!text || !*text || strlen(text) > ID_DIGITS_MAX || text[strspn(text, "0123456789")])
		return false;
	*ret_seen = strtoull(text, NULL, 10);
	return true;
}

/* Programs, which come with tokens, are one user together: people have places of their own. */
static unsigned count_of_user(const struct events *events, const char *token, bool program)
{
	unsigned count = 0;

	for (const struct stream *stream = events->streams; stream; stream = stream->next)
		count += strcmp(stream->token, token) == 0 && (stream->token_id != 0) == program;
	return count;
}

static int watch_client(struct stream *stream)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(stream->connection,
								       MHD_CONNECTION_INFO_CONNECTION_FD);

	if (!info)
		return -EIO;
	return watch_new(stream->events->web->loop, info->connect_fd, EPOLLRDHUP, on_gone, stream,
			 &stream->watch);
}

static void stream_link(struct events *events, struct stream *stream)
{
	stream->next = events->streams;
	if (events->streams)
		events->streams->previous = stream;
	events->streams = stream;
	if (events->stream_count++ == 0)
		timer_start(events->tick, TICK_MS);
}

void stream_free(struct stream *stream)
{
	struct events *events;

	if (!stream)
		return;
	events = stream->events;
	if (stream->previous)
		stream->previous->next = stream->next;
	else
		events->streams = stream->next;
	if (stream->next)
		stream->next->previous = stream->previous;
	if (--events->stream_count == 0 && events->listening)
		timer_start(events->forget, REMEMBER_MS);
	watch_free(stream->watch);
	buf_done(&stream->out);
	secret_wipe(stream->token, sizeof(stream->token));
	free(stream);
}

static int stream_new(struct request *request, const char *token, struct stream **ret_stream)
{
	struct events *events = request->web->events;
	struct stream *stream;
	int rc = listen_to_engine(events);

	if (rc < 0)
		return rc;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->events = events;
	stream->connection = request->connection;
	stream_link(events, stream);
	rc = watch_client(stream);
	if (rc < 0) {
		stream_free(stream);
		return rc;
	}
	snprintf(stream->token, sizeof(stream->token), "%s", token);
	stream->token_id = request->token_id;
	if (read_seen(request, &stream->seen) && ring_knows(&events->ring, stream->seen))
		stream->stage = STAGE_FOLLOW;
	buf_init(&stream->out, PIECE_MAX);
	buf_printf(&stream->out, "retry: %d\n\n", RECONNECT_MS);
	*ret_stream = stream;
	return 0;
}

int events_get(struct request *request, struct err *err)
{
	struct events *events = request->web->events;
	bool needs_session = !request_is_local(request) && !request->token_id;
	const struct session *session = needs_session ? access_session(request) : NULL;
	const char *token = session ? session->token : "";

	if (needs_session && !session)
		return err_set(err, ERR_UNAUTHENTICATED, "the session has ended");
	if (events->stream_count >= STREAMS_MAX ||
	    count_of_user(events, token, request->token_id != 0) >= STREAMS_OF_USER_MAX) {
		err->retry_after_s = RETRY_AFTER_S;
		return err_set(err, ERR_UNAVAILABLE,
			       "too many streams: at most %d, and %d of one user or of all tokens",
			       STREAMS_MAX, STREAMS_OF_USER_MAX);
	}
	return stream_new(request, token, &request->stream);
}

/* --- start and end --- */

int events_new(struct web *web, struct events **ret_events)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return -ENOMEM;
	events->web = web;
	ring_init(&events->ring);
	if (timer_new(web->loop, on_wake, events, &events->wake) < 0 ||
	    timer_new(web->loop, on_tick, events, &events->tick) < 0 ||
	    timer_new(web->loop, on_forget, events, &events->forget) < 0) {
		events_free(events);
		return -ENOMEM;
	}
	*ret_events = events;
	return 0;
}

void events_end(struct events *events)
{
	if (!events)
		return;
	stop_listening(events);
	for (struct stream *stream = events->streams; stream; stream = stream->next) {
		stream->ended = true;
		resume(stream); /* MHD stops with none suspended only */
	}
}

void events_free(struct events *events)
{
	if (!events)
		return;
	timer_free(events->wake);
	timer_free(events->tick);
	timer_free(events->forget);
	ring_done(&events->ring);
	free(events);
}
