-- Models before there is a trained one: made, altered, dropped, asked; and what is refused.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS predictor;
RESET client_min_messages;

SELECT predictor.create_model('orders') IS NOT NULL AS made;
SELECT predictor.create_model('orders');
SELECT predictor.create_model('');
SELECT predictor.create_model('other', template => 'magic');
SELECT predictor.create_model('other', options => '{"wings": 2}');
SELECT predictor.create_model('other', options => '{"seed": "x"}');
SELECT predictor.create_model('other', options => '[]');
SELECT predictor.create_model('other', train_after => 10);
SELECT predictor.create_model('other', max_age => '-1 day');
SELECT predictor.create_model('other', keep_versions => 0);
SELECT predictor.create_model('other', auto_train => NULL);
SELECT name, template, active_version, versions, origin, auto_train, train_after, max_age, keep_versions, options
  FROM predictor.models;

-- a model that was not trained answers with the planner's cost, and says so
SELECT model, version, active, origin, plans >= 0 AS fitted, epochs, device, bundle_bytes > 0 AS has_bundle
  FROM predictor.model_versions;
SELECT low_ms < total_ms AND total_ms < high_ms AS answered, source, version
  FROM predictor.predict_total('SELECT count(*) FROM pg_class');

-- alter
SELECT predictor.alter_model('orders', new_name => 'sales', auto_train => false, train_after => 200,
  max_age => '1 day', keep_versions => 2, options => '{"max_epochs": 5}');
SELECT predictor.alter_model('sales');
SELECT name, template, active_version, auto_train, train_after, max_age, keep_versions, options FROM predictor.models;
SELECT predictor.alter_model('orders');
SELECT predictor.alter_model('sales', template => 'magic');
SELECT predictor.alter_model('sales', new_name => '');
SELECT predictor.create_model('second') IS NOT NULL AS made;
SELECT predictor.alter_model('second', new_name => 'sales');

-- activate
SELECT predictor.activate('sales', 1);
SELECT predictor.activate('nobody', 1);
SELECT predictor.activate('sales', 0);

-- no model, several models
SELECT * FROM predictor.predict('SELECT 1', 'nobody');
SELECT * FROM predictor.predict_total('SELECT 1');
SET predictor.default_model = 'nobody';
SELECT * FROM predictor.predict_total('SELECT 1');
SET predictor.default_model = 'second';
SELECT source, model_name FROM predictor.predict_total('SELECT 1');
RESET predictor.default_model;

SELECT * FROM predictor.train('nobody');
SELECT * FROM predictor.train(NULL);
SELECT predictor.cancel_training('00000000-0000-0000-0000-000000000000');

-- history
SELECT predictor.reset_history();
SELECT count(*) AS executions FROM predictor.executions;

SELECT predictor.drop_model('second');
SELECT predictor.drop_model('second');
SELECT predictor.drop_model('sales');
SELECT * FROM predictor.predict_total('SELECT 1');
SELECT count(*) FROM predictor.models;
SELECT count(*) FROM predictor.model_versions;
