#include "plan/predict.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "plan/codec.h"
#include "plan/features.h"

namespace predictor {
namespace {

constexpr int kCanaryNodes = 256;
constexpr double kCanaryTolerance = 1e-3;
constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

// A section of another version would be taken for one that is missing.
constexpr std::pair<Section, uint32_t> kSectionVersions[] = {
    {Section::kInfo, kInfoVersion},
    {Section::kTreeNetwork, kNetworkVersion},
    {Section::kCalibration, kCalibrationVersion},
    {Section::kKnown, kKnownVersion},
    {Section::kCanary, kCanaryVersion},
    {Section::kLstm, kLstmVersion},
    {Section::kMemory, kMemoryVersion},
    {Section::kTreeForest, kForestVersion},
    {Section::kPlanCache, kPlanCacheVersion},
    {Section::kOperatorCosts, kOperatorCostsVersion},
    {Section::kRootModel, kRootModelVersion},
    {Section::kForest, kForestVersion},
    {Section::kPlanMedians, kPlanMediansVersion}};

// Where the parts of a workspace lie, in bytes from its start.
struct Layout {
  size_t places, features, sub_plans, recalled, recall, flat, factors, rows, scratch, answers,
      log_total, loops_correction, flow, inputs, log_operators, size;
};

Layout lay_out(int node_count, size_t scratch_floats, size_t flat_floats) {
  const auto nodes = static_cast<size_t>(node_count);
  Layout layout{};
  size_t at = 0;
  auto claim = [&at](size_t& part, size_t bytes) {
    part = at;
    at += (bytes + 15) & ~size_t{15};
  };
  claim(layout.places, nodes * sizeof(NodePlace));
  claim(layout.features, nodes * sizeof(NodeFeatures));
  claim(layout.sub_plans, nodes * sizeof(SubPlan));
  claim(layout.recalled, nodes * kMemoryLevels * sizeof(const Remembered*));
  claim(layout.recall, nodes * sizeof(NodeRecall));
  claim(layout.flat, flat_floats * sizeof(float));
  claim(layout.factors, 2 * nodes * sizeof(float));
  claim(layout.rows, nodes * kIdentityCount * sizeof(uint32_t));
  claim(layout.scratch, scratch_floats * sizeof(float));
  claim(layout.answers, nodes * kLaneCount * sizeof(float));
  claim(layout.log_total, nodes * sizeof(float));
  claim(layout.loops_correction, nodes * sizeof(float));
  claim(layout.flow, nodes * sizeof(NodeFlow));
  claim(layout.inputs, nodes * kOperatorInputCount * sizeof(float));
  claim(layout.log_operators, nodes * sizeof(float));
  layout.size = at;
  return layout;
}

template <typename T>
T* part_of(void* workspace, size_t offset) {
  return reinterpret_cast<T*>(static_cast<std::byte*>(workspace) + offset);
}

float bounded(double x) {
  return std::isfinite(x) ? static_cast<float>(std::clamp(x, 0.0, 1e30)) : kUnknown;
}

double planned_rows(const PredictorNode& n) { return n.plan_rows > 0 ? n.plan_rows : 0; }

// A correction in log space that can neither overflow nor spread a NaN.
double bounded_exp(double x) { return std::isfinite(x) ? std::exp(std::clamp(x, -40.0, 40.0)) : 1; }

// What memory recalls was counted: it holds also where the network is not trusted.
double predict_rows(const PredictorNode& n, double weight, double recalled, const float* answers) {
  double rows = planned_rows(n);
  if (answers == nullptr) return rows;
  double correction = recalled + weight * (answers[kOutRows] - recalled);
  return std::max(0.0, (rows + kRowsFloor) * bounded_exp(correction) - kRowsFloor);
}

double predict_memory(const PredictorNode& n, const float* answers) {
  double planned = planned_memory_kb(planned_rows(n), n.plan_width);
  return std::max(0.0, (planned + 1) * bounded_exp(answers[kOutMemory]) - 1);
}

// Startup as a part of the total time: the network's answer, or the planner's.
double startup_share(const PredictorNode& n, double weight, const float* answers) {
  double planned = n.total_cost > 0 && n.startup_cost >= 0 ? n.startup_cost / n.total_cost : 1;
  double log_share = std::log(std::clamp(planned, 1e-4, 1.0));
  if (answers != nullptr && weight > 0 && std::isfinite(answers[kOutStartup]))
    log_share = (1 - weight) * log_share - weight * softplus(answers[kOutStartup]);
  return std::exp(log_share);
}

// Executions of a node in one process: the planner's, corrected by predicted rows.
double predict_loops(const Model::Evaluation& found, double weight, int i) {
  double loops = found.places[i].loops;
  if (found.answers != nullptr) loops *= bounded_exp(weight * found.loops_correction[i]);
  return std::clamp(loops, 1.0, 1e15);
}

// A node cannot take longer than its parent, whose time contains it.
void bound_by_parent(const PredictorRecord& record, int i, NodePrediction* out) {
  const PredictorNode& n = record.nodes[i];
  const NodePrediction& parent = out[n.relationship == PREDICTOR_REL_INITPLAN ? 0 : n.parent];
  float limit = parent.total_ms * parent.loops / out[i].loops;
  out[i].total_ms = std::min(out[i].total_ms, limit);
  out[i].startup_ms = std::min(out[i].startup_ms, out[i].total_ms);
  out[i].low_ms = std::min(out[i].low_ms, out[i].total_ms);
}

// What is expected of each node, with recalled rows.
void expect_flow(const PredictorRecord& record, const NodePlace* places, const float* rows_factor,
                 const float* loops_factor, NodeFlow* flow) {
  for (int i = 0; i < record.node_count; i++) {
    const NodeFlow planned = planned_flow(record.nodes[i], places[i]);
    flow[i] = {planned.loops * loops_factor[i], planned.rows * rows_factor[i]};
  }
}

// Part of the identities that nodes have which no training met. Constants do not count: new ones
// come with every execution.
double strangeness(const uint32_t* rows, int nodes) {
  int named = 0, unknown = 0;
  for (int i = 0; i < nodes; i++)
    for (int t = 0; t < kIdentityCount; t++) {
      const uint32_t row = rows[i * kIdentityCount + t];
      if (t == kConstantsIdentity || row == kNoIdentity) continue;
      named++;
      unknown += row == kUnknownIdentity;
    }
  return named > 0 ? static_cast<double>(unknown) / named : 0;
}

// Does it read relations, and none that training met?
bool is_foreign(const uint32_t* rows, int nodes) {
  int unknown = 0;
  for (int i = 0; i < nodes; i++) {
    const uint32_t row = rows[i * kIdentityCount + kRelationIdentity];
    if (row != kNoIdentity && row != kUnknownIdentity) return false;
    unknown += row == kUnknownIdentity;
  }
  return unknown > 0;
}

bool close(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) == std::isnan(b);
  return std::abs(a - b) <= kCanaryTolerance * std::max(std::abs(a), std::abs(b)) + 1e-6;
}

// The numbers of an answer that a canary compares.
constexpr int kCanaryNumbers = 4;
void canary_numbers(const NodePrediction& p, float* numbers) {
  numbers[0] = p.total_ms;
  numbers[1] = p.low_ms;
  numbers[2] = p.high_ms;
  numbers[3] = p.rows;
}

// Does memory know how many rows the plan makes, or those that it aggregates? Aggregates in
// parallel count otherwise than one alone, over the same rows.
bool knows_rows(const PredictorRecord& record, const NodePlace* places, const SubPlan* sub_plans,
                const Remembered* const* recalled) {
  int node = 0;
  while (true) {
    node = maker_of_rows(sub_plans, node);
    if (recalled[node * kMemoryLevels + kExactLevel]->count > 0) return true;
    const PredictorNode& n = record.nodes[node];
    // A HAVING would be another question.
    if (n.op != PREDICTOR_OP_AGGREGATE || n.selection != 0 || places[node].outer < 0) return false;
    node = places[node].outer;
  }
}

bool has_sub_queries(const PredictorRecord& record) {
  return std::any_of(record.nodes, record.nodes + record.node_count, is_sub_query);
}

}  // namespace

