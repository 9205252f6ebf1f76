#include "engine/model/gbdt_template.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "engine/model/forest_trainer.h"
#include "engine/model/root_training.h"

namespace predictor::engine {
namespace {

// The most used, ascending. Counted once for each plan.
std::vector<uint64_t> most_used(const Dataset& data, std::span<const int> plans, int table,
                                size_t limit) {
  std::map<uint64_t, int> uses;
  for (int p : plans) {
    std::vector<uint64_t> met;
    for (int node = data.first[p]; node < data.first[p + 1]; node++)
      met.push_back(data.identity[static_cast<size_t>(node) * kIdentityCount + table]);
    std::sort(met.begin(), met.end());
    met.erase(std::unique(met.begin(), met.end()), met.end());
    for (uint64_t identity : met)
      if (identity != 0) uses[identity]++;
  }
  std::vector<std::pair<int, uint64_t>> order;
  for (auto [identity, count] : uses) order.emplace_back(-count, identity);
  std::sort(order.begin(), order.end());
  order.resize(std::min(order.size(), limit));
  std::vector<uint64_t> chosen;
  for (auto [count, identity] : order) chosen.push_back(identity);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

ForestData make_rows(const RootTraining& training, const FlatVocabulary& vocabulary) {
  const Dataset& data = training.data();
  ForestData rows;
  rows.columns = flat_feature_count(vocabulary);
  rows.x.resize(static_cast<size_t>(data.plans()) * rows.columns);
  std::vector<NodePlace> places;
  for (int p = 0; p < data.plans(); p++) {
    const PredictorRecord record = training.record(p);
    places.resize(static_cast<size_t>(record.node_count));
    find_places(record, places.data());
    encode_flat({record, places.data()}, vocabulary, &rows.x[size_t(p) * rows.columns]);
    // Relative to the calibrated cost: what is the same on any machine.
    rows.target.push_back(static_cast<float>(data.log_ms[p] - training.log_cost(p)));
  }
  rows.censored = data.censored;
  return rows;
}

// The answers of folds after the best common number of rounds.
struct Folds {
  std::vector<TrainedForest> forests;
  int rounds = 0;
  std::vector<double> withheld;  // by plan
};

int best_rounds(const RootTraining& training, const std::vector<TrainedForest>& forests) {
  size_t most = 0;
  for (const TrainedForest& forest : forests) most = std::max(most, forest.losses.size());
  int best = TrainedForest::kEvery;
  double least = std::numeric_limits<double>::infinity();
  for (size_t round = TrainedForest::kEvery; round <= most; round += TrainedForest::kEvery) {
    double loss = 0;
    for (size_t f = 0; f < forests.size(); f++) {
      const std::vector<double>& losses = forests[f].losses;
      loss += losses[std::min(round, losses.size()) - 1] *
              static_cast<double>(training.folds()[f].size());
    }
    if (loss < least) least = loss, best = static_cast<int>(round);
  }
  return best;
}

Folds train_folds(const RootTraining& training, const ForestData& rows,
                  const ForestOptions& options) {
  Folds out;
  const auto& folds = training.folds();
  for (size_t f = 0; f < folds.size(); f++)
    out.forests.push_back(train_forest(rows, training.all_but(static_cast<int>(f)), folds[f],
                                       options, [&](int round, double loss) {
                                         training.report("calibrating", round, options.rounds,
                                                         loss);
                                       }));
  out.rounds = best_rounds(training, out.forests);
  out.withheld.resize(static_cast<size_t>(rows.rows()));
  for (size_t f = 0; f < folds.size(); f++) {
    const auto& answers = out.forests[f].answers;
    const size_t at = std::min<size_t>(out.rounds / TrainedForest::kEvery, answers.size()) - 1;
    for (size_t i = 0; i < folds[f].size(); i++)
      out.withheld[folds[f][i]] = training.log_cost(folds[f][i]) + answers[at][i];
  }
  return out;
}

// Answers for plans whose whole query was withheld; empty where there are too
// few queries.
std::vector<double> withhold_queries(const RootTraining& training, const ForestData& rows,
                                     ForestOptions options) {
  constexpr int kFolds = 3;
  constexpr size_t kLeastQueries = 6;
  const Dataset& data = training.data();
  std::vector<double> withheld;
  if (std::set<uint64_t>(data.query.begin(), data.query.end()).size() < kLeastQueries)
    return withheld;
  withheld.resize(static_cast<size_t>(data.plans()));
  options.patience = options.rounds;
  const auto folds = fold_by(data.query, training.all_plans(), kFolds, options.seed + 1);
  for (size_t f = 0; f < folds.size(); f++) {
    std::vector<int> rest;
    for (size_t other = 0; other < folds.size(); other++)
      if (other != f) rest.insert(rest.end(), folds[other].begin(), folds[other].end());
    const TrainedForest forest =
        train_forest(rows, rest, folds[f], options, [&](int round, double loss) {
          training.report("calibrating", round, options.rounds, loss);
        });
    for (size_t i = 0; i < folds[f].size(); i++)
      withheld[folds[f][i]] = training.log_cost(folds[f][i]) + forest.answers.back()[i];
  }
  return withheld;
}

}  // namespace

FlatContent choose_flat_vocabulary(const Dataset& data, std::span<const int> plans) {
  return {most_used(data, plans, kRelationIdentity, kMostFlatRelations),
          most_used(data, plans, kPredicateIdentity, kMostFlatPredicates)};
}

TrainingResult GbdtTemplate::train(std::span<const OwnedRecord> records,
                                   const TrainingOptions& options,
                                   const ProgressFunction& progress) const {
  RootTraining training("gbdt", records, options, progress);
  training.measure_cost();
  const std::vector<int> all = training.all_plans();
  ForestContent content;
  content.features = choose_flat_vocabulary(training.data(), all);
  const ForestData rows = make_rows(training, content.features.view());
  ForestOptions forest;
  forest.seed = options.seed;
  forest.threads = options.threads;
  const Folds folds = train_folds(training, rows, forest);
  training.measure_model(folds.withheld);
  forest.rounds = folds.rounds;
  const std::vector<double> unseen = withhold_queries(training, rows, forest);
  if (!unseen.empty()) training.measure_unseen(unseen);
  TrainedForest whole = train_forest(rows, all, {}, forest, [&](int round, double loss) {
    training.report("training", round, forest.rounds, loss);
  });
  training.set_epochs(forest.rounds);
  content.trees = std::move(whole.trees);
  content.base = whole.base;
  training.content().kind = RootKind::kForest;
  training.add_section(Section::kForest, kForestVersion, write_forest(content));
  return training.finish();
}

}  // namespace predictor::engine
