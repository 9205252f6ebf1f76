#include "engine/model/tree_network.h"

#include <cmath>

namespace predictor::engine {
namespace {

using torch::Tensor;

// Normally distributed; with gain 1.4 and the square root of the inputs it is He's initialisation,
// for what a relu follows.
Tensor random_matrix(int64_t rows, int64_t columns, double gain, at::Generator& generator) {
  return torch::randn({rows, columns}, generator) * (gain / std::sqrt(static_cast<double>(rows)));
}

std::vector<float> to_vector(const Tensor& tensor) {
  Tensor flat = tensor.detach().to(torch::kCPU, torch::kFloat32).contiguous().view({-1});
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

}  // namespace

Tensor to_index(std::span<const int64_t> values, torch::Device device) {
  return torch::from_blob(const_cast<int64_t*>(values.data()),
                          {static_cast<int64_t>(values.size())}, torch::kInt64)
      .clone()
      .to(device);
}

at::Generator make_generator(torch::Device device, uint64_t seed) {
  at::Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(seed);
  return generator;
}

Tensor compose_batch(const Batch& batch, const Tensor& answers, const Tensor& log_work) {
  const torch::Device device = answers.device();
  Tensor log_ms = answers.select(1, kOutWork) + log_work;
  if (!batch.started.empty()) {
    Tensor rows = answers.select(1, kOutRows).clamp(-kMaxLogRows, kMaxLogRows);
    log_ms = log_ms.index_add(0, to_index(batch.started, device),
                              rows.index_select(0, to_index(batch.starter, device)));
  }
  Tensor own = log_ms.clamp(kMinLogWork, kMaxLogWork).exp();
  Tensor total = torch::zeros_like(own).index_add(
      0, to_index(batch.upper, device), own.index_select(0, to_index(batch.lower, device)));
  return total.log();
}

TreeNetworkModule::TreeNetworkModule(const TrainerOptions& options,
                                     const std::array<int64_t, kIdentityCount>& identity_rows)
    : hidden_(options.hidden),
      head_hidden_(options.head_hidden),
      identity_width_(options.identity_width) {
  at::Generator random = make_generator(torch::kCPU, options.seed);
  auto add = [this](const std::string& name, Tensor value) {
    return register_parameter(name, std::move(value));
  };
  numeric_ = add("numeric", random_matrix(kNumericCount, hidden_, 1.0, random));
  input_bias_ = add("input_bias", torch::zeros({hidden_}));
  category_ = add("category", 0.3 * torch::randn({kCategoryRows, hidden_}, random));
  for (int t = 0; t < kIdentityCount; t++) {
    std::string name = std::to_string(t);
    identity_[t] =
        add("identity" + name, 0.3 * torch::randn({identity_rows[t], identity_width_}, random));
    projection_[t] = add("projection" + name, random_matrix(identity_width_, hidden_, 0.5, random));
  }
  for (int role = 0; role < kRoleCount; role++)
    message_[role] =
        add("message" + std::to_string(role), random_matrix(hidden_, hidden_, 1.0, random));
  cell_ = add("cell", random_matrix(hidden_, hidden_, 1.4, random));
  cell_bias_ = add("cell_bias", torch::zeros({hidden_}));
  head_ = add("head", random_matrix(hidden_, head_hidden_, 1.4, random));
  head_bias_ = add("head_bias", torch::zeros({head_hidden_}));
  output_ = add("output", random_matrix(head_hidden_, kTrainingOutputCount, 0.1, random));
  Tensor bias = torch::zeros({kTrainingOutputCount});
  // Instrumentation adds little until the data says otherwise: softplus(-3) is about 5 %.
  bias[kOutRowsLevel] = bias[kOutTimerLevel] = -3.0;
  output_bias_ = add("output_bias", bias);
}

Tensor TreeNetworkModule::input(const Tensor& numeric, const Tensor& category,
                                const Tensor& identity) {
  Tensor z = torch::addmm(input_bias_, numeric, numeric_);
  auto [rows, ignored1, ignored2, ignored3] = torch::embedding_bag(
      category_, category.reshape({-1}),
      torch::arange(0, category.size(0) * kCategoryCount, kCategoryCount, category.options()),
      false, 0);
  z = z + rows;
  for (int t = 0; t < kIdentityCount; t++) {
    Tensor index = identity.select(1, t);
    Tensor present = (index != static_cast<int64_t>(kNoIdentity)).to(z.dtype()).unsqueeze(1);
    Tensor embedded = torch::embedding(identity_[t], index) * present;
    z = torch::addmm(z, embedded, projection_[t]);
  }
  return z;
}

Tensor TreeNetworkModule::forward(const Batch& batch, const Tensor& numeric, const Tensor& category,
                                  const Tensor& identity, double message_dropout,
                                  at::Generator generator) {
  Tensor z = input(numeric, category, identity);
  std::vector<Tensor> states(batch.levels.size());
  for (size_t d = batch.levels.size(); d-- > 0;) {
    const Batch::Level& level = batch.levels[d];
    Tensor u = z.narrow(0, level.begin, level.end - level.begin);
    if (d + 1 < batch.levels.size()) {
      const Batch::Level& below = batch.levels[d + 1];
      std::vector<Tensor> messages;
      int64_t begin = below.begin;
      for (int role = 0; role < kRoleCount; role++) {
        int64_t count = below.role_end[role] - begin;
        if (count > 0)
          messages.push_back(
              torch::mm(states[d + 1].narrow(0, begin - below.begin, count), message_[role]));
        begin = below.role_end[role];
      }
      Tensor sent = torch::cat(messages);
      if (message_dropout > 0)
        sent =
            sent * (torch::rand({sent.size(0), 1}, generator, sent.options()) >= message_dropout);
      std::span<const int64_t> parents(batch.parent.data() + below.begin, sent.size(0));
      u = u.index_add(0, to_index(parents, z.device()), sent);
    }
    Tensor v = torch::relu(u);
    Tensor y = v + torch::relu(torch::addmm(cell_bias_, v, cell_));
    states[d] = y * torch::rsqrt(y.square().mean(1, true) + 1e-6);
  }
  Tensor inner = torch::relu(torch::addmm(head_bias_, torch::cat(states), head_));
  return torch::addmm(output_bias_, inner, output_);
}

NetworkWeights TreeNetworkModule::export_weights(const std::vector<double>& mean,
                                                 const std::vector<double>& scale,
                                                 const std::vector<float>& clip_low,
                                                 const std::vector<float>& clip_high) const {
  NetworkWeights w;
  w.hidden = static_cast<uint32_t>(hidden_);
  w.head_hidden = static_cast<uint32_t>(head_hidden_);
  w.clip_low = clip_low;
  w.clip_high = clip_high;
  // (x - mean) / scale times W is x times W / scale, less mean / scale times W.
  Tensor wide = numeric_.detach().to(torch::kCPU, torch::kFloat64);
  Tensor inverse = torch::tensor(scale, torch::kFloat64).reciprocal().unsqueeze(1);
  Tensor folded = wide * inverse;
  Tensor shift = torch::matmul(torch::tensor(mean, torch::kFloat64), folded);
  w.numeric = to_vector(folded);
  w.input_bias = to_vector(input_bias_.detach().to(torch::kCPU, torch::kFloat64) - shift);
  w.category = to_vector(category_);
  for (int t = 0; t < kIdentityCount; t++) {
    Tensor table = torch::matmul(identity_[t].detach().to(torch::kFloat64),
                                 projection_[t].detach().to(torch::kFloat64));
    table[kNoIdentity].zero_();
    w.identity_rows[t] = static_cast<uint32_t>(table.size(0));
    w.identity[t] = to_vector(table);
  }
  for (int role = 0; role < kRoleCount; role++) w.message[role] = to_vector(message_[role]);
  w.cell = to_vector(cell_);
  w.cell_bias = to_vector(cell_bias_);
  w.head = to_vector(head_);
  w.head_bias = to_vector(head_bias_);
  auto pad = [](const Tensor& answers, int64_t dim) {
    Tensor kept = answers.detach().narrow(dim, 0, kOutputCount);
    return torch::constant_pad_nd(kept, {0, kLaneCount - kOutputCount});
  };
  w.output = to_vector(pad(output_, 1));
  w.output_bias = to_vector(pad(output_bias_, 0));
  return w;
}

}  // namespace predictor::engine
