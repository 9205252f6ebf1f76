-- The statements of the demo: templates whose parameters are drawn at random, into demo.statement. Purpose "train" runs
-- as ordinary traffic; "seen" tests the same templates with parameters that did not occur; "unseen" tests templates that
-- did not occur at all. Variables: seed, and per template the numbers of statements train, seen and unseen.

CREATE SCHEMA demo;

-- In text, {1}, {2}, ... stand for the values of the SQL expressions in parameters.
CREATE TABLE demo.template (
	name text PRIMARY KEY,
	is_held_out boolean NOT NULL,
	text text NOT NULL,
	parameters text[] NOT NULL
);

CREATE TABLE demo.statement (
	id integer PRIMARY KEY,
	purpose text NOT NULL,
	template text NOT NULL,
	text text NOT NULL UNIQUE,
	position float8 NOT NULL,
	-- Filled in by measure.sql; times in milliseconds.
	predicted_ms float8,
	low_ms float8,
	high_ms float8,
	source text,
	out_of_distribution boolean,
	cost float8,
	actual_ms float8
);

CREATE FUNCTION demo.draw(low integer, high integer) RETURNS text LANGUAGE sql
RETURN (low + floor((high - low + 1) * random()))::integer::text;

-- Small numbers far more often than large ones, as keys of customers and parts occur in the data.
CREATE FUNCTION demo.draw_skewed(low integer, high integer, power float8) RETURNS text LANGUAGE sql
RETURN (low + floor((high - low + 1) * power(random(), power)))::integer::text;

CREATE FUNCTION demo.draw_of(VARIADIC choices text[]) RETURNS text LANGUAGE sql
RETURN choices[1 + floor(cardinality(choices) * random())];

CREATE FUNCTION demo.draw_date(low date, high date) RETURNS text LANGUAGE sql
RETURN (low + floor((high - low + 1) * random())::integer)::text;

CREATE FUNCTION demo.draw_nation() RETURNS text LANGUAGE sql
RETURN demo.draw_of('ALGERIA', 'ARGENTINA', 'CHINA', 'FRANCE', 'EGYPT', 'ETHIOPIA', 'BRAZIL', 'INDIA', 'GERMANY', 'IRAN',
	'KENYA', 'CANADA', 'INDONESIA', 'ROMANIA', 'IRAQ', 'MOROCCO', 'PERU', 'JAPAN', 'RUSSIA', 'JORDAN', 'UNITED STATES');

CREATE FUNCTION demo.draw_segment() RETURNS text LANGUAGE sql
RETURN demo.draw_of('AUTOMOBILE', 'BUILDING', 'FURNITURE', 'HOUSEHOLD', 'MACHINERY');

CREATE FUNCTION demo.draw_brand() RETURNS text LANGUAGE sql
RETURN 'Brand#' || demo.draw(1, 5) || demo.draw(1, 5);

CREATE FUNCTION demo.draw_container() RETURNS text LANGUAGE sql
RETURN demo.draw_of('SM', 'MED', 'LG', 'JUMBO') || ' ' || demo.draw_of('CASE', 'BOX', 'BAG', 'PKG');

CREATE FUNCTION demo.draw_mode() RETURNS text LANGUAGE sql
RETURN demo.draw_of('AIR', 'REG AIR', 'TRUCK', 'MAIL', 'SHIP', 'RAIL', 'FOB');

INSERT INTO demo.template (name, is_held_out, text, parameters) VALUES
('order by key', false,
$$SELECT * FROM orders WHERE o_orderkey = {1}$$,
ARRAY['demo.draw(1, 180000)']),

('customer by key', false,
$$SELECT c_name, c_acctbal, n_name, r_name FROM customer
JOIN nation ON n_nationkey = c_nationkey JOIN region ON r_regionkey = n_regionkey
WHERE c_custkey = {1}$$,
ARRAY['demo.draw(1, 18000)']),

('lines of an order', false,
$$SELECT l_linenumber, p_name, l_quantity, l_extendedprice FROM lineitem JOIN part ON p_partkey = l_partkey
WHERE l_orderkey = {1} ORDER BY l_linenumber$$,
ARRAY['demo.draw(1, 180000)']),

('latest orders of a customer', false,
$$SELECT o_orderkey, o_orderdate, o_totalprice FROM orders WHERE o_custkey = {1} ORDER BY o_orderdate DESC LIMIT {2}$$,
ARRAY['demo.draw_skewed(1, 18000, 3)', 'demo.draw(5, 30)']),

