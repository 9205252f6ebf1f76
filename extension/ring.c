/*
 * ring.c - see ring.h for the rules. Positions only grow; position modulo size is the place.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"

#include "extension/allocate.h"
#include "extension/ring.h"
#include "extension/settings.h"
#include "extension/shared.h"

typedef enum RingResult
{
	RING_OK,
	RING_BUSY,					/* all locks taken */
	RING_FULL,
	RING_TOO_LARGE				/* would not fit into an empty ring */
} RingResult;

typedef struct Ring
{
	LWLock	   *lock;
	uint64		head;			/* next byte to take */
	uint64		tail;			/* next byte to fill */
	Size		size;
	Size		offset;			/* of the bytes, from the first Ring */
} Ring;

static Ring *rings = NULL;

static Size
partition_size(void)
{
	return TYPEALIGN(BLCKSZ, (Size) predictor_ring_size * 1024 / RING_PARTITIONS);
}

static Size
headers_size(void)
{
	return MAXALIGN(sizeof(Ring) * RING_PARTITIONS);
}

Size
ring_shmem_size(void)
{
	return headers_size() + partition_size() * RING_PARTITIONS;
}

Size
ring_record_limit(void)
{
	return partition_size() / 2;
}

void
ring_shmem_init(LWLockPadded *locks)
{
	bool		found;
	Ring	   *memory = ShmemInitStruct("predictor ring", ring_shmem_size(), &found);

	if (!found)
	{
		memset(memory, 0, headers_size());
		for (int i = 0; i < RING_PARTITIONS; i++)
		{
			memory[i].lock = &locks[i].lock;
			memory[i].size = partition_size();
			memory[i].offset = headers_size() + partition_size() * i;
		}
	}
	rings = memory;
}

static void
copy_in(Ring *ring, uint64 position, const char *bytes, Size length)
{
	char	   *base = (char *) rings + ring->offset;
	Size		place = position % ring->size;
	Size		first = Min(length, ring->size - place);

	memcpy(base + place, bytes, first);
	memcpy(base, bytes + first, length - first);
}

static void
copy_out(Ring *ring, uint64 position, char *bytes, Size length)
{
	char	   *base = (char *) rings + ring->offset;
	Size		place = position % ring->size;
	Size		first = Min(length, ring->size - place);

	memcpy(bytes, base + place, first);
	memcpy(bytes + first, base, length - first);
}

/* `texts` of the `length` bytes are not the record's own. */
static RingResult
put(Oid database, const void *record, uint32 length, uint32 texts)
{
	Size		needed = sizeof(RingHeader) + MAXALIGN(length);
	int			start = MyProcPid % RING_PARTITIONS;
	RingResult	result = RING_BUSY;
	bool		wake = false;

	if (needed > ring_record_limit())
		return RING_TOO_LARGE;
	for (int i = 0; i < RING_PARTITIONS && result != RING_OK; i++)
	{
		Ring	   *ring = &rings[(start + i) % RING_PARTITIONS];

		if (!LWLockConditionalAcquire(ring->lock, LW_EXCLUSIVE))
			continue;
		if (ring->tail + needed - ring->head > ring->size)
			result = RING_FULL;
		else
		{
			RingHeader	header = {length, texts, database, 0};

			copy_in(ring, ring->tail, (const char *) &header, sizeof(header));
			copy_in(ring, ring->tail + sizeof(header), record, length);
			/* once, when it gets half full */
			wake = ring->tail - ring->head < ring->size / 2 &&
				ring->tail + needed - ring->head >= ring->size / 2;
			ring->tail += needed;
			result = RING_OK;
		}
		LWLockRelease(ring->lock);
	}
	if (wake || result == RING_FULL)
		shared_wake_launcher();
	return result;
}

bool
ring_put_record(const PredictorRecord *record, RingTexts *texts, MemoryContext context)
{
	Size		size = predictor_encoded_size(record->node_count);
	char	   *bytes = allocate_or_null(context, size + texts->size);
	Size		written;
	RingResult	result = RING_TOO_LARGE;

	/* the record is worth more than its texts, which come again */
	if (bytes == NULL && texts->size > 0)
	{
		texts->size = 0;
		bytes = allocate_or_null(context, size);
	}
	if (bytes == NULL)
	{
		shared_count(COUNTER_DROPPED_MEMORY);
		return false;
	}
	written = predictor_encode(record, bytes, size);
	if (written > 0 && texts->size > 0)
	{
		memcpy(bytes + written, texts->bytes, texts->size);
		result = put(MyDatabaseId, bytes, written + texts->size, texts->size);
	}
	if (written > 0 && (result == RING_TOO_LARGE || result == RING_FULL))
	{
		texts->size = 0;
		result = put(MyDatabaseId, bytes, written, 0);
	}
	switch (result)
	{
		case RING_OK:
			shared_count(COUNTER_CAPTURED);
			break;
		case RING_BUSY:
			shared_count(COUNTER_DROPPED_BUSY);
			break;
		case RING_FULL:
			shared_count(COUNTER_DROPPED_FULL);
			break;
		case RING_TOO_LARGE:
			shared_count(COUNTER_DROPPED_LARGE);
			break;
	}
	pfree(bytes);
	return result == RING_OK;
}

Size
ring_take(int partition, char *out, Size size)
{
	Ring	   *ring = &rings[partition];
	Size		taken = 0;

	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	while (ring->head < ring->tail)
	{
		RingHeader	header;
		Size		length;

		copy_out(ring, ring->head, (char *) &header, sizeof(header));
		length = RING_LENGTH(&header);
		if (taken + length > size)
			break;
		copy_out(ring, ring->head, out + taken, length);
		ring->head += length;
		taken += length;
	}
	LWLockRelease(ring->lock);
	return taken;
}
