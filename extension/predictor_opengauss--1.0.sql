/* extension/predictor_opengauss--1.0.sql - openGauss's names and answers, fed by what extension predictor records */

\echo Use "CREATE EXTENSION predictor_opengauss" to load this file. \quit

/* Nobody else may own the schema or have put anything there: see predictor--1.0.sql. */
DO $$
BEGIN
	IF EXISTS (
		SELECT 1 FROM pg_catalog.pg_namespace n
		WHERE n.nspname OPERATOR(pg_catalog.=) 'opengauss'::pg_catalog.name AND (
			NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r
				WHERE r.oid OPERATOR(pg_catalog.=) n.nspowner AND r.rolsuper)
			OR EXISTS (SELECT 1 FROM pg_catalog.aclexplode(n.nspacl) a
				WHERE a.privilege_type OPERATOR(pg_catalog.=) 'CREATE'::pg_catalog.text
				AND a.grantee OPERATOR(pg_catalog.<>) n.nspowner)
			OR EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
				WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
				AND d.refobjid OPERATOR(pg_catalog.=) n.oid
				AND d.classid OPERATOR(pg_catalog.<>) 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid)))
	THEN
		RAISE insufficient_privilege USING
			MESSAGE = 'schema "opengauss" exists already, and is not empty or not a superuser''s alone',
			HINT = 'Drop or rename it; CREATE EXTENSION makes its own.';
	END IF;
END
$$;

/* What the module does for the functions below. */

CREATE FUNCTION opengauss.text_hash(string text) RETURNS integer
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_opengauss_sql_hash';

CREATE FUNCTION opengauss.encode(
	operation text, orientation text, strategy text, options text, dop bigint,
	condition_hash integer, projection_hash integer) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_opengauss_sql_encode';

