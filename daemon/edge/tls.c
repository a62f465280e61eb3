/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/tls.h"

#include <errno.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cache.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/version.h>
#include <stdlib.h>
#include <sys/socket.h>

#if MBEDTLS_VERSION_NUMBER >= 0x03000000 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
#include <psa/crypto.h>
#endif
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

enum {
	SESSIONS_MAX =
		32, /* for clients without tickets; about 200 bytes each, and their certificate (none) */
	SESSION_LIFETIME_S = 3600,
};

struct tls_server {
	mbedtls_ssl_config config;
	mbedtls_x509_crt cert;
	mbedtls_pk_context key;
	mbedtls_ssl_cache_context cache;
	mbedtls_ssl_ticket_context ticket;
};

struct tls {
	mbedtls_ssl_context ssl;
	struct tls_io *io;
};

/* Suites of TLS 1.3 first; ECDSA for our own certificate, RSA for one that the administrator brought. */
#ifdef MBEDTLS_TLS1_3_AES_128_GCM_SHA256
#define SUITES_1_3_AES    MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
#define SUITES_1_3_CHACHA MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#else
#define SUITES_1_3_AES
#define SUITES_1_3_CHACHA
#endif
#define SUITES_1_2_AES                                                                                  \
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, \
		MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,                                        \
		MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
#define SUITES_1_2_CHACHA                                      \
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, \
		MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,

static const int suites_aes_first[] = { SUITES_1_3_AES SUITES_1_3_CHACHA SUITES_1_2_AES SUITES_1_2_CHACHA 0 };
static const int suites_chacha_first[] = {
	SUITES_1_3_CHACHA SUITES_1_3_AES SUITES_1_2_CHACHA SUITES_1_2_AES 0
};

/* P-256 first: mbedTLS 2.28's own order begins with P-521, at twice the cost. */
#if MBEDTLS_VERSION_NUMBER >= 0x03010000
static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
				   MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, 0 };
#else
static const mbedtls_ecp_group_id groups[] = { MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_CURVE25519,
					       MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE };
#endif

static const char *protocols[] = { "http/1.1", NULL };

/* Whether AES-GCM is fast: the CPU has the instructions, and this mbedTLS uses them. */
static bool aes_in_hardware(void)
{
#if defined(__x86_64__) && defined(MBEDTLS_AESNI_C)
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__) && defined(MBEDTLS_AESCE_C)
	return (getauxval(AT_HWCAP) & HWCAP_AES) && (getauxval(AT_HWCAP) & HWCAP_PMULL);
#else
	return false;
#endif
}

static void configure(struct tls_server *server)
{
	mbedtls_ssl_config *config = &server->config;

	mbedtls_ssl_conf_rng(config, edge_random, NULL);
	mbedtls_ssl_conf_ciphersuites(config, aes_in_hardware() ? suites_aes_first : suites_chacha_first);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_groups(config, groups);
#else
	mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_curves(config, groups);
#endif
	mbedtls_ssl_cache_set_max_entries(&server->cache, SESSIONS_MAX);
	mbedtls_ssl_cache_set_timeout(&server->cache, SESSION_LIFETIME_S);
	mbedtls_ssl_conf_session_cache(config, &server->cache, mbedtls_ssl_cache_get, mbedtls_ssl_cache_set);
}

static int set_up(struct tls_server *server, const struct identity *identity)
{
	int r = identity_parse(identity, &server->key, &server->cert);

	if (r)
		return r;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
	/* Not before the fork: its random generator's state must not be shared by two processes. */
	if (psa_crypto_init() != PSA_SUCCESS)
		return -EIO;
#endif
	if (mbedtls_ssl_config_defaults(&server->config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
					MBEDTLS_SSL_PRESET_DEFAULT))
		return -ENOMEM;
	configure(server);
	if (mbedtls_ssl_conf_alpn_protocols(&server->config, protocols) ||
	    mbedtls_ssl_conf_own_cert(&server->config, &server->cert, &server->key) ||
	    mbedtls_ssl_ticket_setup(&server->ticket, edge_random, NULL, MBEDTLS_CIPHER_AES_256_GCM,
				     SESSION_LIFETIME_S))
		return -ENOMEM;
	mbedtls_ssl_conf_session_tickets_cb(&server->config, mbedtls_ssl_ticket_write,
					    mbedtls_ssl_ticket_parse, &server->ticket);
	return 0;
}

