/*
 * hide_literals.c - see hide_literals.h.
 *
 * The deparser does not stop at the expression that it is given: a column of a child's output is
 * printed as the child's expression, a parameter as what an outer node supplies, and both are found
 * through the plan. So a whole plan is copied, and in the copy each expression to which the deparser
 * can come (set_deparse_plan() in ruleutils.c) is replaced by one without literals.
 *
 * A literal is a Const, whatever the parser and the planner made of it: elements of lists, patterns,
 * JSON paths, folded casts. What the deparser prints of literals that are not Consts goes as well:
 * the modifiers of types, as in varchar(7), and the precision of CURRENT_TIME(3). Names stay.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/typcache.h"

#include "extension/hide_literals.h"

#define HIDDEN_LITERAL_ID PG_INT32_MAX

typedef struct Twins
{
	const Plan *from;
	Plan	   *to;
} Twins;

struct HiddenPlan
{
	PlannedStmt *statement;
	Twins	   *twins;			/* in the order of the walk below */
	int			count;
	int			capacity;
	int			next;			/* where the search begins: mostly it asks in that order */
};

/* ---- expressions ---- */

static Node *
hidden_value(Oid type, Oid collation)
{
	Param	   *param = makeNode(Param);

	param->paramkind = PARAM_EXTERN;
	param->paramid = HIDDEN_LITERAL_ID;
	param->paramtype = type;
	param->paramtypmod = -1;
	param->paramcollid = collation;
	param->location = -1;
	return (Node *) param;
}

/* A row of no named type: its fields are known from the Const alone, so they must stay to be named. */
static Node *
hidden_row(const Const *row)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row->constvalue);
	TupleDesc	fields = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	RowExpr    *hidden = makeNode(RowExpr);

	for (int i = 0; i < fields->natts; i++)
	{
		const FormData_pg_attribute *field = TupleDescAttr(fields, i);

		hidden->args = lappend(hidden->args, hidden_value(field->atttypid, field->attcollation));
		hidden->colnames = lappend(hidden->colnames, makeString(pstrdup(NameStr(field->attname))));
	}
	hidden->row_typeid = RECORDOID;
	hidden->row_format = COERCE_IMPLICIT_CAST;
	hidden->location = -1;
	ReleaseTupleDesc(fields);
	return (Node *) hidden;
}

static bool
is_hidden_value(const Node *node)
{
	return node != NULL && IsA(node, Param) && ((const Param *) node)->paramid == HIDDEN_LITERAL_ID;
}

/* What a cast casts; NULL: it is none. */
static const Node *
cast_argument(const Node *node)
{
	const FuncExpr *call;

	switch (nodeTag(node))
	{
		case T_RelabelType:
			return (const Node *) ((const RelabelType *) node)->arg;
		case T_CoerceViaIO:
			return (const Node *) ((const CoerceViaIO *) node)->arg;
		case T_ArrayCoerceExpr:
			return (const Node *) ((const ArrayCoerceExpr *) node)->arg;
		case T_CoerceToDomain:
			return (const Node *) ((const CoerceToDomain *) node)->arg;
		case T_FuncExpr:
			call = (const FuncExpr *) node;
			return (call->funcformat == COERCE_EXPLICIT_CAST || call->funcformat == COERCE_IMPLICIT_CAST) &&
				call->args != NIL ? linitial(call->args) : NULL;
		default:
			return NULL;
	}
}

/* A list of literals has the shape of one, whatever its length. */
static bool
is_list_of_values(const Node *node)
{
	ListCell   *cell;

	if (!IsA(node, ArrayExpr) || ((const ArrayExpr *) node)->elements == NIL)
		return false;
	foreach(cell, ((const ArrayExpr *) node)->elements)
	{
		const Node *element = lfirst(cell);

		if (!is_hidden_value(element) && !is_list_of_values(element))
			return false;
	}
	return true;
}

/*
 * Keywords of the grammar that stand in the tree as Consts, and which the deparser takes for Consts
 * without looking.
 */
