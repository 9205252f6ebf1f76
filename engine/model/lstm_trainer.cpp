#include "engine/model/lstm_trainer.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "engine/model/tree_network.h"
#include "plan/network.h"

namespace predictor::engine {
namespace {

using torch::Tensor;

constexpr int64_t kMostPaddedSteps = 32768;  // of one batch: bounds memory whatever a plan's size
constexpr int kSortedBatches = 16;           // batches among which samples are sorted by length
constexpr double kHuberWidth = 0.5;          // of ln(1 + label)
constexpr double kMostRatio = 100;           // that one sample may add to the choice of the epoch

struct Network : torch::nn::Module {
  Network(int64_t inputs, int64_t width, int64_t labels)
      : lstm(register_module("lstm",
                             torch::nn::LSTM(torch::nn::LSTMOptions(inputs, width).num_layers(2)))),
        dense1(register_module("dense1", torch::nn::Linear(width, width))),
        dense2(register_module("dense2", torch::nn::Linear(width, width))),
        output(register_module("output", torch::nn::Linear(width, labels))) {}

  // `x` is [steps, samples, inputs], `last` the last step of each sample: [samples, labels].
  Tensor forward(const Tensor& x, const Tensor& last) {
    const Tensor states = std::get<0>(lstm->forward(x));
    const Tensor sample = torch::arange(x.size(1), last.options());
    Tensor y = states.index({last, sample});
    y = torch::relu(dense1->forward(y));
    y = torch::relu(dense2->forward(y));
    return output->forward(y);
  }

