// A training that is cut off goes on from its checkpoint and ends as if nothing had happened.
#include <gtest/gtest.h>

#include "engine/model/device_memory.h"
#include "engine/model/model.h"
#include "engine/model/test_training.h"
#include "engine/model/tree_trainer.h"

namespace predictor::engine {
namespace {

using test::MemoryCheckpoints;

struct Setting : test::SmallTraining {
  Setting() : SmallTraining(6) {}
  // The network's bytes; stops after `epochs` of them if that is not 0.
  std::vector<std::byte> train(Checkpoints* checkpoints, int epochs = 0) {
    options.checkpoints = checkpoints;
    TreeTrainer trainer(data, known, options);
    try {
      trainer.train(training, validation, [epochs](const EpochReport& report) {
        return epochs == 0 || report.epoch < epochs;
      });
    } catch (const TrainingCancelled&) {
      return {};
    }
    return write_network(std::vector{trainer.weights()});
  }
};

TEST(Checkpoint, a_training_goes_on_to_the_very_same_network) {
  Setting setting;
  const std::vector<std::byte> whole = setting.train(nullptr);
  MemoryCheckpoints checkpoints;
  EXPECT_TRUE(setting.train(&checkpoints, 2).empty());
  EXPECT_EQ(checkpoints.saves, 2);
  EXPECT_TRUE(setting.train(&checkpoints, 5).empty());
  EXPECT_EQ(checkpoints.saves, 5) << "it went on from the second epoch";
  EXPECT_EQ(setting.train(&checkpoints), whole);
  EXPECT_EQ(setting.train(&checkpoints), whole) << "also when there is nothing left to do";
  EXPECT_EQ(checkpoints.saves, 6);
}

TEST(Checkpoint, another_trainings_checkpoint_is_not_used) {
  Setting setting;
  MemoryCheckpoints checkpoints;
  setting.train(&checkpoints);
  setting.options.seed = 2;
  const std::vector<std::byte> fresh = setting.train(nullptr);
  EXPECT_EQ(setting.train(&checkpoints), fresh);
  EXPECT_EQ(checkpoints.saves, 12) << "all epochs were run";
}

TEST(Checkpoint, a_damaged_checkpoint_is_not_used) {
  Setting setting;
  MemoryCheckpoints checkpoints;
  const std::vector<std::byte> whole = setting.train(&checkpoints);
  std::vector<std::byte> good = checkpoints.content["main"];
  for (size_t size : {size_t{0}, size_t{1}, good.size() / 2, good.size() - 1}) {
    checkpoints.content["main"].assign(good.begin(), good.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(setting.train(&checkpoints), whole) << size;
  }
}

TEST(DeviceMemory, batches_are_halved_and_then_the_cpu_is_taken) {
  TrainerOptions options;
  options.device = "cuda:0";
  options.batch_plans = 64;
  std::string note;
  std::vector<std::string> attempts;
  const auto fits_from = [&](int batch) {
    return [&, batch] {
      attempts.push_back(options.device + " " + std::to_string(options.batch_plans));
      if (options.device != "cpu" && options.batch_plans > batch) throw DeviceMemoryError("full");
    };
  };
  attempt_with_less_memory(options, note, fits_from(16));
  EXPECT_EQ(attempts, (std::vector<std::string>{"cuda:0 64", "cuda:0 32", "cuda:0 16"}));
  EXPECT_EQ(note, "cuda:0 ran out of memory; batches of 16 plans were used");
  attempts.clear();
  attempt_with_less_memory(options, note, fits_from(0));
  EXPECT_EQ(attempts, (std::vector<std::string>{"cuda:0 16", "cuda:0 8", "cpu 8"}));
  EXPECT_EQ(note, "cuda:0 ran out of memory; the CPU was used");
  EXPECT_THROW(attempt_with_less_memory(options, note, [] { throw DeviceMemoryError("full"); }),
               DeviceMemoryError);
}

TEST(Checkpoint, stopping_is_noticed_while_plans_are_prepared) {
  const auto records = test::Workload(3).run(8, 8);
  const std::atomic<bool> stop = true;
  TrainingOptions options;
  options.stop = &stop;
  std::string last;
  EXPECT_THROW(make_template("tree")->train(records, options,
                                            [&last](const TrainingProgress& progress) {
                                              last = progress.phase;
                                              return true;
                                            }),
               TrainingCancelled);
  EXPECT_EQ(last, "preparing");
}

}  // namespace
}  // namespace predictor::engine
