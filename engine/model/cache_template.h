// cache_template.h - template "cache": the median time of the plan's earlier
// executions, and the calibrated cost for plans that have none. What
// remembering alone is worth.
#ifndef PREDICTOR_ENGINE_MODEL_CACHE_TEMPLATE_H
#define PREDICTOR_ENGINE_MODEL_CACHE_TEMPLATE_H

#include "engine/model/model.h"

namespace predictor::engine {

class CacheTemplate : public Template {
 public:
  TrainingResult train(std::span<const OwnedRecord> records, const TrainingOptions& options,
                       const ProgressFunction& progress) const override;
};

}  // namespace predictor::engine

#endif
