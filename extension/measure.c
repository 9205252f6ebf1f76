/*
 * measure.c - predictor.measure(): how long predictions of a statement take in this backend. What
 * bench/predict is made of, and for whoever wants to know before he sets a limit.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "extension/capture.h"
#include "extension/memo.h"
#include "extension/predict_functions.h"
#include "extension/sql_version.h"
#include "extension/serve.h"

PG_FUNCTION_INFO_V1(predictor_measure);

#define MOST_REPETITIONS 1000000
#define CALLS_PER_READING 100	/* of what is shorter than reading the clock */

static double
microseconds_since(instr_time begin)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, begin);
	return INSTR_TIME_GET_DOUBLE(now) * 1e6;
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* One prediction, the model's look-up and the description of the plan included. */
static Answer *
predict_once(QueryDesc *queryDesc, double *microseconds)
{
	instr_time	begin;
	const ServedModel *model;
	const char *problem = "no model answers";
	Answer	   *answer = NULL;

	INSTR_TIME_SET_CURRENT(begin);
	model = serve_ready_model();
	if (model != NULL)
		answer = serve_predict(model, queryDesc, CurrentMemoryContext, &problem);
	*microseconds = microseconds_since(begin);
	if (answer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the statement cannot be predicted: %s", problem)));
	return answer;
}

/*
 * An answer that is in memory, the model's look-up and the plan's identity included; sorted. False: the
 * plan has no identity by which to remember an answer.
 */
static bool
time_hits(QueryDesc *queryDesc, const Answer *known, double *times, int count)
{
	const ServedModel *model = serve_ready_model();
	WholeAnswer answer = {known->plan, known->nodes[0].startup_ms};

	if (model == NULL || memo_key(model, queryDesc) == 0)
		return false;
	for (int i = 0; i < count; i++)
	{
		instr_time	begin;

		INSTR_TIME_SET_CURRENT(begin);
		for (int k = 0; k < CALLS_PER_READING; k++)
		{
			uint64		key;

			model = serve_ready_model();
			key = model != NULL ? memo_key(model, queryDesc) : 0;
			if (!memo_find(key, &answer))
				memo_put(key, &answer);
		}
		times[i] = microseconds_since(begin) / CALLS_PER_READING;
	}
	memo_forget();
	qsort(times, count, sizeof(double), compare);
	return true;
}

Datum
predictor_measure(PG_FUNCTION_ARGS)
{
	int			repetitions = PG_GETARG_INT32(1);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "predictor measure",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext context;
	QueryDesc  *queryDesc;
	Answer	   *answer;
	TupleDesc	tupdesc;
	double	   *times;
	double		first;
	Datum		values[5];
	bool		nulls[5] = {false};

	shared_require();
	capture_forget();
	if (repetitions < 1 || repetitions > MOST_REPETITIONS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the number of repetitions must be from 1 to %d", MOST_REPETITIONS)));
	tupdesc = sql_row_type(fcinfo);
	times = palloc(sizeof(double) * repetitions);
	queryDesc = predict_start_query(text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL);
	answer = predict_once(queryDesc, &first);
	values[0] = Int32GetDatum(answer->node_count);
	values[1] = Float8GetDatum(first);
	for (int i = 0; i < repetitions; i++)
	{
		CHECK_FOR_INTERRUPTS();
		context = MemoryContextSwitchTo(scratch);
		(void) predict_once(queryDesc, &times[i]);
		MemoryContextSwitchTo(context);
		MemoryContextReset(scratch);
	}
	qsort(times, repetitions, sizeof(double), compare);
	values[2] = Float8GetDatum(times[repetitions / 2]);
	values[3] = Float8GetDatum(times[(int) (repetitions * 0.99)]);
	nulls[4] = !time_hits(queryDesc, answer, times, repetitions);
	values[4] = Float8GetDatum(times[repetitions / 2]);
	predict_end_query(queryDesc);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}
