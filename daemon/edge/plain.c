/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/plain.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	METHOD_MAX = 16,
	TARGET_MAX = 2048,
	HOST_MAX = 255 + 6, /* a name of the DNS, and ":65535" */
};

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

/* The unreserved, reserved and percent characters of RFC 3986, less the quotes. */
static const char target_characters[] = LETTERS DIGITS "-._~:/?#[]@!$&()*+,;=%";
static const char host_characters[] = LETTERS DIGITS "-.:[]";

/* Copies the characters at `text` that are in `set`; false if none, too many, or not ended by `end`. */
static bool take(const char **text, const char *set, char end, char *word, size_t size)
{
	size_t length = strspn(*text, set);

	if (!length || length >= size || (*text)[length] != end)
		return false;
	memcpy(word, *text, length);
	word[length] = '\0';
	*text += length + 1;
	return true;
}

/* The value of the Host field, if it is one that can be shown in a Location. */
static bool find_host(const char *head, char host[HOST_MAX])
{
	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, "Host:", 5) != 0)
			continue;
		line += 5;
		line += strspn(line, " \t");
		return take(&line, host_characters, '\r', host, HOST_MAX);
	}
	return false;
}

static ssize_t redirect(const char *host, const char *target, char answer[PLAIN_ANSWER_MAX])
{
	return snprintf(answer, PLAIN_ANSWER_MAX,
			"HTTP/1.1 308 Permanent Redirect\r\n"
			"Location: https://%s%s\r\n"
			"Cache-Control: no-store\r\n"
			"Content-Length: 0\r\n"
			"Connection: close\r\n\r\n",
			host, target);
}

static ssize_t refuse(char answer[PLAIN_ANSWER_MAX])
{
	static const char body[] = "This is an HTTPS page: its address begins with https://\n";

	return snprintf(answer, PLAIN_ANSWER_MAX,
			"HTTP/1.1 400 Bad Request\r\n"
			"Content-Type: text/plain; charset=utf-8\r\n"
			"Content-Length: %zu\r\n"
			"Connection: close\r\n\r\n%s",
			sizeof(body) - 1, body);
}

ssize_t plain_answer(const char *request, size_t length, char answer[PLAIN_ANSWER_MAX])
{
	char head[PLAIN_REQUEST_MAX + 1], method[METHOD_MAX], target[TARGET_MAX], host[HOST_MAX];
	const char *at = head, *end;

	if (length > PLAIN_REQUEST_MAX)
		length = PLAIN_REQUEST_MAX;
	memcpy(head, request, length);
	head[length] = '\0';
	if (strspn(head, LETTERS) < (length < 3 ? length : 3))
		return -EPROTO;
	end = strstr(head, "\r\n\r\n");
	if (!end)
		return length < PLAIN_REQUEST_MAX ? -EAGAIN : refuse(answer);
	head[end - head + 2] = '\0';
	if (!take(&at, LETTERS, ' ', method, sizeof(method)))
		return -EPROTO;
	if (*at == '/' && take(&at, target_characters, ' ', target, sizeof(target)) &&
	    !strncmp(at, "HTTP/1.", 7) && find_host(head, host))
		return redirect(host, target, answer);
	return refuse(answer);
}
