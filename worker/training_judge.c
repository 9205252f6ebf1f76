/*
 * training_judge.c - champion and challenger: is the new version to take the active one's place?
 *
 * Both predict what the training has not seen (training_spool.c holds it out here, so the engine
 * never gets it): the newest slice of the traffic as it came, and queries withheld whole. Withheld
 * are the same queries in each training of a model, so that the champion has not seen them either.
 * The comparison is plan/judge.h's; the rule is decide()'s.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "extension/model_facade.h"
#include "worker/training.h"
#include "worker/worker.h"

typedef struct Champion
{
	PredictorBytes bundle;		/* data NULL: there is none */
	bool		is_built_in;
	char	   *outdated;		/* why, or NULL */
} Champion;

/* One hold-out's outcome; statements 0: nothing to compare. */
typedef struct Judgement
{
	PredictorComparison newest;
	PredictorComparison withheld;
	bool		champion_is_bad;
	char		problem[256];
} Judgement;

static void
read_champion(Training *training, Champion *champion)
{
	Oid			types[4] = {TEXTOID, INT4OID, INT8OID, TEXTOID};
	Datum		values[4];
	bool		isnull;
	char	   *outdated;

	values[0] = CStringGetTextDatum(training->model);
	values[1] = Int32GetDatum(training->active_version);
	values[2] = Int64GetDatum(engine_json_integer(training->facts, "plans", training->records));
	values[3] = CStringGetTextDatum(training->environment);
	worker_begin("reading the champion");
	training_sql(SPI_OK_SELECT,
				 "SELECT v.bundle, v.version = 0, CASE"
				 " WHEN v.version > 0 AND v.key_id <> k.id THEN 'constants are hashed under another key'"
				 " WHEN v.settings <> $4 THEN 'planner settings or relations have changed'"
				 " WHEN now() - v.trained_at > m.max_age THEN 'it is older than the model''s max_age'"
				 " WHEN v.version > 0 AND v.plans * 2 <= $3 THEN 'it was trained on half as many statements or fewer'"
				 " END FROM predictor.model_version v JOIN predictor.model m ON m.uuid = v.model, predictor.hash_key k"
				 " WHERE v.model = $1::uuid AND v.version = $2", 4, types, values);
	if (SPI_processed == 1)
	{
		bytea	   *bundle = DatumGetByteaPP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
														  &isnull));
		char	   *bytes = MemoryContextAlloc(training->context, Max(VARSIZE_ANY_EXHDR(bundle), 1));

		memcpy(bytes, VARDATA_ANY(bundle), VARSIZE_ANY_EXHDR(bundle));
		champion->bundle.data = bytes;
		champion->bundle.size = VARSIZE_ANY_EXHDR(bundle);
		champion->is_built_in = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2,
														   &isnull));
		outdated = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3);
		if (outdated != NULL)
			champion->outdated = MemoryContextStrdup(training->context, outdated);
	}
	worker_commit();
	MemoryContextSwitchTo(training->context);
}

static bool
compare(Training *training, const Champion *champion, const HoldOut *hold_out, Judgement *judgement,
		PredictorComparison *result)
{
	PredictorBytes challenger = {training->bundle->body, training->bundle->size};
	PredictorBytes records = {hold_out->bytes, hold_out->size};

	if (hold_out->records == 0)
		return true;
	return predictor_compare(champion->bundle, challenger, records, result, &judgement->champion_is_bad,
							 judgement->problem, sizeof(judgement->problem));
}

/* On its own withheld part, does the training say that it is no better than the planner's cost? */
static bool
is_below_baseline(Training *training)
{
	Jsonb	   *own = engine_json_object(training->facts, "validation");
	Jsonb	   *cost = engine_json_object(training->facts, "baseline");

	return engine_json_number(own, "q50", 1) > 1.02 * engine_json_number(cost, "q50", 1) &&
		engine_json_number(own, "q95", 1) > 1.02 * engine_json_number(cost, "q95", 1);
}

/*
 * The rule. Better on one hold-out and not worse on the other wins; so does, if it is worse on none,
 * who stands against a champion that is out of date or was never trained.
 */
