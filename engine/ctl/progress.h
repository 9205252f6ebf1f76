// progress.h - how far an import is, in one line of standard error that is drawn over and over.
#ifndef PREDICTOR_ENGINE_CTL_PROGRESS_H
#define PREDICTOR_ENGINE_CTL_PROGRESS_H

#include <chrono>
#include <cstddef>
#include <string>

namespace predictor::engine::ctl {

// A file with `total` bytes, of which `done` are read: a bar and a percentage; what has no end that
// is known (a pipe, a compressed file: 0, or less than was read) is told by its line.
std::string progress_text(const std::string& file, size_t done, size_t total, size_t line,
                          int imported);

class Progress {
 public:
  explicit Progress(bool is_shown) : is_shown_(is_shown) {}

  void begin(const std::string& file);
  void line_read(size_t bytes) {
    done_ += bytes + 1;
    line_++;
  }
  // Draws, if it is long enough since it last did.
  void draw(int imported);
  // Draws how it ended; what is printed next begins on a line of its own.
  void end(int imported);
  void make_room();

 private:
  void print(int imported);

  const bool is_shown_;
  bool is_drawn_ = false;
  std::string file_;
  size_t done_ = 0, total_ = 0, line_ = 0;
  std::chrono::steady_clock::time_point drawn_at_;
};

}  // namespace predictor::engine::ctl

#endif
