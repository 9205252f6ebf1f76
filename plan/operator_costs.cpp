#include "plan/operator_costs.h"

#include <algorithm>
#include <cmath>

#include "plan/bundle.h"
#include "plan/network.h"

namespace predictor {
namespace {

constexpr size_t kPriceCount = size_t{kOperatorCostRows} * kOperatorInputCount;
constexpr float kMostInput = 1e30f;

float bounded(double x) { return x > 0 ? static_cast<float>(std::min<double>(x, kMostInput)) : 0; }

}  // namespace

int operator_cost_row(const PredictorNode& node) {
  if (node.op == PREDICTOR_OP_AGGREGATE && node.strategy <= PREDICTOR_STRATEGY_MIXED)
    return PREDICTOR_OPERATOR_COUNT + node.strategy;
  return node.op < PREDICTOR_OPERATOR_COUNT ? node.op : 0;
}

void operator_inputs(const PredictorRecord& record, const NodePlace* places, const NodeFlow* flow,
                     float* inputs) {
  for (int i = 0; i < record.node_count; i++) {
    const PredictorNode& n = record.nodes[i];
    float* x = inputs + i * kOperatorInputCount;
    const double rows = flow[i].rows * flow[i].loops;
    x[kInputCost] = bounded(std::max(0.0, n.total_cost - places[i].child_cost) * flow[i].loops);
    x[kInputRowsIn] = 0;
    x[kInputRowsOut] = bounded(rows);
    x[kInputLoops] = bounded(flow[i].loops);
    x[kInputBytesOut] = bounded(rows * std::max<double>(n.plan_width, 0));
    x[kInputSort] = 0;
    if (n.parent < 0 || n.relationship == PREDICTOR_REL_INITPLAN) continue;
    float& in = inputs[n.parent * kOperatorInputCount + kInputRowsIn];
    in = std::min(in + x[kInputRowsOut], kMostInput);
  }
  for (int i = 0; i < record.node_count; i++) {
    const int op = record.nodes[i].op;
    if (op != PREDICTOR_OP_SORT && op != PREDICTOR_OP_INCREMENTAL_SORT) continue;
    float* x = inputs + i * kOperatorInputCount;
    x[kInputSort] = std::min(x[kInputRowsIn] * std::log2(x[kInputRowsIn] + 2), kMostInput);
  }
}

std::vector<std::byte> write_operator_costs(std::span<const float> prices) {
  SectionWriter out;
  out.put_array(prices);
  return out.take();
}

bool OperatorCosts::open(std::span<const std::byte> content) {
  SectionReader in(content);
  const auto* prices = in.get_array<float>(kPriceCount);
  if (!in.finished()) return false;
  for (size_t i = 0; i < kPriceCount; i++)
    if (!(prices[i] >= 0 && std::isfinite(prices[i]))) return false;
  prices_ = prices;
  return true;
}

void OperatorCosts::compose(const PredictorRecord& record, const float* inputs,
                            float* log_total) const {
  for (int i = 0; i < record.node_count; i++) {
    const float* price = prices_ + operator_cost_row(record.nodes[i]) * kOperatorInputCount;
    const float* x = inputs + i * kOperatorInputCount;
    float ms = 0;
    for (int k = 0; k < kOperatorInputCount; k++) ms += price[k] * x[k];
    log_total[i] = std::clamp(ms, std::exp(kMinLogWork), std::exp(kMaxLogWork));
  }
  for (int i = record.node_count - 1; i > 0; i--) log_total[record.nodes[i].parent] += log_total[i];
  for (int i = 0; i < record.node_count; i++) log_total[i] = std::log(log_total[i]);
}

}  // namespace predictor
