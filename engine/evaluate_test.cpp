// Traces are made by the tests: executions of the workload of test_workload.h,
// written as EXPLAIN's JSON, of which some queries train and others test.
#include "engine/evaluate.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/model/test_workload.h"

namespace predictor::engine {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

const char* operator_name(uint16_t op) {
  switch (op) {
    case PREDICTOR_OP_SORT:
      return "Sort";
    case PREDICTOR_OP_AGGREGATE:
      return "Aggregate";
    case PREDICTOR_OP_HASH_JOIN:
      return "Hash Join";
    case PREDICTOR_OP_HASH:
      return "Hash";
    default:
      return "Seq Scan";
  }
}

Json explain_node(const OwnedRecord& r, size_t i, bool executed) {
  const PredictorNode& n = r.nodes[i];
  Json node{{"Node Type", operator_name(n.op)},
            {"Startup Cost", n.startup_cost},
            {"Total Cost", n.total_cost},
            {"Plan Rows", n.plan_rows},
            {"Plan Width", n.plan_width}};
  if (n.relation != 0) node["Relation Name"] = "t" + std::to_string(n.relation);
  if (n.relationship == PREDICTOR_REL_INNER) node["Parent Relationship"] = "Inner";
  if (n.clauses > 0)
    node["Filter"] =
        "(a" + std::to_string(n.predicate) + " < " + std::to_string(n.constants % 100000) + ")";
  if (executed) {
    node["Actual Rows"] = n.actual_rows;
    node["Actual Loops"] = n.actual_loops;
    if (n.flags & PREDICTOR_NODE_HAS_TIME) {
      node["Actual Startup Time"] = n.actual_startup;
      node["Actual Total Time"] = n.actual_total;
    }
  }
  for (size_t child = i + 1; child < r.nodes.size(); child++)
    if (r.nodes[child].parent == static_cast<int>(i))
      node["Plans"].push_back(explain_node(r, child, executed));
  return node;
}

Json explain(const OwnedRecord& r, const std::string& group, bool executed = true) {
  Json line{{"Plan", explain_node(r, 0, executed)}, {"Group", group}, {"Database", "made"}};
  if (executed) line["Execution Time"] = r.statement.total_time;
  return line;
}

std::string text_of(const std::vector<Json>& lines) {
  std::string text;
  for (const Json& line : lines) text += line.dump() + "\n";
  return text;
}

class EvaluateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "predictor-evaluate-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { fs::remove_all(directory_); }

  fs::path write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name, std::ios::binary) << text;
    return directory_ / name;
  }

  // `executions` of each of the queries from `first` on.
  static std::vector<Json> executions(int first, int queries, int executions, uint32_t seed,
                                      bool timers = false) {
    test::Workload workload(seed);
    std::vector<Json> lines;
    for (int e = 0; e < executions; e++)
      for (int q = first; q < first + queries; q++)
        lines.push_back(explain(workload.execute(q, timers), "q" + std::to_string(q)));
    return lines;
  }

  EvaluateCommand command(const fs::path& train, const fs::path& test) {
    EvaluateCommand c;
    c.train = {train};
    c.test = {test};
    return c;
  }

  static Evaluation evaluate(const EvaluateCommand& c, const std::string& model) {
    Result<EvaluationSet> set = load_evaluation(c);
    EXPECT_TRUE(set.ok()) << set.error().message;
    Result<Evaluation> evaluation = evaluate_model(model, set.value(), c.options);
    EXPECT_TRUE(evaluation.ok()) << evaluation.error().message;
    return evaluation.value();
  }

  fs::path directory_;
};

