// What a cardinality memory knows a sub-plan by, and what it says about a
// plan's nodes.
#include "plan/memory.h"

#include <gtest/gtest.h>

#include <vector>

#include "plan/test_plans.h"

namespace predictor {
namespace {

// orders (filtered) joined with lineitem: below a Sort, by any operator and in
// any order.
OwnedRecord join_of(PredictorOperator join, bool swapped, uint64_t constants = 5) {
  OwnedRecord r = test::nested_loop_plan();
  r.nodes[1].op = join;
  r.nodes[1].links = 0x11;
  PredictorNode orders = r.nodes[2], lineitem = r.nodes[3];
  orders.selection = 77, orders.constants = constants, orders.coarse = constants / 10;
  lineitem.op = PREDICTOR_OP_SEQ_SCAN, lineitem.index = 0;
  r.nodes[2] = swapped ? lineitem : orders;
  r.nodes[3] = swapped ? orders : lineitem;
  r.nodes[2].relationship = PREDICTOR_REL_OUTER, r.nodes[3].relationship = PREDICTOR_REL_INNER;
  return r;
}

struct Found {
  std::vector<NodePlace> places;
  std::vector<SubPlan> plans;
  explicit Found(const OwnedRecord& r) : places(r.nodes.size()), plans(r.nodes.size()) {
    find_places(r.view(), places.data());
    find_sub_plans(r.view(), places.data(), plans.data());
  }
};

TEST(SubPlan, joins_in_any_order_and_by_any_operator_have_one_key) {
  Found a(join_of(PREDICTOR_OP_HASH_JOIN, false)), b(join_of(PREDICTOR_OP_MERGE_JOIN, true));
  for (int level = 0; level < kMemoryLevels; level++)
    EXPECT_EQ(a.plans[1].key[level], b.plans[1].key[level]) << level;
  EXPECT_EQ(a.plans[2].key[kExactLevel], b.plans[3].key[kExactLevel]);
  EXPECT_NE(a.plans[2].key[kExactLevel], a.plans[3].key[kExactLevel]);
}

TEST(SubPlan, levels_differ_in_what_they_tell_apart) {
  Found a(join_of(PREDICTOR_OP_HASH_JOIN, false, 50)),
      like(join_of(PREDICTOR_OP_HASH_JOIN, false, 51)),
      other(join_of(PREDICTOR_OP_HASH_JOIN, false, 90));
  EXPECT_NE(a.plans[1].key[kExactLevel], like.plans[1].key[kExactLevel]);
  EXPECT_EQ(a.plans[1].key[kCoarseLevel], like.plans[1].key[kCoarseLevel]);
  EXPECT_NE(a.plans[1].key[kCoarseLevel], other.plans[1].key[kCoarseLevel]);
  EXPECT_EQ(a.plans[1].key[kShapeLevel], other.plans[1].key[kShapeLevel]);
  OwnedRecord unfiltered = join_of(PREDICTOR_OP_HASH_JOIN, false);
  unfiltered.nodes[2].selection = unfiltered.nodes[2].constants = 0;
  EXPECT_NE(Found(unfiltered).plans[1].key[kShapeLevel], a.plans[1].key[kShapeLevel]);
  EXPECT_EQ(Found(unfiltered).plans[1].key[kRelationsLevel], a.plans[1].key[kRelationsLevel]);
}

TEST(SubPlan, other_joins_other_columns_and_aggregates_are_other_rows) {
  Found inner(join_of(PREDICTOR_OP_HASH_JOIN, false));
  OwnedRecord changed = join_of(PREDICTOR_OP_HASH_JOIN, false);
  changed.nodes[1].join_type = PREDICTOR_JOIN_SEMI;
  EXPECT_NE(Found(changed).plans[1].key[kRelationsLevel], inner.plans[1].key[kRelationsLevel]);
  changed = join_of(PREDICTOR_OP_HASH_JOIN, false);
  changed.nodes[1].links = 0x12;
  EXPECT_NE(Found(changed).plans[1].key[kExactLevel], inner.plans[1].key[kExactLevel]);
  changed = join_of(PREDICTOR_OP_HASH_JOIN, false);
  changed.nodes[0].op = PREDICTOR_OP_AGGREGATE;
  EXPECT_NE(Found(changed).plans[0].key[kExactLevel], inner.plans[0].key[kExactLevel]);
}

TEST(SubPlan, parts_of_processes_are_added_up) {
  OwnedRecord r = join_of(PREDICTOR_OP_HASH_JOIN, false);
  r.nodes[0].op = PREDICTOR_OP_GATHER;
  r.nodes[0].workers_planned = 2;
  r.nodes[2].flags |= PREDICTOR_NODE_PARALLEL_AWARE | PREDICTOR_NODE_HAS_ROWS;
  r.nodes[2].actual_rows = 30, r.nodes[2].actual_loops = 3;
  Found f(r);
  EXPECT_TRUE(f.plans[1].partial);
  EXPECT_FALSE(f.plans[3].partial);
  EXPECT_FALSE(f.plans[0].partial);
  EXPECT_FLOAT_EQ(f.plans[2].planned, static_cast<float>(50 * 2.4));
  EXPECT_EQ(measured_rows(r.nodes[2], f.places[2], f.plans[2]), 90);
}

TEST(SubPlan, any_plan_has_keys) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; round++) {
    OwnedRecord r = test::random_plan(random, 1 + round % 40);
    Found f(r);
    for (const SubPlan& s : f.plans) EXPECT_TRUE(std::isfinite(s.planned) && s.planned >= 0);
  }
}