CREATE FUNCTION opengauss.node_words(operator smallint, strategy smallint, command smallint, join_type smallint)
RETURNS text[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_opengauss_sql_words';

CREATE FUNCTION opengauss.encode_node(
	operator smallint, strategy smallint, command smallint, workers integer, predicate bigint,
	text_hashes integer) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_opengauss_sql_encode_node';

CREATE FUNCTION opengauss.condition_shape(predicate bigint) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_opengauss_sql_shape';

CREATE FUNCTION opengauss.allowed_address(address text) RETURNS text
LANGUAGE C STABLE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_opengauss_sql_address';

CREATE FUNCTION opengauss.ask_engine(address text, route text, content_type text, body text) RETURNS text
LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_opengauss_sql_ask';

/* Models */

CREATE TABLE opengauss.gs_opt_model (
	template_name name NOT NULL,
	model_name name PRIMARY KEY,
	datname name NOT NULL,
	ip name,
	port integer,
	max_epoch integer,
	learning_rate real,
	dim_red real,
	hidden_units integer,
	batch_size integer,
	feature_size integer,
	available boolean,
	is_training boolean,
	label "char"[],
	max bigint[],
	acc real[],
	description text
);

/* What was trained for a model. EXPLAIN answers with it in the backend, without an engine. */
CREATE TABLE opengauss.trained_model (
	model_name name PRIMARY KEY REFERENCES opengauss.gs_opt_model ON UPDATE CASCADE ON DELETE CASCADE,
	bundle bytea NOT NULL
);
ALTER TABLE opengauss.trained_model ALTER COLUMN bundle SET STORAGE EXTERNAL;

/*
 * Operators, from the executions whose nodes were timed. Literals are kept nowhere: a condition and a
 * projection are texts with ? in their places, if predictor.opengauss_capture was on when such a plan was
 * recorded. Else a condition is a hash of its shape, and a projection not known.
 */

CREATE VIEW opengauss.operator_record AS
	SELECT pg_catalog.current_database() AS datname, e.id AS queryid, n.i AS plan_node_id,
		pg_catalog.round(e.actual_startup[n.i] * e.actual_loops[n.i])::bigint AS startup_time,
		pg_catalog.round(e.actual_total[n.i] * e.actual_loops[n.i])::bigint AS total_time,
		pg_catalog.round(e.actual_rows[n.i] * e.actual_loops[n.i])::bigint AS actual_rows,
		coalesce(m.peak_memory, 0) AS max_peak_memory,
		1 + greatest(e.workers_planned[n.i], 0) AS query_dop,
		p.parent[n.i] + 1 AS parent_node_id,
		coalesce(c.children[1], 0) AS left_child_id, coalesce(c.children[2], 0) AS right_child_id,
		w.words[1] AS operation, 'ROW'::text AS orientation, w.words[2] AS strategy, w.words[3] AS options,
		coalesce(t.condition[n.i], opengauss.condition_shape(p.predicate[n.i])) AS condition,
		coalesce(t.projection[n.i],
			' (hash ' || pg_catalog.to_hex((e.text_hashes[n.i] >> 12) & 4095) || ')', ' ') AS projection,
		opengauss.encode_node(p.operator[n.i], p.strategy[n.i], p.node_command[n.i], e.workers_planned[n.i],
			p.predicate[n.i], coalesce(e.text_hashes[n.i], 0)) AS encode,
		coalesce(m.peak_memory, -1) AS peak_memory,
		e.finished_at
	FROM predictor.execution e
		JOIN predictor.plan p USING (signature)
		LEFT JOIN predictor.plan_text t ON t.signature = e.signature AND t.query_id = e.query_id,
		pg_catalog.generate_subscripts(p.operator, 1) AS n (i),
		LATERAL (SELECT pg_catalog.array_agg(k.i ORDER BY k.i) AS children
			FROM pg_catalog.generate_subscripts(p.parent, 1) AS k (i) WHERE p.parent[k.i] = n.i - 1) c,
		LATERAL (SELECT opengauss.node_words(p.operator[n.i], p.strategy[n.i], p.node_command[n.i], p.join_type[n.i])
			AS words) w,
		LATERAL (SELECT pg_catalog.ceil(nullif(e.actual_memory[n.i], 'NaN') / 1024)::integer
			AS peak_memory) m
	WHERE e.instrumentation = 2 AND e.flags & 3 = 0
		AND e.actual_total[n.i] <> 'NaN' AND e.actual_rows[n.i] <> 'NaN';

CREATE VIEW opengauss.gs_wlm_plan_operator_info AS
	SELECT datname, queryid, plan_node_id, startup_time, total_time, actual_rows, max_peak_memory,
		query_dop, parent_node_id, left_child_id, right_child_id, operation, orientation, strategy,
		options, condition, projection
	FROM opengauss.operator_record;

/* openGauss keeps what has finished in memory for three minutes before it goes into the table. */
CREATE VIEW opengauss.gs_wlm_plan_operator_history AS
	SELECT datname, queryid, plan_node_id, startup_time, total_time, actual_rows, max_peak_memory,
		query_dop, parent_node_id, left_child_id, right_child_id, operation, orientation, strategy,
		options, condition, projection
	FROM opengauss.operator_record
	WHERE finished_at >= pg_catalog.now() - interval '3 minutes';

CREATE FUNCTION opengauss.gs_stat_get_wlm_plan_operator_info(oid)
RETURNS SETOF opengauss.gs_wlm_plan_operator_history
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT current_setting('predictor.enabled')::boolean THEN
		RAISE WARNING 'workload manager is not valid.';
	ELSIF current_setting('predictor.capture') <> 'operators' THEN
		RAISE WARNING 'enable_resource_track is not valid.';
	END IF;
	RETURN QUERY SELECT * FROM opengauss.gs_wlm_plan_operator_history;
END
$$;

CREATE TABLE opengauss.gs_wlm_plan_encoding_table (
	queryid bigint,
	plan_node_id integer,
	parent_node_id integer,
	startup_time bigint,
	total_time bigint,
	rows bigint,
	peak_memory integer,
	encode text,
	PRIMARY KEY (queryid, plan_node_id)
);

/* What waits in memory goes into the tables; nothing is thrown away, whatever the flag. */
CREATE FUNCTION opengauss.create_wlm_operator_info(flag integer) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF flag > 0 THEN
		PERFORM predictor.flush();
	END IF;
	RETURN 0;
END
$$;

CREATE FUNCTION opengauss.encode_plan_node(
	optname text, orientation text, strategy text, options text, dop bigint, quals text, projection text)
RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF optname IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'Optname should not be NULL.';
	END IF;
	IF orientation IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'Orientation should not be NULL.';
	END IF;
	RETURN opengauss.encode(optname, orientation, coalesce(strategy, ' '), coalesce(options, ' '),
		coalesce(dop, 0), opengauss.text_hash(coalesce(quals, ' ')),
		opengauss.text_hash(coalesce(projection, ' ')));
END
$$;

CREATE FUNCTION opengauss.encode_feature_perf_hist(datname text) RETURNS TABLE (
	queryid bigint, plan_node_id integer, parent_node_id integer, left_child_id integer,
	right_child_id integer, encode text, startup_time bigint, total_time bigint, rows bigint,
	peak_memory integer)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
	SELECT o.queryid, o.plan_node_id, o.parent_node_id, o.left_child_id, o.right_child_id, o.encode,
		o.startup_time, o.total_time, o.actual_rows, o.peak_memory
	FROM opengauss.operator_record o WHERE o.datname = $1
$$;

/* Rows that are there already stay as they are, so that gathering twice does no harm. */
CREATE FUNCTION opengauss.gather_encoding_info(datname text) RETURNS integer
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
	INSERT INTO opengauss.gs_wlm_plan_encoding_table
		SELECT h.queryid, h.plan_node_id, h.parent_node_id, h.startup_time, h.total_time, h.rows,
			h.peak_memory, h.encode
		FROM opengauss.encode_feature_perf_hist(datname) h ORDER BY h.queryid, h.plan_node_id
		ON CONFLICT DO NOTHING;
	SELECT 0
$$;

/*
 * Training: the engine is asked as openGauss's kernel asks it, and gives the model back as well. A row's
 * address is used if the administrator lists it in predictor.opengauss_engines, which only the
 * configuration file can set; else the engine that trains for this server is.
 */

CREATE FUNCTION opengauss.require_model(model text) RETURNS opengauss.gs_opt_model
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	m opengauss.gs_opt_model;
	letters text[];
BEGIN
	SELECT * INTO m FROM opengauss.gs_opt_model g WHERE g.model_name = model;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'OPT_Model not found for model name %', model USING ERRCODE = 'XX006';
	END IF;
	IF m.label IS NULL THEN
		RAISE EXCEPTION 'Model targets is null' USING ERRCODE = 'XX005';
	END IF;
	letters := m.label::text[];
	IF array_ndims(letters) IS DISTINCT FROM 1 OR array_position(letters, NULL) IS NOT NULL THEN
		RAISE EXCEPTION 'Model labels are not a 1-D char array.' USING ERRCODE = '55000';
	END IF;
	IF NOT letters <@ '{S,T,R,M}'::text[]
		OR (SELECT count(DISTINCT l) < count(*) FROM unnest(letters) l) THEN
		RAISE EXCEPTION 'Repetitive labels found in model labels attribute for template name % model name %',
			m.template_name, m.model_name USING ERRCODE = 'XX006';
	END IF;
	RETURN m;
END
$$;

CREATE FUNCTION opengauss.engine_of(m opengauss.gs_opt_model) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	address text := opengauss.allowed_address(m.ip || ':' || m.port);
BEGIN
	IF address IS NULL AND m.ip IS NOT NULL AND m.port IS NOT NULL THEN
		RAISE NOTICE 'engine %:% is not in predictor.opengauss_engines; the engine of this server is asked',
			m.ip, m.port;
	END IF;
	RETURN address;
END
$$;

CREATE FUNCTION opengauss.configuration(m opengauss.gs_opt_model) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('template_name', m.template_name,
		'model_name', m.model_name, 'max_epoch', m.max_epoch, 'learning_rate', m.learning_rate,
		'dim_red', m.dim_red, 'hidden_units', m.hidden_units, 'batch_size', m.batch_size,
		'labels', array_to_string(m.label, '')))
