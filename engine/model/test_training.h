// test_training.h - a small training of the tree network and a place for its checkpoints, for the
// unit tests of training.
#ifndef PREDICTOR_ENGINE_MODEL_TEST_TRAINING_H
#define PREDICTOR_ENGINE_MODEL_TEST_TRAINING_H

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/model/dataset.h"
#include "engine/model/model.h"
#include "engine/model/test_workload.h"
#include "engine/model/tree_trainer.h"

namespace predictor::engine::test {

// Every fifth plan is withheld.
struct SmallTraining {
  std::vector<OwnedRecord> records = Workload(3).run(8, 8);
  Dataset data = encode_dataset(records);
  std::vector<int> training, validation;
  KnownContent known;
  TrainerOptions options;

  explicit SmallTraining(int epochs) {
    for (int p = 0; p < data.plans(); p++) (p % 5 == 0 ? validation : training).push_back(p);
    known = collect_known(data, training);
    options.epochs = epochs;
    options.stage = "main";
  }
};

class MemoryCheckpoints : public Checkpoints {
 public:
  std::function<void(const std::string& stage)> before_save = [](const std::string&) {};
  std::map<std::string, std::vector<std::byte>> content;  // by stage
  int saves = 0;

  std::optional<std::vector<std::byte>> load(const std::string& stage) override {
    const std::lock_guard lock(mutex_);
    const auto found = content.find(stage);
    if (found == content.end()) return std::nullopt;
    return found->second;
  }
  void save(const std::string& stage, std::span<const std::byte> bytes) override {
    before_save(stage);
    const std::lock_guard lock(mutex_);
    content[stage].assign(bytes.begin(), bytes.end());
    saves++;
  }

 private:
  std::mutex mutex_;
};

}  // namespace predictor::engine::test

#endif
