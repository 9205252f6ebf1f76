/*
 * capture.c - decides at the start of a statement whether to record it, and records it at its end.
 *
 * One decision for each top-level statement, in ExecutorStart and before its nodes are
 * instrumented. A statement that was chosen has a Capture in its own per-query memory context,
 * which takes it away with everything else when the statement ends in whatever way; a callback of
 * that context unlinks it from the list below.
 *
 * A statement that fails never reaches ExecutorEnd. Its record is made while ExecutorRun or
 * ExecutorFinish pass the error on, if it was cancelled: then its time so far is a lower bound.
 *
 * Nothing here waits, and nothing but reading the system caches at the start of a chosen statement
 * can raise: memory is asked for without raising, locks are taken conditionally, and what cannot be
 * had makes us drop the record and count it.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "access/xlog.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "portability/instr_time.h"

#include "extension/capture.h"
#include "extension/compat.h"
#include "extension/extract.h"
#include "extension/ring.h"
#include "extension/settings.h"
#include "extension/shared.h"

typedef struct Capture
{
	struct Capture *next;
	QueryDesc  *queryDesc;
	Extract    *extract;
	instr_time	spent;			/* in the executor so far */
	bool		complete;		/* the last run reached the end of the result */
	MemoryContextCallback unlink;
} Capture;

static Capture *captures = NULL;	/* the innermost statement first */
static int	nesting_level = 0;

static ExecutorStart_hook_type previous_start = NULL;
static ExecutorRun_hook_type previous_run = NULL;
static ExecutorFinish_hook_type previous_finish = NULL;
static ExecutorEnd_hook_type previous_end = NULL;

static Capture *
find_capture(QueryDesc *queryDesc)
{
	for (Capture *capture = captures; capture != NULL; capture = capture->next)
		if (capture->queryDesc == queryDesc)
			return capture;
	return NULL;
}

static void
unlink_capture(void *argument)
{
	Capture   **link = &captures;

	while (*link != NULL && *link != argument)
		link = &(*link)->next;
	if (*link != NULL)
		*link = (*link)->next;
}

