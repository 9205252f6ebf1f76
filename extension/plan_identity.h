/*
 * plan_identity.h - which plan with which values this is, for a memo of answers (memo.h).
 *
 * A hash of what a record of the plan is made of: the query id, the nodes with their estimates, the
 * relations, expressions, constants and bound values, and the settings. Making the record takes
 * microseconds, names and a started plan; this takes some tens of nanoseconds for each node, and the
 * plan as the planner made it. Addresses do not count: where a plan lies says nothing about what it is.
 */
#ifndef PREDICTOR_PLAN_IDENTITY_H
#define PREDICTOR_PLAN_IDENTITY_H

#include "postgres.h"

#include "executor/execdesc.h"

/*
 * 0: the plan has none. That is one without a query id, one from which partitions may be pruned when it
 * starts (its nodes are not known before), and one with kinds of expressions that are not looked into.
 * Looks up types in the system caches; allocates nothing and does not raise otherwise.
 */
extern uint64 plan_identity(const QueryDesc *queryDesc, uint64 seed);

#endif
