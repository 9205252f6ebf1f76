// signature.h - what makes two executions "the same plan".
//
// The plan signature covers the structure of all nodes (operators, relationships, relations,
// indexes, predicate shapes) and neither constants nor estimates, so that a generic and a custom
// plan of one prepared statement, or two executions with other parameters, meet in one row.
#ifndef PREDICTOR_PLAN_SIGNATURE_H
#define PREDICTOR_PLAN_SIGNATURE_H

#include <cstdint>
#include <string_view>

#include "plan/plan_record.h"

namespace predictor {

// The identity of a relation or an index: PredictorNode.relation and .index. Both mouths call this,
// so that a plan tree and the EXPLAIN text of the same plan agree. An empty schema means that the
// source did not say (EXPLAIN without VERBOSE). Never 0. Does not allocate.
uint64_t relation_identity(std::string_view schema, std::string_view name);

// The signature of each node's sub-plan, itself and all below it: out[0 .. node_count). Two plans
// that have a part in common agree in it, wherever it stands. Never 0. Does not allocate.
void subplan_signatures(const PredictorRecord& record, uint64_t* out);

// Fills statement.signature and statement.constants from the nodes. Neither is ever 0 for a plan
// with nodes, except constants of a plan in which no node has any.
void sign(PredictorRecord& record);

}  // namespace predictor

#endif
