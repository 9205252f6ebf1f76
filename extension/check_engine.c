/*
 * check_engine.c - predictor.check_engine(): asks each configured engine, or the server's own, which
 * is started for that, who it is. And what the view predictor.engine shows without asking.
 */
#include "postgres.h"

#include "funcapi.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "extension/capture.h"
#include "extension/compat.h"
#include "extension/engine_links.h"
#include "extension/settings.h"

PG_FUNCTION_INFO_V1(predictor_check_engine);
PG_FUNCTION_INFO_V1(predictor_engine_state);

#define CHECK_TIMEOUT_MS 5000

static void
set_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL || text[0] == '\0';
	if (!nulls[column])
		values[column] = CStringGetTextDatum(text);
}

/* One row: url, state, version, api, device, templates, round_trip_ms, error, hint. */
static void
check_one(ReturnSetInfo *result, EngineTarget *target)
{
	EngineCall	call = ENGINE_CALL("GET", "/v1/version");
	EngineIdentity identity;
	EngineReply *reply;
	instr_time	begin;
	instr_time	took;
	Datum		values[9];
	bool		nulls[9] = {false};

	call.timeout_ms = CHECK_TIMEOUT_MS;
	INSTR_TIME_SET_CURRENT(begin);
	reply = engine_request(target, &call);
	INSTR_TIME_SET_CURRENT(took);
	INSTR_TIME_SUBTRACT(took, begin);
	engine_identify(target, reply, &identity);

	set_text(values, nulls, 0, target->url);
	set_text(values, nulls, 1, engine_link_state_text(identity.state));
	set_text(values, nulls, 2, identity.version);
	nulls[3] = identity.api == 0;
	values[3] = Int32GetDatum(identity.api);
	set_text(values, nulls, 4, identity.device);
	set_text(values, nulls, 5, identity.templates);
	nulls[6] = reply->status == 0;
	values[6] = Float8GetDatum(INSTR_TIME_GET_MILLISEC(took));
	set_text(values, nulls, 7, identity.error);
	set_text(values, nulls, 8, identity.hint);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
predictor_check_engine(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	EngineTarget target;
	int			count;

	shared_require();
	capture_forget();
	begin_set_result(fcinfo);
	count = engine_links_count();
	if (count == 0)
	{
		engine_find(&target, NULL, NULL, NULL);
		check_one(result, &target);
	}
	for (int i = 0; i < count; i++)
	{
		char		url[MAXPGPATH];

		engine_links_url(i, url, sizeof(url));
		engine_use(&target, url);
		check_one(result, &target);
	}
	return (Datum) 0;
}

/* ---- what is known without asking ---- */

static void
put_embedded(ReturnSetInfo *result)
{
	static const char *const states[] = {
		[KEEPER_STOPPED] = "stopped",
		[KEEPER_STARTING] = "starting",
		[KEEPER_RUNNING] = "running",
		[KEEPER_FAILED] = "failed",
	};
	Keeper		keeper;
	Datum		values[8];
	bool		nulls[8] = {true, false, false, true, true, true, true, true};

	LWLockAcquire(shared->lock, LW_SHARED);
	keeper = shared->keeper;
	LWLockRelease(shared->lock);
	values[1] = BoolGetDatum(true);
	values[2] = CStringGetTextDatum(states[keeper.state]);
	if (keeper.state == KEEPER_RUNNING)
	{
		values[0] = CStringGetTextDatum(psprintf("https://127.0.0.1:%d", keeper.port));
		values[3] = Int32GetDatum(keeper.engine_pid);
		nulls[0] = nulls[3] = false;
	}
	if (keeper.state == KEEPER_FAILED)
		set_text(values, nulls, 4, keeper.error);
	values[6] = Int32GetDatum(keeper.failures);
	nulls[6] = false;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_configured(ReturnSetInfo *result, const char *url)
{
	EngineLink	link = engine_links_state(url);
	Datum		values[8];
	bool		nulls[8] = {false, false, false, true, true, true, false, true};

	values[0] = CStringGetTextDatum(url);
	values[1] = BoolGetDatum(false);
	values[2] = CStringGetTextDatum(engine_link_state_text(link.state));
	set_text(values, nulls, 4, link.error);
	set_text(values, nulls, 5, link.version);
	values[6] = Int32GetDatum(link.failures);
	nulls[7] = link.not_before == 0;
	values[7] = TimestampTzGetDatum(link.not_before);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* url, embedded, state, pid, error, version, failures, next_try */
Datum
predictor_engine_state(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			count;

	shared_require();
	begin_set_result(fcinfo);
	count = engine_links_count();
	if (count == 0)
		put_embedded(result);
	for (int i = 0; i < count; i++)
	{
		char		url[MAXPGPATH];

		engine_links_url(i, url, sizeof(url));
		put_configured(result, url);
	}
	return (Datum) 0;
}
