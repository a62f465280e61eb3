/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/crypto.h"

#include <errno.h>
#include <limits.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/md.h>
#include <mbedtls/pkcs5.h>
#include <mbedtls/version.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"

#define HASH_SCHEME "pbkdf2-sha256$"

enum {
	SALT_SIZE = 16,
	HASH_SIZE = 32,
	ITERATIONS = 100000,
	/* Of a stored hash: more than anyone would wait for means that it is damaged. */
	ITERATIONS_MAX = 10000000,
};

void random_bytes(void *data, size_t length)
{
	unsigned char *at = data;

	while (length > 0) {
		ssize_t got = getrandom(at, length, 0);

		if (got < 0) {
			if (errno == EINTR)
				continue;
			log_error("no random bytes from the kernel: %s", strerror(errno));
			abort();
		}
		at += got;
		length -= (size_t)got;
	}
}

void random_text(char *text, size_t length)
{
	static const char alphabet[] = "abcdefghjkmnpqrstuvwxyz23456789";
	const unsigned count = sizeof(alphabet) - 1;
	/* Bytes from here on would favour the first characters. */
	const unsigned limit = (UCHAR_MAX + 1) / count * count;

	for (size_t i = 0; i < length;) {
		unsigned char byte;

		random_bytes(&byte, 1);
		if (byte < limit)
			text[i++] = alphabet[byte % count];
	}
	text[length] = '\0';
}

static int derive(const char *password, const unsigned char salt[SALT_SIZE], unsigned iterations,
		  unsigned char ret_hash[HASH_SIZE])
{
	const unsigned char *secret = (const unsigned char *)password;
	int error;

#if MBEDTLS_VERSION_NUMBER >= 0x03030000
	error = mbedtls_pkcs5_pbkdf2_hmac_ext(MBEDTLS_MD_SHA256, secret, strlen(password), salt, SALT_SIZE,
					      iterations, HASH_SIZE, ret_hash);
#else
	mbedtls_md_context_t md;

	mbedtls_md_init(&md);
	error = mbedtls_md_setup(&md, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 1);
	if (error == 0)
		error = mbedtls_pkcs5_pbkdf2_hmac(&md, secret, strlen(password), salt, SALT_SIZE, iterations,
						  HASH_SIZE, ret_hash);
	mbedtls_md_free(&md);
#endif
	return error == 0 ? 0 : -EIO;
}

static char *put_hex(char *text, const unsigned char *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		text += sprintf(text, "%02x", data[i]);
	return text;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads `length` bytes; returns what follows, NULL if there are fewer. */
static const char *take_hex(const char *text, unsigned char *data, size_t length)
{
	for (size_t i = 0; i < length; i++, text += 2) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0)
			return NULL;
		data[i] = (unsigned char)(high << 4 | low);
	}
	return text;
}

static bool parse_hash(const char *text, unsigned *ret_iterations, unsigned char ret_salt[SALT_SIZE],
		       unsigned char ret_hash[HASH_SIZE])
{
	char *end;
	unsigned long iterations;

	if (strncmp(text, HASH_SCHEME, strlen(HASH_SCHEME)) != 0)
		return false;
	text += strlen(HASH_SCHEME);
	if (*text < '1' || *text > '9')
		return false;
	errno = 0;
	iterations = strtoul(text, &end, 10);
	if (errno != 0 || iterations > ITERATIONS_MAX || *end != '$')
		return false;
	text = take_hex(end + 1, ret_salt, SALT_SIZE);
	if (!text || *text != '$')
		return false;
	text = take_hex(text + 1, ret_hash, HASH_SIZE);
	if (!text || *text)
		return false;
	*ret_iterations = (unsigned)iterations;
	return true;
}

int password_hash(const char *password, char ret_hash[PASSWORD_HASH_MAX])
{
	size_t length = strnlen(password, PASSWORD_MAX + 1);
	unsigned char salt[SALT_SIZE], hash[HASH_SIZE];
	int error;

	if (length < PASSWORD_MIN || length > PASSWORD_MAX)
		return -EINVAL;
	random_bytes(salt, sizeof(salt));
	error = derive(password, salt, ITERATIONS, hash);
	if (error < 0)
		return error;

	char *at = ret_hash + sprintf(ret_hash, HASH_SCHEME "%u$", (unsigned)ITERATIONS);

	at = put_hex(at, salt, sizeof(salt));
	*at++ = '$';
	put_hex(at, hash, sizeof(hash));
	_Static_assert(sizeof(HASH_SCHEME) + 10 + 1 + 2 * SALT_SIZE + 1 + 2 * HASH_SIZE <= PASSWORD_HASH_MAX,
		       "the text form fits");
	return 0;
}

bool password_verify(const char *password, const char *hash)
{
	unsigned char salt[SALT_SIZE], expected[HASH_SIZE], actual[HASH_SIZE];
	unsigned iterations;

	if (strnlen(password, PASSWORD_MAX + 1) > PASSWORD_MAX)
		return false;
	if (!parse_hash(hash, &iterations, salt, expected) || derive(password, salt, iterations, actual) < 0)
		return false;

	bool same = secret_equal(expected, actual, sizeof(actual));

	secret_wipe(actual, sizeof(actual));
	return same;
}

void random_hex(char *text, size_t length)
{
	unsigned char byte;

	for (size_t i = 0; i < length; i++) {
		random_bytes(&byte, 1);
		text = put_hex(text, &byte, 1);
	}
	secret_wipe(&byte, 1);
}

void secret_hash(const char *secret, char ret_hash[SECRET_HASH_MAX])
{
	unsigned char hash[HASH_SIZE];

	if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), (const unsigned char *)secret,
		       strlen(secret), hash) != 0) {
		log_error("SHA-256 cannot be computed");
		abort();
	}
	put_hex(ret_hash, hash, sizeof(hash));
	_Static_assert(2 * HASH_SIZE + 1 == SECRET_HASH_MAX, "the text form fits");
}

bool secret_equal(const void *a, const void *b, size_t length)
{
	return mbedtls_ct_memcmp(a, b, length) == 0;
}

void secret_wipe(void *data, size_t length)
{
	explicit_bzero(data, length);
}
