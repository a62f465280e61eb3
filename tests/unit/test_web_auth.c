/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "web/auth.h"

enum { START_MS = 1000 * 1000, MINUTE_MS = 60 * 1000 };

static struct auth auth;

static int setup(void **state)
{
	(void)state;
	auth_init(&auth, strdup("hash"));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	auth_done(&auth);
	return 0;
}

static struct ip address_of(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

static bool try_at(const char *text, uint64_t now_ms, unsigned *ret_wait_s)
{
	struct ip ip = address_of(text);

	return brake_try(&auth.passwords, &ip, now_ms, ret_wait_s);
}

/* Fails until the brake is on. */
static void use_up(const char *text, uint64_t now_ms)
{
	unsigned wait_s;

	for (unsigned i = 0; i < THROTTLE_FREE_TRIES; i++)
		assert_true(try_at(text, now_ms, &wait_s));
	assert_false(try_at(text, now_ms, &wait_s));
}

static void setup_code_until_there_is_a_password(void **state)
{
	struct auth other;

	(void)state;
	assert_string_equal(auth.setup_code, "");
	auth_init(&other, NULL);
	assert_int_equal(strlen(other.setup_code), SETUP_CODE_LENGTH);
	auth_done(&other);
}

/* --- sessions --- */

static void session_is_found_by_its_token(void **state)
{
	struct session *session = auth_open_session(&auth, START_MS);
	char token[SESSION_TOKEN_MAX];

	(void)state;
	assert_ptr_equal(auth_find_session(&auth, session->token, START_MS), session);
	assert_string_not_equal(session->token, session->csrf);
	strcpy(token, session->token);
	token[63] ^= 1;
	assert_null(auth_find_session(&auth, token, START_MS));
	token[63] = '\0';
	assert_null(auth_find_session(&auth, token, START_MS));
	assert_null(auth_find_session(&auth, "", START_MS));
	assert_null(auth_find_session(&auth, NULL, START_MS));
	strcpy(token, session->token);
	auth_close_session(session);
	assert_null(auth_find_session(&auth, token, START_MS));
}

static void session_ends_when_idle(void **state)
{
	const struct session *session = auth_open_session(&auth, START_MS);
	uint64_t now_ms = START_MS + SESSION_IDLE_MS - 1;
	char token[SESSION_TOKEN_MAX];

	(void)state;
	strcpy(token, session->token);
	assert_non_null(auth_find_session(&auth, token, now_ms));
	now_ms += SESSION_IDLE_MS - 1; /* finding it was a use of it */
	assert_non_null(auth_find_session(&auth, token, now_ms));
	assert_null(auth_find_session(&auth, token, now_ms + SESSION_IDLE_MS));
	assert_null(auth_find_session(&auth, token, now_ms));
}

static void session_ends_after_twelve_hours_of_use(void **state)
{
	const struct session *session = auth_open_session(&auth, START_MS);
	char token[SESSION_TOKEN_MAX];
	uint64_t now_ms;

	(void)state;
	strcpy(token, session->token);
	for (now_ms = START_MS; now_ms < START_MS + SESSION_AGE_MS; now_ms += MINUTE_MS)
		assert_non_null(auth_find_session(&auth, token, now_ms));
	assert_null(auth_find_session(&auth, token, now_ms));
}

static void one_session_too_many_ends_the_idlest(void **state)
{
	char tokens[SESSIONS_MAX][SESSION_TOKEN_MAX];

	(void)state;
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		strcpy(tokens[i], auth_open_session(&auth, START_MS + i)->token);
	assert_non_null(
		auth_find_session(&auth, tokens[0], START_MS + 1000)); /* now the second is the idlest */
	auth_open_session(&auth, START_MS + 1001);
	assert_null(auth_find_session(&auth, tokens[1], START_MS + 1001));
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		if (i != 1)
			assert_non_null(auth_find_session(&auth, tokens[i], START_MS + 1001));
	}
}

/* --- the brake --- */

static void waits_double_up_to_five_minutes(void **state)
{
	static const unsigned expected[] = { 10, 20, 40, 80, 160, 300, 300 };
	uint64_t now_ms = START_MS;
	unsigned wait_s;

	(void)state;
	use_up("192.0.2.1", now_ms);
	for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_false(try_at("192.0.2.1", now_ms, &wait_s));
		assert_int_equal(wait_s, expected[i]);
		assert_false(try_at("192.0.2.1", now_ms + wait_s * 1000 - 1, &wait_s));
		assert_int_equal(wait_s, 1);
		now_ms += expected[i] * 1000;
		assert_true(try_at("192.0.2.1", now_ms, &wait_s));
	}
}

static void success_starts_afresh(void **state)
{
	struct ip ip = address_of("192.0.2.1");
	unsigned wait_s;

	(void)state;
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < THROTTLE_FREE_TRIES; i++)
			assert_true(try_at("192.0.2.1", START_MS, &wait_s));
		brake_release(&auth.passwords, &ip); /* the last of them was right */
	}
}

static void time_heals(void **state)
{
	(void)state;
	use_up("192.0.2.1", START_MS);
	use_up("192.0.2.1", START_MS + THROTTLE_WINDOW_MS);
}

static void addresses_are_apart(void **state)
{
	unsigned wait_s;

	(void)state;
	use_up("192.0.2.1", START_MS);
	assert_true(try_at("192.0.2.2", START_MS, &wait_s));
	use_up("2001:db8:1:2::1", START_MS);
	assert_false(try_at("2001:db8:1:2:ffff::9", START_MS, &wait_s)); /* the same /64 */
	assert_true(try_at("2001:db8:1:3::1", START_MS, &wait_s));
}

