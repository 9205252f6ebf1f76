/*
 * launcher.c - drains the ring and starts the other workers; its states are in README.md.
 *
 * It is connected to no database, only to what all databases share, so that invalidations reach it; it
 * holds no lock but, for moments, those of the ring and of the shared state. What waits for a worker is
 * in its own memory (queue.h).
 */
#include "postgres.h"

#include "access/xlog.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "extension/compat.h"
#include "extension/engine_files.h"
#include "extension/jobs.h"
#include "extension/ring.h"
#include "extension/settings.h"
#include "extension/shared.h"
#include "worker/batch.h"
#include "worker/launcher.h"
#include "worker/publishing.h"
#include "worker/queue.h"
#include "worker/worker.h"

#define MAX_RUNNING 64
#define FLUSH_BYTES (256 * 1024)
/* Between two starts of the keeper: after a failure twice as long each time, below what a training waits for it. */
#define KEEPER_PAUSE_MS 2000
#define KEEPER_LONGEST_PAUSE_MS 10000
#define LOOK_PAUSE_MS 1000
#define TRAINER_PAUSE_MS 10000

/* A worker that the launcher started. */
typedef struct Running
{
	BackgroundWorkerHandle *handle; /* NULL: not used */
	Oid			database;
	bool		told_to_leave;	/* its database is wanted empty */
	dsm_segment *segment;		/* of a collector; NULL: a trainer */
	TimestampTz oldest;			/* of a collector: when its first record arrived */
	int			job;			/* of a trainer: the slot in shared->jobs */
} Running;

static Running running[MAX_RUNNING];
static BackgroundWorkerHandle *keeper_handle = NULL;
static TimestampTz keeper_started = 0;
static bool said_no_slot = false;
static TimestampTz look_again_at = 0;	/* after a collector that could not do its work */
static char *drain_buffer = NULL;

/* The flush being worked on: done when everything that was here when it began is stored. */
static uint64 flush_ticket = 0;
static TimestampTz flush_began = 0;

DEFINE_WAIT_EVENT(wait_event_launcher, "PredictorLauncher")

void
launcher_register(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 1;
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "predictor");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "predictor_launcher_main");
	snprintf(worker.bgw_name, BGW_MAXLEN, "predictor launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "predictor launcher");
	RegisterBackgroundWorker(&worker);
}

static void
drain_ring(void)
{
	for (int partition = 0; partition < RING_PARTITIONS; partition++)
	{
		Size		taken;

		while ((taken = ring_take(partition, drain_buffer, ring_record_limit())) > 0)
		{
			for (Size at = 0; at < taken;)
			{
				RingHeader *header = (RingHeader *) (drain_buffer + at);

				queue_append(header, RING_LENGTH(header));
				at += RING_LENGTH(header);
			}
		}
	}
}

/* ---- workers ---- */

bool
launcher_start_worker(const char *function, const char *name, Datum argument, int flags,
					  BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = flags;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "predictor");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "%s", function);
	snprintf(worker.bgw_name, BGW_MAXLEN, "%s", name);
	snprintf(worker.bgw_type, BGW_MAXLEN, "%s", name);
	worker.bgw_main_arg = argument;
	worker.bgw_notify_pid = MyProcPid;
	if (RegisterDynamicBackgroundWorker(&worker, handle))
	{
		said_no_slot = false;
		return true;
	}
	if (!said_no_slot)
		ereport(LOG,
				(errmsg("no slot is free for a background worker of predictor"),
				 errhint("Raise max_worker_processes; captured records wait meanwhile.")));
	said_no_slot = true;
	return false;
}

/*
 * A place for one more worker, or NULL when predictor.max_workers says no. Trainings never take the
 * last place: at least one collector may always run, or history would stop while models train.
 */
static Running *
free_running(bool for_trainer)
{
	int			trainers = 0;
	int			collectors = 0;
	Running    *unused = NULL;
	bool		allowed;

	for (int i = 0; i < MAX_RUNNING; i++)
	{
		if (running[i].handle == NULL)
			unused = unused == NULL ? &running[i] : unused;
		else if (running[i].segment != NULL)
			collectors++;
		else
			trainers++;
	}
	allowed = for_trainer ? trainers < MAX_TRAINERS :
		collectors == 0 || collectors + trainers < predictor_max_workers;
	return allowed ? unused : NULL;
}

static bool
has_collector(Oid database)
{
	for (int i = 0; i < MAX_RUNNING; i++)
		if (running[i].handle != NULL && running[i].segment != NULL &&
			running[i].database == database)
			return true;
	return false;
}

