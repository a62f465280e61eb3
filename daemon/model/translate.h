/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_TRANSLATE_H
#define PORTICO_MODEL_TRANSLATE_H

/*
 * Where a new connection would go by the desired state: the nat chains that compile() makes, walked here.
 * Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "model/kstate.h"
#include "model/live.h"

/* What the answer depends on. */
struct arrival {
	uint8_t protocol;
	struct ip source, destination;
	uint16_t port;   /* of the destination, host order; 0 where the protocol has none */
	uint32_t uplink; /* number of the uplink that it came by; 0: none, it is from inside */
};

struct destination {
	const struct forward *forward;
	struct ip address;
	uint16_t port; /* 0 where the protocol has none */
};

/* False, and *ret_destination untouched, if no forward takes it. */
bool translate(const struct config *config, const struct links *links, const struct kstate *desired,
	       const struct arrival *arrival, struct destination *ret_destination);

/* The uplink in use that has the address (the first, if several have); NULL: none. */
const struct uplink *uplink_with_address(const struct config *config, const struct links *links,
					 const struct ip *address);

#endif