std::vector<std::byte> memory_of(std::initializer_list<Remembered> entries) {
  return CardinalityMemory::write(std::vector<Remembered>(entries), kMemoryLimit);
}

TEST(CardinalityMemory, finds_what_was_written_and_refuses_what_does_not_fit) {
  auto bytes = memory_of({{7, 1, 2, 3, 0}, {7 + (1 << 20), 4, 5, 6, 0}});
  CardinalityMemory memory;
  ASSERT_TRUE(memory.open(bytes));
  EXPECT_EQ(memory.find(7)->residual, 2);
  EXPECT_EQ(memory.find(7 + (1 << 20))->count, 6);
  EXPECT_EQ(memory.find(8)->count, 0);
  EXPECT_EQ(memory.find(0)->count, 0);
  for (size_t size = 0; size < bytes.size(); size++)
    EXPECT_FALSE(CardinalityMemory().open(std::span(bytes).first(size))) << size;
}

TEST(CardinalityMemory, keeps_the_first_entries_when_there_are_too_many) {
  std::vector<Remembered> many(kMemoryLimit + 1000);
  for (size_t i = 0; i < many.size(); i++) many[i] = {i + 1, 0, 0, 1, 0};
  auto bytes = CardinalityMemory::write(many, kMemoryLimit);
  EXPECT_LE(bytes.size(), size_t{2} << 20);
  CardinalityMemory memory;
  ASSERT_TRUE(memory.open(bytes));
  EXPECT_EQ(memory.find(1)->count, 1);
  EXPECT_EQ(memory.find(kMemoryLimit)->count, 1);
  EXPECT_EQ(memory.find(kMemoryLimit + 1)->count, 0);
}

std::vector<NodeRecall> recall(const OwnedRecord& r, std::span<const std::byte> bytes) {
  Found f(r);
  CardinalityMemory memory;
  EXPECT_TRUE(memory.open(bytes));
  std::vector<const Remembered*> found;
  for (const SubPlan& s : f.plans)
    for (uint64_t key : s.key) found.push_back(memory.find(key));
  std::vector<NodeRecall> recall(r.nodes.size());
  recall_rows(r.view(), f.places.data(), f.plans.data(), found.data(), recall.data());
  return recall;
}

TEST(Recall, the_rows_of_the_same_sub_plan_are_taken_as_they_were) {
  OwnedRecord seen = join_of(PREDICTOR_OP_HASH_JOIN, false);
  Found f(seen);
  auto bytes = memory_of({{f.plans[1].key[kExactLevel], std::log(400.5f), 9, 1, 0}});
  OwnedRecord asked = join_of(PREDICTOR_OP_MERGE_JOIN, true);
  auto r = recall(asked, bytes);
  EXPECT_NEAR(r[1].rows, std::log(400.5 / 100.5), 1e-5);
  EXPECT_NEAR(r[0].rows, r[1].rows, 1e-6) << "a Sort hands on what it gets";
  EXPECT_EQ(r[2].rows, 0);
}