TEST_F(EvaluateTest, each_line_that_cannot_be_used_is_counted_by_reason_with_its_number) {
  std::vector<Json> good = executions(1, 3, 1, 1);
  Json planned = good[0], absurd = good[1], negative = good[2], unknown = good[0], huge = good[1];
  Json bare = explain(test::Workload(1).execute(1, false), "q", false);
  bare["Execution Time"] = 3.5;
  planned.erase("Execution Time");
  absurd["Execution Time"] = 1e13;
  negative["Execution Time"] = -1;
  unknown["Plan"]["Node Type"] = "Quantum Scan";
  for (int i = 0; i < 10000; i++)
    huge["Plan"]["Plans"].push_back({{"Node Type", "Result"}, {"Total Cost", 1}});
  Result<Trace> trace = read_trace(write(
      "bad.jsonl", good[0].dump() + "\nnot json\n[]\n" + planned.dump() + "\n\n" + absurd.dump() +
                       "\r\n" + negative.dump() + "\n" + unknown.dump() + "\n" + huge.dump() +
                       "\n" + bare.dump() + "\n" + good[1].dump().substr(0, 200)));
  ASSERT_TRUE(trace.ok());
  require_times(trace.value());
  const auto& rejected = trace.value().rejected;
  EXPECT_EQ(trace.value().lines, 11u);
  EXPECT_EQ(trace.value().plans.size(), 3u);
  EXPECT_EQ(rejected.at("not a JSON object"), (std::vector<size_t>{2, 3, 11}));
  EXPECT_EQ(rejected.at("no \"Execution Time\""), (std::vector<size_t>{4}));
  EXPECT_EQ(rejected.at("an \"Execution Time\" of more than a hundred days"),
            (std::vector<size_t>{6}));
  EXPECT_EQ(rejected.at("a cost, time or count is negative or not a number"),
            (std::vector<size_t>{7}));
  EXPECT_EQ(rejected.at("the plan has too many nodes or is nested too deep"),
            (std::vector<size_t>{9}));
  const auto& remarks = trace.value().remarks;
  EXPECT_EQ(remarks.at("unknown \"Node Type\", read as one of no known operator"),
            (std::vector<size_t>{8}));
  EXPECT_EQ(remarks.at("no \"Actual\" fields, only the time of the statement"),
            (std::vector<size_t>{10}));
}

TEST_F(EvaluateTest, compressed_and_plain_traces_are_the_same_and_damaged_ones_are_refused) {
  const std::string text = text_of(executions(1, 5, 40, 1));
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  Result<Trace> plain = read_trace(write("a.jsonl", text));
  Result<Trace> unpacked = read_trace(write("a.jsonl.zst", packed));
  ASSERT_TRUE(plain.ok() && unpacked.ok());
  ASSERT_EQ(unpacked.value().plans.size(), 200u);
  for (size_t i = 0; i < 200; i++)
    EXPECT_TRUE(is_same_plan(plain.value().plans[i].record, unpacked.value().plans[i].record));
  Result<Trace> cut = read_trace(write("b.zst", packed.substr(0, packed.size() / 2)));
  ASSERT_FALSE(cut.ok());
  EXPECT_NE(cut.error().message.find("ends in the middle"), std::string::npos);
  std::string broken = packed;
  for (size_t i = 40; i < 80; i++) broken[i] = static_cast<char>(~broken[i]);
  EXPECT_FALSE(read_trace(write("c.zst", broken)).ok());
  EXPECT_FALSE(read_trace(directory_ / "missing.jsonl").ok());
}

TEST_F(EvaluateTest, an_asked_record_holds_nothing_that_execution_revealed) {
  test::Workload workload(1);
  OwnedRecord ran = workload.execute(1, true), other = workload.execute(1, true);
  OwnedRecord asked = without_actuals(ran);
  EXPECT_TRUE(std::isnan(asked.statement.total_time));
  EXPECT_EQ(asked.statement.instrumentation, PREDICTOR_INSTRUMENT_NONE);
  for (const PredictorNode& n : asked.nodes) {
    EXPECT_EQ(n.flags & PREDICTOR_NODE_ACTUAL_FLAGS, 0);
    for (double x : {n.actual_startup, n.actual_total, n.actual_rows, n.actual_loops})
      EXPECT_TRUE(std::isnan(x));
  }
  EXPECT_TRUE(is_same_plan(ran, asked));
  EXPECT_FALSE(is_same_plan(ran, other));  // other constants
}

