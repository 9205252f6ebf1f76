#include "engine/model/tree_template.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "engine/model/aligned_bytes.h"
#include "engine/model/calibrate.h"
#include "engine/model/cross_fit.h"
#include "engine/model/dataset.h"
#include "engine/model/device_memory.h"
#include "engine/model/memory_builder.h"
#include "engine/model/operator_costs.h"
#include "engine/model/plan_cache_builder.h"
#include "engine/model/tree_forest.h"
#include "engine/model/tree_members.h"
#include "plan/cost_bundle.h"
#include "plan/predict.h"

namespace predictor::engine {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLeastPlans = 10;
constexpr size_t kEnoughWithheld = 30;  // executions, to be calibrated on by themselves
constexpr int kLeastGroups = 5;         // with fewer there is nothing to withhold
constexpr double kValidationShare = 0.12;
constexpr int kFolds = 3;
constexpr size_t kFoldPlans = 2500;    // trained on per fold, at most
constexpr double kPlanPasses = 400e3;  // of 10 nodes, that all epochs of a network that serves take
constexpr double kFoldPasses = 60e3;
constexpr int kFoldEpochs = 60;
constexpr int kMembers = 2;  // networks of what serves, at most; what only calibrates has one

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Parts {
  BundleInfo info;
  Calibration calibration;
  KnownContent known;
  std::vector<std::byte> memory;
  std::vector<std::byte> cache;
  std::vector<std::byte> forest;
  std::vector<std::byte> operators;
  std::vector<std::byte> network;  // empty: the calibrated cost alone
};

BundleWriter start_bundle(const Parts& parts) {
  BundleWriter writer;
  writer.add(Section::kInfo, kInfoVersion, write_info(parts.info));
  writer.add(Section::kCalibration, kCalibrationVersion, write_calibration(parts.calibration));
  writer.add(Section::kKnown, kKnownVersion, write_known(parts.known));
  if (!parts.memory.empty()) writer.add(Section::kMemory, kMemoryVersion, parts.memory);
  if (!parts.cache.empty()) writer.add(Section::kPlanCache, kPlanCacheVersion, parts.cache);
  if (!parts.forest.empty()) writer.add(Section::kTreeForest, kForestVersion, parts.forest);
  if (!parts.operators.empty())
    writer.add(Section::kOperatorCosts, kOperatorCostsVersion, parts.operators);
  if (!parts.network.empty()) writer.add(Section::kTreeNetwork, kNetworkVersion, parts.network);
  return writer;
}

std::vector<std::byte> finish(const BundleWriter& writer) {
  std::vector<std::byte> bytes = writer.finish(openssl_sha256);
  if (bytes.empty())
    throw TrainingError("the model is larger than a bundle may be, or has no checksum");
  return bytes;
}

// A model in memory, for evaluating withheld plans with the same runtime that will serve.
struct LocalModel {
  AlignedBytes bytes;
  Model model;
  explicit LocalModel(const Parts& parts) {
    bytes = AlignedBytes(finish(start_bundle(parts)));
    BundleStatus status = open_without_canary(model, bytes.span());
    if (status != BundleStatus::kOk)
      throw TrainingError(std::string("the trained model cannot be read back: ") +
                          bundle_status_text(status));
  }
};

struct Job {
  std::span<const OwnedRecord> records;
  const TrainingOptions& options;
  const ProgressFunction& progress;
  Clock::time_point start = Clock::now();
  Dataset data;
  TrainingResult result;

  void report(const TrainingProgress& p) const {
    if (progress && !progress(p)) throw TrainingCancelled();
  }

