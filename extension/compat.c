/*
 * compat.c - what older versions lack; see compat.h.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/tuplestore.h"

#include "extension/compat.h"

#if PG_VERSION_NUM < 150000
void
begin_set_result(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext previous;
	TupleDesc	tupdesc;

	if (result == NULL || !IsA(result, ReturnSetInfo) ||
		(result->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	previous = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	tupdesc = sql_row_type(fcinfo);
	result->returnMode = SFRM_Materialize;
	result->setResult = tuplestore_begin_heap(true, false, work_mem);
	result->setDesc = tupdesc;
	MemoryContextSwitchTo(previous);
}
#endif
