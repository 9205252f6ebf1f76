// device.cpp - which device trainings run on, and whether it computes what it should.
#include <torch/torch.h>

#include <cmath>

#include "engine/model/model.h"

namespace predictor::engine {
namespace {

using torch::Tensor;

constexpr double kMostDifference = 1e-3;  // relative; as a bundle's canary allows

// "auto", "cpu" or "cuda:N" as a device that is there.
std::string resolve(const std::string& wanted) {
  if (wanted == "cpu") return wanted;
  if (wanted == "auto") return torch::cuda::is_available() ? "cuda:0" : "cpu";
  if (!torch::cuda::is_available()) {
    throw TrainingError("device " + wanted +
                        " was asked for, but this LibTorch finds no CUDA device; see docs/gpu.md");
  }
  const size_t number = std::stoul(wanted.substr(wanted.find(':') + 1));
  if (number >= static_cast<size_t>(torch::cuda::device_count())) {
    throw TrainingError("device " + wanted + " was asked for, but there are only " +
                        std::to_string(torch::cuda::device_count()) + " CUDA devices");
  }
  return wanted;
}

// Numbers between -1 and 1 that are the same everywhere.
Tensor known_numbers(std::initializer_list<int64_t> sizes, double step) {
  int64_t count = 1;
  for (int64_t size : sizes) count *= size;
  const Tensor flat = torch::arange(count, torch::kFloat64) * step;
  return torch::sin(flat).view(torch::IntArrayRef(sizes.begin(), sizes.size()));
}

// A small network of the kernels that trainings use: rows of an embedding and features through a
// layer, children added to their parents, a second layer, a loss; its output and all gradients.
std::vector<Tensor> run_known_model(torch::Device device, torch::ScalarType type) {
  constexpr int64_t kNodes = 60, kParents = 20, kInputs = 24, kHidden = 32, kRows = 10;
  const auto place = [&](const Tensor& tensor) { return tensor.to(device, type); };
  const auto weight = [&](std::initializer_list<int64_t> sizes, double step) {
    return place(known_numbers(sizes, step) * 0.3).detach().requires_grad_(true);
  };
  Tensor embedding = weight({kRows, kHidden}, 0.7), first = weight({kInputs, kHidden}, 1.3);
  Tensor second = weight({kHidden, 1}, 2.1);
  const Tensor features = place(known_numbers({kNodes, kInputs}, 0.9));
  const Tensor identity = torch::arange(kNodes, torch::kInt64).remainder(kRows).to(device);
  const Tensor parent = torch::arange(kNodes, torch::kInt64).remainder(kParents).to(device);
  Tensor hidden = torch::relu(features.matmul(first) + embedding.index_select(0, identity));
  Tensor parents =
      torch::zeros({kParents, kHidden}, features.options()).index_add(0, parent, hidden);
  Tensor answer = torch::softplus(torch::tanh(parents).matmul(second));
  Tensor loss = (answer.log() - place(known_numbers({kParents, 1}, 0.4))).abs().sum();
  loss.backward();
  return {answer.detach(), embedding.grad(), first.grad(), second.grad()};
}

double worst_difference(const std::string& device) {
  const std::vector<Tensor> exact = run_known_model(torch::kCPU, torch::kFloat64);
  const std::vector<Tensor> found = run_known_model(torch::Device(device), torch::kFloat32);
  double worst = 0;
  for (size_t i = 0; i < exact.size(); i++) {
    const Tensor difference = (found[i].to(torch::kCPU, torch::kFloat64) - exact[i]).abs();
    const double relative = (difference.max() / exact[i].abs().max()).item<double>();
    if (!(relative <= worst)) worst = relative;  // NaN counts as worse than anything
  }
  return worst;
}

}  // namespace

DeviceCheck check_device(const std::string& wanted) {
  DeviceCheck check;
  check.device = wanted;
  try {
    check.device = resolve(wanted);
    check.worst_difference = worst_difference(check.device);
    if (!(check.worst_difference <= kMostDifference)) {
      check.problem = "device " + check.device + " does not compute what it should: it is off by " +
                      std::to_string(check.worst_difference);
    }
  } catch (const std::exception& problem) {
    const std::string text = problem.what();
    check.problem = text.substr(0, text.find('\n'));  // Torch appends a backtrace
  }
  return check;
}

}  // namespace predictor::engine
