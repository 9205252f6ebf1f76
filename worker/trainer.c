/*
 * trainer.c - one training from its slot in shared->jobs to a version in the tables.
 *
 * Transactions are short and none is open while the engine is talked to or waited for. What a
 * training has done is visible to others only when it ends (training_store.c): one transaction.
 *
 * Whatever goes wrong ends up in the slot, for who waits, and in the job's row, for who looks later.
 * Only a job that an engine has lost, and for which nobody waits, is begun again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "extension/compat.h"
#include "extension/jobs.h"
#include "extension/settings.h"
#include "worker/training.h"
#include "worker/worker.h"

#define FLUSH_TIMEOUT_MS 10000
#define RETRY_MS 5000

DEFINE_WAIT_EVENT(wait_event_flush, "PredictorTrainerFlush")

/* ---- the slot ---- */

/* Takes the job, if it is still there to be taken. */
static bool
take_job(Training *training, int slot)
{
	TrainingJob *job = &shared->jobs[slot];
	bool		taken = false;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (job->state == JOB_REQUESTED)
	{
		job->state = JOB_RUNNING;
		job->trainer_pid = MyProcPid;
		strlcpy(job->phase, "starting", sizeof(job->phase));
		training->slot = slot;
		training->job = *job;
		taken = true;
	}
	LWLockRelease(shared->lock);
	return taken;
}

/* Says how it ended, or frees the slot if nobody wants to know. */
static void
release_job(const TrainingJob *result)
{
	TrainingJob *job = NULL;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PREDICTOR_MAX_JOBS && job == NULL; i++)
		if (shared->jobs[i].state == JOB_RUNNING && shared->jobs[i].trainer_pid == MyProcPid)
			job = &shared->jobs[i];
	if (job != NULL && job->waited_for)
	{
		job->version = result->version;
		job->plans = result->plans;
		job->promoted = result->promoted;
		job->sqlstate = result->sqlstate;
		strlcpy(job->error, result->error, sizeof(job->error));
		strlcpy(job->detail, result->detail, sizeof(job->detail));
		strlcpy(job->hint, result->hint, sizeof(job->hint));
		job->state = result->state;
	}
	else if (job != NULL)
		memset(job, 0, sizeof(*job));
	LWLockRelease(shared->lock);
}

/*
 * If the process ends before the job does: a FATAL error, or somebody terminated it. The row stays
 * open for the next look, which takes the job up again unless somebody waited for it.
 */
static void
leave(int code, Datum arg)
{
	TrainingJob result = {.state = JOB_FAILED, .sqlstate = ERRCODE_ADMIN_SHUTDOWN};

	strlcpy(result.error, "the training's worker was terminated", sizeof(result.error));
	strlcpy(result.hint, "The server's log says why; train again.", sizeof(result.hint));
	release_job(&result);
	if (code != 0 && OidIsValid(MyDatabaseId))
		jobs_look_at(MyDatabaseId, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_MS));
}

void
training_phase(const Training *training, const char *phase)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	strlcpy(shared->jobs[training->slot].phase, phase, sizeof(shared->jobs[training->slot].phase));
	shared->jobs[training->slot].progress_count++;
	LWLockRelease(shared->lock);
}

void
training_check(void *context)
{
	const Training *training = context;
	bool		cancel;

	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	LWLockAcquire(shared->lock, LW_SHARED);
	cancel = shared->jobs[training->slot].cancel;
	LWLockRelease(shared->lock);
	if (cancel)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("training of model \"%s\" was cancelled", NameStr(training->job.model))));
}

/* ---- the whole ---- */

/* Statements that ended before the training was asked for shall be part of it. */
static void
flush_captured(Training *training)
{
	TimestampTz begin = GetCurrentTimestamp();
	uint64		ticket = pg_atomic_add_fetch_u64(&shared->flush_requested, 1);

	training_phase(training, "collecting");
	while (pg_atomic_read_u64(&shared->flush_done) < ticket &&
		   !TimestampDifferenceExceeds(begin, GetCurrentTimestamp(), FLUSH_TIMEOUT_MS))
	{
		shared_wake_launcher();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50,
						 wait_event_flush());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		training_check(training);
	}
}

