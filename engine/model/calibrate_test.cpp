#include "engine/model/calibrate.h"

#include <gtest/gtest.h>

#include <random>

namespace predictor::engine {
namespace {

// `groups` queries of four executions each: the network errs by `network`, the forest by `forest`,
// the cost by 2, all in ln ms and independently.
std::vector<Withheld> withheld(int groups, double network, double forest) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  std::vector<Withheld> all;
  for (int g = 0; g < groups; g++) {
    const double off[] = {network * normal(random), forest * normal(random), 2 * normal(random)};
    for (int i = 0; i < 4; i++) {
      Withheld w;
      w.group = static_cast<uint64_t>(g);
      w.log_ms = 3;
      w.log_cost = w.log_ms + off[2];
      w.has_network = true;
      w.network.log_composed = w.log_ms + off[0];
      w.network.correction = 0;
      w.network.low_spread = w.network.high_spread = 0.5;
      w.network.log_forest = w.log_ms + off[1];
      all.push_back(w);
    }
  }
  return all;
}

TEST(FixedFusion, gives_network_and_forest_their_say) {
  const Blend blend = fixed_fusion(withheld(40, 0.3, 0.3), {.weight = 0.5}, 1);
  EXPECT_EQ(blend.weight, 1);
  EXPECT_GT(blend.forest, 0);
  EXPECT_NEAR(blend.forest_spread, predicted_spread(withheld(1, 0, 0)[0].network), 1e-9);
}

TEST(FixedFusion, gives_way_to_what_is_surely_better) {
  const Blend cost_alone{};
  EXPECT_EQ(fixed_fusion(withheld(40, 20, 20), cost_alone, 1).weight, 0);
  EXPECT_EQ(fixed_fusion(withheld(40, 0.3, 0.3), cost_alone, 1).weight, 1);
}

// What `trust` in the plan cache gets where cached times err by `cached` and say that they do.
double trust_in(double network, double cached) {
  std::vector<Withheld> all = withheld(100, network, network);
  std::mt19937 random(6);
  std::normal_distribution<double> normal;
  for (Withheld& w : all) {
    w.network.log_cached = w.log_ms + cached * normal(random);
    w.network.cached_variance = cached * cached;
  }
  return choose_cache(all, {.weight = 1}, 0.25).cache;
}

TEST(ChooseCache, trusts_it_more_only_where_that_is_surely_better) {
  EXPECT_EQ(choose_cache(withheld(40, 0.3, 0.3), {.weight = 1}, 0.25).cache, 0.25)
      << "nothing cached";
  EXPECT_GT(trust_in(2, 0.2), 0.25);
  EXPECT_LE(trust_in(0.2, 0.4), 0.25);
}

TEST(CalibrateInterval, holds_for_nine_executions_of_ten_that_ended) {
  std::vector<Withheld> all = withheld(250, 0.8, 0.8);
  const Blend blend{.weight = 1};
  const Blend calibrated = calibrate_interval(all, blend);
  int inside = 0;
  for (const Withheld& w : all) {
    const LogTime time = blend_log_time(calibrated, w.log_cost, w.network_or_null());
    inside += w.log_ms >= time.low && w.log_ms <= time.high;
  }
  EXPECT_NEAR(inside / static_cast<double>(all.size()), 0.9, 0.02);
  // Timers are learned away as well as can be, and say nothing of executions without.
  std::vector<Withheld> both = all;
  for (Withheld w : all) {
    w.timed = true;
    w.log_ms = w.network.log_composed;
    both.push_back(w);
  }
  EXPECT_EQ(calibrate_interval(both, blend).high_offset, calibrated.high_offset);
  // Nobody knows what a cancelled one would have taken.
  Withheld cancelled = all[0];
  cancelled.censored = true;
  cancelled.log_ms = 50;
  all.insert(all.end(), all.size(), cancelled);
  EXPECT_EQ(calibrate_interval(all, blend).high_offset, calibrated.high_offset);
}

// How often the interval that groups with normally distributed errors of the cost give holds those
// of another group.
double held_by(int groups) {
  constexpr int kDraws = 2000;
  std::mt19937 random(9);
  std::normal_distribution<double> normal;
  int inside = 0;
  for (int draw = 0; draw < kDraws; draw++) {
    std::vector<Withheld> all;
    for (int g = 0; g < groups; g++) {
      Withheld w;
      w.group = static_cast<uint64_t>(g);
      w.log_ms = normal(random);
      all.insert(all.end(), 3, w);
    }
    const Blend blend = calibrate_for_groups(all, {});
    const double other = normal(random);
    inside += -blend.low_offset <= other && other <= blend.high_offset;
  }
  return static_cast<double>(inside) / kDraws;
}

TEST(CalibrateForGroups, few_groups_reach_as_far_as_they_must) {
  EXPECT_GT(held_by(2), 0.95) << "they say next to nothing";
  for (int groups : {4, 8, 12, 18}) {
    EXPECT_GT(held_by(groups), 0.88) << groups;
    EXPECT_LT(held_by(groups), 0.98) << groups;
  }
  EXPECT_NEAR(held_by(100), 0.9, 0.03);
}

TEST(CalibrateForGroups, an_interval_that_was_there_before_does_not_matter) {
  const auto all = withheld(8, 0.8, 0.8);
  const Blend expected = calibrate_for_groups(all, {.weight = 1});
  for (double before : {-0.5, 0.7}) {
    const Blend blend{.weight = 1, .low_offset = before, .high_offset = before};
    EXPECT_EQ(calibrate_for_groups(all, blend).low_offset, expected.low_offset);
    EXPECT_EQ(calibrate_for_groups(all, blend).high_offset, expected.high_offset);
  }
}

TEST(CalibrateForGroups, a_group_alone_and_none_have_an_interval) {
  Withheld one;
  one.log_ms = 1;
  EXPECT_GT(calibrate_for_groups(std::span(&one, 1), {}).high_offset, 3);
  one.censored = true;
  EXPECT_GT(calibrate_for_groups(std::span(&one, 1), {}).high_offset, 0);
}

}  // namespace
}  // namespace predictor::engine
