SELECT * FROM item
SELECT * FROM item WHERE id = 42
SELECT * FROM item WHERE id = -42
SELECT * FROM item WHERE id IN (1, 5, 9, 1000)
SELECT * FROM item WHERE id = ANY ('{3,4,NULL}')
SELECT * FROM item WHERE id <> ALL ('{3,4}')
SELECT * FROM item WHERE id BETWEEN 10 AND 20
SELECT * FROM item WHERE kind = 7
SELECT * FROM item WHERE kind = 7 AND price > 50.5
SELECT * FROM item WHERE kind = 7 OR kind = 9
SELECT * FROM item WHERE kind = 7 OR name = 'item 12'
SELECT * FROM item WHERE NOT (kind = 7 AND ok)
SELECT * FROM item WHERE kind + 1 = 8
SELECT * FROM item WHERE -kind = -8
SELECT * FROM item WHERE (kind + small) * 2 = small - 10
SELECT * FROM item WHERE kind + (small * 2) > 3
SELECT * FROM item WHERE price > 1e2
SELECT * FROM item WHERE price > -0.5
SELECT * FROM item WHERE price = 'NaN'
SELECT * FROM item WHERE price < 'Infinity' AND price > '-Infinity'
SELECT * FROM item WHERE cost = 5.50
SELECT * FROM item WHERE cost > 12345678901234567890.123456789
SELECT * FROM item WHERE cost < 0.00001
SELECT * FROM item WHERE cost = 100000
SELECT * FROM item WHERE cost = -100.25
SELECT * FROM item WHERE name = 'it''s "quoted" \ and long'
SELECT * FROM item WHERE name = 'item 7'
SELECT * FROM item WHERE name > 'item 5' AND name < 'item 6'
SELECT * FROM item WHERE name LIKE 'item 1%'
SELECT * FROM item WHERE name LIKE '%9_'
SELECT * FROM item WHERE name ILIKE 'ITEM 1%'
SELECT * FROM item WHERE name ~ '^item [0-9]$'
SELECT * FROM item WHERE name !~~ '%1%'
SELECT * FROM item WHERE lower(name) = 'item 9'
SELECT * FROM item WHERE upper(name) = 'ITEM 9'
SELECT * FROM item WHERE name || 'x' = 'item 1x'
SELECT * FROM item WHERE length(name) > 6
SELECT * FROM item WHERE substring(name FROM 1 FOR 4) = 'item'
SELECT * FROM item WHERE position('7' IN name) > 0
SELECT * FROM item WHERE trim(both 'i' from name) = 'tem 3'
SELECT * FROM item WHERE trim(name) = 'item 3'
SELECT * FROM item WHERE ltrim(name, 'i') = 'tem 3'
SELECT * FROM item WHERE overlay(name placing 'x' from 1 for 2) = 'xem 3'
SELECT * FROM item WHERE extract(year from made) = 2021
SELECT * FROM item WHERE date_trunc('month', changed) = timestamp '2020-02-01'
SELECT * FROM item WHERE code = 'c17'
SELECT * FROM item WHERE code = 'c17   '
SELECT * FROM item WHERE title = 'label 3'
SELECT * FROM item WHERE title IN ('label 1', 'label 2')
SELECT * FROM item WHERE title::text LIKE 'label%'
SELECT * FROM item WHERE made = date '2020-05-06'
SELECT * FROM item WHERE made > '2021-01-01' AND made <= '2021-02-03'
SELECT * FROM item WHERE made < 'infinity'
SELECT * FROM item WHERE made > '0044-03-15 BC'
SELECT * FROM item WHERE made = ANY (ARRAY[date '2020-01-02', date '2020-01-03'])
SELECT * FROM item WHERE made + 30 > date '2021-11-30'
SELECT * FROM item WHERE changed = timestamp '2020-02-03 04:00:00'
SELECT * FROM item WHERE changed BETWEEN '2020-02-03' AND '2020-02-03 12:34:56.789'
SELECT * FROM item WHERE seen > timestamptz '2020-01-03 10:00:00+02'
SELECT * FROM item WHERE seen AT TIME ZONE 'UTC' > timestamp '2020-01-03 10:00:00'
SELECT * FROM item WHERE seen < now()
SELECT * FROM item WHERE made < CURRENT_DATE AND seen < CURRENT_TIMESTAMP
SELECT * FROM item WHERE at_time > time '12:30'
SELECT * FROM item WHERE pause > interval '20 days'
SELECT * FROM item WHERE pause > interval '1 year 2 mons 3 days 04:05:06.7'
SELECT * FROM item WHERE pause > interval '-1 days -02:03:04'
SELECT * FROM item WHERE pause > interval '1 mon -1 days +00:00:01'
SELECT * FROM item WHERE (made, made + 10) OVERLAPS (date '2020-01-01', date '2020-02-01')
SELECT * FROM item WHERE tags @> '{t1}'
SELECT * FROM item WHERE tags && ARRAY['t1', 'u "2"', 'a,b', NULL]
SELECT * FROM item WHERE 't3' = ANY (tags)
SELECT * FROM item WHERE tags[1] = 't3'
SELECT * FROM item WHERE nums[1:1] = '{2}'
SELECT * FROM item WHERE nums = ARRAY[kind, 3]
SELECT * FROM item WHERE nums = ARRAY[small::int, kind]
SELECT * FROM item WHERE array_length(nums, 1) = 2
SELECT * FROM item WHERE doc ->> 'k' = '3'
SELECT * FROM item WHERE doc -> 'n' ->> 'm' = '1'
SELECT * FROM item WHERE uid = '45c48cce-2e2d-7fbd-ea1a-fc51c7c6ad26'
SELECT * FROM item WHERE raw = '\x00000010'
SELECT * FROM item WHERE ok
SELECT * FROM item WHERE NOT ok
SELECT * FROM item WHERE ok IS TRUE
SELECT * FROM item WHERE ok IS NOT FALSE
SELECT * FROM item WHERE ok IS UNKNOWN
SELECT * FROM item WHERE ok = (kind > 3)
SELECT * FROM item WHERE name IS NULL
SELECT * FROM item WHERE name IS NOT NULL AND kind IS NOT NULL
SELECT * FROM item WHERE name IS DISTINCT FROM 'item 3'
SELECT * FROM item WHERE nullif(kind, 3) = 4
SELECT * FROM item WHERE coalesce(price, 0) > 140
SELECT * FROM item WHERE greatest(kind, small, 10) = 60
SELECT * FROM item WHERE least(kind, 10) = 9
SELECT * FROM item WHERE CASE WHEN kind < 10 THEN 'a' WHEN kind < 20 THEN 'b' ELSE 'c' END = 'b'
SELECT * FROM item WHERE CASE kind WHEN 1 THEN ok WHEN 2 THEN false END
SELECT * FROM item WHERE small = 7::smallint
SELECT * FROM item WHERE small = 7
SELECT * FROM item WHERE big = 700000000000
SELECT * FROM item WHERE big > 5.5
SELECT * FROM item WHERE big::text = '700000000000'
SELECT * FROM item WHERE price::int = 5
SELECT * FROM item WHERE price::numeric(10,1) = 5.1
SELECT * FROM item WHERE feeling = 'happy'
SELECT * FROM item WHERE feeling IN ('happy', 'sad')
SELECT * FROM item WHERE feeling > 'sad'
SELECT * FROM item WHERE weight = 2.25
SELECT * FROM item WHERE weight > 0.1::real
SELECT * FROM item WHERE owner = 11
SELECT * FROM item WHERE nick = 'nick 3'
SELECT * FROM item WHERE "Odd Name" = 3
SELECT * FROM item WHERE (both_of).a = 3 AND (both_of).b = 'b3'
SELECT * FROM item WHERE (kind, small) < (3, 50)
SELECT * FROM item WHERE (kind, name) = (3, 'item 3')
SELECT * FROM item WHERE ROW(kind, small) IS NOT DISTINCT FROM ROW(3, 53::smallint)
SELECT * FROM item WHERE twice(kind) = 14 AND steady(kind) = 14
SELECT * FROM item WHERE kind = steady(3)
SELECT * FROM item WHERE name COLLATE "C" < 'item 2'
SELECT * FROM item WHERE price < 5
SELECT * FROM item WHERE false
SELECT * FROM item WHERE random() < 0.5
SELECT * FROM item WHERE ctid = '(0,1)'
SELECT * FROM item WHERE ctid IN ('(0,1)', '(1,2)', '(2,3)')
SELECT * FROM item WHERE ctid = '(0,1)' OR ctid = '(0,2)'
SELECT * FROM item WHERE ctid > '(10,0)' AND ctid < '(20,1)'
SELECT xmin, ctid, tableoid::regclass FROM item WHERE tableoid = 0 AND kind = 3
SELECT name AS n FROM item AS i (a, b, c) WHERE b = 3 AND a > 9
SELECT * FROM item ORDER BY place <-> point '(3,4)' LIMIT 5 -- differs in constants: geometric types
SELECT * FROM item ORDER BY name COLLATE "C" DESC NULLS LAST, kind
SELECT * FROM item ORDER BY kind, price LIMIT 20
SELECT * FROM item ORDER BY kind, name LIMIT 20
SELECT * FROM item ORDER BY kind DESC, price DESC LIMIT 3
SELECT * FROM item ORDER BY lower(title), id + 1
SELECT kind FROM item WHERE kind > 40 ORDER BY kind
SELECT id FROM item WHERE id < 100
SELECT lower(name) FROM item WHERE lower(name) LIKE 'item 7%'
SELECT count(*) FROM item
SELECT count(*), sum(price), avg(cost) FROM item WHERE kind > 5
SELECT kind, count(*) FROM item GROUP BY kind
SELECT kind, count(*) FROM item GROUP BY kind HAVING count(*) > 100 AND sum(price) > 3
SELECT kind, ok, count(DISTINCT small) FROM item GROUP BY kind, ok ORDER BY count(DISTINCT small) DESC
SELECT kind % 3 AS k, max(price) FROM item GROUP BY kind % 3 HAVING max(price) > 100
SELECT kind, string_agg(name, ',' ORDER BY name DESC) AS s FROM item GROUP BY kind HAVING string_agg(name, ',' ORDER BY name DESC) > 'a'
SELECT kind, percentile_cont(0.5) WITHIN GROUP (ORDER BY price) FROM item GROUP BY kind HAVING percentile_cont(0.5) WITHIN GROUP (ORDER BY price) > 3
SELECT kind, count(*) FILTER (WHERE price > 100) FROM item GROUP BY kind HAVING count(*) FILTER (WHERE price > 100) > 1
SELECT kind, ok, count(*) FROM item GROUP BY ROLLUP (kind, ok)
SELECT kind, ok, small, count(*) FROM item GROUP BY GROUPING SETS ((kind), (ok, small), ()) HAVING grouping(kind) = 0
SELECT kind, ok, count(*) FROM item GROUP BY CUBE (kind, ok) ORDER BY 1, 2
SELECT DISTINCT kind FROM item
SELECT DISTINCT ON (kind) kind, price FROM item ORDER BY kind, price DESC
SELECT DISTINCT kind, ok FROM item ORDER BY kind, ok
SELECT id, row_number() OVER (PARTITION BY kind ORDER BY price) FROM item
SELECT * FROM (SELECT id, kind, row_number() OVER (ORDER BY id) AS r FROM item) s WHERE r <= 10
SELECT * FROM (SELECT id, kind, rank() OVER (PARTITION BY kind ORDER BY price) AS r FROM item) s WHERE r < 3 AND kind < 5
SELECT * FROM (SELECT kind, sum(price) AS total FROM item GROUP BY kind OFFSET 0) s WHERE total > 10000
SELECT max(id), min(price) FROM item
SELECT * FROM item i JOIN sale s ON s.item = i.id WHERE i.kind = 3
SELECT * FROM item i JOIN sale s ON s.item = i.id AND s.amount > i.kind
SELECT * FROM item i LEFT JOIN sale s ON s.item = i.id AND s.day = '2020-03-04' WHERE s.id IS NULL OR i.ok
SELECT * FROM item i RIGHT JOIN sale s ON s.item = i.id + 1
SELECT * FROM item i FULL JOIN sale s ON s.item = i.id WHERE i.kind IS NULL OR s.amount = 3
SELECT * FROM item i WHERE EXISTS (SELECT 1 FROM sale s WHERE s.item = i.id AND s.amount = 5)
SELECT * FROM item i WHERE NOT EXISTS (SELECT 1 FROM sale s WHERE s.item = i.id AND s.amount > i.small)
SELECT * FROM item WHERE id IN (SELECT item FROM sale WHERE day = '2020-02-02')
SELECT * FROM item WHERE id NOT IN (SELECT item FROM sale WHERE amount = 5)
SELECT * FROM item WHERE kind > (SELECT avg(amount) FROM sale)
SELECT * FROM item i WHERE price > (SELECT avg(s.amount) FROM sale s WHERE s.item = i.id)
SELECT * FROM item i WHERE kind = 3 AND price > ALL (SELECT s.amount FROM sale s WHERE s.item = i.id)
SELECT * FROM item WHERE (kind, small) IN (SELECT amount, 53 FROM sale) OR ok
SELECT id, (SELECT count(*) FROM sale s WHERE s.item = i.id) FROM item i WHERE kind < 3
SELECT * FROM item WHERE id = (SELECT max(item) FROM sale) OR EXISTS (SELECT 1 FROM sale WHERE amount > 100)
SELECT * FROM item i, LATERAL (SELECT * FROM sale s WHERE s.item = i.id ORDER BY s.day LIMIT 2) l WHERE i.kind = 4
SELECT * FROM item i CROSS JOIN LATERAL generate_series(1, i.kind) g WHERE i.id < 20 AND g > 3
SELECT * FROM item i JOIN item j ON i.id = j.id + 1 JOIN sale s ON s.item = j.id AND s.note = i.name
SELECT i.kind, count(*) FROM item i JOIN sale s ON s.item = i.id GROUP BY i.kind ORDER BY count(*) DESC LIMIT 3
SELECT * FROM sale s JOIN item i USING (id) WHERE s.day < i.made
SELECT * FROM dear_item WHERE number < 1000 AND title > 'item 3'
SELECT * FROM dear_item d JOIN sale s ON s.item = d.number
WITH c AS MATERIALIZED (SELECT kind, sum(price) AS p FROM item GROUP BY kind) SELECT * FROM c WHERE p > 100 UNION ALL SELECT * FROM c WHERE p < 100
WITH c AS (SELECT * FROM item WHERE kind = 3) SELECT * FROM c WHERE price > 5
WITH RECURSIVE r AS (SELECT id, parent, 1 AS depth FROM tree WHERE id = 1 UNION ALL SELECT t.id, t.parent, r.depth + 1 FROM tree t JOIN r ON t.parent = r.id WHERE r.depth < 5) SELECT depth, count(*) FROM r GROUP BY depth
WITH RECURSIVE r (n) AS (VALUES (1) UNION SELECT n + 1 FROM r WHERE n < 100) SELECT sum(n) FROM r WHERE n % 2 = 0
SELECT id FROM item WHERE kind < 5 UNION SELECT id FROM sale WHERE amount = 3
SELECT id FROM item UNION ALL SELECT item FROM sale ORDER BY 1 LIMIT 10
SELECT kind FROM item INTERSECT SELECT amount FROM sale
SELECT kind FROM item EXCEPT SELECT amount FROM sale
SELECT kind FROM item INTERSECT ALL SELECT amount FROM sale
SELECT kind FROM item EXCEPT ALL SELECT amount FROM sale
SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (3, 'c')) v (n, t) WHERE n > 1
SELECT * FROM (VALUES (1), (2)) v (n) JOIN item ON id = n
SELECT * FROM generate_series(1, 100) g WHERE g > 50
SELECT * FROM generate_series(1, 10) WITH ORDINALITY AS t (x, n) WHERE x + n > 4
SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['a', 'b'])) AS t (n, s) WHERE n = 2
SELECT * FROM rows_of(10) WHERE a > 3 AND b <> 'x5'
SELECT * FROM unnest('{1,2,3}'::int[]) u (n) JOIN item ON id = n
SELECT generate_series(1, kind) FROM item WHERE id < 20
SELECT unnest(tags) FROM item WHERE kind = 3
SELECT 1
SELECT now(), steady(4)
SELECT * FROM item TABLESAMPLE SYSTEM (50) REPEATABLE (7) WHERE kind = 1
SELECT * FROM item TABLESAMPLE BERNOULLI (12.5) WHERE ok
SELECT * FROM item WHERE kind = 3 FOR UPDATE
SELECT * FROM item WHERE id < 20 FOR SHARE SKIP LOCKED
SELECT * FROM item LIMIT 10 OFFSET 5
SELECT * FROM item WHERE kind = 3 LIMIT (SELECT 3)
SELECT * FROM measure WHERE day = '2020-05-05'
SELECT * FROM measure WHERE day > '2020-03-20' AND day < '2020-04-10' AND value > 100
SELECT * FROM measure WHERE day = (SELECT date '2020-05-05')
SELECT * FROM measure ORDER BY day LIMIT 50
SELECT sensor, avg(value) FROM measure GROUP BY sensor HAVING avg(value) > 10
SELECT * FROM measure m JOIN sale s ON s.day = m.day WHERE m.sensor = 3 AND s.amount = 4
SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind = 'r' AND a.attname = 'oid'
SELECT * FROM pg_class WHERE relname = 'item'
SELECT * FROM pg_stat_activity WHERE state = 'active'
SELECT * FROM xmltable('/r/x' PASSING xml '<r><x>1</x><x>2</x></r>' COLUMNS v int PATH '.') WHERE v > 1
INSERT INTO stock SELECT g, g FROM generate_series(2001, 2010) g
INSERT INTO stock VALUES (3001, 5), (3002, 6)
INSERT INTO stock VALUES (1, 5) ON CONFLICT (item) DO NOTHING
INSERT INTO stock AS s VALUES (1, 5), (2, 6) ON CONFLICT (item) DO UPDATE SET quantity = excluded.quantity WHERE s.quantity < excluded.quantity + 3
INSERT INTO measure VALUES ('2020-02-02', 1, 1), ('2020-08-02', 2, 2)
INSERT INTO bill VALUES (1, 5), (2, 6)
UPDATE stock SET quantity = quantity + 1 WHERE item < 50
UPDATE stock SET quantity = s.amount FROM sale s WHERE s.item = stock.item AND s.day = '2020-03-03'
UPDATE measure SET value = 0 WHERE day = '2020-05-05'
UPDATE measure SET day = '2020-09-09' WHERE day = '2020-05-05' AND sensor = 5
UPDATE stock SET (quantity, changes) = (SELECT max(amount), count(*) FROM sale WHERE item = stock.item) WHERE item < 10
DELETE FROM stock WHERE quantity = 3
DELETE FROM stock USING item i WHERE i.id = stock.item AND i.kind = 4 RETURNING *
DELETE FROM measure WHERE value < 100
WITH gone AS (DELETE FROM audit RETURNING *) SELECT count(*) FROM gone
WITH moved AS (UPDATE stock SET quantity = 0 WHERE item < 5 RETURNING item) INSERT INTO audit SELECT item, 0 FROM moved
MERGE INTO stock t USING (SELECT item, count(*) AS n FROM sale WHERE day = '2020-01-05' GROUP BY item) s ON t.item = s.item WHEN MATCHED AND t.quantity > 30 THEN DELETE WHEN MATCHED THEN UPDATE SET quantity = t.quantity - n WHEN NOT MATCHED THEN INSERT VALUES (s.item, 1)
CREATE TABLE made_here AS SELECT * FROM item WHERE kind = 3
CREATE MATERIALIZED VIEW kept AS SELECT kind, count(*) FROM item GROUP BY kind
SELECT * FROM file_lines WHERE line LIKE 'a%'
set enable_hashjoin = off; SELECT * FROM item i JOIN sale s ON s.item = i.id WHERE i.ok
set enable_hashjoin = off, enable_mergejoin = off; SELECT * FROM item i JOIN sale s ON s.item = i.id WHERE i.kind < 10
set enable_hashjoin = off, enable_mergejoin = off; SELECT * FROM sale s JOIN item i ON i.id = s.amount WHERE i.small > 0
set enable_hashjoin = off, enable_mergejoin = off, enable_memoize = off, enable_indexscan = off, enable_bitmapscan = off; SELECT * FROM tree a JOIN tree b ON a.id < b.parent AND b.id < 30
set enable_hashjoin = off, enable_nestloop = off; SELECT * FROM item i JOIN sale s ON s.item = i.id AND s.amount = i.kind
set enable_hashjoin = off, enable_nestloop = off; SELECT * FROM item i LEFT JOIN sale s ON s.item = i.id AND s.amount = i.kind AND i.price > 3
set enable_hashagg = off; SELECT kind, ok, count(*) FROM item GROUP BY kind, ok
set enable_hashagg = off; SELECT DISTINCT kind, small FROM item
set enable_hashagg = off; SELECT kind FROM item EXCEPT SELECT amount FROM sale
set enable_hashagg = off, enable_sort = off; SELECT kind FROM item GROUP BY kind
set enable_seqscan = off, enable_indexscan = off; SELECT * FROM item WHERE kind = 3 AND made = '2020-04-04'
set enable_seqscan = off, enable_indexscan = off; SELECT * FROM item WHERE changed > timestamp '2020-10-10'
set enable_seqscan = off; SELECT count(*) FROM item WHERE kind = 3 AND ok
set enable_material = off, enable_hashjoin = off, enable_mergejoin = off; SELECT count(*) FROM tree a, tree b WHERE a.id + b.id = 100
set work_mem = '64kB'; SELECT * FROM item ORDER BY name, price
set work_mem = '64kB'; SELECT * FROM item i JOIN sale s ON s.item = i.id
set work_mem = '64kB'; SELECT item, note, count(*) FROM sale GROUP BY item, note
set enable_partitionwise_join = on, enable_partitionwise_aggregate = on; SELECT day, count(*) FROM measure GROUP BY day
set enable_partitionwise_join = on; SELECT count(*) FROM measure a JOIN measure b USING (day) WHERE a.sensor = 1 AND b.sensor = 2
set parallel; SELECT count(*) FROM item WHERE price > 3
set parallel; SELECT kind, sum(price) FROM item GROUP BY kind HAVING sum(price) > 100 AND count(*) > 2
set parallel; SELECT * FROM item WHERE name LIKE '%7%' ORDER BY price, id
set parallel; SELECT count(*) FROM item i JOIN sale s ON s.item = i.id WHERE i.kind = s.amount
set parallel; SELECT count(*) FROM item WHERE kind < 30 AND small > 5
set parallel; SELECT count(*) FROM measure WHERE value > 10
set parallel, enable_hashjoin = off, enable_mergejoin = off; SELECT count(*) FROM sale s JOIN item i ON i.id = s.item
set parallel, enable_parallel_hash = off; SELECT count(*) FROM item i JOIN sale s ON s.item = i.id
set parallel, enable_seqscan = off; SELECT count(*) FROM item WHERE kind > 10 AND kind < 40
set parallel; SELECT kind, count(*) FROM item GROUP BY kind ORDER BY kind
set parallel; SELECT * FROM item WHERE kind > (SELECT avg(amount) FROM sale) AND price > 3
set parallel; SELECT id, (SELECT max(amount) FROM sale s WHERE s.item = i.id) FROM item i WHERE kind < 3
set force_parallel_mode = on; SELECT count(*) FROM tree WHERE title <> 'x'
set force_parallel_mode = regress; SELECT count(*) FROM tree WHERE title <> 'y'
set jit = on, jit_above_cost = 0; SELECT sum(price * 2) FROM item WHERE kind > 3
SELECT * FROM item WHERE doc @> '{"k": 3}' -- differs in constants: jsonb
SELECT * FROM item WHERE place <@ box '(0,0),(5,5)' -- differs in constants: geometric types
SELECT * FROM item WHERE int4range(small, 200) @> int4range(5, 150) -- differs in constants: ranges
SELECT * FROM item WHERE to_tsvector('simple', name) @@ tsquery 'item & 5' -- differs in constants: text search types
SELECT * FROM pg_class WHERE oid = 'item'::regclass
SELECT * FROM item WHERE substring(raw from 1 for 2) = '\x0000'
SELECT * FROM item WHERE both_of = ROW(3, 'b3')::pair -- differs in constants: composite types
SELECT * FROM item WHERE normalize(name, NFC) = 'item 3' -- differs in shape: NORMALIZE's form is a word there
SELECT * FROM item WHERE substring(name similar 'item #"%#"' escape '#') = '3'
EXECUTE by_kind (3, 'x')
set plan_cache_mode = force_generic_plan; EXECUTE by_kind (3, 'x') -- differs in constants: the text of a generic plan has $1
set plan_cache_mode = force_generic_plan; EXECUTE by_list (3, 4) -- differs in constants: the text of a generic plan has $1
set plan_cache_mode = force_generic_plan; EXECUTE by_day ('2020-05-05') -- differs in constants: the text of a generic plan has $1
SELECT * FROM remote_item WHERE kind = 3 AND lower(name) LIKE 'item%'
SELECT kind, count(*) FROM remote_item GROUP BY kind HAVING count(*) > 5
SELECT * FROM remote_item r JOIN item i ON i.id = r.id WHERE i.kind = 4
SELECT * FROM (SELECT id FROM remote_item WHERE ok UNION ALL SELECT id FROM remote_sale WHERE amount = 3) u ORDER BY id LIMIT 5
UPDATE remote_item SET kind = kind + 1 WHERE id < 10
UPDATE remote_item SET kind = s.amount FROM sale s WHERE s.item = remote_item.id AND s.day = '2020-03-03'
DELETE FROM remote_sale WHERE amount = 100
INSERT INTO remote_sale (id, item) VALUES (1000001, 5)
SELECT * FROM item WHERE made = ANY ('{2020-01-02,2020-01-03}'::date[]) AND feeling = ANY ('{sad,ok}'::mood[])
SELECT * FROM item WHERE uid = ANY (ARRAY['45c48cce-2e2d-7fbd-ea1a-fc51c7c6ad26'::uuid, NULL])
SELECT * FROM item WHERE price = ANY ('{1.5,NaN,-Infinity,2e10}')
SELECT * FROM item WHERE ok = ANY ('{t,f,NULL}') AND code = ANY ('{c1,"c2   "}'::char(6)[])
SELECT * FROM item WHERE ROW(kind, small, name) > ROW(3, 4, 'x') AND kind = 7
SELECT * FROM item WHERE (kind, price) > (40, 1.0) ORDER BY kind, price LIMIT 4
SELECT * FROM item i WHERE (SELECT count(*) FROM sale s WHERE s.item = i.id + i.kind) > 2 AND i.kind = 5
SELECT * FROM item i WHERE i.price > (SELECT max(s.amount + i.small) FROM sale s WHERE s.item = i.id AND EXISTS (SELECT 1 FROM tree t WHERE t.id = s.amount AND t.parent < i.kind)) AND i.kind = 5
SELECT i.id, l.m FROM item i LEFT JOIN LATERAL (SELECT max(amount) AS m, count(*) AS c FROM sale s WHERE s.item = i.id AND s.amount > i.kind) l ON true WHERE l.c > 1 AND i.kind < 4
SELECT * FROM (SELECT kind, small, sum(price) AS p, lag(sum(price)) OVER (ORDER BY kind) AS before FROM item GROUP BY kind, small) w WHERE before < p
SELECT * FROM (SELECT DISTINCT kind, lower(name) AS l FROM item) d WHERE l LIKE '%9' AND kind % 2 = 1
SELECT a.kind + b.kind FROM (SELECT kind, max(price) AS m FROM item GROUP BY kind) a JOIN (SELECT kind, min(price) AS m FROM item GROUP BY kind) b ON a.m > b.m + 100 AND a.kind = b.kind
SELECT * FROM (SELECT id, kind * 2 AS double, CASE WHEN ok THEN name ELSE title END AS label FROM item) s JOIN sale ON sale.item = s.double WHERE label > 'item 3'
SELECT string_agg(DISTINCT name, ', ' ORDER BY name) FILTER (WHERE kind > 3) FROM item GROUP BY ok HAVING bool_or(kind = 3) AND (array_agg(id ORDER BY id))[1] < 100
SELECT * FROM item WHERE id IN (SELECT item FROM sale WHERE amount > 3 ORDER BY day LIMIT 100)
SELECT * FROM item WHERE kind NOT IN (SELECT amount FROM sale WHERE amount IS NOT NULL) AND kind NOT IN (3, 4, 5)
SELECT * FROM item WHERE (id, kind) NOT IN (SELECT item, amount FROM sale)
SELECT * FROM item WHERE id = ANY (SELECT item FROM sale WHERE amount = 3) AND name LIKE ANY ('{item%,%7}')
SELECT * FROM item WHERE name = ANY (SELECT note FROM sale) OR name = ALL (SELECT note FROM sale)
SELECT * FROM item WHERE array(SELECT amount FROM sale s WHERE s.item = item.id) @> '{3}'
WITH a AS MATERIALIZED (SELECT id, kind FROM item WHERE kind < 9), b AS MATERIALIZED (SELECT * FROM a WHERE id > 5) SELECT * FROM a JOIN b USING (id) WHERE b.kind > a.kind - 1
SELECT count(*) FILTER (WHERE ok), kind FROM item WHERE id % 2 = 0 GROUP BY kind HAVING count(*) FILTER (WHERE ok) > 10 ORDER BY 1 DESC, 2 LIMIT 3
SELECT * FROM measure m LEFT JOIN measure n ON n.day = m.day + 1 AND n.sensor = m.sensor WHERE m.day IN ('2020-02-02', '2020-08-08') AND n.value IS NULL
SELECT * FROM generate_series(1, 5) g (i) LEFT JOIN measure m ON m.day = date '2020-01-01' + g.i * 40
SELECT t.* FROM tree t WHERE t.parent = (SELECT u.id FROM tree u WHERE u.title = 'node ' || t.parent LIMIT 1)
SELECT * FROM item WHERE abs(kind - 5) < 2 AND round(price::numeric, 1) BETWEEN 1.5 AND 99.5
SELECT * FROM item WHERE to_char(made, 'YYYY-MM') = '2020-06' AND made - date '2020-01-01' > 100
SELECT * FROM item WHERE date_part('dow', made) IN (0, 6) AND age(changed, timestamp '2020-01-01') < interval '3 mons'
SELECT * FROM item WHERE CASE WHEN kind IN (1, 2, 3) THEN price > 10 ELSE price < 3 OR price IS NULL END
SELECT * FROM item WHERE coalesce(nullif(title, 'label 3'), name) = greatest('a', name) AND NOT (kind = ANY (nums))
SELECT * FROM item WHERE kind = 5 AND (price > 3 OR (small < 50 AND (ok OR name LIKE '%1')))
SELECT * FROM item WHERE ((kind) = (5)) AND ((price)) > ((3)) AND (+kind) > -(-3)
SELECT * FROM item WHERE kind BETWEEN SYMMETRIC 9 AND 3 AND kind NOT BETWEEN 5 AND 6
SELECT * FROM item WHERE "Odd Name" IN (SELECT "Odd Name" AS "select" FROM item WHERE kind = 3) AND title SIMILAR TO 'label (1|2)'
SELECT * FROM item WHERE encode(raw, 'hex') = '00000001' AND raw < '\xff' AND length(raw) = 4
SELECT * FROM item TABLESAMPLE SYSTEM (20) WHERE EXISTS (SELECT FROM sale WHERE sale.item = item.id)
SELECT * FROM ROWS FROM (rows_of(3), json_each('{"a": 1}'), regexp_split_to_table('a b c', ' ')) AS r
SELECT (rows_of(id)).* FROM item WHERE id < 4
SELECT * FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation WHERE l.granted AND l.mode LIKE '%Share%'
set parallel; SELECT * FROM (SELECT kind, count(*) AS c FROM item GROUP BY kind) s WHERE c > 10 ORDER BY c
set parallel; SELECT DISTINCT amount FROM sale WHERE note > 'note 5' ORDER BY amount
set parallel, enable_hashagg = off; SELECT kind, small, avg(price) FROM item GROUP BY kind, small ORDER BY kind, small LIMIT 10
set parallel, enable_parallel_append = off; SELECT sensor, max(value) FROM measure GROUP BY sensor HAVING max(value) < 1e9
set parallel, enable_nestloop = off, enable_mergejoin = off; SELECT count(*) FROM item i JOIN sale s ON s.item = i.id AND s.note <> i.name LEFT JOIN tree t ON t.id = s.amount WHERE t.title IS NULL OR i.ok
set custom_scan.mode = scan; SELECT * FROM item WHERE kind = 7 AND name <> 'item 7'
set custom_scan.mode = scan; SELECT count(*) FROM item i JOIN sale s ON s.item = i.id WHERE i.kind < 5
set custom_scan.mode = child; SELECT count(*) FROM item WHERE kind = 7
set custom_scan.mode = child; SELECT i.name FROM item i JOIN sale s ON s.item = i.id WHERE s.amount = 3 ORDER BY i.name
EXECUTE by_next (3)
set plan_cache_mode = force_generic_plan; EXECUTE by_next (3) -- differs in shape: the text has the sum that the planner would fold
