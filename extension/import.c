/*
 * import.c - predictor.import_plan(): a plan that EXPLAIN (ANALYZE, FORMAT JSON) printed, here or on
 * another server, becomes an execution in this database's history.
 *
 * It goes the way of a captured record: into the ring, and from there into the tables. So it is
 * stored whether the transaction commits or not, and takes no lock on history.
 */
#include "postgres.h"

#include <math.h>

#include "access/xlog.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "extension/compat.h"
#include "extension/import_facade.h"
#include "extension/ring.h"
#include "extension/shared.h"

static HashKey
require_key(void)
{
	HashKey		key;

	shared_require();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("plans cannot be imported during recovery"),
				 errhint("Import them on the primary server.")));
	if (!shared_database_key(&key, false))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("predictor has not looked at this database yet"),
				 errhint("Try again in a second; if that does not help, see the server's log for the workers' messages.")));
	return key;
}

static PredictorImport *
read_plan(Jsonb *plan)
{
	char	   *text = JsonbToCString(NULL, &plan->root, VARSIZE(plan));
	HashKey		key = require_key();
	char		error[256];
	PredictorImport *import = predictor_import_open(text, strlen(text), key.k0, key.k1, key.id,
													error, sizeof(error));

	pfree(text);
	if (import == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this is no plan that EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) prints"),
				 errdetail("It has a flaw: %s.", error)));
	return import;
}

PG_FUNCTION_INFO_V1(predictor_import_plan);

Datum
predictor_import_plan(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc = sql_row_type(fcinfo);
	PredictorImport *import = read_plan(PG_GETARG_JSONB_P(0));
	const PredictorRecord *record = predictor_import_record(import);
	Datum		values[3];
	bool		nulls[3] = {0};
	bool		executed = !isnan(record->statement.total_time);
	bool		stored = false;
	RingTexts	no_texts = {NULL, 0};

	values[0] = Int64GetDatum((int64) record->statement.signature);
	values[1] = Int64GetDatum((int64) record->statement.constants);
	values[2] = Int32GetDatum(record->node_count);
	predictor_import_finished_at(import, GetCurrentTimestamp());
	if (executed)
		stored = ring_put_record(record, &no_texts, CurrentMemoryContext);
	predictor_import_close(import);
	if (!executed)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the plan has no \"Execution Time\""),
				 errhint("Only executed plans can be learned from: use EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON).")));
	if (!stored)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("the plan could not be put into predictor's ring"),
				 errhint("Wait for predictor.flush() and try again; predictor.stat counts the reasons.")));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}
