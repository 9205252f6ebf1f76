#include "plan/judge.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "plan/codec.h"
#include "plan/known.h"

namespace predictor {
namespace {

constexpr int kDraws = 1000;
constexpr double kFloorMs = 0.01;
constexpr double kMargin = 0.02;  // a q-error 2 % larger is no worse model

// What one model answered for one execution, as ln q-error.
struct Answer {
  double error = 0;
  uint8_t source = 0;
  bool is_inside = false;
};

struct Execution {
  uint64_t query = 0;
  bool is_timed = false;
  bool is_censored = false;
  Answer champion, challenger;
};

struct NodeErrors {
  std::vector<double> champion, challenger;
};

double log_error(double predicted_ms, double actual_ms) {
  return std::abs(std::log(std::max(predicted_ms, kFloorMs) / std::max(actual_ms, kFloorMs)));
}

// The smallest value that at least this part of all does not exceed. Reorders.
double quantile(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  const double rank = std::ceil(q * static_cast<double>(values.size()));
  const size_t at = std::clamp<size_t>(static_cast<size_t>(rank), 1, values.size()) - 1;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

// Asks one model; keeps its memory between questions.
class Asker {
 public:
  explicit Asker(const Model& model) : model_(model) {}

  Answer ask(const OwnedRecord& record, std::vector<double>& node_errors) {
    const PredictorRecord view = record.view();
    const size_t size = model_.workspace_size(view.node_count);
    if (size > capacity_) {
      workspace_ = std::make_unique<std::byte[]>(size);  // aligned to 16 by operator new
      capacity_ = size;
    }
    nodes_.resize(record.nodes.size());
    PlanPrediction plan{};
    model_.predict(view, workspace_.get(), nodes_.data(), plan);
    judge_nodes(record, node_errors);

    const double actual = record.statement.total_time;
    const bool censored = (record.statement.flags & PREDICTOR_STATEMENT_TIMED_OUT) != 0;
    Answer answer;
    answer.error = censored && plan.total_ms >= actual ? 0 : log_error(plan.total_ms, actual);
    answer.source = static_cast<uint8_t>(plan.source);
    answer.is_inside = plan.low_ms <= actual && actual <= plan.high_ms;
    return answer;
  }

 private:
  void judge_nodes(const OwnedRecord& record, std::vector<double>& errors) const {
    for (size_t i = 0; i < nodes_.size(); i++) {
      const PredictorNode& node = record.nodes[i];
      if ((node.flags & PREDICTOR_NODE_HAS_TIME) == 0 ||
          (node.flags & PREDICTOR_NODE_NEVER_EXECUTED) != 0 || !std::isfinite(nodes_[i].total_ms) ||
          !std::isfinite(node.actual_total)) {
        continue;
      }
      errors.push_back(log_error(nodes_[i].total_ms, node.actual_total));
    }
  }

  const Model& model_;
  std::unique_ptr<std::byte[]> workspace_;
  size_t capacity_ = 0;
  std::vector<NodePrediction> nodes_;
};

bool says_something(const PredictorStatement& statement) {
  return std::isfinite(statement.total_time) && statement.total_time >= 0 &&
         (statement.flags & PREDICTOR_STATEMENT_PARTIAL) == 0;
}

std::vector<Execution> ask_both(const Model& champion, const Model& challenger,
                                std::span<const std::byte> records, NodeErrors& nodes) {
  std::vector<Execution> executions;
  Asker first(champion), second(challenger);
  while (!records.empty()) {
    OwnedRecord record;
    size_t consumed = 0;
    if (decode_owned(records, record, consumed) != DecodeStatus::kOk || consumed == 0) break;
    records = records.subspan(consumed);
    if (!says_something(record.statement)) continue;
    Execution execution;
    execution.query = query_key(record.view());
    execution.is_timed = record.statement.instrumentation == PREDICTOR_INSTRUMENT_TIMERS;
    execution.is_censored = (record.statement.flags & PREDICTOR_STATEMENT_TIMED_OUT) != 0;
    execution.champion = first.ask(record, nodes.champion);
    execution.challenger = second.ask(record, nodes.challenger);
    executions.push_back(execution);
  }
  return executions;
}

void prefer_untimed(std::vector<Execution>& executions) {
  const auto untimed = std::count_if(executions.begin(), executions.end(),
                                     [](const Execution& e) { return !e.is_timed; });
  if (static_cast<uint64_t>(untimed) >= kLeastStatements) {
    std::erase_if(executions, [](const Execution& e) { return e.is_timed; });
  }
}

// The errors of all executions, of some of them any number of times.
struct Errors {
  std::vector<double> champion, challenger;

  void add(const Execution& e) {
    champion.push_back(e.champion.error);
    challenger.push_back(e.challenger.error);
  }
  double difference(double q) { return quantile(challenger, q) - quantile(champion, q); }
};

Difference spread(double value, std::vector<double>& draws) {
  return {value, quantile(draws, 0.025), quantile(draws, 0.975)};
}

void bootstrap(const std::vector<std::vector<Execution>>& queries, uint64_t seed,
               Comparison& result) {
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<size_t> pick(0, queries.size() - 1);
  std::vector<double> middle, tail;
  Errors errors;
  for (int draw = 0; draw < kDraws; draw++) {
    errors.champion.clear();
    errors.challenger.clear();
    for (size_t i = 0; i < queries.size(); i++) {
      for (const Execution& e : queries[pick(random)]) errors.add(e);
    }
    middle.push_back(errors.difference(0.5));
    tail.push_back(errors.difference(0.95));
  }
  result.q50 = spread(result.q50.value, middle);
  result.q95 = spread(result.q95.value, tail);
}

void count_coverage(const Execution& e, const Answer& answer, Score& score) {
  if (e.is_censored || answer.source >= kJudgedSources) return;
  score.answered[answer.source]++;
  score.inside[answer.source] += answer.is_inside;
}

void score_nodes(NodeErrors& nodes, Comparison& result) {
  result.nodes = nodes.champion.size();
  if (nodes.champion.empty() || nodes.challenger.empty()) return;
  result.champion.node_q50 = std::exp(quantile(nodes.champion, 0.5));
  result.champion.node_q95 = std::exp(quantile(nodes.champion, 0.95));
  result.challenger.node_q50 = std::exp(quantile(nodes.challenger, 0.5));
  result.challenger.node_q95 = std::exp(quantile(nodes.challenger, 0.95));
}

}  // namespace

Comparison compare(const Model& champion, const Model& challenger,
                   std::span<const std::byte> records, uint64_t seed) {
  Comparison result;
  NodeErrors nodes;
  std::vector<Execution> executions = ask_both(champion, challenger, records, nodes);
  score_nodes(nodes, result);
  prefer_untimed(executions);
  if (executions.empty()) return result;

  std::map<uint64_t, std::vector<Execution>> by_query;
  Errors errors;
  for (const Execution& e : executions) {
    by_query[e.query].push_back(e);
    errors.add(e);
    count_coverage(e, e.champion, result.champion);
    count_coverage(e, e.challenger, result.challenger);
  }
  result.statements = executions.size();
  result.queries = by_query.size();
  result.q50.value = errors.difference(0.5);
  result.q95.value = errors.difference(0.95);
  result.champion.q50 = std::exp(quantile(errors.champion, 0.5));
  result.champion.q95 = std::exp(quantile(errors.champion, 0.95));
  result.challenger.q50 = std::exp(quantile(errors.challenger, 0.5));
  result.challenger.q95 = std::exp(quantile(errors.challenger, 0.95));

  std::vector<std::vector<Execution>> queries;
  for (auto& [key, some] : by_query) queries.push_back(std::move(some));
  bootstrap(queries, seed, result);
  if (result.statements < kLeastStatements || result.queries < kLeastQueries) return result;
  result.is_worse = result.q50.low > kMargin || result.q95.low > kMargin;
  result.is_better = !result.is_worse && (result.q50.high < 0 || result.q95.high < 0);
  return result;
}

}  // namespace predictor
