/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "import/uci.h"

#include <stdlib.h>
#include <string.h>

static void add_section(struct import *import, struct uci_file *file, const struct command *command)
{
	struct uci_section *items = import_grow(import, file->sections, file->count, &file->size,
						sizeof(*items));

	if (!items)
		return;
	file->sections = items;
	items[file->count++] = (struct uci_section){
		.statement = command->statement,
		.type = command->count > 1 ? command->words[1] : "",
		.name = command->count > 2 ? command->words[2] : "",
	};
}

static void add_option(struct import *import, struct uci_section *section, const struct command *command)
{
	section->options[section->option_count++] = (struct uci_option){
		.statement = command->statement,
		.name = command->words[1],
		.value = command->words[2],
	};
	import->statements[command->statement].quiet = true;
}

/* The options of a section stand in one piece: how many there may be is known from the lines that follow. */
static void read_section(struct import *import, struct uci_file *file, const struct command *commands,
			 unsigned count)
{
	struct uci_section *section;

	add_section(import, file, &commands[0]);
	if (import->failed)
		return;
	section = &file->sections[file->count - 1]; /* "package" may stand between sections */
	section->options = import_alloc(import, count * sizeof(*section->options));
	for (unsigned i = 1; section->options && i < count; i++) {
		const char *word = commands[i].words[0];

		if (strcmp(word, "package") == 0)
			statement_covered(import, commands[i].statement, "what follows is of another file");
		else if (commands[i].count == 3 && !commands[i].unknown &&
			 (strcmp(word, "option") == 0 || strcmp(word, "list") == 0))
			add_option(import, section, &commands[i]);
		else
			statement_refuse(import, commands[i].statement,
					 "this is no line of an OpenWrt configuration");
	}
}

void uci_read(struct import *import, const char *text, bool listed, struct uci_file *ret_file)
{
	unsigned before = import->statement_count, first = 0;
	struct commands commands = { 0 };
	struct uci_file file = { 0 };

	shell_read(import, text, false, &commands);
	for (; first < commands.count && strcmp(commands.items[first].words[0], "config") != 0; first++)
		statement_covered(import, commands.items[first].statement,
				  "this is in front of the first section");
	while (first < commands.count && !import->failed) {
		unsigned end = first + 1;

		while (end < commands.count && strcmp(commands.items[end].words[0], "config") != 0)
			end++;
		read_section(import, &file, &commands.items[first], end - first);
		first = end;
	}
	for (unsigned i = before; !listed && i < import->statement_count; i++) {
		import->statements[i].quiet = true;
		import->statements[i].state = STATEMENT_UNDERSTOOD;
	}
	*ret_file = file;
}

bool uci_has(const struct uci_section *section, const char *name)
{
	for (unsigned i = 0; i < section->option_count; i++)
		if (strcmp(section->options[i].name, name) == 0)
			return true;
	return false;
}

const char *uci_value(struct uci_section *section, const char *name, const char *absent)
{
	const char *value = absent;

	for (unsigned i = 0; i < section->option_count; i++)
		if (strcmp(section->options[i].name, name) == 0) {
			section->options[i].used = true;
			value = section->options[i].value;
		}
	return value;
}

unsigned uci_values(struct import *import, struct uci_section *section, const char *name,
		    const char *values[UCI_VALUES_MAX])
{
	unsigned count = 0;

	for (unsigned i = 0; i < section->option_count; i++) {
		const char *at = section->options[i].value;

		if (strcmp(section->options[i].name, name) != 0)
			continue;
		section->options[i].used = true;
		for (at += strspn(at, " \t\n"); *at && count < UCI_VALUES_MAX; at += strspn(at, " \t\n")) {
			size_t length = strcspn(at, " \t\n");

			values[count++] = import_strndup(import, at, length);
			at += length;
		}
		section->options[i].used = !*at;
	}
	return count;
}

bool uci_flag(struct uci_section *section, const char *name, bool absent)
{
	const char *value = uci_value(section, name, NULL);

	if (!value)
		return absent;
	return strcmp(value, "1") == 0 || strcmp(value, "yes") == 0 || strcmp(value, "on") == 0 ||
	       strcmp(value, "true") == 0 || strcmp(value, "enabled") == 0;
}

unsigned uci_number(struct uci_section *section, const char *name, unsigned absent)
{
	const char *value = uci_value(section, name, "");
	size_t digits = strspn(value, "0123456789");

	return digits > 0 && digits < 9 && !value[digits] ? (unsigned)strtoul(value, NULL, 10) : absent;
}

void uci_ignore(struct uci_section *section, const char *const *names)
{
	for (; *names; names++)
		uci_value(section, *names, NULL);
}

void uci_refuse_rest(struct import *import, struct uci_section *section, const char *why)
{
	for (unsigned i = 0; i < section->option_count; i++)
		if (!section->options[i].used)
			statement_refuse(import, section->options[i].statement, "%s", why);
}

bool uci_all_used(struct import *import, struct uci_section *section, const char *why)
{
	for (unsigned i = 0; i < section->option_count; i++) {
		const struct uci_option *option = &section->options[i];

		if (option->used)
			continue;
		statement_refuse(import, option->statement, "%s", why);
		statement_refuse(import, section->statement, "option %.64s: %s", option->name, why);
		return false;
	}
	return true;
}
