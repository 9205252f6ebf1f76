#include "engine/model/memory_builder.h"

#include <algorithm>
#include <cmath>

namespace predictor::engine {
namespace {

// Is the query of this plan taken for one that was executed before? Which plans are does not follow
// their order.
bool is_repeated(int plan) {
  constexpr uint64_t kEvery = 4;
  return (static_cast<uint64_t>(plan) * 0x9e3779b97f4a7c15u >> 32) % kEvery == 0;
}

}  // namespace

MemoryBuilder::MemoryBuilder(const Dataset& data, std::span<const int> plans) {
  for (int p : plans) {
    const bool is_first = first_.emplace(data.group[p], p).second;
    for (int node = data.first[p]; node < data.first[p + 1]; node++) {
      if (std::isnan(data.log_measured[node])) continue;
      const SubPlan& s = data.sub_plans[node];
      const double planned = std::log(s.planned + kRowsFloor);
      for (int level = 0; level < kMemoryLevels; level++) {
        Query& part = parts_[{s.key[level], data.group[p]}];
        for (Sum* sum : {&part.all, &part.first}) {
          if (sum == &part.first && !is_first) continue;
          sum->log_rows += data.log_measured[node];
          sum->residual += data.log_measured[node] - planned;
          sum->count++;
          sum->level = static_cast<uint8_t>(level);
        }
      }
    }
  }
  for (auto& [at, part] : parts_) {
    for (Sum* sum : {&part.all, &part.first})
      if (sum->count > 0) sum->log_rows /= sum->count, sum->residual /= sum->count;
    Sum& sum = sums_[at.key];
    sum.log_rows += part.all.log_rows, sum.residual += part.all.residual;
    sum.count++;
    sum.level = part.all.level;
  }
}

bool MemoryBuilder::has_other_first(uint64_t group, int plan) const {
  auto found = first_.find(group);
  return found != first_.end() && found->second != plan;
}

Remembered MemoryBuilder::recall(uint64_t key, uint64_t group, bool with_first) const {
  auto found = sums_.find(key);
  if (found == sums_.end()) return {};
  Sum sum = found->second;
  if (auto own = parts_.find({key, group}); own != parts_.end()) {
    const auto& [all, first] = own->second;
    sum.log_rows -= all.log_rows, sum.residual -= all.residual;
    sum.count--;
    if (with_first && first.count > 0) {
      sum.log_rows += first.log_rows, sum.residual += first.residual;
      sum.count++;
    }
  }
  if (sum.count <= 0) return {};
  return {key, static_cast<float>(sum.log_rows / sum.count),
          static_cast<float>(sum.residual / sum.count), static_cast<float>(sum.count), 0};
}

std::vector<Remembered> MemoryBuilder::entries() const {
  std::vector<std::pair<double, Remembered>> order;
  for (const auto& [key, sum] : sums_) {
    const double count = sum.count;
    Remembered entry{key, static_cast<float>(sum.log_rows / count),
                     static_cast<float>(sum.residual / count), static_cast<float>(count), 0};
    // Where the planner was right there is little to remember.
    double gain = std::abs(sum.residual / count) + 0.1;
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
                    Dataset& data) {
  std::vector<NodePlace> places;
  std::vector<NodeFeatures> features;
  std::vector<Remembered> found;
  std::vector<const Remembered*> recalled;
  std::vector<NodeRecall> recall;
  for (int p = 0; p < data.plans(); p++) {
    const PredictorRecord record = records[data.records[p]].view();
    const auto nodes = static_cast<size_t>(record.node_count);
    const auto first = static_cast<size_t>(data.first[p]);
    places.resize(nodes), features.resize(nodes), recall.resize(nodes);
    found.resize(nodes * kMemoryLevels), recalled.resize(nodes * kMemoryLevels);
    encode_features(record, places.data(), features.data());
    const bool with_first = is_repeated(p) && memory.has_other_first(data.group[p], p);
    for (size_t i = 0; i < nodes * kMemoryLevels; i++) {
      const SubPlan& s = data.sub_plans[first + i / kMemoryLevels];
      found[i] = memory.recall(s.key[i % kMemoryLevels], data.group[p], with_first);
      recalled[i] = &found[i];
    }
    recall_rows(record, &data.sub_plans[first], recalled.data(), recall.data());
    add_recall(record, recall.data(), places.data(), features.data());
    for (size_t i = 0; i < nodes; i++) {
      std::copy_n(features[i].numeric, kNumericCount, &data.numeric[(first + i) * kNumericCount]);
      data.log_work[first + i] = log_work(places[i]);
    }
  }
}

}  // namespace predictor::engine
