-- Every statement adds to its plan's aggregate; which of them become records is a matter of rates.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS predictor;
RESET client_min_messages;
SELECT predictor.flush();
SELECT predictor.reset_history();

CREATE TABLE sampled (id int PRIMARY KEY, a int);
INSERT INTO sampled SELECT g, g % 10 FROM generate_series(1, 1000) g;
ANALYZE sampled;
CREATE FUNCTION counter(wanted text) RETURNS bigint LANGUAGE sql AS
  'SELECT value FROM predictor.stat WHERE name = wanted';
CREATE VIEW known AS SELECT a.* FROM predictor.aggregates() a
  JOIN pg_database d ON d.oid = a.database AND d.datname = current_database();

-- one plan, whatever its constants: three calls
SELECT a FROM sampled WHERE id = 1;
SELECT a FROM sampled WHERE id = 2;
SELECT a FROM sampled WHERE id = 3;
SET predictor.enabled = off;
SELECT calls, total_ms > 0 AS timed, mean_log_ms < 10 AS plausible, stddev_log_ms >= 0 AS spread
  FROM known WHERE calls = 3;
SELECT count(*) AS plans FROM predictor.plan_statistics WHERE calls = 3 AND database = current_database();

-- what runs inside DO, CALL and functions is not at the top ...
CREATE PROCEDURE work() LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..5 LOOP
    PERFORM count(*) FROM sampled WHERE a < 5;
  END LOOP;
END $$;
SELECT counter('seen') AS seen \gset
SET predictor.enabled = on;
DO 'BEGIN CALL work(); END';
CALL work();
SET predictor.enabled = off;
SELECT counter('seen') - :seen AS at_the_top;
-- ... and is seen by track = all
SET predictor.track = 'all';
SET predictor.enabled = on;
CALL work();
SET predictor.enabled = off;
SELECT counter('seen') - :seen AS everywhere;
SELECT calls FROM known WHERE calls = 5;
RESET predictor.track;

-- what planning runs to fold a constant is not at the top either
CREATE FUNCTION looks_up(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
  'BEGIN RETURN (SELECT a FROM sampled WHERE id = i); END';
SELECT counter('seen') AS seen \gset
SET predictor.enabled = on;
SELECT looks_up(1) = looks_up(11) AS folded;
SET predictor.enabled = off;
SELECT counter('seen') - :seen AS at_the_top;

-- a statement that EXPLAIN ANALYZE times is counted, and stays out of the typical time
SELECT predictor.forget_aggregates();
SET predictor.enabled = on;
DO $$ BEGIN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF) SELECT sum(a) FROM sampled'; END $$;
SET predictor.track = 'all';
DO $$ BEGIN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF) SELECT sum(a) FROM sampled'; END $$;
SET predictor.enabled = off;
RESET predictor.track;
SELECT calls, mean_log_ms IS NULL AS untimed FROM known WHERE calls = 1 AND mean_log_ms IS NULL;

-- the planner's time is the statement's own, once
SELECT predictor.flush();
SELECT predictor.reset_history();
SET plan_cache_mode = force_generic_plan;
PREPARE lookup (int) AS SELECT a FROM sampled WHERE id = $1;
SET predictor.enabled = on;
EXECUTE lookup (1);
EXECUTE lookup (2);
SET predictor.enabled = off;
RESET plan_cache_mode;
SELECT predictor.flush();
SELECT planning_ms > 0 AS planned, total_ms > 0 AS timed FROM predictor.executions ORDER BY id;
SELECT executions, operator, nodes FROM predictor.plans;

-- memory that cannot be had costs a record and no statement
SELECT counter('dropped_no_memory') AS dropped, counter('captured') AS captured \gset
SET predictor.fail_allocations = -1;
SET predictor.enabled = on;
SELECT a FROM sampled WHERE id = 1;
SELECT count(*) FROM sampled WHERE a = 1;
SET statement_timeout = '20ms';
SELECT count(*) FROM sampled, pg_sleep(10);
RESET statement_timeout;
SET predictor.enabled = off;
SELECT counter('dropped_no_memory') - :dropped AS dropped, counter('captured') - :captured AS captured;
-- the second of a statement's two allocations fails
SELECT counter('dropped_no_memory') AS dropped \gset
SET predictor.enabled = on;
SET predictor.fail_allocations = 2;
SELECT a FROM sampled WHERE id = 1;
SELECT a FROM sampled WHERE id = 1;
SET predictor.enabled = off;
SELECT counter('dropped_no_memory') - :dropped AS dropped, counter('captured') - :captured AS captured;
RESET predictor.fail_allocations;

-- more statements at a time than are tracked: all of them run
SELECT predictor.forget_aggregates();
SET predictor.track = 'all';
CREATE FUNCTION deep(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF n = 0 THEN RETURN (SELECT a FROM sampled WHERE id = 7); END IF;
  RETURN (SELECT deep(n - 1) FROM sampled WHERE id = 1);
END $$;
SET predictor.enabled = on;
SELECT deep(60);
SET predictor.enabled = off;
SELECT max(calls) >= 20 AS tracked FROM known;
RESET predictor.track;

-- cursors that are open side by side each have their own time
SELECT predictor.flush();
SELECT predictor.reset_history();
SET predictor.enabled = on;
BEGIN;
DECLARE one CURSOR FOR SELECT id FROM sampled ORDER BY id;
DECLARE two CURSOR FOR SELECT a FROM sampled ORDER BY id DESC;
FETCH 1 FROM one;
FETCH 1 FROM two;
MOVE ALL FROM one;
CLOSE two;
CLOSE one;
COMMIT;
-- an error in one of two leaves the other
BEGIN;
DECLARE one CURSOR FOR SELECT a FROM sampled WHERE id = 5;
SAVEPOINT before_error;
SELECT 1 / (a - a) FROM sampled WHERE id = 6;
ROLLBACK TO before_error;
FETCH ALL FROM one;
CLOSE one;
COMMIT;
SET predictor.enabled = off;
SELECT predictor.flush();
SELECT count(*) AS recorded, count(*) FILTER (WHERE e.flags & 2 <> 0) AS partial FROM predictor.execution e;

-- however fast a plan is executed, a second has no more captures than were asked for
SELECT predictor.flush();
SELECT counter('captured') AS captured, counter('not_sampled') AS not_sampled,
  extract(epoch FROM clock_timestamp()) AS began \gset
SET predictor.track = 'all';
SET predictor.enabled = on;
DO 'BEGIN FOR i IN 1..20000 LOOP PERFORM a FROM sampled WHERE id = 1; END LOOP; END';
SET predictor.enabled = off;
RESET predictor.track;
SELECT counter('captured') - :captured <= current_setting('predictor.max_captures_per_second')::int
    * (1 + extract(epoch FROM clock_timestamp()) - :began) + 1 AS bounded,
  counter('captured') > :captured AS sampled, counter('not_sampled') > :not_sampled AS passed_over;
SELECT max(calls) >= 20000 AS all_known FROM known;

SELECT predictor.reset_history();
DROP VIEW known;
DROP FUNCTION counter(text), looks_up(int), deep(int);
DROP PROCEDURE work();
DROP TABLE sampled;
RESET predictor.enabled;
