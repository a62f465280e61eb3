/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/crypto.h"

static void random_bytes_fill_all(void **state)
{
	unsigned char data[1024], seen[1024] = { 0 };

	(void)state;
	/* In 20 fills each byte is non-zero at least once, but for one chance in 10^45. */
	for (unsigned round = 0; round < 20; round++) {
		random_bytes(data, sizeof(data));
		for (size_t i = 0; i < sizeof(data); i++)
			seen[i] |= data[i];
	}
	for (size_t i = 0; i < sizeof(seen); i++)
		assert_int_not_equal(seen[i], 0);
	random_bytes(data, 0);
}

static void random_text_is_easy_to_read(void **state)
{
	char text[2001], other[2001];
	unsigned counts[256] = { 0 };

	(void)state;
	memset(text, 'X', sizeof(text));
	random_text(text, 2000);
	random_text(other, 2000);
	assert_int_equal(strlen(text), 2000);
	assert_string_not_equal(text, other);
	for (const char *at = text; *at; at++) {
		assert_true(islower((unsigned char)*at) || isdigit((unsigned char)*at));
		assert_null(strchr("0o1li", *at));
		counts[(unsigned char)*at]++;
	}
	/* 2000 draws from 31: each 64 on average; ten standard deviations wide. */
	for (unsigned c = 'a'; c <= 'z'; c++)
		if (!strchr("oli", (int)c))
			assert_in_range(counts[c], 1, 145);
	random_text(text, 0);
	assert_string_equal(text, "");
}

/* From an independent implementation: Python's hashlib.pbkdf2_hmac("sha256", ...). */
static void verifies_known_answers(void **state)
{
	static const char hash[] = "pbkdf2-sha256$1000$000102030405060708090a0b0c0d0e0f$"
				   "c914cc4f06cc6e8f46d157e3a1b5aa7abceebb17bb0444cd4c4ac16ca2ae9864";
	static const char utf8[] = "pbkdf2-sha256$7$ffeeddccbbaa99887766554433221100$"
				   "236b641d3c6b64f3ed4f6f35175dae7c1afe4c386bb6ef4d6a1f5bec67435309";

	(void)state;
	assert_true(password_verify("correct horse", hash));
	assert_false(password_verify("correct horsf", hash));
	assert_false(password_verify("correct hors", hash));
	assert_false(password_verify("correct horse ", hash));
	assert_false(password_verify("", hash));

	char longer[sizeof(hash) + 1];

	for (const char *more = "0$ \n"; *more; more++) {
		snprintf(longer, sizeof(longer), "%s%c", hash, *more);
		assert_false(password_verify("correct horse", longer));
	}
	assert_true(password_verify("p\xc3\xa4ssw\xc3\xb6rt", utf8));
}

static void round_trip_with_a_new_salt(void **state)
{
	char first[PASSWORD_HASH_MAX], second[PASSWORD_HASH_MAX];

	(void)state;
	assert_int_equal(password_hash("eight ch", first), 0);
	assert_int_equal(password_hash("eight ch", second), 0);
	assert_string_not_equal(first, second);
	assert_true(strlen(first) < PASSWORD_HASH_MAX);
	assert_true(password_verify("eight ch", first));
	assert_false(password_verify("eight cH", second));
}

static void lengths_are_limited(void **state)
{
	char password[PASSWORD_MAX + 2], hash[PASSWORD_HASH_MAX];

	(void)state;
	assert_int_equal(password_hash("", hash), -EINVAL);
	assert_int_equal(password_hash("1234567", hash), -EINVAL);
	memset(password, 'p', sizeof(password));
	password[PASSWORD_MAX + 1] = '\0';
	assert_int_equal(password_hash(password, hash), -EINVAL);
	password[PASSWORD_MAX] = '\0';
	assert_int_equal(password_hash(password, hash), 0);
	assert_true(password_verify(password, hash));
	password[PASSWORD_MAX] = 'p';
	assert_false(password_verify(password, hash));
}

static void malformed_hashes_match_nothing(void **state)
{
#define SALT "000102030405060708090a0b0c0d0e0f"
#define HASH "0000000000000000000000000000000000000000000000000000000000000000"
	static const char *const cases[] = {
		"",
		"$",
		"password",
		"pbkdf2-sha256$",
		"pbkdf2-sha256$1000",
		"pbkdf2-sha256$1000$",
		"pbkdf2-sha256$1000$" SALT,
		"pbkdf2-sha256$1000$" SALT "$",
		"pbkdf2-sha256$1000$" SALT "$00",
		"pbkdf2-sha256$1000$" SALT "$" HASH "0",
		"pbkdf2-sha256$1000$" SALT "$" HASH "$",
		"pbkdf2-sha256$0$" SALT "$" HASH,
		"pbkdf2-sha256$-1$" SALT "$" HASH,
		"pbkdf2-sha256$+1$" SALT "$" HASH,
		"pbkdf2-sha256$ 1$" SALT "$" HASH,
		"pbkdf2-sha256$10000001$" SALT "$" HASH,
		"pbkdf2-sha256$99999999999999999999999$" SALT "$" HASH,
		"pbkdf2-sha256$1000$0g0102030405060708090a0b0c0d0e0f$" HASH,
		"pbkdf2-sha256$1000$" SALT "0$" HASH,
		"pbkdf2-sha512$1000$" SALT "$" HASH,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* On the heap, so that the sanitizer sees a read past the end. */
		char *copy = strdup(cases[i]);

		assert_false(password_verify("", copy));
		assert_false(password_verify("password", copy));
		free(copy);
	}
}

static void secrets_compare_and_go(void **state)
{
	unsigned char a[32], b[32];

	(void)state;
	random_bytes(a, sizeof(a));
	memcpy(b, a, sizeof(a));
	assert_true(secret_equal(a, b, sizeof(a)));
	for (unsigned bit = 0; bit < 256; bit++) {
		b[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_false(secret_equal(a, b, sizeof(a)));
		b[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	assert_true(secret_equal(a, b, 0));
	secret_wipe(a, sizeof(a));
	memset(b, 0, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
}

/* The answers of FIPS 180-2, appendix B. */
static void secrets_are_hashed(void **state)
{
	char hash[SECRET_HASH_MAX], a[33], b[33];

	(void)state;
	secret_hash("abc", hash);
	assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	secret_hash("", hash);
	assert_string_equal(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	random_hex(a, 16);
	random_hex(b, 16);
	assert_int_equal(strspn(a, "0123456789abcdef"), 32);
	assert_int_equal(strlen(a), 32);
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_bytes_fill_all),  cmocka_unit_test(random_text_is_easy_to_read),
		cmocka_unit_test(verifies_known_answers), cmocka_unit_test(round_trip_with_a_new_salt),
		cmocka_unit_test(lengths_are_limited),    cmocka_unit_test(malformed_hashes_match_nothing),
		cmocka_unit_test(secrets_compare_and_go), cmocka_unit_test(secrets_are_hashed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
