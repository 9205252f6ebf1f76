#include "engine/model/root_training.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "plan/predict.h"

namespace predictor::engine {
namespace {

constexpr size_t kLeastPlans = 10;
constexpr int kFolds = 5;
constexpr double kTail = 0.05;        // beyond either side of the 90 % interval
constexpr double kWidestReach = 3.0;  // where too few plans say how far: a factor of 20

// How far to reach so that at most kTail of new values lie beyond (split
// conformal).
double conformal_reach(std::vector<double> beyond) {
  const auto count = static_cast<double>(beyond.size());
  const auto rank = static_cast<size_t>(std::ceil((count + 1) * (1 - kTail)));
  if (beyond.empty()) return kWidestReach;
  std::sort(beyond.begin(), beyond.end());
  if (rank > beyond.size()) return std::max(kWidestReach, beyond.back());
  return std::max(0.0, beyond[rank - 1]);
}

}  // namespace

RootTraining::RootTraining(std::string name, std::span<const OwnedRecord> records,
                           const TrainingOptions& options, const ProgressFunction& progress)
    : name_(std::move(name)), records_(records), options_(options), progress_(progress) {
  report("preparing", 0, options.max_epochs, 0);
  data_ = encode_dataset(records, [&options] { check_stop(options); });
  result_.plans = static_cast<size_t>(data_.plans());
  result_.skipped = data_.skipped;
  result_.device = "cpu";
  if (result_.plans < kLeastPlans)
    throw TrainingError("training needs at least " + std::to_string(kLeastPlans) +
                        " finished executions, and only " + std::to_string(result_.plans) +
                        " of the " + std::to_string(records.size()) + " given can be used");
  if (std::all_of(data_.censored.begin(), data_.censored.end(), [](uint8_t c) { return c != 0; }))
    throw TrainingError("every execution given was cancelled before it finished");
  folds_ = fold_by(data_.group, all_plans(), kFolds, options.seed);
  std::erase_if(folds_, [](const std::vector<int>& fold) { return fold.empty(); });
  content_.cost = data_.cost;
}

std::vector<int> RootTraining::all_plans() const { return engine::all_plans(data_); }

std::vector<int> RootTraining::all_but(int fold) const {
  std::vector<int> rest;
  for (size_t f = 0; f < folds_.size(); f++)
    if (static_cast<int>(f) != fold) rest.insert(rest.end(), folds_[f].begin(), folds_[f].end());
  // One group alone cannot be withheld from itself.
  return rest.empty() ? all_plans() : rest;
}

void RootTraining::report(const char* phase, int epoch, int max_epochs, double loss) const {
  check_stop(options_);
  if (!progress_) return;
  TrainingProgress state;
  state.phase = phase;
  state.epoch = epoch;
  state.max_epochs = max_epochs;
  state.loss = loss;
  if (!progress_(state)) throw TrainingCancelled();
}

void RootTraining::measure_cost() {
  withheld_cost_.resize(static_cast<size_t>(data_.plans()));
  for (size_t f = 0; f < folds_.size(); f++) {
    const CostModel cost = fit_cost(data_, all_but(static_cast<int>(f)));
    for (int p : folds_[f]) withheld_cost_[p] = cost.log_ms(data_.root_cost[p]);
  }
  content_.cost_reach = content_.model_reach = reach_of(withheld_cost_);
  result_.baseline = result_.validation = errors_of(withheld_cost_);
  result_.coverage = coverage_of(withheld_cost_);
}

void RootTraining::measure_model(std::span<const double> withheld_log_ms) {
  const auto is_answer = [](double log_ms) { return !std::isnan(log_ms); };
  if (std::none_of(withheld_log_ms.begin(), withheld_log_ms.end(), is_answer)) return;
  content_.model_reach = reach_of(withheld_log_ms);
  result_.validation = errors_of(withheld_log_ms);
  result_.coverage = coverage_of(withheld_log_ms);
}

void RootTraining::measure_unseen(std::span<const double> withheld_log_ms) {
  double least = std::numeric_limits<double>::infinity();
  for (double weight : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    std::vector<double> blended(withheld_log_ms.begin(), withheld_log_ms.end());
    for (int p = 0; p < data_.plans(); p++)
      blended[p] = log_cost(p) + weight * (blended[p] - log_cost(p));
    const double error = mean_error_by_query(blended);
    if (error >= least) continue;
    least = error;
    content_.unseen_weight = weight;
    content_.unseen_reach = reach_of(blended);
  }
  const std::set<uint64_t> queries(data_.query.begin(), data_.query.end());
  content_.queries.assign(queries.begin(), queries.end());
}

// Queries count alike, however many plans they have: the next unseen one is one
// of them.
double RootTraining::mean_error_by_query(std::span<const double> withheld_log_ms) const {
  std::map<uint64_t, std::pair<double, double>> queries;
  for (int p = 0; p < data_.plans(); p++) {
    if (data_.censored[p] || std::isnan(withheld_log_ms[p])) continue;
    auto& [sum, count] = queries[data_.query[p]];
    sum += std::abs(withheld_log_ms[p] - data_.log_ms[p]), count++;
  }
  double mean = 0;
  for (const auto& [key, query] : queries)
    mean += query.first / query.second / static_cast<double>(queries.size());
  return mean;
}

// A cancelled execution lies above its interval as often as not, nobody knows:
// it is left out.
Reach RootTraining::reach_of(std::span<const double> withheld_log_ms) const {
  // One group alone was withheld from nobody.
  if (folds_.size() < 2) return {kWidestReach, kWidestReach};
  std::vector<double> below, above;
  for (int p = 0; p < data_.plans(); p++) {
    if (data_.censored[p] || std::isnan(withheld_log_ms[p])) continue;
    below.push_back(withheld_log_ms[p] - data_.log_ms[p]);
    above.push_back(data_.log_ms[p] - withheld_log_ms[p]);
  }
  return {conformal_reach(std::move(below)), conformal_reach(std::move(above))};
}

QError RootTraining::errors_of(std::span<const double> withheld_log_ms) const {
  std::vector<double> errors;
  for (int p = 0; p < data_.plans(); p++)
    if (!data_.censored[p] && !std::isnan(withheld_log_ms[p]))
      errors.push_back(q_error(std::exp(withheld_log_ms[p]), std::exp(data_.log_ms[p])));
  return summarize_q_errors(std::move(errors));
}

double RootTraining::coverage_of(std::span<const double> withheld_log_ms) const {
  const Reach reach = reach_of(withheld_log_ms);
  double inside = 0, count = 0;
  for (int p = 0; p < data_.plans(); p++) {
    if (data_.censored[p] || std::isnan(withheld_log_ms[p])) continue;
    const double off = data_.log_ms[p] - withheld_log_ms[p];
    inside += off >= -reach.low && off <= reach.high;
    count++;
  }
  return count > 0 ? inside / count : 0;
}

void RootTraining::add_section(Section type, uint32_t version, std::vector<std::byte> bytes) {
  sections_.add(type, version, std::move(bytes));
}

// The smallest plan that is more than a scan: it costs the least at every
// opening.
int RootTraining::choose_canary() const {
  int best = 0;
  auto size = [this](int p) { return data_.first[p + 1] - data_.first[p]; };
  for (int p = 0; p < data_.plans(); p++) {
    const bool better =
        size(best) < 3 ? size(p) > size(best) : size(p) >= 3 && size(p) < size(best);
    if (better) best = p;
  }
  return best;
}

TrainingResult RootTraining::finish() {
  BundleInfo info;
  name_.copy(info.template_name, sizeof info.template_name - 1);
  info.plans = result_.plans;
  info.skipped = result_.skipped;
  info.epochs = static_cast<uint64_t>(result_.epochs);
  info.seed = options_.seed;
  sections_.add(Section::kInfo, kInfoVersion, write_info(info));
  sections_.add(Section::kRootModel, kRootModelVersion, write_root_model(content_));
  OwnedRecord canary = records_[data_.records[choose_canary()]];
  canary.statement.total_time = canary.statement.planning_time = std::nan("");
  for (bool is_final : {false, true}) {
    result_.bundle = sections_.finish(openssl_sha256);
    // operator new aligns them to 16, which is more than the runtime asks of a bundle.
    const std::span<const std::byte> bytes(result_.bundle);
    Model model;
    const BundleStatus status =
        is_final ? model.open(bytes, openssl_sha256) : open_without_canary(model, bytes);
    if (result_.bundle.empty() || status != BundleStatus::kOk)
      throw TrainingError(std::string("the finished model cannot be used: ") +
                          bundle_status_text(status));
    if (!is_final)
      sections_.add(Section::kCanary, kCanaryVersion, write_canary(model, canary.view()));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start_;
  result_.seconds = took.count();
  return std::move(result_);
}

}  // namespace predictor::engine
