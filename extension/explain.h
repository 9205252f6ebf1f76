/*
 * explain.h - EXPLAIN (PREDICTOR [model]): the module's entry, and what its parts share.
 *
 * explain.c          the option's value, the prediction of one plan, and how it is printed
 * explain_native.c   PostgreSQL 18 and later: through the server's own EXPLAIN hooks
 * explain_utility.c  PostgreSQL 14 to 17, which have no such hooks: runs EXPLAIN with a mark on each
 *                    node of its plans
 * explain_marks.c    PostgreSQL 14 to 17: sets the marks and takes them out again
 * explain_rewrite.c  PostgreSQL 14 to 17: finds the marks in EXPLAIN's output and puts our lines there
 * explain_opengauss.c  predictor.explain_style = opengauss: openGauss's models and what it prints
 *
 * Where our part stands, the same in every version and format: a node's prediction is the last of
 * the node's own properties, before "Subplans Removed" and its children; the plan's prediction is the
 * last property of its query, before "Execution Time". Without our part the output is exactly
 * PostgreSQL's.
 */
#ifndef PREDICTOR_EXPLAIN_H
#define PREDICTOR_EXPLAIN_H

#include "postgres.h"

#include "commands/explain.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

#include "extension/serve.h"

#define EXPLAIN_OPTION_NAME "predictor"

/* Called once from _PG_init(). */
extern void explain_init(void);

/* What one EXPLAIN asks for; lives as long as the command. */
typedef struct ExplainRequest
{
	const char *model;			/* NULL: the default */
	bool		told;			/* the user knows that there is no prediction; once is enough */
	MemoryContext context;		/* of the answers */
	bool		is_opengauss;	/* predictor.explain_style when the command began */
	bool		is_looked_up;	/* gs_opt_model was read for `model` */
	struct OpenGaussModel *opengauss;	/* its row, or NULL */
} ExplainRequest;

/* Fills model and style of the request; raises what a user can get wrong. */
extern void explain_read_option(ExplainRequest *request, ParseState *pstate, DefElem *option);

/* Raises the error for an option that is there twice. */
extern void explain_option_repeated(ParseState *pstate, DefElem *option);

/*
 * Maps the model if this backend has not yet, and waits for one that is about to be published, so that
 * neither is part of the "Execution Time" of a statement that is predicted while it is timed. Tells
 * the user nothing: explain_predict() will.
 */
extern void explain_load_model(ExplainRequest *request);

/*
 * Predicts a plan after standard_ExecutorStart. If there is no answer, returns NULL and tells the
 * user why: a NOTICE, or a WARNING if a model was named. EXPLAIN goes on without; only
 * predictor.predict() makes an error of it.
 */
extern Answer *explain_predict(ExplainRequest *request, QueryDesc *queryDesc);

/* Print at es->indent. A number that is not known (NaN) is left out. */
extern void explain_show_node(const PredictorNodePrediction *prediction, ExplainState *es);
extern void explain_show_plan(const Answer *answer, ExplainState *es);

#endif
