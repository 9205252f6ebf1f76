#include "plan/root_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "plan/predict.h"
#include "plan/test_model.h"

namespace predictor {
namespace {

std::vector<std::byte> make_root_bundle(const RootContent& content, const PlanMedians& medians) {
  BundleWriter writer;
  writer.add(Section::kInfo, kInfoVersion, write_info({}));
  writer.add(Section::kRootModel, kRootModelVersion, write_root_model(content));
  writer.add(Section::kPlanMedians, kPlanMediansVersion, write_plan_medians(medians));
  Model model;
  const std::vector<std::byte> draft = writer.finish(test::fake_sha256);
  EXPECT_EQ(open_without_canary(model, draft), BundleStatus::kOk);
  writer.add(Section::kCanary, kCanaryVersion,
             write_canary(model, test::nested_loop_plan().view()));
  return writer.finish(test::fake_sha256);
}

RootContent some_content() {
  RootContent content;
  content.kind = RootKind::kCache;
  content.cost = {-4, 0.9};
  content.cost_reach = {1, 2};
  content.model_reach = {0.1, 0.2};
  content.unseen_weight = 0.5;
  content.unseen_reach = {0.7, 0.8};
  return content;
}

PlanPrediction ask(const RootContent& content, const PlanMedians& medians, const OwnedRecord& r,
                   std::vector<NodePrediction>& nodes) {
  const std::vector<std::byte> bundle = make_root_bundle(content, medians);
  Model model;
  EXPECT_EQ(model.open(bundle, test::fake_sha256), BundleStatus::kOk);
  return test::predict(model, r, nodes);
}

TEST(RootModel, a_remembered_plan_gets_its_median_and_another_the_calibrated_cost) {
  const OwnedRecord plan = test::nested_loop_plan();
  std::vector<NodePrediction> nodes;
  PlanPrediction known =
      ask(some_content(), {{plan.statement.signature}, {std::log(80.0f)}}, plan, nodes);
  EXPECT_NEAR(known.total_ms, 80, 1e-3);
  EXPECT_NEAR(known.low_ms, 80 * std::exp(-0.1), 1e-2);
  EXPECT_NEAR(known.high_ms, 80 * std::exp(0.2), 1e-2);
  EXPECT_EQ(known.source, Source::kCache);
  EXPECT_FALSE(known.out_of_distribution);
  const double cost_ms = std::exp(some_content().cost.log_ms(plan.nodes[0].total_cost));
  // Nodes keep their share of the root's cost.
  for (size_t i = 0; i < nodes.size(); i++)
    EXPECT_NEAR(nodes[i].total_ms,
                80 / cost_ms * std::exp(some_content().cost.log_ms(plan.nodes[i].total_cost)),
                1e-3 * nodes[i].total_ms);
  PlanPrediction other = ask(some_content(), {{plan.statement.signature + 1}, {3.0f}}, plan, nodes);
  EXPECT_NEAR(other.total_ms, cost_ms, 1e-4 * cost_ms);
  EXPECT_NEAR(other.high_ms, cost_ms * std::exp(2), 1e-3 * cost_ms);
  EXPECT_EQ(other.source, Source::kBaseline);
}

TEST(RootModel, a_query_unlike_the_trainings_is_followed_as_far_as_told_and_marked) {
  const OwnedRecord plan = test::nested_loop_plan();
  RootContent content = some_content();
  content.queries = {query_key(plan.view()) - 1, query_key(plan.view()) + 1};
  std::vector<NodePrediction> nodes;
  PlanPrediction unseen =
      ask(content, {{plan.statement.signature}, {std::log(80.0f)}}, plan, nodes);
  const double log_cost = content.cost.log_ms(plan.nodes[0].total_cost);
  EXPECT_NEAR(unseen.total_ms, std::exp((log_cost + std::log(80)) / 2), 1e-3 * unseen.total_ms);
  EXPECT_NEAR(unseen.high_ms, unseen.total_ms * std::exp(0.8), 1e-3 * unseen.high_ms);
  EXPECT_TRUE(unseen.out_of_distribution);
  content.queries = {query_key(plan.view())};
  EXPECT_FALSE(ask(content, {{plan.statement.signature}, {0.0f}}, plan, nodes).out_of_distribution);
}

TEST(RootModel, damaged_sections_are_refused_or_answer_with_numbers) {
  std::mt19937 random(3);
  const OwnedRecord plan = test::nested_loop_plan();
  const std::vector<std::byte> root = write_root_model(some_content());
  const std::vector<std::byte> medians = write_plan_medians({{1, 5, 9}, {1.0f, 2.0f, 3.0f}});
  for (int trial = 0; trial < 2000; trial++) {
    std::vector<std::byte> parts[] = {root, medians};
    std::vector<std::byte>& broken = parts[random() % 2];
    if (trial % 4 == 0)
      broken.resize(random() % broken.size());
    else
      broken[random() % broken.size()] ^= static_cast<std::byte>(1 << random() % 8);
    BundleWriter writer;
    writer.add(Section::kInfo, kInfoVersion, write_info({}));
    writer.add(Section::kRootModel, kRootModelVersion, parts[0]);
    writer.add(Section::kPlanMedians, kPlanMediansVersion, parts[1]);
    const std::vector<std::byte> bundle = writer.finish(test::fake_sha256);
    Model model;
    if (open_without_canary(model, bundle) != BundleStatus::kOk) continue;
    std::vector<NodePrediction> nodes;
    const PlanPrediction answer = test::predict(model, plan, nodes);
    EXPECT_LE(answer.low_ms, answer.total_ms);
    EXPECT_LE(answer.total_ms, answer.high_ms);
  }
}

}  // namespace
}  // namespace predictor
