/*
 * queue.h - records that wait in the launcher's memory for a collector: a queue for each database.
 *
 * The queues together are bounded by predictor.queue_size, and each alone by half of it, so that one
 * busy database cannot crowd out the others. What does not fit is dropped and counted. The launcher
 * alone uses this; nothing here is shared.
 */
#ifndef PREDICTOR_QUEUE_H
#define PREDICTOR_QUEUE_H

#include "postgres.h"

#include "extension/ring.h"
#include "extension/shared.h"
#include "utils/timestamp.h"

typedef struct Queue
{
	Oid			database;		/* another's may take the place when it is empty */
	TimestampTz oldest;			/* when the first of them arrived */
	TimestampTz not_before;		/* no collector before: the last one could not do its work */
	int			pause_ms;		/* how long that was; 0: the last one could */
	uint32		records;
	Size		bytes;
	Size		allocated;
	char	   *data;
} Queue;

/* All places for queues, used or not. */
extern Queue queues[PREDICTOR_MAX_DATABASES];

/* The queue of a database, made if need be; NULL when there are too many. */
extern Queue *queue_of(Oid database);

/* Appends a record with its header. */
extern void queue_append(const RingHeader *header, Size length);

/* How many bytes at the front make a batch of at most `limit`: whole records, at least one. */
extern Size queue_batch(const Queue *queue, Size limit, uint32 *records);

/* Takes so much away from the front. An empty queue gives back its memory. */
extern void queue_remove(Queue *queue, Size bytes, uint32 records);

/* Puts back to the front what a collector could not store. */
extern void queue_put_back(Oid database, const char *bytes, Size size, uint32 records,
						   TimestampTz oldest);

/* Drops all of it, counts that, and gives the place back. */
extern void queue_drop(Queue *queue);

/* After a failure: each pause is twice as long as the last, up to a minute. */
extern void queue_pause(Queue *queue);

#endif