('turnover of a customer', false,
$$SELECT o_orderpriority, count(*), sum(l_extendedprice * (1 - l_discount)) FROM orders
JOIN lineitem ON l_orderkey = o_orderkey WHERE o_custkey = {1} AND o_orderdate >= '{2}' GROUP BY o_orderpriority$$,
ARRAY['demo.draw_skewed(1, 18000, 3)', $$demo.draw_date('1992-01-01', '1997-06-01')$$]),

('pricing summary', false,
$$SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), sum(l_extendedprice * (1 - l_discount)),
avg(l_quantity), count(*) FROM lineitem WHERE l_shipdate <= '{1}' GROUP BY l_returnflag, l_linestatus ORDER BY 1, 2$$,
ARRAY[$$demo.draw_date('1992-03-01', '1998-07-01')$$]),

('revenue forecast', false,
$$SELECT sum(l_extendedprice * l_discount) FROM lineitem WHERE l_shipdate >= '{1}' AND l_shipdate < date '{1}' + {2}
AND l_discount BETWEEN {3} AND {3} + 0.02 AND l_quantity < {4}$$,
ARRAY[$$demo.draw_date('1992-01-01', '1997-06-01')$$, 'demo.draw_skewed(10, 900, 2)', $$demo.draw_of('0.00', '0.02', '0.04', '0.06')$$,
'demo.draw(5, 50)']),

('shipping priority', false,
$$SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate FROM customer
JOIN orders ON c_custkey = o_custkey JOIN lineitem ON l_orderkey = o_orderkey
WHERE c_mktsegment = '{1}' AND o_orderdate < '{2}' AND l_shipdate > '{2}'
GROUP BY l_orderkey, o_orderdate ORDER BY revenue DESC LIMIT 10$$,
ARRAY['demo.draw_segment()', $$demo.draw_date('1992-06-01', '1998-04-01')$$]),

('late orders by priority', false,
$$SELECT o_orderpriority, count(*) FROM orders WHERE o_orderdate >= '{1}' AND o_orderdate < date '{1}' + {2}
AND EXISTS (SELECT FROM lineitem WHERE l_orderkey = o_orderkey AND l_commitdate < l_receiptdate) GROUP BY 1 ORDER BY 1$$,
ARRAY[$$demo.draw_date('1992-01-01', '1997-12-01')$$, 'demo.draw_skewed(5, 300, 2)']),

('revenue of local suppliers', false,
$$SELECT n_name, sum(l_extendedprice * (1 - l_discount)) AS revenue FROM customer JOIN orders ON c_custkey = o_custkey
JOIN lineitem ON l_orderkey = o_orderkey JOIN supplier ON l_suppkey = s_suppkey AND c_nationkey = s_nationkey
JOIN nation ON s_nationkey = n_nationkey JOIN region ON n_regionkey = r_regionkey
WHERE r_name = '{1}' AND o_orderdate >= '{2}' AND o_orderdate < date '{2}' + {3} GROUP BY n_name ORDER BY revenue DESC$$,
ARRAY[$$demo.draw_of('AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST')$$, $$demo.draw_date('1992-01-01', '1997-06-01')$$,
'demo.draw_skewed(10, 365, 1.5)']),

('customers who return', false,
$$SELECT c_custkey, c_name, sum(l_extendedprice * (1 - l_discount)) AS lost FROM customer JOIN orders ON c_custkey = o_custkey
JOIN lineitem ON l_orderkey = o_orderkey WHERE o_orderdate >= '{1}' AND o_orderdate < date '{1}' + {2}
AND l_returnflag = 'R' GROUP BY c_custkey, c_name ORDER BY lost DESC LIMIT 20$$,
ARRAY[$$demo.draw_date('1992-01-01', '1997-06-01')$$, 'demo.draw(7, 120)']),

('shipping modes', false,
$$SELECT l_shipmode, sum(CASE WHEN o_orderpriority < '3' THEN 1 ELSE 0 END) AS urgent, count(*) FROM orders
JOIN lineitem ON o_orderkey = l_orderkey WHERE l_shipmode IN ('{1}', '{2}') AND l_commitdate < l_receiptdate
AND l_shipdate < l_commitdate AND l_receiptdate >= '{3}' AND l_receiptdate < date '{3}' + 180 GROUP BY l_shipmode$$,
ARRAY['demo.draw_mode()', 'demo.draw_mode()', $$demo.draw_date('1992-01-01', '1998-01-01')$$]),

