/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/asn1write.h>
#include <mbedtls/ecp.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/version.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/log.h"

#define KEY_FILE   "key.pem"
#define CERT_FILE  "cert.pem"
#define LOCAL_NAME "portico.lan"

enum {
	SERIAL_SIZE = 16,
	YEAR_MIN = 2024, /* a router without a clock of its own may think that it is 1970 */
	YEARS_VALID = 15,
	/* dNSName and iPAddress tags of GeneralName, RFC 5280 4.2.1.6 */
	TAG_DNS_NAME = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2,
	TAG_IP_ADDRESS = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7,
	SAN_MAX = 2 * (IDENTITY_HOST_MAX + 4) + IDENTITY_ADDRESSES_MAX * (16 + 4) + 8,
};

int edge_random(void *unused, unsigned char *data, size_t length)
{
	(void)unused;
	random_bytes(data, length);
	return 0;
}

void identity_wipe(struct identity *identity)
{
	secret_wipe(identity, sizeof(*identity));
}

/* --- names --- */

void identity_names_set_host(struct identity_names *names, const char *host)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	size_t length = strlen(host);

	names->host[0] = '\0';
	if (!length || length > IDENTITY_HOST_MAX || strspn(host, allowed) != length ||
	    !strcmp(host, LOCAL_NAME))
		return;
	memcpy(names->host, host, length + 1);
}

void identity_names_add(struct identity_names *names, const struct ip *address)
{
	for (unsigned i = 0; i < names->address_count; i++)
		if (!ip_compare(&names->addresses[i], address))
			return;
	if (names->address_count < IDENTITY_ADDRESSES_MAX)
		names->addresses[names->address_count++] = *address;
}

/* --- making --- */

static int make_key(struct identity *identity)
{
	mbedtls_pk_context key;
	int r;

	mbedtls_pk_init(&key);
	r = mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
	if (!r)
		r = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key), edge_random, NULL);
	if (!r)
		r = mbedtls_pk_write_key_pem(&key, identity->key, sizeof(identity->key));
	mbedtls_pk_free(&key);
	if (r)
		return -EIO;
	identity->key_length = strlen((char *)identity->key) + 1;
	return 0;
}

/* One GeneralName in front of *p, as mbedTLS's ASN.1 writers do it: backwards. */
static int write_name(unsigned char **p, unsigned char *start, unsigned char tag, const void *data,
		      size_t length)
{
	int ret, size = 0;

	MBEDTLS_ASN1_CHK_ADD(size, mbedtls_asn1_write_raw_buffer(p, start, data, length));
	MBEDTLS_ASN1_CHK_ADD(size, mbedtls_asn1_write_len(p, start, length));
	MBEDTLS_ASN1_CHK_ADD(size, mbedtls_asn1_write_tag(p, start, tag));
	return size;
}

static int write_names(unsigned char **p, unsigned char *start, const struct identity_names *names)
{
	int ret, size = 0;

	for (unsigned i = names->address_count; i-- > 0;)
		MBEDTLS_ASN1_CHK_ADD(size, write_name(p, start, TAG_IP_ADDRESS, names->addresses[i].bytes,
						      ip_size(names->addresses[i].family)));
	MBEDTLS_ASN1_CHK_ADD(size, write_name(p, start, TAG_DNS_NAME, LOCAL_NAME, strlen(LOCAL_NAME)));
	if (names->host[0])
		MBEDTLS_ASN1_CHK_ADD(size,
				     write_name(p, start, TAG_DNS_NAME, names->host, strlen(names->host)));
	MBEDTLS_ASN1_CHK_ADD(size, mbedtls_asn1_write_len(p, start, (size_t)size));
	MBEDTLS_ASN1_CHK_ADD(
		size, mbedtls_asn1_write_tag(p, start, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE));
	return size;
}

