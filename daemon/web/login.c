/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Setup, a new password, login, logout. Passwords are hashed by the worker thread. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "web/events.h"

/* What the worker thread gets, and gives back. */
struct password_job {
	char password[PASSWORD_MAX + 1];
	char hash[PASSWORD_HASH_MAX];
	bool known_user;
	bool right;
	int rc;
};

static struct password_job *job_new(struct request *request, const char *password)
{
	struct password_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	snprintf(job->password, sizeof(job->password), "%s", password);
	request->data = job;
	request->data_size = sizeof(*job);
	return job;
}

static void log_failure(const struct request *request, const char *what)
{
	char address[IP_TEXT_MAX];

	log_warning("%s from %s", what, ip_format(&request->peer, address));
}

static json_t *setup_json(const struct auth *auth, bool with_code)
{
	json_t *json = json_pack("{s:b}", "finished", auth->password_hash != NULL);

	if (with_code && !auth->password_hash)
		json_object_set_new(json, "code", json_string(auth->setup_code));
	return json;
}

/* --- the password --- */

int password_replace(struct request *request, const char *hash, struct err *err)
{
	struct web *web = request->web;
	char *copy = strdup(hash);
	int rc = copy ? store_put_secret(web->store, "password", copy, err) : -ENOMEM;

	if (rc < 0) {
		free(copy);
		return rc;
	}
	auth_set_password(&web->auth, copy);
	auth_close_others(&web->auth, request_is_local(request) ? NULL : access_session(request));
	events_check_sessions(web->events);
	return 0;
}

static void hash_work(void *data)
{
	struct password_job *job = data;

	job->rc = password_hash(job->password, job->hash);
}

static int check_password(const char *password, struct err *err)
{
	if (strlen(password) >= PASSWORD_MIN)
		return 0;
	return err_field(err, "/password", "must be at least %d bytes long", PASSWORD_MIN);
}

static int password_done(struct request *request, struct err *err)
{
	const struct password_job *job = request->data;
	struct auth *auth = &request->web->auth;
	int rc = job->rc < 0 ? job->rc : password_replace(request, job->hash, err);

	if (rc < 0)
		return rc;
	brake_reset(&auth->passwords);
	brake_reset(&auth->tokens);
	log_info("a new password has been set by %s", access_author(request));
	request->answer.json = setup_json(auth, false);
	return 0;
}

int password_put(struct request *request, struct err *err)
{
	static const char *const members[] = { "password", NULL };
	const char *password;
	int rc = body_strings(request, members, &password, err);

	if (rc == 0)
		rc = check_password(password, err);
	if (rc < 0)
		return rc;
	if (!job_new(request, password))
		return -ENOMEM;
	return request_defer(request, hash_work, password_done, err);
}

/* --- setup --- */

int setup_get(struct request *request, struct err *err)
{
	(void)err;
	request->answer.json = setup_json(&request->web->auth, request_is_local(request));
	return 0;
}

static int refuse_finished(const struct auth *auth, struct err *err)
{
	if (auth->password_hash)
		return err_set(err, ERR_CONFLICT, "setup is finished already");
	if (auth->setup_running)
		return err_set(err, ERR_CONFLICT, "setup is being finished by somebody else");
	return 0;
}

static int setup_done(struct request *request, struct err *err)
{
	struct auth *auth = &request->web->auth;
	const struct password_job *job = request->data;
	int rc = job->rc;

	auth->setup_running = false;
	if (rc == 0)
		rc = refuse_finished(auth, err); /* root may have set one meanwhile */
	if (rc == 0)
		rc = password_replace(request, job->hash, err);
	if (rc < 0)
		return rc;
	log_info("setup is finished");
	request->answer.json = setup_json(auth, false);
	return 0;
}

static bool code_is_right(const struct auth *auth, const char *code)
{
	return strlen(code) == SETUP_CODE_LENGTH && secret_equal(code, auth->setup_code, SETUP_CODE_LENGTH);
}

