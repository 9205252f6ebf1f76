/*
 * import_facade.h - what predictor.import_plan() asks of plan/: a noexcept border like facade.h,
 * under the same rules.
 */
#ifndef PREDICTOR_IMPORT_FACADE_H
#define PREDICTOR_IMPORT_FACADE_H

#include "extension/facade.h"

#ifdef __cplusplus
extern "C"
{
#endif

typedef struct PredictorImport PredictorImport;

/*
 * Reads what EXPLAIN (FORMAT JSON) printed; constants are hashed under the given key. NULL and a text
 * in `error` if it is no such thing or memory is short.
 */
extern PredictorImport *predictor_import_open(const char *text, size_t length,
											  uint64_t k0, uint64_t k1, uint64_t key_id,
											  char *error, size_t error_size) PREDICTOR_NOEXCEPT;
extern const PredictorRecord *predictor_import_record(const PredictorImport *import) PREDICTOR_NOEXCEPT;
extern void predictor_import_finished_at(PredictorImport *import, int64_t at) PREDICTOR_NOEXCEPT;
extern void predictor_import_close(PredictorImport *import) PREDICTOR_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif
