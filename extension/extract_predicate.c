/*
 * extract_predicate.c - which expressions of a node make its predicate: those that EXPLAIN prints
 * of it, in the same roles (ExplainNode() in explain.c).
 */
#include "postgres.h"

#include "access/tsmapi.h"
#include "catalog/pg_proc.h"
#include "access/htup_details.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "utils/syscache.h"

#include "extension/compat.h"
#include "extension/extract_expression.h"
#include "extension/extract_predicate.h"

static void
add_clause(ExpressionWalk *walk, PredictorRole role, Node *clause)
{
	predictor_predicate_begin(&walk->hash, role);
	expression_tokens(walk, clause);
	predictor_predicate_end(&walk->hash);
}

/* Conditions that must all hold; a list, or one expression that may be an AND. */
static void
add_clauses(ExpressionWalk *walk, PredictorRole role, Node *conditions)
{
	List	   *clauses;
	ListCell   *cell;

	if (conditions == NULL)
		return;
	if (IsA(conditions, List))
		clauses = (List *) conditions;
	else if (is_andclause(conditions))
		clauses = ((BoolExpr *) conditions)->args;
	else
	{
		add_clause(walk, role, conditions);
		return;
	}
	foreach(cell, clauses)
		add_clauses(walk, role, lfirst(cell));
}

/* Columns of the plan's own output, or of its child's, as one clause in their order. */
static int
add_keys(ExpressionWalk *walk, PredictorRole role, int count, const AttrNumber *columns, bool below)
{
	if (count <= 0)
		return 0;
	predictor_predicate_begin(&walk->hash, role);
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			predictor_predicate_mark(&walk->hash, PREDICTOR_TOKEN_COMMA, 0);
		expression_column(walk, columns[i], below);
	}
	predictor_predicate_end(&walk->hash);
	return count;
}

/* One clause for each grouping set of one phase of an Agg; returns their keys. */
static int
add_grouping_sets(ExpressionWalk *walk, Agg *phase)
{
	ListCell   *cell;
	int			keys = 0;

	foreach(cell, phase->groupingSets)
	{
		List	   *set = lfirst(cell);
		ListCell   *member;

		predictor_predicate_begin(&walk->hash, PREDICTOR_ROLE_GROUP_KEY);
		foreach(member, set)
		{
			if (foreach_current_index(member) > 0)
				predictor_predicate_mark(&walk->hash, PREDICTOR_TOKEN_COMMA, 0);
			expression_column(walk, phase->grpColIdx[lfirst_int(member)], true);
		}
		predictor_predicate_end(&walk->hash);
		keys += list_length(set);
	}
	return keys;
}

static int
add_group_keys(ExpressionWalk *walk, Agg *agg)
{
	ListCell   *cell;
	int			keys;

	if (agg->groupingSets == NIL)
		return add_keys(walk, PREDICTOR_ROLE_GROUP_KEY, agg->numCols, agg->grpColIdx, true);
	keys = add_grouping_sets(walk, agg);
	foreach(cell, agg->chain)
		keys += add_grouping_sets(walk, lfirst(cell));
	return keys;
}

static void
add_function_calls(ExpressionWalk *walk, FunctionScan *scan)
{
	ListCell   *cell;

	predictor_predicate_begin(&walk->hash, PREDICTOR_ROLE_FUNCTION_CALL);
	foreach(cell, scan->functions)
	{
		if (foreach_current_index(cell) > 0)
			predictor_predicate_mark(&walk->hash, PREDICTOR_TOKEN_COMMA, 0);
		expression_tokens(walk, ((RangeTblFunction *) lfirst(cell))->funcexpr);
	}
	predictor_predicate_end(&walk->hash);
}

static void
add_sampling(ExpressionWalk *walk, TableSampleClause *sample)
{
	HeapTuple	handler = SearchSysCache1(PROCOID, ObjectIdGetDatum(sample->tsmhandler));

	predictor_predicate_begin(&walk->hash, PREDICTOR_ROLE_SAMPLING);
	if (HeapTupleIsValid(handler))
	{
		predictor_predicate_word(&walk->hash, PREDICTOR_TOKEN_FUNCTION,
								 NameStr(((Form_pg_proc) GETSTRUCT(handler))->proname));
		ReleaseSysCache(handler);
	}
	predictor_predicate_mark(&walk->hash, PREDICTOR_TOKEN_OPEN, 0);
	expression_tokens(walk, (Node *) sample->args);
	predictor_predicate_mark(&walk->hash, PREDICTOR_TOKEN_CLOSE, 0);
	expression_tokens(walk, (Node *) sample->repeatable);
	predictor_predicate_end(&walk->hash);
}

/* EXPLAIN shows several TID conditions, any of which may hold, as one. */
static void
add_tid_conditions(ExpressionWalk *walk, List *conditions)
{
	ListCell   *cell;

	if (list_length(conditions) <= 1)
	{
		add_clauses(walk, PREDICTOR_ROLE_TID_CONDITION, (Node *) conditions);
		return;
	}
	predictor_predicate_begin(&walk->hash, PREDICTOR_ROLE_TID_CONDITION);
	predictor_predicate_mark(&walk->hash, PREDICTOR_TOKEN_OPEN, 0);
	foreach(cell, conditions)
	{
		if (foreach_current_index(cell) > 0)
			predictor_predicate_word(&walk->hash, PREDICTOR_TOKEN_KEYWORD, "OR");
		expression_tokens(walk, lfirst(cell));
	}
	predictor_predicate_mark(&walk->hash, PREDICTOR_TOKEN_CLOSE, 0);
	predictor_predicate_end(&walk->hash);
}

