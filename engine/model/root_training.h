// root_training.h - what the templates whose bundle is a root model
// (plan/root_model.h) have in common: which records can be used, the calibrated
// cost, what is withheld from whom, how far off the withheld ones were, and the
// bundle.
//
// Withheld means by whole queries: every plan is answered by a model that has
// seen no plan of the same query with the same constants.
#ifndef PREDICTOR_ENGINE_MODEL_ROOT_TRAINING_H
#define PREDICTOR_ENGINE_MODEL_ROOT_TRAINING_H

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "engine/model/dataset.h"
#include "engine/model/model.h"
#include "plan/root_model.h"

namespace predictor::engine {

class RootTraining {
 public:
  // Throws TrainingError where there is too little to train on.
  RootTraining(std::string name, std::span<const OwnedRecord> records,
               const TrainingOptions& options, const ProgressFunction& progress);

  const Dataset& data() const { return data_; }
  const TrainingOptions& options() const { return options_; }
  PredictorRecord record(int plan) const { return records_[data_.records[plan]].view(); }
  double log_cost(int plan) const { return data_.cost.log_ms(data_.root_cost[plan]); }
  const std::vector<std::vector<int>>& folds() const { return folds_; }
  std::vector<int> all_plans() const;
  // The plans of every fold but this one.
  std::vector<int> all_but(int fold) const;

  // Throws TrainingCancelled when the caller wants no more.
  void report(const char* phase, int epoch, int max_epochs, double loss) const;

  // Calibrates the intervals: by the cost fitted without each fold, and by the
  // model's answers for withheld plans, of which NaN stands for none.
  void measure_cost();
  void measure_model(std::span<const double> withheld_log_ms);
  // The same for queries that are not in the training: the model's answers for
  // plans whose whole query was withheld. Decides how far to follow the model
  // there.
  void measure_unseen(std::span<const double> withheld_log_ms);

  RootContent& content() { return content_; }
  void add_section(Section type, uint32_t version, std::vector<std::byte> bytes);
  void set_epochs(int epochs) { result_.epochs = epochs; }

  // The bundle with its canary, tried once.
  TrainingResult finish();

 private:
  Reach reach_of(std::span<const double> withheld_log_ms) const;
  QError errors_of(std::span<const double> withheld_log_ms) const;
  double coverage_of(std::span<const double> withheld_log_ms) const;
  double mean_error_by_query(std::span<const double> withheld_log_ms) const;
  int choose_canary() const;

  std::string name_;
  std::span<const OwnedRecord> records_;
  const TrainingOptions& options_;
  const ProgressFunction& progress_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Dataset data_;
  std::vector<std::vector<int>> folds_;
  std::vector<double> withheld_cost_;  // by plan
  RootContent content_;
  BundleWriter sections_;
  TrainingResult result_;
};

}  // namespace predictor::engine

#endif
