// What training remembers of rows, and what it may know of the plan that it learns from.
#include "engine/model/memory_builder.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/model/test_workload.h"

namespace predictor::engine {
namespace {

// A scan of one relation with a constant, executed with so many rows.
OwnedRecord scan(uint64_t constants, double rows) {
  OwnedRecord r;
  PredictorNode n{};
  n.op = PREDICTOR_OP_SEQ_SCAN;
  n.parent = -1;
  n.relation = 9, n.selection = 3, n.constants = constants, n.coarse = constants;
  n.total_cost = 100, n.plan_rows = 10, n.plan_width = 8;
  n.relation_pages = n.relation_tuples = std::nan("");
  n.flags = PREDICTOR_NODE_HAS_ROWS;
  n.actual_rows = rows, n.actual_loops = 1;
  r.nodes.push_back(n);
  r.statement.total_time = 5;
  r.statement.key_id = 1;
  return r;
}

TEST(MemoryBuilder, a_query_counts_once_and_never_for_itself) {
  std::vector<OwnedRecord> records = {scan(1, 100), scan(1, 100), scan(1, 100), scan(2, 1)};
  Dataset data = encode_dataset(records);
  std::vector<int> all(4);
  std::iota(all.begin(), all.end(), 0);
  MemoryBuilder memory(data, all);
  uint64_t shape = data.sub_plans[0].key[kShapeLevel], exact = data.sub_plans[0].key[kExactLevel];
  Remembered whole = memory.recall(shape, 0);
  EXPECT_EQ(whole.count, 2);
  EXPECT_NEAR(whole.residual, (std::log(100.5 / 10.5) + std::log(1.5 / 10.5)) / 2, 1e-5);
  Remembered others = memory.recall(shape, data.group[0]);
  EXPECT_EQ(others.count, 1);
  EXPECT_NEAR(others.residual, std::log(1.5 / 10.5), 1e-5);
  EXPECT_EQ(memory.recall(exact, data.group[0]).count, 0);
  EXPECT_EQ(memory.recall(exact, data.group[3]).count, 1);
}

TEST(MemoryBuilder, one_execution_of_a_query_can_stand_for_its_history) {
  std::vector<OwnedRecord> records = {scan(1, 100), scan(1, 50), scan(2, 1)};
  Dataset data = encode_dataset(records);
  std::vector<int> all = {0, 1, 2};
  MemoryBuilder memory(data, all);
  uint64_t exact = data.sub_plans[0].key[kExactLevel];
  const auto execution = memory.of_plan(0);
  Remembered first = memory.recall(exact, data.group[0], &execution);
  EXPECT_EQ(first.count, 1);
  EXPECT_NEAR(first.log_rows, std::log(100.5), 1e-5) << "not what the other had";
  EXPECT_EQ(memory.other_of(data.group[1], 1), 0);
  EXPECT_EQ(memory.other_of(data.group[0], 0), 1) << "never itself";
  EXPECT_EQ(memory.other_of(data.group[2], 2), -1);
  EXPECT_EQ(memory.other_of(data.group[0] + 1, 1), -1);
}

TEST(MemoryBuilder, says_how_far_queries_of_a_shape_differ) {
  std::vector<OwnedRecord> records = {scan(1, 10), scan(2, 10), scan(3, 1e6)};
  Dataset data = encode_dataset(records);
  std::vector<int> alike = {0, 1}, all = {0, 1, 2};
  uint64_t shape = data.sub_plans[0].key[kShapeLevel];
  EXPECT_NEAR(MemoryBuilder(data, alike).recall(shape, 0).spread, 0, 1e-3);
  // Of x, x and y the standard deviation is sqrt(2) / 3 |y - x|.
  EXPECT_NEAR(MemoryBuilder(data, all).recall(shape, 0).spread,
              std::sqrt(2.0) / 3 * std::log((1e6 + 0.5) / 10.5), 1e-3);
}

TEST(MemoryBuilder, counts_the_queries_that_had_no_row) {
  std::vector<OwnedRecord> records = {scan(1, 0), scan(1, 0), scan(2, 0), scan(3, 7)};
  Dataset data = encode_dataset(records);
  std::vector<int> all = {0, 1, 2, 3};
  MemoryBuilder memory(data, all);
  const uint64_t shape = data.sub_plans[0].key[kShapeLevel];
  const uint64_t exact = data.sub_plans[0].key[kExactLevel];
  EXPECT_EQ(memory.recall(shape, 0).count, 3);
  EXPECT_EQ(memory.recall(shape, 0).empty, 2);
  EXPECT_EQ(memory.recall(shape, data.group[0]).empty, 1) << "never for itself";
  EXPECT_EQ(memory.recall(shape, data.group[3]).empty, 2);
  EXPECT_EQ(memory.recall(exact, 0).empty, 1);
  const auto execution = memory.of_plan(0);
  EXPECT_EQ(memory.recall(exact, data.group[0], &execution).empty, 1);
}

TEST(MemoryBuilder, cancelled_statements_are_not_remembered) {
  std::vector<OwnedRecord> records = {scan(1, 100)};
  records[0].statement.flags |= PREDICTOR_STATEMENT_TIMED_OUT;
  Dataset data = encode_dataset(records);
  std::vector<int> all = {0};
  EXPECT_TRUE(MemoryBuilder(data, all).entries().empty());
}

TEST(MemoryBuilder, what_serves_many_comes_first) {
  std::vector<OwnedRecord> records;
  for (uint64_t constants = 1; constants <= 20; constants++) records.push_back(scan(constants, 99));
  Dataset data = encode_dataset(records);
  std::vector<int> all(20);
  std::iota(all.begin(), all.end(), 0);
  auto entries = MemoryBuilder(data, all).entries();
  ASSERT_EQ(entries.size(), 42u);
  EXPECT_EQ(entries[0].count, 20);
  EXPECT_EQ(entries[1].count, 20);
  EXPECT_EQ(entries[2].count, 1);
}

TEST(RecallDataset, training_sees_what_the_runtime_will_but_for_its_own_query) {
  std::vector<OwnedRecord> records = {scan(1, 100), scan(2, 50)};
  Dataset data = encode_dataset(records);
  std::vector<int> first = {0};
  MemoryBuilder memory(data, first);
  recall_dataset(records, memory, {}, data);
  EXPECT_EQ(data.numeric[kShapeCount], 0) << "its own";
  EXPECT_GT(data.numeric[kNumericCount + kShapeCount], 0);
  EXPECT_NEAR(data.numeric[kNumericCount + kRecalledRows], std::log(100.5 / 10.5), 1e-4);
}

TEST(RecallDataset, some_plans_meet_their_own_query_in_memory_and_most_do_not) {
  std::vector<OwnedRecord> records(100, scan(1, 100));
  Dataset data = encode_dataset(records);
  std::vector<int> all(records.size());
  std::iota(all.begin(), all.end(), 0);
  recall_dataset(records, MemoryBuilder(data, all), {}, data);
  int known = 0;
  for (int p : all) known += data.numeric[static_cast<size_t>(p) * kNumericCount + kExactCount] > 0;
  EXPECT_GT(known, 15);
  EXPECT_LT(known, 35);
  // And the other way round.
  EXPECT_EQ(data.other.nodes(), 100);
  for (int p : all) {
    const auto plan = static_cast<size_t>(p), other = static_cast<size_t>(data.other.first[p]);
    const bool here = data.numeric[plan * kNumericCount + kExactCount] > 0;
    EXPECT_NE(here, data.other.numeric[other * kNumericCount + kExactCount] > 0);
    EXPECT_NE(here, data.other.is_repeat[p] != 0);
  }
}

TEST(RecallDataset, what_is_asked_as_new_is_without_its_own_query_first) {
  std::vector<OwnedRecord> records(100, scan(1, 100));
  Dataset data = encode_dataset(records);
  std::vector<int> all(records.size());
  std::iota(all.begin(), all.end(), 0);
  const std::vector<int> as_new(all.begin() + 50, all.end());
  recall_dataset(records, MemoryBuilder(data, all), as_new, data);
  const auto knows_itself = [&data](int p) {
    return data.numeric[static_cast<size_t>(p) * kNumericCount + kExactCount] > 0;
  };
  EXPECT_TRUE(std::any_of(all.begin(), all.begin() + 50, knows_itself));
  EXPECT_TRUE(std::none_of(as_new.begin(), as_new.end(), knows_itself));
  for (int p : as_new) EXPECT_NE(data.other.is_repeat[p], 0);
}

TEST(RecallDataset, a_query_without_another_execution_is_seen_in_one_way) {
  std::vector<OwnedRecord> records = {scan(1, 100), scan(2, 50)};
  Dataset data = encode_dataset(records);
  std::vector<int> all = {0, 1};
  recall_dataset(records, MemoryBuilder(data, all), {}, data);
  EXPECT_EQ(data.other.first, (std::vector<int>{-1, -1}));
  EXPECT_EQ(data.other.nodes(), 0);
}

}  // namespace
}  // namespace predictor::engine
