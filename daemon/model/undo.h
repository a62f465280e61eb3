/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_MODEL_UNDO_H
#define PORTICO_MODEL_UNDO_H

/*
 * Former configurations: the present one with the changes of the newest revisions undone. What an object was is
 * what the oldest of its changes found, so the changes are only gathered at first, and objects made at the end.
 */

#include "model/config.h"

struct undo {
	json_t *objects[KIND_COUNT]; /* by id, as they were; null: not there yet */
};

/* 0 or -ENOMEM. */
int undo_init(struct undo *undo);
void undo_done(struct undo *undo);

/*
 * The changes of one revision, as changes_to_json() gave them; the newest comes first. -EBADMSG: they are none.
 * -ERANGE: of an uplink with a number that none can have any more; migration 0002 gave it another.
 */
int undo_add(struct undo *undo, const json_t *changes);

/*
 * The configuration of before; not config_check()ed. -EINVAL: an object of it is not valid any more, and `err` names
 * it. The two share what is the same in both.
 */
int undo_apply(const struct undo *undo, const struct config *present, struct config **ret_former,
	       struct err *err);

#endif
