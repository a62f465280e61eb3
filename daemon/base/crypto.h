/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_CRYPTO_H
#define PORTICO_BASE_CRYPTO_H

/*
 * The cryptography outside TLS, on mbedTLS 2.28 and 3.6: random bytes,
 * password hashes, sealed texts. No other file but those of edge/ knows mbedTLS.
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

/* Whether it is of the form that password_hash() gives. */
bool password_hash_valid(const char *hash);

/* --- sealed texts: only who has the passphrase can read them, or change them unnoticed --- */

enum {
	SEAL_SALT_SIZE = 16,
	SEAL_NONCE_SIZE = 12,
	SEAL_CHECK_SIZE = 16,
	SEAL_TAG_SIZE = 16,
	SEAL_ITERATIONS_MIN = 1000,    /* RFC 8018, 4.2 */
	SEAL_ITERATIONS_MAX = 2000000, /* some 20 s on a slow router: nobody shall occupy it for longer */
};

/*
 * What goes with a sealed text, in the open. PBKDF2-HMAC-SHA256 with salt and iterations makes 32 bytes of the
 * passphrase; HMAC-SHA256 with those as its key, over "portico seal: key" and "portico seal: check", gives the key of
 * AES-256-GCM and, of its first bytes, `check`, by which a wrong passphrase is told from a damaged text.
 */
struct seal {
	unsigned iterations;
	unsigned char salt[SEAL_SALT_SIZE];
	unsigned char nonce[SEAL_NONCE_SIZE];
	unsigned char check[SEAL_CHECK_SIZE];
	unsigned char tag[SEAL_TAG_SIZE];
};

/* A new salt and nonce, and as many iterations as are thought right today. */
void seal_init(struct seal *seal);

/*
 * Encrypts `data` in place and sets check and tag. `header`, which is not encrypted, is protected from changes, too.
 * As slow as six times password_hash(). -EIO: the library failed.
 */
int seal_close(struct seal *seal, const char *passphrase, const void *header, size_t header_length,
	       void *data, size_t length);

/*
 * Decrypts `data` in place. -EACCES: it is another passphrase; -EBADMSG: data, header or seal were changed;
 * -EIO. After a failure the data is worth nothing.
 */
int seal_open(const struct seal *seal, const char *passphrase, const void *header, size_t header_length,
	      void *data, size_t length);

/* --- sums and texts of bytes --- */

enum { SHA256_TEXT_MAX = 65 };

/* SHA-256 in hexadecimal. -EIO: the library failed. */
int sha256_text(const void *data, size_t length, char ret_text[SHA256_TEXT_MAX]);

/* RFC 4648, 4: with padding, in one line. A string to free(), NULL when out of memory. */
char *base64_encode(const void *data, size_t length);
/* 0 and what it says in `data`, which has room for `size` bytes; -EINVAL: it is not base64 (mbedTLS 2.28 does without the
 * padding); -ENOSPC. */
int base64_decode(const char *text, size_t text_length, void *data, size_t size, size_t *ret_length);

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
