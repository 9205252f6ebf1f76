/*
 * training_engine.c - the trainer's side of API v1 (docs/engine-api.md). No transaction is open
 * while anything here runs.
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "extension/compat.h"
#include "extension/engine_links.h"
#include "extension/facade.h"
#include "worker/training.h"

#define POLL_MS 300
#define UPLOAD_TIMEOUT_MS (15 * 60 * 1000)
#define FETCH_TIMEOUT_MS (2 * 60 * 1000)
/* How often, and for how long, an engine that does not answer is asked again. */
#define RETRY_MS 500
#define PATIENCE_MS 30000
/* Where there is another one. Long enough for a restart, since moving costs the training so far. */
#define PATIENCE_WITH_OTHERS_MS 10000

DEFINE_WAIT_EVENT(wait_event_follow, "PredictorFollowTraining")

static void
wait_a_moment(Training *training, long milliseconds)
{
	engine_keep(&training->engine);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds,
					 wait_event_follow());
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	training_check(training);
}

/* One engine after the other, until one answers that we understand. */
void
training_contact(Training *training)
{
	EngineCall	call = ENGINE_CALL("GET", "/v1/version");
	EngineIdentity identity;
	int			tries = Max(1, engine_links_count());

	training_phase(training, "waiting for the engine");
	do
	{
		engine_find(&training->engine, training->submitted_to, training_check, training);
		training->is_found = true;
		engine_identify(&training->engine, engine_request(&training->engine, &call), &identity);
	} while (identity.state != ENGINE_LINK_REACHABLE && --tries > 0);
	if (identity.state != ENGINE_LINK_REACHABLE)
		ereport(ERROR,
				(errcode(identity.sqlstate), errmsg_internal("%s", identity.error),
				 identity.hint != NULL ? errhint("%s", identity.hint) : 0));
}

void
training_forget(Training *training, const char *job)
{
	EngineCall	call = ENGINE_CALL("DELETE", psprintf("/v1/jobs/%s", job));
	EngineReply *reply;

	call.timeout_ms = 2000;
	reply = engine_request(&training->engine, &call);
	if (reply->status == 0)
		ereport(LOG, (errmsg("could not cancel training job %s: %s", job, reply->error)));
}

/* ---- asking until there is an answer ---- */

/*
 * Could the same request succeed a moment later? An engine that ends, or something before it that
 * finds it gone, may break off a handshake too.
 */
static bool
is_transient(const EngineReply *reply)
{
	if (reply->status != 0)
		return reply->status == 503;
	return reply->problem == ENGINE_NOT_CONNECTED || reply->problem == ENGINE_CONNECT_TIMEOUT ||
		reply->problem == ENGINE_TIMEOUT || reply->problem == ENGINE_LOST || reply->problem == ENGINE_TLS;
}

/* Raises if the engine that we talked to has ended. */
static void
check_engine_lives(Training *training)
{
	char	   *why;

	if (engine_still_there(&training->engine, &why))
		return;
	training->is_submitted = false;
	training->is_lost = true;
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("the server's own engine ended during the training of model \"%s\": %s",
					NameStr(training->job.model), why),
			 errhint("If memory ran out, lower predictor.training_plans or raise predictor.engine_memory; "
					 "then train again.")));
}

/*
 * An engine that is busy, or that is restarted, is asked again; all of our requests may be repeated.
 */
static EngineReply *
insist(Training *training, const EngineCall *call)
{
	TimestampTz begin = GetCurrentTimestamp();
	int			patience = engine_links_count() > 1 ? PATIENCE_WITH_OTHERS_MS : PATIENCE_MS;
	EngineReply *reply;

	for (;;)
	{
		reply = engine_request(&training->engine, call);
		if (reply->status == 0)
			check_engine_lives(training);
		if (!is_transient(reply) ||
			TimestampDifferenceExceeds(begin, GetCurrentTimestamp(), patience))
			return reply;
		wait_a_moment(training, RETRY_MS);
	}
}

/* ---- sending ---- */

