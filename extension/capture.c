/*
 * capture.c - decides at the start of a statement how much of it to record, and does so at its end.
 *
 * Each finished statement adds to its plan's aggregate (aggregates.h). That is the fast path: a walk
 * over the plan's node types and two readings of the exact clock: no lock, no allocation.
 *
 * A statement is described, that is, made into a record right after ExecutorStart, if a record of it
 * is wanted, if it is expected to run so long that describing it is not noticed, or if this backend has
 * not yet described another one with this plan: only what was described can be recorded when it is
 * cancelled (kinds.h). Whether a description becomes a record is decided
 * when the statement ends. A statement that was not described and turns out unusual is described at
 * its end. Whether nodes are instrumented is decided once, before ExecutorStart.
 *
 * A statement that fails never reaches ExecutorEnd. Its record is made while ExecutorRun or
 * ExecutorFinish pass the error on, if it was cancelled: then its time so far is a lower bound.
 *
 * Nothing here waits, and nothing but reading the system caches to describe a statement can raise:
 * memory is asked for without raising, locks are taken conditionally, and what cannot be had makes
 * us drop the record and count it.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "access/xlog.h"
#include "executor/executor.h"
#include "miscadmin.h"

#include "extension/aggregates.h"
#include "extension/capture.h"
#include "extension/capture_statements.h"
#include "extension/compat.h"
#include "extension/extract.h"
#include "extension/fingerprint.h"
#include "extension/kinds.h"
#include "extension/opengauss_shapes.h"
#include "extension/opengauss_texts.h"
#include "extension/ring.h"
#include "extension/sampling.h"
#include "extension/serve.h"
#include "extension/settings.h"
#include "extension/shared.h"

static ExecutorStart_hook_type previous_start = NULL;
static ExecutorRun_hook_type previous_run = NULL;
static ExecutorFinish_hook_type previous_finish = NULL;
static ExecutorEnd_hook_type previous_end = NULL;

/* ---- the decision ---- */

