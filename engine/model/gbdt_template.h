// gbdt_template.h - template "gbdt": gradient-boosted trees on flat features of
// the plan, the strongest model that does not look at the plan's tree. What the
// tree template must beat.
#ifndef PREDICTOR_ENGINE_MODEL_GBDT_TEMPLATE_H
#define PREDICTOR_ENGINE_MODEL_GBDT_TEMPLATE_H

#include "engine/model/model.h"
#include "plan/flat_features.h"

namespace predictor::engine {

struct Dataset;

class GbdtTemplate : public Template {
 public:
  TrainingResult train(std::span<const OwnedRecord> records, const TrainingOptions& options,
                       const ProgressFunction& progress) const override;
};

// The relations and predicates that most of the plans contain.
FlatContent choose_flat_vocabulary(const Dataset& data, std::span<const int> plans);

}  // namespace predictor::engine

#endif
