#include "plan/cost_bundle.h"

#include <gtest/gtest.h>

#include "plan/predict.h"
#include "plan/test_model.h"

namespace predictor {
namespace {

struct Opened {
  std::vector<uint64_t> words;
  Model model;
  BundleStatus status;

  explicit Opened(const std::vector<std::byte>& bundle) : words((bundle.size() + 7) / 8) {
    std::memcpy(words.data(), bundle.data(), bundle.size());
    status = model.open({reinterpret_cast<const std::byte*>(words.data()), bundle.size()},
                        test::fake_sha256);
  }

  PlanPrediction predict(const OwnedRecord& record) const {
    PredictorRecord view = record.view();
    auto workspace = std::make_unique<std::byte[]>(model.workspace_size(view.node_count));
    std::vector<NodePrediction> nodes(record.nodes.size());
    PlanPrediction plan;
    model.predict(view, workspace.get(), nodes.data(), plan);
    return plan;
  }
};

TEST(CostBundle, answers_with_the_cost_and_says_so) {
  CostFit fit;
  fit.cost = {std::log(0.01), 1.0};
  fit.low_offset = std::log(4.0);
  fit.high_offset = std::log(9.0);
  Opened opened(make_cost_bundle(fit, test::fake_sha256));
  ASSERT_EQ(opened.status, BundleStatus::kOk);
  std::mt19937 random(1);
  OwnedRecord record = test::random_plan(random, 5);
  record.nodes[0].total_cost = 5000;
  PlanPrediction plan = opened.predict(record);
  EXPECT_NEAR(plan.total_ms, 50, 0.01);
  EXPECT_NEAR(plan.low_ms, 12.5, 0.01);
  EXPECT_NEAR(plan.high_ms, 450, 0.1);
  EXPECT_EQ(plan.source, Source::kBaseline);
}

TEST(CostBundle, refuses_what_is_no_calibration) {
  CostFit fit;
  fit.cost.slope = std::nan("");
  EXPECT_TRUE(make_cost_bundle(fit, test::fake_sha256).empty());
  fit.cost.slope = 1;
  fit.low_offset = -1;
  EXPECT_TRUE(make_cost_bundle(fit, test::fake_sha256).empty());
}

}  // namespace
}  // namespace predictor
