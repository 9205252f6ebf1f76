/*
 * jobs.c - see jobs.h.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"

#include "extension/jobs.h"

static bool
is_live(const TrainingJob *job)
{
	return job->state == JOB_REQUESTED || job->state == JOB_RUNNING;
}

bool
jobs_is_live(const pg_uuid_t *id)
{
	bool		found = false;

	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < PREDICTOR_MAX_JOBS && !found; i++)
		found = is_live(&shared->jobs[i]) && shared->jobs[i].database == MyDatabaseId &&
			memcmp(&shared->jobs[i].id, id, sizeof(*id)) == 0;
	LWLockRelease(shared->lock);
	return found;
}

int
jobs_take_slot(const TrainingJob *wanted, pg_uuid_t *running)
{
	int			unused = -1;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PREDICTOR_MAX_JOBS; i++)
	{
		TrainingJob *job = &shared->jobs[i];

		if (is_live(job) && job->database == wanted->database &&
			memcmp(&job->model_id, &wanted->model_id, sizeof(pg_uuid_t)) == 0)
		{
			*running = job->id;
			unused = -2;
			break;
		}
		if (job->state == JOB_FREE && unused < 0)
			unused = i;
	}
	if (unused >= 0)
		shared->jobs[unused] = *wanted;
	LWLockRelease(shared->lock);
	return unused;
}

void
jobs_wake_trainer(int pid)
{
	PGPROC	   *proc = pid > 0 ? BackendPidGetProc(pid) : NULL;

	if (proc != NULL)
		SetLatch(&proc->procLatch);
}

static DatabaseEntry *
find_database(Oid database)
{
	for (int i = 0; i < PREDICTOR_MAX_DATABASES; i++)
		if (shared->databases[i].state != DATABASE_FREE && shared->databases[i].oid == database)
			return &shared->databases[i];
	return NULL;
}

void
jobs_look_at(Oid database, TimestampTz when)
{
	DatabaseEntry *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = find_database(database);
	if (entry != NULL && (entry->look_at > when))
		entry->look_at = when;
	LWLockRelease(shared->lock);
	/* a database that is not known is looked at when it becomes so */
	if (entry == NULL && database == MyDatabaseId)
		shared_announce_database();
	shared_wake_launcher();
}

bool
jobs_take_look(Oid database)
{
	DatabaseEntry *entry;
	bool		due;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = find_database(database);
	due = entry != NULL && entry->look_at <= GetCurrentTimestamp();
	if (due)
		entry->look_at = DT_NOEND;
	LWLockRelease(shared->lock);
	return due;
}

int
jobs_looks_due(Oid *databases, int count)
{
	TimestampTz now = GetCurrentTimestamp();
	int			found = 0;

	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < PREDICTOR_MAX_DATABASES && found < count; i++)
		if (shared->databases[i].state == DATABASE_READY && shared->databases[i].look_at <= now)
			databases[found++] = shared->databases[i].oid;
	LWLockRelease(shared->lock);
	return found;
}
