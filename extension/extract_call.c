/*
 * extract_call.c - functions, aggregates and window functions of an expression.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "nodes/parsenodes.h"
#include "utils/syscache.h"

#include "extension/extract_tokens.h"

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

void
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

void
window_tokens(ExpressionWalk *walk, WindowFunc *function)
{
	open_function(walk, function->winfnoid);
	if (function->winstar)
		word(walk, PREDICTOR_TOKEN_OPERATOR, "*");
	list_tokens(walk, function->args);
	mark(walk, PREDICTOR_TOKEN_CLOSE);
	filter_tokens(walk, function->aggfilter);
}

void
function_tokens(ExpressionWalk *walk, FuncExpr *function)
{
	if (function->funcformat == COERCE_EXPLICIT_CAST ||
		function->funcformat == COERCE_IMPLICIT_CAST)
	{
		expression_tokens(walk, linitial(function->args));
		return;
	}
	if (folded_tokens(walk, (Node *) function))
		return;
	open_function(walk, function->funcid);
	list_tokens(walk, function->args);
	mark(walk, PREDICTOR_TOKEN_CLOSE);
}
