/*
 * extract_expression.c - see extract_expression.h.
 *
 * What a node looks like in the deparsed text decides what it reports, so the cases below are in
 * the order of get_rule_expr() (ruleutils.c). Names come from the system caches; nothing is
 * allocated.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/heap.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "utils/syscache.h"

#include "extension/compat.h"
#include "extension/extract_constant.h"
#include "extension/extract_expression.h"

/*
 * A column that an expression below uses twice is followed twice, so nested aggregates could double
 * the work with each level. After so many steps the rest of the node's predicates does not count.
 */
#define MAX_STEPS 5000
#define MAX_DEPTH 500

/* ---- tokens ---- */

static void
word(ExpressionWalk *walk, PredictorToken kind, const char *text)
{
	predictor_predicate_word(&walk->hash, kind, text);
}

static void
keyword(ExpressionWalk *walk, const char *text)
{
	word(walk, PREDICTOR_TOKEN_KEYWORD, text);
}

static void
mark(ExpressionWalk *walk, PredictorToken kind)
{
	predictor_predicate_mark(&walk->hash, kind, 0);
}

static void
open_call(ExpressionWalk *walk, const char *name)
{
	word(walk, PREDICTOR_TOKEN_FUNCTION, name);
	mark(walk, PREDICTOR_TOKEN_OPEN);
}

static void
operator_name(ExpressionWalk *walk, Oid op)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(op));

	if (!HeapTupleIsValid(tuple))
		return;
	word(walk, PREDICTOR_TOKEN_OPERATOR, NameStr(((Form_pg_operator) GETSTRUCT(tuple))->oprname));
	ReleaseSysCache(tuple);
}

static void
open_function(ExpressionWalk *walk, Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));

	if (HeapTupleIsValid(tuple))
	{
		word(walk, PREDICTOR_TOKEN_FUNCTION, NameStr(((Form_pg_proc) GETSTRUCT(tuple))->proname));
		ReleaseSysCache(tuple);
	}
	mark(walk, PREDICTOR_TOKEN_OPEN);
}

static void
separate(ExpressionWalk *walk, bool *first)
{
	if (!*first)
		mark(walk, PREDICTOR_TOKEN_COMMA);
	*first = false;
}

static void
list_tokens(ExpressionWalk *walk, List *list)
{
	ListCell   *cell;
	bool		first = true;

	foreach(cell, list)
	{
		separate(walk, &first);
		expression_tokens(walk, lfirst(cell));
	}
}

static void
call_tokens(ExpressionWalk *walk, const char *name, List *arguments)
{
	open_call(walk, name);
	list_tokens(walk, arguments);
	mark(walk, PREDICTOR_TOKEN_CLOSE);
}

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

static void
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

static bool
is_supplied(ExpressionWalk *walk, int paramid)
{
	ExpressionWalk trial = *walk;

	trial.steps = MAX_STEPS;	/* only whether, not what */
	return follow_parameter(&trial, paramid);
}

static void
parameter_tokens(ExpressionWalk *walk, Param *param)
{
	ParamExternData workspace;
	ParamExternData *value = NULL;
	ParamListInfo params = walk->params;

	if (param->paramkind == PARAM_EXEC && follow_parameter(walk, param->paramid))
		return;
	if (param->paramkind == PARAM_EXTERN && params != NULL && param->paramid >= 1 &&
		param->paramid <= params->numParams)
	{
		/* "speculative" asks the provider to evaluate nothing that could fail */
		value = params->paramFetch != NULL ?
			params->paramFetch(params, param->paramid, true, &workspace) :
			&params->params[param->paramid - 1];
	}
	if (value != NULL && OidIsValid(value->ptype))
		extract_constant(&walk->hash, value->ptype, value->value, value->isnull);
	else
		mark(walk, PREDICTOR_TOKEN_VALUE);
}

/* ---- functions and aggregates ---- */

static void
sort_tokens(ExpressionWalk *walk, List *clauses, List *targets)
{
	ListCell   *cell;
	bool		first = true;

	keyword(walk, "ORDER");
	keyword(walk, "BY");
	foreach(cell, clauses)
	{
		ListCell   *target;

		foreach(target, targets)
		{
			TargetEntry *entry = lfirst(target);

			if (entry->ressortgroupref != ((SortGroupClause *) lfirst(cell))->tleSortGroupRef)
				continue;
			separate(walk, &first);
			expression_tokens(walk, (Node *) entry->expr);
			break;
		}
	}
}

