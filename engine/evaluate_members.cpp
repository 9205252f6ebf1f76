// What the members of template tree's fusion say one by one, from the bundle that answers with all
// of them: what each is worth, without training again.
#include "engine/evaluate_members.h"

#include <cmath>
#include <string_view>

#include "engine/evaluate_score.h"

namespace predictor::engine {
namespace {

// The weights with which `member` is asked, from those of the fusion.
Blend blend_of(const std::string& member, Blend all) {
  if (member == "network") return {.weight = 1, .correction = all.correction};
  if (member == "forest") return {.forest = 1};
  if (member == "prices") return {.operators = 1};
  if (member == "without network") {
    all.weight = all.correction = all.forest_spread = 0;
    all.forest = all.forest > 0 ? 1 : 0;
  }
  if (member == "without forest") all.forest = 0;
  if (member == "without cache") all.cache = 0;
  return all;
}

}  // namespace

const std::vector<std::string>& member_names() {
  static const std::vector<std::string> names{"prices",          "network",        "forest",
                                              "without network", "without forest", "without cache"};
  return names;
}

std::vector<double> ask_members(const Model& model, const PredictorRecord& plan, void* workspace) {
  std::vector<double> answers;
  // Root models have neither members nor a workspace to evaluate them in.
  if (std::string_view(model.info().template_name) != "tree") return answers;
  const Model::Evaluation found = model.evaluate(plan, workspace);
  if (found.answers == nullptr) return answers;
  const NetworkTime time = found.time_of(0, 1);
  for (const std::string& member : member_names()) {
    const Blend blend = blend_of(member, model.calibration().blend[found.familiarity]);
    answers.push_back(std::exp(blend_log_time(blend, found.log_cost, &time).median));
  }
  return answers;
}

}  // namespace predictor::engine
