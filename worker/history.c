/*
 * history.c - see history.h. Records live in two tables: predictor.plan has what all executions of
 * a plan share, predictor.execution what differs, both with one array element for each node. What
 * openGauss's views show as text is in a third, predictor.plan_text, for each plan of each query:
 * plans do not differ by what they put out, queries do.
 *
 * The partitions of predictor.execution are filled one after the other; each takes an eighth of
 * predictor.max_history and of predictor.retention, whichever is over first, and the next one is
 * emptied by TRUNCATE before it is used again. TRUNCATE waits for readers only as long as
 * ROTATE_LOCK_TIMEOUT; if that is not enough, the current segment grows a little and the next
 * transaction tries again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "extension/facade.h"
#include "extension/opengauss_shapes.h"
#include "extension/settings.h"
#include "worker/history.h"
#include "worker/record_columns.h"
#include "worker/worker.h"

#define SEGMENTS 8
#define ROTATE_LOCK_TIMEOUT "50ms"
#define KNOWN_SIGNATURES 1024
#define TRANSACTION_RECORDS 256

#define MAX_PARAMETERS 80

/* Values for one INSERT, in the order of its columns. */
typedef struct Row
{
	int			count;
	Datum		values[MAX_PARAMETERS];
	char		nulls[MAX_PARAMETERS];
	Oid			types[MAX_PARAMETERS];
	StringInfoData names;		/* of the columns; only while the statement is prepared */
} Row;

static void
put(Row *row, const char *name, Oid type, Datum value)
{
	Assert(row->count < MAX_PARAMETERS);
	row->values[row->count] = value;
	row->nulls[row->count] = ' ';
	row->types[row->count] = type;
	row->count++;
	if (row->names.data != NULL)
		appendStringInfo(&row->names, "%s%s", row->count > 1 ? ", " : "", name);
}

static void
put_arrays(Row *row, const RecordColumn *columns, int count, const PredictorRecord *record)
{
	for (int c = 0; c < count; c++)
	{
		bool		isnull = column_is_null(&columns[c], record);

		put(row, columns[c].name, column_array_type(&columns[c]),
			isnull ? (Datum) 0 : column_array(&columns[c], record));
		if (isnull)
			row->nulls[row->count - 1] = 'n';
	}
}

