#include "plan/forest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "plan/test_plans.h"

namespace predictor {
namespace {

// Sections must be aligned to 8, and operator new sees to it.
std::vector<uint64_t> words_of(const std::vector<std::byte>& bytes) {
  std::vector<uint64_t> words((bytes.size() + 7) / 8);
  if (!bytes.empty()) std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

std::span<const std::byte> bytes_of(const std::vector<uint64_t>& words, size_t size) {
  return std::as_bytes(std::span(words)).first(size);
}

FlatContent some_vocabulary() { return {{10, 20, 30}, {7}}; }

// Children after their parents; every inner node is split again until `depth`,
// or not, by chance.
std::vector<ForestNode> random_tree(std::mt19937& random, int depth, uint16_t features) {
  std::vector<ForestNode> tree(1);
  std::vector<int> depths{0};
  for (size_t i = 0; i < tree.size(); i++) {
    const bool is_leaf = depths[i] == depth || (i > 0 && random() % 5 == 0);
    tree[i].threshold = std::normal_distribution<float>()(random);
    tree[i].feature = is_leaf ? features : static_cast<uint16_t>(random() % features);
    tree[i].ahead = static_cast<uint16_t>(is_leaf ? 0 : tree.size() - i);
    if (is_leaf) continue;
    for (int child = 0; child < 2; child++) {
      tree.push_back({});
      depths.push_back(depths[i] + 1);
    }
  }
  return tree;
}

ForestContent random_forest(std::mt19937& random, int trees) {
  ForestContent content;
  content.features = some_vocabulary();
  content.base = 0.5;
  const auto features = static_cast<uint16_t>(flat_feature_count(content.features.view()));
  for (int t = 0; t < trees; t++)
    content.trees.push_back(random_tree(random, 1 + static_cast<int>(random() % 7), features));
  return content;
}

double walk(const ForestContent& content, const std::vector<float>& x) {
  double sum = content.base;
  for (const auto& tree : content.trees) {
    size_t at = 0;
    while (tree[at].ahead != 0)
      at += tree[at].ahead + (x[tree[at].feature] < tree[at].threshold ? 0u : 1u);
    sum += tree[at].threshold;
  }
  return sum;
}

TEST(Forest, answers_as_a_plain_walk_of_its_trees_does) {
  std::mt19937 random(1);
  for (int trees : {1, 7, 8, 9, 40}) {
    const ForestContent content = random_forest(random, trees);
    const std::vector<std::byte> section = write_forest(content);
    const auto words = words_of(section);
    Forest forest;
    ASSERT_TRUE(forest.open(bytes_of(words, section.size())));
    for (int row = 0; row < 50; row++) {
      std::vector<float> x(static_cast<size_t>(forest.feature_count()));
      for (float& value : x) value = std::normal_distribution<float>()(random);
      const double expected = walk(content, x);
      x.push_back(0);
      EXPECT_NEAR(forest.evaluate(x.data()), expected, 1e-5);
    }
  }
}

TEST(Forest, a_damaged_section_is_refused_or_read_within_its_bounds) {
  std::mt19937 random(2);
  const std::vector<std::byte> section = write_forest(random_forest(random, 9));
  for (size_t size = 0; size < section.size(); size += 1 + size / 8) {
    const auto words = words_of({section.begin(), section.begin() + static_cast<ptrdiff_t>(size)});
    Forest forest;
    EXPECT_FALSE(forest.open(bytes_of(words, size))) << size;
  }
  for (int trial = 0; trial < 3000; trial++) {
    std::vector<std::byte> broken = section;
    broken[random() % broken.size()] ^= static_cast<std::byte>(1 << random() % 8);
    const auto words = words_of(broken);
    Forest forest;
    if (!forest.open(bytes_of(words, broken.size()))) continue;
    std::vector<float> x(static_cast<size_t>(forest.feature_count()) + 1, 0.5f);
    EXPECT_FALSE(std::isnan(forest.evaluate(x.data())));
  }
}

TEST(FlatFeatures, are_finite_and_do_not_read_what_execution_revealed) {
  OwnedRecord plan = test::nested_loop_plan();
  const FlatContent vocabulary{{plan.nodes[2].relation}, {}};
  auto encode = [&](const OwnedRecord& r) {
    std::vector<NodePlace> places(r.nodes.size());
    find_places(r.view(), places.data());
    std::vector<float> row(static_cast<size_t>(flat_feature_count(vocabulary.view())));
    encode_flat({r.view(), places.data()}, vocabulary.view(), row.data());
    return row;
  };
  const std::vector<float> row = encode(plan);
  for (float x : row) EXPECT_TRUE(std::isfinite(x));
  OwnedRecord executed = plan, wild = plan;
  for (PredictorNode& n : executed.nodes) n.actual_rows = n.actual_total = n.actual_loops = 1e6;
  executed.statement.total_time = 1e6;
  EXPECT_EQ(encode(executed), row);
  for (PredictorNode& n : wild.nodes) n.plan_rows = n.total_cost = 1e308;
  for (float x : encode(wild)) EXPECT_TRUE(std::isfinite(x));
  OwnedRecord larger = plan;
  for (PredictorNode& n : larger.nodes) n.plan_rows *= 10;
  EXPECT_NE(encode(larger), row);
}

TEST(FlatFeatures, corrected_rows_are_what_other_planned_rows_would_be) {
  OwnedRecord plan = test::nested_loop_plan(), other = plan;
  const FlatContent vocabulary{{}, {}};
  std::vector<NodePlace> places(plan.nodes.size());
  find_places(plan.view(), places.data());
  std::vector<float> none(plan.nodes.size(), 1.0f), some(plan.nodes.size(), 1.0f);
  some[1] = 7;
  other.nodes[1].plan_rows *= 7;
  auto encode = [&](const OwnedRecord& r, const float* rows) {
    std::vector<float> row(static_cast<size_t>(flat_feature_count(vocabulary.view())));
    encode_flat({r.view(), places.data(), rows, none.data()}, vocabulary.view(), row.data());
    return row;
  };
  const auto corrected = encode(plan, some.data()), expected = encode(other, nullptr);
  for (size_t i = 0; i < corrected.size(); i++) EXPECT_NEAR(corrected[i], expected[i], 1e-4) << i;
  EXPECT_NE(corrected, encode(plan, none.data()));
}

}  // namespace
}  // namespace predictor
