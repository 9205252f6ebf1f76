/*
 * launcher.h - what the launcher hands to a collector, a batch of records in a DSM segment; and how it
 * starts workers.
 */
#ifndef PREDICTOR_LAUNCHER_H
#define PREDICTOR_LAUNCHER_H

#include "postgres.h"

#include "postmaster/bgworker.h"
#include "storage/dsm.h"

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
	volatile uint32 stored_records;
	volatile Size stored_bytes;
} Batch;

/* Starts a dynamic worker whose end wakes the launcher; says once in the log if no slot is free. */
extern bool launcher_start_worker(const char *function, const char *name, Datum argument, int flags,
								  BackgroundWorkerHandle **handle);

#define BATCH_RECORDS(batch) ((char *) (batch) + MAXALIGN(sizeof(Batch)))

#endif
