// cost_template.h - template "cost": the planner's cost, calibrated to ms. The least that any other
// template must beat, and the cold start.
#ifndef PREDICTOR_ENGINE_MODEL_COST_TEMPLATE_H
#define PREDICTOR_ENGINE_MODEL_COST_TEMPLATE_H

#include "engine/model/model.h"

namespace predictor::engine {

class CostTemplate : public Template {
 public:
  TrainingResult train(std::span<const OwnedRecord> records, const TrainingOptions& options,
                       const ProgressFunction& progress) const override;
};

}  // namespace predictor::engine

#endif
