// tree_network.h - the Torch module behind TreeTrainer. Torch headers: include it nowhere else.
#ifndef PREDICTOR_ENGINE_MODEL_TREE_NETWORK_H
#define PREDICTOR_ENGINE_MODEL_TREE_NETWORK_H

#include <torch/torch.h>

#include <array>
#include <span>
#include <vector>

#include "engine/model/batch.h"
#include "engine/model/tree_trainer.h"

namespace predictor::engine {

// Answers beyond those of plan/network.h: what instrumentation adds to ln ms, before softplus.
enum TrainingOutput : int64_t {
  kOutRowsLevel = kOutputCount,  // counting rows
  kOutTimerLevel,                // timers on top of it
  kTrainingOutputCount
};

// Everything about the nodes that a forward pass reads, on the training device. What memory changes
// has a row for each node, and further ones for those of Dataset::other: [seen].
struct NodeTensors {
  torch::Tensor numeric;   // [seen, kNumericCount], clipped and standardised
  torch::Tensor category;  // [nodes, kCategoryCount] int64
  torch::Tensor identity;  // [nodes, kIdentityCount] int64 rows
  torch::Tensor log_work;  // [seen], ln ms at the usual price
  torch::Tensor recalled;  // [seen, 1], kRecalledRows as it is
};

// compose_times() for a batch: ln ms over all loops of every row. `log_work` is of its rows.
torch::Tensor compose_batch(const Batch& batch, const torch::Tensor& answers,
                            const torch::Tensor& log_work);

// A random generator of one training's own, seeded.
at::Generator make_generator(torch::Device device, uint64_t seed);

// A copy of the indices on `device`.
torch::Tensor to_index(std::span<const int64_t> values, torch::Device device);

class TreeNetworkModule : public torch::nn::Module {
 public:
  TreeNetworkModule(const TrainerOptions& options,
                    const std::array<int64_t, kIdentityCount>& identity_rows);

  // [rows of the batch, kTrainingOutputCount]. `identity` may differ from the tensors' own where
  // dropout made identities unknown.
  // With `message_dropout` > 0 some children tell their parent nothing.
  torch::Tensor forward(const Batch& batch, const torch::Tensor& numeric,
                        const torch::Tensor& category, const torch::Tensor& identity,
                        double message_dropout, at::Generator generator);

  // The weights in the runtime's form; the standardisation is folded into the input layer.
  NetworkWeights export_weights(const std::vector<double>& mean, const std::vector<double>& scale,
                                const std::vector<float>& clip_low,
                                const std::vector<float>& clip_high) const;

 private:
  torch::Tensor input(const torch::Tensor& numeric, const torch::Tensor& category,
                      const torch::Tensor& identity);

  int64_t hidden_, head_hidden_, identity_width_;
  torch::Tensor numeric_, input_bias_, category_;
  std::array<torch::Tensor, kIdentityCount> identity_, projection_;
  std::array<torch::Tensor, kRoleCount> message_;
  torch::Tensor cell_, cell_bias_, head_, head_bias_, output_, output_bias_;
};

}  // namespace predictor::engine

#endif
