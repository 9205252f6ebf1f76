/*
 * functions.c - the small SQL functions: counters, flush, announcing changes, what is served, operator names.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "extension/capture.h"
#include "extension/compat.h"
#include "extension/directory.h"
#include "extension/facade.h"
#include "extension/serve.h"
#include "extension/shared.h"

PG_FUNCTION_INFO_V1(predictor_announce);
PG_FUNCTION_INFO_V1(predictor_models_changed);
PG_FUNCTION_INFO_V1(predictor_serving);
PG_FUNCTION_INFO_V1(predictor_counters);
PG_FUNCTION_INFO_V1(predictor_flush);
PG_FUNCTION_INFO_V1(predictor_operator_name_sql);
PG_FUNCTION_INFO_V1(predictor_source_name);

#define FLUSH_TIMEOUT_MS 10000

DEFINE_WAIT_EVENT(wait_event_flush, "PredictorFlush")

static const char *const counter_names[COUNTER_COUNT] = {
	[COUNTER_SEEN] = "seen",
	[COUNTER_CAPTURED] = "captured",
	[COUNTER_NOT_SAMPLED] = "not_sampled",
	[COUNTER_DROPPED_RATE] = "dropped_rate",
	[COUNTER_DROPPED_BUSY] = "dropped_busy",
	[COUNTER_DROPPED_FULL] = "dropped_ring_full",
	[COUNTER_DROPPED_LARGE] = "dropped_too_large",
	[COUNTER_DROPPED_MEMORY] = "dropped_no_memory",
	[COUNTER_DROPPED_DATABASE] = "dropped_unknown_database",
	[COUNTER_DROPPED_RECOVERY] = "dropped_in_recovery",
	[COUNTER_DROPPED_QUEUE] = "dropped_queue_full",
	[COUNTER_DROPPED_WORKER] = "dropped_by_worker",
	[COUNTER_FAILED_STATEMENTS] = "failed_statements",
	[COUNTER_TIMED_OUT] = "cancelled_statements",
	[COUNTER_CANCELLED_UNKNOWN] = "cancelled_not_described",
	[COUNTER_UNUSUAL] = "unusual_statements",
	[COUNTER_AGGREGATES_BUSY] = "aggregates_busy",
	[COUNTER_PLANS_EVICTED] = "plans_evicted",
	[COUNTER_FLUSHED] = "flushed",
	[COUNTER_FLUSHES] = "flushes",
	[COUNTER_FLUSH_FAILURES] = "flush_failures",
	[COUNTER_FLUSH_CPU] = "flush_cpu_us",
	[COUNTER_PREDICTIONS] = "predictions",
	[COUNTER_OVER_LIMIT] = "over_limit",
	[COUNTER_REFUSED] = "refused",
};

Datum
predictor_counters(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	shared_require();
	begin_set_result(fcinfo);
	for (int i = 0; i < COUNTER_COUNT; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false, false};

		values[0] = CStringGetTextDatum(counter_names[i]);
		values[1] = Int64GetDatum((int64) shared_counter(i));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
predictor_flush(PG_FUNCTION_ARGS)
{
	HashKey		key;
	uint64		ticket;
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), FLUSH_TIMEOUT_MS);

	shared_require();
	capture_forget();
	if (RecoveryInProgress())
		PG_RETURN_BOOL(false);
	/* introduces the database if nothing has yet */
	(void) shared_database_key(&key, false);
	ticket = pg_atomic_add_fetch_u64(&shared->flush_requested, 1);
	while (pg_atomic_read_u64(&shared->flush_done) < ticket)
	{
		if (GetCurrentTimestamp() >= deadline)
			PG_RETURN_BOOL(false);
		shared_wake_launcher();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 20, wait_event_flush());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	PG_RETURN_BOOL(true);
}

static char *
hex_of(const uint8 *bytes, int count)
{
	char	   *text = palloc(count * 2 + 1);

	for (int i = 0; i < count; i++)
		snprintf(text + i * 2, 3, "%02x", bytes[i]);
	return text;
}

/* Set between a call of announce() and the end of its transaction. */
static bool announce_at_commit = false;

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	if (announce_at_commit && event == XACT_EVENT_COMMIT)
		shared_announce_database();
	announce_at_commit = false;
}

static void
announce_when_committed(void)
{
	static bool registered = false;

	if (shared == NULL)
		return;
	if (!registered)
		RegisterXactCallback(at_transaction_end, NULL);
	registered = true;
	announce_at_commit = true;
}

Datum
predictor_announce(PG_FUNCTION_ARGS)
{
	announce_when_committed();
	PG_RETURN_VOID();
}

/* The invalidations go into the commit record and so reach standbys; our own launcher is told at commit. */
void
announce_models(Oid schema)
{
	Oid			model = get_relname_relid("model", schema);

	if (OidIsValid(model))
	{
		CacheInvalidateRelcacheByRelid(model);
		CacheInvalidateRelcacheByRelid(SERVE_SHARED_RELATION);
	}
	announce_when_committed();
}

/* Statement trigger of predictor.model and predictor.model_version. */
Datum
predictor_models_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("predictor.models_changed() must be called as a trigger")));
	announce_models(RelationGetNamespace(((TriggerData *) fcinfo->context)->tg_relation));
	PG_RETURN_POINTER(NULL);
}

/* The models of the current database as the directory has them. */
Datum
predictor_serving(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	shared_require();
	begin_set_result(fcinfo);
	for (int i = 0; i < PREDICTOR_MAX_MODELS; i++)
	{
		ServedEntry entry;
		Datum		values[8];
		bool		nulls[8] = {false};
		bool		answers;

		if (!directory_read(i, &entry) || entry.database != MyDatabaseId)
			continue;
		answers = entry.version != NO_VERSION;
		values[0] = NameGetDatum(&entry.name);
		values[1] = Int32GetDatum(entry.version);
		values[2] = Int64GetDatum((int64) entry.file);
		values[3] = Int64GetDatum((int64) entry.size);
		values[4] = CStringGetTextDatum(answers ? hex_of(entry.sha256, sizeof(entry.sha256)) : "");
		values[5] = TimestampTzGetDatum(entry.published_at);
		nulls[1] = nulls[2] = nulls[3] = nulls[4] = nulls[5] = !answers;
		values[6] = Int32GetDatum(entry.active_version);
		nulls[6] = entry.active_version == NO_VERSION;
		values[7] = CStringGetTextDatum(entry.problem);
		nulls[7] = entry.problem[0] == '\0';
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* A record's predicted_source in words. */
Datum
predictor_source_name(PG_FUNCTION_ARGS)
{
	int			source = PG_GETARG_INT16(0);
	const char *name = predictor_source_text(source & ~PREDICTOR_OUT_OF_DISTRIBUTION);

	PG_RETURN_TEXT_P(cstring_to_text((source & PREDICTOR_OUT_OF_DISTRIBUTION) == 0 ? name :
									 psprintf("%s, out of distribution", name)));
}

Datum
predictor_operator_name_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(predictor_operator_name(PG_GETARG_INT16(0))));
}
