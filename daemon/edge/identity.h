/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EDGE_IDENTITY_H
#define PORTICO_EDGE_IDENTITY_H

/*
 * The key and the certificate by which browsers know this router: key.pem and
 * cert.pem of the state directory. An administrator may put his own there;
 * otherwise a P-256 key and a self-signed certificate are made once.
 */

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/ip.h"

enum {
	IDENTITY_PEM_MAX = 32 * 1024, /* a chain of some ten certificates */
	IDENTITY_HOST_MAX = 64,       /* HOST_NAME_MAX of Linux */
	IDENTITY_ADDRESSES_MAX = 32,
	FINGERPRINT_TEXT_MAX = 32 * 3,
};

struct identity {
	size_t key_length; /* of the PEM text, its zero counted, as mbedTLS wants it; 0: none */
	size_t cert_length;
	unsigned char key[IDENTITY_PEM_MAX];
	unsigned char cert[IDENTITY_PEM_MAX];
};

/* What a certificate of our own is valid for, besides "portico.lan". */
struct identity_names {
	char host[IDENTITY_HOST_MAX + 1]; /* "" if there is none that a certificate can hold */
	unsigned address_count;
	struct ip addresses[IDENTITY_ADDRESSES_MAX];
};

/* Takes the name if it is one that a certificate can hold (letters, digits, '-' and '.'). */
void identity_names_set_host(struct identity_names *names, const char *host);
/* Adds the address unless it is there already or the list is full. */
void identity_names_add(struct identity_names *names, const struct ip *address);

/*
 * Makes a certificate for the identity's key, and first a key if it has none.
 * `now` decides the dates: from January of last year, for at least 15 years.
 * Negative errno.
 */
int identity_make(struct identity *identity, const struct identity_names *names, time_t now);

/* Parses both and checks that they belong together. The caller frees the outputs, also after a failure. */
int identity_parse(const struct identity *identity, mbedtls_pk_context *ret_key, mbedtls_x509_crt *ret_cert);

/*
 * Loads the identity from `state_dir`, or makes and saves a new one. Files that cannot be used are
 * left alone and a temporary identity is made, with a line in the log: a router without its page
 * is worse than one with a new certificate. Negative errno only if none can be made.
 */
int identity_obtain(const char *state_dir, const struct identity_names *names, struct identity *ret_identity);

/* SHA-256 of the certificate as browsers show it, "AB:CD:...". "" if it cannot be parsed. */
void identity_fingerprint(const struct identity *identity, char text[FINGERPRINT_TEXT_MAX]);

void identity_wipe(struct identity *identity);

/* The random source for mbedTLS, straight from the kernel: no state that two processes could share. */
int edge_random(void *unused, unsigned char *data, size_t length);

#endif
