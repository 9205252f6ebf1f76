-- Each metric's median over its rounds, a 95 % interval by bootstrap over rounds, and its budget.
SET client_min_messages = warning;
SELECT setseed(0.5) \g /dev/null
CREATE TABLE budget (position int, metric text, what text, unit text, budget float8);
INSERT INTO budget VALUES
	(1, 'p50_10', 'prediction, 10 nodes, p50', 'us', 20),
	(2, 'p99_10', 'prediction, 10 nodes, p99', 'us', 60),
	(3, 'p50_50', 'prediction, 50 nodes, p50', 'us', 80),
	(4, 'hit_10', 'memoised answer, p50', 'us', 1),
	(5, 'first_10', 'first prediction in a fresh backend', 'us', 300),
	(6, 'explain', 'EXPLAIN (PREDICTOR) minus EXPLAIN', 'us', 50),
	(7, 'lookup', 'lookup by primary key, predict_all and limit on', '% CPU', 5),
	(8, 'private_kb', 'private memory that predicting adds to a backend', 'kB', 256);
INSERT INTO measured
	SELECT 'lookup', round, 100 * (percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FILTER (WHERE metric = 'lookup_on')
		/ percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FILTER (WHERE metric = 'lookup_off') - 1)
	FROM measured WHERE metric ~ '^lookup_o' GROUP BY round
	UNION ALL
	SELECT 'private_kb', round, n.value - f.value FROM measured n JOIN measured f USING (round)
	WHERE n.metric = 'private_on' AND f.metric = 'private_off';
CREATE TABLE result AS
	WITH resampled AS (
		SELECT metric, k, percentile_cont(0.5) WITHIN GROUP (ORDER BY values[1 + floor(random() * cardinality(values))::int]) AS median
		FROM (SELECT metric, array_agg(value) AS values FROM measured GROUP BY metric) m,
			generate_series(1, 1000) k, LATERAL generate_series(1, cardinality(values)) AS i
		GROUP BY metric, k)
	SELECT b.*, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FROM measured m WHERE m.metric = b.metric) AS median, low, high
	FROM budget b JOIN (SELECT metric, percentile_cont(0.025) WITHIN GROUP (ORDER BY median) AS low,
		percentile_cont(0.975) WITHIN GROUP (ORDER BY median) AS high FROM resampled GROUP BY metric) r USING (metric);
CREATE VIEW verdict AS
	SELECT CASE WHEN count(*) < (SELECT count(*) FROM budget) THEN 'short: a measurement is missing'
		WHEN (SELECT bool_or(value <> split_part(metric, '_', 2)::int) FROM measured WHERE metric ~ '^nodes') THEN 'short: a plan has not the nodes that it should have'
		WHEN bool_or(low > budget) THEN 'short: ' || string_agg(what, '; ') FILTER (WHERE low > budget)
		WHEN bool_or(high > budget) THEN 'noisy: ' || string_agg(what, '; ') FILTER (WHERE high > budget)
		ELSE 'ok' END AS verdict
	FROM result;
SELECT 'what', 'measured', '95 % interval', 'budget', 'unit';
SELECT what, round(median::numeric, 2), round(low::numeric, 2) || ' .. ' || round(high::numeric, 2), budget, unit FROM result ORDER BY position;
SELECT 'beside them', 'measured', '-', '-', '-';
SELECT 'lookup by primary key, backend CPU, without', round((percentile_cont(0.5) WITHIN GROUP (ORDER BY value) / 1000)::numeric, 2), '-', '-', 'us'
	FROM measured WHERE metric = 'lookup_off';
SELECT 'our engine asked by a backend, p50 (kept-alive mutual TLS)', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY value)::numeric), '-', '-', 'us'
	FROM measured WHERE metric = 'engine_us';
SELECT 'published: T3, a prediction (its authors'' machine)', 4, '-', '-', 'us';
SELECT 'published: Stage, from its cache', 2, '-', '-', 'us';
SELECT 'published: Stage, by its local model', 1000, '-', '-', 'us';
