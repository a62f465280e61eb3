-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A database of version 4 as its daemon left it when it was killed amid a trial (`.dump` of sqlite3), for the test of
-- migrations. Never to be changed.
PRAGMA application_id = 1349804911;
PRAGMA user_version = 4;
BEGIN TRANSACTION;
CREATE TABLE settings (
	id                   INTEGER PRIMARY KEY CHECK (id = 1), -- there is one row
	firewall             TEXT    NOT NULL CHECK (firewall IN ('auto', 'own', 'beside')),
	manage_sysctls       INTEGER NOT NULL CHECK (manage_sysctls IN (0, 1)),
	admin_from_uplinks   INTEGER NOT NULL CHECK (admin_from_uplinks IN (0, 1)),
	history_length       INTEGER NOT NULL CHECK (history_length BETWEEN 10 AND 10000),
	language             TEXT    NOT NULL CHECK (language IN ('en', 'zh')),
	route_table_base     INTEGER NOT NULL CHECK (route_table_base >= 256),
	rule_preference_base INTEGER NOT NULL CHECK (rule_preference_base BETWEEN 1 AND 31766)
, last_resort TEXT NOT NULL DEFAULT 'main'
	CHECK (last_resort IN ('main', 'unreachable'))) STRICT;
INSERT INTO settings VALUES(1,'auto',1,0,10,'en',20000,5000,'main');
CREATE TABLE networks (
	id             INTEGER PRIMARY KEY CHECK (id > 0),
	name           TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
	devices        TEXT    NOT NULL CHECK (devices LIKE '[%]'),  -- ["br-lan"]
	prefixes       TEXT    NOT NULL CHECK (prefixes LIKE '[%]'), -- ["10.8.0.0/24"], beside the devices' own
	hairpin        TEXT    NOT NULL CHECK (hairpin IN ('on', 'off')),
	hairpin_source TEXT    NOT NULL CHECK (hairpin_source IN ('router', 'external'))
) STRICT;
INSERT INTO networks VALUES(1,'lan','["br-lan"]','[]','on','router');
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
, source_nat6 TEXT NOT NULL DEFAULT 'none'
	CHECK (source_nat6 IN ('none', 'prefix', 'masquerade')), prefixes TEXT NOT NULL DEFAULT '[]' CHECK (prefixes LIKE '[%]'), sticky_timeout_s INTEGER NOT NULL DEFAULT 600 CHECK (sticky_timeout_s > 0), out_of_service INTEGER NOT NULL DEFAULT 0 CHECK (out_of_service IN (0, 1))) STRICT;
