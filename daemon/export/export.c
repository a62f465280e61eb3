/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "export/export.h"

#include <errno.h>
#include <string.h>

#include "export/private.h"

static const char *const format_names[EXPORT_FORMATS] = {
	[EXPORT_NFT] = "nft",
	[EXPORT_IPTABLES] = "iptables",
	[EXPORT_UCI] = "uci",
};

enum export_format export_format_parse(const char *name)
{
	enum export_format format = 0;

	while (format < EXPORT_FORMATS && strcmp(name, format_names[format]) != 0)
		format++;
	return format;
}

void export_quote(struct buf *buf, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.,:/@";

	if (*text && strspn(text, plain) == strlen(text)) {
		buf_puts(buf, text);
		return;
	}
	buf_puts(buf, "'");
	for (; *text; text++) {
		if (*text == '\'')
			buf_puts(buf, "'\\''");
		else
			buf_add(buf, text, 1);
	}
	buf_puts(buf, "'");
}

void export_comment(struct buf *buf, const char *text)
{
	for (; *text; text++)
		buf_add(buf, *text == '\n' ? " " : text, 1);
}

void export_routing(struct writer *writer, const char *before)
{
	const struct kstate *state = writer->state;

	/* -e: those of net.bridge are not there without the module. */
	for (unsigned i = 0; i < state->sysctl_count; i++) {
		buf_printf(writer->text, "%ssysctl -eqw ", before);
		export_quote(writer->text, state->sysctls[i].path);
		buf_printf(writer->text, "=%d\n", state->sysctls[i].value);
	}
	for (unsigned i = 0; i < state->route_count; i++) {
		buf_printf(writer->text, "%sip%s route replace ", before,
			   state->routes[i].family == AF_INET6 ? " -6" : "");
		kroute_print(&state->routes[i], writer->text);
		buf_puts(writer->text, "\n");
	}
	for (unsigned i = 0; i < state->rule_count; i++) {
		buf_printf(writer->text, "%sip%s rule add ", before,
			   state->rules[i].family == AF_INET6 ? " -6" : "");
		kiprule_print(&state->rules[i], writer->text);
		buf_puts(writer->text, "\n");
	}
}

static bool has_hours(const struct forward *forward)
{
	return forward->expires_at || forward->schedule.count > 0;
}

/* The maps of our table know no hours: what is open for now would be open for good. */
static struct config *without_hours(const struct config *config)
{
	const struct object_list *forwards = &config->lists[KIND_FORWARD];
	struct config *copy = config_copy(config);

	for (unsigned i = forwards->count; copy && i-- > 0;) /* from the end, so that little is moved */
		if (has_hours((const struct forward *)forwards->items[i]))
			(void)config_remove(copy, KIND_FORWARD, forwards->items[i]->id);
	return copy;
}

static void write_nft_losses(struct writer *writer)
{
	const struct object_list *forwards = &writer->source->config->lists[KIND_FORWARD];

	buf_puts(writer->text,
		 "# not expressed: what comes later: other addresses, and uplinks that fail or come back\n");
	if (!filter_is_ours(writer->source->config, writer->source->environment))
		buf_printf(
			writer->text,
			"# not expressed: that the other firewall lets in what has the connection mark 0x%08x/0x%08x\n",
			MARK_LET_IN, MARK_LET_IN);
	for (unsigned i = 0; i < forwards->count; i++) {
		const struct forward *forward = (const struct forward *)forwards->items[i];

		if (!forward->enabled || !has_hours(forward))
			continue;
		buf_puts(writer->text, "# not expressed: because of its hours, or when it expires: ");
		export_comment(writer->text, forward->object.name);
		buf_puts(writer->text, "\n");
	}
}

static void export_nft(struct writer *writer)
{
	struct buf *text = writer->text, state;
	const char *end;

	buf_puts(text, "#!/usr/sbin/nft -f\n# ");
	export_comment(text, writer->source->title);
	buf_puts(text, "\n");
	write_nft_losses(writer);
	buf_puts(text, "\n");
	buf_init(&state, EXPORT_TEXT_MAX);
	kstate_print(writer->state, &state);
	end = strstr(buf_text(&state), "\n}\n"); /* what follows is printed below, as commands */
	end = end ? end + strlen("\n}\n") : buf_text(&state);
	buf_add(text, buf_text(&state), (size_t)(end - buf_text(&state)));
	buf_puts(text, "\n# And what nft does not do:\n");
	export_routing(writer, "# ");
	if (state.failed)
		text->failed = true;
	buf_done(&state);
}

int export_write(enum export_format format, const struct export_source *source, struct buf *text)
{
	struct writer writer = { .source = source, .text = text };
	struct config *config = format == EXPORT_NFT ? without_hours(source->config) :
						       config_ref((struct config *)source->config);
	struct kstate state;
	int r = config ? compile(config, source->links, source->environment, &state) : -ENOMEM;

	config_unref(config);
	if (r < 0)
		return r;
	writer.state = &state;
	switch (format) {
	case EXPORT_NFT:
		export_nft(&writer);
		break;
	case EXPORT_IPTABLES:
		export_iptables(&writer);
		break;
	case EXPORT_UCI:
		export_uci(&writer);
		break;
	case EXPORT_FORMATS:
		break;
	}
	kstate_done(&state);
	return text->failed ? -ENOMEM : 0;
}
