-- The names and answers of openGauss's Predictor, on top of what extension predictor records.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS predictor;
RESET client_min_messages;
CREATE EXTENSION predictor_opengauss;
\d opengauss.gs_opt_model

-- A node's encoding, to the bit.
SELECT opengauss.encode_plan_node('HASH', 'ROW', '', '', 1, ' ', ' public.part.p_partkey, public.part.p_mfgr')
	= '1.000 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 0 1 1 0 1 0 0 0 0 1 1 1 0 1 0 1 1 0 0 0 0 ' AS same;
SELECT opengauss.encode_plan_node('SCAN', 'ROW', 'SEQ', '', 1,
	'  && (((public.part.p_type)::text ~~ ''SMALL%''::text) AND (public.part.p_size = 15))',
	' public.part.p_partkey, public.part.p_mfgr')
	= '1.000 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 0 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 0 0 1 1 0 1 1 0 0 0 1 1 1 0 1 0 1 1 0 0 0 0 ' AS same;
SELECT opengauss.text_hash('public.t.a') AS hash;
SELECT opengauss.encode_plan_node('SCAN', 'ROW', NULL, NULL, NULL, NULL, NULL)
	= opengauss.encode_plan_node('SCAN', 'ROW', ' ', ' ', 0, ' ', ' ') AS same;
SELECT opengauss.encode_plan_node(NULL, 'ROW', '', '', 1, '', '');
SELECT opengauss.encode_plan_node('SCAN', NULL, '', '', 1, '', '');

-- Engines: what is no address, and what was not allowed in the configuration file.
SELECT opengauss.check_engine_status(NULL, '1') IS NULL AS unknown;
SELECT opengauss.check_engine_status(' ', '5000');
SELECT opengauss.check_engine_status('11.11.11', '5000');
SELECT opengauss.check_engine_status('1.2.3.1000', '5000');
SELECT opengauss.check_engine_status('127.0.0.1', '0');
SELECT opengauss.check_engine_status('127.0.0.1', '-1');
SELECT opengauss.check_engine_status('127.0.0.1', '65537');
SELECT opengauss.check_engine_status('127.0.0.1', '60006');
ALTER SYSTEM SET predictor.opengauss_engines = '127.0.0.1:60006';

-- Operators of what ran: nothing of what other sessions left is timed by chance and stored late.
SELECT predictor.flush(), predictor.reset_history();
SET predictor.capture = 'operators';
SET predictor.operator_sample_rate = 1;
CREATE TABLE part AS SELECT g AS p_partkey, 'secret ' || g % 7 AS p_type FROM pg_catalog.generate_series(1, 5000) g;
ANALYZE part;
SELECT count(*) FROM part a JOIN part b USING (p_partkey) WHERE a.p_type = 'secret 3';
SELECT opengauss.create_wlm_operator_info(1);
CREATE TEMP TABLE seen AS SELECT o.* FROM opengauss.gs_wlm_plan_operator_info o
	WHERE o.queryid = (SELECT max(queryid) FROM opengauss.gs_wlm_plan_operator_info WHERE operation = 'JOIN');
SELECT datname = current_database() AS here, plan_node_id, parent_node_id, left_child_id, right_child_id,
	query_dop, operation, orientation, strategy, actual_rows, total_time >= startup_time AS times
	FROM seen ORDER BY plan_node_id;
SELECT count(*) AS literals FROM seen WHERE seen::text LIKE '%secret%';

-- Their texts, where they are known.
SELECT count(*) AS nodes FROM seen WHERE condition ~ '^ ' AND projection = ' ';
INSERT INTO predictor.plan_text (signature, query_id, condition, projection)
	SELECT signature, query_id, ARRAY[' ', '  && (a = b) &&  && ', NULL, ' ', '  && (c = ?)'],
		ARRAY[' count(*)', ' public.part.p_key', ' ?', ' x', NULL]
	FROM predictor.execution WHERE id = (SELECT min(queryid) FROM seen);
SELECT plan_node_id, operation, o.condition = s.condition AS same, CASE WHEN o.condition <> s.condition THEN o.condition END AS condition, o.projection
	FROM opengauss.gs_wlm_plan_operator_info o JOIN seen s USING (queryid, plan_node_id, operation) ORDER BY plan_node_id;
SELECT count(*) > 0 AS recent FROM opengauss.gs_wlm_plan_operator_history;
SELECT count(*) > 0 AS recent FROM opengauss.gs_stat_get_wlm_plan_operator_info(0);

-- Encoded, once.
SELECT opengauss.gather_encoding_info(current_database());
SELECT opengauss.gather_encoding_info(current_database());
SELECT opengauss.gather_encoding_info('no such database');
SELECT count(*) = (SELECT count(*) FROM seen) AS all_there,
	bool_and(pg_catalog.array_length(pg_catalog.string_to_array(pg_catalog.rtrim(encode), ' '), 1) = 67) AS of_67
	FROM opengauss.gs_wlm_plan_encoding_table WHERE queryid = (SELECT min(queryid) FROM seen);

-- Nothing for PUBLIC, reading for pg_monitor.
CREATE ROLE regress_nobody;
CREATE ROLE regress_monitor IN ROLE pg_monitor;
SET ROLE regress_nobody;
SELECT count(*) FROM opengauss.gs_wlm_plan_operator_info;
SELECT opengauss.check_engine_status('127.0.0.1', '60006');
SET ROLE regress_monitor;
SELECT count(*) > 0 AS reads FROM opengauss.gs_wlm_plan_operator_info;
SELECT opengauss.gather_encoding_info('x');
RESET ROLE;
DROP ROLE regress_nobody, regress_monitor;
DROP TABLE part;
DROP EXTENSION predictor_opengauss;
