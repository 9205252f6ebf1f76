/*
 * partial.h - which nodes of an executed plan did not run to their end, so that their rows and
 * times are lower bounds and no truth about what the planner estimated.
 */
#ifndef PREDICTOR_PLAN_PARTIAL_H
#define PREDICTOR_PLAN_PARTIAL_H

#include "plan/plan_record.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Given the nodes that are known to have been stopped (a Limit's child, a cursor's root), marks
 * what was stopped with them, and the inner sides of joins that take the first match. A node that
 * reads all of its input before it yields protects what is below. Allocates nothing.
 */
void predictor_spread_partial(PredictorRecord* record);

#ifdef __cplusplus
}
#endif

#endif
