#include "plan/root_model.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "plan/features.h"
#include "plan/known.h"
#include "plan/lstm_features.h"
#include "plan/predict.h"

namespace predictor {
namespace {

constexpr double kLeastMs = 0.001;
constexpr double kMostLog = 1000;  // of what a bundle may say: no sum of it is without a number
constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

float bounded(double x) { return static_cast<float>(std::clamp(x, 0.0, 1e30)); }

size_t aligned(size_t bytes) { return (bytes + 15) & ~size_t{15}; }

double bounded_exp(double x) { return std::exp(std::clamp(x, -60.0, 60.0)); }

bool is_bounded(double log) { return std::abs(log) <= kMostLog; }

bool is_sane(const Reach& reach) {
  return reach.low >= 0 && reach.low <= kMostLog && reach.high >= 0 && reach.high <= kMostLog;
}

bool is_ascending(const uint64_t* keys, uint32_t count) {
  for (uint32_t i = 1; i < count; i++)
    if (keys[i - 1] >= keys[i]) return false;
  return true;
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
  out.put(static_cast<uint32_t>(content.queries.size()));
  out.put(content.cost.intercept);
  out.put(content.cost.slope);
  for (const Reach& reach : {content.cost_reach, content.model_reach, content.unseen_reach}) {
    out.put(reach.low);
    out.put(reach.high);
  }
  out.put(content.unseen_weight);
  out.put_array(std::span<const uint64_t>(content.queries));
  return out.take();
}

std::vector<std::byte> write_plan_medians(const PlanMedians& medians) {
  SectionWriter out;
  out.put(static_cast<uint32_t>(medians.signatures.size()));
  out.put_array(std::span<const uint64_t>(medians.signatures));
  out.put_array(std::span<const float>(medians.log_ms));
  return out.take();
}

double lstm_log_ms(float answer) {
  return std::log(std::max(std::expm1(static_cast<double>(answer)), kLeastMs));
}

bool RootModel::open(const BundleView& view) {
  is_open_ = false;
  SectionReader in(view.section(Section::kRootModel, kRootModelVersion));
  content_.kind = static_cast<RootKind>(in.get<uint32_t>());
  query_count_ = in.get<uint32_t>();
  content_.cost.intercept = in.get<double>();
  content_.cost.slope = in.get<double>();
  for (Reach* reach : {&content_.cost_reach, &content_.model_reach, &content_.unseen_reach}) {
    reach->low = in.get<double>();
    reach->high = in.get<double>();
    if (!is_sane(*reach)) return false;
  }
  content_.unseen_weight = in.get<double>();
  queries_ = in.get_array<uint64_t>(query_count_);
  if (!in.finished() || !is_ascending(queries_, query_count_)) return false;
  if (!(content_.unseen_weight >= 0 && content_.unseen_weight <= 1)) return false;
  if (!is_bounded(content_.cost.intercept) || !is_bounded(content_.cost.slope)) return false;
  switch (content_.kind) {
    case RootKind::kCost:
      is_open_ = true;
      break;
    case RootKind::kCache:
      is_open_ = open_medians(view.section(Section::kPlanMedians, kPlanMediansVersion));
      break;
    case RootKind::kForest:
      is_open_ = forest_.open(view.section(Section::kForest, kForestVersion));
      break;
    case RootKind::kLstm:
      is_open_ = lstm_.open(view.section(Section::kLstm, kLstmVersion)) &&
                 lstm_.inputs() == kLstmNodeInputs && lstm_.labels() == 1;
      break;
    case RootKind::kCount:
      break;
  }
  return is_open_;
}

bool RootModel::open_medians(std::span<const std::byte> section) {
  SectionReader in(section);
  median_count_ = in.get<uint32_t>();
  signatures_ = in.get_array<uint64_t>(median_count_);
  medians_ = in.get_array<float>(median_count_);
  if (!in.finished()) return false;
  for (uint32_t i = 0; i < median_count_; i++)
    if (!is_bounded(medians_[i])) return false;
  return is_ascending(signatures_, median_count_);
}

size_t RootModel::workspace_size(int node_count) const {
  const auto nodes = static_cast<size_t>(node_count);
  size_t scratch = 0;
  // The flat row has room for the feature that leaves ask for.
  if (content_.kind == RootKind::kForest)
    scratch = (static_cast<size_t>(forest_.feature_count()) + 1) * sizeof(float);
  if (content_.kind == RootKind::kLstm)
    scratch = aligned(nodes * sizeof(NodeFeatures)) +
              (lstm_.scratch_floats() + nodes * kLstmNodeInputs) * sizeof(float);
  return aligned(nodes * sizeof(NodePlace)) + aligned(scratch);
}

double RootModel::remembered(uint64_t signature) const {
  const uint64_t* end = signatures_ + median_count_;
  const uint64_t* found = std::lower_bound(signatures_, end, signature);
  return found != end && *found == signature ? medians_[found - signatures_] : kUnknown;
}

bool RootModel::is_known(const PredictorRecord& record) const {
  return query_count_ == 0 ||
         std::binary_search(queries_, queries_ + query_count_, query_key(record));
}

double RootModel::run_lstm(const PredictorRecord& record, NodePlace* places,
                           std::byte* scratch) const {
  const auto nodes = static_cast<size_t>(record.node_count);
  auto* features = reinterpret_cast<NodeFeatures*>(scratch);
  auto* floats = reinterpret_cast<float*>(scratch + aligned(nodes * sizeof(NodeFeatures)));
  float* rows = floats + lstm_.scratch_floats();
  encode_features(record, places, features);
  for (size_t i = 0; i < nodes; i++)
    encode_lstm_node(record.nodes[i], features[i], rows + i * kLstmNodeInputs);
  float answer = 0;
  lstm_.run(rows, std::min(record.node_count, kMaxLstmSequence), floats, &answer);
  return lstm_log_ms(answer);
}

double RootModel::answer(const PredictorRecord& record, double log_cost, NodePlace* places,
                         std::byte* scratch) const {
  switch (content_.kind) {
    case RootKind::kCache:
      return remembered(record.statement.signature);
    case RootKind::kForest: {
      auto* row = reinterpret_cast<float*>(scratch);
      encode_flat({record, places}, forest_.vocabulary(), row);
      return log_cost + forest_.evaluate(row);
    }
    case RootKind::kLstm:
      return run_lstm(record, places, scratch);
    case RootKind::kCost:
    case RootKind::kCount:
      break;
  }
  return kUnknown;
}

void RootModel::predict(const PredictorRecord& record, void* workspace, NodePrediction* out,
                        PlanPrediction& plan) const {
  auto* places = static_cast<NodePlace*>(workspace);
  find_places(record, places);
  const double log_cost = content_.cost.log_ms(record.nodes[0].total_cost);
  auto* scratch = static_cast<std::byte*>(workspace) +
                  aligned(static_cast<size_t>(record.node_count) * sizeof(NodePlace));
  double log_ms = answer(record, log_cost, places, scratch);
  const bool is_ours = std::isfinite(log_ms), is_familiar = is_known(record);
  if (!is_ours) log_ms = log_cost;
  if (!is_familiar) log_ms = log_cost + content_.unseen_weight * (log_ms - log_cost);
  const Reach& reach = !is_ours      ? content_.cost_reach
                       : is_familiar ? content_.model_reach
                                     : content_.unseen_reach;
  for (int i = 0; i < record.node_count; i++) {
    const double own = content_.cost.log_ms(record.nodes[i].total_cost);
    predict_node(record.nodes[i], places[i], own + log_ms - log_cost, reach, out[i]);
  }
  plan.total_ms = out[0].total_ms;
  plan.low_ms = out[0].low_ms;
  plan.high_ms = out[0].high_ms;
  plan.rows = out[0].rows;
  plan.source = !is_ours                            ? Source::kBaseline
                : content_.kind == RootKind::kCache ? Source::kCache
                                                    : Source::kNetwork;
  plan.out_of_distribution = !is_familiar;
  plan.strangeness = plan.out_of_distribution;
}

}  // namespace predictor
