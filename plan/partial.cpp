#include "plan/partial.h"

#include "plan/operators.h"

namespace {

bool was_executed(const PredictorNode& n) {
  return (n.flags & PREDICTOR_NODE_HAS_ROWS) != 0 && (n.flags & PREDICTOR_NODE_NEVER_EXECUTED) == 0;
}

// Does the node ask for all of its outer input before it gives its first row?
bool reads_all_first(const PredictorNode& n) {
  switch (n.op) {
    case PREDICTOR_OP_SORT:
    case PREDICTOR_OP_HASH:
    case PREDICTOR_OP_BITMAP_AND:
    case PREDICTOR_OP_BITMAP_OR:
    case PREDICTOR_OP_BITMAP_HEAP_SCAN:
      return true;
    case PREDICTOR_OP_AGGREGATE:
      return n.strategy != PREDICTOR_STRATEGY_SORTED;
    case PREDICTOR_OP_SET_OP:
      return n.strategy == PREDICTOR_STRATEGY_HASHED;
    default:
      return false;
  }
}

// The members of an Append run one after the other: only the last that ran can have been stopped.
bool has_later_sibling(const PredictorRecord& record, int i) {
  for (int k = i + 1; k < record.node_count && record.nodes[k].parent >= record.nodes[i].parent;
       k++)
    if (record.nodes[k].parent == record.nodes[i].parent &&
        record.nodes[k].relationship == PREDICTOR_REL_MEMBER && was_executed(record.nodes[k]))
      return true;
  return false;
}

// Was `i` stopped because its parent was?
bool stops_with_parent(const PredictorRecord& record, int i) {
  const PredictorNode& n = record.nodes[i];
  const PredictorNode& parent = record.nodes[n.parent];
  switch (n.relationship) {
    case PREDICTOR_REL_INITPLAN:
    case PREDICTOR_REL_SUBPLAN:
      return false;
    case PREDICTOR_REL_INNER:
      // All loops but the last of a nested loop's inner side are whole.
      if (parent.op == PREDICTOR_OP_NESTED_LOOP) return n.actual_loops <= 1;
      return parent.op != PREDICTOR_OP_HASH_JOIN;
    case PREDICTOR_REL_MEMBER:
      if (parent.op == PREDICTOR_OP_APPEND) return !has_later_sibling(record, i);
      return !reads_all_first(parent);
    default:
      return !reads_all_first(parent);
  }
}

// The inner side of a join that needs one match only.
bool stops_at_first_match(const PredictorNode& n, const PredictorNode& parent) {
  if (n.relationship != PREDICTOR_REL_INNER || parent.op != PREDICTOR_OP_NESTED_LOOP) return false;
  if (parent.join_type == PREDICTOR_JOIN_SEMI || parent.join_type == PREDICTOR_JOIN_ANTI)
    return n.actual_rows > 0;
  return (parent.flags & PREDICTOR_NODE_INNER_UNIQUE) != 0 && n.actual_rows > 1;
}

// A join that finds no row on its inner side reads no more of the outer. Processes that share a
// hash table first make it, and in each of them the rows may be rounded to none.
bool inner_side_was_empty(const PredictorNode& n, const PredictorNode& parent) {
  return n.relationship == PREDICTOR_REL_INNER && was_executed(n) && n.actual_rows == 0 &&
         (parent.op == PREDICTOR_OP_HASH_JOIN || parent.op == PREDICTOR_OP_MERGE_JOIN) &&
         (parent.join_type == PREDICTOR_JOIN_INNER || parent.join_type == PREDICTOR_JOIN_SEMI) &&
         (n.flags & PREDICTOR_NODE_PARALLEL_AWARE) == 0;
}

void mark_outer_side(PredictorRecord* record, int parent) {
  for (int i = parent + 1; i < record->node_count; i++) {
    PredictorNode& n = record->nodes[i];
    if (n.parent != parent || n.relationship != PREDICTOR_REL_OUTER) continue;
    if (was_executed(n)) n.flags |= PREDICTOR_NODE_PARTIAL;
    return;
  }
}

}  // namespace

void predictor_spread_partial(PredictorRecord* record) {
  for (int i = 1; i < record->node_count; i++) {
    const int parent = record->nodes[i].parent;
    if (inner_side_was_empty(record->nodes[i], record->nodes[parent]))
      mark_outer_side(record, parent);
  }
  for (int i = 1; i < record->node_count; i++) {
    PredictorNode& n = record->nodes[i];
    const PredictorNode& parent = record->nodes[n.parent];
    if (!was_executed(n)) continue;
    if (stops_at_first_match(n, parent) ||
        ((parent.flags & PREDICTOR_NODE_PARTIAL) != 0 && stops_with_parent(*record, i)))
      n.flags |= PREDICTOR_NODE_PARTIAL;
  }
}
