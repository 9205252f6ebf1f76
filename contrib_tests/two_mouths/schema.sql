CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN shortname AS text CHECK (length(VALUE) < 100);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE item (
	id int PRIMARY KEY, kind int NOT NULL, price float8, cost numeric(12,2), name text, code char(6),
	label varchar(20), made date, changed timestamp, seen timestamptz, at_time time, pause interval,
	tags text[], nums int[], doc jsonb, uid uuid, raw bytea, ok bool, small smallint, big bigint,
	feeling mood, place point, weight real, owner oid, nick shortname, "Odd Name" int, both_of pair);
INSERT INTO item SELECT g, g % 50, (g % 997) / 7.0, (g % 1000) / 8.0, 'item ' || g, 'c' || g % 90,
	'label ' || g % 20, date '2020-01-01' + g % 700, timestamp '2020-01-01' + g * interval '1 hour',
	timestamptz '2020-01-01 00:00+00' + g * interval '1 minute', time '00:00' + g * interval '1 minute',
	g % 30 * interval '1 day', ARRAY['t' || g % 7, 'u' || g % 11], ARRAY[g % 5, g % 9],
	jsonb_build_object('k', g % 5, 'n', jsonb_build_object('m', g % 3)),
	md5(g::text)::uuid, decode(lpad(to_hex(g), 8, '0'), 'hex'), g % 3 = 0, g % 100, g * 100000000000,
	(ARRAY['sad', 'ok', 'happy'])[1 + g % 3]::mood, point(g % 100, g % 77), g % 13 / 4.0, 10 + g % 3,
	'nick ' || g % 10, g % 8, ROW(g % 4, 'b' || g % 4)::pair
	FROM generate_series(1, 8000) g;
CREATE INDEX item_kind ON item (kind);
CREATE INDEX item_kind_price ON item (kind, price);
CREATE INDEX item_name ON item (name);
CREATE INDEX item_lower ON item (lower(name));
CREATE INDEX item_made ON item (made);
CREATE INDEX item_code ON item USING hash (code);
CREATE INDEX item_tags ON item USING gin (tags);
CREATE INDEX item_place ON item USING gist (place);
CREATE INDEX item_changed ON item USING brin (changed);
CREATE INDEX item_cheap ON item (price) WHERE price < 10;
CREATE TABLE sale (id int PRIMARY KEY, item int, amount int, day date, note text);
INSERT INTO sale SELECT g, 1 + g * 7919 % 8000, g % 13, date '2020-01-01' + g % 400, 'note ' || g % 100
	FROM generate_series(1, 24000) g;
CREATE INDEX sale_item ON sale (item);
CREATE INDEX sale_day ON sale (day);
CREATE TABLE measure (day date NOT NULL, sensor int, value float8) PARTITION BY RANGE (day);
CREATE TABLE measure_1 PARTITION OF measure FOR VALUES FROM ('2020-01-01') TO ('2020-04-01');
CREATE TABLE measure_2 PARTITION OF measure FOR VALUES FROM ('2020-04-01') TO ('2020-07-01');
CREATE TABLE measure_3 PARTITION OF measure FOR VALUES FROM ('2020-07-01') TO ('2021-01-01');
INSERT INTO measure SELECT date '2020-01-01' + g % 360, g % 20, g FROM generate_series(1, 9000) g;
CREATE INDEX measure_day ON measure (day);
CREATE TABLE tree (id int PRIMARY KEY, parent int, title text);
INSERT INTO tree SELECT g, g / 3, 'node ' || g FROM generate_series(1, 1000) g;
CREATE TABLE stock (item int PRIMARY KEY, quantity int, changes int DEFAULT 0);
INSERT INTO stock SELECT g, g % 40 FROM generate_series(1, 1000) g;
CREATE TABLE audit (item int, quantity int);
CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO audit VALUES (NEW.item, NEW.quantity); RETURN NEW; END';
CREATE TRIGGER stock_audit AFTER UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION keep_audit();
CREATE TABLE bill (id int PRIMARY KEY, stock int REFERENCES stock (item));
CREATE VIEW dear_item AS SELECT id AS number, name AS title, price FROM item WHERE price > 100;
CREATE FUNCTION twice(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 * 2; END';
CREATE FUNCTION steady(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN $1 * 2; END';
CREATE FUNCTION rows_of(int) RETURNS TABLE (a int, b text) LANGUAGE plpgsql STABLE ROWS 10 AS
	'BEGIN RETURN QUERY SELECT g, ''x'' || g FROM generate_series(1, $1) g; END';
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE STATISTICS item_kinds (dependencies) ON kind, small FROM item;
ALTER TABLE item RENAME COLUMN label TO title;
VACUUM ANALYZE;
CREATE EXTENSION postgres_fdw;
