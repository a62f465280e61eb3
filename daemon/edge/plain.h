/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EDGE_PLAIN_H
#define PORTICO_EDGE_PLAIN_H

/* The answer for a browser that speaks plain HTTP to the TLS port: where the page really is. */

#include <stddef.h>
#include <sys/types.h>

enum {
	PLAIN_REQUEST_MAX = 4096, /* of a request's head; the rest is not looked at */
	PLAIN_ANSWER_MAX = 4096,
	TLS_FIRST_BYTE = 0x16, /* a handshake record, RFC 8446 5.1: no HTTP request begins with it */
};

/*
 * Makes the answer to what has come in so far. Its length; -EAGAIN if the head is not complete yet and
 * less than PLAIN_REQUEST_MAX; -EPROTO if it is not HTTP at all.
 */
ssize_t plain_answer(const char *request, size_t length, char answer[PLAIN_ANSWER_MAX]);

#endif