int setup_post(struct request *request, struct err *err)
{
	static const char *const members[] = { "code", "password", NULL };
	struct auth *auth = &request->web->auth;
	const char *values[2];
	int rc = refuse_finished(auth, err);

	if (rc < 0)
		return rc;
	rc = body_strings(request, members, values, err);
	if (rc < 0)
		return rc;
	rc = check_password(values[1], err);
	if (rc == 0)
		rc = access_try(request, &request->web->auth.passwords, err);
	if (rc < 0)
		return rc;
	if (!code_is_right(auth, values[0])) {
		log_failure(request, "wrong setup code");
		err_set(err, ERR_FORBIDDEN,
			"the setup code is wrong; it is in the log, and `portico setup-code` tells it");
		return err_field(err, "/code", "is not the setup code");
	}
	brake_release(&auth->passwords, &request->peer);
	if (!job_new(request, values[1]))
		return -ENOMEM;
	rc = request_defer(request, hash_work, setup_done, err);
	auth->setup_running = rc == REQUEST_PENDING;
	return rc;
}

/* --- sessions --- */

static json_t *session_json(const struct session *session)
{
	return json_pack("{s:s, s:s, s:s}", "username", ADMIN_NAME, "role", "admin", "csrf", session->csrf);
}

int session_get(struct request *request, struct err *err)
{
	const struct session *session;

	if (request_is_local(request) || request->token_id) {
		request->answer.json = json_pack("{s:s, s:s, s:n}", "username", access_author(request),
						 "role", request->viewer ? "viewer" : "admin", "csrf");
		return 0;
	}
	session = access_session(request);
	if (!session)
		return err_set(err, ERR_UNAUTHENTICATED, "the session has ended");
	request->answer.json = session_json(session);
	return 0;
}

static void set_cookie(struct request *request, const char *value, const char *more)
{
	snprintf(request->answer.cookie, sizeof(request->answer.cookie),
		 SESSION_COOKIE "=%s; Path=/; HttpOnly; Secure; SameSite=Strict%s", value, more);
}

static void login_work(void *data)
{
	struct password_job *job = data;

	job->right = password_verify(job->password, job->hash) && job->known_user;
}

static int login_done(struct request *request, struct err *err)
{
	const struct password_job *job = request->data;
	struct auth *auth = &request->web->auth;
	const struct session *session;

	/* Right, but of a password that has been replaced meanwhile, is wrong. */
	if (!job->right || strcmp(job->hash, auth->password_hash) != 0) {
		log_failure(request, "failed login");
		return err_set(err, ERR_UNAUTHENTICATED, "user name or password is wrong");
	}
	brake_release(&auth->passwords, &request->peer);
	session = auth_open_session(auth, loop_now_ms());
	set_cookie(request, session->token, "");
	request->answer.json = session_json(session);
	return 0;
}

int session_post(struct request *request, struct err *err)
{
	static const char *const members[] = { "username", "password", NULL };
	const struct auth *auth = &request->web->auth;
	struct password_job *job;
	const char *values[2];
	int rc = body_strings(request, members, values, err);

	if (rc < 0)
		return rc;
	if (!auth->password_hash) /* asked by root over the Unix socket */
		return err_set(err, ERR_CONFLICT, "setup is not finished: there is no password yet");
	rc = access_try(request, &request->web->auth.passwords, err);
	if (rc < 0)
		return rc;
	job = job_new(request, values[1]);
	if (!job)
		return -ENOMEM;
	/* Whoever it is, the hash is computed: how long it takes must not tell which names there are. */
	job->known_user = strcmp(values[0], ADMIN_NAME) == 0;
	snprintf(job->hash, sizeof(job->hash), "%s", auth->password_hash);
	return request_defer(request, login_work, login_done, err);
}

int session_delete(struct request *request, struct err *err)
{
	struct session *session;

	(void)err;
	session = access_session(request);
	if (session)
		auth_close_session(session);
	events_check_sessions(request->web->events);
	set_cookie(request, "", "; Max-Age=0");
	return 0;
}
