/*
 * accuracy.c - see accuracy.h.
 *
 * Two things are followed for each model version, one observation after the other, in ln of actual over
 * predicted time:
 *
 *	bias	an exponential mean, of the answers without live calibration; its exponential, within bounds,
 *			is the factor by which predictor.live_calibration multiplies times.
 *	drift	the Page-Hinkley test for an increase of the error's size (Page, "Continuous Inspection
 *			Schemes", Biometrika 1954; Mouss et al., ASCC 2004): how far the sum of what errors are
 *			above their mean has risen above its least value. Beyond ALARM the version has drifted;
 *			it says so once.
 *
 * What is no observation: statements not run to their end, instrumented by timers, or cancelled before
 * their predicted time was over.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "extension/directory.h"
#include "extension/settings.h"
#include "worker/accuracy.h"

#define MAX_VERSIONS 16			/* different ones in a transaction; others are left out */
#define LEAST_OBSERVATIONS 30	/* before anything is concluded */
#define NEWEST_SHARE 0.02		/* of an observation in the bias */
#define MOST_LOG_RATIO 3.0		/* an outlier counts no more than this */
#define TOLERANCE 0.1			/* of the Page-Hinkley test */
#define ALARM 20.0
#define CALIBRATION_LIMIT 4.0

typedef struct Observed
{
	int64		model;			/* the record's predicted_model */
	int			version;
	int			count;
	int			capacity;
	double	   *log_ratios;		/* in TopMemoryContext */
	double		calibration;	/* after accuracy_store() */
} Observed;

/* A row of predictor.drift. */
typedef struct Drift
{
	double		observations;
	double		bias;
	double		mean_error;
	double		sum;
	double		least_sum;
	bool		is_drifted;
} Drift;

static Observed observed[MAX_VERSIONS];
static int	versions = 0;

static Observed *
find(const PredictorStatement *statement)
{
	Observed   *found = NULL;

	for (int i = 0; i < versions && found == NULL; i++)
		if (observed[i].model == (int64) statement->predicted_model &&
			observed[i].version == statement->predicted_version)
			found = &observed[i];
	if (found == NULL && versions < MAX_VERSIONS)
	{
		found = &observed[versions++];
		memset(found, 0, sizeof(*found));
		found->model = (int64) statement->predicted_model;
		found->version = statement->predicted_version;
	}
	return found;
}

void
accuracy_begin(void)
{
	for (int i = 0; i < versions; i++)
		if (observed[i].log_ratios != NULL)
			pfree(observed[i].log_ratios);
	versions = 0;
}

void
accuracy_note(const PredictorRecord *record)
{
	const PredictorStatement *statement = &record->statement;
	bool		cancelled = (statement->flags & PREDICTOR_STATEMENT_TIMED_OUT) != 0;
	Observed   *found;

	if (!(statement->predicted_total > 0) || !(statement->total_time > 0) ||
		(statement->flags & PREDICTOR_STATEMENT_PARTIAL) != 0 ||
		statement->instrumentation == PREDICTOR_INSTRUMENT_TIMERS ||
		(cancelled && statement->total_time < statement->predicted_total))
		return;
	found = find(statement);
	if (found == NULL)
		return;
	if (found->count == found->capacity)
	{
		found->capacity = Max(64, found->capacity * 2);
		found->log_ratios = found->log_ratios == NULL
			? MemoryContextAlloc(TopMemoryContext, sizeof(double) * found->capacity)
			: repalloc(found->log_ratios, sizeof(double) * found->capacity);
	}
	found->log_ratios[found->count++] = log(statement->total_time / statement->predicted_total);
}

/* ---- one version ---- */

static double
calibration_of(const Drift *drift)
{
	if (drift->observations < LEAST_OBSERVATIONS)
		return 1;
	return Max(1 / CALIBRATION_LIMIT, Min(CALIBRATION_LIMIT, exp(drift->bias)));
}

static void
observe(Drift *drift, double log_ratio)
{
	/* what the answer would have been without the factor that it already had */
	double		applied = predictor_live_calibration ? calibration_of(drift) : 1;
	double		raw = Max(-MOST_LOG_RATIO, Min(MOST_LOG_RATIO, log_ratio + log(applied)));
	double		error = Min(MOST_LOG_RATIO, fabs(log_ratio));

	drift->observations++;
	drift->bias += (raw - drift->bias) * Max(NEWEST_SHARE, 1 / drift->observations);
	drift->mean_error += (error - drift->mean_error) / drift->observations;
	drift->sum += error - drift->mean_error - TOLERANCE;
	drift->least_sum = Min(drift->least_sum, drift->sum);
}

