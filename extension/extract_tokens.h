/*
 * extract_tokens.h - what the files of extract_expression.h share: how tokens are reported, and who
 * reports which nodes. Nobody else includes it.
 */
#ifndef PREDICTOR_EXTRACT_TOKENS_H
#define PREDICTOR_EXTRACT_TOKENS_H

#include "postgres.h"

#include "nodes/primnodes.h"

#include "extension/extract_expression.h"

/* Of a node after which no more is looked at; see extract_expression.c. */
#define MAX_EXPRESSION_STEPS 5000

static inline void
word(ExpressionWalk *walk, PredictorToken kind, const char *text)
{
	predictor_predicate_word(&walk->hash, kind, text);
}

static inline void
keyword(ExpressionWalk *walk, const char *text)
{
	word(walk, PREDICTOR_TOKEN_KEYWORD, text);
}

static inline void
mark(ExpressionWalk *walk, PredictorToken kind)
{
	predictor_predicate_mark(&walk->hash, kind, 0);
}

static inline void
open_call(ExpressionWalk *walk, const char *name)
{
	word(walk, PREDICTOR_TOKEN_FUNCTION, name);
	mark(walk, PREDICTOR_TOKEN_OPEN);
}

static inline void
separate(ExpressionWalk *walk, bool *first)
{
	if (!*first)
		mark(walk, PREDICTOR_TOKEN_COMMA);
	*first = false;
}

/* extract_expression.c: expressions with commas between them, alone and as a call's arguments. */
extern void list_tokens(ExpressionWalk *walk, List *list);
extern void call_tokens(ExpressionWalk *walk, const char *name, List *arguments);

/* extract_reference.c */
extern void variable_tokens(ExpressionWalk *walk, Var *var);
extern void parameter_tokens(ExpressionWalk *walk, Param *param);
/* Does a nested loop or a subplan above supply it? Else it is the result of an InitPlan: a value. */
extern bool is_supplied(ExpressionWalk *walk, int paramid);

/* extract_call.c */
extern void aggregate_tokens(ExpressionWalk *walk, Aggref *aggregate);
extern void window_tokens(ExpressionWalk *walk, WindowFunc *function);
extern void function_tokens(ExpressionWalk *walk, FuncExpr *function);

/* extract_fold.c: reports a call as a value if a custom plan would have folded it; else false */
extern bool folded_tokens(ExpressionWalk *walk, Node *node);

/* extract_compound.c: rows, arrays and their parts */
extern void array_tokens(ExpressionWalk *walk, ArrayExpr *array);
extern void row_comparison_tokens(ExpressionWalk *walk, RowCompareExpr *comparison);
extern void field_tokens(ExpressionWalk *walk, FieldSelect *field);
extern void subscript_tokens(ExpressionWalk *walk, SubscriptingRef *reference);

/* extract_expression.c: the operator by its name */
extern void operator_name(ExpressionWalk *walk, Oid op);

#endif
