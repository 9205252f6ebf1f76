-- What can be said about models before there is a trained one, and what is refused.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS predictor;
RESET client_min_messages;

SELECT predictor.create_model('orders') IS NOT NULL AS made;
SELECT predictor.create_model('orders');
SELECT predictor.create_model('');
SELECT predictor.create_model('other', template => 'magic');
SELECT name, template, active_version, versions FROM predictor.models;
SELECT predictor.activate('orders', 1);
SELECT predictor.activate('nobody', 1);

-- no model, no trained model, several models
SELECT * FROM predictor.predict('SELECT 1', 'nobody');
SELECT * FROM predictor.predict('SELECT 1', 'orders');
SELECT * FROM predictor.predict_total('SELECT 1');
SET predictor.default_model = 'nobody';
SELECT * FROM predictor.predict_total('SELECT 1');
RESET predictor.default_model;
SELECT predictor.create_model('second') IS NOT NULL AS made;
SELECT * FROM predictor.predict_total('SELECT 1');

SELECT * FROM predictor.train('nobody');
SELECT predictor.cancel_training('00000000-0000-0000-0000-000000000000');

SELECT predictor.drop_model('second');
SELECT predictor.drop_model('second');
SELECT predictor.drop_model('orders');
SELECT * FROM predictor.predict_total('SELECT 1');
SELECT count(*) FROM predictor.models;
