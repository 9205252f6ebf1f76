// checkpoint_files.h - a job's checkpoints as files: DIRECTORY/STAGE.checkpoint, each with its own
// checksum in front. What is damaged is not loaded; the training then begins that stage again.
//
// Each stage is used by one thread, and there may be several at a time.
#ifndef PREDICTOR_ENGINE_CHECKPOINT_FILES_H
#define PREDICTOR_ENGINE_CHECKPOINT_FILES_H

#include <filesystem>
#include <string>

#include "engine/model/model.h"

namespace predictor::engine {

class CheckpointFiles : public Checkpoints {
 public:
  // The directory is created with the first checkpoint.
  explicit CheckpointFiles(std::filesystem::path directory) : directory_(std::move(directory)) {}

  std::optional<std::vector<std::byte>> load(const std::string& stage) override;
  void save(const std::string& stage, std::span<const std::byte> content) override;

 private:
  std::filesystem::path path_of(const std::string& stage) const;

  const std::filesystem::path directory_;
};

}  // namespace predictor::engine

#endif