/* Is this a statement of the kind that we look at, whatever the sampling says? */
static bool
is_eligible(int eflags)
{
	return predictor_enabled &&
		predictor_capture != CAPTURE_OFF &&
		(capture_nesting_level() == 0 || predictor_track == TRACK_ALL) &&
		MyBackendType == B_BACKEND &&
		!IsParallelWorker() &&
		(eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0;
}

/* Can what we learn from this statement be kept? Counts why not. */
static bool
is_collected(HashKey *key)
{
	shared_count_later(COUNTER_SEEN);
	if (RecoveryInProgress())
		shared_count(COUNTER_DROPPED_RECOVERY);
	else if (!shared_database_key(key, true))
		shared_count(COUNTER_DROPPED_DATABASE);
	else
		return true;
	return false;
}

/* ---- the record ---- */

/* Makes the statement a record without actuals. The plan must be started. May raise, see extract.h. */
static void
describe(Statement *statement, const HashKey *key)
{
	QueryDesc  *queryDesc = statement->queryDesc;
	bool		too_large = false;

	statement->extract = extract_plan(queryDesc, key, queryDesc->estate->es_query_cxt, &too_large);
	if (statement->extract == NULL)
	{
		shared_count(too_large ? COUNTER_DROPPED_LARGE : COUNTER_DROPPED_MEMORY);
		statement->lost = true;
		return;
	}
	kinds_remember(&statement->key, statement->extract);
	if (predictor_opengauss_capture)
	{
		opengauss_hash_texts(queryDesc, statement->extract);
		opengauss_shape_texts(queryDesc, statement->extract);
	}
	statement->extract->record.statement.planning_time = statement->planning_ms;
	serve_annotate(&statement->extract->record, queryDesc);
	memset(&statement->client, 0, sizeof(statement->client));
}

/* The executor's time without the client's, whose estimate may be a little more than there was. */
static void
set_total_time(Statement *statement)
{
	double		nanoseconds = (double) statement->start_ns + statement->spent_ns -
		statement->client.nanoseconds;

	if (statement->extract != NULL)
		statement->extract->record.statement.total_time = Max(nanoseconds, 0) / 1e6;
}

/* Completes the record of a described statement and sends it on its way. Raises nothing. */
static void
record_statement(Statement *statement, double share, bool in_error)
{
	PredictorStatement *record = &statement->extract->record.statement;
	RingTexts	texts = {statement->extract->shapes, statement->extract->shapes_size};

	if (record->total_time < predictor_min_duration)
	{
		shared_count_later(COUNTER_NOT_SAMPLED);
		return;
	}
	if (!shared_admit_capture(clock_nanoseconds(), share))
	{
		shared_count(COUNTER_DROPPED_RATE);
		return;
	}
	if (in_error)
		record->flags |= PREDICTOR_STATEMENT_TIMED_OUT;
	else if (!statement->complete)
		record->flags |= PREDICTOR_STATEMENT_PARTIAL;
	extract_actuals(statement->queryDesc, statement->extract, in_error);
	if (ring_put_record(&statement->extract->record, &texts, statement->queryDesc->estate->es_query_cxt) &&
		texts.size > 0)
		opengauss_shapes_are_done(record);
}

/*
 * Did it take a time that neither its plan's past nor the prediction in force led to expect? Then it
 * becomes a record even if nobody wanted one at its start.
 */
static bool
is_surprising(Statement *statement, double log_time)
{
	HashKey		key;

	if (statement->extract != NULL &&
		sampling_is_badly_predicted(&statement->extract->record.statement))
		return true;
	if (!sampling_is_unusual(&statement->history, log_time))
		return false;
	if (statement->extract == NULL && !statement->lost && client_time_is_negligible(statement->queryDesc) &&
		shared_has_room(clock_nanoseconds(), 1) && shared_database_key(&key, true))
	{
		describe(statement, &key);
		set_total_time(statement);
	}
	return true;
}

/* The statement ended well. */
static void
finish(Statement *statement)
{
	bool		measured = statement->complete &&
		(statement->queryDesc->instrument_options & INSTRUMENT_TIMER) == 0;
	double		log_time = measured ? aggregates_log(statement->spent_ns) : NAN;
	bool		surprising;

	if (statement->forgotten)
		return;
	aggregates_add(&statement->key, statement->spent_ns, log_time);
	kinds_earn(statement->spent_ns);
	set_total_time(statement);
	surprising = measured && is_surprising(statement, log_time);
	if (surprising)
		shared_count(COUNTER_UNUSUAL);
	if (statement->lost)
		return;					/* counted already */
	if (statement->extract != NULL && (surprising || statement->wanted))
		record_statement(statement, surprising ? 1 : sampling_share(&statement->history), false);
	else
		shared_count_later(surprising || sampling_is_rare(&statement->history) ?
						   COUNTER_DROPPED_RATE : COUNTER_NOT_SAMPLED);
}

/* The statement fails: a cancelled one is recorded, any other is counted. Raises nothing. */
static void
fail(Statement *statement)
{
	if (statement->forgotten)
		return;
	if (geterrcode() != ERRCODE_QUERY_CANCELED)
	{
		shared_count(COUNTER_FAILED_STATEMENTS);
		return;
	}
	if (statement->extract == NULL && !statement->lost)
	{
		memset(&statement->client, 0, sizeof(statement->client));
		statement->extract = kinds_recall(&statement->key, statement->queryDesc);
	}
	if (statement->extract == NULL)
		shared_count(COUNTER_CANCELLED_UNKNOWN);
	else
	{
		shared_count(COUNTER_TIMED_OUT);
		set_total_time(statement);
		record_statement(statement, 1, true);
	}
}

/* ---- the hooks ---- */

static void
chain_start(QueryDesc *queryDesc, int eflags)
{
	if (previous_start)
		previous_start(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
}

/* A statement that we look at. */
static void
start_statement(QueryDesc *queryDesc, int eflags, const HashKey *key)
{
	const PlannedStmt *plan = queryDesc->plannedstmt;
	Fingerprint fingerprint = fingerprint_plan(plan);
	PlanKey		plan_key = aggregates_key(plan->queryId, fingerprint.hash);
	PlanHistory history;
	double		planning_ms = capture_take_planning_time(plan);
	uint64		started = 0;
	bool		wanted;
	bool		missing;
	bool		described;
	Statement  *statement;

	aggregates_look(&plan_key, &history);
	wanted = shared_has_room(coarse_nanoseconds(), sampling_share(&history));
	described = wanted || sampling_is_expensive(&history, plan, &fingerprint);
	missing = !described && kinds_are_missing(&plan_key);
	described |= missing;
	/* the exact clock is read only where somebody wants to know */
	if (described)
		started = clock_nanoseconds();
	if (wanted)
		queryDesc->instrument_options |= sampling_instrumentation(&history, plan, &fingerprint);
	chain_start(queryDesc, eflags);
	statement = take_statement(queryDesc);
	if (statement == NULL)
	{
		shared_count(COUNTER_DROPPED_BUSY);
		return;
	}
	statement->key = plan_key;
	statement->history = history;
	statement->wanted = wanted;
	statement->planning_ms = planning_ms;
	if (described)
	{
		statement->start_ns = clock_nanoseconds() - started;
		describe(statement, key);
		if (missing)
			kinds_spend(clock_nanoseconds() - started - statement->start_ns);
	}
}

static void
capture_ExecutorStart(QueryDesc *queryDesc, int eflags)
{
	HashKey		key;

	release_statement(find_statement(queryDesc));
	if (is_eligible(eflags) && is_collected(&key))
		start_statement(queryDesc, eflags, &key);
	else
		chain_start(queryDesc, eflags);
}

static Statement *
begin_run(QueryDesc *queryDesc, uint64 *started)
{
	Statement  *statement = find_statement(queryDesc);

	if (statement != NULL)
	{
		statement->running = true;
		*started = clock_nanoseconds();
	}
	return statement;
}

static void
end_run(Statement *statement, uint64 started)
{
	if (statement == NULL)
		return;
	statement->spent_ns += clock_nanoseconds() - started;
	statement->running = false;
}

/* The error goes on: puts everything back, and records what was cancelled. */
static void
fail_run(Statement *statement, QueryDesc *queryDesc, uint64 started, int level)
{
	capture_leave_nested(level);
	if (statement == NULL)
		return;
	end_run(statement, started);
	client_time_end(&statement->client, queryDesc);
	fail(statement);
	release_statement(statement);
}

static void
chain_run(EXECUTOR_RUN_PARAMS)
{
	if (previous_run)
		previous_run(EXECUTOR_RUN_ARGS);
	else
		standard_ExecutorRun(EXECUTOR_RUN_ARGS);
}

static void
capture_ExecutorRun(EXECUTOR_RUN_PARAMS)
{
	Statement  *statement;
	uint64		started = 0;
	int			level;

	if (!predictor_enabled && !have_statements())
	{
		chain_run(EXECUTOR_RUN_ARGS);
		return;
	}
	statement = begin_run(queryDesc, &started);
	level = capture_enter_nested();
	if (statement != NULL && statement->extract != NULL)
		client_time_begin(&statement->client, queryDesc);
	PG_TRY();
	{
		chain_run(EXECUTOR_RUN_ARGS);
	}
	PG_CATCH();
	{
		fail_run(statement, queryDesc, started, level);
		PG_RE_THROW();
	}
	PG_END_TRY();
	capture_leave_nested(level);
	end_run(statement, started);
	if (statement == NULL)
		return;
	if (statement->extract != NULL)
		client_time_end(&statement->client, queryDesc);
	statement->complete = ScanDirectionIsForward(direction) &&
		(count == 0 || queryDesc->estate->es_processed < count);
}

static void
chain_finish(QueryDesc *queryDesc)
{
	if (previous_finish)
		previous_finish(queryDesc);
	else
		standard_ExecutorFinish(queryDesc);
}

static void
capture_ExecutorFinish(QueryDesc *queryDesc)
{
	Statement  *statement;
	uint64		started = 0;
	int			level;

	/* Only what changes tables has something left to do here: the rest of its rows, and triggers. */
	if ((!predictor_enabled && !have_statements()) ||
		(queryDesc->operation == CMD_SELECT && !queryDesc->plannedstmt->hasModifyingCTE))
	{
		chain_finish(queryDesc);
		return;
	}
	statement = begin_run(queryDesc, &started);
	level = capture_enter_nested();
	PG_TRY();
	{
		chain_finish(queryDesc);
	}
	PG_CATCH();
	{
		fail_run(statement, queryDesc, started, level);
		PG_RE_THROW();
	}
	PG_END_TRY();
	capture_leave_nested(level);
	end_run(statement, started);
}

static void
capture_ExecutorEnd(QueryDesc *queryDesc)
{
	Statement  *statement = find_statement(queryDesc);

	if (statement != NULL)
	{
		finish(statement);
		release_statement(statement);
	}
	if (previous_end)
		previous_end(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);
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
	capture_statements_init();
	capture_nesting_init();
	sampling_init();
}
