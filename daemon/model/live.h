/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_LIVE_H
#define PORTICO_MODEL_LIVE_H

/*
 * What configured objects amount to on the devices that are there now: the compiler acts on it,
 * and the API shows it, so that both say the same.
 */

#include <sys/socket.h>

#include "model/config.h"
#include "model/links.h"

/* What an uplink's probes, and its past, say of it while its link is up. */
enum fitness {
	FITNESS_GOOD,     /* they pass, or there are none */
	FITNESS_UNTESTED, /* nothing has answered since it came up, but it is too early to say more */
	FITNESS_HELD,     /* it would be good, but has failed too often lately */
	FITNESS_SILENT,   /* too few targets answer */
	FITNESS_LOSSY,    /* more loss than max_loss_percent */
	FITNESS_SLOW,     /* more latency than max_latency_ms */
};

/* What matters beside configuration and links. */
struct environment {
	int64_t now;          /* seconds since the epoch, for expires_at */
	unsigned week_minute; /* since Monday 00:00, local time, for schedules */
	bool fw4;             /* OpenWrt's firewall has its table in the kernel */
	unsigned admin_port_count;
	uint16_t admin_ports[8];          /* where the admin page listens */
	uint8_t fitness[UPLINKS_MAX + 1]; /* enum fitness, by uplink id */
};

/*
 * The mark: bits 24..29 the uplink's number, bit 30 "it must end", bit 31 "let in by us". The middle two are looked
 * at and set as one.
 */
#define MARK_LET_IN      0x80000000u
#define MARK_UPLINK_MASK 0x7f000000u
#define MARK_UPLINK(id)  ((uint32_t)(id) << 24)
#define MARK_ENDED       0x40000000u
/* Of a packet, never of a connection: no uplink, it is unreachable. */
#define MARK_NOWHERE MARK_ENDED

/* An uplink as it stands: what state in the API shows and compile() acts on. */
struct uplink_live {
	const struct uplink *uplink;
	const struct link *link;      /* NULL: the device is not there */
	bool linked;                  /* enabled, device there and up, has an address */
	bool up;                      /* and fit, as far as its probes and its past say */
	bool spare;                   /* linked and not up, but nothing says that it would not work */
	const char *why_down;         /* NULL when up; else a message key such as "device-missing" */
	struct ip gateway4, gateway6; /* AF_UNSPEC: none (yet) */
	bool routed4, routed6;        /* its table has a default route */
	uint32_t mark, table;
};

/* Never fails; a disabled or absent uplink is described as such. */
void uplink_resolve(const struct config *config, const struct uplink *uplink, const struct links *links,
		    const struct environment *environment, struct uplink_live *ret_live);

/* True if the uplink's table has a default route of the family. */
static inline bool uplink_routes(const struct uplink_live *live, uint8_t family)
{
	return family == AF_INET6 ? live->routed6 : live->routed4;
}

/* True for the addresses of a device that forwards listen on: global or private, but not link-local. */
bool uplink_address_counts(const struct link_address *address);

/*
 * Where the forward leads now: one address, or for a host suffix one for each fitting prefix of its
 * network's devices (at most BACKENDS_MAX; the first is the one to translate to, deprecated ones are
 * last). Returns how many.
 */
enum { BACKENDS_MAX = 8 };
unsigned forward_backends(const struct config *config, const struct forward *forward,
			  const struct links *links, struct ip ret_backends[BACKENDS_MAX]);

/* True unless the forward is switched off, has expired or is outside its schedule. */
bool forward_in_force(const struct forward *forward, const struct environment *environment);
/* True if an enabled uplink's address is one that the forward answers on: of its family, not link-local. */
bool forward_listens_on(const struct forward *forward, const struct link_address *address);

/* Whether, and why not, the forward can carry packets now (see "state" in the API). */
struct forward_live {
	bool live;
	/* NULL when live; else "disabled", "expired", "scheduled", "no-prefix", "uplink-unknown" or "uplink-down" */
	const char *why_not;
};
void forward_resolve(const struct config *config, const struct forward *forward, const struct links *links,
		     const struct environment *environment, struct forward_live *ret_live);

/* Whether our own forward filter is in force (else another firewall's is, with our include). */
bool filter_is_ours(const struct config *config, const struct environment *environment);

#endif
