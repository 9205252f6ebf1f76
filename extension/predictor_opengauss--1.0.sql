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

CREATE FUNCTION opengauss.node_words(operator smallint, strategy smallint, command smallint) RETURNS text[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_opengauss_sql_words';

CREATE FUNCTION opengauss.ask_engine(address text) RETURNS boolean
LANGUAGE C VOLATILE STRICT SET search_path = pg_catalog, pg_temp
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

/*
 * Operators, from the executions whose nodes were timed. Literals are kept nowhere, so a condition
 * shows the shape of its predicates only.
 */

CREATE VIEW opengauss.operator_record AS
	SELECT pg_catalog.current_database() AS datname, e.id AS queryid, n.i AS plan_node_id,
		pg_catalog.round(e.actual_startup[n.i] * e.actual_loops[n.i])::bigint AS startup_time,
		pg_catalog.round(e.actual_total[n.i] * e.actual_loops[n.i])::bigint AS total_time,
		pg_catalog.round(e.actual_rows[n.i] * e.actual_loops[n.i])::bigint AS actual_rows,
		coalesce(pg_catalog.ceil(nullif(e.actual_memory[n.i], 'NaN') / 1024), 0)::integer AS max_peak_memory,
		1 + greatest(e.workers_planned[n.i], 0) AS query_dop,
		p.parent[n.i] + 1 AS parent_node_id,
		coalesce(c.children[1], 0) AS left_child_id, coalesce(c.children[2], 0) AS right_child_id,
		w.words[1] AS operation, 'ROW'::text AS orientation, w.words[2] AS strategy, ''::text AS options,
		CASE WHEN p.predicate[n.i] = 0 THEN ' '
			ELSE '  && (shape ' || pg_catalog.to_hex(p.predicate[n.i]) || ')' END AS condition,
		' '::text AS projection,
		e.finished_at
	FROM predictor.execution e
		JOIN predictor.plan p USING (signature),
		pg_catalog.generate_subscripts(p.operator, 1) AS n (i),
		LATERAL (SELECT pg_catalog.array_agg(k.i ORDER BY k.i) AS children
			FROM pg_catalog.generate_subscripts(p.parent, 1) AS k (i) WHERE p.parent[k.i] = n.i - 1) c,
		LATERAL (SELECT opengauss.node_words(p.operator[n.i], p.strategy[n.i], p.node_command[n.i])
			AS words) w
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
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS 'SELECT * FROM opengauss.gs_wlm_plan_operator_history';

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
	SELECT o.queryid, o.plan_node_id, o.parent_node_id, o.left_child_id, o.right_child_id,
		opengauss.encode_plan_node(o.operation, o.orientation, o.strategy, o.options, o.query_dop,
			o.condition, o.projection),
		o.startup_time, o.total_time, o.actual_rows, o.max_peak_memory
	FROM opengauss.gs_wlm_plan_operator_info o WHERE o.datname = $1
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

/* Engines */

/*
 * Only what the administrator lists in predictor.opengauss_engines is asked, since whoever may call
 * this could otherwise make the server connect to anything.
 */
CREATE FUNCTION opengauss.check_engine_status(ip text, port text) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	octet text := '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
	runs boolean;
BEGIN
	IF ip !~ ('^' || octet || '(\.' || octet || '){3}$') THEN
		RAISE INFO 'ip address % is not valid', ip;
		RETURN 'Failed';
	END IF;
	IF port !~ '^[1-9][0-9]{0,4}$' OR port::integer > 65535 THEN
		RAISE INFO 'port number % is not valid', port;
		RETURN 'Failed';
	END IF;
	runs := opengauss.ask_engine(ip || ':' || port);
	IF runs THEN
		RAISE INFO 'AI engine @%:% is running', ip, port;
		RETURN 'Success';
	END IF;
	RAISE INFO 'AI engine @%:% is not running', ip, port;
	IF runs IS NULL THEN
		RAISE INFO 'it was not asked: it is not in predictor.opengauss_engines';
	END IF;
	RETURN 'Failed';
END
$$;

/* PUBLIC gets nothing, pg_monitor reads. */

REVOKE ALL ON ALL TABLES IN SCHEMA opengauss FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA opengauss FROM PUBLIC;
GRANT USAGE ON SCHEMA opengauss TO pg_monitor;
GRANT SELECT ON opengauss.gs_opt_model, opengauss.gs_wlm_plan_operator_info,
	opengauss.gs_wlm_plan_operator_history TO pg_monitor;
GRANT EXECUTE ON FUNCTION opengauss.node_words(smallint, smallint, smallint) TO pg_monitor;
