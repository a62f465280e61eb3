/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "import/rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/schema.h"

enum option_id {
	OPT_TABLE,
	OPT_APPEND,
	OPT_INSERT,
	OPT_DELETE,
	OPT_CHAIN_WORK, /* -N, -F and the like: what is imported begins with nothing */
	OPT_POLICY,
	OPT_LIST,
	OPT_PROTOCOL,
	OPT_SOURCE,
	OPT_DESTINATION,
	OPT_IN,
	OPT_OUT,
	OPT_JUMP,
	OPT_MATCH,
	OPT_PORTS,
	OPT_STATE,
	OPT_STATUS,
	OPT_COMMENT,
	OPT_WEEKDAYS,
	OPT_TIME_START,
	OPT_TIME_STOP,
	OPT_DATE_STOP,
	OPT_LOCAL_TIME,
	OPT_MARK_MATCH,
	OPT_DESTINATION_TYPE,
	OPT_TO_DESTINATION,
	OPT_TO_SOURCE,
	OPT_TO_PORTS,
	OPT_TO,
	OPT_SET_MARK,
	OPT_COPY_MARK,
	OPT_NOTHING,   /* says nothing that matters here */
	OPT_OF_TARGET, /* nor does it, being of a target that is not taken */
	OPT_NARROWS,   /* a match that no object here knows */
	OPT_WAIT,      /* may have a number behind it */
};

struct option {
	const char *name; /* without the dashes */
	char letter;
	uint8_t arguments;
	enum option_id id;
};

