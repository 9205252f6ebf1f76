/*
 * extract_fold.c - expressions of parameters alone, which a custom plan has as constants: $1 + 1 is
 * 6 there. The planner evaluates immutable functions of constants. Here nothing may fail, so of these
 * only arithmetic of integers and floats, casts between integers, days added to dates and texts put
 * together are evaluated; what else would have been folded counts as a value with the contents of its parts.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "extension/compat.h"
#include "extension/extract_constant.h"
#include "extension/extract_tokens.h"

#define MAX_FOLDED_DEPTH 8
#define MAX_FOLDED_TEXT 1024

/* A value and, if it is a text that was put together, its place. */
typedef struct Folded
{
	Oid			type;
	bool		isnull;
	Datum		value;
	union
	{
		struct varlena header;
		char		bytes[VARHDRSZ + MAX_FOLDED_TEXT];
	}			text;
} Folded;

/* The function and its arguments, where a node is a call; NULL otherwise. */
static List *
arguments_of(Node *node, Oid *function)
{
	switch (nodeTag(node))
	{
		case T_OpExpr:
			*function = ((OpExpr *) node)->opfuncid;
			return ((OpExpr *) node)->opretset ? NIL : ((OpExpr *) node)->args;
		case T_FuncExpr:
			*function = ((FuncExpr *) node)->funcid;
			return ((FuncExpr *) node)->funcretset || ((FuncExpr *) node)->funcvariadic ? NIL :
				((FuncExpr *) node)->args;
		default:
			*function = InvalidOid;
			return NIL;
	}
}

static Node *
without_relabel(Node *node)
{
	while (IsA(node, RelabelType) || IsA(node, CollateExpr))
		node = IsA(node, RelabelType) ? (Node *) ((RelabelType *) node)->arg :
			(Node *) ((CollateExpr *) node)->arg;
	return node;
}

/* Would it be a constant if its parameters were? Sets *has_parameter if there are some. */
static bool
is_foldable(ExpressionWalk *walk, Node *node, int depth, bool *has_parameter)
{
	ParamExternData workspace;
	Oid			function;
	List	   *arguments;
	ListCell   *cell;

	node = without_relabel(node);
	if (IsA(node, Const))
		return true;
	if (IsA(node, Param))
	{
		*has_parameter = true;
		return bound_value(walk->params, (Param *) node, &workspace) != NULL;
	}
	arguments = arguments_of(node, &function);
	if (arguments == NIL || depth >= MAX_FOLDED_DEPTH || walk->extract->steps_left-- <= 0)
		return false;
	foreach(cell, arguments)
		if (!is_foldable(walk, lfirst(cell), depth + 1, has_parameter))
			return false;
	return OidIsValid(function) && func_volatile(function) == PROVOLATILE_IMMUTABLE;
}

/* ---- evaluating ---- */

static bool
as_integer(const Folded *folded, int64 *value)
{
	switch (folded->type)
	{
		case INT2OID: *value = DatumGetInt16(folded->value); return true;
		case INT4OID: *value = DatumGetInt32(folded->value); return true;
		case INT8OID: *value = DatumGetInt64(folded->value); return true;
		default: return false;
	}
}

/* False where the function would raise an error. */
static bool
set_integer(Folded *result, Oid type, int64 value)
{
	result->type = type;
	if (type == INT2OID)
		result->value = Int16GetDatum((int16) value);
	else if (type == INT4OID)
		result->value = Int32GetDatum((int32) value);
	else
		result->value = Int64GetDatum(value);
	return type == INT8OID || (type == INT4OID && value == (int32) value) ||
		(type == INT2OID && value == (int16) value);
}

typedef enum Arithmetic
{
	NOT_ARITHMETIC,
	PLUS,
	MINUS,
	TIMES
} Arithmetic;

static Arithmetic
arithmetic_of(Oid function)
{
	switch (function)
	{
		case F_INT2PL: case F_INT4PL: case F_INT8PL: case F_INT24PL: case F_INT42PL: case F_INT28PL:
		case F_INT82PL: case F_INT48PL: case F_INT84PL: case F_FLOAT8PL:
			return PLUS;
		case F_INT2MI: case F_INT4MI: case F_INT8MI: case F_INT24MI: case F_INT42MI: case F_INT28MI:
		case F_INT82MI: case F_INT48MI: case F_INT84MI: case F_FLOAT8MI:
			return MINUS;
		case F_INT2MUL: case F_INT4MUL: case F_INT8MUL: case F_INT24MUL: case F_INT42MUL: case F_INT28MUL:
		case F_INT82MUL: case F_INT48MUL: case F_INT84MUL: case F_FLOAT8MUL:
			return TIMES;
		default:
			return NOT_ARITHMETIC;
	}
}

static bool
calculate_integer(Arithmetic how, const Folded *left, const Folded *right, Oid type, Folded *result)
{
	int64		a;
	int64		b;
	int64		c;

	if (!as_integer(left, &a) || !as_integer(right, &b))
		return false;
	if (how == PLUS ? pg_add_s64_overflow(a, b, &c) :
		how == MINUS ? pg_sub_s64_overflow(a, b, &c) : pg_mul_s64_overflow(a, b, &c))
		return false;
	return set_integer(result, type, c);
}

static bool
calculate_float(Arithmetic how, const Folded *left, const Folded *right, Folded *result)
{
	double		a;
	double		b;
	double		c;

	if (left->type != FLOAT8OID || right->type != FLOAT8OID)
		return false;
	a = DatumGetFloat8(left->value);
	b = DatumGetFloat8(right->value);
	c = how == PLUS ? a + b : how == MINUS ? a - b : a * b;
	result->type = FLOAT8OID;
#ifdef USE_FLOAT8_BYVAL
	result->value = Float8GetDatum(c);
	return isfinite(c) && (c != 0 || how != TIMES || a == 0 || b == 0);
#else
	return false;				/* a Datum of it would be allocated */
#endif
}

