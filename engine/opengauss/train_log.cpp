#include "engine/opengauss/train_log.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include "engine/log.h"
#include "engine/text.h"

namespace predictor::engine::opengauss {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kEpochsPerLine = 100;
constexpr size_t kEventFiles = 8;
constexpr uint64_t kMostLogBytes = uint64_t{10} << 20;
constexpr char kEventPrefix[] = "events.out.tfevents.";

// The names end in seconds and the model, so that their order is that of time.
void remove_old_events(const fs::path& directory) {
  std::vector<std::string> found;
  for (const std::string& name : directory_entries(directory)) {
    if (name.rfind(kEventPrefix, 0) == 0) found.push_back(name);
  }
  for (size_t i = 0; i + kEventFiles <= found.size(); i++) remove_file(directory / found[i]);
}

}  // namespace

TrainLog::TrainLog(fs::path path, std::string model, std::string labels, int64_t epochs)
    : path_(std::move(path)),
      model_(std::move(model)),
      labels_(std::move(labels)),
      epochs_(epochs) {
  std::error_code ignored;
  const fs::path directory = path_.parent_path();
  if (Failure failure = make_directory(directory)) log_warning(failure->message);
  if (fs::exists(path_, ignored) && fs::file_size(path_, ignored) > kMostLogBytes) {
    remove_file(path_);
  }
  remove_old_events(directory);
  Result<EventFile> events = EventFile::create(directory, "predictord");
  if (events) {
    events_.emplace(std::move(events.value()));
  } else {
    log_warning("no events for TensorBoard: " + events.error().message);
  }
}

void TrainLog::note(const LstmReport& report) {
  last_ = report;
  if (events_) {
    EventFile::Scalars scalars = {{"loss", static_cast<float>(report.loss)}};
    for (size_t i = 0; i < labels_.size(); i++) {
      scalars.emplace_back(std::string("ratio_error/") + labels_[i],
                           static_cast<float>(report.ratio[i]));
    }
    if (Failure failure = events_->add(report.epoch, scalars)) {
      log_warning("no more events for TensorBoard: " + failure->message);
      events_.reset();
    }
  }
  if (report.epoch == 1 || report.epoch % kEpochsPerLine == 0) write_line(report);
}

void TrainLog::finish() {
  if (last_.epoch > written_) write_line(last_);
}

void TrainLog::write_line(const LstmReport& report) {
  written_ = report.epoch;
  if (is_broken_) return;
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  char time[32];
  std::strftime(time, sizeof(time), "%Y-%m-%d %H:%M:%S", ::localtime_r(&now, &local));
  char loss[32];
  std::snprintf(loss, sizeof(loss), "%.2f", report.loss);
  const std::string line = std::string(time) + " [TRAINING] [MODEL]: " + printable(model_) +
                           "  [Epoch]: " + std::to_string(report.epoch) + "/" +
                           std::to_string(epochs_) + "  [Loss]: " + loss + "\n";
  File file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  Failure failure =
      file.is_open() ? file.write(std::as_bytes(std::span(line))) : file_error("open", path_);
  if (!failure) return;
  is_broken_ = true;
  log_warning(failure->message);
}

}  // namespace predictor::engine::opengauss