static void
filter_tokens(ExpressionWalk *walk, Expr *filter)
{
	if (filter == NULL)
		return;
	keyword(walk, "FILTER");
	mark(walk, PREDICTOR_TOKEN_OPEN);
	keyword(walk, "WHERE");
	expression_tokens(walk, (Node *) filter);
	mark(walk, PREDICTOR_TOKEN_CLOSE);
}

static void
plain_aggregate_tokens(ExpressionWalk *walk, Aggref *aggregate)
{
	ListCell   *cell;
	bool		first = true;

	if (aggregate->aggdistinct != NIL)
		keyword(walk, "DISTINCT");
	if (aggregate->aggstar)
		word(walk, PREDICTOR_TOKEN_OPERATOR, "*");
	foreach(cell, aggregate->args)
	{
		TargetEntry *argument = lfirst(cell);

		if (argument->resjunk)
			continue;
		separate(walk, &first);
		expression_tokens(walk, (Node *) argument->expr);
	}
	if (aggregate->aggorder != NIL)
		sort_tokens(walk, aggregate->aggorder, aggregate->args);
	mark(walk, PREDICTOR_TOKEN_CLOSE);
}

static void
aggregate_tokens(ExpressionWalk *walk, Aggref *aggregate)
{
	/* One that combines partial results counts as the partial one below. */
	if (DO_AGGSPLIT_COMBINE(aggregate->aggsplit))
	{
		expression_tokens(walk, (Node *) linitial_node(TargetEntry, aggregate->args)->expr);
		return;
	}
	open_function(walk, aggregate->aggfnoid);
	if (AGGKIND_IS_ORDERED_SET(aggregate->aggkind))
	{
		list_tokens(walk, aggregate->aggdirectargs);
		mark(walk, PREDICTOR_TOKEN_CLOSE);
		keyword(walk, "WITHIN");
		keyword(walk, "GROUP");
		mark(walk, PREDICTOR_TOKEN_OPEN);
		sort_tokens(walk, aggregate->aggorder, aggregate->args);
		mark(walk, PREDICTOR_TOKEN_CLOSE);
	}
	else
		plain_aggregate_tokens(walk, aggregate);
	filter_tokens(walk, aggregate->aggfilter);
}

static void
window_tokens(ExpressionWalk *walk, WindowFunc *function)
{
	open_function(walk, function->winfnoid);
	if (function->winstar)
		word(walk, PREDICTOR_TOKEN_OPERATOR, "*");
	list_tokens(walk, function->args);
	mark(walk, PREDICTOR_TOKEN_CLOSE);
	filter_tokens(walk, function->aggfilter);
}

static void
function_tokens(ExpressionWalk *walk, FuncExpr *function)
{
	if (function->funcformat == COERCE_EXPLICIT_CAST ||
		function->funcformat == COERCE_IMPLICIT_CAST)
	{
		expression_tokens(walk, linitial(function->args));
		return;
	}
	open_function(walk, function->funcid);
	list_tokens(walk, function->args);
	mark(walk, PREDICTOR_TOKEN_CLOSE);
}

/* ---- operators and words ---- */

static void
operator_tokens(ExpressionWalk *walk, OpExpr *op)
{
	mark(walk, PREDICTOR_TOKEN_OPEN);
	if (list_length(op->args) == 2)
		expression_tokens(walk, linitial(op->args));
	operator_name(walk, op->opno);
	expression_tokens(walk, llast(op->args));
	mark(walk, PREDICTOR_TOKEN_CLOSE);
}

static void
distinct_tokens(ExpressionWalk *walk, DistinctExpr *distinct)
{
	mark(walk, PREDICTOR_TOKEN_OPEN);
	expression_tokens(walk, linitial(distinct->args));
	keyword(walk, "IS");
	keyword(walk, "DISTINCT");
	keyword(walk, "FROM");
	expression_tokens(walk, lsecond(distinct->args));
	mark(walk, PREDICTOR_TOKEN_CLOSE);
}

static void
array_operator_tokens(ExpressionWalk *walk, ScalarArrayOpExpr *any)
{
	mark(walk, PREDICTOR_TOKEN_OPEN);
	expression_tokens(walk, linitial(any->args));
	operator_name(walk, any->opno);
	keyword(walk, any->useOr ? "ANY" : "ALL");
	expression_tokens(walk, lsecond(any->args));
	mark(walk, PREDICTOR_TOKEN_CLOSE);
}

static void
boolean_tokens(ExpressionWalk *walk, BoolExpr *boolean)
{
	ListCell   *cell;

	mark(walk, PREDICTOR_TOKEN_OPEN);
	if (boolean->boolop == NOT_EXPR)
		keyword(walk, "NOT");
	foreach(cell, boolean->args)
	{
		if (foreach_current_index(cell) > 0)
			keyword(walk, boolean->boolop == AND_EXPR ? "AND" : "OR");
		expression_tokens(walk, lfirst(cell));
	}
	mark(walk, PREDICTOR_TOKEN_CLOSE);
}