const char* source_text(Source source) {
  switch (source) {
    case Source::kBaseline:
      return "baseline";
    case Source::kNetwork:
      return "network";
    case Source::kCache:
      return "cache";
  }
  return "unknown";
}

std::vector<std::byte> write_info(const BundleInfo& info) {
  SectionWriter out;
  out.put(info.feature_version);
  out.put(info.template_name);
  out.put(info.plans);
  out.put(info.skipped);
  out.put(info.epochs);
  out.put(info.seed);
  return out.take();
}

BundleStatus Model::read_sections(std::span<const std::byte> bytes, Sha256Function sha256) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % 8 != 0) return BundleStatus::kNotABundle;
  BundleStatus status = view_.open(bytes, sha256);
  if (status != BundleStatus::kOk) return status;
  for (const auto& [type, version] : kSectionVersions) {
    const uint32_t found = view_.version_of(type);
    if (found != 0 && found != version) return BundleStatus::kWrongVersion;
  }
  SectionReader info(view_.section(Section::kInfo, kInfoVersion));
  info_.feature_version = info.get<uint32_t>();
  for (char& c : info_.template_name) c = info.get<char>();
  info_.template_name[sizeof info_.template_name - 1] = '\0';
  info_.plans = info.get<uint64_t>();
  info_.skipped = info.get<uint64_t>();
  info_.epochs = info.get<uint64_t>();
  info_.seed = info.get<uint64_t>();
  if (!info.finished()) return BundleStatus::kBadSection;
  if (info_.feature_version != kFeatureVersion) return BundleStatus::kWrongFeatures;
  if (!view_.section(Section::kRootModel, kRootModelVersion).empty())
    return root_.open(view_) ? BundleStatus::kOk : BundleStatus::kBadSection;
  if (!read_calibration(view_.section(Section::kCalibration, kCalibrationVersion), calibration_) ||
      !known_.open(view_.section(Section::kKnown, kKnownVersion)))
    return BundleStatus::kBadSection;
  // Each of the others may be missing: a model that has met no rows has no memory.
  const auto read = [this](Section type, uint32_t version, auto& part) {
    const auto content = view_.section(type, version);
    return content.empty() || part.open(content);
  };
  if (!read(Section::kMemory, kMemoryVersion, memory_) ||
      !read(Section::kPlanCache, kPlanCacheVersion, plan_cache_) ||
      !read(Section::kTreeForest, kForestVersion, forest_) ||
      !read(Section::kOperatorCosts, kOperatorCostsVersion, operator_costs_) ||
      !read(Section::kTreeNetwork, kNetworkVersion, network_))
    return BundleStatus::kBadSection;
  if (!network_.is_open()) return BundleStatus::kOk;  // the calibrated cost alone
  for (int t = 0; t < kIdentityCount; t++)
    if (known_.row_count(t) > network_.identity_rows(t)) return BundleStatus::kBadSection;
  return BundleStatus::kOk;
}

