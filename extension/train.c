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
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "extension/capture.h"
#include "extension/compat.h"
#include "extension/engine_client.h"
#include "extension/settings.h"
#include "extension/shared.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(predictor_train);
PG_FUNCTION_INFO_V1(predictor_cancel_training);
PG_FUNCTION_INFO_V1(predictor_training_progress);
PG_FUNCTION_INFO_V1(predictor_engine_state);

#define TRAINER_TIMEOUT_MS 15000
#define NOTICE_INTERVAL_MS 2000
#define WAIT_MS 200

DEFINE_WAIT_EVENT(wait_event_training, "PredictorTraining")

static const char *const state_names[] = {
	[JOB_FREE] = "free",
	[JOB_REQUESTED] = "requested",
	[JOB_RUNNING] = "running",
	[JOB_DONE] = "done",
	[JOB_FAILED] = "failed",
	[JOB_CANCELLED] = "cancelled",
};

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
check_model_exists(const NameData *model)
{
	Oid			types[1] = {NAMEOID};
	Datum		values[1] = {NameGetDatum(model)};
	bool		exists;

	SPI_connect();
	if (SPI_execute_with_args("SELECT 1 FROM predictor.model m WHERE m.name OPERATOR(pg_catalog.=) $1",
							  1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for model \"%s\"", NameStr(*model));
	exists = SPI_processed > 0;
	SPI_finish();
	if (!exists)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist", NameStr(*model)),
				 errhint("predictor.create_model makes one; predictor.models lists those of this database.")));
}

/* Takes a free slot. -1: none is free; -2: *running is training that model. */
static int
take_slot(const TrainingJob *wanted, pg_uuid_t *running)
{
	int			unused = -1;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PREDICTOR_MAX_JOBS; i++)
	{
		TrainingJob *job = &shared->jobs[i];

		if (is_live(job) && job->database == wanted->database &&
			strcmp(NameStr(job->model), NameStr(wanted->model)) == 0)
		{
			*running = job->id;
			unused = -2;
			break;
		}
		if (job->state == JOB_FREE && unused < 0)
			unused = i;
	}
	if (unused >= 0)
		shared->jobs[unused] = *wanted;
	LWLockRelease(shared->lock);
	return unused;
}

static int
request_training(const NameData *model, bool promote, bool wait, pg_uuid_t *id)
{
	TrainingJob wanted;
	pg_uuid_t	running;
	int			slot;

	memset(&wanted, 0, sizeof(wanted));
	wanted.state = JOB_REQUESTED;
	wanted.id = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	wanted.database = MyDatabaseId;
	wanted.user = GetOuterUserId();
	wanted.model = *model;
	wanted.promote = promote;
	wanted.waited_for = wait;
	wanted.requested_at = GetCurrentTimestamp();
	strlcpy(wanted.phase, "waiting for a worker", sizeof(wanted.phase));

	slot = take_slot(&wanted, &running);
	if (slot == -2)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("model \"%s\" is being trained already", NameStr(*model)),
				 errdetail("Job %s is at it.", uuid_text(&running)),
				 errhint("predictor.training_jobs shows how far it is; predictor.cancel_training ends it.")));
	if (slot < 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("%d trainings are running or waiting in this server, and there is no room for more",
						PREDICTOR_MAX_JOBS),
				 errhint("Try again when one has ended.")));
	*id = wanted.id;
	shared_wake_launcher();
	return slot;
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

static void
wake_trainer(int pid)
{
	PGPROC	   *proc = pid > 0 ? BackendPidGetProc(pid) : NULL;

	if (proc != NULL)
		SetLatch(&proc->procLatch);
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
	wake_trainer(trainer_pid);
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
	if (SPI_execute_with_args("SELECT validation, baseline, coverage, train_seconds"
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
	NameData	model;
	pg_uuid_t	id;
	Datum		values[9];
	bool		nulls[9] = {false, false, true, true, true, true, true, true, true};
	int			slot;

	shared_require();
	capture_forget();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("predictor.train needs a model, and wait and promote must not be null")));
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("a server in recovery cannot train"),
				 errhint("Train on the primary; the model comes here by replication.")));
	model = *PG_GETARG_NAME(0);
	check_model_exists(&model);
	slot = request_training(&model, PG_GETARG_BOOL(2), PG_GETARG_BOOL(1), &id);
	values[0] = UUIDPGetDatum(&id);
	if (PG_GETARG_BOOL(1))
	{
		TrainingJob job = follow_training(slot);

		raise_unless_done(&job);
		values[2] = Int32GetDatum(job.version);
		values[3] = Int64GetDatum(job.plans);
		values[4] = BoolGetDatum(job.promoted);
		nulls[2] = nulls[3] = nulls[4] = false;
		read_version(&id, &values[5], &nulls[5], 4);
	}
	values[1] = CStringGetTextDatum(PG_GETARG_BOOL(1) ? "done" : "requested");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

