-- grant_admin() gives the actions and the views, and no table; revoke_admin() takes them back.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS predictor;
RESET client_min_messages;

CREATE ROLE predictor_manager;
SET ROLE predictor_manager;
SELECT predictor.create_model('orders');
RESET ROLE;
SELECT predictor.grant_admin('nobody_of_that_name');
SELECT predictor.grant_admin(NULL);
SELECT predictor.grant_admin('predictor_manager');

SET ROLE predictor_manager;
SELECT predictor.create_model('orders') IS NOT NULL AS made;
SELECT predictor.alter_model('orders', auto_train => false);
SELECT predictor.activate('orders', 0);
SELECT name, auto_train, active_version FROM predictor.models;
SELECT predictor.reset_history();
SELECT predictor.cancel_training(gen_random_uuid());
SELECT count(*) > 0 AS readable FROM predictor.stat;
SELECT count(*) AS jobs FROM predictor.training_jobs;
SELECT predictor.drop_model('orders');
-- no right on tables, none to pass on, and none to make more administrators
SELECT * FROM predictor.hash_key;
INSERT INTO predictor.model (name, template) VALUES ('x', 'tree');
UPDATE predictor.model_version SET bundle = '';
SELECT predictor.grant_admin('predictor_manager');
RESET ROLE;

-- what a schema in the path, or a temporary table, puts in the way is not used
CREATE SCHEMA trap;
CREATE FUNCTION trap.format(text, name) RETURNS text LANGUAGE sql AS $$ SELECT 'trapped' $$;
CREATE TEMP TABLE model (name name, uuid uuid);
SET search_path = trap, pg_catalog;
SELECT predictor.activate('nobody', 1);
RESET search_path;
DROP SCHEMA trap CASCADE;
DROP TABLE model;

SELECT predictor.revoke_admin('predictor_manager');
SET ROLE predictor_manager;
SELECT predictor.create_model('orders');
RESET ROLE;
DROP ROLE predictor_manager;
