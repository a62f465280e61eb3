-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- What a forward learned: weekly hours, a log of its connections, pinholes, and backends given
-- as a host suffix, which follows the prefixes of a network. Its internal_address may now read '::1:2:3:4/-64'.

ALTER TABLE forwards ADD COLUMN internal_network TEXT; -- a network's name, or NULL: any
ALTER TABLE forwards ADD COLUMN pinhole INTEGER NOT NULL DEFAULT 0 CHECK (pinhole IN (0, 1));
ALTER TABLE forwards ADD COLUMN schedule TEXT; -- 'mon-fri 08:00-22:00', or NULL: always
ALTER TABLE forwards ADD COLUMN log INTEGER NOT NULL DEFAULT 0 CHECK (log IN (0, 1));

-- Numbers above 63 have no place in marks any more: an uplink that has one gets the lowest free one,
-- if possible one that no revision knows of another uplink, since removed: that one may come back by its number.
UPDATE uplinks SET id = (
	WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 63)
	SELECT n FROM numbers WHERE n < uplinks.id AND n NOT IN (SELECT id FROM uplinks)
	ORDER BY EXISTS (SELECT * FROM revision WHERE changes LIKE '%"kind":"uplink","id":' || n || ',%'), n
	LIMIT 1
) WHERE id > 63;
