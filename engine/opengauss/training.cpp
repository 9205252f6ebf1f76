#include "engine/opengauss/training.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "engine/opengauss/pca.h"

namespace predictor::engine::opengauss {
namespace {

// Of Adam, where openGauss's learning rate is 1, the value that its documentation advises.
constexpr double kUnitLearningRate = 3e-3;
constexpr double kConvergedRatio = 2;

int label_index(char letter) {
  return static_cast<int>(std::string_view(kOpenGaussLetters).find(letter));
}

std::vector<int32_t> parents_of(const PlanCsv::Query& query) {
  std::vector<int32_t> parents;
  for (const PlanCsv::Node& node : query.nodes) parents.push_back(node.parent);
  return parents;
}

void append_features(const PlanCsv& plans, const PlanCsv::Node& node, const Pca& pca,
                     std::vector<float>& features) {
  const float* from = plans.features.data() + node.features;
  if (pca.outputs == 0) {
    features.insert(features.end(), from, from + plans.feature_count);
    return;
  }
  features.resize(features.size() + pca.outputs);
  pca.apply(from, features.data() + features.size() - pca.outputs);
}

LstmSamples make_samples(const PlanCsv& plans, const std::string& labels, const Pca& pca) {
  LstmSamples samples;
  samples.inputs = pca.outputs > 0 ? pca.outputs : plans.feature_count;
  samples.labels = static_cast<int>(labels.size());
  for (size_t q = 0; q < plans.queries.size(); q++) {
    const auto first = static_cast<int32_t>(samples.nodes());
    for (const int32_t end : subtree_ends(parents_of(plans.queries[q]))) {
      samples.subtree_end.push_back(first + end);
    }
    for (const PlanCsv::Node& node : plans.queries[q].nodes) {
      append_features(plans, node, pca, samples.features);
      samples.query.push_back(static_cast<int32_t>(q));
      for (const char letter : labels) {
        const double label = node.labels[label_index(letter)];
        samples.targets.push_back(label < 0 ? std::numeric_limits<float>::quiet_NaN()
                                            : static_cast<float>(std::log1p(label)));
      }
    }
  }
  return samples;
}

// The components of earlier trainings stay, so that the network's inputs keep their meaning.
Pca choose_pca(const TrainingRequest& request, bool goes_on) {
  if (goes_on) return request.earlier->facts().pca;
  if (request.config.dim_red < 0) return {};
  return fit_pca(request.plans->features, request.plans->feature_count, request.config.dim_red);
}

bool can_go_on(const TrainingRequest& request) {
  if (request.earlier == nullptr) return false;
  const OpenGaussFacts& facts = request.earlier->facts();
  return request.earlier->feature_count() == request.plans->feature_count &&
         facts.labels == request.config.labels &&
         (facts.pca.outputs > 0) == (request.config.dim_red > 0) &&
         request.earlier->network().weights().hidden ==
             static_cast<uint32_t>(request.config.hidden_units);
}

void note_maxima(const PlanCsv& plans, std::array<double, kOpenGaussLabels>& maxima) {
  for (double& most : maxima) most = std::max(most, 1.0);
  for (const PlanCsv::Query& query : plans.queries) {
    for (const PlanCsv::Node& node : query.nodes) {
      for (int i = 0; i < kOpenGaussLabels; i++) maxima[i] = std::max(maxima[i], node.labels[i]);
    }
  }
}

}  // namespace

TrainingOutcome train_model(const TrainingRequest& request,
                            const std::function<void(const LstmReport&)>& note) {
  const ModelConfig& config = request.config;
  const bool goes_on = can_go_on(request);
  TrainingOutcome outcome;
  if (goes_on) outcome.facts = request.earlier->facts();
  outcome.facts.labels = config.labels;
  outcome.facts.pca = choose_pca(request, goes_on);
  note_maxima(*request.plans, outcome.facts.maxima);
  const LstmSamples samples = make_samples(*request.plans, config.labels, outcome.facts.pca);
  outcome.feature_length = samples.inputs;

  LstmOptions options;
  options.threads = request.threads;
  options.hidden = static_cast<int>(config.hidden_units);
  options.epochs = config.max_epoch;
  options.batch = config.batch_size;
  options.learning_rate = kUnitLearningRate * std::min(config.learning_rate, 10.0);
  options.stop = request.stop;
  LstmWeights earlier;
  if (goes_on) {
    earlier = request.earlier->network().weights();
    options.start = &earlier;
  }
  const LstmResult result = train_lstm(samples, options, [&note](const LstmReport& report) {
    note(report);
    return true;
  });

  outcome.weights = result.weights;
  outcome.facts.epochs += result.epochs;
  outcome.facts.ratio.fill(-1);
  outcome.is_converged = true;
  for (size_t i = 0; i < config.labels.size(); i++) {
    const double ratio = result.ratio[i];
    if (std::isfinite(ratio)) outcome.facts.ratio[label_index(config.labels[i])] = ratio;
    if (!(ratio <= kConvergedRatio)) outcome.is_converged = false;
  }
  return outcome;
}

std::vector<double> predict_nodes(const TrainedModel& model, const PlanCsv& plans,
                                  const PlanCsv::Query& query) {
  std::vector<float> features;
  for (const PlanCsv::Node& node : query.nodes) append_features(plans, node, {}, features);
  return model.predict(features, parents_of(query));
}

}  // namespace predictor::engine::opengauss