/* Those of iptables(8) and iptables-extensions(8) that recipes use. The longest names come by abbreviations, too. */
static const struct option options[] = {
	{ "table", 't', 1, OPT_TABLE },
	{ "append", 'A', 1, OPT_APPEND },
	{ "insert", 'I', 1, OPT_INSERT },
	{ "delete", 'D', 1, OPT_DELETE },
	{ "replace", 'R', 1, OPT_LIST },
	{ "check", 'C', 1, OPT_LIST },
	{ "list", 'L', 0, OPT_LIST },
	{ "list-rules", 'S', 0, OPT_LIST },
	{ "new-chain", 'N', 1, OPT_CHAIN_WORK },
	{ "delete-chain", 'X', 0, OPT_CHAIN_WORK },
	{ "flush", 'F', 0, OPT_CHAIN_WORK },
	{ "zero", 'Z', 0, OPT_CHAIN_WORK },
	{ "rename-chain", 'E', 2, OPT_LIST },
	{ "policy", 'P', 2, OPT_POLICY },
	{ "protocol", 'p', 1, OPT_PROTOCOL },
	{ "source", 's', 1, OPT_SOURCE },
	{ "src", 0, 1, OPT_SOURCE },
	{ "destination", 'd', 1, OPT_DESTINATION },
	{ "dst", 0, 1, OPT_DESTINATION },
	{ "in-interface", 'i', 1, OPT_IN },
	{ "out-interface", 'o', 1, OPT_OUT },
	{ "jump", 'j', 1, OPT_JUMP },
	{ "goto", 'g', 1, OPT_JUMP },
	{ "match", 'm', 1, OPT_MATCH },
	{ "dport", 0, 1, OPT_PORTS },
	{ "destination-port", 0, 1, OPT_PORTS },
	{ "dports", 0, 1, OPT_PORTS },
	{ "destination-ports", 0, 1, OPT_PORTS },
	{ "state", 0, 1, OPT_STATE },
	{ "ctstate", 0, 1, OPT_STATE },
	{ "ctstatus", 0, 1, OPT_STATUS },
	{ "comment", 0, 1, OPT_COMMENT },
	{ "weekdays", 0, 1, OPT_WEEKDAYS },
	{ "timestart", 0, 1, OPT_TIME_START },
	{ "timestop", 0, 1, OPT_TIME_STOP },
	{ "datestop", 0, 1, OPT_DATE_STOP },
	{ "kerneltz", 0, 0, OPT_LOCAL_TIME },
	{ "contiguous", 0, 0, OPT_NOTHING },
	{ "datestart", 0, 1, OPT_NARROWS },
	{ "monthdays", 0, 1, OPT_NARROWS },
	{ "mark", 0, 1, OPT_MARK_MATCH },
	{ "dst-type", 0, 1, OPT_DESTINATION_TYPE },
	{ "to-destination", 0, 1, OPT_TO_DESTINATION },
	{ "to-source", 0, 1, OPT_TO_SOURCE },
	{ "to-ports", 0, 1, OPT_TO_PORTS },
	{ "to-port", 0, 1, OPT_TO_PORTS },
	{ "to", 0, 1, OPT_TO },
	{ "set-mark", 0, 1, OPT_SET_MARK },
	{ "set-xmark", 0, 1, OPT_SET_MARK },
	{ "restore-mark", 0, 0, OPT_COPY_MARK },
	{ "save-mark", 0, 0, OPT_COPY_MARK },
	{ "mask", 0, 1, OPT_NOTHING },
	{ "nfmask", 0, 1, OPT_NOTHING },
	{ "ctmask", 0, 1, OPT_NOTHING },
	{ "random", 0, 0, OPT_NOTHING },
	{ "random-fully", 0, 0, OPT_NOTHING },
	{ "persistent", 0, 0, OPT_NOTHING },
	{ "syn", 0, 0, OPT_NOTHING }, /* in nat there are none but first packets */
	{ "set-counters", 'c', 2, OPT_NOTHING },
	{ "modprobe", 0, 1, OPT_NOTHING },
	{ "ipv4", '4', 0, OPT_NOTHING },
	{ "ipv6", '6', 0, OPT_NOTHING },
	{ "verbose", 'v', 0, OPT_NOTHING },
	{ "numeric", 'n', 0, OPT_NOTHING },
	{ "exact", 'x', 0, OPT_NOTHING },
	{ "line-numbers", 0, 0, OPT_NOTHING },
	{ "wait", 'w', 0, OPT_WAIT },
	{ "wait-interval", 'W', 1, OPT_NOTHING },
	{ "reject-with", 0, 1, OPT_OF_TARGET },
	{ "log-prefix", 0, 1, OPT_OF_TARGET },
	{ "log-level", 0, 1, OPT_OF_TARGET },
	{ "clamp-mss-to-pmtu", 0, 0, OPT_OF_TARGET },
	{ "set-mss", 0, 1, OPT_OF_TARGET },
	{ "tcp-flags", 0, 2, OPT_NARROWS },
	{ "sport", 0, 1, OPT_NARROWS },
	{ "source-port", 0, 1, OPT_NARROWS },
	{ "sports", 0, 1, OPT_NARROWS },
	{ "source-ports", 0, 1, OPT_NARROWS },
	{ "ports", 0, 1, OPT_NARROWS },
	{ "src-type", 0, 1, OPT_NARROWS },
	{ "src-range", 0, 1, OPT_NARROWS },
	{ "dst-range", 0, 1, OPT_NARROWS },
	{ "mac-source", 0, 1, OPT_NARROWS },
	{ "match-set", 0, 2, OPT_NARROWS },
	{ "fragment", 'f', 0, OPT_NARROWS },
};

enum { OPTION_COUNT = sizeof(options) / sizeof(options[0]) };

struct reader {
	struct import *import;
	const struct command *command;
	unsigned at; /* the next word */
	struct rule rule;
	bool lists; /* it is no rule */
	const char *policy_chain, *policy;
	const char *weekdays, *time_start, *time_stop; /* of -m time; NULL: not said */
	bool local_time;
	bool chain_work;
};

static void problem(struct reader *reader, const char *text)
{
	if (!reader->rule.problem)
		reader->rule.problem = text;
}

/* --- values --- */

/* Calls `take` for each entry of "a,b,c", of which no object has more than LIST_MAX. */
static bool each_entry(struct reader *reader, const char *text,
		       bool (*take)(struct reader *reader, const char *entry))
{
	for (unsigned i = 0; *text; i++) {
		size_t length = strcspn(text, ",");

		if (i == LIST_MAX || !take(reader, import_strndup(reader->import, text, length)))
			return false;
		text += length + (text[length] == ',');
	}
	return true;
}

static bool add_prefix(struct prefix *list, unsigned *count, const char *text)
{
	struct prefix prefix;

	if (!import_prefix(text, &prefix))
		return false;
	if (prefix.length > 0) /* all of them are no restriction */
		list[(*count)++] = prefix;
	return true;
}

