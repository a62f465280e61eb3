/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_PROBE_H
#define PORTICO_KERNEL_PROBE_H

/*
 * Probes of an uplink: ICMP echo (RFC 792, RFC 4443), a TCP connection, a DNS query (RFC 1035). They leave by its
 * device whatever the routing says (SO_BINDTODEVICE, SO_MARK), from its address. Needs CAP_NET_ADMIN and CAP_NET_RAW.
 */

#include "base/ip.h"
#include "base/loop.h"
#include "model/config.h"

enum {
	PROBE_OUTSTANDING_MAX =
		256, /* of one prober, answered late at best; the oldest is forgotten for a new one */
	PROBE_SOCKETS_MAX =
		32, /* of one prober: TCP connections that are being made at the same time, or 2 otherwise */
};

struct probe_path {
	enum health_method method;
	char device[16];
	uint32_t mark;
	struct ip source4, source6; /* AF_UNSPEC: whichever the kernel takes */
};

struct prober;

/* `token` is what the probe was sent with. Called from the loop, once for each probe at most, however late. */
typedef void probe_answer_fn(void *arg, uint32_t token, uint32_t latency_us);

/* Sockets are opened when they are first needed, and again after a failure. 0 or -ENOMEM. */
int prober_new(struct loop *loop, const struct probe_path *path, probe_answer_fn *answered, void *arg,
	       struct prober **ret_prober);
void prober_free(struct prober *prober); /* takes NULL; also from within `answered` */

/*
 * 0 once it is on its way. -ENETUNREACH, -ENETDOWN and the like: it cannot be sent now, which is as good as
 * no answer.
 */
int prober_send(struct prober *prober, const struct probe_target *target, uint32_t token);

#endif
