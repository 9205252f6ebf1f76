#include "engine/model/tree_template.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>

#include "engine/model/test_workload.h"
#include "plan/plan_cache.h"
#include "plan/predict.h"

namespace predictor::engine {
namespace {

struct Served {
  TrainingResult result;
  std::vector<uint64_t> words;
  Model model;

  explicit Served(std::span<const OwnedRecord> records, TrainingOptions options = {}) {
    result = make_template("tree")->train(records, options,
                                          [](const TrainingProgress&) { return true; });
    words.resize((result.bundle.size() + 7) / 8);
    std::memcpy(words.data(), result.bundle.data(), result.bundle.size());
    std::span bytes(reinterpret_cast<const std::byte*>(words.data()), result.bundle.size());
    EXPECT_EQ(model.open(bytes, openssl_sha256), BundleStatus::kOk);
  }

  PlanPrediction predict(const OwnedRecord& r) const {
    PredictorRecord view = r.view();
    auto workspace = std::make_unique<std::byte[]>(model.workspace_size(view.node_count));
    std::vector<NodePrediction> nodes(r.nodes.size());
    PlanPrediction plan;
    model.predict(view, workspace.get(), nodes.data(), plan);
    return plan;
  }
};

std::string error_of(std::span<const OwnedRecord> records) {
  try {
    make_template("tree")->train(records, {}, nullptr);
  } catch (const TrainingError& error) {
    return error.what();
  }
  return "";
}

// What a test may learn from one training, since each costs seconds.
TEST(TreeTemplate, learns_a_workload_and_answers_new_constants_and_new_queries) {
  test::Workload workload(5);
  auto records = workload.run(12, 30);
  TrainingOptions options;
  options.max_epochs = 50;
  Served served(records, options);
  EXPECT_EQ(served.result.plans, records.size());
  EXPECT_NEAR(static_cast<double>(served.result.validation.count), 0.24 * records.size(),
              0.03 * records.size())
      << "an eighth withheld from each of two networks";
  EXPECT_LT(served.result.validation.q50, 1.15);
  EXPECT_LT(served.result.validation.q95, served.result.baseline.q95);
  EXPECT_GT(served.result.coverage, 0.7);

  std::vector<double> errors, baseline;
  int inside = 0;
  for (OwnedRecord& r : workload.run(12, 10, false)) {
    PlanPrediction plan = served.predict(r);
    EXPECT_EQ(plan.source, Source::kNetwork);
    EXPECT_FALSE(plan.out_of_distribution);
    errors.push_back(q_error(plan.total_ms, r.statement.total_time));
    baseline.push_back(
        q_error(std::exp(served.model.calibration().cost.log_ms(r.nodes[0].total_cost)),
                r.statement.total_time));
    inside += r.statement.total_time >= plan.low_ms && r.statement.total_time <= plan.high_ms;
  }
  EXPECT_LT(summarize_q_errors(errors).q50, 1.15);
  EXPECT_LT(summarize_q_errors(errors).q50, summarize_q_errors(baseline).q50);
  EXPECT_GT(inside, static_cast<int>(errors.size()) * 7 / 10);

  // Executions that were withheld to calibrate are remembered, too.
  std::map<uint64_t, float> executions;
  for (const OwnedRecord& r : records) {
    executions[plan_key(r.statement)]++;
    executions[exact_plan_key(r.statement)]++;
  }
  for (const OwnedRecord& r : records) {
    std::vector<std::byte> workspace(served.model.workspace_size(r.view().node_count));
    const CachedTime* cached = served.model.evaluate(r.view(), workspace.data()).cached;
    ASSERT_NE(cached->key, 0u);
    EXPECT_EQ(cached->count, executions[cached->key]);
  }

  // A query is known again by its constants, whatever its plan costs today.
  const auto familiarity = [&served](const OwnedRecord& r) {
    std::vector<std::byte> workspace(served.model.workspace_size(r.view().node_count));
    return served.model.evaluate(r.view(), workspace.data()).familiarity;
  };
  OwnedRecord again = *std::find_if(records.begin(), records.end(), [](const OwnedRecord& r) {
    return r.nodes[0].op == PREDICTOR_OP_AGGREGATE;
  });
  for (PredictorNode& n : again.nodes) n.total_cost *= 2;
  EXPECT_EQ(familiarity(again), kRepeated);
  EXPECT_FALSE(served.predict(again).out_of_distribution);
  // What it aggregates is known, however many processes do it.
  again.nodes[0].partial_mode = 2;
  EXPECT_EQ(familiarity(again), kRepeated);
  again.nodes[0].selection = 5;
  EXPECT_EQ(familiarity(again), kSeenPlan) << "with a HAVING";
  again.nodes[0].selection = 0;
  again.nodes[0].op = PREDICTOR_OP_LIMIT;
  EXPECT_EQ(familiarity(again), kSeenPlan);
  again.nodes[0].op = PREDICTOR_OP_AGGREGATE;
  again.nodes[2].constants++;
  EXPECT_EQ(familiarity(again), kSeenPlan);
  // Each of these queries always had the same plan, so nobody knows how well another is predicted.
  const PlanPrediction seen = served.predict(again);
  again.statement.signature++;
  EXPECT_EQ(familiarity(again), kSeenQuery);
  const PlanPrediction replanned = served.predict(again);
  EXPECT_GT(std::log(replanned.high_ms / replanned.low_ms),
            2 * std::log(seen.high_ms / seen.low_ms));
  const auto blends = served.model.calibration().blend;
  EXPECT_GT(blends[kSeenQuery].low_offset + blends[kSeenQuery].high_offset,
            blends[kSeenPlan].low_offset + blends[kSeenPlan].high_offset);

  OwnedRecord unseen = workload.execute(1000, false);
  PlanPrediction plan = served.predict(unseen);
  EXPECT_TRUE(plan.out_of_distribution);
  EXPECT_TRUE(std::isfinite(plan.total_ms));

  // Of a database where nothing has a known name, nothing that was withheld says anything.
  for (PredictorNode& n : unseen.nodes)
    if (n.relation != 0) n.relation += 1000;
  plan = served.predict(unseen);
  EXPECT_TRUE(plan.out_of_distribution);
  EXPECT_EQ(plan.source, Source::kBaseline);
  EXPECT_NEAR(std::log(plan.total_ms),
              served.model.calibration().cost.log_ms(unseen.nodes[0].total_cost), 1e-4);
  EXPECT_GE(plan.high_ms / plan.total_ms, 29.9);
  EXPECT_GE(plan.total_ms / plan.low_ms, 29.9);
}

TEST(TreeTemplate, repeated_queries_and_plans_are_calibrated_by_themselves) {
  auto records = test::Workload(7).run(12, 25, false);
  // Each comes back with another plan of the same rows and another time, and with the same.
  const size_t once = records.size();
  for (size_t i = 0; i < once; i++) {
    OwnedRecord again = records[i];
    records.push_back(again);
    for (PredictorNode& n : again.nodes) n.total_cost *= 2, n.actual_total *= 2;
    again.statement.total_time *= 2;
    again.statement.signature++;
    records.push_back(again);
  }
  TrainingOptions options;
  options.max_epochs = 5;
  const Served served(records, options);
  const auto blends = served.model.calibration().blend;
  const auto differ = [](const Blend& a, const Blend& b) {
    return a.low_offset != b.low_offset || a.high_offset != b.high_offset;
  };
  EXPECT_TRUE(differ(blends[kRepeated], blends[kSeenPlan]));
  EXPECT_NE(blends[kRepeated].forest_spread, blends[kSeenPlan].forest_spread);
  EXPECT_TRUE(differ(blends[kSamePlan], blends[kRepeated]));
  EXPECT_GT(blends[kSamePlan].cache, blends[kRepeated].cache);

  std::vector<double> errors;
  for (size_t i = 0; i < once; i++) {
    std::vector<std::byte> workspace(served.model.workspace_size(records[i].view().node_count));
    EXPECT_EQ(served.model.evaluate(records[i].view(), workspace.data()).familiarity, kSamePlan);
    const PlanPrediction plan = served.predict(records[i]);
    EXPECT_EQ(plan.source, Source::kCache);
    errors.push_back(q_error(plan.total_ms, records[i].statement.total_time));
  }
  EXPECT_LT(summarize_q_errors(errors).q95, 1.02) << "however little the network learned";
}

TEST(TreeTemplate, reports_without_constants_are_answered_by_what_they_took) {
  // Each query is all its own group; the network learns next to nothing.
  std::vector<OwnedRecord> records;
  test::Workload workload(8);
  for (int query = 0; query < 60; query++) {
    OwnedRecord report = workload.execute(query, false);
    report.nodes[2].constants = report.nodes[2].coarse = 0;
    report.statement.constants = 0;
    for (int i = 0; i < 8; i++) {
      report.statement.total_time *= i % 2 == 0 ? 1.02 : 1 / 1.02;
      records.push_back(report);
    }
  }
  TrainingOptions options;
  options.max_epochs = 3;
  const Served served(records, options);
  std::vector<double> errors;
  int inside = 0;
  for (const OwnedRecord& r : records) {
    const PlanPrediction plan = served.predict(r);
    EXPECT_EQ(plan.source, Source::kCache);
    errors.push_back(q_error(plan.total_ms, r.statement.total_time));
    inside += plan.low_ms <= r.statement.total_time && r.statement.total_time <= plan.high_ms;
    EXPECT_LT(plan.high_ms / plan.low_ms, 1.5) << "calibrated on reports that ran before";
  }
  EXPECT_LT(summarize_q_errors(errors).q95, 1.05);
  EXPECT_GT(inside, static_cast<int>(records.size()) * 8 / 10);
}

TEST(TreeTemplate, shuffled_times_cannot_be_learned) {
  auto records = test::Workload(6).run(12, 15);
  std::mt19937 random(7);
  std::vector<PredictorStatement> statements;
  for (OwnedRecord& r : records) statements.push_back(r.statement);
  std::shuffle(statements.begin(), statements.end(), random);
  for (size_t i = 0; i < records.size(); i++) {
    records[i].statement.total_time = statements[i].total_time;
    for (PredictorNode& n : records[i].nodes) n.flags &= ~PREDICTOR_NODE_HAS_TIME;
  }
  TrainingOptions options;
  options.max_epochs = 15;
  Served served(records, options);
  EXPECT_GT(served.result.validation.q50, 1.3);
}

TEST(TreeTemplate, too_little_or_useless_input_is_refused_in_a_sentence) {
  EXPECT_NE(error_of({}).find("at least 10"), std::string::npos);
  auto records = test::Workload(8).run(3, 10);
  EXPECT_NE(error_of(std::span(records).first(9)).find("only 9 of the 9"), std::string::npos);
  for (OwnedRecord& r : records) r.statement.flags |= PREDICTOR_STATEMENT_TIMED_OUT;
  EXPECT_NE(error_of(records).find("cancelled"), std::string::npos);
  for (OwnedRecord& r : records) r.statement.flags = PREDICTOR_STATEMENT_PARTIAL;
  EXPECT_NE(error_of(records).find("only 0 of the 30"), std::string::npos);
  EXPECT_EQ(make_template("oracle"), nullptr);
}

TEST(TreeTemplate, one_query_or_equal_plans_give_the_calibrated_cost) {
  test::Workload workload(9);
  std::vector<OwnedRecord> equal(20, workload.execute(0, false));
  Served served(equal);
  PlanPrediction plan = served.predict(equal[0]);
  EXPECT_EQ(plan.source, Source::kBaseline);
  EXPECT_NEAR(plan.total_ms, equal[0].statement.total_time, 0.01 * plan.total_ms);
  EXPECT_LT(plan.low_ms, 0.995 * plan.total_ms);
  EXPECT_GT(plan.high_ms, 1.005 * plan.total_ms);
  // Ten that are alike say less of what the next one will take than twenty.
  Served few(std::span<const OwnedRecord>(equal).first(10));
  PlanPrediction of_few = few.predict(equal[0]);
  EXPECT_GT(of_few.high_ms / of_few.low_ms, plan.high_ms / plan.low_ms);
  EXPECT_GT(of_few.high_ms / of_few.low_ms, 1.15);
}

TEST(TreeTemplate, without_memory_no_rows_are_remembered) {
  const auto records = test::Workload(12).run(8, 6);
  TrainingOptions options;
  options.max_epochs = 2;
  options.remember_rows = false;
  Served served(records, options);
  PredictorRecord view = records[0].view();
  auto workspace = std::make_unique<std::byte[]>(served.model.workspace_size(view.node_count));
  Model::Evaluation found = served.model.evaluate(view, workspace.get());
  for (int i = 0; i < view.node_count; i++) EXPECT_EQ(found.recalled_rows(i), 0);
}

TEST(TreeTemplate, absurd_numbers_do_no_harm) {
  auto records = test::Workload(10).run(10, 4);
  for (size_t i = 0; i < records.size(); i++) {
    PredictorNode& n = records[i].nodes[i % 5];
    if (i % 4 == 0) n.plan_rows = 1e300;
    if (i % 4 == 1) n.total_cost = 1e300;
    if (i % 4 == 2) n.actual_total = 1e300, n.actual_rows = 1e300;
    if (i % 4 == 3) n.actual_memory = n.plan_rows = n.startup_cost = test::kNan;
    if (i % 10 == 0) records[i].statement.total_time = 1e12;
    if (i % 10 == 5) records[i].statement.flags |= PREDICTOR_STATEMENT_TIMED_OUT;
  }
  TrainingOptions options;
  options.max_epochs = 3;
  Served served(records, options);
  for (const OwnedRecord& r : records) EXPECT_TRUE(std::isfinite(served.predict(r).total_ms));
}

TEST(TreeTemplate, cancels_at_the_first_sign) {
  auto records = test::Workload(11).run(6, 4);
  EXPECT_THROW(make_template("tree")->train(records, {},
                                            [](const TrainingProgress& p) { return p.epoch < 1; }),
               TrainingCancelled);
}

TEST(QErrorSummary, quantiles_and_floor) {
  EXPECT_EQ(q_error(0, 0), 1);
  EXPECT_EQ(q_error(1, 4), 4);
  EXPECT_EQ(q_error(4, 1), 4);
  std::vector<double> errors;
  for (int i = 1; i <= 100; i++) errors.push_back(i);
  QError q = summarize_q_errors(errors);
  EXPECT_EQ(q.q50, 50);
  EXPECT_EQ(q.q95, 95);
  EXPECT_EQ(q.max, 100);
  EXPECT_EQ(q.count, 100u);
  EXPECT_EQ(summarize_q_errors({}).count, 0u);
}

}  // namespace
}  // namespace predictor::engine
