#include "engine/checkpoint_files.h"

#include <algorithm>

#include "engine/files.h"
#include "engine/log.h"
#include "engine/sha256.h"
#include "engine/text.h"

namespace predictor::engine {
namespace {

constexpr size_t kMostBytes = size_t{1} << 30;
constexpr size_t kSumSize = 64;  // SHA-256 in hexadecimal digits

}  // namespace

std::filesystem::path CheckpointFiles::path_of(const std::string& stage) const {
  return directory_ / (stage + ".checkpoint");
}

std::optional<std::vector<std::byte>> CheckpointFiles::load(const std::string& stage) {
  std::error_code status;
  const std::filesystem::path path = path_of(stage);
  if (!is_plain_name(stage) || !std::filesystem::exists(path, status)) return std::nullopt;
  Result<std::vector<std::byte>> file = read_file(path, kMostBytes);
  if (!file) {
    log_warning(file.error().message);
    return std::nullopt;
  }
  std::vector<std::byte>& bytes = file.value();
  const auto content = std::span(bytes).subspan(std::min(kSumSize, bytes.size()));
  const std::string sum = sha256_hex(content);
  if (bytes.size() < kSumSize ||
      !std::equal(sum.begin(), sum.end(), reinterpret_cast<const char*>(bytes.data()))) {
    log_warning("checkpoint " + path.string() + " is damaged and is not used");
    return std::nullopt;
  }
  return std::vector<std::byte>(content.begin(), content.end());
}

void CheckpointFiles::save(const std::string& stage, std::span<const std::byte> content) {
  const std::string sum = sha256_hex(content);
  const auto* start = reinterpret_cast<const std::byte*>(sum.data());
  std::vector<std::byte> bytes(start, start + sum.size());
  bytes.insert(bytes.end(), content.begin(), content.end());
  Failure failure = make_directory(directory_);
  if (!failure) failure = write_file(path_of(stage), bytes);
  if (failure) log_warning("no checkpoint was kept: " + failure->message);
}

}  // namespace predictor::engine
