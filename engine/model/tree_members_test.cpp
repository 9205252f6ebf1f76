#include "engine/model/tree_members.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "engine/model/model.h"
#include "engine/model/test_workload.h"

namespace predictor::engine {
namespace {

struct Setting {
  std::vector<OwnedRecord> records = test::Workload(3).run(8, 8);
  Dataset data = encode_dataset(records);
  std::vector<int> training, validation;
  KnownContent known;
  TrainerOptions options;

  Setting() {
    for (int p = 0; p < data.plans(); p++) (p % 5 == 0 ? validation : training).push_back(p);
    known = collect_known(data, training);
    options.epochs = 4;
    options.stage = "main";
  }
  TrainedMembers train(int threads, const std::function<bool(const EpochReport&)>& keep_on) {
    options.threads = threads;
    return train_members(data, known, options, 2, training, validation, validation, keep_on);
  }
};

TEST(TreeMembers, are_the_same_side_by_side_and_in_turn) {
  Setting setting;
  std::vector<int> epochs;
  const TrainedMembers in_turn = setting.train(1, [&](const EpochReport& report) {
    epochs.push_back(report.epoch);
    return true;
  });
  EXPECT_TRUE(std::is_sorted(epochs.begin(), epochs.end()));
  EXPECT_EQ(epochs.back(), setting.options.epochs);
  const std::thread::id caller = std::this_thread::get_id();
  const TrainedMembers side_by_side = setting.train(2, [&](const EpochReport&) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    return true;
  });
  EXPECT_EQ(write_network(in_turn.weights), write_network(side_by_side.weights));
  EXPECT_EQ(in_turn.shifts, side_by_side.shifts);
  ASSERT_EQ(in_turn.weights.size(), 2u);
  EXPECT_NE(in_turn.weights[0].cell, in_turn.weights[1].cell);

  TreeTrainer alone(setting.data, setting.known, setting.options);
  setting.options.threads = 1;
  alone.train(setting.training, setting.validation, [](const EpochReport&) { return true; });
  EXPECT_EQ(alone.weights().cell, in_turn.weights[0].cell) << "the first has the training's seed";
  const std::vector<float> shifts = alone.instrumentation_shift(setting.validation);
  ASSERT_EQ(shifts.size(), in_turn.shifts.size());
  EXPECT_NE(shifts, in_turn.shifts) << "those of both count";
}

TEST(TreeMembers, all_end_when_the_caller_wants_no_more) {
  Setting setting;
  setting.options.epochs = 1000000;
  setting.options.patience = 1000000;
  for (int threads : {1, 2}) {
    int calls = 0;
    EXPECT_THROW(setting.train(threads, [&](const EpochReport&) { return ++calls < 3; }),
                 TrainingCancelled);
  }
}

// Fails to keep what the second network has learned, as a disk or a machine may.
class Failing : public Checkpoints {
 public:
  std::optional<std::vector<std::byte>> load(const std::string&) override { return std::nullopt; }
  void save(const std::string& stage, std::span<const std::byte>) override {
    if (stage == "main-2") throw TrainingError("the second failed");
  }
};

TEST(TreeMembers, what_ends_one_ends_all) {
  Setting setting;
  Failing checkpoints;
  setting.options.epochs = 1000000;
  setting.options.patience = 1000000;
  setting.options.checkpoints = &checkpoints;
  EXPECT_THROW(setting.train(2, [](const EpochReport&) { return true; }), TrainingError);
}

}  // namespace
}  // namespace predictor::engine