static bool take_source(struct reader *reader, const char *text)
{
	return add_prefix(reader->rule.sources, &reader->rule.source_count, text);
}

static bool take_destination(struct reader *reader, const char *text)
{
	return add_prefix(reader->rule.destinations, &reader->rule.destination_count, text);
}

static bool take_port(struct reader *reader, const char *text)
{
	struct rule *rule = &reader->rule;

	if (!import_port_range(text, &rule->ports[rule->port_count]))
		return false;
	rule->port_count++;
	return true;
}

/* Room for all entries of "a,b,c" that are read. */
static void *alloc_entries(struct reader *reader, const char *text, size_t size)
{
	unsigned count = 1;

	for (; *text && count < LIST_MAX; text++)
		count += *text == ',';
	return import_alloc(reader->import, count * size);
}

static void read_prefixes(struct reader *reader, const char *text, struct prefix **list,
			  bool (*take)(struct reader *reader, const char *entry))
{
	*list = alloc_entries(reader, text, sizeof(**list));
	if (*list && !each_entry(reader, text, take))
		problem(reader, import_printf(reader->import,
					      "%.100s is no address; names are not looked up here", text));
}

static void read_ports(struct reader *reader, const char *text, bool negated)
{
	struct rule *rule = &reader->rule;

	rule->port_count = 0;
	rule->ports = alloc_entries(reader, text, sizeof(*rule->ports));
	if (rule->ports && !each_entry(reader, text, take_port))
		problem(reader, import_printf(reader->import, "%.100s are no ports", text));
	if (negated)
		problem(reader, "no forward is for all ports but some");
}

static void read_protocol(struct reader *reader, const char *text, bool negated)
{
	int number = protocol_parse(text);

	if (strcmp(text, "all") == 0 || strcmp(text, "0") == 0)
		number = 0;
	if (strcmp(text, "icmpv6") == 0 || strcmp(text, "ipv6-icmp") == 0)
		number = 58;
	if (number < 0)
		problem(reader, import_printf(reader->import, "the protocol %.50s is not known here", text));
	else if (negated)
		problem(reader, "nothing here is for all protocols but one");
	else
		reader->rule.protocol = (uint8_t)number;
}

/* NEW is what forwards are about anyway, and DNAT what hairpin is. */
static void read_states(struct reader *reader, const char *text, bool negated)
{
	bool fresh = strstr(text, "NEW") || strstr(text, "DNAT");

	if (negated || (!fresh && !strstr(text, "ESTABLISHED") && !strstr(text, "RELATED")))
		problem(reader, import_printf(reader->import, "the state %.50s is not asked for here", text));
	else if (!fresh)
		reader->rule.answers = true;
}

static bool read_mark(const char *text, uint32_t *ret_mark)
{
	char *end;
	unsigned long mark, mask = 0xffffffff;

	errno = 0;
	mark = strtoul(text, &end, 0);
	if (end == text || errno || mark > 0xffffffff)
		return false;
	if (*end == '/') {
		text = end + 1;
		mask = strtoul(text, &end, 0);
		if (end == text || errno || mask > 0xffffffff)
			return false;
	}
	if (*end)
		return false;
	*ret_mark = (uint32_t)(mark & mask);
	return true;
}

/* "192.168.0.2", "192.168.0.2:80", "192.168.0.2:8000-8100", "192.168.0.2:9000-9100/8000", "[2001:db8::2]:80", ":80". */
static bool read_target_address(struct reader *reader, const char *text)
{
	struct rule *rule = &reader->rule;
	const char *address = text[0] == '[' ? text + 1 : text;
	const char *end = text[0] == '[' ? strchr(text, ']') : NULL, *colon = strchr(text, ':'), *slash;
	struct port_range base = { 0, 0 };

	if (end)
		colon = end + 1;
	else if (!colon || strchr(colon + 1, ':')) /* IPv6 without brackets has no ports */
		colon = end = text + strlen(text);
	else
		end = colon;
	if (end < address ||
	    ip_parse(import_strndup(reader->import, address, (size_t)(end - address)), &rule->address) < 0)
		return false;
	if (*colon != ':')
		return !*colon;
	slash = strchr(colon, '/');
	if (!import_port_range(import_strndup(reader->import, colon + 1, strcspn(colon + 1, "/")),
			       &rule->to_ports))
		return false;
	if (slash && (!import_port_range(slash + 1, &base) || base.first != base.last))
		return false;
	rule->to_base = base.first;
	return true;
}

