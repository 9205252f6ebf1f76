// What is known of plans that were executed before, and how much it counts.
#include "plan/plan_cache.h"

#include <gtest/gtest.h>

#include "plan/calibration.h"

namespace predictor {
namespace {

TEST(PlanCache, keys_tell_plans_and_constants_apart) {
  PredictorStatement s{};
  s.signature = 5;
  EXPECT_NE(plan_key(s), 0u);
  EXPECT_NE(exact_plan_key(s), plan_key(s)) << "without constants, not with any";
  PredictorStatement other = s;
  other.constants = 7;
  EXPECT_EQ(plan_key(s), plan_key(other));
  EXPECT_NE(exact_plan_key(other), plan_key(other));
  other.constants = 8;
  EXPECT_NE(exact_plan_key(other), exact_plan_key(s));
}

TEST(PlanCache, is_a_table_in_place) {
  std::vector<CachedTime> entries = {{3, 1, 0.5f, 9, 0}, {4, 2, 0.5f, 1, 0}};
  auto bytes = PlanCache::write(entries, 1);
  PlanCache cache;
  EXPECT_EQ(cache.find(3)->count, 0) << "not open";
  ASSERT_TRUE(cache.open(bytes));
  EXPECT_EQ(cache.find(3)->log_ms, 1);
  EXPECT_EQ(cache.find(4)->count, 0) << "beyond the limit";
}

struct Witnesses {
  Blend blend{.weight = 1, .cache = 1};
  NetworkTime network{.log_composed = 2, .correction = 0, .low_spread = 1, .high_spread = 1};
  LogTime blended() const { return blend_log_time(blend, 0, &network); }
};

TEST(BlendLogTime, a_cached_time_counts_by_its_spread) {
  Witnesses w;
  const LogTime alone = w.blended();
  EXPECT_EQ(alone.cache_weight, 0);
  w.network.log_cached = 4;
  w.network.cached_variance = 1e-4;
  const LogTime sure = w.blended();
  EXPECT_NEAR(sure.median, 4, 0.01);
  EXPECT_LT(sure.high - sure.low, 0.2 * (alone.high - alone.low));
  EXPECT_GT(sure.cache_weight, 0.9);
  w.network.cached_variance = 100;
  const LogTime vague = w.blended();
  EXPECT_NEAR(vague.median, alone.median, 0.05);
  EXPECT_LT(vague.cache_weight, 0.1);
  w.blend.cache = 0;
  EXPECT_EQ(w.blended().median, alone.median);
}

TEST(BlendLogTime, steady_times_are_trusted_whatever_the_trust_in_others) {
  Witnesses w;
  w.network.low_spread = w.network.high_spread = -9;
  w.network.log_cached = 2.1;
  auto weight = [&w](double spread, double trust) {
    w.network.cached_variance = spread * spread;
    w.blend.cache = trust;
    return w.blended().cache_weight;
  };
  EXPECT_NEAR(weight(0.01, 0.25), weight(0.01, 4), 0.01);
  EXPECT_LT(weight(0.08, 0.25), 0.6 * weight(0.08, 4));
  EXPECT_GT(weight(0.02, 16), weight(0.02, 4)) << "more trust stays what it is";
}

TEST(BlendLogTime, the_forest_moves_median_and_interval_alike) {
  Witnesses w;
  const LogTime alone = w.blended();
  w.blend.forest = 0.5;
  EXPECT_EQ(w.blended().median, alone.median) << "there is none";
  w.network.log_forest = 4;
  const LogTime both = w.blended();
  EXPECT_NEAR(both.median, 3, 1e-9);
  EXPECT_NEAR(both.high - both.low, alone.high - alone.low, 1e-9);
}

TEST(BlendLogTime, the_less_sure_the_network_is_the_more_the_forest_counts) {
  Witnesses w;
  w.network.log_forest = 4;
  w.blend.forest = 0.5;
  w.blend.forest_spread = predicted_spread(w.network);
  EXPECT_NEAR(w.blended().median, 2.5, 1e-6) << "half of its most";
  w.network.low_spread = w.network.high_spread = -9;
  EXPECT_NEAR(w.blended().median, 2, 1e-3) << "the network is sure";
  w.network.low_spread = w.network.high_spread = 99;
  EXPECT_NEAR(w.blended().median, 3, 1e-2) << "it is not";
  w.network.high_spread = std::nanf("");
  EXPECT_TRUE(std::isfinite(w.blended().median));
}

}  // namespace
}  // namespace predictor
