/*
 * accuracy.h - what stored records say about the predictions that they carry: the state of each model
 * version in predictor.drift. For collectors, which call it around each of their transactions.
 */
#ifndef PREDICTOR_ACCURACY_H
#define PREDICTOR_ACCURACY_H

#include "postgres.h"

#include "plan/plan_record.h"

/* At the start of a transaction that stores records: forgets one that failed. */
extern void accuracy_begin(void);

/* A record of it. Remembers what its prediction was worth, if it has one and that can be told. */
extern void accuracy_note(const PredictorRecord *record);

/* At the end of the transaction: brings predictor.drift up to date with what was noted. */
extern void accuracy_store(void);

/* After its commit: makes changed calibrations known to whoever predicts. */
extern void accuracy_publish(void);

#endif
