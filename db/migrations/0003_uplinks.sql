-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Uplinks that are chosen: IPv6 prefixes and what becomes of foreign ones, how long a source sticks, uplinks
-- out of service, the last resort; policies. A health check has a window, read as its default where it is absent.

ALTER TABLE settings ADD COLUMN last_resort TEXT NOT NULL DEFAULT 'main'
	CHECK (last_resort IN ('main', 'unreachable'));

ALTER TABLE uplinks ADD COLUMN source_nat6 TEXT NOT NULL DEFAULT 'none'
	CHECK (source_nat6 IN ('none', 'prefix', 'masquerade'));
ALTER TABLE uplinks ADD COLUMN prefixes TEXT NOT NULL DEFAULT '[]' CHECK (prefixes LIKE '[%]');
ALTER TABLE uplinks ADD COLUMN sticky_timeout_s INTEGER NOT NULL DEFAULT 600 CHECK (sticky_timeout_s > 0);
ALTER TABLE uplinks ADD COLUMN out_of_service INTEGER NOT NULL DEFAULT 0 CHECK (out_of_service IN (0, 1));

-- Which uplinks some of the new connections from inside may use.
CREATE TABLE policies (
	id           INTEGER PRIMARY KEY CHECK (id > 0),
	name         TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
	enabled      INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	position     INTEGER NOT NULL CHECK (position > 0), -- the lowest is asked first
	sources      TEXT    NOT NULL CHECK (sources LIKE '[%]'),      -- prefixes; [] is everyone
	destinations TEXT    NOT NULL CHECK (destinations LIKE '[%]'), -- prefixes; [] is everywhere
	protocol     TEXT, -- NULL: any
	ports        TEXT, -- '80,443,8000-8100', or NULL: all
	uplinks      TEXT    NOT NULL CHECK (uplinks LIKE '[%]'), -- names, in order of preference
	otherwise    TEXT    NOT NULL CHECK (otherwise IN ('any', 'unreachable'))
) STRICT;

-- What /proc/sys had before we changed it, to be given back by --flush. Of one boot and network namespace:
-- another one's rows mean nothing.
CREATE TABLE sysctl_before (
	place TEXT NOT NULL, -- the boot's id and the namespace's number
	path  TEXT NOT NULL,
	value INTEGER NOT NULL,
	PRIMARY KEY (place, path)
) STRICT, WITHOUT ROWID;
