/*
 * operators.h - the vocabulary of plan nodes, named as EXPLAIN prints them.
 *
 * Who uses it: the backend's plan walker (extension/extract.c), the reader of EXPLAIN JSON, the
 * feature encoder, the views. Plain C so that both worlds share one list.
 *
 * The numbers are part of every stored record and of every trained model: append, never renumber.
 */
#ifndef PREDICTOR_PLAN_OPERATORS_H
#define PREDICTOR_PLAN_OPERATORS_H

/* X(identifier, number, the "Node Type" that EXPLAIN prints) */
#define PREDICTOR_OPERATORS(X)                          \
  X(UNKNOWN, 0, "???")                                  \
  X(RESULT, 1, "Result")                                \
  X(PROJECT_SET, 2, "ProjectSet")                       \
  X(MODIFY_TABLE, 3, "ModifyTable")                     \
  X(APPEND, 4, "Append")                                \
  X(MERGE_APPEND, 5, "Merge Append")                    \
  X(RECURSIVE_UNION, 6, "Recursive Union")              \
  X(BITMAP_AND, 7, "BitmapAnd")                         \
  X(BITMAP_OR, 8, "BitmapOr")                           \
  X(NESTED_LOOP, 9, "Nested Loop")                      \
  X(MERGE_JOIN, 10, "Merge Join")                       \
  X(HASH_JOIN, 11, "Hash Join")                         \
  X(SEQ_SCAN, 12, "Seq Scan")                           \
  X(SAMPLE_SCAN, 13, "Sample Scan")                     \
  X(GATHER, 14, "Gather")                               \
  X(GATHER_MERGE, 15, "Gather Merge")                   \
  X(INDEX_SCAN, 16, "Index Scan")                       \
  X(INDEX_ONLY_SCAN, 17, "Index Only Scan")             \
  X(BITMAP_INDEX_SCAN, 18, "Bitmap Index Scan")         \
  X(BITMAP_HEAP_SCAN, 19, "Bitmap Heap Scan")           \
  X(TID_SCAN, 20, "Tid Scan")                           \
  X(TID_RANGE_SCAN, 21, "Tid Range Scan")               \
  X(SUBQUERY_SCAN, 22, "Subquery Scan")                 \
  X(FUNCTION_SCAN, 23, "Function Scan")                 \
  X(TABLE_FUNCTION_SCAN, 24, "Table Function Scan")     \
  X(VALUES_SCAN, 25, "Values Scan")                     \
  X(CTE_SCAN, 26, "CTE Scan")                           \
  X(NAMED_TUPLESTORE_SCAN, 27, "Named Tuplestore Scan") \
  X(WORK_TABLE_SCAN, 28, "WorkTable Scan")              \
  X(FOREIGN_SCAN, 29, "Foreign Scan")                   \
  X(CUSTOM_SCAN, 30, "Custom Scan")                     \
  X(MATERIALIZE, 31, "Materialize")                     \
  X(MEMOIZE, 32, "Memoize")                             \
  X(SORT, 33, "Sort")                                   \
  X(INCREMENTAL_SORT, 34, "Incremental Sort")           \
  X(GROUP, 35, "Group")                                 \
  X(AGGREGATE, 36, "Aggregate")                         \
  X(WINDOW_AGG, 37, "WindowAgg")                        \
  X(UNIQUE, 38, "Unique")                               \
  X(SET_OP, 39, "SetOp")                                \
  X(LOCK_ROWS, 40, "LockRows")                          \
  X(LIMIT, 41, "Limit")                                 \
  X(HASH, 42, "Hash")

typedef enum PredictorOperator {
#define X(name, number, text) PREDICTOR_OP_##name = number,
  PREDICTOR_OPERATORS(X)
#undef X
} PredictorOperator;

/* One more than the largest operator number; the size of every table indexed by operator. */
#define PREDICTOR_OPERATOR_COUNT 43

/* "Parent Relationship" */
typedef enum PredictorRelationship {
  PREDICTOR_REL_ROOT = 0,
  PREDICTOR_REL_OUTER = 1,
  PREDICTOR_REL_INNER = 2,
  PREDICTOR_REL_MEMBER = 3,
  PREDICTOR_REL_INITPLAN = 4,
  PREDICTOR_REL_SUBPLAN = 5,
  PREDICTOR_REL_SUBQUERY = 6
} PredictorRelationship;

/* "Join Type"; 0 where the node is no join */
typedef enum PredictorJoin {
  PREDICTOR_JOIN_NONE = 0,
  PREDICTOR_JOIN_INNER = 1,
  PREDICTOR_JOIN_LEFT = 2,
  PREDICTOR_JOIN_FULL = 3,
  PREDICTOR_JOIN_RIGHT = 4,
  PREDICTOR_JOIN_SEMI = 5,
  PREDICTOR_JOIN_ANTI = 6,
  PREDICTOR_JOIN_RIGHT_ANTI = 7,
  PREDICTOR_JOIN_RIGHT_SEMI = 8
} PredictorJoin;

/* "Strategy" of Aggregate and SetOp; 0 where the node has none */
typedef enum PredictorStrategy {
  PREDICTOR_STRATEGY_NONE = 0,
  PREDICTOR_STRATEGY_PLAIN = 1,
  PREDICTOR_STRATEGY_SORTED = 2,
  PREDICTOR_STRATEGY_HASHED = 3,
  PREDICTOR_STRATEGY_MIXED = 4
} PredictorStrategy;

/* "Partial Mode" of Aggregate */
typedef enum PredictorPartialMode {
  PREDICTOR_PARTIAL_SIMPLE = 0,
  PREDICTOR_PARTIAL_PARTIAL = 1,
  PREDICTOR_PARTIAL_FINALIZE = 2
} PredictorPartialMode;

/* "Operation" of ModifyTable and Foreign Scan, "Command" of SetOp; 0 elsewhere */
typedef enum PredictorCommand {
  PREDICTOR_COMMAND_NONE = 0,
  PREDICTOR_COMMAND_SELECT = 1,
  PREDICTOR_COMMAND_INSERT = 2,
  PREDICTOR_COMMAND_UPDATE = 3,
  PREDICTOR_COMMAND_DELETE = 4,
  PREDICTOR_COMMAND_MERGE = 5,
  PREDICTOR_COMMAND_INTERSECT = 6,
  PREDICTOR_COMMAND_INTERSECT_ALL = 7,
  PREDICTOR_COMMAND_EXCEPT = 8,
  PREDICTOR_COMMAND_EXCEPT_ALL = 9
} PredictorCommand;

#define PREDICTOR_COMMAND_LAST PREDICTOR_COMMAND_EXCEPT_ALL

#ifdef __cplusplus
extern "C" {
#endif

/* The "Node Type" text of an operator number; "???" for a number that is not in the list. */
const char* predictor_operator_name(int op);

/* The number for a "Node Type" text; PREDICTOR_OP_UNKNOWN for a text that is not in the list. */
int predictor_operator_number(const char* name);

#ifdef __cplusplus
}
#endif

#endif
