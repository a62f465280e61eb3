/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_CRYPTO_H
#define PORTICO_BASE_CRYPTO_H

/*
 * The cryptography outside TLS, on mbedTLS 2.28 and 3.6: random bytes and
 * password hashes. No other file but those of edge/ knows mbedTLS.
 */

#include <stdbool.h>
#include <stddef.h>

enum {
	PASSWORD_HASH_MAX = 160, /* the text form, with its zero */
	PASSWORD_MIN = 8,        /* bytes */
	PASSWORD_MAX = 256,
};

/* Fills with random bytes of the kernel (getrandom(2)). Never fails once the pool is ready; aborts otherwise. */
void random_bytes(void *data, size_t length);

/*
 * `length` characters of an alphabet of 31 that is easy to read aloud (no 0/O,
 * 1/l), and a terminating zero: `text` holds length + 1.
 */
void random_text(char *text, size_t length);

/*
 * PBKDF2-HMAC-SHA256 (RFC 8018) with a new 16-byte salt, as
 * "pbkdf2-sha256$<iterations>$<salt hex>$<hash hex>". Takes 50 ms and far
 * more on a router: never on the loop (base/worker.h). -EINVAL: shorter than
 * PASSWORD_MIN or longer than PASSWORD_MAX; -EIO: the library failed.
 */
int password_hash(const char *password, char ret_hash[PASSWORD_HASH_MAX]);

/* Compares in constant time. A malformed hash is false. As slow as password_hash(). */
bool password_verify(const char *password, const char *hash);

/* Random bytes as 2 * `length` hexadecimal digits and a terminating zero. */
void random_hex(char *text, size_t length);

/*
 * SHA-256 in hexadecimal. For secrets that are random and long: nobody finds them by trying, so it may be fast, and needs
 * no salt.
 */
enum { SECRET_HASH_MAX = 65 };
void secret_hash(const char *secret, char ret_hash[SECRET_HASH_MAX]);

/* memcmp() == 0 in constant time. */
bool secret_equal(const void *a, const void *b, size_t length);

/* Overwrites in a way that the compiler keeps. */
void secret_wipe(void *data, size_t length);

#endif
