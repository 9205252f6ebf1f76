// model.h - the narrow interface between "a model is trained" and "how".
//
// The service, the command line and the tests know only this header; LibTorch stays behind it.
// Everything a template learns goes into one bundle (plan/bundle.h); every answer, also those that
// training reports as validation, comes from the runtime in plan/.
#ifndef PREDICTOR_ENGINE_MODEL_MODEL_H
#define PREDICTOR_ENGINE_MODEL_MODEL_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "plan/codec.h"

namespace predictor::engine {

// Where a training keeps what it needs to go on after its process has died. A stage is one network
// of the training, the content is whatever the template wrote, verified. Each stage is used by
// one thread, and there may be several at a time.
class Checkpoints {
 public:
  virtual ~Checkpoints() = default;
  // What was saved last; nothing if there is nothing, or it is damaged.
  virtual std::optional<std::vector<std::byte>> load(const std::string& stage) = 0;
  // Replaces it, durably. A failure does not end the training; it is logged.
  virtual void save(const std::string& stage, std::span<const std::byte> content) = 0;
};

struct TrainingOptions {
  uint64_t seed = 1;
  int threads = 1;         // Torch threads; BLAS always has one
  int max_epochs = 200;    // early stopping usually ends before
  double max_seconds = 0;  // 0: no limit; at the limit the best epoch so far is the result
  std::string device = "cpu";
  bool remember_rows = true;  // false: without cardinality memory, to see what it is worth
  // Set by whoever wants the training to end. Every loop that may take longer than 100 ms asks
  // check_stop(); what reports progress asks there.
  const std::atomic<bool>* stop = nullptr;
  Checkpoints* checkpoints = nullptr;  // null: nothing is kept
};

// Throws TrainingCancelled if the training is to end.
void check_stop(const TrainingOptions& options);

// q-error = max(predicted/actual, actual/predicted), both floored at 0.01 ms.
struct QError {
  double q50 = 0, q90 = 0, q95 = 0, q99 = 0, mean = 0, max = 0;
  size_t count = 0;
};
QError summarize_q_errors(std::vector<double> errors);
double q_error(double predicted_ms, double actual_ms);

struct TrainingProgress {
  std::string phase;  // "preparing", "training", "calibrating"
  int epoch = 0;
  int max_epochs = 0;
  double loss = 0;
  double validation_q50 = 0;
  double eta_seconds = 0;
};

struct TrainingResult {
  std::vector<std::byte> bundle;
  size_t plans = 0;    // records used
  size_t skipped = 0;  // records that could not be used (no label, bad numbers)
  int epochs = 0;
  double seconds = 0;
  QError validation;    // total time, on queries withheld from this training
  QError baseline;      // the calibrated planner cost on the same
  double coverage = 0;  // of the 90 % interval on the same
  std::string device;
  std::string note;  // what the user should know, such as that memory ran out on the device
};

class TrainingCancelled : public std::runtime_error {
 public:
  TrainingCancelled() : std::runtime_error("training was cancelled") {}
};

// An input or a state that training cannot go on with; the text is for the user.
class TrainingError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Called at least once per epoch and at least once a second; returning false cancels.
using ProgressFunction = std::function<bool(const TrainingProgress&)>;

class Template {
 public:
  virtual ~Template() = default;
  // Throws TrainingError or TrainingCancelled.
  virtual TrainingResult train(std::span<const OwnedRecord> records, const TrainingOptions& options,
                               const ProgressFunction& progress) const = 0;
};

// nullptr for a name that is not a template.
std::unique_ptr<Template> make_template(const std::string& name);

// All templates, simplest first: the baselines and then "tree".
std::vector<std::string> template_names();

// What became of a setting "auto", "cpu" or "cuda:N".
struct DeviceCheck {
  std::string device;           // "cpu" or "cuda:N"
  double worst_difference = 0;  // relative, of a small known network's answers and gradients
  std::string problem;          // why the device cannot be used; empty: it can
};

// Finds the device and runs a small known network on it, and on the CPU in double precision; that
// it is off by more than 1e-3 is a problem, as is everything that Torch complains about.
DeviceCheck check_device(const std::string& wanted);

// OpenSSL's SHA-256 in the form plan/ wants it.
bool openssl_sha256(const void* data, size_t length, uint8_t digest[32]);

}  // namespace predictor::engine

#endif
