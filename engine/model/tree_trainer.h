// tree_trainer.h - trains the tree network with LibTorch; the only door to it.
//
// The network is the one of plan/network.h. What instrumentation adds to a node's time is two more
// answers, used only here: predictions are always made for executions that were not instrumented.
#ifndef PREDICTOR_ENGINE_MODEL_TREE_TRAINER_H
#define PREDICTOR_ENGINE_MODEL_TREE_TRAINER_H

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/model/dataset.h"
#include "engine/model/model.h"
#include "plan/network.h"

namespace predictor::engine {

struct TrainerOptions {
  uint64_t seed = 1;
  int threads = 1;
  std::string device = "cpu";
  int hidden = 64;
  int head_hidden = 32;
  int identity_width = 16;  // of the embeddings before they are folded into the input layer
  int batch_plans = 64;
  int epochs = 100;
  int patience = 30;       // epochs without a better validation
  double max_seconds = 0;  // 0: no limit
  double learning_rate = 3e-3;
  double weight_decay = 1e-2;
  double identity_dropout = 0.15;
  double message_dropout = 0.1;
  double node_weight = 0.2;  // of a node's time against the statement's
  // As in TrainingOptions; `stage` names this network among those of one training. A training that
  // finds a checkpoint of its stage goes on from there, and ends as if it had never stopped.
  const std::atomic<bool>* stop = nullptr;
  Checkpoints* checkpoints = nullptr;
  std::string stage;
};

struct EpochReport {
  int epoch = 0;
  double loss = 0;
  double validation = 0;  // mean absolute error of ln ms
};

struct TrainerResult {
  int epochs = 0;      // run
  int best_epoch = 0;  // whose weights are kept
  double validation = 0;
};

class TreeTrainer {
 public:
  // `data` must outlive the trainer. `known` decides which identities get a row.
  TreeTrainer(const Dataset& data, const KnownContent& known, const TrainerOptions& options);
  ~TreeTrainer();

  // `keep_on` is called at every epoch's end and at least once a second; false stops with
  // TrainingCancelled. With no validation plans the last epoch is kept. A device without enough
  // memory throws DeviceMemoryError (device_memory.h).
  TrainerResult train(std::span<const int> training, std::span<const int> validation,
                      const std::function<bool(const EpochReport&)>& keep_on);

  // Torch's own answers for all nodes of the plans, in plan order: [nodes, kOutputCount], and the
  // composed times.
  struct Answers {
    std::vector<float> outputs;
    std::vector<float> log_total;
  };
  Answers answers(std::span<const int> plans) const;

  // What each plan's instrumentation adds to ln ms, as learned.
  std::vector<float> instrumentation_shift(std::span<const int> plans) const;

  NetworkWeights weights() const;

 private:
  struct State;
  struct Loop;
  TrainerResult train_once(std::span<const int> training, std::span<const int> validation,
                           const std::function<bool(const EpochReport&)>& keep_on);
  std::unique_ptr<State> state_;
};

}  // namespace predictor::engine

#endif
