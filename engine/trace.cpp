#include "engine/trace.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include "engine/lines.h"
#include "plan/explain_json.h"
#include "plan/known.h"

namespace predictor::engine {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
constexpr double kMostMs = 1e10;  // 116 days

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

void forget_actuals(PredictorNode& n) {
  n.flags &= static_cast<uint16_t>(~PREDICTOR_NODE_ACTUAL_FLAGS);
  n.actual_startup = n.actual_total = n.actual_rows = n.actual_loops = n.actual_memory = kUnknown;
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
  const Failure failure = read_lines(path, [&trace](std::string_view line) {
    read_line(line, trace);
    return true;
  });
  if (failure) return *failure;
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
  for (PredictorNode& n : known.nodes) forget_actuals(n);
  PredictorStatement& s = known.statement;
  s.total_time = s.planning_time = kUnknown;
  s.finished_at = 0;
  s.instrumentation = PREDICTOR_INSTRUMENT_NONE;
  s.flags &= static_cast<uint16_t>(~(PREDICTOR_STATEMENT_TIMED_OUT | PREDICTOR_STATEMENT_PARTIAL));
  return known;
}

bool is_same_plan(const OwnedRecord& a, const OwnedRecord& b) {
  return encode(without_actuals(a)) == encode(without_actuals(b));
}

}  // namespace predictor::engine
