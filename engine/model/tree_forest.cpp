#include "engine/model/tree_forest.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/model/forest_trainer.h"
#include "engine/model/gbdt_template.h"
#include "plan/memory.h"

namespace predictor::engine {
namespace {

class RowMaker {
 public:
  RowMaker(std::span<const OwnedRecord> records, const Dataset& data,
           const FlatVocabulary& vocabulary)
      : records_(records), data_(data), vocabulary_(vocabulary) {
    rows_.columns = flat_feature_count(vocabulary);
  }

  void add(int plan, float shift) {
    const PredictorRecord record = records_[data_.records[plan]].view();
    const auto nodes = static_cast<size_t>(record.node_count);
    places_.resize(nodes), features_.resize(nodes), rows_factor_.resize(nodes);
    loops_factor_.resize(nodes);
    find_places(record, places_.data());
    for (size_t i = 0; i < nodes; i++) {
      const float* numeric = &data_.numeric[(data_.first[plan] + i) * kNumericCount];
      std::copy_n(numeric, kNumericCount, features_[i].numeric);
      places_[i].work *= std::exp(numeric[kRecalledGrowth]);
    }
    recall_factors(places_.data(), features_.data(), record.node_count, rows_factor_.data(),
                   loops_factor_.data());
    const size_t at = rows_.x.size();
    rows_.x.resize(at + static_cast<size_t>(rows_.columns));
    encode_flat({record, places_.data(), rows_factor_.data(), loops_factor_.data()}, vocabulary_,
                &rows_.x[at]);
    double log_cost = data_.cost.log_ms(data_.root_cost[plan]);
    rows_.target.push_back(static_cast<float>(data_.log_ms[plan] - shift - log_cost));
    rows_.censored.push_back(data_.censored[plan]);
  }
  const ForestData& rows() const { return rows_; }

 private:
  std::span<const OwnedRecord> records_;
  const Dataset& data_;
  const FlatVocabulary& vocabulary_;
  ForestData rows_;
  std::vector<NodePlace> places_;
  std::vector<NodeFeatures> features_;
  std::vector<float> rows_factor_, loops_factor_;
};

}  // namespace

std::vector<std::byte> train_tree_forest(std::span<const OwnedRecord> records, const Dataset& data,
                                         std::span<const int> training,
                                         std::span<const int> validation,
                                         std::span<const float> shift,
                                         const TrainingOptions& options, int& trees) {
  ForestContent content;
  content.features = choose_flat_vocabulary(data, training);
  const FlatVocabulary vocabulary = content.features.view();
  RowMaker maker(records, data, vocabulary);
  size_t row = 0;
  for (auto plans : {training, validation})
    for (int p : plans) {
      check_stop(options);
      maker.add(p, shift[row++]);
    }
  std::vector<int> numbers(row);
  std::iota(numbers.begin(), numbers.end(), 0);
  const std::span<const int> all(numbers);
  ForestOptions forest;
  forest.seed = options.seed;
  forest.threads = options.threads;
  forest.rounds = trees;
  forest.learning_rate = kRateOfTree;
  TrainedForest trained =
      train_forest(maker.rows(), all.first(training.size()), all.subspan(training.size()), forest,
                   [&options](int, double) { check_stop(options); });
  // Trees after the best round only fit what is no more than chance.
  if (!trained.losses.empty() && !validation.empty()) {
    auto best = std::min_element(trained.losses.begin(), trained.losses.end());
    trained.trees.resize(static_cast<size_t>(best - trained.losses.begin()) + 1);
  }
  trees = static_cast<int>(trained.trees.size());
  content.trees = std::move(trained.trees);
  content.base = trained.base;
  return write_forest(content);
}

}  // namespace predictor::engine
