// What training puts into the plan cache.
#include "engine/model/plan_cache_builder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "engine/model/test_workload.h"

namespace predictor::engine {
namespace {

struct Setting {
  std::vector<OwnedRecord> records;

  void run(uint64_t signature, uint64_t constants, double ms, bool cancelled = false) {
    OwnedRecord r = test::Workload(1).run(1, 1)[0];
    r.statement.signature = signature;
    r.statement.constants = constants;
    r.statement.key_id = 1;
    r.statement.total_time = ms;
    r.statement.flags = cancelled ? PREDICTOR_STATEMENT_TIMED_OUT : 0;
    records.push_back(r);
  }
  std::vector<CachedTime> build(float shift = 0) const {
    Dataset data = encode_dataset(records);
    std::vector<int> plans(static_cast<size_t>(data.plans()));
    std::iota(plans.begin(), plans.end(), 0);
    std::vector<float> shifts(plans.size(), shift);
    return build_plan_cache(records, data, plans, shifts);
  }
};

TEST(PlanCacheBuilder, spreads_are_learned_from_plans_executed_more_than_once) {
  Setting once;
  for (uint64_t plan = 1; plan < 40; plan++) once.run(plan, plan, 10);
  EXPECT_TRUE(once.build().empty()) << "nothing is known of how times vary";

  Setting often;
  for (int i = 0; i < 30; i++) often.run(1, 0, i % 2 ? 100 : 10);
  for (int i = 0; i < 30; i++) often.run(2, 0, 20);
  often.run(3, 0, 20);
  const auto entries = often.build();
  ASSERT_EQ(entries.size(), 6u) << "each with whatever constants, and with none";
  EXPECT_NEAR(entries[0].log_ms + entries[1].log_ms, std::log(std::sqrt(1000.0)) + std::log(20),
              1e-4);
  const CachedTime& rare = entries[4];
  EXPECT_EQ(rare.count, 1);
  EXPECT_GT(rare.variance, std::min(entries[0].variance, entries[1].variance));
  EXPECT_GT(rare.variance, 0.5 * std::max(entries[0].variance, entries[1].variance));
}

TEST(PlanCacheBuilder, one_constant_does_not_say_how_others_vary) {
  Setting same, varied;
  for (uint64_t i = 0; i < 30; i++) same.run(1, 7, 20), varied.run(1, i % 2 + 1, 20);
  const auto entries = same.build();
  ASSERT_EQ(entries.size(), 2u) << "with whatever constants, and with these";
  EXPECT_GT(std::max(entries[0].variance, entries[1].variance), 0.01);
  EXPECT_LT(std::min(entries[0].variance, entries[1].variance), 0.001);
  for (const CachedTime& entry : varied.build()) EXPECT_LT(entry.variance, 0.001);
}

TEST(PlanCacheBuilder, what_mostly_happened_counts) {
  Setting setting;
  setting.run(1, 0, 2000);  // with nothing in memory yet
  for (int i = 0; i < 30; i++) setting.run(1, 0, 20);
  setting.run(2, 0, 10), setting.run(2, 0, 40);
  const auto entries = setting.build();
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_NEAR(entries[0].log_ms, std::log(20), 1e-4);
  EXPECT_NEAR(entries[2].log_ms, std::log(20), 1e-4) << "between two";
}

TEST(PlanCacheBuilder, leaves_out_cancelled_statements_and_takes_instrumentation_off) {
  Setting setting;
  for (int i = 0; i < 30; i++) setting.run(1, 9, 20);
  setting.run(2, 9, 500, true);
  const auto entries = setting.build(0.5f);
  ASSERT_EQ(entries.size(), 2u) << "the plan, and the plan with its constants";
  for (const CachedTime& entry : entries) EXPECT_NEAR(entry.log_ms, std::log(20) - 0.5, 1e-4);
}

}  // namespace
}  // namespace predictor::engine