BundleStatus Model::open(std::span<const std::byte> bytes, Sha256Function sha256) {
  *this = Model();
  BundleStatus status = read_sections(bytes, sha256);
  if (status == BundleStatus::kOk && !passes_canary()) status = BundleStatus::kCanary;
  if (status != BundleStatus::kOk) *this = Model();
  return status;
}

BundleStatus open_without_canary(Model& model, std::span<const std::byte> bytes) {
  model = Model();
  return model.read_sections(bytes, nullptr);
}

size_t Model::workspace_size(int node_count) const {
  if (root_.is_open()) return root_.workspace_size(node_count);
  return lay_out(node_count, network_.scratch_floats(node_count), flat_floats()).size;
}

Model::Evaluation Model::evaluate(const PredictorRecord& record, void* workspace) const {
  const int nodes = record.node_count;
  const Layout layout = lay_out(nodes, network_.scratch_floats(nodes), flat_floats());
  auto* places = part_of<NodePlace>(workspace, layout.places);
  Evaluation found{};
  found.places = places;
  found.log_forest = kUnknown;
  found.cached = plan_cache_.find(0);
  found.familiarity = known_.familiarity(record.statement.signature, query_key(record));
  found.log_cost = calibration_.cost.log_ms(record.nodes[0].total_cost);
  if (!network_.is_open()) {
    find_places(record, places);
    return found;
  }
  auto* features = part_of<NodeFeatures>(workspace, layout.features);
  auto* rows = part_of<uint32_t>(workspace, layout.rows);
  auto* answers = part_of<float>(workspace, layout.answers);
  auto* log_total = part_of<float>(workspace, layout.log_total);
  auto* loops_correction = part_of<float>(workspace, layout.loops_correction);
  encode_features(record, places, features);
  bool same_key = calibration_.key_id != 0 && record.statement.key_id == calibration_.key_id;
  auto* sub_plans = part_of<SubPlan>(workspace, layout.sub_plans);
  auto* recalled = part_of<const Remembered*>(workspace, layout.recalled);
  auto* recall = part_of<NodeRecall>(workspace, layout.recall);
  find_sub_plans(record, places, sub_plans);
  for (int i = 0; i < nodes; i++)
    for (int level = 0; level < kMemoryLevels; level++)
      recalled[i * kMemoryLevels + level] =
          memory_.find(same_key || level >= kShapeLevel ? sub_plans[i].key[level] : 0);
  recall_rows(record, places, sub_plans, recalled, recall);
  add_recall(record, recall, places, features);
  found.cached = plan_cache_.find(same_key ? exact_plan_key(record.statement) : 0);
  const bool is_cached = found.cached->count > 0;
  if (!is_cached) found.cached = plan_cache_.find(plan_key(record.statement));
  if (found.familiarity < kUnseen) {
    if (is_cached)
      found.familiarity = kSamePlan;
    else if (knows_rows(record, places, sub_plans, recalled) && !has_sub_queries(record))
      found.familiarity = kRepeated;
  }
  auto* factors = part_of<float>(workspace, layout.factors);
  recall_factors(places, features, nodes, factors, factors + nodes);
  if (operator_costs_.is_open()) {
    auto* flow = part_of<NodeFlow>(workspace, layout.flow);
    auto* inputs = part_of<float>(workspace, layout.inputs);
    auto* log_operators = part_of<float>(workspace, layout.log_operators);
    expect_flow(record, places, factors, factors + nodes, flow);
    operator_inputs(record, places, flow, inputs);
    operator_costs_.compose(record, inputs, log_operators);
    found.log_operators = log_operators;
  }
  if (forest_.is_open()) {
    auto* flat = part_of<float>(workspace, layout.flat);
    encode_flat({record, places, factors, factors + nodes}, forest_.vocabulary(), flat);
    found.log_forest = found.log_cost + forest_.evaluate(flat);
  }
  for (int i = 0; i < nodes; i++) {
    if (!same_key) features[i].identity[kConstantsIdentity] = 0;
    for (int t = 0; t < kIdentityCount; t++)
      rows[i * kIdentityCount + t] = known_.row(t, features[i].identity[t]);
  }
  found.strangeness = strangeness(rows, nodes);
  if (found.familiarity == kUnseen && !known_.is_full(kRelationIdentity) && is_foreign(rows, nodes))
    found.familiarity = kForeign;
  network_.run(record.nodes, features, rows, nodes, part_of<float>(workspace, layout.scratch),
               answers);
  compose_times(places, record.nodes, answers, nodes, calibration_.log_unit, loops_correction,
                log_total);
  found.answers = answers;
  found.features = features;
  found.log_total = log_total;
  found.loops_correction = loops_correction;
  return found;
}