static void
test_tokens(ExpressionWalk *walk, Expr *argument, bool negated, const char *state)
{
	mark(walk, PREDICTOR_TOKEN_OPEN);
	expression_tokens(walk, (Node *) argument);
	keyword(walk, "IS");
	if (negated)
		keyword(walk, "NOT");
	keyword(walk, state);
	mark(walk, PREDICTOR_TOKEN_CLOSE);
}

static void
boolean_test_tokens(ExpressionWalk *walk, BooleanTest *test)
{
	BoolTestType type = test->booltesttype;

	test_tokens(walk, test->arg,
				type == IS_NOT_TRUE || type == IS_NOT_FALSE || type == IS_NOT_UNKNOWN,
				type == IS_TRUE || type == IS_NOT_TRUE ? "TRUE" :
				type == IS_FALSE || type == IS_NOT_FALSE ? "FALSE" : "UNKNOWN");
}

/* CASE x WHEN 1: the parser made it x = 1, and the deparser prints the 1. */
static Node *
case_condition(CaseExpr *expression, CaseWhen *when)
{
	Node	   *condition = (Node *) when->expr;

	if (expression->arg != NULL && IsA(condition, OpExpr) &&
		list_length(((OpExpr *) condition)->args) == 2)
	{
		Node	   *left = linitial(((OpExpr *) condition)->args);

		while (left != NULL && (IsA(left, RelabelType) || IsA(left, CoerceViaIO)))
			left = IsA(left, RelabelType) ? (Node *) ((RelabelType *) left)->arg :
				(Node *) ((CoerceViaIO *) left)->arg;
		if (left != NULL && IsA(left, CaseTestExpr))
			return lsecond(((OpExpr *) condition)->args);
	}
	return condition;
}

static void
case_tokens(ExpressionWalk *walk, CaseExpr *expression)
{
	ListCell   *cell;

	keyword(walk, "CASE");
	if (expression->arg != NULL)
		expression_tokens(walk, (Node *) expression->arg);
	foreach(cell, expression->args)
	{
		CaseWhen   *when = lfirst(cell);

		keyword(walk, "WHEN");
		expression_tokens(walk, case_condition(expression, when));
		keyword(walk, "THEN");
		expression_tokens(walk, (Node *) when->result);
	}
	keyword(walk, "ELSE");
	expression_tokens(walk, (Node *) expression->defresult);
	keyword(walk, "END");
}

/* ---- rows, arrays and their parts ---- */

static Node *
without_casts(Node *node)
{
	while (node != NULL)
	{
		if (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, CoerceViaIO))
			node = (Node *) ((CoerceViaIO *) node)->arg;
		else if (IsA(node, CoerceToDomain))
			node = (Node *) ((CoerceToDomain *) node)->arg;
		else if (IsA(node, FuncExpr) && (((FuncExpr *) node)->funcformat == COERCE_EXPLICIT_CAST ||
										 ((FuncExpr *) node)->funcformat == COERCE_IMPLICIT_CAST))
			node = linitial(((FuncExpr *) node)->args);
		else
			break;
	}
	return node;
}

static bool
is_value(ExpressionWalk *walk, Node *node)
{
	node = without_casts(node);
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == PARAM_EXTERN ||
			!is_supplied(walk, ((Param *) node)->paramid);
	return IsA(node, Const);
}

static void
element_content(ExpressionWalk *walk, Node *node)
{
	node = without_casts(node);
	if (IsA(node, Const))
		extract_element(&walk->hash, ((Const *) node)->consttype, ((Const *) node)->constvalue,
						((Const *) node)->constisnull);
	else if (((Param *) node)->paramkind == PARAM_EXTERN)
	{
		ParamExternData workspace;
		ParamListInfo params = walk->params;
		int			id = ((Param *) node)->paramid;
		ParamExternData *value = params == NULL || id < 1 || id > params->numParams ? NULL :
			params->paramFetch != NULL ? params->paramFetch(params, id, true, &workspace) :
			&params->params[id - 1];

		if (value != NULL && OidIsValid(value->ptype))
			extract_element(&walk->hash, value->ptype, value->value, value->isnull);
	}
}

