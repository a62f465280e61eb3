/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel says "No such file or directory" of an expression or chain type whose module is missing, and
 * names neither. Which module is in which package: include/netfilter.mk of OpenWrt.
 */
#include "kernel/explain.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CORE "kmod-nft-core" /* also all of meta, ct, payload, limit, counter, reject, and sets */

static const char *package_of_field(enum kfield field)
{
	return field == KFIELD_FIB_SADDR_TYPE || field == KFIELD_FIB_DADDR_TYPE ? "kmod-nft-fib" : CORE;
}

static const char *package_of_stmt(enum kstmt_type type)
{
	switch (type) {
	case KSTMT_DNAT_MAP:
	case KSTMT_DNAT:
	case KSTMT_SNAT:
	case KSTMT_SNAT_ORIGINAL:
	case KSTMT_MASQUERADE:
	case KSTMT_REDIRECT:
		return "kmod-nft-nat";
	case KSTMT_LOG:
		return "kmod-nf-log";
	default:
		return CORE;
	}
}

/* There are three beside the core, which is named only if none of them is needed. */
enum { PACKAGES_MAX = 3 };

struct packages {
	unsigned count;
	const char *names[PACKAGES_MAX];
};

static void add(struct packages *packages, const char *name)
{
	for (unsigned i = 0; i < packages->count; i++)
		if (strcmp(packages->names[i], name) == 0)
			return;
	if (packages->count < PACKAGES_MAX && strcmp(name, CORE) != 0)
		packages->names[packages->count++] = name;
}

static void add_of_rule(struct packages *packages, const struct krule *rule)
{
	for (unsigned i = 0; i < rule->count; i++) {
		const struct kstmt *stmt = &rule->stmts[i];

		add(packages, package_of_stmt(stmt->type));
		for (unsigned j = 0; j < stmt->field_count; j++)
			add(packages, package_of_field(stmt->fields[j]));
	}
}

static void explain_nft(const struct step *step, const struct krule *rule, int error, struct buf *buf)
{
	struct packages packages = { 0 };

	if (error == -EPERM || error == -EBUSY) {
		buf_puts(
			buf,
			" (another program may hold the table, as its owner: `nft list table inet " KTABLE_NAME
			"` shows its flags)");
		return;
	}
	if (error != -ENOENT && error != -EOPNOTSUPP && error != -EAFNOSUPPORT)
		return;
	if (rule)
		add_of_rule(&packages, rule);
	else if (step->type == STEP_CHAIN_ADD && step->chain->hook != KHOOK_NONE &&
		 step->chain->type == KCHAIN_NAT)
		add(&packages, "kmod-nft-nat");
	else if (step->type != STEP_TABLE_ADD && step->type != STEP_CHAIN_ADD && step->type != STEP_SET_ADD)
		return;
	buf_puts(buf, " (a module may be missing; on OpenWrt: ");
	for (unsigned i = 0; i < packages.count; i++)
		buf_printf(buf, "%s%s", i ? ", " : "", packages.names[i]);
	buf_puts(buf, packages.count ? ")" : CORE ")");
}

void explain_refusal(const struct step *step, const struct krule *rule, int error, struct buf *buf)
{
	bool unknown = error == -EOPNOTSUPP || error == -EAFNOSUPPORT;

	if (step_is_nft(step))
		explain_nft(step, rule, error, buf);
	else if (step->type == STEP_IPRULE_ADD && unknown)
		buf_printf(buf, " (the kernel lacks %s, which no package adds)",
			   step->rule->family == AF_INET6 ? "IPv6 or CONFIG_IPV6_MULTIPLE_TABLES" :
							    "CONFIG_IP_MULTIPLE_TABLES");
	else if (step->type == STEP_ROUTE_SET && unknown)
		buf_puts(buf, " (the kernel lacks IPv6, or it is switched off)");
	else if (step->type == STEP_SYSCTL && (error == -EACCES || error == -EPERM || error == -EROFS))
		buf_puts(
			buf,
			" (/proc/sys is read-only here: set it where the system keeps its sysctls, and switch "
			"off manage_sysctls in the settings)");
}
