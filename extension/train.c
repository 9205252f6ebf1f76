/*
 * train.c - the SQL functions about training: they fill and follow slots of shared->jobs; the work
 * is the trainer's (worker/trainer.c).
 *
 * A slot belongs to the backend that waits for it (waited_for) until the backend frees it or gives
 * it up; without such a backend it belongs to the trainer. All of it under shared->lock.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "extension/capture.h"
#include "extension/compat.h"
#include "extension/jobs.h"
#include "extension/settings.h"
#include "extension/shared.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(predictor_train);
PG_FUNCTION_INFO_V1(predictor_look_at_trainings);

#define TRAINER_TIMEOUT_MS 15000
#define NOTICE_INTERVAL_MS 2000
#define WAIT_MS 200

DEFINE_WAIT_EVENT(wait_event_training, "PredictorTraining")

static bool
is_live(const TrainingJob *job)
{
	return job->state == JOB_REQUESTED || job->state == JOB_RUNNING;
}

static char *
uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

/* ---- asking for a training ---- */

static void
find_model(const NameData *model, pg_uuid_t *id)
{
	Oid			types[1] = {NAMEOID};
	Datum		values[1] = {NameGetDatum(model)};
	bool		isnull;

	SPI_connect();
	if (SPI_execute_with_args("SELECT m.uuid FROM predictor.model m WHERE m.name OPERATOR(pg_catalog.=) $1",
							  1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for model \"%s\"", NameStr(*model));
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist", NameStr(*model)),
				 errhint("predictor.create_model makes one; predictor.models lists those of this database.")));
	*id = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
}

static void
raise_in_use(const NameData *model, const pg_uuid_t *running)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("model \"%s\" is being trained already", NameStr(*model)),
			 errdetail("Job %s is at it.", uuid_text(running)),
			 errhint("predictor.training_jobs shows how far it is; predictor.cancel_training ends it.")));
}

/*
 * Raises if another job of the model waits or runs, also one that has no slot at the moment. A row
 * for which a session waits and that has no slot is what an interruption has left: it is not live.
 */
static void
check_not_in_training(const NameData *model, const pg_uuid_t *model_id)
{
	Oid			types[1] = {UUIDOID};
	Datum		values[1] = {UUIDPGetDatum(model_id)};
	bool		isnull;
	pg_uuid_t	running;
	bool		found;

	SPI_connect();
	if (SPI_execute_with_args("SELECT job FROM predictor.training_job j WHERE j.model OPERATOR(pg_catalog.=) $1"
							  " AND j.state IN ('requested', 'running') AND NOT j.attended",
							  1, types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for trainings of model \"%s\"", NameStr(*model));
	found = SPI_processed > 0;
	if (found)
		running = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	if (found)
		raise_in_use(model, &running);
}

/* ---- what waits for the commit ---- */

static bool look_at_commit = false;

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	if (look_at_commit && event == XACT_EVENT_COMMIT)
		jobs_look_at(MyDatabaseId, GetCurrentTimestamp());
	look_at_commit = false;
}

static void
look_after_commit(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(at_transaction_end, NULL);
	registered = true;
	look_at_commit = true;
}

static TrainingJob
make_job(const NameData *model, bool promote)
{
	TrainingJob wanted;

	memset(&wanted, 0, sizeof(wanted));
	wanted.state = JOB_REQUESTED;
	wanted.id = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	wanted.database = MyDatabaseId;
	wanted.user = GetOuterUserId();
	wanted.model = *model;
	wanted.promote = promote;
	wanted.requested_at = GetCurrentTimestamp();
	strlcpy(wanted.phase, "waiting for a worker", sizeof(wanted.phase));
	find_model(model, &wanted.model_id);
	check_not_in_training(model, &wanted.model_id);
	return wanted;
}

/* The job has us to wait for it: a slot is all it needs. */
static int
request_attended(TrainingJob *wanted)
{
	pg_uuid_t	running;
	int			slot;

	wanted->waited_for = true;
	slot = jobs_take_slot(wanted, &running);
	if (slot == -2)
		raise_in_use(&wanted->model, &running);
	if (slot < 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("%d trainings are running or waiting in this server, and there is no room for more",
						PREDICTOR_MAX_JOBS),
				 errhint("Try again when one has ended.")));
	shared_wake_launcher();
	return slot;
}