/* ARRAY[$1, $2] of a generic plan is '{1,2}' in a custom one. */
static void
array_tokens(ExpressionWalk *walk, ArrayExpr *array)
{
	ListCell   *cell;

	foreach(cell, array->elements)
	{
		if (array->multidims || !is_value(walk, lfirst(cell)))
		{
			call_tokens(walk, "ARRAY", array->elements);
			return;
		}
	}
	predictor_predicate_list(&walk->hash, list_length(array->elements));
	foreach(cell, array->elements)
		element_content(walk, lfirst(cell));
}

static void
row_comparison_tokens(ExpressionWalk *walk, RowCompareExpr *comparison)
{
	mark(walk, PREDICTOR_TOKEN_OPEN);
	call_tokens(walk, "ROW", comparison->largs);
	operator_name(walk, linitial_oid(comparison->opnos));
	call_tokens(walk, "ROW", comparison->rargs);
	mark(walk, PREDICTOR_TOKEN_CLOSE);
}

static void
field_tokens(ExpressionWalk *walk, FieldSelect *field)
{
	Oid			type = exprType((Node *) field->arg);
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			relation = InvalidOid;
	HeapTuple	attribute;

	expression_tokens(walk, (Node *) field->arg);
	if (HeapTupleIsValid(tuple))
	{
		relation = ((Form_pg_type) GETSTRUCT(tuple))->typrelid;
		ReleaseSysCache(tuple);
	}
	attribute = OidIsValid(relation) ?
		SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(field->fieldnum)) : NULL;
	if (!HeapTupleIsValid(attribute))
		return;
	word(walk, PREDICTOR_TOKEN_FIELD, NameStr(((Form_pg_attribute) GETSTRUCT(attribute))->attname));
	ReleaseSysCache(attribute);
}

static void
subscript_tokens(ExpressionWalk *walk, SubscriptingRef *reference)
{
	ListCell   *upper;
	ListCell   *lower = list_head(reference->reflowerindexpr);

	expression_tokens(walk, (Node *) reference->refexpr);
	foreach(upper, reference->refupperindexpr)
	{
		mark(walk, PREDICTOR_TOKEN_SUBSCRIPT);
		if (lower != NULL)
		{
			expression_tokens(walk, lfirst(lower));
			word(walk, PREDICTOR_TOKEN_OPERATOR, ":");
			lower = lnext(reference->reflowerindexpr, lower);
		}
		expression_tokens(walk, lfirst(upper));
		mark(walk, PREDICTOR_TOKEN_CLOSE);
	}
}

static const char *
value_function_name(SQLValueFunctionOp op)
{
	switch (op)
	{
		case SVFOP_CURRENT_DATE: return "CURRENT_DATE";
		case SVFOP_CURRENT_TIME:
		case SVFOP_CURRENT_TIME_N: return "CURRENT_TIME";
		case SVFOP_CURRENT_TIMESTAMP:
		case SVFOP_CURRENT_TIMESTAMP_N: return "CURRENT_TIMESTAMP";
		case SVFOP_LOCALTIME:
		case SVFOP_LOCALTIME_N: return "LOCALTIME";
		case SVFOP_LOCALTIMESTAMP:
		case SVFOP_LOCALTIMESTAMP_N: return "LOCALTIMESTAMP";
		case SVFOP_CURRENT_ROLE: return "CURRENT_ROLE";
		case SVFOP_CURRENT_USER: return "CURRENT_USER";
		case SVFOP_USER: return "USER";
		case SVFOP_SESSION_USER: return "SESSION_USER";
		case SVFOP_CURRENT_CATALOG: return "CURRENT_CATALOG";
		case SVFOP_CURRENT_SCHEMA: return "CURRENT_SCHEMA";
	}
	return "";
}

/* ---- all of them ---- */

/* Nodes that only wrap another one, in the normal form; NULL for all else. */
static Node *
wrapped(Node *node)
{
	switch (nodeTag(node))
	{
		case T_RelabelType: return (Node *) ((RelabelType *) node)->arg;
		case T_CoerceViaIO: return (Node *) ((CoerceViaIO *) node)->arg;
		case T_ArrayCoerceExpr: return (Node *) ((ArrayCoerceExpr *) node)->arg;
		case T_ConvertRowtypeExpr: return (Node *) ((ConvertRowtypeExpr *) node)->arg;
		case T_CoerceToDomain: return (Node *) ((CoerceToDomain *) node)->arg;
		case T_CollateExpr: return (Node *) ((CollateExpr *) node)->arg;
		case T_NamedArgExpr: return (Node *) ((NamedArgExpr *) node)->arg;
		case T_PlaceHolderVar: return NULL;
		case T_TargetEntry: return (Node *) ((TargetEntry *) node)->expr;
		default: return NULL;
	}
}

