#include "plan/codec.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "plan/operators.h"

namespace predictor {
namespace {

static_assert(std::endian::native == std::endian::little,
              "fields are written in memory order, which the format fixes as little-endian");

constexpr char kMagic[8] = {'P', 'G', 'P', 'R', 'E', 'D', 'R', 'C'};
constexpr size_t kPrefixSize = 4;      // length of what follows
constexpr size_t kStatementSize = 64;  // see visit_statement()
constexpr size_t kNodeSize = 160;      // see visit_node()

// The order of fields, once for both directions: `visit` gets every field in turn.
template <typename Statement, typename Visit>
void visit_statement(Statement& s, Visit&& visit) {
  visit(s.query_id), visit(s.signature), visit(s.constants), visit(s.key_id);
  visit(s.finished_at), visit(s.total_time), visit(s.planning_time);
  visit(s.work_mem), visit(s.command), visit(s.instrumentation), visit(s.flags);
}

template <typename Node, typename Visit>
void visit_node(Node& n, Visit&& visit) {
  visit(n.op), visit(n.relationship), visit(n.join_type), visit(n.strategy);
  visit(n.partial_mode), visit(n.command), visit(n.clauses), visit(n.flags);
  visit(n.sort_keys), visit(n.parent), visit(n.relation), visit(n.index), visit(n.predicate);
  visit(n.selection), visit(n.links), visit(n.constants), visit(n.coarse);
  visit(n.startup_cost), visit(n.total_cost), visit(n.plan_rows);
  visit(n.relation_pages), visit(n.relation_tuples), visit(n.plan_width);
  visit(n.workers_planned), visit(n.actual_startup), visit(n.actual_total);
  visit(n.actual_rows), visit(n.actual_loops), visit(n.actual_memory);
}

struct Writer {
  std::byte* at;
  template <typename T>
  void operator()(const T& field) {
    std::memcpy(at, &field, sizeof(T));
    at += sizeof(T);
  }
};

// Bounds are the caller's business: a record's length is checked before its fields are read.
struct Reader {
  const std::byte* at;
  template <typename T>
  void operator()(T& field) {
    std::memcpy(&field, at, sizeof(T));
    at += sizeof(T);
  }
};

uint32_t read_u32(const std::byte* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Unknown (NaN) or a finite number that is not negative.
bool is_amount(double x) { return std::isnan(x) || (x >= 0 && std::isfinite(x)); }

bool has_sane_numbers(const PredictorStatement& s) {
  return is_amount(s.total_time) && is_amount(s.planning_time) && s.work_mem >= 0;
}

bool has_sane_numbers(const PredictorNode& n) {
  for (double x :
       {n.startup_cost, n.total_cost, n.plan_rows, n.relation_pages, n.relation_tuples,
        n.actual_startup, n.actual_total, n.actual_rows, n.actual_loops, n.actual_memory})
    if (!is_amount(x)) return false;
  return n.plan_width >= 0 && n.workers_planned >= 0;
}

bool has_sane_structure(const PredictorStatement& s) {
  return s.command <= PREDICTOR_COMMAND_MERGE && s.instrumentation <= PREDICTOR_INSTRUMENT_TIMERS;
}

bool has_sane_structure(const PredictorNode& n, int position) {
  bool parent = position == 0 ? n.parent == -1 : n.parent >= 0 && n.parent < position;
  return parent && n.op < PREDICTOR_OPERATOR_COUNT && n.relationship <= PREDICTOR_REL_SUBQUERY &&
         n.join_type <= PREDICTOR_JOIN_RIGHT_SEMI && n.strategy <= PREDICTOR_STRATEGY_MIXED &&
         n.partial_mode <= PREDICTOR_PARTIAL_FINALIZE && n.command <= PREDICTOR_COMMAND_MERGE;
}

struct Frame {
  DecodeStatus status;
  int nodes;
};

// Checks everything about a record that can be known without reading its fields.
Frame check_frame(std::span<const std::byte> in) {
  if (in.size() < kPrefixSize) return {DecodeStatus::kTruncated, 0};
  size_t length = read_u32(in.data());
  if (length > encoded_size(PREDICTOR_MAX_NODES)) return {DecodeStatus::kBadLength, 0};
  if (length > in.size() - kPrefixSize) return {DecodeStatus::kTruncated, 0};
  if (length < kStatementSize + sizeof(uint32_t)) return {DecodeStatus::kBadLength, 0};
  uint32_t nodes = read_u32(in.data() + kPrefixSize + kStatementSize);
  if (nodes == 0 || nodes > PREDICTOR_MAX_NODES) return {DecodeStatus::kBadCount, 0};
  if (length != encoded_size(static_cast<int>(nodes)) - kPrefixSize)
    return {DecodeStatus::kBadLength, 0};
  return {DecodeStatus::kOk, static_cast<int>(nodes)};
}

}  // namespace

size_t encoded_size(int node_count) {
  return kPrefixSize + kStatementSize + sizeof(uint32_t) +
         kNodeSize * static_cast<size_t>(node_count);
}

void encode_header(std::byte* out) {
  Writer write{out};
  write(kMagic);
  write(kCodecVersion);
  write(uint32_t{0});
}

size_t encode_record(const PredictorRecord& record, std::span<std::byte> out) {
  if (record.node_count <= 0 || record.node_count > PREDICTOR_MAX_NODES) return 0;
  size_t size = encoded_size(record.node_count);
  if (out.size() < size) return 0;
  Writer write{out.data()};
  write(static_cast<uint32_t>(size - kPrefixSize));
  visit_statement(record.statement, write);
  write(static_cast<uint32_t>(record.node_count));
  for (int i = 0; i < record.node_count; i++) visit_node(record.nodes[i], write);
  return size;
}

const char* decode_status_text(DecodeStatus status) {
  switch (status) {
    case DecodeStatus::kOk:
      return "ok";
    case DecodeStatus::kBadHeader:
      return "not a stream of plan records, or one of another version";
    case DecodeStatus::kTruncated:
      return "the stream ends in the middle of a record";
    case DecodeStatus::kBadLength:
      return "a record's length does not fit its number of nodes";
    case DecodeStatus::kBadCount:
      return "a record has no node, or too many";
    case DecodeStatus::kBadNode:
      return "a node's parent, operator or another enumeration is out of range";
    case DecodeStatus::kBadNumber:
      return "a number is infinite, or negative where it cannot be";
  }
  return "unknown status";
}

DecodeStatus check_header(std::span<const std::byte> in) {
  std::byte expected[kStreamHeaderSize];
  encode_header(expected);
  if (in.size() < kStreamHeaderSize || std::memcmp(in.data(), expected, kStreamHeaderSize) != 0)
    return DecodeStatus::kBadHeader;
  return DecodeStatus::kOk;
}

int peek_node_count(std::span<const std::byte> in) {
  Frame frame = check_frame(in);
  return frame.status == DecodeStatus::kOk ? frame.nodes : -1;
}

DecodeStatus decode_record(std::span<const std::byte> in, PredictorStatement& statement,
                           PredictorNode* nodes, int capacity, int& node_count, size_t& consumed) {
  Frame frame = check_frame(in);
  if (frame.status != DecodeStatus::kOk) return frame.status;
  if (frame.nodes > capacity) return DecodeStatus::kBadCount;
  Reader read{in.data() + kPrefixSize};
  visit_statement(statement, read);
  if (!has_sane_structure(statement)) return DecodeStatus::kBadNode;
  if (!has_sane_numbers(statement)) return DecodeStatus::kBadNumber;
  read.at += sizeof(uint32_t);
  for (int i = 0; i < frame.nodes; i++) {
    visit_node(nodes[i], read);
    if (!has_sane_structure(nodes[i], i)) return DecodeStatus::kBadNode;
    if (!has_sane_numbers(nodes[i])) return DecodeStatus::kBadNumber;
  }
  node_count = frame.nodes;
  consumed = encoded_size(frame.nodes);
  return DecodeStatus::kOk;
}

DecodeStatus decode_owned(std::span<const std::byte> in, OwnedRecord& record, size_t& consumed) {
  Frame frame = check_frame(in);
  if (frame.status != DecodeStatus::kOk) return frame.status;
  record.nodes.resize(static_cast<size_t>(frame.nodes));
  int node_count = 0;
  return decode_record(in, record.statement, record.nodes.data(), frame.nodes, node_count,
                       consumed);
}

}  // namespace predictor