static bool
decide(Training *training, const Champion *champion, const Judgement *judgement, const char **reason)
{
	const PredictorComparison *newest = &judgement->newest;
	const PredictorComparison *withheld = &judgement->withheld;

	if (champion->bundle.data == NULL)
		*reason = "there was no champion";
	else if (judgement->champion_is_bad)
		*reason = psprintf("the champion cannot be used: %s", judgement->problem);
	else if (newest->is_worse || withheld->is_worse)
	{
		*reason = newest->is_worse ? "worse on the newest statements" : "worse on withheld queries";
		return false;
	}
	else if (newest->is_better && withheld->is_better)
		*reason = "better on the newest statements and on withheld queries";
	else if (newest->is_better)
		*reason = "better on the newest statements";
	else if (withheld->is_better)
		*reason = "better on withheld queries";
	else if (champion->is_built_in && newest->statements == 0 && is_below_baseline(training))
	{
		*reason = "no better than the planner's cost";
		return false;
	}
	else if (champion->is_built_in)
		*reason = "the champion was not trained";
	else if (champion->outdated != NULL)
		*reason = psprintf("not worse, and the champion is out of date: %s", champion->outdated);
	else
	{
		*reason = newest->statements == 0 ? "nothing could be held out to compare on" : "not surely better";
		return false;
	}
	return true;
}

/* ---- the verdict in words and numbers ---- */

static void
put_score(StringInfo out, const char *name, const PredictorScore *score)
{
	bool		first = true;

	appendStringInfo(out, ", \"%s\": {\"q50\": %.4g, \"q95\": %.4g, \"node_q50\": %.4g, \"node_q95\": %.4g, "
					 "\"coverage\": {", name, score->q50, score->q95, score->node_q50, score->node_q95);
	for (int i = 0; i < PREDICTOR_JUDGED_SOURCES; i++)
	{
		if (score->answered[i] == 0)
			continue;
		appendStringInfo(out, "%s\"%s\": {\"statements\": " UINT64_FORMAT ", \"inside\": %.3f}",
						 first ? "" : ", ", predictor_source_text(i), score->answered[i],
						 (double) score->inside[i] / (double) score->answered[i]);
		first = false;
	}
	appendStringInfoString(out, "}}");
}

static void
put_comparison(StringInfo out, const char *name, const PredictorComparison *c)
{
	if (c->statements == 0)
	{
		appendStringInfo(out, ", \"%s\": null", name);
		return;
	}
	appendStringInfo(out, ", \"%s\": {\"statements\": " UINT64_FORMAT ", \"queries\": " UINT64_FORMAT
					 ", \"timed_nodes\": " UINT64_FORMAT, name, c->statements, c->queries, c->nodes);
	put_score(out, "champion", &c->champion);
	put_score(out, "challenger", &c->challenger);
	appendStringInfo(out, ", \"ln_q50_difference\": [%.4f, %.4f, %.4f], \"ln_q95_difference\": [%.4f, %.4f, %.4f]}",
					 c->q50[0], c->q50[1], c->q50[2], c->q95[0], c->q95[1], c->q95[2]);
}

static char *
write_verdict(const Training *training, const Judgement *judgement, const char *reason)
{
	StringInfoData out;
	StringInfoData quoted;

	initStringInfo(&quoted);
	escape_json(&quoted, reason);
	initStringInfo(&out);
	appendStringInfo(&out, "\"reason\": %s, \"champion\": ", quoted.data);
	if (training->active_version >= 0)
		appendStringInfo(&out, "%d", training->active_version);
	else
		appendStringInfoString(&out, "null");
	put_comparison(&out, "newest", &judgement->newest);
	put_comparison(&out, "withheld", &judgement->withheld);
	return out.data;
}

void
training_judge(Training *training)
{
	Champion	champion = {{NULL, 0}, false, NULL};
	Judgement  *judgement = palloc0(sizeof(Judgement));
	const char *reason;

	training_phase(training, "judging");
	if (training->active_version >= 0)
		read_champion(training, &champion);
	if (champion.bundle.data != NULL &&
		!(compare(training, &champion, &training->newest, judgement, &judgement->newest) &&
		  compare(training, &champion, &training->withheld, judgement, &judgement->withheld)) &&
		!judgement->champion_is_bad)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not judge version %d of model \"%s\": %s", training->version,
						NameStr(training->job.model), judgement->problem)));
	training->wins = decide(training, &champion, judgement, &reason);
	training->verdict = write_verdict(training, judgement, reason);
	ereport(LOG,
			(errmsg("version %d of model \"%s\" %s: %s", training->version, NameStr(training->job.model),
					training->wins ? "wins" : "does not win", reason)));
}
