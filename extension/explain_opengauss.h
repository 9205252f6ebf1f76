/*
 * explain_opengauss.h - EXPLAIN (PREDICTOR model) as openGauss prints it, for predictor.explain_style =
 * opengauss: which model is meant, what the user is told of it, and where its numbers stand.
 */
#ifndef PREDICTOR_EXPLAIN_OPENGAUSS_H
#define PREDICTOR_EXPLAIN_OPENGAUSS_H

#include "extension/explain.h"

/*
 * Does the request name a model of opengauss.gs_opt_model? Then it is that one, and no other, that
 * answers. The first call in a command reads the tables.
 */
extern bool explain_opengauss_finds(ExplainRequest *request);

/* Its answer for a plan after standard_ExecutorStart; NULL if there is none, and the user is told why. */
extern Answer *explain_opengauss_predict(ExplainRequest *request, QueryDesc *queryDesc);

/* TEXT: what stands between the rows and the width of a node's costs. */
extern void explain_opengauss_append_costs(const PredictorNodePrediction *prediction, StringInfo str);

/* The other formats: what follows "Plan Width". */
extern void explain_opengauss_show_node(const PredictorNodePrediction *prediction, ExplainState *es);

/* Puts either into the output that begins at `from` and ends with the whole node of that plan. */
extern void explain_opengauss_insert(const PredictorNodePrediction *prediction, const Plan *plan, int from,
									 ExplainState *es);

#endif
