-- The way through the manual of openGauss's Predictor, command by command, as docs/opengauss.md has it for PostgreSQL:
-- collect, encode, define a model, train, track, predict, maintain.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS predictor;
CREATE EXTENSION IF NOT EXISTS predictor_opengauss;
RESET client_min_messages;
-- openGauss has its names in pg_catalog, PostgreSQL where the extension puts them
SET search_path = public, opengauss;

-- Collect: instead of resource_track_level = operator, resource_track_cost = 10 and resource_track_duration = 0
SET predictor.capture = 'operators';
SET predictor.operator_sample_rate = 1;
SET max_parallel_workers_per_gather = 0;
SET jit = off;
CREATE TABLE region AS SELECT g AS r_key, g % 5 AS r_part FROM generate_series(1, 2000) g;
CREATE TABLE nation AS SELECT g AS n_key, g % 2000 AS n_region FROM generate_series(1, 20000) g;
ANALYZE region, nation;
SET predictor.track = 'all';
DO $$
BEGIN
	FOR i IN 1..20 LOOP
		EXECUTE 'SELECT count(*) FROM region WHERE r_key <> ' || i;
		EXECUTE 'SELECT count(*) FROM nation JOIN region ON n_region = r_key WHERE n_key <> ' || i;
	END LOOP;
END
$$;
SET predictor.capture = 'statement';
SELECT create_wlm_operator_info(1);
SELECT count(*) > 0 AS collected FROM gs_wlm_plan_operator_info WHERE operation = 'JOIN' AND strategy = 'HASH';
SELECT count(*) > 0 AS in_memory FROM gs_wlm_plan_operator_history;
-- what openGauss says when it does not collect
SELECT count(*) >= 0 AS asked FROM gs_stat_get_wlm_plan_operator_info(0);

-- Encode
DELETE FROM gs_wlm_plan_encoding_table;
SELECT gather_encoding_info('regression');
SELECT count(*) > 0 AS encoded FROM gs_wlm_plan_encoding_table;

-- Define a model, with the statement of the manual; names of databases and numbers may be others
INSERT INTO gs_opt_model VALUES('rlstm', 'open_ai', 'regression', '127.0.0.1', 5000, 2000, 1, -1, 64, 512, 0, false, false, '{S, T}', '{0,0}', '{0,0}', 'Text');
UPDATE gs_opt_model SET max_epoch = 10, hidden_units = 16, batch_size = 64, label = '{T, R}' WHERE model_name = 'open_ai';

-- What is asked in the wrong way is refused as openGauss does
SELECT * FROM model_train_opt('rlstm', NULL);
SELECT * FROM model_train_opt('tree', 'open_ai');
SELECT * FROM model_train_opt('rlstm', 'nobody');
BEGIN;
UPDATE gs_opt_model SET label = NULL;
SELECT * FROM model_train_opt('rlstm', 'open_ai');
ROLLBACK;
BEGIN;
UPDATE gs_opt_model SET label = '{}';
SELECT * FROM model_train_opt('rlstm', 'open_ai');
ROLLBACK;
BEGIN;
UPDATE gs_opt_model SET label = '{T, NULL}';
SELECT * FROM model_train_opt('rlstm', 'open_ai');
ROLLBACK;
BEGIN;
UPDATE gs_opt_model SET label = '{T, T}';
SELECT * FROM model_train_opt('rlstm', 'open_ai');
ROLLBACK;
BEGIN;
UPDATE gs_opt_model SET label = '{T, x}';
SELECT * FROM model_train_opt('rlstm', 'open_ai');
ROLLBACK;
BEGIN;
UPDATE gs_opt_model SET batch_size = -1;
SELECT * FROM model_train_opt('rlstm', 'open_ai');
ROLLBACK;
SELECT track_model_train_opt(NULL, 'open_ai');
SELECT track_model_train_opt('rlstm', NULL);
SELECT track_model_train_opt('rlstm', 'nobody');
CREATE ROLE regress_admin;
GRANT USAGE ON SCHEMA opengauss TO regress_admin;
GRANT EXECUTE ON FUNCTION model_train_opt(text, text) TO regress_admin;
SET ROLE regress_admin;
SELECT * FROM model_train_opt('rlstm', 'open_ai');
RESET ROLE;
DROP OWNED BY regress_admin;
DROP ROLE regress_admin;

-- EXPLAIN before the training
SET predictor.explain_style = opengauss;
EXPLAIN (COSTS OFF, PREDICTOR) SELECT 1;
EXPLAIN (COSTS OFF, PREDICTOR nobody) SELECT 1;
EXPLAIN (COSTS OFF, PREDICTOR open_ai) SELECT 1;

CREATE FUNCTION shown(command text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE command LOOP
		RETURN QUERY SELECT regexp_replace(l, '\d+(\.\d+)?', 'N', 'g') FROM string_to_table(line, E'\n') l;
	END LOOP;
END
$$;

-- a model of our own prints in this style too
SELECT predictor.create_model('own', template => 'cost') IS NOT NULL AS made;
SELECT shown('EXPLAIN (PREDICTOR own) SELECT count(*) FROM region');
SELECT predictor.drop_model('own');

-- From here on an engine is needed
SELECT current_setting('predictor.engine_program') <> '' AND
	(pg_stat_file(nullif(current_setting('predictor.engine_program'), ''), true)).size IS NULL AS has_no_engine \gset
\if :has_no_engine
DROP FUNCTION shown(text);
DROP TABLE region, nation;
DROP EXTENSION predictor_opengauss;
\quit
\endif

-- zero passes the first checks, and the engine refuses it
BEGIN;
UPDATE gs_opt_model SET hidden_units = 0;
SELECT * FROM model_train_opt('rlstm', 'open_ai');
ROLLBACK;
SELECT track_model_train_opt('rlstm', 'open_ai');

-- Train and track
SELECT startup_time_accuracy, total_time_accuracy >= 1 AS total_time, rows_accuracy >= 1 AS rows, peak_memory_accuracy
	FROM model_train_opt('rlstm', 'open_ai');
SELECT feature_size, is_training, available = (acc[1] <= 2 AND acc[2] <= 2) AS available, label, max[2] >= 19999 AS max_rows, array_length(acc, 1)
	FROM gs_opt_model;
SELECT track_model_train_opt('rlstm', 'open_ai') ~ '^/.*open_ai.*_log\.json$' AS log;

-- Predict. The model is said to be converged, or not to be, as it came out.
UPDATE gs_opt_model SET available = true;
SELECT shown('EXPLAIN (ANALYZE ON, PREDICTOR open_ai, SUMMARY OFF, BUFFERS OFF) SELECT count(*) FROM nation JOIN region ON n_region = r_key');
SELECT shown('EXPLAIN (COSTS OFF, PREDICTOR open_ai) SELECT count(*) FROM region');
SELECT btrim(l, ' ,') AS l FROM shown('EXPLAIN (FORMAT JSON, PREDICTOR open_ai) SELECT count(*) FROM region') l WHERE l ~ 'Width|Pred';
SELECT btrim(l, ' ,') AS l FROM shown('EXPLAIN (FORMAT YAML, PREDICTOR open_ai) SELECT count(*) FROM region') l WHERE l ~ 'Width|Pred';
SELECT btrim(l, ' ,') AS l FROM shown('EXPLAIN (FORMAT XML, PREDICTOR open_ai) SELECT count(*) FROM region') l WHERE l ~ 'Width|Pred';

-- States of a model
UPDATE gs_opt_model SET available = false;
SELECT shown('EXPLAIN (PREDICTOR open_ai) SELECT 1');
UPDATE gs_opt_model SET is_training = true;
SELECT shown('EXPLAIN (PREDICTOR open_ai) SELECT 1');
UPDATE gs_opt_model SET is_training = false, datname = 'elsewhere';
SELECT shown('EXPLAIN (PREDICTOR open_ai) SELECT 1');
UPDATE gs_opt_model SET datname = 'regression';
UPDATE trained_model SET bundle = substring(bundle, 1, 1000);
SELECT shown('EXPLAIN (PREDICTOR open_ai) SELECT 1');

-- Maintain
UPDATE gs_opt_model SET model_name = 'renamed' WHERE model_name = 'open_ai';
SELECT model_name FROM trained_model;
DELETE FROM gs_opt_model WHERE model_name = 'renamed';
SELECT count(*) AS trained FROM trained_model;
DELETE FROM gs_wlm_plan_encoding_table;
INSERT INTO gs_opt_model VALUES('rlstm', 'empty', 'regression', NULL, NULL, 20, 1, -1, 16, 64, 0, false, false, '{T}', '{0}', '{0}', 'Text');
SELECT * FROM model_train_opt('rlstm', 'empty');

RESET search_path;
DROP FUNCTION shown(text);
DROP TABLE region, nation;
DROP EXTENSION predictor_opengauss;
