#include "plan/cost_bundle.h"

#include <algorithm>
#include <cmath>

#include "plan/known.h"
#include "plan/operators.h"
#include "plan/predict.h"
#include "plan/signature.h"

namespace predictor {
namespace {

// One scan: the canary of a bundle that knows nothing but how to turn a cost into a time.
PredictorNode canary_node() {
  PredictorNode node{};
  node.op = PREDICTOR_OP_SEQ_SCAN;
  node.parent = -1;
  node.total_cost = 1000;
  node.plan_rows = 100;
  node.plan_width = 8;
  node.relation_pages = 100;
  node.relation_tuples = 10000;
  return node;
}

BundleWriter sections(const CostFit& fit) {
  BundleInfo info;
  info.plans = fit.executions;
  std::copy_n("cost", 5, info.template_name);
  Calibration calibration;
  calibration.cost = fit.cost;
  calibration.log_unit = fit.cost.intercept;
  calibration.key_id = fit.key_id;
  for (Blend& blend : calibration.blend) blend = {0, 0, fit.low_offset, fit.high_offset};
  BundleWriter writer;
  writer.add(Section::kInfo, kInfoVersion, write_info(info));
  writer.add(Section::kCalibration, kCalibrationVersion, write_calibration(calibration));
  writer.add(Section::kKnown, kKnownVersion, write_known({}));
  return writer;
}

}  // namespace

CostFit usual_cost_fit() {
  constexpr double kMsPerCost = 0.005, kReach = 30;
  return {{std::log(kMsPerCost), 1}, std::log(kReach), std::log(kReach), 0, 0};
}

std::vector<std::byte> make_cost_bundle(const CostFit& fit, Sha256Function sha256) {
  for (double number : {fit.cost.intercept, fit.cost.slope, fit.low_offset, fit.high_offset})
    if (!std::isfinite(number)) return {};
  if (fit.low_offset < 0 || fit.high_offset < 0) return {};

  std::vector<std::byte> plain = sections(fit).finish(sha256);
  std::vector<uint64_t> aligned((plain.size() + 7) / 8);
  auto* bytes = reinterpret_cast<std::byte*>(aligned.data());
  std::copy(plain.begin(), plain.end(), bytes);
  Model model;
  if (open_without_canary(model, {bytes, plain.size()}) != BundleStatus::kOk) return {};

  PredictorNode node = canary_node();
  PredictorRecord record{{}, 1, &node};
  record.statement.total_time = std::nan("");
  record.statement.planning_time = std::nan("");
  sign(record);
  BundleWriter writer = sections(fit);
  writer.add(Section::kCanary, kCanaryVersion, write_canary(model, record));
  return writer.finish(sha256);
}

}  // namespace predictor