/* mbedTLS 2.28 has no writer for subject alternative names and extended key usage. */
static int add_extensions(mbedtls_x509write_cert *cert, const struct identity_names *names)
{
	static const unsigned char server_auth[] = {
		0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01
	}; /* RFC 5280 4.2.1.12 */
	unsigned char san[SAN_MAX], *p = san + sizeof(san);
	int r, size = write_names(&p, san, names);

	if (size < 0)
		return size;
	r = mbedtls_x509write_crt_set_extension(cert, MBEDTLS_OID_SUBJECT_ALT_NAME,
						MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, p,
						(size_t)size);
	if (!r)
		r = mbedtls_x509write_crt_set_extension(cert, MBEDTLS_OID_EXTENDED_KEY_USAGE,
							MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0,
							server_auth, sizeof(server_auth));
	if (!r)
		r = mbedtls_x509write_crt_set_key_usage(cert, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
	if (!r)
		r = mbedtls_x509write_crt_set_basic_constraints(cert, 0, -1);
	return r;
}

static int set_serial(mbedtls_x509write_cert *cert)
{
	unsigned char serial[SERIAL_SIZE];

	random_bytes(serial, sizeof(serial));
	serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and of full length: RFC 5280 4.1.2.2 */
#if MBEDTLS_VERSION_NUMBER >= 0x03040000
	return mbedtls_x509write_crt_set_serial_raw(cert, serial, sizeof(serial));
#else
	mbedtls_mpi number;
	int r;

	mbedtls_mpi_init(&number);
	r = mbedtls_mpi_read_binary(&number, serial, sizeof(serial));
	if (!r)
		r = mbedtls_x509write_crt_set_serial(cert, &number);
	mbedtls_mpi_free(&number);
	return r;
#endif
}

static int set_dates(mbedtls_x509write_cert *cert, time_t now)
{
	char from[16], to[16];
	struct tm tm;
	int year;

	if (!gmtime_r(&now, &tm))
		return -EINVAL;
	year = tm.tm_year + 1900;
	if (year < YEAR_MIN || year > 9000)
		year = YEAR_MIN;
	snprintf(from, sizeof(from), "%04d0101000000", (year - 1) % 10000);
	snprintf(to, sizeof(to), "%04d1231235959", (year + YEARS_VALID) % 10000);
	return mbedtls_x509write_crt_set_validity(cert, from, to);
}

static int write_cert(mbedtls_x509write_cert *cert, mbedtls_pk_context *key,
		      const struct identity_names *names, time_t now, struct identity *identity)
{
	int r;

	mbedtls_x509write_crt_set_version(cert, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(cert, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(cert, key);
	mbedtls_x509write_crt_set_issuer_key(cert, key);
	r = mbedtls_x509write_crt_set_subject_name(cert, "CN=" LOCAL_NAME ",O=Portico");
	if (!r)
		r = mbedtls_x509write_crt_set_issuer_name(cert, "CN=" LOCAL_NAME ",O=Portico");
	if (!r)
		r = set_serial(cert);
	if (!r)
		r = set_dates(cert, now);
	if (!r)
		r = add_extensions(cert, names);
	if (!r)
		r = mbedtls_x509write_crt_pem(cert, identity->cert, sizeof(identity->cert), edge_random,
					      NULL);
	return r;
}

static int parse_key(const struct identity *identity, mbedtls_pk_context *key)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	return mbedtls_pk_parse_key(key, identity->key, identity->key_length, NULL, 0, edge_random, NULL);
#else
	return mbedtls_pk_parse_key(key, identity->key, identity->key_length, NULL, 0);
#endif
}

int identity_make(struct identity *identity, const struct identity_names *names, time_t now)
{
	mbedtls_x509write_cert cert;
	mbedtls_pk_context key;
	int r;

	if (!identity->key_length) {
		r = make_key(identity);
		if (r)
			return r;
	}
	mbedtls_pk_init(&key);
	mbedtls_x509write_crt_init(&cert);
	r = parse_key(identity, &key);
	if (!r)
		r = write_cert(&cert, &key, names, now, identity);
	mbedtls_x509write_crt_free(&cert);
	mbedtls_pk_free(&key);
	if (r)
		return -EINVAL;
	identity->cert_length = strlen((char *)identity->cert) + 1;
	return 0;
}

int identity_parse(const struct identity *identity, mbedtls_pk_context *ret_key, mbedtls_x509_crt *ret_cert)
{
	mbedtls_pk_init(ret_key);
	mbedtls_x509_crt_init(ret_cert);
	if (parse_key(identity, ret_key) ||
	    mbedtls_x509_crt_parse(ret_cert, identity->cert, identity->cert_length))
		return -EINVAL;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	return mbedtls_pk_check_pair(&ret_cert->pk, ret_key, edge_random, NULL) ? -EINVAL : 0;
#else
	return mbedtls_pk_check_pair(&ret_cert->pk, ret_key) ? -EINVAL : 0;
#endif
}

void identity_fingerprint(const struct identity *identity, char text[FINGERPRINT_TEXT_MAX])
{
	unsigned char hash[32];
	mbedtls_x509_crt cert;

	text[0] = '\0';
	mbedtls_x509_crt_init(&cert);
	if (!mbedtls_x509_crt_parse(&cert, identity->cert, identity->cert_length) &&
	    !mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), cert.raw.p, cert.raw.len, hash))
		for (unsigned i = 0; i < sizeof(hash); i++)
			snprintf(text + 3 * i, FINGERPRINT_TEXT_MAX - 3 * i,
				 i + 1 < sizeof(hash) ? "%02X:" : "%02X", hash[i]);
	mbedtls_x509_crt_free(&cert);
}