  double seconds_left(double share) const {
    if (options.max_seconds <= 0) return 0;
    return std::max(0.1, share * (options.max_seconds - seconds_since(start)));
  }
};

void check_input(const Job& job) {
  const Dataset& data = job.data;
  if (data.plans() < kLeastPlans)
    throw TrainingError("training needs at least " + std::to_string(kLeastPlans) +
                        " finished executions, and only " + std::to_string(data.plans()) +
                        " of the " + std::to_string(job.records.size()) +
                        " given can be used; run more statements with predictor.enabled on");
  if (std::all_of(data.censored.begin(), data.censored.end(), [](uint8_t c) { return c != 0; }))
    throw TrainingError(
        "every execution given was cancelled before it finished; training needs "
        "some that ran to their end");
}

int epochs_for(const Dataset& data, size_t plans, double passes, int most) {
  double nodes_per_plan = static_cast<double>(data.nodes()) / data.plans();
  double cost = static_cast<double>(plans) * std::max(1.0, nodes_per_plan / 10);
  return std::clamp(static_cast<int>(passes / cost), std::min(12, most), std::min(120, most));
}

TrainerOptions trainer_options(const Job& job, size_t plans, double passes) {
  TrainerOptions options;
  options.seed = job.options.seed;
  options.threads = job.options.threads;
  options.device = job.options.device;
  options.stop = job.options.stop;
  options.checkpoints = job.options.checkpoints;
  options.epochs = epochs_for(job.data, plans, passes, job.options.max_epochs);
  options.patience = std::max(8, options.epochs / 3);
  options.batch_plans = plans < 3000 ? 32 : 64;
  return options;
}

std::function<bool(const EpochReport&)> make_reporter(const Job& job, const char* phase,
                                                      int epochs) {
  auto start = Clock::now();
  return [&job, phase, epochs, start](const EpochReport& epoch) {
    if (!job.progress) return true;
    TrainingProgress p;
    p.phase = phase;
    p.epoch = epoch.epoch;
    p.max_epochs = epochs;
    p.loss = epoch.loss;
    p.validation_q50 = std::exp(epoch.validation);
    if (epoch.epoch > 0)
      p.eta_seconds = seconds_since(start) / epoch.epoch * (epochs - epoch.epoch);
    return job.progress(p);
  };
}

std::span<const int> remembered(const Job& job, std::span<const int> plans) {
  return job.options.remember_rows ? plans : std::span<const int>();
}

std::vector<float> shifts_of(std::span<const int> plans, std::span<const float> shift_of_plan) {
  std::vector<float> shifts;
  for (int p : plans) shifts.push_back(shift_of_plan[p]);
  return shifts;
}

// What `plans` are remembered by. `shift_of_plan` is what the instrumentation of each plan of the
// data adds to ln ms.
void remember(const Job& job, std::span<const int> plans, std::span<const float> shift_of_plan,
              Parts& parts) {
  parts.memory = CardinalityMemory::write(MemoryBuilder(job.data, remembered(job, plans)).entries(),
                                          kMemoryLimit);
  parts.cache = PlanCache::write(
      build_plan_cache(job.records, job.data, plans, shifts_of(plans, shift_of_plan)),
      kPlanCacheLimit);
}

std::vector<std::byte> train_forest_of(const Job& job, const Split& split,
                                       std::span<const float> shift_of_plan, int& trees) {
  std::vector<float> shifts = shifts_of(split.training, shift_of_plan);
  for (int p : split.held_out) shifts.push_back(shift_of_plan[p]);
  return train_tree_forest(job.records, job.data, split.training, split.held_out, shifts,
                           job.options, trees);
}

// Trains as many networks as there are splits, whose plans memory must have recalled. Returns their
// weights, and as shifts what the instrumentation of each plan of the data adds to its time by
// each.
TrainedMembers train_networks(Job& job, const KnownContent& known, std::span<const Split> splits,
                              TrainerOptions options, const char* phase) {
  TrainedMembers trained;
  attempt_with_less_memory(options, job.result.note, [&] {
    trained = train_members(job.data, known, options, splits, all_plans(job.data),
                            make_reporter(job, phase, options.epochs));
  });
  return trained;
}

void evaluate_into(const Job& job, const Parts& parts, std::span<const int> plans,
                   std::span<const float> shift, std::vector<Withheld>& out) {
  LocalModel local(parts);
  for (size_t i = 0; i < plans.size(); i++) {
    check_stop(job.options);
    out.push_back(evaluate_withheld(local.model, job.records[job.data.records[plans[i]]], job.data,
                                    plans[i], shift.empty() ? 0 : shift[i]));
  }
}

std::vector<Withheld> only(const std::vector<Withheld>& all, Familiarity familiarity) {
  std::vector<Withheld> some;
  for (const Withheld& w : all)
    if (w.familiarity == familiarity) some.push_back(w);
  return some;
}

// What the training on everything makes beside the calibration.
struct MainTraining {
  int epochs = 0;  // of the first network
  Parts served;    // without its calibration
  // As answered by a model from which their queries were withheld.
  std::vector<Withheld> validation;
  // The executions of these queries after the first of each, which that model then remembers.
  std::vector<Withheld> again;
};

// Asks a model that has learned from `split.training` for the executions withheld from it.
void evaluate_split(const Job& job, const Split& split, std::span<const float> shift_of_plan,
                    Parts parts, MainTraining& main) {
  remember(job, split.training, shift_of_plan, parts);
  evaluate_into(job, parts, split.held_out, shifts_of(split.held_out, shift_of_plan),
                main.validation);
  std::vector<int> executed = split.training, others;
  std::set<uint64_t> met;
  for (int p : split.held_out)
    (met.insert(job.data.group[p]).second ? executed : others).push_back(p);
  if (others.empty()) return;
  KnownContent known = only_met(main.served.known, job.data, executed);
  parts.known.signatures = std::move(known.signatures);
  parts.known.queries = std::move(known.queries);
  remember(job, executed, shift_of_plan, parts);
  evaluate_into(job, parts, others, shifts_of(others, shift_of_plan), main.again);
}

std::vector<float> mean_of(std::span<const std::vector<float>> all) {
  std::vector<float> mean(all[0].size(), 0);
  for (const std::vector<float>& one : all)
    for (size_t i = 0; i < mean.size(); i++) mean[i] += one[i] / static_cast<float>(all.size());
  return mean;
}

MainTraining train_main(Job& job, std::span<const Split> splits, const TrainerOptions& options,
                        const Parts& start) {
  MainTraining main;
  const std::vector<int> all = all_plans(job.data);
  Parts& served = main.served = start;
  served.known = collect_known(job.data, all);
  {
    std::vector<int> withheld;
    for (const Split& split : splits)
      withheld.insert(withheld.end(), split.held_out.begin(), split.held_out.end());
    recall_dataset(job.records, MemoryBuilder(job.data, remembered(job, all)), withheld, job.data,
                   [&job] { check_stop(job.options); });
  }
  TrainedMembers trained = train_networks(job, served.known, splits, options, "training");
  main.epochs = trained.run.epochs;
  int all_trees = 0;
  for (size_t m = 0; m < splits.size(); m++) {
    Parts parts = start;
    parts.known = only_met(served.known, job.data, splits[m].training);
    parts.network = write_network(std::span(&trained.weights[m], 1));
    int trees = kMostTreesOfTree;
    // By the network that never saw what is withheld.
    const std::vector<float>& own_shifts = trained.shifts[m];
    parts.forest = train_forest_of(job, splits[m], own_shifts, trees);
    all_trees += trees;
    evaluate_split(job, splits[m], own_shifts, std::move(parts), main);
  }
  served.network = write_network(trained.weights);
  const std::vector<float> shifts = mean_of(trained.shifts);
  int trees = std::max(1, all_trees / static_cast<int>(splits.size()));
  served.forest = train_forest_of(job, {all, {}}, shifts, trees);
  const auto prices = fit_operator_costs(job.records, job.data, all, shifts, job.options.seed,
                                         [&job] { check_stop(job.options); });
  if (!prices.empty()) served.operators = write_operator_costs(prices);
  remember(job, all, shifts, served);
  return main;
}

// Executions whose whole query the network has not seen: each fold withholds a part of the queries.
std::vector<Withheld> evaluate_unseen(Job& job) {
  std::vector<Withheld> unseen;
  std::vector<int> plans;
  std::vector<float> shifts;
  auto folds = fold_by(job.data.query, all_plans(job.data), kFolds, job.options.seed + 1);
  for (int f = 0; f < kFolds; f++) {
    std::vector<int> rest;
    for (int other = 0; other < kFolds; other++)
      if (other != f) rest.insert(rest.end(), folds[other].begin(), folds[other].end());
    if (folds[f].empty() || rest.size() < kLeastPlans) continue;
    rest = split_by(job.data.group, rest, static_cast<double>(kFoldPlans) / rest.size(),
                    job.options.seed + 2)
               .held_out;
    std::vector<int> held = folds[f];
    if (held.size() > kFoldPlans / kFolds)
      held = split_by(job.data.group, held, static_cast<double>(kFoldPlans) / kFolds / held.size(),
                      job.options.seed + 3)
                 .held_out;
    // Other templates decide when to stop, as other templates will be asked.
    Split split = split_by(job.data.query, rest, 0.2, job.options.seed + 4);
    if (split.training.size() < kLeastPlans) split = {rest, {}};
    Parts parts;
    parts.calibration.cost = job.data.cost;
    parts.calibration.log_unit = job.data.log_unit;
    parts.calibration.key_id = job.data.key_id;
    TrainerOptions options = trainer_options(job, split.training.size(), kFoldPasses);
    options.epochs = std::min(options.epochs, kFoldEpochs);
    options.patience = kFoldEpochs / 3;
    options.batch_plans = 64;
    options.max_seconds = job.seconds_left(1.0 / (kFolds + 1 - f));
    options.stage = "unseen-" + std::to_string(f);
    parts.known = collect_known(job.data, split.training);
    recall_dataset(job.records, MemoryBuilder(job.data, remembered(job, split.training)), {},
                   job.data, [&job] { check_stop(job.options); });
    const TrainedMembers trained =
        train_networks(job, parts.known, std::span(&split, 1), options, "calibrating");
    parts.network = write_network(trained.weights);
    int trees = kMostTreesOfTree;
    parts.forest = train_forest_of(job, split, trained.shifts[0], trees);
    remember(job, split.training, trained.shifts[0], parts);
    const std::vector<float> shift = shifts_of(held, trained.shifts[0]);
    size_t before = unseen.size();
    evaluate_into(job, parts, held, shift, unseen);
    plans.insert(plans.end(), held.begin(), held.end());
    shifts.insert(shifts.end(), shift.begin(), shift.end());
    for (size_t i = before; i < unseen.size(); i++) {
      unseen[i].group = job.data.query[unseen[i].plan];
      if (unseen[i].familiarity != kForeign) unseen[i].familiarity = kUnseen;
    }
  }
  // Prices need many queries, of which three folds leave too few; they cost little to fit again.
  const auto by_prices = withheld_operator_times(
      job.records, job.data, plans, shifts, job.options.seed, [&job] { check_stop(job.options); });
  for (size_t i = 0; i < unseen.size(); i++) unseen[i].network.log_operators = by_prices[i];
  return unseen;
}

// Network and forest have learned from the same executions, so that what is cached says less that
// is new than its variance would have it.
constexpr double kCacheTrust = 0.25;

// `width` as for fixed_fusion(), `cache_trust` as for choose_cache().
Blend fuse_familiar(std::span<const Withheld> withheld, double width, double cache_trust) {
  constexpr double kProtect = 0.005;
  Blend chosen = choose_blend(withheld, {.weight = 0.5}, kProtect, false);
  chosen = choose_forest(withheld, chosen, false);
  return choose_cache(withheld, fixed_fusion(withheld, chosen, width), cache_trust);
}

// For what so many networks will answer. Executions of few queries say little of other queries,
// however many they are.
Blend calibrate_familiar(const std::vector<Withheld>& withheld, const Blend& blend,
                         size_t networks) {
  constexpr size_t kFewQueries = 20;
  std::set<uint64_t> queries;
  for (const Withheld& w : withheld) queries.insert(w.group);
  if (queries.size() < kFewQueries) return calibrate_for_groups(withheld, blend);
  // One network was asked, and two will be. On the same withheld queries of three sets of traces
  // their mean errs 0.95 times as much.
  constexpr double kOfTwo = 0.95;
  return calibrate_interval(withheld, blend, networks > 1 ? kOfTwo : 1);
}

// Where rows are remembered the network, which sees those of each node, needs the forest less, and
// hardly ever how long the plan took with other constants.
Blend answer_repeated(const std::vector<Withheld>& repeated, const Blend& otherwise,
                      size_t networks) {
  constexpr double kWidth = 3, kNoCache = 0;
  if (repeated.size() < kEnoughWithheld) return otherwise;
  return calibrate_familiar(repeated, fuse_familiar(repeated, kWidth, kNoCache), networks);
}

// Where the plan itself ran with these constants, what it took then is the better witness by far.
Blend answer_same_plan(const std::vector<Withheld>& same, Blend otherwise) {
  constexpr double kTrust = 4;
  constexpr size_t kCacheAlone = 1;  // it serves as it was judged, whatever the networks are
  otherwise.cache = kTrust;
  if (same.size() >= kEnoughWithheld)
    return calibrate_familiar(same, choose_cache(same, otherwise, kTrust), kCacheAlone);
  // What was calibrated without the cache may take nothing from an interval that the cache narrows.
  otherwise.low_offset = std::max(0.0, otherwise.low_offset);
  otherwise.high_offset = std::max(0.0, otherwise.high_offset);
  return otherwise;
}

Blend fuse_unseen(std::span<const Withheld> withheld) {
  constexpr double kProtect = 0.02;
  const Blend start = choose_operators(withheld, {.weight = 0.5});
  const Blend blend = choose_blend(withheld, start, kProtect, true);
  return choose_cache(withheld, choose_forest(withheld, blend, true), kCacheTrust);
}

// What is withheld from one database says nothing of another: the cost alone, in an interval at
// least as wide as before the first execution.
Blend answer_foreign(const std::vector<Withheld>& withheld) {
  const CostFit usual = usual_cost_fit();
  Blend blend = calibrate_interval(withheld, {});
  blend.low_offset = std::max(blend.low_offset, usual.low_offset);
  blend.high_offset = std::max(blend.high_offset, usual.high_offset);
  return blend;
}

// Of those that chose the epoch and the blend, few promise too much: they are filled up with some
// that had no part in it, evenly drawn.
void fill_up(std::vector<Withheld>& few, const std::vector<Withheld>& others) {
  constexpr size_t kMany = 50;
  const size_t wanted = std::min(kMany - std::min(kMany, few.size()), others.size());
  for (size_t i = 0; i < wanted; i++) few.push_back(others[i * others.size() / wanted]);
}

Blend twice_as_wide(Blend blend) {
  for (double* offset : {&blend.low_offset, &blend.high_offset})
    *offset = std::max(2 * *offset, 0.7);
  return blend;
}

// `validation` and `again` as in MainTraining, of so many networks; `withheld` are those of queries
// withheld whole.
Calibration calibrate(const std::vector<Withheld>& validation, const std::vector<Withheld>& again,
                      const std::vector<Withheld>& withheld, size_t networks,
                      Calibration calibration) {
  const auto unseen = only(withheld, kUnseen);
  auto seen_plan = only(validation, kSeenPlan);
  auto seen_query = only(validation, kSeenQuery);
  // Plans that ran before say how to blend, and not how far other plans of their queries are off.
  const auto& fused_by = seen_query.size() < kEnoughWithheld ? validation : seen_query;
  if (seen_plan.size() < kEnoughWithheld) seen_plan = validation;
  auto answer_familiar = [&unseen, networks](std::span<const Withheld> fusing,
                                             std::vector<Withheld> familiar) {
    constexpr double kWidth = 1.3;  // two networks need the forest less than one did
    const Blend blend = fuse_familiar(fusing, kWidth, kCacheTrust);
    if (familiar.size() + unseen.size() < kEnoughWithheld)
      familiar.assign(fusing.begin(), fusing.end());
    fill_up(familiar, unseen);
    return calibrate_familiar(familiar, blend, networks);
  };
  calibration.blend[kSeenPlan] = answer_familiar(seen_plan, seen_plan);
  calibration.blend[kSeenQuery] = answer_familiar(fused_by, seen_query);
  // Other queries with the same clauses count, too: nobody can tell them apart.
  auto known_as = [&validation, &again](Familiarity familiarity) {
    std::vector<Withheld> all = only(again, familiarity);
    const std::vector<Withheld> others = only(validation, familiarity);
    all.insert(all.end(), others.begin(), others.end());
    return all;
  };
  calibration.blend[kRepeated] =
      answer_repeated(known_as(kRepeated), calibration.blend[kSeenPlan], networks);
  calibration.blend[kSamePlan] =
      answer_same_plan(known_as(kSamePlan), calibration.blend[kRepeated]);
  auto foreign = only(withheld, kForeign);
  if (foreign.size() < kEnoughWithheld)
    foreign.insert(foreign.end(), validation.begin(), validation.end());
  calibration.blend[kForeign] = answer_foreign(foreign);
  Blend& blend = calibration.blend[kUnseen];
  if (unseen.size() >= kEnoughWithheld) {
    blend = calibrate_for_groups(unseen, fuse_unseen(unseen));
    return calibration;
  }
  // No query could be withheld: half the network, and twice the width.
  blend = twice_as_wide(calibrate_interval(validation, {.weight = 0.5}));
  if (seen_query.size() < kEnoughWithheld)
    calibration.blend[kSeenQuery] = twice_as_wide(calibration.blend[kSeenQuery]);
  return calibration;
}

void summarize(const std::vector<Withheld>& validation, const Calibration& calibration,
               TrainingResult& result) {
  std::vector<double> errors, baseline;
  for (const Withheld& w : validation) {
    if (w.censored) continue;
    LogTime time =
        blend_log_time(calibration.blend[w.familiarity], w.log_cost, w.network_or_null());
    errors.push_back(q_error(std::exp(time.median), std::exp(w.log_ms)));
    baseline.push_back(q_error(std::exp(w.log_cost), std::exp(w.log_ms)));
  }
  result.validation = summarize_q_errors(std::move(errors));
  result.baseline = summarize_q_errors(std::move(baseline));
  result.coverage = measure_coverage(validation, calibration.blend[kSeenPlan]);
}

// The smallest plan is the canary: it checks the arithmetic, and costs the least at every opening.
const OwnedRecord& choose_canary(const Job& job) {
  const Dataset& data = job.data;
  int best = 0;
  auto size = [&data](int p) { return data.first[p + 1] - data.first[p]; };
  for (int p = 0; p < data.plans(); p++) {
    bool better = size(best) < 3 ? size(p) > size(best) : size(p) >= 3 && size(p) < size(best);
    if (better) best = p;
  }
  return job.records[data.records[best]];
}

std::vector<std::byte> finish_bundle(const Job& job, const Parts& parts) {
  LocalModel local(parts);
  BundleWriter writer = start_bundle(parts);
  OwnedRecord canary = choose_canary(job);
  canary.statement.total_time = std::nan("");
  canary.statement.planning_time = std::nan("");
  writer.add(Section::kCanary, kCanaryVersion, write_canary(local.model, canary.view()));
  std::vector<std::byte> bundle = finish(writer);
  const AlignedBytes aligned(bundle);
  Model model;
  BundleStatus status = model.open(aligned.span(), openssl_sha256);
  if (status != BundleStatus::kOk)
    throw TrainingError(std::string("the finished model cannot be used: ") +
                        bundle_status_text(status));
  return bundle;
}

}  // namespace