/* --- targets --- */

static const struct {
	const char *name;
	enum rule_target target;
} targets[] = {
	{ "DNAT", TARGET_DNAT },         { "SNAT", TARGET_SNAT },     { "MASQUERADE", TARGET_MASQUERADE },
	{ "REDIRECT", TARGET_REDIRECT }, { "ACCEPT", TARGET_ACCEPT }, { "RETURN", TARGET_RETURN },
	{ "DROP", TARGET_DROP },         { "REJECT", TARGET_DROP },   { "LOG", TARGET_LOG },
	{ "NFLOG", TARGET_LOG },
};

static void read_jump(struct rule *rule, const char *name)
{
	rule->target_name = name;
	rule->target = TARGET_OTHER;
	for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (strcmp(targets[i].name, name) == 0)
			rule->target = targets[i].target;
}

static void read_to(struct reader *reader, enum option_id id, const char *text)
{
	struct rule *rule = &reader->rule;

	if (id == OPT_TO)
		id = rule->target == TARGET_REDIRECT ? OPT_TO_PORTS : OPT_TO_DESTINATION;
	if (id == OPT_TO_PORTS ? import_port_range(text, &rule->to_ports) : read_target_address(reader, text))
		return;
	problem(reader, import_printf(reader->import, "%.100s is not one address%s", text,
				      id == OPT_TO_PORTS ? "" : " with or without ports"));
}

/* --- options --- */

static const struct option *find_letter(char letter)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if (options[i].letter == letter)
			return &options[i];
	return NULL;
}

/* By its name, or by the beginning of one, as getopt_long(3) has it; of several only if they mean the same. */
static const struct option *find_name(const char *name, size_t length)
{
	const struct option *found = NULL;
	bool several = false;

	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		if (strncmp(options[i].name, name, length) != 0)
			continue;
		if (strlen(options[i].name) == length)
			return &options[i];
		several |= found && found->id != options[i].id;
		found = &options[i];
	}
	return several ? NULL : found;
}

static const char *take_word(struct reader *reader)
{
	return reader->at < reader->command->count ? reader->command->words[reader->at++] : NULL;
}

static void take_condition(struct reader *reader, const struct option *option, const char *value,
			   bool negated)
{
	struct rule *rule = &reader->rule;

	switch (option->id) {
	case OPT_PROTOCOL:
		read_protocol(reader, value, negated);
		break;
	case OPT_SOURCE:
		rule->sources_not = negated;
		rule->source_count = 0;
		read_prefixes(reader, value, &rule->sources, take_source);
		break;
	case OPT_DESTINATION:
		rule->destinations_not = negated;
		rule->destination_count = 0;
		read_prefixes(reader, value, &rule->destinations, take_destination);
		break;
	case OPT_IN:
		rule->in = value;
		rule->in_not = negated;
		break;
	case OPT_OUT:
		rule->out = value;
		rule->out_not = negated;
		break;
	case OPT_PORTS:
		read_ports(reader, value, negated);
		break;
	case OPT_STATE:
	case OPT_STATUS:
		read_states(reader, value, negated);
		break;
	case OPT_MARK_MATCH:
		rule->marked = read_mark(value, &rule->with_mark) && !negated;
		rule->has_mark = negated && rule->with_mark == 0;
		if (!rule->marked)
			problem(reader, "marks other than one number are not asked for here");
		break;
	case OPT_DESTINATION_TYPE:
		rule->to_local = strcmp(value, "LOCAL") == 0 && !negated;
		rule->not_local = strcmp(value, "LOCAL") == 0 && negated;
		if (!rule->to_local && !rule->not_local)
			problem(reader, "the type of the destination is not asked for here");
		break;
	default:
		problem(reader,
			import_printf(reader->import, "no object here has the condition --%s", option->name));
		break;
	}
}