static void
put_back_keywords(XmlExpr *copy, const XmlExpr *original)
{
	int			keyword = copy->op == IS_XMLPARSE ? 1 : copy->op == IS_XMLROOT ? 2 : -1;

	if (keyword >= 0 && keyword < list_length(copy->args))
		lfirst(list_nth_cell(copy->args, keyword)) = copyObject(list_nth(original->args, keyword));
	copy->typmod = -1;
}

static void
drop_precision(SQLValueFunction *function)
{
	switch (function->op)
	{
		case SVFOP_CURRENT_TIME_N:
			function->op = SVFOP_CURRENT_TIME;
			break;
		case SVFOP_CURRENT_TIMESTAMP_N:
			function->op = SVFOP_CURRENT_TIMESTAMP;
			break;
		case SVFOP_LOCALTIME_N:
			function->op = SVFOP_LOCALTIME;
			break;
		case SVFOP_LOCALTIMESTAMP_N:
			function->op = SVFOP_LOCALTIMESTAMP;
			break;
		default:
			break;
	}
}

/* What a copied node itself still says of literals. */
static void
drop_own_literals(Node *copy, const Node *original)
{
	switch (nodeTag(copy))
	{
		case T_RelabelType:
			((RelabelType *) copy)->resulttypmod = -1;
			break;
		case T_ArrayCoerceExpr:
			((ArrayCoerceExpr *) copy)->resulttypmod = -1;
			break;
		case T_CoerceToDomain:
			((CoerceToDomain *) copy)->resulttypmod = -1;
			break;
		case T_FuncExpr:
			/* EXTRACT(year FROM x) and its kin: printed from a Const, which is no longer there */
			if (((FuncExpr *) copy)->funcformat == COERCE_SQL_SYNTAX)
				((FuncExpr *) copy)->funcformat = COERCE_EXPLICIT_CALL;
			break;
		case T_SQLValueFunction:
			drop_precision((SQLValueFunction *) copy);
			break;
		case T_XmlExpr:
			put_back_keywords((XmlExpr *) copy, (const XmlExpr *) original);
			break;
#if PG_VERSION_NUM >= 160000
		case T_JsonReturning:
			((JsonReturning *) copy)->typmod = -1;
			break;
#endif
#if PG_VERSION_NUM >= 170000
		case T_JsonExpr:
			/* not visited by itself, and so shared with the original */
			((JsonExpr *) copy)->returning = copyObject(((JsonExpr *) copy)->returning);
			((JsonExpr *) copy)->returning->typmod = -1;
			break;
#endif
		default:
			break;
	}
}

static Node *
hide(Node *node, void *context)
{
	Node	   *copy;

	if (node == NULL)
		return NULL;
	if (IsA(node, Const) && ((Const *) node)->consttype == RECORDOID && !((Const *) node)->constisnull)
		return hidden_row((Const *) node);
	if (IsA(node, Const) || (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN))
		return hidden_value(exprType(node), exprCollation(node));
	copy = expression_tree_mutator(node, hide, context);
	drop_own_literals(copy, node);
	/* as the planner would have folded it, had it known the parameter */
	if (is_hidden_value(cast_argument(copy)) || is_list_of_values(copy))
		return hidden_value(exprType(copy), exprCollation(copy));
	return copy;
}

#define HIDE(field) ((field) = (void *) hide((Node *) (field), NULL))

/* ---- plans ---- */

/* Expressions of a node's own kind that are printed, or through which columns are. */
static void
hide_own_lists(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_IndexScan:
			HIDE(((IndexScan *) plan)->indexqualorig);
			break;
		case T_IndexOnlyScan:
			HIDE(((IndexOnlyScan *) plan)->indexqual);
			HIDE(((IndexOnlyScan *) plan)->indextlist);
			break;
		case T_BitmapIndexScan:
			HIDE(((BitmapIndexScan *) plan)->indexqualorig);
			break;
		case T_BitmapHeapScan:
			HIDE(((BitmapHeapScan *) plan)->bitmapqualorig);
			break;
		case T_ForeignScan:
			HIDE(((ForeignScan *) plan)->fdw_scan_tlist);
			break;
		case T_CustomScan:
			HIDE(((CustomScan *) plan)->custom_scan_tlist);
			break;
		case T_NestLoop:
			/* what a nested loop supplies are plain columns of its outer side */
			HIDE(((NestLoop *) plan)->join.joinqual);
			break;
		case T_MergeJoin:
			HIDE(((MergeJoin *) plan)->join.joinqual);
			HIDE(((MergeJoin *) plan)->mergeclauses);
			break;
		case T_HashJoin:
			HIDE(((HashJoin *) plan)->join.joinqual);
			HIDE(((HashJoin *) plan)->hashclauses);
			break;
		case T_Result:
			HIDE(((Result *) plan)->resconstantqual);
			break;
		case T_ModifyTable:
			HIDE(((ModifyTable *) plan)->exclRelTlist);
			break;
		default:
			break;
	}
}