INSERT INTO uplinks VALUES(1,'isp1',1,'eth0','auto','masquerade',1,1,0,NULL,'none','[]',600,0);
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
, internal_network TEXT, pinhole INTEGER NOT NULL DEFAULT 0 CHECK (pinhole IN (0, 1)), schedule TEXT, log INTEGER NOT NULL DEFAULT 0 CHECK (log IN (0, 1))) STRICT;
INSERT INTO forwards VALUES(1,'web',1,'ipv4','["tcp"]','[]','82','192.168.0.2',NULL,'[]',1,'client','on trial',NULL,NULL,0,NULL,0);
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
CREATE TABLE source_nats (
	id      INTEGER PRIMARY KEY CHECK (id > 0),
	name    TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
	enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	sources TEXT    NOT NULL CHECK (sources LIKE '[%]'), -- prefixes
	uplink  TEXT    NOT NULL, -- an uplink's name
	address TEXT    NOT NULL
) STRICT;
CREATE TABLE secret (
	name  TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
	value TEXT NOT NULL CHECK (length(value) <= 1024)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE sysctl_before (
	place TEXT NOT NULL, -- the boot's id and the namespace's number
	path  TEXT NOT NULL,
	value INTEGER NOT NULL,
	PRIMARY KEY (place, path)
) STRICT, WITHOUT ROWID;
INSERT INTO sysctl_before VALUES('00000000-0000-0000-0000-000000000000 4026537243','net/ipv4/ip_forward',0);
CREATE TABLE IF NOT EXISTS "revision" (
	number  INTEGER PRIMARY KEY CHECK (number > 0),
	at      INTEGER NOT NULL, -- seconds since the epoch
	author  TEXT    NOT NULL,
	reason  TEXT    NOT NULL,
	size    INTEGER NOT NULL, -- of changes, in bytes
	summary TEXT    CHECK (summary LIKE '{%}'),
	changes TEXT    NOT NULL CHECK (changes LIKE '[%]') -- [{"kind", "id", "name", "before", "after"}]
) STRICT;
INSERT INTO revision VALUES(1,1795751186,'root','PUT /api/v1/config',1238,'{"changes":[{"kind":"settings","id":1,"name":null,"what":"changed"},{"kind":"network","id":1,"name":"lan","what":"added"},{"kind":"uplink","id":1,"name":"isp1","what":"added"},{"kind":"forward","id":1,"name":"web","what":"added"}],"more":0}','[{"kind":"settings","id":1,"name":null,"before":{"firewall":"auto","manage_sysctls":true,"admin_from_uplinks":false,"history_length":200,"language":"en","last_resort":"main","route_table_base":20000,"rule_preference_base":5000},"after":{"firewall":"auto","manage_sysctls":true,"admin_from_uplinks":false,"history_length":10,"language":"en","last_resort":"main","route_table_base":20000,"rule_preference_base":5000}},{"kind":"network","id":1,"name":"lan","before":null,"after":{"id":1,"name":"lan","devices":["br-lan"],"prefixes":[],"hairpin":"on","hairpin_source":"router"}},{"kind":"uplink","id":1,"name":"isp1","before":null,"after":{"id":1,"name":"isp1","enabled":true,"device":"eth0","gateway":"auto","source_nat":"masquerade","source_nat6":"none","prefixes":[],"weight":1,"tier":1,"sticky":false,"sticky_timeout_s":600,"out_of_service":false,"health":null}},{"kind":"forward","id":1,"name":"web","before":null,"after":{"id":1,"name":"web","enabled":true,"family":"ipv4","protocols":["tcp"],"uplinks":[],"external_ports":"80","internal_address":"192.168.0.2","internal_network":null,"pinhole":false,"internal_ports":null,"sources":[],"hairpin":true,"backend_sees":"client","comment":"","expires_at":null,"schedule":null,"log":false}}]');
INSERT INTO revision VALUES(2,1795751186,'root','PATCH /api/v1/forwards/1',685,'{"changes":[{"kind":"forward","id":1,"name":"web","what":"changed"}],"more":0}','[{"kind":"forward","id":1,"name":"web","before":{"id":1,"name":"web","enabled":true,"family":"ipv4","protocols":["tcp"],"uplinks":[],"external_ports":"80","internal_address":"192.168.0.2","internal_network":null,"pinhole":false,"internal_ports":null,"sources":[],"hairpin":true,"backend_sees":"client","comment":"","expires_at":null,"schedule":null,"log":false},"after":{"id":1,"name":"web","enabled":true,"family":"ipv4","protocols":["tcp"],"uplinks":[],"external_ports":"81","internal_address":"192.168.0.2","internal_network":null,"pinhole":false,"internal_ports":null,"sources":[],"hairpin":true,"backend_sees":"client","comment":"","expires_at":null,"schedule":null,"log":false}}]');
INSERT INTO revision VALUES(3,1795751186,'root','PATCH /api/v1/forwards/1',685,'{"changes":[{"kind":"forward","id":1,"name":"web","what":"changed"}],"more":0}','[{"kind":"forward","id":1,"name":"web","before":{"id":1,"name":"web","enabled":true,"family":"ipv4","protocols":["tcp"],"uplinks":[],"external_ports":"81","internal_address":"192.168.0.2","internal_network":null,"pinhole":false,"internal_ports":null,"sources":[],"hairpin":true,"backend_sees":"client","comment":"","expires_at":null,"schedule":null,"log":false},"after":{"id":1,"name":"web","enabled":true,"family":"ipv4","protocols":["tcp"],"uplinks":[],"external_ports":"82","internal_address":"192.168.0.2","internal_network":null,"pinhole":false,"internal_ports":null,"sources":[],"hairpin":true,"backend_sees":"client","comment":"","expires_at":null,"schedule":null,"log":false}}]');
INSERT INTO revision VALUES(4,1795751186,'root','PATCH /api/v1/forwards/1',693,'{"changes":[{"kind":"forward","id":1,"name":"web","what":"changed"}],"more":0}','[{"kind":"forward","id":1,"name":"web","before":{"id":1,"name":"web","enabled":true,"family":"ipv4","protocols":["tcp"],"uplinks":[],"external_ports":"82","internal_address":"192.168.0.2","internal_network":null,"pinhole":false,"internal_ports":null,"sources":[],"hairpin":true,"backend_sees":"client","comment":"","expires_at":null,"schedule":null,"log":false},"after":{"id":1,"name":"web","enabled":true,"family":"ipv4","protocols":["tcp"],"uplinks":[],"external_ports":"82","internal_address":"192.168.0.2","internal_network":null,"pinhole":false,"internal_ports":null,"sources":[],"hairpin":true,"backend_sees":"client","comment":"on trial","expires_at":null,"schedule":null,"log":false}}]');
CREATE TABLE trial (
	id        INTEGER PRIMARY KEY CHECK (id = 1), -- there is one row, or none
	confirmed INTEGER NOT NULL CHECK (confirmed >= 0)
) STRICT;
INSERT INTO trial VALUES(1,2);
CREATE TABLE token (
	id      INTEGER PRIMARY KEY CHECK (id > 0),
	name    TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
	role    TEXT    NOT NULL CHECK (role IN ('admin', 'viewer')),
	hash    TEXT    NOT NULL CHECK (length(hash) = 64), -- of the secret, in hexadecimal
	made_at INTEGER NOT NULL -- seconds since the epoch
) STRICT;
INSERT INTO token VALUES(1,'prometheus','viewer','139e65b3443074af3fdc1620cb92ca246c1caa1e8dc32c6fa97d1035fee8b951',1795751186);
COMMIT;
