/*
 * extract_reference.c - columns and parameters of an expression: followed down to the child that
 * computes them, or up to the nested loop or subplan that supplies them (find_param_referent() and
 * resolve_special_varno() in ruleutils.c do so for EXPLAIN).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/heap.h"
#include "catalog/pg_attribute.h"
#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "utils/syscache.h"

#include "extension/compat.h"
#include "extension/extract_constant.h"
#include "extension/extract_tokens.h"

/* ---- columns ---- */

static Plan *
first_of(List *plans)
{
	return plans != NIL ? linitial(plans) : NULL;
}

/* The targets that a column of `varno` means, and the plan whose they are. */
static List *
column_targets(Plan *plan, int varno, Plan **source)
{
	*source = NULL;
	if (varno == OUTER_VAR)
	{
		if (IsA(plan, Append))
			*source = first_of(((Append *) plan)->appendplans);
		else if (IsA(plan, MergeAppend))
			*source = first_of(((MergeAppend *) plan)->mergeplans);
		else
			*source = outerPlan(plan);
	}
	else if (varno == INNER_VAR)
	{
		if (IsA(plan, ModifyTable))
			return ((ModifyTable *) plan)->exclRelTlist;
		*source = IsA(plan, SubqueryScan) ? ((SubqueryScan *) plan)->subplan : innerPlan(plan);
	}
	else if (varno == INDEX_VAR)
	{
		if (IsA(plan, IndexOnlyScan))
			return ((IndexOnlyScan *) plan)->indextlist;
		if (IsA(plan, ForeignScan))
			return ((ForeignScan *) plan)->fdw_scan_tlist;
		if (IsA(plan, CustomScan))
			return ((CustomScan *) plan)->custom_scan_tlist;
	}
	return *source != NULL ? (*source)->targetlist : NIL;
}

/* Reports what `node` is where `source`, a child of the plan, computes it. */
static void
tokens_below(ExpressionWalk *walk, Plan *source, Node *node)
{
	PlanAbove	above = {walk->plan, walk->above};

	walk->plan = source;
	walk->above = &above;
	expression_tokens(walk, node);
	walk->plan = above.plan;
	walk->above = above.up;
}

static void
system_column(ExpressionWalk *walk, AttrNumber attribute)
{
	if (attribute == InvalidAttrNumber)
		word(walk, PREDICTOR_TOKEN_COLUMN, "*");
	else if (attribute > FirstLowInvalidHeapAttributeNumber)
		word(walk, PREDICTOR_TOKEN_COLUMN, NameStr(SystemAttributeDefinition(attribute)->attname));
}

static void
relation_column(ExpressionWalk *walk, Oid relation, AttrNumber attribute)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation),
										Int16GetDatum(attribute));

	if (!HeapTupleIsValid(tuple))
		return;
	word(walk, PREDICTOR_TOKEN_COLUMN, NameStr(((Form_pg_attribute) GETSTRUCT(tuple))->attname));
	ReleaseSysCache(tuple);
}

static void
range_table_column(ExpressionWalk *walk, RangeTblEntry *rte, AttrNumber attribute)
{
	if (attribute <= 0)
		system_column(walk, attribute);
	else if (rte->alias != NULL && attribute <= list_length(rte->alias->colnames))
		word(walk, PREDICTOR_TOKEN_COLUMN, strVal(list_nth(rte->alias->colnames, attribute - 1)));
	else if (rte->rtekind == RTE_RELATION)
		relation_column(walk, rte->relid, attribute);
	else if (rte->eref != NULL && attribute <= list_length(rte->eref->colnames))
		word(walk, PREDICTOR_TOKEN_COLUMN, strVal(list_nth(rte->eref->colnames, attribute - 1)));
}

static TargetEntry *
find_target(List *targets, AttrNumber resno)
{
	ListCell   *cell;

	foreach(cell, targets)
		if (((TargetEntry *) lfirst(cell))->resno == resno)
			return lfirst(cell);
	return NULL;
}

void
variable_tokens(ExpressionWalk *walk, Var *var)
{
	Plan	   *source;
	TargetEntry *target;

	if (!IS_SPECIAL_VARNO(var->varno))
	{
		if (var->varno >= 1 && var->varno <= list_length(walk->rtable))
			range_table_column(walk, rt_fetch(var->varno, walk->rtable), var->varattno);
		return;
	}
	target = find_target(column_targets(walk->plan, var->varno, &source), var->varattno);
	if (target == NULL)
		return;
	if (source != NULL)
		tokens_below(walk, source, (Node *) target->expr);
	else
		expression_tokens(walk, (Node *) target->expr);
}

