#include "plan/features.h"

#include <algorithm>
#include <cmath>

#include "plan/log_numbers.h"

namespace predictor {
namespace {

float share(double part, double whole) {
  return whole > 0 ? static_cast<float>(std::clamp(known(part) / whole, 0.0, 1.0)) : 0.0f;
}

bool is_sort(int op) { return op == PREDICTOR_OP_SORT || op == PREDICTOR_OP_INCREMENTAL_SORT; }

// Does the node keep its rows in work_mem?
bool keeps_rows(const PredictorNode& n) {
  return is_sort(n.op) || n.op == PREDICTOR_OP_HASH || n.op == PREDICTOR_OP_MATERIALIZE ||
         n.op == PREDICTOR_OP_MEMOIZE || n.op == PREDICTOR_OP_RECURSIVE_UNION ||
         ((n.op == PREDICTOR_OP_AGGREGATE || n.op == PREDICTOR_OP_SET_OP) &&
          n.strategy >= PREDICTOR_STRATEGY_HASHED);
}

// A node that reads its child once and answers rescans from what it kept.
bool shields_child(int op) {
  return op == PREDICTOR_OP_MATERIALIZE || op == PREDICTOR_OP_HASH || is_sort(op);
}

// Sets where the node's loops come from. `parent` is known already.
void find_loops(const PredictorRecord& record, int i, NodePlace* places) {
  const PredictorNode& n = record.nodes[i];
  NodePlace& place = places[i];
  place.loops_rows = -1;
  place.loops_factor = 1;
  place.loops_base = n.parent;
  place.loops = 1;
  if (n.parent < 0) return;
  const PredictorNode& parent = record.nodes[n.parent];
  const NodePlace& above = places[n.parent];
  if (n.relationship == PREDICTOR_REL_INITPLAN) {
    place.loops_base = 0;
  } else if (n.relationship == PREDICTOR_REL_INNER && parent.op == PREDICTOR_OP_NESTED_LOOP) {
    place.loops_rows = above.outer;
  } else if (n.relationship == PREDICTOR_REL_SUBPLAN) {
    place.loops_rows = n.parent;
  } else if (shields_child(parent.op) && above.loops_base >= 0) {
    place.loops_base = above.loops_base;
  }
  double repeats =
      place.loops_rows >= 0 ? std::max(1.0, known(record.nodes[place.loops_rows].plan_rows)) : 1.0;
  double base = places[place.loops_base].loops;
  // The parent's cost pays for all rescans: where it could not, something saves them (a Memoize,
  // a hashed subplan, a cheap rescan).
  double all = base * repeats;
  double cost = known(n.total_cost);
  bool repeated = place.loops_rows >= 0 || parent.op == PREDICTOR_OP_MEMOIZE;
  double payer = known(parent.total_cost) * above.loops;
  if (parent.op == PREDICTOR_OP_MEMOIZE && parent.parent >= 0)
    payer = known(record.nodes[parent.parent].total_cost) * places[parent.parent].loops;
  bool rescans_cheap = shields_child(n.op) || n.op == PREDICTOR_OP_MEMOIZE;
  if (repeated && !rescans_cheap && cost > 0 && all * cost > payer && payer > 0) {
    double afforded = std::clamp(payer / cost, std::min(base, all), all);
    place.loops_factor = static_cast<float>(afforded / all);
    all = afforded;
  }
  place.loops = std::clamp(all, 1.0, 1e15);
}

void attach_to_parent(const PredictorRecord& record, int i, NodePlace* places) {
  const PredictorNode& n = record.nodes[i];
  if (n.parent < 0) return;
  NodePlace& above = places[n.parent];
  above.children++;
  if (n.relationship == PREDICTOR_REL_OUTER && above.outer < 0)
    above.outer = i;
  else if (n.relationship == PREDICTOR_REL_INNER && above.inner < 0)
    above.inner = i;
  else
    above.other_rows = std::max(above.other_rows, known(n.plan_rows));
}

// What the subtree of `i` adds to its parent's cost for one loop of the parent.
void add_cost_to_parent(const PredictorRecord& record, int i, NodePlace* places) {
  const PredictorNode& n = record.nodes[i];
  NodePlace& above = places[n.parent];
  double loops = std::max(1.0, places[i].loops / std::max(1.0, above.loops));
  double cost = known(n.total_cost) * (n.relationship == PREDICTOR_REL_INITPLAN ? 1 : loops);
  double whole = known(record.nodes[n.parent].total_cost);
  above.child_cost = std::min(whole, above.child_cost + cost);
  above.largest_child_cost = std::max(above.largest_child_cost, std::min(cost, whole));
  above.height = std::max(above.height, places[i].height + 1);
  above.nodes_below += places[i].nodes_below + 1;
}

// A Limit that stops early stops everything below it, down to the next node that reads all of its
// input before it yields; there, the planner's cost of that node is all startup.
double find_fraction(const PredictorRecord& record, int i, const NodePlace* places) {
  const PredictorNode& n = record.nodes[i];
  if (n.parent < 0 || n.relationship == PREDICTOR_REL_INITPLAN) return 1;
  const PredictorNode& parent = record.nodes[n.parent];
  double above = places[n.parent].fraction;
  if (parent.op == PREDICTOR_OP_LIMIT && known(n.total_cost) > known(parent.total_cost))
    above *= known(parent.total_cost) / known(n.total_cost);
  bool blocks = known(parent.startup_cost) >= known(n.total_cost);
  return blocks ? 1 : std::max(above, 1e-6);
}

// PostgreSQL's cost of a node leaves out much of what it costs to pass tuples on; and it is zero
// for a Hash, which certainly works. In units of cost: cpu_tuple_cost and half of it.
double find_work(const PredictorRecord& record, int i, const NodePlace* places) {
  constexpr double kPerTupleOut = 0.01, kPerTupleIn = 0.005, kPerStart = 0.01;
  const PredictorNode& n = record.nodes[i];
  const NodePlace& place = places[i];
  auto rows_of = [&record](int node) {
    return node >= 0 ? known(record.nodes[node].plan_rows) : 0.0;
  };
  double self = std::max(0.0, known(n.total_cost) - place.child_cost);
  double in = rows_of(place.outer) + rows_of(place.inner) + place.other_rows;
  return self + kPerTupleOut * known(n.plan_rows) + kPerTupleIn * in + kPerStart;
}

struct Encoder {
  const PredictorRecord& record;
  const NodePlace* places;
  // The same for every node.
  const float statement_cost = log1(record.nodes[0].total_cost);
  const float work_mem = log1(record.statement.work_mem);