/* The signatures of the nodes' sub-plans: made here, since they follow from the rest. */
static Datum
subplan_array(const PredictorRecord *record)
{
	uint64	   *signatures = palloc(sizeof(uint64) * record->node_count);
	Datum	   *elements = palloc(sizeof(Datum) * record->node_count);
	ArrayType  *array;

	predictor_subplan_signatures(record, signatures);
	for (int i = 0; i < record->node_count; i++)
		elements[i] = Int64GetDatum((int64) signatures[i]);
	array = construct_array(elements, record->node_count, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	pfree(elements);
	pfree(signatures);
	return PointerGetDatum(array);
}

/* ---- storing ---- */

static SPIPlanPtr
prepare_insert(const char *table, Row *row, const char *suffix)
{
	StringInfoData sql;
	SPIPlanPtr	plan;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO predictor.%s (%s) VALUES (", table, row->names.data);
	for (int i = 1; i <= row->count; i++)
		appendStringInfo(&sql, "%s$%d", i > 1 ? ", " : "", i);
	appendStringInfo(&sql, ")%s", suffix);
	plan = SPI_prepare(sql.data, row->count, row->types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare \"%s\"", sql.data);
	return plan;
}

static void
insert(SPIPlanPtr *plan, const char *table, Row *row, const char *suffix)
{
	if (*plan == NULL)
		*plan = prepare_insert(table, row, suffix);
	if (SPI_execute_plan(*plan, row->values, row->nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not insert into predictor.%s", table);
}

/* A small memory of the plans that were stored in this transaction. */
static uint64 known[KNOWN_SIGNATURES];

static bool
is_new_signature(uint64 signature)
{
	uint64	   *place = &known[signature % KNOWN_SIGNATURES];

	if (*place == signature)
		return false;
	*place = signature;
	return true;
}

static void
store_plan(const PredictorRecord *record)
{
	static SPIPlanPtr plan = NULL;
	const PredictorStatement *s = &record->statement;
	Row			row = {0};

	if (plan == NULL)
		initStringInfo(&row.names);
	put(&row, "signature", INT8OID, Int64GetDatum((int64) s->signature));
	put(&row, "query_id", INT8OID, Int64GetDatum((int64) s->query_id));
	put(&row, "command", INT2OID, Int16GetDatum(s->command));
	put_arrays(&row, plan_columns, plan_column_count, record);
	put(&row, "subplan", INT8ARRAYOID, subplan_array(record));
	insert(&plan, "plan", &row, " ON CONFLICT (signature) DO NOTHING");
}

static Datum
text_array(Datum *texts, bool *nulls, int count)
{
	int			first = 1;

	return PointerGetDatum(construct_md_array(texts, nulls, 1, &count, &first, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
store_texts(const PredictorRecord *record, const char *texts, Size size)
{
	static SPIPlanPtr plan = NULL;
	int			count = record->node_count;
	Datum	   *values = palloc(sizeof(Datum) * 2 * count);
	bool	   *nulls = palloc(sizeof(bool) * 2 * count);
	const char *at = texts;
	Row			row = {0};

	/* conditions in the first half, projections in the second */
	for (int i = 0; i < 2 * count; i++)
	{
		const char *text = opengauss_shapes_next(&at, texts + size);
		int			place = i / 2 + i % 2 * count;

		nulls[place] = text == NULL;
		values[place] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
	}
	if (plan == NULL)
		initStringInfo(&row.names);
	put(&row, "signature", INT8OID, Int64GetDatum((int64) record->statement.signature));
	put(&row, "query_id", INT8OID, Int64GetDatum((int64) record->statement.query_id));
	put(&row, "condition", TEXTARRAYOID, text_array(values, nulls, count));
	put(&row, "projection", TEXTARRAYOID, text_array(values + count, nulls + count, count));
	insert(&plan, "plan_text", &row, " ON CONFLICT (signature, query_id) DO NOTHING");
}

static int	current_segment = -1;	/* in this transaction */

static int
read_current_segment(void)
{
	bool		isnull;
	int			segment;

	if (SPI_execute("SELECT current FROM predictor.history_segment", true, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "predictor.history_segment is empty");
	segment = DatumGetInt16(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return segment;
}

static Datum
next_id(void)
{
	static SPIPlanPtr plan = NULL;
	bool		isnull;
	Datum		id;

	if (plan == NULL)
	{
		plan = SPI_prepare("SELECT pg_catalog.nextval('predictor.execution_id')", 0, NULL);
		SPI_keepplan(plan);
	}
	if (SPI_execute_plan(plan, NULL, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not draw from predictor.execution_id");
	id = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_freetuptable(SPI_tuptable);
	return id;
}

static void
store_execution(const PredictorRecord *record)
{
	static SPIPlanPtr plan = NULL;
	Row			row = {0};

	if (plan == NULL)
		initStringInfo(&row.names);
	put(&row, "segment", INT2OID, Int16GetDatum(current_segment));
	put(&row, "id", INT8OID, next_id());
	for (int c = 0; c < statement_column_count; c++)
		put(&row, statement_columns[c].name, statement_columns[c].type,
			column_value(&statement_columns[c], &record->statement));
	put_arrays(&row, execution_columns, execution_column_count, record);
	insert(&plan, "execution", &row, "");
}

int
history_transaction_limit(void)
{
	return Max(1, Min(TRANSACTION_RECORDS, predictor_max_history / SEGMENTS));
}

bool
history_begin(void)
{
	static const char *const tables[] = {
		"plan", "plan_text", "execution", "execution_0", "execution_1", "execution_2", "execution_3", "execution_4",
		"execution_5", "execution_6", "execution_7", "execution_id", "history_segment", NULL
	};

	memset(known, 0, sizeof(known));
	current_segment = -1;
	return worker_hold_extension(tables);
}

void
history_store(const PredictorRecord *record, const char *texts, Size texts_size)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "predictor record",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);

	if (current_segment < 0)
		current_segment = read_current_segment();
	if (is_new_signature(record->statement.signature))
		store_plan(record);
	store_execution(record);
	if (texts_size > 0)
		store_texts(record, texts, texts_size);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}

/* Plans whose executions have all expired go too; young ones stay, for they may be stored just now. */
#define FORGET_PLANS \
	"DELETE FROM predictor.plan p WHERE p.first_seen < pg_catalog.now() - interval '1 hour' " \
	"AND NOT EXISTS (SELECT 1 FROM predictor.execution e WHERE e.signature = p.signature)"

/* So do texts: there are never more of them than of executions and young texts. */
#define FORGET_TEXTS \
	"DELETE FROM predictor.plan_text t WHERE t.first_seen < pg_catalog.now() - interval '1 hour' " \
	"AND NOT EXISTS (SELECT 1 FROM predictor.execution e " \
	"WHERE e.signature = t.signature AND e.query_id = t.query_id)"

/*
 * Empties the next segment and makes it the current one; gives up when someone reads it.
 * `started_at` is an SQL expression.
 */
static void
advance_segment(const char *started_at)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char		sql[512];
	int			next = (current_segment + 1) % SEGMENTS;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		snprintf(sql, sizeof(sql), "TRUNCATE predictor.execution_%d", next);
		set_config_option("lock_timeout", ROTATE_LOCK_TIMEOUT, PGC_SUSET, PGC_S_SESSION,
						  GUC_ACTION_LOCAL, true, 0, false);
		SPI_execute(sql, false, 0);
		snprintf(sql, sizeof(sql),
				 "UPDATE predictor.history_segment SET current = %d, records = 0, started_at = %s",
				 next, started_at);
		SPI_execute(sql, false, 0);
		SPI_execute(FORGET_PLANS, false, 0);
		SPI_execute(FORGET_TEXTS, false, 0);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		CurrentResourceOwner = owner;
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			ReThrowError(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

void
history_rotate(int64 stored)
{
	char		sql[256];
	bool		isnull;
	int64		records;
	bool		expired;
	int			share = Max(1, predictor_retention / SEGMENTS);
	SPITupleTable *table;

	if (current_segment < 0)
		current_segment = read_current_segment();
	snprintf(sql, sizeof(sql), "UPDATE predictor.history_segment SET records = records + "
			 INT64_FORMAT " RETURNING records, "
			 "started_at < pg_catalog.now() - pg_catalog.make_interval(mins => %d)",
			 stored, share);
	if (SPI_execute(sql, false, 0) != SPI_OK_UPDATE_RETURNING || SPI_processed != 1)
		elog(ERROR, "predictor.history_segment is empty");
	table = SPI_tuptable;
	records = DatumGetInt64(SPI_getbinval(table->vals[0], table->tupdesc, 1, &isnull));
	expired = DatumGetBool(SPI_getbinval(table->vals[0], table->tupdesc, 2, &isnull));
	if (records >= Max(1, predictor_max_history / SEGMENTS))
		advance_segment("pg_catalog.now()");
	else if (predictor_retention > 0 && expired)
	{
		/* not now(): after a time without records, each transaction catches up one segment */
		snprintf(sql, sizeof(sql), "GREATEST(started_at + pg_catalog.make_interval(mins => %d), "
				 "pg_catalog.now() - pg_catalog.make_interval(mins => %d))", share, predictor_retention);
		advance_segment(sql);
	}
}

/* ---- reading ---- */

/* SELECT of everything a record has: id, command, then the columns of the three lists. */
static SPIPlanPtr
prepare_reading(void)
{
	Oid			types[2] = {INT8OID, INT4OID};
	StringInfoData sql;
	SPIPlanPtr	plan;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT e.id, p.command");
	for (int c = 0; c < statement_column_count; c++)
		appendStringInfo(&sql, ", e.%s", statement_columns[c].name);
	for (int c = 0; c < plan_column_count; c++)
		appendStringInfo(&sql, ", p.%s", plan_columns[c].name);
	for (int c = 0; c < execution_column_count; c++)
		appendStringInfo(&sql, ", e.%s", execution_columns[c].name);
	appendStringInfoString(&sql, " FROM predictor.execution e JOIN predictor.plan p USING (signature) "
						   "WHERE e.id < $1 ORDER BY e.id DESC LIMIT $2");
	plan = SPI_prepare(sql.data, 2, types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare the reading of history");
	return plan;
}

/* Reads the arrays from result column `first` on; some may be NULL. */
static void
read_arrays(HeapTuple tuple, TupleDesc desc, int first, const RecordColumn *columns, int count,
			PredictorRecord *record)
{
	for (int c = 0; c < count; c++)
	{
		bool		isnull;
		Datum		value = SPI_getbinval(tuple, desc, first + c, &isnull);

		if (!isnull)
			column_read_array(&columns[c], value, record->nodes, record->node_count);
	}
}

static bool
visit_row(HeapTuple tuple, TupleDesc desc, HistoryVisitor visit, void *context)
{
	int			first = 3;		/* result column */
	PredictorRecord record;
	Datum		value;
	bool		isnull;

	predictor_clear_statement(&record.statement);
	value = SPI_getbinval(tuple, desc, 2, &isnull);
	record.statement.command = (uint8) DatumGetInt16(value);
	for (int c = 0; c < statement_column_count; c++)
	{
		value = SPI_getbinval(tuple, desc, first + c, &isnull);
		if (!isnull)
			column_read_value(&statement_columns[c], value, &record.statement);
	}
	first += statement_column_count;
	value = SPI_getbinval(tuple, desc, first, &isnull);
	record.node_count = ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(value)),
									   ARR_DIMS(DatumGetArrayTypeP(value)));
	record.nodes = palloc(sizeof(PredictorNode) * record.node_count);
	for (int i = 0; i < record.node_count; i++)
		predictor_clear_node(&record.nodes[i]);
	read_arrays(tuple, desc, first, plan_columns, plan_column_count, &record);
	first += plan_column_count;
	read_arrays(tuple, desc, first, execution_columns, execution_column_count, &record);
	return visit(&record, context);
}

int64
history_read(int64 *before, int limit, HistoryVisitor visit, void *context)
{
	static SPIPlanPtr plan = NULL;
	Datum		values[2] = {Int64GetDatum(*before), Int32GetDatum(limit)};
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "predictor record",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous;
	SPITupleTable *table;
	int64		visited = 0;
	bool		isnull;

	if (plan == NULL)
		plan = prepare_reading();
	if (SPI_execute_plan(plan, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read history");
	table = SPI_tuptable;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		more;

		CHECK_FOR_INTERRUPTS();
		*before = DatumGetInt64(SPI_getbinval(table->vals[i], table->tupdesc, 1, &isnull));
		previous = MemoryContextSwitchTo(row_context);
		more = visit_row(table->vals[i], table->tupdesc, visit, context);
		MemoryContextSwitchTo(previous);
		MemoryContextReset(row_context);
		visited++;
		if (!more)
			break;
	}
	SPI_freetuptable(table);
	MemoryContextDelete(row_context);
	return visited;
}
