/*
 * serve.h - from a model's name to answers.
 *
 * A backend keeps the active bundle of each model that it used, in its own memory, and looks once
 * per EXPLAIN or predict() whether another version was activated. Nothing here runs inside the
 * executor's hooks but serve_predict(), which reads memory alone.
 */
#ifndef PREDICTOR_SERVE_H
#define PREDICTOR_SERVE_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "extension/extract.h"

typedef struct ServedModel
{
	NameData	name;
	int			version;
	PredictorModel *model;		/* owned by the cache */
	HashKey		key;			/* of this database */
} ServedModel;

/*
 * Reads which version of the model is active and loads it if this backend has not. Reads tables:
 * needs a transaction and a snapshot. `name` NULL or empty: predictor.default_model, and if that is
 * empty too, the only model there is.
 *
 * Returns NULL when there is no answer to be had: then *problem is a translated sentence and *hint
 * the next step. Raises only what reading a table may raise. The result stays valid until the next
 * call in this backend.
 */
extern const ServedModel *serve_model(const char *name, const char **problem, const char **hint);

/* A plan's answer. Everything lives in `context`. */
typedef struct Answer
{
	NameData	model;
	int			version;
	int			node_count;
	Extract    *extract;		/* the record and the PlanState of each node */
	PredictorNodePrediction *nodes; /* in the order of the record */
	PredictorPlanPrediction plan;
} Answer;

/*
 * Predicts a plan after standard_ExecutorStart. NULL when memory is short or the plan is too large
 * (*problem says which).
 */
extern Answer *serve_predict(const ServedModel *model, QueryDesc *queryDesc,
							 MemoryContext context, const char **problem);

#endif
