#include "engine/model/dataset.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_map>

#include "plan/network.h"
#include "plan/siphash.h"

namespace predictor::engine {
namespace {

constexpr float kNoLabel = std::numeric_limits<float>::quiet_NaN();
constexpr float kLeastWeight = 0.1f;

// A constant seen in fewer plans than this says nothing about the next one.
constexpr int kLeastUses[kIdentityCount] = {1, 1, 2, 3};

bool is_usable(const OwnedRecord& r) {
  if (r.nodes.empty() || r.nodes.size() > PREDICTOR_MAX_NODES) return false;
  if (r.statement.flags & PREDICTOR_STATEMENT_PARTIAL) return false;
  if (!(r.statement.total_time > 0) || !std::isfinite(r.statement.total_time)) return false;
  if (!(r.nodes[0].total_cost >= 0) || !std::isfinite(r.nodes[0].total_cost)) return false;
  for (size_t i = 0; i < r.nodes.size(); i++) {
    const PredictorNode& n = r.nodes[i];
    if (n.op >= PREDICTOR_OPERATOR_COUNT) return false;
    if (i == 0 ? n.parent != -1 : n.parent < 0 || n.parent >= static_cast<int>(i)) return false;
  }
  return true;
}

uint64_t hash_pair(uint64_t a, uint64_t b) {
  uint64_t words[] = {a, b};
  return siphash24_words(kPublicKey, words);
}

uint64_t most_frequent_key(std::span<const OwnedRecord> records) {
  std::map<uint64_t, size_t> uses;
  for (const OwnedRecord& r : records)
    if (r.statement.key_id != 0) uses[r.statement.key_id]++;
  uint64_t best = 0;
  size_t most = 0;
  for (auto [key, count] : uses)
    if (count > most) best = key, most = count;
  return best;
}

void append_plan(const OwnedRecord& r, size_t position, Dataset& data) {
  PredictorRecord record = r.view();
  const auto count = r.nodes.size();
  std::vector<NodePlace> places(count);
  std::vector<NodeFeatures> features(count);
  encode_features(record, places.data(), features.data());
  const size_t first = data.sub_plans.size();
  data.sub_plans.resize(first + count);
  find_sub_plans(record, places.data(), &data.sub_plans[first]);
  // What a cancelled statement counted until then is no measurement.
  const bool cancelled = (r.statement.flags & PREDICTOR_STATEMENT_TIMED_OUT) != 0;
  bool same_key = r.statement.key_id != 0 && r.statement.key_id == data.key_id;
  for (size_t i = 0; i < count; i++) {
    NodeFeatures& f = features[i];
    if (!same_key) f.identity[kConstantsIdentity] = 0;
    data.numeric.insert(data.numeric.end(), f.numeric, f.numeric + kNumericCount);
    data.category.insert(data.category.end(), f.category, f.category + kCategoryCount);
    data.identity.insert(data.identity.end(), f.identity, f.identity + kIdentityCount);
    data.parent.push_back(r.nodes[i].parent);
    data.role.push_back(static_cast<uint8_t>(child_role(r.nodes[i].relationship)));
    data.depth.push_back(places[i].depth);
    data.loops_base.push_back(places[i].loops_base);
    data.loops_rows.push_back(places[i].loops_rows);
    data.log_work.push_back(log_work(places[i]));
    double rows = measured_rows(r.nodes[i], places[i], data.sub_plans[first + i]);
    if (cancelled || !same_key) rows = std::nan("");
    data.log_measured.push_back(static_cast<float>(std::log(rows + kRowsFloor)));
    data.workers_above.push_back(places[i].workers_above);
  }
  data.records.push_back(position);
  data.first.push_back(data.first.back() + static_cast<int>(count));
  data.log_ms.push_back(static_cast<float>(std::log(std::max(r.statement.total_time, kLeastMs))));
  data.root_cost.push_back(r.nodes[0].total_cost);
  data.censored.push_back((r.statement.flags & PREDICTOR_STATEMENT_TIMED_OUT) != 0);
  data.level.push_back(std::min<uint8_t>(r.statement.instrumentation, PREDICTOR_INSTRUMENT_TIMERS));
  uint64_t query = query_key(record);
  data.signature.push_back(r.statement.signature);
  data.query.push_back(query);
  data.group.push_back(hash_pair(query, constants_key(record)));
}

double log_ratio(double a, double b, double floor) {
  return std::log((std::max(a, 0.0) + floor) / (std::max(b, 0.0) + floor));
}

bool is_measured(const PredictorNode& n, int flag) {
  constexpr int kNotWhole = PREDICTOR_NODE_NEVER_EXECUTED | PREDICTOR_NODE_PARTIAL;
  return (n.flags & flag) != 0 && (n.flags & kNotWhole) == 0 && n.actual_loops > 0;
}

void label_node(const OwnedRecord& r, size_t i, int workers_above, float* label, float& weight) {
  const PredictorNode& n = r.nodes[i];
  std::fill(label, label + kLabelCount, kNoLabel);
  weight = kLeastWeight;
  // What a cancelled statement counted until then is no label.
  if (r.statement.flags & PREDICTOR_STATEMENT_TIMED_OUT) return;
  double planned = n.plan_rows > 0 ? n.plan_rows : 0;
  if (is_measured(n, PREDICTOR_NODE_HAS_ROWS) && std::isfinite(n.actual_rows))
    label[kRowsLabel] = static_cast<float>(log_ratio(n.actual_rows, planned, kRowsFloor));
  if (is_measured(n, PREDICTOR_NODE_HAS_TIME) && std::isfinite(n.actual_total) &&
      std::isfinite(n.actual_startup)) {
    double total = std::max(n.actual_total, kLeastMs);
    // Under a Gather loops count the processes, which work side by side, the leader among them.
    double loops =
        workers_above > 0 ? std::max(1.0, n.actual_loops / (workers_above + 1)) : n.actual_loops;
    label[kTimeLabel] = static_cast<float>(std::log(total * loops));
    double share = std::log(std::max(n.actual_startup, kLeastMs) / total);
    label[kStartupLabel] = static_cast<float>(std::clamp<double>(share, kLeastLogShare, 0));
    double part = total * loops / r.statement.total_time;
    weight = static_cast<float>(std::clamp<double>(part, kLeastWeight, 1));
  }
  if (is_measured(n, PREDICTOR_NODE_HAS_MEMORY) && std::isfinite(n.actual_memory))
    label[kMemoryLabel] =
        static_cast<float>(log_ratio(n.actual_memory, planned_memory_kb(planned, n.plan_width), 1));
}

void label_dataset(std::span<const OwnedRecord> records, Dataset& data) {
  data.labels.resize(static_cast<size_t>(data.nodes()) * kLabelCount);
  data.weight.resize(static_cast<size_t>(data.nodes()));
  for (int p = 0; p < data.plans(); p++) {
    const OwnedRecord& r = records[data.records[p]];
    for (size_t i = 0; i < r.nodes.size(); i++) {
      size_t node = data.first[p] + i;
      float* label = &data.labels[node * kLabelCount];
      label_node(r, i, data.workers_above[node], label, data.weight[node]);
      if (!std::isnan(label[kMemoryLabel])) data.memory_operators |= uint64_t{1} << r.nodes[i].op;
    }
  }
}

// Median of ln(ms / cost) over all statements that ran to their end.
double fit_unit(const Dataset& data) {
  std::vector<double> ratios;
  for (int p = 0; p < data.plans(); p++)
    if (!data.censored[p]) ratios.push_back(data.log_ms[p] - CostModel{}.log_ms(data.root_cost[p]));
  if (ratios.empty()) return 0;
  auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  return *middle;
}

// Keys in descending order of use, those used less than `least` times left out.
std::vector<uint64_t> most_used(const std::unordered_map<uint64_t, int>& uses, int least,
                                size_t limit) {
  std::vector<std::pair<int, uint64_t>> order;
  for (auto [key, count] : uses)
    if (key != 0 && count >= least) order.emplace_back(-count, key);
  std::sort(order.begin(), order.end());
  if (order.size() > limit) order.resize(limit);
  std::vector<uint64_t> keys;
  for (auto& entry : order) keys.push_back(entry.second);
  return keys;
}

std::vector<int> shuffled_groups_order(const std::vector<uint64_t>& group_of_plan,
                                       std::span<const int> plans, uint64_t seed) {
  std::vector<int> order(plans.begin(), plans.end());
  // Sorting by a keyed hash is a shuffle of the groups that does not depend on their order.
  auto key = [&](int p) { return hash_pair(seed, group_of_plan[p]); };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return key(a) < key(b); });
  return order;
}

}  // namespace

