// train_log.h - the course of a model's trainings, for people: the text file whose path
// /track_process answers, in the original's format, and TensorBoard's events beside it.
//
// Written while training goes on; a log that cannot be written is no reason to end the training.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_TRAIN_LOG_H
#define PREDICTOR_ENGINE_OPENGAUSS_TRAIN_LOG_H

#include <filesystem>
#include <optional>
#include <string>

#include "engine/model/lstm_trainer.h"
#include "engine/opengauss/event_file.h"

namespace predictor::engine::opengauss {

class TrainLog {
 public:
  // Appends to `path`, and starts an event file in its directory. Old event files beyond a few are
  // removed, and a text file that has grown large begins anew.
  TrainLog(std::filesystem::path path, std::string model, std::string labels, int64_t epochs);

  // Every hundredth epoch becomes a line, the first and the last too; every epoch an event.
  void note(const LstmReport& report);
  void finish();

 private:
  void write_line(const LstmReport& report);

  const std::filesystem::path path_;
  const std::string model_, labels_;
  const int64_t epochs_;
  std::optional<EventFile> events_;
  LstmReport last_;
  int64_t written_ = 0;  // epoch of the last line
  bool is_broken_ = false;
};

}  // namespace predictor::engine::opengauss

#endif