static void take_option(struct reader *reader, const struct option *option, const char *value, bool negated)
{
	struct rule *rule = &reader->rule;

	switch (option->id) {
	case OPT_TABLE:
		rule->table = value;
		break;
	case OPT_APPEND:
	case OPT_INSERT:
	case OPT_DELETE:
		rule->chain = value;
		rule->inserted = option->id == OPT_INSERT;
		rule->deletes = option->id == OPT_DELETE;
		break;
	case OPT_CHAIN_WORK:
		reader->chain_work = true;
		break;
	case OPT_POLICY:
		reader->policy_chain = value;
		reader->policy = reader->command->words[reader->at - 1];
		break;
	case OPT_LIST:
		reader->lists = true;
		break;
	case OPT_JUMP:
		read_jump(rule, value);
		break;
	case OPT_COMMENT:
		rule->comment = value;
		break;
	case OPT_WEEKDAYS:
		reader->weekdays = value;
		if (negated || strspn(value, "0123456789") > 0)
			problem(reader, "weekdays are asked for by their names here, and not by others");
		break;
	case OPT_TIME_START:
		reader->time_start = value;
		break;
	case OPT_TIME_STOP:
		reader->time_stop = value;
		break;
	case OPT_DATE_STOP:
		if (strcmp(value, "2038-01-19T03:14:07") != 0) /* which iptables-save has for no end */
			rule->until = import_printf(reader->import, "%.19sZ", value);
		break;
	case OPT_LOCAL_TIME:
		reader->local_time = true;
		break;
	case OPT_TO_DESTINATION:
	case OPT_TO_SOURCE:
	case OPT_TO_PORTS:
	case OPT_TO:
		read_to(reader, option->id, value);
		break;
	case OPT_SET_MARK:
		if (rule->target == TARGET_OTHER)
			rule->target = TARGET_SET_MARK;
		if (!read_mark(value, &rule->mark))
			problem(reader, import_printf(reader->import, "%.50s is no mark", value));
		break;
	case OPT_COPY_MARK:
		rule->target = TARGET_COPY_MARK;
		break;
	case OPT_MATCH: /* its options say what it is about */
	case OPT_NOTHING:
	case OPT_OF_TARGET:
		break;
	case OPT_WAIT:
		if (reader->at < reader->command->count &&
		    strspn(reader->command->words[reader->at], "0123456789.") > 0)
			reader->at++;
		break;
	default:
		take_condition(reader, option, value, negated);
		break;
	}
}

/* The option at the word, with what is glued to it: "-ptcp", "--dport=80". */
static const struct option *find_option(const char *word, const char **ret_glued)
{
	const struct option *option;
	size_t length;

	*ret_glued = NULL;
	if (word[1] != '-') {
		option = find_letter(word[1]);
		if (option && word[2] && option->arguments > 0)
			*ret_glued = word + 2;
		return word[2] && !*ret_glued ? NULL : option;
	}
	length = strcspn(word + 2, "=");
	if (word[2 + length])
		*ret_glued = word + 2 + length + 1;
	return length > 0 ? find_name(word + 2, length) : NULL;
}

/* Matches without options of their own narrow a rule as well. */
static void check_match(struct reader *reader, const char *name)
{
	static const char *const known[] = {
		"tcp",     "udp",  "sctp",     "dccp",     "udplite", "multiport", "state", "conntrack",
		"comment", "mark", "connmark", "addrtype", "icmp",    "icmp6",     "time",  NULL,
	};

	if (strcmp(name, "statistic") == 0)
		problem(reader, "uplinks share new connections by their tiers and weights, not by rules");
	else if (!text_is_one_of(name, known))
		problem(reader,
			import_printf(reader->import, "no object here has the condition -m %.50s", name));
}

static void read_word(struct reader *reader, const char *word, bool *negate)
{
	const char *glued, *value = word; /* of an option without one nobody asks */
	const struct option *option = word[0] == '-' && word[1] ? find_option(word, &glued) : NULL;
	bool negated = *negate;

	*negate = false;
	if (!option) {
		problem(reader, import_printf(reader->import, "%.50s is not known here", word));
		while (word[0] == '-' && reader->at < reader->command->count &&
		       reader->command->words[reader->at][0] != '-' &&
		       strcmp(reader->command->words[reader->at], "!") != 0)
			reader->at++;
		return;
	}
	for (unsigned i = 0; i < option->arguments; i++) {
		const char *argument = glued && i == 0 ? glued : take_word(reader);

		if (argument && i == 0 && strcmp(argument, "!") == 0) { /* as it was written before 1.4.3 */
			negated = true;
			argument = take_word(reader);
		}
		if (!argument) {
			problem(reader, import_printf(reader->import, "%.50s has nothing behind it", word));
			return;
		}
		if (i == 0)
			value = argument;
	}
	if (option->id == OPT_MATCH)
		check_match(reader, value);
	take_option(reader, option, value, negated);
}

