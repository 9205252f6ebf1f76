#include "plan/explain_json.h"

#include <gtest/gtest.h>

#include "plan/operators.h"
#include "plan/plan_record.h"
#include "plan/signature.h"
#include "plan/siphash.h"

namespace predictor {
namespace {

// As PostgreSQL 15 prints it, shortened.
constexpr std::string_view kAnalyzed = R"json({
  "Plan": {
    "Node Type": "Aggregate", "Strategy": "Hashed", "Partial Mode": "Simple",
    "Parallel Aware": false, "Startup Cost": 10.5, "Total Cost": 12.25, "Plan Rows": 7,
    "Plan Width": 12, "Actual Startup Time": 1.5, "Actual Total Time": 2.5, "Actual Rows": 3,
    "Actual Loops": 1, "Group Key": ["a"], "Peak Memory Usage": 24,
    "Plans": [{
      "Node Type": "Nested Loop", "Parent Relationship": "Outer", "Join Type": "Semi",
      "Inner Unique": true, "Startup Cost": 0.0, "Total Cost": 10.0, "Plan Rows": 100,
      "Plan Width": 8, "Actual Startup Time": 0.1, "Actual Total Time": 1.0, "Actual Rows": 90,
      "Actual Loops": 1,
      "Plans": [{
        "Node Type": "Seq Scan", "Parent Relationship": "Outer", "Relation Name": "t",
        "Schema": "public", "Alias": "t", "Startup Cost": 0.0, "Total Cost": 5.0,
        "Plan Rows": 100, "Plan Width": 8, "Actual Startup Time": 0.1, "Actual Total Time": 0.5,
        "Actual Rows": 95.5, "Actual Loops": 1,
        "Filter": "((a > 5) AND (b = 'x'::text))", "Rows Removed by Filter": 4
      }, {
        "Node Type": "Index Scan", "Parent Relationship": "Inner", "Scan Direction": "Backward",
        "Index Name": "u_pkey", "Relation Name": "u", "Startup Cost": 0.1, "Total Cost": 0.5,
        "Plan Rows": 1, "Plan Width": 4, "Actual Startup Time": 0.0, "Actual Total Time": 0.0,
        "Actual Rows": 0, "Actual Loops": 0, "Index Cond": "(u.id = t.id)"
      }]
    }]
  },
  "Settings": {"work_mem": "64MB"},
  "Planning Time": 0.25, "Execution Time": 3.75, "Group": "q1", "Database": "d"
})json";

ExplainedPlan read(std::string_view text) {
  ExplainedPlan plan;
  EXPECT_EQ(read_explain_json(text, plan), ExplainStatus::kOk);
  return plan;
}

TEST(ExplainJson, reads_structure_estimates_and_identities) {
  ExplainedPlan plan = read(kAnalyzed);
  const auto& nodes = plan.record.nodes;
  ASSERT_EQ(nodes.size(), 4u);
  EXPECT_EQ(nodes[0].op, PREDICTOR_OP_AGGREGATE);
  EXPECT_EQ(nodes[0].strategy, PREDICTOR_STRATEGY_HASHED);
  EXPECT_EQ(nodes[0].sort_keys, 1);
  EXPECT_EQ(nodes[1].join_type, PREDICTOR_JOIN_SEMI);
  EXPECT_EQ(nodes[1].flags & PREDICTOR_NODE_INNER_UNIQUE, PREDICTOR_NODE_INNER_UNIQUE);
  EXPECT_EQ(nodes[2].parent, 1);
  EXPECT_EQ(nodes[2].relation, relation_identity("public", "t"));
  EXPECT_EQ(nodes[2].clauses, 2);
  EXPECT_NE(nodes[2].constants, 0u);
  EXPECT_EQ(nodes[3].relationship, PREDICTOR_REL_INNER);
  EXPECT_EQ(nodes[3].index, relation_identity("", "u_pkey"));
  EXPECT_EQ(nodes[3].flags & PREDICTOR_NODE_BACKWARD, PREDICTOR_NODE_BACKWARD);
  EXPECT_EQ(nodes[3].constants, 0u);
  EXPECT_EQ(plan.record.statement.work_mem, 64 * 1024);
  EXPECT_EQ(plan.record.statement.key_id, kPublicKeyId);
  EXPECT_NE(plan.record.statement.signature, 0u);
  EXPECT_EQ(plan.group, "q1");
  EXPECT_EQ(plan.database, "d");
}

