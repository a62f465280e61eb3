/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/crypto.h"

#include <errno.h>
#include <limits.h>
#include <mbedtls/base64.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/gcm.h>
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
	/* Of a stored hash, which may come from a backup: with more, each login would occupy a router for too long. */
	ITERATIONS_MAX = SEAL_ITERATIONS_MAX,
	/* A backup leaves the house: who finds it has all the time there is. OWASP's number of 2023. */
	SEAL_ITERATIONS = 600000,
	KEY_SIZE = 32,
};

_Static_assert((int)SALT_SIZE == (int)SEAL_SALT_SIZE, "derive() takes salts of one size");

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

bool password_hash_valid(const char *hash)
{
	unsigned char salt[SALT_SIZE], expected[HASH_SIZE];
	unsigned iterations;

	return strnlen(hash, PASSWORD_HASH_MAX) < PASSWORD_HASH_MAX &&
	       parse_hash(hash, &iterations, salt, expected);
}

/* --- sealed texts --- */

static int hmac(const unsigned char key[HASH_SIZE], const char *text, unsigned char ret_hash[HASH_SIZE])
{
	int error = mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, HASH_SIZE,
				    (const unsigned char *)text, strlen(text), ret_hash);

	return error == 0 ? 0 : -EIO;
}

/* The steps of HKDF (RFC 5869, 2.3) for two blocks; OpenWrt's mbedTLS has HKDF itself switched off. */
static int seal_keys(const struct seal *seal, const char *passphrase, unsigned char ret_key[KEY_SIZE],
		     unsigned char ret_check[SEAL_CHECK_SIZE])
{
	unsigned char master[HASH_SIZE], check[HASH_SIZE];
	int error = derive(passphrase, seal->salt, seal->iterations, master);

	if (error == 0)
		error = hmac(master, "portico seal: key", ret_key);
	if (error == 0)
		error = hmac(master, "portico seal: check", check);
	if (error == 0)
		memcpy(ret_check, check, SEAL_CHECK_SIZE);
	secret_wipe(master, sizeof(master));
	return error;
}

void seal_init(struct seal *seal)
{
	*seal = (struct seal){ .iterations = SEAL_ITERATIONS };
	random_bytes(seal->salt, sizeof(seal->salt));
	random_bytes(seal->nonce, sizeof(seal->nonce));
}

static int gcm_init(mbedtls_gcm_context *gcm, unsigned char key[KEY_SIZE])
{
	int error;

	mbedtls_gcm_init(gcm);
	error = mbedtls_gcm_setkey(gcm, MBEDTLS_CIPHER_ID_AES, key, 8 * KEY_SIZE);
	secret_wipe(key, KEY_SIZE);
	return error == 0 ? 0 : -EIO;
}

int seal_close(struct seal *seal, const char *passphrase, const void *header, size_t header_length,
	       void *data, size_t length)
{
	unsigned char key[KEY_SIZE];
	mbedtls_gcm_context gcm;
	int error = seal_keys(seal, passphrase, key, seal->check);

	if (error < 0)
		return error;
	error = gcm_init(&gcm, key);
	if (error == 0 &&
	    mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, length, seal->nonce, SEAL_NONCE_SIZE, header,
				      header_length, data, data, SEAL_TAG_SIZE, seal->tag) != 0)
		error = -EIO;
	mbedtls_gcm_free(&gcm);
	return error;
}

int seal_open(const struct seal *seal, const char *passphrase, const void *header, size_t header_length,
	      void *data, size_t length)
{
	unsigned char key[KEY_SIZE], check[SEAL_CHECK_SIZE];
	mbedtls_gcm_context gcm;
	int error = seal_keys(seal, passphrase, key, check);

	if (error < 0)
		return error;
	if (!secret_equal(check, seal->check, sizeof(check))) {
		secret_wipe(key, sizeof(key));
		return -EACCES;
	}
	error = gcm_init(&gcm, key);
	if (error == 0 && mbedtls_gcm_auth_decrypt(&gcm, length, seal->nonce, SEAL_NONCE_SIZE, header,
						   header_length, seal->tag, SEAL_TAG_SIZE, data, data) != 0)
		error = -EBADMSG;
	mbedtls_gcm_free(&gcm);
	return error;
}

/* --- sums and texts of bytes --- */

int sha256_text(const void *data, size_t length, char ret_text[SHA256_TEXT_MAX])
{
	unsigned char hash[HASH_SIZE];

	if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), data, length, hash) != 0)
		return -EIO;
	put_hex(ret_text, hash, sizeof(hash));
	_Static_assert(SHA256_TEXT_MAX == 2 * HASH_SIZE + 1, "the text form fits");
	return 0;
}

char *base64_encode(const void *data, size_t length)
{
	size_t size = (length + 2) / 3 * 4 + 1, written;
	char *text = malloc(size);

	if (!text)
		return NULL;
	if (mbedtls_base64_encode((unsigned char *)text, size, &written, data, length) != 0) {
		free(text);
		return NULL;
	}
	text[written] = '\0'; /* of nothing it makes no string */
	return text;
}

int base64_decode(const char *text, size_t text_length, void *data, size_t size, size_t *ret_length)
{
	size_t length;
	int error = mbedtls_base64_decode(data, size, &length, (const unsigned char *)text, text_length);

	if (error == MBEDTLS_ERR_BASE64_BUFFER_TOO_SMALL)
		return -ENOSPC;
	if (error != 0)
		return -EINVAL;
	*ret_length = length;
	return 0;
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
	_Static_assert((int)SECRET_HASH_MAX == (int)SHA256_TEXT_MAX, "the text form fits");
	if (sha256_text(secret, strlen(secret), ret_hash) == 0)
		return;
	log_error("SHA-256 cannot be computed");
	abort();
}

bool secret_equal(const void *a, const void *b, size_t length)
{
	return mbedtls_ct_memcmp(a, b, length) == 0;
}

void secret_wipe(void *data, size_t length)
{
	explicit_bzero(data, length);
}
