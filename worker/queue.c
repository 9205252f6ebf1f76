/*
 * queue.c - see queue.h.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "extension/allocate.h"
#include "extension/settings.h"
#include "worker/queue.h"

#define FIRST_ALLOCATION (16 * 1024)
#define FIRST_PAUSE_MS 1000
#define LONGEST_PAUSE_MS 60000

Queue		queues[PREDICTOR_MAX_DATABASES];
static Size queued_bytes = 0;

Queue *
queue_of(Oid database)
{
	Queue	   *unused = NULL;

	for (int i = 0; i < PREDICTOR_MAX_DATABASES; i++)
	{
		if (queues[i].database == database)
			return &queues[i];
		if (unused == NULL && queues[i].bytes == 0 && queues[i].pause_ms == 0)
			unused = &queues[i];
	}
	if (unused != NULL)
	{
		memset(unused, 0, sizeof(*unused));
		unused->database = database;
	}
	return unused;
}

/* Makes room for so many bytes more, if the bounds allow it and there is memory. */
static bool
make_room(Queue *queue, Size length)
{
	Size		limit = (Size) predictor_queue_size * 1024;
	Size		needed = queue->bytes + length;
	Size		allocated = Max(queue->allocated, FIRST_ALLOCATION);
	char	   *data;

	if (queued_bytes + length > limit || needed > limit / 2)
		return false;
	while (allocated < needed)
		allocated *= 2;
	if (allocated == queue->allocated)
		return true;
	data = allocate_or_null(TopMemoryContext, allocated);
	if (data == NULL)
		return false;
	if (queue->data != NULL)
	{
		memcpy(data, queue->data, queue->bytes);
		pfree(queue->data);
	}
	queue->data = data;
	queue->allocated = allocated;
	return true;
}

void
queue_append(const RingHeader *header, Size length)
{
	Queue	   *queue = queue_of(header->database);

	if (queue == NULL || !make_room(queue, length))
	{
		shared_count(COUNTER_DROPPED_QUEUE);
		return;
	}
	if (queue->records == 0)
		queue->oldest = GetCurrentTimestamp();
	memcpy(queue->data + queue->bytes, header, length);
	queue->bytes += length;
	queue->records++;
	queued_bytes += length;
}

Size
queue_batch(const Queue *queue, Size limit, uint32 *records)
{
	Size		bytes = 0;

	*records = 0;
	while (bytes < queue->bytes)
	{
		const RingHeader *header = (const RingHeader *) (queue->data + bytes);
		Size		length = RING_LENGTH(header);

		if (bytes > 0 && bytes + length > limit)
			break;
		bytes += length;
		(*records)++;
	}
	return bytes;
}

void
queue_remove(Queue *queue, Size bytes, uint32 records)
{
	memmove(queue->data, queue->data + bytes, queue->bytes - bytes);
	queue->bytes -= bytes;
	queue->records -= records;
	queued_bytes -= bytes;
	if (queue->bytes == 0)
	{
		pfree(queue->data);
		queue->data = NULL;
		queue->allocated = 0;
	}
}

void
queue_put_back(Oid database, const char *bytes, Size size, uint32 records, TimestampTz oldest)
{
	Queue	   *queue = size > 0 ? queue_of(database) : NULL;

	if (size == 0)
		return;
	if (queue == NULL || !make_room(queue, size))
	{
		shared_count_many(COUNTER_DROPPED_QUEUE, records);
		return;
	}
	memmove(queue->data + size, queue->data, queue->bytes);
	memcpy(queue->data, bytes, size);
	queue->bytes += size;
	queue->records += records;
	queue->oldest = oldest;
	queued_bytes += size;
}

void
queue_drop(Queue *queue)
{
	shared_count_many(COUNTER_DROPPED_WORKER, queue->records);
	if (queue->bytes > 0)
		queue_remove(queue, queue->bytes, queue->records);
	memset(queue, 0, sizeof(*queue));
}

void
queue_pause(Queue *queue)
{
	queue->pause_ms = queue->pause_ms == 0 ? FIRST_PAUSE_MS :
		Min(queue->pause_ms * 2, LONGEST_PAUSE_MS);
	queue->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), queue->pause_ms);
}
