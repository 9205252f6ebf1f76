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

#ifdef __cplusplus
}
#endif

#endif
