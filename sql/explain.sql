-- EXPLAIN (PREDICTOR [model]): its options, what it says where there is no prediction, and its output.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS predictor;
RESET client_min_messages;

CREATE TABLE explained (id int PRIMARY KEY, a int, b text);
INSERT INTO explained SELECT g, g % 10, 'row ' || g FROM generate_series(1, 1000) g;
VACUUM ANALYZE explained;

-- without a model: the plain plan, and one line that says why; a WARNING where a model was named
EXPLAIN (PREDICTOR) SELECT * FROM explained WHERE id = 1;
EXPLAIN (PREDICTOR nobody, COSTS OFF) SELECT * FROM explained WHERE id = 1;
EXPLAIN (PREDICTOR "No Body", COSTS OFF) SELECT * FROM explained WHERE id = 1;
SELECT predictor.create_model('explain_test') IS NOT NULL AS made;
-- of a model without any version nothing can be said
UPDATE predictor.model SET active_version = NULL WHERE name = 'explain_test';
EXPLAIN (PREDICTOR, COSTS OFF) SELECT * FROM explained WHERE id = 1;
EXPLAIN (PREDICTOR explain_test, COSTS OFF) SELECT * FROM explained WHERE id = 1;
SET predictor.enabled = off;
EXPLAIN (PREDICTOR explain_test, COSTS OFF) SELECT * FROM explained WHERE id = 1;
RESET predictor.enabled;
-- one line for a command, whatever the number of its plans
CREATE TABLE explained_log (id int);
CREATE RULE also AS ON INSERT TO explained DO ALSO INSERT INTO explained_log VALUES (NEW.id);
EXPLAIN (PREDICTOR, COSTS OFF) INSERT INTO explained VALUES (0);
DROP RULE also ON explained;

-- what a user can get wrong
EXPLAIN (PREDICTOR a, COSTS OFF, PREDICTOR b) SELECT 1;
EXPLAIN (PREDICTOR 5) SELECT 1;
EXPLAIN (PREDICTOR 1.5) SELECT 1;
EXPLAIN (PREDICTOR '') SELECT 1;
EXPLAIN (PREDICTOR, PREDICT) SELECT 1;
EXPLAIN (PREDICTOR, FORMAT picture) SELECT 1;
EXPLAIN (PREDICTOR, COSTS perhaps) SELECT 1;
EXPLAIN (PREDICTOR, WAL) SELECT 1;
EXPLAIN (PREDICTOR) SELECT nothing FROM explained;
EXPLAIN (PREDICTOR) SELECT * FROM nothing;

-- statements that have no plan have no prediction
EXPLAIN (PREDICTOR) CREATE TABLE IF NOT EXISTS explained AS SELECT 1;

-- with a model: one line for each node, one for the plan; numbers are masked, since they are its own
UPDATE predictor.model SET active_version = 0 WHERE name = 'explain_test';
CREATE FUNCTION masked(command text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE command LOOP
		CONTINUE WHEN line ~ '^ *Index Searches: ';
		line := regexp_replace(line, '\(actual rows=[0-9.]+ loops=1\)', '(actual rows=N loops=1)');
		line := regexp_replace(line, '(Predict[^\n]* time=)[0-9.]+', '\1N..N');
		line := regexp_replace(line, '90% [0-9.]+', '90% N..N');
		line := regexp_replace(line, '(Predicted:[^\n]*) rows=[0-9]+ loops=[0-9]+', '\1 rows=N loops=N');
		line := regexp_replace(line, 'source=\w+', 'source=S');
		line := regexp_replace(line, ' age=[0-9]+ (s|min|h|d)', '');
		line := regexp_replace(line, ' memory=[0-9]+kB| out of distribution \(strangeness [01][.][0-9][0-9]\)', '');
		line := regexp_replace(line, '("(?:Total Time|Low|High|Calibration Age)": )[0-9.]+', '\1"N"', 'g');
		line := regexp_replace(line, '"Source": "\w+"', '"Source": "S"');
		line := regexp_replace(line, '("Out Of Distribution": )\w+', '\1"B"');
		line := regexp_replace(line, '("Strangeness": )[0-9.]+', '\1"N"');
		RETURN NEXT line;
	END LOOP;
END $$;
SELECT masked('EXPLAIN (PREDICTOR, COSTS OFF) SELECT a, count(*) FROM explained WHERE id > 5 GROUP BY a');
SELECT masked('EXPLAIN (PREDICTOR explain_test, ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT * FROM explained WHERE id = 7');
SELECT j->0->'Prediction' AS prediction,
       (SELECT array_agg(k) FROM json_object_keys(j->0->'Plan') k WHERE k LIKE 'Predicted %' AND k <> 'Predicted Memory') AS keys
  FROM masked('EXPLAIN (PREDICTOR, FORMAT JSON) SELECT count(*) FROM explained') m, CAST(m AS json) j;
-- EXPLAIN of EXECUTE, and of a rule's two plans
PREPARE one (int) AS SELECT * FROM explained WHERE id = $1;
SELECT masked('EXPLAIN (PREDICTOR, COSTS OFF) EXECUTE one (3)');
CREATE RULE also AS ON INSERT TO explained DO ALSO INSERT INTO explained_log VALUES (NEW.id);
SELECT masked('EXPLAIN (PREDICTOR, COSTS OFF) INSERT INTO explained VALUES (0)');
EXPLAIN (PREDICTOR nobody, COSTS OFF) SELECT * FROM explained WHERE id = 1;
SET predictor.enabled = off;
EXPLAIN (PREDICTOR explain_test, COSTS OFF) SELECT * FROM explained WHERE id = 1;
RESET predictor.enabled;

SELECT predictor.drop_model('explain_test');
DROP FUNCTION masked;
DROP TABLE explained, explained_log;