/* Is this a statement of the kind that we record, whatever the sampling says? */
static bool
is_eligible(int eflags)
{
	return predictor_enabled &&
		predictor_capture != CAPTURE_OFF &&
		MyBackendType == B_BACKEND &&
		!IsParallelWorker() &&
		(eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0 &&
		(nesting_level == 0 || predictor_track == TRACK_ALL);
}

/* The one decision for this statement. Counts why not. */
static bool
is_chosen(HashKey *key)
{
	shared_count(COUNTER_SEEN);
	if (RecoveryInProgress())
		shared_count(COUNTER_DROPPED_RECOVERY);
	else if (!shared_database_key(key, true))
		shared_count(COUNTER_DROPPED_DATABASE);
	else if (!shared_admit_capture())
		shared_count(COUNTER_DROPPED_RATE);
	else
		return true;
	return false;
}

/* How the nodes of a chosen statement are to be measured, as an instrument_options value. */
static int
choose_instrumentation(void)
{
	if (predictor_capture == CAPTURE_STATEMENT ||
		random_fraction() >= predictor_operator_sample_rate)
		return 0;
	return predictor_capture == CAPTURE_OPERATORS ?
		INSTRUMENT_TIMER | INSTRUMENT_ROWS : INSTRUMENT_ROWS;
}

static void
begin_capture(QueryDesc *queryDesc, const HashKey *key, instr_time spent)
{
	MemoryContext context = queryDesc->estate->es_query_cxt;
	Capture    *capture = MemoryContextAllocExtended(context, sizeof(Capture),
													 MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO);
	bool		too_large = false;

	if (capture != NULL)
		capture->extract = extract_plan(queryDesc, key, context, &too_large);
	if (capture == NULL || capture->extract == NULL)
	{
		shared_count(too_large ? COUNTER_DROPPED_LARGE : COUNTER_DROPPED_MEMORY);
		return;
	}
	capture->queryDesc = queryDesc;
	capture->spent = spent;
	capture->next = captures;
	captures = capture;
	capture->unlink.func = unlink_capture;
	capture->unlink.arg = capture;
	MemoryContextRegisterResetCallback(context, &capture->unlink);
}

static void
put_record(Capture *capture)
{
	PredictorRecord *record = &capture->extract->record;
	Size		size = predictor_encoded_size(record->node_count);
	void	   *bytes = MemoryContextAllocExtended(capture->queryDesc->estate->es_query_cxt, size,
												   MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
	Size		written;

	if (bytes == NULL)
	{
		shared_count(COUNTER_DROPPED_MEMORY);
		return;
	}
	written = predictor_encode(record, bytes, size);
	switch (written > 0 ? ring_put(MyDatabaseId, bytes, written) : RING_TOO_LARGE)
	{
		case RING_OK:
			shared_count(COUNTER_CAPTURED);
			break;
		case RING_BUSY:
			shared_count(COUNTER_DROPPED_BUSY);
			break;
		case RING_FULL:
			shared_count(COUNTER_DROPPED_FULL);
			break;
		case RING_TOO_LARGE:
			shared_count(COUNTER_DROPPED_LARGE);
			break;
	}
}

/* Completes the record and sends it on its way. Raises nothing. */
static void
finish_capture(Capture *capture, bool in_error)
{
	PredictorStatement *statement = &capture->extract->record.statement;

	statement->total_time = INSTR_TIME_GET_MILLISEC(capture->spent);
	extract_actuals(capture->queryDesc, capture->extract, in_error);
	if (in_error)
		statement->flags |= PREDICTOR_STATEMENT_TIMED_OUT;
	else if (!capture->complete)
		statement->flags |= PREDICTOR_STATEMENT_PARTIAL;
	if (statement->total_time >= predictor_min_duration)
		put_record(capture);
	unlink_capture(capture);
	capture->queryDesc = NULL;
}

/* The statement fails: a cancelled one is recorded, any other is counted. */
static void
fail_capture(QueryDesc *queryDesc, instr_time started)
{
	Capture    *capture = find_capture(queryDesc);
	instr_time	now;

	if (capture == NULL)
		return;
	if (geterrcode() != ERRCODE_QUERY_CANCELED)
	{
		shared_count(COUNTER_FAILED_STATEMENTS);
		return;
	}
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_ACCUM_DIFF(capture->spent, now, started);
	shared_count(COUNTER_TIMED_OUT);
	finish_capture(capture, true);
}

static void
add_time(QueryDesc *queryDesc, instr_time started)
{
	Capture    *capture = captures != NULL ? find_capture(queryDesc) : NULL;
	instr_time	now;

	if (capture == NULL)
		return;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_ACCUM_DIFF(capture->spent, now, started);
}

static void
capture_ExecutorStart(QueryDesc *queryDesc, int eflags)
{
	HashKey		key;
	instr_time	started;
	instr_time	spent;
	bool		chosen = is_eligible(eflags) && is_chosen(&key);

	if (chosen)
	{
		queryDesc->instrument_options |= choose_instrumentation();
		INSTR_TIME_SET_CURRENT(started);
	}
	if (previous_start)
		previous_start(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
	if (chosen)
	{
		INSTR_TIME_SET_CURRENT(spent);
		INSTR_TIME_SUBTRACT(spent, started);
		begin_capture(queryDesc, &key, spent);
	}
}

static void
capture_ExecutorRun(EXECUTOR_RUN_PARAMS)
{
	instr_time	started;
	Capture    *capture;

	INSTR_TIME_SET_ZERO(started);
	if (captures != NULL)
		INSTR_TIME_SET_CURRENT(started);
	nesting_level++;
	PG_TRY();
	{
		if (previous_run)
			previous_run(EXECUTOR_RUN_ARGS);
		else
			standard_ExecutorRun(EXECUTOR_RUN_ARGS);
		nesting_level--;
	}
	PG_CATCH();
	{
		nesting_level--;
		fail_capture(queryDesc, started);
		PG_RE_THROW();
	}
	PG_END_TRY();
	add_time(queryDesc, started);
	capture = captures != NULL ? find_capture(queryDesc) : NULL;
	if (capture != NULL)
		capture->complete = ScanDirectionIsForward(direction) &&
			(count == 0 || queryDesc->estate->es_processed < count);
}

static void
capture_ExecutorFinish(QueryDesc *queryDesc)
{
	instr_time	started;

	INSTR_TIME_SET_ZERO(started);
	if (captures != NULL)
		INSTR_TIME_SET_CURRENT(started);
	nesting_level++;
	PG_TRY();
	{
		if (previous_finish)
			previous_finish(queryDesc);
		else
			standard_ExecutorFinish(queryDesc);
		nesting_level--;
	}
	PG_CATCH();
	{
		nesting_level--;
		fail_capture(queryDesc, started);
		PG_RE_THROW();
	}
	PG_END_TRY();
	add_time(queryDesc, started);
}

static void
capture_ExecutorEnd(QueryDesc *queryDesc)
{
	Capture    *capture = captures != NULL ? find_capture(queryDesc) : NULL;

	if (capture != NULL)
		finish_capture(capture, false);
	if (previous_end)
		previous_end(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);
}

void
capture_forget(void)
{
	captures = NULL;
}

void
capture_init(void)
{
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = capture_ExecutorStart;
	previous_run = ExecutorRun_hook;
	ExecutorRun_hook = capture_ExecutorRun;
	previous_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = capture_ExecutorFinish;
	previous_end = ExecutorEnd_hook;
	ExecutorEnd_hook = capture_ExecutorEnd;
}