/* Nobody waits for the job: it is a row, which is worked on once it is committed, whatever happens. */
static void
request_unattended(const TrainingJob *wanted)
{
	Oid			types[6] = {UUIDOID, UUIDOID, NAMEOID, OIDOID, TIMESTAMPTZOID, BOOLOID};
	Datum		values[6];

	values[0] = UUIDPGetDatum(&wanted->id);
	values[1] = UUIDPGetDatum(&wanted->model_id);
	values[2] = NameGetDatum(&wanted->model);
	values[3] = ObjectIdGetDatum(wanted->user);
	values[4] = TimestampTzGetDatum(wanted->requested_at);
	values[5] = BoolGetDatum(wanted->promote);
	SPI_connect();
	if (SPI_execute_with_args("INSERT INTO predictor.training_job"
							  " (job, model, model_name, requested_by, requested_at, state, promote)"
							  " VALUES ($1, $2, $3, pg_catalog.pg_get_userbyid($4), $5, 'requested', $6)"
							  " ON CONFLICT DO NOTHING", 6, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not request a training");
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("model \"%s\" is being trained already", NameStr(wanted->model)),
				 errhint("predictor.training_jobs shows how far it is; predictor.cancel_training ends it.")));
	SPI_finish();
	look_after_commit();
}

Datum
predictor_look_at_trainings(PG_FUNCTION_ARGS)
{
	if (shared != NULL)
		look_after_commit();
	PG_RETURN_VOID();
}

/* ---- waiting for it ---- */

static TrainingJob
look_at(int slot, int *running)
{
	TrainingJob job;

	LWLockAcquire(shared->lock, LW_SHARED);
	job = shared->jobs[slot];
	*running = 0;
	for (int i = 0; i < PREDICTOR_MAX_JOBS; i++)
		if (shared->jobs[i].state == JOB_RUNNING)
			(*running)++;
	LWLockRelease(shared->lock);
	return job;
}

/* The backend does not wait any longer, whatever the reason: the training is cancelled. */
static void
give_up(int code, Datum arg)
{
	TrainingJob *job = &shared->jobs[DatumGetInt32(arg)];
	int			trainer_pid = 0;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (job->state == JOB_RUNNING)
	{
		job->waited_for = false;
		job->cancel = true;
		trainer_pid = job->trainer_pid;
	}
	else
		memset(job, 0, sizeof(*job));
	LWLockRelease(shared->lock);
	jobs_wake_trainer(trainer_pid);
}

/* Has the phase more to say than its name? */
static bool
has_measure(const TrainingJob *job)
{
	return (job->epoch > 0 && strcmp(job->phase, "training") == 0) ||
		(job->plans > 0 && strcmp(job->phase, "reading history") == 0);
}

static void
notice_progress(const TrainingJob *job)
{
	if (!has_measure(job))
		ereport(NOTICE, (errmsg("training \"%s\": %s", NameStr(job->model), job->phase)));
	else if (job->epoch > 0)
		ereport(NOTICE,
				(errmsg("training \"%s\": epoch %d/%d, validation q-error %.2f, about %.0f s left",
						NameStr(job->model), job->epoch, job->max_epochs, job->validation_q50,
						ceil(Max(job->eta_seconds, 0)))));
	else
		ereport(NOTICE,
				(errmsg("training \"%s\": %s, " INT64_FORMAT " statements so far", NameStr(job->model),
						job->phase, job->plans)));
}

/* Says what is new: each phase at once, progress within one every now and then. */
static void
notice_news(const TrainingJob *job, TrainingJob *said, TimestampTz *said_at)
{
	TimestampTz now = GetCurrentTimestamp();

	if (job->state != JOB_RUNNING)
		return;
	if (strcmp(job->phase, said->phase) == 0 &&
		(!has_measure(job) || job->progress_count == said->progress_count ||
		 !TimestampDifferenceExceeds(*said_at, now, NOTICE_INTERVAL_MS)))
		return;
	notice_progress(job);
	*said = *job;
	*said_at = now;
}

