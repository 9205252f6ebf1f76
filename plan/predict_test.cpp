#include "plan/predict.h"

#include <gtest/gtest.h>

#include "plan/kernels.h"
#include "plan/test_model.h"

namespace predictor {
namespace {

// The network as its head comment says it, without a thought for speed.
class PlainNetwork {
 public:
  explicit PlainNetwork(const NetworkWeights& w) : w_(w) {}

  std::vector<float> run(const OwnedRecord& r, const std::vector<NodeFeatures>& features,
                         const std::vector<uint32_t>& rows) {
    std::vector<std::vector<double>> state(r.nodes.size());
    for (size_t i = 0; i < r.nodes.size(); i++) state[i] = input(features[i], &rows[i * 4]);
    std::vector<float> out;
    for (size_t i = r.nodes.size(); i-- > 0;) {
      std::vector<double> v = relu(state[i]);
      std::vector<double> gate = relu(multiply(v, w_.cell, w_.cell_bias));
      double squares = 1e-6 * w_.hidden;
      for (size_t j = 0; j < v.size(); j++) v[j] += gate[j], squares += v[j] * v[j];
      for (double& x : v) x /= std::sqrt(squares / w_.hidden);
      state[i] = v;
      if (i == 0) break;
      auto sent = multiply(v, w_.message[child_role(r.nodes[i].relationship)], {});
      for (size_t j = 0; j < v.size(); j++) state[r.nodes[i].parent][j] += sent[j];
    }
    for (auto& h : state)
      for (double x : multiply(relu(multiply(h, w_.head, w_.head_bias)), w_.output, w_.output_bias))
        out.push_back(static_cast<float>(x));
    return out;
  }

