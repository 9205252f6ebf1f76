#include "plan/judge.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "plan/cost_bundle.h"
#include "plan/test_model.h"

namespace predictor {
namespace {

// A model that says `ms_per_cost` for each unit of cost, within a factor of two.
struct CostJudge {
  std::vector<uint64_t> words;
  Model model;

  explicit CostJudge(double ms_per_cost) {
    CostFit fit;
    fit.cost = {std::log(ms_per_cost), 1};
    fit.low_offset = fit.high_offset = std::log(2.0);
    const std::vector<std::byte> bundle = make_cost_bundle(fit, test::fake_sha256);
    words.resize((bundle.size() + 7) / 8);
    std::memcpy(words.data(), bundle.data(), bundle.size());
    EXPECT_EQ(
        model.open({reinterpret_cast<const std::byte*>(words.data()), bundle.size()}, nullptr),
        BundleStatus::kOk);
  }
};

struct HoldOut {
  std::vector<std::byte> bytes;

  void add(uint64_t query, double cost, double ms, uint16_t flags = 0,
           uint8_t instrumentation = PREDICTOR_INSTRUMENT_NONE) {
    OwnedRecord record = test::nested_loop_plan();
    record.statement.query_id = query;
    record.statement.total_time = ms;
    record.statement.flags = flags;
    record.statement.instrumentation = instrumentation;
    record.nodes[0].total_cost = cost;
    const size_t at = bytes.size();
    bytes.resize(at + encoded_size(record.view().node_count));
    const size_t written = encode_record(record.view(), std::span(bytes).subspan(at));
    ASSERT_GT(written, 0u);
    bytes.resize(at + written);
  }
};

// Statements that take 0.01 ms for each unit of cost, give or take a tenth.
HoldOut typical() {
  HoldOut hold_out;
  for (uint64_t query = 1; query <= 12; query++)
    for (int i = 0; i < 5; i++)
      hold_out.add(query, 1000.0 * query, 10.0 * query * (0.9 + 0.05 * i));
  return hold_out;
}

TEST(Judge, the_better_model_wins_and_the_worse_loses) {
  const CostJudge right(0.01), wrong(0.03);
  const HoldOut hold_out = typical();
  Comparison up = compare(wrong.model, right.model, hold_out.bytes, 1);
  EXPECT_EQ(up.statements, 60u);
  EXPECT_EQ(up.queries, 12u);
  EXPECT_TRUE(up.is_better);
  EXPECT_FALSE(up.is_worse);
  EXPECT_NEAR(up.champion.q50, 3.0, 0.2);
  EXPECT_NEAR(up.challenger.q50, 1.05, 0.05);
  EXPECT_LE(up.q50.low, up.q50.value);
  EXPECT_LT(up.q50.high, 0);
  Comparison down = compare(right.model, wrong.model, hold_out.bytes, 1);
  EXPECT_TRUE(down.is_worse);
  EXPECT_FALSE(down.is_better);
}

TEST(Judge, a_model_is_neither_better_nor_worse_than_itself) {
  const CostJudge model(0.013);
  Comparison same = compare(model.model, model.model, typical().bytes, 1);
  EXPECT_FALSE(same.is_better);
  EXPECT_FALSE(same.is_worse);
  EXPECT_EQ(same.q50.value, 0);
}

TEST(Judge, coverage_is_counted_for_the_source_that_answered) {
  const CostJudge right(0.01), wrong(0.03);
  Comparison result = compare(wrong.model, right.model, typical().bytes, 1);
  const auto source = static_cast<size_t>(Source::kBaseline);
  EXPECT_EQ(result.challenger.answered[source], 60u);
  EXPECT_EQ(result.challenger.inside[source], 60u);
  EXPECT_EQ(result.champion.inside[source], 0u);
}

TEST(Judge, of_a_cancelled_execution_only_an_answer_below_its_time_is_an_error) {
  const CostJudge low(0.001), high(1.0);
  HoldOut hold_out;
  for (uint64_t query = 1; query <= 30; query++)
    hold_out.add(query, 1000, 100, PREDICTOR_STATEMENT_TIMED_OUT);
  Comparison result = compare(low.model, high.model, hold_out.bytes, 1);
  EXPECT_NEAR(result.champion.q50, 100, 1);
  EXPECT_EQ(result.challenger.q50, 1);
  EXPECT_TRUE(result.is_better);
  EXPECT_EQ(result.challenger.answered[0], 0u);
}

TEST(Judge, timed_executions_do_not_count_beside_enough_untimed_ones) {
  const CostJudge right(0.01), wrong(0.03);
  HoldOut hold_out = typical();
  for (uint64_t query = 1; query <= 12; query++)
    for (int i = 0; i < 50; i++) hold_out.add(query, 1000, 30, 0, PREDICTOR_INSTRUMENT_TIMERS);
  EXPECT_EQ(compare(wrong.model, right.model, hold_out.bytes, 1).statements, 60u);
}

TEST(Judge, too_little_to_say_is_no_verdict) {
  const CostJudge right(0.01), wrong(0.03);
  HoldOut one_query, nothing;
  for (int i = 0; i < 100; i++) one_query.add(1, 1000, 10);
  for (const HoldOut& hold_out : {one_query, nothing}) {
    Comparison result = compare(wrong.model, right.model, hold_out.bytes, 1);
    EXPECT_FALSE(result.is_better);
    EXPECT_FALSE(result.is_worse);
  }
}

TEST(Judge, damaged_records_end_the_reading) {
  const CostJudge model(0.01);
  HoldOut hold_out = typical();
  const size_t half = hold_out.bytes.size() / 2;
  for (size_t i = half; i < hold_out.bytes.size(); i++) hold_out.bytes[i] = std::byte{0xff};
  Comparison result = compare(model.model, model.model, hold_out.bytes, 1);
  EXPECT_GT(result.statements, 0u);
  EXPECT_LT(result.statements, 60u);
}

}  // namespace
}  // namespace predictor
