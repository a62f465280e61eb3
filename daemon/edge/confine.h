/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_EDGE_CONFINE_H
#define PORTICO_EDGE_CONFINE_H

/* What the edge's processes give up before they do anything else. */

/* Closes every descriptor above 2 that is not in `keep` (sorted here). Negative errno. */
int confine_descriptors(int *keep, unsigned count);

/*
 * Becomes the user portico-edge (or nobody) without groups and capabilities, for good:
 * no core dumps, no ptrace, no new privileges by exec. Started by an ordinary
 * user it stays that user. Negative errno; then the process must end.
 */
int confine_process(void);

/*
 * Ends the process when its parent does; -ESRCH if `parent` is gone already. To be called after
 * confine_process(): a change of user undoes it.
 */
int confine_to_parent(int parent);

#endif
