#include "engine/ctl/plan_lines.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <regex>
#include <utility>

#include "engine/json_text.h"
#include "engine/text.h"

namespace predictor::engine::ctl {
namespace {

using nlohmann::json;

constexpr size_t kLongestDocument = size_t{64} << 20;

// auto_explain's "duration: 1.234 ms  plan:"; the number, or nothing.
std::string duration_in(std::string_view text) {
  const size_t at = text.find("duration: ");
  if (at == std::string_view::npos || text.find(" plan:", at) == std::string_view::npos) return "";
  text.remove_prefix(at + 10);
  return std::string(text.substr(0, text.find_first_not_of("0123456789.")));
}

// The lines psql puts around and into a plan that it prints in a table.
bool is_psql_frame(std::string_view text) {
  return text == "QUERY PLAN" || text.find_first_not_of("-+") == std::string_view::npos ||
         std::regex_match(text.begin(), text.end(), std::regex("\\(\\d+ rows?\\)"));
}

// "[1234] LOG:" is no array but a log's prefix.
bool begins_document(std::string_view text) {
  if (text.front() == '{') return true;
  if (text.front() != '[') return false;
  text = trimmed(text.substr(1));
  return text.empty() || text.front() == '{' || text == "+";
}

size_t count_quotes(std::string_view text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '"'));
}

// The columns of one record of a csvlog.
std::vector<std::string> csv_columns(std::string_view text) {
  std::vector<std::string> columns(1);
  bool is_quoted = false;
  for (size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if (is_quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      columns.back() += c;
      i++;
    } else if (c == '"') {
      is_quoted = !is_quoted;
    } else if (c == ',' && !is_quoted) {
      columns.emplace_back();
    } else {
      columns.back() += c;
    }
  }
  return columns;
}

// A record of a csvlog begins with its time: 2026-01-02 03:04:05.678 UTC,
bool begins_csv_record(std::string_view text) {
  static const std::regex pattern("^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d+ [^,\"]*,.*");
  const std::string_view head = text.substr(0, 200);
  return std::regex_match(head.begin(), head.end(), pattern);
}

}  // namespace

void PlanFinder::give_up(const char* reason) {
  bad_(reason, first_);
  first_ = 0;
  document_.clear();
  duration_.clear();
}

void PlanFinder::take_document(const std::string& text, const std::string& duration) {
  json document = json::parse(text, nullptr, false);
  if (document.is_array() && document.size() == 1) document = std::move(document[0]);
  if (document.is_discarded() || !document.is_object()) {
    bad_("not JSON", first_);
    return;
  }
  // jsonlog: the plan is in the message of an object of its own.
  if (document.contains("message") && !document.contains("Plan")) {
    const std::string message = json_string(document, "message");
    const std::string inner = duration_in(message);
    if (!inner.empty()) take_document(message.substr(message.find(" plan:") + 6), inner);
    return;
  }
  if (!document.contains("Plan")) {
    bad_("no \"Plan\" in it", first_);
    return;
  }
  document.erase("Query Text");
  if (!document.contains("Execution Time") && !duration.empty()) {
    document["Execution Time"] = std::strtod(duration.c_str(), nullptr);
  }
  plan_(json_text(document), first_);
}

void PlanFinder::append(std::string_view text) {
  for (size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if (is_escaped_) {
      is_escaped_ = false;
    } else if (in_string_) {
      if (c == '\\') is_escaped_ = true;
      if (c == '"') in_string_ = false;
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      depth_++;
    } else if (c == '}' || c == ']') {
      depth_--;
    }
    if (depth_ == 0 && !in_string_) {
      document_.append(text.substr(0, i + 1));
      const std::string document = std::exchange(document_, {});
      take_document(document, std::exchange(duration_, {}));
      first_ = 0;
      return;
    }
  }
  document_.append(text);
  document_ += '\n';
  if (document_.size() > kLongestDocument) give_up("longer than 64 MiB");
}

void PlanFinder::start(std::string_view text) {
  first_ = number_;
  depth_ = 0;
  in_string_ = is_escaped_ = false;
  append(text);
}

// A whole record of a csvlog: its message may hold a plan.
void PlanFinder::take(const std::string& text) {
  for (const std::string& column : csv_columns(text)) {
    const std::string duration = duration_in(column);
    if (duration.empty()) continue;
    first_ = record_first_;
    take_document(column.substr(column.find(" plan:") + 6), duration);
    first_ = 0;
  }
}

void PlanFinder::line(std::string_view text) {
  number_++;
  if (!record_.empty()) {
    record_.append("\n").append(text);
    if (record_.size() > kLongestDocument) record_.clear();
    if (count_quotes(record_) % 2 == 0) take(std::exchange(record_, {}));
    return;
  }
  std::string_view content = trimmed(text);
  if (first_ != 0) {
    // psql marks a line that goes on with a plus at its end
    if (!in_string_ && !content.empty() && content.back() == '+') {
      content = trimmed(content.substr(0, content.size() - 1));
    }
    append(content);
    return;
  }
  if (content.empty() || is_psql_frame(content)) return;
  if (begins_document(content)) {
    if (content.back() == '+') content = trimmed(content.substr(0, content.size() - 1));
    start(content);
  } else if (begins_csv_record(text) && count_quotes(text) > 1) {
    record_ = text;
    record_first_ = number_;
    if (count_quotes(record_) % 2 == 0) take(std::exchange(record_, {}));
  } else {
    duration_ = duration_in(content);
  }
}

void PlanFinder::finish() {
  if (first_ != 0) give_up("ends in the middle of a plan");
  if (!record_.empty()) {
    first_ = record_first_;
    record_.clear();
    give_up("ends in the middle of a record");
  }
}

}  // namespace predictor::engine::ctl
