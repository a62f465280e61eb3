/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "import/shell.h"

#include <string.h>

#include "model/schema.h"

struct variable {
	const char *name;
	const char *value; /* NULL: it comes from something that is not run */
};

struct shell {
	struct import *import;
	bool is_script;
	const char *at;
	unsigned line;
	size_t total; /* bytes of words */
	unsigned variable_count, variable_size;
	struct variable *variables;
	/* of the command that is being read */
	const char *words[COMMAND_WORDS_MAX];
	unsigned count;
	struct buf word;
	bool open;      /* a word has begun, though it may be empty */
	bool redirects; /* the next word is a file's name */
	const char *redirect;
	const char *unknown;
	const char *end; /* of its text; NULL: not yet */
};

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t name_length(const char *text)
{
	size_t length = 0;

	if (is_name_start(text[0]))
		while (is_name_start(text[length]) || (text[length] >= '0' && text[length] <= '9'))
			length++;
	return length;
}

static void not_known(struct shell *shell, const char *what)
{
	if (!shell->unknown)
		shell->unknown = what;
}

/* --- variables --- */

static const struct variable *find_variable(const struct shell *shell, const char *name, size_t length)
{
	for (unsigned i = shell->variable_count; i > 0; i--) { /* the latest counts */
		const struct variable *variable = &shell->variables[i - 1];

		if (strlen(variable->name) == length && memcmp(variable->name, name, length) == 0)
			return variable;
	}
	return NULL;
}

static void set_variable(struct shell *shell, const char *word, size_t length, bool known)
{
	struct import *import = shell->import;
	const char *name = import_strndup(import, word, length), *value = word + length + 1;
	struct variable *old = (struct variable *)find_variable(shell, word, length), *items;

	if (strlen(value) > VALUE_MAX_BYTES)
		known = false;
	if (old) {
		old->value = known ? value : NULL;
		return;
	}
	if (shell->variable_count == VARIABLES_MAX)
		return; /* unset, for those who use it */
	items = import_grow(import, shell->variables, shell->variable_count, &shell->variable_size,
			    sizeof(*items));
	if (!items)
		return;
	shell->variables = items;
	items[shell->variable_count++] = (struct variable){ name, known ? value : NULL };
}

/* --- words --- */

static void add(struct shell *shell, const char *text, size_t length)
{
	if (shell->total <= WORDS_TOTAL_MAX)
		buf_add(&shell->word, text, length);
	shell->open = true;
}

static void end_word(struct shell *shell)
{
	const char *word;

	if (!shell->open)
		return;
	shell->total += shell->word.length;
	if (shell->word.failed || shell->total > WORDS_TOTAL_MAX) {
		not_known(shell, "its words are too long");
		word = "";
	} else {
		word = import_strndup(shell->import, buf_text(&shell->word), shell->word.length);
	}
	if (shell->redirects)
		shell->redirect = word;
	else if (shell->count < COMMAND_WORDS_MAX)
		shell->words[shell->count++] = word;
	else
		not_known(shell, "it has too many words");
	buf_done(&shell->word);
	buf_init(&shell->word, WORD_MAX_BYTES);
	shell->open = false;
	shell->redirects = false;
}

/* A value outside quotes is taken apart at its spaces. */
static void add_value(struct shell *shell, const char *value, bool quoted)
{
	if (quoted) {
		add(shell, value, strlen(value));
		return;
	}
	for (; *value && shell->total <= WORDS_TOTAL_MAX; value++) {
		if (strchr(" \t\n", *value))
			end_word(shell);
		else
			add(shell, value, 1);
	}
}

/* Past what `open` has opened at shell->at, up to its `close`; lines are counted. */
static void skip_enclosed(struct shell *shell, char open, char close)
{
	unsigned depth = 0;

	for (; *shell->at; shell->at++) {
		if (*shell->at == '\n')
			shell->line++;
		if (*shell->at == close && (open != close || depth > 0)) {
			if (--depth == 0) {
				shell->at++;
				return;
			}
		} else if (*shell->at == open) {
			depth++;
		}
	}
}

