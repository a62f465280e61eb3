-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- The database of Portico, version 1. Later versions come from the numbered
-- files in migrations/, applied in order to this one; a new database goes the
-- same way, so that there is only one.
--
-- One table for each kind of object, one column for each field, both named as
-- in the API. Addresses, prefixes, ports and times are text as people write
-- them; lists and nested objects are JSON. What a column means, which values it
-- takes and its default stand in daemon/model/schema.c: rows are read through
-- the same checks as a request. The CHECKs here are for a second opinion, and for
-- people who open the file with sqlite3. They do not call json_valid(): the daemon
-- opens the file with TRUSTED_SCHEMA off, and SQLite 3.40 counts that
-- function among those that a schema is not trusted with.
--
-- References from one object to another are names, and many of them stand in
-- lists, so they are no foreign keys: the configuration is checked as a whole
-- before it is written and after it is read.

CREATE TABLE settings (
	id                   INTEGER PRIMARY KEY CHECK (id = 1), -- there is one row
	firewall             TEXT    NOT NULL CHECK (firewall IN ('auto', 'own', 'beside')),
	manage_sysctls       INTEGER NOT NULL CHECK (manage_sysctls IN (0, 1)),
	admin_from_uplinks   INTEGER NOT NULL CHECK (admin_from_uplinks IN (0, 1)),
	history_length       INTEGER NOT NULL CHECK (history_length BETWEEN 10 AND 10000),
	language             TEXT    NOT NULL CHECK (language IN ('en', 'zh')),
	route_table_base     INTEGER NOT NULL CHECK (route_table_base >= 256),
	rule_preference_base INTEGER NOT NULL CHECK (rule_preference_base BETWEEN 1 AND 31766)
) STRICT;

-- LAN sides.
CREATE TABLE networks (
	id             INTEGER PRIMARY KEY CHECK (id > 0),
	name           TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
	devices        TEXT    NOT NULL CHECK (devices LIKE '[%]'),  -- ["br-lan"]
	prefixes       TEXT    NOT NULL CHECK (prefixes LIKE '[%]'), -- ["10.8.0.0/24"], beside the devices' own
	hairpin        TEXT    NOT NULL CHECK (hairpin IN ('on', 'off')),
	hairpin_source TEXT    NOT NULL CHECK (hairpin_source IN ('router', 'external'))
) STRICT;

-- Ways to the internet. The id is the uplink's number in marks and routing tables.
CREATE TABLE uplinks (
	id         INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 127),
	name       TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
	enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	device     TEXT    NOT NULL CHECK (length(device) BETWEEN 1 AND 15),
	gateway    TEXT,             -- 'auto', an address, or NULL on point-to-point links
	source_nat TEXT    NOT NULL, -- 'masquerade', an address, or 'none'
	weight     INTEGER NOT NULL CHECK (weight > 0),
	tier       INTEGER NOT NULL CHECK (tier > 0),
	sticky     INTEGER NOT NULL CHECK (sticky IN (0, 1)),
	health     TEXT CHECK (health LIKE '{%}') -- an object as in the API, or NULL: link state only
) STRICT;

CREATE TABLE forwards (
	id               INTEGER PRIMARY KEY CHECK (id > 0),
	name             TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
	enabled          INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	family           TEXT    NOT NULL CHECK (family IN ('ipv4', 'ipv6')),
	protocols        TEXT    NOT NULL CHECK (protocols LIKE '[%]'), -- ["tcp"]
	uplinks          TEXT    NOT NULL CHECK (uplinks LIKE '[%]'),   -- names; [] is all
	external_ports   TEXT,             -- '80,8000-8100', or NULL for protocols without ports
	internal_address TEXT    NOT NULL,
	internal_ports   TEXT,             -- NULL: the same ports
	sources          TEXT    NOT NULL CHECK (sources LIKE '[%]'),   -- prefixes; [] is everyone
	hairpin          INTEGER NOT NULL CHECK (hairpin IN (0, 1)),
	backend_sees     TEXT    NOT NULL CHECK (backend_sees IN ('client', 'router')),
	comment          TEXT    NOT NULL,
	expires_at       TEXT              -- '2026-01-31T12:00:00Z', or NULL: never
) STRICT;

-- Transparent proxies.
CREATE TABLE redirects (
	id       INTEGER PRIMARY KEY CHECK (id > 0),
	name     TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
	enabled  INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	network  TEXT    NOT NULL, -- a network's name
	protocol TEXT    NOT NULL CHECK (protocol IN ('tcp', 'udp')),
	port     INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
	to_port  INTEGER NOT NULL CHECK (to_port BETWEEN 1 AND 65535),
	"except" TEXT    NOT NULL CHECK ("except" LIKE '[%]') -- prefixes
) STRICT;

-- Chosen source addresses for subnets.
CREATE TABLE source_nats (
	id      INTEGER PRIMARY KEY CHECK (id > 0),
	name    TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
	enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	sources TEXT    NOT NULL CHECK (sources LIKE '[%]'), -- prefixes
	uplink  TEXT    NOT NULL, -- an uplink's name
	address TEXT    NOT NULL
) STRICT;

-- One row for each committed change, the newest ones (settings.history_length).
CREATE TABLE revision (
	number  INTEGER PRIMARY KEY CHECK (number > 0),
	at      INTEGER NOT NULL, -- seconds since the epoch
	author  TEXT    NOT NULL,
	reason  TEXT    NOT NULL,
	changes TEXT    NOT NULL CHECK (changes LIKE '[%]') -- [{"kind", "id", "name", "before", "after"}]
) STRICT;

-- Small named values that are not configuration, such as the hash of the password.
CREATE TABLE secret (
	name  TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
	value TEXT NOT NULL CHECK (length(value) <= 1024)
) STRICT, WITHOUT ROWID;
