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
#include "model/choice.h"
#include "model/kstate.h"

/* Both tuples of a conntrack entry, ports in host order (0 where the protocol has none). */
struct flow {
	uint8_t protocol;
	struct ip source, destination; /* original direction */
	uint16_t source_port, destination_port;
	struct ip reply_source, reply_destination; /* reply direction */
	uint16_t reply_source_port, reply_destination_port;
	uint32_t mark;
	bool source_nat, destination_nat; /* IPS_SRC_NAT, IPS_DST_NAT */
	bool replied;                     /* IPS_SEEN_REPLY */
	bool expected;                    /* IPS_EXPECTED: part of another connection, such as data of FTP */
	bool offloaded;                   /* IPS_OFFLOAD: its packets do not pass our chains */
};

/* What becomes of a connection-tracking entry. */
enum flow_fate {
	FLOW_STAYS,
	FLOW_IS_DELETED, /* the next packet of the connection begins anew */
	FLOW_ENDS,       /* the entry is marked, and the table ends the connection */
};

/*
 * An entry that contradicts the desired state is
 *  - if it is to an uplink's address and a forwarded port, but not translated, so that it shadows the forward: deleted;
 *  - deleted if it is marked with an uplink that is gone, or that no longer has the address which the flow uses;
 *  - deleted if it was begun from inside over an uplink that has failed, and there is another: its next packet is given that.
 *    What came in by a failed uplink stays: it can go nowhere else, and goes on if the uplink does;
 *  - ended if it was let in by us, and nothing lets it in any more. Without its entry the backend's next packet
 *    would make one the other way round, and the connection would go on;
 *  - if it was let in, and would now go elsewhere: ended for TCP, and deleted where no backend has answered yet.
 * Where datagrams would now go elsewhere, of both kinds, their entry is first ended, then deleted: an answer on its way at
 * that moment would make an entry of its own, and keep the client where it was. While it has ended, none is on its way.
 * One that has ended stays so for TCP, where it is in no new connection's way, and for datagrams that nobody takes. What
 * no uplink mark of ours and no forward concerns always stays, and so does what belongs to another connection.
 */
enum flow_fate flow_fate(const struct config *config, const struct links *links, const struct ways *ways,
			 const struct kstate *desired, const struct flow *flow);

#endif
