#include "plan/explain_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

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

TEST(ExplainJson, reads_memory_batches_buffers_and_rows_removed) {
  ExplainedPlan plan = read(R"json({"Plan": {
    "Node Type": "Hash Join", "Join Type": "Inner", "Actual Rows": 5, "Actual Loops": 2,
    "Actual Startup Time": 1, "Actual Total Time": 2, "Rows Removed by Join Filter": 3,
    "Rows Removed by Filter": 4, "Shared Hit Blocks": 10, "Local Hit Blocks": 1,
    "Shared Read Blocks": 7, "Local Read Blocks": 0, "Temp Read Blocks": 2,
    "Temp Written Blocks": 3,
    "Plans": [
      {"Node Type": "Sort", "Parent Relationship": "Outer", "Sort Key": ["t.a DESC"],
       "Actual Rows": 1, "Actual Loops": 1, "Sort Method": "external merge",
       "Sort Space Used": 800, "Sort Space Type": "Disk"},
      {"Node Type": "Hash", "Parent Relationship": "Inner", "Actual Rows": 1, "Actual Loops": 1,
       "Hash Buckets": 1024, "Hash Batches": 8, "Original Hash Batches": 4,
       "Peak Memory Usage": 77}]},
    "Execution Time": 1})json");
  const auto& nodes = plan.record.nodes;
  EXPECT_EQ(nodes[0].actual_removed, 7);
  EXPECT_EQ(nodes[0].actual_hit, 11);
  EXPECT_EQ(nodes[0].actual_read, 7);
  EXPECT_EQ(nodes[0].actual_temp, 5);
  EXPECT_EQ(nodes[0].actual_wall, 4);
  EXPECT_TRUE(nodes[0].flags & PREDICTOR_NODE_HAS_BUFFERS);
  EXPECT_EQ(nodes[1].actual_disk, 800);
  EXPECT_FALSE(nodes[1].flags & PREDICTOR_NODE_HAS_MEMORY);
  EXPECT_EQ(nodes[2].planned_batches, 4);
  EXPECT_EQ(nodes[2].actual_batches, 8);
  EXPECT_EQ(nodes[2].actual_memory, 77);
}

TEST(ExplainJson, wall_time_is_the_longest_participant_s) {
  ExplainedPlan plan = read(R"json({"Plan": {
    "Node Type": "Gather", "Workers Planned": 2, "Workers Launched": 2, "Single Copy": false,
    "Actual Rows": 3, "Actual Loops": 1, "Actual Startup Time": 0, "Actual Total Time": 9,
    "Plans": [
      {"Node Type": "Sort", "Parent Relationship": "Outer", "Parallel Aware": true,
       "Actual Rows": 1, "Actual Loops": 3, "Actual Startup Time": 0, "Actual Total Time": 5,
       "Sort Space Used": 30, "Sort Space Type": "Memory",
       "Workers": [
         {"Worker Number": 0, "Actual Total Time": 8, "Actual Loops": 1,
          "Sort Space Used": 40, "Sort Space Type": "Memory"},
         {"Worker Number": 1, "Actual Total Time": 4, "Actual Loops": 1}]}]},
    "Execution Time": 10})json");
  const auto& nodes = plan.record.nodes;
  EXPECT_EQ(nodes[0].workers_launched, 2);
  EXPECT_EQ(nodes[0].actual_wall, 9);
  EXPECT_EQ(nodes[1].actual_wall, 8);  // the leader had 3 of the 15
  EXPECT_EQ(nodes[1].actual_memory, 40);
}

TEST(ExplainJson, knows_the_words_of_other_versions) {
  // 12: no "Async Capable", no memory of a HashAggregate. 18: fractions of rows, "Disabled",
  // "Index Searches", "Storage"; subplans as 17 prints them.
  ExplainedPlan old = read(R"json([{"Plan": {
    "Node Type": "Seq Scan", "Parallel Aware": false, "Relation Name": "t", "Schema": "s",
    "Alias": "t", "Actual Rows": 1, "Actual Loops": 3, "Filter": "((hashed SubPlan 1) OR (t.a = $0))",
    "Plans": [
      {"Node Type": "Materialize", "Parent Relationship": "InitPlan", "Subplan Name": "InitPlan 2 (returns $0)",
       "Actual Rows": 1, "Actual Loops": 1},
      {"Node Type": "Result", "Parent Relationship": "SubPlan", "Subplan Name": "SubPlan 1",
       "Actual Rows": 1, "Actual Loops": 1}]},
    "Planning Time": 0.1, "Triggers": [], "Execution Time": 1}])json");
  ExplainedPlan recent = read(R"json([{"Plan": {
    "Node Type": "Seq Scan", "Parallel Aware": false, "Async Capable": false, "Relation Name": "t",
    "Schema": "s", "Alias": "t", "Actual Rows": 1.33, "Actual Loops": 3, "Disabled": false,
    "Filter": "((ANY (t.b = (hashed SubPlan 1).col1)) OR (t.a = (InitPlan 2).col1))",
    "Plans": [
      {"Node Type": "Materialize", "Parent Relationship": "InitPlan", "Subplan Name": "InitPlan 2",
       "Actual Rows": 1.00, "Actual Loops": 1, "Storage": "Memory", "Maximum Storage": 17},
      {"Node Type": "Result", "Parent Relationship": "SubPlan", "Subplan Name": "SubPlan 1",
       "Actual Rows": 1.00, "Actual Loops": 1}]},
    "Planning": {"Shared Hit Blocks": 3}, "Planning Time": 0.1, "Triggers": [],
    "Execution Time": 1}])json");
  EXPECT_EQ(old.record.statement.signature, recent.record.statement.signature);
  EXPECT_EQ(old.record.statement.constants, recent.record.statement.constants);
  EXPECT_EQ(recent.record.nodes[0].actual_rows, 1.33);
  EXPECT_EQ(recent.record.nodes[1].actual_memory, 17);
}

