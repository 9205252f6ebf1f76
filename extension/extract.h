/*
 * extract.h - from a started plan to a record, and from a finished one to its actuals.
 *
 * Both walk the PlanState tree in the order in which EXPLAIN prints it (InitPlans, outer, inner,
 * members, subplans), so node i of a record is EXPLAIN's i-th node. Partitions that were pruned at
 * executor start are in neither.
 */
#ifndef PREDICTOR_EXTRACT_H
#define PREDICTOR_EXTRACT_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "extension/facade.h"
#include "extension/shared.h"

/* A record and the PlanState of each node, in a memory context of the caller's. */
typedef struct Extract
{
	PredictorRecord record;
	PlanState **states;			/* node i's state; valid until ExecutorEnd */
	int			capacity;
	int			steps_left;		/* in expressions, for all nodes together */
	const char *shapes;			/* goes with the record (opengauss_shapes.h), or NULL */
	Size		shapes_size;
} Extract;

/* The relation that EXPLAIN names for the node: range table index, or 0. */
extern Index extract_target(Plan *plan);

/* Fills in the settings that a plan depends on. */
extern void extract_settings(PredictorStatement *statement);

/*
 * Builds the record of a plan after standard_ExecutorStart. Reads caches and, where they are not
 * filled, catalogs: call it in a live transaction only. Allocates in `context` without raising when
 * memory is short. Returns NULL when there is none, or when the plan has more than
 * PREDICTOR_MAX_NODES nodes (*too_large tells which).
 */
extern Extract *extract_plan(QueryDesc *queryDesc, const HashKey *key,
							 MemoryContext context, bool *too_large);

/*
 * The same of another execution of a plan whose nodes are known: estimates come from the plan, all
 * else from `known`, and there are no constants. Reads no catalog and raises nothing. NULL when memory
 * is short or the plan is another one.
 */
extern Extract *extract_recalled(QueryDesc *queryDesc, const PredictorNode *known, int known_count,
								 MemoryContext context);

/*
 * Adds what was measured: reads the nodes' instrumentation, allocates nothing, reads no catalog,
 * cannot raise. `in_error` tells that the executor was left in the middle of a node.
 */
extern void extract_actuals(QueryDesc *queryDesc, Extract *extract, bool in_error);

#endif