static bool
has_drifted(const Drift *drift)
{
	return drift->observations >= LEAST_OBSERVATIONS && drift->sum - drift->least_sum > ALARM;
}

static double
number(int column)
{
	bool		isnull;

	return DatumGetFloat8(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull));
}

/* Locks the version's row, which it makes if there is none, and reads it. False: no such version. */
static bool
read_drift(const Observed *found, Drift *drift)
{
	Oid			types[2] = {INT8OID, INT4OID};
	Datum		values[2] = {Int64GetDatum(found->model), Int32GetDatum(found->version)};
	bool		isnull;

	if (SPI_execute_with_args("INSERT INTO predictor.drift (model, version) SELECT v.model, v.version"
							  " FROM predictor.model_version v"
							  " WHERE predictor.model_key(v.model) = $1 AND v.version = $2"
							  " ON CONFLICT DO NOTHING", 2, types, values, NULL, false, 0)
		!= SPI_OK_INSERT ||
		SPI_execute_with_args("SELECT d.observations::float8, d.bias, d.mean_error, d.error_sum,"
							  " d.least_error_sum, d.drifted_at IS NOT NULL FROM predictor.drift d"
							  " WHERE predictor.model_key(d.model) = $1 AND d.version = $2 FOR UPDATE",
							  2, types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read predictor.drift");
	if (SPI_processed == 0)
		return false;
	drift->observations = number(1);
	drift->bias = number(2);
	drift->mean_error = number(3);
	drift->sum = number(4);
	drift->least_sum = number(5);
	drift->is_drifted = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 6,
												   &isnull));
	return true;
}

static void
write_drift(const Observed *found, const Drift *drift, bool drifts_now)
{
	Oid			types[9] = {INT8OID, INT4OID, FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID,
	FLOAT8OID, BOOLOID};
	Datum		values[9];

	values[0] = Int64GetDatum(found->model);
	values[1] = Int32GetDatum(found->version);
	values[2] = Float8GetDatum(drift->observations);
	values[3] = Float8GetDatum(drift->bias);
	values[4] = Float8GetDatum(drift->mean_error);
	values[5] = Float8GetDatum(drift->sum);
	values[6] = Float8GetDatum(drift->least_sum);
	values[7] = Float8GetDatum(found->calibration);
	values[8] = BoolGetDatum(drifts_now);
	if (SPI_execute_with_args("UPDATE predictor.drift d SET observations = $3, bias = $4,"
							  " mean_error = $5, error_sum = $6, least_error_sum = $7, calibration = $8,"
							  " drifted_at = CASE WHEN $9 THEN now() ELSE d.drifted_at END"
							  " WHERE predictor.model_key(d.model) = $1 AND d.version = $2",
							  9, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not write predictor.drift");
}

/* The alarm: one line in the log, and a word to whoever decides about training. */
static void
raise_alarm(const Observed *found, const Drift *drift)
{
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum(found->model)};
	char	   *name;

	if (SPI_execute_with_args("SELECT m.name FROM predictor.model m WHERE predictor.model_key(m.uuid) = $1",
							  1, types, values, NULL, false, 1) != SPI_OK_SELECT || SPI_processed == 0)
		return;
	name = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	ereport(LOG,
			(errmsg("predictions of model \"%s\" version %d have drifted", name, found->version),
			 errdetail("Over %.0f statements the mean q-error was %.2f, and it has been rising.",
					   drift->observations, exp(drift->mean_error)),
			 errhint("predictor.accuracy shows more; train the model again.")));
}

static void
update(Observed *found)
{
	Drift		drift;
	bool		drifts_now;

	found->calibration = 1;
	if (!read_drift(found, &drift))
		return;					/* dropped since it predicted */
	for (int i = 0; i < found->count; i++)
		observe(&drift, found->log_ratios[i]);
	drifts_now = !drift.is_drifted && has_drifted(&drift);
	found->calibration = calibration_of(&drift);
	write_drift(found, &drift, drifts_now);
	if (drifts_now)
		raise_alarm(found, &drift);
}

void
accuracy_store(void)
{
	for (int i = 0; i < versions; i++)
		if (observed[i].count > 0)
			update(&observed[i]);
}

void
accuracy_publish(void)
{
	for (int i = 0; i < versions; i++)
		if (observed[i].count > 0)
			directory_calibrate(MyDatabaseId, observed[i].model, observed[i].version,
								observed[i].calibration);
}
