#include "engine/model/model.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cmath>

#include "engine/model/cache_template.h"
#include "engine/model/cost_template.h"
#include "engine/model/gbdt_template.h"
#include "engine/model/lstm_trainer.h"
#include "engine/model/rlstm_template.h"
#include "engine/model/tree_template.h"

namespace predictor::engine {

double q_error(double predicted_ms, double actual_ms) {
  constexpr double kFloorMs = 0.01;
  double predicted = std::max(predicted_ms, kFloorMs);
  double actual = std::max(actual_ms, kFloorMs);
  return std::max(predicted / actual, actual / predicted);
}

QError summarize_q_errors(std::vector<double> errors) {
  QError summary;
  summary.count = errors.size();
  if (errors.empty()) return summary;
  std::sort(errors.begin(), errors.end());
  // The smallest error that at least this part of all errors does not exceed.
  auto quantile = [&errors](double q) {
    auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(errors.size())));
    return errors[std::clamp<size_t>(rank, 1, errors.size()) - 1];
  };
  summary.q50 = quantile(0.50);
  summary.q90 = quantile(0.90);
  summary.q95 = quantile(0.95);
  summary.q99 = quantile(0.99);
  summary.max = errors.back();
  for (double error : errors) summary.mean += error / static_cast<double>(errors.size());
  return summary;
}

void check_stop(const TrainingOptions& options) {
  if (options.stop != nullptr && options.stop->load(std::memory_order_relaxed)) {
    throw TrainingCancelled();
  }
}

std::unique_ptr<Template> make_template(const std::string& name) {
  if (name == "cost") return std::make_unique<CostTemplate>();
  if (name == "cache") return std::make_unique<CacheTemplate>();
  if (name == "gbdt") return std::make_unique<GbdtTemplate>();
#ifndef PREDICTOR_WITHOUT_TORCH
  if (name == "rlstm") return std::make_unique<RlstmTemplate>();
  if (name == "tree") return std::make_unique<TreeTemplate>();
#endif
  return nullptr;
}

#ifdef PREDICTOR_WITHOUT_TORCH
DeviceCheck check_device(const std::string&) { return {"cpu", 0, ""}; }

LstmResult train_lstm(const LstmSamples&, const LstmOptions&,
                      const std::function<bool(const LstmReport&)>&) {
  throw TrainingError("this engine was built without LibTorch");
}

std::vector<std::string> template_names() { return {"cost", "cache", "gbdt"}; }
#else
std::vector<std::string> template_names() { return {"cost", "cache", "gbdt", "rlstm", "tree"}; }
#endif

bool openssl_sha256(const void* data, size_t length, uint8_t digest[32]) {
  unsigned int written = 0;
  return EVP_Digest(data, length, digest, &written, EVP_sha256(), nullptr) == 1 && written == 32;
}

}  // namespace predictor::engine
