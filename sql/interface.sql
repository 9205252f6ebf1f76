-- All that schema predictor has for people: each function's and view's signature, who may use it, and what is refused.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS predictor;
RESET client_min_messages;

CREATE ROLE predictor_anybody;
CREATE ROLE predictor_watcher IN ROLE pg_monitor;
CREATE ROLE predictor_operator;
SELECT predictor.grant_admin('predictor_operator');

-- functions, those of triggers aside
\pset format unaligned
SELECT format('%s(%s) returns %s', p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)) AS function
  FROM pg_proc p WHERE p.pronamespace = 'predictor'::regnamespace AND p.prorettype <> 'trigger'::regtype ORDER BY p.proname;
\pset format aligned
CREATE FUNCTION pg_temp.may(who name, function oid) RETURNS boolean LANGUAGE sql AS
  $$ SELECT has_schema_privilege(who, 'predictor', 'USAGE') AND has_function_privilege(who, function, 'EXECUTE') $$;
SELECT p.proname AS function, p.prosecdef AS "as owner", pg_temp.may('predictor_anybody', p.oid) AS anybody,
  pg_temp.may('predictor_watcher', p.oid) AS pg_monitor, pg_temp.may('predictor_operator', p.oid) AS "grant_admin()"
  FROM pg_proc p WHERE p.pronamespace = 'predictor'::regnamespace ORDER BY 1;
-- each looks up names where nobody else can put any; what runs a user's statement does so with the user's own path
SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'predictor'::regnamespace
  AND p.proconfig IS DISTINCT FROM '{"search_path=pg_catalog, pg_temp"}' ORDER BY 1;

-- views and tables
\pset format unaligned
SELECT format('%s (%s)', c.relname, string_agg(format('%s %s', a.attname, format_type(a.atttypid, NULL)), ', ' ORDER BY a.attnum)) AS view
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
  WHERE c.relnamespace = 'predictor'::regnamespace AND c.relkind = 'v' GROUP BY c.relname ORDER BY c.relname;
\pset format aligned
SELECT c.relkind, c.relname, has_table_privilege('predictor_anybody', c.oid, 'SELECT') AS anybody,
  has_table_privilege('predictor_watcher', c.oid, 'SELECT') AS pg_monitor,
  has_table_privilege('predictor_operator', c.oid, 'SELECT') AS "grant_admin()",
  has_table_privilege('predictor_operator', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AS writes
  FROM pg_class c WHERE c.relnamespace = 'predictor'::regnamespace AND c.relkind IN ('r', 'p', 'v') ORDER BY 1 DESC, 2;

-- each view can be read by those who may
SET ROLE predictor_watcher;
SELECT (SELECT count(*) FROM predictor.models) >= 0 AS models, (SELECT count(*) FROM predictor.model_versions) >= 0 AS model_versions,
  (SELECT count(*) FROM predictor.training_jobs) >= 0 AS training_jobs, (SELECT count(*) FROM predictor.executions) >= 0 AS executions,
  (SELECT count(*) FROM predictor.plan_nodes) >= 0 AS plan_nodes, (SELECT count(*) FROM predictor.accuracy) >= 0 AS accuracy,
  (SELECT count(*) FROM predictor.stat) > 0 AS stat, (SELECT count(*) FROM predictor.engine) = 1 AS engine,
  (SELECT count(*) FROM predictor.plans) >= 0 AS plans, (SELECT count(*) FROM predictor.plan_statistics) >= 0 AS plan_statistics,
  (SELECT count(*) FROM predictor.serving) >= 0 AS serving, (SELECT count(line) FROM predictor.traces) >= 0 AS traces,
  (SELECT count(*) FROM predictor.training_due()) >= 0 AS training_due;
-- and changes nothing
SELECT predictor.create_model('orders');
SELECT predictor.alter_model('orders');
SELECT predictor.drop_model('orders');
SELECT predictor.train('orders');
SELECT predictor.cancel_training(gen_random_uuid());
SELECT predictor.ask_training('orders', 'why not');
SELECT predictor.activate('orders', 0);
SELECT predictor.import_plan('{}');
SELECT predictor.check_engine();
SELECT predictor.reset_history();
SELECT predictor.grant_admin('predictor_watcher');
SELECT predictor.revoke_admin('predictor_operator');
RESET ROLE;

-- what models.sql, explain.sql and administration.sql do not refuse
SELECT predictor.activate(NULL, 0);
SELECT predictor.drop_model(NULL);
SELECT predictor.alter_model(NULL, train_after => 200);
SELECT predictor.create_model(NULL);
SELECT predictor.create_model('other', options => '{"max_epochs": 0}');
SELECT predictor.train('orders', wait => NULL);
SELECT predictor.train('orders', promote => NULL);
SELECT predictor.cancel_training(NULL) IS NULL AS nothing;
SELECT predictor.ask_training('orders', NULL);
SELECT predictor.ask_training('nobody', 'why not');
SELECT predictor.import_plan(NULL) IS NULL AS nothing;
SELECT predictor.import_plan('[]');
SELECT predictor.import_plan('{"Plan": {}}');
SELECT predictor.import_plan('{"Plan": {"Node Type": "Result", "Startup Cost": 0, "Total Cost": 0.01, "Plan Rows": 1, "Plan Width": 4}}');
SELECT predictor.create_model('orders') IS NOT NULL AS made;
SELECT predictor.activate('orders', NULL);
SELECT * FROM predictor.predict('SELEC 1');
SELECT * FROM predictor.predict('SELECT 1; SELECT 2');
SELECT * FROM predictor.predict('CREATE TABLE x ()');
SELECT * FROM predictor.predict('SELECT $1::integer');
SELECT * FROM predictor.predict_total('');
SELECT * FROM predictor.predict_total(NULL);
SELECT predictor.measure('SELECT 1', 0);
SELECT predictor.drop_model('orders');

SELECT predictor.revoke_admin('predictor_operator');
DROP ROLE predictor_anybody, predictor_watcher, predictor_operator;
