/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tokens: the secrets of programs, each shown once. Only their hashes are kept. The list is read at the start and then
 * held in memory, where every request with a token looks; when one was used last is known since then only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "web/events.h"

/* So that who finds one knows what it is, and programs that look for leaked secrets find it. */
#define TOKEN_PREFIX "portico_"

enum { TOKEN_SECRET_MAX = sizeof(TOKEN_PREFIX) - 1 + SESSION_TOKEN_MAX };

struct tokens {
	unsigned count;
	struct token items[TOKENS_MAX]; /* by id */
	int64_t used_at[TOKENS_MAX];    /* seconds since the epoch; 0: not since the start */
};

int tokens_load(struct web *web, struct err *err)
{
	web->tokens = calloc(1, sizeof(*web->tokens));
	if (!web->tokens)
		return err_set(err, ERR_INTERNAL, "out of memory");
	return store_load_tokens(web->store, web->tokens->items, &web->tokens->count, err);
}

void tokens_free(struct web *web)
{
	if (web->tokens)
		secret_wipe(web->tokens, sizeof(*web->tokens));
	free(web->tokens);
}

/* --- who comes with one --- */

const struct token *tokens_find(struct web *web, const char *secret)
{
	struct tokens *tokens = web->tokens;
	const struct token *found = NULL;
	char hash[TOKEN_HASH_MAX];

	if (strlen(secret) != TOKEN_SECRET_MAX - 1)
		return NULL;
	secret_hash(secret, hash);
	for (unsigned i = 0; i < tokens->count; i++) {
		if (!secret_equal(tokens->items[i].hash, hash, TOKEN_HASH_MAX - 1))
			continue;
		found = &tokens->items[i];
		tokens->used_at[i] = time(NULL);
	}
	secret_wipe(hash, sizeof(hash));
	return found;
}

static int position_of(const struct tokens *tokens, uint32_t id)
{
	for (unsigned i = 0; i < tokens->count; i++) {
		if (tokens->items[i].id == id)
			return (int)i;
	}
	return -1;
}

bool tokens_have(const struct web *web, uint32_t id)
{
	return position_of(web->tokens, id) >= 0;
}

/* --- the list --- */

static json_t *token_json(const struct tokens *tokens, unsigned i)
{
	const struct token *token = &tokens->items[i];

	return json_pack("{s:I, s:s, s:s, s:o, s:o}", "id", (json_int_t)token->id, "name", token->name,
			 "role", token->admin ? "admin" : "viewer", "made_at", time_to_json(token->made_at),
			 "used_at", time_to_json(tokens->used_at[i]));
}

int token_list(struct request *request, struct err *err)
{
	const struct tokens *tokens = request->web->tokens;
	json_t *items = json_array();

	(void)err;
	for (unsigned i = 0; i < tokens->count; i++)
		json_array_append_new(items, token_json(tokens, i));
	request->answer.json = json_pack("{s:o}", "items", items);
	return 0;
}

static int check_new(const struct tokens *tokens, const char *name, const char *role, struct err *err)
{
	const char *fault = name_fault(name, strlen(name));

	if (fault)
		err_field(err, "/name", "%s", fault);
	if (strcmp(role, "admin") != 0 && strcmp(role, "viewer") != 0)
		err_field(err, "/role", "must be \"admin\" or \"viewer\"");
	if (err->kind != ERR_NONE)
		return -EINVAL;
	for (unsigned i = 0; i < tokens->count; i++) {
		if (strcmp(tokens->items[i].name, name) != 0)
			continue;
		err_set(err, ERR_CONFLICT, "there is a token \"%s\" already", name);
		return err_field(err, "/name", "is that of another token");
	}
	if (tokens->count == TOKENS_MAX)
		return err_set(err, ERR_CONFLICT,
			       "there are %d tokens already: remove one that is not in use", TOKENS_MAX);
	return 0;
}

int token_post(struct request *request, struct err *err)
{
	static const char *const members[] = { "name", "role", NULL };
	struct tokens *tokens = request->web->tokens;
	char secret[TOKEN_SECRET_MAX] = TOKEN_PREFIX;
	struct token token = { .made_at = time(NULL) };
	const char *values[2];
	int rc = body_strings(request, members, values, err);

	if (rc == 0)
		rc = check_new(tokens, values[0], values[1], err);
	if (rc < 0)
		return rc;
	random_hex(secret + strlen(TOKEN_PREFIX), (SESSION_TOKEN_MAX - 1) / 2);
	token.id = tokens->count ? tokens->items[tokens->count - 1].id + 1 : 1;
	snprintf(token.name, sizeof(token.name), "%s", values[0]);
	token.admin = strcmp(values[1], "admin") == 0;
	secret_hash(secret, token.hash);
	rc = store_add_token(request->web->store, &token, err);
	if (rc == 0) {
		tokens->used_at[tokens->count] = 0;
		tokens->items[tokens->count++] = token;
		log_info("token \"%s\" (%s) is made by %s", token.name, values[1], access_author(request));
		request->answer.json = token_json(tokens, tokens->count - 1);
		json_object_set_new(request->answer.json, "token", json_string(secret));
	}
	secret_wipe(secret, sizeof(secret));
	return rc;
}

int token_delete(struct request *request, struct err *err)
{
	struct tokens *tokens = request->web->tokens;
	int at = position_of(tokens, request->id), rc;

	if (at < 0)
		return err_set(err, ERR_NOT_FOUND, "there is no token with the id %u", request->id);
	rc = store_remove_token(request->web->store, request->id, err);
	if (rc < 0)
		return rc;
	request->answer.json = token_json(tokens, (unsigned)at);
	log_info("token \"%s\" is removed by %s", tokens->items[at].name, access_author(request));
	tokens->count--;
	memmove(tokens->items + at, tokens->items + at + 1,
		(tokens->count - (unsigned)at) * sizeof(*tokens->items));
	memmove(tokens->used_at + at, tokens->used_at + at + 1,
		(tokens->count - (unsigned)at) * sizeof(*tokens->used_at));
	events_check_sessions(request->web->events);
	return 0;
}
