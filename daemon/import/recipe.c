/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables-save, scripts and recipes: reading, and following jumps. */
#include <stdio.h>
#include <string.h>

#include "import/recipe.h"
#include "model/schema.h"

enum {
	FOLLOW_COST = 250, /* of steps: time, and memory for each rule that is met */
	JUMPS_MAX = 16,    /* jumps in circles are no rules that a kernel would have taken */
};

struct chain {
	int first, last; /* indexes of rules; -1: none */
};

/* Where the text is, while it is read. */
struct reading {
	struct recipe *recipe;
	const char *table;     /* of iptables-save: "*nat" */
	uint8_t family;        /* of iptables-save */
	const char *here_end;  /* the word that ends a here-document */
	json_t *chain_numbers; /* "4 nat PREROUTING": index in chains */
	unsigned chain_count, chain_size;
	struct chain *chains;
	unsigned next_size;
	int *next;         /* of each rule: the next in its chain */
	const char **keys; /* of each rule: its words, to be found again by -D */
};

/* --- chains --- */

static struct chain *find_chain(struct reading *reading, uint8_t family, const char *table, const char *name,
				bool make)
{
	struct import *import = reading->recipe->import;
	struct chain *items;
	json_t *number;
	char key[128]; /* names are shorter in the kernel */

	snprintf(key, sizeof(key), "%u %.32s %.64s", family, table, name);
	number = json_object_get(reading->chain_numbers, key);
	if (number)
		return &reading->chains[json_integer_value(number)];
	if (!make)
		return NULL;
	items = import_grow(import, reading->chains, reading->chain_count, &reading->chain_size,
			    sizeof(*items));
	if (!items ||
	    json_object_set_new(reading->chain_numbers, key, json_integer(reading->chain_count)) < 0) {
		import->failed = true;
		return NULL;
	}
	reading->chains = items;
	items[reading->chain_count] = (struct chain){ -1, -1 };
	return &items[reading->chain_count++];
}

/* The words that make the rule, without what adds it where. */
static const char *rule_key(struct import *import, const struct command *command, unsigned first)
{
	const char *key;
	struct buf buf;

	buf_init(&buf, WORD_MAX_BYTES);
	for (unsigned i = first; i < command->count; i++) {
		const char *word = command->words[i];

		if (strcmp(word, "-A") == 0 || strcmp(word, "-I") == 0 || strcmp(word, "-D") == 0 ||
		    strcmp(word, "--append") == 0 || strcmp(word, "--insert") == 0 ||
		    strcmp(word, "--delete") == 0) {
			i++;
			if (i + 1 < command->count && strspn(command->words[i + 1], "0123456789") > 0)
				i++;
			continue;
		}
		buf_printf(&buf, "%s\n", word);
	}
	key = import_strndup(import, buf_text(&buf), buf.length);
	buf_done(&buf);
	return key;
}

static void delete_rule(struct reading *reading, const struct rule *rule, const char *key)
{
	struct recipe *recipe = reading->recipe;
	struct chain *chain = find_chain(reading, rule->family, rule->table, rule->chain, false);
	int statement = rule->statement;
	int before = -1;

	for (int i = chain ? chain->first : -1; i >= 0; before = i, i = reading->next[i]) {
		if (!import_step(recipe->import, 1))
			break;
		if (strcmp(reading->keys[i], key) != 0)
			continue;
		if (before < 0)
			chain->first = reading->next[i];
		else
			reading->next[before] = reading->next[i];
		if (chain->last == i)
			chain->last = before;
		statement_covered(recipe->import, recipe->rules[i].statement, "line %u deletes it again",
				  statement_line(recipe->import, statement));
		break;
	}
	statement_covered(recipe->import, statement, "what is imported begins with nothing");
}