('stock by nation', false,
$$SELECT ps_partkey, sum(ps_supplycost * ps_availqty) AS value FROM partsupp JOIN supplier ON ps_suppkey = s_suppkey
JOIN nation ON s_nationkey = n_nationkey WHERE n_name = '{1}' GROUP BY ps_partkey
HAVING sum(ps_supplycost * ps_availqty) > {2} ORDER BY value DESC$$,
ARRAY['demo.draw_nation()', 'demo.draw(10000, 9000000)']),

('customers by number of orders', false,
$$SELECT orders, count(*) FROM (SELECT c_custkey, count(o_orderkey) AS orders FROM customer
LEFT JOIN orders ON c_custkey = o_custkey AND o_totalprice > {1} WHERE c_nationkey = {2} GROUP BY c_custkey) AS per_customer
GROUP BY orders ORDER BY 2 DESC$$,
ARRAY['demo.draw(1000, 190000)', 'demo.draw(0, 24)']),

('suppliers of parts', false,
$$SELECT p_brand, p_type, count(DISTINCT ps_suppkey) AS suppliers FROM partsupp JOIN part ON p_partkey = ps_partkey
WHERE p_brand <> '{1}' AND p_size BETWEEN {2} AND {2} + {3} GROUP BY p_brand, p_type ORDER BY suppliers DESC LIMIT 50$$,
ARRAY['demo.draw_brand()', 'demo.draw(1, 50)', 'demo.draw(0, 12)']),

('small quantities', false,
$$SELECT sum(l_extendedprice) / 7 FROM lineitem JOIN part ON p_partkey = l_partkey WHERE p_brand = '{1}'
AND p_container = '{2}' AND p_size < {3}
AND l_quantity < (SELECT 0.3 * avg(l_quantity) FROM lineitem AS other WHERE other.l_partkey = p_partkey)$$,
ARRAY['demo.draw_brand()', 'demo.draw_container()', 'demo.draw(5, 50)']),

('discounted parts', false,
$$SELECT sum(l_extendedprice * (1 - l_discount)) FROM lineitem JOIN part ON p_partkey = l_partkey
WHERE (p_brand = '{1}' AND p_container LIKE 'SM%' AND l_quantity BETWEEN {2} AND {2} + 10 AND p_size < 13)
OR (p_brand = '{3}' AND p_container LIKE 'LG%' AND l_quantity BETWEEN {4} AND {4} + 10 AND p_size > 25)$$,
ARRAY['demo.draw_brand()', 'demo.draw(1, 20)', 'demo.draw_brand()', 'demo.draw(1, 40)']),

('sales of some parts', false,
$$SELECT l_partkey, count(*), sum(l_quantity) FROM lineitem WHERE l_partkey IN ({1}, {2}, {3}) AND l_shipdate >= '{4}'
GROUP BY l_partkey$$,
ARRAY['demo.draw_skewed(1, 24000, 2)', 'demo.draw_skewed(1, 24000, 2)', 'demo.draw_skewed(1, 24000, 4)',
$$demo.draw_date('1992-01-01', '1998-01-01')$$]),

('parts of a type', false,
$$SELECT p_container, count(*), avg(p_retailprice) FROM part WHERE p_type LIKE '{1}%' AND p_size BETWEEN {2} AND {2} + {3}
GROUP BY p_container ORDER BY 2 DESC$$,
ARRAY[$$demo.draw_of('STANDARD', 'SMALL', 'MEDIUM', 'LARGE', 'ECONOMY', 'PROMO')$$, 'demo.draw(1, 45)', 'demo.draw(1, 30)']),

('orders in a range of keys', false,
$$SELECT o_orderkey, o_totalprice, sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS lines FROM orders
JOIN lineitem ON l_orderkey = o_orderkey WHERE o_orderkey BETWEEN {1} AND {1} + {2} GROUP BY o_orderkey, o_totalprice
ORDER BY lines DESC LIMIT 100$$,
ARRAY['demo.draw(1, 170000)', 'demo.draw_skewed(10, 20000, 4)']),

('orders by day', false,
$$SELECT o_orderdate, count(*), sum(o_totalprice) FROM orders WHERE o_orderdate BETWEEN '{1}' AND date '{1}' + {2}
GROUP BY o_orderdate ORDER BY o_orderdate$$,
ARRAY[$$demo.draw_date('1992-01-01', '1998-03-01')$$, 'demo.draw_skewed(1, 500, 2.5)']),

