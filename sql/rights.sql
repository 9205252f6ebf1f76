-- PUBLIC gets nothing, pg_monitor reads, and a prediction asks for the rights of the statement.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS predictor;
RESET client_min_messages;

CREATE ROLE predictor_nobody;
CREATE ROLE predictor_reader IN ROLE pg_monitor;
CREATE ROLE predictor_user;
GRANT USAGE ON SCHEMA predictor TO predictor_user;
GRANT EXECUTE ON FUNCTION predictor.predict(text, name, text[]), predictor.predict_total(text, name, text[])
  TO predictor_user;

SET ROLE predictor_nobody;
SELECT * FROM predictor.models;
SELECT predictor.flush();
SELECT * FROM predictor.predict('SELECT 1');
SET predictor.capture = 'off';
SET predictor.enabled = off;
SET predictor.default_model = 'mine';
RESET predictor.default_model;
RESET ROLE;

SET ROLE predictor_reader;
SELECT count(*) AS models FROM predictor.models;
SELECT count(*) >= 0 AS readable FROM predictor.executions;
SELECT count(*) > 0 AS readable FROM predictor.stat;
SELECT embedded FROM predictor.engine;
SELECT * FROM predictor.hash_key;
SELECT predictor.create_model('x');
SELECT * FROM predictor.train('x');
RESET ROLE;

-- nobody but a superuser sees the key, and no settings of the network or disk can be changed by SQL
SELECT count(*) AS keys FROM predictor.hash_key;
SET predictor.engine_url = 'https://elsewhere';
SET predictor.ssl_key_file = '/etc/passwd';

DROP OWNED BY predictor_user;
DROP ROLE predictor_nobody, predictor_reader, predictor_user;
