#include "plan/partial.h"

#include <gtest/gtest.h>

#include <vector>

#include "plan/test_plans.h"

namespace predictor {
namespace {

using Nodes = std::vector<PredictorNode>;

PredictorNode executed(PredictorOperator op, int parent, PredictorRelationship relationship,
                       double rows = 1, double loops = 1) {
  PredictorNode n = test::make_node(op, parent, relationship, 1, 1);
  n.flags |= PREDICTOR_NODE_HAS_ROWS;
  if (loops <= 0) n.flags |= PREDICTOR_NODE_NEVER_EXECUTED;
  n.actual_rows = rows;
  n.actual_loops = loops;
  return n;
}

// Which of the nodes are partial, given which were stopped.
std::vector<int> spread(Nodes nodes, std::vector<int> stopped) {
  for (int i : stopped) nodes[static_cast<size_t>(i)].flags |= PREDICTOR_NODE_PARTIAL;
  PredictorRecord record{{}, static_cast<int32_t>(nodes.size()), nodes.data()};
  predictor_spread_partial(&record);
  std::vector<int> partial;
  for (size_t i = 0; i < nodes.size(); i++)
    if (nodes[i].flags & PREDICTOR_NODE_PARTIAL) partial.push_back(static_cast<int>(i));
  return partial;
}

TEST(Partial, spreads_down_to_what_reads_everything_first) {
  Nodes nodes = {executed(PREDICTOR_OP_LIMIT, -1, PREDICTOR_REL_ROOT),
                 executed(PREDICTOR_OP_UNIQUE, 0, PREDICTOR_REL_OUTER),
                 executed(PREDICTOR_OP_SORT, 1, PREDICTOR_REL_OUTER),
                 executed(PREDICTOR_OP_SEQ_SCAN, 2, PREDICTOR_REL_OUTER)};
  EXPECT_EQ(spread(nodes, {1}), (std::vector<int>{1, 2}));
  EXPECT_EQ(spread(nodes, {}), std::vector<int>());
}

TEST(Partial, of_a_hash_join_the_outer_side_of_a_nested_loop_the_outer_and_a_single_loop) {
  Nodes hash = {executed(PREDICTOR_OP_HASH_JOIN, -1, PREDICTOR_REL_ROOT),
                executed(PREDICTOR_OP_SEQ_SCAN, 0, PREDICTOR_REL_OUTER),
                executed(PREDICTOR_OP_HASH, 0, PREDICTOR_REL_INNER),
                executed(PREDICTOR_OP_SEQ_SCAN, 2, PREDICTOR_REL_OUTER)};
  EXPECT_EQ(spread(hash, {0}), (std::vector<int>{0, 1}));
  Nodes loop = {executed(PREDICTOR_OP_NESTED_LOOP, -1, PREDICTOR_REL_ROOT),
                executed(PREDICTOR_OP_SEQ_SCAN, 0, PREDICTOR_REL_OUTER),
                executed(PREDICTOR_OP_INDEX_SCAN, 0, PREDICTOR_REL_INNER, 1, 5)};
  EXPECT_EQ(spread(loop, {0}), (std::vector<int>{0, 1}));
  loop[2].actual_loops = 1;
  EXPECT_EQ(spread(loop, {0}), (std::vector<int>{0, 1, 2}));
}

TEST(Partial, only_the_last_member_of_an_append_that_ran_can_have_been_stopped) {
  Nodes nodes = {executed(PREDICTOR_OP_APPEND, -1, PREDICTOR_REL_ROOT),
                 executed(PREDICTOR_OP_SEQ_SCAN, 0, PREDICTOR_REL_MEMBER),
                 executed(PREDICTOR_OP_SEQ_SCAN, 0, PREDICTOR_REL_MEMBER),
                 executed(PREDICTOR_OP_SEQ_SCAN, 0, PREDICTOR_REL_MEMBER, 0, 0)};
  EXPECT_EQ(spread(nodes, {0}), (std::vector<int>{0, 2}));
}

TEST(Partial, a_join_that_takes_the_first_match_stops_its_inner_side) {
  Nodes nodes = {executed(PREDICTOR_OP_NESTED_LOOP, -1, PREDICTOR_REL_ROOT),
                 executed(PREDICTOR_OP_SEQ_SCAN, 0, PREDICTOR_REL_OUTER),
                 executed(PREDICTOR_OP_SEQ_SCAN, 0, PREDICTOR_REL_INNER, 5, 10)};
  EXPECT_EQ(spread(nodes, {}), std::vector<int>());
  nodes[0].join_type = PREDICTOR_JOIN_SEMI;
  EXPECT_EQ(spread(nodes, {}), std::vector<int>{2});
  nodes[2].actual_rows = 0;
  EXPECT_EQ(spread(nodes, {}), std::vector<int>());
  nodes[0].join_type = PREDICTOR_JOIN_INNER;
  nodes[0].flags |= PREDICTOR_NODE_INNER_UNIQUE;
  nodes[2].actual_rows = 1;
  EXPECT_EQ(spread(nodes, {}), std::vector<int>());
  nodes[2].actual_rows = 2;
  EXPECT_EQ(spread(nodes, {}), std::vector<int>{2});
}

TEST(Partial, a_join_whose_inner_side_is_empty_stops_the_outer) {
  Nodes nodes = {executed(PREDICTOR_OP_HASH_JOIN, -1, PREDICTOR_REL_ROOT, 0),
                 executed(PREDICTOR_OP_NESTED_LOOP, 0, PREDICTOR_REL_OUTER),
                 executed(PREDICTOR_OP_SEQ_SCAN, 1, PREDICTOR_REL_OUTER),
                 executed(PREDICTOR_OP_INDEX_SCAN, 1, PREDICTOR_REL_INNER, 1, 5),
                 executed(PREDICTOR_OP_HASH, 0, PREDICTOR_REL_INNER, 0),
                 executed(PREDICTOR_OP_SEQ_SCAN, 4, PREDICTOR_REL_OUTER, 0)};
  nodes[0].join_type = PREDICTOR_JOIN_INNER;
  EXPECT_EQ(spread(nodes, {}), (std::vector<int>{1, 2}));
  Nodes merge = nodes;
  merge[0].op = PREDICTOR_OP_MERGE_JOIN, merge[4].op = PREDICTOR_OP_SORT;
  EXPECT_EQ(spread(merge, {}), (std::vector<int>{1, 2}));
  Nodes has_rows = nodes;
  has_rows[4].actual_rows = 1;
  EXPECT_EQ(spread(has_rows, {}), std::vector<int>());
  Nodes left = nodes;
  left[0].join_type = PREDICTOR_JOIN_LEFT;
  EXPECT_EQ(spread(left, {}), std::vector<int>()) << "it puts out each outer row";
  Nodes shared = nodes;
  shared[4].flags |= PREDICTOR_NODE_PARALLEL_AWARE;
  EXPECT_EQ(spread(shared, {}), std::vector<int>()) << "rounded to none in each process";
  Nodes never = nodes;
  never[1] = executed(PREDICTOR_OP_SEQ_SCAN, 0, PREDICTOR_REL_OUTER, 0, 0);
  EXPECT_EQ(spread(never, {}), std::vector<int>());
}

TEST(Partial, plans_within_are_whole) {
  Nodes nodes = {executed(PREDICTOR_OP_SEQ_SCAN, -1, PREDICTOR_REL_ROOT),
                 executed(PREDICTOR_OP_AGGREGATE, 0, PREDICTOR_REL_INITPLAN),
                 executed(PREDICTOR_OP_AGGREGATE, 0, PREDICTOR_REL_SUBPLAN)};
  EXPECT_EQ(spread(nodes, {0}), std::vector<int>{0});
}

}  // namespace
}  // namespace predictor