TEST(ExplainJson, reads_settings_jit_and_triggers) {
  ExplainedPlan plan = read(R"json({"Plan": {"Node Type": "Result"}, "Execution Time": 1,
    "Settings": {"enable_seqscan": "off", "enable_partitionwise_join": "on", "jit": "off",
                 "effective_cache_size": "8GB", "random_page_cost": "1.1",
                 "max_parallel_workers_per_gather": "4", "hash_mem_multiplier": "3"},
    "JIT": {"Functions": 3, "Options": {"Inlining": true, "Optimization": false,
            "Expressions": true, "Deforming": true}, "Timing": {"Total": 12.5}},
    "Triggers": [{"Trigger Name": "a", "Time": 1.5, "Calls": 3},
                 {"Trigger Name": "b", "Time": 2.0, "Calls": 1}],
    "Query Identifier": -77})json");
  const PredictorStatement& s = plan.record.statement;
  EXPECT_EQ(s.switches, 1u << 0 | 1u << 14 | 1u << 31);
  EXPECT_EQ(s.effective_cache, 8192);
  EXPECT_FLOAT_EQ(s.random_page_cost, 1.1f);
  EXPECT_EQ(s.parallel_workers, 4);
  EXPECT_EQ(s.hash_mem_multiplier, 3);
  EXPECT_EQ(s.jit_time, 12.5);
  EXPECT_EQ(s.trigger_time, 3.5);
  EXPECT_EQ(static_cast<int64_t>(s.query_id), -77);
  EXPECT_EQ(s.flags & PREDICTOR_STATEMENT_JIT_INLINE, PREDICTOR_STATEMENT_JIT_INLINE);
  EXPECT_EQ(s.flags & PREDICTOR_STATEMENT_JIT_OPTIMIZE, 0);
}

TEST(ExplainJson, keys_and_samples_are_part_of_the_shape) {
  auto signature = [](const std::string& property) {
    return read(R"({"Plan": {"Node Type": "Sort", )" + property + "}}").record.statement.signature;
  };
  std::set<uint64_t> signatures = {
      signature(R"("Sort Key": ["a", "b"])"),
      signature(R"("Sort Key": ["b", "a"])"),
      signature(R"("Group Key": ["a", "b"])"),
      signature(R"("Grouping Sets": [{"Group Keys": [["a", "b"], []]}])"),
      signature(R"("Grouping Sets": [{"Group Keys": [["a"], ["b"]]}])"),
      signature(R"("Sampling Method": "system", "Sampling Parameters": ["'10'::real"])"),
      signature(R"j("Function Call": "generate_series(1, 5)")j"),
      signature(R"("Custom Plan Provider": "mine")")};
  EXPECT_EQ(signatures.size(), 8u);
  EXPECT_EQ(signature(R"("Sort Key": ["t.a DESC", "b NULLS FIRST"])"),
            signature(R"("Sort Key": ["a", "b"])"));
}

TEST(ExplainJson, a_limit_that_was_reached_marks_what_it_stopped) {
  auto text = [](int rows) {
    return R"({"Plan": {"Node Type": "Limit", "Plan Rows": 10, "Actual Loops": 1, "Actual Rows": )" +
           std::to_string(rows) + R"(, "Plans": [{"Node Type": "Seq Scan", "Plan Rows": 1000,
           "Parent Relationship": "Outer", "Actual Loops": 1, "Actual Rows": )" +
           std::to_string(rows) + R"(}]}, "Execution Time": 1})";
  };
  EXPECT_TRUE(read(text(10)).record.nodes[1].flags & PREDICTOR_NODE_PARTIAL);
  EXPECT_FALSE(read(text(9)).record.nodes[1].flags & PREDICTOR_NODE_PARTIAL);
}

TEST(ExplainJson, constants_are_hashed_under_the_key_that_is_given) {
  const char* text = R"j({"Plan": {"Node Type": "Seq Scan", "Filter": "(a = 5)"}})j";
  ExplainedPlan secret;
  ASSERT_EQ(read_explain_json(text, secret, {{1, 2}, 3}), ExplainStatus::kOk);
  EXPECT_EQ(secret.record.statement.key_id, 3u);
  EXPECT_EQ(secret.record.statement.signature, read(text).record.statement.signature);
  EXPECT_NE(secret.record.nodes[0].constants, read(text).record.nodes[0].constants);
}

TEST(ExplainJson, auto_explain_prints_no_execution_time) {
  ExplainedPlan plan = read(R"({"Query Text": "SELECT 1", "Plan": {"Node Type": "Result",
    "Actual Startup Time": 0.5, "Actual Total Time": 1.5, "Actual Rows": 1, "Actual Loops": 1}})");
  EXPECT_EQ(plan.record.statement.total_time, 1.5);
  EXPECT_TRUE(std::isnan(read(R"({"Plan": {"Node Type": "Result"}})").record.statement.total_time));
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
