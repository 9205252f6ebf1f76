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
constexpr size_t kPrefixSize = 4;       // length of what follows
constexpr size_t kStatementSize = 125;  // see visit_statement()
constexpr size_t kPlannedSize = 141;    // of a node; see visit_planned()
constexpr size_t kActualSize = 74;      // of a node; see visit_actual()

// The order of fields, once for both directions: `visit` gets every field in turn.
template <typename Statement, typename Visit>
void visit_statement(Statement& s, Visit&& visit) {
  visit(s.query_id), visit(s.signature), visit(s.constants), visit(s.key_id);
  visit(s.finished_at), visit(s.total_time), visit(s.planning_time);
  visit(s.work_mem), visit(s.command), visit(s.instrumentation), visit(s.flags);
  visit(s.switches), visit(s.hash_mem_multiplier), visit(s.random_page_cost);
  visit(s.seq_page_cost), visit(s.effective_cache), visit(s.parallel_workers);
  visit(s.active_backends), visit(s.hit_share), visit(s.jit_time), visit(s.trigger_time);
  visit(s.predicted_total), visit(s.predicted_low), visit(s.predicted_high);
  visit(s.predicted_version), visit(s.predicted_model), visit(s.predicted_source);
}

// What is known of a node before it runs.
template <typename Node, typename Visit>
void visit_planned(Node& n, Visit&& visit) {
  visit(n.op), visit(n.relationship), visit(n.join_type), visit(n.strategy);
  visit(n.partial_mode), visit(n.command), visit(n.clauses), visit(n.flags);
  visit(n.sort_keys), visit(n.parent), visit(n.relation), visit(n.index), visit(n.predicate);
  visit(n.selection), visit(n.links), visit(n.constants), visit(n.coarse);
  visit(n.startup_cost), visit(n.total_cost), visit(n.plan_rows), visit(n.relation_pages);
  visit(n.relation_tuples), visit(n.plan_width), visit(n.workers_planned);
  visit(n.planned_batches), visit(n.selectivity), visit(n.all_visible), visit(n.index_pages);
  visit(n.index_height), visit(n.text_hashes);
}

template <typename Node, typename Visit>
void visit_actual(Node& n, Visit&& visit) {
  visit(n.actual_startup), visit(n.actual_total), visit(n.actual_rows), visit(n.actual_loops);
  visit(n.actual_memory), visit(n.actual_wall), visit(n.actual_removed);
  visit(n.actual_rechecked), visit(n.actual_hit), visit(n.actual_read), visit(n.actual_temp);
  visit(n.actual_disk), visit(n.actual_batches), visit(n.workers_launched);
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
  for (double x : {s.total_time, s.planning_time, double{s.hash_mem_multiplier},
                   double{s.random_page_cost}, double{s.seq_page_cost}, double{s.effective_cache},
                   double{s.hit_share}, double{s.jit_time}, double{s.trigger_time},
                   double{s.predicted_total}, double{s.predicted_low}, double{s.predicted_high}})
    if (!is_amount(x)) return false;
  return s.work_mem >= 0 && s.predicted_version >= 0;
}

bool has_sane_numbers(const PredictorNode& n) {
  for (double x : {n.startup_cost,
                   n.total_cost,
                   n.plan_rows,
                   n.relation_pages,
                   n.relation_tuples,
                   double{n.selectivity},
                   double{n.all_visible},
                   double{n.index_pages},
                   n.actual_startup,
                   n.actual_total,
                   n.actual_rows,
                   n.actual_loops,
                   n.actual_memory,
                   double{n.actual_wall},
                   double{n.actual_removed},
                   double{n.actual_rechecked},
                   double{n.actual_hit},
                   double{n.actual_read},
                   double{n.actual_temp},
                   double{n.actual_disk}})
    if (!is_amount(x)) return false;
  return n.plan_width >= 0 && n.workers_planned >= 0 && n.planned_batches >= 0 &&
         n.actual_batches >= 0;
}

bool has_sane_structure(const PredictorStatement& s) {
  return s.command <= PREDICTOR_COMMAND_MERGE && s.instrumentation <= PREDICTOR_INSTRUMENT_TIMERS;
}

bool has_sane_structure(const PredictorNode& n, int position) {
  bool parent = position == 0 ? n.parent == -1 : n.parent >= 0 && n.parent < position;
  return parent && n.op < PREDICTOR_OPERATOR_COUNT && n.relationship <= PREDICTOR_REL_SUBQUERY &&
         n.join_type <= PREDICTOR_JOIN_RIGHT_SEMI && n.strategy <= PREDICTOR_STRATEGY_MIXED &&
         n.partial_mode <= PREDICTOR_PARTIAL_FINALIZE && n.command <= PREDICTOR_COMMAND_LAST &&
         n.text_hashes < 2 * PREDICTOR_NODE_HAS_TEXT_HASHES;
}

