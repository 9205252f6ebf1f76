#include "engine/trace.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include "engine/files.h"
#include "plan/explain_json.h"
#include "plan/known.h"

namespace predictor::engine {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
constexpr double kMostMs = 1e10;  // 116 days
constexpr size_t kLongestLine = size_t{64} << 20;

// Cuts a stream of bytes into lines.
class LineSplitter {
 public:
  explicit LineSplitter(std::function<void(std::string_view)> sink) : sink_(std::move(sink)) {}

  void feed(std::string_view piece) {
    while (!piece.empty()) {
      size_t end = piece.find('\n');
      append(piece.substr(0, end));
      if (end == std::string_view::npos) return;
      finish_line();
      piece.remove_prefix(end + 1);
    }
  }

  void finish() {
    if (!line_.empty()) finish_line();
  }

 private:
  // Of a line that is too long one byte more than the limit is kept, so that it can be told.
  void append(std::string_view part) {
    line_.append(part.substr(0, std::min(part.size(), kLongestLine + 1 - line_.size())));
  }
  void finish_line() {
    sink_(line_);
    line_.clear();
  }

  std::function<void(std::string_view)> sink_;
  std::string line_;
};

class Decompressor {
 public:
  explicit Decompressor(LineSplitter& out)
      : out_(out), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {}

  bool feed(std::string_view piece) {
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    char buffer[1 << 16];
    bool is_full = false;
    while (in.pos < in.size || is_full) {
      ZSTD_outBuffer out{buffer, sizeof buffer, 0};
      rest_ = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(rest_)) return false;
      out_.feed({buffer, out.pos});
      is_full = out.pos == out.size;
    }
    return true;
  }
  // Whether the last frame is complete.
  bool is_complete() const { return rest_ == 0; }

 private:
  LineSplitter& out_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
  size_t rest_ = 0;
};

bool is_zstd(std::string_view start) {
  constexpr char kMagic[] = "\x28\xb5\x2f\xfd";
  return start.substr(0, 4) == std::string_view(kMagic, 4);
}

Error damaged(const std::filesystem::path& path, const char* how) {
  return Error{"bad_trace", path.string() + " " + how + "; compress or copy it again"};
}

Failure read_lines(const std::filesystem::path& path, LineSplitter& lines) {
  File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return file_error("read", path);
  Decompressor decompressor(lines);
  std::vector<char> buffer(size_t{1} << 20);
  bool is_first = true, is_compressed = false;
  while (true) {
    const ssize_t got = ::read(file.descriptor(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", path);
    if (got == 0) break;
    const std::string_view piece(buffer.data(), static_cast<size_t>(got));
    if (std::exchange(is_first, false)) is_compressed = is_zstd(piece);
    if (!is_compressed)
      lines.feed(piece);
    else if (!decompressor.feed(piece))
      return damaged(path, "is damaged: it is not what zstd wrote");
  }
  if (is_compressed && !decompressor.is_complete())
    return damaged(path, "ends in the middle of its compressed data");
  lines.finish();
  return std::nullopt;
}

// nullptr: the times make sense.
const char* find_absurdity(const OwnedRecord& record) {
  const double time = record.statement.total_time;
  if (time > kMostMs) return "an \"Execution Time\" of more than a hundred days";
  for (const PredictorNode& n : record.nodes)
    if (n.actual_total > kMostMs || n.actual_startup > kMostMs)
      return "an \"Actual Total Time\" of more than a hundred days";
  return nullptr;
}

std::string group_of(const ExplainedPlan& plan) {
  std::string group = plan.database;
  group += '\n';
  if (!plan.group.empty()) return group + plan.group;
  const PredictorRecord view = plan.record.view();
  return group + std::to_string(query_key(view)) + ' ' + std::to_string(constants_key(view));
}

// EXPLAIN prints a hash table's planned batches only once it was built, so that they would tell
// which plans ran to their end.
void forget_planned_batches(OwnedRecord& record) {
  for (PredictorNode& n : record.nodes)
    if (n.op == PREDICTOR_OP_HASH) n.planned_batches = 0;
}

bool lacks_actuals(const OwnedRecord& record) {
  const PredictorStatement& s = record.statement;
  return !std::isnan(s.total_time) && (s.flags & PREDICTOR_STATEMENT_TIMED_OUT) == 0 &&
         (record.nodes[0].flags & PREDICTOR_NODE_ACTUAL_FLAGS) == 0;
}

void read_line(std::string_view text, Trace& trace) {
  trace.lines++;
  if (text.find_first_not_of(" \t\r") == std::string_view::npos) return;
  if (text.size() > kLongestLine) {
    trace.rejected["longer than 64 MiB"].push_back(trace.lines);
    return;
  }
  ExplainedPlan plan;
  const ExplainStatus status = read_explain_json(text, plan);
  const char* reason = nullptr;
  if (status != ExplainStatus::kOk)
    reason = explain_status_text(status);
  else
    reason = find_absurdity(plan.record);
  if (reason != nullptr) {
    trace.rejected[reason].push_back(trace.lines);
    return;
  }
  forget_planned_batches(plan.record);
  if (plan.unknown_nodes > 0)
    trace.remarks["unknown \"Node Type\", read as one of no known operator"].push_back(trace.lines);
  if (lacks_actuals(plan.record))
    trace.remarks["no \"Actual\" fields, only the time of the statement"].push_back(trace.lines);
  TracePlan read;
  read.group = group_of(plan);
  read.record = std::move(plan.record);
  read.line = trace.lines;
  trace.plans.push_back(std::move(read));
}

std::vector<std::byte> encode(const OwnedRecord& record) {
  std::vector<std::byte> bytes(encoded_size(static_cast<int>(record.nodes.size())));
  bytes.resize(encode_record(record.view(), bytes));
  return bytes;
}

}  // namespace

Result<Trace> read_trace(const std::filesystem::path& path) {
  Trace trace;
  trace.path = path;
  LineSplitter lines([&trace](std::string_view line) { read_line(line, trace); });
  if (Failure failure = read_lines(path, lines)) return *failure;
  return trace;
}

void require_times(Trace& trace) {
  std::vector<TracePlan> timed;
  for (TracePlan& plan : trace.plans) {
    if (std::isnan(plan.record.statement.total_time))
      trace.rejected["no \"Execution Time\""].push_back(plan.line);
    else
      timed.push_back(std::move(plan));
  }
  trace.plans = std::move(timed);
}

OwnedRecord without_actuals(const OwnedRecord& record) {
  OwnedRecord known = record;
  for (PredictorNode& n : known.nodes) predictor_clear_actuals(&n);
  PredictorStatement& s = known.statement;
  s.total_time = s.planning_time = s.jit_time = s.trigger_time = kUnknown;
  s.predicted_total = s.predicted_low = s.predicted_high = kUnknown;
  s.finished_at = s.predicted_version = s.predicted_source = 0;
  s.predicted_model = 0;
  s.instrumentation = PREDICTOR_INSTRUMENT_NONE;
  s.flags &= static_cast<uint16_t>(~(PREDICTOR_STATEMENT_TIMED_OUT | PREDICTOR_STATEMENT_PARTIAL));
  return known;
}

bool is_same_plan(const OwnedRecord& a, const OwnedRecord& b) {
  return encode(without_actuals(a)) == encode(without_actuals(b));
}

}  // namespace predictor::engine
