/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may come next on a command line, for init/portico.bash-completion: from the same tables as the help, names of
 * objects from the daemon. It is silent when the daemon is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

struct completion {
	const struct command *command;
	int count; /* words in front of the one that is being written; the first is "portico" */
	char **words;
	const char *begun; /* what is written of it */
};

/* --- offers --- */

/* As a shell wants it: what means something to it is escaped. */
static void offer(const struct completion *completion, const char *word)
{
	if (strncmp(word, completion->begun, strlen(completion->begun)) != 0)
		return;
	for (; *word; word++) {
		if (strchr(" \t\\'\"$`&|;<>()*?[]#~!{}", *word))
			putchar('\\');
		putchar(*word);
	}
	putchar('\n');
}

static void offer_words(const struct completion *completion, const char *const *words)
{
	for (; *words; words++)
		offer(completion, *words);
}

/* The `key` of each item of a list of the API's. */
static void offer_items(const struct completion *completion, const char *path, const char *key)
{
	const json_t *item;
	struct reply reply;
	size_t i;

	if (client_call(completion->command->socket_path, "GET", path, NULL, &reply) < 0)
		return;
	json_array_foreach(json_object_get(reply.json, "items"), i, item)
		offer(completion, member_text(item, key));
	json_decref(reply.json);
}

/* --- options of objects --- */

static const struct cli_option *find_option(const struct cli_kind *kind, const char *word)
{
	for (unsigned i = 0; i < kind->option_count; i++) {
		if (strncmp(word, "--", 2) == 0 && strcmp(kind->options[i].name, word + 2) == 0)
			return &kind->options[i];
	}
	return NULL;
}

/* What the option's argument may be, as far as there are few. */
static void offer_argument(const struct completion *completion, const struct cli_option *option)
{
	static const char *const switches[] = { "on", "off", NULL };
	static const struct {
		const char *option;
		const char *words[5];
	} known[] = {
		{ "protocol", { "tcp", "udp", "sctp", "gre" } },
		{ "family", { "ipv4", "ipv6" } },
		{ "backend-sees", { "client", "router" } },
		{ "hairpin", { "on", "off" } },
		{ "hairpin-source", { "router", "external" } },
		{ "firewall", { "auto", "own", "beside" } },
		{ "language", { "en", "zh" } },
		{ "gateway", { "auto", "none" } },
		{ "source-nat", { "masquerade", "none" } },
		{ "source-nat6", { "none", "prefix", "masquerade" } },
		{ "check", { "icmp", "tcp", "dns", "none" } },
		{ "need", { "any", "all" } },
		{ "otherwise", { "any", "unreachable" } },
		{ "last-resort", { "main", "unreachable" } },
	};

	if (option->convert == CONVERT_SWITCH)
		offer_words(completion, switches);
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].option, option->name) == 0)
			offer_words(completion, known[i].words);
	}
	if (strcmp(option->name, "uplink") == 0)
		offer_items(completion, "/uplinks", "name");
	else if (strcmp(option->name, "network") == 0)
		offer_items(completion, "/networks", "name");
	else if (strcmp(option->name, "device") == 0)
		offer_items(completion, "/links", "name");
}

static void complete_kind(const struct completion *completion, const struct cli_kind *kind)
{
	const struct cli_option *option = find_option(kind, completion->words[completion->count - 1]);
	const char *name;
	bool named = false, takes_name = false;

	if (option && option->argument) {
		offer_argument(completion, option);
		return;
	}
	for (unsigned i = 0; (name = action_name(kind, i, &named)); i++) {
		if (completion->count == 2)
			offer(completion, name);
		else if (strcmp(name, completion->words[2]) == 0)
			takes_name = named;
	}
	if (completion->count == 3 && takes_name)
		offer_items(completion, kind->path, "name");
	for (unsigned i = 0; completion->count > 2 && i < kind->option_count; i++) {
		char text[64];

		snprintf(text, sizeof(text), "--%s", kind->options[i].name);
		offer(completion, text);
	}
}

/* --- the other commands --- */