  torch::nn::LSTM lstm;
  torch::nn::Linear dense1, dense2, output;
};

std::vector<float> transposed(const Tensor& matrix) {
  const Tensor flat = matrix.detach().to(torch::kCPU, torch::kFloat32).t().contiguous().view({-1});
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

std::vector<float> to_vector(const Tensor& tensor) {
  const Tensor flat = tensor.detach().to(torch::kCPU, torch::kFloat32).contiguous().view({-1});
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

Tensor from_transposed(const std::vector<float>& values, const Tensor& like) {
  return torch::from_blob(const_cast<float*>(values.data()), {like.size(1), like.size(0)}).t();
}

Tensor from_vector(const std::vector<float>& values) {
  return torch::from_blob(const_cast<float*>(values.data()), {static_cast<int64_t>(values.size())});
}

LstmWeights export_weights(Network& network, const LstmSamples& samples, int hidden) {
  LstmWeights weights;
  weights.inputs = static_cast<uint32_t>(samples.inputs);
  weights.hidden = static_cast<uint32_t>(hidden);
  weights.labels = static_cast<uint32_t>(samples.labels);
  const auto parameters = network.lstm->named_parameters();
  for (int i = 0; i < 2; i++) {
    const std::string layer = "_l" + std::to_string(i);
    weights.layers[i].input = transposed(parameters["weight_ih" + layer]);
    weights.layers[i].recurrent = transposed(parameters["weight_hh" + layer]);
    weights.layers[i].bias =
        to_vector(parameters["bias_ih" + layer] + parameters["bias_hh" + layer]);
  }
  weights.dense[0] = transposed(network.dense1->weight);
  weights.dense_bias[0] = to_vector(network.dense1->bias);
  weights.dense[1] = transposed(network.dense2->weight);
  weights.dense_bias[1] = to_vector(network.dense2->bias);
  const int64_t unused = kLaneCount - samples.labels;
  using torch::nn::functional::pad;
  using torch::nn::functional::PadFuncOptions;
  weights.output = transposed(pad(network.output->weight, PadFuncOptions({0, 0, 0, unused})));
  weights.output_bias = to_vector(pad(network.output->bias, PadFuncOptions({0, unused})));
  return weights;
}

void import_weights(Network& network, const LstmWeights& weights) {
  const torch::NoGradGuard guard;
  const auto parameters = network.lstm->named_parameters();
  const auto take = [](Tensor parameter, const std::vector<float>& values) {
    parameter.copy_(from_transposed(values, parameter));
  };
  for (int i = 0; i < 2; i++) {
    const std::string layer = "_l" + std::to_string(i);
    take(parameters["weight_ih" + layer], weights.layers[i].input);
    take(parameters["weight_hh" + layer], weights.layers[i].recurrent);
    Tensor bias = parameters["bias_ih" + layer];
    bias.copy_(from_vector(weights.layers[i].bias));
    parameters["bias_hh" + layer].zero_();
  }
  take(network.dense1->weight, weights.dense[0]);
  network.dense1->bias.copy_(from_vector(weights.dense_bias[0]));
  take(network.dense2->weight, weights.dense[1]);
  network.dense2->bias.copy_(from_vector(weights.dense_bias[1]));
  const int64_t labels = network.output->weight.size(0);
  const Tensor output = torch::from_blob(const_cast<float*>(weights.output.data()),
                                         {network.output->weight.size(1), kLaneCount});
  network.output->weight.copy_(output.narrow(1, 0, labels).t());
  network.output->bias.copy_(from_vector(weights.output_bias).narrow(0, 0, labels));
}

class Training {
 public:
  Training(const LstmSamples& samples, const LstmOptions& options);
  LstmResult run(const std::function<bool(const LstmReport&)>& keep_on);

 private:
  void withhold();
  void initialize();
  std::vector<std::vector<int64_t>> make_batches(std::vector<int64_t> nodes, bool is_shuffled);
  Tensor answers(std::span<const int64_t> batch);
  Tensor targets(std::span<const int64_t> batch);
  double train_epoch();
  double validate(std::vector<double>& ratio);
  void check_stop() const;
  int64_t length(int64_t node) const {
    return std::min<int64_t>(samples_.subtree_end[node] - node, kMaxLstmSequence);
  }

  const LstmSamples& samples_;
  const LstmOptions& options_;
  const torch::Device device_;
  std::mt19937_64 random_;
  std::vector<int64_t> training_, validation_;  // nodes
  Tensor features_;                             // [nodes + 1, inputs]; the last row is padding
  Tensor targets_;                              // [nodes, labels]
  Network network_;
  torch::optim::Adam optimizer_;
};

Training::Training(const LstmSamples& samples, const LstmOptions& options)
    : samples_(samples),
      options_(options),
      device_(options.device),
      random_(options.seed),
      network_(samples.inputs, lstm_width(static_cast<uint32_t>(options.hidden)), samples.labels),
      optimizer_(network_.parameters(), torch::optim::AdamOptions(options.learning_rate)) {
  torch::set_num_threads(options.threads);
  const auto nodes = static_cast<int64_t>(samples.nodes());
  withhold();
  const Tensor rows =
      torch::from_blob(const_cast<float*>(samples.features.data()), {nodes, samples.inputs});
  features_ = torch::cat({rows, torch::zeros({1, samples.inputs})}).to(device_);
  targets_ = torch::from_blob(const_cast<float*>(samples.targets.data()), {nodes, samples.labels})
                 .clone()
                 .to(device_);
  initialize();
  network_.to(device_);
}

// Whole queries: a sub-plan of a query in training would give the others away.
void Training::withhold() {
  const int queries = *std::max_element(samples_.query.begin(), samples_.query.end()) + 1;
  std::vector<int> order(queries);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random_);
  int withheld = static_cast<int>(std::lround(options_.withheld * queries));
  if (options_.withheld > 0) withheld = std::max(withheld, 1);
  if (queries < 2) withheld = 0;
  std::vector<bool> is_withheld(queries);
  for (int i = 0; i < withheld; i++) is_withheld[order[i]] = true;
  const auto nodes = static_cast<int64_t>(samples_.nodes());
  for (int64_t node = 0; node < nodes; node++) {
    // A node without labels is only a part of other nodes' sequences.
    const float* targets = &samples_.targets[node * samples_.labels];
    if (std::all_of(targets, targets + samples_.labels, [](float x) { return std::isnan(x); }))
      continue;
    (is_withheld[samples_.query[node]] ? validation_ : training_).push_back(node);
  }
  if (validation_.empty()) validation_ = training_;
}

void Training::initialize() {
  if (options_.start != nullptr) {
    import_weights(network_, *options_.start);
    return;
  }
  const torch::NoGradGuard guard;
  at::Generator generator = make_generator(torch::kCPU, options_.seed);
  const auto width = static_cast<double>(network_.dense1->weight.size(0));
  for (Tensor& parameter : network_.parameters()) {
    parameter.uniform_(-1 / std::sqrt(width), 1 / std::sqrt(width), generator);
  }
  // A forget gate that is open at first lets the end of a long plan know of its beginning.
  for (const char* name : {"bias_ih_l0", "bias_ih_l1"}) {
    network_.lstm->named_parameters()[name].chunk(4)[1].fill_(1);
  }
  for (int label = 0; label < samples_.labels; label++) {
    double sum = 0;
    double count = 0;
    for (const int64_t node : training_) {
      const float target = samples_.targets[node * samples_.labels + label];
      if (!std::isnan(target)) sum += target, count++;
    }
    network_.output->bias[label] = count > 0 ? sum / count : 0;
  }
}

// Samples of like length together, so that little is padded.
std::vector<std::vector<int64_t>> Training::make_batches(std::vector<int64_t> nodes,
                                                         bool is_shuffled) {
  if (is_shuffled) std::shuffle(nodes.begin(), nodes.end(), random_);
  const size_t most = static_cast<size_t>(std::min<int64_t>(options_.batch, kMostPaddedSteps));
  const size_t stretch = most * kSortedBatches;
  for (size_t from = 0; from < nodes.size(); from += stretch) {
    std::sort(nodes.begin() + from, nodes.begin() + std::min(nodes.size(), from + stretch),
              [this](int64_t a, int64_t b) { return length(a) < length(b); });
  }
  std::vector<std::vector<int64_t>> batches;
  for (const int64_t node : nodes) {
    if (batches.empty() || batches.back().size() >= most ||
        length(node) < length(batches.back().back()) ||
        length(node) * static_cast<int64_t>(batches.back().size() + 1) > kMostPaddedSteps) {
      batches.emplace_back();
    }
    batches.back().push_back(node);
  }
  if (is_shuffled) std::shuffle(batches.begin(), batches.end(), random_);
  return batches;
}

Tensor Training::answers(std::span<const int64_t> batch) {
  const auto count = static_cast<int64_t>(batch.size());
  int64_t steps = 0;
  for (const int64_t node : batch) steps = std::max(steps, length(node));
  const auto padding = static_cast<int64_t>(samples_.nodes());
  std::vector<int64_t> rows(steps * count, padding);
  std::vector<int64_t> last(count);
  for (int64_t i = 0; i < count; i++) {
    for (int64_t step = 0; step < length(batch[i]); step++)
      rows[step * count + i] = batch[i] + step;
    last[i] = length(batch[i]) - 1;
  }
  const Tensor x = features_.index_select(0, to_index(rows, device_));
  return network_.forward(x.view({steps, count, samples_.inputs}), to_index(last, device_));
}

Tensor Training::targets(std::span<const int64_t> batch) {
  return targets_.index_select(0, to_index(batch, device_));
}

void Training::check_stop() const {
  if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) {
    throw TrainingCancelled();
  }
}

double Training::train_epoch() {
  double sum = 0;
  double count = 0;
  for (const std::vector<int64_t>& batch : make_batches(training_, true)) {
    check_stop();
    const Tensor target = targets(batch);
    const Tensor present = target.isnan().logical_not();
    const double labels = present.sum().item<double>();
    if (labels == 0) continue;
    const Tensor error = torch::where(present, answers(batch) - target, torch::zeros_like(target));
    const Tensor size = error.abs();
    const Tensor loss =
        torch::where(size < kHuberWidth, size.square() / (2 * kHuberWidth), size - kHuberWidth / 2)
            .sum();
    optimizer_.zero_grad();
    (loss / labels).backward();
    torch::nn::utils::clip_grad_norm_(network_.parameters(), 1.0);
    optimizer_.step();
    sum += loss.item<double>();
    count += labels;
  }
  if (!std::isfinite(sum)) throw TrainingError("the loss is no finite number");
  return count > 0 ? sum / count : 0;
}

// The score by which epochs are compared.
double Training::validate(std::vector<double>& ratio) {
  const torch::NoGradGuard guard;
  const auto labels = static_cast<size_t>(samples_.labels);
  std::vector<double> sum(labels), capped(labels), count(labels);
  for (const std::vector<int64_t>& batch : make_batches(validation_, false)) {
    check_stop();
    const Tensor error = (answers(batch) - targets(batch)).abs().to(torch::kCPU).contiguous();
    const float* errors = error.data_ptr<float>();
    for (size_t i = 0; i < batch.size() * labels; i++) {
      if (std::isnan(errors[i])) continue;
      const double one = std::exp(errors[i]);
      sum[i % labels] += one;
      capped[i % labels] += std::min(one, kMostRatio);
      count[i % labels]++;
    }
  }
  double score = 0;
  ratio.assign(labels, std::numeric_limits<double>::quiet_NaN());
  for (size_t label = 0; label < labels; label++) {
    if (count[label] == 0) continue;
    ratio[label] = sum[label] / count[label];
    score += capped[label] / count[label];
  }
  return score;
}

LstmResult Training::run(const std::function<bool(const LstmReport&)>& keep_on) {
  LstmResult best;
  double best_score = validate(best.ratio);
  best.weights = export_weights(network_, samples_, options_.hidden);
  int64_t best_epoch = 0;
  auto& adam = static_cast<torch::optim::AdamOptions&>(optimizer_.param_groups()[0].options());
  for (int64_t epoch = 1; epoch <= options_.epochs; epoch++) {
    LstmReport report{epoch, train_epoch(), {}};
    const double score = validate(report.ratio);
    if (score < best_score) {
      best_score = score;
      best_epoch = epoch;
      best.ratio = report.ratio;
      best.weights = export_weights(network_, samples_, options_.hidden);
    }
    best.epochs = epoch;
    report.ratio = best.ratio;
    if (!keep_on(report)) throw TrainingCancelled();
    const int64_t waited = epoch - best_epoch;
    if (waited >= options_.patience) break;
    if (waited > 0 && waited % std::max<int64_t>(1, options_.patience / 3) == 0) {
      adam.lr(adam.lr() / 2);
    }
  }
  return best;
}

}  // namespace

LstmResult train_lstm(const LstmSamples& samples, const LstmOptions& options,
                      const std::function<bool(const LstmReport&)>& keep_on) {
  if (samples.nodes() == 0) throw TrainingError("there is nothing to train on");
  if (options.start != nullptr &&
      (options.start->inputs != static_cast<uint32_t>(samples.inputs) ||
       options.start->labels != static_cast<uint32_t>(samples.labels) ||
       options.start->hidden != static_cast<uint32_t>(options.hidden))) {
    throw TrainingError("the network to go on from has another shape");
  }
  try {
    return Training(samples, options).run(keep_on);
  } catch (const c10::Error& problem) {
    throw TrainingError(std::string("LibTorch: ") + problem.what_without_backtrace());
  }
}

}  // namespace predictor::engine