('best suppliers of a month', false,
$$WITH revenue AS (SELECT l_suppkey, sum(l_extendedprice * (1 - l_discount)) AS total FROM lineitem
WHERE l_shipdate >= '{1}' AND l_shipdate < date '{1}' + {2} GROUP BY l_suppkey)
SELECT s_name, total, rank() OVER (PARTITION BY s_nationkey ORDER BY total DESC) AS place FROM revenue
JOIN supplier ON s_suppkey = l_suppkey WHERE s_acctbal > {3} ORDER BY place, total DESC LIMIT 25$$,
ARRAY[$$demo.draw_date('1992-01-01', '1998-03-01')$$, 'demo.draw(10, 60)', 'demo.draw(-1000, 9000)']),

('largest orders, a page of them', false,
$$SELECT o_orderkey, o_custkey, o_totalprice FROM orders WHERE o_orderpriority = '{1}' AND o_totalprice > {2}
ORDER BY o_totalprice DESC, o_orderkey OFFSET {3} LIMIT 50$$,
ARRAY[$$demo.draw_of('1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW')$$, 'demo.draw(1000, 190000)', 'demo.draw(0, 2000)']),

('partners in a nation', false,
$$SELECT 'customer' AS kind, c_name, c_acctbal FROM customer WHERE c_nationkey = {1} AND c_acctbal > {2}
UNION ALL SELECT 'supplier', s_name, s_acctbal FROM supplier WHERE s_nationkey = {1} AND s_acctbal > {2} ORDER BY 3 DESC$$,
ARRAY['demo.draw(0, 24)', 'demo.draw(-1000, 9500)']),

('suppliers who kept others waiting', false,
$$SELECT s_name, count(*) AS times FROM supplier JOIN lineitem AS late ON s_suppkey = late.l_suppkey
JOIN orders ON o_orderkey = late.l_orderkey WHERE s_nationkey = {1} AND late.l_receiptdate > late.l_commitdate
AND o_orderdate BETWEEN '{2}' AND date '{2}' + {3}
AND NOT EXISTS (SELECT FROM lineitem AS other WHERE other.l_orderkey = late.l_orderkey
AND other.l_suppkey <> late.l_suppkey AND other.l_receiptdate > other.l_commitdate)
GROUP BY s_name ORDER BY times DESC LIMIT 100$$,
ARRAY['demo.draw(0, 24)', $$demo.draw_date('1992-01-01', '1997-12-01')$$, 'demo.draw_skewed(10, 200, 2)']),

('busy customers', false,
$$SELECT c_name, c_mktsegment, busy.orders FROM customer JOIN (SELECT o_custkey, count(*) AS orders FROM orders
WHERE o_orderdate >= '{1}' GROUP BY o_custkey HAVING count(*) > {2}) AS busy ON c_custkey = busy.o_custkey ORDER BY 3 DESC$$,
ARRAY[$$demo.draw_date('1992-01-01', '1998-04-01')$$, 'demo.draw_skewed(1, 40, 2)']),

('buyers by month', false,
$$SELECT date_trunc('month', o_orderdate), count(DISTINCT o_custkey) FROM orders
WHERE o_orderdate >= '{1}' AND o_totalprice BETWEEN {2} AND {2} + {3} GROUP BY 1 ORDER BY 1$$,
ARRAY[$$demo.draw_date('1992-01-01', '1998-04-01')$$, 'demo.draw_skewed(1000, 150000, 2)', 'demo.draw(1000, 60000)']),

('running total of a customer', false,
$$SELECT o_orderdate, o_totalprice, sum(o_totalprice) OVER (ORDER BY o_orderdate, o_orderkey) FROM orders
WHERE o_custkey BETWEEN {1} AND {1} + {2}$$,
ARRAY['demo.draw_skewed(1, 18000, 3)', 'demo.draw(0, 4)']),

('dearest line of each order of a day', false,
$$SELECT o_orderkey, dearest.l_linenumber, dearest.l_extendedprice FROM orders, LATERAL (SELECT l_linenumber, l_extendedprice
FROM lineitem WHERE l_orderkey = o_orderkey ORDER BY l_extendedprice DESC LIMIT 1) AS dearest
WHERE o_orderdate BETWEEN '{1}' AND date '{1}' + {2}$$,
ARRAY[$$demo.draw_date('1992-01-01', '1998-04-01')$$, 'demo.draw(0, 20)']),

('customers of a segment by balance', false,
$$SELECT c_name, c_acctbal FROM customer WHERE c_mktsegment = '{1}' AND c_acctbal BETWEEN {2} AND {2} + {3}
ORDER BY c_acctbal DESC, c_name LIMIT {4}$$,
ARRAY['demo.draw_segment()', 'demo.draw(-1000, 9000)', 'demo.draw(100, 5000)', 'demo.draw(10, 1000)']),

