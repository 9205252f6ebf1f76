// training.h - one training of an openGauss model: from the CSV to a TrainedModel.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_TRAINING_H
#define PREDICTOR_ENGINE_OPENGAUSS_TRAINING_H

#include <atomic>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/model/lstm_trainer.h"
#include "engine/opengauss/model_config.h"
#include "engine/opengauss/models.h"
#include "engine/opengauss/plan_csv.h"

namespace predictor::engine::opengauss {

struct TrainingRequest {
  ModelConfig config;
  const PlanCsv* plans = nullptr;
  const TrainedModel* earlier = nullptr;  // to go on from, where its shape fits; may be null
  int threads = 1;
  const std::atomic<bool>* stop = nullptr;
};

struct TrainingOutcome {
  OpenGaussFacts facts;
  LstmWeights weights;
  int feature_length = 0;     // of the network: 67, or fewer by dim_red
  bool is_converged = false;  // every label's ratio error is at most 2
};

// `note` is called at every epoch's end with the epoch, the loss and the ratio errors so far by
// label of the configuration. Throws TrainingError and TrainingCancelled.
TrainingOutcome train_model(const TrainingRequest& request,
                            const std::function<void(const LstmReport&)>& note);

// Answers by position of the plan's nodes, then by label of the model: labels as the CSV has them.
std::vector<double> predict_nodes(const TrainedModel& model, const PlanCsv& plans,
                                  const PlanCsv::Query& query);

}  // namespace predictor::engine::opengauss

#endif