/* ---- steering and seeing ---- */

Datum
predictor_cancel_training(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = PG_GETARG_UUID_P(0);
	bool		found = false;
	int			trainer_pid = 0;

	shared_require();
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PREDICTOR_MAX_JOBS && !found; i++)
	{
		TrainingJob *job = &shared->jobs[i];

		if (!is_live(job) || job->database != MyDatabaseId || memcmp(&job->id, id, sizeof(*id)) != 0)
			continue;
		found = true;
		if (job->state == JOB_RUNNING)
		{
			job->cancel = true;
			trainer_pid = job->trainer_pid;
		}
		else if (job->waited_for)
		{
			job->state = JOB_CANCELLED;
			job->sqlstate = ERRCODE_QUERY_CANCELED;
			snprintf(job->error, sizeof(job->error), "training of model \"%s\" was cancelled",
					 NameStr(job->model));
		}
		else
			memset(job, 0, sizeof(*job));
	}
	LWLockRelease(shared->lock);
	wake_trainer(trainer_pid);
	PG_RETURN_BOOL(found);
}

static void
put_progress_row(ReturnSetInfo *result, const TrainingJob *job)
{
	Datum		values[10];
	bool		nulls[10] = {false};
	bool		learning = job->max_epochs > 0;

	values[0] = UUIDPGetDatum(&job->id);
	values[1] = ObjectIdGetDatum(job->database);
	values[2] = NameGetDatum(&job->model);
	values[3] = CStringGetTextDatum(state_names[job->state]);
	values[4] = CStringGetTextDatum(job->phase);
	values[5] = Int32GetDatum(job->epoch);
	values[6] = Int32GetDatum(job->max_epochs);
	values[7] = Float8GetDatum(job->loss);
	values[8] = Float8GetDatum(job->validation_q50);
	values[9] = Float8GetDatum(job->eta_seconds);
	nulls[5] = nulls[6] = nulls[7] = nulls[8] = nulls[9] = !learning;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
predictor_training_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TrainingJob jobs[PREDICTOR_MAX_JOBS];

	begin_set_result(fcinfo);
	if (shared == NULL)
		return (Datum) 0;
	LWLockAcquire(shared->lock, LW_SHARED);
	memcpy(jobs, shared->jobs, sizeof(jobs));
	LWLockRelease(shared->lock);
	for (int i = 0; i < PREDICTOR_MAX_JOBS; i++)
		if (is_live(&jobs[i]) && jobs[i].database == MyDatabaseId)
			put_progress_row(result, &jobs[i]);
	return (Datum) 0;
}

Datum
predictor_engine_state(PG_FUNCTION_ARGS)
{
	static const char *const keeper_states[] = {
		[KEEPER_STOPPED] = "stopped",
		[KEEPER_STARTING] = "starting",
		[KEEPER_RUNNING] = "running",
		[KEEPER_FAILED] = "failed",
	};
	TupleDesc	tupdesc;
	Keeper		keeper;
	Datum		values[5];
	bool		nulls[5] = {true, false, false, true, true};
	bool		embedded = predictor_engine_url == NULL || predictor_engine_url[0] == '\0';

	shared_require();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	LWLockAcquire(shared->lock, LW_SHARED);
	keeper = shared->keeper;
	LWLockRelease(shared->lock);

	values[1] = BoolGetDatum(embedded);
	values[2] = CStringGetTextDatum(embedded ? keeper_states[keeper.state] : "configured");
	if (!embedded)
	{
		values[0] = CStringGetTextDatum(predictor_engine_url);
		nulls[0] = false;
	}
	else if (keeper.state == KEEPER_RUNNING)
	{
		values[0] = CStringGetTextDatum(psprintf("https://127.0.0.1:%d", keeper.port));
		values[3] = Int32GetDatum(keeper.engine_pid);
		nulls[0] = nulls[3] = false;
	}
	else if (keeper.state == KEEPER_FAILED)
	{
		values[4] = CStringGetTextDatum(keeper.error);
		nulls[4] = false;
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}