static void
train(Training *training, TrainingJob *result)
{
	bool		is_elsewhere = predictor_engine_url != NULL && predictor_engine_url[0] != '\0';

	training_begin(training);
	/* An engine elsewhere that is not there is no reason to read the history first. */
	if (is_elsewhere || training->is_submitted)
		training_contact(training);
	if (training->is_submitted && training_is_there(training))
		training_spool_hold_outs(training);
	else
	{
		flush_captured(training);
		training_spool(training);
		if (!training->is_found)
			training_contact(training);
		if (training->interrupted != NULL)
			training_forget(training, training->interrupted);
		training_submit(training);
	}
	training_follow(training);
	training_judge(training);
	training_store(training, result);
}

static void
copy_text(char *out, const char *text)
{
	int			length;

	if (text == NULL)
		text = "";
	length = pg_mbcliplen(text, strlen(text), PREDICTOR_ERROR_SIZE - 1);
	memcpy(out, text, length);
	out[length] = '\0';
}

/* Takes the current error down for who waits, and clears it. Outside of a transaction afterwards. */
static void
note_error(Training *training, TrainingJob *result)
{
	ErrorData  *error;

	MemoryContextSwitchTo(training->context);
	error = CopyErrorData();
	/* Who waits raises it once more, and so logs it. */
	if (!training->job.waited_for)
		EmitErrorReport();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(training->context);
	pgstat_report_activity(STATE_IDLE, NULL);

	result->state = error->sqlerrcode == ERRCODE_QUERY_CANCELED ? JOB_CANCELLED : JOB_FAILED;
	result->sqlstate = error->sqlerrcode;
	copy_text(result->error, error->message);
	copy_text(result->detail, error->detail);
	copy_text(result->hint, error->hint);
}

/*
 * Ends the job in the engine and in the table, or leaves it to be begun again. What fails here is
 * logged and goes no further.
 */
static void
clean_up(Training *training, TrainingJob *result)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		if (training->is_lost && training->job.is_recorded)
			training_leave_open(training, result->error);
		else if (training->is_recorded)
			training_close(training, result);
		MemoryContextSwitchTo(context);
		if (training->is_submitted)
		{
			training->engine.on_wait = NULL;
			training_forget(training, DatumGetCString(DirectFunctionCall1(uuid_out,
																		  UUIDPGetDatum(&training->job.id))));
		}
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		AbortOutOfAnyTransaction();
	}
	PG_END_TRY();
}

void
predictor_trainer_main(Datum arg)
{
	Training   *training = MemoryContextAllocZero(TopMemoryContext, sizeof(Training));
	TrainingJob *result = MemoryContextAllocZero(TopMemoryContext, sizeof(TrainingJob));
	volatile bool failed = false;

	if (!take_job(training, DatumGetInt32(arg)))
		return;
	before_shmem_exit(leave, (Datum) 0);
	worker_connect(training->job.database, "predictor trainer");
	/* Who waits for the training may hold a lock that it needs; no one would see that deadlock. */
	SetConfigOption("lock_timeout", "30s", PGC_SUSET, PGC_S_OVERRIDE);
	training->context = AllocSetContextCreate(TopMemoryContext, "predictor training",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(training->context);

	PG_TRY();
	{
		train(training, result);
	}
	PG_CATCH();
	{
		note_error(training, result);
		failed = true;
	}
	PG_END_TRY();
	if (failed)
		clean_up(training, result);
	release_job(result);
	/* more may have come while the model was trained */
	jobs_look_at(MyDatabaseId,
				 TimestampTzPlusMilliseconds(GetCurrentTimestamp(), training->is_lost ? RETRY_MS : 0));
}
