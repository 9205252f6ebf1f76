#include "plan/opengauss_model.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace predictor {
namespace {

constexpr uint32_t kFactsVersion = 1;

using Letters = std::array<char, 8>;

std::vector<std::byte> write_facts(const OpenGaussFacts& facts) {
  SectionWriter out;
  Letters letters{};
  std::copy(facts.labels.begin(), facts.labels.end(), letters.begin());
  out.put(letters);
  out.put(facts.maxima);
  out.put(facts.ratio);
  out.put(facts.epochs);
  out.put(static_cast<int32_t>(facts.pca.inputs));
  out.put(static_cast<int32_t>(facts.pca.outputs));
  out.put_array(std::span<const float>(facts.pca.mean));
  out.put_array(std::span<const float>(facts.pca.components));
  return out.take();
}

bool read_labels(const Letters& letters, std::string& labels) {
  labels.assign(letters.begin(), std::find(letters.begin(), letters.end(), '\0'));
  const std::string_view known = kOpenGaussLetters;
  size_t least = 0;  // each once, in order
  for (const char letter : labels) {
    const size_t at = known.find(letter, least);
    if (at == std::string_view::npos) return false;
    least = at + 1;
  }
  return !labels.empty();
}

bool read_facts(std::span<const std::byte> content, OpenGaussFacts& facts) {
  SectionReader in(content);
  const auto letters = in.get<Letters>();
  facts.maxima = in.get<std::array<double, kOpenGaussLabels>>();
  facts.ratio = in.get<std::array<double, kOpenGaussLabels>>();
  facts.epochs = in.get<int64_t>();
  facts.pca.inputs = in.get<int32_t>();
  facts.pca.outputs = in.get<int32_t>();
  const auto most = static_cast<int>(kMaxLstmInputs);
  if (!in.ok() || !read_labels(letters, facts.labels) || facts.pca.inputs < 0 ||
      facts.pca.inputs > most || facts.pca.outputs < 0 || facts.pca.outputs > facts.pca.inputs) {
    return false;
  }
  const auto inputs = static_cast<size_t>(facts.pca.inputs);
  const size_t count = inputs * static_cast<size_t>(facts.pca.outputs);
  const float* mean = in.get_array<float>(inputs);
  const float* components = in.get_array<float>(count);
  if (!in.finished()) return false;
  facts.pca.mean.assign(mean, mean + inputs);
  facts.pca.components.assign(components, components + count);
  const auto is_finite = [](float x) { return std::isfinite(x); };
  return std::all_of(facts.pca.mean.begin(), facts.pca.mean.end(), is_finite) &&
         std::all_of(facts.pca.components.begin(), facts.pca.components.end(), is_finite);
}

}  // namespace

void Pca::apply(const float* in, float* out) const {
  for (int i = 0; i < outputs; i++) {
    const float* component = components.data() + static_cast<size_t>(i) * inputs;
    float sum = 0;
    for (int j = 0; j < inputs; j++) sum += component[j] * (in[j] - mean[j]);
    out[i] = sum;
  }
}

std::vector<std::byte> write_opengauss_model(const OpenGaussFacts& facts,
                                             const LstmWeights& weights, Sha256Function sha256) {
  BundleWriter bundle;
  bundle.add(Section::kOpenGauss, kFactsVersion, write_facts(facts));
  bundle.add(Section::kLstm, kLstmVersion, write_lstm(weights));
  return bundle.finish(sha256);
}

std::vector<int32_t> subtree_ends(std::span<const int32_t> parents) {
  std::vector<int32_t> end(parents.size());
  for (size_t i = parents.size(); i-- > 0;) {
    end[i] = std::max(end[i], static_cast<int32_t>(i) + 1);
    if (parents[i] >= 0) end[parents[i]] = std::max(end[parents[i]], end[i]);
  }
  return end;
}

bool OpenGaussModel::open(std::span<const std::byte> bytes, Sha256Function sha256) {
  BundleView view;
  return view.open(bytes, sha256) == BundleStatus::kOk &&
         read_facts(view.section(Section::kOpenGauss, kFactsVersion), facts_) &&
         lstm_.open(view.section(Section::kLstm, kLstmVersion)) &&
         lstm_.labels() == static_cast<int>(facts_.labels.size()) &&
         (facts_.pca.outputs == 0 || facts_.pca.outputs == lstm_.inputs());
}

std::vector<double> OpenGaussModel::predict(std::span<const float> features,
                                            std::span<const int32_t> parents) const {
  const auto wide = static_cast<size_t>(feature_count());
  const auto inputs = static_cast<size_t>(lstm_.inputs());
  std::vector<float> reduced;
  const float* rows = features.data();
  if (facts_.pca.outputs > 0) {
    reduced.resize(parents.size() * inputs);
    for (size_t i = 0; i < parents.size(); i++)
      facts_.pca.apply(&features[i * wide], &reduced[i * inputs]);
    rows = reduced.data();
  }
  std::vector<float> scratch(lstm_.scratch_floats());
  std::vector<float> answers(static_cast<size_t>(lstm_.labels()));
  std::vector<double> labels;
  const std::vector<int32_t> ends = subtree_ends(parents);
  for (size_t i = 0; i < ends.size(); i++) {
    lstm_.run(rows + i * inputs, ends[i] - static_cast<int>(i), scratch.data(), answers.data());
    for (const float answer : answers) {
      // Beyond e^40 nothing is plausible; and the sum of many stays finite.
      labels.push_back(std::max(0.0, std::expm1(std::min<double>(answer, 40))));
    }
  }
  return labels;
}

}  // namespace predictor
