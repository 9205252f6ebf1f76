/*
 * expression_identity.c - the part that expressions have in a plan's identity; see plan_identity.h.
 * Of the kinds of nodes those are looked into that clauses are usually made of.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "nodes/primnodes.h"
#include "utils/syscache.h"

#include "extension/compat.h"
#include "extension/expression_identity.h"
#include "extension/extract_expression.h"

/* Nodes of plan and expressions that are looked at, and how deep an expression may be. */
#define MAX_STEPS 100000
#define MAX_DEPTH 100

void
add_bytes(Walk *walk, const void *bytes, Size length)
{
	add(walk, hash_bytes_extended(bytes, length, walk->hash));
}

bool
may_step(Walk *walk)
{
	if (walk->is_known && ++walk->steps > MAX_STEPS)
		walk->is_known = false;
	return walk->is_known;
}

/* ---- values ---- */

static void
add_value(Walk *walk, Datum value, bool isnull, int length, bool by_value)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(value);

	add(walk, isnull);
	if (isnull)
		return;
	if (by_value)
		add(walk, value);
	else if (length > 0)
		add_bytes(walk, bytes, length);
	else if (length == -2)
		add_bytes(walk, bytes, strlen(DatumGetCString(value)));
	else if (VARATT_IS_EXTERNAL(bytes))
		walk->is_known = false; /* what it is stands elsewhere */
	else
		add_bytes(walk, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

static void
add_parameter(Walk *walk, const Param *param)
{
	ParamExternData workspace;
	ParamExternData *value = bound_value(walk->params, param, &workspace);
	HeapTuple	type;

	add(walk, (uint64) param->paramkind << 32 | param->paramid);
	if (value == NULL)
		return;
	add(walk, value->ptype);
	type = SearchSysCache1(TYPEOID, ObjectIdGetDatum(value->ptype));
	if (!HeapTupleIsValid(type))
	{
		walk->is_known = false;
		return;
	}
	add_value(walk, value->value, value->isnull, ((Form_pg_type) GETSTRUCT(type))->typlen,
			  ((Form_pg_type) GETSTRUCT(type))->typbyval);
	ReleaseSysCache(type);
}

/* ---- expressions ---- */

void
add_list(Walk *walk, const List *list)
{
	ListCell   *cell;

	add(walk, list_length(list));
	foreach(cell, list)
		add_expression(walk, lfirst(cell));
}

/* What most clauses are made of; false: none of these. */
static bool
add_common(Walk *walk, const Node *node)
{
	switch (nodeTag(node))
	{
		case T_Var:
			add(walk, (uint64) ((const Var *) node)->varno << 32 | (uint16) ((const Var *) node)->varattno);
			return true;
		case T_Const:
			add(walk, ((const Const *) node)->consttype);
			add_value(walk, ((const Const *) node)->constvalue, ((const Const *) node)->constisnull,
					  ((const Const *) node)->constlen, ((const Const *) node)->constbyval);
			return true;
		case T_Param:
			add_parameter(walk, (const Param *) node);
			return true;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			add(walk, ((const OpExpr *) node)->opno);
			add_list(walk, ((const OpExpr *) node)->args);
			return true;
		case T_ScalarArrayOpExpr:
			add(walk, (uint64) ((const ScalarArrayOpExpr *) node)->useOr << 32 | ((const ScalarArrayOpExpr *) node)->opno);
			add_list(walk, ((const ScalarArrayOpExpr *) node)->args);
			return true;
		case T_FuncExpr:
			add(walk, ((const FuncExpr *) node)->funcid);
			add_list(walk, ((const FuncExpr *) node)->args);
			return true;
		case T_BoolExpr:
			add(walk, ((const BoolExpr *) node)->boolop);
			add_list(walk, ((const BoolExpr *) node)->args);
			return true;
		case T_List:
			add_list(walk, (const List *) node);
			return true;
		case T_TargetEntry:
			add_expression(walk, (const Node *) ((const TargetEntry *) node)->expr);
			return true;
		case T_RelabelType:
			add_expression(walk, (const Node *) ((const RelabelType *) node)->arg);
			return true;
		case T_CoerceViaIO:
			add(walk, ((const CoerceViaIO *) node)->resulttype);
			add_expression(walk, (const Node *) ((const CoerceViaIO *) node)->arg);
			return true;
		default:
			return false;
	}
}

static void
add_case(Walk *walk, const CaseExpr *expression)
{
	add_expression(walk, (const Node *) expression->arg);
	add_list(walk, expression->args);
	add_expression(walk, (const Node *) expression->defresult);
}

static void
add_subplan(Walk *walk, const SubPlan *subplan)
{
	add(walk, (uint64) subplan->useHashTable << 32 | subplan->plan_id);
	add_expression(walk, subplan->testexpr);
	add_list(walk, subplan->args);
}

static void
add_aggregate(Walk *walk, const Aggref *aggregate)
{
	add(walk, aggregate->aggfnoid);
	add_list(walk, aggregate->aggdirectargs);
	add_list(walk, aggregate->args);
	add_expression(walk, (const Node *) aggregate->aggfilter);
}

static void
add_window_function(Walk *walk, const WindowFunc *function)
{
	add(walk, function->winfnoid);
	add_list(walk, function->args);
	add_expression(walk, (const Node *) function->aggfilter);
}

static void
add_other(Walk *walk, const Node *node)
{
	switch (nodeTag(node))
	{
		case T_Aggref:
			add_aggregate(walk, (const Aggref *) node);
			break;
		case T_WindowFunc:
			add_window_function(walk, (const WindowFunc *) node);
			break;
		case T_SubPlan:
			add_subplan(walk, (const SubPlan *) node);
			break;
		case T_CaseExpr:
			add_case(walk, (const CaseExpr *) node);
			break;
		case T_CaseWhen:
			add_expression(walk, (const Node *) ((const CaseWhen *) node)->expr);
			add_expression(walk, (const Node *) ((const CaseWhen *) node)->result);
			break;
		case T_CaseTestExpr:
			break;
		case T_NullTest:
			add(walk, ((const NullTest *) node)->nulltesttype);
			add_expression(walk, (const Node *) ((const NullTest *) node)->arg);
			break;
		case T_BooleanTest:
			add(walk, ((const BooleanTest *) node)->booltesttype);
			add_expression(walk, (const Node *) ((const BooleanTest *) node)->arg);
			break;
		case T_CoalesceExpr:
			add_list(walk, ((const CoalesceExpr *) node)->args);
			break;
		case T_MinMaxExpr:
			add(walk, ((const MinMaxExpr *) node)->op);
			add_list(walk, ((const MinMaxExpr *) node)->args);
			break;
		case T_ArrayExpr:
			add_list(walk, ((const ArrayExpr *) node)->elements);
			break;
		case T_RowExpr:
			add_list(walk, ((const RowExpr *) node)->args);
			break;
		case T_SQLValueFunction:
			add(walk, ((const SQLValueFunction *) node)->op);
			break;
		case T_RangeTblFunction:
			add_expression(walk, ((const RangeTblFunction *) node)->funcexpr);
			break;
		default:
			walk->is_known = false;
			break;
	}
}

void
add_expression(Walk *walk, const Node *node)
{
	if (node == NULL)
	{
		add(walk, 0);
		return;
	}
	if (!may_step(walk) || walk->depth >= MAX_DEPTH)
	{
		walk->is_known = false;
		return;
	}
	walk->depth++;
	add(walk, nodeTag(node));
	if (!add_common(walk, node))
		add_other(walk, node);
	walk->depth--;
}
