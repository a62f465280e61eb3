/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options and files that commands are given. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

enum { TEXT_MAX = 16 << 20 };

/* --- options --- */

static int set_pair(const struct flag *flag, const char *text)
{
	const char *equals = strchr(text, '=');
	char *key;

	if (!equals || equals == text || !equals[1])
		return usage_error("%s: must be KEY=VALUE, not %s", flag->name, text);
	key = strndup(text, (size_t)(equals - text));
	if (!key)
		abort();
	json_object_set_new(flag->map, key, text_json(equals + 1, strlen(equals + 1)));
	free(key);
	return EXIT_OK;
}

/* `text` is the flag, or the flag, '=' and its argument. */
static bool is_flag(const struct flag *flag, const char *text, const char **ret_glued)
{
	size_t length = strlen(flag->name);

	if (strncmp(text, flag->name, length) != 0 || (text[length] && text[length] != '='))
		return false;
	*ret_glued = text[length] ? text + length + 1 : NULL;
	return true;
}

static int take_flag(const struct command *command, const struct flag *flag, const char *glued, int *at)
{
	const char *value = glued;

	if (flag->given) {
		if (glued)
			return usage_error("%s takes no argument", flag->name);
		*flag->given = true;
		return EXIT_OK;
	}
	if (!value && *at + 1 < command->count)
		value = command->arguments[++*at];
	if (!value)
		return usage_error("%s needs an argument", flag->name);
	if (flag->map)
		return set_pair(flag, value);
	*flag->value = value;
	return EXIT_OK;
}

static int take_word(const struct command *command, const char *name, const struct flag *flags,
		     unsigned count, int *at, const char **file)
{
	const char *text = command->arguments[*at], *glued;

	for (unsigned i = 0; i < count; i++) {
		if (is_flag(&flags[i], text, &glued))
			return take_flag(command, &flags[i], glued, at);
	}
	if (text[0] == '-' && text[1])
		return usage_error("%s: no such option; `portico %s --help` tells them", text, name);
	if (*file)
		return usage_error("%s: portico %s takes no more", text, name);
	*file = text;
	return EXIT_OK;
}

int read_flags(const struct command *command, const char *name, const struct flag *flags, unsigned count,
	       const char **ret_file)
{
	int rc = EXIT_OK;

	*ret_file = NULL;
	for (int i = 0; i < command->count && rc == EXIT_OK; i++)
		rc = take_word(command, name, flags, count, &i, ret_file);
	return rc;
}

/* --- files --- */

json_t *load_json(const char *path)
{
	json_error_t error;
	json_t *json;

	errno = 0;
	json = strcmp(path, "-") == 0 ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error) :
					json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!json && error.line < 0)
		fprintf(stderr, "portico: %s: %s\n", path, errno ? strerror(errno) : error.text);
	if (json || error.line < 0)
		return json;
	fprintf(stderr, "portico: %s: not JSON, or cut off: line %d, column %d: ", path, error.line,
		error.column);
	print_text(stderr, error.text); /* it quotes the file */
	fputc('\n', stderr);
	return NULL;
}

static bool read_stream(FILE *stream, struct buf *buf)
{
	char piece[16384];
	size_t length;

	while ((length = fread(piece, 1, sizeof(piece), stream)) > 0)
		buf_add(buf, piece, length);
	return !ferror(stream);
}

char *load_text(const char *path)
{
	FILE *stream = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	struct buf buf;
	char *text = NULL;

	buf_init(&buf, TEXT_MAX);
	if (!stream || !read_stream(stream, &buf))
		fprintf(stderr, "portico: %s: %s\n", path, strerror(errno));
	else if (buf.failed)
		fprintf(stderr, "portico: %s: larger than %d bytes\n", path, TEXT_MAX);
	else if (strlen(buf_text(&buf)) != buf.length)
		fprintf(stderr, "portico: %s: is no text: it has zero bytes\n", path);
	else
		text = buf_steal(&buf);
	buf_done(&buf);
	if (stream && stream != stdin)
		fclose(stream);
	return text;
}

int add_secret(json_t *body, const char *member, const char *path)
{
	char *text;

	if (!path)
		return EXIT_OK;
	text = load_text(path);
	if (!text)
		return EXIT_FAILED;
	json_object_set_new(body, member, text_json(text, strcspn(text, "\r\n")));
	explicit_bzero(text, strlen(text));
	free(text);
	return EXIT_OK;
}
