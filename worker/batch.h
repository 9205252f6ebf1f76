/*
 * batch.h - what the launcher hands to a collector: a batch of records in a DSM segment.
 */
#ifndef PREDICTOR_BATCH_H
#define PREDICTOR_BATCH_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/dsm.h"

#include "worker/queue.h"

typedef enum BatchState
{
	BATCH_GIVEN = 0,			/* the collector has not said anything yet */
	BATCH_CONNECTED,			/* it reached the database */
	BATCH_ABSENT,				/* the extension is not there */
	BATCH_DELAYED,				/* what is not stored could be stored later */
	BATCH_DONE
} BatchState;

/*
 * At the start of the segment; `bytes` of records with ring headers follow. The collector writes to
 * it, the launcher reads it when the collector has ended. What is counted as stored is committed or
 * given up, so that the rest can go to another collector however this one ended.
 */
typedef struct Batch
{
	volatile BatchState state;
	Oid			database;
	uint32		records;
	Size		bytes;
	pg_atomic_uint32 left;		/* of launcher and collector, how many have ended without settling */
	volatile uint32 stored_records;
	volatile Size stored_bytes;
} Batch;

#define BATCH_RECORDS(batch) ((char *) (batch) + MAXALIGN(sizeof(Batch)))

/*
 * For the launcher: a segment with what is at the front of the queue, or empty if `queue` is NULL or
 * empty. NULL when no segment can be had. The records leave the queue when a worker was found for
 * them (batch_is_given).
 */
extern dsm_segment *batch_make(Oid database, Queue *queue);
extern void batch_is_given(dsm_segment *segment, Queue *queue);

/*
 * For the launcher: the collector has ended. What it did not store goes back into its queue, unless
 * it never can be stored. False: the database could not be reached, and is forgotten until it asks.
 */
extern bool batch_settle(dsm_segment *segment, TimestampTz oldest);

/*
 * For both: this process ends. If the launcher did not live to settle, whoever is the last counts as
 * dropped what is not stored.
 */
extern void batch_leave(Batch *batch);

#endif
