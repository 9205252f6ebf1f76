/*
 * extract_predicate.h - from a node's expressions to the shape and the constants of its predicate.
 */
#ifndef PREDICTOR_EXTRACT_PREDICATE_H
#define PREDICTOR_EXTRACT_PREDICATE_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "extension/facade.h"
#include "extension/shared.h"

/*
 * Fills predicate, constants and clauses of `node`. Looks up names of operators and functions in
 * the system caches; allocates nothing. External parameters count as their values.
 */
extern void extract_predicate(PlanState *state, QueryDesc *queryDesc, const HashKey *key,
							  PredictorNode *node);

#endif
