#include "engine/model/memory_builder.h"

#include <algorithm>
#include <cmath>

namespace predictor::engine {
namespace {

// A number that does not follow the order of the plans.
uint64_t scattered(int plan) { return static_cast<uint64_t>(plan) * 0x9e3779b97f4a7c15u >> 20; }

// Is the query of this plan taken for one that was executed before?
bool is_repeat(int plan) {
  constexpr uint64_t kEvery = 4;
  return (scattered(plan) >> 12) % kEvery == 0;
}

// Calls add(sub-plan, ln rows, residual) for each node of the plan whose rows were measured.
template <class Add>
void each_measured(const Dataset& data, int plan, const Add& add) {
  for (int node = data.first[plan]; node < data.first[plan + 1]; node++) {
    const double log_rows = data.log_measured[node];
    const SubPlan& s = data.sub_plans[node];
    if (!std::isnan(log_rows)) add(s, log_rows, log_rows - std::log(s.planned + kRowsFloor));
  }
}

}  // namespace

void MemoryBuilder::Sum::take(double rows, double difference) {
  log_rows += rows, residual += difference;
  empty += rows <= std::log(kRowsFloor) + 1e-3;
  count++;
}

MemoryBuilder::Sum MemoryBuilder::Sum::mean() const {
  Sum mean = *this;
  mean.log_rows /= count, mean.residual /= count, mean.empty /= count;
  return mean;
}

void MemoryBuilder::Sum::add(const Sum& mean, int times) {
  log_rows += times * mean.log_rows, residual += times * mean.residual;
  squares += times * mean.residual * mean.residual;
  empty += times * mean.empty;
  count += times;
}

Remembered MemoryBuilder::Sum::remembered(uint64_t key) const {
  const double mean = residual / count;
  const double variance = std::max(0.0, squares / count - mean * mean);
  const auto bounded = [](double x) {
    return static_cast<uint16_t>(std::clamp<double>(std::round(x), 0, UINT16_MAX));
  };
  return {key,
          static_cast<float>(log_rows / count),
          static_cast<float>(mean),
          bounded(count),
          bounded(std::min(count, static_cast<int>(UINT16_MAX)) * (empty / count)),
          static_cast<float>(std::sqrt(variance))};
}

MemoryBuilder::MemoryBuilder(const Dataset& data, std::span<const int> plans) : data_(data) {
  for (int p : plans) {
    plans_[data.group[p]].push_back(p);
    each_measured(data, p, [&](const SubPlan& s, double log_rows, double residual) {
      for (int level = 0; level < kMemoryLevels; level++) {
        Sum& part = parts_[{s.key[level], data.group[p]}];
        part.take(log_rows, residual);
        part.level = static_cast<uint8_t>(level);
      }
    });
  }
  for (auto& [group, all] : plans_) std::sort(all.begin(), all.end());
  for (auto& [at, part] : parts_) {
    part = part.mean();
    Sum& sum = sums_[at.key];
    sum.add(part, 1);
    sum.level = part.level;
  }
}

int MemoryBuilder::other_of(uint64_t group, int plan) const {
  auto found = plans_.find(group);
  if (found == plans_.end()) return -1;
  const std::vector<int>& plans = found->second;
  const auto own = std::lower_bound(plans.begin(), plans.end(), plan);
  const bool is_in = own != plans.end() && *own == plan;
  const size_t others = plans.size() - is_in;
  if (others == 0) return -1;
  const size_t at = scattered(plan) % others;
  return plans[at + (is_in && at >= static_cast<size_t>(own - plans.begin()))];
}

MemoryBuilder::OnePlan MemoryBuilder::of_plan(int plan) const {
  OnePlan rows;
  if (plan < 0) return rows;
  each_measured(data_, plan, [&rows](const SubPlan& s, double log_rows, double residual) {
    for (uint64_t key : s.key) rows[key].take(log_rows, residual);
  });
  return rows;
}

Remembered MemoryBuilder::recall(uint64_t key, uint64_t group, const OnePlan* companion) const {
  auto found = sums_.find(key);
  if (found == sums_.end()) return {};
  Sum sum = found->second;
  if (auto own = parts_.find({key, group}); own != parts_.end()) {
    sum.add(own->second, -1);
    if (companion != nullptr)
      if (auto other = companion->find(key); other != companion->end())
        sum.add(other->second.mean(), 1);
  }
  if (sum.count <= 0) return {};
  return sum.remembered(key);
}

std::vector<Remembered> MemoryBuilder::entries() const {
  std::vector<std::pair<double, Remembered>> order;
  for (const auto& [key, sum] : sums_) {
    const double count = sum.count;
    const Remembered entry = sum.remembered(key);
    // Where the planner was right there is little to remember.
    double gain = std::abs(entry.residual) + 0.1;
    order.emplace_back(-gain * count * (1 + sum.level), entry);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second.key < b.second.key;
  });
  std::vector<Remembered> entries;
  for (const auto& [rank, entry] : order) entries.push_back(entry);
  return entries;
}

