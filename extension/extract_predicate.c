/*
 * extract_predicate.c - walks a node's conditions and reports tokens to the hasher in plan/.
 *
 * Columns count by name, operators and functions by name, so that the same predicate has the same
 * shape in every database. A column of a child's output is followed down to what computes it. A
 * constant and an external parameter look alike in the shape; their values go into the keyed hash.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/syscache.h"

#include "extension/compat.h"
#include "extension/extract_predicate.h"

/* Which condition of the node a clause belongs to. Part of every stored hash: append only. */
typedef enum Role
{
	ROLE_INDEX_CONDITION = 1,
	ROLE_FILTER = 2,
	ROLE_JOIN_FILTER = 3,
	ROLE_HASH_CONDITION = 4,
	ROLE_MERGE_CONDITION = 5,
	ROLE_RECHECK = 6,
	ROLE_ONE_TIME_FILTER = 7,
	ROLE_ORDER_BY = 8,
	ROLE_TID_CONDITION = 9,
	ROLE_RUN_CONDITION = 10,
	ROLE_FUNCTION_CALL = 11
} Role;

/* What a token is. Part of every stored hash: append only; 1 and 2 are the hasher's own. */
typedef enum TokenKind
{
	TOKEN_COLUMN = 3,
	TOKEN_SYSTEM_COLUMN = 4,
	TOKEN_OPERATOR = 5,
	TOKEN_FUNCTION = 6,
	TOKEN_BOOLEAN = 7,
	TOKEN_EXECUTOR_PARAMETER = 8,
	TOKEN_LIST_LENGTH = 9,
	TOKEN_TEST = 10,
	TOKEN_SUBPLAN = 11,
	TOKEN_END = 12,
	TOKEN_OTHER = 13
} TokenKind;

typedef struct Walk
{
	PredictorPredicate hash;
	Plan	   *plan;			/* whose output the INNER and OUTER columns mean */
	List	   *rtable;
	ParamListInfo params;
	int			depth;			/* of following columns down the plan */
	int			steps;			/* taken so far for this node */
} Walk;

#define MAX_COLUMN_DEPTH 100

/*
 * A column that an expression below uses twice is followed twice, so nested aggregates could double
 * the work with each level. After so many steps the rest of the node's predicate does not count.
 */
#define MAX_STEPS 2000

static bool walk_tokens(Node *node, Walk *walk);

/*
 * The value's canonical text or bytes. Numbers that are passed by value count as their decimal
 * text whatever their width; strings as their bytes; everything else as the bytes of the datum.
 */
static void
hash_value(Walk *walk, Oid type, int length, bool by_value, Datum value, bool isnull)
{
	char		text[32];

	if (isnull)
	{
		predictor_predicate_constant(&walk->hash, "", 0);
		return;
	}
	switch (type)
	{
		case BOOLOID:
			predictor_predicate_constant(&walk->hash, DatumGetBool(value) ? "t" : "f", 1);
			return;
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case DATEOID:
			{
				int64		number = type == INT2OID ? DatumGetInt16(value) :
					type == INT8OID ? DatumGetInt64(value) : DatumGetInt32(value);

				snprintf(text, sizeof(text), INT64_FORMAT, number);
				predictor_predicate_constant(&walk->hash, text, strlen(text));
				return;
			}
	}
	if (by_value)
		predictor_predicate_constant(&walk->hash, &value, sizeof(value));
	else if (length == -1)
	{
		struct varlena *bytes = (struct varlena *) DatumGetPointer(value);

		/* A compressed or stored-elsewhere value counts as it stands: reading it could raise. */
		if (VARATT_IS_EXTERNAL(bytes) || VARATT_IS_COMPRESSED(bytes))
			predictor_predicate_constant(&walk->hash, bytes, VARSIZE_ANY(bytes));
		else
			predictor_predicate_constant(&walk->hash, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	}
	else if (length == -2)
		predictor_predicate_constant(&walk->hash, DatumGetCString(value),
									 strlen(DatumGetCString(value)));
	else
		predictor_predicate_constant(&walk->hash, DatumGetPointer(value), length);
}

/* How many elements an IN list has, to the power of two: 5 and 7 are alike, 5 and 500 are not. */
static void
token_list_length(Walk *walk, Const *list)
{
	ArrayType  *array;
	int			items;
	int			bits = 0;

	if (list->constisnull || list->constlen != -1)
		return;
	array = (ArrayType *) DatumGetPointer(list->constvalue);
	if (VARATT_IS_EXTERNAL(array) || VARATT_IS_COMPRESSED(array) || VARATT_IS_SHORT(array))
		return;
	items = ARR_NDIM(array) == 1 ? ARR_DIMS(array)[0] : 0;
	while (items >> bits > 0)
		bits++;
	predictor_predicate_number(&walk->hash, TOKEN_LIST_LENGTH, bits);
}

static void
token_operator(Walk *walk, Oid op)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(op));

	if (!HeapTupleIsValid(tuple))
		return;
	predictor_predicate_text(&walk->hash, TOKEN_OPERATOR,
							 NameStr(((Form_pg_operator) GETSTRUCT(tuple))->oprname));
	ReleaseSysCache(tuple);
}

