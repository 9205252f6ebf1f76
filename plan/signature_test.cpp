#include "plan/signature.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

#include "plan/known.h"
#include "plan/predicate.h"
#include "plan/predicate_text.h"
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

PredicateHasher hashed(std::initializer_list<std::pair<const char*, const char*>> clauses) {
  PredicateHasher hasher(kPublicKey);
  for (auto [column, constant] : clauses) {
    hasher.begin_clause(kFilterRole);
    hasher.token(7, column, std::char_traits<char>::length(column));
    hasher.constant(constant, std::char_traits<char>::length(constant));
    hasher.end_clause();
  }
  return hasher;
}

TEST(PredicateHasher, order_of_clauses_does_not_matter) {
  auto ab = hashed({{"a", "1"}, {"b", "2"}}), ba = hashed({{"b", "2"}, {"a", "1"}});
  EXPECT_EQ(ab.shape, ba.shape);
  EXPECT_EQ(ab.constants, ba.constants);
  EXPECT_EQ(ab.clauses, 2u);
}

TEST(PredicateHasher, constants_belong_to_their_clause) {
  auto straight = hashed({{"a", "1"}, {"b", "2"}}), crossed = hashed({{"a", "2"}, {"b", "1"}});
  EXPECT_EQ(straight.shape, crossed.shape);
  EXPECT_NE(straight.constants, crossed.constants);
}

TEST(PredicateHasher, equal_clauses_do_not_cancel_out_and_keys_matter) {
  EXPECT_NE(hashed({{"a", "1"}, {"a", "1"}}).shape, 0u);
  PredicateHasher other(SipKey{1, 2});
  other.begin_clause(kFilterRole);
  other.token(7, "a", 1);
  other.constant("1", 1);
  other.end_clause();
  EXPECT_EQ(other.shape, hashed({{"a", "1"}}).shape);
  EXPECT_NE(other.constants, hashed({{"a", "1"}}).constants);
}

PredicateHasher read(std::string_view text, PredicateRole role = kFilterRole) {
  PredicateHasher hasher(kPublicKey);
  hash_predicate_text(text, role, hasher);
  return hasher;
}

TEST(PredicateText, splits_at_the_outer_and_only) {
  EXPECT_EQ(read("((a >= 5) AND (b <= 7))").clauses, 2u);
  EXPECT_EQ(read("((a >= 5) OR ((b <= 7) AND (c = 1)))").clauses, 1u);
  EXPECT_EQ(read("(note = 'rock AND roll'::text)").clauses, 1u);
  auto ab = read("((a >= 5) AND (b <= 7))"), ba = read("((b <= 7) AND (a >= 5))");
  EXPECT_EQ(ab.shape, ba.shape);
  EXPECT_EQ(ab.constants, ba.constants);
}

TEST(PredicateText, constants_and_parameters_have_one_shape) {
  for (const char* other :
       {"(a = 43)", "(a = $1)", "(a = '42'::integer)", "(a = 'it''s'::character varying(10)[])",
        "(a = 4.2e-10)", "(a = '2020-01-01 00:00:00'::timestamp without time zone)"}) {
    EXPECT_EQ(read("(a = 42)").shape, read(other).shape) << other;
    EXPECT_NE(read("(a = 42)").constants, read(other).constants) << other;
  }
}

TEST(PredicateText, columns_operators_casts_of_columns_and_roles_are_shape) {
  std::set<uint64_t> shapes = {read("(a = 42)").shape,
                               read("(b = 42)").shape,
                               read("(a < 42)").shape,
                               read("((a)::text = 42)").shape,
                               read("(\"a b\" = 42)").shape,
                               read("(a = ANY (42))").shape,
                               read("(a = 42)", kIndexCondRole).shape};
  EXPECT_EQ(shapes.size(), 7u);
}

TEST(PredicateText, selection_and_links_do_not_depend_on_who_evaluates_them) {
  auto filter = read("((a = 5) AND (b = c))"), condition = read("(a = 5)", kIndexCondRole);
  EXPECT_NE(filter.shape, condition.shape);
  EXPECT_EQ(filter.selection, condition.selection);
  EXPECT_EQ(filter.constants, condition.constants);
  EXPECT_EQ(filter.links, read("(b = c)", kJoinFilterRole).links);
  EXPECT_EQ(condition.links, 0u);
}

TEST(PredicateText, coarse_constants_are_shared_by_those_alike) {
  EXPECT_EQ(read("(a > 1000)").coarse, read("(a > 1010)").coarse);
  EXPECT_EQ(read("(a > 1000)").coarse, read("(a > '1000'::bigint)").coarse);
  EXPECT_NE(read("(a > 1000)").coarse, read("(a > 2000)").coarse);
  EXPECT_NE(read("(a > 1000)").coarse, read("(a > -1000)").coarse);
  EXPECT_NE(read("(a = 3)").coarse, read("(a = 4)").coarse);
  EXPECT_EQ(read("(d < '2010-07-01'::date)").coarse,
            read("(d < '2010-07-30 11:12:13'::date)").coarse);
  EXPECT_NE(read("(d < '2010-07-01'::date)").coarse, read("(d < '2010-08-01'::date)").coarse);
  EXPECT_NE(read("(a = 'x')").coarse, read("(a = 'y')").coarse);
}

TEST(PredicateText, survives_any_text) {
  for (const char* text : {"", "(", ")", "'", "((", "\"", "::", "$", "AND", "a AND",
                           "'x'::", "(a = 'x'::numeric(10", "((((((a)"})
    read(text);
}

}  // namespace
}  // namespace predictor
