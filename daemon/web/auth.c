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

/* The entry of the address if it is known, else of its household; made anew where there is none. */
static struct tries *tries_of(struct brake *brake, const struct ip *address)
{
	struct tries *oldest = &brake->tries[0], *household = NULL;
	struct ip key = throttle_key(address);

	for (unsigned i = 0; i < THROTTLE_ADDRESSES_MAX; i++) {
		struct tries *tries = &brake->tries[i];

		if (tries->known && ip_compare(&tries->address, address) == 0)
			return tries;
		if (!tries->known && ip_compare(&tries->address, &key) == 0)
			household = tries;
		if (goes_first(tries, oldest))
			oldest = tries;
	}
	if (household)
		return household;
	*oldest = (struct tries){ .address = key };
	return oldest;
}

/* Of all together. */
static void forget_slowly(struct brake *brake, uint64_t now_ms)
{
	uint64_t count = (now_ms - brake->forgot_ms) / THROTTLE_FORGET_MS;

	brake->forgot_ms += count * THROTTLE_FORGET_MS;
	brake->all.failures -= count < brake->all.failures ? (unsigned)count : brake->all.failures;
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

static uint64_t wait_of(const struct brake *brake, const struct tries *tries, uint64_t now_ms)
{
	uint64_t own_ms = wait_left_ms(tries, now_ms), all_ms = wait_left_ms(&brake->all, now_ms);

	return tries->known || own_ms > all_ms ? own_ms : all_ms;
}

bool brake_try(struct brake *brake, const struct ip *address, uint64_t now_ms, unsigned *ret_wait_s)
{
	struct tries *tries;
	uint64_t wait_ms;

	if (address->family == AF_UNSPEC) /* root over the Unix socket guesses nothing that it cannot read */
		return true;
	tries = tries_of(brake, address);
	wait_ms = wait_of(brake, tries, now_ms);
	if (wait_ms > 0) {
		*ret_wait_s = (unsigned)((wait_ms + 999) / 1000);
		return false;
	}
	forget_if_old(tries, now_ms);
	forget_if_old(&brake->all, now_ms);
	forget_slowly(brake, now_ms);
	count_failure(tries, THROTTLE_FREE_TRIES, now_ms);
	count_failure(&brake->all, THROTTLE_FREE_TRIES_ALL, now_ms);
	return true;
}

void brake_release(struct brake *brake, const struct ip *address)
{
	struct tries *tries;

	if (address->family == AF_UNSPEC)
		return;
	tries = tries_of(brake, address);
	*tries = (struct tries){ .address = *address, .known = true, .last_ms = tries->last_ms };
	if (brake->all.failures > 0)
		brake->all.failures--;
	if (brake->all.failures < THROTTLE_FREE_TRIES_ALL)
		brake->all.blocked_until_ms = 0;
}

void brake_reset(struct brake *brake)
{
	memset(brake, 0, sizeof(*brake));
}
