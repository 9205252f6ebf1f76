/*
 * training_store.c - the trainer's side of the tables model, model_version and training_job.
 *
 * What a training has made becomes visible in one transaction: the version, its promotion, and the
 * end of the job. The job's id is unique among versions, so no result can enter twice, and a version
 * is promoted only if the one that was active when the training began still is.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "extension/facade.h"
#include "extension/settings.h"
#include "worker/training.h"
#include "worker/worker.h"

void
training_sql(int expected, const char *sql, int count, Oid *types, Datum *values)
{
	int			status = SPI_execute_with_args(sql, count, types, values, NULL, false, 0);

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

static int64
column_number(int column, int64 otherwise)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? otherwise : DatumGetInt64(value);
}

/* ---- the beginning ---- */

/*
 * Reads the model. A number that a version once had is not used again, even if the version was deleted
 * by hand: records say by number who predicted them. The engine may hold a bundle under the version's
 * number from a training that did not get here; ours takes its place, and is known by its checksum.
 *
 * CREATE DATABASE ... TEMPLATE and a dump that is restored copy a model with its uuid. The engine gets
 * one that no two databases share; it is the same on all standbys.
 */
static void
read_model(Training *training)
{
	Oid			types[1] = {UUIDOID};
	Datum		values[1] = {UUIDPGetDatum(&training->job.model_id)};

	training_sql(SPI_OK_SELECT,
				 "SELECT m.uuid, m.template, coalesce(m.active_version, -1)::bigint,"
				 " 1 + greatest((SELECT max(v.version) FROM predictor.model_version v WHERE v.model = m.uuid),"
				 "  (SELECT max(j.version) FROM predictor.training_job j WHERE j.model = m.uuid AND j.state = 'done'),"
				 "  0)::bigint,"
				 " (SELECT coalesce(string_agg('&' || o.key || '=' || o.value, ''), '')"
				 "  FROM jsonb_each_text(m.options) o WHERE o.key IN ('seed', 'max_epochs') AND o.value ~ '^[0-9]+$'),"
				 " (SELECT e.settings || ' ' || e.schema FROM predictor.environment() e),"
				 " left(encode(sha256(convert_to(format('%s %s %s', m.uuid, c.system_identifier,"
				 "  (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())), 'UTF8')), 'hex'), 32)::uuid"
				 " FROM predictor.model m, pg_control_system() c WHERE m.uuid = $1", 1, types, values);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist", NameStr(training->job.model)),
				 errhint("A model can be trained once the transaction that created it has committed.")));
	training->model = column_text(training, 1);
	training->template_name = column_text(training, 2);
	training->active_version = (int) column_number(3, -1);
	training->version = (int) column_number(4, 1);
	training->options = column_text(training, 5);
	training->environment = column_text(training, 6);
	training->engine_model = column_text(training, 7);
	if (strspn(training->template_name, "abcdefghijklmnopqrstuvwxyz0123456789_") !=
		strlen(training->template_name))
		elog(ERROR, "model \"%s\" has an invalid template", NameStr(training->job.model));
}

/*
 * A job that somebody waited for, and that an interruption has left open: nobody works on it, since
 * we have the model's only slot. The engine is to forget it, too.
 */
static void
close_interrupted(Training *training)
{
	Oid			types[1] = {UUIDOID};
	Datum		values[1] = {UUIDPGetDatum(&training->job.model_id)};

	training_sql(SPI_OK_UPDATE_RETURNING,
				 "UPDATE predictor.training_job SET state = 'failed', finished_at = now(),"
				 " error = 'interrupted: the server or its worker ended'"
				 " WHERE state IN ('requested', 'running') AND attended AND model = $1 RETURNING job",
				 1, types, values);
	if (SPI_processed > 0)
		training->interrupted = column_text(training, 1);
}

static const char *
engine_text(void)
{
	return predictor_engine_url != NULL && predictor_engine_url[0] != '\0' ? predictor_engine_url : "embedded";
}

