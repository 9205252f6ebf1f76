/*
 * collector.c - looks into one database and stores one batch of records; then it ends.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "extension/facade.h"
#include "extension/ring.h"
#include "extension/shared.h"
#include "worker/history.h"
#include "worker/launcher.h"
#include "worker/publishing.h"
#include "worker/worker.h"

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
	int			count = predictor_peek_node_count(bytes, header->length);
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
	if (predictor_decode(bytes, header->length, &record->statement, record->nodes, *capacity,
						 &nodes, &consumed) != 0)
		return false;
	record->node_count = nodes;
	history_store(record);
	return true;
}

/* Stores the batch in one transaction. */
static void
store_batch(Batch *batch)
{
	PredictorRecord record = {{0}};
	int			capacity = 0;
	int64		stored = 0;

	worker_begin("storing captured statements");
	for (Size at = 0; at < batch->bytes;)
	{
		RingHeader *header = (RingHeader *) (BATCH_RECORDS(batch) + at);

		CHECK_FOR_INTERRUPTS();
		if (store_one(header, &record, &capacity))
			stored++;
		else
			shared_count(COUNTER_DROPPED_WORKER);
		at += sizeof(RingHeader) + MAXALIGN(header->length);
	}
	history_rotate(stored);
	worker_commit();
	shared_count_many(COUNTER_FLUSHED, stored);
	shared_count_many(COUNTER_FLUSHES, 1);
}

static void
try_store_batch(Batch *batch)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		store_batch(batch);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		shared_count_many(COUNTER_DROPPED_WORKER, batch->records);
		shared_count_many(COUNTER_FLUSH_FAILURES, 1);
	}
	PG_END_TRY();
}

void
predictor_collector_main(Datum arg)
{
	dsm_segment *segment;
	Batch	   *batch;
	Oid			database;

	CurrentResourceOwner = ResourceOwnerCreate(NULL, "predictor collector");
	segment = dsm_attach(DatumGetUInt32(arg));
	if (segment == NULL)
		return;					/* the launcher has gone, and with it our work */
	dsm_pin_mapping(segment);
	batch = dsm_segment_address(segment);
	database = batch->database;

	worker_connect(database, "predictor collector");
	/* nobody's lock on our tables may keep one of the few workers */
	SetConfigOption("lock_timeout", "5s", PGC_SUSET, PGC_S_OVERRIDE);
	batch->state = BATCH_CONNECTED;
	if (!look())
		shared_count_many(COUNTER_DROPPED_WORKER, batch->records);
	else if (batch->bytes > 0)
		try_store_batch(batch);
	batch->state = BATCH_DONE;
}
