/*
 * training_view.c - the SQL functions that steer and show trainings.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "extension/compat.h"
#include "extension/jobs.h"
#include "extension/shared.h"

PG_FUNCTION_INFO_V1(predictor_cancel_training);
PG_FUNCTION_INFO_V1(predictor_training_progress);

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

/* Cancels what a slot says of the job; false if there is none. */
static bool
cancel_live(const pg_uuid_t *id)
{
	bool		found = false;
	int			trainer_pid = 0;

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
		{
			/* not begun: its row alone is left */
			memset(job, 0, sizeof(*job));
			found = false;
		}
	}
	LWLockRelease(shared->lock);
	jobs_wake_trainer(trainer_pid);
	return found;
}

/* Cancels a job that nobody works on at the moment. A trainer that is about to begin will see it. */
static bool
cancel_row(const pg_uuid_t *id)
{
	Oid			types[1] = {UUIDOID};
	Datum		values[1] = {UUIDPGetDatum(id)};
	bool		found;

	SPI_connect();
	if (SPI_execute_with_args("UPDATE predictor.training_job SET state = 'cancelled', finished_at = pg_catalog.now()"
							  " WHERE job OPERATOR(pg_catalog.=) $1 AND state IN ('requested', 'running')",
							  1, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not cancel a training");
	found = SPI_processed > 0;
	SPI_finish();
	return found;
}

Datum
predictor_cancel_training(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = PG_GETARG_UUID_P(0);

	shared_require();
	PG_RETURN_BOOL(cancel_live(id) || (!RecoveryInProgress() && cancel_row(id)));
}

static void
put_progress_row(ReturnSetInfo *result, const TrainingJob *job)
{
	Datum		values[11];
	bool		nulls[11] = {false};
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
	values[10] = CStringGetTextDatum(job->device);
	nulls[10] = job->device[0] == '\0';
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
