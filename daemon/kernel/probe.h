/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_PROBE_H
#define PORTICO_KERNEL_PROBE_H

/*
 * Probes of an uplink: an ICMP echo request, a TCP connection, or a DNS query. They leave by its device
 * (SO_BINDTODEVICE) along its routing table (SO_MARK), whatever the main table says, and from its address.
 * Needs CAP_NET_ADMIN and CAP_NET_RAW.
 *
 * What has happened to a probe is only ever told by its answer: who sent it decides how long to wait for that. An
 * answer is what comes from the target itself and repeats what was sent to it; a TCP connection that is made, but
 * not one that is refused; a DNS response with whatever error in it.
 */

#include "base/ip.h"
#include "base/loop.h"
#include "model/config.h"

/* Of one prober. For a probe beyond that the oldest without an answer is forgotten. */
enum {
	PROBE_OUTSTANDING_MAX = 256,     /* ICMP and DNS, by one socket a family */
	PROBE_SOCKETS_MAX = 32,          /* TCP, each by a socket of its own */
	PROBE_CONNECTION_MAX_MS = 10000, /* TCP: after so long it is forgotten in any case */
};

/* Where probes go out. When the mark or an address is another one, it is another prober. */
struct probe_path {
	enum health_method method;
	char device[16];
	uint32_t mark;
	struct ip source4, source6; /* AF_UNSPEC: whichever the kernel takes */
};

struct prober;

/*
 * `token` is what the probe was sent with, `latency_us` at least 1. Called from the loop, never from within
 * prober_send(), and at most once for each probe, however late. May send probes and free the prober.
 */
typedef void probe_answer_fn(void *arg, uint32_t token, uint32_t latency_us);

/*
 * Opens nothing yet: sockets are opened when they are needed, and others when the device is another one of that
 * name. 0 or -ENOMEM.
 */
int prober_new(struct loop *loop, const struct probe_path *path, probe_answer_fn *answered, void *arg,
	       struct prober **ret_prober);
void prober_free(struct prober *prober); /* takes NULL */

/*
 * 0 once it is on its way. -ENODEV, -EADDRNOTAVAIL (the source), -ENETUNREACH, -ENETDOWN and the like: it cannot be
 * sent now, which is as good as no answer. -EINVAL: there can be no such target.
 */
int prober_send(struct prober *prober, const struct probe_target *target, uint32_t token);

#endif
