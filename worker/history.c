/*
 * history.c - see history.h. Records live in two tables: predictor.plan has what all executions of
 * a plan share, predictor.execution what differs, both with one array element for each node.
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
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "extension/settings.h"
#include "worker/history.h"

#define SEGMENTS 8
#define ROTATE_LOCK_TIMEOUT "50ms"
#define KNOWN_SIGNATURES 1024

/* ---- arrays ---- */

typedef Datum (*Element) (const PredictorNode *node);

static Datum n_operator(const PredictorNode *n) { return Int16GetDatum(n->op); }
static Datum n_parent(const PredictorNode *n) { return Int32GetDatum(n->parent); }
static Datum n_relationship(const PredictorNode *n) { return Int16GetDatum(n->relationship); }
static Datum n_join_type(const PredictorNode *n) { return Int16GetDatum(n->join_type); }
static Datum n_strategy(const PredictorNode *n) { return Int16GetDatum(n->strategy); }
static Datum n_partial_mode(const PredictorNode *n) { return Int16GetDatum(n->partial_mode); }
static Datum n_command(const PredictorNode *n) { return Int16GetDatum(n->command); }
static Datum n_clauses(const PredictorNode *n) { return Int16GetDatum(n->clauses); }
static Datum n_flags(const PredictorNode *n) { return Int32GetDatum(n->flags & ~PREDICTOR_NODE_ACTUAL_FLAGS); }
static Datum n_sort_keys(const PredictorNode *n) { return Int32GetDatum(n->sort_keys); }
static Datum n_relation(const PredictorNode *n) { return Int64GetDatum((int64) n->relation); }
static Datum n_index(const PredictorNode *n) { return Int64GetDatum((int64) n->index); }
static Datum n_predicate(const PredictorNode *n) { return Int64GetDatum((int64) n->predicate); }
static Datum n_selection(const PredictorNode *n) { return Int64GetDatum((int64) n->selection); }
static Datum n_links(const PredictorNode *n) { return Int64GetDatum((int64) n->links); }
static Datum n_constants(const PredictorNode *n) { return Int64GetDatum((int64) n->constants); }
static Datum n_coarse(const PredictorNode *n) { return Int64GetDatum((int64) n->coarse); }
static Datum n_startup_cost(const PredictorNode *n) { return Float8GetDatum(n->startup_cost); }
static Datum n_total_cost(const PredictorNode *n) { return Float8GetDatum(n->total_cost); }
static Datum n_plan_rows(const PredictorNode *n) { return Float8GetDatum(n->plan_rows); }
static Datum n_plan_width(const PredictorNode *n) { return Int32GetDatum(n->plan_width); }
static Datum n_workers(const PredictorNode *n) { return Int32GetDatum(n->workers_planned); }
static Datum n_pages(const PredictorNode *n) { return Float8GetDatum(n->relation_pages); }
static Datum n_tuples(const PredictorNode *n) { return Float8GetDatum(n->relation_tuples); }
static Datum n_actual_flags(const PredictorNode *n) { return Int32GetDatum(n->flags & PREDICTOR_NODE_ACTUAL_FLAGS); }
static Datum n_actual_startup(const PredictorNode *n) { return Float8GetDatum(n->actual_startup); }
static Datum n_actual_total(const PredictorNode *n) { return Float8GetDatum(n->actual_total); }
static Datum n_actual_rows(const PredictorNode *n) { return Float8GetDatum(n->actual_rows); }
static Datum n_actual_loops(const PredictorNode *n) { return Float8GetDatum(n->actual_loops); }
static Datum n_actual_memory(const PredictorNode *n) { return Float8GetDatum(n->actual_memory); }

typedef struct Column
{
	const char *name;
	Oid			element;		/* its array type is `array` */
	Oid			array;
	Element		value;
} Column;

static const Column plan_columns[] = {
	{"operator", INT2OID, INT2ARRAYOID, n_operator},
	{"parent", INT4OID, INT4ARRAYOID, n_parent},
	{"relationship", INT2OID, INT2ARRAYOID, n_relationship},
	{"join_type", INT2OID, INT2ARRAYOID, n_join_type},
	{"strategy", INT2OID, INT2ARRAYOID, n_strategy},
	{"partial_mode", INT2OID, INT2ARRAYOID, n_partial_mode},
	{"node_command", INT2OID, INT2ARRAYOID, n_command},
	{"clauses", INT2OID, INT2ARRAYOID, n_clauses},
	{"flags", INT4OID, INT4ARRAYOID, n_flags},
	{"sort_keys", INT4OID, INT4ARRAYOID, n_sort_keys},
	{"relation", INT8OID, INT8ARRAYOID, n_relation},
	{"index", INT8OID, INT8ARRAYOID, n_index},
	{"predicate", INT8OID, INT8ARRAYOID, n_predicate},
	{"selection", INT8OID, INT8ARRAYOID, n_selection},
	{"links", INT8OID, INT8ARRAYOID, n_links},
};

