#include "engine/model/tree_members.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "engine/model/model.h"
#include "engine/model/test_training.h"
#include "engine/model/tree_trainer.h"

namespace predictor::engine {
namespace {

struct Setting : test::SmallTraining {
  Split other;  // of the second network

  Setting() : SmallTraining(4) {
    for (int p = 0; p < data.plans(); p++)
      (p % 5 == 1 ? other.held_out : other.training).push_back(p);
  }
  TrainedMembers train(int threads, const std::function<bool(const EpochReport&)>& keep_on) {
    options.threads = threads;
    return train_members(data, known, options, std::vector<Split>{{training, validation}, other},
                         validation, keep_on);
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

  setting.options.threads = 1;
  TreeTrainer alone(setting.data, setting.known, setting.options);
  alone.train(setting.training, setting.validation, [](const EpochReport&) { return true; });
  EXPECT_EQ(alone.weights().cell, in_turn.weights[0].cell) << "the first has the training's seed";
  ASSERT_EQ(in_turn.shifts.size(), 2u);
  EXPECT_EQ(in_turn.shifts[0], alone.instrumentation_shift(setting.validation));
  EXPECT_NE(in_turn.shifts[1], in_turn.shifts[0]);

  setting.options.seed += 7919;
  TreeTrainer second(setting.data, setting.known, setting.options);
  second.train(setting.other.training, setting.other.held_out,
               [](const EpochReport&) { return true; });
  EXPECT_EQ(second.weights().cell, in_turn.weights[1].cell) << "of what it alone was given";
}

TEST(TreeMembers, know_only_what_they_met) {
  Setting setting;
  setting.known.identities[kRelationIdentity].push_back(987654321);
  for (const NetworkWeights& w :
       setting.train(1, [](const EpochReport&) { return true; }).weights) {
    const std::vector<float>& table = w.identity[kRelationIdentity];
    const auto unknown = table.begin() + static_cast<std::ptrdiff_t>(kUnknownIdentity * w.hidden);
    EXPECT_TRUE(std::equal(table.end() - w.hidden, table.end(), unknown));
    EXPECT_FALSE(std::equal(table.end() - 2 * w.hidden, table.end() - w.hidden, unknown));
  }
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

// Does with the second network as it is told.
struct Remembering : test::MemoryCheckpoints {
  std::function<void()> on_second = [] {};

  Remembering() {
    before_save = [this](const std::string& stage) {
      if (stage == "main-2") on_second();
    };
  }
};

TEST(TreeMembers, what_ends_one_ends_all) {
  Setting setting;
  Remembering checkpoints;
  checkpoints.on_second = [] { throw TrainingError("the second failed"); };
  setting.options.epochs = 1000000;
  setting.options.patience = 1000000;
  setting.options.checkpoints = &checkpoints;
  EXPECT_THROW(setting.train(2, [](const EpochReport&) { return true; }), TrainingError);
}

TEST(TreeMembers, the_caller_is_asked_while_the_first_waits) {
  Setting setting;
  Remembering checkpoints;
  std::atomic<bool> is_asked_again = false;
  // The second comes no further before the caller was asked after the first was done.
  checkpoints.on_second = [&] {
    for (int ms = 0; !is_asked_again && ms < 20000; ms++)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  setting.options.checkpoints = &checkpoints;
  int calls = 0;
  const TrainedMembers all = setting.train(2, [&](const EpochReport&) {
    is_asked_again = ++calls > setting.options.epochs;
    return true;
  });
  EXPECT_EQ(all.weights.size(), 2u);
  EXPECT_TRUE(is_asked_again);
  Remembering others;
  setting.options.checkpoints = &others;
  is_asked_again = false, calls = 0;
  others.on_second = checkpoints.on_second;
  EXPECT_THROW(setting.train(2,
                             [&](const EpochReport&) {
                               is_asked_again = ++calls > setting.options.epochs;
                               return !is_asked_again;
                             }),
               TrainingCancelled);
}

TEST(TreeMembers, go_on_where_they_were_cut_off) {
  Setting setting;
  const auto keep_on = [](const EpochReport&) { return true; };
  const std::vector<std::byte> whole = write_network(setting.train(1, keep_on).weights);
  for (int stops_at : {2, 7}) {  // in the first network, and in the second
    Remembering checkpoints;
    setting.options.checkpoints = &checkpoints;
    int calls = 0;
    EXPECT_THROW(setting.train(1, [&](const EpochReport&) { return ++calls < stops_at; }),
                 TrainingCancelled);
    calls = 0;
    const TrainedMembers rest = setting.train(1, [&](const EpochReport&) { return ++calls > 0; });
    EXPECT_EQ(write_network(rest.weights), whole) << stops_at;
    EXPECT_EQ(calls, 2 * setting.options.epochs - stops_at) << "no epoch was run twice";
  }
}

TEST(TreeMembers, share_the_seconds) {
  Setting setting;
  setting.options.epochs = 1000000;
  setting.options.patience = 1000000;
  setting.options.max_seconds = 0.3;
  for (int threads : {1, 2}) {
    const TrainedMembers all = setting.train(threads, [](const EpochReport&) { return true; });
    EXPECT_EQ(all.weights.size(), 2u);
    EXPECT_LT(all.run.epochs, setting.options.epochs);
  }
}

}  // namespace
}  // namespace predictor::engine