/* -m time, in the words of a schedule. Without --kerneltz its hours are UTC. */
static void read_hours(struct reader *reader)
{
	const char *start = reader->time_start ? reader->time_start : "00:00";
	const char *stop = reader->time_stop ? reader->time_stop : "24:00";
	bool hours = reader->weekdays || reader->time_start || reader->time_stop;

	if (hours && !reader->local_time)
		problem(reader, "schedules here are in local time, and these hours are not (--kerneltz)");
	if (hours && reader->rule.until)
		problem(reader, "the end of its date would be in local time, which is not known here");
	if (strncmp(stop, "23:59:59", 8) == 0)
		stop = "24:00";
	if (hours)
		reader->rule.hours = import_printf(reader->import, "%.64s %.5s-%.5s",
						   reader->weekdays ? reader->weekdays : "daily", start,
						   stop);
}

/* --- the whole line --- */

static bool drops_forwards(const struct reader *reader)
{
	return reader->policy && strcmp(reader->policy_chain, "FORWARD") == 0 &&
	       strcmp(reader->policy, "DROP") == 0;
}

static void tell_other(struct reader *reader)
{
	struct import *import = reader->import;
	int statement = reader->rule.statement;
	bool drops = reader->policy && strcmp(reader->policy, "DROP") == 0;

	if (drops_forwards(reader))
		statement_covered(import, statement,
				  "nothing comes in from an uplink but what a forward lets in");
	else if (reader->policy && drops)
		statement_refuse(import, statement,
				 "what reaches the router itself is left to your firewall");
	else if (reader->policy || reader->chain_work)
		statement_covered(import, statement, "what is imported begins with nothing");
	else
		statement_refuse(import, statement, "it adds no rule");
}

/* What `iptables -S` prints does not say of which table it is; but that is plain of most. */
static const char *table_of(const struct rule *rule)
{
	if (rule->target == TARGET_SET_MARK || rule->target == TARGET_COPY_MARK)
		return "mangle";
	return strcmp(rule->chain, "PREROUTING") == 0 || strcmp(rule->chain, "POSTROUTING") == 0 ||
			       rule->target == TARGET_DNAT || rule->target == TARGET_SNAT ||
			       rule->target == TARGET_MASQUERADE || rule->target == TARGET_REDIRECT ?
		       "nat" :
		       "filter";
}

bool rule_read(struct import *import, const struct command *command, unsigned first, const char *table,
	       uint8_t family, struct rule *ret_rule)
{
	struct reader reader = {
		.import = import,
		.command = command,
		.at = first,
		.rule = { .statement = command->statement, .table = table, .family = family },
	};
	bool negate = false;

	while (reader.at < command->count) {
		const char *word = command->words[reader.at++];

		if (strcmp(word, "!") == 0)
			negate = true;
		else if (word[0] != '-' && reader.rule.chain && !reader.rule.target_name &&
			 strspn(word, "0123456789") == strlen(word))
			continue; /* the place of an inserted or deleted rule */
		else if (word[0] != '-' && reader.chain_work)
			continue;
		else
			read_word(&reader, word, &negate);
	}
	read_hours(&reader);
	if (!reader.rule.chain || reader.lists) {
		tell_other(&reader);
		ret_rule->target = drops_forwards(&reader) ? TARGET_DROP : TARGET_NONE;
		return false;
	}
	if (!reader.rule.table)
		reader.rule.table = table_of(&reader.rule);
	*ret_rule = reader.rule;
	return !import->failed;
}

bool rule_device_matches(const char *pattern, const char *device)
{
	size_t length = strlen(pattern);

	if (length > 0 && pattern[length - 1] == '+')
		return strncmp(pattern, device, length - 1) == 0;
	return strcmp(pattern, device) == 0;
}
