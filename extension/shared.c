/*
 * shared.c - creates the shared state and offers its small operations; rules are in shared.h.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "extension/aggregates.h"
#include "extension/directory.h"
#include "extension/ring.h"
#include "extension/settings.h"
#include "extension/shared.h"

SharedState *shared = NULL;

static shmem_startup_hook_type previous_startup_hook = NULL;
#if PG_VERSION_NUM >= 150000
static shmem_request_hook_type previous_request_hook = NULL;
#endif

#define TRANCHE_NAME "predictor"
#define MAX_PUBLISHER_FAILURES 5

static void
request_memory(void)
{
#if PG_VERSION_NUM >= 150000
	if (previous_request_hook)
		previous_request_hook();
#endif
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedState)));
	RequestAddinShmemSpace(ring_shmem_size());
	RequestAddinShmemSpace(aggregates_shmem_size());
	RequestAddinShmemSpace(directory_shmem_size());
	RequestNamedLWLockTranche(TRANCHE_NAME, 2 + RING_PARTITIONS + AGGREGATE_PARTITIONS);
}

static void
startup(void)
{
	bool		found;
	SharedState *state;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	state = ShmemInitStruct("predictor state", sizeof(SharedState), &found);
	if (!found)
	{
		LWLockPadded *locks = GetNamedLWLockTranche(TRANCHE_NAME);

		memset(state, 0, sizeof(SharedState));
		state->lock = &locks[0].lock;
		for (int i = 0; i < COUNTER_SHARDS; i++)
			for (int j = 0; j < COUNTER_COUNT; j++)
				pg_atomic_init_u64(&state->counters[i].values[j], 0);
		pg_atomic_init_u64(&state->captures_due, 0);
		pg_atomic_init_u32(&state->directory_generation, 0);
		pg_atomic_init_u32(&state->history_resets, 0);
		pg_atomic_init_u64(&state->flush_requested, 0);
		pg_atomic_init_u64(&state->flush_done, 0);
	}
	directory_shmem_init(&GetNamedLWLockTranche(TRANCHE_NAME)[1].lock);
	ring_shmem_init(GetNamedLWLockTranche(TRANCHE_NAME) + 2);
	aggregates_shmem_init(GetNamedLWLockTranche(TRANCHE_NAME) + 2 + RING_PARTITIONS);
	LWLockRelease(AddinShmemInitLock);
	shared = state;
}

void
shared_request(void)
{
#if PG_VERSION_NUM >= 150000
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
#else
	request_memory();
#endif
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}

void
shared_require(void)
{
	if (shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("predictor was not loaded when the server started"),
				 errhint("Put shared_preload_libraries = 'predictor' into postgresql.conf "
						 "(append it if others are there) and restart the server.")));
}

void
shared_count(Counter counter)
{
	shared_count_many(counter, 1);
}

void
shared_count_many(Counter counter, uint64 times)
{
	pg_atomic_fetch_add_u64(&shared->counters[MyProcPid % COUNTER_SHARDS].values[counter], times);
}

static uint32 counted_later[COUNTER_COUNT];
static bool is_counted_later = false;

void
shared_count_later(Counter counter)
{
	counted_later[counter]++;
	is_counted_later = true;
}

void
shared_settle_counts(void)
{
	if (!is_counted_later)
		return;
	for (int i = 0; i < COUNTER_COUNT; i++)
		if (counted_later[i] > 0)
			shared_count_many(i, counted_later[i]);
	memset(counted_later, 0, sizeof(counted_later));
	is_counted_later = false;
}

uint64
shared_counter(Counter counter)
{
	uint64		sum = counted_later[counter];

	for (int i = 0; i < COUNTER_SHARDS; i++)
		sum += pg_atomic_read_u64(&shared->counters[i].values[counter]);
	return sum;
}

static DatabaseEntry *
find_database(Oid database)
{
	for (int i = 0; i < PREDICTOR_MAX_DATABASES; i++)
		if (shared->databases[i].state != DATABASE_FREE && shared->databases[i].oid == database)
			return &shared->databases[i];
	return NULL;
}

/* Around changes that readers without the lock must not see half done. Need the lock exclusively. */
static void
begin_change(void)
{
	pg_atomic_fetch_add_u32(&shared->directory_generation, 1);
}

static void
end_change(void)
{
	pg_atomic_fetch_add_u32(&shared->directory_generation, 1);
}

/*
 * A new entry in state UNKNOWN, if need be in the place of the database without the extension that
 * was looked at longest ago, or else of any other. Needs the lock exclusively.
 */
