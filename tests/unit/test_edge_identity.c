/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "edge/identity.h"

enum { NOW = 1782000000 }; /* June 2026 */

static struct identity identity, other;

static struct identity_names some_names(void)
{
	struct identity_names names = { 0 };
	struct ip ip;

	identity_names_set_host(&names, "gate.example");
	assert_int_equal(ip_parse("192.0.2.1", &ip), 0);
	identity_names_add(&names, &ip);
	identity_names_add(&names, &ip);
	assert_int_equal(ip_parse("2001:db8::1", &ip), 0);
	identity_names_add(&names, &ip);
	assert_int_equal(names.address_count, 2);
	return names;
}

/* The one subject alternative name of that kind and content. */
static bool has_name(const mbedtls_x509_crt *cert, int tag, const void *data, size_t length)
{
	for (const mbedtls_x509_sequence *one = &cert->subject_alt_names; one; one = one->next)
		if (one->buf.tag == (MBEDTLS_ASN1_CONTEXT_SPECIFIC | tag) && one->buf.len == length &&
		    !memcmp(one->buf.p, data, length))
			return true;
	return false;
}

static void a_certificate_says_what_it_should(void **state)
{
	struct identity_names names = some_names();
	mbedtls_pk_context key;
	mbedtls_x509_crt cert;
	char subject[128];

	(void)state;
	memset(&identity, 0, sizeof(identity));
	assert_int_equal(identity_make(&identity, &names, NOW), 0);
	assert_int_equal(identity_parse(&identity, &key, &cert), 0);

	assert_int_equal(mbedtls_pk_get_bitlen(&cert.pk), 256);
	assert_int_equal(mbedtls_pk_get_type(&cert.pk), MBEDTLS_PK_ECKEY);
	assert_int_equal(cert.version, 3);
	assert_int_equal(cert.valid_from.year, 2025);
	assert_int_equal(cert.valid_to.year, 2041);
	assert_int_equal(cert.valid_to.mon, 12);
	assert_int_equal(cert.serial.len, 16);
	assert_true(mbedtls_x509_dn_gets(subject, sizeof(subject), &cert.subject) > 0);
	assert_string_equal(subject, "CN=portico.lan, O=Portico");
	assert_int_equal(cert.issuer_raw.len, cert.subject_raw.len);
	assert_memory_equal(cert.issuer_raw.p, cert.subject_raw.p, cert.subject_raw.len);
	assert_int_equal(mbedtls_x509_crt_check_extended_key_usage(&cert, MBEDTLS_OID_SERVER_AUTH,
								   MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)),
			 0);
	assert_int_not_equal(
		mbedtls_x509_crt_check_extended_key_usage(&cert, MBEDTLS_OID_CLIENT_AUTH,
							  MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH)),
		0);
	assert_int_equal(mbedtls_x509_crt_check_key_usage(&cert, MBEDTLS_X509_KU_DIGITAL_SIGNATURE), 0);
	assert_int_not_equal(mbedtls_x509_crt_check_key_usage(&cert, MBEDTLS_X509_KU_KEY_CERT_SIGN), 0);

	assert_true(has_name(&cert, MBEDTLS_X509_SAN_DNS_NAME, "gate.example", 12));
	assert_true(has_name(&cert, MBEDTLS_X509_SAN_DNS_NAME, "portico.lan", 11));
#if MBEDTLS_VERSION_NUMBER >= 0x03000000 /* 2.28 reads no addresses */
	assert_true(has_name(&cert, MBEDTLS_X509_SAN_IP_ADDRESS, "\xc0\x00\x02\x01", 4));
#endif
	mbedtls_x509_crt_free(&cert);
	mbedtls_pk_free(&key);
}

static void a_clock_of_1970_is_not_believed(void **state)
{
	struct identity_names names = { 0 };
	mbedtls_pk_context key;
	mbedtls_x509_crt cert;

	(void)state;
	memset(&identity, 0, sizeof(identity));
	assert_int_equal(identity_make(&identity, &names, 1000), 0);
	assert_int_equal(identity_parse(&identity, &key, &cert), 0);
	assert_int_equal(cert.valid_from.year, 2023);
	assert_int_equal(cert.valid_to.year, 2039);
	mbedtls_x509_crt_free(&cert);
	mbedtls_pk_free(&key);
}

