#include "engine/ctl/progress.h"

#include <filesystem>
#include <iostream>
#include <system_error>

namespace predictor::engine::ctl {
namespace {

constexpr size_t kWidth = 30;
constexpr std::chrono::milliseconds kInterval{100};

}  // namespace

std::string progress_text(const std::string& file, size_t done, size_t total, size_t line,
                          int imported) {
  const std::string counted = ", " + std::to_string(imported) + " imported";
  if (total == 0 || done > total) return file + ": line " + std::to_string(line) + counted;
  const size_t filled = done * kWidth / total;
  return file + ": [" + std::string(filled, '#') + std::string(kWidth - filled, ' ') + "] " +
         std::to_string(done * 100 / total) + " %" + counted;
}

void Progress::begin(const std::string& file) {
  std::error_code error;
  const bool is_file = file != "-" && std::filesystem::is_regular_file(file, error);
  file_ = file == "-" ? "standard input" : file;
  total_ = is_file ? std::filesystem::file_size(file, error) : 0;
  if (error) total_ = 0;
  done_ = line_ = 0;
}

void Progress::print(int imported) {
  std::cerr << '\r' << progress_text(file_, done_, total_, line_, imported) << std::flush;
  is_drawn_ = true;
}

void Progress::draw(int imported) {
  const auto now = std::chrono::steady_clock::now();
  if (!is_shown_ || now - drawn_at_ < kInterval) return;
  drawn_at_ = now;
  print(imported);
}

void Progress::end(int imported) {
  if (!is_shown_) return;
  // a last line without its newline is counted as if it had one
  if (done_ == total_ + 1) done_ = total_;
  print(imported);
  make_room();
}

void Progress::make_room() {
  if (is_drawn_) std::cerr << '\n';
  is_drawn_ = false;
}

}  // namespace predictor::engine::ctl