TEST(Recall, what_is_known_below_carries_up_to_what_is_not_known) {
  OwnedRecord seen = join_of(PREDICTOR_OP_HASH_JOIN, false);
  Found f(seen);
  auto bytes = memory_of({{f.plans[2].key[kExactLevel], std::log(500.5f), 0, 1, 0}});
  auto r = recall(seen, bytes);
  EXPECT_NEAR(r[2].rows, std::log(500.5 / 50.5), 1e-5);
  EXPECT_GT(r[1].rows, 0);
  EXPECT_LT(r[1].rows, r[2].rows);
}

TEST(Recall, what_is_known_of_a_whole_reaches_its_parts) {
  OwnedRecord seen = join_of(PREDICTOR_OP_HASH_JOIN, false);
  Found f(seen);
  auto bytes = memory_of({{f.plans[1].key[kExactLevel], std::log(400.5f), 0, 1, 0}});
  auto r = recall(seen, bytes);
  for (int part : {2, 3}) {
    EXPECT_EQ(r[part].above_known, 1);
    EXPECT_NEAR(r[part].above, std::log(400.5 / 100.5), 1e-5);
    EXPECT_NEAR(r[part].above_surprise, r[part].above, 1e-5) << "nothing made it to be expected";
  }
  EXPECT_EQ(r[1].above_known, 0) << "only of its parts";
  // What a part explains is no surprise.
  auto both = recall(seen, memory_of({{f.plans[1].key[kExactLevel], std::log(400.5f), 0, 1, 0},
                                      {f.plans[2].key[kExactLevel], std::log(500.5f), 0, 1, 0}}));
  EXPECT_LT(both[3].above_surprise, r[3].above_surprise);
  // The number of groups says little of what is grouped.
  seen.nodes[1].op = PREDICTOR_OP_AGGREGATE;
  Found grouped(seen);
  auto groups =
      recall(seen, memory_of({{grouped.plans[1].key[kExactLevel], std::log(400.5f), 0, 1, 0}}));
  EXPECT_EQ(groups[2].above_known, 0);
}

TEST(Recall, says_how_far_a_plan_is_from_others_of_its_shape) {
  OwnedRecord asked = join_of(PREDICTOR_OP_HASH_JOIN, false);
  Found f(asked);
  // The others were planned with e^2 rows and had e^5.
  auto r = recall(asked, memory_of({{f.plans[2].key[kShapeLevel], 5, 3, 4, 0, 0.7f}}));
  EXPECT_NEAR(r[2].residual[kShapeLevel], 3, 1e-6);
  EXPECT_NEAR(r[2].deviation[kShapeLevel], std::log(f.plans[2].planned + 0.5) - 2, 1e-5);
  EXPECT_NEAR(r[2].shape_spread, 0.7, 1e-6);
  EXPECT_EQ(r[3].deviation[kShapeLevel], 0);
}

TEST(Recall, members_of_an_append_add_up_and_an_aggregate_of_all_rows_has_one) {
  OwnedRecord r = join_of(PREDICTOR_OP_HASH_JOIN, false);
  r.nodes[0].op = PREDICTOR_OP_AGGREGATE, r.nodes[0].strategy = PREDICTOR_STRATEGY_PLAIN;
  r.nodes[1].op = PREDICTOR_OP_APPEND;
  Found f(r);
  const float twice = std::log(2.0f);
  auto planned = [&](int i) { return std::log(f.plans[i].planned + 0.5f); };
  auto bytes = CardinalityMemory::write(
      std::vector<Remembered>{{f.plans[2].key[kExactLevel], planned(2) + twice, 0, 1, 0},
                              {f.plans[3].key[kExactLevel], planned(3) + twice, 0, 1, 0}},
      kMemoryLimit);
  auto recalled = recall(r, bytes);
  EXPECT_NEAR(recalled[1].below, twice, 1e-4);
  EXPECT_GT(recalled[1].rows, 0);
  EXPECT_LT(recalled[1].rows, twice);
  EXPECT_EQ(recalled[0].rows, 0);
}

Remembered empty_of(uint64_t key, uint16_t queries, uint16_t empty) {
  return {key, std::log(0.5f), 0, queries, empty, 0};
}

// A hash join of orders (outer) and a hash of lineitem.
OwnedRecord hash_join() {
  OwnedRecord r = join_of(PREDICTOR_OP_HASH_JOIN, false);
  PredictorNode hash = test::make_node(PREDICTOR_OP_HASH, 1, PREDICTOR_REL_INNER, 60, 2);
  r.nodes[3].relationship = PREDICTOR_REL_OUTER, r.nodes[3].parent = 3;
  r.nodes.insert(r.nodes.begin() + 3, hash);
  r.nodes[1].join_type = PREDICTOR_JOIN_INNER;
  r.nodes[2].startup_cost = 0;
  return r;
}

