/*
 * extract_predicate.h - from a node's expressions to the shape and the constants of its predicate.
 */
#ifndef PREDICTOR_EXTRACT_PREDICATE_H
#define PREDICTOR_EXTRACT_PREDICATE_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "extension/extract.h"

/*
 * Fills predicate, selection, links, constants, coarse, clauses and sort_keys of a node whose
 * parents are described already. Looks up names in the system caches; allocates nothing. External
 * parameters count as their values.
 */
extern void extract_predicate(Extract *extract, int node, QueryDesc *queryDesc, const HashKey *key);

#endif
