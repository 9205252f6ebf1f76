/*
 * batch.c - see batch.h.
 */
#include "postgres.h"

#include "storage/lwlock.h"
#include "utils/memutils.h"

#include "extension/shared.h"
#include "worker/batch.h"

#define BATCH_BYTES (1024 * 1024)

/* A segment, or NULL: with /dev/shm full, dsm_create() raises and we must live on. */
static dsm_segment *
create_segment(Size size)
{
	MemoryContext context = CurrentMemoryContext;
	dsm_segment *volatile segment = NULL;

	PG_TRY();
	{
		segment = dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		LWLockReleaseAll();
	}
	PG_END_TRY();
	return segment;
}

dsm_segment *
batch_make(Oid database, Queue *queue)
{
	uint32		records = 0;
	Size		bytes = queue != NULL && queue->bytes > 0 ?
		queue_batch(queue, BATCH_BYTES, &records) : 0;
	dsm_segment *segment = create_segment(MAXALIGN(sizeof(Batch)) + bytes);
	Batch	   *batch;

	if (segment == NULL)
		return NULL;
	dsm_pin_mapping(segment);
	batch = dsm_segment_address(segment);
	memset(batch, 0, sizeof(*batch));
	pg_atomic_init_u32(&batch->left, 0);
	batch->database = database;
	batch->records = records;
	batch->bytes = bytes;
	if (bytes > 0)
		memcpy(BATCH_RECORDS(batch), queue->data, bytes);
	return segment;
}

void
batch_is_given(dsm_segment *segment, Queue *queue)
{
	const Batch *batch = dsm_segment_address(segment);

	if (batch->bytes > 0)
		queue_remove(queue, batch->bytes, batch->records);
}

bool
batch_settle(dsm_segment *segment, TimestampTz oldest)
{
	const Batch *batch = dsm_segment_address(segment);
	Queue	   *queue = queue_of(batch->database);
	bool		is_paused = shared_is_database_paused(batch->database);
	bool		is_gone = batch->state == BATCH_GIVEN && !is_paused;
	uint32		rest = batch->records - batch->stored_records;

	if (batch->state == BATCH_ABSENT || is_gone)
	{
		shared_count_many(COUNTER_DROPPED_WORKER, rest);
		if (queue != NULL)
			queue_drop(queue);
	}
	else
		queue_put_back(batch->database, BATCH_RECORDS(batch) + batch->stored_bytes,
					   batch->bytes - batch->stored_bytes, rest, oldest);
	if (is_gone)
		shared_publish_database(batch->database, DATABASE_FREE, NULL);
	else if (queue != NULL && batch->state == BATCH_DONE)
		queue->pause_ms = 0;
	else if (queue != NULL && batch->state != BATCH_ABSENT && !is_paused)
	{
		shared_count(COUNTER_FLUSH_FAILURES);
		queue_pause(queue);
	}
	return !is_gone;
}

void
batch_leave(Batch *batch)
{
	if (pg_atomic_fetch_add_u32(&batch->left, 1) == 1)
		shared_count_many(COUNTER_DROPPED_WORKER, batch->records - batch->stored_records);
}