  double rows_of(int node) const { return node >= 0 ? known(record.nodes[node].plan_rows) : 0; }

  void encode_costs(int i, float* x) const {
    const PredictorNode& n = record.nodes[i];
    const NodePlace& place = places[i];
    double total = known(n.total_cost);
    double self = std::max(0.0, total - place.child_cost);
    x[kLogStartupCost] = log1(n.startup_cost);
    x[kLogTotalCost] = log1(total);
    x[kLogSelfCost] = log1(self);
    x[kSelfShare] = share(self, total);
    x[kStartupShare] = share(n.startup_cost, total);
    x[kLargestChildShare] = share(place.largest_child_cost, total);
    x[kLogAllCost] = log1(total * place.loops);
    x[kStatementCost] = statement_cost;
    x[kCostShare] = x[kLogAllCost] - x[kStatementCost];
    x[kSelfCostShare] = log1(self * place.loops) - x[kStatementCost];
  }

  void encode_rows(int i, float* x) const {
    const PredictorNode& n = record.nodes[i];
    const NodePlace& place = places[i];
    double outer = rows_of(place.outer);
    x[kLogRows] = log1(n.plan_rows);
    x[kLogWidth] = log1(n.plan_width);
    x[kLogBytes] = log1(known(n.plan_rows) * known(n.plan_width));
    x[kLogOuterRows] = log1(outer);
    x[kLogInnerRows] = log1(rows_of(place.inner));
    x[kLogOtherRows] = log1(place.other_rows);
    x[kJoinSelectivity] = is_join(n.op) ? x[kLogRows] - x[kLogOuterRows] - x[kLogInnerRows] : 0.0f;
    x[kFanOut] = place.outer >= 0 ? x[kLogRows] - x[kLogOuterRows] : 0.0f;
    x[kLogSortWork] = is_sort(n.op) ? log1(outer * std::log2(2 + outer)) : 0.0f;
    x[kLogWork] = log_work(place);
    x[kLogLoops] = log1(place.loops);
    x[kLogAllRows] = log1(known(n.plan_rows) * place.loops);
    bool scan = n.relation != 0;
    x[kLogRelationPages] = log1(n.relation_pages);
    x[kLogRelationTuples] = log1(n.relation_tuples);
    x[kRelationUnknown] = scan && !(n.relation_tuples >= 0) ? 1.0f : 0.0f;
    x[kScanSelectivity] =
        scan && n.relation_tuples >= 0 ? x[kLogRows] - x[kLogRelationTuples] : 0.0f;
  }

  void encode_memory(int i, float* x) const {
    const PredictorNode& n = record.nodes[i];
    x[kMemoryPressure] = x[kSpills] = 0;
    x[kLogWorkMem] = work_mem;
    if (!keeps_rows(n) || record.statement.work_mem <= 0) return;
    constexpr double kTupleHeader = 24;  // MAXALIGN(SizeofHeapTupleHeader)
    double kept = known(n.plan_rows) * (known(n.plan_width) + kTupleHeader) / 1024;
    x[kMemoryPressure] = std::log(static_cast<float>((kept + 1) / record.statement.work_mem));
    x[kSpills] = kept > record.statement.work_mem ? 1.0f : 0.0f;
  }