/* A job that somebody waits for gets its row now. */
static void
insert_job(Training *training)
{
	Oid			types[8] = {UUIDOID, UUIDOID, NAMEOID, OIDOID, TIMESTAMPTZOID, INT4OID, TEXTOID, BOOLOID};
	Datum		values[8];

	values[0] = UUIDPGetDatum(&training->job.id);
	values[1] = UUIDPGetDatum(&training->job.model_id);
	values[2] = NameGetDatum(&training->job.model);
	values[3] = ObjectIdGetDatum(training->job.user);
	values[4] = TimestampTzGetDatum(training->job.requested_at);
	values[5] = Int32GetDatum(training->version);
	values[6] = CStringGetTextDatum(engine_text());
	values[7] = BoolGetDatum(training->job.promote);
	training_sql(SPI_OK_INSERT,
				 "INSERT INTO predictor.training_job (job, model, model_name, requested_by, requested_at,"
				 " started_at, state, attended, attempts, version, engine, promote)"
				 " VALUES ($1, $2, $3, pg_get_userbyid($4), $5, now(), 'running', true, 1, $6, $7, $8)"
				 " ON CONFLICT DO NOTHING", 8, types, values);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("model \"%s\" is being trained already", NameStr(training->job.model)),
				 errhint("predictor.training_jobs shows how far it is; predictor.cancel_training ends it.")));
}

/* A job that has its row. What an earlier trainer sent to the engine may still be there. */
static void
take_row(Training *training)
{
	Oid			types[3] = {UUIDOID, INT4OID, TEXTOID};
	Datum		values[3];
	char	   *engine;

	values[0] = UUIDPGetDatum(&training->job.id);
	values[1] = Int32GetDatum(training->version);
	values[2] = CStringGetTextDatum(engine_text());
	training_sql(SPI_OK_UPDATE_RETURNING,
				 "UPDATE predictor.training_job SET state = 'running', attempts = attempts + 1, error = NULL,"
				 " started_at = coalesce(started_at, clock_timestamp()),"
				 " version = CASE WHEN submitted THEN version ELSE $2 END,"
				 " engine = CASE WHEN submitted THEN engine ELSE $3 END"
				 " WHERE job = $1 AND state IN ('requested', 'running')"
				 " RETURNING CASE WHEN submitted THEN engine END, version::bigint, champion::bigint,"
				 " history_end, hold_out_from, withholds::integer::bigint", 3, types, values);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("training of model \"%s\" was cancelled", NameStr(training->job.model))));
	engine = column_text(training, 1);
	if (engine == NULL)
		return;
	training->submitted_to = engine;
	training->is_submitted = true;
	training->version = (int) column_number(2, training->version);
	training->active_version = (int) column_number(3, -1);
	training->history_end = column_number(4, 0);
	training->hold_out_from = column_number(5, 0);
	training->withholds = column_number(6, 0) != 0;
}

/* Jobs that ended long ago are forgotten: the newest hundred of each model stay, and of all models that are gone. */
static void
forget_old_jobs(void)
{
	training_sql(SPI_OK_DELETE,
				 "DELETE FROM predictor.training_job j USING"
				 " (SELECT k.job, row_number() OVER (PARTITION BY m.uuid ORDER BY k.requested_at DESC) AS nth"
				 "  FROM predictor.training_job k LEFT JOIN predictor.model m ON m.uuid = k.model) ranked"
				 " WHERE j.job = ranked.job AND ranked.nth > 100 AND j.state IN ('done', 'failed', 'cancelled')",
				 0, NULL, NULL);
}

void
training_begin(Training *training)
{
	Oid			types[1] = {UUIDOID};
	Datum		values[1] = {UUIDPGetDatum(&training->job.model_id)};

	worker_begin("beginning a training");
	read_model(training);
	if (training->job.is_recorded)
		take_row(training);
	else
	{
		close_interrupted(training);
		insert_job(training);
	}
	forget_old_jobs();
	training_sql(SPI_OK_UPDATE,
				 "UPDATE predictor.model SET retrain_reason = NULL WHERE uuid = $1 AND retrain_reason IS NOT NULL",
				 1, types, values);
	worker_commit();
	MemoryContextSwitchTo(training->context);
	training->is_recorded = true;
}

void
training_note_submission(const Training *training)
{
	Oid			types[7] = {UUIDOID, TEXTOID, INT4OID, INT4OID, INT8OID, INT8OID, BOOLOID};
	Datum		values[7];

	values[0] = UUIDPGetDatum(&training->job.id);
	values[1] = CStringGetTextDatum(training->engine.embedded ? "embedded" : training->engine.url);
	values[2] = Int32GetDatum(training->version);
	values[3] = Int32GetDatum(training->active_version);
	values[4] = Int64GetDatum(training->history_end);
	values[5] = Int64GetDatum(training->hold_out_from);
	values[6] = BoolGetDatum(training->withholds);
	worker_begin("sending a training to the engine");
	training_sql(SPI_OK_UPDATE,
				 "UPDATE predictor.training_job SET submitted = true, engine = $2, version = $3, champion = $4,"
				 " history_end = $5, hold_out_from = $6, withholds = $7 WHERE job = $1", 7, types, values);
	/* who takes the job up on another server must know it */
	ForceSyncCommit();
	worker_commit();
	MemoryContextSwitchTo(training->context);
}

