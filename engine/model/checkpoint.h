// checkpoint.h - everything that a training loop changes, as bytes and back. Torch headers: for
// engine/model/ alone.
//
// A checkpoint belongs to one loop with one configuration: its fingerprint says which, and another
// one's is not restored. Shapes and types are compared before anything is touched, since Torch
// itself would silently replace a tensor by one of another shape.
#ifndef PREDICTOR_ENGINE_MODEL_CHECKPOINT_H
#define PREDICTOR_ENGINE_MODEL_CHECKPOINT_H

#include <torch/torch.h>

#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace predictor::engine {

struct LoopState {
  std::vector<torch::Tensor> tensors;  // changed in place by restoring
  torch::optim::Optimizer* optimizer = nullptr;
  at::Generator generator;
  std::mt19937_64* random = nullptr;
  std::vector<double*> numbers;
};

std::vector<std::byte> save_loop(const LoopState& state, const std::string& fingerprint);

// False, and nothing is changed, if the bytes are no checkpoint of this loop.
bool restore_loop(LoopState& state, const std::string& fingerprint,
                  std::span<const std::byte> bytes);

}  // namespace predictor::engine

#endif
