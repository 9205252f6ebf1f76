#include "engine/evaluate.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <memory>
#include <set>

#include "engine/command.h"
#include "engine/evaluate_members.h"
#include "engine/model/aligned_bytes.h"
#include "engine/text.h"
#include "plan/cost_bundle.h"
#include "plan/predict.h"

namespace predictor::engine {
namespace {

constexpr int kRepeats = 3;  // of each prediction; the fastest is its time

using Clock = std::chrono::steady_clock;

// "FILE: 3 lines not used: not a JSON object (lines 4, 9, 17)"
void report_lines(const std::filesystem::path& path, const char* what, const std::string& reason,
                  const std::vector<size_t>& lines) {
  constexpr size_t kNamed = 8;
  std::cerr << path.string() << ": " << lines.size() << (lines.size() == 1 ? " line " : " lines ")
            << what << ": " << reason << " (line" << (lines.size() == 1 ? " " : "s ");
  for (size_t i = 0; i < std::min(kNamed, lines.size()); i++)
    std::cerr << (i > 0 ? ", " : "") << lines[i];
  std::cerr << (lines.size() > kNamed ? ", ...)" : ")") << std::endl;
}

void report(const Trace& trace) {
  if (trace.lines == 0) std::cerr << trace.path.string() << ": is empty" << std::endl;
  for (const auto& [reason, lines] : trace.rejected)
    report_lines(trace.path, "not used", reason, lines);
  for (const auto& [reason, lines] : trace.remarks) report_lines(trace.path, "used", reason, lines);
}

// A test plan and what happened, while it is not yet decided which side it goes to.
struct Candidate {
  OwnedRecord asked;
  OwnedRecord actual;
  std::string group;
};

Failure pair_with_scores(const Trace& test, const Trace& scores, std::vector<Candidate>& out) {
  if (test.lines != scores.lines)
    return Error{"bad_score", scores.path.string() + " has " + std::to_string(scores.lines) +
                                  " lines and " + test.path.string() + " has " +
                                  std::to_string(test.lines) +
                                  "; line N of the one scores line N of the other"};
  size_t at = 0, unscored = 0;
  for (const TracePlan& plan : test.plans) {
    while (at < scores.plans.size() && scores.plans[at].line < plan.line) at++;
    if (at == scores.plans.size() || scores.plans[at].line != plan.line) {
      unscored++;
      continue;
    }
    if (!is_same_plan(plan.record, scores.plans[at].record))
      return Error{"bad_score", "line " + std::to_string(plan.line) + " of " +
                                    scores.path.string() + " is another plan than that line of " +
                                    test.path.string()};
    out.push_back({without_actuals(plan.record), scores.plans[at].record, plan.group});
  }
  if (unscored > 0)
    std::cerr << test.path.string() << ": " << unscored << " plans are not scored by "
              << scores.path.string() << std::endl;
  return std::nullopt;
}

Result<std::vector<Candidate>> load_candidates(const EvaluateCommand& command) {
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < command.test.size(); i++) {
    Result<Trace> test = read_trace(command.test[i]);
    if (!test) return test.error();
    if (command.score.empty()) {
      require_times(test.value());
      for (TracePlan& plan : test.value().plans)
        candidates.push_back({without_actuals(plan.record), std::move(plan.record), plan.group});
      report(test.value());
      continue;
    }
    report(test.value());
    Result<Trace> scores = read_trace(command.score[i]);
    if (!scores) return scores.error();
    require_times(scores.value());
    report(scores.value());
    if (Failure failure = pair_with_scores(test.value(), scores.value(), candidates))
      return *failure;
  }
  return candidates;
}

void divide(const EvaluateCommand& command, std::vector<Candidate>& candidates,
            EvaluationSet& set) {
  std::set<std::string> met, shots;
  for (Candidate& candidate : candidates) {
    const bool is_first = met.insert(candidate.group).second;
    if (is_first && shots.size() < static_cast<size_t>(command.shots))
      shots.insert(candidate.group);
    if (shots.contains(candidate.group) || (command.seen_first && is_first))
      set.training.push_back(std::move(candidate.actual));
    else
      set.test.push_back(
          {std::move(candidate.asked), std::move(candidate.actual), std::move(candidate.group)});
  }
}

Answer ask(const Model& model, const OwnedRecord& record, std::vector<std::byte>& workspace) {
  const PredictorRecord view = record.view();
  Answer answer;
  answer.nodes.resize(record.nodes.size());
  // The allocator aligns to 16, which is what predict() asks of its workspace.
  if (size_t size = model.workspace_size(view.node_count); workspace.size() < size)
    workspace.resize(size);
  for (int repeat = 0; repeat < kRepeats; repeat++) {
    const auto start = Clock::now();
    model.predict(view, workspace.data(), answer.nodes.data(), answer.plan);
    const std::chrono::duration<double, std::micro> took = Clock::now() - start;
    if (repeat == 0 || took.count() < answer.microseconds) answer.microseconds = took.count();
  }
  answer.members = ask_members(model, view, workspace.data());
  return answer;
}

double peak_memory_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

Failure ask_and_score(std::span<const std::byte> bytes, const EvaluationSet& set, uint64_t seed,
                      Evaluation& evaluation) {
  Model model;
  const AlignedBytes bundle(bytes);
  const BundleStatus status = model.open(bundle.span(), openssl_sha256);
  if (status != BundleStatus::kOk)
    return Error{"bad_bundle",
                 evaluation.model + ": the bundle cannot be used: " + bundle_status_text(status)};
  std::vector<Answer> answers;
  std::vector<std::byte> workspace;
  for (const TestPlan& plan : set.test) answers.push_back(ask(model, plan.asked, workspace));
  score(set.test, answers, seed, evaluation);
  return std::nullopt;
}

}  // namespace

