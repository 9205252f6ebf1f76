/*
 * history.h - captured records in tables: the one place that writes and reads
 * predictor.plan, predictor.plan_text and predictor.execution.
 */
#ifndef PREDICTOR_HISTORY_H
#define PREDICTOR_HISTORY_H

#include "postgres.h"

#include "plan/plan_record.h"

/*
 * Begins a transaction's storing, after worker_begin(): holds the extension until it ends. False: the
 * extension is not here, or the tables are not its own.
 */
extern bool history_begin(void);

/*
 * Stores one record with the texts that came with it (opengauss_shapes.h), if any. Inside
 * worker_begin() .. worker_commit(). Counts into the current segment; the caller calls
 * history_rotate() once per transaction.
 */
extern void history_store(const PredictorRecord *record, const char *texts, Size texts_size);

/*
 * Moves on to the next segment when the current one has its share of predictor.max_history or is
 * older than its share of predictor.retention.
 */
extern void history_rotate(int64 stored);

/* Most records that one transaction should store: a segment is left only between two. */
extern int	history_transaction_limit(void);

/* Called for each record; false stops the reading. The record is valid during the call only. */
typedef bool (*HistoryVisitor) (const PredictorRecord *record, void *context);

/*
 * Visits at most `limit` records with an id below *before, newest first, and lowers *before to the
 * last id seen. Start with PG_INT64_MAX. Returns how many were visited; 0 at the end. Inside
 * worker_begin() .. worker_commit(); a fresh transaction for each call is fine.
 */
extern int64 history_read(int64 *before, int limit, HistoryVisitor visit, void *context);

#endif