/* --- files --- */

/* The file's text with a zero at its end. *ret_length counts the zero; 0 if there is no such file. */
static int read_file(int dir, const char *name, unsigned char *data, size_t *ret_length)
{
	size_t length = 0;
	struct stat st;
	ssize_t n = 1;
	int r = 0, fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	*ret_length = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	else if (!st.st_size)
		r = -ENODATA;
	else if (st.st_size >= IDENTITY_PEM_MAX)
		r = -EFBIG;
	while (!r && n > 0) {
		n = read(fd, data + length, IDENTITY_PEM_MAX - 1 - length);
		if (n < 0)
			r = -errno;
		else
			length += (size_t)n;
	}
	close(fd);
	if (r)
		return r;
	data[length] = '\0';
	*ret_length = length + 1;
	return 0;
}

static int write_all(int fd, const unsigned char *data, size_t length)
{
	while (length) {
		ssize_t n = write(fd, data, length);

		if (n < 0)
			return -errno;
		data += n;
		length -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Either the whole new file is there afterwards, or the former state, also after a power cut. */
static int write_file(int dir, const char *name, mode_t mode, const unsigned char *data, size_t length)
{
	char temporary[32];
	int r, fd;

	snprintf(temporary, sizeof(temporary), "%s.new", name);
	unlinkat(dir, temporary, 0);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, length);
	if (close(fd) < 0 && !r)
		r = -errno;
	if (!r && renameat(dir, temporary, dir, name) < 0)
		r = -errno;
	if (!r && fsync(dir) < 0)
		r = -errno;
	if (r)
		unlinkat(dir, temporary, 0);
	return r;
}

/* The key first: a power cut in between leaves a key without a certificate, which is completed later. */
static int save(int dir, const struct identity *identity, bool with_key)
{
	int r = 0;

	if (with_key)
		r = write_file(dir, KEY_FILE, 0600, identity->key, identity->key_length - 1);
	if (!r)
		r = write_file(dir, CERT_FILE, 0644, identity->cert, identity->cert_length - 1);
	return r;
}

static int check(const struct identity *identity)
{
	mbedtls_pk_context key;
	mbedtls_x509_crt cert;
	int r = identity_parse(identity, &key, &cert);

	if (!r && mbedtls_x509_time_is_past(&cert.valid_to))
		log_warning("the certificate in %s has expired", CERT_FILE);
	mbedtls_x509_crt_free(&cert);
	mbedtls_pk_free(&key);
	return r;
}

/* Loads what is there. 0: complete; 1: something (or everything) is to be made; negative: not usable. */
static int load(int dir, struct identity *identity)
{
	int r = read_file(dir, KEY_FILE, identity->key, &identity->key_length);

	if (!r)
		r = read_file(dir, CERT_FILE, identity->cert, &identity->cert_length);
	if (r)
		return r;
	if (!identity->cert_length)
		return 1;
	return identity->key_length ? check(identity) : -ENOKEY;
}

static int make_temporary(const struct identity_names *names, struct identity *identity)
{
	identity->key_length = 0;
	return identity_make(identity, names, time(NULL));
}

int identity_obtain(const char *state_dir, const struct identity_names *names, struct identity *ret_identity)
{
	bool had_key;
	int r, dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0) {
		log_error("%s: %s; serving a temporary certificate", state_dir, strerror(errno));
		return make_temporary(names, ret_identity);
	}
	r = load(dir, ret_identity);
	had_key = ret_identity->key_length > 0;
	if (r > 0)
		r = identity_make(ret_identity, names, time(NULL)) ?: 1;
	if (r < 0) {
		log_error(
			"%s in %s cannot be used (%s); serving a temporary certificate: mend the files, or remove "
			"both to have new ones made",
			KEY_FILE " or " CERT_FILE, state_dir, strerror(-r));
		r = make_temporary(names, ret_identity);
	} else if (r > 0) {
		r = save(dir, ret_identity, !had_key);
		if (r)
			log_error("the new certificate cannot be kept in %s: %s", state_dir, strerror(-r));
		else
			log_info("made a new certificate in %s", state_dir);
		r = 0;
	}
	close(dir);
	return r;
}
