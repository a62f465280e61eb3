-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- History, trial, tokens.

-- What a list of revisions tells stands before the changes, which may be long and then need not be read. A
-- summary is {"changes": [{"kind", "id", "name", "what"}], "more"}; NULL where an earlier version wrote none.
CREATE TABLE revision_2 (
	number  INTEGER PRIMARY KEY CHECK (number > 0),
	at      INTEGER NOT NULL, -- seconds since the epoch
	author  TEXT    NOT NULL,
	reason  TEXT    NOT NULL,
	size    INTEGER NOT NULL, -- of changes, in bytes
	summary TEXT    CHECK (summary LIKE '{%}'),
	changes TEXT    NOT NULL CHECK (changes LIKE '[%]') -- [{"kind", "id", "name", "before", "after"}]
) STRICT;
INSERT INTO revision_2 (number, at, author, reason, size, summary, changes)
	SELECT number, at, author, reason, length(CAST(changes AS BLOB)), NULL, changes FROM revision;
DROP TABLE revision;
ALTER TABLE revision_2 RENAME TO revision;

-- While a trial runs: the revision that comes back unless the newest one is confirmed.
CREATE TABLE trial (
	id        INTEGER PRIMARY KEY CHECK (id = 1), -- there is one row, or none
	confirmed INTEGER NOT NULL CHECK (confirmed >= 0)
) STRICT;

-- Who may use the API by `Authorization: Bearer`. The secret is random, so one round of SHA-256 is enough.
CREATE TABLE token (
	id      INTEGER PRIMARY KEY CHECK (id > 0),
	name    TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
	role    TEXT    NOT NULL CHECK (role IN ('admin', 'viewer')),
	hash    TEXT    NOT NULL CHECK (length(hash) = 64), -- of the secret, in hexadecimal
	made_at INTEGER NOT NULL -- seconds since the epoch
) STRICT;
