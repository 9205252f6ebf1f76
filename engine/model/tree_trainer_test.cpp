#include "engine/model/tree_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "engine/model/batch.h"
#include "engine/model/test_workload.h"
#include "plan/predict.h"

namespace predictor::engine {
namespace {

// Before anything loads: a second BLAS thread beside Torch's only costs time.
const int kOneBlasThread = setenv("OPENBLAS_NUM_THREADS", "1", 1);

std::vector<int> all_of(const Dataset& data) {
  std::vector<int> plans(static_cast<size_t>(data.plans()));
  for (int p = 0; p < data.plans(); p++) plans[p] = p;
  return plans;
}

TEST(Batch, holds_every_node_once_with_children_one_level_below) {
  auto records = test::Workload(1).run(6, 3);
  Dataset data = encode_dataset(records);
  std::vector<int> plans = all_of(data);
  Batch batch = make_batch(data, plans);
  EXPECT_EQ(std::set<int64_t>(batch.nodes.begin(), batch.nodes.end()).size(), batch.nodes.size());
  EXPECT_EQ(batch.levels[0].end, data.plans());
  for (size_t d = 1; d < batch.levels.size(); d++)
    for (int64_t row = batch.levels[d].begin; row < batch.levels[d].end; row++) {
      int node = static_cast<int>(batch.nodes[row]);
      int64_t above = batch.nodes[batch.levels[d - 1].begin + batch.parent[row]];
      int first = *std::prev(std::upper_bound(data.first.begin(), data.first.end(), node));
      EXPECT_EQ(above, first + data.parent[node]);
    }
}

TEST(TreeTrainer, meets_plans_in_both_ways_that_memory_sees_them) {
  auto records = test::Workload(3).run(8, 8);
  Dataset data = encode_dataset(records);
  const std::vector<int> plans = all_of(data);
  TrainerOptions options;
  options.epochs = 1;
  auto keep_on = [](const EpochReport&) { return true; };
  // Another way of all plans, in which nothing is a number.
  data.other.first.assign(plans.size(), 0);
  for (int p : plans) data.other.first[p] = data.first[p];
  data.other.is_repeat.assign(plans.size(), 1);
  data.other.numeric.assign(data.numeric.size(), std::nanf(""));
  data.other.log_work = data.log_work;
  const KnownContent known = collect_known(data, plans);
  EXPECT_THROW(TreeTrainer(data, known, options).train(plans, {}, keep_on), TrainingError);
  data.other.numeric = data.numeric;
  EXPECT_NO_THROW(TreeTrainer(data, known, options).train(plans, {}, keep_on));
}

TEST(TreeTrainer, runtime_agrees_with_torch_and_training_is_deterministic) {
  auto records = test::Workload(2).run(8, 8);
  Dataset data = encode_dataset(records);
  std::vector<int> plans = all_of(data);
  KnownContent known = collect_known(data, plans);
  TrainerOptions options;
  options.epochs = 3;
  auto keep_on = [](const EpochReport&) { return true; };
  TreeTrainer trainer(data, known, options), again(data, known, options);
  trainer.train(plans, {}, keep_on);
  again.train(plans, {}, keep_on);
  std::vector<std::byte> section = write_network(std::vector{trainer.weights()});
  EXPECT_EQ(section, write_network(std::vector{again.weights()}));

  TreeNetwork network;
  Known lookup;
  std::vector<std::byte> known_section = write_known(known);
  ASSERT_TRUE(network.open(section));
  ASSERT_TRUE(lookup.open(known_section));
  TreeTrainer::Answers torch = trainer.answers(plans);
  size_t at = 0;
  for (const OwnedRecord& r : records) {
    const int nodes = static_cast<int>(r.nodes.size());
    std::vector<NodePlace> places(r.nodes.size());
    std::vector<NodeFeatures> features(r.nodes.size());
    encode_features(r.view(), places.data(), features.data());
    std::vector<uint32_t> rows;
    for (const NodeFeatures& f : features)
      for (int t = 0; t < kIdentityCount; t++) rows.push_back(lookup.row(t, f.identity[t]));
    std::vector<float> scratch(network.scratch_floats(nodes)), out(r.nodes.size() * kLaneCount);
    std::vector<float> loops(r.nodes.size()), log_total(r.nodes.size());
    network.run(r.nodes.data(), features.data(), rows.data(), nodes, scratch.data(), out.data());
    compose_times(places.data(), r.nodes.data(), out.data(), nodes, data.log_unit, loops.data(),
                  log_total.data());
    for (int i = 0; i < nodes; i++, at++) {
      for (int k = 0; k < kOutputCount; k++) {
        float expected = torch.outputs[at * kOutputCount + k];
        ASSERT_NEAR(out[i * kLaneCount + k], expected, 1e-4 * (1 + std::abs(expected)));
      }
      ASSERT_NEAR(log_total[i], torch.log_total[at], 1e-4);
    }
  }
}

TEST(TreeTrainer, learns_what_timers_add) {
  auto records = test::Workload(3).run(8, 40);
  Dataset data = encode_dataset(records);
  std::vector<int> plans = all_of(data);
  TrainerOptions options;
  options.epochs = 25;
  options.batch_plans = 32;
  TreeTrainer trainer(data, collect_known(data, plans), options);
  trainer.train(plans, {}, [](const EpochReport&) { return true; });
  std::vector<float> shift = trainer.instrumentation_shift(plans);
  double timed = 0, count = 0;
  for (int p : plans) {
    if (data.level[p] == PREDICTOR_INSTRUMENT_TIMERS)
      timed += shift[p], count++;
    else
      EXPECT_EQ(shift[p], 0);  // every record counts rows, so that level is the ground
  }
  EXPECT_NEAR(timed / count, std::log(1.3), 0.12);
}

TEST(TreeTrainer, stops_when_told_to) {
  auto records = test::Workload(4).run(4, 5);
  Dataset data = encode_dataset(records);
  std::vector<int> plans = all_of(data);
  TreeTrainer trainer(data, collect_known(data, plans), {});
  int calls = 0;
  EXPECT_THROW(trainer.train(plans, {}, [&calls](const EpochReport&) { return ++calls < 3; }),
               std::runtime_error);
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace predictor::engine
