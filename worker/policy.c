/*
 * policy.c - see policy.h. The rules are SQL: predictor.training_due().
 *
 * A job is a row of predictor.training_job before it is anything else, so none is lost: rows in
 * state requested or running without a live slot are taken up by the next look, whatever ended in
 * between (server, worker, or the primary whose standby we were). Where a session waited for the
 * job it has gone with it, and the row is closed instead. A job that was begun MAX_ATTEMPTS times
 * and never ended is given up.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "extension/jobs.h"
#include "extension/settings.h"
#include "extension/shared.h"
#include "worker/policy.h"
#include "worker/worker.h"

#define MAX_ATTEMPTS 5
/* Between two looks while statements keep coming, and after one that could not do its work. */
#define LOOK_INTERVAL_MS 3000
#define RETRY_MS 10000

static TimestampTz
from_now(int64 milliseconds)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), milliseconds);
}

void
policy_statements_stored(void)
{
	jobs_look_at(MyDatabaseId, from_now(LOOK_INTERVAL_MS));
}

static void
run(const char *sql, int expected)
{
	int			status = SPI_execute(sql, false, 0);

	if (status != expected)
		elog(ERROR, "unexpected result %s of: %s", SPI_result_code_string(status), sql);
}

#define LIVE "state IN ('requested', 'running')"

/* Which models are due becomes rows. */
static void
request_due(void)
{
	run("INSERT INTO predictor.training_job (job, model, model_name, requested_by, requested_at,"
		" state, reason, history_end)"
		" SELECT gen_random_uuid(), d.uuid, d.model, current_user, clock_timestamp(), 'requested', d.reason,"
		" (SELECT max(e.id) FROM predictor.execution e)"
		" FROM predictor.training_due() d WHERE d.due_at <= now() ON CONFLICT DO NOTHING",
		SPI_OK_INSERT);
}

static Datum
column(uint64 row, int number)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, &isnull);

	if (isnull)
		elog(ERROR, "a training job has a null in column %d", number);
	return value;
}

static void
close_row(const pg_uuid_t *id, const char *why)
{
	Oid			types[2] = {UUIDOID, TEXTOID};
	Datum		values[2] = {UUIDPGetDatum(id), CStringGetTextDatum(why)};

	if (SPI_execute_with_args("UPDATE predictor.training_job SET state = 'failed', finished_at = now(),"
							  " error = concat_ws('; the last time: ', $2, error) WHERE job = $1", 2, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not close a training job");
}

/*
 * Fills `wanted` with the jobs that a trainer shall take up. The slots are asked for each row after
 * it was read: who ends a job commits its row before he frees its slot, so a row that is still open
 * without a slot has nobody.
 */
static int
find_abandoned(TrainingJob *wanted, int most)
{
	SPITupleTable *table;
	uint64		rows;
	int			count = 0;

	run("SELECT job, model, model_name, attended, attempts, promote, requested_at FROM predictor.training_job"
		" WHERE " LIVE " ORDER BY requested_at", SPI_OK_SELECT);
	table = SPI_tuptable;
	rows = SPI_processed;
	for (uint64 i = 0; i < rows; i++)
	{
		TrainingJob *job = &wanted[count];

		SPI_tuptable = table;
		memset(job, 0, sizeof(*job));
		job->id = *DatumGetUUIDP(column(i, 1));
		if (jobs_is_live(&job->id))
			continue;
		if (DatumGetBool(column(i, 4)))
			close_row(&job->id, "interrupted: the server or its worker ended, and so did who waited for it");
		else if (DatumGetInt32(column(i, 5)) >= MAX_ATTEMPTS)
			close_row(&job->id, "given up: it was begun several times and interrupted each time");
		else if (count < most)
		{
			job->state = JOB_REQUESTED;
			job->is_recorded = true;
			job->database = MyDatabaseId;
			job->model_id = *DatumGetUUIDP(column(i, 2));
			job->model = *DatumGetName(column(i, 3));
			job->promote = DatumGetBool(column(i, 6));
			job->requested_at = DatumGetTimestampTz(column(i, 7));
			strlcpy(job->phase, "waiting for a worker", sizeof(job->phase));
			count++;
		}
	}
	return count;
}

/* When something becomes due that is not due yet; DT_NOEND if nothing does. */
static TimestampTz
next_due(void)
{
	bool		isnull;
	Datum		value;

	run("SELECT min(due_at) FROM predictor.training_due() WHERE due_at > now()", SPI_OK_SELECT);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? DT_NOEND : DatumGetTimestampTz(value);
}

static void
look(void)
{
	TrainingJob *wanted = MemoryContextAlloc(TopMemoryContext, sizeof(TrainingJob) * PREDICTOR_MAX_JOBS);
	TimestampTz next;
	int			count;

	worker_begin("looking at trainings");
	if (predictor_auto_train)
		request_due();
	count = find_abandoned(wanted, PREDICTOR_MAX_JOBS);
	next = predictor_auto_train ? next_due() : DT_NOEND;
	/* a job must not begin before its row is there for good */
	if (count > 0)
		ForceSyncCommit();
	worker_commit();
	for (int i = 0; i < count; i++)
	{
		pg_uuid_t	running;

		/* no slot, or the model is being trained by someone who waits for it */
		if (jobs_take_slot(&wanted[i], &running) < 0)
			next = Min(next, from_now(RETRY_MS));
	}
	pfree(wanted);
	if (next != DT_NOEND)
		jobs_look_at(MyDatabaseId, next);
	if (count > 0)
		shared_wake_launcher();
}

void
policy_look(void)
{
	MemoryContext context = CurrentMemoryContext;

	if (!jobs_take_look(MyDatabaseId))
		return;
	PG_TRY();
	{
		look();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		jobs_look_at(MyDatabaseId, from_now(RETRY_MS));
	}
	PG_END_TRY();
}