Result<EvaluationSet> load_evaluation(const EvaluateCommand& command) {
  if (!command.score.empty() && command.score.size() != command.test.size())
    return Error{"bad_score", "give one --score file for each --test file, or none"};
  EvaluationSet set;
  for (const auto& path : command.train) {
    Result<Trace> trace = read_trace(path);
    if (!trace) return trace.error();
    require_times(trace.value());
    report(trace.value());
    for (TracePlan& plan : trace.value().plans) set.training.push_back(std::move(plan.record));
  }
  Result<std::vector<Candidate>> candidates = load_candidates(command);
  if (!candidates) return candidates.error();
  divide(command, candidates.value(), set);
  if (set.training.empty() && !command.train.empty())
    return Error{"no_plans", "there is no plan to train on; --train needs executed plans"};
  if (set.test.empty())
    return Error{"no_plans", "there is no plan to test; --test needs executed plans, or --score"};
  return set;
}

Result<Evaluation> evaluate_model(const std::string& name, const EvaluationSet& set,
                                  const TrainingOptions& options) try {
  const std::unique_ptr<Template> chosen = make_template(name);
  if (!chosen) return Error{"unknown_template", "there is no model \"" + printable(name) + "\""};
  const auto start = Clock::now();
  const TrainingResult trained = chosen->train(set.training, options, {});
  const std::chrono::duration<double> took = Clock::now() - start;
  Evaluation evaluation;
  evaluation.model = name;
  evaluation.device = trained.device;
  evaluation.train_plans = trained.plans;
  evaluation.train_seconds = took.count();
  evaluation.peak_memory_mb = peak_memory_mb();
  if (Failure failure = ask_and_score(trained.bundle, set, options.seed, evaluation))
    return *failure;
  return evaluation;
} catch (const TrainingError& problem) {
  return Error{"training_failed", name + ": " + problem.what()};
} catch (const std::exception& problem) {
  return Error{"internal_error", name + ": training stopped: " + problem.what()};
}

Result<Evaluation> evaluate_untrained(const EvaluationSet& set, uint64_t seed) {
  Evaluation evaluation;
  evaluation.model = "cost";
  evaluation.device = "cpu";
  if (Failure failure =
          ask_and_score(make_cost_bundle(usual_cost_fit(), openssl_sha256), set, seed, evaluation))
    return *failure;
  return evaluation;
}

int run_evaluate(const EvaluateCommand& command) {
  const std::vector<std::string> models =
      command.models.empty() ? template_names() : command.models;
  for (const std::string& name : models)
    if (!make_template(name))
      return fail(Error{"unknown_template", "there is no model \"" + printable(name) + "\""});
  const Result<EvaluationSet> set = load_evaluation(command);
  if (!set) return fail(set.error());
  const bool is_trained = !set.value().training.empty();
  if (!is_trained && !command.models.empty())
    std::cerr << "no model is trained without --train: the cost at its usual price answers"
              << std::endl;
  std::vector<Evaluation> evaluations;
  for (const std::string& name : is_trained ? models : std::vector<std::string>{"cost"}) {
    Result<Evaluation> evaluation = is_trained
                                        ? evaluate_model(name, set.value(), command.options)
                                        : evaluate_untrained(set.value(), command.options.seed);
    if (!evaluation) return fail(evaluation.error());
    if (command.json) std::cout << evaluation_json(evaluation.value()) << std::endl;
    evaluations.push_back(std::move(evaluation.value()));
  }
  if (!command.json) std::cout << evaluation_table(evaluations);
  return 0;
}

}  // namespace predictor::engine
