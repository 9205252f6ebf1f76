-- The private memory of a fresh backend after the same statements, with and without predictions: explained, run, looked up.
SET predictor.limit_superusers = on;
SELECT :'arm' = 'on' AS predicts \gset
\if :predicts
	\set explain 'EXPLAIN (PREDICTOR bench)'
	SET predictor.max_predicted_time = '10min';
\else
	\set explain EXPLAIN
	SET predictor.capture = off;
	SET predictor.predict_all = off;
\endif
SELECT of_10(:round) AS ten, of_50(:round) AS fifty \gset
PREPARE lookup (int) AS SELECT kind FROM item WHERE id = $1;
:explain :ten \g /dev/null
:ten \g /dev/null
:explain :fifty \g /dev/null
:fifty \g /dev/null
EXECUTE lookup (1) \g /dev/null
EXECUTE lookup (2) \g /dev/null
:explain :ten \g /dev/null
SELECT 'private_' || :'arm', :round, private_kb();
