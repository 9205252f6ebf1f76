/*
 * plan_record.h - one execution of one plan, as plain data.
 *
 * This is the shared vocabulary of the whole system: the backend fills it from a plan tree
 * (extension/extract.c), the codec writes and reads it, the feature encoder and the models see
 * nothing else. Plain C structs without pointers into anything but themselves.
 *
 * A record holds no text of the user's: relations, indexes and predicate shapes are hashes under a
 * fixed public key (the same everywhere), constants are hashes under the database's secret key.
 *
 * Units: times are milliseconds, rows and times of a node are per loop (as EXPLAIN's "actual"
 * prints them), memory is kB. A number that is not known is NaN; a hash that does not apply is 0.
 */
#ifndef PREDICTOR_PLAN_RECORD_H
#define PREDICTOR_PLAN_RECORD_H

#include <stdint.h>

/* A plan with more nodes than this is not recorded and not predicted (it is counted). */
#define PREDICTOR_MAX_NODES 5000

/* How the execution was instrumented; timers inflate what they measure, so it matters. */
typedef enum PredictorInstrumentation {
  PREDICTOR_INSTRUMENT_NONE = 0,  /* only the statement's total time */
  PREDICTOR_INSTRUMENT_ROWS = 1,  /* and rows and loops of each node */
  PREDICTOR_INSTRUMENT_TIMERS = 2 /* and startup and total time of each node */
} PredictorInstrumentation;

/* flags of a node */
#define PREDICTOR_NODE_PARALLEL_AWARE 0x0001
#define PREDICTOR_NODE_ASYNC_CAPABLE 0x0002
#define PREDICTOR_NODE_INNER_UNIQUE 0x0004
#define PREDICTOR_NODE_BACKWARD 0x0008    /* "Scan Direction": "Backward" */
#define PREDICTOR_NODE_SINGLE_COPY 0x0010 /* a Gather whose one worker runs it all */
#define PREDICTOR_NODE_NEVER_EXECUTED 0x0100
#define PREDICTOR_NODE_HAS_ROWS 0x0200    /* actual_rows and actual_loops are measured */
#define PREDICTOR_NODE_HAS_TIME 0x0400    /* actual_startup and actual_total are measured */
#define PREDICTOR_NODE_HAS_MEMORY 0x0800  /* actual_memory is measured */
#define PREDICTOR_NODE_PARTIAL 0x1000     /* not run to its end: rows and times are lower bounds */
#define PREDICTOR_NODE_HAS_BUFFERS 0x2000 /* actual_hit, _read and _temp are measured */
#define PREDICTOR_NODE_ACTUAL_FLAGS 0x3f00

/* in a node's text_hashes: there are some */
#define PREDICTOR_NODE_HAS_TEXT_HASHES 0x01000000

typedef struct PredictorNode {
  /* Structure. All of it goes into signatures. */
  uint16_t op;          /* PredictorOperator */
  uint8_t relationship; /* PredictorRelationship */
  uint8_t join_type;    /* PredictorJoin */
  uint8_t strategy;     /* PredictorStrategy */
  uint8_t partial_mode; /* PredictorPartialMode */
  uint8_t command;      /* PredictorCommand */
  uint8_t clauses;      /* number of predicate clauses, at most 255 */
  uint16_t flags;       /* PREDICTOR_NODE_*; the actual ones are not part of signatures */
  uint16_t sort_keys;   /* sort or group columns */
  int32_t parent;       /* position of the parent in the array (always smaller), -1 at the root */
  uint64_t relation;    /* identity of the relation */
  uint64_t index;       /* identity of the index */
  uint64_t predicate;   /* shape of all predicates, without constants, order of clauses ignored */

  /* Of the same clauses, whatever their roles: what the rows are, however they are found. The plans
   * of a query that differ in operators and join order agree in these. Not part of signatures. */
  uint64_t selection; /* shape of the clauses that have constants */
  /* Columns in the clauses that have none (joins, parameterised scans), as a Bloom filter of two
   * bits a name: equal columns may be joined in any order and along any path of equalities. */
  uint64_t links;

  /* What the planner thought and what is known before execution. */
  uint64_t constants; /* keyed hash of the predicates' constants and bound parameters */
  uint64_t coarse;    /* the same of coarse constants: see coarse_constant() in predicate.h */
  double startup_cost;
  double total_cost;
  double plan_rows;
  double relation_pages;  /* of the scanned relation */
  double relation_tuples; /* of the scanned relation */
  int32_t plan_width;     /* bytes */
  int32_t workers_planned;
  int32_t planned_batches; /* of a hash table, as the executor plans them; 0: unknown or none */
  float selectivity;       /* share of the relation's tuples that the planner expects of a scan */
  float all_visible;       /* share of the relation's pages that are all visible */
  float index_pages;
  uint8_t index_height; /* levels of a B-tree, the leaves included; 0: unknown */
  /* Where predictor.opengauss_capture asks for them: 12 bits each of openGauss's hashes of the
   * texts of condition (bits 0-11) and projection (12-23), and PREDICTOR_NODE_HAS_TEXT_HASHES; else
   * 0. */
  uint32_t text_hashes;

  /*
   * What was measured; see the HAS flags. Of a node that parallel workers ran too, startup, total
   * and rows are the mean over all participants' loops, as EXPLAIN prints them, and actual_wall is
   * the longest of the participants' sums.
   */
  double actual_startup;
  double actual_total;
  double actual_rows;
  double actual_loops;
  double actual_memory;   /* the peak */
  float actual_wall;      /* ms of wall-clock time in the whole statement */
  float actual_removed;   /* rows that filters and join filters rejected, per loop */
  float actual_rechecked; /* rows that a recheck of the index condition rejected, per loop */
  float actual_hit;  /* blocks found in shared or local buffers, all loops, children included */
  float actual_read; /* blocks read */
  float actual_temp; /* blocks of temporary files read and written */
  float actual_disk; /* kB of temporary files that the node used */
  int32_t actual_batches; /* of a hash table; 0: unknown or none */
  uint16_t workers_launched;
} PredictorNode;

