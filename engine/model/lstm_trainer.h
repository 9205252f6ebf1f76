// lstm_trainer.h - trains the network of plan/lstm.h with LibTorch: openGauss's R-LSTM, with what
// was wrong in the original put right where nobody outside can tell. Labels are learned as
// ln(1 + label), so that small and large ones count alike and no maximum limits them; nothing is
// cast to integers; sequences of different length never see each other's padding; and what is
// withheld to validate with is withheld by whole queries, and decides which epoch is kept.
//
// Whoever has plans makes samples of them: the openGauss service of its CSV, the template `rlstm`
// of plan records.
#ifndef PREDICTOR_ENGINE_MODEL_LSTM_TRAINER_H
#define PREDICTOR_ENGINE_MODEL_LSTM_TRAINER_H

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/model/model.h"
#include "plan/lstm.h"

namespace predictor::engine {

// Every node of every plan is a sample: the sequence of its sub-plan's nodes, and its own labels.
struct LstmSamples {
  int inputs = 0;
  int labels = 0;
  std::vector<float> features;       // [nodes][inputs], each plan's nodes in pre-order
  std::vector<float> targets;        // [nodes][labels], ln(1 + label); NaN where there is none
  std::vector<int32_t> subtree_end;  // node -> one past the last node of its sub-plan
  std::vector<int32_t> query;        // node -> number of its query, from 0

  size_t nodes() const { return subtree_end.size(); }
};

struct LstmOptions {
  uint64_t seed = 1;
  int threads = 1;
  std::string device = "cpu";
  int hidden = 50;
  int64_t epochs = 500;
  int64_t batch = 500;                 // samples
  double learning_rate = 3e-3;         // of Adam
  double withheld = 0.1;               // of the queries; none if there is only one
  int64_t patience = 60;               // epochs without a better validation
  const LstmWeights* start = nullptr;  // to go on from; of the same inputs, labels and hidden
  const std::atomic<bool>* stop = nullptr;
};

struct LstmReport {
  int64_t epoch = 0;
  double loss = 0;
  std::vector<double> ratio;  // as in LstmResult, so far
};

struct LstmResult {
  LstmWeights weights;
  int64_t epochs = 0;
  // By label, on the withheld queries (on all, if none is withheld): the mean of
  // max((1 + p) / (1 + a), (1 + a) / (1 + p)); NaN if no sample has the label.
  std::vector<double> ratio;
};

// Throws TrainingError, or TrainingCancelled when `keep_on`, which is called at every epoch's end,
// returns false or `options.stop` is set.
LstmResult train_lstm(const LstmSamples& samples, const LstmOptions& options,
                      const std::function<bool(const LstmReport&)>& keep_on);

}  // namespace predictor::engine

#endif
