/*
 * extract_constant.h - from a constant's datum to its canonical form in a predicate's hash.
 */
#ifndef PREDICTOR_EXTRACT_CONSTANT_H
#define PREDICTOR_EXTRACT_CONSTANT_H

#include "postgres.h"

#include "extension/facade.h"

/*
 * Reports a value, or a list if it is an array. Calls no output function, allocates nothing and
 * reads the system caches of types and enum labels only. A value that cannot be read so (of a type
 * without a canonical form here, compressed, or stored elsewhere) counts by its bytes.
 */
extern void extract_constant(PredictorPredicate *hash, Oid type, Datum value, bool isnull);

/* The same without the mark of its presence: an element of a list. */
extern void extract_element(PredictorPredicate *hash, Oid type, Datum value, bool isnull);

#endif
