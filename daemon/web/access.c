/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May this request be made, by whom, in this form? Decided before its body is read. */
#include "web/request.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

static bool is_write(enum method method)
{
	return method != METHOD_GET;
}

/*
 * A browser says where a request comes from; what comes from another site is refused, whatever cookies it carries.
 * Clients that are no browsers say nothing.
 */
static bool is_cross_site(const struct request *request)
{
	const char *site = request_header(request, "Sec-Fetch-Site");
	const char *origin = request_header(request, "Origin");
	const char *host = request_header(request, "Host");
	const char *origin_host;

	if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
		return true;
	if (!origin)
		return false;
	origin_host = strstr(origin, "://");
	return !origin_host || !host || strcasecmp(origin_host + 3, host) != 0;
}

struct session *access_session(struct request *request)
{
	const char *token = MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, SESSION_COOKIE);

	return auth_find_session(&request->web->auth, token, loop_now_ms());
}

static bool csrf_matches(const struct request *request, const struct session *session)
{
	const char *csrf = request_header(request, "X-CSRF-Token");

	return csrf && strlen(csrf) == SESSION_TOKEN_MAX - 1 &&
	       secret_equal(csrf, session->csrf, SESSION_TOKEN_MAX - 1);
}

static void set_author(struct request *request, const char *kind, const char *name)
{
	snprintf(request->author, sizeof(request->author), "%s%s", kind, name);
}

int access_try(struct request *request, struct brake *brake, struct err *err)
{
	unsigned wait_s;

	if (brake_try(brake, &request->peer, loop_now_ms(), &wait_s))
		return 0;
	err->retry_after_s = wait_s;
	return err_set(err, ERR_THROTTLED, "too many failed tries; try again in %u seconds", wait_s);
}

/* The secret behind "Bearer " (RFC 6750); NULL if it is something else. */
static const char *bearer(const char *authorization)
{
	if (strncasecmp(authorization, "Bearer ", strlen("Bearer ")) != 0)
		return NULL;
	authorization += strlen("Bearer ");
	return authorization + strspn(authorization, " ");
}

static int check_token(struct request *request, const char *authorization, struct err *err)
{
	const char *secret = bearer(authorization);
	const struct token *token;
	char address[IP_TEXT_MAX];

	if (!secret)
		return err_set(err, ERR_UNAUTHENTICATED,
			       "the header Authorization must be \"Bearer\" and a token");
	token = tokens_find(request->web, secret);
	if (!token) {
		int rc = access_try(request, &request->web->auth.tokens, err);

		if (rc < 0)
			return rc;
		log_warning("wrong token from %s", ip_format(&request->peer, address));
		return err_set(err, ERR_UNAUTHENTICATED, "there is no such token");
	}
	request->token_id = token->id;
	request->viewer = !token->admin;
	set_author(request, "token ", token->name);
	if (request->viewer && is_write(request->route->method))
		return err_set(err, ERR_FORBIDDEN, "the token \"%s\" is a viewer's: it may only read",
			       token->name);
	return 0;
}

static int check_peer(struct request *request, struct err *err)
{
	const char *authorization = request_header(request, "Authorization");
	const struct route *route = request->route;
	const struct session *session;

	if (request_is_local(request)) {
		set_author(request, "root", "");
		return 0;
	}
	if (is_write(route->method) && is_cross_site(request))
		return err_set(err, ERR_FORBIDDEN, "the request comes from another site");
	if (route->who == WHO_ROOT)
		return err_set(err, ERR_FORBIDDEN,
			       "only root may do this, over the Unix socket: with `portico` on the router");
	if (route->who == WHO_ANYONE)
		return 0;
	if (!request->web->auth.password_hash)
		return err_set(err, ERR_FORBIDDEN,
			       "setup is not finished: set a password first (POST %s/setup)", API_PREFIX);
	if (route->who == WHO_VISITOR)
		return 0;
	if (authorization)
		return check_token(request, authorization, err);
	session = access_session(request);
	set_author(request, ADMIN_NAME, "");
	if (!session)
		return err_set(err, ERR_UNAUTHENTICATED, "log in first (POST %s/session)", API_PREFIX);
	if (is_write(route->method) && !csrf_matches(request, session))
		return err_set(err, ERR_FORBIDDEN,
			       "the header X-CSRF-Token must hold the value that the login answered");
	return 0;
}