static void expand(struct shell *shell, const char *name, size_t length, const char *absent,
		   size_t absent_length, bool quoted)
{
	const struct variable *variable = find_variable(shell, name, length);
	struct import *import = shell->import;

	shell->open = shell->open || quoted;
	if (variable && variable->value)
		add_value(shell, variable->value, quoted);
	else if (absent && !variable)
		add_value(shell, import_strndup(import, absent, absent_length), quoted);
	else if (variable)
		not_known(shell, import_printf(import, "what $%.*s is comes from a command, which is not run",
					       (int)length, name));
	else
		not_known(shell, import_printf(import, "$%.*s is not set above", (int)length, name));
}

/* At a '$'. */
static void read_dollar(struct shell *shell, bool quoted)
{
	const char *at = shell->at + 1;
	size_t length = name_length(at);

	if (*at == '(') {
		shell->at = at;
		skip_enclosed(shell, '(', ')');
		shell->open = true;
		not_known(shell, "$(...) is not run here");
	} else if (*at == '{' && (length = name_length(at + 1)) > 0) {
		size_t more = strcspn(at + 1 + length, "}\n");
		const char *rest = at + 1 + length;
		bool has_default = more >= 2 && rest[0] == ':' && rest[1] == '-';

		expand(shell, at + 1, length, has_default ? rest + 2 : NULL, has_default ? more - 2 : 0,
		       quoted);
		if (more > 0 && !has_default)
			not_known(shell, "what stands in ${...} is more than a name");
		shell->at = rest + more + (rest[more] == '}');
	} else if (length > 0) {
		expand(shell, at, length, NULL, 0, quoted);
		shell->at = at + length;
	} else if (*at && strchr("0123456789@*#?$!-{", *at)) {
		not_known(shell, import_printf(shell->import, "$%c is not known here", *at));
		shell->open = true;
		shell->at = at + 1;
	} else {
		add(shell, "$", 1);
		shell->at = at;
	}
}

static void read_double_quotes(struct shell *shell)
{
	shell->open = true;
	shell->at++;
	while (*shell->at && *shell->at != '"') {
		if (shell->is_script && *shell->at == '$') {
			read_dollar(shell, true);
			continue;
		}
		if (shell->is_script && *shell->at == '`') {
			skip_enclosed(shell, '`', '`');
			not_known(shell, "`...` is not run here");
			continue;
		}
		if (*shell->at == '\\' && shell->at[1] &&
		    (!shell->is_script || strchr("\"\\$`\n", shell->at[1])))
			shell->at++;
		if (*shell->at == '\n')
			shell->line++;
		add(shell, shell->at++, 1);
	}
	shell->at += *shell->at == '"';
}

static void read_single_quotes(struct shell *shell)
{
	shell->open = true;
	for (shell->at++; *shell->at && *shell->at != '\''; shell->at++) {
		if (*shell->at == '\n')
			shell->line++;
		add(shell, shell->at, 1);
	}
	shell->at += *shell->at == '\'';
}

static void read_backslash(struct shell *shell)
{
	size_t end = shell->at[1] == '\r' ? 2 : 1;

	if (shell->at[end] == '\n') { /* the line goes on */
		shell->at += end + 1;
		shell->line++;
		return;
	}
	shell->at++;
	if (*shell->at)
		add(shell, shell->at++, 1);
}

/* "2>&1", ">> file", "< file", "<<END". */
static void read_redirect(struct shell *shell)
{
	bool number = shell->open;

	for (size_t i = 0; i < shell->word.length; i++)
		number = number && shell->word.data[i] >= '0' && shell->word.data[i] <= '9';
	if (number) {
		buf_done(&shell->word);
		buf_init(&shell->word, WORD_MAX_BYTES);
		shell->open = false;
	}
	end_word(shell);
	shell->at += strspn(shell->at, "<>");
	if (*shell->at == '&') {
		shell->at++;
		shell->at += strspn(shell->at, "0123456789-");
		return;
	}
	shell->redirects = true;
}

static void end_text(struct shell *shell)
{
	if (!shell->end)
		shell->end = shell->at;
}

