// rlstm_template.h - template "rlstm": openGauss's recurrent network over a
// plan's nodes in pre-order, trained on the statements' total times. For
// comparison, and for those who know it.
#ifndef PREDICTOR_ENGINE_MODEL_RLSTM_TEMPLATE_H
#define PREDICTOR_ENGINE_MODEL_RLSTM_TEMPLATE_H

#include "engine/model/model.h"

namespace predictor::engine {

class RlstmTemplate : public Template {
 public:
  TrainingResult train(std::span<const OwnedRecord> records, const TrainingOptions& options,
                       const ProgressFunction& progress) const override;
};

}  // namespace predictor::engine

#endif