static void
token_function(Walk *walk, Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));

	if (!HeapTupleIsValid(tuple))
		return;
	predictor_predicate_text(&walk->hash, TOKEN_FUNCTION,
							 NameStr(((Form_pg_proc) GETSTRUCT(tuple))->proname));
	ReleaseSysCache(tuple);
}

/* The plan below `plan` whose output a column of `varno` means, as the executor binds it. */
static Plan *
column_source(Plan *plan, int varno)
{
	if (varno == OUTER_VAR)
	{
		if (IsA(plan, Append) && ((Append *) plan)->appendplans != NIL)
			return linitial(((Append *) plan)->appendplans);
		if (IsA(plan, MergeAppend) && ((MergeAppend *) plan)->mergeplans != NIL)
			return linitial(((MergeAppend *) plan)->mergeplans);
		return outerPlan(plan);
	}
	if (varno == INNER_VAR)
		return IsA(plan, SubqueryScan) ? ((SubqueryScan *) plan)->subplan : innerPlan(plan);
	return NULL;
}

/* Follows a column of a child's or an index's output; false if it cannot be followed. */
static bool
follow_column(Var *var, Walk *walk)
{
	Plan	   *here = walk->plan;
	Plan	   *source = column_source(here, var->varno);
	List	   *targets = NIL;
	TargetEntry *entry;

	if (source != NULL)
		targets = source->targetlist;
	else if (var->varno == INDEX_VAR)
	{
		if (IsA(here, IndexOnlyScan))
			targets = ((IndexOnlyScan *) here)->indextlist;
		else if (IsA(here, ForeignScan))
			targets = ((ForeignScan *) here)->fdw_scan_tlist;
		else if (IsA(here, CustomScan))
			targets = ((CustomScan *) here)->custom_scan_tlist;
	}
	entry = get_tle_by_resno(targets, var->varattno);
	if (entry == NULL || walk->depth >= MAX_COLUMN_DEPTH)
		return false;
	walk->plan = source != NULL ? source : here;
	walk->depth++;
	walk_tokens((Node *) entry->expr, walk);
	walk->depth--;
	walk->plan = here;
	return true;
}

static void
token_column(Var *var, Walk *walk)
{
	RangeTblEntry *rte;

	if (IS_SPECIAL_VARNO(var->varno))
	{
		if (!follow_column(var, walk))
			predictor_predicate_number(&walk->hash, TOKEN_COLUMN, var->varattno);
		return;
	}
	if (var->varno < 1 || var->varno > list_length(walk->rtable))
		return;
	rte = rt_fetch(var->varno, walk->rtable);
	if (var->varattno > 0 && rte->eref != NULL && var->varattno <= list_length(rte->eref->colnames))
		predictor_predicate_text(&walk->hash, TOKEN_COLUMN,
								 strVal(list_nth(rte->eref->colnames, var->varattno - 1)));
	else
		predictor_predicate_number(&walk->hash, TOKEN_SYSTEM_COLUMN, (uint64) (int64) var->varattno);
}