TEST(Recall, a_hash_join_with_an_empty_side_is_empty_and_leaves_the_other_alone) {
  OwnedRecord r = hash_join();
  Found f(r);
  const Remembered no_lineitem = empty_of(f.plans[4].key[kExactLevel], 1, 1);
  auto found = recall(r, memory_of({no_lineitem}));
  for (int node : {0, 1, 3, 4}) EXPECT_EQ(found[node].empty, 1) << node;
  EXPECT_NEAR(found[1].rows, std::log(0.5 / 100.5), 1e-5);
  EXPECT_EQ(found[2].empty, 0);
  // Orders start at once, so their first row is asked for before lineitem is hashed.
  EXPECT_EQ(found[2].cut, 1);
  EXPECT_EQ(found[2].idle, 0);
  r.nodes[2].startup_cost = 70;
  found = recall(r, memory_of({no_lineitem}));
  EXPECT_EQ(found[2].cut, 0);
  EXPECT_EQ(found[2].idle, 1) << "the hash table is made first";
  // Processes that share a table make it first, too.
  r.nodes[2].startup_cost = 0, r.nodes[3].flags |= PREDICTOR_NODE_PARALLEL_AWARE;
  EXPECT_EQ(recall(r, memory_of({no_lineitem}))[2].idle, 1);
  // A left join puts out each of the orders.
  r.nodes[1].join_type = PREDICTOR_JOIN_LEFT;
  found = recall(r, memory_of({no_lineitem}));
  EXPECT_EQ(found[1].empty, 0);
  EXPECT_EQ(found[2].idle, 0);
}

TEST(Recall, without_outer_rows_the_inner_side_is_never_started) {
  for (const auto op : {PREDICTOR_OP_HASH_JOIN, PREDICTOR_OP_NESTED_LOOP}) {
    OwnedRecord r = hash_join();
    r.nodes[1].op = op;
    Found f(r);
    const Remembered no_orders = empty_of(f.plans[2].key[kExactLevel], 1, 1);
    auto found = recall(r, memory_of({no_orders}));
    for (int node : {3, 4}) EXPECT_EQ(found[node].idle, 1) << op << " " << node;
    EXPECT_EQ(found[1].idle, 0);
    EXPECT_EQ(found[2].idle, 0);
    // With work of next to nothing, wherever work is asked for.
    std::vector<NodeFeatures> features(r.nodes.size());
    encode_features(r.view(), f.places.data(), features.data());
    const double whole = f.places[4].work;
    add_recall(r.view(), found.data(), f.places.data(), features.data());
    EXPECT_LT(f.places[4].work, whole / 500);
    EXPECT_EQ(features[4].numeric[kIdle], 1);
    std::vector<float> rows(r.nodes.size()), loops(r.nodes.size());
    recall_factors(f.places.data(), features.data(), static_cast<int>(r.nodes.size()), rows.data(),
                   loops.data());
    EXPECT_LT(loops[4], 0.01);
  }
  // Where all inner rows are put out, too, they are read all the same.
  OwnedRecord r = hash_join();
  r.nodes[1].join_type = PREDICTOR_JOIN_RIGHT;
  Found f(r);
  auto found = recall(r, memory_of({empty_of(f.plans[2].key[kExactLevel], 1, 1)}));
  EXPECT_EQ(found[3].idle, 0);
  EXPECT_EQ(found[1].empty, 0);
}

TEST(Recall, how_likely_no_rows_are_follows_from_how_often_there_were_none) {
  OwnedRecord r = hash_join();
  Found f(r);
  const uint64_t shape = f.plans[2].key[kShapeLevel];
  auto idle = [&](uint16_t queries, uint16_t empty) {
    return recall(r, memory_of({empty_of(shape, queries, empty)}))[4].idle;
  };
  EXPECT_NEAR(idle(1, 1), 0.5, 1e-6);
  EXPECT_NEAR(idle(9, 9), 0.9, 1e-6);
  EXPECT_NEAR(idle(9, 3), 0.3, 1e-6);
  EXPECT_EQ(idle(9, 0), 0);
  // A join of these orders that had rows has seen some of them.
  EXPECT_EQ(
      recall(r, memory_of({empty_of(shape, 9, 9), {f.plans[1].key[kExactLevel], 3, 0, 1, 0, 0}}))[4]
          .idle,
      0);
  // Without groups an aggregate has a row of none.
  r.nodes[0].op = PREDICTOR_OP_AGGREGATE, r.nodes[0].strategy = PREDICTOR_STRATEGY_PLAIN;
  Found grouped(r);
  auto found = recall(r, memory_of({empty_of(grouped.plans[2].key[kExactLevel], 1, 1)}));
  EXPECT_EQ(found[1].empty, 1);
  EXPECT_EQ(found[0].empty, 0);
}

