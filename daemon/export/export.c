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

	for (unsigned i = 0; i < state->sysctl_count; i++) {
		buf_printf(writer->text, "%ssysctl -qw ", before);
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

static void export_nft(struct writer *writer)
{
	struct buf *text = writer->text, state;
	const char *end;

	buf_puts(text, "#!/usr/sbin/nft -f\n# ");
	export_comment(text, writer->source->title);
	buf_puts(text, "\n\n");
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
	struct kstate state;
	int r = compile(source->config, source->links, source->environment, &state);

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
