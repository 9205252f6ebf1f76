/*
 * opengauss_answer.h - answers of a model that was trained on openGauss's encodings: a noexcept border
 * like facade.h, under the same rules.
 */
#ifndef PREDICTOR_OPENGAUSS_ANSWER_H
#define PREDICTOR_OPENGAUSS_ANSWER_H

#include "extension/facade.h"

#ifdef __cplusplus
extern "C"
{
#endif

typedef enum OpenGaussAnswer
{
	OPENGAUSS_ANSWERED,
	OPENGAUSS_DAMAGED,			/* the bundle is not one of these, or not for such encodings */
	OPENGAUSS_NO_MEMORY
} OpenGaussAnswer;

/*
 * Verifies the bundle, whose bytes are aligned to 8, and fills `nodes`, one for each of the record's:
 * times and rows of all loops together, so loops is 1. What the model has no label for is NaN.
 */
extern OpenGaussAnswer opengauss_answer(const void *bundle, size_t size, const PredictorRecord *record,
										PredictorNodePrediction *nodes) PREDICTOR_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif
