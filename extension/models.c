/*
 * models.c - what the SQL functions about models cannot say in SQL: the bundle of a model that has
 * not been trained.
 */
#include "postgres.h"

#include <stdlib.h>

#include "fmgr.h"

#include "extension/compat.h"
#include "extension/model_facade.h"

PG_FUNCTION_INFO_V1(predictor_cost_bundle_sql);

/* cost_bundle(intercept, slope, low, high float8, executions, key_id bigint) */
Datum
predictor_cost_bundle_sql(PG_FUNCTION_ARGS)
{
	PredictorCostFit fit;
	size_t		size = 0;
	void	   *bytes;
	bytea	   *bundle;

	fit.intercept = PG_GETARG_FLOAT8(0);
	fit.slope = PG_GETARG_FLOAT8(1);
	fit.low = PG_GETARG_FLOAT8(2);
	fit.high = PG_GETARG_FLOAT8(3);
	fit.executions = (uint64) PG_GETARG_INT64(4);
	fit.key_id = (uint64) PG_GETARG_INT64(5);
	bytes = predictor_cost_bundle(&fit, &size);
	if (bytes == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("these numbers make no calibration of the planner's cost")));
	bundle = palloc_extended(VARHDRSZ + size, MCXT_ALLOC_NO_OOM);
	if (bundle != NULL)
	{
		SET_VARSIZE(bundle, VARHDRSZ + size);
		memcpy(VARDATA(bundle), bytes, size);
	}
	free(bytes);
	if (bundle == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	PG_RETURN_BYTEA_P(bundle);
}