static const Column execution_columns[] = {
	{"node_constants", INT8OID, INT8ARRAYOID, n_constants},
	{"startup_cost", FLOAT8OID, FLOAT8ARRAYOID, n_startup_cost},
	{"total_cost", FLOAT8OID, FLOAT8ARRAYOID, n_total_cost},
	{"plan_rows", FLOAT8OID, FLOAT8ARRAYOID, n_plan_rows},
	{"plan_width", INT4OID, INT4ARRAYOID, n_plan_width},
	{"workers_planned", INT4OID, INT4ARRAYOID, n_workers},
	{"relation_pages", FLOAT8OID, FLOAT8ARRAYOID, n_pages},
	{"relation_tuples", FLOAT8OID, FLOAT8ARRAYOID, n_tuples},
	{"actual_flags", INT4OID, INT4ARRAYOID, n_actual_flags},
	{"actual_startup", FLOAT8OID, FLOAT8ARRAYOID, n_actual_startup},
	{"actual_total", FLOAT8OID, FLOAT8ARRAYOID, n_actual_total},
	{"actual_rows", FLOAT8OID, FLOAT8ARRAYOID, n_actual_rows},
	{"actual_loops", FLOAT8OID, FLOAT8ARRAYOID, n_actual_loops},
	{"actual_memory", FLOAT8OID, FLOAT8ARRAYOID, n_actual_memory},
	{"node_coarse", INT8OID, INT8ARRAYOID, n_coarse},
};

#define MAX_PARAMETERS 40

/* Values for one INSERT, in the order of its columns. */
typedef struct Row
{
	int			count;
	Datum		values[MAX_PARAMETERS];
	Oid			types[MAX_PARAMETERS];
	StringInfoData names;		/* of the columns; only while the statement is prepared */
} Row;

static void
put(Row *row, const char *name, Oid type, Datum value)
{
	Assert(row->count < MAX_PARAMETERS);
	row->values[row->count] = value;
	row->types[row->count] = type;
	row->count++;
	if (row->names.data != NULL)
		appendStringInfo(&row->names, "%s%s", row->count > 1 ? ", " : "", name);
}

static void
put_arrays(Row *row, const Column *columns, int count, const PredictorRecord *record)
{
	Datum	   *elements = palloc(sizeof(Datum) * record->node_count);

	for (int c = 0; c < count; c++)
	{
		Oid			type = columns[c].element;
		int			length = type == INT2OID ? 2 : type == INT4OID ? 4 : 8;
		char		align = type == INT2OID ? TYPALIGN_SHORT :
			type == INT4OID ? TYPALIGN_INT : TYPALIGN_DOUBLE;

		for (int i = 0; i < record->node_count; i++)
			elements[i] = columns[c].value(&record->nodes[i]);
		put(row, columns[c].name, columns[c].array,
			PointerGetDatum(construct_array(elements, record->node_count, type, length, true, align)));
	}
	pfree(elements);
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
	if (SPI_execute_plan(*plan, row->values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not insert into predictor.%s", table);
}

/* A small memory of the plans that this process has stored already. */
static bool
is_new_signature(uint64 signature)
{
	static uint64 known[KNOWN_SIGNATURES];
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
	put_arrays(&row, plan_columns, lengthof(plan_columns), record);
	insert(&plan, "plan", &row, " ON CONFLICT (signature) DO NOTHING");
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
	const PredictorStatement *s = &record->statement;
	Row			row = {0};

	if (plan == NULL)
		initStringInfo(&row.names);
	put(&row, "segment", INT2OID, Int16GetDatum(current_segment));
	put(&row, "id", INT8OID, next_id());
	put(&row, "signature", INT8OID, Int64GetDatum((int64) s->signature));
	put(&row, "query_id", INT8OID, Int64GetDatum((int64) s->query_id));
	put(&row, "constants", INT8OID, Int64GetDatum((int64) s->constants));
	put(&row, "key_id", INT8OID, Int64GetDatum((int64) s->key_id));
	put(&row, "finished_at", TIMESTAMPTZOID, TimestampTzGetDatum(s->finished_at));
	put(&row, "total_time", FLOAT8OID, Float8GetDatum(s->total_time));
	put(&row, "planning_time", FLOAT8OID, Float8GetDatum(s->planning_time));
	put(&row, "work_mem", INT4OID, Int32GetDatum(s->work_mem));
	put(&row, "instrumentation", INT2OID, Int16GetDatum(s->instrumentation));
	put(&row, "flags", INT4OID, Int32GetDatum(s->flags));
	put_arrays(&row, execution_columns, lengthof(execution_columns), record);
	insert(&plan, "execution", &row, "");
}

void
history_store(const PredictorRecord *record)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "predictor record",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);

	if (current_segment < 0)
		current_segment = read_current_segment();
	if (is_new_signature(record->statement.signature))
		store_plan(record);
	store_execution(record);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}

