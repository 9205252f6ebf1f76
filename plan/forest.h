// forest.h - gradient-boosted regression trees, evaluated in place over a
// bundle's section.
//
// A node is 8 bytes; the two children of a node stand side by side, and a leaf
// leads to itself, so that a walk has no branch: it takes as many steps as the
// tree is deep, eight trees at a time to hide the latency of memory, each with
// one register: children are counted from their parent. Feature
// number feature_count() is one that every leaf asks for and that is less than
// everything.
//
// Const after open(); allocates nothing.
#ifndef PREDICTOR_PLAN_FOREST_H
#define PREDICTOR_PLAN_FOREST_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/flat_features.h"

namespace predictor {

inline constexpr uint32_t kForestVersion = 2;
inline constexpr uint32_t kMostTreeNodes = 65535;
inline constexpr uint32_t kMostTreeDepth = 32;

// As it lies in the section. x[feature] < threshold goes to the left child,
// everything else to the node behind it. At a leaf `ahead` is 0, `feature` is
// feature_count() and `threshold` is the value.
struct ForestNode {
  float threshold;
  uint16_t feature;
  uint16_t ahead;  // so many nodes to the left child
};

struct ForestContent {
  FlatContent features;
  std::vector<std::vector<ForestNode>> trees;  // root first, children after their parents
  float base = 0;                              // added to the sum of the trees
};

std::vector<std::byte> write_forest(const ForestContent& content);

class Forest {
 public:
  bool open(std::span<const std::byte> section);
  bool is_open() const { return tree_count_ != 0; }

  const FlatVocabulary& vocabulary() const { return vocabulary_; }
  int feature_count() const { return flat_feature_count(vocabulary_); }

  // `x` has feature_count() numbers, none of them NaN, and room for one more.
  double evaluate(float* x) const;

 private:
  FlatVocabulary vocabulary_;
  const ForestNode* nodes_ = nullptr;
  const uint32_t* first_ = nullptr;  // [tree_count + 1], in order of falling depth
  const uint32_t* depth_ = nullptr;  // [tree_count]
  uint32_t tree_count_ = 0;
  float base_ = 0;
};

}  // namespace predictor

#endif
