#include "engine/model/tree_inputs.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace predictor::engine {
namespace {

using torch::Tensor;

Tensor to_tensor(const std::vector<float>& values, std::vector<int64_t> shape) {
  return torch::from_blob(const_cast<float*>(values.data()), shape, torch::kFloat32).clone();
}

}  // namespace

Scaling fit_scaling(const Dataset& data, std::span<const int> plans) {
  constexpr double kLeastScale = 0.1;
  constexpr double kMargin = 0.5;  // of a standard deviation
  std::vector<double> sum(kNumericCount), squares(kNumericCount);
  std::vector<double> low(kNumericCount, 1e30), high(kNumericCount, -1e30);
  double count = 0;
  for (int p : plans)
    for (int node = data.first[p]; node < data.first[p + 1]; node++, count++)
      for (int k = 0; k < kNumericCount; k++) {
        double x = data.numeric[static_cast<size_t>(node) * kNumericCount + k];
        sum[k] += x, squares[k] += x * x;
        low[k] = std::min(low[k], x), high[k] = std::max(high[k], x);
      }
  Scaling scaling;
  for (int k = 0; k < kNumericCount; k++) {
    double mean = sum[k] / count;
    double deviation = std::sqrt(std::max(0.0, squares[k] / count - mean * mean));
    scaling.mean.push_back(mean);
    scaling.scale.push_back(std::max(deviation, kLeastScale));
    scaling.low.push_back(static_cast<float>(low[k] - kMargin * deviation));
    scaling.high.push_back(static_cast<float>(high[k] + kMargin * deviation));
  }
  return scaling;
}

LabelTensors make_labels(const Dataset& data, double node_weight) {
  // Against the time's weight of 1. Rows weigh more than startup and memory, since loops, and with
  // them times, follow from them.
  constexpr float kLabelWeight[kLabelCount] = {0, 0.1f, 0.4f, 0.1f};
  const auto nodes = static_cast<size_t>(data.nodes());
  std::vector<float> value(nodes * kLabelCount, 0), weight(nodes * kLabelCount, 0);
  std::vector<float> censored(nodes, 0), level(nodes * 2, 0);
  for (int p = 0; p < data.plans(); p++) {
    // What one operator adds falls with the number of operators, so that no plan outweighs others.
    float share = 1 / std::sqrt(static_cast<float>(data.first[p + 1] - data.first[p]));
    for (int node = data.first[p]; node < data.first[p + 1]; node++) {
      for (int k = 0; k < kLabelCount; k++) {
        float label = data.labels[static_cast<size_t>(node) * kLabelCount + k];
        if (std::isnan(label)) continue;
        size_t at = static_cast<size_t>(node) * kLabelCount + k;
        value[at] = label;
        float own = k == kTimeLabel ? static_cast<float>(node_weight) : kLabelWeight[k];
        weight[at] = share * own * (k == kRowsLabel ? 1 : data.weight[node]);
      }
      level[node * 2] = data.level[p] >= PREDICTOR_INSTRUMENT_ROWS;
      level[node * 2 + 1] = data.level[p] >= PREDICTOR_INSTRUMENT_TIMERS;
    }
    // The root answers for the statement, whose time contains more than the root node's.
    size_t root = static_cast<size_t>(data.first[p]);
    value[root * kLabelCount + kTimeLabel] = data.log_ms[p];
    weight[root * kLabelCount + kTimeLabel] = 1;
    censored[root] = data.censored[p];
  }
  const auto n = static_cast<int64_t>(nodes);
  return {to_tensor(value, {n, kLabelCount}), to_tensor(weight, {n, kLabelCount}),
          to_tensor(censored, {n}), to_tensor(level, {n, 2})};
}

NodeTensors make_inputs(const Dataset& data, const Scaling& scaling, const KnownContent& known) {
  const auto nodes = static_cast<size_t>(data.nodes());
  const size_t all = nodes + static_cast<size_t>(data.other.nodes());
  std::vector<float> numeric, log_work(data.log_work), recalled(all);
  numeric.reserve(all * kNumericCount);
  numeric.insert(numeric.end(), data.numeric.begin(), data.numeric.end());
  numeric.insert(numeric.end(), data.other.numeric.begin(), data.other.numeric.end());
  log_work.insert(log_work.end(), data.other.log_work.begin(), data.other.log_work.end());
  for (size_t row = 0; row < all; row++) {
    recalled[row] = numeric[row * kNumericCount + kRecalledRows];
    log_work[row] += static_cast<float>(data.log_unit);
  }
  for (size_t i = 0; i < numeric.size(); i++) {
    size_t k = i % kNumericCount;
    float x = std::clamp(numeric[i], scaling.low[k], scaling.high[k]);
    numeric[i] = static_cast<float>((x - scaling.mean[k]) / scaling.scale[k]);
  }
  std::vector<int64_t> category(data.category.begin(), data.category.end());
  std::vector<int64_t> identity(nodes * kIdentityCount);
  for (int t = 0; t < kIdentityCount; t++) {
    std::unordered_map<uint64_t, int64_t> rows{{0, kNoIdentity}};
    for (size_t i = 0; i < known.identities[t].size(); i++)
      rows.emplace(known.identities[t][i], static_cast<int64_t>(i) + kFirstIdentity);
    for (size_t node = 0; node < nodes; node++) {
      auto found = rows.find(data.identity[node * kIdentityCount + t]);
      identity[node * kIdentityCount + t] = found == rows.end() ? kUnknownIdentity : found->second;
    }
  }
  const auto n = static_cast<int64_t>(nodes);
  const auto m = static_cast<int64_t>(all);
  return {to_tensor(numeric, {m, kNumericCount}),
          to_index(category, torch::kCPU).view({n, kCategoryCount}),
          to_index(identity, torch::kCPU).view({n, kIdentityCount}), to_tensor(log_work, {m}),
          to_tensor(recalled, {m, 1})};
}

}  // namespace predictor::engine