static void
add_join_conditions(ExpressionWalk *walk, Join *join)
{
	add_clauses(walk, PREDICTOR_ROLE_JOIN_FILTER, (Node *) join->joinqual);
	if (IsA(join, HashJoin))
		add_clauses(walk, PREDICTOR_ROLE_HASH_CONDITION, (Node *) ((HashJoin *) join)->hashclauses);
	else if (IsA(join, MergeJoin))
		add_clauses(walk, PREDICTOR_ROLE_MERGE_CONDITION, (Node *) ((MergeJoin *) join)->mergeclauses);
}

static void
add_cache_keys(ExpressionWalk *walk, Memoize *memoize)
{
	predictor_predicate_begin(&walk->hash, PREDICTOR_ROLE_CACHE_KEY);
	expression_tokens(walk, (Node *) memoize->param_exprs);
	predictor_predicate_end(&walk->hash);
}

static void
add_provider(ExpressionWalk *walk, CustomScan *scan)
{
	predictor_predicate_begin(&walk->hash, PREDICTOR_ROLE_PROVIDER);
	predictor_predicate_word(&walk->hash, PREDICTOR_TOKEN_KEYWORD, scan->methods->CustomName);
	predictor_predicate_end(&walk->hash);
}

/* Of the nodes that read a relation. */
static void
add_scan_clauses(ExpressionWalk *walk, Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_IndexScan:
			add_clauses(walk, PREDICTOR_ROLE_INDEX_CONDITION, (Node *) ((IndexScan *) plan)->indexqualorig);
			add_clauses(walk, PREDICTOR_ROLE_ORDER_BY, (Node *) ((IndexScan *) plan)->indexorderbyorig);
			break;
		case T_IndexOnlyScan:
			add_clauses(walk, PREDICTOR_ROLE_INDEX_CONDITION, (Node *) ((IndexOnlyScan *) plan)->indexqual);
			add_clauses(walk, PREDICTOR_ROLE_ORDER_BY, (Node *) ((IndexOnlyScan *) plan)->indexorderby);
			break;
		case T_BitmapIndexScan:
			add_clauses(walk, PREDICTOR_ROLE_INDEX_CONDITION, (Node *) ((BitmapIndexScan *) plan)->indexqualorig);
			break;
		case T_BitmapHeapScan:
			add_clauses(walk, PREDICTOR_ROLE_RECHECK, (Node *) ((BitmapHeapScan *) plan)->bitmapqualorig);
			break;
		case T_TidScan:
			add_tid_conditions(walk, ((TidScan *) plan)->tidquals);
			break;
		case T_TidRangeScan:
			add_clauses(walk, PREDICTOR_ROLE_TID_CONDITION, (Node *) ((TidRangeScan *) plan)->tidrangequals);
			break;
		case T_SampleScan:
			add_sampling(walk, (TableSampleClause *) ((SampleScan *) plan)->tablesample);
			break;
		case T_FunctionScan:
			add_function_calls(walk, (FunctionScan *) plan);
			break;
		case T_CustomScan:
			add_provider(walk, (CustomScan *) plan);
			break;
		default:
			break;
	}
}

/* Of all others; returns how many sort or group keys EXPLAIN prints. */
static int
add_own_clauses(ExpressionWalk *walk, Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_NestLoop:
		case T_HashJoin:
		case T_MergeJoin:
			add_join_conditions(walk, (Join *) plan);
			return 0;
		case T_Result:
			add_clauses(walk, PREDICTOR_ROLE_ONE_TIME_FILTER, ((Result *) plan)->resconstantqual);
			return 0;
		case T_Memoize:
			add_cache_keys(walk, (Memoize *) plan);
			return 0;
		case T_ModifyTable:
			add_clauses(walk, PREDICTOR_ROLE_CONFLICT_FILTER, ((ModifyTable *) plan)->onConflictWhere);
			return 0;
#if PG_VERSION_NUM >= 150000
		case T_WindowAgg:
			add_clauses(walk, PREDICTOR_ROLE_RUN_CONDITION, (Node *) ((WindowAgg *) plan)->runConditionOrig);
			return 0;
#endif
		case T_Sort:
		case T_IncrementalSort:
			return add_keys(walk, PREDICTOR_ROLE_SORT_KEY, ((Sort *) plan)->numCols,
							((Sort *) plan)->sortColIdx, false);
		case T_MergeAppend:
			return add_keys(walk, PREDICTOR_ROLE_SORT_KEY, ((MergeAppend *) plan)->numCols,
							((MergeAppend *) plan)->sortColIdx, false);
		case T_Group:
			return add_keys(walk, PREDICTOR_ROLE_GROUP_KEY, ((Group *) plan)->numCols,
							((Group *) plan)->grpColIdx, true);
		case T_Agg:
			return add_group_keys(walk, (Agg *) plan);
		default:
			add_scan_clauses(walk, plan);
			return 0;
	}
}

void
extract_predicate(Extract *extract, int node, QueryDesc *queryDesc, const HashKey *key)
{
	PredictorNode *described = &extract->record.nodes[node];
	ExpressionWalk walk;

	expression_begin(&walk, extract, node, queryDesc, key);
	add_clauses(&walk, PREDICTOR_ROLE_FILTER, (Node *) walk.plan->qual);
	described->sort_keys = add_own_clauses(&walk, walk.plan);
	predictor_predicate_result(&walk.hash, described);
}