void
expression_column(ExpressionWalk *walk, AttrNumber resno, bool below)
{
	Plan	   *plan = below ? outerPlan(walk->plan) : walk->plan;
	TargetEntry *target = plan != NULL ? find_target(plan->targetlist, resno) : NULL;

	if (target == NULL)
		return;
	if (below)
		tokens_below(walk, plan, (Node *) target->expr);
	else
		expression_tokens(walk, (Node *) target->expr);
}

/* ---- parameters ---- */

/* What the nested loop `plan` passes as parameter `paramid` to its inner child. */
static Node *
nested_loop_supply(Plan *plan, Plan *child, int paramid)
{
	ListCell   *cell;

	if (!IsA(plan, NestLoop) || innerPlan(plan) != child)
		return NULL;
	foreach(cell, ((NestLoop *) plan)->nestParams)
	{
		NestLoopParam *supply = lfirst(cell);

		if (supply->paramno == paramid)
			return (Node *) supply->paramval;
	}
	return NULL;
}

/* What the expressions of `parent` pass as parameter `paramid` to the subplan `child`. */
static Node *
subplan_supply(PlanState *parent, PlanState *child, int paramid)
{
	ListCell   *cell;

	foreach(cell, parent->subPlan)
	{
		SubPlanState *state = lfirst(cell);
		ListCell   *parameter;
		ListCell   *argument;

		if (state->planstate != child)
			continue;
		forboth(parameter, state->subplan->parParam, argument, state->subplan->args)
			if (lfirst_int(parameter) == paramid)
				return lfirst(argument);
	}
	return NULL;
}

/* Reports `node` as an expression of another plan, which stands above. */
static void
tokens_above(ExpressionWalk *walk, Plan *plan, PlanAbove *above, int position, Node *node)
{
	ExpressionWalk saved = *walk;

	walk->plan = plan;
	walk->above = above;
	walk->node = position;
	expression_tokens(walk, node);
	walk->plan = saved.plan;
	walk->above = saved.above;
	walk->node = saved.node;
}

/* Finds who supplies an executor's parameter; false for the result of an InitPlan. */
static bool
follow_parameter(ExpressionWalk *walk, int paramid)
{
	const PredictorNode *nodes = walk->extract->record.nodes;
	PlanState **states = walk->extract->states;
	Plan	   *child = walk->plan;
	Node	   *supply;

	for (PlanAbove *above = walk->above; above != NULL; above = above->up)
	{
		supply = nested_loop_supply(above->plan, child, paramid);
		if (supply != NULL)
		{
			tokens_above(walk, above->plan, above->up, walk->node, supply);
			return true;
		}
		child = above->plan;
	}
	for (int at = walk->node; nodes[at].parent >= 0; at = nodes[at].parent)
	{
		PlanState  *parent = states[nodes[at].parent];

		supply = nodes[at].relationship == PREDICTOR_REL_SUBPLAN ?
			subplan_supply(parent, states[at], paramid) :
			nested_loop_supply(parent->plan, child, paramid);
		if (supply != NULL)
		{
			tokens_above(walk, parent->plan, NULL, nodes[at].parent, supply);
			return true;
		}
		child = parent->plan;
	}
	return false;
}

bool
is_supplied(ExpressionWalk *walk, int paramid)
{
	ExpressionWalk trial = *walk;

	trial.steps = MAX_EXPRESSION_STEPS;	/* only whether, not what */
	return follow_parameter(&trial, paramid);
}

ParamExternData *
bound_value(ParamListInfo params, const Param *param, ParamExternData *workspace)
{
	ParamExternData *value;

	if (param->paramkind != PARAM_EXTERN || params == NULL || param->paramid < 1 ||
		param->paramid > params->numParams)
		return NULL;
	/* "speculative" asks the provider to evaluate nothing that could fail */
	value = params->paramFetch != NULL ?
		params->paramFetch(params, param->paramid, true, workspace) :
		&params->params[param->paramid - 1];
	return OidIsValid(value->ptype) ? value : NULL;
}

void
parameter_tokens(ExpressionWalk *walk, Param *param)
{
	ParamExternData workspace;
	ParamExternData *value;

	if (param->paramkind == PARAM_EXEC && follow_parameter(walk, param->paramid))
		return;
	value = bound_value(walk->params, param, &workspace);
	if (value != NULL)
		extract_constant(&walk->hash, value->ptype, value->value, value->isnull);
	else
		mark(walk, PREDICTOR_TOKEN_VALUE);
}
