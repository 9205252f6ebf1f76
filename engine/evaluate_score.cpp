#include "engine/evaluate_score.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

namespace predictor::engine {
namespace {

constexpr double kFloorMs = 0.01;
constexpr int kDraws = 1000;

// Collects pairs of a prediction and what happened.
class Errors {
 public:
  explicit Errors(double floor) : floor_(floor) {}

  void add(double predicted, double actual) {
    predicted = std::max(predicted, floor_);
    actual = std::max(actual, floor_);
    errors_.push_back(std::max(predicted / actual, actual / predicted));
    relative_ += std::abs(predicted - actual) / actual;
  }
  double last() const { return errors_.back(); }
  ErrorSummary summary() const {
    if (errors_.empty()) return {};
    return {summarize_q_errors(errors_), relative_ / static_cast<double>(errors_.size())};
  }
  std::optional<ErrorSummary> summary_if_any() const {
    if (errors_.empty()) return std::nullopt;
    return summary();
  }

 private:
  double floor_;
  std::vector<double> errors_;
  double relative_ = 0;
};

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(values.size())));
  return values[std::clamp<size_t>(rank, 1, values.size()) - 1];
}

struct Group {
  std::vector<double> errors;  // of plans that ran to their end
  size_t inside = 0;           // of those, within their interval
};

void bootstrap_coverage(const std::map<std::string, Group>& groups, uint64_t seed,
                        Evaluation& out) {
  std::vector<const Group*> list;
  double inside = 0, count = 0;
  for (const auto& [name, group] : groups) {
    if (group.errors.empty()) continue;
    list.push_back(&group);
    inside += static_cast<double>(group.inside);
    count += static_cast<double>(group.errors.size());
  }
  if (list.empty()) return;
  out.coverage = inside / count;
  std::mt19937_64 random(seed);
  std::vector<double> draws;
  for (int d = 0; d < kDraws; d++) {
    double drawn_inside = 0, drawn = 0;
    for (size_t i = 0; i < list.size(); i++) {
      const Group& group = *list[random() % list.size()];
      drawn_inside += static_cast<double>(group.inside);
      drawn += static_cast<double>(group.errors.size());
    }
    draws.push_back(drawn_inside / drawn);
  }
  out.coverage_low = quantile(draws, 0.025);
  out.coverage_high = quantile(draws, 0.975);
}

void add_nodes(const TestPlan& test, const Answer& answer, Errors& times, Errors& rows) {
  for (size_t i = 0; i < test.actual.nodes.size(); i++) {
    const PredictorNode& n = test.actual.nodes[i];
    // EXPLAIN prints 0 rows and 0 ms for it, but nothing was measured.
    if (n.flags & PREDICTOR_NODE_NEVER_EXECUTED) continue;
    if (n.flags & PREDICTOR_NODE_HAS_ROWS) rows.add(answer.nodes[i].rows, n.actual_rows);
    if (n.flags & PREDICTOR_NODE_HAS_TIME) times.add(answer.nodes[i].total_ms, n.actual_total);
  }
}

void summarize_groups(const std::map<std::string, Group>& groups, Evaluation& out) {
  for (const auto& [name, group] : groups) {
    if (group.errors.empty()) continue;
    out.group_q50_mean += quantile(group.errors, 0.5);
    out.groups++;
  }
  if (out.groups > 0) out.group_q50_mean /= static_cast<double>(out.groups);
}

}  // namespace

void score(std::span<const TestPlan> test, std::span<const Answer> answers, uint64_t seed,
           Evaluation& out) {
  Errors total(kFloorMs), times(kFloorMs), rows(1);
  std::map<std::string, Group> groups;
  std::vector<double> widths, microseconds, ten_nodes;
  std::vector<Errors> members;
  for (size_t i = 0; i < test.size(); i++) {
    const PredictorStatement& actual = test[i].actual.statement;
    const PlanPrediction& plan = answers[i].plan;
    widths.push_back(std::max(plan.high_ms, kFloorMs) / std::max(plan.low_ms, kFloorMs));
    microseconds.push_back(answers[i].microseconds);
    ten_nodes.push_back(10 * answers[i].microseconds /
                        static_cast<double>(test[i].asked.nodes.size()));
    out.sources[static_cast<size_t>(plan.source)]++;
    out.out_of_distribution += plan.out_of_distribution;
    out.strangeness += plan.strangeness / static_cast<double>(test.size());
    if (actual.flags & PREDICTOR_STATEMENT_TIMED_OUT) {
      out.censored++;
      out.censored_below += plan.total_ms < actual.total_time;
      continue;
    }
    total.add(plan.total_ms, actual.total_time);
    Group& group = groups[test[i].group];
    group.errors.push_back(total.last());
    group.inside += plan.low_ms <= actual.total_time && actual.total_time <= plan.high_ms;
    add_nodes(test[i], answers[i], times, rows);
    members.resize(answers[i].members.size(), Errors(kFloorMs));
    for (size_t m = 0; m < members.size(); m++)
      members[m].add(answers[i].members[m], actual.total_time);
  }
  out.test_plans = test.size();
  out.total_time = total.summary();
  out.node_time = times.summary_if_any();
  out.rows = rows.summary_if_any();
  for (const Errors& member : members) out.members.push_back(member.summary());
  out.median_width = quantile(std::move(widths), 0.5);
  out.predict_p50_us = quantile(microseconds, 0.5);
  out.predict_p99_us = quantile(microseconds, 0.99);
  out.predict_ten_nodes_us = quantile(std::move(ten_nodes), 0.5);
  summarize_groups(groups, out);
  bootstrap_coverage(groups, seed, out);
}

}  // namespace predictor::engine