/* Their actions and options. Where nothing is offered, the shell offers files. */
static const struct {
	const char *command;
	const char *after; /* the word in front; NULL: any other */
	const char *words[8];
} others[] = {
	{ "config", "config", { "show", "plan", "apply", "export" } },
	{ "config", "export", { "--format" } },
	{ "config", "--format", { "nft", "iptables", "uci" } },
	{ "history", "history", { "show", "diff", "restore", "--before", "--limit" } },
	{ "token", "token", { "list", "add", "remove" } },
	{ "token", "--role", { "admin", "viewer" } },
	{ "token", NULL, { "--role" } },
	{ "password", NULL, { "--password-file" } },
	{ "backup", NULL, { "--passphrase-file", "--secrets" } },
	{ "restore", NULL, { "--dry-run", "--device", "--passphrase-file", "--no-secrets" } },
	{ "import", "--format", { "iptables-save", "iptables", "uci-firewall", "uci-mwan3" } },
	{ "import", NULL, { "--apply", "--format", "--network" } },
};

static bool takes_file(const char *word)
{
	return strcmp(word, "--passphrase-file") == 0 || strcmp(word, "--password-file") == 0 ||
	       strcmp(word, "--network") == 0;
}

static void complete_other(const struct completion *completion, const char *name)
{
	const char *before = completion->words[completion->count - 1];

	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(others[i].command, name) != 0)
			continue;
		if (others[i].after && strcmp(others[i].after, before) == 0) {
			offer_words(completion, others[i].words);
			return;
		}
		/* Options only once one has begun: else a file is what is wanted most. */
		if (!others[i].after && completion->begun[0] == '-' && !takes_file(before))
			offer_words(completion, others[i].words);
	}
	if (strcmp(name, "token") == 0 && strcmp(before, "remove") == 0)
		offer_items(completion, "/tokens", "name");
}

static void complete_first(const struct completion *completion)
{
	const char *name;

	for (unsigned i = 0; (name = command_name(i)); i++)
		offer(completion, name);
	for (unsigned i = 0; i < cli_kind_count; i++)
		offer(completion, cli_kinds[i].command);
}

static void complete_word(const struct completion *completion)
{
	static const char *const common[] = { "--json", "--help", "--socket", "--confirm-within", NULL };

	if (completion->count < 2)
		complete_first(completion);
	for (unsigned i = 0; completion->count >= 2 && i < cli_kind_count; i++) {
		if (strcmp(cli_kinds[i].command, completion->words[1]) == 0)
			complete_kind(completion, &cli_kinds[i]);
	}
	if (completion->count >= 2)
		complete_other(completion, completion->words[1]);
	if (strncmp(completion->begun, "--", 2) == 0)
		offer_words(completion, common);
}

/* Takes out the options that every command has; what is left moves up, and so does the word that is asked for. */
static void drop_common_options(struct completion *completion, struct command *command, int count)
{
	int kept = 0, at = completion->count;

	for (int i = 0; i < count; i++) {
		char *word = completion->words[i];
		bool with_argument = strcmp(word, "--socket") == 0 || strcmp(word, "--confirm-within") == 0;

		if (i >= at || (!with_argument && strcmp(word, "--json") != 0)) {
			completion->words[kept++] = word;
			continue;
		}
		completion->count -= 1 + (with_argument && i + 1 < at);
		if (strcmp(word, "--socket") == 0 && i + 1 < at)
			command->socket_path = completion->words[i + 1];
		i += with_argument;
	}
}

int complete(const struct command *command)
{
	char *end;
	long at = strtol(command->arguments[1], &end, 10);
	int count = command->count - 2;
	struct command asking = *command;
	struct completion completion = { .command = &asking, .words = command->arguments + 2 };

	if (*end || at < 1 || at > count)
		return EXIT_USAGE;
	completion.count = (int)at;
	completion.begun = at < count ? completion.words[at] : "";
	drop_common_options(&completion, &asking, count);
	if (completion.count < 1)
		return EXIT_USAGE;
	if (!freopen("/dev/null", "w", stderr)) /* nobody wants to read of a daemon that is not there now */
		return EXIT_FAILED;
	complete_word(&completion);
	return EXIT_OK;
}
