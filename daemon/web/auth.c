/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "web/auth.h"

#include <stdlib.h>
#include <string.h>

void auth_init(struct auth *auth, char *password_hash)
{
	memset(auth, 0, sizeof(*auth));
	auth->password_hash = password_hash;
	if (!password_hash)
		random_text(auth->setup_code, SETUP_CODE_LENGTH);
}

static void free_password(struct auth *auth)
{
	if (auth->password_hash)
		secret_wipe(auth->password_hash, strlen(auth->password_hash));
	free(auth->password_hash);
}

void auth_done(struct auth *auth)
{
	free_password(auth);
	secret_wipe(auth, sizeof(*auth));
}

void auth_set_password(struct auth *auth, char *password_hash)
{
	free_password(auth);
	auth->password_hash = password_hash;
	secret_wipe(auth->setup_code, sizeof(auth->setup_code));
}

/* --- sessions --- */

static void random_token(char text[SESSION_TOKEN_MAX])
{
	random_hex(text, (SESSION_TOKEN_MAX - 1) / 2);
}

static bool session_alive(const struct session *session, uint64_t now_ms)
{
	return session->used && now_ms - session->seen_ms < SESSION_IDLE_MS &&
	       now_ms - session->made_ms < SESSION_AGE_MS;
}

/* A free place, else the one that was idle longest. */
static struct session *session_place(struct auth *auth, uint64_t now_ms)
{
	struct session *place = &auth->sessions[0];

	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct session *session = &auth->sessions[i];

		if (!session_alive(session, now_ms))
			return session;
		if (session->seen_ms < place->seen_ms)
			place = session;
	}
	return place;
}

struct session *auth_open_session(struct auth *auth, uint64_t now_ms)
{
	struct session *session = session_place(auth, now_ms);

	random_token(session->token);
	random_token(session->csrf);
	session->made_ms = now_ms;
	session->seen_ms = now_ms;
	session->used = true;
	return session;
}

struct session *auth_find_session(struct auth *auth, const char *token, uint64_t now_ms)
{
	struct session *found = NULL;

	if (!token || strlen(token) != SESSION_TOKEN_MAX - 1)
		return NULL;
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct session *session = &auth->sessions[i];

		if (session->used && secret_equal(session->token, token, SESSION_TOKEN_MAX - 1))
			found = session;
	}
	if (!found)
		return NULL;
	if (!session_alive(found, now_ms)) {
		auth_close_session(found);
		return NULL;
	}
	found->seen_ms = now_ms;
	return found;
}

void auth_close_session(struct session *session)
{
	secret_wipe(session, sizeof(*session));
}

void auth_close_others(struct auth *auth, const struct session *session)
{
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		if (&auth->sessions[i] != session)
			auth_close_session(&auth->sessions[i]);
	}
}

/* --- the brake --- */

static struct ip throttle_key(const struct ip *address)
{
	return address->family == AF_INET6 ? prefix_of(address, 64).address : *address;
}

static void forget_if_old(struct tries *tries, uint64_t now_ms)
{
	if (now_ms - tries->last_ms >= THROTTLE_WINDOW_MS)
		tries->failures = 0;
}

/* Whether `a` should be forgotten rather than `b`: what strangers do must not push out who is known. */
static bool goes_first(const struct tries *a, const struct tries *b)
{
	return a->known != b->known ? !a->known : a->last_ms < b->last_ms;
}

/* The entry of the address, made anew where there is none. */
static struct tries *tries_of(struct auth *auth, const struct ip *address)
{
	struct ip key = throttle_key(address);
	struct tries *oldest = &auth->tries[0];

	for (unsigned i = 0; i < THROTTLE_ADDRESSES_MAX; i++) {
		struct tries *tries = &auth->tries[i];

		if (ip_compare(&tries->address, &key) == 0)
			return tries;
		if (goes_first(tries, oldest))
			oldest = tries;
	}
	*oldest = (struct tries){ .address = key };
	return oldest;
}

static uint64_t wait_left_ms(const struct tries *tries, uint64_t now_ms)
{
	return tries->blocked_until_ms > now_ms ? tries->blocked_until_ms - now_ms : 0;
}

static void count_failure(struct tries *tries, unsigned free_tries, uint64_t now_ms)
{
	uint64_t wait_s = THROTTLE_FIRST_WAIT_S;

	tries->failures++;
	tries->last_ms = now_ms;
	if (tries->failures < free_tries)
		return;
	for (unsigned i = free_tries; i < tries->failures && wait_s < THROTTLE_LONGEST_WAIT_S; i++)
		wait_s *= 2;
	if (wait_s > THROTTLE_LONGEST_WAIT_S)
		wait_s = THROTTLE_LONGEST_WAIT_S;
	tries->blocked_until_ms = now_ms + wait_s * 1000;
}

bool auth_may_try(struct auth *auth, const struct ip *address, uint64_t now_ms, unsigned *ret_wait_s)
{
	struct tries *tries;
	uint64_t wait_ms;

	if (address->family == AF_UNSPEC) /* root over the Unix socket guesses nothing that it cannot read */
		return true;
	tries = tries_of(auth, address);
	wait_ms = wait_left_ms(tries, now_ms);
	if (!tries->known && wait_left_ms(&auth->all, now_ms) > wait_ms)
		wait_ms = wait_left_ms(&auth->all, now_ms);
	if (wait_ms > 0) {
		*ret_wait_s = (unsigned)((wait_ms + 999) / 1000);
		return false;
	}
	return true;
}

bool auth_try(struct auth *auth, const struct ip *address, uint64_t now_ms, unsigned *ret_wait_s)
{
	struct tries *tries;

	if (!auth_may_try(auth, address, now_ms, ret_wait_s))
		return false;
	if (address->family == AF_UNSPEC)
		return true;
	tries = tries_of(auth, address);
	forget_if_old(tries, now_ms);
	forget_if_old(&auth->all, now_ms);
	count_failure(tries, THROTTLE_FREE_TRIES, now_ms);
	count_failure(&auth->all, THROTTLE_FREE_TRIES_ALL, now_ms);
	return true;
}

void auth_know(struct auth *auth, const struct ip *address)
{
	if (address->family != AF_UNSPEC)
		tries_of(auth, address)->known = true;
}

void auth_succeeded(struct auth *auth, const struct ip *address)
{
	struct tries *tries;

	if (address->family == AF_UNSPEC)
		return;
	tries = tries_of(auth, address);
	*tries = (struct tries){ .address = tries->address, .known = true, .last_ms = tries->last_ms };
	if (auth->all.failures > 0)
		auth->all.failures--;
	if (auth->all.failures < THROTTLE_FREE_TRIES_ALL)
		auth->all.blocked_until_ms = 0;
}

void auth_forgive(struct auth *auth)
{
	memset(auth->tries, 0, sizeof(auth->tries));
	memset(&auth->all, 0, sizeof(auth->all));
}
