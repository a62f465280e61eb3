-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Who kept what was on trial: all of the revisions from `first` to `last`. A table of its own, because a revision may be
-- long, and to change one is to write it anew.

CREATE TABLE confirmation (
	last   INTEGER PRIMARY KEY REFERENCES revision (number) ON DELETE CASCADE,
	first  INTEGER NOT NULL CHECK (first BETWEEN 1 AND last),
	at     INTEGER NOT NULL, -- seconds since the epoch
	author TEXT    NOT NULL
) STRICT;
