/*
 * publishing.c - see publishing.h. One publisher at a time in the whole server, beside the workers
 * that predictor.max_workers counts: what answers must not wait for what learns.
 *
 * How a standby learns of a change. Invalidations of predictor.model reach processes of its database
 * alone, and there may be none. So each change invalidates a relation that all databases share as well;
 * the launcher, which belongs to no database, hears of that and has every database looked at.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "extension/directory.h"
#include "extension/shared.h"
#include "worker/launcher.h"
#include "worker/publishing.h"
#include "worker/worker.h"

#define PAUSE_MS 1000

static BackgroundWorkerHandle *handle = NULL;
static TimestampTz not_before = 0;
static int	position = 0;		/* of the database that was served last */

void
publishing_listen(void)
{
	ResourceOwner owner = CurrentResourceOwner;

	/* invalidations are processed when a transaction begins */
	StartTransactionCommand();
	CommitTransactionCommand();
	CurrentResourceOwner = owner;
}

void
publishing_introduce_databases(void)
{
	ResourceOwner owner = CurrentResourceOwner;
	Relation	table;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	table = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(table, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (database->datallowconn && !database->datistemplate)
			shared_introduce_database(database->oid, false);
	}
	table_endscan(scan);
	table_close(table, AccessShareLock);
	CommitTransactionCommand();
	CurrentResourceOwner = owner;
}

/* The publisher has ended. One that could not even connect means a database that is gone or closed. */
static void
reap(void)
{
	Publisher  *publisher = &shared->publisher;

	if (publisher->is_done)
		shared_publication_ended(publisher->database, publisher->ticket, true);
	else
	{
		if (publisher->is_connected || shared_is_database_paused(publisher->database))
			shared_publication_ended(publisher->database, publisher->ticket, false);
		else
		{
			shared_publish_database(publisher->database, DATABASE_FREE, NULL);
			directory_keep(publisher->database, NULL, 0);
		}
		not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PAUSE_MS);
	}
	pfree(handle);
	handle = NULL;
}

void
publishing_round(void)
{
	Publisher  *publisher = &shared->publisher;
	pid_t		pid;

	if (handle != NULL && shared_is_database_paused(publisher->database))
		TerminateBackgroundWorker(handle);
	if (handle != NULL && GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED)
		reap();
	if (handle != NULL || GetCurrentTimestamp() < not_before ||
		!shared_next_publication(&position, &publisher->database, &publisher->ticket) ||
		shared_is_database_paused(publisher->database))
		return;
	publisher->is_connected = false;
	publisher->is_done = false;
	if (!launcher_start_worker("predictor_publisher_main", "predictor publisher", (Datum) 0,
							   BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
							   &handle))
	{
		handle = NULL;
		not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PAUSE_MS);
	}
}
