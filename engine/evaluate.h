// evaluate.h - `predictord evaluate`: trains models on trace files and says how well each predicts
// other trace files, offline and without PostgreSQL.
//
// Every answer comes from the bundle that training made, opened and asked by the runtime of plan/,
// for a record from which everything that execution revealed has been removed.
#ifndef PREDICTOR_ENGINE_EVALUATE_H
#define PREDICTOR_ENGINE_EVALUATE_H

#include <filesystem>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/evaluate_score.h"
#include "engine/model/model.h"
#include "engine/trace.h"

namespace predictor::engine {

struct EvaluateCommand {
  std::vector<std::filesystem::path> train;  // none: a model before its first training answers
  std::vector<std::filesystem::path> test;
  std::vector<std::filesystem::path> score;  // none, or one for each of `test`, line for line
  std::vector<std::string> models;           // none: every template
  TrainingOptions options;
  int shots = 0;            // so many groups of the test files go to training
  bool seen_first = false;  // the first plan of each test group goes to training
  bool json = false;        // one object per model on standard output, and no table
};

// What is trained on and what is asked, after --shots and --seen.
struct EvaluationSet {
  std::vector<OwnedRecord> training;
  std::vector<TestPlan> test;
};

// Fails with one sentence if there is nothing to test, or nothing to train on though files were
// named. Says on standard error which lines could not be used.
Result<EvaluationSet> load_evaluation(const EvaluateCommand& command);

// Trains one template and scores it. Errors are those of training.
Result<Evaluation> evaluate_model(const std::string& name, const EvaluationSet& set,
                                  const TrainingOptions& options);

// Scores what answers where nothing was executed yet: the planner's cost at the usual price.
Result<Evaluation> evaluate_untrained(const EvaluationSet& set, uint64_t seed);

// The whole command; the process's exit status.
int run_evaluate(const EvaluateCommand& command);

}  // namespace predictor::engine

#endif