('promotion effect', true,
$$SELECT 100 * sum(CASE WHEN p_type LIKE 'PROMO%' THEN l_extendedprice * (1 - l_discount) ELSE 0 END)
/ sum(l_extendedprice * (1 - l_discount)) FROM lineitem JOIN part ON l_partkey = p_partkey
WHERE l_shipdate >= '{1}' AND l_shipdate < date '{1}' + {2}$$,
ARRAY[$$demo.draw_date('1992-01-01', '1998-03-01')$$, 'demo.draw(7, 90)']),

('large orders', true,
$$SELECT c_name, o_orderkey, o_orderdate, sum(l_quantity) FROM customer JOIN orders ON c_custkey = o_custkey
JOIN lineitem ON l_orderkey = o_orderkey WHERE o_orderdate BETWEEN '{1}' AND date '{1}' + {2}
GROUP BY c_name, o_orderkey, o_orderdate HAVING sum(l_quantity) > {3} ORDER BY 4 DESC LIMIT 100$$,
ARRAY[$$demo.draw_date('1992-01-01', '1998-03-01')$$, 'demo.draw_skewed(5, 400, 2)', 'demo.draw(100, 250)']),

('trade between two nations', true,
$$SELECT extract(year FROM l_shipdate) AS year, sum(l_extendedprice * (1 - l_discount)) FROM supplier
JOIN lineitem ON s_suppkey = l_suppkey JOIN orders ON o_orderkey = l_orderkey JOIN customer ON c_custkey = o_custkey
JOIN nation AS seller ON seller.n_nationkey = s_nationkey JOIN nation AS buyer ON buyer.n_nationkey = c_nationkey
WHERE seller.n_name = '{1}' AND buyer.n_name = '{2}' AND o_orderdate >= '{3}' GROUP BY 1 ORDER BY 1$$,
ARRAY['demo.draw_nation()', 'demo.draw_nation()', $$demo.draw_date('1992-01-01', '1997-12-01')$$]),

('customers without recent orders', true,
$$SELECT c_mktsegment, count(*), avg(c_acctbal) FROM customer WHERE c_acctbal > {1} AND c_nationkey IN ({2}, {3})
AND NOT EXISTS (SELECT FROM orders WHERE o_custkey = c_custkey AND o_orderdate > '{4}') GROUP BY c_mktsegment$$,
ARRAY['demo.draw(-1000, 9000)', 'demo.draw(0, 24)', 'demo.draw(0, 24)', $$demo.draw_date('1995-01-01', '1998-04-01')$$]);

-- Draws count statements of a template. No text occurs twice, so what tests has not been trained on.
CREATE PROCEDURE demo.draw_statements(drawn_from demo.template, drawn_for text, count integer) LANGUAGE plpgsql AS $$
DECLARE
	drawn text[];
	filled_in text;
	is_new integer;
BEGIN
	WHILE count > 0 LOOP
		EXECUTE 'SELECT ARRAY[' || array_to_string(drawn_from.parameters, ', ') || ']::text[]' INTO drawn;
		filled_in := drawn_from.text;
		FOR i IN 1 .. cardinality(drawn) LOOP
			filled_in := replace(filled_in, '{' || i || '}', drawn[i]);
		END LOOP;
		INSERT INTO demo.statement (id, purpose, template, text, position)
		SELECT 1 + coalesce(max(id), 0), drawn_for, drawn_from.name, filled_in, random() FROM demo.statement
		ON CONFLICT (text) DO NOTHING;
		GET DIAGNOSTICS is_new = ROW_COUNT;
		count := count - is_new;
	END LOOP;
END
$$;

SELECT setseed(:seed::float8 / 1000003 - floor(:seed::float8 / 1000003)) \g /dev/null
SELECT set_config('demo.train', :'train', false), set_config('demo.seen', :'seen', false), set_config('demo.unseen', :'unseen', false)
\g /dev/null

DO $$
DECLARE
	each demo.template;
BEGIN
	FOR each IN SELECT * FROM demo.template ORDER BY name LOOP
		IF each.is_held_out THEN
			CALL demo.draw_statements(each, 'unseen', current_setting('demo.unseen')::integer);
		ELSE
			CALL demo.draw_statements(each, 'train', current_setting('demo.train')::integer);
			CALL demo.draw_statements(each, 'seen', current_setting('demo.seen')::integer);
		END IF;
	END LOOP;
END
$$;

ANALYZE demo.statement;
