/*
 * record_columns.c - see record_columns.h. Fields are read and written by their offset and size;
 * the column's type says what they are.
 */
#include "postgres.h"

#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "worker/record_columns.h"

#define FIELD_OF(object, name, type, field) \
	{name, type, offsetof(object, field), sizeof(((object *) 0)->field), 0, false, false}
#define NODE(name, type, field) FIELD_OF(PredictorNode, name, type, field)
#define ACTUAL(name, type, field) \
	{name, type, offsetof(PredictorNode, field), sizeof(((PredictorNode *) 0)->field), 0, true, false}
#define OPTIONAL(name, type, field) \
	{name, type, offsetof(PredictorNode, field), sizeof(((PredictorNode *) 0)->field), 0, false, true}
#define FLAGS(name, mask) \
	{name, INT4OID, offsetof(PredictorNode, flags), sizeof(uint16), mask, false, false}
#define STATEMENT(name, type, field) FIELD_OF(PredictorStatement, name, type, field)

const RecordColumn plan_columns[] = {
	NODE("operator", INT2OID, op),
	NODE("parent", INT4OID, parent),
	NODE("relationship", INT2OID, relationship),
	NODE("join_type", INT2OID, join_type),
	NODE("strategy", INT2OID, strategy),
	NODE("partial_mode", INT2OID, partial_mode),
	NODE("node_command", INT2OID, command),
	NODE("clauses", INT2OID, clauses),
	FLAGS("flags", (uint16) ~PREDICTOR_NODE_ACTUAL_FLAGS),
	NODE("sort_keys", INT4OID, sort_keys),
	NODE("relation", INT8OID, relation),
	NODE("index", INT8OID, index),
	NODE("predicate", INT8OID, predicate),
	NODE("selection", INT8OID, selection),
	NODE("links", INT8OID, links),
};

const RecordColumn execution_columns[] = {
	NODE("node_constants", INT8OID, constants),
	NODE("node_coarse", INT8OID, coarse),
	NODE("startup_cost", FLOAT8OID, startup_cost),
	NODE("total_cost", FLOAT8OID, total_cost),
	NODE("plan_rows", FLOAT8OID, plan_rows),
	NODE("plan_width", INT4OID, plan_width),
	NODE("workers_planned", INT4OID, workers_planned),
	NODE("relation_pages", FLOAT8OID, relation_pages),
	NODE("relation_tuples", FLOAT8OID, relation_tuples),
	NODE("planned_batches", INT4OID, planned_batches),
	NODE("selectivity", FLOAT4OID, selectivity),
	NODE("all_visible", FLOAT4OID, all_visible),
	NODE("index_pages", FLOAT4OID, index_pages),
	NODE("index_height", INT2OID, index_height),
	OPTIONAL("text_hashes", INT4OID, text_hashes),
	FLAGS("actual_flags", PREDICTOR_NODE_ACTUAL_FLAGS),
	ACTUAL("actual_startup", FLOAT8OID, actual_startup),
	ACTUAL("actual_total", FLOAT8OID, actual_total),
	ACTUAL("actual_rows", FLOAT8OID, actual_rows),
	ACTUAL("actual_loops", FLOAT8OID, actual_loops),
	ACTUAL("actual_memory", FLOAT8OID, actual_memory),
	ACTUAL("actual_wall", FLOAT4OID, actual_wall),
	ACTUAL("actual_removed", FLOAT4OID, actual_removed),
	ACTUAL("actual_rechecked", FLOAT4OID, actual_rechecked),
	ACTUAL("actual_hit", FLOAT4OID, actual_hit),
	ACTUAL("actual_read", FLOAT4OID, actual_read),
	ACTUAL("actual_temp", FLOAT4OID, actual_temp),
	ACTUAL("actual_disk", FLOAT4OID, actual_disk),
	ACTUAL("actual_batches", INT4OID, actual_batches),
	ACTUAL("workers_launched", INT4OID, workers_launched),
};

/* Of predictor.execution, apart from segment and id. */
const RecordColumn statement_columns[] = {
	STATEMENT("signature", INT8OID, signature),
	STATEMENT("query_id", INT8OID, query_id),
	STATEMENT("constants", INT8OID, constants),
	STATEMENT("key_id", INT8OID, key_id),
	STATEMENT("finished_at", TIMESTAMPTZOID, finished_at),
	STATEMENT("total_time", FLOAT8OID, total_time),
	STATEMENT("planning_time", FLOAT8OID, planning_time),
	STATEMENT("work_mem", INT4OID, work_mem),
	STATEMENT("instrumentation", INT2OID, instrumentation),
	STATEMENT("flags", INT4OID, flags),
	STATEMENT("switches", INT4OID, switches),
	STATEMENT("hash_mem_multiplier", FLOAT4OID, hash_mem_multiplier),
	STATEMENT("random_page_cost", FLOAT4OID, random_page_cost),
	STATEMENT("seq_page_cost", FLOAT4OID, seq_page_cost),
	STATEMENT("effective_cache", FLOAT4OID, effective_cache),
	STATEMENT("parallel_workers", INT4OID, parallel_workers),
	STATEMENT("active_backends", INT4OID, active_backends),
	STATEMENT("hit_share", FLOAT4OID, hit_share),
	STATEMENT("jit_time", FLOAT4OID, jit_time),
	STATEMENT("trigger_time", FLOAT4OID, trigger_time),
	STATEMENT("predicted_total", FLOAT4OID, predicted_total),
	STATEMENT("predicted_low", FLOAT4OID, predicted_low),
	STATEMENT("predicted_high", FLOAT4OID, predicted_high),
	STATEMENT("predicted_version", INT4OID, predicted_version),
	STATEMENT("predicted_model", INT8OID, predicted_model),
	STATEMENT("predicted_source", INT2OID, predicted_source),
};

