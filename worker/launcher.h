/*
 * launcher.h - what the launcher hands to a collector: a batch of records in a DSM segment.
 */
#ifndef PREDICTOR_LAUNCHER_H
#define PREDICTOR_LAUNCHER_H

#include "postgres.h"

#include "storage/dsm.h"

typedef enum BatchState
{
	BATCH_GIVEN = 0,			/* the collector has not said anything yet */
	BATCH_CONNECTED,			/* it reached the database */
	BATCH_DONE
} BatchState;

/* At the start of the segment; `bytes` of records with ring headers follow. */
typedef struct Batch
{
	volatile BatchState state;
	Oid			database;
	uint32		records;
	Size		bytes;
} Batch;

#define BATCH_RECORDS(batch) ((char *) (batch) + MAXALIGN(sizeof(Batch)))

#endif