/* "application/json" with or without parameters, of which only charset=utf-8 would mean something. */
static bool type_is(const char *content_type, const char *wanted)
{
	size_t length = strlen(wanted);

	return strncasecmp(content_type, wanted, length) == 0 &&
	       (content_type[length] == '\0' || content_type[length] == ';' || content_type[length] == ' ');
}

static int check_content_type(struct request *request, struct err *err)
{
	const char *type = request_header(request, "Content-Type");
	const struct route *route = request->route;

	if (!route->request || (type && type_is(type, "application/json")) ||
	    (type && route->method == METHOD_PATCH && type_is(type, "application/merge-patch+json")))
		return 0;
	request->answer.status = 415;
	return err_set(err, ERR_SYNTAX, "the header Content-Type must be application/json%s",
		       route->method == METHOD_PATCH ? " or application/merge-patch+json" : "");
}

/* Whether `name` is one of the words. */
static bool has_word(const char *words, const char *name)
{
	size_t length = strlen(name);

	while (words && *words) {
		size_t word = strcspn(words, " ");

		if (word == length && memcmp(words, name, length) == 0)
			return true;
		words += word + strspn(words + word, " ");
	}
	return false;
}

static bool takes_parameter(const struct route *route, const char *name)
{
	return has_word(route->query, name) ||
	       (route_takes_trial(route) && strcmp(name, "confirm_within_s") == 0);
}

/* One without a value, "?confirm_within_s", would pass for one that is not there: a change for good, not on trial. */
static enum MHD_Result check_parameter(void *arg, enum MHD_ValueKind kind, const char *name,
				       const char *value)
{
	struct request *request = arg;
	bool known = takes_parameter(request->route, name);
	char path[ERR_PATH_MAX];

	(void)kind;
	if (known && value)
		return MHD_YES;
	snprintf(path, sizeof(path), "?%.64s", name);
	if (!known)
		request->err.kind = ERR_SYNTAX;
	err_field(&request->err, path, known ? "must have a value" : "is not a parameter that is known here");
	return MHD_YES;
}

static int check_parameters(struct request *request, struct err *err)
{
	uint64_t seconds = 0;
	int rc = 0;

	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, check_parameter, request);
	if (err->kind == ERR_NONE && route_takes_trial(request->route))
		rc = access_number(request, "confirm_within_s", 1, TRIAL_SECONDS_MAX, &seconds, err);
	request->confirm_within_s = (unsigned)seconds;
	return err->kind == ERR_NONE ? rc : -EINVAL;
}

int access_number(struct request *request, const char *name, uint64_t min, uint64_t max, uint64_t *ret_value,
		  struct err *err)
{
	const char *text = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
	char path[ERR_PATH_MAX];
	uint64_t value = 0;

	if (!text)
		return 0;
	for (const char *p = text; *p >= '0' && *p <= '9' && p - text < NUMBER_DIGITS_MAX; p++)
		value = value * 10 + (uint64_t)(*p - '0');
	if (*text && strlen(text) <= NUMBER_DIGITS_MAX && strspn(text, "0123456789") == strlen(text) &&
	    value >= min && value <= max) {
		*ret_value = value;
		return 0;
	}
	snprintf(path, sizeof(path), "?%s", name);
	return err_field(err, path, "must be a whole number from %llu to %llu", (unsigned long long)min,
			 (unsigned long long)max);
}

const char *access_author(const struct request *request)
{
	return request->author;
}

/* If-Match (RFC 9110): "*" or a list of quoted revisions, one of which must be the present one. */
static int check_revision(const struct request *request, struct err *err)
{
	const char *wanted = request_header(request, "If-Match");
	uint64_t revision = engine_revision(request->web->engine);
	char tag[32], *found;

	if (!(request->route->flags & ROUTE_CHANGES) || !wanted || strcmp(wanted, "*") == 0)
		return 0;
	snprintf(tag, sizeof(tag), "\"%llu\"", (unsigned long long)revision);
	found = strstr(wanted, tag);
	if (found && (found == wanted || found[-1] == ',' || found[-1] == ' '))
		return 0;
	return err_set(err, ERR_STALE,
		       "the configuration is at revision %llu now, which If-Match does not name",
		       (unsigned long long)revision);
}

int access_check_again(struct request *request, struct err *err)
{
	int rc = check_peer(request, err);

	return rc < 0 ? rc : check_revision(request, err);
}

int access_check(struct request *request, struct err *err)
{
	int (*const checks[])(struct request * request, struct err * err) = {
		check_peer,
		check_parameters,
		check_content_type,
	};

	for (unsigned i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		int rc = checks[i](request, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}
