// The two forms in which an evaluation is shown.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "engine/evaluate_score.h"
#include "engine/json_text.h"

namespace predictor::engine {
namespace {

using Json = nlohmann::ordered_json;

// Four significant digits: more would be noise.
double rounded(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", x);
  return std::strtod(text, nullptr);
}

Json summary_json(const ErrorSummary& s) {
  return {{"q50", rounded(s.q.q50)}, {"q90", rounded(s.q.q90)},   {"q95", rounded(s.q.q95)},
          {"q99", rounded(s.q.q99)}, {"mean", rounded(s.q.mean)}, {"max", rounded(s.q.max)},
          {"mre", rounded(s.mre)}};
}

Json summary_json(const std::optional<ErrorSummary>& s) {
  return s ? summary_json(*s) : Json(nullptr);
}

// Of no plan that ran to its end there is nothing to say.
Json number_or_null(const Evaluation& e, double x) {
  return e.groups > 0 ? Json(rounded(x)) : Json(nullptr);
}

std::string cell(double x) {
  char text[32];
  std::snprintf(text, sizeof text, x < 100 ? "%.2f" : x < 1e6 ? "%.0f" : "%.0e", x);
  return text;
}

std::string padded(const std::string& text, size_t width, bool left = false) {
  const std::string space(text.size() < width ? width - text.size() : 0, ' ');
  return left ? text + space : space + text;
}

}  // namespace

std::string evaluation_json(const Evaluation& e) {
  Json object;
  object["model"] = e.model;
  object["train_plans"] = e.train_plans;
  object["test_plans"] = e.test_plans;
  object["train_seconds"] = rounded(e.train_seconds);
  object["peak_memory_mb"] = rounded(e.peak_memory_mb);
  object["device"] = e.device;
  object["total_time"] = e.groups > 0 ? summary_json(e.total_time) : Json(nullptr);
  object["node_time"] = summary_json(e.node_time);
  object["rows"] = summary_json(e.rows);
  object["group_q50_mean"] = number_or_null(e, e.group_q50_mean);
  object["censored"] = {{"n", e.censored}, {"below", e.censored_below}};
  object["interval"] = {{"nominal", kNominalCoverage},
                        {"coverage", number_or_null(e, e.coverage)},
                        {"coverage_low", number_or_null(e, e.coverage_low)},
                        {"coverage_high", number_or_null(e, e.coverage_high)},
                        {"median_width", rounded(e.median_width)}};
  object["predict_us"] = {{"p50", rounded(e.predict_p50_us)},
                          {"p99", rounded(e.predict_p99_us)},
                          {"ten_nodes", rounded(e.predict_ten_nodes_us)}};
  object["source"] = {{"cache", e.sources[static_cast<size_t>(Source::kCache)]},
                      {"network", e.sources[static_cast<size_t>(Source::kNetwork)]},
                      {"baseline", e.sources[static_cast<size_t>(Source::kBaseline)]}};
  object["groups"] = e.groups;
  object["out_of_distribution"] = e.out_of_distribution;
  object["strangeness"] = rounded(e.strangeness);
  for (size_t m = 0; m < e.members.size(); m++)
    object["members"][member_names()[m]] = summary_json(e.members[m]);
  return object.dump();
}

std::string evaluation_table(std::span<const Evaluation> evaluations) {
  std::string text;
  auto row = [&text](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); i++)
      text += (i > 0 ? "  " : "") + padded(cells[i], i == 0 ? 6 : 7, i == 0);
    while (text.back() == ' ') text.pop_back();
    text += '\n';
  };
  row({"model", "p50", "p90", "p95", "p99", "group", "mre", "within", "width", "below", "rows50",
       "rows95", "node50", "node95", "us", "train s"});
  for (const Evaluation& e : evaluations) {
    const QError& q = e.total_time.q;
    auto optional = [](const std::optional<ErrorSummary>& s, double QError::*which) {
      return s ? cell(s->q.*which) : std::string("-");
    };
    auto scored = [&e](const std::string& text) { return e.groups > 0 ? text : "-"; };
    row({e.model, scored(cell(q.q50)), scored(cell(q.q90)), scored(cell(q.q95)),
         scored(cell(q.q99)), scored(cell(e.group_q50_mean)), scored(cell(e.total_time.mre)),
         scored(cell(100 * e.coverage) + "%"), cell(e.median_width),
         e.censored == 0 ? "-"
                         : std::to_string(e.censored_below) + "/" + std::to_string(e.censored),
         optional(e.rows, &QError::q50), optional(e.rows, &QError::q95),
         optional(e.node_time, &QError::q50), optional(e.node_time, &QError::q95),
         cell(e.predict_p50_us), cell(e.train_seconds)});
  }
  return text;
}

}  // namespace predictor::engine