static void
send_spool(Training *training, int fd)
{
	EngineCall	call = ENGINE_CALL("PUT", NULL);
	EngineReply *reply;

	call.path = psprintf("/v1/jobs/%s?model=%s&version=%d&template=%s%s",
						 DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&training->job.id))),
						 training->engine_model, training->version, training->template_name, training->options);
	call.content_type = "application/vnd.predictor.records";
	call.sha256 = training->spool_sha256;
	call.body_fd = fd;
	call.body_size = training->spool_bytes;
	call.timeout_ms = UPLOAD_TIMEOUT_MS;
	training_note_submission(training);
	/* From here on the engine may have the job, whatever we hear of it. */
	training->is_submitted = true;
	reply = insist(training, &call);
	if (reply->status >= 400 && reply->status < 500)
		training->is_submitted = false;
	engine_require_answer(&training->engine, reply);
}

/*
 * libcurl reads the file while PostgreSQL might close its own descriptor to have another, so it gets
 * a duplicate.
 */
void
training_submit(Training *training)
{
	int			fd;

	training_phase(training, "sending history");
	if (FileSize(training->spool) != training->spool_bytes)
		elog(ERROR, "temporary file of the history is damaged");
	ReserveExternalFD();
	fd = dup(FileGetRawDesc(training->spool));
	PG_TRY();
	{
		if (fd < 0)
			ereport(ERROR, (errcode_for_file_access(), errmsg("could not duplicate a file descriptor: %m")));
		send_spool(training, fd);
	}
	PG_FINALLY();
	{
		if (fd >= 0)
			close(fd);
		ReleaseExternalFD();
	}
	PG_END_TRY();
}

/* ---- following ---- */

static char *
job_path(const Training *training)
{
	return psprintf("/v1/jobs/%s",
					DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&training->job.id))));
}

bool
training_is_there(Training *training)
{
	EngineCall	call = ENGINE_CALL("GET", job_path(training));
	EngineReply *reply = insist(training, &call);

	if (reply->status == 404)
	{
		training->is_submitted = false;
		return false;
	}
	engine_require_answer(&training->engine, reply);
	return true;
}

static void
copy_progress(const Training *training, Jsonb *facts)
{
	TrainingJob *job = &shared->jobs[training->slot];
	char	   *phase = engine_json_text(facts, "phase");
	char	   *state = engine_json_text(facts, "state");
	char	   *device = engine_json_text(facts, "device");
	int64		epoch = engine_json_integer(facts, "epoch", 0);
	int64		max_epochs = engine_json_integer(facts, "max_epochs", 0);
	double		loss = engine_json_number(facts, "loss", get_float8_nan());
	double		q50 = engine_json_number(facts, "validation_q50", get_float8_nan());
	double		eta = engine_json_number(facts, "eta_seconds", 0);

	if (state != NULL && strcmp(state, "queued") == 0)
		phase = "waiting in the engine's queue";
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (phase != NULL)
		strlcpy(job->phase, phase, sizeof(job->phase));
	if (device != NULL)
		strlcpy(job->device, device, sizeof(job->device));
	job->epoch = (int) Min(epoch, PG_INT32_MAX);
	job->max_epochs = (int) Min(max_epochs, PG_INT32_MAX);
	job->loss = loss;
	job->validation_q50 = q50;
	job->eta_seconds = eta;
	job->progress_count++;
	LWLockRelease(shared->lock);
}

static void
raise_ended_badly(Training *training, Jsonb *facts, const char *state)
{
	Jsonb	   *error = engine_json_object(facts, "error");
	char	   *message = engine_json_text(error, "message");

	if (strcmp(state, "cancelled") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("training of model \"%s\" was cancelled in the engine",
						NameStr(training->job.model))));
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("engine at %s could not train model \"%s\": %s", training->engine.url,
					NameStr(training->job.model), message != NULL ? message : "it does not say why"),
			 errhint("The engine's log says more.")));
}

/*
 * The engine has been away for long: sends the job to another one, if there is one and we still have
 * what to send.
 */