// Nodes that were not instrumented have nothing measured, and those are most.
bool has_actuals(const PredictorStatement& s) {
  return s.instrumentation != PREDICTOR_INSTRUMENT_NONE;
}

size_t whole_size(int node_count, bool actuals) {
  size_t node = kPlannedSize + (actuals ? kActualSize : 0);
  return kPrefixSize + kStatementSize + sizeof(uint32_t) + node * static_cast<size_t>(node_count);
}

struct Frame {
  DecodeStatus status;
  int nodes;
};

// Checks everything about a record that can be known without reading its nodes.
Frame check_frame(std::span<const std::byte> in, PredictorStatement& statement) {
  if (in.size() < kPrefixSize) return {DecodeStatus::kTruncated, 0};
  size_t length = read_u32(in.data());
  if (length > encoded_size(PREDICTOR_MAX_NODES)) return {DecodeStatus::kBadLength, 0};
  if (length > in.size() - kPrefixSize) return {DecodeStatus::kTruncated, 0};
  if (length < kStatementSize + sizeof(uint32_t)) return {DecodeStatus::kBadLength, 0};
  Reader read{in.data() + kPrefixSize};
  visit_statement(statement, read);
  uint32_t nodes = read_u32(read.at);
  if (nodes == 0 || nodes > PREDICTOR_MAX_NODES) return {DecodeStatus::kBadCount, 0};
  if (length != whole_size(static_cast<int>(nodes), has_actuals(statement)) - kPrefixSize)
    return {DecodeStatus::kBadLength, 0};
  if (!has_sane_structure(statement)) return {DecodeStatus::kBadNode, 0};
  if (!has_sane_numbers(statement)) return {DecodeStatus::kBadNumber, 0};
  return {DecodeStatus::kOk, static_cast<int>(nodes)};
}

DecodeStatus read_node(Reader& read, PredictorNode& n, int position, bool actuals) {
  predictor_clear_node(&n);
  visit_planned(n, read);
  if (actuals)
    visit_actual(n, read);
  else if (n.flags & PREDICTOR_NODE_ACTUAL_FLAGS)
    return DecodeStatus::kBadNode;
  if (!has_sane_structure(n, position)) return DecodeStatus::kBadNode;
  return has_sane_numbers(n) ? DecodeStatus::kOk : DecodeStatus::kBadNumber;
}

}  // namespace

size_t encoded_size(int node_count) { return whole_size(node_count, true); }

void encode_header(std::byte* out) {
  Writer write{out};
  write(kMagic);
  write(kCodecVersion);
  write(uint32_t{0});
}

size_t encode_record(const PredictorRecord& record, std::span<std::byte> out) {
  if (record.node_count <= 0 || record.node_count > PREDICTOR_MAX_NODES) return 0;
  const bool actuals = has_actuals(record.statement);
  const size_t size = whole_size(record.node_count, actuals);
  if (out.size() < size) return 0;
  Writer write{out.data()};
  write(static_cast<uint32_t>(size - kPrefixSize));
  visit_statement(record.statement, write);
  write(static_cast<uint32_t>(record.node_count));
  for (int i = 0; i < record.node_count; i++) {
    PredictorNode n = record.nodes[i];
    if (!actuals) n.flags &= static_cast<uint16_t>(~PREDICTOR_NODE_ACTUAL_FLAGS);
    visit_planned(n, write);
    if (actuals) visit_actual(n, write);
  }
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
  PredictorStatement statement;
  Frame frame = check_frame(in, statement);
  return frame.status == DecodeStatus::kOk ? frame.nodes : -1;
}

DecodeStatus decode_record(std::span<const std::byte> in, PredictorStatement& statement,
                           PredictorNode* nodes, int capacity, int& node_count, size_t& consumed) {
  Frame frame = check_frame(in, statement);
  if (frame.status != DecodeStatus::kOk) return frame.status;
  if (frame.nodes > capacity) return DecodeStatus::kBadCount;
  const bool actuals = has_actuals(statement);
  Reader read{in.data() + kPrefixSize + kStatementSize + sizeof(uint32_t)};
  for (int i = 0; i < frame.nodes; i++)
    if (DecodeStatus status = read_node(read, nodes[i], i, actuals); status != DecodeStatus::kOk)
      return status;
  node_count = frame.nodes;
  consumed = whole_size(frame.nodes, actuals);
  return DecodeStatus::kOk;
}

DecodeStatus decode_owned(std::span<const std::byte> in, OwnedRecord& record, size_t& consumed) {
  Frame frame = check_frame(in, record.statement);
  if (frame.status != DecodeStatus::kOk) return frame.status;
  record.nodes.resize(static_cast<size_t>(frame.nodes));
  int node_count = 0;
  return decode_record(in, record.statement, record.nodes.data(), frame.nodes, node_count,
                       consumed);
}

}  // namespace predictor