static void
wait_for_training(int slot)
{
	TrainingJob said = {0};
	TimestampTz said_at = 0;
	TimestampTz waiting_since = GetCurrentTimestamp();

	for (;;)
	{
		int			running;
		TrainingJob job = look_at(slot, &running);

		if (!is_live(&job))
			return;
		notice_news(&job, &said, &said_at);
		/* Behind other trainings one may wait; for a worker that cannot start one may not. */
		if (job.state == JOB_REQUESTED && running >= MAX_TRAINERS)
			waiting_since = GetCurrentTimestamp();
		if (job.state == JOB_REQUESTED &&
			TimestampDifferenceExceeds(waiting_since, GetCurrentTimestamp(), TRAINER_TIMEOUT_MS))
			ereport(ERROR,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("could not train model \"%s\": no worker started within %d s",
							NameStr(job.model), TRAINER_TIMEOUT_MS / 1000),
					 errhint("Raise max_worker_processes or predictor.max_workers; the server's log says more.")));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, WAIT_MS,
						 wait_event_training());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Waits until the training has ended, takes its result out of the slot, and frees that. */
static TrainingJob
follow_training(int slot)
{
	TrainingJob job;

	/* Not PG_TRY alone: a session that is terminated must let go as well. */
	PG_ENSURE_ERROR_CLEANUP(give_up, Int32GetDatum(slot));
	{
		wait_for_training(slot);
	}
	PG_END_ENSURE_ERROR_CLEANUP(give_up, Int32GetDatum(slot));

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	job = shared->jobs[slot];
	memset(&shared->jobs[slot], 0, sizeof(TrainingJob));
	LWLockRelease(shared->lock);
	return job;
}

static void
raise_unless_done(const TrainingJob *job)
{
	if (job->state == JOB_DONE)
		return;
	ereport(ERROR,
			(errcode(job->sqlstate != 0 ? job->sqlstate : ERRCODE_INTERNAL_ERROR),
			 errmsg_internal("%s", job->error),
			 job->detail[0] != '\0' ? errdetail_internal("%s", job->detail) : 0,
			 job->hint[0] != '\0' ? errhint("%s", job->hint) : 0));
}

/*
 * Columns of the result that are in the table only. The version was committed after our snapshot
 * was taken, so a newer one is used whatever the isolation level is.
 */
static void
read_version(const pg_uuid_t *id, Datum *values, bool *nulls, int count)
{
	Oid			types[1] = {UUIDOID};
	Datum		arguments[1] = {UUIDPGetDatum(id)};
	MemoryContext context = CurrentMemoryContext;

	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute_with_args("SELECT validation, baseline, coverage, train_seconds, verdict"
							  " FROM predictor.model_version WHERE job OPERATOR(pg_catalog.=) $1",
							  1, types, arguments, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the trained version");
	for (int i = 0; i < count && SPI_processed == 1; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, i);
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &nulls[i]);
		MemoryContext spi_context = MemoryContextSwitchTo(context);

		if (!nulls[i])
			values[i] = datumCopy(value, attribute->attbyval, attribute->attlen);
		MemoryContextSwitchTo(spi_context);
	}
	PopActiveSnapshot();
	SPI_finish();
}

Datum
predictor_train(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	TrainingJob job;
	pg_uuid_t	id;
	Datum		values[10];
	bool		nulls[10] = {false, false, true, true, true, true, true, true, true, true};

	shared_require();
	capture_forget();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("predictor.train needs a model, and wait and promote must not be null")));
	tupdesc = sql_row_type(fcinfo);
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("a server in recovery cannot train"),
				 errhint("Train on the primary; the model comes here by replication.")));
	job = make_job(PG_GETARG_NAME(0), PG_GETARG_BOOL(2));
	id = job.id;
	values[0] = UUIDPGetDatum(&id);
	values[1] = CStringGetTextDatum(PG_GETARG_BOOL(1) ? "done" : "requested");
	if (PG_GETARG_BOOL(1))
	{
		job = follow_training(request_attended(&job));
		raise_unless_done(&job);
		values[2] = Int32GetDatum(job.version);
		values[3] = Int64GetDatum(job.plans);
		values[4] = BoolGetDatum(job.promoted);
		nulls[2] = nulls[3] = nulls[4] = false;
		read_version(&id, &values[5], &nulls[5], 5);
	}
	else
		request_unattended(&job);
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}
