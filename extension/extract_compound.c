/*
 * extract_compound.c - rows, arrays and their parts in an expression.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/params.h"
#include "utils/syscache.h"

#include "extension/extract_constant.h"
#include "extension/extract_tokens.h"

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
	else
	{
		ParamExternData workspace;
		ParamExternData *value = bound_value(walk->params, (Param *) node, &workspace);

		if (value != NULL)
			extract_element(&walk->hash, value->ptype, value->value, value->isnull);
	}
}

/* ARRAY[$1, $2] of a generic plan is '{1,2}' in a custom one. */
void
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

void
row_comparison_tokens(ExpressionWalk *walk, RowCompareExpr *comparison)
{
	mark(walk, PREDICTOR_TOKEN_OPEN);
	call_tokens(walk, "ROW", comparison->largs);
	operator_name(walk, linitial_oid(comparison->opnos));
	call_tokens(walk, "ROW", comparison->rargs);
	mark(walk, PREDICTOR_TOKEN_CLOSE);
}

void
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

void
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