Dataset encode_dataset(std::span<const OwnedRecord> records, const std::function<void()>& check) {
  constexpr size_t kCheckEvery = 256;
  Dataset data;
  data.first.push_back(0);
  data.key_id = most_frequent_key(records);
  for (size_t i = 0; i < records.size(); i++) {
    if (i % kCheckEvery == 0) check();
    if (is_usable(records[i]))
      append_plan(records[i], i, data);
    else
      data.skipped++;
  }
  std::vector<int> all(data.plans());
  for (int p = 0; p < data.plans(); p++) all[p] = p;
  check();
  data.cost = fit_cost(data, all);
  check();
  data.log_unit = fit_unit(data);
  check();
  label_dataset(records, data);
  return data;
}

CostModel fit_cost(const Dataset& data, std::span<const int> plans) {
  // Timers inflate times: plans without them decide alone where there are enough.
  constexpr size_t kEnough = 20;
  std::vector<double> x, y;
  for (bool with_timers : {false, true}) {
    if (x.size() >= kEnough) break;
    for (int p : plans) {
      if (data.censored[p] || (data.level[p] == PREDICTOR_INSTRUMENT_TIMERS) != with_timers)
        continue;
      x.push_back(CostModel{}.log_ms(data.root_cost[p]));
      y.push_back(data.log_ms[p]);
    }
  }
  CostModel model;
  if (x.empty()) return model;
  // Iteratively reweighted least squares for the sum of absolute residuals.
  std::vector<double> weight(x.size(), 1.0);
  for (int round = 0; round < 50; round++) {
    double sw = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (size_t i = 0; i < x.size(); i++) {
      sw += weight[i], sx += weight[i] * x[i], sy += weight[i] * y[i];
      sxx += weight[i] * x[i] * x[i], sxy += weight[i] * x[i] * y[i];
    }
    double spread = sxx - sx * sx / sw;
    model.slope = spread > 1e-3 * sw ? std::clamp((sxy - sx * sy / sw) / spread, 0.1, 3.0) : 1;
    model.intercept = (sy - model.slope * sx) / sw;
    for (size_t i = 0; i < x.size(); i++)
      weight[i] = 1 / std::max(0.01, std::abs(y[i] - model.intercept - model.slope * x[i]));
  }
  return model;
}