TEST_F(EvaluateTest, a_score_file_changes_no_answer_and_must_hold_the_same_plans) {
  std::vector<Json> lines = executions(30, 10, 4, 2), planned = lines;
  for (Json& line : planned) {
    line.erase("Execution Time");
    std::function<void(Json&)> forget = [&](Json& node) {
      node.erase("Actual Rows");
      node.erase("Actual Loops");
      if (node.contains("Plans"))
        for (Json& child : node["Plans"]) forget(child);
    };
    forget(line["Plan"]);
  }
  const fs::path train = write("train", text_of(executions(1, 25, 8, 1)));
  EvaluateCommand whole = command(train, write("whole", text_of(lines)));
  EvaluateCommand apart = command(train, write("planned", text_of(planned)));
  EXPECT_FALSE(load_evaluation(apart).ok());
  apart.score = whole.test;
  auto facts = [](const Evaluation& e) {
    Json object = Json::parse(evaluation_json(e));
    object.erase("train_seconds");
    object.erase("peak_memory_mb");
    object.erase("predict_us");
    return object;
  };
  const Evaluation by_cost = evaluate(whole, "cost");
  EXPECT_EQ(facts(by_cost), facts(evaluate(apart, "cost")));
  const Json time = Json::parse(evaluation_json(by_cost)).at("predict_us");
  EXPECT_GT(time.at("p50").get<double>(), 0);
  EXPECT_NEAR(time.at("ten_nodes").get<double>() / time.at("p50").get<double>(), 2, 0.1)
      << "of plans of five nodes";
  std::swap(lines[3], lines[7]);
  apart.score = {write("swapped", text_of(lines))};
  Result<EvaluationSet> wrong = load_evaluation(apart);
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().message.find("line 4 of"), std::string::npos) << wrong.error().message;
  lines.pop_back();
  apart.score = {write("short", text_of(lines))};
  EXPECT_FALSE(load_evaluation(apart).ok());
}

TEST_F(EvaluateTest, shots_and_seen_plans_train_and_are_not_tested) {
  EvaluateCommand c = command(write("train", text_of(executions(1, 5, 4, 1))),
                              write("test", text_of(executions(20, 6, 3, 2))));
  EvaluationSet none = load_evaluation(c).value();
  EXPECT_EQ(none.training.size(), 20u);
  EXPECT_EQ(none.test.size(), 18u);
  c.shots = 2;
  EvaluationSet shots = load_evaluation(c).value();
  EXPECT_EQ(shots.training.size(), 26u);
  ASSERT_EQ(shots.test.size(), 12u);
  EXPECT_EQ(shots.test[0].group, "made\nq22");
  c.shots = 0;
  c.seen_first = true;
  EvaluationSet seen = load_evaluation(c).value();
  EXPECT_EQ(seen.training.size(), 26u);
  EXPECT_EQ(seen.test.size(), 12u);
  c.shots = 99;
  EXPECT_FALSE(load_evaluation(c).ok());
}

TEST_F(EvaluateTest, without_traces_to_train_on_the_usual_price_of_a_cost_answers) {
  std::vector<Json> lines = executions(20, 6, 3, 2);
  EvaluateCommand c = command({}, write("test", text_of(lines)));
  c.train.clear();
  const EvaluationSet set = load_evaluation(c).value();
  EXPECT_TRUE(set.training.empty());
  const Evaluation evaluation = evaluate_untrained(set, 1).value();
  std::vector<double> errors;
  for (const Json& line : lines) {
    const double said = 0.005 * line["Plan"]["Total Cost"].get<double>();
    const double took = line["Execution Time"].get<double>();
    errors.push_back(std::max(said / took, took / said));
  }
  EXPECT_NEAR(evaluation.total_time.q.max, *std::max_element(errors.begin(), errors.end()), 1e-3);
  EXPECT_EQ(evaluation.train_plans, 0u);
}

TEST_F(EvaluateTest, traces_without_anything_to_learn_end_with_one_sentence) {
  const std::string test = text_of(executions(20, 5, 2, 2));
  std::vector<Json> cancelled = executions(1, 5, 5, 1);
  for (Json& line : cancelled) line["Timed Out"] = true;
  auto outcome = [&](const std::string& train) {
    EvaluateCommand c = command(write("train", train), write("test", test));
    Result<EvaluationSet> set = load_evaluation(c);
    if (!set) return set.error().message;
    for (const std::string& name : template_names()) {
      Result<Evaluation> evaluation = evaluate_model(name, set.value(), c.options);
      if (!evaluation) return evaluation.error().message;
    }
    return std::string("ok");
  };
  EXPECT_NE(outcome("").find("no plan to train on"), std::string::npos);
  EXPECT_NE(outcome(text_of(executions(1, 1, 1, 1))).find("at least"), std::string::npos);
  EXPECT_NE(outcome(text_of(cancelled)).find("cancelled before it finished"), std::string::npos);
  // Too little to withhold anything from, but an answer can be given.
  std::vector<Json> equal(30, executions(1, 1, 1, 1)[0]);
  EXPECT_EQ(outcome(text_of(equal)), "ok");
  const Evaluation unsure =
      evaluate(command(write("equal", text_of(equal)), directory_ / "test"), "gbdt");
  EXPECT_GT(unsure.median_width, 10);
}

