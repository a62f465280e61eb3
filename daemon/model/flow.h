/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_FLOW_H
#define PORTICO_MODEL_FLOW_H

/*
 * Which connections may stay. Pure: a connection-tracking entry is held
 * against the desired state, so the answer needs no memory of what changed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "model/kstate.h"
#include "model/live.h"

/* Both tuples of a conntrack entry, ports in host order (0 where the protocol has none). */
struct flow {
	uint8_t protocol;
	struct ip source, destination; /* original direction */
	uint16_t source_port, destination_port;
	struct ip reply_source, reply_destination; /* reply direction */
	uint16_t reply_source_port, reply_destination_port;
	uint32_t mark;
	bool source_nat, destination_nat; /* IPS_SRC_NAT, IPS_DST_NAT */
};

/* What becomes of a connection-tracking entry. */
enum flow_fate {
	FLOW_STAYS,
	FLOW_IS_DELETED, /* the next packet of the connection begins anew */
	FLOW_ENDS,       /* it is marked, and the table ends the connection */
};

/*
 * An entry goes if it contradicts the desired state:
 *  - let in by us, but the forward now in force translates it otherwise, or none does;
 *  - to an uplink's address and a forwarded port, but not translated (it shadows the forward), or
 *    the same the other way round;
 *  - marked with an uplink that is gone, or that no longer has the address which the flow uses.
 * What no uplink mark of ours and no forward concerns always stays.
 */
enum flow_fate flow_fate(const struct config *config, const struct links *links, const struct kstate *desired,
			 const struct flow *flow);

#endif
