#include "plan/signature.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "plan/known.h"
#include "plan/test_plans.h"

namespace predictor {
namespace {

PredictorStatement signed_after(const std::function<void(OwnedRecord&)>& change) {
  OwnedRecord r = test::nested_loop_plan();
  change(r);
  PredictorRecord view = r.view();
  sign(view);
  return view.statement;
}

const PredictorStatement kPlain = signed_after([](OwnedRecord&) {});

TEST(Signature, estimates_constants_and_actuals_do_not_count) {
  auto changed = signed_after([](OwnedRecord& r) {
    for (PredictorNode& n : r.nodes) {
      n.plan_rows *= 7, n.total_cost *= 3, n.constants = 99, n.plan_width = 1;
      n.actual_rows = 5, n.actual_total = 1, n.flags |= PREDICTOR_NODE_ACTUAL_FLAGS;
    }
  });
  EXPECT_EQ(changed.signature, kPlain.signature);
  EXPECT_NE(changed.constants, kPlain.constants);
}

TEST(Signature, every_part_of_the_structure_counts) {
  std::set<uint64_t> signatures{kPlain.signature};
  const std::function<void(PredictorNode&)> changes[] = {
      [](auto& n) { n.op = PREDICTOR_OP_HASH_JOIN; },
      [](auto& n) { n.relationship = PREDICTOR_REL_SUBPLAN; },
      [](auto& n) { n.join_type = PREDICTOR_JOIN_SEMI; },
      [](auto& n) { n.strategy = PREDICTOR_STRATEGY_HASHED; },
      [](auto& n) { n.partial_mode = PREDICTOR_PARTIAL_PARTIAL; },
      [](auto& n) { n.command = PREDICTOR_COMMAND_DELETE; },
      [](auto& n) { n.clauses++; },
      [](auto& n) { n.flags |= PREDICTOR_NODE_INNER_UNIQUE; },
      [](auto& n) { n.sort_keys++; },
      [](auto& n) { n.parent = 0; },
      [](auto& n) { n.relation++; },
      [](auto& n) { n.index++; },
      [](auto& n) { n.predicate++; }};
  for (const auto& change : changes) {
    auto s = signed_after([&](OwnedRecord& r) { change(r.nodes[2]); });
    EXPECT_TRUE(signatures.insert(s.signature).second);
  }
}

TEST(Signature, constants_depend_on_their_node_and_are_zero_without_any) {
  EXPECT_EQ(kPlain.constants, 0u);
  auto first = signed_after([](OwnedRecord& r) { r.nodes[2].constants = 5; });
  auto second = signed_after([](OwnedRecord& r) { r.nodes[3].constants = 5; });
  EXPECT_NE(first.constants, second.constants);
}

TEST(SubplanSignatures, are_of_the_part_wherever_it_stands) {
  OwnedRecord r = test::nested_loop_plan();
  std::vector<uint64_t> whole(4), part(3), changed(4);
  subplan_signatures(r.view(), whole.data());
  EXPECT_EQ(std::set<uint64_t>(whole.begin(), whole.end()).size(), 4u);
  // Without the Sort above, and with other estimates and constants.
  OwnedRecord below = r;
  below.nodes.erase(below.nodes.begin());
  for (PredictorNode& n : below.nodes) n.parent--, n.plan_rows = 77, n.constants = 5;
  below.nodes[0].relationship = PREDICTOR_REL_ROOT;
  subplan_signatures(below.view(), part.data());
  EXPECT_EQ(part, std::vector<uint64_t>(whole.begin() + 1, whole.end()));
  // A change shows in the node and in all above it, and nowhere else.
  r.nodes[2].predicate = 1;
  subplan_signatures(r.view(), changed.data());
  for (size_t i : {0u, 1u, 2u}) EXPECT_NE(changed[i], whole[i]);
  EXPECT_EQ(changed[3], whole[3]);
  std::swap(r.nodes[2].relationship, r.nodes[3].relationship);
  std::vector<uint64_t> swapped(4);
  subplan_signatures(r.view(), swapped.data());
  EXPECT_NE(swapped[1], changed[1]);
  EXPECT_EQ(swapped[2], changed[2]);
}

TEST(RelationIdentity, tells_schemas_and_names_apart) {
  std::set<uint64_t> identities = {relation_identity("", "ab"), relation_identity("a", "b"),
                                   relation_identity("ab", ""), relation_identity("public", "b"),
                                   relation_identity("", "")};
  EXPECT_EQ(identities.size(), 5u);
  EXPECT_EQ(identities.count(0), 0u);
  std::string longest(1000, 'x');
  EXPECT_EQ(relation_identity(longest, longest), relation_identity(longest, longest));
}

TEST(QueryKey, is_the_query_id_or_else_the_relations_in_any_order) {
  OwnedRecord a = test::nested_loop_plan(), b = test::nested_loop_plan();
  std::swap(b.nodes[2].relation, b.nodes[3].relation);
  EXPECT_EQ(query_key(a.view()), query_key(b.view()));
  b.nodes[3].relation = 0;
  EXPECT_NE(query_key(a.view()), query_key(b.view()));
  a.statement.query_id = b.statement.query_id = 77;
  EXPECT_EQ(query_key(a.view()), query_key(b.view()));
}

}  // namespace
}  // namespace predictor