$$;

CREATE FUNCTION opengauss.configure(m opengauss.gs_opt_model, address text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	answer text := opengauss.ask_engine(address, '/configure', 'application/json',
		jsonb_pretty(opengauss.configuration(m)));
BEGIN
	IF answer IS NULL THEN
		RAISE EXCEPTION 'AI engine connection failed.' USING ERRCODE = 'XX006';
	ELSIF answer LIKE '0%' THEN
		RAISE NOTICE 'Model configured successfully.';
	ELSIF answer LIKE 'F%' THEN
		RAISE EXCEPTION 'AIEngine internal error: configuration contains type error.' USING ERRCODE = 'XX006';
	ELSIF answer LIKE 'I%' THEN
		RAISE EXCEPTION 'AIEngine internal error: key not unrecognized.' USING ERRCODE = 'XX006';
	ELSIF answer LIKE 'M%' THEN
		RAISE EXCEPTION 'AIEngine internal error: missing compulsory key.' USING ERRCODE = 'XX006';
	ELSE
		RAISE EXCEPTION 'AIEngine internal error: unknown error.'
			USING ERRCODE = 'XX006', DETAIL = left(answer, 1000);
	END IF;
END
$$;

/*
 * Sends all encodings as a form with one file, and waits for the end of the training. What is to be
 * trained is said again: another session may have configured something else meanwhile.
 */
CREATE FUNCTION opengauss.train(m opengauss.gs_opt_model, address text) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	boundary text := 'predictor' || replace(gen_random_uuid()::text, '-', '');
	csv text;
	answer text;
BEGIN
	SELECT string_agg(concat_ws(', ', e.queryid, e.plan_node_id, e.parent_node_id, e.encode,
			e.startup_time, e.total_time, e.rows, e.peak_memory) || E'\n', '' ORDER BY e.queryid, e.plan_node_id)
		INTO csv FROM opengauss.gs_wlm_plan_encoding_table e;
	answer := opengauss.ask_engine(address, '/train?bundle='
		|| encode(convert_to(opengauss.configuration(m)::text, 'UTF8'), 'hex'), 'multipart/form-data; boundary=' || boundary,
		'--' || boundary || E'\r\nContent-Disposition: form-data; name="file"; filename="gs_encoding.csv"\r\n'
		|| E'Content-Type: application/octet-stream\r\n\r\n' || coalesce(csv, '') || E'\r\n--' || boundary || E'--\r\n');
	IF answer IS NULL THEN
		RAISE EXCEPTION 'AI engine connection failed.' USING ERRCODE = 'XX006';
	ELSIF answer LIKE 'M%' THEN
		RAISE EXCEPTION 'AIEngine internal error: missing compulsory key.' USING ERRCODE = 'XX001';
	ELSIF answer LIKE 'R%' THEN
		RAISE EXCEPTION 'Another session is running on AIEngine. If not, please restart AIEngine'
			USING ERRCODE = 'XX006';
	ELSIF answer NOT LIKE '{%' THEN
		RAISE EXCEPTION E'Output from AIEngine ia not in JSON format. Output is \n%', rtrim(left(answer, 1000), E'\n')
			USING ERRCODE = 'XX006', HINT = CASE WHEN csv IS NULL THEN
				'There are no encodings: SELECT opengauss.gather_encoding_info(current_database());' ELSE '' END;
	END IF;
	RETURN answer::jsonb;
END
$$;

/* The answer's number for each label of the model, in their order. */
CREATE FUNCTION opengauss.by_label(answer jsonb, prefix text, labels "char"[]) RETURNS float8[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
	SELECT array_agg((answer ->> (prefix || CASE l WHEN 'S' THEN 'startup' WHEN 'T' THEN 'total'
		WHEN 'R' THEN 'row' ELSE 'mem' END))::float8 ORDER BY i)
	FROM unnest(labels) WITH ORDINALITY AS u (l, i)
$$;

/* The results are mean ratio errors, as openGauss has it under these names: 1 is best. NULL: no such label. */
CREATE FUNCTION opengauss.model_train_opt(
	template_name text, model_name text,
	OUT startup_time_accuracy float8, OUT total_time_accuracy float8, OUT rows_accuracy float8,
	OUT peak_memory_accuracy float8) RETURNS SETOF record
LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	m opengauss.gs_opt_model;
	address text;
	answer jsonb;
BEGIN
	IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
		RAISE insufficient_privilege USING MESSAGE = 'must be system admin to use model_train_opt()';
	END IF;
	IF template_name <> 'rlstm' THEN
		RAISE EXCEPTION '% is not supported as template_name.', template_name USING ERRCODE = 'XX006';
	END IF;
	m := opengauss.require_model(model_name);
	IF least(m.max_epoch, m.learning_rate, m.hidden_units, m.batch_size) < 0 THEN
		RAISE EXCEPTION 'Model configuration contains illegal values, please check for template name % model name %',
			m.template_name, m.model_name USING ERRCODE = 'XX005';
	END IF;
	address := opengauss.engine_of(m);
	PERFORM opengauss.configure(m, address);
	answer := opengauss.train(m, address);
	IF answer ->> 'bundle' IS NULL THEN
		RAISE EXCEPTION 'the engine trained, but gave no model: it is not predictord' USING ERRCODE = 'XX006';
	END IF;
	UPDATE opengauss.gs_opt_model g SET
		feature_size = (answer ->> 'feature_length')::integer,
		available = coalesce((answer ->> 'converged')::integer, 0) = 1, is_training = false,
		max = opengauss.by_label(answer, 'max_', m.label)::bigint[],
		acc = opengauss.by_label(answer, 're_', m.label)::real[]
		WHERE g.model_name = m.model_name;
	INSERT INTO opengauss.trained_model AS t (model_name, bundle)
		VALUES (m.model_name, decode(answer ->> 'bundle', 'hex'))
		ON CONFLICT ON CONSTRAINT trained_model_pkey DO UPDATE SET bundle = excluded.bundle;
	startup_time_accuracy := nullif(greatest((answer ->> 're_startup')::float8, -1), -1);
	total_time_accuracy := nullif(greatest((answer ->> 're_total')::float8, -1), -1);
	rows_accuracy := nullif(greatest((answer ->> 're_row')::float8, -1), -1);
	peak_memory_accuracy := nullif(greatest((answer ->> 're_mem')::float8, -1), -1);
	RETURN NEXT;
END
$$;

CREATE FUNCTION opengauss.track_model_train_opt(template text, model text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	m opengauss.gs_opt_model;
	answer text;
BEGIN
	IF template IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'TemplateName should not be NULL.';
	END IF;
	IF model IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'ModelName should not be NULL.';
	END IF;
	IF template <> 'rlstm' THEN
		RAISE EXCEPTION '% is not supported as template_name.', template USING ERRCODE = 'XX006';
	END IF;
	m := opengauss.require_model(model);
	answer := opengauss.ask_engine(opengauss.engine_of(m), '/track_process', 'application/json',
		jsonb_build_object('modelName', m.model_name)::text);
	IF answer IS NULL THEN
		RAISE EXCEPTION 'AI engine connection failed.' USING ERRCODE = 'XX005';
	ELSIF answer LIKE 'F%' THEN
		RAISE EXCEPTION 'The training log of % hasn''t been generated by AiEngine.', model
			USING ERRCODE = 'XX005';
	ELSIF answer NOT LIKE '/%' THEN
		RAISE EXCEPTION 'AI engine internal error: missing or wrong key.' USING ERRCODE = 'XX005';
	END IF;
	RAISE INFO 'The training process of % is recorded in the following file:', model;
	RETURN answer;
END
$$;

/* Engines */

/*
 * Only what the administrator lists in predictor.opengauss_engines is asked, since whoever may call
 * this could otherwise make the server connect to anything.
 */
CREATE FUNCTION opengauss.check_engine_status(ip text, port text) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	octet text := '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
BEGIN
	IF ip !~ ('^' || octet || '(\.' || octet || '){3}$') THEN
		RAISE INFO 'ip address % is not valid', ip;
		RETURN 'Failed';
	END IF;
	IF port !~ '^[1-9][0-9]{0,4}$' OR port::integer > 65535 THEN
		RAISE INFO 'port number % is not valid', port;
		RETURN 'Failed';
	END IF;
	IF opengauss.allowed_address(ip || ':' || port) IS NULL THEN
		RAISE INFO 'AI engine @%:% is not running', ip, port;
		RAISE INFO 'it was not asked: it is not in predictor.opengauss_engines';
		RETURN 'Failed';
	END IF;
	IF opengauss.ask_engine(ip || ':' || port, '/check', NULL, NULL) IS NULL THEN
		RAISE INFO 'AI engine @%:% is not running', ip, port;
		RETURN 'Failed';
	END IF;
	RAISE INFO 'AI engine @%:% is running', ip, port;
	RETURN 'Success';
END
$$;

/* The original's manual passes a number, which openGauss makes a text by itself. */
CREATE FUNCTION opengauss.check_engine_status(ip text, port integer) RETURNS text
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS 'SELECT opengauss.check_engine_status(ip, port::text)';

SELECT pg_catalog.pg_extension_config_dump('opengauss.gs_opt_model', '');
SELECT pg_catalog.pg_extension_config_dump('opengauss.trained_model', '');
SELECT pg_catalog.pg_extension_config_dump('opengauss.gs_wlm_plan_encoding_table', '');

/* PUBLIC gets nothing, pg_monitor reads. */

REVOKE ALL ON ALL TABLES IN SCHEMA opengauss FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA opengauss FROM PUBLIC;
GRANT USAGE ON SCHEMA opengauss TO pg_monitor;
GRANT SELECT ON opengauss.gs_opt_model, opengauss.gs_wlm_plan_operator_info,
	opengauss.gs_wlm_plan_operator_history TO pg_monitor;
GRANT EXECUTE ON FUNCTION opengauss.node_words(smallint, smallint, smallint, smallint),
	opengauss.condition_shape(bigint), opengauss.gs_stat_get_wlm_plan_operator_info(oid) TO pg_monitor;