const int	plan_column_count = lengthof(plan_columns);
const int	execution_column_count = lengthof(execution_columns);
const int	statement_column_count = lengthof(statement_columns);

Oid
column_array_type(const RecordColumn *column)
{
	switch (column->type)
	{
		case INT2OID: return INT2ARRAYOID;
		case INT4OID: return INT4ARRAYOID;
		case INT8OID: return INT8ARRAYOID;
		case FLOAT4OID: return FLOAT4ARRAYOID;
		default: return FLOAT8ARRAYOID;
	}
}

static int
type_length(Oid type)
{
	return type == INT2OID ? 2 : type == INT4OID || type == FLOAT4OID ? 4 : 8;
}

/* Unsigned fields of 4 and 8 bytes are stored by their bits. */
static Datum
get_field(const RecordColumn *column, const void *object)
{
	const char *at = (const char *) object + column->offset;
	uint64		bits;

	if (column->type == FLOAT8OID)
		return Float8GetDatum(*(const double *) at);
	if (column->type == FLOAT4OID)
		return Float4GetDatum(*(const float *) at);
	bits = column->size == 1 ? *(const uint8 *) at : column->size == 2 ? *(const uint16 *) at :
		column->size == 4 ? *(const uint32 *) at : *(const uint64 *) at;
	if (column->mask != 0)
		bits &= column->mask;
	switch (column->type)
	{
		case INT2OID: return Int16GetDatum((int16) bits);
		case INT4OID: return Int32GetDatum((int32) bits);
		default: return Int64GetDatum((int64) bits);
	}
}

static void
set_field(const RecordColumn *column, void *object, Datum value)
{
	char	   *at = (char *) object + column->offset;
	uint64		bits;

	if (column->type == FLOAT8OID)
		*(double *) at = DatumGetFloat8(value);
	else if (column->type == FLOAT4OID)
		*(float *) at = DatumGetFloat4(value);
	else
	{
		bits = column->type == INT2OID ? (uint64) DatumGetInt16(value) :
			column->type == INT4OID ? (uint64) DatumGetInt32(value) : (uint64) DatumGetInt64(value);
		if (column->mask != 0)
			*(uint16 *) at |= bits & column->mask;
		else if (column->size == 1)
			*(uint8 *) at = bits;
		else if (column->size == 2)
			*(uint16 *) at = bits;
		else if (column->size == 4)
			*(uint32 *) at = bits;
		else
			*(uint64 *) at = bits;
	}
}

bool
column_is_null(const RecordColumn *column, const PredictorRecord *record)
{
	if (column->is_actual)
		return record->statement.instrumentation == PREDICTOR_INSTRUMENT_NONE;
	return column->is_optional && DatumGetInt32(get_field(column, &record->nodes[0])) == 0;
}

Datum
column_array(const RecordColumn *column, const PredictorRecord *record)
{
	int			length = type_length(column->type);
	char		align = length == 2 ? TYPALIGN_SHORT : length == 4 ? TYPALIGN_INT : TYPALIGN_DOUBLE;
	Datum	   *elements = palloc(sizeof(Datum) * record->node_count);
	ArrayType  *array;

	for (int i = 0; i < record->node_count; i++)
		elements[i] = get_field(column, &record->nodes[i]);
	array = construct_array(elements, record->node_count, column->type, length,
							length < 8 || FLOAT8PASSBYVAL, align);
	pfree(elements);
	return PointerGetDatum(array);
}

void
column_read_array(const RecordColumn *column, Datum value, PredictorNode *nodes, int count)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	int			length = type_length(column->type);
	const char *data = ARR_DATA_PTR(array);

	if (ARR_NDIM(array) != 1 || ARR_HASNULL(array) || ARR_ELEMTYPE(array) != column->type ||
		ARR_DIMS(array)[0] != count)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("column \"%s\" of a stored plan or execution has an array of another length",
						column->name)));
	for (int i = 0; i < count; i++)
		set_field(column, &nodes[i], fetch_att(data + i * length, length < 8 || FLOAT8PASSBYVAL, length));
}

Datum
column_value(const RecordColumn *column, const PredictorStatement *statement)
{
	return get_field(column, statement);
}

void
column_read_value(const RecordColumn *column, Datum value, PredictorStatement *statement)
{
	set_field(column, statement, value);
}
