-- EXPLAIN (PREDICTOR) against EXPLAIN of one statement, in turns.
SET predictor.capture = off;
SELECT of_10(:round) AS query \gset
CREATE FUNCTION pg_temp.in_turns(query text, turns int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	times float8[] := '{}';
	line text;
	t0 timestamptz; t1 timestamptz; t2 timestamptz;
BEGIN
	FOR i IN 1 .. turns LOOP
		t0 := clock_timestamp();
		FOR line IN EXECUTE 'EXPLAIN ' || query LOOP END LOOP;
		t1 := clock_timestamp();
		FOR line IN EXECUTE 'EXPLAIN (PREDICTOR bench) ' || query LOOP END LOOP;
		t2 := clock_timestamp();
		times := times || (extract(epoch FROM t2 - t1) - extract(epoch FROM t1 - t0))::float8 * 1e6;
	END LOOP;
	RETURN (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) t);
END $$;
EXPLAIN :query \g /dev/null
EXPLAIN (PREDICTOR bench) :query \g /dev/null
SELECT 'explain', :round, pg_temp.in_turns(:'query', 200);