/* The value of a bound parameter, as a constant; an executor's parameter only by its presence. */
static void
token_parameter(Param *param, Walk *walk)
{
	ParamExternData workspace;
	ParamExternData *value = NULL;
	ParamListInfo params = walk->params;
	HeapTuple	type;

	if (param->paramkind != PARAM_EXTERN)
	{
		predictor_predicate_number(&walk->hash, TOKEN_EXECUTOR_PARAMETER, 0);
		return;
	}
	if (params != NULL && param->paramid >= 1 && param->paramid <= params->numParams)
	{
		/* "speculative" asks the provider to evaluate nothing that could fail */
		value = params->paramFetch != NULL ?
			params->paramFetch(params, param->paramid, true, &workspace) :
			&params->params[param->paramid - 1];
	}
	type = value != NULL && OidIsValid(value->ptype) ?
		SearchSysCache1(TYPEOID, ObjectIdGetDatum(value->ptype)) : NULL;
	if (!HeapTupleIsValid(type))
	{
		hash_value(walk, InvalidOid, 0, false, (Datum) 0, true);
		return;
	}
	hash_value(walk, value->ptype, ((Form_pg_type) GETSTRUCT(type))->typlen,
			   ((Form_pg_type) GETSTRUCT(type))->typbyval, value->value, value->isnull);
	ReleaseSysCache(type);
}

/* Emits what this node adds to the shape. Returns true if its children were dealt with. */
static bool
token_node(Node *node, Walk *walk)
{
	switch (nodeTag(node))
	{
		case T_Var:
			token_column((Var *) node, walk);
			return true;
		case T_Const:
			{
				Const	   *constant = (Const *) node;

				hash_value(walk, constant->consttype, constant->constlen, constant->constbyval,
						   constant->constvalue, constant->constisnull);
				return true;
			}
		case T_Param:
			token_parameter((Param *) node, walk);
			return true;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			token_operator(walk, ((OpExpr *) node)->opno);
			return false;
		case T_ScalarArrayOpExpr:
			{
				ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) node;
				Node	   *list = lsecond(any->args);

				token_operator(walk, any->opno);
				predictor_predicate_number(&walk->hash, TOKEN_BOOLEAN, any->useOr ? 11 : 12);
				if (IsA(list, Const))
					token_list_length(walk, (Const *) list);
				return false;
			}
		case T_FuncExpr:
			token_function(walk, ((FuncExpr *) node)->funcid);
			return false;
		case T_Aggref:
			token_function(walk, ((Aggref *) node)->aggfnoid);
			return false;
		case T_WindowFunc:
			token_function(walk, ((WindowFunc *) node)->winfnoid);
			return false;
		case T_BoolExpr:
			predictor_predicate_number(&walk->hash, TOKEN_BOOLEAN, ((BoolExpr *) node)->boolop);
			return false;
		case T_NullTest:
			predictor_predicate_number(&walk->hash, TOKEN_TEST, ((NullTest *) node)->nulltesttype);
			return false;
		case T_BooleanTest:
			predictor_predicate_number(&walk->hash, TOKEN_TEST,
									   100 + ((BooleanTest *) node)->booltesttype);
			return false;
		case T_SubPlan:
			predictor_predicate_number(&walk->hash, TOKEN_SUBPLAN,
									   ((SubPlan *) node)->subLinkType);
			return false;
		case T_List:
		case T_RelabelType:
		case T_RestrictInfo:
			return false;
		default:
			predictor_predicate_number(&walk->hash, TOKEN_OTHER, nodeTag(node));
			return false;
	}
}

