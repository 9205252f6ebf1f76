/*
 * plan_identity.c - see plan_identity.h.
 *
 * With the query id the statement is known up to its constants, so what has to be added is the plan's
 * shape, the estimates, and all constants that could differ. Of targets, plain columns are left out:
 * they have no constants, and wide tables have many.
 */
#include "postgres.h"

#include "nodes/extensible.h"
#include "parser/parsetree.h"

#include "extension/compat.h"
#include "extension/expression_identity.h"
#include "extension/extract.h"
#include "extension/plan_identity.h"

static void add_plan(Walk *walk, const Plan *plan);

static void
add_targets(Walk *walk, const List *targets)
{
	ListCell   *cell;

	foreach(cell, targets)
	{
		const Node *expression = (const Node *) ((const TargetEntry *) lfirst(cell))->expr;

		if (!IsA(expression, Var))
		{
			add(walk, foreach_current_index(cell));
			add_expression(walk, expression);
		}
	}
}

static void
add_columns(Walk *walk, int count, const AttrNumber *columns)
{
	add(walk, count);
	for (int i = 0; i < count; i++)
		add(walk, columns[i]);
}

static void
add_join(Walk *walk, const Join *join)
{
	add(walk, (uint64) join->inner_unique << 32 | join->jointype);
	add_list(walk, join->joinqual);
	if (IsA(join, HashJoin))
		add_list(walk, ((const HashJoin *) join)->hashclauses);
	else if (IsA(join, MergeJoin))
		add_list(walk, ((const MergeJoin *) join)->mergeclauses);
}

static void
add_agg(Walk *walk, const Agg *agg)
{
	ListCell   *cell;

	add(walk, (uint64) agg->aggstrategy << 32 | agg->aggsplit);
	add_columns(walk, agg->numCols, agg->grpColIdx);
	add(walk, list_length(agg->groupingSets));
	foreach(cell, agg->chain)
		add_agg(walk, lfirst(cell));
}

/* Relation and conditions of the nodes that read one, as EXPLAIN prints them. */
static void
add_scan(Walk *walk, const Plan *plan)
{
	Index		target = extract_target((Plan *) plan);

	if (target > 0)
		add(walk, rt_fetch(target, walk->statement->rtable)->relid);
	switch (nodeTag(plan))
	{
		case T_IndexScan:
			add(walk, (uint64) ((const IndexScan *) plan)->indexorderdir << 32 | ((const IndexScan *) plan)->indexid);
			add_list(walk, ((const IndexScan *) plan)->indexqualorig);
			add_list(walk, ((const IndexScan *) plan)->indexorderbyorig);
			break;
		case T_IndexOnlyScan:
			add(walk, (uint64) ((const IndexOnlyScan *) plan)->indexorderdir << 32 | ((const IndexOnlyScan *) plan)->indexid);
			add_list(walk, ((const IndexOnlyScan *) plan)->indexqual);
			add_list(walk, ((const IndexOnlyScan *) plan)->indexorderby);
			break;
		case T_BitmapIndexScan:
			add(walk, ((const BitmapIndexScan *) plan)->indexid);
			add_list(walk, ((const BitmapIndexScan *) plan)->indexqualorig);
			break;
		case T_BitmapHeapScan:
			add_list(walk, ((const BitmapHeapScan *) plan)->bitmapqualorig);
			break;
		case T_TidScan:
			add_list(walk, ((const TidScan *) plan)->tidquals);
			break;
		case T_TidRangeScan:
			add_list(walk, ((const TidRangeScan *) plan)->tidrangequals);
			break;
		case T_FunctionScan:
			add_list(walk, ((const FunctionScan *) plan)->functions);
			break;
		case T_SampleScan:
			add_list(walk, ((const SampleScan *) plan)->tablesample->args);
			add_expression(walk, (const Node *) ((const SampleScan *) plan)->tablesample->repeatable);
			break;
		case T_ForeignScan:
			add_targets(walk, ((const ForeignScan *) plan)->fdw_scan_tlist);
			break;
		case T_CustomScan:
			add_bytes(walk, ((const CustomScan *) plan)->methods->CustomName,
					  strlen(((const CustomScan *) plan)->methods->CustomName));
			add_targets(walk, ((const CustomScan *) plan)->custom_scan_tlist);
			break;
		default:
			break;
	}
}

