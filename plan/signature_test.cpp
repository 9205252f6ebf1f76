#include "plan/signature.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

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
