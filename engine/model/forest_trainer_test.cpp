#include "engine/model/forest_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

namespace predictor::engine {
namespace {

// y = a step and a slope; columns beyond the first three are noise or constant.
ForestData make_rows(int rows, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(0, 1);
  ForestData data;
  // As many columns as a row of flat features without a vocabulary has: what
  // the runtime expects.
  data.columns = flat_feature_count({});
  for (int r = 0; r < rows; r++) {
    std::vector<float> x(static_cast<size_t>(data.columns), 3.0f);
    for (int c = 0; c < 6; c++) x[c] = uniform(random);
    data.target.push_back((x[0] > 0.5f ? 2.0f : 0.0f) + x[1]);
    data.censored.push_back(0);
    data.x.insert(data.x.end(), x.begin(), x.end());
  }
  return data;
}

// Few trees are enough for so simple a law.
ForestOptions quick_options() {
  ForestOptions options;
  options.rounds = 60;
  options.learning_rate = 0.2;
  options.columns_share = 1;
  return options;
}

std::vector<int> range(int from, int to) {
  std::vector<int> rows(static_cast<size_t>(to - from));
  std::iota(rows.begin(), rows.end(), from);
  return rows;
}

double mean_error(const ForestData& data, std::span<const int> rows,
                  const std::vector<float>& answers) {
  double sum = 0;
  for (size_t i = 0; i < rows.size(); i++) sum += std::abs(answers[i] - data.target[rows[i]]);
  return sum / static_cast<double>(rows.size());
}

TEST(ForestTrainer, learns_and_the_runtime_answers_as_xgboost_does) {
  const ForestData data = make_rows(600, 1);
  const std::vector<int> training = range(0, 500), validation = range(500, 600);
  const ForestOptions options = quick_options();
  TrainedForest trained = train_forest(data, training, validation, options, [](int, double) {});
  ASSERT_FALSE(trained.answers.empty());
  const std::vector<float>& expected = trained.answers.back();
  EXPECT_LT(mean_error(data, validation, expected), 0.1);
  trained.trees.resize(trained.answers.size() * TrainedForest::kEvery);
  const std::vector<std::byte> section = write_forest({{}, trained.trees, trained.base});
  std::vector<uint64_t> words((section.size() + 7) / 8);
  std::memcpy(words.data(), section.data(), section.size());
  Forest forest;
  ASSERT_TRUE(forest.open(std::as_bytes(std::span(words)).first(section.size())));
  for (size_t i = 0; i < validation.size(); i++) {
    const auto* from = &data.x[size_t(validation[i]) * data.columns];
    std::vector<float> x(from, from + data.columns);
    x.push_back(0);
    EXPECT_NEAR(forest.evaluate(x.data()), expected[i], 1e-4 * std::abs(expected[i]));
  }
}

TEST(ForestTrainer, shuffled_targets_teach_it_nothing) {
  ForestData data = make_rows(600, 1);
  std::shuffle(data.target.begin(), data.target.begin() + 500, std::mt19937(3));
  const ForestOptions options = quick_options();
  const TrainedForest trained =
      train_forest(data, range(0, 500), range(500, 600), options, [](int, double) {});
  EXPECT_GT(mean_error(data, range(500, 600), trained.answers.back()), 0.5);
}

TEST(ForestTrainer, a_censored_target_is_a_lower_bound) {
  ForestData data = make_rows(400, 2);
  // Half of the long ones were cut off early.
  for (int row = 0; row < 300; row += 2)
    if (data.target[row] > 2) data.target[row] = 1, data.censored[row] = 1;
  const ForestOptions options = quick_options();
  const TrainedForest trained =
      train_forest(data, range(0, 300), range(300, 400), options, [](int, double) {});
  EXPECT_LT(mean_error(data, range(300, 400), trained.answers.back()), 0.15);
  EXPECT_EQ(forest_loss(5, 1, true, 0.3), 0);
  EXPECT_GT(forest_loss(0, 1, true, 0.3), 0);
}

TEST(ForestTrainer, the_same_seed_gives_the_same_trees) {
  const ForestData data = make_rows(300, 4);
  ForestOptions options;
  options.rounds = 10;
  auto train = [&] {
    return write_forest(
        {{}, train_forest(data, range(0, 300), {}, options, [](int, double) {}).trees, 0});
  };
  const std::vector<std::byte> first = train();
  EXPECT_EQ(first, train());
  options.seed = 2;
  EXPECT_NE(first, train());
}

}  // namespace
}  // namespace predictor::engine