static bool
walk_tokens(Node *node, Walk *walk)
{
	if (node == NULL || walk->steps++ >= MAX_STEPS)
		return false;
	if (!token_node(node, walk))
	{
		walk_expression(node, walk_tokens, walk);
		/* so that f(a, b), c and f(a), b, c differ */
		predictor_predicate_number(&walk->hash, TOKEN_END, 0);
	}
	return false;
}

static void
add_clause(Walk *walk, Role role, Node *clause)
{
	predictor_predicate_begin(&walk->hash, role);
	walk_tokens(clause, walk);
	predictor_predicate_end(&walk->hash);
}

static void
add_clauses(Walk *walk, Role role, List *clauses)
{
	ListCell   *cell;

	foreach(cell, clauses)
		add_clause(walk, role, lfirst(cell));
}

static void
add_join_clauses(Walk *walk, Join *join)
{
	add_clauses(walk, ROLE_JOIN_FILTER, join->joinqual);
	if (IsA(join, HashJoin))
		add_clauses(walk, ROLE_HASH_CONDITION, ((HashJoin *) join)->hashclauses);
	else if (IsA(join, MergeJoin))
		add_clauses(walk, ROLE_MERGE_CONDITION, ((MergeJoin *) join)->mergeclauses);
}

static void
add_function_calls(Walk *walk, FunctionScan *scan)
{
	ListCell   *cell;

	foreach(cell, scan->functions)
		add_clause(walk, ROLE_FUNCTION_CALL, ((RangeTblFunction *) lfirst(cell))->funcexpr);
}

/* The conditions that only this type of node has. */
static void
add_own_clauses(Walk *walk, Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_IndexScan:
			add_clauses(walk, ROLE_INDEX_CONDITION, ((IndexScan *) plan)->indexqualorig);
			add_clauses(walk, ROLE_ORDER_BY, ((IndexScan *) plan)->indexorderbyorig);
			break;
		case T_IndexOnlyScan:
			add_clauses(walk, ROLE_INDEX_CONDITION, ((IndexOnlyScan *) plan)->indexqual);
			add_clauses(walk, ROLE_ORDER_BY, ((IndexOnlyScan *) plan)->indexorderby);
			break;
		case T_BitmapIndexScan:
			add_clauses(walk, ROLE_INDEX_CONDITION, ((BitmapIndexScan *) plan)->indexqualorig);
			break;
		case T_BitmapHeapScan:
			add_clauses(walk, ROLE_RECHECK, ((BitmapHeapScan *) plan)->bitmapqualorig);
			break;
		case T_TidScan:
			add_clauses(walk, ROLE_TID_CONDITION, ((TidScan *) plan)->tidquals);
			break;
		case T_TidRangeScan:
			add_clauses(walk, ROLE_TID_CONDITION, ((TidRangeScan *) plan)->tidrangequals);
			break;
		case T_FunctionScan:
			add_function_calls(walk, (FunctionScan *) plan);
			break;
		case T_NestLoop:
		case T_HashJoin:
		case T_MergeJoin:
			add_join_clauses(walk, (Join *) plan);
			break;
		case T_Result:
			add_clauses(walk, ROLE_ONE_TIME_FILTER, (List *) ((Result *) plan)->resconstantqual);
			break;
#if PG_VERSION_NUM >= 150000
		case T_WindowAgg:
			add_clauses(walk, ROLE_RUN_CONDITION, ((WindowAgg *) plan)->runCondition);
			break;
#endif
		default:
			break;
	}
}

void
extract_predicate(PlanState *state, QueryDesc *queryDesc, const HashKey *key, PredictorNode *node)
{
	Walk		walk;

	predictor_predicate_init(&walk.hash, key->k0, key->k1);
	walk.plan = state->plan;
	walk.rtable = queryDesc->plannedstmt->rtable;
	walk.params = queryDesc->params;
	walk.depth = 0;
	walk.steps = 0;
	add_clauses(&walk, ROLE_FILTER, state->plan->qual);
	add_own_clauses(&walk, state->plan);
	predictor_predicate_result(&walk.hash, node);
}