static void keep_rule(struct reading *reading, const struct rule *rule, const char *key)
{
	struct recipe *recipe = reading->recipe;
	struct import *import = recipe->import;
	unsigned keys_size = reading->next_size;
	struct chain *chain = find_chain(reading, rule->family, rule->table, rule->chain, true);
	int index = (int)recipe->rule_count;

	recipe->rules = import_grow(import, recipe->rules, recipe->rule_count, &recipe->rule_size,
				    sizeof(*recipe->rules));
	reading->keys = import_grow(import, reading->keys, recipe->rule_count, &keys_size,
				    sizeof(*reading->keys));
	reading->next = import_grow(import, reading->next, recipe->rule_count, &reading->next_size,
				    sizeof(*reading->next));
	if (import->failed)
		return;
	recipe->rules[recipe->rule_count++] = *rule;
	reading->keys[index] = key;
	if (rule->inserted) {
		reading->next[index] = chain->first;
		chain->first = index;
	} else {
		reading->next[index] = -1;
		if (chain->last >= 0)
			reading->next[chain->last] = index;
		else
			chain->first = index;
	}
	if (!rule->inserted || chain->last < 0)
		chain->last = index;
}

/* --- commands --- */

static void read_rule(struct reading *reading, const struct command *command, unsigned first, uint8_t family)
{
	struct recipe *recipe = reading->recipe;
	const char *key;
	struct rule rule;

	if (command->unknown) {
		statement_refuse(recipe->import, command->statement, "%s", command->unknown);
		return;
	}
	if (!rule_read(recipe->import, command, first, reading->table, family, &rule)) {
		recipe->drops_forwards |= rule.target == TARGET_DROP;
		return;
	}
	key = rule_key(recipe->import, command, first);
	if (rule.deletes)
		delete_rule(reading, &rule, key);
	else
		keep_rule(reading, &rule, key);
}

