/*
 * ring.h - captured records on their way from backends to the launcher.
 *
 * A few byte rings, each under its own lock. Producers take a lock conditionally, try the next ring
 * when it is taken, and give up rather than wait; a full ring drops the record. The launcher is the
 * only consumer and copies out at most a bounded number of bytes at a time.
 */
#ifndef PREDICTOR_RING_H
#define PREDICTOR_RING_H

#include "postgres.h"

#include "storage/lwlock.h"

#include "extension/facade.h"

#define RING_PARTITIONS 4

/* Stands before each record; the record and its texts follow, padded to MAXALIGN. */
typedef struct RingHeader
{
	uint32		length;			/* of both, without header and padding */
	uint32		texts;			/* of the texts, which stand at the end */
	Oid			database;
	uint32		reserved;
} RingHeader;

/* What goes with a record, if there is room for it. */
typedef struct RingTexts
{
	const char *bytes;
	Size		size;
} RingTexts;

/* Of a record with header and padding. */
#define RING_LENGTH(header) (sizeof(RingHeader) + MAXALIGN((header)->length))

extern Size ring_shmem_size(void);
extern void ring_shmem_init(LWLockPadded *locks);

/*
 * Encodes the record, for which it takes memory in `context` for a moment, and puts it into a ring;
 * counts it as captured or, with the reason, as dropped, and tells which. Texts for which the ring has
 * no room are left behind, and texts->size is 0 then. Raises nothing and waits for nothing.
 */
extern bool ring_put_record(const PredictorRecord *record, RingTexts *texts, MemoryContext context);

/*
 * Moves whole records, headers included, from one ring into `out`. Returns the bytes written; 0
 * when the ring is empty. `size` must be at least ring_record_limit().
 */
extern Size ring_take(int partition, char *out, Size size);

/* Largest record with header that any ring can hold. */
extern Size ring_record_limit(void);

#endif