/* Starts a collector for the database with what its queue holds; false: tried in vain. */
static bool
start_collector(Oid database, Queue *queue)
{
	Running    *slot = free_running(false);
	dsm_segment *segment;

	if (slot == NULL || GetCurrentTimestamp() < look_again_at)
		return false;
	segment = batch_make(database, queue);
	if (segment == NULL)
	{
		look_again_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOOK_PAUSE_MS);
		return false;
	}
	if (!launcher_start_worker("predictor_collector_main", "predictor collector",
							   UInt32GetDatum(dsm_segment_handle(segment)),
							   BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
							   &slot->handle))
	{
		dsm_detach(segment);
		slot->handle = NULL;
		return false;
	}
	slot->database = database;
	slot->segment = segment;
	slot->oldest = queue != NULL && queue->records > 0 ? queue->oldest : GetCurrentTimestamp();
	batch_is_given(segment, queue);
	return true;
}

static void
reap_collector(Running *slot)
{
	if (!batch_settle(slot->segment, slot->oldest))
		look_again_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOOK_PAUSE_MS);
	dsm_detach(slot->segment);
}

/* A trainer that ended before it took its job, for example because its database is gone. */
static void
reap_trainer(Running *slot)
{
	TrainingJob *job = &shared->jobs[slot->job];
	Oid			database = InvalidOid;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (job->state == JOB_REQUESTED && job->trainer_pid == -1)
	{
		job->state = job->waited_for ? JOB_FAILED : JOB_FREE;
		job->trainer_pid = 0;
		job->sqlstate = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
		snprintf(job->error, sizeof(job->error), "the training worker ended before it began");
		snprintf(job->hint, sizeof(job->hint), "The server's log says why.");
		database = job->database;
	}
	LWLockRelease(shared->lock);
	if (OidIsValid(database))
		jobs_look_at(database, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TRAINER_PAUSE_MS));
}

/* Workers leave a database when somebody wants to drop, move or copy it (database_commands.c). */
static void
leave_paused_databases(void)
{
	for (int i = 0; i < MAX_RUNNING; i++)
		if (running[i].handle != NULL && !running[i].told_to_leave &&
			shared_is_database_paused(running[i].database))
		{
			TerminateBackgroundWorker(running[i].handle);
			running[i].told_to_leave = true;
		}
}

static void
reap_workers(void)
{
	pid_t		pid;

	for (int i = 0; i < MAX_RUNNING; i++)
	{
		if (running[i].handle == NULL ||
			GetBackgroundWorkerPid(running[i].handle, &pid) != BGWH_STOPPED)
			continue;
		if (running[i].segment != NULL)
			reap_collector(&running[i]);
		else
			reap_trainer(&running[i]);
		pfree(running[i].handle);
		memset(&running[i], 0, sizeof(Running));
	}
	if (keeper_handle != NULL && GetBackgroundWorkerPid(keeper_handle, &pid) == BGWH_STOPPED)
	{
		pfree(keeper_handle);
		keeper_handle = NULL;
	}
}

/* ---- what is due ---- */

static bool
is_due(Queue *queue, bool flush)
{
	if (queue->pause_ms > 0 && GetCurrentTimestamp() < queue->not_before)
		return false;
	return (flush && queue->oldest <= flush_began) || queue->bytes >= FLUSH_BYTES ||
		TimestampDifferenceExceeds(queue->oldest, GetCurrentTimestamp(), predictor_flush_interval);
}

/* Collectors with nothing to store, for databases whose trainings shall be looked at. */
static void
start_lookers(void)
{
	Oid			due[MAX_RUNNING];
	int			count = jobs_looks_due(due, MAX_RUNNING);

	for (int i = 0; i < count; i++)
		if (!has_collector(due[i]) && !shared_is_database_paused(due[i]))
			start_collector(due[i], NULL);
}

/* Returns true if the flush has nothing left to wait for. */
static bool
start_collectors(bool flush)
{
	Oid			absent[PREDICTOR_MAX_DATABASES];
	int			absents = 0;
	bool		idle = true;

	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < PREDICTOR_MAX_DATABASES; i++)
	{
		DatabaseEntry *entry = &shared->databases[i];

		if (entry->state == DATABASE_UNKNOWN ||
			(entry->state != DATABASE_FREE && pg_atomic_read_u32(&entry->wanted) !=
			 pg_atomic_read_u32(&entry->published)))
			idle = false;		/* a publisher is about to look */
		else if (entry->state == DATABASE_ABSENT)
			absent[absents++] = entry->oid;
	}
	LWLockRelease(shared->lock);

	for (int i = 0; i < absents; i++)
	{
		Queue	   *queue = queue_of(absent[i]);

		if (queue != NULL)
			queue_drop(queue);
	}
	start_lookers();
	for (int i = 0; i < PREDICTOR_MAX_DATABASES; i++)
	{
		if (queues[i].bytes == 0)
			continue;
		if (queues[i].oldest <= flush_began)
			idle = false;
		if (is_due(&queues[i], flush) && !has_collector(queues[i].database) &&
			!shared_is_database_paused(queues[i].database))
			start_collector(queues[i].database, &queues[i]);
	}
	for (int i = 0; i < MAX_RUNNING; i++)
		if (running[i].segment != NULL && running[i].oldest <= flush_began)
			idle = false;
	return idle;
}

