/*
 * predict_functions.h - how the functions that predict a statement start and end it.
 */
#ifndef PREDICTOR_PREDICT_FUNCTIONS_H
#define PREDICTOR_PREDICT_FUNCTIONS_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "utils/array.h"

/*
 * Parses and plans one statement and starts it as EXPLAIN does: rights are checked, nothing is run.
 * `values` (text[]) are its parameters; NULL: it has none. Raises whatever is wrong with it.
 */
extern QueryDesc *predict_start_query(const char *query, ArrayType *values);

extern void predict_end_query(QueryDesc *queryDesc);

#endif
