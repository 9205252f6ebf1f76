-- Tables whose plans have 10 and 50 nodes, a workload to train on, and what the measurements need.
SET client_min_messages = warning;
CREATE EXTENSION predictor;
SET predictor.enabled = off;
CREATE TABLE customer (id int PRIMARY KEY, region int, name text);
CREATE TABLE item (id int PRIMARY KEY, kind int, price float8);
CREATE TABLE sale (id int PRIMARY KEY, customer int, item int, amount int);
INSERT INTO customer SELECT g, g % 20, 'customer ' || g FROM generate_series(1, 2000) g;
INSERT INTO item SELECT g, g % 50, g % 997 FROM generate_series(1, 20000) g;
INSERT INTO sale SELECT g, 1 + g * 31 % 2000, 1 + g * 7919 % 20000, g % 13 FROM generate_series(1, 40000) g;
CREATE INDEX ON sale (customer);
CREATE INDEX ON sale (item);
VACUUM ANALYZE;

CREATE FUNCTION of_10 (p int) RETURNS text IMMUTABLE LANGUAGE sql AS $$
	SELECT format('SELECT i.kind, sum(s.amount) FROM sale s JOIN item i ON i.id = s.item JOIN customer c ON c.id = s.customer'
		' WHERE i.kind < %s AND c.region = %s GROUP BY 1 ORDER BY 2 DESC LIMIT 5', 8 + p % 40, p % 20)
$$;
CREATE FUNCTION of_50 (p int) RETURNS text IMMUTABLE LANGUAGE sql AS $$
	SELECT 'SELECT count(*) FROM (' || string_agg(format('SELECT s.amount FROM sale s JOIN item i ON i.id = s.item WHERE s.customer = %s AND i.kind < %s',
		p * 7 % 2000 + g, 10 + g), ' UNION ALL ') || format(' UNION ALL SELECT kind FROM item WHERE id = %s) x LIMIT 1', p)
	FROM generate_series(1, 9) g
$$;
CREATE TABLE workload AS
	SELECT statement || ';' AS statement FROM generate_series(1, 60) g,
		LATERAL (VALUES (of_10(g)), (of_50(g)), (format('SELECT kind FROM item WHERE id = %s', g * 97)),
			(format('SELECT sum(amount) FROM sale WHERE customer = %s', g))) v (statement);
SELECT predictor.create_model('bench');

CREATE TABLE measured (metric text, round int, value float8);
-- CPU time of this backend, in ns; the system brings it up to date when a process sleeps
CREATE FUNCTION cpu_ns() RETURNS float8 LANGUAGE sql AS $$
	SELECT pg_sleep(0.0001);
	SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8
$$;
CREATE FUNCTION private_kb() RETURNS float8 LANGUAGE sql AS $$
	SELECT substring(pg_read_file('/proc/self/smaps_rollup') FROM 'Private_Dirty: *(\d+)')::float8
$$;