std::vector<int> all_plans(const Dataset& data) {
  std::vector<int> plans(static_cast<size_t>(data.plans()));
  std::iota(plans.begin(), plans.end(), 0);
  return plans;
}

Split split_by(const std::vector<uint64_t>& group_of_plan, std::span<const int> plans, double share,
               uint64_t seed) {
  Split split;
  std::vector<int> order = shuffled_groups_order(group_of_plan, plans, seed);
  const double wanted = share * static_cast<double>(plans.size());
  size_t begin = 0;
  while (begin < order.size()) {
    size_t end = begin;
    while (end < order.size() && group_of_plan[order[end]] == group_of_plan[order[begin]]) end++;
    // A group that alone is much more than the share stays: withholding it would leave nothing.
    bool fits = static_cast<double>(end - begin) <= std::max(2 * wanted, 1.0) || share > 0.5;
    bool open = static_cast<double>(split.held_out.size()) < wanted && fits;
    auto& side = open ? split.held_out : split.training;
    side.insert(side.end(), order.begin() + static_cast<std::ptrdiff_t>(begin),
                order.begin() + static_cast<std::ptrdiff_t>(end));
    begin = end;
  }
  return split;
}

std::vector<std::vector<int>> fold_by(const std::vector<uint64_t>& group_of_plan,
                                      std::span<const int> plans, int folds, uint64_t seed) {
  std::vector<std::vector<int>> parts(static_cast<size_t>(folds));
  std::vector<int> order = shuffled_groups_order(group_of_plan, plans, seed);
  size_t begin = 0;
  while (begin < order.size()) {
    size_t end = begin;
    while (end < order.size() && group_of_plan[order[end]] == group_of_plan[order[begin]]) end++;
    auto smallest = std::min_element(parts.begin(), parts.end(),
                                     [](auto& a, auto& b) { return a.size() < b.size(); });
    smallest->insert(smallest->end(), order.begin() + begin, order.begin() + end);
    begin = end;
  }
  return parts;
}

KnownContent collect_known(const Dataset& data, std::span<const int> plans) {
  std::unordered_map<uint64_t, int> uses[kIdentityCount], signatures, queries;
  for (int p : plans) {
    signatures[data.signature[p]]++;
    queries[data.query[p]]++;
    for (int node = data.first[p]; node < data.first[p + 1]; node++)
      for (int t = 0; t < kIdentityCount; t++)
        uses[t][data.identity[static_cast<size_t>(node) * kIdentityCount + t]]++;
  }
  KnownContent known;
  for (int t = 0; t < kIdentityCount; t++)
    known.identities[t] = most_used(uses[t], kLeastUses[t], kMostIdentities);
  known.signatures = most_used(signatures, 1, kMostSignatures);
  known.queries = most_used(queries, 1, kMostSignatures);
  return known;
}

}  // namespace predictor::engine
