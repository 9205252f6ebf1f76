// subplan.h - what the rows of a plan node are, whatever operators find them and in whatever order
// relations are joined: the keys under which a cardinality memory keeps them.
//
// The rows of a sub-plan follow from the relations that it reads, the clauses with constants on
// them, the columns that it joins by, and the aggregates in it. Each of these is a sum of hashes
// (or a union of Bloom filters) over the nodes of the sub-plan, so that all plans of one query
// agree.
#ifndef PREDICTOR_PLAN_SUBPLAN_H
#define PREDICTOR_PLAN_SUBPLAN_H

#include <cstdint>

#include "plan/features.h"
#include "plan/plan_record.h"

namespace predictor {

// From the most to the least particular.
enum MemoryLevel : int {
  kExactLevel,      // with all constants
  kCoarseLevel,     // with coarse constants
  kShapeLevel,      // without constants
  kRelationsLevel,  // the relations alone
  kMemoryLevels
};

struct SubPlan {
  uint64_t key[kMemoryLevels];
  uint64_t links;  // of all nodes
  int32_t passes;  // the child whose rows the node hands on as they are, -1: it makes its own
  bool partial;    // each process of a Gather makes a part of the rows
  bool rescanned;  // a scan that is started with values of another relation's row
  float planned;   // rows of one run, of all processes together
  float share;     // ln(part of one process / planned), as executions count it
};

// Fills out[0 .. node_count). Does not allocate.
void find_sub_plans(const PredictorRecord& record, const NodePlace* places, SubPlan* out);

// The root of a sub-query, whose rows and constants are no part of those of the plan around it.
inline bool is_sub_query(const PredictorNode& n) {
  return n.relationship == PREDICTOR_REL_INITPLAN || n.relationship == PREDICTOR_REL_SUBPLAN;
}

// The node that makes the rows of `node`: itself, or one below where it hands rows on.
inline int maker_of_rows(const SubPlan* sub_plans, int node) {
  while (sub_plans[node].passes > node) node = sub_plans[node].passes;
  return node;
}

// Measured rows of one run, of all processes together; NaN where nothing was measured, where the
// node did not run to its end, and where what was counted is not what the node makes (a node that
// hands rows on may be read more than once).
double measured_rows(const PredictorNode& node, const NodePlace& place, const SubPlan& sub_plan);

// Rows are rounded before PostgreSQL 18: half a row stands for none.
inline constexpr double kRowsFloor = 0.5;

}  // namespace predictor

#endif
