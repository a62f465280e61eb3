-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A database of version 1 as its daemon left it (`.dump` of sqlite3), for the test of migrations. Never to be changed.
PRAGMA application_id = 1349804911;
PRAGMA user_version = 1;
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
) STRICT;
INSERT INTO settings VALUES(1,'auto',1,0,200,'zh',20000,5000);
CREATE TABLE networks (
	id             INTEGER PRIMARY KEY CHECK (id > 0),
	name           TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
	devices        TEXT    NOT NULL CHECK (devices LIKE '[%]'),  -- ["br-lan"]
	prefixes       TEXT    NOT NULL CHECK (prefixes LIKE '[%]'), -- ["10.8.0.0/24"], beside the devices' own
	hairpin        TEXT    NOT NULL CHECK (hairpin IN ('on', 'off')),
	hairpin_source TEXT    NOT NULL CHECK (hairpin_source IN ('router', 'external'))
) STRICT;
INSERT INTO networks VALUES(1,'lan','["br-lan"]','["10.8.0.0/24"]','on','router');
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
INSERT INTO uplinks VALUES(1,'isp1',1,'eth0','auto','masquerade',1,1,0,NULL);
INSERT INTO uplinks VALUES(100,'isp3',1,'eth2','auto','masquerade',1,1,0,NULL);
INSERT INTO uplinks VALUES(127,'isp2',0,'ppp0',NULL,'masquerade',1,127,0,NULL);
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
INSERT INTO forwards VALUES(1,'web',1,'ipv4','["tcp","udp"]','["isp1"]','80,8000-8100','192.168.1.2','80,9000-9100','[]',1,'client','a "note"','2100-01-31T12:00:00Z');
INSERT INTO forwards VALUES(2,'v6 tunnel',0,'ipv6','["gre"]','[]',NULL,'2001:db8:5::2',NULL,'["2001:db8:9::/48"]',0,'router','',NULL);
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
INSERT INTO redirects VALUES(1,'proxy',1,'lan','tcp',80,8888,'[]');
CREATE TABLE source_nats (
	id      INTEGER PRIMARY KEY CHECK (id > 0),
	name    TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
	enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	sources TEXT    NOT NULL CHECK (sources LIKE '[%]'), -- prefixes
	uplink  TEXT    NOT NULL, -- an uplink's name
	address TEXT    NOT NULL
) STRICT;
INSERT INTO source_nats VALUES(1,'vpn',1,'["10.8.0.0/24"]','isp2','192.0.2.9');
CREATE TABLE revision (
	number  INTEGER PRIMARY KEY CHECK (number > 0),
	at      INTEGER NOT NULL, -- seconds since the epoch
	author  TEXT    NOT NULL,
	reason  TEXT    NOT NULL,
	changes TEXT    NOT NULL CHECK (changes LIKE '[%]') -- [{"kind", "id", "name", "before", "after"}]
) STRICT;
INSERT INTO revision VALUES(7,1795253996,'root','POST /api/v1/source-nats','[{"kind":"source_nat","id":1,"name":"vpn","before":null,"after":{"id":1,"name":"vpn","enabled":true,"sources":["10.8.0.0/24"],"uplink":"isp2","address":"192.0.2.9"}}]');
INSERT INTO revision VALUES(8,1795253996,'root','PATCH /api/v1/settings','[{"kind":"settings","id":1,"name":null,"before":{"firewall":"auto","manage_sysctls":true,"admin_from_uplinks":false,"history_length":200,"language":"en","route_table_base":20000,"rule_preference_base":5000},"after":{"firewall":"auto","manage_sysctls":true,"admin_from_uplinks":false,"history_length":200,"language":"zh","route_table_base":20000,"rule_preference_base":5000}}]');
CREATE TABLE secret (
	name  TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
	value TEXT NOT NULL CHECK (length(value) <= 1024)
) STRICT, WITHOUT ROWID;
INSERT INTO secret VALUES('password','a hash');
COMMIT;
