-- Tests: each statement is predicted first, then planned for its cost, then run for its actual time, which is measured as
-- a client would feel it, without a timer in every operator. Nothing of this is captured. Needs model demo.

-- ms = exp(intercept) * cost ^ slope, fitted to the training statements that were captured without timers, which is how
-- the test measures; of the least-squares line and the same line moved to the median, the one with the smaller median
-- error on them, since a median error is what it is judged by.
CREATE TABLE demo.baseline AS
WITH captured AS (
	SELECT ln(total_cost) AS x, ln(total_ms) AS y FROM predictor.executions
	WHERE NOT timed_out AND instrumentation <> 'timers' AND total_ms > 0 AND total_cost > 0
), line AS (
	SELECT regr_slope(y, x) AS slope, regr_intercept(y, x) AS intercept, count(*) AS statements FROM captured
), moved AS (
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY y - intercept - slope * x) AS shift FROM captured, line
), candidate AS (
	SELECT slope, intercept + shift * moves AS intercept, statements,
		(SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(y - intercept - shift * moves - slope * x)) FROM captured) AS error
	FROM line, moved, (VALUES (0), (1)) AS choice (moves)
)
SELECT slope, intercept, statements FROM candidate ORDER BY error LIMIT 1;

CREATE PROCEDURE demo.measure(VARIADIC purposes text[]) LANGUAGE plpgsql AS $$
DECLARE
	tested record;
	predicted record;
	plan json;
	run json;
BEGIN
	FOR tested IN SELECT id, text FROM demo.statement WHERE purpose = ANY (purposes) ORDER BY position LOOP
		PERFORM set_config('predictor.enabled', 'on', false);
		SELECT * INTO predicted FROM predictor.predict_total(tested.text, model => 'demo');
		PERFORM set_config('predictor.enabled', 'off', false);
		EXECUTE 'EXPLAIN (FORMAT JSON) ' || tested.text INTO plan;
		EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ' || tested.text INTO run;
		UPDATE demo.statement SET predicted_ms = predicted.total_ms, low_ms = predicted.low_ms, high_ms = predicted.high_ms,
			source = predicted.source, out_of_distribution = predicted.out_of_distribution,
			cost = (plan -> 0 -> 'Plan' ->> 'Total Cost')::float8, actual_ms = (run -> 0 ->> 'Execution Time')::float8
		WHERE id = tested.id;
		-- What was measured stays, and no statement sees the locks of another.
		COMMIT;
	END LOOP;
END
$$;

CALL demo.measure('seen', 'unseen');
