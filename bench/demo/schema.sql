-- A database of a million rows in the shape of a wholesale business (TPC-H-like; not TPC-H's data), skewed as real ones
-- are: a few customers and parts make most of the trade, there are more orders the later it is, and columns depend on
-- each other in ways the planner's statistics do not tell: ship dates on order dates, return flags on ship dates,
-- containers on sizes, brands on manufacturers, market segments on nations.
-- Variable seed chooses the draw.

SELECT setseed(:seed::float8 / 1000003 - floor(:seed::float8 / 1000003)) \g /dev/null

CREATE TABLE region (
	r_regionkey integer PRIMARY KEY,
	r_name text NOT NULL
);

CREATE TABLE nation (
	n_nationkey integer PRIMARY KEY,
	n_name text NOT NULL,
	n_regionkey integer NOT NULL REFERENCES region
);

CREATE TABLE supplier (
	s_suppkey integer PRIMARY KEY,
	s_name text NOT NULL,
	s_nationkey integer NOT NULL,
	s_acctbal numeric(12,2) NOT NULL
);

CREATE TABLE customer (
	c_custkey integer PRIMARY KEY,
	c_name text NOT NULL,
	c_nationkey integer NOT NULL,
	c_acctbal numeric(12,2) NOT NULL,
	c_mktsegment text NOT NULL,
	c_comment text NOT NULL
);

CREATE TABLE part (
	p_partkey integer PRIMARY KEY,
	p_name text NOT NULL,
	p_mfgr text NOT NULL,
	p_brand text NOT NULL,
	p_type text NOT NULL,
	p_size integer NOT NULL,
	p_container text NOT NULL,
	p_retailprice numeric(12,2) NOT NULL
);

CREATE TABLE partsupp (
	ps_partkey integer NOT NULL,
	ps_suppkey integer NOT NULL,
	ps_availqty integer NOT NULL,
	ps_supplycost numeric(12,2) NOT NULL
);

CREATE TABLE orders (
	o_orderkey integer NOT NULL,
	o_custkey integer NOT NULL,
	o_orderstatus char(1) NOT NULL,
	o_totalprice numeric(12,2) NOT NULL,
	o_orderdate date NOT NULL,
	o_orderpriority text NOT NULL,
	o_comment text NOT NULL
);

CREATE TABLE lineitem (
	l_orderkey integer NOT NULL,
	l_linenumber integer NOT NULL,
	l_partkey integer NOT NULL,
	l_suppkey integer NOT NULL,
	l_quantity numeric(12,2) NOT NULL,
	l_extendedprice numeric(12,2) NOT NULL,
	l_discount numeric(12,2) NOT NULL,
	l_tax numeric(12,2) NOT NULL,
	l_returnflag char(1) NOT NULL,
	l_linestatus char(1) NOT NULL,
	l_shipdate date NOT NULL,
	l_commitdate date NOT NULL,
	l_receiptdate date NOT NULL,
	l_shipmode text NOT NULL
);

INSERT INTO region
SELECT ordinality - 1, name
FROM unnest(ARRAY['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST']) WITH ORDINALITY AS names (name);

INSERT INTO nation
SELECT ordinality - 1, name, (ordinality - 1) % 5
FROM unnest(ARRAY['ALGERIA', 'ARGENTINA', 'CHINA', 'FRANCE', 'EGYPT', 'ETHIOPIA', 'BRAZIL', 'INDIA', 'GERMANY', 'IRAN',
	'KENYA', 'CANADA', 'INDONESIA', 'ROMANIA', 'IRAQ', 'MOROCCO', 'PERU', 'JAPAN', 'RUSSIA', 'JORDAN',
	'MOZAMBIQUE', 'UNITED STATES', 'VIETNAM', 'UNITED KINGDOM', 'SAUDI ARABIA']) WITH ORDINALITY AS names (name);

INSERT INTO supplier
SELECT k, 'Supplier#' || k, floor(25 * power(random(), 1.5)), round((random() * 11000 - 1000)::numeric, 2)
FROM generate_series(1, 1200) AS k;

-- Every nation has a market segment that dominates there.
INSERT INTO customer
SELECT k, 'Customer#' || k, nation, round((random() * 11000 - 1000)::numeric, 2),
	(ARRAY['AUTOMOBILE', 'BUILDING', 'FURNITURE', 'HOUSEHOLD', 'MACHINERY'])
		[1 + CASE WHEN random() < 0.6 THEN nation % 5 ELSE floor(5 * random())::integer END],
	md5(k::text) || md5((k + 1)::text)
FROM (SELECT k, floor(25 * power(random(), 1.5))::integer AS nation FROM generate_series(1, 18000) AS k OFFSET 0) AS drawn;

-- A brand belongs to one manufacturer; small parts come in small containers.
INSERT INTO part
SELECT k, 'part ' || md5(k::text), 'Manufacturer#' || maker, 'Brand#' || maker || (1 + floor(5 * random())),
	(ARRAY['STANDARD', 'SMALL', 'MEDIUM', 'LARGE', 'ECONOMY', 'PROMO'])[1 + floor(6 * power(random(), 1.5))]
		|| ' ' || (ARRAY['ANODIZED', 'BURNISHED', 'PLATED', 'POLISHED', 'BRUSHED'])[1 + floor(5 * random())]
		|| ' ' || (ARRAY['TIN', 'NICKEL', 'BRASS', 'STEEL', 'COPPER'])[1 + floor(5 * random())],
	size,
	(ARRAY['SM', 'MED', 'LG', 'JUMBO'])[1 + least(3, size / 13)] || ' ' || (ARRAY['CASE', 'BOX', 'BAG', 'PKG'])[1 + floor(4 * random())],
	900 + k % 1000 + (k % 100) / 100.0
FROM (SELECT k, 1 + floor(5 * power(random(), 1.3))::integer AS maker, 1 + floor(50 * random())::integer AS size
	FROM generate_series(1, 24000) AS k OFFSET 0) AS drawn;

INSERT INTO partsupp
SELECT part, 1 + (part + i * 300) % 1200, floor(10000 * random()), round((1 + 999 * random())::numeric, 2)
FROM generate_series(1, 24000) AS part, generate_series(0, 3) AS i;

-- Orders come in by date, more of them every year.
INSERT INTO orders
SELECT k, 1 + floor(18000 * power(random(), 3)), 'O', round((1000 + 200000 * power(random(), 2))::numeric, 2),
	date '1992-01-01' + floor(2300 * sqrt(k / 180000.0) + 60 * random())::integer,
	(ARRAY['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW'])[1 + floor(5 * power(random(), 0.7))],
	md5(k::text)
FROM generate_series(1, 180000) AS k;

-- Popular parts are ordered in small quantities; what was shipped long ago may have come back; everything but the most
-- recent is final. Air is fast.
INSERT INTO lineitem
SELECT o_orderkey, line, part, 1 + (part + floor(4 * random())::integer * 300) % 1200, quantity, quantity * (900 + part % 1000),
	round((0.1 * power(random(), 1.5))::numeric, 2), round((0.08 * random())::numeric, 2),
	CASE WHEN shipped > date '1996-06-17' THEN 'N' WHEN random() < 0.4 THEN 'R' ELSE 'A' END,
	CASE WHEN shipped > date '1996-06-17' THEN 'O' ELSE 'F' END,
	shipped, o_orderdate + 30 + floor(60 * random())::integer,
	shipped + CASE WHEN mode < 3 THEN 1 + floor(5 * random())::integer ELSE 3 + floor(27 * random())::integer END,
	(ARRAY['AIR', 'REG AIR', 'TRUCK', 'MAIL', 'SHIP', 'RAIL', 'FOB'])[mode]
FROM (SELECT o_orderkey, o_orderdate, line, part, mode, o_orderdate + 1 + floor(120 * power(random(), 1.4))::integer AS shipped,
		1 + floor(CASE WHEN part < 2400 THEN 15 ELSE 50 END * random()) AS quantity
	FROM (SELECT o_orderkey, o_orderdate, line, 1 + floor(24000 * power(random(), 2))::integer AS part,
			1 + floor(7 * power(random(), 1.3))::integer AS mode
		FROM orders, LATERAL generate_series(1, 1 + o_orderkey * 7919 % 7) AS line OFFSET 0) AS drawn OFFSET 0) AS shipped;

ALTER TABLE partsupp ADD PRIMARY KEY (ps_partkey, ps_suppkey);
ALTER TABLE orders ADD PRIMARY KEY (o_orderkey);
ALTER TABLE lineitem ADD PRIMARY KEY (l_orderkey, l_linenumber);
CREATE INDEX ON orders (o_custkey);
CREATE INDEX ON orders (o_orderdate);
CREATE INDEX ON lineitem (l_partkey);
CREATE INDEX ON lineitem (l_shipdate);
CREATE INDEX ON customer (c_nationkey);
CREATE INDEX ON partsupp (ps_suppkey);

VACUUM (ANALYZE);
