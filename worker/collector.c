/*
 * collector.c - looks into one database and stores one batch of records; then it ends.
 *
 * Transactions are short, for what they lock (the extension, its tables) somebody may want: at most
 * history_transaction_limit() records and about TRANSACTION_MS. What is stored is noted in the batch
 * after each commit, so that the launcher can give the rest to another collector however this one
 * ends. Between two transactions the extension may be dropped and made again; so each looks whether
 * the tables it is about to write are the extension's.
 */
#include "postgres.h"

#include <sys/resource.h>

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "extension/facade.h"
#include "extension/ring.h"
#include "extension/shared.h"
#include "worker/accuracy.h"
#include "worker/batch.h"
#include "worker/history.h"
#include "worker/policy.h"
#include "worker/publishing.h"
#include "worker/worker.h"

#define TRANSACTION_MS 200

/* Finds out whether the extension is here, and tells everyone. */
static bool
look(void)
{
	HashKey		key;
	bool		found;

	worker_begin("looking for extension predictor");
	found = publisher_read_key(&key);
	worker_commit();
	shared_publish_database(MyDatabaseId, found ? DATABASE_READY : DATABASE_ABSENT,
							found ? &key : NULL);
	return found;
}

static bool
store_one(const RingHeader *header, PredictorRecord *record, int *capacity)
{
	const char *bytes = (const char *) (header + 1);
	Size		length = header->length - header->texts;
	int			count = predictor_peek_node_count(bytes, length);
	size_t		consumed;
	int			nodes;

	if (count <= 0 || count > PREDICTOR_MAX_NODES)
		return false;
	if (count > *capacity)
	{
		record->nodes = record->nodes == NULL ? palloc(count * sizeof(PredictorNode)) :
			repalloc(record->nodes, count * sizeof(PredictorNode));
		*capacity = count;
	}
	if (predictor_decode(bytes, length, &record->statement, record->nodes, *capacity,
						 &nodes, &consumed) != 0)
		return false;
	record->node_count = nodes;
	history_store(record, bytes + length, header->texts);
	accuracy_note(record);
	return true;
}

/* How far the transaction under way has come, for when it fails. */
typedef struct Progress
{
	Size		at;				/* of the record being stored, in the batch */
	bool		is_storing;		/* fails inside one record, not around all of them */
} Progress;

/*
 * Stores records from the first that is not stored yet up to `limit`, in one transaction of bounded
 * size and time. False: the extension is gone.
 */
static bool
store_some(Batch *batch, Size limit, Progress *progress)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TRANSACTION_MS);
	PredictorRecord record = {{0}};
	int			capacity = 0;
	int			records = 0;
	int64		stored = 0;

	progress->is_storing = false;
	progress->at = batch->stored_bytes;
	worker_begin("storing captured statements");
	if (!history_begin())
	{
		worker_commit();
		return false;
	}
	accuracy_begin();
	progress->is_storing = true;
	while (progress->at < limit && records < history_transaction_limit() && GetCurrentTimestamp() < until)
	{
		RingHeader *header = (RingHeader *) (BATCH_RECORDS(batch) + progress->at);

		CHECK_FOR_INTERRUPTS();
		stored += store_one(header, &record, &capacity);
		records++;
		progress->at += RING_LENGTH(header);
	}
	progress->is_storing = false;
	accuracy_store();
	history_rotate(stored);
	worker_commit();
	accuracy_publish();
	batch->stored_bytes = progress->at;
	batch->stored_records += records;
	shared_count_many(COUNTER_FLUSHED, stored);
	shared_count_many(COUNTER_DROPPED_WORKER, records - stored);
	shared_count(COUNTER_FLUSHES);
	return true;
}

/* Could the same record be stored at another time? No space, locks, cancellation, I/O errors. */
static bool
passes_by(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_SYSTEM_ERROR:
			return true;
		default:
			return false;
	}
}

/* After an error: aborts, says it if it is news, and returns its SQLSTATE. */
static int
recover(MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();
	if (shared_storing_changed(error->sqlerrcode))
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("history of database %u is not stored: %s", MyDatabaseId, error->message),
				 errdetail("Records wait in memory as far as predictor.queue_size allows. "
						   "This is said once until storing works again.")));
	return error->sqlerrcode;
}

/* The record that cannot be stored is given up. */
static void
give_up_record(Batch *batch)
{
	RingHeader *header = (RingHeader *) (BATCH_RECORDS(batch) + batch->stored_bytes);

	batch->stored_bytes += RING_LENGTH(header);
	batch->stored_records++;
	shared_count(COUNTER_DROPPED_WORKER);
	shared_count(COUNTER_FLUSH_FAILURES);
}

/* Stores the batch, and says what remains to be done with the rest of it. */
static BatchState
store_batch(Batch *batch)
{
	MemoryContext context = CurrentMemoryContext;
	volatile Size limit = batch->bytes;
	Progress	progress;

	while (batch->stored_bytes < batch->bytes)
	{
		volatile int sqlstate = 0;
		volatile bool is_here = true;

		if (shared_is_database_paused(MyDatabaseId))
			return BATCH_DELAYED;
		PG_TRY();
		{
			is_here = store_some(batch, limit, &progress);
		}
		PG_CATCH();
		{
			sqlstate = recover(context);
		}
		PG_END_TRY();
		if (!is_here)
			return BATCH_ABSENT;
		if (sqlstate == 0)
			limit = batch->bytes;
		else if (!progress.is_storing || passes_by(sqlstate))
			return BATCH_DELAYED;
		else if (progress.at > batch->stored_bytes)
			limit = progress.at;	/* what comes before the record can be stored */
		else
			give_up_record(batch);
	}
	if (batch->bytes > 0 && shared_storing_changed(0))
		ereport(LOG, (errmsg("history of database %u is stored again", MyDatabaseId)));
	return BATCH_DONE;
}

/* What this process has used, its start included. */
static void
count_cpu_time(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	shared_count_many(COUNTER_FLUSH_CPU,
					  (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * UINT64CONST(1000000) +
					  usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void
leave(int code, Datum batch)
{
	batch_leave((Batch *) DatumGetPointer(batch));
}

void
predictor_collector_main(Datum arg)
{
	dsm_segment *segment;
	Batch	   *batch;
	Oid			database;
	BatchState	state;
	bool		found;

	CurrentResourceOwner = ResourceOwnerCreate(NULL, "predictor collector");
	segment = dsm_attach(DatumGetUInt32(arg));
	if (segment == NULL)
		return;					/* the launcher has gone, and with it our work */
	dsm_pin_mapping(segment);
	batch = dsm_segment_address(segment);
	database = batch->database;
	before_shmem_exit(leave, PointerGetDatum(batch));

	worker_connect(database, "predictor collector");
	/* nobody's lock on our tables may keep one of the few workers */
	SetConfigOption("lock_timeout", "1s", PGC_SUSET, PGC_S_OVERRIDE);
	batch->state = BATCH_CONNECTED;
	found = look();
	state = found ? store_batch(batch) : BATCH_ABSENT;
	if (found && batch->bytes > 0)
		policy_statements_stored();
	batch->state = state;
	count_cpu_time();
	if (found)
		policy_look();
}