void recall_dataset(std::span<const OwnedRecord> records, const MemoryBuilder& memory,
                    std::span<const int> as_new, Dataset& data,
                    const std::function<void()>& check) {
  std::vector<NodePlace> places;
  std::vector<NodeFeatures> features;
  std::vector<Remembered> found;
  std::vector<const Remembered*> recalled;
  std::vector<NodeRecall> recall;
  auto remember = [&](int p, int companion, float* numeric, float* work) {
    const MemoryBuilder::OnePlan other = memory.of_plan(companion);
    const PredictorRecord record = records[data.records[p]].view();
    const auto nodes = static_cast<size_t>(record.node_count);
    const auto first = static_cast<size_t>(data.first[p]);
    places.resize(nodes), features.resize(nodes), recall.resize(nodes);
    found.resize(nodes * kMemoryLevels), recalled.resize(nodes * kMemoryLevels);
    encode_features(record, places.data(), features.data());
    for (size_t i = 0; i < nodes * kMemoryLevels; i++) {
      const SubPlan& s = data.sub_plans[first + i / kMemoryLevels];
      found[i] = memory.recall(s.key[i % kMemoryLevels], data.group[p], &other);
      recalled[i] = &found[i];
    }
    recall_rows(record, places.data(), &data.sub_plans[first], recalled.data(), recall.data());
    add_recall(record, recall.data(), places.data(), features.data());
    for (size_t i = 0; i < nodes; i++) {
      std::copy_n(features[i].numeric, kNumericCount, numeric + i * kNumericCount);
      work[i] = log_work(places[i]);
    }
  };
  const auto plans = static_cast<size_t>(data.plans());
  data.other = {};
  data.other.first.assign(plans, -1);
  data.other.is_repeat.assign(plans, 0);
  std::vector<uint8_t> is_new(plans, 0);
  for (int p : as_new) is_new[p] = 1;
  for (int p = 0; p < data.plans(); p++) {
    check();
    const int companion = memory.other_of(data.group[p], p);
    const bool repeat = is_repeat(p) && is_new[p] == 0 && companion >= 0;
    const auto first = static_cast<size_t>(data.first[p]);
    remember(p, repeat ? companion : -1, &data.numeric[first * kNumericCount],
             &data.log_work[first]);
    if (companion < 0) continue;
    const auto at = static_cast<size_t>(data.other.nodes());
    const size_t end = at + static_cast<size_t>(data.first[p + 1]) - first;
    data.other.first[p] = static_cast<int>(at);
    data.other.is_repeat[p] = !repeat;
    data.other.numeric.resize(end * kNumericCount);
    data.other.log_work.resize(end);
    remember(p, repeat ? -1 : companion, &data.other.numeric[at * kNumericCount],
             &data.other.log_work[at]);
  }
}

}  // namespace predictor::engine