double Model::predict_nodes(const PredictorRecord& record, const Evaluation& found,
                            NodePrediction* out) const {
  double cache_weight = 0;
  const Blend& blend = calibration_.blend[found.familiarity];
  double whole_shift = 0;  // what forest and cache add to the plan, and so to each node
  for (int i = 0; i < record.node_count; i++) {
    const PredictorNode& n = record.nodes[i];
    const float* answers =
        found.answers != nullptr ? found.answers + static_cast<size_t>(i) * kLaneCount : nullptr;
    double loops = predict_loops(found, blend.weight, i);
    NetworkTime network{};
    if (answers != nullptr) network = found.time_of(i, loops);
    const double log_cost = calibration_.cost.log_ms(n.total_cost);
    const NetworkTime* known = answers != nullptr ? &network : nullptr;
    LogTime time = blend_log_time(blend, log_cost, known);
    if (i == 0 && known != nullptr) {
      cache_weight = time.cache_weight;
      network.log_forest = network.log_cached = kUnknown;
      whole_shift = time.median - blend_log_time(blend, log_cost, known).median;
    } else if (i > 0) {
      time = {time.median + whole_shift, time.low + whole_shift, time.high + whole_shift};
    }
    out[i].loops = bounded(loops);
    out[i].total_ms = bounded(std::exp(time.median));
    out[i].low_ms = bounded(std::exp(time.low));
    out[i].high_ms = bounded(std::exp(time.high));
    out[i].startup_ms = bounded(out[i].total_ms * startup_share(n, blend.weight, answers));
    out[i].rows = bounded(predict_rows(n, blend.weight, found.recalled_rows(i), answers));
    bool has_memory =
        answers != nullptr && n.op < 64 && (calibration_.memory_operators >> n.op & 1) != 0;
    out[i].memory_kb = has_memory ? bounded(predict_memory(n, answers)) : kUnknown;
  }
  for (int i = 1; i < record.node_count; i++) bound_by_parent(record, i, out);
  // Under a Gather every process runs the node, and EXPLAIN counts them all.
  for (int i = 1; i < record.node_count; i++)
    if (found.places[i].workers_above > 0)
      out[i].loops *= static_cast<float>(found.places[i].workers_above + 1);
  return cache_weight;
}