/* The last part of a path. */
static const char *program_name(const char *word)
{
	const char *slash = strrchr(word, '/');

	return slash ? slash + 1 : word;
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* ":PREROUTING ACCEPT [0:0]" */
static void read_declaration(struct reading *reading, const struct command *command)
{
	int statement = command->statement;
	struct import *import = reading->recipe->import;
	const char *chain = command->words[0] + 1;

	if (!reading->table)
		return;
	(void)find_chain(reading, reading->family, reading->table, chain, true); /* it may stay empty */
	if (command->count < 2 || strcmp(command->words[1], "DROP") != 0)
		return;
	if (strcmp(chain, "FORWARD") == 0) {
		reading->recipe->drops_forwards = true;
		statement_covered(
			import, statement,
			"what forwards let in comes through where Portico's own filter is in force");
	} else {
		statement_covered(import, statement,
				  "what reaches the router itself is left to your firewall");
	}
}

/* "*nat", ":PREROUTING ACCEPT [0:0]", "-A PREROUTING ...", "COMMIT", in a file or a here-document. False: none of these. */
static bool read_saved_line(struct reading *reading, const struct command *command)
{
	int statement = command->statement;
	const char *word = command->words[0];
	unsigned first = word[0] == '[' && strchr(word, ':') ? 1 : 0; /* packets and bytes */

	if (word[0] == '*' && word[1])
		reading->table = word + 1;
	else if (strcmp(word, "COMMIT") == 0)
		reading->table = NULL;
	else if (word[0] == '-' || (first && command->count > 1 && command->words[1][0] == '-'))
		read_rule(reading, command, first, reading->family);
	else if (word[0] == ':')
		read_declaration(reading, command);
	else
		return false;
	if (word[0] != '-' && !first)
		statement_became(reading->recipe->import, statement, -1, NULL);
	return true;
}

/* Things that recipes do beside, and that Portico does by itself or that do not matter. */
static bool is_beside(struct reading *reading, const struct command *command, const char *program)
{
	static const char *const nothing[] = {
		"modprobe",
		"insmod",
		"echo",
		"printf",
		"cat",
		"sleep",
		"service",
		"systemctl",
		"set",
		"cd",
		"iptables-restore",
		"ip6tables-restore",
		"iptables-save",
		"ip6tables-save",
		"exit",
		"netfilter-persistent",
		"true",
		":",
		NULL,
	};
	static const char *const flow[] = {
		"if",   "fi",       "elif", "for", "while", "until", "done", "case",
		"esac", "function", "}",    "[",   "[[",    "test",  NULL,
	};
	int statement = command->statement;
	struct import *import = reading->recipe->import;

	if (strcmp(program, "sysctl") == 0 ||
	    (command->redirect && starts_with(command->redirect, "/proc/sys/"))) {
		statement_covered(import, statement,
				  "Portico sets what it needs of these (manage_sysctls in the settings)");
		return true;
	}
	if (strstr(program, "restore"))
		reading->here_end = command->redirect;
	if (reading->here_end && strcmp(program, reading->here_end) == 0) {
		statement_became(reading->recipe->import, statement, -1, NULL);
		return true;
	}
	if (text_is_one_of(program, nothing)) {
		statement_covered(import, statement, "nothing to do");
		return true;
	}
	if (!text_is_one_of(program, flow))
		return false;
	statement_refuse(import, statement,
			 "conditions and loops are not followed: what stands in them is taken once");
	return true;
}

static void read_command(struct reading *reading, const struct command *command)
{
	struct recipe *recipe = reading->recipe;
	const char *program = program_name(command->words[0]);

	if (read_saved_line(reading, command))
		return;
	if (!strstr(program, "restore") && !strstr(program, "save") &&
	    (starts_with(program, "iptables") || starts_with(program, "ip6tables"))) {
		read_rule(reading, command, 1, program[2] == '6' ? AF_INET6 : AF_INET);
		return;
	}
	if (recipe_read_route(recipe, command) || is_beside(reading, command, program))
		return;
	statement_refuse(recipe->import, command->statement, "%s",
			 command->unknown ? command->unknown :
			 strcmp(program, "nft") == 0 || strcmp(program, "table") == 0 ?
					    "rules of nft are not read here, but those of iptables" :
					    "this is no command of iptables or ip");
}

/* --- following jumps --- */

static bool combine_text(const char **own, bool *own_not, const char *other, bool other_not)
{
	if (!other)
		return true;
	if (*own && (strcmp(*own, other) != 0 || *own_not != other_not))
		return false;
	*own = other;
	*own_not = other_not;
	return true;
}

/* Where both restrict, the narrower one, if there is one. */
static bool combine_prefixes(struct prefix **own, unsigned *own_count, bool *own_not, struct prefix *other,
			     unsigned other_count, bool other_not)
{
	if (other_count == 0)
		return true;
	if (*own_count > 0 && (*own_not || other_not || *own_count > 1 || other_count > 1))
		return false;
	if (*own_count > 0 && prefix_covers(other, *own))
		return true;
	if (*own_count > 0 && !prefix_covers(*own, other))
		return false;
	*own = other;
	*own_count = other_count;
	*own_not = other_not;
	return true;
}

/* The rule for packets that a jump has led to it. */
static void combine(struct rule *rule, const struct rule *jump)
{
	bool fits = combine_text(&rule->in, &rule->in_not, jump->in, jump->in_not) &&
		    combine_text(&rule->out, &rule->out_not, jump->out, jump->out_not) &&
		    combine_prefixes(&rule->sources, &rule->source_count, &rule->sources_not, jump->sources,
				     jump->source_count, jump->sources_not) &&
		    combine_prefixes(&rule->destinations, &rule->destination_count, &rule->destinations_not,
				     jump->destinations, jump->destination_count, jump->destinations_not) &&
		    !(rule->protocol && jump->protocol && rule->protocol != jump->protocol) &&
		    !(rule->port_count && jump->port_count) &&
		    !(rule->marked && jump->marked && rule->with_mark != jump->with_mark) &&
		    !(rule->hours && jump->hours) && !(rule->until && jump->until);

	if (!rule->problem)
		rule->problem = jump->problem;
	if (!rule->problem && !fits)
		rule->problem = "its conditions and those of the jump to its chain do not go together here";
	if (!rule->protocol)
		rule->protocol = jump->protocol;
	if (!rule->port_count) {
		rule->ports = jump->ports;
		rule->port_count = jump->port_count;
	}
	if (!rule->hours)
		rule->hours = jump->hours;
	if (!rule->until)
		rule->until = jump->until;
	rule->to_local |= jump->to_local;
	rule->not_local |= jump->not_local;
	rule->answers |= jump->answers;
	if (jump->marked) {
		rule->marked = true;
		rule->with_mark = jump->with_mark;
	}
}

static void add_flat(struct recipe *recipe, const struct rule *rule, const char *hook)
{
	struct rule *items = import_grow(recipe->import, recipe->flat, recipe->flat_count, &recipe->flat_size,
					 sizeof(*items));

	if (!items)
		return;
	recipe->flat = items;
	items[recipe->flat_count] = *rule;
	items[recipe->flat_count++].chain = hook;
}

static void follow(struct reading *reading, const struct chain *chain, const struct rule *jump,
		   const char *hook, unsigned depth)
{
	struct recipe *recipe = reading->recipe;

	for (int i = chain->first; i >= 0; i = reading->next[i]) {
		struct rule rule = recipe->rules[i];
		const struct chain *target = NULL;

		if (!import_step(recipe->import, FOLLOW_COST) || recipe->import->failed)
			return;
		if (jump)
			combine(&rule, jump);
		if (rule.target == TARGET_OTHER && depth < JUMPS_MAX)
			target = find_chain(reading, rule.family, rule.table, rule.target_name, false);
		if (!target) {
			add_flat(recipe, &rule, hook);
			continue;
		}
		if (rule.problem) {
			statement_refuse(recipe->import, rule.statement, "%s", rule.problem);
			continue;
		}
		follow(reading, target, &rule, hook, depth + 1);
		statement_covered(recipe->import, rule.statement,
				  "what follows from it is told at the lines of chain %.64s",
				  rule.target_name);
	}
}

static void follow_hooks(struct reading *reading)
{
	static const char *const tables[] = { "nat", "mangle", "filter" };
	/* Of a filter chain that several lead to, what it does to forwards is told. */
	static const char *const hooks[] = { "PREROUTING", "FORWARD", "INPUT", "OUTPUT", "POSTROUTING" };
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	for (unsigned t = 0; t < 3; t++)
		for (unsigned h = 0; h < 5; h++)
			for (unsigned f = 0; f < 2; f++) {
				const struct chain *chain = find_chain(reading, families[f], tables[t],
								       hooks[h], false);

				if (chain)
					follow(reading, chain, NULL, hooks[h], 0);
			}
}

static void refuse_unreached(struct recipe *recipe)
{
	for (unsigned i = 0; i < recipe->rule_count; i++) {
		const struct rule *rule = &recipe->rules[i];

		statement_refuse(recipe->import, rule->statement,
				 "nothing that is understood here leads to chain %.64s of table %.32s",
				 rule->chain, rule->table);
	}
}

void import_rules(struct import *import, const char *text, bool is_script)
{
	struct recipe *recipe = import_alloc(import, sizeof(*recipe));
	struct reading reading = { .recipe = recipe, .family = AF_INET };
	struct commands commands = { 0 };

	if (!recipe)
		return;
	recipe->import = import;
	shell_read(import, text, is_script, &commands);
	if (strstr(text, "ip6tables-save") && !strstr(text, "iptables-save"))
		reading.family = AF_INET6;
	reading.chain_numbers = json_object();
	for (unsigned i = 0; i < commands.count && !import->failed; i++)
		read_command(&reading, &commands.items[i]);
	if (!import->failed)
		follow_hooks(&reading);
	if (!import->failed) {
		recipe_connect_routes(recipe);
		recipe_understand(recipe);
		recipe_finish_routes(recipe);
		refuse_unreached(recipe);
	}
	json_decref(reading.chain_numbers);
}