/* Takes one character, or what begins with it. False: the command has ended. */
static bool step(struct shell *shell)
{
	char c = *shell->at;

	if (c == '\0' || c == '\n' || (shell->is_script && strchr(";&|()", c)))
		end_text(shell);
	if (c == '\0')
		return false;
	if (c == '\n') {
		shell->line++;
		shell->at++;
		return false;
	}
	if (strchr(" \t\r", c)) {
		end_word(shell);
		shell->at++;
	} else if (c == '#' && !shell->open) {
		end_text(shell);
		shell->at += strcspn(shell->at, "\n");
	} else if (c == '"') {
		read_double_quotes(shell);
	} else if (c == '\'') {
		read_single_quotes(shell);
	} else if (c == '\\') {
		read_backslash(shell);
	} else if (!shell->is_script) {
		add(shell, shell->at++, 1);
	} else if (c == '$') {
		read_dollar(shell, false);
	} else if (c == '`') {
		skip_enclosed(shell, '`', '`');
		shell->open = true;
		not_known(shell, "`...` is not run here");
	} else if (c == '<' || c == '>') {
		read_redirect(shell);
	} else if (strchr(";&|()", c)) {
		shell->at += strspn(shell->at, ";&|()");
		return false;
	} else {
		add(shell, shell->at++, 1);
	}
	return true;
}

/* --- commands --- */

static bool is_assignment(const char *word, size_t *ret_length)
{
	*ret_length = name_length(word);
	return *ret_length > 0 && word[*ret_length] == '=';
}

/* Sets the variables that the command begins with; what is left are words of a command, which may be none. */
static unsigned take_assignments(struct shell *shell)
{
	static const char *const setters[] = { "export", "readonly", "local", "declare", "typeset", NULL };
	unsigned i = shell->count > 0 && text_is_one_of(shell->words[0], setters) ? 1 : 0;
	unsigned first = i;
	size_t length;

	for (; i < shell->count && is_assignment(shell->words[i], &length); i++)
		set_variable(shell, shell->words[i], length, !shell->unknown);
	if (first == 0 && i < shell->count)
		return i; /* for that command only; but who writes that in a recipe means no harm */
	return first > 0 ? shell->count : i;
}

/* Words that only say when a command is run. */
static unsigned skip_keywords(const struct shell *shell, unsigned i)
{
	static const char *const keywords[] = { "then", "else", "do", "{", "sudo", "command", "exec", NULL };

	while (i < shell->count && text_is_one_of(shell->words[i], keywords))
		i++;
	return i;
}

static void keep_command(struct shell *shell, int statement, unsigned first, struct commands *commands)
{
	struct import *import = shell->import;
	unsigned count = shell->count - first;
	struct command *items = import_grow(import, commands->items, commands->count, &commands->size,
					    sizeof(*items));
	const char **words = import_alloc(import, (count + 1) * sizeof(*words));

	if (!items || !words)
		return;
	memcpy(words, shell->words + first, count * sizeof(*words));
	commands->items = items;
	items[commands->count++] = (struct command){
		.statement = statement,
		.count = count,
		.words = words,
		.redirect = shell->redirect,
		.unknown = shell->unknown,
	};
}

static void read_command(struct shell *shell, struct commands *commands)
{
	unsigned line, first;
	const char *start;
	int statement;

	while (*shell->at && strchr(" \t\r\n", *shell->at)) {
		shell->line += *shell->at == '\n';
		shell->at++;
	}
	line = shell->line;
	start = shell->at;
	shell->count = 0;
	shell->redirect = NULL;
	shell->unknown = NULL;
	shell->redirects = false;
	shell->end = NULL;
	while (step(shell))
		;
	end_word(shell);
	if (shell->count == 0)
		return;
	statement = statement_add(shell->import, line, start, (size_t)(shell->end - start));
	if (statement < 0)
		return;
	first = shell->is_script ? skip_keywords(shell, take_assignments(shell)) : 0;
	if (first < shell->count) {
		keep_command(shell, statement, first, commands);
	} else {
		shell->import->statements[statement].state = STATEMENT_UNDERSTOOD;
		shell->import->statements[statement].message = shell->unknown;
	}
}

void shell_read(struct import *import, const char *text, bool is_script, struct commands *ret_commands)
{
	struct shell *shell = import_alloc(import, sizeof(*shell));
	struct commands commands = { 0 };

	if (shell) {
		*shell = (struct shell){ .import = import, .is_script = is_script, .at = text, .line = 1 };
		buf_init(&shell->word, WORD_MAX_BYTES);
		while (*shell->at && !import->failed && import->statement_count < IMPORT_STATEMENTS_MAX)
			read_command(shell, &commands);
		buf_done(&shell->word);
	}
	*ret_commands = commands;
}