static void
start_trainers(void)
{
	for (int i = 0; i < PREDICTOR_MAX_JOBS; i++)
	{
		Running    *slot;
		Oid			database;
		bool		requested;

		LWLockAcquire(shared->lock, LW_SHARED);
		requested = shared->jobs[i].state == JOB_REQUESTED && shared->jobs[i].trainer_pid == 0;
		database = shared->jobs[i].database;
		LWLockRelease(shared->lock);
		slot = requested ? free_running(true) : NULL;
		if (slot == NULL)
			continue;
		if (!launcher_start_worker("predictor_trainer_main", "predictor trainer", Int32GetDatum(i),
						  BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
						  &slot->handle))
		{
			slot->handle = NULL;
			continue;
		}
		slot->job = i;
		slot->database = database;
		/* not again before it has taken the job or ended */
		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		if (shared->jobs[i].state == JOB_REQUESTED)
			shared->jobs[i].trainer_pid = -1;
		LWLockRelease(shared->lock);
	}
}

/* A launcher before this one started them and can no longer say what became of them. */
static void
forget_started_trainers(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PREDICTOR_MAX_JOBS; i++)
		if (shared->jobs[i].state == JOB_REQUESTED && shared->jobs[i].trainer_pid == -1)
			shared->jobs[i].trainer_pid = 0;
	LWLockRelease(shared->lock);
}

static void
start_keeper(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int			pause = KEEPER_PAUSE_MS;
	bool		wanted;

	LWLockAcquire(shared->lock, LW_SHARED);
	wanted = shared->keeper.wanted_until > now &&
		(shared->keeper.state == KEEPER_STOPPED || shared->keeper.state == KEEPER_FAILED);
	for (int i = 1; i < shared->keeper.failures && pause < KEEPER_LONGEST_PAUSE_MS; i++)
		pause *= 2;
	LWLockRelease(shared->lock);
	if (!wanted || keeper_handle != NULL ||
		!TimestampDifferenceExceeds(keeper_started, now, Min(pause, KEEPER_LONGEST_PAUSE_MS)))
		return;
	keeper_started = now;
	if (!launcher_start_worker("predictor_keeper_main", "predictor keeper", (Datum) 0,
					  BGWORKER_SHMEM_ACCESS, &keeper_handle))
		keeper_handle = NULL;
}

static void
leave(int code, Datum arg)
{
	/* nobody has what waits in our memory; another launcher begins with the ring */
	for (int i = 0; i < PREDICTOR_MAX_DATABASES; i++)
		if (queues[i].records > 0)
			queue_drop(&queues[i]);
	for (int i = 0; i < MAX_RUNNING; i++)
		if (running[i].segment != NULL)
			batch_leave(dsm_segment_address(running[i].segment));
	shared->launcher_latch = NULL;
}

static void
one_round(void)
{
	uint64		asked;
	uint64		done;
	bool		begins;

	publishing_round();
	if (RecoveryInProgress())
		return;
	asked = pg_atomic_read_u64(&shared->flush_requested);
	done = pg_atomic_read_u64(&shared->flush_done);
	begins = flush_ticket <= done && asked > done;
	drain_ring();
	if (begins)
	{
		flush_ticket = asked;
		flush_began = GetCurrentTimestamp();
	}
	leave_paused_databases();
	reap_workers();
	if (start_collectors(flush_ticket > done) && flush_ticket > done)
		pg_atomic_write_u64(&shared->flush_done, flush_ticket);
	start_trainers();
	start_keeper();
}

void
predictor_launcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	before_shmem_exit(leave, (Datum) 0);
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "predictor launcher");
	drain_buffer = MemoryContextAlloc(TopMemoryContext, ring_record_limit());
	forget_started_trainers();
	shared->launcher_latch = &MyProc->procLatch;
	publishing_introduce_databases();

	while (!ShutdownRequestPending)
	{
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		CHECK_FOR_INTERRUPTS();
		publishing_listen();
		one_round();
		engine_files_watch();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(predictor_flush_interval, 500), wait_event_launcher());
		ResetLatch(MyLatch);
	}
	/* not 0, after which the postmaster would never start us again */
	proc_exit(1);
}