static DatabaseEntry *
add_database(Oid database)
{
	DatabaseEntry *entry = NULL;

	for (int i = 0; i < PREDICTOR_MAX_DATABASES; i++)
	{
		DatabaseEntry *other = &shared->databases[i];

		if (entry == NULL || other->state == DATABASE_FREE ||
			(entry->state != DATABASE_FREE &&
			 ((other->state == DATABASE_ABSENT && entry->state != DATABASE_ABSENT) ||
			  (other->state == entry->state && other->looked_at < entry->looked_at))))
			entry = other;
		if (entry->state == DATABASE_FREE)
			break;
	}
	begin_change();
	memset(entry, 0, sizeof(*entry));
	entry->oid = database;
	entry->state = DATABASE_UNKNOWN;
	pg_atomic_init_u32(&entry->wanted, 1);
	pg_atomic_init_u32(&entry->published, 0);
	end_change();
	return entry;
}

void
shared_introduce_database(Oid database, bool conditional)
{
	if (conditional)
	{
		if (!LWLockConditionalAcquire(shared->lock, LW_EXCLUSIVE))
			return;
	}
	else
		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (find_database(database) == NULL)
		add_database(database);
	LWLockRelease(shared->lock);
	shared_wake_launcher();
}

/*
 * A copy of the current database's entry, in state FREE if there is none, and its generation. A hook must not wait for the
 * lock, and must not lose a record either because somebody else holds it for his own ends: so this reads without. False
 * if a change does not come to its end meanwhile: whoever makes it was put to sleep in between.
 */
static bool
copy_entry(DatabaseEntry *copy, uint32 *generation)
{
	for (int attempt = 0; attempt < 1000; attempt++)
	{
		const DatabaseEntry *entry;

		*generation = pg_atomic_read_u32(&shared->directory_generation);
		if ((*generation & 1) != 0)
		{
			pg_spin_delay();
			continue;
		}
		pg_read_barrier();
		entry = find_database(MyDatabaseId);
		memset(copy, 0, sizeof(*copy));
		if (entry != NULL)
			*copy = *entry;
		pg_read_barrier();
		if (pg_atomic_read_u32(&shared->directory_generation) == *generation)
			return true;
	}
	return false;
}

bool
shared_database_key(HashKey *key, bool conditional)
{
	static uint32 cached_generation;
	static DatabaseEntry cached;	/* state FREE: nothing cached */
	uint32		generation = pg_atomic_read_u32(&shared->directory_generation);

	if (cached.state == DATABASE_FREE || cached_generation != generation)
	{
		DatabaseEntry entry;
		bool		copied = copy_entry(&entry, &generation);

		if (!copied && !conditional)
		{
			LWLockAcquire(shared->lock, LW_SHARED);
			copied = copy_entry(&entry, &generation);
			LWLockRelease(shared->lock);
		}
		/* else what was true a moment ago: a record names its key, so an old one does no harm */
		if (copied)
		{
			cached = entry;
			cached_generation = generation;
		}
	}
	if (cached.state == DATABASE_FREE)
		shared_introduce_database(MyDatabaseId, conditional);
	*key = cached.key;
	return cached.state == DATABASE_READY;
}

static void
set_database(Oid database, DatabaseState state, const HashKey *key)
{
	DatabaseEntry *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = find_database(database);
	if (entry == NULL)
		entry = add_database(database);
	begin_change();
	entry->state = state;
	if (key != NULL)
		entry->key = *key;
	else
		memset(&entry->key, 0, sizeof(HashKey));
	end_change();
	entry->looked_at = GetCurrentTimestamp();
	LWLockRelease(shared->lock);
}

void
shared_announce_database(void)
{
	DatabaseEntry *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId);
	if (entry == NULL)
		entry = add_database(MyDatabaseId);
	else
		pg_atomic_fetch_add_u32(&entry->wanted, 1);
	LWLockRelease(shared->lock);
	shared_wake_launcher();
}

void
shared_relation_invalidated(Oid relid)
{
	static int	at = 0;			/* where the entry was last time */
	DatabaseEntry *entry = &shared->databases[at];

	if (entry->oid != MyDatabaseId)
	{
		for (at = 0; at < PREDICTOR_MAX_DATABASES; at++)
			if (shared->databases[at].oid == MyDatabaseId)
				break;
		if (at == PREDICTOR_MAX_DATABASES)
		{
			at = 0;
			return;				/* nobody has asked for this database's models yet */
		}
		entry = &shared->databases[at];
	}
	/* An entry that changes hands just now gets a look too many, which does no harm. */
	if (!OidIsValid(entry->model_table) || (OidIsValid(relid) && relid != entry->model_table))
		return;
	pg_atomic_fetch_add_u32(&entry->wanted, 1);
	shared_wake_launcher();
}

void
shared_models_invalidated(void)
{
	/* a primary is told of an extension that comes, a standby replays it and has nothing but this */
	bool		in_recovery = RecoveryInProgress();

	for (int i = 0; i < PREDICTOR_MAX_DATABASES; i++)
		if (OidIsValid(shared->databases[i].model_table) ||
			(in_recovery && shared->databases[i].state != DATABASE_FREE))
			pg_atomic_fetch_add_u32(&shared->databases[i].wanted, 1);
}