/* flags of a statement */
#define PREDICTOR_STATEMENT_TIMED_OUT 0x0001 /* cancelled: total_time is a lower bound */
#define PREDICTOR_STATEMENT_PARTIAL 0x0002   /* not run to its end (cursor): times are no labels */
#define PREDICTOR_STATEMENT_JIT 0x0010
#define PREDICTOR_STATEMENT_JIT_OPTIMIZE 0x0020
#define PREDICTOR_STATEMENT_JIT_INLINE 0x0040
#define PREDICTOR_STATEMENT_JIT_EXPRESSIONS 0x0080
#define PREDICTOR_STATEMENT_JIT_DEFORM 0x0100

typedef struct PredictorStatement {
  uint64_t query_id;       /* PostgreSQL's, 0 if it computed none */
  uint64_t signature;      /* of the plan, without constants; see signature.h */
  uint64_t constants;      /* keyed hash over all nodes' constants */
  uint64_t key_id;         /* which secret key made the constant hashes; 0: none */
  int64_t finished_at;     /* microseconds since 2000-01-01 UTC; 0: not executed */
  double total_time;       /* executor time in ms; NaN: not executed */
  double planning_time;    /* ms; NaN: unknown */
  int32_t work_mem;        /* kB */
  uint8_t command;         /* PredictorCommand of the statement */
  uint8_t instrumentation; /* PredictorInstrumentation */
  uint16_t flags;          /* PREDICTOR_STATEMENT_* */

  /* Settings under which it was planned and ran; see settings.h for `switches`. */
  uint32_t switches; /* bits of planner switches that are not at PostgreSQL's default */
  float hash_mem_multiplier;
  float random_page_cost;
  float seq_page_cost;
  float effective_cache;     /* effective_cache_size in MB */
  uint16_t parallel_workers; /* max_parallel_workers_per_gather */

  /* The server's state when it started. */
  uint16_t active_backends; /* that were busy, this one included; 0: unknown */
  float hit_share;          /* of recent block accesses that found the block in shared buffers */

  /* What was measured beside the nodes, ms; NaN: unknown. */
  float jit_time;
  float trigger_time;

  /* The prediction that was in force, ms; NaN: none. */
  float predicted_total;
  float predicted_low;
  float predicted_high;
  int32_t predicted_version; /* of the model */
  uint64_t predicted_model;  /* the first bytes of its uuid; 0: none */
  uint8_t predicted_source;
} PredictorStatement;

#ifdef __cplusplus
extern "C" {
#endif

/* A node and a statement of which nothing is known: NaN and 0 as the fields have it. */
void predictor_clear_node(PredictorNode* node);
void predictor_clear_statement(PredictorStatement* statement);

/* Forgets what was measured at a node. */
void predictor_clear_actuals(PredictorNode* node);

#ifdef __cplusplus
}
#endif

/* A record in memory. Nodes stand in pre-order: the root first, a parent before its children. */
typedef struct PredictorRecord {
  PredictorStatement statement;
  int32_t node_count;
  PredictorNode* nodes; /* owned by whoever made the record */
} PredictorRecord;

#endif