TEST(ExplainJson, reads_what_was_measured) {
  ExplainedPlan plan = read(kAnalyzed);
  const auto& nodes = plan.record.nodes;
  EXPECT_EQ(plan.record.statement.total_time, 3.75);
  EXPECT_EQ(plan.record.statement.instrumentation, PREDICTOR_INSTRUMENT_TIMERS);
  EXPECT_EQ(nodes[0].actual_memory, 24);
  EXPECT_TRUE(nodes[0].flags & PREDICTOR_NODE_HAS_MEMORY);
  EXPECT_EQ(nodes[2].actual_rows, 95.5);
  EXPECT_TRUE(nodes[3].flags & PREDICTOR_NODE_NEVER_EXECUTED);
  EXPECT_FALSE(nodes[3].flags & PREDICTOR_NODE_HAS_TIME);
}

TEST(ExplainJson, the_same_plan_without_analyze_has_the_same_signatures) {
  std::string plain(kAnalyzed);
  for (size_t at; (at = plain.find("\"Actual")) != std::string::npos;)
    plain.erase(at, plain.find(',', at) - at + 1);
  // The last key of an object has no comma behind it; none of those erased was one.
  ExplainedPlan a = read(kAnalyzed), b = read("[" + plain + "]");
  EXPECT_EQ(a.record.statement.signature, b.record.statement.signature);
  EXPECT_EQ(a.record.statement.constants, b.record.statement.constants);
  EXPECT_EQ(b.record.statement.instrumentation, PREDICTOR_INSTRUMENT_NONE);
}

TEST(ExplainJson, timed_out_statements_are_marked) {
  ExplainedPlan plan = read(R"({"Plan": {"Node Type": "Result", "Total Cost": 1},
                                "Execution Time": 1000, "Timed Out": true})");
  EXPECT_TRUE(plan.record.statement.flags & PREDICTOR_STATEMENT_TIMED_OUT);
}

TEST(ExplainJson, unknown_nodes_and_keys_are_no_error) {
  ExplainedPlan plan = read(R"({"Plan": {"Node Type": "Quantum Scan", "Spin": [1, {"a": 2}]}})");
  EXPECT_EQ(plan.unknown_nodes, 1);
  EXPECT_EQ(plan.record.nodes[0].op, PREDICTOR_OP_UNKNOWN);
}

TEST(ExplainJson, refuses_what_is_no_plan) {
  ExplainedPlan plan;
  for (const char* text : {"", "x", "{", "[]", "[1]", "3", "null", "{\"Plan\": {\"Node Type\": 1"})
    EXPECT_EQ(read_explain_json(text, plan), ExplainStatus::kNotJson) << text;
  for (const char* text :
       {"{}", R"({"Plan": 1})", R"({"Plan": {}})", R"({"Plan": {"Node Type": 3}})",
        R"({"Plan": {"Node Type": "Sort", "Plans": [{}]}})"})
    EXPECT_EQ(read_explain_json(text, plan), ExplainStatus::kNoPlan) << text;
  for (const char* text : {R"({"Plan": {"Node Type": "Sort", "Total Cost": -1}})",
                           R"({"Plan": {"Node Type": "Sort", "Plan Rows": "many"}})",
                           R"({"Plan": {"Node Type": "Sort"}, "Execution Time": -5})"})
    EXPECT_EQ(read_explain_json(text, plan), ExplainStatus::kBadNumber) << text;
}

TEST(ExplainJson, refuses_what_is_too_large_or_too_deep) {
  std::string wide = R"({"Plan": {"Node Type": "Append", "Plans": [{"Node Type": "Result"})";
  for (int i = 0; i < PREDICTOR_MAX_NODES; i++) wide += R"(,{"Node Type": "Result"})";
  ExplainedPlan plan;
  EXPECT_EQ(read_explain_json(wide + "]}}", plan), ExplainStatus::kTooManyNodes);
  std::string deep, end;
  for (int i = 0; i < 5000; i++) deep += R"({"Node Type": "Limit", "Plans": [)", end += "]}";
  EXPECT_EQ(read_explain_json("{\"Plan\": " + deep + end + "}", plan),
            ExplainStatus::kTooManyNodes);
}

}  // namespace
}  // namespace predictor
