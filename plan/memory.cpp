#include "plan/memory.h"

#include <algorithm>
#include <cmath>

#include "plan/log_numbers.h"

namespace predictor {
namespace {

constexpr float kMostRecalled = 20;  // ln; more is a mistake in the record
constexpr float kLikely = 0.7f;      // chance from which it is taken for so
constexpr float kIdleWork = -7;      // ln of what is left of the work of a node never started

// Rows follow from the rows below where no plan of this shape is known, or differ from what they
// were in plans of this shape as the rows below do, but less: errors of filters and joins overlap,
// and groups grow more slowly than what is grouped.
float inherited(const PredictorNode& n) {
  switch (n.op) {
    case PREDICTOR_OP_LIMIT:
      return 0;
    case PREDICTOR_OP_AGGREGATE:
      return n.strategy <= PREDICTOR_STRATEGY_PLAIN ? 0.0f : 0.35f;
    case PREDICTOR_OP_GROUP:
    case PREDICTOR_OP_UNIQUE:
    case PREDICTOR_OP_SET_OP:
      return 0.35f;
    default:
      return 0.7f;
  }
}

// Do the rows of the children add up, and not multiply as in a join?
bool adds_rows(int op) {
  return op == PREDICTOR_OP_APPEND || op == PREDICTOR_OP_MERGE_APPEND ||
         op == PREDICTOR_OP_RECURSIVE_UNION || op == PREDICTOR_OP_SET_OP;
}

// Is a row of that side put out that has no partner?
bool keeps_outer(int join) {
  return join == PREDICTOR_JOIN_LEFT || join == PREDICTOR_JOIN_FULL || join == PREDICTOR_JOIN_ANTI;
}
bool keeps_inner(int join) {
  return join == PREDICTOR_JOIN_RIGHT || join == PREDICTOR_JOIN_FULL ||
         join == PREDICTOR_JOIN_RIGHT_ANTI;
}

float either(float a, float b) { return 1 - (1 - a) * (1 - b); }

// Without groups an aggregate has a row even of none.
bool has_a_row_of_none(const PredictorNode& n) {
  return n.op == PREDICTOR_OP_AGGREGATE && n.strategy <= PREDICTOR_STRATEGY_PLAIN;
}

// The chance that no row comes of what the children make.
float inherited_empty(const PredictorNode& n, const NodeRecall& r) {
  if (is_join(n.op)) {
    const bool outer = keeps_outer(n.join_type), inner = keeps_inner(n.join_type);
    if (outer && inner) return r.empty_outer * r.empty_inner;
    return outer ? r.empty_outer : inner ? r.empty_inner : either(r.empty_outer, r.empty_inner);
  }
  return adds_rows(n.op) || has_a_row_of_none(n) ? 0 : r.empty_outer;
}

// Most nodes run once.
float log_loops(const NodePlace& place) {
  return place.loops == 1 ? 0 : std::log(static_cast<float>(place.loops));
}

float bounded(float x) { return std::clamp(x, -kMostRecalled, kMostRecalled); }

// Estimated from the shape: with few queries the relations alone count too.
float from_shape(const Remembered& shape, const Remembered& relations) {
  if (relations.count <= 0) return 0;
  return (shape.residual * shape.count + relations.residual) / (shape.count + 1);
}

void find_levels(const SubPlan& s, const Remembered* const* recalled, NodeRecall& r) {
  const float planned = std::log(s.planned + static_cast<float>(kRowsFloor));
  for (int level = 0; level < kMemoryLevels; level++) {
    const Remembered& found = *recalled[level];
    r.count[level] = found.count > 0 ? std::log(1.0f + found.count) : 0;
    if (found.count <= 0) continue;
    // The same sub-plan has the same rows, whatever the planner thinks of them today.
    r.residual[level] = bounded(level == kExactLevel ? found.log_rows - planned : found.residual);
    r.deviation[level] = bounded(planned - (found.log_rows - found.residual));
  }
  r.shape_spread = bounded(recalled[kShapeLevel]->spread);
}

// Do its rows say something of the rows below: those of a scan or of a join, not of groups?
bool joins_rows(const PredictorNode& n, const SubPlan& s) {
  switch (n.op) {
    case PREDICTOR_OP_AGGREGATE:
    case PREDICTOR_OP_GROUP:
    case PREDICTOR_OP_UNIQUE:
    case PREDICTOR_OP_LIMIT:
    case PREDICTOR_OP_SET_OP:
      return false;
    default:
      return s.passes < 0 && !s.rescanned;
  }
}

bool is_part(const PredictorNode& n) { return n.parent >= 0 && !is_sub_query(n); }

// What can be said of a node whose constants were never met.
float expected_whole(const PredictorNode& n, const NodeRecall& r) {
  return bounded(r.shape + inherited(n) * (r.below - r.shape_below));
}

float share_without_rows(const Remembered& found, float more) {
  return std::min(1.0f, static_cast<float>(found.empty) / (found.count + more));
}

// What the same sub-plan had is known. Else how many of its shape had none says something, as if
// one more had had some, or an empty child says it for certain.
void find_empty(const PredictorNode& n, const SubPlan& s, const Remembered* const* recalled,
                NodeRecall& r) {
  const Remembered& exact = *recalled[kExactLevel];
  const Remembered& like =
      recalled[kCoarseLevel]->count > 0 ? *recalled[kCoarseLevel] : *recalled[kShapeLevel];
  // Of one run in many only the mean is counted, and it is rounded.
  if (s.rescanned) return;
  if (exact.count > 0)
    r.empty = share_without_rows(exact, 0);
  else
    r.empty = std::max(inherited_empty(n, r), share_without_rows(like, 1));
}

void find_whole(const PredictorNode& n, const SubPlan& s, const Remembered* const* recalled,
                NodeRecall& r) {
  r.shape = from_shape(*recalled[kShapeLevel], *recalled[kRelationsLevel]);
  if (recalled[kExactLevel]->count > 0)
    r.whole = r.residual[kExactLevel];
  else if (recalled[kCoarseLevel]->count > 0)
    r.whole = r.residual[kCoarseLevel];
  else if (r.empty > kLikely)
    r.whole = bounded(std::log(kRowsFloor / (s.planned + kRowsFloor)));
  else
    r.whole = expected_whole(n, r);
}

// What is known of a whole says something of its parts: a query that was executed with another plan
// joins the same relations by other ways to the same end.
void find_above(const PredictorRecord& record, const SubPlan* sub_plans,
                const Remembered* const* recalled, NodeRecall* out) {
  for (int i = 0; i < record.node_count; i++) {
    if (!is_part(record.nodes[i])) continue;
    const int parent = record.nodes[i].parent;
    const NodeRecall& p = out[parent];
    NodeRecall& r = out[i];
    if (recalled[parent * kMemoryLevels + kExactLevel]->count > 0 &&
        joins_rows(record.nodes[parent], sub_plans[parent])) {
      r.above = p.whole, r.above_known = 1;
      r.above_surprise = bounded(p.whole - expected_whole(record.nodes[parent], p));
    } else if (sub_plans[parent].passes >= 0 ||
               joins_rows(record.nodes[parent], sub_plans[parent])) {
      r.above = p.above, r.above_surprise = p.above_surprise, r.above_known = p.above_known;
    }
  }
}

// A join that made rows found some on each side from which it keeps none without a partner.
void find_not_empty(const PredictorRecord& record, const NodePlace* places,
                    const Remembered* const* recalled, NodeRecall* out) {
  for (int i = 0; i < record.node_count; i++) {
    const PredictorNode& n = record.nodes[i];
    const Remembered& exact = *recalled[i * kMemoryLevels + kExactLevel];
    NodeRecall& r = out[i];
    if (exact.count > 0 && exact.empty == 0) r.has_rows = true;
    if (!r.has_rows || adds_rows(n.op) || has_a_row_of_none(n)) continue;
    const auto has_rows = [&](int child, float& empty) {
      if (child < 0) return;
      out[child].has_rows = true, out[child].empty = empty = 0;
    };
    if (!is_join(n.op) || !keeps_inner(n.join_type)) has_rows(places[i].outer, r.empty_outer);
    if (!is_join(n.op) || !keeps_outer(n.join_type)) has_rows(places[i].inner, r.empty_inner);
  }
}

// What a join whose one side has no row does with the other: as in ExecHashJoinImpl(),
// ExecMergeJoin() and ExecNestLoop().
void find_idle(const PredictorRecord& record, const NodePlace* places, NodeRecall* out) {
  for (int i = 1; i < record.node_count; i++) {
    const PredictorNode& n = record.nodes[i];
    if (n.relationship == PREDICTOR_REL_INITPLAN) continue;
    const PredictorNode& parent = record.nodes[n.parent];
    const NodeRecall& above = out[n.parent];
    const NodePlace& place = places[n.parent];
    NodeRecall& r = out[i];
    r.idle = above.idle;
    // What reads all of its input before it makes a row is not stopped by who reads it.
    if (known(parent.startup_cost) < known(n.total_cost)) r.cut = above.cut;
    if (!is_join(parent.op) || place.outer < 0 || place.inner < 0) continue;
    const bool is_outer = i == place.outer;
    if (!is_outer && i != place.inner) continue;
    const float other = is_outer ? above.empty_inner : above.empty_outer;
    if (is_outer ? keeps_outer(parent.join_type) : keeps_inner(parent.join_type)) continue;
    if (parent.op == PREDICTOR_OP_HASH_JOIN) {
      // The first outer row is looked for before the hash table is made where it costs less.
      const PredictorNode& hash = record.nodes[place.inner];
      const bool outer_first =
          !(hash.flags & PREDICTOR_NODE_PARALLEL_AWARE) && !keeps_inner(parent.join_type) &&
          (keeps_outer(parent.join_type) ||
           known(record.nodes[place.outer].startup_cost) < known(hash.total_cost));
      if (is_outer)
        (outer_first ? r.cut : r.idle) = either(outer_first ? r.cut : r.idle, other);
      else if (outer_first)
        r.idle = either(r.idle, other);
    } else if (!is_outer) {
      r.idle = either(r.idle, other);
    } else if (parent.op == PREDICTOR_OP_MERGE_JOIN) {
      r.cut = either(r.cut, other);
    }
  }
}

}  // namespace

void recall_rows(const PredictorRecord& record, const NodePlace* places, const SubPlan* sub_plans,
                 const Remembered* const* recalled, NodeRecall* out) {
  std::fill(out, out + record.node_count, NodeRecall{});
  for (int i = record.node_count - 1; i >= 0; i--) {
    NodeRecall& r = out[i];
    if (adds_rows(record.nodes[i].op) && r.children > 1)
      r.below /= r.children, r.shape_below /= r.children;
    find_levels(sub_plans[i], recalled + i * kMemoryLevels, r);
    if (sub_plans[i].passes >= 0) {
      const NodeRecall& child = out[sub_plans[i].passes];
      r.whole = child.whole, r.shape = child.shape, r.empty = child.empty;
    } else {
      find_empty(record.nodes[i], sub_plans[i], recalled + i * kMemoryLevels, r);
      find_whole(record.nodes[i], sub_plans[i], recalled + i * kMemoryLevels, r);
    }
    int parent = record.nodes[i].parent;
    if (!is_part(record.nodes[i])) continue;
    NodeRecall& above = out[parent];
    above.below += r.whole, above.shape_below += r.shape, above.children++;
    if (i == places[parent].outer) above.empty_outer = r.empty;
    if (i == places[parent].inner) above.empty_inner = r.empty;
  }
  find_not_empty(record, places, recalled, out);
  find_idle(record, places, out);
  find_above(record, sub_plans, recalled, out);
  // A scan that is started again for each outer row makes what the join makes, divided by those.
  for (int i = 0; i < record.node_count; i++) {
    int parent = record.nodes[i].parent;
    NodeRecall& r = out[i];
    if (parent >= 0 && record.nodes[parent].op == PREDICTOR_OP_NESTED_LOOP &&
        record.nodes[i].relationship == PREDICTOR_REL_INNER && sub_plans[i].rescanned)
      r.whole = bounded(out[parent].whole - (out[parent].below - r.whole));
    r.rows = r.whole + sub_plans[i].share;
  }
}

void add_recall(const PredictorRecord& record, const NodeRecall* recall, NodePlace* places,
                NodeFeatures* features) {
  // 1 + rows, times what is recalled; it lies where the growth that follows from it will. Children
  // stand behind their parents, so it is read before it is overwritten.
  for (int i = 0; i < record.node_count; i++) {
    float* x = features[i].numeric;
    x[kLogRecalledRows] = x[kLogRows] + recall[i].rows;
    x[kRecalledGrowth] = recall[i].idle > kLikely ? 1 : std::exp(x[kLogRecalledRows]);
  }
  double all_work = 0;
  for (int i = 0; i < record.node_count; i++) {
    NodePlace& place = places[i];
    const NodeRecall& r = recall[i];
    float* x = features[i].numeric;
    for (int level = 0; level < kMemoryLevels; level++) {
      x[kExactRows + 2 * level] = r.residual[level];
      x[kExactRows + 2 * level + 1] = r.count[level];
    }
    x[kRecalledRows] = r.rows;
    x[kRecalledBelow] = r.below;
    x[kShapeDeviation] = r.deviation[kShapeLevel];
    x[kRelationsDeviation] = r.deviation[kRelationsLevel];
    x[kShapeSpread] = r.shape_spread;
    x[kAboveRows] = r.above;
    x[kAboveSurprise] = r.above_surprise;
    x[kAboveKnown] = r.above_known;
    x[kEmpty] = r.empty;
    x[kIdle] = r.idle;
    x[kCut] = r.cut;
    x[kLogRecalledOuter] = place.outer >= 0 ? features[place.outer].numeric[kLogRecalledRows] : 0;
    x[kLogRecalledInner] = place.inner >= 0 ? features[place.inner].numeric[kLogRecalledRows] : 0;
    // What the loops' correction is follows the ancestors that start them, as in compose_times().
    float loops = place.loops_base >= 0 ? features[place.loops_base].numeric[kLogRecalledLoops] -
                                              log_loops(places[place.loops_base])
                                        : 0;
    if (place.loops_rows >= 0) loops += recall[place.loops_rows].rows;
    x[kLogRecalledLoops] = loops + log_loops(place);
    // The work of a node follows the rows that it reads and makes; a scan of the whole relation
    // does not.
    auto rows_of = [&record](int node) {
      return node >= 0 ? static_cast<float>(known(record.nodes[node].plan_rows)) : 0.0f;
    };
    auto recalled_of = [features](int node) {
      return node >= 0 ? features[node].numeric[kRecalledGrowth] : 1.0f;
    };
    const float planned = 3 + rows_of(i) + rows_of(place.outer) + rows_of(place.inner);
    const float expected = recalled_of(i) + recalled_of(place.outer) + recalled_of(place.inner);
    bool fixed = record.nodes[i].op == PREDICTOR_OP_SEQ_SCAN;
    x[kRecalledGrowth] = fixed ? 0 : bounded(std::log(expected / planned));
    if (r.idle > kLikely) x[kRecalledGrowth] = kIdleWork;
    place.work *= std::exp(x[kRecalledGrowth]);
    x[kLogRecalledWork] = log_work(place) + loops;
    all_work += std::exp(std::clamp(x[kLogRecalledWork], -30.0f, 60.0f));
  }
  for (int i = 0; i < record.node_count; i++)
    features[i].numeric[kRecalledStatement] = static_cast<float>(std::log(all_work + 1e-3));
}

void recall_factors(const NodePlace* places, const NodeFeatures* features, int nodes, float* rows,
                    float* loops) {
  auto factor = [](float x) { return x == 0 ? 1.0f : std::exp(std::clamp(x, -40.0f, 40.0f)); };
  for (int i = 0; i < nodes; i++) {
    const float* x = features[i].numeric;
    rows[i] = factor(x[kRecalledRows]);
    const float idle = x[kIdle] > kLikely ? kIdleWork : 0;
    loops[i] = factor(x[kLogRecalledLoops] - log_loops(places[i]) + idle);
  }
}

}  // namespace predictor
