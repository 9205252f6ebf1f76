/*
 * settings.h - the planner's switches that a record remembers, named as EXPLAIN (SETTINGS) and
 * pg_settings name them.
 *
 * A bit of PredictorStatement.switches is set where the setting is not at PostgreSQL's default, so
 * that 0 means the defaults in every version, also where a version lacks the setting. The numbers
 * are part of every stored record: append, never renumber.
 */
#ifndef PREDICTOR_PLAN_SETTINGS_H
#define PREDICTOR_PLAN_SETTINGS_H

/* X(bit, name, default, first version of PostgreSQL that has it) */
#define PREDICTOR_SWITCHES(X)                  \
  X(0, enable_seqscan, 1, 14)                  \
  X(1, enable_indexscan, 1, 14)                \
  X(2, enable_indexonlyscan, 1, 14)            \
  X(3, enable_bitmapscan, 1, 14)               \
  X(4, enable_tidscan, 1, 14)                  \
  X(5, enable_sort, 1, 14)                     \
  X(6, enable_incremental_sort, 1, 14)         \
  X(7, enable_hashagg, 1, 14)                  \
  X(8, enable_nestloop, 1, 14)                 \
  X(9, enable_material, 1, 14)                 \
  X(10, enable_memoize, 1, 14)                 \
  X(11, enable_mergejoin, 1, 14)               \
  X(12, enable_hashjoin, 1, 14)                \
  X(13, enable_gathermerge, 1, 14)             \
  X(14, enable_partitionwise_join, 0, 14)      \
  X(15, enable_partitionwise_aggregate, 0, 14) \
  X(16, enable_parallel_append, 1, 14)         \
  X(17, enable_parallel_hash, 1, 14)           \
  X(18, enable_partition_pruning, 1, 14)       \
  X(19, enable_async_append, 1, 14)            \
  X(20, enable_presorted_aggregate, 1, 16)     \
  X(21, enable_group_by_reordering, 1, 17)     \
  X(22, enable_distinct_reordering, 1, 18)     \
  X(23, enable_self_join_elimination, 1, 18)   \
  X(31, jit, 1, 14)

#endif
