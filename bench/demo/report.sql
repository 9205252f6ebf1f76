-- Prints what measure.sql has found, in three tables, and leaves the verdict in demo.verdict.

\pset border 1
\pset footer off
\pset linestyle ascii

-- Milliseconds with the digits that mean something.
CREATE FUNCTION demo.ms(value float8) RETURNS numeric LANGUAGE sql
RETURN round(value::numeric, CASE WHEN value < 1 THEN 3 WHEN value < 10 THEN 2 WHEN value < 100 THEN 1 ELSE 0 END);

CREATE VIEW demo.result AS
SELECT s.*, cost_ms, greatest(predicted_ms / actual_ms, actual_ms / predicted_ms) AS error,
	greatest(cost_ms / actual_ms, actual_ms / cost_ms) AS cost_error, actual_ms BETWEEN low_ms AND high_ms AS covered
FROM demo.statement AS s, demo.baseline, LATERAL (SELECT exp(intercept + slope * ln(cost)) AS cost_ms) AS fitted
WHERE actual_ms IS NOT NULL;

CREATE VIEW demo.summary AS
SELECT purpose, count(*) AS statements, count(DISTINCT template) AS templates,
	percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY error) AS error,
	percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY cost_error) AS cost_error,
	avg(covered::integer) AS coverage, count(*) FILTER (WHERE error IS NULL) AS unanswered
FROM demo.result GROUP BY purpose;

\qecho 'Twenty of the tested statements, one of each template as far as they go (unseen: no statement of its template was trained on):'
WITH chosen AS (
	SELECT *, row_number() OVER (PARTITION BY template ORDER BY position) AS nth,
		dense_rank() OVER (PARTITION BY purpose ORDER BY md5(template)) AS place
	FROM demo.result
)
SELECT CASE purpose WHEN 'unseen' THEN '* ' ELSE '  ' END || left(regexp_replace(text, '\s+', ' ', 'g'), 62) AS "statement (* unseen)",
	demo.ms(predicted_ms) AS "predicted ms", demo.ms(low_ms) || ' - ' || demo.ms(high_ms) AS "90% interval",
	demo.ms(actual_ms) AS "actual ms", round(error::numeric, 2) AS "q-error"
FROM chosen WHERE nth = 1 AND (purpose = 'unseen' OR place <= 20 - (SELECT count(*) FROM demo.template WHERE is_held_out))
ORDER BY purpose, actual_ms;

\qecho 'One of them in full, with what was predicted for every operator:'
SELECT text, 'EXPLAIN (ANALYZE, PREDICTOR demo) ' || text AS explain FROM demo.result
WHERE template = 'shipping priority' ORDER BY abs(ln(actual_ms) - ln(20)) LIMIT 1 \gset
\qecho :text
\pset tuples_only on
\pset format unaligned
SET predictor.enabled = on;
:explain;
SET predictor.enabled = off;
\pset format aligned
\pset tuples_only off

\qecho
\qecho 'q-error (predicted/actual or actual/predicted, whichever is more; 1 is perfect), on the same statements:'
WITH rows AS (
	SELECT purpose, CASE purpose WHEN 'seen' THEN 'seen templates, unseen parameters' ELSE 'unseen templates' END AS what,
		statements, 1 AS place, 'Predictor' AS predictor, error AS e, coverage FROM demo.summary
	UNION ALL
	SELECT purpose, '', NULL, 2, 'calibrated planner cost', cost_error, NULL FROM demo.summary
)
SELECT what AS "tested on", statements, predictor AS "predicted by", round(e[1]::numeric, 2) AS p50, round(e[2]::numeric, 2) AS p90,
	round(e[3]::numeric, 2) AS p95, round(100 * coverage::numeric, 1) || ' %' AS "actual within interval"
FROM rows ORDER BY purpose, place;

SELECT format('calibrated planner cost: ms = %s * cost ^ %s, fitted to %s of the training statements',
	round(exp(intercept)::numeric, 5), round(slope::numeric, 3), statements) AS baseline FROM demo.baseline \gset
\qecho :baseline

-- What the demo promises, each as a line that says by how much it is missed; no line, no shortfall.
CREATE VIEW demo.verdict AS
SELECT format('%s statements were not predicted', unanswered) AS shortfall FROM demo.summary WHERE unanswered > 0
UNION ALL
SELECT format('p%s on seen templates is %s, the planner cost''s is %s', percent, round(error[i]::numeric, 2), round(cost_error[i]::numeric, 2))
FROM demo.summary, (VALUES (1, 50), (3, 95)) AS judged (i, percent) WHERE purpose = 'seen' AND NOT error[i] < cost_error[i]
UNION ALL
SELECT format('p50 on unseen templates is %s, more than 1.25 times the planner cost''s %s', round(error[1]::numeric, 2), round(cost_error[1]::numeric, 2))
FROM demo.summary WHERE purpose = 'unseen' AND NOT error[1] <= 1.25 * cost_error[1]
UNION ALL
SELECT format('%s statements on seen templates were tested, 200 are needed', statements)
FROM (SELECT coalesce(sum(statements), 0) AS statements FROM demo.summary WHERE purpose = 'seen') AS tested WHERE statements < 200;
