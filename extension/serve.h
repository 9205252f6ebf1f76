/*
 * serve.h - from a model's name to answers.
 *
 * All backends answer from one copy of each active bundle, which a publisher has verified
 * (directory.h); a backend maps it when it first needs it. No table is read here.
 */
#ifndef PREDICTOR_SERVE_H
#define PREDICTOR_SERVE_H

#include "postgres.h"

#include "catalog/pg_shdescription.h"
#include "executor/execdesc.h"
#include "extension/extract.h"

/*
 * A relation of all databases that is invalidated with predictor.model, so that the launcher hears of
 * it. Any one would do that nobody uses in a hurry.
 */
#define SERVE_SHARED_RELATION SharedDescriptionRelationId

/* Called once from _PG_init() while shared_preload_libraries are loaded. */
extern void serve_init(void);

typedef struct ServedModel
{
	NameData	name;
	int			version;
	uint64		generation;		/* another one with each publication of another bundle */
	pg_uuid_t	uuid;
	TimestampTz trained_at;
	double		calibration;	/* factor of live calibration, if that is on */
	PredictorModel *model;		/* reads the mapped bundle */
	HashKey		key;			/* of this database */
} ServedModel;

/*
 * The named model, for commands that ask for a prediction. `name` NULL or empty:
 * predictor.default_model, and if that is empty too, the only model there is. Waits some seconds at
 * most while a change of the models that is known of is on its way; until it has arrived the last good
 * version answers.
 *
 * Returns NULL when there is no answer to be had: then *problem is a sentence and *hint the next step.
 * Raises only what waiting may raise. The result stays valid until the next look-up in this backend.
 */
extern const ServedModel *serve_model(const char *name, const char **problem, const char **hint);

/*
 * The default model if it answers now, for the executor's hooks: neither waits nor raises, and reads
 * one word of shared memory if nothing has changed. NULL: no answer. Valid as above.
 */
extern const ServedModel *serve_ready_model(void);

/* What is remembered of an answer (memo.h): that for the statement as a whole. */
typedef struct WholeAnswer
{
	PredictorPlanPrediction plan;
	double		startup_ms;
} WholeAnswer;

/*
 * Adds the default model's prediction to the record of a statement that is to be captured, if there is
 * a model that answers now and predictor.predict_all wants it. For hooks: neither waits nor raises.
 */
extern void serve_annotate(PredictorRecord *record, const QueryDesc *queryDesc);

/* A plan's answer. Everything lives in `context`. */
typedef struct Answer
{
	NameData	model;
	int			version;
	TimestampTz trained_at;
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