  void encode_shape(int i, float* x) const {
    const PredictorNode& n = record.nodes[i];
    const NodePlace& place = places[i];
    const int flags = record.statement.flags;
    x[kLogWorkersPlanned] = log1(n.workers_planned);
    x[kLogWorkersAbove] = log1(place.workers_above);
    x[kUnderGather] = place.workers_above > 0 ? 1.0f : 0.0f;
    x[kLogClauses] = log1(n.clauses);
    x[kLogSortKeys] = log1(n.sort_keys);
    x[kParallelAware] = n.flags & PREDICTOR_NODE_PARALLEL_AWARE ? 1.0f : 0.0f;
    x[kAsyncCapable] = n.flags & PREDICTOR_NODE_ASYNC_CAPABLE ? 1.0f : 0.0f;
    x[kInnerUnique] = n.flags & PREDICTOR_NODE_INNER_UNIQUE ? 1.0f : 0.0f;
    x[kBackward] = n.flags & PREDICTOR_NODE_BACKWARD ? 1.0f : 0.0f;
    x[kLogDepth] = log1(place.depth);
    x[kLogHeight] = log1(place.height);
    x[kLogNodesBelow] = log1(place.nodes_below);
    x[kLogChildren] = log1(place.children);
    x[kIsRoot] = i == 0 ? 1.0f : 0.0f;
    x[kJit] = flags & PREDICTOR_STATEMENT_JIT ? 1.0f : 0.0f;
    x[kJitOptimize] = flags & PREDICTOR_STATEMENT_JIT_OPTIMIZE ? 1.0f : 0.0f;
    x[kJitInline] = flags & PREDICTOR_STATEMENT_JIT_INLINE ? 1.0f : 0.0f;
    std::fill(x + kExactRows, x + kNumericCount, 0.0f);
  }

  void encode_categories(int i, NodeFeatures& out) const {
    const PredictorNode& n = record.nodes[i];
    const int values[kCategoryCount] = {
        n.op,      n.relationship,          n.join_type, n.strategy, n.partial_mode,
        n.command, record.statement.command};
    constexpr int kSizes[kCategoryCount] = {
        PREDICTOR_OPERATOR_COUNT,     PREDICTOR_REL_SUBQUERY + 1,     PREDICTOR_JOIN_RIGHT_SEMI + 1,
        PREDICTOR_STRATEGY_MIXED + 1, PREDICTOR_PARTIAL_FINALIZE + 1, PREDICTOR_COMMAND_LAST + 1,
        PREDICTOR_COMMAND_LAST + 1};
    int first = 0;
    for (int c = 0; c < kCategoryCount; c++) {
      int value = values[c] < kSizes[c] ? values[c] : 0;
      out.category[c] = static_cast<uint16_t>(first + value);
      first += kSizes[c];
    }
    out.identity[kRelationIdentity] = n.relation;
    out.identity[kIndexIdentity] = n.index;
    out.identity[kPredicateIdentity] = n.predicate;
    out.identity[kConstantsIdentity] = n.constants;
  }
};

}  // namespace

void find_places(const PredictorRecord& record, NodePlace* places) {
  for (int i = 0; i < record.node_count; i++) {
    const PredictorNode& n = record.nodes[i];
    NodePlace& place = places[i];
    place = {};
    place.outer = place.inner = -1;
    if (n.parent >= 0) {
      const PredictorNode& parent = record.nodes[n.parent];
      bool gather = parent.op == PREDICTOR_OP_GATHER || parent.op == PREDICTOR_OP_GATHER_MERGE;
      place.depth = places[n.parent].depth + 1;
      place.workers_above = gather && n.relationship != PREDICTOR_REL_INITPLAN
                                ? std::max(1, parent.workers_planned)
                                : places[n.parent].workers_above;
    }
    attach_to_parent(record, i, places);
    find_loops(record, i, places);
    place.fraction = find_fraction(record, i, places);
  }
  for (int i = record.node_count - 1; i > 0; i--) add_cost_to_parent(record, i, places);
  for (int i = 0; i < record.node_count; i++) places[i].work = find_work(record, i, places);
}

float log_work(const NodePlace& place) {
  double work = std::clamp(place.work * place.loops * place.fraction, 1e-30, 1e30);
  return std::log(static_cast<float>(work));
}

void encode_features(const PredictorRecord& record, NodePlace* places, NodeFeatures* features) {
  find_places(record, places);
  const Encoder encoder{record, places};
  for (int i = 0; i < record.node_count; i++) {
    NodeFeatures& out = features[i];
    encoder.encode_costs(i, out.numeric);
    encoder.encode_rows(i, out.numeric);
    encoder.encode_memory(i, out.numeric);
    encoder.encode_shape(i, out.numeric);
    encoder.encode_categories(i, out);
  }
}

}  // namespace predictor