bool
shared_publication_pending(uint32 *ticket)
{
	DatabaseEntry *entry;
	bool		pending;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId);
	if (entry == NULL)
		entry = add_database(MyDatabaseId);
	*ticket = pg_atomic_read_u32(&entry->wanted);
	pending = pg_atomic_read_u32(&entry->published) != *ticket;
	LWLockRelease(shared->lock);
	if (pending)
		shared_wake_launcher();
	return pending;
}

bool
shared_is_published(uint32 ticket)
{
	DatabaseEntry *entry;
	bool		published;

	LWLockAcquire(shared->lock, LW_SHARED);
	entry = find_database(MyDatabaseId);
	published = entry == NULL ||
		(int32) (pg_atomic_read_u32(&entry->published) - ticket) >= 0;
	LWLockRelease(shared->lock);
	return published;
}

bool
shared_next_publication(int *at, Oid *database, uint32 *ticket)
{
	bool		found = false;

	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 1; i <= PREDICTOR_MAX_DATABASES && !found; i++)
	{
		int			place = (*at + i) % PREDICTOR_MAX_DATABASES;
		DatabaseEntry *entry = &shared->databases[place];

		if (entry->state == DATABASE_FREE ||
			pg_atomic_read_u32(&entry->wanted) == pg_atomic_read_u32(&entry->published))
			continue;
		found = true;
		*at = place;
		*database = entry->oid;
		*ticket = pg_atomic_read_u32(&entry->wanted);
	}
	LWLockRelease(shared->lock);
	return found;
}

void
shared_publication_ended(Oid database, uint32 ticket, bool done)
{
	DatabaseEntry *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = find_database(database);
	if (entry != NULL)
	{
		entry->failures = done ? 0 : entry->failures + 1;
		/* What fails again and again is left alone until something changes. */
		if (done || entry->failures >= MAX_PUBLISHER_FAILURES)
			pg_atomic_write_u32(&entry->published, ticket);
	}
	LWLockRelease(shared->lock);
}

void
shared_set_model_table(Oid database, Oid model_table)
{
	DatabaseEntry *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = find_database(database);
	if (entry != NULL)
		entry->model_table = model_table;
	LWLockRelease(shared->lock);
}

void
shared_publish_database(Oid database, DatabaseState state, const HashKey *key)
{
	set_database(database, state, key);
}

bool
shared_storing_changed(int sqlstate)
{
	DatabaseEntry *entry;
	bool		changed;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId);
	changed = entry != NULL && entry->storing_error != sqlstate;
	if (changed)
		entry->storing_error = sqlstate;
	LWLockRelease(shared->lock);
	return changed;
}

void
shared_pause_database(Oid database)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PREDICTOR_MAX_PAUSES; i++)
		if (!OidIsValid(shared->pauses[i].database))
		{
			shared->pauses[i].database = database;
			shared->pauses[i].pid = MyProcPid;
			break;
		}
	LWLockRelease(shared->lock);
	shared_wake_launcher();
}

void
shared_resume_databases(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PREDICTOR_MAX_PAUSES; i++)
		if (shared->pauses[i].pid == MyProcPid)
			memset(&shared->pauses[i], 0, sizeof(Pause));
	LWLockRelease(shared->lock);
	shared_wake_launcher();
}

bool
shared_is_database_paused(Oid database)
{
	bool		found = false;

	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < PREDICTOR_MAX_PAUSES && OidIsValid(database); i++)
		found |= shared->pauses[i].database == database;
	LWLockRelease(shared->lock);
	return found;
}

void
shared_wake_launcher(void)
{
	Latch	   *latch = shared->launcher_latch;

	if (latch != NULL)
		SetLatch(latch);
}

/*
 * The generic cell rate algorithm (ITU-T I.371): captures_due is when the captures admitted so far
 * would be over if each took its share of a second. A capture is admitted while that is not too far
 * ahead: at most a second, which lets a burst in.
 */
#define SECOND UINT64CONST(1000000000)

static uint64
next_due(uint64 due, uint64 now)
{
	return Max(due, now) + SECOND / predictor_max_captures_per_second;
}

/* Even the smallest share lets a single capture in when nothing is under way. */
static uint64
latest_due(uint64 now, double share)
{
	uint64		interval = SECOND / predictor_max_captures_per_second;

	return now + interval + (uint64) (share * (SECOND - interval));
}

bool
shared_has_room(uint64 now, double share)
{
	return predictor_max_captures_per_second > 0 &&
		next_due(pg_atomic_read_u64(&shared->captures_due), now) <= latest_due(now, share);
}

bool
shared_admit_capture(uint64 now, double share)
{
	uint64		due = pg_atomic_read_u64(&shared->captures_due);
	uint64		next;

	if (predictor_max_captures_per_second == 0)
		return false;
	do
	{
		next = next_due(due, now);
		if (next > latest_due(now, share))
			return false;
	} while (!pg_atomic_compare_exchange_u64(&shared->captures_due, &due, next));
	return true;
}
