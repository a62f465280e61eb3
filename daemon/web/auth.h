/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_WEB_AUTH_H
#define PORTICO_WEB_AUTH_H

/*
 * Who is who: sessions, and the brake on guessing. In memory only, so a restart logs everybody
 * out. Knows neither HTTP nor the clock: times are monotonic milliseconds, given by the caller.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/ip.h"

enum {
	SESSIONS_MAX = 64,      /* one more ends the one that was idle longest */
	SESSION_TOKEN_MAX = 65, /* 32 random bytes in hexadecimal, and the zero */
	SESSION_IDLE_MS = 30 * 60 * 1000,
	SESSION_AGE_MS = 12 * 60 * 60 * 1000,

	SETUP_CODE_LENGTH = 8,

	THROTTLE_ADDRESSES_MAX = 256, /* one more forgets the one that was quiet longest */
	THROTTLE_FREE_TRIES = 5,      /* of one address, before it must wait */
	THROTTLE_FREE_TRIES_ALL =
		100, /* of all addresses together: guessing from everywhere is slowed down too */
	THROTTLE_FIRST_WAIT_S = 10, /* doubles with each further failure */
	THROTTLE_LONGEST_WAIT_S = 300,
	THROTTLE_WINDOW_MS = 15 * 60 * 1000, /* without a failure, and all is forgotten */
	/*
	 * In so long one failure of all addresses together is forgotten. One that never gives up adds half as many, so
	 * that it does not, in days, use up what all have together.
	 */
	THROTTLE_FORGET_MS = THROTTLE_LONGEST_WAIT_S * 1000 / 2,
};

#define ADMIN_NAME "admin"

struct session {
	bool used;
	char token[SESSION_TOKEN_MAX];
	char csrf[SESSION_TOKEN_MAX];
	uint64_t made_ms, seen_ms;
};

struct tries {
	struct ip address; /* IPv6: the /64, which is what one household has; if known the very address */
	bool known;        /* somebody logged in from there: strangers' failures are not held against it */
	unsigned failures;
	uint64_t last_ms, blocked_until_ms;
};

/* On guessing one kind of secret. */
struct brake {
	struct tries tries[THROTTLE_ADDRESSES_MAX];
	struct tries all;
	uint64_t forgot_ms; /* when a failure of `all` was forgotten last */
};

struct auth {
	char *password_hash; /* NULL: setup is not finished */
	char setup_code[SETUP_CODE_LENGTH + 1];
	bool setup_running; /* a password is being hashed */
	struct session sessions[SESSIONS_MAX];
	struct brake passwords; /* and the setup code */
	/*
	 * Apart: a program whose token was removed goes on asking, and must keep nobody from the page. Nobody guesses one; it
	 * is the log that this keeps short.
	 */
	struct brake tokens;
};

/* Takes over `password_hash` (may be NULL: then there is a setup code). */
void auth_init(struct auth *auth, char *password_hash);
/* Frees and wipes. */
void auth_done(struct auth *auth);

/* Takes over the hash of the password from now on; setup is finished with it. */
void auth_set_password(struct auth *auth, char *password_hash);

/* A new session; valid until the next call. */
struct session *auth_open_session(struct auth *auth, uint64_t now_ms);
/* The living session of that token, which counts as use of it; NULL if there is none. */
struct session *auth_find_session(struct auth *auth, const char *token, uint64_t now_ms);
void auth_close_session(struct session *session);
/* All but this one, which may be NULL. */
void auth_close_others(struct auth *auth, const struct session *session);

/*
 * Asks for one more try and counts it as a failure at once, so that tries at the same time do not slip through; a
 * success takes it back. False: too many, with the seconds to wait.
 */
bool brake_try(struct brake *brake, const struct ip *address, uint64_t now_ms, unsigned *ret_wait_s);
/* The try was right: the address starts afresh, and is known. */
void brake_release(struct brake *brake, const struct ip *address);
/* Earlier tries, and who made them, are forgotten. */
void brake_reset(struct brake *brake);

#endif
