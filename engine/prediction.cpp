#include "engine/prediction.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "engine/json_text.h"
#include "engine/record_stream.h"
#include "plan/explain_json.h"

namespace predictor::engine {
namespace {

using nlohmann::json;

constexpr int kMostDepth = 1000;  // of nested JSON; a plan's level takes two
constexpr char kSpace[] = " \t\r\n";

Error too_many_plans(size_t most) {
  return Error{"too_many_plans",
               "at most " + std::to_string(most) + " plans can be sent at once; send fewer", 413};
}

Result<std::vector<OwnedRecord>> read_stream(std::span<const std::byte> body, size_t most) {
  std::vector<OwnedRecord> plans;
  RecordStream stream([&](OwnedRecord& record) {
    if (plans.size() <= most) plans.push_back(std::move(record));
  });
  Failure failure = stream.feed(body);
  if (!failure) failure = stream.finish();
  if (failure) return *failure;
  if (plans.size() > most) return too_many_plans(most);
  return plans;
}

// Where the elements of a JSON list begin and end, by brackets alone; what is in them is parsed by
// whoever reads plans. A text that is no closed list is one element. Nothing if brackets nest so
// deep that parsing would take far more memory than the text.
std::optional<std::vector<std::string_view>> split_list(std::string_view text) {
  const size_t start = text.find_first_not_of(kSpace);
  const bool is_list = start != std::string_view::npos && text[start] == '[';
  std::vector<std::string_view> elements;
  int depth = 0;
  bool is_in_string = false;
  size_t element = start + 1;
  for (size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if (is_in_string) {
      if (c == '\\') i++;
      is_in_string = c != '"';
    } else if (c == '"') {
      is_in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMostDepth) return std::nullopt;
    } else if (c == ']' || c == '}') {
      depth--;
    }
    const bool is_end = depth == 0 && c == ']' && !is_in_string;
    if (!is_list || !(is_end || (depth == 1 && c == ',' && !is_in_string))) continue;
    elements.push_back(text.substr(element, i - element));
    element = i + 1;
    const bool is_last = text.find_first_not_of(kSpace, element) == std::string_view::npos;
    if (is_end && is_last) return elements;
    if (is_end) break;
  }
  return std::vector<std::string_view>{text};
}

Result<std::vector<OwnedRecord>> read_json(std::string_view text, size_t most) {
  const auto split = split_list(text);
  if (!split) return Error{"bad_plan", "the JSON is nested too deep", 422};
  const std::vector<std::string_view>& elements = *split;
  if (elements.size() > most) return too_many_plans(most);
  std::vector<OwnedRecord> plans;
  for (size_t i = 0; i < elements.size(); i++) {
    ExplainedPlan plan;
    const ExplainStatus status = read_explain_json(elements[i], plan);
    if (status != ExplainStatus::kOk) {
      return Error{"bad_plan",
                   "plan " + std::to_string(i + 1) + ": " + explain_status_text(status) +
                       "; send what EXPLAIN (FORMAT JSON) prints, or several of them in a list",
                   422};
    }
    plans.push_back(std::move(plan.record));
  }
  return plans;
}

json node_to_json(const PredictorNode& node, const NodePrediction& predicted) {
  return {{"parent", node.parent},          {"startup_ms", predicted.startup_ms},
          {"total_ms", predicted.total_ms}, {"low_ms", predicted.low_ms},
          {"high_ms", predicted.high_ms},   {"rows", predicted.rows},
          {"loops", predicted.loops},       {"memory_kb", predicted.memory_kb}};
}

}  // namespace

Result<std::vector<OwnedRecord>> read_plans(const std::string& content_type,
                                            std::span<const std::byte> body, size_t most) {
  if (content_type == kRecordsType) return read_stream(body, most);
  return read_json({reinterpret_cast<const char*>(body.data()), body.size()}, most);
}

json predict_plans(const ServedModel& served, std::span<const OwnedRecord> plans, bool with_nodes) {
  json predictions = json::array();
  std::vector<NodePrediction> nodes;
  std::vector<std::byte> workspace;  // operator new aligns to 16
  for (const OwnedRecord& plan : plans) {
    const int count = static_cast<int>(plan.nodes.size());
    workspace.resize(std::max(workspace.size(), served.model.workspace_size(count)));
    nodes.resize(plan.nodes.size());
    PlanPrediction total;
    served.model.predict(plan.view(), workspace.data(), nodes.data(), total);
    json answer = {{"total_ms", total.total_ms},
                   {"low_ms", total.low_ms},
                   {"high_ms", total.high_ms},
                   {"rows", total.rows},
                   {"memory_kb", total.memory_kb},
                   {"source", source_text(total.source)},
                   {"out_of_distribution", total.out_of_distribution},
                   {"strangeness", total.strangeness}};
    if (with_nodes) {
      json& list = answer["nodes"] = json::array();
      for (int i = 0; i < count; i++) {
        list.push_back(
            node_to_json(plan.nodes[static_cast<size_t>(i)], nodes[static_cast<size_t>(i)]));
      }
    }
    predictions.push_back(std::move(answer));
  }
  return {{"model", served.name.model},
          {"version", served.name.version},
          {"sha256", served.sha256},
          {"predictions", std::move(predictions)}};
}

}  // namespace predictor::engine