 private:
  std::vector<double> input(const NodeFeatures& f, const uint32_t* rows) {
    std::vector<double> x;
    for (int k = 0; k < kNumericCount; k++)
      x.push_back(std::clamp(f.numeric[k], w_.clip_low[k], w_.clip_high[k]));
    std::vector<double> z = multiply(x, w_.numeric, w_.input_bias);
    for (size_t j = 0; j < z.size(); j++) {
      for (uint16_t c : f.category) z[j] += w_.category[c * w_.hidden + j];
      for (int t = 0; t < kIdentityCount; t++)
        if (rows[t] != kNoIdentity) z[j] += w_.identity[t][rows[t] * w_.hidden + j];
    }
    return z;
  }
  static std::vector<double> multiply(const std::vector<double>& x, const std::vector<float>& w,
                                      const std::vector<float>& bias) {
    size_t outputs = w.size() / x.size();
    std::vector<double> y(bias.begin(), bias.end());
    y.resize(outputs, 0);
    for (size_t i = 0; i < x.size(); i++)
      for (size_t j = 0; j < outputs; j++) y[j] += x[i] * w[i * outputs + j];
    return y;
  }
  static std::vector<double> relu(std::vector<double> x) {
    for (double& v : x) v = std::max(v, 0.0);
    return x;
  }
  const NetworkWeights& w_;
};

TEST(TreeNetwork, loops_agree_with_the_definition_at_every_width) {
  std::mt19937 random(8);
  for (auto [hidden, head] : {std::pair{16u, 16u}, {48u, 32u}, {64u, 32u}, {112u, 80u}}) {
    NetworkWeights weights = test::random_weights(random, hidden, head);
    std::vector<std::byte> section = write_network(std::span(&weights, 1));
    TreeNetwork network;
    ASSERT_TRUE(network.open(section));
    OwnedRecord r = test::random_plan(random, 25);
    std::vector<NodePlace> places(25);
    std::vector<NodeFeatures> features(25);
    encode_features(r.view(), places.data(), features.data());
    std::vector<uint32_t> rows(25 * kIdentityCount);
    for (uint32_t& row : rows) row = random() % (kFirstIdentity + 1);
    std::vector<float> expected = PlainNetwork(weights).run(r, features, rows);
    const int widest = register_floats;
    for (; register_floats >= 4; register_floats /= 2) {
      std::vector<float> scratch(network.scratch_floats(25)), out(25 * kLaneCount);
      network.run(r.nodes.data(), features.data(), rows.data(), 25, scratch.data(), out.data());
      for (size_t i = 0; i < out.size(); i++)
        EXPECT_NEAR(out[i], expected[i], 1e-4 * (1 + std::abs(expected[i]))) << register_floats;
    }
    register_floats = widest;
  }
}

TEST(TreeNetwork, answers_with_the_mean_of_its_members) {
  std::mt19937 random(10);
  std::vector<NetworkWeights> members{test::random_weights(random, 16, 16),
                                      test::random_weights(random, 64, 32),
                                      test::random_weights(random, 48, 16)};
  members[0].identity_rows[kIndexIdentity]++;
  members[0].identity[kIndexIdentity].resize(size_t{16} * (kFirstIdentity + 2));
  const std::vector<std::byte> section = write_network(members);
  TreeNetwork network;
  ASSERT_TRUE(network.open(section));
  EXPECT_EQ(network.identity_rows(kIndexIdentity), kFirstIdentity + 1) << "what all have";
  OwnedRecord r = test::random_plan(random, 12);
  std::vector<NodePlace> places(12);
  std::vector<NodeFeatures> features(12);
  encode_features(r.view(), places.data(), features.data());
  const std::vector<uint32_t> rows(12 * kIdentityCount, kFirstIdentity);
  std::vector<float> scratch(network.scratch_floats(12)), out(12 * kLaneCount, 1e9f);
  network.run(r.nodes.data(), features.data(), rows.data(), 12, scratch.data(), out.data());
  std::vector<float> expected(out.size());
  for (const NetworkWeights& member : members) {
    const std::vector<float> one = PlainNetwork(member).run(r, features, rows);
    for (size_t i = 0; i < out.size(); i++) expected[i] += one[i] / 3;
  }
  for (size_t i = 0; i < out.size(); i++)
    EXPECT_NEAR(out[i], expected[i], 1e-4 * (1 + std::abs(expected[i])));
  EXPECT_FALSE(network.open(write_network({})));
  EXPECT_FALSE(network.open(write_network(std::vector(kMostMembers + 1, members[0]))));
  EXPECT_FALSE(network.open(std::span(section).first(section.size() - 64)));
  for (uint32_t count : {1u, 2u, 4u}) {
    std::vector<std::byte> other = section;
    std::memcpy(other.data(), &count, sizeof count);
    EXPECT_FALSE(network.open(other)) << "there are three";
  }
}

TEST(TreeNetwork, refuses_dimensions_that_do_not_fit) {
  std::mt19937 random(9);
  NetworkWeights weights = test::random_weights(random, 16, 16);
  TreeNetwork network;
  for (uint32_t hidden : {0u, 15u, 32u, 1024u, 0xfffffff0u}) {
    NetworkWeights other = weights;
    other.hidden = hidden;
    EXPECT_FALSE(network.open(write_network(std::span(&other, 1))));
  }
  weights.cell[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(network.open(write_network(std::span(&weights, 1))));
}

TEST(ComposeTimes, adds_up_own_work_and_follows_predicted_rows) {
  OwnedRecord r = test::nested_loop_plan();
  NodePlace places[4];
  find_places(r.view(), places);
  float answers[4 * kLaneCount] = {}, loops[4], log_total[4];
  compose_times(places, r.nodes.data(), answers, 4, 0, loops, log_total);
  double own[4];
  for (int i = 0; i < 4; i++) own[i] = std::exp(log_work(places[i]));
  EXPECT_NEAR(std::exp(log_total[3]), own[3], 1e-3 * own[3]);
  EXPECT_NEAR(std::exp(log_total[0]), own[0] + own[1] + own[2] + own[3], 1e-2);
  answers[2 * kLaneCount + kOutRows] = std::log(3.0f);  // three times the outer rows
  compose_times(places, r.nodes.data(), answers, 4, 0, loops, log_total);
  EXPECT_NEAR(std::exp(log_total[3]), 3 * own[3], 1e-2 * own[3]);
  EXPECT_NEAR(std::exp(log_total[2]), own[2], 1e-3 * own[2]);
}

// What training may put into a bundle at most, as engine/model/tree_template.cpp does.
TEST(Model, fits_its_limit_when_every_table_is_full) {
  std::mt19937 random(11);
  BundleWriter writer;
  writer.add(Section::kInfo, kInfoVersion, write_info({}));
  writer.add(Section::kCalibration, kCalibrationVersion,
             write_calibration(test::some_calibration()));
  KnownContent known;
  auto fill = [](std::vector<uint64_t>& hashes, size_t count) {
    for (size_t i = 0; i < count; i++) hashes.push_back((i + 1) * 0x9e3779b97f4a7c15u);
  };
  for (auto& table : known.identities) fill(table, kMostIdentities);
  fill(known.signatures, kMostSignatures), fill(known.queries, kMostSignatures);
  writer.add(Section::kKnown, kKnownVersion, write_known(known));
  std::vector<NetworkWeights> members(2, test::random_weights(random, 64, 32));
  for (NetworkWeights& member : members)
    for (int t = 0; t < kIdentityCount; t++) {
      member.identity_rows[t] = kMostIdentities + kFirstIdentity;
      member.identity[t].resize(size_t{64} * member.identity_rows[t]);
    }
  writer.add(Section::kTreeNetwork, kNetworkVersion, write_network(members));
  auto write_table = [&]<typename Entry>(std::vector<Entry> entries, size_t limit) {
    entries.resize(limit);
    for (Entry& entry : entries) entry.key = uint64_t{random()} << 32 | random();
    return FlatTable<Entry>::write(entries, limit);
  };
  writer.add(Section::kMemory, kMemoryVersion,
             write_table(std::vector<Remembered>(), kMemoryLimit));
  writer.add(Section::kPlanCache, kPlanCacheVersion,
             write_table(std::vector<CachedTime>(), kPlanCacheLimit));
  ForestContent forest;
  constexpr uint16_t kTreeNodes = 127;
  std::vector<ForestNode> tree(kTreeNodes);
  for (uint16_t i = 0; i < kTreeNodes; i++) {
    const bool is_leaf = 2 * i + 1 >= kTreeNodes;
    tree[i].feature =
        is_leaf ? static_cast<uint16_t>(flat_feature_count(forest.features.view())) : 0;
    tree[i].ahead = is_leaf ? 0 : static_cast<uint16_t>(i + 1);
  }
  forest.trees.assign(300, tree);
  writer.add(Section::kTreeForest, kForestVersion, write_forest(forest));
  const std::vector<std::byte> bytes = writer.finish(test::fake_sha256);
  ASSERT_FALSE(bytes.empty());
  Model model;
  EXPECT_EQ(open_without_canary(model, bytes), BundleStatus::kOk);
  EXPECT_LT(bytes.size(), kBundleSizeLimit - (size_t{64} << 10)) << "prices, and a canary";
}

TEST(Model, is_refused_if_a_part_is_of_another_version) {
  const std::pair<Section, uint32_t> versions[] = {{Section::kInfo, kInfoVersion},
                                                   {Section::kCalibration, kCalibrationVersion},
                                                   {Section::kKnown, kKnownVersion}};
  const std::vector<std::byte> contents[] = {
      write_info({}), write_calibration(test::some_calibration()), write_known({})};
  auto open = [&](Section changed, bool is_added) {
    BundleWriter writer;
    for (int i = 0; i < 3; i++)
      writer.add(versions[i].first, versions[i].second + (versions[i].first == changed),
                 contents[i]);
    if (is_added) writer.add(changed, 1000, std::vector<std::byte>(100));
    Model model;
    return open_without_canary(model, writer.finish(test::fake_sha256));
  };
  EXPECT_EQ(open(Section::kTreeNetwork, false), BundleStatus::kOk);
  for (Section type : {Section::kInfo, Section::kCalibration, Section::kKnown})
    EXPECT_EQ(open(type, false), BundleStatus::kWrongVersion);
  for (Section type :
       {Section::kTreeNetwork, Section::kMemory, Section::kTreeForest, Section::kPlanCache,
        Section::kOperatorCosts, Section::kCanary, Section::kRootModel})
    EXPECT_EQ(open(type, true), BundleStatus::kWrongVersion);
}

class ModelTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { ASSERT_EQ(model_.open(bytes_, test::fake_sha256), BundleStatus::kOk); }
  std::vector<std::byte> bytes_ = test::make_bundle(GetParam());
  Model model_;
  std::vector<NodePrediction> nodes_;
};
INSTANTIATE_TEST_SUITE_P(WithAndWithoutNetwork, ModelTest, ::testing::Bool());

TEST_P(ModelTest, every_number_is_sane_for_any_record) {
  std::mt19937 random(10);
  for (int round = 0; round < 500; round++) {
    OwnedRecord r = test::random_plan(random, 1 + static_cast<int>(random() % 30));
    PlanPrediction plan = test::predict(model_, r, nodes_);
    ASSERT_TRUE(std::isfinite(plan.total_ms) && plan.total_ms > 0);
    ASSERT_LE(plan.low_ms, plan.total_ms);
    ASSERT_GE(plan.high_ms, plan.total_ms);
    for (const NodePrediction& n : nodes_) {
      ASSERT_TRUE(std::isfinite(n.total_ms) && std::isfinite(n.rows) && std::isfinite(n.loops));
      ASSERT_TRUE(n.startup_ms >= 0 && n.startup_ms <= n.total_ms);
      ASSERT_TRUE(n.low_ms <= n.total_ms && n.total_ms <= n.high_ms && std::isfinite(n.high_ms));
      ASSERT_TRUE(n.rows >= 0 && n.loops >= 1);
      ASSERT_FALSE(std::isinf(n.memory_kb));
    }
  }
}

TEST_P(ModelTest, what_was_executed_does_not_change_the_answer) {
  OwnedRecord before = test::nested_loop_plan(), after = before;
  after.statement.total_time = 1e6;
  after.statement.instrumentation = PREDICTOR_INSTRUMENT_TIMERS;
  for (PredictorNode& n : after.nodes) n.actual_total = n.actual_rows = n.actual_loops = 1e5;
  EXPECT_EQ(test::predict(model_, before, nodes_).total_ms,
            test::predict(model_, after, nodes_).total_ms);
}

TEST_P(ModelTest, says_its_source_and_what_is_unlike_the_training) {
  OwnedRecord known = test::nested_loop_plan();
  PlanPrediction plan = test::predict(model_, known, nodes_);
  EXPECT_FALSE(plan.out_of_distribution);
  EXPECT_EQ(plan.source, GetParam() ? Source::kNetwork : Source::kBaseline);
  double width = plan.high_ms / plan.low_ms;
  OwnedRecord unknown = known;
  unknown.statement.query_id = 12345;
  unknown.statement.signature++;
  plan = test::predict(model_, unknown, nodes_);
  EXPECT_TRUE(plan.out_of_distribution);
  if (!GetParam()) {
    EXPECT_GT(plan.high_ms / plan.low_ms, width);
  }
}

TEST_P(ModelTest, where_no_relation_was_ever_met_the_cost_answers_and_is_not_sure) {
  OwnedRecord r = test::nested_loop_plan();
  r.statement.query_id = 12345;
  r.statement.signature++;
  const PlanPrediction here = test::predict(model_, r, nodes_);
  for (PredictorNode& n : r.nodes)
    if (n.relation != 0) n.relation += 1000;
  const PlanPrediction elsewhere = test::predict(model_, r, nodes_);
  EXPECT_TRUE(elsewhere.out_of_distribution);
  EXPECT_EQ(elsewhere.source, Source::kBaseline);
  EXPECT_NEAR(std::log(elsewhere.total_ms),
              test::some_calibration().cost.log_ms(r.nodes[0].total_cost), 1e-5);
  if (GetParam()) {
    EXPECT_EQ(here.source, Source::kNetwork);
    EXPECT_NEAR(std::log(elsewhere.high_ms / elsewhere.low_ms), 6, 1e-4);
  }
}

TEST_P(ModelTest, the_more_names_it_never_met_the_stranger_the_plan) {
  OwnedRecord r = test::nested_loop_plan();
  r.nodes[3].relation = r.nodes[2].relation;
  const double some = test::predict(model_, r, nodes_).strangeness;
  for (PredictorNode& n : r.nodes)
    if (n.relation != 0) n.relation += 1000;
  r.statement.query_id = 12345;
  r.statement.signature++;
  const double more = test::predict(model_, r, nodes_).strangeness;
  EXPECT_GE(some, 0);
  EXPECT_GT(more, some);
  EXPECT_LE(more, 1);
}

TEST(BlendLogTime, no_interval_is_a_point) {
  const NetworkTime sure{2, 0, -20, -20};
  for (double offset : {-5.0, 0.0}) {
    const Blend blend{.weight = 1, .low_offset = offset, .high_offset = offset};
    for (const NetworkTime* network : {&sure, static_cast<const NetworkTime*>(nullptr)}) {
      const LogTime time = blend_log_time(blend, 2, network);
      EXPECT_LT(time.low, time.median);
      EXPECT_LT(time.median, time.high);
    }
  }
}

TEST_P(ModelTest, memory_is_answered_only_where_training_measured_it) {
  test::predict(model_, test::nested_loop_plan(), nodes_);
  EXPECT_EQ(std::isnan(nodes_[0].memory_kb), !GetParam());
  EXPECT_TRUE(std::isnan(nodes_[1].memory_kb));
}

TEST_P(ModelTest, a_node_never_takes_longer_than_its_parent) {
  std::mt19937 random(11);
  for (int round = 0; round < 100; round++) {
    OwnedRecord r = test::random_plan(random, 12);
    for (PredictorNode& n : r.nodes)
      if (n.relationship == PREDICTOR_REL_INITPLAN) n.relationship = PREDICTOR_REL_OUTER;
    for (PredictorNode& n : r.nodes) n.op = PREDICTOR_OP_HASH_JOIN;
    test::predict(model_, r, nodes_);
    for (size_t i = 1; i < r.nodes.size(); i++) {
      const NodePrediction& parent = nodes_[r.nodes[i].parent];
      EXPECT_LE(nodes_[i].total_ms * nodes_[i].loops, parent.total_ms * parent.loops * 1.001);
    }
  }
}

TEST_P(ModelTest, constants_under_another_key_are_ignored) {
  OwnedRecord r = test::nested_loop_plan();
  r.nodes[2].constants = 7;
  r.statement.key_id = 2;
  double with = test::predict(model_, r, nodes_).total_ms;
  r.nodes[2].constants = 8;
  EXPECT_EQ(with, test::predict(model_, r, nodes_).total_ms);
}

}  // namespace
}  // namespace predictor
