#include "engine/model/lstm_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "plan/bundle.h"
#include "plan/kernels.h"

namespace predictor::engine {
namespace {

constexpr int kInputs = 7;

// Queries of one to six nodes in a chain or a star. A node's label is what its sub-plan's nodes
// cost in sum, which no single node tells.
LstmSamples make_samples(int queries, uint64_t seed, bool is_shuffled = false) {
  std::mt19937_64 random(seed);
  LstmSamples samples;
  samples.inputs = kInputs;
  samples.labels = 2;
  for (int query = 0; query < queries; query++) {
    const int nodes = 1 + static_cast<int>(random() % 6);
    const bool is_chain = random() % 2 == 0;
    const auto first = static_cast<int32_t>(samples.nodes());
    std::vector<double> cost(nodes);
    for (int i = 0; i < nodes; i++) {
      const int kind = static_cast<int>(random() % (kInputs - 1));
      for (int k = 0; k < kInputs - 1; k++) samples.features.push_back(k == kind ? 1.0F : 0.0F);
      samples.features.push_back(0.5F);
      cost[i] = std::pow(3.0, kind);
      samples.subtree_end.push_back(is_chain || i == 0 ? first + nodes : first + i + 1);
      samples.query.push_back(query);
    }
    for (int i = 0; i < nodes; i++) {
      double sum = 0;
      for (int k = i; k < samples.subtree_end[first + i] - first; k++) sum += cost[k];
      samples.targets.push_back(static_cast<float>(std::log1p(sum)));
      samples.targets.push_back(i == 0 ? 1.0F : NAN);  // a label that only roots have
    }
  }
  if (is_shuffled) {
    std::vector<float> first;
    for (size_t i = 0; i < samples.targets.size(); i += 2) first.push_back(samples.targets[i]);
    std::shuffle(first.begin(), first.end(), random);
    for (size_t i = 0; i < first.size(); i++) samples.targets[2 * i] = first[i];
  }
  return samples;
}

LstmOptions quick_options() {
  LstmOptions options;
  options.hidden = 20;
  options.epochs = 60;
  options.batch = 64;
  options.learning_rate = 1e-2;
  return options;
}

bool go_on(const LstmReport&) { return true; }

std::vector<std::byte> aligned(const LstmWeights& weights) { return write_lstm(weights); }

// The runtime's own mean ratio error of the first label.
double runtime_ratio(const LstmWeights& weights, const LstmSamples& samples) {
  const std::vector<std::byte> content = aligned(weights);
  Lstm lstm;
  EXPECT_TRUE(lstm.open(content));
  std::vector<float> scratch(lstm.scratch_floats());
  double sum = 0;
  for (size_t node = 0; node < samples.nodes(); node++) {
    float out[2];
    lstm.run(samples.features.data() + node * kInputs,
             samples.subtree_end[node] - static_cast<int>(node), scratch.data(), out);
    sum += std::exp(std::abs(out[0] - samples.targets[node * 2]));
  }
  return sum / static_cast<double>(samples.nodes());
}

TEST(LstmTrainer, learns_what_depends_on_the_whole_sub_plan) {
  const LstmResult result = train_lstm(make_samples(300, 1), quick_options(), go_on);
  EXPECT_LT(result.ratio[0], 1.5);
  EXPECT_NEAR(result.ratio[1], 1.0, 0.1);
  EXPECT_LT(runtime_ratio(result.weights, make_samples(100, 2)), 1.5);
}

TEST(LstmTrainer, shuffled_labels_cannot_be_learned) {
  const LstmResult result = train_lstm(make_samples(300, 1, true), quick_options(), go_on);
  EXPECT_GT(runtime_ratio(result.weights, make_samples(100, 2)), 2);
}

// The ratio that training reports is Torch's, so equal ratios on the same nodes are equal answers.
TEST(LstmTrainer, the_runtime_answers_as_torch_does) {
  const LstmSamples samples = make_samples(40, 3);
  LstmOptions options = quick_options();
  options.epochs = 3;
  options.withheld = 0;
  const LstmResult result = train_lstm(samples, options, go_on);
  const int widest = register_floats;
  for (; register_floats >= 4; register_floats /= 2)
    EXPECT_NEAR(runtime_ratio(result.weights, samples) / result.ratio[0], 1, 1e-4)
        << register_floats;
  register_floats = widest;
}

TEST(LstmTrainer, goes_on_from_weights) {
  const LstmSamples samples = make_samples(200, 4);
  LstmOptions options = quick_options();
  const LstmResult first = train_lstm(samples, options, go_on);
  options.start = &first.weights;
  options.epochs = 1;
  const LstmResult second = train_lstm(samples, options, go_on);
  EXPECT_LE(second.ratio[0] + second.ratio[1], first.ratio[0] + first.ratio[1] + 1e-3);
  options.hidden = 40;
  EXPECT_THROW(train_lstm(samples, options, go_on), TrainingError);
}

TEST(LstmTrainer, the_same_seed_gives_the_same_weights) {
  const LstmSamples samples = make_samples(30, 5);
  LstmOptions options = quick_options();
  options.epochs = 2;
  EXPECT_EQ(train_lstm(samples, options, go_on).weights.layers[0].input,
            train_lstm(samples, options, go_on).weights.layers[0].input);
}

TEST(LstmTrainer, can_be_cancelled) {
  const LstmSamples samples = make_samples(30, 6);
  EXPECT_THROW(train_lstm(samples, quick_options(),
                          [](const LstmReport& report) { return report.epoch < 2; }),
               TrainingCancelled);
  const std::atomic<bool> stop = true;
  LstmOptions options = quick_options();
  options.stop = &stop;
  EXPECT_THROW(train_lstm(samples, options, go_on), TrainingCancelled);
}

TEST(LstmTrainer, one_query_is_trained_and_validated_on) {
  const LstmResult result = train_lstm(make_samples(1, 7), quick_options(), go_on);
  EXPECT_TRUE(std::isfinite(result.ratio[0]));
  EXPECT_THROW(train_lstm(LstmSamples{}, quick_options(), go_on), TrainingError);
}

TEST(Lstm, damaged_weights_are_refused) {
  LstmOptions options = quick_options();
  options.epochs = 1;
  const LstmResult result = train_lstm(make_samples(10, 8), options, go_on);
  const std::vector<std::byte> content = aligned(result.weights);
  Lstm lstm;
  ASSERT_TRUE(lstm.open(content));
  EXPECT_EQ(lstm.weights().output, result.weights.output);
  EXPECT_FALSE(lstm.open(std::span(content).first(content.size() - 4)));
  EXPECT_FALSE(lstm.open(std::span(content).first(10)));
  std::vector<std::byte> with_nan = content;
  std::fill(with_nan.end() - 4, with_nan.end(), std::byte{0xff});
  EXPECT_FALSE(lstm.open(with_nan));
  std::vector<std::byte> too_wide = content;
  std::fill(too_wide.begin() + 4, too_wide.begin() + 8, std::byte{0x7f});
  EXPECT_FALSE(lstm.open(too_wide));
}

}  // namespace
}  // namespace predictor::engine
