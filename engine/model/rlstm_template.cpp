#include "engine/model/rlstm_template.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>

#include "engine/model/lstm_trainer.h"
#include "engine/model/root_training.h"
#include "plan/lstm.h"
#include "plan/lstm_features.h"

namespace predictor::engine {
namespace {

constexpr double kWithheldShare = 0.12;  // of the plans, to say how far off the network is
constexpr double kNodePasses = 3e6;      // that all epochs together may take
constexpr int kLeastEpochs = 15;

void append_plan(const RootTraining& training, int plan, int32_t query, LstmSamples& samples) {
  const PredictorRecord record = training.record(plan);
  const auto count = static_cast<size_t>(record.node_count);
  std::vector<NodePlace> places(count);
  std::vector<NodeFeatures> features(count);
  encode_features(record, places.data(), features.data());
  const auto first = static_cast<int32_t>(samples.nodes());
  for (size_t i = 0; i < count; i++) {
    samples.features.resize(samples.features.size() + kLstmNodeInputs);
    encode_lstm_node(record.nodes[i], features[i],
                     samples.features.data() + samples.features.size() - kLstmNodeInputs);
    // The statement alone is learned: its operators were timed in few plans, if
    // in any.
    samples.targets.push_back(i == 0 ? std::log1p(std::exp(training.data().log_ms[plan]))
                                     : std::numeric_limits<float>::quiet_NaN());
    samples.subtree_end.push_back(first + static_cast<int32_t>(i) + places[i].nodes_below + 1);
    samples.query.push_back(query);
  }
}

// Cancelled executions are no labels for this network.
LstmSamples make_samples(const RootTraining& training, std::span<const int> plans) {
  LstmSamples samples;
  samples.inputs = kLstmNodeInputs;
  samples.labels = 1;
  std::map<uint64_t, int32_t> queries;
  for (int p : plans) {
    if (training.data().censored[p]) continue;
    const auto number = static_cast<int32_t>(queries.size());
    append_plan(training, p, queries.emplace(training.data().group[p], number).first->second,
                samples);
  }
  return samples;
}

// What the runtime answers for the plans given. The section is memory of its own, so it is aligned.
std::vector<double> answer(const RootTraining& training, std::span<const std::byte> section,
                           std::span<const int> plans) {
  Lstm lstm;
  if (!lstm.open(section)) throw TrainingError("the trained network cannot be read back");
  std::vector<double> answers(static_cast<size_t>(training.data().plans()), std::nan(""));
  std::vector<float> scratch(lstm.scratch_floats());
  for (int p : plans) {
    if (training.data().censored[p]) continue;
    const LstmSamples sample = make_samples(training, std::span(&p, 1));
    const int nodes = std::min(static_cast<int>(sample.nodes()), kMaxLstmSequence);
    float log_ms1 = 0;
    lstm.run(sample.features.data(), nodes, scratch.data(), &log_ms1);
    answers[p] = lstm_log_ms(log_ms1);
  }
  return answers;
}

}  // namespace

TrainingResult RlstmTemplate::train(std::span<const OwnedRecord> records,
                                    const TrainingOptions& options,
                                    const ProgressFunction& progress) const {
  RootTraining training("rlstm", records, options, progress);
  training.measure_cost();
  const std::vector<int> all = training.all_plans();
  Split split = split_by(training.data().group, all, kWithheldShare, options.seed);
  if (split.held_out.empty() || split.training.size() < split.held_out.size()) split.training = all;
  const LstmSamples samples = make_samples(training, split.training);
  if (samples.nodes() == 0) return training.finish();
  LstmOptions lstm;
  lstm.seed = options.seed;
  lstm.threads = options.threads;
  lstm.device = options.device;
  lstm.stop = options.stop;
  lstm.batch = 64;
  lstm.epochs =
      std::clamp<int64_t>(static_cast<int64_t>(kNodePasses / static_cast<double>(samples.nodes())),
                          std::min(kLeastEpochs, options.max_epochs), options.max_epochs);
  lstm.patience = std::max<int64_t>(8, lstm.epochs / 4);
  const LstmResult trained = train_lstm(samples, lstm, [&](const LstmReport& report) {
    training.report("training", static_cast<int>(report.epoch), static_cast<int>(lstm.epochs),
                    report.loss);
    return true;
  });
  std::vector<std::byte> section = write_lstm(trained.weights);
  training.measure_model(answer(training, section, split.held_out.empty() ? all : split.held_out));
  training.set_epochs(static_cast<int>(trained.epochs));
  training.content().kind = RootKind::kLstm;
  training.add_section(Section::kLstm, kLstmVersion, std::move(section));
  return training.finish();
}

}  // namespace predictor::engine