static void serials_differ_and_keys_too(void **state)
{
	struct identity_names names = { 0 };
	mbedtls_pk_context key_a, key_b;
	mbedtls_x509_crt cert_a, cert_b;

	(void)state;
	memset(&identity, 0, sizeof(identity));
	memset(&other, 0, sizeof(other));
	assert_int_equal(identity_make(&identity, &names, NOW), 0);
	assert_int_equal(identity_make(&other, &names, NOW), 0);
	assert_string_not_equal((char *)identity.key, (char *)other.key);
	assert_int_equal(identity_parse(&identity, &key_a, &cert_a), 0);
	assert_int_equal(identity_parse(&other, &key_b, &cert_b), 0);
	assert_memory_not_equal(cert_a.serial.p, cert_b.serial.p, 16);
	mbedtls_x509_crt_free(&cert_a);
	mbedtls_x509_crt_free(&cert_b);
	mbedtls_pk_free(&key_a);
	mbedtls_pk_free(&key_b);

	/* One's key with the other's certificate. */
	memcpy(other.cert, identity.cert, sizeof(other.cert));
	other.cert_length = identity.cert_length;
	assert_int_equal(identity_parse(&other, &key_a, &cert_a), -EINVAL);
	mbedtls_x509_crt_free(&cert_a);
	mbedtls_pk_free(&key_a);
}

static void all_names_fit(void **state)
{
	struct identity_names names = { 0 };
	char host[IDENTITY_HOST_MAX + 2];

	(void)state;
	memset(host, 'h', sizeof(host));
	host[IDENTITY_HOST_MAX + 1] = '\0';
	identity_names_set_host(&names, host);
	assert_string_equal(names.host, "");
	host[IDENTITY_HOST_MAX] = '\0';
	identity_names_set_host(&names, host);
	assert_string_equal(names.host, host);
	identity_names_set_host(&names, "not a name");
	assert_string_equal(names.host, "");
	identity_names_set_host(&names, host);
	for (unsigned i = 0; i < IDENTITY_ADDRESSES_MAX + 5; i++) {
		struct ip ip = { .family = AF_INET6, .bytes = { 0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)i } };

		identity_names_add(&names, &ip);
	}
	assert_int_equal(names.address_count, IDENTITY_ADDRESSES_MAX);
	memset(&identity, 0, sizeof(identity));
	assert_int_equal(identity_make(&identity, &names, NOW), 0);
}

/* --- files --- */

static char directory[] = "/tmp/portico-test-identity-XXXXXX";
static char path[128];

