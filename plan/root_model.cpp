#include "plan/root_model.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "plan/features.h"
#include "plan/predict.h"

namespace predictor {
namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

float bounded(double x) { return static_cast<float>(std::clamp(x, 0.0, 1e30)); }

double bounded_exp(double x) { return std::exp(std::clamp(x, -60.0, 60.0)); }

bool is_sane(const Reach& reach) {
  return reach.low >= 0 && reach.high >= 0 && std::isfinite(reach.low) && std::isfinite(reach.high);
}

void predict_node(const PredictorNode& n, const NodePlace& place, double log_ms, const Reach& reach,
                  NodePrediction& out) {
  const double share = n.total_cost > 0 && n.startup_cost >= 0
                           ? std::clamp(n.startup_cost / n.total_cost, 0.0, 1.0)
                           : 1.0;
  out.total_ms = bounded(bounded_exp(log_ms));
  out.low_ms = bounded(bounded_exp(log_ms - reach.low));
  out.high_ms = bounded(bounded_exp(log_ms + reach.high));
  out.startup_ms = bounded(out.total_ms * share);
  out.rows = bounded(n.plan_rows > 0 ? n.plan_rows : 0);
  // Under a Gather every process runs the node, and EXPLAIN counts them all.
  out.loops = bounded(place.loops * (place.workers_above > 0 ? place.workers_above + 1 : 1));
  out.memory_kb = kUnknown;
}

}  // namespace

std::vector<std::byte> write_root_model(const RootContent& content) {
  SectionWriter out;
  out.put(content.kind);
  out.put(uint32_t{0});
  out.put(content.cost.intercept);
  out.put(content.cost.slope);
  for (const Reach& reach : {content.cost_reach, content.model_reach}) {
    out.put(reach.low);
    out.put(reach.high);
  }
  return out.take();
}

bool RootModel::open(const BundleView& view) {
  is_open_ = false;
  SectionReader in(view.section(Section::kRootModel, kRootModelVersion));
  const auto kind = in.get<uint32_t>();
  in.get<uint32_t>();
  content_.kind = static_cast<RootKind>(kind);
  content_.cost.intercept = in.get<double>();
  content_.cost.slope = in.get<double>();
  for (Reach* reach : {&content_.cost_reach, &content_.model_reach}) {
    reach->low = in.get<double>();
    reach->high = in.get<double>();
    if (!is_sane(*reach)) return false;
  }
  if (!in.finished() || kind >= kRootKindCount) return false;
  if (!std::isfinite(content_.cost.intercept) || !std::isfinite(content_.cost.slope)) return false;
  is_open_ = true;
  return true;
}

size_t RootModel::workspace_size(int node_count) const {
  return (static_cast<size_t>(node_count) * sizeof(NodePlace) + 15) & ~size_t{15};
}

bool RootModel::answer(const PredictorRecord& record, void* workspace, double&) const {
  find_places(record, static_cast<NodePlace*>(workspace));
  return false;
}

void RootModel::predict(const PredictorRecord& record, void* workspace, NodePrediction* out,
                        PlanPrediction& plan) const {
  const double log_cost = content_.cost.log_ms(record.nodes[0].total_cost);
  double log_ms = log_cost;
  const bool is_ours = answer(record, workspace, log_ms) && std::isfinite(log_ms);
  if (!is_ours) log_ms = log_cost;
  const Reach& reach = is_ours ? content_.model_reach : content_.cost_reach;
  const auto* places = static_cast<const NodePlace*>(workspace);
  for (int i = 0; i < record.node_count; i++) {
    const double own = content_.cost.log_ms(record.nodes[i].total_cost);
    predict_node(record.nodes[i], places[i], own + log_ms - log_cost, reach, out[i]);
  }
  plan.total_ms = out[0].total_ms;
  plan.low_ms = out[0].low_ms;
  plan.high_ms = out[0].high_ms;
  plan.rows = out[0].rows;
  plan.source = is_ours ? Source::kNetwork : Source::kBaseline;
  plan.out_of_distribution = false;
}

}  // namespace predictor
