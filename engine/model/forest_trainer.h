// forest_trainer.h - gradient-boosted trees on rows of numbers, trained by
// XGBoost and handed out as trees of plan/forest.h. The only door to XGBoost.
//
// The loss is ours: pseudo-Huber on the difference to the target, and for a
// censored target, which is a lower bound, nothing while the answer lies above
// it.
#ifndef PREDICTOR_ENGINE_MODEL_FOREST_TRAINER_H
#define PREDICTOR_ENGINE_MODEL_FOREST_TRAINER_H

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "plan/forest.h"

namespace predictor::engine {

struct ForestOptions {
  uint64_t seed = 1;
  int threads = 1;
  int rounds = 800;   // at most; one tree each
  int patience = 60;  // rounds without a better validation; without validation
                      // rows all are run
  int depth = 6;
  double learning_rate = 0.06;
  double rows_share = 0.8;     // of the rows, for each tree
  double columns_share = 0.4;  // of the columns, for each tree
  double least_weight = 2;     // of a leaf
  double ridge = 1;            // on the values of leaves
  double huber = 0.3;          // differences beyond it count linearly
};

// Rows stand one behind the other; `target` is what is learned, of censored
// rows its lower bound.
struct ForestData {
  int columns = 0;
  std::vector<float> x;  // [rows, columns], finite
  std::vector<float> target;
  std::vector<uint8_t> censored;
  std::vector<float> weight;  // empty: 1 for each

  int rows() const { return static_cast<int>(target.size()); }
};

struct TrainedForest {
  std::vector<std::vector<ForestNode>> trees;  // in the order of the rounds
  float base = 0;
  // The mean loss over the validation rows after each round, and their answers
  // after the rounds kEvery, 2 * kEvery, ...
  static constexpr int kEvery = 10;
  std::vector<double> losses;
  std::vector<std::vector<float>> answers;
};

// `keep_on` is called after each round with its number and the validation loss,
// and may throw. Throws TrainingError if XGBoost fails or the loss is no
// number.
TrainedForest train_forest(const ForestData& data, std::span<const int> training,
                           std::span<const int> validation, const ForestOptions& options,
                           const std::function<void(int round, double loss)>& keep_on);

// The loss of one answer.
double forest_loss(double answer, double target, bool is_censored, double huber);

}  // namespace predictor::engine

#endif