static void everybody_together_is_slowed_down_too(void **state)
{
	unsigned wait_s, admitted = 0;
	char text[32];

	(void)state;
	for (unsigned i = 0; i < 2 * THROTTLE_FREE_TRIES_ALL; i++) {
		snprintf(text, sizeof(text), "198.51.%u.%u", i / 250, i % 250 + 1);
		admitted += try_at(text, START_MS, &wait_s);
	}
	assert_int_equal(admitted, THROTTLE_FREE_TRIES_ALL);
	assert_int_equal(wait_s, THROTTLE_FIRST_WAIT_S);
	assert_true(try_at("192.0.2.1", START_MS + 10000, &wait_s));
}

/* Who logged in before is not kept out by what strangers do: neither by their failures nor by their number. */
static void strangers_do_not_lock_the_owner_out(void **state)
{
	struct ip owner = address_of("192.0.2.1");
	unsigned wait_s;
	char text[32];

	(void)state;
	assert_true(try_at("192.0.2.1", START_MS, &wait_s));
	brake_release(&auth.passwords, &owner);
	for (unsigned i = 0; i < 2 * THROTTLE_ADDRESSES_MAX; i++) {
		snprintf(text, sizeof(text), "198.51.%u.%u", i / 250, i % 250 + 1);
		try_at(text, START_MS + 1 + i, &wait_s);
	}
	assert_false(try_at("203.0.113.1", START_MS + 1000, &wait_s));
	use_up("192.0.2.1", START_MS + 1000); /* its own failures count as ever */
}

/* More addresses than the table holds: the quietest is forgotten, the latest are not. */
static void table_is_bounded(void **state)
{
	unsigned wait_s;
	char text[32];

	(void)state;
	use_up("192.0.2.1", START_MS);
	for (unsigned i = 0; i < THROTTLE_ADDRESSES_MAX; i++) {
		auth.passwords.all.failures = 0;
		snprintf(text, sizeof(text), "198.51.%u.%u", i / 250, i % 250 + 1);
		assert_true(try_at(text, START_MS + 1 + i, &wait_s));
	}
	assert_true(try_at("192.0.2.1", START_MS + 500, &wait_s));
	use_up("203.0.113.1", START_MS + 1000);
	assert_false(try_at("203.0.113.1", START_MS + 1001, &wait_s));
}

static void root_over_the_socket_is_never_slowed_down(void **state)
{
	const struct ip none = { 0 };
	unsigned wait_s;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_true(brake_try(&auth.passwords, &none, START_MS, &wait_s));
}

/* Nor by a neighbour in the same /64. */
static void neighbours_do_not_lock_the_owner_out(void **state)
{
	struct ip owner = address_of("2001:db8::1");
	unsigned wait_s;

	(void)state;
	assert_true(try_at("2001:db8::1", START_MS, &wait_s));
	brake_release(&auth.passwords, &owner);
	use_up("2001:db8::2", START_MS);
	assert_false(try_at("2001:db8::3", START_MS, &wait_s));
	use_up("2001:db8::1", START_MS); /* its own failures count as ever */
}

/* One that asks and asks again: a day later others may try, also those that never did. */
static void who_never_gives_up_stands_alone(void **state)
{
	enum { DAY_MS = 24 * 60 * MINUTE_MS };
	uint64_t now_ms;
	unsigned wait_s;

	(void)state;
	for (now_ms = START_MS; now_ms < START_MS + DAY_MS; now_ms += 15000)
		try_at("192.0.2.1", now_ms, &wait_s);
	assert_true(try_at("192.0.2.2", now_ms, &wait_s));
}

/* What many did together is forgotten, too, whatever one of them goes on doing. */
static void all_together_are_forgiven(void **state)
{
	uint64_t now_ms = START_MS;
	unsigned wait_s;
	char text[32];

	(void)state;
	for (unsigned i = 0; i < THROTTLE_FREE_TRIES_ALL; i++) {
		snprintf(text, sizeof(text), "198.51.100.%u", i + 1);
		assert_true(try_at(text, now_ms, &wait_s));
	}
	assert_false(try_at("192.0.2.2", now_ms, &wait_s));
	for (; now_ms < START_MS + 6 * 60 * MINUTE_MS; now_ms += 15000)
		try_at("192.0.2.1", now_ms, &wait_s);
	assert_true(try_at("192.0.2.2", now_ms, &wait_s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(setup_code_until_there_is_a_password, setup, teardown),
		cmocka_unit_test_setup_teardown(session_is_found_by_its_token, setup, teardown),
		cmocka_unit_test_setup_teardown(session_ends_when_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(session_ends_after_twelve_hours_of_use, setup, teardown),
		cmocka_unit_test_setup_teardown(one_session_too_many_ends_the_idlest, setup, teardown),
		cmocka_unit_test_setup_teardown(waits_double_up_to_five_minutes, setup, teardown),
		cmocka_unit_test_setup_teardown(success_starts_afresh, setup, teardown),
		cmocka_unit_test_setup_teardown(time_heals, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_are_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(everybody_together_is_slowed_down_too, setup, teardown),
		cmocka_unit_test_setup_teardown(strangers_do_not_lock_the_owner_out, setup, teardown),
		cmocka_unit_test_setup_teardown(neighbours_do_not_lock_the_owner_out, setup, teardown),
		cmocka_unit_test_setup_teardown(who_never_gives_up_stands_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(all_together_are_forgiven, setup, teardown),
		cmocka_unit_test_setup_teardown(table_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(root_over_the_socket_is_never_slowed_down, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
