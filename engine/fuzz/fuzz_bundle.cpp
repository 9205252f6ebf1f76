// Any bytes as a bundle whose checksum is right: it is refused, or it answers, within its own
// memory.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "plan/predict.h"
#include "plan/test_plans.h"

using namespace predictor;

namespace {

// The checksum stands right in front of what it covers.
bool accept(const void* data, size_t, uint8_t digest[kSha256Size]) {
  std::memcpy(digest, static_cast<const uint8_t*>(data) - kSha256Size, kSha256Size);
  return true;
}

void predict(const Model& model) {
  static const OwnedRecord plan = test::nested_loop_plan();
  const int count = static_cast<int>(plan.nodes.size());
  std::vector<std::byte> workspace(model.workspace_size(count));
  std::vector<NodePrediction> nodes(plan.nodes.size());
  PlanPrediction total;
  model.predict(plan.view(), workspace.data(), nodes.data(), total);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const std::vector<std::byte> aligned(bytes, bytes + size);
  Model model;
  if (model.open(aligned, accept) == BundleStatus::kOk) predict(model);
  Model without;
  if (open_without_canary(without, aligned) == BundleStatus::kOk) predict(without);
  return 0;
}
