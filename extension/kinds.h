/*
 * kinds.h - what this backend has described of the plans that it executes.
 *
 * Only a described statement can be recorded when it is cancelled, and describing must not happen
 * while an error passes, since it reads names from catalogs. So the shape of each plan that was
 * described is remembered, whatever it was described for, and a cancelled statement that was not
 * described itself borrows it: names and predicates from what is remembered, estimates from its own
 * plan, no constants.
 *
 * A plan that nobody wants as a record is described once for this, as long as that costs the backend
 * no more than about a percent of its time (after a small allowance to begin with).
 *
 * Local to the process, of bounded size. A remembered name is as old as its description.
 */
#ifndef PREDICTOR_KINDS_H
#define PREDICTOR_KINDS_H

#include "postgres.h"

#include "extension/aggregates.h"
#include "extension/extract.h"

/* Is this plan still to be described, and can we afford it? */
extern bool kinds_are_missing(const PlanKey *key);

/* What that took, and what statements took. */
extern void kinds_spend(uint64 nanoseconds);
extern void kinds_earn(uint64 nanoseconds);

/* Remembers the shape of a plan, if it is small enough and not there yet. Raises nothing. */
extern void kinds_remember(const PlanKey *key, const Extract *extract);

/*
 * A cancelled statement as a record without constants and actuals; NULL if its plan is not known or
 * memory is short. For the moment in which an error passes: reads no catalog and raises nothing.
 */
extern Extract *kinds_recall(const PlanKey *key, QueryDesc *queryDesc);

#endif
