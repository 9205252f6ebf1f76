#include "plan/subplan.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace predictor {
namespace {

__extension__ typedef unsigned __int128 Product;

uint64_t fold(uint64_t a, uint64_t b) {
  const Product product = Product{a} * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Sums of these are keys of a table. What goes in are SipHash values and small numbers, and a plan
// of ten nodes asks for sixty of them: two multiplications mix well enough.
uint64_t hash2(uint64_t a, uint64_t b) {
  constexpr uint64_t kOdd[] = {0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9};
  return fold(fold(a ^ kOdd[0], b ^ kOdd[1]) ^ kOdd[2], kOdd[0]);
}

bool is_gather(int op) { return op == PREDICTOR_OP_GATHER || op == PREDICTOR_OP_GATHER_MERGE; }

bool is_bitmap(int op) {
  return op == PREDICTOR_OP_BITMAP_INDEX_SCAN || op == PREDICTOR_OP_BITMAP_AND ||
         op == PREDICTOR_OP_BITMAP_OR;
}

bool passes_rows(int op) {
  return op == PREDICTOR_OP_SORT || op == PREDICTOR_OP_INCREMENTAL_SORT ||
         op == PREDICTOR_OP_MATERIALIZE || op == PREDICTOR_OP_MEMOIZE || op == PREDICTOR_OP_HASH ||
         is_gather(op);
}

// Nodes that make other rows of the rows below: part of the key from there on.
bool changes_rows(int op) {
  return op == PREDICTOR_OP_AGGREGATE || op == PREDICTOR_OP_GROUP || op == PREDICTOR_OP_UNIQUE ||
         op == PREDICTOR_OP_LIMIT || op == PREDICTOR_OP_SET_OP ||
         op == PREDICTOR_OP_RECURSIVE_UNION || op == PREDICTOR_OP_PROJECT_SET ||
         op == PREDICTOR_OP_MODIFY_TABLE;
}

bool has_outer_semantics(const PredictorNode& n) {
  return n.join_type != PREDICTOR_JOIN_NONE && n.join_type != PREDICTOR_JOIN_INNER;
}

// What the node itself adds to the sums. The index scans below a bitmap heap scan repeat its
// conditions, so they add nothing.
void add_own(const PredictorNode& n, SubPlan& s) {
  if (is_bitmap(n.op)) return;
  s.links |= n.links;
  if (n.relation != 0 || n.selection != 0) {
    const uint64_t what = hash2(1, n.relation), shape = hash2(what, n.selection);
    if (n.relation != 0) s.key[kRelationsLevel] += what;
    s.key[kShapeLevel] += shape;
    s.key[kCoarseLevel] += hash2(shape, n.coarse);
    s.key[kExactLevel] += hash2(shape, n.constants);
  }
  uint64_t tag = 0;
  if (changes_rows(n.op))
    tag = hash2(2, uint64_t{n.op} | uint64_t{n.partial_mode} << 16 | uint64_t{n.sort_keys} << 32);
  // Inner joins in any order make the same rows; other joins are told apart.
  if (has_outer_semantics(n)) tag += hash2(3, n.join_type);
  for (uint64_t& key : s.key) key += tag;
}

void finish(const PredictorNode& n, SubPlan& s) {
  uint64_t own = s.links;
  if (s.rescanned) own = hash2(own, 4);
  if (is_bitmap(n.op)) own = hash2(own, hash2(n.predicate, n.index));
  for (int level = 0; level < kMemoryLevels; level++)
    s.key[level] = hash2(s.key[level] + static_cast<uint64_t>(level), own);
}

// A node is partial whose rows come, by way of outer children, from a scan that the processes of
// a Gather share.
void find_partial(const PredictorRecord& record, const NodePlace* places, int i, SubPlan* out) {
  const PredictorNode& n = record.nodes[i];
  if (places[i].workers_above > 0 && n.relation != 0 && (n.flags & PREDICTOR_NODE_PARALLEL_AWARE))
    out[i].partial = true;
  if (!out[i].partial || n.parent < 0) return;
  const PredictorNode& parent = record.nodes[n.parent];
  if (is_gather(parent.op)) return;
  if (n.relationship == PREDICTOR_REL_OUTER || n.relationship == PREDICTOR_REL_MEMBER ||
      parent.op == PREDICTOR_OP_HASH || (parent.flags & PREDICTOR_NODE_PARALLEL_AWARE))
    out[n.parent].partial = true;
}

void find_planned(const PredictorNode& n, const NodePlace& place, SubPlan& s) {
  double rows = n.plan_rows > 0 ? std::min(n.plan_rows, 1e15) : 0;
  s.planned = static_cast<float>(rows);
  s.share = 0;
  if (!s.partial) return;
  // The planner's divisor: get_parallel_divisor() in costsize.c.
  double workers = place.workers_above;
  double divisor = workers + std::max(0.0, 1 - 0.3 * workers);
  s.planned = static_cast<float>(rows * divisor);
  s.share = static_cast<float>(std::log(divisor / (workers + 1)));
}

}  // namespace

void find_sub_plans(const PredictorRecord& record, const NodePlace* places, SubPlan* out) {
  std::fill(out, out + record.node_count, SubPlan{});
  for (int i = record.node_count - 1; i >= 0; i--) {
    const PredictorNode& n = record.nodes[i];
    SubPlan& s = out[i];
    add_own(n, s);
    find_partial(record, places, i, out);
    find_planned(n, places[i], s);
    s.passes = passes_rows(n.op) ? places[i].outer : -1;
    s.rescanned = n.relation != 0 && n.links != 0;
    if (n.parent >= 0 && !is_bitmap(n.op) && !is_sub_query(n)) {
      SubPlan& above = out[n.parent];
      for (int level = 0; level < kMemoryLevels; level++) above.key[level] += s.key[level];
      above.links |= s.links;
    }
    finish(n, s);
  }
}

double measured_rows(const PredictorNode& n, const NodePlace& place, const SubPlan& sub_plan) {
  constexpr int kNeeded = PREDICTOR_NODE_HAS_ROWS;
  if ((n.flags & kNeeded) == 0 ||
      (n.flags & (PREDICTOR_NODE_NEVER_EXECUTED | PREDICTOR_NODE_PARTIAL)) != 0 ||
      !(n.actual_loops > 0) || !(n.actual_rows >= 0) || sub_plan.passes >= 0)
    return std::numeric_limits<double>::quiet_NaN();
  if (!sub_plan.partial) return n.actual_rows;
  // Loops count processes, or, under a nested loop, rescans in all of them.
  double processes = place.loops > 1.5 ? place.workers_above + 1.0 : n.actual_loops;
  return n.actual_rows * processes;
}

}  // namespace predictor
