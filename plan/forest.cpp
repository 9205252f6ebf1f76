#include "plan/forest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "plan/bundle.h"

namespace predictor {
namespace {

constexpr uint32_t kMostTrees = 1u << 16;
constexpr uint32_t kMostNodes = 1u << 20;
constexpr size_t kSideBySide = 8;

uint32_t depth_of(const std::vector<ForestNode>& tree) {
  std::vector<uint32_t> depth(tree.size(), 0);
  uint32_t deepest = 0;
  for (size_t i = 0; i < tree.size(); i++) {
    deepest = std::max(deepest, depth[i]);
    if (tree[i].ahead == 0) continue;
    const size_t left = i + tree[i].ahead;
    depth[left] = depth[left + 1] = depth[i] + 1;
  }
  return deepest;
}

bool is_sound(std::span<const ForestNode> tree, uint32_t features) {
  for (size_t i = 0; i < tree.size(); i++) {
    const ForestNode& n = tree[i];
    if (!std::isfinite(n.threshold)) return false;
    const bool is_leaf = n.ahead == 0 && n.feature == features;
    const bool is_inner = n.feature < features && n.ahead > 0 && i + n.ahead + 1 < tree.size();
    if (!is_leaf && !is_inner) return false;
  }
  return !tree.empty();
}

// Written out for each tree, because all walkers must stay in registers.
template <size_t... k>
inline void step(const ForestNode** at, const float* x, std::index_sequence<k...>) {
  ((at[k] += at[k]->ahead + static_cast<size_t>(x[at[k]->feature] >= at[k]->threshold)), ...);
}

}  // namespace

std::vector<std::byte> write_forest(const ForestContent& content) {
  std::vector<size_t> order(content.trees.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::vector<uint32_t> depths;
  for (const auto& tree : content.trees) depths.push_back(depth_of(tree));
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return depths[a] > depths[b]; });
  std::vector<ForestNode> nodes;
  std::vector<uint32_t> first{0}, depth;
  for (size_t t : order) {
    nodes.insert(nodes.end(), content.trees[t].begin(), content.trees[t].end());
    first.push_back(static_cast<uint32_t>(nodes.size()));
    depth.push_back(depths[t]);
  }
  SectionWriter out;
  out.put(static_cast<uint32_t>(content.trees.size()));
  out.put(static_cast<uint32_t>(nodes.size()));
  out.put(content.base);
  write_flat_vocabulary(content.features, out);
  out.put_array(std::span<const uint32_t>(first));
  out.put_array(std::span<const uint32_t>(depth));
  out.put_array(std::span<const ForestNode>(nodes));
  return out.take();
}

bool Forest::open(std::span<const std::byte> section) {
  tree_count_ = 0;
  SectionReader in(section);
  const auto trees = in.get<uint32_t>();
  const auto nodes = in.get<uint32_t>();
  base_ = in.get<float>();
  if (!in.ok() || trees == 0 || trees > kMostTrees || nodes > kMostNodes) return false;
  if (!std::isfinite(base_) || !read_flat_vocabulary(in, vocabulary_)) return false;
  first_ = in.get_array<uint32_t>(uint64_t{trees} + 1);
  depth_ = in.get_array<uint32_t>(trees);
  nodes_ = in.get_array<ForestNode>(nodes);
  if (!in.finished() || first_[0] != 0 || first_[trees] != nodes) return false;
  for (uint32_t t = 0; t < trees; t++) {
    if (first_[t] >= first_[t + 1] || first_[t + 1] > nodes) return false;
    if (first_[t + 1] - first_[t] > kMostTreeNodes || depth_[t] > kMostTreeDepth) return false;
    if (!is_sound({nodes_ + first_[t], nodes_ + first_[t + 1]},
                  static_cast<uint32_t>(feature_count())))
      return false;
  }
  tree_count_ = trees;
  return true;
}

double Forest::evaluate(float* x) const {
  x[feature_count()] = -std::numeric_limits<float>::infinity();
  double sum = base_;
  for (size_t t = 0; t < tree_count_; t += kSideBySide) {
    const ForestNode* at[kSideBySide];
    const size_t last = tree_count_ - 1;
    for (size_t k = 0; k < kSideBySide; k++) at[k] = nodes_ + first_[std::min(t + k, last)];
    // The first of them is the deepest.
    for (uint32_t steps = depth_[t]; steps > 0; steps--)
      step(at, x, std::make_index_sequence<kSideBySide>());
    for (size_t k = 0; k < kSideBySide && t + k < tree_count_; k++) sum += at[k]->threshold;
  }
  return sum;
}

}  // namespace predictor
