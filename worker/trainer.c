/*
 * trainer.c - one training from its slot in shared->jobs to a version in the tables.
 *
 * Transactions are short and none is open while the engine is talked to or waited for. What a
 * training has done is visible to others only when it ends: one transaction stores the version,
 * promotes it, and closes the job's row. The job's id is unique among versions, so no result can
 * enter twice, and promotion happens only if the version that was active at the beginning still is.
 *
 * Whatever goes wrong ends up in the slot, for who waits, and in the job's row, for who looks later.
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
#include "extension/facade.h"
#include "extension/settings.h"
#include "worker/training.h"
#include "worker/worker.h"

#define FLUSH_TIMEOUT_MS 10000
#define MAX_INTERRUPTED 16

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

/* If the process ends before the job does: a FATAL error, or somebody terminated it. */
static void
leave(int code, Datum arg)
{
	TrainingJob result = {.state = JOB_FAILED, .sqlstate = ERRCODE_ADMIN_SHUTDOWN};

	strlcpy(result.error, "the training's worker was terminated", sizeof(result.error));
	strlcpy(result.hint, "The server's log says why; train again.", sizeof(result.hint));
	release_job(&result);
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

/* ---- SQL ---- */

/* Runs a statement with parameters; raises if it is not of the expected kind. */
static void
run(int expected, const char *sql, int count, Oid *types, Datum *values, const char *nulls)
{
	int			status = SPI_execute_with_args(sql, count, types, values, nulls, false, 0);

	if (status != expected)
		elog(ERROR, "unexpected result %s of: %s", SPI_result_code_string(status), sql);
}

/* A column of the first row as text in the training's context; NULL if null. */
static char *
column_text(const Training *training, int column)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);

	return value == NULL ? NULL : MemoryContextStrdup(training->context, value);
}

/*
 * Reads the model. The engine may hold a bundle under the version's number from a training that did
 * not get here; ours takes its place, and is known by its checksum.
 */
static void
read_model(Training *training)
{
	Oid			types[1] = {NAMEOID};
	Datum		values[1] = {NameGetDatum(&training->job.model)};
	char	   *active;

	run(SPI_OK_SELECT,
		"SELECT m.uuid, m.template, m.active_version, 1 + coalesce("
		" (SELECT max(v.version) FROM predictor.model_version v WHERE v.model = m.uuid), 0),"
		" (SELECT coalesce(string_agg('&' || o.key || '=' || o.value, ''), '')"
		"  FROM jsonb_each_text(m.options) o WHERE o.key IN ('seed', 'max_epochs') AND o.value ~ '^[0-9]+$')"
		" FROM predictor.model m WHERE m.name = $1", 1, types, values, NULL);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist", NameStr(training->job.model)),
				 errhint("A model can be trained once the transaction that created it has committed.")));
	training->model = column_text(training, 1);
	training->template_name = column_text(training, 2);
	active = column_text(training, 3);
	training->active_version = active != NULL ? pg_strtoint32(active) : -1;
	training->version = pg_strtoint32(column_text(training, 4));
	training->options = column_text(training, 5);
	if (strspn(training->template_name, "abcdefghijklmnopqrstuvwxyz0123456789_") !=
		strlen(training->template_name))
		elog(ERROR, "model \"%s\" has an invalid template", NameStr(training->job.model));
}

/*
 * Rows of jobs that nobody works on any more: the server or the trainer ended before they did.
 * Returns their ids, for the engine to forget them too.
 */
