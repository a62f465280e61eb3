/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_BACKUP_H
#define PORTICO_MODEL_BACKUP_H

/*
 * A backup is one JSON document:
 *
 *   format      "portico-backup"
 *   version     of this format: 1
 *   made_by, at, hostname, revision    where it comes from
 *   checksum    SHA-256 of the content's canonical form, in hexadecimal
 *   content     {"config": as GET /config has it, "secrets": {"password": the hash}}
 *
 * With a passphrase there is no content, but
 *
 *   encryption  {"kdf": "pbkdf2-hmac-sha256", "iterations", "salt", "check", "cipher": "aes-256-gcm", "nonce", "tag"}
 *   ciphertext  the content's canonical form, sealed as base/crypto.h has it; bytes are in base64
 *   checksum    SHA-256 of the canonical form of all the rest: damage shows without the passphrase
 *
 * and what is in front of it is protected as well: the header of the seal is the canonical form of the document as far as
 * it is known before the passphrase is asked, which is without checksum, ciphertext, check and tag. Secrets are in
 * encrypted documents only. Canonical is RFC 8785: keys sorted, no spaces.
 *
 * The numbers that make keys are given from outside; nothing here is random or slow.
 */

#include <jansson.h>

#include "base/crypto.h"
#include "model/config.h"
#include "model/links.h"

/* A change of the format raises it; backup_content() then brings older contents up to it, and a sample of each stays in
 * tests/api/backups. A new field of the configuration changes nothing: where it is absent it has its default. */
enum { BACKUP_VERSION = 1 };

struct backup_origin {
	const char *made_by; /* "portico 1.2.3" */
	int64_t at;          /* seconds since the epoch */
	const char *hostname;
	uint64_t revision;
};

/* All these: a new reference, or NULL when out of memory. */
json_t *backup_header(const struct backup_origin *origin);
/* {"config": ..., "secrets": ...}; without secrets if `password_hash` is NULL. */
json_t *backup_content_new(const struct config *config, const char *password_hash);
json_t *backup_plain(const json_t *header, json_t *content);
/* The header of a document that will be sealed; its canonical form is the seal's header. */
json_t *backup_sealed_header(const json_t *header, const struct seal *seal);
/* After seal_close(): the document. */
json_t *backup_sealed(const json_t *sealed_header, const struct seal *seal, const void *data, size_t length);

/* Sorted and without spaces: a text to free(), NULL when out of memory. */
char *backup_canonical(const json_t *json);

struct backup {
	json_t *origin;  /* {"made_by", "at", "hostname", "revision"} */
	json_t *content; /* NULL: sealed */
	struct seal seal;
	char *seal_header;
	const char *ciphertext; /* the document's; in base64 */
	size_t ciphertext_length;
};

/*
 * Checks a document from anywhere, as far as that goes without the passphrase; paths of errors are below "/document".
 * backup_done() it after success. Points into the document.
 */
int backup_read(json_t *document, struct backup *ret_backup, struct err *err);
void backup_done(struct backup *backup);

/* The parts of a content, borrowed from it. */
struct backup_content {
	json_t *config;
	const char *password_hash; /* NULL: there is none */
};
int backup_content(json_t *content, struct backup_content *ret_content, struct err *err);

/* Renames devices in a configuration's JSON, all at once: {"eth0": "eth1"}. Paths of errors are below "/devices". */
int backup_map_devices(json_t *config, const json_t *devices, struct err *err);
/* Names of the devices that the configuration speaks of and that are not there; a new reference. */
json_t *backup_missing_devices(const struct config *config, const struct links *links);

#endif