TrainingResult TreeTemplate::train(std::span<const OwnedRecord> records,
                                   const TrainingOptions& options,
                                   const ProgressFunction& progress) const {
  Job job{records, options, progress, Clock::now(), {}, {}};
  job.report({"preparing", 0, options.max_epochs, 0, 0, 0});
  job.data = encode_dataset(records, [&options] { check_stop(options); });
  job.result.plans = static_cast<size_t>(job.data.plans());
  job.result.skipped = job.data.skipped;
  job.result.device = options.device;
  check_input(job);

  Parts parts;
  parts.calibration.cost = job.data.cost;
  parts.calibration.log_unit = job.data.log_unit;
  parts.calibration.memory_operators = job.data.memory_operators;
  parts.calibration.key_id = job.data.key_id;
  const std::vector<Split> splits =
      withhold_in_turn(job.data, kMembers, kValidationShare, options.seed);
  const std::set<uint64_t> groups(job.data.group.begin(), job.data.group.end());
  std::vector<Withheld> validation;
  const bool trainable = groups.size() >= kLeastGroups && !splits.empty() &&
                         splits[0].training.size() >= kLeastPlans / 2;
  if (trainable) {
    const std::vector<Withheld> unseen = evaluate_unseen(job);
    TrainerOptions main = trainer_options(job, splits[0].training.size(), kPlanPasses);
    main.max_seconds = job.seconds_left(1.0);
    main.stage = "main";
    MainTraining trained = train_main(job, splits, main, parts);
    validation = std::move(trained.validation);
    job.result.epochs = trained.epochs;
    trained.served.calibration =
        calibrate(validation, trained.again, unseen, splits.size(), parts.calibration);
    parts = std::move(trained.served);
  } else {
    // Nothing can be withheld, so nothing can be learned that is known to hold: the cost alone.
    const std::vector<int> all = all_plans(job.data);
    parts.known = collect_known(job.data, all);
    evaluate_into(job, parts, all, {}, validation);
    for (Blend& blend : parts.calibration.blend) blend = calibrate_interval(validation, {});
  }
  parts.info.plans = job.result.plans;
  parts.info.skipped = job.result.skipped;
  parts.info.epochs = static_cast<uint64_t>(job.result.epochs);
  parts.info.seed = options.seed;
  std::copy_n("tree", 5, parts.info.template_name);
  summarize(validation, parts.calibration, job.result);
  job.result.bundle = finish_bundle(job, parts);
  job.result.seconds = seconds_since(job.start);
  return std::move(job.result);
}

}  // namespace predictor::engine
