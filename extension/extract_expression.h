/*
 * extract_expression.h - from an expression tree to the tokens of its normal form
 * (plan/predicate_tokens.h), without deparsing.
 *
 * Follows what PostgreSQL's deparser would print for EXPLAIN: a column of a child's output down to
 * what computes it, a parameter up to the nested loop or subplan that supplies it.
 */
#ifndef PREDICTOR_EXTRACT_EXPRESSION_H
#define PREDICTOR_EXTRACT_EXPRESSION_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "extension/extract.h"
#include "extension/facade.h"

/* A plan above the one in which an expression stands, reached by following a column down. */
typedef struct PlanAbove
{
	Plan	   *plan;
	struct PlanAbove *up;
} PlanAbove;

typedef struct ExpressionWalk
{
	PredictorPredicate hash;
	Extract    *extract;		/* nodes and states of all plans above, and of this one */
	int			node;			/* whose expressions are walked */
	Plan	   *plan;			/* whose output and children columns mean */
	PlanAbove  *above;			/* between `plan` and the plan of `node` */
	List	   *rtable;
	ParamListInfo params;
	int			depth;
	int			steps;			/* taken so far for this node */
} ExpressionWalk;

extern void expression_begin(ExpressionWalk *walk, Extract *extract, int node,
							 QueryDesc *queryDesc, const HashKey *key);

/* Reports the tokens of one expression, or of a list with commas. Never raises for its depth. */
extern void expression_tokens(ExpressionWalk *walk, Node *expression);

/* The same of column `resno` of the plan's target list; `below`: of its outer child's. */
extern void expression_column(ExpressionWalk *walk, AttrNumber resno, bool below);

/* The value bound to an external parameter; NULL if it has none. */
extern ParamExternData *bound_value(ParamListInfo params, const Param *param, ParamExternData *workspace);

#endif
