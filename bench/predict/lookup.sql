-- Lookups by primary key; the arms follow, in turns.
SET predictor.limit_superusers = on;
SET plan_cache_mode = force_generic_plan;
PREPARE lookup (int) AS SELECT kind FROM item WHERE id = $1;
SELECT set_arm('off') \g /dev/null