void Model::predict(const PredictorRecord& record, void* workspace, NodePrediction* out,
                    PlanPrediction& plan) const {
  plan = {};
  plan.memory_kb = std::numeric_limits<double>::quiet_NaN();
  if (record.node_count <= 0) return;
  if (root_.is_open()) return root_.predict(record, workspace, out, plan);
  Evaluation found = evaluate(record, workspace);
  const double cache_weight = predict_nodes(record, found, out);
  plan.total_ms = out[0].total_ms;
  plan.low_ms = out[0].low_ms;
  plan.high_ms = out[0].high_ms;
  plan.rows = out[0].rows;
  for (int i = 0; i < record.node_count; i++)
    if (!(plan.memory_kb >= out[i].memory_kb) && !std::isnan(out[i].memory_kb))
      plan.memory_kb = out[i].memory_kb;
  const Blend& blend = calibration_.blend[found.familiarity];
  const bool learned = found.answers != nullptr && (blend.weight > 0 || blend.forest > 0);
  plan.source = cache_weight >= 0.5 ? Source::kCache
                : learned           ? Source::kNetwork
                                    : Source::kBaseline;
  plan.out_of_distribution = found.familiarity >= kUnseen;
  plan.strangeness = found.answers != nullptr ? found.strangeness : plan.out_of_distribution;
}

std::vector<std::byte> write_canary(const Model& model, const PredictorRecord& record) {
  std::vector<std::byte> encoded(encoded_size(record.node_count));
  if (record.node_count > kCanaryNodes) return {};
  encoded.resize(encode_record(record, encoded));
  if (encoded.empty()) return {};
  std::vector<std::byte> workspace(model.workspace_size(record.node_count) + 16);
  void* aligned = workspace.data();
  size_t space = workspace.size();
  std::align(16, workspace.size() - 16, aligned, space);
  std::vector<NodePrediction> answers(static_cast<size_t>(record.node_count));
  PlanPrediction plan;
  model.predict(record, aligned, answers.data(), plan);
  std::vector<float> numbers(answers.size() * kCanaryNumbers);
  for (size_t i = 0; i < answers.size(); i++)
    canary_numbers(answers[i], numbers.data() + i * kCanaryNumbers);
  SectionWriter out;
  out.put(static_cast<uint64_t>(encoded.size()));
  out.put_array(std::span<const std::byte>(encoded));
  out.put_array(std::span<const float>(numbers));
  return out.take();
}

bool Model::passes_canary() const {
  SectionReader in(view_.section(Section::kCanary, kCanaryVersion));
  auto length = in.get<uint64_t>();
  const auto* encoded = in.get_array<std::byte>(length);
  if (!in.ok()) return false;
  std::span<const std::byte> bytes(encoded, length);
  int nodes = peek_node_count(bytes);
  if (nodes <= 0 || nodes > kCanaryNodes) return false;
  const auto* expected = in.get_array<float>(uint64_t{kCanaryNumbers} * nodes);
  if (!in.finished()) return false;
  // operator new aligns to 16, which is what predict() asks of its workspace.
  std::unique_ptr<PredictorNode[]> plan(new (std::nothrow) PredictorNode[nodes]);
  std::unique_ptr<NodePrediction[]> answers(new (std::nothrow) NodePrediction[nodes]);
  std::unique_ptr<std::byte[]> workspace(new (std::nothrow) std::byte[workspace_size(nodes)]);
  if (!plan || !answers || !workspace) return false;
  PredictorRecord record{};
  size_t consumed = 0;
  if (decode_record(bytes, record.statement, plan.get(), nodes, record.node_count, consumed) !=
      DecodeStatus::kOk)
    return false;
  record.nodes = plan.get();
  PlanPrediction whole;
  predict(record, workspace.get(), answers.get(), whole);
  for (int i = 0; i < nodes; i++) {
    float numbers[kCanaryNumbers];
    canary_numbers(answers[i], numbers);
    for (int k = 0; k < kCanaryNumbers; k++)
      if (!close(numbers[k], expected[i * kCanaryNumbers + k])) return false;
  }
  return true;
}

}  // namespace predictor
