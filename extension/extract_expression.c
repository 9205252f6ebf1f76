/*
 * extract_expression.c - see extract_expression.h.
 *
 * What a node looks like in the deparsed text decides what it reports, so the cases below are in
 * the order of get_rule_expr() (ruleutils.c). Names come from the system caches; nothing is
 * allocated.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "nodes/plannodes.h"
#include "utils/syscache.h"

#include "extension/extract_constant.h"
#include "extension/extract_tokens.h"

/*
 * A column that an expression below uses twice is followed twice, so nested aggregates could double
 * the work with each level. After MAX_EXPRESSION_STEPS the rest of the node's predicates does not
 * count.
 */
#define MAX_DEPTH 500

void
operator_name(ExpressionWalk *walk, Oid op)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(op));

	if (!HeapTupleIsValid(tuple))
		return;
	word(walk, PREDICTOR_TOKEN_OPERATOR, NameStr(((Form_pg_operator) GETSTRUCT(tuple))->oprname));
	ReleaseSysCache(tuple);
}

void
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

void
call_tokens(ExpressionWalk *walk, const char *name, List *arguments)
{
	open_call(walk, name);
	list_tokens(walk, arguments);
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
		case T_TargetEntry: return (Node *) ((TargetEntry *) node)->expr;
		default: return NULL;
	}
}

/* Operators, and what SQL writes with words. */
static void
word_tokens(ExpressionWalk *walk, Node *node)
{
	switch (nodeTag(node))
	{
		case T_OpExpr:
			if (!folded_tokens(walk, node))
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
		case T_CaseExpr:
			case_tokens(walk, (CaseExpr *) node);
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
		default:
			/* Rare kinds (XML, JSON) count by being there. */
			predictor_predicate_mark(&walk->hash, PREDICTOR_TOKEN_KEYWORD, 0);
			break;
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
		case T_SubPlan:
			predictor_predicate_mark(&walk->hash, PREDICTOR_TOKEN_SUBPLAN,
									 ((SubPlan *) node)->useHashTable ? 1 : 0);
			break;
		case T_FieldSelect:
			field_tokens(walk, (FieldSelect *) node);
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
		case T_List:
			list_tokens(walk, (List *) node);
			break;
		default:
			word_tokens(walk, node);
			break;
	}
}

void
expression_tokens(ExpressionWalk *walk, Node *node)
{
	while (node != NULL && walk->steps++ < MAX_EXPRESSION_STEPS && walk->extract->steps_left > 0)
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