TEST_F(EvaluateTest, timed_out_plans_are_counted_and_left_out_of_the_errors) {
  std::vector<Json> lines = executions(20, 10, 3, 2);
  for (size_t i = 0; i < 5; i++) {
    lines[i]["Timed Out"] = true;
    lines[i]["Execution Time"] = i < 3 ? 1e9 : 1e-6;
  }
  const Evaluation e = evaluate(
      command(write("train", text_of(executions(1, 15, 4, 1))), write("test", text_of(lines))),
      "cost");
  EXPECT_EQ(e.test_plans, 30u);
  EXPECT_EQ(e.total_time.q.count, 25u);
  EXPECT_EQ(e.censored, 5u);
  EXPECT_EQ(e.censored_below, 3u);
  EXPECT_LT(e.total_time.q.max, 1000);
  for (Json& line : lines) line["Timed Out"] = true;
  const Evaluation none =
      evaluate(command(directory_ / "train", write("cancelled", text_of(lines))), "cost");
  EXPECT_EQ(none.censored, 30u);
  EXPECT_TRUE(Json::parse(evaluation_json(none))["total_time"].is_null());
  EXPECT_TRUE(Json::parse(evaluation_json(none))["interval"]["coverage"].is_null());
}

TEST_F(EvaluateTest, operators_are_scored_where_they_ran_and_were_timed) {
  const fs::path train = write("train", text_of(executions(1, 15, 4, 1)));
  const Evaluation untimed =
      evaluate(command(train, write("a", text_of(executions(20, 5, 3, 2)))), "cost");
  const Evaluation timed =
      evaluate(command(train, write("b", text_of(executions(20, 5, 3, 2, true)))), "cost");
  EXPECT_FALSE(untimed.node_time.has_value());
  EXPECT_TRUE(Json::parse(evaluation_json(untimed))["node_time"].is_null());
  ASSERT_TRUE(timed.node_time.has_value());
  EXPECT_EQ(timed.node_time->q.count, 75u);
  EXPECT_EQ(timed.rows->q.count, 75u);

  std::vector<Json> lines = executions(20, 5, 3, 2, true);
  for (Json& line : lines) {
    Json& node = line["Plan"]["Plans"][0];
    for (const char* key : {"Actual Rows", "Actual Loops", "Actual Total Time"}) node[key] = 0;
  }
  const Evaluation skipped = evaluate(command(train, write("c", text_of(lines))), "cost");
  EXPECT_EQ(skipped.node_time->q.count, 60u) << "operators that never ran have no time";
  EXPECT_EQ(skipped.rows->q.count, 60u) << "nor rows";
}

// How far each model is from new executions of the queries that it was trained
// on, at the median. What the cost gets wrong here, the plans show.
TEST_F(EvaluateTest, every_model_learns_and_shuffled_times_teach_it_nothing) {
  const std::map<std::string, double> most{
      {"cost", 3}, {"cache", 2}, {"gbdt", 1.4}, {"rlstm", 1.8}, {"tree", 1.5}};
  std::vector<Json> lines = executions(1, 25, 16, 1);
  const fs::path test = write("test", text_of(executions(1, 25, 4, 2)));
  const EvaluateCommand honest = command(write("train", text_of(lines)), test);
  std::vector<double> times;
  for (const Json& line : lines) times.push_back(line["Execution Time"]);
  std::shuffle(times.begin(), times.end(), std::mt19937(7));
  for (size_t i = 0; i < lines.size(); i++) lines[i]["Execution Time"] = times[i];
  const EvaluateCommand shuffled = command(write("shuffled", text_of(lines)), test);
  for (const std::string& name : template_names()) {
    ASSERT_TRUE(most.contains(name)) << name << " has no bound here";
    const Evaluation learned = evaluate(honest, name);
    EXPECT_LT(learned.total_time.q.q50, most.at(name)) << name;
    EXPECT_GT(learned.coverage, 0.75) << name;
    // The members of a fusion, each by itself, were taught something too.
    EXPECT_EQ(learned.members.size(), name == "tree" ? member_names().size() : 0) << name;
    if (name == "tree") {
      EXPECT_LT(learned.members[1].q.q50, most.at("cost")) << member_names()[1];
    }
    EXPECT_GT(evaluate(shuffled, name).total_time.q.q50, most.at(name)) << name;
  }
}

}  // namespace
}  // namespace predictor::engine