/* ---- the end ---- */

static void
insert_version(Training *training, const char *outcome)
{
	Oid			types[8] = {TEXTOID, INT4OID, UUIDOID, JSONBOID, BYTEAOID, BYTEAOID, TEXTOID, TEXTOID};
	Datum		values[8];
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
	values[6] = CStringGetTextDatum(training->environment);
	values[7] = CStringGetTextDatum(psprintf("{\"outcome\": \"%s\", %s}", outcome, training->verdict));
	training_sql(SPI_OK_INSERT,
				 "INSERT INTO predictor.model_version (model, version, job, plans, skipped, epochs,"
				 " train_seconds, device, validation, baseline, coverage, key_id, sha256, bundle, origin,"
				 " settings, verdict)"
				 " SELECT m.uuid, $2, $3, coalesce(($4 ->> 'plans')::bigint, 0),"
				 " coalesce(($4 ->> 'skipped')::bigint, 0),"
				 " coalesce(($4 ->> 'epochs')::integer, ($4 ->> 'epoch')::integer, 0),"
				 " coalesce(($4 ->> 'seconds')::float8, 0), coalesce($4 ->> 'device', 'unknown'),"
				 " $4 -> 'validation', $4 -> 'baseline', ($4 ->> 'coverage')::float8, k.id, $5, $6, j.reason, $7, $8::jsonb"
				 " FROM predictor.hash_key k, predictor.model m, predictor.training_job j"
				 " WHERE m.uuid = $1::uuid AND j.job = $3", 8, types, values);
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" was dropped while it was trained", NameStr(training->job.model))));
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
	training_sql(SPI_OK_UPDATE,
				 "UPDATE predictor.model SET active_version = $2 WHERE uuid ="
				 " (SELECT m.uuid FROM predictor.model m WHERE m.uuid = $1::uuid"
				 "  AND coalesce(m.active_version, -1) = $3 FOR NO KEY UPDATE SKIP LOCKED)",
				 3, types, values);
	return SPI_processed == 1;
}

/* Versions beyond the model's keep_versions go, oldest first; never the active one, nor version 0. */
static void
forget_old_versions(const Training *training)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(training->model)};

	training_sql(SPI_OK_DELETE,
				 "DELETE FROM predictor.model_version v USING predictor.model m WHERE m.uuid = $1::uuid"
				 " AND v.model = m.uuid AND v.version > 0 AND v.version IS DISTINCT FROM m.active_version"
				 " AND v.version < (SELECT k.version FROM predictor.model_version k WHERE k.model = m.uuid"
				 " ORDER BY k.version DESC OFFSET m.keep_versions - 1 LIMIT 1)", 1, types, values);
}

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
	training_sql(SPI_OK_UPDATE,
				 "UPDATE predictor.training_job SET state = $2, finished_at = clock_timestamp(), plans = $3,"
				 " promoted = $4, error = nullif($5, '') WHERE job = $1 AND state IN ('requested', 'running')",
				 5, types, values);
}

void
training_close(const Training *training, const TrainingJob *result)
{
	worker_begin("closing a training job");
	close_job(training, result, result->state == JOB_CANCELLED ? "cancelled" : "failed");
	worker_commit();
}

void
training_leave_open(const Training *training, const char *error)
{
	Oid			types[2] = {UUIDOID, TEXTOID};
	Datum		values[2] = {UUIDPGetDatum(&training->job.id), CStringGetTextDatum(error)};

	worker_begin("leaving a training job open");
	training_sql(SPI_OK_UPDATE,
				 "UPDATE predictor.training_job SET submitted = false, error = $2"
				 " WHERE job = $1 AND state IN ('requested', 'running')", 2, types, values);
	worker_commit();
}

void
training_store(Training *training, TrainingJob *result)
{
	const char *outcome;

	training_phase(training, "storing the model");
	result->version = training->version;
	result->plans = engine_json_integer(training->facts, "plans", training->records);
	worker_begin("storing a trained model");
	result->promoted = training->wins && training->job.promote && promote(training);
	if (result->promoted)
		outcome = "promoted";
	else if (!training->wins)
		outcome = "not promoted";
	else
		outcome = training->job.promote ? "overtaken" : "not to be promoted";
	insert_version(training, outcome);
	forget_old_versions(training);
	close_job(training, result, "done");
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("training of model \"%s\" was cancelled", NameStr(training->job.model))));
	/* who is told that it is done must find it so after a crash as well */
	ForceSyncCommit();
	worker_commit();
	MemoryContextSwitchTo(training->context);
	result->state = JOB_DONE;
}