static bool
go_elsewhere(Training *training, const EngineReply *reply)
{
	if (training->engine.embedded || engine_links_count() < 2 || training->spool == 0)
		return false;
	ereport(LOG,
			(errmsg("training of model \"%s\" goes to another engine: %s", NameStr(training->job.model),
					reply->error)));
	engine_links_note(training->engine.url, ENGINE_LINK_UNREACHABLE, reply->error);
	training_contact(training);
	training_submit(training);
	return true;
}

/* One look at the job. Returns true when it is done; `facts` are then in the training's context. */
static bool
look_at_job(Training *training, const char *path)
{
	EngineCall	call = ENGINE_CALL("GET", path);
	EngineReply *reply = insist(training, &call);
	Jsonb	   *facts;
	char	   *state;

	if (reply->status == 0 && go_elsewhere(training, reply))
		return false;
	if (reply->status == 404)
	{
		training->is_submitted = false;
		training->is_lost = true;
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("engine at %s does not know the training of model \"%s\" any more",
						training->engine.url, NameStr(training->job.model)),
				 errhint("It may have been restarted with another data directory; train again.")));
	}
	engine_require_answer(&training->engine, reply);
	facts = engine_json(&training->engine, reply);
	state = engine_json_text(facts, "state");
	copy_progress(training, facts);
	if (state == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("engine at %s does not say what became of the training of model \"%s\"",
						training->engine.url, NameStr(training->job.model)),
				 errhint("Is it predictord that listens there?")));
	if (strcmp(state, "queued") == 0 || strcmp(state, "running") == 0)
		return false;
	training->is_submitted = false;
	if (strcmp(state, "done") != 0)
		raise_ended_badly(training, facts, state);
	training->facts = MemoryContextAlloc(training->context, VARSIZE(facts));
	memcpy(training->facts, facts, VARSIZE(facts));
	return true;
}

static void
follow(Training *training)
{
	char	   *path = job_path(training);
	MemoryContext poll = AllocSetContextCreate(training->context, "predictor poll", ALLOCSET_DEFAULT_SIZES);
	bool		done;

	pgstat_report_activity(STATE_RUNNING, "following a training in the engine");
	for (;;)
	{
		MemoryContextSwitchTo(poll);
		done = look_at_job(training, path);
		MemoryContextSwitchTo(training->context);
		MemoryContextReset(poll);
		if (done)
			break;
		wait_a_moment(training, POLL_MS);
	}
	MemoryContextDelete(poll);
}

/* ---- fetching ---- */

static void
verify_checksum(Training *training, const EngineReply *reply)
{
	char	   *promised = engine_json_text(engine_json_object(training->facts, "bundle"), "sha256");
	EngineDigest *digest = engine_digest_begin();
	char		sum[ENGINE_SHA256_HEX] = "";

	if (digest == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (!engine_digest_add(digest, reply->body, reply->size) || !engine_digest_end(digest, sum))
		elog(ERROR, "could not compute SHA-256");
	if (promised == NULL || pg_strcasecmp(sum, promised) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the model that came from engine at %s is not the one that was trained",
						training->engine.url),
				 errdetail("Its SHA-256 is %s instead of %s.", sum, promised != NULL ? promised : "one that was told"),
				 errhint("Train again.")));
}

/* Opening it checks its structure and asks it a question whose answer it brings along. */
static void
verify_bundle(Training *training, const EngineReply *reply)
{
	char		problem[256];
	PredictorModel *model = predictor_model_open(reply->body, reply->size, problem, sizeof(problem));

	if (model == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the model that came from engine at %s cannot be used: %s",
						training->engine.url, problem),
				 errhint("Install predictord and the extension from the same release, and train again.")));
	predictor_model_close(model);
}

static void
fetch(Training *training)
{
	EngineCall	call = ENGINE_CALL("GET", psprintf("/v1/models/%s/%d/bundle", training->engine_model,
												   training->version));

	training_phase(training, "fetching the model");
	call.timeout_ms = FETCH_TIMEOUT_MS;
	call.reply_limit = TRAINING_BUNDLE_LIMIT;
	training->bundle = insist(training, &call);
	engine_require_answer(&training->engine, training->bundle);
	verify_checksum(training, training->bundle);
	verify_bundle(training, training->bundle);
}

void
training_follow(Training *training)
{
	follow(training);
	fetch(training);
}
