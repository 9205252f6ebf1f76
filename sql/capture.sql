-- Statements that run become rows of predictor.executions and predictor.plan_nodes.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS predictor;
RESET client_min_messages;

CREATE TABLE captured (id int PRIMARY KEY, a int, b text);
INSERT INTO captured SELECT g, g % 10, 'row ' || g FROM generate_series(1, 1000) g;
ANALYZE captured;
SELECT predictor.flush();

-- from here on, look only at what this test runs
CREATE TEMP VIEW mine AS
  SELECT e.* FROM predictor.executions e WHERE e.id > current_setting('test.last')::bigint;
SELECT set_config('test.last', coalesce(max(id), 0)::text, false) IS NOT NULL AS marked
  FROM predictor.executions;
SELECT predictor.flush();
SELECT set_config('test.last', coalesce(max(id), 0)::text, false) IS NOT NULL AS marked
  FROM predictor.executions;

SET predictor.operator_sample_rate = 1;
SELECT count(*) FROM captured WHERE a = 3;
SELECT count(*) FROM captured WHERE a = 4;
SET predictor.enabled = off;
SELECT count(*) FROM captured WHERE b = 'row 1';
SELECT predictor.flush();

-- two executions of one plan that differ in their constants, measured node by node
SELECT count(*), count(DISTINCT signature) AS plans, count(DISTINCT constants) AS constants,
       count(DISTINCT query_id) AS queries, bool_and(total_ms > 0) AS timed,
       bool_and(instrumentation = 'timers') AS timers, max(nodes) AS nodes
  FROM mine WHERE nodes = 2 AND plan_rows = 1;
SELECT n.node, n.parent, n.operator, n.actual_rows, n.actual_loops,
       n.actual_total_ms > 0 AS timed, n.actual_startup_ms <= n.actual_total_ms AS ordered
  FROM predictor.plan_nodes n JOIN mine m ON m.id = n.execution
  WHERE m.nodes = 2 AND m.plan_rows = 1 ORDER BY n.execution, n.node;

-- an error is counted, a timeout is a lower bound
CREATE TEMP TABLE before AS SELECT * FROM predictor.stat;
SET predictor.enabled = on;
SELECT count(*) FROM captured WHERE 1 / (a - a) > 0;
SET statement_timeout = '20ms';
SELECT count(*) FROM captured, pg_sleep(10);
RESET statement_timeout;
SET predictor.enabled = off;
SELECT predictor.flush();
SELECT s.name, s.value - b.value AS more FROM predictor.stat s JOIN before b USING (name)
  WHERE s.name IN ('failed_statements', 'cancelled_statements') ORDER BY 1;
SELECT timed_out, total_ms IS NULL AS unknown FROM mine WHERE timed_out;

-- five custom plans and a generic one of a prepared statement are one plan; equal values are equal
SET predictor.enabled = on;
SET plan_cache_mode = force_custom_plan;
PREPARE find (int) AS SELECT b FROM captured WHERE id = $1;
EXECUTE find (17);
EXECUTE find (18);
SET plan_cache_mode = force_generic_plan;
EXECUTE find (17);
RESET plan_cache_mode;
SELECT b FROM captured WHERE id = 17;
SET predictor.enabled = off;
SELECT predictor.flush();
SELECT count(*), count(DISTINCT signature) AS plans, count(DISTINCT constants) AS constants
  FROM mine m WHERE nodes = 1 AND plan_rows = 1 AND EXISTS (
    SELECT 1 FROM predictor.plan_nodes n WHERE n.execution = m.id AND n.operator = 'Index Scan');

-- levels of capture
SET predictor.enabled = on;
SET predictor.capture = 'rows';
SELECT sum(a) FROM captured WHERE a < 5;
SET predictor.capture = 'statement';
SELECT sum(a) FROM captured WHERE a < 6;
SET predictor.capture = 'off';
SELECT sum(a) FROM captured WHERE a < 7;
RESET predictor.capture;
SET predictor.min_duration = '1h';
SELECT sum(a) FROM captured WHERE a < 8;
RESET predictor.min_duration;
SET predictor.enabled = off;
SELECT predictor.flush();
SELECT m.instrumentation, n.actual_rows, n.actual_total_ms IS NULL AS untimed
  FROM mine m JOIN predictor.plan_nodes n ON n.execution = m.id
  WHERE n.operator = 'Seq Scan' AND n.plan_rows > 400 AND NOT m.timed_out ORDER BY 1;

-- a part of a result is not the time of the whole
SELECT count(*) AS partial FROM predictor.execution WHERE flags & 2 <> 0;
SET predictor.enabled = on;
BEGIN;
DECLARE part CURSOR FOR SELECT * FROM captured;
FETCH 3 FROM part;
CLOSE part;
COMMIT;
SET predictor.enabled = off;
SELECT predictor.flush();
SELECT count(*) AS partial FROM predictor.execution WHERE flags & 2 <> 0;

-- our own functions are not work of the user's
SELECT value AS captured FROM predictor.stat WHERE name = 'captured' \gset
SET predictor.enabled = on;
SELECT predictor.flush();
SET predictor.enabled = off;
SELECT value = :captured AS not_recorded FROM predictor.stat WHERE name = 'captured';

-- one row for each plan
SELECT count(*) AS signatures_without_plan FROM predictor.execution e
  WHERE NOT EXISTS (SELECT 1 FROM predictor.plan p WHERE p.signature = e.signature);
RESET predictor.enabled;
DROP TABLE captured;