static const char *in_directory(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void remove_files(void)
{
	static const char *const names[] = { "key.pem", "cert.pem", "key.pem.new", "cert.pem.new" };

	for (unsigned i = 0; i < 4; i++) {
		unlink(in_directory(names[i]));
		rmdir(in_directory(names[i]));
	}
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	remove_files();
	return rmdir(directory);
}

static void write_text(const char *name, const char *text)
{
	FILE *file = fopen(in_directory(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void obtain(struct identity *ret_identity)
{
	struct identity_names names = some_names();

	memset(ret_identity, 0, sizeof(*ret_identity));
	assert_int_equal(identity_obtain(directory, &names, ret_identity), 0);
	assert_true(ret_identity->key_length > 0 && ret_identity->cert_length > 0);
}

static void files_are_made_once(void **state)
{
	struct stat st;

	(void)state;
	remove_files();
	/* A leftover of a power cut, which anybody may read. */
	write_text("key.pem.new", "old");
	chmod(in_directory("key.pem.new"), 0666);
	obtain(&identity);
	assert_int_equal(stat(in_directory("key.pem"), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, identity.key_length - 1);
	assert_int_equal(access(in_directory("key.pem.new"), F_OK), -1);
	assert_int_equal(access(in_directory("cert.pem.new"), F_OK), -1);

	obtain(&other);
	assert_string_equal((char *)identity.key, (char *)other.key);
	assert_string_equal((char *)identity.cert, (char *)other.cert);
}

static void a_key_alone_gets_a_certificate(void **state)
{
	(void)state;
	remove_files();
	obtain(&identity);
	unlink(in_directory("cert.pem"));
	obtain(&other);
	assert_string_equal((char *)identity.key, (char *)other.key);
	assert_string_not_equal((char *)identity.cert, (char *)other.cert);
	obtain(&identity);
	assert_string_equal((char *)identity.cert, (char *)other.cert);
}

static void size_of(const char *name, off_t *ret_size)
{
	struct stat st;

	assert_int_equal(stat(in_directory(name), &st), 0);
	*ret_size = st.st_size;
}

/* Whatever stands there, the page is served, and the administrator's files stay as they are. */
static void unusable_files_are_left_alone(void **state)
{
	static char large[IDENTITY_PEM_MAX + 1];
	mbedtls_pk_context key;
	mbedtls_x509_crt cert;
	off_t size;

	(void)state;
	memset(large, 'x', IDENTITY_PEM_MAX);
	for (unsigned i = 0; i < 5; i++) {
		remove_files();
		obtain(&identity);
		if (i == 0)
			write_text("key.pem", "nonsense");
		else if (i == 1)
			write_text("cert.pem", "");
		else if (i == 2)
			write_text("cert.pem", large);
		else if (i == 3)
			unlink(in_directory("key.pem"));
		else if (!unlink(in_directory("key.pem")))
			assert_int_equal(mkdir(in_directory("key.pem"), 0700), 0);
		obtain(&other);
		assert_string_not_equal((char *)identity.key, (char *)other.key);
		assert_int_equal(identity_parse(&other, &key, &cert), 0);
		mbedtls_x509_crt_free(&cert);
		mbedtls_pk_free(&key);
		if (i == 0) {
			size_of("key.pem", &size);
			assert_int_equal(size, 8);
		}
		if (i == 3)
			assert_int_equal(access(in_directory("key.pem"), F_OK), -1);
		size_of("cert.pem", &size);
		assert_int_equal(size, i == 1 ? 0 :
				       i == 2 ? IDENTITY_PEM_MAX :
						(off_t)identity.cert_length - 1);
	}
}

static void a_missing_directory_is_survived(void **state)
{
	struct identity_names names = { 0 };

	(void)state;
	memset(&identity, 0, sizeof(identity));
	assert_int_equal(identity_obtain(in_directory("nowhere"), &names, &identity), 0);
	assert_true(identity.cert_length > 0);
}

static void fingerprints_are_those_of_openssl(void **state)
{
	char ours[FINGERPRINT_TEXT_MAX], command[256], theirs[256] = "";
	FILE *openssl;

	(void)state;
	remove_files();
	obtain(&identity);
	identity_fingerprint(&identity, ours);
	assert_int_equal(strlen(ours), 32 * 3 - 1);
	snprintf(command, sizeof(command), "openssl x509 -noout -fingerprint -sha256 -in %s 2>/dev/null",
		 in_directory("cert.pem"));
	openssl = popen(command, "r");
	if (!openssl || !fgets(theirs, sizeof(theirs), openssl))
		skip();
	pclose(openssl);
	assert_non_null(strstr(theirs, ours));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_says_what_it_should),
		cmocka_unit_test(a_clock_of_1970_is_not_believed),
		cmocka_unit_test(serials_differ_and_keys_too),
		cmocka_unit_test(all_names_fit),
		cmocka_unit_test(files_are_made_once),
		cmocka_unit_test(a_key_alone_gets_a_certificate),
		cmocka_unit_test(unusable_files_are_left_alone),
		cmocka_unit_test(a_missing_directory_is_survived),
		cmocka_unit_test(fingerprints_are_those_of_openssl),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