static int
close_interrupted(Training *training, char **jobs)
{
	Oid			types[2] = {UUIDARRAYOID, NAMEOID};
	Datum		live[PREDICTOR_MAX_JOBS];
	pg_uuid_t	ids[PREDICTOR_MAX_JOBS];
	Datum		values[2];
	int			count = 0;
	int			found;

	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < PREDICTOR_MAX_JOBS; i++)
		if (shared->jobs[i].state == JOB_RUNNING)
		{
			ids[count] = shared->jobs[i].id;
			live[count] = UUIDPGetDatum(&ids[count]);
			count++;
		}
	LWLockRelease(shared->lock);
	values[0] = PointerGetDatum(construct_array(live, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	values[1] = NameGetDatum(&training->job.model);
	run(SPI_OK_UPDATE_RETURNING,
		"UPDATE predictor.training_job SET state = 'failed', finished_at = now(),"
		" error = 'interrupted: the server or its worker ended'"
		" WHERE state = 'running' AND model_name = $2 AND job <> ALL ($1) RETURNING job",
		2, types, values, NULL);
	found = (int) Min(SPI_processed, MAX_INTERRUPTED);
	for (int i = 0; i < found; i++)
		jobs[i] = MemoryContextStrdup(training->context,
									  SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
	return found;
}

static void
insert_job(Training *training)
{
	Oid			types[7] = {UUIDOID, TEXTOID, NAMEOID, OIDOID, TIMESTAMPTZOID, INT4OID, TEXTOID};
	Datum		values[7];
	bool		configured = predictor_engine_url != NULL && predictor_engine_url[0] != '\0';

	values[0] = UUIDPGetDatum(&training->job.id);
	values[1] = CStringGetTextDatum(training->model);
	values[2] = NameGetDatum(&training->job.model);
	values[3] = ObjectIdGetDatum(training->job.user);
	values[4] = TimestampTzGetDatum(training->job.requested_at);
	values[5] = Int32GetDatum(training->version);
	values[6] = CStringGetTextDatum(configured ? predictor_engine_url : "embedded");
	run(SPI_OK_INSERT,
		"INSERT INTO predictor.training_job"
		" (job, model, model_name, requested_by, requested_at, state, version, engine)"
		" VALUES ($1, $2::uuid, $3, pg_get_userbyid($4), $5, 'running', $6, $7)",
		7, types, values, NULL);
}

/* ---- the end ---- */

static void
insert_version(Training *training)
{
	Oid			types[6] = {TEXTOID, INT4OID, UUIDOID, JSONBOID, BYTEAOID, BYTEAOID};
	Datum		values[6];
	uint8		sum[32];
	bytea	   *bundle = palloc(VARHDRSZ + training->bundle->size);
	bytea	   *sha256 = palloc(VARHDRSZ + sizeof(sum));

	if (!predictor_sha256(training->bundle->body, training->bundle->size, sum))
		elog(ERROR, "could not compute SHA-256");
	SET_VARSIZE(bundle, VARHDRSZ + training->bundle->size);
	memcpy(VARDATA(bundle), training->bundle->body, training->bundle->size);
	SET_VARSIZE(sha256, VARHDRSZ + sizeof(sum));
	memcpy(VARDATA(sha256), sum, sizeof(sum));
	values[0] = CStringGetTextDatum(training->model);
	values[1] = Int32GetDatum(training->version);
	values[2] = UUIDPGetDatum(&training->job.id);
	values[3] = JsonbPGetDatum(training->facts);
	values[4] = PointerGetDatum(sha256);
	values[5] = PointerGetDatum(bundle);
	run(SPI_OK_INSERT,
		"INSERT INTO predictor.model_version (model, version, job, plans, skipped, epochs,"
		" train_seconds, device, validation, baseline, coverage, key_id, sha256, bundle)"
		" SELECT $1::uuid, $2, $3, coalesce(($4 ->> 'plans')::bigint, 0),"
		" coalesce(($4 ->> 'skipped')::bigint, 0),"
		" coalesce(($4 ->> 'epochs')::integer, ($4 ->> 'epoch')::integer, 0),"
		" coalesce(($4 ->> 'seconds')::float8, 0), coalesce($4 ->> 'device', 'unknown'),"
		" $4 -> 'validation', $4 -> 'baseline', ($4 ->> 'coverage')::float8, k.id, $5, $6"
		" FROM predictor.hash_key k", 6, types, values, NULL);
	if (SPI_processed != 1)
		elog(ERROR, "table predictor.hash_key does not hold one row");
}

/*
 * Makes the version the active one, unless another became active meanwhile. A row that somebody has
 * locked is about to be changed by him, or he waits for us: then it is not promoted.
 */
static bool
promote(Training *training)
{
	Oid			types[3] = {TEXTOID, INT4OID, INT4OID};
	Datum		values[3];

	values[0] = CStringGetTextDatum(training->model);
	values[1] = Int32GetDatum(training->version);
	values[2] = Int32GetDatum(training->active_version);
	run(SPI_OK_UPDATE,
		"UPDATE predictor.model SET active_version = $2 WHERE uuid ="
		" (SELECT m.uuid FROM predictor.model m WHERE m.uuid = $1::uuid"
		"  AND coalesce(m.active_version, -1) = $3 FOR NO KEY UPDATE SKIP LOCKED)",
		3, types, values, NULL);
	return SPI_processed == 1;
}

/* Writes how the job ended into its row. */
static void
close_job(const Training *training, const TrainingJob *result, const char *state)
{
	Oid			types[5] = {UUIDOID, TEXTOID, INT8OID, BOOLOID, TEXTOID};
	Datum		values[5];

	values[0] = UUIDPGetDatum(&training->job.id);
	values[1] = CStringGetTextDatum(state);
	values[2] = Int64GetDatum(result->plans);
	values[3] = BoolGetDatum(result->promoted);
	values[4] = CStringGetTextDatum(result->error);
	run(SPI_OK_UPDATE,
		"UPDATE predictor.training_job SET state = $2, finished_at = clock_timestamp(), plans = $3,"
		" promoted = $4, error = nullif($5, '') WHERE job = $1", 5, types, values, NULL);
}

static void
store(Training *training, TrainingJob *result)
{
	training_phase(training, "storing the model");
	result->version = training->version;
	result->plans = engine_json_integer(training->facts, "plans", training->records);
	worker_begin("storing a trained model");
	insert_version(training);
	result->promoted = training->job.promote && promote(training);
	close_job(training, result, "done");
	/* who is told that it is done must find it so after a crash as well */
	ForceSyncCommit();
	worker_commit();
	MemoryContextSwitchTo(training->context);
	result->state = JOB_DONE;
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
	char	   *interrupted[MAX_INTERRUPTED];
	int			interrupted_count;

	worker_begin("beginning a training");
	read_model(training);
	interrupted_count = close_interrupted(training, interrupted);
	insert_job(training);
	worker_commit();
	MemoryContextSwitchTo(training->context);
	training->is_recorded = true;

	/* An engine elsewhere that is not there is no reason to read the history first. */
	if (predictor_engine_url != NULL && predictor_engine_url[0] != '\0')
		training_contact(training);
	flush_captured(training);
	training_spool(training);
	if (!training->is_found)
		training_contact(training);
	for (int i = 0; i < interrupted_count; i++)
		training_forget(training, interrupted[i]);
	training_run(training);
	store(training, result);
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

/* Ends the job in the engine and in the table. What fails here is logged and goes no further. */
static void
clean_up(Training *training, TrainingJob *result)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		if (training->is_recorded)
		{
			worker_begin("closing a training job");
			close_job(training, result, result->state == JOB_CANCELLED ? "cancelled" : "failed");
			worker_commit();
			MemoryContextSwitchTo(context);
		}
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
}