int tls_server_new(const struct identity *identity, struct tls_server **ret_server)
{
	struct tls_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return -ENOMEM;
	mbedtls_ssl_config_init(&server->config);
	mbedtls_ssl_cache_init(&server->cache);
	mbedtls_ssl_ticket_init(&server->ticket);
	r = set_up(server, identity);
	if (r) {
		tls_server_free(server);
		return r;
	}
	*ret_server = server;
	return 0;
}

void tls_server_free(struct tls_server *server)
{
	if (!server)
		return;
	mbedtls_ssl_config_free(&server->config);
	mbedtls_ssl_ticket_free(&server->ticket);
	mbedtls_ssl_cache_free(&server->cache);
	mbedtls_x509_crt_free(&server->cert);
	mbedtls_pk_free(&server->key);
	free(server);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
	mbedtls_psa_crypto_free();
#endif
}

static int io_send(void *arg, const unsigned char *data, size_t length)
{
	struct tls_io *io = arg;
	ssize_t n;

	if (!io->writable)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	n = send(io->fd, data, length, MSG_NOSIGNAL);
	if (n >= 0)
		return (int)n;
	if (errno != EAGAIN)
		return MBEDTLS_ERR_NET_CONN_RESET;
	io->writable = false;
	return MBEDTLS_ERR_SSL_WANT_WRITE;
}

static int io_recv(void *arg, unsigned char *data, size_t size)
{
	struct tls_io *io = arg;
	ssize_t n;

	if (!io->readable)
		return MBEDTLS_ERR_SSL_WANT_READ;
	n = recv(io->fd, data, size, 0);
	if (n >= 0)
		return (int)n;
	if (errno != EAGAIN)
		return MBEDTLS_ERR_NET_CONN_RESET;
	io->readable = false;
	return MBEDTLS_ERR_SSL_WANT_READ;
}

int tls_new(struct tls_server *server, struct tls_io *io, struct tls **ret_tls)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return -ENOMEM;
	tls->io = io;
	mbedtls_ssl_init(&tls->ssl);
	if (mbedtls_ssl_setup(&tls->ssl, &server->config)) {
		tls_free(tls);
		return -ENOMEM;
	}
	mbedtls_ssl_set_bio(&tls->ssl, io, io_send, io_recv, NULL);
	*ret_tls = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	mbedtls_ssl_free(&tls->ssl);
	free(tls);
}

static bool wants(int r)
{
	return r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE;
}

int tls_handshake(struct tls *tls)
{
	int r = mbedtls_ssl_handshake(&tls->ssl);

	if (!r)
		return 0;
	return wants(r) ? -EAGAIN : -EPROTO;
}

ssize_t tls_read(struct tls *tls, void *data, size_t size)
{
	int r = mbedtls_ssl_read(&tls->ssl, data, size);

	if (r > 0)
		return r;
	if (r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		return 0;
	return wants(r) ? -EAGAIN : -ECONNRESET; /* 0 is an end of the TCP stream without close_notify */
}

ssize_t tls_write(struct tls *tls, const void *data, size_t length)
{
	int r = mbedtls_ssl_write(&tls->ssl, data, length);

	if (r >= 0)
		return r;
	return wants(r) ? -EAGAIN : -ECONNRESET;
}

int tls_close_notify(struct tls *tls)
{
	int r = mbedtls_ssl_close_notify(&tls->ssl);

	if (!r)
		return 0;
	return wants(r) ? -EAGAIN : -ECONNRESET;
}