/* Plans whose executions have all expired go too; young ones stay, for they may be stored just now. */
#define FORGET_PLANS \
	"DELETE FROM predictor.plan p WHERE p.first_seen < pg_catalog.now() - interval '1 hour' " \
	"AND NOT EXISTS (SELECT 1 FROM predictor.execution e WHERE e.signature = p.signature)"

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
	current_segment = -1;
}

/* ---- reading ---- */

/* Element access to one row's arrays: all of them have the node count of the first. */
typedef struct Arrays
{
	HeapTuple	tuple;
	TupleDesc	desc;
	int			nodes;
} Arrays;

static const void *
array_data(Arrays *arrays, int column, Oid element)
{
	bool		isnull;
	Datum		value = SPI_getbinval(arrays->tuple, arrays->desc, column, &isnull);
	ArrayType  *array = isnull ? NULL : DatumGetArrayTypeP(value);

	if (array == NULL || ARR_NDIM(array) != 1 || ARR_HASNULL(array) ||
		ARR_ELEMTYPE(array) != element ||
		(arrays->nodes > 0 && ARR_DIMS(array)[0] != arrays->nodes))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a stored plan or execution has arrays of different lengths")));
	if (arrays->nodes == 0)
		arrays->nodes = ARR_DIMS(array)[0];
	return ARR_DATA_PTR(array);
}

#define SHORTS(column) ((const int16 *) array_data(arrays, column, INT2OID))
#define INTS(column) ((const int32 *) array_data(arrays, column, INT4OID))
#define LONGS(column) ((const int64 *) array_data(arrays, column, INT8OID))
#define DOUBLES(column) ((const float8 *) array_data(arrays, column, FLOAT8OID))

/* The scalar columns come first, then the arrays in the order of the two lists above. */
#define SCALARS 11
#define READ_SQL \
	"SELECT e.id, e.signature, e.query_id, e.constants, e.key_id, e.finished_at, e.total_time, " \
	"e.work_mem, e.instrumentation, e.flags, p.command, " \
	"p.operator, p.parent, p.relationship, p.join_type, p.strategy, p.partial_mode, " \
	"p.node_command, p.clauses, p.flags, p.sort_keys, p.relation, p.index, p.predicate, " \
	"p.selection, p.links, e.node_constants, e.startup_cost, e.total_cost, e.plan_rows, e.plan_width, " \
	"e.workers_planned, e.relation_pages, e.relation_tuples, e.actual_flags, " \
	"e.actual_startup, e.actual_total, e.actual_rows, e.actual_loops, e.actual_memory, e.node_coarse " \
	"FROM predictor.execution e JOIN predictor.plan p USING (signature) " \
	"WHERE e.id < $1 ORDER BY e.id DESC LIMIT $2"

static void
read_structure(Arrays *arrays, PredictorNode *nodes)
{
	const int16 *operator = SHORTS(SCALARS + 1);
	const int32 *parent = INTS(SCALARS + 2);
	const int16 *relationship = SHORTS(SCALARS + 3);
	const int16 *join_type = SHORTS(SCALARS + 4);
	const int16 *strategy = SHORTS(SCALARS + 5);
	const int16 *partial_mode = SHORTS(SCALARS + 6);
	const int16 *command = SHORTS(SCALARS + 7);
	const int16 *clauses = SHORTS(SCALARS + 8);
	const int32 *flags = INTS(SCALARS + 9);
	const int32 *sort_keys = INTS(SCALARS + 10);
	const int64 *relation = LONGS(SCALARS + 11);
	const int64 *index = LONGS(SCALARS + 12);
	const int64 *predicate = LONGS(SCALARS + 13);
	const int64 *selection = LONGS(SCALARS + 14);
	const int64 *links = LONGS(SCALARS + 15);

	for (int i = 0; i < arrays->nodes; i++)
	{
		nodes[i].op = operator[i];
		nodes[i].parent = parent[i];
		nodes[i].relationship = relationship[i];
		nodes[i].join_type = join_type[i];
		nodes[i].strategy = strategy[i];
		nodes[i].partial_mode = partial_mode[i];
		nodes[i].command = command[i];
		nodes[i].clauses = clauses[i];
		nodes[i].flags = flags[i];
		nodes[i].sort_keys = sort_keys[i];
		nodes[i].relation = (uint64) relation[i];
		nodes[i].index = (uint64) index[i];
		nodes[i].predicate = (uint64) predicate[i];
		nodes[i].selection = (uint64) selection[i];
		nodes[i].links = (uint64) links[i];
	}
}

