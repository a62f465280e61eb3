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
		"pbkdf2-sha256$2000001$" SALT "$" HASH,
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

static void hashes_are_recognized(void **state)
{
	char hash[PASSWORD_HASH_MAX], longer[2 * PASSWORD_HASH_MAX];

	(void)state;
	assert_int_equal(password_hash("eight ch", hash), 0);
	assert_true(password_hash_valid(hash));
	snprintf(longer, sizeof(longer), "%s0", hash);
	assert_false(password_hash_valid(longer));
	assert_false(password_hash_valid(""));
	assert_false(password_hash_valid("pbkdf2-sha256$0$" SALT "$" HASH));
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_false(password_hash_valid(longer));
}

/* --- sealed texts --- */

#define HEADER "header"

/* By an independent implementation: Python's hashlib and hmac, and AES-GCM of its cryptography package. */
static const struct seal known_seal = {
	.iterations = 1000,
	.salt = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	.nonce = { 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43 },
	.check = { 0x1c, 0xd3, 0x94, 0x16, 0x64, 0xce, 0x56, 0x17, 0xb8, 0xe4, 0xf7, 0x75, 0xb0, 0x61, 0xdc,
		   0x8f },
	.tag = { 0x69, 0xce, 0x85, 0x14, 0xe7, 0x07, 0xbf, 0xaf, 0xd2, 0x25, 0xcd, 0x19, 0xcf, 0x99, 0xf2,
		 0xb7 },
};
static const unsigned char known_data[] = { 0x4c, 0x6f, 0xc8, 0x11, 0xf2, 0x11, 0xd7,
					    0x19, 0x43, 0x17, 0x9f, 0x8e, 0xaf, 0x44 };

static void opens_what_others_sealed(void **state)
{
	unsigned char data[sizeof(known_data)];

	(void)state;
	memcpy(data, known_data, sizeof(data));
	assert_int_equal(seal_open(&known_seal, "correct horse", HEADER, strlen(HEADER), data, sizeof(data)),
			 0);
	assert_memory_equal(data, "attack at dawn", sizeof(data));
}

static void seals_and_opens(void **state)
{
	char data[] = "a text of some length, longer than one block of the cipher";
	struct seal seal, other;

	(void)state;
	seal_init(&seal);
	seal_init(&other);
	assert_in_range(seal.iterations, SEAL_ITERATIONS_MIN, SEAL_ITERATIONS_MAX);
	assert_memory_not_equal(seal.salt, other.salt, sizeof(seal.salt));
	assert_memory_not_equal(seal.nonce, other.nonce, sizeof(seal.nonce));
	seal.iterations = SEAL_ITERATIONS_MIN;
	assert_int_equal(seal_close(&seal, "passphrase", HEADER, strlen(HEADER), data, sizeof(data)), 0);
	assert_null(memmem(data, sizeof(data), "text", 4));
	assert_int_equal(seal_open(&seal, "passphrase", HEADER, strlen(HEADER), data, sizeof(data)), 0);
	assert_string_equal(data, "a text of some length, longer than one block of the cipher");

	/* Nothing is a text, too. */
	assert_int_equal(seal_close(&seal, "", NULL, 0, data, 0), 0);
	assert_int_equal(seal_open(&seal, "", NULL, 0, data, 0), 0);
}

static int open_changed(const struct seal *seal, const char *passphrase, const char *header, size_t at)
{
	unsigned char data[sizeof(known_data)];

	memcpy(data, known_data, sizeof(data));
	if (at < sizeof(data))
		data[at] ^= 1;
	return seal_open(seal, passphrase, header, strlen(header), data, sizeof(data) - (at == sizeof(data)));
}

static void damage_is_told_from_a_wrong_passphrase(void **state)
{
	const size_t whole = sizeof(known_data) + 1;
	struct seal seal = known_seal;

	(void)state;
	assert_int_equal(open_changed(&known_seal, "correct horse", HEADER, whole), 0);
	assert_int_equal(open_changed(&known_seal, "correct horsf", HEADER, whole), -EACCES);
	assert_int_equal(open_changed(&known_seal, "", HEADER, whole), -EACCES);
	assert_int_equal(open_changed(&known_seal, "correct horse", "heades", whole), -EBADMSG);
	for (size_t at = 0; at <= sizeof(known_data); at++) /* the last one is cut off */
		assert_int_equal(open_changed(&known_seal, "correct horse", HEADER, at), -EBADMSG);
	for (unsigned i = 0; i < SEAL_TAG_SIZE; i++) {
		seal.tag[i] ^= 0x80;
		assert_int_equal(open_changed(&seal, "correct horse", HEADER, whole), -EBADMSG);
		seal.tag[i] ^= 0x80;
	}
	seal.nonce[0] ^= 1;
	assert_int_equal(open_changed(&seal, "correct horse", HEADER, whole), -EBADMSG);
	seal = known_seal;
	seal.salt[0] ^= 1; /* cannot be told: the passphrase leads to other keys */
	assert_int_equal(open_changed(&seal, "correct horse", HEADER, whole), -EACCES);
}

/* --- sums and texts of bytes --- */

static void sums_are_those_of_others(void **state)
{
	char text[SHA256_TEXT_MAX];

	(void)state;
	/* FIPS 180-2, B.1 */
	assert_int_equal(sha256_text("abc", 3, text), 0);
	assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(sha256_text("", 0, text), 0);
	assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void base64_there_and_back(void **state)
{
	static const char *const pairs[][2] = {
		/* RFC 4648, 10 */
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	char data[16];
	size_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char *text = base64_encode(pairs[i][0], strlen(pairs[i][0]));

		assert_string_equal(text, pairs[i][1]);
		assert_int_equal(base64_decode(text, strlen(text), data, sizeof(data), &length), 0);
		assert_int_equal(length, strlen(pairs[i][0]));
		assert_memory_equal(data, pairs[i][0], length);
		free(text);
	}
	length = 77;
	assert_int_equal(base64_decode("Zm9vYmFy", 8, data, 5, &length), -ENOSPC);
	for (const char *const *bad = (const char *const[]){ "Zm9v!", "Z===", "Zg==Zg==", "-_-_", NULL };
	     *bad; bad++)
		assert_int_equal(base64_decode(*bad, strlen(*bad), data, sizeof(data), &length), -EINVAL);
	assert_int_equal(length, 77);
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
		cmocka_unit_test(random_bytes_fill_all),
		cmocka_unit_test(random_text_is_easy_to_read),
		cmocka_unit_test(verifies_known_answers),
		cmocka_unit_test(round_trip_with_a_new_salt),
		cmocka_unit_test(lengths_are_limited),
		cmocka_unit_test(malformed_hashes_match_nothing),
		cmocka_unit_test(hashes_are_recognized),
		cmocka_unit_test(opens_what_others_sealed),
		cmocka_unit_test(seals_and_opens),
		cmocka_unit_test(damage_is_told_from_a_wrong_passphrase),
		cmocka_unit_test(sums_are_those_of_others),
		cmocka_unit_test(base64_there_and_back),
		cmocka_unit_test(secrets_compare_and_go),
		cmocka_unit_test(secrets_are_hashed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