TEST(Recall, features_follow_the_recalled_rows) {
  OwnedRecord seen = join_of(PREDICTOR_OP_NESTED_LOOP, false);
  Found f(seen);
  auto bytes = memory_of({{f.plans[2].key[kExactLevel], std::log(500.5f), 0, 1, 0}});
  auto recalled = recall(seen, bytes);
  std::vector<NodeFeatures> features(seen.nodes.size());
  auto encode = [&] { encode_features(seen.view(), f.places.data(), features.data()); };
  encode();
  std::vector<NodeRecall> nothing(seen.nodes.size());
  add_recall(seen.view(), nothing.data(), f.places.data(), features.data());
  auto before = features;
  EXPECT_EQ(before[3].numeric[kLogRecalledRows], before[3].numeric[kLogRows]);
  EXPECT_NEAR(before[3].numeric[kLogRecalledWork], log_work(f.places[3]), 1e-5);
  for (const NodeFeatures& x : before) EXPECT_NEAR(x.numeric[kRecalledGrowth], 0, 1e-6);
  encode();
  add_recall(seen.view(), recalled.data(), f.places.data(), features.data());
  EXPECT_NEAR(features[3].numeric[kLogRecalledLoops] - before[3].numeric[kLogRecalledLoops],
              std::log(500.5 / 50.5), 1e-4)
      << "the inner side runs once for each outer row";
  EXPECT_GT(features[0].numeric[kRecalledStatement], before[0].numeric[kRecalledStatement]);
  // A node's work grows as the rows that it makes and reads.
  auto rows = [&](int node, double factor) { return (1 + seen.nodes[node].plan_rows) * factor; };
  auto factor = [&](int node) { return std::exp(double{recalled[node].rows}); };
  const double expected = (rows(1, factor(1)) + rows(2, factor(2)) + rows(3, factor(3))) /
                          (rows(1, 1) + rows(2, 1) + rows(3, 1));
  EXPECT_NEAR(features[1].numeric[kRecalledGrowth], std::log(expected), 1e-4);
  EXPECT_NEAR(features[1].numeric[kLogRecalledOuter] - before[1].numeric[kLogRecalledOuter],
              recalled[2].rows, 1e-5);
  std::vector<float> rows_factor(seen.nodes.size()), loops_factor(seen.nodes.size());
  recall_factors(f.places.data(), features.data(), static_cast<int>(seen.nodes.size()),
                 rows_factor.data(), loops_factor.data());
  EXPECT_NEAR(rows_factor[2], 500.5 / 50.5, 1e-4);
  EXPECT_NEAR(loops_factor[3], 500.5 / 50.5, 1e-3);
  EXPECT_EQ(loops_factor[0], 1);
}

TEST(Recall, any_plan_and_memory_give_finite_features) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; round++) {
    OwnedRecord r = test::random_plan(random, 1 + round % 30);
    Found f(r);
    std::vector<Remembered> entries;
    for (const SubPlan& s : f.plans)
      for (uint64_t key : s.key)
        if (random() % 2)
          entries.push_back({key, float(random() % 60) - 30, float(random() % 60) - 30,
                             static_cast<uint16_t>(1 + random() % 3),
                             static_cast<uint16_t>(random() % 5)});
    auto recalled = recall(r, CardinalityMemory::write(entries, kMemoryLimit));
    std::vector<NodeFeatures> features(r.nodes.size());
    encode_features(r.view(), f.places.data(), features.data());
    add_recall(r.view(), recalled.data(), f.places.data(), features.data());
    for (const NodeFeatures& x : features)
      for (float number : x.numeric) EXPECT_TRUE(std::isfinite(number));
  }
}

}  // namespace
}  // namespace predictor
