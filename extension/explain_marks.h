/*
 * explain_marks.h - the marks in the plans of an EXPLAIN (PREDICTOR) on PostgreSQL 14 to 17, shared by
 * the command (explain_utility.c) and the executor hooks (explain_marks.c).
 */
#ifndef PREDICTOR_EXPLAIN_MARKS_H
#define PREDICTOR_EXPLAIN_MARKS_H

#include "extension/explain_rewrite.h"

#if PG_VERSION_NUM < 180000

/* What marking changed in one node. */
typedef struct ChangedNode
{
	PlanState  *state;
	int			partitions;		/* of an Agg */
	struct SharedJitInstrumentation *worker_jit;
} ChangedNode;

/* A plan between its ExecutorStart and its ExecutorEnd. */
typedef struct MarkedPlan
{
	QueryDesc  *queryDesc;
	Answer	   *answer;			/* NULL: no prediction, marked because of COSTS OFF */
	bool		is_marked;
	int			jit_flags;
	int			count;
	int			capacity;
	ChangedNode *changed;
} MarkedPlan;

/* An EXPLAIN with our option. */
typedef struct MarkedExplain
{
	ExplainRequest request;
	MarkedOutput output;
	int			node_capacity;
	const char *source;			/* the command's text */
	const char *prepared_source;	/* of EXECUTE, or NULL */
	MarkedPlan	plan;			/* the one being explained; EXPLAIN has one at a time */
} MarkedExplain;

/* The EXPLAIN of ours that runs; NULL also while commands run inside it. */
extern MarkedExplain *explain_active;

/*
 * A library that was loaded while our hooks were set chains to them, so they could not be taken out.
 * They stay, with nothing to do; EXPLAIN in this session goes without predictions.
 */
extern bool explain_hooks_are_stuck;

/* Makes our executor hooks the outermost ones, and undoes it. Calls nest; neither raises. */
extern void explain_set_hooks(void);
extern void explain_reset_hooks(void);

/* Puts back what marking changed, if anything is marked. Cannot raise. */
extern void explain_remove_marks(MarkedExplain *explain);

#endif
#endif