static void
read_numbers(Arrays *arrays, PredictorNode *nodes)
{
	int			first = SCALARS + lengthof(plan_columns);
	const int64 *constants = LONGS(first + 1);
	const float8 *startup_cost = DOUBLES(first + 2);
	const float8 *total_cost = DOUBLES(first + 3);
	const float8 *plan_rows = DOUBLES(first + 4);
	const int32 *plan_width = INTS(first + 5);
	const int32 *workers = INTS(first + 6);
	const float8 *pages = DOUBLES(first + 7);
	const float8 *tuples = DOUBLES(first + 8);
	const int32 *actual_flags = INTS(first + 9);
	const float8 *startup = DOUBLES(first + 10);
	const float8 *total = DOUBLES(first + 11);
	const float8 *rows = DOUBLES(first + 12);
	const float8 *loops = DOUBLES(first + 13);
	const float8 *memory = DOUBLES(first + 14);
	const int64 *coarse = LONGS(first + 15);

	for (int i = 0; i < arrays->nodes; i++)
	{
		nodes[i].constants = (uint64) constants[i];
		nodes[i].startup_cost = startup_cost[i];
		nodes[i].total_cost = total_cost[i];
		nodes[i].plan_rows = plan_rows[i];
		nodes[i].plan_width = plan_width[i];
		nodes[i].workers_planned = workers[i];
		nodes[i].relation_pages = pages[i];
		nodes[i].relation_tuples = tuples[i];
		nodes[i].flags |= actual_flags[i];
		nodes[i].actual_startup = startup[i];
		nodes[i].actual_total = total[i];
		nodes[i].actual_rows = rows[i];
		nodes[i].actual_loops = loops[i];
		nodes[i].actual_memory = memory[i];
		nodes[i].coarse = (uint64) coarse[i];
	}
}

static void
read_statement(HeapTuple tuple, TupleDesc desc, PredictorStatement *s)
{
	bool		isnull;

#define GET(column) SPI_getbinval(tuple, desc, column, &isnull)
	memset(s, 0, sizeof(*s));
	s->signature = (uint64) DatumGetInt64(GET(2));
	s->query_id = (uint64) DatumGetInt64(GET(3));
	s->constants = (uint64) DatumGetInt64(GET(4));
	s->key_id = (uint64) DatumGetInt64(GET(5));
	s->finished_at = DatumGetTimestampTz(GET(6));
	s->total_time = DatumGetFloat8(GET(7));
	s->planning_time = get_float8_nan();
	s->work_mem = DatumGetInt32(GET(8));
	s->instrumentation = DatumGetInt16(GET(9));
	s->flags = DatumGetInt32(GET(10));
	s->command = DatumGetInt16(GET(11));
#undef GET
}

static bool
visit_row(HeapTuple tuple, TupleDesc desc, HistoryVisitor visit, void *context)
{
	Arrays		arrays = {tuple, desc, 0};
	PredictorRecord record;

	read_statement(tuple, desc, &record.statement);
	(void) array_data(&arrays, SCALARS + 1, INT2OID);
	record.node_count = arrays.nodes;
	record.nodes = palloc0(sizeof(PredictorNode) * arrays.nodes);
	read_structure(&arrays, record.nodes);
	read_numbers(&arrays, record.nodes);
	return visit(&record, context);
}

int64
history_read(int64 *before, int limit, HistoryVisitor visit, void *context)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[2] = {INT8OID, INT4OID};
	Datum		values[2] = {Int64GetDatum(*before), Int32GetDatum(limit)};
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "predictor record",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous;
	SPITupleTable *table;
	int64		visited = 0;
	bool		isnull;

	if (plan == NULL)
	{
		plan = SPI_prepare(READ_SQL, 2, types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the reading of history");
	}
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