static void
add_type(Walk *walk, const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_NestLoop:
		case T_HashJoin:
		case T_MergeJoin:
			add_join(walk, (const Join *) plan);
			break;
		case T_Agg:
			add_agg(walk, (const Agg *) plan);
			break;
		case T_Group:
			add_columns(walk, ((const Group *) plan)->numCols, ((const Group *) plan)->grpColIdx);
			break;
		case T_Sort:
		case T_IncrementalSort:
			add_columns(walk, ((const Sort *) plan)->numCols, ((const Sort *) plan)->sortColIdx);
			break;
		case T_MergeAppend:
			add_columns(walk, ((const MergeAppend *) plan)->numCols, ((const MergeAppend *) plan)->sortColIdx);
			break;
		case T_Result:
			add_expression(walk, ((const Result *) plan)->resconstantqual);
			break;
		case T_Memoize:
			add_list(walk, ((const Memoize *) plan)->param_exprs);
			break;
#if PG_VERSION_NUM >= 150000
		case T_WindowAgg:
			add_list(walk, ((const WindowAgg *) plan)->runConditionOrig);
			break;
#endif
		case T_SetOp:
			add(walk, (uint64) ((const SetOp *) plan)->strategy << 32 | ((const SetOp *) plan)->cmd);
			break;
		case T_Gather:
			add(walk, (uint64) ((const Gather *) plan)->single_copy << 32 | ((const Gather *) plan)->num_workers);
			break;
		case T_GatherMerge:
			add(walk, ((const GatherMerge *) plan)->num_workers);
			break;
		case T_ModifyTable:
			add(walk, ((const ModifyTable *) plan)->operation);
			add_expression(walk, ((const ModifyTable *) plan)->onConflictWhere);
			add_scan(walk, plan);
			break;
		default:
			add_scan(walk, plan);
			break;
	}
}

static void
add_plans(Walk *walk, const List *plans)
{
	ListCell   *cell;

	add(walk, list_length(plans));
	foreach(cell, plans)
		add_plan(walk, lfirst(cell));
}

/* Children that hang elsewhere than outer and inner. */
static void
add_members(Walk *walk, const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Append:
			add_plans(walk, ((const Append *) plan)->appendplans);
			walk->is_known = walk->is_known && !PRUNES_PARTITIONS((const Append *) plan);
			break;
		case T_MergeAppend:
			add_plans(walk, ((const MergeAppend *) plan)->mergeplans);
			walk->is_known = walk->is_known && !PRUNES_PARTITIONS((const MergeAppend *) plan);
			break;
		case T_BitmapAnd:
			add_plans(walk, ((const BitmapAnd *) plan)->bitmapplans);
			break;
		case T_BitmapOr:
			add_plans(walk, ((const BitmapOr *) plan)->bitmapplans);
			break;
		case T_SubqueryScan:
			add_plan(walk, ((const SubqueryScan *) plan)->subplan);
			break;
		case T_CustomScan:
			add_plans(walk, ((const CustomScan *) plan)->custom_plans);
			break;
		default:
			break;
	}
}

static void
add_plan(Walk *walk, const Plan *plan)
{
	if (plan == NULL)
	{
		add(walk, 0);
		return;
	}
	if (!may_step(walk))
		return;
	add(walk, (uint64) nodeTag(plan) << 32 | (uint32) plan->plan_width);
	add(walk, plan->parallel_aware << 1 | plan->async_capable);
	add_number(walk, plan->startup_cost);
	add_number(walk, plan->total_cost);
	add_number(walk, plan->plan_rows);
	add_targets(walk, plan->targetlist);
	add_list(walk, plan->qual);
	add_type(walk, plan);
	add_members(walk, plan);
	add_plan(walk, plan->lefttree);
	add_plan(walk, plan->righttree);
}

static void
add_settings(Walk *walk)
{
	PredictorStatement settings;

	extract_settings(&settings);
	add(walk, (uint64) settings.work_mem << 32 | settings.switches);
	add(walk, settings.parallel_workers);
	add_number(walk, settings.hash_mem_multiplier);
	add_number(walk, settings.random_page_cost);
	add_number(walk, settings.seq_page_cost);
	add_number(walk, settings.effective_cache);
}

uint64
plan_identity(const QueryDesc *queryDesc, uint64 seed)
{
	const PlannedStmt *statement = queryDesc->plannedstmt;
	Walk		walk = {seed, statement, queryDesc->params, 0, 0, true};

	if (statement->queryId == 0 || statement->planTree == NULL)
		return 0;
	add(&walk, statement->queryId);
	add(&walk, (uint64) statement->jitFlags << 32 | queryDesc->operation);
	add_settings(&walk);
	add_plan(&walk, statement->planTree);
	add_plans(&walk, statement->subplans);
	if (!walk.is_known)
		return 0;
	return walk.hash != 0 ? walk.hash : 1;
}
