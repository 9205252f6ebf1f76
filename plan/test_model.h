// test_model.h - a bundle with random weights, for the unit tests of the runtime.
#ifndef PREDICTOR_PLAN_TEST_MODEL_H
#define PREDICTOR_PLAN_TEST_MODEL_H

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "plan/predict.h"
#include "plan/siphash.h"
#include "plan/test_plans.h"

namespace predictor::test {

// Detects any change of the bytes, which is all that these tests ask of it.
inline bool fake_sha256(const void* data, size_t length, uint8_t digest[32]) {
  for (uint64_t i = 0; i < 4; i++) {
    uint64_t part = siphash24({i, 7}, data, length);
    std::memcpy(digest + 8 * i, &part, 8);
  }
  return true;
}

inline NetworkWeights random_weights(std::mt19937& random, uint32_t hidden, uint32_t head_hidden) {
  auto fill = [&random](size_t rows, size_t columns) {
    std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(rows)));
    std::vector<float> values(rows * columns);
    for (float& x : values) x = normal(random);
    return values;
  };
  NetworkWeights w;
  w.hidden = hidden;
  w.head_hidden = head_hidden;
  w.clip_low.assign(kNumericCount, -5);
  w.clip_high.assign(kNumericCount, 5);
  w.numeric = fill(kNumericCount, hidden);
  w.input_bias = fill(1, hidden);
  w.category = fill(kCategoryRows, hidden);
  for (int t = 0; t < kIdentityCount; t++) {
    w.identity_rows[t] = kFirstIdentity + 1;
    w.identity[t] = fill(w.identity_rows[t], hidden);
  }
  for (auto& matrix : w.message) matrix = fill(hidden, hidden);
  w.cell = fill(hidden, hidden);
  w.cell_bias = fill(1, hidden);
  w.head = fill(hidden, head_hidden);
  w.head_bias = fill(1, head_hidden);
  w.output = fill(head_hidden, kLaneCount);
  w.output_bias = fill(1, kLaneCount);
  return w;
}

inline Calibration some_calibration() {
  Calibration c;
  c.cost = {-4, 0.9};
  c.log_unit = -4;
  c.blend[kSeenPlan] = {1, 1, 0.1, 0.1};
  c.blend[kSeenQuery] = {0.75, 0, 0.2, 0.2};
  c.blend[kUnseen] = {0.5, 0, 0.5, 0.5};
  c.blend[kForeign] = {0, 0, 3, 3};
  c.memory_operators = uint64_t{1} << PREDICTOR_OP_SORT;
  c.key_id = kPublicKeyId;
  return c;
}

// A bundle that knows the nested loop plan: with a network, or of the calibrated cost alone.
inline std::vector<std::byte> make_bundle(bool with_network) {
  std::mt19937 random(6);
  OwnedRecord plan = nested_loop_plan();
  KnownContent known;
  known.identities[kRelationIdentity] = {plan.nodes[2].relation};
  known.signatures = {plan.statement.signature};
  known.queries = {query_key(plan.view())};
  BundleWriter writer;
  BundleInfo info;
  info.plans = 42;
  writer.add(Section::kInfo, kInfoVersion, write_info(info));
  writer.add(Section::kCalibration, kCalibrationVersion, write_calibration(some_calibration()));
  writer.add(Section::kKnown, kKnownVersion, write_known(known));
  if (with_network)
    writer.add(Section::kTreeNetwork, kNetworkVersion,
               write_network(std::vector{random_weights(random, 16, 16)}));
  std::vector<std::byte> draft = writer.finish(fake_sha256);
  Model model;
  if (open_without_canary(model, draft) != BundleStatus::kOk) return {};
  writer.add(Section::kCanary, kCanaryVersion, write_canary(model, plan.view()));
  return writer.finish(fake_sha256);
}

// Vectors of bytes and the workspaces made by operator new are aligned to 16.
inline PlanPrediction predict(const Model& model, const OwnedRecord& r,
                              std::vector<NodePrediction>& nodes) {
  std::vector<std::byte> workspace(model.workspace_size(static_cast<int>(r.nodes.size())));
  nodes.resize(r.nodes.size());
  PlanPrediction plan;
  model.predict(r.view(), workspace.data(), nodes.data(), plan);
  return plan;
}

}  // namespace predictor::test

#endif
