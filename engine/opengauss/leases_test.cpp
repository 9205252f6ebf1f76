#include "engine/opengauss/leases.h"

#include <gtest/gtest.h>

#include <thread>

namespace predictor::engine::opengauss {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const TrainedModel> some_model() { return std::make_shared<TrainedModel>(); }

TEST(Leases, a_prediction_is_about_the_model_of_the_setup) {
  Leases leases({});
  const auto model = some_model();
  EXPECT_EQ(leases.take("db"), nullptr);
  EXPECT_TRUE(leases.grant("db", "m", model));
  EXPECT_EQ(leases.take("other"), nullptr);
  EXPECT_EQ(leases.take("db"), model);
  EXPECT_EQ(leases.take("db"), nullptr);
}

TEST(Leases, setups_for_one_model_do_not_wait) {
  Leases leases({.patience = 1h});
  for (int i = 0; i < 20; i++) EXPECT_TRUE(leases.grant("db", "m", some_model()));
  for (int i = 0; i < 20; i++) EXPECT_NE(leases.take("db"), nullptr);
  EXPECT_EQ(leases.take("db"), nullptr);
}

TEST(Leases, a_setup_for_another_model_waits_for_the_prediction) {
  Leases leases({.term = 1h, .patience = 1h});
  const auto second = some_model();
  ASSERT_TRUE(leases.grant("db", "first", some_model()));
  bool granted = false;
  std::thread waiting([&] { granted = leases.grant("db", "second", second); });
  EXPECT_NE(leases.take("db"), second);
  waiting.join();
  EXPECT_TRUE(granted);
  EXPECT_EQ(leases.take("db"), second);
}

TEST(Leases, patience_ends_and_another_client_is_not_concerned) {
  Leases leases({.term = 1h, .patience = 1ms});
  ASSERT_TRUE(leases.grant("db", "first", some_model()));
  EXPECT_FALSE(leases.grant("db", "second", some_model()));
  EXPECT_TRUE(leases.grant("other", "second", some_model()));
}

TEST(Leases, a_client_that_vanishes_leaves_no_lock) {
  Leases leases({.term = 1ms, .patience = 1h});
  ASSERT_TRUE(leases.grant("db", "first", some_model()));
  EXPECT_TRUE(leases.grant("db", "second", some_model()));
}

TEST(Leases, there_are_never_too_many) {
  Leases leases({.term = 1h, .patience = 1ms, .per_client = 3});
  for (int i = 0; i < 3; i++) EXPECT_TRUE(leases.grant("db", "m", some_model()));
  EXPECT_FALSE(leases.grant("db", "m", some_model()));
  Leases crowded({.term = 1h, .patience = 1h, .waiting = 0});
  ASSERT_TRUE(crowded.grant("db", "first", some_model()));
  EXPECT_FALSE(crowded.grant("db", "second", some_model()));
}

}  // namespace
}  // namespace predictor::engine::opengauss