static bool
add_days(const Folded *date, const Folded *days, int sign, Folded *result)
{
	int64		count;
	int64		day;

	if (date->type != DATEOID || !as_integer(days, &count))
		return false;
	day = (int64) DatumGetDateADT(date->value) + sign * count;
	result->type = DATEOID;
	result->value = DateADTGetDatum((DateADT) day);
	return !DATE_NOT_FINITE(DatumGetDateADT(date->value)) && IS_VALID_DATE(day);
}

static bool
is_plain_text(const Folded *folded)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(folded->value);

	return (folded->type == TEXTOID || folded->type == VARCHAROID) &&
		!VARATT_IS_EXTERNAL(bytes) && !VARATT_IS_COMPRESSED(bytes);
}

static bool
put_together(const Folded *left, const Folded *right, Folded *result)
{
	struct varlena *a = (struct varlena *) DatumGetPointer(left->value);
	struct varlena *b = (struct varlena *) DatumGetPointer(right->value);
	Size		length;

	if (!is_plain_text(left) || !is_plain_text(right))
		return false;
	length = VARSIZE_ANY_EXHDR(a) + VARSIZE_ANY_EXHDR(b);
	if (length > MAX_FOLDED_TEXT)
		return false;
	memcpy(VARDATA(&result->text.header), VARDATA_ANY(a), VARSIZE_ANY_EXHDR(a));
	memcpy(VARDATA(&result->text.header) + VARSIZE_ANY_EXHDR(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(b));
	SET_VARSIZE(&result->text.header, length + VARHDRSZ);
	result->type = TEXTOID;
	result->value = PointerGetDatum(&result->text.header);
	return true;
}

static bool evaluate(ExpressionWalk *walk, Node *node, Folded *result);

/* A cast between integers. */
static bool
convert(ExpressionWalk *walk, Node *node, Oid function, Node *argument, Folded *result)
{
	Folded		from;
	int64		value;

	switch (function)
	{
		case F_INT8_INT4: case F_INT8_INT2: case F_INT4_INT2: case F_INT4_INT8: case F_INT2_INT4: case F_INT2_INT8:
			break;
		default:
			return false;
	}
	if (!evaluate(walk, argument, &from))
		return false;
	result->type = exprType(node);
	result->isnull = from.isnull;
	return from.isnull || (as_integer(&from, &value) && set_integer(result, exprType(node), value));
}

static bool
calculate(ExpressionWalk *walk, Node *node, Oid function, List *arguments, Folded *result)
{
	Arithmetic	how = arithmetic_of(function);
	Folded		left;
	Folded		right;

	if (list_length(arguments) == 1)
		return convert(walk, node, function, linitial(arguments), result);
	if (list_length(arguments) != 2 || !evaluate(walk, linitial(arguments), &left) ||
		!evaluate(walk, lsecond(arguments), &right))
		return false;
	/* all of these are strict */
	result->isnull = left.isnull || right.isnull;
	result->type = exprType(node);
	if (how != NOT_ARITHMETIC)
		return result->isnull || calculate_float(how, &left, &right, result) ||
			calculate_integer(how, &left, &right, exprType(node), result);
	switch (function)
	{
		case F_DATE_PLI:
			return result->isnull || add_days(&left, &right, 1, result);
		case F_DATE_MII:
			return result->isnull || add_days(&left, &right, -1, result);
		case F_TEXTCAT:
			return result->isnull || put_together(&left, &right, result);
		default:
			return false;
	}
}

/* The value of a foldable expression; false if it is none of those that we can tell. */
static bool
evaluate(ExpressionWalk *walk, Node *node, Folded *result)
{
	ParamExternData workspace;
	Oid			function;
	List	   *arguments;

	node = without_relabel(node);
	if (IsA(node, Const))
	{
		result->type = ((Const *) node)->consttype;
		result->value = ((Const *) node)->constvalue;
		result->isnull = ((Const *) node)->constisnull;
		return true;
	}
	if (IsA(node, Param))
	{
		ParamExternData *value = bound_value(walk->params, (Param *) node, &workspace);

		result->type = value->ptype;
		result->value = value->value;
		result->isnull = value->isnull;
		return true;
	}
	arguments = arguments_of(node, &function);
	return calculate(walk, node, function, arguments, result);
}

/* What is known of an expression that cannot be evaluated here: the values in it. */
static void
add_parts(ExpressionWalk *walk, Node *node)
{
	Folded		part;
	Oid			function;
	ListCell   *cell;

	node = without_relabel(node);
	if (IsA(node, Const) || IsA(node, Param))
	{
		if (evaluate(walk, node, &part))
			extract_element(&walk->hash, part.type, part.value, part.isnull);
		return;
	}
	foreach(cell, arguments_of(node, &function))
		add_parts(walk, lfirst(cell));
}

bool
folded_tokens(ExpressionWalk *walk, Node *node)
{
	Folded		folded;
	bool		has_parameter = false;

	if (walk->params == NULL || !is_foldable(walk, node, 0, &has_parameter) || !has_parameter)
		return false;
	if (evaluate(walk, node, &folded))
		extract_constant(&walk->hash, folded.type, folded.value, folded.isnull);
	else
	{
		mark(walk, PREDICTOR_TOKEN_VALUE);
		add_parts(walk, node);
	}
	return true;
}