static void
remember_twins(HiddenPlan *hidden, const Plan *from, Plan *to)
{
	if (hidden->count == hidden->capacity)
	{
		hidden->capacity *= 2;
		hidden->twins = repalloc(hidden->twins, sizeof(Twins) * hidden->capacity);
	}
	hidden->twins[hidden->count++] = (Twins) {from, to};
}

static void hide_in_plan(HiddenPlan *hidden, const Plan *from, Plan *to);

static void
hide_in_plans(HiddenPlan *hidden, const List *from, const List *to)
{
	const ListCell *original;
	const ListCell *copy;

	forboth(original, from, copy, to)
		hide_in_plan(hidden, lfirst(original), lfirst(copy));
}

/* Children other than outer and inner, all that are planned: executed are only some of them. */
static void
hide_in_members(HiddenPlan *hidden, const Plan *from, Plan *to)
{
	switch (nodeTag(to))
	{
		case T_Append:
			hide_in_plans(hidden, ((const Append *) from)->appendplans, ((Append *) to)->appendplans);
			break;
		case T_MergeAppend:
			hide_in_plans(hidden, ((const MergeAppend *) from)->mergeplans, ((MergeAppend *) to)->mergeplans);
			break;
		case T_BitmapAnd:
			hide_in_plans(hidden, ((const BitmapAnd *) from)->bitmapplans, ((BitmapAnd *) to)->bitmapplans);
			break;
		case T_BitmapOr:
			hide_in_plans(hidden, ((const BitmapOr *) from)->bitmapplans, ((BitmapOr *) to)->bitmapplans);
			break;
		case T_SubqueryScan:
			hide_in_plan(hidden, ((const SubqueryScan *) from)->subplan, ((SubqueryScan *) to)->subplan);
			break;
		case T_CustomScan:
			hide_in_plans(hidden, ((const CustomScan *) from)->custom_plans, ((CustomScan *) to)->custom_plans);
			break;
		default:
			break;
	}
}

static void
hide_in_plan(HiddenPlan *hidden, const Plan *from, Plan *to)
{
	if (to == NULL)
		return;
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	remember_twins(hidden, from, to);
	HIDE(to->targetlist);
	HIDE(to->qual);
	HIDE(to->initPlan);
	hide_own_lists(to);
	hide_in_plan(hidden, outerPlan(from), outerPlan(to));
	hide_in_plan(hidden, innerPlan(from), innerPlan(to));
	hide_in_members(hidden, from, to);
}

HiddenPlan *
hide_literals(const PlannedStmt *statement)
{
	HiddenPlan *hidden = palloc0(sizeof(HiddenPlan));

	hidden->statement = copyObject(unconstify(PlannedStmt *, statement));
	hidden->capacity = 16;
	hidden->twins = palloc(sizeof(Twins) * hidden->capacity);
	hide_in_plan(hidden, statement->planTree, hidden->statement->planTree);
	hide_in_plans(hidden, statement->subplans, hidden->statement->subplans);
	return hidden;
}

PlannedStmt *
hidden_statement(const HiddenPlan *hidden)
{
	return hidden->statement;
}

Plan *
hidden_plan(HiddenPlan *hidden, const Plan *plan)
{
	for (int i = 0; i < hidden->count; i++)
	{
		const Twins *twins = &hidden->twins[(hidden->next + i) % hidden->count];

		if (twins->from == plan)
		{
			hidden->next = twins - hidden->twins + 1;
			return twins->to;
		}
	}
	elog(ERROR, "a node is executed that was not planned");
}
