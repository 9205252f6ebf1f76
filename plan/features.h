// features.h - what a model sees of a plan: numbers in log space, categories and identities.
//
// Training and every runtime call the same encoder, so that a network never meets a feature that
// was made differently from those it learned from. Only what is known before execution is read:
// no actual_* field, no total_time, and not the instrumentation level (the network takes that
// apart, see network.h).
//
// Rows of the planner are per loop and, under a Gather, per worker; costs are per loop.
#ifndef PREDICTOR_PLAN_FEATURES_H
#define PREDICTOR_PLAN_FEATURES_H

#include <cstdint>

#include "plan/operators.h"
#include "plan/plan_record.h"

namespace predictor {

// Changes whenever a feature's meaning, number or order does; bundles carry it.
inline constexpr uint32_t kFeatureVersion = 4;

// "log" is ln(1 + x), ratios are differences of those; a number that is not known gives 0.
enum NumericFeature : int {
  kLogStartupCost,
  kLogTotalCost,
  kLogSelfCost,        // total cost less what the children cost
  kSelfShare,          // of the node's total cost
  kStartupShare,       // of the node's total cost
  kLargestChildShare,  // of the node's total cost
  kLogRows,
  kLogWidth,
  kLogBytes,
  kLogOuterRows,
  kLogInnerRows,
  kLogOtherRows,     // largest of the children that are neither outer nor inner
  kJoinSelectivity,  // ln(rows / (outer rows * inner rows)), joins only
  kFanOut,           // ln(rows / outer rows)
  kLogSortWork,      // input rows * log2(input rows) of sorts, else 0
  kLogRelationPages,
  kLogRelationTuples,
  kRelationUnknown,  // a scan of a relation of unknown size
  kScanSelectivity,  // ln(rows / relation tuples)
  kLogWork,          // ln(work * loops * fraction), see NodePlace
  kLogLoops,
  kLogAllRows,  // rows * loops
  kLogAllCost,  // total cost * loops
  kCostShare,   // ln(total cost * loops / cost of the plan)
  kSelfCostShare,
  kLogWorkersPlanned,
  kLogWorkersAbove,  // of the Gather above
  kUnderGather,
  kMemoryPressure,  // ln(bytes to keep / work_mem) of nodes that keep rows, else 0
  kSpills,          // 1 where the planner's numbers say the rows will not fit
  kLogClauses,
  kLogSortKeys,
  kParallelAware,
  kAsyncCapable,
  kInnerUnique,
  kBackward,
  kLogDepth,
  kLogHeight,
  kLogNodesBelow,
  kLogChildren,
  kIsRoot,
  kStatementCost,  // log of the plan's total cost
  kLogWorkMem,
  kJit,
  kJitOptimize,
  kJitInline,
  // What memory says, in terms of ln(rows / planned rows); see memory.h, add_recall().
  kExactRows,  // these eight in the order of MemoryLevel
  kExactCount,
  kCoarseRows,
  kCoarseCount,
  kShapeRows,
  kShapeCount,
  kRelationsRows,
  kRelationsCount,
  kRecalledRows,     // the best of them: the network answers relative to it
  kRecalledBelow,    // sum over the children
  kLogRecalledRows,  // ln of rows, loops and work with recalled rows in place of planned ones
  kLogRecalledOuter,
  kLogRecalledInner,
  kLogRecalledLoops,
  kRecalledGrowth,  // of the node's own work
  kLogRecalledWork,
  kRecalledStatement,   // of all nodes
  kShapeDeviation,      // of ln planned rows, from what was planned for others of this shape
  kRelationsDeviation,  // from what was planned for others of these relations
  kShapeSpread,         // of kShapeRows, among the queries that it is the mean of
  kAboveRows,           // of the nearest node above whose exact rows are known; 0: of none
  kAboveSurprise,       // what of that its children and its shape do not explain
  kAboveKnown,          // 1 if there is one
  kEmpty,               // chance that the node makes no row
  kIdle,                // chance that it is never started, since a join's other side has none
  kCut,                 // chance that it is stopped after its first row, for the same reason
  kNumericCount
};

// Categories share one table of embeddings: the rows of each enumeration follow one another.
enum CategoryFeature : int {
  kOperatorCategory,
  kRelationshipCategory,
  kJoinCategory,
  kStrategyCategory,
  kPartialCategory,
  kCommandCategory,
  kStatementCategory,  // command of the statement
  kCategoryCount
};
inline constexpr int kCategoryRows =
    PREDICTOR_OPERATOR_COUNT + (PREDICTOR_REL_SUBQUERY + 1) + (PREDICTOR_JOIN_RIGHT_SEMI + 1) +
    (PREDICTOR_STRATEGY_MIXED + 1) + (PREDICTOR_PARTIAL_FINALIZE + 1) +
    2 * (PREDICTOR_COMMAND_LAST + 1);

// Hashes that a model may know by heart; 0 where the node has none.
enum IdentityFeature : int {
  kRelationIdentity,
  kIndexIdentity,
  kPredicateIdentity,
  kConstantsIdentity,  // predicate and constants; only under the key that the model was made with
  kIdentityCount
};

struct NodeFeatures {
  float numeric[kNumericCount];
  uint16_t category[kCategoryCount];  // row in the table of categories
  uint64_t identity[kIdentityCount];
};

inline bool is_join(int op) {
  return op == PREDICTOR_OP_NESTED_LOOP || op == PREDICTOR_OP_MERGE_JOIN ||
         op == PREDICTOR_OP_HASH_JOIN;
}

// How a node hangs in its plan; also what the runtime needs to turn predicted rows into loops:
// loops = loops of `loops_base` * rows of `loops_rows` * `loops_factor`.
struct NodePlace {
  int32_t outer;       // position of the outer child, -1: none
  int32_t inner;       // of the inner child
  int32_t loops_base;  // an ancestor, -1 at the root
  int32_t loops_rows;  // the node whose every row starts this one again, -1: none
  float loops_factor;  // other than 1 where the planner's cost shows fewer rescans
  int32_t depth;
  int32_t height;
  int32_t children;
  int32_t nodes_below;
  int32_t workers_above;  // 0: not under a Gather
  double loops;           // by the planner's rows, in one process
  double child_cost;      // of all children, loops included, at most the node's own
  double largest_child_cost;
  double other_rows;  // largest of the children that are neither outer nor inner
  double fraction;    // of its full run that a Limit above leaves of it
  double work;        // the node's own cost of one full run, tuples passed on included
};

// ln of what the node itself does in the whole statement, in units of cost.
float log_work(const NodePlace& place);

// Fills places[0 .. node_count) and features[0 .. node_count). The record must be one that the
// codec would accept: parents before children, enumerations in range. What memory says is left 0
// (see add_recall()). Does not allocate.
void encode_features(const PredictorRecord& record, NodePlace* places, NodeFeatures* features);

// The part of encode_features() that comes first.
void find_places(const PredictorRecord& record, NodePlace* places);

}  // namespace predictor

#endif