static void
any_tokens(ExpressionWalk *walk, Node *node)
{
	switch (nodeTag(node))
	{
		case T_Var:
			variable_tokens(walk, (Var *) node);
			break;
		case T_Const:
			extract_constant(&walk->hash, ((Const *) node)->consttype,
							 ((Const *) node)->constvalue, ((Const *) node)->constisnull);
			break;
		case T_Param:
			parameter_tokens(walk, (Param *) node);
			break;
		case T_Aggref:
			aggregate_tokens(walk, (Aggref *) node);
			break;
		case T_GroupingFunc:
			call_tokens(walk, "GROUPING", ((GroupingFunc *) node)->args);
			break;
		case T_WindowFunc:
			window_tokens(walk, (WindowFunc *) node);
			break;
		case T_SubscriptingRef:
			subscript_tokens(walk, (SubscriptingRef *) node);
			break;
		case T_FuncExpr:
			function_tokens(walk, (FuncExpr *) node);
			break;
		case T_OpExpr:
			operator_tokens(walk, (OpExpr *) node);
			break;
		case T_DistinctExpr:
			distinct_tokens(walk, (DistinctExpr *) node);
			break;
		case T_NullIfExpr:
			call_tokens(walk, "NULLIF", ((NullIfExpr *) node)->args);
			break;
		case T_ScalarArrayOpExpr:
			array_operator_tokens(walk, (ScalarArrayOpExpr *) node);
			break;
		case T_BoolExpr:
			boolean_tokens(walk, (BoolExpr *) node);
			break;
		case T_SubPlan:
			predictor_predicate_mark(&walk->hash, PREDICTOR_TOKEN_SUBPLAN,
									 ((SubPlan *) node)->useHashTable ? 1 : 0);
			break;
		case T_FieldSelect:
			field_tokens(walk, (FieldSelect *) node);
			break;
		case T_CaseExpr:
			case_tokens(walk, (CaseExpr *) node);
			break;
		case T_ArrayExpr:
			array_tokens(walk, (ArrayExpr *) node);
			break;
		case T_RowExpr:
			call_tokens(walk, "ROW", ((RowExpr *) node)->args);
			break;
		case T_RowCompareExpr:
			row_comparison_tokens(walk, (RowCompareExpr *) node);
			break;
		case T_CoalesceExpr:
			call_tokens(walk, "COALESCE", ((CoalesceExpr *) node)->args);
			break;
		case T_MinMaxExpr:
			call_tokens(walk, ((MinMaxExpr *) node)->op == IS_GREATEST ? "GREATEST" : "LEAST",
						((MinMaxExpr *) node)->args);
			break;
		case T_SQLValueFunction:
			keyword(walk, value_function_name(((SQLValueFunction *) node)->op));
			break;
		case T_NullTest:
			test_tokens(walk, ((NullTest *) node)->arg,
						((NullTest *) node)->nulltesttype == IS_NOT_NULL, "NULL");
			break;
		case T_BooleanTest:
			boolean_test_tokens(walk, (BooleanTest *) node);
			break;
		case T_CurrentOfExpr:
			keyword(walk, "CURRENT");
			keyword(walk, "OF");
			if (((CurrentOfExpr *) node)->cursor_name != NULL)
				word(walk, PREDICTOR_TOKEN_COLUMN, ((CurrentOfExpr *) node)->cursor_name);
			else
				mark(walk, PREDICTOR_TOKEN_VALUE);
			break;
		case T_List:
			list_tokens(walk, (List *) node);
			break;
		default:
			/* Rare kinds (XML, JSON) count by being there. */
			predictor_predicate_mark(&walk->hash, PREDICTOR_TOKEN_KEYWORD, 0);
			break;
	}
}

void
expression_tokens(ExpressionWalk *walk, Node *node)
{
	while (node != NULL && walk->steps++ < MAX_STEPS && walk->extract->steps_left > 0)
	{
		Node	   *inside = wrapped(node);

		walk->extract->steps_left--;
		if (inside == NULL)
		{
			if (walk->depth >= MAX_DEPTH)
				return;
			walk->depth++;
			any_tokens(walk, node);
			walk->depth--;
			return;
		}
		node = inside;
	}
}

void
expression_begin(ExpressionWalk *walk, Extract *extract, int node, QueryDesc *queryDesc,
				 const HashKey *key)
{
	predictor_predicate_init(&walk->hash, key->k0, key->k1);
	walk->extract = extract;
	walk->node = node;
	walk->plan = extract->states[node]->plan;
	walk->above = NULL;
	walk->rtable = queryDesc->plannedstmt->rtable;
	walk->params = queryDesc->params;
	walk->depth = 0;
	walk->steps = 0;
}
