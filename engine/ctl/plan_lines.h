// plan_lines.h - finds the plans in what `predictorctl import` is given.
//
// Known forms, told by their content and mixed as they like:
//  - a trace file: one JSON object a line;
//  - what EXPLAIN (FORMAT JSON) prints, over many lines: an array of one object, or the object,
//  also
//    several behind each other, also as psql prints it (with "+" and "QUERY PLAN" around it);
//  - the server's log with auto_explain.log_format = json: stderr (the plan follows on lines of its
//    own), csvlog (in a quoted column) and jsonlog (in "message").
// Everything else in a log is passed over in silence; text that begins like a plan and is none is
// reported with the number of its first line.
#ifndef PREDICTOR_ENGINE_CTL_PLAN_LINES_H
#define PREDICTOR_ENGINE_CTL_PLAN_LINES_H

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace predictor::engine::ctl {

class PlanFinder {
 public:
  // `plan` gets JSON text with a "Plan" and the time of the statement, and the line it began at;
  // `bad` gets a reason instead.
  using PlanSink = std::function<void(const std::string& json, size_t line)>;
  using BadSink = std::function<void(const std::string& reason, size_t line)>;

  PlanFinder(PlanSink plan, BadSink bad) : plan_(std::move(plan)), bad_(std::move(bad)) {}

  void line(std::string_view text);
  void finish();

 private:
  void start(std::string_view text);
  void append(std::string_view text);
  void take(const std::string& text);
  void take_document(const std::string& text, const std::string& duration);
  void give_up(const char* reason);

  PlanSink plan_;
  BadSink bad_;
  size_t number_ = 0;     // of the current line
  size_t first_ = 0;      // line where `document_` began; 0: not in one
  std::string document_;  // a JSON document over several lines
  std::string duration_;  // ms, from auto_explain's line before it
  int depth_ = 0;         // of its brackets
  bool in_string_ = false;
  bool is_escaped_ = false;
  std::string record_;  // of a csvlog, over several lines
  size_t record_first_ = 0;
};

}  // namespace predictor::engine::ctl

#endif
