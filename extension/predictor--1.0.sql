/* predictor--1.0.sql: tables are singular and internal, views are plural and for people. */

\echo Use "CREATE EXTENSION predictor" to load this file. \quit

/*
 * Names of this script are looked up in schema predictor, and superusers' workers use what is in it. So
 * nobody else may own it, be able to create in it, or have put anything there: an operator of theirs could
 * fit better than PostgreSQL's own. Until that is known, everything is written with its schema.
 */
DO $$
BEGIN
	IF EXISTS (
		SELECT 1 FROM pg_catalog.pg_namespace n
		WHERE n.nspname OPERATOR(pg_catalog.=) 'predictor'::pg_catalog.name AND (
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
			MESSAGE = 'schema "predictor" exists already, and is not empty or not a superuser''s alone',
			HINT = 'Drop or rename it; CREATE EXTENSION makes its own.';
	END IF;
END
$$;

REVOKE ALL ON SCHEMA predictor FROM PUBLIC;

/*
 * The key under which constants of users' statements are hashed. One row; a row that arrives later
 * (pg_restore) takes the place of the one that CREATE EXTENSION made.
 */
CREATE TABLE predictor.hash_key (
	id bigint PRIMARY KEY,
	key bytea NOT NULL CHECK (pg_catalog.octet_length(key) = 16)
);
/* Without a policy: for superusers alone, and for no member of pg_read_all_data. */
ALTER TABLE predictor.hash_key ENABLE ROW LEVEL SECURITY;

/* Tells the background workers, at commit, that this database has something new to look at. */
CREATE FUNCTION predictor.announce() RETURNS void
LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_announce';

CREATE FUNCTION predictor.hash_key_replace() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM predictor.hash_key;
	PERFORM predictor.announce();
	RETURN NEW;
END
$$;

CREATE TRIGGER hash_key_replace BEFORE INSERT ON predictor.hash_key
	FOR EACH ROW EXECUTE FUNCTION predictor.hash_key_replace();

INSERT INTO predictor.hash_key
SELECT ('x' || pg_catalog.substr(pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', ''), 1, 15))::pg_catalog.bit(60)::bigint,
	   pg_catalog.substring(pg_catalog.sha256(pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
			|| pg_catalog.uuid_send(pg_catalog.gen_random_uuid())), 1, 16);

/* One row for each plan without its constants; element i describes node i in pre-order. */
CREATE TABLE predictor.plan (
	signature bigint PRIMARY KEY,
	first_seen timestamptz NOT NULL DEFAULT pg_catalog.now(),
	query_id bigint NOT NULL,
	command smallint NOT NULL,
	operator smallint[] NOT NULL,
	parent integer[] NOT NULL,
	relationship smallint[] NOT NULL,
	join_type smallint[] NOT NULL,
	strategy smallint[] NOT NULL,
	partial_mode smallint[] NOT NULL,
	node_command smallint[] NOT NULL,
	clauses smallint[] NOT NULL,
	flags integer[] NOT NULL,
	sort_keys integer[] NOT NULL,
	relation bigint[] NOT NULL,
	index bigint[] NOT NULL,
	predicate bigint[] NOT NULL,
	selection bigint[] NOT NULL,
	links bigint[] NOT NULL,
	subplan bigint[] NOT NULL
);

/*
 * Texts without literals of the nodes of a plan, as openGauss words them, for each query that was executed
 * with it while predictor.opengauss_capture was on. NULL: not known.
 */
CREATE TABLE predictor.plan_text (
	signature bigint NOT NULL,
	query_id bigint NOT NULL,
	first_seen timestamptz NOT NULL DEFAULT pg_catalog.now(),
	condition text[] NOT NULL,
	projection text[] NOT NULL,
	PRIMARY KEY (signature, query_id)
);

/*
 * One row for each recorded execution, in a fixed set of segments that expire by TRUNCATE, the
 * oldest first (worker/history.c).
 */
CREATE SEQUENCE predictor.execution_id CACHE 64;

CREATE TABLE predictor.execution (
	segment smallint NOT NULL,
	id bigint NOT NULL,
	signature bigint NOT NULL,
	query_id bigint NOT NULL,
	constants bigint NOT NULL,
	key_id bigint NOT NULL,
	finished_at timestamptz NOT NULL,
	total_time float8 NOT NULL,
	planning_time float8 NOT NULL,
	work_mem integer NOT NULL,
	instrumentation smallint NOT NULL,
	flags integer NOT NULL,
	switches integer NOT NULL,
	hash_mem_multiplier float4 NOT NULL,
	random_page_cost float4 NOT NULL,
	seq_page_cost float4 NOT NULL,
	effective_cache float4 NOT NULL,
	parallel_workers integer NOT NULL,
	active_backends integer NOT NULL,
	hit_share float4 NOT NULL,
	jit_time float4 NOT NULL,
	trigger_time float4 NOT NULL,
	predicted_total float4 NOT NULL,
	predicted_low float4 NOT NULL,
	predicted_high float4 NOT NULL,
	predicted_version integer NOT NULL,
	predicted_model bigint NOT NULL,
	predicted_source smallint NOT NULL,
	node_constants bigint[] NOT NULL,
	node_coarse bigint[] NOT NULL,
	startup_cost float8[] NOT NULL,
	total_cost float8[] NOT NULL,
	plan_rows float8[] NOT NULL,
	plan_width integer[] NOT NULL,
	workers_planned integer[] NOT NULL,
	relation_pages float8[] NOT NULL,
	relation_tuples float8[] NOT NULL,
	planned_batches integer[] NOT NULL,
	selectivity float4[] NOT NULL,
	all_visible float4[] NOT NULL,
	index_pages float4[] NOT NULL,
	index_height smallint[] NOT NULL,
	/* NULL without predictor.opengauss_capture */
	text_hashes integer[],
	actual_flags integer[] NOT NULL,
	/* NULL where the nodes were not instrumented */
	actual_startup float8[],
	actual_total float8[],
	actual_rows float8[],
	actual_loops float8[],
	actual_memory float8[],
	actual_wall float4[],
	actual_removed float4[],
	actual_rechecked float4[],
	actual_hit float4[],
	actual_read float4[],
	actual_temp float4[],
	actual_disk float4[],
	actual_batches integer[],
	workers_launched integer[],
	PRIMARY KEY (id, segment)
) PARTITION BY LIST (segment);

CREATE TABLE predictor.execution_0 PARTITION OF predictor.execution FOR VALUES IN (0);
CREATE TABLE predictor.execution_1 PARTITION OF predictor.execution FOR VALUES IN (1);
CREATE TABLE predictor.execution_2 PARTITION OF predictor.execution FOR VALUES IN (2);
CREATE TABLE predictor.execution_3 PARTITION OF predictor.execution FOR VALUES IN (3);
CREATE TABLE predictor.execution_4 PARTITION OF predictor.execution FOR VALUES IN (4);
CREATE TABLE predictor.execution_5 PARTITION OF predictor.execution FOR VALUES IN (5);
CREATE TABLE predictor.execution_6 PARTITION OF predictor.execution FOR VALUES IN (6);
CREATE TABLE predictor.execution_7 PARTITION OF predictor.execution FOR VALUES IN (7);

/* Which segment is being filled, and with how many records. One row. */
CREATE TABLE predictor.history_segment (
	singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	current smallint NOT NULL DEFAULT 0,
	records bigint NOT NULL DEFAULT 0,
	started_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
INSERT INTO predictor.history_segment DEFAULT VALUES;

CREATE TABLE predictor.model (
	name name PRIMARY KEY,
	uuid uuid NOT NULL UNIQUE DEFAULT pg_catalog.gen_random_uuid(),
	template text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	active_version integer,
	options jsonb NOT NULL DEFAULT '{}',
	auto_train boolean NOT NULL DEFAULT true,
	train_after integer NOT NULL DEFAULT 5000 CHECK (train_after >= 100),
	max_age interval NOT NULL DEFAULT '7 days',
	keep_versions integer NOT NULL DEFAULT 5 CHECK (keep_versions >= 1),
	retrain_reason text
);

CREATE TABLE predictor.model_version (
	model uuid NOT NULL REFERENCES predictor.model (uuid) ON DELETE CASCADE,
	version integer NOT NULL,
	job uuid NOT NULL UNIQUE,
	trained_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	plans bigint NOT NULL,
	skipped bigint NOT NULL,
	epochs integer NOT NULL,
	train_seconds float8 NOT NULL,
	device text NOT NULL,
	validation jsonb,
	baseline jsonb,
	coverage float8,
	key_id bigint NOT NULL,
	sha256 bytea NOT NULL,
	bundle bytea NOT NULL,
	origin text NOT NULL DEFAULT 'by hand',
	settings text,
	verdict jsonb,
	PRIMARY KEY (model, version)
);
ALTER TABLE predictor.model_version ALTER COLUMN bundle SET STORAGE EXTERNAL;

/* How well a version's predictions do while it answers (worker/accuracy.c). */
CREATE TABLE predictor.drift (
	model uuid NOT NULL,
	version integer NOT NULL,
	observations bigint NOT NULL DEFAULT 0,
	bias float8 NOT NULL DEFAULT 0,
	mean_error float8 NOT NULL DEFAULT 0,
	error_sum float8 NOT NULL DEFAULT 0,
	least_error_sum float8 NOT NULL DEFAULT 0,
	calibration float8 NOT NULL DEFAULT 1,
	drifted_at timestamptz,
	PRIMARY KEY (model, version),
	FOREIGN KEY (model, version) REFERENCES predictor.model_version ON DELETE CASCADE
);

/* How a model is named in records: by the first half of its uuid. */
CREATE FUNCTION predictor.model_key(model uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT ('x' || left(replace(model::text, '-', ''), 16))::bit(64)::bigint
$$;

/* Makes changes of models reach whoever predicts, at commit and at its replay (worker/publisher.c). */
CREATE FUNCTION predictor.models_changed() RETURNS trigger
LANGUAGE C SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'predictor_models_changed';

CREATE TRIGGER models_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON predictor.model
	FOR EACH STATEMENT EXECUTE FUNCTION predictor.models_changed();
CREATE TRIGGER models_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON predictor.model_version
	FOR EACH STATEMENT EXECUTE FUNCTION predictor.models_changed();

/*
 * Trainings. A row in state requested or running is work to be done: whatever ends in between, the
 * next look at the database takes it up again (worker/policy.c), unless a session waited for it.
 */
CREATE TABLE predictor.training_job (
	job uuid PRIMARY KEY,
	model uuid NOT NULL,
	model_name name NOT NULL,
	requested_by name NOT NULL,
	requested_at timestamptz NOT NULL,
	started_at timestamptz,
	finished_at timestamptz,
	state text NOT NULL CHECK (state = ANY ('{requested,running,done,failed,cancelled}'::text[])),
	reason text NOT NULL DEFAULT 'by hand',
	attended boolean NOT NULL DEFAULT false,
	promote boolean NOT NULL DEFAULT true,
	attempts integer NOT NULL DEFAULT 0,
	submitted boolean NOT NULL DEFAULT false,
	champion integer,
	history_end bigint,
	hold_out_from bigint,
	withholds boolean NOT NULL DEFAULT false,
	engine text,
	version integer,
	plans bigint,
	promoted boolean,
	error text
);
CREATE UNIQUE INDEX training_job_live ON predictor.training_job (model)
	WHERE state = ANY ('{requested,running}'::text[]);
CREATE INDEX training_job_latest ON predictor.training_job (model, requested_at);

SELECT pg_catalog.pg_extension_config_dump('predictor.hash_key', '');
SELECT pg_catalog.pg_extension_config_dump('predictor.model', '');
SELECT pg_catalog.pg_extension_config_dump('predictor.model_version', '');

/* models */

/*
 * A bundle that answers with the planner's cost alone: ln ms = intercept + slope * ln cost, nine of
 * ten executions between that minus low and that plus high. Where these come from no execution, the
 * usual ones are taken: 0.005 ms for a unit of cost, and thirty times as much or as little.
 */
CREATE FUNCTION predictor.cost_bundle(
	intercept float8, slope float8, low float8, high float8, executions bigint, key_id bigint)
RETURNS bytea LANGUAGE C IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_cost_bundle_sql';

/*
 * What the newest recorded executions say of time and cost. Fewer than twenty say nothing, and count
 * as none.
 */
CREATE FUNCTION predictor.fit_cost(
	OUT intercept float8, OUT slope float8, OUT low float8, OUT high float8, OUT executions bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
	WITH sample AS (
		SELECT ln(greatest(total_cost[1], 0.01)) AS x, ln(greatest(total_time, 0.001)) AS y
		FROM predictor.execution WHERE flags & 3 = 0 AND total_time >= 0
		ORDER BY id DESC LIMIT 2000
	), slope AS (
		SELECT CASE WHEN regr_slope(y, x) BETWEEN 0.2 AND 2 THEN regr_slope(y, x) ELSE 1 END AS s,
			count(*) AS n FROM sample
	), level AS (
		SELECT s, n, percentile_cont(ARRAY[0.05, 0.5, 0.95]) WITHIN GROUP (ORDER BY y - s * x) AS q
		FROM sample, slope GROUP BY s, n
	)
	SELECT q[2], s, q[2] - q[1] + 0.5, q[3] - q[2] + 0.5, n FROM level WHERE n >= 20
	UNION ALL
	SELECT 0, 1, 0, 0, 0 FROM slope WHERE n < 20
$$;

CREATE FUNCTION predictor.check_model(
	template text, options jsonb, train_after integer, max_age interval, keep_versions integer)
RETURNS void LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	known text[] := '{max_epochs,seed}';
	option record;
BEGIN
	IF template <> ALL ('{cost,cache,gbdt,rlstm,tree}'::text[]) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('template "%s" does not exist', template),
			HINT = 'The templates are: cost, cache, gbdt, rlstm, tree.';
	END IF;
	IF train_after < 100 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'train_after must be at least 100 statements';
	END IF;
	IF max_age <= interval '0' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'max_age must be more than nothing';
	END IF;
	IF keep_versions < 1 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'keep_versions must be at least 1';
	END IF;
	IF jsonb_typeof(options) <> 'object' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'options must be a JSON object';
	END IF;
	FOR option IN SELECT * FROM jsonb_each(options) LOOP
		IF option.key <> ALL (known) THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('option "%s" does not exist', option.key),
				HINT = format('The options are: %s.', array_to_string(known, ', '));
		END IF;
		IF option.value::text !~ '^[0-9]{1,9}$' OR (option.key = 'max_epochs' AND option.value::text !~ '[1-9]') THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('option "%s" must be a whole number%s', option.key,
					CASE option.key WHEN 'max_epochs' THEN ' of at least 1' ELSE '' END);
		END IF;
	END LOOP;
END
$$;

/*
 * A new model answers at once, by version 0: the planner's cost, calibrated by what was recorded so
 * far, with a source that says so.
 */
CREATE FUNCTION predictor.create_model(
	model name, template text DEFAULT 'tree', options jsonb DEFAULT '{}',
	auto_train boolean DEFAULT true, train_after integer DEFAULT 5000,
	max_age interval DEFAULT '7 days', keep_versions integer DEFAULT 5) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	made uuid;
BEGIN
	IF model IS NULL OR model = '' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a model needs a name';
	END IF;
	IF template IS NULL OR options IS NULL OR auto_train IS NULL OR train_after IS NULL
		OR max_age IS NULL OR keep_versions IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'properties of a model must not be null';
	END IF;
	PERFORM predictor.check_model(template, options, train_after, max_age, keep_versions);
	INSERT INTO predictor.model (name, template, active_version, options, auto_train, train_after,
			max_age, keep_versions)
		VALUES (model, template, 0, options, auto_train, train_after, max_age, keep_versions)
		ON CONFLICT (name) DO NOTHING RETURNING uuid INTO made;
	IF made IS NULL THEN
		RAISE duplicate_object USING MESSAGE = format('model "%s" already exists', model);
	END IF;
	INSERT INTO predictor.model_version (model, version, job, plans, skipped, epochs, train_seconds,
			device, key_id, sha256, bundle, origin)
		SELECT made, 0, gen_random_uuid(), f.executions, 0, 0, 0, 'none', k.id, sha256(b.bundle),
			b.bundle, 'built in'
		FROM predictor.fit_cost() f, predictor.hash_key k,
			predictor.cost_bundle(f.intercept, f.slope, f.low, f.high, f.executions, k.id) b (bundle);
	RETURN made;
END
$$;

CREATE FUNCTION predictor.no_such_model(model name) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF model IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'a model must be named';
	END IF;
	RAISE undefined_object USING
		MESSAGE = format('model "%s" does not exist', model),
		HINT = 'predictor.models lists the models of this database.';
END
$$;

/* What is not given, or null, stays as it is. */
CREATE FUNCTION predictor.alter_model(
	model name, new_name name DEFAULT NULL, template text DEFAULT NULL, options jsonb DEFAULT NULL,
	auto_train boolean DEFAULT NULL, train_after integer DEFAULT NULL,
	max_age interval DEFAULT NULL, keep_versions integer DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF new_name = '' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a model needs a name';
	END IF;
	PERFORM predictor.check_model(template, options, train_after, max_age, keep_versions);
	UPDATE predictor.model m SET
			name = coalesce(new_name, m.name),
			template = coalesce(alter_model.template, m.template),
			options = coalesce(alter_model.options, m.options),
			auto_train = coalesce(alter_model.auto_train, m.auto_train),
			train_after = coalesce(alter_model.train_after, m.train_after),
			max_age = coalesce(alter_model.max_age, m.max_age),
			keep_versions = coalesce(alter_model.keep_versions, m.keep_versions)
		WHERE m.name = model;
	IF NOT FOUND THEN
		PERFORM predictor.no_such_model(model);
	END IF;
EXCEPTION WHEN unique_violation THEN
	RAISE duplicate_object USING MESSAGE = format('model "%s" already exists', new_name);
END
$$;

CREATE FUNCTION predictor.drop_model(model name) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM predictor.cancel_training(j.job)
		FROM predictor.training_job j JOIN predictor.model m ON m.uuid = j.model
		WHERE m.name = drop_model.model AND j.state IN ('requested', 'running');
	DELETE FROM predictor.model m WHERE m.name = model;
	IF NOT FOUND THEN
		PERFORM predictor.no_such_model(model);
	END IF;
END
$$;

/* Any version that is there, also an older one. */
CREATE FUNCTION predictor.activate(model name, version integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	owner uuid;
BEGIN
	SELECT m.uuid INTO owner FROM predictor.model m WHERE m.name = activate.model FOR NO KEY UPDATE;
	IF owner IS NULL THEN
		PERFORM predictor.no_such_model(model);
	END IF;
	PERFORM 1 FROM predictor.model_version v WHERE v.model = owner AND v.version = activate.version;
	IF NOT FOUND THEN
		RAISE undefined_object USING
			MESSAGE = format('model "%s" has no version %s', model, coalesce(version::text, 'NULL')),
			HINT = 'predictor.model_versions lists what there is.';
	END IF;
	UPDATE predictor.model m SET active_version = activate.version WHERE m.uuid = owner;
END
$$;

/* training */

CREATE FUNCTION predictor.train(
	model name, wait boolean DEFAULT true, promote boolean DEFAULT true,
	OUT job uuid, OUT state text, OUT version integer, OUT plans bigint, OUT promoted boolean,
	OUT validation jsonb, OUT baseline jsonb, OUT coverage float8, OUT seconds float8,
	OUT verdict jsonb)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_train';

CREATE FUNCTION predictor.cancel_training(job uuid) RETURNS boolean
LANGUAGE C VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_cancel_training';

/* Has the workers look at this database's trainings once the transaction has committed. */
CREATE FUNCTION predictor.look_at_trainings() RETURNS void
LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'predictor_look_at_trainings';

/* Wants a model trained anew as soon as enough new statements are there to learn from. */
CREATE FUNCTION predictor.ask_training(model name, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF reason IS NULL OR reason = '' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a reason must be given';
	END IF;
	UPDATE predictor.model m SET retrain_reason = left(reason, 200) WHERE m.name = ask_training.model;
	IF NOT FOUND THEN
		PERFORM predictor.no_such_model(model);
	END IF;
	PERFORM predictor.look_at_trainings();
END
$$;

/* What a model's answers depend on beside the data: planner settings, and the relations there are. */
CREATE FUNCTION predictor.environment(OUT settings text, OUT schema text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
	SELECT (SELECT hashtextextended(string_agg(name || '=' || setting, ' ' ORDER BY name)
			|| current_setting('server_version_num')::integer / 10000, 0)::text
			FROM pg_settings WHERE name = ANY ('{seq_page_cost,random_page_cost,cpu_tuple_cost,
			cpu_index_tuple_cost,cpu_operator_cost,parallel_setup_cost,parallel_tuple_cost,
			effective_cache_size,work_mem,hash_mem_multiplier,shared_buffers,
			max_parallel_workers_per_gather}'::text[])),
		(SELECT coalesce(hashtextextended(string_agg(format('%s %s %s %s', c.oid, c.relname, c.relnatts, c.relkind), ' ' ORDER BY c.oid), 0)::text, '')
			FROM pg_class c WHERE c.relkind = ANY ('{r,p,m,i,I}'::"char"[]) AND c.relpersistence <> 't'
			AND c.relnamespace <> ALL (SELECT n.oid FROM pg_namespace n
				WHERE n.nspname = ANY ('{pg_catalog,pg_toast,information_schema,predictor}'::name[])))
$$;

/*
 * The policy of automatic training: which models are due, why, and from when on. New statements are
 * those recorded since the last training read the history.
 *  - the first training after 100 statements, then one as often as the statements doubled, at the
 *    latest after train_after of them;
 *  - with at least 100 new ones also when asked for (drift), when planner settings or relations are
 *    no longer those of the active version, or when it is older than max_age; not within ten minutes
 *    of the last training;
 *  - after a failure again, with pauses that double up to an hour.
 */
CREATE FUNCTION predictor.training_due(
	OUT model name, OUT uuid uuid, OUT reason text, OUT new_statements bigint, OUT due_at timestamptz)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	WITH known AS (
		SELECT m.name, m.uuid, m.train_after, m.max_age, m.retrain_reason, active.trained_at, active.settings,
			(SELECT d.drifted_at FROM predictor.drift d
				WHERE d.model = m.uuid AND d.version = m.active_version) AS drifted_at,
			newest.version AS newest_version, newest.plans AS newest_plans,
			last.state AS last_state, last.attended AS last_attended,
			coalesce(last.finished_at, '-infinity') AS last_end,
			(SELECT coalesce(max(j.history_end), 0) FROM predictor.training_job j WHERE j.model = m.uuid) AS seen,
			(SELECT count(*) FROM predictor.training_job j WHERE j.model = m.uuid AND j.state = 'failed'
				AND j.requested_at > coalesce(newest.trained_at, '-infinity')) AS failures
		FROM predictor.model m
		LEFT JOIN predictor.model_version active ON active.model = m.uuid AND active.version = m.active_version
		LEFT JOIN LATERAL (SELECT v.version, v.plans, v.trained_at FROM predictor.model_version v
			WHERE v.model = m.uuid AND v.version > 0 ORDER BY v.version DESC LIMIT 1) newest ON true
		LEFT JOIN LATERAL (SELECT j.state, j.attended, j.finished_at FROM predictor.training_job j
			WHERE j.model = m.uuid ORDER BY j.requested_at DESC LIMIT 1) last ON true
		WHERE m.auto_train AND coalesce(last.state, '') <> ALL ('{requested,running}'::text[])
	), counted AS (
		SELECT k.*, (SELECT count(*) FROM (SELECT FROM predictor.execution e WHERE e.id > k.seen
			LIMIT k.train_after) AS new) AS fresh
		FROM known k
	), judged AS (
		SELECT c.*, CASE
			WHEN last_state = 'failed' AND NOT last_attended THEN 'again after a failure'
			WHEN newest_version IS NULL THEN CASE WHEN fresh >= 100 THEN 'first statements' END
			WHEN fresh >= least(train_after, greatest(100, newest_plans)) THEN 'new statements'
			WHEN fresh < 100 THEN NULL
			WHEN retrain_reason IS NOT NULL THEN retrain_reason
			WHEN drifted_at > last_end THEN 'drift'
			WHEN settings <> (SELECT e.settings || ' ' || e.schema FROM predictor.environment() e) THEN
				CASE WHEN split_part(settings, ' ', 1) <> (SELECT e.settings FROM predictor.environment() e)
				THEN 'settings changed' ELSE 'schema changed' END
			WHEN now() - trained_at > max_age THEN 'age'
		END AS why
		FROM counted c
	)
	SELECT name, uuid, why, fresh, greatest(now(), CASE
		WHEN why = 'again after a failure' THEN last_end + least(interval '1 hour', interval '10 seconds' * 2 ^ least(failures, 12))
		WHEN why = 'first statements' OR why = 'new statements' THEN last_end
		ELSE last_end + interval '10 minutes' END)
	FROM judged WHERE why IS NOT NULL
$$;

CREATE FUNCTION predictor.training_progress(
	OUT job uuid, OUT database oid, OUT model name, OUT state text, OUT phase text,
	OUT epoch integer, OUT max_epochs integer, OUT loss float8, OUT validation_q50 float8,
	OUT eta_seconds float8, OUT device text)
RETURNS SETOF record LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_training_progress';

/* prediction */

CREATE FUNCTION predictor.predict(
	query text, model name DEFAULT NULL, params text[] DEFAULT NULL,
	OUT path integer, OUT parent integer, OUT node text, OUT relation text,
	OUT startup_ms float8, OUT total_ms float8, OUT low_ms float8, OUT high_ms float8,
	OUT rows float8, OUT loops float8, OUT memory_kb float8, OUT source text)
RETURNS SETOF record LANGUAGE C VOLATILE CALLED ON NULL INPUT
AS 'MODULE_PATHNAME', 'predictor_predict';

CREATE FUNCTION predictor.predict_total(
	query text, model name DEFAULT NULL, params text[] DEFAULT NULL,
	OUT total_ms float8, OUT low_ms float8, OUT high_ms float8, OUT rows float8,
	OUT memory_kb float8, OUT source text, OUT model_name name, OUT version integer,
	OUT out_of_distribution boolean, OUT strangeness float8)
RETURNS record LANGUAGE C VOLATILE CALLED ON NULL INPUT
AS 'MODULE_PATHNAME', 'predictor_predict_total';

CREATE FUNCTION predictor.measure(
	query text, repetitions integer DEFAULT 1000,
	OUT nodes integer, OUT first_us float8, OUT p50_us float8, OUT p99_us float8, OUT hit_us float8)
RETURNS record LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'predictor_measure';
COMMENT ON FUNCTION predictor.measure(text, integer) IS
	'microseconds that predictions of a statement by the default model take in this backend: the first one, the following ones, and an answer that is remembered';

/* operation */

CREATE FUNCTION predictor.flush() RETURNS boolean
LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_flush';
COMMENT ON FUNCTION predictor.flush() IS
	'waits until what was captured so far is stored; false if that took more than ten seconds';

/* Forgets every recorded execution; models stay. */
CREATE FUNCTION predictor.reset_history() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	TRUNCATE predictor.execution, predictor.plan, predictor.plan_text;
	UPDATE predictor.history_segment SET current = 0, records = 0, started_at = now();
	PERFORM predictor.forget_aggregates();
END
$$;

/* What an administrator of models may do and see; no right on a table comes with it. */
CREATE FUNCTION predictor.administration(OUT kind text, OUT object text) RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
	WITH member AS (
		SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE e.extname = 'predictor' AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	)
	SELECT 'EXECUTE ON FUNCTION', p.oid::regprocedure::text FROM pg_proc p
		JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
		WHERE p.proname = ANY (
			'{create_model,alter_model,drop_model,activate,train,cancel_training,ask_training,
			reset_history,check_engine,import_plan,flush,predict,predict_total,measure,
			training_progress,counters,aggregates,serving_models,engine_state,
			certificates,model_key,source_name,operator_name,training_due,trace_line}'::name[])
	UNION ALL
	SELECT 'SELECT ON', c.oid::regclass::text FROM pg_class c
		JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
		WHERE c.relkind = 'v'
	UNION ALL
	SELECT 'USAGE ON SCHEMA', 'predictor'
$$;

CREATE FUNCTION predictor.change_admin(command text, role regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	item record;
BEGIN
	IF role IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'a role must be named';
	END IF;
	FOR item IN SELECT * FROM predictor.administration() LOOP
		EXECUTE format(command, item.kind, item.object, role);
	END LOOP;
END
$$;

CREATE FUNCTION predictor.grant_admin(role regrole) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
	SELECT predictor.change_admin('GRANT %s %s TO %s', role)
$$;

CREATE FUNCTION predictor.revoke_admin(role regrole) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
	SELECT predictor.change_admin('REVOKE %s %s FROM %s', role)
$$;

CREATE FUNCTION predictor.counters(OUT name text, OUT value bigint) RETURNS SETOF record
LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_counters';

CREATE FUNCTION predictor.import_plan(
	plan jsonb, OUT signature bigint, OUT constants bigint, OUT nodes integer)
RETURNS record LANGUAGE C VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_import_plan';
COMMENT ON FUNCTION predictor.import_plan(jsonb) IS
	'adds an execution to history, from what EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) printed here or elsewhere';

CREATE FUNCTION predictor.aggregates(
	OUT database oid, OUT query_id bigint, OUT plan bigint, OUT calls bigint, OUT total_ms float8,
	OUT mean_log_ms float8, OUT stddev_log_ms float8, OUT last_use timestamptz)
RETURNS SETOF record LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_aggregates';
COMMENT ON FUNCTION predictor.aggregates() IS
	'what is known in shared memory of the plans executed last, of all databases';

CREATE FUNCTION predictor.forget_aggregates() RETURNS void
LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_forget_aggregates';

CREATE FUNCTION predictor.serving_models(
	OUT model name, OUT version integer, OUT generation bigint, OUT bytes bigint, OUT sha256 text,
	OUT published_at timestamptz, OUT active_version integer, OUT problem text)
RETURNS SETOF record LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_serving';

CREATE FUNCTION predictor.engine_state(
	OUT url text, OUT embedded boolean, OUT state text, OUT pid integer, OUT error text,
	OUT version text, OUT failures integer, OUT next_try timestamptz)
RETURNS SETOF record LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_engine_state';

CREATE FUNCTION predictor.check_engine(
	OUT url text, OUT state text, OUT version text, OUT api integer, OUT device text, OUT templates text,
	OUT round_trip_ms float8, OUT error text, OUT hint text)
RETURNS SETOF record LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_check_engine';
COMMENT ON FUNCTION predictor.check_engine() IS
	'asks each configured engine, or the server''s own, which is started for it, whether it answers and what it is';

/* Days that are left, with the engine that is configured or runs. */
CREATE FUNCTION predictor.certificates(
	OUT certificate_days_left integer, OUT authority_days_left integer, OUT crl_days_left integer)
RETURNS record LANGUAGE C VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_certificates';

CREATE FUNCTION predictor.operator_name(operator smallint) RETURNS text
LANGUAGE C IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_operator_name_sql';

CREATE FUNCTION predictor.source_name(source smallint) RETURNS text
LANGUAGE C IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'predictor_source_name';

/* views */

CREATE VIEW predictor.models AS
	SELECT m.name, m.template, m.created_at, m.active_version, v.trained_at, v.origin,
		(SELECT pg_catalog.count(*) FROM predictor.model_version c
			WHERE c.model = m.uuid AND c.version > 0) AS versions,
		m.auto_train, m.train_after, m.max_age, m.keep_versions, m.options, m.retrain_reason
	FROM predictor.model m
	LEFT JOIN predictor.model_version v ON v.model = m.uuid AND v.version = m.active_version;

CREATE VIEW predictor.model_versions AS
	SELECT m.name AS model, v.version, coalesce(v.version = m.active_version, false) AS active,
		v.origin, v.job, v.trained_at,
		v.plans, v.skipped, v.epochs, v.train_seconds, v.device, v.validation, v.baseline,
		v.coverage, v.verdict, pg_catalog.octet_length(v.bundle) AS bundle_bytes,
		pg_catalog.encode(v.sha256, 'hex') AS sha256
	FROM predictor.model_version v JOIN predictor.model m ON m.uuid = v.model;

CREATE VIEW predictor.training_jobs AS
	SELECT t.job, t.model_name AS model, t.reason, t.requested_by, t.requested_at, t.started_at,
		t.finished_at, t.attempts,
		CASE WHEN t.state = 'running' AND p.job IS NULL THEN 'interrupted' ELSE t.state END AS state,
		p.phase, p.epoch, p.max_epochs, p.loss, p.validation_q50,
		p.eta_seconds, p.device, t.engine, t.version, t.plans, t.promoted, t.error
	FROM predictor.training_job t
	LEFT JOIN predictor.training_progress() p ON p.job = t.job AND t.state = 'running';

CREATE VIEW predictor.plans AS
	SELECT p.signature, p.first_seen, p.query_id, predictor.operator_name(p.operator[1]) AS operator,
		pg_catalog.cardinality(p.operator) AS nodes,
		(SELECT pg_catalog.count(*) FROM predictor.execution e WHERE e.signature = p.signature)
			AS executions
	FROM predictor.plan p;

CREATE VIEW predictor.plan_statistics AS
	SELECT d.datname AS database, a.query_id, a.plan, a.calls, a.total_ms,
		pg_catalog.exp(a.mean_log_ms) AS typical_ms, pg_catalog.exp(a.stddev_log_ms) AS spread,
		a.mean_log_ms, a.stddev_log_ms, a.last_use
	FROM predictor.aggregates() a LEFT JOIN pg_catalog.pg_database d ON d.oid = a.database;

CREATE VIEW predictor.executions AS
	SELECT e.id, e.finished_at, e.query_id, e.signature, e.constants,
		CASE WHEN e.flags & 1 = 0 THEN e.total_time END AS total_ms,
		e.flags & 1 <> 0 AS timed_out,
		NULLIF(e.planning_time, 'NaN') AS planning_ms,
		(ARRAY['none', 'rows', 'timers'])[e.instrumentation + 1] AS instrumentation,
		e.total_cost[1] AS total_cost, e.plan_rows[1] AS plan_rows,
		CASE WHEN e.actual_flags[1] & 512 <> 0 THEN e.actual_rows[1] END AS actual_rows,
		pg_catalog.cardinality(e.total_cost) AS nodes
	FROM predictor.execution e;

/*
 * An execution as a line of a trace file: what EXPLAIN (ANALYZE, FORMAT JSON) would print, with hashes
 * in the place of names and no predicates, since neither names nor literals are stored.
 */
CREATE FUNCTION predictor.trace_line(e predictor.execution, p predictor.plan) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	children jsonb[] := array_fill(NULL::jsonb, ARRAY[cardinality(p.operator)]);
	node jsonb;
BEGIN
	FOR i IN REVERSE cardinality(p.operator) .. 1 LOOP
		node := jsonb_strip_nulls(jsonb_build_object(
			'Node Type', predictor.operator_name(p.operator[i]),
			'Parent Relationship', ('{Outer,Inner,Member,InitPlan,SubPlan,Subquery}'::text[])[p.relationship[i]],
			'Join Type', ('{Inner,Left,Full,Right,Semi,Anti,Right Anti,Right Semi}'::text[])[p.join_type[i]],
			'Strategy', ('{Plain,Sorted,Hashed,Mixed}'::text[])[p.strategy[i]],
			'Partial Mode', ('{Partial,Finalize}'::text[])[p.partial_mode[i]],
			'Operation', ('{Select,Insert,Update,Delete,Merge}'::text[])[p.node_command[i]],
			'Parallel Aware', p.flags[i] & 1 <> 0,
			'Relation Name', 'r' || to_hex(NULLIF(p.relation[i], 0)),
			'Index Name', 'i' || to_hex(NULLIF(p.index[i], 0)),
			'Startup Cost', e.startup_cost[i], 'Total Cost', e.total_cost[i],
			'Plan Rows', e.plan_rows[i], 'Plan Width', e.plan_width[i],
			'Workers Planned', NULLIF(e.workers_planned[i], 0),
			'Actual Startup Time', NULLIF(e.actual_startup[i], 'NaN'),
			'Actual Total Time', NULLIF(e.actual_total[i], 'NaN'),
			'Actual Rows', NULLIF(e.actual_rows[i], 'NaN'),
			'Actual Loops', NULLIF(e.actual_loops[i], 'NaN')));
		IF children[i] IS NOT NULL THEN
			node := node || jsonb_build_object('Plans', children[i]);
		END IF;
		IF p.parent[i] >= 0 THEN
			children[p.parent[i] + 1] := jsonb_build_array(node) || coalesce(children[p.parent[i] + 1], '[]');
		END IF;
	END LOOP;
	RETURN jsonb_strip_nulls(jsonb_build_object('Plan', node,
		'Query Identifier', NULLIF(e.query_id, 0), 'Execution Time', e.total_time,
		'Planning Time', NULLIF(e.planning_time, 'NaN'),
		'Timed Out', CASE WHEN e.flags & 1 <> 0 THEN true END,
		'Group', e.query_id::text || ' ' || e.constants::text, 'Database', current_database()));
END
$$;

CREATE VIEW predictor.traces AS
	SELECT e.id, predictor.trace_line(e, p) AS line
	FROM predictor.execution e JOIN predictor.plan p USING (signature) WHERE e.flags & 2 = 0;

CREATE VIEW predictor.plan_nodes AS
	SELECT e.id AS execution, n.i - 1 AS node, NULLIF(p.parent[n.i], -1) AS parent,
		predictor.operator_name(p.operator[n.i]) AS operator,
		e.startup_cost[n.i] AS startup_cost, e.total_cost[n.i] AS total_cost,
		e.plan_rows[n.i] AS plan_rows, e.plan_width[n.i] AS plan_width,
		NULLIF(e.actual_startup[n.i], 'NaN') AS actual_startup_ms,
		NULLIF(e.actual_total[n.i], 'NaN') AS actual_total_ms,
		NULLIF(e.actual_rows[n.i], 'NaN') AS actual_rows,
		NULLIF(e.actual_loops[n.i], 'NaN') AS actual_loops,
		NULLIF(e.actual_memory[n.i], 'NaN') AS actual_memory_kb,
		p.subplan[n.i] AS subplan,
		e.workers_planned[n.i] AS workers_planned, e.workers_launched[n.i] AS workers_launched,
		NULLIF(e.actual_wall[n.i], 'NaN') AS actual_wall_ms,
		e.actual_flags[n.i] & 256 <> 0 AS never_executed, e.actual_flags[n.i] & 4096 <> 0 AS partial,
		NULLIF(e.actual_removed[n.i], 'NaN') AS rows_removed,
		NULLIF(e.actual_rechecked[n.i], 'NaN') AS rows_rechecked,
		NULLIF(e.actual_hit[n.i], 'NaN') AS blocks_hit, NULLIF(e.actual_read[n.i], 'NaN') AS blocks_read,
		NULLIF(e.actual_temp[n.i], 'NaN') AS temp_blocks, NULLIF(e.actual_disk[n.i], 'NaN') AS disk_kb,
		NULLIF(e.planned_batches[n.i], 0) AS planned_batches,
		NULLIF(e.actual_batches[n.i], 0) AS actual_batches
	FROM predictor.execution e JOIN predictor.plan p USING (signature),
		pg_catalog.generate_subscripts(p.operator, 1) AS n (i);

/*
 * Predicted and actual time of the newest 2000 statements of each model version: all of them, by query
 * and by source (NULL where it does not matter). Statements that were cancelled, not run to their end,
 * or slowed down by timers do not count.
 */
CREATE VIEW predictor.accuracy AS
	WITH recent AS (
		SELECT m.uuid, m.name, e.predicted_version AS version, e.query_id, e.predicted_source,
			e.finished_at,
			pg_catalog.ln(GREATEST(e.predicted_total::float8, 1e-6) / GREATEST(e.total_time, 1e-6)) AS log_ratio,
			e.total_time BETWEEN e.predicted_low AND e.predicted_high AS is_covered,
			pg_catalog.row_number() OVER (PARTITION BY e.predicted_model, e.predicted_version
				ORDER BY e.id DESC) AS age
		FROM predictor.execution e JOIN predictor.model m ON predictor.model_key(m.uuid) = e.predicted_model
		WHERE e.predicted_total <> 'NaN' AND e.flags & 3 = 0 AND e.instrumentation < 2)
	SELECT r.name AS model, r.version, r.query_id, predictor.source_name(r.predicted_source) AS source,
		pg_catalog.count(*) AS statements,
		pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY pg_catalog.exp(pg_catalog.abs(r.log_ratio))) AS q50,
		pg_catalog.percentile_cont(0.9) WITHIN GROUP (ORDER BY pg_catalog.exp(pg_catalog.abs(r.log_ratio))) AS q90,
		pg_catalog.percentile_cont(0.95) WITHIN GROUP (ORDER BY pg_catalog.exp(pg_catalog.abs(r.log_ratio))) AS q95,
		pg_catalog.exp(pg_catalog.avg(r.log_ratio)) AS bias,
		pg_catalog.avg(r.is_covered::integer)::float8 AS coverage,
		pg_catalog.min(r.finished_at) AS since, pg_catalog.max(r.finished_at) AS until,
		d.calibration, d.drifted_at
	FROM recent r LEFT JOIN predictor.drift d ON d.model = r.uuid AND d.version = r.version
	WHERE r.age <= 2000
	GROUP BY GROUPING SETS ((r.uuid, r.name, r.version, d.calibration, d.drifted_at),
		(r.uuid, r.name, r.version, d.calibration, d.drifted_at, r.query_id),
		(r.uuid, r.name, r.version, d.calibration, d.drifted_at, r.predicted_source));

CREATE VIEW predictor.serving AS SELECT * FROM predictor.serving_models();

CREATE VIEW predictor.stat AS SELECT * FROM predictor.counters();

CREATE VIEW predictor.engine AS
	SELECT * FROM predictor.engine_state() CROSS JOIN predictor.certificates();

/* PUBLIC gets nothing, pg_monitor reads. */

REVOKE ALL ON ALL TABLES IN SCHEMA predictor FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA predictor FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA predictor FROM PUBLIC;

GRANT USAGE ON SCHEMA predictor TO pg_monitor;
GRANT SELECT ON predictor.models, predictor.model_versions, predictor.training_jobs,
	predictor.executions, predictor.traces, predictor.plans, predictor.plan_nodes, predictor.plan_statistics,
	predictor.accuracy, predictor.serving, predictor.stat, predictor.engine TO pg_monitor;
GRANT EXECUTE ON FUNCTION predictor.training_progress(), predictor.counters(), predictor.aggregates(),
	predictor.serving_models(), predictor.model_key(uuid), predictor.source_name(smallint),
	predictor.engine_state(), predictor.certificates(),
	predictor.operator_name(smallint), predictor.trace_line(predictor.execution, predictor.plan),
	predictor.training_due() TO pg_monitor;
