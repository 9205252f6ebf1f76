// tree_template.h - template "tree": what is trained, withheld, calibrated and put into a bundle.
#ifndef PREDICTOR_ENGINE_MODEL_TREE_TEMPLATE_H
#define PREDICTOR_ENGINE_MODEL_TREE_TEMPLATE_H

#include "engine/model/model.h"

namespace predictor::engine {

class TreeTemplate : public Template {
 public:
  TrainingResult train(std::span<const OwnedRecord> records, const TrainingOptions& options,
                       const ProgressFunction& progress) const override;
};

}  // namespace predictor::engine

#endif
