/*
 * model_facade.h - what the life of a model asks of plan/: a noexcept border like facade.h, under
 * the same rules.
 */
#ifndef PREDICTOR_MODEL_FACADE_H
#define PREDICTOR_MODEL_FACADE_H

#include "extension/facade.h"

#ifdef __cplusplus
extern "C"
{
#endif

/* ln ms = intercept + slope * ln cost, within [- low, + high] in nine of ten executions. */
typedef struct PredictorCostFit
{
	double		intercept;
	double		slope;
	double		low;
	double		high;
	uint64_t	executions;		/* that it was fitted to; 0: an assumption */
	uint64_t	key_id;
} PredictorCostFit;

/*
 * A bundle that answers with the calibrated cost alone: malloc'ed, its size in *size; NULL if the fit
 * is none or memory is short.
 */
extern void *predictor_cost_bundle(const PredictorCostFit *fit, size_t *size) PREDICTOR_NOEXCEPT;

#define PREDICTOR_JUDGED_SOURCES 8

/* The C twin of Score in plan/judge.h. */
typedef struct PredictorScore
{
	double		q50;
	double		q95;
	double		node_q50;
	double		node_q95;
	uint64_t	answered[PREDICTOR_JUDGED_SOURCES];
	uint64_t	inside[PREDICTOR_JUDGED_SOURCES];
} PredictorScore;

/* The C twin of Comparison; [0] is the value, [1] and [2] are its 95 % interval. */
typedef struct PredictorComparison
{
	uint64_t	statements;
	uint64_t	queries;
	uint64_t	nodes;
	PredictorScore champion;
	PredictorScore challenger;
	double		q50[3];
	double		q95[3];
	bool		is_better;
	bool		is_worse;
} PredictorComparison;

/* Bytes that must be aligned to 8. */
typedef struct PredictorBytes
{
	const void *data;
	size_t		size;
} PredictorBytes;

/*
 * Compares two bundles on encoded records. False and a text in `error` if one of the bundles cannot
 * be used (*champion_is_bad says which) or memory is short.
 */
extern bool predictor_compare(PredictorBytes champion, PredictorBytes challenger, PredictorBytes records,
							  PredictorComparison *result, bool *champion_is_bad,
							  char *error, size_t error_size) PREDICTOR_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif
